//! Groups that few values make: what `SELECT … FROM events GROUP BY …` gives when the keys have few values and the
//! aggregates are plain. One pass over the columns fills a table that has a place for each combination of keys, where Polars
//! makes lists of the rows of each group. The SQL is the specification, and Polars answers the rest of it.
//! Nothing here knows what the columns mean.

mod columns;

use super::syntax::{names, parsed};
use crate::error::Error;
use columns::{Aggregate, Cell, Key};
use polars::prelude::*;
use rayon::prelude::*;
use sqlparser::ast::{
    Expr as SqlExpr, GroupByExpr, Ident, OrderByKind, Query, Select, SelectItem, SetExpr, Statement,
};
use std::collections::HashSet;
use std::ops::Range;

/// A query of which parts are answered: what is left of it, and the relations that it names in the place of those parts.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The rest of the SQL.
    pub sql: String,
    /// The relations that were answered.
    pub relations: Vec<Answer>,
}

/// A row for each group.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What the rest of the SQL calls it.
    pub name: String,
    /// The keys, then the aggregates.
    pub rows: DataFrame,
    /// What makes one aggregate of those of several pieces.
    together: Vec<fn(Expr) -> Expr>,
}

/// Answers the parts of a query that are groups of few values over this relation; `None` if there are none.
pub fn answered(sql: &str, relation: &str, rows: &DataFrame) -> Option<Answered> {
    answered_with_rest(sql, relation, rows).map(|(answered, _)| answered)
}

/// As [`answered`], but `None` too if the rest of the query needs the relation.
pub fn answered_whole(sql: &str, relation: &str, rows: &DataFrame) -> Option<Answered> {
    let (answered, rest) = answered_with_rest(sql, relation, rows)?;
    (!names(&rest, relation)).then_some(answered)
}

/// What [`answered`] gives, and the rest of the query.
fn answered_with_rest(sql: &str, relation: &str, rows: &DataFrame) -> Option<(Answered, Statement)> {
    let mut statements = parsed(sql)?;
    let [Statement::Query(query)] = statements.as_mut_slice() else { return None };
    let mut relations = Vec::new();
    answer_query(query, relation, rows, &mut relations);
    let answered = (!relations.is_empty()).then(|| Answered { sql: query.to_string(), relations })?;
    Some((answered, statements.pop()?))
}

/// One answer of a query's answers over several pieces of a relation, all from [`answered_whole`].
///
/// # Errors
/// `Error::Query` if Polars gives out.
pub fn together(pieces: Vec<Answered>) -> Result<Option<Answered>, Error> {
    let mut pieces = pieces.into_iter();
    let Some(mut all) = pieces.next() else { return Ok(None) };
    for piece in pieces {
        for (all, more) in all.relations.iter_mut().zip(&piece.relations) {
            all.rows.vstack_mut(&more.rows).map_err(failed)?;
        }
    }
    for Answer { rows, together, .. } in &mut all.relations {
        let names: Vec<PlSmallStr> = rows.get_column_names().into_iter().cloned().collect();
        let (keys, aggregates) = names.split_at(names.len() - together.len());
        let keys: Vec<Expr> = keys.iter().cloned().map(col).collect();
        let aggregates: Vec<Expr> =
            aggregates.iter().cloned().zip(&*together).map(|(name, together)| together(col(name))).collect();
        *rows = rows.clone().lazy().group_by_stable(keys).agg(aggregates).collect().map_err(failed)?;
    }
    Ok(Some(all))
}

fn failed(error: PolarsError) -> Error {
    Error::Query(format!("the answers over parts of the events cannot be put together: {error}"))
}

fn answer_query(query: &mut Query, relation: &str, rows: &DataFrame, answers: &mut Vec<Answer>) {
    for part in query.with.iter_mut().flat_map(|with| &mut with.cte_tables) {
        if part.alias.name.value == relation {
            return;
        }
        answer_query(&mut part.query, relation, rows, answers);
    }
    if !orders_by_names(query) {
        return;
    }
    if let SetExpr::Select(select) = query.body.as_mut()
        && let Some(groups) = Groups::of(select, relation, rows)
    {
        let name = format!("{relation}_in_groups_{}", answers.len());
        groups.replace(select, &name);
        let together = groups.aggregates.iter().map(Aggregate::together).collect();
        answers.push(Answer { name, rows: groups.answer(), together });
    }
}

/// Whether the query is sorted by columns only, or not at all.
fn orders_by_names(query: &Query) -> bool {
    query.order_by.as_ref().is_none_or(|order| match &order.kind {
        OrderByKind::Expressions(keys) => keys.iter().all(|key| is_name(&key.expr.to_string())),
        OrderByKind::All(_) => false,
    })
}

