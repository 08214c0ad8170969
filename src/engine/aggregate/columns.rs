//! The columns of groups: by which they are made, and what is counted of each. Knows no SQL but the text of an aggregate.

use super::MOST_GROUPS;
use polars::prelude::*;
use polars_arrow::bitmap::Bitmap;
use std::ops::Range;

/// A sum, or what is least or greatest of the values so far, of which `sum` is the number then.
#[derive(Debug, Clone, Copy)]
pub struct Cell {
    pub sum: i64,
    pub least: i64,
    pub greatest: i64,
}

/// A column that groups are made by. A null has a place behind all values.
pub struct Key {
    values: Values,
    valid: Option<Bitmap>,
    /// How many values it can have, without null.
    count: usize,
    /// The value of the first place.
    least: i64,
    kind: DataType,
}

/// The values of a column.
enum Values {
    Codes(UInt32Chunked),
    Integers(Int64Chunked),
    Days(Int32Chunked),
}

impl Key {
    pub fn of(column: &Column) -> Option<Key> {
        let series = column.as_materialized_series().rechunk();
        let kind = series.dtype().clone();
        let physical = series.to_physical_repr();
        let (values, least, count) = match &kind {
            DataType::Categorical(_, mapping) => {
                (Values::Codes(physical.u32().ok()?.clone()), 0, mapping.num_cats_upper_bound())
            }
            DataType::Int64 => {
                let values = physical.i64().ok()?;
                let (least, count) = span(values.min(), values.max())?;
                (Values::Integers(values.clone()), least, count)
            }
            DataType::Date => {
                let values = physical.i32().ok()?;
                let (least, count) = span(values.min().map(i64::from), values.max().map(i64::from))?;
                (Values::Days(values.clone()), least, count)
            }
            _ => return None,
        };
        let valid = series.chunks().first().and_then(|chunk| chunk.validity().cloned());
        Some(Key { values, valid, count, least, kind })
    }

    /// How many places it has.
    pub fn values(&self) -> usize {
        self.count + 1
    }

    /// Adds to the numbers of these rows the place of each row's value, times `each`.
    pub fn number(&self, rows: Range<usize>, each: u32, numbers: &mut [u32]) {
        let least = self.least;
        match &self.values {
            Values::Codes(codes) => self.add(slice(codes, &rows), rows, each, numbers, |code| code),
            Values::Integers(values) => {
                self.add(slice(values, &rows), rows, each, numbers, |value| (value - least) as u32);
            }
            Values::Days(days) => {
                self.add(slice(days, &rows), rows, each, numbers, |day| (i64::from(day) - least) as u32);
            }
        }
    }

    fn add<T: Copy>(
        &self,
        values: &[T],
        rows: Range<usize>,
        each: u32,
        numbers: &mut [u32],
        place: impl Fn(T) -> u32,
    ) {
        let Some(valid) = &self.valid else {
            return numbers
                .iter_mut()
                .zip(values)
                .for_each(|(number, &value)| *number += place(value) * each);
        };
        for ((number, &value), row) in numbers.iter_mut().zip(values).zip(rows) {
            // What stands behind a null may be anything.
            *number += each * if valid.get_bit(row) { place(value) } else { self.count as u32 };
        }
    }

    /// The values of these places.
    pub fn column(&self, name: PlSmallStr, places: Vec<usize>) -> Column {
        let value = |&place: &usize| (place < self.count).then(|| self.least + place as i64);
        let values = places.iter().map(value);
        match &self.kind {
            DataType::Categorical(_, mapping) => {
                let texts = values.map(|value| mapping.cat_to_str(value? as u32));
                StringChunked::from_iter_options(name, texts).into_column()
            }
            DataType::Date => {
                let days = values.map(|value| value.map(|value| value as i32));
                Int32Chunked::from_iter_options(name, days).into_date().into_column()
            }
            _ => Int64Chunked::from_iter_options(name, values).into_column(),
        }
    }
}

/// The least value and how many there are up to the greatest, if these are not too many.
fn span(least: Option<i64>, greatest: Option<i64>) -> Option<(i64, usize)> {
    let (Some(least), Some(greatest)) = (least, greatest) else { return Some((0, 0)) };
    let count = usize::try_from(greatest.checked_sub(least)?).ok()? + 1;
    (count < MOST_GROUPS).then_some((least, count))
}

/// The values in these rows of a column of one piece, with what stands behind nulls.
fn slice<'a, T: PolarsNumericType>(values: &'a ChunkedArray<T>, rows: &Range<usize>) -> &'a [T::Native] {
    values.downcast_iter().next().map_or(&[], |values| &values.values()[rows.clone()])
}

