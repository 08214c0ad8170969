//! Day, hour and weekday of a timestamp.

use crate::scan::column::Values;
use crate::scan::time::DAY;

const HOUR: i64 = DAY / 24;

fn map(times: &Values<i64>, change: impl Fn(i64) -> i64) -> Values<i64> {
    Values { values: times.values.iter().map(|&time| change(time)).collect(), valid: times.valid.clone() }
}

/// Days since 1970-01-01.
pub fn date(times: &Values<i64>) -> Values<i64> {
    map(times, |time| time.div_euclid(DAY))
}

/// 0 to 23.
pub fn hour(times: &Values<i64>) -> Values<i64> {
    map(times, |time| time.rem_euclid(DAY) / HOUR)
}

/// 1 (Monday) to 7 (Sunday); 1970-01-01 was a Thursday.
pub fn weekday(times: &Values<i64>) -> Values<i64> {
    map(times, |time| (time.div_euclid(DAY) + 3).rem_euclid(7) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn around_the_epoch() {
        // Wednesday 1969-12-31 23:59:59.999999, Thursday 1970-01-01 00:00, Monday 2025-03-10 21:30.
        let times: Values<i64> =
            [Some(-1), Some(0), Some(20_157 * DAY + 21 * HOUR + HOUR / 2), None].into_iter().collect();
        let all = |values: Values<i64>| values.iter().collect::<Vec<_>>();
        assert_eq!(all(date(&times)), [Some(-1), Some(0), Some(20_157), None]);
        assert_eq!(all(hour(&times)), [Some(23), Some(0), Some(21), None]);
        assert_eq!(all(weekday(&times)), [Some(3), Some(4), Some(1), None]);
    }
}
