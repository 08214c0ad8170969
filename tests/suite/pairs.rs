//! Which requests are paired must depend on nothing but the lines: not on the columns that are read, on the order of lines, on
//! memory, nor on whether the lines come from logs or, run by run, from a store.

use crate::harness::{Random, folder_with, stdout, text};
use std::path::Path;

/// Reports that look at different columns.
const REPORTS: [&str; 7] =
    ["event-counts", "search-terms", "categories", "product-views", "cart", "hourly-activity", "sessions"];

/// What these reports say together, with these words.
fn report(names: &[&str], words: &[&str]) -> String {
    let names = names.join(",");
    let report = ["report", "--format", "markdown", "--top", "0", "--bots", "include", "--only", &names];
    stdout([&report[..], words].concat())
}

/// Searches and cart additions of which several have the same times, and fewer actions than requests.
fn lines(count: usize, random: &mut Random) -> Vec<Vec<u8>> {
    let line = |random: &mut Random| {
        let head = format!(
            r#""timestamp": "2025-03-12T10:{:02}:0{}", "ip_address": "10.0.0.{}""#,
            random.below(3),
            random.below(2),
            random.below(2),
        );
        let agent = *random.pick(&["", r#", "user_agent": null"#, r#", "user_agent": """#]);
        let took = *random.pick(&["0.5", "0.5", "1.5"]);
        let request =
            format!(r#""method": "GET", "path": "/s", "response_status": 200, "process_time": {took}"#);
        let (term, category, product) = (random.below(4), random.below(3), random.below(3));
        let session = *random.pick(&["no_session", "id-a", "id-b", "id-c"]);
        let rest = match random.below(6) {
            0 => format!(r#""event_type": "search", "search_query": "term {term}""#),
            1 => format!(r#""event_type": "cart_add", "product_id": {product}"#),
            2 | 3 => format!(
                r#""event_type": "search", {request}, "search_query": "term {term}", "args": {{"category": "{category}"}}"#
            ),
            4 => format!(
                r#""event_type": "cart_add", {request}, "user_id": 7, "entity_type": "product", "entity_id": {product}"#
            ),
            _ => format!(
                r#""event_type": "view", {request}, "entity_type": "product", "entity_id": {product}"#
            ),
        };
        format!("{{{head}{agent}, \"session_id\": \"{session}\", {rest}}}\n").into_bytes()
    };
    (0..count).map(|_| line(random)).collect()
}

fn ingested(logs: &Path, store: &Path, memory: &str) {
    stdout(["ingest", text(logs), "--store", text(store), "--quiet", "--memory-limit", memory]);
}

#[test]
fn a_report_alone_says_what_it_says_among_others() {
    let mut random = Random(61);
    for case in 0..6 {
        let lines = lines(20 + random.below(300), &mut random);
        let logs = folder_with(&[("user_activity.log", &lines.concat())]);
        let together = report(&REPORTS, &[text(logs.path())]);
        for name in REPORTS {
            let alone = report(&[name], &[text(logs.path())]);
            assert!(together.contains(&alone), "case {case}:\n{alone}\nand together\n{together}");
        }
    }
}

#[test]
fn the_order_of_lines_and_where_they_are_kept_make_no_difference() {
    let mut random = Random(62);
    for case in 0..6 {
        let lines = lines(20 + random.below(300), &mut random);
        let name = *random.pick(&REPORTS);
        let logs = folder_with(&[("user_activity.log", &lines.concat())]);
        let expected = report(&[name], &[text(logs.path())]);
        let backwards: Vec<u8> = lines.iter().rev().flatten().copied().collect();
        let other = folder_with(&[("user_activity.log", &backwards)]);
        assert_eq!(report(&[name], &[text(other.path())]), expected, "case {case}");
        let little = [text(other.path()), "--memory-limit", "1"];
        assert_eq!(report(&[name], &little), expected, "case {case}, with little memory");
        let lake = tempfile::tempdir().unwrap();
        // Run by run, each with lines that stand beside those of the runs before.
        let store = lake.path().join("lake");
        for (number, run) in lines.chunks(lines.len() / 3 + 1).rev().enumerate() {
            let name = format!("user_activity-{number}.log");
            let logs = folder_with(&[(&name, &run.concat())]);
            ingested(logs.path(), &store, if case % 2 == 0 { "1GB" } else { "1" });
        }
        let found = report(&[name], &["--store", text(&store)]);
        assert_eq!(found, expected, "case {case}, {name} of the store");
    }
}

#[test]
fn files_count_the_paired_lines_that_all_columns_tell() {
    let search = |rest: &str| {
        let head = r#""timestamp": "2025-03-10T10:00:06", "ip_address": "10.0.0.1", "event_type": "search""#;
        format!("{{{head}{rest}}}\n")
    };
    let request = |term: &str| {
        let rest = r#", "method": "GET", "response_status": 200, "process_time": 0.5"#;
        search(&format!(r#"{rest}, "search_query": "{term}""#))
    };
    let action = search("");
    for (one, other, paired) in [("a", "b", ["1", "0"]), ("b", "a", ["0", "1"])] {
        let files = [
            ("user_activity-2025-03-10.log", request(one) + &action),
            ("user_activity-2025-03-11.log", request(other)),
        ];
        let logs = folder_with(&[(files[0].0, files[0].1.as_bytes()), (files[1].0, files[1].1.as_bytes())]);
        for words in [&[][..], &["--memory-limit", "1"]] {
            let csv = stdout([&["quality", text(logs.path()), "--format", "csv"], words].concat());
            let column = csv.lines().next().unwrap().split(',').position(|name| name == "paired_lines");
            let rows = csv.lines().skip(1).map(|row| row.split(',').nth(column.unwrap()).unwrap());
            assert_eq!(rows.collect::<Vec<_>>(), paired, "{words:?}: {csv}");
        }
    }
}
