//! A program that is killed, a disk that is full, two at once: the store is as before or as after.

use super::{ingest, ingested};
use crate::harness::{Random, folder_with, program, run, sample_lines, skip, stdout, text};
use crate::invariance::DERIVED;
use loganalyze::store::Store;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How many lines a store was made from.
fn lines_in(lake: &Path) -> u64 {
    if lake.join("manifest.json").exists() { Store::open(lake).unwrap().manifest.counts.lines } else { 0 }
}

/// Nothing is damaged, and every report reads it.
fn is_whole(lake: &Path) {
    if lake.join("manifest.json").exists() {
        let verified = run(["store", "verify", text(lake)]);
        assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
    }
}

fn derived_of(from: &[&str]) -> String {
    stdout([DERIVED, from].concat())
}

#[test]
fn killed_at_any_moment_the_store_is_as_before_or_as_after() {
    let kills: usize =
        std::env::var("LOGANALYZE_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(100);
    let lines = sample_lines();
    let mut random = Random(77);
    let folder = tempfile::tempdir().unwrap();
    let (logs, lake) = (folder.path().join("logs"), folder.path().join("lake"));
    fs::create_dir(&logs).unwrap();
    let log = logs.join("user_activity.log");
    let mut written = 0;
    // How long a whole run takes here.
    let begin = Instant::now();
    ingested_of(&logs, &lake, &lines[..200], &log);
    let mut longest = begin.elapsed().as_micros() as usize * 3 / 2;
    written += 200;
    let (mut before, mut after) = (0, 0);
    for kill in 0..kills {
        let more = 1 + random.below(40);
        let new: Vec<Vec<u8>> = lines.iter().cycle().skip(written).take(more).cloned().collect();
        append(&log, &new.concat());
        let known = lines_in(&lake);
        written += more;
        let mut child = program()
            .args(["ingest", text(&logs), "--store", text(&lake)])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_micros(random.below(longest) as u64));
        _ = child.kill();
        child.wait().unwrap();
        let now = lines_in(&lake);
        assert!(now == known || now == written as u64, "kill {kill}: {known} → {now} of {written}");
        // So that kills fall on both sides of the commit, however busy the machine is.
        if now == known {
            before += 1;
            longest += longest / 20;
        } else {
            after += 1;
            longest -= longest / 20;
        }
        is_whole(&lake);
    }
    assert!(before > kills / 10 && after > kills / 10, "{before} before, {after} after: nothing was tried");
    ingested(&logs, &lake);
    assert!(derived_of(&["--store", text(&lake)]) == derived_of(&[text(&logs)]));
}

fn ingested_of(logs: &Path, lake: &Path, lines: &[Vec<u8>], log: &Path) {
    append(log, &lines.concat());
    ingested(logs, lake);
}

fn append(path: &Path, bytes: &[u8]) {
    fs::OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(bytes).unwrap();
}

#[test]
fn a_full_disk_changes_nothing_and_the_next_run_does_it_all() {
    let disk = tempfile::tempdir().unwrap();
    let mount = |options: &str| {
        let said =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs", text(disk.path())]).output();
        said.is_ok_and(|said| said.status.success())
    };
    if !mount("size=200k") {
        return skip("no small disk can be made here (mount -t tmpfs)");
    }
    let lake = disk.path().join("lake");
    let lines = sample_lines();
    let logs = folder_with(&[("user_activity.log", &lines[..300].concat())]);
    ingested(logs.path(), &lake);
    let small = derived_of(&["--store", text(&lake)]);
    append(&logs.path().join("user_activity.log"), &lines[300..].concat());
    let full = ingest(logs.path(), &lake);
    let unchanged = derived_of(&["--store", text(&lake)]) == small;
    is_whole(&lake);
    let left: Vec<_> = walk(&lake).into_iter().filter(|path| path.contains(".new")).collect();
    let grown = mount("remount,size=64m");
    let again = ingest(logs.path(), &lake);
    let all = derived_of(&["--store", text(&lake)]) == derived_of(&[text(logs.path())]);
    _ = Command::new("umount").arg(disk.path()).status();
    assert_eq!(full.code, 1, "{}", full.stderr);
    assert!(full.stderr.contains("cannot write") && full.stderr.contains("No space left"), "{}", full.stderr);
    assert!(unchanged && left.is_empty(), "{left:?}");
    assert!(grown && again.code == 0 && all, "{}", again.stderr);
}

