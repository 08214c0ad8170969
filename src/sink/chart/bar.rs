//! Bars: a label, a bar in eighths of a column, and the value behind it.

use polars::prelude::{DataFrame, PolarsResult};

use super::Chart;
use super::paint::{Ink, Line, bar, left, right, steps, widest};
use super::points::{row_labels, values};

/// Columns between a label, its bar and its value.
pub const GAP: usize = 2;

/// A bar for each row of `frame`. Where values are negative, their bars go to the left of those that are not.
pub fn draw(chart: &Chart, frame: &DataFrame, width: usize) -> PolarsResult<Vec<Line>> {
    let (mut labels, values) = (row_labels(&chart.by(), frame, true)?, values(chart, frame)?);
    let whole_label = widest(labels.iter().map(String::as_str));
    let (label, whole, value) = parts(width, whole_label, widest(values.texts.iter().map(String::as_str)));
    if label < whole_label {
        labels = row_labels(&chart.by(), frame, false)?;
    }
    let numbers = || values.numbers.iter().flatten();
    let most = numbers().fold(0.0f64, |most, number| most.max(number.abs()));
    // As parts of the largest: a range may be wider than any number.
    let (least, greatest) = numbers().fold((0.0f64, 0.0f64), |(least, greatest), number| {
        (least.min(number / most), greatest.max(number / most))
    });
    let below = steps(-least / (greatest - least), whole);
    let above = whole - below;
    // A column is as much on both sides.
    let scale = [(below, -least), (above, greatest)].map(|(columns, part)| columns as f64 / part);
    let scale = scale.into_iter().filter(|scale| scale.is_finite()).fold(whole as f64, f64::min);
    let row = |((name, number), text): ((&String, &Option<f64>), &String)| {
        let part = number.filter(|_| most > 0.0).map_or(0.0, |number| number / most) * scale;
        let halves = if part < 0.0 { steps(-part / below as f64, 2 * below) } else { 0 };
        let eighths = if part > 0.0 { steps(part / above as f64, 8 * above) } else { 0 };
        let negative = if halves % 2 == 1 { "▐" } else { "" }.to_owned() + &"█".repeat(halves / 2);
        Line::plain(left(name, label) + &" ".repeat(GAP))
            .and(Ink::Data, right(&negative, below) + &left(&bar(eighths), above))
            .and(Ink::Plain, " ".repeat(GAP) + &right(text, value))
    };
    Ok(labels.iter().zip(&values.numbers).zip(&values.texts).map(row).collect())
}

/// How many columns labels, bars and values get of `width`, where the widest label and value would like so many.
pub fn parts(width: usize, label: usize, value: usize) -> (usize, usize, usize) {
    let left = width.saturating_sub(value + 2 * GAP);
    let label = label.min(width * 2 / 5).min(left.saturating_sub(width / 8));
    (label, left.saturating_sub(label), value)
}
