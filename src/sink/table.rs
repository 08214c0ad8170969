//! A table for a terminal: one line a row (unless its texts are sentences), a line under the header, cut to the terminal's width.

use std::io::{self, Write};

use comfy_table::{
    Attribute, CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Row, Table, TableStyle,
};
use polars::prelude::DataFrame;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

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
        let mut table = table(frame, about, style, &[])?;
        if let Some(width) = style.width {
            let fitted = fit(&table, width);
            if fitted.is_cut && !about.prose {
                table = self::table(frame, about, style, &fitted.widths)?;
            }
            table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic);
            lines.extend(fitted.hide(&mut table));
        }
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

/// The table, the texts of each column no wider than that, as far as there are widths.
fn table(frame: &DataFrame, about: &About, style: &Style, widths: &[u16]) -> io::Result<Table> {
    let widest = |at: usize| widths.get(at).copied().unwrap_or(WIDEST);
    let mut columns = columns(frame).map_err(io::Error::other)?;
    let mut table = Table::new();
    table.load_style(LOOK).force_no_tty();
    if style.color {
        table.enforce_styling();
        table.style_text_only();
    }
    let header = columns.iter().enumerate();
    let header = header.map(|(at, column)| cell(&column.name, widest(at), column.right, Attribute::Bold));
    table.set_header(line(header, false));
    for _ in 0..frame.height() {
        let cells = columns.iter_mut().enumerate().map(|(at, column)| match column.next().flatten() {
            Some(text) if about.prose => cell(&text, WIDEST, column.right, None).set_delimiter(' '),
            Some(text) => cell(&text, widest(at), column.right, None),
            None => cell("–", WIDEST, column.right, Attribute::Dim),
        });
        table.add_row(line(cells, about.prose));
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

fn line(cells: impl Iterator<Item = comfy_table::Cell>, prose: bool) -> Row {
    let mut row = Row::from(cells.collect::<Vec<_>>());
    if !prose {
        row.max_height(1);
    }
    row
}

/// `text`, or its beginning and its end, so wide in all: names and paths of one kind begin alike. The table's own splitting of
/// megabytes takes minutes.
fn cut(text: &str, widest: u16) -> String {
    if text.width() <= usize::from(widest) {
        return text.to_owned();
    }
    let room = usize::from(widest).saturating_sub(1);
    let fitting = |text: &mut dyn Iterator<Item = char>, room: usize| -> String {
        let widths = text.scan(0, |sum, c| {
            *sum += c.width().unwrap_or(0);
            Some((*sum, c))
        });
        widths.take_while(|(sum, _)| *sum <= room).map(|(_, c)| c).collect()
    };
    let begin = fitting(&mut text.chars(), room.div_ceil(2));
    let end = fitting(&mut text.chars().rev(), room - begin.width());
    begin + "…" + &end.chars().rev().collect::<String>()
}

/// How the columns fit into a terminal.
struct Fitted {
    /// How wide each may be.
    widths: Vec<u16>,
    /// Whether some are wider.
    is_cut: bool,
    /// From which on there is no room.
    hidden: usize,
}

/// Text columns shrink, the widest first, and where that is not enough, columns on the right are left out.
fn fit(table: &Table, width: u16) -> Fitted {
    let mut widths = table.column_max_content_widths();
    let is_text = |at: usize| table.column(at).is_some_and(|column| column.constraint().is_none());
    let least = |at: usize| if is_text(at) { widths[at].min(NARROW) } else { widths[at] };
    let mut left = usize::from(width);
    let fits = |at: &usize| {
        let needed = usize::from(least(*at)) + if *at > 0 { usize::from(GAP) } else { 0 };
        let has_room = left >= needed;
        left = left.saturating_sub(needed);
        // The first one is there in any case.
        has_room || *at == 0
    };
    let hidden = (0..widths.len()).take_while(fits).count();
    let mut texts: Vec<usize> = (0..hidden).filter(|&at| is_text(at)).collect();
    let others: usize = (0..hidden).filter(|&at| !is_text(at)).map(|at| usize::from(widths[at])).sum();
    let gaps = usize::from(GAP) * hidden.saturating_sub(1);
    let mut room = usize::from(width).saturating_sub(others + gaps);
    texts.sort_by_key(|&at| widths[at]);
    let mut is_cut = false;
    for (nth, &at) in texts.iter().enumerate() {
        let share = (room / (texts.len() - nth)) as u16;
        is_cut |= widths[at] > share;
        widths[at] = widths[at].min(share.max(1));
        room -= usize::from(widths[at]).min(room);
    }
    Fitted { widths, is_cut, hidden }
}

impl Fitted {
    /// Takes the columns out that there is no room for; says which.
    fn hide(&self, table: &mut Table) -> Option<String> {
        let names: Vec<String> =
            table.header()?.cell_iter().skip(self.hidden).map(|cell| cell.content()).collect();
        for column in table.column_iter_mut().skip(self.hidden) {
            column.set_constraint(ColumnConstraint::Hidden);
        }
        table.column_mut(self.hidden.checked_sub(1)?)?.set_padding((0, 0));
        (!names.is_empty()).then(|| format!("too wide for the terminal, left out: {}", names.join(", ")))
    }
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
가나다라…타파하   \\u{1b}[…han fit  1,234
a b c d …s t u v  x                    5
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
    fn sentences_go_on_in_further_lines() {
        let frame =
            df!("column" => ["page"], "meaning" => ["the page that was asked for, with {id} for a number"]);
        let (frame, style) = (frame.unwrap(), Style { width: Some(40), ..Style::default() });
        let (about, mut out) = (About { prose: true, total_rows: 1, ..About::default() }, Vec::new());
        write(&frame, &about, &style, &mut out).unwrap();
        let shown = String::from_utf8(out).unwrap();
        assert_eq!(
            shown,
            "\
column  meaning
────────────────────────────────────
page    the page that was asked for,
        with {id} for a number
1 row
"
        );
    }

    #[test]
    fn a_cell_of_megabytes_takes_no_time_and_no_space() {
        let frame = df!("t" => ["긴".repeat(1 << 20)]).unwrap();
        assert!(at_width(&frame, 80).len() < 1000);
        let whole = text(Format::Table, &frame);
        assert!(whole.len() < 100_000 && whole.contains("긴…긴"));
    }

    #[test]
    fn no_rows_and_no_columns() {
        assert_eq!(text(Format::Table, &DataFrame::empty()), "no rows\n");
        let empty = every_type().select(["day"]).unwrap().head(Some(0));
        assert_eq!(text(Format::Table, &empty), "day\n───\nno rows\n");
    }
}
