//! The relation `events` as queries see it: in memory, or in a temporary file from which a query takes what it needs, piece
//! by piece. Knows nothing of the queries.

use crate::error::Error;
use polars::io::parquet::write::BatchedWriter;
use polars::prelude::*;
use std::fs::File;
use std::sync::Arc;

/// What queries run over.
#[derive(Clone)]
pub struct Relation {
    plan: LazyFrame,
    engine: Engine,
}

impl Relation {
    /// Events in memory.
    pub fn in_memory(frame: DataFrame) -> Relation {
        Relation { plan: frame.lazy(), engine: Engine::InMemory }
    }

    /// Whether all of it is in memory.
    pub fn is_in_memory(&self) -> bool {
        self.engine == Engine::InMemory
    }

    /// The plan that begins with these events.
    pub fn lazy(&self) -> LazyFrame {
        self.plan.clone()
    }

    /// Runs a plan that began with [`Relation::lazy`].
    ///
    /// # Errors
    /// What Polars has against it.
    pub fn collect(&self, plan: LazyFrame) -> PolarsResult<DataFrame> {
        // Only plans that end in several files have several results.
        plan.collect_with_engine(self.engine).map(|result| result.unwrap_single())
    }
}

/// A relation that is being written to a temporary file (Parquet, without a name: nothing of it stays, however the program
/// ends).
pub struct Table {
    file: File,
    writer: Option<BatchedWriter<File>>,
}

impl Table {
    /// An empty one.
    ///
    /// # Errors
    /// If there is no place for temporary files.
    pub fn new() -> Result<Table, Error> {
        Ok(Table { file: tempfile::tempfile().map_err(Error::Temporary)?, writer: None })
    }

    /// Adds these rows; all frames have the same columns.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn add(&mut self, frame: &DataFrame) -> Result<(), Error> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                let file = self.file.try_clone().map_err(Error::Temporary)?;
                let writer = ParquetWriter::new(file).with_compression(ParquetCompression::Uncompressed);
                none.insert(writer.batched(frame.schema()).map_err(temporary)?)
            }
        };
        // Small pieces, so that a query that takes some at a time takes little.
        for start in (0..frame.height()).step_by(ROWS_TOGETHER) {
            writer.write_batch(&frame.slice(start as i64, ROWS_TOGETHER)).map_err(temporary)?;
        }
        Ok(())
    }

    /// The relation that was written.
    ///
    /// # Errors
    /// If it cannot be finished or read.
    pub fn finish(self) -> Result<Relation, Error> {
        if let Some(writer) = self.writer {
            writer.finish().map_err(temporary)?;
        }
        let sources = ScanSources::Files(Arc::new([self.file]));
        // A file without a name has no name to find values in.
        let hive_options = HiveOptions { enabled: Some(false), ..HiveOptions::default() };
        let options = ScanArgsParquet { hive_options, ..ScanArgsParquet::default() };
        let plan = LazyFrame::scan_parquet_sources(sources, options).map_err(temporary)?;
        Ok(Relation { plan, engine: Engine::Streaming })
    }
}

/// Rows of a row group.
const ROWS_TOGETHER: usize = 64 * 1024;

fn temporary(error: PolarsError) -> Error {
    Error::Temporary(std::io::Error::other(error))
}
