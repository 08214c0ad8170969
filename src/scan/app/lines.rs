//! Lines of a system log become records. A record may be spread over several lines: what a line that begins no record says
//! belongs to the record before. Each line ends as the first one of an event, as joined to it, as a counted reject or as
//! blank: lines = events + rejects + blank + joined. Knows nothing of chunks' borders and of files.
//!
//! No record whose level can be read is lost: one without an end, be it because the next one begins or because the file
//! ends, keeps what it has.

use super::record::{self, Record};
use super::rows::Rows;
use crate::input::Chunk;
use crate::scan::Settings;
use crate::scan::line::BYTE_ORDER_MARK;
use crate::scan::redact::Redaction;
use crate::scan::reject::{LONGEST_TEXT, Reason, Reject, Tally};
use crate::scan::wrapper::{self, Begin};
use memchr::{memchr, memrchr_iter};
use serde::de::IgnoredAny;
use std::borrow::Cow;

/// Reads one file's lines in order.
pub struct Reader {
    /// The file's name.
    file: String,
    /// What became of the lines; those of the last record are counted when it ends.
    pub tally: Tally,
    pub rejects: Vec<Reject>,
    pub rows: Rows,
    open: Option<Open>,
    longest: usize,
    keep_all_rejects: bool,
    redaction: Redaction,
}

/// The record that lines may still belong to.
struct Open {
    text: Vec<u8>,
    /// The lines behind the first one.
    lines: Vec<Place>,
    /// Whether the last line was cut: what follows is the same line.
    cut: bool,
}

/// Where a line is: in the record's text, and in the file.
#[derive(Clone, Copy)]
struct Place {
    at: usize,
    number: u64,
    byte: u64,
    /// Whether the line before was cut, and this is the same one.
    goes_on: bool,
}

/// A line without what it was wrapped in.
struct Line<'a> {
    text: Cow<'a, [u8]>,
    cut: bool,
}

impl Reader {
    pub fn new(file: &str, rows: Rows, settings: &Settings) -> Reader {
        Reader {
            file: file.to_owned(),
            tally: Tally::default(),
            rejects: Vec::new(),
            rows,
            open: None,
            longest: settings.max_line_bytes,
            keep_all_rejects: settings.keep_all_rejects,
            redaction: settings.rows.redaction.clone(),
        }
    }

