//! System logs become the columns of `app_events`. Each file is read by one thread from its beginning to its end, for a
//! line may belong to the one before; what a file leaves unfinished is not in the next. The rows are handed on in batches,
//! so that memory stays bounded. Knows nothing of reports, DataFrames and the command line.

mod lines;
mod record;
mod rows;
mod template;

pub use rows::Columns;

use super::column::Column;
use super::reject::Reject;
use super::{FileScan, Progress, Settings, side_by_side};
use crate::cores;
use crate::error::Error;
use crate::input::{LogFile, Source};
use lines::Reader;
use rows::Rows;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Some rows of one file.
#[derive(Debug)]
pub struct Batch {
    /// The file's number and the batch's within the file: batches in this order have their rows in the logs' order.
    pub place: (usize, usize),
    /// The wanted columns but for those that are derived from the timestamp.
    pub columns: Columns,
    /// How many rows each has.
    pub rows: usize,
    /// About how many bytes they take.
    pub bytes: usize,
}

impl Batch {
    /// When the records were written, microseconds, where that is known and wanted.
    pub fn times(&self) -> impl Iterator<Item = i64> {
        let times = self.columns.get("timestamp").and_then(|column| match column {
            Column::Timestamp(times) => Some(times.iter().flatten()),
            _ => None,
        });
        times.into_iter().flatten()
    }
}

/// What happens to each batch.
pub type Take<'a> = &'a (dyn Fn(Batch) -> Result<(), Error> + Sync);

/// No rows of these columns.
pub fn no_rows(names: &[&'static str], settings: &Settings) -> Columns {
    Rows::new(names, settings).take().0
}

/// Scans system logs with as many threads as the settings say and hands their rows to `take`; returns what each file held
/// and the rejected lines in order.
///
/// # Errors
/// The first file that cannot be read, or what `take` gives; `Error::Threads`.
pub fn scan(
    files: &[LogFile],
    names: &[&'static str],
    settings: &Settings,
    progress: &Progress,
    take: Take,
) -> Result<(Vec<FileScan>, Vec<Reject>), Error> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let threads = settings.threads.clamp(1, files.len().max(1));
    let work = |thread: usize| {
        cores::spread(thread, threads);
        let mut done = Vec::new();
        while !failed.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(number) else { break };
            let rows = Rows::new(names, settings);
            let scanned = scan_file(number, file, rows, settings, progress, take);
            failed.fetch_or(scanned.is_err(), Ordering::Relaxed);
            done.push((number, scanned));
        }
        done
    };
    let mut done: Vec<_> = side_by_side(threads, &failed, work)?.into_iter().flatten().collect();
    done.sort_by_key(|(number, _)| *number);
    let (mut scans, mut rejects) = (Vec::new(), Vec::new());
    for (_, scanned) in done {
        let (scan, rejected) = scanned?;
        scans.push(scan);
        rejects.extend(rejected);
    }
    Ok((scans, rejects))
}

fn scan_file(
    number: usize,
    file: &LogFile,
    rows: Rows,
    settings: &Settings,
    progress: &Progress,
    take: Take,
) -> Result<(FileScan, Vec<Reject>), Error> {
    let mut source = Source::open(file, settings.chunk_bytes, settings.max_line_bytes)?;
    let mut reader = Reader::new(&file.name, rows, settings);
    let mut buffer = Vec::new();
    let (mut batches, mut count, mut read) = (0, 0, 0);
    let mut hand_on = |reader: &mut Reader| {
        let bytes = reader.rows.bytes();
        let (columns, rows) = reader.rows.take();
        count += rows;
        batches += 1;
        take(Batch { place: (number, batches), columns, rows, bytes })
    };
    while let Some(info) = source.next_chunk(&mut buffer)? {
        progress.bytes.fetch_add(source.bytes_read() - read, Ordering::Relaxed);
        read = source.bytes_read();
        reader.chunk(&buffer, &info);
        hand_on(&mut reader)?;
    }
    reader.end();
    hand_on(&mut reader)?;
    // A record's lines are judged when it ends.
    reader.rejects.sort_by_key(|reject| reject.line);
    let (name, tally) = (file.name.clone(), reader.tally);
    Ok((FileScan { name, tally, rows: 0..count, ..FileScan::default() }, reader.rejects))
}
