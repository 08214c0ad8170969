//! A quick walk over lines in the form in which Python's `json.dumps` writes them: `{"key": value, "key": value}`, no
//! other white space. Keys are compared with those of the lines before, and strings are searched for their end 32 bytes
//! at a time.
//!
//! It only ever says yes: a line that it accepts, the general walk of [`super::json`] accepts with the same tokens, and
//! what it does not know it leaves to that walk. Knows neither columns' types nor what becomes of the tokens.

use super::fields::Fields;
use super::json::{Kind, Open, Token, Tokens, closing};
use super::shapes::{END, Shapes, Step, UNKNOWN};
use super::stops::{Kernel, Look, Portable, Task, WINDOW, Windows};

/// A line that was walked over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walked {
    /// Where the next line begins.
    pub next: usize,
    /// Whether it holds nothing but ASCII. If not, it is still to be checked whether it is UTF-8.
    pub is_ascii: bool,
}

/// Walks over the object that begins at `start` and ends the line, in a buffer that is padded (see [`super::stops::pad`]).
///
/// Returns `None` if the line is not in this form, whether it is JSON or not.
#[inline]
pub fn object_line(
    kernel: Kernel,
    bytes: &[u8],
    start: usize,
    fields: &mut Fields,
    shapes: &mut Shapes,
    tokens: &mut Tokens,
) -> Option<Walked> {
    kernel.run(Line { bytes, start, fields, shapes, tokens })
}

struct Line<'a> {
    bytes: &'a [u8],
    start: usize,
    fields: &'a mut Fields,
    shapes: &'a mut Shapes,
    tokens: &'a mut Tokens,
}

/// How far a walk has come.
#[derive(Clone, Copy)]
struct Walk {
    /// At the brace, later at the comma, before a key.
    at: usize,
    /// The number of the step that is likely next.
    step: usize,
    /// Bits that are set if there was a byte above 0x7f.
    above_ascii: u32,
}

impl Task for Line<'_> {
    type Output = Option<Walked>;

    #[inline(always)]
    fn run<W: Windows>(self) -> Option<Walked> {
        let Line { bytes, start, fields, shapes, tokens } = self;
        let mut walk = Walk { at: start, step: 0, above_ascii: 0 };
        tokens.clear();
        while !known_steps::<W>(bytes, shapes.steps(), tokens, &mut walk)?
            && !new_step(bytes, start, fields, shapes, tokens, &mut walk)?
        {}
        Some(Walked { next: walk.at, is_ascii: walk.above_ascii == 0 })
    }
}

/// Walks on as long as there are known steps; whether the line ended then.
#[inline(always)]
fn known_steps<W: Windows>(
    bytes: &[u8],
    steps: &[Step],
    tokens: &mut Tokens,
    walk: &mut Walk,
) -> Option<bool> {
    let Walk { mut at, mut step, mut above_ascii } = *walk;
    let ended = 'line: loop {
        let window = window(bytes, at)?;
        let place = step;
        let Some(mut known) = steps.get(step) else { break false };
        while !known.matches::<W>(window) {
            if known.other == 0 {
                step = place;
                break 'line false;
            }
            step = usize::from(known.other);
            known = &steps[step];
        }
        at += usize::from(known.length);
        if known.meaning == END {
            break true;
        }
        let token;
        (token, at) = value::<W>(bytes, at, &mut above_ascii)?;
        if let Some(field) = known.field() {
            tokens.set(field, token);
        }
        step += 1;
    };
    *walk = Walk { at, step, above_ascii };
    Some(ended)
}

/// Walks over a step that was not known at this place, and learns it: a key with its value, or the line's end; whether it was
/// the end.
#[cold]
#[inline(never)]
fn new_step(
    bytes: &[u8],
    start: usize,
    fields: &mut Fields,
    shapes: &mut Shapes,
    tokens: &mut Tokens,
    walk: &mut Walk,
) -> Option<bool> {
    const END_OF_LINE: &[u8] = b"}\n";
    let Walk { at, step, above_ascii } = walk;
    if bytes[*at..].starts_with(END_OF_LINE) {
        shapes.learn(*step, END_OF_LINE, END);
        *at += END_OF_LINE.len();
        return Some(true);
    }
    let before: &[u8] = if *at == start { b"{\"" } else { b", \"" };
    let key = *at + before.len();
    if bytes.get(*at..key)? != before {
        return None;
    }
    let (end, kind) = string_end::<Portable>(bytes, key, above_ascii)?;
    // A key that is met again is not looked at for what is no text.
    if kind != Kind::Text || !bytes[key..end].is_ascii() || !bytes[end..].starts_with(b"\": ") {
        return None;
    }
    let field = fields.find(&bytes[key..end], kind);
    let meaning = field.map_or(UNKNOWN, |field| field.0);
    let (token, behind) = value::<Portable>(bytes, end + 3, above_ascii)?;
    *step = shapes.learn(*step, &bytes[*at..end + 3], meaning);
    if let Some(field) = field {
        tokens.set(field, token);
    }
    *at = behind;
    Some(false)
}

#[inline(always)]
fn window(bytes: &[u8], at: usize) -> Option<&[u8; WINDOW]> {
    bytes.get(at..)?.first_chunk()
}

/// The value that begins at `at`, and where it ends.
#[inline(always)]
fn value<W: Windows>(bytes: &[u8], at: usize, above_ascii: &mut u32) -> Option<(Token, usize)> {
    let first = bytes[at];
    if first == b'"' {
        let (end, kind) = string_end::<W>(bytes, at + 1, above_ascii)?;
        return Some((Token { kind, start: at as u32 + 1, end: end as u32 }, end + 1));
    }
    let (kind, end) = if first.is_ascii_digit() {
        let (kind, length) = number::<W>(window(bytes, at)?)?;
        (kind, at + length)
    } else {
        other_value(bytes, at, above_ascii)?
    };
    Some((Token { kind, start: at as u32, end: end as u32 }, end))
}

