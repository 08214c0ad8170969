//! Times and durations as people type them.

use crate::error::Error;
use crate::report::duration;
use crate::scan::time::{DAY, SECOND, date, parse};
use chrono::{Days, TimeDelta, Utc};
use chrono_tz::Tz;
use std::ops::Range;

/// The zone of this IANA name.
///
/// # Errors
/// `Error::Usage` with a nearer name.
pub fn zone(name: &str) -> Result<Tz, Error> {
    name.parse().map_err(|_| {
        let near = match SHORT.iter().find(|(short, _)| name.eq_ignore_ascii_case(short)) {
            Some((_, zone)) => format!(" (did you mean '{zone}'?)"),
            None => crate::error::did_you_mean(name, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name())),
        };
        Error::Usage(format!("'{name}' is no time zone{near}; use a name such as Asia/Seoul or UTC"))
    })
}

/// What people call zones that have other names, of which the nearest by letters is another zone.
const SHORT: [(&str, &str); 6] = [
    ("KST", "Asia/Seoul"),
    ("+09:00", "Asia/Seoul"),
    ("+0900", "Asia/Seoul"),
    ("JST", "Asia/Tokyo"),
    ("IST", "Asia/Kolkata"),
    ("BST", "Europe/London"),
];

/// Microseconds (wall clock) from `since` to before `until`; `None` if neither is given.
///
/// # Errors
/// `Error::Usage` for a time that cannot be read, and for an end that is not behind the beginning.
pub fn range(since: Option<&str>, until: Option<&str>, zone: Tz) -> Result<Option<Range<i64>>, Error> {
    if since.is_none() && until.is_none() {
        return Ok(None);
    }
    let begin = since.map_or(Ok(i64::MIN), |text| moment("--since", text, zone))?;
    let end = until.map_or(Ok(i64::MAX), |text| moment("--until", text, zone))?;
    if begin >= end {
        let (since, until) = (since.unwrap_or_default(), until.unwrap_or_default());
        return Err(Error::Usage(format!(
            "--until {until} is not behind --since {since}: nothing lies between"
        )));
    }
    Ok(Some(begin..end))
}

/// Microseconds (wall clock) of a time behind this option; a duration is so long ago, to the second.
///
/// # Errors
/// `Error::Usage` for what is no time.
pub fn moment(option: &str, text: &str, zone: Tz) -> Result<i64, Error> {
    let now = Utc::now();
    if let Ok(ago) = duration(text) {
        let then = now - TimeDelta::microseconds(ago);
        return Ok(then.with_timezone(&zone).naive_local().and_utc().timestamp() * SECOND);
    }
    let today = now.with_timezone(&zone).date_naive();
    let day = match text {
        "today" => Some(today),
        "yesterday" => today.checked_sub_days(Days::new(1)),
        _ => None,
    };
    let text = day.map_or(text.to_owned(), |day| day.to_string());
    // Of a time of the day, seconds may be missing, also before its zone.
    let with_seconds = match text.split_at_checked(16) {
        Some((minute, zone)) if zone.is_empty() || zone.starts_with(['Z', '+', '-']) => {
            format!("{minute}:00{zone}")
        }
        _ => text.clone(),
    };
    date(text.as_bytes()).map(|days| days * DAY).or_else(|| parse(with_seconds.as_bytes(), zone)).ok_or_else(|| {
        Error::Usage(format!(
            "{option} '{text}' is no time: use 2025-03-10, 2025-03-10T12:00, 2025-03-10T12:00:00, today, yesterday, or \
             how long ago, such as 7d or 12h"
        ))
    })
}

/// A moment as `moment` reads it, as short as it can be.
pub fn shown(moment: i64) -> String {
    let pattern = match moment.rem_euclid(DAY) {
        0 => "%F",
        rest if rest % 1_000_000 == 0 => "%FT%T",
        _ => "%FT%T%.6f",
    };
    let time = chrono::DateTime::from_timestamp_micros(moment);
    time.map(|time| time.format(pattern).to_string()).unwrap_or_default()
}

/// A duration as one number of the largest unit that divides it, such as `36h`.
pub fn shown_duration(micros: i64) -> String {
    let seconds = micros / 1_000_000;
    let units = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let unit = units.iter().find(|(unit, _)| seconds % unit == 0);
    unit.map(|(unit, name)| format!("{}{name}", seconds / unit)).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let zone = chrono_tz::Asia::Seoul;
        let day = 20_157 * DAY;
        assert_eq!(range(Some("2025-03-10"), Some("2025-03-11"), zone).unwrap(), Some(day..day + DAY));
        assert_eq!(range(Some("2025-03-10T12:00"), None, zone).unwrap(), Some(day + DAY / 2..i64::MAX));
        assert_eq!(range(Some("2025-03-10T03:00Z"), None, zone).unwrap(), Some(day + DAY / 2..i64::MAX));
        assert_eq!(range(None, None, zone).unwrap(), None);
        assert!(
            range(Some("yesterday"), Some("today"), zone)
                .unwrap()
                .is_some_and(|range| range.end - range.start == DAY)
        );
        let ago = range(Some("3d"), Some("36h"), zone).unwrap().unwrap();
        let now = Utc::now().timestamp() + 9 * 3600;
        let is = |moment: i64, hours: i64| (0..60).contains(&(now - hours * 3600 - moment / SECOND));
        assert!(is(ago.start, 72) && is(ago.end, 36), "{now} {ago:?}");
        for (since, until) in
            [("2025-03-10", "2025-03-10"), ("2025-03-11", "2025-03-10"), ("10.3.2025", "today")]
        {
            assert!(range(Some(since), Some(until), zone).is_err());
        }
    }
}
