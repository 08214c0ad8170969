//! A chart as plotly draws it: its data and layout as JSON. Colours and fonts are the page's, which knows whether it is dark.

use polars::prelude::{DataFrame, PolarsResult};
use serde_json::{Value, json};

use crate::sink::chart::paint::{cut, widest};
use crate::sink::chart::points::{Grid, Values, row_labels, values};
use crate::sink::chart::timeline::{DAY, Stretches, Timeline, length};
use crate::sink::chart::{Chart, Kind};
use crate::sink::moment::{Shown, moment};

/// As many bars, and rows and columns of a heat map, are drawn, the first.
const BARS: usize = 30;
const ROWS: usize = 60;
const COLUMNS: usize = 120;

/// As many points a time line has; more are put together.
const POINTS: usize = 1000;

/// Of no more days or longer times than these, each has a mark.
const DAYS: usize = 10;

/// Columns of text beside a bar, before it is cut, on a wide screen and on a phone's.
const LABEL: usize = 40;
const SHORT: usize = 18;

/// A heat map with no more columns than this, and a time line with no more bars, shows its values.
const NUMBERED: usize = 14;

/// What plotly draws, and a sentence on what of the result that is.
pub struct Figure {
    /// `data` and `layout`.
    pub plot: Value,
    /// Empty where there is nothing to say.
    pub note: String,
}

/// The figure of a result that has rows; none where it has nothing to draw.
///
/// # Errors
/// Polars' own, where the result lacks a column of the chart.
pub fn figure(chart: &Chart, frame: &DataFrame) -> PolarsResult<Option<Figure>> {
    if frame.height() == 0 {
        return Ok(None);
    }
    Ok(match chart.kind {
        Kind::Bar => Some(bars(chart, frame)?),
        Kind::Line => line(chart, frame)?,
        Kind::Heatmap => Some(heatmap(chart, frame)?),
        Kind::Funnel => Some(funnel(chart, frame)?),
    })
}

/// Text as plotly shows it: plotly reads some tags and all entities.
fn plain(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What is shown where the pointer is.
fn hover(label: &str, chart: &Chart, text: &str) -> String {
    format!("<b>{}</b><br>{}: {}", plain(label), plain(&chart.value), plain(text))
}

/// Labels at an axis, one a number from 0 on: as text they might be taken for dates, or be there twice.
fn labelled(labels: &[String]) -> Value {
    let [texts, short] =
        [LABEL, SHORT].map(|width| labels.iter().map(|label| plain(&cut(label, width))).collect::<Vec<_>>());
    json!({
        "tickmode": "array", "tickvals": (0..labels.len()).collect::<Vec<_>>(), "ticktext": texts, "short": short,
        "autorange": "reversed", "automargin": true, "fixedrange": true, "showgrid": false, "zeroline": false,
        "ticklabelstandoff": 8,
    })
}

/// How the numbers at an axis read.
fn tick_format(values: &Values) -> &'static str {
    if values.share { ",.1~%" } else { ",.3~f" }
}

fn bars(chart: &Chart, frame: &DataFrame) -> PolarsResult<Figure> {
    let shown = frame.head(Some(BARS));
    let values = values(chart, &shown)?;
    let [axis, series] =
        [&chart.axis, &chart.series].map(|columns| columns.iter().map(String::as_str).collect::<Vec<_>>());
    let (labels, series) = (row_labels(&axis, &shown, false)?, row_labels(&series, &shown, false)?);
    // Without a series each row has a bar of its own, even of the same label.
    let places: Vec<usize> = if chart.series.is_empty() {
        (0..labels.len()).collect()
    } else {
        labels
            .iter()
            .map(|label| labels.iter().position(|other| other == label).unwrap_or_default())
            .collect()
    };
    let mut met = places.clone();
    met.sort_unstable();
    met.dedup();
    let ticks: Vec<String> = met.iter().map(|&row| labels[row].clone()).collect();
    let mut names: Vec<&String> = series.iter().collect();
    names.sort_unstable();
    names.dedup();
    let trace = |name: &String| {
        let rows: Vec<usize> = (0..labels.len()).filter(|&row| series[row] == *name).collect();
        let each = |of: &dyn Fn(usize) -> Value| rows.iter().map(|&row| of(row)).collect::<Value>();
        json!({
            "type": "bar", "orientation": "h", "name": plain(name), "cliponaxis": false, "hoverinfo": "text",
            "x": each(&|row| json!(values.numbers[row])),
            "y": each(&|row| json!(met.binary_search(&places[row]).ok())),
            "text": each(&|row| json!(if chart.series.is_empty() { plain(&values.texts[row]) } else { String::new() })),
            "textposition": "auto", "textangle": 0,
            "hovertext": each(&|row| json!(hover(&format!("{}  {}", labels[row], series[row]), chart, &values.texts[row]))),
        })
    };
    let behind = 12 + 8 * widest(values.texts.iter().map(String::as_str));
    let plot = json!({
        "data": names.into_iter().map(trace).collect::<Value>(),
        "layout": {
            "barmode": "relative", "bargap": 0.3, "height": 48 + 26 * ticks.len(),
            "margin": { "t": 8, "b": if chart.series.is_empty() { 8 } else { 32 }, "l": 8, "r": behind },
            "yaxis": labelled(&ticks),
            "xaxis": { "visible": !chart.series.is_empty(), "fixedrange": true, "tickformat": tick_format(&values) },
            "showlegend": !chart.series.is_empty(),
        },
    });
    let note = if frame.height() > BARS { format!("The first {BARS} rows.") } else { String::new() };
    Ok(Figure { plot, note })
}

