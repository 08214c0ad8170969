//! Who a `session_id` names: the stable id inside a Flask session cookie, or the id itself. The cookie is a
//! credential, so nothing but a short hash of the id leaves this file.
//!
//! Form of the cookie (itsdangerous' `URLSafeTimedSerializer`, as Flask sets it): `PAYLOAD.TIME.SIGNATURE`;
//! a leading dot means that PAYLOAD is zlib-compressed; PAYLOAD is unpadded base64url of a JSON object.

use super::column::{Dictionary, NULL};
use super::inflate::{Inflater, LANES, reversed};
use flate2::{Decompress, FlushDecompress, Status};
use std::hash::BuildHasher;
use std::ops::Range;

/// More than any cookie holds (browsers allow 4 KiB), however well it was compressed.
const LARGEST_PAYLOAD: usize = 64 * 1024;

/// What a `session_id` says.
#[derive(Debug, PartialEq, Eq)]
pub enum Session<'a> {
    /// The visitor's stable id.
    Id(&'a [u8]),
    /// `no_session` or `unknown`: the visitor has no cookie yet.
    First(&'static str),
    /// A cookie that holds no id (as behind a log-out), or none that can be read.
    Nameless,
}

/// Reads session ids, one after the other, in buffers that it keeps.
pub struct CookieReader {
    inflate: Decompress,
    packed: Vec<u8>,
    payload: Vec<u8>,
}

impl Default for CookieReader {
    fn default() -> Self {
        CookieReader { inflate: Decompress::new(true), packed: Vec::new(), payload: Vec::new() }
    }
}

impl CookieReader {
    /// What this `session_id` says.
    pub fn read<'a>(&'a mut self, text: &'a [u8]) -> Session<'a> {
        match text {
            b"" => return Session::Nameless,
            b"no_session" => return Session::First("no_session"),
            b"unknown" => return Session::First("unknown"),
            _ => {}
        }
        let (compressed, payload) = payload(text);
        let decoded = decode_base64url(payload, &mut self.packed);
        if compressed {
            return self.read_packed();
        } else if decoded && self.packed.starts_with(b"{") {
            std::mem::swap(&mut self.packed, &mut self.payload);
        } else {
            return Session::Id(text);
        }
        inner_id(&self.payload).map_or(Session::Nameless, Session::Id)
    }

    /// What the packed payload says.
    fn read_packed(&mut self) -> Session<'_> {
        // A payload that was cut off may still show the id, so what could be inflated is looked at.
        self.inflate();
        // The buffer may have had room for more, left over from a cookie before.
        self.payload.truncate(LARGEST_PAYLOAD);
        inner_id(&self.payload).map_or(Session::Nameless, Session::Id)
    }

    fn inflate(&mut self) {
        self.inflate.reset(true);
        self.payload.clear();
        self.payload.reserve(1024);
        loop {
            let done = self.inflate.total_in() as usize;
            let before = (done, self.payload.len());
            let input = self.packed.get(done..).unwrap_or_default();
            let status = self.inflate.decompress_vec(input, &mut self.payload, FlushDecompress::Finish);
            let stuck = before == (self.inflate.total_in() as usize, self.payload.len())
                && self.payload.len() < self.payload.capacity();
            if !matches!(status, Ok(Status::Ok | Status::BufError)) || stuck {
                return;
            }
            if self.payload.len() >= LARGEST_PAYLOAD {
                return;
            }
            if self.payload.len() == self.payload.capacity() {
                self.payload.reserve(self.payload.len());
            }
        }
    }
}

