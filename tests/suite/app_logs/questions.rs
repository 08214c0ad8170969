//! What is asked of system logs: which files answer, which times, which errors are one, and that no secret is shown.

use super::pasted;
use crate::harness::{Output, folder_with, rows, run, run_with_input, stdout, text};

#[test]
fn secrets_in_messages_are_taken_out_before_anything_sees_them() {
    let cookie = ".eJxNykESwiAMAMC_5GxtEkpB3uGdSSkoM9V2.Z8291Q.IL4CGw55xEqI2Ec_7R0u7KaHaqU";
    let log = format!(
        "{}\n{}\n{}\n{}\n{{\"timestamp\":\"2025-03-10T00:00:09\", \"lev password=hunter2 {cookie}\n",
        pasted(1, "ERROR", "GET /reset?token=hunter2&page=1 - 404", "m"),
        pasted(2, "ERROR", "form {'password': 'hunter2', \"phone\": \"hunter2\"}", "m"),
        pasted(3, "ERROR", &format!("Cookie: session={cookie}\n\nValueError: {cookie}"), "m"),
        pasted(4, "ERROR", "login of user=kim from 10.1.2.3 row=4711", "m"),
    );
    let folder = folder_with(&[("app.log", log.as_bytes())]);
    let file = folder.path().join("rejects");
    let all = |more: &[&str]| {
        let query =
            ["sql", "SELECT * FROM app_events", "--max-rejects", "9", text(folder.path()), "--format", "csv"];
        let Output { stdout, stderr, .. } = run([&query[..], &["--rejects", text(&file)], more].concat());
        stdout + &stderr + &std::fs::read_to_string(&file).unwrap()
    };
    let shown = all(&[]);
    assert!(!shown.contains("hunter2") && !shown.contains("eJxNykES"), "{shown}");
    assert!(
        shown.contains("/reset?token=[redacted]&page=1 - 404")
            && shown.contains("10.1.2.3")
            && shown.contains("4711")
    );
    let shown = all(&["--hash-pii", "--redact", "row"]);
    assert!(!shown.contains("kim") && !shown.contains("10.1.2.3") && !shown.contains("4711"), "{shown}");
}

#[test]
fn only_a_part_of_the_time_and_in_the_zone_of_the_shop() {
    let utc = pasted(3, "ERROR", "utc", "m").replace(".000001", "Z");
    let log = [
        pasted(1, "ERROR", "a", "m"),
        pasted(2, "ERROR", "b", "m"),
        utc,
        pasted(4, "ERROR", "c", "m").replace("2025", "soon"),
    ];
    let folder = folder_with(&[("app.log", log.join("\n").as_bytes())]);
    let query = "SELECT message, event_date, event_hour FROM app_events ORDER BY epoch_us NULLS LAST";
    let of = |more: &[&str]| stdout([&["sql", query, text(folder.path())], more].concat());
    assert_eq!(
        of(&[]),
        "message,event_date,event_hour\na,2025-03-10,0\nb,2025-03-10,0\nutc,2025-03-10,9\nc,,\n"
    );
    let part = ["--since", "2025-03-10T00:00:02", "--until", "2025-03-10T03:00"];
    assert_eq!(of(&part), "message,event_date,event_hour\nb,2025-03-10,0\n");
    assert_eq!(of(&[&part[..], &["--tz", "UTC"]].concat()).lines().count(), 3);
    let errors = stdout(["app-errors", text(folder.path()), "--top", "1", "--until", "2025-03-10T00:00:02"]);
    assert_eq!(
        errors,
        "message,level,module,count,first_seen,last_seen\na,ERROR,m,1,2025-03-10T00:00:01.000001,2025-03-10T00:00:01.000001\n"
    );
}

#[test]
fn errors_that_differ_in_numbers_are_one() {
    let mut log: Vec<String> =
        (0..20).map(|n| pasted(n, "ERROR", &format!("GET /products/{n}{n} - 404"), "m")).collect();
    log.extend((20..30).map(|n| {
        pasted(
            n,
            "fatal",
            &format!("Exception on /p/{n}\nTraceback (most recent call last):\n  line {n}\nKeyError: {n}"),
            "m",
        )
    }));
    log.extend((30..35).map(|n| {
        pasted(n, "FATAL", &format!("Exception on /p/{n}"), "m")
            + &format!("\nTraceback (most recent call last):\n  line\nOSError: {n}")
    }));
    log.push(pasted(40, "WARNING", "no error", "m"));
    let folder = folder_with(&[("app.log", log.join("\n").as_bytes())]);
    let table = rows(&stdout(["app-errors", text(folder.path())]));
    let found: Vec<String> = table[1..].iter().map(|row| row[..4].join(",")).collect();
    assert_eq!(
        found,
        [
            "GET /products/{id} - 404,ERROR,m,20",
            "Exception on /p/{id} … KeyError: {n},FATAL,m,10",
            "Exception on /p/{id} … OSError: {n},FATAL,m,5"
        ]
    );
}

