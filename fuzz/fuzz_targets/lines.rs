//! Any bytes as a log: every kernel, every size of chunk and the same log in memory give one result, which is
//! serde_json's line by line.
//!
//! How to run it, and `canonical` and `cookie`, from the top of the repository (after `cargo install cargo-fuzz --locked`;
//! the variable lets stable Rust pass on the sanitizer's flags). What is found on the way goes to the first folder:
//!
//! ```sh
//! mkdir -p fuzz/target/lines
//! RUSTC_BOOTSTRAP=1 cargo fuzz run lines fuzz/target/lines fuzz/corpus/lines -- -max_total_time=600
//! ```
//!
//! Up to twice as fast: `ASAN_OPTIONS=malloc_context_size=0:quarantine_size_mb=1:detect_leaks=0` and `-detect_leaks=0`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loganalyze::input::LogFile;
use loganalyze::scan::column::Column;
use loganalyze::scan::reject::Reason;
use loganalyze::scan::stops::{Kernel, Marks, pad};
use loganalyze::scan::{Progress, Scanned, Settings, scan};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

#[path = "../../tests/suite/oracle.rs"]
mod oracle;

/// Where the log is written for the scans that read a file.
static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("loganalyze-fuzz-{}.log", std::process::id())));

fuzz_target!(init: loganalyze::stay_on_one_thread(), |data: &[u8]| {
    let [kernel, chunk_bytes, max_line_bytes, log @ ..] = data else { return };
    // Behind a newline no bytes are taken for those of a compressed file.
    let log = [b"\n", log].concat();
    let lines: Vec<&[u8]> = log.split_inclusive(|&byte| byte == b'\n').collect();
    let kernels = Kernel::available();
    same_marks(&log, &kernels);
    let kernel = kernels[usize::from(*kernel) % kernels.len()];
    let whole = oracle::check(&lines, kernel);
    std::fs::write(&*FILE, &log).expect("the folder for temporary files can be written");
    in_chunks(&whole, 1 + usize::from(*chunk_bytes));
    if *max_line_bytes > 0 {
        with_limit(&lines, usize::from(*max_line_bytes));
    }
});

fn same_marks(log: &[u8], kernels: &[Kernel]) {
    let mut bytes = log.to_vec();
    pad(&mut bytes);
    let marks = |kernel: Kernel| {
        let mut marks = Marks::default();
        kernel.mark(&bytes, 0..bytes.len(), &mut marks);
        marks
    };
    let first = marks(kernels[0]);
    assert!(kernels[1..].iter().all(|&kernel| marks(kernel) == first));
}

fn scan_file(path: &Path, settings: &Settings) -> Scanned {
    let file = LogFile { name: "memory".into(), path: Some(path.into()), ..LogFile::default() };
    scan(&[file], settings, &Progress::default()).expect("the file was written just now")
}

/// Read in chunks of so many bytes the log gives what it gives in one.
fn in_chunks(whole: &Scanned, chunk_bytes: usize) {
    let chunks = scan_file(&FILE, &Settings { chunk_bytes, ..Settings::default() });
    assert_eq!((whole.rows, whole.total()), (chunks.rows, chunks.total()));
    assert_eq!(whole.rejects, chunks.rejects);
    for (name, column) in &whole.columns {
        let same = match (column, &chunks.columns[name]) {
            (Column::Bigint(a), Column::Bigint(b)) => a == b,
            (Column::Timestamp(a), Column::Timestamp(b)) => a == b,
            (Column::Double(a), Column::Double(b)) => a == b,
            (Column::Boolean(a), Column::Boolean(b)) => a == b,
            (Column::Text(a), Column::Text(b)) => (0..whole.rows).all(|row| a.get(row) == b.get(row)),
            _ => false,
        };
        assert!(same, "{name} in chunks of {chunk_bytes}");
    }
}

/// Just the lines that are longer than the limit are too long; every line is counted.
fn with_limit(lines: &[&[u8]], max_line_bytes: usize) {
    let scanned = scan_file(&FILE, &Settings { max_line_bytes, ..Settings::default() });
    let tally = scanned.total();
    let length = |line: &[u8]| line.strip_suffix(b"\n").unwrap_or(line).len();
    let too_long = lines.iter().filter(|line| length(line) > max_line_bytes).count();
    assert_eq!(tally.rejects_by_reason[Reason::TooLong as usize], too_long as u64);
    assert_eq!(tally.lines, tally.events + tally.rejects() + tally.blank);
    let bytes: usize = lines.iter().map(|line| line.len()).sum();
    assert_eq!((tally.lines, tally.bytes), (lines.len() as u64, bytes as u64));
}
