//! Bits, one a row: which rows have a value, or are wanted. Knows nothing of the values.

use std::ops::{BitAndAssign, BitOrAssign, Not};

/// A bit a row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bits {
    words: Vec<u64>,
    len: usize,
}

impl Bits {
    /// No bits, with room for so many.
    pub fn with_capacity(bits: usize) -> Self {
        Bits { words: Vec::with_capacity(bits.div_ceil(64)), len: 0 }
    }

    /// Makes room for so many more, and no more than that.
    pub fn reserve_exact(&mut self, bits: usize) {
        self.words.reserve_exact((self.len + bits).div_ceil(64) - self.words.len());
    }

    /// Adds a bit.
    #[inline]
    pub fn push(&mut self, bit: bool) {
        if self.len.is_multiple_of(64) {
            self.words.push(0);
        }
        if let Some(word) = self.words.last_mut() {
            *word |= u64::from(bit) << (self.len % 64);
        }
        self.len += 1;
    }

    /// Adds so many bits, at most 64, the lowest first; those above are not set.
    pub fn push_word(&mut self, bits: u64, count: usize) {
        let shift = self.len % 64;
        match self.words.last_mut() {
            Some(last) if shift > 0 => {
                *last |= bits << shift;
                if shift + count > 64 {
                    self.words.push(bits >> (64 - shift));
                }
            }
            _ if count > 0 => self.words.push(bits),
            _ => {}
        }
        self.len += count;
    }

    /// The bit of this row.
    #[inline]
    pub fn get(&self, row: usize) -> bool {
        self.words[row / 64] >> (row % 64) & 1 == 1
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All bits in order.
    pub fn iter(&self) -> impl Iterator<Item = bool> + '_ {
        (0..self.len).map(|row| self.get(row))
    }

    /// Whether every bit is set.
    pub fn all(&self) -> bool {
        self.unset() == 0
    }

    /// How many bits are not set.
    pub fn unset(&self) -> usize {
        self.len - self.words.iter().map(|word| word.count_ones() as usize).sum::<usize>()
    }

    /// The rows whose bits are set.
    pub fn rows(&self) -> Vec<u32> {
        let mut rows = Vec::with_capacity(self.len - self.unset());
        for (first, &word) in (0u32..).step_by(64).zip(&self.words) {
            let mut left = word;
            while left != 0 {
                rows.push(first + left.trailing_zeros());
                left &= left - 1;
            }
        }
        rows
    }

    /// Eight rows a byte, the first in the lowest bit.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Adds the rows of another.
    pub fn append(&mut self, other: &Bits) {
        let shift = self.len % 64;
        self.len += other.len;
        if shift == 0 {
            self.words.extend_from_slice(&other.words);
            return;
        }
        // The bits behind the last are never set.
        for &word in &other.words {
            if let Some(last) = self.words.last_mut() {
                *last |= word << shift;
            }
            self.words.push(word >> (64 - shift));
        }
        self.words.truncate(self.len.div_ceil(64));
    }

    /// A bit for each of these.
    pub fn of(bits: &[bool]) -> Bits {
        Bits::by(bits, |bit| *bit)
    }

    /// A bit for each of these values.
    pub fn by<T>(values: &[T], bit: impl Fn(&T) -> bool) -> Bits {
        let (blocks, rest) = values.as_chunks::<64>();
        // First as bytes, which vector instructions make.
        let bits = |block: &[T; 64]| std::array::from_fn(|at| bit(&block[at]));
        let mut all =
            Bits { words: blocks.iter().map(|block| word(&bits(block))).collect(), len: blocks.len() * 64 };
        rest.iter().for_each(|value| all.push(bit(value)));
        all
    }

    /// So many bits from bytes that [`Bits::to_bytes`] made.
    pub fn from_bytes(bytes: &[u8], len: usize) -> Bits {
        let words = bytes.as_chunks().0.iter().map(|&word| u64::from_le_bytes(word));
        Bits { words: words.take(len.div_ceil(64)).collect(), len }
    }

    /// So many bits, all set.
    pub fn ones(len: usize) -> Bits {
        let mut words = vec![u64::MAX; len.div_ceil(64)];
        if let (Some(last), 1..) = (words.last_mut(), len % 64) {
            *last = (1 << (len % 64)) - 1;
        }
        Bits { words, len }
    }
}

/// The bits of these, the first in the lowest.
fn word(bits: &[bool; 64]) -> u64 {
    // Eight at a time: the product brings the lowest bit of each byte into the highest byte.
    let byte = |eight: &[bool; 8]| {
        let bytes = u64::from_le_bytes(eight.map(u8::from));
        (bytes.wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8
    };
    let (bytes, _) = bits.as_chunks::<8>();
    u64::from_le_bytes(std::array::from_fn(|at| byte(&bytes[at])))
}

impl FromIterator<bool> for Bits {
    fn from_iter<I: IntoIterator<Item = bool>>(bits: I) -> Self {
        let bits = bits.into_iter();
        let mut words = Vec::with_capacity(bits.size_hint().0.div_ceil(64));
        let (mut word, mut count) = (0, 0);
        bits.for_each(|bit| {
            word |= u64::from(bit) << count;
            count += 1;
            if count == 64 {
                words.push(word);
                (word, count) = (0, 0);
            }
        });
        let len = words.len() * 64 + count;
        words.extend((count > 0).then_some(word));
        Bits { words, len }
    }
}

/// Leaves only the bits that are set in both, which have as many rows.
impl BitAndAssign<&Bits> for Bits {
    fn bitand_assign(&mut self, other: &Bits) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word &= other);
    }
}

/// Sets the bits of the other, too, which has as many rows.
impl BitOrAssign<&Bits> for Bits {
    fn bitor_assign(&mut self, other: &Bits) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word |= other);
    }
}

/// The bits that are not set.
impl Not for Bits {
    type Output = Bits;

    fn not(mut self) -> Bits {
        let len = self.len;
        self.words.iter_mut().for_each(|word| *word = !*word);
        self &= &Bits::ones(len);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_append_at_every_alignment() {
        for first in 0..130 {
            let a: Bits = (0..first).map(|i| i % 3 == 0).collect();
            let b: Bits = (0..70).map(|i| i % 5 == 0).collect();
            let mut both = a.clone();
            both.append(&b);
            both.push(true);
            let mut by_words = a.clone();
            by_words.push_word(0, 0);
            by_words.push_word(b.words[0], 64);
            by_words.push_word(b.words[1], 6);
            by_words.push_word(1, 1);
            assert_eq!(by_words, both);
            assert_eq!(Bits::ones(first), (0..first).map(|_| true).collect());
            assert_eq!(Bits::of(&a.iter().collect::<Vec<bool>>()), a);
            let expected: Vec<bool> = a.iter().chain(b.iter()).chain([true]).collect();
            assert_eq!(both.iter().collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn bits_are_combined_row_by_row() {
        for len in [0, 1, 63, 64, 65, 200] {
            let of = |bit: fn(usize) -> bool| -> Bits { (0..len).map(bit).collect() };
            let (a, b) = (of(|row| row % 3 == 0), of(|row| row % 5 < 2));
            let (mut both, mut either) = (a.clone(), a.clone());
            both &= &b;
            either |= &b;
            assert_eq!(both, of(|row| row % 15 == 0 || row % 15 == 6));
            assert_eq!(either, of(|row| row % 3 == 0 || row % 5 < 2));
            assert_eq!(!a.clone(), of(|row| row % 3 > 0));
            let rows: Vec<u32> = (0..len as u32).filter(|row| row % 5 < 2).collect();
            assert_eq!(b.rows(), rows);
        }
    }
}
