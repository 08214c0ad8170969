//! A file that is either the old one or the whole new one, never half of it.
//! Knows nothing of formats.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::Error;
use tempfile::{Builder, NamedTempFile, TempPath};

/// What the names of hidden files begin and end with.
const PREFIX: &str = ".loganalyze-";
const SUFFIX: &str = ".tmp";

/// Lets `fill` write the file at `path`, whole or not at all.
///
/// The bytes go to a file without a name in the same folder (on file systems that have none, to a hidden one), are synced,
/// and take the target's place by renaming; on any error, or if the process is killed, the target is as it was, and nothing
/// else is there. The new file has the permissions of the one it replaces, and its owner if that is allowed, or else what the
/// umask leaves. A symbolic link stays, and what it points to is replaced. What is no regular file (`/dev/stdout`, `/dev/null`,
/// a FIFO) is written to directly.
///
/// # Errors
/// [`Error::Write`] with the path as given, from `fill` or the operating system.
pub fn write_atomically(
    path: &Path,
    fill: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> Result<(), Error> {
    try_write(path, fill).map_err(|source| Error::Write { path: path.to_owned(), source })
}

fn try_write(path: &Path, fill: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>) -> io::Result<()> {
    if path == Path::new("/dev/stdout") {
        // Opening it by name would not share its position with what else is written there.
        return write_to(io::stdout(), fill);
    }
    let target = follow(path)?;
    match fs::metadata(&target) {
        Ok(there) if there.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        // Appending, because `command >> file` must keep what the file held.
        Ok(there) if !there.is_file() || is_descriptor(&target) => {
            write_to(OpenOptions::new().append(true).open(&target)?, fill)
        }
        Ok(there) => replace(&target, Some(&there), fill),
        Err(error) if error.kind() == io::ErrorKind::NotFound => replace(&target, None, fill),
        Err(error) => Err(error),
    }
}

/// The path that a chain of symbolic links ends at, whether or not there is a file.
fn follow(path: &Path) -> io::Result<PathBuf> {
    // As many links as Linux follows.
    const LINKS: usize = 40;
    let mut target = path.to_owned();
    for _ in 0..LINKS {
        let Some(name) = target.file_name().map(OsStr::to_owned) else { return Ok(target) };
        let folder = fs::canonicalize(folder_of(&target))?;
        target = folder.join(name);
        // What the descriptors' links say (`pipe:[1234]`) is not always a path.
        if is_descriptor(&target) {
            return Ok(target);
        }
        match fs::read_link(&target) {
            Ok(next) => target = folder.join(next),
            Err(_) => return Ok(target),
        }
    }
    Err(io::Error::other("too many levels of symbolic links"))
}

/// Whether the path names an open file of a process, as `/dev/stdout` does: even if that is a regular file,
/// somebody holds it open and would go on writing to the replaced one.
fn is_descriptor(path: &Path) -> bool {
    path.starts_with("/proc") || path.starts_with("/dev/fd")
}

/// The folder that a file is in, or is to be in.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn write_to(
    out: impl Write + Send,
    fill: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    fill(&mut out)?;
    out.flush()
}

