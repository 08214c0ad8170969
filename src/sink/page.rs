//! Several results as one page for a browser: headline numbers, a chart and a table of each, what the columns mean, and the
//! accounting of lines. The page loads nothing, from nowhere. Knows results and texts about them, not how they were made.

mod figure;
mod headline;

use std::io::{self, Write};

use maud::{DOCTYPE, Markup, PreEscaped, html};
use plotly::Plot;
use polars::prelude::{DataFrame, PolarsResult};

use super::About;
use super::moment::{Shown, moment};
use super::readable::{columns, footer, visible};
use figure::{Figure, figure};

pub use headline::Headline;

/// Rows of a result that the page shows as a table, the first.
const ROWS: usize = 30;

/// Nothing may be loaded, and only what stands in the page runs.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:; \
                      base-uri 'none'; form-action 'none'";

/// A column of a result and what it means.
pub struct Definition {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// What it means; empty where the name says it.
    pub meaning: String,
}

/// A report as the page tells of it.
pub struct Report<'a> {
    /// What it answers, in one line.
    pub title: &'a str,
    /// The part of the catalogue that it stands in.
    pub group: &'a str,
    /// What its columns mean.
    pub columns: Vec<Definition>,
    /// The SQL that ran.
    pub sql: &'a str,
    /// The file with its rows, beside the page.
    pub file: String,
    /// Its numbers for the head of the page.
    pub headlines: Vec<Headline>,
}

/// What the page says of the run.
pub struct Facts {
    /// The first and the last event's time, microseconds.
    pub period: Option<(i64, i64)>,
    /// How many lines became what, in one sentence.
    pub accounting: String,
    /// A row a file that was read.
    pub files: DataFrame,
    /// What was asked for: names and values.
    pub options: Vec<(String, String)>,
    /// The program and its version.
    pub program: String,
}

/// What the page shows of one report.
pub struct Part {
    name: String,
    group: String,
    /// Labels and numbers for the head of the page.
    tiles: Vec<(String, String)>,
    article: Markup,
}

impl Part {
    /// That of a report: `whole` is its result, of which the first `rows` rows are in its file.
    ///
    /// # Errors
    /// Polars' own, where a column is of a type that it cannot give the cells of.
    pub fn of(report: &Report, about: &About, whole: &DataFrame, rows: usize) -> PolarsResult<Part> {
        let name = &about.name;
        let mut tiles = Vec::new();
        for headline in &report.headlines {
            tiles.extend(headline.value(whole)?.map(|value| (headline.label.clone(), value)));
        }
        let written = whole.head(Some(rows));
        let figure = match &about.chart {
            Some(chart) => figure(chart, &written)?,
            None => None,
        };
        let article = html! {
            article id=(name) aria-labelledby={ (name) "-title" } {
                h3 id={ (name) "-title" } { (sentence(report.title)) " " code { (name) } }
                @if let (Some(figure), Some(chart)) = (&figure, &about.chart) {
                    (drawing(figure, &format!("{} by {}", chart.value, chart.by().join(", "))))
                }
                (table(&written.head(Some(ROWS)), &format!("{name}: {}", report.title), &report.columns)?)
                p.notes {
                    @if rows > ROWS { "first " (ROWS) " of " }
                    (footer(rows, about).join(" · ")) " · "
                    a href={ "./" (report.file) } download { (report.file) }
                }
                (definitions(report))
            }
        };
        let group = if report.group.is_empty() { "reports" } else { report.group };
        Ok(Part { name: name.clone(), group: group.to_owned(), tiles, article })
    }
}

/// A page of parts.
#[derive(Default)]
pub struct Page {
    /// Groups in the order in which they came, each with its parts.
    groups: Vec<Vec<Part>>,
}

impl Page {
    /// Adds a part, behind those of its group.
    pub fn add(&mut self, part: Part) {
        match self.groups.iter_mut().find(|parts| parts[0].group == part.group) {
            Some(parts) => parts.push(part),
            None => self.groups.push(vec![part]),
        }
    }

    /// Writes the page. The same parts and facts give the same bytes.
    ///
    /// # Errors
    /// What `out` answers.
    pub fn write(&self, facts: &Facts, out: &mut dyn Write) -> io::Result<()> {
        const END: &str = "</body></html>";
        let (page, elements) = rayon::join(|| self.without_scripts(facts), Plot::offline_js_sources);
        let page = page.map_err(io::Error::other)?.into_string();
        // The script is most of the page: it is copied no more than must be.
        let page = page.strip_suffix(END).unwrap_or(&page);
        let scripts =
            ["<script>", script(&elements), "</script><script>", include_str!("page/page.js"), "</script>"];
        [page].iter().chain(&scripts).chain(&[END]).try_for_each(|part| out.write_all(part.as_bytes()))
    }

