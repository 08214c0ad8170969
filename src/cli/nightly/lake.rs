//! What the store says of its days: how many events each has, whether that is all, and a mark that changes with them. Knows
//! nothing of what is made of them.

use crate::error::Error;
use crate::store::{Files, Store};
use chrono::NaiveDate;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The days of a store.
pub struct Lake {
    days: BTreeMap<NaiveDate, (u64, String)>,
    pruned: BTreeSet<NaiveDate>,
    /// How many lines of how many were rejected, of all that were ever read.
    pub rejects: (u64, u64),
}

impl Lake {
    /// Reads what the store says.
    ///
    /// # Errors
    /// `Error::Store` where there is none.
    pub fn read(store: &Path) -> Result<Lake, Error> {
        let manifest = Store::open(store)?.manifest;
        let days = manifest.days.iter().filter_map(|(day, files)| {
            let lines = files.parts.iter().map(|part| part.rows).sum();
            Some((day.date()?, (lines, mark(files))))
        });
        let pruned = manifest.pruned.iter().filter_map(|day| day.date()).collect();
        let rejects = (manifest.counts.rejects.values().sum(), manifest.counts.lines);
        Ok(Lake { days: days.collect(), pruned, rejects })
    }

    /// How many lines of the day's logs are events.
    pub fn lines(&self, day: NaiveDate) -> u64 {
        self.days.get(&day).map_or(0, |(lines, _)| *lines)
    }

    /// Whether events of the day were pruned, so that those that are left are not all.
    pub fn is_pruned(&self, day: NaiveDate) -> bool {
        self.pruned.contains(&day)
    }

    /// What changes when the day's events do; none if there is none of that day.
    pub fn mark(&self, day: NaiveDate) -> Option<&str> {
        self.days.get(&day).map(|(_, mark)| mark.as_str())
    }
}

/// A new file has a new name, so that the list of files is enough.
fn mark(files: &Files) -> String {
    let list = serde_json::to_vec(&files.parts).unwrap_or_default();
    blake3::hash(&list).to_hex()[..16].to_owned()
}
