//! What a file is known by, whatever it is called: how its text begins, the text around a place, and what the disk says of
//! it. (Vector's file source does likewise: a name or an inode is no identity where logs rotate.)
//! Knows nothing of which files were met before.

use super::decompress::Steps;
use super::{LogFile, Replaced, end::KNOWN_BYTES as BYTES, id_of, source::fill};
use crate::cloud;
use crate::error::Error;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const HEAD_STEPS: Steps = Steps { compressed: 8 << 10, text: BYTES };
const STEPS: Steps = Steps { compressed: 128 << 10, text: 64 << 10 };

/// What a file looks like before it is read.
#[derive(Debug)]
pub struct Probe {
    /// The first bytes of its text, up to 4 KiB.
    pub head: Vec<u8>,
    /// Whether it is compressed; then nobody writes to it any more.
    pub compressed: bool,
    /// What the disk says of it.
    pub stat: Stat,
}

/// What the disk says of a file: equal only where its content is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Stat {
    /// The device and inode.
    pub id: (u64, u64),
    /// Bytes on disk.
    pub bytes: u64,
    /// When it was last written to: nanoseconds since 1970.
    pub modified: i64,
}

/// Looks at a file.
///
/// # Errors
/// `Error::Read`; of a compressed file that is cut off in its first bytes, too.
pub fn probe(file: &LogFile) -> Result<Probe, Error> {
    look(file).map_err(|source| Error::Read { path: file.name.clone(), source })
}

fn look(file: &LogFile) -> io::Result<Probe> {
    let Some(path) = &file.path else {
        return Err(io::Error::other("standard input cannot be known again: name log files or folders"));
    };
    let stat = stat(path).map_err(|error| file.missed(error))?;
    let mut text = file.open(0, HEAD_STEPS)?;
    if text.id != Some(stat.id) {
        return Err(io::Error::other(Replaced));
    }
    let mut head = vec![0; BYTES];
    let (count, end) = fill(&mut text.reader, &mut head);
    if let Some(Err(error)) = end {
        return Err(error);
    }
    head.truncate(count);
    Ok(Probe { head, compressed: text.compressed, stat })
}

fn stat(path: &Path) -> io::Result<Stat> {
    if cloud::is_object(path) {
        let object = cloud::look(path)?;
        return Ok(Stat { id: object.version, bytes: object.bytes, modified: object.modified });
    }
    let metadata = File::open(path)?.metadata()?;
    Ok(Stat {
        id: id_of(&metadata),
        bytes: metadata.len(),
        modified: metadata.mtime().wrapping_mul(1_000_000_000).wrapping_add(metadata.mtime_nsec()),
    })
}

/// The text of a file before a place, up to 4 KiB, and up to two bytes behind it; none if it is shorter.
///
/// # Errors
/// What the disk or the decompressor says.
pub fn around(file: &LogFile, place: u64) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
    let before = place.min(BYTES as u64) as usize;
    let mut text = file.open(place - before as u64, STEPS)?;
    let mut found = vec![0; before + 2];
    let (count, end) = fill(&mut text.reader, &mut found);
    if let Some(Err(error)) = end {
        return Err(error);
    }
    if count < before {
        return Ok(None);
    }
    found.truncate(count);
    let behind = found.split_off(before);
    Ok(Some((found, behind)))
}
