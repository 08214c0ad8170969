//! Which bytes are read, and in what order: finding rotated files, telling copies apart,
//! decompressing, and cutting what comes out into chunks that end at a line end.
//!
//! A line is anything that ends in `\n`. What is in it, and who asks, is not known here.

mod decompress;
mod find;
mod identity;
mod missing;
mod name;
mod objects;
mod pattern;
mod probe;
mod source;

use crate::error::Error;
use std::io;
use std::path::PathBuf;

pub use find::find;
pub use identity::is_blank;
pub use probe::{Probe, Stat, around, probe};
pub use source::{Chunk, End, SHOWN_BYTES, Source};

/// One file (or standard input) that will be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogFile {
    /// As shown to the user: the path, or `-`.
    pub name: String,
    /// Where it is; `None` is standard input.
    pub path: Option<PathBuf>,
    /// Its size on disk when it was found, compressed as it is; `None` for a stream, which has no size.
    pub bytes: Option<u64>,
    /// What of it is read.
    pub part: Part,
}

impl LogFile {
    /// Opens the text at a place: of the file that was found, not of an other one that has its name now.
    fn open(&self, begin: u64, steps: decompress::Steps) -> io::Result<decompress::Text> {
        let text = match decompress::open(self.path.as_deref(), begin, steps) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.part.id.is_some() => {
                return Err(io::Error::other(Replaced));
            }
            opened => opened?,
        };
        let is_cut_off = text.bytes < self.bytes && text.bytes.is_some();
        if self.part.id.is_some_and(|id| is_cut_off || text.id != Some(id)) {
            return Err(io::Error::other(Replaced));
        }
        Ok(text)
    }
}

/// That a file is not the one any more that was found under its name, or has lost text.
#[derive(Debug, thiserror::Error)]
#[error("it was renamed, replaced or cut off just now, as when logs rotate: run it again")]
struct Replaced;

/// Whether a file could not be read because logs rotate: where they are now, looking for them again says.
pub fn is_replaced(error: &Error) -> bool {
    matches!(error, Error::Read { source, .. } if source.get_ref().is_some_and(|inner| inner.is::<Replaced>()))
}

/// A part of a file: without more words, all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// Where it begins: bytes of the decompressed text, behind a line end.
    pub begin: u64,
    /// How many lines there are before.
    pub lines: u64,
    /// About how many bytes it has, if it does not go to the file's end: it ends with a line.
    pub bytes: Option<u64>,
    /// Whether the file may still be written to: a last line without a newline that is no event is then left for later.
    pub grows: bool,
    /// The device and inode that the file had when it was found, and must still have when it is opened; none for a stream.
    pub id: Option<(u64, u64)>,
}

/// The shop's logs: those of what people did, those of what its program says of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Logs {
    /// User activity: every log that is no system log.
    #[default]
    Activity,
    /// System logs, called `app*.log`.
    System,
    /// All.
    Both,
}

/// What is to be read, and what the user should know about the choice.
#[derive(Debug, Default)]
pub struct Found {
    /// Logs of user activity, oldest first.
    pub activity: Vec<LogFile>,
    /// System logs, oldest first.
    pub system: Vec<LogFile>,
    /// One plain sentence each, for stderr.
    pub notes: Vec<String>,
    /// Why some of the logs, or what is under some of the arguments, can't be opened.
    pub unreadable: Vec<Error>,
    /// Arguments under which there is nothing to read, one plain sentence each.
    pub missing: Vec<String>,
}

impl Found {
    /// Whether something among it can be read only once.
    pub fn has_streams(&self) -> bool {
        self.activity.iter().chain(&self.system).any(|file| file.bytes.is_none())
    }

    /// The same with a note for each argument under which there is nothing, where that is `allowed`.
    ///
    /// # Errors
    /// `Error::NoInput` for the first of them, where it is not.
    pub fn complete(mut self, allowed: bool) -> Result<Found, Error> {
        let missing = std::mem::take(&mut self.missing);
        if !allowed && let Some(why) = missing.first() {
            return Err(Error::NoInput(why.clone()));
        }
        self.notes.extend(missing);
        Ok(self)
    }

    /// Whether a file of this name is to be read.
    pub fn holds(&self, name: &str) -> bool {
        self.activity.iter().chain(&self.system).any(|file| file.name == name)
    }
}
