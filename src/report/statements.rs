//! SQL of several statements: where each begins and ends, and which of them give rows. Knows nothing of what they mean.

use super::words::{Piece, pieces, with_comments_removed};
use crate::error::Error;

/// The statements between the semicolons, each with the comments before it; what has no word in it is left out.
pub fn statements(sql: &str) -> Vec<&str> {
    let mut statements = Vec::new();
    let (mut begin, mut at) = (0, 0);
    for (piece, text) in pieces(sql) {
        if piece == Piece::Code {
            for (semicolon, _) in text.match_indices(';') {
                statements.push(&sql[begin..at + semicolon]);
                begin = at + semicolon + 1;
            }
        }
        at += text.len();
    }
    statements.push(&sql[begin..]);
    statements.retain(|statement| !with_comments_removed(statement).trim().is_empty());
    statements.iter().map(|statement| statement.trim()).collect()
}

/// A statement that gives rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The statement, behind those before it that define what it may name.
    pub sql: String,
    /// The first line of the comment before it, or else its own beginning.
    pub title: String,
}

/// The statements that give rows, in order.
///
/// # Errors
/// `Error::Query` if there is none.
pub fn queries(sql: &str) -> Result<Vec<Query>, Error> {
    let mut definitions = String::new();
    let mut queries = Vec::new();
    let statements = statements(sql);
    for statement in &statements {
        if defines(statement) {
            definitions += &format!("{statement};\n");
        } else {
            queries.push(Query { sql: format!("{definitions}{statement}"), title: title(statement) });
        }
    }
    match (queries.is_empty(), statements.is_empty(), sql.trim().is_empty()) {
        (false, ..) => Ok(queries),
        (_, false, _) => Err(Error::Query("no statement asks for rows: end with a SELECT".into())),
        (_, _, false) => Err(Error::Query("there is no SQL but comments: write a SELECT".into())),
        _ => Err(Error::Query("there is no SQL: write a SELECT".into())),
    }
}

/// Whether the statement only says what later ones mean.
fn defines(statement: &str) -> bool {
    let code = with_comments_removed(statement);
    let first = code.split_whitespace().next().unwrap_or_default().to_lowercase();
    ["create", "drop", "truncate"].contains(&first.as_str())
}

fn title(statement: &str) -> String {
    const WIDEST: usize = 72;
    let comment = statement.lines().next().and_then(|line| line.strip_prefix("--")).map(str::trim);
    let line = match comment {
        Some(comment) if !comment.is_empty() => comment.to_owned(),
        _ => with_comments_removed(statement).split_whitespace().collect::<Vec<_>>().join(" "),
    };
    match line.char_indices().nth(WIDEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn semicolons_part_statements_but_not_in_quotes_and_comments() {
        for (sql, parts) in [
            ("SELECT 1", vec!["SELECT 1"]),
            ("SELECT 1;", vec!["SELECT 1"]),
            (";; SELECT 1 ;\n; SELECT 2", vec!["SELECT 1", "SELECT 2"]),
            ("SELECT ';' AS a; SELECT 'it''s;'", vec!["SELECT ';' AS a", "SELECT 'it''s;'"]),
            ("SELECT 1 AS \"a;b\", 2 AS `c;d`", vec!["SELECT 1 AS \"a;b\", 2 AS `c;d`"]),
            (
                "-- one; two\nSELECT 1 /* ; /* ; */ ; */; SELECT 2",
                vec!["-- one; two\nSELECT 1 /* ; /* ; */ ; */", "SELECT 2"],
            ),
            ("SELECT 1; -- the end;\n/* ; */", vec!["SELECT 1"]),
            ("SELECT 3-1, 4/2; SELECT '한;글'", vec!["SELECT 3-1, 4/2", "SELECT '한;글'"]),
            ("SELECT 'open; SELECT 1", vec!["SELECT 'open; SELECT 1"]),
            ("", vec![]),
        ] {
            assert_eq!(statements(sql), parts, "{sql}");
        }
    }

    #[test]
    fn what_is_defined_stands_before_what_asks_for_rows() {
        let sql = "create table a as SELECT 1 AS x; SELECT x FROM a;\n-- Twice\nSELECT x * 2 FROM a";
        let found = queries(sql).unwrap();
        assert_eq!(found[0].sql, "create table a as SELECT 1 AS x;\nSELECT x FROM a");
        assert_eq!(found[0].title, "SELECT x FROM a");
        assert_eq!(found[1].sql, "create table a as SELECT 1 AS x;\n-- Twice\nSELECT x * 2 FROM a");
        assert_eq!(found[1].title, "Twice");
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn what_asks_for_nothing_is_said() {
        for (sql, said) in [
            ("", "no SQL:"),
            (" \n", "no SQL:"),
            ("-- a\n/* b */;", "comments"),
            ("DROP TABLE a;", "asks for rows"),
        ] {
            let error = queries(sql).unwrap_err().to_string();
            assert!(error.contains(said), "{sql}: {error}");
        }
    }
}
