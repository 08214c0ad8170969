//! The shop as all visitors share it: its clock's end, its counters, its log. Lines wait here, by hour,
//! until no visitor can write before them. Knows nothing of what visitors do, or of files.

use crate::{
    catalog::{self, PRODUCTS, Term},
    cookie::Jar,
    json,
    rng::{Rng, mix},
    system::SystemLog,
    traps,
    truth::Truth,
};
use std::{collections::BTreeMap, fmt::Write};

/// Microseconds in a second, a minute, an hour.
pub const SECOND: i64 = 1_000_000;
/// See `SECOND`.
pub const MINUTE: i64 = 60 * SECOND;
/// See `SECOND`.
pub const HOUR: i64 = 60 * MINUTE;

/// The lines of one hour, in the order in which they were made.
#[derive(Default)]
pub struct Hour {
    bytes: String,
    /// When each line reached the log, where it starts and ends in `bytes`.
    lines: Vec<(i64, usize, usize)>,
}

impl Hour {
    /// Adds what reached the log at a time; it may have several lines.
    pub fn push(&mut self, at: i64, text: std::fmt::Arguments<'_>) {
        let start = self.bytes.len();
        let _ = self.bytes.write_fmt(text);
        self.lines.push((at, start, self.bytes.len()));
    }

    /// The lines in the order in which they reached the log, without newlines.
    pub fn lines(&mut self) -> impl Iterator<Item = &str> {
        self.lines.sort_unstable();
        self.lines.iter().map(|(_, start, end)| &self.bytes[*start..*end])
    }
}

/// The shop.
pub struct Shop {
    /// The only source of chance.
    pub rng: Rng,
    /// What happened so far.
    pub truth: Truth,
    /// Signs the cookies.
    pub jar: Jar,
    /// What visitors search for.
    pub terms: Vec<Term>,
    /// What visitors with `--traps` search for.
    pub hostile_terms: Vec<Term>,
    /// Whether to write lines that are hard to read.
    pub traps: bool,
    /// Nobody does anything from this moment on.
    pub end: i64,
    /// How many accounts there are.
    pub accounts: u64,
    /// What the shop's program says of itself, if it does.
    pub system: Option<SystemLog>,
    popularity: Vec<u64>,
    addresses: u64,
    salt: u32,
    pending: BTreeMap<i64, Hour>,
}

impl Shop {
    /// A shop that closes at `end` and has `accounts` registered users.
    pub fn new(seed: u64, end: i64, accounts: u64, traps: bool) -> Self {
        let mut rng = Rng::new(seed);
        let salt = rng.next() as u32;
        Shop {
            rng,
            truth: Truth::default(),
            jar: Jar::new(),
            terms: catalog::terms(),
            hostile_terms: catalog::hostile_terms(),
            traps,
            end,
            accounts,
            system: None,
            popularity: (1..=PRODUCTS.len() as u64).map(|rank| 1_000_000 / rank).collect(),
            addresses: 0,
            salt,
            pending: BTreeMap::new(),
        }
    }

    /// A product's id, by Zipf's law.
    pub fn product(&mut self) -> u64 {
        self.rng.weighted(&self.popularity) as u64 + 1
    }

    /// An IPv4 address (seldom IPv6) that nobody else has.
    pub fn address(&mut self) -> String {
        loop {
            self.addresses += 1;
            if self.rng.chance(1, 40) {
                let [a, b, c, d, ..] = mix(self.addresses).to_be_bytes().map(u16::from);
                let (high, low) = (a << 8 | b, c << 8 | d);
                return format!("2001:2d8:{high:x}:{low:x}::{:x}", self.addresses & 0xffff);
            }
            // an odd factor makes it a bijection, so no two visitors meet
            let [a, b, c, d] =
                (self.addresses as u32).wrapping_mul(0x9e37_79b1).wrapping_add(self.salt).to_be_bytes();
            if !matches!(a, 0 | 10 | 127 | 172 | 192 | 224..) {
                return format!("{a}.{b}.{c}.{d}");
            }
        }
    }

    /// Writes the line `{"timestamp": …, BODY}`.
    ///
    /// `paired` tells a request line whose action has a line of its own.
    pub fn log(&mut self, at: i64, kind: &'static str, paired: bool, body: std::fmt::Arguments<'_>) {
        self.truth.event(kind, paired);
        // two workers of the web server seldom overtake one another
        let arrival = if self.rng.chance(1, 2000) { at + self.rng.between(200, 20_000) } else { at };
        let hour = self.pending.entry(arrival.div_euclid(HOUR)).or_default();
        let start = hour.bytes.len();
        let _ = write!(hour.bytes, "{{\"timestamp\": \"{}\", {body}}}", json::stamp(at));
        if self.traps && kind != "(none)" && self.rng.chance(1, 60) {
            let mut line = hour.bytes.split_off(start);
            traps::disguise(&mut line, &mut self.rng);
            hour.bytes.push_str(&line);
        }
        hour.lines.push((arrival, start, hour.bytes.len()));
    }

    /// Takes the lines of an hour (since 1970, local) that nobody will write into any more.
    pub fn take(&mut self, hour: i64) -> Hour {
        self.pending.remove(&hour).unwrap_or_default()
    }
}
