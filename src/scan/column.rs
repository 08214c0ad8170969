//! Columns as the scanner builds them: plain vectors with a bit a row for null, text as codes into a dictionary.
//! Knows neither JSON nor DataFrames.

pub use super::bits::Bits;
use hashbrown::{HashTable, hash_table::Entry};
use std::cmp::Ordering;
use std::hash::BuildHasher;
use std::ops::Range;

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

    /// Makes room for so many more rows, and no more than that.
    pub fn reserve_exact(&mut self, rows: usize) {
        self.values.reserve_exact(rows);
        self.valid.reserve_exact(rows);
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

    /// Some rows of it.
    pub fn take(&self, rows: &[u32]) -> Values<T> {
        let values: Vec<T> = rows.iter().map(|&row| self.values[row as usize]).collect();
        if self.valid.all() {
            return Values::all(values);
        }
        Values { values, valid: rows.iter().map(|&row| self.valid.get(row as usize)).collect() }
    }

    /// Adds the rows of another.
    pub fn append(&mut self, other: &Values<T>) {
        self.values.extend_from_slice(&other.values);
        self.valid.append(&other.valid);
    }
}

impl<T: Copy + Default> FromIterator<Option<T>> for Values<T> {
    fn from_iter<I: IntoIterator<Item = Option<T>>>(values: I) -> Self {
        let given = values.into_iter();
        let mut values = Vec::with_capacity(given.size_hint().0);
        let add = |value: Option<T>| {
            values.push(value.unwrap_or_default());
            value.is_some()
        };
        let valid = given.map(add).collect();
        Values { values, valid }
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
        std::str::from_utf8(self.text(code)).unwrap_or_default()
    }

    /// The bytes of this code's text.
    pub fn text(&self, code: u32) -> &[u8] {
        entry(&self.bytes, &self.ends, code)
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

    /// The bytes of all texts in the order of their codes.
    pub fn texts(&self) -> impl Iterator<Item = &[u8]> + '_ {
        (0..self.len() as u32).map(|code| self.text(code))
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

    /// Some rows of it; if they are few, with a dictionary of nothing but their texts.
    fn take(self, rows: &[u32]) -> Texts {
        let codes = rows.iter().map(|&row| self.codes[row as usize]);
        if self.dictionary.len() <= rows.len() {
            return Texts { codes: codes.collect(), dictionary: self.dictionary };
        }
        self.few(codes)
    }

    /// The same of a column that stays.
    fn pick(&self, rows: impl ExactSizeIterator<Item = usize>) -> Texts {
        let count = rows.len();
        let codes = rows.map(|row| self.codes[row]);
        if self.dictionary.len() <= count {
            return Texts { codes: codes.collect(), dictionary: self.dictionary.clone() };
        }
        self.few(codes)
    }

    /// Rows with some of its codes and a dictionary of nothing but their texts.
    fn few(&self, codes: impl Iterator<Item = u32>) -> Texts {
        let mut dictionary = Dictionary::default();
        let mut new = vec![NULL; self.dictionary.len()];
        let mut new_code = |code: u32| {
            if code != NULL && new[code as usize] == NULL {
                new[code as usize] = dictionary.code(self.dictionary.text(code));
            }
            if code == NULL { NULL } else { new[code as usize] }
        };
        let codes = codes.map(&mut new_code).collect();
        Texts { codes, dictionary }
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

    /// Makes room for so many more rows, and no more than that.
    pub fn reserve_exact(&mut self, rows: usize) {
        match self {
            Column::Bigint(all) | Column::Timestamp(all) | Column::Date(all) => all.reserve_exact(rows),
            Column::Double(all) => all.reserve_exact(rows),
            Column::Boolean(all) => all.reserve_exact(rows),
            Column::Text(all) => all.codes.reserve_exact(rows),
        }
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
                let new: Vec<u32> = texts.dictionary.texts().map(|text| all.dictionary.code(text)).collect();
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
            Column::Text(texts) => Column::Text(texts.pick(rows)),
        }
    }

    /// Some rows of it, which stays.
    pub fn pick(&self, rows: &[u32]) -> Column {
        match self {
            Column::Bigint(values) => Column::Bigint(values.take(rows)),
            Column::Timestamp(values) => Column::Timestamp(values.take(rows)),
            Column::Date(values) => Column::Date(values.take(rows)),
            Column::Double(values) => Column::Double(values.take(rows)),
            Column::Boolean(values) => Column::Boolean(values.take(rows)),
            Column::Text(texts) => Column::Text(texts.pick(rows.iter().map(|&row| row as usize))),
        }
    }

    /// Some rows of it.
    pub fn take(self, rows: &[u32]) -> Column {
        match self {
            Column::Text(texts) => Column::Text(texts.take(rows)),
            other => other.pick(rows),
        }
    }

    /// Some rows of it, or all if that is not said.
    pub fn take_some(self, rows: Option<&[u32]>) -> Column {
        match rows {
            Some(rows) => self.take(rows),
            None => self,
        }
    }

    /// The texts of a text column.
    pub fn into_texts(self) -> Option<Texts> {
        match self {
            Column::Text(texts) => Some(texts),
            _ => None,
        }
    }

    /// Whether this row has no value.
    pub fn is_null(&self, row: usize) -> bool {
        match self {
            Column::Bigint(values) | Column::Timestamp(values) | Column::Date(values) => {
                !values.valid.get(row)
            }
            Column::Double(values) => !values.valid.get(row),
            Column::Boolean(values) => !values.valid.get(row),
            Column::Text(texts) => texts.codes[row] == NULL,
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
