//! The funnel's SQL and its kernel against brute force: on thousands of small random visitors with ties, repeats and overlapping
//! steps, they must find what the pseudo-code of the reports' contract finds, and what trying every chain finds.

use crate::funnel_kernel::query_both;
use crate::harness::Random;
use loganalyze::engine::polars as engine;
use loganalyze::events::{Events, Joined, Sessions, derive, derive_of_visitors, with_sources};
use loganalyze::report::{self, Entity, Funnel, Step, columns_of};
use loganalyze::scan::time::SECOND;
use loganalyze::scan::wanted::Wanted;
use loganalyze::scan::{Settings, scan_bytes};
use polars::prelude::DataFrame;
use std::collections::BTreeMap;

/// One event: whose, when (microseconds from a fixed moment) and of which type.
#[derive(Debug, Clone)]
struct Event {
    visitor: usize,
    user: Option<usize>,
    time: i64,
    letter: char,
}

/// The event types that fill each step.
type Steps = Vec<Vec<char>>;

fn funnel(steps: &Steps, window: i64, entity: Entity) -> Funnel {
    let step = |(at, letters): (usize, &Vec<char>)| {
        let list: Vec<String> = letters.iter().map(|letter| format!("'{letter}'")).collect();
        let condition = format!("event_type IN ({})", list.join(", "));
        Step { name: format!("step {}", at + 1), condition }
    };
    Funnel { steps: steps.iter().enumerate().map(step).collect(), window, entity }
}

fn line(event: &Event) -> String {
    let day = chrono::NaiveDate::from_ymd_opt(2025, 3, 10).unwrap().and_hms_opt(9, 0, 0).unwrap();
    let time = (day + chrono::TimeDelta::microseconds(event.time)).format("%Y-%m-%dT%H:%M:%S%.6f");
    let (visitor, letter) = (event.visitor + 1, event.letter);
    let user = event.user.map_or("null".to_owned(), |user| user.to_string());
    format!(
        "{{\"timestamp\": \"{time}\", \"session_id\": \"{visitor:032x}\", \"event_type\": \"{letter}\", \"user_id\": {user}}}\n"
    )
}

/// What a funnel says: visitors, median and p90 of each step, and how many entrants may still go on.
#[derive(Debug, Clone, Default)]
struct Answer {
    visitors: Vec<i64>,
    seconds: Vec<[Option<f64>; 2]>,
    immature: i64,
}

impl Answer {
    fn agrees(&self, other: &Answer) -> bool {
        let near = |pair: (&Option<f64>, &Option<f64>)| match pair {
            (Some(one), Some(two)) => (one - two).abs() <= 1e-9 * one.abs().max(1e-6),
            (one, two) => one == two,
        };
        self.visitors == other.visitors
            && self.immature == other.immature
            && self.seconds.as_flattened().iter().zip(other.seconds.as_flattened()).all(near)
    }
}

/// The generated SQL and the kernel, through scanner, derived columns and engine; and each event's session, as it was
/// derived.
fn by_sql(funnel: &Funnel, events: &[Event]) -> (Answer, Vec<Option<i64>>) {
    let sql = funnel.sql();
    let wanted = Wanted::of(columns_of(&sql));
    let sources = with_sources(wanted.or(Wanted::of(["timestamp", "session_number"])));
    let mut settings = Settings::default();
    settings.rows.wanted = sources;
    let bytes: String = events.iter().map(line).collect();
    let scanned = scan_bytes(bytes.as_bytes(), &settings);
    assert_eq!(scanned.rows, events.len());
    let mut columns = Events { columns: scanned.columns, rows: scanned.rows };
    derive(&mut columns, sources, &Joined::default());
    derive_of_visitors(&mut columns, sources, Sessions { gap: 30 * 60 * SECOND, split_midnight: false });
    let sessions = columns.integers("session_number").iter().collect();
    let names: Vec<&str> = wanted.names().collect();
    let result = query_both(funnel, &engine::frame(columns, &names, None).unwrap());
    let immature = result.column("immature").unwrap().get(0).unwrap().extract::<i64>().unwrap();
    let promised = report::find("funnel").unwrap().header.columns;
    (answer(&engine::as_promised(&result, &promised).unwrap(), immature), sessions)
}

fn answer(table: &DataFrame, immature: i64) -> Answer {
    let doubles = |name: &str| -> Vec<Option<f64>> {
        table.column(name).unwrap().f64().unwrap().iter().collect::<Vec<_>>()
    };
    let (medians, nineties) = (doubles("median_seconds"), doubles("p90_seconds"));
    Answer {
        visitors: table.column("visitors").unwrap().i64().unwrap().iter().map(Option::unwrap).collect(),
        seconds: medians.into_iter().zip(nineties).map(|(median, ninety)| [median, ninety]).collect(),
        immature,
    }
}

