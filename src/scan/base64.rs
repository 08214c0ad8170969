//! Base64url without padding (RFC 4648, section 5), as Flask writes cookies. Knows nothing of what is in them.

#[cfg(target_arch = "x86_64")]
use super::vectors::{self, Available};
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// Decodes unpadded base64url into `out`; false if `text` is none. What was good before the fault
/// is in `out`.
pub fn decode(text: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    let (quads, mut rest) = text.as_chunks::<4>();
    for (at, quad) in quads.iter().enumerate() {
        let [a, b, c, d] = quad.map(|byte| u32::from(SIXTETS[usize::from(byte)]));
        if a | b | c | d > 63 {
            rest = &text[at * 4..];
            break;
        }
        let [_, bytes @ ..] = (a << 18 | b << 12 | c << 6 | d).to_be_bytes();
        out.extend_from_slice(&bytes);
    }
    let mut bits = 0u32;
    let mut count = 0;
    for &byte in rest {
        let value = SIXTETS[usize::from(byte)];
        if value == INVALID {
            return byte == b'=';
        }
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    count < 6
}

const INVALID: u8 = 255;

const SIXTETS: [u8; 256] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut table = [INVALID; 256];
    let mut at = 0;
    while at < 64 {
        table[alphabet[at] as usize] = at as u8;
        at += 1;
    }
    table
};

/// Decodes many texts for an inflater that takes the bits of each byte [reversed](super::huffman::reversed).
pub struct Decoder {
    #[cfg(target_arch = "x86_64")]
    vectors: Option<Available>,
}

impl Default for Decoder {
    /// The fastest that the processor has the instructions for.
    fn default() -> Self {
        Decoder {
            #[cfg(target_arch = "x86_64")]
            vectors: Available::new(),
        }
    }
}

impl Decoder {
    /// Decodes a text behind what is in `out`, the bits of each byte reversed; false if `text` is none. What is in `out` then
    /// is of no use.
    pub fn decode(&self, text: &[u8], out: &mut Vec<u8>) -> bool {
        #[cfg(target_arch = "x86_64")]
        if let Some(available) = self.vectors {
            return available.decode(text, out);
        }
        decode_by_table(text, out)
    }
}

/// As [`Decoder::decode`], on any processor.
fn decode_by_table(text: &[u8], out: &mut Vec<u8>) -> bool {
    let begin = out.len();
    let (quads, rest) = text.as_chunks::<4>();
    out.resize(begin + 3 * quads.len(), 0);
    let (triples, _) = out[begin..].as_chunks_mut::<3>();
    let mut all = 0;
    for (triple, quad) in triples.iter_mut().zip(quads) {
        let bits = reversed_bits(quad);
        all |= bits;
        let [_, bytes @ ..] = bits.to_be_bytes();
        *triple = bytes;
    }
    let bits = reversed_bits(rest);
    let [_, bytes @ ..] = bits.to_be_bytes();
    out.extend_from_slice(&bytes[..rest.len().saturating_sub(1)]);
    (all | bits) < NO_SIXTET && rest.len() != 1
}

#[inline]
fn reversed_bits(characters: &[u8]) -> u32 {
    let bits = characters.iter().zip(&REVERSED_SIXTETS).map(|(&byte, table)| table[usize::from(byte)]);
    bits.fold(0, |all, bits| all | bits)
}

const NO_SIXTET: u32 = 1 << 24;

/// What a character in each of four places adds to three bytes whose bits are reversed.
static REVERSED_SIXTETS: [[u32; 256]; 4] = {
    let mut tables = [[NO_SIXTET; 256]; 4];
    let mut at = 0;
    while at < 4 * 256 {
        let (place, byte) = (at / 256, at % 256);
        if SIXTETS[byte] != INVALID {
            let bits = (SIXTETS[byte] as u32) << (18 - 6 * place);
            tables[place][byte] = bits.reverse_bits().swap_bytes();
        }
        at += 1;
    }
    tables
};

