//! Which logs were read before, and how far. A log is known by its text: the first bytes, and those before the place up to
//! which it was read; so a renamed, compressed or copied log is the same, and one that was truncated and begun anew
//! another. Knows nothing of what is in it.

use super::manifest::{Hash, Source};
use crate::error::Error;
use crate::input::{LogFile, Part, Probe, Stat, around, is_blank, probe};
use crate::scan::FileScan;
use crate::scan::reject::Tally;

/// Of how many of its first bytes a log is also known: enough for two lines or so, and a quarter of it at least.
const BEGINNINGS: [usize; 3] = [256, 1024, 2048];

const SHORTER: &str = "it is shorter than when it was read";

/// A log of which something was not read yet.
#[derive(Debug)]
pub struct Reading {
    /// The file, and what of it is to be read.
    pub file: LogFile,
    /// The place of what was known of it.
    pub source: Option<usize>,
    probe: Probe,
    /// How far it was read when it was looked at, lines and bytes.
    begin: (u64, u64),
}

impl Reading {
    /// About how many bytes of text are to be read.
    pub fn estimate(&self) -> u64 {
        let factor = if self.probe.compressed { 10 } else { 1 };
        (self.probe.stat.bytes * factor).saturating_sub(self.file.part.begin).max(1)
    }

    /// Whether all was read that was there when it was looked at, now that this was: a batch ends where it has enough.
    pub fn is_finished(&self, FileScan { tally, .. }: &FileScan) -> bool {
        self.file.part.bytes.is_none_or(|bytes| tally.bytes < bytes)
    }

    /// What is known of the log now that this was read of it; none if nothing was.
    pub fn read(&self, scan: &FileScan) -> Option<Source> {
        let FileScan { tally, ends, .. } = scan;
        let Part { begin, lines, .. } = self.file.part;
        let read = begin + tally.bytes;
        if read == 0 {
            return None;
        }
        let head = &self.probe.head[..self.probe.head.len().min(read as usize)];
        // Whatever has the file's name now, and however long this took: the text is that which was read.
        let tail = ends.iter().find(|end| end.place == read && !end.before.is_empty());
        Some(Source {
            name: self.file.name.clone(),
            head: Hash::of(head),
            beginnings: BEGINNINGS.iter().filter_map(|&bytes| head.get(..bytes)).map(Hash::of).collect(),
            read,
            tail: tail.map(|end| Hash::of(&end.before)),
            lines: lines + tally.lines,
            waiting: tally.waiting,
            // What the disk says of the whole log is true of what was read only when that is all.
            stat: if self.is_finished(scan) {
                self.probe.stat
            } else {
                Stat { id: self.probe.stat.id, ..Stat::default() }
            },
        })
    }

    /// Goes on behind what was read; `source` is the log's place now.
    pub fn go_on(&mut self, tally: &Tally, source: Option<usize>) {
        self.file.part.begin += tally.bytes;
        self.file.part.lines += tally.lines;
        self.source = source;
    }

    /// Whether nothing was read of it since it was looked at.
    pub fn is_untouched(&self) -> bool {
        self.begin == (self.file.part.lines, self.file.part.begin)
    }
}

/// What is known of these logs.
#[derive(Debug, Default)]
pub struct Known {
    /// Those of which something is to be read.
    pub readings: Vec<Reading>,
    /// How many were read to their ends before.
    pub unchanged: usize,
    /// Those that cannot be looked at.
    pub failed: Vec<Error>,
}

impl Known {
    /// Looks at files, of which no two are the same and none is the beginning of another.
    pub fn new(files: Vec<LogFile>, sources: &[Source]) -> Known {
        let mut known = Known::default();
        let mut taken = vec![false; sources.len()];
        let mut left = Vec::new();
        for file in files {
            match probe(&file) {
                Err(error) => known.failed.push(error),
                Ok(probe) => {
                    let same = |(_, source): &(usize, &Source)| {
                        source.stat == probe.stat && is_read(&probe, source) && begins(&probe, source)
                    };
                    match sources.iter().enumerate().find(same) {
                        Some((place, _)) => {
                            taken[place] = true;
                            known.unchanged += 1;
                        }
                        None => left.push((file, probe)),
                    }
                }
            }
        }
        for (file, probe) in left {
            known.look(file, probe, sources, &mut taken);
        }
        known
    }