/// The steps that each of an entity's events matches, in the order (time, first step matched, fewer matches first).
fn matches<'a>(steps: &Steps, events: impl Iterator<Item = &'a Event>) -> Vec<(i64, Vec<usize>)> {
    let matched = |event: &Event| -> Vec<usize> {
        (0..steps.len()).filter(|&k| steps[k].contains(&event.letter)).collect()
    };
    let mut all: Vec<_> = events.map(|event| (event.time, matched(event))).collect();
    all.retain(|(_, matched)| !matched.is_empty());
    all.sort_by_key(|(time, matched)| (*time, matched[0], matched.iter().map(|k| 1 << k).sum::<u32>()));
    all
}

/// How far one entity got, by the pseudo-code.
struct Walk {
    /// How many steps.
    reached: usize,
    /// From the latest filling of the step before to the first filling of each step, microseconds.
    waits: Vec<Option<i64>>,
    entry: Option<i64>,
}

fn walk(count: usize, window: i64, events: &[(i64, Vec<usize>)]) -> Walk {
    let mut start: Vec<Option<i64>> = vec![None; count];
    let mut filled: Vec<Option<i64>> = vec![None; count];
    let mut walk = Walk { reached: 0, waits: vec![None; count], entry: None };
    for (time, matched) in events {
        for &k in matched.iter().rev() {
            let Some(entry) = (if k == 0 { Some(*time) } else { start[k - 1] }) else { continue };
            if time - entry > window {
                continue;
            }
            if filled[k].is_none() && k > 0 {
                walk.waits[k] = filled[k - 1].map(|before| time - before);
            }
            filled[k] = Some(*time);
            start[k] = start[k].max(Some(entry));
            walk.reached = walk.reached.max(k + 1);
        }
    }
    walk.entry = start[0];
    walk
}

/// The longest chain of distinct events, in order, each matching the next step and within the window from the first.
fn longest_chain(count: usize, window: i64, events: &[(i64, Vec<usize>)]) -> usize {
    fn longest(
        step: usize,
        entry: Option<i64>,
        from: usize,
        all: (usize, i64, &[(i64, Vec<usize>)]),
    ) -> usize {
        let (count, window, events) = all;
        let mut best = step;
        for (at, (time, matched)) in events.iter().enumerate().skip(from) {
            if step < count && matched.contains(&step) && entry.is_none_or(|entry| time - entry <= window) {
                best = best.max(longest(step + 1, entry.or(Some(*time)), at + 1, all));
            }
        }
        best
    }
    longest(0, None, 0, (count, window, events))
}

fn percentile(mut values: Vec<f64>, share: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let place = (values.len().checked_sub(1)? as f64) * share;
    let (low, high) = (values[place.floor() as usize], values[place.ceil() as usize]);
    Some(low + (high - low) * place.fract())
}

/// Brute force: walks every entity, and holds each walk against the search of all chains.
fn by_force(
    steps: &Steps,
    window: i64,
    entity: Entity,
    events: &[Event],
    sessions: &[Option<i64>],
) -> Answer {
    let count = steps.len();
    let mut entities: BTreeMap<(usize, i64), Vec<&Event>> = BTreeMap::new();
    for (event, session) in events.iter().zip(sessions) {
        let key = match entity {
            Entity::Visitor => Some((event.visitor, 0)),
            Entity::User => event.user.map(|user| (user, 0)),
            Entity::Session => session.map(|session| (event.visitor, session)),
        };
        entities.entry(key.unwrap_or((usize::MAX, 0))).or_default().push(event);
    }
    entities.remove(&(usize::MAX, 0));
    let end = events.iter().map(|event| event.time).max();
    let mut answer = Answer { visitors: vec![0; count], ..Answer::default() };
    let mut waits = vec![Vec::new(); count];
    for events in entities.values() {
        let events = matches(steps, events.iter().copied());
        let walk = walk(count, window, &events);
        assert_eq!(
            walk.reached,
            longest_chain(count, window, &events),
            "{steps:?} within {window} of {events:?}"
        );
        (0..walk.reached).for_each(|k| answer.visitors[k] += 1);
        (0..count).for_each(|k| waits[k].extend(walk.waits[k].map(|wait| wait as f64 / 1e6)));
        let open = walk.entry.zip(end).is_some_and(|(entry, end)| end - entry < window);
        answer.immature += i64::from(open && walk.reached < count);
    }
    answer.seconds =
        waits.into_iter().map(|waits| [percentile(waits.clone(), 0.5), percentile(waits, 0.9)]).collect();
    answer
}

fn check(steps: &Steps, window: i64, entity: Entity, events: &[Event]) -> Answer {
    let (found, sessions) = by_sql(&funnel(steps, window, entity), events);
    let expected = by_force(steps, window, entity, events, &sessions);
    assert!(
        found.agrees(&expected),
        "{found:#?}\nis not\n{expected:#?}\n{steps:?} within {window} by {entity:?}\n{events:#?}"
    );
    found
}

