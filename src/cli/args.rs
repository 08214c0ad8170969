//! The words of the command line. Reports bring their own subcommands: name, help and columns come from their headers.

use super::account::{Limit, USUAL};
use super::outputs::path_parser;
use super::run_file::{self, QueryFile};
use super::{compare, config, events, funnel_words, ingest, init, nightly, quality, sql, store};
use crate::config::{MEMORY, ZONE};
use crate::error::Error;
use crate::report::{self, Header, Param, ParamType, Report, ResultColumn};
use crate::sink::Format;
use clap::builder::{NonEmptyStringValueParser, PossibleValue, PossibleValuesParser};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, ValueEnum};
use ipnet::{IpNet, Ipv4Net};
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

/// What every command that reads logs takes.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Log files, folders, globs (quoted or not), or - for standard input
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<String>,

    /// Read this store in the place of logs: a folder that 'loganalyze ingest' made
    #[arg(long, value_name = "FOLDER", value_parser = path_parser(), help_heading = "What to read")]
    pub store: Option<PathBuf>,
    /// Only events from this time on: 2025-03-10, 2025-03-10T12:00, today, yesterday, or so long ago: 7d, 12h
    #[arg(long, value_name = "TIME", help_heading = "What to read")]
    pub since: Option<String>,
    /// Only events before this time
    #[arg(long, value_name = "TIME", help_heading = "What to read")]
    pub until: Option<String>,
    /// The zone of the shop's clock: timestamps that carry an offset, and 'today', are turned into it
    #[arg(
        long,
        value_name = "ZONE",
        default_value = ZONE,
        env = "LOGANALYZE_TZ",
        value_parser = |text: &str| unless_empty(text, ZONE),
        help_heading = "What to read"
    )]
    pub tz: String,
    /// The longest pause within a session
    #[arg(long, value_name = "TIME", default_value = "30m", help_heading = "What to read")]
    pub gap: String,
    /// Let midnight end a session
    #[arg(long, help_heading = "What to read")]
    pub split_midnight: bool,
    /// What to do with events of user agents that name themselves as programs: crawlers, monitors, scripts
    #[arg(long, value_enum, value_name = "HOW", default_value = "include", help_heading = "What to read")]
    pub bots: Bots,
    /// An empty result instead of an error where no file is found
    #[arg(long, help_heading = "What to read")]
    pub allow_empty: bool,

    /// Show only the first N rows; 0 shows all
    #[arg(long, alias = "limit", value_name = "N", value_parser = count, allow_negative_numbers = true, help_heading = "What to write")]
    pub top: Option<usize>,
    /// How to write it; without this, a table on a terminal, the file's ending with -o, else CSV
    #[arg(long, value_name = "FORMAT", value_parser = format_parser(), help_heading = "What to write")]
    pub format: Option<String>,
    /// Write to this file, whole or not at all; of 'report', the folder for its files
    #[arg(short, long, value_name = "FILE", value_parser = path_parser(), help_heading = "What to write")]
    pub output: Option<PathBuf>,
    /// Draw a picture in the table's place: the report's own, or --chart='bar LABEL VALUE' of its columns; also 'line TIME
    /// VALUE', 'line DATE HOUR VALUE', 'heatmap ROW COLUMN VALUE', 'funnel NAME VALUE'
    #[arg(
        long,
        value_name = "CHART",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        help_heading = "What to write"
    )]
    pub chart: Option<String>,
    /// Print what the columns mean and the SQL that ran, on standard error
    #[arg(long, help_heading = "What to write")]
    pub explain: bool,
    /// When to use colour
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto", help_heading = "What to write")]
    pub color: When,

    /// The most lines that may be rejected, as a number or a percentage; without this 10%, and any number for quality
    #[arg(long, value_name = "N|N%", help_heading = "Trust")]
    pub max_rejects: Option<String>,
    /// Allow no rejected line at all: the same as --max-rejects 0
    #[arg(long, conflicts_with = "max_rejects", help_heading = "Trust")]
    pub strict: bool,
    /// Save every rejected line, with file, line, byte and reason, as NDJSON
    #[arg(long, value_name = "FILE", value_parser = path_parser(), help_heading = "Trust")]
    pub rejects: Option<PathBuf>,
    /// Save the accounting of lines as JSON
    #[arg(long, value_name = "FILE", value_parser = path_parser(), help_heading = "Trust")]
    pub summary: Option<PathBuf>,
    /// Also take the values of keys that contain this word out of args, form, URLs and messages
    #[arg(long, value_name = "WORD", value_parser = NonEmptyStringValueParser::new(), help_heading = "Trust")]
    pub redact: Vec<String>,
    /// Replace addresses and user names by keyed hashes; the key is $LOGANALYZE_PII_KEY
    #[arg(long, help_heading = "Trust")]
    pub hash_pii: bool,

    /// Say nothing on standard error but errors
    #[arg(short, long, help_heading = "Running")]
    pub quiet: bool,
    /// How many threads read, scan and derive; without this, one a core
    #[arg(long, value_name = "N", value_parser = threads, allow_negative_numbers = true, help_heading = "Running")]
    pub threads: Option<std::num::NonZeroUsize>,
    /// About how much memory to use; rows that do not fit go to temporary files (in $TMPDIR)
    #[arg(
        long,
        value_name = "SIZE",
        default_value = MEMORY,
        env = "LOGANALYZE_MEMORY_LIMIT",
        value_parser = |text: &str| unless_empty(text, MEMORY),
        help_heading = "Running"
    )]
    pub memory_limit: String,
    /// How much is read at a time
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20, hide = true)]
    pub chunk_bytes: usize,
    /// Longer lines are rejected; at most 2 GiB
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20, help_heading = "Running")]
    pub max_line_bytes: usize,
}

