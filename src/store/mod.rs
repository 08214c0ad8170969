//! Events kept between runs: Parquet files, a folder a day, as Hive lays them out, and a manifest that says which files
//! count and how far which logs were read. A run's work is seen whole or not at all.
//! Knows nothing of reports and the command line.
//!
//! ```text
//! lake/manifest.json                                    what counts
//! lake/events/event_date=2025-03-10/part-000007-0.parquet
//! lake/state/2025-03-10-000007.parquet                  what the day says of visitors
//! lake/lock                                             held while something is changed
//! ```

mod commit;
mod day;
mod keep;
mod known;
mod manifest;
mod part;
mod place;
mod settle;
mod state;
mod writer;

pub use day::Day;
pub use keep::{Forget, Found};
pub use known::{Known, Reading};
pub use manifest::{Counts, Files, Hash, Manifest, Part, Source, VERSION};
pub use part::no_events;
pub use writer::Writer;

use crate::cloud::{Mark, is_object};
use crate::error::Error;
use crate::events::Events;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A store as it was when it was opened.
#[derive(Debug, Clone)]
pub struct Store {
    /// Where it is.
    pub folder: PathBuf,
    /// What it holds.
    pub manifest: Manifest,
    /// The mark of the manifest in an object store.
    mark: Option<Mark>,
}

const MANIFEST: &str = "manifest.json";
const EVENTS: &str = "events";
const STATE: &str = "state";

/// That this folder is within a store, if it is: a store in a store is one that nobody reads right.
fn inside(folder: &Path) -> Option<Error> {
    let whole = std::path::absolute(folder).ok().filter(|_| !is_object(folder))?;
    let store = whole.ancestors().skip(1).find(|above| Store::exists(above).is_ok_and(|is_one| is_one))?;
    Some(Error::Store(format!("{} is inside the store {}: name that", folder.display(), store.display())))
}

impl Store {
    /// Whether there is one.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn exists(folder: &Path) -> Result<bool, Error> {
        Store::find(folder).map(|store| store.is_some())
    }

    /// Opens a store to read it.
    ///
    /// # Errors
    /// `Error::Store` where there is none, or one that this program cannot read.
    pub fn open(folder: &Path) -> Result<Store, Error> {
        match Store::find(folder)? {
            Some(store) => Ok(store),
            None => Err(inside(folder).unwrap_or_else(|| {
                Error::Store(format!(
                    "there is no store in {}: make one with 'loganalyze ingest LOGS --store {}'",
                    folder.display(),
                    folder.display()
                ))
            })),
        }
    }

    /// The store as it is now, if another run has changed it: files that it replaced are gone.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn newer(&self) -> Result<Option<Store>, Error> {
        let now = Store::open(&self.folder)?;
        Ok((now.manifest.commits != self.manifest.commits).then_some(now))
    }

    /// What this says of the store, asked again where another run replaces files meanwhile, or gives them their own names.
    ///
    /// # Errors
    /// Its own, where that is not why; as [`Store::open`].
    pub fn ask<T>(&mut self, mut question: impl FnMut(&Store) -> Result<T, Error>) -> Result<T, Error> {
        let mut again = true;
        loop {
            let error = match question(self) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match self.newer()? {
                Some(newer) => *self = newer,
                // It may be there under its own name, which it gets behind the commit.
                None if again && is_of_missing(&error) => again = false,
                None => return Err(error),
            }
        }
    }

    /// The store in this folder, if there is one.
    fn find(folder: &Path) -> Result<Option<Store>, Error> {
        let path = folder.join(MANIFEST);
        match place::read(&path) {
            Ok((text, mark)) => {
                let manifest = Manifest::parse(&text, &path)?;
                Ok(Some(Store { folder: folder.to_owned(), manifest, mark }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Read { path: path.display().to_string(), source }),
        }
    }

    /// Where a file of a day is: for a moment, or after a crash, under the name that it was written under.
    pub fn path(&self, day: Day, part: &Part) -> PathBuf {
        let folder = self.folder.join(EVENTS).join(day.folder());
        let path = folder.join(&part.name);
        if is_object(&path) {
            return path;
        }
        let hidden = folder.join(commit::hidden(&part.name));
        if !path.exists() && hidden.exists() { hidden } else { path }
    }

    /// The events of a file in these columns; `since` may leave out such that happened before (microseconds).
    ///
    /// # Errors
    /// `Error::Store` where the file is gone or damaged.
    pub fn read(
        &self,
        day: Day,
        part: &Part,
        names: &[&'static str],
        since: Option<i64>,
    ) -> Result<Events, Error> {
        let path = self.path(day, part);
        place::events(&path, names, since).map_err(|source| unreadable(&path, &source))
    }

    /// Copies a file of a day to this path, which is returned.
    ///
    /// # Errors
    /// `Error::Store` where it cannot be read, `Error::Temporary` where it cannot be written.
    pub fn copy(&self, day: Day, part: &Part, to: &Path) -> Result<PathBuf, Error> {
        let path = self.path(day, part);
        let (bytes, _) = place::read(&path).map_err(|source| unreadable(&path, &source))?;
        std::fs::write(to, bytes).map_err(Error::Temporary)?;
        Ok(to.to_owned())
    }

    fn read_state(&self, part: &Part) -> Result<Events, Error> {
        let path = self.folder.join(STATE).join(&part.name);
        place::events(&path, &state::COLUMNS, None).map_err(|source| unreadable(&path, &source))
    }
}

/// The pieces that a file of events on a disk can be read in: how many rows each has.
///
/// # Errors
/// `Error::Store` where it is gone or damaged.
pub fn pieces(path: &Path) -> Result<Vec<usize>, Error> {
    File::open(path).and_then(part::groups).map_err(|source| unreadable(path, &source))
}

/// One piece of it in these columns.
///
/// # Errors
/// `Error::Store` where it is gone or damaged.
pub fn read_piece(path: &Path, names: &[&'static str], piece: usize) -> Result<Events, Error> {
    let read = |file| part::read_group(file, names, piece);
    File::open(path).and_then(read).map_err(|source| unreadable(path, &source))
}

/// Whether an error is of a file that is not there, whoever found that out.
fn is_of_missing(error: &Error) -> bool {
    let text = error.to_string();
    text.contains("os error 2)") || text.contains(keep::GONE)
}

fn unreadable(path: &Path, source: &io::Error) -> Error {
    Error::Store(format!(
        "cannot read {}: {source}; 'loganalyze store verify' says what else is damaged",
        path.display()
    ))
}
