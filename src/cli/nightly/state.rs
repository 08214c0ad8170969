//! What the job remembers from run to run: days that are still to be done, alerts that are still to be told, numbers of the
//! last run that went well.

use super::numbers::Numbers;
use crate::alert::Fired;
use crate::error::Error;
use crate::sink::write_atomically;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The newest form of the file that we know.
const VERSION: u32 = 1;

/// Alerts of days before the newest so many are forgotten once they are told.
const REMEMBERED: usize = 5000;

/// What the job remembers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    version: u32,
    /// Days that were asked for and are not done.
    #[serde(default)]
    pub open: BTreeSet<NaiveDate>,
    /// Days that are done, each with the mark that the store had for it.
    #[serde(default)]
    pub done: BTreeMap<NaiveDate, String>,
    /// Alerts that fired.
    #[serde(default)]
    pub alerts: Vec<Told>,
    /// How many lines of how many had been rejected in all when rules were last asked about that.
    #[serde(default)]
    pub judged: Option<(u64, u64)>,
    /// What the last run that went well counted.
    #[serde(default)]
    pub numbers: Option<Numbers>,
    #[serde(skip)]
    path: PathBuf,
}

/// An alert, and who knows of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Told {
    /// What fired.
    #[serde(flatten)]
    pub fired: Fired,
    /// The names of the channels that are to take it.
    pub to_tell: Vec<String>,
    /// The names of those that have.
    pub told: Vec<String>,
    /// Whether it fires no longer.
    pub over: bool,
}

impl State {
    /// Reads what was remembered; nothing if there is no file.
    ///
    /// # Errors
    /// `Error::Read` for a file that is not ours.
    pub fn read(path: &Path) -> Result<State, Error> {
        let wrong = |source| Error::Read { path: path.display().to_string(), source };
        let mut state = match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice::<State>(&bytes).map_err(|error| {
                wrong(std::io::Error::other(format!(
                    "{error}: put it back from a backup, or remove it: then days are made again, and what they tell is told again"
                )))
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                State { judged: Some((0, 0)), ..State::default() }
            }
            Err(error) => return Err(wrong(error)),
        };
        if state.version > VERSION {
            return Err(wrong(std::io::Error::other("a newer loganalyze wrote it: run that one")));
        }
        state.version = VERSION;
        path.clone_into(&mut state.path);
        Ok(state)
    }

    /// How many lines of how many were rejected since rules were last asked about that, whoever read them; `all` are those that
    /// the store counts, and `read` those that this run read.
    pub fn unjudged(&self, all: (u64, u64), read: (u64, u64)) -> (u64, u64) {
        // A state of an older program does not say it, and that of another store means nothing.
        let known = self.judged.filter(|judged| judged.0 <= all.0 && judged.1 <= all.1);
        known.map_or(read, |judged| (all.0 - judged.0, all.1 - judged.1))
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// `Error::Write`.
    pub fn save(&self) -> Result<(), Error> {
        let json = serde_json::to_vec(self)
            .map_err(|error| Error::Write { path: self.path.clone(), source: error.into() })?;
        write_atomically(&self.path, |out| out.write_all(&json))
    }

    /// Takes note of what fired and what did not fire for a day. No channel is told the same twice, even if late lines silence
    /// a rule and later ones wake it again.
    pub fn note(&mut self, date: NaiveDate, fired: &[Fired], silent: &[String], channels: &[&str]) {
        let date = date.to_string();
        for told in self.alerts.iter_mut().filter(|told| told.fired.date == date) {
            if silent.contains(&told.fired.name) {
                told.to_tell.clear();
                told.over = true;
            }
        }
        let names = || channels.iter().map(|name| (*name).to_owned());
        for fired in fired {
            match self.alerts.iter_mut().find(|told| told.fired.id() == fired.id()) {
                Some(told) => {
                    told.fired = Fired { since: told.fired.since, ..fired.clone() };
                    if std::mem::take(&mut told.over) {
                        told.to_tell = names().filter(|name| !told.told.contains(name)).collect();
                    }
                }
                None => {
                    let fired = fired.clone();
                    self.alerts.push(Told {
                        fired,
                        to_tell: names().collect(),
                        told: Vec::new(),
                        over: false,
                    });
                }
            }
        }
        let surplus = self.alerts.len().saturating_sub(REMEMBERED);
        let mut seen = 0;
        self.alerts.retain(|told| {
            seen += 1;
            seen > surplus || !told.to_tell.is_empty()
        });
    }

    /// The alerts that a channel has not taken.
    pub fn to_tell(&self, channel: &str) -> Vec<Fired> {
        let open = |told: &&Told| told.to_tell.iter().any(|name| name == channel);
        self.alerts.iter().filter(open).map(|told| told.fired.clone()).collect()
    }

    /// Takes note that a channel has taken all.
    pub fn told(&mut self, channel: &str) {
        for told in self.alerts.iter_mut().filter(|told| told.to_tell.iter().any(|name| name == channel)) {
            told.to_tell.retain(|name| name != channel);
            told.told.push(channel.to_owned());
        }
    }

    /// Forgets channels that there are no longer.
    pub fn keep_channels(&mut self, channels: &[&str]) {
        self.alerts.iter_mut().for_each(|told| told.to_tell.retain(|name| channels.contains(&name.as_str())));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn fired(name: &str, since: i64) -> Fired {
        Fired {
            name: name.into(),
            severity: "info".into(),
            report: None,
            date: "2025-03-10".into(),
            condition: "any".into(),
            what: "x".into(),
            example: None,
            since,
        }
    }

    #[test]
    fn an_alert_is_told_once_a_channel() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let day = "2025-03-10".parse().unwrap();
        let mut state = State::read(&path).unwrap();
        state.note(day, &[fired("a", 1), fired("b", 1), fired("d", 1)], &[], &["webhook", "mail"]);
        state.told("webhook");
        state.save().unwrap();
        let mut state = State::read(&path).unwrap();
        // Again: b no longer fires, nobody asked d, and one more fires.
        state.note(day, &[fired("a", 2), fired("c", 2)], &["b".into()], &["webhook", "mail"]);
        let names = |state: &State, channel: &str| {
            let alerts = state.to_tell(channel);
            alerts.iter().map(|fired| (fired.name.clone(), fired.since)).collect::<Vec<_>>()
        };
        assert_eq!(names(&state, "webhook"), [("c".into(), 2)]);
        assert_eq!(names(&state, "mail"), [("a".into(), 1), ("d".into(), 1), ("c".into(), 2)]);
        // b fires again: one of them knows.
        state.note(day, &[fired("b", 3)], &[], &["webhook", "mail"]);
        assert_eq!(names(&state, "webhook"), [("c".into(), 2)]);
        assert!(names(&state, "mail").contains(&("b".into(), 1)));
        state.keep_channels(&["webhook"]);
        assert_eq!(names(&state, "mail"), []);
        std::fs::write(&path, r#"{"version": 9}"#).unwrap();
        assert!(State::read(&path).unwrap_err().to_string().contains("newer"));
    }
}
