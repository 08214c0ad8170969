//! A chunk of whole lines: the verdict on each, and the rows of those that are events.
//! Knows nothing of files, threads and what the rows are for.

use super::Settings;
use super::builder::RowBuilder;
use super::canonical;
use super::column::Dictionary;
use super::fields::Fields;
use super::json::{Fault, Tokens, Walker};
use super::reject::{LONGEST_TEXT, Reason, Reject, Tally};
use super::rows::Rows;
use super::shapes::Shapes;
use super::stops::{Kernel, Marks, pad};
use super::wrapper::{self, Begin};
use memchr::{memchr, memrchr};
use std::ops::Range;

/// How many bytes of an example, the first rejected line of a chunk for each reason, are kept: they are shown on one line, and there
/// may be some in each of many chunks.
const LONGEST_EXAMPLE: usize = 1024;

/// What some editors begin UTF-8 files with.
pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What a chunk held. Its rejects are numbered from the chunk's first line.
pub struct Chunk {
    pub tally: Tally,
    pub rows: Rows,
    pub rejects: Vec<Reject>,
}

/// Reads chunk after chunk in buffers that it keeps; one for each thread.
pub struct LineReader {
    fields: Fields,
    shapes: Shapes,
    tokens: Tokens,
    builder: RowBuilder,
    kernel: Kernel,
    keep_all_rejects: bool,
    redaction: super::redact::Redaction,
    marks: Marks,
    inner: Vec<u8>,
    inner_marks: Marks,
    tally: Tally,
    rejects: Vec<Reject>,
}

/// Why a line is no event, and where in it.
struct Verdict {
    reason: Reason,
    detail: &'static str,
    at: usize,
}

impl Verdict {
    fn new(reason: Reason, at: usize) -> Self {
        Verdict { reason, detail: reason.words(), at }
    }

    fn of(fault: Fault, at: usize) -> Self {
        let detail = match fault {
            Fault::Syntax(expected) => expected,
            _ => Reason::from(fault).words(),
        };
        Verdict { reason: fault.into(), detail, at }
    }
}

impl LineReader {
    pub fn new(settings: &Settings) -> Self {
        let builder = RowBuilder::new(settings.rows.clone());
        LineReader {
            fields: Fields::of(builder.needed()),
            shapes: Shapes::default(),
            tokens: Tokens::default(),
            builder,
            kernel: settings.kernel,
            keep_all_rejects: settings.keep_all_rejects,
            redaction: settings.rows.redaction.clone(),
            marks: Marks::default(),
            inner: Vec::new(),
            inner_marks: Marks::default(),
            tally: Tally::default(),
            rejects: Vec::new(),
        }
    }

    /// As [`RowBuilder::dictionary_bytes`] has it.
    pub fn dictionary_bytes(&self) -> usize {
        self.builder.dictionary_bytes()
    }

    /// As [`RowBuilder::take_dictionaries`] has it.
    pub fn take_dictionaries(&mut self) -> Vec<Dictionary> {
        self.builder.take_dictionaries()
    }

    pub fn into_dictionaries(self) -> Vec<Dictionary> {
        self.builder.into_dictionaries()
    }

    /// Reads a chunk, which is padded on the way.
    pub fn chunk(&mut self, bytes: &mut Vec<u8>, info: &crate::input::Chunk) -> Chunk {
        let length = bytes.len();
        self.tally.bytes = length as u64 + info.discarded;
        if info.overlong {
            self.tally.lines = 1;
            self.reject(bytes, info.offset, Verdict::new(Reason::TooLong, 0));
        } else {
            pad(bytes);
            let whole =
                if info.grows { memrchr(b'\n', &bytes[..length]).map_or(0, |at| at + 1) } else { length };
            let mut at = 0;
            while at < whole {
                at = self.next_line(bytes, at, info.offset);
            }
            if at < length {
                self.last_line(bytes, at..length, info.offset);
            }
            self.builder.build(bytes, &mut self.tally);
        }
        Chunk {
            tally: std::mem::take(&mut self.tally),
            rows: self.builder.take_rows(),
            rejects: std::mem::take(&mut self.rejects),
        }
    }

