//! What other programs get: numbers for Prometheus, lines for Elasticsearch.

use crate::harness::{folder_with, run, skip, stdout, text};
use crate::nightly::Job;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// The samples of a file in Prometheus' text format; whatever the format does not allow is a panic.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let name = |name: &str| {
        assert!(!name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        name.to_owned()
    };
    let (mut helped, mut typed, mut seen) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
    let mut current = String::new();
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (of, help) = rest.split_once(' ').unwrap();
            assert!(helped.insert(name(of)) && !help.is_empty(), "{line}");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (of, kind) = rest.split_once(' ').unwrap();
            assert!(kind == "gauge" && helped.contains(of) && typed.insert(name(of)), "{line}");
            current = of.to_owned();
        } else {
            let (series, number) = line.rsplit_once(' ').unwrap();
            let of = series.split('{').next().unwrap();
            // Samples of one name stand together, behind their type; there is no third word, which would be a time.
            assert_eq!(name(of), current, "{line}");
            if let Some(labels) = series.strip_prefix(of).filter(|labels| !labels.is_empty()) {
                let mut rest = labels.strip_prefix('{').unwrap().strip_suffix('}').unwrap();
                while !rest.is_empty() {
                    let (label, value) = rest.split_once("=\"").unwrap();
                    name(label);
                    let mut escaped = false;
                    let end = value.find(|c| {
                        let ends = c == '"' && !escaped;
                        escaped = c == '\\' && !escaped;
                        ends
                    });
                    let (value, behind) = value.split_at(end.unwrap());
                    assert!(!value.contains('\n'), "{line}");
                    rest = behind[1..].strip_prefix(',').unwrap_or(&behind[1..]);
                }
            }
            assert!(seen.insert(series.to_owned(), number.parse().unwrap()).is_none(), "{line} twice");
        }
    }
    seen
}

fn numbers(job: &Job) -> BTreeMap<String, f64> {
    samples(&std::fs::read_to_string(job.path("shop.prom")).unwrap())
}

#[test]
fn numbers_for_prometheus_say_how_the_night_was() {
    let rule = "[[alert]]\nname = 'at \"tacks\\'\nreport = 'login-incidents'\nwhen = 'any'\n";
    let job = Job::new(&format!("page = false\nmetrics = 'shop.prom'\n{rule}"));
    job.good_night(&["--date", "2025-03-09..2025-03-10"]);
    let first = numbers(&job);
    let now = chrono::Utc::now().timestamp() as f64;
    for (series, expected) in [
        ("loganalyze_last_run_failed", 0.0),
        ("loganalyze_lines", 2587.0),
        ("loganalyze_events", 2572.0),
        ("loganalyze_blank_lines", 8.0),
        ("loganalyze_days", 2.0),
        ("loganalyze_rejects{reason=\"syntax\"}", 1.0),
        ("loganalyze_rejects{reason=\"too_long\"}", 0.0),
        ("loganalyze_alert_firing{alert=\"at \\\"tacks\\\\\",severity=\"warning\"}", 1.0),
        ("loganalyze_alerts_untold", 0.0),
    ] {
        assert_eq!(first.get(series), Some(&expected), "{series}: {first:?}");
    }
    let rejects: f64 =
        first.iter().filter(|(name, _)| name.starts_with("loganalyze_rejects")).map(|(_, n)| n).sum();
    assert_eq!(rejects, 7.0);
    // Each headline of the newest day is what its file says.
    let lake = job.path("lake");
    let sum = |report: &str, column: usize| -> f64 {
        let words =
            [report, "--store", text(&lake), "--since", "2025-03-10", "--until", "2025-03-11", "--top", "0"];
        let csv = stdout(words);
        csv.lines().skip(1).map(|line| line.split(',').nth(column).unwrap().parse::<f64>().unwrap()).sum()
    };
    assert_eq!(
        first["loganalyze_headline{report=\"event-counts\",name=\"Actions\"}"],
        sum("event-counts", 2)
    );
    let rate = sum("sessions", 5) / sum("sessions", 1);
    assert!((first["loganalyze_headline{report=\"sessions\",name=\"Bounce rate\"}"] - rate).abs() < 1e-12);
    assert!(first.keys().filter(|name| name.starts_with("loganalyze_headline")).count() >= 9, "{first:?}");
    let success = first["loganalyze_last_success_timestamp_seconds"];
    assert!((now - 60.0..=now).contains(&success), "{success}");

    // A night that fails leaves the last success as it was.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    job.configure("metrics = 'shop.prom'\nmax_rejects = 0");
    std::fs::write(job.path("logs/user_activity-new.log"), "broken\n").unwrap();
    assert_eq!(job.night(&["--date", "2025-03-11"]).code, 3);
    let failed = numbers(&job);
    assert_eq!(failed["loganalyze_last_run_failed"], 1.0);
    assert!(failed["loganalyze_last_run_timestamp_seconds"] > success);
    let without_run = |numbers: &BTreeMap<String, f64>| {
        let mut numbers = numbers.clone();
        numbers.retain(|name, _| !name.starts_with("loganalyze_last_run"));
        numbers
    };
    assert_eq!(without_run(&failed), without_run(&first));
}

