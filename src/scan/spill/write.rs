//! Columns become the bytes of parts' segments. Knows nothing of files.

use super::super::column::{Bits, Column, NULL, Texts, Values};
use std::ops::Range;

/// Rows sorted by their parts, column by column: each column is read once, and written in as many places as there are parts.
pub struct Sorted {
    /// Where each part's rows begin, and where the last one's end.
    starts: Vec<usize>,
    /// Where each row goes.
    places: Vec<u32>,
    /// The bytes of each part's segment.
    pub segments: Vec<Vec<u8>>,
    /// By the code that a text has, the one that it is written with; [`NULL`] between segments.
    new_codes: Vec<u32>,
}

impl Sorted {
    /// Rows of these parts, of which there are so many.
    pub fn new(parts: &[u16], count: usize) -> Sorted {
        let mut starts = vec![0; count + 1];
        parts.iter().for_each(|&part| starts[usize::from(part) + 1] += 1);
        for part in 0..count {
            starts[part + 1] += starts[part];
        }
        let mut next = starts.clone();
        let place = |&part: &u16| {
            let place = &mut next[usize::from(part)];
            *place += 1;
            (*place - 1) as u32
        };
        let places = parts.iter().map(place).collect();
        Sorted { starts, places, segments: vec![Vec::new(); count], new_codes: Vec::new() }
    }

    /// Where this part's rows are.
    pub fn rows(&self, part: usize) -> Range<usize> {
        self.starts[part]..self.starts[part + 1]
    }

    /// Adds one of so many columns.
    pub fn add(&mut self, name: &str, column: &Column, columns: usize) {
        match column {
            Column::Bigint(values) => self.values(name, columns, 0, values, |value| value as u64),
            Column::Timestamp(values) => self.values(name, columns, 1, values, |value| value as u64),
            Column::Date(values) => self.values(name, columns, 2, values, |value| value as u64),
            Column::Double(values) => self.values(name, columns, 3, values, f64::to_bits),
            Column::Boolean(values) => self.values(name, columns, 4, values, u64::from),
            Column::Text(texts) => {
                let codes = self.sorted(&texts.codes);
                let mut new_codes = std::mem::take(&mut self.new_codes);
                new_codes.resize(new_codes.len().max(texts.dictionary.len()), NULL);
                self.each(name, columns, 5, |bytes, rows| {
                    write_texts(&codes[rows], texts, &mut new_codes, bytes)
                });
                self.new_codes = new_codes;
            }
        }
    }

    fn values<T: Copy + Default>(
        &mut self,
        name: &str,
        columns: usize,
        tag: u8,
        values: &Values<T>,
        bits: impl Fn(T) -> u64,
    ) {
        let sorted = self.sorted(&values.values);
        let valid = (!values.valid.all()).then(|| self.sorted(&values.valid.iter().collect::<Vec<bool>>()));
        self.each(name, columns, tag, |bytes, rows| {
            write_numbers(&sorted[rows.clone()], &bits, bytes);
            let valid = valid.as_ref().map(|valid| Bits::of(&valid[rows])).filter(|valid| !valid.all());
            bytes.push(u8::from(valid.is_none()));
            bytes.extend(valid.iter().flat_map(Bits::to_bytes));
        });
    }

    /// A value for each row, sorted by their parts.
    fn sorted<T: Copy + Default>(&self, values: &[T]) -> Vec<T> {
        let mut sorted = vec![T::default(); values.len()];
        values.iter().zip(&self.places).for_each(|(&value, &place)| sorted[place as usize] = value);
        sorted
    }

    /// Adds a column to every part that has rows: what `write` says of its rows.
    fn each(
        &mut self,
        name: &str,
        columns: usize,
        tag: u8,
        mut write: impl FnMut(&mut Vec<u8>, Range<usize>),
    ) {
        for part in 0..self.segments.len() {
            let rows = self.rows(part);
            let bytes = &mut self.segments[part];
            if rows.is_empty() {
                continue;
            }
            if bytes.is_empty() {
                write_number(columns as u64, bytes);
            }
            write_number(name.len() as u64, bytes);
            bytes.extend_from_slice(name.as_bytes());
            // How many bytes follow is known afterwards.
            let at = bytes.len();
            write_number(0, bytes);
            write_number(rows.len() as u64, bytes);
            bytes.push(tag);
            write(bytes, rows);
            let length = (bytes.len() - at - 8) as u64;
            bytes[at..at + 8].copy_from_slice(&length.to_le_bytes());
        }
    }
}

fn write_number(number: u64, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&number.to_le_bytes());
}

/// The least of these numbers, how many bytes the difference of each from it takes, and the differences.
fn write_numbers<T: Copy>(values: &[T], bits: impl Fn(T) -> u64, bytes: &mut Vec<u8>) {
    // The bits of negative numbers are the greatest; around them nothing is saved.
    let numbers = || values.iter().map(|&value| bits(value));
    let (least, greatest) =
        numbers().fold((u64::MAX, 0), |(least, greatest), number| (number.min(least), number.max(greatest)));
    let least = least.min(greatest);
    let width = match greatest - least {
        0 => 0,
        1..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xffff_ffff => 4,
        _ => 8,
    };
    write_number(least, bytes);
    bytes.push(width);
    let differences = numbers().map(|number| number - least);
    match width {
        0 => {}
        1 => bytes.extend(differences.map(|difference| difference as u8)),
        2 => write_words(differences.map(|difference| (difference as u16).to_le_bytes()), bytes),
        4 => write_words(differences.map(|difference| (difference as u32).to_le_bytes()), bytes),
        _ => write_words(differences.map(u64::to_le_bytes), bytes),
    }
}

fn write_words<const WIDTH: usize>(words: impl ExactSizeIterator<Item = [u8; WIDTH]>, bytes: &mut Vec<u8>) {
    let begin = bytes.len();
    bytes.resize(begin + words.len() * WIDTH, 0);
    let (places, _) = bytes[begin..].as_chunks_mut();
    places.iter_mut().zip(words).for_each(|(place, word)| *place = word);
}

/// The texts that these codes have, then a code a row.
fn write_texts(codes: &[u32], texts: &Texts, new_codes: &mut [u32], bytes: &mut Vec<u8>) {
    let mut used = Vec::new();
    let new_code = |&code: &u32| {
        if code == NULL {
            return NULL;
        }
        let new = &mut new_codes[code as usize];
        if *new == NULL {
            *new = used.len() as u32;
            used.push(code);
        }
        *new
    };
    let codes: Vec<u32> = codes.iter().map(new_code).collect();
    used.iter().for_each(|&code| new_codes[code as usize] = NULL);
    write_number(used.len() as u64, bytes);
    for code in used {
        let text = texts.dictionary.text(code);
        write_number(text.len() as u64, bytes);
        bytes.extend_from_slice(text);
    }
    // Null becomes 0.
    write_numbers(&codes, |code| u64::from(code.wrapping_add(1)), bytes);
}
