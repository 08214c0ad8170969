//! Rows that memory has no room for, in a temporary file. Rows that may have to do with each other lie in one part, so that
//! a part can be looked at alone. The file has no name: however the program ends, nothing of it stays.
//! Knows nothing of what the rows are for.

use super::column::{Bits, Column, NULL, Texts, Values};
use std::fs::File;
use std::hash::BuildHasher;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

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
    file: Option<File>,
    end: u64,
    parts: Vec<Part>,
}

/// Where a part's segments are in the file, and how many rows they have.
#[derive(Debug, Clone, Default)]
struct Part {
    segments: Vec<Range<u64>>,
    rows: usize,
}

/// The bytes of one part's rows before they are written.
struct Segment<'a> {
    rows: Vec<u32>,
    bytes: Vec<u8>,
    /// By the code that a text has, the one that it is written with; [`NULL`] between columns.
    new_codes: &'a mut Vec<u32>,
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
        let rows = columns.first().map_or(0, |(_, column)| column.len());
        let key = columns.iter().find_map(|(name, column)| match column {
            Column::Text(texts) if Some(*name) == key => Some(texts),
            _ => None,
        });
        let mut by_part: Vec<Vec<u32>> = vec![Vec::new(); self.parts];
        match key.map(|texts| self.places(texts)) {
            Some(places) => {
                by_part.iter_mut().for_each(|part| part.reserve(rows / self.parts * 5 / 4));
                (0..).zip(places).for_each(|(row, part)| by_part[part as usize].push(row));
            }
            None => by_part[otherwise % self.parts] = (0..rows as u32).collect(),
        }
        let mut new_codes = Vec::new();
        for (part, rows) in by_part.into_iter().enumerate().filter(|(_, rows)| !rows.is_empty()) {
            let segment = Segment::of(columns, rows, &mut new_codes);
            self.kept().add(part, &segment)?;
        }
        Ok(())
    }

    /// The part of each row: by a hash of its text, which is the same in every thread.
    fn places(&self, texts: &Texts) -> Vec<u16> {
        let hasher = foldhash::fast::FixedState::default();
        let of_text = |text: &str| (hasher.hash_one(text) % self.parts as u64) as u16;
        let by_code: Vec<u16> = texts.dictionary.iter().map(of_text).collect();
        texts.codes.iter().map(|&code| if code == NULL { 0 } else { by_code[code as usize] }).collect()
    }

    /// The columns of these names, and how many rows this part has.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn read(&self, part: usize, names: &[&'static str]) -> io::Result<(Named, usize)> {
        let Part { segments, rows } = self.kept().parts[part].clone();
        let mut bytes = Vec::new();
        let mut columns: Named = Vec::new();
        for segment in segments {
            self.kept().read(segment, &mut bytes)?;
            Reader(&bytes).segment(names, &mut columns)?;
        }
        Ok((columns, rows))
    }
}

impl Kept {
    /// Reads these bytes of the file in place of what was in `bytes`.
    fn read(&mut self, range: Range<u64>, bytes: &mut Vec<u8>) -> io::Result<()> {
        bytes.resize((range.end - range.start) as usize, 0);
        let Some(file) = &mut self.file else { return Ok(()) };
        file.seek(SeekFrom::Start(range.start))?;
        file.read_exact(bytes)
    }

    /// Writes a segment behind all others.
    fn add(&mut self, part: usize, segment: &Segment) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        file.seek(SeekFrom::Start(self.end))?;
        file.write_all(&segment.bytes)?;
        let begin = self.end;
        self.end += segment.bytes.len() as u64;
        self.parts[part].segments.push(begin..self.end);
        self.parts[part].rows += segment.rows.len();
        Ok(())
    }
}

