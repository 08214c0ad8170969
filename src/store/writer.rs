//! Changing a store: new events go into new files of their days, and files of which something else is true now are written
//! anew. Knows nothing of where the events come from.

use super::commit::{Draft, changed, holds_files, tidy};
use super::day::Day;
use super::manifest::{Manifest, Part, Source};
use super::settle::{Settled, settle};
use super::state::State;
use super::{MANIFEST, Store, inside, part};
use crate::cloud::is_object;
use crate::error::Error;
use crate::events::{Events, derive};
use crate::lock;
use crate::scan::reject::Tally;
use crate::scan::wanted::Wanted;
use crate::schema::{self, COLUMNS, Origin};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

/// From how many files on those of a day are made one.
const MANY: usize = 16;

/// A store that is being changed; nobody else can change it meanwhile.
pub struct Writer {
    /// As it is now.
    pub store: Store,
    /// What the user should know.
    pub notes: Vec<String>,
    _lock: Option<File>,
}

impl Writer {
    /// Opens a store or makes one. `zone` and `redact` are what logs are read with; a store has one of each.
    ///
    /// # Errors
    /// `Error::Locked`, `Error::Store` where it cannot be read or was made with others, `Error::Write`.
    pub fn open(folder: &Path, zone: &str, redact: &[String]) -> Result<Writer, Error> {
        let failed = |source| Error::Write { path: folder.to_owned(), source };
        if let Some(inside) = inside(folder) {
            return Err(inside);
        }
        if !is_object(folder) {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let lock = lock_of(folder)?;
        let mut words = redact.to_vec();
        words.sort();
        words.dedup();
        let store = match Store::find(folder)? {
            Some(store) => store,
            None => {
                if holds_files(folder).map_err(failed)? {
                    return Err(Error::Store(format!(
                        "{} holds files of events, but no manifest.json that says which of them count: put that back from a \
                         backup, or name another folder; nothing was changed",
                        folder.display()
                    )));
                }
                let manifest = Manifest::new(zone.to_owned(), words.clone());
                Store { folder: folder.to_owned(), manifest, mark: None }
            }
        };
        let Manifest { zone: own_zone, redact: own_words, .. } = &store.manifest;
        if own_zone != zone {
            return Err(Error::Store(format!(
                "the store {} was made with --tz {own_zone}: give the same, or make another store",
                folder.display()
            )));
        }
        if !words.is_empty() && words != *own_words {
            let own = if own_words.is_empty() {
                "without --redact".to_owned()
            } else {
                format!("with --redact {}", own_words.join(" --redact "))
            };
            return Err(Error::Store(format!(
                "the store {} was made {own}: give the same, or make another store",
                folder.display()
            )));
        }
        Writer::locked(store, lock)
    }

    /// Opens a store that there is.
    ///
    /// # Errors
    /// As [`Writer::open`], and where there is none.
    pub fn existing(folder: &Path) -> Result<Writer, Error> {
        Store::open(folder)?;
        let lock = lock_of(folder)?;
        Writer::locked(Store::open(folder)?, lock)
    }

    fn locked(store: Store, lock: Option<File>) -> Result<Writer, Error> {
        let (named, removed) =
            tidy(&store).map_err(|source| Error::Write { path: store.folder.clone(), source })?;
        let mut notes = Vec::new();
        if named + removed > 0 {
            notes.push(format!(
                "an earlier run was interrupted: {named} of its files were put in place, {removed} that count for nothing removed"
            ));
        }
        Ok(Writer { store, notes, _lock: lock })
    }

    /// Adds events, and how far their logs were read: sources with the place of what was known of them, none if they are
    /// new. Returns the days of which something else is true now. All of it counts, or nothing.
    ///
    /// # Errors
    /// `Error::Write`, `Error::Store`; the store is as before then.
    pub fn add(
        &mut self,
        events: Events,
        sources: Vec<(Option<usize>, Source)>,
        tally: &Tally,
    ) -> Result<BTreeSet<Day>, Error> {
        let mut manifest = self.store.manifest.clone();
        manifest.counts.add(tally);
        for (place, source) in sources {
            match place.and_then(|place| manifest.sources.get_mut(place)) {
                Some(known) => *known = source,
                None => manifest.sources.push(source),
            }
        }
        self.write(events, manifest, |parts| parts >= MANY)
    }

    /// Makes the files of each day one; returns the days that had several.
    ///
    /// # Errors
    /// As [`Writer::add`].
    pub fn compact(&mut self) -> Result<BTreeSet<Day>, Error> {
        let manifest = self.store.manifest.clone();
        self.write(part::no_events(&names()), manifest, |parts| parts > 1)
    }

    /// Works out anew what is said of visitors from the first day on that has no state.
    pub(super) fn settle_again(&mut self) -> Result<BTreeSet<Day>, Error> {
        let manifest = self.store.manifest.clone();
        self.write(part::no_events(&names()), manifest, |_| false)
    }

    /// Writes what is new and what has changed; the files of a day become one where `together` says so of their number.
    fn write(
        &mut self,
        events: Events,
        manifest: Manifest,
        together: impl Fn(usize) -> bool,
    ) -> Result<BTreeSet<Day>, Error> {
        let written = self.try_to_write(events, manifest, together);
        // Only an object store lets another run change it meanwhile.
        written.map_err(|error| match self.store.newer() {
            Ok(Some(_)) if is_object(&self.store.folder) => changed(&self.store.folder.join(MANIFEST)),
            _ => error,
        })
    }

    fn try_to_write(
        &mut self,
        mut events: Events,
        mut manifest: Manifest,
        together: impl Fn(usize) -> bool,
    ) -> Result<BTreeSet<Day>, Error> {
        derive(&mut events, of_event());
        let settled = settle(&self.store, &events)?;
        events.columns.extend(settled.of_new());
        let mut by_day: BTreeMap<Day, Vec<u32>> = BTreeMap::new();
        for (row, time) in events.times("timestamp").iter().enumerate() {
            by_day.entry(Day::of(time)).or_default().push(row as u32);
        }
        let several = manifest.days.iter().filter(|(_, files)| together(files.parts.len()));
        let several: Vec<Day> = several.map(|(day, _)| *day).collect();
        let mut draft = Draft::new(&self.store);
        let mut changed: BTreeSet<Day> = by_day.keys().copied().chain(several).collect();
        changed.extend(settled.changed.iter().map(|(day, _)| *day));
        for &day in &changed {
            let files = manifest.days.entry(day).or_default();
            let rows = by_day.remove(&day).unwrap_or_default();
            let times = || rows.iter().filter_map(|&row| events.times("timestamp").get(row as usize));
            let more = times().min().zip(times().max());
            files.span = match (files.span, more) {
                (Some((first, last)), Some((begin, end))) => Some((first.min(begin), last.max(end))),
                (span, more) => span.or(more),
            };
            let writing = Writing { store: &self.store, settled: &settled, events: &events, day };
            let count = files.parts.len() + usize::from(!rows.is_empty());
            files.parts = if together(count) {
                vec![writing.all(&mut draft, &files.parts, &rows)?]
            } else {
                writing.each(&mut draft, &files.parts, rows)?
            };
        }
        self.write_states(&mut draft, &settled, &mut manifest)?;
        if manifest != self.store.manifest || !changed.is_empty() {
            draft.commit(&mut self.store, manifest)?;
        }
        Ok(changed)
    }

    fn write_states(
        &self,
        draft: &mut Draft,
        settled: &Settled,
        manifest: &mut Manifest,
    ) -> Result<(), Error> {
        let none = State::default();
        let days = manifest.days.iter_mut().filter(|(day, _)| day.0.is_some() && **day >= settled.from);
        for (&day, files) in days {
            let state = settled.states.get(&day).unwrap_or(&none).to_events();
            if let Some(known) = &files.state
                && self.store.read_state(known).is_ok_and(|known| same(&known, &state))
            {
                continue;
            }
            let order: Vec<u32> = (0..state.rows as u32).collect();
            let rows = state.rows as u64;
            files.state = Some(draft.state(day, rows, |out| part::write(&state, &order, out))?);
        }
        Ok(())
    }
}

/// Keeps other writers away. In an object store nothing does: there the manifest is replaced only if nobody else has replaced it
/// meanwhile.
fn lock_of(folder: &Path) -> Result<Option<File>, Error> {
    if is_object(folder) {
        return Ok(None);
    }
    lock::take(&folder.join("lock"), &format!("the store {}", folder.display())).map(Some)
}

/// Whether two states say the same.
fn same(one: &Events, other: &Events) -> bool {
    one.rows == other.rows
        && one.columns.iter().all(|(name, column)| {
            let other = other.columns.get(name);
            other.is_some_and(|other| (0..one.rows).all(|row| column.same(row, other, row)))
        })
}

/// The columns that are derived from their own event alone.
fn of_event() -> Wanted {
    let own = COLUMNS.iter().filter(|column| matches!(column.origin, Origin::Event(_)));
    Wanted::of(own.map(|column| column.name))
}

/// All columns of a file.
pub(super) fn names() -> Vec<&'static str> {
    schema::names().filter(|name| *name != "event_date").collect()
}

