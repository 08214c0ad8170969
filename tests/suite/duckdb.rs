//! The same SQL in DuckDB gives the same rows: over the Parquet that the program itself writes of each relation, every
//! report's query and generated funnels. Needs a Python with the `duckdb` package; skipped visibly without one.

use crate::harness::{root, run, shop, skip, stdout, text};
use crate::queries::words;
use loganalyze::report::{self, Report, ResultColumn};
use loganalyze::schema::{RELATIONS, Type};
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
faults = 0

def fault(text):
    global faults
    faults += 1
    if faults <= 20:
        print(text)

names = {"text": "VARCHAR"}
for relation in work["relations"]:
    file = relation["file"].replace("'", "''")
    read = "read_parquet('%s')"
    if file.endswith("/events"):
        # A store: the day is in the folder's name, and so the last column.
        file, read = file + "/**/*.parquet", "read_parquet('%s', hive_partitioning = true)"
    columns = ", ".join(name for name, _ in relation["schema"])
    duck.execute("CREATE VIEW %s AS SELECT %s FROM %s" % (relation["name"], columns, read % file))
    held = [[row[0], row[1]] for row in duck.execute("DESCRIBE " + relation["name"]).fetchall()]
    promised = [[name, names.get(kind, kind.upper())] for name, kind in relation["schema"]]
    if held != promised:
        fault("%s holds %s, not %s" % (relation["name"], held, promised))

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

/// The words of funnels with steps that overlap, by each entity, and with each option by one of them.
fn funnels() -> Vec<Vec<&'static str>> {
    const STEPS: [&str; 5] = [
        "any page: page IS NOT NULL AND kind = 'request'",
        "a search or product: event_type = 'search' OR product IS NOT NULL",
        "a product: product IS NOT NULL",
        "someone's cart: event_type = 'cart_add' AND NOT paired",
        "checkout: page = '/checkout'",
    ];
    const OPTIONS: [&[&str]; 13] = [
        &["--entry", "first"],
        &["--strict-order"],
        &["--exclude", "page = '/cart'", "--exclude", "event_type = 'search'"],
        &["--entry", "first", "--strict-order", "--exclude", "event_type = 'page_dwell'"],
        &["--breakdown", "event_type"],
        &["--breakdown", "weekday", "--strict-order"],
        &["--breakdown", "event_date", "--exclude", "paired"],
        &["--breakdown", "is_bot", "--entry", "first"],
        &["--lost-after", "1"],
        &["--lost-after", "any page", "--entry", "first", "--strict-order"],
        &["--lost-after", "a search", "--exclude", "paired"],
        &["--lost-after", "3", "--breakdown", "user_id"],
        &["--lost-after", "1", "--breakdown", "kind", "--strict-order", "--exclude", "page = '/cart'"],
    ];
    const WHO: [&str; 3] = ["visitor", "user", "session"];
    let of = |by: &'static str, count: usize, options: &[&'static str]| {
        let steps = STEPS[..count].iter().flat_map(|step| ["--step", step]);
        let words = ["funnel", "--window", "20m", "--by", by].into_iter().chain(steps);
        words.chain(options.iter().copied()).collect()
    };
    let mut all = vec![vec!["funnel"]];
    all.extend(WHO.iter().flat_map(|by| (1..=STEPS.len()).map(|count| of(by, count, &[]))));
    all.extend(OPTIONS.iter().enumerate().map(|(at, options)| of(WHO[at % 3], 2 + at % 4, options)));
    all
}

/// A funnel as `--explain` shows it.
fn funnel_case(words: &[&str], logs: &Path) -> Value {
    let is = |option: &str| words.contains(&option);
    let mut report = report::find(if is("--lost-after") { "funnel-lost-after" } else { "funnel" }).unwrap();
    if is("--breakdown") {
        let breakdown = ResultColumn { name: "breakdown".into(), kind: Type::Text, meaning: String::new() };
        report.header.columns.insert(0, breakdown);
    }
    let explained = stdout([words, &["--explain"]].concat());
    let sql = &explained[explained.find("\nWITH\n").unwrap()..];
    let owned: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    let case = case(&words.join(" "), &report, sql, &owned, logs);
    assert!(!case["rows"].as_array().unwrap().is_empty(), "{words:?}");
    case
}

/// Writes to this folder what another engine needs to be asked the same: the relations, and a file that lists them and the
/// questions with our answers. Returns the file and how many questions there are.
pub fn questions(logs: &Path, folder: &Path, funnels: &[Vec<&str>]) -> (PathBuf, usize) {
    let mut relations = Vec::new();
    for relation in RELATIONS {
        let file = folder.join(format!("{}.parquet", relation.name));
        let query = format!("SELECT * FROM {}", relation.name);
        let written = run(["sql", &query, text(logs), "--max-rejects", "100%", "-o", text(&file)]);
        assert_eq!(written.code, 0, "{}", written.stderr);
        let schema: Vec<[&str; 2]> =
            relation.columns.iter().map(|column| [column.name, column.kind.sql()]).collect();
        relations.push(json!({"name": relation.name, "file": file, "schema": schema}));
    }
    let mut cases = Vec::new();
    for report in report::all().unwrap().iter().filter(|report| report.header.generated.is_none()) {
        cases.push(case(&report.header.name, report, &report.sql, &words(report), logs));
    }
    cases.extend(funnels.iter().map(|words| funnel_case(words, logs)));
    let work = folder.join("work.json");
    std::fs::write(&work, json!({"relations": relations, "cases": cases}).to_string()).unwrap();
    (work, cases.len())
}

/// Asks an engine by way of its script, which says a line a question; skips where `engine` is not installed.
pub fn ask(engine: &str, script: &str, (work, count): (PathBuf, usize)) {
    let file = work.with_file_name("compare.py");
    std::fs::write(&file, script).unwrap();
    let Ok(output) = Command::new(python()).arg(&file).arg(&work).output() else {
        return skip(&format!("no Python to run {engine} with"));
    };
    if output.status.code() == Some(77) {
        return skip(&format!("the Python package {engine} is not installed"));
    }
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.lines().count(), count, "{said}");
}

/// The same questions of the files of a store, as they are.
fn agrees_over_a_store(logs: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder.path().join("lake");
    stdout(["ingest", text(logs), "--store", text(&lake), "--max-rejects", "100%"]);
    let (work, count) = questions(logs, folder.path(), &[vec!["funnel"]]);
    let mut asked: Value = serde_json::from_str(&std::fs::read_to_string(&work).unwrap()).unwrap();
    for relation in asked["relations"].as_array_mut().unwrap() {
        if relation["name"] == "events" {
            relation["file"] = json!(lake.join("events"));
        }
    }
    std::fs::write(&work, asked.to_string()).unwrap();
    ask("duckdb", SCRIPT, (work, count));
}

#[test]
fn a_store_of_the_sample_logs_gives_the_same_rows() {
    agrees_over_a_store(&root().join("sample_logs"));
}

#[test]
fn a_store_of_the_real_shop_gives_the_same_rows() {
    if let Some(shop) = shop() {
        agrees_over_a_store(&shop.join("logs"));
    }
}

fn agrees(logs: &Path) {
    let folder = tempfile::tempdir().unwrap();
    ask("duckdb", SCRIPT, questions(logs, folder.path(), &funnels()));
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
