//! What must make no difference: how lines are split into files, what the files are called and how they are packed,
//! the order of arguments and of lines, the size of chunks, the number of threads. Each time every report must be the
//! same to the byte, and every line be accounted for as before.

use crate::harness::{REPORTS, Random, folder_with, lines, run, sample_lines, text};
use serde_json::Value;
use std::io::Write;
use std::path::Path;

/// What the reports say only in sums: the derived columns of every event.
pub const DERIVED: &[&str] = &[
    "sql",
    "SELECT timestamp, kind, path, session_id, user_id, product, page, visitor_id, session_number, paired, \
         visitor_first_seen, is_page_view, is_bot, category, referrer_host, ip_network, COUNT(*) AS n \
         FROM events \
         GROUP BY timestamp, kind, path, session_id, user_id, product, page, visitor_id, session_number, paired, \
         visitor_first_seen, is_page_view, is_bot, category, referrer_host, ip_network \
         ORDER BY timestamp NULLS LAST, kind, path NULLS LAST, session_id NULLS LAST, user_id NULLS LAST, product NULLS LAST, \
         page NULLS LAST, visitor_id NULLS LAST, session_number NULLS LAST, paired, referrer_host NULLS LAST, \
         ip_network NULLS LAST, category NULLS LAST, is_page_view, is_bot, n",
];

fn questions() -> impl Iterator<Item = &'static [&'static str]> {
    REPORTS.into_iter().chain([DERIVED])
}

/// What all reports say of these inputs, and the accounting without what may differ: files and seconds.
#[derive(Debug, PartialEq)]
struct Answers {
    reports: Vec<String>,
    accounts: Vec<Value>,
}

fn answers<S: AsRef<str>>(inputs: &[S], options: &[String]) -> Answers {
    let summary = tempfile::NamedTempFile::new().unwrap();
    let mut answers = Answers { reports: Vec::new(), accounts: Vec::new() };
    for report in questions() {
        let mut words: Vec<&str> = report.to_vec();
        words.extend(inputs.iter().map(S::as_ref));
        words.extend(options.iter().map(String::as_str));
        words.extend(["--max-rejects", "100%", "--summary", text(summary.path())]);
        let output = run(&words);
        assert_eq!(output.code, 0, "{words:?}: {}", output.stderr);
        answers.reports.push(output.stdout);
        let mut account: Value = serde_json::from_slice(&std::fs::read(summary.path()).unwrap()).unwrap();
        let counts = account.as_object_mut().unwrap();
        counts.remove("seconds");
        counts.remove("files");
        let count = |key: &str| counts[key].as_u64().unwrap();
        assert_eq!(count("lines"), count("events") + count("rejects") + count("blank"));
        answers.accounts.push(account);
    }
    answers
}

/// The answers for these lines as one file, read by one thread in one go.
fn whole(lines: &[Vec<u8>]) -> Answers {
    let folder = folder_with(&[("user_activity.log", &lines.concat())]);
    answers(&[text(folder.path())], &["--threads".into(), "1".into()])
}

/// Fails with the first line that differs, not with all that was said.
fn same(found: &Answers, expected: &Answers, case: &str) {
    for (at, report) in questions().enumerate() {
        let (found_lines, lines) = (found.reports[at].lines(), expected.reports[at].lines());
        if let Some((found, expected)) = found_lines.zip(lines).find(|(found, expected)| found != expected) {
            panic!("{case}, {report:?}:\n   found {found}\nexpected {expected}");
        }
        assert_eq!(found.reports[at], expected.reports[at], "{case}, {report:?}");
        assert_eq!(found.accounts[at], expected.accounts[at], "{case}, {report:?}");
    }
}

fn shuffle<T>(items: &mut [T], random: &mut Random) {
    for at in (1..items.len()).rev() {
        items.swap(at, random.below(at + 1));
    }
}

/// The lines in `count` files: cut like a rotated log, or dealt out like the logs of several servers.
///
/// A file that is equal to another one, or its beginning, is left out by design; so no two are alike.
fn split(lines: &[Vec<u8>], count: usize, random: &mut Random) -> Vec<Vec<Vec<u8>>> {
    loop {
        let mut files = vec![Vec::new(); count];
        let dealt = random.below(2) == 0;
        let mut cuts: Vec<usize> = (1..count).map(|_| random.below(lines.len() + 1)).collect();
        cuts.sort_unstable();
        for (at, line) in lines.iter().enumerate() {
            let file = if dealt { random.below(count) } else { cuts.partition_point(|&cut| cut <= at) };
            files[file].push(line.clone());
        }
        let texts: Vec<Vec<u8>> = files.iter().map(|lines| lines.concat()).collect();
        let alike = |a: usize, b: usize| a != b && !texts[a].is_empty() && texts[b].starts_with(&texts[a]);
        if (0..count).all(|a| (0..count).all(|b| !alike(a, b))) {
            return files;
        }
    }
}

