//! Which request lines are the second line of an action. A search or a cart addition writes an action line and,
//! when it was answered, a request line; they belong together when event type, address and user agent are the same
//! and the action was written while the request was being processed.

use super::{Events, LINE, rows_by_group};
use crate::scan::FILE;
use crate::scan::builder::KINDS;
use crate::scan::column::{Bits, NULL, Values};
use crate::scan::time::SECOND;
use rayon::prelude::*;
use std::cmp::Ordering;

/// Client and event type: lines that have the same may belong together.
type Group = (u32, u32);

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

/// Finds the pairs; clients are numbers below this count. Every action line belongs to one request at most.
pub fn pairs(events: &Events, clients: &[u32], count: usize) -> Pairs {
    let types = events.texts("event_type");
    let mut has_actions = vec![true; types.dictionary.len()];
    let action_rows = rows_of_kind(events, KINDS[1], &has_actions);
    has_actions.fill(false);
    action_rows.iter().for_each(|&row| has_actions[types.codes[row as usize] as usize] = true);
    let request_rows = rows_of_kind(events, KINDS[0], &has_actions);

    let (times, durations) = (events.times("timestamp"), events.doubles("process_time"));
    let group = |row: usize| (clients[row], types.codes[row]);
    let action = |row: usize| (group(row), times.values[row]);
    let request = |row: usize| {
        let (time, duration) = (times.values[row], durations.get(row).unwrap_or(0.0));
        let took = (duration.clamp(0.0, LONGEST_REQUEST) * SECOND as f64).round() as i64;
        (group(row), time, time.saturating_sub(took), row)
    };
    let (mut actions, starts) = by_client(&action_rows, clients, count, action);
    actions.par_chunk_by_mut(|a, b| a.0.0 == b.0.0).for_each(|actions| sort(actions, Ord::cmp));
    let (mut requests, _) = by_client(&request_rows, clients, count, request);
    let is_read = LINE.names().all(|name| events.columns.contains_key(name));
    let (found, in_doubt): (Vec<Vec<usize>>, Vec<bool>) = requests
        .par_chunk_by_mut(|a, b| a.0.0 == b.0.0)
        .fold(Default::default, |(mut rows, in_doubt): (Vec<usize>, bool), requests| {
            let client = requests[0].0.0 as usize;
            let actions = &actions[starts[client]..starts[client + 1]];
            let found = pair_client(events, actions, requests);
            rows.extend(
                requests.iter().zip(&found).filter_map(|(request, found)| found.then_some(request.3)),
            );
            let in_doubt = in_doubt || (!is_read && alike_differ(events, requests, &found));
            (rows, in_doubt)
        })
        .unzip();
    let mut paired = vec![false; events.rows];
    found.into_iter().flatten().for_each(|row| paired[row] = true);
    Pairs { paired: Values::all(paired), in_doubt: in_doubt.contains(&true) }
}

/// The rows of this kind that have a time and one of these types, by code.
fn rows_of_kind(events: &Events, kind: &str, wanted: &[bool]) -> Vec<u32> {
    let (kinds, types) = (events.texts("kind"), events.texts("event_type"));
    let kind = kinds.dictionary.find(kind).unwrap_or(NULL);
    let mut those = Bits::by(&kinds.codes, |&of| of == kind);
    those &= &Bits::by(&types.codes, |&event_type| wanted.get(event_type as usize) == Some(&true));
    those &= &events.times("timestamp").valid;
    those.rows()
}

/// What these rows are made into: those of client c from `starts[c]` to `starts[c + 1]`.
fn by_client<T>(
    rows: &[u32],
    clients: &[u32],
    count: usize,
    made: impl Fn(usize) -> T,
) -> (Vec<T>, Vec<usize>) {
    let clients: Vec<u32> = rows.iter().map(|&row| clients[row as usize]).collect();
    let (places, starts) = rows_by_group(&clients, count);
    (places.into_iter().map(|place| made(rows[place as usize] as usize)).collect(), starts)
}

/// Sorts the lines of a client: by one thread, unless they are many.
fn sort<T: Send>(lines: &mut [T], compare: impl Fn(&T, &T) -> Ordering + Sync) {
    if lines.len() < MANY { lines.sort_unstable_by(compare) } else { lines.par_sort_unstable_by(compare) }
}

const MANY: usize = 1 << 15;

/// Sorts the requests of a client and says of each whether it has an action, of those of the same client, which are sorted.
fn pair_client(events: &Events, actions: &[Action], requests: &mut [Request]) -> Vec<bool> {
    let mut paired = vec![false; requests.len()];
    if actions.is_empty() {
        return paired;
    }
    sort(requests, |a, b| {
        by_times(events, a, b)
            .then_with(|| by_content(events, a.3, b.3))
            .then_with(|| by_place(events, a.3, b.3))
    });
    let mut done = 0;
    for requests in requests.chunk_by(|a, b| a.0 == b.0) {
        let group = requests[0].0;
        let same = &actions[actions.partition_point(|action| action.0 < group)..];
        let same = &same[..same.partition_point(|action| action.0 == group)];
        pair(same, requests, |at| paired[done + at] = true);
        done += requests.len();
    }
    paired
}

