//! The decoding tables of each lane, one lane after the other, of its codes' lengths.

use super::{Lanes, SORTED};
use crate::scan::huffman::{DISTANCE_BITS, LENGTH_BITS, LENGTH_ORDER, LITERAL_BITS, SYMBOL};
use crate::scan::vectors::{bytes_of, put_bytes, put_words, words_of};
use std::arch::x86_64::*;

// An entry of the table of lengths: in the lowest six bits how many its code and extra bits are; then, from these bits on, how
// many of eight extra bits are not its own, for how many symbols it is if its own are not set, the length, and whether that is
// the one before.
pub const UNUSED: u32 = 8;
pub const BASE: u32 = 12;
pub const LENGTH: u32 = 16;
pub const REPEAT: u32 = 20;

/// The entries of the 19 symbols without the lengths of their codes; the others are none.
static ENTRIES: [u32; 32] = {
    let mut entries = [0; 32];
    let mut at = 0;
    while at < 16 {
        entries[at] = 8 << UNUSED | 1 << BASE | (at as u32) << LENGTH;
        at += 1;
    }
    entries[16] = 2 | 6 << UNUSED | 3 << BASE | 1 << REPEAT;
    entries[17] = 3 | 5 << UNUSED | 3 << BASE;
    entries[18] = 7 | 1 << UNUSED | 11 << BASE;
    entries
};

/// Which bits the length of each of the 19 symbols' codes begins at, and of what is no symbol, where there are none.
static LENGTH_PLACES: [u8; 64] = {
    let mut places = [57; 64];
    let mut at = 0;
    while at < 19 {
        places[at] = 3 * LENGTH_ORDER[at] as u8;
        at += 1;
    }
    places
};

impl Lanes {
    /// The table of the code that the codes' lengths are written in; three bits for each of its own lengths, and no others.
    #[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
    pub fn make_length_code(&mut self, lane: usize, lengths: u64) -> Option<()> {
        let lengths =
            _mm512_multishift_epi64_epi8(bytes_of(&LENGTH_PLACES), _mm512_set1_epi64(lengths as i64));
        let lengths = _mm512_and_si512(lengths, _mm512_set1_epi8(7));
        // Symbols from 16 on are no lengths.
        self.possible[lane] = _mm512_test_epi8_mask(lengths, lengths) as u32 & 0xffff;
        // A symbol and its code's length in each byte, by length.
        let shifted = _mm512_slli_epi16::<5>(lengths);
        let symbols = _mm512_or_si512(shifted, bytes_of(&FIRST_64));
        let (mut sorted, mut count, mut filled) = ([0; 128], 0, 0);
        for length in 1..=LENGTH_BITS as usize {
            let those = _mm512_cmpeq_epi8_mask(lengths, _mm512_set1_epi8(length as i8));
            put_bytes(_mm512_maskz_compress_epi8(those, symbols), sorted[count % 64..].first_chunk_mut()?);
            count += those.count_ones() as usize;
            filled += (those.count_ones() as usize) << (LENGTH_BITS as usize - length);
        }
        if filled != 1 << LENGTH_BITS {
            return None;
        }
        let (table, mut at) = (&mut self.codes[lane], 0);
        for &symbol in &sorted[..count] {
            let length = u32::from(symbol >> 5);
            let entry = ENTRIES[usize::from(symbol & 31)] + length;
            let end = at + ((1 << LENGTH_BITS) >> length);
            for begin in (at..end).step_by(16) {
                *table[begin..].first_chunk_mut()? = [entry; 16];
            }
            at = end;
        }
        Some(())
    }

