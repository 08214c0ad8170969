//! Golden results: every report over `sample_logs/`, byte for byte as CSV. `LOGANALYZE_BLESS=1` writes them anew.
//! Also that `sample_logs/` is what the generator says it made.

use crate::harness::{decompressed, root, skip, stdout};
use loganalyze::report;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The name of each golden file and the words of its command, before the input.
const CASES: &[(&str, &[&str])] = &[
    ("event-counts", &["event-counts"]),
    ("product-views", &["product-views"]),
    ("product-views-top-0", &["product-views", "--top", "0"]),
    ("hourly-activity", &["hourly-activity"]),
    ("hourly-activity-hour-of-day", &["hourly-activity", "--by", "hour-of-day"]),
    ("hourly-activity-weekday-hour", &["hourly-activity", "--by", "weekday-hour"]),
    ("funnel", &["funnel"]),
    (
        "funnel-custom",
        &[
            "funnel",
            "--window",
            "1h",
            "--by",
            "session",
            "--step",
            "search: event_type = 'search' AND NOT paired",
            "--step",
            "view: event_type = 'view' AND product IS NOT NULL AND response_status < 400",
            "--step",
            "cart: event_type = 'cart_add' AND kind = 'action'",
        ],
    ),
    ("funnel-first", &["funnel", "--entry", "first", "--window", "1h"]),
    ("funnel-strict", &["funnel", "--strict-order"]),
    ("funnel-exclude", &["funnel", "--exclude", "page = '/cart'", "--exclude", "event_type = 'logout'"]),
    ("funnel-breakdown", &["funnel", "--breakdown", "weekday", "--by", "session"]),
    ("funnel-lost-after", &["funnel", "--lost-after", "cart"]),
    (
        "funnel-lost-after-breakdown",
        &[
            "funnel",
            "--lost-after",
            "1",
            "--breakdown",
            "referrer_host",
            "--entry",
            "first",
            "--by",
            "session",
        ],
    ),
    ("audience", &["audience"]),
    ("audience-by-week", &["audience", "--every", "1w"]),
    ("conversion", &["conversion"]),
    ("sessions", &["sessions"]),
    ("top-pages", &["top-pages"]),
    ("entry-exit", &["entry-exit"]),
    ("paths", &["paths"]),
    ("paths-2-steps", &["paths", "--steps", "2", "--top", "0"]),
    ("search-terms", &["search-terms"]),
    ("search-terms-top-0", &["search-terms", "--top", "0"]),
    ("categories", &["categories"]),
    ("cart", &["cart"]),
    ("referrers", &["referrers"]),
    ("referrers-own-host", &["referrers", "--own-host", "www.google.com"]),
    ("retention", &["retention"]),
    ("retention-by-day", &["retention", "--every", "1d"]),
    ("dwell", &["dwell"]),
    ("endpoints", &["endpoints"]),
    ("endpoints-apdex", &["endpoints", "--apdex", "0.003"]),
    ("slow-requests", &["slow-requests"]),
    ("slow-requests-slower-than", &["slow-requests", "--slower-than", "1s"]),
    ("traffic", &["traffic", "--every", "6h"]),
    ("errors", &["errors", "--top", "50"]),
    ("errors-slide", &["errors", "--window", "5h", "--slide", "3h"]),
    ("error-pages", &["error-pages"]),
    ("logins", &["logins"]),
    ("logins-every", &["logins", "--every", "1d", "--allow", "107.238.0.0/16"]),
    ("login-incidents", &["login-incidents"]),
    ("quality", &["quality"]),
    ("events", &["events", "--type", "search", "--where", "paired", "--top", "5"]),
    ("compare-product-views", &["compare", "product-views", "--metric", "views,view_to_cart", "--top", "5"]),
    ("app-levels", &["app-levels"]),
    ("app-errors", &["app-errors"]),
];

fn golden(name: &str) -> PathBuf {
    root().join("tests/golden").join(format!("{name}.csv"))
}

#[test]
fn every_report_gives_its_golden_rows() {
    let bless = std::env::var_os("LOGANALYZE_BLESS").is_some_and(|value| value == "1");
    let mut wrong = Vec::new();
    for (name, words) in CASES {
        let found = stdout(words.iter().chain(&["sample_logs", "--format", "csv"]));
        let path = golden(name);
        if bless {
            std::fs::write(path, found).unwrap();
            continue;
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        if found != expected {
            wrong.push(format!("{name}: {}", first_difference(&expected, &found)));
        }
    }
    assert!(wrong.is_empty(), "LOGANALYZE_BLESS=1 writes the golden files anew.\n{}", wrong.join("\n"));
}

fn first_difference(expected: &str, found: &str) -> String {
    let longest = expected.lines().count().max(found.lines().count());
    for at in 0..longest {
        let (expected, found) = (expected.lines().nth(at), found.lines().nth(at));
        if expected != found {
            return format!("line {}: expected {expected:?}, found {found:?}", at + 1);
        }
    }
    "only line ends differ".to_owned()
}

#[test]
fn every_report_has_a_golden_file_and_every_golden_file_a_report() {
    for report in report::all().unwrap() {
        assert!(CASES.iter().any(|(name, _)| *name == report.header.name), "{}", report.header.name);
    }
    for file in std::fs::read_dir(root().join("tests/golden")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "csv") {
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(CASES.iter().any(|(case, _)| *case == name), "no test makes {name}.csv");
        }
    }
}

/// The generator, which `cargo test` builds beside the program.
fn generator() -> Option<PathBuf> {
    let program = Path::new(env!("CARGO_BIN_EXE_loganalyze"));
    let name = format!("generate_logs{}", std::env::consts::EXE_SUFFIX);
    let path = program.parent().unwrap().join("examples").join(name);
    if path.exists() {
        return Some(path);
    }
    skip("examples/generate_logs is not built");
    None
}

/// The words of the command that made `sample_logs/`, as the head of the generator gives it.
fn command_in_the_head() -> Vec<String> {
    let source = std::fs::read_to_string(root().join("examples/generate_logs/main.rs")).unwrap();
    let head: Vec<&str> = source.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
    let joined = head.join("\n").replace("\\\n", " ");
    let command = joined.lines().find(|line| line.contains("--out sample_logs")).unwrap();
    let (_, words) = command.split_once(" -- ").unwrap();
    words.split_whitespace().map(str::to_owned).collect()
}

fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), decompressed(&path))).collect()
}

#[test]
fn the_sample_logs_are_what_the_generator_makes() {
    let Some(generator) = generator() else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("tests/golden")).unwrap();
    let made =
        Command::new(generator).args(command_in_the_head()).current_dir(folder.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let (made, kept) = (contents(&folder.path().join("sample_logs")), contents(&root().join("sample_logs")));
    assert_eq!(made.keys().collect::<Vec<_>>(), kept.keys().collect::<Vec<_>>());
    for (name, bytes) in &kept {
        assert!(made[name] == *bytes, "{name} differs");
    }
    let truth = "tests/golden/sample_truth.json";
    assert_eq!(
        std::fs::read_to_string(folder.path().join(truth)).unwrap(),
        std::fs::read_to_string(root().join(truth)).unwrap()
    );
}
