//! All or nothing: new files are written under hidden names, then the manifest is replaced, which is the moment from which
//! they count; only then do they get their names, and the files that no longer count go. Whatever ends a program in between,
//! the manifest says what counts, and the next writer does the rest. In an object store, where nothing can be renamed, files
//! have their names from the beginning, and the manifest is replaced only if it is still the one that was read.

use super::{EVENTS, MANIFEST, Manifest, Part, STATE, Store, place};
use crate::cloud::{self, Expected, Mark, is_object};
use crate::error::Error;
use crate::store::Day;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// The name that a file is written under.
pub fn hidden(name: &str) -> String {
    format!(".{name}.new")
}

/// Whether a file has a name that only the store gives, such as `part-000012-0.parquet`; other programs' also begin with `part-`.
fn is_ours(name: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let inside =
        shown(name).unwrap_or(name).strip_prefix("part-").and_then(|name| name.strip_suffix(".parquet"));
    let parts: Vec<&str> = inside.map(|inside| inside.split('-').collect()).unwrap_or_default();
    match parts[..] {
        [commit, file] => commit.len() == 6 && number(commit) && number(file),
        [commit, file, mark] => commit.len() == 6 && number(commit) && number(file) && mark.len() == 8,
        _ => false,
    }
}

/// The name that a hidden file is to get.
fn shown(name: &str) -> Option<&str> {
    name.strip_prefix('.').and_then(|name| name.strip_suffix(".new"))
}

