//! `events`: the rows themselves. The words become one query; nothing here knows how it is run.

use super::args::{Common, with_common, with_usual_top};
use super::question::Question;
use crate::engine::{free, polars as engine};
use crate::error::{Error, did_you_mean};
use crate::schema::{self, Type};
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::net::IpAddr;

/// An option that asks for a value of a column.
struct Filter {
    option: &'static str,
    value: &'static str,
    column: &'static str,
    help: &'static str,
}

#[rustfmt::skip]
const FILTERS: [Filter; 9] = [
    Filter { option: "type", value: "TYPE", column: "event_type", help: "Only events of this type; '(none)' for those without" },
    Filter { option: "user", value: "N", column: "user_id", help: "Only events of this logged-in user" },
    Filter { option: "visitor", value: "HASH", column: "visitor_id", help: "Only events of this visitor" },
    Filter { option: "session", value: "N", column: "session_number", help: "Only this session of the visitor, from 1" },
    Filter { option: "product", value: "N", column: "product", help: "Only events about this product" },
    Filter { option: "path", value: "PATH", column: "path", help: "Only requests for this path, as it was asked for" },
    Filter { option: "page", value: "PAGE", column: "page", help: "Only events on this page, such as /products/{id}" },
    Filter { option: "status", value: "N", column: "response_status", help: "Only answers with this HTTP status" },
    Filter { option: "ip", value: "ADDRESS", column: "ip_address", help: "Only events from this address" },
];

/// The columns that are shown unless others are asked for, the most telling first: a terminal may be narrow.
const COLUMNS: [&str; 8] =
    ["timestamp", "event_type", "visitor_id", "page", "product", "user_id", "response_status", "kind"];

/// How many rows are shown unless `--top` says otherwise.
const TOP: usize = 20;

/// The words of `events`.
pub fn command() -> Command {
    let filter = |filter: &Filter| {
        let arg =
            Arg::new(filter.option).long(filter.option).value_name(filter.value).action(ArgAction::Append);
        // A path may have commas itself.
        let arg = if ["path", "page"].contains(&filter.option) { arg } else { arg.value_delimiter(',') };
        let arg = if filter.option == "session" { arg.requires("visitor") } else { arg };
        arg.help(filter.help).help_heading("Which events")
    };
    let condition = Arg::new("where")
        .long("where")
        .value_name("CONDITION")
        .action(ArgAction::Append)
        .help("Only events that meet this SQL condition")
        .help_heading("Which events");
    let columns = Arg::new("columns")
        .long("columns")
        .value_name("NAME,…")
        .value_delimiter(',')
        .action(ArgAction::Append)
        .help("The columns to show, or 'all'; only those are read. Without: the most telling ones");
    let order = Arg::new("order")
        .long("order")
        .value_name("HOW")
        .value_parser(["newest", "oldest"])
        .default_value("newest")
        .help("Which events come first; those without a time come last");
    let command = Command::new("events").args(FILTERS.iter().map(filter)).args([condition, columns, order]);
    let command = command.after_help(
        "An event must meet each of the options under 'Which events'; of several values, with commas between them or\n\
         by repeating the option (of --path and --page only so: they may hold commas), any.\n\
         Events of the same moment are sorted by the columns shown, from left to right.\n\
         20 rows are shown unless --top says otherwise. 'loganalyze schema' lists all columns.\n\
         Example: loganalyze events sample_logs --type view --where \"response_status >= 400\" --columns timestamp,path,referrer",
    );
    with_usual_top(with_common(command, "the events themselves, newest first"), &TOP.to_string())
}

