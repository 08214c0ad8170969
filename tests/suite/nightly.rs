//! The nightly job: days are there whole, once, and again where late lines changed them.

use crate::config::run_in;
use crate::harness::{Output, root, run, text};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A folder with the logs of a few days and a configuration.
pub struct Job {
    folder: tempfile::TempDir,
}

impl Job {
    pub fn new(more: &str) -> Job {
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("logs");
        std::fs::create_dir(&logs).unwrap();
        for entry in std::fs::read_dir(root().join("sample_logs")).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, logs.join(path.file_name().unwrap())).unwrap();
        }
        let job = Job { folder };
        job.configure(more);
        job
    }

    pub fn configure(&self, more: &str) {
        let config = format!("inputs = ['logs']\nstore = 'lake'\nout = 'out'\n{more}\n");
        std::fs::write(self.path("loganalyze.toml"), config).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn night(&self, words: &[&str]) -> Output {
        run_in(self.folder.path(), &[&["nightly"], words].concat(), &[])
    }

    /// A night that must go well.
    pub fn good_night(&self, words: &[&str]) -> Output {
        let output = self.night(words);
        assert_eq!(output.code, 0, "{}", output.stderr);
        output
    }

    /// Files of a day and their bytes.
    fn day(&self, day: &str) -> BTreeMap<String, Vec<u8>> {
        files(&self.path("out").join(format!("date={day}")))
    }

    /// A number that another folder in the day's place would not have.
    fn inode(&self, day: &str) -> u64 {
        std::fs::metadata(self.path("out").join(format!("date={day}"))).unwrap().ino()
    }

    fn days(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.path("out")).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        names
    }

    fn late(&self, name: &str, time: &str) {
        let line = format!(r#"{{"timestamp": "{time}", "event_type": "late", "ip_address": "9.9.9.9"}}"#);
        std::fs::write(self.path("logs").join(name), line + "\n").unwrap();
    }
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
    };
    std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(read)
        .collect()
}

#[test]
fn a_night_makes_the_reports_of_its_day_and_a_repeat_the_same_bytes() {
    for format in ["csv", "parquet", "ndjson"] {
        let job = Job::new(&format!("format = '{format}'\nsummary = 'last.json'"));
        let first = job.good_night(&["--date", "2025-03-12"]);
        assert!(
            first.stdout.starts_with("2025-03-12: 23 reports in ") && first.stdout.contains("2,572 events"),
            "{}",
            first.stdout
        );
        assert_eq!(first.stdout.lines().count(), 1);
        let made = job.day("2025-03-12");
        assert_eq!(made.len(), 25, "{:?}", made.keys());
        let inode = job.inode("2025-03-12");
        // What the command of the report says of the same events.
        let lake = job.path("lake");
        for report in
            ["event-counts", "sessions", "errors", "product-views"].iter().filter(|_| format != "parquet")
        {
            let words = [
                report,
                "--store",
                text(&lake),
                "--since",
                "2025-03-12",
                "--until",
                "2025-03-13",
                "--top",
                "0",
            ];
            let alone = run([&words[..], &["--format", format]].concat());
            assert_eq!(
                String::from_utf8_lossy(&made[&format!("{report}.{format}")]),
                alone.stdout,
                "{report}"
            );
        }
        let summary: serde_json::Value = serde_json::from_slice(&made["summary.json"]).unwrap();
        assert_eq!((&summary["date"], &summary["lines"]), (&"2025-03-12".into(), &570.into()));
        let counted: serde_json::Value =
            serde_json::from_slice(&std::fs::read(job.path("last.json")).unwrap()).unwrap();
        assert_eq!(counted["events"], 2572);

        let again = job.good_night(&["--date", "2025-03-12"]);
        assert!(again.stdout.starts_with("2025-03-12: as before · no new line"), "{}", again.stdout);
        assert_eq!((job.day("2025-03-12"), job.inode("2025-03-12")), (made.clone(), inode));
        // Whatever the words, and without what is remembered.
        std::fs::remove_dir_all(job.path("out")).unwrap();
        job.good_night(&["--date", "2025-03-12..2025-03-13", "--quiet"]);
        assert_eq!(job.day("2025-03-12"), made);
        assert_eq!(job.days(), ["date=2025-03-12", "date=2025-03-13"]);
    }
}

