//! Alerts get to whom they are for, once, and what logs hold commands nobody.

use crate::harness::{run, text};
use crate::nightly::Job;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request that arrived: its path and its body.
type Request = (String, Value);

/// A small HTTP server that gives these answers one after the other, the last one for ever.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    fn new(answers: &'static [&'static str]) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/secret-path", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for (at, stream) in listener.incoming().enumerate() {
                let mut reader = BufReader::new(stream.unwrap());
                let mut head = Vec::new();
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    if line.trim().is_empty() {
                        break;
                    }
                    head.push(line.to_lowercase());
                }
                let length = head.iter().find_map(|line| line.strip_prefix("content-length:"));
                let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
                reader.read_exact(&mut body).unwrap();
                let path = head[0].split(' ').nth(1).unwrap().to_owned();
                seen.lock().unwrap().push((path, serde_json::from_slice(&body).unwrap()));
                let answer = answers[at.min(answers.len() - 1)];
                let text =
                    format!("HTTP/1.1 {answer}\r\ncontent-length: 4\r\nconnection: close\r\n\r\nno\u{1b}!");
                _ = reader.get_mut().write_all(text.as_bytes());
            }
        });
        Server { url, requests }
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

const ATTACKS: &str =
    "[[alert]]\nname = 'attacks'\nreport = 'login-incidents'\nwhen = 'any'\nseverity = 'critical'\n";

fn job(more: &str) -> Job {
    Job::new(&format!("reports = ['event-counts']\npage = false\n{more}"))
}

#[test]
fn what_fires_is_told_once_and_may_fail_the_run() {
    let server = Server::new(&["200 OK"]);
    let job = job(&format!("metrics = 'm.prom'\n[notify.webhook]\nurl = '{}'\n{ATTACKS}", server.url));
    // On this day an address guessed passwords; the report itself is not asked for.
    let words = ["--date", "2025-03-10", "--fail-on-alert"];
    let night = job.night(&words);
    assert_eq!(night.code, 4, "{}", night.stderr);
    assert!(night.stdout.contains("critical: attacks (2025-03-10): 2 rows"), "{}", night.stdout);
    assert!(!job.path("out/date=2025-03-10/login-incidents.csv").exists());
    let requests = server.requests();
    let [(path, body)] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!(path, "/secret-path");
    let alert = &body["alerts"][0];
    assert_eq!(body["alerts"].as_array().unwrap().len(), 1);
    for (key, value) in [
        ("id", "attacks/2025-03-10"),
        ("severity", "critical"),
        ("report", "login-incidents"),
        ("condition", "any"),
        ("what", "2 rows"),
    ] {
        assert_eq!(alert[key], value);
    }
    assert!(
        alert["example"].as_str().unwrap().starts_with("kind=ip_burst key_type=ip key=107.238.3.54 first=")
    );
    // Still so, and known.
    assert_eq!(job.night(&words).code, 4);
    assert_eq!(job.night(&["--date", "2025-03-10"]).code, 0);
    assert_eq!(server.requests().len(), 1);
    // A day on which nothing fires.
    assert_eq!(job.night(&["--date", "2025-03-12", "--fail-on-alert"]).code, 0);
    assert_eq!(server.requests().len(), 1);
    job.night(&["--date", "2025-03-14"]);
    assert_eq!(server.requests().len(), 2);
    assert_eq!(server.requests()[1].1["alerts"].as_array().unwrap().len(), 1);
}

