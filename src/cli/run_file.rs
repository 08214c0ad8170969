//! `run`: a query file of the user's own as a command. Its header says what the command's options are, so it is read
//! before the words are.

use super::args::{report_args, report_help, reserved, value, with_common};
use super::question::Question;
use super::sql;
use crate::engine::polars as engine;
use crate::error::Error;
use crate::report::{self, Param, ParamType, Report};
use crate::sink::Chart;
use clap::{ArgMatches, Command};
use std::ffi::OsString;

/// A query file that the words name.
pub struct QueryFile {
    /// Its name, as it was typed.
    pub name: String,
    /// What it says.
    pub report: Report,
}

impl QueryFile {
    /// The file behind `run`, or behind `compare` if it ends in `.sql`.
    ///
    /// # Errors
    /// `Error::Read` if it cannot be read, `Error::Query` for a header that cannot be.
    pub fn named(words: &[OsString]) -> Result<Option<QueryFile>, Error> {
        let word = |at: usize| words.get(at).and_then(|word| word.to_str());
        let name = match (word(1), word(2)) {
            (Some("run"), Some(name)) if !name.starts_with('-') => name,
            (Some("compare"), Some(name)) if name.ends_with(".sql") => name,
            _ => return Ok(None),
        };
        if std::path::Path::new(name).is_dir() {
            return Err(Error::Usage(format!("'{name}' is a folder: {USAGE}")));
        }
        let report = report::parse_file(name, &sql::text(name)?)?;
        if let Some(param) = report.header.params.iter().find(|param| reserved(&param.option())) {
            let option = param.option();
            return Err(sql::in_file(
                name,
                &Error::Query(format!("--{option} is another option: call the parameter differently")),
            ));
        }
        Ok(Some(QueryFile { name: name.into(), report }))
    }
}

const USAGE: &str = "a query's file comes first, as in 'loganalyze run my.sql logs/'";

/// The words of `run`; the file is a command of its own.
pub fn command(file: Option<&QueryFile>) -> Command {
    let command = Command::new("run")
        .about("the query in an SQL file of your own, with options of its own")
        .override_usage("loganalyze run FILE.sql INPUT… [OPTIONS]\n       loganalyze run FILE.sql --help")
        .after_help(
            "Comments at the top of the file say what it is. Each of them may be missing:\n  \
             -- abandoned-carts: what it answers\n  \
             -- params: min_visitors bigint = 2    options, as name type = default\n  \
             -- columns: page text, n bigint       what the query promises\n  \
             -- key: page                          what tells rows apart, for 'compare'\n  \
             -- top: 10                            how many rows are shown\n  \
             -- n: what the column or parameter of this name means\n\
             Types of parameters: duration, bigint (from 1 up), double (from 0 up), text; their place in the SQL is /*:min_visitors*/ 2.\n\
             Types of columns: text, bigint, double, boolean, timestamp, date.\n\n\
             Example: loganalyze run examples/abandoned-carts.sql sample_logs --min-visitors 2",
        )
        .disable_help_subcommand(true)
        .subcommand_required(true)
        .subcommand_value_name("FILE")
        .arg_required_else_help(true);
    let Some(QueryFile { name, report }) = file else { return command };
    let own = report_args(name, report).after_help(report_help(&report.header, &example(name, report)));
    let about = if report.header.title.is_empty() { &report.header.name } else { &report.header.title };
    command.subcommand(with_common(own, about))
}

fn example(name: &str, report: &Report) -> String {
    let option = |param: &Param| match param.kind {
        ParamType::Text => format!(" --{} '{}'", param.option(), param.default),
        _ => format!(" --{} {}", param.option(), param.default),
    };
    format!("run {name} sample_logs{}", report.header.params.iter().map(option).collect::<String>())
}

/// What the file asks for: one question with the promised columns, or where it promises nothing, one a statement.
///
/// # Errors
/// `Error::Usage` for a wrong value of a parameter, `Error::Query` for SQL that cannot be run.
pub fn questions(file: &QueryFile, matches: &ArgMatches) -> Result<Vec<Question>, Error> {
    let header = &file.report.header;
    let sql = file.report.bound(|param| value(matches, &param.option()))?;
    let in_file = |error: Error| sql::in_file(&file.name, &error);
    let mut questions = sql::of_text(&sql, header.top).map_err(in_file)?;
    if header.columns.is_empty() {
        return Ok(questions);
    }
    if questions.len() > 1 {
        let why = format!("'-- columns:' is for one SELECT, and there are {}", questions.len());
        return Err(in_file(Error::Query(why)));
    }
    for question in &mut questions {
        let rows = engine::as_promised(&engine::dry_run(&question.sql)?, &header.columns).map_err(in_file)?;
        if let Some(chart) = &header.chart {
            Chart::parse(chart).and_then(|chart| chart.check(&rows)).map_err(in_file)?;
        }
        *question = Question::of_report(&header.name, file.report.clone(), std::mem::take(&mut question.sql));
    }
    Ok(questions)
}
