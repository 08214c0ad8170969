//! Which times a command is about: a range, or the two periods of a comparison. The clock and the last event in the logs
//! say what was not named. Knows nothing of what is compared.

use super::times::{moment, shown, shown_duration};
use crate::error::Error;
use crate::report::duration;
use crate::scan::time::DAY;
use chrono::Utc;
use chrono_tz::Tz;
use std::ops::Range;

/// Which events queries may see.
pub enum Cut {
    /// Those of this time, microseconds; without one, all.
    Range(Option<Range<i64>>),
    /// Those of either period of a comparison.
    Periods(Asked),
}

impl Cut {
    /// The ranges of events that queries may see, microseconds; none stands for all. Of a comparison, this period and the
    /// one before; `span` is when the first and the last event in the logs happened, if that is known and needed.
    ///
    /// # Errors
    /// `Error::Usage` for periods that cannot be compared.
    pub fn ranges(&self, span: Option<(i64, i64)>) -> Result<Vec<Range<i64>>, Error> {
        match self {
            Cut::Range(range) => Ok(range.iter().cloned().collect()),
            Cut::Periods(asked) => asked.periods(span).map(Vec::from),
        }
    }

    /// Whether the ranges depend on when the first and the last event happened.
    pub fn needs_span(&self) -> bool {
        matches!(self, Cut::Periods(asked) if asked.since.is_none() || asked.until.is_none())
    }

    /// Whether some events may have to be left out.
    pub fn is_some(&self) -> bool {
        !matches!(self, Cut::Range(None))
    }

    /// A range that holds all others, if they are known before the logs are read.
    ///
    /// # Errors
    /// `Error::Usage` for periods that cannot be compared.
    pub fn hull(&self) -> Result<Option<Range<i64>>, Error> {
        if self.needs_span() {
            return Ok(None);
        }
        let ranges = self.ranges(None)?;
        let begin = ranges.iter().map(|range| range.start).min();
        let end = ranges.iter().map(|range| range.end).max();
        Ok(begin.zip(end).map(|(begin, end)| begin..end))
    }
}

/// The periods of a comparison as they were asked for.
pub struct Asked {
    since: Option<Beginning>,
    until: Option<i64>,
    with: With,
    /// What the distance of the periods must be a multiple of, microseconds, and what to call that.
    grains: Vec<(i64, String)>,
    /// Whether the periods must not share a time.
    apart: bool,
    today: i64,
}

/// Where a period begins.
enum Beginning {
    At(i64),
    /// So long before its end.
    Before(i64),
}

enum With {
    Previous,
    WeekAgo,
    Range(Range<i64>),
}

/// How many days a period has at most whose beginning nobody named.
const USUAL: i64 = 7;

impl Asked {
    /// The periods behind `--since`, `--until` and `--with`.
    ///
    /// # Errors
    /// `Error::Usage` for what is no time or no period.
    pub fn parse(
        since: Option<&str>,
        until: Option<&str>,
        with: &str,
        zone: Tz,
        grains: Vec<(i64, String)>,
    ) -> Result<Asked, Error> {
        let with = match with {
            "previous" => With::Previous,
            "week-ago" => With::WeekAgo,
            _ => {
                let (begin, end) = with.split_once("..").ok_or_else(|| {
                    Error::Usage(format!(
                        "--with '{with}' is no period: use previous, week-ago or a range such as 2025-03-01..2025-03-08"
                    ))
                })?;
                With::Range(moment("--with", begin, zone)?..moment("--with", end, zone)?)
            }
        };
        if let With::Range(range) = &with
            && range.is_empty()
        {
            let (begin, end) = (shown(range.start), shown(range.end));
            return Err(Error::Usage(format!("--with {begin}..{end} holds no time")));
        }
        // Two durations are how long ago it began and ended; one alone is how long it is, for its end may be another than now.
        let long = since.map(duration).filter(|_| until.is_none_or(|until| duration(until).is_err()));
        let since = match (since, long) {
            (_, Some(Ok(long))) => Some(Beginning::Before(long)),
            (since, _) => since.map(|since| moment("--since", since, zone).map(Beginning::At)).transpose()?,
        };
        Ok(Asked {
            since,
            until: until.map(|until| moment("--until", until, zone)).transpose()?,
            with,
            grains,
            apart: false,
            today: i64::from(Utc::now().with_timezone(&zone).date_naive().to_epoch_days()) * DAY,
        })
    }

    /// The same, `apart` or not: whether periods are refused that share a time.
    pub fn kept_apart(self, apart: bool) -> Asked {
        Asked { apart, ..self }
    }

