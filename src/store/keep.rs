//! Looking after a store: is everything as it should be, and taking events out of it: old ones, and those of a person who
//! asks for that. Knows nothing of logs.

use super::commit::Draft;
use super::day::Day;
use super::writer::{Writer, names};
use super::{Part, STATE, Store, part, place};
use crate::error::Error;
use crate::events::Events;
use crate::events::column::NULL;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::path::Path;

/// Whose events are to be forgotten.
#[derive(Debug, Clone, Default)]
pub struct Forget {
    /// Users, with what their visitors did before they logged in.
    pub users: Vec<i64>,
    /// Visitors.
    pub visitors: Vec<String>,
}

/// What was found of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// In this day.
    pub day: Day,
    /// So many events.
    pub events: u64,
}

impl Store {
    /// What is wrong with the files: each compared with its checksum and its number of rows.
    pub fn verify(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (&day, files) in &self.manifest.days {
            for part in &files.parts {
                let path = self.path(day, part);
                wrong.extend(check(&path, part));
            }
            if let Some(state) = &files.state {
                wrong.extend(check(&self.folder.join(STATE).join(&state.name), state));
            }
        }
        let counts = &self.manifest.counts;
        let (read, kept) = (counts.events, self.manifest.events() + counts.removed);
        if read != kept {
            wrong.push(format!("{read} events were read from logs, but {kept} are kept or were removed"));
        }
        wrong
    }

    /// All columns of a file whose bytes are those that were written: what is written anew gets a new checksum, which would say
    /// that damage is right.
    ///
    /// # Errors
    /// `Error::Store` where the file is gone or damaged.
    pub(super) fn read_checked(&self, day: Day, part: &Part) -> Result<Events, Error> {
        match check(&self.path(day, part), part) {
            None => self.read(day, part, &names(), None),
            Some(wrong) => Err(Error::Store(format!(
                "{wrong}: put it back from a backup, or ingest the logs into a new store; nothing was changed"
            ))),
        }
    }

    /// Which events these are, by day.
    fn of_persons(&self, forget: &Forget) -> Result<Vec<(Day, usize, Vec<bool>)>, Error> {
        let visitors: HashSet<&str> = forget.visitors.iter().map(String::as_str).collect();
        let users: HashSet<i64> = forget.users.iter().copied().collect();
        let mut theirs: HashSet<String> = HashSet::new();
        let parts: Vec<(Day, usize, &Part)> = self
            .manifest
            .days
            .iter()
            .flat_map(|(day, files)| files.parts.iter().enumerate().map(|(at, part)| (*day, at, part)))
            .collect();
        let columns = ["visitor_id", "user_id"];
        if !users.is_empty() {
            for (day, _, part) in &parts {
                let events = self.read(*day, part, &columns, None)?;
                let names = events.texts("visitor_id");
                for (row, user) in events.integers("user_id").iter().enumerate() {
                    if let (true, Some(name)) =
                        (user.is_some_and(|user| users.contains(&user)), names.get(row))
                    {
                        theirs.insert(name.to_owned());
                    }
                }
            }
        }
        let mut found = Vec::new();
        for (day, number, part) in parts {
            let events = self.read(day, part, &columns, None)?;
            let names = events.texts("visitor_id");
            let is_of = |row: usize, of: &dyn Fn(&str) -> bool| {
                names.codes[row] != NULL && names.get(row).is_some_and(of)
            };
            let is_theirs = |row: usize| {
                is_of(row, &|name| visitors.contains(name))
                    || match events.integers("user_id").get(row) {
                        Some(user) => users.contains(&user),
                        None => is_of(row, &|name| theirs.contains(name)),
                    }
            };
            let rows: Vec<bool> = (0..events.rows).map(is_theirs).collect();
            if rows.contains(&true) {
                found.push((day, number, rows));
            }
        }
        Ok(found)
    }

    /// How many events [`Writer::forget`] would remove.
    ///
    /// # Errors
    /// `Error::Store` where a file cannot be read.
    pub fn find_persons(&self, forget: &Forget) -> Result<Vec<Found>, Error> {
        self.of_persons(forget).map(|theirs| by_day(&theirs))
    }

    /// The days before this one.
    pub fn days_before(&self, first: Day) -> Vec<Found> {
        let days = self.manifest.days.iter().filter(|(day, _)| day.0.is_some() && **day < first);
        let events = |parts: &[Part]| parts.iter().map(|part| part.rows).sum();
        days.map(|(day, files)| Found { day: *day, events: events(&files.parts) }).collect()
    }
}

impl Writer {
    /// Removes all days before this one; returns them. What later days say of visitors stays as it is.
    ///
    /// # Errors
    /// `Error::Write`; nothing has changed then.
    pub fn prune(&mut self, first: Day) -> Result<Vec<Found>, Error> {
        let found = self.store.days_before(first);
        if found.is_empty() {
            return Ok(found);
        }
        let mut manifest = self.store.manifest.clone();
        manifest.days.retain(|day, _| day.0.is_none() || *day >= first);
        manifest.pruned.extend(found.iter().map(|found| found.day));
        manifest.counts.removed += found.iter().map(|found| found.events).sum::<u64>();
        Draft::new(&self.store).commit(&mut self.store, manifest)?;
        Ok(found)
    }