/// Whether there are events in a folder that were committed once, or are somebody else's: more than what an interrupted first
/// run leaves. In an object store that cannot be told, and nothing is removed there.
///
/// # Errors
/// Of a folder that cannot be read.
pub fn holds_files(folder: &Path) -> io::Result<bool> {
    if is_object(folder) {
        return Ok(false);
    }
    for day in place::list(&folder.join(EVENTS))? {
        if day.is_file() || place::list(&day)?.iter().any(|path| shown(name_of(path)).is_none()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Files that are being written for a commit; they go with this unless [`Draft::commit`] keeps them.
pub struct Draft {
    folder: PathBuf,
    /// The number of the commit.
    number: u64,
    /// What makes the names of files in an object store unlike those of another writer.
    mark: String,
    written: Vec<(PathBuf, PathBuf)>,
    kept: bool,
}

impl Draft {
    /// Of the next commit of this store.
    pub fn new(store: &Store) -> Draft {
        Draft {
            folder: store.folder.clone(),
            number: store.manifest.commits + 1,
            mark: if is_object(&store.folder) { format!("-{:08x}", random()) } else { String::new() },
            written: Vec::new(),
            kept: false,
        }
    }

    /// Writes a file with events of a day.
    ///
    /// # Errors
    /// `Error::Write`.
    pub fn part(
        &mut self,
        day: Day,
        rows: u64,
        write: impl FnOnce(&mut Summed) -> io::Result<()>,
    ) -> Result<Part, Error> {
        let name = format!("part-{:06}-{}{}.parquet", self.number, self.written.len(), self.mark);
        let folder = self.folder.join(EVENTS).join(day.folder());
        let path = if is_object(&folder) { folder.join(&name) } else { folder.join(hidden(&name)) };
        self.file(name.clone(), &folder, path, rows, write)
    }

    /// Writes what a day says of visitors; nobody looks for such a file but by its name, which is new.
    ///
    /// # Errors
    /// `Error::Write`.
    pub fn state(
        &mut self,
        day: Day,
        rows: u64,
        write: impl FnOnce(&mut Summed) -> io::Result<()>,
    ) -> Result<Part, Error> {
        let name = format!("{day}-{:06}{}.parquet", self.number, self.mark);
        let folder = self.folder.join(STATE);
        let path = folder.join(&name);
        self.file(name, &folder, path, rows, write)
    }

    fn file(
        &mut self,
        name: String,
        folder: &Path,
        path: PathBuf,
        rows: u64,
        write: impl FnOnce(&mut Summed) -> io::Result<()>,
    ) -> Result<Part, Error> {
        let failed = |source| Error::Write { path: folder.join(&name), source };
        let out = if is_object(&path) {
            Out::Object(Vec::new())
        } else {
            fs::create_dir_all(folder).map_err(failed)?;
            Out::File(BufWriter::new(File::create(&path).map_err(failed)?))
        };
        self.written.push((path.clone(), folder.join(&name)));
        let mut out = Summed { out, hasher: blake3::Hasher::new(), bytes: 0 };
        write(&mut out).map_err(failed)?;
        let checksum = out.hasher.finalize().to_hex().to_string();
        out.out.finish(&path).map_err(failed)?;
        Ok(Part { name, rows, bytes: out.bytes, checksum })
    }

    /// Makes this what the store holds. What fails afterwards does not undo it: the next writer repairs it.
    ///
    /// # Errors
    /// `Error::Write`, `Error::Locked`; nothing has changed then. `Error::Store` where an object store leaves that open.
    pub fn commit(mut self, store: &mut Store, mut manifest: Manifest) -> Result<(), Error> {
        manifest.commits = self.number;
        manifest.written_by = concat!("loganalyze ", env!("CARGO_PKG_VERSION")).to_owned();
        let path = self.folder.join(MANIFEST);
        let failed = |source| Error::Write { path: path.clone(), source };
        let text = manifest.to_text().map_err(|error| failed(error.into()))?;
        store.mark = if is_object(&path) {
            self.put(&path, text, store.mark.take())?
        } else {
            self.replace(&path, &text).map_err(failed)?;
            None
        };
        self.kept = true;
        let before = files(store);
        store.manifest = manifest;
        for (from, to) in self.written.iter().filter(|(from, to)| from != to) {
            _ = fs::rename(from, to);
        }
        before.difference(&files(store)).for_each(|path| remove(path));
        Ok(())
    }

    /// Replaces the manifest in an object store if it is still the one with this mark, and returns its new mark.
    fn put(&mut self, path: &Path, text: String, mark: Option<Mark>) -> Result<Option<Mark>, Error> {
        let expected = mark.map_or(Expected::Nothing, Expected::This);
        let source = match cloud::put(path, text.clone().into_bytes(), &expected) {
            Ok(mark) => return Ok(Some(mark)),
            Err(source) => source,
        };
        let now = place::read(path);
        match now {
            // The answer may have been lost, and the client have tried again and met its own.
            Ok((now, mark)) if now == text.as_bytes() => return Ok(mark),
            // It was told that there is another one, which does not build on this one.
            Ok((now, _)) if source.kind() == io::ErrorKind::AlreadyExists && !self.is_in(&now) => {
                return Err(changed(path));
            }
            _ => {}
        }
        // What the server has of it, it may still carry out: the files are to be there then. If it does not, the next commit
        // is the one with their number, and the writer behind it removes them.
        self.kept = true;
        Err(Error::Store(format!(
            "cannot write {}: {source}; whether it was written the next run sees: run it again",
            path.display()
        )))
    }

    /// Whether the text of a manifest names one of the files that were written.
    fn is_in(&self, manifest: &[u8]) -> bool {
        let names = self.written.iter().map(|(path, _)| name_of(path).as_bytes());
        names.into_iter().any(|name| memchr::memmem::find(manifest, name).is_some())
    }

    /// Replaces the manifest, when all other files are safely on the disk.
    fn replace(&self, path: &Path, text: &str) -> io::Result<()> {
        let draft = self.folder.join(hidden(MANIFEST));
        self.folders().iter().try_for_each(|folder| sync(folder))?;
        let replaced = write_whole(&draft, text.as_bytes()).and_then(|()| fs::rename(&draft, path));
        if replaced.is_err() {
            _ = fs::remove_file(&draft);
        }
        replaced?;
        _ = sync(&self.folder);
        Ok(())
    }

    fn folders(&self) -> HashSet<PathBuf> {
        let parents = self.written.iter().filter_map(|(_, path)| path.parent());
        parents.flat_map(|folder| folder.parent().into_iter().chain([folder])).map(Path::to_owned).collect()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            self.written.iter().for_each(|(path, _)| remove(path));
        }
    }
}

/// All files that count.
fn files(store: &Store) -> HashSet<PathBuf> {
    let days = store.manifest.days.iter();
    days.flat_map(|(day, files)| {
        let folder = store.folder.join(EVENTS).join(day.folder());
        let parts = files.parts.iter().map(move |part| folder.join(&part.name));
        parts.chain(files.state.iter().map(|state| store.folder.join(STATE).join(&state.name)))
    })
    .collect()
}

/// Removes a file, and its folder if it was the last one there. What stays is removed by the next writer.
fn remove(path: &Path) {
    _ = place::remove(path);
    _ = path.parent().filter(|folder| !is_object(folder)).map(fs::remove_dir);
}

/// Bytes on their way into a file, counted and summed up.
pub struct Summed {
    out: Out,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = match &mut self.out {
            Out::File(file) => file.write(bytes)?,
            Out::Object(held) => held.write(bytes)?,
        };
        self.hasher.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.out {
            Out::File(file) => file.flush(),
            Out::Object(_) => Ok(()),
        }
    }
}

/// Where they go: an object is put when all of it is there.
enum Out {
    File(BufWriter<File>),
    Object(Vec<u8>),
}

impl Out {
    fn finish(self, path: &Path) -> io::Result<()> {
        match self {
            Out::File(mut file) => {
                file.flush()?;
                file.get_ref().sync_all()
            }
            Out::Object(bytes) => cloud::put(path, bytes, &Expected::Anything).map(|_| ()),
        }
    }
}

/// From the operating system's randomness, by way of the standard library's hash keys.
fn random() -> u32 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0) as u32
}

