//! What new events change. An event's visitor, pair and session depend on events around it, some of them of other days;
//! so the store works out anew what is said of all events from the first day on that new ones can touch, beginning with
//! what is known of the days before it. That is the same as working out everything (`suite store` holds it against that).
//! Knows nothing of how files are written.

use super::day::Day;
use super::state::{self, State, Summing};
use super::{Part, Store};
use crate::error::Error;
use crate::events::column::{Column, NULL, Texts};
use crate::events::{Before, Events, Join, Joined, LINE, Named, Pairs, Sessions, first_seen, named, pairs};
use crate::scan::time::SECOND;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

/// What depends on other events.
pub const SETTLED: [&str; 4] = ["paired", "visitor_id", "visitor_first_seen", "session_number"];

/// What those are made from, unless it takes [`LINE`] to know which requests are paired.
const SOURCES: [&str; 7] =
    ["timestamp", "event_type", "kind", "client", "session_id", "path", "process_time"];

/// How far back an event can change what is said of others: a client is remembered for half an hour.
const REACH: i64 = 60 * 60 * SECOND;

/// How far back it must be known what happened to say the same as from everything: a request takes an hour at most.
const CONTEXT: i64 = 2 * REACH;

/// Behind all days: only events without a time are new.
const NEVER: Day = Day(Some(i32::MAX));

/// What is now true of the events from a day on.
pub struct Settled {
    segments: Vec<Segment>,
    columns: [Column; 4],
    /// The stored parts of which something else is true than before.
    pub changed: Vec<(Day, usize)>,
    /// What each day from there on says of visitors.
    pub states: BTreeMap<Day, State>,
    /// The first of those days.
    pub from: Day,
}

/// Rows that come from one place.
struct Segment {
    place: Place,
    rows: Range<usize>,
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// The day before, as far as it matters.
    Context,
    Stored(Day, usize),
    New,
}

impl Settled {
    /// What is now true of the rows of a stored part; nothing for one of earlier days, which is as it was.
    pub fn of_part(&self, day: Day, part: usize) -> Vec<(&'static str, Column)> {
        self.of(Place::Stored(day, part))
    }

    /// What is true of the new events.
    pub fn of_new(&self) -> Vec<(&'static str, Column)> {
        self.of(Place::New)
    }

    fn of(&self, place: Place) -> Vec<(&'static str, Column)> {
        let Some(segment) = self.segments.iter().find(|segment| segment.place == place) else {
            return Vec::new();
        };
        let column = |column: &Column| column.slice(segment.rows.clone());
        SETTLED.into_iter().zip(self.columns.iter().map(column)).collect()
    }
}

/// Works out what is true now that there are these events, too; they have the columns [`LINE`].
///
/// # Errors
/// `Error::Store` where a file of the store cannot be read.
pub fn settle(store: &Store, new: &Events) -> Result<Settled, Error> {
    let first = new.times("timestamp").iter().flatten().min();
    let touched = first.map_or(NEVER, |first| Day::of(Some(first.saturating_sub(REACH))));
    // Of a day without a state nothing is known; it is where all begins again.
    let unknown = store.manifest.days.iter().find(|(day, files)| day.0.is_some() && files.state.is_none());
    let mut from = unknown.map_or(touched, |(day, _)| touched.min(*day));
    let states = States::new(store)?;
    let mut sources = SOURCES.to_vec();
    loop {
        let window = Window::load(store, new, from, &sources)?;
        match window.settle(&states)? {
            Outcome::Settled(settled) => return Ok(*settled),
            // A visitor of earlier days has another name now.
            Outcome::Again(day) => from = day,
            Outcome::InDoubt => sources = LINE.names().collect(),
        }
    }
}

enum Outcome {
    Settled(Box<Settled>),
    Again(Day),
    /// It takes more columns to know which requests are paired.
    InDoubt,
}

/// All events from a day on, what was said of them, and those shortly before.
struct Window {
    from: Day,
    events: Events,
    segments: Vec<Segment>,
    /// What was said of the rows of stored segments.
    was: Vec<Events>,
}

