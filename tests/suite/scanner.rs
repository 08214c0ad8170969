//! The scanner against serde_json: the same verdict on every line, and the same values, on lines that were generated
//! and lines that were broken at random.

use crate::harness::{Random, sample_lines};
use crate::oracle::{check, is_wrapped};
use loganalyze::scan::json::unescape;
use loganalyze::scan::stops::Kernel;
use loganalyze::scan::{Settings, scan_bytes};
use loganalyze::schema::{COLUMNS, Origin};

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
        if !is_wrapped(&line) {
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
fn a_brace_does_not_separate_values() {
    for value in ["\"x\"", "\"\\n\"", "{\"a\": 1}", "[1]", "{}", "12", "null"] {
        for key in ["event_type", "other"] {
            let begin = format!("{{\"{key}\": {value}");
            let lines = ["{", ", "].map(|comma| format!("{begin}{comma}\"event_type\": 1}}\n"));
            check(&[&lines[..], &lines].concat(), Kernel::best());
        }
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
