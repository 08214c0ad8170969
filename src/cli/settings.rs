//! What the configuration means: its texts become what the job works with, and what cannot be is said with its place.

use super::account::Limit;
use super::args::{Common, leak, threads};
use super::say::note;
use super::{memory, times};
use crate::alert::{Channel, Form, Mail, Rule, When, address};
use crate::config::{Alert, Config, FILE_NAME, KEYS, Key, Kind, Origin, Set, Sources, key};
use crate::error::{Error, did_you_mean};
use crate::report::{self, Report, relation_of};
use crate::scan::time::DAY;
use crate::schema::APP_EVENTS;
use crate::sink::Format;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use std::path::{Path, PathBuf};

/// The system's own configuration.
const SYSTEM: &str = "/etc/loganalyze/config.toml";

/// What the job works with.
pub struct Settings {
    /// Where the logs are.
    pub inputs: Vec<String>,
    /// The folder, or the place in an object store, of the events.
    pub store: PathBuf,
    /// The folder of the results.
    pub out: PathBuf,
    /// The reports to write.
    pub reports: Vec<String>,
    /// How they are written.
    pub format: Format,
    /// Whether there is a page of them.
    pub page: bool,
    /// How long the store keeps events, microseconds.
    pub keep: Option<i64>,
    /// The file of the run's accounting.
    pub summary: Option<PathBuf>,
    /// The file of numbers for Prometheus.
    pub metrics: Option<PathBuf>,
    /// What is looked out for.
    pub rules: Vec<Rule>,
    /// To whom it is told.
    pub channels: Vec<Channel>,
    /// Whether it makes the exit code 4.
    pub fail_on_alert: bool,
    /// What every command that reads logs takes.
    pub options: Common,
}

/// The words of a command that takes the configuration: `--config`, and a flag for each key outside a table, but for this
/// one.
pub fn add_flags(command: Command, except: Option<&str>) -> Command {
    let file = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .help(format!("The configuration; without this, {FILE_NAME} here if it is there"));
    let keys = KEYS.iter().filter(|key| !key.name.contains('.') && except != Some(key.name));
    let flags = keys.map(|key| {
        let arg = Arg::new(key.name)
            .long(leak(&key.name.replace('_', "-")))
            .value_name(key.placeholder)
            .help(key.meaning);
        match key.kind {
            kind if kind.is_list() => arg.action(ArgAction::Append).value_delimiter(','),
            Kind::Switch => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
            _ => arg,
        }
    });
    command.arg(file).args(flags.map(|arg| arg.help_heading("Instead of what is configured")))
}

/// Reads all layers of the configuration.
///
/// # Errors
/// Where a file cannot be read, or says what means nothing.
pub fn load(matches: &ArgMatches) -> Result<Config, Error> {
    let named = matches.get_one::<String>("config").map(PathBuf::from);
    let here = named.is_none().then(|| PathBuf::from(FILE_NAME));
    let home =
        std::env::var_os("HOME").filter(|home| !home.is_empty()).map(|home| Path::new(&home).join(".config"));
    let user =
        std::env::var_os("XDG_CONFIG_HOME").filter(|folder| !folder.is_empty()).map(PathBuf::from).or(home);
    let user = user.map(|folder| folder.join("loganalyze/config.toml"));
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
    };
    let typed = |key: &'static Key| {
        let given = matches.try_get_many::<String>(key.name).ok().flatten()?;
        Some((key.name, given.cloned().collect()))
    };
    let config = Config::load(&Sources {
        optional: [Some(PathBuf::from(SYSTEM)), user, here].into_iter().flatten().collect(),
        named,
        environment: std::env::vars_os().filter_map(text).collect(),
        flags: KEYS.iter().filter_map(typed).collect(),
    })?;
    config.notes.iter().for_each(|text| note(text));
    Ok(config)
}

