//! `--hash-pii`: addresses, user names and visitors as keyed hashes, alike where the originals were alike.

use crate::engine::relation::Relation;
use crate::events::Events;
use crate::scan::column::Column;

/// The columns that name a person. (The hash of a visitor without a cookie is made of address and user agent, which
/// could be guessed.)
const COLUMNS: [&str; 7] =
    ["ip_address", "ip_network", "client", "username", "username_attempt", "visitor_id", "session_id"];

/// Replaces personal data by keyed hashes.
pub struct Hasher {
    key: [u8; 32],
}

impl Hasher {
    /// The key is `$LOGANALYZE_PII_KEY`; without it every run draws its own, so that nothing can be looked up across runs.
    pub fn new() -> Hasher {
        let key = match std::env::var("LOGANALYZE_PII_KEY") {
            Ok(text) if !text.is_empty() => {
                blake3::derive_key("loganalyze 2026-11-20 personal data", text.as_bytes())
            }
            _ => std::array::from_fn(|_| rand_byte()),
        };
        Hasher { key }
    }

    /// Replaces the values of these columns by 16 hexadecimal digits of a keyed BLAKE3 hash.
    pub fn hash(&self, events: &mut Events) {
        for name in COLUMNS {
            if let Some(Column::Text(texts)) = events.columns.get_mut(name) {
                *texts = texts.map(|text| Some(hashed(&self.key, text)));
            }
        }
    }

    /// The same for events that are read later.
    pub fn hash_in(&self, events: Relation) -> Relation {
        let key = self.key;
        events.with_texts(&COLUMNS, move |text| hashed(&key, text))
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
