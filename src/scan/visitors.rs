//! The codes of session ids in a column. Compressed cookies wait until there are many, which are then inflated side
//! by side. Knows nothing of what a cookie looks like inside.

use super::base64::Decoder;
use super::column::{Dictionary, NULL};
use super::cookie::{CookieReader, Session, inner_id, payload, short_hash};
use super::huffman::reversed;
use super::inflate::{BEHIND, Inflater};
use std::ops::Range;

/// Gives session ids their codes; one for each thread.
pub struct CookieCodes {
    reader: CookieReader,
    names: Names,
    /// The plain ids met last: the lines of a page that was left have one each.
    plain: RecentIds,
    decoder: Decoder,
    inflater: Inflater,
    /// The packed payloads of the cookies that wait, [`reversed`], and the rows that wait for them.
    packed: Vec<u8>,
    waiting: Vec<Waiting>,
    rows: Vec<(u32, u32)>,
    /// The numbers that cookies met last have among those that wait, or had: an action line and its request line carry the
    /// same one.
    recent: Vec<u32>,
}

struct Waiting {
    packed: Range<usize>,
    code: u32,
}

/// The ids themselves, and the code of each one's hash: an id is in many cookies and need be hashed once.
#[derive(Default)]
struct Names {
    recent: RecentIds,
    ids: Dictionary,
    hashes: Vec<u32>,
}

/// The ids met last, with their codes: all of them take more room than the processor's cache has.
struct RecentIds(Vec<([u8; ID], u32)>);

impl Default for RecentIds {
    fn default() -> Self {
        RecentIds(vec![([0; ID], NULL); RECENT])
    }
}

impl RecentIds {
    /// The code that `new` has for this id, always the same for the same id.
    fn code(&mut self, id: &[u8; ID], new: impl FnOnce() -> u32) -> u32 {
        let recent = &mut self.0[place(id)];
        if recent.0 != *id || recent.1 == NULL {
            *recent = (*id, new());
        }
        recent.1
    }
}

/// How many characters an id has.
const ID: usize = 32;
/// How many ids, and how many cookies, are remembered.
const RECENT: usize = 1024;

impl Default for CookieCodes {
    fn default() -> Self {
        CookieCodes {
            reader: CookieReader::default(),
            names: Names::default(),
            plain: RecentIds::default(),
            decoder: Decoder::default(),
            inflater: Inflater::default(),
            packed: Vec::new(),
            waiting: Vec::new(),
            rows: Vec::new(),
            recent: vec![0; RECENT],
        }
    }
}

impl CookieCodes {
    /// The code of what this row's `session_id` says, [`NULL`] if it names nobody, or if only
    /// [`CookieCodes::resolve`] will tell.
    pub fn code(&mut self, text: &[u8], row: usize, dictionary: &mut Dictionary) -> u32 {
        if let Ok(id) = <&[u8; ID]>::try_from(text) {
            return self.plain.code(id, || self.names.code(self.reader.read(text), dictionary));
        }
        let begin = self.packed.len();
        if !self.decode(text) {
            self.packed.truncate(begin);
            return self.names.code(self.reader.read(text), dictionary);
        }
        let recent = &mut self.recent[place(text)];
        let same = |waiting: &Waiting| self.packed[waiting.packed.clone()] == self.packed[begin..];
        if self.waiting.get(*recent as usize).is_some_and(same) {
            self.packed.truncate(begin);
        } else {
            *recent = self.waiting.len() as u32;
            self.waiting.push(Waiting { packed: begin..self.packed.len(), code: NULL });
        }
        self.rows.push((row as u32, *recent));
        NULL
    }

    /// Decodes the payload of a compressed cookie behind those that wait; false if it is none.
    fn decode(&mut self, text: &[u8]) -> bool {
        // As Flask signs them: a payload has no dot, so that it is this one if it can be decoded.
        let signed = text.split_last_chunk::<SIGNED>();
        if let Some((&[b'.', ref payload @ ..], &[b'.', _, _, _, _, _, _, b'.', ..])) = signed {
            let begin = self.packed.len();
            if self.decoder.decode(payload, &mut self.packed) {
                return true;
            }
            self.packed.truncate(begin);
        }
        let (compressed, payload) = payload(text);
        compressed && self.decoder.decode(payload, &mut self.packed)
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
            codes[row as usize] = self.waiting[number as usize].code;
        }
        self.waiting.clear();
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

/// Dot, time, dot and signature (of SHA-1) behind the payload.
const SIGNED: usize = 1 + 6 + 1 + 27;

/// Where something is remembered that ends with these bytes, which are as good as random (multiplicative hashing; Knuth, The Art
/// of Computer Programming, 6.4).
fn place(bytes: &[u8]) -> usize {
    let last = bytes.last_chunk().map_or(0, |last| u64::from_le_bytes(*last));
    (last.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % RECENT
}

impl Names {
    fn code(&mut self, session: Session, dictionary: &mut Dictionary) -> u32 {
        match session {
            Session::Id(id) => {
                let Names { recent, ids, hashes } = self;
                let mut code = || {
                    let at = ids.code(id) as usize;
                    if at == hashes.len() {
                        hashes.push(dictionary.code(&short_hash(id)));
                    }
                    hashes[at]
                };
                match id.try_into() {
                    Ok(id) => recent.code(id, code),
                    Err(_) => code(),
                }
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
