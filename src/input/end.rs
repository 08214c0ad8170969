//! A place in a text, and what is before it, by which a file is known again.
//! Knows nothing of files.

/// How much text before a place a file is known by.
pub const KNOWN_BYTES: usize = 4 << 10;

/// A place in a text, and what is before it.
#[derive(Debug, Clone, Default)]
pub struct End {
    /// Of the text's first byte behind it.
    pub place: u64,
    /// Up to [`KNOWN_BYTES`]; nothing behind a line that was cut off.
    pub before: Vec<u8>,
}

impl End {
    /// The place behind this text, which goes on from here.
    pub(super) fn go_on(mut self, text: &[u8]) -> End {
        let new = &text[text.len().saturating_sub(KNOWN_BYTES)..];
        let surplus = (self.before.len() + new.len()).saturating_sub(KNOWN_BYTES);
        self.before.drain(..surplus);
        self.before.extend_from_slice(new);
        self.place += text.len() as u64;
        self
    }
}
