//! With little memory rows go to temporary files, and the answers are those of plenty, to the byte: for every report, every
//! type of column, any number of threads, and however many pieces the rows are written in.

mod joined;
mod traces;

use crate::harness::{Output, REPORTS, folder_with, program, run, sample_lines, shop, stdout, text};
use loganalyze::input::{Logs, find};
use loganalyze::scan::{Progress, Settings, scan, wanted::Wanted};
use parquet::file::reader::{FileReader, SerializedFileReader};
use std::path::Path;

/// How little: every chunk's rows go to the files at once, or (of chunks of a few lines) many of them together.
const LIMITS: [&[&str]; 3] = [
    &["--memory-limit", "6", "--threads", "1"],
    &["--memory-limit", "4kB", "--threads", "2", "--chunk-bytes", "30000"],
    &["--memory-limit", "0.3MiB", "--threads", "4", "--chunk-bytes", "5000"],
];

/// Besides those of the harness.
const MORE_REPORTS: [&[&str]; 13] = [
    &["funnel", "--by", "user"],
    &["funnel", "--by", "session", "--window", "1h"],
    &["quality"],
    &["funnel", "--strict-order", "--exclude", "page = '/cart'", "--entry", "first"],
    &["funnel", "--breakdown", "referrer_host", "--by", "session"],
    &["funnel", "--lost-after", "cart", "--breakdown", "weekday", "--top", "0"],
    &["report", "--only", "funnel,event-counts", "--format", "table"],
    &["events", "--columns", "all"],
    &["events", "--where", "paired", "--order", "oldest", "--top", "0"],
    &["run", "examples/abandoned-carts.sql", "--min-visitors", "1"],
    &["compare", "product-views", "--metric", "all", "--top", "0"],
    &["compare", "funnel", "--since", "2025-03-12", "--until", "2025-03-13", "--by", "session"],
    &["compare", "hourly-activity", "--with", "2025-03-10..2025-03-11"],
];

const QUERIES: [&str; 7] = [
    "SELECT COUNT(*) AS n FROM events",
    "SELECT visitor_id, COUNT(*) AS n FROM events GROUP BY visitor_id ORDER BY n DESC, visitor_id NULLS LAST",
    "SELECT session_number, COUNT(DISTINCT visitor_id) AS visitors, MIN(timestamp) AS first FROM events \
     GROUP BY session_number ORDER BY session_number NULLS LAST",
    "SELECT visitor_id, session_number, timestamp, kind, path, paired FROM events WHERE session_number > 1 \
     ORDER BY visitor_id, session_number, timestamp, kind, path NULLS LAST, paired",
    "SELECT args, form, COUNT(*) AS n FROM events GROUP BY args, form ORDER BY args NULLS LAST, form NULLS LAST",
    "SELECT event_date, MAX(process_time) AS slowest, MIN(product_price) AS cheapest, COUNT(is_new_item) AS n \
     FROM events GROUP BY event_date ORDER BY event_date NULLS LAST",
    "SELECT event_type FROM events WHERE event_type = 'there is none'",
];

/// What a run says on standard error without the time that it took.
fn said(output: &Output) -> String {
    let timeless = |line: &str| match (line.split_once(" in "), line.split_once(" GB/s)")) {
        (Some((before, _)), Some((_, after))) => format!("{before}{after}"),
        _ => line.to_owned(),
    };
    output.stderr.lines().map(timeless).collect::<Vec<_>>().join("\n")
}

/// The words of this question about these inputs must have the same answer under each of these limits.
fn alike(question: &[&str], inputs: &[&str], limits: &[&[&str]]) {
    let words = [question, inputs].concat();
    let expected = run(&words);
    assert_eq!(expected.code, 0, "{words:?}: {}", expected.stderr);
    for limit in limits {
        let found = run([&words, *limit].concat());
        assert_eq!(found.code, 0, "{words:?} {limit:?}: {}", found.stderr);
        let (lines, wanted) = (found.stdout.lines(), expected.stdout.lines());
        if let Some((found, expected)) = lines.zip(wanted).find(|(found, expected)| found != expected) {
            panic!("{words:?} {limit:?}:\n   found {found}\nexpected {expected}");
        }
        assert_eq!(found.stdout, expected.stdout, "{words:?} {limit:?}");
        assert_eq!(said(&found), said(&expected), "{words:?} {limit:?}");
    }
}

