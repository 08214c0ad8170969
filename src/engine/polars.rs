//! The laptop's engine: events as a Polars DataFrame, SQL by Polars.
//! Knows nothing of the command line and of outputs.

use super::aggregate::{self, Answer, Answered};
use super::categories::categories;
use super::caught::caught;
use super::functions::{context, execute};
use super::relation::Relation;
use super::stages::{self, Staged};
use crate::error::{Error, did_you_mean};
use crate::events::Events;
use crate::events::column::{self, Bits, NULL, Texts, Values};
use crate::report::{ResultColumn, relation_of, statements};
use crate::schema::{self, EVENTS, Type};
use polars::prelude::*;
use polars_arrow::array::BooleanArray;
use polars_arrow::bitmap::Bitmap;
use rayon::prelude::*;

/// These columns of the events as a DataFrame, in this order; `keep` says of each row whether it stays.
///
/// # Errors
/// `Error::Query` if memory or Polars gives out.
pub fn frame(mut events: Events, names: &[&'static str], keep: Option<Bits>) -> Result<DataFrame, Error> {
    let rows = keep.map(|keep| keep.rows());
    let columns: Vec<_> =
        names.iter().filter_map(|name| Some((*name, events.columns.remove(name)?))).collect();
    let column = |(name, column): (&'static str, column::Column)| {
        Ok(series(name, column.take_some(rows.as_deref()))?.into_column())
    };
    let columns: PolarsResult<Vec<Column>> = columns.into_par_iter().map(column).collect();
    let height = rows.map_or(events.rows, |rows| rows.len());
    DataFrame::new(height, columns.map_err(failed)?).map_err(failed)
}

/// These columns of some rows.
///
/// # Errors
/// `Error::Query` if memory or Polars gives out.
pub fn picked(frame: &DataFrame, names: &[&'static str], rows: &IdxCa) -> Result<DataFrame, Error> {
    frame.select(names.iter().copied()).and_then(|frame| frame.take(rows)).map_err(failed)
}

fn failed(error: PolarsError) -> Error {
    Error::Query(format!("Polars cannot hold the events: {error}"))
}

fn series(name: &str, column: column::Column) -> PolarsResult<Series> {
    let name = PlSmallStr::from_str(name);
    Ok(match column {
        column::Column::Bigint(values) => {
            Int64Chunked::from_vec_validity(name, values.values, bitmap(&values.valid)).into_series()
        }
        column::Column::Double(values) => {
            Float64Chunked::from_vec_validity(name, values.values, bitmap(&values.valid)).into_series()
        }
        column::Column::Boolean(values) => {
            let bits = Bits::of(&values.values);
            let array = BooleanArray::new(
                polars_arrow::datatypes::ArrowDataType::Boolean,
                Bitmap::from_u8_vec(bits.to_bytes(), bits.len()),
                bitmap(&values.valid),
            );
            BooleanChunked::with_chunk(name, array).into_series()
        }
        column::Column::Timestamp(values) => {
            integers(name, values).into_datetime(TimeUnit::Microseconds, None).into_series()
        }
        column::Column::Date(values) => {
            let days = values.values.iter().map(|&day| day as i32).collect();
            Int32Chunked::from_vec_validity(name, days, bitmap(&values.valid)).into_date().into_series()
        }
        column::Column::Text(texts) => text_series(name, texts)?,
    })
}

fn integers(name: PlSmallStr, values: Values<i64>) -> Int64Chunked {
    Int64Chunked::from_vec_validity(name, values.values, bitmap(&values.valid))
}

fn bitmap(valid: &Bits) -> Option<Bitmap> {
    (!valid.all()).then(|| Bitmap::from_u8_vec(valid.to_bytes(), valid.len()))
}

/// The texts of the codes: as categories if there are few, whose numbers the codes are then; else as views into one copy of
/// the dictionary.
fn text_series(name: PlSmallStr, Texts { mut codes, dictionary }: Texts) -> PolarsResult<Series> {
    if dictionary.is_empty() {
        return Ok(StringChunked::full_null(name, codes.len()).into_series());
    }
    let valid = if codes.contains(&NULL) {
        let valid: Bits = codes.iter().map(|&code| code != NULL).collect();
        // What stands behind a null must be a place in the dictionary all the same.
        codes.iter_mut().filter(|code| **code == NULL).for_each(|code| *code = 0);
        bitmap(&valid)
    } else {
        None
    };
    if dictionary.len() > codes.len() / ROWS_A_CATEGORY {
        let codes = IdxCa::from_vec_validity(PlSmallStr::EMPTY, codes, valid);
        return Ok(StringChunked::from_iter_values(name, dictionary.iter()).take(&codes)?.into_series());
    }
    categories(name, codes, valid, &dictionary)
}

/// How many rows of a category there must be on average: where there are fewer, categories gain nothing.
const ROWS_A_CATEGORY: usize = 16;

/// Keeps Polars from writing to standard error what its programmers are to know.
pub fn quieten() {
    polars_core::error::set_warning_function(|_, _| {});
}

/// Runs SQL over the relation that it names: the last statement gives the rows, those before it define what it may name.
///
/// # Errors
/// `Error::Query` with what Polars does not accept, and a nearer name where a column is unknown.
pub fn query(sql: &str, rows: &Relation) -> Result<DataFrame, Error> {
    let named = relation_of(sql)?;
    let in_groups = match rows.answer_to(sql) {
        Some(answered) => Some(answered.clone()),
        None => rows.frame().and_then(|frame| aggregate::answered(sql, named.name, frame)),
    };
    let Answered { sql, relations } =
        in_groups.unwrap_or_else(|| Answered { sql: sql.to_owned(), relations: Vec::new() });
    let relations: Vec<_> = relations.into_iter().map(|Answer { name, rows, .. }| (name, rows)).collect();
    let in_memory = rows.frame().is_some();
    let result = rows.answer(&sql, |rows| {
        let run = |sql: &str, more: &[(String, DataFrame)]| {
            rows.collect(plan(sql, named, rows.lazy(), &[&relations, more])?)
        };
        match in_memory.then(|| stages::answered(&sql, run)).flatten() {
            Some(Staged { sql, relations }) => run(&sql, &relations),
            None => run(&sql, &[]),
        }
    });
    result.map_err(|error| explain(&error, named))
}

/// What SQL gives without any rows: names and types are checked before the logs are read.
///
/// # Errors
/// As [`query`].
pub fn dry_run(sql: &str) -> Result<DataFrame, Error> {
    let named = relation_of(sql)?;
    let columns = named.columns.iter().map(|column| Field::new(column.name.into(), data_type(column.kind)));
    let rows = DataFrame::empty_with_schema(&Schema::from_iter(columns));
    let schema = caught(|| plan(sql, named, rows.lazy(), &[])?.collect_schema());
    schema.map(|schema| DataFrame::empty_with_schema(&schema)).map_err(|error| explain(&error, named))
}

fn plan(
    sql: &str,
    named: &schema::Relation,
    rows: LazyFrame,
    others: &[&[(String, DataFrame)]],
) -> PolarsResult<LazyFrame> {
    let mut context = context();
    context.register(named.name, rows);
    others.iter().copied().flatten().for_each(|(name, rows)| context.register(name, rows.clone().lazy()));
    let statements = statements(sql);
    let (last, definitions) = statements.split_last().unwrap_or((&"", &[]));
    for definition in definitions {
        // What it gives is only the word that it was done.
        _ = execute(&mut context, definition)?;
    }
    execute(&mut context, last)
}

/// Checks that this is one SQL condition over these events; `option` names it in the message.
///
/// # Errors
/// `Error::Query` that says what is wrong with it.
pub fn check_condition(option: &str, condition: &str, events: &Relation) -> Result<(), Error> {
    let checked = match polars::sql::sql_expr(condition) {
        Ok(_) => query(
            &format!("SELECT CASE WHEN {condition} THEN TRUE ELSE FALSE END AS met FROM events"),
            events,
        ),
        Err(error) => Err(explain(&error, &EVENTS)),
    };
    match checked {
        Err(Error::Query(why)) => Err(Error::Query(format!("{option}: {why}"))),
        checked => checked.map(|_| ()),
    }
}

/// No events, but all columns.
pub fn no_events() -> Relation {
    let columns = schema::COLUMNS.iter().map(|column| Field::new(column.name.into(), data_type(column.kind)));
    Relation::in_memory(DataFrame::empty_with_schema(&Schema::from_iter(columns)))
}

pub(super) fn explain(error: &PolarsError, named: &schema::Relation) -> Error {
    let text = error.to_string();
    let text = text.lines().next().unwrap_or_default();
    // Polars lists the columns that were read for this query, not all that there are.
    let text = text.split("; valid columns: ").next().unwrap_or_default();
    let mut cause = error;
    while let PolarsError::Context { error, .. } | PolarsError::ExprContext { error, .. } = cause {
        cause = error;
    }
    let hint = match cause {
        PolarsError::ColumnNotFound(name) => unknown_column(name, named),
        _ if text.contains("relation") && text.contains("not found") => {
            let names = schema::RELATIONS.map(|relation| format!("'{}'", relation.name)).join(" and ");
            format!("; the relations are {names}, until CREATE TABLE name AS SELECT … makes another")
        }
        _ if text.contains("statement type is not supported") => {
            " take SELECT, and before it CREATE TABLE name AS SELECT …".to_owned()
        }
        _ => String::new(),
    };
    Error::Query(format!("the SQL cannot be run: {text}{hint}"))
}

fn unknown_column(message: &str, named: &schema::Relation) -> String {
    let name =
        message.split(['"', '\'']).find(|part| !part.contains(' ') && !part.is_empty()).unwrap_or(message);
    if named.columns.iter().any(|column| column.name == name) {
        return "; it is a column of what is read, but not there any more: select it, or group by it"
            .to_owned();
    }
    let near = did_you_mean(name, named.columns.iter().map(|column| column.name));
    if near.is_empty() {
        format!("; 'loganalyze schema' lists the columns, and text stands in single quotes: '{name}'")
    } else {
        near
    }
}

/// The columns that a report promises, in order and of the promised types.
///
/// # Errors
/// `Error::Query` if one is missing or cannot be made what it should be.
pub fn as_promised(result: &DataFrame, promised: &[ResultColumn]) -> Result<DataFrame, Error> {
    let broken = |why: String| Error::Query(format!("the query breaks its promise: {why}"));
    let cast = |ResultColumn { name, kind, .. }: &ResultColumn| {
        let Ok(column) = result.column(name) else {
            let found: Vec<&str> = result.get_column_names().iter().map(|name| name.as_str()).collect();
            let near = did_you_mean(name, found.iter().copied());
            return Err(broken(format!("it has no column '{name}'{near}, but {}", found.join(", "))));
        };
        column.strict_cast(&data_type(*kind)).map_err(|error| {
            let why = error.to_string();
            let why = why.lines().next().unwrap_or_default();
            broken(format!("its column '{name}' is no {}: {why}", kind.sql()))
        })
    };
    let columns: Vec<Column> = promised.iter().map(cast).collect::<Result<_, _>>()?;
    DataFrame::new(result.height(), columns).map_err(failed)
}

/// The result of free SQL with Polars' own integer types as bigint, as other engines give them.
///
/// # Errors
/// `Error::Query` if a value does not fit.
pub fn as_plain(result: &DataFrame) -> Result<DataFrame, Error> {
    let plain = |column: &Column| match column.dtype() {
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32 => column.cast(&DataType::Int64),
        DataType::Float32 => column.cast(&DataType::Float64),
        _ => Ok(column.clone()),
    };
    let columns: PolarsResult<Vec<Column>> = result.columns().iter().map(plain).collect();
    DataFrame::new(result.height(), columns.map_err(failed)?).map_err(failed)
}

/// The Polars type of a column's type.
pub fn data_type(kind: Type) -> DataType {
    match kind {
        Type::Bigint => DataType::Int64,
        Type::Double => DataType::Float64,
        Type::Boolean => DataType::Boolean,
        Type::Timestamp => DataType::Datetime(TimeUnit::Microseconds, None),
        Type::Date => DataType::Date,
        Type::Text | Type::Json | Type::Url | Type::Session => DataType::String,
    }
}