    fn look(&mut self, mut file: LogFile, probe: Probe, sources: &[Source], taken: &mut [bool]) {
        if probe.head.is_empty() {
            self.unchanged += 1;
            return;
        }
        file.part = Part { grows: !probe.compressed, id: Some(probe.stat.id), ..Part::default() };
        let mut candidates: Vec<(usize, &Source)> = sources
            .iter()
            .enumerate()
            .filter(|(place, source)| !taken[*place] && begins(&probe, source))
            .collect();
        candidates.sort_by_key(|(_, source)| std::cmp::Reverse(source.read));
        // Of which known log this is another text.
        let shorter = |(place, source): &(usize, &Source)| !taken[*place] && is_shorter(&probe, source);
        let mut edited = sources.iter().enumerate().find(shorter).map(|(_, source)| (source, SHORTER));
        for (place, source) in candidates {
            let (before, behind) = match around(&file, source.read) {
                Err(error) => {
                    self.failed.push(Error::Read { path: file.name, source: error });
                    return;
                }
                Ok(Some(found)) => found,
                // A beginning of nothing but blank text says nothing.
                Ok(None) if is_blank(&probe.head) => continue,
                Ok(None) => {
                    edited = edited.or(Some((source, SHORTER)));
                    continue;
                }
            };
            if source.tail.as_ref().is_some_and(|tail| !ends(&before, tail)) {
                // An inode says nothing here: that of a log that is gone may be another's by now.
                if source.name == file.name {
                    edited = edited.or(Some((source, "its text is another one than when it was read")));
                }
                continue;
            }
            taken[place] = true;
            file.part.begin = source.read + line_end(&before, &behind);
            file.part.lines = source.lines;
            return self.add(file, probe, Some(place));
        }
        if let Some((source, what)) = edited {
            let why = format!(
                "{what} (as '{}', {} bytes then): was it cut off or edited? Lines that are new in it are read under another \
                 name, in a file of their own",
                source.name, source.read
            );
            self.failed.push(Error::Read { path: file.name, source: std::io::Error::other(why) });
            return;
        }
        self.add(file, probe, None);
    }

    fn add(&mut self, file: LogFile, probe: Probe, source: Option<usize>) {
        let begin = (file.part.lines, file.part.begin);
        self.readings.push(Reading { file, source, probe, begin });
    }
}

/// Whether this file was read to its end, as far as its size says.
fn is_read(probe: &Probe, source: &Source) -> bool {
    probe.compressed || source.read + source.waiting >= probe.stat.bytes
}

/// Whether a file begins as this source did.
fn begins(probe: &Probe, source: &Source) -> bool {
    let head = source.head.bytes as usize;
    head > 0 && probe.head.get(..head).is_some_and(|head| Hash::of(head) == source.head)
}

/// Whether a file is so short that one cannot say that it begins as this source did, and is the same as far as it goes, or
/// nearly.
fn is_shorter(probe: &Probe, source: &Source) -> bool {
    let fits = |hash: &&Hash| hash.bytes as usize <= probe.head.len();
    let longest = source.beginnings.iter().rev().find(fits);
    let begin = longest.map(|hash| (&probe.head[..hash.bytes as usize], hash));
    probe.head.len() < source.head.bytes as usize
        && begin.is_some_and(|(begin, hash)| !is_blank(begin) && Hash::of(begin) == *hash)
}

/// Whether a text ends with the one of this hash.
fn ends(text: &[u8], tail: &Hash) -> bool {
    let begin = text.len().checked_sub(tail.bytes as usize);
    begin.is_some_and(|begin| Hash::of(&text[begin..]) == *tail)
}

/// How many bytes of the line end belong to a line that was read before it had one.
fn line_end(before: &[u8], behind: &[u8]) -> u64 {
    match (before.last(), behind) {
        (Some(b'\n'), _) => 0,
        (_, [b'\n', ..]) => 1,
        (_, [b'\r', b'\n', ..]) => 2,
        _ => 0,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_was_not_read_to_its_end_is_read_on_although_the_disk_says_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        std::fs::write(&path, "one\ntwo\nthree\n").unwrap();
        let file = LogFile { name: "a.log".into(), path: Some(path), ..LogFile::default() };
        let stat = probe(&file).unwrap().stat;
        // Older programs wrote down the whole file's size and time behind each batch.
        let source = |read: u64, waiting| Source {
            head: Hash::of(&b"one\ntwo\nthree\n"[..read as usize]),
            read,
            waiting,
            stat,
            ..Source::default()
        };
        let known = |read, waiting| {
            let known = Known::new(vec![file.clone()], &[source(read, waiting)]);
            (known.unchanged, known.readings.iter().map(|reading| reading.file.part.begin).collect())
        };
        assert_eq!(known(8, 0), (0, vec![8]));
        assert_eq!(known(8, 6), (1, vec![]));
        assert_eq!(known(14, 0), (1, vec![]));
    }

    #[test]
    fn logs_that_begin_with_the_same_blanks_are_no_copies_of_one_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let probed = |text: &[u8]| {
            std::fs::write(&path, text).unwrap();
            probe(&LogFile { name: "a.log".into(), path: Some(path.clone()), ..LogFile::default() }).unwrap()
        };
        for blank in [b' ', 0] {
            let text = [&[blank; 300], &[b'x'; 5000][..]].concat();
            let beginnings = BEGINNINGS.iter().map(|&bytes| Hash::of(&text[..bytes])).collect();
            let source = Source { head: Hash::of(&text[..4096]), beginnings, ..Source::default() };
            assert!(!is_shorter(&probed(&[&[blank; 300], &b"other"[..]].concat()), &source));
            assert!(is_shorter(&probed(&text[..2000]), &source));
        }
    }
}
