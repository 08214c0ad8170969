//! A column as an iterator of cells, and the text forms that several formats share.
//! Every Polars type ends in one of a few kinds of cell here, so that no format has to know Polars' types.

use std::borrow::Cow;
use std::fmt;
use std::io::Write;

use chrono::{DateTime, NaiveDate};
use polars::prelude::{AnyValue, DataFrame, DataType, PolarsResult, Series, TimeUnit};

/// One value. Its `Display` is the plain form of machine formats; the plain form of null is empty.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A floating point number.
    Float(f64),
    /// The digits of a number that neither of the two can hold: a decimal, or a whole number beyond 64 bits.
    Number(String),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00, no zone.
    Timestamp(i64),
    /// Text as it came, possibly from a log: hostile.
    Text(Cow<'a, str>),
    /// A list or a struct as JSON.
    Nested(String),
    /// Any other type in words of our own: a duration, a time of day, a time with a zone.
    Other(String),
}

/// What all cells of a column that are not null have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// [`Cell::Bool`].
    Bool,
    /// [`Cell::Int`].
    Int,
    /// [`Cell::Float`].
    Float,
    /// [`Cell::Number`], or [`Cell::Int`] where it fits.
    Number,
    /// [`Cell::Date`].
    Date,
    /// [`Cell::Timestamp`].
    Timestamp,
    /// Text of some kind, or nothing at all.
    Text,
}

/// The cells of a column, from the first row to the last.
pub type Cells<'a> = Box<dyn Iterator<Item = Cell<'a>> + 'a>;

/// The cells of every column of a frame.
pub fn columns(frame: &DataFrame) -> PolarsResult<Vec<Cells<'_>>> {
    frame.columns().iter().map(|column| cells(column.as_materialized_series())).collect()
}

/// The kind of a column's cells. Of integers wider than 64 bits it depends on the values.
pub fn kind(series: &Series) -> PolarsResult<Kind> {
    use DataType::{Boolean, Date, Datetime, Int128, UInt64, UInt128};
    Ok(match series.dtype() {
        Boolean => Kind::Bool,
        Date => Kind::Date,
        Datetime(_, None) => Kind::Timestamp,
        UInt64 | UInt128 | Int128 if cells(series)?.any(|cell| matches!(cell, Cell::Number(_))) => {
            Kind::Number
        }
        dtype if dtype.is_integer() => Kind::Int,
        dtype if dtype.is_float() => Kind::Float,
        dtype if dtype.is_decimal() => Kind::Number,
        _ => Kind::Text,
    })
}

/// The cells of a column.
pub fn cells(series: &Series) -> PolarsResult<Cells<'_>> {
    // The types that large results are made of; one call a cell, no `AnyValue`.
    Ok(match series.dtype() {
        DataType::Boolean => each(series.bool()?.iter(), Cell::Bool),
        DataType::Int64 => each(series.i64()?.iter(), Cell::Int),
        DataType::UInt32 => each(series.u32()?.iter(), |value| Cell::Int(value.into())),
        DataType::Float64 => each(series.f64()?.iter(), Cell::Float),
        DataType::String => each(series.str()?.iter(), |text| Cell::Text(Cow::Borrowed(text))),
        DataType::Date => each(series.date()?.physical().iter(), Cell::Date),
        DataType::Datetime(unit, None) => {
            let unit = *unit;
            each(series.datetime()?.physical().iter(), move |value| Cell::Timestamp(micros(value, unit)))
        }
        _ => Box::new((0..series.len()).map(|row| series.get(row).map_or(Cell::Null, cell))),
    })
}

fn each<'a, T>(values: impl Iterator<Item = Option<T>> + 'a, cell: impl Fn(T) -> Cell<'a> + 'a) -> Cells<'a> {
    Box::new(values.map(move |value| value.map_or(Cell::Null, &cell)))
}

