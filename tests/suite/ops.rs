//! The reports on performance, errors and security: against what really happened, at their limits, and without what
//! `--allow` leaves out.

use crate::harness::{Random, folder_with, root, rows, run, shop, stdout, text};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// All rows of a command over these logs, as objects.
fn objects(words: &[&str], logs: &Path) -> Vec<Map<String, Value>> {
    let more = [text(logs), "--top", "0", "--format", "ndjson"];
    let found = stdout(words.iter().chain(&more));
    found.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn number(row: &Map<String, Value>, column: &str) -> i64 {
    row[column].as_i64().unwrap_or_else(|| panic!("{column} of {row:?}"))
}

fn sum(rows: &[Map<String, Value>], column: &str) -> i64 {
    rows.iter().map(|row| number(row, column)).sum()
}

fn name<'a>(row: &'a Map<String, Value>, column: &str) -> &'a str {
    row[column].as_str().unwrap_or_default()
}

#[test]
fn requests_and_errors_of_the_real_shop_are_those_that_were_made() {
    let Some(shop) = shop() else { return };
    let truth: Value = serde_json::from_slice(&std::fs::read(shop.join("truth.json")).unwrap()).unwrap();
    let logs = shop.join("logs");
    let status: BTreeMap<&str, i64> = truth["status"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(status, _)| status.as_str() >= "400")
        .map(|(status, count)| (status.as_str(), count.as_i64().unwrap()))
        .collect();
    let requests = truth["requests"].as_i64().unwrap();

    let endpoints = objects(&["endpoints"], &logs);
    assert_eq!(sum(&endpoints, "requests"), requests);
    let failures = |row: &Map<_, _>| row["error_rate"].as_f64().unwrap() * number(row, "requests") as f64;
    let failures: f64 = endpoints.iter().map(failures).sum();
    assert_eq!(failures.round() as i64, status["500"]);

    let traffic = objects(&["traffic"], &logs);
    assert_eq!(sum(&traffic, "requests"), requests);
    assert_eq!(sum(&traffic, "errors"), status.values().sum::<i64>());

    let by_status = |rows: &[Map<_, _>], column: &str| {
        let mut sums = BTreeMap::new();
        for row in rows {
            *sums.entry(number(row, "status").to_string()).or_insert(0) += number(row, column);
        }
        sums
    };
    let expected: BTreeMap<String, i64> =
        status.iter().map(|(status, count)| (status.to_string(), *count)).collect();
    let pages = objects(&["error-pages"], &logs);
    assert_eq!(by_status(&pages, "requests"), expected);
    let missing = pages.iter().find(|row| name(row, "page") == "/products/{id}" && row["status"] == 404);
    let failed_views = truth["failed_views"].as_object().unwrap().values();
    let failed_views: i64 = failed_views.map(|count| count.as_i64().unwrap()).sum();
    assert_eq!(number(missing.unwrap(), "requests"), failed_views);
    // Windows that neither overlap nor leave gaps hold each error once.
    let errors = objects(&["errors", "--window", "1h", "--slide", "1h"], &logs);
    assert_eq!(by_status(&errors, "errors"), expected);
}

#[test]
fn log_ins_of_the_real_shop_are_those_that_were_tried() {
    let Some(shop) = shop() else { return };
    let truth: Value = serde_json::from_slice(&std::fs::read(shop.join("truth.json")).unwrap()).unwrap();
    let logins = objects(&["logins", "--every", "4w"], &shop.join("logs"));
    assert_eq!(Value::from(sum(&logins, "failures")), truth["login_failed"]);
    let answered = sum(&logins, "tries") - sum(&logins, "failures");
    assert_eq!(Value::from(answered), truth["login_success_or_already"]);
    let failures: BTreeMap<&str, i64> =
        logins.iter().map(|row| (name(row, "ip_address"), number(row, "failures"))).collect();
    for worst in truth["login_failed_top"].as_array().unwrap() {
        assert_eq!(failures[worst[0].as_str().unwrap()], worst[1].as_i64().unwrap());
    }
    // By the minute it is the same log-ins.
    let minutes = objects(&["logins"], &shop.join("logs"));
    for column in ["tries", "successes", "failures"] {
        assert_eq!(sum(&minutes, column), sum(&logins, column), "{column}");
    }
}