fn walk(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walk(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn two_at_once_are_kept_apart() {
    let logs = folder_with(&[("user_activity.log", &sample_lines()[..50].concat())]);
    let lake = tempfile::tempdir().unwrap();
    ingested(logs.path(), lake.path());
    let lock = File::options().read(true).write(true).open(lake.path().join("lock")).unwrap();
    lock.lock().unwrap();
    let locked = ingest(logs.path(), lake.path());
    assert_eq!(locked.code, 75, "{}", locked.stderr);
    assert!(locked.stderr.contains("is being changed by process"), "{}", locked.stderr);
    assert_eq!(run(["store", "compact", text(lake.path())]).code, 75);
    // Who only reads need not wait.
    stdout(["event-counts", "--store", text(lake.path())]);
    drop(lock);
    ingested(logs.path(), lake.path());
}

#[test]
fn what_a_crash_left_half_done_is_read_and_then_repaired() {
    let logs = folder_with(&[("user_activity.log", &sample_lines()[..500].concat())]);
    let lake = tempfile::tempdir().unwrap();
    ingested(logs.path(), lake.path());
    let expected = derived_of(&["--store", text(lake.path())]);
    // The manifest counts, but the files do not have their names yet; and a file of before is still there.
    for path in walk(&lake.path().join("events")) {
        let path = Path::new(&path);
        let name = path.file_name().unwrap().to_str().unwrap();
        fs::copy(path, path.with_file_name("part-000000-0.parquet")).unwrap();
        fs::rename(path, path.with_file_name(format!(".{name}.new"))).unwrap();
    }
    assert!(derived_of(&["--store", text(lake.path())]) == expected);
    let said = ingested(logs.path(), lake.path());
    assert!(said.contains("an earlier run was interrupted"), "{said}");
    assert!(walk(lake.path()).iter().all(|path| !path.contains(".new") && !path.contains("part-000000")));
    assert!(derived_of(&["--store", text(lake.path())]) == expected);
    is_whole(lake.path());
}

#[test]
fn a_manifest_that_is_not_ours_is_never_overwritten() {
    let logs = folder_with(&[("user_activity.log", &sample_lines()[..50].concat())]);
    let lake = tempfile::tempdir().unwrap();
    ingested(logs.path(), lake.path());
    let path = lake.path().join("manifest.json");
    let good = fs::read_to_string(&path).unwrap();
    for (bad, why) in [
        (
            good.replace("\"version\": 1", "\"version\": 2"),
            "is of version 2, but this program reads version 1",
        ),
        (good.replace("\"lines\": 50", "\"lines\": 51"), "its checksum does not fit"),
        (good[..good.len() / 2].to_owned(), "is damaged"),
        (good.replace("loganalyze store", "something else"), "is no manifest of a store"),
        (String::new(), "is damaged"),
    ] {
        fs::write(&path, &bad).unwrap();
        for words in [&["ingest", text(logs.path())][..], &["event-counts"]] {
            let said = run([words, &["--store", text(lake.path())]].concat());
            assert_eq!(said.code, 1, "{}", said.stderr);
            assert!(said.stderr.contains(why), "{why}: {}", said.stderr);
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), bad);
    }
}

#[test]
fn a_torn_log_waits_and_holds_up_no_other() {
    let lines = sample_lines();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&lines[..800].concat()).unwrap();
    let packed = gzip.finish().unwrap();
    let logs = folder_with(&[
        ("user_activity.log.1.gz", &packed[..packed.len() / 2]),
        ("user_activity.log", &lines[800..900].concat()),
    ]);
    let lake = tempfile::tempdir().unwrap();
    let said = ingest(logs.path(), lake.path());
    assert_eq!(said.code, 1);
    assert!(
        said.stderr.contains("user_activity.log.1.gz") && said.stderr.contains("cut off"),
        "{}",
        said.stderr
    );
    assert_eq!(lines_in(lake.path()), 100);
    fs::write(logs.path().join("user_activity.log.1.gz"), &packed).unwrap();
    ingested(logs.path(), lake.path());
    assert_eq!(lines_in(lake.path()), 900);
    assert!(derived_of(&["--store", text(lake.path())]) == derived_of(&[text(logs.path())]));
}

