//! Marks, 64 bytes at a time, where a JSON string can end: at a quote, a backslash or a control character. One bit
//! a byte, so that the walker finds the end of a string by counting zeros instead of looking at every byte; and the
//! places of the bits in a row, so that the quick walk knows where the next strings are before it is there. The
//! first stage of Langdale & Lemire, *Parsing Gigabytes of JSON per Second* (VLDB Journal 2019), cut down to what a
//! checked walk needs. Knows no JSON grammar.
//!
//! The one file of the library with `unsafe`: vector instructions, chosen at run time by what the processor has.
#![allow(unsafe_code)]

/// Bytes that one word of the marks covers.
pub const BLOCK: usize = 64;

/// What a kernel found in a buffer.
#[derive(Debug, Default)]
pub struct Marks {
    /// One word for each 64 bytes; bit i of word w is set where byte 64·w + i is `"`, `\` or below 0x20.
    pub bits: Vec<u64>,
    /// The places of these bytes, in order.
    pub places: Vec<u32>,
    /// Whether no byte is above 0x7f.
    pub is_ascii: bool,
}

/// How the marks are made on this processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// 64 bytes an instruction (AVX-512 BW and VBMI2).
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// 32 bytes an instruction (AVX2, BMI1 and POPCNT).
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Plain Rust, on any processor.
    Portable,
}

impl Kernel {
    /// Every kernel that this processor can run, best first; the last is always `Portable`.
    pub fn available() -> Vec<Kernel> {
        let mut kernels = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vbmi2")
                && is_x86_feature_detected!("popcnt")
            {
                kernels.push(Kernel::Avx512);
            }
            if is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("popcnt")
            {
                kernels.push(Kernel::Avx2);
            }
        }
        kernels.push(Kernel::Portable);
        kernels
    }

    /// The fastest kernel that this processor can run.
    pub fn best() -> Kernel {
        Kernel::available()[0]
    }

    /// Marks these bytes, in place of what was in `marks`.
    ///
    /// # Panics
    /// If the length of `bytes` is no multiple of 64, as [`pad`] makes it, or is 4 GiB or more.
    pub fn mark(self, bytes: &[u8], marks: &mut Marks) {
        assert!(bytes.len().is_multiple_of(BLOCK), "the caller pads to whole blocks");
        assert!(u32::try_from(bytes.len()).is_ok(), "a place has 32 bits");
        let Marks { bits, places, is_ascii } = marks;
        bits.clear();
        bits.reserve(bytes.len() / BLOCK);
        places.clear();
        // Some words write more places than they have, and the next ones write over those.
        places.reserve(bytes.len() + BLOCK);
        *is_ascii = match self {
            // SAFETY: a kernel is only ever made by `available`, which asked the processor; there is room for a place a
            // byte and a block more.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => unsafe { mark_avx512(bytes, bits, places) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => unsafe { mark_avx2(bytes, bits, places) },
            Kernel::Portable => mark_portable(bytes, bits, places),
        }
    }
}

/// Appends newlines up to a whole block, at least half of one: every search for a mark ends there, and so does every
/// look at the 32 bytes behind a place.
pub fn pad(bytes: &mut Vec<u8>) {
    let padded = (bytes.len() + BLOCK / 2).next_multiple_of(BLOCK);
    bytes.resize(padded, b'\n');
}

/// How many bytes are compared at a time.
pub const WINDOW: usize = 32;

/// A bit for each byte: whether it is the same in both.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn equal_bytes(a: &[u8; WINDOW], b: &[u8; WINDOW]) -> u32 {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8};
    let equal = |half: usize| {
        // SAFETY: 16 bytes from 0 or 16; every x86-64 processor has SSE2, and the loads need no alignment.
        unsafe {
            let (a, b) = (a.as_ptr().add(half).cast(), b.as_ptr().add(half).cast());
            _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128(a), _mm_loadu_si128(b))) as u32
        }
    };
    equal(0) | equal(16) << 16
}

/// A bit for each byte: whether it is the same in both.
#[cfg(not(target_arch = "x86_64"))]
pub fn equal_bytes(a: &[u8; WINDOW], b: &[u8; WINDOW]) -> u32 {
    a.iter().zip(b).enumerate().fold(0, |bits, (at, (a, b))| bits | u32::from(a == b) << at)
}

fn mark_portable(bytes: &[u8], bits: &mut Vec<u64>, places: &mut Vec<u32>) -> bool {
    for (at, block) in bytes.chunks_exact(BLOCK).enumerate() {
        let mut word = 0;
        for (at, &byte) in block.iter().enumerate() {
            word |= u64::from(byte == b'"' || byte == b'\\' || byte < 0x20) << at;
        }
        bits.push(word);
        while word != 0 {
            places.push((at * BLOCK) as u32 + word.trailing_zeros());
            word &= word - 1;
        }
    }
    bytes.is_ascii()
}

