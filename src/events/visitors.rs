//! Who did it. The stable id of the session cookie names a visitor, but for two moments: the first request, sent
//! before a cookie was set, and the log-out, which clears it. Both are joined by address and user agent.
//!
//! The rules (each observed on the shop): an event without an id belongs to the id that its client (address and
//! user agent) shows next within 30 minutes, or else showed last within 30 minutes, or else to a visitor of its own
//! (that client). The id that a client shows for the first time next within 30 minutes of a log-out goes on as the
//! visitor who logged out.

use super::{Events, clients, rows_by_group};
use crate::scan::column::{Dictionary, NULL, Texts, Values};
use crate::scan::time::SECOND;
use std::collections::HashMap;

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
        let codes: Vec<u32> =
            names.dictionary.iter().map(|name| self.names.find(name).unwrap_or(NULL)).collect();
        for (&name, time) in names.codes.iter().zip(times.iter()).filter(|(name, _)| **name != NULL) {
            if let (Some(first), Some(time)) = (first.get_mut(codes[name as usize] as usize), time) {
                *first = time.min(*first);
            }
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
        let mut same = self.same.clone();
        let mut first: Vec<Option<(i64, &str)>> = vec![None; self.names.len()];
        for (code, name) in self.names.iter().enumerate() {
            let first = &mut first[same.root(code as u32) as usize];
            let this = (self.first[code], name);
            *first = Some(first.map_or(this, |first| first.min(this)));
        }
        let new = |code: usize| first[same.root(code as u32) as usize].map_or("", |(_, name)| name);
        let names: Vec<&str> = (0..self.names.len()).map(new).collect();
        self.names.iter().zip(names).collect()
    }

    /// The visitors with the names that all events together give them.
    pub fn rename(&self, visitors: Texts) -> Texts {
        if self.is_empty() {
            return visitors;
        }
        let new_names = self.new_names();
        visitors.map(|name| Some((*new_names.get(name).unwrap_or(&name)).to_owned()))
    }
}

/// A value for each row: the visitor's short hash; null where there is neither id nor client. `joined` is what all events
/// say; without it, these are all.
pub fn visitor_ids(events: &Events, joined: Option<&Joined>) -> Texts {
    let Named { names, joins } = named(events, |_, _| false);
    if let Some(joined) = joined {
        return joined.rename(names);
    }
    let mut joined = Joined::default();
    joined.add(&joins);
    joined.add_first(&names, events.times("timestamp"));
    joined.rename(names)
}

/// The names that events give visitors, and which of them are one visitor's.
pub struct Named {
    /// A value for each row, before names are joined.
    pub names: Texts,
    /// What log-outs join.
    pub joins: Vec<Join>,
}

/// Names the visitors of these events; `known` says of a client and an id whether the client showed it before all of them.
pub fn named(events: &Events, known: impl Fn(&str, &str) -> bool) -> Named {
    let clients = clients(events);
    let mut search = Search::new(events, &clients);
    search.run(&known);
    let joins = std::mem::take(&mut search.joins);
    let join = |&(at, one, other): &(i64, u32, u32)| {
        Some(Join { at, one: search.name(one)?.to_owned(), other: search.name(other)?.to_owned() })
    };
    Named { joins: joins.iter().filter_map(join).collect(), names: search.names() }
}

/// Each row's id: the code of its session id, [`NULL`] where that is none.
fn ids(sessions: &Texts) -> Vec<u32> {
    let find = |word| sessions.dictionary.find(word).unwrap_or(NULL);
    let (first, unknown) = (find("no_session"), find("unknown"));
    sessions.codes.iter().map(|&code| if code == first || code == unknown { NULL } else { code }).collect()
}

fn logouts(events: &Events) -> Vec<bool> {
    let types = events.texts("event_type");
    let logout = types.dictionary.find("logout");
    types.codes.iter().map(|&code| Some(code) == logout).collect()
}

/// Visitors are numbered: first the ids, then the clients.
struct Search<'a> {
    clients: &'a [u32],
    client_names: &'a Dictionary,
    times: &'a Values<i64>,
    ids: Vec<u32>,
    names: &'a Dictionary,
    logouts: Vec<bool>,
    visitors: Vec<u32>,
    /// Visitors who are the same, because of a log-out at this time.
    joins: Vec<(i64, u32, u32)>,
    /// The last client that each id was met at.
    first_client: Vec<u32>,
}

impl<'a> Search<'a> {
    fn new(events: &'a Events, clients: &'a [u32]) -> Self {
        let sessions = events.texts("session_id");
        let client_names = &events.texts("client").dictionary;
        Search {
            clients,
            client_names,
            times: events.times("timestamp"),
            ids: ids(sessions),
            names: &sessions.dictionary,
            logouts: logouts(events),
            visitors: vec![NULL; events.rows],
            joins: Vec::new(),
            first_client: vec![NULL; sessions.dictionary.len()],
        }
    }

