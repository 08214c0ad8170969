//! From the words of a command line to the files that are read, oldest first.
//! Knows of a file's content only whether an other file holds the same.

use std::{
    cmp::Reverse,
    collections::{HashMap, hash_map::Entry},
    fs::{self, Metadata},
    io,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
};

use super::{
    FileId, Found, LogFile, Logs, Part, id_of,
    identity::without_copies,
    missing::no_input,
    name::{self, Name},
    pattern::{LIKE_A_SHELL, is_hidden_from, is_pattern, no_pattern},
};
use crate::cloud;
use crate::error::Error;

/// The files that the arguments name: files, patterns, folders and `-`, in any mix and order. Logs that are not asked for
/// are left out; what is not called like either of the shop's, and standard input, is what is asked for, user activity
/// where both are.
///
/// What is left out is in the notes, arguments under which there is nothing are in `missing`, and files that can't be opened are
/// found all the same. Standard input and other streams are not opened here.
pub fn find(arguments: &[String], logs: Logs) -> Result<Found, Error> {
    if arguments.is_empty() {
        return Err(Error::Usage("name a log file, a folder, a pattern, or - for standard input".to_owned()));
    }
    let on_disk: Vec<String> =
        arguments.iter().filter(|argument| !cloud::is_object(Path::new(argument))).cloned().collect();
    let mut tries = 0;
    loop {
        let mut search = Search::of(arguments, logs)?;
        search.leave_others_aside();
        search.tell_of_unread();
        let Search {
            found: Found { mut activity, mut system, mut notes, mut unreadable, missing },
            seen,
            ..
        } = search;
        for files in [&mut activity, &mut system] {
            files.sort_by_cached_key(age);
            *files = without_copies(std::mem::take(files), &mut notes, &mut unreadable);
        }
        tries += 1;
        // What rotates while it is looked for may be met under two names, or under none.
        if tries == TRIES || Search::of(&on_disk, logs).is_ok_and(|now| now.seen == seen) {
            return Ok(Found { activity, system, notes, unreadable, missing });
        }
    }
}

/// How often logs that rotate just now are looked for; who opens one finds out if it is another by then.
const TRIES: usize = 4;

#[derive(Default)]
pub(super) struct Search {
    pub(super) logs: Logs,
    pub(super) found: Found,
    /// Files in folders that may be logs, although they are not called so.
    pub(super) aside: Vec<PathBuf>,
    pub(super) seen: HashMap<FileId, PathBuf>,
}

impl Search {
    /// What is there under these arguments.
    fn of(arguments: &[String], logs: Logs) -> Result<Search, Error> {
        let mut search = Search { logs, ..Search::default() };
        for argument in arguments {
            match search.argument(argument) {
                Err(Error::NoInput(why)) => search.found.missing.push(why),
                Err(error @ Error::Read { .. }) => search.found.unreadable.push(error),
                done => done?,
            }
        }
        Ok(search)
    }