fn cell(value: AnyValue<'_>) -> Cell<'_> {
    match value {
        AnyValue::Null => Cell::Null,
        AnyValue::Boolean(value) => Cell::Bool(value),
        AnyValue::Float64(value) => Cell::Float(value),
        // By way of its text, so that 0.1 stays 0.1 and does not become 0.10000000149.
        AnyValue::Float32(value) => Cell::Float(value.to_string().parse().unwrap_or(value.into())),
        AnyValue::UInt128(value) => whole(value),
        AnyValue::Int128(value) => whole(value),
        AnyValue::UInt64(value) => whole(value),
        AnyValue::Decimal(..) => Cell::Number(value.to_string()),
        AnyValue::String(text) => Cell::Text(text.into()),
        AnyValue::StringOwned(text) => Cell::Text(text.to_string().into()),
        AnyValue::Binary(bytes) => Cell::Text(String::from_utf8_lossy(bytes)),
        AnyValue::BinaryOwned(bytes) => Cell::Text(String::from_utf8_lossy(&bytes).into_owned().into()),
        AnyValue::Date(days) => Cell::Date(days),
        AnyValue::Datetime(value, unit, zone) => moment(value, unit, zone.is_some()),
        AnyValue::DatetimeOwned(value, unit, zone) => moment(value, unit, zone.is_some()),
        AnyValue::List(_) | AnyValue::Array(..) | AnyValue::Struct(..) | AnyValue::StructOwned(_) => {
            let mut json = Vec::new();
            nest(value, &mut json);
            Cell::Nested(String::from_utf8_lossy(&json).into_owned())
        }
        value if value.is_integer() => value.extract().map_or(Cell::Null, Cell::Int),
        value if value.is_float() => value.extract().map_or(Cell::Null, Cell::Float),
        value => Cell::Other(value.to_string()),
    }
}

fn whole(value: impl TryInto<i64> + ToString + Copy) -> Cell<'static> {
    value.try_into().map_or_else(|_| Cell::Number(value.to_string()), Cell::Int)
}

/// Polars keeps a time with a zone in UTC, which is how it is shown.
fn moment(value: i64, unit: TimeUnit, zoned: bool) -> Cell<'static> {
    let cell = Cell::Timestamp(micros(value, unit));
    if zoned { Cell::Other(format!("{cell}Z")) } else { cell }
}

fn micros(value: i64, unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Nanoseconds => value.div_euclid(1000),
        TimeUnit::Microseconds => value,
        TimeUnit::Milliseconds => value.saturating_mul(1000),
    }
}

fn nest(value: AnyValue<'_>, json: &mut Vec<u8>) {
    match value {
        AnyValue::List(items) | AnyValue::Array(items, _) => {
            json.push(b'[');
            for row in 0..items.len() {
                json.extend_from_slice(if row > 0 { b"," } else { b"" });
                nest(items.get(row).unwrap_or(AnyValue::Null), json);
            }
            json.push(b']');
        }
        AnyValue::Struct(_, _, fields) => {
            nest_fields(fields.iter().map(|field| field.name().as_str()).zip(value._iter_struct_av()), json);
        }
        AnyValue::StructOwned(whole) => {
            let (values, fields) = *whole;
            nest_fields(fields.iter().map(|field| field.name().as_str()).zip(values), json);
        }
        value => cell(value).push_json(json),
    }
}

fn nest_fields<'a>(fields: impl Iterator<Item = (&'a str, AnyValue<'a>)>, json: &mut Vec<u8>) {
    json.push(b'{');
    for (index, (name, value)) in fields.enumerate() {
        json.extend_from_slice(if index > 0 { b"," } else { b"" });
        push_json_text(name, json);
        json.push(b':');
        nest(value, json);
    }
    json.push(b'}');
}

impl Cell<'_> {
    /// Whether it is a time with parts of a second.
    pub fn is_fractional(&self) -> bool {
        matches!(self, Cell::Timestamp(micros) if micros % 1_000_000 != 0)
    }

    /// Appends the cell as a JSON value. JSON knows no NaN and no infinity: they become null.
    pub fn push_json(&self, json: &mut Vec<u8>) {
        // Writing to memory cannot fail.
        let _ = match self {
            Cell::Null => write!(json, "null"),
            Cell::Float(value) if !value.is_finite() => write!(json, "null"),
            Cell::Bool(_) | Cell::Int(_) | Cell::Float(_) | Cell::Number(_) | Cell::Nested(_) => {
                write!(json, "{self}")
            }
            Cell::Date(_) | Cell::Timestamp(_) => write!(json, "\"{self}\""),
            Cell::Text(text) => return push_json_text(text, json),
            Cell::Other(text) => return push_json_text(text, json),
        };
    }
}

