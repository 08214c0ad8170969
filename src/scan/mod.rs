//! JSON lines become columns. Every line is checked whole and ends as an event, as a counted reject or as blank:
//! lines = events + rejects + blank. The verdict on a line depends on nothing but the line: not on the columns
//! that were asked for, nor on chunk borders, nor on the number of threads.
//! Knows nothing of reports, DataFrames and the command line.

pub mod agents;
pub mod app;
mod base64;
mod batch;
pub mod bits;
pub mod builder;
mod canonical;
mod client;
pub mod column;
pub mod cookie;
mod fields;
mod huffman;
mod in_order;
pub mod inflate;
pub mod json;
mod line;
mod numbers;
mod overflow;
mod recent;
pub mod redact;
pub mod reject;
mod rows;
mod shapes;
pub mod spill;
pub mod stops;
pub mod time;
#[cfg(target_arch = "x86_64")]
mod vectors;
pub mod visitors;
pub mod wanted;
mod wrapper;

use crate::cores;
use crate::error::Error;
use crate::input::{End, LogFile, Source};
use builder::RowSettings;
use column::{Column, Dictionary};
use in_order::{InOrder, Place};
use line::LineReader;
pub use overflow::PARTS;
use overflow::{room_beside_spill, spill_back, spill_rows};
use redact::Redaction;
use reject::{Reject, Tally};
use rows::{Piece, Together};
use spill::Spill;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};
use stops::Kernel;
use wanted::Wanted;

/// How to scan.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What becomes of a line's values.
    pub rows: RowSettings,
    /// How many threads read and scan, at least one.
    pub threads: usize,
    /// How many bytes are read at a time.
    pub chunk_bytes: usize,
    /// A longer line is rejected, so that memory stays bounded.
    pub max_line_bytes: usize,
    /// Whether to keep every rejected line or only some of each chunk.
    pub keep_all_rejects: bool,
    /// How the marks of a chunk are made.
    pub kernel: Kernel,
    /// How many bytes the rows may take before they go to temporary files; without this, any number.
    pub row_bytes: Option<usize>,
    /// Whether rows that go to temporary files carry the number of their file, in a column [`FILE`].
    pub number_files: bool,
}

/// The column of file numbers.
pub const FILE: &str = "file";

/// How far a scan is, for whoever looks from another thread.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes read from the inputs so far, compressed ones before decompression.
    pub bytes: AtomicU64,
}

/// What one file held.
#[derive(Debug, Clone, Default)]
pub struct FileScan {
    /// The file's name.
    pub name: String,
    /// How its lines were counted.
    pub tally: Tally,
    /// Its rows in the columns.
    pub rows: Range<usize>,
    /// Of a part of a file: the places up to which it may have been read.
    pub ends: [End; 2],
}

/// What a scan found.
#[derive(Debug, Default)]
pub struct Scanned {
    /// The wanted columns that come from keys, and `kind`.
    pub columns: BTreeMap<&'static str, Column>,
    /// How many rows each of them has.
    pub rows: usize,
    /// Every file, in order.
    pub files: Vec<FileScan>,
    /// Rejected lines in order: all or some, as asked for.
    pub rejects: Vec<Reject>,
    /// Where the rows are if they took more room than they may; `columns` is empty then, and the rows are in no order.
    pub spilled: Option<Spill>,
}

impl Scanned {
    /// The counts of all files together.
    pub fn total(&self) -> Tally {
        let mut total = Tally::default();
        self.files.iter().for_each(|file| total.add(&file.tally));
        total
    }
}

impl Default for Settings {
    /// All columns, one thread, 1 MiB at a time, lines of up to 64 MiB, Korean time.
    fn default() -> Self {
        Settings {
            rows: RowSettings {
                wanted: Wanted::all(),
                range: None,
                zone: chrono_tz::Asia::Seoul,
                redaction: Redaction::new(&[], false),
                client_names: true,
            },
            threads: 1,
            chunk_bytes: 1 << 20,
            max_line_bytes: 64 << 20,
            keep_all_rejects: true,
            kernel: Kernel::best(),
            row_bytes: None,
            number_files: false,
        }
    }
}

/// Scans what is in memory, as one file called `memory`: for tests, fuzzing and benchmarks.
pub fn scan_bytes(bytes: &[u8], settings: &Settings) -> Scanned {
    let file = LogFile { name: "memory".into(), bytes: Some(bytes.len() as u64), ..LogFile::default() };
    let mut reader = LineReader::new(settings);
    let info = crate::input::Chunk { offset: 0, overlong: false, discarded: 0, grows: false };
    let line::Chunk { tally, rows, rejects } = reader.chunk(&mut bytes.to_vec(), &info);
    let mut scanned = assemble(&[file], vec![Batch { file: 0, chunk: 0, tally, rows: rows.count, rejects }]);
    let mut together = no_rows(settings);
    together.add(Piece { file: 0, thread: 0 }, &rows, 0);
    scanned.columns = columns(settings, together, vec![reader.into_dictionaries()]);
    scanned
}

