//! Which files a command reads: those that its questions are of.

use super::args::Common;
use super::question::Question;
use super::say::note;
use crate::error::Error;
use crate::input::{Found, Logs, find};
use crate::store::Store;
use std::path::Path;

/// No files: what is read is a store. Reports of logs that a store does not hold are dropped with a note, if there are
/// others.
///
/// # Errors
/// `Error::Usage` where there are files too, options that a store knows nothing of, or nothing that it can answer.
pub fn of_store(store: &Store, options: &Common, questions: &mut Vec<Question>) -> Result<Found, Error> {
    if let Some(input) = options.inputs.first() {
        return Err(Error::Usage(format!("name logs such as '{input}' or a store with --store, not both")));
    }
    let of_lines = [
        ("--strict", options.strict),
        ("--max-rejects", options.max_rejects.is_some()),
        ("--rejects", options.rejects.is_some()),
    ];
    if let Some((option, _)) = of_lines.iter().find(|(_, given)| *given) {
        return Err(Error::Usage(format!(
            "{option} is about lines of logs, and a store has none: give it to 'loganalyze ingest'"
        )));
    }
    let kept = &store.manifest.redact;
    if let Some(word) = options.redact.iter().find(|word| !options.hash_pii && !kept.contains(word)) {
        return Err(Error::Usage(format!(
            "--redact {word}: the store {} was made without it, and keeps such values: make another with 'loganalyze ingest \
             --redact {word}'",
            store.folder.display()
        )));
    }
    let not_in_it = |question: &Question| question.is_of_system_logs() || question.is_quality();
    if questions.iter().all(not_in_it) {
        let what = questions.first().map_or("this", |question| question.name.as_str());
        return Err(Error::Usage(format!(
            "a store holds the events of user activity, not system logs and the lines of files: name logs for {what}"
        )));
    }
    if questions.iter().any(not_in_it) && !options.quiet {
        note("a store holds no system logs: their reports are left out");
    }
    questions.retain(|question| !not_in_it(question));
    Ok(Found::default())
}

/// The zone of a store, which is that of all its times.
///
/// # Errors
/// `Error::Usage` where another one is asked for; `Error::Store` where there is no store.
pub fn zone_of_store(folder: &Path, asked: Option<&String>) -> Result<String, Error> {
    let zone = Store::open(folder)?.manifest.zone;
    match asked {
        Some(asked) if *asked != zone => Err(Error::Usage(format!(
            "the store {} was made with --tz {zone}, and not {asked}: leave --tz out",
            folder.display()
        ))),
        _ => Ok(zone),
    }
}

/// The files to read, and notes about them on standard error. Reports of logs that are not there are dropped with a note,
/// if there are others.
///
/// # Errors
/// Where there is nothing to read.
pub fn inputs(options: &Common, questions: &mut Vec<Question>) -> Result<Found, Error> {
    let of_system = |question: &Question| question.is_of_system_logs();
    let logs = match (questions.iter().any(of_system), questions.iter().all(of_system)) {
        (false, _) => Logs::Activity,
        (true, true) => Logs::System,
        (true, false) => Logs::Both,
    };
    let mut found = find(&options.inputs, logs)?.complete(options.allow_empty)?;
    if !found.unreadable.is_empty() {
        return Err(found.unreadable.remove(0));
    }
    let missing = match (logs, found.activity.is_empty(), found.system.is_empty()) {
        (Logs::Both, false, true) => Some(("system logs (app*.log)", "user activity", true)),
        (Logs::Both, true, false) => Some(("user activity", "system logs (app*.log)", false)),
        _ => None,
    };
    if let Some((missing, there, is_of_missing)) = missing {
        let others = |question: &Question| of_system(question) != is_of_missing;
        if !options.allow_empty
            && questions.iter().any(|question| !others(question) && question.report.is_none())
        {
            return Err(Error::NoInput(format!("no {missing} among the inputs, but a query of them")));
        }
        found.notes.push(format!("no {missing} among the inputs: only the reports of {there} are made"));
        questions.retain(|question| others(question) || question.report.is_none());
    }
    if !options.quiet {
        found.notes.iter().for_each(|text| note(text));
    }
    Ok(found)
}
