//! A chart: which kind, of which columns, as one line of words says it; and the way to each kind's picture.
//! Knows no report: the words come from a header or from a user.

mod bar;
mod funnel;
mod heatmap;
mod line;
pub(super) mod paint;
pub(super) mod points;
pub(super) mod timeline;

use std::io::{self, Write};

use polars::prelude::{DataFrame, PolarsResult};

use super::cells::{self, kind};
use super::readable::{footer, visible};
use super::{About, Style};
use crate::error::{Error, did_you_mean};
use paint::{Ink, Line};

/// Columns of a picture where no terminal says how wide it is.
const WIDTH: u16 = 80;

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A bar a row.
    Bar,
    /// A column a stretch of time, side by side from the first to the last.
    Line,
    /// A shade a cell.
    Heatmap,
    /// Bars that get narrower, each a part of the first.
    Funnel,
}

/// A kind of picture and the columns of a result that it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chart {
    /// What is drawn.
    pub kind: Kind,
    /// What the values are of: labels of bars, a time (or a date and an hour), row and column of a heat map, names of steps.
    pub axis: Vec<String>,
    /// The column of the values.
    pub value: String,
    /// The columns whose every value has bars or a time line of its own.
    pub series: Vec<String>,
}

impl Chart {
    /// Reads `KIND AXIS… VALUE` with `by SERIES…` behind or not:
    ///
    /// ```text
    /// bar LABEL… VALUE [by SERIES…]
    /// line TIME VALUE [by SERIES…]
    /// line DATE HOUR VALUE [by SERIES…]
    /// heatmap ROW COLUMN VALUE
    /// funnel NAME VALUE
    /// ```
    ///
    /// # Errors
    /// [`Error::Usage`] for anything else.
    pub fn parse(text: &str) -> Result<Chart, Error> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let parts: Vec<&[&str]> = words.split(|&word| word == "by").collect();
        let owned = |columns: &[&str]| columns.iter().map(|&column| column.to_owned()).collect::<Vec<_>>();
        let read = || {
            let (named, series) = match parts[..] {
                [named] => (named, &[][..]),
                [named, series @ [_, ..]] => (named, series),
                _ => return None,
            };
            let (kind, named) = named.split_first()?;
            let (value, axis) = named.split_last()?;
            let (kind, columns, has_series) = match *kind {
                "bar" => (Kind::Bar, 1..=usize::MAX, true),
                "line" => (Kind::Line, 1..=2, true),
                "heatmap" => (Kind::Heatmap, 2..=2, false),
                "funnel" => (Kind::Funnel, 1..=1, false),
                _ => return None,
            };
            let fits = columns.contains(&axis.len()) && (has_series || series.is_empty());
            fits.then(|| Chart { kind, axis: owned(axis), value: (*value).to_owned(), series: owned(series) })
        };
        read().ok_or_else(|| {
            Error::Usage(format!(
                "'{text}' is no chart: write 'bar LABEL VALUE', 'line TIME VALUE', 'line DATE HOUR VALUE' (each of them also with \
                 'by COLUMN' behind), 'heatmap ROW COLUMN VALUE' or 'funnel NAME VALUE', with columns of the result"
            ))
        })
    }

    /// The columns that are shown.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.axis.iter().chain([&self.value]).chain(&self.series).map(String::as_str)
    }

    /// The columns that the values are by.
    pub fn by(&self) -> Vec<&str> {
        self.axis.iter().chain(&self.series).map(String::as_str).collect()
    }

    /// Whether a result can be drawn so: it has the columns, its values are numbers, and a time line has times.
    ///
    /// # Errors
    /// [`Error::Usage`] with what is wrong.
    pub fn check(&self, frame: &DataFrame) -> Result<(), Error> {
        let names: Vec<&str> = frame.get_column_names().iter().map(|name| name.as_str()).collect();
        let kind_of = |name: &str| {
            let column = frame.column(name).map_err(|_| {
                let near = did_you_mean(name, names.iter().copied());
                let all = names.join(", ");
                Error::Usage(format!(
                    "the chart is of a column '{name}', and the result has none{near}; it has: {all}"
                ))
            })?;
            kind(column.as_materialized_series()).map_err(|error| Error::Query(error.to_string()))
        };
        let kinds =
            self.columns().map(|name| Ok((name, kind_of(name)?))).collect::<Result<Vec<_>, Error>>()?;
        let number = |kind| matches!(kind, cells::Kind::Int | cells::Kind::Float | cells::Kind::Number);
        let wrong = |name: &str, what: &str| {
            Err(Error::Usage(format!("the column '{name}' cannot be drawn: {what}")))
        };
        let (value, value_kind) = kinds[self.axis.len()];
        if !number(value_kind) {
            return wrong(value, "the values of a chart are numbers");
        }
        match (self.kind, &kinds[..self.axis.len()]) {
            (Kind::Line, [(_, cells::Kind::Date), (_, cells::Kind::Int)])
            | (Kind::Line, [(_, cells::Kind::Date | cells::Kind::Timestamp)]) => Ok(()),
            (Kind::Line, [(name, _), ..]) => {
                wrong(name, "a time line is over one timestamp or date, or over a date and an hour")
            }
            _ => Ok(()),
        }
    }
}

/// Draws what `about` names as the chart of `frame`, with a line above it that says what is drawn and the table's lines
/// under it. No line is wider than the terminal.
pub fn write(frame: &DataFrame, about: &About, style: &Style, out: &mut impl Write) -> io::Result<()> {
    let width = usize::from(style.width.unwrap_or(WIDTH));
    let mut lines = match &about.chart {
        Some(chart) if frame.height() > 0 => draw(chart, frame, width).map_err(io::Error::other)?,
        _ => Vec::new(),
    };
    lines.extend(
        footer(frame.height(), about).iter().flat_map(|line| paint::wrapped(line, width)).map(Line::plain),
    );
    for line in lines {
        line.write(style, width, out)?;
    }
    Ok(())
}

fn draw(chart: &Chart, frame: &DataFrame, width: usize) -> PolarsResult<Vec<Line>> {
    let title = visible(&format!("{} by {}", chart.value, chart.by().join(", "))).into_owned();
    let mut lines = vec![Line::new(Ink::Title, title)];
    lines.extend(match chart.kind {
        Kind::Bar => bar::draw(chart, frame, width),
        Kind::Line => line::draw(chart, frame, width),
        Kind::Heatmap => heatmap::draw(chart, frame, width),
        Kind::Funnel => funnel::draw(chart, frame, width),
    }?);
    Ok(lines)
}
