//! A table for a terminal: one line a row, a line under the header, cut to the terminal's width.

use std::io::{self, Write};

use comfy_table::{
    Attribute, CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Row, Table, TableStyle,
};
use polars::prelude::DataFrame;
use unicode_width::UnicodeWidthChar;

use super::readable::{columns, footer};
use super::{About, Style};

/// Spaces between columns.
const GAP: u16 = 2;

/// A text column narrower than this says too little: columns on the right are left out instead.
const NARROW: u16 = 12;

/// The widest cell where no terminal sets a limit: all other rows are padded to it.
const WIDEST: u16 = 10_000;

const LOOK: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─'));

/// Writes the table and the lines under it; of a frame without columns, only those.
pub fn write(frame: &DataFrame, about: &About, style: &Style, out: &mut impl Write) -> io::Result<()> {
    let mut lines = Vec::new();
    if frame.width() > 0 {
        let mut table = table(frame, style)?;
        lines.extend(arrange(&mut table, style));
        for line in table.lines() {
            writeln!(out, "{}", line.trim_end())?;
        }
    }
    lines.splice(0..0, footer(frame.height(), about));
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn table(frame: &DataFrame, style: &Style) -> io::Result<Table> {
    let widest = style.width.unwrap_or(WIDEST).min(WIDEST);
    let mut columns = columns(frame).map_err(io::Error::other)?;
    let mut table = Table::new();
    table.load_style(LOOK).force_no_tty();
    if style.color {
        table.enforce_styling();
        table.style_text_only();
    }
    let header = columns.iter().map(|column| cell(&column.name, widest, column.right, Attribute::Bold));
    table.set_header(line(header));
    for _ in 0..frame.height() {
        let cells = columns.iter_mut().map(|column| match column.next().flatten() {
            Some(text) => cell(&text, widest, column.right, None),
            None => cell("–", widest, column.right, Attribute::Dim),
        });
        table.add_row(line(cells));
    }
    let last = columns.len() - 1;
    for (index, (column, of)) in table.column_iter_mut().zip(&columns).enumerate() {
        column.set_padding((0, if index < last { GAP } else { 0 }));
        if of.whole {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    Ok(table)
}

fn cell(text: &str, widest: u16, right: bool, attribute: impl Into<Option<Attribute>>) -> comfy_table::Cell {
    let side = if right { CellAlignment::Right } else { CellAlignment::Left };
    // Breaking at words would cut a cell at its first space: this character is never in visible text.
    let cell = comfy_table::Cell::new(cut(text, widest)).set_alignment(side).set_delimiter('\0');
    match attribute.into() {
        Some(attribute) => cell.add_attribute(attribute),
        None => cell,
    }
}

fn line(cells: impl Iterator<Item = comfy_table::Cell>) -> Row {
    let mut row = Row::from(cells.collect::<Vec<_>>());
    row.max_height(1);
    row
}

/// `text`, or its first `widest` columns and an ellipsis: the table's own splitting of megabytes takes minutes.
fn cut(text: &str, widest: u16) -> String {
    let mut left = usize::from(widest);
    let end = text.char_indices().find(|(_, c)| {
        let width = c.width().unwrap_or(0);
        let over = width > left;
        left = left.saturating_sub(width);
        over
    });
    end.map_or_else(|| text.to_owned(), |(index, _)| text[..index].to_owned() + "…")
}

/// Fits the table into the terminal: text columns shrink, and where that is not enough, columns on the right
/// are left out. The answer names them.
fn arrange(table: &mut Table, style: &Style) -> Option<String> {
    let width = style.width?;
    table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic);
    let mut left = usize::from(width);
    let mut hidden = Vec::new();
    let names: Vec<_> = table.header()?.cell_iter().map(|cell| cell.content()).collect();
    let widths = table.column_max_content_widths();
    for (index, column) in table.column_iter_mut().enumerate() {
        let least = match column.constraint() {
            Some(ColumnConstraint::ContentWidth) => widths[index],
            _ => widths[index].min(NARROW),
        };
        let gap = if index > 0 { usize::from(GAP) } else { 0 };
        match left.checked_sub(usize::from(least) + gap) {
            Some(rest) if hidden.is_empty() => left = rest,
            _ if index == 0 => left = 0,
            _ => {
                column.set_constraint(ColumnConstraint::Hidden);
                hidden.push(names[index].as_str());
            }
        }
    }
    let last = names.len() - hidden.len() - 1;
    table.column_mut(last)?.set_padding((0, 0));
    (!hidden.is_empty()).then(|| format!("too wide for the terminal, left out: {}", hidden.join(", ")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use polars::prelude::*;
    use unicode_width::UnicodeWidthStr;

    use super::*;
    use crate::sink::{
        Format,
        tests::{every_type, text},
    };

    fn at_width(frame: &DataFrame, width: u16) -> String {
        let about = About { total_rows: frame.height(), ..About::default() };
        let mut out = Vec::new();
        write(frame, &about, &Style { width: Some(width), ..Style::default() }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_frame_with_every_type() {
        assert_eq!(
            text(Format::Table, &every_type()),
            "\
product_id  views   share  seconds  name      paired  day         at
─────────────────────────────────────────────────────────────────────────────────────────
      1204  1,204  12.3 %        2  김치 \"A\"  true    2025-03-10  2025-03-10 01:05:44.107
         –      –       –        –  –         –       –           –
2 rows
"
        );
    }

    #[test]
    fn text_is_cut_to_one_line() {
        let frame = df!(
            "name" => ["가나다라마바사아자차카타파하", "a b c d e f g h i j k l m n o p q r s t u v"],
            "message" => ["\u{1b}[2J and then more words than fit", "x"],
            "n" => [1234i64, 5]
        )
        .unwrap();
        let shown = at_width(&frame, 40);
        assert_eq!(
            shown,
            "\
name              message              n
────────────────────────────────────────
가나다라마바사…   \\u{1b}[2J and …  1,234
a b c d e f g h…  x                    5
2 rows
"
        );
        assert!(shown.lines().all(|line| line.width() <= 40));
    }

    #[test]
    fn times_are_whole_or_left_out() {
        let frame = every_type().select(["name", "at"]).unwrap();
        assert!(at_width(&frame, 34).contains("2025-03-10 01:05:44.107"));
        assert!(at_width(&frame, 32).contains("left out: at\n"));
    }

    #[test]
    fn columns_that_do_not_fit_are_named() {
        let shown = at_width(&every_type(), 34);
        assert!(shown.contains("left out: name, paired, day, at\n"), "{shown}");
        assert!(shown.lines().take(4).all(|line| line.width() <= 34), "{shown}");
        at_width(&every_type(), 0);
        at_width(&every_type(), 1);
    }

    #[test]
    fn color_is_bold_and_dim_and_nothing_else() {
        let mut out = Vec::new();
        let frame = df!("a" => [Some("x"), None]).unwrap();
        write(&frame, &About::default(), &Style { color: true, ..Style::default() }, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\u{1b}[1ma\u{1b}[0m\n─\nx\n\u{1b}[2m–\u{1b}[0m\n2 rows\n"
        );
    }

    #[test]
    fn a_cell_of_megabytes_takes_no_time_and_no_space() {
        let frame = df!("t" => ["긴".repeat(1 << 20)]).unwrap();
        assert!(at_width(&frame, 80).len() < 1000);
        let whole = text(Format::Table, &frame);
        assert!(whole.len() < 100_000 && whole.contains("긴…\n"));
    }

    #[test]
    fn no_rows_and_no_columns() {
        assert_eq!(text(Format::Table, &DataFrame::empty()), "no rows\n");
        let empty = every_type().select(["day"]).unwrap().head(Some(0));
        assert_eq!(text(Format::Table, &empty), "day\n───\nno rows\n");
    }
}
