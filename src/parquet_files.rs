//! What all Parquet files that the program writes have in common, results as well as the files of a store.

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical, ZstdLevel};
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::Type;
use std::io;
use std::sync::Arc;

/// Rows of a row group: what a reader has to hold of each column, and the least it can skip.
pub const GROUP: usize = 256 * 1024;

/// Values handed to the encoder at once.
pub const BATCH: usize = 8 * 1024;

/// How values are packed, and who wrote them.
///
/// # Errors
/// None, as long as Zstandard has a level 3.
pub fn properties() -> Result<WriterPropertiesBuilder> {
    Ok(WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_created_by(concat!("loganalyze version ", env!("CARGO_PKG_VERSION")).to_owned()))
}

/// A column, whose values may be null.
///
/// # Errors
/// Where the logical type does not go with the physical one.
pub fn field(name: &str, physical: Physical, logical: Option<LogicalType>) -> Result<Arc<Type>> {
    let field = Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL);
    Ok(Arc::new(field.with_logical_type(logical).build()?))
}

/// What the disk said, if it was the disk.
pub fn io_error(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(error) => {
            error.downcast::<io::Error>().map_or_else(io::Error::other, |error| *error)
        }
        error => io::Error::other(error),
    }
}
