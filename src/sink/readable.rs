//! What people see in a table: numbers, times and hostile text as words, and the lines under the table.
//! Terminal and Markdown tables share it; it knows neither.

use std::borrow::Cow;

use polars::prelude::{Column, DataFrame, PolarsResult};

use super::About;
use super::cells::{Cell, Cells, Kind, cells, kind};
use super::moment::{Shown, moment};

/// A column as people read it.
pub struct Readable<'a> {
    /// The name above it, safe to show.
    pub name: String,
    /// Whether it holds numbers, which line up on the right.
    pub right: bool,
    /// Whether a part of a cell says nothing: of numbers, dates and times.
    pub whole: bool,
    form: Form,
    cells: Cells<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As in machine formats.
    Plain,
    /// Thousands separators.
    Grouped,
    /// A fraction as per cent.
    Percent,
    /// A floating point number in a few digits.
    Short,
    /// A time to the second.
    Seconds,
    /// A time to the millisecond.
    Milliseconds,
}

/// Whether the numbers of a column say which, not how many: they have no thousands.
fn is_label(name: &str) -> bool {
    const LABELS: [&str; 8] = ["product", "category", "hour", "weekday", "step", "status", "cohort", "year"];
    LABELS.contains(&name) || ["_id", "_status", "_hour"].iter().any(|ending| name.ends_with(ending))
}

/// Whether the numbers of a column are fractions that read best as per cent.
fn is_share(name: &str) -> bool {
    const ENDINGS: [&str; 5] = ["conversion", "retention", "_rate", "_to_cart", "share"];
    name == "rate" || ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Whether the numbers of a column are parts of a whole, and so never more than 1: one view may be followed by several
/// additions to a cart.
pub fn is_part(name: &str) -> bool {
    const ENDINGS: [&str; 6] = ["conversion", "retention", "share", "error_rate", "bounce_rate", "exit_rate"];
    ENDINGS.iter().any(|ending| name.ends_with(ending))
}

fn form(name: &str, kind: Kind, mut cells: Cells<'_>) -> Form {
    match kind {
        Kind::Int | Kind::Number if is_label(name) => Form::Plain,
        Kind::Int | Kind::Number => Form::Grouped,
        Kind::Float if is_share(name) => Form::Percent,
        Kind::Float => Form::Short,
        Kind::Timestamp if cells.any(|cell| cell.is_fractional()) => Form::Milliseconds,
        Kind::Timestamp => Form::Seconds,
        Kind::Bool | Kind::Date | Kind::Text => Form::Plain,
    }
}

/// Every column of a frame as people read it.
pub fn columns(frame: &DataFrame) -> PolarsResult<Vec<Readable<'_>>> {
    frame.columns().iter().map(readable).collect()
}

/// A column as people read it.
pub fn readable(column: &Column) -> PolarsResult<Readable<'_>> {
    let series = column.as_materialized_series();
    let kind = kind(series)?;
    Ok(Readable {
        name: visible(column.name()).into_owned(),
        right: matches!(kind, Kind::Int | Kind::Float | Kind::Number),
        whole: !matches!(kind, Kind::Bool | Kind::Text),
        form: form(column.name(), kind, cells(series)?),
        cells: cells(series)?,
    })
}

impl Iterator for Readable<'_> {
    /// A cell, safe to show; none for null.
    type Item = Option<String>;

    fn next(&mut self) -> Option<Option<String>> {
        let cell = self.cells.next()?;
        Some(self.show(cell))
    }
}

impl Readable<'_> {
    /// Whether the column's numbers are fractions, shown as per cent.
    pub fn is_share(&self) -> bool {
        self.form == Form::Percent
    }

    /// What a cell of this column, there or not, looks like; none for null.
    pub fn show(&self, cell: Cell<'_>) -> Option<String> {
        Some(match (cell, self.form) {
            (Cell::Null, _) => return None,
            (Cell::Float(value), Form::Percent) if value.is_finite() => {
                grouped(&format!("{:.1}", value * 100.0)) + " %"
            }
            (Cell::Float(value), Form::Short) => short(value),
            (Cell::Timestamp(micros), Form::Milliseconds) => moment(micros, Shown::Millisecond),
            (Cell::Timestamp(micros), _) => moment(micros, Shown::Second),
            (cell @ (Cell::Int(_) | Cell::Number(_)), Form::Grouped) => grouped(&cell.to_string()),
            (cell, _) => visible(&cell.to_string()).into_owned(),
        })
    }
}

/// Thousands separators between the digits before the point.
pub fn grouped(number: &str) -> String {
    let start = number.find(|c: char| c.is_ascii_digit()).unwrap_or(0);
    let digits = number[start..].bytes().take_while(u8::is_ascii_digit).count();
    let mut text = String::with_capacity(number.len() + digits / 3);
    for (index, c) in number.char_indices() {
        if index > start && index < start + digits && (start + digits - index) % 3 == 0 {
            text.push(',');
        }
        text.push(c);
    }
    text
}

