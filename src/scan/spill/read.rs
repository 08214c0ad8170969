//! The bytes of a segment become columns again. Knows nothing of files.

use super::super::column::{Bits, Column, Texts, Values};
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

    /// As they were written: the least, the width of the others' differences from it, these.
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
    pub fn segment(&mut self, names: &[&'static str], columns: &mut Named) -> io::Result<()> {
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
        let valid = Bits::from_bytes(self.take(rows.div_ceil(64) * 8)?, rows);
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
