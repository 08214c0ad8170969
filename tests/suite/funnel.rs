//! The funnel's SQL and its kernel against brute force: on thousands of small random visitors with ties, repeats, overlapping
//! steps and nulls, under every combination of options, they must find what trying every chain finds.

pub mod brute;

use crate::funnel_kernel::query_both;
use crate::harness::Random;
use brute::{Asked, Event, Row, answer};
use loganalyze::report::{Entity, Entry};
use loganalyze::scan::time::SECOND;
use polars::prelude::*;

/// The columns that the questions name.
fn frame(events: &[Event]) -> DataFrame {
    fn column<T>(name: &str, events: &[Event], value: impl Fn(&Event) -> Option<T>) -> Column
    where
        Series: NamedFrom<Vec<Option<T>>, [Option<T>]>,
    {
        let values: Vec<Option<T>> = events.iter().map(value).collect();
        Series::new(name.into(), values).into_column()
    }
    DataFrame::new_infer_height(vec![
        column("visitor_id", events, |event| event.visitor.map(|visitor| format!("v{visitor}"))),
        column("user_id", events, |event| event.user),
        column("session_number", events, |event| event.session),
        column("epoch_us", events, |event| event.time),
        column("event_type", events, |event| event.letter.map(String::from)),
        column("referrer_type", events, |event| event.value.map(String::from)),
        column("page", events, |event| event.page.map(String::from)),
        column("is_page_view", events, |event| event.is_view),
    ])
    .unwrap()
}

/// The rows that SQL and kernel give.
fn rows(asked: &Asked, events: &[Event]) -> Vec<Row> {
    let table = query_both(&asked.funnel(), &frame(events));
    let integers = |name: &str| -> Vec<i64> {
        let column = table.column(name).unwrap().cast(&DataType::Int64).unwrap();
        column.i64().unwrap().iter().map(Option::unwrap).collect()
    };
    let texts = |name: &str| -> Vec<String> {
        let column = table.column(name).unwrap().cast(&DataType::String).unwrap();
        column.str().unwrap().iter().map(|text| text.unwrap().to_owned()).collect()
    };
    let doubles: Vec<Vec<Option<f64>>> = match asked.lost_after {
        Some(_) => &["share"][..],
        None => &["conversion", "step_conversion", "median_seconds", "p90_seconds"],
    }
    .iter()
    .map(|name| table.column(name).unwrap().cast(&DataType::Float64).unwrap().f64().unwrap().iter().collect())
    .collect();
    let names = texts(if asked.lost_after.is_some() { "page" } else { "step" });
    let values = if asked.breakdown { texts("breakdown") } else { vec![String::new(); table.height()] };
    let (visitors, immature) = (integers("visitors"), integers("immature"));
    (0..table.height())
        .map(|row| Row {
            value: values[row].clone(),
            name: names[row].clone(),
            visitors: visitors[row],
            numbers: doubles.iter().map(|column| column[row]).collect(),
            immature: immature[row],
        })
        .collect()
}

fn check(asked: &Asked, events: &[Event]) -> Vec<Row> {
    let (found, expected) = (rows(asked, events), answer(asked, events));
    let same = found.len() == expected.len() && found.iter().zip(&expected).all(|(one, two)| one.agrees(two));
    assert!(same, "{found:#?}\nis not\n{expected:#?}\n{asked:?}\n{events:#?}");
    found
}

fn random_events(random: &mut Random, visitors: usize, unit: i64) -> Vec<Event> {
    let mut events = Vec::new();
    for visitor in 0..visitors {
        for _ in 0..random.below(16) {
            let some = |random: &mut Random| random.below(20) > 0;
            events.push(Event {
                visitor: some(random).then_some(visitor),
                user: (random.below(3) > 0).then(|| random.below(visitors) as i64),
                session: some(random).then(|| 1 + random.below(2) as i64),
                time: some(random).then(|| unit * random.below(9) as i64),
                letter: some(random).then(|| *random.pick(&['a', 'b', 'c', 'd', 'e'])),
                value: some(random).then(|| *random.pick(&["x", "y", "z", "한"])),
                page: some(random).then(|| *random.pick(&["/", "/a", "/b"])),
                is_view: some(random).then(|| random.below(2) == 0),
            });
        }
    }
    // Lines are nearly in order in a log; here they are in none.
    for at in (1..events.len()).rev() {
        events.swap(at, random.below(at + 1));
    }
    events
}

