//! Traps inside a line: ids, types, keys, times, event types, and text made to hurt whoever opens the result.

use super::{ask, ask_with, event};
use crate::harness::{folder_with, rows, run, stdout, summary, text};
use serde_json::Value;

/// A file with an event for each value under `key`, the values as JSON.
fn with_values(key: &str, values: &[&str]) -> String {
    values.iter().map(|value| event(&format!("\"{key}\": {value}"))).collect()
}

#[test]
fn ids_are_integers_or_strings_of_digits_and_nothing_else() {
    let cases = [
        ("12", "12"),
        ("\"12\"", "12"),
        ("\"007\"", "7"),
        ("-3", "-3"),
        ("12.0", "12"),
        ("9223372036854775807", "9223372036854775807"),
        ("\"-9223372036854775808\"", "-9223372036854775808"),
        ("\"12abc\"", ""),
        ("\"\"", ""),
        ("\" 7\"", ""),
        ("\"7 \"", ""),
        ("\"+7\"", ""),
        ("\"1e3\"", ""),
        ("\"7.0\"", ""),
        ("\"\u{ff17}\"", ""),
        ("12.5", ""),
        ("true", ""),
        ("[7]", ""),
        ("null", ""),
    ];
    let (values, expected): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    for key in ["entity_id", "product_id", "user_id"] {
        let log = with_values(key, &values);
        assert_eq!(ask(&format!("SELECT {key} FROM events"), &log), expected, "{key}");
        let folder = folder_with(&[("user_activity.log", log.as_bytes())]);
        assert_eq!(summary(folder.path())["ids_out_of_range"], 0);
    }
}

#[test]
fn an_id_beyond_64_bits_is_null_in_a_counted_event() {
    let values = [
        "99999999999999999999",
        "9223372036854775808",
        "-9223372036854775809",
        "\"99999999999999999999\"",
        "1234567890123456789012345678901234567890",
    ];
    let mut log = String::new();
    for key in ["entity_id", "product_id", "user_id"] {
        log += &with_values(key, &values);
    }
    let ids = "SELECT COUNT(*) AS n, COUNT(entity_id) AS e, COUNT(product_id) AS p, COUNT(user_id) AS u FROM events";
    assert_eq!(ask(ids, &log), ["15,0,0,0"]);
    let folder = folder_with(&[("user_activity.log", log.as_bytes())]);
    // Counted by a report that reads no ids, too, and said in words.
    let account = summary(folder.path());
    assert_eq!((&account["events"], &account["ids_out_of_range"]), (&15.into(), &15.into()));
    let output = run(["event-counts", text(folder.path())]);
    assert!(output.stderr.contains("15 ids out of range"), "{}", output.stderr);
    let quality = rows(&stdout(["quality", text(folder.path())]));
    let at = quality[0].iter().position(|name| name == "ids_out_of_range").unwrap();
    assert_eq!(quality[1][at], "15");
    // Nobody looked at a product that has no number.
    let view =
        event("\"entity_type\": \"product\", \"entity_id\": 99999999999999999999, \"response_status\": 500");
    let folder = folder_with(&[("user_activity.log", view.as_bytes())]);
    assert_eq!(stdout(["product-views", text(folder.path())]).lines().count(), 1);
}

#[test]
fn a_value_of_a_wrong_type_is_null_and_counted_and_its_line_an_event() {
    let log = event(
        "\"path\": 7, \"response_status\": \"many\", \"process_time\": \"0.1\", \"is_new_item\": 1, \"args\": []",
    );
    let query = "SELECT path, response_status, process_time, is_new_item, args, event_type FROM events";
    assert_eq!(ask(query, &log), [",,,,,view"]);
    let folder = folder_with(&[("user_activity.log", log.as_bytes())]);
    let output = run(["sql", query, text(folder.path())]);
    assert!(output.stderr.contains("5 values of a wrong type"), "{}", output.stderr);
}

