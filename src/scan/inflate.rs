//! Inflates short zlib streams side by side (RFC 1950, 1951): what one of them waits for hides behind the work on
//! the others. Reads streams of one block with its own Huffman codes of moderate lengths, and gives up on all else.
//! Knows neither cookies nor checksums, and never says why it gave up: another inflater is to judge then.
//!
//! Streams come with the bits of every byte reversed (`huffman::reversed`): the first bit is then the highest one, a
//! Huffman code is an ordinary number, and the codes of one length fill one unbroken range of a decoding table.

mod portable;
#[cfg(target_arch = "x86_64")]
pub(in crate::scan) mod vectors;

#[cfg(target_arch = "x86_64")]
use super::vectors::Available;
use std::ops::Range;

/// The longest stream and the longest output.
const LONGEST: usize = 1024;
/// How many symbols are read at a time: as many as surely are in 57 bits.
const STEP: usize = 6;
/// How many bytes there must be behind every stream, whatever they are.
pub const BEHIND: usize = 8;

/// How many lengths of codes a stream's only block has: of literals, of distances, and of the code that these are in.
struct Head {
    literals: usize,
    distances: usize,
    lengths: usize,
}

impl Head {
    /// How many bits it has itself.
    const BITS: usize = 33;

    /// What a stream says that begins with these bits; `None` if it is to be given up.
    #[inline]
    fn read(first: u64) -> Option<Head> {
        let head = first.reverse_bits();
        let (method, flags) = (head & 255, head >> 8 & 255);
        // A window of 32 KiB and no preset dictionary; then the last block, with its own codes.
        if method != 0x78 || (method << 8 | flags) % 31 != 0 || flags & 32 != 0 || head >> 16 & 7 != 5 {
            return None;
        }
        let (literals, distances) = ((head >> 19 & 31) as usize + 257, (head >> 24 & 31) as usize + 1);
        let lengths = (head >> 29 & 15) as usize + 4;
        (literals <= 286 && distances <= 30).then_some(Head { literals, distances, lengths })
    }

    /// How many bits there are up to the first length.
    fn bits(&self) -> usize {
        Head::BITS + 3 * self.lengths
    }

    /// The lengths of the code of lengths, three bits each, in the bits that follow it.
    fn lengths(&self, following: u64) -> u64 {
        following.reverse_bits() & ((1 << (3 * self.lengths)) - 1)
    }
}

/// Inflates streams, some at a time, in buffers that it keeps.
pub struct Inflater(Lanes);

enum Lanes {
    Portable(portable::Lanes),
    #[cfg(target_arch = "x86_64")]
    Vectors(Available, Box<vectors::Lanes>),
}

impl Default for Inflater {
    /// The fastest that the processor has the instructions for.
    fn default() -> Self {
        Inflater::by_vectors().unwrap_or_else(Inflater::portable)
    }
}

impl Inflater {
    /// One that needs no particular processor.
    fn portable() -> Self {
        Inflater(Lanes::Portable(portable::Lanes::default()))
    }