fn random_question(random: &mut Random, unit: i64) -> Asked {
    let letters = |random: &mut Random, of: &str, share: usize| -> String {
        of.chars().filter(|_| random.below(10) < share).collect()
    };
    let steps: Vec<String> = (0..=random.below(4))
        .map(|_| {
            let some = letters(random, "abcd", 4);
            if some.is_empty() { random.pick(&["a", "b", "c", "d"]).to_string() } else { some }
        })
        .collect();
    Asked {
        window: unit * random.below(9) as i64 + *random.pick(&[0, 0, unit / 2]),
        entity: *random.pick(&[Entity::Visitor, Entity::Visitor, Entity::User, Entity::Session]),
        entry: *random.pick(&[Entry::Any, Entry::First]),
        strict_order: random.below(3) == 0,
        exclude: if random.below(2) == 0 { letters(random, "abcde", 2) } else { String::new() },
        breakdown: random.below(2) == 0,
        lost_after: (steps.len() > 1 && random.below(3) == 0).then(|| 1 + random.below(steps.len() - 1)),
        steps,
    }
}

#[test]
fn sql_and_kernel_find_what_brute_force_finds() {
    let mut random = Random(0xf0e1);
    let (mut finished, mut gone_on) = (0, 0);
    // How often an answer was another one than without the option.
    let mut mattered = [0; 3];
    for _ in 0..350 {
        let unit = *random.pick(&[1, SECOND, 600 * SECOND]);
        let events = random_events(&mut random, 30, unit);
        let asked = random_question(&mut random, unit);
        let found = check(&asked, &events);
        let last = asked.steps.len().max(3).to_string();
        for row in found {
            finished += if row.name == last { row.visitors } else { 0 };
            gone_on += if row.name.starts_with('/') { row.visitors } else { 0 };
        }
        let without = [
            Asked { entry: Entry::Any, ..asked.clone() },
            Asked { strict_order: false, ..asked.clone() },
            Asked { exclude: String::new(), ..asked.clone() },
        ];
        let expected = answer(&asked, &events);
        for (count, without) in mattered.iter_mut().zip(&without) {
            *count += i32::from(answer(without, &events) != expected);
        }
    }
    let enough = finished > 250 && gone_on > 150 && mattered.iter().all(|&count| count > 30);
    assert!(enough, "the inputs test too little: {finished} {gone_on} {mattered:?}");
}

/// One visitor's events: a letter a second, `.` for a second without, `[…]` for what happens in one second.
fn visits(visitor: usize, letters: &str) -> Vec<Event> {
    let (mut time, mut together) = (0, false);
    let mut events = Vec::new();
    for letter in letters.chars() {
        match letter {
            '[' => together = true,
            ']' => together = false,
            _ => {
                let event = Event { visitor: Some(visitor), time: Some(time * SECOND), ..Event::default() };
                events.extend((letter != '.').then_some(Event { letter: Some(letter), ..event }));
            }
        }
        time += i64::from(!together && letter != '[');
    }
    events
}

fn asked(steps: &[&str], seconds: i64) -> Asked {
    Asked::new(steps, seconds * SECOND)
}

/// How many of one visitor get to each step.
fn reached(asked: &Asked, letters: &str) -> Vec<i64> {
    check(asked, &visits(0, letters)).iter().map(|row| row.visitors).collect()
}