impl Window {
    fn load(store: &Store, new: &Events, from: Day, sources: &[&'static str]) -> Result<Window, Error> {
        let mut window = Window { from, events: Events::default(), segments: Vec::new(), was: Vec::new() };
        let begin = from.begin().unwrap_or(i64::MAX);
        let before = Day(from.0.map(|day| day.saturating_sub(1)));
        let days = &store.manifest.days;
        for part in days.get(&before).into_iter().flat_map(|files| &files.parts) {
            let since = begin.saturating_sub(CONTEXT);
            let events = store.read(before, part, sources, Some(since))?;
            window.add(Place::Context, events);
        }
        let names: Vec<&'static str> = sources.iter().copied().chain(SETTLED).collect();
        for (&day, files) in days.iter().filter(|(day, _)| day.0.is_none() || **day >= from) {
            for (number, part) in files.parts.iter().enumerate() {
                let mut events = store.read(day, part, &names, None)?;
                let said = SETTLED.iter().filter_map(|name| events.columns.remove_entry(name));
                let was = Events { columns: said.collect(), rows: events.rows };
                window.was.push(was);
                window.add(Place::Stored(day, number), events);
            }
        }
        let columns = sources.iter().filter_map(|name| Some((*name, new.columns.get(name)?.clone())));
        window.add(Place::New, Events { columns: columns.collect(), rows: new.rows });
        Ok(window)
    }

    fn add(&mut self, place: Place, events: Events) {
        let first = self.events.rows;
        self.events.append(events);
        self.segments.push(Segment { place, rows: first..self.events.rows });
    }

    fn settle(mut self, states: &States) -> Result<Outcome, Error> {
        let Pairs { paired, in_doubt } = pairs(&self.events);
        if in_doubt {
            return Ok(Outcome::InDoubt);
        }
        let begin = self.from.begin().unwrap_or(i64::MAX);
        let mut past = Past::new(self.from);
        past.read_joins(states, &self.clients_that_log_out())?;
        let Named { names: raw, mut joins } =
            named(&self.events, |client, id| past.known.contains(&(client.to_owned(), id.to_owned())));
        joins.retain(|join| join.at >= begin);
        past.join(&joins);
        past.read_visitors(states, &raw)?;
        past.joined.add_first(&raw, self.events.times("timestamp"));
        if let Some(day) = past.renamed() {
            return Ok(Outcome::Again(day));
        }
        let mut visitors = past.joined.renaming().rename(raw.clone());
        // What is known of the days before holds what happened in the context.
        for segment in self.segments.iter().filter(|segment| segment.place == Place::Context) {
            visitors.codes[segment.rows.clone()].fill(NULL);
        }
        let before = |visitor: &str| past.visitors.get(visitor).copied();
        let ids = self.ids();
        self.events.columns.insert("visitor_id", Column::Text(visitors.clone()));
        let numbers = Sessions::DEFAULT.numbers(&self.events, before);
        let first_seen = first_seen(&self.events, before);
        let summing = Summing {
            events: &self.events,
            raw: &raw,
            ids: &ids,
            visitors: &visitors,
            numbers: &numbers,
            first_seen: &first_seen,
            joins: &joins,
        };
        let states = summing.states(self.from, before);
        let columns = [
            Column::Boolean(paired),
            Column::Text(visitors),
            Column::Timestamp(first_seen),
            Column::Bigint(numbers),
        ];
        let changed = self.changed(&columns);
        let Window { from, segments, .. } = self;
        Ok(Outcome::Settled(Box::new(Settled { segments, columns, changed, states, from })))
    }

    fn clients_that_log_out(&self) -> HashSet<String> {
        let types = self.events.texts("event_type");
        let Some(logout) = types.dictionary.find("logout") else { return HashSet::new() };
        let clients = self.events.texts("client");
        let rows = (0..self.events.rows).filter(|&row| types.codes[row] == logout);
        rows.map(|row| clients.get(row).unwrap_or_default().to_owned()).collect()
    }

    /// Whether each row shows an id.
    fn ids(&self) -> Vec<bool> {
        let sessions = self.events.texts("session_id");
        let none = ["no_session", "unknown"].map(|word| sessions.dictionary.find(word).unwrap_or(NULL));
        sessions.codes.iter().map(|code| *code != NULL && !none.contains(code)).collect()
    }

    fn changed(&self, columns: &[Column; 4]) -> Vec<(Day, usize)> {
        let stored = self.segments.iter().filter_map(|segment| match segment.place {
            Place::Stored(day, part) => Some((day, part, segment.rows.clone())),
            _ => None,
        });
        let differ = |was: &Events, rows: &Range<usize>| {
            SETTLED.iter().zip(columns).any(|(name, now)| {
                was.columns
                    .get(name)
                    .is_none_or(|was| rows.clone().enumerate().any(|(at, row)| !was.same(at, now, row)))
            })
        };
        let changed = stored.zip(&self.was).filter(|((_, _, rows), was)| differ(was, rows));
        changed.map(|((day, part, _), _)| (day, part)).collect()
    }
}

/// What the days before a day say, and what all days said until now.
struct Past {
    from: Day,
    /// Which ids clients of interest showed.
    known: HashSet<(String, String)>,
    /// Which names are one visitor's, now and as the store has it.
    joined: Joined,
    joined_until_now: Joined,
    /// When joined names were first used.
    first_days: HashMap<String, Day>,
    /// The visitors that may come again.
    visitors: HashMap<String, Before>,
}

impl Past {
    fn new(from: Day) -> Past {
        Past {
            from,
            known: HashSet::new(),
            joined: Joined::default(),
            joined_until_now: Joined::default(),
            first_days: HashMap::new(),
            visitors: HashMap::new(),
        }
    }

