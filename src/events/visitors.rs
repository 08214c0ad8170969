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

/// How long a client is remembered.
const MEMORY: i64 = 30 * 60 * SECOND;

/// What [`Joined::add`] needs.
pub const JOIN_SOURCES: [&str; 4] = ["timestamp", "event_type", "session_id", "client"];

/// Which names are one visitor's, because of log-outs: what several parts of the events say together.
#[derive(Debug, Default)]
pub struct Joined {
    names: Dictionary,
    same: Sets,
}

impl Joined {
    /// Adds what these events say.
    pub fn add(&mut self, events: &Events) {
        let clients = clients(events);
        let mut search = Search::new(events, &clients);
        search.run();
        for (one, other) in std::mem::take(&mut search.joins) {
            if let (Some(one), Some(other)) = (search.name(one), search.name(other)) {
                let [one, other] = [one, other].map(|name| self.names.code(name.as_bytes()));
                self.same.grow(self.names.len());
                self.same.join(one, other);
            }
        }
    }

    /// The visitors with the names that all parts together give them.
    pub fn rename(&self, visitors: Texts) -> Texts {
        if self.names.is_empty() {
            return visitors;
        }
        let mut same = self.same.clone();
        let mut first: Vec<Option<&str>> = vec![None; self.names.len()];
        for (code, name) in self.names.iter().enumerate() {
            let first = &mut first[same.root(code as u32) as usize];
            *first = Some(first.map_or(name, |first| first.min(name)));
        }
        let new: Vec<_> = (0..self.names.len()).map(|code| first[same.root(code as u32) as usize]).collect();
        visitors.map(|name| {
            let new_name = self.names.find(name).and_then(|code| new[code as usize]);
            Some(new_name.unwrap_or(name).to_owned())
        })
    }
}

/// A value for each row: the visitor's short hash; null where there is neither id nor client.
pub fn visitor_ids(events: &Events) -> Texts {
    let clients = clients(events);
    let mut search = Search::new(events, &clients);
    search.run();
    for &(one, other) in &search.joins {
        search.same.join(one, other);
    }
    search.names()
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
    /// Visitors who are the same, because of a log-out.
    joins: Vec<(u32, u32)>,
    same: Sets,
    /// The last client that each id was met at.
    first_client: Vec<u32>,
}

impl<'a> Search<'a> {
    fn new(events: &'a Events, clients: &'a [u32]) -> Self {
        let sessions = events.texts("session_id");
        let client_names = &events.texts("client").dictionary;
        let mut same = Sets::default();
        same.grow(sessions.dictionary.len() + client_names.len() + 1);
        Search {
            clients,
            client_names,
            times: events.times("timestamp"),
            ids: ids(sessions),
            names: &sessions.dictionary,
            logouts: logouts(events),
            visitors: vec![NULL; events.rows],
            joins: Vec::new(),
            same,
            first_client: vec![NULL; sessions.dictionary.len()],
        }
    }

    fn run(&mut self) {
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
            self.join_logouts(&rows[timed..], client);
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
    fn join_logouts(&mut self, rows: &[u32], client: usize) {
        if !rows.iter().any(|&row| self.logouts[row as usize]) {
            return;
        }
        let mut new_ids = Vec::new();
        for &row in rows {
            let id = self.ids[row as usize];
            if id != NULL && self.first_client[id as usize] != client as u32 {
                self.first_client[id as usize] = client as u32;
                new_ids.push((self.times.values[row as usize], id));
            }
        }
        for &row in rows.iter().filter(|&&row| self.logouts[row as usize]) {
            let time = self.times.values[row as usize];
            let next = new_ids.partition_point(|&(shown, _)| shown <= time);
            if let Some(&(shown, id)) = new_ids.get(next)
                && shown - time <= MEMORY
            {
                self.joins.push((self.visitors[row as usize], id));
            }
        }
    }

    /// A visitor's own name, `None` for the client that is none.
    fn name(&self, visitor: u32) -> Option<&'a str> {
        match (visitor as usize).checked_sub(self.names.len()) {
            None => Some(self.names.get(visitor)),
            Some(client) => (client < self.client_names.len()).then(|| self.client_names.get(client as u32)),
        }
    }

    /// The visitors' names: a joined visitor has the first of its names in alphabetical order, so that it does not depend on
    /// the order of lines.
    fn names(mut self) -> Texts {
        let count = self.same.parents.len();
        let mut used = vec![false; count];
        self.visitors.iter().for_each(|&visitor| used[visitor as usize] = true);
        let mut first: Vec<Option<&str>> = vec![None; count];
        for visitor in (0..count as u32).filter(|&visitor| used[visitor as usize]) {
            let root = self.same.root(visitor) as usize;
            if let Some(name) = self.name(visitor)
                && first[root].is_none_or(|first| name < first)
            {
                first[root] = Some(name);
            }
        }
        let mut dictionary = Dictionary::default();
        let codes: Vec<u32> =
            first.iter().map(|name| name.map_or(NULL, |name| dictionary.code(name.as_bytes()))).collect();
        let code = |&visitor: &u32| codes[self.same.root(visitor) as usize];
        Texts { codes: self.visitors.iter().map(code).collect(), dictionary }
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
