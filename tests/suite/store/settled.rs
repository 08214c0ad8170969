//! What depends on other events, worked out run by run, equals what all events together say.

use crate::harness::Random;
use loganalyze::events::{Events, Sessions, derive, derive_of_visitors};
use loganalyze::scan::{Settings, reject::Tally, scan_bytes, wanted::Wanted};
use loganalyze::store::{Store, Writer};
use std::path::Path;

const SETTLED: [&str; 4] = ["paired", "visitor_id", "visitor_first_seen", "session_number"];

/// Lines of a few people around some midnights, who change their client, log out, come back and search.
fn lines(count: usize, random: &mut Random) -> Vec<String> {
    const IDS: [&str; 11] =
        ["no_session", "unknown", "", "id-a", "id-b", "id-c", "id-d", "id-e", "id-f", "id-g", "id-h"];
    let clients = 2 + random.below(5);
    // Few ids come again and again; of many, some are new.
    let ids = [0, 0, 20, 60][random.below(4)];
    let days = 1 + random.below(6);
    let around = [20, 90, 400, 1440][random.below(4)];
    let logouts = 2 + random.below(6);
    let line = |number: usize, random: &mut Random| {
        let mut fields = vec![format!(r#""user_id": {number}"#)];
        if random.below(40) > 0 {
            let minute = (1440 * (1 + random.below(days)) + random.below(around)).saturating_sub(around / 2);
            let (day, hour, minute) = (10 + minute / 1440, minute / 60 % 24, minute % 60);
            let second = random.below(3);
            fields.push(format!(r#""timestamp": "2025-03-{day}T{hour:02}:{minute:02}:{second:02}""#));
        }
        if random.below(20) > 0 {
            fields.push(format!(r#""ip_address": "10.0.0.{}", "user_agent": "x""#, random.below(clients)));
        }
        let id = match ids {
            0 => (*random.pick::<&str>(&IDS)).to_owned(),
            _ => format!("id-{}", random.below(ids)),
        };
        if !id.is_empty() {
            fields.push(format!(r#""session_id": "{id}""#));
        }
        fields.push(match random.below(4) {
            0 if random.below(logouts) == 0 => r#""event_type": "logout""#.to_owned(),
            0 => r#""event_type": "search""#.to_owned(),
            1 => format!(
                r#""event_type": "search", "response_status": 200, "process_time": {}"#,
                [0.5, 2.0, 90.0, 5000.0][random.below(4)]
            ),
            2 => r#""event_type": "page_view", "path": "/api/log/dwell", "response_status": 200"#.to_owned(),
            _ => r#""event_type": "view", "path": "/products/1", "response_status": 200"#.to_owned(),
        });
        format!("{{{}}}\n", fields.join(", "))
    };
    (0..count).map(|number| line(number, random)).collect()
}

fn scanned(lines: &[String]) -> (Events, Tally) {
    let scanned = scan_bytes(lines.concat().as_bytes(), &Settings::default());
    let total = scanned.total();
    assert_eq!(total.events, lines.len() as u64);
    (Events { columns: scanned.columns, rows: scanned.rows }, total)
}

/// Each event's derived columns, by the event's number.
fn said(events: &Events) -> Vec<(i64, String)> {
    let row = |row: usize| {
        let texts = events.texts("visitor_id").get(row).map(str::to_owned);
        let paired = events.booleans("paired").get(row);
        let (first, number) =
            (events.times("visitor_first_seen").get(row), events.integers("session_number").get(row));
        (events.integers("user_id").values[row], format!("{texts:?} {paired:?} {first:?} {number:?}"))
    };
    let mut said: Vec<_> = (0..events.rows).map(row).collect();
    said.sort();
    said
}

/// What all events together say.
fn together(lines: &[String]) -> Vec<(i64, String)> {
    let (mut events, _) = scanned(lines);
    let wanted = Wanted::of(SETTLED);
    derive(&mut events, wanted);
    derive_of_visitors(&mut events, wanted, Sessions::DEFAULT);
    said(&events)
}

/// What the store says.
fn stored(folder: &Path) -> Vec<(i64, String)> {
    let store = Store::open(folder).unwrap();
    let names: Vec<&'static str> = SETTLED.into_iter().chain(["user_id"]).collect();
    let mut all = Vec::new();
    for (&day, files) in &store.manifest.days {
        for part in &files.parts {
            all.extend(said(&store.read(day, part, &names, None).unwrap()));
        }
    }
    all.sort();
    all
}

#[test]
fn events_in_any_order_of_runs_say_what_all_together_say() {
    let mut random = Random(41);
    let (mut late, mut several) = (0, 0);
    for case in 0..250 {
        let count = 2 + random.below(80);
        let mut all = lines(count, &mut random);
        if random.below(3) > 0 {
            // In order of time, as logs mostly are: those without one anywhere.
            all.sort_by_key(|line| line.split_once("\"timestamp\"").map(|(_, rest)| rest[..24].to_owned()));
            for _ in 0..random.below(4) {
                let (from, to) = (random.below(all.len()), random.below(all.len()));
                all.swap(from, to);
                late += 1;
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let mut at = 0;
        while at < all.len() {
            let next = (at + 1 + random.below(30)).min(all.len());
            let (events, tally) = scanned(&all[at..next]);
            let mut writer = Writer::open(folder.path(), "Asia/Seoul", &[]).unwrap();
            writer.add(events, Vec::new(), &tally).unwrap();
            at = next;
            if random.below(6) == 0 {
                assert_eq!(
                    stored(folder.path()),
                    together(&all[..at]),
                    "case {case}, {at} of {}",
                    all.concat()
                );
            }
            several += 1;
        }
        assert_eq!(stored(folder.path()), together(&all), "case {case}: {}", all.concat());
        assert_eq!(Store::open(folder.path()).unwrap().verify(), Vec::<String>::new());
    }
    assert!(late > 100 && several > 400, "{late} {several}: the cases are too easy");
}

#[test]
fn a_day_in_many_files_becomes_one_and_says_the_same() {
    let mut random = Random(42);
    let all = lines(60, &mut random);
    let folder = tempfile::tempdir().unwrap();
    for line in &all {
        let (events, tally) = scanned(std::slice::from_ref(line));
        Writer::open(folder.path(), "Asia/Seoul", &[]).unwrap().add(events, Vec::new(), &tally).unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert!(store.manifest.days.values().all(|files| files.parts.len() < 16));
    }
    assert_eq!(stored(folder.path()), together(&all));
    let several = |store: &Store| store.manifest.days.values().filter(|files| files.parts.len() > 1).count();
    assert!(several(&Store::open(folder.path()).unwrap()) > 0);
    Writer::existing(folder.path()).unwrap().compact().unwrap();
    assert_eq!(several(&Store::open(folder.path()).unwrap()), 0);
    assert_eq!(stored(folder.path()), together(&all));
}

/// A line of a day at a minute, at client x or another, under an id.
fn seen(number: usize, day: usize, minute: usize, client: &str, id: &str, event_type: &str) -> String {
    format!(
        "{{\"user_id\": {number}, \"timestamp\": \"2025-03-{day}T10:{minute:02}:00\", \"ip_address\": \"{client}\", \"user_agent\": \"u\", \
         \"session_id\": \"{id}\", \"event_type\": \"{event_type}\", \"path\": \"/\", \"response_status\": 200}}\n"
    )
}

/// Each of these runs, one after the other, says what all lines until then say together.
fn run_by_run(runs: &[Vec<String>]) {
    let folder = tempfile::tempdir().unwrap();
    let mut all = Vec::new();
    for (number, run) in runs.iter().enumerate() {
        let (events, tally) = scanned(run);
        let mut writer = Writer::open(folder.path(), "Asia/Seoul", &[]).unwrap();
        writer.add(events, Vec::new(), &tally).unwrap();
        all.extend(run.iter().cloned());
        assert_eq!(stored(folder.path()), together(&all), "run {number}");
    }
}

#[test]
fn an_id_that_a_client_showed_days_ago_is_not_new_behind_a_log_out() {
    let first = vec![seen(0, 10, 0, "x", "id-a", "view")];
    // Whoever is new here has no earlier day in which another name would show.
    let log_out = vec![
        seen(1, 14, 0, "x", "id-b", "view"),
        seen(2, 14, 1, "x", "id-b", "logout"),
        seen(3, 14, 5, "x", "id-a", "view"),
    ];
    run_by_run(&[first, log_out]);
}

#[test]
fn a_late_line_undoes_a_join_of_days_after_it() {
    let first = vec![seen(0, 10, 0, "x", "id-b", "view")];
    let log_out = vec![seen(1, 14, 0, "x", "id-b", "logout"), seen(2, 14, 5, "x", "id-a", "view")];
    let later = vec![seen(3, 16, 5, "x", "id-a", "view")];
    let late = vec![seen(4, 12, 0, "x", "id-a", "view")];
    run_by_run(&[first, log_out, later, late]);
}

#[test]
fn who_was_somebody_else_before_is_renamed_in_all_days() {
    // id-a and id-b are met at clients of their own for days before a log-out says that they are one.
    let before = vec![
        seen(0, 10, 0, "x", "id-b", "view"),
        seen(1, 11, 0, "y", "id-a", "view"),
        seen(2, 12, 0, "y", "id-a", "search"),
    ];
    let log_out = vec![seen(3, 14, 0, "x", "id-b", "logout"), seen(4, 14, 5, "x", "id-a", "view")];
    // And then one who came before either.
    let late = vec![seen(5, 9 + 1, 30, "z", "id-c", "logout"), seen(6, 10, 40, "z", "id-a", "view")];
    run_by_run(&[before, log_out, late]);
}
