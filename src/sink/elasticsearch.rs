//! Elasticsearch's and OpenSearch's bulk format: a line that says where a row goes, then the row. A row has the same id each
//! time, so that what is sent again replaces what was there. Knows nothing of where the lines are sent.

use std::collections::HashMap;
use std::io::{self, Write};

use polars::prelude::DataFrame;

use super::About;
use super::cells::{Cell, Cells, cells, push_json_text};
use super::json::Objects;

/// Writes two lines a row.
pub fn write(frame: &DataFrame, about: &About, out: &mut impl Write) -> io::Result<()> {
    let index = index(&about.name);
    let mut ids = Ids::of(frame, about)?;
    let period = period(frame, about);
    let mut objects = Objects::of(frame)?;
    while let Some(object) = objects.next() {
        writeln!(out, r#"{{"index":{{"_index":"{index}","_id":"{}"}}}}"#, ids.next(object))?;
        // Rows of one day are told from those of another by what stands behind the last column.
        out.write_all(&object[..object.len() - 1])?;
        let comma = if object.len() > 2 || period.is_empty() { &period[..] } else { &period[1..] };
        out.write_all(comma)?;
        out.write_all(b"}\n")?;
    }
    Ok(())
}

/// `loganalyze-event-counts`. A name of the user's own may hold what a name of an index may not.
fn index(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { '-' };
    format!("loganalyze-{}", name.chars().map(letter).collect::<String>())
}

/// The period as further fields of an object, each after a comma.
fn period(frame: &DataFrame, about: &About) -> Vec<u8> {
    let mut fields = Vec::new();
    for (name, moment) in about.period.iter().filter(|(name, _)| frame.column(name).is_err()) {
        fields.push(b',');
        push_json_text(name, &mut fields);
        fields.push(b':');
        push_json_text(moment, &mut fields);
    }
    fields
}

/// The rows' ids: made of the result's name, what options made of it, its period, and what tells rows apart; without that, of
/// the whole row.
struct Ids<'a> {
    start: blake3::Hasher,
    keys: Vec<Cells<'a>>,
    /// How many rows had the same id before.
    seen: HashMap<[u8; 16], u64>,
}

impl<'a> Ids<'a> {
    fn of(frame: &'a DataFrame, about: &About) -> io::Result<Self> {
        let mut start = blake3::Hasher::new();
        add(&mut start, about.name.as_bytes());
        let period = about.period.iter().flat_map(|(name, moment)| [name, moment]);
        period.chain(&about.variation).for_each(|part| add(&mut start, part.as_bytes()));
        let all = about.key.iter().map(|name| frame.column(name)).collect::<Result<Vec<_>, _>>();
        let columns = all.unwrap_or_default();
        let keys: Result<_, _> =
            columns.into_iter().map(|column| cells(column.as_materialized_series())).collect();
        Ok(Ids { start, keys: keys.map_err(io::Error::other)?, seen: HashMap::new() })
    }

    fn next(&mut self, object: &[u8]) -> String {
        let mut hasher = self.start.clone();
        let mut json = Vec::new();
        for cells in &mut self.keys {
            json.clear();
            cells.next().unwrap_or(Cell::Null).push_json(&mut json);
            add(&mut hasher, &json);
        }
        if self.keys.is_empty() {
            add(&mut hasher, object);
        }
        let mut id = [0; 16];
        hasher.finalize_xof().fill(&mut id);
        // Two events may be alike in all that is shown of them, and are two.
        let before = self.seen.entry(id).or_default();
        if *before > 0 {
            add(&mut hasher, &before.to_le_bytes());
            hasher.finalize_xof().fill(&mut id);
        }
        *before += 1;
        id.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Adds a part in such a way that it cannot be mistaken for a piece of the next.
fn add(hasher: &mut blake3::Hasher, part: &[u8]) {
    hasher.update(&(part.len() as u64).to_le_bytes());
    hasher.update(part);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use polars::prelude::*;
    use serde_json::Value;

    use crate::sink::{
        About, Format,
        tests::{bytes, every_type, odd_types},
    };

    fn ids(frame: &DataFrame, about: &About) -> Vec<String> {
        let text = String::from_utf8(bytes(Format::Elasticsearch, frame, about)).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'));
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2 * frame.height());
        let id = |pair: &[Value]| pair[0]["index"]["_id"].as_str().unwrap().to_owned();
        lines.chunks(2).map(id).collect()
    }

    #[test]
    fn each_row_follows_where_it_goes() {
        let frame = df!("page" => ["/a\n", "/b"], "views" => [Some(1i64), None]).unwrap();
        let about = About {
            name: "My Pages".into(),
            key: vec!["page".into()],
            period: vec![("since".into(), "2025-03-10".into()), ("page".into(), "no".into())],
            ..About::default()
        };
        let text = String::from_utf8(bytes(Format::Elasticsearch, &frame, &about)).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with(r#"{"index":{"_index":"loganalyze-my-pages","_id":""#), "{text}");
        assert_eq!(lines[1], r#"{"page":"/a\n","views":1,"since":"2025-03-10"}"#);
        assert_eq!(lines[3], r#"{"page":"/b","views":null,"since":"2025-03-10"}"#);
    }

    #[test]
    fn ids_follow_name_period_and_key_alone() {
        let frame = |views: i64| df!("page" => ["/a", "/b"], "views" => [views, 2]).unwrap();
        let about = About { name: "pages".into(), key: vec!["page".into()], ..About::default() };
        let first = ids(&frame(1), &about);
        assert_eq!(ids(&frame(7), &about), first);
        assert_ne!(first[0], first[1]);
        let others = [
            About { name: "others".into(), ..about.clone() },
            About { period: vec![("since".into(), "2025".into())], ..about.clone() },
            About { variation: vec!["SELECT 1".into()], ..about.clone() },
            About { key: vec!["page".into(), "views".into()], ..about.clone() },
        ];
        others.iter().for_each(|other| assert!(!ids(&frame(1), other).contains(&first[0])));
        let whole = About { key: Vec::new(), ..about };
        assert_ne!(ids(&frame(1), &whole)[0], ids(&frame(7), &whole)[0]);
        assert_eq!(ids(&frame(1), &whole)[1], ids(&frame(7), &whole)[1]);
    }

    #[test]
    fn equal_rows_are_as_many_as_they_are() {
        let frame = df!("page" => ["/a", "/a", "/a"]).unwrap();
        let mut three = ids(&frame, &About::default());
        assert_eq!(ids(&frame.head(Some(2)), &About::default()), three[..2]);
        three.dedup();
        assert_eq!(three.len(), 3);
        for frame in [every_type(), odd_types(), odd_types().head(Some(0)), DataFrame::empty()] {
            ids(&frame, &About::default());
        }
    }
}
