//! One command from words to bytes: find → scan → derive → query → write.

use super::account::{Account, Limit, write_rejects};
use super::args::{Common, When, value};
use super::{describe, progress, quality, times};
use crate::engine::{funnel, polars as engine};
use crate::error::Error;
use crate::events::{Events, derive, needs_neighbours, with_sources};
use crate::input::{LogFile, find};
use crate::report::{self, Entity, Funnel, Report, Step, columns_of};
use crate::scan::builder::RowSettings;
use crate::scan::redact::Redaction;
use crate::scan::stops::Kernel;
use crate::scan::wanted::Wanted;
use crate::scan::{FileScan, Scanned, Settings, scan, time::SECOND};
use crate::sink::{self, About, Format, Style, write_atomically};
use clap::{ArgMatches, FromArgMatches};
use polars::prelude::DataFrame;
use std::io::IsTerminal;
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

/// The longest pause within a session, microseconds.
const SESSION_GAP: i64 = 30 * 60 * SECOND;

/// What a command asks for.
struct Question {
    /// The name of the result.
    name: String,
    /// The report, if it is one.
    report: Option<Report>,
    /// The SQL, empty for `quality`.
    sql: String,
    /// The funnel that the SQL is of, if it is one.
    funnel: Option<Funnel>,
    wanted: Wanted,
}

impl Question {
    /// The one that is no SQL.
    fn is_quality(&self) -> bool {
        self.name == "quality"
    }
}

/// Runs the command and returns the exit code.
///
/// # Errors
/// Whatever keeps it from being done; the message is for the user.
pub fn run(matches: &ArgMatches) -> Result<u8, Error> {
    let Some((name, matches)) = matches.subcommand() else { return Ok(2) };
    if name == "schema" {
        return show_schema(matches);
    }
    let options = Common::from_arg_matches(matches).map_err(|error| Error::Usage(error.to_string()))?;
    let question = question(name, matches)?;
    if options.inputs.is_empty() {
        if options.explain {
            print!("{}", explanation(&question));
            return Ok(0);
        }
        return Err(Error::Usage(format!(
            "no input: name log files, folders, globs or - for standard input, such as 'loganalyze {name} logs/'"
        )));
    }
    answer(&question, &options)?;
    Ok(0)
}

fn show_schema(matches: &ArgMatches) -> Result<u8, Error> {
    let table = describe::schema_table()?;
    let format = chosen_format(value(matches, "format").map(String::as_str), None)?;
    let about =
        About { name: "schema".into(), total_rows: table.height(), notes: Vec::new(), metadata: Vec::new() };
    write_result(format, &table, &about, None, When::Auto)?;
    Ok(0)
}

/// What the words ask for.
fn question(name: &str, matches: &ArgMatches) -> Result<Question, Error> {
    let of_sql = |report: Option<Report>, sql: String| {
        let wanted = Wanted::of(columns_of(&sql));
        Question { name: name.into(), report, sql, funnel: None, wanted }
    };
    if name == "quality" {
        let wanted = Wanted::of(quality::SOURCES);
        return Ok(Question { name: name.into(), report: None, sql: String::new(), funnel: None, wanted });
    }
    if name == "sql" {
        return Ok(of_sql(None, value(matches, "query").cloned().unwrap_or_default()));
    }
    let mut report = report::find(name)?;
    if let Some((option, _)) = &report.header.variants
        && let Some(variant) = value(matches, option)
    {
        report = report::find(&format!("{name}-{variant}"))?;
    }
    if name == "funnel" {
        let funnel = asked_funnel(matches)?;
        let question = of_sql(Some(report), funnel.sql());
        return Ok(Question { funnel: Some(funnel), ..question });
    }
    let sql = report.sql.clone();
    Ok(of_sql(Some(report), sql))
}

fn asked_funnel(matches: &ArgMatches) -> Result<Funnel, Error> {
    let mut funnel = Funnel::default();
    if let Some(steps) = matches.get_many::<String>("step") {
        funnel.steps = steps.map(|step| Step::parse(step)).collect::<Result<_, _>>()?;
        for step in &funnel.steps {
            engine::check_condition(&step.condition)?;
        }
    }
    if let Some(window) = value(matches, "window") {
        funnel.window = times::duration(window)?;
    }
    funnel.entity = match value(matches, "by").map(String::as_str) {
        Some("user") => Entity::User,
        Some("session") => Entity::Session,
        _ => Entity::Visitor,
    };
    Ok(funnel)
}