    fn run(&mut self, known: &impl Fn(&str, &str) -> bool) {
        let client_count = self.client_names.len() + 1;
        let (mut rows, starts) = rows_by_group(self.clients, client_count);
        for client in 0..client_count {
            let rows = &mut rows[starts[client]..starts[client + 1]];
            self.name_timeless(rows, client);
            if rows.iter().all(|&row| self.ids[row as usize] != NULL && !self.logouts[row as usize]) {
                rows.iter().for_each(|&row| self.visitors[row as usize] = self.ids[row as usize]);
                continue;
            }
            self.sort(rows);
            let timed = rows.partition_point(|&row| !self.times.valid.get(row as usize));
            self.name_rows(&rows[timed..], client);
            self.join_logouts(&rows[timed..], client, known);
        }
    }

    /// Events without a time have no neighbours.
    fn name_timeless(&mut self, rows: &[u32], client: usize) {
        for &row in rows.iter().filter(|&&row| !self.times.valid.get(row as usize)) {
            self.visitors[row as usize] = self.id_or_client(self.ids[row as usize], client);
        }
    }

    fn id_or_client(&self, id: u32, client: usize) -> u32 {
        if id == NULL { (self.names.len() + client) as u32 } else { id }
    }

    /// By time, those without first. What happened at the same moment is ordered by the id's name, so that the order
    /// of lines and files makes no difference.
    fn sort(&self, rows: &mut [u32]) {
        let time = |row: u32| self.times.get(row as usize);
        let id_name = |row: u32| match self.ids[row as usize] {
            NULL => None,
            id => Some(self.names.get(id)),
        };
        rows.sort_by(|&a, &b| time(a).cmp(&time(b)).then_with(|| id_name(a).cmp(&id_name(b))));
    }

    /// Gives each event its id, or the next one its client shows, or the last.
    fn name_rows(&mut self, rows: &[u32], client: usize) {
        let mut next = None;
        for &row in rows.iter().rev() {
            self.name_near(row, &mut next);
        }
        let mut last = None;
        for &row in rows {
            self.name_near(row, &mut last);
            if self.visitors[row as usize] == NULL {
                self.visitors[row as usize] = self.id_or_client(NULL, client);
            }
        }
    }

    fn name_near(&mut self, row: u32, near: &mut Option<(i64, u32)>) {
        let row = row as usize;
        let time = self.times.values[row];
        if self.ids[row] != NULL {
            *near = Some((time, self.ids[row]));
            self.visitors[row] = self.ids[row];
        } else if let Some((shown, id)) = *near
            && self.visitors[row] == NULL
            && (shown - time).abs() <= MEMORY
        {
            self.visitors[row] = id;
        }
    }

    /// Joins the visitor of each log-out with the id that comes new next.
    fn join_logouts(&mut self, rows: &[u32], client: usize, known: &impl Fn(&str, &str) -> bool) {
        if !rows.iter().any(|&row| self.logouts[row as usize]) {
            return;
        }
        let mut new_ids = Vec::new();
        let client_name = self.client_name(client).unwrap_or_default();
        for &row in rows {
            let id = self.ids[row as usize];
            if id != NULL && self.first_client[id as usize] != client as u32 {
                self.first_client[id as usize] = client as u32;
                if known(client_name, self.names.get(id)) {
                    continue;
                }
                new_ids.push((self.times.values[row as usize], id));
            }
        }
        for &row in rows.iter().filter(|&&row| self.logouts[row as usize]) {
            let time = self.times.values[row as usize];
            let next = new_ids.partition_point(|&(shown, _)| shown <= time);
            if let Some(&(shown, id)) = new_ids.get(next)
                && shown - time <= MEMORY
            {
                self.joins.push((time, self.visitors[row as usize], id));
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

    /// The visitors' names, with a dictionary of those that are used.
    fn names(self) -> Texts {
        let mut dictionary = Dictionary::default();
        let mut codes: Vec<Option<u32>> = vec![None; self.names.len() + self.client_names.len() + 1];
        let mut code = |&visitor: &u32| {
            let name = || self.name(visitor).map_or(NULL, |name| dictionary.code(name.as_bytes()));
            *codes[visitor as usize].get_or_insert_with(name)
        };
        Texts { codes: self.visitors.iter().map(&mut code).collect(), dictionary }
    }
}

/// Disjoint sets (union–find with path halving).
#[derive(Debug, Clone, Default)]
struct Sets {
    parents: Vec<u32>,
}

impl Sets {
    /// Adds sets of one up to this number.
    fn grow(&mut self, count: usize) {
        self.parents.extend(self.parents.len() as u32..count as u32);
    }

    fn root(&mut self, mut of: u32) -> u32 {
        while self.parents[of as usize] != of {
            self.parents[of as usize] = self.parents[self.parents[of as usize] as usize];
            of = self.parents[of as usize];
        }
        of
    }

    fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        self.parents[b as usize] = a;
    }
}
