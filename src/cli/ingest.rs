//! `ingest`: new lines of logs go into a store, each once, however often it is run. Works through the logs some at a time,
//! each time all or nothing. Knows nothing of how the store keeps them.

use super::account::{Account, Limit, Rejected, SEE_REJECTS};
use super::answer::timeless_note;
use super::args::{Common, with_common};
use super::run::{TRIES, settings};
use super::say::{note, say};
use super::{memory, outputs, progress, times};
use crate::error::Error;
use crate::events::Events;
use crate::input::{Found, LogFile, Logs, find, is_replaced};
use crate::scan::reject::Tally;
use crate::scan::wanted::Wanted;
use crate::scan::{Scanned, Settings, scan};
use crate::sink;
use crate::store::{Day, Known, Reading, Source, Writer};
use chrono::NaiveDate;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::time::Instant;

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Log files, folders and patterns.
    pub inputs: Vec<String>,
    /// The store, which is made if there is none.
    pub store: PathBuf,
    /// The files that are to be written beside it, each with what names it.
    pub outputs: Vec<(&'static str, PathBuf)>,
    /// How all rejected lines are seen.
    pub see_rejects: &'static str,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Ingested {
    /// The days that are not as they were before, in order.
    pub days: Vec<NaiveDate>,
    /// How many events are new.
    pub events: u64,
    /// How many logs had something new.
    pub logs: usize,
    /// How many had nothing new.
    pub unchanged: usize,
    /// Bytes of last lines that are still being written.
    pub waiting: u64,
    /// What the user should know.
    pub notes: Vec<String>,
    /// What could not be found or read; another run tries again.
    pub failed: Vec<Error>,
    /// How many events the store holds now, and of how many days.
    pub holds: (u64, usize),
}

/// Options of reports, which say nothing to a store.
const UNUSED: [&str; 11] = [
    "since",
    "until",
    "gap",
    "split_midnight",
    "bots",
    "top",
    "format",
    "output",
    "chart",
    "explain",
    "color",
];

/// The command.
pub fn command() -> Command {
    let command = Command::new("ingest").after_help(
        "A log is known by its text, not by its name: rotated, renamed, compressed and copied logs are not\n\
         read twice, one that has grown is read from where it ended. A run can be repeated at any time.\n\
         Events keep their columns (loganalyze schema), in Parquet files that other programs read, too.\n\
         Example: loganalyze ingest sample_logs --store /tmp/lake",
    );
    let mut command = with_common(command, "keep what is new in a store, Parquet that every report reads");
    for option in UNUSED.into_iter().chain(["hash_pii"]) {
        command = command.mut_arg(option, |arg| arg.hide(true));
    }
    let command = command.mut_arg("inputs", |arg| arg.help("Log files, folders, globs (quoted or not)"));
    let command = command.mut_arg("max_rejects", |arg| {
        arg.help("The most of the new lines that may be rejected, as a number or a percentage; without this 10%, but nine at least")
    });
    command.mut_arg("store", |arg| {
        arg.required(true).help("The store's folder, which is made if it is not there")
    })
}

/// Runs the command.
///
/// # Errors
/// As [`ingest`]; also where a log could not be read.
pub fn run(options: &Common, matches: &ArgMatches) -> Result<(), Error> {
    let is_given = |option: &&&str| matches.value_source(option) == Some(ValueSource::CommandLine);
    if let Some(option) = UNUSED.iter().find(is_given) {
        return Err(Error::Usage(format!(
            "a store keeps all events as they are: give --{} to the reports that read it",
            option.replace('_', "-")
        )));
    }
    let Some(store) = &options.store else {
        return Err(Error::Usage("name the store's folder with --store".into()));
    };
    let plan = Plan {
        inputs: options.inputs.clone(),
        store: store.clone(),
        outputs: outputs::beside(options).collect(),
        see_rejects: SEE_REJECTS,
    };
    let mut account = Account::default();
    let ingested = ingest(&plan, options, &mut account)?;
    if let Some(path) = &options.summary {
        account.write_summary(path, serde_json::Map::new())?;
    }
    if !options.quiet {
        ingested.notes.iter().for_each(|text| note(text));
        say(&account.sentence());
        say(&ingested.sentence(&plan));
    }
    match ingested.failed.as_slice() {
        [] => Ok(()),
        failed => Err(Error::Store(format!(
            "{}\nall else was stored; the next run tries again",
            failed.iter().map(Error::to_string).collect::<Vec<_>>().join("\n"),
        ))),
    }
}

