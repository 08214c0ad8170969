//! Traps around who did what: every form of cookie and id, first requests, log-outs, paired lines, sessions.

use super::{ask, event};
use crate::harness::{folder_with, rows, stdout, text};
use std::io::Write;

const ID: &str = "0b1c1446665d73bfb000a5b3d4726cae";

fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        out.extend((0..=chunk.len()).map(|at| char::from(DIGITS[(bits >> (18 - 6 * at) & 63) as usize])));
    }
    out
}

fn zlib(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// What Flask keeps of a visitor after a page.
fn payload(id: &str, page: &str) -> String {
    format!(
        r#"{{"_fresh":false,"_user_id":"7","last_page":"{page}","last_page_time":"2025-03-12T16:22:29.513105","session_id":"{id}"}}"#
    )
}

const TAIL: &str = ".Z9E2lQ.IL4CGw55xEqI2Ec_7R0u7KaHqaU";

fn compressed(payload: &str) -> String {
    format!(".{}{TAIL}", base64url(&zlib(payload)))
}

/// An event of one client at a time of 2025-03-12, with this session id.
fn at(time: &str, session: &str, fields: &str) -> String {
    let fields = if fields.is_empty() { String::new() } else { format!(", {fields}") };
    event(&format!(
        r#""timestamp": "2025-03-12T{time}", "session_id": "{session}", "ip_address": "10.0.0.1", "user_agent": "Unknown"{fields}"#
    ))
}

/// The visitors of these lines, as numbers in the order in which they come.
fn visitors(log: &str) -> Vec<usize> {
    numbered(&ask("SELECT visitor_id FROM events", log))
}

fn numbered(names: &[String]) -> Vec<usize> {
    let mut seen: Vec<&String> = Vec::new();
    let mut number = |name| {
        seen.iter().position(|known| *known == name).unwrap_or_else(|| {
            seen.push(name);
            seen.len() - 1
        })
    };
    names.iter().map(&mut number).collect()
}

#[test]
fn a_cookie_in_every_form_is_the_id_inside() {
    let (one, two) =
        (compressed(&payload(ID, "/cart")), compressed(&payload(ID, "/products/1?x=\\\"session_id\\\"")));
    let plain = base64url(payload(ID, "/").as_bytes());
    let forms = [
        ID.to_owned(),
        one.clone(),
        two,
        one.strip_suffix(TAIL).unwrap().to_owned(),
        plain.clone(),
        plain + TAIL,
        base64url(payload(ID, "/").replace(':', ": ").as_bytes()),
    ];
    let log: String = forms.iter().map(|session| event(&format!("\"session_id\": \"{session}\""))).collect();
    let hashes = ask("SELECT session_id FROM events", &log);
    assert_eq!(numbered(&hashes), [0; 7]);
    // A short hash of the id; neither the id nor anything of a cookie.
    assert_eq!(hashes[0].len(), 12);
    let all = ask("SELECT * FROM events", &log).concat();
    assert!(!all.contains(&ID[..12]) && !all.contains(&one[1..13]) && !all.contains("Z9E2lQ"), "{all}");
}

#[test]
fn a_cookie_that_names_nobody_is_null_and_its_client_a_visitor() {
    let good = compressed(&payload(ID, "/cart"));
    let forms = [
        ".".to_owned(),
        ".!!!".to_owned(),
        format!("{}{TAIL}", &good[..12]),
        compressed(r#"{"_fresh":false,"last_page":"/"}"#),
        compressed(r#"{"last_page":"/?\"session_id\":\"x\""}"#),
        base64url(br#"{"_fresh":false}"#) + TAIL,
        compressed(&payload("", "/")),
        String::new(),
    ];
    let log: String = forms.iter().map(|session| at("10:00:00", session, "")).collect();
    assert_eq!(ask("SELECT session_id FROM events", &log), [""; 8]);
    assert_eq!(visitors(&log), [0; 8]);
    let nobody = event("\"session_id\": null") + &event("\"path\": \"/\"") + &event("\"session_id\": 7");
    assert_eq!(ask("SELECT visitor_id, session_id FROM events", nobody), [","; 3]);
    // What was cut off behind the id still shows it.
    let long = payload(ID, "/")
        .replace('}', &format!(",\"z\":\"{}\"}}", (0..500).map(|n| format!("{n} ")).collect::<String>()));
    let cookie = compressed(&long);
    let log = at("10:00:00", &cookie[..cookie.len() / 2], "") + &at("10:00:00", ID, "");
    assert_eq!(visitors(&log), [0, 0]);
}

#[test]
fn a_first_request_belongs_to_the_next_id_of_its_client_or_else_to_the_last() {
    for first in ["no_session", "unknown"] {
        // The next within 30 minutes, though the last is nearer.
        assert_eq!(
            visitors(&(at("10:00:00", "a", "") + &at("10:00:01", first, "") + &at("10:30:01", "b", ""))),
            [0, 1, 1]
        );
        // No next in time: the last.
        let log = at("10:00:00", "a", "") + &at("10:30:00", first, "") + &at("11:00:00.000001", "b", "");
        assert_eq!(visitors(&log), [0, 0, 1]);
        // Neither in time: a visitor of its own, and the same one for both.
        let log = at("10:00:00", "a", "")
            + &at("10:30:00.000001", first, "")
            + &at("10:31:00", first, "")
            + &at("11:01:00.000001", "b", "");
        assert_eq!(visitors(&log), [0, 1, 1, 2]);
        // The ids of other clients do not count.
        let other = at("10:00:01", "b", "").replace("Unknown", "curl");
        assert_eq!(visitors(&(at("10:00:00", first, "") + &other)), [0, 1]);
        let other = at("10:00:01", "b", "").replace("10.0.0.1", "10.0.0.2");
        assert_eq!(visitors(&(at("10:00:00", first, "") + &other)), [0, 1]);
    }
}

#[test]
fn who_logs_out_goes_on_under_the_next_new_id() {
    let logout = r#""event_type": "logout""#;
    let out = at("10:00:00", "a", logout);
    assert_eq!(visitors(&(out.clone() + &at("10:30:00", "b", ""))), [0, 0]);
    assert_eq!(visitors(&(out.clone() + &at("10:30:00.000001", "b", ""))), [0, 1]);
    // An id that the client showed before is not new.
    assert_eq!(visitors(&(at("09:00:00", "b", "") + &out + &at("10:01:00", "b", ""))), [0, 1, 0]);
    // With the first request between, and twice in a row.
    let log = out.clone()
        + &at("10:00:01", "no_session", "")
        + &at("10:00:02", "b", logout)
        + &at("10:00:03", "c", "");
    assert_eq!(visitors(&log), [0; 4]);
    let other = at("10:01:00", "b", "").replace("Unknown", "curl");
    assert_eq!(visitors(&(out + &other)), [0, 1]);
}

const ADD: &str = r#""event_type": "cart_add", "product_id": 5"#;

fn request(took: &str) -> String {
    format!(
        r#""event_type": "cart_add", "entity_type": "product", "entity_id": "5", "user_id": 7, "method": "POST", "response_status": 302, "process_time": {took}"#
    )
}

fn paired(log: &str) -> Vec<String> {
    ask("SELECT paired FROM events", log)
}

#[test]
fn who_logs_out_may_come_back_at_the_same_moment() {
    let logout = r#""event_type": "logout""#;
    // In a log with whole seconds the page behind the log-out is of the same one.
    let log = at("10:00:01", "a", "")
        + &at("10:00:05", "a", logout)
        + &at("10:00:05", "b", "")
        + &at("10:00:09", "b", "");
    assert_eq!(visitors(&log), [0; 4]);
    // The id itself, shown for the first time at the log-out, is not the next one.
    let log = at("10:00:05", "a", logout) + &at("10:00:09", "b", "") + &at("10:00:10", "c", "");
    assert_eq!(visitors(&log), [0, 0, 1]);
}

#[test]
fn lines_that_do_not_say_whose_they_are_are_not_one_client_s() {
    let without =
        |line: String| line.replace(r#""ip_address": "10.0.0.1", "user_agent": "Unknown""#, r#""x": 1"#);
    let log = at("10:00:00", "a", "")
        + &at("10:01:00", "no_session", "")
        + &at("10:02:00", "a", r#""event_type": "logout""#)
        + &at("10:03:00", "b", "");
    assert_eq!(visitors(&log), [0; 4]);
    let names = ask("SELECT visitor_id FROM events", without(log));
    assert_eq!((names[0] == names[2], names[1].as_str(), names[0] == names[3]), (true, "", false));
    // One of the two is enough.
    let log = at("10:00:00", "a", "") + &at("10:01:00", "no_session", "");
    assert_eq!(visitors(&log.replace(r#""ip_address": "10.0.0.1", "#, "")), [0; 2]);
}

#[test]
fn an_action_and_its_request_are_counted_once() {
    let action = at("10:00:00.500000", "a", ADD);
    // From the request's beginning to its end, both inclusive.
    for (time, took, is_paired) in [
        ("10:00:00.500000", "0", true),
        ("10:00:00.510000", "0.01", true),
        ("10:00:00.510001", "0.01", false),
        ("10:00:00.499999", "0.5", false),
        ("10:00:00.500000", "null", true),
        ("10:00:02.500000", "2", true),
    ] {
        let found = paired(&(action.clone() + &at(time, "b", &request(took))));
        assert_eq!(found, ["false".to_owned(), is_paired.to_string()], "{time} {took}");
    }
    // Another address, program or type; and no action is there for two requests.
    let same = at("10:00:00.510000", "a", &request("0.02"));
    for other in [("10.0.0.1", "10.0.0.2"), ("Unknown", "curl"), ("cart_add", "search")] {
        assert_eq!(paired(&(action.clone() + &same.replace(other.0, other.1))), ["false"; 2]);
    }
    let mut both = paired(&(action.clone() + &same + &same));
    both.sort();
    assert_eq!(both, ["false", "false", "true"]);
    assert_eq!(paired(&(same.clone() + &action)), ["true", "false"]);
}

#[test]
fn a_pair_is_one_across_the_border_of_two_files() {
    let (action, request) = (at("23:59:59.999000", "a", ADD), at("23:59:59.999900", "a", &request("0.01")));
    let folder = folder_with(&[
        ("user_activity.log.2025-03-12", action.as_bytes()),
        ("web2/user_activity.log", request.as_bytes()),
    ]);
    let counts = rows(&stdout(["event-counts", text(folder.path())]));
    assert_eq!(counts[1][..3], ["cart_add", "2", "1"]);
    let products = rows(&stdout(["product-views", text(folder.path())]));
    assert_eq!((products[1][0].as_str(), products[1][6].as_str()), ("5", "1"));
    // A request that was not allowed is no addition, nor is one that was sent to the log-in page.
    for (was, is) in
        [("\"response_status\": 302", "\"response_status\": 404"), ("\"user_id\": 7", "\"user_id\": null")]
    {
        let folder = folder_with(&[("user_activity.log", request.replace(was, is).as_bytes())]);
        assert_eq!(stdout(["product-views", text(folder.path())]).lines().count(), 1, "{is}");
    }
    let folder = folder_with(&[("user_activity.log", request.as_bytes())]);
    assert_eq!(rows(&stdout(["product-views", text(folder.path())]))[1][6], "1");
}

#[test]
fn a_session_ends_with_a_pause_and_only_people_open_one() {
    let numbers = |log: String| ask("SELECT session_number FROM events", log);
    let dwell = r#""event_type": "page_dwell""#;
    let call = r#""event_type": "page_view", "path": "/api/log/click", "response_status": 204"#;
    // Half an hour is no pause yet; a microsecond more is.
    let log = at("10:00:00", "a", "") + &at("10:30:00", "a", "") + &at("11:00:00.000001", "a", "");
    assert_eq!(numbers(log), ["1", "1", "2"]);
    // What the page sends on its own goes on with a session and opens none.
    let log = at("09:00:00", "a", dwell)
        + &at("10:00:00", "a", "")
        + &at("10:20:00", "a", call)
        + &at("10:45:00", "a", "")
        + &at("12:00:00", "a", call)
        + &at("12:00:01", "a", "");
    assert_eq!(numbers(log.clone()), ["", "1", "1", "1", "", "2"]);
    // Nor does it where its path is a whole URL.
    assert_eq!(numbers(log.replace("/api/", "https://shop.example/api/")), ["", "1", "1", "1", "", "2"]);
    // Midnight ends nothing; every visitor is counted alone.
    let next_day = at("00:10:00", "a", "").replace("03-12", "03-13");
    assert_eq!(numbers(at("23:50:00", "a", "") + &next_day + &at("23:50:00", "b", "")), ["1", "1", "1"]);
}