#[test]
fn what_other_days_hold_changes_nothing() {
    let job = Job::new("format = 'parquet'");
    let last = job.path("logs/user_activity-2025-03-14.log");
    let lines = std::fs::read(&last).unwrap();
    std::fs::remove_file(&last).unwrap();
    job.good_night(&["--date", "2025-03-11"]);
    let made = job.day("2025-03-11");
    std::fs::write(&last, lines).unwrap();
    let night = job.good_night(&["--date", "2025-03-11"]);
    assert!(night.stdout.starts_with("2025-03-11: as before · new: 519 lines"), "{}", night.stdout);
    assert_eq!(job.day("2025-03-11"), made);
}

#[test]
fn only_what_is_asked_for_is_written() {
    let job = Job::new("reports = ['sessions', 'event-counts']\npage = false\ntop = 3");
    let night = job.good_night(&["--date", "2025-03-14", "--format", "tsv"]);
    assert!(night.stdout.starts_with("2025-03-14: 2 reports in "), "{}", night.stdout);
    let made = job.day("2025-03-14");
    assert_eq!(made.keys().collect::<Vec<_>>(), ["event-counts.tsv", "sessions.tsv", "summary.json"]);
    assert_eq!(String::from_utf8_lossy(&made["event-counts.tsv"]).lines().count(), 4);
    assert_eq!(job.good_night(&["--quiet", "--date", "2025-03-14"]).stdout, "");
}

#[test]
fn days_that_late_lines_changed_are_done_again_and_no_others() {
    let job = Job::new("reports = ['event-counts']\npage = false");
    job.good_night(&["--date", "2025-03-10..2025-03-13"]);
    let inodes = || ["2025-03-10", "2025-03-11", "2025-03-12", "2025-03-13"].map(|day| job.inode(day));
    let before = inodes();
    // A day without a folder is not made because of them.
    job.late("user_activity-late.log", "2025-03-11T12:00:00");
    job.late("user_activity-later.log", "2025-03-09T12:00:00");
    let night = job.good_night(&["--date", "2025-03-14"]);
    assert!(night.stdout.starts_with("2025-03-11, 2025-03-14: 1 report in "), "{}", night.stdout);
    let after = inodes();
    assert_eq!((before[0], before[2], before[3]), (after[0], after[2], after[3]));
    let counts = |day: &str| String::from_utf8(job.day(day)["event-counts.csv"].clone()).unwrap();
    assert!(
        counts("2025-03-11").contains("late,1,1,2025-03-11T12:00:00")
            && !counts("2025-03-12").contains("late")
    );
    assert_eq!(job.days().len(), 5);
    // Also if somebody else brought them in.
    job.late("user_activity-last.log", "2025-03-12T12:00:00");
    let brought = run_in(&job.path(""), &["ingest", "logs", "--store", "lake"], &[]);
    assert_eq!(brought.code, 0, "{}", brought.stderr);
    let night = job.good_night(&["--date", "2025-03-14"]);
    assert!(night.stdout.starts_with("2025-03-12: 1 report in "), "{}", night.stdout);
    assert!(counts("2025-03-12").contains("late,1,1"));
}

#[test]
fn a_night_that_failed_is_made_up_for() {
    let job = Job::new("reports = ['event-counts']\npage = false\nmax_rejects = 0");
    let failed = job.night(&["--date", "2025-03-12"]);
    assert_eq!(failed.code, 3, "{}", failed.stderr);
    assert_eq!((failed.stdout.as_str(), job.days().len()), ("", 0));
    job.configure("reports = ['event-counts']\npage = false");
    job.good_night(&["--date", "2025-03-13"]);
    assert_eq!(job.days(), ["date=2025-03-12", "date=2025-03-13"]);
}

