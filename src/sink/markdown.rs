//! A GitHub table. Log text in it is text: it opens no tag, no link and no further cell.

use std::io::{self, Write};

use polars::prelude::DataFrame;

use super::About;
use super::readable::{columns, footer};

/// Writes the table and, in italics, the lines under it; of a frame without columns, only those.
pub fn write(frame: &DataFrame, about: &About, out: &mut impl Write) -> io::Result<()> {
    let mut columns = columns(frame).map_err(io::Error::other)?;
    if !columns.is_empty() {
        let names: String = columns.iter().map(|column| format!(" {} |", escaped(&column.name))).collect();
        let sides: String =
            columns.iter().map(|column| if column.right { " ---: |" } else { " --- |" }).collect();
        write!(out, "|{names}\n|{sides}\n")?;
        for _ in 0..frame.height() {
            write!(out, "|")?;
            for column in &mut columns {
                let cell = column.next().flatten().map_or("–".into(), |text| escaped(&text));
                write!(out, " {cell} |")?;
            }
            writeln!(out)?;
        }
        writeln!(out)?;
    }
    let lines: Vec<_> = footer(frame.height(), about).iter().map(|line| escaped(line)).collect();
    writeln!(out, "*{}*", lines.join(" · "))
}

/// `text` without meaning in Markdown or HTML.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' => safe.extend(['\\', c]),
            c => safe.push(c),
        }
    }
    // GitHub makes links of bare addresses, mail's too, and tells whoever is mentioned, also where the sign is escaped.
    safe.replace("://", "\\://").replace("www.", "www\\.").replace('@', "@<!-- -->")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use polars::prelude::*;

    use super::*;
    use crate::sink::{
        Format,
        tests::{bytes, every_type, text},
    };

    #[test]
    fn a_frame_with_every_type() {
        assert_eq!(
            text(Format::Markdown, &every_type()),
            "\
| product\\_id | views | share | seconds | name | paired | day | at |
| ---: | ---: | ---: | ---: | --- | --- | --- | --- |
| 1204 | 1,204 | 12.3 % | 2 | 김치 \"A\" | true | 2025-03-10 | 2025-03-10 01:05:44.107 |
| – | – | – | – | – | – | – | – |

*2 rows*
"
        );
    }

    #[test]
    fn hostile_text_stays_in_its_cell() {
        let frame = df!("t" => ["|\n<script>&`*_[x](http://a)\\ a@b.c"]).unwrap();
        let about = About { total_rows: 9, notes: vec!["immature: 12".into()], ..About::default() };
        assert_eq!(
            String::from_utf8(bytes(Format::Markdown, &frame, &about)).unwrap(),
            "| t |\n| --- |\n| \\|\\\\n&lt;script&gt;&amp;\\`\\*\\_\\[x\\](http\\://a)\\\\ a@<!-- -->b.c |\n\n*top 1 of 9 · immature: 12*\n"
        );
    }

    #[test]
    fn no_rows_and_no_columns() {
        assert_eq!(text(Format::Markdown, &DataFrame::empty()), "*no rows*\n");
        let empty = every_type().select(["day"]).unwrap().head(Some(0));
        assert_eq!(text(Format::Markdown, &empty), "| day |\n| --- |\n\n*no rows*\n");
    }
}
