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
pub fn is_out_of_range(bytes: &[u8], token: Token) -> bool {
    let digits = slice(bytes, token);
    let unsigned = digits.strip_prefix(b"-").unwrap_or(digits);
    unsigned.len() > 18
        && matches!(token.kind, Kind::Integer | Kind::Text)
        && unsigned.iter().all(u8::is_ascii_digit)
        && integer(digits).is_none()
}

/// Any JSON number that a double can hold.
pub fn double(bytes: &[u8], token: Token) -> Option<f64> {
    if !matches!(token.kind, Kind::Integer | Kind::Float) {
        return None;
    }
    let digits = slice(bytes, token);
    short_double(digits)
        .or_else(|| std::str::from_utf8(digits).ok()?.parse().ok().filter(|value: &f64| value.is_finite()))
}

/// A number of up to 15 digits without sign and exponent. Its digits and the power of ten are exact as doubles, so that
/// their quotient is the nearest double (Clinger, *How to Read Floating Point Numbers Accurately*, PLDI 1990).
#[inline]
fn short_double(digits: &[u8]) -> Option<f64> {
    const POWERS: [f64; 16] =
        [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
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
