//! One command from words to bytes: find → scan → derive → query → write.

use super::account::{Account, Limit};
use super::answer::{self, Answer, evaluate_all};
use super::args::{Bots, Common, When, value};
use super::inputs::{inputs, of_store, zone_of_store};
use super::load::{self, Loaded};
use super::periods::Cut;
use super::question::{Question, explanation, questions};
use super::run_file::QueryFile;
use super::say::{note, say};
use super::target::Target;
use super::{
    config, describe, ingest, init, load_app, load_store, memory, nightly, outputs, page, store, times,
};
use crate::engine::seen::Seen;
use crate::error::Error;
use crate::events::{Sessions, needs_neighbours, with_sources};
use crate::input::{Found, LogFile, is_replaced};
use crate::report;
use crate::scan::Settings;
use crate::scan::builder::RowSettings;
use crate::scan::redact::Redaction;
use crate::scan::stops::Kernel;
use crate::scan::wanted::Wanted;
use crate::sink::page::{Page, Part};
use crate::sink::{About, Format};
use crate::store::Store;
use clap::parser::ValueSource;
use clap::{ArgMatches, FromArgMatches};
use ipnet::IpNet;
use rayon::prelude::*;
use std::io::Write;
use std::ops::Range;
use std::time::Instant;

/// Runs the command and returns the exit code; `file` is the query file that its words name.
///
/// # Errors
/// Whatever keeps it from being done; the message is for the user.
pub fn run(matches: &ArgMatches, file: Option<&QueryFile>) -> Result<u8, Error> {
    let Some((name, matches)) = matches.subcommand() else { return Ok(2) };
    match name {
        "schema" => return show_schema(matches),
        "store" => return store::run(matches),
        "nightly" => return nightly::run(matches),
        "config" => return config::run(matches),
        "init" => return init::run(matches),
        _ => {}
    }
    // What `run` and `compare` are about is a command of its own, and has the options.
    let own = matches.subcommand().map_or(matches, |(_, own)| own);
    let mut options = Common::from_arg_matches(own).map_err(|error| Error::Usage(error.to_string()))?;
    limit_threads(&options)?;
    if name == "ingest" {
        return ingest::run(&options, own).map(|()| 0);
    }
    if let Some(folder) = &options.store {
        // A variable is set for all stores, and each knows its own zone.
        let is_given = own.value_source("tz") == Some(ValueSource::CommandLine);
        options.tz = zone_of_store(folder, Some(&options.tz).filter(|_| is_given))?;
    }
    let mut questions = questions(name, matches, &mut options, file)?;
    if options.inputs.is_empty() && options.store.is_none() {
        if options.explain {
            let all: String = questions.iter().map(explanation).collect();
            return std::io::stdout().write_all(all.as_bytes()).map(|()| 0).map_err(Error::Stdout);
        }
        let what = matches.subcommand_name().map_or(name.to_owned(), |what| format!("{name} {what}"));
        return Err(Error::Usage(format!(
            "no input: name log files, folders, globs or - for standard input, such as 'loganalyze {what} logs/'"
        )));
    }
    let target = match name {
        _ if questions.len() > 1 => Target::of_several(&options)?,
        "report" => Target::of_set_of_one(&options)?,
        _ => Target::of_one(options.format.as_deref(), options.output.as_deref(), options.color)?,
    };
    if target.is_titled() && options.chart.is_none() {
        // One below the other they are an overview; --top 0 shows all rows.
        questions.iter_mut().filter(|question| question.report.is_some()).for_each(Question::shorten);
    }
    if target.is_folder() && options.chart.is_none() {
        // A file holds all rows; --top cuts it.
        questions.iter_mut().for_each(|question| question.top = 0);
    }
    let target = if options.chart.is_some() { target.with_pictures(&options)? } else { target };
    answer(questions, &options, &target)?;
    Ok(0)
}

fn show_schema(matches: &ArgMatches) -> Result<u8, Error> {
    let table = describe::schema_table()?;
    let target = Target::of_one(value(matches, "format").map(String::as_str), None, When::Auto)?;
    let about = About { name: "schema".into(), total_rows: table.height(), prose: true, ..About::default() };
    target.write(&table, &about, "")?;
    Ok(0)
}

