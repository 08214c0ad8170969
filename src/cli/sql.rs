//! `sql`: queries of the user's own, from the command line, a file or standard input. Knows nothing of how they are run.

use super::args::{value, with_common};
use super::question::Question;
use crate::engine::free;
use crate::error::Error;
use crate::report;
use clap::{Arg, ArgMatches, Command};
use std::io::{Read, stdin};
use std::path::Path;

/// The words of `sql`.
pub fn command() -> Command {
    let query = Arg::new("query")
        .value_name("QUERY")
        .required_unless_present("file")
        .allow_hyphen_values(true)
        .help("SQL over the relation 'events' (what people did) or 'app_events' (system logs); semicolons separate statements");
    let file = Arg::new("file")
        .long("file")
        .value_name("FILE")
        .help("Take the SQL from this file instead, or with - from standard input");
    let command = Command::new("sql").arg(query).arg(file).after_help(
        "'loganalyze schema' lists the columns of both. Only those that occur in the SQL are read.\n\
         Several SELECTs share one reading of the logs: their results follow each other, or become files in the folder of -o, \
         each titled with the comment before it. CREATE TABLE name AS SELECT … names a query for the statements behind it.\n\
         Example: loganalyze sql \"SELECT path, COUNT(*) AS n FROM events GROUP BY path ORDER BY n DESC, path LIMIT 5\" sample_logs",
    );
    let usage = "loganalyze sql QUERY INPUT… [OPTIONS]\n       loganalyze sql --file FILE INPUT… [OPTIONS]";
    with_common(command, "any SQL query over the events").override_usage(usage)
}

/// What the words ask for. With `--file` the first of them is no query but an input.
///
/// # Errors
/// `Error::Read` for a file that cannot be read, `Error::Query` for SQL that cannot be run.
pub fn questions(matches: &ArgMatches, inputs: &mut Vec<String>) -> Result<Vec<Question>, Error> {
    let query = value(matches, "query").cloned();
    let Some(file) = value(matches, "file") else {
        let query = query.unwrap_or_default();
        return of_text(&query, 0).map_err(|error| unquoted(&query).unwrap_or(error));
    };
    inputs.splice(0..0, query);
    if file == "-" && inputs.iter().any(|input| input == "-") {
        return Err(Error::Usage("standard input cannot hold both the SQL and a log".into()));
    }
    of_text(&text(file)?, 0).map_err(|error| in_file(file, &error))
}

/// What to say of a word that was taken for the query.
fn unquoted(query: &str) -> Option<Error> {
    if query.is_empty() || query.contains(char::is_whitespace) {
        return None;
    }
    let why = if Path::new(query).exists() {
        "the query comes before the logs, and a file of SQL behind --file"
    } else {
        "the query is this one word: quote all of it"
    };
    Some(Error::Usage(format!("'{query}': {why}, as in: loganalyze sql \"SELECT …\" LOGS")))
}

/// The text of a file of SQL, or with `-` of standard input.
///
/// # Errors
/// `Error::Read` if it cannot be read.
pub fn text(file: &str) -> Result<String, Error> {
    let mut text = String::new();
    let read = if file == "-" { stdin().read_to_string(&mut text) } else { return read(file) };
    read.map(|_| text).map_err(|source| Error::Read { path: "standard input".into(), source })
}

fn read(file: &str) -> Result<String, Error> {
    std::fs::read_to_string(file).map_err(|source| Error::Read { path: file.into(), source })
}

/// What is wrong, and in which file.
pub fn in_file(file: &str, error: &Error) -> Error {
    Error::Query(format!("{file}: {error}"))
}

/// A question for each statement that gives rows, of which so many are shown.
///
/// # Errors
/// `Error::Query` if there is none, or one that cannot be run.
pub fn of_text(sql: &str, top: usize) -> Result<Vec<Question>, Error> {
    let queries = report::queries(sql)?;
    let alone = queries.len() == 1;
    let question = |(at, query): (usize, report::Query)| {
        let name = if alone { "sql".to_owned() } else { (at + 1).to_string() };
        let sql = free::prepared(&query.sql).map_err(|error| match alone {
            true => error,
            false => Error::Query(format!("query {name} ({}): {error}", query.title)),
        })?;
        Ok(Question { title: query.title, top, ..Question::of_sql(&name, sql) })
    };
    queries.into_iter().enumerate().map(question).collect()
}