/// The text, or the default where a variable is set to nothing.
pub(super) fn unless_empty(text: &str, default: &str) -> Result<String, std::convert::Infallible> {
    Ok(if text.is_empty() { default } else { text }.to_owned())
}

/// A number of rows.
fn count(text: &str) -> Result<usize, &'static str> {
    text.parse().map_err(|_| "write a whole number such as 10; 0 is all")
}

/// The most threads: more than cores help nobody, and the system has none to give away.
const THREADS: usize = 1024;

/// A number of threads.
///
/// # Errors
/// What to write instead.
pub fn threads(text: &str) -> Result<std::num::NonZeroUsize, String> {
    let number = text.parse().ok().filter(|number: &std::num::NonZeroUsize| number.get() <= THREADS);
    number.ok_or_else(|| format!("write a whole number from 1 to {THREADS}"))
}

impl Common {
    /// How many rejects are too many.
    ///
    /// # Errors
    /// `Error::Usage` for what is no limit.
    pub fn limit(&self) -> Result<Limit, Error> {
        match &self.max_rejects {
            _ if self.strict => Ok(Limit::Count(0)),
            Some(limit) => Limit::parse(limit),
            None => Ok(Limit::Percent(USUAL)),
        }
    }
}

/// What to do with events of programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Bots {
    /// Count them with the others, and say how many there are
    Include,
    /// Leave them out, and say how many
    Exclude,
    /// Leave out the others
    Only,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The formats by name.
pub fn format_parser() -> PossibleValuesParser {
    let value = |format: Format| PossibleValue::new(format.name()).aliases(format.endings());
    PossibleValuesParser::new(Format::ALL.map(value))
}

/// The whole command line; `file` is the query file that its words name.
///
/// # Errors
/// Never for the reports that come with the program.
pub fn command(words: &[OsString], file: Option<&QueryFile>) -> Result<Command, Error> {
    let reports: Vec<Report> = reports()?.collect();
    let mut command = Command::new("loganalyze")
        .version(env!("CARGO_PKG_VERSION"))
        .about("True tables from rotated JSON activity logs: every line accounted for")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .infer_subcommands(false);
    let asked = named(words.get(1), &reports).or_else(|| {
        let mut others = OF_DATA.into_iter().chain(OF_NIGHTS);
        others.find(|name| words.get(1).is_some_and(|word| word == name))
    });
    command = command.subcommands(commands(&reports, asked, report_command));
    let compared = if asked.is_none_or(|asked| asked == "compare") { reports.as_slice() } else { &[] };
    let of_reports = [report_set_command(&reports), compare::command(compared, file, words.get(2))];
    let of_rows = [events::command(), sql::command(), run_file::command(file)];
    command = command.subcommands(of_reports).subcommands(of_rows);
    command =
        command.subcommands([schema_command(), quality::command(), ingest::command(), store::command()]);
    command = command.subcommands([nightly::command(), config::command(), init::command()]);
    let catalogue = catalogue(&command, &reports);
    Ok(command.help_template(format!(
        "{{about}}\n\nUsage: loganalyze REPORT INPUT… [OPTIONS]  (columns and options: REPORT --help)\n\n{catalogue}\n\
         Exit codes: 0 done, 1 failed, 2 wrong usage, 3 many rejects, 4 alert, 75 busy.\n\
         Example: loganalyze product-views 'logs/*.log' --top 20 -o views.parquet"
    )))
}

