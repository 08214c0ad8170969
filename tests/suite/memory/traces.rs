//! Temporary files: where they are, how many are open, and that nothing of them is seen or stays.

use crate::harness::{program, root, sample_lines, skip, stdout, text};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// The program, reading lines from standard input a few at a time, with so little memory that it keeps none of them.
fn begin(question: &[&str], temporary: &Path) -> Child {
    program()
        .args(question)
        .args(["-", "--memory-limit", "6", "--threads", "2", "--chunk-bytes", "20000"])
        .env("TMPDIR", temporary)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// How many bytes a process keeps in files of this folder that have no name.
fn nameless_bytes(child: &Child, folder: &Path) -> u64 {
    let open = std::fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap().flatten();
    let in_folder = open.filter(|entry| {
        let target = std::fs::read_link(entry.path()).unwrap_or_default();
        target.starts_with(folder) && target.to_string_lossy().ends_with(" (deleted)")
    });
    in_folder.filter_map(|entry| Some(std::fs::metadata(entry.path()).ok()?.len())).sum()
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

/// Feeds half of the sample and waits until some of it lies in temporary files.
fn feed_half(child: &mut Child, folder: &Path) -> std::process::ChildStdin {
    let lines = sample_lines();
    let mut stdin = child.stdin.take().unwrap();
    for piece in lines[..lines.len() / 2].chunks(100) {
        stdin.write_all(&piece.concat()).unwrap();
        assert!(is_empty(folder));
    }
    while nameless_bytes(child, folder) == 0 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before its input did");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert!(is_empty(folder));
    stdin
}

fn sees_open_files() -> bool {
    let there = Path::new("/proc/self/fd").exists();
    if !there {
        skip("this system does not show a process's open files");
    }
    there
}

#[test]
fn no_file_has_a_name_while_it_runs_and_none_stays() {
    if !sees_open_files() {
        return;
    }
    for question in [&["event-counts"][..], &["funnel", "--by", "session"], &["report"]] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = begin(question, folder.path());
        let mut stdin = feed_half(&mut child, folder.path());
        let lines = sample_lines();
        stdin.write_all(&lines[lines.len() / 2..].concat()).unwrap();
        drop(stdin);
        // A pipe that nobody reads from would hold the program up.
        let mut pipe = child.stdout.take().unwrap();
        let printed = std::thread::spawn(move || std::io::read_to_string(&mut pipe).unwrap());
        while child.try_wait().unwrap().is_none() {
            assert!(is_empty(folder.path()), "{question:?}");
        }
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(is_empty(folder.path()), "{question:?}");
        let expected = stdout([question, &["sample_logs/user_activity*"]].concat());
        assert_eq!(printed.join().unwrap(), expected, "{question:?}");
    }
}

#[test]
fn nothing_stays_of_a_run_that_is_interrupted() {
    if !sees_open_files() {
        return;
    }
    for signal in [2, 9, 15] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = begin(&["funnel"], folder.path());
        let stdin = feed_half(&mut child, folder.path());
        let process = child.id().to_string();
        assert!(Command::new("kill").args([format!("-{signal}"), process]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        drop(stdin);
        assert_eq!((output.status.signal(), output.stdout), (Some(signal), Vec::new()));
        assert!(is_empty(folder.path()));
    }
}

#[test]
fn a_folder_that_is_not_there_is_said_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("counts.csv");
    let words = ["event-counts", "sample_logs", "--memory-limit", "4kB", "-o", text(&target)];
    let output = program().args(words).env("TMPDIR", folder.path().join("missing")).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    for hint in ["temporary files", "No such file or directory", "TMPDIR", "--memory-limit"] {
        assert!(stderr.contains(hint), "{stderr}");
    }
    assert!(output.stdout.is_empty() && !target.exists());
    // Nothing needs it where there is memory enough.
    for limit in ["200MB", "1GB"] {
        let words = ["event-counts", "sample_logs", "--memory-limit", limit];
        let output = program().args(words).env("TMPDIR", folder.path().join("missing")).output().unwrap();
        assert!(output.status.success(), "{limit}");
    }
}

/// What the program says to these words in a shell that was told this before.
fn behind(setting: &str, words: &str) -> Output {
    let line = format!("{setting}; exec {:?} {words}", program().get_program());
    Command::new("bash").args(["-c", &line]).current_dir(root()).output().unwrap()
}

#[test]
fn few_open_files_are_enough_for_many_threads() {
    let expected = stdout(["funnel", "--by", "session", "sample_logs"]);
    let words = "funnel --by session sample_logs --memory-limit 4kB --threads 16";
    let output = behind("ulimit -n 256", words);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}

#[test]
fn threads_that_the_system_does_not_give_are_an_error() {
    // Each is to have more bytes for its calls than a process may address. Too little memory would not do: a thread that begins
    // with the last of it ends the whole process.
    let stack = "export RUST_MIN_STACK=300000000000000";
    let from_the_pool = behind(stack, "event-counts sample_logs --threads 8");
    let from_the_scan = behind(stack, "event-counts sample_logs");
    for (output, threads) in [(from_the_pool, "8 threads"), (from_the_scan, "threads")] {
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{stderr}");
        assert!(
            stderr.contains("cannot start") && stderr.contains(threads) && stderr.contains("--threads"),
            "{stderr}"
        );
    }
}

#[test]
fn a_disk_without_room_is_an_error_and_no_short_answer() {
    // No file may grow beyond 16 kB, and no signal says so.
    let output = behind("trap '' XFSZ; ulimit -f 16", "product-views sample_logs --memory-limit 4kB");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{stderr}");
    assert!(stderr.contains("temporary files") && stderr.contains("too large"), "{stderr}");
}
