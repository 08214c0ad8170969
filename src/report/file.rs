//! A query file of the user's own: SQL with the header of a report, of which every line may be missing, or plain SQL.
//! Knows the text, not where it was read from.

use super::Report;
use super::header::{Header, KEYS, parse_of};
use super::params::{Param, marked};
use crate::error::{Error, did_you_mean};
use std::collections::HashSet;

/// The report in the text of this file. The comment lines at its top are a header if one of them begins with a key of
/// headers, or if all of them are 'name: text'; else they are comments.
///
/// # Errors
/// `Error::Query` that names the file, and the line of the header.
pub fn parse_file(file: &str, text: &str) -> Result<Report, Error> {
    let text = text.trim_start_matches('\u{feff}');
    let mut report = if has_header(text) {
        parse_of(file, text)?
    } else {
        Report { header: Header::default(), sql: text.to_owned() }
    };
    if report.header.name.is_empty() {
        let stem = std::path::Path::new(file).file_stem().unwrap_or_default();
        report.header.name = stem.to_string_lossy().into_owned();
    }
    match fault(&report, text) {
        Some((key, why)) => Err(Error::Query(match line_of(text, &key) {
            Some(line) => format!("line {line} of {file}: {why}"),
            None => format!("{file}: {why}"),
        })),
        None => Ok(report),
    }
}

/// The key of each comment line at the top, with what it says; none for a line that is not 'key: value'.
fn top_lines(text: &str) -> impl Iterator<Item = Option<&str>> {
    let comments = text.lines().map_while(|line| line.strip_prefix("--"));
    comments.map(|comment| comment.split_once(':').map(|(key, _)| key.trim()))
}

fn has_header(text: &str) -> bool {
    let plain = |key: Option<&str>| {
        key.is_some_and(|key| !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "-_".contains(c)))
    };
    top_lines(text).any(|key| key.is_some_and(|key| KEYS.contains(&key)))
        || (top_lines(text).next().is_some() && top_lines(text).all(plain))
}

fn line_of(text: &str, key: &str) -> Option<usize> {
    top_lines(text).position(|found| found == Some(key)).map(|at| at + 1)
}

/// What is wrong although every line can be read, and the key of the line to blame.
fn fault(report: &Report, text: &str) -> Option<(String, String)> {
    let Header { columns, params, .. } = &report.header;
    for key in ["variants", "variant-of", "generated"] {
        if line_of(text, key).is_some() {
            return Some((key.into(), format!("'{key}' is for the reports that come with the program")));
        }
    }
    let of_columns = twice(columns.iter().map(|column| &column.name)).map(|name| ("columns", name));
    let of_params = twice(params.iter().map(|param| &param.name)).map(|name| ("params", name));
    if let Some((key, name)) = of_columns.or(of_params) {
        return Some((key.into(), format!("'{name}' is there twice")));
    }
    let fault = params.iter().find_map(|param| fault_of_param(param, &report.sql));
    let fault = fault.map(|why| ("params".to_owned(), why));
    fault.or_else(|| {
        let known = |name: &str| params.iter().any(|param| param.name == name);
        let (name, _) = marked(&report.sql).find(|(name, _)| !known(name))?;
        let near = did_you_mean(name, params.iter().map(|param| param.name.as_str()));
        Some((
            String::new(),
            format!("/*:{name}*/ in the SQL is no parameter of the header's '-- params:'{near}"),
        ))
    })
}

fn twice<'a>(names: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    let mut seen = HashSet::new();
    let mut names = names;
    names.find(|name| !seen.insert(*name))
}

fn fault_of_param(param: &Param, sql: &str) -> Option<String> {
    let name = &param.name;
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if !plain {
        return Some(format!("'{name}' is no name for a parameter: use a-z, 0-9 and _"));
    }
    let default = param.literal(&param.default).ok()?;
    let mut places = marked(sql).filter(|(mark, _)| mark == name).peekable();
    if places.peek().is_none() {
        return Some(format!(
            "'{name}' is nowhere in the SQL: write /*:{name}*/ before the literal {default}"
        ));
    }
    let (_, other) = places.find(|(_, literal)| *literal != default)?;
    Some(format!("the default of '{name}' is {default}, but behind /*:{name}*/ the SQL has {other}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_a_header_may_be_missing() {
        let whole = "\u{feff}-- slow: slow pages\r\n-- params: least double = 1\r\n-- columns: page text\r\n-- least: seconds\r\nSELECT page /*:least*/ 1.0";
        let report = parse_file("my/own.sql", whole).unwrap();
        assert_eq!((report.header.name.as_str(), report.header.title.as_str()), ("slow", "slow pages"));
        assert_eq!((report.header.params[0].meaning.as_str(), report.header.columns.len()), ("seconds", 1));
        for (text, name, title) in [
            ("SELECT 1", "own", ""),
            ("-- top: 5\nSELECT 1", "own", ""),
            ("-- slow: slow pages\nSELECT 1", "slow", "slow pages"),
            ("-- Slow pages: what takes long\n-- top: 5\nSELECT 1", "Slow pages", "what takes long"),
        ] {
            let header = parse_file("my/own.sql", text).unwrap().header;
            assert_eq!((header.name.as_str(), header.title.as_str()), (name, title), "{text}");
        }
    }

    #[test]
    fn comments_are_no_header() {
        for text in [
            "-- Bob's query\nSELECT 1",
            "-- note: for Bob\n-- and Alice\nSELECT 1",
            "-- It says: hi\nSELECT 1",
        ] {
            let report = parse_file("own.sql", text).unwrap();
            assert_eq!((report.header.name.as_str(), report.sql.as_str()), ("own", text));
        }
    }

    #[test]
    fn faults_name_file_and_line() {
        for (text, said) in [
            ("-- columns: page txt\nSELECT 1", "line 1 of own.sql"),
            ("-- a: b\n-- top: 5\n-- Bob's\nSELECT 1", "line 3 of own.sql"),
            ("-- a: b\n-- generated: by me\nSELECT 1", "line 2 of own.sql"),
            ("-- columns: a text, a text\nSELECT 1", "line 1 of own.sql: 'a' is there twice"),
            ("-- a: b\n-- params: n bigint = 5\nSELECT 1", "line 2 of own.sql: 'n' is nowhere"),
            ("-- params: n bigint = 5\nSELECT /*:n*/ 6", "line 1 of own.sql: the default of 'n' is 5"),
            ("-- params: N bigint = 5\nSELECT /*:N*/ 5", "line 1 of own.sql: 'N' is no name"),
            ("-- top: 5\nSELECT /*:n*/ 6", "own.sql: /*:n*/"),
        ] {
            let error = parse_file("own.sql", text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
