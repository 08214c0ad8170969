//! As [`super`], with the vector instructions of newer processors (AVX-512 with VBMI2, and GFNI): a stream in every 64 bits
//! of three vectors. What takes a table for every stream is looked up by gathers, whose latency the vectors hide from
//! one another.

mod tables;

use super::{BEHIND, Head, LONGEST, STEP};
use crate::scan::huffman::{COPY_DISTANCES, COPY_LENGTHS, DISTANCE_BITS, LENGTH_BITS, LITERAL_BITS, SYMBOL};
use crate::scan::vectors::{
    Vector, bits_reversed, eight_bytes, entry, item, low, numbers_of, put, take, to_numbers, words_of,
};
use std::arch::x86_64::*;
use std::ops::Range;
use tables::{BASE, LENGTH, REPEAT, UNUSED};

/// How many vectors there are, and how many streams are inflated side by side.
const VECTORS: usize = 3;
pub const LANES: usize = 8 * VECTORS;

// How many entries the tables have, with room for what a store of 64 bytes writes behind the last one, and for what a
// gather of 8 bytes reads there.
const LENGTH_ENTRIES: usize = (1 << LENGTH_BITS) + 16;
const LITERAL_ENTRIES: usize = (1 << LITERAL_BITS) + 32;
const DISTANCE_ENTRIES: usize = (1 << DISTANCE_BITS) + 32;
/// As many lengths as there may be (286 and 30), and 64 from the first one of distances on.
const LENGTHS: usize = 384;
const OUTPUT: usize = LONGEST + 64;
/// As many symbols as there may be, and a power of two, which saves a look at whether a place is there.
const SORTED: usize = 512;

/// A number for each lane.
type Numbers = [u64; LANES];
type Vectors = [Vector; VECTORS];
/// A bit for each lane of a vector.
type Masks = [u8; VECTORS];

/// What the lanes hold.
#[repr(align(64))]
pub struct Lanes {
    /// Where each stream begins among all of them, and how many bits it has.
    begins: Numbers,
    bits: Numbers,
    /// Which of a stream's bits is next.
    at: Numbers,
    literal_counts: Numbers,
    distance_counts: Numbers,
    produced: Numbers,
    /// Which lengths codes may have, a bit each.
    possible: [u32; LANES],
    /// The code of the codes' lengths.
    codes: [[u32; LENGTH_ENTRIES]; LANES],
    /// The codes' lengths, those of distances right behind those of literals.
    lengths: [[u8; LENGTHS]; LANES],
    literals: [[u16; LITERAL_ENTRIES]; LANES],
    distances: [[u16; DISTANCE_ENTRIES]; LANES],
    output: [[u8; OUTPUT]; LANES],
    /// The items of one lane, by length.
    sorted: [u16; SORTED + 64],
    /// A bit for each lane whose stream was read to its end.
    done: u32,
}

impl Lanes {
    /// Empty buffers.
    pub fn new() -> Box<Lanes> {
        Box::new(Lanes {
            begins: [0; LANES],
            bits: [0; LANES],
            at: [0; LANES],
            literal_counts: [0; LANES],
            distance_counts: [0; LANES],
            produced: [0; LANES],
            possible: [0; LANES],
            codes: [[0; LENGTH_ENTRIES]; LANES],
            lengths: [[0; LENGTHS]; LANES],
            literals: [[0; LITERAL_ENTRIES]; LANES],
            distances: [[0; DISTANCE_ENTRIES]; LANES],
            output: [[0; OUTPUT]; LANES],
            sorted: [0; SORTED + 64],
            done: 0,
        })
    }

    /// What the stream of this number held, `None` if it was given up.
    pub fn output(&self, number: usize) -> Option<&[u8]> {
        (self.done >> number & 1 == 1).then(|| &self.output[number][..self.produced[number] as usize])
    }

    /// Inflates these streams, [`LANES`] at most.
    #[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
    pub fn inflate(&mut self, packed: &[u8], streams: &[Range<usize>]) {
        let mut active = 0;
        for (lane, stream) in streams.iter().take(LANES).enumerate() {
            active |= u32::from(self.begin(lane, packed, stream).is_some()) << lane;
        }
        active = self.read_lengths(packed, active);
        for lane in 0..LANES {
            if active >> lane & 1 == 0 {
                continue;
            }
            if self.make_literals(lane).and_then(|()| self.make_distances(lane)).is_none() {
                active &= !(1 << lane);
            }
        }
        self.done = self.read_symbols(packed, active);
    }

