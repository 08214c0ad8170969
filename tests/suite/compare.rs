//! `compare`: each report over two periods beside each other is what the two periods are by themselves.

use crate::harness::{folder_with, rows, run, stdout, text};
use crate::queries::words;
use chrono::{Days, NaiveDate, NaiveDateTime};
use loganalyze::report::{self, Report, ResultColumn};
use loganalyze::schema::Type;
use serde_json::{Map, Value, json};
use unicode_width::UnicodeWidthStr;

type Row = Map<String, Value>;

fn objects(words: &[String]) -> Vec<Row> {
    let found = stdout(words.iter().map(String::as_str).chain(["--top", "0", "--format", "ndjson"]));
    found.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn with(words: &[String], more: &[&str]) -> Vec<String> {
    words.iter().cloned().chain(more.iter().map(|word| (*word).to_owned())).collect()
}

/// A key's value, later by so many days if it is a time.
fn moved(value: &Value, kind: Type, days: u64) -> Value {
    let Some(text) = value.as_str() else { return value.clone() };
    match kind {
        Type::Date => json!(text.parse::<NaiveDate>().unwrap().checked_add_days(Days::new(days)).unwrap()),
        Type::Timestamp => {
            json!(text.parse::<NaiveDateTime>().unwrap().checked_add_days(Days::new(days)).unwrap())
        }
        _ => value.clone(),
    }
}

/// The rows of this period and of the one that many days before, side by side.
fn by_hand(report: &Report, this: &[Row], before: &[Row], days: u64, metrics: &[&ResultColumn]) -> Vec<Row> {
    let columns = &report.header.columns;
    let (keys, others): (Vec<_>, Vec<_>) =
        columns.iter().partition(|column| report.header.key.contains(&column.name));
    let labels: Vec<_> = others.into_iter().filter(|column| column.kind == Type::Text).collect();
    let key = |row: &Row, days: u64| -> Vec<Value> {
        keys.iter().map(|column| moved(&row[&column.name], column.kind, days)).collect()
    };
    let find =
        |rows: &'_ [Row], wanted: &[Value], days: u64| rows.iter().position(|row| key(row, days) == wanted);
    let mut pairs: Vec<(Vec<Value>, Option<&Row>, Option<&Row>)> = Vec::new();
    for row in this {
        let key = key(row, 0);
        let other = find(before, &key, days).map(|at| &before[at]);
        pairs.push((key, Some(row), other));
    }
    for row in before {
        let key = key(row, days);
        if find(this, &key, 0).is_none() {
            pairs.push((key, None, Some(row)));
        }
    }
    let bigint = metrics.iter().all(|metric| metric.kind == Type::Bigint);
    let mut rows = Vec::new();
    for (key, one, other) in pairs {
        for metric in metrics {
            let amount = |row: Option<&Row>| match row {
                None if metric.kind == Type::Bigint => Some(0.0),
                None => None,
                Some(row) => row[&metric.name].as_f64(),
            };
            let number = |value: Option<f64>| match value {
                Some(value) if bigint => json!(value as i64),
                value => json!(value),
            };
            let mut row: Row = keys.iter().map(|column| column.name.clone()).zip(key.clone()).collect();
            for label in &labels {
                let of = |row: Option<&Row>| {
                    row.map(|row| row[&label.name].clone()).filter(|text| !text.is_null())
                };
                row.insert(label.name.clone(), of(one).or(of(other)).unwrap_or(Value::Null));
            }
            let (value, before) = (amount(one), amount(other));
            let change = value.zip(before).map(|(value, before)| value - before);
            let rate = change.zip(before).filter(|(_, before)| *before != 0.0);
            row.insert("metric".into(), json!(metric.name));
            row.insert("value".into(), number(value));
            row.insert("before".into(), number(before));
            row.insert("change".into(), number(change));
            row.insert("change_rate".into(), json!(rate.map(|(change, before)| change / before)));
            rows.push(row);
        }
    }
    rows
}

/// `compare` with these options against the report by itself over both periods; how many rows are in one of them only.
fn holds(report: &Report, options: &[&str], this: [&str; 2], before: [&str; 2], with_option: &str) -> usize {
    let own = with(&with(&words(report), &["sample_logs"]), options);
    let of = |[since, until]: [&str; 2]| objects(&with(&own, &["--since", since, "--until", until]));
    let day = |text: &str| text[..10].parse::<NaiveDate>().unwrap();
    let days = (day(this[0]) - day(before[0])).num_days() as u64;
    let numbers: Vec<&ResultColumn> = report
        .header
        .columns
        .iter()
        .filter(|column| {
            matches!(column.kind, Type::Bigint | Type::Double) && !report.header.key.contains(&column.name)
        })
        .collect();
    let (of_this, of_before) = (of(this), of(before));
    let mut compared = vec!["compare".to_owned()];
    compared.extend(own);
    let compared = with(&compared, &["--since", this[0], "--until", this[1], "--with", with_option]);
    let all = objects(&with(&compared, &["--metric", "all"]));
    let expected = by_hand(report, &of_this, &of_before, days, &numbers);
    assert_eq!(all, expected, "{compared:?}");
    let drawn = report.header.chart.as_ref().unwrap();
    let drawn =
        drawn.split_whitespace().find_map(|word| numbers.iter().find(|column| column.name == word)).unwrap();
    let one = objects(&compared);
    assert_eq!(one, by_hand(report, &of_this, &of_before, days, &[drawn]), "{compared:?}");
    one.len() * 2 - of_this.len() - of_before.len()
}

#[test]
fn every_report_is_what_its_periods_are_by_themselves() {
    let mut alone = 0;
    for report in report::all().unwrap() {
        // Periods of days, where a report's own are weeks.
        let own: &[&str] = if report.header.name == "retention" { &["--every", "1d"] } else { &[] };
        let halves = (["2025-03-13", "2025-03-15"], ["2025-03-11", "2025-03-13"]);
        alone += holds(&report, own, halves.0, halves.1, "previous");
        alone += holds(
            &report,
            &[&["--bots", "exclude"], own].concat(),
            ["2025-03-12", "2025-03-13"],
            ["2025-03-10", "2025-03-11"],
            "2025-03-10..2025-03-11",
        );
        // Nothing stands beside these days.
        alone += holds(&report, own, ["2025-03-12", "2025-03-15"], ["2025-03-05", "2025-03-08"], "week-ago");
    }
    assert!(alone > 0, "no row was in one period only");
}

#[test]
fn parts_of_days_and_options_of_reports_are_compared_too() {
    let funnel = report::find("funnel").unwrap();
    let steps = [
        "--window",
        "2h",
        "--by",
        "session",
        "--step",
        "a: event_type = 'search'",
        "--step",
        "b: product IS NOT NULL",
    ];
    holds(&funnel, &steps, ["2025-03-14", "2025-03-15"], ["2025-03-13", "2025-03-14"], "previous");
    let noons = (["2025-03-13T12:00", "2025-03-15T12:00"], ["2025-03-11T12:00", "2025-03-13T12:00"]);
    for name in ["hourly-activity", "hourly-activity-weekday-hour", "product-views"] {
        holds(&report::find(name).unwrap(), &[], noons.0, noons.1, "previous");
    }
}

#[test]
fn the_periods_are_said() {
    let said = |words: &[&str]| {
        let table =
            stdout([&["compare", "event-counts", "sample_logs", "--format", "table"], words].concat());
        table
            .lines()
            .skip_while(|line| !line.starts_with("this period: 2025"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    // Five days of logs are halved.
    assert_eq!(said(&[]), ["this period: 2025-03-13 until 2025-03-15; before: 2025-03-11 until 2025-03-13"]);
    assert_eq!(
        said(&["--since", "2025-03-12", "--with", "week-ago"]),
        [
            "this period: 2025-03-12 until 2025-03-15; before: 2025-03-05 until 2025-03-08",
            "before: no events"
        ]
    );
    assert_eq!(
        said(&["--since", "2025-03-13", "--until", "2025-03-18"]),
        [
            "this period: 2025-03-13 until 2025-03-18; before: 2025-03-08 until 2025-03-13",
            "this period: no events after 2025-03-14T23:57:45.492297",
            "before: no events before 2025-03-10T04:51:15.043574"
        ]
    );
    assert_eq!(
        said(&["--since", "2025-03-12", "--until", "2025-03-14", "--with", "2025-03-11..2025-03-12"])[1..],
        ["the periods are not equally long: 2d and 1d"]
    );
    // Where there is nothing below a table, it is on standard error.
    let csv = run(["compare", "event-counts", "sample_logs"]);
    assert!(csv.stderr.contains("\nnote: this period: 2025-03-13 until"), "{}", csv.stderr);
    assert_eq!(run(["compare", "event-counts", "sample_logs", "--quiet"]).stderr, "");
    let empty = run(["compare", "event-counts", "no such logs", "--allow-empty"]);
    assert_eq!(empty.stdout, "event_type,metric,value,before,change,change_rate\n", "{}", empty.stderr);
}

#[test]
fn a_moment_between_the_periods_is_in_one_of_them() {
    let line = |day: u32| format!("{{\"timestamp\": \"2025-03-0{day}T00:00:00\", \"event_type\": \"x\"}}\n");
    let log: String = [6, 7, 8, 8, 8, 9].into_iter().map(line).collect();
    let folder = folder_with(&[("user_activity.log", log.as_bytes())]);
    let period = ["--since", "2025-03-08", "--until", "2025-03-09"];
    let csv = stdout([&["compare", "event-counts", text(folder.path())], &period[..]].concat());
    assert!(csv.ends_with("\nx,actions,3,1,2,2.0\n"), "{csv}");
}

#[test]
fn programs_are_counted_in_the_two_periods() {
    let line = |day: &str, agent: &str| {
        format!(
            r#"{{"timestamp": "2025-03-{day}T10:00:00", "event_type": "view", "ip_address": "10.0.0.1", "user_agent": "{agent}"}}"#
        )
    };
    let agents = [
        ("01", "Googlebot/2.1"),
        ("05", "Googlebot/2.1"),
        ("08", "Googlebot/2.1"),
        ("08", "Mozilla/5.0"),
        ("09", "curl/8.0"),
    ];
    let log: String = agents.iter().map(|(day, agent)| line(day, agent) + "\n").collect();
    let folder = folder_with(&[("user_activity.log", log.as_bytes())]);
    for period in [
        &["--since", "2025-03-08", "--until", "2025-03-09"][..],
        &["--since", "2025-03-08", "--with", "2025-03-01..2025-03-02"],
    ] {
        let table = stdout(
            [
                &["compare", "event-counts", text(folder.path()), "--format", "table", "--bots", "only"],
                period,
            ]
            .concat(),
        );
        let (count, all) = if period.len() == 4 && period[2] == "--until" { (1, 2) } else { (3, 4) };
        assert!(table.contains(&format!("only the {count} of {all} events")), "{period:?}: {table}");
    }
}

#[test]
fn a_table_fits_a_terminal_and_its_top_counts_the_reports_rows() {
    let table = stdout(["compare", "product-views", "sample_logs", "--format", "table"]);
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines.iter().all(|line| line.width() <= 80), "{table}");
    assert_eq!(lines[12], "top 10 of 42", "{table}");
    let all = objects(&with(
        &["compare".into(), "product-views".into(), "sample_logs".into()],
        &["--metric", "all"],
    ));
    let csv = stdout([
        "compare",
        "product-views",
        "sample_logs",
        "--metric",
        "all",
        "--top",
        "2",
        "--format",
        "ndjson",
    ]);
    let first: Vec<Row> = csv.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((first.len(), &first[..]), (12, &all[..12]));
}

#[test]
fn a_parquet_file_names_both_periods() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("compared.parquet");
    stdout(["compare", "product-views", "sample_logs", "--since", "2025-03-13", "-o", text(&path)]);
    let reader = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
    let pairs = reader.metadata().file_metadata().key_value_metadata().unwrap().clone();
    let value = |key: &str| {
        pairs.iter().find(|pair| pair.key == format!("loganalyze.{key}")).unwrap().value.clone().unwrap()
    };
    let periods = ["since", "until", "before_since", "before_until"].map(value);
    assert_eq!(periods, ["2025-03-13", "2025-03-15", "2025-03-11", "2025-03-13"]);
    assert!(value("definitions").contains("change_rate: change / before"));
    assert!(value("first_event").starts_with("2025-03-11") && value("last_event").starts_with("2025-03-14"));
}

#[test]
fn what_is_said_of_a_period_is_said_of_all_its_events() {
    let view = |day: u32, hour: u32| {
        format!("{{\"timestamp\": \"2025-03-{day}T{hour:02}:00:00\", \"event_type\": \"view\"}}\n")
    };
    let log: String = (10..12).flat_map(|day| (0..24).map(move |hour| view(day, hour))).collect();
    let folder = folder_with(&[("user_activity.log", log.as_bytes())]);
    let period = ["--since", "2025-03-11", "--until", "2025-03-12"];
    for more in [&[][..], &["--memory-limit", "1kB"]] {
        for report in ["search-terms", "error-pages", "event-counts"] {
            let said = run([&["compare", report, text(folder.path())], &period[..], more].concat()).stderr;
            assert!(
                said.contains("this period: 2025-03-11") && !said.contains("no events"),
                "{report}: {said}"
            );
        }
    }
}

#[test]
fn a_query_file_with_a_key_is_compared() {
    let own = "examples/abandoned-carts.sql";
    let period = ["--since", "2025-03-12", "--until", "2025-03-15"];
    let compared =
        stdout([&["compare", own, "sample_logs", "--min-visitors", "1", "--top", "0"], &period[..]].concat());
    let alone =
        stdout([&["run", own, "sample_logs", "--min-visitors", "1", "--top", "0"], &period[..]].concat());
    let cells = |line: &str, at: &[usize]| -> Vec<String> {
        let cells: Vec<&str> = line.split(',').collect();
        at.iter().map(|at| cells[*at].to_owned()).collect()
    };
    let expected: Vec<_> = alone.lines().skip(1).map(|line| cells(line, &[0, 1, 3])).collect();
    let found: Vec<_> = compared.lines().skip(1).map(|line| cells(line, &[0, 1, 3])).collect();
    assert_eq!(found[..expected.len()], expected);
    assert!(found.len() > expected.len() && compared.contains(",left_it,"), "{compared}");
    let twice = b"-- columns: page text, n bigint\n-- key: page\nSELECT page, quantity AS n FROM events";
    let no_key = b"-- columns: page text, n bigint\nSELECT page, quantity AS n FROM events";
    let folder = folder_with(&[("twice.sql", twice), ("no_key.sql", no_key), ("sql.sql", b"SELECT 1 AS n")]);
    for (name, code, hint) in [
        ("twice.sql", 1, "several have the same page"),
        ("no_key.sql", 2, "-- key:"),
        ("sql.sql", 2, "SQL alone cannot be compared"),
    ] {
        let output = run(["compare", text(&folder.path().join(name)), "sample_logs"]);
        assert_eq!((output.code, output.stdout.as_str()), (code, ""), "{}", output.stderr);
        assert!(output.stderr.contains(hint), "{}", output.stderr);
    }
}

#[test]
fn what_cannot_be_compared_is_said() {
    for (words, hint) in [
        (&["product-view", "sample_logs"][..], "'product-views'"),
        (&["product-views", "sample_logs", "--metric", "visitor"], "'visitors'"),
        (&["product-views", "sample_logs", "--metric", "product_id"], "it has views, visitors"),
        (&["product-views", "sample_logs", "--with", "yesterday"], "week-ago"),
        (&["product-views", "sample_logs", "--with", "2025-03-02..march"], "--with 'march' is no time"),
        (
            &["product-views", "no such logs", "--since", "2025-03-12", "--until", "2025-03-12"],
            "is not before 2025-03-12",
        ),
        (
            &[
                "hourly-activity",
                "no such logs",
                "--since",
                "2025-03-14T06:00",
                "--until",
                "2025-03-14T12:00",
            ],
            "a multiple of 1d",
        ),
        // A session belongs to one of the periods; events may be in both.
        (
            &[
                "sessions",
                "sample_logs",
                "--since",
                "2025-03-11",
                "--until",
                "2025-03-15",
                "--with",
                "2025-03-10..2025-03-14",
            ],
            "2025-03-11 until 2025-03-15 and 2025-03-10 until 2025-03-14 share a time",
        ),
        (
            &[
                "errors",
                "sample_logs",
                "--slide",
                "1h",
                "--since",
                "2025-03-12T12:30",
                "--until",
                "2025-03-14",
            ],
            "--slide 1h",
        ),
        (&["quality", "sample_logs"], "Usage: loganalyze compare REPORT"),
        (&["product-views"], "loganalyze compare product-views logs/"),
        (&[], "Usage: loganalyze compare REPORT"),
    ] {
        let output = run([&["compare"], words].concat());
        assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{words:?}: {}", output.stderr);
        assert!(output.stderr.contains(hint), "{words:?}: {}", output.stderr);
    }
}

#[test]
fn events_in_both_periods_are_counted_in_both() {
    let period = ["event-counts", "sample_logs", "--since", "2025-03-10", "--until", "2025-03-14"];
    let alone = rows(&stdout(period));
    let words = [
        "compare",
        "event-counts",
        "sample_logs",
        "--since",
        "2025-03-11",
        "--until",
        "2025-03-15",
        "--with",
    ];
    let both = rows(&stdout(
        [&words[..], &["2025-03-10..2025-03-14", "--metric", "lines", "--format", "csv"]].concat(),
    ));
    for row in &both[1..] {
        let lines = alone.iter().find(|other| other[0] == row[0]).map_or("", |other| &other[1]);
        assert_eq!(row[3], lines, "{row:?}");
    }
}