#[test]
fn of_two_equal_keys_the_last_wins_and_nested_ones_are_others() {
    let log = [
        r#"{"event_type": "view", "user_id": 1, "event_type": "search", "user_id": 2}"#,
        r#"{"event_type": "view", "event\u005ftype": "search", "user_id": 1, "\u0075ser_id": 2}"#,
        r#"{"event\u005Ftype": "view", "event_type": "search", "user_id": 2}"#,
        r#"{"args": {"event_type": "x", "user_id": 9}, "event_type": "search", "user_id": 2, "form": [{"event_type": "y"}]}"#,
        r#"{"event_type": "search", "user_id": 2, "args": {"a": "}\"{\"event_type\": \"x\"", "b": [[{"user_id": 9}]]}}"#,
        // The last one wins, be it null or of a wrong type.
        r#"{"event_type": "search", "user_id": 2, "path": "/x", "path": null}"#,
        r#"{"event_type": "search", "user_id": 2, "path": "/x", "path": 7}"#,
        // Neither case nor space makes the same key.
        r#"{"event_type": "search", "user_id": 2, "Event_Type": "x", " event_type": "y", "event_type ": "z", "": 1}"#,
    ];
    assert_eq!(ask("SELECT event_type, user_id, path FROM events", log.join("\n")), ["search,2,"; 8]);
}

#[test]
fn unknown_event_types_and_none_are_kept_and_counted() {
    let lines = [
        r#"{"timestamp": "2025-03-12T10:00:00", "event": "app_start", "message": "up"}"#,
        r#"{"event_type": "wishlist_add"}"#,
        r#"{"event_type": null}"#,
        r#"{"event_type": 7}"#,
        r#"{"event_type": ""}"#,
        // A shop may write the very words that stand for none: one row, for two could not be told apart.
        r#"{"event_type": "(none)"}"#,
        r#"{"event_type": "찜"}"#,
        r#"{"event_type": "\ucc1c"}"#,
        r#"{}"#,
    ];
    let folder = folder_with(&[("user_activity.log", lines.join("\n").as_bytes())]);
    let counts = stdout(["event-counts", text(folder.path())]);
    let (none, rest) = counts.split_once("(none),5,5,2025-03-12T10:00:00,2025-03-12T10:00:00\n").unwrap();
    assert_eq!(none.lines().count(), 1, "{counts}");
    assert_eq!(rest, "찜,2,2,,\n\"\",1,1,,\nwishlist_add,1,1,,\n");
}

#[test]
fn timestamps_in_every_form_are_the_shops_wall_clock() {
    let noon = [
        "2025-03-12T12:00:00",
        "2025-03-12T12:00:00.000",
        "2025-03-12T12:00:00.000000",
        "2025-03-12T12:00:00+09:00",
        "2025-03-12T03:00:00Z",
        "2025-03-12T03:00:00.000Z",
        "2025-03-11T22:00:00.000000-05:00",
        "2025-03-12T12:00:00.000+0900",
        "2025-03-12 12:00:00",
    ];
    let log: String = noon.iter().map(|time| event(&format!("\"timestamp\": \"{time}\""))).collect();
    assert_eq!(ask("SELECT timestamp FROM events", &log), ["2025-03-12T12:00:00"; 9]);
    let hours: Vec<_> = ask_with(&["--tz", "Europe/Berlin"], "SELECT event_hour FROM events", &log);
    assert_eq!(hours, ["12", "12", "12", "4", "4", "4", "4", "4", "12"]);
    let fractions = ["12:00:00.1", "12:00:00.123", "12:00:00.123456", "12:00:00.123456789"];
    let log: String =
        fractions.iter().map(|time| event(&format!("\"timestamp\": \"2025-03-12T{time}\""))).collect();
    let times = ["12:00:00.100000", "12:00:00.123000", "12:00:00.123456", "12:00:00.123456"];
    assert_eq!(ask("SELECT timestamp FROM events", log), times.map(|time| format!("2025-03-12T{time}")));
    // No time at all: an event still, but of no hour.
    let bad = ["\"\"", "\"yesterday\"", "\"2025-02-30T12:00:00\"", "1741748400", "null", "\"2025-03-12\""];
    let log: String = bad.iter().map(|time| event(&format!("\"timestamp\": {time}"))).collect();
    assert_eq!(ask("SELECT timestamp, event_date, event_hour, weekday FROM events", &log), [",,,"; 6]);
    let folder = folder_with(&[("user_activity.log", log.as_bytes())]);
    assert_eq!(stdout(["hourly-activity", text(folder.path())]), "date,hour,lines,actions\n,,6,6\n");
}

#[test]
fn the_week_begins_on_monday() {
    let log: String =
        (10..=16).map(|day| event(&format!("\"timestamp\": \"2025-03-{day}T23:59:59.999999\""))).collect();
    let days: Vec<String> = (1..=7).map(|day| format!("2025-03-{},{day},23", day + 9)).collect();
    assert_eq!(ask("SELECT event_date, weekday, event_hour FROM events", log), days);
}

