//! Tokens as numbers. Knows nothing of columns.

use super::json::{Kind, Token, slice};

/// An integer; a float without a fraction (as pandas writes integers with nulls); or a string of digits. A
/// string with an escape is no such string, for digits need none.
#[inline]
pub fn bigint(bytes: &[u8], token: Token) -> Option<i64> {
    match token.kind {
        Kind::Integer | Kind::Text => integer(slice(bytes, token)),
        Kind::Float => {
            let value = double(bytes, token)?;
            (value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0).then_some(value as i64)
        }
        _ => None,
    }
}

/// As [`bigint`], of few digits and nothing else: the number, and whether it is one; if not, it is 0. It takes the same steps
/// for all tokens, for the processor could only guess which of them are short numbers, and how short.
#[inline]
pub fn short_bigint(bytes: &[u8], token: Token) -> (i64, bool) {
    let (value, is_number) = Few::of(bytes, token).value();
    let is_number = is_number & matches!(token.kind, Kind::Integer | Kind::Text);
    (value as i64 & -i64::from(is_number), is_number)
}

/// As [`double`], of few digits with a point or without, as [`short_bigint`].
#[inline]
pub fn short_double(bytes: &[u8], token: Token) -> (f64, bool) {
    let (digits, decimals) = Few::of(bytes, token).without_point();
    let (value, is_number) = digits.value();
    let is_number = is_number & matches!(token.kind, Kind::Integer | Kind::Float);
    // Digits and power of ten are exact.
    let value = (value as i64 & -i64::from(is_number)) as f64;
    (value / POWERS[decimals as usize % POWERS.len()], is_number)
}

/// Some characters in a word, the last one in its highest byte; what is below the first one is 0.
#[derive(Clone, Copy)]
struct Few {
    word: u64,
    /// How many bits are below the first one.
    below: u32,
    /// Whether they are all characters of the token, which then has one at least.
    are_all: bool,
}

/// A one in each byte.
const EACH: u64 = 0x0101_0101_0101_0101;

impl Few {
    /// The first characters of a token.
    #[inline]
    fn of(bytes: &[u8], token: Token) -> Few {
        let count = token.end - token.start;
        // At the very end of a buffer there may be too few; then it is left to the others.
        let word = bytes.get(token.start as usize..).and_then(|rest| rest.first_chunk());
        let below = 64 - 8 * count.clamp(1, 8);
        let word = u64::from_le_bytes(word.copied().unwrap_or_default()) << below;
        Few { word, below, are_all: count.wrapping_sub(1) < 8 }
    }

    /// The number that they are, if all are digits: neighbours are put together, then pairs, then fours, all of a kind at once.
    #[inline]
    fn value(self) -> (u64, bool) {
        let digits = self.word ^ (u64::from(b'0') * EACH) << self.below;
        // Of one above 9 the highest bit is set, or becomes so.
        let others = (digits | digits.wrapping_add((0x80 - 10) * EACH)) & (0x80 * EACH);
        let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00ff_00ff_00ff_00ff;
        let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
        let all = fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff;
        (all, (others == 0) & self.are_all)
    }

    /// The same without the first point among them, and how many there were behind it. It is not the first one.
    #[inline]
    fn without_point(self) -> (Few, u32) {
        let others = self.word ^ (u64::from(b'.') * EACH);
        // The highest bit of the first byte that is one, and perhaps of some behind it.
        let points = others.wrapping_sub(EACH) & !others & (0x80 * EACH);
        // Without one, as if it were below all of them.
        let has_point = points != 0;
        let point = (points.trailing_zeros() & 63) & !7;
        let (before, behind) = (self.word & ((1 << point) - 1), self.word & !(u64::MAX >> (56 - point)));
        let word = if has_point { behind | before << 8 } else { self.word };
        let below = self.below + if has_point { 8 } else { 0 };
        (Few { word, below: below % 64, ..self }, if has_point { 7 - point / 8 } else { 0 })
    }
}

