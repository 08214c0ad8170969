//! `init`: a configuration that suits a folder, and what runs the job every night. Overwrites nothing.

use super::args::unless_empty;
use super::outputs::check_folder;
use super::times;
use crate::config::{FILE_NAME, ZONE};
use crate::error::Error;
use crate::input::{Found, Logs, find};
use chrono::{Local, NaiveTime, Offset, TimeDelta, Utc};
use chrono_tz::Tz;
use clap::{Arg, ArgMatches, Command};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Rules to begin with; a test holds them against the catalogue.
const RULES: &str = "\
# What to look out for: 'any' row, a column, sum(…), max(…), min(…), rows; without a report, lines and rejects
# [[alert]]
# name = \"attacks on log-ins\"
# report = \"login-incidents\"
# when = \"any\"
# severity = \"critical\"
# [[alert]]
# name = \"an endpoint fails\"
# report = \"endpoints\"
# when = \"error_rate > 5%\"
# [[alert]]
# name = \"hardly anybody there\"
# when = \"lines < 50% of same weekday\"
# [[alert]]
# name = \"broken lines\"
# when = \"rejects > 1%\"
";

/// When the job runs, on the shop's clock: yesterday's last lines are written by then.
const AT: (u32, u32) = (0, 20);

/// The words of `init`.
pub fn command() -> Command {
    let folder =
        Arg::new("folder").value_name("FOLDER").default_value(".").help("Where the logs are, or are below");
    let systemd = Arg::new("systemd")
        .long("systemd")
        .value_name("DIR")
        .help("Write the systemd units into this folder, such as /etc/systemd/system");
    let tz = Arg::new("tz")
        .long("tz")
        .value_name("ZONE")
        .default_value(ZONE)
        .env("LOGANALYZE_TZ")
        .value_parser(|text: &str| unless_empty(text, ZONE))
        .help("The zone of the shop's clock");
    Command::new("init")
        .about("a configuration that suits a folder of logs, and a timer")
        .args([folder, systemd, tz])
        .after_help("What is there already is never overwritten.\nExample: loganalyze init sample_logs")
}

/// Writes the configuration, and prints or writes what runs the job.
///
/// # Errors
/// `Error::Write` for a file that is there already, or cannot be written.
pub fn run(matches: &ArgMatches) -> Result<u8, Error> {
    let text = |name: &str| matches.get_one::<String>(name).map_or("", String::as_str);
    let (folder, zone) = (Path::new(text("folder")), times::zone(text("tz"))?);
    let whole = |path: &Path| {
        std::path::absolute(path).map_err(|source| Error::Read { path: path.display().to_string(), source })
    };
    let (inputs, found) = inputs(folder)?;
    let config = whole(&folder.join(FILE_NAME))?;
    let program = std::env::current_exe().ok().filter(|path| path.is_absolute());
    let program = program.unwrap_or_else(|| "loganalyze".into());
    let units = [("loganalyze.service", service(&program, &config)), ("loganalyze.timer", timer(zone))];
    let systemd = matches.get_one::<String>("systemd").map(PathBuf::from);
    let mut files = vec![(config.clone(), configuration(&inputs, zone))];
    if let Some(place) = &systemd {
        files.extend(units.iter().map(|(name, text)| (place.join(name), text.clone())));
    }
    if let Some((there, _)) = files.iter().find(|(path, _)| path.symlink_metadata().is_ok()) {
        return Err(taken(there));
    }
    files.iter().try_for_each(|(path, _)| check_folder(path))?;
    let mut said = String::new();
    for (at, (path, text)) in files.iter().enumerate() {
        // All of them, or none.
        create(path, text)
            .inspect_err(|_| files[..at].iter().for_each(|(path, _)| _ = std::fs::remove_file(path)))?;
        said += &format!("{} is written{}.\n", path.display(), if *path == config { &found } else { "" });
    }
    said +=
        &format!("\nTry it:\n  {} nightly --config {} --date yesterday\n", shell(&program), shell(&config));
    said += &format!("\nEvery night by cron (crontab -e):\n  {}\n", crontab(&program, &config, zone));
    said += &match &systemd {
        Some(_) => {
            "\nOr by systemd:\n  systemctl daemon-reload && systemctl enable --now loganalyze.timer\n".into()
        }
        None => {
            let shown: String = units.iter().map(|(name, text)| format!("\n# {name}\n{text}")).collect();
            format!("\nOr by systemd (--systemd DIR writes these files):\n{shown}")
        }
    };
    std::io::stdout().write_all(said.as_bytes()).map_err(Error::Stdout)?;
    Ok(0)
}

/// The folders of logs below this one, as the configuration names them, and in words what was found.
fn inputs(folder: &Path) -> Result<(Vec<String>, String), Error> {
    if !folder.is_dir() {
        let source =
            std::io::Error::new(std::io::ErrorKind::NotADirectory, "name the folder that the logs are in");
        return Err(Error::Read { path: folder.display().to_string(), source });
    }
    let Found { activity, system, mut unreadable, .. } =
        find(&[folder.to_string_lossy().into_owned()], Logs::Both)?;
    if activity.is_empty() {
        let none = match system.len() {
            0 => "; there are no logs here yet: set 'inputs' to where they are".to_owned(),
            count => format!(
                "; there are {count} system logs here, which a store does not keep, and none of user activity yet"
            ),
        };
        return unreadable.pop().map_or_else(|| Ok((vec!["logs".into()], none)), Err);
    }
    let mut folders: BTreeSet<String> = BTreeSet::new();
    for path in activity.iter().filter_map(|file| file.path.as_ref()) {
        let inside = path.strip_prefix(folder).unwrap_or(path);
        let parent = inside.parent().map(|parent| parent.to_string_lossy().into_owned()).unwrap_or_default();
        folders.insert(if parent.is_empty() { ".".into() } else { parent });
    }
    // A folder stands for those below it.
    let above = |one: &String| {
        folders.iter().any(|other| one != other && (other == "." || one.starts_with(&format!("{other}/"))))
    };
    let top = folders.iter().filter(|one| !above(one)).cloned().collect();
    let aside = match system.len() {
        0 => String::new(),
        count => format!("; {count} system logs are left aside, for a store does not keep them"),
    };
    Ok((top, format!("; it reads {} logs of user activity{aside}", activity.len())))
}

