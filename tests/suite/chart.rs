//! Pictures of results: each to the character at a few widths, and whatever the values are, never wider than the terminal.

use crate::harness::{Random, folder_with, program, root, run, stdout, text};
use crate::queries::words;
use loganalyze::report;
use loganalyze::sink::{About, Chart, Format, Style, write};
use polars::prelude::*;
use unicode_width::UnicodeWidthStr;

/// What is drawn of a frame.
fn picture(spec: &str, frame: &DataFrame, style: Style) -> String {
    let chart = Some(Chart::parse(spec).unwrap());
    let about = About { total_rows: frame.height(), chart, ..About::default() };
    let mut out = Vec::new();
    write(Format::Table, frame, &about, &Style { picture: true, ..style }, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn at_width(width: u16, spec: &str, frame: &DataFrame) -> String {
    picture(spec, frame, Style { width: Some(width), ..Style::default() })
}

/// A column of any type that a result may have, with hostile values among others.
fn column(name: &str, rows: usize, random: &mut Random) -> Column {
    const TEXTS: [&str; 9] = [
        "한빛 스마트폰 A7",
        "a",
        "",
        "\u{1b}[2J",
        "\u{202e}x",
        "é\u{301}\u{301}",
        "👩‍👩‍👧 ❤️",
        "긴 이름 사이에 빈칸이 많은 것",
        "tab\there",
    ];
    const FLOATS: [f64; 9] = [0.0, -0.0, 0.5, -2.5, f64::NAN, f64::INFINITY, f64::MIN, f64::MAX, 5e-324];
    const WHOLE: [i64; 8] = [0, 1, -1, 7, 23, 1_000_000, i64::MAX, i64::MIN];
    let kind = random.below(6);
    let mut pick = |values: usize| (random.below(5) > 0).then(|| random.below(values));
    let column = match kind {
        0 => Column::new(name.into(), (0..rows).map(|_| pick(9).map(|at| TEXTS[at])).collect::<Vec<_>>()),
        1 => Column::new(name.into(), (0..rows).map(|_| pick(9).map(|at| FLOATS[at])).collect::<Vec<_>>()),
        2 => Column::new(name.into(), (0..rows).map(|_| pick(8).map(|at| WHOLE[at])).collect::<Vec<_>>()),
        3 => Column::new(name.into(), (0..rows).map(|_| pick(24).map(|at| at as i64)).collect::<Vec<_>>()),
        _ => Column::new(name.into(), (0..rows).map(|_| pick(8).map(|at| WHOLE[at])).collect::<Vec<_>>()),
    };
    match kind {
        4 => column.cast(&DataType::Datetime(TimeUnit::Microseconds, None)).unwrap(),
        5 => {
            let days: Vec<_> = (0..rows)
                .map(|_| pick(9).map(|at| [0, 1, 20_157, 20_158, 20_160, 20_190, -9, i32::MAX, i32::MIN][at]))
                .collect();
            Column::new(name.into(), days).cast(&DataType::Date).unwrap()
        }
        _ => column,
    }
}

/// Small results, each with the chart that is drawn of it.
pub fn frames() -> Vec<(&'static str, DataFrame)> {
    let days = |days: &[i32]| Column::new("date".into(), days).cast(&DataType::Date).unwrap();
    let day = |n: usize| Column::new("date".into(), vec![20_157i32; n]).cast(&DataType::Date).unwrap();
    vec![
        ("bar name change", df!("name" => [Some("한빛 스마트폰 A7"), Some("tab\there"), None, Some("a")], "change" => [Some(-12i64), Some(30), None, Some(0)]).unwrap()),
        ("bar name rate", df!("name" => ["down", "none", "up", "x"], "rate" => [-0.5, f64::NAN, f64::INFINITY, -0.01]).unwrap()),
        ("bar name n", df!("name" => ["a", "b"], "n" => [0i64, 0]).unwrap()),
        ("bar ip result n", df!("ip" => ["10.0.0.1", "10.0.0.1", "192.168.100.100"], "result" => ["성공", "failure", "성공"], "n" => [12i64, 1500, 3]).unwrap()),
        ("line date visitors", DataFrame::new(5, vec![days(&[20_157, 20_158, 20_160, 20_161, 20_162]), Column::new("visitors".into(), [Some(1200i64), Some(800), Some(0), None, Some(1500)])]).unwrap()),
        ("line date change", DataFrame::new(4, vec![days(&[20_157, 20_158, 20_159, 20_160]), Column::new("change".into(), [3i64, -6, 0, 1])]).unwrap()),
        ("line date hour n by level", DataFrame::new(6, vec![day(6), Column::new("hour".into(), [6i64, 7, 9, 6, 9, 23]), Column::new("n".into(), [9i64, 3, 1, 100, 200, 50]), Column::new("level".into(), ["오류", "오류", "오류", "INFO", "INFO", "INFO"])]).unwrap()),
        ("heatmap cohort week retention_rate", df!("cohort" => ["2025-03-03", "2025-03-03", "2025-03-03", "2025-03-10", "2025-03-10", "2025-03-17"], "week" => [0i64, 1, 2, 0, 1, 0], "retention_rate" => [1.0, 0.25, 0.125, 1.0, 0.3, 1.0]).unwrap()),
        ("heatmap weekday hour n", df!("weekday" => [1i64, 2, 7, 7], "hour" => [0i64, 8, 22, 23], "n" => [5i64, 10, 20, -20]).unwrap()),
        ("funnel name n", df!("name" => ["상품 보기", "cart", "checkout", "buy"], "n" => [Some(1000i64), Some(500), None, Some(1)]).unwrap()),
    ]
}

/// Every kind of picture at every kind of width, one behind the other; `LOGANALYZE_BLESS=1` writes them anew.
#[test]
fn pictures_are_what_they_were_when_somebody_looked_at_them() {
    let mut found = String::new();
    for (spec, frame) in frames() {
        for width in [80, 40, 20, 5] {
            found += &format!("=== {spec}, {width} wide\n{}", at_width(width, spec, &frame));
        }
        let style = Style { color: true, ascii: true, ..Style::default() };
        found +=
            &format!("=== {spec}, coloured ASCII\n{}", picture(spec, &frame, style).replace('\u{1b}', "ESC"));
    }
    let path = root().join("tests/golden/pictures.txt");
    if std::env::var_os("LOGANALYZE_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    for (found, expected) in found.split("=== ").zip(expected.split("=== ")) {
        assert_eq!(found, expected, "LOGANALYZE_BLESS=1 writes tests/golden/pictures.txt anew");
    }
    assert_eq!(found, expected);
}

#[test]
fn nothing_to_draw_is_said_as_under_a_table() {
    for (spec, frame) in frames() {
        let style = Style { color: true, ..Style::default() };
        assert_eq!(picture(spec, &frame.head(Some(0)), style), "no rows\n", "{spec}");
    }
}

#[test]
fn a_chart_is_a_kind_and_columns() {
    for right in [
        "bar a n",
        "bar a b c n",
        "bar a n by b c",
        "line t n",
        "line date hour n",
        "line t n by s",
        "line date hour n by s",
        "heatmap a b n",
        "funnel a n",
    ] {
        let chart = Chart::parse(right).unwrap();
        let columns: Vec<&str> = right.split(' ').skip(1).filter(|&word| word != "by").collect();
        assert_eq!(chart.columns().collect::<Vec<_>>(), columns, "{right}");
    }
    for wrong in [
        "",
        "bar",
        "bar n",
        "bar by b",
        "bar a n by",
        "pie a n",
        "line n",
        "line a b c n",
        "line n by s",
        "heatmap a n",
        "heatmap a b c n",
        "heatmap a b n by c",
        "funnel n",
        "funnel a b n",
        "funnel a n by b",
        "Bar a n",
    ] {
        let error = Chart::parse(wrong).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("'heatmap ROW COLUMN VALUE'"), "{error}");
    }
}

/// The reports, and each of their variants, as they are run.
fn commands() -> Vec<Vec<String>> {
    report::all().unwrap().iter().map(words).collect()
}

#[test]
fn every_report_has_a_picture_of_80_columns() {
    let folder = folder_with(&[("empty.log", b""), ("app.log", b"")]);
    for command in commands() {
        for logs in ["sample_logs", text(folder.path())] {
            let shown = stdout(command.iter().map(String::as_str).chain([logs, "--chart"]));
            let table = stdout(command.iter().map(String::as_str).chain([logs, "--format", "table"]));
            assert!(shown.lines().all(|line| line.width() <= 80), "{shown}");
            // The lines under the table are under the picture, too, where they wrap.
            let at =
                table.lines().position(|line| line.contains(" row") || line.starts_with("top ")).unwrap();
            let footer: Vec<&str> = table.lines().skip(at).flat_map(str::split_whitespace).collect();
            let words: Vec<&str> = shown.split_whitespace().collect();
            assert!(words.ends_with(&footer), "{command:?}: {shown}\n{footer:?}");
            let drawn = shown.contains(['█', '▓', '▒', '░']);
            assert_eq!(drawn, logs == "sample_logs" && footer[0] != "no", "{command:?}:\n{shown}");
        }
    }
}

#[test]
fn a_picture_goes_where_a_table_would() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("views.txt"), folder.path().join("out"));
    let printed = stdout(["product-views", "sample_logs", "--chart"]);
    assert!(printed.starts_with("views by product_id, product_name\n"), "{printed}");
    assert_eq!(stdout(["product-views", "sample_logs", "--chart", "-o", text(&file)]), "");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), printed);
    stdout(["report", "sample_logs", "--only", "product-views", "--chart", "-o", text(&out)]);
    assert_eq!(std::fs::read_to_string(out.join("product-views.txt")).unwrap(), printed);
    let several = stdout(["report", "sample_logs", "--only", "event-counts,product-views", "--chart"]);
    assert!(
        several.starts_with("event-counts: ") && several.ends_with(&format!("\n\n{printed}\n")),
        "{several}"
    );
}