impl Ingested {
    fn count(&mut self, reading: &Reading, tally: &Tally) {
        if reading.is_untouched() {
            *if tally.lines > 0 { &mut self.logs } else { &mut self.unchanged } += 1;
        }
        self.waiting += tally.waiting;
    }

    /// `lake: 33,900 events of 7 days are new, from 7 logs (0 had nothing new); it holds 33,900 events of 7 days`.
    pub fn sentence(&self, plan: &Plan) -> String {
        let number = |count: u64, what: &str| {
            format!("{} {what}{}", sink::grouped(&count.to_string()), if count == 1 { "" } else { "s" })
        };
        let waiting = match self.waiting {
            0 => String::new(),
            bytes => format!("; {} of a last line wait until it is written", number(bytes, "byte")),
        };
        format!(
            "{}: {} stored from {} ({} without new lines){waiting}; it holds {} of {}",
            plan.store.display(),
            number(self.events, "new event"),
            number(self.logs as u64, "log"),
            sink::grouped(&self.unchanged.to_string()),
            number(self.holds.0, "event"),
            number(self.holds.1 as u64, "day"),
        )
    }
}

/// Reads what is new in these logs into the store.
///
/// # Errors
/// `Error::Locked`, `Error::Store`, `Error::Write`, too many rejects; what was stored before stays, and the next run goes on
/// from there.
pub fn ingest(plan: &Plan, options: &Common, account: &mut Account) -> Result<Ingested, Error> {
    if options.hash_pii {
        return Err(Error::Usage(
            "a store keeps events as they are, without secrets: give --hash-pii to the reports that read it"
                .into(),
        ));
    }
    let begin = Instant::now();
    let zone = times::zone(&options.tz)?;
    let (mut found, mut missing) = logs(plan, options)?;
    if let Some(stream) = found.activity.iter().find(|file| file.bytes.is_none()) {
        return Err(Error::Usage(format!(
            "{} cannot be known again, and would be stored once more by a repeat: name log files or folders",
            stream
                .path
                .as_ref()
                .map_or("standard input".into(), |path| format!("'{}', a pipe,", path.display()))
        )));
    }
    outputs::check(&plan.outputs, None, found.activity.iter())?;
    let mut writer = Writer::open(&plan.store, &options.tz, &options.redact)?;
    let mut ingested = Ingested { notes: std::mem::take(&mut writer.notes), ..Ingested::default() };
    let redact = &writer.store.manifest.redact.clone();
    let mut settings = settings(options, Wanted::all(), None, zone, false, redact)?;
    settings.row_bytes = None;
    let mut batches = Batches {
        settings,
        options,
        see_rejects: plan.see_rejects,
        limit: if options.max_rejects.is_none() && !options.strict {
            Limit::Usual
        } else {
            options.limit()?
        },
        // What is made of a text takes some times its room.
        bytes: (memory::size(&options.memory_limit)? / 4).max(1 << 20) as u64,
        touched: BTreeSet::new(),
        timeless: (0, 0),
    };
    let mut files = 0;
    for try_ in 0.. {
        let Known { readings, unchanged, failed } =
            Known::new(found.activity, &writer.store.manifest.sources);
        if try_ == 0 {
            (files, ingested.unchanged) = (readings.len(), unchanged);
        }
        ingested.notes.extend(found.notes);
        ingested.failed = missing.into_iter().chain(failed).collect();
        batches.run(&mut writer, readings.into(), &mut ingested, account)?;
        if try_ == TRIES || !ingested.failed.iter().any(is_replaced) {
            break;
        }
        // What could not be read has another name now.
        (found, missing) = logs(plan, options)?;
    }
    ingested.notes.extend(timeless_note(batches.timeless));
    let mut seen = BTreeSet::new();
    ingested.notes.retain(|text| seen.insert(text.clone()));
    ingested.days = batches.touched.iter().filter_map(|day| day.date()).collect();
    // A log that was read some at a time is one.
    account.files = files;
    account.seconds = begin.elapsed().as_secs_f64();
    ingested.holds = (writer.store.manifest.events(), writer.store.manifest.filled_days());
    Ok(ingested)
}

