//! Who did it. The stable id of the session cookie names a visitor, but for two moments: the first request, sent
//! before a cookie was set, and the log-out, which clears it. Both are joined by address and user agent.
//!
//! The rules (each observed on the shop): an event without an id belongs to the id that its client (address and
//! user agent) shows next within 30 minutes, or else showed last within 30 minutes, or else to a visitor of its own
//! (that client). The id that a client shows for the first time next within 30 minutes of a log-out goes on as the
//! visitor who logged out.

use super::sets::Sets;
use super::{Events, ROWS_TOGETHER, clients, parts, rows_by_group};
use crate::scan::column::{Bits, Dictionary, NULL, Texts, Values};
use crate::scan::time::SECOND;
use foldhash::fast::FixedState;
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

/// How long a client is remembered.
const MEMORY: i64 = 30 * 60 * SECOND;

/// What [`named`] needs.
pub const JOIN_SOURCES: [&str; 4] = ["timestamp", "event_type", "session_id", "client"];

/// Which names are one visitor's, because of log-outs: what all events together say.
#[derive(Debug, Clone, Default)]
pub struct Joined {
    names: Dictionary,
    same: Sets,
    /// When each name was first used, microseconds.
    first: Vec<i64>,
}

/// That two names are one visitor's, because of a log-out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Join {
    /// When the log-out happened, microseconds.
    pub at: i64,
    /// The name of who logged out.
    pub one: String,
    /// The name that this visitor has afterwards.
    pub other: String,
}

impl Joined {
    /// Adds what [`named`] finds in all events, or in one part after the other.
    pub fn add(&mut self, joins: &[Join]) {
        joins.iter().for_each(|join| self.join(&join.one, &join.other));
    }

    /// Says that two names are one visitor's.
    pub fn join(&mut self, one: &str, other: &str) {
        let [one, other] = [one, other].map(|name| self.names.code(name.as_bytes()));
        self.same.grow(self.names.len());
        self.same.join(one, other);
        self.first.resize(self.names.len(), i64::MAX);
    }

    /// Adds what [`Joined::times`] finds.
    pub fn add_times(&mut self, times: &[i64]) {
        self.first.iter_mut().zip(times).for_each(|(first, time)| *first = (*first).min(*time));
    }

    /// Adds when these names, a row an event, were first used, once everything is joined.
    pub fn add_first(&mut self, names: &Texts, times: &Values<i64>) {
        self.add_times(&self.times(names, times));
    }

    /// When each name was first used in events of these names and times, as [`Joined::add_times`] takes it once everything is
    /// joined: for all events, or for one part after the other.
    pub fn times(&self, names: &Texts, times: &Values<i64>) -> Vec<i64> {
        let mut first = vec![i64::MAX; self.first.len()];
        if self.is_empty() {
            return first;
        }
        let mut joined = vec![NULL; names.dictionary.len()];
        common(&self.names, &names.dictionary).for_each(|(code, name)| joined[name as usize] = code);
        let joined = |name: u32| joined.get(name as usize).copied().filter(|code| *code != NULL);
        let of_row = |(row, &name): (usize, &u32)| Some((joined(name)?, times.get(row)?));
        // Few are joined.
        let rows = names.codes.par_iter().enumerate().with_min_len(ROWS_TOGETHER).filter_map(of_row);
        for (code, time) in rows.collect::<Vec<_>>() {
            let first = &mut first[code as usize];
            *first = time.min(*first);
        }
        first
    }

    /// Says that this name was used at this time, microseconds; of no consequence for a name that is joined to none.
    pub fn used(&mut self, name: &str, time: i64) {
        if let Some(code) = self.names.find(name) {
            let first = &mut self.first[code as usize];
            *first = time.min(*first);
        }
    }

    /// Whether this name is joined to another.
    pub fn has(&self, name: &str) -> bool {
        self.names.find(name).is_some()
    }

    /// Whether no names are joined.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Each name that is joined, with the visitor's name: the one that was used first, so that it stays what it is when the
    /// visitor comes back under a new one; the first in alphabetical order of those used at once.
    pub fn new_names(&self) -> HashMap<&str, &str> {
        self.names.iter().zip(self.of_joined()).collect()
    }

