//! Where a JSON string can end: at a quote, a backslash or a control character. Found 32 bytes at a time, for a walk that
//! goes from string to string, and as marks, one bit a byte, for a walk that may stop anywhere (the first stage of Langdale
//! & Lemire, *Parsing Gigabytes of JSON per Second*, VLDB Journal 2019, cut down to what a checked walk needs). Knows no
//! JSON grammar.
//!
//! It has `unsafe`: vector instructions, chosen at run time by what the processor has.
#![allow(unsafe_code)]

use std::ops::Range;

/// Bytes that one word of the marks covers.
pub const BLOCK: usize = 64;

/// How many bytes are looked at at a time.
pub const WINDOW: usize = 32;

/// What marks say of a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    /// One word for each 64 bytes; bit i of word w is set where byte 64·(first + w) + i is `"`, `\` or below 0x20.
    bits: Vec<u64>,
    first: usize,
}

impl Marks {
    /// The first quote, backslash or control character at or behind `from`, which must be within what was marked, as must
    /// be a stop behind it.
    #[inline(always)]
    pub fn next_stop(&self, from: usize) -> usize {
        let mut word = from / BLOCK - self.first;
        let mut bits = self.bits[word] & (u64::MAX << (from % BLOCK));
        while bits == 0 {
            word += 1;
            bits = self.bits[word];
        }
        (self.first + word) * BLOCK + bits.trailing_zeros() as usize
    }
}

/// How 32 bytes are looked at on this processor. There is none but those that it can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel(Instructions);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Instructions {
    /// All at once (AVX2, BMI1 and BMI2).
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// As any processor of the architecture can.
    Portable,
}

/// Something to be done with 32 bytes at a time.
pub trait Task {
    /// What comes of it.
    type Output;

    /// Does it. It must be inlined always, and all that it calls with `W`: vector instructions are fast within the function
    /// only that was compiled for them.
    fn run<W: Windows>(self) -> Self::Output;
}

impl Kernel {
    /// Every kernel that this processor can run, best first; the last is always `Portable`.
    pub fn available() -> Vec<Kernel> {
        let mut kernels = Vec::new();
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
        {
            kernels.push(Kernel(Instructions::Avx2));
        }
        kernels.push(Kernel(Instructions::Portable));
        kernels
    }

    /// The fastest kernel that this processor can run.
    pub fn best() -> Kernel {
        Kernel::available()[0]
    }

    /// Does something with the fastest instructions that this kernel has.
    #[inline]
    pub fn run<T: Task>(self, task: T) -> T::Output {
        match self.0 {
            // SAFETY: a kernel is only ever made by `available`, which asked the processor.
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => unsafe { run_avx2(task) },
            Instructions::Portable => task.run::<Portable>(),
        }
    }

    /// Marks these bytes, and those around them up to the next multiples of 64, in place of what was in `marks`.
    ///
    /// # Panics
    /// If the length of `bytes` is no multiple of 64, as [`pad`] makes it.
    pub fn mark(self, bytes: &[u8], range: Range<usize>, marks: &mut Marks) {
        assert!(bytes.len().is_multiple_of(BLOCK), "the caller pads to whole blocks");
        let blocks = range.start / BLOCK..range.end.div_ceil(BLOCK);
        marks.first = blocks.start;
        marks.bits.clear();
        let bytes = &bytes[blocks.start * BLOCK..blocks.end * BLOCK];
        self.run(Mark { bytes, bits: &mut marks.bits });
    }
}

/// # Safety
/// The processor must have AVX2, BMI1 and BMI2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2")]
unsafe fn run_avx2<T: Task>(task: T) -> T::Output {
    task.run::<Avx2>()
}

struct Mark<'a> {
    bytes: &'a [u8],
    bits: &'a mut Vec<u64>,
}

impl Task for Mark<'_> {
    type Output = ();

    #[inline(always)]
    fn run<W: Windows>(self) {
        let (windows, _) = self.bytes.as_chunks::<WINDOW>();
        let (pairs, _) = windows.as_chunks::<2>();
        let stops = |window: &[u8; WINDOW]| u64::from(W::look(window).stops);
        self.bits.extend(pairs.iter().map(|[low, high]| stops(low) | stops(high) << WINDOW));
    }
}