#[test]
fn a_killed_run_leaves_nothing_by_half() {
    let job = Job::new("");
    job.good_night(&["--date", "2025-03-12"]);
    let made = job.day("2025-03-12");
    for pause in [5, 20, 60, 100, 140, 180, 220, 260, 300] {
        std::fs::write(job.path("out/date=2025-03-12/event-counts.csv"), "old").unwrap();
        // As a run leaves it that is killed while it saves what it remembers.
        std::fs::write(job.path("out/.loganalyze/.loganalyze-a1b2c3.tmp"), "{").unwrap();
        let mut child = crate::harness::program()
            .args(["nightly", "--date", "2025-03-12"])
            .current_dir(job.path(""))
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(pause));
        _ = child.kill();
        child.wait().unwrap();
        job.good_night(&["--date", "2025-03-12"]);
        assert_eq!(job.day("2025-03-12"), made, "killed after {pause} ms");
        assert_eq!(job.days(), ["date=2025-03-12"]);
        let hidden = files(&job.path("out/.loganalyze"));
        assert_eq!(hidden.keys().collect::<Vec<_>>(), ["lock", "state.json"]);
    }
}

#[test]
fn one_run_at_a_time() {
    let job = Job::new("reports = ['event-counts']\nmetrics = 'metrics.prom'");
    job.good_night(&["--date", "2025-03-12"]);
    let numbers = std::fs::read(job.path("metrics.prom")).unwrap();
    for lock in ["out/.loganalyze/lock", "lake/lock"] {
        let held = std::fs::File::options().write(true).open(job.path(lock)).unwrap();
        held.lock().unwrap();
        let night = job.night(&["--date", "2025-03-12"]);
        assert_eq!(night.code, 75, "{}", night.stderr);
        assert!(night.stderr.contains("process "), "{}", night.stderr);
        if lock.starts_with("out") {
            // The other one's numbers are the other one's.
            assert_eq!(std::fs::read(job.path("metrics.prom")).unwrap(), numbers);
        }
    }
    job.good_night(&["--date", "2025-03-12"]);
}

#[test]
fn what_the_store_has_forgotten_stays_in_the_results() {
    let job = Job::new("reports = ['event-counts']\npage = false");
    job.good_night(&["--date", "2025-03-10..2025-03-13"]);
    let made = job.day("2025-03-10");
    job.configure("reports = ['event-counts']\npage = false\nkeep = '2d'");
    let night = job.good_night(&["--date", "2025-03-14"]);
    assert!(night.stderr.contains("2025-03-10..2025-03-12 left the store"), "{}", night.stderr);
    let asked = job.good_night(&["--date", "2025-03-10"]);
    assert!(asked.stderr.contains("not have all of 2025-03-10 any more"), "{}", asked.stderr);
    assert_eq!(job.day("2025-03-10"), made);
    // What comes late of such a day is not all of it.
    job.configure("reports = ['event-counts']\npage = false\nkeep = '400d'");
    job.late("user_activity-late.log", "2025-03-10 12:00:00");
    for _ in 0..2 {
        job.good_night(&["--date", "2025-03-14"]);
        assert_eq!(job.day("2025-03-10"), made);
    }
    // A day of which there never was anything is empty.
    job.good_night(&["--date", "2025-01-01"]);
    assert_eq!(job.day("2025-01-01")["event-counts.csv"].iter().filter(|&&byte| byte == b'\n').count(), 1);
}

#[test]
fn what_leaves_the_store_has_its_reports_before() {
    let job = Job::new("reports = ['event-counts', 'sessions']\npage = false\nkeep = '1d'");
    job.good_night(&["--date", "2025-03-10..2025-03-14"]);
    let whole = Job::new("reports = ['event-counts', 'sessions']\npage = false");
    whole.good_night(&["--date", "2025-03-10..2025-03-14"]);
    let days = || whole.days().into_iter().map(|name| name.trim_start_matches("date=").to_owned());
    assert_eq!(days().count(), 5);
    days().for_each(|day| assert_eq!(job.day(&day), whole.day(&day), "{day}"));
    // The first day that is left is not made again without what went on over midnight.
    job.good_night(&["--date", "2025-03-14"]);
    days().for_each(|day| assert_eq!(job.day(&day), whole.day(&day), "{day}"));
}

