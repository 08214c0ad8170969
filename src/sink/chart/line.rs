//! A time line: a bar a stretch of time, side by side from the first to the last, so that a time without a row is a gap.

use polars::prelude::{DataFrame, PolarsResult};

use super::Chart;
use super::paint::{Ink, Line, left, right, steps, widest, wrapped};
use super::points::{Values, values};
use super::timeline::{Place, Stretches, Timeline, Track, length};
use crate::sink::moment::moment;

/// Lines that a time line is high, alone and among several.
const HIGH: usize = 8;
const LOW: usize = 3;

/// Columns that a stretch of time may be wide where there are few of them.
const WIDEST: usize = 8;

/// A time line of all rows, or one above the other for each series, each with a scale of its own.
pub fn draw(chart: &Chart, frame: &DataFrame, width: usize) -> PolarsResult<Vec<Line>> {
    let values = values(chart, frame)?;
    let Some(timeline) = Timeline::of(chart, frame, &values)? else {
        return Ok(vec![Line::plain("no row has a time")]);
    };
    let scales: Vec<Scale> = timeline.tracks.iter().map(|track| Scale::of(track, &values)).collect();
    let label = scales.iter().map(|scale| widest(scale.ends.iter().map(String::as_str))).max().unwrap_or(0);
    let room = width.saturating_sub(label + 2).max(1);
    let stretches = Stretches::of(&timeline, room);
    let columns = (room / stretches.count).clamp(1, WIDEST);
    let places: Vec<Vec<Place>> =
        timeline.tracks.iter().map(|track| track.places(&stretches, &values)).collect();
    let about = about(chart, &timeline, &values, &stretches, &places);
    let mut lines: Vec<_> =
        wrapped(&about, width).into_iter().map(|line| Line::new(Ink::Aside, line)).collect();
    let rows = if chart.series.is_empty() { HIGH } else { LOW };
    let marks = stretches.marks(columns);
    for ((track, scale), places) in timeline.tracks.iter().zip(&scales).zip(&places) {
        if !chart.series.is_empty() {
            lines.push(Line::new(Ink::Title, format!("{}  {}", " ".repeat(label), track.name)));
        }
        let heights = places.iter().map(|place| place.largest.and_then(|row| values.numbers[row])).collect();
        let band = Band { places, heights, columns, marks: &marks, label };
        lines.extend(band.draw(scale, rows));
        lines
            .extend(numbers(places, &values, columns).map(|text| Line::plain(" ".repeat(label + 2) + &text)));
    }
    let mut labels = String::new();
    for (at, mark) in &marks {
        // Not over the one before, and not beyond the picture.
        if labels.len() <= *at && at + mark.len() <= room {
            labels = left(&labels, *at) + mark + " ";
        }
    }
    lines.push(Line::new(Ink::Aside, " ".repeat(label + 2) + &labels));
    Ok(lines)
}

/// What the picture shows, in words: from when to when, how long a bar is, where the most is, and what is left out.
fn about(
    chart: &Chart,
    line: &Timeline,
    values: &Values,
    stretches: &Stretches,
    places: &[Vec<Place>],
) -> String {
    let moment = |time: i64| moment(time, line.shown());
    let mut words = vec![format!("{} to {}", moment(line.span.0), moment(line.span.1))];
    let places = || places.iter().flatten();
    let shared =
        if places().any(|place| place.rows > 1) { ", as high as the largest value in it" } else { "" };
    words.push(format!("a bar is {}{shared}", length(stretches.length)));
    let rows =
        line.tracks.iter().flat_map(|track| track.rows.iter().map(move |&(time, row)| (track, time, row)));
    let numbers = rows.filter_map(|(track, time, row)| Some((track, time, row, values.numbers[row]?)));
    if let Some((track, time, row, _)) =
        numbers.reduce(|most, next| if next.3 > most.3 { next } else { most })
    {
        let name = if track.name.is_empty() { String::new() } else { format!(" ({})", track.name) };
        words.push(format!("most: {} at {}{name}", values.texts[row], moment(time)));
    }
    if places().any(|place| place.rows == 0) {
        words.push("╌ no row".into());
    }
    if line.untimed > 0 {
        words.push(format!("rows without a time, left out: {}", line.untimed));
    }
    if line.left_out > 0 {
        words.push(format!("{} with smaller values, left out: {}", chart.series.join(", "), line.left_out));
    }
    words.join("; ")
}