    /// The headers of the stream and its block, and the code that the codes' lengths are written in.
    #[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
    fn begin(&mut self, lane: usize, packed: &[u8], stream: &Range<usize>) -> Option<()> {
        if stream.len() > LONGEST || stream.end + BEHIND > packed.len() {
            return None;
        }
        let load = |bit: usize| {
            let at = (stream.start + bit / 8).min(stream.end);
            Some(u64::from_be_bytes(*packed[at..].first_chunk()?) << (bit % 8))
        };
        let head = Head::read(load(0)?)?;
        (self.begins[lane], self.bits[lane]) = (stream.start as u64, 8 * stream.len() as u64);
        (self.literal_counts[lane], self.distance_counts[lane]) =
            (head.literals as u64, head.distances as u64);
        self.at[lane] = head.bits() as u64;
        self.lengths[lane] = [0; LENGTHS];
        self.make_length_code(lane, head.lengths(load(Head::BITS)?))
    }

    /// Reads the codes' lengths; which lanes are active afterwards.
    #[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
    fn read_lengths(&mut self, packed: &[u8], active: u32) -> u32 {
        let streams = Streams::new(self, packed);
        let totals =
            vectors(&std::array::from_fn(|lane| self.literal_counts[lane] + self.distance_counts[lane]));
        let (mut at, mut symbols) = (vectors(&self.at), [zero(); VECTORS]);
        let mut previous = [_mm512_set1_epi64(NONE); VECTORS];
        let mut left = masks(active);
        while left != [0; VECTORS] {
            let mut words: Vectors = std::array::from_fn(|v| streams.load(v, at[v]));
            for _ in 0..4 {
                for v in 0..VECTORS {
                    let entry = entry::<LENGTH_BITS, _, _>(&self.codes, v, words[v]);
                    words[v] = _mm512_rolv_epi64(words[v], entry);
                    at[v] = _mm512_mask_add_epi64(at[v], left[v], at[v], low(entry, 6));
                    // How often is in extra bits, which are the lowest ones now.
                    let extra = low(bits_reversed(words[v]), 8);
                    let extra = _mm512_srlv_epi64(extra, low(_mm512_srli_epi64::<UNUSED>(entry), 4));
                    let run = _mm512_add_epi64(extra, low(_mm512_srli_epi64::<BASE>(entry), 4));
                    let repeats = _mm512_test_epi64_mask(entry, _mm512_set1_epi64(1 << REPEAT));
                    let length = low(_mm512_srli_epi64::<LENGTH>(entry), 4);
                    previous[v] = _mm512_mask_mov_epi64(length, repeats, previous[v]);
                    // A run of more than eight is one of zeros, which are there already.
                    let eight = _mm512_shuffle_epi8(previous[v], first_of_each());
                    put(&mut self.lengths, v, left[v], symbols[v], eight);
                    symbols[v] = _mm512_mask_add_epi64(symbols[v], left[v], symbols[v], run);
                    left[v] = _mm512_mask_cmplt_epi64_mask(left[v], symbols[v], totals[v]);
                }
            }
        }
        self.at = numbers(at);
        let good = |v: usize| u32::from(_mm512_cmpeq_epi64_mask(symbols[v], totals[v])) << (8 * v);
        active & (0..VECTORS).map(good).sum::<u32>()
    }

    /// Reads what was packed; which lanes came to their end.
    #[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
    fn read_symbols(&mut self, packed: &[u8], mut active: u32) -> u32 {
        let streams = Streams::new(self, packed);
        let (mut at, mut produced) = (vectors(&self.at), [zero(); VECTORS]);
        let mut done = 0;
        while active != 0 {
            let now = masks(active);
            let mut words: Vectors = std::array::from_fn(|v| streams.load(v, at[v]));
            // The items of four symbols each, the first one lowest; of the second four the last ones only.
            let mut items = [[zero(); VECTORS]; 2];
            for step in 0..STEP {
                for v in 0..VECTORS {
                    let item = item::<LITERAL_BITS, _, _>(&self.literals, v, words[v]);
                    // Only an item's lowest bits count here, its code's length, and what comes in behind is not looked at.
                    words[v] = _mm512_rolv_epi64(words[v], item);
                    items[step / 4][v] = _mm512_shrdi_epi64::<16>(items[step / 4][v], item);
                }
            }
            for v in 0..VECTORS {
                let items = [items[0][v], items[1][v]];
                // What would be one more counts as special, so that there is always a first one.
                let one_more = _mm512_set1_epi64(1 << (8 * STEP));
                let specials = _mm512_and_si512(bytes_from(items, SYMBOL + 8), _mm512_set1_epi64(EACH_STEP));
                let specials = _mm512_or_si512(specials, one_more);
                // The bits of the bytes before the first special one.
                let before = _mm512_andnot_si512(specials, _mm512_sub_epi64(specials, _mm512_set1_epi64(1)));
                let sum = |bytes| _mm512_sad_epu8(_mm512_and_si512(bytes, before), zero());
                let lengths = _mm512_and_si512(bytes_from(items, 0), _mm512_set1_epi64(63 * EACH));
                at[v] = _mm512_mask_add_epi64(at[v], now[v], at[v], sum(lengths));
                put(&mut self.output, v, now[v], produced[v], bytes_from(items, SYMBOL));
                let count = sum(_mm512_set1_epi64(EACH));
                produced[v] = _mm512_mask_add_epi64(produced[v], now[v], produced[v], count);
                let fits = _mm512_mask_cmple_epu64_mask(now[v], produced[v], longest());
                let special = _mm512_mask_cmplt_epi64_mask(fits, count, _mm512_set1_epi64(STEP as i64));
                let (mut ended, mut good) = (0, fits);
                if special != 0 {
                    (ended, good) = self.read_special(v, &streams, special, &mut at[v], &mut produced[v]);
                    good |= fits & !special;
                }
                done |= u32::from(ended) << (8 * v);
                active &= !(u32::from(!good) << (8 * v));
            }
        }
        self.produced = numbers(produced);
        done
    }