    /// Reads the line that begins at `start` and returns where the next one begins.
    #[inline]
    fn next_line(&mut self, bytes: &[u8], start: usize, offset: u64) -> usize {
        let LineReader { kernel, fields, shapes, tokens, .. } = self;
        if bytes[start] == b'{'
            && let Some(walked) = canonical::object_line(*kernel, bytes, start, fields, shapes, tokens)
            && (walked.is_ascii || check_utf8(bytes, start, walked.next).is_ok())
        {
            self.tally.lines += 1;
            self.builder.push(bytes, &self.tokens, &mut self.tally);
            self.tally.events += 1;
            return walked.next;
        }
        self.line(bytes, start, offset)
    }

    /// Reads the last line of a file that may still be written to, which has no newline yet: it is an event, or left for
    /// later.
    fn last_line(&mut self, bytes: &[u8], line: Range<usize>, offset: u64) {
        self.builder.build(bytes, &mut self.tally);
        let (before, rejects) = (self.tally.clone(), self.rejects.len());
        self.line(bytes, line.start, offset);
        if self.tally.events == before.events {
            let waiting = line.len() as u64;
            self.tally = Tally { bytes: before.bytes - waiting, waiting, ..before };
            self.rejects.truncate(rejects);
        }
    }

    /// Reads the line that begins at `start`, whatever its form, and returns where the next one begins.
    fn line(&mut self, bytes: &[u8], start: usize, offset: u64) -> usize {
        self.tally.lines += 1;
        let end = start + line_length(bytes, start);
        let mut marks = std::mem::take(&mut self.marks);
        self.kernel.mark(bytes, start..end + 1, &mut marks);
        let mut walker = Walker::new(bytes, &marks);
        walker.at = content_begin(bytes, start);
        let lead = walker.at - start;
        let behind_lead = |verdict: Verdict| Verdict { at: verdict.at + lead, ..verdict };
        let verdict = match bytes[walker.at] {
            b'\n' => {
                self.tally.blank += 1;
                Ok(())
            }
            b'{' if wrapper::may_be_docker(&bytes[walker.at..]) => {
                self.docker_line(&mut walker, bytes).map_err(behind_lead)
            }
            b'{' => self.object(&mut walker, bytes, start),
            _ => self.wrapped_line(&mut walker, bytes).map_err(behind_lead),
        };
        self.marks = marks;
        if let Err(verdict) = verdict {
            // What is not even text is that before anything else.
            let verdict = check_utf8(bytes, start, end).err().unwrap_or(verdict);
            self.reject(&bytes[start..end], offset + start as u64, verdict);
        }
        end + 1
    }

    /// An object at the walker, in a line that began at `start`.
    fn object(&mut self, walker: &mut Walker, bytes: &[u8], start: usize) -> Result<(), Verdict> {
        walker
            .object_line(&mut self.fields, &mut self.tokens)
            .map_err(|fault| Verdict::of(fault, walker.at - start))?;
        check_utf8(bytes, start, walker.at)?;
        self.builder.push(bytes, &self.tokens, &mut self.tally);
        self.tally.events += 1;
        Ok(())
    }

    /// A line that does not begin with a brace: Fluentd's, CRI's, or none of ours.
    fn wrapped_line(&mut self, walker: &mut Walker, bytes: &[u8]) -> Result<(), Verdict> {
        let start = walker.at;
        if bytes[start] == 0 {
            return Err(Verdict::new(Reason::NulBytes, 0));
        }
        let line = &bytes[start..start + line_length(bytes, start)];
        let inside = match wrapper::json_begin(line) {
            Some(Begin::At(inside)) => inside,
            Some(Begin::Partial(_)) => return Err(Verdict::new(Reason::PartialRecord, 0)),
            None => return Err(Verdict::new(Reason::NotAnObject, 0)),
        };
        walker.at = content_begin(bytes, start + inside);
        match bytes[walker.at] {
            b'{' => self.object(walker, bytes, start),
            b'\n' => {
                check_utf8(bytes, start, walker.at)?;
                self.tally.blank += 1;
                walker.at += 1;
                Ok(())
            }
            _ => Err(Verdict::new(Reason::NotAnObject, inside)),
        }
    }

