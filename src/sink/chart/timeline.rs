//! Values over time: the rows of a result as a time line for each series, and the stretches of time that it is cut into where
//! there are more times than places for them. Knows nothing of pictures.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike};
use polars::prelude::{DataFrame, PolarsResult};

use super::Chart;
use super::points::{Values, row_labels};
use crate::sink::cells::{Cell, cells};
use crate::sink::moment::{Shown, moment};

/// As many series are kept, those with the largest values.
const SERIES: usize = 8;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
/// A day in microseconds.
pub const DAY: i64 = 24 * HOUR;

/// Times that people count in, in microseconds, with their names.
const ROUND: [(i64, &str); 26] = [
    (SECOND, "a second"),
    (2 * SECOND, "2 seconds"),
    (5 * SECOND, "5 seconds"),
    (10 * SECOND, "10 seconds"),
    (15 * SECOND, "15 seconds"),
    (30 * SECOND, "30 seconds"),
    (MINUTE, "a minute"),
    (2 * MINUTE, "2 minutes"),
    (5 * MINUTE, "5 minutes"),
    (10 * MINUTE, "10 minutes"),
    (15 * MINUTE, "15 minutes"),
    (30 * MINUTE, "30 minutes"),
    (HOUR, "an hour"),
    (2 * HOUR, "2 hours"),
    (3 * HOUR, "3 hours"),
    (4 * HOUR, "4 hours"),
    (6 * HOUR, "6 hours"),
    (8 * HOUR, "8 hours"),
    (12 * HOUR, "12 hours"),
    (DAY, "a day"),
    (2 * DAY, "2 days"),
    (7 * DAY, "a week"),
    (14 * DAY, "2 weeks"),
    (28 * DAY, "4 weeks"),
    (91 * DAY, "13 weeks"),
    (364 * DAY, "52 weeks"),
];

/// One value of a chart's series, the whole table's if it has none, over time.
pub struct Track {
    /// The series' value.
    pub name: String,
    /// Times (microseconds), from the first to the last, and the row of the result that is of each.
    pub rows: Vec<(i64, usize)>,
}

/// What a track has in a stretch of time.
#[derive(Clone, Copy, Default)]
pub struct Place {
    /// How many rows.
    pub rows: usize,
    /// The row with the largest number, above zero or below; none where no row has a number.
    pub largest: Option<usize>,
}

/// Values over time.
pub struct Timeline {
    /// What the times are multiples of, from the first: the widest step that meets them all, microseconds.
    pub step: i64,
    /// The first and the last time, microseconds.
    pub span: (i64, i64),
    /// The series with the largest numbers, those first.
    pub tracks: Vec<Track>,
    /// How many series there are beside them.
    pub left_out: usize,
    /// Rows that have no time.
    pub untimed: usize,
}

impl Timeline {
    /// The rows of a result over the time that they are of; none where no row has a time.
    ///
    /// # Errors
    /// Polars' own, where there is no such column.
    pub fn of(chart: &Chart, frame: &DataFrame, values: &Values) -> PolarsResult<Option<Timeline>> {
        let times = times(chart, frame)?;
        let timed = || times.iter().flatten().copied();
        let (Some(first), Some(last)) = (timed().min(), timed().max()) else { return Ok(None) };
        let series: Vec<&str> = chart.series.iter().map(String::as_str).collect();
        let mut tracks: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for (row, name) in row_labels(&series, frame, false)?.into_iter().enumerate() {
            if let Some(time) = times[row] {
                tracks.entry(name).or_default().push((time, row));
            }
        }
        let mut tracks: Vec<Track> = tracks.into_iter().map(|(name, rows)| Track { name, rows }).collect();
        tracks.iter_mut().for_each(|track| track.rows.sort_unstable());
        tracks.sort_by(|a, b| b.size(values).total_cmp(&a.size(values)));
        let left_out = tracks.len().saturating_sub(SERIES);
        tracks.truncate(SERIES);
        let untimed = times.iter().filter(|time| time.is_none()).count();
        Ok(Some(Timeline { step: step(chart, timed()), span: (first, last), tracks, left_out, untimed }))
    }

    /// What is shown of times that are so far apart.
    pub fn shown(&self) -> Shown {
        match (self.step, self.span.0) {
            (step, first) if step % DAY == 0 && first % DAY == 0 => Shown::Day,
            (step, first) if step % MINUTE == 0 && first % MINUTE == 0 => Shown::Minute,
            _ => Shown::Second,
        }
    }
}

impl Track {
    /// The largest number, above zero or below, without its sign.
    fn size(&self, values: &Values) -> f64 {
        self.rows
            .iter()
            .filter_map(|&(_, row)| values.numbers[row])
            .fold(0.0, |most, number| number.abs().max(most))
    }

    /// What it has in each of these stretches.
    pub fn places(&self, stretches: &Stretches, values: &Values) -> Vec<Place> {
        let mut places = vec![Place::default(); stretches.count];
        let size = |row: usize| values.numbers[row].map(f64::abs);
        for &(time, row) in &self.rows {
            let place = &mut places[stretches.at(time)];
            place.rows += 1;
            if size(row) > place.largest.and_then(size) {
                place.largest = Some(row);
            }
        }
        places
    }
}

