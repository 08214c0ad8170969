//! The relation `events` as queries see it: in memory, or in temporary files from which a query takes what it needs, piece
//! by piece. Knows nothing of the queries.

use super::aggregate::Answered;
use super::polars::data_type;
use super::suffice::categories_that_suffice;
use crate::error::Error;
use crate::events::Begun;
use crate::schema::Type;
use polars::prelude::*;
use rayon::prelude::*;
use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

/// What queries run over.
#[derive(Clone)]
pub struct Relation {
    pieces: Vec<LazyFrame>,
    whole: LazyFrame,
    engine: Engine,
    /// The events, if they are in memory as they were put there.
    frame: Option<DataFrame>,
    /// The columns whose texts are Polars' categories.
    categories: Vec<PlSmallStr>,
    /// Where copies of its files are, which go with it.
    kept: Option<Arc<TempDir>>,
    /// The only queries that may be asked of it, by their SQL, if they were answered when its events were there.
    answers: Arc<Vec<(String, Answered)>>,
}

impl Relation {
    /// Events in memory; texts may be categories, which spares a copy of them and much of the work of grouping by them.
    pub fn in_memory(frame: DataFrame) -> Relation {
        let whole = frame.clone().lazy();
        let categories = frame.columns().iter().filter(|column| column.dtype().is_categorical());
        let categories = categories.map(|column| column.name().clone()).collect();
        let pieces = vec![whole.clone()];
        Relation { frame: Some(frame), categories, ..Relation::of_plans(pieces, whole, Engine::InMemory) }
    }

    /// The events with which these plans begin: some of them each, and all together.
    fn of_plans(pieces: Vec<LazyFrame>, whole: LazyFrame, engine: Engine) -> Relation {
        Relation {
            pieces,
            whole,
            engine,
            frame: None,
            categories: Vec::new(),
            kept: None,
            answers: Arc::default(),
        }
    }

    /// No events, but what these queries, which need nothing else of them, got of them.
    pub fn of_answers(answers: Vec<(String, Answered)>) -> Relation {
        Relation { answers: Arc::new(answers), ..Relation::in_memory(DataFrame::default()) }
    }

    /// What this SQL got of its events.
    pub fn answer_to(&self, sql: &str) -> Option<&Answered> {
        self.answers.iter().find(|(query, _)| query == sql).map(|(_, answered)| answered)
    }

    /// The events, if they are in memory as they were put there.
    pub fn frame(&self) -> Option<&DataFrame> {
        self.frame.as_ref()
    }

    /// What this SQL gives over these events, run by `run`, with all texts as strings. It sees strings too, of those columns
    /// of which it may mean something else as categories, or of all if Polars cannot do it with any.
    ///
    /// # Errors
    /// What Polars has against it if all texts are strings.
    pub fn answer(
        &self,
        sql: &str,
        run: impl Fn(&Relation) -> PolarsResult<DataFrame>,
    ) -> PolarsResult<DataFrame> {
        let with_strings_but = |kept: &[&str]| {
            let (kept, strings): (Vec<_>, Vec<_>) =
                self.categories.iter().cloned().partition(|name| kept.contains(&name.as_str()));
            let strings: Vec<Expr> =
                strings.into_iter().map(|name| col(name).cast(DataType::String)).collect();
            let with_strings = self.map(|events| events.with_columns(&strings));
            run(&Relation { categories: kept, ..with_strings })
        };
        let categories: Vec<&str> = self.categories.iter().map(PlSmallStr::as_str).collect();
        let enough =
            if categories.is_empty() { Vec::new() } else { categories_that_suffice(sql, &categories) };
        let found = if enough == categories { run(self) } else { with_strings_but(&enough) };
        if enough.is_empty() {
            return found;
        }
        found.or_else(|_| with_strings_but(&[])).and_then(with_strings)
    }

