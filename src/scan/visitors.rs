//! The codes of session ids in a column. Compressed cookies wait until there are many, which are then inflated side
//! by side. Knows nothing of what a cookie looks like inside.

use super::base64::Decoder;
use super::client::HASHER;
use super::column::{Dictionary, NULL};
use super::cookie::{CookieReader, Session, inner_id, payload, short_hash};
use super::huffman::reversed;
use super::inflate::{BEHIND, Inflater};
use foldhash::quality::FixedState;
use std::hash::BuildHasher;
use std::ops::Range;

/// Gives session ids their codes; one for each thread.
pub struct CookieCodes {
    reader: CookieReader,
    /// The cookies seen last, each by a hash of 64 bits that is seeded anew in every run: an action line and its request
    /// line carry the same one.
    recent: Vec<(u64, Code)>,
    hasher: FixedState,
    names: Names,
    decoder: Decoder,
    inflater: Inflater,
    /// The packed payloads of the cookies that wait, [`reversed`], and the rows that wait for them.
    packed: Vec<u8>,
    waiting: Vec<Waiting>,
    rows: Vec<(usize, usize)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Code {
    /// There is no cookie.
    None,
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
            recent: vec![(0, Code::None); RECENT_COOKIES],
            hasher: HASHER.clone(),
            names: Names::default(),
            decoder: Decoder::default(),
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
        let hash = self.hasher.hash_one(text);
        let place = hash as usize % RECENT_COOKIES;
        if self.recent[place].0 != hash || self.recent[place].1 == Code::None {
            self.recent[place] = (hash, self.new_code(text, place, dictionary));
        }
        match self.recent[place].1 {
            Code::None => NULL,
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
        if compressed && self.decoder.decode(payload, &mut self.packed) {
            self.waiting.push(Waiting { packed: begin..self.packed.len(), place, code: NULL });
            return Code::Waiting(self.waiting.len() - 1);
        }
        self.packed.truncate(begin);
        Code::Known(self.names.code(self.reader.read(text), dictionary))
    }

    /// Puts the codes of all cookies that waited into their rows.
    pub fn resolve(&mut self, codes: &mut [u32], dictionary: &mut Dictionary) {
        self.packed.extend_from_slice(&[0; BEHIND]);
        // Lanes with equally long streams end together.
        let mut order: Vec<usize> = (0..self.waiting.len()).collect();
        order.sort_unstable_by_key(|&number| self.waiting[number].packed.len());
        for numbers in order.chunks(self.inflater.lanes()) {
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
        let packed = |number: &usize| self.waiting[*number].packed.clone();
        let streams: Vec<Range<usize>> = numbers.iter().map(packed).collect();
        self.inflater.inflate(&self.packed, &streams);
        for (lane, (&number, stream)) in numbers.iter().zip(streams).enumerate() {
            let session = match self.inflater.output(lane) {
                Some(payload) => inner_id(payload).map_or(Session::Nameless, Session::Id),
                None => {
                    let packed = &mut self.reader.packed;
                    packed.clear();
                    packed.extend_from_slice(&self.packed[stream]);
                    reversed(packed);
                    self.reader.read_packed()
                }
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
    use super::super::cookie::tests::{COOKIE, ID, encode};
    use super::*;

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
}
