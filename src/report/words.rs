//! Which columns a query may use: every column whose name occurs in it as a word. One too many costs a little time;
//! one too few cannot happen.

use crate::schema;
use std::borrow::Cow;

/// The columns of `events` that occur in this SQL; all of them where it says `*` for a list of columns.
pub fn columns_of(sql: &str) -> Vec<&'static str> {
    let sql = with_comments_removed(sql);
    if selects_all(&sql) {
        return schema::names().collect();
    }
    let words: Vec<String> = sql
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    schema::names().filter(|name| words.iter().any(|word| word == name)).collect()
}

/// Whether there is a `*` that is neither `COUNT(*)`'s nor between two factors.
fn selects_all(sql: &str) -> bool {
    sql.match_indices('*').any(|(at, _)| {
        let before = sql[..at].trim_end();
        let word_start = before.rfind(|c: char| !(c.is_alphanumeric() || c == '_')).map_or(0, |at| at + 1);
        let word = before[word_start..].to_lowercase();
        before.ends_with([',', '.']) || matches!(word.as_str(), "select" | "distinct" | "all")
    }) || sql.to_lowercase().contains("columns(")
}

/// The SQL without `-- …` and `/* … */`; what stands in quotes is kept.
pub fn with_comments_removed(sql: &str) -> Cow<'_, str> {
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(at) = rest.find(['\'', '"', '-', '/']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match rest.as_bytes() {
            [quote @ (b'\'' | b'"'), ..] => {
                let end = rest[1..].find(char::from(*quote)).map_or(rest.len(), |end| end + 2);
                out.push_str(&rest[..end]);
                end
            }
            [b'-', b'-', ..] => rest.find('\n').unwrap_or(rest.len()),
            [b'/', b'*', ..] => rest.find("*/").map_or(rest.len(), |end| end + 2),
            _ => {
                out.push_str(&rest[..1]);
                1
            }
        };
        rest = &rest[length..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_columns() {
        assert_eq!(columns_of("SELECT Path, count(*) FROM events -- user_id\nGROUP BY path"), ["path"]);
        assert_eq!(columns_of("SELECT 'it''s -- no comment' || method"), ["method"]);
        assert_eq!(columns_of("SELECT 2 * quantity /* SELECT * */ FROM events"), ["quantity"]);
        assert_eq!(columns_of("SELECT COUNT(*) FROM events"), [""; 0]);
        for all in [
            "SELECT * FROM events",
            "SELECT 1, * FROM events",
            "select distinct\n* from events",
            "SELECT events.* FROM events",
        ] {
            assert_eq!(columns_of(all).len(), schema::COLUMNS.len(), "{all}");
        }
    }
}
