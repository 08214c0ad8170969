//! The files that a command is to write: that there is a folder for each, that none is a log that is to be read, and that no
//! two are the same. Found out before anything is read.

use super::args::Common;
use crate::cloud::is_object;
use crate::error::Error;
use crate::input::LogFile;
use crate::sink::file::folder_of;
use crate::sink::visible;
use std::fs::{Metadata, metadata};
use std::io::{Error as IoError, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Checks `results`, which are the files of `-o`, and those of other options, before these logs are read.
///
/// # Errors
/// `Error::Usage` for a file that is one of the logs, in an object store, or named by two options; `Error::Write` where its
/// folder is missing.
pub fn check<'a>(
    options: &Common,
    results: Vec<PathBuf>,
    logs: impl Iterator<Item = &'a LogFile>,
) -> Result<(), Error> {
    let more = [("--rejects", &options.rejects), ("--summary", &options.summary)];
    let more = more.into_iter().filter_map(|(option, path)| Some((option, path.clone()?)));
    let outputs: Vec<(&str, PathBuf)> = results.into_iter().map(|path| ("-o", path)).chain(more).collect();
    let logs: Vec<(&LogFile, Metadata)> = logs.filter_map(|log| Some((log, file(of_log(log))?))).collect();
    for (at, (option, path)) in outputs.iter().enumerate() {
        let shown = visible(&path.to_string_lossy()).into_owned();
        if is_object(path) {
            return Err(Error::Usage(format!(
                "{option} {shown}: results go to a folder of this machine; copy them from there"
            )));
        }
        if let Some(there) = file(path) {
            if let Some((log, _)) = logs.iter().find(|(_, log)| is_same(log, &there)) {
                let log = visible(&log.name);
                return Err(Error::Usage(format!(
                    "{option} {shown} would replace the log '{log}', which is to be read"
                )));
            }
        } else if *option != "-o" || options.output.as_deref() == Some(path) {
            // A folder of results is made where there is none.
            check_folder(path)?;
        }
        let is_there = |place: &Option<PathBuf>| place.is_some() && *place == self::place(path);
        if let Some((other, _)) = outputs[..at].iter().find(|(_, other)| is_there(&place(other))) {
            return Err(Error::Usage(format!("{other} and {option} both write {shown}: name two files")));
        }
    }
    Ok(())
}

/// What there is of a regular file.
fn file(path: impl AsRef<Path>) -> Option<Metadata> {
    metadata(path).ok().filter(Metadata::is_file)
}

fn of_log(log: &LogFile) -> &Path {
    log.path.as_deref().unwrap_or(Path::new("/dev/stdin"))
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// The path of a file in a folder that is there; of what is no file, such as a terminal, several may be written.
fn place(path: &Path) -> Option<PathBuf> {
    match metadata(path) {
        Ok(there) => there.is_file().then(|| path.canonicalize().ok())?,
        Err(_) => Some(folder_of(path).canonicalize().ok()?.join(path.file_name()?)),
    }
}

/// Checks that there is a folder for this file.
///
/// # Errors
/// `Error::Write` where there is none.
pub fn check_folder(path: &Path) -> Result<(), Error> {
    let folder = folder_of(path);
    if folder.is_dir() {
        return Ok(());
    }
    let why = format!("there is no folder '{}'", visible(&folder.to_string_lossy()));
    Err(Error::Write { path: path.to_owned(), source: IoError::new(ErrorKind::NotFound, why) })
}