#[test]
fn it_is_tried_three_times_and_again_the_next_night_and_fails_nothing() {
    let server = Server::new(&["500 No", "503 No", "500 No", "404 No", "500 No", "200 OK"]);
    let job = job(&format!("[notify.webhook]\nurl = '{}'\n{ATTACKS}", server.url));
    let words = ["--date", "2025-03-10", "--quiet"];
    let night = job.good_night(&words);
    assert_eq!(server.requests().len(), 3);
    let said = &night.stderr;
    assert!(
        said.contains("webhook did not take 1 alert") && said.contains("500") && !said.contains("secret"),
        "{said}"
    );
    assert!(!said.contains('\u{1b}') && job.path("out/date=2025-03-10/event-counts.csv").exists());
    // Not found is not found, however often it is asked; another day, the same alert.
    assert!(job.good_night(&["--date", "2025-03-12"]).stderr.contains("404"));
    assert_eq!(server.requests().len(), 4);
    assert_eq!(job.good_night(&words).stderr, "");
    assert_eq!(server.requests().len(), 6);
    assert_eq!(job.good_night(&words).stderr, "");
    assert_eq!(server.requests().len(), 6);
    let first = server.requests()[0].1.clone();
    assert!(server.requests().iter().all(|(_, body)| *body == first));
}

#[test]
fn whoever_does_not_answer_holds_nothing_up() {
    // Nobody listens; somebody listens and says nothing.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let job = job(&format!(
        "[notify.webhook]\nurl = 'http://{gone}/secret'\n[notify.alertmanager]\nurl = 'http://{}'\n{ATTACKS}",
        silent.local_addr().unwrap()
    ));
    let begin = std::time::Instant::now();
    let night = job.good_night(&["--date", "2025-03-10"]);
    assert!(begin.elapsed() < Duration::from_secs(40), "{:?}", begin.elapsed());
    assert!(night.stderr.contains("webhook did not take 1 alert: "), "{}", night.stderr);
    assert!(night.stderr.contains("alertmanager did not take 1 alert: "), "{}", night.stderr);
    assert!(!night.stderr.contains("secret"), "{}", night.stderr);
    assert!(night.stdout.contains("attacks"));
}

/// A log whose search terms are what somebody typed to do harm.
const HOSTILE: [&str; 4] = [
    "<!channel> hi",
    "@everyone [x](https://evil.example)",
    "</pre><@U123|x>",
    "a\\r\\nBcc: evil@evil.example",
];

