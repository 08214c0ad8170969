//! `nightly`: what is new goes into the store, the days that it is about get their reports, and whoever wants to know is
//! told. Knows neither how the store keeps events nor how a report is answered.

mod day;
mod days;
mod lake;
mod numbers;
mod place;
mod state;
mod watch;

use super::account::Account;
use super::args::Common;
use super::ingest::{self, ingest};
use super::run::limit_threads;
use super::say::note;
use super::settings::{Settings, add_flags, load};
use super::store::first_kept;
use super::times;
use crate::alert::{Channel, Fired};
use crate::error::Error;
use crate::sink::visible;
use crate::store::{Store, Writer};
use chrono::{NaiveDate, Utc};
use clap::{Arg, ArgAction, ArgMatches, Command};
use day::Day;
use lake::Lake;
use numbers::Numbers;
use place::Place;
use state::State;
use std::io::Write;
use std::time::Instant;
use watch::Verdict;

/// The exit code of a run that found something.
const ALERT: u8 = 4;

/// The words of `nightly`.
pub fn command() -> Command {
    let date = Arg::new("date").long("date").value_name("DAY").default_value("yesterday").help(
        "The day to report on: yesterday, 2025-03-10, or 2025-03-01..2025-03-09 (both included) to catch up",
    );
    let quiet = Arg::new("quiet")
        .short('q')
        .long("quiet")
        .action(ArgAction::SetTrue)
        .help("Say nothing but errors and what could not be told");
    let command = Command::new("nightly")
        .about("a night's work: new lines into the store, reports, alerts")
        .arg(date)
        .arg(quiet)
        .after_help(
            "It may be run as often as one likes: what was read is not read again, and the same day gives the same files.\n\
             Days that late lines changed are done again. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 too many rejected\n\
             lines, 4 a rule fired (with --fail-on-alert), 75 another run is at work.\n\
             Example: loganalyze nightly --inputs sample_logs --store lake --out out --date 2025-03-14",
        );
    add_flags(command, None)
}

/// Does a night's work.
///
/// # Errors
/// Whatever keeps it from being done; days that are done by then stay done.
pub fn run(matches: &ArgMatches) -> Result<u8, Error> {
    let settings = Settings::of(&load(matches)?)?;
    limit_threads(&settings.options)?;
    let today = Utc::now().with_timezone(&times::zone(&settings.options.tz)?).date_naive();
    let asked = days::days(matches.get_one("date").map_or("yesterday", String::as_str), today)?;
    let place = Place::take(&settings.out)?;
    let mut state = State::read(&place.state())?;
    let mut night =
        Night { settings: &settings, place: &place, asked: &asked, begin: Instant::now(), notes: Vec::new() };
    let done = night.work(&mut state);
    // Before anybody is told, which may take its time, and after.
    let written = night.write_numbers(&state, done.is_err());
    let untold = watch::tell(&mut state, &settings.channels, now());
    let written = written.and_then(|()| night.write_numbers(&state, done.is_err()));
    let quiet = matches.get_flag("quiet");
    let notes = night.notes.iter().filter(|_| !quiet).chain(&untold);
    notes.for_each(|text| note(text));
    let done = done?;
    written?;
    let code = if settings.fail_on_alert && !done.fired.is_empty() { ALERT } else { 0 };
    if !quiet
        && let Err(error) = writeln!(std::io::stdout(), "{}", visible(&night.sentence(&done)))
        // Nobody may be reading it, but an alert is one.
        && code == 0
    {
        return Err(Error::Stdout(error));
    }
    Ok(code)
}

struct Night<'a> {
    settings: &'a Settings,
    place: &'a Place,
    /// The days that were asked for.
    asked: &'a [NaiveDate],
    begin: Instant,
    notes: Vec<String>,
}

/// What a night's work came to. The answers themselves are not kept: a range may be of many days.
#[derive(Default)]
struct Done {
    account: Account,
    /// The days, and whether the folder of each is another one now.
    days: Vec<(NaiveDate, bool)>,
    fired: Vec<Fired>,
    /// Reports, labels and numbers of the newest of the days that were asked for.
    headlines: Vec<(String, String, f64)>,
}

