//! The tokens of some lines, value by value: what becomes of one kind of value is then done for all of these lines in one go,
//! which processors are better at than at one line's different values. Knows nothing of columns and rows.

use super::fields::Field;
use super::json::{Token, Tokens};

/// How many lines there are at most.
pub const LINES: usize = 64;

/// The values of these fields in some lines of one buffer.
pub struct Batch {
    fields: Vec<Field>,
    tokens: Vec<[Token; LINES]>,
    /// How many lines there are.
    lines: usize,
}

impl Batch {
    /// No lines yet; of those to come, these fields are kept.
    pub fn new(fields: impl IntoIterator<Item = Field>) -> Batch {
        let mut fields: Vec<Field> = fields.into_iter().collect();
        fields.sort_unstable();
        fields.dedup();
        Batch { tokens: vec![[Token::default(); LINES]; fields.len()], fields, lines: 0 }
    }

    /// Adds a line. It must not be full.
    #[inline]
    pub fn add(&mut self, tokens: &Tokens) {
        let line = self.lines % LINES;
        for (field, kept) in self.fields.iter().zip(&mut self.tokens) {
            kept[line] = tokens.get(*field).unwrap_or_default();
        }
        self.lines += 1;
    }

    /// Whether there is no room for another line.
    pub fn is_full(&self) -> bool {
        self.lines == LINES
    }

    /// How many lines there are.
    pub fn lines(&self) -> usize {
        self.lines
    }

    /// Takes all lines out.
    pub fn clear(&mut self) {
        self.lines = 0;
    }

    /// Each line's value of this field, null where it has none.
    ///
    /// # Panics
    /// If the field is not kept.
    pub fn tokens(&self, field: Field) -> &[Token] {
        match self.fields.binary_search(&field) {
            Ok(at) => &self.tokens[at][..self.lines],
            Err(_) => panic!("a field that was not kept"),
        }
    }
}