fn is_name(text: &str) -> bool {
    text.chars().all(|character| character.is_alphanumeric() || character == '_')
}

/// What a column of the result is: a key, or an aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Key(usize),
    Aggregate(usize),
}

/// A `SELECT` that is answered in groups.
struct Groups {
    height: usize,
    names: Vec<String>,
    keys: Vec<Key>,
    aggregates: Vec<Aggregate>,
    items: Vec<(Item, Ident)>,
}

/// The most combinations of keys: tables of them stay in the processor's cache.
const MOST_GROUPS: usize = 1 << 14;

/// How many rows a thread takes at a time, and how many of these are numbered at a time.
const ROWS_TOGETHER: usize = 1 << 17;
const ROWS_NUMBERED: usize = 1 << 10;

impl Groups {
    /// Those of this `SELECT`, if it is nothing but keys and plain aggregates over the relation.
    fn of(select: &Select, relation: &str, rows: &DataFrame) -> Option<Groups> {
        let GroupByExpr::Expressions(keys, _) = &select.group_by else { return None };
        let printed = |items: Vec<String>| items.join(", ");
        let names: Vec<String> = keys.iter().map(ToString::to_string).collect();
        let projection = printed(select.projection.iter().map(ToString::to_string).collect());
        // There is nothing else in it if it can be put together again from these.
        let whole = format!("SELECT {projection} FROM {relation} GROUP BY {}", names.join(", "));
        let distinct: HashSet<&String> = names.iter().collect();
        if names.is_empty() || distinct.len() < names.len() || select.to_string() != whole {
            return None;
        }
        let keys: Vec<Key> =
            names.iter().map(|name| Key::of(rows.column(name).ok()?)).collect::<Option<_>>()?;
        let groups = keys.iter().try_fold(1usize, |groups, key| groups.checked_mul(key.values()))?;
        if groups > MOST_GROUPS {
            return None;
        }
        let mut found =
            Groups { height: rows.height(), names, keys, aggregates: Vec::new(), items: Vec::new() };
        for item in &select.projection {
            let (expression, alias) = match item {
                SelectItem::UnnamedExpr(expression) => (expression, None),
                SelectItem::ExprWithAlias { expr, alias } => (expr, Some(alias.clone())),
                _ => return None,
            };
            let item = match expression {
                SqlExpr::Identifier(name) => {
                    let at = found.names.iter().position(|key| *key == name.to_string())?;
                    (Item::Key(at), alias.unwrap_or_else(|| name.clone()))
                }
                // What an aggregate without a name is called is for Polars to say.
                _ => {
                    found.aggregates.push(Aggregate::of(&expression.to_string(), rows)?);
                    (Item::Aggregate(found.aggregates.len() - 1), alias?)
                }
            };
            found.items.push(item);
        }
        Some(found)
    }

    /// Lets the `SELECT` take from the answer what it asked for.
    fn replace(&self, select: &mut Select, answer: &str) {
        select.group_by = GroupByExpr::Expressions(Vec::new(), Vec::new());
        select.projection = self
            .items
            .iter()
            .map(|(item, alias)| {
                let column = match item {
                    Item::Key(at) => self.names[*at].clone(),
                    Item::Aggregate(at) => aggregate_name(*at),
                };
                SelectItem::ExprWithAlias {
                    expr: SqlExpr::Identifier(Ident::new(column)),
                    alias: alias.clone(),
                }
            })
            .collect();
        if let Some(from) = select.from.first_mut()
            && let sqlparser::ast::TableFactor::Table { name, .. } = &mut from.relation
        {
            *name = vec![Ident::new(answer)].into();
        }
    }

    /// A row for each group, with its keys and its aggregates.
    fn answer(&self) -> DataFrame {
        let table = (0..self.height)
            .into_par_iter()
            .step_by(ROWS_TOGETHER)
            .map(|begin| self.count(begin..(begin + ROWS_TOGETHER).min(self.height)))
            .reduce(|| self.nothing(), Table::plus);
        let groups: Vec<usize> = (0..table.counts.len()).filter(|&group| table.counts[group] > 0).collect();
        let mut columns = Vec::new();
        let mut each = 1;
        for (name, key) in self.names.iter().zip(&self.keys) {
            let values = key.values();
            let codes = groups.iter().map(|group| group / each % values).collect();
            columns.push(key.column(name.as_str().into(), codes));
            each *= values;
        }
        for (at, aggregate) in self.aggregates.iter().enumerate() {
            columns.push(aggregate.column(
                aggregate_name(at).into(),
                &groups,
                &table.counts,
                &table.cells[at],
            ));
        }
        DataFrame::new(groups.len(), columns).unwrap_or_default()
    }