    fn of_joined(&self) -> Vec<&str> {
        let mut same = self.same.clone();
        let mut first: Vec<Option<(i64, &str)>> = vec![None; self.names.len()];
        for (code, name) in self.names.iter().enumerate() {
            let first = &mut first[same.root(code as u32) as usize];
            let this = (self.first[code], name);
            *first = Some(first.map_or(this, |first| first.min(this)));
        }
        let new = |code: usize| first[same.root(code as u32) as usize].map_or("", |(_, name)| name);
        (0..self.names.len()).map(new).collect()
    }

    /// What names become by [`Joined::new_names`].
    pub fn renaming(&self) -> Renaming<'_> {
        Renaming { joined: &self.names, new: self.of_joined() }
    }
}

/// The names that visitors have whose names are joined.
pub struct Renaming<'a> {
    joined: &'a Dictionary,
    new: Vec<&'a str>,
}

impl Renaming<'_> {
    /// The visitors with the names that all events together give them.
    pub fn rename(&self, Texts { mut codes, mut dictionary }: Texts) -> Texts {
        let mut new_codes = Vec::new();
        for (joined, code) in common(self.joined, &dictionary).collect::<Vec<_>>() {
            let new = dictionary.code(self.new[joined as usize].as_bytes());
            if new != code {
                new_codes.resize(new_codes.len().max(code as usize + 1), NULL);
                new_codes[code as usize] = new;
            }
        }
        let new = |code: u32| new_codes.get(code as usize).copied().filter(|new| *new != NULL);
        if !new_codes.is_empty() {
            let codes = codes.par_iter_mut().with_min_len(ROWS_TOGETHER);
            codes.for_each(|code| *code = new(*code).unwrap_or(*code));
        }
        Texts { codes, dictionary }
    }
}

/// The codes of the texts that both have, in one and in the other.
fn common<'a>(one: &'a Dictionary, other: &'a Dictionary) -> Box<dyn Iterator<Item = (u32, u32)> + 'a> {
    if one.len() > other.len() {
        return Box::new(common(other, one).map(|(other, one)| (one, other)));
    }
    Box::new((0..).zip(one.iter()).filter_map(|(code, text)| Some((code, other.find(text)?))))
}

/// A value for each row of all events: the visitor's short hash; null where there is neither id nor client.
pub fn visitor_ids(events: &Events) -> Texts {
    let Named { names, joins } = named(events, |_, _| false);
    let mut joined = Joined::default();
    joined.add(&joins);
    joined.add_first(&names, events.times("timestamp"));
    joined.renaming().rename(names)
}

/// The names that events give visitors, and which of them are one visitor's.
pub struct Named {
    /// A value for each row, before names are joined.
    pub names: Texts,
    /// What log-outs join.
    pub joins: Vec<Join>,
}

/// Names the visitors of these events; `known` says of a client and an id whether the client showed it before all of them.
pub fn named(events: &Events, known: impl Fn(&str, &str) -> bool + Sync) -> Named {
    let search = Search::new(events);
    let (visitors, joins) = search.visitors(&clients(events), &known);
    let join = |&(at, one, other): &(i64, u32, u32)| {
        Some(Join { at, one: search.name(one)?.to_owned(), other: search.name(other)?.to_owned() })
    };
    Named { joins: joins.iter().filter_map(join).collect(), names: search.names(visitors) }
}

/// Each row's id: the code of its session id, [`NULL`] where that is none.
fn ids(sessions: &Texts) -> Vec<u32> {
    let find = |word| sessions.dictionary.find(word).unwrap_or(NULL);
    let (first, unknown) = (find("no_session"), find("unknown"));
    sessions.codes.iter().map(|&code| if code == first || code == unknown { NULL } else { code }).collect()
}

fn logouts(events: &Events) -> Bits {
    let types = events.texts("event_type");
    let logout = types.dictionary.find("logout");
    Bits::by(&types.codes, |&code| Some(code) == logout)
}

