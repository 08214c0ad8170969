//! Looking after a store: damage is found, old days and forgotten people are gone, and nothing else.

use super::ingested;
use crate::harness::{folder_with, rows, run, sample_lines, stdout, text};
use crate::invariance::DERIVED;
use crate::memory::parquet;
use std::fs;
use std::path::{Path, PathBuf};

/// The sample's logs in a store.
fn lake() -> (tempfile::TempDir, tempfile::TempDir) {
    let logs = folder_with(&[("user_activity.log", &sample_lines().concat())]);
    let lake = tempfile::tempdir().unwrap();
    ingested(logs.path(), lake.path());
    (logs, lake)
}

fn parts(lake: &Path) -> Vec<PathBuf> {
    let days = fs::read_dir(lake.join("events")).unwrap().map(|day| day.unwrap().path());
    let mut parts: Vec<PathBuf> =
        days.flat_map(|day| fs::read_dir(day).unwrap().map(|part| part.unwrap().path())).collect();
    parts.sort();
    parts
}

fn number(query: &str, from: &[&str]) -> i64 {
    let found = rows(&stdout([&["sql", query], from].concat()));
    found[1][0].parse().unwrap()
}

#[test]
fn every_damage_is_found() {
    let (_logs, lake) = lake();
    assert_eq!(run(["store", "verify", text(lake.path())]).code, 0);
    let part = &parts(lake.path())[0];
    let good = fs::read(part).unwrap();
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    for (bad, why) in [
        (Some(flipped), "its bytes are not those that were written"),
        (Some(good[..good.len() - 10].to_vec()), "bytes, not"),
        (None, "it is gone"),
    ] {
        match bad {
            Some(bad) => fs::write(part, bad).unwrap(),
            None => fs::remove_file(part).unwrap(),
        }
        let said = run(["store", "verify", text(lake.path())]);
        assert_eq!(said.code, 1);
        assert!(said.stdout.contains(text(part)) && said.stdout.contains(why), "{}", said.stdout);
        assert!(said.stderr.contains("1 thing wrong"), "{}", said.stderr);
    }
    let said = run(["event-counts", "--store", text(lake.path())]);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("store verify"), "{}", said.stderr);
}

#[test]
fn damage_is_not_written_anew() {
    let (logs, lake) = lake();
    let late = logs.path().join("late.log");
    let line =
        |day: usize| format!("{{\"timestamp\": \"2025-03-{day}T12:00:00\", \"event_type\": \"late\"}}\n");
    fs::write(&late, (10..15).map(line).collect::<String>()).unwrap();
    ingested(logs.path(), lake.path());
    let part = parts(lake.path()).into_iter().max_by_key(|part| fs::metadata(part).unwrap().len()).unwrap();
    let good = fs::read(&part).unwrap();
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    fs::write(&part, flipped).unwrap();
    let said = run(["store", "compact", text(lake.path())]);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("not those that were written"), "{}", said.stderr);
    assert_eq!(run(["store", "verify", text(lake.path())]).code, 1);
    fs::write(&part, good).unwrap();
    assert_eq!(run(["store", "compact", text(lake.path())]).code, 0);
    assert_eq!(run(["store", "verify", text(lake.path())]).code, 0);
}

#[test]
fn files_that_no_manifest_names_are_not_taken_for_rubbish() {
    let (logs, lake) = lake();
    let foreign = lake.path().join("events/event_date=2025-03-10/part-00000-6f2a-c000.snappy.parquet");
    fs::write(&foreign, b"another program's").unwrap();
    assert_eq!(run(["store", "compact", text(lake.path())]).code, 0);
    assert!(foreign.exists());
    let manifest = lake.path().join("manifest.json");
    let kept = fs::read(&manifest).unwrap();
    fs::remove_file(&manifest).unwrap();
    let before = walk(lake.path());
    let said = run(["ingest", text(logs.path()), "--store", text(lake.path())]);
    assert_eq!((said.code, walk(lake.path())), (1, before));
    assert!(said.stderr.contains("no manifest.json"), "{}", said.stderr);
    fs::write(&manifest, kept).unwrap();
    assert_eq!(run(["store", "verify", text(lake.path())]).code, 0);
}

