//! `events`, `sql` and `run`: rows, queries and query files of the user's own.

use crate::harness::{folder_with, program, run, run_with_input, sample_lines, stdout, text};
use serde_json::{Map, Value};
use std::cmp::Ordering;

type Row = Map<String, Value>;

fn objects(words: &[&str]) -> Vec<Row> {
    let found = stdout([words, &["--format", "ndjson"]].concat());
    found.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// As `… NULLS LAST` sorts.
fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Null, _) | (_, Value::Null) => a.is_null().cmp(&b.is_null()),
        (Value::Number(a), Value::Number(b)) => a.as_f64().unwrap().total_cmp(&b.as_f64().unwrap()),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        _ => a.as_str().unwrap().cmp(b.as_str().unwrap()),
    }
}

/// These rows with these columns, newest first or oldest first, ties by the columns from left to right.
fn sorted(mut rows: Vec<Row>, columns: &[&str], newest: bool) -> Vec<Row> {
    rows.sort_by(|a, b| {
        let (one, other) = (&a["timestamp"], &b["timestamp"]);
        let time = match newest && !one.is_null() && !other.is_null() {
            true => compare(other, one),
            false => compare(one, other),
        };
        columns.iter().fold(time, |order, name| order.then_with(|| compare(&a[*name], &b[*name])))
    });
    let shown = |row: Row| columns.iter().map(|name| ((*name).to_owned(), row[*name].clone())).collect();
    rows.into_iter().map(shown).collect()
}

const DEFAULT: [&str; 8] =
    ["timestamp", "event_type", "visitor_id", "page", "product", "user_id", "response_status", "kind"];

#[test]
fn each_filter_keeps_the_events_that_meet_it() {
    let all = objects(&["sql", "SELECT * FROM events", "sample_logs"]);
    let visitor = all.iter().find(|row| row["session_number"] == 2).unwrap()["visitor_id"].clone();
    let visitor = visitor.as_str().unwrap();
    let ip = all.iter().find_map(|row| row["ip_address"].as_str()).unwrap();
    let path = all
        .iter()
        .find_map(|row| row["path"].as_str().filter(|path| path.contains('\'')))
        .unwrap_or("/search");
    type Meets<'a> = Box<dyn Fn(&Row) -> bool + 'a>;
    let cases: Vec<(Vec<&str>, Meets)> = vec![
        (vec![], Box::new(|_| true)),
        (vec!["--type", "view"], Box::new(|row| row["event_type"] == "view")),
        (
            vec!["--type", "view", "--type", "(none)"],
            Box::new(|row| row["event_type"] == "view" || row["event_type"].is_null()),
        ),
        (
            vec!["--type", "view,search"],
            Box::new(|row| row["event_type"] == "view" || row["event_type"] == "search"),
        ),
        (
            vec!["--where", "length(page) - 20 < 0"],
            Box::new(|row| row["page"].as_str().is_some_and(|page| page.len() < 20)),
        ),
        (
            vec!["--where", "extract(hour from timestamp) * 60 > 600"],
            Box::new(|row| row["event_hour"].as_i64() > Some(10)),
        ),
        (vec!["--user", "7", "--user", "12"], Box::new(|row| row["user_id"] == 7 || row["user_id"] == 12)),
        (
            vec!["--product", "1", "--type", "view"],
            Box::new(|row| row["product"] == 1 && row["event_type"] == "view"),
        ),
        (vec!["--visitor", visitor], Box::new(|row| row["visitor_id"] == visitor)),
        (
            vec!["--visitor", visitor, "--session", "2"],
            Box::new(|row| row["visitor_id"] == visitor && row["session_number"] == 2),
        ),
        (vec!["--path", path], Box::new(|row| row["path"] == path)),
        (
            vec!["--page", "/products/{id}", "--status", "404"],
            Box::new(|row| row["page"] == "/products/{id}" && row["response_status"] == 404),
        ),
        (vec!["--ip", ip], Box::new(|row| row["ip_address"] == ip)),
        (
            vec!["--where", "response_status >= 400 -- bad", "--user", "7"],
            Box::new(|row| row["response_status"].as_i64() >= Some(400) && row["user_id"] == 7),
        ),
        (
            vec!["--where", "paired", "--where", "user_id = 7"],
            Box::new(|row| row["paired"] == true || row["user_id"] == 7),
        ),
    ];
    for (words, meets) in cases {
        let kept: Vec<Row> = all.iter().filter(|row| meets(row)).cloned().collect();
        assert!(!kept.is_empty() || words.contains(&"--user"), "{words:?}");
        let count = kept.len();
        for (order, newest) in [("newest", true), ("oldest", false)] {
            let expected = sorted(kept.clone(), &DEFAULT, newest);
            let found =
                objects(&[&["events", "sample_logs", "--top", "0", "--order", order], &words[..]].concat());
            assert_eq!(found, expected, "{words:?} {order}");
            let first =
                objects(&[&["events", "sample_logs", "--top", "3", "--order", order], &words[..]].concat());
            assert_eq!(first, expected[..count.min(3)], "{words:?} {order}");
        }
        let table = stdout([&["events", "sample_logs", "--format", "table"], &words[..]].concat());
        if count > 20 {
            let thousands = loganalyze::sink::grouped(&count.to_string());
            assert!(table.ends_with(&format!("top 20 of {thousands}\n")), "{words:?}: {table}");
        }
    }
}

