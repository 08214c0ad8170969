//! From the words of a command line to the files that are read, oldest first.
//! Knows of a file's content only whether an other file holds the same.

use std::{
    cmp::Reverse,
    collections::{HashMap, hash_map::Entry},
    fs::{self, Metadata},
    io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use super::{
    Found, LogFile,
    identity::without_copies,
    missing::no_input,
    name::{self, Name},
};
use crate::error::Error;

/// The family of the shop's system logs.
const SYSTEM: &str = "app";

/// As a shell matches.
const LIKE_A_SHELL: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// The files that the arguments name: files, patterns, folders and `-`, in any mix and order.
///
/// Fails for an argument under which there is nothing to read, and for a file that can't be opened. What is
/// left out otherwise is in the notes. Standard input and other streams are not opened here.
pub fn find(arguments: &[String]) -> Result<Found, Error> {
    if arguments.is_empty() {
        return Err(Error::Usage("name a log file, a folder, a pattern, or - for standard input".to_owned()));
    }
    let mut search = Search::default();
    for argument in arguments {
        search.argument(argument)?;
    }
    search.leave_system_logs_aside()?;
    let Search { mut files, mut notes, .. } = search;
    files.sort_by_cached_key(age);
    let files = without_copies(files, &mut notes)?;
    Ok(Found { files, notes })
}

/// Whether a name that no file has is a pattern.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Device and inode: the same for every path to one file.
type FileId = (u64, u64);

#[derive(Default)]
struct Search {
    files: Vec<LogFile>,
    notes: Vec<String>,
    seen: HashMap<FileId, PathBuf>,
}

impl Search {
    fn argument(&mut self, argument: &str) -> Result<(), Error> {
        if argument == "-" {
            return self.standard_input();
        }
        let path = Path::new(argument);
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => match self.folder(path)? {
                true => Ok(()),
                false => Err(no_input(&format!("no log file in '{argument}'"), path)),
            },
            Ok(metadata) => {
                self.add(path.to_owned(), &metadata);
                Ok(())
            }
            Err(_) if is_pattern(argument) => self.pattern(argument),
            Err(error) if is_absence(&error) => Err(no_input(&format!("no file '{argument}'"), path)),
            Err(error) => Err(unreadable(path, error)),
        }
    }

    fn standard_input(&mut self) -> Result<(), Error> {
        if self.files.iter().any(|file| file.path.is_none()) {
            return Err(Error::Usage("standard input (-) can be read only once: name it once".to_owned()));
        }
        self.files.push(LogFile { name: "-".to_owned(), path: None, bytes: None });
        Ok(())
    }

    fn pattern(&mut self, pattern: &str) -> Result<(), Error> {
        let paths = glob::glob_with(pattern, LIKE_A_SHELL)
            .map_err(|error| Error::Usage(format!("'{pattern}' is not a pattern: {}", error.msg)))?;
        let mut any = false;
        for path in paths {
            let path = path.map_err(|error| {
                let path = error.path().to_owned();
                unreadable(&path, error.into())
            })?;
            any |= self.meet(path)?;
        }
        any.then_some(()).ok_or_else(|| no_input(&format!("no file matches '{pattern}'"), Path::new(pattern)))
    }

    /// Adds the logs in a folder and in those below it; false if there is none.
    fn folder(&mut self, folder: &Path) -> Result<bool, Error> {
        let mut entries = fs::read_dir(folder)
            .and_then(Iterator::collect::<io::Result<Vec<_>>>)
            .map_err(|error| unreadable(folder, error))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        let mut any = false;
        for entry in entries {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if name::is_no_log(&name) {
                continue;
            }
            if entry.file_type().map_err(|error| unreadable(&path, error))?.is_dir() {
                any |= self.folder(&path)?;
            } else if name::parse(&name).is_some() {
                any |= self.meet(path)?;
            }
        }
        Ok(any)
    }

    /// Adds a path that nobody named; false if it is not a file: opening a FIFO could wait for ever.
    fn meet(&mut self, path: PathBuf) -> Result<bool, Error> {
        let what = match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => {
                self.add(path, &metadata);
                return Ok(true);
            }
            Ok(metadata) => kind(&metadata),
            Err(error) if is_absence(&error) => "a link to nothing",
            Err(error) => return Err(unreadable(&path, error)),
        };
        self.notes.push(format!("'{}' left out: it is {what}", path.display()));
        Ok(false)
    }

    fn add(&mut self, path: PathBuf, metadata: &Metadata) {
        let name = path.display().to_string();
        match self.seen.entry((metadata.dev(), metadata.ino())) {
            Entry::Occupied(same) if *same.get() == path => {}
            Entry::Occupied(same) => {
                self.notes
                    .push(format!("'{name}' is the same file as '{}': read once", same.get().display()));
            }
            Entry::Vacant(new) => {
                new.insert(path.clone());
                let bytes = metadata.is_file().then_some(metadata.len());
                self.files.push(LogFile { name, path: Some(path), bytes });
            }
        }
    }

    fn leave_system_logs_aside(&mut self) -> Result<(), Error> {
        let before = self.files.len();
        self.files.retain(|file| name_of(file).is_none_or(|name| name.family != SYSTEM));
        let note = match before - self.files.len() {
            0 => return Ok(()),
            1 => "1 system log (app*.log) left aside: it holds no user activity".to_owned(),
            aside => format!("{aside} system logs (app*.log) left aside: they hold no user activity"),
        };
        if self.files.is_empty() {
            return Err(Error::NoInput(format!("nothing else to read: {note}")));
        }
        self.notes.push(note);
        Ok(())
    }
}

