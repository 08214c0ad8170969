//! A file of settings in TOML. Every complaint names the line.

use super::keys::{KEYS, Key, Kind};
use super::value::{Alert, Origin, Set, Value, of_text, of_words, wrong};
use super::{Config, key};
use crate::error::{Error, did_you_mean};
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The table of rules.
const ALERT: &str = "alert";

/// The keys of a rule.
const OF_ALERT: [&str; 4] = ["name", "report", "when", "severity"];

/// How bad it is when a rule fires, the least first.
const SEVERITIES: &[&str] = &["info", "warning", "critical"];

/// Adds what the file sets, which is stronger than what is set already.
pub fn read(path: &Path, config: &mut Config) -> Result<(), Error> {
    let unreadable = |source| Error::Read { path: path.display().to_string(), source };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let whole = std::path::absolute(path).map_err(unreadable)?;
    let file = File { path, text: &text, folder: whole.parent().map(Path::to_owned).unwrap_or_default() };
    let table = DeTable::parse(&text).map_err(|error| {
        let at = file.origin(error.span().map_or(0, |span| span.start));
        Error::Usage(format!("{at}: {}", error.message().replace('\n', ", ")))
    })?;
    file.add("", table.get_ref(), config)
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
    /// What relative paths in it are relative to.
    folder: PathBuf,
}

type Entry<'a, 'i> = (&'a Spanned<std::borrow::Cow<'i, str>>, &'a Spanned<DeValue<'i>>);

/// The entries of a table in the order in which they stand there.
fn entries<'a, 'i>(table: &'a DeTable<'i>) -> Vec<Entry<'a, 'i>> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}

impl File<'_> {
    fn origin(&self, byte: usize) -> Origin {
        let before = self.text.as_bytes().get(..byte).unwrap_or_default();
        Origin::File(self.path.to_owned(), before.iter().filter(|&&byte| byte == b'\n').count() + 1)
    }

    /// Adds the keys of a table; `before` is its name with a dot behind, or nothing.
    fn add(&self, before: &str, table: &DeTable, config: &mut Config) -> Result<(), Error> {
        for (spelled, value) in entries(table) {
            let name = format!("{before}{}", spelled.get_ref());
            let origin = self.origin(spelled.span().start);
            let inner = format!("{name}.");
            if let Some(key) = key(&name) {
                let value = self.value(key, value, &origin)?;
                config.set(key, value, origin);
            } else if name == ALERT {
                config.alerts = self.alerts(value, &origin)?;
            } else if KEYS.iter().any(|key| key.name.starts_with(&inner)) {
                match value.get_ref() {
                    DeValue::Table(table) => self.add(&inner, table, config)?,
                    _ => return Err(wrong(&origin, &name, &format!("it is a table: write [{name}]"))),
                }
            } else {
                return Err(unknown(&origin, before, spelled.get_ref()));
            }
        }
        Ok(())
    }

    fn value(&self, key: &'static Key, value: &Spanned<DeValue>, origin: &Origin) -> Result<Value, Error> {
        let folder = &self.folder;
        let refuse = || {
            let found = value.get_ref().type_str();
            Err(wrong(origin, key.name, &format!("it must be {}, not {}", key.kind.wanted(), article(found))))
        };
        match (key.kind, value.get_ref()) {
            (Kind::Switch, DeValue::Boolean(on)) => Ok(Value::Switch(*on)),
            (Kind::Number | Kind::Amount, DeValue::Integer(number)) => {
                of_words(key, &[number.to_string()], origin, folder)
            }
            (Kind::Number | Kind::Switch, _) => refuse(),
            (kind, DeValue::String(text)) if kind.is_list() => {
                of_words(key, &[text.to_string()], origin, folder)
            }
            (kind, DeValue::Array(items)) if kind.is_list() => {
                let text = |item: &Spanned<DeValue>| item.get_ref().as_str().map(str::to_owned);
                match items.iter().map(text).collect::<Option<Vec<_>>>() {
                    Some(words) if !words.is_empty() => of_words(key, &words, origin, folder),
                    Some(_) => Err(wrong(origin, key.name, "it is empty; leave the key out instead")),
                    None => refuse(),
                }
            }
            (_, DeValue::String(text)) => of_text(key, text, origin, folder),
            _ => refuse(),
        }
    }

    fn alerts(&self, value: &Spanned<DeValue>, origin: &Origin) -> Result<Vec<Alert>, Error> {
        let DeValue::Array(items) = value.get_ref() else {
            return Err(wrong(origin, ALERT, "write it with double brackets: [[alert]]"));
        };
        let mut alerts: Vec<Alert> = Vec::new();
        for item in items.iter() {
            let DeValue::Table(table) = item.get_ref() else {
                return Err(wrong(origin, ALERT, "write it with double brackets: [[alert]]"));
            };
            let alert = self.alert(table, &self.origin(item.span().start))?;
            if alerts.iter().any(|known| known.name.text() == alert.name.text()) {
                return Err(alert.name.wrong("another alert has this name"));
            }
            alerts.push(alert);
        }
        Ok(alerts)
    }

    fn alert(&self, table: &DeTable, origin: &Origin) -> Result<Alert, Error> {
        for (spelled, _) in entries(table) {
            if !OF_ALERT.contains(&spelled.get_ref().as_ref()) {
                let near = did_you_mean(spelled.get_ref(), OF_ALERT);
                let at = self.origin(spelled.span().start);
                return Err(Error::Usage(format!("{at}: an alert has no '{}'{near}", spelled.get_ref())));
            }
        }
        let text = |key: &'static str| -> Result<Option<Set>, Error> {
            let entry = entries(table).into_iter().find(|(spelled, _)| spelled.get_ref() == key);
            let Some((spelled, value)) = entry else { return Ok(None) };
            let origin = self.origin(spelled.span().start);
            match value.get_ref().as_str().map(str::trim) {
                Some(text) if !text.is_empty() => {
                    Ok(Some(Set { key, value: Value::Text(text.into()), origin }))
                }
                Some(_) => Err(wrong(&origin, key, "it is empty")),
                None => Err(wrong(&origin, key, "it must be a text in quotes")),
            }
        };
        let needed = |key: &'static str| {
            let missing = || Error::Usage(format!("{origin}: the alert lacks '{key}': write {key} = \"…\""));
            text(key)?.ok_or_else(missing)
        };
        let usual = Set { key: "severity", value: Value::Text("warning".into()), origin: Origin::Default };
        let severity = text("severity")?.unwrap_or(usual);
        if !SEVERITIES.contains(&severity.text()) {
            let near = did_you_mean(severity.text(), SEVERITIES.iter().copied());
            return Err(severity.wrong(&format!(
                "'{}' is not one of {}{near}",
                severity.text(),
                SEVERITIES.join(", ")
            )));
        }
        Ok(Alert { name: needed("name")?, report: text("report")?, when: needed("when")?, severity })
    }
}

