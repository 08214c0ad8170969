//! The page beside the files of `report`: complete, safe whatever the logs say, the same each time, and drawn by a browser.

use crate::chart::frames;
use crate::harness::{folder_with, run, skip, stdout, text};
use loganalyze::report;
use loganalyze::sink::page::{Definition, Facts, Headline, Page, Part, Report};
use loganalyze::sink::{About, Chart};
use polars::prelude::*;
use std::path::Path;
use std::process::Command;

/// What a log may say to harm a page, and what a page may take for its own.
const HOSTILE: [&str; 7] = [
    "<script>document.title='harmed'</script>",
    "</script><script>document.title='harmed'</script>",
    "<img src=x onerror=\"document.title='harmed'\">",
    "\" onmouseover=\"document.title='harmed'\" '",
    "<!-- &lt;b&gt; &amp; -->",
    "%{x} {{y}} <a href=\"https://example.com\">far</a>",
    "\u{202e}탈취\u{1b}[2J",
];

/// The page of a run, and its folder.
fn page(words: &[&str]) -> (String, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(stdout([&["report", "-o", text(folder.path())], words].concat()), "");
    (std::fs::read_to_string(folder.path().join("index.html")).unwrap(), folder)
}

/// Logs whose texts are hostile, in every field that a report shows.
fn hostile_logs() -> tempfile::TempDir {
    let mut log = String::new();
    for (second, text) in HOSTILE.iter().enumerate() {
        let head = format!(
            r#""timestamp": "2025-03-10T10:00:0{second}", "ip_address": "10.0.0.1", "user_agent": "x", "session_id": "s""#
        );
        let text = serde_json::to_string(text).unwrap();
        log += &format!("{{{head}, \"event_type\": {text}, \"path\": {text}, \"search_query\": {text}}}\n");
        log += &format!(
            "{{{head}, \"event_type\": \"cart_add\", \"product_id\": {second}, \"product_name\": {text}}}\n"
        );
        log += &format!(
            "{{{head}, \"event_type\": \"view\", \"entity_type\": \"product\", \"entity_id\": {second}, \"path\": \"/products/{second}\", \
             \"method\": \"GET\", \"response_status\": 200}}\n"
        );
    }
    folder_with(&[("user_activity.log", log.as_bytes())])
}

/// The page without the scripts that it brings along, which are not made of what is in the logs.
fn without_scripts(page: &str) -> String {
    let mut parts = page.split("<script>");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |page, part| page + part.split_once("</script>").unwrap().1)
}

/// The elements of a page, each opened and closed in its place; the text of scripts is not looked into.
fn elements(page: &str) -> Vec<String> {
    const EMPTY: [&str; 2] = ["meta", "!DOCTYPE"];
    let (mut rest, mut open, mut all): (&str, Vec<String>, Vec<String>) = (page, Vec::new(), Vec::new());
    while let Some(at) = rest.find('<') {
        let end = at + rest[at..].find('>').expect("a tag ends");
        let tag = &rest[at + 1..end];
        let name = tag.trim_start_matches('/').split(' ').next().unwrap();
        rest = &rest[end + 1..];
        if tag.starts_with('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "closed before it was opened");
        } else if !EMPTY.contains(&name) {
            open.push(name.to_owned());
            all.push(name.to_owned());
            if ["script", "style"].contains(&name) {
                rest = &rest[rest.find(&format!("</{name}>")).unwrap()..];
            }
        }
    }
    assert!(open.is_empty(), "never closed: {open:?}");
    all
}

