//! The scanner against serde_json: the same verdict on every line, and the same values, on lines that were generated
//! and lines that were broken at random.

use crate::harness::{Random, sample_lines};
use loganalyze::scan::column::Column;
use loganalyze::scan::json::unescape;
use loganalyze::scan::stops::Kernel;
use loganalyze::scan::{Scanned, Settings, scan_bytes, time};
use loganalyze::schema::{COLUMNS, Origin, Type};
use serde::Deserialize;
use serde_json::{Map, Value};

/// What serde_json says of a line.
enum Verdict {
    Blank,
    Reject,
    Event(Option<Map<String, Value>>),
}

fn oracle(line: &[u8]) -> Verdict {
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

/// Holds one row of the scan against one object.
fn compare(scanned: &Scanned, row: usize, object: &Map<String, Value>, line: &[u8]) {
    for column in COLUMNS {
        let Origin::Key(key) = column.origin else { continue };
        let value = object.get(key).unwrap_or(&Value::Null);
        let line = String::from_utf8_lossy(line);
        let name = column.name;
        match &scanned.columns[name] {
            // serde_json reads integers beyond 64 bits, and strings with escaped digits, as what they are not.
            Column::Bigint(values) => {
                let expected = expected_integer(value);
                let escaped = value.is_string() && line.contains("\\u00");
                assert!(
                    values.get(row) == expected || escaped,
                    "{name} {:?} {expected:?} {line}",
                    values.get(row)
                );
            }
            Column::Double(values) => {
                let expected = if value.is_number() { value.as_f64() } else { None };
                assert_eq!(values.get(row), expected, "{name} {line}");
            }
            Column::Boolean(values) => assert_eq!(values.get(row), value.as_bool(), "{name} {line}"),
            Column::Timestamp(values) => {
                let expected =
                    value.as_str().and_then(|text| time::parse(text.as_bytes(), chrono_tz::Asia::Seoul));
                assert_eq!(values.get(row), expected, "{name} {line}");
            }
            Column::Text(texts) if column.kind == Type::Text => {
                assert_eq!(texts.get(row), value.as_str(), "{name} {line}");
            }
            Column::Text(texts) if column.kind == Type::Json => {
                assert_eq!(texts.get(row).is_some(), value.is_object(), "{name} {line}");
            }
            _ => {}
        }
    }
}

fn check(lines: &[Vec<u8>], kernel: Kernel) {
    let bytes: Vec<u8> = lines.concat();
    let scanned = scan_bytes(&bytes, &Settings { kernel, ..Settings::default() });
    let tally = scanned.total();
    assert_eq!(tally.lines, tally.events + tally.rejects() + tally.blank);
    assert_eq!(tally.lines, lines.len() as u64);
    let mut row = 0;
    let mut rejects = scanned.rejects.iter();
    for (at, line) in lines.iter().enumerate() {
        match oracle(line) {
            Verdict::Blank => {}
            Verdict::Reject => {
                let reject =
                    rejects.next().unwrap_or_else(|| panic!("accepted: {}", String::from_utf8_lossy(line)));
                assert_eq!(
                    reject.line,
                    at as u64 + 1,
                    "{reject:?}, wanted: {}",
                    String::from_utf8_lossy(line)
                );
            }
            Verdict::Event(object) => {
                assert!(row < scanned.rows, "rejected: {}", String::from_utf8_lossy(line));
                if let Some(object) = object {
                    compare(&scanned, row, &object, line);
                }
                row += 1;
            }
        }
    }
    assert_eq!((row, rejects.next()), (scanned.rows, None));
}

/// Lines that are not wrapped: those of Fluentd, CRI and Docker are what serde_json does not know.
fn is_plain(line: &[u8]) -> bool {
    !line.starts_with(b"{\"log\":\"")
        && !line.contains(&b'\t')
        && !String::from_utf8_lossy(line).contains(" std")
}

#[test]
fn the_sample_logs_read_as_serde_json_reads_them() {
    for kernel in Kernel::available() {
        check(&sample_lines(), kernel);
    }
}

/// How many lines to make: 10,000, or as many as `$LOGANALYZE_TEST_LINES` says, for a long look.
fn how_many() -> usize {
    std::env::var("LOGANALYZE_TEST_LINES").map_or(10_000, |lines| lines.parse().unwrap())
}

#[test]
fn lines_broken_at_random_are_judged_as_serde_json_judges_them() {
    let mut random = Random(7);
    let samples = sample_lines();
    let pieces: [&[u8]; 22] = [
        b"\"",
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"null",
        b"tru",
        b"-",
        b"0",
        b"1e5",
        b"\\u00e9",
        b"\\ud800",
        b"\x01",
        b"\xff",
        b" ",
        b"\r",
        b"\xef\xbb\xbf",
        b"1.5",
        b"99999999999999999999",
    ];
    let mut lines = Vec::new();
    while lines.len() < how_many() {
        let mut line = random.pick(&samples).clone();
        for _ in 0..=random.below(2) {
            let at = random.below(line.len());
            match random.below(4) {
                0 => _ = line.splice(at..at, random.pick(&pieces).iter().copied()),
                1 => _ = line.remove(at),
                2 => line[at] = random.next() as u8,
                _ => line.truncate(at),
            }
            line.retain(|&byte| byte != b'\n');
            line.push(b'\n');
        }
        if is_plain(&line) {
            lines.push(line);
        }
    }
    for kernel in Kernel::available() {
        check(&lines, kernel);
    }
    // Every line on its own, too, so that the rest of the chunk does not matter (one line that is not UTF-8 is enough to
    // change how the chunk around it is checked).
    for line in &lines {
        check(std::slice::from_ref(line), Kernel::best());
    }
}

fn random_value(random: &mut Random, depth: usize, out: &mut String) {
    match random.below(if depth > 4 { 9 } else { 12 }) {
        0 => out.push_str("null"),
        1 => out.push_str("true"),
        2 => out.push_str("false"),
        3 => *out += &(random.next() as i64).to_string(),
        4 => out.push_str(random.pick::<&str>(&[
            "0",
            "-0",
            "12",
            "99999999999999999999",
            "-9223372036854775808",
            "1.0",
            "1e2",
            "1.5e-3",
            "1E400",
        ])),
        5 => out.push_str(random.pick::<&str>(&[
            "\"12\"",
            "\"12abc\"",
            "\"\"",
            "\" 7\"",
            "\"-3\"",
            "\"+3\"",
            "\"007\"",
            "\"1.0\"",
        ])),
        6 => out.push_str(random.pick::<&str>(&[
            "\"view\"",
            "\"2025-03-10T12:00:00\"",
            "\"2025-03-10T12:00:00Z\"",
            "\"2025-02-30T12:00:00\"",
        ])),
        7 => out.push_str(random.pick::<&str>(&[
            "\"\\ud83d\\ude00\"",
            "\"\\ud800\"",
            "\"\\udc00x\"",
            "\"\\u0000\"",
            "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
            "\"한글\"",
        ])),
        8 => out.push_str(random.pick::<&str>(&["{}", "[]", "[ ]", "{ }"])),
        9 => {
            out.push('[');
            for at in 0..=random.below(3) {
                out.push_str(if at > 0 { ", " } else { "" });
                random_value(random, depth + 1, out);
            }
            out.push(']');
        }
        _ => random_object(random, depth + 1, out),
    }
}

fn random_object(random: &mut Random, depth: usize, out: &mut String) {
    out.push('{');
    for at in 0..random.below(8) {
        out.push_str(if at > 0 { random.pick::<&str>(&[", ", ",", " ,\r"]) } else { "" });
        let column = random.pick(COLUMNS);
        let key = if let Origin::Key(key) = column.origin { key } else { "other" };
        if random.below(10) == 0 {
            // A key written with an escape is the same key.
            *out += &format!("\"\\u{:04x}{}\"", key.as_bytes()[0], &key[1..]);
        } else {
            *out += &format!("\"{key}\"");
        }
        out.push_str(random.pick::<&str>(&[": ", ":", " : "]));
        random_value(random, depth, out);
    }
    out.push('}');
}

#[test]
fn generated_objects_with_every_key_and_type_read_as_serde_json_reads_them() {
    let mut random = Random(11);
    let mut lines = Vec::new();
    for _ in 0..how_many() {
        let mut line = String::new();
        random_object(&mut random, 0, &mut line);
        line.push('\n');
        lines.push(line.into_bytes());
    }
    for kernel in Kernel::available() {
        check(&lines, kernel);
    }
}

#[test]
fn nesting_a_hundred_thousand_deep_is_judged() {
    let depth = 100_000;
    let good = format!("{{\"args\": {}{}}}\n", "[".repeat(depth), "]".repeat(depth));
    let objects = format!("{{\"args\": {}1{}}}\n", "{\"a\":".repeat(depth), "}".repeat(depth));
    let unclosed = format!("{{\"args\": {}{}}}\n", "[".repeat(depth), "]".repeat(depth - 1));
    let crossed = format!("{{\"args\": {}{}}}\n", "[{\"a\":".repeat(depth), "]}".repeat(depth));
    let scanned = scan_bytes((good + &objects + &unclosed + &crossed).as_bytes(), &Settings::default());
    assert_eq!((scanned.total().events, scanned.total().rejects()), (2, 2));
}

#[test]
fn escapes_become_the_characters_that_serde_json_makes_of_them() {
    for text in ["plain", r"\u0041\n", r"\ud83d\ude00", r"\uD55C글\/", r#"\"\\"#] {
        let mut out = Vec::new();
        unescape(text.as_bytes(), &mut out);
        let expected: String = serde_json::from_str(&format!("\"{text}\"")).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
