//! No output holds a password or a cookie, whatever the query, the format or the fault.

use crate::harness::{folder_with, run, sample_lines, text};
use std::collections::BTreeSet;

/// The cookies' payloads and signatures and the passwords of the sample logs.
fn secrets() -> BTreeSet<String> {
    let mut secrets = BTreeSet::new();
    for line in sample_lines() {
        let Ok(line) = serde_json::from_slice::<serde_json::Value>(&line) else { continue };
        if let Some(id) = line["session_id"].as_str().filter(|id| id.contains('.')) {
            secrets.extend(id.split('.').filter(|part| part.len() > 20).map(str::to_owned));
        }
        for key in ["password", "phone", "address"] {
            secrets.extend(line["form"][key].as_str().filter(|value| value.len() >= 6).map(str::to_owned));
        }
    }
    assert!(secrets.len() > 500, "{} secrets are too few to look for", secrets.len());
    secrets
}

fn assert_safe(output: &str, secrets: &BTreeSet<String>) {
    for secret in secrets {
        assert!(!output.contains(secret.as_str()), "{secret} is shown: {:.300}", output);
    }
}

#[test]
fn every_column_in_every_format_is_free_of_secrets() {
    let secrets = secrets();
    for format in ["csv", "ndjson", "markdown"] {
        let output = run(["sql", "SELECT * FROM events", "sample_logs", "--format", format]);
        assert_eq!(output.code, 0);
        assert_safe(&output.stdout, &secrets);
        assert_safe(&output.stderr, &secrets);
    }
    // What is there instead.
    let forms = run(["sql", "SELECT form FROM events WHERE form <> '{}'", "sample_logs"]).stdout;
    assert!(forms.contains("[redacted]"));
}

#[test]
fn rejected_lines_are_free_of_secrets_wherever_they_are_cut() {
    let secrets = secrets();
    let mut broken = Vec::new();
    for (at, line) in
        sample_lines().into_iter().enumerate().filter(|(_, line)| line.starts_with(b"{\"timestamp"))
    {
        // Without its beginning, without its end, or with a byte that is no JSON; what is left of a cut secret still is
        // one, but a whole one must not be among it.
        let cut = line.len() * (at % 7 + 2) / 10;
        let piece = match at % 3 {
            0 => line[..cut].to_vec(),
            1 => line[cut..line.len() - 1].to_vec(),
            _ => [&line[..line.len() - 2], b"\x01"].concat(),
        };
        broken.extend(piece);
        broken.push(b'\n');
    }
    let folder = folder_with(&[("user_activity.log", &broken)]);
    let rejects = folder.path().join("rejects.ndjson");
    let arguments = ["event-counts", text(folder.path()), "--strict", "--rejects", text(&rejects)];
    let output = run(arguments);
    assert_eq!(output.code, 3);
    assert_safe(&output.stderr, &secrets);
    let rejects = std::fs::read_to_string(rejects).unwrap();
    assert!(rejects.lines().count() > 1000);
    assert_safe(&rejects, &secrets);
}

#[test]
fn the_list_of_secret_names_can_grow() {
    let line =
        br#"{"timestamp": "2025-03-10T12:00:00", "args": {"voucher": "4711", "q": "x"}, "path": "/a?voucher=4711"}"#;
    let folder = folder_with(&[("user_activity.log", line)]);
    let query = ["sql", "SELECT args, path FROM events", text(folder.path()), "--format", "ndjson"];
    assert!(run(query).stdout.contains("4711"));
    let redacted = run(query.into_iter().chain(["--redact", "VOUCHER"])).stdout;
    assert!(!redacted.contains("4711") && redacted.contains("\\\"q\\\": \\\"x\\\""), "{redacted}");
}

#[test]
fn personal_data_can_be_hashed() {
    let query = "SELECT ip_address, username, username_attempt, form FROM events ORDER BY timestamp";
    let arguments = ["sql", query, "sample_logs", "--hash-pii", "--format", "csv"];
    let keyed = |key: &str| {
        let output =
            crate::harness::program().env("LOGANALYZE_PII_KEY", key).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let (once, again, other) = (keyed("one"), keyed("one"), keyed("another"));
    assert_eq!(once, again);
    assert_ne!(once, other);
    for line in sample_lines() {
        let Ok(line) = serde_json::from_slice::<serde_json::Value>(&line) else { continue };
        for key in ["ip_address", "username", "username_attempt"] {
            if let Some(name) = line[key].as_str() {
                assert!(
                    !once.contains(&format!("{name},")) && !once.contains(&format!("\"{name}\"")),
                    "{name} is shown"
                );
            }
        }
    }
}

#[test]
fn secrets_within_other_values_are_taken_out() {
    let line = serde_json::json!({
        "timestamp": "2025-03-10T10:00:00", "event_type": "page_view", "message": "db password=hunter2 token=hunter2",
        "path": "/auth/login?next=%2Freset%3Ftoken%3Dhunter2", "referrer": "https://kim:hunter2@shop/x?next=/a?otp=hunter2",
        "args": { "next": "/reset?token=hunter2", "list": ["/p?pwd=hunter2", "plain"], "json": "{\"password\": \"hunter2\"}" },
        "form": { "pin": "hunter2", "otp": 4711, "pass": "hunter2", "keyword": "shoes" },
    });
    let folder = folder_with(&[("user_activity.log", format!("{line}\n").as_bytes())]);
    let lake = tempfile::tempdir().unwrap();
    let lake = text(lake.path());
    assert_eq!(run(["ingest", text(folder.path()), "--store", lake]).code, 0);
    for source in [&[text(folder.path())][..], &["--store", lake]] {
        let shown = run([&["events", "--columns", "all", "--format", "ndjson"], source].concat()).stdout;
        assert!(!shown.contains("hunter2") && !shown.contains("4711"), "{shown}");
        for kept in
            ["plain", "shoes", "/auth/login?next=[redacted]", "@shop/x?next=", "db password=[redacted]"]
        {
            assert!(shown.contains(kept), "{kept}: {shown}");
        }
    }
}

#[test]
fn a_store_shows_no_more_of_people_than_its_logs() {
    let line = serde_json::json!({
        "timestamp": "2025-03-10T10:00:00", "event_type": "page_view", "message": "mail kim@example.com",
        "path": "/profile?email=kim@example.com", "search_query": "kim@example.com", "ip_address": "10.9.8.7",
        "args": { "user": "kim" }, "form": { "username": "kim", "email": "kim@example.com" },
    });
    let folder = folder_with(&[("user_activity.log", format!("{line}\n").as_bytes())]);
    let lake = tempfile::tempdir().unwrap();
    let lake = text(lake.path());
    assert_eq!(run(["ingest", text(folder.path()), "--store", lake]).code, 0);
    let little = ["--store", lake, "--memory-limit", "1kB"];
    for source in [&[text(folder.path())][..], &["--store", lake], &little] {
        let words = ["events", "--columns", "all", "--format", "ndjson"];
        assert!(run([&words, source].concat()).stdout.contains("kim@example.com"));
        let hashed = run([&words[..], &["--hash-pii"], source].concat()).stdout;
        assert!(!hashed.contains("kim") && !hashed.contains("10.9.8.7"), "{source:?}: {hashed}");
    }
}
