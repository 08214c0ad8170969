//! `compare`: a report over one period beside the same report over the one before. Both are cut out of one reading.

use super::answer::rows;
use super::args::{Common, commands, named, report_args, report_help, value, with_common};
use super::funnel_words::immature;
use super::load::Loaded;
use super::periods::{Asked, in_words};
use super::question::Question;
use super::run_file::QueryFile;
use super::times;
use crate::engine::comparison::compare;
use crate::engine::polars as engine;
use crate::engine::relation::Relation;
use crate::error::Error;
use crate::report::{self, Comparison, Param, Report};
use crate::scan::time::DAY;
use crate::scan::wanted::Wanted;
use crate::schema::Type;
use clap::{Arg, ArgAction, ArgMatches, Command};
use polars::prelude::DataFrame;
use std::ffi::OsString;
use std::ops::Range;

/// What makes a question a comparison.
pub struct Comparing {
    /// The report whose rows are compared.
    pub report: Report,
    /// Which of its columns.
    pub columns: Comparison,
    with: String,
    /// How far apart the report's rows are, if it says so, and the option that says it.
    every: Option<(i64, String)>,
    /// Whether it is about sessions, each of which belongs to one period.
    of_sessions: bool,
}

/// The words of `compare`: a command for each of these reports, and for the user's own file; if `word` names a report, only
/// that one's has options.
pub fn command(reports: &[Report], file: Option<&QueryFile>, word: Option<&OsString>) -> Command {
    let command = Command::new("compare")
        .about("a report over one period beside the one before")
        .override_usage("loganalyze compare REPORT INPUT… [--since TIME --until TIME] [--with PERIOD] [OPTIONS]")
        .after_help(
            "This period is from --since to before --until; --since 7d makes it 7 days long. Without --until it ends with the last \
             whole day in the logs; without --since it has 7 days, or half of the days in the logs if these are few. REPORT may also be a query file of your \
             own that ends in .sql.\n\
             Days and times of the period before stand beside those of this one that are as far from its beginning. Rows come \
             in the report's order of this period, then those that are only in the one before. --top counts the report's rows, \
             each of which has a row a metric.\n\n\
             Example: loganalyze compare product-views sample_logs --since 2025-03-13 --until 2025-03-15",
        )
        .disable_help_subcommand(true)
        .subcommand_required(true)
        .subcommand_value_name("REPORT")
        .subcommand_help_heading("Reports")
        .arg_required_else_help(true);
    let of_report = |report: &Report| report_command(&report.header.name, report);
    let built_in = commands(reports, named(word, reports), of_report);
    let own = file.map(|file| report_command(&file.name, &file.report));
    command.subcommands(built_in.chain(own))
}

fn report_command(name: &str, report: &Report) -> Command {
    let with = Arg::new("with")
        .long("with")
        .value_name("PERIOD")
        .default_value("previous")
        .help("The period before: previous (as long, just before), week-ago (7 days earlier), or a range such as 2025-03-01..2025-03-08")
        .help_heading("What to compare");
    let metric = Arg::new("metric")
        .long("metric")
        .value_name("NAME,…")
        .value_delimiter(',')
        .action(ArgAction::Append)
        .help("The numbers to compare, or 'all'; without: the one that the report's chart draws")
        .help_heading("What to compare");
    let command = report_args(name, report).args([with, metric]);
    let command = match Comparison::of(report, &[]) {
        Ok(columns) => {
            // These periods are too short for weeks.
            let own = if name == "retention" { " --every 1d" } else { "" };
            let example = format!("compare {name} sample_logs{own} --since 2025-03-13 --until 2025-03-15");
            command.after_help(report_help(&columns.header(&report.header), &example))
        }
        // Said when it is asked for.
        Err(_) => command,
    };
    with_common(command, &report.header.title)
}

