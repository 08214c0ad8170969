//! Who a `session_id` names: the stable id inside a Flask session cookie, or the id itself. The cookie is a
//! credential, so nothing but a short hash of the id leaves this file.
//!
//! Form of the cookie (itsdangerous' `URLSafeTimedSerializer`, as Flask sets it): `PAYLOAD.TIME.SIGNATURE`;
//! a leading dot means that PAYLOAD is zlib-compressed; PAYLOAD is unpadded base64url of a JSON object.

use super::base64::decode;
use flate2::{Decompress, FlushDecompress, Status};

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
    pub(super) packed: Vec<u8>,
    pub(super) payload: Vec<u8>,
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
        let decoded = decode(payload, &mut self.packed);
        if compressed {
            return self.read_packed();
        } else if decoded && is_object(&self.packed) {
            std::mem::swap(&mut self.packed, &mut self.payload);
        } else {
            return Session::Id(text);
        }
        inner_id(&self.payload).map_or(Session::Nameless, Session::Id)
    }

    /// What the packed payload says.
    pub(super) fn read_packed(&mut self) -> Session<'_> {
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
pub(super) fn payload(text: &[u8]) -> (bool, &[u8]) {
    let (compressed, rest) = match text {
        [b'.', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    (compressed, &rest[..memchr::memchr(b'.', rest).unwrap_or(rest.len())])
}

/// Whether this is, or begins as, a JSON object as Flask writes it. A brace alone would not tell: hexadecimal digits are
/// base64url too, and of 25 ids one (`e0` to `e9`) decodes to what begins with it.
fn is_object(decoded: &[u8]) -> bool {
    decoded.starts_with(b"{\"") || decoded == b"{}"
}

/// The value of `"session_id"` in the payload's object itself, not in one within it. Keys are sorted: nearly always it is the
/// last, and the payload ends with it and 32 digits; all other payloads are walked through, as far as they go.
pub(super) fn inner_id(payload: &[u8]) -> Option<&[u8]> {
    const KEY: &[u8] = br#""session_id":""#;
    if let Some((begin, [id @ .., b'"', b'}'])) = payload.split_last_chunk::<34>()
        && begin.ends_with(KEY)
        && !id.iter().any(|&byte| byte == b'"' || byte == b'\\')
    {
        return Some(id);
    }
    let (mut depth, mut rest, mut is_key) = (0, payload, false);
    loop {
        let at = rest.iter().position(|byte| b"\"{}[]:,".contains(byte))?;
        let byte = rest[at];
        rest = &rest[at + 1..];
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b'"' => {
                let text = &rest[..string_end(rest)?];
                rest = &rest[text.len() + 1..];
                if is_key {
                    return Some(text).filter(|text| !text.is_empty());
                }
                is_key = depth == 1 && text == b"session_id" && rest.trim_ascii_start().starts_with(b":");
                continue;
            }
            b':' if is_key && rest.trim_ascii_start().first() == Some(&b'"') => continue,
            _ => {}
        }
        is_key = false;
    }
}

/// Where a JSON string ends whose opening quote lies before this.
fn string_end(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr::memchr2(b'"', b'\\', &text[from..])?;
        if text[at] == b'"' {
            return Some(at);
        }
        from = (at + 2).min(text.len());
    }
}

/// How many characters a short hash has: 60 bits, and the longest text that Polars keeps inside the column.
/// Two of a million visitors share one with a probability of 1 in 2 million.
const HASH_CHARACTERS: usize = 12;

/// A short hash of an id: 12 characters of Crockford's base 32, lower case.
pub fn short_hash(id: &[u8]) -> [u8; HASH_CHARACTERS] {
    let digest = blake3::hash(id);
    characters(u64::from_le_bytes(std::array::from_fn(|at| digest.as_bytes()[at])))
}

/// The lower 60 bits of a hash as text.
pub(super) fn characters(mut bits: u64) -> [u8; HASH_CHARACTERS] {
    std::array::from_fn(|_| {
        let character = b"0123456789abcdefghjkmnpqrstvwxyz"[(bits & 31) as usize];
        bits >>= 5;
        character
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::*;

    pub const ID: &[u8] = b"a4fa2627a88e6ab573c51cc72195c3ab";
    // Written by the shop itself.
    pub const COOKIE: &str = ".eJxNykESwiAMAMC_5GxtEkpB3uGdSSkoM9V2Gjw5_t1687z7hlj2rHcIRRbNJ1hEW9zkliFAv-3r_EpN-wH-JLb6-DEj2w5NR3hFCsQB7ZnIkzPH1qxa12es8zFlKMIjO_E-jzJZZ5KllBzTxSYjE3y-bXgojQ.Z8291Q.IL4CGw55xEqI2Ec_7R0u7KaHqaU";

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
    fn an_id_is_no_cookie_whatever_it_begins_with() {
        let mut reader = CookieReader::default();
        for first in 0..=255u8 {
            let id = format!("{first:02x}b06ce60741c7a87ce42c8218072e8c");
            assert_eq!(reader.read(id.as_bytes()), Session::Id(id.as_bytes()));
        }
        for object in ["{}", r#"{"_permanent":true}"#] {
            assert_eq!(reader.read(encode(object.as_bytes()).as_bytes()), Session::Nameless, "{object}");
        }
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
    fn the_id_is_that_of_the_session_itself() {
        for (payload, expected) in [
            (r#"{"session_id":"mine","user":{"session_id":"other"}}"#, Some("mine")),
            (r#"{"list":[{"session_id":"other"}],"session_id":"mine"}"#, Some("mine")),
            (r#"{"last":"\"session_id\":\"x\"","session_id" : "mine"}"#, Some("mine")),
            (r#"{"a":{"b":1},"session_id":"mine","z":"a4fa2627a88e6ab573c51cc72195c3ab"}"#, Some("mine")),
            (r#"{"user":{"session_id":"a4fa2627a88e6ab573c51cc72195c3ab"}}"#, None),
            (r#"{"page":"session_id","x":"y"}"#, None),
            (r#"{"session_id":"","x":"y"}"#, None),
            (r#"{"session_id":null,"x":"y"}"#, None),
            (r#"{"session_id":7,"x":"y"}"#, None),
            (r#"{"session_id":["x"]}"#, None),
            (r#"{"session_id":"mine","cut":"of"#, Some("mine")),
            (r#"{"session_id":"cut o"#, None),
            (r#"{"session_id":"cut off\"#, None),
        ] {
            assert_eq!(inner_id(payload.as_bytes()), expected.map(str::as_bytes), "{payload}");
        }
        let usual = format!(r#"{{"_fresh":false,"session_id":"{}"}}"#, str::from_utf8(ID).unwrap());
        assert_eq!(inner_id(usual.as_bytes()), Some(ID));
    }

    pub fn encode(bytes: &[u8]) -> String {
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
