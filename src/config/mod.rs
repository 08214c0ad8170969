//! The configuration of the nightly job: which keys there are, the layers that set them, and which layer set each. Knows
//! what type a value has, not what is done with it.

mod file;
mod keys;
mod value;

pub use keys::{KEYS, Key, Kind, MEMORY, ZONE, key, variable};
pub use value::{Alert, Origin, Set, Value, of_shell};

use crate::error::{Error, did_you_mean};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The file that is taken where none is named, if it is there.
pub const FILE_NAME: &str = "loganalyze.toml";

/// Where settings come from, the weakest first: defaults, files, environment, flags.
#[derive(Debug, Default)]
pub struct Sources {
    /// Files that count where they are there, the weakest first.
    pub optional: Vec<PathBuf>,
    /// The file that was named, and must be there.
    pub named: Option<PathBuf>,
    /// The process's environment.
    pub environment: Vec<(String, String)>,
    /// Keys and what their flags say, as it was typed.
    pub flags: Vec<(&'static str, Vec<String>)>,
}

/// What is set, and by which layer.
#[derive(Debug, Default)]
pub struct Config {
    values: BTreeMap<&'static str, Set>,
    /// The rules of the strongest layer that has any.
    pub alerts: Vec<Alert>,
    /// What the user should know, one sentence each.
    pub notes: Vec<String>,
}

impl Config {
    /// Reads all layers.
    ///
    /// # Errors
    /// `Error::Usage` with the place of a key that is not known or a value of a wrong type; `Error::Read` for a file that
    /// cannot be read.
    pub fn load(sources: &Sources) -> Result<Config, Error> {
        let mut config = Config::default();
        for key in KEYS {
            if let Some(default) = key.default {
                let value = value::of_words(key, &[default.to_owned()], &Origin::Default, Path::new(""))?;
                config.set(key, value, Origin::Default);
            }
        }
        for path in sources.optional.iter().filter(|path| path.exists()).chain(&sources.named) {
            file::read(path, &mut config)?;
        }
        config.add_environment(&sources.environment)?;
        for (name, words) in &sources.flags {
            let origin = Origin::Flag(keys::flag(name));
            if let Some(key) = key(name) {
                config.set(key, value::of_words(key, words, &origin, Path::new(""))?, origin);
            }
        }
        Ok(config)
    }

    /// What a key is set to, if it is.
    pub fn get(&self, key: &str) -> Option<&Set> {
        self.values.get(key)
    }

    /// What is set, in the order of the list of keys.
    pub fn all(&self) -> impl Iterator<Item = (&'static Key, Option<&Set>)> {
        KEYS.iter().map(|key| (key, self.values.get(key.name)))
    }

    fn set(&mut self, key: &'static Key, value: Value, origin: Origin) {
        self.values.insert(key.name, Set { key: key.name, value, origin });
    }

    /// Variables that mean nothing here may be somebody else's: only near names are worth a note.
    fn add_environment(&mut self, environment: &[(String, String)]) -> Result<(), Error> {
        let known: Vec<String> = KEYS.iter().map(variable).collect();
        // A variable that is set to nothing is not set.
        let is_ours = |name: &str, text: &str| name.starts_with(keys::PREFIX) && !text.is_empty();
        for (name, text) in environment.iter().filter(|(name, text)| is_ours(name, text)) {
            match KEYS.iter().find(|key| variable(key) == *name) {
                Some(key) => {
                    let origin = Origin::Environment(name.clone());
                    let words = value::words(key, text);
                    self.set(key, value::of_words(key, &words, &origin, Path::new(""))?, origin);
                }
                None if keys::ELSEWHERE.contains(&name.as_str()) => {}
                None => {
                    // What all names begin with would make them all near.
                    let rest = |name: &str| name[keys::PREFIX.len()..].to_owned();
                    let rests: Vec<String> = known.iter().map(|name| rest(name)).collect();
                    let near = did_you_mean(&rest(name), rests.iter().map(String::as_str));
                    if !near.is_empty() {
                        let near =
                            near.replace('\'', "").replace("mean ", &format!("mean ${}", keys::PREFIX));
                        self.notes.push(format!("${name} sets nothing{near}"));
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn load(texts: &[&str], environment: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Config {
        let folder = tempfile::tempdir().unwrap();
        let mut sources = Sources::default();
        for (at, text) in texts.iter().enumerate() {
            let path = folder.path().join(format!("{at}.toml"));
            std::fs::write(&path, text).unwrap();
            sources.optional.push(path);
        }
        sources.environment =
            environment.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        sources.flags = flags.iter().map(|(name, text)| (*name, vec![(*text).to_owned()])).collect();
        Config::load(&sources).unwrap()
    }

    #[test]
    fn the_stronger_layer_wins() {
        let texts = ["tz = 'UTC'\nkeep = '1d'\nformat = 'tsv'", "keep = '2d'\n\n tz = 'Asia/Tokyo'"];
        let config = load(&texts, &[("LOGANALYZE_KEEP", "3d"), ("OTHER_KEEP", "4d")], &[("keep", "5d")]);
        let shown = |key: &str| {
            let set = config.get(key).unwrap();
            format!("{} {}", set.value, set.origin)
        };
        assert_eq!(shown("keep"), "5d --keep");
        assert!(shown("tz").starts_with("Asia/Tokyo ") && shown("tz").ends_with("1.toml line 3"));
        assert!(shown("format").ends_with("0.toml line 3"));
        assert_eq!(shown("page"), "true default");
        let config = load(&texts, &[("LOGANALYZE_KEEP", "3d")], &[]);
        assert_eq!(config.get("keep").unwrap().origin.to_string(), "$LOGANALYZE_KEEP");
    }

    #[test]
    fn variables_that_are_nearly_known_are_noted() {
        let environment = [
            ("LOGANALYZE_STOER", "x"),
            ("LOGANALYZE_PYTHON", "y"),
            ("LOGANALYZE_PII_KEY", "z"),
            ("LOGANALYZE_TZ", ""),
        ];
        let config = load(&[], &environment, &[]);
        assert_eq!(config.get("tz").unwrap().origin, Origin::Default);
        assert_eq!(config.notes, ["$LOGANALYZE_STOER sets nothing (did you mean $LOGANALYZE_STORE?)"]);
    }

    #[test]
    fn alerts_are_those_of_the_strongest_layer_that_has_any() {
        let one = |name: &str| format!("[[alert]]\nname = '{name}'\nreport = 'errors'\nwhen = 'any'\n");
        let config = load(&[&one("a"), &one("b"), "tz = 'UTC'"], &[], &[]);
        assert_eq!(config.alerts.len(), 1);
        assert_eq!(config.alerts[0].name.text(), "b");
    }
}
