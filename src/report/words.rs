//! Which relation a query names, and which columns it may use: every column whose name occurs in it as a word. One too
//! many costs a little time; one too few cannot happen.

use crate::error::Error;
use crate::schema::{EVENTS, RELATIONS, Relation};

/// The relation that this SQL names behind FROM or JOIN; `events` where it names none.
///
/// # Errors
/// `Error::Query` where it names several: they are read from different logs.
pub fn relation_of(sql: &str) -> Result<&'static Relation, Error> {
    let outside: String = pieces(sql)
        .map(|(piece, text)| match piece {
            Piece::Code => text,
            // A name may stand in quotes, a text may not count.
            Piece::Quoted if !text.starts_with('\'') => text,
            _ => " ",
        })
        .collect();
    let words: Vec<String> = words(&outside).map(str::to_lowercase).collect();
    let named = |relation: &Relation| {
        words.windows(2).any(|pair| matches!(pair[0].as_str(), "from" | "join") && pair[1] == relation.name)
    };
    let mut found = RELATIONS.into_iter().filter(|relation| named(relation));
    match (found.next(), found.next()) {
        (Some(one), Some(other)) => Err(Error::Query(format!(
            "the SQL names both '{}' and '{}', which are read from different logs: ask one query of each",
            one.name, other.name
        ))),
        (one, _) => Ok(one.unwrap_or(&EVENTS)),
    }
}

/// The columns of its relation that occur in this SQL; all of them where it says `*` for a list of columns.
pub fn columns_of(sql: &str) -> Vec<&'static str> {
    let relation = relation_of(sql).unwrap_or(&EVENTS);
    let sql = with_comments_removed(sql);
    if selects_all(&sql) {
        return relation.columns.iter().map(|column| column.name).collect();
    }
    columns_within(relation, &sql)
}

/// The columns of a relation that occur in this part of SQL, which lists none and has no comments.
pub fn columns_within(relation: &Relation, part: &str) -> Vec<&'static str> {
    let words: Vec<String> = words(part).map(str::to_lowercase).collect();
    let names = relation.columns.iter().map(|column| column.name);
    names.filter(|name| words.iter().any(|word| word == name)).collect()
}

fn words(sql: &str) -> impl Iterator<Item = &str> {
    sql.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
}

/// Whether there is a `*` that is neither `COUNT(*)`'s nor between two factors, or another word for all columns: `COLUMNS (…)`,
/// or no `SELECT` at all. What `DISTINCT ON (…)` is followed by may be a `*`, too.
fn selects_all(sql: &str) -> bool {
    let words: Vec<String> = words(sql).map(str::to_lowercase).collect();
    let has = |wanted: &str| words.iter().any(|word| word == wanted);
    let is_distinct_on = |pair: &[String]| pair[0] == "distinct" && pair[1] == "on";
    if !has("select") || has("columns") || words.windows(2).any(is_distinct_on) {
        return true;
    }
    sql.match_indices('*').any(|(at, _)| {
        let before = sql[..at].trim_end();
        let word_start = before.rfind(|c: char| !(c.is_alphanumeric() || c == '_')).map_or(0, |at| at + 1);
        let word = before[word_start..].to_lowercase();
        before.ends_with([',', '.']) || matches!(word.as_str(), "select" | "distinct" | "all")
    })
}

/// The SQL with a space in place of `-- …` and `/* … */`; what stands in quotes is kept.
pub fn with_comments_removed(sql: &str) -> String {
    pieces(sql).map(|(piece, text)| if piece == Piece::Comment { " " } else { text }).collect()
}

/// What a part of SQL text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    Code,
    /// From a quote to the next one like it. A doubled quote makes two of these, side by side.
    Quoted,
    Comment,
}

/// The text in pieces, one behind the other, none left out; what is not closed goes on to the end.
pub(super) fn pieces(sql: &str) -> impl Iterator<Item = (Piece, &str)> {
    let mut rest = sql;
    std::iter::from_fn(move || {
        let (piece, length) = first_piece(rest)?;
        let text;
        (text, rest) = rest.split_at(length);
        Some((piece, text))
    })
}

/// What the text begins with, and how many bytes of it that is.
fn first_piece(sql: &str) -> Option<(Piece, usize)> {
    let first = sql.chars().next()?;
    Some(match sql.as_bytes() {
        [b'\'' | b'"' | b'`', ..] => (Piece::Quoted, sql[1..].find(first).map_or(sql.len(), |end| end + 2)),
        [b'-', b'-', ..] => (Piece::Comment, sql.find('\n').unwrap_or(sql.len())),
        [b'/', b'*', ..] => (Piece::Comment, block_end(sql)),
        _ => {
            let behind = first.len_utf8();
            let end = sql[behind..].find(['\'', '"', '`', '-', '/']);
            (Piece::Code, end.map_or(sql.len(), |end| behind + end))
        }
    })
}

/// Where the comment ends that this begins with; one may hold others.
fn block_end(sql: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while let Some(next) = sql[at..].find("/*").into_iter().chain(sql[at..].find("*/")).min() {
        depth = if sql[at + next..].starts_with("/*") { depth + 1 } else { depth - 1 };
        at += next + 2;
        if depth == 0 {
            return at;
        }
    }
    sql.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{APP_EVENTS, COLUMNS};

    #[test]
    fn the_relation_that_is_named() {
        for (sql, relation) in [
            ("SELECT 1 FROM events", &EVENTS),
            ("SELECT 1", &EVENTS),
            ("SELECT 1 FROM nothing", &EVENTS),
            ("select level from\n  App_Events;", &APP_EVENTS),
            ("WITH a AS (SELECT * FROM app_events) SELECT * FROM a", &APP_EVENTS),
            ("SELECT x FROM (SELECT 1 AS x FROM\"app_events\")", &APP_EVENTS),
            ("SELECT level AS events FROM app_events -- FROM events", &APP_EVENTS),
            ("SELECT 'it''s from events' FROM app_events", &APP_EVENTS),
        ] {
            assert_eq!(relation_of(sql).map(|found| found.name).ok(), Some(relation.name), "{sql}");
        }
        for both in [
            "SELECT 1 FROM events JOIN app_events ON 1 = 1",
            "SELECT 1 FROM app_events, (SELECT 2 FROM events)",
        ] {
            assert!(relation_of(both).is_err_and(|error| error.to_string().contains("one query of each")));
        }
    }

    #[test]
    fn words_that_are_columns() {
        assert_eq!(columns_of("SELECT Path, count(*) FROM events -- user_id\nGROUP BY path"), ["path"]);
        assert_eq!(columns_of("SELECT 'it''s -- no comment' || method"), ["method"]);
        assert_eq!(columns_of("SELECT 2 * quantity /* SELECT * */ FROM events"), ["quantity"]);
        assert_eq!(columns_of("SELECT COUNT(*) FROM events"), [""; 0]);
        assert_eq!(columns_of("SELECT/* a /* b */ user_id */path"), ["path"]);
        for all in [
            "SELECT * FROM events",
            "SELECT 1, * FROM events",
            "select distinct\n* from events",
            "SELECT events.* FROM events",
            "SELECT DISTINCT ON (event_type) * FROM events",
            "FROM events LIMIT 1",
            "SELECT COLUMNS ('^user') FROM events",
        ] {
            assert_eq!(columns_of(all).len(), COLUMNS.len(), "{all}");
        }
        assert_eq!(columns_of("SELECT level, path FROM app_events"), ["level"]);
        assert_eq!(columns_within(&EVENTS, "event_type IN ('view') AND columns > 1"), ["event_type"]);
    }
}