#[test]
fn the_window_is_inclusive_and_counts_from_the_entry() {
    let abc = ["a", "b", "c"];
    assert_eq!(reached(&asked(&abc, 4), "a.b.c"), [1, 1, 1]);
    assert_eq!(reached(&asked(&abc, 3), "a.b.c"), [1, 1, 0]);
    // A later entry opens a new window, but only for what comes after it.
    assert_eq!(reached(&asked(&abc, 3), "aab.c"), [1, 1, 1]);
    assert_eq!(reached(&asked(&abc, 3), "a.bac"), [1, 1, 0]);
    assert_eq!(reached(&asked(&["a", "b"], 0), "[ba]"), [1, 1]);
}

#[test]
fn an_event_fills_one_step() {
    assert_eq!(reached(&asked(&["ab", "b"], 9), "b"), [1, 0]);
    assert_eq!(reached(&asked(&["ab", "b"], 9), "[bb]"), [1, 1]);
    assert_eq!(reached(&asked(&["a", "a", "a"], 9), "[aa]"), [1, 1, 0]);
    assert_eq!(reached(&asked(&["a", "a", "a"], 9), "[aaa]"), [1, 1, 1]);
}

#[test]
fn only_the_first_entry_may_begin() {
    let first = |seconds| Asked { entry: Entry::First, ..asked(&["a", "b"], seconds) };
    assert_eq!(reached(&first(3), "aa..b"), [1, 0]);
    assert_eq!(reached(&first(4), "aa..b"), [1, 1]);
    assert_eq!(reached(&asked(&["a", "b"], 3), "aa..b"), [1, 1]);
    // The wait is from there, too; and who entered long ago is not immature.
    assert_eq!(check(&first(9), &visits(0, "aa..b"))[1].numbers[2], Some(4.0));
    assert_eq!(check(&first(3), &visits(0, "a..a"))[0].immature, 0);
    assert_eq!(check(&asked(&["a", "b"], 3), &visits(0, "a..a"))[0].immature, 1);
}

#[test]
fn in_strict_order_nothing_but_the_next_step_comes_between() {
    let strict = |steps: &[&str]| Asked { strict_order: true, ..asked(steps, 99) };
    let abc = strict(&["a", "b", "c"]);
    for (letters, steps) in [
        ("abc", [1, 1, 1]),
        ("aabbc", [1, 1, 1]),
        ("azbzc", [1, 1, 1]),
        ("acbc", [1, 0, 0]),
        ("abac", [1, 1, 0]),
        ("abacabc", [1, 1, 1]),
        ("[cba]", [1, 1, 1]),
    ] {
        assert_eq!(reached(&abc, letters), steps, "{letters}");
    }
    assert_eq!(reached(&strict(&["a", "b", "c", "d"]), "abcbcd"), [1, 1, 1, 0]);
    // What matches the next step among others is no hindrance.
    assert_eq!(reached(&strict(&["a", "be", "ce"]), "aebc"), [1, 1, 1]);
    assert_eq!(reached(&Asked { entry: Entry::First, ..abc.clone() }, "aabc"), [1, 0, 0]);
    // The wait is from the last of several matches.
    assert_eq!(check(&abc, &visits(0, "a.bb.c"))[2].numbers[2], Some(2.0));
}

#[test]
fn what_is_excluded_ends_a_chain() {
    let without = |letters: &str| Asked { exclude: letters.into(), ..asked(&["a", "b", "c"], 99) };
    for (excluded, letters, steps) in [
        ("x", "abxc", [1, 1, 0]),
        ("x", "xabcx", [1, 1, 1]),
        ("x", "abxabc", [1, 1, 1]),
        ("xy", "axbayb", [1, 0, 0]),
        // At the same moment it comes last.
        ("x", "a[bx]c", [1, 1, 0]),
        ("x", "[abcx]", [1, 1, 1]),
        // It may be the entry or the end itself.
        ("a", "aabc", [1, 1, 1]),
        ("c", "abcc", [1, 1, 1]),
        ("b", "abc", [1, 1, 0]),
    ] {
        assert_eq!(reached(&without(excluded), letters), steps, "{excluded} in {letters}");
    }
    assert_eq!(reached(&Asked { entry: Entry::First, ..without("a") }, "aabc"), [1, 0, 0]);
}