    /// The decoding table of literals and copies' lengths.
    #[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
    pub fn make_literals(&mut self, lane: usize) -> Option<()> {
        // The vectors that have symbols with codes, and the items of the first symbol of each.
        let (mut parts, mut firsts, mut count) = ([_mm512_setzero_si512(); 5], [0; 5], 0);
        for part in 0..5usize {
            let beyond = (64 * part + 64).saturating_sub(self.literal_counts[lane] as usize);
            let lengths = bytes_of(self.lengths[lane][64 * part..].first_chunk()?);
            let lengths = _mm512_maskz_mov_epi8(u64::MAX >> beyond, lengths);
            if _mm512_cmpgt_epu8_mask(lengths, _mm512_set1_epi8(LITERAL_BITS as i8)) != 0 {
                return None;
            }
            (parts[count], firsts[count]) = (lengths, (64 * part) << SYMBOL);
            count += usize::from(_mm512_test_epi8_mask(lengths, lengths) != 0);
        }
        let (sorted, mut next, mut filled) = (&mut self.sorted, 0, 0);
        // The lengths that there are, and how many symbols have no longer one.
        let (mut ends, mut kinds) = ([(0, 0); LITERAL_BITS as usize], 0);
        let mut possible = self.possible[lane] & ((2 << LITERAL_BITS) - 2);
        while possible != 0 {
            let (length, begin) = (possible.trailing_zeros() as usize, next);
            possible &= possible - 1;
            for (&lengths, first) in parts.iter().zip(firsts).take(count) {
                let those = _mm512_cmpeq_epi8_mask(lengths, _mm512_set1_epi8(length as i8));
                let symbols = _mm512_maskz_compress_epi8(those, bytes_of(&FIRST_64));
                let item = _mm512_set1_epi16((first | length) as i16);
                let items = |symbols| {
                    _mm512_or_si512(_mm512_slli_epi16::<SYMBOL>(_mm512_cvtepu8_epi16(symbols)), item)
                };
                let place = sorted[next % SORTED..].first_chunk_mut()?;
                put_words(items(_mm512_castsi512_si256(symbols)), place);
                if those.count_ones() > 32 {
                    let others = _mm512_extracti64x4_epi64::<1>(symbols);
                    put_words(items(others), sorted[next % SORTED + 32..].first_chunk_mut()?);
                }
                next += those.count_ones() as usize;
            }
            ends[kinds % ends.len()] = (length, next);
            kinds += 1;
            filled += (next - begin) << (LITERAL_BITS as usize - length);
        }
        if filled != 1 << LITERAL_BITS {
            return None;
        }
        // Each as often as its code begins an entry's number.
        let (table, mut at, mut begin) = (&mut self.literals[lane], 0, 0);
        for &(length, end) in &ends[..kinds] {
            let shift = LITERAL_BITS as usize - length;
            let repeat = words_of(&REPEATED[shift.min(5)]);
            let stop = at + ((end - begin) << shift);
            for entry in (at..stop).step_by(32) {
                let items = words_of(sorted[(begin + ((entry - at) >> shift)) % SORTED..].first_chunk()?);
                let place = table[entry % (1 << LITERAL_BITS)..].first_chunk_mut()?;
                put_words(_mm512_permutexvar_epi16(repeat, items), place);
            }
            (at, begin) = (stop, end);
        }
        Some(())
    }

    /// The decoding table of copies' distances.
    #[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
    pub fn make_distances(&mut self, lane: usize) -> Option<()> {
        let lengths = bytes_of(self.lengths[lane][self.literal_counts[lane] as usize..].first_chunk()?);
        let lengths = _mm512_maskz_mov_epi8((1 << self.distance_counts[lane]) - 1, lengths);
        if _mm512_cmpgt_epu8_mask(lengths, _mm512_set1_epi8(DISTANCE_BITS as i8)) != 0 {
            return None;
        }
        let used = _mm512_test_epi8_mask(lengths, lengths).count_ones();
        let (table, mut at, mut left, mut length) = (&mut self.distances[lane], 0, used, 1);
        while left > 0 {
            let mut those = _mm512_cmpeq_epi8_mask(lengths, _mm512_set1_epi8(length as i8));
            left -= those.count_ones();
            while those != 0 {
                let item = (those.trailing_zeros() << SYMBOL | length) as u16;
                those &= those - 1;
                // At most half the table.
                *table[at..].first_chunk_mut()? = [item; 32];
                at += (1 << DISTANCE_BITS) >> length;
            }
            length += 1;
        }
        // No distance at all, or a single one of one bit, leaves codes that mean nothing.
        match at {
            0 => table.fill(0),
            32 if used == 1 => table[32..].fill(0),
            64 => {}
            _ => return None,
        }
        Some(())
    }
}

/// The numbers from 0.
static FIRST_64: [u8; 64] = {
    let mut numbers = [0; 64];
    let mut at = 0;
    while at < 64 {
        numbers[at] = at as u8;
        at += 1;
    }
    numbers
};

/// Which item each of 32 entries is where there are 2^n of each.
static REPEATED: [[u16; 32]; 6] = {
    let mut items = [[0; 32]; 6];
    let mut at = 0;
    while at < 6 * 32 {
        items[at / 32][at % 32] = ((at % 32) >> (at / 32)) as u16;
        at += 1;
    }
    items
};