fn hostile() -> String {
    let line = |(at, term): (usize, &&str)| {
        format!(
            r#"{{"timestamp": "2025-03-15T10:00:0{at}", "event_type": "search", "search_query": "{term}", "ip_address": "1.2.3.4", "session_id": "x{at}"}}"#
        )
    };
    HOSTILE.iter().enumerate().map(line).collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn log_text_calls_nobody_and_links_nowhere() {
    for term in 0..HOSTILE.len() {
        for form in ["slack", "discord"] {
            let server = Server::new(&["200 OK"]);
            let line = hostile().lines().nth(term).unwrap().to_owned() + "\n";
            let job = job(&format!(
                "[notify.webhook]\nurl = '{}'\nform = '{form}'\n[[alert]]\nname = 'searches'\nreport = 'search-terms'\nwhen = 'searches > 0'",
                server.url
            ));
            std::fs::write(job.path("logs/user_activity-new.log"), line).unwrap();
            job.good_night(&["--date", "2025-03-15"]);
            let requests = server.requests();
            let body = &requests[0].1;
            let text = body.to_string();
            for part in ["<!", "<@", "@everyone", "://", "](", "evil.example"] {
                assert!(!text.contains(part), "{form}: {text}");
            }
            match form {
                "slack" => {
                    assert_eq!(body["text"], "loganalyze: 1 alert");
                    assert_eq!(body["blocks"][0]["text"]["type"], "plain_text");
                    assert!(text.contains("searches") && !body["blocks"][0].to_string().contains(['<', '>']));
                }
                _ => {
                    assert_eq!(body["allowed_mentions"]["parse"], serde_json::json!([]));
                    let content = body["content"].as_str().unwrap();
                    assert!(content.chars().count() <= 2000 && content.lines().count() == 2, "{content}");
                }
            }
        }
    }
}

#[test]
fn alertmanager_gets_its_own_form() {
    let server = Server::new(&["200 OK"]);
    let base = server.url.replace("/secret-path", "");
    let job = job(&format!("[notify.alertmanager]\nurl = '{base}/'\n{ATTACKS}"));
    job.good_night(&["--date", "2025-03-10"]);
    let requests = server.requests();
    let [(path, body)] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!(path, "/api/v2/alerts");
    let labels = serde_json::json!({
        "alertname": "attacks", "severity": "critical", "report": "login-incidents", "date": "2025-03-10", "job": "loganalyze",
    });
    assert_eq!(body[0]["labels"], labels);
    let time = |key: &str| chrono::DateTime::parse_from_rfc3339(body[0][key].as_str().unwrap()).unwrap();
    let now = chrono::Utc::now();
    assert!(time("startsAt") <= now && time("endsAt") > now + chrono::TimeDelta::hours(24));
}

#[test]
fn mail_goes_through_sendmail_and_holds_no_headers_of_others() {
    use std::os::unix::fs::PermissionsExt;
    let job = job(
        "[notify.mail]\nto = ['ops@example.com', 'root']\nfrom = 'shop@example.com'\nsendmail = 'sendmail.sh'\n\
         [[alert]]\nname = 'searches'\nreport = 'search-terms'\nwhen = 'searches > 0'",
    );
    let script = job.path("sendmail.sh");
    let out = job.path("mail.txt");
    std::fs::write(&script, format!("#!/bin/sh\necho \"$@\" > '{0}'\ncat >> '{0}'\n", out.display()))
        .unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(
        job.path("logs/user_activity-new.log"),
        hostile().lines().nth(3).unwrap().to_owned() + "\n",
    )
    .unwrap();
    job.good_night(&["--date", "2025-03-15"]);
    let mail = std::fs::read_to_string(&out).unwrap();
    let (head, body) = mail.split_once("\n\n").unwrap();
    let mut head = head.lines();
    assert_eq!(head.next(), Some("-t -i"));
    assert_eq!(head.next(), Some("From: shop@example.com"));
    assert_eq!(head.next(), Some("To: ops@example.com, root"));
    assert_eq!(head.next(), Some("Subject: loganalyze: 1 alert"));
    assert!(!mail.contains("\nBcc:") && body.lines().count() == 1, "{mail}");
    assert!(body.starts_with("warning: searches (search-terms, 2025-03-15): "), "{body}");
    // Once.
    std::fs::remove_file(&out).unwrap();
    job.good_night(&["--date", "2025-03-15"]);
    assert!(!out.exists());
    // And again where sendmail fails.
    std::fs::write(&script, "#!/bin/sh\nexit 75\n").unwrap();
    job.configure(
        "reports = ['event-counts']\npage = false\n[notify.mail]\nto = ['root']\nsendmail = 'sendmail.sh'\n\
         [[alert]]\nname = 'other'\nreport = 'search-terms'\nwhen = 'rows >= 1'",
    );
    let night = job.good_night(&["--date", "2025-03-15"]);
    assert!(night.stderr.contains("mail did not take 1 alert: "), "{}", night.stderr);
}

#[test]
fn rules_of_every_kind() {
    // Saturday the 15th has 1 line; the Saturdays before have 3, 5 and 40.
    let day = |date: &str, lines: usize| {
        let line = |at: usize| {
            format!(
                r#"{{"timestamp": "{date}T10:00:{:02}", "event_type": "view", "response_status": 500, "method": "GET", "path": "/x", "process_time": 0.1}}"#,
                at % 60
            )
        };
        (0..lines).map(line).collect::<Vec<_>>().join("\n") + "\n"
    };
    let rule = |name: &str, report: &str, when: &str| {
        let report = if report.is_empty() { String::new() } else { format!("report = '{report}'\n") };
        format!("[[alert]]\nname = '{name}'\n{report}when = \"{when}\"\n")
    };
    let rules = [
        ("fewer", "", "lines < 50% of same weekday", true),
        ("fewer still", "", "lines < 10% of same weekday", false),
        ("fewer actions", "event-counts", "sum(actions) < 50% of same weekday", true),
        ("few rows", "event-counts", "rows < 50% of same weekday", false),
        ("few", "", "lines < 2", true),
        ("broken", "", "rejects > 1%", true),
        ("very broken", "", "rejects > 90%", false),
        ("errors", "errors", "error_rate > 50%", true),
        // A number is compared with a number.
        ("such errors", "errors", "status = 501", false),
        ("views", "event-counts", "event_type = 'view'", true),
        ("breaches", "login-incidents", "success = true", false),
    ];
    let written = rules.map(|(name, report, when, _)| rule(name, report, when));
    let job = job(&written.concat());
    std::fs::remove_dir_all(job.path("logs")).unwrap();
    std::fs::create_dir(job.path("logs")).unwrap();
    let log = [
        day("2025-02-22", 40),
        day("2025-03-01", 3),
        day("2025-03-08", 5),
        day("2025-03-15", 1),
        "broken\n".into(),
    ];
    std::fs::write(job.path("logs/user_activity.log"), log.concat()).unwrap();
    let night = job.good_night(&["--date", "2025-03-15"]);
    for (name, _, _, fires) in rules {
        let said = night.stdout.contains(&format!("warning: {name} (2025-03-15): "));
        assert_eq!(said, fires, "{name}: {}", night.stdout);
    }
    assert!(
        night.stdout.contains("lines: 1, 5 is the median of the same weekday on 3 days before"),
        "{}",
        night.stdout
    );
    assert!(night.stdout.contains("1 of 50 lines rejected (2.00 %)"), "{}", night.stdout);
}

#[test]
fn who_watches_rejects_is_told_of_those_that_ended_the_run() {
    let server = Server::new(&["200 OK"]);
    let job = job(&format!(
        "[notify.webhook]\nurl = '{}'\n\
         [[alert]]\nname = 'broken'\nwhen = 'rejects > 1%'\n[[alert]]\nname = 'few'\nwhen = 'lines < 1000000'",
        server.url
    ));
    std::fs::write(job.path("logs/user_activity-broken.log"), "broken\n".repeat(5000)).unwrap();
    for _ in 0..2 {
        let night = job.night(&["--date", "2025-03-15"]);
        assert_eq!(night.code, 3, "{}", night.stderr);
    }
    // Of the other rule nothing is known, and what was told is not told again.
    let told = server.requests();
    assert_eq!(told.len(), 1);
    let alerts = told[0].1["alerts"].as_array().unwrap();
    assert_eq!(alerts.len(), 1);
    assert_eq!(
        (&alerts[0]["name"], &alerts[0]["date"]),
        (&"broken".into(), &"2025-03-15".into()),
        "{}",
        told[0].1
    );
}

#[test]
fn who_watches_rejects_is_told_of_lines_that_another_run_read() {
    let job = job("[[alert]]\nname = 'broken'\nwhen = 'rejects > 1%'");
    std::fs::write(job.path("logs/user_activity-broken.log"), "broken\n".repeat(150)).unwrap();
    let ingest = ["ingest", text(&job.path("logs")), "--store", text(&job.path("lake"))].map(str::to_owned);
    assert_eq!(run(&ingest).code, 0);
    // The day that answers for them cannot be made yet.
    std::fs::create_dir_all(job.path("out")).unwrap();
    std::fs::write(job.path("out/date=2025-03-15"), "").unwrap();
    assert_eq!(job.night(&["--date", "2025-03-15"]).code, 1);
    std::fs::remove_file(job.path("out/date=2025-03-15")).unwrap();
    let night = job.good_night(&["--date", "2025-03-15"]);
    assert!(night.stdout.contains("broken (2025-03-15): "), "{}", night.stdout);
    // They were answered for.
    let again = job.good_night(&["--date", "2025-03-14..2025-03-15"]);
    assert!(!again.stdout.contains("broken"), "{}", again.stdout);
}
