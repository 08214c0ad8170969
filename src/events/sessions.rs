//! Sessions: a visitor's events without a pause of more than the gap. Telemetry and the page's own calls of
//! `/api/log/` go on with a session that is open but do not open one.

use super::what::without_host;
use super::{Events, ROWS_TOGETHER, parts, rows_by_group};
use crate::scan::builder::KINDS;
use crate::scan::column::{Bits, Column, NULL, Values};
use crate::scan::time::{DAY, SECOND};
use rayon::prelude::*;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::atomic::{AtomicI64, Ordering};

/// What makes a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sessions {
    /// The longest pause within one, microseconds.
    pub gap: i64,
    /// Whether a new day begins a new one.
    pub split_midnight: bool,
}

/// What is known of a visitor's sessions from earlier events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Before {
    /// When the first event happened, microseconds.
    pub first_seen: i64,
    /// The number of the last session; 0 if there was none.
    pub number: i64,
    /// When its last event happened, microseconds.
    pub last: i64,
}

impl Sessions {
    /// Visits as the store keeps them: the longest pause is half an hour, and midnight ends none.
    pub const DEFAULT: Sessions = Sessions { gap: 30 * 60 * SECOND, split_midnight: false };

    /// A value for each row: the number of the session within the visitor's, from 1; null for events that belong to
    /// none. `before` says of a visitor what there was before these events.
    pub fn numbers(self, events: &Events, before: impl Fn(&str) -> Option<Before> + Sync) -> Values<i64> {
        self.numbers_by(ROWS_TOGETHER, events, before)
    }

    fn numbers_by(
        self,
        rows_together: usize,
        events: &Events,
        before: impl Fn(&str) -> Option<Before> + Sync,
    ) -> Values<i64> {
        let visitors = events.texts("visitor_id");
        let times = events.times("timestamp");
        let opens = openers(events);
        let groups: Vec<u32> = visitors
            .codes
            .iter()
            .enumerate()
            .map(|(row, &code)| if times.valid.get(row) { code } else { NULL })
            .collect();
        let (mut rows, starts) = rows_by_group(&groups, visitors.dictionary.len());
        // 0 is none.
        let numbers: Vec<AtomicI64> = (0..events.rows).map(|_| AtomicI64::new(0)).collect();
        let count = |visitor: usize, rows: &mut [u32]| {
            // Of events at the same moment, the one that opens a session comes first, whatever their order in the file.
            rows.sort_by_key(|&row| (times.values[row as usize], !opens[row as usize]));
            let before = before(visitors.dictionary.get(visitor as u32));
            let (mut number, mut last) = before.map_or((0, i64::MIN), |before| (before.number, before.last));
            for &row in rows.iter() {
                let row = row as usize;
                let time = times.values[row];
                let same_day = !self.split_midnight || time.div_euclid(DAY) == last.div_euclid(DAY);
                let open = number > 0 && same_day && time.saturating_sub(last) <= self.gap;
                if !open && !opens[row] {
                    continue;
                }
                number += i64::from(!open);
                last = time;
                numbers[row].store(number, Ordering::Relaxed);
            }
        };
        let mut left = rows.as_mut_slice();
        let with_rows = |part: Range<usize>| {
            let own = left.split_off_mut(..starts[part.end] - starts[part.start]);
            (part, own.unwrap_or_default())
        };
        let parts: Vec<_> = parts(&starts, rows_together).map(with_rows).collect();
        parts.into_par_iter().for_each(|(part, mut rows)| {
            for visitor in part {
                let (own, more) = rows.split_at_mut(starts[visitor + 1] - starts[visitor]);
                count(visitor, own);
                rows = more;
            }
        });
        let values: Vec<i64> = numbers.into_iter().map(AtomicI64::into_inner).collect();
        Values { valid: Bits::by(&values, |&number| number != 0), values }
    }
}

/// Visitors and the numbers of their sessions.
type Numbered<V> = HashSet<(V, i64)>;

/// Sessions that had begun before a range of time does: what is left of them in there is no session that one could count, for
/// a session belongs to the time when it began.
#[derive(Debug, Clone, Default)]
pub struct Begun {
    /// For each range, microseconds, visitors and the numbers of their sessions.
    ranges: Vec<(Range<i64>, Numbered<String>)>,
}

impl Begun {
    /// Those of these ranges, of which none is known yet.
    pub fn before(ranges: &[Range<i64>]) -> Begun {
        Begun { ranges: ranges.iter().map(|range| (range.clone(), HashSet::new())).collect() }
    }

    /// Adds the sessions of events that happened less than this gap, microseconds, before a range begins: others cannot go on
    /// in there.
    pub fn add(&mut self, events: &Events, gap: i64) {
        let (visitors, numbers) = (events.texts("visitor_id"), events.integers("session_number"));
        let times = events.times("timestamp");
        for (range, begun) in &mut self.ranges {
            let before = range.start.saturating_sub(gap)..range.start;
            for (row, time) in times.iter().enumerate() {
                if let Some(time) = time
                    && before.contains(&time)
                    && let (Some(visitor), Some(number)) = (visitors.get(row), numbers.get(row))
                {
                    begun.insert((visitor.to_owned(), number));
                }
            }
        }
    }

