//! The reports against what really happened.

use crate::harness::{root, rows, shop, stdout, text};
use serde_json::{Map, Value};
use std::path::Path;

/// Column `column` of a CSV by its first column, where it is not 0.
fn by_first(csv: &str, column: &str) -> Map<String, Value> {
    let rows = rows(csv);
    let at = rows[0].iter().position(|name| name == column).unwrap();
    let counts = rows[1..].iter().map(|row| (row[0].clone(), row[at].parse::<u64>().unwrap()));
    counts.filter(|(_, count)| *count > 0).map(|(key, count)| (key, count.into())).collect()
}

fn product_views(logs: &Path) -> String {
    // Names hold no commas here, so rows can be split.
    stdout(["product-views", text(logs), "--top", "0", "--format", "csv", "--max-rejects", "100%"])
}

fn agrees(logs: &Path, truth: &Value) {
    let products = product_views(logs);
    for (column, key) in [
        ("views", "product_views"),
        ("visitors", "product_visitors"),
        ("failed_views", "failed_views"),
        ("cart_adds", "cart_adds"),
    ] {
        assert_eq!(
            Value::Object(by_first(&products, column)),
            truth[key],
            "{column} of product-views, {key} of the truth"
        );
    }
    let funnel = rows(&stdout(["funnel", text(logs), "--format", "csv"]));
    let reached: Vec<u64> = funnel[1..].iter().map(|row| row[2].parse().unwrap()).collect();
    assert_eq!(Value::from(reached), truth["funnel"]);
    let visitors = "SELECT COUNT(DISTINCT visitor_id) AS n FROM events WHERE kind = 'request'";
    let visitors = stdout(["sql", visitors, text(logs), "--format", "csv"]);
    assert_eq!(Value::from(rows(&visitors)[1][0].parse::<u64>().unwrap()), truth["visitors"]);
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_week_of_the_real_shop() {
    let Some(shop) = shop() else { return };
    let (logs, truth) = (shop.join("logs"), read(&shop.join("truth.json")));
    agrees(&logs, &truth);
    let requests = stdout(["sql", "SELECT COUNT(*) AS n FROM events WHERE kind = 'request'", text(&logs)]);
    assert_eq!(requests, format!("n\n{}\n", truth["requests"]));
    let actions = by_first(&stdout(["event-counts", text(&logs)]), "actions");
    assert_eq!(actions["login_failed"], truth["login_failed"]);
    let searches: u64 =
        truth["search_terms"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(actions["search"], searches);
    assert_eq!(actions["cart_add"], truth["cart_add_requests"]);
}

#[test]
fn the_busiest_hours_of_the_real_shop_are_the_busiest() {
    let Some(shop) = shop() else { return };
    let truth = read(&shop.join("truth.json"));
    let query = "SELECT event_date, event_hour, COUNT(*) AS n FROM events WHERE kind = 'request' \
                 GROUP BY event_date, event_hour ORDER BY n DESC, event_date, event_hour LIMIT 5";
    let found = rows(&stdout(["sql", query, text(&shop.join("logs"))]));
    for (row, busiest) in found[1..].iter().zip(truth["busiest_hours"].as_array().unwrap()) {
        assert_eq!(format!("{}T{:0>2}", row[0], row[1]), busiest[0].as_str().unwrap());
        assert_eq!(row[2], busiest[1].to_string());
    }
}

#[test]
fn the_sample_logs() {
    let truth = read(&root().join("tests/golden/sample_truth.json"));
    let logs = root().join("sample_logs");
    agrees(&logs, &truth);
    let summary = tempfile::NamedTempFile::new().unwrap();
    let counts = stdout(["event-counts", text(&logs), "--summary", text(summary.path())]);
    let summary = read(summary.path());
    for key in ["lines", "events", "rejects", "blank"] {
        assert_eq!(summary[key], truth[key], "{key}");
    }
    let by_type = |column| Value::Object(by_first(&counts, column));
    for (column, key) in [("lines", "lines"), ("actions", "actions")] {
        let of_type = |(name, counts): (&String, &Value)| (name.clone(), counts[key].clone());
        let expected: Map<String, Value> =
            truth["event_types"].as_object().unwrap().iter().map(of_type).collect();
        assert_eq!(by_type(column), Value::Object(expected), "{column}");
    }
}
