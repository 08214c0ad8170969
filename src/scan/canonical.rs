//! A quick walk over lines in the form in which Python's `json.dumps` writes them: `{"key": value, "key": value}`, no
//! other white space. Where a string ends is read off the places of the stops instead of being searched, so that the
//! processor can work on several keys at a time.
//!
//! It only ever says yes: a line that it accepts, the general walk of [`super::json`] accepts with the same tokens, and
//! what it does not know it leaves to that walk. Knows neither columns' types nor what becomes of the tokens.

use super::fields::{Field, Fields, Previous};
use super::json::{Kind, Token, Tokens, Walker};
use super::stops::Marks;

/// Walks over the object that begins at `start` and ends the line. `stop` is the number of the first stop at or behind
/// `start`.
///
/// Returns where the next line begins and the number of the first stop there; `None` if the line is not in this form,
/// whether it is JSON or not.
pub fn object_line(
    bytes: &[u8],
    marks: &Marks,
    start: usize,
    mut stop: usize,
    fields: &mut Fields,
    tokens: &mut Tokens,
) -> Option<(usize, usize)> {
    let places = marks.places.as_slice();
    let mut previous = Previous::NONE;
    // At the brace, later at the comma, before a key; `places[stop]` is the first stop behind it.
    let mut at = start;
    tokens.clear();
    loop {
        let is_first = at == start;
        let (field, length) = match fields.guess(bytes, at, previous, is_first) {
            Some((field, length)) => (Some(field), length),
            None if bytes[at..].starts_with(b"}\n") => return Some((at + 2, stop + 1)),
            None => other_key(bytes, places, at, stop, fields, previous, is_first)?,
        };
        at += length;
        // Behind the two quotes of the key.
        stop += 2;
        let (token, behind) = match bytes[at] {
            b'"' => {
                let mut kind = Kind::Text;
                stop += 1;
                if bytes[places[stop] as usize] != b'"' {
                    stop = closing_quote(bytes, places, stop)?;
                    kind = Kind::EscapedText;
                }
                let end = places[stop];
                stop += 1;
                (Token { kind, start: at as u32 + 1, end }, end as usize + 1)
            }
            b'{' | b'[' if !matches!(&bytes[at + 1], b'}' | b']') => {
                let token;
                (token, stop) = nested(bytes, marks, at, stop)?;
                (token, token.end as usize)
            }
            first => {
                let end = value_end(bytes, places[stop] as usize);
                let kind = scalar(first, bytes.get(at..end)?)?;
                (Token { kind, start: at as u32, end: end as u32 }, end)
            }
        };
        if let Some(field) = field {
            tokens.set(field, token);
            previous = previous.then(field);
        }
        at = behind;
    }
}

/// The field of a key that was not guessed, and how many bytes it takes with what stands around it.
#[cold]
fn other_key(
    bytes: &[u8],
    places: &[u32],
    at: usize,
    stop: usize,
    fields: &mut Fields,
    previous: Previous,
    is_first: bool,
) -> Option<(Option<Field>, usize)> {
    let (start, end) = (places[stop] as usize, *places.get(stop + 1)? as usize);
    let before: &[u8] = if is_first { b"{\"" } else { b", \"" };
    if &bytes[at..=start] != before || bytes[end..].first_chunk() != Some(b"\": ") {
        return None;
    }
    Some((fields.find(&bytes[start + 1..end], Kind::Text, previous), end + 3 - at))
}

/// The object or array at `at`, and the number of the first stop behind it.
#[inline(never)]
fn nested(bytes: &[u8], marks: &Marks, at: usize, mut stop: usize) -> Option<(Token, usize)> {
    let mut walker = Walker::new(bytes, &marks.bits);
    walker.at = at;
    let kind = walker.nested().ok()?;
    while (marks.places[stop] as usize) < walker.at {
        stop += 1;
    }
    Some((Token { kind, start: at as u32, end: walker.at as u32 }, stop))
}

/// Where a value ends if the next stop behind it, `next`, is where it is in this form: at the quote of the next key or at
/// the end of the line.
#[inline]
fn value_end(bytes: &[u8], next: usize) -> usize {
    next - if bytes[next] == b'"' { 2 } else { 1 }
}

/// What a value without stops is.
#[inline]
fn scalar(first: u8, value: &[u8]) -> Option<Kind> {
    match first {
        b'n' => (value == b"null").then_some(Kind::Null),
        b't' => (value == b"true").then_some(Kind::True),
        b'f' => (value == b"false").then_some(Kind::False),
        b'{' => (value == b"{}").then_some(Kind::Object),
        b'[' => (value == b"[]").then_some(Kind::Array),
        _ => number(value),
    }
}

/// A number without sign and exponent.
#[inline]
fn number(value: &[u8]) -> Option<Kind> {
    let whole = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if whole == 0 || whole > 1 && value[0] == b'0' {
        return None;
    }
    match &value[whole..] {
        [] => Some(Kind::Integer),
        [b'.', fraction @ ..] => {
            (!fraction.is_empty() && fraction.iter().all(u8::is_ascii_digit)).then_some(Kind::Float)
        }
        _ => None,
    }
}

/// The number of the stop that closes a string, of which the stop `stop` is no quote.
#[inline(never)]
fn closing_quote(bytes: &[u8], places: &[u32], mut stop: usize) -> Option<usize> {
    loop {
        let at = places[stop] as usize;
        match bytes[at] {
            b'"' => return Some(stop),
            b'\\' => match bytes[at + 1] {
                // What is escaped is a stop of its own.
                b'"' | b'\\' => stop += 2,
                b'/' | b'b' | b'f' | b'n' | b'r' | b't' => stop += 1,
                b'u' => {
                    let digits: &[u8; 4] = bytes[at + 2..].first_chunk()?;
                    if !digits.iter().all(u8::is_ascii_hexdigit) {
                        return None;
                    }
                    stop += 1;
                }
                _ => return None,
            },
            _ => return None,
        }
    }
}
