//! A value, and where it was set. Knows how types are read from words, not from files.

use super::keys::{Key, Kind};
use crate::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

/// A value of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text, a path, an address.
    Text(String),
    /// Several of them.
    Texts(Vec<String>),
    /// A whole number.
    Number(u64),
    /// True or false.
    Switch(bool),
}

impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => out.write_str(text),
            Value::Texts(texts) => out.write_str(&texts.join(", ")),
            Value::Number(number) => write!(out, "{number}"),
            Value::Switch(on) => write!(out, "{on}"),
        }
    }
}

/// Which layer set a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// None.
    Default,
    /// A line of a file.
    File(PathBuf, usize),
    /// A variable of the environment.
    Environment(String),
    /// A flag of the command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => out.write_str("default"),
            Origin::File(path, line) => write!(out, "{} line {line}", path.display()),
            Origin::Environment(name) => write!(out, "${name}"),
            Origin::Flag(flag) => out.write_str(flag),
        }
    }
}

/// What a key is set to.
#[derive(Debug, Clone)]
pub struct Set {
    /// The key's name.
    pub key: &'static str,
    /// Its value.
    pub value: Value,
    /// Which layer set it.
    pub origin: Origin,
}

impl Set {
    /// The text; of several the first, of anything else nothing.
    pub fn text(&self) -> &str {
        match &self.value {
            Value::Text(text) => text,
            Value::Texts(texts) => texts.first().map_or("", String::as_str),
            _ => "",
        }
    }

    /// The texts, one or several.
    pub fn texts(&self) -> &[String] {
        match &self.value {
            Value::Text(text) => std::slice::from_ref(text),
            Value::Texts(texts) => texts,
            _ => &[],
        }
    }

    /// Whether it is on.
    pub fn is_on(&self) -> bool {
        self.value == Value::Switch(true)
    }

    /// That the value cannot be, and why, with its place.
    pub fn wrong(&self, why: &str) -> Error {
        wrong(&self.origin, self.key, why)
    }
}

/// That what a key is set to cannot be, and why, with its place.
pub(super) fn wrong(origin: &Origin, key: &str, why: &str) -> Error {
    Error::Usage(match origin {
        Origin::File(..) => format!("{origin}: {key}: {why}"),
        _ => format!("{origin}: {why}"),
    })
}

/// A rule of the configuration: a table of `[[alert]]`.
#[derive(Debug, Clone)]
pub struct Alert {
    /// What it is called.
    pub name: Set,
    /// The report that it looks at, if it does.
    pub report: Option<Set>,
    /// When it fires.
    pub when: Set,
    /// How bad that is.
    pub severity: Set,
}

/// The words of a variable's text: of a key with several values those between commas.
pub(super) fn words(key: &Key, text: &str) -> Vec<String> {
    if key.kind.is_list() {
        text.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
    } else {
        vec![text.to_owned()]
    }
}

/// The value of a key that these words give; relative paths are so from `folder`.
pub(super) fn of_words(key: &Key, words: &[String], origin: &Origin, folder: &Path) -> Result<Value, Error> {
    let refuse = |text: &str| {
        wrong(
            origin,
            key.name,
            &format!(
                "'{}' is not {}",
                text.escape_debug(),
                key.kind.wanted().replace(", without quotes", "")
            ),
        )
    };
    if key.kind.is_list() {
        let place = |word: &String| if key.kind == Kind::Paths { placed(word, folder) } else { word.clone() };
        return Ok(Value::Texts(words.iter().map(place).collect()));
    }
    let text = words.last().map_or("", String::as_str);
    match key.kind {
        Kind::Number => text.parse().map(Value::Number).map_err(|_| refuse(text)),
        Kind::Switch => match text {
            "true" => Ok(Value::Switch(true)),
            "false" => Ok(Value::Switch(false)),
            _ => Err(refuse(text)),
        },
        _ => of_text(key, text, origin, folder),
    }
}

/// Why a path is not taken as it stands, if it begins as only a shell reads it: nobody wants a folder called `~`.
pub fn of_shell(path: &str) -> Option<&'static str> {
    (path.starts_with('~') || path.starts_with("$HOME"))
        .then_some("only a shell knows what ~ and $HOME are: write the whole path")
}

/// The value of a key with one text; relative paths are so from `folder`.
pub(super) fn of_text(key: &Key, text: &str, origin: &Origin, folder: &Path) -> Result<Value, Error> {
    let refuse = |why: String| Err(wrong(origin, key.name, &why));
    if text.is_empty() {
        return refuse("it is empty; leave the key out instead".into());
    }
    match key.kind {
        Kind::Choice(words) if !words.contains(&text) => {
            let near = crate::error::did_you_mean(text, words.iter().copied());
            refuse(format!("'{text}' is not {}{near}", key.kind.wanted()))
        }
        // The text may hold a secret: it is not repeated.
        Kind::Url
            if !["https://", "http://"]
                .iter()
                .any(|scheme| text.len() > scheme.len() && text.starts_with(scheme)) =>
        {
            refuse(format!("it is not {}", key.kind.wanted()))
        }
        Kind::Path => match of_shell(text) {
            Some(why) => refuse(format!("'{text}': {why}")),
            None => Ok(Value::Text(placed(text, folder))),
        },
        _ => Ok(Value::Text(text.to_owned())),
    }
}

/// A path that was named in this folder; what is in an object store is where it is.
fn placed(path: &str, folder: &Path) -> String {
    if path.contains("://") || Path::new(path).is_absolute() {
        return path.to_owned();
    }
    let inside = path.trim_start_matches("./");
    let placed = if matches!(inside, "" | ".") { folder.to_owned() } else { folder.join(inside) };
    match placed.to_str() {
        Some("") | None => path.to_owned(),
        Some(placed) => placed.to_owned(),
    }
}
