//! The program was built without the feature `cloud`.

use super::{Expected, Listing, Mark, Object};
use std::io::{self, Read};
use std::path::Path;

fn missing<T>() -> io::Result<T> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "this program was built without object stores: build it with --features cloud",
    ))
}

/// As with the feature.
pub fn look(_: &Path) -> io::Result<Object> {
    missing()
}

/// As with the feature.
pub fn open(_: &Object, _: u64) -> io::Result<Box<dyn Read + Send>> {
    missing()
}

/// As with the feature.
pub fn get(_: &Path) -> io::Result<(Vec<u8>, Mark)> {
    missing()
}

/// As with the feature.
pub fn list(_: &Path) -> io::Result<Listing> {
    missing()
}

/// As with the feature.
pub fn put(_: &Path, _: Vec<u8>, _: &Expected) -> io::Result<Mark> {
    missing()
}

/// As with the feature.
pub fn remove(_: &Path) -> io::Result<()> {
    missing()
}
