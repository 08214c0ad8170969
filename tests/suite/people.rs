//! Who counts as a person and what as a visit: `--bots`, `--gap`, `--split-midnight`.

use crate::harness::{folder_with, run, stdout, text};
use tempfile::TempDir;

const CRAWLER: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

/// Page views at these times, as `(time, visitor, user agent)`.
fn log(views: &[(&str, &str, &str)]) -> TempDir {
    let line = |(time, visitor, agent): &(&str, &str, &str)| {
        format!(
            r#"{{"timestamp": "2025-03-{time}", "session_id": "{visitor:0>32}", "event_type": "page_view", "method": "GET", "path": "/", "response_status": 200, "ip_address": "10.0.0.1", "user_agent": "{agent}"}}"#
        ) + "\n"
    };
    folder_with(&[("user_activity.log", views.iter().map(line).collect::<String>().as_bytes())])
}

#[test]
fn programs_are_counted_left_out_or_looked_at_alone() {
    let folder = log(&[
        ("10T09:00:00", "a1", "Mozilla/5.0"),
        ("10T09:01:00", "b2", CRAWLER),
        ("10T09:02:00", "b2", CRAWLER),
        ("11T09:00:00", "c3", "curl/8.0"),
    ]);
    let logs = text(folder.path());
    for (how, more, lines, note) in [
        ("include", &[][..], 4, Some("bots: 3 of 4 events are by programs; --bots exclude leaves them out")),
        ("exclude", &[], 1, Some("bots: 3 of 4 events are by programs and were left out")),
        ("only", &[], 3, Some("bots: only the 3 of 4 events that are by programs")),
        ("include", &["--until", "2025-03-10T09:00:30"], 1, None),
        ("only", &["--since", "2025-03-11"], 1, Some("bots: only the 1 of 1 events that are by programs")),
        // Little memory changes nothing.
        (
            "exclude",
            &["--memory-limit", "6"],
            1,
            Some("bots: 3 of 4 events are by programs and were left out"),
        ),
    ] {
        let words = [&["event-counts", logs, "--format", "table", "--bots", how], more].concat();
        let table = stdout(&words);
        assert_eq!(
            table.lines().nth(2).unwrap().split_whitespace().nth(1),
            Some(&*lines.to_string()),
            "{table}"
        );
        assert_eq!(table.lines().find(|line| line.starts_with("bots")), note, "{words:?}");
        let sql = ["sql", "SELECT COUNT(*) AS n FROM events", logs, "--bots", how];
        assert_eq!(stdout([&sql, more].concat()), format!("n\n{lines}\n"), "{words:?}");
    }
}

#[test]
fn a_session_ends_with_a_pause_and_if_asked_at_midnight() {
    let folder = log(&[
        ("10T23:40:00", "a1", "x"),
        ("10T23:59:00", "a1", "x"),
        ("11T00:10:00", "a1", "x"),
        ("11T00:40:00", "a1", "x"),
        ("11T01:10:00.000001", "a1", "x"),
    ]);
    let query = "SELECT timestamp, session_number AS s FROM events ORDER BY timestamp";
    for (options, expected) in [
        (&[][..], [1, 1, 1, 1, 2]),
        (&["--split-midnight"], [1, 1, 2, 2, 3]),
        (&["--gap", "15m"], [1, 2, 2, 3, 4]),
        (&["--gap", "1h"], [1, 1, 1, 1, 1]),
        (&["--gap", "15m", "--memory-limit", "6"], [1, 2, 2, 3, 4]),
    ] {
        let found = stdout([&["sql", query, text(folder.path())], options].concat());
        let found: Vec<i32> =
            found.lines().skip(1).map(|row| row.split(',').next_back().unwrap().parse().unwrap()).collect();
        assert_eq!(found, expected, "{options:?}");
    }
    let wrong = run(["event-counts", text(folder.path()), "--gap", "soon"]);
    assert_eq!((wrong.code, wrong.stderr.contains("'soon' is no duration")), (2, true), "{}", wrong.stderr);
}

#[test]
fn a_visitor_who_came_before_the_period_is_not_new_in_it() {
    let folder = log(&[("10T09:00:00", "a1", "x"), ("12T09:00:00", "a1", "x"), ("12T10:00:00", "b2", "x")]);
    let query = "SELECT timestamp, visitor_first_seen AS first FROM events ORDER BY timestamp";
    let found = stdout(["sql", query, text(folder.path()), "--since", "2025-03-12"]);
    assert_eq!(
        found,
        "timestamp,first\n2025-03-12T09:00:00,2025-03-10T09:00:00\n2025-03-12T10:00:00,2025-03-12T10:00:00\n"
    );
}

#[test]
fn a_session_that_began_before_the_period_is_none_in_it() {
    let folder = log(&[
        ("10T23:50:00", "a1", "x"),
        ("10T23:55:00", "a1", "x"),
        ("11T00:05:00", "a1", "x"),
        ("11T00:10:00", "b2", "y"),
        ("11T09:00:00", "a1", "x"),
        ("12T09:00:00", "a1", "x"),
    ]);
    let lake = tempfile::tempdir().unwrap();
    assert_eq!(
        run(["ingest", text(folder.path()), "--store", text(lake.path()), "--max-rejects", "0"]).code,
        0
    );
    let range = ["--since", "2025-03-11", "--until", "2025-03-12"];
    let sources = [&[text(folder.path())][..], &["--store", text(lake.path())]];
    for source in sources {
        for more in [&[][..], &["--memory-limit", "6"], &["--gap", "20m"]] {
            let of = |report: &str| stdout([&[report], source, &range, more].concat());
            assert!(
                of("sessions").ends_with("\n2025-03-11,2,2,2,1.0,2,1.0,0.0,0.0\n"),
                "{source:?} {more:?}"
            );
            // Who came and what was shown is counted all the same.
            assert!(of("audience").ends_with("\n2025-03-11T00:00:00,2,1,0,2,3\n"), "{source:?} {more:?}");
            assert!(of("entry-exit").ends_with("\n/,2,2,2,2,1.0,2,1.0\n"), "{source:?} {more:?}");
            let several = ["report", "--only", "sessions,audience", "--format", "markdown"];
            let both = stdout([&several, source, &range, more].concat());
            assert!(
                both.contains("| 2025-03-11 | 2 |") || both.contains("2025-03-11 |        2 |"),
                "{both}"
            );
        }
        let compared = ["compare", "sessions", "--with", "previous", "--metric", "sessions"];
        let compared = stdout([&compared, source, &range].concat());
        assert!(compared.contains(",sessions,2,1,1,1.0"), "{compared}");
    }
    // A shorter pause ends the session before midnight.
    let apart = ["sessions", text(folder.path()), "--gap", "5m"];
    assert!(stdout([&apart[..], &range].concat()).contains("\n2025-03-11,3,"));
}

#[test]
fn weeks_begin_on_mondays_in_every_report() {
    // A Thursday, on which the epoch's weeks begin, a Sunday and a Monday.
    let folder = log(&[("13T09:00:00", "a1", "x"), ("16T09:00:00", "a1", "x"), ("17T09:00:00", "a1", "x")]);
    for report in ["audience", "traffic"] {
        let rows = stdout([report, text(folder.path()), "--every", "1w"]);
        let starts: Vec<&str> = rows.lines().skip(1).map(|row| &row[..10]).collect();
        assert_eq!(starts, ["2025-03-10", "2025-03-17"], "{report}");
    }
}