#[test]
fn anything_can_be_drawn_that_has_numbers() {
    let query =
        "SELECT event_date, page, COUNT(*) AS n FROM events WHERE page IS NOT NULL GROUP BY event_date, page";
    for (chart, shown) in [
        ("bar event_date page n", "n by event_date, page\n"),
        ("line event_date n by page", "page with smaller values, left out: "),
        ("heatmap page event_date n", "129▒▒"),
    ] {
        let printed = stdout(["sql", query, "sample_logs", &format!("--chart={chart}")]);
        assert!(printed.contains(shown), "{chart}:\n{printed}");
    }
    let other = stdout(["product-views", "sample_logs", "--chart=bar product_id view_to_cart"]);
    assert!(other.starts_with("view_to_cart by product_id\n") && other.contains(" %\n"), "{other}");
}

#[test]
fn what_cannot_be_drawn_is_said() {
    for (words, hint) in [
        (&["product-views", "--chart", "--format", "csv"][..], "csv"),
        (&["product-views", "--chart", "-o", "views.parquet"], ".txt"),
        (&["report", "--chart", "--format", "markdown"], "markdown"),
        (&["report", "--chart=bar a b"], "--chart alone"),
        (&["sql", "SELECT 1 AS n FROM events", "--chart"], "--chart='bar LABEL VALUE'"),
        (&["quality", "--chart"], "--chart='bar LABEL VALUE'"),
        (&["product-views", "--chart=pie a b"], "'funnel NAME VALUE'"),
        (&["product-views", "--chart=bar product view"], "product_id"),
        (&["product-views", "--chart=bar views product_name"], "numbers"),
        (&["product-views", "--chart=line views users"], "date"),
    ] {
        let output = run(words.iter().chain(&["sample_logs"]));
        assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{words:?}: {}", output.stderr);
        assert!(output.stderr.contains(hint), "{words:?}: {}", output.stderr);
    }
    assert!(!root().join("views.parquet").exists());
}