    /// A line that begins as Docker's do: the line that counts is the text of its `log`.
    fn docker_line(&mut self, walker: &mut Walker, bytes: &[u8]) -> Result<(), Verdict> {
        let start = walker.at;
        let mut inner = std::mem::take(&mut self.inner);
        let unwrapped = wrapper::docker(walker, bytes, &mut inner);
        let verdict = match unwrapped {
            Err(fault) => Err(Verdict::of(fault, walker.at - start)),
            Ok(None) => {
                walker.at = start;
                self.object(walker, bytes, start)
            }
            Ok(Some(_)) if check_utf8(bytes, start, walker.at).is_err() => {
                check_utf8(bytes, start, walker.at)
            }
            Ok(Some(false))
                if inner.trim_ascii_start().starts_with(b"{") && !inner.trim_ascii_end().ends_with(b"}") =>
            {
                Err(Verdict::new(Reason::PartialRecord, 0))
            }
            Ok(Some(_)) if inner.contains(&b'\n') => Err(Verdict::new(Reason::TrailingText, 0)),
            Ok(Some(_)) => {
                self.builder.build(bytes, &mut self.tally);
                let verdict = self.unwrapped(&mut inner);
                self.builder.build(&inner, &mut self.tally);
                verdict
            }
        };
        self.inner = inner;
        verdict
    }

    /// The line that was inside a Docker line.
    fn unwrapped(&mut self, inner: &mut Vec<u8>) -> Result<(), Verdict> {
        pad(inner);
        let mut marks = std::mem::take(&mut self.inner_marks);
        self.kernel.mark(inner, 0..inner.len(), &mut marks);
        let mut walker = Walker::new(inner, &marks);
        walker.at = content_begin(inner, 0);
        let verdict = match inner[walker.at] {
            b'{' => self.object(&mut walker, inner, 0).map_err(|verdict| Verdict { at: 0, ..verdict }),
            b'\n' => {
                self.tally.blank += 1;
                Ok(())
            }
            _ => Err(Verdict::new(Reason::NotAnObject, 0)),
        };
        self.inner_marks = marks;
        verdict
    }

    /// Keeps the line, or where not all are kept, the first one for each reason.
    fn reject(&mut self, line: &[u8], byte: u64, verdict: Verdict) {
        let is_example = self.tally.reject(verdict.reason);
        if !self.keep_all_rejects && !is_example {
            return;
        }
        let longest = if self.keep_all_rejects { LONGEST_TEXT } else { LONGEST_EXAMPLE };
        let shown = &line[..line.len().min(longest)];
        self.rejects.push(Reject {
            file: String::new(),
            line: self.tally.lines,
            byte,
            column: verdict.at.min(line.len()) as u64 + 1,
            reason: verdict.reason,
            detail: verdict.detail,
            text: self.redaction.rejected(&String::from_utf8_lossy(shown)),
        });
    }
}

/// Behind white space and a byte-order mark, which files that were put together have in their middle too.
fn content_begin(bytes: &[u8], mut at: usize) -> usize {
    if bytes[at..].starts_with(BYTE_ORDER_MARK) {
        at += BYTE_ORDER_MARK.len();
    }
    while matches!(bytes[at], b' ' | b'\t' | b'\r') {
        at += 1;
    }
    at
}

/// Bytes up to the newline; the padding always has one.
fn line_length(bytes: &[u8], start: usize) -> usize {
    memchr(b'\n', &bytes[start..]).unwrap_or(bytes.len() - start)
}

fn check_utf8(bytes: &[u8], start: usize, end: usize) -> Result<(), Verdict> {
    if simdutf8::basic::from_utf8(&bytes[start..end]).is_ok() {
        return Ok(());
    }
    // The quicker one does not say where the fault is.
    match std::str::from_utf8(&bytes[start..end]) {
        Ok(_) => Ok(()),
        Err(fault) => Err(Verdict::new(Reason::NotUtf8, fault.valid_up_to())),
    }
}

#[cfg(test)]
mod tests;