fn line(chart: &Chart, frame: &DataFrame) -> PolarsResult<Option<Figure>> {
    let values = values(chart, frame)?;
    let Some(timeline) = Timeline::of(chart, frame, &values)? else { return Ok(None) };
    let stretches = Stretches::of(&timeline, POINTS);
    let times: Vec<i64> = (0..stretches.count as i64)
        .map(|at| stretches.begin.saturating_add(at.saturating_mul(stretches.length)))
        .collect();
    let shown = timeline.shown();
    let labels: Vec<String> = times.iter().map(|&time| moment(time, shown)).collect();
    let begins: Value = times.iter().map(|&time| moment(time, Shown::Microsecond)).collect();
    let several = !chart.series.is_empty();
    let bare = several || stretches.count > NUMBERED;
    let mut shared = false;
    let traces: Vec<Value> = timeline
        .tracks
        .iter()
        .map(|track| {
            let places = track.places(&stretches, &values);
            shared |= places.iter().any(|place| place.rows > 1);
            let text = |(label, row): (&String, Option<usize>)| {
                let label = format!("{label}  {}", track.name);
                row.map(|row| hover(&label, chart, &values.texts[row]))
            };
            let rows = || places.iter().map(|place| place.largest);
            json!({
                // A filled line would fill gaps.
                "type": if several { "scatter" } else { "bar" }, "mode": "lines+markers", "name": plain(&track.name),
                "x": begins,
                "y": rows().map(|row| row.and_then(|row| values.numbers[row])).collect::<Vec<_>>(),
                "text": if bare { json!(null) } else { rows().map(|row| row.map_or_else(String::new, |row| plain(&values.texts[row]))).collect::<Value>() },
                "textposition": if several { "top center" } else { "auto" }, "textangle": 0, "hoverinfo": "text", "hovertext": labels.iter().zip(rows()).map(text).collect::<Vec<_>>(),
                "marker": if several { json!({ "size": if stretches.count > 100 { 3 } else { 6 } }) } else { json!({}) },
            })
        })
        .collect();
    let mut xaxis = json!({ "type": "date", "automargin": true, "showgrid": false });
    if stretches.length >= DAY && stretches.count <= DAYS {
        // Left to itself, plotly would mark noons.
        xaxis["tick0"] = json!(moment(stretches.begin, Shown::Day));
        xaxis["dtick"] = json!(stretches.length / 1000);
    }
    let plot = json!({
        "data": traces,
        "layout": {
            "height": 320, "hovermode": "closest", "showlegend": several,
            "margin": { "t": 16, "b": 40, "l": 8, "r": 16 },
            "xaxis": xaxis,
            "yaxis": { "rangemode": "tozero", "automargin": true, "fixedrange": true, "tickformat": tick_format(&values) },
        },
    });
    let mut note = Vec::new();
    if shared {
        note.push(format!("Each point is the largest value in {}.", length(stretches.length)));
    }
    if timeline.left_out > 0 {
        note.push(format!(
            "{} with smaller values, left out: {}.",
            chart.series.join(", "),
            timeline.left_out
        ));
    }
    if timeline.untimed > 0 {
        note.push(format!("Rows without a time, left out: {}.", timeline.untimed));
    }
    Ok(Some(Figure { plot, note: note.join(" ") }))
}

