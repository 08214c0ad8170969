//! From events in temporary files to a relation: some parts at a time, side by side, as many as memory has room for.
//! Knows nothing of how they came there.

use super::apart::{Apart, InFiles};
use super::gathered::{Found, Gathered};
use super::load::{Kept, Loader, Plan, Taken, derive_wanted};
use super::quality::Quality;
use crate::engine::aggregate::{self, Answered};
use crate::engine::polars::no_events;
use crate::engine::relation::Relation;
use crate::error::Error;
use crate::events::column::{Column, Texts};
use crate::events::{Events, JOIN_SOURCES, Joined, derive_of_visitors, named, needs_visitors};
use crate::heaps;
use crate::scan::FILE;
use crate::scan::spill::Spill;
use crate::scan::wanted::Wanted;
use crate::schema::EVENTS;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

/// What is said by all parts together is found first; notes whether it is in doubt which requests are paired.
///
/// # Errors
/// `Error::Temporary` if temporary files cannot be read or written.
pub fn load(
    loader: &mut Loader,
    spill: &Spill,
    in_doubt: &AtomicBool,
) -> Result<(Relation, Option<Apart>), Error> {
    let wanted = loader.wanted;
    let parts = Parts::new(loader, spill);
    let visitors = if wanted.has("visitor_id") { Some(parts.visitors()?) } else { None };
    let renamed = visitors.as_ref().map(|(names, joined)| (names, joined.renaming()));
    let derived = |part: usize, mut events: Events| {
        if let Some((names, renaming)) = &renamed {
            let names = renaming.rename(names_of(names, part)?);
            events.columns.insert("visitor_id", Column::Text(names));
        }
        derive_wanted(&mut events, wanted, in_doubt);
        Ok(events)
    };
    if let Some(relation) = answered(loader, &parts, &derived)? {
        return Ok((relation, None));
    }
    let mut held = Held::new(loader.plan, spill.rows(), spill.parts());
    if !needs_visitors(wanted) {
        for together in parts.together() {
            let events = parts.side_by_side(together, derived)?;
            events.iter().for_each(|events| add_quality(&mut loader.quality, events));
            held.add(loader, events)?;
        }
        return held.finish(loader);
    }
    // A visitor may have had several clients; sessions need all of a visitor's events.
    let by_visitor = Spill::new(spill.parts());
    let quality = Mutex::new(&mut loader.quality);
    for together in parts.together() {
        let sorted = parts.side_by_side(together, |part, events| {
            let events = derived(part, events)?;
            add_quality(&mut quality.lock().unwrap_or_else(PoisonError::into_inner), &events);
            let columns = events.columns.into_iter().collect();
            Ok(by_visitor.sorted(&columns, Some("visitor_id"), 0))
        })?;
        // In this order, so that rows stand in the same one in every run.
        sorted.iter().try_for_each(|sorted| by_visitor.write(sorted)).map_err(Error::Temporary)?;
    }
    of_visitors(loader, &by_visitor, wanted, held)
}

/// Adds the wanted columns for which a visitor's events must be in one part, which they are.
///
/// # Errors
/// `Error::Temporary` if temporary files cannot be read or written; `Error::Query` if Polars gives out.
pub fn of_visitors(
    loader: &mut Loader,
    spill: &Spill,
    wanted: Wanted,
    mut held: Held,
) -> Result<(Relation, Option<Apart>), Error> {
    let sessions = loader.plan.sessions;
    let parts = Parts::new(loader, spill);
    for together in parts.together() {
        let derived = parts.side_by_side(together, |_, mut events| {
            derive_of_visitors(&mut events, wanted, sessions);
            Ok(events)
        })?;
        held.add(loader, derived)?;
    }
    held.finish(loader)
}