/// One file that threads take chunks from in turn.
struct Shared<'a> {
    file: &'a LogFile,
    state: Mutex<State>,
    done: AtomicBool,
}

#[derive(Default)]
struct State {
    source: Option<Source>,
    ends: [End; 2],
    chunks: usize,
    counted: u64,
}

/// What one chunk held: which file's, which of its chunks, and how many rows.
struct Batch {
    file: usize,
    chunk: usize,
    tally: Tally,
    rows: usize,
    rejects: Vec<Reject>,
}

/// Scans these files with as many threads as the settings say, each file by as many as are free.
///
/// # Errors
/// A file that cannot be read, one of them where there are several; no line of a torn file is passed over silently.
/// `Error::Threads` where the system does not give as many.
pub fn scan(files: &[LogFile], settings: &Settings, progress: &Progress) -> Result<Scanned, Error> {
    let shared: Vec<Shared> = files
        .iter()
        .map(|file| Shared { file, state: Mutex::default(), done: AtomicBool::new(false) })
        .collect();
    let bytes = files.iter().map(|file| file.part.bytes.or(file.bytes)).sum();
    let in_order = InOrder::new(no_rows(settings), files.len(), bytes, settings.threads, settings.row_bytes);
    let spill = settings.row_bytes.map(|_| Spill::new(PARTS));
    let failed = AtomicBool::new(false);
    let first_open = AtomicUsize::new(0);
    let work = |thread: usize| {
        cores::spread(thread, settings.threads);
        let worker = Worker {
            thread,
            shared: &shared,
            settings,
            progress,
            failed: &failed,
            first_open: &first_open,
            in_order: &in_order,
            spill: spill.as_ref(),
        };
        worker.run().inspect_err(|_| failed.store(true, Ordering::Relaxed))
    };
    let results = side_by_side(settings.threads, &failed, work)?;
    cores::spread_pool();
    let read: Vec<Read> = results.into_iter().collect::<Result<_, _>>()?;
    let is_spilled = |spill: &Spill| spill.rows() > 0 || read.iter().any(|read| !read.apart.is_empty());
    let spill = spill.filter(is_spilled);
    let (mut batches, mut dictionaries) = (Vec::new(), Vec::new());
    for (thread, read) in read.into_iter().enumerate() {
        if let Some(spill) = &spill {
            spill_rows(spill, settings, read.apart, &read.dictionaries)?;
            spill_back(spill, settings, &in_order, thread, &read.dictionaries)?;
        }
        batches.extend(read.batches);
        dictionaries.push(read.dictionaries);
    }
    let mut scanned = assemble(files, batches);
    for (file, shared) in scanned.files.iter_mut().zip(shared) {
        file.ends = shared.state.into_inner().unwrap_or_else(PoisonError::into_inner).ends;
    }
    if spill.is_none() {
        scanned.columns = columns(settings, in_order.finish(), dictionaries);
    }
    scanned.spilled = spill;
    Ok(scanned)
}

/// What each of so many threads, this one among them, makes of its number.
///
/// # Errors
/// `Error::Threads` where the system does not give as many; `failed` is set then, so that those that began stop.
fn side_by_side<T: Send>(
    threads: usize,
    failed: &AtomicBool,
    work: impl Fn(usize) -> T + Sync,
) -> Result<Vec<T>, Error> {
    let work = &work;
    std::thread::scope(|scope| {
        let begun = |thread| std::thread::Builder::new().spawn_scoped(scope, move || work(thread));
        let others: io::Result<Vec<_>> = (1..threads).map(begun).collect();
        let others = others.map_err(|error| {
            failed.store(true, Ordering::Relaxed);
            Error::Threads(threads, error)
        })?;
        let mine = work(0);
        let joined = others
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        Ok(std::iter::once(mine).chain(joined).collect())
    })
}

struct Worker<'a> {
    thread: usize,
    shared: &'a [Shared<'a>],
    settings: &'a Settings,
    progress: &'a Progress,
    failed: &'a AtomicBool,
    first_open: &'a AtomicUsize,
    in_order: &'a InOrder,
    spill: Option<&'a Spill>,
}

/// What a thread read.
struct Read {
    batches: Vec<Batch>,
    /// Rows that it did not put together with those of others.
    apart: Together,
    dictionaries: Vec<Dictionary>,
}