fn heatmap(chart: &Chart, frame: &DataFrame) -> PolarsResult<Figure> {
    let (grid, values) = (Grid::of(chart, frame)?, values(chart, frame)?);
    let (rows, columns) = (grid.rows.len().min(ROWS), grid.columns.len().min(COLUMNS));
    let each = |of: &dyn Fn(usize, usize, usize) -> Value, none: Value| -> Value {
        let cell = |row: usize, column: usize| {
            grid.cells.get(&(row, column)).map_or_else(|| none.clone(), |&at| of(row, column, at))
        };
        (0..rows).map(|row| (0..columns).map(|column| cell(row, column)).collect::<Value>()).collect()
    };
    let label = |row: usize, column: usize| format!("{}  {}", grid.rows[row], grid.columns[column]);
    let numbers = || values.numbers.iter().flatten();
    let least = numbers().fold(0.0f64, |least, &number| least.min(number));
    let most = numbers().fold(least, |most, &number| most.max(number));
    let axis = |labels: &[String]| labels.iter().map(|label| plain(label)).collect::<Vec<_>>();
    let plot = json!({
        "data": [{
            "type": "heatmap", "hoverinfo": "text", "xgap": 2, "ygap": 2, "hoverongaps": false,
            "x": axis(&grid.columns[..columns]), "y": axis(&grid.rows[..rows]),
            "zmin": least, "zmax": if most > least { most } else { least + 1.0 },
            "z": each(&|_, _, at| json!(values.numbers[at]), Value::Null),
            "text": each(&|_, _, at| json!(plain(&values.texts[at])), json!("")),
            "texttemplate": if columns > NUMBERED { "" } else { "%{text}" },
            "hovertext": each(&|row, column, at| json!(hover(&label(row, column), chart, &values.texts[at])), json!("")),
            "colorbar": { "thickness": 12, "outlinewidth": 0, "tickformat": tick_format(&values) },
        }],
        "layout": {
            "height": 80 + 28 * rows, "margin": { "t": 8, "b": 40, "l": 8, "r": 8 },
            "xaxis": { "type": "category", "automargin": true, "fixedrange": true, "showgrid": false, "title": { "text": plain(&chart.axis[1]) } },
            "yaxis": { "type": "category", "automargin": true, "fixedrange": true, "showgrid": false, "autorange": "reversed", "ticklabelstandoff": 8 },
        },
    });
    let cut = rows < grid.rows.len() || columns < grid.columns.len();
    let note = if cut { format!("The first {rows} rows and {columns} columns.") } else { String::new() };
    Ok(Figure { plot, note })
}

fn funnel(chart: &Chart, frame: &DataFrame) -> PolarsResult<Figure> {
    let shown = frame.head(Some(BARS));
    let values = values(chart, &shown)?;
    let labels = row_labels(&chart.by(), &shown, false)?;
    let first = values.numbers[0].filter(|first| *first > 0.0);
    let share = |row: usize| Some(format!("{:.1} %", values.numbers[row]? / first? * 100.0));
    let texts: Vec<String> = (0..labels.len())
        .map(|row| {
            share(row)
                .map_or_else(|| values.texts[row].clone(), |share| format!("{} · {share}", values.texts[row]))
        })
        .collect();
    let hovers: Vec<String> =
        labels.iter().zip(&texts).map(|(label, text)| hover(label, chart, text)).collect();
    let plot = json!({
        "data": [{
            "type": "funnel", "orientation": "h", "hoverinfo": "text", "textinfo": "text", "cliponaxis": false,
            "x": values.numbers, "y": (0..labels.len()).collect::<Vec<_>>(), "text": texts.iter().map(|text| plain(text)).collect::<Vec<_>>(), "hovertext": hovers,
        }],
        "layout": {
            "height": 40 + 56 * labels.len(), "margin": { "t": 8, "b": 8, "l": 8, "r": 24 }, "showlegend": false,
            "yaxis": labelled(&labels), "xaxis": { "visible": false, "fixedrange": true },
        },
    });
    Ok(Figure { plot, note: String::new() })
}
