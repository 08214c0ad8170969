//! Short texts that were met just before. Knows nothing of where they come from.

use super::column::{Dictionary, NULL};

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
    pub fn code(&mut self, text: &[u8], dictionary: &mut Dictionary) -> u32 {
        self.code_by(text, |text| dictionary.code(text))
    }

    /// The code that `new` has for this text, always the same for the same text.
    #[inline]
    pub fn code_by(&mut self, text: &[u8], new: impl FnOnce(&[u8]) -> u32) -> u32 {
        let Some(words) = words(text) else { return new(text) };
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

/// The bytes of a short text, some of them twice; with its length they are the text.
#[inline]
fn words(text: &[u8]) -> Option<[u64; 3]> {
    let word = |at: usize| text.get(at..)?.first_chunk().map(|word| u64::from_le_bytes(*word));
    match text.len() {
        0..4 => Some([text.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)), 0, 0]),
        4..8 => {
            let half = |half: Option<&[u8; 4]>| half.map(|half| u64::from(u32::from_le_bytes(*half)));
            Some([half(text.first_chunk())?, half(text.last_chunk())?, 0])
        }
        length @ 8..=16 => Some([word(0)?, word(length - 8)?, 0]),
        length @ 17..=24 => Some([word(0)?, word(8)?, word(length - 8)?]),
        _ => None,
    }
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
        let codes: Vec<u32> = texts.iter().map(|text| recent.code(text, &mut dictionary)).collect();
        for (text, code) in texts.iter().zip(codes) {
            assert_eq!(dictionary.get(code).as_bytes(), text);
        }
    }
}