fn configuration(inputs: &[String], zone: Tz) -> String {
    // A TOML string escapes what Rust's escapes, but for single quotes.
    let quoted: Vec<String> = inputs
        .iter()
        .map(|input| format!("\"{}\"", input.replace('\\', "\\\\").replace('"', "\\\"")))
        .collect();
    format!(
        "# What 'loganalyze nightly' does. 'loganalyze config show' says what each value is and where it is from.\n\
         # Relative paths are relative to this file.\n\n\
         # Log files, folders, globs\ninputs = [{}]\n\
         # The events, kept as Parquet when the logs are long gone\nstore = \"lake\"\n\
         # A folder a day: date=2025-03-10/event-counts.csv, …, index.html, summary.json\nout = \"reports\"\n\
         # The shop's clock\ntz = \"{zone}\"\n\n\
         # csv, parquet, ndjson, …\n# format = \"csv\"\n\
         # Only these reports; without this, all\n# reports = [\"event-counts\", \"product-views\"]\n\
         # How long the store keeps events; without this, for ever\n# keep = \"400d\"\n\
         # The most lines that may be rejected\n# max_rejects = \"10%\"\n\
         # For the textfile collector of Prometheus' node exporter\n# metrics = \"/var/lib/node_exporter/loganalyze.prom\"\n\n\
         {RULES}\n\
         # To whom alerts are told\n\
         # [notify.webhook]\n# url = \"https://hooks.slack.com/services/…\"\n# form = \"slack\"   # or json, discord\n\
         # [notify.alertmanager]\n# url = \"http://localhost:9093\"\n\
         # [notify.mail]\n# to = [\"ops@example.com\"]\n",
        quoted.join(", "),
    )
}

fn create(path: &Path, text: &str) -> Result<(), Error> {
    let made = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    let wrong = |source| Error::Write { path: path.to_owned(), source };
    let mut file = match made {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Err(taken(path)),
        made => made.map_err(wrong)?,
    };
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|source| {
        // Half of it would keep the next try from being made.
        _ = std::fs::remove_file(path);
        wrong(source)
    })
}

fn taken(path: &Path) -> Error {
    let source =
        std::io::Error::new(std::io::ErrorKind::AlreadyExists, "it is there already, and is not overwritten");
    Error::Write { path: path.to_owned(), source }
}

/// cron knows no zones, and takes a percent sign for the end of the line.
fn crontab(program: &Path, config: &Path, zone: Tz) -> String {
    let at = at_here(zone);
    let command = format!("{} nightly --quiet --config {}", shell(program), shell(config));
    format!("{} * * *  {}", at.format("%-M %-H"), command.replace('%', "\\%"))
}

/// The time of the machine's clock when the job is to run: the later one of winter and summer, for the day must be over in both.
fn at_here(zone: Tz) -> NaiveTime {
    let now = Utc::now();
    let ahead = |days: i64| {
        let then = now + TimeDelta::days(days);
        let there = then.with_timezone(&zone).offset().fix().local_minus_utc();
        then.with_timezone(&Local).offset().local_minus_utc() - there
    };
    // Half a year is enough for clocks to be put forward and back.
    let most = (0..27).map(|week| ahead(7 * week)).max().unwrap_or_default();
    let at = NaiveTime::from_hms_opt(AT.0, AT.1, 0).unwrap_or_default();
    at.overflowing_add_signed(TimeDelta::seconds(most.into())).0
}

fn service(program: &Path, config: &Path) -> String {
    format!(
        "[Unit]\nDescription=Nightly reports on the shop's logs\n\n[Service]\nType=oneshot\n\
         ExecStart={} nightly --quiet --config {}\nNice=10\nIOSchedulingClass=idle\n",
        unit(program),
        unit(config),
    )
}

fn timer(zone: Tz) -> String {
    let (hour, minute) = AT;
    format!(
        "[Unit]\nDescription=Nightly reports on the shop's logs\n\n[Timer]\n\
         OnCalendar=*-*-* {hour:02}:{minute:02}:00 {zone}\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n"
    )
}

/// A word of a shell's command line.
fn shell(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "/._-+=@".contains(c);
    if text.chars().all(plain) { text.into_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// A word of a unit's command line.
fn unit(path: &Path) -> String {
    let text = path.to_string_lossy().replace('\\', "\\\\").replace('"', "\\\"");
    let text = text.replace('%', "%%").replace('$', "$$");
    if text.contains([' ', '\'', '"', ';']) { format!("\"{text}\"") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_words_wherever_they_stand() {
        let odd = Path::new("/srv/it's 100%/a$b");
        assert_eq!(shell(odd), r"'/srv/it'\''s 100%/a$b'");
        assert_eq!(unit(odd), "\"/srv/it's 100%%/a$$b\"");
        assert!(
            crontab(Path::new("/bin/l"), odd, chrono_tz::UTC).ends_with(r"--config '/srv/it'\''s 100\%/a$b'")
        );
        assert_eq!((shell(Path::new("/a-b.c")), unit(Path::new("/a"))), ("/a-b.c".into(), "/a".into()));
    }
}