#[test]
fn a_clock_that_was_wrong_once_makes_nothing_old() {
    let (logs, lake) = lake();
    let line = br#"{"timestamp": "2999-01-19T03:14:08", "event_type": "view"}"#;
    fs::write(logs.path().join("wrong.log"), line).unwrap();
    assert!(ingested(logs.path(), lake.path()).contains("1 new event"));
    let count = || number("SELECT COUNT(*) AS n FROM events", &["--store", text(lake.path())]);
    let all = count();
    // All is older than that, but for what is said to be of a day to come.
    let removed = run(["store", "prune", text(lake.path()), "--keep", "36500d"]);
    assert_eq!((removed.code, count()), (0, all));
    assert_eq!(run(["store", "prune", text(lake.path()), "--keep", "0d"]).code, 2);
    assert_eq!(count(), all);
}

#[test]
fn info_accounts_for_every_line() {
    let (logs, lake) = lake();
    let info = run(["store", "info", text(lake.path()), "--format", "csv"]);
    let days = rows(&info.stdout);
    assert_eq!(days[0][..3], ["event_date", "events", "files"]);
    let events: i64 = days[1..].iter().map(|day| day[1].parse::<i64>().unwrap()).sum();
    assert_eq!(events, number("SELECT COUNT(*) AS n FROM events", &[text(logs.path())]));
    let table = stdout(["store", "info", text(lake.path()), "--format", "table"]);
    assert!(table.contains("2,588 lines = 2,572 events + 8 rejects + 8 blank"), "{table}");
    // So does a file that was made of it.
    let file = lake.path().join("counts.parquet");
    stdout(["event-counts", "--store", text(lake.path()), "-o", text(&file)]);
    let (_, about) = parquet(&file);
    let accounting = &about.iter().find(|(key, _)| key == "loganalyze.accounting").unwrap().1;
    assert!(
        accounting.contains(r#""lines":2588"#) && accounting.contains(r#""ids_out_of_range":null"#),
        "{accounting}"
    );
}

#[test]
fn pruning_removes_old_days_only() {
    let (logs, lake) = lake();
    let all = number("SELECT COUNT(*) AS n FROM events", &["--store", text(lake.path())]);
    let since = ["--since", "2025-03-13"];
    let expected = stdout([&["event-counts", text(logs.path())], &since[..]].concat());
    let kept = number("SELECT COUNT(*) AS n FROM events", &[text(logs.path()), since[0], since[1]]);
    let prune = |words: &[&str]| run([&["store", "prune", text(lake.path())], words].concat());
    let dry = prune(&["--keep", "2d", "--dry-run"]);
    assert!(dry.stderr.contains("would be removed"), "{}", dry.stderr);
    assert_eq!(number("SELECT COUNT(*) AS n FROM events", &["--store", text(lake.path())]), all);
    assert_eq!(prune(&["--keep", "36h"]).code, 0);
    assert_eq!(
        number(
            "SELECT COUNT(*) AS n FROM events WHERE timestamp IS NOT NULL",
            &["--store", text(lake.path())]
        ),
        kept
    );
    assert_eq!(stdout([&["event-counts", "--store", text(lake.path())], &since[..]].concat()), expected);
    assert_eq!(run(["store", "verify", text(lake.path())]).code, 0);
    // The logs are still known: nothing comes back.
    let said = ingested(logs.path(), lake.path());
    assert!(said.contains("0 new events"), "{said}");
    assert!(prune(&[]).code == 2 && prune(&["--keep", "x"]).code == 2);
}

#[test]
fn who_is_forgotten_is_nowhere_and_all_others_are_as_they_were() {
    let (logs, lake) = lake();
    let from = ["--store", text(lake.path())];
    let user = number(
        "SELECT user_id, COUNT(*) AS n FROM events WHERE user_id IS NOT NULL GROUP BY user_id ORDER BY n DESC, user_id",
        &from,
    );
    let theirs = format!(
        "SELECT DISTINCT visitor_id FROM events WHERE user_id = {user} AND visitor_id IS NOT NULL ORDER BY visitor_id"
    );
    let visitors: Vec<String> = rows(&stdout([&["sql", &theirs][..], &from].concat()))[1..].concat();
    let names: Vec<String> = visitors.iter().map(|visitor| format!("'{visitor}'")).collect();
    let gone = format!("user_id = {user} OR (user_id IS NULL AND visitor_id IN ({}))", names.join(", "));
    let others = format!(
        "SELECT event_type, user_id, COUNT(*) AS n FROM events WHERE ({gone}) IS NOT TRUE GROUP BY event_type, user_id \
         ORDER BY event_type NULLS LAST, user_id NULLS LAST"
    );
    let expected = stdout(["sql", &others, text(logs.path())]);
    let count = format!("SELECT COUNT(*) AS n FROM events WHERE {gone}");
    let there = number(&count, &from);
    assert!(there > 10);
    let forget = |words: &[&str]| {
        run([&["store", "forget", text(lake.path()), "--user", &user.to_string()], words].concat())
    };
    let dry = forget(&["--dry-run"]);
    assert!(
        dry.stderr.contains(&format!("{there} events of")) && dry.stderr.contains("would be"),
        "{}",
        dry.stderr
    );
    assert_eq!(forget(&[]).code, 0);
    assert_eq!(number(&count, &from), 0);
    assert_eq!(stdout([&["sql", &others][..], &from].concat()), expected);
    assert_eq!(run(["store", "verify", text(lake.path())]).code, 0);
    let files =
        walk(lake.path()).into_iter().filter(|path| path.extension().is_some_and(|end| end == "parquet"));
    let rows = files.flat_map(|path| parquet(&path).0).collect::<Vec<String>>();
    assert!(visitors.iter().all(|visitor| rows.iter().all(|row| !row.contains(visitor))));
    // They would have been found.
    assert!(rows.iter().any(|row| row.contains("\"visitor\"")), "{:?}", rows.last());
    assert!(ingested(logs.path(), lake.path()).contains("0 new events"));
    assert_eq!(number(&count, &from), 0);
    assert_eq!(run(["store", "forget", text(lake.path())]).code, 2);
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn who_was_the_only_one_of_a_day_is_forgotten_as_if_never_there() {
    let view = |day: u32, user: u32| {
        format!(
            "{{\"timestamp\": \"2025-03-{day}T10:00:00\", \"event_type\": \"view\", \"session_id\": \"{}\", \"user_id\": {user}, \
             \"path\": \"/\", \"method\": \"GET\", \"response_status\": 200}}\n",
            "a".repeat(32)
        )
    };
    let [both, later] = [view(10, 7) + &view(12, 8), view(12, 8)]
        .map(|log| folder_with(&[("user_activity.log", log.as_bytes())]));
    let lake = tempfile::tempdir().unwrap();
    ingested(both.path(), lake.path());
    assert_eq!(run(["store", "forget", text(lake.path()), "--user", "7"]).code, 0);
    let said = "SELECT event_date, visitor_first_seen, session_number FROM events";
    let found = stdout(["sql", said, "--store", text(lake.path())]);
    assert_eq!(found, stdout(["sql", said, text(later.path())]));
    let verified = run(["store", "verify", text(lake.path())]);
    assert!(verified.code == 0 && verified.stderr.contains("1 event of 1 day"), "{}", verified.stderr);
    for words in [&["store", "compact"][..], &["store", "prune", "--keep", "1d"], &["store", "info"]] {
        assert_eq!(run([words, &[text(lake.path())]].concat()).code, 0, "{words:?}");
    }
    assert_eq!(found, stdout(["sql", said, "--store", text(lake.path())]));
}

#[test]
fn what_says_nothing_of_a_store_is_refused() {
    let (logs, lake) = lake();
    let (logs, lake) = (text(logs.path()), text(lake.path()));
    for (words, why) in [
        (&["event-counts", "--store", lake, "--strict"][..], "about lines of logs"),
        (&["event-counts", "--store", lake, "--max-rejects", "3"], "about lines of logs"),
        (&["event-counts", "--store", lake, "--rejects", "/tmp/none"], "about lines of logs"),
        (&["event-counts", "--store", lake, "--redact", "q"], "was made without it"),
        (&["ingest", logs, "--store", lake, "--since", "2025-03-12"], "give --since to the reports"),
        (&["ingest", logs, "--store", lake, "--gap", "5m"], "give --gap to the reports"),
        (&["ingest", logs, "--store", "~/lake"], "write the whole path"),
        (&["event-counts", logs, "--output=~/x.csv"], "write the whole path"),
        (&["report", logs, "-o", "out.html"], "names a file"),
    ] {
        let output = run(words);
        assert!(output.code == 2 && output.stderr.contains(why), "{words:?}: {}", output.stderr);
    }
    // A store in a store would be read by what reads the outer one.
    let inner = format!("{lake}/events");
    for words in [["event-counts", "--store", &inner], ["ingest", logs, &format!("--store={inner}")]] {
        let output = run(words);
        assert!(
            output.code == 1 && output.stderr.contains("is inside the store"),
            "{words:?}: {}",
            output.stderr
        );
    }
}

#[test]
fn other_settings_than_the_stores_are_refused() {
    let (logs, lake) = lake();
    let ingest =
        |words: &[&str]| run([&["ingest", text(logs.path()), "--store", text(lake.path())], words].concat());
    for (words, why) in [
        (&["--tz", "Europe/Berlin"][..], "was made with --tz Asia/Seoul"),
        (&["--redact", "q"], "was made without --redact"),
        (&["--hash-pii"], "give --hash-pii to the reports"),
    ] {
        let said = ingest(words);
        assert!(said.code != 0 && said.stderr.contains(why), "{}", said.stderr);
    }
    // What a report asks for is as free as over logs.
    for words in [
        &["--gap", "5m"][..],
        &["--split-midnight"],
        &["--bots", "exclude"],
        &["--since", "2025-03-12", "--until", "2025-03-13"],
        &["--memory-limit", "1MB"],
    ] {
        let of = |from: &[&str]| stdout([DERIVED, from, words].concat());
        assert!(of(&["--store", text(lake.path())]) == of(&[text(logs.path())]), "{words:?}");
    }
    // Keyed hashes, too, are the same from either.
    let of = |from: &[&str]| {
        let words = [&["sql", "SELECT ip_address, visitor_id, COUNT(*) AS n FROM events GROUP BY ip_address, visitor_id ORDER BY ip_address NULLS LAST, visitor_id NULLS LAST", "--hash-pii"], from].concat();
        let output = crate::harness::program().env("LOGANALYZE_PII_KEY", "k").args(words).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let hashed = of(&[text(logs.path())]);
    assert!(hashed.len() > 1000);
    assert!(of(&["--store", text(lake.path())]) == hashed);
    assert!(of(&["--store", text(lake.path()), "--memory-limit", "1MB"]) == hashed);
}

#[test]
fn what_is_left_begins_and_ends_where_it_does() {
    let (_logs, lake) = lake();
    let from = ["--store", text(lake.path())];
    let newest = "SELECT visitor_id FROM events WHERE visitor_id IS NOT NULL ORDER BY timestamp DESC, visitor_id LIMIT 1";
    let visitor = rows(&stdout([&["sql", newest][..], &from].concat()))[1][0].clone();
    let spans = || {
        let info = rows(&stdout(["store", "info", text(lake.path()), "--format", "csv"]));
        info[1..].iter().map(|day| [&day[0], &day[4], &day[5]].map(Clone::clone)).collect::<Vec<_>>()
    };
    let before = spans();
    assert_eq!(run(["store", "forget", text(lake.path()), "--visitor", &visitor]).code, 0);
    let of_events = "SELECT event_date, MIN(timestamp) AS first, MAX(timestamp) AS last FROM events WHERE timestamp IS NOT NULL \
                     GROUP BY event_date ORDER BY event_date";
    let expected = rows(&stdout([&["sql", of_events][..], &from].concat()));
    assert_eq!(spans().iter().map(|span| span.to_vec()).collect::<Vec<_>>(), expected[1..]);
    assert_ne!(spans(), before);
}
