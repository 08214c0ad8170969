//! The traps that real logs set, on the built program: what is no line, no JSON, no file. What is in a line is in
//! `traps/values.rs`, who wrote it in `traps/visitors.rs`.

mod values;
mod visitors;

use crate::harness::{Output, folder_with, program, run, sample_lines, summary, text};
use loganalyze::input::{LogFile, Source};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A line with a time and a type; more fields may say otherwise, for the last of two equal keys wins.
pub fn event(fields: &str) -> String {
    format!("{{\"timestamp\": \"2025-03-12T10:00:00\", \"event_type\": \"view\", {fields}}}\n")
}

/// A plain event, recognised by its path.
fn marked(path: &str) -> Vec<u8> {
    event(&format!("\"path\": \"{path}\"")).into_bytes()
}

/// The rows that a query gives for this log, without the header.
pub fn ask(query: &str, log: impl AsRef<[u8]>) -> Vec<String> {
    ask_with(&[], query, log)
}

pub fn ask_with(options: &[&str], query: &str, log: impl AsRef<[u8]>) -> Vec<String> {
    let folder = folder_with(&[("user_activity.log", log.as_ref())]);
    let words = [&["sql", query, text(folder.path()), "--max-rejects", "100%"], options].concat();
    let output = run(words);
    assert_eq!(output.code, 0, "{query}: {}", output.stderr);
    // A null alone in its row.
    let cell = |line: &str| if line == "\"\"" { String::new() } else { line.to_owned() };
    output.stdout.lines().skip(1).map(cell).collect()
}

/// Counts of one log: lines, events, rejects, blank; and the reasons that occurred.
fn counts(log: impl AsRef<[u8]>) -> ([u64; 4], Vec<String>) {
    let folder = folder_with(&[("user_activity.log", log.as_ref())]);
    counted(&summary(folder.path()))
}

fn counted(summary: &Value) -> ([u64; 4], Vec<String>) {
    let counts = ["lines", "events", "rejects", "blank"].map(|key| summary[key].as_u64().unwrap());
    assert_eq!(counts[0], counts[1] + counts[2] + counts[3], "{summary}");
    let reasons = summary["rejects_by_reason"].as_object().unwrap().iter();
    let reasons =
        reasons.filter(|(_, count)| **count != 0).map(|(reason, count)| format!("{reason} {count}"));
    (counts, reasons.collect())
}

fn no_reasons() -> Vec<String> {
    Vec::new()
}

#[test]
fn lines_of_nothing_are_blank() {
    let nothing: [&[u8]; 7] =
        [b"\n", b"   \n", b"\r\n", b" \t \r\n", b"\xef\xbb\xbf\n", b"\xef\xbb\xbf \r\n", b" "];
    let log = [marked("/a"), nothing.concat()].concat();
    assert_eq!(counts(log), ([8, 1, 0, 7], no_reasons()));
    assert_eq!(counts(b""), ([0, 0, 0, 0], no_reasons()));
}

#[test]
fn byte_order_marks_crlf_and_spaces_around_a_line_do_no_harm() {
    let bare = marked("/x").trim_ascii_end().to_vec();
    let around: [(&[u8], &[u8]); 6] = [
        (b"\xef\xbb\xbf", b"\n"),
        (b"", b"\r\n"),
        (b"\xef\xbb\xbf", b"\r\n"),
        (b"  ", b"  \n"),
        (b"\xef\xbb\xbf \t", b"\t\n"),
        (b"", b""),
    ];
    let log: Vec<u8> =
        around.iter().flat_map(|(before, behind)| [before, &bare[..], behind].concat()).collect();
    assert_eq!(counts(&log), ([6, 6, 0, 0], no_reasons()));
    assert_eq!(ask("SELECT path FROM events", &log), ["/x"; 6]);
}

#[test]
fn what_is_no_object_is_a_reject_and_its_neighbours_are_not() {
    let bad: [(&[u8], &str); 9] = [
        (b"{\"path\": \"\xff\xfe\"}", "not_utf8 1"),
        (b"{\"path\": \"\xed\xa0\x80\"}", "not_utf8 1"),
        (b"\0\0\0\0", "nul_bytes 1"),
        (b"[1]", "not_an_object 1"),
        (b"Traceback (most recent call last):", "not_an_object 1"),
        (b"{'path': 1}", "syntax 1"),
        (b"{\"path\": \"a\tb\"}", "syntax 1"),
        (b"{} {}", "trailing_text 1"),
        (b"{\"path\": \"/half", "truncated 1"),
    ];
    for (line, reason) in bad {
        let log = [&marked("/before"), line, b"\n", &marked("/behind")].concat();
        assert_eq!(counts(&log), ([3, 2, 1, 0], vec![reason.into()]), "{}", String::from_utf8_lossy(line));
        assert_eq!(ask("SELECT path FROM events", &log), ["/before", "/behind"]);
    }
}