impl Settings {
    /// What the configuration means.
    ///
    /// # Errors
    /// `Error::Usage` for what is missing and for what cannot be.
    pub fn of(config: &Config) -> Result<Settings, Error> {
        let path = |key: &str| config.get(key).map(|set| PathBuf::from(set.text()));
        let is_on = |key: &str| config.get(key).is_some_and(Set::is_on);
        let (store, out) = (needed(config, "store")?, needed(config, "out")?);
        let written = [Some(out), config.get("summary"), config.get("metrics")];
        if let Some(far) = written.into_iter().flatten().find(|set| set.text().contains("://")) {
            return Err(far.wrong("results go to a folder of this machine"));
        }
        if Path::new(out.text()) == Path::new(store.text()) {
            return Err(out.wrong("the store is there: results need a folder of their own"));
        }
        if let Some(metrics) = config.get("metrics").filter(|set| !set.text().ends_with(".prom")) {
            return Err(metrics.wrong("the node exporter reads only names that end in .prom"));
        }
        let names = names_of_store()?;
        Ok(Settings {
            inputs: needed(config, "inputs")?.texts().to_vec(),
            store: store.text().into(),
            out: out.text().into(),
            reports: reports(config, &names)?,
            format: format(config)?,
            page: is_on("page"),
            keep: keep(config)?,
            summary: path("summary"),
            metrics: path("metrics"),
            rules: config.alerts.iter().map(|alert| rule(alert, &names)).collect::<Result<_, _>>()?,
            channels: channels(config)?,
            fail_on_alert: is_on("fail_on_alert"),
            options: options(config)?,
        })
    }
}

fn needed<'a>(config: &'a Config, name: &str) -> Result<&'a Set, Error> {
    config.get(name).ok_or_else(|| {
        let meaning = key(name).map_or("", |key| key.meaning);
        Error::Usage(format!(
            "nothing says what '{name}' is ({}): write it into {FILE_NAME} and name that with --config, or let \
             'loganalyze init' write one",
            meaning.to_lowercase()
        ))
    })
}

/// What a key is set to, if it can be.
fn checked(
    config: &Config,
    key: &str,
    check: impl Fn(&str) -> Result<(), Error>,
) -> Result<Option<String>, Error> {
    let Some(set) = config.get(key) else { return Ok(None) };
    for text in set.texts() {
        check(text).map_err(|why| set.wrong(&why.to_string()))?;
    }
    Ok(Some(set.text().to_owned()))
}

fn keep(config: &Config) -> Result<Option<i64>, Error> {
    let Some(set) = config.get("keep") else { return Ok(None) };
    match report::duration(set.text()) {
        Ok(keep @ DAY..) => Ok(Some(keep)),
        Ok(_) => Err(set.wrong(&format!("'{}' is less than a day", set.text()))),
        Err(why) => Err(set.wrong(&why.to_string())),
    }
}

/// The names of the reports that a store can answer: it holds no system logs.
fn names_of_store() -> Result<Vec<String>, Error> {
    let whole = |report: &Report| report.header.variant_of.is_none() && !is_of_system_logs(report);
    Ok(report::all()?.into_iter().filter(whole).map(|report| report.header.name).collect())
}

fn is_of_system_logs(report: &Report) -> bool {
    relation_of(&report.sql).is_ok_and(|relation| relation.name == APP_EVENTS.name)
}

/// The report of this name, if the job can make it.
fn known(set: &Set, name: &str, names: &[String]) -> Result<String, Error> {
    if names.iter().any(|known| known == name) {
        return Ok(name.to_owned());
    }
    if report::find(name).is_ok_and(|report| is_of_system_logs(&report)) {
        return Err(set.wrong(&format!("'{name}' is about system logs, which a store does not hold")));
    }
    let near = did_you_mean(name, names.iter().map(String::as_str));
    Err(set.wrong(&format!("no report is called '{}'{near}", name.escape_debug())))
}

/// In the order of the catalogue, each once.
fn reports(config: &Config, names: &[String]) -> Result<Vec<String>, Error> {
    let Some(set) = config.get("reports") else { return Ok(names.to_vec()) };
    let asked = set.texts().iter().map(|name| known(set, name, names)).collect::<Result<Vec<_>, _>>()?;
    Ok(names.iter().filter(|name| asked.contains(name)).cloned().collect())
}

