//! Which request lines are the second line of an action. A search or a cart addition writes an action line and,
//! when it was answered, a request line; they belong together when event type, address and user agent are the same
//! and the action was written while the request was being processed.

use super::{Events, LINE};
use crate::scan::FILE;
use crate::scan::builder::KINDS;
use crate::scan::column::{NULL, Values};
use crate::scan::time::SECOND;
use rayon::prelude::*;
use std::cmp::Ordering;

/// Lines with the same number here may belong together: client and event type.
type Group = u64;

/// When an action was written.
type Action = (Group, i64);

/// When a request was answered, when it came, its row.
type Request = (Group, i64, i64, usize);

/// Which request lines have an action with a line of its own.
pub struct Pairs {
    /// A value for each row.
    pub paired: Values<bool>,
    /// Whether it was a matter of chance which of several requests that the same actions could belong to are paired: that is
    /// told by all that their lines say, and not all of it was read.
    pub in_doubt: bool,
}

/// Finds the pairs. Every action line belongs to one request at most.
pub fn pairs(events: &Events, clients: &[u32]) -> Pairs {
    let mut actions = actions(events, clients);
    let mut requests = requests(events, clients, &actions);
    actions.par_sort_unstable();
    let is_read = LINE.names().all(|name| events.columns.contains_key(name));
    requests.par_sort_unstable_by(|a, b| {
        by_times(events, a, b)
            .then_with(|| by_content(events, a.3, b.3))
            .then_with(|| by_place(events, a.3, b.3))
    });
    let actions = actions.as_slice();
    let found: Vec<Vec<usize>> = requests
        .par_chunk_by(|a, b| a.0 == b.0)
        .fold(Vec::new, |mut rows, requests| {
            let group = requests[0].0;
            let same = &actions[actions.partition_point(|action| action.0 < group)..];
            let same = &same[..same.partition_point(|action| action.0 == group)];
            pair(same, requests, |row| rows.push(row));
            rows
        })
        .collect();
    let mut paired = vec![false; events.rows];
    found.into_iter().flatten().for_each(|row| paired[row] = true);
    let differ = |alike: &[Request]| alike.iter().any(|request| paired[request.3] != paired[alike[0].3]);
    let in_doubt = !is_read && requests.chunk_by(|a, b| by_times(events, a, b).is_eq()).any(differ);
    Pairs { paired: Values::all(paired), in_doubt }
}

/// What this kind's rows with a time and one of these types, by code, are made into, from row, group and time.
fn of_kind<T: Send>(
    events: &Events,
    clients: &[u32],
    kind: &str,
    wanted: &[bool],
    made: impl Fn(usize, Group, i64) -> T + Sync,
) -> Vec<T> {
    let (kinds, types, times) = (events.texts("kind"), events.texts("event_type"), events.times("timestamp"));
    let kind = kinds.dictionary.find(kind).unwrap_or(NULL);
    let of_row = |row: usize| {
        let event_type = types.codes[row];
        // Few rows are, so that is asked first.
        (kinds.codes[row] == kind && wanted.get(event_type as usize) == Some(&true)).then_some(())?;
        Some(made(row, u64::from(event_type) << 32 | u64::from(clients[row]), times.get(row)?))
    };
    (0..events.rows).into_par_iter().with_min_len(ROWS_TOGETHER).filter_map(of_row).collect()
}

/// How many rows a thread looks at at least.
const ROWS_TOGETHER: usize = 1 << 16;

fn actions(events: &Events, clients: &[u32]) -> Vec<Action> {
    let all = vec![true; events.texts("event_type").dictionary.len()];
    of_kind(events, clients, KINDS[1], &all, |_, group, time| (group, time))
}

/// The requests of those types of event of which there are actions.
fn requests(events: &Events, clients: &[u32], actions: &[Action]) -> Vec<Request> {
    let durations = events.doubles("process_time");
    let mut has_actions = vec![false; events.texts("event_type").dictionary.len()];
    actions.iter().for_each(|&(group, _)| has_actions[(group >> 32) as usize] = true);
    of_kind(events, clients, KINDS[0], &has_actions, |row, group, time| {
        let duration = durations.get(row).unwrap_or(0.0).clamp(0.0, LONGEST_REQUEST);
        (group, time, time.saturating_sub((duration * SECOND as f64).round() as i64), row)
    })
}