/// Whether a scan of one column of numbers, the least that any report reads, would keep its rows in temporary files.
fn spills(inputs: &[&str], bytes: usize, threads: usize, chunk_bytes: usize) -> bool {
    let inputs: Vec<String> = inputs.iter().map(|&input| input.to_owned()).collect();
    let files = find(&inputs, Logs::Activity).unwrap().activity;
    let mut settings = Settings { threads, chunk_bytes, row_bytes: Some(bytes / 6), ..Settings::default() };
    settings.rows.wanted = Wanted::of(["epoch_us", "timestamp"]);
    let scanned = scan(&files, &settings, &Progress::default()).unwrap();
    let spilled = scanned.spilled.inspect(|spill| {
        assert_eq!(spill.rows(), scanned.rows);
        assert!(scanned.columns.is_empty());
    });
    spilled.is_some()
}

#[test]
fn limits_of_a_few_kilobytes_send_rows_to_files_and_great_ones_do_not() {
    let sample = crate::harness::root().join("sample_logs");
    let sample = [text(&sample)];
    for (bytes, threads, chunk) in [(6, 1, 1 << 20), (4000, 2, 30_000), (4000, 1, 64), (4000, 4, 1 << 20)] {
        assert!(spills(&sample, bytes, threads, chunk), "{bytes} {threads} {chunk}");
    }
    assert!(!spills(&sample, 100_000_000, 4, 5000));
}

#[test]
fn reports_over_the_sample_logs() {
    for question in REPORTS {
        alike(question, &["sample_logs"], &LIMITS);
    }
}

#[test]
fn more_reports_over_the_sample_logs() {
    for question in MORE_REPORTS {
        alike(question, &["sample_logs"], &LIMITS);
    }
}

#[test]
fn sql_over_the_sample_logs() {
    for query in QUERIES {
        alike(&["sql", query], &["sample_logs"], &LIMITS);
    }
}

#[test]
fn the_whole_file_may_be_one_piece_or_each_line_a_piece() {
    let folder = folder_with(&[("user_activity.log", &sample_lines().concat())]);
    let one: &[&str] = &["--memory-limit", "6", "--threads", "1", "--chunk-bytes", "9000000"];
    let each: &[&str] = &["--memory-limit", "6", "--threads", "2", "--chunk-bytes", "64"];
    for question in [&["product-views"][..], MORE_REPORTS[1], MORE_REPORTS[2]] {
        alike(question, &[text(folder.path())], &[one, each]);
    }
}

/// Each line so often that a part has many rows of each value: then groups are made part by part.
#[test]
fn groups_that_are_made_part_by_part() {
    let often = sample_lines().iter().map(|line| line.repeat(20)).collect::<Vec<_>>().concat();
    let folder = folder_with(&[("user_activity.log", &often)]);
    let logs = [text(folder.path())];
    let limits: [&[&str]; 2] =
        [&["--memory-limit", "1MB", "--threads", "2"], &["--memory-limit", "100kB", "--threads", "1"]];
    assert!(spills(&logs, 1_000_000, 2, 1 << 20));
    for question in [
        &["event-counts", "--format", "table"][..],
        &["event-counts", "--format", "table", "--bots", "exclude"],
        &["hourly-activity", "--top", "0", "--since", "2025-03-11", "--until", "2025-03-13T12:00"],
        &["report", "--only", "event-counts,hourly-activity", "--format", "markdown"],
        &[
            "sql",
            "SELECT method, COUNT(*) AS n, MIN(user_id) AS u FROM events GROUP BY method ORDER BY method NULLS LAST",
        ],
    ] {
        alike(question, &logs, &limits);
    }
}