#[test]
fn each_question_reads_the_logs_that_it_is_of() {
    let app = pasted(1, "ERROR", "a", "m");
    let event = r#"{"timestamp": "2025-03-10T00:00:01", "event_type": "view"}"#;
    let folder = folder_with(&[
        ("both/app.log", app.as_bytes()),
        ("both/user_activity.log", event.as_bytes()),
        ("app/app.log.1", app.as_bytes()),
        ("app/app.log.2", app.as_bytes()),
    ]);
    let path = |name: &str| text(&folder.path().join(name)).to_owned();
    let said = |words: &[&str]| {
        let Output { code, stdout, stderr } = run(words);
        (code, stdout, stderr)
    };
    let (code, out, note) = said(&["sql", "SELECT COUNT(*) AS n FROM app_events", &path("both")]);
    assert_eq!((code, out.as_str()), (0, "n\n1\n"));
    assert!(note.starts_with("note: 1 other log left aside: system logs are called app*.log\n1 line = 1 event + 0 rejects + 0 blank · 1 file"), "{note}");
    // The same data under two names is read once.
    assert_eq!(said(&["sql", "SELECT COUNT(*) AS n FROM app_events", &path("app")]).1, "n\n1\n");
    let piped = run_with_input(["sql", "SELECT level FROM app_events", "-"], app.as_bytes());
    assert_eq!(piped.stdout, "level\nERROR\n", "{}", piped.stderr);
    for (words, hint) in [
        (
            &["app-errors", &path("both/user_activity.log")][..],
            "nothing else to read: 1 other log left aside: system logs are called app*.log",
        ),
        (&["event-counts", &path("app")], "nothing else to read: 2 system logs (app*.log) left aside"),
        (
            &["sql", "SELECT 1 FROM events JOIN app_events ON 1 = 1", &path("both")],
            "both 'events' and 'app_events'",
        ),
        (&["sql", "SELECT levl FROM app_events", &path("both")], "did you mean 'level'?"),
        (&["sql", "SELECT 1 FROM app_event", &path("both")], "the relations are 'events' and 'app_events'"),
    ] {
        let (code, out, error) = said(words);
        assert_eq!((code, out.as_str()), (1, ""), "{words:?}");
        assert!(error.contains(hint), "{words:?}: {error}");
    }
    // Several queries of one command may be of different logs; none of them is left out.
    let two = "SELECT COUNT(*) AS a FROM app_events; SELECT COUNT(*) AS e FROM events";
    let (code, out, _) = said(&["sql", two, &path("both"), "--format", "markdown"]);
    assert!(code == 0 && out.contains("| a |") && out.contains("| e |"), "{out}");
    let (code, out, error) = said(&["sql", two, &path("app"), "--format", "markdown"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(error.contains("no user activity among the inputs, but a query of them"), "{error}");
    let activity = run_with_input(["app-levels", "-"], event.as_bytes());
    assert_eq!(activity.code, 3);
    assert!(activity.stderr.contains("no record of a system log"), "{}", activity.stderr);
}

#[test]
fn several_reports_take_what_there_is() {
    let app = pasted(1, "ERROR", "a", "m") + "\nValueError: x\n";
    let event = r#"{"timestamp": "2025-03-10T00:00:01", "event_type": "view"}"#;
    let folder = folder_with(&[
        ("both/app.log", app.as_bytes()),
        ("both/user_activity.log", event.as_bytes()),
        ("app/app.log", app.as_bytes()),
    ]);
    let report = |input: &str, more: &[&str]| {
        let out = folder.path().join("out");
        let input = folder.path().join(input);
        let output = run([&["report", text(&input), "-o", text(&out)], more].concat());
        assert_eq!(output.code, 0, "{}", output.stderr);
        let mut files: Vec<_> = std::fs::read_dir(&out)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        std::fs::remove_dir_all(&out).unwrap();
        files.retain(|file| file != "index.html");
        files.sort();
        (files, output.stderr)
    };
    let (files, said) = report("app", &[]);
    assert_eq!(files, ["app-errors.csv", "app-levels.csv"]);
    assert!(
        said.starts_with(
            "note: no user activity among the inputs: only the reports of system logs (app*.log) are made\n"
        ),
        "{said}"
    );
    let (files, said) = report("both", &["--only", "event-counts,app-errors"]);
    assert_eq!(files, ["app-errors.csv", "event-counts.csv"]);
    assert!(said.starts_with("3 lines = 2 events + 0 rejects + 0 blank + 1 joined · 2 files"), "{said}");
    // Rejects of both are saved, and counted for each.
    std::fs::write(
        folder.path().join("both/user_activity.log"),
        format!("{}oops\n", format!("{event}\n").repeat(99)),
    )
    .unwrap();
    let rejects = folder.path().join("rejects");
    let (_, said) = report("both", &["--rejects", text(&rejects)]);
    assert!(said.contains("+ 1 reject +"), "{said}");
    std::fs::write(folder.path().join("both/app.log"), format!("oops\n{app}")).unwrap();
    let failed = run([
        "report",
        text(&folder.path().join("both")),
        "-o",
        text(&folder.path().join("out")),
        "--rejects",
        text(&rejects),
    ]);
    assert_eq!(failed.code, 3);
    assert!(
        failed.stderr.contains("1 of 3 lines rejected, more than the 10 % allowed; nothing was written"),
        "{}",
        failed.stderr
    );
    assert!(!folder.path().join("out").exists());
    assert_eq!(std::fs::read_to_string(&rejects).unwrap().lines().count(), 2);
}

#[test]
fn errors_of_two_periods_stand_side_by_side() {
    let day = |day: &str, time: usize, level: &str| pasted(time, level, "a", "m").replace("03-10", day);
    let log = [
        day("03-10", 1, "ERROR"),
        day("03-11", 1, "ERROR"),
        day("03-11", 2, "ERROR"),
        day("03-11", 3, "INFO"),
    ];
    let folder = folder_with(&[("app.log", log.join("\n").as_bytes())]);
    for period in [&["--since", "2025-03-11", "--until", "2025-03-12"][..], &[]] {
        let table = stdout([&["compare", "app-errors", text(folder.path())], period].concat());
        let row: Vec<&str> = table.lines().nth(1).unwrap().split(',').collect();
        assert!(row.starts_with(&["a", "ERROR", "m", "count", "2", "1"]), "{table}");
    }
}
