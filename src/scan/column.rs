//! Columns as the scanner builds them: plain vectors with a bit a row for null, text as codes into a dictionary.
//! Knows neither JSON nor DataFrames.

use hashbrown::{HashTable, hash_table::Entry};
use std::cmp::Ordering;
use std::hash::BuildHasher;
use std::ops::Range;

/// A bit a row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bits {
    words: Vec<u64>,
    len: usize,
}

impl Bits {
    /// No bits, with room for so many.
    pub fn with_capacity(bits: usize) -> Self {
        Bits { words: Vec::with_capacity(bits.div_ceil(64)), len: 0 }
    }

    /// Adds a bit.
    #[inline]
    pub fn push(&mut self, bit: bool) {
        if self.len.is_multiple_of(64) {
            self.words.push(0);
        }
        if let Some(word) = self.words.last_mut() {
            *word |= u64::from(bit) << (self.len % 64);
        }
        self.len += 1;
    }

    /// The bit of this row.
    #[inline]
    pub fn get(&self, row: usize) -> bool {
        self.words[row / 64] >> (row % 64) & 1 == 1
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All bits in order.
    pub fn iter(&self) -> impl Iterator<Item = bool> + '_ {
        (0..self.len).map(|row| self.get(row))
    }

    /// Whether every bit is set.
    pub fn all(&self) -> bool {
        self.words.iter().map(|word| word.count_ones() as usize).sum::<usize>() == self.len
    }

    /// Eight rows a byte, the first in the lowest bit.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Adds the rows of another.
    pub fn append(&mut self, other: &Bits) {
        let shift = self.len % 64;
        self.len += other.len;
        if shift == 0 {
            self.words.extend_from_slice(&other.words);
            return;
        }
        // The bits behind the last are never set.
        for &word in &other.words {
            if let Some(last) = self.words.last_mut() {
                *last |= word << shift;
            }
            self.words.push(word >> (64 - shift));
        }
        self.words.truncate(self.len.div_ceil(64));
    }

    /// A bit for each of these.
    pub fn of(bits: &[bool]) -> Bits {
        // Eight at a time: the product brings the lowest bit of each byte into the highest byte.
        let byte = |eight: &[bool; 8]| {
            let bytes = u64::from_le_bytes(eight.map(u8::from));
            (bytes.wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8
        };
        let (words, rest) = bits.as_chunks::<64>();
        let word = |bits: &[bool; 64]| {
            let (bytes, _) = bits.as_chunks::<8>();
            u64::from_le_bytes(std::array::from_fn(|at| byte(&bytes[at])))
        };
        let mut all = Bits { words: words.iter().map(word).collect(), len: words.len() * 64 };
        rest.iter().for_each(|&bit| all.push(bit));
        all
    }

    /// So many bits, all set.
    pub fn ones(len: usize) -> Bits {
        let mut words = vec![u64::MAX; len.div_ceil(64)];
        if let (Some(last), 1..) = (words.last_mut(), len % 64) {
            *last = (1 << (len % 64)) - 1;
        }
        Bits { words, len }
    }
}

impl FromIterator<bool> for Bits {
    fn from_iter<I: IntoIterator<Item = bool>>(bits: I) -> Self {
        let mut bits = bits.into_iter();
        let mut out = Bits::with_capacity(bits.size_hint().0);
        loop {
            let (mut word, mut count) = (0, 0);
            for bit in bits.by_ref().take(64) {
                word |= u64::from(bit) << count;
                count += 1;
            }
            if count > 0 {
                out.words.push(word);
                out.len += count;
            }
            if count < 64 {
                return out;
            }
        }
    }
}

/// Values of one type, null where the bit is not set (the value is then the type's default).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Values<T> {
    /// A value a row.
    pub values: Vec<T>,
    /// A bit a row: whether it has a value.
    pub valid: Bits,
}

impl<T: Copy + Default> Values<T> {
    /// No values, with room for so many.
    pub fn with_capacity(rows: usize) -> Self {
        Values { values: Vec::with_capacity(rows), valid: Bits::with_capacity(rows) }
    }

    /// These values, none of them null.
    pub fn all(values: Vec<T>) -> Self {
        Values { valid: Bits::ones(values.len()), values }
    }

    /// Adds a row.
    #[inline]
    pub fn push(&mut self, value: Option<T>) {
        self.values.push(value.unwrap_or_default());
        self.valid.push(value.is_some());
    }

    /// The value of this row.
    #[inline]
    pub fn get(&self, row: usize) -> Option<T> {
        self.valid.get(row).then(|| self.values[row])
    }

