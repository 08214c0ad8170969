//! ISO 8601 timestamps to microseconds of the log's wall clock, by hand.
//! Knows nothing of columns; the zone that offsets are turned into is given.

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;

/// Microseconds of one day.
pub const DAY: i64 = 86_400_000_000;
/// Microseconds of one second.
pub const SECOND: i64 = 1_000_000;

/// Microseconds since 1970-01-01T00:00:00 of the wall clock, from `YYYY-MM-DDTHH:MM:SS`, a `T` or a space between,
/// up to nine fractional digits (cut to six), and perhaps `Z`, `±HH:MM` or `±HHMM`, which is turned into the wall
/// clock of `zone`. `None` for anything else, and for days and times that do not exist.
pub fn parse(text: &[u8], zone: Tz) -> Option<i64> {
    let (seconds, rest) = text.split_at_checked(19)?;
    let naive = date(seconds.get(..10)?)? * DAY + clock(seconds.get(10..)?)? * SECOND;
    let (fraction, rest) = fraction(rest)?;
    let naive = naive + fraction;
    match rest {
        b"" => Some(naive),
        b"Z" | b"z" => wall_clock(naive, zone),
        _ => wall_clock(naive - offset(rest)? * SECOND, zone),
    }
}

/// Days since 1970-01-01 of `YYYY-MM-DD`.
pub fn date(text: &[u8]) -> Option<i64> {
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = *text else { return None };
    let (year, month, day) = (two(y0, y1)? * 100 + two(y2, y3)?, two(m0, m1)?, two(d0, d1)?);
    (day >= 1 && day <= days_in(year, month)?).then(|| days_from_civil(year, month, day))
}

/// Seconds since midnight of `THH:MM:SS`. A leap second (60) counts as the second after.
fn clock(text: &[u8]) -> Option<i64> {
    let [b'T' | b't' | b' ', h0, h1, b':', m0, m1, b':', s0, s1] = *text else { return None };
    let (hour, minute, second) = (two(h0, h1)?, two(m0, m1)?, two(s0, s1)?);
    (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3600 + minute * 60 + second)
}

fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let [b'.' | b',', digits @ ..] = text else { return Some((0, text)) };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 || count > 9 {
        return None;
    }
    let micros =
        (0..6).fold(0, |sum, at| sum * 10 + if at < count { i64::from(digits[at] - b'0') } else { 0 });
    Some((micros, &digits[count..]))
}

/// Seconds east of UTC of `±HH:MM`, `±HHMM` or `±HH`.
fn offset(text: &[u8]) -> Option<i64> {
    let (hours, minutes) = match *text {
        [_, h0, h1, b':', m0, m1] | [_, h0, h1, m0, m1] => (two(h0, h1)?, two(m0, m1)?),
        [_, h0, h1] => (two(h0, h1)?, 0),
        _ => return None,
    };
    let seconds = (hours < 24 && minutes < 60).then_some(hours * 3600 + minutes * 60)?;
    match text[0] {
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

/// The wall clock of `zone` at this many microseconds since the epoch, UTC.
pub fn wall_clock(utc: i64, zone: Tz) -> Option<i64> {
    let instant = DateTime::from_timestamp_micros(utc)?.naive_utc();
    let offset = zone.offset_from_utc_datetime(&instant).fix().local_minus_utc();
    Some(utc + i64::from(offset) * SECOND)
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    (tens.is_ascii_digit() && ones.is_ascii_digit())
        .then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
}

fn days_in(year: i64, month: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    Some(match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        _ => return None,
    })
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar: years begin in March, so that the leap day is
/// the last (Hinnant, *chrono-Compatible Low-Level Date Algorithms*).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use chrono::{NaiveDate, NaiveDateTime};

    fn micros(text: &str) -> Option<i64> {
        parse(text.as_bytes(), chrono_tz::Asia::Seoul)
    }

    #[test]
    fn every_day_of_four_centuries_agrees_with_chrono() {
        let mut day = NaiveDate::from_ymd_opt(1899, 12, 31).unwrap();
        let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
        while day < NaiveDate::from_ymd_opt(2301, 1, 1).unwrap() {
            assert_eq!(date(day.to_string().as_bytes()), Some((day - epoch).num_days()), "{day}");
            day = day.succ_opt().unwrap();
        }
    }

    #[test]
    fn fractions_offsets_and_separators() {
        let noon = NaiveDateTime::parse_from_str("2025-03-12T12:00:00", "%FT%T").unwrap();
        let noon = noon.and_utc().timestamp_micros();
        assert_eq!(micros("2025-03-12T12:00:00"), Some(noon));
        assert_eq!(micros("2025-03-12 12:00:00.5"), Some(noon + 500_000));
        assert_eq!(micros("2025-03-12T12:00:00.123456789"), Some(noon + 123_456));
        assert_eq!(micros("2025-03-12T03:00:00Z"), Some(noon));
        assert_eq!(micros("2025-03-12T12:00:00+09:00"), Some(noon));
        assert_eq!(micros("2025-03-11T22:30:00.000001-0430"), Some(noon + 1));
        let winter = parse(b"2025-01-01T12:00:00Z", chrono_tz::Europe::Berlin);
        let summer = parse(b"2025-07-01T11:00:00Z", chrono_tz::Europe::Berlin);
        assert_eq!(winter.unwrap() / DAY * DAY + 13 * 3600 * SECOND, winter.unwrap());
        assert_eq!(summer.unwrap() / DAY * DAY + 13 * 3600 * SECOND, summer.unwrap());
    }

    #[test]
    fn what_is_no_timestamp() {
        for text in [
            "",
            "2025-03-12",
            "2025-02-29T00:00:00",
            "2025-13-01T00:00:00",
            "2025-03-12T24:00:00",
            "2025-03-12T12:00:00.",
            "2025-03-12T12:00:00.1234567890",
            "2025-03-12T12:00:00x",
            "2025-03-12T12:00",
            " 2025-03-12T12:00:00",
            "2025-03-12T12:00:00+9",
            "２025-03-12T12:00:00",
        ] {
            assert_eq!(micros(text), None, "{text}");
        }
    }
}