    fn nothing(&self) -> Table {
        let groups = self.keys.iter().map(Key::values).product();
        let cells = self.aggregates.iter().map(|aggregate| vec![aggregate.nothing(); groups]).collect();
        Table { counts: vec![0; groups], cells }
    }

    fn count(&self, rows: Range<usize>) -> Table {
        let mut table = self.nothing();
        let mut numbers = [0u32; ROWS_NUMBERED];
        for begin in rows.clone().step_by(ROWS_NUMBERED) {
            let rows = begin..(begin + ROWS_NUMBERED).min(rows.end);
            let numbers = &mut numbers[..rows.len()];
            numbers.fill(0);
            let mut each = 1;
            for key in &self.keys {
                key.number(rows.clone(), each, numbers);
                each *= key.values() as u32;
            }
            numbers.iter().for_each(|&number| table.counts[number as usize] += 1);
            for (aggregate, cells) in self.aggregates.iter().zip(&mut table.cells) {
                aggregate.take(rows.clone(), numbers, cells);
            }
        }
        table
    }
}

fn aggregate_name(at: usize) -> String {
    format!("aggregate_{at}")
}

/// What is known of each group.
struct Table {
    counts: Vec<u32>,
    /// For each aggregate.
    cells: Vec<Vec<Cell>>,
}

