//! The accounting of lines: one sentence, the summary file, the file of rejects, and how many rejects are too many.

use super::args::Common;
use crate::error::Error;
use crate::scan::FileScan;
use crate::scan::reject::{Reason, Reject, Tally};
use crate::sink::{grouped, write_atomically};
use crate::store::Store;
use serde_json::{Map, Value, json};
use std::path::Path;

/// The most lines that may be rejected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// So many.
    Count(u64),
    /// So many in a hundred lines.
    Percent(f64),
    /// What is allowed where lines come a few at a time, of which one in ten says nothing yet: nine, or 10 %.
    Usual,
}

/// How many in a hundred lines may be rejected unless it is said.
pub const USUAL: f64 = 10.0;
const FEW: u64 = 9;

impl Limit {
    /// Reads `25` or `0.5%`.
    ///
    /// # Errors
    /// `Error::Usage` for anything else.
    pub fn parse(text: &str) -> Result<Limit, Error> {
        let limit = match text.strip_suffix('%') {
            Some(percent) => {
                percent.trim().parse().ok().filter(|p| (0.0..=100.0).contains(p)).map(Limit::Percent)
            }
            None => text.parse().ok().map(Limit::Count),
        };
        limit.ok_or_else(|| {
            Error::Usage(format!("--max-rejects '{text}' is neither a number nor a percentage such as 10%"))
        })
    }

    fn allows(self, tally: &Tally) -> bool {
        match self {
            Limit::Count(count) => tally.rejects() <= count,
            Limit::Percent(percent) => tally.rejects() as f64 <= tally.lines as f64 * percent / 100.0,
            Limit::Usual => tally.rejects() <= FEW || Limit::Percent(USUAL).allows(tally),
        }
    }
}

/// What scans counted and how long they took.
#[derive(Clone, Default)]
pub struct Account {
    /// All files together.
    pub tally: Tally,
    /// How many files were read.
    pub files: usize,
    /// From the first byte to the last result, in seconds.
    pub seconds: f64,
    /// Rejected lines: all or some.
    pub rejects: Vec<Reject>,
    /// The store that was read in the place of logs, and what it holds.
    pub store: Option<String>,
    /// What to say where there are too many of them.
    pub rejected: Rejected,
}

/// What is said where too many lines are rejected.
#[derive(Debug, Clone, Copy)]
pub struct Rejected {
    /// What has not happened.
    pub instead: &'static str,
    /// How all of them are seen.
    pub see_all: &'static str,
}

/// How rejected lines are seen where there is an option for that.
pub const SEE_REJECTS: &str = "--rejects FILE";

impl Default for Rejected {
    fn default() -> Self {
        Rejected { instead: "nothing was written", see_all: SEE_REJECTS }
    }
}

impl Account {
    /// What one scan found in these files.
    pub fn of(files: &[FileScan], seconds: f64, rejects: Vec<Reject>) -> Account {
        let mut tally = Tally::default();
        files.iter().for_each(|file| tally.add(&file.tally));
        Account { tally, files: files.len(), seconds, rejects, ..Account::default() }
    }

    /// Adds another scan's, with a look at it alone: the rejects of both are saved, and too many end the run.
    ///
    /// # Errors
    /// `Error::TooManyRejects`; `Error::Write` where rejects or summary cannot be saved.
    pub fn add(&mut self, scan: Account, limit: Limit, options: &Common) -> Result<(), Error> {
        let checked = scan.check(limit);
        self.tally.add(&scan.tally);
        self.files += scan.files;
        self.seconds += scan.seconds;
        self.rejects.extend(scan.rejects);
        if let Some(path) = &options.rejects {
            self.write_rejects(path)?;
        }
        if checked.is_err()
            && let Some(path) = &options.summary
        {
            self.write_summary(path, Map::new())?;
        }
        checked
    }

    /// What became of the lines that a store was made from.
    pub fn add_store(&mut self, store: &Store) {
        let manifest = &store.manifest;
        self.tally.add(&manifest.counts.tally());
        self.store = Some(format!(
            "{}: {} of {}",
            store.folder.display(),
            count(manifest.events(), "event"),
            count(manifest.filled_days() as u64, "day")
        ));
    }

    /// `33,905 lines = 33,900 events + 4 rejects + 1 blank`.
    pub fn sum(&self) -> String {
        let Tally { lines, events, blank, joined, .. } = self.tally;
        format!(
            "{} = {} + {} + {} blank{}",
            count(lines, "line"),
            count(events, "event"),
            count(self.tally.rejects(), "reject"),
            thousands(blank),
            if joined > 0 { format!(" + {} joined", thousands(joined)) } else { String::new() },
        )
    }