#[test]
fn a_store_that_is_gone_is_not_made_again_unseen() {
    let job = Job::new("reports = ['event-counts']\npage = false");
    job.good_night(&["--date", "2025-03-12"]);
    let made = job.day("2025-03-12");
    std::fs::rename(job.path("lake"), job.path("elsewhere")).unwrap();
    std::fs::remove_file(job.path("logs/user_activity-2025-03-12.log.gz")).unwrap();
    let night = job.night(&["--date", "2025-03-13"]);
    assert!(night.code == 1 && night.stderr.contains("is its disk there?"), "{}", night.stderr);
    assert!(!job.path("lake").exists());
    assert_eq!(job.day("2025-03-12"), made);
    std::fs::rename(job.path("elsewhere"), job.path("lake")).unwrap();
    job.good_night(&["--date", "2025-03-13"]);
}

#[test]
fn who_is_forgotten_leaves_the_results_too() {
    let job = Job::new("reports = ['event-counts']\npage = false");
    std::fs::remove_dir_all(job.path("logs")).unwrap();
    std::fs::create_dir(job.path("logs")).unwrap();
    let view = |day: u32, user: u32| {
        format!(
            "{{\"timestamp\": \"2025-03-{day}T10:00:00\", \"event_type\": \"view\", \"user_id\": {user}}}\n"
        )
    };
    std::fs::write(job.path("logs/user_activity.log"), view(10, 7) + &view(11, 8)).unwrap();
    job.good_night(&["--date", "2025-03-10..2025-03-11"]);
    let rows = |day: &str| job.day(day)["event-counts.csv"].iter().filter(|&&byte| byte == b'\n').count() - 1;
    assert_eq!((rows("2025-03-10"), rows("2025-03-11")), (1, 1));
    assert_eq!(run(["store", "forget", text(&job.path("lake")), "--user", "7"]).code, 0);
    job.good_night(&["--date", "2025-03-11"]);
    assert_eq!((rows("2025-03-10"), rows("2025-03-11")), (0, 1));
}

#[test]
fn a_night_replaces_no_log() {
    let job = Job::new("summary = 'logs/user_activity-2025-03-13.log'");
    let log = job.path("logs/user_activity-2025-03-13.log");
    let before = std::fs::read(&log).unwrap();
    let night = job.night(&["--date", "2025-03-12"]);
    assert!(
        night.code == 2
            && night.stderr.contains("'summary'")
            && night.stderr.contains("would replace the log")
    );
    assert_eq!(std::fs::read(&log).unwrap(), before);
    job.configure("summary = 'same.prom'\nmetrics = 'same.prom'");
    let night = job.night(&["--date", "2025-03-12"]);
    assert!(night.code == 2 && night.stderr.contains("both write"), "{}", night.stderr);
    job.configure("max_rejects = '0'\nsummary = 'last.json'");
    let night = job.night(&["--date", "2025-03-12"]);
    assert!(
        night.code == 3 && night.stderr.contains("'loganalyze quality INPUT --rejects FILE'"),
        "{}",
        night.stderr
    );
    assert!(job.path("last.json").exists());
}

#[test]
fn days_that_make_no_sense_are_refused() {
    let job = Job::new("");
    for (date, said) in
        [("march", "is no day"), ("2025-03-12..2025-03-10", "is before"), ("2999-01-01", "has not begun")]
    {
        let output = job.night(&["--date", date]);
        assert_eq!(output.code, 2);
        assert!(output.stderr.contains(said), "{}", output.stderr);
    }
    // What reads its logs from nowhere fails, and says so.
    job.configure("");
    std::fs::remove_dir_all(job.path("logs")).unwrap();
    let output = job.night(&["--date", "2025-03-12"]);
    assert_eq!(output.code, 1);
    assert!(output.stderr.contains("logs"), "{}", output.stderr);
}