    fn argument(&mut self, argument: &str) -> Result<(), Error> {
        if argument == "-" {
            return self.standard_input();
        }
        let path = Path::new(argument);
        if cloud::is_object(path) {
            return self.objects(argument).map_err(|error| unreadable(path, error))?;
        }
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => match self.folder(path)? {
                true => Ok(()),
                false => Err(no_input(&format!("no log file in '{argument}'"), path)),
            },
            Ok(metadata) => {
                self.add(path.to_owned(), &metadata, true);
                Ok(())
            }
            Err(_) if is_pattern(argument) => self.pattern(argument),
            Err(error) if is_absence(&error) => Err(no_input(&format!("no file '{argument}'"), path)),
            Err(error) => Err(unreadable(path, error)),
        }
    }

    fn standard_input(&mut self) -> Result<(), Error> {
        let files = self.files(self.logs);
        if files.iter().any(|file| file.path.is_none()) {
            return Err(Error::Usage("standard input (-) can be read only once: name it once".to_owned()));
        }
        files.push(LogFile { name: "-".to_owned(), ..LogFile::default() });
        Ok(())
    }

    fn pattern(&mut self, pattern: &str) -> Result<(), Error> {
        let paths = glob::glob_with(pattern, LIKE_A_SHELL).map_err(|error| no_pattern(pattern, &error))?;
        let mut any = false;
        for path in paths {
            let path = path.map_err(|error| {
                let path = error.path().to_owned();
                unreadable(&path, error.into())
            })?;
            any |= !is_hidden_from(pattern, &path) && self.meet(path, true)?;
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
            } else if fs::metadata(&path).is_ok_and(|there| there.is_dir()) {
                if leads_back(&path) {
                    continue;
                }
                let note = "left out: it is a link to a folder; name it too, if its logs are meant";
                self.found.notes.push(format!("'{}' {note}", path.display()));
            } else if name::parse(&name).is_some() {
                any |= self.meet(path, false)?;
            } else if name::may_be_log(&name) {
                self.aside.push(path);
            }
        }
        Ok(any)
    }

    /// Adds a path that nobody named, but perhaps a pattern fits; false if it is not a file: opening a FIFO could wait for
    /// ever.
    fn meet(&mut self, path: PathBuf, fits: bool) -> Result<bool, Error> {
        let what = match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => {
                self.add(path, &metadata, fits);
                return Ok(true);
            }
            Ok(metadata) => kind(&metadata),
            Err(error) if is_absence(&error) => "a link to nothing",
            Err(error) => return Err(unreadable(&path, error)),
        };
        self.found.notes.push(format!("'{}' left out: it is {what}", path.display()));
        Ok(false)
    }

    /// Adds a file, which was `named` or is only there.
    fn add(&mut self, path: PathBuf, metadata: &Metadata, named: bool) {
        let name = path.display().to_string();
        let id = id_of(metadata);
        match self.seen.entry(id) {
            Entry::Occupied(same) if *same.get() == path => {}
            Entry::Occupied(same) => {
                let note = format!("'{name}' is the same file as '{}': read once", same.get().display());
                self.found.notes.push(note);
            }
            Entry::Vacant(new) => {
                new.insert(path.clone());
                let bytes = metadata.is_file().then_some(metadata.len());
                let part = Part { id: bytes.map(|_| id), ..Part::default() };
                let file = LogFile { name, path: Some(path), bytes, part };
                let unlike = if named { self.logs } else { Logs::Activity };
                let logs = name_of(&file).and_then(|name| name.logs()).unwrap_or(unlike);
                self.files(logs).push(file);
            }
        }
    }

    pub(super) fn files(&mut self, logs: Logs) -> &mut Vec<LogFile> {
        if logs == Logs::System { &mut self.found.system } else { &mut self.found.activity }
    }
}

/// Smaller is older. A file without a date is newer than any with one, standard input newer than all.
fn age(file: &LogFile) -> impl Ord + use<> {
    let Name { date, rotation, .. } = name_of(file).unwrap_or_default();
    (file.path.is_none(), date.is_empty(), date, Reverse(rotation), file.path.clone())
}

pub(super) fn name_of(file: &LogFile) -> Option<Name> {
    name::parse(&file.path.as_ref()?.file_name()?.to_string_lossy())
}

