//! `quality`: a row a file. Not SQL: it is about lines, and the lines that are no events are in no relation.

use crate::error::Error;
use crate::events::Events;
use crate::scan::FileScan;
use crate::scan::column::Values;
use crate::scan::reject::{Reason, Tally};
use crate::scan::time::SECOND;
use polars::prelude::*;

/// The columns that `quality` reads besides those that every line is checked for.
pub const SOURCES: [&str; 2] = ["timestamp", "paired"];

/// Longer than this without an event is a gap.
const GAP: i64 = 3600 * SECOND;

/// A row a file, in the order in which they were read.
///
/// # Errors
/// `Error::Query` if Polars gives out.
pub fn table(files: &[FileScan], events: &Events) -> Result<DataFrame, Error> {
    let times = events.times("timestamp");
    let paired = events.booleans("paired");
    let spans: Vec<Span> = files.iter().map(|file| Span::of(times, file)).collect();
    let number = |name: &str, value: &dyn Fn(&Tally) -> u64| {
        let values: Vec<i64> = files.iter().map(|file| value(&file.tally) as i64).collect();
        polars::prelude::Column::new(name.into(), values)
    };
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let reasons: Vec<String> = files.iter().map(|file| reasons(&file.tally)).collect();
    let pairs: Vec<i64> =
        files.iter().map(|file| file.rows.clone().filter(|&row| paired.values[row]).count() as i64).collect();
    let gaps: Vec<i64> = spans.iter().map(|span| span.gaps).collect();
    let columns = vec![
        polars::prelude::Column::new("file".into(), names),
        number("lines", &|tally| tally.lines),
        number("events", &|tally| tally.events),
        number("rejects", &Tally::rejects),
        number("blank", &|tally| tally.blank),
        polars::prelude::Column::new("reject_reasons".into(), reasons),
        number("ids_out_of_range", &|tally| tally.ids_out_of_range),
        polars::prelude::Column::new("paired_lines".into(), pairs),
        moments("first_seen", spans.iter().map(|span| span.first)),
        moments("last_seen", spans.iter().map(|span| span.last)),
        polars::prelude::Column::new("gaps".into(), gaps),
    ];
    DataFrame::new(files.len(), columns).map_err(|error| Error::Query(error.to_string()))
}

/// `not_utf8 1, syntax 2`.
fn reasons(tally: &Tally) -> String {
    let of = |reason: &Reason| {
        let count = tally.rejects_by_reason[*reason as usize];
        (count > 0).then(|| format!("{} {count}", reason.name()))
    };
    Reason::ALL.iter().filter_map(of).collect::<Vec<_>>().join(", ")
}

fn moments(name: &str, times: impl Iterator<Item = Option<i64>>) -> polars::prelude::Column {
    let times: Int64Chunked = times.collect();
    times.into_datetime(TimeUnit::Microseconds, None).into_series().with_name(name.into()).into_column()
}

/// When a file's events happened.
struct Span {
    first: Option<i64>,
    last: Option<i64>,
    gaps: i64,
}

impl Span {
    fn of(times: &Values<i64>, file: &FileScan) -> Span {
        let mut times: Vec<i64> = file.rows.clone().filter_map(|row| times.get(row)).collect();
        times.sort_unstable();
        let gaps = times.windows(2).filter(|pair| pair[1] - pair[0] > GAP).count() as i64;
        Span { first: times.first().copied(), last: times.last().copied(), gaps }
    }
}