fn explanation(question: &Question) -> String {
    let definitions = question.report.as_ref().map(describe::definitions).unwrap_or_default();
    format!("{definitions}\n{}\n", question.sql.trim())
}

/// What was read, ready for queries.
struct Loaded {
    events: Events,
    files: Vec<FileScan>,
    account: Account,
}

fn answer(question: &Question, options: &Common) -> Result<(), Error> {
    let zone = times::zone(&options.tz)?;
    let range = times::range(options.since.as_deref(), options.until.as_deref(), zone)?;
    let limit = limit(question, options)?;
    let format = chosen_format(options.format.as_deref(), options.output.as_deref())?;
    let files = inputs(options)?;
    if options.explain {
        eprint!("{}", explanation(question));
    }
    let begin = Instant::now();
    let explains_itself = format == Format::Parquet;
    let wanted = sources(question, range.is_some() || explains_itself);
    let settings = settings(question, options, wanted, range.as_ref(), zone);
    let Loaded { events, files, mut account } = load(options, &files, &settings, limit)?;
    let span = if explains_itself { span(&events, range.as_ref()) } else { Default::default() };
    let (mut result, mut notes) = evaluate(question, events, &files, range.as_ref())?;
    account.seconds = begin.elapsed().as_secs_f64();
    let total_rows = result.height();
    let top = options.top.unwrap_or(question.report.as_ref().map_or(0, |report| report.header.top));
    if top > 0 {
        result = result.head(Some(top));
    }
    if let Some(path) = &options.summary {
        account.write_summary(path)?;
    }
    notes.retain(|note| !note.is_empty());
    let metadata = metadata(question, options, &account, span);
    let about = About { name: question.name.clone(), total_rows, notes, metadata };
    let written = write_result(format, &result, &about, options.output.as_deref(), options.color);
    if !options.quiet {
        eprintln!("{}", account.sentence());
    }
    written
}