/// Whether a link leads to a folder that it is in.
fn leads_back(link: &Path) -> bool {
    let real = |path: &Path| fs::canonicalize(path).ok();
    let (to, from) = (real(link), link.parent().and_then(real));
    to.zip(from).is_some_and(|(to, from)| from.starts_with(to))
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

    /// What is found under arguments relative to a folder: names, of activity before system logs, and notes, relative
    /// to it, too.
    fn look_for(logs: Logs, dir: &TempDir, arguments: &[&str]) -> Result<(Vec<String>, Vec<String>), Error> {
        let top = format!("{}/", dir.path().display());
        let absolute = |argument: &&str| match *argument {
            "-" | "/dev/null" => argument.to_string(),
            _ => format!("{top}{argument}"),
        };
        let found = find(&arguments.iter().map(absolute).collect::<Vec<_>>(), logs)?.complete(false)?;
        let files = found.activity.into_iter().chain(found.system);
        let names = files.map(|file| file.name.replace(&top, "")).collect();
        Ok((names, found.notes.iter().map(|note| note.replace(&top, "")).collect()))
    }

    fn look(dir: &TempDir, arguments: &[&str]) -> Result<(Vec<String>, Vec<String>), Error> {
        look_for(Logs::Activity, dir, arguments)
    }

    fn files(dir: &TempDir, arguments: &[&str]) -> Vec<String> {
        let (files, notes) = look(dir, arguments).unwrap();
        assert_eq!(notes, Vec::<String>::new());
        files
    }

    #[test]
    fn a_pattern_passes_over_names_that_are_no_text() {
        use std::os::unix::ffi::OsStrExt;
        let dir = folder(&["a.log", ".b.log"]);
        fs::write(dir.path().join(std::ffi::OsStr::from_bytes(b"x\xff.txt")), "x").unwrap();
        assert_eq!(files(&dir, &["*.log"]), ["a.log"]);
        assert_eq!(files(&dir, &[".*.log"]), [".b.log"]);
    }

    #[test]
    fn what_may_be_a_log_is_not_passed_over_silently() {
        let dir =
            folder(&["x.log", "x.log.old", "user_activity.json", "notes.txt", "deep/y.log.bak", "z.log~"]);
        let (files, notes) = look(&dir, &[""]).unwrap();
        assert_eq!(files, ["x.log"]);
        let names = "deep/y.log.bak, user_activity.json, x.log.old, …";
        let note = format!("4 files are left aside, not called like a log: {names}; name them to read them");
        assert_eq!(notes, [note]);
        let (files, notes) = look(&dir, &["", "x.log.old", "z.log~", "deep/y.log.bak"]).unwrap();
        assert_eq!((files.len(), notes.len()), (4, 1));
        assert!(notes[0].starts_with("1 file is left aside") && notes[0].ends_with("name it to read it"));
        let all = look(&dir, &[".", "x.log.old", "user_activity.json", "z.log~", "deep/y.log.bak"]).unwrap();
        assert_eq!((all.0.len(), all.1), (5, vec![]));
    }

    #[test]
    fn a_link_to_a_folder_is_told_of_and_followed_where_it_is_named() {
        let dir = folder(&["logs/web1/x.log", "far/web2/x.log"]);
        symlink(dir.path().join("far/web2"), dir.path().join("logs/web2")).unwrap();
        symlink(dir.path(), dir.path().join("far/up")).unwrap();
        let (files, notes) = look(&dir, &["logs"]).unwrap();
        assert_eq!((files.len(), notes.len()), (1, 1));
        assert!(notes[0].starts_with("'logs/web2' left out: it is a link to a folder"), "{notes:?}");
        assert_eq!(look(&dir, &["logs", "logs/web2"]).unwrap().0, ["logs/web1/x.log", "logs/web2/x.log"]);
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
    fn system_logs_are_read_where_they_are_asked_for() {
        let dir = folder(&["app.log", "app-2025-03-10.log", "web/app.log.1", "user_activity.log", "x.log"]);
        let of = |logs, arguments: &[&str]| look_for(logs, &dir, arguments).unwrap();
        let (files, notes) = of(Logs::System, &[""]);
        assert_eq!(files, ["app-2025-03-10.log", "web/app.log.1", "app.log"]);
        assert_eq!(notes, ["2 other logs left aside: system logs are called app*.log"]);
        // A name that is neither's is what is asked for, where it was named.
        for arguments in [&["app.log", "[ux]*.log"][..], &["app.log", "x.log", "user_activity.log"]] {
            let (files, notes) = of(Logs::System, arguments);
            assert_eq!((files.join(" "), notes.len()), ("app.log x.log".into(), 1));
        }
        assert_eq!(of(Logs::System, &["-"]).0, ["-"]);
        let error = look_for(Logs::System, &dir, &["user_activity.log"]).unwrap_err();
        assert!(error.to_string().starts_with("nothing else to read: 1 other log left aside"), "{error}");
        let (files, notes) = of(Logs::Both, &["", "-"]);
        assert_eq!(files.join(" "), "user_activity.log x.log - app-2025-03-10.log web/app.log.1 app.log");
        assert_eq!(notes, [""; 0]);
    }

    #[test]
    fn one_file_under_two_names_is_read_once() {
        let dir = folder(&["x.log", "y.log"]);
        symlink(dir.path().join("x.log"), dir.path().join("current.log")).unwrap();
        fs::hard_link(dir.path().join("y.log"), dir.path().join("z.log")).unwrap();
        let (files, notes) = look(&dir, &["x.log", "x.log", "*.log"]).unwrap();
        assert_eq!(files, ["x.log", "y.log"]);
        let same = ["'current.log' is the same file as 'x.log'", "'z.log' is the same file as 'y.log'"];
        assert_eq!(notes, same.map(|note| format!("{note}: read once")));
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
        let found = find(&["/dev/null".to_owned()], Logs::Activity).unwrap();
        assert_eq!((&*found.activity[0].name, found.activity[0].bytes), ("/dev/null", None));
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