/// Visitors are numbered: first the ids, then the clients.
struct Search<'a> {
    client_names: &'a Dictionary,
    times: &'a Values<i64>,
    ids: Vec<u32>,
    names: &'a Dictionary,
    logouts: Bits,
    /// How many rows a thread takes at a time, more only where they are one client's.
    rows_together: usize,
}

/// Visitors who are the same, because of a log-out at this time.
type Pair = (i64, u32, u32);

/// An event of a client.
struct Line {
    time: i64,
    row: u32,
    id: u32,
    visitor: u32,
}

impl<'a> Search<'a> {
    fn new(events: &'a Events) -> Self {
        let sessions = events.texts("session_id");
        let client_names = &events.texts("client").dictionary;
        let times = events.times("timestamp");
        let (ids, logouts) = (ids(sessions), logouts(events));
        let names = &sessions.dictionary;
        Search { client_names, times, ids, names, logouts, rows_together: ROWS_TOGETHER }
    }

    /// The visitor of each row, and what log-outs join.
    fn visitors(
        &self,
        clients: &[u32],
        known: &(impl Fn(&str, &str) -> bool + Sync),
    ) -> (Vec<u32>, Vec<Pair>) {
        let client_count = self.client_names.len() + 1;
        let (rows, starts) = rows_by_group(clients, client_count);
        // Who shows an id is that; each of the others is named by the thread that has its client.
        let visitors: Vec<AtomicU32> = self.ids.iter().map(|&id| AtomicU32::new(id)).collect();
        let named = |part: Range<usize>| {
            let (mut joins, mut lines) = (Vec::new(), Vec::new());
            // The last ones are not one client's, but of lines that do not say whose they are.
            for client in part.filter(|&client| client < self.client_names.len()) {
                let rows = &rows[starts[client]..starts[client + 1]];
                self.name_client(client, rows, &visitors, &mut lines);
                self.join_logouts(client, &lines, known, &mut joins);
            }
            joins
        };
        let parts: Vec<Range<usize>> = parts(&starts, self.rows_together).collect();
        let joins: Vec<Vec<Pair>> = parts.into_par_iter().map(named).collect();
        let visitors = visitors.into_iter().map(AtomicU32::into_inner).collect();
        (visitors, joins.into_iter().flatten().collect())
    }

    /// Names those of a client's events that show no id; `lines` are then its events, if it is not clear without them who it was.
    fn name_client(&self, client: usize, rows: &[u32], visitors: &[AtomicU32], lines: &mut Vec<Line>) {
        lines.clear();
        let is_clear = |row: usize| self.ids[row] != NULL && !self.logouts.get(row);
        if rows.iter().all(|&row| is_clear(row as usize)) {
            return;
        }
        let own = (self.names.len() + client) as u32;
        for &row in rows {
            let id = self.ids[row as usize];
            match self.times.get(row as usize) {
                Some(time) => lines.push(Line { time, row, id, visitor: id }),
                // Events without a time have no neighbours.
                None if id == NULL => visitors[row as usize].store(own, Ordering::Relaxed),
                None => {}
            }
        }
        // What happened at the same moment is ordered by the id's name, so that the order of lines and files makes no
        // difference.
        let name = |line: &Line| (line.id != NULL).then(|| self.names.text(line.id));
        lines.sort_by(|a, b| a.time.cmp(&b.time).then_with(|| name(a).cmp(&name(b))));
        let mut next = None;
        lines.iter_mut().rev().for_each(|line| line.name_near(&mut next));
        let mut last = None;
        for line in lines {
            line.name_near(&mut last);
            if line.visitor == NULL {
                line.visitor = own;
            }
            if line.id == NULL {
                visitors[line.row as usize].store(line.visitor, Ordering::Relaxed);
            }
        }
    }