fn format(config: &Config) -> Result<Format, Error> {
    let name = needed(config, "format")?;
    let names = || Format::ALL.map(Format::name);
    Format::ALL.into_iter().find(|format| format.name() == name.text()).ok_or_else(|| {
        let near = did_you_mean(name.text(), names());
        name.wrong(&format!("no format is called '{}'{near}: there are {}", name.text(), names().join(", ")))
    })
}

fn rule(alert: &Alert, names: &[String]) -> Result<Rule, Error> {
    let report = alert.report.as_ref().map(|report| known(report, report.text(), names)).transpose()?;
    let rule = When::parse(alert.when.text(), report.is_some()).map(|when| Rule {
        name: alert.name.text().into(),
        when,
        condition: alert.when.text().into(),
        severity: alert.severity.text().into(),
        report: report.clone(),
    });
    let rule = rule.map_err(|why| alert.when.wrong(&why.to_string()))?;
    let columns = report.as_deref().map(report::find).transpose()?.map(|report| report.header.columns);
    rule.check(columns.as_deref()).map_err(|why| alert.when.wrong(&why.to_string()))?;
    Ok(rule)
}

fn channels(config: &Config) -> Result<Vec<Channel>, Error> {
    let text = |key: &str| config.get(key).map(|set| set.text().to_owned());
    let form = config.get("notify.webhook.form");
    let mut channels = Vec::new();
    match (text("notify.webhook.url"), form) {
        (Some(url), form) => channels.push(Channel::Webhook(url, Form::named(form.map_or("", Set::text)))),
        (None, Some(form)) if form.origin != Origin::Default => {
            return Err(form.wrong("there is no webhook: set notify.webhook.url"));
        }
        _ => {}
    }
    channels.extend(text("notify.alertmanager.url").map(Channel::Alertmanager));
    checked(config, "notify.mail.to", |to| address(to).map(|_| ()))?;
    checked(config, "notify.mail.from", |from| address(from).map(|_| ()))?;
    if let Some(to) = config.get("notify.mail.to") {
        channels.push(Channel::Mail(Mail {
            to: to.texts().to_vec(),
            from: text("notify.mail.from"),
            sendmail: text("notify.mail.sendmail").unwrap_or_default().into(),
        }));
    }
    Ok(channels)
}

/// What every command that reads logs takes, from words as a user would type them.
fn options(config: &Config) -> Result<Common, Error> {
    checked(config, "tz", |tz| times::zone(tz).map(|_| ()))?;
    checked(config, "gap", |gap| report::duration(gap).map(|_| ()))?;
    checked(config, "memory_limit", |limit| memory::size(limit).map(|_| ()))?;
    checked(config, "max_rejects", |limit| Limit::parse(limit).map(|_| ()))?;
    if let Some(set) = config.get("threads") {
        threads(&set.value.to_string()).map_err(|why| set.wrong(&why))?;
    }
    let hash = config.get("hash_pii").filter(|set| set.is_on());
    if let Some(hash) =
        hash.filter(|_| std::env::var_os("LOGANALYZE_PII_KEY").is_none_or(|key| key.is_empty()))
    {
        return Err(hash.wrong(
            "without $LOGANALYZE_PII_KEY every night would draw another key, and nobody would be the same person twice",
        ));
    }
    let mut words = vec!["--color=never".to_owned()];
    for name in ["tz", "gap", "bots", "memory_limit", "max_rejects", "top", "threads"] {
        if let Some(set) = config.get(name) {
            words.push(format!("--{}={}", name.replace('_', "-"), set.value));
        }
    }
    let redact = config.get("redact").map(Set::texts).unwrap_or_default();
    words.extend(redact.iter().map(|word| format!("--redact={word}")));
    for name in ["split_midnight", "hash_pii"] {
        if config.get(name).is_some_and(Set::is_on) {
            words.push(format!("--{}", name.replace('_', "-")));
        }
    }
    let command = Common::augment_args(Command::new("nightly").no_binary_name(true));
    let matches = command.try_get_matches_from(words).map_err(|error| Error::Usage(error.to_string()))?;
    Common::from_arg_matches(&matches).map_err(|error| Error::Usage(error.to_string()))
}
