//! The same SQL on Spark gives the same rows, but for the names of a few functions. Needs a Python with the package
//! `pyspark` and Java; skipped visibly without them: `LOGANALYZE_PYTHON=… cargo test --release --test suite spark`.

use crate::duckdb::{ask, questions};
use crate::harness::root;

/// As DuckDB's; the one table of names that differ is at its head.
const SCRIPT: &str = r#"
import datetime, json, math, re, sys
try:
    from pyspark.sql import SparkSession
except ImportError:
    sys.exit(77)

names = {"quantile_cont": "percentile", "make_timestamp": "timestamp_micros"}

def plain(value):
    return value.isoformat() if isinstance(value, (datetime.date, datetime.datetime)) else value

def same(one, two, kind):
    if kind == "double" and one is not None and two is not None:
        return math.isclose(one, two, rel_tol=1e-9)
    return plain(one) == two

settings = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "2",
}
builder = SparkSession.builder.master("local[2]")
for key, value in settings.items():
    builder = builder.config(key, value)
spark = builder.getOrCreate()
work = json.load(open(sys.argv[1], encoding="utf-8"))
for relation in work["relations"]:
    spark.read.parquet(relation["file"]).createOrReplaceTempView(relation["name"])
faults = 0
for case in work["cases"]:
    sql = case["sql"]
    for ours, theirs in names.items():
        sql = re.sub(r"\b%s\b" % ours, theirs, sql)
    casts = ["CAST(%s AS %s)" % (name, {"text": "STRING"}.get(kind, kind)) for name, kind in case["columns"]]
    found = spark.sql(sql).selectExpr(*casts).collect()
    wrong = len(found) != len(case["rows"])
    for one, row in zip(found, case["rows"]):
        wrong |= not all(same(value, row[name], kind) for value, (name, kind) in zip(one, case["columns"]))
    faults += wrong
    print("%s: %d rows%s" % (case["name"], len(found), ", which differ" if wrong else ""))
sys.exit(1 if faults else 0)
"#;

#[test]
fn the_sample_logs_give_the_same_rows() {
    let folder = tempfile::tempdir().unwrap();
    let funnels = [vec!["funnel"], vec!["funnel", "--lost-after", "cart", "--breakdown", "weekday"]];
    ask("pyspark", SCRIPT, questions(&root().join("sample_logs"), folder.path(), &funnels));
}