#[test]
fn without_utf_8_there_is_ascii() {
    for (variable, value, ascii) in
        [("LANG", "C", true), ("LC_ALL", "ko_KR.EUC-KR", true), ("LC_CTYPE", "ko_KR.UTF-8", false)]
    {
        let mut command = program();
        let command =
            command.env(variable, value).args(["event-counts", "sample_logs", "--chart", "--quiet"]);
        assert_eq!(command.output().unwrap().stdout.is_ascii(), ascii, "{variable}={value}");
    }
}

#[test]
fn no_picture_is_wider_than_the_terminal_whatever_is_in_it() {
    let mut random = Random(5);
    for case in 0..500 {
        let rows = *random.pick(&[0, 1, 2, 3, 7, 40]);
        let names = ["weekday", "hour", "rate", "product_name", "긴이름"];
        let columns: Vec<Column> =
            (0..4).map(|at| column(names[(case + at) % 5], rows, &mut random)).collect();
        let frame = DataFrame::new(rows, columns).unwrap();
        let [a, b, c, d] = [0, 1, 2, 3].map(|at| names[(case + at) % 5]);
        let specs = [
            format!("bar {a} {b}"),
            format!("bar {a} {b} {c} by {d}"),
            format!("line {a} {b}"),
            format!("line {a} {b} {c}"),
            format!("line {a} {b} by {d}"),
            format!("heatmap {a} {b} {c}"),
            format!("funnel {a} {b}"),
        ];
        for spec in specs {
            for width in [0, 1, 2, 3, 9, 20, 40, 80, 200] {
                let shown = at_width(width, &spec, &frame);
                for line in shown.lines() {
                    assert!(
                        line.width() <= usize::from(width),
                        "case {case}, {spec}, {width} wide:\n{shown}\n{frame}"
                    );
                }
                assert!(!shown.contains(['\u{1b}', '\u{202e}', '\t']), "{shown}");
            }
        }
    }
}