    /// When the first and the last event of each of these days happened that is not of these, microseconds.
    fn spans_without(
        &self,
        theirs: &[(Day, usize, Vec<bool>)],
    ) -> Result<BTreeMap<Day, Option<(i64, i64)>>, Error> {
        let mut spans: BTreeMap<Day, Option<(i64, i64)>> = BTreeMap::new();
        for day in theirs.iter().map(|(day, ..)| *day) {
            if spans.contains_key(&day) {
                continue;
            }
            let mut times = Vec::new();
            for (number, part) in self.store.manifest.days[&day].parts.iter().enumerate() {
                let events = self.store.read(day, part, &["timestamp"], None)?;
                let gone =
                    theirs.iter().find(|(of, part, _)| (*of, *part) == (day, number)).map(|(.., rows)| rows);
                let kept = |row: usize| gone.is_none_or(|gone| !gone[row]);
                times.extend(
                    events
                        .times("timestamp")
                        .iter()
                        .enumerate()
                        .filter_map(|(row, time)| time.filter(|_| kept(row))),
                );
            }
            spans.insert(day, times.iter().min().copied().zip(times.iter().max().copied()));
        }
        Ok(spans)
    }

    /// Removes a person's events from every day; returns how many there were. Their logs are not touched, and not read again.
    ///
    /// # Errors
    /// `Error::Write`, `Error::Store`; nothing has changed then, unless it is what the store says of other visitors that cannot
    /// be worked out anew: the events are gone then, and the next run that changes the store does the rest.
    pub fn forget(&mut self, forget: &Forget) -> Result<Vec<Found>, Error> {
        let theirs = self.store.of_persons(forget)?;
        let found = by_day(&theirs);
        let mut manifest = self.store.manifest.clone();
        let mut draft = Draft::new(&self.store);
        let mut emptied: BTreeSet<(Day, usize)> = BTreeSet::new();
        let spans = self.spans_without(&theirs)?;
        for (day, number, theirs) in theirs {
            let Some(files) = manifest.days.get_mut(&day) else { continue };
            let events = self.store.read_checked(day, &files.parts[number])?;
            let order: Vec<u32> = (0..events.rows as u32).filter(|&row| !theirs[row as usize]).collect();
            // What the day says of visitors names them too: it is worked out anew.
            files.state = None;
            if order.is_empty() {
                emptied.insert((day, number));
            } else {
                files.parts[number] =
                    draft.part(day, order.len() as u64, |out| part::write(&events, &order, out))?;
            }
        }
        if found.is_empty() {
            return Ok(found);
        }
        for &(day, number) in emptied.iter().rev() {
            if let Some(files) = manifest.days.get_mut(&day) {
                files.parts.remove(number);
            }
        }
        // A day without events stays: what the days behind it say of visitors is worked out anew from it on, and whoever keeps
        // results of it finds that it changed.
        manifest.days.retain(|day, files| day.0.is_some() || !files.parts.is_empty());
        for found in &found {
            if let Some(files) = manifest.days.get_mut(&found.day) {
                files.span = spans.get(&found.day).copied().flatten();
            }
        }
        manifest.counts.removed += found.iter().map(|found| found.events).sum::<u64>();
        draft.commit(&mut self.store, manifest)?;
        self.settle_again()?;
        Ok(found)
    }
}

/// How many of these events there are, by day.
fn by_day(theirs: &[(Day, usize, Vec<bool>)]) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for (day, _, rows) in theirs {
        let events = rows.iter().filter(|row| **row).count() as u64;
        match found.last_mut() {
            Some(last) if last.day == *day => last.events += events,
            _ => found.push(Found { day: *day, events }),
        }
    }
    found
}

/// What is said of a file that is not there.
pub(super) const GONE: &str = "it is gone";

/// What is wrong with a file.
fn check(path: &Path, part: &Part) -> Option<String> {
    let wrong = |why: String| Some(format!("{}: {why}", path.display()));
    let hashed = place::open(path).and_then(|mut file| {
        let (mut hasher, mut bytes, mut buffer) = (blake3::Hasher::new(), 0, vec![0; 1 << 20]);
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok((hasher.finalize().to_hex().to_string(), bytes)),
                count => {
                    hasher.update(&buffer[..count]);
                    bytes += count as u64;
                }
            }
        }
    });
    match hashed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => wrong(GONE.into()),
        Err(error) => wrong(error.to_string()),
        Ok((_, bytes)) if bytes != part.bytes => wrong(format!("it has {bytes} bytes, not {}", part.bytes)),
        Ok((hash, _)) if hash != part.checksum => wrong("its bytes are not those that were written".into()),
        Ok(_) => match place::rows(path) {
            Ok(rows) if rows == part.rows => None,
            Ok(rows) => wrong(format!("it has {rows} rows, not {}", part.rows)),
            Err(error) => wrong(error.to_string()),
        },
    }
}
