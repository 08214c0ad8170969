//! Text as the shop's Python writes it: strings as `json.dumps` escapes them, seconds as `repr` prints a float,
//! times as `isoformat` does. Knows nothing of lines.

use chrono::{DateTime, Datelike, Timelike};
use std::fmt::Write;

/// `text` as a JSON string in quotes, all but printable ASCII as `\uXXXX`.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
    out
}

/// `text` as a JSON string, or `null`.
pub fn optional(text: Option<&str>) -> String {
    text.map_or_else(|| "null".to_owned(), quoted)
}

/// A number, or `null`.
pub fn number(n: Option<u64>) -> String {
    n.map_or_else(|| "null".to_owned(), |n| n.to_string())
}

/// Microseconds as seconds, the shortest decimal: `0.00344`, `12.0`. Must be at least 100 µs (below, Python
/// changes to exponents).
pub fn seconds(micros: i64) -> String {
    let mut text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.truncate(text.trim_end_matches('0').len());
    if text.ends_with('.') {
        text.push('0');
    }
    text
}

/// A wall-clock time in microseconds as ISO 8601 without a zone; whole seconds have no fraction.
pub fn stamp(micros: i64) -> String {
    let t = DateTime::from_timestamp_micros(micros).unwrap_or_default();
    let mut out = String::with_capacity(26);
    let _ = write!(out, "{:04}-{:02}-{:02}T", t.year(), t.month(), t.day());
    let _ = write!(out, "{:02}:{:02}:{:02}", t.hour(), t.minute(), t.second());
    if micros % 1_000_000 != 0 {
        let _ = write!(out, ".{:06}", micros % 1_000_000);
    }
    out
}

/// `text` percent-encoded as in a URL's query.
pub fn percent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}