impl Table {
    fn plus(mut self, other: Table) -> Table {
        self.counts.iter_mut().zip(other.counts).for_each(|(all, more)| *all += more);
        for (all, more) in self.cells.iter_mut().zip(other.cells) {
            for (all, more) in all.iter_mut().zip(more) {
                all.sum += more.sum;
                all.least = all.least.min(more.least);
                all.greatest = all.greatest.max(more.greatest);
            }
        }
        self
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::polars::query;
    use super::super::random::{assert_same, random};
    use super::super::relation::Relation;
    use super::*;

    /// Some rows of every type that a key or an aggregate may have, with nulls where `nulls` says so.
    fn rows(height: usize, seed: u64, nulls: bool) -> DataFrame {
        let mut some = random(seed, nulls);
        let text = ["view", "search", "", "니트"];
        let mut texts = || some(4).map(|at| text[at as usize]);
        let types: Vec<Option<&str>> = (0..height).map(|_| texts()).collect();
        let methods: Vec<Option<&str>> = (0..height).map(|_| texts()).collect();
        let mut integers = |below, base| -> Vec<Option<i64>> {
            (0..height).map(|_| some(below).map(|value| value + base)).collect()
        };
        let (hours, users) = (integers(24, 0), integers(300, -100));
        let (times, dates) = (integers(1 << 40, 1 << 50), integers(40, 19_000));
        let paired: Vec<bool> = integers(2, 0).into_iter().map(|bit| bit == Some(1)).collect();
        let categories = DataType::from_categories(Categories::random("".into(), CategoricalPhysical::U32));
        let times = Int64Chunked::from_iter_options("timestamp".into(), times.into_iter());
        let dates = dates.into_iter().map(|day| day.map(|day| day as i32));
        let columns = vec![
            Column::new("event_type".into(), types).cast(&categories).unwrap(),
            Column::new("method".into(), methods).cast(&categories).unwrap(),
            Column::new("event_hour".into(), hours),
            Column::new("user_id".into(), users),
            times.into_datetime(TimeUnit::Microseconds, None).into_column(),
            Int32Chunked::from_iter_options("event_date".into(), dates).into_date().into_column(),
            Column::new("paired".into(), paired),
        ];
        DataFrame::new(height, columns).unwrap()
    }

    const IN_GROUPS: [&str; 6] = [
        "SELECT event_type, COUNT(*) AS n FROM events GROUP BY event_type ORDER BY event_type",
        "SELECT event_date AS day, event_hour AS hour, COUNT(*) AS n, SUM(CAST(NOT paired AS BIGINT)) AS actions \
         FROM events GROUP BY event_date, event_hour ORDER BY day NULLS LAST, hour NULLS LAST",
        "SELECT event_type, method, COUNT(*) AS n, SUM(CAST(paired AS BIGINT)) AS a, MIN(timestamp) AS f, \
         MAX(timestamp) AS l, MIN(user_id) AS u, MAX(user_id) AS v FROM events GROUP BY event_type, method \
         ORDER BY event_type, method",
        "SELECT user_id, event_hour, MAX(event_hour) AS h FROM events GROUP BY event_hour, user_id \
         ORDER BY user_id, event_hour",
        "WITH counted AS (SELECT event_type, COUNT(*) AS lines FROM events GROUP BY event_type), \
         named AS (SELECT COALESCE(event_type, '(none)') AS name, lines FROM counted) \
         SELECT name, SUM(CAST(lines AS BIGINT)) AS lines FROM named GROUP BY name ORDER BY name",
        "SELECT method AS event_type, count(*) AS n FROM events GROUP BY method ORDER BY n DESC, event_type",
    ];

    const NOT_IN_GROUPS: [&str; 12] = [
        "SELECT event_type, COUNT(*) AS n FROM events GROUP BY event_type, event_type ORDER BY event_type",
        "SELECT event_type, COUNT(*) FROM events GROUP BY event_type ORDER BY event_type",
        "SELECT event_type, COUNT(*) AS n FROM events WHERE paired GROUP BY event_type ORDER BY event_type",
        "SELECT event_type, COUNT(DISTINCT user_id) AS n FROM events GROUP BY event_type ORDER BY event_type",
        "SELECT event_type, COUNT(user_id) AS n FROM events GROUP BY event_type ORDER BY event_type",
        "SELECT event_type, COUNT(*) AS n FROM events GROUP BY event_type HAVING COUNT(*) > 1 ORDER BY event_type",
        "SELECT event_type, SUM(user_id) AS n FROM events GROUP BY event_type ORDER BY event_type",
        "SELECT event_type, MIN(method) AS n FROM events GROUP BY event_type ORDER BY event_type",
        "SELECT timestamp, COUNT(*) AS n FROM events GROUP BY timestamp ORDER BY timestamp",
        "SELECT event_type, COUNT(*) AS n FROM events GROUP BY event_type ORDER BY COUNT(*), event_type",
        "SELECT LOWER(event_type) AS event_type, COUNT(*) AS n FROM events GROUP BY event_type ORDER BY event_type",
        "WITH events AS (SELECT * FROM events) SELECT event_type, COUNT(*) AS n FROM events GROUP BY event_type",
    ];

    #[test]
    fn it_says_what_polars_says() {
        for seed in 0..120 {
            let height = [0, 1, 2, 30, 700, 3000][seed as usize % 6] + seed as usize % 7;
            let rows = rows(height, seed, seed % 4 > 0);
            for sql in IN_GROUPS {
                let answered = answered(sql, "events", &rows);
                assert_eq!(answered.map(|answered| answered.relations.len()), Some(1), "{sql}");
                assert_same(sql, &rows);
            }
        }
    }

    #[test]
    fn what_is_more_than_groups_is_left_to_polars() {
        let rows = rows(3000, 1, true);
        for sql in NOT_IN_GROUPS {
            assert!(answered(sql, "events", &rows).is_none(), "{sql}");
        }
        assert!(answered(IN_GROUPS[0], "app_events", &rows).is_none());
    }

    #[test]
    fn pieces_together_say_what_the_whole_says() {
        for seed in 0..60 {
            let rows = rows(200 + seed as usize, seed, seed % 4 > 0);
            let cuts = [0, 1, 30 + seed as usize, rows.height()];
            let pieces: Vec<DataFrame> =
                cuts.windows(2).map(|cut| rows.slice(cut[0] as i64, cut[1] - cut[0])).collect();
            for sql in IN_GROUPS {
                let answers = pieces.iter().map(|piece| answered_whole(sql, "events", piece).unwrap());
                let all = together(answers.collect()).unwrap().unwrap();
                let found = query(sql, &Relation::of_answers(vec![(sql.to_owned(), all)])).unwrap();
                let expected = query(sql, &Relation::in_memory(rows.clone()).within_any(&[])).unwrap();
                assert_eq!(found.schema(), expected.schema(), "{sql}");
                assert!(found.equals_missing(&expected), "{sql} {seed}\n{found}\n{expected}");
            }
        }
        let twice = "WITH a AS (SELECT event_type, COUNT(*) AS n FROM events GROUP BY event_type) \
             SELECT SUM(n) AS n, (SELECT COUNT(*) FROM \"events\") AS m FROM a";
        assert!(answered(twice, "events", &rows(50, 1, false)).is_some());
        assert!(answered_whole(twice, "events", &rows(50, 1, false)).is_none());
    }

    #[test]
    fn many_rows_are_counted_as_few_are() {
        let rows = rows(3 * ROWS_TOGETHER + 77, 5, true);
        assert_same(IN_GROUPS[2], &rows);
    }
}
