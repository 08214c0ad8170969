//! Flask's session cookie `.PAYLOAD.TIME.SIGNATURE`, as itsdangerous writes it: zlib where that is shorter.
//! The deflate stream is our own (one Huffman code for printable ASCII, no matches): a library's bytes may change
//! with its version or the processor, ours may not. Knows nothing of what the session holds.

use crate::rng::Rng;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Characters with codes of 5 bits; those of `FREQUENT` have 6, the other printable ones and the end mark 8.
/// 16/32 + 16/64 + 64/256 = 1: the code is complete, as deflate demands.
const MOST_FREQUENT: &[u8; 16] = b"0123456789abcdef";
const FREQUENT: &[u8; 16] = b"\"_:,stpgliorun/\\";
/// The end mark of a deflate block.
const END: usize = 256;

/// Writes signed session cookies.
pub struct Jar {
    /// Code and its length of each symbol; the code's bits are reversed, ready for deflate's bit order.
    codes: [(u32, u32); 257],
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    pending: u64,
    count: u32,
}

impl Bits {
    fn push(&mut self, value: u32, width: u32) {
        self.pending |= u64::from(value) << self.count;
        self.count += width;
        while self.count >= 8 {
            self.bytes.push(self.pending as u8);
            self.pending >>= 8;
            self.count -= 8;
        }
    }

    fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.bytes.push(self.pending as u8);
        }
        self.bytes
    }
}

fn length_of(symbol: usize) -> u32 {
    match u8::try_from(symbol) {
        Ok(c) if MOST_FREQUENT.contains(&c) => 5,
        Ok(c) if FREQUENT.contains(&c) => 6,
        Ok(b' '..=b'~') | Err(_) => 8,
        Ok(_) => 0,
    }
}

impl Jar {
    /// A jar; all jars write alike.
    pub fn new() -> Self {
        let mut codes = [(0, 0); 257];
        let mut next = 0u32;
        let mut before = 5;
        for length in [5, 6, 8] {
            next <<= length - before;
            before = length;
            for (symbol, code) in codes.iter_mut().enumerate() {
                if length_of(symbol) == length {
                    *code = (next.reverse_bits() >> (32 - length), length);
                    next += 1;
                }
            }
        }
        Jar { codes }
    }

    /// The cookie of this JSON text (printable ASCII), signed at `utc` seconds.
    pub fn cookie(&self, json: &str, utc: u32, rng: &mut Rng) -> String {
        let packed = self.zlib(json.as_bytes());
        let mut out = String::with_capacity(json.len() * 2);
        if packed.len() < json.len() - 1 {
            out.push('.');
            base64url(&packed, &mut out);
        } else {
            base64url(json.as_bytes(), &mut out);
        }
        out.push('.');
        base64url(&utc.to_be_bytes(), &mut out);
        out.push('.');
        let mut signature = [0; 24];
        for eight in signature.chunks_mut(8) {
            eight.copy_from_slice(&rng.next().to_le_bytes());
        }
        base64url(&signature[..20], &mut out);
        out
    }

    fn zlib(&self, text: &[u8]) -> Vec<u8> {
        let mut bits = Bits { bytes: vec![0x78, 0x9c], ..Bits::default() };
        block_header(&mut bits);
        for symbol in text.iter().map(|byte| usize::from(*byte)).chain([END]) {
            let (code, length) = self.codes[symbol];
            bits.push(code, length);
        }
        let mut bytes = bits.finish();
        let (mut a, mut b) = (1u32, 0u32);
        for byte in text {
            a = (a + u32::from(*byte)) % 65_521;
            b = (b + a) % 65_521;
        }
        bytes.extend((b << 16 | a).to_be_bytes());
        bytes
    }
}

/// The head of the only block: RFC 1951, 3.2.7, with the lengths of `length_of`.
fn block_header(bits: &mut Bits) {
    bits.push(1, 1); // the last block
    bits.push(2, 2); // its own Huffman codes
    bits.push(0, 5); // 257 literal lengths
    bits.push(0, 5); // 1 distance length
    bits.push(10 - 4, 4); // of the lengths' own code, in the RFC's order: 16 17 18 0 8 7 9 6 10 5
    for length in [0, 0, 4, 4, 1, 0, 0, 3, 0, 2] {
        bits.push(length, 3);
    }
    let zeros = |bits: &mut Bits, run: u32| {
        bits.push(0b1111, 4);
        bits.push(run - 11, 7);
    };
    zeros(bits, 32);
    for symbol in (32..127).chain([END]) {
        if symbol == END {
            zeros(bits, 129);
        }
        match length_of(symbol) {
            5 => bits.push(0b01, 2),
            6 => bits.push(0b011, 3),
            _ => bits.push(0, 1),
        }
    }
    bits.push(0b0111, 4); // no distances: there are no matches
}

fn base64url(bytes: &[u8], out: &mut String) {
    for three in bytes.chunks(3) {
        let group =
            three.iter().enumerate().fold(0u32, |group, (i, byte)| group | u32::from(*byte) << (16 - 8 * i));
        for i in 0..=three.len() {
            out.push(char::from(ALPHABET[(group >> (18 - 6 * i)) as usize & 63]));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn any_zlib_reads_our_stream() {
        let printable: String = (' '..='~').collect();
        for text in [printable.repeat(9), "{}".to_owned()] {
            let packed = Jar::new().zlib(text.as_bytes());
            let mut back = String::new();
            flate2::read::ZlibDecoder::new(&packed[..]).read_to_string(&mut back).unwrap();
            assert_eq!(back, text);
        }
    }

    #[test]
    fn base64_has_no_padding() {
        for (bytes, text) in [(&b"\xff"[..], "_w"), (b"\xff\xef", "_-8"), (b"abc", "YWJj")] {
            let mut out = String::new();
            base64url(bytes, &mut out);
            assert_eq!(out, text);
        }
    }
}