/// That there is no such key, and which was perhaps meant.
fn unknown(origin: &Origin, before: &str, name: &str) -> Error {
    let inside = KEYS.iter().filter_map(|key| key.name.strip_prefix(before));
    let mut known: Vec<&str> = inside.map(|rest| rest.split('.').next().unwrap_or(rest)).collect();
    known.extend((before.is_empty()).then_some(ALERT));
    let near = did_you_mean(name, known.iter().copied());
    let known = if near.is_empty() {
        known.dedup();
        format!("; the keys here are {}", known.join(", "))
    } else {
        near
    };
    Error::Usage(format!("{origin}: no key is called '{before}{}'{known}", name.escape_debug()))
}

/// What TOML calls a type, with the article before it.
fn article(name: &str) -> String {
    let article = if name.starts_with(['a', 'i']) { "an" } else { "a" };
    format!("{article} {name}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::Sources;

    fn load(text: &str) -> Result<Config, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(&Sources { named: Some(path), ..Sources::default() })
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, line, said) in [
            ("inptus = []", 1, "did you mean 'inputs'?"),
            ("tz = 'UTC'\nstore = 5", 2, "a text in quotes, not an integer"),
            ("\n\npage = 'yes'", 3, "true or false"),
            ("top = -1", 1, "whole number from 0 up"),
            ("reports = ['a', 5]", 1, "a list of texts"),
            ("inputs = []", 1, "leave the key out"),
            ("store = ''", 1, "leave the key out"),
            ("bots = 'exclud'", 1, "did you mean 'exclude'?"),
            ("[notify.webhok]\nurl = 'x'", 1, "did you mean 'webhook'?"),
            ("[notify.webhook]\nurl = 'ftp://x'", 2, "https://"),
            ("notify = 5", 1, "[notify]"),
            ("a = \"", 1, "a.toml"),
            ("tz = 'UTC'\ntz = 'UTC'", 2, "duplicate key"),
            ("[alert]\nname = 'x'", 1, "[[alert]]"),
            ("[[alert]]\nname = 'x'", 1, "lacks 'when'"),
            ("[[alert]]\nname = 'x'\nwen = 'any'", 3, "did you mean 'when'?"),
            ("[[alert]]\nname = 'x'\nwhen = 'any'\nseverity = 'critcal'", 4, "did you mean 'critical'?"),
            ("[[alert]]\nname = 'x'\nwhen = 'any'\n[[alert]]\nname = 'x'\nwhen = 'any'", 5, "this name"),
            ("quux = 1", 1, "the keys here are inputs, store, "),
        ] {
            let error = load(text).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            let error = error.to_string();
            assert!(
                error.contains(&format!("a.toml line {line}")) && error.contains(said),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let config = load("inputs = ['logs', '/abs/*.gz', 's3://b/c', '.']\nout = './out'").unwrap();
        let inputs = config.get("inputs").unwrap().texts().to_vec();
        assert!(inputs[0].starts_with('/') && inputs[0].ends_with("/logs"), "{inputs:?}");
        assert_eq!(inputs[1..3], ["/abs/*.gz", "s3://b/c"]);
        assert!(inputs[0] == format!("{}/logs", inputs[3]));
        assert_eq!(config.get("out").unwrap().text(), format!("{}/out", inputs[3]));
        // Numbers and texts are both fine where either makes sense.
        assert_eq!(load("max_rejects = 5").unwrap().get("max_rejects").unwrap().text(), "5");
    }
}
