//! As [`super`], on any processor: some streams at a time, each of which takes a step in turn.

use super::super::huffman::{
    BITS, CODE, COPY_DISTANCES, COPY_LENGTHS, COUNTS, DISTANCE_BITS, FILL, Item, LENGTH_BITS, LITERAL_BITS,
    NONE, REPEAT, SPECIAL, SYMBOL, by_code, fill, low_bits, make_table, run, sort, total,
};
use super::{Head, LONGEST, STEP};
use std::ops::Range;

/// How many streams are inflated side by side.
pub const LANES: usize = 8;

/// What one lane holds.
struct Lane {
    stream: [u8; LONGEST + 8],
    /// How many bits there are, and the next one.
    bits: usize,
    at: usize,
    literal_count: usize,
    distance_count: usize,
    /// The length that was read last, which may be repeated.
    previous: u8,
    /// How many lengths have been read, and those of them that are not 0.
    symbols: usize,
    used: usize,
    /// How many there are of each length.
    counts: u64,
    items: [Item; 512],
    lengths: [u32; (1 << LENGTH_BITS) + FILL],
    literals: [Item; (1 << LITERAL_BITS) + FILL],
    distances: [Item; (1 << DISTANCE_BITS) + FILL],
    output: [Item; LONGEST + FILL],
    produced: usize,
    /// The output itself.
    bytes: [u8; LONGEST],
    done: bool,
}

/// What the lanes hold.
pub struct Lanes(Box<[Lane; LANES]>);

impl Default for Lanes {
    fn default() -> Self {
        let lane = |_| Lane {
            stream: [0; LONGEST + 8],
            bits: 0,
            at: 0,
            literal_count: 0,
            distance_count: 0,
            previous: 0,
            symbols: 0,
            used: 0,
            counts: 0,
            items: [0; 512],
            lengths: [0; (1 << LENGTH_BITS) + FILL],
            literals: [0; (1 << LITERAL_BITS) + FILL],
            distances: [0; (1 << DISTANCE_BITS) + FILL],
            output: [0; LONGEST + FILL],
            produced: 0,
            bytes: [0; LONGEST],
            done: false,
        };
        Lanes(Box::new(std::array::from_fn(lane)))
    }
}

impl Lanes {
    /// Inflates these streams, [`LANES`] at most.
    pub fn inflate(&mut self, packed: &[u8], streams: &[Range<usize>]) {
        let mut active = Active { numbers: [0; LANES], count: 0 };
        for (number, (lane, stream)) in self.0.iter_mut().zip(streams).enumerate() {
            lane.done = false;
            if packed.get(stream.clone()).and_then(|stream| lane.begin(stream)).is_some() {
                active.add(number);
            }
        }
        let mut active = self.each(active, Lane::read_lengths);
        active = self.each(active, |lane| lane.make_tables().map(|()| Progress::Done));
        active = self.each(active, Lane::read_symbols);
        for &number in &active.numbers[..active.count] {
            let lane = &mut self.0[number];
            let symbols = &lane.output[..lane.produced];
            lane.bytes.iter_mut().zip(symbols).for_each(|(byte, item)| *byte = (item >> SYMBOL) as u8);
            lane.done = true;
        }
    }

    /// Takes a step of every active lane in turn until all are done; those that gave up are active no more.
    #[inline(always)]
    fn each(&mut self, mut active: Active, step: impl Fn(&mut Lane) -> Option<Progress>) -> Active {
        let mut finished = Active { numbers: [0; LANES], count: 0 };
        while active.count > 0 {
            let mut at = 0;
            while at < active.count {
                let number = active.numbers[at % LANES] % LANES;
                match step(&mut self.0[number]) {
                    Some(Progress::More) => at += 1,
                    ended => {
                        active.count -= 1;
                        active.numbers[at % LANES] = active.numbers[active.count % LANES];
                        if ended.is_some() {
                            finished.add(number);
                        }
                    }
                }
            }
        }
        finished
    }

    /// What the stream of this number held, `None` if it was given up.
    pub fn output(&self, number: usize) -> Option<&[u8]> {
        let lane = &self.0[number];
        lane.done.then(|| &lane.bytes[..lane.produced])
    }
}

/// The lanes that are at work.
struct Active {
    numbers: [usize; LANES],
    count: usize,
}

