//! Which column of the schema a key of a line is; the order of keys is learned from the lines before.
//! Knows nothing of values.

use super::json::{Kind, unescape};
use crate::schema::{COLUMNS, Origin};
use std::collections::HashMap;

/// A column that is read from a key: its place in [`COLUMNS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Field(pub u8);

const _: () = assert!(COLUMNS.len() < 64, "a line's keys are noted in 64 bits");

impl Field {
    /// The field that is read into the column of this name.
    ///
    /// # Panics
    /// If there is none; the callers name columns of the schema.
    pub const fn of(name: &str) -> Field {
        let mut at = 0;
        while at < COLUMNS.len() {
            if same(COLUMNS[at].name.as_bytes(), name.as_bytes()) {
                return Field(at as u8);
            }
            at += 1;
        }
        panic!("no such column");
    }
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// A key as Python writes it, with its quotes, colon and space: the first 32 bytes, and which of them count.
#[derive(Debug, Clone, Copy)]
struct Literal {
    bytes: [u128; 2],
    mask: [u128; 2],
    length: usize,
}

impl Literal {
    /// What no text matches.
    const NONE: Literal = Literal { bytes: [u128::MAX; 2], mask: [0; 2], length: 0 };

    fn new(key: &str) -> Literal {
        let text = format!("\"{key}\": ");
        let (mut bytes, mut mask) = ([0; 32], [0; 32]);
        let (Some(place), Some(counts)) = (bytes.get_mut(..text.len()), mask.get_mut(..text.len())) else {
            return Literal::NONE;
        };
        place.copy_from_slice(text.as_bytes());
        counts.fill(0xff);
        Literal { bytes: halves(&bytes), mask: halves(&mask), length: text.len() }
    }

    #[inline]
    fn matches(&self, window: [u128; 2]) -> bool {
        window[0] & self.mask[0] == self.bytes[0] && window[1] & self.mask[1] == self.bytes[1]
    }
}

#[inline]
fn halves(bytes: &[u8; 32]) -> [u128; 2] {
    let (chunks, _) = bytes.as_chunks::<16>();
    [u128::from_le_bytes(chunks[0]), u128::from_le_bytes(chunks[1])]
}

/// Finds the field of a key. Lines of one kind have their keys in one order, so the two keys that followed the key
/// before the last times are tried first.
pub struct Fields {
    by_key: HashMap<&'static [u8], Field, foldhash::fast::FixedState>,
    literals: [Literal; 64],
    /// For each field, and for the line's beginning: the two fields that came next the last times.
    next: [[u8; 2]; 64],
    previous: u8,
    unescaped: Vec<u8>,
}

/// Stands before a line's first key; no column has this number.
const BEGINNING: u8 = 63;

impl Default for Fields {
    fn default() -> Self {
        let mut by_key = HashMap::with_hasher(foldhash::fast::FixedState::default());
        let mut literals = [Literal::NONE; 64];
        for (at, column) in COLUMNS.iter().enumerate() {
            if let Origin::Key(key) = column.origin {
                literals[at] = Literal::new(key);
                by_key.insert(key.as_bytes(), Field(at as u8));
            }
        }
        Fields { by_key, literals, next: [[BEGINNING; 2]; 64], previous: BEGINNING, unescaped: Vec::new() }
    }
}

impl Fields {
    /// Says that the next key is a line's first.
    #[inline]
    pub fn begin_line(&mut self) {
        self.previous = BEGINNING;
    }

    /// The field whose key, with quotes, colon and a space, stands at `at`, and how many bytes that takes; `None` if it
    /// is not one of the two that are likely.
    #[inline]
    pub fn guess(&mut self, bytes: &[u8], at: usize) -> Option<(Field, usize)> {
        let window = halves(bytes.get(at..)?.first_chunk()?);
        for likely in self.next[usize::from(self.previous & 63)] {
            let literal = &self.literals[usize::from(likely & 63)];
            if literal.matches(window) {
                self.previous = likely;
                return Some((Field(likely), literal.length));
            }
        }
        None
    }

    /// The field of this key, `None` where the schema does not have it.
    pub fn find(&mut self, key: &[u8], kind: Kind) -> Option<Field> {
        let field = if kind == Kind::EscapedText {
            self.unescaped.clear();
            unescape(key, &mut self.unescaped);
            *self.by_key.get(self.unescaped.as_slice())?
        } else {
            *self.by_key.get(key)?
        };
        let [first, second] = &mut self.next[usize::from(self.previous & 63)];
        if *first != field.0 {
            *second = std::mem::replace(first, field.0);
        }
        self.previous = field.0;
        Some(field)
    }
}