/// The times of the rows, microseconds.
fn times(chart: &Chart, frame: &DataFrame) -> PolarsResult<Vec<Option<i64>>> {
    let time = |cell: Cell| match cell {
        Cell::Date(days) => Some(i64::from(days) * DAY),
        Cell::Timestamp(micros) => Some(micros),
        _ => None,
    };
    let cells_of = |name: &str| cells(frame.column(name)?.as_materialized_series());
    let mut times: Vec<Option<i64>> = cells_of(&chart.axis[0])?.map(time).collect();
    if let Some(hours) = chart.axis.get(1) {
        for (time, hour) in times.iter_mut().zip(cells_of(hours)?) {
            *time = match (*time, hour) {
                (Some(day), Cell::Int(hour)) => hour.checked_mul(HOUR).and_then(|hour| day.checked_add(hour)),
                _ => None,
            };
        }
    }
    Ok(times)
}

/// The greatest common divisor of the times between times; an hour or a day where there is but one time.
fn step(chart: &Chart, times: impl Iterator<Item = i64>) -> i64 {
    let mut first = None;
    let mut step = 0u64;
    for time in times {
        let (mut a, mut b) = (time.abs_diff(*first.get_or_insert(time)), step);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        step = a;
    }
    let least = if chart.axis.len() == 2 { HOUR } else { DAY };
    match i64::try_from(step) {
        Ok(0) | Err(_) => least,
        Ok(step) => step,
    }
}

/// A stretch of time (microseconds) in words.
pub fn length(micros: i64) -> String {
    if let Some((_, name)) = ROUND.iter().find(|(length, _)| *length == micros) {
        return (*name).to_owned();
    }
    let units =
        [(DAY, "days"), (HOUR, "hours"), (MINUTE, "minutes"), (SECOND, "seconds"), (1, "microseconds")];
    let unit = units.into_iter().find(|(unit, _)| micros % unit == 0);
    unit.map_or_else(String::new, |(unit, name)| format!("{} {name}", micros / unit))
}

/// Stretches of time that follow each other.
pub struct Stretches {
    /// When the first begins, microseconds.
    pub begin: i64,
    /// How long each is, microseconds.
    pub length: i64,
    /// How many there are, at least one.
    pub count: usize,
}

impl Stretches {
    /// A stretch a step where there is room for so many; else the shortest round time that there is room for.
    pub fn of(line: &Timeline, room: usize) -> Stretches {
        let (first, last) = line.span;
        let begin = |length: i64| {
            let unit = length.min(DAY);
            if length == line.step { first } else { first.div_euclid(unit).saturating_mul(unit) }
        };
        let count = |length: i64| (last.abs_diff(begin(length)) / length.unsigned_abs()).saturating_add(1);
        let longer = ROUND.iter().map(|round| round.0).filter(|&length| length > line.step);
        let mut lengths = [line.step].into_iter().chain(longer);
        let length = lengths.find(|&length| count(length) <= room as u64).unwrap_or_else(|| {
            let whole = i64::try_from(last.abs_diff(first)).unwrap_or(i64::MAX - 1);
            (whole / room.max(1) as i64).max(364 * DAY) + DAY
        });
        Stretches { begin: begin(length), length, count: (count(length) as usize).clamp(1, room.max(1)) }
    }

    /// In which of them a time is.
    pub fn at(&self, time: i64) -> usize {
        let stretch = time.abs_diff(self.begin) / self.length.unsigned_abs();
        (stretch as usize).min(self.count - 1)
    }

    /// Where the time axis has a mark, and what stands there: round times, as many as there is room for.
    pub fn marks(&self, columns: usize) -> Vec<(usize, String)> {
        let end = self.begin.saturating_add(self.length.saturating_mul(self.count as i64));
        let years =
            [self.begin, end].map(|time| DateTime::from_timestamp_micros(time).map(|time| time.year()));
        let form = |length: i64| match length {
            DAY.. if years[0] == years[1] => (Shown::DayOfYear, 5),
            DAY.. => (Shown::Day, 10),
            MINUTE.. => (Shown::MinuteOfDay, 5),
            _ => (Shown::SecondOfDay, 8),
        };
        let apart = |length: i64| length / self.length * columns as i64;
        let fits = |&(length, _): &(i64, &str)| length >= self.length && apart(length) >= form(length).1 + 2;
        let Some(&(length, _)) = ROUND.iter().find(|round| fits(round)) else { return Vec::new() };
        let unit = length.min(DAY);
        let mut time = self.begin.div_euclid(unit).saturating_mul(unit);
        let mut marks = Vec::new();
        while time < end {
            let midnight = time.rem_euclid(DAY) == 0 && length >= MINUTE;
            let (shown, _) = if midnight { form(length.max(DAY)) } else { form(length) };
            if time >= self.begin {
                marks.push((self.at(time) * columns, moment(time, shown)));
            }
            time = time.saturating_add(length);
        }
        marks
    }
}