/// Smaller is older. A file without a date is newer than any with one, standard input newer than all.
fn age(file: &LogFile) -> impl Ord + use<> {
    let Name { date, rotation, .. } = name_of(file).unwrap_or_default();
    (file.path.is_none(), date.is_empty(), date, Reverse(rotation), file.path.clone())
}

fn name_of(file: &LogFile) -> Option<Name> {
    name::parse(&file.path.as_ref()?.file_name()?.to_string_lossy())
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn kind(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

fn unreadable(path: &Path, source: io::Error) -> Error {
    Error::Read { path: path.display().to_string(), source }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::os::unix::{fs::symlink, net::UnixListener};

    use tempfile::TempDir;

    use super::*;

    /// A folder with these files, each with a content of its own.
    fn folder(names: &[&str]) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{name}\n")).unwrap();
        }
        dir
    }

    /// What is found under arguments relative to a folder: names and notes relative to it, too.
    fn look(dir: &TempDir, arguments: &[&str]) -> Result<(Vec<String>, Vec<String>), Error> {
        let top = format!("{}/", dir.path().display());
        let absolute = |argument: &&str| match *argument {
            "-" | "/dev/null" => argument.to_string(),
            _ => format!("{top}{argument}"),
        };
        let found = find(&arguments.iter().map(absolute).collect::<Vec<_>>())?;
        let names = found.files.into_iter().map(|file| file.name.replace(&top, "")).collect();
        Ok((names, found.notes.iter().map(|note| note.replace(&top, "")).collect()))
    }

    fn files(dir: &TempDir, arguments: &[&str]) -> Vec<String> {
        let (files, notes) = look(dir, arguments).unwrap();
        assert_eq!(notes, Vec::<String>::new());
        files
    }

    #[test]
    fn oldest_first_across_folders() {
        let oldest_first = [
            "web1/x-2025-03-09.log.gz",
            "web1/x-2025-03-10.log.1",
            "web1/x-2025-03-10.log",
            "web2/x-2025-03-10.log",
            "web1/x.20250311.log",
            "web2/x.log-20250311-16",
            "web1/x.log.2025-03-12",
            "web1/x.log.10",
            "web1/x.log.2",
            "web2/x.log.2",
            "web1/x.log.1",
            "web1/x.log",
            "web2/x.log",
        ];
        let dir = folder(&oldest_first);
        assert_eq!(files(&dir, &[""]), oldest_first);
        assert_eq!(files(&dir, &["web2/*", "**/*.log", "web1/x.log*", "web1"]), oldest_first);
        assert_eq!(files(&dir, &["-", "web1/x.log", "web2"]).last().unwrap(), "-");
    }

    #[test]
    fn a_folder_gives_its_logs_only() {
        let dir = folder(&[
            "a/x.log",
            "x.log.1",
            "README.md",
            ".x.log",
            "buffer.b1.log",
            "x.log.tmp",
            ".git/x.log",
        ]);
        symlink(dir.path(), dir.path().join("a/loop")).unwrap();
        assert_eq!(files(&dir, &[""]), ["x.log.1", "a/x.log"]);
        assert_eq!(files(&dir, &["README.md"]), ["README.md"]);
    }

    #[test]
    fn a_name_that_exists_is_no_pattern() {
        let dir = folder(&["x[1].log", "x1.log"]);
        assert_eq!(files(&dir, &["x[1].log"]), ["x[1].log"]);
        assert_eq!(files(&dir, &["x[12].log"]), ["x1.log"]);
    }

    #[test]
    fn system_logs_are_left_aside_with_one_note() {
        let dir =
            folder(&["app.log", "app-2025-03-10.log", "app.log.1.gz", "app.20250310.log", "application.log"]);
        let note = "4 system logs (app*.log) left aside: they hold no user activity";
        for arguments in [&[""][..], &["*"], &["app.log", "app-*", "app.*", "application.log"]] {
            let found = look(&dir, arguments).unwrap();
            assert_eq!(found, (vec!["application.log".to_owned()], vec![note.to_owned()]));
        }
        let error = look(&dir, &["app.log"]).unwrap_err();
        assert!(matches!(error, Error::NoInput(text) if text.contains("1 system log (app*.log) left aside")));
    }

    #[test]
    fn one_file_under_two_names_is_read_once() {
        let dir = folder(&["x.log", "y.log"]);
        symlink(dir.path().join("x.log"), dir.path().join("current.log")).unwrap();
        fs::hard_link(dir.path().join("y.log"), dir.path().join("z.log")).unwrap();
        let (files, notes) = look(&dir, &["x.log", "x.log", "*.log"]).unwrap();
        assert_eq!(files, ["x.log", "y.log"]);
        assert_eq!(
            notes,
            [
                "'current.log' is the same file as 'x.log': read once",
                "'z.log' is the same file as 'y.log': read once"
            ]
        );
    }

    #[test]
    fn only_files_are_read_unless_named() {
        let dir = folder(&["x.log", "folder.log/y.log"]);
        let _socket = UnixListener::bind(dir.path().join("socket.log")).unwrap();
        symlink("gone", dir.path().join("gone.log")).unwrap();
        symlink("/dev/null", dir.path().join("null.log")).unwrap();
        let (files, notes) = look(&dir, &["*.log"]).unwrap();
        assert_eq!(files, ["x.log"]);
        let left_out = [
            "'folder.log' left out: it is a folder",
            "'gone.log' left out: it is a link to nothing",
            "'null.log' left out: it is a device",
            "'socket.log' left out: it is a socket",
        ];
        assert_eq!(notes, left_out);
        assert_eq!(look(&dir, &[""]).unwrap().1, left_out[1..]);
        let found = find(&["/dev/null".to_owned()]).unwrap();
        assert_eq!((&*found.files[0].name, found.files[0].bytes), ("/dev/null", None));
    }

    #[test]
    fn one_argument_without_a_file_is_an_error() {
        let dir = folder(&["x.log", "empty/README.md"]);
        for (argument, beginning) in
            [("y.log", "no file '"), ("*.gz", "no file matches '"), ("empty", "no log file in '")]
        {
            let error = look(&dir, &["x.log", argument]).unwrap_err();
            assert!(matches!(&error, Error::NoInput(text) if text.starts_with(beginning)), "{error}");
        }
        for usage in [&["-", "-"][..], &[], &["x***"]] {
            assert_eq!(look(&dir, usage).unwrap_err().exit_code(), 2);
        }
    }
}