    /// What the next symbols of these lanes of a vector say, none of which is a literal. Which of the lanes are at their
    /// end, and which go on.
    #[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
    fn read_special(
        &mut self,
        v: usize,
        streams: &Streams,
        those: u8,
        at: &mut Vector,
        produced: &mut Vector,
    ) -> (u8, u8) {
        let mut bits = Bits { word: streams.load(v, *at), used: zero() };
        let item = low(item::<LITERAL_BITS, _, _>(&self.literals, v, bits.word), 16);
        bits.skip(low(item, 6));
        let symbol = _mm512_srli_epi64::<SYMBOL>(item);
        let ends = _mm512_mask_cmpeq_epi64_mask(those, symbol, _mm512_set1_epi64(256));
        let ended = _mm512_mask_cmple_epu64_mask(ends, _mm512_add_epi64(*at, bits.used), streams.bits[v]);
        let mut copies = those & !ends;
        if copies == 0 {
            return (ended, 0);
        }
        let length = bits.number(word_of(&LENGTH_WORDS, symbol));
        let item = self::item::<DISTANCE_BITS, _, _>(&self.distances, v, bits.word);
        let item = low(item, 16);
        bits.skip(low(item, 6));
        let symbol = _mm512_srli_epi64::<SYMBOL>(item);
        let distance = bits.number(word_of(&DISTANCE_WORDS, symbol));
        *at = _mm512_mask_add_epi64(*at, copies, *at, bits.used);
        // Neither an unused code nor a distance beyond the longest output, nor one from before the begin.
        let end = _mm512_add_epi64(*produced, length);
        copies = _mm512_mask_cmpneq_epi64_mask(copies, item, zero());
        copies = _mm512_mask_cmplt_epu64_mask(copies, symbol, _mm512_set1_epi64(COPY_DISTANCES.len() as i64));
        copies = _mm512_mask_cmple_epu64_mask(copies, distance, *produced);
        copies = _mm512_mask_cmple_epu64_mask(copies, end, longest());
        let (mut from, mut to) = (_mm512_sub_epi64(*produced, distance), *produced);
        let mut left = _mm512_mask_cmpge_epu64_mask(copies, distance, _mm512_set1_epi64(8));
        let mut near = copies & !left;
        while left != 0 {
            let bytes = take(&self.output, v, left, from);
            put(&mut self.output, v, left, to, bytes);
            let eight = _mm512_set1_epi64(8);
            (from, to) = (_mm512_add_epi64(from, eight), _mm512_add_epi64(to, eight));
            left = _mm512_mask_cmplt_epu64_mask(left, to, end);
        }
        if near != 0 {
            let [begins, ends, distances] = [*produced, end, distance].map(|of| to_numbers(of));
            while near != 0 {
                let lane = near.trailing_zeros() as usize;
                near &= near - 1;
                let output = &mut self.output[8 * v + lane];
                for at in begins[lane] as usize..ends[lane] as usize {
                    output[at] = output[at - distances[lane] as usize];
                }
            }
        }
        *produced = _mm512_mask_mov_epi64(*produced, copies, end);
        (ended, copies)
    }
}

/// The next bits of each lane of a vector, and how many have been read.
struct Bits {
    word: Vector,
    used: Vector,
}

impl Bits {
    #[inline]
    #[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
    fn skip(&mut self, count: Vector) {
        self.word = _mm512_sllv_epi64(self.word, count);
        self.used = _mm512_add_epi64(self.used, count);
    }