const SCHEMES: usize = 6;

/// The name of file `at` of `count`, oldest first, under each way of rotating.
fn rotated(scheme: usize, at: usize, count: usize) -> String {
    let last = at + 1 == count;
    match scheme {
        0 => format!("user_activity-2025-03-{:02}.log", at + 1),
        1 if last => "user_activity.log".into(),
        1 => format!("user_activity.log.2025-03-{:02}", at + 1),
        2 if last => "user_activity.log".into(),
        2 => format!("user_activity.log.{}", count - 1 - at),
        3 => format!("user_activity.202503{:02}.log", at + 1),
        4 => format!("web{}/user_activity-2025-03-{:02}.log", at % 3, at / 3 + 1),
        _ => format!("2025-03/user_activity-2025-03-10.log.{}", count - at),
    }
}

const PACKINGS: usize = 6;

/// The bytes as they are, or packed in one of the known ways, and the ending that goes with it.
fn packed(bytes: &[u8], packing: usize, random: &mut Random) -> (Vec<u8>, &'static str) {
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    match packing {
        0 => (bytes.to_vec(), ""),
        1 => (gzip(bytes), ".gz"),
        // Members may begin anywhere, even inside a line.
        2 => {
            let (one, two) = bytes.split_at(random.below(bytes.len() + 1));
            ([gzip(one), gzip(two)].concat(), ".gz")
        }
        3 => (zstd::encode_all(bytes, 1).unwrap(), ".zst"),
        4 => {
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            (encoder.finish().unwrap(), ".bz2")
        }
        _ => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
            encoder.write_all(bytes).unwrap();
            (encoder.finish().unwrap(), ".xz")
        }
    }
}

/// Writes the files under the names of one rotation scheme, each packed by `packing`; returns their paths.
fn write(
    folder: &Path,
    files: &[Vec<Vec<u8>>],
    scheme: usize,
    random: &mut Random,
    packing: impl Fn(&mut Random) -> usize,
) -> Vec<String> {
    let mut paths = Vec::new();
    for (at, lines) in files.iter().enumerate() {
        let packing = packing(random);
        let (bytes, ending) = packed(&lines.concat(), packing, random);
        // What a file holds is known by its first bytes; its name need not say it.
        let ending = if random.below(4) == 0 { "" } else { ending };
        let path = folder.join(rotated(scheme, at, files.len()) + ending);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        paths.push(text(&path).to_owned());
    }
    paths
}

#[test]
fn any_split_under_any_rotation_leaves_every_report_unchanged() {
    let mut random = Random(1);
    let samples = sample_lines();
    let expected = whole(&samples);
    for case in 0..2 * SCHEMES {
        let count = 1 + random.below(9);
        let files = split(&samples, count, &mut random);
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &files, case % SCHEMES, &mut random, |_| 0);
        same(&answers(&[text(folder.path())], &[]), &expected, &format!("case {case}, {count} files"));
    }
}

#[test]
fn the_order_of_arguments_leaves_every_report_unchanged() {
    let mut random = Random(2);
    let samples = sample_lines();
    let expected = whole(&samples);
    for case in 0..12 {
        let files = split(&samples, 2 + random.below(6), &mut random);
        let folder = tempfile::tempdir().unwrap();
        let mut paths = write(folder.path(), &files, case % SCHEMES, &mut random, |_| 0);
        shuffle(&mut paths, &mut random);
        same(&answers(&paths, &[]), &expected, &format!("case {case}: {paths:?}"));
    }
}

#[test]
fn any_compression_of_each_file_leaves_every_report_unchanged() {
    let mut random = Random(3);
    let samples = sample_lines();
    let expected = whole(&samples);
    for case in 0..12 {
        let files = split(&samples, 1 + random.below(6), &mut random);
        let folder = tempfile::tempdir().unwrap();
        let packing = |random: &mut Random| if case < PACKINGS { case } else { random.below(PACKINGS) };
        let paths = write(folder.path(), &files, random.below(SCHEMES), &mut random, packing);
        same(&answers(&[text(folder.path())], &[]), &expected, &format!("case {case}: {paths:?}"));
    }
}

