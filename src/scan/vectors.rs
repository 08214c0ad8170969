//! Vector instructions of newer processors (AVX-512 with VBMI and VBMI2, and GFNI), and what the compiler cannot check where
//! they are used: that the processor has them, and what is taken from memory and put there at computed places. All such
//! places are brought into their buffers here, so that nothing else has to be relied on.
#![allow(unsafe_code)]

use super::{base64, inflate};
use std::arch::x86_64::*;
use std::ops::Range;

/// 64 bytes, or eight numbers.
pub type Vector = __m512i;

/// That the processor has the instructions.
#[derive(Clone, Copy)]
pub struct Available(());

impl Available {
    /// Whether it has.
    pub fn new() -> Option<Available> {
        let all = is_x86_feature_detected!("avx512vbmi")
            && is_x86_feature_detected!("avx512vbmi2")
            && is_x86_feature_detected!("gfni")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("popcnt");
        all.then_some(Available(()))
    }

    /// See [`inflate::vectors::Lanes::inflate`].
    pub fn inflate(self, lanes: &mut inflate::vectors::Lanes, packed: &[u8], streams: &[Range<usize>]) {
        // SAFETY: `new` has found the instructions. So it has below.
        unsafe { lanes.inflate(packed, streams) }
    }

    /// See [`base64::decode_by_vectors`].
    pub fn decode(self, text: &[u8], out: &mut Vec<u8>) -> bool {
        // SAFETY: as above.
        unsafe { base64::decode_by_vectors(text, out) }
    }
}

/// The lowest bits of each number.
#[inline]
#[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
pub fn low(numbers: Vector, bits: u32) -> Vector {
    _mm512_and_si512(numbers, _mm512_set1_epi64((1 << bits) - 1))
}

/// The bits of each byte the other way round (a product with a matrix of bits).
#[inline]
#[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
pub fn bits_reversed(bytes: Vector) -> Vector {
    _mm512_gf2p8affine_epi64_epi8::<0>(bytes, _mm512_set1_epi64(0x8040_2010_0804_0201_u64 as i64))
}

/// The entries for the first bits of these lanes' words, each of the lane's own table. Behind an entry's bits are others'.
#[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
#[inline]
pub fn item<const BITS: u32, const ENTRIES: usize, const LANES: usize>(
    tables: &[[u16; ENTRIES]; LANES],
    v: usize,
    words: Vector,
) -> Vector {
    const { assert!((1 << BITS) + 3 <= ENTRIES) };
    let places = entries::<BITS, ENTRIES, LANES>(v, words);
    // SAFETY: an entry below 2^BITS of a lane's table, and three behind it.
    unsafe { _mm512_i64gather_epi64::<2>(places, tables.as_ptr().cast()) }
}

/// As [`item`], of tables of wider entries.
#[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
#[inline]
pub fn entry<const BITS: u32, const ENTRIES: usize, const LANES: usize>(
    tables: &[[u32; ENTRIES]; LANES],
    v: usize,
    words: Vector,
) -> Vector {
    const { assert!((1 << BITS) < ENTRIES) };
    let places = entries::<BITS, ENTRIES, LANES>(v, words);
    // SAFETY: an entry below 2^BITS of a lane's table, and one behind it.
    unsafe { _mm512_i64gather_epi64::<4>(places, tables.as_ptr().cast()) }
}

/// The places of the entries for the first bits of words among the entries of all lanes' tables.
#[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
#[inline]
fn entries<const BITS: u32, const ENTRIES: usize, const LANES: usize>(v: usize, words: Vector) -> Vector {
    let entry = _mm512_srlv_epi64(words, _mm512_set1_epi64(i64::from(64 - BITS)));
    _mm512_add_epi64(entry, begins::<LANES>(v, ENTRIES))
}

/// Eight bytes from each of these places on.
#[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
#[inline]
pub fn eight_bytes(bytes: &[u8], places: Vector) -> Vector {
    let Some(last) = bytes.len().checked_sub(8) else { return _mm512_setzero_si512() };
    let places = _mm512_min_epu64(places, _mm512_set1_epi64(last as i64));
    // SAFETY: places at most eight before the end.
    unsafe { _mm512_i64gather_epi64::<1>(places, bytes.as_ptr().cast()) }
}

/// Eight bytes of some lanes' own buffers, from each one's place on.
#[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
#[inline]
pub fn take<const SIZE: usize, const LANES: usize>(
    buffers: &[[u8; SIZE]; LANES],
    v: usize,
    lanes: u8,
    places: Vector,
) -> Vector {
    let (places, zero) = (within::<SIZE, LANES>(v, places), _mm512_setzero_si512());
    // SAFETY: places at most eight before the end of a lane's buffer.
    unsafe { _mm512_mask_i64gather_epi64::<1>(zero, lanes, places, buffers.as_ptr().cast()) }
}

/// Puts eight bytes into some lanes' own buffers, from each one's place on.
#[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
#[inline]
pub fn put<const SIZE: usize, const LANES: usize>(
    buffers: &mut [[u8; SIZE]; LANES],
    v: usize,
    lanes: u8,
    places: Vector,
    bytes: Vector,
) {
    let places = within::<SIZE, LANES>(v, places);
    // SAFETY: places at most eight before the end of a lane's buffer.
    unsafe { _mm512_mask_i64scatter_epi64::<1>(buffers.as_mut_ptr().cast(), lanes, places, bytes) };
}

/// Places of lanes' buffers as places of all buffers together, the last ones eight before the end.
#[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
#[inline]
fn within<const SIZE: usize, const LANES: usize>(v: usize, places: Vector) -> Vector {
    const { assert!(SIZE >= 8) };
    _mm512_add_epi64(_mm512_min_epu64(places, _mm512_set1_epi64(SIZE as i64 - 8)), begins::<LANES>(v, SIZE))
}

/// Where the buffers of this vector's lanes begin among all of them if each is so long.
#[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
#[inline]
fn begins<const LANES: usize>(v: usize, size: usize) -> Vector {
    assert!(v < LANES / 8);
    numbers_of(&std::array::from_fn(|lane| ((8 * v + lane) * size) as u64))
}

/// Eight numbers, one a lane.
#[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
#[inline]
pub fn numbers_of(numbers: &[u64; 8]) -> Vector {
    // SAFETY: 64 bytes; the load needs no alignment. So it is below.
    unsafe { _mm512_loadu_si512(numbers.as_ptr().cast()) }
}

/// The numbers of a vector.
#[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
#[inline]
pub fn to_numbers(vector: Vector) -> [u64; 8] {
    let mut numbers = [0; 8];
    // SAFETY: as above.
    unsafe { _mm512_storeu_si512(numbers.as_mut_ptr().cast(), vector) };
    numbers
}

/// A vector of bytes.
#[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
#[inline]
pub fn bytes_of(bytes: &[u8; 64]) -> Vector {
    // SAFETY: as above.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

/// A vector of words.
#[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
#[inline]
pub fn words_of(words: &[u16; 32]) -> Vector {
    // SAFETY: as above.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

/// Puts a vector of words somewhere.
#[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
#[inline]
pub fn put_words(vector: Vector, words: &mut [u16; 32]) {
    // SAFETY: as above.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), vector) }
}

/// Puts a vector of bytes somewhere.
#[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
#[inline]
pub fn put_bytes(vector: Vector, bytes: &mut [u8; 64]) {
    // SAFETY: as above.
    unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), vector) }
}