#[test]
fn every_attacker_of_the_real_shop_is_found_and_nobody_else() {
    let Some(shop) = shop() else { return };
    let truth: Value = serde_json::from_slice(&std::fs::read(shop.join("truth.json")).unwrap()).unwrap();
    let logs = shop.join("logs");
    // In this shop's week who failed 20 times attacked, and who typed wrong failed at most a few times.
    let logins = objects(&["logins", "--every", "4w"], &logs);
    let attackers: BTreeSet<&str> = logins
        .iter()
        .filter(|row| number(row, "failures") >= 20)
        .map(|row| name(row, "ip_address"))
        .collect();
    let incidents = objects(&["login-incidents"], &logs);
    for kind in ["ip_burst", "spray"] {
        let of_kind: Vec<_> = incidents.iter().filter(|row| name(row, "kind") == kind).collect();
        let keys: BTreeSet<&str> = of_kind.iter().map(|row| name(row, "key")).collect();
        assert_eq!(keys, attackers, "{kind}");
        assert_eq!(of_kind.len(), attackers.len(), "{kind}: an attack is split");
        for worst in truth["login_failed_top"].as_array().unwrap() {
            let address = worst[0].as_str().unwrap();
            let row = of_kind.iter().find(|row| name(row, "key") == address).unwrap();
            assert_eq!(row["attempts"], worst[1], "{kind} {address}");
            assert_eq!(row["accounts"], truth["login_failed_accounts_top"][address], "{kind} {address}");
        }
    }
    assert_eq!(incidents.len(), 2 * attackers.len(), "somebody else is blamed: {incidents:?}");
}

/// A request line.
fn request(time: &str, more: &str) -> String {
    format!("{{\"timestamp\": \"{time}\", \"event_type\": \"page_view\", \"method\": \"GET\", {more}}}\n")
}

fn log_of(lines: &[String]) -> tempfile::TempDir {
    folder_with(&[("user_activity.log", lines.concat().as_bytes())])
}

#[test]
fn apdex_counts_limits_in_and_failures_out() {
    let line = |endpoint: &str, status: i64, seconds: &str| {
        let more = format!(
            "\"path\": \"/\", \"endpoint\": {endpoint}, \"response_status\": {status}, \"process_time\": {seconds}"
        );
        request("2025-03-10T09:00:00", &more)
    };
    let log = log_of(&[
        // Satisfied, tolerated, frustrated; failed: fast, and of unknown time; of unknown time alone is no judgement.
        line("\"a\"", 200, "0.25"),
        line("\"a\"", 404, "1.0"),
        line("\"a\"", 200, "1.0000001"),
        line("\"a\"", 500, "0.001"),
        line("\"a\"", 503, "null"),
        line("\"a\"", 200, "null"),
        line("null", 404, "0.1"),
        line("null", 404, "0.3"),
        line("\"b\"", 302, "null"),
    ]);
    let found = stdout(["endpoints", "--apdex", "0.25", text(log.path())]);
    let shown: Vec<String> = rows(&found)[1..]
        .iter()
        .map(|row| [0, 1, 2, 5, 6, 7].map(|column| row[column].clone()).join(" "))
        .collect();
    assert_eq!(
        shown,
        ["a 6 0.625 1.0000001 0.3333333333333333 0.3", "(none) 2 0.2 0.3 0.0 0.75", "b 1   0.0 "]
    );
}

#[test]
fn slow_requests_took_longer_than_the_limit_and_come_slowest_first() {
    let line = |seconds: &str, path: &str| {
        request(
            "2025-03-10T09:00:00",
            &format!("\"path\": \"{path}\", \"response_status\": 200, \"process_time\": {seconds}"),
        )
    };
    let log = log_of(&[
        line("0.25", "/limit"),
        line("0.3", "/b"),
        line("0.3", "/a"),
        line("2", "/slowest"),
        line("null", "/unknown"),
    ]);
    let paths = |words: &[&str]| -> Vec<String> {
        objects(words, log.path()).iter().map(|row| name(row, "path").to_owned()).collect()
    };
    assert_eq!(paths(&["slow-requests", "--slower-than", "250ms"]), ["/slowest", "/a", "/b"]);
    assert_eq!(paths(&["slow-requests"]), ["/slowest", "/a", "/b", "/limit"]);
    assert_eq!(paths(&["slow-requests", "--slower-than", "1s999ms"]), ["/slowest"]);
}