#[test]
fn a_last_line_without_newline_is_an_event_and_half_of_one_is_truncated() {
    let (first, last) = (marked("/first"), marked("/last"));
    let whole = last.trim_ascii_end();
    assert_eq!(counts([&first, whole].concat()), ([2, 2, 0, 0], no_reasons()));
    // Wherever the writer was interrupted.
    for end in [1, 2, 14, 30, whole.len() - 1] {
        let log = [&first, &whole[..end]].concat();
        assert_eq!(counts(log), ([2, 1, 1, 0], vec!["truncated 1".into()]), "{end}");
    }
}

#[test]
fn a_line_of_many_megabytes_is_an_event_and_one_over_the_limit_is_not() {
    let long = event(&format!("\"search_query\": \"{}\", \"path\": \"/long\"", "x".repeat(9 << 20)));
    let log = [marked("/before"), long.into_bytes(), marked("/behind")].concat();
    let paths = "SELECT path FROM events";
    assert_eq!(ask(paths, &log), ["/before", "/long", "/behind"]);
    assert_eq!(ask_with(&["--max-line-bytes", "1000000"], paths, &log), ["/before", "/behind"]);
    // The limit is exact, whatever is read at a time, and does not count the line's end.
    let line = marked("/exactly");
    let length = line.len() - 1;
    for chunk in ["64", "1000000"] {
        let limit = |bytes: usize, log: &[u8]| {
            let options = ["--max-line-bytes", &bytes.to_string(), "--chunk-bytes", chunk];
            ask_with(&options, paths, log).len()
        };
        let twice = [&line[..], &line[..length]].concat();
        assert_eq!((limit(length, &twice), limit(length - 1, &twice)), (2, 0), "{chunk}");
    }
    let folder = folder_with(&[("user_activity.log", &log)]);
    let (file, rejects) = (folder.path().join("summary.json"), folder.path().join("rejects.ndjson"));
    let words = ["event-counts", text(folder.path()), "--max-line-bytes", "70000", "--max-rejects", "1"];
    let output = run([&words[..], &["--summary", text(&file), "--rejects", text(&rejects)]].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
    let account: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(counted(&account), ([3, 2, 1, 0], vec!["too_long 1".into()]));
    assert_eq!(account["bytes"], log.len());
    let reject: Value = serde_json::from_slice(&std::fs::read(&rejects).unwrap()).unwrap();
    assert_eq!((&reject["line"], &reject["byte"]), (&2.into(), &marked("/before").len().into()));
    assert!(reject["text"].as_str().unwrap().len() <= 64 << 10, "kept: only what is shown");
}

#[test]
fn nesting_a_hundred_thousand_deep_is_read() {
    let nested = |open: &str, close: &str| {
        let (open, close) = (open.repeat(100_000), close.repeat(100_000));
        event(&format!("\"args\": {{\"a\": {open}1{close}}}"))
    };
    let log = nested("[", "]") + &nested("{\"event_type\": ", "}") + &nested("[", "");
    assert_eq!(counts(&log), ([3, 2, 1, 0], vec!["syntax 1".into()]));
    assert_eq!(
        ask("SELECT COUNT(*) AS n FROM events WHERE args IS NOT NULL AND event_type = 'view'", &log),
        ["2"]
    );
}

#[test]
fn a_file_of_nul_bytes_is_one_reject() {
    for size in [1, 4096, 3 << 20] {
        assert_eq!(counts(vec![0; size]), ([1, 0, 1, 0], vec!["nul_bytes 1".into()]), "{size}");
    }
    let log = [marked("/a"), vec![0; 10_000], b"\n".to_vec(), marked("/b")].concat();
    assert_eq!(counts(&log), ([3, 2, 1, 0], vec!["nul_bytes 1".into()]));
}

/// Runs the program and stops it if it waits for something that never comes.
fn run_or_stop(words: &[&str]) -> Output {
    let mut child = program()
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begin.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("{words:?} waits for ever");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    Output {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn a_folder_and_a_fifo_called_like_logs_are_left_out_with_a_note() {
    let folder =
        folder_with(&[("user_activity.log", &marked("/a")), ("sub.log/user_activity.log", &marked("/b"))]);
    let fifo = folder.path().join("x.log");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let glob = format!("{}/*.log", folder.path().display());
    for (input, rows) in [(text(folder.path()), "/a\n/b"), (&glob, "/a")] {
        let output = run_or_stop(&["sql", "SELECT path FROM events ORDER BY path", input]);
        assert_eq!((output.code, output.stdout), (0, format!("path\n{rows}\n")), "{}", output.stderr);
        assert!(output.stderr.contains("x.log' left out: it is a FIFO"), "{}", output.stderr);
    }
    let output = run_or_stop(&["event-counts", &glob]);
    assert!(output.stderr.contains("sub.log' left out: it is a folder"), "{}", output.stderr);
    // Nothing but a FIFO is nothing to read.
    std::fs::remove_file(folder.path().join("user_activity.log")).unwrap();
    let glob = format!("{}/x*", folder.path().display());
    assert_eq!(run_or_stop(&["event-counts", &glob]).code, 1);
}

#[test]
fn a_file_without_permission_is_an_error_that_names_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder_with(&[("a.log", &marked("/a")), ("b.log", &marked("/b"))]);
    let closed = folder.path().join("b.log");
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::fs::File::open(&closed).is_ok() {
        return crate::harness::skip("this user may read everything");
    }
    let output = run(["event-counts", text(folder.path())]);
    assert_eq!((output.code, output.stdout.as_str()), (1, ""));
    assert!(output.stderr.contains("b.log: Permission denied"), "{}", output.stderr);
}

/// How something else wraps a line on its way.
type Wrapper = fn(&str) -> String;

fn docker(line: &str) -> String {
    let log = serde_json::to_string(&format!("{line}\n")).unwrap();
    format!("{{\"log\":{log},\"stream\":\"stdout\",\"time\":\"2025-03-14T00:00:00.1Z\"}}\n")
}

const WRAPPERS: [Wrapper; 5] = [
    |line| format!("2025-03-14T00:00:00+09:00\tshop.user_activity\t{line}\n"),
    docker,
    // A log driver that writes no escapes that it need not, and one that escapes all it can.
    |line| docker(line).replace('<', "\\u003c").replace("\\\"", "\\u0022"),
    |line| format!("2025-03-14T00:00:00.123456789Z stdout F {line}\n"),
    |line| format!("2025-03-14T00:00:00.123456789+09:00 stderr F:x {line}\n"),
];

#[test]
fn wrapped_lines_are_the_same_events() {
    let samples = sample_lines();
    // JSON text that is not UTF-8 has no place in another JSON text.
    let plain: Vec<&str> = samples.iter().filter_map(|line| std::str::from_utf8(line).ok()).collect();
    let all = "SELECT * FROM events";
    let (events, (expected, _)) = (ask(all, plain.concat()), counts(plain.concat()));
    assert!(expected.iter().all(|&count| count > 0));
    for (at, wrap) in WRAPPERS.iter().enumerate() {
        let log: String = plain.iter().map(|line| wrap(line.trim_end_matches('\n'))).collect();
        assert_eq!(counts(&log).0, expected, "wrapper {at}");
        assert!(ask(all, &log) == events, "wrapper {at}");
    }
}

#[test]
fn a_line_that_a_container_runtime_cut_is_two_counted_rejects() {
    let line = event("\"path\": \"/long\"");
    let (one, two) = line.trim_end().split_at(50);
    let cri = format!("2025-03-14T00:00:00Z stdout P {one}\n2025-03-14T00:00:00Z stdout F {two}\n");
    let piece = |text: &str| docker(text).replace("\\n\",\"stream\"", "\",\"stream\"");
    for cut in [cri, piece(one) + &docker(two)] {
        let log = [marked("/a"), cut.into_bytes(), marked("/b")].concat();
        let reasons = vec!["not_an_object 1".into(), "partial_record 1".into()];
        assert_eq!(counts(&log), ([4, 2, 2, 0], reasons));
    }
}

/// Reads to the end; the lines that came whole.
fn rest(source: &mut Source, lines: &mut usize) -> Result<(), loganalyze::error::Error> {
    let mut buffer = Vec::new();
    while source.next_chunk(&mut buffer)?.is_some() {
        *lines += buffer.iter().filter(|&&byte| byte == b'\n').count();
    }
    Ok(())
}

fn opened(path: &Path) -> Source {
    let file = LogFile { name: "x.log".into(), path: Some(path.to_owned()), ..LogFile::default() };
    Source::open(&file, 4096, 1 << 20).unwrap()
}

#[test]
fn a_log_that_is_truncated_while_it_is_read_ends_there() {
    let folder = folder_with(&[("x.log", &marked("/a").repeat(20_000))]);
    let path = folder.path().join("x.log");
    for kept in [0, 100, 5000] {
        std::fs::write(&path, marked("/a").repeat(20_000)).unwrap();
        let mut source = opened(&path);
        let mut buffer = Vec::new();
        assert!(source.next_chunk(&mut buffer).unwrap().is_some());
        let mut lines = buffer.iter().filter(|&&byte| byte == b'\n').count();
        // As logrotate's copytruncate does it; the shop goes on writing at the beginning.
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(kept).unwrap();
        rest(&mut source, &mut lines).unwrap();
        assert!((1..20_000).contains(&lines), "{lines}");
    }
    // Of a compressed file the end is missing then, which must be said.
    let noise: Vec<u8> =
        (0..60_000u32).flat_map(|n| format!("{}\n", n.wrapping_mul(2_654_435_761)).into_bytes()).collect();
    let packed = zstd::encode_all(&noise[..], 1).unwrap();
    assert!(packed.len() > 256 << 10, "more than is read at once: {}", packed.len());
    std::fs::write(&path, packed).unwrap();
    let mut source = opened(&path);
    assert!(source.next_chunk(&mut Vec::new()).unwrap().is_some());
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(10).unwrap();
    let error = rest(&mut source, &mut 0).unwrap_err().to_string();
    assert!(error.starts_with("cannot read x.log: the file is damaged or cut off after byte"), "{error}");
}