/// The answers to all queries, if these only want groups that can be made part by part.
fn answered(
    loader: &mut Loader,
    parts: &Parts,
    derived: &(impl Fn(usize, Events) -> Result<Events, Error> + Sync),
) -> Result<Option<Relation>, Error> {
    let queries = match &loader.plan.queries {
        Some(queries) if !needs_visitors(loader.wanted) && !loader.plan.quality => queries,
        _ => return Ok(None),
    };
    let (mut notes, mut answers) = (Vec::new(), vec![Vec::new(); queries.len()]);
    for together in parts.together() {
        let of_part = |part, events| {
            let (frame, its_notes) = loader.framed(derived(part, events)?)?;
            let answer = |sql: &&str| aggregate::answered_whole(sql, EVENTS.name, &frame);
            let found: Option<Vec<Answered>> = queries.iter().map(answer).collect();
            Ok(found.map(|found| (its_notes, found)))
        };
        for part in parts.side_by_side(together, of_part)? {
            let Some((its_notes, found)) = part else { return Ok(None) };
            notes.push(its_notes);
            answers.iter_mut().zip(found).for_each(|(answers, found)| answers.push(found));
        }
    }
    notes.into_iter().for_each(|notes| loader.note(notes));
    let mut all = Vec::new();
    for (sql, answers) in queries.iter().zip(answers) {
        let Some(answered) = aggregate::together(answers)? else { return Ok(None) };
        all.push(((*sql).to_owned(), answered));
    }
    Ok(Some(Relation::of_answers(all)))
}

/// What queries see.
pub enum Held {
    /// In one relation.
    Together(Gathered),
    /// Each column apart.
    Apart(InFiles),
}

impl Held {
    /// Nothing yet of so many rows, which come in so many pieces.
    pub fn new(plan: &Plan, rows: usize, pieces: usize) -> Held {
        let together = || {
            // They are there once only, unlike rows that are read.
            let room = plan.settings.row_bytes.map_or(usize::MAX, |bytes| bytes / 4 * 5);
            Held::Together(Gathered::new(plan.columns.names().collect(), pieces, room))
        };
        Held::apart(plan, rows, pieces).unwrap_or_else(together)
    }

    /// The same with each column apart, if that may serve most questions: for the others they are written twice.
    pub fn apart(plan: &Plan, rows: usize, pieces: usize) -> Option<Held> {
        let room = plan.settings.row_bytes.unwrap_or(usize::MAX);
        // Conditions leave perhaps a third of them.
        let may_fit = |Taken { columns, .. }: &&Taken| {
            let bytes = rows * columns.names().count().max(1) * USUAL_BYTES;
            bytes / 3 <= room
        };
        let questions = plan.apart.as_deref().unwrap_or_default();
        let names = plan.columns.names().collect();
        // What is made of them takes more than they do.
        let apart = || Held::Apart(InFiles::new(pieces, names, room / 4 * 3));
        (questions.iter().filter(may_fit).count() > questions.len() / 2).then(apart)
    }

    /// Adds pieces of the events, side by side.
    ///
    /// # Errors
    /// `Error::Temporary` if they cannot be written; `Error::Query` if Polars gives out.
    pub fn add(&mut self, loader: &mut Loader, events: Vec<Events>) -> Result<(), Error> {
        let kept: Result<Vec<_>, Error> = events.into_par_iter().map(|events| loader.kept(events)).collect();
        let (kept, notes): (Vec<_>, Vec<_>) = kept?.into_iter().unzip();
        notes.into_iter().for_each(|notes| loader.note(notes));
        match self {
            Held::Together(gathered) => gathered.add(kept),
            Held::Apart(apart) => apart.add(kept),
        }
    }

    /// The relation that questions see who do not take their columns from what is held apart.
    ///
    /// # Errors
    /// `Error::Temporary` if it cannot be read or written; `Error::Query` if Polars gives out.
    pub fn finish(self, loader: &Loader) -> Result<(Relation, Option<Apart>), Error> {
        let apart = match self {
            Held::Together(gathered) => {
                heaps::give_back();
                return match gathered.finish()? {
                    Found::Events(events) => loader.kept_in_memory(Kept { events, keep: None }),
                    Found::Relation(relation) => Ok((*relation, None)),
                };
            }
            Held::Apart(apart) => apart,
        };
        let all = loader.plan.apart.iter().flatten().map(|question| question.columns);
        let relation = match all.filter(|columns| apart.share(*columns).is_none()).reduce(Wanted::or) {
            Some(columns) => apart.table(columns)?,
            None => no_events(),
        };
        Ok((relation, Some(Apart::InFiles(apart))))
    }
}

/// The bytes that a value takes in memory, on average over the columns of most questions.
const USUAL_BYTES: usize = 6;

fn add_quality(quality: &mut Quality, events: &Events) {
    if let Some(Column::Bigint(files)) = events.columns.get(FILE) {
        let rows = files.values.iter().enumerate();
        quality.add(events, rows.map(|(row, &file)| (row, file as usize)));
    }
}