/// Reads the logs once, answers one question after the other, and writes the answers.
fn answer(questions: Vec<Question>, options: &Common, target: &Target) -> Result<(), Error> {
    let span = target.format == Format::Parquet || target.has_page();
    let answered = answers(questions, options, span, Some(target))?;
    let written = answered.write(options, target);
    if !options.quiet && !target.format.has_notes() && !target.has_page() {
        answered.notes().iter().for_each(|text| note(text));
    }
    if !options.quiet && answered.has_no_events() {
        let what = match options.store {
            Some(_) => "'loganalyze store info' says which days it holds",
            None => "'loganalyze quality' says of each log when it begins and ends",
        };
        note(&format!("there is no event of that time: {what}"));
    }
    if let Some(path) = &options.summary {
        let notes = |(question, answer): &(Question, Answer)| {
            (question.name.clone(), answer.about.notes.clone().into())
        };
        answered.account.write_summary(path, answered.given.iter().map(notes).collect())?;
    }
    if !options.quiet {
        say(&answered.account.sentence());
    }
    written
}

/// Questions with their answers, and what was read for them.
pub struct Answered {
    /// Each question with its answer.
    pub given: Vec<(Question, Answer)>,
    /// What became of the lines.
    pub account: Account,
    /// What the page says of that, if it is not about all of them.
    pub accounting: Option<String>,
    loaded: Both,
}

impl Answered {
    /// Writes the answers, and where it has one, the page.
    ///
    /// # Errors
    /// `Error::Write` or `Error::Stdout`; `Error::Query` if Polars gives out.
    pub fn write(&self, options: &Common, target: &Target) -> Result<(), Error> {
        let write = |(question, Answer { whole, shown, about }): &(Question, Answer)| {
            let file = || target.write(shown, about, &question.title);
            let part = || page::part(question, target, about, whole, shown.height());
            let (written, part) = rayon::join(file, || target.has_page().then(part).transpose());
            written.and(part)
        };
        let parts: Vec<Option<Part>> = if target.is_folder() {
            // All that can be written is, and of what cannot the first in order is told.
            let written: Vec<_> = self.given.par_iter().map(write).collect();
            written.into_iter().collect::<Result<_, Error>>()?
        } else {
            self.given.iter().map(write).collect::<Result<_, Error>>()?
        };
        if target.has_page() {
            let mut page = Page::default();
            parts.into_iter().flatten().for_each(|part| page.add(part));
            let mut facts = page::facts(options, self.loaded.iter().flatten(), &self.account)?;
            facts.accounting = self.accounting.clone().unwrap_or(facts.accounting);
            target.write_page(&page, &facts)?;
        }
        Ok(())
    }

    /// Whether it is known that there are no events of the times that were asked for.
    fn has_no_events(&self) -> bool {
        let none =
            |loaded: &Loaded| !loaded.ranges.is_empty() && loaded.bots.is_some_and(|(_, all)| all == 0);
        let mut loaded = self.loaded.iter().flatten().peekable();
        loaded.peek().is_some() && loaded.all(none)
    }

    /// What there is to know of the answers beside their rows, each once, with the name of the one that it is about where there
    /// are several.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let several = self.given.len() > 1;
        for (question, Answer { shown, about, .. }) in &self.given {
            let (rows, all) = (shown.height(), about.total_rows);
            let cut = format!("the first {rows} of {all} rows; --top 0 gives all");
            for text in (rows < all).then_some(&cut).into_iter().chain(&about.notes) {
                let shared = self.given.iter().all(|(_, other)| other.about.notes.contains(text));
                let text =
                    if several && !shared { format!("{}: {text}", question.name) } else { text.clone() };
                if !notes.contains(&text) {
                    notes.push(text);
                }
            }
        }
        notes
    }
}

/// Reads the logs once and answers one question after the other; `span` asks when the first and the last event happened, and
/// `target` is where the answers go, if that is known.
///
/// # Errors
/// Whatever keeps it from being done; the message is for the user.
pub fn answers(
    mut questions: Vec<Question>,
    options: &Common,
    span: bool,
    target: Option<&Target>,
) -> Result<Answered, Error> {
    let zone = times::zone(&options.tz)?;
    let cut = cut(&questions, options, zone)?;
    let hull = cut.hull()?;
    let limit = limit(&questions, options)?;
    let mut store = options.store.as_deref().map(Store::open).transpose()?;
    let mut files = match &store {
        Some(store) => of_store(store, options, &mut questions)?,
        None => inputs(options, &mut questions)?,
    };
    let results = |target: &Target| target.files(questions.iter().map(|question| question.name.as_str()));
    let results = target.map(results).unwrap_or_default().into_iter().map(|path| ("-o", path));
    let outputs: Vec<_> = results.chain(outputs::beside(options)).collect();
    let made = target.filter(|target| target.is_folder()).and(options.output.as_deref());
    outputs::check(&outputs, made, files.activity.iter().chain(&files.system))?;
    if options.explain {
        questions.iter().for_each(|question| say(explanation(question).trim_end_matches('\n')));
    }
    let begin = Instant::now();
    let scan = Scan { options, zone, cut, hull, limit, span };
    let mut tries = 0;
    let (mut account, loaded, results) = loop {
        let read = match &mut store {
            Some(store) => store.ask(|store| scan.results(&files, &questions, Some(store))),
            None => scan.results(&files, &questions, None),
        };
        match read {
            Err(error) if is_replaced(&error) && tries < TRIES && !files.has_streams() => {
                tries += 1;
                files = inputs(options, &mut questions)?;
            }
            read => break read?,
        }
    };
    account.seconds = begin.elapsed().as_secs_f64();
    let mut answers = Vec::new();
    for ((question, loaded), result) in asked(&questions, &loaded).into_iter().zip(results) {
        answers.push(answer::answer(question, result, options, loaded, &account)?);
    }
    let given = questions.into_iter().zip(answers).collect();
    Ok(Answered { given, account, accounting: None, loaded })
}

