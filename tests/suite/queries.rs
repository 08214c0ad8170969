//! `queries/` and the reports are one; each header is complete, each query portable, each example works, and each
//! report has an answer to nothing, to almost nothing and to events that lack any of their fields.

mod lint;

use crate::harness::{folder_with, is_of_system_logs, root, run, sample_lines, stdout, text};
use loganalyze::report::{self, Entry, Funnel, Report, Step, marked};
use loganalyze::sink::{Chart, page::Headline};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn reports() -> Vec<Report> {
    report::all().unwrap()
}

/// The words that run a report.
pub fn words(report: &Report) -> Vec<String> {
    let name = &report.header.name;
    let Some(parent) = &report.header.variant_of else { return vec![name.clone()] };
    if name == "funnel-lost-after" {
        return ["funnel", "--lost-after", "1"].map(str::to_owned).into();
    }
    let (option, _) = report::find(parent).unwrap().header.variants.unwrap();
    let value = name.strip_prefix(&format!("{parent}-")).unwrap();
    vec![parent.clone(), format!("--{option}"), value.to_owned()]
}

/// The SQL of every report, and of funnels of one to six steps.
fn all_sql() -> Vec<(String, String)> {
    let written = reports().into_iter().filter(|report| report.header.generated.is_none());
    let mut all: Vec<_> = written.map(|report| (report.header.name, report.sql)).collect();
    for count in 1..=6 {
        let step =
            |k: usize| Step { name: format!("step '{k}'"), condition: format!("user_id = {k} OR paired") };
        let funnel = Funnel { steps: (1..=count).map(step).collect(), ..Funnel::default() };
        for (at, more) in every_option(&funnel).into_iter().chain([funnel]).enumerate() {
            all.push((format!("funnel of {count}, {at}"), more.sql()));
        }
    }
    all.push(("funnel".into(), Funnel::default().sql()));
    all
}

/// This funnel with each option and with all of them.
fn every_option(funnel: &Funnel) -> Vec<Funnel> {
    let first = Funnel { entry: Entry::First, ..funnel.clone() };
    let strict = Funnel { strict_order: true, ..funnel.clone() };
    let exclude = Funnel { exclude: vec!["paired".into(), "user_id = 7 OR paired".into()], ..funnel.clone() };
    let breakdown = Funnel { breakdown: Some("weekday".into()), ..funnel.clone() };
    let all = Funnel {
        entry: Entry::First,
        strict_order: true,
        exclude: exclude.exclude.clone(),
        ..breakdown.clone()
    };
    let mut asked = vec![first, strict, exclude, breakdown, all];
    if funnel.steps.len() > 1 {
        let lost: Vec<Funnel> =
            asked.iter().map(|asked| Funnel { lost_after: Some(1), ..asked.clone() }).collect();
        asked.extend(lost);
    }
    asked
}

#[test]
fn the_folder_of_queries_is_the_list_of_reports() {
    let files = std::fs::read_dir(root().join("queries")).unwrap().map(|entry| entry.unwrap().path());
    let files: BTreeSet<String> =
        files.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    let reports: Vec<String> = reports().iter().map(|report| format!("{}.sql", report.header.name)).collect();
    assert_eq!(files, reports.iter().cloned().collect());
    assert_eq!(files.len(), reports.len(), "a report is in the list twice");
}

/// The parts of the catalogue.
const GROUPS: [&str; 5] = ["behaviour", "performance", "errors", "security", "system log"];

#[test]
fn every_parameter_is_in_the_sql_with_its_default_and_every_mark_is_a_parameter() {
    for report in reports() {
        let (header, name) = (&report.header, &report.header.name);
        for param in &header.params {
            assert!(!param.meaning.is_empty(), "{name} does not say what {} means", param.name);
            let literal = param.literal(&param.default).unwrap();
            let places: Vec<&str> = marked(&report.sql)
                .filter(|(known, _)| *known == param.name)
                .map(|(_, found)| found)
                .collect();
            assert!(!places.is_empty(), "{name} does not use {}", param.name);
            assert!(places.iter().all(|found| *found == literal), "{name}, {}: {places:?}", param.name);
        }
        for (mark, _) in marked(&report.sql) {
            assert!(header.params.iter().any(|param| param.name == mark), "{name} has no parameter {mark}");
        }
    }
}