/// The question with its report compared.
///
/// # Errors
/// `Error::Usage` for a report or a metric that cannot be compared.
pub fn question(question: Question, matches: &ArgMatches) -> Result<Question, Error> {
    let Some(report) = question.report else {
        return Err(Error::Usage(
            "SQL alone cannot be compared: add '-- columns: …' and '-- key: …' to the file's header".into(),
        ));
    };
    let metrics = matches.get_many::<String>("metric").into_iter().flatten();
    let columns = Comparison::of(&report, &metrics.map(|metric| metric.trim()).collect::<Vec<_>>())?;
    let header = columns.header(&report.header);
    let every = report.header.params.iter().find(|param| ["every", "slide"].contains(&param.name.as_str()));
    let every = every.map(Param::option).and_then(|option| Some((value(matches, &option)?, option)));
    let of_sessions = question.wanted.names().any(|name| name == "session_number");
    Ok(Question {
        name: header.name.clone(),
        report: Some(Report { header, sql: report.sql.clone() }),
        wanted: question.wanted.or(Wanted::of(["timestamp"])),
        comparing: Some(Comparing {
            report,
            columns,
            with: value(matches, "with").cloned().unwrap_or_default(),
            every: every
                .map(|(every, option)| report::duration(every).map(|every| (every, option)))
                .transpose()?,
            of_sessions,
        }),
        ..question
    })
}

impl Comparing {
    /// The periods that are asked for.
    ///
    /// # Errors
    /// `Error::Usage` for what is no period.
    pub fn asked(&self, options: &Common, zone: chrono_tz::Tz) -> Result<Asked, Error> {
        let mut grains = Vec::new();
        if self.columns.key.iter().any(|column| column.kind == Type::Date) {
            grains.push((DAY, "days".to_owned()));
        }
        if let Some((every, option)) = self.every.as_ref().filter(|_| self.columns.has_times()) {
            grains.push((*every, format!("times of --{option} {}", times::shown_duration(*every))));
        }
        let (since, until) = (options.since.as_deref(), options.until.as_deref());
        Ok(Asked::parse(since, until, &self.with, zone, grains)?.kept_apart(self.of_sessions))
    }
}

/// The rows of both periods side by side, and what is to be said of them.
///
/// # Errors
/// What the report's SQL has against it.
pub fn evaluate(
    question: &Question,
    comparing: &Comparing,
    loaded: &Loaded,
) -> Result<(DataFrame, Vec<String>), Error> {
    let (this, before) = (&loaded.ranges[0], &loaded.ranges[1]);
    let mut notes = vec![format!("this period: {}; before: {}", in_words(this), in_words(before))];
    let [long, long_before] = [this, before].map(|period| period.end - period.start);
    if long != long_before {
        let [long, long_before] = [long, long_before].map(times::shown_duration);
        notes.push(format!("the periods are not equally long: {long} and {long_before}"));
    }
    let mut of = |name: &str, period: &Range<i64>| {
        let events = loaded.relation.within(period);
        let result = rows(question, &events, loaded.before(Some(period)))?;
        let said = covered(period, &events)?.into_iter().chain(immature(&result));
        notes.extend(said.map(|note| format!("{name}: {note}")));
        engine::as_promised(&result, &comparing.report.header.columns)
    };
    let (of_this, of_before) = (of("this period", this)?, of("before", before)?);
    let result = compare(&of_this, &of_before, &comparing.columns, this.start - before.start)?;
    Ok((result, notes))
}

/// What is said of a period that has a day or more without events at one of its ends: perhaps there are no logs of it.
fn covered(period: &Range<i64>, events: &Relation) -> Result<Option<String>, Error> {
    let Some((first, last)) = events.span()? else { return Ok(Some("no events".into())) };
    let late = (first - period.start >= DAY).then(|| format!("no events before {}", times::shown(first)));
    let early = (period.end - last > DAY).then(|| format!("no events after {}", times::shown(last)));
    Ok(match (late, early) {
        (Some(late), Some(early)) => Some(format!("{late}, {early}")),
        (late, early) => late.or(early),
    })
}
