//! `quality`: a row a file. Not SQL: it is about lines, and the lines that are no events are in no relation.

use super::args::with_common;
use crate::error::Error;
use crate::events::Events;
use crate::scan::FileScan;
use crate::scan::reject::{Reason, Tally};
use crate::scan::time::SECOND;
use clap::Command;
use polars::prelude::*;
use std::collections::BTreeMap;

/// The words of `quality`.
pub fn command() -> Command {
    let command = Command::new("quality").after_help(
        "Columns:\n  \
         file               text       the log, as it was found\n  \
         lines              bigint     its lines = events + rejects + blank\n  \
         events             bigint     lines that are events\n  \
         rejects            bigint     lines that are no JSON object\n  \
         blank              bigint     lines of nothing but white space\n  \
         reject_reasons     text       why, and how often\n  \
         ids_out_of_range   bigint     ids beyond 64 bits, null in their events\n  \
         paired_lines       bigint     requests whose action has a line of its own\n  \
         first_seen         timestamp  the earliest event\n  \
         last_seen          timestamp  the latest event\n  \
         gaps               bigint     times of more than an hour without an event between these\n\n\
         Example: loganalyze quality sample_logs",
    );
    with_common(command, "what became of the lines, a row a file")
}

/// The columns that `quality` reads besides those that every line is checked for.
pub const SOURCES: [&str; 2] = ["timestamp", "paired"];

/// Longer than this without an event is a gap, microseconds.
const GAP: i64 = 3600 * SECOND;

/// What the events say of each file. Events may come in any order.
pub struct Quality {
    files: Vec<Seen>,
}

/// One file's events.
#[derive(Clone, Default)]
struct Seen {
    paired: i64,
    /// The first and the last time in each hour that has an event: events within one make no gap.
    hours: BTreeMap<i64, (i64, i64)>,
}

impl Quality {
    /// Of so many files without events.
    pub fn new(files: usize) -> Quality {
        Quality { files: vec![Seen::default(); files] }
    }

    /// Adds the events of these rows, each with the number of the file that it is in.
    pub fn add(&mut self, events: &Events, rows: impl Iterator<Item = (usize, usize)>) {
        let (paired, times) = (events.booleans("paired"), events.times("timestamp"));
        for (row, file) in rows {
            let seen = &mut self.files[file];
            seen.paired += i64::from(paired.values[row]);
            if let Some(time) = times.get(row) {
                let (first, last) = seen.hours.entry(time.div_euclid(GAP)).or_insert((time, time));
                (*first, *last) = (time.min(*first), time.max(*last));
            }
        }
    }

    /// A row a file, in the order in which they were read.
    ///
    /// # Errors
    /// `Error::Query` if Polars gives out.
    pub fn table(&self, files: &[FileScan]) -> Result<DataFrame, Error> {
        let number = |name: &str, value: &dyn Fn(&Tally) -> u64| {
            let values: Vec<i64> = files.iter().map(|file| value(&file.tally) as i64).collect();
            Column::new(name.into(), values)
        };
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        let reasons: Vec<String> = files.iter().map(|file| reasons(&file.tally)).collect();
        let pairs: Vec<i64> = self.files.iter().map(|seen| seen.paired).collect();
        let gaps: Vec<i64> = self.files.iter().map(Seen::gaps).collect();
        let columns = vec![
            Column::new("file".into(), names),
            number("lines", &|tally| tally.lines),
            number("events", &|tally| tally.events),
            number("rejects", &Tally::rejects),
            number("blank", &|tally| tally.blank),
            Column::new("reject_reasons".into(), reasons),
            number("ids_out_of_range", &|tally| tally.ids_out_of_range),
            Column::new("paired_lines".into(), pairs),
            moments("first_seen", self.files.iter().map(Seen::first)),
            moments("last_seen", self.files.iter().map(Seen::last)),
            Column::new("gaps".into(), gaps),
        ];
        DataFrame::new(files.len(), columns).map_err(|error| Error::Query(error.to_string()))
    }
}

impl Seen {
    fn first(&self) -> Option<i64> {
        self.hours.first_key_value().map(|(_, &(first, _))| first)
    }

    fn last(&self) -> Option<i64> {
        self.hours.last_key_value().map(|(_, &(_, last))| last)
    }

    fn gaps(&self) -> i64 {
        let next = self.hours.values().skip(1);
        self.hours.values().zip(next).filter(|((_, last), (first, _))| first - last > GAP).count() as i64
    }
}

/// Why lines were rejected, as `not_utf8 1, syntax 2`.
pub fn reasons(tally: &Tally) -> String {
    let of = |reason: &Reason| {
        let count = tally.rejects_by_reason[*reason as usize];
        (count > 0).then(|| format!("{} {count}", reason.name()))
    };
    Reason::ALL.iter().filter_map(of).collect::<Vec<_>>().join(", ")
}

fn moments(name: &str, times: impl Iterator<Item = Option<i64>>) -> Column {
    let times: Int64Chunked = times.collect();
    times.into_datetime(TimeUnit::Microseconds, None).into_series().with_name(name.into()).into_column()
}
