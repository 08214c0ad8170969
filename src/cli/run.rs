//! One command from words to bytes: find → scan → derive → query → write.

use super::account::Limit;
use super::args::{Bots, Common, When, value};
use super::load::{self, Loaded};
use super::periods::Cut;
use super::question::{Question, explanation, questions};
use super::run_file::QueryFile;
use super::target::Target;
use super::{compare, describe, memory, times};
use crate::engine::relation::Relation;
use crate::engine::{funnel, incidents, polars as engine};
use crate::error::Error;
use crate::events::{Sessions, needs_neighbours, with_sources};
use crate::input::{LogFile, find};
use crate::report;
use crate::scan::Settings;
use crate::scan::builder::RowSettings;
use crate::scan::redact::Redaction;
use crate::scan::stops::Kernel;
use crate::scan::wanted::Wanted;
use crate::sink::{self, About, Format};
use clap::{ArgMatches, FromArgMatches};
use ipnet::IpNet;
use polars::prelude::DataFrame;
use std::io::Write;
use std::ops::Range;
use std::time::Instant;

/// Runs the command and returns the exit code; `file` is the query file that its words name.
///
/// # Errors
/// Whatever keeps it from being done; the message is for the user.
pub fn run(matches: &ArgMatches, file: Option<&QueryFile>) -> Result<u8, Error> {
    let Some((name, matches)) = matches.subcommand() else { return Ok(2) };
    if name == "schema" {
        return show_schema(matches);
    }
    // What `run` and `compare` are about is a command of its own, and has the options.
    let own = matches.subcommand().map_or(matches, |(_, own)| own);
    let mut options = Common::from_arg_matches(own).map_err(|error| Error::Usage(error.to_string()))?;
    let questions = questions(name, matches, &mut options, file)?;
    if options.inputs.is_empty() {
        if options.explain {
            let all: String = questions.iter().map(explanation).collect();
            return std::io::stdout().write_all(all.as_bytes()).map(|()| 0).map_err(Error::Stdout);
        }
        let what = matches.subcommand_name().map_or(name.to_owned(), |what| format!("{name} {what}"));
        return Err(Error::Usage(format!(
            "no input: name log files, folders, globs or - for standard input, such as 'loganalyze {what} logs/'"
        )));
    }
    let target = if name == "report" || questions.len() > 1 {
        Target::of_several(&options)?
    } else {
        Target::of_one(options.format.as_deref(), options.output.as_deref(), options.color)?
    };
    let target = if options.chart.is_some() { target.with_pictures(&options)? } else { target };
    answer(&questions, &options, &target)?;
    Ok(0)
}

fn show_schema(matches: &ArgMatches) -> Result<u8, Error> {
    let table = describe::schema_table()?;
    let target = Target::of_one(value(matches, "format").map(String::as_str), None, When::Auto)?;
    let about = About { name: "schema".into(), total_rows: table.height(), ..About::default() };
    target.write(&table, &about, "")?;
    Ok(0)
}

