//! What serde_json and flate2 say of a line, and whether a scan says the same. Tests hold the scanner against it, and
//! so does fuzzing, which includes this file. Knows the scanner only from outside.

use loganalyze::scan::agents::is_bot;
use loganalyze::scan::column::Column;
use loganalyze::scan::cookie::short_hash;
use loganalyze::scan::redact::{REDACTED, Redaction, SENSITIVE};
use loganalyze::scan::stops::Kernel;
use loganalyze::scan::{Scanned, Settings, scan_bytes, time};
use loganalyze::schema::{COLUMNS, Origin, Type};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::io::Read;
use std::sync::LazyLock;

static REDACTION: LazyLock<Redaction> = LazyLock::new(|| Redaction::new(&[], false));

/// What becomes of a line.
enum Verdict {
    Blank,
    Reject,
    /// The object, unless serde_json has no value for what its grammar accepts.
    Event(Option<Map<String, Value>>),
}

/// Holds a log of these lines against what is said of each line on its own.
pub fn check(lines: &[impl AsRef<[u8]>], kernel: Kernel) -> Scanned {
    let bytes: Vec<u8> = lines.iter().flat_map(|line| line.as_ref()).copied().collect();
    let scanned = scan_bytes(&bytes, &Settings { kernel, ..Settings::default() });
    let tally = scanned.total();
    assert_eq!(tally.lines, tally.events + tally.rejects() + tally.blank);
    assert_eq!(tally.lines, lines.len() as u64);
    let mut row = 0;
    let mut rejects = scanned.rejects.iter();
    for (at, line) in lines.iter().map(AsRef::as_ref).enumerate() {
        match verdict(line) {
            Verdict::Blank => {}
            Verdict::Reject => {
                let reject = rejects.next().unwrap_or_else(|| panic!("accepted: {}", shown(line)));
                assert_eq!(reject.line, at as u64 + 1, "{reject:?}, wanted: {}", shown(line));
            }
            Verdict::Event(object) => {
                assert!(row < scanned.rows, "rejected: {}", shown(line));
                if let Some(object) = object {
                    compare(&scanned, row, &object, line);
                }
                row += 1;
            }
        }
    }
    assert_eq!((row, rejects.next()), (scanned.rows, None));
    scanned
}

fn shown(line: &[u8]) -> String {
    line.escape_ascii().to_string()
}

fn verdict(line: &[u8]) -> Verdict {
    if is_wrapped(line) {
        let alone = scan_bytes(line, &Settings::default()).total();
        return match (alone.blank, alone.events) {
            (1, 0) => Verdict::Blank,
            (0, 1) => Verdict::Event(None),
            _ => Verdict::Reject,
        };
    }
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let Ok(text) = std::str::from_utf8(line) else { return Verdict::Reject };
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    if text.is_empty() {
        return Verdict::Blank;
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.disable_recursion_limit();
    let valid = serde::de::IgnoredAny::deserialize(&mut deserializer).is_ok() && deserializer.end().is_ok();
    if !valid || !text.starts_with('{') {
        return Verdict::Reject;
    }
    // serde_json has no value for a surrogate without its partner; the scanner puts U+FFFD there.
    Verdict::Event(serde_json::from_str(&with_lone_surrogates_replaced(text)).ok())
}

/// Whether a line may be one of Fluentd's, CRI's or Docker's, which serde_json does not know.
pub fn is_wrapped(line: &[u8]) -> bool {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii_start();
    line.starts_with(b"{\"log\":\"")
        || !line.starts_with(b"{") && (line.contains(&b'\t') || line.windows(4).any(|word| word == b" std"))
}

fn with_lone_surrogates_replaced(text: &str) -> String {
    let code = |at: usize| -> Option<u32> {
        let digits = text.get(at..)?.strip_prefix("\\u")?.get(..4)?;
        u32::from_str_radix(digits, 16).ok()
    };
    let mut out = String::new();
    let mut at = 0;
    while at < text.len() {
        let length = match code(at) {
            Some(0xd800..=0xdbff) if matches!(code(at + 6), Some(0xdc00..=0xdfff)) => 12,
            Some(0xd800..=0xdfff) => {
                out.push_str("\\ufffd");
                at += 6;
                continue;
            }
            Some(_) => 6,
            None if text[at..].starts_with('\\') => {
                1 + text[at + 1..].chars().next().map_or(0, char::len_utf8)
            }
            None => text[at..].chars().next().map_or(1, char::len_utf8),
        };
        out.push_str(&text[at..at + length]);
        at += length;
    }
    out
}

/// Holds one row of the scan against one object.
fn compare(scanned: &Scanned, row: usize, object: &Map<String, Value>, line: &[u8]) {
    for column in COLUMNS {
        let Some(cells) = scanned.columns.get(column.name) else { continue };
        let value = match column.origin {
            Origin::Key(key) => object.get(key).unwrap_or(&Value::Null),
            _ => &Value::Null,
        };
        let at = || format!("{} {}", column.name, shown(line));
        match cells {
            Column::Bigint(values) => {
                let expected = expected_integer(value);
                // serde_json reads strings with escaped digits as what they are not.
                let escaped = value.is_string() && line.windows(4).any(|bytes| bytes == b"\\u00");
                assert!(values.get(row) == expected || escaped, "{} {:?}", at(), values.get(row));
            }
            Column::Double(values) => {
                let expected = if value.is_number() { value.as_f64() } else { None };
                assert_eq!(values.get(row), expected, "{}", at());
            }
            Column::Boolean(values) if column.name == "is_bot" => {
                let agent = object.get("user_agent").and_then(Value::as_str);
                assert_eq!(values.get(row), Some(agent.is_some_and(is_bot)), "{}", at());
            }
            Column::Boolean(values) => assert_eq!(values.get(row), value.as_bool(), "{}", at()),
            Column::Timestamp(values) | Column::Date(values) => {
                let parse = |text: &str| time::parse(text.as_bytes(), chrono_tz::Asia::Seoul);
                assert_eq!(values.get(row), value.as_str().and_then(parse), "{}", at());
            }
            Column::Text(texts) => {
                let found = texts.get(row);
                match (column.name, column.kind) {
                    ("kind", _) => assert_eq!(found, Some(expected_kind(object)), "{}", at()),
                    ("client", _) => assert_eq!(found, expected_client(object).as_deref(), "{}", at()),
                    (_, Type::Json) => assert_eq!(found.map(parsed), expected_json(value), "{}", at()),
                    (_, Type::Url) => {
                        let expected = value.as_str().map(|url| REDACTION.url(url));
                        assert_eq!(found, expected.as_deref(), "{}", at());
                    }
                    (_, Type::Session) => {
                        let expected = value.as_str().map_or(Some(None), expected_session);
                        if let Some(expected) = expected {
                            assert_eq!(found, expected.as_deref(), "{}", at());
                        }
                    }
                    _ => assert_eq!(found, value.as_str(), "{}", at()),
                }
            }
        }
    }
}

fn expected_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            let float = number.as_f64().filter(|_| number.is_f64())?;
            (float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0).then_some(float as i64)
        }),
        Value::String(text) => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            if all_digits { text.parse().ok() } else { None }
        }
        _ => None,
    }
}

