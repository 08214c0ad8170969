//! What a store holds: which files are its days, and how far which logs were read. One file, replaced whole, so that a
//! reader sees a run's work either before or after. Knows nothing of how files are written.

use super::day::Day;
use crate::error::Error;
use crate::input::Stat;
use crate::scan::reject::{Reason, Tally};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The form of the manifest that this program reads and writes.
pub const VERSION: u32 = 1;

/// All that is known of a store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The program that wrote it.
    pub written_by: String,
    /// How many times something was changed; new files carry the number.
    pub commits: u64,
    /// The zone of the shop's clock, into which timestamps with an offset were turned.
    pub zone: String,
    /// The words whose values were taken out, beside those that always are.
    pub redact: Vec<String>,
    /// What became of all lines ever read.
    pub counts: Counts,
    /// The logs that were read, in the order in which they were met.
    pub sources: Vec<Source>,
    /// The files of each day; it has none if all its events were forgotten.
    pub days: BTreeMap<Day, Files>,
    /// Days that were pruned: what there is of them is what came late.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub pruned: BTreeSet<Day>,
}

/// Lines = events + rejects + blank.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Lines read.
    pub lines: u64,
    /// Lines that are events.
    pub events: u64,
    /// Lines that are none, by reason.
    pub rejects: BTreeMap<String, u64>,
    /// Lines of white space.
    pub blank: u64,
    /// Bytes of text.
    pub bytes: u64,
    /// Events that were taken out of the store on purpose: by `prune` and `forget`.
    pub removed: u64,
}

impl Counts {
    /// Adds what became of more lines.
    pub fn add(&mut self, tally: &Tally) {
        self.lines += tally.lines;
        self.events += tally.events;
        self.blank += tally.blank;
        self.bytes += tally.bytes;
        for reason in Reason::ALL {
            let count = tally.rejects_by_reason[reason as usize];
            if count > 0 {
                *self.rejects.entry(reason.name().to_owned()).or_default() += count;
            }
        }
    }

    /// What became of all lines, as far as it is kept.
    pub fn tally(&self) -> Tally {
        let Counts { lines, events, blank, bytes, .. } = *self;
        let mut tally = Tally { lines, events, blank, bytes, ..Tally::default() };
        for reason in Reason::ALL {
            tally.rejects_by_reason[reason as usize] = self.rejects.get(reason.name()).copied().unwrap_or(0);
        }
        tally
    }
}

/// A log that was read, known by its text, not by its name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// What it was called when it was met last.
    pub name: String,
    /// A hash of its first bytes, and of how many.
    pub head: Hash,
    /// Hashes of fewer of them, by which the log is known where it is met shorter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beginnings: Vec<Hash>,
    /// How far it was read: bytes of its text.
    pub read: u64,
    /// A hash of the bytes before that place; none behind a line that is too long, and where an older program met it compressed.
    pub tail: Option<Hash>,
    /// Lines that were read.
    pub lines: u64,
    /// Bytes of a last line that was still being written.
    pub waiting: u64,
    /// What the disk said of it then.
    pub stat: Stat,
}

/// A hash (BLAKE3, 128 bits) of so many bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hash {
    /// How many bytes.
    pub bytes: u64,
    /// Hexadecimal digits.
    pub hash: String,
}

impl Hash {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Hash {
        Hash { bytes: bytes.len() as u64, hash: blake3::hash(bytes).to_hex()[..32].to_owned() }
    }
}

/// The files of a day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// Its events.
    pub parts: Vec<Part>,
    /// What its events say of visitors, for the days behind it; none for events without a time.
    pub state: Option<Part>,
    /// When its first and its last event happened, microseconds.
    pub span: Option<(i64, i64)>,
}

/// A file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its name in its folder.
    pub name: String,
    /// Its rows.
    pub rows: u64,
    /// Its bytes.
    pub bytes: u64,
    /// A hash of them (BLAKE3).
    pub checksum: String,
}

/// The manifest's file: the version first, so that an older program can say that it is too old.
#[derive(Serialize, Deserialize)]
struct Envelope {
    format: String,
    version: u32,
    checksum: String,
    content: serde_json::Value,
}

const FORMAT: &str = "loganalyze store";

impl Manifest {
    /// That of a new store.
    pub fn new(zone: String, redact: Vec<String>) -> Manifest {
        Manifest {
            written_by: String::new(),
            commits: 0,
            zone,
            redact,
            counts: Counts::default(),
            sources: Vec::new(),
            days: BTreeMap::new(),
            pruned: BTreeSet::new(),
        }
    }

    /// How many days there are events of; of others they were forgotten.
    pub fn filled_days(&self) -> usize {
        self.days.values().filter(|files| !files.parts.is_empty()).count()
    }

    /// Rows of all days.
    pub fn events(&self) -> u64 {
        self.days.values().flat_map(|files| &files.parts).map(|part| part.rows).sum()
    }

    /// Bytes of all files with events.
    pub fn bytes(&self) -> u64 {
        self.days.values().flat_map(|files| &files.parts).map(|part| part.bytes).sum()
    }

    /// The manifest as its file holds it.
    pub fn to_text(&self) -> serde_json::Result<String> {
        let content = serde_json::to_value(self)?;
        let checksum = checksum(&content);
        let envelope = Envelope { format: FORMAT.into(), version: VERSION, checksum, content };
        Ok(serde_json::to_string_pretty(&envelope)? + "\n")
    }

    /// Reads the text of a manifest; `path` is named in messages.
    ///
    /// # Errors
    /// `Error::Store` where it is damaged or of another version.
    pub fn parse(text: &[u8], path: &Path) -> Result<Manifest, Error> {
        let damaged = |why: String| {
            Error::Store(format!(
                "{} is damaged ({why}): put it back from a backup, or ingest the logs into a new store",
                path.display()
            ))
        };
        let envelope: Envelope = serde_json::from_slice(text).map_err(|error| damaged(error.to_string()))?;
        if envelope.format != FORMAT {
            return Err(Error::Store(format!("{} is no manifest of a store", path.display())));
        }
        if envelope.version != VERSION {
            return Err(Error::Store(format!(
                "{} is of version {}, but this program reads version {VERSION}: use the program that wrote it, or ingest the \
                 logs into a new store",
                path.display(),
                envelope.version
            )));
        }
        if envelope.checksum != checksum(&envelope.content) {
            return Err(damaged("its checksum does not fit".into()));
        }
        serde_json::from_value(envelope.content).map_err(|error| damaged(error.to_string()))
    }
}

/// Of the content as serde_json writes it, keys sorted: whatever white space somebody changed.
fn checksum(content: &serde_json::Value) -> String {
    Hash::of(content.to_string().as_bytes()).hash
}