/// Reads the logs once and answers one question after the other.
fn answer(questions: &[Question], options: &Common, target: &Target) -> Result<(), Error> {
    let zone = times::zone(&options.tz)?;
    let cut = cut(questions, options, zone)?;
    let hull = cut.hull()?;
    let limit = limit(questions, options)?;
    let files = inputs(options)?;
    if options.explain {
        questions.iter().for_each(|question| eprint!("{}", explanation(question)));
    }
    let begin = Instant::now();
    let span = target.format == Format::Parquet;
    let quality = questions.iter().any(Question::is_quality);
    let wanted = questions.iter().fold(Wanted::default(), |wanted, question| wanted.or(question.wanted));
    // Programs are counted wherever people are, and in free SQL if they are to be left out.
    let asks_for_people = questions.iter().any(|question| question.report.is_some());
    let bots = if asks_for_people || options.bots != Bots::Include { &["is_bot"][..] } else { &[] };
    let allow: Vec<IpNet> = questions.iter().flat_map(|question| question.allow.clone()).collect();
    let addresses = if allow.is_empty() { &[] } else { &["ip_address"][..] };
    let more = bots.iter().chain(addresses).copied();
    let sources = sources(wanted, cut.is_some() || span).or(Wanted::of(more));
    let early = if needs_neighbours(sources) || quality { None } else { hull };
    let settings = settings(options, sources, early, zone, quality)?;
    // Polars wants a column to know how many rows there are.
    let columns = if wanted == Wanted::default() { sources } else { wanted };
    let plan = load::Plan {
        files: &files,
        settings: &settings,
        limit,
        columns,
        cut: &cut,
        allow: &allow,
        sessions: Sessions { gap: report::duration(&options.gap)?, split_midnight: options.split_midnight },
        quality,
        span,
    };
    let mut loaded = load::load(options, &plan)?;
    let mut written = Ok(());
    for question in questions {
        let (mut result, mut notes) = evaluate(question, &loaded)?;
        if question.comparing.is_some() && !target.format.has_notes() && !options.quiet {
            notes.iter().for_each(|note| eprintln!("note: {note}"));
        }
        notes.extend(loaded.bots.and_then(|counts| bots_note(options.bots, counts)));
        loaded.account.seconds = begin.elapsed().as_secs_f64();
        let total_rows = total_rows(question, &result, &loaded)?;
        // Of a comparison the report's rows are counted, each of which becomes a row a metric.
        let rows_each = question.comparing.as_ref().map_or(1, |comparing| comparing.columns.metrics.len());
        let top = options.top.unwrap_or(question.top);
        if top > 0 {
            result = result.head(Some(top.saturating_mul(rows_each)));
        }
        let metadata = metadata(question, options, &loaded);
        if let (Some(chart), true) = (&question.chart, options.chart.is_some()) {
            chart.check(&result)?;
        }
        let chart = question.chart.clone();
        let about = About { name: question.name.clone(), total_rows, notes, metadata, chart };
        written = target.write(&result, &about, &question.title);
        if written.is_err() {
            break;
        }
    }
    let account = &loaded.account;
    if let Some(path) = &options.summary {
        account.write_summary(path)?;
    }
    if !options.quiet {
        eprintln!("{}", account.sentence());
    }
    written
}

/// The times that the questions are about.
fn cut(questions: &[Question], options: &Common, zone: chrono_tz::Tz) -> Result<Cut, Error> {
    match questions.iter().find_map(|question| question.comparing.as_ref()) {
        Some(comparing) => comparing.asked(options, zone).map(Cut::Periods),
        None => times::range(options.since.as_deref(), options.until.as_deref(), zone).map(Cut::Range),
    }
}

/// How many rows there are, shown or not.
fn total_rows(question: &Question, result: &DataFrame, loaded: &Loaded) -> Result<usize, Error> {
    let Some(count) = &question.count else { return Ok(result.height()) };
    let counted = engine::query(count, &loaded.relation)?;
    let counted = counted.column("n").ok().and_then(|counted| counted.get(0).ok()?.extract());
    Ok(counted.unwrap_or(result.height()))
}

/// How many rejects are too many. `quality` is there to look at bad logs.
fn limit(questions: &[Question], options: &Common) -> Result<Limit, Error> {
    match &options.max_rejects {
        _ if options.strict => Ok(Limit::Count(0)),
        Some(limit) => Limit::parse(limit),
        None if questions.iter().all(Question::is_quality) => Ok(Limit::Percent(100.0)),
        None => Ok(Limit::Percent(10.0)),
    }
}

/// The files to read; notes about them go to standard error.
fn inputs(options: &Common) -> Result<Vec<LogFile>, Error> {
    let found = match find(&options.inputs) {
        Err(Error::NoInput(why)) if options.allow_empty => {
            if !options.quiet {
                eprintln!("note: {}", sink::visible(&why));
            }
            return Ok(Vec::new());
        }
        found => found?,
    };
    if !options.quiet {
        found.notes.iter().for_each(|note| eprintln!("note: {}", sink::visible(note)));
    }
    Ok(found.files)
}

/// The columns to read: those wanted and what they are derived from, and `timestamp` where it is needed or where there is
/// no other.
fn sources(wanted: Wanted, needs_time: bool) -> Wanted {
    let time = Wanted::of(["timestamp"]);
    with_sources(if needs_time || wanted == Wanted::default() { wanted.or(time) } else { wanted })
}

