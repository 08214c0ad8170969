//! The derived columns: what can be said of an event from its own columns, and what needs its neighbours
//! (paired lines, visitors, sessions). Knows nothing of files, reports and the command line.

mod moment;
mod pairs;
mod sessions;
mod sets;
mod visitors;
mod what;
mod whence;

pub use crate::scan::column;
pub use pairs::Pairs;
pub use sessions::{Before, Begun, Sessions, first_seen};
pub use visitors::{JOIN_SOURCES, Join, Joined, Named, Renaming, named};

use crate::scan::column::{Column, Texts, Values};
use crate::scan::wanted::Wanted;
use crate::schema::{self, Origin};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// The columns of the events, each with a row an event.
#[derive(Debug, Default)]
pub struct Events {
    /// By name.
    pub columns: BTreeMap<&'static str, Column>,
    /// How many rows each has.
    pub rows: usize,
}

/// These columns and all that they are derived from.
pub fn with_sources(wanted: Wanted) -> Wanted {
    let mut all = wanted;
    loop {
        let sources = all.names().filter_map(schema::column).flat_map(|column| match column.origin {
            Origin::Key(_) | Origin::Line(_) => [].iter(),
            Origin::Event(from) | Origin::Neighbours(from) => from.iter(),
        });
        let more = all.or(Wanted::of(sources.copied()));
        if more == all {
            return all;
        }
        all = more;
    }
}

/// Whether one of these columns needs other events than its own, so that no event may be left out before.
pub fn needs_neighbours(wanted: Wanted) -> bool {
    let is_neighbours =
        |name| schema::column(name).is_some_and(|column| matches!(column.origin, Origin::Neighbours(_)));
    wanted.names().any(is_neighbours)
}

/// What a line says by itself.
pub const LINE: Wanted = {
    let (mut names, mut at) = (Wanted::of_names(&[]), 0);
    while at < schema::COLUMNS.len() {
        if let Origin::Key(_) | Origin::Line(_) = schema::COLUMNS[at].origin {
            names = names.or(Wanted::of_names(&[schema::COLUMNS[at].name]));
        }
        at += 1;
    }
    names
};

/// What requests that the same actions could belong to have in common.
const COMMON: Wanted = Wanted::of_names(&[
    "timestamp",
    "event_date",
    "event_hour",
    "weekday",
    "epoch_us",
    "event_type",
    "kind",
    "paired",
    "client",
    "is_bot",
    "process_time",
]);

/// Whether these columns show which of the requests that the same actions could belong to are paired: to who sees nothing but
/// how many they are, it makes no difference.
pub fn tells_pairs(wanted: Wanted) -> bool {
    wanted.has("paired") && wanted.or(COMMON) != COMMON
}

/// Adds the wanted derived columns that are not there, but for those of [`derive_of_visitors`]; their sources (see
/// [`with_sources`]) must be there. Events of one client must not be in several parts; where `visitor_id` is wanted and not
/// there, nothing may be in another part, for who logs out may come back at another client.
///
/// Returns whether all of [`LINE`] must be read to know which of several requests are paired; see [`tells_pairs`].
pub fn derive(events: &mut Events, wanted: Wanted) -> bool {
    let wanted = with_sources(wanted);
    let in_doubt = AtomicBool::new(false);
    let alone = |name: &'static str| Some((name, derived(events, name, &in_doubt)?));
    let mut names: Vec<_> = wanted.names().filter(|name| !events.columns.contains_key(name)).collect();
    // What takes longest first, so that it does not end alone.
    names.sort_by_key(|name| LONGEST.iter().position(|longest| longest == name).unwrap_or(LONGEST.len()));
    let columns: Vec<_> = names.into_par_iter().filter_map(alone).collect();
    events.columns.extend(columns);
    in_doubt.into_inner()
}

/// How many rows a thread takes at a time, more only where they are one client's or visitor's.
const ROWS_TOGETHER: usize = 1 << 14;

/// The columns that take longer to derive than all others.
const LONGEST: [&str; 2] = ["visitor_id", "paired"];

/// Whether one of these columns needs all events of a visitor in one part: see [`derive_of_visitors`].
pub fn needs_visitors(wanted: Wanted) -> bool {
    wanted.has("session_number") || wanted.has("visitor_first_seen")
}

/// Adds what is wanted of the columns for which events of one visitor must not be in several parts: the sessions' numbers
/// and when each visitor came first.
pub fn derive_of_visitors(events: &mut Events, wanted: Wanted, sessions: Sessions) {
    let numbers = || wanted.has("session_number").then(|| sessions.numbers(events, |_| None));
    let times = || wanted.has("visitor_first_seen").then(|| first_seen(events, |_| None));
    let (numbers, times) = rayon::join(numbers, times);
    let numbers = numbers.map(|numbers| ("session_number", Column::Bigint(numbers)));
    let times = times.map(|times| ("visitor_first_seen", Column::Timestamp(times)));
    events.columns.extend(numbers.into_iter().chain(times));
}

