//! `report`: several reports from one reading, each what its own command says.

use crate::harness::{Random, folder_with, is_of_system_logs, run, sample_lines, stdout, text};
use crate::memory::parquet;
use loganalyze::report;
use std::path::Path;

fn names() -> Vec<(String, String)> {
    let headers = report::all().unwrap().into_iter().map(|report| report.header);
    headers.filter(|header| header.variant_of.is_none()).map(|header| (header.name, header.title)).collect()
}

/// The names of those that are asked of user activity.
fn names_of_activity() -> Vec<String> {
    let asked = |(name, _): &(String, String)| !is_of_system_logs(&report::find(name).unwrap());
    names().into_iter().filter(asked).map(|(name, _)| name).collect()
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn on_the_terminal_each_report_stands_under_its_title() {
    for (format, mark) in [(&[][..], ""), (&["--format", "table"], ""), (&["--format", "markdown"], "## ")] {
        let printed = stdout([&["report", "sample_logs"], format].concat());
        let alone = if format.is_empty() { &["--format", "table"] } else { format };
        let one = |(name, title): &(String, String)| {
            // A report that shows all its rows alone shows some of them among others.
            let top = report::find(name).unwrap().header.top;
            let top = if top == 0 { 20 } else { top }.to_string();
            let table = stdout([&[name, "sample_logs", "--top", &top], alone].concat());
            format!("{mark}{name}: {title}\n\n{table}\n")
        };
        // (Not shown whole where it fails: it is long.)
        assert!(printed == names().iter().map(one).collect::<String>(), "{format:?}");
    }
    let all =
        stdout(["report", "sample_logs", "--top", "0", "--format", "table", "--only", "hourly-activity"]);
    assert!(all.ends_with(&format!("{}\n", stdout(["hourly-activity", "sample_logs", "--format", "table"]))));
    assert!(names().len() >= 4);
}

#[test]
fn each_file_of_the_folder_is_what_its_own_command_writes() {
    let folder = tempfile::tempdir().unwrap();
    let single = folder.path().join("single");
    for (format, ending, options) in [
        (&[][..], "csv", &[][..]),
        (&["--format", "csv"], "csv", &["--top", "3"]),
        (&["--format", "ndjson"], "ndjson", &["--since", "2025-03-12", "--top", "0"]),
        (&["--format", "markdown"], "md", &["--bots", "exclude", "--gap", "10m"]),
        (&["--format", "parquet"], "parquet", &["--until", "2025-03-13"]),
    ] {
        // The folder and those above it are made.
        let out = folder.path().join(format!("deep/{}", options.len())).join(ending);
        let words = [&["report", "sample_logs", "-o", text(&out)], format, options].concat();
        assert_eq!(stdout(&words), "");
        let mut expected: Vec<String> = names().iter().map(|(name, _)| format!("{name}.{ending}")).collect();
        expected.push("index.html".into());
        expected.sort();
        assert_eq!(files(&out), expected);
        for (name, _) in names() {
            let format = if format.is_empty() { &["--format", "csv"] } else { format };
            // A file of several holds all rows unless told otherwise.
            let all = if options.contains(&"--top") { &[][..] } else { &["--top", "0"] };
            stdout([&[&name, "sample_logs", "-o", text(&single)], format, options, all].concat());
            let found = out.join(format!("{name}.{ending}"));
            if ending == "parquet" {
                assert_eq!(parquet(&found), parquet(&single), "{name}");
            } else {
                assert_eq!(
                    std::fs::read(&found).unwrap(),
                    std::fs::read(&single).unwrap(),
                    "{words:?} {name}"
                );
            }
        }
    }
}

#[test]
fn what_happened_at_the_same_moment_is_paired_alike_in_each_report() {
    // Requests that differ only in what some of the reports read, of which an action is half the lines.
    let mut random = Random(31);
    for case in 0..8 {
        let mut log = String::new();
        for _ in 0..200 {
            let head = format!(
                r#""timestamp": "2025-03-12T10:0{}:00", "ip_address": "10.0.0.{}", "event_type": "cart_add", "session_id": "id-{}""#,
                random.below(8),
                random.below(2),
                random.below(4),
            );
            let product = random.below(2);
            let (method, path) = (random.pick(&["GET", "POST"]), random.pick(&["/a", "/b", "/z"]));
            let user = random.pick(&["null", "7", "8"]);
            log += &match random.below(2) {
                0 => format!(r#"{{{head}, "product_id": {product}, "product_name": "n"}}"#),
                _ => format!(
                    r#"{{{head}, "entity_type": "product", "entity_id": {product}, "user_id": {user}, "method": "{method}", "path": "{path}", "response_status": {}}}"#,
                    random.pick(&[200, 302, 404]),
                ),
            };
            log.push('\n');
        }
        let folder = folder_with(&[("user_activity.log", log.as_bytes())]);
        let out = folder.path().join("out");
        stdout(["report", text(&folder.path().join("user_activity.log")), "-o", text(&out)]);
        for name in names_of_activity() {
            let alone = stdout([&name, text(&folder.path().join("user_activity.log"))]);
            let found = std::fs::read_to_string(out.join(format!("{name}.csv"))).unwrap();
            assert_eq!(found, alone, "case {case}: {name}");
        }
    }
}

#[test]
fn only_some_in_any_order_and_as_often_as_one_likes() {
    let expected = stdout(["report", "sample_logs", "--only", "event-counts,funnel"]);
    assert!(expected.starts_with("event-counts: ") && expected.contains("\nfunnel: "));
    assert!(!expected.contains("product-views: "));
    for only in [
        &["--only", "funnel,event-counts"][..],
        &["--only", "funnel", "--only", "event-counts"],
        &["--only", "funnel,event-counts,funnel"],
    ] {
        assert_eq!(stdout([&["report", "sample_logs"], only].concat()), expected, "{only:?}");
    }
    // One alone goes wherever a single report goes.
    let alone = stdout(["event-counts", "sample_logs", "--format", "csv"]);
    let of_set = ["report", "sample_logs", "--only", "event-counts"];
    assert_eq!(stdout([&of_set[..], &["--format", "csv"]].concat()), alone);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("counts.csv");
    stdout([&of_set[..], &["-o", text(&file)]].concat());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), alone);
    std::fs::remove_file(&file).unwrap();
    stdout(["report", "sample_logs", "--only", "product-views", "-o", text(folder.path())]);
    assert_eq!(files(folder.path()), ["index.html", "product-views.csv"]);
}