#[test]
fn every_report_has_its_section() {
    let (page, folder) = page(&["sample_logs"]);
    elements(&page);
    let mut sections = page.split("<article").skip(1);
    let mut group = String::new();
    for report in report::all().unwrap().iter().filter(|report| report.header.variant_of.is_none()) {
        let header = &report.header;
        let name = &header.name;
        let section = sections.next().unwrap();
        assert!(section.starts_with(&format!(" id=\"{name}\"")), "{name} is not where the catalogue has it");
        assert!(page.contains(&format!("<a href=\"#{name}\">{name}</a>")), "{name} is not in the list");
        assert!(
            section.contains(&format!("href=\"./{name}.csv\""))
                && folder.path().join(format!("{name}.csv")).is_file()
        );
        for column in &header.columns {
            assert!(section.contains(&format!(">{}</th>", column.name)), "{name} shows no {}", column.name);
            assert!(
                section.contains(&format!("<code>{}</code>", column.name)),
                "{name} does not define {}",
                column.name
            );
        }
        if header.group != group {
            group.clone_from(&header.group);
            assert_eq!(page.to_lowercase().matches(&format!("{group}</h2>")).count(), 1, "{group}");
        }
    }
    assert!(sections.next().unwrap().contains("Every line accounted for") && sections.next().is_none());
    for part in [
        "<title>Activity report 2025-03-10 to 2025-03-14</title>",
        "5,169 lines = 5,095 events + 8 rejects + 8 blank + 58 joined.",
        "<td>sample_logs/user_activity-2025-03-13.log</td><td class=\"number\">358</td>",
        "<span class=\"label\">Actions</span> <span class=\"value\">2,450</span>",
        "<td class=\"number\">1</td><td>한빛 스마트폰 A7</td><td class=\"number\">67</td>",
        "first 30 of 43 rows · ",
        "title=\"cart_adds / views\"",
        "FROM events",
        "<html lang=\"en\">",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn only_what_was_asked_for_is_there() {
    let (page, _folder) = page(&[
        "sample_logs",
        "--only",
        "funnel",
        "--format",
        "parquet",
        "--since",
        "2025-03-12",
        "--top",
        "2",
    ]);
    assert_eq!(page.matches("<article").count(), 2);
    for part in [
        "href=\"./funnel.parquet\"",
        "<dt>Only events from</dt><dd>2025-03-12</dd>",
        "top 2 of 4",
        "Viewers who bought",
        "2025-03-12 to",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("Product views"));
}

#[test]
fn logs_cannot_harm_the_page() {
    let logs = hostile_logs();
    let (page, _folder) = page(&[text(logs.path())]);
    let own = elements(&self::page(&["sample_logs", "--only", "event-counts,product-views"]).0);
    let page = without_scripts(&page);
    for element in elements(&page) {
        assert!(own.contains(&element), "the logs brought <{element}>");
    }
    assert!(page.contains("&lt;script&gt;document.title='harmed'&lt;/script&gt;"), "{page}");
    assert!(page.contains("탈취") && !page.contains(['\u{202e}', '\u{1b}']));
    for data in page.split("<script type=\"application/json\">").skip(1) {
        let data = data.split_once("</script>").unwrap().0;
        assert!(!data.contains('<'), "{data}");
        serde_json::from_str::<serde_json::Value>(data).unwrap();
    }
}

#[test]
fn nothing_is_loaded_from_anywhere() {
    let (page, _folder) = page(&["sample_logs"]);
    assert_eq!(page.matches("/**\n* plotly.js v").count(), 1);
    assert!(!page.contains("MathJax =") && page.len() < 6_000_000, "{} bytes", page.len());
    assert!(page.contains("content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:; "));
    let own = without_scripts(&page);
    for word in ["=\"http", "=\"//", "src=", "url(", "@import", "<link", "<iframe"] {
        assert!(!own.contains(word), "{word}");
    }
}

#[test]
fn the_same_logs_make_the_same_page() {
    let first = page(&["sample_logs"]).0;
    let second =
        page(&["sample_logs", "--threads", "1", "--chunk-bytes", "1000", "--memory-limit", "20MB"]).0;
    assert!(first == second, "two runs differ");
}

#[test]
fn a_page_of_nothing_says_so() {
    let logs = folder_with(&[("user_activity.log", b"")]);
    let (page, _folder) = page(&[text(logs.path())]);
    elements(&page);
    assert!(page.contains("<title>Activity report</title>") && page.contains("no rows · "));
    assert!(page.contains("0 lines = 0 events + 0 rejects + 0 blank"));
}

#[test]
fn a_page_that_cannot_be_written_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("index.html")).unwrap();
    let output = run(["report", "sample_logs", "-o", text(folder.path())]);
    assert_eq!(output.code, 1);
    assert!(output.stderr.lines().last().unwrap().contains("index.html"), "{}", output.stderr);
}

