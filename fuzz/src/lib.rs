//! What the scanner needs of the program, taken from there file by file and under the program's name, so that the
//! tests' oracle fits: the whole crate would bring Polars along, ten minutes of building for nothing.
#![allow(missing_docs)]

// Without its feature: nothing that is fuzzed is in an object store.
#[path = "../../src/cloud/mod.rs"]
pub mod cloud;
#[path = "../../src/cores.rs"]
pub mod cores;
#[path = "../../src/error.rs"]
pub mod error;
#[path = "../../src/input/mod.rs"]
pub mod input;
#[path = "../../src/scan/mod.rs"]
pub mod scan;
#[path = "../../src/schema.rs"]
pub mod schema;

/// Merges columns on the caller's own thread: other threads would make one execution differ from the next.
pub fn stay_on_one_thread() {
    _ = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global();
}
