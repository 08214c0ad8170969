//! Which client wrote a line: the pair of address and user agent, by which a visitor without a cookie is known.
//! Knows nothing of visitors.

use super::agents::Agent;
use super::column::{Dictionary, NULL};
use super::cookie::{characters, short_hash};
use foldhash::quality::{FixedState, RandomState};
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::LazyLock;

/// Hashes alike in all threads of a run, and otherwise in every run.
pub static HASHER: LazyLock<FixedState> =
    LazyLock::new(|| FixedState::with_seed(RandomState::default().hash_one(0)));

/// Codes of clients; one for each thread.
///
/// A client met before is known by a hash of 64 bits, seeded anew in every run: of 10 million clients two share one with
/// a probability of 1 in 370,000.
pub struct ClientCodes {
    hasher: FixedState,
    codes: HashMap<u64, u32, foldhash::fast::FixedState>,
    /// The clients met last, by hash: lines of one client come close together, and all codes take more room than the
    /// processor's cache has.
    recent: Vec<(u64, u32)>,
}

const RECENT_CLIENTS: usize = 2048;

impl Default for ClientCodes {
    fn default() -> Self {
        ClientCodes {
            hasher: HASHER.clone(),
            codes: HashMap::default(),
            recent: vec![(0, NULL); RECENT_CLIENTS],
        }
    }
}

impl ClientCodes {
    /// The code of the client's short hash, [`NULL`] where neither address nor user agent is known. If it is not to be
    /// `named`, the code of a text that is quicker to have, and the client's in this run only.
    #[inline]
    pub fn code(
        &mut self,
        address: Option<&[u8]>,
        agent: Option<(&[u8], Agent)>,
        dictionary: &mut Dictionary,
        named: bool,
    ) -> u32 {
        if address.is_none() && agent.is_none() {
            return NULL;
        }
        let address = address.unwrap_or_default();
        // One that is missing is as one that says nothing, as in the name.
        let missing = || (&b""[..], self.hasher.hash_one(&b""[..]));
        let (agent, hash) = agent.map_or_else(missing, |(agent, Agent { hash, .. })| (agent, hash));
        let key = self.hasher.hash_one((address, hash));
        let recent = &mut self.recent[key as usize % RECENT_CLIENTS];
        if recent.0 != key || recent.1 == NULL {
            // No address holds a NUL byte, so that the two parts cannot be taken for one another.
            let new = || match named {
                true => dictionary.code(&short_hash(&[address, b"\0", agent].concat())),
                false => dictionary.code(&characters(key)),
            };
            *recent = (key, *self.codes.entry(key).or_insert_with(new));
        }
        recent.1
    }
}

#[cfg(test)]
mod tests {
    use super::super::agents::Agents;
    use super::{ClientCodes, Dictionary};

    #[test]
    fn clients_with_names_and_without_are_the_same() {
        let mut agents = Agents::default();
        let lines: Vec<_> = [None, Some(&b""[..]), Some(b"a"), Some(b"b")]
            .into_iter()
            .flat_map(|address| [None, Some(&b""[..]), Some(b"a"), Some(b"b")].map(|agent| (address, agent)))
            .collect();
        let mut codes = |named: bool| -> Vec<u32> {
            let (mut clients, mut dictionary) = (ClientCodes::default(), Dictionary::default());
            let mut code = |address, agent: Option<_>| {
                clients.code(address, agent.map(|agent| (agent, agents.get(agent))), &mut dictionary, named)
            };
            lines.iter().map(|&(address, agent)| code(address, agent)).collect()
        };
        assert_eq!(codes(false), codes(true));
    }
}