    /// `33,905 lines = 33,900 events + 4 rejects + 1 blank · 7 files, 15.9 MB in 0.03 s (0.53 GB/s)` and what else is worth saying.
    pub fn sentence(&self) -> String {
        let bytes = self.tally.bytes;
        if let Some(store) = &self.store {
            return format!("store {store} · made from {} · read in {:.2} s", self.sum(), self.seconds);
        }
        let mut sentence = format!(
            "{} · {}, {} in {:.2} s ({:.2} GB/s)",
            self.sum(),
            count(self.files as u64, "file"),
            size(bytes),
            self.seconds,
            bytes as f64 / 1e9 / self.seconds.max(1e-9),
        );
        if self.tally.ids_out_of_range > 0 {
            sentence += &format!(" · {} out of range", count(self.tally.ids_out_of_range, "id"));
        }
        if self.tally.wrong_types > 0 {
            sentence += &format!(" · {} of a wrong type", count(self.tally.wrong_types, "value"));
        }
        if self.tally.unknown > 0 && self.tally.unknown == self.tally.events {
            sentence += " · no line has a key that was looked for: are these the shop's logs?";
        }
        sentence
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        let reasons: Map<String, Value> = Reason::ALL
            .iter()
            .map(|&reason| (reason.name().to_owned(), json!(self.tally.rejects_by_reason[reason as usize])))
            .collect();
        let mut said = json!({
            "files": self.files,
            "lines": self.tally.lines,
            "events": self.tally.events,
            "rejects": self.tally.rejects(),
            "blank": self.tally.blank,
            "joined": self.tally.joined,
            "rejects_by_reason": reasons,
            "ids_out_of_range": self.tally.ids_out_of_range,
            "wrong_types": self.tally.wrong_types,
            "bytes": self.tally.bytes,
            "seconds": self.seconds,
        });
        if let Some(store) = &self.store {
            said["store"] = json!(store);
            // It doesn't keep them.
            for unknown in ["ids_out_of_range", "wrong_types", "joined"] {
                said[unknown] = Value::Null;
            }
        }
        said
    }

    /// Writes the summary file: the accounting, and as `notes` what was said of each result.
    ///
    /// # Errors
    /// `Error::Write`.
    pub fn write_summary(&self, path: &Path, notes: Map<String, Value>) -> Result<(), Error> {
        let mut summary = self.json();
        summary["notes"] = Value::Object(notes);
        write_atomically(path, |out| writeln!(out, "{summary:#}"))
    }

    /// Writes every reject as a line of JSON.
    fn write_rejects(&self, path: &Path) -> Result<(), Error> {
        write_atomically(path, |out| {
            for reject in &self.rejects {
                serde_json::to_writer(&mut *out, reject)?;
                out.write_all(b"\n")?;
            }
            Ok(())
        })
    }

    /// Compares with the limit; the error has examples and says what to do.
    fn check(&self, limit: Limit) -> Result<(), Error> {
        if limit.allows(&self.tally) {
            return Ok(());
        }
        let mut text = format!(
            "{} of {} rejected, more than {}; {}\n",
            thousands(self.tally.rejects()),
            count(self.tally.lines, "line"),
            match limit {
                Limit::Count(count) => format!("the {} allowed", thousands(count)),
                Limit::Percent(percent) => format!("the {percent} % allowed"),
                Limit::Usual => format!("the {USUAL} % allowed"),
            },
            self.rejected.instead,
        );
        text += &examples(&self.rejects);
        text += &format!("see all with {}, allow more with --max-rejects N or N%", self.rejected.see_all);
        Err(Error::TooManyRejects(text))
    }
}

/// The first rejected line for each reason.
fn examples(rejects: &[Reject]) -> String {
    let mut text = String::new();
    for reason in Reason::ALL {
        if let Some(reject) = rejects.iter().find(|reject| reject.reason == reason) {
            text += &format!("  {}\n", describe(reject));
        }
    }
    text
}

/// `logs/a.log line 17 (byte 8,112, column 40): the JSON is broken: …`, and how the line begins.
fn describe(reject: &Reject) -> String {
    const SHOWN: usize = 60;
    let begin: String = reject.text.chars().take(SHOWN).collect();
    let more = if begin.len() < reject.text.len() { "…" } else { "" };
    let words = if reject.detail == reject.reason.words() {
        String::new()
    } else {
        format!(": expected {}", reject.detail)
    };
    format!(
        "{} line {} (byte {}, column {}): {}{words}: {}{more}",
        reject.file,
        thousands(reject.line),
        thousands(reject.byte),
        thousands(reject.column),
        reject.reason.words(),
        begin,
    )
}

/// `1 file`, `2 files`.
fn count(number: u64, what: &str) -> String {
    format!("{} {what}{}", thousands(number), if number == 1 { "" } else { "s" })
}

fn thousands(number: u64) -> String {
    grouped(&number.to_string())
}

/// Bytes in decimal units.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        let tally = |lines, rejects| {
            let mut tally = Tally { lines, ..Tally::default() };
            tally.rejects_by_reason[0] = rejects;
            tally
        };
        let ten = Limit::parse("10%").unwrap();
        assert!(ten.allows(&tally(100, 10)) && !ten.allows(&tally(100, 11)) && ten.allows(&tally(0, 0)));
        let none = Limit::parse("0").unwrap();
        assert!(none.allows(&tally(5, 0)) && !none.allows(&tally(5, 1)));
        for wrong in ["", "x", "-1", "101%", "1.5"] {
            assert!(Limit::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_as_people_write_them() {
        assert_eq!(["0", "999", "1,000", "1,234,567"], [0, 999, 1000, 1_234_567].map(thousands));
        assert_eq!(["1 file", "2 files"], [count(1, "file"), count(2, "file")]);
        assert_eq!(["999 B", "15.9 MB", "1.02 GB"], [size(999), size(15_900_000), size(1_020_000_000)]);
    }
}
