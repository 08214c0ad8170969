//! Lines read together against each line alone.

use super::super::builder::RowSettings;
use super::super::column::NULL;
use super::super::rows::Cells;
use super::super::wanted::Wanted;
use super::*;

/// What becomes of these lines, read as one chunk.
fn read(lines: &[u8], range: Option<Range<i64>>) -> (Tally, Vec<Vec<String>>) {
    let rows = RowSettings {
        wanted: Wanted::all(),
        range,
        zone: chrono_tz::UTC,
        redaction: super::super::redact::Redaction::new(&[], false),
        client_names: true,
    };
    let settings = Settings {
        rows,
        threads: 1,
        chunk_bytes: 1 << 20,
        max_line_bytes: 1 << 20,
        keep_all_rejects: false,
        kernel: Kernel::best(),
        row_bytes: None,
        number_files: false,
    };
    let mut reader = LineReader::new(&settings);
    let info = crate::input::Chunk { offset: 0, discarded: 0, overlong: false, grows: true };
    let Chunk { tally, rows, .. } = reader.chunk(&mut lines.to_vec(), &info);
    let dictionaries = reader.into_dictionaries();
    let columns: Vec<Vec<String>> = (rows.cells.iter().zip(&dictionaries))
        .map(|(cells, dictionary)| match cells {
            Cells::Bigint(values) | Cells::Timestamp(values) => {
                values.iter().map(|value| format!("{value:?}")).collect()
            }
            Cells::Double(values) => values.iter().map(|value| format!("{value:?}")).collect(),
            Cells::Boolean(values) => values.iter().map(|value| format!("{value:?}")).collect(),
            Cells::Text(codes) => codes
                .iter()
                .map(|&code| format!("{:?}", (code != NULL).then(|| dictionary.text(code))))
                .collect(),
        })
        .collect();
    let row = |row: usize| columns.iter().map(|column| column[row].clone()).collect();
    (tally, (0..rows.count).map(row).collect())
}

/// Lines of many kinds in some order.
fn lines(mut state: u64, count: usize) -> Vec<String> {
    let mut below = |end: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % end
    };
    let values = [
        "null",
        "true",
        "7",
        "\"7\"",
        "12345678",
        "123456789",
        "99999999999999999999",
        "0.25",
        "-3",
        "1e3",
        "\"text\"",
        "\"\"",
        "\"as long as a text may be\"",
        "\"longer than texts that are remembered\"",
        "\"\\u00e9\\n\"",
        "{\"q\": \"a\"}",
        "[]",
        "\"2025-03-10T00:00:05.25\"",
        "\"page_dwell\"",
        "\"2fb79e0d9a3195d29593879ebe4452e9\"",
        "\"Mozilla/5.0 (one; 1)\"",
        "\"Mozilla/5.0 (two; 2)\"",
        "\"Mozilla/5.0 (bot; 3)\"",
        "\".eJxx.Z.s\"",
    ];
    let keys = [
        "event_type",
        "user_id",
        "entity_id",
        "product_id",
        "session_id",
        "ip_address",
        "user_agent",
        "args",
        "response_status",
        "process_time",
        "method",
        "path",
        "message",
    ];
    (0..count)
        .map(|_| {
            let mut line = format!("{{\"timestamp\": \"2025-03-10T00:00:0{}.123456\"", below(10));
            for key in keys {
                if below(3) > 0 {
                    line += &format!(", \"{key}\": {}", values[below(values.len())]);
                }
            }
            line.push('}');
            match below(12) {
                0 => line.truncate(below(line.len())),
                1 => line = serde_json::json!({"log": line + "\n", "stream": "stdout"}).to_string(),
                2 => line = format!("2025-03-10T00:00:00Z stdout F {line}"),
                3 => line = ["", " ", "{}", "{\"log\":\"{", "nothing"][below(5)].to_owned(),
                _ => {}
            }
            line + "\n"
        })
        .collect()
}

#[test]
fn lines_read_together_say_what_each_says_alone() {
    for (seed, range) in
        (0..60).zip([None, Some(1_741_564_802_000_000..1_741_564_807_000_000)].iter().cycle())
    {
        let lines = lines(seed, 3 * seed as usize);
        let (mut tally, mut rows) = (Tally::default(), Vec::new());
        for line in &lines {
            let (alone, row) = read(line.as_bytes(), range.clone());
            tally.add(&alone);
            rows.extend(row);
        }
        assert_eq!(read(lines.concat().as_bytes(), range.clone()), (tally, rows), "{seed}");
    }
}

#[test]
fn a_last_line_that_is_none_yet_takes_nothing_from_those_before() {
    for count in 1..70 {
        let lines = lines(count as u64, count).concat();
        let (tally, rows) = read(lines.as_bytes(), None);
        for more in ["{\"event_type\": ", "{\"log\":\"none\",\"stream\":\"\"}"] {
            let waiting = more.len() as u64;
            let expected = (Tally { waiting, ..tally.clone() }, rows.clone());
            assert_eq!(read((lines.clone() + more).as_bytes(), None), expected, "{count} {more}");
        }
    }
}

#[test]
fn each_value_of_a_wrong_type_is_counted_and_ids_out_of_range_are_by_themselves() {
    let line = br#"{"timestamp": 3, "event_type": true, "user_id": "x", "process_time": "1", "args": 3, "session_id": 5}"#;
    assert_eq!(read(line, None).0.wrong_types, 6);
    let line =
        br#"{"user_id": 99999999999999999999, "entity_id": 1.5, "product_id": null, "session_id": ".eJxx"}"#;
    let (tally, _) = read(line, None);
    assert_eq!((tally.wrong_types, tally.ids_out_of_range), (1, 1));
}
