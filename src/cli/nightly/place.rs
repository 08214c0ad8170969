//! The folder of the results: a folder a day that is there whole or not at all, and a hidden one for what the job itself
//! remembers. Knows nothing of what is in a result.

use crate::error::Error;
use crate::lock;
use chrono::NaiveDate;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The hidden folder.
const HIDDEN: &str = ".loganalyze";
/// The beginning of the name of a day's folder.
const DAY: &str = "date=";
/// What a folder is called that is being written.
const NEW: &str = ".new";
/// What a folder is called that gives way.
const OLD: &str = ".old";

/// The folder of the results, held by this run alone.
pub struct Place {
    out: PathBuf,
    // Closing it gives the folder free.
    _lock: File,
}

impl Place {
    /// Takes hold of the folder, which is made if need be, and puts right what a run left that was killed.
    ///
    /// # Errors
    /// `Error::Locked` while another run holds it; `Error::Write` where it cannot be written to.
    pub fn take(out: &Path) -> Result<Place, Error> {
        let hidden = out.join(HIDDEN);
        let cannot = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Write { path, source }
        };
        fs::create_dir_all(&hidden).map_err(cannot(&hidden))?;
        let lock = lock::take(&hidden.join("lock"), &format!("the folder {}", out.display()))?;
        let place = Place { out: out.to_owned(), _lock: lock };
        place.repair().map_err(cannot(&hidden))?;
        Ok(place)
    }

    /// The file of what the job remembers.
    pub fn state(&self) -> PathBuf {
        self.out.join(HIDDEN).join("state.json")
    }

    /// A day's folder, there or not.
    pub fn of(&self, day: NaiveDate) -> PathBuf {
        self.out.join(format!("{DAY}{day}"))
    }

    /// The days that have a folder.
    ///
    /// # Errors
    /// `Error::Read`.
    pub fn days(&self) -> Result<Vec<NaiveDate>, Error> {
        let unreadable = |source| Error::Read { path: self.out.display().to_string(), source };
        let names = names(&self.out).map_err(unreadable)?;
        let mut days: Vec<NaiveDate> =
            names.iter().filter_map(|name| name.strip_prefix(DAY)?.parse().ok()).collect();
        days.sort();
        Ok(days)
    }

    /// An empty folder in which a day can be written.
    ///
    /// # Errors
    /// `Error::Write`.
    pub fn begin(&self, day: NaiveDate) -> Result<PathBuf, Error> {
        let new = self.hidden(day, NEW);
        let made = remove(&new).and_then(|()| fs::create_dir(&new));
        made.map_err(|source| Error::Write { path: new.clone(), source })?;
        Ok(new)
    }

    /// Puts the folder that was begun in the day's place, and says whether that changed anything: the same files stay as they
    /// are. No file system that all of us have swaps two folders at once: between two renamings the day is not there, and
    /// whoever comes next puts the old one back.
    ///
    /// # Errors
    /// `Error::Write`; the old folder is there then.
    pub fn publish(&self, day: NaiveDate) -> Result<bool, Error> {
        let (new, old, place) = (self.hidden(day, NEW), self.hidden(day, OLD), self.of(day));
        let published = || -> io::Result<bool> {
            File::open(&new)?.sync_all()?;
            if !place.exists() {
                fs::rename(&new, &place)?;
            } else if same(&new, &place)? {
                remove(&new)?;
                return Ok(false);
            } else {
                remove(&old)?;
                fs::rename(&place, &old)?;
                if let Err(error) = fs::rename(&new, &place) {
                    fs::rename(&old, &place)?;
                    return Err(error);
                }
                remove(&old)?;
            }
            File::open(&self.out)?.sync_all()?;
            Ok(true)
        };
        published().map_err(|source| Error::Write { path: place.clone(), source })
    }

    /// Gives up what was begun.
    pub fn give_up(&self, day: NaiveDate) {
        // What is left over is removed before the next one is begun.
        _ = remove(&self.hidden(day, NEW));
    }

    fn hidden(&self, day: NaiveDate, ending: &str) -> PathBuf {
        self.out.join(HIDDEN).join(format!("{DAY}{day}{ending}"))
    }

    fn repair(&self) -> io::Result<()> {
        let hidden = self.out.join(HIDDEN);
        for name in names(&hidden)? {
            let path = hidden.join(&name);
            match name.strip_suffix(OLD).filter(|day| day.starts_with(DAY)) {
                Some(day) if !self.out.join(day).exists() => fs::rename(&path, self.out.join(day))?,
                Some(_) => remove(&path)?,
                None if name.starts_with(DAY) && name.ends_with(NEW) => remove(&path)?,
                // What the job remembers, as far as it was written.
                None if name.starts_with(".loganalyze-") && name.ends_with(".tmp") => fs::remove_file(&path)?,
                None => {}
            }
        }
        Ok(())
    }
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let name =
        |entry: io::Result<fs::DirEntry>| entry.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names = fs::read_dir(folder)?.map(name).collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Whether two folders hold the same files.
fn same(one: &Path, other: &Path) -> io::Result<bool> {
    let all = names(one)?;
    if all != names(other)? {
        return Ok(false);
    }
    for name in all {
        let (one, other) = (one.join(&name), other.join(&name));
        if fs::metadata(&one)?.len() != fs::metadata(&other)?.len() || fs::read(&one)? != fs::read(&other)? {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn put(place: &Place, day: NaiveDate, text: &str) -> bool {
        let new = place.begin(day).unwrap();
        fs::write(new.join("a.csv"), text).unwrap();
        place.publish(day).unwrap()
    }

    #[test]
    fn a_day_is_replaced_whole_and_only_if_it_changed() {
        let folder = tempfile::tempdir().unwrap();
        let day: NaiveDate = "2025-03-10".parse().unwrap();
        let place = Place::take(&folder.path().join("deep/out")).unwrap();
        assert!(put(&place, day, "1"));
        assert!(!put(&place, day, "1"));
        assert!(put(&place, day, "2"));
        assert_eq!(fs::read_to_string(place.of(day).join("a.csv")).unwrap(), "2");
        assert_eq!(names(&place.out).unwrap(), [HIDDEN, "date=2025-03-10"]);
        assert_eq!(names(&place.out.join(HIDDEN)).unwrap(), ["lock"]);
        assert_eq!(place.days().unwrap(), [day]);
    }

    #[test]
    fn what_a_killed_run_left_is_put_right() {
        let folder = tempfile::tempdir().unwrap();
        let day: NaiveDate = "2025-03-10".parse().unwrap();
        let place = Place::take(folder.path()).unwrap();
        put(&place, day, "1");
        // Killed between the two renamings.
        fs::rename(place.of(day), place.hidden(day, OLD)).unwrap();
        fs::create_dir(place.hidden(day, NEW)).unwrap();
        drop(place);
        let place = Place::take(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(place.of(day).join("a.csv")).unwrap(), "1");
        assert_eq!(names(&place.out.join(HIDDEN)).unwrap(), ["lock"]);
    }

    #[test]
    fn one_run_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::take(folder.path()).unwrap();
        let error = Place::take(folder.path()).err().unwrap();
        assert_eq!(error.exit_code(), 75);
        assert!(error.to_string().contains(&format!("changed by process {}", std::process::id())), "{error}");
        drop(place);
        assert!(Place::take(folder.path()).is_ok());
    }
}
