//! The header of a report's file: comment lines `-- key: value` before the SQL.

use super::Report;
use super::params::Param;
use crate::error::{Error, did_you_mean};
use crate::schema::Type;

/// A column that a report promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultColumn {
    /// Its name.
    pub name: String,
    /// Its type, the same on every engine.
    pub kind: Type,
    /// What it means, empty where the name says it.
    pub meaning: String,
}

/// What the header of a report's file says.
#[derive(Debug, Clone, Default)]
pub struct Header {
    /// The report's name: its file's, and its subcommand's.
    pub name: String,
    /// What it answers, in one line.
    pub title: String,
    /// The part of the catalogue that it stands in.
    pub group: String,
    /// What a user may set.
    pub params: Vec<Param>,
    /// A parameter that may be at most so many times another.
    pub at_most: Option<(String, i64, String)>,
    /// Its columns, in order.
    pub columns: Vec<ResultColumn>,
    /// The columns that tell rows apart; the others are measured.
    pub key: Vec<String>,
    /// How many rows are shown unless `--top` says otherwise; 0 is all.
    pub top: usize,
    /// How it is drawn: `bar LABEL… VALUE`, `line TIME VALUE` (a timestamp or a date) or `line DATE HOUR VALUE`, each of
    /// them also with `by COLUMN…` behind for a line or bars a value of those columns; `heatmap ROW COLUMN VALUE`; `funnel
    /// NAME VALUE`. The sink that draws reads it.
    pub chart: Option<String>,
    /// The numbers that sum the report up: `LABEL = COLUMN`, `LABEL = COLUMN / COLUMN` or `LABEL = last COLUMN`, with commas
    /// between them. The sink that shows them reads it.
    pub headlines: Option<String>,
    /// An option and its values, each of which chooses the report `NAME-VALUE` in place of this one.
    pub variants: Option<(String, Vec<String>)>,
    /// The report that this is a variant of.
    pub variant_of: Option<String>,
    /// Why the SQL is not in the file, for a report whose SQL is generated.
    pub generated: Option<String>,
}

/// Reads a report's file: the first line `-- name: title`, further lines `-- key: value` (`group`, `params`, `at-most`,
/// `columns`, `key`, `top`, `chart`, `headlines`, `variants`, `variant-of`, `generated`, or a column's or parameter's name
/// with its meaning; of a name that is both, the column's first), then SQL.
///
/// # Errors
/// `Error::Query` that names the line that cannot be read.
pub fn parse(text: &str) -> Result<Report, Error> {
    parse_of("a report's header", text)
}

/// What a header's line may begin with, but for names of columns and parameters.
pub(super) const KEYS: [&str; 11] = [
    "columns",
    "group",
    "params",
    "at-most",
    "key",
    "top",
    "chart",
    "headlines",
    "variants",
    "variant-of",
    "generated",
];