#[test]
fn a_first_night_that_fails_has_no_success() {
    let job = Job::new("metrics = 'shop.prom'\nmax_rejects = 0");
    assert_eq!(job.night(&["--date", "2025-03-11"]).code, 3);
    let failed = numbers(&job);
    assert_eq!(failed["loganalyze_last_run_failed"], 1.0);
    assert!(!failed.contains_key("loganalyze_last_success_timestamp_seconds"));
}

#[test]
fn prometheus_own_parser_reads_the_numbers() {
    let home = std::env::var("HOME").unwrap_or_default();
    let python = std::env::var("LOGANALYZE_PYTHON")
        .unwrap_or_else(|_| format!("{home}/.cache/loganalyze/venv/bin/python3"));
    let import = Command::new(&python).args(["-c", "import prometheus_client"]).output();
    if !import.is_ok_and(|output| output.status.success()) {
        return skip("Python's prometheus_client is not installed");
    }
    let job = Job::new("page = false\nmetrics = 'shop.prom'");
    job.good_night(&["--date", "2025-03-10"]);
    let script = "import sys\nfrom prometheus_client.parser import text_string_to_metric_families as parse\n\
                  print(sum(len(family.samples) for family in parse(open(sys.argv[1]).read())))";
    let parsed = Command::new(python).args(["-c", script, text(&job.path("shop.prom"))]).output().unwrap();
    assert!(parsed.status.success(), "{}", String::from_utf8_lossy(&parsed.stderr));
    assert_eq!(String::from_utf8_lossy(&parsed.stdout).trim(), numbers(&job).len().to_string());
}

/// Index, id and row of each pair of lines.
fn documents(bulk: &str) -> Vec<(String, String, Value)> {
    assert!(bulk.is_empty() || bulk.ends_with('\n'));
    let lines: Vec<Value> = bulk.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let one = |pair: &[Value]| {
        let [action, row] = pair else { panic!("a line without its row") };
        let text = |key: &str| action["index"][key].as_str().unwrap().to_owned();
        (text("_index"), text("_id"), row.clone())
    };
    lines.chunks(2).map(one).collect()
}

