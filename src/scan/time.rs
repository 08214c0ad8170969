//! ISO 8601 timestamps to microseconds of the log's wall clock, by hand.
//! Knows nothing of columns; the zone that offsets are turned into is given.

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;
use std::ops::Range;

/// Microseconds of one day.
pub const DAY: i64 = 86_400_000_000;
/// Microseconds of one second.
pub const SECOND: i64 = 1_000_000;

/// Microseconds since 1970-01-01T00:00:00 of the wall clock, from `YYYY-MM-DDTHH:MM:SS`, a `T` or a space between,
/// up to nine fractional digits (cut to six), and perhaps `Z`, `±HH:MM` or `±HHMM`, which is turned into the wall
/// clock of `zone`. `None` for anything else, for days and times that do not exist, and for what the zone puts outside the
/// years 0 to 9999, which have no name of ten characters.
pub fn parse(text: &[u8], zone: Tz) -> Option<i64> {
    let (seconds, rest) = text.split_at_checked(19)?;
    let naive = date(seconds.get(..10)?)? * DAY + clock(seconds.get(10..)?)? * SECOND;
    let (fraction, rest) = fraction(rest)?;
    let naive = naive + fraction;
    let time = match rest {
        b"" => naive,
        b"Z" | b"z" => wall_clock(naive, zone)?,
        _ => wall_clock(naive - offset(rest)? * SECOND, zone)?,
    };
    YEARS.contains(&time).then_some(time)
}

/// The microseconds of the years 0 to 9999.
const YEARS: Range<i64> = days_from_civil(0, 1, 1) * DAY..days_from_civil(10_000, 1, 1) * DAY;

/// Reads timestamps one after the other. Lines of one day follow one another, so the day of the last one is kept.
pub struct Reader {
    zone: Tz,
    date: Option<[u8; 10]>,
    day_begin: i64,
}

impl Reader {
    /// A reader that turns timestamps with an offset into the wall clock of `zone`.
    pub fn new(zone: Tz) -> Self {
        Reader { zone, date: None, day_begin: 0 }
    }

    /// As [`parse`] has it.
    #[inline]
    pub fn read(&mut self, text: &[u8]) -> Option<i64> {
        if let Some((date, clock)) = text.split_first_chunk()
            && Some(*date) == self.date
            && let Ok(clock) = clock.try_into()
            && let Some(since_midnight) = clock_with_micros(clock)
        {
            return Some(self.day_begin + since_midnight);
        }
        let parsed = parse(text, self.zone);
        if let (Some(_), Some(first)) = (parsed, text.first_chunk())
            && let Some(day) = date(first)
            // A leap second of the last day of all is none of it.
            && (day + 1) * DAY < YEARS.end
        {
            (self.date, self.day_begin) = (Some(*first), day * DAY);
        }
        parsed
    }
}

/// Microseconds since midnight of `THH:MM:SS.ffffff`, several digits at a time; `None` for all other forms.
#[inline]
fn clock_with_micros(text: &[u8; 16]) -> Option<i64> {
    // Two words overlap: `HH:MM:SS` and `S.ffffff`.
    let (words, _) = text[1..9].as_chunks::<8>();
    let (fractions, _) = text[8..].as_chunks::<8>();
    let clock = digits(u64::from_le_bytes(words[0]), *b"00:00:00")?;
    let fraction = digits(u64::from_le_bytes(fractions[0]), *b"0.000000")?;
    let byte = |word: u64, at: u32| (word >> (8 * at) & 0xff) as i64;
    let (hour, minute, second) = (byte(clock, 0), byte(clock, 3), byte(clock, 6));
    let micros = byte(fraction, 2) * 10_000 + byte(fraction, 4) * 100 + byte(fraction, 6);
    (text[0] == b'T' && hour < 24 && minute < 60 && second <= 60)
        .then_some((hour * 3600 + minute * 60 + second) * SECOND + micros)
}

/// In each byte the number that the digit there and the one behind it make. `None` unless there is a digit wherever
/// `form` has a 0, and the same character wherever it has another.
#[inline]
fn digits(text: u64, form: [u8; 8]) -> Option<u64> {
    let values = text ^ u64::from_le_bytes(form);
    // What is added makes the highest bit of a byte show that its value is too high.
    let above = form.map(|byte| if byte == b'0' { 0x76 } else { 0x7f });
    let checked = values | values.wrapping_add(u64::from_le_bytes(above));
    (checked & 0x8080_8080_8080_8080 == 0).then(|| values.wrapping_mul(10) + (values >> 8))
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
fn wall_clock(utc: i64, zone: Tz) -> Option<i64> {
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
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - (month <= 2) as i64;
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
        assert_eq!(micros("9999-12-31T14:59:59.999999Z"), micros("9999-12-31T23:59:59.999999"));
        assert_eq!(micros("0000-01-01T00:00:00Z"), micros("0000-01-01T08:27:52"));
        let winter = parse(b"2025-01-01T12:00:00Z", chrono_tz::Europe::Berlin);
        let summer = parse(b"2025-07-01T11:00:00Z", chrono_tz::Europe::Berlin);
        assert_eq!(winter.unwrap() / DAY * DAY + 13 * 3600 * SECOND, winter.unwrap());
        assert_eq!(summer.unwrap() / DAY * DAY + 13 * 3600 * SECOND, summer.unwrap());
    }

    #[test]
    fn the_reader_agrees_with_parse_whatever_came_before() {
        let mut reader = Reader::new(chrono_tz::Asia::Seoul);
        let never = b"\0\0\0\0\0\0\0\0\0\0T12:34:56.123456";
        assert_eq!(reader.read(never), None);
        let base = b"2025-03-12T12:34:56.123456";
        for at in 0..base.len() {
            for byte in 0..=255 {
                let mut text = *base;
                text[at] = byte;
                for text in [base, &text, base] {
                    assert_eq!(reader.read(text), parse(text, reader.zone), "{:?}", text.escape_ascii());
                }
                assert_eq!(reader.read(&text[..at]), parse(&text[..at], reader.zone));
            }
        }
        let later = b"2025-03-13T23:59:60.000001";
        assert_eq!(reader.read(later), parse(later, reader.zone));
        assert_eq!(reader.read(base), parse(base, reader.zone));
        for last in [b"9999-12-31T23:59:59.999999", b"9999-12-31T23:59:60.000000"] {
            assert_eq!(reader.read(last), parse(last, reader.zone));
        }
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
            "9999-12-31T15:00:00Z",
            "9999-12-31T23:59:60",
            "0000-01-01T00:00:00+09:00",
            "２025-03-12T12:00:00",
        ] {
            assert_eq!(micros(text), None, "{text}");
        }
    }
}
