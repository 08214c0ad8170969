//! Mistakes a user can make, in words that say what to do, and the exit code of each.
//! Knows nothing of how they came about.

use std::{io, path::PathBuf};

/// What went wrong, as a user should read it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A word on the command line that means nothing here.
    #[error("{0}")]
    Usage(String),
    /// No file to read under the given names.
    #[error("{0}")]
    NoInput(String),
    /// A file that is there but cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file as the user named it.
        path: String,
        /// The operating system's or the decompressor's answer.
        source: io::Error,
    },
    /// An output that cannot be written; whatever was there before is still there.
    #[error("cannot write {}: {source}; what is there stays as it was", path.display())]
    Write {
        /// The file that was to be written.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// Rows that memory has no room for and that cannot be written elsewhere or read back.
    #[error(
        "cannot keep rows in temporary files: {0}; make room there, set TMPDIR to another folder, or raise --memory-limit"
    )]
    Temporary(io::Error),
    /// Threads that the system does not give.
    #[error("cannot start {0} threads: {1}; give fewer with --threads")]
    Threads(usize, io::Error),
    /// Standard output that cannot be written.
    #[error("cannot write the result: {0}")]
    Stdout(io::Error),
    /// SQL that the engine does not accept, or a value that a query cannot take.
    #[error("{0}")]
    Query(String),
    /// A store that cannot be read or does not fit what is asked of it.
    #[error("{0}")]
    Store(String),
    /// Another process is changing the store.
    #[error("{0}")]
    Locked(String),
    /// More rejected lines than the user allows.
    #[error("{0}")]
    TooManyRejects(String),
}

impl Error {
    /// The process's exit code: 1 failed, 2 wrong usage, 3 too many rejects, 75 somebody else is at it, try later (`EX_TEMPFAIL`
    /// of sysexits.h).
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_) => 2,
            Error::TooManyRejects(_) => 3,
            Error::Locked(_) => 75,
            _ => 1,
        }
    }
}

/// ` (did you mean 'x'?)` for the candidate nearest to `word`, or nothing where none is near.
///
/// Nearness is Jaro–Winkler similarity of at least 0.75, the measure clap uses for its own suggestions.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| format!(" (did you mean '{candidate}'?)"))
        .unwrap_or_default()
}