impl Active {
    fn add(&mut self, number: usize) {
        self.numbers[self.count % LANES] = number;
        self.count += 1;
    }
}

/// Whether a step is to be taken again.
enum Progress {
    More,
    Done,
}

impl Lane {
    /// The headers of the stream and its block, and the code that the codes' lengths are written in.
    fn begin(&mut self, stream: &[u8]) -> Option<()> {
        if stream.len() > LONGEST {
            return None;
        }
        self.stream[..stream.len()].copy_from_slice(stream);
        self.bits = 8 * stream.len();
        let head = Head::read(self.load(0))?;
        (self.literal_count, self.distance_count, self.at) = (head.literals, head.distances, head.bits());
        let lengths = head.lengths(self.load(Head::BITS));
        (self.symbols, self.used, self.counts, self.previous) = (0, 0, 0, NONE);
        self.make_length_code(lengths)
    }

    fn make_length_code(&mut self, lengths: u64) -> Option<()> {
        let (entries, count) = by_code(lengths);
        let mut at = 0;
        for &entry in &entries[..count] {
            at = fill(&mut self.lengths, at, (1 << LENGTH_BITS) >> (entry >> CODE & 7), entry);
        }
        (at == 1 << LENGTH_BITS).then_some(())
    }

    /// Reads some of the codes' lengths.
    #[inline(always)]
    fn read_lengths(&mut self) -> Option<Progress> {
        let mut word = self.load(self.at);
        let (mut symbols, mut used, mut counts) = (self.symbols, self.used, self.counts);
        let (mut sum, mut flags, mut entry) = (0u32, 0, 0);
        for _ in 0..4 {
            entry = self.lengths[(word >> (64 - LENGTH_BITS)) as usize];
            word = word.rotate_left(entry);
            let length = (entry >> 8) as u8;
            self.items[used % 512] = symbols as Item + Item::from(length);
            used += usize::from(length != 0);
            counts = counts.wrapping_add(COUNTS[usize::from(length % 16)]);
            symbols += run(entry, word);
            sum = sum.wrapping_add(entry);
            flags |= entry;
        }
        let total = (self.literal_count + self.distance_count) << SYMBOL;
        if flags & REPEAT != 0 || symbols > total {
            return self.read_lengths_singly();
        }
        self.at += (sum & 63) as usize;
        (self.symbols, self.used, self.counts) = (symbols, used, counts);
        self.previous = (entry >> 8) as u8;
        Some(if symbols == total { Progress::Done } else { Progress::More })
    }

    /// The same where one of them repeats the one before, or where they end.
    #[inline(never)]
    fn read_lengths_singly(&mut self) -> Option<Progress> {
        let total = (self.literal_count + self.distance_count) << SYMBOL;
        let mut word = self.load(self.at);
        for _ in 0..4 {
            let entry = self.lengths[(word >> (64 - LENGTH_BITS)) as usize];
            word = word.rotate_left(entry);
            self.at += (entry & 63) as usize;
            if entry & REPEAT == 0 {
                self.previous = (entry >> 8) as u8;
            }
            if self.previous == NONE {
                return None;
            }
            let end = self.symbols + run(entry, word);
            if self.previous == 0 {
                self.symbols = end;
            }
            while self.symbols < end {
                self.items[self.used % 512] = self.symbols as Item + Item::from(self.previous);
                self.used += 1;
                self.counts = self.counts.wrapping_add(COUNTS[usize::from(self.previous % 16)]);
                self.symbols += 1 << SYMBOL;
            }
            if self.symbols >= total {
                return (self.symbols == total).then_some(Progress::Done);
            }
        }
        Some(Progress::More)
    }

