//! THE list of keys: name, type, default, meaning. Files, variables, flags and `config show` all read this one list.

/// What a value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A text, or a number that is taken as one.
    Amount,
    /// A whole number from 0 up.
    Number,
    /// True or false.
    Switch,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A file or folder; a relative one is so from where it is named.
    Path,
    /// Files, folders or globs.
    Paths,
    /// Several texts; one alone may stand without brackets.
    Texts,
    /// An address on the web, which may hold a secret.
    Url,
}

impl Kind {
    /// What to type, as an error says it.
    pub fn wanted(self) -> String {
        match self {
            Kind::Text | Kind::Path => "a text in quotes".into(),
            Kind::Amount => "a number, or a text in quotes".into(),
            Kind::Number => "a whole number from 0 up, without quotes".into(),
            Kind::Switch => "true or false, without quotes".into(),
            Kind::Choice(words) => format!("one of {}", words.join(", ")),
            Kind::Paths | Kind::Texts => "a list of texts, such as [\"a\", \"b\"]".into(),
            Kind::Url => "a text that begins with https:// or http://".into(),
        }
    }

    /// Whether several values stand behind the key.
    pub fn is_list(self) -> bool {
        matches!(self, Kind::Paths | Kind::Texts)
    }
}

/// A key of the configuration.
#[derive(Debug)]
pub struct Key {
    /// Its name; a dot stands between a table and a key in it.
    pub name: &'static str,
    /// What its value must be.
    pub kind: Kind,
    /// What it is unless a layer sets it.
    pub default: Option<&'static str>,
    /// What stands for the value in help.
    pub placeholder: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

const fn of(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    placeholder: &'static str,
    meaning: &'static str,
) -> Key {
    Key { name, kind, default, placeholder, meaning }
}

/// The zone of the shop's clock unless another is said.
pub const ZONE: &str = "Asia/Seoul";
/// About how much memory to use unless something else is said.
pub const MEMORY: &str = "1GB";

/// All keys, in the order in which they are shown.
pub const KEYS: &[Key] = &[
    of("inputs", Kind::Paths, None, "PATH", "Log files, folders, globs"),
    of("store", Kind::Path, None, "DIR", "The folder that keeps the events, as Parquet"),
    of("out", Kind::Path, None, "DIR", "The folder for the results, a folder in it a day"),
    of("reports", Kind::Texts, None, "NAME", "Only these reports; without this, all"),
    of("format", Kind::Text, Some("csv"), "FORMAT", "How the results are written"),
    of("page", Kind::Switch, Some("true"), "WHETHER", "Whether each day gets an index.html with charts"),
    of("top", Kind::Number, Some("0"), "N", "Only the first N rows of each report; 0 is all"),
    of("tz", Kind::Text, Some(ZONE), "ZONE", "The zone of the shop's clock"),
    of(
        "keep",
        Kind::Text,
        None,
        "TIME",
        "How long the store keeps events, such as 400d; without this, for ever",
    ),
    of(
        "max_rejects",
        Kind::Amount,
        None,
        "N|N%",
        "The most of the new lines that may be rejected; without this 10%, but nine at least",
    ),
    of("gap", Kind::Text, Some("30m"), "TIME", "The longest pause within a session"),
    of("split_midnight", Kind::Switch, Some("false"), "WHETHER", "Whether midnight ends a session"),
    of(
        "bots",
        Kind::Choice(&["include", "exclude", "only"]),
        Some("include"),
        "HOW",
        "What to do with events of programs",
    ),
    of(
        "redact",
        Kind::Texts,
        None,
        "WORD",
        "Also take the values of keys that contain this word out of texts",
    ),
    of(
        "hash_pii",
        Kind::Switch,
        Some("false"),
        "WHETHER",
        "Whether addresses and user names become keyed hashes",
    ),
    of("memory_limit", Kind::Amount, Some(MEMORY), "SIZE", "About how much memory to use"),
    of(
        "threads",
        Kind::Number,
        None,
        "N",
        "How many threads read, scan and derive; without this, one a core",
    ),
    of("summary", Kind::Path, None, "FILE", "A file for the accounting of each run, as JSON"),
    of("metrics", Kind::Path, None, "FILE", "A file for Prometheus' node exporter, ending in .prom"),
    of("fail_on_alert", Kind::Switch, Some("false"), "WHETHER", "Whether an alert makes the exit code 4"),
    of("notify.webhook.url", Kind::Url, None, "URL", "Where alerts are posted to"),
    of(
        "notify.webhook.form",
        Kind::Choice(&["json", "slack", "discord"]),
        Some("json"),
        "FORM",
        "What is posted there",
    ),
    of(
        "notify.alertmanager.url",
        Kind::Url,
        None,
        "URL",
        "Prometheus' Alertmanager, such as http://localhost:9093",
    ),
    of("notify.mail.to", Kind::Texts, None, "ADDRESS", "Who gets alerts by mail"),
    of("notify.mail.from", Kind::Text, None, "ADDRESS", "Who they are from; without this, who runs the job"),
    of("notify.mail.sendmail", Kind::Path, Some("/usr/sbin/sendmail"), "FILE", "The program that sends mail"),
];

/// The key of this name.
pub fn key(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// What the names of all variables begin with.
pub const PREFIX: &str = "LOGANALYZE_";

/// Variables that mean something elsewhere.
pub const ELSEWHERE: [&str; 1] = ["LOGANALYZE_PII_KEY"];

/// The variable that sets a key.
pub fn variable(key: &Key) -> String {
    format!("{PREFIX}{}", key.name.to_uppercase().replace('.', "_"))
}

/// The flag that sets the key of this name.
pub fn flag(name: &str) -> String {
    format!("--{}", name.replace('_', "-"))
}