/// Whether a session id is a compressed cookie, and the payload it has if it is one.
fn payload(text: &[u8]) -> (bool, &[u8]) {
    let (compressed, rest) = match text {
        [b'.', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    (compressed, &rest[..memchr::memchr(b'.', rest).unwrap_or(rest.len())])
}

/// The value of `"session_id"` in the payload. The bytes `"session_id":"` cannot stand inside a JSON string
/// (its quotes would be escaped), so looking for them is as good as parsing. Keys are sorted: the last is it.
fn inner_id(payload: &[u8]) -> Option<&[u8]> {
    const KEY: &[u8] = br#""session_id":"#;
    // Nearly always the payload ends with it and 32 digits.
    let usual = payload.len().wrapping_sub(KEY.len() + 35);
    let is_usual = payload.get(usual..usual.wrapping_add(KEY.len())) == Some(KEY);
    let at = if is_usual { usual } else { memchr::memmem::rfind(payload, KEY)? } + KEY.len();
    let value = payload[at..].trim_ascii_start().strip_prefix(b"\"")?;
    let end = memchr::memchr(b'"', value)?;
    (end > 0).then(|| &value[..end])
}

/// Decodes unpadded base64url into `out`; false if `text` is none. What was good before the fault is in `out`.
fn decode_base64url(text: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    let (quads, mut rest) = text.as_chunks::<4>();
    for (at, quad) in quads.iter().enumerate() {
        let [a, b, c, d] = quad.map(|byte| u32::from(SIXTETS[usize::from(byte)]));
        if a | b | c | d > 63 {
            rest = &text[at * 4..];
            break;
        }
        let [_, bytes @ ..] = (a << 18 | b << 12 | c << 6 | d).to_be_bytes();
        out.extend_from_slice(&bytes);
    }
    let mut bits = 0u32;
    let mut count = 0;
    for &byte in rest {
        let value = SIXTETS[usize::from(byte)];
        if value == INVALID {
            return byte == b'=';
        }
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    count < 6
}

const INVALID: u8 = 255;

const SIXTETS: [u8; 256] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut table = [INVALID; 256];
    let mut at = 0;
    while at < 64 {
        table[alphabet[at] as usize] = at as u8;
        at += 1;
    }
    table
};

/// Decodes unpadded base64url behind what is in `out`, the bits of each byte [`reversed`]. If `text` is none, that
/// is found here, but not what was good of it.
fn decode_reversed(text: &[u8], out: &mut Vec<u8>) -> bool {
    let begin = out.len();
    let (quads, rest) = text.as_chunks::<4>();
    out.resize(begin + 3 * quads.len(), 0);
    let (triples, _) = out[begin..].as_chunks_mut::<3>();
    let mut all = 0;
    for (triple, quad) in triples.iter_mut().zip(quads) {
        let bits = reversed_bits(quad);
        all |= bits;
        let [_, bytes @ ..] = bits.to_be_bytes();
        *triple = bytes;
    }
    let bits = reversed_bits(rest);
    let [_, bytes @ ..] = bits.to_be_bytes();
    out.extend_from_slice(&bytes[..rest.len().saturating_sub(1)]);
    (all | bits) < NO_SIXTET && rest.len() != 1
}

#[inline]
fn reversed_bits(characters: &[u8]) -> u32 {
    let bits = characters.iter().zip(&REVERSED_SIXTETS).map(|(&byte, table)| table[usize::from(byte)]);
    bits.fold(0, |all, bits| all | bits)
}

const NO_SIXTET: u32 = 1 << 24;

/// What a character in each of four places adds to three bytes whose bits are reversed.
static REVERSED_SIXTETS: [[u32; 256]; 4] = {
    let mut tables = [[NO_SIXTET; 256]; 4];
    let mut at = 0;
    while at < 4 * 256 {
        let (place, byte) = (at / 256, at % 256);
        if SIXTETS[byte] != INVALID {
            let bits = (SIXTETS[byte] as u32) << (18 - 6 * place);
            tables[place][byte] = bits.reverse_bits().swap_bytes();
        }
        at += 1;
    }
    tables
};

/// How many characters a short hash has: 60 bits, and the longest text that Polars keeps inside the column.
/// Two of a million visitors share one with a probability of 1 in 2 million.
const HASH_CHARACTERS: usize = 12;

/// A short hash of an id: 12 characters of Crockford's base 32, lower case.
pub fn short_hash(id: &[u8]) -> [u8; HASH_CHARACTERS] {
    let digest = blake3::hash(id);
    let mut bits = u64::from_le_bytes(std::array::from_fn(|at| digest.as_bytes()[at]));
    std::array::from_fn(|_| {
        let character = b"0123456789abcdefghjkmnpqrstvwxyz"[(bits & 31) as usize];
        bits >>= 5;
        character
    })
}

/// Codes of session ids. Compressed cookies wait until there are many, which are then inflated side by side.
pub struct CookieCodes {
    reader: CookieReader,
    /// The cookies seen last: an action line and its request line carry the same one.
    recent: Vec<(Vec<u8>, Code)>,
    hasher: foldhash::fast::FixedState,
    names: Names,
    inflater: Inflater,
    /// The packed payloads of the cookies that wait, [`reversed`], and the rows that wait for them.
    packed: Vec<u8>,
    waiting: Vec<Waiting>,
    rows: Vec<(usize, usize)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Code {
    Known(u32),
    /// The number of the cookie among those that wait.
    Waiting(usize),
}

struct Waiting {
    packed: Range<usize>,
    /// Its place among the recent cookies, unless another one has taken it.
    place: usize,
    code: u32,
}

/// The ids themselves, and the code of each one's hash: an id is in many cookies and need be hashed once.
#[derive(Default)]
struct Names {
    ids: Dictionary,
    hashes: Vec<u32>,
}

const RECENT_COOKIES: usize = 1024;

impl Default for CookieCodes {
    fn default() -> Self {
        CookieCodes {
            reader: CookieReader::default(),
            recent: vec![(Vec::new(), Code::Known(NULL)); RECENT_COOKIES],
            hasher: foldhash::fast::FixedState::default(),
            names: Names::default(),
            inflater: Inflater::default(),
            packed: Vec::new(),
            waiting: Vec::new(),
            rows: Vec::new(),
        }
    }
}

impl CookieCodes {
    /// The code of what this row's `session_id` says, [`NULL`] if it names nobody, or if only
    /// [`CookieCodes::resolve`] will tell.
    pub fn code(&mut self, text: &[u8], row: usize, dictionary: &mut Dictionary) -> u32 {
        let place = self.hasher.hash_one(text) as usize % RECENT_COOKIES;
        if self.recent[place].0 != text {
            let code = self.new_code(text, place, dictionary);
            let (recent, recent_code) = &mut self.recent[place];
            recent.clear();
            recent.extend_from_slice(text);
            *recent_code = code;
        }
        match self.recent[place].1 {
            Code::Known(code) => code,
            Code::Waiting(number) => {
                self.rows.push((row, number));
                NULL
            }
        }
    }

    fn new_code(&mut self, text: &[u8], place: usize, dictionary: &mut Dictionary) -> Code {
        let begin = self.packed.len();
        let (compressed, payload) = payload(text);
        if compressed && decode_reversed(payload, &mut self.packed) {
            self.waiting.push(Waiting { packed: begin..self.packed.len(), place, code: NULL });
            return Code::Waiting(self.waiting.len() - 1);
        }
        self.packed.truncate(begin);
        Code::Known(self.names.code(self.reader.read(text), dictionary))
    }

    /// Puts the codes of all cookies that waited into their rows.
    pub fn resolve(&mut self, codes: &mut [u32], dictionary: &mut Dictionary) {
        // Lanes with equally long streams end together.
        let mut order: Vec<usize> = (0..self.waiting.len()).collect();
        order.sort_unstable_by_key(|&number| self.waiting[number].packed.len());
        for numbers in order.chunks(LANES) {
            self.resolve_lanes(numbers, dictionary);
        }
        for (row, number) in self.rows.drain(..) {
            codes[row] = self.waiting[number].code;
        }
        for (number, waiting) in self.waiting.drain(..).enumerate() {
            let (_, code) = &mut self.recent[waiting.place];
            if *code == Code::Waiting(number) {
                *code = Code::Known(waiting.code);
            }
        }
        self.packed.clear();
    }

    fn resolve_lanes(&mut self, numbers: &[usize], dictionary: &mut Dictionary) {
        let mut streams = [&[][..]; LANES];
        for (stream, &number) in streams.iter_mut().zip(numbers) {
            *stream = &self.packed[self.waiting[number].packed.clone()];
        }
        self.inflater.inflate(&streams[..numbers.len()]);
        for (lane, (&number, stream)) in numbers.iter().zip(streams).enumerate() {
            let reader = &mut self.reader;
            let session = if self.inflater.output(lane, &mut reader.payload) {
                inner_id(&reader.payload).map_or(Session::Nameless, Session::Id)
            } else {
                reader.packed.clear();
                reader.packed.extend_from_slice(stream);
                reversed(&mut reader.packed);
                reader.read_packed()
            };
            self.waiting[number].code = self.names.code(session, dictionary);
        }
    }
}

impl Names {
    fn code(&mut self, session: Session, dictionary: &mut Dictionary) -> u32 {
        match session {
            Session::Id(id) => {
                let at = self.ids.code(id) as usize;
                if at == self.hashes.len() {
                    self.hashes.push(dictionary.code(&short_hash(id)));
                }
                self.hashes[at]
            }
            Session::First(word) => dictionary.code(word.as_bytes()),
            Session::Nameless => NULL,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ID: &[u8] = b"a4fa2627a88e6ab573c51cc72195c3ab";
    // Written by the shop itself: ../../../shared holds the line that it is from.
    const COOKIE: &str = ".eJxNykESwiAMAMC_5GxtEkpB3uGdSSkoM9V2Gjw5_t1687z7hlj2rHcIRRbNJ1hEW9zkliFAv-3r_EpN-wH-JLb6-DEj2w5NR3hFCsQB7ZnIkzPH1qxa12es8zFlKMIjO_E-jzJZZ5KllBzTxSYjE3y-bXgojQ.Z8291Q.IL4CGw55xEqI2Ec_7R0u7KaHqaU";

    #[test]
    fn the_id_is_found_in_every_form_of_a_cookie() {
        let mut reader = CookieReader::default();
        assert_eq!(reader.read(COOKIE.as_bytes()), Session::Id(ID));
        let without_tail = COOKIE.split_at(COOKIE.find(".Z8").unwrap()).0;
        assert_eq!(reader.read(without_tail.as_bytes()), Session::Id(ID));
        let plain = br#"{"_fresh":false,"session_id":"a4fa2627a88e6ab573c51cc72195c3ab"}"#;
        let plain = encode(plain);
        assert_eq!(reader.read(format!("{plain}.Z8291Q.x").as_bytes()), Session::Id(ID));
        assert_eq!(reader.read(plain.as_bytes()), Session::Id(ID));
        assert_eq!(reader.read(ID), Session::Id(ID));
        assert_eq!(reader.read(b"no_session"), Session::First("no_session"));
    }

    #[test]
    fn what_cannot_be_read_names_nobody() {
        let mut reader = CookieReader::default();
        let without_id = encode(br#"{"last_page":"/a?\"session_id\":\"x\""}"#);
        for text in ["", ".", ".eJ", ".!!!", ".eJxNykESwiAMAMC_5Gxt.Z.s", &without_id] {
            assert_eq!(reader.read(text.as_bytes()), Session::Nameless, "{text}");
        }
        // The reader is as good as new afterwards.
        assert_eq!(reader.read(COOKIE.as_bytes()), Session::Id(ID));
    }

    #[test]
    fn cookies_that_wait_get_the_codes_of_the_others() {
        let without_tail = COOKIE.split_at(COOKIE.find(".Z8").unwrap()).0;
        let cookies = [COOKIE, "no_session", ".eJxNykESwiAMAMC_5Gxt.Z.s", COOKIE, without_tail];
        let mut codes = CookieCodes::default();
        let mut dictionary = Dictionary::default();
        for _ in 0..2 {
            let mut column = Vec::new();
            for (row, text) in cookies.iter().enumerate() {
                column.push(codes.code(text.as_bytes(), row, &mut dictionary));
            }
            codes.resolve(&mut column, &mut dictionary);
            let hash = dictionary.code(&short_hash(ID));
            let first = dictionary.code(b"no_session");
            assert_eq!(column, [hash, first, NULL, hash, hash]);
        }
    }

    #[test]
    fn many_at_a_time_say_what_each_alone_says() {
        let mut random = Random(1);
        let mut texts: Vec<Vec<u8>> = Vec::new();
        for _ in 0..600 {
            let cookie = random.cookie();
            texts.push(random.damaged(cookie.clone()));
            texts.push(random.damaged(cookie.clone()));
            texts.push(cookie);
        }
        texts.extend((0..COOKIE.len()).map(|end| COOKIE.as_bytes()[..end].to_vec()));
        let (mut reader, mut codes, mut dictionary) =
            (CookieReader::default(), CookieCodes::default(), Dictionary::default());
        let mut named = 0;
        for chunk in texts.chunks(100) {
            let mut column: Vec<u32> = Vec::new();
            for (row, text) in chunk.iter().enumerate() {
                column.push(codes.code(text, row, &mut dictionary));
            }
            codes.resolve(&mut column, &mut dictionary);
            for (text, code) in chunk.iter().zip(column) {
                let expected = match reader.read(text) {
                    Session::Id(id) => dictionary.code(&short_hash(id)),
                    Session::First(word) => dictionary.code(word.as_bytes()),
                    Session::Nameless => NULL,
                };
                assert_eq!(code, expected, "{}", String::from_utf8_lossy(text));
                named += usize::from(code != NULL);
            }
        }
        assert!(named > 700, "{named}");
    }

    /// Xorshift: every run tests the same cookies.
    struct Random(u64);

    impl Random {
        fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 20) as usize % end
        }

        fn hex(&mut self, count: usize) -> String {
            (0..count).map(|_| char::from(b"0123456789abcdef"[self.below(16)])).collect()
        }

        fn cookie(&mut self) -> Vec<u8> {
            let (id, pages) = (self.hex(32), "/products/17?".repeat(self.below(5) * self.below(30)));
            let other = [0, 0, 128, 700][self.below(4)];
            let mut json = format!(r#"{{"_id":"{}","last_page":"{pages}""#, self.hex(other));
            if self.below(8) > 0 {
                json += &format!(r#","session_id":"{id}""#);
            }
            json.push('}');
            let level = flate2::Compression::new(self.below(10) as u32);
            let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), level);
            std::io::Write::write_all(&mut packer, json.as_bytes()).unwrap();
            format!(".{}.Z8291Q.x", encode(&packer.finish().unwrap())).into_bytes()
        }

        fn damaged(&mut self, mut cookie: Vec<u8>) -> Vec<u8> {
            let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=. +";
            match self.below(3) {
                0 => cookie.truncate(self.below(cookie.len())),
                1 => {
                    let at = self.below(cookie.len());
                    cookie[at] = alphabet[self.below(alphabet.len())];
                }
                _ => {
                    // Most of what the block's header says is in the first 60 characters.
                    let at = 1 + self.below(cookie.len().min(60) - 1);
                    cookie[at] = alphabet[self.below(64)];
                }
            }
            cookie
        }
    }

    fn encode(bytes: &[u8]) -> String {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut out = String::new();
        for chunk in bytes.chunks(3) {
            let bits =
                chunk.iter().fold(0u32, |bits, &b| bits << 8 | u32::from(b)) << (8 * (3 - chunk.len()));
            for at in 0..=chunk.len() {
                out.push(char::from(alphabet[(bits >> (18 - 6 * at) & 63) as usize]));
            }
        }
        out
    }
}
