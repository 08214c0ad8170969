//! Session cookies as Flask writes them, cut, changed, and any other text: the reader never panics, keeps nothing from
//! one cookie to the next, and finds the id that was put in; a column of them says the same of each. How to run it is said in `lines.rs`.
#![no_main]

use flate2::{Compression, read::DeflateDecoder, write::ZlibEncoder};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use loganalyze::scan::column::Column;
use loganalyze::scan::cookie::{CookieReader, Session, short_hash};
use loganalyze::scan::inflate::{BEHIND, Inflater};
use loganalyze::scan::stops::Kernel;
use serde_json::{Map, Value};
use std::io::{Read, Write};

#[path = "../../tests/suite/oracle.rs"]
mod oracle;

#[derive(Debug, Arbitrary)]
enum Cookie {
    Any(Vec<u8>),
    /// A base64url text of any bytes, behind a dot or not.
    Packed(bool, Vec<u8>),
    Flask(Flask),
}

#[derive(Debug, Arbitrary)]
struct Flask {
    id: Option<u128>,
    /// Repeated so often: compresses well, and outgrows buffers.
    pages: Vec<(String, u8)>,
    user: Option<u16>,
    level: Option<u8>,
    has_tail: bool,
    edits: Vec<Edit>,
}

/// A change to what is packed in base64url.
#[derive(Debug, Arbitrary)]
enum Edit {
    Replace(u16, u8),
    Insert(u16, u8),
    Cut(u16),
}

fuzz_target!(init: loganalyze::stay_on_one_thread(), |cookies: Vec<Cookie>| {
    let mut reader = CookieReader::default();
    let (mut lines, mut sessions, mut packed) = (Vec::new(), Vec::new(), Vec::new());
    for cookie in &cookies {
        let (text, id) = cookie.text();
        let found = reader.read(&text);
        assert_eq!(found, CookieReader::default().read(&text), "{}", text.escape_ascii());
        if let Some(id) = &id {
            let expected = id.as_ref().map_or(Session::Nameless, |id| Session::Id(id.as_bytes()));
            assert_eq!(found, expected, "{}", text.escape_ascii());
        }
        if let Ok(text) = std::str::from_utf8(&text) {
            let payload = text.strip_prefix('.').and_then(|rest| rest.split('.').next());
            packed.extend(payload.and_then(oracle::base64url));
            assert!(id.is_none() || oracle::expected_session(text).is_some());
            let mut line = serde_json::json!({ "session_id": text }).to_string();
            line.push('\n');
            lines.push(line);
            sessions.push(match found {
                Session::Id(id) => Some(short_hash(id).escape_ascii().to_string()),
                Session::First(word) => Some(word.into()),
                Session::Nameless => None,
            });
        }
    }
    side_by_side(&packed);
    // As a column, where many are inflated side by side and the last ones are remembered.
    lines.extend_from_within(..);
    sessions.extend_from_within(..);
    let scanned = oracle::check(&lines, Kernel::best());
    let Column::Text(column) = &scanned.columns["session_id"] else { panic!("sessions are text") };
    for (row, session) in sessions.iter().enumerate() {
        assert_eq!(column.get(row), session.as_deref(), "{}", lines[row]);
    }
});

/// What is inflated side by side is what flate2 makes of it; what is given up, flate2 will read.
fn side_by_side(packed: &[Vec<u8>]) {
    let mut all = Vec::new();
    let places: Vec<_> = packed
        .iter()
        .map(|stream| {
            let begin = all.len();
            all.extend(stream.iter().map(|byte| byte.reverse_bits()));
            begin..all.len()
        })
        .collect();
    all.extend([0; BEHIND]);
    for mut inflater in Inflater::all() {
        for (places, streams) in places.chunks(inflater.lanes()).zip(packed.chunks(inflater.lanes())) {
            inflater.inflate(&all, places);
            for (lane, stream) in streams.iter().enumerate() {
                let Some(found) = inflater.output(lane) else { continue };
                let mut expected = Vec::new();
                // It knows nothing of the checksum behind the deflated bytes.
                let inflated = DeflateDecoder::new(&stream[2..]).read_to_end(&mut expected);
                assert!(inflated.is_ok() && found == expected, "{}", stream.escape_ascii());
            }
        }
    }
}

impl Cookie {
    /// The cookie, and the id in it, if any, where that is certain.
    fn text(&self) -> (Vec<u8>, Option<Option<String>>) {
        match self {
            Cookie::Any(text) => (text.clone(), None),
            Cookie::Packed(dot, packed) => {
                let dot = if *dot { "." } else { "" };
                ((dot.to_owned() + &base64url(packed)).into_bytes(), None)
            }
            Cookie::Flask(flask) => flask.text(),
        }
    }
}

impl Flask {
    fn text(&self) -> (Vec<u8>, Option<Option<String>>) {
        let id = self.id.map(|id| format!("{id:032x}"));
        let mut payload = Map::new();
        payload.insert("_fresh".into(), false.into());
        for (page, times) in &self.pages {
            payload.insert(page.clone(), page.repeat(usize::from(*times)).into());
        }
        self.user.map(|user| payload.insert("_user_id".into(), user.to_string().into()));
        payload.remove("session_id");
        id.clone().map(|id| payload.insert("session_id".into(), id.into()));
        let payload = Value::Object(payload).to_string();
        // As itsdangerous does it: compressed only where the level says so.
        let mut packed = match self.level {
            None => payload.clone().into_bytes(),
            Some(level) => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(u32::from(level % 10)));
                encoder.write_all(payload.as_bytes()).expect("into memory");
                encoder.finish().expect("into memory")
            }
        };
        self.edits.iter().for_each(|edit| edit.apply(&mut packed));
        let certain = self.edits.is_empty() && payload.len() <= 64 << 10;
        let dot = if self.level.is_some() { "." } else { "" };
        let tail = if self.has_tail { ".Z8291Q.IL4CGw55xEqI2Ec_7R0u7KaHqaU" } else { "" };
        ((dot.to_owned() + &base64url(&packed) + tail).into_bytes(), certain.then_some(id))
    }
}

impl Edit {
    fn apply(&self, packed: &mut Vec<u8>) {
        let place = |at: u16| usize::from(at) % (packed.len() + 1);
        match *self {
            Edit::Replace(at, byte) => {
                let at = place(at);
                if let Some(old) = packed.get_mut(at) {
                    *old = byte;
                }
            }
            Edit::Insert(at, byte) => packed.insert(place(at), byte),
            Edit::Cut(at) => packed.truncate(place(at)),
        }
    }
}

fn base64url(bytes: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let bits =
            three.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - three.len()));
        let characters = (0..=three.len()).map(|at| alphabet[(bits >> (18 - 6 * at) & 63) as usize]);
        out.extend(characters.map(char::from));
    }
    out
}