    /// Reads a chunk of whole lines, or the beginning of one that is too long.
    pub fn chunk(&mut self, bytes: &[u8], info: &Chunk) {
        self.tally.bytes += bytes.len() as u64 + info.discarded;
        if info.overlong {
            return self.overlong(bytes, info.offset);
        }
        let text = simdutf8::basic::from_utf8(bytes).ok();
        let mut at = 0;
        while at < bytes.len() {
            let end = memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |length| at + length);
            let is_alone = bytes.get(end + 1..).is_some_and(|next| next.starts_with(record::BEGIN));
            match text.filter(|_| is_alone).and_then(|text| record::plain(&text[at..end])) {
                Some(record) => self.plain(record),
                None => self.line(&bytes[at..end], info.offset + at as u64),
            }
            at = end + 1;
        }
    }

    /// A line that is a record as nearly all are, and has no other line behind it that may belong to it.
    fn plain(&mut self, record: Record) {
        self.end();
        self.tally.lines += 1;
        self.tally.events += 1;
        self.rows.push(record, "", false, &mut self.tally);
    }

    fn line(&mut self, raw: &[u8], byte: u64) {
        self.tally.lines += 1;
        let place = self.place(byte);
        let Line { text, cut } = unwrapped(raw);
        let begin = content(&text);
        if begin.first() == Some(&b'{') {
            let shown = shown_as_text(begin);
            if record::begins(&shown) {
                self.end();
                return match record::check(&shown) {
                    Ok(()) => self.open = Some(Open::new(begin, cut && !record::is_object(&shown))),
                    Err(_) if matches!(shown, Cow::Owned(_)) => self.reject(raw, place, Reason::NotUtf8),
                    Err(reason) => self.reject(raw, place, reason),
                };
            }
        }
        if text[..text.len() - begin.len()].contains(&0) {
            return self.reject(raw, place, Reason::NulBytes);
        }
        match &mut self.open {
            Some(open) if open.bytes() + text.len() < self.longest => open.join(&text, cut, place),
            _ => {
                self.end();
                self.orphan(&text, place);
            }
        }
    }

    /// Where the line is that was counted last.
    fn place(&self, byte: u64) -> Place {
        Place { at: 0, number: self.tally.lines, byte, goes_on: false }
    }

    /// A line that is longer than the limit, of which only the beginning is there: enough for a record's level.
    fn overlong(&mut self, beginning: &[u8], byte: u64) {
        self.tally.lines += 1;
        let line = unwrapped(beginning).text;
        let begin = content(&line);
        let shown = shown_as_text(begin);
        if record::begins(&shown) && record::check(&shown).is_ok() {
            self.end();
            self.open = Some(Open::new(begin, false));
            self.end();
        } else {
            self.reject(beginning, self.place(byte), Reason::TooLong);
        }
    }

    /// Ends the record that the last line belongs to.
    pub fn end(&mut self) {
        let Some(Open { text, lines, .. }) = self.open.take() else { return };
        let shown = shown_as_text(&text);
        let Some(record) = record::read(&shown) else { return };
        let behind = record.rest.matches('\n').count();
        let end = behind.checked_sub(1).and_then(|last| memrchr_iter(b'\n', &text).nth(last));
        let end = end.unwrap_or(text.len());
        let within = lines.iter().take_while(|place| place.at <= end).count();
        self.tally.joined += within as u64;
        let rest = self.rest(&text, &lines[within..]);
        self.tally.events += 1;
        self.rows.push(record, &rest, matches!(shown, Cow::Owned(_)), &mut self.tally);
    }

    /// What lines behind a record's end add to it: a traceback, up to a line that is something else.
    fn rest(&mut self, text: &[u8], lines: &[Place]) -> String {
        let mut rest = String::new();
        let mut ended = false;
        let end_of = |nth: usize| lines.get(nth + 1).map_or(text.len(), |next| next.at);
        let within = |begin: usize, end: usize| {
            let line = &text[begin..end];
            line.strip_suffix(b"\n").unwrap_or(line)
        };
        let mut first = 0;
        for pieces in lines.chunk_by(|_, next| next.goes_on) {
            let behind = first + pieces.len();
            let line = within(pieces[0].at, end_of(behind - 1));
            let begin = std::str::from_utf8(content(line));
            // A source line of a traceback may be an object, too.
            let is_source = !rest.is_empty() && line.starts_with(b" ");
            ended |= !is_source && begin.is_ok_and(|begin| record::fault(begin).is_some());
            match std::str::from_utf8(line) {
                Ok(line) if !ended && begin != Ok("") => {
                    self.tally.joined += pieces.len() as u64;
                    rest.extend(["\n", line.trim_end()]);
                }
                _ => {
                    let numbered = (first..).zip(pieces);
                    numbered.for_each(|(nth, &place)| self.orphan(within(place.at, end_of(nth)), place));
                }
            }
            first = behind;
        }
        rest
    }

    /// A line that belongs to no record.
    fn orphan(&mut self, line: &[u8], place: Place) {
        let reason = match std::str::from_utf8(content(line)) {
            Err(_) => Reason::NotUtf8,
            Ok("") => {
                self.tally.blank += 1;
                return;
            }
            Ok(text) if text.starts_with('{') => record::fault(text).unwrap_or(Reason::Syntax),
            Ok(_) => Reason::NotAnObject,
        };
        self.reject(line, place, reason);
    }

    fn reject(&mut self, line: &[u8], place: Place, reason: Reason) {
        let is_example = self.tally.reject(reason);
        if !self.keep_all_rejects && !is_example {
            return;
        }
        let shown = shown_as_text(&line[..line.len().min(LONGEST_TEXT)]);
        self.rejects.push(Reject {
            file: self.file.clone(),
            line: place.number,
            byte: place.byte,
            column: 1,
            reason,
            detail: reason.words(),
            text: self.redaction.rejected(&shown),
        });
    }
}

impl Open {
    fn new(text: &[u8], cut: bool) -> Open {
        Open { text: text.to_vec(), lines: Vec::new(), cut }
    }

    fn join(&mut self, text: &[u8], cut: bool, place: Place) {
        if !self.cut {
            self.text.push(b'\n');
        }
        self.lines.push(Place { at: self.text.len(), goes_on: self.cut, ..place });
        self.text.extend_from_slice(text);
        self.cut = cut;
    }

    /// How many bytes it takes.
    fn bytes(&self) -> usize {
        self.text.len() + self.lines.len() * size_of::<Place>()
    }
}

/// A line behind what a crash, an editor or a program that puts files together left before it.
fn content(mut line: &[u8]) -> &[u8] {
    line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
    let begin = line.iter().position(|byte| *byte != 0 && !byte.is_ascii_whitespace());
    &line[begin.unwrap_or(line.len())..]
}

#[derive(serde::Deserialize)]
struct Docker<'a> {
    #[serde(borrow)]
    log: Cow<'a, str>,
    #[serde(rename = "stream")]
    _stream: IgnoredAny,
}

/// A line without Docker's, CRI's or Fluentd's wrapping.
fn unwrapped(raw: &[u8]) -> Line<'_> {
    if wrapper::may_be_docker(raw)
        && let Ok(Docker { log, .. }) = serde_json::from_slice(raw)
    {
        let line = log.strip_suffix('\n').map(str::to_owned);
        let cut = line.is_none();
        return Line { text: line.unwrap_or(log.into_owned()).into_bytes().into(), cut };
    }
    // A traceback's line may hold tabs, too.
    let fluentd = || wrapper::fluentd(raw).filter(|&at| raw[at..].starts_with(b"{")).map(Begin::At);
    let is_wrapped = raw.first().is_some_and(u8::is_ascii_digit);
    let wrapped = if is_wrapped { wrapper::cri(raw).or_else(fluentd) } else { None };
    let (begin, cut) = match wrapped {
        Some(Begin::At(at)) => (at, false),
        Some(Begin::Partial(at)) => (at, true),
        None => (0, false),
    };
    Line { text: raw[begin..].into(), cut }
}

/// As `String::from_utf8_lossy`, which takes its time for what is UTF-8, as nearly all is.
fn shown_as_text(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}
