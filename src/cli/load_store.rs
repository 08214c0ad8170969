//! From a store to a relation that queries run over: the files of the days that are asked for, in memory, or where there are
//! too many, held apart column by column, sorted by visitor where sessions are counted anew, or left to Polars' streaming
//! engine. Knows nothing of the queries but the columns they need.

use super::account::Account;
use super::args::{Bots, Common};
use super::load::{Loaded, Loader, Plan, is_inside};
use super::load_parts::{self, Held, together};
use crate::cloud::is_object;
use crate::engine::incidents;
use crate::engine::relation::Relation;
use crate::error::Error;
use crate::events::column::Column;
use crate::events::{Begun, Events, Sessions, derive, derive_of_visitors};
use crate::scan::PARTS;
use crate::scan::spill::{Sorted, Spill};
use crate::scan::wanted::Wanted;
use crate::schema::{self, Type};
use crate::store::{self, Day, Part, Store, no_events};
use rayon::prelude::*;
use std::ops::Range;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What is read of a store.
struct Reading<'a> {
    store: &'a Store,
    plan: &'a Plan<'a>,
    /// The columns to read or to derive from them.
    needed: Wanted,
    ranges: Vec<Range<i64>>,
    /// Whether sessions must be counted anew, because they are others than the store's.
    recount: bool,
}

/// Reads a store and adds what it says of the lines that it was made from to the account.
///
/// # Errors
/// `Error::Store` for a file that cannot be read.
pub fn load(options: &Common, plan: &Plan, store: &Store, account: &mut Account) -> Result<Loaded, Error> {
    let loaded = loaded(options, plan, store)?;
    account.add_store(store);
    Ok(loaded)
}

fn loaded(options: &Common, plan: &Plan, store: &Store) -> Result<Loaded, Error> {
    let recount = plan.columns.has("session_number") && plan.sessions != Sessions::DEFAULT;
    let spans = || store.manifest.days.values().filter_map(|files| files.span);
    let whole = spans().map(|span| span.0).min().zip(spans().map(|span| span.1).max());
    let reading = Reading {
        store,
        plan,
        needed: needed(plan, options, recount),
        ranges: plan.cut.ranges(whole)?,
        recount,
    };
    let parts = reading.parts();
    let rows: u64 = parts.iter().map(|(_, part)| part.rows).sum();
    // One question alone takes each column once; to leave that to Polars, which leaves out what it can, takes less time.
    let several = plan.apart.as_ref().is_some_and(|questions| questions.len() > 1);
    let bytes = rows.saturating_mul(width(reading.needed, if several { NUMBERED } else { VIEWED }));
    if bytes <= plan.settings.row_bytes.unwrap_or(usize::MAX) as u64 {
        return reading.in_memory(options, &parts);
    }
    let near = reading.near(&parts)?;
    if recount {
        return reading.recounted(options, &near.pieces()?, rows as usize);
    }
    if several {
        let pieces = near.pieces()?;
        if let Some(held) = Held::apart(plan, rows as usize, pieces.len()) {
            return reading.apart(options, &pieces, held);
        }
    }
    reading.streamed(options, near)
}

/// The columns that are needed: those of the queries, and those that say which rows they see.
fn needed(plan: &Plan, options: &Common, recount: bool) -> Wanted {
    let mut needed = plan.columns;
    let asked = plan.settings.rows.wanted;
    for (name, is) in [
        ("is_bot", asked.has("is_bot") || options.bots != Bots::Include),
        ("ip_address", !plan.allow.is_empty()),
        ("timestamp", plan.span || plan.cut.is_some() || plan.columns.has("event_date")),
    ] {
        if is {
            needed = needed.or(Wanted::of([name]));
        }
    }
    if plan.columns.has("session_number") && plan.cut.is_some() {
        needed = needed.or(Wanted::of(OF_SESSIONS));
    }
    if recount { needed.or(Wanted::of(["timestamp", "kind", "visitor_id", "path"])) } else { needed }
}

/// What tells which sessions began before a time.
const OF_SESSIONS: [&str; 3] = ["timestamp", "visitor_id", "session_number"];

/// About how many bytes a text takes in memory: its number and a share of its dictionary, or a view and a share.
const NUMBERED: u64 = 12;
const VIEWED: u64 = 24;

/// About how many bytes a row takes in memory, if a text takes so many.
fn width(columns: Wanted, text: u64) -> u64 {
    let of = |name| match schema::column(name).map(|column| column.kind) {
        Some(Type::Boolean) => 1,
        Some(Type::Text | Type::Json | Type::Url | Type::Session) => text,
        _ => 8,
    };
    columns.names().map(of).sum()
}