    /// Joins the visitor of each log-out with the id that comes new next.
    fn join_logouts(
        &self,
        client: usize,
        lines: &[Line],
        known: &impl Fn(&str, &str) -> bool,
        joins: &mut Vec<Pair>,
    ) {
        let is_logout = |line: &&Line| self.logouts.get(line.row as usize);
        if !lines.iter().any(|line| is_logout(&line)) {
            return;
        }
        let mut met = HashSet::new();
        let mut new_ids = Vec::new();
        let client_name = self.client_name(client).unwrap_or_default();
        for &Line { time, id, .. } in lines {
            if id != NULL && met.insert(id) && !known(client_name, self.names.get(id)) {
                new_ids.push((time, id));
            }
        }
        for &Line { time, visitor, .. } in lines.iter().filter(is_logout) {
            // At the same moment, too: some logs have whole seconds.
            let later = &new_ids[new_ids.partition_point(|&(shown, _)| shown < time)..];
            if let Some(&(shown, id)) = later.iter().find(|&&(_, id)| id != visitor)
                && shown - time <= MEMORY
            {
                joins.push((time, visitor, id));
            }
        }
    }

    /// A visitor's own name, `None` for the client that is none.
    fn name(&self, visitor: u32) -> Option<&'a str> {
        match (visitor as usize).checked_sub(self.names.len()) {
            None => Some(self.names.get(visitor)),
            Some(client) => self.client_name(client),
        }
    }

    fn client_name(&self, client: usize) -> Option<&'a str> {
        (client < self.client_names.len()).then(|| self.client_names.get(client as u32))
    }

    /// The names of these visitors. Ids keep their codes.
    fn names(&self, visitors: Vec<u32>) -> Texts {
        let mut texts = Texts { codes: visitors, dictionary: self.names.clone() };
        let mut of_clients: HashMap<u32, u32, FixedState> = HashMap::default();
        for code in texts.codes.iter_mut().filter(|code| **code as usize >= self.names.len()) {
            let name = || self.name(*code).map_or(NULL, |name| texts.dictionary.code(name.as_bytes()));
            *code = *of_clients.entry(*code).or_insert_with(name);
        }
        texts
    }
}

impl Line {
    /// The visitor of the id that is near, one or the other way, if the event shows none; else its id is the near one.
    fn name_near(&mut self, near: &mut Option<(i64, u32)>) {
        if self.id != NULL {
            *near = Some((self.time, self.id));
        } else if let Some((shown, id)) = *near
            && self.visitor == NULL
            && (shown - self.time).abs() <= MEMORY
        {
            self.visitor = id;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::random;
    use super::*;
    use crate::scan::column::Column;

    /// Events of a few clients and ids, some of them without one or the other, some at the same time, some log-outs.
    fn events(rows: usize, seed: u64) -> Events {
        let mut below = random(seed);
        let mut times = Values::default();
        let [mut types, mut sessions, mut clients] = [Texts::default(), Texts::default(), Texts::default()];
        for _ in 0..rows {
            times.push((below(20) > 0).then_some(below(90) as i64 * 60 * SECOND));
            types.push(Some(["view", "view", "logout"][below(3) as usize]));
            let id = below(9);
            sessions.push(
                (id > 0).then(|| if id > 6 { "no_session".into() } else { format!("id-{id}") }).as_deref(),
            );
            let client = below(7);
            clients.push((client > 0).then(|| format!("client-{client}")).as_deref());
        }
        let columns = [
            ("timestamp", Column::Timestamp(times)),
            ("event_type", Column::Text(types)),
            ("session_id", Column::Text(sessions)),
            ("client", Column::Text(clients)),
        ];
        Events { columns: columns.into_iter().collect(), rows }
    }

    #[test]
    fn in_any_parts_rows_have_the_same_visitors() {
        for seed in 0..300 {
            let events = events(seed as usize % 60, seed);
            let found = |rows_together| {
                let search = Search { rows_together, ..Search::new(&events) };
                search.visitors(&clients(&events), &|client: &str, id: &str| client.len() + id.len() == 9)
            };
            let whole = found(usize::MAX);
            assert!([1, 2, 7].into_iter().all(|together| found(together) == whole), "{seed}");
            // Whoever is not known by an id is by the client, if that is known.
            let (ids, clients) = (ids(events.texts("session_id")), &events.texts("client").codes);
            let known = ids.iter().zip(clients).map(|(&id, &client)| id != NULL || client != NULL);
            assert!(whole.0.iter().zip(known).all(|(&visitor, known)| (visitor != NULL) == known), "{seed}");
        }
    }
}