    /// Both decoding tables.
    fn make_tables(&mut self) -> Option<()> {
        // More could make a count run over.
        let items = self.items.get(..self.used).filter(|items| items.len() < 128)?;
        let border = (self.literal_count << SYMBOL) as Item;
        let distances = items.iter().rev().take_while(|&&item| item >= border).count();
        let (literals, distances) = items.split_at(items.len() - distances);
        let of_distances: u64 = distances.iter().map(|item| COUNTS[usize::from(item & 15)]).sum();
        let of_literals = self.counts - of_distances;
        if total(self.counts) != items.len() || of_distances >> (7 * DISTANCE_BITS) != 0 {
            return None;
        }
        let mut sorted = [0; 128];
        sort(literals, of_literals, 0, &mut sorted);
        let filled = make_table(&sorted[..literals.len()], &mut self.literals);
        if filled != 1 << LITERAL_BITS {
            return None;
        }
        sort(distances, of_distances, border, &mut sorted);
        let filled = make_table(&sorted[..distances.len()], &mut self.distances);
        if filled != 1 << DISTANCE_BITS {
            // No distance at all, or a single one of one bit, leaves codes that mean nothing.
            let single = distances.len() == 1 && filled == 1 << (DISTANCE_BITS - 1);
            if !(distances.is_empty() || single) {
                return None;
            }
            self.distances[filled..].fill(0);
        }
        self.produced = 0;
        Some(())
    }

    /// Reads some symbols, up to the first that is no literal.
    #[inline(always)]
    fn read_symbols(&mut self) -> Option<Progress> {
        let mut word = self.load(self.at);
        let items: [Item; STEP] = std::array::from_fn(|_| {
            let item = self.literals[(word >> (64 - LITERAL_BITS)) as usize];
            word = word.wrapping_shl(u32::from(item));
            item
        });
        if self.produced >= LONGEST {
            return None;
        }
        *self.output[self.produced..].first_chunk_mut()? = items;
        if items.iter().fold(0, |all, item| all | item) & SPECIAL != 0 {
            return self.read_special(items);
        }
        // No sum of lengths has more than six bits.
        self.at += usize::from(items.iter().fold(0, |sum: Item, &item| sum.wrapping_add(item)) & BITS);
        self.produced += STEP;
        Some(Progress::More)
    }

    /// Keeps the literals before the first symbol that is none, and does what that says.
    #[inline(always)]
    fn read_special(&mut self, items: [Item; STEP]) -> Option<Progress> {
        // Where it is cannot be guessed, so nothing branches on it.
        let (mut specials, mut bits) = (0u32, 0u64);
        for (at, item) in items.into_iter().enumerate() {
            specials |= u32::from(item / SPECIAL) << at;
            bits |= u64::from(item & BITS) << (8 * at);
        }
        let first = specials.trailing_zeros();
        // Every byte becomes the sum of those up to it.
        let sums = bits.wrapping_mul(0x0101_0101_0101_0101);
        self.at += (sums.wrapping_shr(8 * first) & 255) as usize;
        self.produced += first as usize;
        let item = *self.output.get(self.produced)?;
        if item >> SYMBOL == 256 {
            return (self.at <= self.bits).then_some(Progress::Done);
        }
        self.copy(item)
    }

    /// At least 57 bits from this one on; what they are behind the stream's end doesn't matter.
    #[inline(always)]
    fn load(&self, bit: usize) -> u64 {
        let at = bit / 8 % LONGEST;
        let bytes: [u8; 8] = std::array::from_fn(|byte| self.stream[at + byte]);
        u64::from_be_bytes(bytes) << (bit % 8)
    }

    /// Copies what was there before; the length's code has been read.
    fn copy(&mut self, item: Item) -> Option<Progress> {
        let word = self.load(self.at);
        let (base, extra) = COPY_LENGTHS[usize::from((item >> SYMBOL) & 31)];
        let length = usize::from(base) + low_bits(word, extra);
        let word = word << extra;
        let item = self.distances[(word >> (64 - DISTANCE_BITS)) as usize];
        let word = word.wrapping_shl(u32::from(item));
        // Neither an unused code nor a distance beyond the longest output.
        let &(base, more) = COPY_DISTANCES.get(usize::from(item >> SYMBOL)).filter(|_| item != 0)?;
        let distance = usize::from(base) + low_bits(word, more);
        self.at += usize::from(extra) + usize::from(item & BITS) + usize::from(more);
        let begin = self.produced;
        self.produced += length;
        let from = begin.checked_sub(distance)?;
        if self.produced > LONGEST {
            return None;
        }
        if distance >= FILL {
            for at in (0..length).step_by(FILL) {
                let some: [Item; FILL] = *self.output[from + at..].first_chunk()?;
                *self.output[begin + at..].first_chunk_mut()? = some;
            }
        } else {
            for at in 0..length {
                self.output[begin + at] = self.output[from + at];
            }
        }
        Some(Progress::More)
    }
}
