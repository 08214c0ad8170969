//! A result becomes bytes: the list of formats, what a result says about itself, and which writer takes it.
//! Knows nothing of how the rows were made, nor of where the bytes go.

pub mod cells;
pub mod chart;
mod csv;
mod elasticsearch;
pub mod file;
mod json;
mod markdown;
mod moment;
pub mod page;
mod parquet;
pub mod prometheus;
pub mod readable;
mod table;

use std::io::{self, BufWriter, Write};
use std::path::Path;

use polars::prelude::DataFrame;

use crate::error::Error;

pub use chart::Chart;
pub use file::write_atomically;
pub use readable::{grouped, visible};

/// How a result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Columns for a terminal, for people.
    Table,
    /// RFC 4180 with `\n` line ends; an empty cell is null.
    Csv,
    /// Tabs, no quotes; tab, line end and backslash inside text as `\t`, `\n`, `\r`, `\\`.
    Tsv,
    /// One array of objects, an object a line.
    Json,
    /// An object a line.
    Ndjson,
    /// Typed columns, compressed.
    Parquet,
    /// A GitHub table, for people.
    Markdown,
    /// An object a line, and before each a line that says where Elasticsearch puts it.
    Elasticsearch,
}

impl Format {
    /// Every format, in the order in which help lists them.
    pub const ALL: [Format; 8] = [
        Format::Table,
        Format::Csv,
        Format::Tsv,
        Format::Json,
        Format::Ndjson,
        Format::Parquet,
        Format::Markdown,
        Format::Elasticsearch,
    ];

    /// The word that names the format.
    pub fn name(self) -> &'static str {
        match self {
            Format::Table => "table",
            Format::Csv => "csv",
            Format::Tsv => "tsv",
            Format::Json => "json",
            Format::Ndjson => "ndjson",
            Format::Parquet => "parquet",
            Format::Markdown => "markdown",
            Format::Elasticsearch => "elasticsearch",
        }
    }

    /// The file name endings that mean this format, the usual one first.
    pub fn endings(self) -> &'static [&'static str] {
        match self {
            Format::Table => &["txt"],
            Format::Csv => &["csv"],
            Format::Tsv => &["tsv"],
            Format::Json => &["json"],
            Format::Ndjson => &["ndjson", "jsonl"],
            Format::Parquet => &["parquet", "pq"],
            Format::Markdown => &["md", "markdown"],
            Format::Elasticsearch => &["bulk"],
        }
    }

    /// Whether a result's notes stand under it.
    pub fn has_notes(self) -> bool {
        matches!(self, Format::Table | Format::Markdown)
    }

    /// The format that a file's name asks for by its ending, in upper or lower case.
    ///
    /// # Errors
    /// [`Error::Usage`] with the known endings, where there is no ending or an unknown one.
    pub fn from_path(path: &Path) -> Result<Format, Error> {
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        Format::ALL.into_iter().find(|format| format.endings().contains(&ending.as_str())).ok_or_else(|| {
            let known: Vec<_> =
                Format::ALL.iter().flat_map(|format| format.endings()).map(|e| format!(".{e}")).collect();
            Error::Usage(format!(
                "the name {} does not say which format to write: end it in one of {}",
                visible(&path.to_string_lossy()),
                known.join(" "),
            ))
        })
    }
}

/// What a result says about itself.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// Its name, such as `product-views`.
    pub name: String,
    /// How many rows there were before the frame was cut to the first few.
    pub total_rows: usize,
    /// Short lines to stand under a table, such as `immature entrants: 12`.
    pub notes: Vec<String>,
    /// Keys and values for a Parquet file's metadata.
    pub metadata: Vec<(String, String)>,
    /// How it is drawn.
    pub chart: Option<Chart>,
    /// Whether its texts are sentences, of which nothing is cut off.
    pub prose: bool,
    /// The columns that tell its rows apart, if it is known.
    pub key: Vec<String>,
    /// What times it is about: names such as `since`, and moments.
    pub period: Vec<(String, String)>,
    /// What options made of it, if they made it another result than the one of its name.
    pub variation: Vec<String>,
}

/// How a terminal shows a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether escape codes may set the header bold and nulls dim.
    pub color: bool,
    /// Columns of the terminal; none: nothing of a table is cut to fit, and a picture is 80 wide.
    pub width: Option<u16>,
    /// Whether a picture is shown in a table's place.
    pub picture: bool,
    /// Whether a picture is drawn with ASCII alone.
    pub ascii: bool,
}

