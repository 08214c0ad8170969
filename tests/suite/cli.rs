//! The command line as people and scripts use it.

use crate::harness::{folder_with, program, root, run, sample_lines, stdout, text};
use crate::memory::parquet;
use loganalyze::report;
use std::io::Read;
use std::process::Stdio;

#[test]
fn each_format_by_name_and_by_ending() {
    let folder = tempfile::tempdir().unwrap();
    for (format, ending) in [
        ("csv", "csv"),
        ("tsv", "tsv"),
        ("json", "json"),
        ("ndjson", "jsonl"),
        ("markdown", "md"),
        ("table", "txt"),
    ] {
        let path = folder.path().join(format!("out.{ending}"));
        let printed = stdout(["event-counts", "sample_logs", "--format", format]);
        assert_eq!(stdout(["event-counts", "sample_logs", "-o", text(&path)]), "");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), printed, "{format}");
        assert!(printed.contains("logout"));
    }
    // Into a pipe without a word: CSV.
    assert_eq!(
        stdout(["event-counts", "sample_logs"]),
        stdout(["event-counts", "sample_logs", "--format", "csv"])
    );
    let unknown = run(["event-counts", "sample_logs", "-o", "out.xlsx"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains(".parquet"), "{}", unknown.stderr);
    assert!(!root().join("out.xlsx").exists());
}

