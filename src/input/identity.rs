//! The same data in two files: rotated from one name to the next, or compressed into a copy.
//! Knows nothing of names, dates and lines, except that a blank beginning proves nothing.

use std::{
    cmp::Ordering,
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    io::Read,
};

use super::{LogFile, decompress::Steps, source::fill};
use crate::error::Error;

/// Two files that differ in their first line, as far as it is among so many bytes, are not opened again.
const HEAD_BYTES: usize = 4 << 10;
const HEAD_STEPS: Steps = Steps { compressed: 8 << 10, text: HEAD_BYTES };
const STEPS: Steps = Steps { compressed: 128 << 10, text: 64 << 10 };
/// How much of each file's beginning is kept meanwhile.
const KEPT_BYTES: usize = 1 << 10;

/// The files without those that hold nothing but what an other one holds, with a note for each that is left out.
///
/// Of two equal files the later one is left out; of a file and its beginning, of at least a line, the beginning: a copy that
/// is being made, or that was cut off. Files that cannot be opened go to `unreadable`, and are kept, as are streams, which can
/// be read only once.
pub(super) fn without_copies(
    files: Vec<LogFile>,
    notes: &mut Vec<String>,
    unreadable: &mut Vec<Error>,
) -> Vec<LogFile> {
    let mut kept = vec![true; files.len()];
    let mut alike: HashMap<u64, Vec<(usize, Beginning)>> = HashMap::new();
    for (index, file) in files.iter().enumerate() {
        let (line, beginning_of_file) = match head(file) {
            Ok(Some(head)) => head,
            Ok(None) => continue,
            Err(error) => {
                unreadable.push(error);
                continue;
            }
        };
        let others = alike.entry(line).or_default();
        for &(other, ref beginning_of_other) in others.iter() {
            // Most differ soon, and need not be opened for that.
            if beginning_of_other.differs(&beginning_of_file) {
                continue;
            }
            match relation(&files[other], file) {
                Relation::Different => continue,
                Relation::Same => {
                    kept[index] = false;
                    notes.push(format!(
                        "'{}' holds the same data as '{}': read once",
                        file.name, files[other].name
                    ));
                }
                Relation::SecondBeginsFirst => {
                    kept[index] = false;
                    notes.push(beginning(file, &files[other]));
                }
                Relation::FirstBeginsSecond => {
                    kept[other] = false;
                    notes.push(beginning(&files[other], file));
                }
            }
            if !kept[index] {
                break;
            }
        }
        others.push((index, beginning_of_file));
        others.retain(|(other, _)| kept[*other]);
    }
    files.into_iter().zip(kept).filter_map(|(file, kept)| kept.then_some(file)).collect()
}

fn beginning(short: &LogFile, long: &LogFile) -> String {
    format!("'{}' is the beginning of '{}': only the longer one is read", short.name, long.name)
}

/// Whether there is nothing in a text by which its file could be known.
pub fn is_blank(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0)
}

/// What a file begins with.
#[derive(Default)]
struct Beginning {
    text: Vec<u8>,
    /// A hash of [`HEAD_BYTES`], if there are as many.
    hash: Option<u64>,
}

impl Beginning {
    /// Whether neither file can be the beginning of the other.
    fn differs(&self, other: &Beginning) -> bool {
        self.text.iter().zip(&other.text).any(|(one, other)| one != other)
            || self.hash.zip(other.hash).is_some_and(|(one, other)| one != other)
    }
}

