//! The days that `--date` names. Knows nothing of what is done with them.

use crate::error::Error;
use chrono::{Days, NaiveDate};

/// More days than this at once are a slip of the keyboard.
const MOST: usize = 4000;

/// The days of `yesterday`, `2025-03-10` or `2025-03-01..2025-03-09` (both included), seen from `today`.
///
/// # Errors
/// `Error::Usage` for anything else, and for days that have not begun.
pub fn days(text: &str, today: NaiveDate) -> Result<Vec<NaiveDate>, Error> {
    let one = |text: &str| -> Result<NaiveDate, Error> {
        match text {
            "today" => Ok(today),
            "yesterday" => Ok(today.pred_opt().unwrap_or(today)),
            // chrono would also take 2025-3-1.
            _ if text.len() == 10 => text.parse().map_err(|_| wrong(text)),
            _ => Err(wrong(text)),
        }
    };
    let (first, last) = match text.split_once("..") {
        Some((first, last)) => (one(first)?, one(last)?),
        None => (one(text)?, one(text)?),
    };
    if last > today {
        return Err(Error::Usage(format!("--date {text}: {last} has not begun")));
    }
    let days: Vec<_> = first.iter_days().take_while(|day| *day <= last).take(MOST + 1).collect();
    match days.len() {
        0 => Err(Error::Usage(format!("--date {text}: {last} is before {first}"))),
        1..=MOST => Ok(days),
        _ => Err(Error::Usage(format!("--date {text}: these are more than {MOST} days"))),
    }
}

fn wrong(text: &str) -> Error {
    Error::Usage(format!(
        "--date '{text}' is no day: use yesterday, 2025-03-10, or 2025-03-01..2025-03-09 with both days included"
    ))
}

/// The day so many days before, if there is one.
pub fn before(day: NaiveDate, days: u64) -> Option<NaiveDate> {
    day.checked_sub_days(Days::new(days))
}

/// Days in words: those in a row as `2025-03-01..2025-03-09`.
pub fn in_words(days: &[NaiveDate]) -> String {
    let mut rows: Vec<(NaiveDate, NaiveDate)> = Vec::new();
    for &day in days {
        match rows.last_mut() {
            Some((_, last)) if last.succ_opt() == Some(day) => *last = day,
            _ => rows.push((day, day)),
        }
    }
    let row = |(first, last): &(NaiveDate, NaiveDate)| {
        if first == last { first.to_string() } else { format!("{first}..{last}") }
    };
    rows.iter().map(row).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn days_as_they_are_named() {
        let today = "2025-03-14".parse().unwrap();
        let named =
            |text: &str| days(text, today).map(|days| in_words(&days)).map_err(|error| error.to_string());
        for (text, expected) in [
            ("yesterday", "2025-03-13"),
            ("today", "2025-03-14"),
            ("2024-02-29", "2024-02-29"),
            ("2025-02-27..2025-03-01", "2025-02-27..2025-03-01"),
            ("2025-03-12..yesterday", "2025-03-12..2025-03-13"),
        ] {
            assert_eq!(named(text).unwrap(), expected);
        }
        for (text, said) in [
            ("2025-02-29", "is no day"),
            ("2025-3-1", "is no day"),
            ("", "is no day"),
            ("2025-03-02..2025-03-01", "is before"),
            ("2025-03-15", "has not begun"),
            ("0001-01-01..2025-03-01", "more than"),
        ] {
            assert!(named(text).unwrap_err().contains(said), "{text}");
        }
        let some = ["2025-03-01", "2025-03-03", "2025-03-04"].map(|day| day.parse().unwrap());
        assert_eq!(in_words(&some), "2025-03-01, 2025-03-03..2025-03-04");
    }
}
