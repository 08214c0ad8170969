//! (SQL, relations) → result.

mod functions;
pub mod funnel;
pub mod polars;
pub mod relation;
