//! The same data in two files: rotated from one name to the next, or compressed into a copy.
//! Knows nothing of names, dates and lines, except that a blank beginning proves nothing.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    io::Read,
};

use super::{
    LogFile,
    decompress::{self, Steps},
    source::fill,
};
use crate::error::Error;

/// Two files that differ in their first bytes are not opened again.
const HEAD_BYTES: usize = 4 << 10;
const HEAD_STEPS: Steps = Steps { compressed: 8 << 10, text: HEAD_BYTES };
const STEPS: Steps = Steps { compressed: 128 << 10, text: 64 << 10 };

/// The files without those that hold nothing but what an other one holds, with a note for each that is left out.
///
/// Of two equal files the later one is left out; of a file and its beginning, of at least 4 KiB, the beginning.
/// Fails where a file cannot be opened. Streams, which can be read only once, are kept as they are.
pub(super) fn without_copies(files: Vec<LogFile>, notes: &mut Vec<String>) -> Result<Vec<LogFile>, Error> {
    let mut kept = vec![true; files.len()];
    let mut alike: HashMap<u64, Vec<usize>> = HashMap::new();
    for (index, file) in files.iter().enumerate() {
        let Some(head) = head(file)? else { continue };
        let others = alike.entry(head).or_default();
        for &other in others.iter() {
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
        others.push(index);
        others.retain(|&other| kept[other]);
    }
    Ok(files.into_iter().zip(kept).filter_map(|(file, kept)| kept.then_some(file)).collect())
}

fn beginning(short: &LogFile, long: &LogFile) -> String {
    format!("'{}' is the beginning of '{}': only the longer one is read", short.name, long.name)
}

/// A hash of a file's first bytes; `None` where they can't show that it is a copy.
fn head(file: &LogFile) -> Result<Option<u64>, Error> {
    if file.bytes.is_none() {
        return Ok(None);
    }
    let mut text = decompress::open(file.path.as_deref(), 0, HEAD_STEPS)
        .map_err(|source| Error::Read { path: file.name.clone(), source })?;
    let mut head = [0; HEAD_BYTES];
    let (count, end) = fill(&mut text.reader, &mut head);
    let head = &head[..count];
    let blank = head.split(|&byte| byte == b'\n').next().is_none_or(|line| line.trim_ascii().is_empty());
    if blank || matches!(end, Some(Err(_))) {
        return Ok(None);
    }
    let mut hasher = DefaultHasher::new();
    head.hash(&mut hasher);
    Ok(Some(hasher.finish()))
}

#[derive(Debug, PartialEq, Eq)]
enum Relation {
    Different,
    Same,
    FirstBeginsSecond,
    SecondBeginsFirst,
}

/// Compares two files to their ends. A file that can't be read is different: reading it will say why.
fn relation(first: &LogFile, second: &LogFile) -> Relation {
    let opened = [first, second].map(|file| decompress::open(file.path.as_deref(), 0, STEPS));
    let [Ok(mut first), Ok(mut second)] = opened else { return Relation::Different };
    compare(&mut first.reader, &mut second.reader)
}

fn compare(first: &mut impl Read, second: &mut impl Read) -> Relation {
    let mut buffers = [vec![0; STEPS.text], vec![0; STEPS.text]];
    let (mut common, mut last) = (0, None);
    loop {
        let [one, two] = &mut buffers;
        let (n, end_one) = fill(first, one);
        let (m, end_two) = fill(second, two);
        let both = n.min(m);
        let failed = [&end_one, &end_two].iter().any(|end| matches!(end, Some(Err(_))));
        if failed || one[..both] != two[..both] {
            return Relation::Different;
        }
        common += both;
        last = one[..both].last().copied().or(last);
        let whole_lines = common >= HEAD_BYTES && last == Some(b'\n');
        match n.cmp(&m) {
            std::cmp::Ordering::Equal if end_one.is_some() => return Relation::Same,
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Less if whole_lines => return Relation::FirstBeginsSecond,
            std::cmp::Ordering::Greater if whole_lines => return Relation::SecondBeginsFirst,
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
        let kept = without_copies(files, &mut notes).unwrap();
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
            [&text, &text[..30_001]],
            [&lines(10), &lines(20)],
            [torn, torn],
            [b"", b""],
            [b" \r\nx\n", b" \r\nx\n"],
        ] {
            let (kept, notes) = kept(&[("a", pair[0]), ("b", pair[1])]);
            assert_eq!((kept.len(), notes.len()), (2, 0), "{:?}", &pair[0][..pair[0].len().min(9)]);
        }
        let (kept, _) = kept(&[("a", &lines(10)), ("b", &lines(10))]);
        assert_eq!(kept, ["a"]);
    }

    #[test]
    fn a_file_that_is_gone_is_an_error() {
        let gone = LogFile {
            name: "gone.log".to_owned(),
            path: Some("/nowhere/gone.log".into()),
            bytes: Some(1),
            ..LogFile::default()
        };
        let error = without_copies(vec![gone], &mut Vec::new()).unwrap_err();
        assert!(matches!(error, Error::Read { path, .. } if path == "gone.log"));
    }
}