/// How often logs that rotate while they are read are read from the beginning.
pub const TRIES: usize = 3;

/// What was read of user activity and of system logs.
type Both = [Option<Loaded>; 2];

/// Each question with what was read for it.
fn asked<'a>(questions: &'a [Question], [activity, system]: &'a Both) -> Vec<(&'a Question, &'a Loaded)> {
    let of = |question: &Question| if question.is_of_system_logs() { system } else { activity };
    questions.iter().filter_map(|question| Some((question, of(question).as_ref()?))).collect()
}

/// How logs are to be read.
struct Scan<'a> {
    options: &'a Common,
    zone: chrono_tz::Tz,
    cut: Cut,
    /// A range that holds all of the cut, if that is known before.
    hull: Option<Range<i64>>,
    limit: Limit,
    /// Whether it is asked when the first and the last event happened.
    span: bool,
}

impl Scan<'_> {
    /// What became of the lines, what was read, and what that says to each question; user activity is that of the store, if there
    /// is one.
    fn results(
        &self,
        files: &Found,
        questions: &[Question],
        store: Option<&Store>,
    ) -> Result<(Account, Both, Vec<answer::Rows>), Error> {
        let mut account = Account::default();
        let (of_system, of_activity): (Vec<&Question>, Vec<&Question>) =
            questions.iter().partition(|question| question.is_of_system_logs());
        let activity = self.activity(&files.activity, &of_activity, store, &mut account)?;
        let system = self.system(&files.system, &of_system, &mut account)?;
        let loaded = [activity, system];
        let results = evaluate_all(&asked(questions, &loaded))?;
        Ok((account, loaded, results))
    }

    /// Reads what these questions of user activity need, if there are any.
    fn activity(
        &self,
        files: &[LogFile],
        questions: &[&Question],
        store: Option<&Store>,
        account: &mut Account,
    ) -> Result<Option<Loaded>, Error> {
        if questions.is_empty() {
            return Ok(None);
        }
        let Scan { options, cut, span, .. } = self;
        let quality = questions.iter().any(|question| question.is_quality());
        let wanted = questions.iter().fold(Wanted::default(), |wanted, question| wanted.or(question.wanted));
        // Programs are counted wherever people are, and in free SQL if they are to be left out.
        let asks_for_people = questions.iter().any(|question| question.report.is_some());
        let bots = if asks_for_people || options.bots != Bots::Include { &["is_bot"][..] } else { &[] };
        let allow: Vec<IpNet> = questions.iter().flat_map(|question| question.allow.clone()).collect();
        let addresses = if allow.is_empty() { &[] } else { &["ip_address"][..] };
        let more = bots.iter().chain(addresses).copied();
        let sources = sources(wanted, cut.is_some() || *span).or(Wanted::of(more));
        let lead = questions.iter().filter_map(|question| question.lead).max();
        let begin = |hull: &Range<i64>| hull.start.saturating_sub(lead.unwrap_or(0));
        let early = self.hull.as_ref().filter(|_| !needs_neighbours(sources) && !quality);
        let early = early.map(|hull| begin(hull)..hull.end);
        let mut settings = settings(options, sources, early, self.zone, quality, &options.redact)?;
        // Visitors may be named after their clients; pairs only have to be of one.
        settings.rows.client_names = wanted.has("client") || sources.has("visitor_id");
        let plan = load::Plan {
            files,
            settings: &settings,
            limit: self.limit,
            // Polars wants a column to know how many rows there are.
            columns: if wanted == Wanted::default() { sources } else { wanted },
            cut,
            queries: questions.iter().map(|question| question.plain_sql()).collect(),
            apart: questions.iter().map(|question| question.takes()).collect(),
            seen: if questions.iter().any(|question| question.comparing.is_some()) {
                // It says of which days there are events, whatever the report looks at.
                None
            } else {
                let asked = questions.iter().filter(|question| !question.is_quality());
                let seen: Option<Vec<Seen>> = asked.map(|question| question.seen()).collect();
                seen.and_then(|seen| seen.into_iter().reduce(Seen::or))
            },
            allow: &allow,
            sessions: Sessions {
                gap: report::duration(&options.gap)?,
                split_midnight: options.split_midnight,
            },
            lead,
            quality,
            span: *span,
        };
        match store {
            Some(store) => load_store::load(options, &plan, store, account).map(Some),
            None => load::load(options, &plan, account).map(Some),
        }
    }

    /// Reads what these questions of system logs need, if there are any.
    fn system(
        &self,
        files: &[LogFile],
        questions: &[&Question],
        account: &mut Account,
    ) -> Result<Option<Loaded>, Error> {
        if questions.is_empty() {
            return Ok(None);
        }
        let settings = settings(
            self.options,
            Wanted::default(),
            self.hull.clone(),
            self.zone,
            false,
            &self.options.redact,
        )?;
        let columns = load_app::columns(questions.iter().map(|question| question.sql.as_str()));
        let plan = load_app::Plan { files, settings: &settings, limit: self.limit, columns, cut: &self.cut };
        load_app::load(self.options, &plan, account).map(Some)
    }
}

