//! Objects by way of the `object_store` crate, whose calls end when they are done: the scanner's threads wait for bytes as
//! they wait for a disk.

use super::{Expected, Listing, Mark, Object};
use bytes::Bytes;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path as Key;
use object_store::{
    Error, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, UpdateVersion,
};
use std::collections::HashMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::runtime::Runtime;

/// How much is asked for at a time.
const STEP: u64 = 8 << 20;

/// One bucket, and the thread that talks to it.
#[derive(Clone)]
struct Bucket {
    store: Arc<dyn ObjectStore>,
    runtime: Arc<Runtime>,
    /// `s3://name`
    address: String,
}

/// The bucket that an address names, and the key in it.
fn bucket(path: &Path) -> io::Result<(Bucket, Key)> {
    static BUCKETS: OnceLock<Mutex<HashMap<String, Bucket>>> = OnceLock::new();
    let text = path.to_str().unwrap_or_default();
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let (name, key) = rest.split_once('/').unwrap_or((rest, ""));
    let address = format!("{scheme}://{name}");
    let key = Key::parse(key.trim_matches('/')).map_err(|error| invalid(error.to_string()))?;
    if name.is_empty() {
        return Err(invalid(format!("it names no bucket: write {scheme}://BUCKET/FOLDER")));
    }
    let mut known = BUCKETS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(bucket) = known.get(&address) {
        return Ok((bucket.clone(), key));
    }
    let store: Arc<dyn ObjectStore> = match scheme {
        "gs" => Arc::new(failed(GoogleCloudStorageBuilder::from_env().with_url(&address).build())?),
        "az" => Arc::new(failed(MicrosoftAzureBuilder::from_env().with_url(&address).build())?),
        _ => Arc::new(failed(AmazonS3Builder::from_env().with_url(&address).build())?),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let bucket = Bucket { store, runtime: Arc::new(runtime), address: address.clone() };
    known.insert(address, bucket.clone());
    Ok((bucket, key))
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

/// The crate's error as that of a file, with the first line of what the server said.
fn failed<T>(result: Result<T, Error>) -> io::Result<T> {
    result.map_err(|error| {
        let kind = match &error {
            Error::NotFound { .. } => io::ErrorKind::NotFound,
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => io::ErrorKind::PermissionDenied,
            Error::AlreadyExists { .. } | Error::Precondition { .. } => io::ErrorKind::AlreadyExists,
            _ => io::ErrorKind::Other,
        };
        let text = error.to_string();
        io::Error::new(kind, text.lines().next().unwrap_or_default().to_owned())
    })
}

impl Bucket {
    fn object(&self, meta: ObjectMeta) -> Object {
        let modified = meta.last_modified.timestamp_nanos_opt().unwrap_or_default();
        let version = match &meta.e_tag {
            Some(tag) => blake3::hash(tag.as_bytes()),
            None => blake3::hash(format!("{modified} {}", meta.size).as_bytes()),
        };
        let half = |at: usize| {
            let bytes = version.as_bytes()[at..at + 8].iter();
            bytes.fold(0u64, |number, &byte| number << 8 | u64::from(byte))
        };
        Object {
            path: self.path(&meta.location),
            bytes: meta.size,
            version: (half(0), half(8)),
            modified,
            tag: meta.e_tag,
        }
    }

    fn path(&self, key: &Key) -> PathBuf {
        PathBuf::from(format!("{}/{key}", self.address))
    }
}

/// Looks at an object.
///
/// # Errors
/// `NotFound` if there is none; what the server says.
pub fn look(path: &Path) -> io::Result<Object> {
    let (bucket, key) = bucket(path)?;
    if key.as_ref().is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "it is a bucket, not an object"));
    }
    let meta = failed(bucket.runtime.block_on(bucket.store.head(&key)))?;
    Ok(bucket.object(meta))
}

/// Reads this version of an object from a place on.
///
/// # Errors
/// What the server says; reading fails if the object is replaced meanwhile.
pub fn open(object: &Object, begin: u64) -> io::Result<Box<dyn Read + Send>> {
    let (bucket, key) = bucket(&object.path)?;
    let (tag, end) = (object.tag.clone(), object.bytes);
    Ok(Box::new(Reader { bucket, key, tag, next: begin, end, held: Bytes::new() }))
}

struct Reader {
    bucket: Bucket,
    key: Key,
    tag: Option<String>,
    next: u64,
    end: u64,
    held: Bytes,
}

impl Read for Reader {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.held.is_empty() && self.next < self.end {
            let range = self.next..self.end.min(self.next + STEP);
            self.next = range.end;
            let options = GetOptions {
                range: Some(GetRange::Bounded(range)),
                if_match: self.tag.clone(),
                ..GetOptions::default()
            };
            let (store, key) = (&self.bucket.store, &self.key);
            let got = async { store.get_opts(key, options).await?.bytes().await };
            self.held = match self.bucket.runtime.block_on(got) {
                Err(Error::Precondition { .. }) => {
                    return Err(io::Error::other("it was replaced by another object just now"));
                }
                got => failed(got)?,
            };
        }
        let count = self.held.len().min(room.len());
        room[..count].copy_from_slice(&self.held.split_to(count));
        Ok(count)
    }
}

/// An object's bytes and the mark of its version.
///
/// # Errors
/// `NotFound` if there is none; what the server says.
pub fn get(path: &Path) -> io::Result<(Vec<u8>, Mark)> {
    let (bucket, key) = bucket(path)?;
    let got = async {
        let got = bucket.store.get(&key).await?;
        let mark = Mark { tag: got.meta.e_tag.clone(), version: got.meta.version.clone() };
        Ok((got.bytes().await?.to_vec(), mark))
    };
    failed(bucket.runtime.block_on(got))
}

/// What is directly below an address.
///
/// # Errors
/// What the server says.
pub fn list(path: &Path) -> io::Result<Listing> {
    let (bucket, key) = bucket(path)?;
    let found = failed(bucket.runtime.block_on(bucket.store.list_with_delimiter(Some(&key))))?;
    Ok(Listing {
        objects: found.objects.into_iter().map(|meta| bucket.object(meta)).collect(),
        folders: found.common_prefixes.iter().map(|key| bucket.path(key)).collect(),
    })
}

/// Puts an object, whole or not at all, and returns the mark of its version.
///
/// # Errors
/// `AlreadyExists` if there is something else than expected; what the server says.
pub fn put(path: &Path, bytes: Vec<u8>, expected: &Expected) -> io::Result<Mark> {
    let (bucket, key) = bucket(path)?;
    let mode = match expected {
        Expected::Anything => PutMode::Overwrite,
        Expected::Nothing => PutMode::Create,
        Expected::This(Mark { tag, version }) => {
            PutMode::Update(UpdateVersion { e_tag: tag.clone(), version: version.clone() })
        }
    };
    let put = bucket.store.put_opts(&key, bytes.into(), PutOptions::from(mode));
    let put = failed(bucket.runtime.block_on(put))?;
    Ok(Mark { tag: put.e_tag, version: put.version })
}

/// Removes an object.
///
/// # Errors
/// What the server says.
pub fn remove(path: &Path) -> io::Result<()> {
    let (bucket, key) = bucket(path)?;
    failed(bucket.runtime.block_on(bucket.store.delete(&key)))
}