/// A derived column that needs no other derived one, `None` if it is not one of these.
fn derived(events: &Events, name: &str, in_doubt: &AtomicBool) -> Option<Column> {
    Some(match name {
        "event_date" => Column::Date(moment::date(events.times("timestamp"))),
        "event_hour" => Column::Bigint(moment::hour(events.times("timestamp"))),
        "weekday" => Column::Bigint(moment::weekday(events.times("timestamp"))),
        "epoch_us" => Column::Bigint(events.times("timestamp").clone()),
        "product" => Column::Bigint(what::product(events)),
        "page" => Column::Text(what::page(events)),
        "category" => Column::Bigint(what::category(events)),
        "is_page_view" => Column::Boolean(what::is_page_view(events)),
        "referrer_host" => Column::Text(whence::referrer_host(events)),
        "ip_network" => Column::Text(whence::ip_network(events)),
        "paired" => {
            let pairs = pairs(events);
            in_doubt.store(pairs.in_doubt, Ordering::Relaxed);
            Column::Boolean(pairs.paired)
        }
        "visitor_id" => Column::Text(visitors::visitor_ids(events)),
        _ => return None,
    })
}

/// Which request lines have an action with a line of its own.
pub fn pairs(events: &Events) -> Pairs {
    pairs::pairs(events, &clients(events), events.texts("client").dictionary.len() + 1)
}

/// Each row's client: its code, or behind all codes one number for the rows that have none.
fn clients(events: &Events) -> Vec<u32> {
    let clients = events.texts("client");
    let nobody = clients.dictionary.len() as u32;
    clients.codes.iter().map(|&code| code.min(nobody)).collect()
}

impl Events {
    /// Adds the rows of others, which have the same columns and perhaps more; without any column it becomes those.
    ///
    /// # Panics
    /// If they lack a column.
    pub fn append(&mut self, more: Events) {
        if self.columns.is_empty() {
            *self = more;
            return;
        }
        for (name, column) in &mut self.columns {
            match more.columns.get(name) {
                Some(more) => column.append(more),
                None => panic!("the column {name} was not read"),
            }
        }
        self.rows += more.rows;
    }

    /// A text column.
    ///
    /// # Panics
    /// If it was not read; `with_sources` names all that are needed.
    pub fn texts(&self, name: &str) -> &Texts {
        match self.columns.get(name) {
            Some(Column::Text(texts)) => texts,
            _ => panic!("the column {name} was not read"),
        }
    }

    /// An integer column.
    ///
    /// # Panics
    /// If it was not read.
    pub fn integers(&self, name: &str) -> &Values<i64> {
        match self.columns.get(name) {
            Some(Column::Bigint(values)) => values,
            _ => panic!("the column {name} was not read"),
        }
    }

    /// A timestamp column, microseconds.
    ///
    /// # Panics
    /// If it was not read.
    pub fn times(&self, name: &str) -> &Values<i64> {
        match self.columns.get(name) {
            Some(Column::Timestamp(values)) => values,
            _ => panic!("the column {name} was not read"),
        }
    }

    /// How many events have no time, and how many there are, if times were read.
    pub fn timeless(&self) -> Option<(u64, u64)> {
        self.columns
            .contains_key("timestamp")
            .then(|| (self.times("timestamp").valid.unset() as u64, self.rows as u64))
    }

    /// A column of truth values.
    ///
    /// # Panics
    /// If it was not read.
    pub fn booleans(&self, name: &str) -> &Values<bool> {
        match self.columns.get(name) {
            Some(Column::Boolean(values)) => values,
            _ => panic!("the column {name} was not read"),
        }
    }

    /// A column of floating-point numbers.
    ///
    /// # Panics
    /// If it was not read.
    pub fn doubles(&self, name: &str) -> &Values<f64> {
        match self.columns.get(name) {
            Some(Column::Double(values)) => values,
            _ => panic!("the column {name} was not read"),
        }
    }
}

/// The rows of each group, in their order: those of group g are `rows[starts[g]..starts[g + 1]]`. Rows of a
/// group `u32::MAX` are left out (a counting sort).
pub fn rows_by_group(groups: &[u32], count: usize) -> (Vec<u32>, Vec<usize>) {
    let mut starts = vec![0usize; count + 1];
    for &group in groups.iter().filter(|&&group| group != u32::MAX) {
        starts[group as usize + 1] += 1;
    }
    for at in 0..count {
        starts[at + 1] += starts[at];
    }
    let mut next = starts.clone();
    let mut rows = vec![0u32; starts[count]];
    for (row, &group) in groups.iter().enumerate().filter(|(_, group)| **group != u32::MAX) {
        rows[next[group as usize]] = row as u32;
        next[group as usize] += 1;
    }
    (rows, starts)
}

/// Groups that begin where [`rows_by_group`] says, as many together as have at least so many rows.
fn parts(starts: &[usize], rows_together: usize) -> impl Iterator<Item = Range<usize>> {
    let (mut begin, last) = (0, starts.len() - 1);
    (1..starts.len()).filter_map(move |end| {
        let is_part = starts[end] - starts[begin] >= rows_together || end == last;
        is_part.then(|| std::mem::replace(&mut begin, end)..end)
    })
}

/// Random numbers below what is asked for (a linear congruential generator), the same for the same seed.
#[cfg(test)]
fn random(mut seed: u64) -> impl FnMut(u64) -> u64 {
    move |below| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    }
}
