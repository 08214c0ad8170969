//! One Parquet file of the store: columns to bytes and back. Rows are sorted by time; all columns are optional; statistics
//! are in every group, Bloom filters on those columns that people look one value up in.
//! Knows nothing of days, manifests and other files.

use crate::events::Events;
use crate::events::column::{Column, NULL, Texts, Values};
use crate::parquet_files::{self, BATCH, GROUP, io_error};
use crate::schema::{self, Type as Kind};
use bytes::Bytes;
use parquet::basic::{LogicalType, TimeUnit, Type as Physical};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::column::writer::{ColumnCloseResult, ColumnWriter, get_column_writer};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{WriterProperties, WriterPropertiesPtr};
use parquet::file::reader::{ChunkReader, FileReader, RowGroupReader, SerializedFileReader};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite};
use parquet::schema::types::{ColumnDescPtr, ColumnPath, Type};
use rayon::prelude::*;
use std::io::{self, Write};
use std::sync::Arc;

/// What people look one value up in.
const LOOKED_UP: [&str; 3] = ["visitor_id", "user_id", "product"];

/// What the rows are sorted by.
const SORTED_BY: &str = "timestamp";

/// Writes these rows, in this order: the columns of the schema that are there, but for the day, which the folder's name says.
///
/// # Errors
/// What the disk says.
pub fn write(events: &Events, order: &[u32], out: impl Write + Send) -> io::Result<()> {
    try_write(events, order, out).map_err(io_error)
}

fn try_write(events: &Events, order: &[u32], out: impl Write + Send) -> Result<()> {
    let columns: Vec<(&str, &Column)> = schema::names()
        .chain(super::state::COLUMNS)
        .filter(|name| *name != "event_date")
        .filter_map(|name| Some((name, events.columns.get(name)?)))
        .collect();
    let fields = columns.iter().map(|(name, column)| field(name, column)).collect::<Result<_>>()?;
    let schema = Arc::new(Type::group_type_builder("events").with_fields(fields).build()?);
    let properties = Arc::new(properties(&columns, order.len())?);
    let mut file = SerializedFileWriter::new(out, schema, properties.clone())?;
    let descriptors = file.schema_descr().columns().to_vec();
    for rows in order.chunks(GROUP) {
        let chunks: Result<Vec<_>> = columns
            .par_iter()
            .zip(&descriptors)
            .map(|((_, column), descriptor)| encode(column, rows, descriptor.clone(), properties.clone()))
            .collect();
        let mut group = file.next_row_group()?;
        for (bytes, close) in chunks? {
            group.append_column(&bytes, close)?;
        }
        group.close()?;
    }
    file.close()?;
    Ok(())
}

fn properties(columns: &[(&str, &Column)], rows: usize) -> Result<WriterProperties> {
    let mut properties = parquet_files::properties()?;
    if let Some(at) = columns.iter().position(|(name, _)| *name == SORTED_BY) {
        let sorted = SortingColumn { column_idx: at as i32, descending: false, nulls_first: false };
        properties = properties.set_sorting_columns(Some(vec![sorted]));
    }
    for (name, column) in columns.iter().filter(|(name, _)| LOOKED_UP.contains(name)) {
        let distinct = match column {
            Column::Text(texts) => texts.dictionary.len(),
            _ => rows,
        };
        let path = ColumnPath::from(*name);
        properties = properties
            .set_column_bloom_filter_enabled(path.clone(), true)
            .set_column_bloom_filter_fpp(path.clone(), 0.01)
            .set_column_bloom_filter_max_ndv(path, distinct.min(rows).max(1) as u64);
    }
    Ok(properties.build())
}

fn field(name: &str, column: &Column) -> Result<Arc<Type>> {
    let (physical, logical) = match column {
        Column::Boolean(_) => (Physical::BOOLEAN, None),
        Column::Bigint(_) | Column::Date(_) => (Physical::INT64, None),
        Column::Double(_) => (Physical::DOUBLE, None),
        Column::Timestamp(_) => (Physical::INT64, Some(LogicalType::timestamp(false, TimeUnit::MICROS))),
        Column::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
    };
    parquet_files::field(name, physical, logical)
}

