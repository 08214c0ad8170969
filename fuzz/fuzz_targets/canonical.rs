//! Logs in the form in which Python's `json.dumps` writes them, and the same lines with a few bytes changed: the quick
//! walk is reached, and left at any place, which arbitrary bytes seldom do. How to run it is said in `lines.rs`.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use loganalyze::scan::stops::Kernel;
use loganalyze::schema::{COLUMNS, Origin};
use std::fmt::Write;

#[path = "../../tests/suite/oracle.rs"]
mod oracle;

#[derive(Debug, Arbitrary)]
struct Log {
    kernel: u8,
    lines: Vec<Vec<(Key, Value)>>,
    edits: Vec<Edit>,
}

#[derive(Debug, Arbitrary)]
enum Key {
    OfColumn(u8),
    Other(Text),
}

#[derive(Debug, Arbitrary)]
enum Value {
    Word(u8),
    Integer(i64),
    Decimal(u16, u16),
    Double(f64),
    Text(Text),
    Array(Vec<Value>),
    Object(Vec<(Key, Value)>),
}

#[derive(Debug, Arbitrary)]
enum Text {
    /// What some column reads in a way of its own.
    Known(u8),
    Escaped(String),
    Raw(String),
}

#[derive(Debug, Arbitrary)]
struct Edit {
    line: u8,
    /// Counts all bytes, or only those that are no letters and digits, which matter more.
    at: Result<u16, u16>,
    change: Change,
}

#[derive(Debug, Arbitrary)]
enum Change {
    Byte(u8),
    /// A piece in the place of so many bytes, of none to three.
    Piece(u8, u8),
    Remove,
    Cut,
    /// So many bytes once more.
    Repeat(u8),
    /// The rest of another line in the place of this one's.
    Rest(u8, Result<u16, u16>),
}

const WORDS: &[&str] =
    &["null", "true", "false", "0", "-0", "1e5", "1E400", "1.5e-3", "99999999999999999999"];

const TEXTS: &[&str] = &[
    "",
    "view",
    "page_dwell",
    "2025-03-12T10:00:00.123456",
    "2025-03-12T10:00:00.123Z",
    "7",
    "-12",
    "99999999999999999999",
    "/a?token=1&b=2",
    "no_session",
    "0b1c1446665d73bfb000a5b3d4726cae",
    "password",
    "a\u{0}b\"c\\d\u{1b}",
    "니트",
    "😀",
];

#[rustfmt::skip]
const PIECES: &[&[u8]] = &[
    b"\"", b"\\", b"\\\"", b"\\\\", b"{", b"}", b"[", b"]", b",", b", ", b":", b": ", b"{\"", b", \"", b"\": ",
    b"}\r", b" ", b"\t", b"\r", b"\0", b"\\u00e9", b"\\u12", b"\\ud800", b"\xff", b"\xc3\xa9", b"\xef\xbb\xbf",
    b"null", b"00", b"-", b".", b"e5", b"{}", b"[]", b"\"a\": 1",
];

fuzz_target!(init: loganalyze::stay_on_one_thread(), |log: Log| {
    let mut lines: Vec<Vec<u8>> = log.lines.iter().map(|members| line(members)).collect();
    if lines.is_empty() {
        return;
    }
    // The lines as they are, from which the order of keys is learned, and then those that were changed.
    let whole = lines.clone();
    for edit in &log.edits {
        edit.apply(&mut lines, &whole);
    }
    let kernels = Kernel::available();
    let kernel = kernels[usize::from(log.kernel) % kernels.len()];
    let whole: Vec<&Vec<u8>> = whole.iter().collect();
    let lines: Vec<&Vec<u8>> = lines.iter().collect();
    oracle::check(&[&whole[..], &lines].concat(), kernel);
});

fn line(members: &[(Key, Value)]) -> Vec<u8> {
    let mut out = String::new();
    object(members, &mut out);
    (out + "\n").into_bytes()
}

fn object(members: &[(Key, Value)], out: &mut String) {
    out.push('{');
    for (at, (key, value)) in members.iter().enumerate() {
        out.push_str(if at > 0 { ", " } else { "" });
        match key {
            Key::OfColumn(column) => match COLUMNS[usize::from(*column) % COLUMNS.len()].origin {
                Origin::Key(key) => _ = write!(out, "\"{key}\""),
                _ => out.push_str("\"other\""),
            },
            Key::Other(text) => text.write(out),
        }
        out.push_str(": ");
        value.write(out);
    }
    out.push('}');
}

impl Value {
    fn write(&self, out: &mut String) {
        match self {
            Value::Word(word) => out.push_str(WORDS[usize::from(*word) % WORDS.len()]),
            Value::Integer(number) => _ = write!(out, "{number}"),
            Value::Decimal(whole, fraction) => _ = write!(out, "{whole}.{fraction}"),
            Value::Double(number) if number.is_finite() => _ = write!(out, "{number:?}"),
            Value::Double(_) => out.push_str("null"),
            Value::Text(text) => text.write(out),
            Value::Array(values) => {
                out.push('[');
                for (at, value) in values.iter().enumerate() {
                    out.push_str(if at > 0 { ", " } else { "" });
                    value.write(out);
                }
                out.push(']');
            }
            Value::Object(members) => object(members, out),
        }
    }
}

impl Text {
    fn write(&self, out: &mut String) {
        let (text, ascii) = match self {
            Text::Known(known) => (TEXTS[usize::from(*known) % TEXTS.len()], true),
            Text::Escaped(text) => (text.as_str(), true),
            Text::Raw(text) => (text.as_str(), false),
        };
        out.push('"');
        for character in text.chars() {
            match character {
                '"' | '\\' => out.extend(['\\', character]),
                '\n' => out.push_str("\\n"),
                ' '..='~' => out.push(character),
                '\u{80}'.. if !ascii => out.push(character),
                _ => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        _ = write!(out, "\\u{unit:04x}");
                    }
                }
            }
        }
        out.push('"');
    }
}

/// Where in the line a change is.
fn place(line: &[u8], at: Result<u16, u16>) -> usize {
    let structure = || line.iter().enumerate().filter(|(_, byte)| !byte.is_ascii_alphanumeric());
    match at {
        Ok(at) => usize::from(at) % line.len(),
        Err(at) => structure().nth(usize::from(at) % structure().count()).map_or(0, |(at, _)| at),
    }
}

impl Edit {
    fn apply(&self, lines: &mut [Vec<u8>], whole: &[Vec<u8>]) {
        let number = usize::from(self.line) % lines.len();
        let line = &mut lines[number];
        let at = place(line, self.at);
        match self.change {
            Change::Byte(byte) => line[at] = byte,
            Change::Piece(piece, count) => {
                let end = line.len().min(at + usize::from(count % 4));
                line.splice(at..end, PIECES[usize::from(piece) % PIECES.len()].iter().copied());
            }
            Change::Remove => _ = line.remove(at),
            Change::Cut => line.truncate(at),
            Change::Repeat(count) => {
                let end = line.len().min(at + usize::from(count));
                let again = line[at..end].to_vec();
                line.splice(at..at, again);
            }
            Change::Rest(other, from) => {
                let other = &whole[usize::from(other) % whole.len()];
                line.truncate(at);
                line.extend_from_slice(&other[place(other, from)..]);
            }
        }
        line.retain(|&byte| byte != b'\n');
        line.push(b'\n');
    }
}
