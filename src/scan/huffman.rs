//! Tables of deflate's Huffman codes (RFC 1951): how they are filled, and what its symbols mean.
//! Bits are taken from the highest on, so the codes of one length fill one unbroken range of a table.
//! Knows nothing of streams.

/// The longest codes that are read, and so the sizes of the tables: of literals and lengths, of distances, and of
/// the code that these codes' lengths are written in.
pub const LITERAL_BITS: u32 = 9;
pub const DISTANCE_BITS: u32 = 6;
pub const LENGTH_BITS: u32 = 7;
/// How many entries a table is filled by at a time, and so how many may be written behind its end.
pub const FILL: usize = 16;
/// A symbol and, in the lowest six bits, the length of its code; a shift takes its distance from there.
pub type Item = u16;
pub const SYMBOL: u32 = 6;
pub const BITS: Item = 63;
/// Set in the items of all symbols from 256 on: the block's end and the lengths of copies.
pub const SPECIAL: Item = 256 << SYMBOL;

/// The number that these first bits are, the first bit the lowest.
#[inline]
pub fn low_bits(word: u64, count: u8) -> usize {
    usize::from(REVERSED[(word >> 56) as usize]) & ((1 << count) - 1)
}

/// How many there are of all lengths that are counted.
pub fn total(counts: u64) -> usize {
    (counts.wrapping_mul(EACH_COUNT) >> 56 & 127) as usize
}

/// Sorts items by the length of their code, and takes the symbol's `base` off.
pub fn sort(items: &[Item], counts: u64, base: Item, sorted: &mut [Item; 128]) {
    // Where each length begins is where the one before ends.
    let mut places = counts.wrapping_mul(EACH_COUNT) << 7;
    for item in items {
        let shift = 7 * (u32::from(item & 15) - 1);
        sorted[(places.wrapping_shr(shift) & 127) as usize] = item - base;
        places = places.wrapping_add(1u64.wrapping_shl(shift));
    }
}

/// Fills a table with items that are sorted; returns how many entries they take.
#[inline(always)]
pub fn make_table<const SIZE: usize>(sorted: &[Item], table: &mut [Item; SIZE]) -> usize {
    sorted.iter().fold(0, |at, &item| fill(table, at, (SIZE - FILL) >> (item & 15), item))
}

/// Fills so many entries, and perhaps some behind them: the table is filled in order. What is too much for the
/// table goes to its begin, and is found by where it would end, which is returned.
#[inline(always)]
pub fn fill<T: Copy, const SIZE: usize>(table: &mut [T; SIZE], at: usize, count: usize, entry: T) -> usize {
    let size = SIZE - FILL;
    let mut next = 0;
    loop {
        let begin = (at + next) % size;
        table[begin..begin + FILL].copy_from_slice(&[entry; FILL]);
        next += FILL;
        if next >= count {
            return at + count;
        }
    }
}

/// How many symbols a length is for, as a number of items' symbols, whose extra bits are the word's lowest.
#[inline(always)]
pub fn run(entry: u32, word: u64) -> usize {
    usize::from(RUNS[((entry >> 16) as usize + (word & 127) as usize) % 512])
}

/// The entries, and how many there are, of those of the 19 symbols for lengths that have a code, in its order; three bits for each
/// length of a code. That is added to what an entry says in its lowest bits, of how many bits are to be read, and at [`CODE`].
#[inline]
pub fn by_code(lengths: u64) -> ([u32; 32], usize) {
    // A length of 0 counts as 8: such symbols come last.
    let lengths: [u32; 19] = std::array::from_fn(|at| {
        let length = lengths >> (3 * LENGTH_ORDER[at]);
        (length as u32).wrapping_sub(1) & 7
    });
    let counts: u64 = lengths.iter().map(|length| 1 << (8 * length)).sum();
    let mut places = counts.wrapping_mul(0x0101_0101_0101_0101) << 8;
    let mut sorted = [0; 32];
    for (entry, length) in LENGTH_ENTRIES.iter().zip(lengths) {
        sorted[(places >> (8 * length)) as usize % 32] = entry + (length + 1) * (1 | 1 << CODE);
        places += 1 << (8 * length);
    }
    (sorted, 19 - (counts >> 56) as usize)
}

// An entry of the table of lengths: how many bits its code and extra bits are, in the next byte the length, then
// which part of `RUNS` tells for how many symbols, and whether it is the length before.
pub const REPEAT: u32 = 1 << 31;
/// Where an entry has the length of its own code, here and in [`by_code`].
pub const CODE: u32 = 25;
/// No length before.
pub const NONE: u8 = u8::MAX;

/// The entries of the 19 symbols without the lengths of their codes.
const LENGTH_ENTRIES: [u32; 19] = {
    let mut entries = [0; 19];
    let mut at = 0;
    while at < 16 {
        entries[at] = (at as u32) << 8;
        at += 1;
    }
    entries[16] = 2 | 128 << 16 | REPEAT;
    entries[17] = 3 | 256 << 16;
    entries[18] = 7 | 384 << 16;
    entries
};

/// Where the length of each of the 19 symbols stands.
pub const LENGTH_ORDER: [u32; 19] = [3, 17, 15, 13, 11, 9, 7, 5, 4, 6, 8, 10, 12, 14, 16, 18, 0, 1, 2];

const RUNS: [u16; 512] = {
    let mut runs = [1 << SYMBOL; 512];
    let mut at = 0;
    while at < 128 {
        let bits = at as u8;
        runs[128 + at] = (3 + (bits << 6).reverse_bits() as u16) << SYMBOL;
        runs[256 + at] = (3 + (bits << 5).reverse_bits() as u16) << SYMBOL;
        runs[384 + at] = (11 + (bits << 1).reverse_bits() as u16) << SYMBOL;
        at += 1;
    }
    runs
};

/// One more of a length: seven bits for each from 1 to 9. Longer ones are not counted, and so found missing.
pub const COUNTS: [u64; 16] = {
    let mut counts = [0; 16];
    let mut length = 1;
    while length <= LITERAL_BITS as usize {
        counts[length] = 1 << (7 * (length - 1));
        length += 1;
    }
    counts
};

/// One of each length.
const EACH_COUNT: u64 = {
    let (mut sum, mut length) = (0, 1);
    while length <= LITERAL_BITS as usize {
        sum += COUNTS[length];
        length += 1;
    }
    sum
};

const REVERSED: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        table[at] = (at as u8).reverse_bits();
        at += 1;
    }
    table
};

/// Shortest length and number of extra bits by symbol; the first is the block's end.
pub const COPY_LENGTHS: [(u16, u8); 32] = {
    let mut lengths = [(0, 0); 32];
    let (mut at, mut base) = (1, 3);
    while at < 29 {
        let extra = if at < 9 { 0 } else { (at as u8 - 5) / 4 };
        lengths[at] = (base, extra);
        base += 1 << extra;
        at += 1;
    }
    lengths[29] = (258, 0);
    lengths
};

/// Shortest distance and number of extra bits by symbol, up to the longest output.
pub const COPY_DISTANCES: [(u16, u8); 20] = {
    let mut distances = [(0, 0); 20];
    let (mut at, mut base) = (0, 1);
    while at < 20 {
        let extra = if at < 4 { 0 } else { at as u8 / 2 - 1 };
        distances[at] = (base, extra);
        base += 1 << extra;
        at += 1;
    }
    distances
};

/// Reverses the bits of every byte.
pub fn reversed(bytes: &mut [u8]) {
    bytes.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
}
