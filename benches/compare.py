#!/usr/bin/env python3
"""Times loganalyze against its peers on the same logs, on the same machine, in one go.

    cargo build --release --examples --bins && python3 benches/compare.py [--size 1GB] [--runs 7] [--only ROW…] [--big [10GB]]

Every command is a whole process, from start to exit, with the logs in the page cache. All commands run in turn, so
that a machine that is busy for a while slows all of them; the first turn warms up, the figures are medians of the
others. Logs are generated into the cache folder, peers come from their public Python packages into a virtual
environment there. The result is a Markdown table on standard output. Needs Linux and Python 3.11. Figures of a busy
machine say little: look at the ratios. To see that the script itself works: --size 50MB --runs 1.
"""

import argparse
import csv
import datetime
import json
import os
import pathlib
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "loganalyze"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
OURS = str(TARGET / "loganalyze")
GENERATOR = str(TARGET / "examples/generate_logs")
VENV = CACHE / "bench-venv"
PEERS = ["duckdb-cli", "chdb", "polars"]
ROWS = "sql event-counts hourly-activity product-views report gz zst threads start big memory-limit".split()
REPORTS = ["event-counts", "hourly-activity", "product-views", "funnel"]

COUNT = "SELECT event_type, COUNT(*) AS n FROM {events} GROUP BY event_type"
HOURLY = (
    "SELECT CAST(timestamp AS DATE) AS date, EXTRACT(HOUR FROM timestamp) AS hour, COUNT(*) AS n "
    "FROM {events} GROUP BY ALL ORDER BY ALL"
)
PRODUCTS = (
    "SELECT entity_id, COUNT(*) AS n FROM {events} WHERE event_type = 'view' AND entity_type = 'product' "
    "AND response_status < 400 GROUP BY entity_id ORDER BY n DESC LIMIT 10"
)
# A session cookie changes with every answer: address and browser are the nearest that plain SQL has to a visitor.
# Joined text, a hash, or the cookie instead of this row of two were no faster in DuckDB.
CLIENTS = "COUNT(DISTINCT (ip_address, user_agent)) FILTER (WHERE {})"
STEPS = [
    "event_type = 'view' AND entity_type = 'product' AND response_status < 400",
    "event_type = 'cart_add'",
    "path = '/checkout' AND method = 'GET' AND response_status = 200",
    "path LIKE '/orders/%/confirmation' AND response_status = 200",
]
FUNNEL = f"SELECT {', '.join(map(CLIENTS.format, STEPS))} FROM {{events}}"

# Never a single column: DuckDB 1.5 then takes several times as long over many files. With two it was faster than over one
# big file and than with `json ->>` on whole lines; more threads or rows in any order gained nothing.
TEXT = {"event_type": "VARCHAR", "entity_type": "VARCHAR"}
TIME = {"timestamp": "TIMESTAMP", "entity_type": "VARCHAR"}
PRODUCT = TEXT | {"entity_id": "VARCHAR", "response_status": "BIGINT"}
STEP = TEXT | dict.fromkeys(["path", "method", "ip_address", "user_agent"], "VARCHAR") | {"response_status": "BIGINT"}

# What a process may take beyond its limit: 600 MB at 512 MB.
ALLOWANCE = 88e6


class Failed(Exception):
    """A command that did not end well, and why."""


class Race(NamedTuple):
    """A row: commands whose times add up, a peer's for the same, and how many times as fast loganalyze must be; without a
    peer, in how many seconds it must be done."""

    name: str
    question: str
    ours: list
    must: float
    peer: str = ""
    theirs: list = []


def loganalyze(*arguments):
    return (OURS, *map(str, arguments), "--quiet")


def duckdb(logs, sql, columns, *options):
    types = ", ".join(f"{name}: '{kind}'" for name, kind in columns.items())
    events = f"read_json('{logs}/*', format = 'newline_delimited', ignore_errors = true, columns = {{{types}}})"
    return (str(VENV / "bin/duckdb"), "-no-init", *options, "-c", sql.format(events=events))


