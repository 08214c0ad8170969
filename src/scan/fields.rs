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

/// Finds the field of a key. Lines of one kind have their keys in one order, so the key that followed last
/// time is tried first.
pub struct Fields {
    by_key: HashMap<&'static [u8], Field, foldhash::fast::FixedState>,
    keys: [&'static [u8]; 64],
    /// For each field, and for the line's beginning (63): the field that came next the last time.
    next: [u8; 64],
    previous: usize,
    unescaped: Vec<u8>,
}

const BEGINNING: usize = 63;

impl Default for Fields {
    fn default() -> Self {
        let mut by_key = HashMap::with_hasher(foldhash::fast::FixedState::default());
        let mut keys: [&'static [u8]; 64] = [b""; 64];
        for (at, column) in COLUMNS.iter().enumerate() {
            if let Origin::Key(key) = column.origin {
                keys[at] = key.as_bytes();
                by_key.insert(key.as_bytes(), Field(at as u8));
            }
        }
        Fields { by_key, keys, next: [0; 64], previous: BEGINNING, unescaped: Vec::new() }
    }
}

impl Fields {
    /// Says that the next key is a line's first.
    #[inline]
    pub fn begin_line(&mut self) {
        self.previous = BEGINNING;
    }

    /// The field of this key, `None` where the schema does not have it.
    #[inline]
    pub fn find(&mut self, key: &[u8], kind: Kind) -> Option<Field> {
        let guess = self.next[self.previous & 63];
        if key == self.keys[usize::from(guess & 63)] && !key.is_empty() {
            self.previous = usize::from(guess);
            return Some(Field(guess));
        }
        self.look_up(key, kind)
    }

    fn look_up(&mut self, key: &[u8], kind: Kind) -> Option<Field> {
        let field = if kind == Kind::EscapedText {
            self.unescaped.clear();
            unescape(key, &mut self.unescaped);
            *self.by_key.get(self.unescaped.as_slice())?
        } else {
            *self.by_key.get(key)?
        };
        self.next[self.previous & 63] = field.0;
        self.previous = usize::from(field.0);
        Some(field)
    }
}