/// The times that the questions are about.
fn cut(questions: &[Question], options: &Common, zone: chrono_tz::Tz) -> Result<Cut, Error> {
    match questions.iter().find_map(|question| question.comparing.as_ref()) {
        Some(comparing) => comparing.asked(options, zone).map(Cut::Periods),
        None => times::range(options.since.as_deref(), options.until.as_deref(), zone).map(Cut::Range),
    }
}

/// How many rejects are too many. `quality` is there to look at bad logs.
fn limit(questions: &[Question], options: &Common) -> Result<Limit, Error> {
    if options.max_rejects.is_none() && !options.strict && questions.iter().all(Question::is_quality) {
        return Ok(Limit::Percent(100.0));
    }
    options.limit()
}

/// The columns to read: those wanted and what they are derived from, and `timestamp` where it is needed or where there is
/// no other.
fn sources(wanted: Wanted, needs_time: bool) -> Wanted {
    let time = Wanted::of(["timestamp"]);
    with_sources(if needs_time || wanted == Wanted::default() { wanted.or(time) } else { wanted })
}

/// How logs are to be scanned.
///
/// # Errors
/// `Error::Usage` for a limit of memory that is none.
pub fn settings(
    options: &Common,
    wanted: Wanted,
    range: Option<Range<i64>>,
    zone: chrono_tz::Tz,
    number_files: bool,
    redact: &[String],
) -> Result<Settings, Error> {
    let redaction = Redaction::new(redact, options.hash_pii);
    let memory = memory::size(&options.memory_limit)?;
    Ok(Settings {
        rows: RowSettings { wanted, range, zone, redaction, client_names: true },
        threads: threads(options),
        chunk_bytes: options.chunk_bytes,
        max_line_bytes: options.max_line_bytes.min(LONGEST_LINE),
        keep_all_rejects: options.rejects.is_some(),
        kernel: Kernel::best(),
        row_bytes: Some(memory / ROWS_SHARE),
        number_files,
    })
}

/// Places in a chunk have 32 bits.
const LONGEST_LINE: usize = 2 << 30;

/// The part of the memory that rows may take while they are read; the rest is for what is made of them.
const ROWS_SHARE: usize = 4;

/// Lets what is derived from rows take no more threads than are given, either.
///
/// # Errors
/// `Error::Threads` where the system does not give as many.
pub fn limit_threads(options: &Common) -> Result<(), Error> {
    let Some(threads) = options.threads else { return Ok(()) };
    // It can be set once only, which is now.
    let built = rayon::ThreadPoolBuilder::new().num_threads(threads.get()).build_global();
    built.map_err(|error| Error::Threads(threads.get(), std::io::Error::other(error)))
}

fn threads(options: &Common) -> usize {
    let given = options.threads.map(std::num::NonZero::get);
    given.or_else(|| std::thread::available_parallelism().ok().map(std::num::NonZero::get)).unwrap_or(1)
}
