//! Rows that memory has no room for, in a temporary file. Rows that may have to do with each other lie in one part, so that
//! a part can be looked at alone. The file has no name: however the program ends, nothing of it stays.
//! Knows nothing of what the rows are for.

mod read;
mod write;

use super::column::{Column, NULL, Texts};
use read::Reader;
use std::fs::File;
use std::hash::BuildHasher;
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
pub use write::Sorted;

/// Columns by name.
pub type Named = Vec<(&'static str, Column)>;

/// Rows in a temporary file, in parts. One file holds all parts, for a process may not have many open.
#[derive(Debug)]
pub struct Spill {
    parts: usize,
    kept: Mutex<Kept>,
}

/// The file: segments, each of them the number of its columns, then of each one the name, the bytes that it takes, and
/// those bytes.
#[derive(Debug)]
struct Kept {
    file: Option<Arc<File>>,
    end: u64,
    parts: Vec<Part>,
}

/// Where a part's segments are in the file, and how many rows they have.
#[derive(Debug, Clone, Default)]
struct Part {
    segments: Vec<Range<u64>>,
    rows: usize,
}

impl Spill {
    /// So many empty parts. The file comes with the first rows, in `$TMPDIR`, else in `/tmp`.
    pub fn new(parts: usize) -> Spill {
        let kept = Kept { file: None, end: 0, parts: vec![Part::default(); parts] };
        Spill { parts, kept: Mutex::new(kept) }
    }

    /// How many parts there are.
    pub fn parts(&self) -> usize {
        self.parts
    }

    /// How many rows there are in all parts.
    pub fn rows(&self) -> usize {
        self.kept().parts.iter().map(|part| part.rows).sum()
    }

    /// How many rows this part has.
    pub fn rows_of(&self, part: usize) -> usize {
        self.kept().parts[part].rows
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds these rows: those with the same text in the column `key` to the same part, or without a key all of them to the
    /// part of number `otherwise`.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn add(&self, columns: &Named, key: Option<&str>, otherwise: usize) -> io::Result<()> {
        self.write(&self.sorted(columns, key, otherwise))
    }

    /// The rows that [`Spill::add`] would add, ready to be [written](Spill::write).
    pub fn sorted(&self, columns: &Named, key: Option<&str>, otherwise: usize) -> Sorted {
        let rows = columns.first().map_or(0, |(_, column)| column.len());
        let key = columns.iter().find_map(|(name, column)| match column {
            Column::Text(texts) if Some(*name) == key => Some(texts),
            _ => None,
        });
        let parts = match key {
            Some(texts) => self.places(texts),
            None => vec![(otherwise % self.parts) as u16; rows],
        };
        let mut sorted = Sorted::new(&parts, self.parts);
        for (name, column) in columns {
            sorted.add(name, column, columns.len());
        }
        sorted
    }

    /// Adds rows that were sorted for it.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn write(&self, sorted: &Sorted) -> io::Result<()> {
        for (part, bytes) in sorted.segments.iter().enumerate().filter(|(_, bytes)| !bytes.is_empty()) {
            self.kept().add(part, bytes, sorted.rows(part).len())?;
        }
        Ok(())
    }

    /// The part of each row: by a hash of its text, which is the same in every thread.
    fn places(&self, texts: &Texts) -> Vec<u16> {
        let hasher = foldhash::fast::FixedState::default();
        let of_text = |text: &[u8]| (hasher.hash_one(text) % self.parts as u64) as u16;
        let by_code: Vec<u16> = texts.dictionary.texts().map(of_text).collect();
        texts.codes.iter().map(|&code| if code == NULL { 0 } else { by_code[code as usize] }).collect()
    }

    /// The columns of these names, and how many rows this part has.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn read(&self, part: usize, names: &[&'static str]) -> io::Result<(Named, usize)> {
        let mut columns: Named = Vec::new();
        let rows = self.read_behind(part, names, &mut columns)?;
        Ok((columns, rows))
    }

    /// The same behind the rows of other parts that these columns have; how many rows are added.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn read_behind(&self, part: usize, names: &[&'static str], columns: &mut Named) -> io::Result<usize> {
        let (Part { segments, rows }, file) = {
            let kept = self.kept();
            (kept.parts[part].clone(), kept.file.clone())
        };
        // Without a file there is no segment.
        let Some(file) = file else { return Ok(rows) };
        let mut bytes = Vec::new();
        for segment in segments {
            bytes.resize((segment.end - segment.start) as usize, 0);
            self.read_at(&file, segment.start, &mut bytes)?;
            Reader(&bytes).segment(names, columns)?;
        }
        Ok(rows)
    }

    /// Fills `bytes` with those of the file from this place on.
    #[cfg(unix)]
    fn read_at(&self, file: &File, from: u64, bytes: &mut [u8]) -> io::Result<()> {
        // Without moving the place in the file that all share: parts are read side by side.
        std::os::unix::fs::FileExt::read_exact_at(file, bytes, from)
    }

    /// The same where a file has no more than one place.
    #[cfg(not(unix))]
    fn read_at(&self, mut file: &File, from: u64, bytes: &mut [u8]) -> io::Result<()> {
        use std::io::{Read, Seek};
        let _alone = self.kept();
        file.seek(io::SeekFrom::Start(from))?;
        file.read_exact(bytes)
    }
}

