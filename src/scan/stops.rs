//! Marks, 64 bytes at a time, where a JSON string can end: at a quote, a backslash or a control character.
//! One bit a byte, so that the walker finds the end of a string by counting zeros instead of looking at
//! every byte. The first stage of Langdale & Lemire, *Parsing Gigabytes of JSON per Second* (VLDB Journal
//! 2019), cut down to what a checked walk needs. Knows no JSON grammar.
//!
//! The one file with `unsafe`: vector instructions, chosen at run time by what the processor has.
#![allow(unsafe_code)]

/// Bytes that one word of the marks covers.
pub const BLOCK: usize = 64;

/// How the marks are made on this processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// 64 bytes an instruction (AVX-512BW).
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// 32 bytes an instruction (AVX2).
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
            if is_x86_feature_detected!("avx512bw") {
                kernels.push(Kernel::Avx512);
            }
            if is_x86_feature_detected!("avx2") {
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

    /// Replaces `marks` by one word for each 64 bytes of `bytes`; bit i of word w is set where byte
    /// 64·w + i is `"`, `\` or below 0x20.
    ///
    /// # Panics
    /// If the length of `bytes` is no multiple of 64: [`pad`] it first.
    pub fn mark(self, bytes: &[u8], marks: &mut Vec<u64>) {
        assert!(bytes.len().is_multiple_of(BLOCK), "the caller pads to whole blocks");
        marks.clear();
        marks.reserve(bytes.len() / BLOCK);
        match self {
            // SAFETY: a kernel is only ever made by `available`, which asked the processor.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => unsafe { mark_avx512(bytes, marks) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => unsafe { mark_avx2(bytes, marks) },
            Kernel::Portable => mark_portable(bytes, marks),
        }
    }
}

/// Appends newlines up to a whole block, at least one, so that every search for a mark ends.
pub fn pad(bytes: &mut Vec<u8>) {
    let padded = (bytes.len() / BLOCK + 1) * BLOCK;
    bytes.resize(padded, b'\n');
}

fn mark_portable(bytes: &[u8], marks: &mut Vec<u64>) {
    for block in bytes.chunks_exact(BLOCK) {
        let mut word = 0;
        for (at, &byte) in block.iter().enumerate() {
            word |= u64::from(byte == b'"' || byte == b'\\' || byte < 0x20) << at;
        }
        marks.push(word);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512bw")]
unsafe fn mark_avx512(bytes: &[u8], marks: &mut Vec<u64>) {
    use std::arch::x86_64::*;
    let quote = _mm512_set1_epi8(b'"' as i8);
    let backslash = _mm512_set1_epi8(b'\\' as i8);
    let space = _mm512_set1_epi8(0x20);
    for block in bytes.chunks_exact(BLOCK) {
        // SAFETY: `block` is 64 bytes long, and the load needs no alignment.
        let block = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
        marks.push(
            _mm512_cmpeq_epi8_mask(block, quote)
                | _mm512_cmpeq_epi8_mask(block, backslash)
                | _mm512_cmplt_epu8_mask(block, space),
        );
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn mark_avx2(bytes: &[u8], marks: &mut Vec<u64>) {
    use std::arch::x86_64::*;
    let quote = _mm256_set1_epi8(b'"' as i8);
    let backslash = _mm256_set1_epi8(b'\\' as i8);
    let highest_control = _mm256_set1_epi8(0x1f);
    marks.extend(bytes.chunks_exact(BLOCK).map(|block| {
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
        low | high << 32
    }));
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
        for kernel in Kernel::available() {
            let mut marks = vec![7];
            kernel.mark(&bytes, &mut marks);
            assert_eq!(marks, expected, "{kernel:?}");
        }
    }
}
