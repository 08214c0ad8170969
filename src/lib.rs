//! True tables from rotated JSON activity logs: every line accounted for, every action counted once.
//!
//! ```text
//! files → input → scan → events → queries/*.sql → result → sink
//! ```
//! Nothing to the left knows anything to the right.

pub mod alert;
pub mod cli;
pub mod cloud;
pub mod config;
pub mod cores;
pub mod engine;
pub mod error;
pub mod events;
pub mod heaps;
pub mod input;
pub mod lock;
pub mod parquet_files;
pub mod report;
pub mod scan;
pub mod schema;
pub mod sink;
pub mod store;