/// That another run was quicker.
pub fn changed(path: &Path) -> Error {
    Error::Locked(format!(
        "{} was changed by another run meanwhile; nothing of this one was kept: run it again",
        path.display()
    ))
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Gives files that count their names and removes those that don't; returns how many there were of either.
///
/// # Errors
/// Of a folder that cannot be read, or a file that cannot be renamed or removed.
pub fn tidy(store: &Store) -> io::Result<(u64, u64)> {
    let (mut named, mut removed) = (0, 0);
    let days = &store.manifest.days;
    for folder in place::list(&store.folder.join(EVENTS))? {
        let day = name_of(&folder).strip_prefix("event_date=").and_then(|day| day.parse::<Day>().ok());
        let Some(day) = day else { continue };
        let parts = days.get(&day).into_iter().flat_map(|files| &files.parts);
        let count: HashSet<&str> = parts.map(|part| part.name.as_str()).collect();
        for path in place::list(&folder)? {
            let name = name_of(&path);
            match shown(name) {
                Some(shown) if count.contains(shown) && !folder.join(shown).exists() => {
                    fs::rename(&path, folder.join(shown))?;
                    named += 1;
                }
                _ if is_ours(name) && !count.contains(name) && is_past(store, name) => {
                    place::remove(&path)?;
                    removed += 1;
                }
                _ => {}
            }
        }
        if count.is_empty() && !is_object(&folder) {
            _ = fs::remove_dir(&folder);
        }
    }
    let states = days.values().filter_map(|files| files.state.as_ref());
    let count: HashSet<&str> = states.map(|part| part.name.as_str()).collect();
    for path in place::list(&store.folder.join(STATE))? {
        let name = name_of(&path);
        if name.ends_with(".parquet") && !count.contains(name) && is_past(store, name) {
            place::remove(&path)?;
            removed += 1;
        }
    }
    let draft = store.folder.join(hidden(MANIFEST));
    if !is_object(&draft) && draft.exists() {
        fs::remove_file(&draft)?;
        removed += 1;
    }
    Ok((named, removed))
}

/// Whether a file that does not count will never do so: in an object store another writer may be at work, whose commit would
/// be the next.
fn is_past(store: &Store, name: &str) -> bool {
    if !is_object(&store.folder) {
        return true;
    }
    let number = name
        .split('-')
        .find_map(|part| (part.len() == 6).then(|| part.trim_end_matches(".parquet").parse::<u64>().ok())?);
    number.is_some_and(|number| number <= store.manifest.commits)
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}