/// A page of every kind of chart, with hostile labels among others.
fn page_of_charts(path: &Path) -> usize {
    let mut page = Page::default();
    let mut frames = frames();
    frames.push(("bar name n", df!("name" => HOSTILE, "n" => [1i64, 2, 3, 4, 5, 6, 7]).unwrap()));
    frames.push((
        "bar a n by name",
        df!("a" => ["x"; 7], "name" => HOSTILE, "n" => [1i64, 2, 3, 4, 5, 6, 7]).unwrap(),
    ));
    frames.push(("heatmap name name n", df!("name" => HOSTILE, "n" => [1i64, 2, 3, 4, 5, 6, 7]).unwrap()));
    frames.push(("funnel name n", df!("name" => HOSTILE, "n" => [7i64, 6, 5, 4, 3, 2, 1]).unwrap()));
    for (number, (spec, frame)) in frames.iter().enumerate() {
        let chart = Some(Chart::parse(spec).unwrap());
        let name = format!("{}-{number}", spec.split(' ').next().unwrap());
        let about = About {
            name,
            total_rows: frame.height(),
            chart,
            notes: vec![HOSTILE[2].into()],
            ..About::default()
        };
        let report = Report {
            title: spec,
            group: if number < 5 { "bars and lines" } else { "others" },
            columns: vec![Definition {
                name: "name".into(),
                kind: "text".into(),
                meaning: HOSTILE[3].into(),
            }],
            sql: HOSTILE[0],
            file: "rows.csv".into(),
            headlines: if number == 0 { Headline::parse_all("Change = change").unwrap() } else { Vec::new() },
        };
        page.add(Part::of(&report, &about, frame, frame.height()).unwrap());
    }
    let facts = Facts {
        period: Some((1_741_568_744_107_627, 1_741_568_744_107_627)),
        accounting: "1 line".into(),
        files: df!("file" => [HOSTILE[2]], "lines" => [1i64]).unwrap(),
        options: vec![("Input".into(), HOSTILE[1].into())],
        program: "loganalyze".into(),
    };
    let mut out = std::fs::File::create(path).unwrap();
    page.write(&facts, &mut out).unwrap();
    frames.len()
}

/// The page as it stands after its scripts ran, and what they had to complain of; none without a browser.
fn in_a_browser(page: &Path, options: &[&str]) -> Option<(String, String)> {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args([
            "--enable-logging=stderr",
            "--virtual-time-budget=5000",
            "--window-size=1280,1200",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", text(profile.path())))
        .args(options)
        .arg(format!("file://{}", text(page)))
        .output();
    let Ok(output) = output else {
        skip("there is no chromium");
        return None;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    let console = said.lines().filter(|line| line.contains("CONSOLE")).collect::<Vec<_>>().join("\n");
    Some((without_scripts(&String::from_utf8(output.stdout).unwrap()), console))
}

#[test]
fn a_browser_draws_every_chart_and_nothing_else_happens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("charts.html");
    let charts = page_of_charts(&path);
    let (logs, (_, reports)) = (hostile_logs(), page(&["sample_logs"]));
    let hostile = page(&[text(logs.path())]).1;
    for path in [path, reports.path().join("index.html"), hostile.path().join("index.html")] {
        let page = std::fs::read_to_string(&path).unwrap();
        let figures = page.matches("<figure>").count();
        // Charts are drawn when they come into view, all of them before the page is printed.
        let print = "<script>dispatchEvent(new Event('beforeprint'))</script></body>";
        std::fs::write(&path, page.replace("</body>", print)).unwrap();
        let Some((dom, console)) = in_a_browser(&path, &[]) else { return };
        assert_eq!(console, "", "{}", path.display());
        assert_eq!(dom.matches("js-plotly-plot").count(), figures, "{}", path.display());
        assert!(figures >= 3 && dom.matches("class=\"main-svg\"").count() >= figures, "{}", path.display());
        // On paper a chart must not be wider than that.
        for svg in dom.split("class=\"main-svg\"").skip(1) {
            let width = svg.split("width=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
            assert!(width.parse::<f64>().unwrap() <= 640.0, "{width} {}", path.display());
        }
        assert!(!dom.contains("<title>harmed") && !dom.contains("<img"), "{}", path.display());
        let mut links = dom.split("<a ").skip(1).filter_map(|rest| rest.split_once('>'));
        assert!(links.all(|(link, _)| !link.contains("http")), "a label became a link");
    }
    assert!(charts > 10);
}

#[test]
fn charts_in_view_wear_the_colours_of_the_page() {
    let reports = page(&["sample_logs", "--only", "event-counts"]).1;
    let path = reports.path().join("index.html");
    for (options, color) in
        [(&[][..], "rgb(54, 103, 181)"), (&["--blink-settings=preferredColorScheme=0"], "rgb(123, 163, 232)")]
    {
        // A browser that is short of time may say what the page is before it has shown it.
        for attempt in 0.. {
            let Some((dom, _)) = in_a_browser(&path, options) else { return };
            if dom.contains(&format!("fill: {color}")) {
                break;
            }
            assert!(attempt < 3, "{options:?} has no {color}");
        }
    }
}