#[test]
fn the_wait_is_from_the_latest_step_before() {
    let events = [visits(0, "a...a..b...b"), visits(1, "ab")].concat();
    let found = check(&asked(&["a", "b"], 100), &events);
    assert_eq!(found[0].numbers[2..], [None, None]);
    assert_eq!(found[1].numbers[2], Some(2.0));
    assert!((found[1].numbers[3].unwrap() - 2.8).abs() < 1e-9);
}

#[test]
fn entrants_whose_window_is_open_are_immature() {
    // One is done, one has time left, one's window has just closed; the last event of all belongs to no step.
    let events = [visits(0, "ab"), visits(1, ".a"), visits(2, "a.........e")].concat();
    assert_eq!(check(&asked(&["a", "b"], 10), &events)[0].immature, 1);
}

/// The visitor's events with these values, one an event.
fn valued(events: Vec<Event>, values: &[Option<&'static str>]) -> Vec<Event> {
    events.into_iter().zip(values).map(|(event, &value)| Event { value, ..event }).collect()
}

#[test]
fn a_visitor_counts_with_its_value_at_the_entry_of_the_chain_that_was_first_to_get_furthest() {
    let broken_down = Asked { breakdown: true, ..asked(&["a", "b", "c"], 4) };
    let values = |letters: &str, values: &[Option<&'static str>]| -> Vec<(String, i64)> {
        let found = check(&broken_down, &valued(visits(0, letters), values));
        found.into_iter().map(|row| (row.value, row.visitors)).collect()
    };
    let of = |value: &str, visitors: [i64; 3]| visitors.map(|visitors| (value.to_owned(), visitors)).to_vec();
    assert_eq!(values("aa", &[Some("x"), Some("y")]), of("x", [1, 0, 0]));
    assert_eq!(values("aaba", &[Some("x"), Some("y"), Some("z"), Some("w")]), of("y", [1, 1, 0]));
    assert_eq!(values("ab...abab", &[Some("x"), None, Some("y"), None, Some("z")]), of("x", [1, 1, 0]));
    assert_eq!(values("[aa]", &[Some("x"), None]), of("(none)", [1, 0, 0]));
    assert_eq!(values("bc", &[Some("x"), None]), []);
    // Most entrants first, then by text.
    let more = [("a", "w"), ("a", "y"), ("a", "y"), ("a", "x"), ("b", "q")];
    let events = more
        .iter()
        .enumerate()
        .flat_map(|(who, (letters, value))| valued(visits(who, letters), &[Some(value)]));
    let found = check(&Asked { breakdown: true, ..asked(&["a"], 4) }, &events.collect::<Vec<_>>());
    assert_eq!(found.iter().map(|row| row.value.as_str()).collect::<Vec<_>>(), ["y", "w", "x"]);
}

#[test]
fn the_lost_are_looked_for_where_they_went_after_they_were_there_last() {
    let lost = Asked { lost_after: Some(1), ..asked(&["a", "b"], 5) };
    let pages = |letters: &str, pages: &[&'static str]| -> Vec<String> {
        let view = |(event, page): (Event, &&'static str)| Event {
            page: Some(page),
            is_view: Some(!page.is_empty()),
            ..event
        };
        let events: Vec<Event> = visits(0, letters).into_iter().zip(pages).map(view).collect();
        check(&lost, &events).into_iter().map(|row| row.name).collect()
    };
    assert_eq!(pages("aeae", &["/a", "/1", "/a", "/2"]), ["/2"]);
    assert_eq!(pages("ae", &["/a", ""]), ["(left)"]);
    assert_eq!(pages("aeb", &["/a", "/1", "/b"]), [""; 0]);
    assert_eq!(pages("a....e", &["/a", "/1"]), ["/1"]);
    assert_eq!(pages("a.....e", &["/a", "/1"]), ["(left)"]);
    // Later, not at the same moment; of several at one moment the first by text.
    assert_eq!(pages("[ae][eee]", &["/a", "/1", "/4", "/2", "/3"]), ["/2"]);
    assert_eq!(pages("e", &["/a"]), [""; 0]);
}
