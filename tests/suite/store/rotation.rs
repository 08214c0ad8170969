//! Logs that rotate while they are read: nothing is lost and nothing counted twice, and who cannot be sure of that says so.

use super::ingest;
use crate::harness::{run, sample_lines, text};
use loganalyze::store::Store;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Moves each log on to the next name, the oldest first, so that each has a name all the time.
fn rotate(logs: &Path) {
    let name = |number: usize| match number {
        0 => logs.join("user_activity.log"),
        number => logs.join(format!("user_activity.log.{number}")),
    };
    let oldest = (0..).find(|number| !name(*number).exists()).unwrap();
    for number in (0..oldest).rev() {
        fs::rename(name(number), name(number + 1)).unwrap();
    }
    File::create(name(0)).unwrap();
}

/// Whether a run did its work, or says why not.
fn is_done(output: &crate::harness::Output) -> bool {
    assert!(
        output.code == 0 || output.code == 1 && output.stderr.contains("as when logs rotate: run it again"),
        "{}",
        output.stderr
    );
    output.code == 0
}

/// Says that all is done, also when a test fails.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Does something while logs rotate every so many milliseconds; `first` is done before each rotation.
fn while_they_rotate(logs: &Path, every: u64, first: impl Fn() + Sync, work: impl Fn()) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(every));
                first();
                rotate(logs);
            }
        });
        let _done = Done(&done);
        work();
    });
}

#[test]
fn reports_of_logs_that_rotate_hold_every_line_once() {
    let lines = sample_lines();
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path();
    for (number, lines) in lines.chunks(lines.len() / 5).enumerate() {
        fs::write(logs.join(format!("user_activity.log.{}", number + 1)), lines.concat()).unwrap();
    }
    File::create(logs.join("user_activity.log")).unwrap();
    let summary = logs.join("summary.json");
    while_they_rotate(
        logs,
        25,
        || (),
        || {
            for _ in 0..30 {
                let report =
                    ["event-counts", "--max-rejects", "100%", "--summary", text(&summary), text(logs)];
                if is_done(&run(report)) {
                    let said: serde_json::Value =
                        serde_json::from_slice(&fs::read(&summary).unwrap()).unwrap();
                    assert_eq!(said["lines"], lines.len());
                }
            }
        },
    );
}

#[test]
fn logs_that_rotate_while_they_are_ingested_are_stored_once() {
    let lines = sample_lines();
    let folder = tempfile::tempdir().unwrap();
    let (logs, lake) = (folder.path().join("logs"), folder.path().join("lake"));
    fs::create_dir(&logs).unwrap();
    File::create(logs.join("user_activity.log")).unwrap();
    let written = std::sync::Mutex::new(0);
    let write = || {
        let mut written = written.lock().unwrap();
        let mut log = File::options().append(true).open(logs.join("user_activity.log")).unwrap();
        for line in lines.iter().skip(*written).take(120) {
            log.write_all(line).unwrap();
            *written += 1;
        }
    };
    while_they_rotate(&logs, 30, write, || {
        for _ in 0..30 {
            is_done(&ingest(&logs, &lake));
        }
    });
    assert!(is_done(&ingest(&logs, &lake)));
    assert_eq!(Store::open(&lake).unwrap().manifest.counts.lines, *written.lock().unwrap() as u64);
}
