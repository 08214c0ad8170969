//! (SQL, relations) → result.

pub mod polars;