/// The reports that are commands.
fn reports() -> Result<impl Iterator<Item = Report>, Error> {
    Ok(report::all()?.into_iter().filter(|report| report.header.variant_of.is_none()))
}

/// The commands by group, each with what it answers, in lines of up to 80 columns.
fn catalogue(command: &Command, reports: &[Report]) -> String {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for Header { group, name, .. } in reports.iter().map(|report| &report.header) {
        match groups.iter_mut().find(|(known, _)| known == group) {
            Some((_, names)) => names.push(name),
            None => groups.push((group, vec![name])),
        }
    }
    groups.push(("data", OF_DATA.into()));
    groups.push(("every night", OF_NIGHTS.into()));
    let width = command.get_subcommands().map(|one| one.get_name().len()).max().unwrap_or(0);
    let mut text = String::new();
    for (group, names) in &groups {
        text += &format!("{}\n", group.to_uppercase());
        for name in names {
            let about = command.find_subcommand(name).and_then(Command::get_about).map(ToString::to_string);
            text += &format!("  {name:width$}  {}\n", about.unwrap_or_default());
        }
    }
    text
}

/// The commands that are no reports, as help lists them.
const OF_DATA: [&str; 7] = ["quality", "schema", "events", "sql", "run", "compare", "report"];
const OF_NIGHTS: [&str; 5] = ["ingest", "store", "nightly", "config", "init"];

/// The report that a word names.
pub fn named<'a>(word: Option<&'a OsString>, reports: &[Report]) -> Option<&'a str> {
    let word = word?.to_str()?;
    reports.iter().any(|report| report.header.name == word).then_some(word)
}

/// The reports' commands, made by `whole`; without options if another command is asked for. It takes milliseconds to make the
/// options of all reports, which are needed only where something is wrong with the words.
pub fn commands(
    reports: &[Report],
    asked: Option<&str>,
    whole: impl Fn(&Report) -> Command,
) -> impl Iterator<Item = Command> {
    reports.iter().map(move |report| {
        let Header { name, title, .. } = &report.header;
        match asked {
            Some(asked) if asked != name => Command::new(leak(name)).about(title.clone()),
            _ => whole(report),
        }
    })
}

fn report_command(report: &Report) -> Command {
    let Header { name, title, .. } = &report.header;
    let example = name.clone() + " sample_logs" + extra_example(name);
    let command =
        with_common(report_args(name, report).after_help(report_help(&report.header, &example)), title);
    let usual = if report.header.top == 0 { "all".to_owned() } else { report.header.top.to_string() };
    with_usual_top(command, &usual)
}

/// The same, with help that says how many rows are shown unless told otherwise.
pub fn with_usual_top(command: Command, usual: &str) -> Command {
    let help = format!("Show only the first N rows; 0 shows all [default: {usual}]");
    command.mut_arg("top", |arg| arg.help(help))
}

/// A command of this name with the report's own options.
pub fn report_args(name: &str, report: &Report) -> Command {
    let header = &report.header;
    let mut command = Command::new(leak(name));
    if let Some((option, values)) = &header.variants {
        let option = leak(option);
        let values = PossibleValuesParser::new(values.iter().map(|value| leak(value)).collect::<Vec<_>>());
        let help = "Count in another way";
        command =
            command.arg(Arg::new(option).long(option).value_name("HOW").value_parser(values).help(help));
    }
    command = command.args(header.params.iter().map(param_arg));
    if name == "funnel" {
        command = funnel_words::add(command);
    }
    if header.group == "security" {
        command = command.arg(allow_arg());
    }
    command
}

fn param_arg(param: &Param) -> Arg {
    let option = leak(&param.option());
    let value_name = match param.kind {
        ParamType::Duration => "TIME",
        ParamType::Bigint | ParamType::Double => "N",
        ParamType::Text => "TEXT",
    };
    Arg::new(option)
        .long(option)
        .value_name(value_name)
        .default_value(leak(&param.default))
        .help(param.meaning.clone())
}