/// # Safety
/// `places` must have room for a place a byte and a block more.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512bw,avx512vbmi2,popcnt")]
unsafe fn mark_avx512(bytes: &[u8], bits: &mut Vec<u64>, places: &mut Vec<u32>) -> bool {
    use std::arch::x86_64::*;
    let quote = _mm512_set1_epi8(b'"' as i8);
    let backslash = _mm512_set1_epi8(b'\\' as i8);
    let space = _mm512_set1_epi8(0x20);
    let counting: [u8; BLOCK] = std::array::from_fn(|at| at as u8);
    // SAFETY: 64 bytes.
    let counting = unsafe { _mm512_loadu_si512(counting.as_ptr().cast()) };
    let mut high = 0;
    let mut count = 0;
    let mut base = _mm512_setzero_si512();
    for block in bytes.chunks_exact(BLOCK) {
        // SAFETY: `block` is 64 bytes long, and the load needs no alignment.
        let block = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
        let word = _mm512_cmpeq_epi8_mask(block, quote)
            | _mm512_cmpeq_epi8_mask(block, backslash)
            | _mm512_cmplt_epu8_mask(block, space);
        high |= _mm512_movepi8_mask(block);
        bits.push(word);
        let mut found = _mm512_maskz_compress_epi8(word, counting);
        let mut written = 0;
        let stops = word.count_ones() as usize;
        loop {
            let sixteen = _mm512_add_epi32(base, _mm512_cvtepu8_epi32(_mm512_castsi512_si128(found)));
            // SAFETY: within the room for a block behind the places of the blocks before.
            unsafe { _mm512_storeu_si512(places.as_mut_ptr().add(count + written).cast(), sixteen) };
            written += 16;
            if written >= stops {
                break;
            }
            found = _mm512_alignr_epi64::<2>(_mm512_setzero_si512(), found);
        }
        count += stops;
        base = _mm512_add_epi32(base, _mm512_set1_epi32(BLOCK as i32));
    }
    // SAFETY: so many were written.
    unsafe { places.set_len(count) };
    high == 0
}

/// For each byte, which of its bits are set, in order.
#[cfg(target_arch = "x86_64")]
static BITS_OF: [[u8; 8]; 256] = {
    let mut table = [[0; 8]; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut bit, mut count) = (0, 0);
        while bit < 8 {
            if byte >> bit & 1 == 1 {
                table[byte][count] = bit as u8;
                count += 1;
            }
            bit += 1;
        }
        byte += 1;
    }
    table
};

/// # Safety
/// `places` must have room for a place a byte and a block more.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,popcnt")]
unsafe fn mark_avx2(bytes: &[u8], bits: &mut Vec<u64>, places: &mut Vec<u32>) -> bool {
    use std::arch::x86_64::*;
    let quote = _mm256_set1_epi8(b'"' as i8);
    let backslash = _mm256_set1_epi8(b'\\' as i8);
    let highest_control = _mm256_set1_epi8(0x1f);
    let mut all = _mm256_setzero_si256();
    let mut count = 0;
    for (at, block) in bytes.chunks_exact(BLOCK).enumerate() {
        // SAFETY: both halves lie within the 64 bytes of `block`; the loads need no alignment.
        let halves = unsafe {
            [_mm256_loadu_si256(block.as_ptr().cast()), _mm256_loadu_si256(block.as_ptr().add(32).cast())]
        };
        let [low, high] = halves.map(|half| {
            let stop = _mm256_or_si256(
                _mm256_or_si256(_mm256_cmpeq_epi8(half, quote), _mm256_cmpeq_epi8(half, backslash)),
                _mm256_cmpeq_epi8(_mm256_min_epu8(half, highest_control), half),
            );
            u64::from(_mm256_movemask_epi8(stop) as u32)
        });
        all = _mm256_or_si256(all, _mm256_or_si256(halves[0], halves[1]));
        let word = low | high << 32;
        bits.push(word);
        for (eighth, byte) in word.to_le_bytes().into_iter().enumerate() {
            // SAFETY: 8 bytes to read; to write, 32 within the room for a block behind the places of the blocks before.
            unsafe {
                let within = _mm_loadl_epi64(BITS_OF[usize::from(byte)].as_ptr().cast());
                let base = _mm256_set1_epi32((at * BLOCK + eighth * 8) as i32);
                let eight = _mm256_add_epi32(base, _mm256_cvtepu8_epi32(within));
                _mm256_storeu_si256(places.as_mut_ptr().add(count).cast(), eight);
            }
            count += byte.count_ones() as usize;
        }
    }
    // SAFETY: so many were written.
    unsafe { places.set_len(count) };
    _mm256_movemask_epi8(all) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_marks_every_byte_value_at_every_place() {
        let mut bytes: Vec<u8> = (0..4096u32).map(|i| (i.wrapping_mul(2654435761) >> 13) as u8).collect();
        bytes.extend(0..=255);
        pad(&mut bytes);
        let mut expected = Vec::new();
        for block in bytes.chunks(BLOCK) {
            expected.push(block.iter().enumerate().fold(0u64, |word, (at, byte)| {
                word | u64::from(matches!(byte, b'"' | b'\\' | 0..=0x1f)) << at
            }));
        }
        let places: Vec<u32> = (0..bytes.len() as u32)
            .filter(|&at| expected[at as usize / BLOCK] >> (at as usize % BLOCK) & 1 == 1)
            .collect();
        for kernel in Kernel::available() {
            let mut marks = Marks { bits: vec![7], places: vec![7], is_ascii: true };
            kernel.mark(&bytes, &mut marks);
            assert_eq!(marks.bits, expected, "{kernel:?}");
            assert_eq!(marks.places, places, "{kernel:?}");
            assert!(!marks.is_ascii, "{kernel:?}");
        }
    }

    #[test]
    fn every_kernel_sees_the_one_byte_that_is_not_ascii() {
        for at in 0..128 {
            let mut bytes = vec![b'\n'; 128];
            for kernel in Kernel::available() {
                let mut marks = Marks::default();
                kernel.mark(&bytes, &mut marks);
                assert!(marks.is_ascii, "{kernel:?}");
                assert_eq!(marks.places.len(), 128, "{kernel:?}");
                bytes[at] = 0x80;
                kernel.mark(&bytes, &mut marks);
                assert!(!marks.is_ascii, "{kernel:?} at {at}");
                bytes[at] = b'\n';
            }
        }
    }
}