#[test]
fn every_header_is_complete() {
    for report in reports() {
        let header = &report.header;
        let name = &header.name;
        let plain = |text: &str, more: char| {
            !text.is_empty()
                && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == more)
        };
        assert!(plain(name, '-'), "{name}");
        assert!(!header.title.is_empty(), "{name} has no title");
        assert!(!header.columns.is_empty(), "{name} promises nothing");
        assert!(GROUPS.contains(&header.group.as_str()), "{name} is in the group '{}'", header.group);
        assert!(!header.key.is_empty(), "{name} does not say what tells its rows apart");
        let names: BTreeSet<&str> = header.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names.len(), header.columns.len(), "a column of {name} is there twice");
        assert!(names.iter().all(|name| plain(name, '_')), "{names:?}");
        let chart = header.chart.as_deref().unwrap_or_else(|| panic!("{name} has no chart"));
        let chart = Chart::parse(chart).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(chart.columns().all(|column| names.contains(column)), "{name}: {chart:?}");
        let headlines = header.headlines.as_deref().map(Headline::parse_all).transpose().unwrap();
        for headline in headlines.unwrap_or_default() {
            assert!(headline.columns().iter().all(|column| names.contains(column)), "{name}: {headline:?}");
        }
        assert_eq!(report.sql.trim().is_empty(), header.generated.is_some(), "{name}");
    }
}

#[test]
fn variants_and_what_they_are_variants_of_know_each_other() {
    for report in reports() {
        let name = &report.header.name;
        if let Some(parent) = &report.header.variant_of {
            let parent = report::find(parent).unwrap();
            assert!(parent.header.variant_of.is_none(), "{name} is a variant of a variant");
            let (_, values) = parent.header.variants.unwrap_or_default();
            let known = values.iter().any(|value| format!("{}-{value}", parent.header.name) == *name);
            // What is generated is chosen by an option of its own.
            let known = known || report.header.generated.is_some();
            assert!(known, "{} does not know {name}", parent.header.name);
        }
        for value in report.header.variants.iter().flat_map(|(_, values)| values) {
            let variant = report::find(&format!("{name}-{value}")).unwrap();
            assert_eq!(variant.header.variant_of.as_ref(), Some(name));
        }
    }
}

#[test]
fn every_query_is_portable() {
    for (name, sql) in all_sql() {
        assert_eq!(lint::faults(&sql), [""; 0], "{name}:\n{sql}");
    }
}

#[test]
fn every_column_is_in_the_help() {
    for report in reports().iter().filter(|report| report.header.variant_of.is_none()) {
        let help = stdout([report.header.name.as_str(), "--help"]);
        for column in &report.header.columns {
            let shown = help.lines().any(|line| {
                let mut words = line.split_whitespace();
                words.next() == Some(&column.name) && words.next() == Some(column.kind.sql())
            });
            assert!(shown, "{} does not show {}:\n{help}", report.header.name, column.name);
        }
    }
}

#[test]
fn every_example_of_the_help_runs() {
    let more = ["sql", "schema", "quality", "events", "run", "compare"].map(str::to_owned);
    let reports = reports().into_iter().filter(|report| report.header.variant_of.is_none());
    let names: Vec<String> = reports.map(|report| report.header.name).collect();
    let compared = names.iter().map(|name| format!("compare {name}"));
    let run = ["run examples/abandoned-carts.sql".to_owned()];
    for name in names.iter().cloned().chain(more).chain(compared).chain(run) {
        let help = stdout(name.split(' ').chain(["--help"]));
        let (_, example) = help.split_once("Example: loganalyze ").expect(&help);
        let words = shell_words(example);
        assert!(words.join(" ").starts_with(&name), "{example}");
        assert!(stdout(&words).lines().count() > 1, "{example}");
    }
}

/// The words of a command, which help may have wrapped, without their quotes.
fn shell_words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in command.split_whitespace().collect::<Vec<_>>().join(" ").chars() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None, ' ') => words.push(String::new()),
            _ => words.last_mut().unwrap().push(c),
        }
    }
    words
}

/// All rows of a report, as objects.
fn objects(report: &Report, logs: &Path) -> Vec<Map<String, Value>> {
    let words = words(report);
    let found = run(words.iter().map(String::as_str).chain([
        text(logs),
        "--allow-empty",
        "--top",
        "0",
        "--format",
        "ndjson",
    ]));
    assert_eq!(found.code, 0, "{words:?}: {}", found.stderr);
    let rows = found.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
    let rows: Vec<Map<String, Value>> = rows.collect();
    let promised: BTreeSet<&str> = report.header.columns.iter().map(|column| column.name.as_str()).collect();
    for row in &rows {
        assert_eq!(row.keys().map(String::as_str).collect::<BTreeSet<_>>(), promised, "{words:?}");
    }
    rows
}