#[test]
fn what_cannot_be_is_said_before_anything_is_read() {
    for (words, hint) in [
        (&["--only", "funel"][..], "'funnel'"),
        (&["--only", "event-counts,product-view"], "'product-views'"),
        (&["--only", ""], "event-counts"),
        (&["--format", "csv"], "-o"),
        (&["--format", "tsv"], "-o"),
        (&["--format", "json"], "-o"),
        (&["--format", "ndjson"], "-o"),
        (&["--format", "parquet"], "markdown"),
    ] {
        let output = run([&["report", "no such logs"], words].concat());
        assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{words:?}: {}", output.stderr);
        assert!(output.stderr.contains(hint), "{words:?}: {}", output.stderr);
    }
}

#[test]
fn a_file_in_the_folders_place_stays_and_is_named() {
    let folder = folder_with(&[("out", b"mine")]);
    let out = folder.path().join("out");
    for place in [out.clone(), out.join("deeper")] {
        let output = run(["report", "sample_logs", "-o", text(&place)]);
        assert_eq!((output.code, output.stdout.as_str()), (1, ""));
        let why = if place == out { "it is a file, not a folder" } else { "Not a directory" };
        let said = output.stderr.lines().last().unwrap();
        assert!(said.contains(text(&place)) && said.contains(why), "{}", output.stderr);
    }
    assert_eq!(std::fs::read(&out).unwrap(), b"mine");
}

#[test]
fn no_folder_is_made_for_a_run_that_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    for words in [
        &["no such logs"][..],
        &["sample_logs", "--strict"],
        &["sample_logs", "--since", "march"],
        &["sample_logs", "--memory-limit", "little"],
    ] {
        let output = run([&["report", "-o", text(&out)], words].concat());
        assert_ne!(output.code, 0, "{words:?}");
        assert!(!out.exists(), "{words:?}");
    }
}

#[test]
fn explain_shows_all_reports() {
    let explained = stdout(["report", "--explain"]);
    let beside = run(["report", "sample_logs", "--explain", "--quiet"]);
    assert_eq!(beside.stderr, explained);
    let each: String = names().iter().map(|(name, _)| stdout([name, "--explain"])).collect();
    assert_eq!(explained, each);
    assert_eq!(stdout(["report", "--explain", "--only", "funnel"]), stdout(["funnel", "--explain"]));
}

#[test]
fn a_reader_of_an_explanation_may_stop_early() {
    let built = env!("CARGO_BIN_EXE_loganalyze");
    let line = format!("set -o pipefail; for _ in 1 2 3; do {built:?} report --explain | true; done");
    let output = std::process::Command::new("bash").args(["-c", &line]).output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(0), ""));
}

#[test]
fn lines_are_accounted_for_once() {
    let folder = folder_with(&[("user_activity.log", &sample_lines().concat())]);
    let (summary, out) = (folder.path().join("summary.json"), folder.path().join("out"));
    let log = folder.path().join("user_activity.log");
    let output = run(["report", text(&log), "-o", text(&out), "--summary", text(&summary)]);
    let said: Vec<&str> = output.stderr.lines().collect();
    assert_eq!((output.code, said.len()), (0, 2), "{said:?}");
    assert_eq!(
        said[0],
        "note: no system logs (app*.log) among the inputs: only the reports of user activity are made"
    );
    assert!(said[1].starts_with("2,588 lines = 2,572 events + 8 rejects + 8 blank · 1 file, "), "{said:?}");
    let account: serde_json::Value = serde_json::from_slice(&std::fs::read(&summary).unwrap()).unwrap();
    assert_eq!((account["lines"].as_u64(), account["files"].as_u64()), (Some(2588), Some(1)));
    let printed = run(["report", text(&log)]);
    assert_eq!(printed.stderr.lines().count(), 2);
    let both = run(["report", "sample_logs"]).stderr;
    assert!(
        both.starts_with("5,169 lines = 5,095 events + 8 rejects + 8 blank + 58 joined · 10 files, "),
        "{both}"
    );
    let strict = run(["report", "sample_logs", "--strict"]);
    assert_eq!((strict.code, strict.stdout.as_str()), (3, ""));
}