/// What `errors` says, found by looking at every request for every window.
fn windows(requests: &[(i64, i64)], window: i64, slide: i64) -> BTreeMap<(i64, i64), (i64, i64)> {
    let mut found = BTreeMap::new();
    for &(time, status) in requests.iter().filter(|(_, status)| *status >= 400) {
        let latest = time.div_euclid(slide) * slide;
        for start in (0..).map(|number| latest - number * slide).take_while(|start| time < start + window) {
            let inside = |other: &&(i64, i64)| (start..start + window).contains(&other.0);
            let all: Vec<_> = requests.iter().filter(inside).collect();
            let same = all.iter().filter(|other| other.1 == status).count();
            found.insert((start, status), (same as i64, all.len() as i64));
        }
    }
    found
}

#[test]
fn windows_of_errors_are_those_that_looking_at_each_finds() {
    let mut random = Random(5);
    let second = 1_000_000;
    // The last slide is nearly as long as a duration may be.
    for (window, slide) in
        [(300, 60), (300, 70), (60, 60), (100, 99), (7, 2), (3, 5), (1, 1), (1200, 1), (300, 3_000_000_000)]
    {
        // Some before 1970, where remainders are negative; some at the same moment; some at the very borders.
        let requests: Vec<(i64, i64)> = (0..60)
            .map(|_| (second * (random.below(1500) as i64 - 700), *random.pick(&[200, 302, 404, 404, 500])))
            .collect();
        let lines: Vec<String> = requests
            .iter()
            .map(|&(time, status)| {
                let time = chrono::DateTime::from_timestamp_micros(time).unwrap();
                request(
                    &time.format("%FT%T").to_string(),
                    &format!("\"path\": \"/\", \"response_status\": {status}"),
                )
            })
            .collect();
        let log = log_of(&lines);
        let words = ["errors", "--window", &format!("{window}s"), "--slide", &format!("{slide}s")];
        let moment = |row: &Map<_, _>, column| {
            let time: chrono::NaiveDateTime = name(row, column).parse().unwrap();
            time.and_utc().timestamp_micros()
        };
        let mut found = BTreeMap::new();
        for row in objects(&words, log.path()) {
            let start = moment(&row, "window_start");
            assert_eq!(moment(&row, "window_end") - start, window * second);
            let (errors, all) = (number(&row, "errors"), number(&row, "requests"));
            assert_eq!(row["error_rate"].as_f64().unwrap(), errors as f64 / all as f64);
            found.insert((start, number(&row, "status")), (errors, all));
        }
        assert_eq!(found, windows(&requests, window * second, slide * second), "{words:?}");
    }
}

#[test]
fn a_window_has_an_end() {
    let output = run(["errors", "--window", "30d", "--slide", "1s", "sample_logs"]);
    assert_eq!((output.code, output.stdout.as_str()), (2, ""));
    assert!(output.stderr.contains("--window is more than 10000 times --slide"), "{}", output.stderr);
    let longest = stdout(["errors", "--window", "10000s", "--slide", "1s", "sample_logs", "--format", "csv"]);
    // The first error is in that many windows, the last of which begins in its second.
    let query = "SELECT MIN(epoch_us) AS first FROM events WHERE kind = 'request' AND response_status >= 400";
    let first: i64 = rows(&stdout(["sql", query, "sample_logs"]))[1][0].parse().unwrap();
    let start = |number: usize| -> i64 {
        let time: chrono::NaiveDateTime = rows(&longest)[number][0].parse().unwrap();
        time.and_utc().timestamp()
    };
    assert_eq!((start(1), start(10_000)), (first / 1_000_000 - 9_999, first / 1_000_000));
}