/// What there is in 32 bytes, a bit a byte, the first in the lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// `"`, `\` and what is below 0x20.
    pub stops: u32,
    /// What is above 0x7f.
    pub above_ascii: u32,
}

/// Looks at 32 bytes at a time.
pub trait Windows {
    /// Where a string can end, and what is not ASCII.
    fn look(window: &[u8; WINDOW]) -> Look;
    /// Which bytes are the same in both, a bit a byte.
    fn equal(a: &[u8; WINDOW], b: &[u8; WINDOW]) -> u32;
    /// Which bytes are digits and which are dots, a bit a byte each.
    fn digits_and_dots(window: &[u8; WINDOW]) -> [u32; 2];
}

/// As any processor of the architecture can.
pub struct Portable;

/// With AVX2. Private, so that nobody calls it but by way of [`Kernel::run`].
#[cfg(target_arch = "x86_64")]
struct Avx2;

#[cfg(target_arch = "x86_64")]
impl Windows for Avx2 {
    #[inline(always)]
    fn look(window: &[u8; WINDOW]) -> Look {
        use std::arch::x86_64::*;
        // SAFETY: 32 bytes, and the load needs no alignment; only `run_avx2` names this type, whose caller has AVX2.
        unsafe {
            let bytes = _mm256_loadu_si256(window.as_ptr().cast());
            let quote = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'"' as i8));
            let backslash = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'\\' as i8));
            let control = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1f)), bytes);
            let stops = _mm256_or_si256(_mm256_or_si256(quote, backslash), control);
            Look {
                stops: _mm256_movemask_epi8(stops) as u32,
                above_ascii: _mm256_movemask_epi8(bytes) as u32,
            }
        }
    }

    #[inline(always)]
    fn equal(a: &[u8; WINDOW], b: &[u8; WINDOW]) -> u32 {
        use std::arch::x86_64::*;
        // SAFETY: as above.
        unsafe {
            let (a, b) = (_mm256_loadu_si256(a.as_ptr().cast()), _mm256_loadu_si256(b.as_ptr().cast()));
            _mm256_movemask_epi8(_mm256_cmpeq_epi8(a, b)) as u32
        }
    }

    #[inline(always)]
    fn digits_and_dots(window: &[u8; WINDOW]) -> [u32; 2] {
        use std::arch::x86_64::*;
        // SAFETY: as above.
        unsafe {
            let bytes = _mm256_loadu_si256(window.as_ptr().cast());
            let value = _mm256_sub_epi8(bytes, _mm256_set1_epi8(b'0' as i8));
            let digits = _mm256_cmpeq_epi8(_mm256_min_epu8(value, _mm256_set1_epi8(9)), value);
            let dots = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'.' as i8));
            [digits, dots].map(|which| _mm256_movemask_epi8(which) as u32)
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl Windows for Portable {
    #[inline(always)]
    fn look(window: &[u8; WINDOW]) -> Look {
        use std::arch::x86_64::*;
        let half = |half: usize| {
            // SAFETY: 16 bytes from 0 or 16; every x86-64 processor has SSE2, and the load needs no alignment.
            unsafe {
                let bytes = _mm_loadu_si128(window.as_ptr().add(half).cast());
                let quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'"' as i8));
                let backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\\' as i8));
                let control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
                let stops = _mm_or_si128(_mm_or_si128(quote, backslash), control);
                [_mm_movemask_epi8(stops) as u32, _mm_movemask_epi8(bytes) as u32]
            }
        };
        let ([low, low_above], [high, high_above]) = (half(0), half(16));
        Look { stops: low | high << 16, above_ascii: low_above | high_above << 16 }
    }

    #[inline(always)]
    fn equal(a: &[u8; WINDOW], b: &[u8; WINDOW]) -> u32 {
        use std::arch::x86_64::*;
        let half = |half: usize| {
            // SAFETY: as above.
            unsafe {
                let (a, b) = (a.as_ptr().add(half).cast(), b.as_ptr().add(half).cast());
                _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128(a), _mm_loadu_si128(b))) as u32
            }
        };
        half(0) | half(16) << 16
    }

    #[inline(always)]
    fn digits_and_dots(window: &[u8; WINDOW]) -> [u32; 2] {
        use std::arch::x86_64::*;
        let half = |half: usize| {
            // SAFETY: as above.
            unsafe {
                let bytes = _mm_loadu_si128(window.as_ptr().add(half).cast());
                let value = _mm_sub_epi8(bytes, _mm_set1_epi8(b'0' as i8));
                let digits = _mm_cmpeq_epi8(_mm_min_epu8(value, _mm_set1_epi8(9)), value);
                let dots = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'.' as i8));
                [_mm_movemask_epi8(digits) as u32, _mm_movemask_epi8(dots) as u32]
            }
        };
        let ([low, low_dots], [high, high_dots]) = (half(0), half(16));
        [low | high << 16, low_dots | high_dots << 16]
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl Windows for Portable {
    fn look(window: &[u8; WINDOW]) -> Look {
        let stops = bits(window, |byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
        Look { stops, above_ascii: bits(window, |byte| byte > 0x7f) }
    }

    fn equal(a: &[u8; WINDOW], b: &[u8; WINDOW]) -> u32 {
        a.iter().zip(b).enumerate().fold(0, |bits, (at, (a, b))| bits | u32::from(a == b) << at)
    }

    fn digits_and_dots(window: &[u8; WINDOW]) -> [u32; 2] {
        [bits(window, |byte| byte.is_ascii_digit()), bits(window, |byte| byte == b'.')]
    }
}

/// A bit for each byte: whether it is one of those.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn bits(window: &[u8; WINDOW], those: impl Fn(u8) -> bool) -> u32 {
    window.iter().enumerate().fold(0, |bits, (at, &byte)| bits | u32::from(those(byte)) << at)
}

