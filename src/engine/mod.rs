//! (SQL, relations) → result.

pub mod funnel;
pub mod polars;
pub mod relation;
