//! The bytes of a segment become columns again. Knows nothing of files.

use super::super::column::{Bits, Column, NULL, Texts, Values};
use super::Named;
use std::io;

/// What was written, from its beginning.
pub struct Reader<'a>(pub &'a [u8]);

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

    /// Adds as many values as were written, each made of its number: the least, the width of the others' differences from it,
    /// these.
    fn numbers<T: Copy>(
        &mut self,
        count: usize,
        values: &mut Vec<T>,
        value: impl Fn(u64) -> T,
    ) -> io::Result<()> {
        let least = self.number()? as u64;
        let width = usize::from(self.byte()?);
        let bytes = self.take(count * width)?;
        let value = |difference: u64| value(least + difference);
        match width {
            0 => values.extend(std::iter::repeat_n(value(0), count)),
            1 => values.extend(bytes.iter().map(|&byte| value(byte.into()))),
            2 => values.extend(words(bytes).map(|word| value(u16::from_le_bytes(word).into()))),
            4 => values.extend(words(bytes).map(|word| value(u32::from_le_bytes(word).into()))),
            _ => values.extend(words(bytes).map(|word| value(u64::from_le_bytes(word)))),
        }
        Ok(())
    }

    /// One segment's columns of these names, behind those that are there.
    pub fn segment(&mut self, names: &[&'static str], columns: &mut Named) -> io::Result<()> {
        for _ in 0..self.number()? {
            let length = self.number()?;
            let name = self.take(length)?;
            let length = self.number()?;
            let mut bytes = Reader(self.take(length)?);
            let Some(&name) = names.iter().find(|known| known.as_bytes() == name) else { continue };
            let (rows, tag) = (bytes.number()?, bytes.byte()?);
            match columns.iter_mut().find(|(known, _)| *known == name) {
                Some((_, all)) => bytes.column(rows, all)?,
                None => {
                    let mut all = no_rows(tag);
                    bytes.column(rows, &mut all)?;
                    columns.push((name, all));
                }
            }
        }
        Ok(())
    }

    /// So many rows of a column behind those that it has.
    fn column(&mut self, rows: usize, all: &mut Column) -> io::Result<()> {
        match all {
            Column::Bigint(all) | Column::Timestamp(all) | Column::Date(all) => {
                self.values(rows, all, |bits| bits as i64)
            }
            Column::Double(all) => self.values(rows, all, f64::from_bits),
            Column::Boolean(all) => self.values(rows, all, |bits| bits != 0),
            Column::Text(all) => self.texts(rows, all),
        }
    }

    fn values<T: Copy + Default>(
        &mut self,
        rows: usize,
        all: &mut Values<T>,
        value: impl Fn(u64) -> T,
    ) -> io::Result<()> {
        self.numbers(rows, &mut all.values, value)?;
        let is_whole = self.byte()? == 1;
        let valid = if is_whole {
            Bits::ones(rows)
        } else {
            Bits::from_bytes(self.take(rows.div_ceil(64) * 8)?, rows)
        };
        all.valid.append(&valid);
        Ok(())
    }

    fn texts(&mut self, rows: usize, all: &mut Texts) -> io::Result<()> {
        // What was written for null, then for each text.
        let mut codes = vec![NULL];
        for _ in 0..self.number()? {
            let length = self.number()?;
            codes.push(all.dictionary.code(self.take(length)?));
        }
        self.numbers(rows, &mut all.codes, |code| codes.get(code as usize).copied().unwrap_or(NULL))
    }
}

/// A column of the type that is written as this tag.
fn no_rows(tag: u8) -> Column {
    match tag {
        0 => Column::Bigint(Values::default()),
        1 => Column::Timestamp(Values::default()),
        2 => Column::Date(Values::default()),
        3 => Column::Double(Values::default()),
        4 => Column::Boolean(Values::default()),
        _ => Column::Text(Texts::default()),
    }
}

fn words<const WIDTH: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; WIDTH]> {
    bytes.as_chunks().0.iter().copied()
}