/// What all questions together have no room for, each of them may: from a limit that gives none of them room to one that gives
/// it to all.
#[test]
fn questions_that_take_their_columns_one_by_one() {
    let often = sample_lines().iter().map(|line| line.repeat(5)).collect::<Vec<_>>().concat();
    let folder = folder_with(&[("user_activity.log", &often)]);
    let logs = [text(folder.path())];
    for (limit, threads) in
        [("1MB", "1"), ("2MB", "2"), ("4MB", "4"), ("8MB", "2"), ("12MB", "2"), ("16MB", "1")]
    {
        let limit: &[&str] = &["--memory-limit", limit, "--threads", threads];
        for question in [
            &["report", "--format", "markdown", "--top", "0"][..],
            &["product-views", "--format", "table", "--bots", "exclude", "--since", "2025-03-11"],
            &["funnel", "--until", "2025-03-13", "--hash-pii", "--top", "0"],
            &["events", "--product", "1", "--top", "0"],
            &["sql", QUERIES[3]],
            &["sql", QUERIES[6]],
            &["sql", QUERIES[0]],
        ] {
            alike(question, &logs, &[limit]);
        }
    }
}

#[test]
fn the_week_of_the_real_shop() {
    let Some(shop) = shop() else { return };
    let logs = shop.join("logs");
    assert!(spills(&[text(&logs)], 100_000, 1, 1 << 20));
    let limits: [&[&str]; 3] = [
        &["--memory-limit", "100kB", "--threads", "1"],
        &["--memory-limit", "2MB", "--threads", "2"],
        &["--memory-limit", "100kB", "--threads", "4"],
    ];
    // Some of the questions, and all of them, take their columns one by one.
    let more: [&[&str]; 2] =
        [&["--memory-limit", "9MB", "--threads", "2"], &["--memory-limit", "30MB", "--threads", "2"]];
    alike(&["report", "--format", "markdown", "--top", "0"], &[text(&logs)], &more);
    alike(&["report", "--format", "markdown", "--top", "0"], &[text(&logs)], &limits);
    alike(&["funnel", "--by", "session"], &[text(&logs)], &limits[1..]);
    alike(&["quality"], &[text(&logs)], &limits[2..]);
    alike(&["sql", QUERIES[3]], &[text(&logs)], &limits[..1]);
}