#[test]
fn error_pages_name_the_page_that_most_came_from() {
    let line = |page: &str, status: i64, referrer: &str| {
        request(
            "2025-03-10T09:00:00",
            &format!("\"path\": {page}, \"response_status\": {status}, \"referrer\": {referrer}"),
        )
    };
    let log = log_of(&[
        line("\"/x\"", 404, "\"/a\""),
        line("\"/x\"", 404, "\"/b\""),
        line("\"/x\"", 404, "\"/b\""),
        // Those that say nothing are no page, be they ever so many; of two that are as many, the first by name.
        line("\"/y\"", 404, "null"),
        line("\"/y\"", 404, "null"),
        line("\"/y\"", 404, "\"/d\""),
        line("\"/y\"", 404, "\"/c\""),
        line("\"/y\"", 500, "null"),
        line("null", 400, "\"/e\""),
        line("\"/fine\"", 302, "\"/f\""),
    ]);
    let found = stdout(["error-pages", text(log.path())]);
    let shown: Vec<String> = rows(&found)[1..].iter().map(|row| row.join(" ")).collect();
    assert_eq!(shown, ["/y 404 4 0 /c", "/x 404 3 0 /b", "(none) 400 1 0 /e", "/y 500 1 0 "]);
}

/// A log-in that failed.
fn failure(second: usize, address: &str, account: &str) -> String {
    format!(
        "{{\"timestamp\": \"2025-03-10T09:00:{second:02}\", \"event_type\": \"login_failed\", \
         \"ip_address\": \"{address}\", \"user_agent\": \"Unknown\", \"username_attempt\": \"{account}\"}}\n"
    )
}

#[test]
fn addresses_of_a_subscriber_are_one_and_allowed_ones_are_left_out() {
    let mut lines = Vec::new();
    for second in 0..5 {
        lines.push(failure(second, &format!("2001:db8:1:2::{second}"), &format!("six{second}")));
        lines.push(failure(second, &format!("::ffff:10.0.0.{}", second % 2), &format!("mapped{second}")));
        lines.push(failure(second, "192.0.2.7", "office"));
        lines.push(failure(second, "no address", "nobody"));
    }
    let log = log_of(&lines);
    let keys = |words: &[&str]| -> Vec<String> {
        let words = [&["login-incidents"], words].concat();
        let row = |row: &Map<_, _>| format!("{} {} {}", name(row, "kind"), name(row, "key"), row["ips"]);
        objects(&words, log.path()).iter().map(row).collect()
    };
    let subscriber = "ip_burst 2001:db8:1:2::/64 1";
    let office = ["brute_force office 1", "ip_burst 192.0.2.7 1"];
    let nobody = ["brute_force nobody 1", "ip_burst no address 1"];
    assert_eq!(keys(&[]), [nobody[0], office[0], office[1], subscriber, nobody[1]]);
    assert_eq!(keys(&["--allow", "192.0.2.0/24"]), [nobody[0], subscriber, nobody[1]]);
    assert_eq!(keys(&["--allow", "::ffff:192.0.2.0/120"]), keys(&["--allow", "192.0.2.0/24"]));
    assert_eq!(keys(&["--allow", "192.0.2.7", "--allow", "2001:db8::/32"]), [nobody[0], nobody[1]]);
    assert_eq!(keys(&["--allow", "2001:db8:1:2::1"]), [nobody[0], office[0], office[1], nobody[1]]);
    assert_eq!(
        keys(&["--ip-burst-failures", "2", "--allow", "10.0.0.0/31", "--allow", "192.0.2.7"]).len(),
        3
    );
    // In logins, from temporary files and where addresses are hashed it is the same.
    let addresses = |more: &[&str]| {
        let words = [&["logins", "--allow", "10.0.0.0/8", "--allow", "2001:db8::/32"], more].concat();
        objects(&words, log.path()).iter().map(|row| number(row, "failures")).collect::<Vec<_>>()
    };
    for more in [
        &[][..],
        &["--hash-pii"],
        &["--memory-limit", "1kB"],
        &["--since", "2025-03-10", "--bots", "exclude"],
    ] {
        assert_eq!(addresses(more), [5, 5], "{more:?}");
    }
}

#[test]
fn what_is_no_network_is_said() {
    for wrong in ["10.0.0.0/33", "10.0.0", "office", "", "2001:db8::/129"] {
        for report in ["logins", "login-incidents"] {
            let output = run([report, "sample_logs", "--allow", wrong]);
            assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{wrong}");
            assert!(output.stderr.contains("10.0.0.0/8"), "{wrong}: {}", output.stderr);
        }
    }
    assert_eq!(run(["event-counts", "sample_logs", "--allow", "10.0.0.0/8"]).code, 2);
    assert!(root().join("sample_logs").is_dir());
}