/// The least and the greatest value, zero if no value is beyond it.
struct Scale {
    least: f64,
    most: f64,
    /// What stands at the axis: the greatest value, zero, the least.
    ends: [String; 3],
}

impl Scale {
    fn of(track: &Track, values: &Values) -> Scale {
        let numbers = track.rows.iter().filter_map(|&(_, row)| values.numbers[row]);
        let (least, most) =
            numbers.fold((0.0f64, 0.0f64), |(least, most), number| (least.min(number), most.max(number)));
        Scale { least, most, ends: [most, 0.0, least].map(|number| values.show(number)) }
    }
}

/// One time line's place in the picture.
struct Band<'a> {
    places: &'a [Place],
    /// Of each place, the number that is drawn.
    heights: Vec<Option<f64>>,
    /// Columns a place.
    columns: usize,
    marks: &'a [(usize, String)],
    /// Columns of what stands at the axis.
    label: usize,
}

impl Band<'_> {
    fn draw(&self, scale: &Scale, rows: usize) -> Vec<Line> {
        let size = scale.most.max(-scale.least);
        // As parts of the largest: a range may be wider than any number.
        let part = |number: f64| if size > 0.0 { number / size } else { 0.0 };
        let (least, most) = (part(scale.least), part(scale.most));
        let below = steps(-least / (most - least), rows);
        let above = if most > 0.0 { rows - below } else { 0 };
        let rows_a_part = [(below, -least), (above, most)].map(|(rows, part)| rows as f64 / part);
        let rows_a_part = rows_a_part.into_iter().filter(|rows| rows.is_finite()).fold(rows as f64, f64::min);
        let heights: Vec<f64> = self
            .heights
            .iter()
            .map(|number| number.map_or(0.0, |number| part(number) * rows_a_part))
            .collect();
        let [top, zero, bottom] = &scale.ends;
        let line = |label: &str, corner: &str, ink, text: String| {
            Line::new(Ink::Aside, format!("{} {corner}", right(label, self.label))).and(ink, text)
        };
        let mut lines = Vec::new();
        for row in 0..above {
            let (label, corner) = if row == 0 { (top.as_str(), "┤") } else { ("", "│") };
            lines.push(line(label, corner, Ink::Data, self.row(&heights, |height| up(height, above, row))));
        }
        lines.push(line(zero, if below > 0 { "┤" } else { "└" }, Ink::Aside, self.axis()));
        for row in 0..below {
            let (label, corner) = if row + 1 == below { (bottom.as_str(), "┤") } else { ("", "│") };
            lines.push(line(label, corner, Ink::Data, self.row(&heights, |height| down(height, below, row))));
        }
        lines
    }

    /// The time axis: with marks, and broken where there is no row.
    fn axis(&self) -> String {
        let sign = |place: &Place| if place.rows > 0 { '─' } else { '╌' };
        let mut axis: Vec<char> =
            self.places.iter().flat_map(|place| std::iter::repeat_n(sign(place), self.columns)).collect();
        self.marks.iter().for_each(|(at, _)| axis[*at] = '┬');
        axis.into_iter().collect()
    }

    /// A line of the picture; wide columns are kept apart.
    fn row(&self, heights: &[f64], sign: impl Fn(f64) -> char) -> String {
        let (filled, apart) = if self.columns > 2 { (self.columns - 1, " ") } else { (self.columns, "") };
        heights.iter().map(|&height| sign(height).to_string().repeat(filled) + apart).collect()
    }
}

/// The values themselves, where each has room under its bar.
fn numbers(places: &[Place], values: &Values, columns: usize) -> Option<String> {
    let text = |place: &Place| place.largest.map_or("", |row| &values.texts[row]);
    let fits = widest(places.iter().map(text)) < columns;
    fits.then(|| places.iter().map(|place| left(text(place), columns)).collect())
}

/// What of a column so many lines high is in this line of `rows` above the axis.
fn up(height: f64, rows: usize, row: usize) -> char {
    let eighths = steps(height / rows as f64, 8 * rows).saturating_sub(8 * (rows - 1 - row));
    [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'][eighths.min(8)]
}

/// The same below the axis.
fn down(height: f64, rows: usize, row: usize) -> char {
    let halves = steps(-height / rows as f64, 2 * rows).saturating_sub(2 * row);
    [' ', '▀', '█'][halves.min(2)]
}