def python(code):
    return (str(VENV / "bin/python3"), "-c", code)


def chdb(logs):
    """ClickHouse's JSON function over whole lines is a little faster than its JSONEachRow format."""
    events = f"(SELECT JSONExtractString(line, 'event_type') AS event_type FROM file('{logs}/*', 'LineAsString', 'line String'))"
    return python(f'import chdb; print(chdb.query("{COUNT.format(events=events)}"))')


def polars(logs):
    scan = f"pl.scan_ndjson('{logs}/*', schema={{'event_type': pl.String}}, ignore_errors=True)"
    return python(f"import polars as pl; print({scan}.group_by('event_type').len().collect(engine='streaming'))")


def races(logs, packed, scratch):
    """The rows that compare times on the same logs."""
    count = loganalyze("sql", COUNT.format(events="events"), logs)
    plain = duckdb(logs, COUNT, TEXT)
    hourly, products = duckdb(logs, HOURLY, TIME), duckdb(logs, PRODUCTS, PRODUCT)
    four = [plain, hourly, products, duckdb(logs, FUNNEL, STEP)]
    report = loganalyze("report", "--only", ",".join(REPORTS), logs, "-o", scratch / "report")
    asked = "SQL: count by event type"
    yield Race("sql", asked, [count], 2, "DuckDB", [plain])
    yield Race("sql", asked, [count], 3, "ClickHouse (chdb)", [chdb(logs)])
    yield Race("sql", asked, [count], 3, "Polars", [polars(logs)])
    for name, extra, must, peer, command in (
        ("event-counts", "paired lines found", 1.5, "DuckDB, plain count", plain),
        ("hourly-activity", "paired lines found", 1.5, "DuckDB, plain hours", hourly),
        ("product-views", "cookies decoded", 1, "DuckDB, plain count", products),
    ):
        yield Race(name, f"`{name}`, {extra}", [loganalyze(name, logs)], must, peer, [command])
    yield Race("report", "`report`: these three and `funnel`, one scan", [report], 3, "DuckDB, four plain queries in turn", four)
    for kind, folder in packed.items():
        ours, theirs = loganalyze("sql", COUNT.format(events="events"), folder), duckdb(folder, COUNT, TEXT)
        yield Race(kind, f"{asked}, eight `.{kind}` files", [ours], 1.5, "DuckDB", [theirs])
    one, two = (loganalyze("event-counts", logs, "--threads", threads) for threads in (1, 2))
    yield Race("threads", "`event-counts --threads 2`", [two], 1.8, "`--threads 1`", [one])
    yield Race("start", "`event-counts sample_logs`, start to exit", [loganalyze("event-counts", ROOT / "sample_logs")], 0.05)


def run(command, environment=None):
    """Wall seconds and peak resident bytes of one whole process."""
    begin = time.perf_counter()
    try:
        child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    except OSError as error:
        raise Failed(f"{pathlib.Path(command[0]).name}: {error.strerror}") from error
    message = child.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - begin
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise Failed(f"exit code {child.returncode}: {reason(message)}")
    return seconds, usage.ru_maxrss * 1024


def reason(message):
    """The telling line of what a program said on standard error."""
    lines = message.strip().splitlines() or ["no message"]
    return lines[-1] if lines[0].startswith("Traceback") else lines[0]