/// Events in parts, and what is to be read of them.
struct Parts<'a> {
    spill: &'a Spill,
    names: Vec<&'static str>,
    /// How many bytes the rows of parts that are read side by side may take.
    room: usize,
}

impl<'a> Parts<'a> {
    /// Those of a spill, with all that is read.
    fn new(loader: &Loader, spill: &'a Spill) -> Parts<'a> {
        let names = loader.read.names().chain([FILE]).collect();
        Parts { spill, names, room: loader.plan.settings.row_bytes.unwrap_or(usize::MAX) }
    }

    /// The parts in order, those together that are read side by side.
    fn together(&self) -> Vec<Range<usize>> {
        let bytes = |part| self.spill.rows_of(part) * self.names.len() * size_of::<u64>();
        together((0..self.spill.parts()).map(bytes), self.room)
    }

    /// What is made of the events of each of these parts, without those that have none.
    fn side_by_side<T: Send>(
        &self,
        parts: Range<usize>,
        made: impl Fn(usize, Events) -> Result<T, Error> + Sync,
    ) -> Result<Vec<T>, Error> {
        let made = |part| read(self.spill, part, &self.names)?.map(|events| made(part, events)).transpose();
        let made: Result<Vec<Option<T>>, Error> = parts.into_par_iter().map(made).collect();
        Ok(made?.into_iter().flatten().collect())
    }

    /// The visitors' names in each part, and what all parts together say of visitors who logged out.
    fn visitors(&self) -> Result<(Spill, Joined), Error> {
        let parts = Parts { names: JOIN_SOURCES.to_vec(), ..*self };
        let (names, mut joined) = (Spill::new(self.spill.parts()), Joined::default());
        for together in parts.together() {
            let found = parts.side_by_side(together, |part, events| {
                let found = named(&events, |_, _| false);
                let column = vec![("visitor_id", Column::Text(found.names))];
                names.add(&column, None, part).map_err(Error::Temporary)?;
                Ok(found.joins)
            })?;
            found.iter().for_each(|joins| joined.add(joins));
        }
        if joined.is_empty() {
            return Ok((names, joined));
        }
        let parts = Parts { names: vec!["timestamp"], ..*self };
        for together in parts.together() {
            let times = parts.side_by_side(together, |part, events| {
                Ok(joined.times(&names_of(&names, part)?, events.times("timestamp")))
            })?;
            times.iter().for_each(|times| joined.add_times(times));
        }
        Ok((names, joined))
    }
}

/// Pieces of so many bytes each in order, those together that are read side by side: one for each thread, fewer where they take
/// more than the room that there is.
pub fn together(bytes: impl Iterator<Item = usize>, room: usize) -> Vec<Range<usize>> {
    let mut all: Vec<Range<usize>> = Vec::new();
    let mut held = 0;
    for (piece, bytes) in bytes.enumerate() {
        held += bytes;
        match all.last_mut() {
            Some(last) if last.len() < rayon::current_num_threads() && held <= room => last.end += 1,
            _ => {
                held = bytes;
                all.push(piece..piece + 1);
            }
        }
    }
    all
}

/// The visitors' names in this part, as they were written.
fn names_of(names: &Spill, part: usize) -> Result<Texts, Error> {
    let (columns, _) = names.read(part, &["visitor_id"]).map_err(Error::Temporary)?;
    Ok(columns.into_iter().find_map(|(_, column)| column.into_texts()).unwrap_or_default())
}

/// One part's events, if there are any.
fn read(spill: &Spill, part: usize, names: &[&'static str]) -> Result<Option<Events>, Error> {
    let (columns, rows) = spill.read(part, names).map_err(Error::Temporary)?;
    Ok((rows > 0).then(|| Events { columns: columns.into_iter().collect(), rows }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::together;

    #[test]
    fn pieces_are_read_together_while_there_is_room() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let pieces = [4, 4, 4, 4, 20, 1, 1];
        for (room, expected) in [
            (10, &[0..2, 2..4, 4..5, 5..7][..]),
            (1000, &[0..3, 3..6, 6..7]),
            (0, &[0..1, 1..2, 2..3, 3..4, 4..5, 5..6, 6..7]),
        ] {
            assert_eq!(pool.install(|| together(pieces.into_iter(), room)), expected, "{room}");
        }
        assert!(together(std::iter::empty(), 10).is_empty());
    }
}
