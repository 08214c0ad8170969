//! Reading a store with little memory: in memory, each column apart, or piece by piece, with the same answer as from the logs.

use super::ingested;
use crate::harness::{folder_with, program, sample_lines, text};
use parquet::file::reader::{FileReader, SerializedFileReader};

/// What this question says with these words, whatever the keys of hashes.
fn said(words: &[&str]) -> String {
    let output = program().env("LOGANALYZE_PII_KEY", "k").args(words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn all_reports_say_what_they_say_of_the_logs() {
    let logs = folder_with(&[("user_activity.log", &sample_lines().concat())]);
    let lake = tempfile::tempdir().unwrap();
    ingested(logs.path(), lake.path());
    let reports = ["report", "--format", "markdown", "--top", "0", "--only"];
    let names =
        "event-counts,product-views,funnel,audience,sessions,referrers,categories,traffic,login-incidents";
    for words in [
        &[][..],
        &["--bots", "exclude", "--since", "2025-03-11T10:00"],
        &["--hash-pii", "--until", "2025-03-13"],
        &["--since", "2030-01-01"],
        &["--gap", "29m"],
        &["--split-midnight", "--since", "2025-03-12", "--bots", "only"],
    ] {
        let of = |from: &[&str]| said(&[&reports[..], &[names], words, from].concat());
        let expected = of(&[text(logs.path())]);
        for limit in ["50kB", "1MB", "2MB", "8MB", "1GB"] {
            let found = of(&["--store", text(lake.path()), "--memory-limit", limit]);
            assert!(found == expected, "{words:?} {limit}: {found}");
        }
    }
}

#[test]
fn sessions_that_are_counted_anew_go_to_temporary_files() {
    let logs = folder_with(&[("user_activity.log", &sample_lines().concat())]);
    let lake = tempfile::tempdir().unwrap();
    ingested(logs.path(), lake.path());
    for more in [&["--gap", "29m"][..], &["--split-midnight"], &["--gap", "29m", "--since", "2025-03-14"]] {
        let words = ["sessions", "--store", text(lake.path()), "--memory-limit"];
        let run = |limit: &str| {
            program().args(words).arg(limit).args(more).env("TMPDIR", "/nonexistent").output().unwrap()
        };
        assert!(run("1GB").status.success(), "{more:?}");
        let without_room = run("1");
        let words = String::from_utf8(without_room.stderr).unwrap();
        assert!(words.contains("cannot keep rows in temporary files"), "{more:?}: {words}");
    }
}

/// What Parquet says of the events that it was made from.
fn span(words: &[&str]) -> Vec<(String, Option<String>)> {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.parquet");
    said(&[words, &["--quiet", "-o", text(&out)]].concat());
    let reader = SerializedFileReader::new(std::fs::File::open(&out).unwrap()).unwrap();
    let pairs = reader.metadata().file_metadata().key_value_metadata().unwrap().iter();
    let pairs = pairs.map(|pair| (pair.key.clone(), pair.value.clone()));
    let pairs: Vec<_> = pairs.filter(|(key, _)| key.ends_with("_event")).collect();
    assert_eq!(pairs.len(), 2);
    pairs
}

#[test]
fn files_name_the_same_first_and_last_event() {
    let view = |hour: usize, agent: &str, address: &str| {
        format!(
            "{{\"timestamp\": \"2025-03-10T0{hour}:00:00\", \"event_type\": \"view\", \"method\": \"GET\", \"path\": \"/\", \
             \"response_status\": 200, \"user_agent\": \"{agent}\", \"ip_address\": \"{address}\"}}\n"
        )
    };
    let lines = [view(1, "curl/8", "1.1.1.1"), view(2, "Firefox", "2.2.2.2"), view(3, "curl/8", "3.3.3.3")];
    let logs = folder_with(&[("user_activity.log", lines.concat().as_bytes())]);
    let lake = tempfile::tempdir().unwrap();
    ingested(logs.path(), lake.path());
    for bots in ["include", "exclude", "only"] {
        let question = ["top-pages", "--bots", bots];
        let expected = span(&[&question[..], &[text(logs.path())]].concat());
        for limit in ["1", "1GB"] {
            let store = ["--store", text(lake.path()), "--memory-limit", limit];
            assert_eq!(span(&[&question[..], &store].concat()), expected, "{bots} {limit}");
        }
    }
}