#[test]
fn the_same_moment_and_no_moment_have_an_order() {
    let mut log = String::new();
    for (time, kind) in [("null", "a"), (r#""2025-03-10T12:00:00""#, "c"), (r#""2025-03-10T12:00:00""#, "b")]
    {
        for user in ["2", "null", "1"] {
            log += &format!("{{\"timestamp\": {time}, \"event_type\": \"{kind}\", \"user_id\": {user}}}\n");
        }
    }
    let folder = folder_with(&[("user_activity.log", log.as_bytes())]);
    let shown = |order: &str| {
        stdout([
            "events",
            text(folder.path()),
            "--columns",
            "user_id,event_type",
            "--order",
            order,
            "--format",
            "csv",
        ])
    };
    let expected = "user_id,event_type\n1,b\n1,c\n2,b\n2,c\n,b\n,c\n1,a\n2,a\n,a\n";
    assert_eq!((shown("newest").as_str(), shown("oldest").as_str()), (expected, expected));
}

#[test]
fn what_there_is_none_of_is_told() {
    let said = |words: &[&str]| {
        let output = run(words);
        assert_eq!(output.code, 0, "{}", output.stderr);
        output.stdout + &output.stderr
    };
    let note = "no event of type purchase, order: 'loganalyze event-counts' lists the types there are";
    assert!(said(&["events", "sample_logs", "--type", "purchase,order"]).contains(note));
    for type_ in ["view", "view,purchase"] {
        assert!(!said(&["events", "sample_logs", "--type", type_]).contains("no event of type"));
    }
    let lines = |count: usize| "{\"event_type\": \"view\", \"timestamp\": 1741570000}\n".repeat(count);
    for (count, told) in [(9, false), (12, true)] {
        let folder = folder_with(&[("user_activity.log", lines(count).as_bytes())]);
        let lake = folder.path().join("lake");
        for words in [
            vec!["hourly-activity", text(folder.path())],
            vec!["ingest", text(folder.path()), "--store", text(&lake)],
        ] {
            let said = said(&words);
            assert_eq!(
                said.contains("times: 12 of 12 events have no 'timestamp'"),
                told,
                "{words:?}: {said}"
            );
        }
    }
}

#[test]
fn only_columns_that_are_asked_for_are_read() {
    let header = |columns: &str| {
        let csv = stdout(["events", "sample_logs", "--columns", columns, "--format", "csv", "--top", "1"]);
        csv.lines().next().unwrap().to_owned()
    };
    assert_eq!(header("path,timestamp"), "path,timestamp");
    assert_eq!(header("path, path,user_id"), "path,user_id");
    let all: Vec<&str> = loganalyze::schema::names().collect();
    assert_eq!(header("all"), all.join(","));
    assert_eq!(header("user_id,all").split(',').count(), all.len());
    let sql = stdout(["events", "--explain", "--columns", "path", "--user", "7", "--top", "0"]);
    assert_eq!(
        sql.trim(),
        "SELECT path\nFROM events\nWHERE (user_id = 7)\nORDER BY timestamp DESC NULLS LAST, path NULLS LAST"
    );
    // What is not read cannot be of a wrong type.
    let said = |columns: &str| run(["events", "sample_logs", "--columns", columns]).stderr;
    assert!(said("all").contains("of a wrong type") && !said("timestamp").contains("of a wrong type"));
}

#[test]
fn what_is_wrong_with_events_is_said_before_the_logs_are_read() {
    for (words, code, hint) in [
        (&["--where", "user_idd = 1"][..], 1, "--where 'user_idd = 1': the SQL cannot be run: not found"),
        (&["--where", "user_idd = 1"], 1, "'user_id'"),
        (&["--where", "user_id ="], 1, "--where 'user_id ='"),
        (&["--where", "user_id"], 1, "Boolean"),
        (&["--where", "1 = 1) OR (1 ="], 1, "--where"),
        (&["--columns", "timestamp,pth"], 2, "(did you mean 'path'?)"),
        (&["--columns", ""], 2, "--columns"),
        (&["--user", "bob"], 2, "--user 'bob' is no whole number"),
        (&["--session", "1"], 2, "--visitor"),
        (&["--order", "random"], 2, "oldest"),
    ] {
        let output = run([&["events", "no such logs"], words].concat());
        assert_eq!((output.code, output.stdout.as_str()), (code, ""), "{words:?}: {}", output.stderr);
        assert!(output.stderr.contains(hint), "{words:?}: {}", output.stderr);
    }
}

const TWO: &str = "CREATE TABLE views AS SELECT product FROM events WHERE event_type = 'view';\n\
                   -- How many\nSELECT COUNT(*) AS n FROM views;\n\
                   SELECT product, COUNT(*) AS n FROM views GROUP BY product ORDER BY n DESC, product LIMIT 2; -- ; end";

#[test]
fn sql_comes_from_an_argument_a_file_or_standard_input() {
    let query = "SELECT COUNT(*) AS n FROM events;";
    let folder = folder_with(&[("query.sql", query.as_bytes())]);
    let file = folder.path().join("query.sql");
    let expected = stdout(["sql", query, "sample_logs"]);
    assert_eq!(expected, "n\n2572\n");
    assert_eq!(stdout(["sql", "--file", text(&file), "sample_logs"]), expected);
    assert_eq!(stdout(["sql", "sample_logs", "--file", text(&file), "--top", "5"]), expected);
    let both =
        stdout(["sql", "--file", text(&file), "sample_logs", "sample_logs/user_activity-2025-03-13.log"]);
    assert_eq!(both, expected);
    let piped = run_with_input(["sql", "--file", "-", "sample_logs"], query.as_bytes());
    assert_eq!((piped.code, piped.stdout), (0, expected));
    let log = run_with_input(["sql", query, "-"], &sample_lines().concat());
    assert_eq!((log.code, log.stdout.as_str()), (0, "n\n2572\n"), "{}", log.stderr);
}

#[test]
fn several_queries_share_one_reading() {
    let output = run(["sql", TWO, "sample_logs"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let (first, second) = output.stdout.split_once("\n2: SELECT product, COUNT(*)").unwrap();
    assert!(first.starts_with("1: How many\n\n  n\n───\n594\n1 row\n"), "{first}");
    assert!(second.contains("      1   67\n"), "{second}");
    assert_eq!(output.stderr.matches(" lines = ").count(), 1, "{}", output.stderr);
    let folder = tempfile::tempdir().unwrap();
    stdout(["sql", TWO, "sample_logs", "-o", text(folder.path())]);
    let file = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!((file("1.csv").as_str(), file("2.csv").as_str()), ("n\n594\n", "product,n\n,188\n1,67\n"));
    // A definition may hide the events.
    let hidden =
        "CREATE TABLE events AS SELECT * FROM events WHERE user_id = 7; SELECT COUNT(*) AS n FROM events";
    let expected = stdout(["sql", "SELECT COUNT(*) AS n FROM events WHERE user_id = 7", "sample_logs"]);
    assert_eq!(stdout(["sql", hidden, "sample_logs"]), expected);
}

#[test]
fn what_is_wrong_with_sql_is_said_before_the_logs_are_read() {
    let folder = folder_with(&[("q.sql", b"SELECT usr_id FROM events"), ("empty.sql", b"")]);
    let (file, empty) = (folder.path().join("q.sql"), folder.path().join("empty.sql"));
    for (words, code, hint) in [
        (&["sql", ""][..], 1, "there is no SQL"),
        (&["sql", " -- nothing\n;"], 1, "no SQL but comments"),
        (&["sql", "CREATE TABLE a AS SELECT 1"], 1, "end with a SELECT"),
        (&["sql", "CREATE VIEW a AS SELECT 1; SELECT 1"], 1, "CREATE TABLE name AS SELECT"),
        (&["sql", "SELECT 1 AS a; SELECT usr_id FROM events"], 1, "query 2 (SELECT usr_id FROM events): "),
        (&["sql", "SELECT usr_id FROM events"], 1, "'user_id'"),
        (&["sql", "SELECT 1 FROM evnts"], 1, "'events'"),
        (&["sql", "SELECT user_id + event_type AS x FROM events WHERE method"], 1, "Boolean"),
        (&["sql", "SELECT 1 AS a; SELECT 2 AS b", "--format", "csv"], 2, "-o"),
        (&["sql", "SELECT 1 AS a; SELECT 2 AS b", "-o", "x.csv"], 2, "several results"),
        (&["sql", "--file", text(&file)], 1, "q.sql: the SQL cannot be run"),
        (&["sql", "--file", text(&empty)], 1, "empty.sql: there is no SQL"),
        (&["sql", "--file", "no such file"], 1, "cannot read no such file"),
        (&["sql", "--file", "-", "-"], 2, "standard input"),
    ] {
        let output = run([words, &["no such logs"]].concat());
        assert_eq!((output.code, output.stdout.as_str()), (code, ""), "{words:?}: {}", output.stderr);
        assert!(output.stderr.contains(hint), "{words:?}: {}", output.stderr);
    }
}

const OWN: &str = "-- slow: pages and how long they took\n\
                   -- params: least double = 0.1, kind text = request\n\
                   -- columns: page text, n bigint, slowest double\n\
                   -- key: page\n\
                   -- top: 3\n\
                   -- least: seconds that an answer took at least\n\
                   -- kind: of which lines\n\
                   -- n: how many answers\n\
                   SELECT page, MAX(process_time) AS slowest, COUNT(*) AS n\n\
                   FROM events\n\
                   WHERE process_time >= /*:least*/ 0.1 AND kind = /*:kind*/ 'request' AND page IS NOT NULL\n\
                   GROUP BY page\n\
                   ORDER BY n DESC, page";

#[test]
fn a_query_file_is_a_command_with_its_own_options() {
    let folder = folder_with(&[("slow.sql", OWN.as_bytes())]);
    let file = folder.path().join("slow.sql");
    let own = |words: &[&str]| stdout([&["run", text(&file), "sample_logs"], words].concat());
    let sql = |least: &str, kind: &str| {
        let query = format!(
            "SELECT page, COUNT(*) AS n, MAX(process_time) AS slowest FROM events WHERE process_time >= {least} \
             AND kind = '{kind}' AND page IS NOT NULL GROUP BY page ORDER BY n DESC, page"
        );
        stdout(["sql", &query, "sample_logs"])
    };
    let first = |csv: &str, rows: usize| csv.split_inclusive('\n').take(rows + 1).collect::<String>();
    assert_eq!(own(&[]), first(&sql("0.1", "request"), 3));
    assert_eq!(own(&["--least", "0", "--top", "0"]), sql("0", "request"));
    assert_eq!(own(&["--kind", "it's"]), "page,n,slowest\n");
    assert_eq!(own(&["--kind", "/*:least*/ 5"]), "page,n,slowest\n");
    assert_eq!(own(&["--least", "0.00001", "--top", "0"]), sql("0.00001", "request"));
    assert!(sql("0", "request").lines().count() > 4);
    let help = stdout(["run", text(&file), "--help"]);
    for word in [
        "pages and how long they took",
        "--least <N>",
        "seconds that an answer took",
        "[default: request]",
        "how many answers",
    ] {
        assert!(help.contains(word), "{word}: {help}");
    }
    assert!(
        help.contains(&format!("loganalyze run {} sample_logs --least 0.1 --kind 'request'", text(&file))),
        "{help}"
    );
    let explained = stdout(["run", text(&file), "--explain", "--least", "2"]);
    assert!(
        explained.starts_with("slow: pages and") && explained.contains("/*:least*/ 2.0 AND"),
        "{explained}"
    );
}

#[test]
fn a_query_file_without_a_header_is_sql() {
    let folder =
        folder_with(&[("two.sql", TWO.as_bytes()), ("top.sql", b"-- top: 1\nSELECT path FROM events")]);
    let two = folder.path().join("two.sql");
    assert_eq!(stdout(["run", text(&two), "sample_logs"]), stdout(["sql", TWO, "sample_logs"]));
    let top = folder.path().join("top.sql");
    assert_eq!(stdout(["run", text(&top), "sample_logs"]).lines().count(), 2);
    // A file that can be read only once.
    let built = program().get_program().to_owned();
    let line = format!("{} run <(cat {}) sample_logs --quiet", built.to_str().unwrap(), text(&top));
    let output =
        std::process::Command::new("bash").args(["-c", &line]).current_dir(crate::harness::root()).output();
    assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap().lines().count(), 2);
}

#[test]
fn what_is_wrong_with_a_query_file_names_it_and_the_line() {
    for (content, words, code, hint) in [
        ("-- a: b\n-- columns: page txt\nSELECT page FROM events", &[][..], 1, "line 2 of own.sql"),
        ("-- a: b\n-- colums: page text\n-- top: 1\nSELECT page FROM events", &[], 1, "'columns'"),
        ("-- a: b\n-- params: top bigint = 5\nSELECT /*:top*/ 5", &[], 1, "own.sql: --top is another option"),
        ("-- params: inputs bigint = 5\nSELECT /*:inputs*/ 5", &[], 1, "own.sql: --inputs"),
        ("-- params: n bigint = 5\nSELECT /*:n*/ 5 AS n", &["--n", "x"], 2, "--n 'x'"),
        ("-- params: n bigint = 5\nSELECT /*:n*/ 5 AS n", &["--m", "5"], 2, "'--m'"),
        (
            "-- columns: page text, m bigint\nSELECT page, 1 AS n FROM events",
            &[],
            1,
            "own.sql: the query breaks its promise: it has no column 'm', but page, n",
        ),
        (
            "-- columns: n bigint\nSELECT 1 AS n; SELECT 2 AS n",
            &[],
            1,
            "own.sql: '-- columns:' is for one SELECT",
        ),
        ("SELECT pge FROM events", &[], 1, "own.sql: the SQL cannot be run"),
        (
            "-- columns: n bigint\n-- chart: bar page n\nSELECT 1 AS n",
            &[],
            1,
            "own.sql: the chart is of a column 'page'",
        ),
        ("-- nothing", &[], 1, "own.sql: there is no SQL but comments"),
    ] {
        let folder = folder_with(&[("own.sql", content.as_bytes())]);
        let words = [&["run", "own.sql", "no such logs"], words].concat();
        let output = program().args(&words).current_dir(folder.path()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(code), 0), "{content}: {stderr}");
        assert!(stderr.contains(hint), "{content}: {stderr}");
    }
    for (words, code, hint) in [
        (&["run"][..], 2, "Usage: loganalyze run FILE.sql"),
        (&["run", "no such.sql", "sample_logs"], 1, "cannot read no such.sql"),
        (&["run", "sample_logs"], 2, "'sample_logs' is a folder"),
        (&["run", "examples/abandoned-carts.sql"], 2, "loganalyze run examples/abandoned-carts.sql logs/"),
        (&["run", "--top", "5", "examples/abandoned-carts.sql"], 2, "Usage: loganalyze run FILE.sql"),
    ] {
        let output = run(words);
        assert_eq!((output.code, output.stdout.as_str()), (code, ""), "{words:?}: {}", output.stderr);
        assert!(output.stderr.contains(hint), "{words:?}: {}", output.stderr);
    }
    let broken = b"-- columns: path bigint\nSELECT path FROM events WHERE path IS NOT NULL";
    let folder = folder_with(&[("own.sql", broken)]);
    let output = run(["run", text(&folder.path().join("own.sql")), "sample_logs"]);
    assert_eq!((output.code, output.stdout.as_str()), (1, ""));
    assert!(output.stderr.contains("its column 'path' is no bigint"), "{}", output.stderr);
}

#[test]
fn a_file_of_a_reports_name_is_the_users_own() {
    let sql = "-- NAME: mine\n-- columns: n bigint\nSELECT COUNT(*) - 3000 AS n FROM events\n";
    for name in ["quality", "funnel", "login-incidents", "event-counts"] {
        let file = format!("{name}.sql");
        let folder = folder_with(&[(&file, sql.replace("NAME", name).as_bytes())]);
        let file = folder.path().join(&file);
        let rows = stdout(["run", text(&file), "sample_logs", "--format", "csv"]);
        assert_eq!(rows, "n\n-428\n", "{name}");
        assert!(!stdout(["run", text(&file), "--help"]).contains("--step"));
    }
}

#[test]
fn what_takes_all_columns_has_all_columns() {
    let columns = |sql: &str| {
        let csv = stdout(["sql", sql, "sample_logs", "--format", "csv"]);
        csv.lines().next().unwrap().split(',').count()
    };
    let all = columns("SELECT * FROM events LIMIT 1");
    assert_eq!(columns("SELECT DISTINCT ON (event_type) * FROM events"), all);
    assert_eq!(columns("FROM events LIMIT 1"), all);
    assert_eq!(columns("SELECT COLUMNS ('^user') FROM events LIMIT 1"), 4);
}

#[test]
fn nothing_but_what_the_user_is_to_know_is_on_standard_error() {
    let sql = "SELECT COUNT(*) AS n FROM events WHERE event_date IN ('2025-03-13', DATE '2025-03-14')";
    let output = run(["sql", sql, "sample_logs", "--quiet", "--format", "jsonl"]);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    assert!(output.stdout.starts_with("{\"n\":"), "{}", output.stdout);
}

#[test]
fn logs_of_another_program_are_not_taken_for_the_shops_without_a_word() {
    let line = "{\"remote_addr\": \"10.0.0.1\", \"request\": \"GET / HTTP/1.1\", \"status\": 200}\n";
    let folder = folder_with(&[("access.log", line.repeat(3).as_bytes())]);
    let said = |more: &[u8]| {
        std::fs::write(folder.path().join("more.log"), more).unwrap();
        let output = run(["product-views", text(folder.path())]);
        assert_eq!(output.code, 0);
        output.stderr.contains("no line has a key that was looked for")
    };
    assert!(said(b""));
    assert!(!said(b"{\"user_id\": null}\n"));
}

#[test]
fn an_address_is_found_however_it_is_written() {
    let line = |address: &str| {
        format!("{{\"timestamp\": \"2025-03-10T09:00:00\", \"ip_address\": \"{address}\"}}\n")
    };
    let log =
        ["203.0.113.5", "::ffff:203.0.113.5", "203.0.113.6", "2001:DB8::1", "2001:db8::1"].map(line).concat();
    for (asked, count) in [
        ("203.0.113.5", 2),
        ("::ffff:203.0.113.5", 2),
        ("2001:DB8::1", 2),
        ("2001:db8:0::1", 1),
        ("x' OR 'x", 0),
    ] {
        let found = run_with_input(["events", "-", "--ip", asked, "--format", "ndjson"], log.as_bytes());
        assert_eq!((found.code, found.stdout.lines().count()), (0, count), "{asked}: {}", found.stderr);
    }
}
