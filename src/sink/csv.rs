//! CSV and TSV: one line a row, one writer for both. Text from a log must not become a formula in a
//! spreadsheet, whichever of the two it is opened from.

use std::fmt::Write as _;
use std::io::{self, Write};

use polars::prelude::{Column, DataFrame, PolarsResult};

use super::cells::{Cell, Kind, cells, columns, kind};

/// How cells are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// CSV: commas; quotes around text that needs them.
    Commas,
    /// TSV: tabs; escapes in place of quotes.
    Tabs,
}

/// Writes a header line and a line a row; of a frame without columns, nothing.
pub fn write(frame: &DataFrame, dialect: Dialect, out: &mut impl Write) -> io::Result<()> {
    if frame.width() == 0 {
        return Ok(());
    }
    let separator = match dialect {
        Dialect::Commas => ',',
        Dialect::Tabs => '\t',
    };
    let mut line = String::new();
    for name in frame.columns().iter().map(|column| column.name()) {
        push_text(name, dialect, &mut line);
        line.push(separator);
    }
    end_line(&mut line, out)?;
    let fractions: PolarsResult<Vec<bool>> = frame.columns().iter().map(has_fractions).collect();
    let fractions = fractions.map_err(io::Error::other)?;
    let mut columns = columns(frame).map_err(io::Error::other)?;
    // Readers pass over empty lines.
    let is_alone = columns.len() == 1 && dialect == Dialect::Commas;
    for _ in 0..frame.height() {
        for (cells, fractions) in columns.iter_mut().zip(&fractions) {
            match cells.next().unwrap_or(Cell::Null) {
                Cell::Null if is_alone => line.push_str("\"\""),
                // Readers that learn the form of times from the first ones take no other.
                cell @ Cell::Timestamp(_) if *fractions && !cell.is_fractional() => {
                    let _ = write!(line, "{cell}.000000");
                }
                Cell::Text(text) => push_text(&text, dialect, &mut line),
                // Of our own making, so never a formula; but quotes and commas may be in it.
                Cell::Nested(text) | Cell::Other(text) => push_safe(&text, dialect, &mut line),
                cell => {
                    let _ = write!(line, "{cell}");
                }
            }
            line.push(separator);
        }
        end_line(&mut line, out)?;
    }
    Ok(())
}

/// Whether this is a column of times, of which some have parts of a second.
fn has_fractions(column: &Column) -> PolarsResult<bool> {
    let series = column.as_materialized_series();
    Ok(kind(series)? == Kind::Timestamp && cells(series)?.any(|cell| cell.is_fractional()))
}

/// Turns the separator after the last cell into the line's end.
fn end_line(line: &mut String, out: &mut impl Write) -> io::Result<()> {
    line.pop();
    line.push('\n');
    out.write_all(line.as_bytes())?;
    line.clear();
    Ok(())
}

/// Text from outside: a leading `'` keeps spreadsheets from running it (OWASP: CSV injection).
fn push_text(text: &str, dialect: Dialect, line: &mut String) {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        push_safe(&format!("'{text}"), dialect, line);
    } else {
        push_safe(text, dialect, line);
    }
}

fn push_safe(text: &str, dialect: Dialect, line: &mut String) {
    match dialect {
        // Without quotes, an empty cell is null.
        Dialect::Commas if text.is_empty() => line.push_str("\"\""),
        Dialect::Commas if text.bytes().any(|b| b",\"\n\r".contains(&b)) => {
            line.push('"');
            line.push_str(&text.replace('"', "\"\""));
            line.push('"');
        }
        Dialect::Tabs if text.bytes().any(|b| b"\t\n\r\\".contains(&b)) => {
            for c in text.chars() {
                match c {
                    '\t' => line.push_str("\\t"),
                    '\n' => line.push_str("\\n"),
                    '\r' => line.push_str("\\r"),
                    '\\' => line.push_str("\\\\"),
                    c => line.push(c),
                }
            }
        }
        _ => line.push_str(text),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use polars::prelude::*;

    use crate::sink::{
        Format,
        tests::{every_type, odd_types, text},
    };

    #[test]
    fn a_frame_with_every_type() {
        assert_eq!(
            text(Format::Csv, &every_type()),
            "product_id,views,share,seconds,name,paired,day,at\n\
             1204,1204,0.1234,2.0,\"김치 \"\"A\"\"\",true,2025-03-10,2025-03-10T01:05:44.107627\n\
             ,,,,,,,\n"
        );
        assert_eq!(
            text(Format::Tsv, &every_type()).lines().nth(1).unwrap(),
            "1204\t1204\t0.1234\t2.0\t김치 \"A\"\ttrue\t2025-03-10\t2025-03-10T01:05:44.107627"
        );
    }

    #[test]
    fn every_row_is_a_line_and_every_time_of_one_form() {
        let alone = df!("user_id" => [Some(7i64), None]).unwrap();
        assert_eq!(text(Format::Csv, &alone), "user_id\n7\n\"\"\n");
        let times = |micros: [Option<i64>; 3]| {
            let times = Int64Chunked::from_iter_options("at".into(), micros.into_iter());
            let times = times.into_datetime(TimeUnit::Microseconds, None).into_column();
            DataFrame::new(3, vec![times, Column::new("n".into(), [1i64, 2, 3])]).unwrap()
        };
        let parts = times([None, Some(0), Some(1)]);
        assert_eq!(
            text(Format::Csv, &parts),
            "at,n\n,1\n1970-01-01T00:00:00.000000,2\n1970-01-01T00:00:00.000001,3\n"
        );
        let whole = times([Some(0), None, Some(-1_000_000)]);
        assert_eq!(text(Format::Tsv, &whole), "at\tn\n1970-01-01T00:00:00\t1\n\t2\n1969-12-31T23:59:59\t3\n");
    }

    #[test]
    fn hostile_text_is_neither_a_formula_nor_a_new_cell() {
        let frame = df!(
            "text" => [Some("=1+1"), Some("@SUM(A1)"), Some("-2"), Some("\t=1"), Some("\r"), Some("a,b\n\"c\""), Some(""), None],
            "number" => [-1i64, -2, -3, -4, -5, -6, -7, -8]
        )
        .unwrap();
        assert_eq!(
            text(Format::Csv, &frame),
            "text,number\n'=1+1,-1\n'@SUM(A1),-2\n'-2,-3\n'\t=1,-4\n\"'\r\",-5\n\"a,b\n\"\"c\"\"\",-6\n\"\",-7\n,-8\n"
        );
        assert_eq!(
            text(Format::Tsv, &frame),
            "text\tnumber\n'=1+1\t-1\n'@SUM(A1)\t-2\n'-2\t-3\n'\\t=1\t-4\n'\\r\t-5\na,b\\n\"c\"\t-6\n\t-7\n\t-8\n"
        );
    }

    #[test]
    fn lists_are_quoted_and_decimals_are_numbers() {
        let csv = text(Format::Csv, &odd_types());
        assert!(csv.contains(r#","[""=1"",""b\""c""]","{""a"":1"#), "{csv}");
        assert!(csv.contains(",1.50,"), "{csv}");
    }

    #[test]
    fn no_rows_leave_the_header_and_no_columns_leave_nothing() {
        assert_eq!(text(Format::Csv, &every_type().select(["day"]).unwrap().head(Some(0))), "day\n");
        assert_eq!(text(Format::Csv, &DataFrame::empty()), "");
    }
}
