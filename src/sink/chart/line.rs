//! A time line: a column a stretch of time, side by side from the first to the last, so that a time without a row is a gap.

use chrono::{DateTime, Datelike};
use polars::prelude::{DataFrame, PolarsResult};

use super::Chart;
use super::paint::{Ink, Line, left, right, steps, widest, wrapped};
use super::points::{DAY, HOUR, SECOND, Timeline, Track, Values, values};

/// Lines that a time line is high, alone and among several.
const HIGH: usize = 8;
const LOW: usize = 3;

/// As many series are drawn, those with the largest values.
const SERIES: usize = 8;

/// Columns that a stretch of time may be wide where there are few of them.
const WIDEST: usize = 8;

const MINUTE: i64 = 60 * SECOND;

/// Times that people count in, in microseconds, with their names.
const ROUND: [(i64, &str); 26] = [
    (SECOND, "a second"),
    (2 * SECOND, "2 seconds"),
    (5 * SECOND, "5 seconds"),
    (10 * SECOND, "10 seconds"),
    (15 * SECOND, "15 seconds"),
    (30 * SECOND, "30 seconds"),
    (MINUTE, "a minute"),
    (2 * MINUTE, "2 minutes"),
    (5 * MINUTE, "5 minutes"),
    (10 * MINUTE, "10 minutes"),
    (15 * MINUTE, "15 minutes"),
    (30 * MINUTE, "30 minutes"),
    (HOUR, "an hour"),
    (2 * HOUR, "2 hours"),
    (3 * HOUR, "3 hours"),
    (4 * HOUR, "4 hours"),
    (6 * HOUR, "6 hours"),
    (8 * HOUR, "8 hours"),
    (12 * HOUR, "12 hours"),
    (DAY, "a day"),
    (2 * DAY, "2 days"),
    (7 * DAY, "a week"),
    (14 * DAY, "2 weeks"),
    (28 * DAY, "4 weeks"),
    (91 * DAY, "13 weeks"),
    (364 * DAY, "52 weeks"),
];

