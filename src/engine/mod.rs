//! (SQL, relations) → result.

pub mod comparison;
mod functions;
pub mod funnel;
pub mod polars;
pub mod relation;