/// All events in the order in which they were read, and all rejects.
fn in_order(folder: &Path, options: &[String]) -> (String, String) {
    let rejects = tempfile::NamedTempFile::new().unwrap();
    let words = ["sql", "SELECT * FROM events", text(folder), "--max-rejects", "100%"];
    let more = ["--rejects", text(rejects.path())];
    let output = run(words.into_iter().chain(more).chain(options.iter().map(String::as_str)));
    assert_eq!(output.code, 0, "{}", output.stderr);
    (output.stdout, std::fs::read_to_string(rejects.path()).unwrap())
}

#[test]
fn the_size_of_chunks_and_the_number_of_threads_leave_every_report_unchanged() {
    let mut random = Random(4);
    let samples = sample_lines();
    let expected = whole(&samples);
    for case in 0..12 {
        let files = split(&samples, 1 + random.below(4), &mut random);
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &files, random.below(SCHEMES), &mut random, |random| random.below(PACKINGS));
        let chunk = match case {
            0 => 64,
            _ => 64 + random.below(1 << (7 + case % 12)),
        };
        let options = ["--chunk-bytes", &chunk.to_string(), "--threads", &(1 + case % 4).to_string()];
        let options = options.map(str::to_owned);
        same(&answers(&[text(folder.path())], &options), &expected, &format!("case {case}: {options:?}"));
        let alone = in_order(folder.path(), &["--threads".into(), "1".into()]);
        assert!(in_order(folder.path(), &options) == alone, "case {case}: {options:?}");
    }
}

#[test]
fn the_verdict_on_a_broken_line_does_not_depend_on_what_is_read_with_it() {
    let mut random = Random(10);
    let samples = sample_lines();
    let pieces: [&[u8]; 8] = [b"\xff", b"\0", b"\"", b"\\", b"}", b"\n", b"\r", b"\xef\xbb\xbf"];
    let before: [&[u8]; 5] =
        [b"", b"", b"t\ttag\t", b"2025-03-12T10:00:00Z stdout F ", b"2025-03-12T10:00:00Z stdout P "];
    for case in 0..12 {
        let mut bytes = Vec::new();
        for _ in 0..300 {
            let mut line = [*random.pick::<&[u8]>(&before), random.pick::<Vec<u8>>(&samples)].concat();
            let at = random.below(line.len());
            match random.below(4) {
                0 => _ = line.splice(at..at, random.pick::<&[u8]>(&pieces).iter().copied()),
                1 => line[at] = random.next() as u8,
                2 => _ = line.drain(at..line.len() - 1),
                _ => {}
            }
            bytes.extend(line);
        }
        let folder = folder_with(&[("user_activity.log", &bytes)]);
        // Small limits make lines too long, wherever they begin in a chunk.
        let limit = [64 << 20, 300, 512][case % 3].to_string();
        let options = |chunk: usize, threads: usize| {
            let words = ["--chunk-bytes", &chunk.to_string(), "--threads", &threads.to_string()];
            [&words[..], &["--max-line-bytes", &limit]]
                .concat()
                .into_iter()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let whole = in_order(folder.path(), &options(1 << 20, 1));
        for chunk in [64, 64 + random.below(2000), 64 + random.below(100_000)] {
            let options = options(chunk, 1 + random.below(4));
            assert!(in_order(folder.path(), &options) == whole, "case {case}: {options:?}");
        }
    }
}

#[test]
fn the_order_of_lines_leaves_every_report_unchanged() {
    let mut random = Random(5);
    let mut samples = sample_lines();
    let expected = whole(&samples);
    for case in 0..12 {
        shuffle(&mut samples, &mut random);
        let files = split(&samples, 1 + random.below(4), &mut random);
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &files, case % SCHEMES, &mut random, |_| 0);
        same(&answers(&[text(folder.path())], &[]), &expected, &format!("case {case}"));
    }
}

