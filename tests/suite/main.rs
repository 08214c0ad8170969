//! All integration tests, in one program: linking Polars once is enough.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod alerts;
mod app_logs;
mod architecture;
mod behaviour;
mod chart;
mod cli;
mod cloud;
mod compare;
mod config;
mod duckdb;
mod explore;
mod funnel;
mod funnel_kernel;
mod golden;
mod handing_on;
mod harness;
mod incidents;
mod input;
mod invariance;
mod memory;
mod nightly;
mod ops;
mod oracle;
mod page;
mod pairs;
mod people;
mod queries;
mod readme;
mod report_set;
mod scanner;
mod secrets;
mod spark;
mod store;
mod traps;
mod truth;
