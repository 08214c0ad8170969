//! `config show`: what is set, and by which layer.

use super::args::{When, format_parser, value};
use super::settings::{Settings, add_flags, load};
use super::target::Target;
use crate::config::{Alert, Kind};
use crate::error::Error;
use crate::sink::About;
use clap::{Arg, ArgMatches, Command};
use polars::prelude::{Column, DataFrame};

/// Here `--format` is how the table is written, not how results are.
const FORMAT: &str = "table-format";

/// The words of `config`.
pub fn command() -> Command {
    let show = Command::new("show").about("each key, its value, and where that is from");
    let format = Arg::new(FORMAT)
        .long("format")
        .value_name("FORMAT")
        .value_parser(format_parser())
        .help("How to write this table");
    let show = add_flags(show, Some("format"))
        .arg(format)
        .after_help("Secrets in addresses are not shown.\nExample: loganalyze config show");
    Command::new("config")
        .about("what the nightly job is told, and where each value is from")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommand(show)
        .after_help(
            "Layers, each stronger than the one before: defaults, /etc/loganalyze/config.toml,\n\
             ~/.config/loganalyze/config.toml ($XDG_CONFIG_HOME), the file of --config or else ./loganalyze.toml,\n\
             $LOGANALYZE_… (such as LOGANALYZE_STORE), flags.\n\
             Example: loganalyze config show",
        )
}

/// Shows the table; what cannot be is an error, as it would be at night.
///
/// # Errors
/// Where a layer cannot be read, or says what means nothing.
pub fn run(matches: &ArgMatches) -> Result<u8, Error> {
    let Some((_, matches)) = matches.subcommand() else { return Ok(2) };
    let config = load(matches)?;
    let mut rows: Vec<[String; 3]> = Vec::new();
    for (key, set) in config.all() {
        let (value, origin) = match set {
            Some(set) if key.kind == Kind::Url => (masked(set.text()), set.origin.to_string()),
            Some(set) => (set.value.to_string(), set.origin.to_string()),
            None => (String::new(), "not set".to_owned()),
        };
        rows.push([key.name.into(), value, origin]);
    }
    rows.extend(config.alerts.iter().map(of_alert));
    let column = |name: &str, at: usize| {
        Column::new(name.into(), rows.iter().map(|row| row[at].as_str()).collect::<Vec<_>>())
    };
    let columns = vec![column("key", 0), column("value", 1), column("from", 2)];
    let table = DataFrame::new(rows.len(), columns).map_err(|error| Error::Query(error.to_string()))?;
    let about = About { name: "config".into(), total_rows: table.height(), ..About::default() };
    Target::of_one(value(matches, FORMAT).map(String::as_str), None, When::Auto)?
        .write(&table, &about, "")?;
    Settings::of(&config).map(|_| 0)
}

fn of_alert(alert: &Alert) -> [String; 3] {
    let report = alert.report.as_ref().map(|report| format!("{}: ", report.text())).unwrap_or_default();
    let value = format!("{report}{} ({})", alert.when.text(), alert.severity.text());
    [format!("alert {}", alert.name.text()), value, alert.name.origin.to_string()]
}

/// An address without what may be a secret: whoever knows a webhook's path may post there.
fn masked(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (place, behind) = rest.split_at(end);
    let (user, host) = place.rsplit_once('@').map_or(("", place), |(_, host)| ("***@", host));
    let behind = if behind.len() > 1 { "/***" } else { behind };
    format!("{scheme}://{user}{host}{behind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_its_secrets() {
        for (url, shown) in [
            ("https://hooks.slack.com/services/T0/B0/xyz", "https://hooks.slack.com/***"),
            ("https://user:word@host:8080/?token=1", "https://***@host:8080/***"),
            ("https://host?token=1", "https://host/***"),
            ("http://localhost:9093", "http://localhost:9093"),
            ("http://a@b@host/", "http://***@host/"),
        ] {
            assert_eq!(masked(url), shown);
        }
    }
}
