//! System logs: no message can hide its record, lines belong together however files are cut, every line is accounted for.

mod questions;

use crate::harness::{Random, folder_with, root, rows, run, shop, stdout, text};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;

/// A record as the shop pastes it together.
fn pasted(time: usize, level: &str, message: &str, module: &str) -> String {
    let (minute, second) = (time / 60 % 60, time % 60);
    let stamp = format!("2025-03-10T{:02}:{minute:02}:{second:02}.000001", time / 3600);
    format!(r#"{{"timestamp":"{stamp}", "level":"{level}", "message":"{message}", "module":"{module}"}}"#)
}

fn objects(output: &str) -> Vec<Value> {
    output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const RECORDS: &str =
    "SELECT level, module, message, detail, repaired FROM app_events ORDER BY epoch_us NULLS LAST";

/// What a log holds: its records, its accounting, its rejects.
struct Read {
    records: Vec<Value>,
    summary: Value,
    rejects: Vec<Value>,
}

fn read(inputs: &[&Path], options: &[&str]) -> Read {
    let folder = tempfile::tempdir().unwrap();
    let [summary, rejects] = ["summary.json", "rejects.ndjson"].map(|name| folder.path().join(name));
    let mut words = vec!["sql", RECORDS, "--format", "ndjson", "--max-rejects", "100%"];
    words.extend(["--summary", text(&summary), "--rejects", text(&rejects)]);
    words.extend(options);
    words.extend(inputs.iter().map(|path| text(path)));
    let output = run(&words);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let kept = |path| std::fs::read_to_string(path).unwrap();
    let (summary, rejects) = (serde_json::from_str(&kept(&summary)).unwrap(), objects(&kept(&rejects)));
    let read = Read { records: objects(&output.stdout), summary, rejects };
    let sum: u64 =
        ["events", "rejects", "blank", "joined"].iter().map(|key| read.summary[key].as_u64().unwrap()).sum();
    assert_eq!(read.summary["lines"], sum, "{}", read.summary);
    assert_eq!(read.summary["rejects"], read.rejects.len());
    read
}

fn read_text(log: impl AsRef<[u8]>) -> Read {
    read(&[&folder_with(&[("app.log", log.as_ref())]).path().join("app.log")], &[])
}

/// Level, message, module and detail of each record.
fn told(read: &Read) -> Vec<[String; 4]> {
    let cell = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let told = |record: &Value| ["level", "message", "module", "detail"].map(|key| cell(&record[key]));
    read.records.iter().map(told).collect()
}

/// How many lines ended as events, rejects, blank and joined, and why which were rejected.
fn counts(read: &Read) -> ([u64; 4], String) {
    let reason = |reject: &Value| format!("{} {}", reject["line"], reject["reason"].as_str().unwrap());
    let reasons: Vec<String> = read.rejects.iter().map(reason).collect();
    (
        ["events", "rejects", "blank", "joined"].map(|key| read.summary[key].as_u64().unwrap()),
        reasons.join(", "),
    )
}

#[test]
fn no_error_of_the_real_week_is_lost() {
    let Some(shop) = shop() else { return };
    let logs = shop.join("logs");
    let (mut lines, mut errors) = (0, 0);
    for entry in std::fs::read_dir(&logs).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("app") {
            let log = std::fs::read_to_string(path).unwrap();
            lines += log.lines().count();
            errors += log.lines().filter(|line| line.contains(r#""level":"ERROR""#)).count();
        }
    }
    let found = read(&[&logs], &[]);
    assert_eq!(counts(&found), ([lines as u64, 0, 0, 0], String::new()));
    assert_eq!(told(&found).iter().filter(|[level, ..]| level == "ERROR").count(), errors);
    assert_eq!(errors, 837);
    // 44 visitors asked for a page with quotes in its name: a line when they came, one when they were answered.
    assert_eq!(found.records.iter().filter(|record| record["repaired"] == true).count(), 88);
    let truth: Value =
        serde_json::from_str(&std::fs::read_to_string(shop.join("truth.json")).unwrap()).unwrap();
    let table = rows(&stdout(["app-errors", text(&logs), "--top", "0"]));
    for status in ["404", "500"] {
        let answered = table[1..].iter().filter(|row| {
            row[0].ends_with(&format!(" - {status}")) || row[0].ends_with(&format!(" - {status}\""))
        });
        let count: u64 = answered.map(|row| row[3].parse::<u64>().unwrap()).sum();
        assert_eq!(truth["status"][status], count, "{status}");
    }
    let count: usize = table[1..].iter().map(|row| row[3].parse::<usize>().unwrap()).sum();
    assert_eq!(count, errors);
}

#[test]
fn the_sample_logs_hold_what_the_generator_says() {
    let truth = std::fs::read_to_string(root().join("tests/golden/sample_truth.json")).unwrap();
    let truth: Value = serde_json::from_str::<Value>(&truth).unwrap()["system_log"].clone();
    let found = read(&[&root().join("sample_logs")], &[]);
    for (key, name) in [("lines", "lines"), ("events", "records"), ("joined", "joined")] {
        assert_eq!(found.summary[key], truth[name], "{key}");
    }
    let levels =
        rows(&stdout(["sql", "SELECT level, COUNT(*) AS n FROM app_events GROUP BY level", "sample_logs"]));
    let levels = levels[1..].iter().map(|row| (row[0].clone(), json!(row[1].parse::<u64>().unwrap())));
    assert_eq!(Value::Object(levels.collect()), truth["levels"]);
    // No page and no password of a message gets lost in another.
    assert!(told(&found).iter().all(|[_, message, module, _]| module != "-" && !message.contains("secret")));
}

/// What messages are made of.
const PIECES: &[&str] = &[
    "요청 종료: GET /products/12 - 404",
    "\"",
    "\\",
    "\\\"",
    "\n",
    "\r\n",
    "\n\n",
    "\t",
    " ",
    "{",
    "}",
    "{\"",
    "\"}",
    "', '",
    "\", \"module\":\"",
    "\", \"module\":\"x\"}",
    "\", \"module\":\"x\"}\n",
    "\", \"level\":\"INFO",
    "\", \"message\":\"",
    "\", \"x\":\"",
    "\\u0041",
    "\\ud800",
    "C:\\new\\table",
    "\u{2028}\u{feff}",
    "\nTraceback (most recent call last):\n  File \"/shop/a.py\", line 3, in f\n    x = {\"a\": 1}\n\nKeyError: 'a'",
];

fn message(random: &mut Random) -> String {
    (0..random.below(7)).map(|_| *random.pick(PIECES)).collect()
}

/// Files of these records, cut between them, some of them compressed, oldest first.
fn rotated(random: &mut Random, records: &[String]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let files = 1 + random.below(4);
    for file in 0..files {
        let part = &records[records.len() * file / files..records.len() * (file + 1) / files];
        let end = if random.below(2) == 0 { "\n" } else { "" };
        let bytes = part.join("\n") + if part.is_empty() { "" } else { end };
        let packed = random.below(2) == 0;
        let name = format!("app-2025-03-{:02}.log{}", 10 + file, if packed { ".gz" } else { "" });
        let out = std::fs::File::create(folder.path().join(name)).unwrap();
        let mut out: Box<dyn Write> = match packed {
            true => Box::new(flate2::write::GzEncoder::new(out, flate2::Compression::fast())),
            false => Box::new(out),
        };
        out.write_all(bytes.as_bytes()).unwrap();
    }
    folder
}

#[test]
fn whatever_is_pasted_into_the_template_comes_back() {
    let mut random = Random(7);
    for case in 0..24 {
        let (mut records, mut expected) = (Vec::new(), Vec::new());
        for time in 0..200 {
            let level = *random.pick(&["INFO", "ERROR", "warning", "CRITICAL"]);
            let module = *random.pick(&["app", "__init__", ""]);
            let mut said = message(&mut random);
            let mut record = pasted(time, level, &said, module);
            // What is good JSON by itself was perhaps meant as JSON.
            let meant = serde_json::from_str(&format!("\"{said}\""));
            let repaired = meant.is_err();
            said = meant.unwrap_or(said);
            if random.below(8) == 0 {
                let behind = "Traceback (most recent call last):\n  File \"b.py\", line 7\nValueError: \"}";
                record += &format!("\n{behind}");
                said += &format!("\n{behind}");
            }
            records.push(record);
            expected.push(([level.to_uppercase(), said, module.to_owned()], repaired));
        }
        let folder = rotated(&mut random, &records);
        let chunk = random.pick(&["1", "7", "64", "1000", "100000"]).to_string();
        let options = [
            "--chunk-bytes",
            &chunk,
            "--threads",
            ["1", "3"][random.below(2)],
            "--memory-limit",
            ["6", "1GB"][random.below(2)],
        ];
        let found = read(&[folder.path()], &options);
        assert_eq!(
            (found.summary["events"].as_u64(), &found.rejects),
            (Some(200), &Vec::new()),
            "case {case}"
        );
        let repaired = found.records.iter().map(|record| record["repaired"] == true);
        for ((record, repaired), expected) in told(&found).into_iter().zip(repaired).zip(expected) {
            let [level, message, module, _] = record;
            assert_eq!(([level, message, module], repaired), expected, "case {case} {options:?}");
        }
    }
}

#[test]
fn lines_that_belong_together_are_joined_and_the_others_counted() {
    let (a, b) = (pasted(1, "ERROR", "a", "m"), pasted(2, "INFO", "b \"c\"", "m"));
    let traceback = "Traceback (most recent call last):\n  File \"x\"\n\nValueError: 5\n";
    let event = |level: &str, message: &str, module: &str, detail: &str| {
        [level, message, module, detail].map(str::to_owned)
    };
    let (of_a, of_b) = (event("ERROR", "a", "m", "-"), event("INFO", "b \"c\"", "m", "-"));
    let traced =
        event("ERROR", &format!("a\n{}", traceback.trim_end().replace("\n\n", "\n")), "m", "ValueError: 5");
    let torn = |message: &str| event("ERROR", message, "-", if message.contains('\n') { "x" } else { "-" });
    let torn_line = r#"{"timestamp":"2025-03-10T00:00:01", "level":"ERROR", "message":"GET /"#;
    for (log, records, sums, reasons) in [
        (format!("{a}\n{b}\n"), vec![of_a.clone(), of_b.clone()], [2, 0, 0, 0], ""),
        (format!("\u{feff}{a}\r\n\r\n \n{b}"), vec![of_a.clone(), of_b.clone()], [2, 0, 2, 0], ""),
        (format!("{a}\n{traceback}\n{b}\n"), vec![traced.clone(), of_b.clone()], [2, 0, 2, 3], ""),
        (
            format!("{traceback}\n{b}"),
            vec![of_b.clone()],
            [1, 3, 2, 0],
            "1 not_an_object, 2 not_an_object, 4 not_an_object",
        ),
        (
            format!("{a}\n{}{b}", traceback.replace("\n\n", "\n    {\"q\": 1}\n")),
            vec![
                event(
                    "ERROR",
                    &format!("a\n{}", traceback.trim_end().replace("\n\n", "\n    {\"q\": 1}\n")),
                    "m",
                    "ValueError: 5",
                ),
                of_b.clone(),
            ],
            [2, 0, 0, 4],
            "",
        ),
        (
            format!("{a}\n  {{\"x\": 1}}\n{b}"),
            vec![of_a.clone(), of_b.clone()],
            [2, 1, 0, 0],
            "2 not_a_record",
        ),
        (format!("{torn_line}\n{b}\n"), vec![torn("GET /"), of_b.clone()], [2, 0, 0, 0], ""),
        (format!("{b}\n{torn_line}\nx\n"), vec![torn("GET /\nx"), of_b.clone()], [2, 0, 0, 1], ""),
        (
            format!("{a}\n{{\"timestamp\":\"2025-03-10T00:00:02\", \"lev"),
            vec![of_a.clone()],
            [1, 1, 0, 0],
            "2 truncated",
        ),
        (format!("{a}\n{{\"ti\n{b}\n"), vec![of_a.clone(), of_b.clone()], [2, 1, 0, 0], "2 truncated"),
        (
            format!("{{\"x\": 1}}\n{a}\n{{\"timestamp\": \"t\", \"event_type\": \"view\"}}\nx\n"),
            vec![of_a.clone()],
            [1, 3, 0, 0],
            "1 not_a_record, 3 not_a_record, 4 not_an_object",
        ),
        (format!("{a}\n{{\"x\": 1}}\n{b}"), vec![of_a.clone(), of_b.clone()], [2, 1, 0, 0], "2 not_a_record"),
        (
            format!("{{oops\n{{\"timestamp\":oops\n{a}"),
            vec![of_a.clone()],
            [1, 2, 0, 0],
            "1 syntax, 2 syntax",
        ),
        (format!("{a}\n\0\0\0\n\0\0{b}\n"), vec![of_a.clone(), of_b.clone()], [2, 1, 0, 0], "2 nul_bytes"),
    ] {
        let found = read_text(&log);
        assert_eq!((told(&found), counts(&found)), (records, (sums, reasons.to_owned())), "{log}");
    }
}

#[test]
fn text_that_is_not_utf8_is_kept_where_the_template_holds_it() {
    let record = pasted(1, "ERROR", "X", "m").into_bytes();
    let bad = |line: &[u8]| {
        line.iter()
            .flat_map(|&byte| if byte == b'X' { vec![0xff, b'y'] } else { vec![byte] })
            .collect::<Vec<u8>>()
    };
    let found =
        read_text([bad(&record), b"\n  line X\n".to_vec(), bad(b"  line X\n"), b"end\n".to_vec()].concat());
    assert_eq!(told(&found), [["ERROR", "\u{fffd}y\n  line X\nend", "m", "end"]]);
    assert_eq!(
        (found.records[0]["repaired"].as_bool(), counts(&found)),
        (Some(true), ([1, 1, 0, 2], "3 not_utf8".into()))
    );
    // Within a message that goes on, there is no knowing that the line is not the shop's.
    let open = pasted(1, "ERROR", "a\nX\nb", "m").into_bytes();
    assert_eq!(told(&read_text(bad(&open))), [["ERROR", "a\n\u{fffd}y\nb", "m", "b"]]);
    assert_eq!(counts(&read_text(bad(b"X\n"))), ([0, 1, 0, 0], "1 not_utf8".into()));
}

#[test]
fn wrapped_lines_are_unwrapped_and_pieces_put_together() {
    let record = pasted(1, "ERROR", "a \"b\"\tc\td", "m");
    let (first, second) = record.split_at(70);
    let docker = |text: &str| {
        json!({"log": text, "stream": "stderr", "time": "2025-03-10T00:00:01Z"}).to_string() + "\n"
    };
    let cri = |tag: &str, text: &str| format!("2025-03-10T00:00:01.1Z stderr {tag} {text}\n");
    for (log, joined) in [
        (format!("2025-03-10T00:00:01+09:00\tshop.app\t{record}\n7\tx\ty\nValueError: z\n"), 2),
        (cri("F", &record) + &cri("F", "7\tx\ty") + &cri("F", "ValueError: z"), 2),
        (cri("P", first) + &cri("F", second) + &cri("F", "7\tx\ty") + &cri("F", "ValueError: z"), 3),
        (docker(&format!("{record}\n")) + &docker("7\tx\ty\n") + &docker("ValueError: z\n"), 2),
        // Lines behind the record's end may have been cut, too.
        (
            cri("F", &record)
                + &cri("P", "7\tx")
                + &cri("F", "\ty")
                + &cri("P", "Value")
                + &cri("F", "Error: z"),
            4,
        ),
        (docker(&format!("{record}\n")) + &docker("7\tx\ty\n") + &docker("Value") + &docker("Error: z\n"), 3),
        (
            docker(first) + &docker(&format!("{second}\n")) + &docker("7\tx\ty\n") + &docker("ValueError: z"),
            3,
        ),
    ] {
        let found = read_text(&log);
        let expected = ["ERROR", "a \"b\"\tc\td\n7\tx\ty\nValueError: z", "m", "ValueError: z"];
        assert_eq!(
            (told(&found), counts(&found)),
            (vec![expected.map(str::to_owned)], ([1, 0, 0, joined], String::new())),
            "{log}"
        );
    }
}

#[test]
fn nothing_of_one_file_is_in_the_next() {
    let torn = r#"{"timestamp":"2025-03-10T00:00:01", "level":"ERROR", "message":"GET /"#;
    let next = format!("end\", \"module\":\"m\"}}\n{}\n", pasted(2, "INFO", "b", "m"));
    let folder = folder_with(&[("app.log.1", torn.as_bytes()), ("app.log", next.as_bytes())]);
    for threads in ["1", "2"] {
        let found = read(&[folder.path()], &["--threads", threads]);
        assert_eq!(told(&found), [["ERROR", "GET /", "-", "-"], ["INFO", "b", "m", "-"]]);
        assert_eq!(found.rejects[0]["file"], text(&folder.path().join("app.log")));
        assert_eq!(counts(&found), ([2, 1, 0, 0], "1 not_an_object".into()));
    }
}

#[test]
fn the_verdict_depends_on_the_lines_alone() {
    let mut random = Random(23);
    let pieces: Vec<Vec<u8>> = PIECES
        .iter()
        .map(|piece| piece.as_bytes().to_vec())
        .chain([
            pasted(3, "ERROR", "a", "m").into_bytes(),
            b"\n{\"timestamp\":\"2025-03-10T00:00:07\", \"level\":\"ERROR\", ".to_vec(),
            b"\n{\"level\": \"INFO\", \"message\": \"x\"}\n".to_vec(),
            b"\n{\"x\": 1}\n".to_vec(),
            b"\n{\"log\":\"".to_vec(),
            b"\n2025-03-10T00:00:01.1Z stderr P ".to_vec(),
            b"\n1\t2\t{".to_vec(),
            b"\n\0".to_vec(),
            b"\xff".to_vec(),
            b"\xef\xbb\xbf".to_vec(),
        ])
        .collect();
    for case in 0..24 {
        let log: Vec<u8> = (0..400).flat_map(|_| random.pick(&pieces).clone()).collect();
        let folder = folder_with(&[("app.log", &log)]);
        let limit = random.pick(&["300", "100000"]).to_string();
        let of = |more: &[&str]| {
            let mut found = read(&[folder.path()], &[&["--max-line-bytes", &limit], more].concat());
            found.summary.as_object_mut().unwrap().remove("seconds");
            // In temporary files, rows at one time have no order.
            let mut records: Vec<String> = found.records.iter().map(Value::to_string).collect();
            records.sort();
            (records, found.summary, found.rejects)
        };
        let expected = of(&[]);
        for chunk in ["1", "100", "5000"] {
            assert_eq!(of(&["--chunk-bytes", chunk]), expected, "case {case}, {chunk}");
        }
        assert_eq!(of(&["--memory-limit", "6"]), expected, "case {case}");
        // What was cut out of a JSON object that was too long is all that may be missing.
        let heads = log
            .split(|&byte| byte == b'\n')
            .filter(|line| line.starts_with(b"{\"timestamp\":\"2025-03-10T00:00:07\""))
            .count();
        let errors = expected.0.iter().filter(|record| record.contains("\"level\":\"ERROR\"")).count();
        assert!(errors >= heads, "case {case}: {errors} of {heads}");
    }
}

#[test]
fn a_record_is_bounded() {
    let long = pasted(1, "ERROR", &"x".repeat(5000), "m");
    let lines = pasted(2, "ERROR", &"x\n".repeat(3000), "m");
    let folder = folder_with(&[(
        "app.log",
        format!("{}\n{long}\n{lines}\n{}", "y".repeat(5000), pasted(3, "INFO", "b", "m")).as_bytes(),
    )]);
    let found = read(&[folder.path()], &["--max-line-bytes", "1000"]);
    let told = told(&found);
    assert_eq!(told.iter().map(|[level, ..]| level.as_str()).collect::<Vec<_>>(), ["ERROR", "ERROR", "INFO"]);
    assert!(told.iter().all(|[_, message, ..]| message.len() <= 1000));
    assert_eq!(found.summary["rejects_by_reason"]["too_long"], 1);
}