/// Writes `frame` in `format` to `out`, buffered, and flushes.
///
/// All formats but the table go through the rows (Parquet: through the columns of 256 Ki rows) and hold
/// little more than one at a time; a table has to know its widest cell, so it holds them all.
///
/// # Errors
/// What `out` answers, unchanged, so that a closed pipe is still [`io::ErrorKind::BrokenPipe`].
pub fn write(
    format: Format,
    frame: &DataFrame,
    about: &About,
    style: &Style,
    out: &mut (dyn Write + Send),
) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, out);
    match format {
        Format::Table if style.picture => chart::write(frame, about, style, &mut out),
        Format::Table => table::write(frame, about, style, &mut out),
        Format::Csv => csv::write(frame, csv::Dialect::Commas, &mut out),
        Format::Tsv => csv::write(frame, csv::Dialect::Tabs, &mut out),
        Format::Json => json::write_array(frame, &mut out),
        Format::Ndjson => json::write_lines(frame, &mut out),
        Format::Parquet => parquet::write(frame, about, &mut out),
        Format::Markdown => markdown::write(frame, about, &mut out),
        Format::Elasticsearch => elasticsearch::write(frame, about, &mut out),
    }?;
    out.flush()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
pub(crate) mod tests {
    use polars::prelude::*;

    use super::*;

    /// A frame with every type of a report, its second row null throughout.
    pub fn every_type() -> DataFrame {
        let day = Column::new("day".into(), [Some(20_157i32), None]).cast(&DataType::Date).unwrap();
        let at = Column::new("at".into(), [Some(1_741_568_744_107_627i64), None])
            .cast(&DataType::Datetime(TimeUnit::Microseconds, None))
            .unwrap();
        DataFrame::new(
            2,
            vec![
                Column::new("product_id".into(), [Some(1204i64), None]),
                Column::new("views".into(), [Some(1204i64), None]),
                Column::new("share".into(), [Some(0.1234), None]),
                Column::new("seconds".into(), [Some(2.0), None]),
                Column::new("name".into(), [Some("김치 \"A\""), None]),
                Column::new("paired".into(), [Some(true), None]),
                day,
                at,
            ],
        )
        .unwrap()
    }

    /// Columns that only free SQL makes, one row and a null.
    pub fn odd_types() -> DataFrame {
        let ms = |dtype: &DataType| Column::new("x".into(), [Some(3_723_004i64), None]).cast(dtype).unwrap();
        let list = Column::new("list".into(), [Some(Series::new("".into(), ["=1", "b\"c"])), None]);
        let pair = StructChunked::from_series(
            "pair".into(),
            1,
            [Series::new("a".into(), [1i64]), Series::new("b".into(), ["x"])].iter(),
        )
        .unwrap()
        .into_series()
        .extend_constant(AnyValue::Null, 1)
        .unwrap();
        DataFrame::new(
            2,
            vec![
                Column::new("big".into(), [Some(u64::MAX), None]),
                Column::new("count".into(), [Some(7u32), None]),
                Column::new("float32".into(), [Some(0.1f32), None]),
                ms(&DataType::Duration(TimeUnit::Milliseconds)).with_name("duration".into()),
                ms(&DataType::Datetime(TimeUnit::Milliseconds, None)).with_name("ms".into()),
                ms(&DataType::Datetime(TimeUnit::Milliseconds, Some(TimeZone::UTC)))
                    .with_name("zoned".into()),
                ms(&DataType::Int64).cast(&DataType::Time).unwrap().with_name("time".into()),
                Column::new("decimal".into(), [Some(1.5), None]).cast(&DataType::Decimal(10, 2)).unwrap(),
                Column::new("binary".into(), [Some(&b"a\xff"[..]), None]),
                Column::full_null("nothing".into(), 2, &DataType::Null),
                list,
                pair.with_name("pair".into()).into_column(),
            ],
        )
        .unwrap()
    }

    /// What [`write`] makes of a frame, as text.
    pub fn text(format: Format, frame: &DataFrame) -> String {
        let about = About { total_rows: frame.height(), ..About::default() };
        String::from_utf8(bytes(format, frame, &about)).unwrap()
    }

    /// What [`write`] makes of a frame.
    pub fn bytes(format: Format, frame: &DataFrame, about: &About) -> Vec<u8> {
        let mut out = Vec::new();
        write(format, frame, about, &Style::default(), &mut out).unwrap();
        out
    }

    #[test]
    fn every_ending_names_one_format() {
        for format in Format::ALL {
            for ending in format.endings() {
                assert_eq!(Format::from_path(Path::new(&format!("a.b.{ending}"))).unwrap(), format);
            }
        }
        assert_eq!(Format::from_path(Path::new("A.CSV")).unwrap(), Format::Csv);
        for name in ["csv", "a.gz", ".csv"] {
            let message = Format::from_path(Path::new(name)).unwrap_err().to_string();
            assert!(message.contains(".parquet") && message.contains(name), "{message}");
        }
    }

    #[test]
    fn no_frame_panics_in_any_format() {
        let empty = DataFrame::empty();
        for frame in [every_type(), odd_types(), odd_types().head(Some(0)), empty] {
            for format in Format::ALL {
                bytes(format, &frame, &About::default());
            }
        }
    }

    #[test]
    fn a_closed_pipe_stays_a_closed_pipe() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        for format in Format::ALL {
            let answer = write(format, &every_type(), &About::default(), &Style::default(), &mut Closed);
            assert_eq!(answer.unwrap_err().kind(), io::ErrorKind::BrokenPipe, "{format:?}");
        }
    }
}