impl Night<'_> {
    /// What was asked for is written down first, so that a run that fails is made up for by the next one.
    fn work(&mut self, state: &mut State) -> Result<Done, Error> {
        state.open.extend(self.asked);
        state.save()?;
        self.check_store(state)?;
        let mut done = Done::default();
        let ingested = self.ingest(&mut done.account);
        if let (Err(Error::TooManyRejects(_)), Some(newest)) = (&ingested, state.open.last().copied()) {
            let tally = &done.account.tally;
            let rejects = (tally.rejects(), tally.lines);
            self.note(watch::ask_of_rejects(self.settings, newest, rejects, now())?, newest, state);
            state.save()?;
        }
        let mut failed = ingested?;
        let unread = failed.len();
        let lake = Lake::read(&self.settings.store)?;
        // Whoever changed the store, and whatever became of the run that did: what counts is that the day is another one.
        let changed = |day: &NaiveDate| {
            lake.mark(*day).is_some_and(|mark| state.done.get(day).is_none_or(|known| known != mark))
        };
        let is_ours = |day: &NaiveDate| day::is_made(&self.place.of(*day));
        let again: Vec<NaiveDate> =
            self.place.days()?.into_iter().filter(|day| changed(day) && is_ours(day)).collect();
        state.open.extend(again);
        for date in state.open.clone() {
            // A day that cannot be made stays open, and keeps no other from being made.
            if let Err(error) = self.day(date, &lake, state, &mut done) {
                failed.push(format!("{date}: {error}"));
            }
        }
        // A day that could not be made needs its events.
        if failed.len() == unread {
            self.prune()?;
        }
        if failed.is_empty() {
            state.numbers = Some(self.numbers(&done));
        }
        state.save()?;
        match failed.as_slice() {
            [] => Ok(done),
            failed => Err(Error::Store(format!(
                "{}\nall else is done; the next run tries again what could not be",
                failed.join("\n")
            ))),
        }
    }

    /// A store that is gone must not be made again unseen: the logs of most days are gone, too, and their results would be made
    /// of what is left.
    fn check_store(&self, state: &State) -> Result<(), Error> {
        let Settings { store, out, .. } = self.settings;
        if state.done.is_empty() || Store::exists(store)? {
            return Ok(());
        }
        Err(Error::Store(format!(
            "the store {} is gone, and the results in {} were made of it: is its disk there? Put it back from a backup, or make a \
             new one with 'loganalyze ingest': days are made again then, of what there is",
            store.display(),
            out.display()
        )))
    }

    /// Reads new lines into the store; returns what could not be read.
    fn ingest(&mut self, account: &mut Account) -> Result<Vec<String>, Error> {
        let Settings { inputs, store, options, summary, metrics, .. } = self.settings;
        let outputs = [("'summary'", summary), ("'metrics'", metrics)].into_iter();
        let plan = ingest::Plan {
            inputs: inputs.clone(),
            store: store.clone(),
            outputs: outputs.filter_map(|(key, path)| Some((key, path.clone()?))).collect(),
            see_rejects: "'loganalyze quality INPUT --rejects FILE'",
        };
        // A store keeps people as they are; what is written of it has them hashed.
        let options = Common { hash_pii: false, quiet: true, summary: summary.clone(), ..options.clone() };
        let ingested = ingest(&plan, &options, account)?;
        self.notes.extend(ingested.notes);
        if let Some(path) = summary {
            account.write_summary(path, serde_json::Map::new())?;
        }
        Ok(ingested.failed.iter().map(Error::to_string).collect())
    }

    /// Takes old days out of the store, once their reports are there.
    fn prune(&mut self) -> Result<(), Error> {
        let Some(keep) = self.settings.keep else { return Ok(()) };
        let mut writer = Writer::existing(&self.settings.store)?;
        let Some(first) = first_kept(&writer.store, keep)? else { return Ok(()) };
        let days: Vec<NaiveDate> = writer.prune(first)?.iter().filter_map(|found| found.day.date()).collect();
        if !days.is_empty() {
            self.notes.push(format!("{} left the store, as 'keep' says", days::in_words(&days)));
        }
        Ok(())
    }

    fn day(&mut self, date: NaiveDate, lake: &Lake, state: &mut State, done: &mut Done) -> Result<(), Error> {
        match day::make(self.settings, self.place, date, lake)? {
            Some(day) => {
                if self.asked.contains(&date) && lake.lines(date) == 0 {
                    self.notes.push(format!("the store has no event of {date}: its reports are empty"));
                }
                // Lines that cannot be read have no day: the newest answers for them.
                let read = (done.account.tally.rejects(), done.account.tally.lines);
                let new = state.unjudged(lake.rejects, read);
                let answers_for_them = state.open.last() == Some(&date);
                let rejects = (answers_for_them && new.1 > 0).then_some(new);
                let verdict = watch::ask(self.settings, lake, &day, rejects, now())?;
                if answers_for_them {
                    state.judged = Some(lake.rejects);
                }
                done.fired.extend(self.note(verdict, date, state));
                done.days.push((date, day.changed));
                if self.asked.contains(&date) {
                    done.headlines = headlines(&day)?;
                }
            }
            None => self.notes.push(format!(
                "the store does not have all of {date} any more: {} stays as it is",
                self.place.of(date).display()
            )),
        }
        state.open.remove(&date);
        if let Some(mark) = lake.mark(date) {
            state.done.insert(date, mark.to_owned());
        }
        state.save()
    }

    /// Writes down what is to be told of a day; gives what fired.
    fn note(&self, verdict: Verdict, date: NaiveDate, state: &mut State) -> Vec<Fired> {
        let channels: Vec<&str> = self.settings.channels.iter().map(Channel::name).collect();
        state.note(date, &verdict.fired, &verdict.silent, &channels);
        verdict.fired
    }

    fn numbers(&self, done: &Done) -> Numbers {
        let fires = |name: &str| done.fired.iter().any(|fired| fired.name == name);
        let rules = self.settings.rules.iter();
        let mut numbers = Numbers {
            done: now(),
            seconds: self.begin.elapsed().as_secs_f64(),
            days: done.days.len() as u64,
            alerts: rules.map(|rule| (rule.name.clone(), rule.severity.clone(), fires(&rule.name))).collect(),
            headlines: done.headlines.clone(),
            ..Numbers::default()
        };
        numbers.count(&done.account.tally);
        numbers
    }

    fn write_numbers(&self, state: &State, failed: bool) -> Result<(), Error> {
        let Some(path) = &self.settings.metrics else { return Ok(()) };
        let untold = state.alerts.iter().filter(|told| !told.to_tell.is_empty()).count();
        numbers::write(path, state.numbers.as_ref(), failed, now(), untold)
    }

    /// `2025-03-13 is done: 25 reports each in out · 2,588 lines = … · 1 alert: …`
    fn sentence(&self, done: &Done) -> String {
        let dates = |changed: bool| -> Vec<NaiveDate> {
            done.days.iter().filter(|day| day.1 == changed).map(|day| day.0).collect()
        };
        let (new, same) = (dates(true), dates(false));
        let mut parts = Vec::new();
        if !new.is_empty() {
            let count = self.settings.reports.len();
            let reports = if count == 1 { "1 report".into() } else { format!("{count} reports") };
            parts.push(format!("{}: {reports} in {}", days::in_words(&new), self.settings.out.display()));
        }
        if !same.is_empty() {
            parts.push(format!("{}: as before", days::in_words(&same)));
        }
        parts.push(match done.account.tally.lines {
            0 => "no new line".into(),
            _ => format!("new: {}", done.account.sum()),
        });
        for fired in &done.fired {
            parts.push(format!("{}: {} ({}): {}", fired.severity, fired.name, fired.date, fired.what));
        }
        parts.join(" · ")
    }
}

/// Reports, labels and the numbers that sum a day up.
fn headlines(day: &Day) -> Result<Vec<(String, String, f64)>, Error> {
    let mut all = Vec::new();
    for (question, answer) in &day.given {
        let numbers = day::headlines(question, answer)?.into_iter();
        all.extend(numbers.map(|(label, number)| (question.name.clone(), label, number)));
    }
    Ok(all)
}

fn now() -> i64 {
    Utc::now().timestamp()
}