def measured(races, runs):
    """Runs all commands in turn. The rows whose commands never failed, with time and memory of loganalyze and of the peer."""
    # What takes milliseconds is measured at least 21 times in all.
    commands = {command: 1 if race.theirs else -(-21 // runs) for race in races for command in race.ours + race.theirs}
    figures, failures = {command: [] for command in commands}, {}
    for turn in range(runs + 1 if commands else 0):
        say(f"turn {turn} of {runs}" if turn else "warming up")
        for command in [command for command, times in commands.items() for _ in range(times)]:
            try:
                if command not in failures:
                    figure = run(command)
                    figures[command] += [figure] if turn else []
            except Failed as failure:
                failures[command] = failure
    for race in races:
        if failed := [failures[command] for command in race.ours + race.theirs if command in failures]:
            say(f"left out: {race.name} {race.peer}: {failed[0]}")
        else:
            yield race, median(figures, race.ours), median(figures, race.theirs)


def median(figures, commands):
    """Median of the seconds of all these commands together, and the highest peak memory among them."""
    turns = list(zip(*(figures[command] for command in commands)))
    seconds = [sum(seconds for seconds, _ in turn) for turn in turns]
    return (statistics.median(seconds), max(peak for turn in turns for _, peak in turn)) if turns else (None, None)


def verdict(met):
    return "yes" if met else "**no**"


def memory(ours, theirs):
    return f"{mega(ours)} ({mega(theirs)})"


def compared(races, runs):
    for race, (seconds, peak), (other, other_peak) in measured(races, runs):
        if race.theirs:
            ratio, theirs = other / seconds, f"{race.peer}: {other:.2f} s"
            met, must = verdict(ratio >= race.must), f"≥ {race.must:g}×"
            yield race.question, f"{seconds:.2f} s", theirs, f"{ratio:.2f}×", must, met, memory(peak, other_peak)
        else:
            met, must = verdict(seconds <= race.must), f"≤ {race.must * 1e3:.0f} ms"
            yield race.question, f"{seconds * 1e3:.0f} ms", "", "", must, met, mega(peak)


def grown(logs, big, runs):
    """Time per GB and memory of ten times the logs, beside those of the small ones; in fewer turns, as they are long."""
    reports = ("event-counts", "product-views")
    races = [Race("big", f"`{name}`", [loganalyze(name, big)], 1.1, name, [loganalyze(name, logs)]) for name in reports]
    for race, (seconds, peak), (other, other_peak) in measured(races, min(runs, 3)):
        each, other_each = seconds / giga(big), other / giga(logs)
        ratio, theirs = each / other_each, f"{giga(logs):.2f} GB: {other_each:.2f} s a GB"
        met, must = verdict(ratio <= race.must and peak <= 2**30), f"≤ {race.must}×, ≤ {mega(2**30)}"
        question = f"{race.question}, {giga(big):.1f} GB"
        yield question, f"{each:.2f} s a GB", theirs, f"{ratio:.2f}× the time", must, met, memory(peak, other_peak)


def limited(logs, scratch):
    """Each report with and without a limit of memory, once: same output, how much memory, what files stay behind?"""
    limit = max(64, min(512, round(giga(logs) / 10 * 512)))
    asked = {name: [name] for name in [*REPORTS, "quality"]} | {"report": ["report", "--only", ",".join(REPORTS)]}
    for name, words in asked.items():
        say(f"memory limit: {name}")
        try:
            cells = limited_report([*words, logs, "--top", 0], limit, pathlib.Path(tempfile.mkdtemp(dir=scratch)))
            yield f"`{name} --memory-limit {limit}MB`, {giga(logs):.2f} GB", *cells
        except Failed as failure:
            say(f"left out: memory-limit {name}: {failure}")


def limited_report(words, limit, scratch):
    """The cells of one report but the first."""
    temporary, *outputs = (scratch / use for use in ("temporary", "free", "limited", "interrupted"))
    for folder in (temporary, *outputs):
        folder.mkdir()
    target = "all" if words[0] == "report" else "it.csv"
    free, bound, cut = (loganalyze(*words, "-o", folder / target) for folder in outputs)
    option, environment = ("--memory-limit", f"{limit}MB"), os.environ | {"TMPDIR": str(temporary)}
    seconds, peak = run(bound + option, environment)
    left = list(temporary.iterdir())
    # Without this there is a limit too, the default.
    other, other_peak = run(free + ("--memory-limit", "1TB"))
    remark = interrupt(cut + option, environment, seconds)
    allowed = limit * 1e6 + ALLOWANCE
    faults = {
        "no output": not contents(outputs[0]),
        "other bytes": contents(outputs[0]) != contents(outputs[1]),
        "too much memory": peak > allowed,
        "files left": left,
        "files left after Ctrl-C": [*temporary.iterdir(), *outputs[2].rglob(".*")],
    }
    wrong = [fault for fault, found in faults.items() if found]
    met = ", ".join([verdict(not wrong), *wrong, *remark])
    must, ratio = f"same bytes, ≤ {mega(allowed)}, no file left", f"{seconds / other:.2f}× the time"
    return f"{seconds:.2f} s", f"no limit: {other:.2f} s", ratio, must, met, memory(peak, other_peak)


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def interrupt(command, environment, seconds):
    """Sends Ctrl-C's signal a while after something was written to a temporary file; remarks if it could not."""
    child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    spilled = False
    while not spilled and child.poll() is None:
        spilled = has_written(child.pid, environment["TMPDIR"])
        time.sleep(0.002)
    try:
        time.sleep(seconds / 20 if spilled else 0)
        child.send_signal(signal.SIGINT)
        code = child.wait(60)
    except subprocess.TimeoutExpired as error:
        child.kill()
        child.wait()
        raise Failed("still running a minute after Ctrl-C") from error
    return [] if spilled and code != 0 else ["Ctrl-C came too late"] if spilled else ["wrote no temporary file"]


def has_written(process, folder):
    """Whether this process has a file open in this folder that is not empty; it need not have a name."""
    try:
        files = list(os.scandir(f"/proc/{process}/fd"))
        return any(os.readlink(file).startswith(folder) and os.stat(file).st_size > 0 for file in files)
    except OSError:  # The process has ended, or closed a file while we looked.
        return False


def check(logs):
    """Warns unless DuckDB counts as many lines of each type in these logs as loganalyze does."""
    sql = COUNT.replace("event_type,", "COALESCE(event_type, '(none)') AS event_type,")
    asked = {"n": duckdb(logs, sql, TEXT, "-csv"), "lines": loganalyze("event-counts", logs, "--format", "csv")}
    try:
        tables = {column: csv.DictReader(output(command).splitlines()) for column, command in asked.items()}
    except Failed as failure:
        return say(f"not checked that DuckDB and loganalyze count the same: {failure}")
    theirs, ours = ({(row["event_type"], int(row[column])) for row in table} for column, table in tables.items())
    if ours != theirs:
        print(f"**Warning: DuckDB does not count the lines of {logs.name} as loganalyze does: {sorted(ours ^ theirs)}**\n")


def output(command):
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except OSError as error:
        raise Failed(f"{pathlib.Path(command[0]).name}: {error.strerror}") from error
    except subprocess.CalledProcessError as error:
        raise Failed(f"exit code {error.returncode}: {reason(error.stderr)}") from error


def generated(size):
    """The folder of logs of this size: 30 daily files."""
    command = (GENERATOR, "--size", size, "--days", "30", "--out")
    return made(CACHE / f"bench-logs-{size}", lambda part: output((*command, str(part))))


# Runs in the virtual environment, which may have zstandard.
PACK = """
import gzip, pathlib, shutil, sys
kind, target, *days = sys.argv[1:]
if kind == "zst":
    try:
        from compression import zstd
    except ImportError:
        import zstandard as zstd
pathlib.Path(target).mkdir()
for n in range(8):
    part = days[n * len(days) // 8:(n + 1) * len(days) // 8]
    path = pathlib.Path(target, pathlib.Path(part[0]).name + "." + kind)
    with gzip.open(path, "wb", 6) if kind == "gz" else zstd.open(path, "wb") as packed:
        for day in part:
            with open(day, "rb") as lines:
                shutil.copyfileobj(lines, packed, 1 << 20)
"""


def compressed(logs, kind):
    """The same lines in eight compressed files."""
    days = map(str, sorted(logs.iterdir()))
    return made(logs.with_name(f"{logs.name}-{kind}"), lambda part: output((*python(PACK), kind, str(part), *days)))


def made(folder, write):
    """This folder, whole or not at all."""
    if not folder.exists():
        say(f"making {folder.name}")
        part = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        try:
            write(part)
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder


def peers():
    """Installs what is missing; names and versions of the peers that are there."""
    if not (VENV / "bin/pip").exists():
        output((sys.executable, "-m", "venv", str(VENV)))
    pip = str(VENV / "bin/pip")
    listed = (pip, "list", "--format", "json", "--disable-pip-version-check")
    found = {package["name"] for package in json.loads(output(listed))}
    for package in [package for package in [*PEERS, "zstandard"] if package not in found]:
        try:
            output((pip, "install", "--quiet", "--disable-pip-version-check", package))
        except Failed as failure:
            say(f"cannot install {package}: {failure}")
    versions = {package["name"]: package["version"] for package in json.loads(output(listed))}
    return ", ".join(f"{peer} {versions[peer]}" for peer in PEERS if peer in versions) or "no peers"


def machine():
    cpus = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line.split(":")[1].strip() for line in cpus if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores of {processor}, {memory:.0f} GiB of memory, load {os.getloadavg()[0]:.1f} at the start"


def giga(folder):
    return sum(path.stat().st_size for path in folder.iterdir()) / 1e9


def mega(size):
    return f"{size / 1e6:.0f} MB"


def say(text):
    print(f"compare: {text}", file=sys.stderr, flush=True)


def tables(options, wanted, scratch):
    """Prepares and measures; what the figures are of, and the rows."""
    about = f"{datetime.date.today()}, {machine()}; {output((OURS, '--version')).strip()}, {peers()}"
    logs, packed, big = generated(options.size), {}, None
    for kind in [kind for kind in ("gz", "zst") if kind in wanted]:
        try:
            packed[kind] = compressed(logs, kind)
        except Failed as failure:
            say(f"left out: {kind}: {failure}")
    try:
        big = generated(options.big) if options.big else None
        for folder in (logs, *packed.values()):
            check(folder)
        rows = list(compared([race for race in races(logs, packed, scratch) if race.name in wanted], options.runs))
        rows += grown(logs, big, options.runs) if big and "big" in wanted else []
        rows += limited(big or logs, scratch) if "memory-limit" in wanted else []
    finally:
        if big and not options.keep:
            shutil.rmtree(big)
    return f"{about}; {giga(logs):.2f} GB in {len(list(logs.iterdir()))} files; medians of {options.runs} runs in turn.", rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", default="1GB", help="how much to generate, such as 1GB")
    parser.add_argument("--runs", type=int, default=7, help="how often each command runs")
    parser.add_argument("--only", nargs="+", choices=ROWS, metavar="ROW", help=f"only these rows: {', '.join(ROWS)}")
    parser.add_argument("--big", nargs="?", const="10GB", help="also generate 10GB or so much, for the rows big and memory-limit")
    parser.add_argument("--keep", action="store_true", help="do not delete the big logs afterwards")
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    if options.big == options.size or (options.only == ["big"] and not options.big):
        parser.error("--big must be given and be more than --size")
    if not all(pathlib.Path(program).exists() for program in (OURS, GENERATOR)):
        sys.exit("compare: build first: cargo build --release --examples --bins")
    CACHE.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="bench-", dir=CACHE) as scratch:
            about, rows = tables(options, options.only or ROWS, pathlib.Path(scratch))
    except Failed as failure:
        sys.exit(f"compare: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
    if not rows:
        sys.exit("compare: nothing could be measured")
    head = "question", "loganalyze", "against", "ratio", "must", "met", "peak memory (of the other)"
    print(about + "\n", *(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)), sep="\n")


if __name__ == "__main__":
    main()