    /// The events with nothing but these columns, if they are in memory as they were put there; else as they are. Each step
    /// of a plan has a schema of its own, which takes the longer the more columns there are.
    pub fn narrowed(&self, columns: &[&'static str]) -> Relation {
        let narrow = |frame: &DataFrame| frame.select(columns.iter().copied()).ok();
        match self.frame.as_ref().and_then(narrow) {
            Some(frame) if !columns.is_empty() => Relation::in_memory(frame),
            _ => self.clone(),
        }
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
        self.map(|events| events.filter(inside(range)))
    }

    /// The events in these columns of the Parquet files of a store, of which each day has its own; what does not fit into
    /// memory at once is read bit by bit. The day of an event is that of its time.
    ///
    /// # Errors
    /// `Error::Query` if they cannot be read.
    pub fn of_files(paths: &[PathBuf], columns: &[&str]) -> Result<Relation, Error> {
        let unreadable = |error| Error::Query(format!("the store cannot be read: {error}"));
        let day = || col("timestamp").cast(DataType::Date).alias("event_date");
        let column = |name: &&str| if *name == "event_date" { day() } else { col(*name) };
        let columns: Vec<Expr> = columns.iter().map(column).collect();
        let scan = |paths: Vec<PlRefPath>| {
            scan_sources(ScanSources::Paths(paths.into()))
                .map(|files| files.select(&columns))
                .map_err(unreadable)
        };
        let paths: Vec<PlRefPath> = paths
            .iter()
            .map(|path| PlRefPath::try_from_path(path))
            .collect::<PolarsResult<_>>()
            .map_err(unreadable)?;
        let pieces = paths.iter().map(|path| scan(vec![path.clone()])).collect::<Result<_, _>>()?;
        Ok(Relation::of_plans(pieces, scan(paths)?, Engine::Streaming))
    }

    /// The same, with the folder that its files are in.
    pub fn keeping(self, folder: Option<TempDir>) -> Relation {
        Relation { kept: folder.map(Arc::new), ..self }
    }

    /// The same after a change.
    fn map(&self, change: impl Fn(LazyFrame) -> LazyFrame) -> Relation {
        let pieces = self.pieces.iter().cloned().map(&change).collect();
        Relation {
            categories: self.categories.clone(),
            kept: self.kept.clone(),
            ..Relation::of_plans(pieces, change(self.whole.clone()), self.engine)
        }
    }

    /// The events of any of these times, microseconds; the relation must have the column `timestamp`.
    pub fn within_any(&self, ranges: &[Range<i64>]) -> Relation {
        let inside = ranges.iter().map(inside).reduce(Expr::or).unwrap_or(lit(true));
        self.map(|events| events.filter(inside.clone()))
    }

    /// The events for which a column of truth values has this one.
    pub fn only(&self, column: &str, value: bool) -> Relation {
        self.map(|events| events.filter(col(column).eq(lit(value))))
    }

    /// For how many events a column of truth values is true, and how many there are.
    ///
    /// # Errors
    /// `Error::Query` if Polars gives out.
    pub fn count_true(&self, column: &str) -> Result<(u64, u64), Error> {
        let counts = self.lazy().select([col(column).cast(DataType::Int64).sum(), len().alias("all")]);
        let both = |counts: DataFrame| {
            let number = |name: &str| counts.column(name)?.cast(&DataType::UInt64)?.u64().map(|n| n.get(0));
            Ok((number(column)?.unwrap_or(0), number("all")?.unwrap_or(0)))
        };
        let found: PolarsResult<_> = self.collect(counts).and_then(both);
        found.map_err(|error| Error::Query(format!("the events cannot be counted: {error}")))
    }

    /// The events but for those of which a text is one of those.
    ///
    /// # Errors
    /// `Error::Query` if Polars gives out.
    pub fn without_texts(&self, column: &str, of_those: impl Fn(&str) -> bool) -> Result<Relation, Error> {
        let failed = |error| Error::Query(format!("the values of {column} cannot be read: {error}"));
        let distinct = self.lazy().select([col(column).unique()]);
        let distinct = self.collect(distinct).map_err(failed)?;
        let texts = distinct.column(column).and_then(|texts| texts.str()).map_err(failed)?;
        let those: Vec<&str> = texts.iter().flatten().filter(|text| of_those(text)).collect();
        let those = DataFrame::new(those.len(), vec![Column::new(column.into(), those)]).map_err(failed)?;
        let on = || [col(column)];
        Ok(self.map(|events| events.join(those.clone().lazy(), on(), on(), JoinArgs::new(JoinType::Anti))))
    }

    /// The events without the numbers of these sessions; the relation must have the columns `timestamp`, `visitor_id` and
    /// `session_number`.
    ///
    /// # Errors
    /// `Error::Query` if Polars gives out.
    pub fn without_sessions(&self, begun: &Begun) -> Result<Relation, Error> {
        let failed = |error| Error::Query(format!("sessions cannot be told apart: {error}"));
        let mut relation = self.clone();
        for (range, sessions) in begun.of_ranges() {
            let visitors: Vec<&str> = sessions.iter().map(|(visitor, _)| visitor.as_str()).collect();
            let numbers: Vec<i64> = sessions.iter().map(|(_, number)| *number).collect();
            let columns = vec![
                Column::new("visitor_id".into(), visitors),
                Column::new("session_number".into(), numbers),
                Column::new(BEGUN.into(), vec![true; sessions.len()]),
            ];
            let sessions = DataFrame::new(sessions.len(), columns).map_err(failed)?;
            let on = || [col("visitor_id"), col("session_number")];
            let hidden = when(col(BEGUN).and(inside(range))).then(lit(NULL)).otherwise(col("session_number"));
            relation = relation.map(|events| {
                let joined = events.join(sessions.clone().lazy(), on(), on(), JoinArgs::new(JoinType::Left));
                joined.with_columns([hidden.clone().alias("session_number")]).drop(by_name(
                    [BEGUN],
                    true,
                    false,
                ))
            });
        }
        Ok(relation)
    }

    /// The events with other texts in these columns, where they have them.
    pub fn with_texts(
        &self,
        columns: &[&str],
        change: impl Fn(&str) -> String + Clone + Send + Sync + 'static,
    ) -> Relation {
        let named = by_name(columns.iter().copied(), false, false);
        let changed = move |column: Column| {
            let texts = column.str()?.apply_values(|text| change(text).into());
            Ok(texts.into_column())
        };
        let output = |_: &Schema, field: &Field| Ok(field.clone());
        self.map(|events| events.with_columns([named.clone().as_expr().map(changed.clone(), output)]))
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

/// The same rows, with texts that are categories as strings.
pub(super) fn with_strings(mut rows: DataFrame) -> PolarsResult<DataFrame> {
    let categories = rows.columns().iter().filter(|column| column.dtype().is_categorical());
    for column in categories.cloned().collect::<Vec<_>>() {
        rows.with_column(column.cast(&DataType::String)?)?;
    }
    Ok(rows)
}

/// Whether an event's session began before the time that is asked for.
const BEGUN: &str = "begun before";

/// Whether an event is of this time, microseconds.
fn inside(range: &Range<i64>) -> Expr {
    let at = |time: i64| lit(time).cast(data_type(Type::Timestamp));
    col("timestamp").gt_eq(at(range.start)).and(col("timestamp").lt(at(range.end)))
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
    pub fn add(&mut self, frame: DataFrame) -> Result<(), Error> {
        self.add_all(vec![frame])
    }

    /// Adds pieces that are written side by side.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn add_all(&mut self, frames: Vec<DataFrame>) -> Result<(), Error> {
        let files: Result<Vec<File>, Error> = frames.into_par_iter().map(written).collect();
        self.files.extend(files?);
        Ok(())
    }

    /// The relation that was written.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn finish(self) -> Result<Relation, Error> {
        let copy = |file: &File| file.try_clone().map_err(Error::Temporary);
        let pieces = self.files.iter().map(|file| scan(vec![copy(file)?])).collect::<Result<_, _>>()?;
        Ok(Relation::of_plans(pieces, scan(self.files)?, Engine::Streaming))
    }
}

/// A temporary file of these rows.
fn written(frame: DataFrame) -> Result<File, Error> {
    let mut frame = with_strings(frame).map_err(temporary)?;
    let file = tempfile::tempfile().map_err(Error::Temporary)?;
    ParquetWriter::new(file.try_clone().map_err(Error::Temporary)?)
        .with_compression(ParquetCompression::Uncompressed)
        .with_row_group_size(Some(ROWS_TOGETHER))
        .with_statistics(StatisticsOptions::empty())
        .set_parallel(false)
        .finish(&mut frame)
        .map_err(temporary)?;
    Ok(file)
}

fn scan(files: Vec<File>) -> Result<LazyFrame, Error> {
    scan_sources(ScanSources::Files(files.into())).map_err(temporary)
}

/// The rows of Parquet files, whose names say nothing.
fn scan_sources(sources: ScanSources) -> PolarsResult<LazyFrame> {
    let hive_options = HiveOptions { enabled: Some(false), ..HiveOptions::default() };
    // A path is a path, whatever is in it.
    let args = ScanArgsParquet { hive_options, glob: false, ..ScanArgsParquet::default() };
    LazyFrame::scan_parquet_sources(sources, args)
}

/// Rows of a row group: few, so that a query that takes some at a time takes little.
const ROWS_TOGETHER: usize = 64 * 1024;

fn temporary(error: PolarsError) -> Error {
    Error::Temporary(std::io::Error::other(error))
}
