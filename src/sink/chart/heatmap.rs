//! A heat map: a shade for each cell of a grid, with its value where there is room, and what the shades mean.

use polars::prelude::{DataFrame, PolarsResult};
use unicode_width::UnicodeWidthStr;

use super::Chart;
use super::paint::{Ink, Line, left, right, widest, wrapped};
use super::points::{Grid, Values, values};

/// From little to much; a cell without a value, and of zero, stays blank.
const SHADES: [&str; 4] = ["░", "▒", "▓", "█"];

/// Columns of a cell without its value: the widest that fits, up to this.
const WIDEST: usize = 3;

/// A line for each row of the grid, under the labels of its columns.
pub fn draw(chart: &Chart, frame: &DataFrame, width: usize) -> PolarsResult<Vec<Line>> {
    let (grid, values) = (Grid::of(chart, frame)?, values(chart, frame)?);
    let scale = Scale::of(&values);
    let columns = grid.columns.len();
    let most = width.saturating_sub(2 + WIDEST * columns).max(width * 2 / 5);
    let label = widest(grid.rows.iter().map(String::as_str)).min(most);
    let room = width.saturating_sub(label + 2).max(1);
    let heads = widest(grid.columns.iter().map(String::as_str));
    // A value, its shade, and a space between two cells.
    let text = widest(values.texts.iter().map(String::as_str)) + 3;
    let with_text = columns * text <= room;
    let cell = if with_text {
        text.max((heads + 2).min(room / columns.max(1)))
    } else {
        (room / columns.max(1)).clamp(1, WIDEST)
    };
    let shown = columns.min(room / cell);
    let above = if with_text && heads < cell {
        grid.columns.iter().map(|head| right(head, cell - 1) + " ").collect()
    } else {
        heads_above(&grid.columns[..shown], cell)
    };
    let mut lines = vec![Line::new(Ink::Aside, " ".repeat(label + 2) + &above)];
    for (row, name) in grid.rows.iter().enumerate() {
        let mut line = Line::plain(left(name, label) + "  ");
        for column in 0..shown {
            let at = grid.cells.get(&(row, column)).copied();
            let shade = at.and_then(|at| values.numbers[at]).map_or(" ", |number| scale.shade(number));
            line = if with_text {
                let text = right(at.map_or("", |at| &values.texts[at]), cell - 3);
                line.and(Ink::Plain, text).and(Ink::Data, shade.repeat(2) + " ")
            } else {
                line.and(Ink::Data, shade.repeat(cell))
            };
        }
        lines.push(line);
    }
    lines.extend(scale.legend(&values, width));
    if let [first, .., last] | [first @ last] = &grid.columns[shown..] {
        let count = columns - shown;
        let left_out = format!("too wide for the terminal, left out: {count} columns, {first} to {last}");
        lines.extend(wrapped(&left_out, width).into_iter().map(|line| Line::new(Ink::Aside, line)));
    }
    Ok(lines)
}

/// The labels of narrow cells: as many as there is room for, each at its cell's left, evenly apart.
fn heads_above(labels: &[String], cell: usize) -> String {
    let apart = (widest(labels.iter().map(String::as_str)) + 1).div_ceil(cell);
    labels.iter().step_by(apart.max(1)).map(|label| left(label, apart * cell)).collect()
}

/// The values from the least (zero, if none is below) to the greatest, in as many equal parts as there are shades.
struct Scale {
    least: f64,
    most: f64,
}

impl Scale {
    fn of(values: &Values) -> Scale {
        let (least, most) = values
            .numbers
            .iter()
            .flatten()
            .fold((0.0f64, 0.0f64), |(least, most), &number| (least.min(number), most.max(number)));
        Scale { least, most }
    }

    /// The upper end of a part. Halves, because the whole range may be wider than any number.
    fn upto(&self, part: usize) -> f64 {
        let share = (part + 1) as f64 / SHADES.len() as f64;
        2.0 * (self.least / 2.0 + (self.most / 2.0 - self.least / 2.0) * share)
    }

    fn shade(&self, number: f64) -> &'static str {
        if number == 0.0 && self.least == 0.0 {
            return " ";
        }
        let part = (0..SHADES.len()).find(|&part| number <= self.upto(part));
        SHADES[part.unwrap_or(SHADES.len() - 1)]
    }

    /// What each shade means, on as many lines as that needs.
    fn legend(&self, values: &Values, width: usize) -> Vec<Line> {
        let blank = if self.least < 0.0 { "blank: nothing" } else { "blank: 0 or nothing" };
        let mut from = self.least;
        let of_shade = |(part, shade): (usize, &&str)| {
            let upto = if part + 1 == SHADES.len() { self.most } else { self.upto(part) };
            let text = format!("{shade} to {}", values.show(upto));
            from = upto;
            text
        };
        let parts = SHADES.iter().enumerate().map(of_shade).chain([blank.to_owned()]);
        let mut lines: Vec<String> = Vec::new();
        for part in parts {
            match lines.last_mut() {
                Some(line) if line.width() + 3 + part.width() <= width => *line = format!("{line}   {part}"),
                _ => lines.push(part),
            }
        }
        lines.into_iter().map(|line| Line::new(Ink::Aside, line)).collect()
    }
}