impl Kept {
    /// Writes a segment behind all others.
    fn add(&mut self, part: usize, bytes: &[u8], rows: usize) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(Arc::new(tempfile::tempfile()?)),
        };
        let mut file: &File = file;
        file.seek(SeekFrom::Start(self.end))?;
        file.write_all(bytes)?;
        let begin = self.end;
        self.end += bytes.len() as u64;
        self.parts[part].segments.push(begin..self.end);
        self.parts[part].rows += rows;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn columns(from: u32, rows: u32) -> Named {
        let numbers = || from..from + rows;
        let mut texts = Texts::default();
        numbers().for_each(|n| texts.push((n % 7 != 0).then_some(format!("client {}", n % 50)).as_deref()));
        let text = Column::Text(texts);
        let mut methods = Texts::default();
        numbers().for_each(|n| methods.push((n % 5 > 0).then_some(["GET", "POST", "PUT"][n as usize % 3])));
        let double = numbers().map(|n| (n % 3 != 0).then_some(f64::from(n) / 3.0)).collect();
        let flag = numbers().map(|n| (n % 5 != 0).then_some(n % 2 == 0)).collect();
        let time = numbers().map(|n| Some(-i64::from(n))).collect();
        vec![
            ("client", text),
            ("method", Column::Text(methods)),
            ("process_time", Column::Double(double)),
            ("paired", Column::Boolean(flag)),
            ("timestamp", Column::Timestamp(time)),
        ]
    }

    fn shown(columns: &Named, row: usize) -> String {
        let cell = |column: &Column| match column {
            Column::Text(texts) => format!("{:?}", texts.get(row)),
            Column::Double(values) => format!("{:?}", values.get(row)),
            Column::Boolean(values) => format!("{:?}", values.get(row)),
            Column::Bigint(values) | Column::Timestamp(values) | Column::Date(values) => {
                format!("{:?}", values.get(row))
            }
        };
        columns.iter().map(|(name, column)| format!("{name} {} ", cell(column))).collect()
    }

    #[test]
    fn what_was_written_comes_back_and_clients_stay_together() {
        let spill = Spill::new(8);
        let written = [columns(0, 1000), columns(1000, 77), columns(1077, 640)];
        let mut expected: Vec<String> = Vec::new();
        for segment in &written {
            spill.add(segment, Some("client"), 0).unwrap();
            expected.extend((0..segment[0].1.len()).map(|row| shown(segment, row)));
        }
        let mut found = Vec::new();
        let mut clients = Vec::new();
        for part in 0..spill.parts() {
            let (columns, rows) = spill
                .read(part, &["timestamp", "client", "method", "paired", "process_time", "path"])
                .unwrap();
            found.extend((0..rows).map(|row| shown(&columns, row)));
            if let Some((_, Column::Text(texts))) = columns.first() {
                clients.extend(texts.dictionary.iter().map(str::to_owned));
            }
            let (one, _) = spill.read(part, &["paired"]).unwrap();
            assert!(one.len() <= 1);
        }
        assert_eq!(spill.rows(), expected.len());
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
        let all = clients.len();
        clients.sort();
        clients.dedup();
        assert_eq!(clients.len(), all, "a client lies in two parts");
    }

    #[test]
    fn without_a_key_rows_go_where_they_are_told() {
        let spill = Spill::new(3);
        spill.add(&columns(0, 10), None, 4).unwrap();
        assert_eq!([0, 1, 2].map(|part| spill.read(part, &["paired"]).unwrap().1), [0, 10, 0]);
    }
}
