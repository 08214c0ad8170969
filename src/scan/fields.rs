//! Which column of the schema a key of a line is. Knows nothing of values.

use super::json::{Kind, unescape};
use crate::schema::{COLUMNS, Origin};
use std::collections::HashMap;

/// A column that is read from a key: its place in [`COLUMNS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Field(pub u8);

const _: () = assert!(COLUMNS.len() <= 64, "a line's keys are noted in 64 bits");

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

/// Finds the field of a key, as far as fields are needed.
pub struct Fields {
    by_key: HashMap<&'static [u8], Field, foldhash::fast::FixedState>,
    unescaped: Vec<u8>,
}

impl Fields {
    /// These fields, as far as they are read from a key.
    pub fn of(needed: impl IntoIterator<Item = Field>) -> Fields {
        let mut by_key = HashMap::with_hasher(foldhash::fast::FixedState::default());
        for field in needed {
            if let Origin::Key(key) = COLUMNS[usize::from(field.0)].origin {
                by_key.insert(key.as_bytes(), field);
            }
        }
        Fields { by_key, unescaped: Vec::new() }
    }

    /// The field of this key, `None` where it has none that is needed.
    pub fn find(&mut self, key: &[u8], kind: Kind) -> Option<Field> {
        if kind == Kind::EscapedText {
            self.unescaped.clear();
            unescape(key, &mut self.unescaped);
            return self.by_key.get(self.unescaped.as_slice()).copied();
        }
        self.by_key.get(key).copied()
    }
}
