//! Short texts that were met just before. Knows nothing of where they come from.

use super::column::{Dictionary, NULL};
use std::ops::Range;

/// The codes of short texts that were met last. Most columns say the same few words again and again, and comparing these is
/// quicker than hashing them and looking them up.
#[derive(Debug, Clone)]
pub struct RecentTexts {
    texts: [([u64; 3], usize, u32); RECENT_TEXTS],
}

const RECENT_TEXTS: usize = 64;

impl Default for RecentTexts {
    fn default() -> Self {
        RecentTexts { texts: [([0; 3], usize::MAX, NULL); RECENT_TEXTS] }
    }
}

impl RecentTexts {
    /// The code of this text in the dictionary, which is always the same, to which it is added if it is new.
    #[inline]
    pub fn code(&mut self, text: Text, dictionary: &mut Dictionary) -> u32 {
        self.code_by(text, |text| dictionary.code(text))
    }

    /// The code that `new` has for this text, always the same for the same text.
    #[inline]
    pub fn code_by(&mut self, text: Text, new: impl FnOnce(&[u8]) -> u32) -> u32 {
        let Text { text, window } = text;
        if text.len() > LONGEST {
            return new(text);
        }
        let words = words(&window, text.len());
        // Multiplicative hashing (Knuth, The Art of Computer Programming, 6.4).
        let mixed = words[0] ^ words[1].rotate_left(21) ^ words[2].rotate_left(42);
        let place = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58;
        let recent = &mut self.texts[place as usize % RECENT_TEXTS];
        if (recent.0, recent.1) != (words, text.len()) {
            *recent = (words, text.len(), new(text));
        }
        recent.2
    }
}

/// The longest text that is remembered.
const LONGEST: usize = 24;

/// A text, and what it begins with if it is short; what is behind a short text's end does not matter.
#[derive(Clone, Copy)]
pub struct Text<'a> {
    text: &'a [u8],
    window: [u8; LONGEST],
}

impl<'a> Text<'a> {
    /// This text.
    #[inline]
    pub fn of(text: &'a [u8]) -> Self {
        let mut window = [0; LONGEST];
        if text.len() <= LONGEST {
            window[..text.len()].copy_from_slice(text);
        }
        Text { text, window }
    }

    /// The text that takes this part of a buffer. Where there is enough behind it, it need not be known how long it is.
    #[inline]
    pub fn within(bytes: &'a [u8], part: Range<usize>) -> Self {
        match bytes[part.start..].first_chunk() {
            Some(window) => Text { text: &bytes[part], window: *window },
            None => Text::of(&bytes[part]),
        }
    }
}

/// The bytes of a short text, and zeros; with its length they are the text.
#[inline]
fn words(window: &[u8; LONGEST], length: usize) -> [u64; 3] {
    let (words, _) = window.as_chunks();
    std::array::from_fn(|at| {
        let bits = 8 * length.saturating_sub(8 * at).min(8) as u32;
        u64::from_le_bytes(words[at]) & u64::MAX.checked_shr(64 - bits).unwrap_or(0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_met_before_has_the_code_that_it_had() {
        let (mut recent, mut dictionary) = (RecentTexts::default(), Dictionary::default());
        // Many alike, of every length about the borders, with zeros at their ends.
        let texts: Vec<Vec<u8>> = (0..40_000u32)
            .map(|number| {
                let mut text = vec![b"\0ab"[number as usize % 3]; (number / 3) as usize % 27];
                let places = text.len().max(1);
                if let Some(byte) = text.get_mut(number as usize / 81 % places) {
                    *byte = b"\0xyz"[number as usize / 7 % 4];
                }
                text
            })
            .collect();
        let mut check = |text: &[u8], of: Text| {
            let code = recent.code(of, &mut dictionary);
            assert_eq!(dictionary.get(code).as_bytes(), text);
        };
        for (behind, text) in texts.iter().enumerate() {
            check(text, Text::of(text));
            let buffer = [b"+-", &text[..], &b"=abc\0defghijklmnopqrstuvwxyz"[..behind % 28]].concat();
            check(text, Text::within(&buffer, 2..2 + text.len()));
        }
    }
}
