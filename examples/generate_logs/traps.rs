//! Harmful but truthful lines: the same event written so that a careless reader gets it wrong, and lines that
//! are no events at all. Knows nothing of visitors.

use crate::{rng::Rng, shop::Hour, truth::Truth};
use anyhow::Result;
use std::io::Write;

/// Lines that are not JSON objects in UTF-8, each with its newline.
const BAD_LINES: &[&[u8]] = &[
    b"{\"timestamp\": \"2025-03-12T10:00:00\", \"event_type\": \"search\", \"search_query\": \"\xff\xfe\xc3\x28\"}\n",
    b"[\"timestamp\", \"2025-03-12T10:00:00\", \"event_type\", \"view\"]\n",
    b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\n",
    b"Traceback (most recent call last): MemoryError {\"event_type\": \"view\"}\n",
    b"{\"timestamp\": \"2025-03-12T10:00:00\", \"event_type\": \"view\"} {\"event_type\": \"view\"}\n",
    b"{'timestamp': '2025-03-12T10:00:00', 'event_type': 'view'}\n",
    b"\"event_type\"\n",
];

/// A line that was being written when the power failed; no newline.
const TORN_LINE: &[u8] =
    b"{\"timestamp\": \"2025-03-12T23:59:59.999999\", \"session_id\": \"no_session\", \"event_type\": \"view\", \"user_";

/// Lines of nothing.
const BLANK_LINES: &[&[u8]] = &[b"\n", b"   \n", b"\r\n", b" \r\n"];

const DECOY: &str = r#""event_type": "purchase", "product_id": "1", "entity_id": 1, "response_status": 500"#;

/// Writes the object `line` differently; a JSON parser for which the last duplicate wins still reads the same,
/// but for ids, which become strings of the same digits, and cookies, which lose their signatures.
pub fn disguise(line: &mut String, rng: &mut Rng) {
    match rng.below(9) {
        0 => line.insert_str(1, r#""event_type": "purchase", "timestamp": "1999-12-31T00:00:00", "#),
        1 => replace(line, "\"event_type\"", r#""event\u005ftype""#),
        2 => replace(line, "\"entity_id\"", r#""\u0065ntity_id""#),
        3 => replace(line, "\"args\": {}", &format!(r#""args": {{{DECOY}, "args": {{{DECOY}}}}}"#)),
        4 => replace(
            line,
            "\"form\": {}",
            &format!(r#""form": {{"a": [{{{DECOY}}}, [[], {{}}]], "b": "}}\"{{"}}"#),
        ),
        5 => replace(line, "\"entity_id\": ", r#""entity_id": 999999, "entity_id": "#),
        6 => id_as_string(line, "\"entity_id\": "),
        7 => id_as_string(line, "\"product_id\": "),
        _ => unsigned_cookie(line),
    }
}

fn replace(line: &mut String, from: &str, to: &str) {
    if let Some(at) = line.find(from) {
        line.replace_range(at..at + from.len(), to);
    }
}

fn id_as_string(line: &mut String, key: &str) {
    let Some(start) = line.find(key).map(|at| at + key.len()) else { return };
    let digits = line[start..].bytes().take_while(u8::is_ascii_digit).count();
    // an id above 64 bits stays the number that it was
    if (1..19).contains(&digits) {
        line.insert(start + digits, '"');
        line.insert(start, '"');
    }
}

fn unsigned_cookie(line: &mut String) {
    const KEY: &str = "\"session_id\": \".";
    let Some(start) = line.find(KEY).map(|at| at + KEY.len()) else { return };
    let Some(length) = line[start..].find('"') else { return };
    if let Some(payload) = line[start..start + length].find('.') {
        line.replace_range(start + payload..start + length, "");
    }
}

/// Where an hour's lines stand.
pub struct Place {
    /// The day, from 0.
    pub day: u64,
    /// The hour of the day.
    pub hour: u64,
    /// The first hour of a file.
    pub opens: bool,
    /// The last hour of a file.
    pub closes: bool,
}

/// What happens to files: blank lines and CRLF everywhere, a byte-order mark in one, bad lines in one.
pub struct Harm {
    rng: Rng,
    marked_day: u64,
    bad_day: u64,
    torn_day: u64,
}

impl Harm {
    /// Harm by a chance of its own, so that the visitors stay the same.
    pub fn new(seed: u64, days: u64, one_file: bool) -> Self {
        let mut rng = Rng::new(!seed);
        let (marked_day, bad_day) = (rng.below(days), rng.below(days));
        if one_file {
            Harm { rng, marked_day: 0, bad_day, torn_day: days - 1 }
        } else {
            Harm { rng, marked_day, bad_day, torn_day: bad_day }
        }
    }

    /// Writes an hour's lines and the harm among them; counts what it adds.
    pub fn write(
        &mut self,
        hour: &mut Hour,
        place: &Place,
        out: &mut dyn Write,
        truth: &mut Truth,
    ) -> Result<()> {
        if place.opens && place.day == self.marked_day {
            out.write_all(b"\xef\xbb\xbf")?;
        }
        for line in hour.lines() {
            out.write_all(line.as_bytes())?;
            out.write_all(if self.rng.chance(1, 80) { b"\r\n" } else { b"\n" })?;
            if self.rng.chance(1, 250) {
                out.write_all(self.rng.pick(BLANK_LINES))?;
                truth.blank += 1;
                truth.lines += 1;
            }
        }
        // each kind of bad line once, one an hour, from eight in the morning
        let bad = place.hour.checked_sub(8).and_then(|kind| BAD_LINES.get(kind as usize));
        let bad = bad.filter(|_| place.day == self.bad_day);
        let torn = (place.closes && place.day == self.torn_day).then_some(&TORN_LINE);
        for line in bad.into_iter().chain(torn) {
            out.write_all(line)?;
            truth.rejects += 1;
            truth.lines += 1;
        }
        Ok(())
    }
}