fn settings(
    options: &Common,
    wanted: Wanted,
    range: Option<Range<i64>>,
    zone: chrono_tz::Tz,
    number_files: bool,
) -> Result<Settings, Error> {
    let redaction = Redaction::new(&options.redact, options.hash_pii);
    let memory = memory::size(&options.memory_limit)?;
    Ok(Settings {
        rows: RowSettings { wanted, range, zone, redaction },
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

fn threads(options: &Common) -> usize {
    let given = options.threads.map(std::num::NonZero::get);
    given.or_else(|| std::thread::available_parallelism().ok().map(std::num::NonZero::get)).unwrap_or(1)
}

/// The result and what is to be said of it.
fn evaluate(question: &Question, loaded: &Loaded) -> Result<(DataFrame, Vec<String>), Error> {
    if question.is_quality() {
        return Ok((loaded.quality.table(&loaded.files)?, Vec::new()));
    }
    if let Some(comparing) = &question.comparing {
        return compare::evaluate(question, comparing, loaded);
    }
    let result = rows(question, &loaded.relation)?;
    match question.report.as_ref().map(|report| &report.header.columns) {
        None => Ok((engine::as_plain(&result)?, Vec::new())),
        Some(columns) => {
            Ok((engine::as_promised(&result, columns)?, immature(&result).into_iter().collect()))
        }
    }
}

/// What the question's SQL gives over these events.
///
/// # Errors
/// `Error::Query` with what Polars does not accept.
pub fn rows(question: &Question, events: &Relation) -> Result<DataFrame, Error> {
    match &question.funnel {
        Some(asked) => funnel::query(asked, events),
        None if question.incidents => incidents::query(&question.sql, events),
        None => engine::query(&question.sql, events),
    }
}

/// What a funnel says of entrants whose window was still open.
pub fn immature(result: &DataFrame) -> Option<String> {
    let count = result
        .column("immature")
        .ok()
        .and_then(|column| column.get(0).ok())
        .and_then(|value| value.extract::<i64>());
    match count {
        None | Some(0) => None,
        Some(count) => Some(format!(
            "immature: {} of those who entered may still go on: their window was open when the logs ended",
            sink::grouped(&count.to_string())
        )),
    }
}

/// What is said of programs among the visitors, if there are any.
fn bots_note(mode: Bots, (bots, all): (u64, u64)) -> Option<String> {
    let number = |count: u64| sink::grouped(&count.to_string());
    let share = format!("{} of {} events", number(bots), number(all));
    match mode {
        Bots::Include if bots == 0 => None,
        Bots::Include => Some(format!("bots: {share} are by programs; --bots exclude leaves them out")),
        Bots::Exclude => Some(format!("bots: {share} are by programs and were left out")),
        Bots::Only => Some(format!("bots: only the {share} that are by programs")),
    }
}

/// What a Parquet file says about itself.
fn metadata(question: &Question, options: &Common, loaded: &Loaded) -> Vec<(String, String)> {
    let text = |time: Option<i64>| {
        let moment = time.and_then(chrono::DateTime::from_timestamp_micros);
        moment.map(|moment| moment.format("%FT%T%.6f").to_string()).unwrap_or_default()
    };
    let (first, last) = (loaded.span.map(|span| span.0), loaded.span.map(|span| span.1));
    let pair = |key: &str, value: String| (format!("loganalyze.{key}"), value);
    let command: Vec<String> = std::env::args().skip(1).collect();
    let mut metadata = vec![
        pair("version", env!("CARGO_PKG_VERSION").into()),
        pair("command", command.join(" ")),
        pair("first_event", text(first)),
        pair("last_event", text(last)),
        pair("zone", options.tz.clone()),
        pair("definitions", question.report.as_ref().map(describe::definitions).unwrap_or_default()),
        pair("sql", question.sql.clone()),
        pair("accounting", loaded.account.json().to_string()),
    ];
    if question.comparing.is_some() {
        for (name, period) in ["", "before_"].iter().zip(&loaded.ranges) {
            metadata.push(pair(&format!("{name}since"), times::shown(period.start)));
            metadata.push(pair(&format!("{name}until"), times::shown(period.end)));
        }
    } else {
        metadata.push(pair("since", options.since.clone().unwrap_or_default()));
        metadata.push(pair("until", options.until.clone().unwrap_or_default()));
    }
    metadata
}
