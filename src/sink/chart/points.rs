//! What a chart is drawn from: the cells of its columns as numbers, labels, times and places of a grid, each with the text
//! that a table shows for it. Knows nothing of pictures.

use std::collections::{HashMap, HashSet};

use polars::prelude::{DataFrame, PolarsResult, Series};
use unicode_width::UnicodeWidthStr;

use super::Chart;
use super::paint::widest;
use super::timeline::DAY;
use crate::sink::cells::{Cell, Kind, cells, kind};
use crate::sink::moment::{Shown, moment};
use crate::sink::readable::{Readable, readable};

/// What stands for null.
const NONE: &str = "–";

/// Days a week has, from Monday.
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// A column of numbers.
pub struct Values<'a> {
    /// The numbers; none for null and for what has no size (NaN, infinity).
    pub numbers: Vec<Option<f64>>,
    /// What the table shows.
    pub texts: Vec<String>,
    /// Whether they are fractions that read as per cent.
    pub share: bool,
    whole: bool,
    form: Readable<'a>,
}

impl Values<'_> {
    /// What the table would show for this number; of a column of whole numbers, the whole number below.
    pub fn show(&self, number: f64) -> String {
        let cell = if self.whole { Cell::Int(number.floor() as i64) } else { Cell::Float(number) };
        self.form.show(cell).unwrap_or_default()
    }
}

fn series<'a>(frame: &'a DataFrame, name: &str) -> PolarsResult<&'a Series> {
    Ok(frame.column(name)?.as_materialized_series())
}

/// The numbers of a chart's values.
///
/// # Errors
/// Polars' own, where there is no such column.
pub fn values<'a>(chart: &Chart, frame: &'a DataFrame) -> PolarsResult<Values<'a>> {
    let column = frame.column(&chart.value)?;
    let number = |cell: Cell| match cell {
        Cell::Int(value) => Some(value as f64),
        Cell::Float(value) => Some(value),
        Cell::Number(digits) => digits.parse().ok(),
        _ => None,
    };
    let series = column.as_materialized_series();
    let form = readable(column)?;
    Ok(Values {
        share: form.is_share(),
        numbers: cells(series)?.map(|cell| number(cell).filter(|number| number.is_finite())).collect(),
        texts: readable(column)?.map(|text| text.unwrap_or_else(|| NONE.into())).collect(),
        whole: kind(series)? == Kind::Int,
        form,
    })
}

/// The labels of a column's cells, with the place of each in the order of numbers and times where it has one.
fn labels(frame: &DataFrame, name: &str) -> PolarsResult<Vec<(Option<i64>, String)>> {
    let column = frame.column(name)?;
    let order = |cell: Cell| match cell {
        Cell::Int(value) | Cell::Timestamp(value) => Some(value),
        Cell::Date(days) => Some(days.into()),
        _ => None,
    };
    let series = column.as_materialized_series();
    let is_day =
        |cell: Cell| matches!(cell, Cell::Null) || matches!(cell, Cell::Timestamp(time) if time % DAY == 0);
    let days = cells(series)?.all(is_day);
    let label = |(cell, text): (Cell, Option<String>)| {
        let place = order(cell);
        let known = match place {
            // The midnights would say nothing.
            Some(time) if days => Some(moment(time, Shown::Day)),
            place => weekday(name, place).map(str::to_owned),
        };
        (place, known.or(text).unwrap_or_else(|| NONE.into()))
    };
    Ok(cells(series)?.zip(readable(column)?).map(label).collect())
}

/// The day that a number means in a column of weekdays.
fn weekday(name: &str, number: Option<i64>) -> Option<&'static str> {
    let day = usize::try_from(number?).ok().filter(|_| name == "weekday")?;
    WEEKDAYS.get(day.checked_sub(1)?).copied()
}

/// A label for each row: its cells in these columns, one behind the other; `aligned`: each column as wide as its
/// widest cell.
///
/// # Errors
/// Polars' own, where there is no such column.
pub fn row_labels(columns: &[&str], frame: &DataFrame, aligned: bool) -> PolarsResult<Vec<String>> {
    let mut rows = vec![String::new(); frame.height()];
    for (at, name) in columns.iter().enumerate() {
        let labels = labels(frame, name)?;
        let width = if aligned { widest(labels.iter().map(|(_, label)| label.as_str())) } else { 0 };
        let numbers = columns.len() > 1 && readable(frame.column(name)?)?.right;
        for (row, (_, label)) in rows.iter_mut().zip(&labels) {
            let pad = " ".repeat(width.saturating_sub(label.width()));
            let (before, behind) = if numbers { (pad.as_str(), "") } else { ("", pad.as_str()) };
            row.extend([if at > 0 { "  " } else { "" }, before, label, behind]);
        }
    }
    rows.iter_mut().for_each(|row| row.truncate(row.trim_end().len()));
    Ok(rows)
}

/// Values in rows and columns.
pub struct Grid {
    /// The labels at the left.
    pub rows: Vec<String>,
    /// The labels above.
    pub columns: Vec<String>,
    /// Of a row and a column that have one: the row of the result that says the value.
    pub cells: HashMap<(usize, usize), usize>,
}

impl Grid {
    /// The places of a result's rows. Whole numbers, dates and times are sorted, and between the least and the greatest
    /// number none is left out (weekdays are seven, hours of the day 24); anything else stands in the order of the result.
    ///
    /// # Errors
    /// Polars' own, where there is no such column.
    pub fn of(chart: &Chart, frame: &DataFrame) -> PolarsResult<Grid> {
        let (rows, row_of) = ticks(frame, &chart.axis[0])?;
        let (columns, column_of) = ticks(frame, &chart.axis[1])?;
        let cells = row_of.into_iter().zip(column_of).enumerate().map(|(row, place)| (place, row)).collect();
        Ok(Grid { rows, columns, cells })
    }
}

/// The different labels of a column, in order, and which of them each row has.
fn ticks(frame: &DataFrame, name: &str) -> PolarsResult<(Vec<String>, Vec<usize>)> {
    /// More numbers than this between the least and the greatest are not all shown.
    const MOST: i64 = 100;
    let of_rows = labels(frame, name)?;
    let mut seen = HashSet::new();
    let mut all: Vec<_> = of_rows.iter().filter(|label| seen.insert(*label)).cloned().collect();
    let form = readable(frame.column(name)?)?;
    let numbers = || all.iter().filter_map(|label| label.0);
    if let (Some(least), Some(most), Kind::Int) =
        (numbers().min(), numbers().max(), kind(series(frame, name)?)?)
    {
        let (least, most) = match name {
            "weekday" => (least.min(1), most.max(7)),
            "hour" => (least.min(0), most.max(23)),
            _ => (least, most),
        };
        if most.checked_sub(least).is_some_and(|range| range <= MOST) {
            let nulls = all.iter().find(|label| label.0.is_none()).cloned();
            let text = |number| {
                weekday(name, Some(number)).map(str::to_owned).or_else(|| form.show(Cell::Int(number)))
            };
            let numbers = least..=most;
            all =
                numbers.map(|number| (Some(number), text(number).unwrap_or_default())).chain(nulls).collect();
        }
    }
    all.sort_by_key(|label| (label.0.is_none(), label.0));
    let places: HashMap<_, _> = all.iter().zip(0..).collect();
    let of_rows = of_rows.iter().map(|label| places.get(label).copied().unwrap_or_default()).collect();
    Ok((all.into_iter().map(|label| label.1).collect(), of_rows))
}
