//! How fast each stage of a scan is, so that a regression is seen where it happens:
//! `cargo bench --bench stages`, with `-- --quick` for a first look, with `-- cookies` for one group.
//!
//! A stage that is private is reached by settings that leave nothing else to do: `tokens` and `columns` contain the marks,
//! and what `columns` takes beyond `tokens/canonical` is the columns' own.
#![allow(missing_docs, clippy::unwrap_used)]

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use loganalyze::events;
use loganalyze::input::{LogFile, Source};
use loganalyze::scan::builder::RowSettings;
use loganalyze::scan::stops::{Kernel, Marks, pad};
use loganalyze::scan::wanted::Wanted;
use loganalyze::scan::{Progress, Settings, scan, scan_bytes};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::hint::black_box;
use std::io::{Read, Write};
use std::path::Path;
use tempfile::NamedTempFile;

/// How long a log is at least.
const LOG_BYTES: usize = 8 << 20;

const CHUNK_BYTES: usize = 1 << 20;
const MAX_LINE_BYTES: usize = 64 << 20;

/// The lines of user activity in `sample_logs/` that are JSON, file after file. The others are traps: a single one that is not UTF-8 would
/// keep the quick walk from its whole chunk.
fn sample() -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_logs");
    let mut paths: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("user_activity"))
    });
    paths.sort();
    let mut lines = Vec::new();
    for path in paths {
        let mut bytes = std::fs::read(&path).unwrap();
        if path.extension().is_some_and(|extension| extension == "gz") {
            let packed = std::mem::take(&mut bytes);
            flate2::read::MultiGzDecoder::new(&packed[..]).read_to_end(&mut bytes).unwrap();
        }
        for line in bytes.split(|&byte| byte == b'\n').filter(|line| object(line).is_some()) {
            lines.extend_from_slice(line);
            lines.push(b'\n');
        }
    }
    lines
}

fn object(line: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(line).ok()
}

fn objects(lines: &[u8]) -> Vec<Map<String, Value>> {
    lines.split(|&byte| byte == b'\n').filter_map(object).collect()
}

/// So often that the log is long enough.
fn repeated(lines: &[u8]) -> Vec<u8> {
    lines.repeat(LOG_BYTES.div_ceil(lines.len()))
}

fn reading(wanted: Wanted) -> Settings {
    let settings = Settings::default();
    Settings { rows: RowSettings { wanted, ..settings.rows }, ..settings }
}

/// The columns that this query needs, as the program finds them: by their names.
fn of_query(sql: &str) -> Wanted {
    let words = sql.lines().filter(|line| !line.starts_with("--")).flat_map(|line| {
        line.split(|c: char| !(c.is_ascii_lowercase() || c == '_')).filter(|word| !word.is_empty())
    });
    events::with_sources(Wanted::of(words))
}

fn bench_scan(group: &mut BenchmarkGroup<WallTime>, name: &str, log: &[u8], wanted: Wanted) {
    let settings = reading(wanted);
    group.throughput(Throughput::Bytes(log.len() as u64));
    group.bench_function(name, |bencher| bencher.iter(|| scan_bytes(black_box(log), &settings)));
}

fn marks(criterion: &mut Criterion) {
    let mut log = repeated(&sample());
    pad(&mut log);
    let mut group = criterion.benchmark_group("marks");
    group.throughput(Throughput::Bytes(log.len() as u64));
    for kernel in Kernel::available() {
        let mut marks = Marks::default();
        let name = format!("{kernel:?}");
        group.bench_function(name, |bencher| {
            bencher.iter(|| kernel.mark(black_box(&log), 0..log.len(), &mut marks))
        });
    }
}

fn tokens(criterion: &mut Criterion) {
    let sample = sample();
    // Without the spaces of `json.dumps` nothing is left to the quick walk.
    let objects = objects(&sample);
    let compact: String =
        objects.iter().map(|object| serde_json::to_string(object).unwrap() + "\n").collect();
    let mut group = criterion.benchmark_group("tokens");
    bench_scan(&mut group, "canonical", &repeated(&sample), Wanted::default());
    bench_scan(&mut group, "compact", &repeated(compact.as_bytes()), Wanted::default());
}

fn columns(criterion: &mut Criterion) {
    let log = repeated(&sample());
    let numbers = ["timestamp", "user_id", "product_id", "response_status", "process_time", "is_new_item"];
    let mut group = criterion.benchmark_group("columns");
    bench_scan(&mut group, "numbers", &log, Wanted::of(numbers));
    bench_scan(&mut group, "event-counts", &log, of_query(include_str!("../queries/event-counts.sql")));
    bench_scan(&mut group, "all", &log, Wanted::all());
}

/// Lines with nothing but a cookie, each once: what is remembered of the last ones is of no use.
fn cookies(criterion: &mut Criterion) {
    let objects = objects(&sample());
    let sessions = objects.iter().filter_map(|object| object.get("session_id")?.as_str());
    let cookies: BTreeSet<&str> = sessions.filter(|session| session.contains('.')).collect();
    let lines: String = cookies.iter().map(|cookie| format!("{{\"session_id\": \"{cookie}\"}}\n")).collect();
    let mut group = criterion.benchmark_group("cookies");
    bench_scan(&mut group, "walked", lines.as_bytes(), Wanted::default());
    bench_scan(&mut group, "read", lines.as_bytes(), Wanted::of(["session_id"]));
}

fn file_of(bytes: &[u8]) -> (NamedTempFile, LogFile) {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let path = Some(file.path().to_owned());
    (file, LogFile { name: "bench".into(), path, bytes: Some(bytes.len() as u64), ..LogFile::default() })
}

/// Throughput counts the decompressed bytes. The sample is taken once: what repeats compresses too well.
fn inflate(criterion: &mut Criterion) {
    let log = sample();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&log).unwrap();
    let mut group = criterion.benchmark_group("inflate");
    group.throughput(Throughput::Bytes(log.len() as u64));
    let packed = [
        ("plain", log.clone()),
        ("gz", gzip.finish().unwrap()),
        ("zst", zstd::encode_all(&log[..], 3).unwrap()),
    ];
    for (name, packed) in packed {
        let (_folder, file) = file_of(&packed);
        let mut buffer = Vec::new();
        let open = || Source::open(&file, CHUNK_BYTES, MAX_LINE_BYTES).unwrap();
        let mut read = |mut source: Source| while source.next_chunk(&mut buffer).unwrap().is_some() {};
        group.bench_function(name, |bencher| {
            bencher.iter_batched(open, &mut read, BatchSize::PerIteration);
        });
    }
}

fn lines(criterion: &mut Criterion) {
    let log = repeated(&sample());
    let (_folder, file) = file_of(&log);
    let files = [file];
    let mut group = criterion.benchmark_group("lines");
    group.throughput(Throughput::Bytes(log.len() as u64));
    for threads in [1, 2] {
        let settings = reading(of_query(include_str!("../queries/event-counts.sql")));
        let settings = Settings { threads, chunk_bytes: CHUNK_BYTES, ..settings };
        group.bench_function(format!("threads-{threads}"), |bencher| {
            bencher.iter(|| scan(&files, &settings, &Progress::default()).unwrap());
        });
    }
}

criterion_group!(stages, marks, tokens, columns, cookies, inflate, lines);
criterion_main!(stages);