    /// The number that an entry of [`LENGTH_WORDS`] or [`DISTANCE_WORDS`] and the extra bits behind it are.
    #[inline]
    #[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
    fn number(&mut self, entry: Vector) -> Vector {
        let (count, one) = (low(entry, 4), _mm512_set1_epi64(1));
        let ones = _mm512_sub_epi64(_mm512_sllv_epi64(one, count), one);
        let extra = _mm512_and_si512(bits_reversed(_mm512_srli_epi64::<56>(self.word)), ones);
        self.skip(count);
        _mm512_add_epi64(_mm512_srli_epi64::<4>(entry), extra)
    }
}

/// The streams of all lanes.
struct Streams<'a> {
    packed: &'a [u8],
    begins: Vectors,
    bits: Vectors,
}

impl<'a> Streams<'a> {
    #[inline]
    #[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
    fn new(lanes: &Lanes, packed: &'a [u8]) -> Streams<'a> {
        Streams { packed, begins: vectors(&lanes.begins), bits: vectors(&lanes.bits) }
    }

    /// At least 57 bits from these on; what they are behind the stream's end doesn't matter.
    #[inline]
    #[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
    fn load(&self, v: usize, at: Vector) -> Vector {
        let place = _mm512_add_epi64(self.begins[v], _mm512_srli_epi64::<3>(at));
        let bytes = eight_bytes(self.packed, place);
        let (high, lower) = (0x0809_0a0b_0c0d_0e0f, 0x0001_0203_0405_0607);
        let order = _mm512_set_epi64(high, lower, high, lower, high, lower, high, lower);
        _mm512_sllv_epi64(_mm512_shuffle_epi8(bytes, order), low(at, 3))
    }
}

#[inline]
#[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
fn zero() -> Vector {
    _mm512_setzero_si512()
}

#[inline]
#[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
fn vectors(numbers: &Numbers) -> Vectors {
    let (eights, _) = numbers.as_chunks();
    std::array::from_fn(|v| numbers_of(&eights[v]))
}

#[inline]
#[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
fn numbers(vectors: Vectors) -> Numbers {
    let mut numbers = [0; LANES];
    let (eights, _) = numbers.as_chunks_mut();
    eights.iter_mut().zip(vectors).for_each(|(eight, vector)| *eight = to_numbers(vector));
    numbers
}

/// A byte for each of [`STEP`] symbols, in order: eight bits of its item, from this one on.
#[inline]
#[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
fn bytes_from(items: [Vector; 2], bit: u32) -> Vector {
    const { assert!(STEP == 6) };
    let bit = i64::from(bit) * EACH;
    let bits = _mm512_set1_epi64(0x0000_3020_3020_1000 + bit);
    let [first, last] = items;
    let bytes = _mm512_multishift_epi64_epi8(bits, first);
    _mm512_mask_multishift_epi64_epi8(bytes, 0x3030_3030_3030_3030, bits, last)
}

/// For each symbol the entry of its lowest five bits.
#[inline]
#[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
fn word_of(entries: &[u16; 32], symbols: Vector) -> Vector {
    low(_mm512_permutexvar_epi16(low(symbols, 5), words_of(entries)), 16)
}

#[inline]
#[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
fn longest() -> Vector {
    _mm512_set1_epi64(LONGEST as i64)
}

/// The place of the first byte of each number, for all of its bytes.
#[inline]
#[target_feature(enable = "avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt")]
fn first_of_each() -> Vector {
    _mm512_set_epi64(8 * EACH, 0, 8 * EACH, 0, 8 * EACH, 0, 8 * EACH, 0)
}

fn masks(lanes: u32) -> Masks {
    std::array::from_fn(|v| (lanes >> (8 * v)) as u8)
}

/// A one in each byte, and in each of those that stand for a step's symbols.
const EACH: i64 = 0x0101_0101_0101_0101;
const EACH_STEP: i64 = EACH & ((1 << (8 * STEP)) - 1);
/// No length before, which is longer than any may be.
const NONE: i64 = 255;

/// What deflate's symbols for copies' lengths and distances say: the shortest, and in the lowest four bits how many extra bits
/// follow.
static LENGTH_WORDS: [u16; 32] = words(&COPY_LENGTHS);
static DISTANCE_WORDS: [u16; 32] = words(&COPY_DISTANCES);

const fn words(of: &[(u16, u8)]) -> [u16; 32] {
    let (mut words, mut at) = ([0; 32], 0);
    while at < of.len() {
        words[at] = of[at].0 << 4 | of[at].1 as u16;
        at += 1;
    }
    words
}