fn random_events(random: &mut Random, visitors: usize, unit: i64) -> Vec<Event> {
    let mut events = Vec::new();
    for visitor in 0..visitors {
        for _ in 0..random.below(12) {
            let user = (random.below(3) > 0).then(|| random.below(visitors));
            let (time, letter) = (unit * random.below(7) as i64, *random.pick(&['a', 'b', 'c', 'd', 'e']));
            events.push(Event { visitor, user, time, letter });
        }
    }
    // Lines are nearly in order in a log; here they are in none.
    for at in (1..events.len()).rev() {
        events.swap(at, random.below(at + 1));
    }
    events
}

fn random_steps(random: &mut Random) -> Steps {
    let letters = |random: &mut Random| -> Vec<char> {
        let some: Vec<char> = "abcd".chars().filter(|_| random.below(5) < 2).collect();
        if some.is_empty() { vec![*random.pick(&['a', 'b', 'c', 'd'])] } else { some }
    };
    (0..=random.below(4)).map(|_| letters(random)).collect()
}

#[test]
fn sql_and_kernel_find_what_brute_force_finds() {
    let mut random = Random(0xf0e1);
    let mut finished = 0;
    for round in 0..400 {
        let unit = *random.pick(&[1, SECOND, 600 * SECOND]);
        let entity = [Entity::Visitor, Entity::Visitor, Entity::User, Entity::Session][round % 4];
        let events = random_events(&mut random, 10, unit);
        let steps = random_steps(&mut random);
        let window = unit * random.below(8) as i64 + *random.pick(&[0, 0, unit / 2]);
        let found = check(&steps, window, entity, &events);
        if steps.len() > 2 {
            finished += found.visitors[steps.len() - 1];
        }
    }
    assert!(finished > 200, "only {finished} visitors got through: the inputs test too little");
}

/// Events of one visitor from `(time, letter)`.
fn visits(visitor: usize, events: &[(i64, char)]) -> Vec<Event> {
    let event = |&(time, letter): &(i64, char)| Event { visitor, user: None, time: time * SECOND, letter };
    events.iter().map(event).collect()
}

fn reached(steps: &[&str], window: i64, events: &[(i64, char)]) -> Vec<i64> {
    let steps: Steps = steps.iter().map(|letters| letters.chars().collect()).collect();
    check(&steps, window * SECOND, Entity::Visitor, &visits(0, events)).visitors
}

#[test]
fn the_window_is_inclusive_and_counts_from_the_entry() {
    assert_eq!(reached(&["a", "b", "c"], 10, &[(0, 'a'), (5, 'b'), (10, 'c')]), [1, 1, 1]);
    assert_eq!(reached(&["a", "b", "c"], 9, &[(0, 'a'), (5, 'b'), (10, 'c')]), [1, 1, 0]);
    // A later entry opens a new window, but only for what comes after it.
    assert_eq!(reached(&["a", "b", "c"], 9, &[(0, 'a'), (2, 'a'), (5, 'b'), (10, 'c')]), [1, 1, 1]);
    assert_eq!(reached(&["a", "b", "c"], 9, &[(0, 'a'), (5, 'b'), (6, 'a'), (10, 'c')]), [1, 1, 0]);
    assert_eq!(reached(&["a", "b"], 0, &[(3, 'b'), (3, 'a')]), [1, 1]);
}

#[test]
fn an_event_fills_one_step() {
    assert_eq!(reached(&["ab", "b"], 9, &[(0, 'b')]), [1, 0]);
    assert_eq!(reached(&["ab", "b"], 9, &[(0, 'b'), (0, 'b')]), [1, 1]);
    assert_eq!(reached(&["a", "a", "a"], 9, &[(0, 'a'), (0, 'a')]), [1, 1, 0]);
    assert_eq!(reached(&["a", "a", "a"], 9, &[(0, 'a'), (0, 'a'), (0, 'a')]), [1, 1, 1]);
}

#[test]
fn the_wait_is_from_the_latest_step_before() {
    let steps: Steps = vec![vec!['a'], vec!['b']];
    let mut events = visits(0, &[(0, 'a'), (4, 'a'), (7, 'b'), (20, 'b')]);
    events.extend(visits(1, &[(0, 'a'), (1, 'b')]));
    let found = check(&steps, 100 * SECOND, Entity::Visitor, &events);
    assert_eq!(found.seconds[0], [None, None]);
    assert_eq!(found.seconds[1][0], Some(2.0));
    assert!((found.seconds[1][1].unwrap() - 2.8).abs() < 1e-9);
}

#[test]
fn entrants_whose_window_is_open_are_immature() {
    let steps: Steps = vec![vec!['a'], vec!['b']];
    // One is done, one has time left, one's window has just closed; the last event of all belongs to no step.
    let mut events = visits(0, &[(0, 'a'), (1, 'b')]);
    events.extend(visits(1, &[(1, 'a')]));
    events.extend(visits(2, &[(0, 'a'), (10, 'e')]));
    assert_eq!(check(&steps, 10 * SECOND, Entity::Visitor, &events).immature, 1);
}