    #[cfg(target_arch = "x86_64")]
    fn by_vectors() -> Option<Self> {
        Available::new().map(|available| Inflater(Lanes::Vectors(available, vectors::Lanes::new())))
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn by_vectors() -> Option<Self> {
        None
    }

    /// One of each kind that this processor can run.
    pub fn all() -> Vec<Self> {
        std::iter::once(Inflater::portable()).chain(Inflater::by_vectors()).collect()
    }

    /// How many streams it takes at a time.
    pub fn lanes(&self) -> usize {
        match self.0 {
            Lanes::Portable(_) => portable::LANES,
            #[cfg(target_arch = "x86_64")]
            Lanes::Vectors(..) => vectors::LANES,
        }
    }

    /// Inflates these streams, as many as there are [lanes](Inflater::lanes) at most. Their bytes are reversed; one with
    /// fewer than [`BEHIND`] bytes behind it may be given up.
    pub fn inflate(&mut self, packed: &[u8], streams: &[Range<usize>]) {
        match &mut self.0 {
            Lanes::Portable(lanes) => lanes.inflate(packed, streams),
            #[cfg(target_arch = "x86_64")]
            Lanes::Vectors(available, lanes) => available.inflate(lanes, packed, streams),
        }
    }

    /// What the stream of this number held, `None` if it was given up.
    pub fn output(&self, number: usize) -> Option<&[u8]> {
        match &self.0 {
            Lanes::Portable(lanes) => lanes.output(number),
            #[cfg(target_arch = "x86_64")]
            Lanes::Vectors(_, lanes) => lanes.output(number),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::huffman::reversed;
    use super::*;

    /// What comes out of these streams, side by side, nothing where one was given up; for every inflater that there is.
    fn inflate(streams: &[Vec<u8>]) -> Vec<Vec<Option<Vec<u8>>>> {
        let mut packed = Vec::new();
        let place = |stream: &Vec<u8>| {
            let begin = packed.len();
            packed.extend_from_slice(stream);
            begin..packed.len()
        };
        let places: Vec<Range<usize>> = streams.iter().map(place).collect();
        packed.extend_from_slice(&[0xff; BEHIND]);
        reversed(&mut packed);
        let by = |mut inflater: Inflater| {
            let mut found = Vec::new();
            for places in places.chunks(inflater.lanes()) {
                inflater.inflate(&packed, places);
                found.extend((0..places.len()).map(|number| inflater.output(number).map(<[u8]>::to_vec)));
            }
            found
        };
        Inflater::all().into_iter().map(by).collect()
    }

    fn deflate(text: &[u8], level: u32) -> Vec<u8> {
        let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(level));
        std::io::Write::write_all(&mut packer, text).unwrap();
        packer.finish().unwrap()
    }

    fn texts() -> Vec<Vec<u8>> {
        let varied = |seed: usize, length: usize| -> Vec<u8> {
            (0..length)
                .map(|at| b"0123456789abcdef\"_:,{}"[(at * at * seed + at * 7 + at / 3) % 22])
                .collect()
        };
        vec![
            varied(1, 200),
            varied(3, 300),
            varied(5, 1000),
            [&varied(7, 100)[..], &[b'='; 258], &varied(11, 90)].concat(),
            [varied(13, 150), b"ab".repeat(40), varied(13, 150)].concat(),
        ]
    }

    #[test]
    fn lanes_of_all_lengths_hold_what_went_in() {
        let texts = texts();
        let streams: Vec<_> = texts.iter().map(|text| deflate(text, 6)).collect();
        let expected: Vec<_> = texts.into_iter().map(Some).collect();
        assert!(inflate(&streams).into_iter().all(|found| found == expected));
    }

    #[test]
    fn all_else_is_given_up_and_disturbs_no_other() {
        let texts = texts();
        let good = deflate(&texts[0], 6);
        let mut unknown_method = good.clone();
        unknown_method[0] = 0x79;
        let mut wrong_check = good.clone();
        wrong_check[1] ^= 1;
        let cut = good[..good.len() - 10].to_vec();
        let too_long = deflate(&[b'x'; 2000], 6);
        let stored = deflate(&texts[1], 0);
        let odd = [unknown_method, wrong_check, cut, too_long, stored, Vec::new()];
        for stream in odd {
            for found in inflate(&[good.clone(), stream.clone(), good.clone()]) {
                assert_eq!(found, [Some(texts[0].clone()), None, Some(texts[0].clone())]);
            }
        }
    }

    /// How many of these streams were read; each as flate2 reads it.
    fn read_as_flate2(streams: &[Vec<u8>], found: &[Option<Vec<u8>>]) -> usize {
        let mut whole = Vec::with_capacity(2 * LONGEST);
        for (stream, found) in streams.iter().zip(found) {
            let Some(found) = found else { continue };
            whole.clear();
            let mut reference = flate2::Decompress::new(true);
            // Its checksum may say no in the end, but what is in the stream has been read by then.
            _ = reference.decompress_vec(stream, &mut whole, flate2::FlushDecompress::Finish);
            assert_eq!(*found, whole, "{}", stream.escape_ascii());
        }
        found.iter().flatten().count()
    }

    #[test]
    fn nothing_is_read_that_flate2_does_not_read() {
        let mut streams = Vec::new();
        for text in texts() {
            let good = deflate(&text, 6);
            for bit in 0..8 * good.len().min(90) {
                let mut stream = good.clone();
                stream[bit / 8] ^= 1 << (bit % 8);
                streams.push(stream);
            }
        }
        for found in inflate(&streams) {
            let read = read_as_flate2(&streams, &found);
            assert!(read > 100, "{read}");
        }
    }

    #[test]
    fn of_any_texts_nothing_else_is_read_either() {
        let mut state = 1u64;
        let mut below = |end: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 20) as usize % end
        };
        let mut streams = Vec::new();
        for _ in 0..6000 {
            // Of few or many characters, some far more often than others, with stretches that come back near and far.
            let (characters, apart, rare) = (1 + below(100), 1 + below(2), 1 + below(3));
            let longest = [300, 1100, 3000][below(3)];
            let length = 1 + below(longest);
            let mut text: Vec<u8> = Vec::new();
            while text.len() < length {
                if below(12) > 0 || text.is_empty() {
                    let most = (0..rare).map(|_| below(characters)).min().unwrap_or(0);
                    text.push((most * apart) as u8);
                    continue;
                }
                let (farthest, longest) = ([3, 12, 2000][below(3)], [10, 300][below(2)]);
                let (from, count) = (text.len() - 1 - below(text.len().min(farthest)), 3 + below(longest));
                (from..from + count).for_each(|at| text.push(text[at]));
            }
            let mut stream = deflate(&text, 1 + below(9) as u32);
            if below(3) == 0 {
                let among = [60, 5000][below(2)];
                let bit = below(8 * stream.len().min(among));
                stream[bit / 8] ^= 1 << (bit % 8);
                if below(4) == 0 {
                    stream.truncate(below(stream.len()));
                }
            }
            streams.push(stream);
        }
        for found in inflate(&streams) {
            let read = read_as_flate2(&streams, &found);
            assert!(read > 500, "{read}");
        }
    }
}