/// Three digits after the point, or below one the first three that say something; no trailing zeros.
fn short(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() || value == 0.0 {
        return if value == 0.0 { "0".into() } else { format!("{value:?}") };
    }
    if !(1e-6..1e15).contains(&size) {
        return format!("{value:.2e}");
    }
    let decimals = if size < 1.0 { 2 - size.log10().floor() as i32 } else { 3 };
    let text = format!("{value:.*}", decimals as usize);
    grouped(text.trim_end_matches('0').trim_end_matches('.'))
}

/// `text` with every character spelt out that a terminal would obey or not show: control characters,
/// escape codes, marks that turn the direction, zero-width and filler characters, line separators.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unseen) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unseen(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown.into()
}

fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{feff}'
            // fillers of the Hangul and Braille blocks
            | '\u{115f}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}'
            // zero width, direction, line and paragraph separators, invisible operators
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            // annotations and tags
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The lines under a table: how many rows it shows, and the notes.
pub fn footer(rows: usize, about: &About) -> Vec<String> {
    let count = match rows {
        _ if rows < about.total_rows => {
            format!("top {} of {}", grouped(&rows.to_string()), grouped(&about.total_rows.to_string()))
        }
        0 => "no rows".to_owned(),
        1 => "1 row".to_owned(),
        _ => format!("{} rows", grouped(&rows.to_string())),
    };
    std::iter::once(count).chain(about.notes.iter().map(|note| visible(note).into_owned())).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use polars::prelude::*;

    use super::*;

    #[test]
    fn hostile_characters_are_spelt_out() {
        assert_eq!(visible("\u{1b}[2J"), "\\u{1b}[2J");
        assert_eq!(visible("a\tb\r\nc\0"), "a\\tb\\r\\nc\\u{0}");
        for c in "\u{7f}\u{9b}\u{61c}\u{200b}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2066}\u{2069}\u{feff}"
            .chars()
        {
            assert_eq!(visible(&format!("<{c}>")), format!("<\\u{{{:x}}}>", u32::from(c)));
        }
        assert!(matches!(visible("김치 ☕ é <b>"), Cow::Borrowed("김치 ☕ é <b>")));
    }

    #[test]
    fn numbers_in_few_digits() {
        for (value, text) in [
            (0.0, "0"),
            (2.0, "2"),
            (-1234.5678, "-1,234.568"),
            (0.5, "0.5"),
            (0.012345, "0.0123"),
            (0.00001234, "0.0000123"),
            (1e-9, "1.00e-9"),
            (1e300, "1.00e300"),
            (0.9999, "1"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(short(value), text);
        }
        for (plain, text) in
            [("0", "0"), ("999", "999"), ("-1204", "-1,204"), ("1234567.891", "1,234,567.891")]
        {
            assert_eq!(grouped(plain), text);
        }
    }

    #[test]
    fn names_decide_how_numbers_read() {
        let shown = |name: &str, values: Series| {
            let frame = DataFrame::new_infer_height(vec![values.with_name(name.into()).into()]).unwrap();
            let cells: Vec<_> = columns(&frame).unwrap().remove(0).collect();
            cells[0].clone().unwrap()
        };
        let whole = || Series::from_iter([1204i64]);
        let part = || Series::from_iter([0.1234]);
        assert_eq!(shown("product_id", whole()), "1204");
        assert_eq!(shown("response_status", whole()), "1204");
        assert_eq!(shown("views", whole()), "1,204");
        assert_eq!(shown("step_conversion", part()), "12.3 %");
        assert_eq!(shown("view_to_cart", part()), "12.3 %");
        assert_eq!(shown("median_seconds", part()), "0.123");
        let times = |values: &[i64]| {
            Series::from_iter(values.iter().copied())
                .cast(&DataType::Datetime(TimeUnit::Microseconds, None))
                .unwrap()
        };
        assert_eq!(shown("at", times(&[1_741_568_744_000_000, 0])), "2025-03-10 01:05:44");
        assert_eq!(shown("at", times(&[1_741_568_744_107_627, 0])), "2025-03-10 01:05:44.107");
        assert_eq!(shown("at", times(&[1_741_568_744_000_000, -1])), "2025-03-10 01:05:44.000");
    }

    #[test]
    fn the_footer_counts() {
        let lines = |rows, total_rows| {
            footer(rows, &About { total_rows, notes: vec!["a\u{1b}b".into()], ..About::default() })
        };
        assert_eq!(lines(10, 1204), ["top 10 of 1,204", "a\\u{1b}b"]);
        assert_eq!(lines(1204, 1204)[0], "1,204 rows");
        assert_eq!(lines(1, 1)[0], "1 row");
        assert_eq!(lines(0, 0)[0], "no rows");
    }
}
