//! Objects of `s3://`, `gs://` and `az://`: read, listed, put and removed as if they were files. Credentials and endpoints
//! are those of the environment (`AWS_ACCESS_KEY_ID`, `AWS_REGION`, `AWS_ENDPOINT_URL`, `GOOGLE_SERVICE_ACCOUNT`,
//! `AZURE_STORAGE_ACCOUNT_NAME` …), as each provider's own tools have them.
//! Knows nothing of what is in an object. Without the feature `cloud` it only says that it is not there.

#[cfg(feature = "cloud")]
mod objects;
#[cfg(not(feature = "cloud"))]
#[path = "without.rs"]
mod objects;

pub use objects::{get, list, look, open, put, remove};

use std::path::{Path, PathBuf};

/// The schemes that name objects.
const SCHEMES: [&str; 3] = ["s3://", "gs://", "az://"];

/// Whether a path names an object, not a file.
pub fn is_object(path: &Path) -> bool {
    path.to_str().is_some_and(|path| SCHEMES.iter().any(|scheme| path.starts_with(scheme)))
}

/// What is known of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its address.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: u64,
    /// Its version, as its entity tag has it: equal only where the content is.
    pub version: (u64, u64),
    /// When it was written: nanoseconds since 1970.
    pub modified: i64,
    /// The entity tag itself.
    pub tag: Option<String>,
}

/// What is directly below an address.
#[derive(Debug, Default)]
pub struct Listing {
    /// Objects.
    pub objects: Vec<Object>,
    /// What looks like folders.
    pub folders: Vec<PathBuf>,
}

/// What must be there for an object to be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Anything or nothing.
    Anything,
    /// Nothing.
    Nothing,
    /// This version.
    This(Mark),
}

/// What tells one version of an object from another: S3 and Azure go by the entity tag, Google by the generation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mark {
    /// The entity tag.
    pub tag: Option<String>,
    /// The version, where the provider has one.
    pub version: Option<String>,
}