/// The logs that there are now, and why there are not more, as far as that is no mere note.
fn logs(plan: &Plan, options: &Common) -> Result<(Found, Vec<Error>), Error> {
    let mut found = find(&plan.inputs, Logs::Activity)?;
    if options.allow_empty || found.activity.is_empty() && found.unreadable.is_empty() {
        found = found.complete(options.allow_empty)?;
    }
    let missing = std::mem::take(&mut found.missing).into_iter().map(Error::NoInput);
    // Of a file that is there, who reads it says why it cannot.
    let unreadable = std::mem::take(&mut found.unreadable)
        .into_iter()
        .filter(|error| !matches!(error, Error::Read { path, .. } if found.holds(path)));
    let failed = missing.chain(unreadable).collect();
    Ok((found, failed))
}

/// The work, some at a time.
struct Batches<'a> {
    settings: Settings,
    options: &'a Common,
    see_rejects: &'static str,
    limit: Limit,
    /// About how many bytes of text are read at a time.
    bytes: u64,
    touched: BTreeSet<Day>,
    /// How many new events have no time, and how many there are.
    timeless: (u64, u64),
}

impl Batches<'_> {
    fn run(
        &mut self,
        writer: &mut Writer,
        mut queue: VecDeque<Reading>,
        ingested: &mut Ingested,
        account: &mut Account,
    ) -> Result<(), Error> {
        while !queue.is_empty() {
            let batch = self.next(&mut queue);
            let (batch, scanned) = self.scan(batch, ingested)?;
            let begin = account.seconds;
            let rejects = scanned.rejects;
            let rejected = Rejected { instead: "they were not stored", see_all: self.see_rejects };
            let read = Account { rejected, ..Account::of(&scanned.files, 0.0, rejects) };
            account.add(read, self.limit, self.options)?;
            account.seconds = begin;
            let mut total = Tally::default();
            scanned.files.iter().for_each(|file| total.add(&file.tally));
            let mut places = writer.store.manifest.sources.len()..;
            let mut sources: Vec<(Option<usize>, Source)> = Vec::new();
            let mut unfinished = Vec::new();
            for (mut reading, scan) in batch.into_iter().zip(&scanned.files) {
                let tally = &scan.tally;
                ingested.count(&reading, tally);
                let Some(source) = reading.read(scan) else { continue };
                sources.push((reading.source, source));
                let place = reading.source.or_else(|| places.next());
                if !reading.is_finished(scan) {
                    reading.go_on(tally, place);
                    unfinished.push(reading);
                }
            }
            unfinished.into_iter().rev().for_each(|reading| queue.push_front(reading));
            let events = Events { columns: scanned.columns, rows: scanned.rows };
            let (timeless, all) = events.timeless().unwrap_or_default();
            self.timeless = (self.timeless.0 + timeless, self.timeless.1 + all);
            self.touched.extend(writer.add(events, sources, &total)?);
            ingested.events += total.events;
        }
        Ok(())
    }

    /// The oldest logs, as much of them as may be read at a time.
    fn next(&self, queue: &mut VecDeque<Reading>) -> Vec<Reading> {
        let (mut batch, mut room) = (Vec::new(), self.bytes);
        while room > 0
            && let Some(mut reading) = queue.pop_front()
        {
            reading.file.part.bytes = Some(room);
            room = room.saturating_sub(reading.estimate());
            batch.push(reading);
        }
        batch
    }

    /// Reads a batch; a log that cannot be read is left out.
    fn scan(
        &self,
        mut batch: Vec<Reading>,
        ingested: &mut Ingested,
    ) -> Result<(Vec<Reading>, Scanned), Error> {
        loop {
            let files: Vec<LogFile> = batch.iter().map(|reading| reading.file.clone()).collect();
            let scanned = progress::watch(&files, !self.options.quiet, |progress| {
                scan(&files, &self.settings, progress)
            });
            match scanned {
                Ok(scanned) => return Ok((batch, scanned)),
                Err(Error::Read { path, source }) => {
                    let before = batch.len();
                    batch.retain(|reading| reading.file.name != path);
                    let error = Error::Read { path, source };
                    if batch.len() == before {
                        return Err(error);
                    }
                    ingested.failed.push(error);
                }
                Err(error) => return Err(error),
            }
        }
    }
}