impl<'a> Segment<'a> {
    fn of(columns: &Named, rows: Vec<u32>, new_codes: &'a mut Vec<u32>) -> Segment<'a> {
        let mut segment = Segment { rows, bytes: Vec::new(), new_codes };
        segment.number(columns.len() as u64);
        for (name, column) in columns {
            segment.number(name.len() as u64);
            segment.bytes.extend_from_slice(name.as_bytes());
            // How many bytes follow is known afterwards.
            let at = segment.bytes.len();
            segment.number(0);
            segment.column(column);
            let length = (segment.bytes.len() - at - 8) as u64;
            segment.bytes[at..at + 8].copy_from_slice(&length.to_le_bytes());
        }
        segment
    }

    fn number(&mut self, number: u64) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    fn column(&mut self, column: &Column) {
        self.number(self.rows.len() as u64);
        match column {
            Column::Bigint(values) => self.values(0, values, |value| value as u64),
            Column::Timestamp(values) => self.values(1, values, |value| value as u64),
            Column::Date(values) => self.values(2, values, |value| value as u64),
            Column::Double(values) => self.values(3, values, f64::to_bits),
            Column::Boolean(values) => self.values(4, values, u64::from),
            Column::Text(texts) => self.texts(texts),
        }
    }

    fn values<T: Copy + Default>(&mut self, tag: u8, values: &Values<T>, bits: impl Fn(T) -> u64) {
        self.bytes.push(tag);
        let rows = std::mem::take(&mut self.rows);
        self.numbers(rows.iter().map(|&row| bits(values.values[row as usize])));
        let valid = if values.valid.all() {
            None
        } else {
            let valid: Bits = rows.iter().map(|&row| values.valid.get(row as usize)).collect();
            Some(valid).filter(|valid| !valid.all())
        };
        self.bytes.push(u8::from(valid.is_none()));
        self.bytes.extend(valid.iter().flat_map(Bits::to_bytes));
        self.rows = rows;
    }

    /// The least of these numbers, how many bytes the difference of each from it takes, and the differences.
    fn numbers(&mut self, numbers: impl Iterator<Item = u64>) {
        // The bits of negative numbers are the greatest; around them nothing is saved.
        let numbers: Vec<u64> = numbers.collect();
        let least = numbers.iter().copied().min().unwrap_or(0);
        let most = numbers.iter().copied().max().unwrap_or(0) - least;
        let width = match most {
            0 => 0,
            1..=0xff => 1,
            0x100..=0xffff => 2,
            0x1_0000..=0xffff_ffff => 4,
            _ => 8,
        };
        self.number(least);
        self.bytes.push(width);
        let differences = numbers.iter().map(|number| number - least);
        match width {
            0 => {}
            1 => self.bytes.extend(differences.map(|difference| difference as u8)),
            2 => self.bytes.extend(differences.flat_map(|difference| (difference as u16).to_le_bytes())),
            4 => self.bytes.extend(differences.flat_map(|difference| (difference as u32).to_le_bytes())),
            _ => self.bytes.extend(differences.flat_map(u64::to_le_bytes)),
        }
    }

    /// The texts that these rows have, then a code a row.
    fn texts(&mut self, texts: &Texts) {
        self.bytes.push(5);
        let new_codes = &mut *self.new_codes;
        new_codes.resize(new_codes.len().max(texts.dictionary.len()), NULL);
        let mut used = Vec::new();
        let mut codes = Vec::with_capacity(self.rows.len());
        for &row in &self.rows {
            let code = texts.codes[row as usize];
            if code != NULL && new_codes[code as usize] == NULL {
                new_codes[code as usize] = used.len() as u32;
                used.push(code);
            }
            codes.push(if code == NULL { NULL } else { new_codes[code as usize] });
        }
        used.iter().for_each(|&code| new_codes[code as usize] = NULL);
        self.number(used.len() as u64);
        for code in used {
            let text = texts.dictionary.get(code);
            self.number(text.len() as u64);
            self.bytes.extend_from_slice(text.as_bytes());
        }
        // Null becomes 0.
        self.numbers(codes.iter().map(|&code| u64::from(code.wrapping_add(1))));
    }
}

/// What was written, from its beginning.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> io::Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> io::Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn number(&mut self) -> io::Result<usize> {
        let word = self.take(8)?.first_chunk().ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(u64::from_le_bytes(*word) as usize)
    }

    /// As [`Segment::numbers`] wrote them.
    fn numbers(&mut self, count: usize) -> io::Result<Vec<u64>> {
        let least = self.number()? as u64;
        let width = usize::from(self.byte()?);
        let bytes = self.take(count * width)?;
        Ok(match width {
            0 => vec![least; count],
            1 => bytes.iter().map(|&byte| least + u64::from(byte)).collect(),
            2 => words(bytes).map(|word| least + u64::from(u16::from_le_bytes(word))).collect(),
            4 => words(bytes).map(|word| least + u64::from(u32::from_le_bytes(word))).collect(),
            _ => words(bytes).map(|word| least + u64::from_le_bytes(word)).collect(),
        })
    }

    /// One segment's columns of these names, behind those that are there.
    fn segment(&mut self, names: &[&'static str], columns: &mut Named) -> io::Result<()> {
        for _ in 0..self.number()? {
            let length = self.number()?;
            let name = self.take(length)?;
            let length = self.number()?;
            let mut bytes = Reader(self.take(length)?);
            let Some(&name) = names.iter().find(|known| known.as_bytes() == name) else { continue };
            let column = bytes.column()?;
            match columns.iter_mut().find(|(known, _)| *known == name) {
                Some((_, all)) => all.append(&column),
                None => columns.push((name, column)),
            }
        }
        Ok(())
    }

    fn column(&mut self) -> io::Result<Column> {
        let rows = self.number()?;
        Ok(match self.byte()? {
            0 => Column::Bigint(self.values(rows, |bits| bits as i64)?),
            1 => Column::Timestamp(self.values(rows, |bits| bits as i64)?),
            2 => Column::Date(self.values(rows, |bits| bits as i64)?),
            3 => Column::Double(self.values(rows, f64::from_bits)?),
            4 => Column::Boolean(self.values(rows, |bits| bits != 0)?),
            _ => Column::Text(self.texts(rows)?),
        })
    }

    fn values<T: Copy + Default>(&mut self, rows: usize, value: impl Fn(u64) -> T) -> io::Result<Values<T>> {
        let values: Vec<T> = self.numbers(rows)?.into_iter().map(value).collect();
        if self.byte()? == 1 {
            return Ok(Values::all(values));
        }
        let bytes = self.take(rows.div_ceil(64) * 8)?;
        let valid = (0..rows).map(|row| bytes[row / 8] >> (row % 8) & 1 == 1).collect();
        Ok(Values { values, valid })
    }

    fn texts(&mut self, rows: usize) -> io::Result<Texts> {
        let mut texts = Texts::default();
        for _ in 0..self.number()? {
            let length = self.number()?;
            texts.dictionary.code(self.take(length)?);
        }
        texts.codes = self.numbers(rows)?.into_iter().map(|code| (code as u32).wrapping_sub(1)).collect();
        Ok(texts)
    }
}

fn words<const WIDTH: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; WIDTH]> {
    bytes.as_chunks().0.iter().copied()
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
        let double = numbers().map(|n| (n % 3 != 0).then_some(f64::from(n) / 3.0)).collect();
        let flag = numbers().map(|n| (n % 5 != 0).then_some(n % 2 == 0)).collect();
        let time = numbers().map(|n| Some(-i64::from(n))).collect();
        vec![
            ("client", text),
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
            let (columns, rows) =
                spill.read(part, &["timestamp", "client", "paired", "process_time", "path"]).unwrap();
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