#[inline]
fn integer(digits: &[u8]) -> Option<i64> {
    if (1..=18).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) {
        return Some(digits.iter().fold(0, |value, &digit| value * 10 + i64::from(digit - b'0')));
    }
    if digits.first() == Some(&b'+') {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Whether a token is an integer, as number or string, that does not fit 64 bits.
#[inline]
pub fn is_out_of_range(bytes: &[u8], token: Token) -> bool {
    token.end - token.start > 18 && is_too_long(bytes, token)
}

fn is_too_long(bytes: &[u8], token: Token) -> bool {
    let digits = slice(bytes, token);
    let unsigned = digits.strip_prefix(b"-").unwrap_or(digits);
    unsigned.len() > 18
        && matches!(token.kind, Kind::Integer | Kind::Text)
        && unsigned.iter().all(u8::is_ascii_digit)
        && integer(digits).is_none()
}

const POWERS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Any JSON number that a double can hold.
pub fn double(bytes: &[u8], token: Token) -> Option<f64> {
    if !matches!(token.kind, Kind::Integer | Kind::Float) {
        return None;
    }
    let digits = slice(bytes, token);
    exact_double(digits)
        .or_else(|| std::str::from_utf8(digits).ok()?.parse().ok().filter(|value: &f64| value.is_finite()))
}

/// A number of up to 15 digits without sign and exponent. Its digits and the power of ten are exact as doubles, so that
/// their quotient is the nearest double (Clinger, *How to Read Floating Point Numbers Accurately*, PLDI 1990).
#[inline]
fn exact_double(digits: &[u8]) -> Option<f64> {
    if digits.len() > 16 {
        return None;
    }
    let mut value = 0u64;
    let mut point = None;
    for (at, &byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => value = value * 10 + u64::from(byte - b'0'),
            b'.' => point = Some(at),
            _ => return None,
        }
    }
    let decimals = point.map_or(0, |point| digits.len() - point - 1);
    (point.is_some() || digits.len() <= 15).then(|| value as f64 / POWERS[decimals])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A token of this text at some place of a buffer.
    fn token(text: &str, kind: Kind) -> (Vec<u8>, Token) {
        let bytes = [b"{\"id\": ", text.as_bytes(), b", \"9\": 1234567}"].concat();
        let start = 7;
        (bytes, Token { kind, start, end: start + text.len() as u32 })
    }

    #[test]
    fn numbers_of_every_length_are_what_rust_reads() {
        let digits = "9876543210123456789012";
        for count in 1..=digits.len() {
            for begin in [0, 3, 9] {
                let Some(integer) = digits.get(begin..begin + count) else { continue };
                for kind in [Kind::Integer, Kind::Text] {
                    let ((bytes, token), number) = (token(integer, kind), integer.parse().ok());
                    assert_eq!(bigint(&bytes, token), number, "{integer}");
                    let (value, is_number) = short_bigint(&bytes, token);
                    assert_eq!(is_number.then_some(value), number.filter(|_| count <= 8), "{integer}");
                }
                for point in 1..count {
                    let number = format!("{}.{}", &integer[..point], &integer[point..]);
                    let ((bytes, token), value) = (token(&number, Kind::Float), number.parse().ok());
                    assert_eq!(double(&bytes, token), value, "{number}");
                    let (short, is_number) = short_double(&bytes, token);
                    assert_eq!(is_number.then_some(short), value.filter(|_| count < 8), "{number}");
                }
            }
        }
    }

    #[test]
    fn a_text_is_a_number_only_if_all_of_it_are_digits() {
        for other in 0..=0x7f_u8 {
            for count in 1..=9 {
                for place in 0..count {
                    let mut text = "12345678901"[..count].to_owned();
                    text.replace_range(place..=place, &char::from(other).to_string());
                    let is_number = other.is_ascii_digit() || (other == b'-' && place == 0 && count > 1);
                    let expected = is_number.then(|| text.parse().ok()).flatten();
                    let (bytes, token) = token(&text, Kind::Text);
                    assert_eq!(bigint(&bytes, token), expected, "{text:?}");
                    let is_short = other.is_ascii_digit() && count <= 8;
                    let expected = expected.filter(|_| is_short);
                    assert_eq!(short_bigint(&bytes, token), (expected.unwrap_or(0), is_short), "{text:?}");
                }
            }
        }
    }
}