/// As [`parse`]; messages name this place.
pub(super) fn parse_of(place: &str, text: &str) -> Result<Report, Error> {
    let mut header = Header::default();
    let mut meanings = Vec::new();
    let mut no_column = None;
    let mut sql_begin = 0;
    let wrong_line = |at: usize, line: &str, what: &str| {
        Error::Query(format!("line {} of {place}: {what}: {line}", at + 1))
    };
    for (at, line) in text.lines().enumerate() {
        let Some(comment) = line.strip_prefix("--") else { break };
        sql_begin = at + 1;
        let wrong = |what: &str| wrong_line(at, line, what);
        let (key, value) = comment.split_once(':').ok_or_else(|| wrong("not 'key: value'"))?;
        let (key, value) = (key.trim(), value.trim());
        match key {
            _ if at == 0 && !KEYS.contains(&key) => (header.name, header.title) = (key.into(), value.into()),
            "columns" => {
                header.columns = columns(value).ok_or_else(|| wrong("not 'name type, name type, …'"))?
            }
            "group" => header.group = value.into(),
            "params" => {
                let params: Option<_> = value.split(',').map(Param::parse).collect();
                header.params = params.ok_or_else(|| wrong("not 'name type = default, …'"))?
            }
            "at-most" => {
                header.at_most = Some(at_most(value).ok_or_else(|| wrong("not 'param number param'"))?)
            }
            "key" => {
                header.key = value.split_whitespace().map(str::to_owned).collect();
                no_column = Some(wrong("one of these is no column"));
            }
            "top" => header.top = value.parse().map_err(|_| wrong("not a number of rows"))?,
            "chart" => header.chart = Some(value.into()),
            "headlines" => header.headlines = Some(value.into()),
            "variants" => {
                header.variants = Some(variants(value).ok_or_else(|| wrong("not 'option value …'"))?)
            }
            "variant-of" => header.variant_of = Some(value.into()),
            "generated" => header.generated = Some(value.into()),
            _ => meanings.push((key, value, at)),
        }
    }
    for (name, meaning, at) in meanings {
        let columns = header.columns.iter_mut().map(|column| (&column.name, &mut column.meaning));
        let params = header.params.iter_mut().map(|param| (&param.name, &mut param.meaning));
        let known = columns.chain(params).filter(|(known, _)| *known == name);
        match known.min_by_key(|(_, said)| !said.is_empty()) {
            Some((_, known)) => *known = meaning.into(),
            None => {
                let near = did_you_mean(name, KEYS);
                let line = text.lines().nth(at).unwrap_or_default();
                return Err(wrong_line(at, line, &format!("no column and no parameter has this name{near}")));
            }
        }
    }
    let is_column = |name: &String| header.columns.iter().any(|column| column.name == *name);
    if let Some(wrong) = no_column.filter(|_| !header.key.iter().all(is_column)) {
        return Err(wrong);
    }
    let sql = text.lines().skip(sql_begin).collect::<Vec<_>>().join("\n");
    Ok(Report { header, sql })
}

fn columns(list: &str) -> Option<Vec<ResultColumn>> {
    list.split(',')
        .map(|column| {
            let (name, kind) = column.trim().split_once(' ')?;
            let kind = match kind.trim() {
                "text" => Type::Text,
                "bigint" => Type::Bigint,
                "double" => Type::Double,
                "boolean" => Type::Boolean,
                "timestamp" => Type::Timestamp,
                "date" => Type::Date,
                _ => return None,
            };
            Some(ResultColumn { name: name.into(), kind, meaning: String::new() })
        })
        .collect()
}

fn variants(value: &str) -> Option<(String, Vec<String>)> {
    let mut words = value.split_whitespace().map(str::to_owned);
    Some((words.next()?, words.collect()))
}

fn at_most(value: &str) -> Option<(String, i64, String)> {
    let mut words = value.split_whitespace();
    Some((words.next()?.into(), words.next()?.parse().ok()?, words.next()?.into()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_header_says_what_the_report_is() {
        let report = parse(
            "-- top-pages: the pages\n-- columns: page text, views bigint\n-- top: 5\n-- views: how often\nSELECT 1\nFROM x",
        )
        .unwrap();
        assert_eq!((report.header.name.as_str(), report.header.title.as_str()), ("top-pages", "the pages"));
        assert_eq!(report.header.columns[1].meaning, "how often");
        assert_eq!(report.header.top, 5);
        assert_eq!(report.sql, "SELECT 1\nFROM x");
    }

    #[test]
    fn a_wrong_header_names_its_line() {
        for (text, line) in [
            ("-- a: b\n-- columns: page number\n", "line 2"),
            ("-- a: b\n-- columns: page text\n-- pages: x\n", "line 3"),
            ("-- a: b\n-- at-most: window slide\n", "line 2"),
            ("-- a: b\n-- top: many\n", "line 2"),
            ("-- no key\n", "line 1"),
            ("-- a: b\n-- key: page\n-- columns: path text\n", "line 2"),
            ("-- a: b\n-- colums: page text\n", "'columns'"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(line), "{error}");
        }
    }
}
