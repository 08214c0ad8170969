//! Rows as threads read them, with texts as codes of their own, and how they become columns.
//! Knows nothing of lines, nor of who reads which chunk.

use super::column::{Column, Dictionary, NULL, Texts, Values};
use crate::schema::Type;
use rayon::prelude::*;
use std::ops::Range;

/// The values of one column; texts are codes into a thread's dictionary of that column.
#[derive(Debug)]
pub enum Cells {
    Bigint(Values<i64>),
    Double(Values<f64>),
    Boolean(Values<bool>),
    Timestamp(Values<i64>),
    Text(Vec<u32>),
}

impl Cells {
    fn new(kind: Type, room: usize) -> Cells {
        match kind {
            Type::Bigint => Cells::Bigint(Values::with_capacity(room)),
            Type::Double => Cells::Double(Values::with_capacity(room)),
            Type::Boolean => Cells::Boolean(Values::with_capacity(room)),
            Type::Timestamp | Type::Date => Cells::Timestamp(Values::with_capacity(room)),
            Type::Text | Type::Json | Type::Url | Type::Session => Cells::Text(Vec::with_capacity(room)),
        }
    }

    /// About how many bytes a value takes.
    fn width(&self) -> usize {
        match self {
            Cells::Bigint(_) | Cells::Double(_) | Cells::Timestamp(_) => 8,
            Cells::Boolean(_) => 1,
            Cells::Text(_) => 4,
        }
    }

    fn reserve(&mut self, rows: usize) {
        match self {
            Cells::Bigint(values) | Cells::Timestamp(values) => values.reserve_exact(rows),
            Cells::Double(values) => values.reserve_exact(rows),
            Cells::Boolean(values) => values.reserve_exact(rows),
            Cells::Text(codes) => codes.reserve_exact(rows),
        }
    }

    fn append(&mut self, more: &Cells) {
        match (self, more) {
            (Cells::Bigint(all), Cells::Bigint(values)) => all.append(values),
            (Cells::Timestamp(all), Cells::Timestamp(values)) => all.append(values),
            (Cells::Double(all), Cells::Double(values)) => all.append(values),
            (Cells::Boolean(all), Cells::Boolean(values)) => all.append(values),
            (Cells::Text(all), Cells::Text(codes)) => all.extend_from_slice(codes),
            _ => unreachable!("every chunk has the same columns"),
        }
    }

    fn slice(&self, rows: Range<usize>) -> Cells {
        match self {
            Cells::Bigint(values) => Cells::Bigint(values.slice(rows)),
            Cells::Timestamp(values) => Cells::Timestamp(values.slice(rows)),
            Cells::Double(values) => Cells::Double(values.slice(rows)),
            Cells::Boolean(values) => Cells::Boolean(values.slice(rows)),
            Cells::Text(codes) => Cells::Text(codes[rows].to_vec()),
        }
    }
}

/// Rows that one thread read.
#[derive(Debug, Default)]
pub struct Rows {
    /// The columns.
    pub cells: Vec<Cells>,
    /// How many rows there are.
    pub count: usize,
}

impl Rows {
    /// No rows of columns of these types, with room for so many.
    pub fn new(kinds: impl Iterator<Item = Type>, room: usize) -> Rows {
        Rows { cells: kinds.map(|kind| Cells::new(kind, room)).collect(), count: 0 }
    }

    /// About how many bytes a row takes.
    fn width(&self) -> usize {
        self.cells.iter().map(Cells::width).sum()
    }
}

/// What rows that stand together have in common.
#[derive(Debug, Clone, Copy)]
pub struct Piece {
    /// The number of the file that they are from.
    pub file: usize,
    /// The thread that read them, whose dictionaries they use.
    pub thread: usize,
}

/// For how many rows at most there is room at first, an eighth of it: 32 MiB a column.
const MOST_AT_FIRST: usize = 1 << 19;

/// Rows of several chunks, one behind the other.
#[derive(Debug, Default)]
pub struct Together {
    rows: Rows,
    /// For how many rows there is room.
    room: usize,
    /// What they are made of, each with its number of rows.
    pieces: Vec<(Piece, usize)>,
}

impl Together {
    /// No rows of columns of these types.
    pub fn new(kinds: impl Iterator<Item = Type>) -> Together {
        Together { rows: Rows::new(kinds, 0), room: 0, pieces: Vec::new() }
    }

    /// About how many bytes the rows take, without their dictionaries.
    pub fn bytes(&self) -> usize {
        self.rows.width() * self.rows.count
    }