/// What the words ask for.
///
/// # Errors
/// `Error::Usage` for a value that a column cannot have or a column that there is not, `Error::Query` for a condition that
/// is none.
pub fn question(matches: &ArgMatches, options: &Common) -> Result<Question, Error> {
    let columns = columns(matches)?;
    let condition = condition(matches)?;
    let descending = matches.get_one::<String>("order").is_some_and(|order| order == "newest");
    let time = format!("timestamp{} NULLS LAST", if descending { " DESC" } else { "" });
    let ties = columns.iter().filter(|name| **name != "timestamp").map(|name| format!("{name} NULLS LAST"));
    let order: Vec<String> = std::iter::once(time).chain(ties).collect();
    let mut sql =
        format!("SELECT {}\nFROM events{condition}\nORDER BY {}", columns.join(", "), order.join(", "));
    let top = options.top.unwrap_or(TOP);
    let mut count = None;
    if top > 0 && u32::try_from(top).is_ok() {
        // What is cut off need not be sorted, only counted.
        sql += &format!("\nLIMIT {top}");
        count = Some(format!("SELECT COUNT(*) AS n FROM events{condition}"));
    }
    let none = matches.get_many::<String>("type").map(|types| {
        let types: Vec<&str> = types.map(String::as_str).collect();
        format!("no event of type {}: 'loganalyze event-counts' lists the types there are", types.join(", "))
    });
    Ok(Question { count, none, top, ..Question::of_sql("events", sql) })
}

fn columns(matches: &ArgMatches) -> Result<Vec<&'static str>, Error> {
    let Some(asked) = matches.get_many::<String>("columns") else { return Ok(COLUMNS.to_vec()) };
    let mut columns = Vec::new();
    for name in asked.map(|name| name.trim()) {
        match schema::column(name) {
            Some(column) => columns.push(column.name),
            None if name == "all" => columns.extend(schema::names()),
            None => {
                let near = did_you_mean(name, schema::names());
                return Err(Error::Usage(format!(
                    "--columns: events have no column '{name}'{near}; 'loganalyze schema' lists them"
                )));
            }
        }
    }
    let mut seen = std::collections::HashSet::new();
    columns.retain(|name| seen.insert(*name));
    Ok(columns)
}

/// All conditions as an SQL clause, empty if there are none.
fn condition(matches: &ArgMatches) -> Result<String, Error> {
    let mut all = Vec::new();
    for filter in &FILTERS {
        let Some(values) = matches.get_many::<String>(filter.option) else { continue };
        let any: Vec<String> = values.map(|value| equality(filter, value)).collect::<Result<_, _>>()?;
        all.push(any.join(" OR "));
    }
    if let Some(conditions) = matches.get_many::<String>("where") {
        // A condition may end in a comment.
        let any = conditions.map(|condition| checked(condition).map(|condition| format!("({condition}\n)")));
        all.push(any.collect::<Result<Vec<_>, _>>()?.join(" OR "));
    }
    let all: Vec<String> = all.iter().map(|any| format!("({any})")).collect();
    Ok(if all.is_empty() { String::new() } else { format!("\nWHERE {}", all.join("\n  AND ")) })
}

fn equality(filter: &Filter, value: &str) -> Result<String, Error> {
    let Filter { option, column, .. } = filter;
    let value = value.trim();
    if *column == "event_type" && value == "(none)" {
        return Ok("event_type IS NULL".into());
    }
    if *column == "ip_address"
        && let Ok(address) = value.parse::<IpAddr>()
    {
        // As people and programs write it: an IPv4 address may stand in one of IPv6.
        let address = address.to_canonical();
        let mapped = match address {
            IpAddr::V4(address) => address.to_ipv6_mapped().to_string(),
            IpAddr::V6(_) => value.to_lowercase(),
        };
        return Ok(format!("{column} IN ('{value}', '{address}', '{mapped}')"));
    }
    let is_number = schema::column(column).is_some_and(|column| column.kind == Type::Bigint);
    if !is_number {
        return Ok(format!("{column} = '{}'", value.replace('\'', "''")));
    }
    let number: i64 =
        value.parse().map_err(|_| Error::Usage(format!("--{option} '{value}' is no whole number")))?;
    Ok(format!("{column} = {number}"))
}

fn checked(condition: &str) -> Result<String, Error> {
    let tried = free::prepared_condition(condition).and_then(|prepared| {
        engine::dry_run(&format!("SELECT timestamp FROM events WHERE ({prepared}\n)")).map(|_| prepared)
    });
    tried.map_err(|error| Error::Query(format!("--where '{condition}': {error}")))
}