/// Appends `text` as a JSON string.
pub fn push_json_text(text: &str, json: &mut Vec<u8>) {
    // Writing text to memory cannot fail.
    let _ = serde_json::to_writer(json, text);
}

impl fmt::Display for Cell<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cell::Null => Ok(()),
            Cell::Bool(value) => write!(out, "{value}"),
            Cell::Int(value) => write!(out, "{value}"),
            // `{:?}` is the shortest form that reads back as the same number, and keeps `.0`.
            Cell::Float(value) => write!(out, "{value:?}"),
            Cell::Number(text) | Cell::Nested(text) | Cell::Other(text) => out.write_str(text),
            Cell::Text(text) => out.write_str(text),
            Cell::Date(days) => match NaiveDate::from_epoch_days(*days) {
                Some(date) => write!(out, "{date:?}"),
                None => write!(out, "{days}"),
            },
            Cell::Timestamp(micros) => match DateTime::from_timestamp(micros.div_euclid(1_000_000), 0) {
                Some(second) => {
                    // `{:?}` is ISO 8601, and many times faster than a pattern.
                    write!(out, "{:?}", second.naive_utc())?;
                    match micros.rem_euclid(1_000_000) {
                        0 => Ok(()),
                        fraction => write!(out, ".{fraction:06}"),
                    }
                }
                // Beyond the year 262,142.
                None => write!(out, "{micros}"),
            },
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::sink::tests::odd_types;

    #[test]
    fn plain_forms() {
        let plain = |cell: Cell| cell.to_string();
        assert_eq!(plain(Cell::Float(2.0)), "2.0");
        assert_eq!(plain(Cell::Float(0.1 + 0.2)), "0.30000000000000004");
        assert_eq!(plain(Cell::Float(f64::NAN)), "NaN");
        assert_eq!(plain(Cell::Float(f64::NEG_INFINITY)), "-inf");
        assert_eq!(plain(Cell::Date(20_157)), "2025-03-10");
        assert_eq!(plain(Cell::Timestamp(-1)), "1969-12-31T23:59:59.999999");
        assert_eq!(plain(Cell::Timestamp(0)), "1970-01-01T00:00:00");
        assert_eq!(plain(Cell::Timestamp(i64::MAX)), i64::MAX.to_string());
        assert_eq!(plain(Cell::Date(i32::MIN)), i32::MIN.to_string());
    }

    #[test]
    fn every_odd_type_has_a_text_form() {
        let frame = odd_types();
        let mut columns = columns(&frame).unwrap();
        let mut row = || columns.iter_mut().map(|cells| cells.next().unwrap()).collect::<Vec<_>>();
        let texts: Vec<_> = row().iter().map(Cell::to_string).collect();
        assert_eq!(
            texts,
            [
                "18446744073709551615",
                "7",
                "0.1",
                "1h 2m 3s 4ms",
                "1970-01-01T01:02:03.004000",
                "1970-01-01T01:02:03.004000Z",
                "00:00:00.003723004",
                "1.50",
                "a\u{fffd}",
                "",
                r#"["=1","b\"c"]"#,
                r#"{"a":1,"b":"x"}"#,
            ]
        );
        // A struct of nulls is how Polars' frames may give a null struct.
        assert!(row().iter().all(|cell| matches!(cell, Cell::Null | Cell::Nested(_))));
    }

    #[test]
    fn wide_integers_are_whole_numbers_where_they_fit() {
        let kind_of = |values: &[u64]| kind(&Series::from_iter(values.iter().copied())).unwrap();
        assert_eq!(kind_of(&[1, i64::MAX as u64]), Kind::Int);
        assert_eq!(kind_of(&[1, u64::MAX]), Kind::Number);
    }
}
