//! Times as people read them. Knows no columns.

use chrono::DateTime;

/// The parts of a time that are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// `2025-03-10`
    Day,
    /// `03-10`
    DayOfYear,
    /// `2025-03-10 01:05`
    Minute,
    /// `01:05`
    MinuteOfDay,
    /// `2025-03-10 01:05:44`
    Second,
    /// `01:05:44`
    SecondOfDay,
    /// `2025-03-10 01:05:44.107`
    Millisecond,
    /// `2025-03-10 01:05:44.107627`, without a fraction where it is zero
    Microsecond,
}

/// A time (microseconds since the epoch, wall clock) as text; its number where it is beyond the calendar, the year 262,142.
pub fn moment(micros: i64, shown: Shown) -> String {
    let Some(second) = DateTime::from_timestamp(micros.div_euclid(1_000_000), 0) else {
        return micros.to_string();
    };
    let second = second.naive_utc();
    // `{:?}` is ISO 8601, and many times faster than a pattern.
    let mut text = format!("{:?} {:?}", second.date(), second.time());
    // From the end, for years may have more than four digits.
    let (day, minute) = (text.len() - " 01:05:44".len(), text.len() - ":44".len());
    match (shown, micros.rem_euclid(1_000_000)) {
        (Shown::Day, _) => text.truncate(day),
        (Shown::DayOfYear, _) => return text[day - "03-10".len()..day].to_owned(),
        (Shown::Minute, _) => text.truncate(minute),
        (Shown::MinuteOfDay, _) => return text[day + 1..minute].to_owned(),
        (Shown::SecondOfDay, _) => return text.split_off(day + 1),
        (Shown::Millisecond, fraction) => text += &format!(".{:03}", fraction / 1000),
        (Shown::Second, _) | (Shown::Microsecond, 0) => {}
        (Shown::Microsecond, fraction) => text += &format!(".{fraction:06}"),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_that_of_its_pattern() {
        let forms = [
            (Shown::Day, "%Y-%m-%d"),
            (Shown::DayOfYear, "%m-%d"),
            (Shown::Minute, "%Y-%m-%d %H:%M"),
            (Shown::MinuteOfDay, "%H:%M"),
            (Shown::Second, "%Y-%m-%d %H:%M:%S"),
            (Shown::SecondOfDay, "%H:%M:%S"),
            (Shown::Millisecond, "%Y-%m-%d %H:%M:%S%.3f"),
            (Shown::Microsecond, "%Y-%m-%d %H:%M:%S%.6f"),
        ];
        // Among them one before the epoch, and years of five digits on either side of zero.
        for micros in [1_741_568_744_107_627, -1, 999, 400_000_000_000_000_001, -400_000_000_000_000_001] {
            for (shown, pattern) in forms {
                let expected =
                    DateTime::from_timestamp_micros(micros).map(|time| time.format(pattern).to_string());
                assert_eq!(Some(moment(micros, shown)), expected, "{shown:?}");
            }
        }
        assert_eq!(moment(0, Shown::Microsecond), "1970-01-01 00:00:00");
        assert_eq!(moment(0, Shown::Millisecond), "1970-01-01 00:00:00.000");
        assert_eq!(moment(i64::MAX, Shown::Day), i64::MAX.to_string());
    }
}
