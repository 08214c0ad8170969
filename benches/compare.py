#!/usr/bin/env python3
"""Times loganalyze against its peers on the same logs, on the same machine, in one go.

    cargo build --release && python3 benches/compare.py [--size 1GB] [--runs 5]

Every command is a whole process, from start to exit, with the logs in the page cache. All commands run in turn, so
that a machine that is busy for a while slows all of them; the figures are medians. Peers come from their public
Python packages (duckdb-cli, chdb, polars) into a virtual environment in the cache folder. The result is a Markdown
table on standard output. Figures of a busy machine say little: look at the ratios.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "loganalyze"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"

COUNT = "SELECT event_type, COUNT(*) AS n FROM {events} GROUP BY event_type"
HOURLY = (
    "SELECT CAST(timestamp AS DATE) AS date, EXTRACT(HOUR FROM timestamp) AS hour, COUNT(*) AS n "
    "FROM {events} GROUP BY ALL ORDER BY ALL"
)
PRODUCTS = (
    "SELECT entity_id, COUNT(*) AS n FROM {events} WHERE event_type = 'view' AND entity_type = 'product' "
    "AND response_status < 400 GROUP BY entity_id ORDER BY n DESC LIMIT 10"
)


def duckdb(logs, sql, columns):
    types = ", ".join(f"{name}: '{kind}'" for name, kind in columns.items())
    events = f"read_json('{logs}/*.log', format = 'newline_delimited', ignore_errors = true, columns = {{{types}}})"
    return [str(CACHE / "bench-venv/bin/duckdb"), "-c", sql.format(events=events)]


def python(code):
    return [str(CACHE / "bench-venv/bin/python3"), "-c", code]


def commands(logs):
    """(what is asked, who answers, the command); of each question the first is loganalyze."""
    ours = str(TARGET / "loganalyze")
    ask = [ours, "sql", COUNT.format(events="events"), str(logs), "--quiet"]
    # A second column, because DuckDB 1.5 takes twice as long where it is asked for one alone.
    text = {"event_type": "VARCHAR", "entity_type": "VARCHAR"}
    time_column = {"timestamp": "TIMESTAMP", "entity_type": "VARCHAR"}
    product = text | {"entity_type": "VARCHAR", "entity_id": "VARCHAR", "response_status": "BIGINT"}
    chdb = (
        "import chdb; print(chdb.query(\"" + COUNT.format(events=f"file('{logs}/*.log', 'JSONEachRow', 'event_type String')") + "\"))"
    )
    lazy = (
        "import polars as pl; print(pl.scan_ndjson('" + str(logs) + "/*.log', schema={'event_type': pl.String}, ignore_errors=True)"
        ".group_by('event_type').len().collect())"
    )
    return [
        ("count by event type (SQL)", "loganalyze", ask),
        ("count by event type (SQL)", "duckdb", duckdb(logs, COUNT, text)),
        ("count by event type (SQL)", "clickhouse (chdb)", python(chdb)),
        ("count by event type (SQL)", "polars", python(lazy)),
        ("event-counts, paired lines found", "loganalyze", [ours, "event-counts", str(logs), "--quiet"]),
        ("event-counts, paired lines found", "duckdb, lines only", duckdb(logs, COUNT, text)),
        ("hourly-activity, paired lines found", "loganalyze", [ours, "hourly-activity", str(logs), "--quiet"]),
        ("hourly-activity, paired lines found", "duckdb, lines only", duckdb(logs, HOURLY, time_column)),
        ("product-views with visitors", "loganalyze", [ours, "product-views", str(logs), "--quiet"]),
        ("product-views with visitors", "duckdb, lines only", duckdb(logs, PRODUCTS, product)),
        ("funnel", "loganalyze", [ours, "funnel", str(logs), "--quiet"]),
    ]


def run(command):
    """Wall seconds and peak resident memory in MiB of one whole process."""
    begin = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    message = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - begin
    if status != 0:
        sys.exit(f"{command} failed: {message.decode(errors='replace')}")
    return seconds, usage.ru_maxrss / 1024


def prepare(size):
    logs = CACHE / f"bench-logs-{size}"
    if not logs.exists():
        part = logs.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        generator = str(TARGET / "examples/generate_logs")
        subprocess.run([generator, "--out", str(part), "--size", size, "--days", "30"], check=True, stdout=subprocess.DEVNULL)
        part.rename(logs)
    venv = CACHE / "bench-venv"
    if not (venv / "bin/duckdb").exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(venv / "bin/pip"), "install", "--quiet", "duckdb-cli", "chdb", "polars"], check=True)
    for path in logs.iterdir():
        path.read_bytes()
    return logs


def versions():
    listed = subprocess.run([str(CACHE / "bench-venv/bin/pip"), "list", "--format", "json"], capture_output=True, check=True)
    return {package["name"]: package["version"] for package in json.loads(listed.stdout)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", default="1GB", help="how much to generate, such as 1GB")
    parser.add_argument("--runs", type=int, default=5, help="how often each command runs")
    options = parser.parse_args()
    logs = prepare(options.size)
    todo = commands(logs)
    figures = [[] for _ in todo]
    for turn in range(options.runs + 1):
        for at, (_, _, command) in enumerate(todo):
            result = run(command)
            if turn > 0:  # The first is a warm-up.
                figures[at].append(result)
    size = sum(path.stat().st_size for path in logs.iterdir()) / 1e9
    peers = versions()
    print(f"{datetime.date.today()}, {os.cpu_count()} cores of {processor()}, {size:.2f} GB, medians of {options.runs} runs in turn; "
          f"duckdb {peers.get('duckdb-cli')}, chdb {peers.get('chdb')}, polars {peers.get('polars')}\n")
    print("| question | who | seconds | against loganalyze | GB/s | peak memory |\n| --- | --- | ---: | ---: | ---: | ---: |")
    ours = None
    for (question, who, _), runs in zip(todo, figures):
        seconds = statistics.median(seconds for seconds, _ in runs)
        memory = max(memory for _, memory in runs)
        ours = seconds if who == "loganalyze" else ours
        print(f"| {question} | {who} | {seconds:.2f} | {seconds / ours:.1f}× | {size / seconds:.2f} | {memory:.0f} MiB |")


def processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "an unknown processor"


if __name__ == "__main__":
    main()