fn report_set_command(reports: &[Report]) -> Command {
    let names: Vec<&str> = reports.iter().map(|report| leak(&report.header.name)).collect();
    let only = Arg::new("only")
        .long("only")
        .value_name("NAME,…")
        .value_delimiter(',')
        .action(ArgAction::Append)
        .value_parser(PossibleValuesParser::new(names))
        .help("Only these reports");
    let command = Command::new("report").arg(only).after_help(
        "With -o FOLDER each report becomes a file there, named after it (CSV unless --format says otherwise),\n\
         and index.html a page that shows them all, with charts.\n\
         Example: loganalyze report sample_logs --only event-counts,product-views",
    );
    let command = with_common(command, "several reports, or all of them, from one reading of the logs");
    with_usual_top(command, "all in files, else 10 or 20")
}

/// Whether an option of this name is there for all, or for comparisons.
pub fn reserved(option: &str) -> bool {
    let taken = |arg: &Arg| arg.get_long() == Some(option) || arg.get_id() == option;
    ["help", "version", "with", "metric"].contains(&option)
        || with_common(Command::new(""), "").get_arguments().any(taken)
}

/// The command with the options of all; clap would describe it by what describes those.
pub fn with_common(command: Command, about: &str) -> Command {
    Common::augment_args(command).about(about.to_owned()).long_about(None)
}

/// clap keeps names for the life of the program; there are a few dozen.
pub fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

/// What the columns are and mean, and an example.
pub fn report_help(header: &Header, example: &str) -> String {
    let mut help = columns_help("Columns:", &header.columns);
    if let Some((option, values)) = &header.variants {
        for value in values {
            if let Ok(variant) = report::find(&format!("{}-{value}", header.name)) {
                help += &columns_help(&format!("Columns with --{option} {value}:"), &variant.header.columns);
            }
        }
    }
    help + &format!("\nExample: loganalyze {example}")
}

fn columns_help(title: &str, columns: &[ResultColumn]) -> String {
    let width = columns.iter().map(|column| column.name.len()).max().unwrap_or(0);
    let mut help = if columns.is_empty() { String::new() } else { format!("{title}\n") };
    for column in columns {
        let line = format!("  {:width$}  {:9}  {}", column.name, column.kind.sql(), column.meaning);
        help.push_str(line.trim_end());
        help.push('\n');
    }
    help
}

fn extra_example(name: &str) -> &'static str {
    match name {
        "funnel" => funnel_words::EXAMPLE,
        "hourly-activity" => " --by weekday-hour",
        "product-views" => " --top 20",
        "retention" => " --every 1d",
        "errors" => " --window 1h --slide 15m",
        "logins" | "login-incidents" => " --allow 192.0.2.0/24",
        _ => "",
    }
}

fn allow_arg() -> Arg {
    Arg::new("allow")
        .long("allow")
        .action(ArgAction::Append)
        .value_name("CIDR")
        .value_parser(network)
        .help("Leave out log-ins from this network or address: an office, a monitor; may be repeated")
}

/// The network of `10.0.0.0/8`, `2001:db8::/32`, or of one address.
fn network(text: &str) -> Result<IpNet, &'static str> {
    let one = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse()
        .or_else(|_| one())
        .map(canonical)
        .map_err(|_| "write a network as 10.0.0.0/8 or 2001:db8::/32, an address as it is")
}

/// A network of IPv4 that is written as a part of IPv6 (`::ffff:10.0.0.0/104`; RFC 4291, 2.5.5.2), as IPv4.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(whole) = network else { return network };
    let inner = whole.addr().to_ipv4_mapped().zip(whole.prefix_len().checked_sub(96));
    inner.and_then(|(address, prefix)| Ipv4Net::new(address, prefix).ok()).map_or(network, IpNet::V4)
}

fn schema_command() -> Command {
    Command::new("schema")
        .about("the columns of each relation, and what they mean")
        .arg(
            Arg::new("format")
                .long("format")
                .value_name("FORMAT")
                .value_parser(format_parser())
                .help("How to write it"),
        )
        .after_help("Example: loganalyze schema --format csv")
}

/// The networks that an option that may not be there at all leaves out.
pub fn allowed(matches: &ArgMatches) -> Vec<IpNet> {
    matches.try_get_many("allow").ok().flatten().into_iter().flatten().copied().collect()
}

/// The value of an option that may not be there at all.
pub fn value<'a>(matches: &'a ArgMatches, option: &str) -> Option<&'a String> {
    matches.try_get_one::<String>(option).ok().flatten()
}