/// The rows of one column in one group, as they will lie in the file.
fn encode(
    column: &Column,
    rows: &[u32],
    descriptor: ColumnDescPtr,
    properties: WriterPropertiesPtr,
) -> Result<(Bytes, ColumnCloseResult)> {
    let mut bytes = TrackedWrite::new(Vec::new());
    let pages = Box::new(SerializedPageWriter::new(&mut bytes));
    let writer = get_column_writer(descriptor, properties, pages);
    macro_rules! put {
        ($writer:expr, $value:expr) => {{
            let mut writer = $writer;
            for rows in rows.chunks(BATCH) {
                let mut levels = Vec::with_capacity(rows.len());
                let mut values = Vec::with_capacity(rows.len());
                for &row in rows {
                    let value = $value(row as usize);
                    levels.push(i16::from(value.is_some()));
                    values.extend(value);
                }
                writer.write_batch(&values, Some(&levels), None)?;
            }
            writer.close()?
        }};
    }
    let close = match (writer, column) {
        (ColumnWriter::BoolColumnWriter(writer), Column::Boolean(values)) => {
            put!(writer, |row| values.get(row))
        }
        (
            ColumnWriter::Int64ColumnWriter(writer),
            Column::Bigint(values) | Column::Timestamp(values) | Column::Date(values),
        ) => put!(writer, |row| values.get(row)),
        (ColumnWriter::DoubleColumnWriter(writer), Column::Double(values)) => {
            put!(writer, |row| values.get(row))
        }
        (ColumnWriter::ByteArrayColumnWriter(writer), Column::Text(texts)) => {
            let bytes = |code: u32| ByteArray::from(texts.dictionary.text(code).to_vec());
            let code = |row: usize| Some(texts.codes[row]).filter(|&code| code != NULL);
            if texts.dictionary.len() <= rows.len() {
                // Copies of one text share their bytes.
                let all: Vec<ByteArray> = (0..texts.dictionary.len() as u32).map(bytes).collect();
                put!(writer, |row| code(row).map(|code| all[code as usize].clone()))
            } else {
                // Of the texts of many days one has few.
                put!(writer, |row| code(row).map(bytes))
            }
        }
        _ => return Err(ParquetError::General("a column of another type than its field".into())),
    };
    Ok((Bytes::from(bytes.into_inner()?), close))
}