/// A time line of all rows, or one above the other for each series, each with a scale of its own.
pub fn draw(chart: &Chart, frame: &DataFrame, width: usize) -> PolarsResult<Vec<Line>> {
    let values = values(chart, frame)?;
    let mut timeline = Timeline::of(chart, frame, &values)?;
    let left_out = largest(&mut timeline.tracks);
    let Some(span) = timeline.span() else { return Ok(vec![Line::plain("no row has a time")]) };
    let scales: Vec<Scale> = timeline.tracks.iter().map(Scale::of).collect();
    let label = widest(
        scales.iter().flat_map(|scale| scale.ends(&values)).collect::<Vec<_>>().iter().map(String::as_str),
    );
    let room = width.saturating_sub(label + 2).max(1);
    let stretches = Stretches::of(&timeline, span, room);
    let columns = (room / stretches.count.max(1)).clamp(1, WIDEST);
    let mut lines = about(chart, &timeline, &stretches, left_out, width);
    let rows = if chart.series.is_some() { LOW } else { HIGH };
    let marks = stretches.marks(columns);
    for (track, scale) in timeline.tracks.iter().zip(&scales) {
        if chart.series.is_some() {
            lines.push(Line::new(Ink::Title, format!("{}  {}", " ".repeat(label), track.name)));
        }
        let band = Band { stretches: &stretches, columns, marks: &marks, label };
        lines.extend(band.draw(track, scale, rows, &values));
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

/// Keeps the series with the largest values, in the order of those; the answer is how many there were beside them.
fn largest(tracks: &mut Vec<Track>) -> usize {
    let most = |track: &Track| {
        track.points.iter().filter_map(|point| point.1).fold(0.0f64, |most, value| most.max(value.abs()))
    };
    tracks.sort_by(|a, b| most(b).total_cmp(&most(a)));
    let left_out = tracks.len().saturating_sub(SERIES);
    tracks.truncate(SERIES);
    left_out
}

/// What the picture shows, in words: from when to when, how long a column is, where the most is, and what is left out.
fn about(chart: &Chart, line: &Timeline, stretches: &Stretches, left_out: usize, width: usize) -> Vec<Line> {
    let pattern = match line.step {
        step if step % DAY == 0 => "%Y-%m-%d",
        step if step % MINUTE == 0 => "%Y-%m-%d %H:%M",
        _ => "%Y-%m-%d %H:%M:%S",
    };
    let mut words = Vec::new();
    if let Some((first, last)) = line.span() {
        words.push(format!("{} to {}", moment(first, pattern), moment(last, pattern)));
    }
    let length = length(stretches.length);
    words.push(if stretches.length == line.step {
        format!("a bar is {length}")
    } else {
        format!("a bar is {length}, as high as the largest value in it")
    });
    let points =
        line.tracks.iter().flat_map(|track| track.points.iter().map(move |point| (&track.name, point)));
    let valued = points.filter(|(_, point)| point.1.is_some());
    let most = valued.reduce(|most, next| if next.1.1 > most.1.1 { next } else { most });
    if let Some((name, (time, _, text))) = most {
        let name = if name.is_empty() { String::new() } else { format!(" ({name})") };
        words.push(format!("most: {text} at {}{name}", moment(*time, pattern)));
    }
    if has_gaps(line, stretches) {
        words.push("╌ no row".into());
    }
    if line.untimed > 0 {
        words.push(format!("rows without a time, left out: {}", line.untimed));
    }
    if let (Some(series), 1..) = (&chart.series, left_out) {
        words.push(format!("{series} with smaller values, left out: {left_out}"));
    }
    wrapped(&words.join("; "), width).into_iter().map(|line| Line::new(Ink::Aside, line)).collect()
}

/// Whether a series has no row in a stretch.
fn has_gaps(line: &Timeline, stretches: &Stretches) -> bool {
    line.tracks.iter().any(|track| {
        let mut met: Vec<usize> = track.points.iter().map(|point| stretches.at(point.0)).collect();
        met.dedup();
        met.len() < stretches.count
    })
}

/// The least and the greatest value, and zero.
struct Scale {
    least: f64,
    most: f64,
}

impl Scale {
    fn of(track: &Track) -> Scale {
        let values = track.points.iter().filter_map(|point| point.1);
        let (least, most) =
            values.fold((0.0f64, 0.0f64), |(least, most), value| (least.min(value), most.max(value)));
        Scale { least, most }
    }

    /// What stands at the axis.
    fn ends(&self, values: &Values) -> [String; 3] {
        [self.most, 0.0, self.least].map(|value| values.show(value))
    }
}

/// One time line's place in the picture.
struct Band<'a> {
    stretches: &'a Stretches,
    /// Columns a stretch.
    columns: usize,
    marks: &'a [(usize, String)],
    /// Columns of what stands at the axis.
    label: usize,
}

impl Band<'_> {
    fn draw(&self, track: &Track, scale: &Scale, rows: usize, values: &Values) -> Vec<Line> {
        let size = scale.most.max(-scale.least);
        // As parts of the largest: a range may be wider than any number.
        let (least, most) = if size > 0.0 { (scale.least / size, scale.most / size) } else { (0.0, 0.0) };
        let below = steps(-least / (most - least), rows);
        let above = if most > 0.0 { rows - below } else { 0 };
        let rows_a_part = [(below, -least), (above, most)].map(|(rows, part)| rows as f64 / part);
        let rows_a_part = rows_a_part.into_iter().filter(|rows| rows.is_finite()).fold(rows as f64, f64::min);
        let mut highest: Vec<Option<f64>> = vec![None; self.stretches.count];
        let mut axis = vec!['╌'; self.stretches.count * self.columns];
        for (time, value, _) in &track.points {
            let at = self.stretches.at(*time);
            axis[at * self.columns..][..self.columns].fill('─');
            if let Some(value) = value
                && highest[at].is_none_or(|highest| value.abs() > highest.abs())
            {
                highest[at] = Some(*value);
            }
        }
        self.marks.iter().for_each(|(at, _)| axis[*at] = '┬');
        let heights: Vec<f64> = highest
            .iter()
            .map(|value| value.map_or(0.0, |value| value / size.max(f64::MIN_POSITIVE) * rows_a_part))
            .collect();
        let [top, zero, bottom] = scale.ends(values);
        let line = |label: &str, corner: &str, ink, text: String| {
            Line::new(Ink::Aside, format!("{} {corner}", right(label, self.label))).and(ink, text)
        };
        let mut lines = Vec::new();
        for row in 0..above {
            let (label, corner) = if row == 0 { (top.as_str(), "┤") } else { ("", "│") };
            lines.push(line(label, corner, Ink::Data, self.row(&heights, |height| up(height, above, row))));
        }
        lines.push(line(&zero, if below > 0 { "┤" } else { "└" }, Ink::Aside, axis.into_iter().collect()));
        for row in 0..below {
            let (label, corner) = if row + 1 == below { (bottom.as_str(), "┤") } else { ("", "│") };
            lines.push(line(label, corner, Ink::Data, self.row(&heights, |height| down(height, below, row))));
        }
        lines
    }

    /// A line of the picture; wide columns are kept apart.
    fn row(&self, heights: &[f64], sign: impl Fn(f64) -> char) -> String {
        let (filled, apart) = if self.columns > 2 { (self.columns - 1, " ") } else { (self.columns, "") };
        heights.iter().map(|&height| sign(height).to_string().repeat(filled) + apart).collect()
    }
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

fn moment(time: i64, pattern: &str) -> String {
    DateTime::from_timestamp_micros(time)
        .map_or_else(|| time.to_string(), |time| time.format(pattern).to_string())
}

/// A stretch of time in words.
fn length(micros: i64) -> String {
    if let Some((_, name)) = ROUND.iter().find(|(length, _)| *length == micros) {
        return (*name).to_owned();
    }
    let units =
        [(DAY, "days"), (HOUR, "hours"), (MINUTE, "minutes"), (SECOND, "seconds"), (1, "microseconds")];
    let unit = units.into_iter().find(|(unit, _)| micros % unit == 0);
    unit.map_or_else(String::new, |(unit, name)| format!("{} {name}", micros / unit))
}

/// The stretches of time that a picture's columns are: `count` times `length` from `begin` on.
struct Stretches {
    begin: i64,
    length: i64,
    count: usize,
}

impl Stretches {
    /// A stretch a step where there is room for so many; else the shortest round time that there is room for.
    fn of(line: &Timeline, (first, last): (i64, i64), room: usize) -> Stretches {
        let begin = |length: i64| {
            let unit = length.min(DAY);
            if length == line.step { first } else { first.div_euclid(unit).saturating_mul(unit) }
        };
        let count = |length: i64| (last.abs_diff(begin(length)) / length.unsigned_abs()).saturating_add(1);
        let longer = ROUND.iter().map(|round| round.0).filter(|&length| length > line.step);
        let mut lengths = [line.step].into_iter().chain(longer);
        let length = lengths.find(|&length| count(length) <= room as u64).unwrap_or_else(|| {
            let whole = i64::try_from(last.abs_diff(first)).unwrap_or(i64::MAX - 1);
            (whole / room.max(1) as i64).max(364 * DAY) + DAY
        });
        Stretches { begin: begin(length), length, count: (count(length) as usize).min(room) }
    }

    fn at(&self, time: i64) -> usize {
        let stretch = time.abs_diff(self.begin) / self.length.unsigned_abs();
        (stretch as usize).min(self.count.saturating_sub(1))
    }

    /// Where the time axis has a mark, and what stands there: round times, as many as there is room for.
    fn marks(&self, columns: usize) -> Vec<(usize, String)> {
        let end = self.begin.saturating_add(self.length.saturating_mul(self.count as i64));
        let years =
            [self.begin, end].map(|time| DateTime::from_timestamp_micros(time).map(|time| time.year()));
        let pattern = |length: i64| match length {
            DAY.. if years[0] == years[1] => ("%m-%d", 5),
            DAY.. => ("%Y-%m-%d", 10),
            MINUTE.. => ("%H:%M", 5),
            _ => ("%H:%M:%S", 8),
        };
        let apart = |length: i64| length / self.length * columns as i64;
        let fits =
            |&(length, _): &(i64, &str)| length >= self.length && apart(length) >= pattern(length).1 + 2;
        let Some(&(length, _)) = ROUND.iter().find(|round| fits(round)) else { return Vec::new() };
        let unit = length.min(DAY);
        let mut time = self.begin.div_euclid(unit) * unit;
        let mut marks = Vec::new();
        while time < end {
            let midnight = time.rem_euclid(DAY) == 0 && length >= MINUTE;
            let pattern = if midnight { pattern(length.max(DAY)) } else { pattern(length) };
            if time >= self.begin {
                marks.push((self.at(time) * columns, moment(time, pattern.0)));
            }
            time = time.saturating_add(length);
        }
        marks
    }
}
