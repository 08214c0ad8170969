//! Logs in object stores: an object, those that a pattern fits, or all logs below an address.

use super::find::{Search, name_of};
use super::pattern::{LIKE_A_SHELL, is_hidden_from, no_pattern};
use super::{LogFile, Logs, name};
use crate::cloud;
use crate::error::Error;
use std::io;
use std::path::Path;

impl Search {
    /// An object, those that a pattern fits, or the logs below an address.
    pub(super) fn objects(&mut self, argument: &str) -> io::Result<Result<(), Error>> {
        let nothing = |what: String| Ok(Err(Error::NoInput(what)));
        let place = argument.find(['*', '?', '[']);
        if let Some(place) = place {
            let pattern = match glob::Pattern::new(argument) {
                Ok(pattern) => pattern,
                Err(error) => return Ok(Err(no_pattern(argument, &error))),
            };
            let base = argument[..place].rfind('/').map_or(argument, |slash| &argument[..slash]);
            let fits = |path: &Path| {
                pattern.matches_path_with(path, LIKE_A_SHELL) && !is_hidden_from(argument, path)
            };
            let any = self.below(Path::new(base), true, &fits)?;
            return if any { Ok(Ok(())) } else { nothing(format!("no object matches '{argument}'")) };
        }
        match cloud::look(Path::new(argument)) {
            Ok(object) => self.add_object(&object, true),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) => {
                let is_log = |path: &Path| {
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    !name::is_no_log(&name) && name::parse(&name).is_some()
                };
                if !self.below(Path::new(argument), false, &is_log)? {
                    return nothing(format!("no log in '{argument}'"));
                }
            }
            Err(error) => return Err(error),
        }
        Ok(Ok(()))
    }

    /// Adds the objects below an address that fit; false if none does.
    fn below(&mut self, address: &Path, named: bool, fits: &dyn Fn(&Path) -> bool) -> io::Result<bool> {
        let listing = cloud::list(address)?;
        let mut any = false;
        for object in listing.objects.iter().filter(|object| fits(&object.path)) {
            self.add_object(object, named);
            any = true;
        }
        for folder in listing.folders {
            any |= self.below(&folder, named, fits)?;
        }
        Ok(any)
    }

    fn add_object(&mut self, object: &cloud::Object, named: bool) {
        let name = object.path.display().to_string();
        if self.found.activity.iter().chain(&self.found.system).any(|file| file.name == name) {
            return;
        }
        let path = Some(object.path.clone());
        let file = LogFile { name, path, bytes: Some(object.bytes), ..LogFile::default() };
        let unlike = if named { self.logs } else { Logs::Activity };
        let logs = name_of(&file).and_then(|name| name.logs()).unwrap_or(unlike);
        self.files(logs).push(file);
    }
}