/// An aggregate of a column.
pub enum Aggregate {
    /// `COUNT(*)`
    Count,
    /// `SUM(CAST(column AS BIGINT))` of truth values without null, or with NOT before the column.
    Trues(Bitmap, bool),
    /// `MIN(column)` or `MAX(column)` of times and integers.
    Least(Series),
    Greatest(Series),
}

impl Aggregate {
    pub fn of(text: &str, rows: &DataFrame) -> Option<Aggregate> {
        let (function, argument) = text.strip_suffix(')')?.split_once('(')?;
        let series = |name: &str| Some(rows.column(name).ok()?.as_materialized_series().rechunk());
        match (function.to_ascii_uppercase().as_str(), argument) {
            ("COUNT", "*") => Some(Aggregate::Count),
            ("SUM", _) => {
                let truth = argument.strip_prefix("CAST(")?.strip_suffix(" AS BIGINT)")?;
                let (name, is_not) = truth.strip_prefix("NOT ").map_or((truth, false), |name| (name, true));
                let truths = series(name)?;
                let truths = truths.bool().ok().filter(|truths| truths.null_count() == 0)?;
                let bits = truths.downcast_iter().next()?.values().clone();
                Some(Aggregate::Trues(bits, is_not))
            }
            ("MIN", name) => ordered(series(name)?).map(Aggregate::Least),
            ("MAX", name) => ordered(series(name)?).map(Aggregate::Greatest),
            _ => None,
        }
    }

    /// What makes one of those of several pieces.
    pub fn together(&self) -> fn(Expr) -> Expr {
        match self {
            Aggregate::Count | Aggregate::Trues(..) => Expr::sum,
            Aggregate::Least(_) => Expr::min,
            Aggregate::Greatest(_) => Expr::max,
        }
    }

    pub fn nothing(&self) -> Cell {
        Cell { sum: 0, least: i64::MAX, greatest: i64::MIN }
    }

    pub fn take(&self, rows: Range<usize>, numbers: &[u32], cells: &mut [Cell]) {
        match self {
            Aggregate::Count => {}
            Aggregate::Trues(bits, is_not) => {
                for (&number, row) in numbers.iter().zip(rows) {
                    cells[number as usize].sum += i64::from(bits.get_bit(row) != *is_not);
                }
            }
            Aggregate::Least(series) => each(series, rows, numbers, |number, value| {
                let cell = &mut cells[number as usize];
                (cell.sum, cell.least) = (cell.sum + 1, cell.least.min(value));
            }),
            Aggregate::Greatest(series) => each(series, rows, numbers, |number, value| {
                let cell = &mut cells[number as usize];
                (cell.sum, cell.greatest) = (cell.sum + 1, cell.greatest.max(value));
            }),
        }
    }

    pub fn column(&self, name: PlSmallStr, groups: &[usize], counts: &[u32], cells: &[Cell]) -> Column {
        let cells = groups.iter().map(|&group| cells[group]);
        match self {
            Aggregate::Count => {
                UInt32Chunked::from_iter_values(name, groups.iter().map(|&group| counts[group])).into_column()
            }
            Aggregate::Trues(..) => {
                Int64Chunked::from_iter_values(name, cells.map(|cell| cell.sum)).into_column()
            }
            Aggregate::Least(series) => {
                as_kind(series, name, cells.map(|cell| (cell.sum > 0).then_some(cell.least)))
            }
            Aggregate::Greatest(series) => {
                as_kind(series, name, cells.map(|cell| (cell.sum > 0).then_some(cell.greatest)))
            }
        }
    }
}

/// The column, if its values can be compared as integers of 64 bits.
fn ordered(series: Series) -> Option<Series> {
    matches!(series.dtype(), DataType::Int64 | DataType::Datetime(TimeUnit::Microseconds, None))
        .then_some(series)
}

/// The values of these rows that are not null, each with its row's number.
fn each(series: &Series, rows: Range<usize>, numbers: &[u32], mut found: impl FnMut(u32, i64)) {
    let physical = series.to_physical_repr();
    let Ok(values) = physical.i64() else { return };
    let valid = series.chunks().first().and_then(|chunk| chunk.validity());
    for ((&number, &value), row) in numbers.iter().zip(slice(values, &rows)).zip(rows) {
        if valid.is_none_or(|valid| valid.get_bit(row)) {
            found(number, value);
        }
    }
}

fn as_kind(series: &Series, name: PlSmallStr, values: impl Iterator<Item = Option<i64>>) -> Column {
    let values = Int64Chunked::from_iter_options(name, values);
    match series.dtype() {
        DataType::Datetime(unit, zone) => values.into_datetime(*unit, zone.clone()).into_column(),
        _ => values.into_column(),
    }
}