/// The same for 64 characters at a time (Muła & Lemire, *Base64 encoding and decoding at almost the speed of a memory
/// copy*).
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
pub fn decode_by_vectors(text: &[u8], out: &mut Vec<u8>) -> bool {
    let [low, high, order] = [&VALUES[0], &VALUES[1], &ORDER].map(|bytes| vectors::bytes_of(bytes));
    let begin = out.len();
    let end = begin + text.len() / 4 * 3 + (text.len() % 4).saturating_sub(1);
    // Every store is one of 64 bytes, of which 48 stay.
    out.resize(begin + (text.len() / 64 + 1) * 48 + 16, 0);
    let mut wrong = _mm512_setzero_si512();
    let (parts, rest) = text.as_chunks();
    let mut last = [b'A'; 64];
    last[..rest.len()].copy_from_slice(rest);
    for (part, at) in parts.iter().chain([&last]).zip((begin..).step_by(48)) {
        let characters = vectors::bytes_of(part);
        let values = _mm512_permutex2var_epi8(low, characters, high);
        wrong = _mm512_or_si512(wrong, _mm512_or_si512(values, characters));
        // Two of six bits each become one of twelve, two of these one of 24.
        let pairs = _mm512_maddubs_epi16(values, _mm512_set1_epi32(0x0140_0140));
        let fours = _mm512_madd_epi16(pairs, _mm512_set1_epi32(0x0001_1000));
        let bytes = vectors::bits_reversed(_mm512_permutexvar_epi8(order, fours));
        if let Some(place) = out[at..].first_chunk_mut() {
            vectors::put_bytes(bytes, place);
        }
    }
    out.truncate(end);
    _mm512_movepi8_mask(wrong) == 0 && text.len() % 4 != 1
}

/// What each of the characters of ASCII stands for; the highest bit is set where that is nothing.
#[cfg(target_arch = "x86_64")]
static VALUES: [[u8; 64]; 2] = {
    let mut values = [[0x80; 64]; 2];
    let mut at = 0;
    while at < 128 {
        if SIXTETS[at] != INVALID {
            values[at / 64][at % 64] = SIXTETS[at];
        }
        at += 1;
    }
    values
};

/// Where each byte is among those of numbers of 24 bits.
#[cfg(target_arch = "x86_64")]
static ORDER: [u8; 64] = {
    let mut order = [0; 64];
    let mut at = 0;
    while at < 48 {
        order[at] = (at / 3 * 4 + 2 - at % 3) as u8;
        at += 1;
    }
    order
};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A text of so many characters, which are others for another seed.
    fn text(length: usize, seed: usize) -> Vec<u8> {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        (0..length).map(|at| alphabet[(at * at * 7 + at * seed + seed / 3) % 64]).collect()
    }

    #[test]
    fn all_decoders_say_the_same() {
        let mut wrong = 0;
        for length in 0..300 {
            for seed in 0..6 {
                let mut text = text(length, seed);
                if let (1.., Some(byte)) = (seed, text.get_mut(seed * 31 % length.max(1))) {
                    *byte = [b'+', b' ', b'z', 0xff, b'.', b'A' | 0x80][seed];
                }
                let (mut plain, mut by_table, mut found) = (Vec::new(), vec![7], vec![7]);
                let good = decode(&text, &mut plain);
                assert_eq!(decode_by_table(&text, &mut by_table), good, "{length} {seed}");
                assert_eq!(Decoder::default().decode(&text, &mut found), good, "{length} {seed}");
                wrong += usize::from(!good);
                if good {
                    super::super::huffman::reversed(&mut plain);
                    assert_eq!(by_table[1..], plain, "{length} {seed}");
                    assert_eq!(found, by_table, "{length} {seed}");
                }
            }
        }
        assert!(wrong > 1000, "{wrong}");
    }
}