    /// About how many bytes a row takes.
    pub fn width(&self) -> usize {
        self.rows.width()
    }

    /// Adds rows behind the others. Where that needs more room, there is as much as so many rows will need in all, if they are
    /// not absurdly many: columns that grow step by step are copied again and again.
    pub fn add(&mut self, piece: Piece, more: &Rows, expected: usize) {
        let count = self.rows.count + more.count;
        if count > self.room {
            let expected = expected.min(8 * count.max(MOST_AT_FIRST));
            self.room = count.max(expected).max(self.rows.count / 2 * 3);
            self.rows.cells.iter_mut().for_each(|cells| cells.reserve(self.room - self.rows.count));
        }
        self.rows.cells.iter_mut().zip(&more.cells).for_each(|(all, cells)| all.append(cells));
        self.rows.count = count;
        self.pieces.push((piece, more.count));
    }

    /// No rows of the same columns.
    pub fn without_rows(&self) -> Together {
        let cells = self.rows.cells.iter().map(|cells| cells.slice(0..0)).collect();
        Together { rows: Rows { cells, count: 0 }, ..Together::default() }
    }

    /// Pieces of one thread, from this one on, at least one, until they take so many bytes. `from` is then where it goes on: a
    /// piece, and its first row.
    pub fn next_of(&self, thread: usize, from: &mut (usize, usize), bytes: usize) -> Together {
        let mut found = self.without_rows();
        for &(piece, count) in &self.pieces[from.0.min(self.pieces.len())..] {
            if piece.thread == thread {
                if found.takes(bytes) {
                    break;
                }
                let rows = from.1..from.1 + count;
                let cells = self.rows.cells.iter().map(|cells| cells.slice(rows.clone())).collect();
                found.add(piece, &Rows { cells, count }, 0);
            }
            *from = (from.0 + 1, from.1 + count);
        }
        found
    }

    /// Whether there are pieces, and they take so many bytes.
    pub fn takes(&self, bytes: usize) -> bool {
        !self.pieces.is_empty() && self.bytes() >= bytes
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.count == 0
    }

    /// How many pieces there are.
    pub fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// The number of each row's file.
    pub fn files(&self) -> Vec<i64> {
        self.pieces.iter().flat_map(|(piece, rows)| std::iter::repeat_n(piece.file as i64, *rows)).collect()
    }

    /// The columns of rows that one thread read, which has these dictionaries.
    pub fn into_columns_of_one(mut self, dictionaries: Vec<Dictionary>) -> Vec<Column> {
        self.pieces.iter_mut().for_each(|(piece, _)| piece.thread = 0);
        self.into_columns(vec![dictionaries])
    }

    /// The columns, with the dictionaries of each thread.
    pub fn into_columns(self, threads: Vec<Vec<Dictionary>>) -> Vec<Column> {
        let Together { rows, pieces, .. } = self;
        let mut dictionaries: Vec<Vec<Dictionary>> = rows.cells.iter().map(|_| Vec::new()).collect();
        for thread in threads {
            dictionaries.iter_mut().zip(thread).for_each(|(column, dictionary)| column.push(dictionary));
        }
        let column = |(cells, dictionaries)| match cells {
            Cells::Bigint(values) => Column::Bigint(values),
            Cells::Timestamp(values) => Column::Timestamp(values),
            Cells::Double(values) => Column::Double(values),
            Cells::Boolean(values) => Column::Boolean(values),
            Cells::Text(codes) => Column::Text(texts(codes, &pieces, dictionaries)),
        };
        rows.cells.into_par_iter().zip(dictionaries).map(column).collect()
    }
}

/// Texts with one dictionary in place of each thread's. The first thread's codes stay what they are.
fn texts(mut codes: Vec<u32>, pieces: &[(Piece, usize)], dictionaries: Vec<Dictionary>) -> Texts {
    let mut dictionaries = dictionaries.into_iter();
    let mut dictionary = dictionaries.next().unwrap_or_default();
    let new_codes: Vec<Vec<u32>> =
        dictionaries.map(|other| other.texts().map(|text| dictionary.code(text)).collect()).collect();
    let mut rest = codes.as_mut_slice();
    for (piece, rows) in pieces {
        let (codes, behind) = rest.split_at_mut(*rows);
        rest = behind;
        if piece.thread > 0 {
            let new = &new_codes[piece.thread - 1];
            codes.iter_mut().filter(|code| **code != NULL).for_each(|code| *code = new[*code as usize]);
        }
    }
    Texts { codes, dictionary }
}