fn replace(
    target: &Path,
    there: Option<&fs::Metadata>,
    fill: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> io::Result<()> {
    let folder = folder_of(target);
    let permissions = there.map(fs::Metadata::permissions);
    match unnamed(folder, permissions.as_ref()) {
        Some(file) => {
            complete(&file, there, fill)?;
            named(&file, folder)?.persist(target)?;
        }
        None => {
            let temporary = hidden(folder, permissions.as_ref())?;
            complete(temporary.as_file(), there, fill)?;
            temporary.persist(target)?;
        }
    }
    // The new file is in place and whole. That a folder cannot be synced, which some file systems and all of
    // Windows say, must not be reported as a file that was not written.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

/// Fills a file, to the disk, for those who could read the one `there`.
fn complete(
    file: &File,
    there: Option<&fs::Metadata>,
    fill: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> io::Result<()> {
    write_to(file, fill)?;
    if let Some(there) = there {
        // Only root may give files away; whoever else writes keeps them, and leaves them to a group that both are in.
        #[cfg(unix)]
        {
            use std::os::unix::fs::{MetadataExt, fchown};
            let _ = fchown(file, Some(there.uid()), Some(there.gid()))
                .or_else(|_| fchown(file, None, Some(there.gid())));
        }
        file.set_permissions(there.permissions())?;
    }
    file.sync_all()
}

/// A file in this folder that has no name yet, so that nothing stays of it if the process is killed; `None` where there is
/// no such thing (`O_TMPFILE` in open(2)).
#[cfg(target_os = "linux")]
fn unnamed(folder: &Path, permissions: Option<&fs::Permissions>) -> Option<File> {
    use rustix::fs::OFlags;
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let mode = permissions.map_or(0o666, |permissions| permissions.mode() & 0o777);
    let flags = OFlags::TMPFILE.bits() as i32;
    // Where /proc is not there it could not get a name.
    let file = OpenOptions::new().write(true).custom_flags(flags).mode(mode).open(folder).ok()?;
    Path::new("/proc/self/fd").exists().then_some(file)
}

/// Gives such a file a hidden name.
#[cfg(target_os = "linux")]
fn named(file: &File, folder: &Path) -> io::Result<TempPath> {
    use rustix::fs::{AtFlags, CWD, linkat};
    let link = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file));
    let linked = Builder::new()
        .prefix(PREFIX)
        .suffix(SUFFIX)
        .make_in(folder, |name| Ok(linkat(CWD, &link, CWD, name, AtFlags::SYMLINK_FOLLOW)?))?;
    Ok(linked.into_temp_path())
}

#[cfg(not(target_os = "linux"))]
fn unnamed(_: &Path, _: Option<&fs::Permissions>) -> Option<File> {
    None
}

#[cfg(not(target_os = "linux"))]
fn named(_: &File, _: &Path) -> io::Result<TempPath> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A file in this folder with a hidden name.
fn hidden(folder: &Path, permissions: Option<&fs::Permissions>) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    // The umask narrows these; what only its owner could read must not be open to all while it is written.
    #[cfg(unix)]
    builder.permissions(
        permissions.cloned().unwrap_or_else(|| std::os::unix::fs::PermissionsExt::from_mode(0o666)),
    );
    builder.tempfile_in(folder)
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn put(path: &Path, text: &str) -> Result<(), Error> {
        write_atomically(path, |out| out.write_all(text.as_bytes()))
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_failure_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        put(&path, "old").unwrap();
        let failed = write_atomically(&path, |out| {
            out.write_all(&[b'x'; 100_000])?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert!(failed.unwrap_err().to_string().contains("a.csv"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(folder.path()), ["a.csv"]);
        assert!(put(&folder.path().join("none/a.csv"), "").is_err());
        assert!(put(folder.path(), "").is_err());
    }

    #[test]
    fn a_new_file_follows_the_umask_and_an_old_one_keeps_its_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let (plain, ours) = (folder.path().join("plain"), folder.path().join("ours"));
        File::create(&plain).unwrap();
        put(&ours, "1").unwrap();
        assert_eq!(mode(&ours), mode(&plain));
        fs::set_permissions(&ours, fs::Permissions::from_mode(0o640)).unwrap();
        write_atomically(&ours, |out| {
            // Whoever kills the process now leaves nothing behind, where files need no name.
            let has_none = unnamed(folder.path(), None).is_some();
            assert_eq!(names(folder.path()).len(), if has_none { 2 } else { 3 });
            out.write_all(b"2")
        })
        .unwrap();
        assert_eq!((mode(&ours), fs::read_to_string(&ours).unwrap()), (0o640, "2".into()));
        assert_eq!(names(folder.path()).len(), 2);
    }

    #[test]
    fn what_is_being_written_is_for_those_who_may_read_it_later() {
        let folder = tempfile::tempdir().unwrap();
        let private = fs::Permissions::from_mode(0o640);
        let hidden = hidden(folder.path(), Some(&private)).unwrap();
        assert_eq!(mode(hidden.path()) & 0o007, 0);
        if let Some(file) = unnamed(folder.path(), Some(&private)) {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o007, 0);
        }
    }

    #[test]
    fn whoever_owned_a_file_still_does() {
        use std::os::unix::fs::{MetadataExt, chown};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        put(&path, "1").unwrap();
        // Only root can make such a file.
        if chown(&path, Some(1234), Some(2345)).is_ok() {
            put(&path, "2").unwrap();
            let there = fs::metadata(&path).unwrap();
            assert_eq!((there.uid(), there.gid()), (1234, 2345));
        }
    }

    #[test]
    fn links_stay_and_their_targets_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        let link = folder.path().join("link");
        symlink("sub/second", &link).unwrap();
        symlink("real", folder.path().join("sub/second")).unwrap();
        put(&link, "through two links, the last one dangling").unwrap();
        put(&link, "again").unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("sub/real")).unwrap(), "again");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(names(&folder.path().join("sub")), ["real", "second"]);
        symlink("loop", folder.path().join("loop")).unwrap();
        assert!(put(&folder.path().join("loop"), "").is_err());
    }

    #[test]
    fn devices_and_descriptors_are_written_directly() {
        put(Path::new("/dev/null"), "gone").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        assert!(is_descriptor(&follow(Path::new("/dev/stdout")).unwrap()));
    }
}
