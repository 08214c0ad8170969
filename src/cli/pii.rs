//! `--hash-pii`: addresses, user names and visitors as keyed hashes, alike where the originals were alike.

use crate::engine::relation::Relation;
use crate::events::Events;
use crate::scan::column::Column;
use crate::scan::redact::Redaction;
use crate::schema::{self, Type};

/// The columns that name a person. (The hash of a visitor without a cookie is made of address and user agent, which
/// could be guessed.)
const COLUMNS: [&str; 7] =
    ["ip_address", "ip_network", "client", "username", "username_attempt", "visitor_id", "session_id"];

/// Replaces personal data: by keyed hashes where a column holds nothing else, and what is within other text is taken out.
#[derive(Clone)]
pub struct Hasher {
    key: [u8; 32],
    redaction: Redaction,
}

impl Hasher {
    /// The key is `$LOGANALYZE_PII_KEY`; without it every run draws its own, so that nothing can be looked up across runs.
    pub fn new(redact: &[String]) -> Hasher {
        let key = match std::env::var("LOGANALYZE_PII_KEY") {
            Ok(text) if !text.is_empty() => {
                blake3::derive_key("loganalyze 2026-11-20 personal data", text.as_bytes())
            }
            _ => std::array::from_fn(|_| rand_byte()),
        };
        Hasher { key, redaction: Redaction::new(redact, true) }
    }

    /// Replaces the values of columns that name a person by 16 hexadecimal digits of a keyed BLAKE3 hash.
    pub fn hash(&self, events: &mut Events) {
        for (name, column) in &mut events.columns {
            if let (Some(way), Column::Text(texts)) = (way_of(name), column) {
                *texts = texts.map(|text| Some(self.replaced(way, text)));
            }
        }
    }

    /// The same for events that are read later.
    pub fn hash_in(&self, events: Relation) -> Relation {
        let ways = [Way::Hash, Way::Json, Way::Url, Way::Text];
        ways.into_iter().fold(events, |events, way| {
            let columns: Vec<&str> = schema::names().filter(|name| way_of(name) == Some(way)).collect();
            let hasher = self.clone();
            events.with_texts(&columns, move |text| hasher.replaced(way, text))
        })
    }

    fn replaced(&self, way: Way, text: &str) -> String {
        match way {
            Way::Hash => hashed(&self.key, text),
            Way::Url => self.redaction.url(text).into_owned(),
            Way::Text => self.redaction.text(text).into_owned(),
            Way::Json => {
                let mut safe = Vec::new();
                self.redaction.json(text.as_bytes(), &mut safe);
                String::from_utf8(safe).unwrap_or_default()
            }
        }
    }
}

/// How people are taken out of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Hash,
    Json,
    Url,
    Text,
}

/// How they are taken out of this one, if they may be in there. Logs are read without them; a store keeps them.
fn way_of(name: &str) -> Option<Way> {
    match schema::column(name)?.kind {
        _ if COLUMNS.contains(&name) => Some(Way::Hash),
        Type::Json => Some(Way::Json),
        Type::Url => Some(Way::Url),
        _ if ["message", "search_query"].contains(&name) => Some(Way::Text),
        _ => None,
    }
}

fn hashed(key: &[u8; 32], text: &str) -> String {
    blake3::keyed_hash(key, text.as_bytes()).to_hex()[..16].to_owned()
}

/// From the operating system's randomness, by way of the standard library's hash keys.
fn rand_byte() -> u8 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0) as u8
}