impl Worker<'_> {
    fn run(&self) -> Result<Read, Error> {
        let mut reader = LineReader::new(self.settings);
        let mut buffer = Vec::new();
        let mut batches: Vec<Batch> = Vec::new();
        // Once there are temporary files, each thread keeps its rows to itself.
        let (mut apart, mut is_apart) = (no_rows(self.settings), false);
        while !self.failed.load(Ordering::Relaxed) {
            let Some((place, info)) = self.next_chunk(&mut buffer)? else { break };
            let line::Chunk { tally, rows, rejects } = reader.chunk(&mut buffer, &info);
            let Place { file, chunk, .. } = place;
            batches.push(Batch { file, chunk, tally, rows: rows.count, rejects });
            let Some(spill) = self.spill.filter(|_| is_apart) else {
                let has_room = self.in_order.add(place, self.thread, rows, reader.dictionary_bytes());
                if let Some(spill) = self.spill.filter(|_| !has_room) {
                    is_apart = true;
                    let dictionaries = reader.take_dictionaries();
                    spill_back(spill, self.settings, self.in_order, self.thread, &dictionaries)?;
                }
                continue;
            };
            apart.add(Piece { file, thread: self.thread }, &rows, 0);
            // Most of the room is for what will be made of the rows now.
            if apart.bytes() + reader.dictionary_bytes() > room_beside_spill(self.settings) {
                let rows = std::mem::replace(&mut apart, no_rows(self.settings));
                spill_rows(spill, self.settings, rows, &reader.take_dictionaries())?;
            }
        }
        Ok(Read { batches, apart, dictionaries: reader.into_dictionaries() })
    }

    /// The next chunk of the oldest file that no other thread is reading from just now.
    fn next_chunk(&self, buffer: &mut Vec<u8>) -> Result<Option<(Place, crate::input::Chunk)>, Error> {
        loop {
            let first = self.first_open.load(Ordering::Relaxed);
            let mut busy = None;
            for (at, shared) in self.shared.iter().enumerate().skip(first) {
                if shared.done.load(Ordering::Acquire) {
                    continue;
                }
                let mut state = match shared.state.try_lock() {
                    Ok(state) => state,
                    Err(TryLockError::WouldBlock) => {
                        busy = busy.or(Some(shared));
                        continue;
                    }
                    Err(TryLockError::Poisoned(state)) => state.into_inner(),
                };
                if shared.done.load(Ordering::Acquire) {
                    continue;
                }
                let counted = state.counted;
                if let Some(info) = self.read(shared, &mut state, buffer)? {
                    let place = Place { file: at, chunk: state.chunks, bytes: state.counted - counted };
                    state.chunks += 1;
                    return Ok(Some((place, info)));
                }
                shared.done.store(true, Ordering::Release);
                self.in_order.end(at, state.chunks);
                let behind = &self.shared[first..];
                let done = behind.iter().take_while(|file| file.done.load(Ordering::Acquire)).count();
                self.first_open.fetch_max(first + done, Ordering::Relaxed);
            }
            // Every file left is being read from: wait for the oldest one's turn.
            let Some(shared) = busy else { return Ok(None) };
            drop(shared.state.lock());
        }
    }

    fn read(
        &self,
        shared: &Shared,
        state: &mut State,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<crate::input::Chunk>, Error> {
        if state.source.is_none() {
            state.source =
                Some(Source::open(shared.file, self.settings.chunk_bytes, self.settings.max_line_bytes)?);
        }
        let Some(source) = &mut state.source else { return Ok(None) };
        let info = source.next_chunk(buffer)?;
        let bytes = source.bytes_read();
        self.progress.bytes.fetch_add(bytes - state.counted, Ordering::Relaxed);
        state.counted = bytes;
        if info.is_none() {
            let source = state.source.take().filter(|_| shared.file.part.bytes.is_some());
            state.ends = source.map(Source::into_ends).unwrap_or_default();
        }
        Ok(info)
    }
}

/// Puts what chunks held into the order of the files and numbers the rejected lines.
fn assemble(files: &[LogFile], mut batches: Vec<Batch>) -> Scanned {
    batches.sort_by_key(|batch| (batch.file, batch.chunk));
    let mut scanned = Scanned::default();
    for file in files {
        scanned.files.push(FileScan { name: file.name.clone(), ..FileScan::default() });
    }
    let mut previous = usize::MAX;
    for Batch { file, tally, rows, rejects, .. } in batches {
        let account = &mut scanned.files[file];
        if file != previous {
            account.rows = scanned.rows..scanned.rows;
            previous = file;
        }
        let lines_before = files[file].part.lines + account.tally.lines;
        scanned.rejects.extend(rejects.into_iter().map(|mut reject| {
            reject.file.clone_from(&account.name);
            reject.line += lines_before;
            reject
        }));
        account.tally.add(&tally);
        scanned.rows += rows;
        account.rows.end = scanned.rows;
    }
    scanned
}

/// No rows of the columns that are built.
fn no_rows(settings: &Settings) -> Together {
    let kinds = builder::built(settings.rows.wanted).filter_map(crate::schema::column);
    Together::new(kinds.map(|column| column.kind))
}

/// The built columns of these rows.
fn columns(
    settings: &Settings,
    rows: Together,
    dictionaries: Vec<Vec<Dictionary>>,
) -> BTreeMap<&'static str, Column> {
    builder::built(settings.rows.wanted).zip(rows.into_columns(dictionaries)).collect()
}
