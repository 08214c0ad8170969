//! `store`: what a store holds, and looking after it. Knows nothing of how it keeps events.

use super::account::Account;
use super::args::{When, format_parser, value};
use super::say::{note, say};
use super::target::Target;
use super::times;
use crate::error::Error;
use crate::report;
use crate::scan::time::DAY;
use crate::sink::{About, grouped};
use crate::store::{Day, Forget, Found, Store, Writer};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use polars::prelude::{Column, DataFrame, DataType, TimeUnit};
use std::io::Write;
use std::path::PathBuf;

/// The command.
pub fn command() -> Command {
    let place = || {
        Arg::new("store")
            .value_name("FOLDER")
            .required(true)
            .value_parser(value_parser!(PathBuf))
            .help("The store's folder")
    };
    let dry = || {
        Arg::new("dry-run").long("dry-run").action(ArgAction::SetTrue).help("Only say what would be removed")
    };
    let format = Arg::new("format")
        .long("format")
        .value_name("FORMAT")
        .value_parser(format_parser())
        .help("How to write it");
    let keep = Arg::new("keep")
        .long("keep")
        .value_name("TIME")
        .required(true)
        .help("How much to keep, back from the last event: 400d, 52w");
    let user = Arg::new("user")
        .long("user")
        .value_name("ID")
        .action(ArgAction::Append)
        .value_parser(|text: &str| text.parse::<i64>().map_err(|_| "a user is a number, as user_id has it"))
        .help("This user's events, and what the user's visitors did before they logged in; may be repeated");
    let visitor = Arg::new("visitor")
        .long("visitor")
        .value_name("HASH")
        .action(ArgAction::Append)
        .help("This visitor's events (visitor_id); may be repeated");
    Command::new("store")
        .about("what a store holds; verify, compact, prune and forget")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommands([
            Command::new("info").about("a row a day, and what became of all lines").args([place(), format]),
            Command::new("verify").about("compare every file with its checksum").arg(place()),
            Command::new("compact").about("make one file of the files of each day").arg(place()),
            Command::new("prune").about("remove old days").args([place(), keep, dry()]),
            Command::new("forget").about("remove a person's events from every day").args([
                place(),
                user,
                visitor,
                dry(),
            ]),
        ])
        .after_help("Example: loganalyze store info /tmp/lake")
}

/// Runs the command; the exit code is 1 where something is damaged.
///
/// # Errors
/// What keeps it from being done.
pub fn run(matches: &ArgMatches) -> Result<u8, Error> {
    let Some((name, matches)) = matches.subcommand() else { return Ok(2) };
    let Some(folder) = matches.get_one::<PathBuf>("store") else { return Ok(2) };
    match name {
        "info" => return info(&Store::open(folder)?, matches),
        "verify" => return verify(Store::open(folder)?),
        "compact" => {
            let mut writer = writer(folder)?;
            let days = writer.compact()?.len();
            say(&format!("{}: {} compacted", folder.display(), number(days as u64, "day")));
        }
        "prune" => prune(folder, matches)?,
        _ => forget(folder, matches)?,
    }
    Ok(0)
}

/// A writer, after what it has to say.
fn writer(folder: &std::path::Path) -> Result<Writer, Error> {
    let writer = Writer::existing(folder)?;
    writer.notes.iter().for_each(|text| note(text));
    Ok(writer)
}

fn info(store: &Store, matches: &ArgMatches) -> Result<u8, Error> {
    let target = Target::of_one(value(matches, "format").map(String::as_str), None, When::Auto)?;
    let days = &store.manifest.days;
    let number = |name: &str, of: &dyn Fn(&crate::store::Files) -> u64| {
        Column::new(name.into(), days.values().map(|files| of(files) as i64).collect::<Vec<_>>())
    };
    let time = |name: &str, of: &dyn Fn((i64, i64)) -> i64| {
        let times: Vec<Option<i64>> = days.values().map(|files| files.span.map(of)).collect();
        Column::new(name.into(), times).cast(&DataType::Datetime(TimeUnit::Microseconds, None))
    };
    let dates: Vec<Option<i32>> = days.keys().map(|day| day.0).collect();
    let made = || {
        let columns = vec![
            Column::new("event_date".into(), dates).cast(&DataType::Date)?,
            number("events", &|files| files.parts.iter().map(|part| part.rows).sum()),
            number("files", &|files| files.parts.len() as u64),
            number("bytes", &|files| files.parts.iter().map(|part| part.bytes).sum()),
            time("first_event", &|span| span.0)?,
            time("last_event", &|span| span.1)?,
        ];
        DataFrame::new(days.len(), columns)
    };
    let table = made().map_err(|error| Error::Query(error.to_string()))?;
    let manifest = &store.manifest;
    let account = Account { tally: manifest.counts.tally(), ..Account::default() };
    let waiting: u64 = manifest.sources.iter().map(|source| source.waiting).sum();
    let mut notes = vec![
        format!(
            "{} in {} bytes, made from {} of {}",
            self::number(manifest.events(), "event"),
            grouped(&manifest.bytes().to_string()),
            self::number(manifest.sources.len() as u64, "log"),
            account.sum(),
        ),
        format!("zone {}, written by {}", manifest.zone, manifest.written_by),
    ];
    if manifest.counts.removed > 0 {
        notes.push(format!("{} pruned or forgotten", self::number(manifest.counts.removed, "event")));
    }
    if waiting > 0 {
        notes.push(format!("{waiting} bytes of last lines are still being written"));
    }
    let about = About { name: "store".into(), total_rows: table.height(), notes, ..About::default() };
    target.write(&table, &about, "")?;
    Ok(0)
}

