//! Keeping two programs apart: the operating system's lock on a file, which ends with the process, however it ends; the
//! file says who holds it.

use crate::error::Error;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

/// Takes the lock at this path, which is free again when the file is closed. `what` is what it guards, for the message.
///
/// # Errors
/// `Error::Locked` with who holds it; `Error::Write` where no file can be made.
pub fn take(path: &Path, what: &str) -> Result<File, Error> {
    let failed = |source: io::Error| Error::Write { path: path.to_owned(), source };
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
    match try_for_a_moment(&file) {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            _ = file.read_to_string(&mut holder);
            let holder = if holder.trim().is_empty() { "another process" } else { holder.trim() };
            return Err(Error::Locked(format!(
                "{what} is being changed by {holder}: wait until that has ended"
            )));
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    let now = chrono::Local::now().format("%Y-%m-%d %H:%M:%S");
    let command: Vec<String> = std::env::args().take(2).skip(1).collect();
    let holder = format!("process {} (loganalyze {}), since {now}\n", std::process::id(), command.join(" "));
    // Who holds it is a courtesy: on a full disk the lock itself still counts.
    _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(holder.as_bytes()));
    Ok(file)
}

/// A process that was started by the holder can hold the lock too until it is another program.
fn try_for_a_moment(file: &File) -> Result<(), TryLockError> {
    for _ in 0..10 {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            done => return done,
        }
    }
    file.try_lock()
}
