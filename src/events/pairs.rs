//! Which request lines are the second line of an action. A search or a cart addition writes an action line and,
//! when it was answered, a request line; they belong together when event type, address and user agent are the same
//! and the action was written while the request was being processed.

use super::Events;
use crate::scan::builder::KINDS;
use crate::scan::column::{NULL, Values};
use crate::scan::time::SECOND;
use std::cmp::Ordering;
use std::collections::HashMap;

/// The lines that may belong together.
#[derive(Default)]
struct Group {
    /// When an action was written.
    actions: Vec<i64>,
    /// When a request came, when it was answered, its row.
    requests: Vec<(i64, i64, usize)>,
}

/// A value for each row: whether it is a request line whose action has a line of its own. Every action line
/// belongs to one request at most.
pub fn paired(events: &Events, clients: &[u32]) -> Values<bool> {
    let mut groups = actions_by_group(events, clients);
    if !groups.is_empty() {
        add_requests(events, clients, &mut groups);
    }
    let mut paired = vec![false; events.rows];
    for group in groups.values_mut() {
        for row in pair(group, |a, b| by_content(events, a, b)) {
            paired[row] = true;
        }
    }
    paired.into_iter().map(Some).collect()
}

type Groups = HashMap<(u32, u32), Group, foldhash::fast::FixedState>;

fn rows_of_kind<'a>(events: &'a Events, kind: &str) -> impl Iterator<Item = (usize, u32, i64)> + use<'a> {
    let (kinds, types, times) = (events.texts("kind"), events.texts("event_type"), events.times("timestamp"));
    let kind = kinds.dictionary.find(kind).unwrap_or(NULL);
    let rows = kinds.codes.iter().enumerate().filter(move |(_, code)| **code == kind);
    rows.filter_map(|(row, _)| {
        let event_type = types.codes[row];
        (event_type != NULL).then_some(())?;
        Some((row, event_type, times.get(row)?))
    })
}

fn actions_by_group(events: &Events, clients: &[u32]) -> Groups {
    let mut groups = Groups::default();
    for (row, event_type, time) in rows_of_kind(events, KINDS[1]) {
        groups.entry((clients[row], event_type)).or_default().actions.push(time);
    }
    groups
}

fn add_requests(events: &Events, clients: &[u32], groups: &mut Groups) {
    let durations = events.doubles("process_time");
    let mut has_actions = vec![false; events.texts("event_type").dictionary.len()];
    groups.keys().for_each(|&(_, event_type)| has_actions[event_type as usize] = true);
    for (row, event_type, time) in rows_of_kind(events, KINDS[0]) {
        if !has_actions[event_type as usize] {
            continue;
        }
        if let Some(group) = groups.get_mut(&(clients[row], event_type)) {
            let duration = durations.get(row).unwrap_or(0.0).max(0.0);
            let begin = time.saturating_sub((duration * SECOND as f64).round() as i64);
            group.requests.push((begin, time, row));
        }
    }
}

/// Compares two rows by all columns that were read. Rows that are equal in these are alike to every query.
fn by_content(events: &Events, a: usize, b: usize) -> Ordering {
    let orders = events.columns.values().map(|column| column.compare(a, b));
    orders.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// The rows of the requests that have an action. In the order of their ends, each request takes the earliest free
/// action within it: no other choice pairs more (a maximum matching of points and intervals). `tie` orders the rows of
/// requests with the same times, so that the order of lines makes no difference.
fn pair(group: &mut Group, tie: impl Fn(usize, usize) -> Ordering) -> Vec<usize> {
    group.actions.sort_unstable();
    group.requests.sort_unstable_by(|a, b| (a.1, a.0).cmp(&(b.1, b.0)).then_with(|| tie(a.2, b.2)));
    let mut free: Vec<bool> = vec![true; group.actions.len()];
    let mut rows = Vec::new();
    for &(begin, end, row) in &group.requests {
        let first = group.actions.partition_point(|&time| time < begin);
        let inside = (first..group.actions.len()).take_while(|&at| group.actions[at] <= end);
        if let Some(at) = inside.into_iter().find(|&at| free[at]) {
            free[at] = false;
            rows.push(row);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The most pairs that there can be, by trying every choice.
    fn most(actions: &[i64], requests: &[(i64, i64, usize)], free: &mut Vec<bool>) -> usize {
        let Some((&(begin, end, _), rest)) = requests.split_first() else { return 0 };
        let mut best = most(actions, rest, free);
        for at in 0..actions.len() {
            if free[at] && (begin..=end).contains(&actions[at]) {
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
            let actions: Vec<i64> = (0..random(5)).map(|_| random(8) as i64).collect();
            let requests = (0..random(5)).map(|row| {
                let begin = random(8) as i64;
                (begin, begin + random(5) as i64, row as usize)
            });
            let mut group = Group { actions, requests: requests.collect() };
            let found = pair(&mut group, |a, b| a.cmp(&b));
            let mut free = vec![true; group.actions.len()];
            assert_eq!(found.len(), most(&group.actions, &group.requests, &mut free));
        }
    }
}