#[test]
fn there_is_an_answer_to_nothing_and_to_almost_nothing() {
    let one = br#"{"timestamp": "2025-03-10T09:00:00", "event_type": "view", "session_id": "no_session", "ip_address": "10.0.0.1", "user_agent": "Unknown", "entity_type": "product", "entity_id": 7, "response_status": 200, "method": "GET", "path": "/products/7"}"#;
    let folder = folder_with(&[
        ("empty.log", b""),
        ("blank.log", b"\n \n"),
        ("null.log", b"{}\n{}\n"),
        ("one.log", one),
        ("system/empty.log", b""),
        ("system/blank.log", b"\n \n"),
        ("system/null.log", b"{\"level\": \"ERROR\", \"message\": null}\n".repeat(2).as_slice()),
        (
            "system/one.log",
            br#"{"timestamp":"2025-03-10T09:00:00", "level":"ERROR", "message":""a"", "module":"m"}"#,
        ),
    ]);
    for report in reports() {
        let name = report.header.name.as_str();
        let is_funnel = name == "funnel";
        let counts_lines = name.starts_with("hourly") || name == "event-counts";
        let counts_a_view = ![
            "search-terms",
            "categories",
            "cart",
            "dwell",
            "slow-requests",
            "errors",
            "error-pages",
            "logins",
            "login-incidents",
        ]
        .contains(&name);
        let of_system = is_of_system_logs(&report);
        let logs = if of_system { folder.path().join("system") } else { folder.path().into() };
        let rows = |file: &str| objects(&report, &logs.join(file));
        for file in ["missing.log", "empty.log", "blank.log"] {
            let rows = rows(file);
            assert_eq!(rows.len(), if is_funnel { 4 } else { 0 }, "{name} of {file}");
            assert!(rows.iter().all(|row| row["visitors"] == 0 && row["conversion"].is_null()), "{rows:?}");
            let path = logs.join(file);
            let header = run(words(&report).iter().map(String::as_str).chain([
                text(&path),
                "--allow-empty",
                "--format",
                "csv",
            ]));
            let names: Vec<&str> = report.header.columns.iter().map(|column| column.name.as_str()).collect();
            assert_eq!(header.stdout.lines().next(), Some(names.join(",").as_str()));
        }
        let of_nulls = rows("null.log");
        assert_eq!(
            of_nulls.len(),
            if is_funnel { 4 } else { usize::from(counts_lines || of_system) },
            "{name}"
        );
        if counts_lines {
            assert_eq!((&of_nulls[0]["lines"], &of_nulls[0]["actions"]), (&2.into(), &2.into()));
        }
        let of_one = rows("one.log");
        assert_eq!(of_one.len(), if is_funnel { 4 } else { usize::from(counts_a_view) }, "{name}");
        if is_funnel {
            assert_eq!((&of_one[0]["visitors"], &of_one[0]["conversion"]), (&1.into(), &1.0.into()));
        }
    }
}

/// Lines of all kinds, each once whole and once without each of its fields, and twice without any.
fn lines_without_fields() -> Vec<u8> {
    let mut out = b"{}\n{}\n".to_vec();
    let mut seen = BTreeSet::new();
    for line in sample_lines() {
        let Ok(Value::Object(object)) = serde_json::from_slice::<Value>(&line) else { continue };
        let kind =
            (object.keys().cloned().collect::<Vec<_>>(), object.get("event_type").map(Value::to_string));
        if !seen.insert(kind) {
            continue;
        }
        out.extend(&line);
        for key in object.keys() {
            let mut fewer = object.clone();
            fewer.remove(key);
            out.extend(format!("{}\n", Value::Object(fewer)).bytes());
        }
    }
    out
}

/// Records of a system log, whole and without some of their values, each twice.
const RECORDS_WITHOUT_VALUES: &str = r#"{"timestamp":"2025-03-10T09:00:00", "level":"ERROR", "message":"a", "module":"m"}
{"level":"ERROR", "message":"a", "module":"m"}
{"level":"ERROR", "message":null, "module":"m"}
{"level":"CRITICAL", "message":null}
{"timestamp":"2025-03-10T09:00:00", "level":"ERROR", "message":"a"}
{"timestamp":"2025-03-10T09:00:00", "level":null, "message":"a", "module":"m"}
{"level":null, "message":null}
"#;

#[test]
fn rows_have_one_order_only_wherever_nulls_are_sorted() {
    let records = RECORDS_WITHOUT_VALUES.repeat(2);
    let folder = folder_with(&[("fewer.log", &lines_without_fields()), ("app.log", records.as_bytes())]);
    let sample = root().join("sample_logs");
    for report in reports() {
        let name = &report.header.name;
        let lost_after = (name == "funnel-lost-after").then_some(1);
        let sql = match &report.header.generated {
            Some(_) => Funnel { lost_after, ..Funnel::default() }.sql(),
            None => report.sql.clone(),
        };
        let sorted = lint::sorted_by(&sql);
        let mut said = 0;
        for logs in [folder.path(), &sample] {
            let rows = objects(&report, logs);
            said += rows.len();
            let mut keys = BTreeMap::new();
            for row in &rows {
                let key: Vec<String> = sorted.iter().map(|(column, _)| row[column].to_string()).collect();
                let other = keys.insert(key.clone(), row);
                assert!(other.is_none_or(|other| other == row), "{name}: two rows are sorted alike: {key:?}");
                for (column, nulls_last) in &sorted {
                    assert!(*nulls_last || !row[column].is_null(), "{name} sorts a null of {column}");
                }
            }
        }
        assert!(said > 0, "{name} says nothing of either");
    }
}
