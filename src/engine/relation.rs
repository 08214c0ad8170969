//! The relation `events` as queries see it: in memory, or in temporary files from which a query takes what it needs, piece
//! by piece. Knows nothing of the queries.

use super::polars::data_type;
use crate::error::Error;
use crate::schema::Type;
use polars::prelude::*;
use std::fs::File;
use std::ops::Range;

/// What queries run over.
pub struct Relation {
    pieces: Vec<LazyFrame>,
    whole: LazyFrame,
    engine: Engine,
}

impl Relation {
    /// Events in memory.
    pub fn in_memory(frame: DataFrame) -> Relation {
        let whole = frame.lazy();
        Relation { pieces: vec![whole.clone()], whole, engine: Engine::InMemory }
    }

    /// Whether the events are in memory.
    pub fn is_in_memory(&self) -> bool {
        matches!(self.engine, Engine::InMemory)
    }

    /// The plan that begins with these events.
    pub fn lazy(&self) -> LazyFrame {
        self.whole.clone()
    }

    /// The events of this time, microseconds; the relation must have the column `timestamp`.
    pub fn within(&self, range: &Range<i64>) -> Relation {
        let at = |time: i64| lit(time).cast(data_type(Type::Timestamp));
        let inside = col("timestamp").gt_eq(at(range.start)).and(col("timestamp").lt(at(range.end)));
        let cut = |events: &LazyFrame| events.clone().filter(inside.clone());
        Relation {
            pieces: self.pieces.iter().map(cut).collect(),
            whole: cut(&self.whole),
            engine: self.engine,
        }
    }

    /// When the first and the last event happened, microseconds; the relation must have the column `timestamp`.
    ///
    /// # Errors
    /// `Error::Query` if Polars gives out.
    pub fn span(&self) -> Result<Option<(i64, i64)>, Error> {
        let time = || col("timestamp").cast(DataType::Int64);
        let span = self.lazy().select([time().min().alias("first"), time().max().alias("last")]);
        let both = |span: DataFrame| {
            let (first, last) = (span.column("first")?.i64()?.get(0), span.column("last")?.i64()?.get(0));
            Ok(first.zip(last))
        };
        let found: PolarsResult<_> = self.collect(span).and_then(both);
        found.map_err(|error| Error::Query(format!("the events' times cannot be found: {error}")))
    }

    /// Plans that begin with some of the events each, and with all of them together.
    pub fn pieces(&self) -> Vec<LazyFrame> {
        self.pieces.clone()
    }

    /// Runs a plan that began with these events.
    ///
    /// # Errors
    /// What Polars has against it.
    pub fn collect(&self, plan: LazyFrame) -> PolarsResult<DataFrame> {
        // Only plans that end in several files have several results.
        plan.collect_with_engine(self.engine).map(|result| result.unwrap_single())
    }
}

/// A relation that is being written to temporary files (Parquet, without names: nothing of them stays, however the program
/// ends).
#[derive(Default)]
pub struct Table {
    files: Vec<File>,
}

impl Table {
    /// Adds these rows as one piece; all pieces have the same columns.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn add(&mut self, mut frame: DataFrame) -> Result<(), Error> {
        let file = tempfile::tempfile().map_err(Error::Temporary)?;
        ParquetWriter::new(file.try_clone().map_err(Error::Temporary)?)
            .with_compression(ParquetCompression::Snappy)
            .with_row_group_size(Some(ROWS_TOGETHER))
            .finish(&mut frame)
            .map_err(temporary)?;
        self.files.push(file);
        Ok(())
    }

    /// The relation that was written.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn finish(self) -> Result<Relation, Error> {
        let copy = |file: &File| file.try_clone().map_err(Error::Temporary);
        let pieces = self.files.iter().map(|file| scan(vec![copy(file)?])).collect::<Result<_, _>>()?;
        Ok(Relation { pieces, whole: scan(self.files)?, engine: Engine::Streaming })
    }
}

fn scan(files: Vec<File>) -> Result<LazyFrame, Error> {
    // A file without a name has no name to find values in.
    let hive_options = HiveOptions { enabled: Some(false), ..HiveOptions::default() };
    let options = ScanArgsParquet { hive_options, ..ScanArgsParquet::default() };
    LazyFrame::scan_parquet_sources(ScanSources::Files(files.into()), options).map_err(temporary)
}

/// Rows of a row group: few, so that a query that takes some at a time takes little.
const ROWS_TOGETHER: usize = 64 * 1024;

fn temporary(error: PolarsError) -> Error {
    Error::Temporary(std::io::Error::other(error))
}