/// The rows of a file in these columns; `since` leaves out groups whose last event was before (microseconds), and some rows
/// before it may come all the same. A column that the file does not have is null.
///
/// # Errors
/// What the disk says, or that the file is damaged.
pub fn read(
    file: impl ChunkReader + 'static,
    names: &[&'static str],
    since: Option<i64>,
) -> io::Result<Events> {
    let is_before = |group: &dyn RowGroupReader, time: Option<usize>| match (since, time) {
        (Some(since), Some(time)) => last_time(group, time).is_some_and(|last| last < since),
        _ => false,
    };
    try_read(file, names, |_, group, time| !is_before(group, time)).map_err(io::Error::other)
}

/// The rows of one group of a file in these columns, as [`read`] has them.
///
/// # Errors
/// What the disk says, or that the file is damaged.
pub fn read_group(
    file: impl ChunkReader + 'static,
    names: &[&'static str],
    group: usize,
) -> io::Result<Events> {
    try_read(file, names, |number, _, _| number == group).map_err(io::Error::other)
}

/// `wanted` says by a group's number, the group and the place of the column of times whether it is to be read.
fn try_read(
    file: impl ChunkReader + 'static,
    names: &[&'static str],
    wanted: impl Fn(usize, &dyn RowGroupReader, Option<usize>) -> bool,
) -> Result<Events> {
    let reader = SerializedFileReader::new(file)?;
    let fields = reader.metadata().file_metadata().schema_descr().columns().to_vec();
    let place = |name: &str| fields.iter().position(|field| field.name() == name);
    let time = place(SORTED_BY);
    let mut events = no_events(names);
    for number in 0..reader.num_row_groups() {
        let group = reader.get_row_group(number)?;
        if !wanted(number, &*group, time) {
            continue;
        }
        let rows = group.metadata().num_rows() as usize;
        for (name, column) in &mut events.columns {
            match place(name) {
                Some(at) => decode(group.get_column_reader(at)?, column, rows)?,
                None => nulls(column, rows),
            }
        }
        events.rows += rows;
    }
    Ok(events)
}

/// How many rows a file says it has.
///
/// # Errors
/// That it is no Parquet file.
pub fn rows(file: impl ChunkReader + 'static) -> io::Result<u64> {
    let reader = SerializedFileReader::new(file).map_err(io::Error::other)?;
    Ok(reader.metadata().file_metadata().num_rows() as u64)
}

/// How many rows each group of a file has.
///
/// # Errors
/// That it is no Parquet file.
pub fn groups(file: impl ChunkReader + 'static) -> io::Result<Vec<usize>> {
    let reader = SerializedFileReader::new(file).map_err(io::Error::other)?;
    Ok(reader.metadata().row_groups().iter().map(|group| group.num_rows() as usize).collect())
}

/// The last time in a group whose rows all have one.
fn last_time(group: &dyn RowGroupReader, at: usize) -> Option<i64> {
    match group.metadata().column(at).statistics()? {
        Statistics::Int64(times) if times.null_count_opt() == Some(0) => times.max_opt().copied(),
        _ => None,
    }
}

/// These columns without rows.
pub fn no_events(names: &[&'static str]) -> Events {
    Events { columns: names.iter().map(|name| (*name, no_rows(name))).collect(), rows: 0 }
}

fn no_rows(name: &str) -> Column {
    let kind = schema::column(name).map_or_else(|| super::state::kind(name), |column| column.kind);
    match kind {
        Kind::Bigint => Column::Bigint(Values::default()),
        Kind::Double => Column::Double(Values::default()),
        Kind::Boolean => Column::Boolean(Values::default()),
        Kind::Timestamp => Column::Timestamp(Values::default()),
        Kind::Date => Column::Date(Values::default()),
        Kind::Text | Kind::Json | Kind::Url | Kind::Session => Column::Text(Texts::default()),
    }
}

fn nulls(column: &mut Column, rows: usize) {
    for _ in 0..rows {
        match column {
            Column::Bigint(values) | Column::Timestamp(values) | Column::Date(values) => values.push(None),
            Column::Double(values) => values.push(None),
            Column::Boolean(values) => values.push(None),
            Column::Text(texts) => texts.push(None),
        }
    }
}

fn decode(reader: ColumnReader, column: &mut Column, rows: usize) -> Result<()> {
    match (reader, column) {
        (ColumnReader::BoolColumnReader(reader), Column::Boolean(all)) => {
            each(reader, rows, |value| all.push(value.copied()))
        }
        (
            ColumnReader::Int64ColumnReader(reader),
            Column::Bigint(all) | Column::Timestamp(all) | Column::Date(all),
        ) => each(reader, rows, |value| all.push(value.copied())),
        (ColumnReader::DoubleColumnReader(reader), Column::Double(all)) => {
            each(reader, rows, |value| all.push(value.copied()))
        }
        (ColumnReader::ByteArrayColumnReader(reader), Column::Text(all)) => each(reader, rows, |value| {
            all.codes.push(value.map_or(NULL, |value: &ByteArray| all.dictionary.code(value.data())));
        }),
        _ => Err(ParquetError::General("a column of another type than the schema's".into())),
    }
}

/// Calls `push` with each value of a column of one group.
fn each<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    rows: usize,
    mut push: impl FnMut(Option<&T::T>),
) -> Result<()> {
    let mut left = rows;
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    while left > 0 {
        levels.clear();
        values.clear();
        let (records, ..) = reader.read_records(left.min(BATCH), Some(&mut levels), None, &mut values)?;
        if records == 0 {
            return Err(ParquetError::EOF("the column ends before its group".into()));
        }
        let mut present = values.iter();
        levels.iter().for_each(|&level| push(if level == 1 { present.next() } else { None }));
        left -= records;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::scan::{Settings, scan_bytes};

    #[test]
    fn a_day_of_few_texts_takes_no_longer_among_days_of_many() {
        let seconds = |texts: usize| {
            let texts: Vec<String> = (0..texts).map(|n| format!("{{\"path\": \"/{n}\"}}\n")).collect();
            let scanned = scan_bytes(texts.concat().as_bytes(), &Settings::default());
            let columns = scanned.columns.into_iter().filter(|(name, _)| *name == "path").collect();
            let events = Events { columns, rows: scanned.rows };
            let begin = std::time::Instant::now();
            for day in 0..200 {
                let mut file = Vec::new();
                write(&events, &[day, day + 1], &mut file).unwrap();
                let back = read(Bytes::from(file), &["path"], None).unwrap();
                let expected = [format!("/{day}"), format!("/{}", day + 1)];
                assert_eq!([0, 1].map(|row| back.texts("path").get(row).unwrap().to_owned()), expected);
            }
            begin.elapsed().as_secs_f64()
        };
        let (few, many) = (seconds(201), seconds(200_000));
        // To copy all texts for each takes some hundred times as long.
        assert!(many < 10.0 * few, "{many} s, {few} s");
    }

    #[test]
    fn rows_come_back_in_the_order_asked_for() {
        let lines: String = (0..GROUP + 10)
            .map(|n| {
                let user = if n % 3 == 0 { "null".to_owned() } else { n.to_string() };
                format!("{{\"timestamp\": \"2025-03-10T00:00:00.{n:06}\", \"event_type\": \"t{}\", \"user_id\": {user}}}\n", n % 7)
            })
            .collect();
        let scanned = scan_bytes(lines.as_bytes(), &Settings::default());
        let events = Events { columns: scanned.columns, rows: scanned.rows };
        let order: Vec<u32> = (0..events.rows as u32).rev().collect();
        let mut file = tempfile::tempfile().unwrap();
        write(&events, &order, &mut file).unwrap();
        let names = ["timestamp", "event_type", "user_id", "is_bot", "visitor_id"];
        let back = read(file.try_clone().unwrap(), &names, None).unwrap();
        assert_eq!((back.rows, rows(file.try_clone().unwrap()).unwrap()), (events.rows, events.rows as u64));
        for row in [0, 1, 2, 3, GROUP - 1, GROUP, GROUP + 9] {
            let was = events.rows - 1 - row;
            assert_eq!(back.times("timestamp").get(row), events.times("timestamp").get(was));
            assert_eq!(back.texts("event_type").get(row), events.texts("event_type").get(was));
            assert_eq!(back.integers("user_id").get(row), events.integers("user_id").get(was));
            assert_eq!(back.booleans("is_bot").get(row), Some(false));
            assert_eq!(back.texts("visitor_id").get(row), None);
        }
        let reader = SerializedFileReader::new(file.try_clone().unwrap()).unwrap();
        let group = reader.metadata().row_group(0);
        for column in group.columns() {
            let name = column.column_descr().name();
            assert!(column.statistics().is_some(), "{name}");
            assert_eq!(column.bloom_filter_offset().is_some(), LOOKED_UP.contains(&name), "{name}");
        }
        assert_eq!(group.sorting_columns().map(|columns| columns.len()), Some(1));
        let group = |number| read_group(file.try_clone().unwrap(), &names, number).unwrap();
        assert_eq!(groups(file.try_clone().unwrap()).unwrap(), [GROUP, 10]);
        assert_eq!((group(0).rows, group(1).rows), (GROUP, 10));
        assert_eq!(group(1).integers("user_id").get(9), back.integers("user_id").get(GROUP + 9));
        // The first group, reversed, holds the last times.
        let last = events.times("timestamp").values[20];
        assert_eq!(read(file, &names, Some(last)).unwrap().rows, GROUP);
    }
}
