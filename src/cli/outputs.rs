//! The files that a command is to write: that there is a folder for each, that none is a log that is to be read, and that no
//! two are the same. Found out before anything is read.

use super::args::Common;
use crate::cloud::is_object;
use crate::config::of_shell;
use crate::error::Error;
use crate::input::LogFile;
use crate::sink::file::folder_of;
use crate::sink::visible;
use clap::builder::{PathBufValueParser, TypedValueParser};
use std::fs::{Metadata, metadata};
use std::io::{Error as IoError, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What these options write beside the result, each under its own name.
pub fn beside(options: &Common) -> impl Iterator<Item = (&'static str, PathBuf)> {
    let files = [("--rejects", &options.rejects), ("--summary", &options.summary)];
    files.into_iter().filter_map(|(option, path)| Some((option, path.clone()?)))
}

/// Checks these files, each with what names it, before these logs are read; `made` is a folder that is made where there is none.
///
/// # Errors
/// `Error::Usage` for a file that is one of the logs, in an object store, or named by two options; `Error::Write` where its
/// folder is missing.
pub fn check<'a>(
    outputs: &[(&str, PathBuf)],
    made: Option<&Path>,
    logs: impl Iterator<Item = &'a LogFile>,
) -> Result<(), Error> {
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
        } else if made.is_none_or(|made| path.parent() != Some(made)) {
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

/// A path, but for one that only a shell could have read.
pub fn path_parser() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match path.to_str().and_then(of_shell) {
        None => Ok(path),
        Some(why) => Err(why),
    })
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