    /// This period and the one before. An end that nobody named is that of the last whole day, as far as the last event and
    /// the clock can tell.
    fn periods(&self, span: Option<(i64, i64)>) -> Result<[Range<i64>; 2], Error> {
        let midnight = |time: i64| time - time.rem_euclid(DAY);
        let behind_last = span.map_or(self.today, |(_, last)| midnight(last) + DAY);
        let end = self.until.unwrap_or(behind_last.min(self.today));
        let begin = match (&self.since, &self.with, span) {
            (Some(Beginning::At(begin)), ..) => *begin,
            (Some(Beginning::Before(long)), ..) => end - long,
            (None, With::Range(range), _) => end - (range.end - range.start),
            // Logs of a few days are halved.
            (None, With::Previous, Some((first, _))) => {
                end - ((end - midnight(first)) / DAY / 2).clamp(1, USUAL) * DAY
            }
            _ => end - USUAL * DAY,
        };
        if begin >= end {
            let whole =
                if self.until.is_some() { "" } else { ", the end of the last whole day: name --until" };
            return Err(Error::Usage(format!(
                "--since {} is not before {}{whole}",
                shown(begin),
                shown(end)
            )));
        }
        let before = match &self.with {
            With::Previous => begin - (end - begin)..begin,
            With::WeekAgo => begin - 7 * DAY..end - 7 * DAY,
            With::Range(range) => range.clone(),
        };
        if self.apart && before.start < end && begin < before.end {
            return Err(Error::Usage(format!(
                "{} and {} share a time, and sessions there would belong to one of them only: choose others with --since, \
                 --until and --with",
                in_words(&(begin..end)),
                in_words(&before)
            )));
        }
        let apart = begin - before.start;
        match self.grains.iter().find(|(grain, _)| apart % grain != 0) {
            Some((grain, name)) => Err(Error::Usage(format!(
                "the periods begin {} apart, and {name} find each other only if that is a multiple of {}: \
                 choose others with --since, --until and --with",
                shown_duration(apart),
                shown_duration(*grain)
            ))),
            None => Ok([begin..end, before]),
        }
    }
}

/// A period in words.
pub fn in_words(period: &Range<i64>) -> String {
    format!("{} until {}", shown(period.start), shown(period.end))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// In logs that begin on 2025-02-01 and end at `last`, if that is given; today is 2025-03-14.
    fn periods(since: &str, until: &str, with: &str, last: &str) -> Result<[String; 2], Error> {
        let zone = chrono_tz::Asia::Seoul;
        let given = |text: &'static str| (!text.is_empty()).then_some(text);
        let (since, until) = (given(since.to_owned().leak()), given(until.to_owned().leak()));
        let grains = vec![(3_600_000_000, "hours".to_owned())];
        let asked = Asked { today: 20_161 * DAY, ..Asked::parse(since, until, with, zone, grains)? };
        let at = |text: &str| moment("", text, zone).unwrap();
        let span = (!last.is_empty()).then(|| (at("2025-02-01T10:00"), at(last)));
        Ok(asked.periods(span)?.map(|period| in_words(&period)))
    }

    #[test]
    fn what_is_not_named_is_found_in_the_logs() {
        for (since, until, with, last, this, before) in [
            (
                "3d",
                "",
                "previous",
                "2025-03-12T10:00",
                "2025-03-10 until 2025-03-13",
                "2025-03-07 until 2025-03-10",
            ),
            (
                "12h",
                "2025-03-10",
                "week-ago",
                "",
                "2025-03-09T12:00:00 until 2025-03-10",
                "2025-03-02T12:00:00 until 2025-03-03",
            ),
            (
                "2025-03-10",
                "2025-03-12",
                "previous",
                "",
                "2025-03-10 until 2025-03-12",
                "2025-03-08 until 2025-03-10",
            ),
            (
                "",
                "",
                "previous",
                "2025-03-12T10:00",
                "2025-03-06 until 2025-03-13",
                "2025-02-27 until 2025-03-06",
            ),
            // Today is not over.
            (
                "",
                "",
                "previous",
                "2025-03-14T10:00",
                "2025-03-07 until 2025-03-14",
                "2025-02-28 until 2025-03-07",
            ),
            (
                "",
                "",
                "previous",
                "2099-01-01T10:00",
                "2025-03-07 until 2025-03-14",
                "2025-02-28 until 2025-03-07",
            ),
            ("", "", "week-ago", "", "2025-03-07 until 2025-03-14", "2025-02-28 until 2025-03-07"),
            // Five days, two days, one day of logs.
            (
                "",
                "",
                "previous",
                "2025-02-05T10:00",
                "2025-02-04 until 2025-02-06",
                "2025-02-02 until 2025-02-04",
            ),
            (
                "",
                "",
                "previous",
                "2025-02-02T10:00",
                "2025-02-02 until 2025-02-03",
                "2025-02-01 until 2025-02-02",
            ),
            (
                "",
                "",
                "previous",
                "2025-02-01T10:00",
                "2025-02-01 until 2025-02-02",
                "2025-01-31 until 2025-02-01",
            ),
            (
                "2025-03-12",
                "",
                "week-ago",
                "2025-03-12T10:00",
                "2025-03-12 until 2025-03-13",
                "2025-03-05 until 2025-03-06",
            ),
            (
                "",
                "2025-03-10",
                "2025-01-01..2025-01-03",
                "",
                "2025-03-08 until 2025-03-10",
                "2025-01-01 until 2025-01-03",
            ),
            (
                "2025-03-10T06:00",
                "2025-03-10T12:00",
                "previous",
                "",
                "2025-03-10T06:00:00 until 2025-03-10T12:00:00",
                "2025-03-10 until 2025-03-10T06:00:00",
            ),
        ] {
            assert_eq!(
                periods(since, until, with, last).unwrap(),
                [this, before],
                "{since} {until} {with} {last}"
            );
        }
    }

    #[test]
    fn periods_that_cannot_be_are_said() {
        for (since, until, with, said) in [
            ("2025-03-10", "2025-03-10", "previous", "is not before 2025-03-10"),
            ("2025-03-14", "", "previous", "name --until"),
            ("", "", "last-week", "week-ago"),
            ("", "", "2025-03-01..", "--with ''"),
            ("", "", "2025-03-02..2025-03-01", "holds no time"),
            ("2025-03-10T00:30", "2025-03-10T01:00", "previous", "30m apart, and hours find each other"),
        ] {
            let error = periods(since, until, with, "").unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