#[test]
fn a_repeat_replaces_in_elasticsearch() {
    let bulk = |words: &[&str]| documents(&stdout([words, &["--format", "elasticsearch"]].concat()));
    let ids = |documents: &[(String, String, Value)]| {
        documents.iter().map(|(_, id, _)| id.clone()).collect::<BTreeSet<_>>()
    };
    for words in [
        &["event-counts", "sample_logs"][..],
        &["product-views", "sample_logs", "--top", "0"],
        &["hourly-activity", "sample_logs", "--by", "weekday-hour"],
        &["errors", "sample_logs", "--since", "2025-03-12"],
        &["funnel", "sample_logs", "--breakdown", "weekday"],
        &["compare", "product-views", "sample_logs", "--since", "2025-03-13", "--metric", "all"],
        &["events", "sample_logs", "--top", "0"],
        &["sql", "SELECT event_type FROM events", "sample_logs"],
    ] {
        let first = bulk(words);
        // Also rows that look alike are all there.
        let ndjson = stdout([words, &["--format", "ndjson"]].concat());
        assert_eq!(ids(&first).len(), ndjson.lines().count(), "{words:?}");
        assert_eq!(first, bulk(words), "{words:?}");
        let name = if words[0] == "compare" { "compare-product-views" } else { words[0] };
        assert!(first.iter().all(|(index, ..)| *index == format!("loganalyze-{name}")), "{words:?}");
        for ((.., row), line) in first.iter().zip(ndjson.lines()) {
            let plain: Value = serde_json::from_str(line).unwrap();
            let has = |(key, value): (&String, &Value)| row[key] == *value;
            assert!(plain.as_object().unwrap().iter().all(has), "{row} {line}");
        }
    }
    // Other options ask another question, those that are usual the same one.
    let asked = |words: &[&str]| ids(&bulk(&[words, &["sample_logs"]].concat()));
    let usual = asked(&["funnel"]);
    assert_eq!(asked(&["funnel", "--by", "visitor", "--window", "168h"]), usual);
    for other in [&["--by", "user"][..], &["--window", "1d"], &["--bots", "exclude"]] {
        assert!(asked(&[&["funnel"], other].concat()).is_disjoint(&usual), "{other:?}");
    }
    assert_eq!(asked(&["errors", "--slide", "60s"]), asked(&["errors"]));
    for other in [&["--gap", "20m"][..], &["--split-midnight"]] {
        assert!(asked(&[&["sessions"], other].concat()).is_disjoint(&asked(&["sessions"])), "{other:?}");
        assert_eq!(asked(&[&["event-counts"], other].concat()), asked(&["event-counts"]));
    }
    assert_eq!(asked(&["sessions", "--gap", "1800s"]), asked(&["sessions"]));
    for (report, option) in [("traffic", "--every"), ("retention", "--every"), ("logins", "--every")] {
        assert!(asked(&[report, option, "1d"]).is_disjoint(&asked(&[report])), "{report}");
    }
    // More lines for the same period: the same rows with other numbers; another period: others.
    let line = |day: u32, extra: &str| {
        format!("{{\"timestamp\": \"2025-03-{day}T10:00:00\", \"event_type\": \"view\"{extra}}}\n")
    };
    let [one, more] = [line(12, ""), line(12, "") + &line(12, ", \"path\": \"/x\"")]
        .map(|log| folder_with(&[("user_activity.log", log.as_bytes())]));
    let day = |folder: &tempfile::TempDir, since: &str| {
        bulk(&["event-counts", text(folder.path()), "--since", since, "--until", "2025-03-13"])
    };
    let (before, after) = (day(&one, "2025-03-12"), day(&more, "2025-03-12"));
    assert_eq!(ids(&before), ids(&after));
    assert_eq!((&before[0].2["lines"], &after[0].2["lines"]), (&1.into(), &2.into()));
    assert_eq!((&after[0].2["since"], &after[0].2["until"]), (&"2025-03-12".into(), &"2025-03-13".into()));
    assert!(ids(&day(&more, "2025-03-11")).is_disjoint(&ids(&after)));
}

#[test]
fn every_report_can_be_handed_on() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let words = ["report", "sample_logs", "--format", "elasticsearch", "-o", text(&out), "--top", "0"];
    assert_eq!(run(words).code, 0);
    let mut files = 0;
    for entry in std::fs::read_dir(&out).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "bulk") {
            let documents = documents(&std::fs::read_to_string(&path).unwrap());
            let ids: BTreeSet<_> = documents.iter().map(|(_, id, _)| id).collect();
            assert_eq!(ids.len(), documents.len(), "{}", path.display());
            files += 1;
        }
    }
    assert_eq!(files, 25);
}
