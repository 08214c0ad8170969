//! The rules, asked of the days that a run did, and told to whom it is to be told.

use super::day::{Day, options};
use super::days::before;
use super::lake::Lake;
use super::state::State;
use crate::alert::{Channel, Facts, Fired, Left, Right, Rule, When, evaluate, number};
use crate::cli::question::{Question, of_names};
use crate::cli::run::answers;
use crate::cli::settings::Settings;
use crate::error::Error;
use chrono::NaiveDate;
use polars::prelude::{Column, DataFrame, PolarsError};

/// How many weeks back the same weekday is looked at.
const WEEKS: u64 = 8;

/// What the rules said of a day.
#[derive(Default)]
pub struct Verdict {
    /// What fires.
    pub fired: Vec<Fired>,
    /// The rules that were asked and do not fire.
    pub silent: Vec<String>,
}

/// What fires for a day. `rejects` are of how many new lines how many were rejected, if this day is to answer for them.
///
/// # Errors
/// `Error::Query` if Polars gives out; whatever keeps earlier days from being read.
pub fn ask(
    settings: &Settings,
    lake: &Lake,
    day: &Day,
    rejects: Option<(u64, u64)>,
    now: i64,
) -> Result<Verdict, Error> {
    let mut verdict = Verdict::default();
    for rule in &settings.rules {
        if rejects.is_none() && is_of_rejects(rule) {
            continue;
        }
        let of = |name: &String| day.given.iter().find(|(question, _)| question.name == *name);
        let (result, key) = match rule.report.as_ref().and_then(of) {
            Some((Question { report, .. }, answer)) => {
                (answer.whole.clone(), report.as_ref().map(|report| report.header.key.clone()))
            }
            None => (lines(day.lines)?, None),
        };
        let usual = match &rule.when {
            When::Compare(left, _, Right::Usual(_)) => usual(settings, lake, rule, left, day.date)?,
            _ => None,
        };
        let facts = Facts { usual, rejects: rejects.unwrap_or_default(), now };
        verdict.ask(rule, &result, &key.unwrap_or_default(), day.date, &facts)?;
    }
    Ok(verdict)
}

/// What fires where so many lines were rejected that nothing was stored: `rejects` are how many of how many new lines, for
/// which this day is to answer.
///
/// # Errors
/// `Error::Query` if Polars gives out.
pub fn ask_of_rejects(
    settings: &Settings,
    date: NaiveDate,
    rejects: (u64, u64),
    now: i64,
) -> Result<Verdict, Error> {
    let mut verdict = Verdict::default();
    for rule in settings.rules.iter().filter(|rule| is_of_rejects(rule)) {
        verdict.ask(rule, &lines(0)?, &[], date, &Facts { usual: None, rejects, now })?;
    }
    Ok(verdict)
}

fn is_of_rejects(rule: &Rule) -> bool {
    matches!(rule.when, When::Compare(Left::Rejects, ..))
}

impl Verdict {
    fn ask(
        &mut self,
        rule: &Rule,
        result: &DataFrame,
        key: &[String],
        date: NaiveDate,
        facts: &Facts,
    ) -> Result<(), Error> {
        match evaluate(rule, result, key, &date.to_string(), facts).map_err(failed)? {
            Some(fired) => self.fired.push(fired),
            None => self.silent.push(rule.name.clone()),
        }
        Ok(())
    }
}

/// What a rule without a report looks at.
fn lines(lines: u64) -> Result<DataFrame, Error> {
    let column = Column::new("lines".into(), [i64::try_from(lines).unwrap_or(i64::MAX)]);
    DataFrame::new(1, vec![column]).map_err(failed)
}

/// The median of a number over the same weekday before, and of how many days it is. Days without any event are not known.
fn usual(
    settings: &Settings,
    lake: &Lake,
    rule: &Rule,
    left: &Left,
    date: NaiveDate,
) -> Result<Option<(f64, usize)>, Error> {
    let mut numbers = Vec::new();
    let earlier = (1..=WEEKS).filter_map(|weeks| before(date, 7 * weeks));
    for day in earlier.filter(|day| lake.lines(*day) > 0) {
        let result = match &rule.report {
            None => lines(lake.lines(day))?,
            Some(report) => {
                let questions = of_names(std::slice::from_ref(report))?;
                let answered = answers(questions, &options(settings, day), false, None)?;
                answered.given.into_iter().map(|(_, answer)| answer.whole).next().unwrap_or_default()
            }
        };
        numbers.extend(number(left, &result).map_err(failed)?);
    }
    Ok(median(&mut numbers).map(|median| (median, numbers.len())))
}

fn failed(error: PolarsError) -> Error {
    Error::Query(error.to_string())
}

fn median(numbers: &mut [f64]) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    match numbers.len() {
        0 => None,
        length if length % 2 == 1 => Some(numbers[middle]),
        _ => Some((numbers[middle - 1] + numbers[middle]) / 2.0),
    }
}

/// Tells every channel what it has not taken yet. What fails is a note, and is tried again by the next run.
pub fn tell(state: &mut State, channels: &[Channel], now: i64) -> Vec<String> {
    let names: Vec<&str> = channels.iter().map(Channel::name).collect();
    state.keep_channels(&names);
    let mut notes = Vec::new();
    for channel in channels {
        let alerts = state.to_tell(channel.name());
        if alerts.is_empty() {
            continue;
        }
        match channel.tell(&alerts, now) {
            Ok(()) => state.told(channel.name()),
            Err(why) => notes.push(format!(
                "{} did not take {} alert{}: {why}; the next run tries again",
                channel.name(),
                alerts.len(),
                if alerts.len() == 1 { "" } else { "s" },
            )),
        }
        // At once, so that whatever happens next does not have it told twice.
        if let Err(error) = state.save() {
            notes.push(error.to_string());
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&mut []), None);
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
