//! (SQL, relations) → result.

pub mod aggregate;
mod categories;
mod caught;
pub mod comparison;
mod division;
pub mod free;
mod functions;
pub mod funnel;
pub mod incidents;
pub mod polars;
#[cfg(test)]
mod random;
pub mod relation;
pub mod seen;
mod stages;
mod suffice;
mod syntax;
