//! (SQL, relations) → result.

pub mod comparison;
mod functions;
pub mod funnel;
pub mod incidents;
pub mod polars;
pub mod relation;