fn verify(mut store: Store) -> Result<u8, Error> {
    let mut wrong = Vec::new();
    let verified = store.ask(|store| {
        wrong = store.verify();
        if wrong.is_empty() { Ok(()) } else { Err(Error::Store(wrong.join("\n"))) }
    });
    if wrong.is_empty() {
        verified?;
    }
    wrong.iter().for_each(|line| _ = writeln!(std::io::stdout(), "{}", crate::sink::visible(line)));
    let manifest = &store.manifest;
    let held = format!(
        "{} of {} in {}",
        number(manifest.events(), "event"),
        number(manifest.filled_days() as u64, "day"),
        number(manifest.days.values().map(|files| files.parts.len() as u64).sum(), "file"),
    );
    if wrong.is_empty() {
        say(&format!("{}: {held}, all as they were written", store.folder.display()));
        return Ok(0);
    }
    say(&format!(
        "{}: {held}; {} wrong: put the files back from a backup, or ingest the logs into a new store",
        store.folder.display(),
        number(wrong.len() as u64, "thing")
    ));
    Ok(1)
}

/// The first day that is kept of so much time (microseconds), back from the last event, or from today if that is said to be of
/// a day to come: a clock that was wrong once must not make everything old.
///
/// # Errors
/// `Error::Usage` for less than a day; for a zone that there is not.
pub fn first_kept(store: &Store, keep: i64) -> Result<Option<Day>, Error> {
    if keep < DAY {
        return Err(Error::Usage("keep a day at least, such as 1d".into()));
    }
    let days = i32::try_from((keep - 1).div_euclid(DAY)).unwrap_or(i32::MAX);
    let today = chrono::Utc::now().with_timezone(&times::zone(&store.manifest.zone)?).date_naive();
    let past = store.manifest.days.keys().filter_map(|day| day.0).map(|day| day.min(today.to_epoch_days()));
    Ok(past.max().map(|last| Day(Some(last.saturating_sub(days)))))
}

fn prune(folder: &std::path::Path, matches: &ArgMatches) -> Result<(), Error> {
    let keep = report::duration(value(matches, "keep").map_or("", String::as_str))?;
    let dry = matches.get_flag("dry-run");
    let removed = if dry {
        let store = Store::open(folder)?;
        first_kept(&store, keep)?.map(|first| store.days_before(first)).unwrap_or_default()
    } else {
        let mut writer = writer(folder)?;
        match first_kept(&writer.store, keep)? {
            Some(first) => writer.prune(first)?,
            None => Vec::new(),
        }
    };
    say_removed(folder, &removed, dry);
    Ok(())
}

fn forget(folder: &std::path::Path, matches: &ArgMatches) -> Result<(), Error> {
    let forget = Forget {
        users: matches.get_many("user").into_iter().flatten().copied().collect(),
        visitors: matches.get_many("visitor").into_iter().flatten().cloned().collect(),
    };
    if forget.users.is_empty() && forget.visitors.is_empty() {
        return Err(Error::Usage("name whom to forget: --user ID, --visitor HASH".into()));
    }
    let dry = matches.get_flag("dry-run");
    let removed = if dry {
        Store::open(folder)?.ask(|store| store.find_persons(&forget))?
    } else {
        writer(folder)?.forget(&forget)?
    };
    say_removed(folder, &removed, dry);
    Ok(())
}

fn say_removed(folder: &std::path::Path, found: &[Found], dry: bool) {
    let events = found.iter().map(|found| found.events).sum();
    let span = match (found.first(), found.last()) {
        (Some(first), Some(last)) if first.day != last.day => format!(" ({} to {})", first.day, last.day),
        (Some(first), _) => format!(" ({})", first.day),
        _ => String::new(),
    };
    say(&format!(
        "{}: {} of {}{span} {}",
        folder.display(),
        number(events, "event"),
        number(found.len() as u64, "day"),
        if dry { "would be removed" } else { "removed" }
    ));
}

/// `1 day`, `2 days`.
fn number(count: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(&count.to_string()), if count == 1 { "" } else { "s" })
}