#[test]
fn kinds_are_told_by_status_method_and_type() {
    let cases = [
        (r#""response_status": 200"#, "request"),
        (r#""method": "GET""#, "request"),
        (r#""method": null, "response_status": null"#, "action"),
        (r#""event_type": "search", "search_query": "x""#, "action"),
        (r#""event_type": "server_dwell_time""#, "telemetry"),
        (r#""event_type": "page_dwell", "method": "POST""#, "telemetry"),
        (r#""event_type": "click\u005fevent""#, "telemetry"),
        (r#""event_type": "page_dwell", "method": "POST", "response_status": 204"#, "request"),
        (r#""event_type": null, "event": "app_start""#, "action"),
    ];
    let log: String = cases.iter().map(|(fields, _)| event(fields)).collect();
    assert_eq!(ask("SELECT kind FROM events", log), cases.map(|(_, kind)| kind));
}

#[test]
fn products_and_pages() {
    let products = [
        (r#""entity_type": "product", "entity_id": 5"#, "5"),
        (r#""entity_type": "product", "entity_id": "5", "product_id": 6"#, "5"),
        (r#""entity_type": "product", "entity_id": "x", "product_id": "6""#, ""),
        (r#""entity_type": "category", "entity_id": 5"#, ""),
        (r#""entity_type": null, "entity_id": 5, "product_id": 6"#, "6"),
        (r#""product_id": "7""#, "7"),
    ];
    let log: String = products.iter().map(|(fields, _)| event(fields)).collect();
    assert_eq!(ask("SELECT product FROM events", log), products.map(|(_, product)| product));
    let pages = [
        (r#""path": "/products/17""#, "/products/{id}"),
        (r#""path": "/orders/3/confirmation?x=4#y""#, "/orders/{id}/confirmation"),
        (r#""path": "/products/1e1""#, "/products/1e1"),
        (r#""previous_path": "/products/17", "current_path": "/cart""#, "/products/{id}"),
        (r#""path": null"#, ""),
    ];
    let log: String = pages.iter().map(|(fields, _)| event(fields)).collect();
    assert_eq!(ask("SELECT page FROM events", log), pages.map(|(_, page)| page));
}

/// Search terms as JSON writes them.
const HOSTILE: [&str; 20] = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\\t=1",
    "\\r=1",
    "<script>alert(1)</script>",
    "\\u001b[2J\\u001b]0;title\\u0007",
    "\\u009b31m",
    "\\u007f\\b\\f",
    "\\u202egnp.exe",
    "\\u200f\\u2066\\u061c",
    "a\\u0000b",
    "\\ud800",
    "\\udc00\\ud800",
    "a | b \\\\",
    "[x](javascript:1) `a` *b*",
    "two\\nlines",
    "\\\"quoted\\\", and, commas",
    "' already",
];

/// The terms themselves; U+FFFD stands for what is no character.
fn hostile_terms() -> Vec<String> {
    let surrogates = |term: &str| term.replace("\\ud800", "\u{fffd}").replace("\\udc00", "\u{fffd}");
    HOSTILE.iter().map(|term| serde_json::from_str(&format!("\"{}\"", surrogates(term))).unwrap()).collect()
}

fn terms_as(format: &str) -> String {
    let log: String = HOSTILE.iter().map(|term| event(&format!("\"search_query\": \"{term}\""))).collect();
    let folder = folder_with(&[("user_activity.log", log.as_bytes())]);
    stdout(["sql", "SELECT search_query FROM events", text(folder.path()), "--format", format])
}

/// Characters that a terminal obeys or that turn the direction of text.
fn is_harmful(c: char) -> bool {
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && c != '\n')
}

#[test]
fn hostile_text_is_harmless_where_people_read_it() {
    for format in ["table", "markdown"] {
        let shown = terms_as(format);
        assert!(!shown.contains(is_harmful), "{format}: {shown:?}");
        for words in ["=1+1", "u{1b}", "u{202e}gnp.exe", "u{0}b", "two"] {
            assert!(shown.contains(words), "{format} shows {words}: {shown}");
        }
    }
    let markdown = terms_as("markdown");
    let table: Vec<&str> = markdown.lines().take_while(|line| line.starts_with('|')).collect();
    assert_eq!(table.len(), 2 + HOSTILE.len(), "a row a term");
    for row in table {
        let cells = row.replace("\\\\", "").replace("\\|", "").matches('|').count();
        assert_eq!(cells, 2, "{row}");
        // What stands behind an @ so that it calls nobody.
        let row = row.replace("@<!-- -->", "@");
        assert!(
            !row.contains(['<', '>']) && !row.replace("\\\\", "").replace("\\[", "").contains('['),
            "{row}"
        );
    }
}

/// The cells of a CSV of one column.
fn cells(csv: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    for part in csv.split_inclusive(['"', '\n']) {
        let (text, end) = part.split_at(part.len() - 1);
        cells.last_mut().unwrap().push_str(text);
        match end {
            "\"" => quoted = !quoted,
            _ if quoted => cells.last_mut().unwrap().push_str(end),
            _ => cells.push(String::new()),
        }
    }
    cells[1..cells.len() - 1].to_vec()
}

#[test]
fn hostile_text_is_no_formula_in_a_spreadsheet() {
    let csv = terms_as("csv");
    // A quote inside quotes is written twice; none of these terms begins or ends the cell with one of its own.
    let found = cells(&csv.replace("\"\"", "\u{1}"));
    assert_eq!(found.len(), HOSTILE.len(), "{csv:?}");
    for (cell, term) in found.iter().zip(hostile_terms()) {
        let neutral =
            if term.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{term}") } else { term };
        assert_eq!(cell.replace('\u{1}', "\""), neutral);
    }
    let tsv = terms_as("tsv");
    assert_eq!(tsv.lines().count(), 1 + HOSTILE.len());
    assert!(!tsv.lines().any(|cell| cell.starts_with(['=', '+', '-', '@', '\t', '\r'])), "{tsv:?}");
}

#[test]
fn hostile_text_is_itself_in_json() {
    let json = terms_as("json");
    assert!(!json.contains(|c: char| c < ' ' && c != '\n'), "{json:?}");
    let rows: Vec<Value> = serde_json::from_str(&json).unwrap();
    let terms: Vec<&str> = rows.iter().map(|row| row["search_query"].as_str().unwrap()).collect();
    assert_eq!(terms, hostile_terms());
    let lines = terms_as("ndjson");
    assert!(lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).eq(rows));
}

#[test]
fn hostile_text_is_harmless_in_an_error_message() {
    let folder = folder_with(&[("user_activity.log", "\u{1b}[2J\u{202e} no JSON\n".as_bytes())]);
    let output = run(["event-counts", text(folder.path())]);
    assert_eq!(output.code, 3);
    assert!(!output.stderr.contains(is_harmful), "{:?}", output.stderr);
    assert!(output.stderr.contains("\\u{1b}[2J"), "{}", output.stderr);
}

#[test]
fn a_session_that_is_no_text_is_of_a_wrong_type() {
    let lines = [
        r#"{"event_type": "view", "session_id": 5}"#,
        r#"{"event_type": "view", "session_id": {"a": 1}}"#,
        r#"{"event_type": "view", "session_id": null}"#,
        r#"{"event_type": "view", "session_id": ""}"#,
        r#"{"event_type": "view", "session_id": ".eJxNy"}"#,
    ];
    let folder = folder_with(&[("user_activity.log", lines.join("\n").as_bytes())]);
    let output = run(["sql", "SELECT session_id FROM events", text(folder.path())]);
    assert!(output.stderr.contains("2 values of a wrong type"), "{}", output.stderr);
}

#[test]
fn a_variable_that_is_set_to_nothing_is_not_set() {
    for name in ["LOGANALYZE_TZ", "LOGANALYZE_MEMORY_LIMIT"] {
        let output =
            crate::harness::program().args(["event-counts", "sample_logs"]).env(name, "").output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let folder = folder_with(&[("user_activity.log", b"{\"event_type\": \"view\"}\n")]);
    let lake = folder.path().join("lake");
    let made = run(["ingest", text(folder.path()), "--store", text(&lake), "--tz", "America/New_York"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    // Nor does it keep from the zone that a store or a configuration has, whatever it is set to.
    let config = folder.path().join("loganalyze.toml");
    let paths =
        ["inputs", "store", "out"].map(|key| format!("{key} = '{}'\n", text(&folder.path().join(key))));
    std::fs::write(&config, paths.concat() + "tz = 'America/New_York'\n").unwrap();
    for (zone, words) in [
        ("", &["event-counts", "--store", text(&lake)][..]),
        ("Asia/Seoul", &["event-counts", "--store", text(&lake)]),
        ("", &["config", "show", "--config", text(&config)]),
        ("", &["init", text(&lake)]),
    ] {
        let output = crate::harness::program().args(words).env("LOGANALYZE_TZ", zone).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(words[0] != "config" || said.contains("America/New_York"), "{said}");
    }
}