/// How long a request may have taken, seconds: none is paired with an action of another day.
const LONGEST_REQUEST: f64 = 3600.0;

/// Compares what says which actions belong to two requests, and how long they took.
fn by_times(events: &Events, a: &Request, b: &Request) -> Ordering {
    let took = || events.columns.get("process_time").map_or(Ordering::Equal, |took| took.compare(a.3, b.3));
    (a.0, a.1, a.2).cmp(&(b.0, b.1, b.2)).then_with(took)
}

/// Compares two rows by what was read of their lines. Rows that are equal in all of it are alike to every query.
fn by_content(events: &Events, a: usize, b: usize) -> Ordering {
    let columns = LINE.names().filter_map(|name| events.columns.get(name));
    columns.map(|column| column.compare(a, b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// Compares two rows by their files, which only those know who count lines by file, and by their order.
fn by_place(events: &Events, a: usize, b: usize) -> Ordering {
    let files = events.columns.get(FILE).map_or(Ordering::Equal, |files| files.compare(a, b));
    files.then(a.cmp(&b))
}

/// Calls `found` with the rows of the requests that have an action. In the order of their ends, each request takes the
/// earliest free action within it: no other choice pairs more (a maximum matching of points and intervals). Actions and
/// requests are sorted.
fn pair(actions: &[Action], requests: &[Request], mut found: impl FnMut(usize)) {
    // For each action itself if it is free, else one behind it that no free one is before: a way that becomes shorter
    // whenever it is gone, so that crowds of slow requests take no longer than others.
    let mut next: Vec<usize> = (0..=actions.len()).collect();
    for &(_, end, begin, row) in requests {
        let mut at = actions.partition_point(|&(_, time)| time < begin);
        while next[at] != at {
            next[at] = next[next[at]];
            at = next[at];
        }
        if actions.get(at).is_some_and(|&(_, time)| time <= end) {
            next[at] = at + 1;
            found(row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The most pairs that there can be, by trying every choice.
    fn most(actions: &[Action], requests: &[Request], free: &mut Vec<bool>) -> usize {
        let Some((&(_, end, begin, _), rest)) = requests.split_first() else { return 0 };
        let mut best = most(actions, rest, free);
        for at in 0..actions.len() {
            if free[at] && (begin..=end).contains(&actions[at].1) {
                free[at] = false;
                best = best.max(1 + most(actions, rest, free));
                free[at] = true;
            }
        }
        best
    }

    #[test]
    fn no_choice_pairs_more() {
        let mut seed = 1u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) % below
        };
        for _ in 0..3000 {
            let mut actions: Vec<Action> = (0..random(5)).map(|_| (0, random(8) as i64)).collect();
            let requests = (0..random(5)).map(|row| {
                let begin = random(8) as i64;
                (0, begin + random(5) as i64, begin, row as usize)
            });
            let mut requests: Vec<Request> = requests.collect();
            actions.sort_unstable();
            requests.sort_unstable();
            let mut found = 0;
            pair(&actions, &requests, |_| found += 1);
            let mut free = vec![true; actions.len()];
            assert_eq!(found, most(&actions, &requests, &mut free));
        }
    }

    #[test]
    fn a_crowd_of_slow_requests_is_paired_as_quickly_as_any() {
        let count = 100_000;
        let actions: Vec<Action> = (0..count).map(|time| (0, time)).collect();
        let seconds = |request: &dyn Fn(i64) -> Request| {
            let requests: Vec<Request> = (0..count).map(request).collect();
            let run = || {
                let (begin, mut found) = (std::time::Instant::now(), 0);
                pair(&actions, &requests, |_| found += 1);
                assert_eq!(found, count);
                begin.elapsed().as_secs_f64()
            };
            (0..3).map(|_| run()).fold(f64::MAX, f64::min)
        };
        let quick = seconds(&|at| (0, at, at, at as usize));
        let slow = seconds(&|at| (0, count + at, 0, at as usize));
        // To look at all that are taken takes a thousand times as long.
        assert!(slow < 50.0 * quick, "{slow} s, {quick} s");
    }
}
