//! A funnel: bars in the middle, each as wide as the part of the first step that got so far.

use polars::prelude::{DataFrame, PolarsResult};

use super::Chart;
use super::bar::{GAP, parts};
use super::paint::{Ink, Line, left, right, steps, widest};
use super::points::{row_labels, values};

/// Columns of a share, or of what stands above it.
const SHARE: usize = 9;

/// A bar for each row of `frame`, with its value and, where there is room, what share of the first row's and of the row's
/// before that is.
pub fn draw(chart: &Chart, frame: &DataFrame, width: usize) -> PolarsResult<Vec<Line>> {
    let (labels, values) = (row_labels(&chart.by(), frame, true)?, values(chart, frame)?);
    let most = values.numbers.iter().flatten().fold(0.0f64, |most, &number| most.max(number));
    let label = widest(labels.iter().map(String::as_str));
    let value = widest(values.texts.iter().map(String::as_str));
    let shares = [
        (&shares(&values.numbers, |_| Some(0)), "of first"),
        (&shares(&values.numbers, |row| row.checked_sub(1)), "of before"),
    ];
    let with = |count: usize| parts(width, label, value + (SHARE + GAP) * count);
    let count = [2, 1].into_iter().find(|&count| with(count).1 >= width / 3).unwrap_or(0);
    let (label, whole, _) = with(count);
    let behind = |text: &str, share: &dyn Fn(usize) -> String| {
        let shares: String = (0..count).map(|at| " ".repeat(GAP) + &right(&share(at), SHARE)).collect();
        " ".repeat(GAP) + &right(text, value) + &shares
    };
    let head = " ".repeat(label + GAP + whole) + &behind("", &|at| shares[at].1.to_owned());
    let mut lines = if count > 0 { vec![Line::new(Ink::Aside, head)] } else { Vec::new() };
    for (row, name) in labels.iter().enumerate() {
        let part = values.numbers[row].filter(|_| most > 0.0).map_or(0.0, |number| number / most);
        let bar = middle(steps(part, 2 * whole), whole);
        lines.push(
            Line::plain(left(name, label) + &" ".repeat(GAP))
                .and(Ink::Data, left(&bar, whole))
                .and(Ink::Plain, behind(&values.texts[row], &|at| shares[at].0[row].clone())),
        );
    }
    Ok(lines)
}

/// What share of another row's number each row's is, as a table shows it.
fn shares(numbers: &[Option<f64>], of: impl Fn(usize) -> Option<usize>) -> Vec<String> {
    let share = |(row, part): (usize, &Option<f64>)| match (part, of(row).and_then(|row| numbers[row])) {
        (Some(part), Some(whole)) if whole > 0.0 => format!("{:.1} %", part / whole * 100.0),
        _ => "–".into(),
    };
    numbers.iter().enumerate().map(share).collect()
}

/// A bar of so many half columns in the middle of so many columns.
fn middle(halves: usize, columns: usize) -> String {
    if halves == 0 {
        return String::new();
    }
    let before = (2 * columns - halves) / 2;
    let (begin, end) = (before % 2, (before + halves) % 2);
    let full = (halves - begin - end) / 2;
    " ".repeat(before / 2)
        + if begin == 1 { "▐" } else { "" }
        + &"█".repeat(full)
        + if end == 1 { "▌" } else { "" }
}