    /// Takes these sessions' numbers from the events in the range.
    pub fn hide(&self, events: &mut Events) {
        let (visitors, numbers) = (events.texts("visitor_id"), events.integers("session_number"));
        let times = events.times("timestamp");
        let coded = |(visitor, number): &(String, i64)| Some((visitors.dictionary.find(visitor)?, *number));
        let begun: Vec<(&Range<i64>, Numbered<u32>)> = self
            .of_ranges()
            .map(|(range, sessions)| (range, sessions.iter().filter_map(coded).collect()))
            .collect();
        if begun.iter().all(|(_, sessions)| sessions.is_empty()) {
            return;
        }
        let shown = |row: usize| {
            let (number, time) = (numbers.get(row)?, times.get(row)?);
            let session = (visitors.codes[row], number);
            let hidden = |(range, sessions): &(&Range<i64>, Numbered<u32>)| {
                range.contains(&time) && sessions.contains(&session)
            };
            (!begun.iter().any(hidden)).then_some(number)
        };
        let numbers = (0..events.rows).map(shown).collect();
        events.columns.insert("session_number", Column::Bigint(numbers));
    }

    /// The ranges in which there are such sessions, with their visitors and numbers.
    pub fn of_ranges(&self) -> impl Iterator<Item = (&Range<i64>, &Numbered<String>)> {
        self.ranges.iter().filter(|(_, begun)| !begun.is_empty()).map(|(range, begun)| (range, begun))
    }
}

/// A value for each row: when its visitor's first event happened; null where nobody is known. `before` says of a visitor
/// what there was before these events.
pub fn first_seen(events: &Events, before: impl Fn(&str) -> Option<Before>) -> Values<i64> {
    let (visitors, times) = (events.texts("visitor_id"), events.times("timestamp"));
    let mut first: Vec<Option<i64>> =
        visitors.dictionary.iter().map(|visitor| before(visitor).map(|before| before.first_seen)).collect();
    for (&code, time) in visitors.codes.iter().zip(times.iter()) {
        if let (true, Some(time)) = (code != NULL, time) {
            let first = &mut first[code as usize];
            *first = Some(first.map_or(time, |first| first.min(time)));
        }
    }
    let of = |&code: &u32| if code == NULL { None } else { first[code as usize] };
    visitors.codes.iter().map(of).collect()
}

/// Whether each event may open a session.
fn openers(events: &Events) -> Vec<bool> {
    let (kinds, paths) = (events.texts("kind"), events.texts("path"));
    let telemetry = kinds.dictionary.find(KINDS[2]).unwrap_or(NULL);
    let own_call: Vec<bool> =
        paths.dictionary.iter().map(|path| without_host(path).starts_with("/api/log/")).collect();
    let rows = kinds.codes.iter().zip(&paths.codes);
    rows.map(|(&kind, &path)| kind != telemetry && (path == NULL || !own_call[path as usize])).collect()
}

#[cfg(test)]
mod tests {
    use super::super::random;
    use super::*;
    use crate::scan::column::Texts;

    /// Events of a few visitors, some of nobody or at no time, of every kind.
    fn events(rows: usize, seed: u64) -> Events {
        let mut below = random(seed);
        let mut times = Values::default();
        let [mut visitors, mut kinds, mut paths] = [Texts::default(), Texts::default(), Texts::default()];
        for _ in 0..rows {
            times.push((below(20) > 0).then_some(below(90) as i64 * 60 * SECOND));
            let visitor = below(7);
            visitors.push((visitor > 0).then(|| format!("visitor-{visitor}")).as_deref());
            kinds.push(Some(KINDS[below(3) as usize]));
            paths.push([None, Some("/"), Some("/api/log/dwell")][below(3) as usize]);
        }
        let columns = [
            ("timestamp", Column::Timestamp(times)),
            ("visitor_id", Column::Text(visitors)),
            ("kind", Column::Text(kinds)),
            ("path", Column::Text(paths)),
        ];
        Events { columns: columns.into_iter().collect(), rows }
    }

    #[test]
    fn in_any_parts_rows_have_the_same_sessions() {
        let before = |visitor: &str| {
            let number = visitor.ends_with('3').then_some(4)?;
            Some(Before { number, last: 5 * 60 * SECOND, first_seen: 0 })
        };
        let mut most = 0;
        for seed in 0..300 {
            let events = events(seed as usize % 60, seed);
            let found = |rows_together| Sessions::DEFAULT.numbers_by(rows_together, &events, before);
            let whole = found(usize::MAX);
            assert!([1, 2, 7].into_iter().all(|together| found(together) == whole), "{seed}");
            assert!(whole.iter().flatten().all(|number| number > 0), "{seed}");
            most = most.max(whole.iter().flatten().count());
        }
        assert!(most > 20, "{most}");
    }
}