#[test]
fn a_damaged_day_keeps_no_other_from_being_made() {
    let job = Job::new("reports = ['event-counts']\npage = false");
    job.good_night(&["--date", "2025-03-10"]);
    let days = job.path("lake/events");
    let damaged =
        std::fs::read_dir(days.join("event_date=2025-03-12")).unwrap().next().unwrap().unwrap().path();
    let good = std::fs::read(&damaged).unwrap();
    std::fs::write(&damaged, b"PAR1").unwrap();
    let night = job.night(&["--date", "2025-03-11..2025-03-13"]);
    assert_eq!(
        (night.code, job.days()),
        (1, vec!["date=2025-03-10".into(), "date=2025-03-11".into(), "date=2025-03-13".into()])
    );
    assert!(
        night.stderr.contains("2025-03-12: ") && night.stderr.contains("store verify"),
        "{}",
        night.stderr
    );
    std::fs::write(&damaged, good).unwrap();
    // It is made up for.
    job.good_night(&["--date", "2025-03-14"]);
    assert_eq!(job.days().len(), 5);
}

#[test]
fn a_log_that_cannot_be_opened_keeps_no_other_from_being_read() {
    let job = Job::new("reports = ['event-counts']\npage = false");
    let torn = job.path("logs/user_activity-2025-03-09.log.gz");
    std::fs::write(&torn, b"\x1f\x8b\x08\0").unwrap();
    let night = job.night(&["--date", "2025-03-12"]);
    assert_eq!((night.code, job.days().len()), (1, 1), "{}", night.stderr);
    assert!(night.stderr.contains("user_activity-2025-03-09.log.gz"), "{}", night.stderr);
    std::fs::remove_file(torn).unwrap();
    job.good_night(&["--date", "2025-03-13"]);
}

#[test]
fn an_input_without_a_log_keeps_no_other_from_being_read() {
    let job = Job::new("");
    std::fs::create_dir(job.path("web2")).unwrap();
    let config = "inputs = ['logs', 'web2', 'web3']\nstore = 'lake'\nout = 'out'\n";
    std::fs::write(job.path("loganalyze.toml"), config).unwrap();
    let output = job.night(&["--date", "2025-03-12"]);
    assert_eq!(output.code, 1, "{}", output.stderr);
    assert!(output.stderr.contains("web2'") && output.stderr.contains("web3'"), "{}", output.stderr);
    assert!(job.day("2025-03-12").contains_key("summary.json"));
}

#[test]
fn a_folder_that_no_night_made_is_left_as_it_is() {
    let job = Job::new("reports = ['event-counts']\npage = false");
    let theirs = job.path("out/date=2025-03-12");
    std::fs::create_dir_all(&theirs).unwrap();
    std::fs::write(theirs.join("mine.csv"), "1").unwrap();
    let night = job.night(&["--date", "2025-03-12..2025-03-13"]);
    assert_eq!(night.code, 1, "{}", night.stderr);
    assert!(night.stderr.contains("date=2025-03-12 is no folder of this program"), "{}", night.stderr);
    assert_eq!(job.day("2025-03-12").len(), 1);
    assert!(job.day("2025-03-13").contains_key("summary.json"));
    // Nobody asks for it on a day that is not that one.
    std::fs::rename(&theirs, job.path("out/theirs")).unwrap();
    job.good_night(&["--date", "2025-03-13"]);
    std::fs::rename(job.path("out/theirs"), job.path("out/date=2025-03-11")).unwrap();
    job.good_night(&["--date", "2025-03-13"]);
    assert_eq!(job.day("2025-03-11").len(), 1);
}

#[test]
fn what_is_remembered_and_damaged_says_what_to_do() {
    let job = Job::new("reports = ['event-counts']\npage = false");
    job.good_night(&["--date", "2025-03-12"]);
    std::fs::write(job.path("out/.loganalyze/state.json"), "").unwrap();
    let night = job.night(&["--date", "2025-03-12"]);
    assert_eq!(night.code, 1);
    assert!(night.stderr.contains("state.json") && night.stderr.contains("or remove it"), "{}", night.stderr);
}
