//! Where the files of a store are: on a disk or in an object store. Knows nothing of what is in them.

use super::part;
use crate::cloud::{self, Mark, is_object};
use crate::events::Events;
use bytes::Bytes;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A file's bytes, and of an object its entity tag.
///
/// # Errors
/// `NotFound` if there is none; what the disk or the server says.
pub fn read(path: &Path) -> io::Result<(Vec<u8>, Option<Mark>)> {
    if is_object(path) {
        cloud::get(path).map(|(bytes, mark)| (bytes, Some(mark)))
    } else {
        Ok((fs::read(path)?, None))
    }
}

/// A file, to be read from its beginning.
///
/// # Errors
/// `NotFound` if there is none; what the disk or the server says.
pub fn open(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    if is_object(path) { cloud::open(&cloud::look(path)?, 0) } else { Ok(Box::new(File::open(path)?)) }
}

/// As [`part::read`].
///
/// # Errors
/// What the disk or the server says, or that the file is damaged.
pub fn events(path: &Path, names: &[&'static str], since: Option<i64>) -> io::Result<Events> {
    if is_object(path) {
        part::read(Bytes::from(cloud::get(path)?.0), names, since)
    } else {
        part::read(File::open(path)?, names, since)
    }
}

/// As [`part::rows`].
///
/// # Errors
/// That it is no Parquet file.
pub fn rows(path: &Path) -> io::Result<u64> {
    if is_object(path) { part::rows(Bytes::from(cloud::get(path)?.0)) } else { part::rows(File::open(path)?) }
}

/// What is directly in a folder; nothing if it does not exist.
///
/// # Errors
/// What the disk or the server says.
pub fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    if is_object(folder) {
        let listing = cloud::list(folder)?;
        return Ok(listing.objects.into_iter().map(|object| object.path).chain(listing.folders).collect());
    }
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

/// Removes a file.
///
/// # Errors
/// What the disk or the server says.
pub fn remove(path: &Path) -> io::Result<()> {
    if is_object(path) { cloud::remove(path) } else { fs::remove_file(path) }
}
