//! What the command line names and what is read then: rotated names in their order, compression, globs, standard input,
//! copies; and what is said, and left unwritten, where that cannot be done.

use crate::harness::{Output, decompressed, folder_with, root, run, run_with_input, text};
use serde_json::Value;
use std::io::Write;
use std::path::Path;

/// A line that says which file it is from; long enough that two files never begin alike.
fn line(path: &str) -> Vec<u8> {
    format!("{{\"event_type\": \"view\", \"path\": \"{path}\"}}\n").into_bytes()
}

/// A folder with these files, each with a line that holds its own name.
fn named(names: &[&str]) -> tempfile::TempDir {
    let lines: Vec<Vec<u8>> = names.iter().map(|name| line(name)).collect();
    let files: Vec<(&str, &[u8])> =
        names.iter().zip(&lines).map(|(name, line)| (*name, line.as_slice())).collect();
    folder_with(&files)
}

const PATHS: &str = "SELECT path FROM events";

/// The paths of all events in the order in which they were read, and what was said on standard error.
fn read<S: AsRef<str>>(inputs: &[S]) -> (Vec<String>, String) {
    let words = ["sql", PATHS].into_iter().chain(inputs.iter().map(S::as_ref));
    let Output { code, stdout, stderr } = run(words);
    assert_eq!(code, 0, "{stderr}");
    (stdout.lines().skip(1).map(str::to_owned).collect(), stderr)
}

