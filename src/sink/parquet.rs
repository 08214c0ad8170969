//! Parquet: typed columns, one after the other, in groups of rows; all optional. What has no type of its own
//! here is text.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{LogicalType, TimeUnit, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;
use polars::prelude::{DataFrame, PolarsError};

use super::About;
use super::cells::{Cell, Cells, Kind, cells, kind};
use crate::parquet_files::{self, BATCH, GROUP, io_error};

/// Writes a Parquet file with `about`'s name and metadata in its footer.
pub fn write(frame: &DataFrame, about: &About, out: &mut (impl Write + Send)) -> io::Result<()> {
    try_write(frame, about, out).map_err(io_error)
}

fn try_write(frame: &DataFrame, about: &About, out: &mut (impl Write + Send)) -> Result<()> {
    let columns: Vec<_> = frame.columns().iter().map(|column| column.as_materialized_series()).collect();
    let kinds = columns.iter().map(|series| kind(series).map_err(external)).collect::<Result<Vec<_>>>()?;
    let fields = columns.iter().zip(&kinds).map(|(series, &kind)| field(series.name(), kind));
    let schema = Type::group_type_builder(&about.name).with_fields(fields.collect::<Result<_>>()?).build()?;
    let mut file = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties(about)?))?;
    let rows = if columns.is_empty() { 0 } else { frame.height() };
    for first in (0..rows).step_by(GROUP) {
        let mut group = file.next_row_group()?;
        for (series, &kind) in columns.iter().zip(&kinds) {
            let part = series.slice(first as i64, GROUP);
            let mut cells = cells(&part).map_err(external)?;
            if let Some(mut column) = group.next_column()? {
                write_column(&mut column, kind, &mut cells)?;
                column.close()?;
            }
        }
        group.close()?;
    }
    file.close()?;
    Ok(())
}

fn external(error: PolarsError) -> ParquetError {
    ParquetError::External(Box::new(error))
}

fn properties(about: &About) -> Result<WriterProperties> {
    let metadata = about.metadata.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    Ok(parquet_files::properties()?.set_key_value_metadata(Some(metadata.collect())).build())
}

fn field(name: &str, kind: Kind) -> Result<Arc<Type>> {
    let (physical, logical) = match kind {
        Kind::Bool => (Physical::BOOLEAN, None),
        Kind::Int => (Physical::INT64, None),
        Kind::Float => (Physical::DOUBLE, None),
        Kind::Date => (Physical::INT32, Some(LogicalType::Date)),
        Kind::Timestamp => (Physical::INT64, Some(LogicalType::timestamp(false, TimeUnit::MICROS))),
        Kind::Number | Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
    };
    parquet_files::field(name, physical, logical)
}

fn write_column(column: &mut SerializedColumnWriter<'_>, kind: Kind, cells: &mut Cells<'_>) -> Result<()> {
    macro_rules! only {
        ($variant:path) => {
            |cell| match cell {
                $variant(value) => Some(value),
                _ => None,
            }
        };
    }
    match kind {
        Kind::Bool => write_typed::<BoolType>(column, cells, only!(Cell::Bool)),
        Kind::Int => write_typed::<Int64Type>(column, cells, only!(Cell::Int)),
        Kind::Float => write_typed::<DoubleType>(column, cells, only!(Cell::Float)),
        Kind::Date => write_typed::<Int32Type>(column, cells, only!(Cell::Date)),
        Kind::Timestamp => write_typed::<Int64Type>(column, cells, only!(Cell::Timestamp)),
        Kind::Number | Kind::Text => write_typed::<ByteArrayType>(column, cells, |cell| match cell {
            Cell::Null => None,
            Cell::Text(text) => Some(ByteArray::from(text.into_owned().into_bytes())),
            cell => Some(ByteArray::from(cell.to_string().into_bytes())),
        }),
    }
}

fn write_typed<T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    cells: &mut Cells<'_>,
    value: impl Fn(Cell<'_>) -> Option<T::T>,
) -> Result<()> {
    let mut values = Vec::with_capacity(BATCH);
    let mut levels = Vec::with_capacity(BATCH);
    loop {
        values.clear();
        levels.clear();
        for cell in cells.take(BATCH) {
            let value = value(cell);
            levels.push(i16::from(value.is_some()));
            values.extend(value);
        }
        if levels.is_empty() {
            return Ok(());
        }
        column.typed::<T>().write_batch(&values, Some(&levels), None)?;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::fs::File;

    use parquet::file::reader::{FileReader, SerializedFileReader};
    use polars::prelude::df;

    use super::*;
    use crate::sink::{
        Format,
        tests::{bytes, every_type, odd_types},
    };

    fn read(frame: &DataFrame, about: &About) -> SerializedFileReader<File> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes(Format::Parquet, frame, about)).unwrap();
        SerializedFileReader::new(file).unwrap()
    }

    fn rows(frame: &DataFrame) -> Vec<String> {
        let reader = read(frame, &About::default());
        reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect()
    }

    #[test]
    fn values_types_and_metadata_come_back() {
        let about = About { metadata: vec![("since".into(), "2025-03-10".into())], ..About::default() };
        let reader = read(&every_type(), &about);
        let file = reader.metadata().file_metadata();
        assert_eq!(file.created_by(), Some(concat!("loganalyze version ", env!("CARGO_PKG_VERSION"))));
        let pair = &file.key_value_metadata().unwrap()[0];
        assert_eq!((pair.key.as_str(), pair.value.as_deref()), ("since", Some("2025-03-10")));
        let types: Vec<_> = file.schema_descr().columns().iter().map(|c| c.physical_type()).collect();
        use Physical::*;
        assert_eq!(types, [INT64, INT64, DOUBLE, DOUBLE, BYTE_ARRAY, BOOLEAN, INT32, INT64]);
        assert_eq!(
            file.schema_descr().column(7).logical_type_ref(),
            Some(&LogicalType::timestamp(false, TimeUnit::MICROS))
        );
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
        assert!(
            rows[0].contains(r#"product_id: 1204, views: 1204, share: 0.1234, seconds: 2.0"#),
            "{rows:?}"
        );
        assert!(rows[0].contains("paired: true, day: 2025-03-10, at: 2025-03-10 01:05:44.107"), "{rows:?}");
        assert_eq!(rows[1].matches("null").count(), 8);
    }

    #[test]
    fn odd_types_are_text_and_no_rows_are_a_file() {
        let rows_of_odd = rows(&odd_types());
        assert!(rows_of_odd[0].contains(r#"big: "18446744073709551615", count: 7"#), "{rows_of_odd:?}");
        assert!(rows(&every_type().head(Some(0))).is_empty());
        assert!(rows(&DataFrame::empty()).is_empty());
    }

    #[test]
    fn many_rows_make_several_groups() {
        let length = GROUP + BATCH + 1;
        let frame =
            df!("n" => (0..length as i64).map(|n| (n % 3 > 0).then_some(n)).collect::<Vec<_>>()).unwrap();
        let reader = read(&frame, &About::default());
        assert_eq!(reader.num_row_groups(), 2);
        let texts: Vec<_> = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
        assert_eq!(texts.len(), length);
        assert_eq!(texts[GROUP], format!("{{n: {}}}", GROUP));
        assert_eq!(texts[GROUP - 1], "{n: null}");
    }
}