impl<'a> Reading<'a> {
    /// The files of the days that are asked for.
    fn parts(&self) -> Vec<(Day, &'a Part)> {
        if self.ranges.is_empty() || self.recount {
            self.parts_of(|_| true)
        } else {
            self.parts_in(&self.ranges)
        }
    }

    /// The files of the days of these times.
    fn parts_in(&self, ranges: &[Range<i64>]) -> Vec<(Day, &'a Part)> {
        self.parts_of(|day| match (day.begin(), Day(day.0.map(|day| day + 1)).begin()) {
            (Some(begin), Some(end)) => ranges.iter().any(|range| range.start < end && begin < range.end),
            _ => false,
        })
    }

    fn parts_of(&self, are: impl Fn(Day) -> bool) -> Vec<(Day, &'a Part)> {
        let days = self.store.manifest.days.iter().filter(|(day, _)| are(**day));
        days.flat_map(|(day, files)| files.parts.iter().map(|part| (*day, part))).collect()
    }

    /// The sessions that began before the times that are asked for, if they are the store's and asked for.
    fn begun(&self) -> Result<Option<Begun>, Error> {
        if self.ranges.is_empty() || self.recount || !self.plan.columns.has("session_number") {
            return Ok(None);
        }
        let gap = self.plan.sessions.gap;
        let before = |range: &Range<i64>| range.start.saturating_sub(gap)..range.start;
        let before: Vec<Range<i64>> = self.ranges.iter().map(before).collect();
        let mut begun = Begun::before(&self.ranges);
        for (day, part) in self.parts_in(&before) {
            begun.add(&self.store.read(day, part, &OF_SESSIONS, None)?, gap);
        }
        Ok(Some(begun))
    }

