//! What became of every line: events, rejects with their reasons, blank lines.
//! Knows how lines are counted, not how they are read.

use super::json::Fault;
use serde::Serialize;

/// Why a line is no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The line ends inside its object, as one that is being written or was torn by a crash.
    Truncated,
    /// The line is no JSON object at all.
    NotAnObject,
    /// The line begins as a JSON object and breaks the grammar.
    Syntax,
    /// More text follows the object.
    TrailingText,
    /// The line is not UTF-8.
    NotUtf8,
    /// The line begins with NUL bytes, as a crashed disk or a truncated log leaves them.
    NulBytes,
    /// The line is longer than the limit.
    TooLong,
    /// A container runtime cut the line in pieces.
    PartialRecord,
    /// The line is a JSON object, but no record of a system log.
    NotARecord,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Reason; 9] = [
        Reason::Truncated,
        Reason::NotAnObject,
        Reason::Syntax,
        Reason::TrailingText,
        Reason::NotUtf8,
        Reason::NulBytes,
        Reason::TooLong,
        Reason::PartialRecord,
        Reason::NotARecord,
    ];

    /// The reason's name in every output.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Truncated => "truncated",
            Reason::NotAnObject => "not_an_object",
            Reason::Syntax => "syntax",
            Reason::TrailingText => "trailing_text",
            Reason::NotUtf8 => "not_utf8",
            Reason::NulBytes => "nul_bytes",
            Reason::TooLong => "too_long",
            Reason::PartialRecord => "partial_record",
            Reason::NotARecord => "not_a_record",
        }
    }

    /// What is wrong, in words.
    pub fn words(self) -> &'static str {
        match self {
            Reason::Truncated => "the line ends inside its JSON object",
            Reason::NotAnObject => "the line is no JSON object",
            Reason::Syntax => "the JSON is broken",
            Reason::TrailingText => "there is more text behind the JSON object",
            Reason::NotUtf8 => "the line is not UTF-8",
            Reason::NulBytes => "the line begins with NUL bytes",
            Reason::TooLong => "the line is longer than the limit",
            Reason::PartialRecord => "a container runtime cut the line in pieces",
            Reason::NotARecord => "the JSON object is no record of a system log: it lacks level or message",
        }
    }
}

impl From<Fault> for Reason {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Truncated => Reason::Truncated,
            Fault::Syntax(_) => Reason::Syntax,
            Fault::TrailingText => Reason::TrailingText,
        }
    }
}

/// A line that is no event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reject {
    /// The file's name.
    pub file: String,
    /// The line's number in its file, from 1.
    pub line: u64,
    /// Where the line begins: bytes from the beginning of the (decompressed) file.
    pub byte: u64,
    /// Where in the line the fault is: bytes from 1.
    pub column: u64,
    /// Why it is no event.
    pub reason: Reason,
    /// What is wrong there, in words.
    pub detail: &'static str,
    /// The line, at most [`LONGEST_TEXT`] bytes of it, secrets redacted.
    pub text: String,
}

/// How many bytes of a rejected line are kept.
pub const LONGEST_TEXT: usize = 64 * 1024;

/// How the lines of one file were counted. Always: lines = events + rejects + blank + joined.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Lines, the last one also without its newline.
    pub lines: u64,
    /// Lines that are events.
    pub events: u64,
    /// Lines of nothing but white space.
    pub blank: u64,
    /// Lines of system logs that belong to the event of a line before.
    pub joined: u64,
    /// Lines that are no events, by reason (in the order of [`Reason::ALL`]).
    pub rejects_by_reason: [u64; Reason::ALL.len()],
    /// Bytes, decompressed.
    pub bytes: u64,
    /// Bytes of a last line that is still being written, and counted nowhere else.
    pub waiting: u64,
    /// Values of `entity_id`, `product_id` and `user_id` that do not fit 64 bits: null in the event.
    pub ids_out_of_range: u64,
    /// Events without any of the keys that were looked for.
    pub unknown: u64,
    /// Values of other types than their column's, in the columns that were read: null in the event.
    pub wrong_types: u64,
}

impl Tally {
    /// Lines that are no events.
    pub fn rejects(&self) -> u64 {
        self.rejects_by_reason.iter().sum()
    }

    /// Counts a reject; whether it is the first for this reason.
    pub fn reject(&mut self, reason: Reason) -> bool {
        self.rejects_by_reason[reason as usize] += 1;
        self.rejects_by_reason[reason as usize] == 1
    }

    /// Adds another count.
    pub fn add(&mut self, other: &Tally) {
        self.lines += other.lines;
        self.events += other.events;
        self.blank += other.blank;
        self.joined += other.joined;
        for (sum, count) in self.rejects_by_reason.iter_mut().zip(other.rejects_by_reason) {
            *sum += count;
        }
        self.bytes += other.bytes;
        self.waiting += other.waiting;
        self.ids_out_of_range += other.ids_out_of_range;
        self.unknown += other.unknown;
        self.wrong_types += other.wrong_types;
    }
}