fn hash(text: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// A hash of a file's first line that is not blank, and what it begins with; `None` where that can't show that it is a copy.
fn head(file: &LogFile) -> Result<Option<(u64, Beginning)>, Error> {
    if file.bytes.is_none() {
        return Ok(None);
    }
    let mut text =
        file.open(0, HEAD_STEPS).map_err(|source| Error::Read { path: file.name.clone(), source })?;
    let mut head = [0; HEAD_BYTES];
    let (count, end) = fill(&mut text.reader, &mut head);
    let head = &head[..count];
    let Some(begin) = head.iter().position(|byte| !is_blank(&[*byte])) else {
        // More of the same proves as little, but what comes behind may.
        return Ok((count == HEAD_BYTES).then(|| (0, Beginning::default())));
    };
    let line = head[begin..].split(|&byte| byte == b'\n').next().unwrap_or_default();
    let broken = matches!(end, Some(Err(_))) && begin + line.len() == count;
    if broken {
        return Ok(None);
    }
    let text = head[..count.min(KEPT_BYTES)].to_vec();
    Ok(Some((hash(line), Beginning { text, hash: (count == HEAD_BYTES).then(|| hash(head)) })))
}

#[derive(Debug, PartialEq, Eq)]
enum Relation {
    Different,
    Same,
    FirstBeginsSecond,
    SecondBeginsFirst,
}

/// Compares two files to their ends. Files that can't both be read that far are different, and reading them will say why; but
/// one that breaks off, as a compressed copy does while it is being made, is a beginning.
fn relation(first: &LogFile, second: &LogFile) -> Relation {
    let opened = [first, second].map(|file| file.open(0, STEPS));
    let [Ok(mut first), Ok(mut second)] = opened else { return Relation::Different };
    compare(&mut first.reader, &mut second.reader)
}

fn compare(first: &mut impl Read, second: &mut impl Read) -> Relation {
    let mut buffers = [vec![0; STEPS.text], vec![0; STEPS.text]];
    let mut whole_lines = false;
    loop {
        let [one, two] = &mut buffers;
        let (n, end_one) = fill(first, one);
        let (m, end_two) = fill(second, two);
        let both = n.min(m);
        if one[..both] != two[..both] {
            return Relation::Different;
        }
        whole_lines |= one[..both].contains(&b'\n');
        let torn = [&end_one, &end_two].map(|end| matches!(end, Some(Err(_))));
        match (torn, n.cmp(&m)) {
            ([false, false], Ordering::Equal) if end_one.is_some() => return Relation::Same,
            ([false, false], Ordering::Equal) => {}
            ([_, false], Ordering::Less) | ([true, false], Ordering::Equal) if whole_lines => {
                return Relation::FirstBeginsSecond;
            }
            ([false, _], Ordering::Greater) | ([false, true], Ordering::Equal) if whole_lines => {
                return Relation::SecondBeginsFirst;
            }
            _ => return Relation::Different,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::{fs, io::Write, path::Path};

    use super::*;

    /// What is kept of files with these contents, in this order, and the notes.
    fn kept(contents: &[(&str, &[u8])]) -> (Vec<String>, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let files = contents.iter().map(|(name, bytes)| file(dir.path(), name, bytes)).collect();
        let mut notes = Vec::new();
        let kept = without_copies(files, &mut notes, &mut Vec::new());
        (kept.into_iter().map(|file| file.name).collect(), notes)
    }

    fn file(dir: &Path, name: &str, bytes: &[u8]) -> LogFile {
        let path = dir.join(name);
        fs::write(&path, bytes).unwrap();
        LogFile {
            name: name.to_owned(),
            path: Some(path),
            bytes: Some(bytes.len() as u64),
            ..LogFile::default()
        }
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn lines(count: usize) -> Vec<u8> {
        (0..count).flat_map(|number| format!("line {number}\n").into_bytes()).collect()
    }

    #[test]
    fn a_compressed_copy_is_left_out() {
        let text = lines(50_000);
        let (kept, notes) = kept(&[("x.log.2.gz", &gzip(&text)), ("y.log", b"other\n"), ("x.log.1", &text)]);
        assert_eq!(kept, ["x.log.2.gz", "y.log"]);
        assert_eq!(notes, ["'x.log.1' holds the same data as 'x.log.2.gz': read once"]);
    }

    #[test]
    fn a_blank_line_at_the_beginning_hides_no_copy() {
        for blank in ["\n", " \r\n\n", "\0\0\n", &"\0".repeat(10_000)] {
            let text = [blank.as_bytes(), &lines(10)].concat();
            let (kept, notes) =
                kept(&[("x.log", &text), ("x.log.1.gz", &gzip(&text)), ("y.log", &lines(10))]);
            assert_eq!((kept, notes.len()), (vec!["x.log".to_owned(), "y.log".to_owned()], 1), "{blank:?}");
        }
    }

    #[test]
    fn a_beginning_is_left_out_whichever_comes_first() {
        let (long, short) = (lines(50_000), lines(20_000));
        let note = "'short' is the beginning of 'long': only the longer one is read";
        for order in [[("short", &short[..]), ("long", &long)], [("long", &long), ("short", &short)]] {
            assert_eq!(kept(&order), (vec!["long".to_owned()], vec![note.to_owned()]));
        }
        let all = kept(&[("short", &short), ("shorter", &lines(1000)), ("long", &gzip(&long))]);
        assert_eq!((all.0, all.1.len()), (vec!["long".to_owned()], 2));
    }

    #[test]
    fn likeness_alone_proves_nothing() {
        let text = lines(50_000);
        let mut other_end = text.clone();
        *other_end.last_mut().unwrap() = b'x';
        let torn = gzip(&text);
        let torn = &torn[..torn.len() / 2];
        for pair in [
            [&text[..], &other_end],
            [&text, &[&lines(10), &b"line x"[..]].concat()],
            [&lines(20), b"line 0"],
            [torn, torn],
            [b"", b""],
            [b" \r\n\n", b" \r\n\n"],
            [b"\0\0\n", b"\0\0\n"],
        ] {
            let (kept, notes) = kept(&[("a", pair[0]), ("b", pair[1])]);
            assert_eq!((kept.len(), notes.len()), (2, 0), "{:?}", &pair[0][..pair[0].len().min(9)]);
        }
        let (kept, _) = kept(&[("a", &lines(10)), ("b", &lines(10))]);
        assert_eq!(kept, ["a"]);
    }

    #[test]
    fn a_copy_that_is_being_made_is_left_out() {
        let text = lines(50_000);
        let torn = gzip(&text);
        let (torn, few) = (&torn[..torn.len() / 2], lines(9));
        for (whole, part) in [(&text, torn), (&text, &text[..30_001]), (&text, &few), (&few, &few[..10])] {
            for order in [[("part", part), ("whole", whole)], [("whole", whole), ("part", part)]] {
                let (kept, notes) = kept(&order);
                assert_eq!((kept, notes.len()), (vec!["whole".to_owned()], 1), "{}", part.len());
            }
        }
    }

    #[test]
    fn of_many_alike_each_is_compared_with_its_copies_only() {
        // With each other's texts this would be half a million openings of two files.
        let long = "x".repeat(4000);
        let text = |number: usize| format!("alike\n{number} {}\n", &long[..number % 3]).into_bytes();
        let long_text = |number: usize| format!("alike\n{long}{number}\n{long}").into_bytes();
        let texts: Vec<Vec<u8>> = (0..500).map(text).chain((0..500).map(long_text)).collect();
        let names: Vec<String> = (0..1002).map(|number| format!("{number}.log")).collect();
        let mut contents: Vec<(&str, &[u8])> =
            names.iter().zip(&texts).map(|(name, text)| (name.as_str(), text.as_slice())).collect();
        contents.push((&names[1000], &texts[7]));
        contents.push((&names[1001], b"alike\n"));
        let (kept, notes) = kept(&contents);
        assert_eq!((kept.len(), notes.len()), (1000, 2), "{notes:?}");
    }

    #[test]
    fn a_file_that_is_gone_keeps_no_other_from_being_read() {
        let gone = LogFile {
            name: "gone.log".to_owned(),
            path: Some("/nowhere/gone.log".into()),
            bytes: Some(1),
            ..LogFile::default()
        };
        let mut unreadable = Vec::new();
        assert_eq!(without_copies(vec![gone.clone()], &mut Vec::new(), &mut unreadable), [gone]);
        assert!(matches!(unreadable.as_slice(), [Error::Read { path, .. }] if path == "gone.log"));
    }
}
