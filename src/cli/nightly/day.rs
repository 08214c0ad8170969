//! One day's reports: asked of the store, written into the day's folder. Knows nothing of other days.

use super::lake::Lake;
use super::place::Place;
use crate::cli::answer::Answer;
use crate::cli::args::Common;
use crate::cli::question::{Question, of_names};
use crate::cli::run::answers;
use crate::cli::settings::Settings;
use crate::cli::target::Target;
use crate::error::Error;
use crate::sink::page::Headline;
use crate::sink::{grouped, write_atomically};
use chrono::NaiveDate;
use polars::prelude::PolarsError;
use serde_json::{Map, Value, json};
use std::path::Path;

/// The file with what a day's folder holds.
const SUMMARY: &str = "summary.json";

/// A day that is done.
pub struct Day {
    /// The day.
    pub date: NaiveDate,
    /// The answers, those to rules about other reports among them.
    pub given: Vec<(Question, Answer)>,
    /// How many lines of it are events.
    pub lines: u64,
    /// Whether its folder was not like this before.
    pub changed: bool,
}

/// The options that cut the day out of the store.
pub fn options(settings: &Settings, date: NaiveDate) -> Common {
    Common {
        inputs: Vec::new(),
        store: Some(settings.store.clone()),
        since: Some(date.to_string()),
        until: date.succ_opt().map(|next| next.to_string()),
        // The store was made without the words' values, and of lines that were good enough.
        redact: Vec::new(),
        max_rejects: None,
        quiet: true,
        ..settings.options.clone()
    }
}

/// Makes the day's folder anew. None if the store does not have all of a day any more whose folder says that it had events:
/// what was pruned is not to be lost once more.
///
/// # Errors
/// Whatever keeps it from being done; the folder is as it was then.
pub fn make(settings: &Settings, place: &Place, date: NaiveDate, lake: &Lake) -> Result<Option<Day>, Error> {
    let (there, lines) = (place.of(date), lake.lines(date));
    // Which sessions began the day before is known only while that day is there.
    let is_pruned = lake.is_pruned(date) || date.pred_opt().is_some_and(|before| lake.is_pruned(before));
    if (lake.mark(date).is_none() || is_pruned) && lines_before(&there) > 0 {
        return Ok(None);
    }
    if there.exists() && !is_made(&there) {
        return Err(Error::Store(format!(
            "{} is no folder of this program (it has no {SUMMARY} of one): move it away, or name another folder for the results",
            there.display()
        )));
    }
    let asked = options(settings, date);
    let mut names = settings.reports.clone();
    for name in settings.rules.iter().filter_map(|rule| rule.report.as_ref()) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    let mut answered = answers(of_names(&names)?, &asked, true, None)?;
    let (written, unwritten): (Vec<_>, Vec<_>) = std::mem::take(&mut answered.given)
        .into_iter()
        .partition(|(question, _)| settings.reports.contains(&question.name));
    answered.given = written;
    answered.given.iter_mut().for_each(|(_, answer)| without_clock(answer, date));
    // The store's other days would make a page of the same day another one.
    let count = grouped(&lines.to_string());
    answered.accounting = Some(format!("{count} lines of this day are events; rejected lines have no day"));
    let folder = place.begin(date)?;
    let target = Target::of_folder(&folder, settings.format, settings.page);
    let done = answered.write(&asked, &target).and_then(|()| {
        write_summary(&folder, &answered.given, &target, date, lines, settings)?;
        place.publish(date)
    });
    if done.is_err() {
        place.give_up(date);
    }
    let mut given = answered.given;
    given.extend(unwritten);
    Ok(Some(Day { date, given, lines, changed: done? }))
}

/// A repeat is to give the same bytes: nothing of when and how the program was called stays.
fn without_clock(answer: &mut Answer, date: NaiveDate) {
    let metadata = &mut answer.about.metadata;
    // Lines of other days would make it another one.
    metadata.retain(|(key, _)| key != "loganalyze.accounting");
    if let Some((_, command)) = metadata.iter_mut().find(|(key, _)| key == "loganalyze.command") {
        *command = format!("nightly --date {date}");
    }
}

fn write_summary(
    folder: &Path,
    given: &[(Question, Answer)],
    target: &Target,
    date: NaiveDate,
    lines: u64,
    settings: &Settings,
) -> Result<(), Error> {
    let mut reports = Map::new();
    for (question, answer) in given {
        let headlines: Map<String, Value> =
            headlines(question, answer)?.into_iter().map(|(label, number)| (label, json!(number))).collect();
        let one = json!({
            "file": target.file_name(&question.name),
            "rows": answer.shown.height(),
            "of": answer.about.total_rows,
            "headlines": headlines,
            "notes": answer.about.notes,
        });
        reports.insert(question.name.clone(), one);
    }
    let summary = json!({
        "date": date.to_string(),
        "zone": settings.options.tz,
        "program": concat!("loganalyze ", env!("CARGO_PKG_VERSION")),
        "lines": lines,
        "reports": reports,
    });
    write_atomically(&folder.join(SUMMARY), |out| writeln!(out, "{summary:#}"))
}

/// Whether a night made this folder.
pub fn is_made(folder: &Path) -> bool {
    summary(folder).is_some_and(|summary| summary["reports"].is_object())
}

/// How many lines a day's folder says that there were.
fn lines_before(folder: &Path) -> u64 {
    summary(folder).and_then(|summary| summary["lines"].as_u64()).unwrap_or_default()
}

fn summary(folder: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(folder.join(SUMMARY)).ok()?).ok()
}

/// The numbers that sum a result up.
///
/// # Errors
/// `Error::Query` for a header that cannot be read, or if Polars gives out.
pub fn headlines(question: &Question, answer: &Answer) -> Result<Vec<(String, f64)>, Error> {
    let text = question.report.as_ref().and_then(|report| report.header.headlines.as_deref());
    let mut numbers = Vec::new();
    for headline in text.map(Headline::parse_all).transpose()?.unwrap_or_default() {
        let number =
            headline.number(&answer.whole).map_err(|error: PolarsError| Error::Query(error.to_string()))?;
        numbers.extend(number.map(|number| (headline.label.clone(), number)));
    }
    Ok(numbers)
}
