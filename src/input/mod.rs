//! Which bytes are read, and in what order: finding rotated files, telling copies apart,
//! decompressing, and cutting what comes out into chunks that end at a line end.
//!
//! A line is anything that ends in `\n`. What is in it, and who asks, is not known here.

mod aside;
mod decompress;
mod end;
mod find;
mod identity;
mod missing;
mod name;
mod objects;
mod pattern;
mod probe;
mod source;

use crate::error::Error;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

pub use end::End;
pub use find::find;
pub use identity::is_blank;
pub use probe::{Probe, Stat, around, probe};
pub use source::{Chunk, SHOWN_BYTES, Source};

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
        let text =
            decompress::open(self.path.as_deref(), begin, steps).map_err(|error| self.missed(error))?;
        let is_cut_off = text.bytes < self.bytes && text.bytes.is_some();
        if self.part.id.is_some_and(|id| is_cut_off || text.id != Some(id)) {
            return Err(io::Error::other(Replaced));
        }
        Ok(text)
    }

    /// What kept a file from being opened; that it has its name no longer, if it was there when it was found.
    fn missed(&self, error: io::Error) -> io::Error {
        match error.kind() {
            io::ErrorKind::NotFound if self.part.id.is_some() => io::Error::other(Replaced),
            _ => error,
        }
    }
}

/// Device and inode: the same for every path to one file.
type FileId = (u64, u64);

fn id_of(metadata: &Metadata) -> FileId {
    (metadata.dev(), metadata.ino())
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_the_one_that_was_found_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let found = || {
            std::fs::write(&path, "a line\n".repeat(5000)).unwrap();
            let found = find(&[path.display().to_string()], Logs::Activity);
            found.unwrap().activity.remove(0)
        };
        let open = |file: &LogFile| Source::open(file, 1 << 10, 1 << 10);
        let file = found();
        assert!(open(&file).is_ok());
        std::fs::rename(&path, folder.path().join("x.log.1")).unwrap();
        assert!(open(&file).is_err_and(|error| is_replaced(&error)));
        assert!(probe(&file).is_err_and(|error| is_replaced(&error)));
        std::fs::write(&path, "a line\n".repeat(6000)).unwrap();
        assert!(open(&file).is_err_and(|error| is_replaced(&error)));
        let (file, mut buffer) = (found(), Vec::new());
        let mut source = open(&file).unwrap();
        source.next_chunk(&mut buffer).unwrap();
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(5000).unwrap();
        assert!(open(&file).is_err_and(|error| is_replaced(&error)));
        let end = std::iter::repeat_with(|| source.next_chunk(&mut buffer))
            .find(|read| !matches!(read, Ok(Some(_))));
        assert!(end.unwrap().is_err_and(|error| is_replaced(&error)));
    }

    #[test]
    fn one_argument_without_a_file_hides_no_other() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("x.log"), "x\n").unwrap();
        std::fs::create_dir(dir.path().join("empty")).unwrap();
        let inputs = ["none.log", "x.log", "empty"].map(|name| format!("{}/{name}", dir.path().display()));
        let found = find(&inputs, Logs::Activity).unwrap();
        assert_eq!((found.activity.len(), found.missing.len()), (1, 2));
        let found = found.complete(true).unwrap();
        assert_eq!((found.activity.len(), found.notes.len()), (1, 2));
    }
}
