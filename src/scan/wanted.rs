//! Sets of columns. Knows the schema's names, not how columns are read.

use super::fields::Field;
use crate::schema::COLUMNS;

/// A set of columns of the schema.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted(u128);

impl Wanted {
    /// All columns.
    pub fn all() -> Self {
        Wanted((1 << COLUMNS.len()) - 1)
    }

    /// The columns of these names; names of no column are passed over.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let at = |name| COLUMNS.iter().position(|column| column.name == name);
        Wanted(names.into_iter().filter_map(at).fold(0, |set, at| set | 1 << at))
    }

    /// As [`Wanted::of`], for constants.
    pub const fn of_names(names: &[&str]) -> Self {
        let (mut set, mut at) = (0, 0);
        while at < names.len() {
            set |= 1 << Field::of(names[at]).0;
            at += 1;
        }
        Wanted(set)
    }

    /// Whether one of these columns is in the set.
    pub const fn has_any(self, other: Wanted) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether this column is in the set.
    pub fn has(self, name: &str) -> bool {
        self.0 & Wanted::of([name]).0 != 0
    }

    /// The columns that are in one of the two sets.
    pub const fn or(self, other: Wanted) -> Wanted {
        Wanted(self.0 | other.0)
    }

    /// The names in the set, in the schema's order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        COLUMNS.iter().enumerate().filter(move |(at, _)| self.0 >> at & 1 == 1).map(|(_, column)| column.name)
    }
}