/// Writing the files of a day.
struct Writing<'a> {
    store: &'a Store,
    settled: &'a Settled,
    events: &'a Events,
    day: Day,
}

impl Writing<'_> {
    /// Files that changed anew, and one of new events.
    fn each(&self, draft: &mut Draft, parts: &[Part], rows: Vec<u32>) -> Result<Vec<Part>, Error> {
        let mut written = Vec::with_capacity(parts.len() + 1);
        for (number, part) in parts.iter().enumerate() {
            written.push(if self.settled.changed.contains(&(self.day, number)) {
                let events = self.stored(number, part)?;
                let order = (0..events.rows as u32).collect();
                self.part(draft, &events, order)?
            } else {
                part.clone()
            });
        }
        if !rows.is_empty() {
            written.push(self.part(draft, self.events, rows)?);
        }
        Ok(written)
    }

    /// One file of all.
    fn all(&self, draft: &mut Draft, parts: &[Part], rows: &[u32]) -> Result<Part, Error> {
        let mut all = Events::default();
        for (number, part) in parts.iter().enumerate() {
            all.append(self.stored(number, part)?);
        }
        if !rows.is_empty() {
            let new = self.events.columns.iter().map(|(name, column)| (*name, column.pick(rows)));
            all.append(Events { columns: new.collect(), rows: rows.len() });
        }
        let order = (0..all.rows as u32).collect();
        self.part(draft, &all, order)
    }

    fn stored(&self, number: usize, part: &Part) -> Result<Events, Error> {
        let mut events = self.store.read_checked(self.day, part)?;
        events.columns.extend(self.settled.of_part(self.day, number));
        Ok(events)
    }

    /// A file of these rows, by time.
    fn part(&self, draft: &mut Draft, events: &Events, mut rows: Vec<u32>) -> Result<Part, Error> {
        let times = events.times("timestamp");
        rows.sort_by_key(|&row| times.get(row as usize));
        draft.part(self.day, rows.len() as u64, |out| part::write(events, &rows, out))
    }
}
