//! Which column of the schema a key of a line is; the order of keys is learned from the lines before.
//! Knows nothing of values.

use super::json::{Kind, unescape};
use super::stops::{WINDOW, equal_bytes};
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

/// A key as Python writes it, with what stands before it and behind it: its bytes, and which of the 32 count.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Literal {
    bytes: [u8; WINDOW],
    /// A bit is set where a byte does not count.
    free: u32,
    length: u32,
}

impl Literal {
    /// What no text matches.
    const NONE: Literal = Literal { bytes: [0xff; WINDOW], free: 0, length: 0 };

    fn new(before: &str, key: &str) -> Literal {
        let text = format!("{before}\"{key}\": ");
        let mut bytes = [0; WINDOW];
        let Some(place) = bytes.get_mut(..text.len()) else { return Literal::NONE };
        place.copy_from_slice(text.as_bytes());
        Literal {
            bytes,
            free: u32::MAX.checked_shl(text.len() as u32).unwrap_or(0),
            length: text.len() as u32,
        }
    }

    #[inline(always)]
    fn matches(&self, window: &[u8; WINDOW]) -> bool {
        equal_bytes(&self.bytes, window) | self.free == u32::MAX
    }
}

/// Finds the field of a key. Lines of one kind have their keys in one order, so the two keys that followed the keys
/// before the last times are tried first.
pub struct Fields {
    by_key: HashMap<&'static [u8], Field, foldhash::fast::FixedState>,
    /// For each field: `{"key": ` and `, "key": `.
    first: [Literal; 64],
    later: [Literal; 64],
    /// For each context the two fields that came next the last times.
    next: Box<[[u8; 2]; CONTEXTS]>,
    unescaped: Vec<u8>,
}

/// The keys before, from which the next one is guessed: the last one's field in the lowest six bits, four bits of the
/// one before above them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Previous(u16);

/// How many [`Previous`] there are.
const CONTEXTS: usize = 1 << 10;

impl Previous {
    /// Before a line's first key; no column has the number 63.
    pub const NONE: Previous = Previous(63);

    /// Behind one more key.
    #[inline(always)]
    pub fn then(self, field: Field) -> Previous {
        Previous((self.0 << 6 | u16::from(field.0)) % CONTEXTS as u16)
    }

    #[inline(always)]
    fn place(self) -> usize {
        usize::from(self.0) % CONTEXTS
    }
}

impl Default for Fields {
    fn default() -> Self {
        let mut by_key = HashMap::with_hasher(foldhash::fast::FixedState::default());
        let mut first = [Literal::NONE; 64];
        let mut later = [Literal::NONE; 64];
        for (at, column) in COLUMNS.iter().enumerate() {
            if let Origin::Key(key) = column.origin {
                first[at] = Literal::new("{", key);
                later[at] = Literal::new(", ", key);
                by_key.insert(key.as_bytes(), Field(at as u8));
            }
        }
        Fields { by_key, first, later, next: Box::new([[0; 2]; CONTEXTS]), unescaped: Vec::new() }
    }
}

impl Fields {
    /// The field whose key stands at `at` as `{"key": ` (a line's first) or `, "key": `, and how many bytes that takes;
    /// `None` if it is not one of the two that are likely.
    #[inline(always)]
    pub fn guess(
        &self,
        bytes: &[u8],
        at: usize,
        previous: Previous,
        is_first: bool,
    ) -> Option<(Field, usize)> {
        let window = bytes.get(at..)?.first_chunk()?;
        let literals = if is_first { &self.first } else { &self.later };
        let likely = self.next[previous.place()];
        let [a, b] = likely.map(|field| &literals[usize::from(field & 63)]);
        if a.matches(window) {
            return Some((Field(likely[0]), a.length as usize));
        }
        b.matches(window).then_some((Field(likely[1]), b.length as usize))
    }

    /// The field of this key, `None` where the schema does not have it.
    pub fn find(&mut self, key: &[u8], kind: Kind, previous: Previous) -> Option<Field> {
        let field = if kind == Kind::EscapedText {
            self.unescaped.clear();
            unescape(key, &mut self.unescaped);
            *self.by_key.get(self.unescaped.as_slice())?
        } else {
            *self.by_key.get(key)?
        };
        let [first, second] = &mut self.next[previous.place()];
        if *first != field.0 {
            *second = std::mem::replace(first, field.0);
        }
        Some(field)
    }
}
