//! What visitors did: the reports against what really happened, against each other, and over logs made for one question.

mod case;
mod model;

use crate::harness::{folder_with, root, shop, stdout, text};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

type Row = Map<String, Value>;

/// All rows of a report.
fn rows(words: &[&str], logs: &Path) -> Vec<Row> {
    let more = [text(logs), "--top", "0", "--format", "ndjson", "--max-rejects", "100%"];
    stdout([words, &more].concat()).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn count(row: &Row, column: &str) -> u64 {
    row[column].as_u64().unwrap_or_else(|| panic!("{column} of {row:?}"))
}

fn sum(rows: &[Row], column: &str) -> u64 {
    rows.iter().map(|row| count(row, column)).sum()
}

/// A column by the report's first one, where it is not 0.
fn by(rows: &[Row], key: &str, column: &str) -> Value {
    let name = |row: &Row| row[key].as_str().map_or_else(|| row[key].to_string(), str::to_owned);
    rows.iter().filter(|row| count(row, column) > 0).map(|row| (name(row), row[column].clone())).collect()
}

/// The week of the real shop and the sample, each with its truth.
fn logs() -> impl Iterator<Item = (PathBuf, Value)> {
    let shop = shop().map(|shop| (shop.join("logs"), shop.join("truth.json")));
    let sample = (root().join("sample_logs"), root().join("tests/golden/sample_truth.json"));
    let read = |path: PathBuf| serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    shop.into_iter().chain([sample]).map(move |(logs, truth)| (logs, read(truth)))
}

#[test]
fn everybody_is_new_once_and_a_visitor_in_each_time_in_which_they_came() {
    for (logs, truth) in logs() {
        for every in ["1m", "7h", "1d", "2d", "1w", "52w"] {
            let audience = rows(&["audience", "--every", every], &logs);
            assert_eq!(sum(&audience, "new_visitors"), truth["visitors"], "--every {every}");
            assert!(audience.iter().all(|row| row["new_visitors"].as_u64() <= row["visitors"].as_u64()));
        }
        // Each of the logs is of one week, Monday to Sunday.
        let week = rows(&["audience", "--every", "1w"], &logs);
        assert_eq!((week.len(), &week[0]["start"]), (1, &json!("2025-03-10T00:00:00")));
        assert_eq!(week[0]["visitors"], truth["visitors"]);
        assert_eq!(sum(&rows(&["retention"], &logs), "visitors"), truth["visitors"].as_u64().unwrap());
        // Who leaves no pause behind has one session.
        let sessions = rows(&["sessions", "--gap", "52w"], &logs);
        assert_eq!(sum(&sessions, "visitors"), truth["visitors"].as_u64().unwrap());
        assert_eq!(sum(&sessions, "sessions"), truth["visitors"].as_u64().unwrap());
    }
}

#[test]
fn every_order_is_a_purchase_and_every_purchase_an_order() {
    for (logs, truth) in logs() {
        assert_eq!(sum(&rows(&["conversion"], &logs), "purchases"), truth["orders"]);
    }
}

#[test]
fn every_term_was_searched_so_often() {
    for (logs, truth) in logs() {
        let terms = rows(&["search-terms"], &logs);
        let [of_shop, of_sample] = [&truth["search_terms"], &truth["searches"]];
        assert_eq!(by(&terms, "term", "searches"), *if of_shop.is_null() { of_sample } else { of_shop });
        if let Some(searches) = truth["searches_nonblank"].as_u64() {
            assert_eq!(sum(&terms, "searches"), searches);
        }
    }
}

#[test]
fn every_product_was_added_so_often() {
    for (logs, truth) in logs() {
        let cart = rows(&["cart"], &logs);
        assert_eq!(by(&cart, "product_id", "adds"), truth["cart_adds"]);
    }
}

#[test]
fn the_reports_agree_with_each_other() {
    for (logs, _) in logs() {
        let of = |words: &[&str]| rows(words, &logs);
        let (audience, sessions, pages) = (of(&["audience"]), of(&["sessions"]), of(&["top-pages"]));
        let (ways, paths) = (of(&["entry-exit"]), of(&["paths", "--steps", "1000"]));
        let (referrers, conversion) = (of(&["referrers"]), of(&["conversion"]));
        let views = sum(&sessions, "page_views");
        assert_eq!(sum(&audience, "page_views"), views);
        assert_eq!(sum(&pages, "views"), views);
        assert_eq!(sum(&ways, "views"), views);
        assert_eq!(sum(&referrers, "page_views"), views);
        assert_eq!(sum(&audience, "sessions"), sum(&sessions, "sessions"));
        assert_eq!(sum(&referrers, "sessions"), sum(&sessions, "sessions"));
        assert_eq!(sum(&ways, "bounces"), sum(&sessions, "bounces"));
        let visits = sum(&ways, "entries");
        assert!(visits > 0 && sum(&ways, "exits") == visits);
        let (ends, steps): (Vec<Row>, Vec<Row>) =
            paths.into_iter().partition(|row| row["target"] == "(left)");
        assert_eq!(sum(&ends, "sessions"), visits);
        assert!(steps.iter().all(|row| row["source"] != row["target"]));
        for (audience, conversion) in audience.iter().zip(&conversion) {
            assert_eq!(audience["visitors"], conversion["visitors"]);
        }
        let days: Vec<&Value> = conversion.iter().map(|row| &row["date"]).collect();
        assert!(days.is_sorted_by_key(|day| day.as_str()) && days.len() == audience.len());
    }
}

/// A log of these lines, each with a time of day on 2025-03-10 or later, and what else it says.
fn log(lines: &[(&str, &str)]) -> tempfile::TempDir {
    let line = |(time, fields): &(&str, &str)| {
        let time = if time.len() == 8 { format!("2025-03-10T{time}") } else { (*time).to_owned() };
        format!("{{\"timestamp\": \"{time}\", \"session_id\": \"someone\", {fields}}}\n")
    };
    folder_with(&[("user_activity.log", lines.iter().map(line).collect::<String>().as_bytes())])
}

fn got(path: &str, more: &str) -> String {
    format!(
        "\"event_type\": \"page_view\", \"method\": \"GET\", \"path\": \"{path}\", \"response_status\": 200{more}"
    )
}

fn columns(rows: &[Row], names: &[&str]) -> Value {
    rows.iter().map(|row| names.iter().map(|name| row[*name].clone()).collect::<Value>()).collect()
}

#[test]
fn an_order_is_one_purchase_however_often_and_in_whatever_way_it_is_told() {
    let confirmation = |order: u32| got(&format!("/orders/{order}/confirmation"), "");
    let bought = "\"event_type\": \"purchase\"";
    let other =
        "\"event_type\": \"purchase\", \"method\": \"POST\", \"response_status\": 302, \"process_time\": 1";
    let purchases = |lines: &[(&str, &str)]| {
        let found = rows(&["conversion"], log(lines).path());
        columns(&found, &["date", "purchasers", "purchases"])
    };
    let [one, two] = [confirmation(1), confirmation(2)];
    let failed = one.replace("200", "404");
    assert_eq!(
        purchases(&[
            ("10:00:00", &one),
            ("10:00:05", &one),
            ("2025-03-11T09:00:00", &one),
            ("2025-03-11T10:00:00", &two),
            ("2025-03-12T10:00:00", &two),
            ("2025-03-12T11:00:00", &failed),
        ]),
        json!([["2025-03-10", 1, 1], ["2025-03-11", 1, 1], ["2025-03-12", 1, 0]])
    );
    // The action's line, its request's and the page that they lead to.
    let told = [("10:00:00", bought), ("10:00:00", other), ("10:00:01", &one)];
    assert_eq!(purchases(&told), json!([["2025-03-10", 1, 1]]));
    assert_eq!(purchases(&told[..2]), json!([["2025-03-10", 1, 1]]));
    assert_eq!(purchases(&[told[0], ("11:00:00", bought)]), json!([["2025-03-10", 1, 2]]));
}

#[test]
fn what_is_put_into_carts_is_worth_price_times_pieces() {
    let action =
        |kind: &str, fields: &str| format!("\"event_type\": \"{kind}\", \"product_id\": 7, {fields}");
    let request = |user: &str, status: u32| {
        let entity = "\"event_type\": \"cart_add\", \"entity_type\": \"product\", \"entity_id\": \"7\"";
        format!("{entity}, \"user_id\": {user}, \"response_status\": {status}, \"process_time\": 0.1")
    };
    let lines = [
        action("cart_add", "\"quantity\": 3, \"product_price\": 19.99, \"product_name\": \"old\""),
        request("1", 302),
        action("cart_add", "\"quantity\": 7, \"product_price\": 0.07"),
        action("cart_add", "\"quantity\": 9223372036854775807, \"product_price\": 1e300"),
        action("cart_add", "\"product_name\": \"new\""),
        action("cart_remove", "\"removed_quantity\": 4"),
        action("cart_remove", "\"removed_quantity\": -4"),
        request("1", 302),
        request("null", 302),
        request("1", 500),
    ];
    let times: Vec<String> =
        (0..10).map(|at| format!("10:00:{:02}", if at == 1 { 0 } else { at * 5 })).collect();
    let lines: Vec<_> = times.iter().zip(&lines).map(|(time, line)| (time.as_str(), line.as_str())).collect();
    let found = rows(&["cart"], log(&lines).path());
    let names = ["product_id", "product_name", "adds", "visitors", "units_added", "value_added", "removes"];
    assert_eq!(columns(&found, &names), json!([[7, "new", 5, 1, 10, 60.46, 2]]));
    assert_eq!(columns(&found, &["units_removed", "remove_rate"]), json!([[4, 0.4]]));
}

#[test]
fn how_long_a_page_is_read_is_one_clocks_word() {
    let server = |page: &str, seconds: f64| {
        format!(
            "\"event_type\": \"server_dwell_time\", \"previous_path\": \"{page}\", \"dwell_time_seconds\": {seconds}"
        )
    };
    let script = "\"event_type\": \"page_dwell\", \"path\": \"/products/9\", \"dwell_time_seconds\": 500, \"max_scroll_percentage\": 40";
    let post = "\"event_type\": \"cart_add\", \"method\": \"POST\", \"path\": \"/cart/add\", \"response_status\": 302";
    let [product, add] = [got("/products/3", ""), post.to_owned()];
    let lines =
        [product, add, server("/products/3", 2.0), server("/products/4", 4.0), server("/cart/add", 0.1)];
    let lines = lines
        .iter()
        .map(String::as_str)
        .chain([script, "\"event_type\": \"page_dwell\", \"path\": \"/seen\""]);
    let lines: Vec<_> = lines.map(|line| ("10:00:00", line)).collect();
    let found = rows(&["dwell"], log(&lines).path());
    let names = ["page", "views", "measured", "median_seconds", "p90_seconds", "scrolls", "median_scroll"];
    assert_eq!(columns(&found, &names), json!([["/products/{id}", 1, 2, 3.0, 3.8, 1, 40.0]]));
    // Where the requests are in other logs, nothing says that a page was never shown.
    let found = rows(&["dwell"], log(&lines[2..]).path());
    assert_eq!(columns(&found, &["page", "views"]), json!([["/products/{id}", 0], ["/cart/add", 0]]));
}

#[test]
fn visits_come_from_where_their_first_request_says() {
    let from = |referrer: &str| got("/", &format!(", \"referrer\": {referrer}"));
    let [google, own, path, none] =
        ["\"https://Google.com/x\"", "\"http://shop:80/\"", "\"/cart\"", "null"].map(from);
    let bought = got("/orders/1/confirmation", ", \"referrer\": \"http://shop/checkout\"");
    let telling = "\"event_type\": \"search\", \"referrer\": \"http://other/\"";
    let found = |options: &[&str]| {
        let lines: &[(&str, &str)] = &[
            ("01:00:00", &google),
            ("01:00:01", &own),
            ("03:00:00", &none),
            ("03:00:01", &bought),
            ("05:00:00", &path),
            ("07:00:00", telling),
            ("07:00:01", &own),
            ("09:00:00", telling),
        ];
        let found = rows(&[&["referrers"], options].concat(), log(lines).path());
        columns(&found, &["source", "sessions", "page_views", "purchase_sessions"])
    };
    let rest = [json!(["(direct)", 1, 2, 1]), json!(["google.com", 1, 2, 0])];
    assert_eq!(found(&[]), json!([["(internal)", 2, 2, 0], rest[0], rest[1], ["other", 1, 0, 0]]));
    let named = found(&["--own-host", "GOOGLE.com"]);
    assert_eq!(named, json!([["(internal)", 2, 3, 0], rest[0], ["other", 1, 0, 0], ["shop", 1, 1, 0]]));
}

#[test]
fn a_network_path_is_a_host_and_no_path_of_the_shop() {
    let from = |referrer: &str| got("/", &format!(", \"referrer\": \"{referrer}\""));
    let lines = [from("//Evil.example/x"), from("/x")];
    let found = rows(
        &["referrers", "--own-host", "shop"],
        log(&[("01:00:00", &lines[0]), ("03:00:00", &lines[1])]).path(),
    );
    let expected = json!([["(internal)", 1], ["evil.example", 1]]);
    assert_eq!(columns(&found, &["source", "sessions"]), expected);
}

#[test]
fn what_is_left_of_a_session_still_leads_to_a_product() {
    let search = "\"event_type\": \"search\", \"search_query\": \"x\", \"results_count\": 3";
    let list = got("/products/", ", \"args\": {\"category\": \"1\"}").replace("page_view", "view");
    let view =
        got("/products/3", ", \"entity_type\": \"product\", \"entity_id\": 3").replace("page_view", "view");
    let first = got("/", "");
    let lines =
        [("10:00:00", first.as_str()), ("10:02:00", search), ("10:03:00", &list), ("10:04:00", &view)];
    let folder = log(&lines);
    for since in ["2025-03-10T10:00:00", "2025-03-10T10:01:00"] {
        let led = |report| columns(&rows(&[report, "--since", since], folder.path()), &["led_to_view"]);
        assert_eq!((led("search-terms"), led("categories")), (json!([[1]]), json!([[1]])), "{since}");
    }
    // An event without a time is followed by nothing.
    let timeless = folder_with(&[(
        "user_activity.log",
        format!("{{\"session_id\": \"someone\", {search}}}\n{{\"session_id\": \"someone\", {view}}}\n")
            .as_bytes(),
    )]);
    assert_eq!(columns(&rows(&["search-terms"], timeless.path()), &["led_to_view"]), json!([[0]]));
}

#[test]
fn a_referrer_that_says_nothing_is_none() {
    let failed = |referrer: &str| got("/x", &format!(", \"referrer\": \"{referrer}\"")).replace("200", "404");
    let lines = ["", "", "http://shop/a"].map(failed);
    let lines: Vec<_> = lines.iter().map(|line| ("10:00:00", line.as_str())).collect();
    let found = rows(&["error-pages"], log(&lines).path());
    assert_eq!(columns(&found, &["requests", "top_referrer"]), json!([[3, "http://shop/a"]]));
}

#[test]
fn seconds_do_not_depend_on_how_many_sessions_there_are() {
    // Times 1e-6 in place of by 1e6 it would be …3939999999998.
    let visit = |day: u32, who: &str| {
        ["10:00:00", "10:17:36.375694"]
            .map(|time| {
                let line = got("/a", "");
                format!("{{\"timestamp\": \"2025-03-{day}T{time}\", \"session_id\": \"{who}\", {line}}}\n")
            })
            .concat()
    };
    for days in [10..11, 10..13] {
        let lines: String = days.clone().map(|day| visit(day, &format!("visitor {day}"))).collect();
        let folder = folder_with(&[("user_activity.log", lines.as_bytes())]);
        let found = rows(&["sessions"], folder.path());
        assert_eq!(found.len(), days.len());
        assert!(found.iter().all(|row| row["median_seconds"] == 1056.375694), "{found:?}");
    }
}

#[test]
fn a_view_without_its_product_s_id_is_no_view_of_another() {
    let view =
        got("/products/1x", ", \"entity_type\": \"product\", \"entity_id\": \"1x\", \"product_id\": 1")
            .replace("page_view", "view");
    let added = "\"event_type\": \"cart_add\", \"product_id\": 1, \"entity_id\": 5";
    let found = rows(&["product-views"], log(&[("10:00:00", &view), ("10:00:01", added)]).path());
    assert_eq!(columns(&found, &["product_id", "views", "cart_adds"]), json!([[1, 0, 1]]));
}
