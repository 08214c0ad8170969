//! The store: what it says equals what the logs say, however they were cut into runs; nothing is lost and nothing counted
//! twice, whatever happens in between.

mod crash;
mod keep;
mod limits;
mod rotation;
mod runs;
mod settled;

use crate::harness::{Output, run, text};
use std::path::Path;

/// Runs `ingest` of a folder of logs into a store.
pub fn ingest(logs: &Path, store: &Path) -> Output {
    run(["ingest", text(logs), "--store", text(store), "--max-rejects", "100%"])
}

/// The same, which must succeed.
pub fn ingested(logs: &Path, store: &Path) -> String {
    let output = ingest(logs, store);
    assert_eq!(output.code, 0, "{}", output.stderr);
    output.stderr
}