    fn loader(&self, options: &Common) -> Result<Loader<'a>, Error> {
        let mut loader = Loader::new(self.plan, options, self.ranges.clone(), self.needed);
        loader.begun = self.begun()?;
        let names = incidents::SOURCES.into_iter().chain(["timestamp", "is_bot", "ip_address"]);
        let names: Vec<&str> = names.filter(|name| self.needed.has(name)).collect();
        let read = |(day, part)| self.store.read(day, part, &names, None);
        let before: Result<Vec<Events>, Error> = self.parts_in(&loader.leads).into_iter().map(read).collect();
        loader.look_before(before?)?;
        Ok(loader)
    }

    /// The columns to read from files.
    fn names(&self) -> Vec<&'static str> {
        self.needed.names().filter(|name| *name != "event_date").collect()
    }

    fn in_memory(self, options: &Common, parts: &[(Day, &Part)]) -> Result<Loaded, Error> {
        let names = self.names();
        let read = |(day, part): &(Day, &Part)| self.store.read(*day, part, &names, None);
        let pieces: Result<Vec<Events>, Error> = parts.par_iter().map(read).collect();
        let mut events = whole(pieces?, &names);
        if self.needed.has("event_date") {
            derive(&mut events, Wanted::of(["event_date"]));
        }
        if self.recount {
            derive_of_visitors(&mut events, Wanted::of(["session_number"]), self.plan.sessions);
        }
        let mut loader = self.loader(options)?;
        let (relation, apart) = loader.in_memory(events)?;
        Ok(Loaded { apart, ..loader.loaded(relation, Vec::new()) })
    }

    /// The files on a disk, where a query may read them several times: what is far away is copied here.
    fn near(&self, parts: &[(Day, &Part)]) -> Result<Near, Error> {
        let folder = if is_object(&self.store.folder) {
            Some(tempfile::tempdir().map_err(Error::Temporary)?)
        } else {
            None
        };
        let path = |(number, (day, part)): (usize, &(Day, &Part))| match &folder {
            None => Ok(self.store.path(*day, part)),
            Some(folder) => self.store.copy(*day, part, &folder.path().join(number.to_string())),
        };
        let paths = parts.iter().enumerate().map(path).collect::<Result<_, Error>>()?;
        Ok(Near { paths, folder })
    }

    /// What is made of the events of all pieces: `made` of each piece, side by side, then `taken` of some of them in order.
    fn each_piece<T: Send>(
        &self,
        pieces: &[Piece],
        made: impl Fn(Events) -> T + Sync,
        mut taken: impl FnMut(Vec<T>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let names = self.names();
        let read = |&Piece { file, number, .. }: &Piece| {
            let mut events = store::read_piece(file, &names, number)?;
            if self.needed.has("event_date") {
                derive(&mut events, Wanted::of(["event_date"]));
            }
            Ok(made(events))
        };
        let bytes = pieces.iter().map(|piece| piece.rows * width(self.needed, NUMBERED) as usize);
        for together in together(bytes, self.plan.settings.row_bytes.unwrap_or(usize::MAX)) {
            let made: Result<Vec<T>, Error> = pieces[together].par_iter().map(read).collect();
            taken(made?)?;
        }
        Ok(())
    }

    /// Counts sessions anew, of some visitors at a time.
    fn recounted(self, options: &Common, pieces: &[Piece], rows: usize) -> Result<Loaded, Error> {
        let spill = Spill::new(PARTS);
        let sorted =
            |events: Events| spill.sorted(&events.columns.into_iter().collect(), Some("visitor_id"), 0);
        let write = |sorted: Vec<Sorted>| {
            sorted.iter().try_for_each(|sorted| spill.write(sorted)).map_err(Error::Temporary)
        };
        self.each_piece(pieces, sorted, write)?;
        let mut loader = self.loader(options)?;
        let held = Held::new(self.plan, rows, spill.parts());
        let numbers = Wanted::of(["session_number"]);
        let (relation, apart) = load_parts::of_visitors(&mut loader, &spill, numbers, held)?;
        Ok(Loaded { apart, ..loader.loaded(relation, Vec::new()) })
    }

    /// Reads all columns once and holds them apart.
    fn apart(self, options: &Common, pieces: &[Piece], mut held: Held) -> Result<Loaded, Error> {
        let mut loader = self.loader(options)?;
        self.each_piece(pieces, |events| events, |events| held.add(&mut loader, events))?;
        let (relation, apart) = held.finish(&loader)?;
        Ok(Loaded { apart, ..loader.loaded(relation, Vec::new()) })
    }

    fn streamed(self, options: &Common, Near { paths, folder }: Near) -> Result<Loaded, Error> {
        let names: Vec<&str> = self.needed.names().collect();
        let mut relation = Relation::of_files(&paths, &names)?.keeping(folder);
        if !self.ranges.is_empty() {
            relation = relation.within_any(&self.ranges);
        }
        let mut loader = self.loader(options)?;
        if self.plan.span {
            loader.span = relation.span()?;
        }
        if let Some(begun) = &loader.begun {
            relation = relation.without_sessions(begun)?;
        }
        if !self.plan.allow.is_empty() {
            let networks = self.plan.allow;
            relation = relation.without_texts("ip_address", |text| is_inside(text, networks))?;
        }
        if self.needed.has("is_bot") {
            loader.bots = Some(relation.count_true("is_bot")?);
            relation = match options.bots {
                Bots::Include => relation,
                Bots::Exclude => relation.only("is_bot", false),
                Bots::Only => relation.only("is_bot", true),
            };
        }
        if let Some(pii) = &loader.pii {
            relation = pii.hash_in(relation);
        }
        Ok(loader.loaded(relation, Vec::new()))
    }
}

/// Pieces of the same columns one behind the other, side by side: each column's pieces go when it is whole.
fn whole(mut pieces: Vec<Events>, names: &[&'static str]) -> Events {
    if pieces.is_empty() {
        return no_events(names);
    }
    let rows = pieces.iter().map(|piece| piece.rows).sum();
    let of_column = |name: &&'static str| {
        let of_pieces: Vec<Column> =
            pieces.iter_mut().filter_map(|piece| piece.columns.remove(name)).collect();
        (*name, of_pieces)
    };
    let columns: Vec<(&'static str, Vec<Column>)> = names.iter().map(of_column).collect();
    let whole = |(name, pieces): (&'static str, Vec<Column>)| {
        let mut pieces = pieces.into_iter();
        let mut whole = pieces.next()?;
        pieces.for_each(|piece| whole.append(&piece));
        Some((name, whole))
    };
    let columns: Vec<_> = columns.into_par_iter().filter_map(whole).collect();
    Events { columns: columns.into_iter().collect(), rows }
}

/// Files of a store on a disk.
struct Near {
    paths: Vec<PathBuf>,
    /// Where copies are, which go with it.
    folder: Option<TempDir>,
}

impl Near {
    /// All pieces of the files.
    fn pieces(&self) -> Result<Vec<Piece<'_>>, Error> {
        let mut all = Vec::new();
        for file in &self.paths {
            let rows = store::pieces(file)?.into_iter().enumerate();
            all.extend(rows.map(|(number, rows)| Piece { file, number, rows }));
        }
        Ok(all)
    }
}

/// A piece of a file, and how many rows it has.
struct Piece<'a> {
    file: &'a Path,
    number: usize,
    rows: usize,
}