/// Lines in which much happens at the same moment: whole seconds, three clients, four ids, two products.
fn crowded_lines(count: usize, random: &mut Random) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for _ in 0..count {
        let (minute, second) = (random.pick(&[0, 20, 29, 31, 45]), random.below(3));
        let head = format!(
            r#""timestamp": "2025-03-12T1{}:{minute:02}:0{second}", "ip_address": "10.0.0.{}", "user_agent": "x""#,
            random.below(3),
            random.below(3),
        );
        let session = *random.pick(&["no_session", "unknown", "id-a", "id-b", "id-c", "id-d"]);
        let user = *random.pick(&["null", "7"]);
        let product = 1 + random.below(2);
        let status = *random.pick(&["200", "302", "404"]);
        let took = *random.pick(&["0", "1.0", "2.0"]);
        let request = format!(r#""method": "GET", "response_status": {status}, "process_time": {took}"#);
        let entity = format!(r#""entity_type": "product", "entity_id": "{product}""#);
        let rest = match random.below(8) {
            0 => format!(r#""event_type": "view", {entity}, {request}"#),
            1 | 2 => format!(r#""event_type": "cart_add", {entity}, {request}"#),
            3 => format!(
                r#""event_type": "cart_add", "product_id": {product}, "product_name": "name {}""#,
                random.below(3)
            ),
            4 => format!(r#""event_type": "logout", "path": "/auth/logout", {request}"#),
            5 => format!(r#""event_type": "page_view", "path": "/checkout", {request}"#),
            6 => format!(r#""event_type": "view", "path": "/orders/{product}/confirmation", {request}"#),
            _ => r#""event_type": "page_dwell", "previous_path": "/products/1""#.to_owned(),
        };
        all.push(
            format!("{{{head}, \"session_id\": \"{session}\", \"user_id\": {user}, {rest}}}\n").into_bytes(),
        );
    }
    all
}

#[test]
fn what_happens_at_the_same_moment_has_no_order() {
    let mut random = Random(6);
    for case in 0..12 {
        let mut crowd = crowded_lines(50 + random.below(600), &mut random);
        let expected = whole(&crowd);
        shuffle(&mut crowd, &mut random);
        same(&whole(&crowd), &expected, &format!("case {case}"));
    }
}

#[test]
fn a_last_line_without_its_newline_changes_nothing_but_a_byte() {
    let mut random = Random(8);
    let samples = sample_lines();
    let expected = whole(&samples);
    for case in 0..4 {
        let mut files = split(&samples, 1 + random.below(6), &mut random);
        let mut lost = 0;
        for lines in &mut files {
            // A blank last line is there because of its newline alone.
            if let Some(last) = lines.last_mut().filter(|line| !line.trim_ascii().is_empty()) {
                last.pop();
                lost += 1;
            }
        }
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &files, case % SCHEMES, &mut random, |_| 0);
        let mut found = answers(&[text(folder.path())], &[]);
        for account in &mut found.accounts {
            account["bytes"] = Value::from(account["bytes"].as_u64().unwrap() + lost);
        }
        same(&found, &expected, &format!("case {case}"));
    }
}

#[test]
fn a_line_torn_in_two_is_two_lines_that_are_no_events() {
    let mut random = Random(9);
    let samples = sample_lines();
    let (before, expected) = (whole(&samples), samples.len() as u64 + 1);
    for case in 0..4 {
        // Inside an event that is an object from its first byte: there both parts are no objects.
        let at = loop {
            let at = random.below(samples.len());
            let is_event = serde_json::from_slice::<Value>(&samples[at]).is_ok_and(|value| value.is_object());
            if is_event && samples[at].starts_with(b"{") {
                break at;
            }
        };
        let line = &samples[at];
        let (left, right) = line.split_at(1 + random.below(line.trim_ascii_end().len() - 1));
        let mut files = [samples[..at].to_vec(), samples[at + 1..].to_vec()];
        files[0].push(left.to_vec());
        files[1].insert(0, right.to_vec());
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &files, case % SCHEMES, &mut random, |_| 0);
        let found = answers(&[text(folder.path())], &[]);
        for (found, before) in found.accounts.iter().zip(&before.accounts) {
            let count = |account: &Value, key: &str| account[key].as_i64().unwrap();
            let more = |key: &str| count(found, key) - count(before, key);
            assert_eq!(found["lines"], expected);
            assert_eq!(
                (more("events"), more("rejects"), more("blank"), more("bytes")),
                (-1, 2, 0, 0),
                "case {case}"
            );
            assert_eq!(
                count(&found["rejects_by_reason"], "truncated")
                    - count(&before["rejects_by_reason"], "truncated"),
                1
            );
        }
        // Put together again, it is one event again.
        let glued = lines(&[files[0].concat(), files[1].concat()].concat());
        assert_eq!(glued, samples);
    }
}
