//! What a day's events say of visitors, for the days behind it: which clients showed which ids, which names log-outs join,
//! how far each visitor's sessions were counted. Small files beside the events, one a day; they can be made anew from the
//! events.

use super::day::Day;
use crate::events::column::{Column, NULL, Texts, Values};
use crate::events::{Before, Events, Join};
use crate::schema::Type;
use std::collections::{BTreeMap, HashMap};

/// The columns of the files.
pub const COLUMNS: [&str; 6] = ["what", "one", "other", "first", "last", "number"];

/// The type of one of these columns.
pub fn kind(column: &str) -> Type {
    match column {
        "first" | "last" | "number" => Type::Bigint,
        _ => Type::Text,
    }
}

/// One day's.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct State {
    /// By client and the name that its events were given: when that was first used (the first of its events), and when
    /// the client first showed it as an id.
    pub names: BTreeMap<(String, String), Used>,
    /// What log-outs of the day joined.
    pub joins: Vec<Join>,
    /// How far each visitor of the day had got at its end.
    pub visitors: BTreeMap<String, Before>,
}

/// When a name was first used, and first shown as an id, microseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Used {
    /// By any event.
    pub first: i64,
    /// As an id.
    pub shown: Option<i64>,
}

/// A row that says that a client used a name.
pub const NAME: &str = "name";
/// A row that says that a log-out joins two names.
pub const JOIN: &str = "join";
/// A row that says how far a visitor had got.
pub const VISITOR: &str = "visitor";

impl State {
    /// As the columns of a file.
    pub fn to_events(&self) -> Events {
        let mut texts: [Texts; 3] = Default::default();
        let mut numbers: [Values<i64>; 3] = Default::default();
        let mut add = |words: [&str; 3], values: [Option<i64>; 3]| {
            texts.iter_mut().zip(words).for_each(|(column, word)| column.push(Some(word)));
            numbers.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
        };
        for ((client, name), used) in &self.names {
            add([NAME, client, name], [Some(used.first), used.shown, None]);
        }
        for Join { at, one, other } in &self.joins {
            add([JOIN, one, other], [Some(*at), None, None]);
        }
        for (visitor, before) in &self.visitors {
            add(
                [VISITOR, visitor, ""],
                [Some(before.first_seen), (before.number > 0).then_some(before.last), Some(before.number)],
            );
        }
        let rows = texts[0].codes.len();
        let columns = texts.map(Column::Text).into_iter().chain(numbers.map(Column::Bigint));
        Events { columns: COLUMNS.into_iter().zip(columns).collect(), rows }
    }
}

/// The states of the days of settled events, which are in several rows each. `raw` are their names before log-outs join
/// them; `ids` says of a row whether it showed its name as an id; `before` has the visitors of the days before.
pub struct Summing<'a> {
    pub events: &'a Events,
    pub raw: &'a Texts,
    pub ids: &'a [bool],
    pub visitors: &'a Texts,
    pub numbers: &'a Values<i64>,
    pub first_seen: &'a Values<i64>,
    pub joins: &'a [Join],
}

impl Summing<'_> {
    /// The state of each day from this one on, in order.
    pub fn states(&self, from: Day, before: impl Fn(&str) -> Option<Before>) -> BTreeMap<Day, State> {
        let times = self.events.times("timestamp");
        let mut days: BTreeMap<Day, (State, Vec<usize>)> = BTreeMap::new();
        for row in 0..self.events.rows {
            let day = Day::of(times.get(row));
            if day.0.is_some() && day >= from {
                days.entry(day).or_default().1.push(row);
            }
        }
        for join in self.joins {
            if let Some((state, _)) = days.get_mut(&Day::of(Some(join.at))) {
                state.joins.push(join.clone());
            }
        }
        let mut known: HashMap<u32, Before> = HashMap::new();
        for (state, rows) in days.values_mut() {
            state.joins.sort();
            self.add_names(state, rows);
            self.add_visitors(state, rows, &mut known, &before);
        }
        days.into_iter().map(|(day, (state, _))| (day, state)).collect()
    }

    fn add_names(&self, state: &mut State, rows: &[usize]) {
        let (clients, times) = (self.events.texts("client"), self.events.times("timestamp"));
        let mut used: HashMap<(u32, u32), Used> = HashMap::new();
        for &row in rows.iter().filter(|&&row| self.raw.codes[row] != NULL) {
            let time = times.values[row];
            let shown = self.ids[row].then_some(time);
            let key = (clients.codes[row], self.raw.codes[row]);
            let used = used.entry(key).or_insert(Used { first: time, shown });
            used.first = used.first.min(time);
            used.shown = [used.shown, shown].into_iter().flatten().min();
        }
        let client = |code| if code == NULL { "" } else { clients.dictionary.get(code) };
        let named = |((code, name), used): ((u32, u32), Used)| {
            ((client(code).to_owned(), self.raw.dictionary.get(name).to_owned()), used)
        };
        state.names = used.into_iter().map(named).collect();
    }

    fn add_visitors(
        &self,
        state: &mut State,
        rows: &[usize],
        known: &mut HashMap<u32, Before>,
        before: &impl Fn(&str) -> Option<Before>,
    ) {
        let times = self.events.times("timestamp");
        let mut present: Vec<u32> = Vec::new();
        for &row in rows.iter().filter(|&&row| self.visitors.codes[row] != NULL) {
            let code = self.visitors.codes[row];
            present.push(code);
            let visitor = known.entry(code).or_insert_with(|| {
                let first_seen = self.first_seen.get(row).unwrap_or(times.values[row]);
                let none = Before { first_seen, number: 0, last: i64::MIN };
                let before = before(self.visitors.dictionary.get(code)).unwrap_or(none);
                Before { first_seen, ..before }
            });
            if let Some(number) = self.numbers.get(row) {
                visitor.number = visitor.number.max(number);
                visitor.last = visitor.last.max(times.values[row]);
            }
        }
        present.sort_unstable();
        present.dedup();
        let name = |code: &u32| self.visitors.dictionary.get(*code).to_owned();
        state.visitors = present.iter().map(|code| (name(code), known[code])).collect();
    }
}
