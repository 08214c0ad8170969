//! A partition of the store: one day of the log's wall clock, or the events without a time. Named as Hive names it, which
//! DuckDB, Polars, Spark and the others read.

use crate::scan::time::DAY;
use chrono::NaiveDate;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// Days since 1970-01-01, none for events without a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub Option<i32>);

/// What Hive calls the partition of null.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

impl Day {
    /// The day of a time, microseconds.
    pub fn of(time: Option<i64>) -> Day {
        Day(time.map(|time| time.div_euclid(DAY) as i32))
    }

    /// The day of the calendar.
    pub fn date(self) -> Option<NaiveDate> {
        NaiveDate::from_epoch_days(self.0?)
    }

    /// This day of the calendar.
    pub fn of_date(date: NaiveDate) -> Day {
        Day(Some(date.to_epoch_days()))
    }

    /// When it begins, microseconds.
    pub fn begin(self) -> Option<i64> {
        Some(i64::from(self.0?).saturating_mul(DAY))
    }

    /// The folder of its files, in that of all events.
    pub fn folder(self) -> String {
        format!("event_date={self}")
    }
}

impl fmt::Display for Day {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.date() {
            Some(date) => write!(out, "{}", date.format("%Y-%m-%d")),
            None => out.write_str(NULL),
        }
    }
}

impl FromStr for Day {
    type Err = chrono::ParseError;

    fn from_str(text: &str) -> Result<Day, chrono::ParseError> {
        if text == NULL { Ok(Day(None)) } else { text.parse().map(Day::of_date) }
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Day, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for (time, name) in [(Some(-1), "1969-12-31"), (Some(DAY), "1970-01-02"), (None, NULL)] {
            let day = Day::of(time);
            assert_eq!(day.to_string(), name);
            assert_eq!(name.parse::<Day>().unwrap(), day);
        }
        assert!("yesterday".parse::<Day>().is_err());
    }
}