/// Appends newlines up to a whole block, at least half of one: every search for a stop ends there, and so does every
/// look at the 32 bytes behind a place.
pub fn pad(bytes: &mut Vec<u8>) {
    let padded = (bytes.len() + BLOCK / 2).next_multiple_of(BLOCK);
    bytes.resize(padded, b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte value at every place of a window, in some order.
    fn some_bytes() -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..1u32 << 16).map(|i| (i.wrapping_mul(2654435761) >> 13) as u8).collect();
        for at in 0..WINDOW {
            bytes.extend(std::iter::repeat_n(b'x', at));
            bytes.extend(0..=255);
        }
        pad(&mut bytes);
        bytes
    }

    struct LookAt<'a>(&'a [u8; WINDOW], &'a [u8; WINDOW]);

    impl Task for LookAt<'_> {
        type Output = (Look, u32, [u32; 2]);

        #[inline(always)]
        fn run<W: Windows>(self) -> Self::Output {
            (W::look(self.0), W::equal(self.0, self.1), W::digits_and_dots(self.0))
        }
    }

    #[test]
    fn every_kernel_sees_every_byte_value_at_every_place() {
        let bytes = some_bytes();
        let (windows, _) = bytes.as_chunks::<WINDOW>();
        for (window, other) in windows.iter().zip(&windows[1..]) {
            let stops = bits(window, |byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
            let look = Look { stops, above_ascii: bits(window, |byte| byte > 0x7f) };
            let equal = (0..WINDOW).fold(0, |bits, at| bits | u32::from(window[at] == other[at]) << at);
            let digits = bits(window, |byte| byte.is_ascii_digit());
            let expected = (look, equal, [digits, bits(window, |byte| byte == b'.')]);
            for kernel in Kernel::available() {
                assert_eq!(kernel.run(LookAt(window, other)), expected, "{kernel:?} {window:?}");
            }
        }
    }

    #[test]
    fn every_kernel_marks_every_part() {
        let bytes = some_bytes();
        let is_stop = |at: &usize| matches!(bytes[*at], b'"' | b'\\' | 0..=0x1f);
        for kernel in Kernel::available() {
            let mut marks = Marks { bits: vec![7], first: 7 };
            for begin in (0..bytes.len()).step_by(977) {
                let Some(last) = (begin..bytes.len()).filter(is_stop).nth(9) else { continue };
                kernel.mark(&bytes, begin..last + 1, &mut marks);
                let mut at = begin;
                let expected: Vec<usize> = (begin..=last).filter(is_stop).collect();
                let found = expected.iter().map(|_| {
                    let stop = marks.next_stop(at);
                    at = stop + 1;
                    stop
                });
                assert_eq!(found.collect::<Vec<_>>(), expected, "{kernel:?} {begin}");
            }
        }
    }
}