/// A value that is neither text nor number, and where it ends.
#[inline(always)]
fn other_value(bytes: &[u8], at: usize, above_ascii: &mut u32) -> Option<(Kind, usize)> {
    if let Some(found) = word(bytes, at) {
        return Some(found);
    }
    let kind = match bytes[at] {
        b'{' => Kind::Object,
        b'[' => Kind::Array,
        _ => return None,
    };
    Some((kind, nested(bytes, at, above_ascii)?))
}

/// A value that holds nothing and is neither text nor number, and where it ends.
#[inline(always)]
fn word(bytes: &[u8], at: usize) -> Option<(Kind, usize)> {
    match bytes[at] {
        b'n' => is(bytes, at, b"null").then_some((Kind::Null, at + 4)),
        b't' => is(bytes, at, b"true").then_some((Kind::True, at + 4)),
        b'f' => is(bytes, at, b"false").then_some((Kind::False, at + 5)),
        b'{' => is(bytes, at, b"{}").then_some((Kind::Object, at + 2)),
        b'[' => is(bytes, at, b"[]").then_some((Kind::Array, at + 2)),
        _ => None,
    }
}

/// Whether this stands there. Its length is part of its type, so that it is compared without a call.
#[inline(always)]
fn is<const LENGTH: usize>(bytes: &[u8], at: usize, word: &[u8; LENGTH]) -> bool {
    bytes.get(at..).and_then(|rest| rest.first_chunk()) == Some(word)
}

/// Where the object or array that begins at `at` ends.
#[inline(never)]
fn nested(bytes: &[u8], mut at: usize, above_ascii: &mut u32) -> Option<usize> {
    let mut open = Open::default();
    loop {
        // At the begin of a value.
        let is_object = bytes[at] == b'{';
        if bytes[at] == b'"' {
            at = string_end::<Portable>(bytes, at + 1, above_ascii)?.0 + 1;
        } else if bytes[at].is_ascii_digit() {
            at += number::<Portable>(window(bytes, at)?)?.1;
        } else if let Some((_, end)) = word(bytes, at) {
            at = end;
        } else if !is_object && bytes[at] != b'[' {
            return None;
        } else {
            open.push(is_object);
            at += 1;
            if is_object {
                at = key_end(bytes, at, above_ascii)?;
            }
            continue;
        }
        // Behind a value: close what ends here, then go on to the next value.
        loop {
            let Some(is_object) = open.last() else { return Some(at) };
            if bytes[at] == closing(is_object) {
                open.pop();
                at += 1;
            } else if bytes[at..].starts_with(b", ") {
                at += 2;
                if is_object {
                    at = key_end(bytes, at, above_ascii)?;
                }
                break;
            } else {
                return None;
            }
        }
    }
}

/// Where the key that begins at `at` ends, with its colon and the space behind it.
fn key_end(bytes: &[u8], at: usize, above_ascii: &mut u32) -> Option<usize> {
    if bytes[at] != b'"' {
        return None;
    }
    let (end, _) = string_end::<Portable>(bytes, at + 1, above_ascii)?;
    bytes[end..].starts_with(b"\": ").then_some(end + 3)
}

/// A number without sign and exponent, and how many bytes it has, if they are fewer than there are here, of which the first is
/// a digit. It looks at all of them at once, because where a number ends is hard to guess for the processor.
#[inline(always)]
fn number<W: Windows>(bytes: &[u8; WINDOW]) -> Option<(Kind, usize)> {
    let [digits, dots] = W::digits_and_dots(bytes);
    let length = (digits | dots).trailing_ones();
    let all = 1u32.checked_shl(length)? - 1;
    let dots = dots & all;
    let leading_zero = bytes[0] == b'0' && digits & 0b10 != 0;
    if leading_zero {
        return None;
    }
    let length = length as usize;
    if dots == 0 {
        return Some((Kind::Integer, length));
    }
    let ends_with_digit = dots <= all >> 1;
    (dots.is_power_of_two() && ends_with_digit).then_some((Kind::Float, length))
}

/// Where the closing quote of the string is whose text begins at `at`, and whether it has escapes.
#[inline(always)]
fn string_end<W: Windows>(bytes: &[u8], mut at: usize, above_ascii: &mut u32) -> Option<(usize, Kind)> {
    loop {
        let Look { stops, above_ascii: above } = W::look(window(bytes, at)?);
        *above_ascii |= above;
        if stops == 0 {
            at += WINDOW;
            continue;
        }
        at += stops.trailing_zeros() as usize;
        if bytes[at] == b'"' {
            return Some((at, Kind::Text));
        }
        return Some((escaped_end(bytes, at, above_ascii)?, Kind::EscapedText));
    }
}

/// Where the closing quote of a string is, from a place on where there is no plain character.
#[inline(never)]
fn escaped_end(bytes: &[u8], mut at: usize, above_ascii: &mut u32) -> Option<usize> {
    loop {
        match bytes[at] {
            b'"' => return Some(at),
            b'\\' => match bytes[at + 1] {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                b'u' => {
                    let digits: &[u8; 4] = bytes[at + 2..].first_chunk()?;
                    if !digits.iter().all(u8::is_ascii_hexdigit) {
                        return None;
                    }
                    at += 6;
                }
                _ => return None,
            },
            0..0x20 => return None,
            _ => loop {
                let Look { stops, above_ascii: above } = Portable::look(window(bytes, at)?);
                *above_ascii |= above;
                if stops != 0 {
                    at += stops.trailing_zeros() as usize;
                    break;
                }
                at += WINDOW;
            },
        }
    }
}