/// How many rejects are too many. `quality` is there to look at bad logs.
fn limit(question: &Question, options: &Common) -> Result<Limit, Error> {
    match &options.max_rejects {
        _ if options.strict => Ok(Limit::Count(0)),
        Some(limit) => Limit::parse(limit),
        None => Ok(Limit::Percent(if question.is_quality() { 100.0 } else { 10.0 })),
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

/// The columns to read: those that the question needs, and `timestamp` where it does or where there is no other, because
/// Polars wants one to know how many rows there are.
fn sources(question: &Question, needs_time: bool) -> Wanted {
    let time = Wanted::of(["timestamp"]);
    let wanted = question.wanted;
    with_sources(if needs_time || wanted == Wanted::default() { wanted.or(time) } else { wanted })
}

fn settings(
    question: &Question,
    options: &Common,
    wanted: Wanted,
    range: Option<&Range<i64>>,
    zone: chrono_tz::Tz,
) -> Settings {
    let redaction = Redaction::new(&options.redact, options.hash_pii);
    let early = if needs_neighbours(wanted) || question.is_quality() { None } else { range.cloned() };
    Settings {
        rows: RowSettings { wanted, range: early, zone, redaction },
        threads: threads(options),
        chunk_bytes: options.chunk_bytes,
        max_line_bytes: options.max_line_bytes,
        keep_all_rejects: options.rejects.is_some(),
        kernel: Kernel::best(),
    }
}

fn load(options: &Common, files: &[LogFile], settings: &Settings, limit: Limit) -> Result<Loaded, Error> {
    let begin = Instant::now();
    let scanned = progress::watch(files, !options.quiet, |progress| scan(files, settings, progress))?;
    let account =
        Account { tally: scanned.total(), files: files.len(), seconds: begin.elapsed().as_secs_f64() };
    if let Some(path) = &options.rejects {
        write_rejects(path, &scanned)?;
    }
    if let Err(error) = account.check(limit, &scanned.rejects) {
        if let Some(path) = &options.summary {
            account.write_summary(path)?;
        }
        return Err(error);
    }
    let Scanned { columns, rows, files, .. } = scanned;
    let mut events = Events { columns, rows };
    derive(&mut events, settings.rows.wanted, SESSION_GAP);
    if options.hash_pii {
        super::pii::hash(&mut events);
    }
    Ok(Loaded { events, files, account })
}

fn threads(options: &Common) -> usize {
    let given = options.threads.map(std::num::NonZero::get);
    given.or_else(|| std::thread::available_parallelism().ok().map(std::num::NonZero::get)).unwrap_or(1)
}

/// The result and what is to be said of it.
fn evaluate(
    question: &Question,
    events: Events,
    files: &[FileScan],
    range: Option<&Range<i64>>,
) -> Result<(DataFrame, Vec<String>), Error> {
    if question.is_quality() {
        return Ok((quality::table(files, &events)?, Vec::new()));
    }
    let mut names: Vec<&str> = question.wanted.names().collect();
    if names.is_empty() {
        names.push("timestamp");
    }
    let frame = engine::frame(events, &names, range)?;
    let result = match &question.funnel {
        Some(asked) => funnel::query(asked, frame)?,
        None => engine::query(&question.sql, frame)?,
    };
    let Some(report) = &question.report else {
        return Ok((engine::as_plain(&result)?, Vec::new()));
    };
    let note = immature(&result);
    Ok((engine::as_promised(&result, &report.header.columns)?, vec![note]))
}

/// What a funnel says of entrants whose window was still open.
fn immature(result: &DataFrame) -> String {
    let count = result
        .column("immature")
        .ok()
        .and_then(|column| column.get(0).ok())
        .and_then(|value| value.extract::<i64>());
    match count {
        None | Some(0) => String::new(),
        Some(count) => format!(
            "immature: {} of those who entered may still go on: their window was open when the logs ended",
            sink::grouped(&count.to_string())
        ),
    }
}

fn chosen_format(format: Option<&str>, output: Option<&Path>) -> Result<Format, Error> {
    match (format, output) {
        (Some(name), _) => Format::ALL
            .into_iter()
            .find(|format| format.name() == name)
            .ok_or_else(|| Error::Usage(format!("no format is called '{name}'"))),
        (None, Some(path)) => Format::from_path(path),
        (None, None) if std::io::stdout().is_terminal() => Ok(Format::Table),
        (None, None) => Ok(Format::Csv),
    }
}

/// When the first and the last event in the range happened, as ISO 8601; empty where there is none.
fn span(events: &Events, range: Option<&Range<i64>>) -> (String, String) {
    let inside = |time: &i64| range.is_none_or(|range| range.contains(time));
    let times = || events.times("timestamp").iter().flatten().filter(inside);
    let text = |time: Option<i64>| {
        let moment = time.and_then(chrono::DateTime::from_timestamp_micros);
        moment.map(|moment| moment.format("%FT%T%.6f").to_string()).unwrap_or_default()
    };
    (text(times().min()), text(times().max()))
}

/// What a Parquet file says about itself.
fn metadata(
    question: &Question,
    options: &Common,
    account: &Account,
    (first, last): (String, String),
) -> Vec<(String, String)> {
    let pair = |key: &str, value: String| (format!("loganalyze.{key}"), value);
    let command: Vec<String> = std::env::args().skip(1).collect();
    vec![
        pair("version", env!("CARGO_PKG_VERSION").into()),
        pair("command", command.join(" ")),
        pair("since", options.since.clone().unwrap_or_default()),
        pair("until", options.until.clone().unwrap_or_default()),
        pair("first_event", first),
        pair("last_event", last),
        pair("zone", options.tz.clone()),
        pair("definitions", question.report.as_ref().map(describe::definitions).unwrap_or_default()),
        pair("sql", question.sql.clone()),
        pair("accounting", account.json().to_string()),
    ]
}

fn write_result(
    format: Format,
    result: &DataFrame,
    about: &About,
    output: Option<&Path>,
    color: When,
) -> Result<(), Error> {
    if let Some(path) = output {
        let style = Style { color: false, width: None };
        return write_atomically(path, |out| sink::write(format, result, about, &style, out));
    }
    let mut stdout = std::io::stdout();
    let terminal = stdout.is_terminal();
    let style =
        Style { color: use_color(color, terminal), width: if terminal { terminal_width() } else { None } };
    sink::write(format, result, about, &style, &mut stdout).map_err(Error::Stdout)
}

/// As no-color.org says: NO_COLOR, if set and not empty, turns colour off unless the user asks for it.
fn use_color(when: When, terminal: bool) -> bool {
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    }
}

/// The terminal's columns, `$COLUMNS` first.
fn terminal_width() -> Option<u16> {
    let given = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    given.or_else(|| comfy_table::Table::new().width())
}