    fn read_joins(&mut self, states: &States, clients: &HashSet<String>) -> Result<(), Error> {
        states.each(|day, row| match row {
            Row::Join { one, other } => {
                self.joined_until_now.join(one, other);
                if day < self.from {
                    self.joined.join(one, other);
                }
            }
            Row::Name { client, name, shown: true, .. } if day < self.from && clients.contains(client) => {
                self.known.insert((client.to_owned(), name.to_owned()));
            }
            _ => {}
        })
    }

    fn join(&mut self, joins: &[Join]) {
        self.joined.add(joins);
    }

    fn read_visitors(&mut self, states: &States, raw: &Texts) -> Result<(), Error> {
        states.each(|day, row| {
            let earlier = day < self.from;
            match row {
                Row::Name { name, first, .. } => {
                    self.joined_until_now.used(name, first);
                    if earlier {
                        self.joined.used(name, first);
                        if self.joined.has(name) || self.joined_until_now.has(name) {
                            self.first_days.entry(name.to_owned()).or_insert(day);
                        }
                    }
                }
                // Days come in order: what a later one says counts.
                Row::Visitor { visitor, before }
                    if earlier && (raw.dictionary.find(visitor).is_some() || self.joined.has(visitor)) =>
                {
                    self.visitors.insert(visitor.to_owned(), before);
                }
                _ => {}
            }
        })
    }

    /// The first earlier day with a visitor who has another name now.
    fn renamed(&self) -> Option<Day> {
        let (was, now) = (self.joined_until_now.new_names(), self.joined.new_names());
        let name =
            |names: &HashMap<&str, &str>, name: &str| names.get(name).copied().unwrap_or(name).to_owned();
        let renamed = self.first_days.iter().filter(|(raw, _)| name(&was, raw) != name(&now, raw));
        renamed.map(|(_, day)| *day).min()
    }
}

/// A row of a day's state.
enum Row<'a> {
    Name { client: &'a str, name: &'a str, first: i64, shown: bool },
    Join { one: &'a str, other: &'a str },
    Visitor { visitor: &'a str, before: Before },
}

/// What all days say of visitors.
struct States<'a> {
    store: &'a Store,
    /// In memory, unless there is too much of it.
    held: Option<Vec<(Day, Events)>>,
}

/// How many rows of states are held; they take some 60 bytes each.
const HELD: u64 = 4_000_000;

impl<'a> States<'a> {
    fn new(store: &'a Store) -> Result<Self, Error> {
        let parts = states_of(store);
        let rows: u64 = parts.iter().map(|(_, part)| part.rows).sum();
        let read = |(day, part): &(Day, &Part)| Ok((*day, store.read_state(part)?));
        let held =
            if rows <= HELD { Some(parts.par_iter().map(read).collect::<Result<_, Error>>()?) } else { None };
        Ok(States { store, held })
    }

    /// Calls `found` with each row of each day's state, day after day.
    fn each(&self, mut found: impl FnMut(Day, Row)) -> Result<(), Error> {
        if let Some(held) = &self.held {
            held.iter().for_each(|(day, rows)| each_row(rows, |row| found(*day, row)));
            return Ok(());
        }
        for (day, part) in states_of(self.store) {
            each_row(&self.store.read_state(part)?, |row| found(day, row));
        }
        Ok(())
    }
}

fn states_of(store: &Store) -> Vec<(Day, &Part)> {
    store.manifest.days.iter().filter_map(|(day, files)| Some((*day, files.state.as_ref()?))).collect()
}

fn each_row(rows: &Events, mut found: impl FnMut(Row)) {
    let [what, one, other] = [0, 1, 2].map(|at| rows.texts(state::COLUMNS[at]));
    let [first, last, number] = [3, 4, 5].map(|at| rows.integers(state::COLUMNS[at]));
    for row in 0..rows.rows {
        let (one, other) = (one.get(row).unwrap_or_default(), other.get(row).unwrap_or_default());
        let first = first.get(row).unwrap_or(i64::MAX);
        found(match what.get(row) {
            Some(state::NAME) => {
                Row::Name { client: one, name: other, first, shown: last.get(row).is_some() }
            }
            Some(state::JOIN) => Row::Join { one, other },
            _ => {
                let (number, last) = (number.get(row).unwrap_or(0), last.get(row).unwrap_or(i64::MIN));
                Row::Visitor { visitor: one, before: Before { first_seen: first, number, last } }
            }
        });
    }
}
