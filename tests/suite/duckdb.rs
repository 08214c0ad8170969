//! The same SQL in DuckDB gives the same rows: over the Parquet that the program itself writes of the events, every
//! report's query and generated funnels. Needs a Python with the `duckdb` package; skipped visibly without one.

use crate::harness::{root, run, shop, skip, stdout, text};
use crate::queries::words;
use loganalyze::report::{self, Entity, Funnel, Report, Step};
use loganalyze::schema::COLUMNS;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs each case's SQL in DuckDB and holds the rows against those in the case. Exits with 77 where DuckDB is missing.
const SCRIPT: &str = r#"
import datetime, json, math, sys
try:
    import duckdb
except ImportError:
    sys.exit(77)

def plain(value, kind):
    if value is None:
        return None
    if kind == "timestamp":
        return datetime.datetime.fromisoformat(value) if isinstance(value, str) else value
    if kind == "date":
        return datetime.date.fromisoformat(value) if isinstance(value, str) else value
    return value

def same(one, two, kind):
    if kind == "double" and one is not None and two is not None:
        return math.isclose(one, two, rel_tol=1e-9, abs_tol=0.0)
    return one == two and type(one) is type(two)

work = json.load(open(sys.argv[1], encoding="utf-8"))
duck = duckdb.connect()
duck.execute("CREATE VIEW events AS SELECT * FROM read_parquet('%s')" % work["events"].replace("'", "''"))
faults = 0

def fault(text):
    global faults
    faults += 1
    if faults <= 20:
        print(text)

names = {"text": "VARCHAR"}
held = [[row[0], row[1]] for row in duck.execute("DESCRIBE events").fetchall()]
promised = [[name, names.get(kind, kind.upper())] for name, kind in work["schema"]]
if held != promised:
    fault("events holds %s, not %s" % (held, promised))

for case in work["cases"]:
    try:
        duck.execute("CREATE OR REPLACE TEMP TABLE result AS " + case["sql"])
        casts = ", ".join("CAST(%s AS %s)" % (name, names.get(kind, kind)) for name, kind in case["columns"])
        found = duck.execute("SELECT " + casts + " FROM result").fetchall()
    except duckdb.Error as error:
        fault("%s: %s" % (case["name"], error))
        continue
    rows = case["rows"]
    if len(found) != len(rows):
        fault("%s: %d rows in DuckDB, %d in loganalyze" % (case["name"], len(found), len(rows)))
    for at, (one, row) in enumerate(zip(found, rows)):
        for value, (name, kind) in zip(one, case["columns"]):
            if not same(plain(value, kind), plain(row[name], kind), kind):
                fault("%s, row %d, %s: %r in DuckDB, %r in loganalyze" % (case["name"], at + 1, name, value, row[name]))
    print("%s: %d rows" % (case["name"], len(found)))
sys.exit(1 if faults else 0)
"#;

/// The Python that `.ci/run` gives DuckDB to, or what the user says.
fn python() -> PathBuf {
    if let Some(given) = std::env::var_os("LOGANALYZE_PYTHON") {
        return given.into();
    }
    let home = std::env::var_os("HOME").unwrap_or_default();
    let own = Path::new(&home).join(".cache/loganalyze/venv/bin/python3");
    if own.exists() { own } else { "python3".into() }
}

fn case(name: &str, report: &Report, sql: &str, words: &[String], logs: &Path) -> Value {
    let more = [text(logs), "--top", "0", "--format", "ndjson", "--max-rejects", "100%"];
    let found = stdout(words.iter().map(String::as_str).chain(more));
    let rows: Vec<Value> = found.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let columns: Vec<[&str; 2]> =
        report.header.columns.iter().map(|column| [column.name.as_str(), column.kind.sql()]).collect();
    json!({"name": name, "sql": sql, "columns": columns, "rows": rows})
}

/// Funnels with steps that overlap, by each entity, and the words that run them.
fn funnels() -> Vec<(String, Funnel, Vec<String>)> {
    let own = [
        ("any page", "page IS NOT NULL AND kind = 'request'"),
        ("a search or product", "event_type = 'search' OR product IS NOT NULL"),
        ("a product", "product IS NOT NULL"),
        ("someone's cart", "event_type = 'cart_add' AND NOT paired"),
        ("checkout", "page = '/checkout'"),
    ];
    let words = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<String>>();
    let mut all = vec![("default".to_owned(), Funnel::default(), words(&["funnel"]))];
    for (by, entity) in [("visitor", Entity::Visitor), ("user", Entity::User), ("session", Entity::Session)] {
        for count in 1..=own.len() {
            let steps = &own[..count];
            let mut command = words(&["funnel", "--window", "20m", "--by", by]);
            for (name, condition) in steps {
                command.extend(["--step".to_owned(), format!("{name}: {condition}")]);
            }
            let step =
                |&(name, condition): &(&str, &str)| Step { name: name.into(), condition: condition.into() };
            let funnel =
                Funnel { steps: steps.iter().map(step).collect(), window: 20 * 60 * 1_000_000, entity };
            all.push((format!("{count} steps by {by}"), funnel, command));
        }
    }
    all
}

fn agrees(logs: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let events = folder.path().join("events.parquet");
    let all = ["sql", "SELECT * FROM events", text(logs), "--max-rejects", "100%", "-o", text(&events)];
    let written = run(all);
    assert_eq!(written.code, 0, "{}", written.stderr);
    let mut cases = Vec::new();
    for report in report::all().unwrap().iter().filter(|report| report.header.generated.is_none()) {
        cases.push(case(&report.header.name, report, &report.sql, &words(report), logs));
    }
    let report = report::find("funnel").unwrap();
    for (name, funnel, words) in funnels() {
        cases.push(case(&format!("funnel, {name}"), &report, &funnel.sql(), &words, logs));
    }
    let schema: Vec<[&str; 2]> = COLUMNS.iter().map(|column| [column.name, column.kind.sql()]).collect();
    let work = folder.path().join("work.json");
    std::fs::write(&work, json!({"events": events, "schema": schema, "cases": cases}).to_string()).unwrap();
    let script = folder.path().join("compare.py");
    std::fs::write(&script, SCRIPT).unwrap();
    let Ok(output) = Command::new(python()).arg(&script).arg(&work).output() else {
        return skip("no Python to run DuckDB with");
    };
    if output.status.code() == Some(77) {
        return skip("DuckDB's Python package is not installed");
    }
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(said.lines().count(), cases.len(), "{said}");
}

#[test]
fn the_sample_logs_give_the_same_rows() {
    agrees(&root().join("sample_logs"));
}

#[test]
fn a_week_of_the_real_shop_gives_the_same_rows() {
    if let Some(shop) = shop() {
        agrees(&shop.join("logs"));
    }
}
