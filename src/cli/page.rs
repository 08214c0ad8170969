//! What the page of several reports says of each, and of the run. Knows nothing of how the page looks.

use super::account::Account;
use super::args::{Bots, Common};
use super::load::Loaded;
use super::quality::reasons;
use super::question::Question;
use super::target::Target;
use crate::error::Error;
use crate::report::ResultColumn;
use crate::scan::FileScan;
use crate::sink::About;
use crate::sink::page::{Definition, Facts, Headline, Part, Report};
use polars::prelude::{Column, DataFrame};

/// What the page shows of a report's result, of which the first `rows` rows are in a file of their own.
///
/// # Errors
/// `Error::Query` for a header that cannot be read, or if Polars gives out.
pub fn part(
    question: &Question,
    target: &Target,
    about: &About,
    whole: &DataFrame,
    rows: usize,
) -> Result<Part, Error> {
    // What is not of the catalogue has a title and rows only.
    let header = question.report.as_ref().map(|report| &report.header);
    let definition = |column: &ResultColumn| Definition {
        name: column.name.clone(),
        kind: column.kind.sql().into(),
        meaning: column.meaning.clone(),
    };
    let headlines =
        header.and_then(|header| header.headlines.as_deref()).map(Headline::parse_all).transpose()?;
    let report = Report {
        title: &question.title,
        group: header.map_or("", |header| &header.group),
        columns: header.map(|header| header.columns.iter().map(definition).collect()).unwrap_or_default(),
        sql: &question.sql,
        file: target.file_name(&about.name),
        headlines: headlines.unwrap_or_default(),
    };
    Part::of(&report, about, whole, rows).map_err(failed)
}

/// What the page says of the run. Nothing of the clock: the same logs give the same page.
///
/// # Errors
/// `Error::Query` if Polars gives out.
pub fn facts<'a>(
    options: &Common,
    loaded: impl Iterator<Item = &'a Loaded>,
    account: &Account,
) -> Result<Facts, Error> {
    let loaded: Vec<&Loaded> = loaded.collect();
    let files: Vec<&FileScan> = loaded.iter().flat_map(|loaded| &loaded.files).collect();
    let spans = || loaded.iter().filter_map(|loaded| loaded.span);
    let column = |name: &str, value: &dyn Fn(&FileScan) -> u64| {
        Column::new(name.into(), files.iter().map(|file| value(file) as i64).collect::<Vec<_>>())
    };
    let text = |name: &str, value: &dyn Fn(&FileScan) -> String| {
        Column::new(name.into(), files.iter().map(|file| value(file)).collect::<Vec<_>>())
    };
    let columns = vec![
        text("file", &|file| file.name.clone()),
        column("lines", &|file| file.tally.lines),
        column("events", &|file| file.tally.events),
        column("rejects", &|file| file.tally.rejects()),
        column("blank", &|file| file.tally.blank),
        column("joined", &|file| file.tally.joined),
        text("reject_reasons", &|file| reasons(&file.tally)),
    ];
    Ok(Facts {
        period: spans().map(|span| span.0).min().zip(spans().map(|span| span.1).max()),
        accounting: account.sum(),
        files: DataFrame::new(files.len(), columns).map_err(failed)?,
        options: chosen(options),
        program: concat!("loganalyze ", env!("CARGO_PKG_VERSION")).into(),
    })
}

/// What was asked for, beside the reports.
fn chosen(options: &Common) -> Vec<(String, String)> {
    let bots = match options.bots {
        Bots::Include => "counted with the others",
        Bots::Exclude => "left out",
        Bots::Only => "only they are counted",
    };
    let end = if options.split_midnight { ", or at midnight" } else { "" };
    let input = match &options.store {
        Some(store) => format!("the store {}", store.display()),
        None => options.inputs.join(", "),
    };
    let mut chosen = vec![
        ("Input", input),
        ("Time zone", options.tz.clone()),
        ("A session ends", format!("after {} without an event{end}", options.gap)),
        ("Events of programs", bots.to_owned()),
    ];
    let more = [
        ("Only events from", options.since.clone()),
        ("Only events before", options.until.clone()),
        ("Rows of each report", options.top.map(|top| if top == 0 { "all".into() } else { top.to_string() })),
        ("Personal data", options.hash_pii.then(|| "as keyed hashes".to_owned())),
    ];
    chosen.extend(more.into_iter().filter_map(|(name, value)| Some((name, value?))));
    chosen.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn failed(error: polars::prelude::PolarsError) -> Error {
    Error::Query(error.to_string())
}
