//! Which client wrote a line: the pair of address and user agent, by which a visitor without a cookie is known.
//! Knows nothing of visitors.

use super::column::{Dictionary, NULL};
use super::cookie::short_hash;
use std::collections::HashMap;
use std::hash::BuildHasher;

/// Codes of clients; one for each thread.
///
/// A client met before is known by a hash of 64 bits, seeded anew in every run: of 10 million clients two share one with
/// a probability of 1 in 370,000.
#[derive(Default)]
pub struct ClientCodes {
    hasher: foldhash::quality::RandomState,
    codes: HashMap<u64, u32, foldhash::fast::FixedState>,
}

impl ClientCodes {
    /// The code of the client's short hash, [`NULL`] where neither address nor user agent is known.
    #[inline]
    pub fn code(&mut self, address: Option<&[u8]>, agent: Option<&[u8]>, dictionary: &mut Dictionary) -> u32 {
        if address.is_none() && agent.is_none() {
            return NULL;
        }
        let (address, agent) = (address.unwrap_or_default(), agent.unwrap_or_default());
        let key = self.hasher.hash_one((address, agent));
        *self.codes.entry(key).or_insert_with(|| {
            // No address holds a NUL byte, so that the two parts cannot be taken for one another.
            dictionary.code(&short_hash(&[address, b"\0", agent].concat()))
        })
    }
}