#[test]
fn a_parquet_file_explains_itself() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("views.parquet");
    stdout(["product-views", "sample_logs", "--since", "2025-03-11", "-o", text(&path)]);
    let reader = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
    let metadata = reader.metadata().file_metadata();
    let value = |key: &str| {
        let pairs = metadata.key_value_metadata().unwrap();
        pairs.iter().find(|pair| pair.key == format!("loganalyze.{key}")).unwrap().value.clone().unwrap()
    };
    assert_eq!(metadata.num_rows(), 10);
    assert_eq!(value("version"), env!("CARGO_PKG_VERSION"));
    assert!(value("command").starts_with("product-views sample_logs --since 2025-03-11"));
    assert_eq!(value("since"), "2025-03-11");
    assert!(
        value("first_event").starts_with("2025-03-11T") && value("last_event").starts_with("2025-03-14T")
    );
    assert!(value("definitions").contains("cart_adds: successful additions"));
    assert!(value("sql").contains("FROM events"));
    let accounting: serde_json::Value = serde_json::from_str(&value("accounting")).unwrap();
    assert_eq!(accounting["lines"], 2588);
    // Later, "how long ago" says nothing.
    stdout(["product-views", "sample_logs", "--since", "36500d", "-o", text(&path)]);
    let said =
        format!("{:?}", SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap().metadata());
    assert!(said.contains(r#"value: Some("19"#) && !said.contains(r#"Some("36500d")"#), "{said}");
}

#[test]
fn what_is_said_of_a_result_is_in_its_file_and_in_the_summary() {
    let folder = tempfile::tempdir().unwrap();
    let [path, summary] = ["funnel.parquet", "summary.json"].map(|name| folder.path().join(name));
    // The values of a breakdown have 88 together, as the whole has.
    let words =
        ["funnel", "sample_logs", "--breakdown", "weekday", "-o", text(&path), "--summary", text(&summary)];
    stdout(words);
    let note = "immature: 88 of those who entered had time left when the events ended; some may go on";
    let (_, about) = parquet(&path);
    assert!(about.contains(&("loganalyze.notes".to_owned(), note.to_owned())), "{about:?}");
    let summary: serde_json::Value = serde_json::from_slice(&std::fs::read(&summary).unwrap()).unwrap();
    assert_eq!(summary["notes"]["funnel"], serde_json::json!([note]));
}

#[test]
fn the_events_of_a_funnel_end_with_the_last_whatever_it_is() {
    let line = |time: &str, event_type: &str, address: &str| {
        format!(
            r#"{{"timestamp": "{time}", "event_type": "{event_type}", "entity_type": "product", "entity_id": 1, "response_status": 200, "ip_address": "{address}", "user_agent": "x"}}"#
        )
    };
    let views: String =
        (0..9).map(|at| line("2025-03-10T10:00:00", "view", &format!("10.0.0.{at}")) + "\n").collect();
    let late: String = (10..40)
        .map(|minute| line(&format!("2025-05-10T10:{minute}:00"), "click_event", "10.0.1.1") + "\n")
        .collect();
    for (log, expected) in [(views.clone() + &late, 0), (views, 1)] {
        let folder = folder_with(&[("user_activity.log", log.as_bytes())]);
        let logs = text(folder.path());
        let summary = folder.path().join("summary.json");
        let all = folder.path().join("all");
        let commands = [
            vec!["funnel", logs],
            vec!["funnel", logs, "--memory-limit", "4kB"],
            vec!["report", logs, "--only", "event-counts,funnel", "-o", text(&all)],
            vec!["report", logs, "--only", "event-counts,funnel", "-o", text(&all), "--memory-limit", "4kB"],
        ];
        for command in commands {
            stdout([&command[..], &["--summary", text(&summary)]].concat());
            let summary: serde_json::Value =
                serde_json::from_slice(&std::fs::read(&summary).unwrap()).unwrap();
            let notes = summary["notes"]["funnel"].as_array().unwrap();
            assert_eq!(notes.len(), expected, "{command:?} {notes:?}");
        }
    }
}

#[test]
fn a_breakdown_of_a_funnel_is_drawn_a_line_a_value() {
    for (more, head) in
        [(&[][..], "visitors by breakdown, name"), (&["--lost-after", "1"], "visitors by breakdown, page")]
    {
        let words = ["funnel", "sample_logs", "--breakdown", "weekday", "--chart"];
        let drawn = stdout([&words[..], more].concat());
        assert!(drawn.starts_with(head) && drawn.contains("\n4 "), "{drawn}");
    }
}

#[test]
fn a_reader_that_stops_early_is_no_error() {
    let mut child = program()
        .args(["sql", "SELECT * FROM events", "sample_logs"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(!stderr.contains("panick") && !stderr.contains("roken pipe"), "{stderr}");
}

#[test]
fn one_sentence_accounts_for_every_line_and_quiet_keeps_it() {
    let output = run(["event-counts", "sample_logs"]);
    let said: Vec<&str> = output.stderr.lines().collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!(said[0], "note: 5 system logs (app*.log) left aside: they hold no user activity");
    assert!(said[1].starts_with("2,588 lines = 2,572 events + 8 rejects + 8 blank · 5 files, "), "{said:?}");
    assert_eq!(run(["event-counts", "sample_logs", "--quiet"]).stderr, "");
}

#[test]
fn since_is_inclusive_and_until_exclusive() {
    let days = |since: &str, until: &str| {
        let csv = stdout(["hourly-activity", "sample_logs", "--since", since, "--until", until]);
        csv.lines().skip(1).map(|line| line[..10].to_owned()).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(
        days("2025-03-11", "2025-03-13").into_iter().collect::<Vec<_>>(),
        ["2025-03-11", "2025-03-12"]
    );
    let line = br#"{"timestamp": "2025-03-10T12:00:00.000000", "event_type": "x"}"#;
    let folder = folder_with(&[("user_activity.log", line)]);
    let count = |option: &str| {
        let query =
            ["sql", "SELECT COUNT(*) AS n FROM events", text(folder.path()), option, "2025-03-10T12:00"];
        stdout(query)
    };
    assert_eq!((count("--since").as_str(), count("--until").as_str()), ("n\n1\n", "n\n0\n"));
    let empty = run(["event-counts", "sample_logs", "--since", "2025-03-12", "--until", "2025-03-11"]);
    assert_eq!(empty.code, 2);
}

#[test]
fn a_part_of_the_time_is_counted_as_within_the_whole() {
    // Visitors and pairs are found among all events, then the range is cut out: the first request of the new day has its
    // visitor's id and its action line before midnight.
    let lines = br#"{"timestamp": "2025-03-10T23:59:50", "event_type": "view", "session_id": "0b1c1446665d73bfb000a5b3d4726cae", "ip_address": "1.2.3.4", "user_agent": "x", "response_status": 200}
{"timestamp": "2025-03-10T23:59:59.9", "event_type": "search", "session_id": "unknown", "ip_address": "1.2.3.4", "user_agent": "x"}
{"timestamp": "2025-03-11T00:00:00.1", "event_type": "search", "session_id": "no_session", "ip_address": "1.2.3.4", "user_agent": "x", "response_status": 200, "process_time": 0.5}
"#;
    let folder = folder_with(&[("user_activity.log", lines)]);
    let query = "SELECT event_date, visitor_id, paired FROM events ORDER BY timestamp";
    let whole = stdout(["sql", query, text(folder.path())]);
    let day = stdout(["sql", query, text(folder.path()), "--since", "2025-03-11"]);
    assert_eq!(whole.lines().last(), day.lines().last());
    assert!(day.trim_end().ends_with(",true"), "{day}");
    let query = "SELECT event_date, visitor_id, COUNT(*) AS n FROM events WHERE NOT paired \
                 GROUP BY event_date, visitor_id ORDER BY event_date, visitor_id NULLS LAST";
    let whole = stdout(["sql", query, "sample_logs"]);
    let day = stdout(["sql", query, "sample_logs", "--since", "2025-03-12", "--until", "2025-03-13"]);
    let expected: Vec<&str> = whole.lines().filter(|line| line.starts_with("2025-03-12")).collect();
    assert_eq!(day.lines().skip(1).collect::<Vec<_>>(), expected);
    assert!(expected.len() > 5);
}

#[test]
fn what_is_wrong_is_said_with_what_was_perhaps_meant() {
    for (arguments, code, hint) in [
        (vec!["product-view", "sample_logs"], 2, "product-views"),
        (vec!["event-counts", "sample_logs", "--sinse", "today"], 2, "--since"),
        (vec!["event-counts", "sample_logs", "--format", "cvs"], 2, "csv"),
        (vec!["event-counts", "sample_logs", "--since", "march"], 2, "2025-03-10"),
        (vec!["event-counts", "sample_logs", "--tz", "Asia/Soul"], 2, "Asia/Seoul"),
        (vec!["event-counts", "sample_logs", "--max-rejects", "many"], 2, "10%"),
        (vec!["event-counts"], 2, "loganalyze event-counts logs/"),
        (vec!["sql", "SELECT event_typ FROM events", "sample_logs"], 1, "event_type"),
        (vec!["sql", "SELECT 1 FROM event", "sample_logs"], 1, "events"),
        (vec!["sql", "SELEC 1", "sample_logs"], 1, "SQL"),
        (vec!["funnel", "sample_logs", "--step", "view"], 2, "name: SQL condition"),
        (vec!["funnel", "sample_logs", "--step", "view: event_type ="], 1, "event_type ="),
        (vec!["funnel", "no logs", "--step", "x: event_typ = 'a'"], 1, "--step 'x: event_typ = 'a'': "),
        (vec!["funnel", "no logs", "--step", "x: event_typ = 'a'"], 1, "did you mean 'event_type'?"),
        (vec!["funnel", "no logs", "--step", "x: user_id"], 1, "--step 'x: user_id'"),
        (vec!["sql", "SELECT", "page", "FROM", "events", "no logs"], 2, "quote all of it"),
        (vec!["sql", "sample_logs", "SELECT page FROM events"], 2, "the query comes before the logs"),
        (vec!["sql", "SELECT page FROM events WHERE page = \"home\"", "no logs"], 1, "single quotes: 'home'"),
        (vec!["events", "no logs", "--where", "page=/cart"], 1, "Column: 6 (text stands in single quotes)"),
        (vec!["funnel", "no logs", "--exclude", "pagee = '/'"], 1, "--exclude 'pagee = '/'': "),
        (vec!["funnel", "no logs", "--exclude", ""], 1, "--exclude ''"),
        (
            [&["funnel", "no logs"][..], &["--exclude", "user_id = 1"].repeat(100)].concat(),
            2,
            "too many: 100",
        ),
        (vec!["funnel", "sample_logs", "--step", "x: CAST(path AS BIGINT) > 1"], 1, "--step 'x: CAST(path"),
        (vec!["funnel", "no logs", "--breakdown", "weekdays"], 2, "--breakdown 'weekdays'"),
        (vec!["funnel", "no logs", "--breakdown", "weekdays"], 2, "did you mean 'weekday'?"),
        (vec!["funnel", "no logs", "--breakdown", "quux"], 2, "loganalyze schema"),
        (vec!["funnel", "no logs", "--lost-after", "card"], 2, "did you mean 'cart addition'?"),
        (vec!["funnel", "no logs", "--lost-after", "purchase"], 2, "the last step"),
        (vec!["funnel", "no logs", "--lost-after", "5"], 2, "product view, cart addition"),
        (vec!["funnel", "no logs", "--lost-after", "p"], 2, "several steps"),
        (vec!["funnel", "no logs", "--entry", "last"], 2, "first"),
        (vec!["funnel", "sample_logs", "--window", "7 days"], 2, "7d"),
        (vec!["hourly-activity", "sample_logs", "--by", "weekday"], 2, "weekday-hour"),
    ] {
        let output = run(&arguments);
        assert_eq!(output.code, code, "{arguments:?}: {}", output.stderr);
        assert!(output.stderr.contains(hint), "{arguments:?}: {}", output.stderr);
        assert_eq!(output.stdout, "", "{arguments:?}");
    }
}

#[test]
fn help_names_every_report_and_fits_a_screen() {
    let help = stdout(["--help"]);
    let reports = report::all().unwrap().into_iter().map(|report| report.header);
    let reports = reports.filter(|header| header.variant_of.is_none()).map(|header| header.name);
    let data = ["quality", "schema", "events", "sql", "run", "compare", "report"];
    let operation = ["ingest", "store", "nightly", "config", "init"];
    let more = data.into_iter().chain(operation).map(str::to_owned);
    for name in reports.chain(more) {
        assert!(help.lines().any(|line| line.split_whitespace().next() == Some(&name)), "{name}");
    }
    assert!(help.lines().count() <= 51, "{} lines: {help}", help.lines().count());
    for line in help.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(stdout(["product-views", "--help"]).contains("view_to_cart"));
}

#[test]
fn explain_shows_the_definitions_and_the_sql_that_ran() {
    let output = run(["product-views", "sample_logs", "--explain"]);
    assert!(output.stderr.contains("cart_adds / views") && output.stderr.contains("FROM events"));
    assert!(output.stdout.starts_with("product_id,"));
    // Without input there is nothing to run: only the explanation, as the result.
    assert!(stdout(["funnel", "--explain"]).contains("WITH"));
}

#[test]
fn colour_and_width_are_the_users() {
    let escape = "\u{1b}[";
    assert!(!stdout(["event-counts", "sample_logs", "--format", "table"]).contains(escape));
    assert!(
        stdout(["event-counts", "sample_logs", "--format", "table", "--color", "always"]).contains(escape)
    );
    assert!(
        !stdout(["event-counts", "sample_logs", "--format", "table", "--color", "never"]).contains(escape)
    );
}

#[test]
fn the_schema_is_a_table() {
    let schema = stdout(["schema", "--format", "csv"]);
    let columns = loganalyze::schema::RELATIONS.map(|relation| relation.columns.len());
    assert_eq!(schema.lines().count(), columns.iter().sum::<usize>() + 1);
    assert!(schema.contains("events,process_time,double,s,key process_time,"));
    assert!(schema.contains("app_events,level,text,\"\",key level,"));
}

#[test]
fn what_is_read_is_never_written() {
    let folder = folder_with(&[("user_activity.log", &sample_lines().concat()), ("b.log", b"")]);
    let log = folder.path().join("user_activity.log");
    let (log, before) = (text(&log), sample_lines().concat());
    let link = folder.path().join("link.csv");
    std::os::unix::fs::symlink("user_activity.log", &link).unwrap();
    let lake = folder.path().join("lake");
    for words in [
        &["event-counts", log, "--rejects", log][..],
        &["event-counts", log, "--summary", log],
        &["event-counts", log, "-o", log, "--format", "csv"],
        &["event-counts", log, "-o", text(&link)],
        &["event-counts", text(folder.path()), "--summary", log],
        &["ingest", log, "--store", text(&lake), "--summary", log],
    ] {
        let output = run(words);
        assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{words:?}: {}", output.stderr);
        assert!(output.stderr.contains("would replace the log"), "{words:?}: {}", output.stderr);
        assert_eq!(std::fs::read(log).unwrap(), before, "{words:?}");
    }
    let input = std::process::Stdio::from(std::fs::File::open(log).unwrap());
    let output = program().args(["event-counts", "-", "--summary", log]).stdin(input).output().unwrap();
    assert_eq!((output.status.code(), std::fs::read(log).unwrap()), (Some(2), before));
}

#[test]
fn no_two_outputs_are_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let one = path("one.csv");
    let output =
        run(["event-counts", "sample_logs", "-o", text(&one), "--summary", text(&path("./one.csv"))]);
    assert_eq!(output.code, 2);
    assert!(output.stderr.contains("-o and --summary both write"), "{}", output.stderr);
    let missing = run(["event-counts", "no such logs", "sample_logs", "-o", text(&path("none/one.csv"))]);
    assert_eq!(missing.code, 1);
    let missing = run(["event-counts", "sample_logs", "-o", text(&path("none/one.csv"))]);
    assert!(
        missing.stderr.contains("there is no folder") && !missing.stderr.contains(" lines = "),
        "{}",
        missing.stderr
    );
    // Of a device there may be several.
    assert_eq!(
        run(["event-counts", "sample_logs", "--summary", "/dev/null", "--rejects", "/dev/null"]).code,
        0
    );
}

#[test]
fn a_full_disk_behind_standard_error_is_no_failure() {
    for words in [&["event-counts", "sample_logs"][..], &["event-counts", "no such logs"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = program().args(words).stderr(full).output().unwrap();
        let code = if words[1] == "sample_logs" { 0 } else { 1 };
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(code), code == 1), "{words:?}");
    }
}

#[test]
fn what_a_machine_format_cannot_say_is_said_beside_it() {
    let notes = |words: &[&str]| -> Vec<String> {
        let stderr = run(words).stderr;
        let notes = stderr.lines().filter_map(|line| line.strip_prefix("note: ")).map(str::to_owned);
        notes.filter(|note| !note.contains("left aside")).collect()
    };
    let views = ["product-views", "sample_logs"];
    assert_eq!(notes(&views), ["the first 10 of 43 rows; --top 0 gives all"]);
    assert_eq!(notes(&[&views[..], &["--top", "0"]].concat()), Vec::<String>::new());
    assert_eq!(notes(&[&views[..], &["--format", "table"]].concat()), Vec::<String>::new());
    assert_eq!(notes(&[&views[..], &["-q"]].concat()), Vec::<String>::new());
    assert!(notes(&["funnel", "sample_logs", "--format", "json"])[0].starts_with("immature"));
    let nothing = notes(&["event-counts", "sample_logs", "--since", "2030-01-01"]);
    assert!(nothing.len() == 1 && nothing[0].starts_with("there is no event of that time"), "{nothing:?}");
    // There are events, but no attacks.
    let quiet = ["login-incidents", "sample_logs", "--since", "2025-03-14T23:00"];
    assert_eq!((stdout(quiet).lines().count(), notes(&quiet)), (1, Vec::new()));
}

#[test]
fn results_go_to_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    for words in [
        &["event-counts", "sample_logs", "-o", "s3://shop/x.csv"][..],
        &["report", "sample_logs", "-o", "s3://shop/out"],
        &["event-counts", "sample_logs", "--summary", "gs://shop/x.json"],
        &["event-counts", "sample_logs", "--rejects", "az://shop/x.ndjson"],
        &[
            "nightly",
            "--inputs",
            "sample_logs",
            "--store",
            "/tmp/none",
            "--out",
            "/tmp/none2",
            "--metrics",
            "s3://shop/x.prom",
        ],
    ] {
        let output = run(words);
        assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{words:?}: {}", output.stderr);
        assert!(output.stderr.contains("a folder of this machine"), "{words:?}: {}", output.stderr);
    }
    assert!(!root().join("s3:").exists() && !root().join("gs:").exists());
    let lake = folder.path().join("lake");
    assert_eq!(run(["ingest", "sample_logs", "--store", text(&lake)]).code, 0);
    let output = run(["product-views", text(&lake)]);
    assert_eq!(output.code, 1);
    assert!(output.stderr.contains("it is a store, which is read with --store"), "{}", output.stderr);
}