fn expected_kind(object: &Map<String, Value>) -> &'static str {
    let has = |key| object.get(key).is_some_and(|value| !value.is_null());
    match object.get("event_type").and_then(Value::as_str) {
        _ if has("response_status") => "request",
        Some("server_dwell_time" | "page_dwell" | "click_event") => "telemetry",
        _ if has("method") => "request",
        _ => "action",
    }
}

fn expected_client(object: &Map<String, Value>) -> Option<String> {
    let [address, agent] = ["ip_address", "user_agent"].map(|key| object.get(key).and_then(Value::as_str));
    (address.is_some() || agent.is_some())
        .then(|| hashed(format!("{}\0{}", address.unwrap_or(""), agent.unwrap_or("")).as_bytes()))
}

fn hashed(id: &[u8]) -> String {
    String::from_utf8(short_hash(id).to_vec()).unwrap()
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(&with_lone_surrogates_replaced(text)).unwrap()
}

fn expected_json(value: &Value) -> Option<Value> {
    fn redact(value: &mut Value) {
        match value {
            Value::Array(values) => values.iter_mut().for_each(redact),
            Value::Object(members) => {
                for (key, value) in members {
                    let key = key.to_lowercase();
                    if SENSITIVE.iter().any(|name| key.contains(name)) {
                        *value = REDACTED.into();
                    } else {
                        redact(value);
                    }
                }
            }
            _ => {}
        }
    }
    let mut value = value.clone();
    redact(&mut value);
    value.is_object().then_some(value)
}

/// What the column shows for this `session_id`; `None` for cookies that Flask does not write, which the scanner may
/// read as it likes.
pub fn expected_session(text: &str) -> Option<Option<String>> {
    if matches!(text, "" | "no_session" | "unknown") {
        return Some((!text.is_empty()).then(|| text.into()));
    }
    let (compressed, cookie) = text.strip_prefix('.').map_or((false, text), |cookie| (true, cookie));
    let packed = match base64url(cookie.split('.').next()?) {
        _ if cookie.contains('=') => return None,
        None if compressed => return None,
        Some(packed) if compressed || packed.starts_with(b"{") => packed,
        _ => return Some(Some(hashed(text.as_bytes()))),
    };
    let mut payload = Vec::new();
    if compressed {
        flate2::read::ZlibDecoder::new(&packed[..]).take(64 << 10).read_to_end(&mut payload).ok()?;
    } else {
        payload = packed;
    }
    let payload = std::str::from_utf8(&payload).ok()?;
    let object: Map<String, Value> = serde_json::from_str(payload).ok()?;
    let id = object.get("session_id").and_then(Value::as_str).filter(|id| !id.is_empty());
    let is_flask = serde_json::to_string(&object).ok()? == payload
        && payload.matches("\"session_id\":").count() == usize::from(object.contains_key("session_id"));
    let is_plain = id.is_none_or(|id| !id.contains(|c: char| c.is_control() || matches!(c, '"' | '\\')));
    (is_flask && is_plain).then(|| id.map(|id| hashed(id.as_bytes())))
}

/// The bytes that an unpadded base64url text stands for.
pub fn base64url(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for quad in text.as_bytes().chunks(4) {
        let mut bits = 0u32;
        for &byte in quad {
            let sixtet = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'-' => 62,
                b'_' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(sixtet);
        }
        let bytes = (bits << (6 * (4 - quad.len()))).to_be_bytes();
        out.extend_from_slice(&bytes[1..quad.len().max(2)]);
        if quad.len() == 1 {
            return None;
        }
    }
    Some(out)
}
