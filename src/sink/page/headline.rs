//! The numbers at the head of a page: each a total of a result, as a line of its report's header says it.

use polars::prelude::{DataFrame, PolarsResult};

use crate::error::Error;
use crate::sink::cells::{Cell, Kind, cells, kind};
use crate::sink::readable::readable;

/// A number that sums a result up, and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headline {
    /// What it is.
    pub label: String,
    of: Of,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Of {
    Sum(String),
    Share(String, String),
    Last(String),
}

impl Headline {
    /// Reads `LABEL = COLUMN` (the sum of its numbers), `LABEL = COLUMN / COLUMN` (one sum as a share of another) or
    /// `LABEL = last COLUMN` (what stands in the last row); several with commas between them.
    ///
    /// # Errors
    /// [`Error::Query`] for anything else.
    pub fn parse_all(text: &str) -> Result<Vec<Headline>, Error> {
        let parse = |part: &str| {
            let (label, of) = part.split_once('=')?;
            let of = match of.split_whitespace().collect::<Vec<_>>()[..] {
                [column] => Of::Sum(column.into()),
                ["last", column] => Of::Last(column.into()),
                [part, "/", whole] => Of::Share(part.into(), whole.into()),
                _ => return None,
            };
            Some(Headline { label: label.trim().into(), of })
        };
        text.split(',').map(parse).collect::<Option<_>>().ok_or_else(|| {
            Error::Query(format!(
                "'{text}' is no headline: write 'Label = column', 'Label = column / column' or 'Label = last column'"
            ))
        })
    }

    /// The columns that it is made of.
    pub fn columns(&self) -> Vec<&str> {
        match &self.of {
            Of::Sum(column) | Of::Last(column) => vec![column],
            Of::Share(part, whole) => vec![part, whole],
        }
    }

    /// The number itself; none where there is none to say.
    ///
    /// # Errors
    /// Polars' own, where there is no such column.
    pub fn number(&self, frame: &DataFrame) -> PolarsResult<Option<f64>> {
        Ok(match &self.of {
            Of::Sum(name) => Some(sum(frame, name)?),
            Of::Share(part, whole) => {
                let (part, whole) = (sum(frame, part)?, sum(frame, whole)?);
                (whole > 0.0).then(|| part / whole)
            }
            Of::Last(name) => {
                let last = cells(frame.column(name)?.as_materialized_series())?.last();
                last.as_ref().and_then(as_number)
            }
        })
    }

    /// The number as people read it; none where there is nothing to say.
    ///
    /// # Errors
    /// Polars' own, where there is no such column.
    pub fn value(&self, frame: &DataFrame) -> PolarsResult<Option<String>> {
        Ok(match &self.of {
            Of::Sum(name) => {
                let column = frame.column(name)?;
                let sum = sum(frame, name)?;
                let whole = kind(column.as_materialized_series())? == Kind::Int;
                readable(column)?.show(if whole { Cell::Int(sum as i64) } else { Cell::Float(sum) })
            }
            Of::Share(part, whole) => {
                let (part, whole) = (sum(frame, part)?, sum(frame, whole)?);
                (whole > 0.0).then(|| format!("{:.1} %", part / whole * 100.0))
            }
            Of::Last(name) => readable(frame.column(name)?)?.last().flatten(),
        })
    }
}

/// The sum of a column's numbers.
fn sum(frame: &DataFrame, name: &str) -> PolarsResult<f64> {
    let cells = cells(frame.column(name)?.as_materialized_series())?;
    // The sum of nothing is -0.
    Ok(cells.filter_map(|cell| as_number(&cell)).sum::<f64>() + 0.0)
}

fn as_number(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Int(value) => Some(*value as f64),
        Cell::Float(value) => Some(*value).filter(|value| value.is_finite()),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use polars::prelude::*;

    use super::*;

    #[test]
    fn a_headline_is_a_total() {
        let frame = df!(
            "views" => [Some(1200i64), None, Some(34)], "failed" => [12i64, 0, 0], "conversion" => [Some(1.0), None, Some(0.064)]
        )
        .unwrap();
        let value = |text: &str, frame: &DataFrame| {
            let headlines = Headline::parse_all(text).unwrap();
            headlines.iter().map(|headline| headline.value(frame).unwrap()).collect::<Vec<_>>()
        };
        let all = "Views = views, Failed = failed / views,Bought = last conversion";
        assert_eq!(Headline::parse_all(all).unwrap()[1].label, "Failed");
        assert_eq!(value(all, &frame), [Some("1,234".into()), Some("1.0 %".into()), Some("6.4 %".into())]);
        assert_eq!(value(all, &frame.head(Some(0))), [Some("0".into()), None, None]);
        let numbers = |frame: &DataFrame| {
            let headlines = Headline::parse_all(all).unwrap();
            headlines.iter().map(|headline| headline.number(frame).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(numbers(&frame), [Some(1234.0), Some(12.0 / 1234.0), Some(0.064)]);
        assert_eq!(numbers(&frame.head(Some(0))), [Some(0.0), None, None]);
        for wrong in ["", "Views", "Views =", "Views = a b", "Views = a * b", "Views = a,"] {
            assert!(Headline::parse_all(wrong).is_err(), "{wrong}");
        }
    }
}
