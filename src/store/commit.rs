//! All or nothing: new files are written under hidden names, then the manifest is replaced, which is the moment from which
//! they count; only then do they get their names, and the files that no longer count go. Whatever ends a program in between,
//! the manifest says what counts, and the next writer does the rest.

use super::{EVENTS, MANIFEST, Manifest, Part, STATE, Store};
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

/// Whether a file has a name that only the store gives.
fn is_ours(name: &str) -> bool {
    let shown = name.strip_prefix('.').and_then(|name| name.strip_suffix(".new")).unwrap_or(name);
    shown.starts_with("part-") && shown.ends_with(".parquet")
}

/// Files that are being written for a commit; they go with this unless [`Draft::commit`] keeps them.
pub struct Draft {
    folder: PathBuf,
    /// How many commits there were before.
    number: u64,
    written: Vec<(PathBuf, PathBuf)>,
    kept: bool,
}

impl Draft {
    /// Of the next commit of this store.
    pub fn new(store: &Store) -> Draft {
        Draft {
            folder: store.folder.clone(),
            number: store.manifest.commits + 1,
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
        let name = format!("part-{:06}-{}.parquet", self.number, self.written.len());
        let folder = self.folder.join(EVENTS).join(day.folder());
        let path = folder.join(hidden(&name));
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
        let name = format!("{day}-{:06}.parquet", self.number);
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
        fs::create_dir_all(folder).map_err(failed)?;
        let file = File::create(&path).map_err(failed)?;
        self.written.push((path, folder.join(&name)));
        let mut out = Summed { out: BufWriter::new(file), hasher: blake3::Hasher::new(), bytes: 0 };
        write(&mut out).map_err(failed)?;
        out.out.flush().map_err(failed)?;
        out.out.get_ref().sync_all().map_err(failed)?;
        let checksum = out.hasher.finalize().to_hex().to_string();
        Ok(Part { name, rows, bytes: out.bytes, checksum })
    }

    /// Makes this what the store holds. What fails afterwards does not undo it: the next writer repairs it.
    ///
    /// # Errors
    /// `Error::Write`; nothing has changed then.
    pub fn commit(mut self, store: &mut Store, mut manifest: Manifest) -> Result<(), Error> {
        manifest.commits = self.number;
        manifest.written_by = concat!("loganalyze ", env!("CARGO_PKG_VERSION")).to_owned();
        let path = self.folder.join(MANIFEST);
        let draft = self.folder.join(hidden(MANIFEST));
        let failed = |source| Error::Write { path: path.clone(), source };
        for folder in self.folders() {
            sync(&folder).map_err(failed)?;
        }
        let text = manifest.to_text().map_err(|error| failed(error.into()))?;
        let replaced = write_whole(&draft, text.as_bytes()).and_then(|()| fs::rename(&draft, &path));
        if let Err(source) = replaced {
            _ = fs::remove_file(&draft);
            return Err(failed(source));
        }
        self.kept = true;
        _ = sync(&self.folder);
        store.manifest = manifest;
        for (from, to) in self.written.iter().filter(|(from, to)| from != to) {
            _ = fs::rename(from, to);
        }
        _ = tidy(store);
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
            for (path, _) in &self.written {
                _ = fs::remove_file(path);
                // A day's folder that was made for it; it stays where there is something in it.
                _ = path.parent().map(fs::remove_dir);
            }
        }
    }
}

/// Bytes on their way into a file, counted and summed up.
pub struct Summed {
    out: BufWriter<File>,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
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
    let events = store.folder.join(EVENTS);
    for folder in entries(&events)? {
        let day = name_of(&folder).strip_prefix("event_date=").and_then(|day| day.parse::<Day>().ok());
        let Some(day) = day else { continue };
        let count: HashSet<&str> = days
            .get(&day)
            .into_iter()
            .flat_map(|files| &files.parts)
            .map(|part| part.name.as_str())
            .collect();
        for path in entries(&folder)? {
            let name = name_of(&path);
            let shown = name.strip_prefix('.').and_then(|name| name.strip_suffix(".new"));
            match shown {
                Some(shown) if count.contains(shown) && !folder.join(shown).exists() => {
                    fs::rename(&path, folder.join(shown))?;
                    named += 1;
                }
                _ if is_ours(name) && !count.contains(name) => {
                    fs::remove_file(&path)?;
                    removed += 1;
                }
                _ => {}
            }
        }
        if count.is_empty() {
            _ = fs::remove_dir(&folder);
        }
    }
    let count: HashSet<&str> =
        days.values().filter_map(|files| files.state.as_ref()).map(|part| part.name.as_str()).collect();
    for path in entries(&store.folder.join(STATE))? {
        if !count.contains(name_of(&path)) && path.extension().is_some_and(|ending| ending == "parquet") {
            fs::remove_file(&path)?;
            removed += 1;
        }
    }
    let draft = store.folder.join(hidden(MANIFEST));
    if draft.exists() {
        fs::remove_file(&draft)?;
        removed += 1;
    }
    Ok((named, removed))
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// What is in a folder; nothing if it does not exist.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}