#[test]
fn where_no_store_can_be_it_says_so() {
    let logs = folder_with(&[("user_activity.log", &sample_lines()[..5].concat())]);
    let file = logs.path().join("user_activity.log");
    let said = ingest(logs.path(), &file);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("cannot write"), "{}", said.stderr);
    let none = run(["event-counts", "--store", text(&logs.path().join("none"))]);
    assert_eq!(none.code, 1);
    assert!(
        none.stderr.contains("there is no store in") && none.stderr.contains("loganalyze ingest"),
        "{}",
        none.stderr
    );
    let both = run(["event-counts", text(&file), "--store", text(logs.path())]);
    assert!(both.code != 0, "{}", both.stderr);
    let stdin = run(["ingest", "-", "--store", text(&logs.path().join("lake"))]);
    assert_eq!(stdin.code, 2);
    assert!(stdin.stderr.contains("standard input cannot be known again"), "{}", stdin.stderr);
    let pipe = logs.path().join("pipe.log");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let lake = logs.path().join("lake");
    let fifo = run(["ingest", text(&pipe), "--store", text(&lake)]);
    assert_eq!(fifo.code, 2);
    assert!(fifo.stderr.contains("a pipe, cannot be known again"), "{}", fifo.stderr);
    assert!(!lake.exists());
}

/// The program as a user who may write nothing here: another one where this is root, else this one after the rights are gone.
fn without_rights(folder: &Path) -> Option<Command> {
    let id = Command::new("id").arg("-u").output().ok()?;
    if id.stdout != b"0\n" {
        readable(folder, 0o555);
        return Some(program());
    }
    readable(folder, 0o755);
    // Root's own folders are closed to others.
    let copy = folder.join("program");
    fs::copy(program().get_program(), &copy).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--clear-groups"]).arg(copy);
    command.output().is_ok().then_some(command)
}

fn readable(folder: &Path, mode: u32) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
        if entry.file_type().unwrap().is_dir() {
            readable(&entry.path(), mode);
        }
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_store_that_may_not_be_written_is_read_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (logs, lake) = (folder.path().join("logs"), folder.path().join("lake"));
    fs::create_dir(&logs).unwrap();
    append(&logs.join("user_activity.log"), &sample_lines()[..300].concat());
    ingested(&logs, &lake);
    let expected = derived_of(&["--store", text(&lake)]);
    append(&logs.join("user_activity.log"), &sample_lines()[300..400].concat());
    // Everybody may take the lock, but write nothing else.
    fs::set_permissions(lake.join("lock"), fs::Permissions::from_mode(0o666)).unwrap();
    let Some(mut command) = without_rights(folder.path()) else {
        return skip("no other user to be (setpriv)");
    };
    let refused = command.args(["ingest", text(&logs), "--store", text(&lake)]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    let mut command = without_rights(folder.path()).unwrap();
    let read = command.args(DERIVED).args(["--store", text(&lake)]).output().unwrap();
    readable(folder.path(), 0o755);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot write") && said.contains("Permission denied"), "{said}");
    assert!(String::from_utf8(read.stdout).unwrap() == expected);
    is_whole(&lake);
}

#[test]
fn a_few_broken_lines_among_a_few_are_no_reason_to_stop() {
    let folder = folder_with(&[("a.log", &[b"{\"event_type\": \"x\"}\n{broken\n".as_slice()].concat())]);
    let lake = folder.path().join("lake");
    let ingest = |words: &[&str]| {
        run([&["ingest", text(&folder.path().join("a.log")), "--store", text(&lake)], words].concat())
    };
    assert_eq!(ingest(&["--strict"]).code, 3);
    assert_eq!(ingest(&["--max-rejects", "10%"]).code, 3);
    let said = ingest(&[]);
    assert!(said.code == 0 && said.stderr.contains("1 reject"), "{}", said.stderr);
    std::fs::write(folder.path().join("a.log"), "{broken\n".repeat(10)).unwrap();
    assert_eq!(ingest(&[]).code, 3);
}

#[test]
fn a_run_that_ends_between_two_batches_of_a_log_is_gone_on_with() {
    let lines = sample_lines();
    let mut good: Vec<u8> = lines.iter().cycle().take(4 * lines.len()).flatten().copied().collect();
    let batch = 1 << 20;
    assert!(good.len() > batch);
    good.extend(b"no event\n".repeat(20_000));
    let count = 4 * lines.len() as u64 + 20_000;
    for packed in [false, true] {
        let bytes = if packed { zstd::encode_all(&good[..], 1).unwrap() } else { good.clone() };
        let folder = folder_with(&[("logs/user_activity.log", &bytes)]);
        let (logs, lake) = (folder.path().join("logs"), folder.path().join("lake"));
        let usual = ["ingest", text(&logs), "--store", text(&lake), "--memory-limit", "1MB"];
        let stopped = run(usual);
        assert_eq!(stopped.code, 3, "{}", stopped.stderr);
        assert!((1..count).contains(&lines_in(&lake)), "{}", lines_in(&lake));
        ingested(&logs, &lake);
        assert_eq!(lines_in(&lake), count, "packed: {packed}");
    }
}