    fn without_scripts(&self, facts: &Facts) -> PolarsResult<Markup> {
        let files = table(&facts.files, "Files read", &[])?;
        let days = days(facts);
        Ok(html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(POLICY);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="referrer" content="no-referrer";
                    meta name="generator" content=(facts.program);
                    title { (TITLE) @if !days.is_empty() { " " (days.join(" to ")) } }
                    style { (PreEscaped(include_str!("page/page.css"))) }
                    noscript { style { "figure { display: none; }" } }
                }
                body {
                    a.skip href="#main" { "Skip to the reports" }
                    header {
                        h1 { (TITLE) @for (at, day) in days.iter().enumerate() { @if at > 0 { " to" } " " span { (day) } } }
                        p.period { (period(facts)) }
                    }
                    (self.contents())
                    main #main {
                        (self.headlines())
                        @for parts in &self.groups {
                            @let group = &parts[0].group;
                            section aria-labelledby={ "group-" (anchor(group)) } {
                                h2 id={ "group-" (anchor(group)) } { (sentence(group)) }
                                @for part in parts { (part.article) }
                            }
                        }
                        (about_the_run(facts, &files))
                    }
                    footer { p { "Made by " (facts.program) } }
                }
            }
        })
    }

    fn contents(&self) -> Markup {
        html! {
            nav aria-label="Reports" {
                details open {
                    summary { "Reports" }
                    @for parts in &self.groups {
                        p { (sentence(&parts[0].group)) }
                        ul { @for Part { name, .. } in parts { li { a href={ "#" (name) } { (name) } } } }
                    }
                    p { "This run" }
                    ul { li { a href="#run" { "lines and files" } } }
                }
            }
        }
    }

    fn headlines(&self) -> Markup {
        html! {
            @if self.parts().any(|part| !part.tiles.is_empty()) {
                section.tiles aria-label="In short" {
                    @for part in self.parts() {
                        @for (label, value) in &part.tiles {
                            a href={ "#" (part.name) } { span.label { (label) } " " span.value { (value) } }
                        }
                    }
                }
            }
        }
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        self.groups.iter().flatten()
    }
}

/// The title, and what days it is of.
const TITLE: &str = "Activity report";

fn days(facts: &Facts) -> Vec<String> {
    let times = facts.period.map(|(first, last)| [first, last].map(|time| moment(time, Shown::Day)));
    let mut days = times.map(Vec::from).unwrap_or_default();
    days.dedup();
    days
}

fn period(facts: &Facts) -> Markup {
    html! {
        @if let Some((first, last)) = facts.period {
            "First event " time { (moment(first, Shown::Second)) } ", last event "
            time { (moment(last, Shown::Second)) } ". "
        }
        (facts.accounting) "."
    }
}

/// The place of a chart; the script draws into it what stands beside it as data.
fn drawing(figure: &Figure, what: &str) -> Markup {
    // In a script element, only a tag could end the data.
    let data = figure.plot.to_string().replace('<', "\\u003c");
    let height = figure.plot["layout"]["height"].as_u64().unwrap_or_default();
    html! {
        figure {
            figcaption { (visible(what)) @if !figure.note.is_empty() { ". " (visible(&figure.note)) } }
            div.plot role="img" aria-label={ "Chart of " (visible(what)) "; the table has the numbers" }
                style={ "height:" (height) "px" } {}
            script type="application/json" { (PreEscaped(data)) }
        }
    }
}

/// A table that scrolls within the page where it is too wide for it. What a column means is said where the pointer is.
fn table(frame: &DataFrame, caption: &str, definitions: &[Definition]) -> PolarsResult<Markup> {
    let mut cells = columns(frame)?;
    let meaning = |name: &str| {
        let known = definitions.iter().find(|column| column.name == name);
        known.map(|column| column.meaning.as_str()).filter(|meaning| !meaning.is_empty())
    };
    Ok(html! {
        div.table role="region" tabindex="0" aria-label=(caption) {
            table {
                caption { (caption) }
                thead { tr { @for column in &cells { th scope="col" class=[side(column.right)] title=[meaning(&column.name)] { (column.name) } } } }
                tbody {
                    @for _ in 0..frame.height() {
                        tr {
                            @for column in &mut cells {
                                @let side = side(column.right);
                                td class=[side] { (column.next().flatten().unwrap_or_else(|| "–".into())) }
                            }
                        }
                    }
                }
            }
        }
    })
}

/// Numbers stand at the right.
fn side(right: bool) -> Option<&'static str> {
    right.then_some("number")
}

fn definitions(report: &Report) -> Markup {
    html! {
        details {
            summary { "Columns and SQL" }
            dl {
                @for column in &report.columns {
                    dt { code { (column.name) } " " span.type { (column.kind) } }
                    dd { (column.meaning) }
                }
            }
            pre tabindex="0" { code { (visible_lines(report.sql.trim())) } }
        }
    }
}

/// Where the numbers come from: lines, files, what was asked for.
fn about_the_run(facts: &Facts, files: &Markup) -> Markup {
    html! {
        section #run aria-labelledby="run-title" {
            h2 id="run-title" { "This run" }
            article {
                h3 { "Every line accounted for" }
                p { (facts.accounting) "." }
                (files)
                dl.options {
                    @for (name, value) in &facts.options { dt { (name) } dd { (visible(value)) } }
                }
            }
        }
    }
}

/// Text with its line ends, and nothing else that a browser would not show.
fn visible_lines(text: &str) -> String {
    text.lines().map(visible).collect::<Vec<_>>().join("\n")
}

/// A title as a sentence begins.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().collect::<String>() + letters.as_str())
        .unwrap_or_default()
}

fn anchor(group: &str) -> String {
    group.replace(' ', "-")
}

/// The script that draws, out of the elements that its crate makes for a page: the other is for formulas.
fn script(elements: &str) -> &str {
    let (_, script) = elements.split_once('>').unwrap_or_default();
    &script[..memchr::memmem::find(script.as_bytes(), b"</script>").unwrap_or_default()]
}