    /// All rows in order.
    pub fn iter(&self) -> impl Iterator<Item = Option<T>> + '_ {
        (0..self.values.len()).map(|row| self.get(row))
    }

    /// These rows of it.
    pub fn slice(&self, rows: Range<usize>) -> Values<T> {
        rows.map(|row| self.get(row)).collect()
    }

    /// Adds the rows of another.
    pub fn append(&mut self, other: &Values<T>) {
        self.values.extend_from_slice(&other.values);
        self.valid.append(&other.valid);
    }
}

impl<T: Copy + Default> FromIterator<Option<T>> for Values<T> {
    fn from_iter<I: IntoIterator<Item = Option<T>>>(values: I) -> Self {
        let mut out = Values::default();
        values.into_iter().for_each(|value| out.push(value));
        out
    }
}

/// The code of a null in a text column.
pub const NULL: u32 = u32::MAX;

/// Distinct texts, numbered from 0 in the order in which they came.
#[derive(Debug, Clone, Default)]
pub struct Dictionary {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    codes: HashTable<u32>,
    hasher: foldhash::fast::FixedState,
}

impl Dictionary {
    /// The code of this text, which is added if it is new.
    ///
    /// # Panics
    /// At the 4,294,967,295th distinct text.
    #[inline]
    pub fn code(&mut self, text: &[u8]) -> u32 {
        let Dictionary { bytes, ends, codes, hasher } = self;
        let slice = |code: u32| entry(bytes, ends, code);
        let rehash = |code: &u32| hash(hasher, entry(bytes, ends, *code));
        match codes.entry(hash(hasher, text), |code| slice(*code) == text, rehash) {
            Entry::Occupied(found) => *found.get(),
            Entry::Vacant(place) => {
                let code = ends.len() as u32;
                assert!(code != NULL, "more distinct texts than a column can number");
                place.insert(code);
                bytes.extend_from_slice(text);
                ends.push(bytes.len());
                code
            }
        }
    }

    /// The text of this code.
    pub fn get(&self, code: u32) -> &str {
        // Only text that was checked to be UTF-8 is ever added.
        std::str::from_utf8(entry(&self.bytes, &self.ends, code)).unwrap_or_default()
    }

    /// The code of this text, if it is there.
    pub fn find(&self, text: &str) -> Option<u32> {
        let wanted = hash(&self.hasher, text.as_bytes());
        self.codes.find(wanted, |code| entry(&self.bytes, &self.ends, *code) == text.as_bytes()).copied()
    }

    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<usize>() + self.codes.capacity() * 5
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All texts in the order of their codes.
    pub fn iter(&self) -> impl Iterator<Item = &str> + '_ {
        (0..self.len() as u32).map(|code| self.get(code))
    }
}

#[inline]
fn entry<'a>(bytes: &'a [u8], ends: &[usize], code: u32) -> &'a [u8] {
    let code = code as usize;
    let start = if code == 0 { 0 } else { ends[code - 1] };
    &bytes[start..ends[code]]
}

#[inline]
fn hash(hasher: &foldhash::fast::FixedState, text: &[u8]) -> u64 {
    hasher.hash_one(text)
}

/// A text column: a code a row, [`NULL`] for null.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    /// A code a row.
    pub codes: Vec<u32>,
    /// What the codes mean.
    pub dictionary: Dictionary,
}

impl Texts {
    /// The text of this row.
    pub fn get(&self, row: usize) -> Option<&str> {
        let code = self.codes[row];
        (code != NULL).then(|| self.dictionary.get(code))
    }

    /// Adds a row.
    pub fn push(&mut self, text: Option<&str>) {
        let code = text.map_or(NULL, |text| self.dictionary.code(text.as_bytes()));
        self.codes.push(code);
    }

    /// Adds rows whose codes have others here: `new`, by the code there.
    pub fn append_codes(&mut self, codes: &[u32], new: &[u32]) {
        self.codes.extend(codes.iter().map(|&code| if code == NULL { NULL } else { new[code as usize] }));
    }

    /// The same rows with every distinct text changed; `None` becomes null.
    pub fn map(&self, change: impl Fn(&str) -> Option<String>) -> Texts {
        let mut dictionary = Dictionary::default();
        let new: Vec<u32> = self
            .dictionary
            .iter()
            .map(|text| change(text).map_or(NULL, |text| dictionary.code(text.as_bytes())))
            .collect();
        let mut changed = Texts { codes: Vec::with_capacity(self.codes.len()), dictionary };
        changed.append_codes(&self.codes, &new);
        changed
    }
}