#[test]
fn which_file_has_the_paired_line_of_equal_ones() {
    let line = |client: usize, second: usize, more: &str| {
        format!(
            "{{\"timestamp\": \"2025-03-12T10:00:0{second}\", \"ip_address\": \"10.0.0.{client}\", \"event_type\": \"search\"{more}}}\n"
        )
    };
    let request =
        |took: &str| format!(r#", "method": "GET", "response_status": 200, "process_time": {took}"#);
    let mut files = [const { String::new() }; 4];
    for at in 0..400 {
        let (client, second) = (at % 3, at % 2);
        // Null and 0 are the same time, but not the same line.
        files[at % 4] += &line(client, second, &request(["0", "null"][at / 4 % 2]));
        if at % 5 == 0 {
            files[(at + 1) % 4] += &line(client, second, "");
        }
    }
    let named: Vec<(String, &[u8])> = files
        .iter()
        .enumerate()
        .map(|(at, log)| (format!("user_activity.log.{at}"), log.as_bytes()))
        .collect();
    let named: Vec<(&str, &[u8])> = named.iter().map(|(name, log)| (name.as_str(), *log)).collect();
    let folder = folder_with(&named);
    alike(&["quality"], &[text(folder.path())], &LIMITS);
    let small: &[&str] = &["--memory-limit", "6", "--chunk-bytes", "300", "--threads", "2"];
    alike(&["quality"], &[text(folder.path())], &[small]);
}

#[test]
fn a_part_of_the_time_and_no_time_at_all() {
    for range in [
        &["--since", "2025-03-11", "--until", "2025-03-13T12:00"][..],
        &["--since", "2025-03-13"],
        &["--since", "2031-01-01"],
    ] {
        for question in [&["product-views"][..], &["funnel", "--by", "session"], &["sql", QUERIES[1]]] {
            alike(&[question, range].concat(), &["sample_logs"], &LIMITS[1..2]);
        }
        // Without neighbours, events are left out while scanning.
        alike(&[&["sql", QUERIES[5]], range].concat(), &["sample_logs"], &LIMITS[..2]);
    }
}

#[test]
fn hashed_addresses_and_names() {
    let answer = |query: &str, limit: &[&str]| {
        let words = [&["sql", query, "sample_logs", "--hash-pii"], limit].concat();
        let output = program().args(words).env("LOGANALYZE_PII_KEY", "a key").output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let people = "SELECT visitor_id, ip_address, client, session_id, username_attempt, COUNT(*) AS n FROM events \
                  GROUP BY visitor_id, ip_address, client, session_id, username_attempt \
                  ORDER BY visitor_id NULLS LAST, ip_address NULLS LAST, client NULLS LAST, session_id NULLS LAST, \
                  username_attempt NULLS LAST, n";
    for query in [people, QUERIES[3]] {
        let expected = answer(query, &[]);
        assert!(expected.lines().count() > 20);
        assert_ne!(expected, stdout(["sql", query, "sample_logs"]));
        for limit in LIMITS {
            assert_eq!(answer(query, limit), expected, "{limit:?}");
        }
    }
}

/// Lines that have every type of value, present, null, missing and repeated, and texts of every alphabet.
fn manifold_lines() -> Vec<u8> {
    let texts = [
        "",
        "a",
        "니트 스웨터",
        "😀 \\ud83d\\ude00",
        "\\u0000\\ud800",
        "=1+1",
        "line\\nbreak, \\\"x\\\"",
        "é",
    ];
    let mut out = Vec::new();
    for at in 0..600usize {
        let word = texts[at % texts.len()];
        let object = match at % 5 {
            0 => "null".to_owned(),
            1 => "{}".to_owned(),
            2 => format!(r#"{{"q": "{word}", "password": "secret {at}"}}"#),
            3 => format!(r#"{{"q": ["{word}", null, {{"deep": {}}}], "token": 1}}"#, at % 4),
            _ => format!(r#"{{"{word}": "{at}"}}"#),
        };
        let (number, price) = ([i64::MIN, -1, 0, 70_000, i64::MAX][at % 5], [-0.0, 0.1, 1e300, -3.5][at % 4]);
        let mut fields = vec![
            format!(
                r#""timestamp": "{}-03-1{}T{:02}:00:00.{:06}""#,
                [1968, 2025][at % 2],
                at % 9,
                at % 24,
                at
            ),
            format!(r#""ip_address": "10.0.0.{}""#, at % 40),
            format!(r#""args": {object}"#),
            format!(r#""search_query": "{word}""#),
            format!(r#""user_id": {number}"#),
            format!(r#""product_price": {price}"#),
            format!(r#""is_new_item": {}"#, ["true", "false", "null"][at % 3]),
            r#""event_type": "cart_add""#.to_owned(),
        ];
        if at % 3 == 0 {
            fields.push(format!(r#""form": {object}, "form": {object}"#));
        }
        // Another one is missing in each line.
        fields.remove(at % 13 % fields.len());
        out.extend(format!("{{{}}}\n", fields.join(", ")).bytes());
    }
    out
}

#[test]
fn every_value_of_every_column_comes_back() {
    let folder = folder_with(&[
        ("user_activity-2025-03-10.log", &manifold_lines()),
        ("user_activity-2025-03-11.log", &sample_lines().concat()),
    ]);
    // In which order is nobody's promise.
    let rows = |limit: &[&str]| {
        let words = ["sql", "SELECT * FROM events", text(folder.path()), "--format", "ndjson"];
        let text = stdout([&words[..], limit].concat());
        let mut rows: Vec<String> = text.lines().map(str::to_owned).collect();
        rows.sort_unstable();
        rows
    };
    let expected = rows(&[]);
    assert!(expected.len() > 3000 && expected.iter().any(|row| row.contains("스웨터")));
    for limit in LIMITS {
        let found = rows(limit);
        if let Some((found, expected)) = found.iter().zip(&expected).find(|(found, row)| found != row) {
            panic!("{limit:?}:\n   found {found}\nexpected {expected}");
        }
        assert_eq!(found.len(), expected.len());
    }
    alike(&["sql", QUERIES[4]], &[text(folder.path())], &LIMITS);
}

/// The rows of a Parquet file, and what it says of itself without its command and the seconds that it took.
pub fn parquet(path: &Path) -> (Vec<String>, Vec<(String, String)>) {
    let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let rows = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
    let pairs = reader.metadata().file_metadata().key_value_metadata().cloned().unwrap_or_default();
    let about = pairs.into_iter().filter(|pair| pair.key != "loganalyze.command").map(|pair| {
        let value = pair.value.unwrap_or_default();
        let timeless = value.split(r#""seconds":"#).next().unwrap().to_owned();
        (pair.key, timeless)
    });
    (rows, about.collect())
}

#[test]
fn files_hold_the_same_rows_and_say_the_same_of_themselves() {
    let folder = tempfile::tempdir().unwrap();
    for question in [&["product-views"][..], &["funnel", "--since", "2025-03-12"], &["sql", QUERIES[6]]] {
        for ending in ["parquet", "csv"] {
            let write = |name: &str, limit: &[&str]| {
                let path = folder.path().join(name).with_extension(ending);
                stdout([question, &["sample_logs", "-o", text(&path)], limit].concat());
                path
            };
            let expected = write("plenty", &[]);
            for limit in &LIMITS[..2] {
                let found = write("little", limit);
                if ending == "csv" {
                    assert_eq!(std::fs::read(&found).unwrap(), std::fs::read(&expected).unwrap());
                    continue;
                }
                let (found, expected) = (parquet(&found), parquet(&expected));
                assert_eq!(found, expected, "{question:?} {limit:?}");
                assert!(
                    found.1.iter().any(|(key, at)| key == "loganalyze.last_event" && at.starts_with("2025"))
                );
            }
        }
    }
}

#[test]
fn lines_are_accounted_for_in_the_same_way() {
    let folder = tempfile::tempdir().unwrap();
    let [summary, rejects] = ["summary.json", "rejects.ndjson"].map(|name| folder.path().join(name));
    let files = || {
        let mut account: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&summary).unwrap()).unwrap();
        account.as_object_mut().unwrap().remove("seconds");
        let rejected = std::fs::read_to_string(&rejects).unwrap();
        [&summary, &rejects].iter().for_each(|path| std::fs::remove_file(path).unwrap());
        (account, rejected)
    };
    for (limit, code) in [("10%", 0), ("7", 3)] {
        let words = ["event-counts", "sample_logs", "--max-rejects", limit];
        let more = ["--summary", text(&summary), "--rejects", text(&rejects)];
        let words = [&words[..], &more].concat();
        let expected = run(&words);
        let expected_files = files();
        assert_eq!((expected.code, expected_files.1.lines().count()), (code, 8));
        for limit in LIMITS {
            let found = run([&words, limit].concat());
            assert_eq!((found.code, &found.stdout), (code, &expected.stdout));
            assert_eq!(said(&found), said(&expected));
            assert_eq!(files(), expected_files);
        }
    }
}

#[test]
fn nonsense_is_no_size() {
    for size in ["lots", "0", "12XB", "1.2.3MB", "MB"] {
        let output = run(["event-counts", "sample_logs", "--memory-limit", size]);
        assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{size}");
        assert!(output.stderr.contains("512MB"), "{size}: {}", output.stderr);
    }
    assert_eq!(run(["event-counts", "sample_logs", "--memory-limit=-1MB"]).code, 2);
}