/// Whether some of a client's requests that the same actions could belong to are paired, and some are not.
fn alike_differ(events: &Events, requests: &[Request], paired: &[bool]) -> bool {
    let mut left = paired;
    requests.chunk_by(|a, b| by_times(events, a, b).is_eq()).any(|alike| {
        let (these, more) = left.split_at(alike.len());
        left = more;
        these.iter().any(|is| *is != these[0])
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

/// Calls `found` with the places of the requests that have an action. In the order of their ends, each request takes the
/// earliest free action within it: no other choice pairs more (a maximum matching of points and intervals). Actions and
/// requests are sorted.
fn pair(actions: &[Action], requests: &[Request], mut found: impl FnMut(usize)) {
    // For each action itself if it is free, else one behind it that no free one is before: a way that becomes shorter
    // whenever it is gone, so that crowds of slow requests take no longer than others.
    let mut next: Vec<usize> = (0..=actions.len()).collect();
    for (place, &(_, end, begin, _)) in requests.iter().enumerate() {
        let mut at = actions.partition_point(|&(_, time)| time < begin);
        while next[at] != at {
            next[at] = next[next[at]];
            at = next[at];
        }
        if actions.get(at).is_some_and(|&(_, time)| time <= end) {
            next[at] = at + 1;
            found(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::random;
    use super::*;
    use crate::scan::column::{Column, Texts};

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
        let mut random = random(1);
        for _ in 0..3000 {
            let mut actions: Vec<Action> = (0..random(5)).map(|_| ((0, 0), random(8) as i64)).collect();
            let requests = (0..random(5)).map(|row| {
                let begin = random(8) as i64;
                ((0, 0), begin + random(5) as i64, begin, row as usize)
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
    fn each_client_and_type_is_paired_by_itself() {
        let mut random = random(1);
        let mut paired = 0;
        for _ in 0..500 {
            let rows = random(90) as usize;
            let [mut kinds, mut types, mut clients] = [Texts::default(), Texts::default(), Texts::default()];
            let (mut times, mut durations) = (Values::default(), Values::default());
            for _ in 0..rows {
                kinds.push(Some(KINDS[random(3) as usize]));
                types.push([None, Some("search"), Some("cart_add")][random(3) as usize]);
                clients.push([None, Some("one"), Some("other"), Some("third")][random(4) as usize]);
                times.push((random(20) > 0).then(|| random(12) as i64 * SECOND));
                durations.push((random(9) > 0).then(|| random(4) as f64));
            }
            let columns = [
                ("kind", Column::Text(kinds)),
                ("event_type", Column::Text(types)),
                ("client", Column::Text(clients)),
                ("timestamp", Column::Timestamp(times)),
                ("process_time", Column::Double(durations)),
            ];
            let events = Events { columns: columns.into_iter().collect(), rows };
            let found = super::super::pairs(&events).paired;
            let (times, durations) = (events.times("timestamp"), events.doubles("process_time"));
            for (client, event_type) in (0..4).flat_map(|client| [(client, 0), (client, 1)]) {
                let of = |kind: &'static str| {
                    let is = |name: &str, row: usize, code: u32| events.texts(name).codes[row] == code;
                    let client = events.texts("client").dictionary.iter().nth(client).map(str::to_owned);
                    let events = &events;
                    (0..rows).filter(move |&row| {
                        events.texts("kind").get(row) == Some(kind)
                            && is("event_type", row, event_type)
                            && events.texts("client").get(row) == client.as_deref()
                            && times.get(row).is_some()
                    })
                };
                let actions: Vec<Action> = of(KINDS[1]).map(|row| ((0, 0), times.values[row])).collect();
                let request = |row: usize| {
                    let took = durations.get(row).unwrap_or(0.0) as i64 * SECOND;
                    ((0, 0), times.values[row], times.values[row] - took, row)
                };
                let requests: Vec<Request> = of(KINDS[0]).map(request).collect();
                let count = requests.iter().filter(|request| found.values[request.3]).count();
                assert_eq!(count, most(&actions, &requests, &mut vec![true; actions.len()]));
                paired += count;
            }
            assert!(
                (0..rows).all(|row| !found.values[row] || events.texts("kind").get(row) == Some(KINDS[0]))
            );
        }
        assert!(paired > 500, "{paired}");
    }

    #[test]
    fn a_crowd_of_slow_requests_is_paired_as_quickly_as_any() {
        let count = 100_000;
        let actions: Vec<Action> = (0..count).map(|time| ((0, 0), time)).collect();
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
        let quick = seconds(&|at| ((0, 0), at, at, at as usize));
        let slow = seconds(&|at| ((0, 0), count + at, 0, at as usize));
        // To look at all that are taken takes a thousand times as long.
        assert!(slow < 50.0 * quick, "{slow} s, {quick} s");
    }
}