/// A column of any type.
#[derive(Debug, Clone)]
pub enum Column {
    /// Integers.
    Bigint(Values<i64>),
    /// Floating-point numbers.
    Double(Values<f64>),
    /// Truth values.
    Boolean(Values<bool>),
    /// Microseconds since the epoch, wall clock.
    Timestamp(Values<i64>),
    /// Days since the epoch.
    Date(Values<i64>),
    /// Text.
    Text(Texts),
}

impl Column {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        match self {
            Column::Bigint(values) | Column::Timestamp(values) | Column::Date(values) => values.values.len(),
            Column::Double(values) => values.values.len(),
            Column::Boolean(values) => values.values.len(),
            Column::Text(texts) => texts.codes.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds the rows of another column of the same type.
    ///
    /// # Panics
    /// If it is of another type.
    pub fn append(&mut self, other: &Column) {
        match (self, other) {
            (Column::Bigint(all), Column::Bigint(values)) => all.append(values),
            (Column::Timestamp(all), Column::Timestamp(values)) => all.append(values),
            (Column::Date(all), Column::Date(values)) => all.append(values),
            (Column::Double(all), Column::Double(values)) => all.append(values),
            (Column::Boolean(all), Column::Boolean(values)) => all.append(values),
            (Column::Text(all), Column::Text(texts)) => {
                let new: Vec<u32> =
                    texts.dictionary.iter().map(|text| all.dictionary.code(text.as_bytes())).collect();
                all.append_codes(&texts.codes, &new);
            }
            _ => panic!("a column has one type"),
        }
    }

    /// These rows of it.
    pub fn slice(&self, rows: Range<usize>) -> Column {
        match self {
            Column::Bigint(values) => Column::Bigint(values.slice(rows)),
            Column::Timestamp(values) => Column::Timestamp(values.slice(rows)),
            Column::Date(values) => Column::Date(values.slice(rows)),
            Column::Double(values) => Column::Double(values.slice(rows)),
            Column::Boolean(values) => Column::Boolean(values.slice(rows)),
            Column::Text(texts) => Column::Text(Texts {
                codes: texts.codes[rows].to_vec(),
                dictionary: texts.dictionary.clone(),
            }),
        }
    }

    /// Whether a row's value is that of a row of another column of the same type.
    pub fn same(&self, row: usize, other: &Column, other_row: usize) -> bool {
        match (self, other) {
            (
                Column::Bigint(values) | Column::Timestamp(values) | Column::Date(values),
                Column::Bigint(others) | Column::Timestamp(others) | Column::Date(others),
            ) => values.get(row) == others.get(other_row),
            (Column::Double(values), Column::Double(others)) => {
                values.get(row).map(f64::to_bits) == others.get(other_row).map(f64::to_bits)
            }
            (Column::Boolean(values), Column::Boolean(others)) => values.get(row) == others.get(other_row),
            (Column::Text(texts), Column::Text(others)) => texts.get(row) == others.get(other_row),
            _ => false,
        }
    }

    /// An order of two rows that is equal only where their values are.
    pub fn compare(&self, a: usize, b: usize) -> Ordering {
        match self {
            Column::Bigint(values) | Column::Timestamp(values) | Column::Date(values) => {
                values.get(a).cmp(&values.get(b))
            }
            Column::Double(values) => values.get(a).map(f64::to_bits).cmp(&values.get(b).map(f64::to_bits)),
            Column::Boolean(values) => values.get(a).cmp(&values.get(b)),
            Column::Text(texts) if texts.codes[a] == texts.codes[b] => Ordering::Equal,
            Column::Text(texts) => texts.get(a).cmp(&texts.get(b)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_append_at_every_alignment() {
        for first in 0..130 {
            let a: Bits = (0..first).map(|i| i % 3 == 0).collect();
            let b: Bits = (0..70).map(|i| i % 5 == 0).collect();
            let mut both = a.clone();
            both.append(&b);
            both.push(true);
            assert_eq!(Bits::ones(first), (0..first).map(|_| true).collect());
            assert_eq!(Bits::of(&a.iter().collect::<Vec<bool>>()), a);
            let expected: Vec<bool> = a.iter().chain(b.iter()).chain([true]).collect();
            assert_eq!(both.iter().collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn a_dictionary_numbers_distinct_texts() {
        let mut texts = Texts::default();
        for text in [Some("a"), None, Some(""), Some("a"), Some("니트")] {
            texts.push(text);
        }
        assert_eq!(texts.codes, [0, NULL, 1, 0, 2]);
        assert_eq!(texts.dictionary.find("니트"), Some(2));
        let upper = texts.map(|text| (!text.is_empty()).then(|| text.to_uppercase()));
        assert_eq!((upper.get(0), upper.get(2), upper.get(1)), (Some("A"), None, None));
    }
}