#[test]
fn an_attack_over_midnight_is_of_the_night_in_which_it_last_hit() {
    let failure = |day: u32, time: &str, address: &str, account: &str| {
        failure(0, address, account).replace("03-10T09:00:00", &format!("03-{day}T{time}"))
    };
    let mut lines = Vec::new();
    for second in 0..3 {
        // Three before midnight and two after are five in ten minutes; eight before are an attack of that day.
        lines.push(failure(10, &format!("23:59:{second:02}"), "10.0.0.1", "over"));
        lines.push(failure(11, &format!("00:01:{second:02}"), "10.0.0.1", "over"));
        lines.push(failure(11, &format!("00:02:{second:02}"), "10.0.0.9", "few"));
    }
    lines.extend((0..8).map(|second| failure(10, &format!("23:58:{second:02}"), "10.0.0.2", "before")));
    // Who breaks in after midnight guessed before it, and the day before that belongs to no night.
    let success =
        |line: String| line.replace("login_failed", "login").replace("username_attempt", "username");
    lines.push(success(failure(11, "00:03:00", "10.0.0.3", "before")));
    lines.extend((0..8).map(|second| failure(9, &format!("23:58:{second:02}"), "10.0.0.4", "long ago")));
    lines.sort();
    let log = log_of(&lines);
    let store = tempfile::tempdir().unwrap();
    let lake = store.path().join("lake");
    assert_eq!(run(["ingest", text(log.path()), "--store", text(&lake)]).code, 0);
    let row = |row: &Map<_, _>| {
        let (kind, key, first) = (name(row, "kind"), name(row, "key"), name(row, "first"));
        format!("{kind} {key} {} {}", &first[8..19], row["attempts"])
    };
    let of = |input: &[&str], more: &[&str]| -> Vec<String> {
        let words = [&["login-incidents", "--format", "ndjson"], input, more].concat();
        stdout(&words).lines().map(|line| row(&serde_json::from_str(line).unwrap())).collect()
    };
    let logs = [text(log.path())];
    let stored = ["--store", text(&lake)];
    let before = ["brute_force before 10T23:58:00 8", "ip_burst 10.0.0.2 10T23:58:00 8"];
    let over = ["brute_force over 10T23:59:00 6", "ip_burst 10.0.0.1 10T23:59:00 6"];
    let broken_in = "success_after_failures before 10T23:58:00 8";
    let (first, second) = (["--since", "2025-03-10", "--until", "2025-03-11"], ["--since", "2025-03-11"]);
    for input in [&logs[..], &stored] {
        for memory in [&[][..], &["--memory-limit", "1kB"]] {
            let of = |words: &[&str]| of(input, &[words, memory].concat());
            assert_eq!(of(&first), before, "{input:?} {memory:?}");
            assert_eq!(of(&second), [broken_in, over[0], over[1]], "{input:?} {memory:?}");
            assert_eq!(of(&["--since", "2025-03-11T00:01:02"]), [broken_in, over[0], over[1]]);
            assert_eq!(of(&["--since", "2025-03-11T00:01:03"]), [broken_in]);
            assert_eq!(of(&[&second[..], &["--bots", "only"]].concat()), [""; 0]);
            let elsewhere = of(&[&second[..], &["--allow", "10.0.0.1", "--allow", "10.0.0.2"]].concat());
            assert_eq!(elsewhere, [""; 0]);
            assert_eq!(of(&[&second[..], &["--hash-pii"]].concat()).len(), 3);
        }
    }
    // Beside other reports, and beside the day before.
    let out = store.path().join("out");
    let words = ["report", logs[0], "--only", "login-incidents,event-counts", "--format", "csv"];
    stdout([&words[..], &second, &["-o", text(&out)]].concat());
    let csv = |name: &str| rows(&std::fs::read_to_string(out.join(name)).unwrap());
    assert_eq!(csv("login-incidents.csv").len(), 1 + 3);
    assert!(csv("event-counts.csv").iter().any(|row| row[..2] == ["login_failed", "6"]));
    let words = ["compare", "login-incidents", logs[0], "--since", "2025-03-11", "--until", "2025-03-12"];
    let compared = stdout([&words[..], &["--metric", "attempts", "--format", "csv"]].concat());
    assert_eq!(compared.matches(",over,").count(), 1, "{compared}");
}