fn read_folder(folder: &Path) -> Vec<String> {
    read(&[text(folder)]).0
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zst(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

#[test]
fn every_rotated_name_is_read_oldest_first() {
    let series: [&[&str]; 7] = [
        &["user_activity-2025-03-09.log", "user_activity-2025-03-10.log", "user_activity-2025-04-01.log"],
        &["user_activity.log.2025-03-12", "user_activity.log.2025-03-13", "user_activity.log"],
        &[
            "user_activity.log.10",
            "user_activity.log.9",
            "user_activity.log.2",
            "user_activity.log.1",
            "user_activity.log",
        ],
        &["user_activity.20250309.log", "user_activity.20250310.log"],
        &["user_activity.log-20250309", "user_activity.log-20250310", "user_activity.log"],
        &[
            "web1/user_activity-2025-03-10.log",
            "web2/user_activity-2025-03-10.log",
            "web1/user_activity-2025-03-11.log",
        ],
        &["user_activity-2025-03-10.log.2", "user_activity-2025-03-10.log.1", "user_activity-2025-03-10.log"],
    ];
    for oldest_first in series {
        assert_eq!(read_folder(named(oldest_first).path()), oldest_first);
        // Named one by one, newest first, they are read in the same order.
        let folder = named(oldest_first);
        let newest_first: Vec<_> =
            oldest_first.iter().rev().map(|name| text(&folder.path().join(name)).to_owned()).collect();
        assert_eq!(read(&newest_first).0, oldest_first);
    }
    let others =
        ["README.md", "buffer.b5f0.log", ".hidden.log", "user_activity.log.tmp", "user_activity.log"];
    assert_eq!(read_folder(named(&others).path()), ["user_activity.log"]);
}

#[test]
fn compressed_rotations_are_read_oldest_first() {
    let (a, b, c, d, e) = (line("a"), line("b"), line("c"), line("d"), line("e"));
    let folder = folder_with(&[
        ("user_activity.log.4.gz", &gzip(&a)),
        ("user_activity.log.3.zst", &zst(&b)),
        ("user_activity.log.2.bz2", &bzip2(&c)),
        ("user_activity.log.1.xz", &xz(&d)),
        ("user_activity.log", &e),
    ]);
    assert_eq!(read_folder(folder.path()), ["a", "b", "c", "d", "e"]);
}

#[test]
fn compression_is_known_by_the_first_bytes_and_has_any_number_of_members() {
    let (a, b) = (line("a"), line("b"));
    // The border of two members may be inside a line.
    let (left, right) = b.split_at(7);
    for pack in [gzip, zst, bzip2, xz] {
        let members = [pack(&a), pack(b""), pack(left), pack(right)].concat();
        for name in ["x.log", "x.log.1", "x.log.gz", "x.log.zst", "x.log.bz2", "x.log.xz"] {
            assert_eq!(read_folder(folder_with(&[(name, &members)]).path()), ["a", "b"], "{name}");
        }
    }
    // A name may promise what is not there.
    for name in ["x.log.gz", "x.log.zst", "x.log.bz2", "x.log.xz"] {
        assert_eq!(read_folder(folder_with(&[(name, &a)]).path()), ["a"], "{name}");
    }
}

#[test]
fn a_torn_archive_is_an_error_and_leaves_no_output() {
    let log: Vec<u8> = (0..20_000).flat_map(|n| line(&format!("/{}", n * 7919 % 100_003))).collect();
    for (pack, ending) in [(gzip as fn(&[u8]) -> Vec<u8>, "gz"), (zst, "zst"), (bzip2, "bz2"), (xz, "xz")] {
        let packed = pack(&log);
        let name = format!("x.log.1.{ending}");
        for end in [packed.len() / 2, packed.len() - 3] {
            let folder = folder_with(&[(&name, &packed[..end]), ("x.log", &line("/new"))]);
            let out = folder.path().join("out.csv");
            let output =
                run(["event-counts", text(folder.path()), "-o", text(&out), "--max-rejects", "100%"]);
            assert_eq!((output.code, output.stdout.as_str()), (1, ""), "{name} {end}");
            for words in ["cannot read", &name, "damaged or cut off after byte"] {
                assert!(output.stderr.contains(words), "{words}: {}", output.stderr);
            }
            assert!(!out.exists(), "{name} {end}");
        }
    }
}

#[test]
fn quoted_globs_match_as_a_shell_does() {
    let folder = named(&["a.log", "b.log", "b.log.1", "sub/c.log", ".d.log"]);
    let glob = |pattern: &str| read(&[format!("{}/{pattern}", folder.path().display())]).0;
    assert_eq!(glob("*.log"), ["a.log", "b.log"]);
    assert_eq!(glob("**/*.log"), ["a.log", "b.log", "sub/c.log"]);
    assert_eq!(glob("[bx].log*"), ["b.log.1", "b.log"]);
    assert_eq!(glob("?.log"), ["a.log", "b.log"]);
    // A pattern names files: any that match, also those that do not look like logs.
    let notes = named(&["notes.txt"]);
    assert_eq!(read(&[format!("{}/*.txt", notes.path().display())]).0, ["notes.txt"]);
}

#[test]
fn a_mix_of_files_folders_globs_and_standard_input_is_read_once_each() {
    let folder = named(&["x.log.2", "x.log.1", "x.log", "sub/y.log"]);
    let path = |name: &str| text(&folder.path().join(name)).to_owned();
    let inputs = ["-".to_owned(), path("x.log"), path(""), path("x*"), path("sub")];
    let words = ["sql", PATHS].into_iter().chain(inputs.iter().map(String::as_str));
    let output = run_with_input(words, &line("stdin"));
    assert_eq!(output.stdout, "path\nx.log.2\nx.log.1\nsub/y.log\nx.log\nstdin\n", "{}", output.stderr);
}

#[test]
fn standard_input_may_be_plain_or_packed() {
    let log = [line("a"), line("b")].concat();
    for input in [
        log.clone(),
        gzip(&log),
        [gzip(&line("a")), gzip(&line("b"))].concat(),
        zst(&log),
        bzip2(&log),
        xz(&log),
    ] {
        let output = run_with_input(["sql", PATHS, "-"], &input);
        assert_eq!((output.code, output.stdout.as_str()), (0, "path\na\nb\n"), "{}", output.stderr);
    }
    let nothing = run_with_input(["event-counts", "-"], b"");
    assert_eq!((nothing.code, nothing.stdout.lines().count()), (0, 1), "{}", nothing.stderr);
    assert_eq!(run(["event-counts", "-", "-"]).code, 2);
}

#[test]
fn the_same_data_seen_twice_is_read_once_with_a_note() {
    let log: Vec<u8> = (0..200).flat_map(|n| line(&format!("/{n}"))).collect();
    let (packed, new) = (gzip(&log), line("/new"));
    // Rotated and packed while the old name is still there; and a copy under a name of its own.
    let folder = folder_with(&[
        ("x.log.2.gz", &packed),
        ("x.log.1", &log),
        ("x.log", &new),
        ("web2/x.log.1.zst", &zst(&log)),
    ]);
    let (paths, stderr) = read(&[text(folder.path())]);
    assert_eq!(paths.len(), 201, "{stderr}");
    assert_eq!(stderr.matches("holds the same data as").count(), 2, "{stderr}");
    assert_eq!(stderr.matches("x.log.2.gz': read once").count(), 2, "{stderr}");
    // A copy that was made while the log went on is its beginning.
    let longer = [&log[..], &line("/more")].concat();
    let folder = folder_with(&[("x.log.1.gz", &packed), ("x.log", &longer)]);
    let (paths, stderr) = read(&[text(folder.path())]);
    assert_eq!(paths.len(), 201, "{stderr}");
    assert!(stderr.contains("x.log': only the longer one is read"), "{stderr}");
    // One file under two names, too; one different byte makes two files.
    std::os::unix::fs::symlink(folder.path().join("x.log"), folder.path().join("current.log")).unwrap();
    let (paths, stderr) = read(&[text(folder.path())]);
    assert_eq!(paths.len(), 201, "{stderr}");
    assert!(stderr.contains("is the same file as"), "{stderr}");
    let mut changed = log.clone();
    *changed.last_mut().unwrap() = b' ';
    let folder = folder_with(&[("x.log.1", &log), ("x.log", &changed)]);
    assert_eq!(read_folder(folder.path()).len(), 400);
}

#[test]
fn system_logs_are_left_aside_with_a_note() {
    let folder =
        named(&["app.log", "app-2025-03-10.log", "app.log.1", "user_activity.log", "application.log"]);
    for input in [text(folder.path()).to_owned(), format!("{}/*", folder.path().display())] {
        let (paths, stderr) = read(&[input]);
        assert_eq!(paths, ["application.log", "user_activity.log"]);
        assert!(stderr.contains("note: 3 system logs (app*.log) left aside"), "{stderr}");
    }
    let output = run(["event-counts", text(&folder.path().join("app.log"))]);
    assert_eq!(output.code, 1);
    assert!(output.stderr.contains("1 system log (app*.log) left aside"), "{}", output.stderr);
}

#[test]
fn nothing_found_says_what_was_looked_for_and_what_is_there() {
    let folder = named(&["shop.txt", "old/user_activity.txt"]);
    let at = folder.path().display();
    let cases = [
        (format!("{at}/*.log"), format!("no file matches '{at}/*.log'")),
        (format!("{at}/shop.log"), format!("no file '{at}/shop.log' (did you mean 'shop.txt'?)")),
        (format!("{at}"), format!("no log file in '{at}'")),
        (format!("{at}/olds/*.log"), "(did you mean 'old'?)".to_owned()),
    ];
    for (input, words) in cases {
        let output = run(["product-views", &input]);
        assert_eq!((output.code, output.stdout.as_str()), (1, ""), "{input}");
        for words in [words.as_str(), &format!("'{at}' holds 1 file and 1 folder: shop.txt, old/")] {
            assert!(output.stderr.contains(words), "{words}: {}", output.stderr);
        }
        let empty = run(["product-views", &input, "--allow-empty"]);
        let header = "product_id,product_name,views,visitors,users,failed_views,cart_adds,view_to_cart\n";
        assert_eq!((empty.code, empty.stdout.as_str()), (0, header), "{input}");
        assert!(empty.stderr.contains("0 lines = 0 events + 0 rejects + 0 blank"), "{}", empty.stderr);
    }
    assert_eq!(run(["product-views"]).code, 2);
}

#[test]
fn words_that_mean_nothing_are_told_from_those_that_were_meant() {
    let cases: [(&[&str], i32, &str); 13] = [
        (&["event-count", "sample_logs"], 2, "'event-counts'"),
        (&["event-counts", "sample_logs", "--thread", "2"], 2, "'--threads'"),
        (&["event-counts", "sample_logs", "--threads", "1025"], 2, "from 1 to 1024"),
        (&["event-counts", "sample_logs", "--format", "cvs"], 2, "possible values: table, csv"),
        (&["hourly-activity", "sample_logs", "--by", "hour-of-days"], 2, "'hour-of-day'"),
        (&["event-counts", "sample_logs", "-o", "out.cvs"], 2, ".csv"),
        (&["event-counts", "sample_logs", "--tz", "Asia/Soul"], 2, "did you mean 'Asia/Seoul'?"),
        (&["event-counts", "sample_logs", "--max-rejects", "some"], 2, "neither a number nor a percentage"),
        (&["event-counts", "sample_logs", "--max-rejects", "101%"], 2, "neither a number nor a percentage"),
        (&["event-counts", "sample_logs", "--strict", "--max-rejects", "1"], 2, "cannot be used with"),
        (&["event-counts", "sample_logs", "--since", "soon"], 2, "--since 'soon' is no time"),
        (&["sql", "SELECT user_ld FROM events", "sample_logs"], 1, "did you mean 'user_id'?"),
        (&["sql", "SELECT path FROM event", "sample_logs"], 1, "the relations are 'events' and 'app_events'"),
    ];
    for (words, code, hint) in cases {
        let output = run(words);
        assert_eq!((output.code, output.stdout.as_str()), (code, ""), "{words:?}: {}", output.stderr);
        assert!(output.stderr.contains(hint), "{words:?}: {}", output.stderr);
        assert!(!output.stderr.contains("valid columns"), "those that were read: {}", output.stderr);
    }
    assert!(!root().join("out.cvs").exists());
}

/// 20 lines: 16 events, 3 rejects, 1 blank.
fn flawed() -> Vec<u8> {
    let good = (0..15).flat_map(|n| line(&format!("/{n}"))).collect::<Vec<_>>();
    [&good[..], b"[1]\n\n{\"password\": \"hunter2\", oops}\n", &line("/last"), b"{\"path\": \"/half"].concat()
}

#[test]
fn too_many_rejects_are_exit_3_and_the_output_stays_as_it_was() {
    let folder = folder_with(&[("x.log", &flawed())]);
    let (logs, out) = (text(folder.path()), folder.path().join("out.csv"));
    let limits: [(&[&str], i32); 8] = [
        (&[], 3),
        (&["--strict"], 3),
        (&["--max-rejects", "0"], 3),
        (&["--max-rejects", "2"], 3),
        (&["--max-rejects", "14.9%"], 3),
        (&["--max-rejects", "15%"], 0),
        (&["--max-rejects", "3"], 0),
        (&["--max-rejects", "100%"], 0),
    ];
    for (limit, code) in limits {
        _ = std::fs::remove_file(&out);
        let words = [&["event-counts", logs, "-o", text(&out)], limit].concat();
        assert_eq!(run(&words).code, code, "{limit:?}");
        assert_eq!(out.exists(), code == 0, "{limit:?}");
        std::fs::write(&out, "old").unwrap();
        let output = run(&words);
        assert_eq!(std::fs::read_to_string(&out).unwrap() == "old", code == 3, "{limit:?}");
        assert_eq!(output.stdout, "");
        // Without a file, nothing is printed either.
        let output = run([&["event-counts", logs], limit].concat());
        assert_eq!((output.code, output.stdout.is_empty()), (code, code == 3), "{limit:?}");
        if code == 3 {
            assert!(output.stderr.contains("3 of 20 lines rejected"), "{}", output.stderr);
            assert!(!output.stderr.contains("hunter2"), "{}", output.stderr);
        }
    }
    // A blank line is no reject, and no line at all not too many.
    let clean = folder_with(&[("x.log", b"{}\n\n"), ("y.log", b"")]);
    assert_eq!(run(["event-counts", text(clean.path()), "--strict"]).code, 0);
}

#[test]
fn every_reject_is_saved_with_its_place_and_reason() {
    let (flawed, first) = (flawed(), line("/first"));
    let second = [&first[..], b"\xef\xbb\xbf\xff\n\0\0\n"].concat();
    let folder = folder_with(&[("x.log.1", &flawed), ("x.log.gz", &gzip(&second))]);
    let file = folder.path().join("rejects.ndjson");
    // Saved also when they are too many: that is when one wants to see them.
    for (options, code) in [(&["--max-rejects", "100%", "--chunk-bytes", "64"][..], 0), (&["--strict"], 3)] {
        _ = std::fs::remove_file(&file);
        let words = ["event-counts", text(folder.path()), "--rejects", text(&file)];
        assert_eq!(run([&words[..], options].concat()).code, code);
        let rejects = std::fs::read_to_string(&file).unwrap();
        let rejects: Vec<Value> = rejects.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let found: Vec<_> = rejects
            .iter()
            .map(|reject| {
                let name = Path::new(reject["file"].as_str().unwrap()).file_name().unwrap().to_str().unwrap();
                (name, reject["line"].as_u64().unwrap(), reject["reason"].as_str().unwrap())
            })
            .collect();
        let expected = [
            ("x.log.1", 16, "not_an_object"),
            ("x.log.1", 18, "syntax"),
            ("x.log.1", 20, "truncated"),
            ("x.log.gz", 2, "not_utf8"),
            ("x.log.gz", 3, "nul_bytes"),
        ];
        assert_eq!(found, expected);
        for reject in &rejects {
            let bytes = if reject["file"].as_str().unwrap().ends_with("gz") { &second } else { &flawed };
            let begin = reject["byte"].as_u64().unwrap() as usize;
            assert!(begin == 0 || bytes[begin - 1] == b'\n', "{reject}");
            let before = bytes[..begin].iter().filter(|&&byte| byte == b'\n').count() as u64;
            assert_eq!(reject["line"], before + 1);
        }
        let texts: Vec<&str> = rejects.iter().map(|reject| reject["text"].as_str().unwrap()).collect();
        assert_eq!((texts[0], texts[2], texts[4]), ("[1]", "{\"path\": \"/half", "\0\0"));
        assert!(texts[1].starts_with("{\"password\": ") && !texts[1].contains("hunter2"), "{}", texts[1]);
    }
}

#[test]
fn the_summary_has_every_count() {
    let folder = folder_with(&[("x.log.1", &flawed()), ("x.log", b"{\"user_id\": 99999999999999999999}\n")]);
    let file = folder.path().join("summary.json");
    for limit in ["100%", "0"] {
        _ = std::fs::remove_file(&file);
        run(["event-counts", text(folder.path()), "--summary", text(&file), "--max-rejects", limit]);
        let summary: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let expected = [
            ("files", 2),
            ("lines", 21),
            ("events", 17),
            ("rejects", 3),
            ("blank", 1),
            ("ids_out_of_range", 1),
        ];
        for (key, count) in expected {
            assert_eq!(summary[key], count, "{key}");
        }
        assert_eq!(summary["bytes"], flawed().len() + 34);
        assert!(summary["seconds"].as_f64().unwrap() > 0.0);
        let reasons = summary["rejects_by_reason"].as_object().unwrap();
        assert_eq!(reasons.values().map(|count| count.as_u64().unwrap()).sum::<u64>(), 3);
        assert_eq!(
            (&reasons["not_an_object"], &reasons["syntax"], &reasons["truncated"]),
            (&1.into(), &1.into(), &1.into())
        );
    }
    // Of a packed file the bytes are those of the text.
    let logs = root().join("sample_logs");
    run(["event-counts", text(&logs), "--summary", text(&file)]);
    let summary: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let mut files: Vec<_> = std::fs::read_dir(logs).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| text(file).contains("user_activity"));
    assert_eq!(summary["bytes"], files.iter().map(|file| decompressed(file).len()).sum::<usize>());
    assert_eq!(summary["files"], files.len());
    // Where nothing was found, nothing was counted.
    run(["event-counts", "sample_logs/none*", "--allow-empty", "--summary", text(&file)]);
    let summary: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!((&summary["files"], &summary["lines"]), (&0.into(), &0.into()));
}

#[test]
fn one_empty_input_among_others_drops_none_of_them() {
    let folder = named(&["web1/x.log", "web2/README.md"]);
    let (web1, web2) = (folder.path().join("web1"), folder.path().join("web2"));
    let (paths, said) = read(&[text(&web1), text(&web2), "--allow-empty"]);
    assert_eq!(paths, ["web1/x.log"]);
    assert!(said.contains("no log file in"), "{said}");
    let lake = folder.path().join("lake");
    let ingest =
        |more: &[&str]| run([&["ingest", text(&web1), text(&web2), "--store", text(&lake)], more].concat());
    let first = ingest(&[]);
    assert_eq!(first.code, 1, "{}", first.stderr);
    assert!(
        first.stderr.contains("1 new event") && first.stderr.contains("no log file in"),
        "{}",
        first.stderr
    );
    let allowed = ingest(&["--allow-empty"]);
    assert_eq!(allowed.code, 0, "{}", allowed.stderr);
    assert!(allowed.stderr.contains("it holds 1 event of 1 day"), "{}", allowed.stderr);
}
