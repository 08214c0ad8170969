//! The answer where a name leads to no file: what was looked for, what is there instead, what may have been meant.
//! Knows nothing of how files are found.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::error::{Error, did_you_mean};

/// Enough to recognise a folder by.
const NAMES_LISTED: usize = 10;

/// The error for `wanted`, a path or a pattern without a file; `lead` says which of the two.
pub(super) fn no_input(lead: &str, wanted: &Path) -> Error {
    let folder = nearest_folder(wanted);
    let contents = match Contents::list(&folder) {
        Ok(contents) => contents,
        Err(error) => return Error::NoInput(format!("{lead}. {} cannot be listed: {error}", shown(&folder))),
    };
    if contents.files.iter().any(|name| name == "manifest.json") && folder == wanted {
        return Error::NoInput(format!(
            "{lead}: it is a store, which is read with --store {}",
            folder.display()
        ));
    }
    let below = wanted.strip_prefix(&folder).unwrap_or(wanted);
    let mut components = below.iter().map(|name| name.to_string_lossy());
    let next = components.next().unwrap_or_default();
    let near = did_you_mean(&next, contents.names().map(|name| name.trim_end_matches('/')));
    let is_missing_folder = components.next().is_some() && !super::pattern::is_pattern(&next);
    let reason = if is_missing_folder {
        format!(": there is no folder '{}'{near}", folder.join(&*next).display())
    } else {
        near
    };
    Error::NoInput(format!("{lead}{reason}. {}", contents.described(&folder)))
}

/// The longest beginning of a path that is a folder; the current folder, as an empty path, where none is.
fn nearest_folder(wanted: &Path) -> PathBuf {
    wanted.ancestors().find(|path| path.is_dir()).map(Path::to_owned).unwrap_or_default()
}

/// A folder as the first words of a sentence.
fn shown(folder: &Path) -> String {
    match folder.to_string_lossy().as_ref() {
        "" | "." => "The current folder".to_owned(),
        path => format!("'{path}'"),
    }
}

/// What is in a folder, by name, without hidden files.
struct Contents {
    files: Vec<String>,
    /// With a slash behind each.
    folders: Vec<String>,
}

impl Contents {
    fn list(folder: &Path) -> io::Result<Contents> {
        let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(listed)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            // As well through a link.
            if entry.path().is_dir() { folders.push(name + "/") } else { files.push(name) }
        }
        files.sort();
        folders.sort();
        Ok(Contents { files, folders })
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.files.iter().chain(&self.folders).map(String::as_str)
    }

    fn described(&self, folder: &Path) -> String {
        let folder = shown(folder);
        let counts: Vec<String> = [(self.files.len(), "file"), (self.folders.len(), "folder")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}{}", if count == 1 { "" } else { "s" }))
            .collect();
        if counts.is_empty() {
            return format!("{folder} is empty");
        }
        let mut listed: Vec<String> = self.names().take(NAMES_LISTED).map(str::to_owned).collect();
        let more = (self.files.len() + self.folders.len()).saturating_sub(NAMES_LISTED);
        if more > 0 {
            listed.push(format!("… and {more} more"));
        }
        format!("{folder} holds {}: {}", counts.join(" and "), listed.join(", "))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn answer(names: &[&str], lead: &str, wanted: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("logs")).unwrap();
        for name in names {
            fs::write(dir.path().join("logs").join(name), "").unwrap();
        }
        let text = no_input(lead, &dir.path().join(wanted)).to_string();
        text.replace(dir.path().to_str().unwrap(), "TOP")
    }

    #[test]
    fn says_what_the_folder_holds() {
        let names = ["b.txt", "a.csv", ".hidden", "README.md"];
        let text = answer(&names, "no file matches 'logs/*.log'", "logs/*.log");
        let expected = "no file matches 'logs/*.log'. 'TOP/logs' holds 3 files: README.md, a.csv, b.txt";
        assert_eq!(text, expected);
        assert_eq!(
            answer(&[], "no log file in 'logs'", "logs"),
            "no log file in 'logs'. 'TOP/logs' is empty"
        );
    }

    #[test]
    fn lists_ten_names() {
        let names: Vec<String> = (10..22).map(|n| format!("f{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let text = answer(&names, "lead", "logs/*.log");
        assert!(
            text.ends_with("holds 12 files: f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, … and 2 more")
        );
    }

    #[test]
    fn suggests_a_near_name() {
        let text = answer(&["user_activity.log"], "no file 'x'", "logs/user_activty.log");
        assert!(
            text.starts_with("no file 'x' (did you mean 'user_activity.log'?). 'TOP/logs' holds 1 file: ")
        );
        let text = answer(&[], "no file matches 'lgs/web1/*.log'", "lgs/web1/*.log");
        let expected = "no file matches 'lgs/web1/*.log': there is no folder 'TOP/lgs' (did you mean 'logs'?). \
                        'TOP' holds 1 folder: logs/";
        assert_eq!(text, expected);
    }
}
