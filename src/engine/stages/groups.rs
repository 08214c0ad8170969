//! Groups of any keys: what `SELECT … GROUP BY …` gives where the aggregates are counts, sums, and what is least or greatest.
//! Each row's keys are put together into one number, and the numbers are numbered. Knows nothing of what the columns mean.

use super::numbers::{Numbers, packed};
use super::{Inputs, named, plain};
use foldhash::fast::FixedState;
use polars::prelude::*;
use rayon::prelude::*;
use sqlparser::ast::{
    CastKind, DataType as SqlType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    GroupByExpr, Query, SetExpr,
};
use std::collections::HashMap;

/// A part that is groups.
pub struct Groups {
    /// The SQL of the rows: what groups and aggregates are made of.
    pub source: String,
    /// Where the rows come from.
    pub from: String,
    /// The columns of the source by which groups are made.
    keys: Vec<String>,
    /// The result's columns.
    items: Vec<(String, Item)>,
}

/// What a column of the result is.
enum Item {
    /// A key: this column of the source.
    Key(String),
    Aggregate(Aggregate),
}

/// What is said of a group; of what column of the source.
enum Aggregate {
    /// `COUNT(*)`
    Rows,
    /// `COUNT(x)`
    Values(String),
    /// `COUNT(DISTINCT x)`
    Distinct(String),
    /// `SUM(CAST(x AS BIGINT))`
    Sum(String),
    /// `MIN(x)`
    Least(String),
    /// `MAX(x)`
    Greatest(String),
}

impl Groups {
    /// Those of this part, if it is nothing but columns by which rows are grouped, and aggregates.
    pub fn of(part: &Query) -> Option<Groups> {
        let SetExpr::Select(select) = part.body.as_ref() else { return None };
        let GroupByExpr::Expressions(keys, _) = &select.group_by else { return None };
        let names: Vec<String> = keys.iter().map(ToString::to_string).collect();
        let (select, from) = plain(part, &format!(" GROUP BY {}", names.join(", ")))?;
        if names.is_empty() || !keys.iter().all(|key| matches!(key, Expr::Identifier(_))) {
            return None;
        }
        let mut inputs = Inputs::default();
        let keys = keys.iter().map(|key| inputs.add(key)).collect();
        let mut items = Vec::new();
        for item in &select.projection {
            let (expression, name) = named(item)?;
            // Whether a key is this or a column of that name is not for us to say.
            if names.contains(&name.to_string()) && expression.to_string() != name.to_string() {
                return None;
            }
            let item = match expression {
                Expr::Identifier(key) if names.contains(&key.to_string()) => {
                    Item::Key(inputs.add(expression))
                }
                Expr::Function(function) => Item::Aggregate(Aggregate::of(function, &mut inputs)?),
                _ => return None,
            };
            items.push((name.value.clone(), item));
        }
        Some(Groups { source: inputs.select(&[], select), from, keys, items })
    }

    /// The result over the rows of its source; `None` if they cannot be grouped here.
    pub fn answer(&self, rows: &DataFrame) -> Option<DataFrame> {
        let keys: Option<Vec<Numbers>> =
            self.keys.iter().map(|name| Numbers::of(rows.column(name).ok()?, false)).collect();
        let keys = packed(&keys?)?;
        let aggregates = self.items.par_iter().filter_map(|(_, item)| match item {
            Item::Aggregate(aggregate) => Some(Values::of(aggregate, rows)),
            Item::Key(_) => None,
        });
        let aggregates: Vec<Values> = aggregates.collect::<Option<_>>()?;
        let shards = rayon::current_num_threads();
        let shards: Vec<Shard> = (0..shards)
            .into_par_iter()
            .map(|shard| Shard::of(&keys, |key| spread(key) % shards as u64 == shard as u64, &aggregates))
            .collect();
        let first = IdxCa::from_vec(
            PlSmallStr::EMPTY,
            shards.iter().flat_map(|shard| shard.first.iter().copied()).collect(),
        );
        let mut at = 0;
        let columns = self.items.iter().map(|(name, item)| {
            let column = match item {
                Item::Key(key) => rows.column(key).ok()?.take(&first).ok()?,
                Item::Aggregate(_) => {
                    at += 1;
                    aggregates[at - 1].column(shards.iter().map(|shard| &shard.cells[at - 1]))?
                }
            };
            Some(column.with_name(name.as_str().into()))
        });
        let columns: Vec<Column> = columns.collect::<Option<_>>()?;
        DataFrame::new(first.len(), columns).ok()
    }
}

impl Aggregate {
    fn of(function: &Function, inputs: &mut Inputs) -> Option<Aggregate> {
        let name = function.name.to_string();
        let text = function.to_string();
        let FunctionArguments::List(arguments) = &function.args else { return None };
        let [FunctionArg::Unnamed(argument)] = &*arguments.args else { return None };
        // There is nothing else in it if it can be put together again from these.
        let (is_plain, is_distinct) =
            (text == format!("{name}({argument})"), text == format!("{name}(DISTINCT {argument})"));
        match (name.to_ascii_uppercase().as_str(), argument) {
            ("COUNT", FunctionArgExpr::Wildcard) if is_plain => Some(Aggregate::Rows),
            ("COUNT", FunctionArgExpr::Expr(value)) if is_plain => Some(Aggregate::Values(inputs.add(value))),
            ("COUNT", FunctionArgExpr::Expr(value)) if is_distinct => {
                Some(Aggregate::Distinct(inputs.add(value)))
            }
            ("SUM", FunctionArgExpr::Expr(value)) if is_plain && is_bigint(value) => {
                Some(Aggregate::Sum(inputs.add(value)))
            }
            ("MIN", FunctionArgExpr::Expr(value)) if is_plain => Some(Aggregate::Least(inputs.add(value))),
            ("MAX", FunctionArgExpr::Expr(value)) if is_plain => Some(Aggregate::Greatest(inputs.add(value))),
            _ => None,
        }
    }
}

/// Whether it is `CAST(x AS BIGINT)`.
fn is_bigint(value: &Expr) -> bool {
    matches!(value, Expr::Cast { kind: CastKind::Cast, data_type: SqlType::BigInt(None), .. })
}

/// What an aggregate looks at, a value a row.
enum Values {
    Rows,
    Present(Vec<bool>),
    Distinct(Numbers),
    Sum(Vec<Option<i64>>),
    /// Numbers in the order of the values, 0 for null; the least of them, or else the greatest; of this column.
    Best(Vec<u64>, bool, Column),
}

/// What is said of each group of a shard.
enum Cells {
    Counts(Vec<u32>),
    /// Null where there was no value.
    Sums(Vec<Option<i64>>),
    /// The row that has the value, if there is one.
    Rows(Vec<Option<u32>>),
}

impl Values {
    fn of(aggregate: &Aggregate, rows: &DataFrame) -> Option<Values> {
        let column = |name: &str| rows.column(name).ok();
        let best = |name: &str, is_least: bool| {
            let column = column(name)?;
            Some(Values::Best(Numbers::of(column, true)?.values, is_least, column.clone()))
        };
        match aggregate {
            Aggregate::Rows => Some(Values::Rows),
            Aggregate::Values(name) => {
                Some(Values::Present(column(name)?.is_not_null().iter().map(|is| is == Some(true)).collect()))
            }
            Aggregate::Distinct(name) => Some(Values::Distinct(Numbers::of(column(name)?, false)?)),
            Aggregate::Sum(name) => {
                let values = column(name)?.as_materialized_series().clone();
                Some(Values::Sum(values.i64().ok()?.iter().collect()))
            }
            Aggregate::Least(name) => best(name, true),
            Aggregate::Greatest(name) => best(name, false),
        }
    }

    /// What is said of so many groups, by rows and the groups that they are of.
    fn cells(&self, groups: usize, rows: &[(u32, u32)]) -> Cells {
        let count = |counted: &mut dyn FnMut(usize, u32) -> bool| {
            let mut counts = vec![0; groups];
            for &(row, group) in rows {
                counts[group as usize] += u32::from(counted(row as usize, group));
            }
            Cells::Counts(counts)
        };
        match self {
            Values::Rows => count(&mut |_, _| true),
            Values::Present(present) => count(&mut |row, _| present[row]),
            Values::Distinct(numbers) => Cells::Counts(distinct(numbers, groups, rows)),
            Values::Sum(values) => {
                let mut sums = vec![None; groups];
                for &(row, group) in rows {
                    if let Some(value) = values[row as usize] {
                        let sum = &mut sums[group as usize];
                        *sum = Some(sum.unwrap_or(0i64).wrapping_add(value));
                    }
                }
                Cells::Sums(sums)
            }
            Values::Best(numbers, is_least, _) => {
                let mut best: Vec<Option<u32>> = vec![None; groups];
                for &(row, group) in rows.iter().filter(|(row, _)| numbers[*row as usize] > 0) {
                    let best = &mut best[group as usize];
                    let number = numbers[row as usize];
                    let is_better = best.is_none_or(|best| {
                        let best = numbers[best as usize];
                        if *is_least { number < best } else { number > best }
                    });
                    if is_better {
                        *best = Some(row);
                    }
                }
                Cells::Rows(best)
            }
        }
    }

    /// The cells of all shards, one behind the other.
    fn column<'a>(&self, shards: impl Iterator<Item = &'a Cells>) -> Option<Column> {
        let (mut counts, mut sums, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        for cells in shards {
            match cells {
                Cells::Counts(cells) => counts.extend_from_slice(cells),
                Cells::Sums(cells) => sums.extend_from_slice(cells),
                Cells::Rows(cells) => rows.extend_from_slice(cells),
            }
        }
        match self {
            Values::Rows | Values::Present(_) | Values::Distinct(_) => {
                Some(UInt32Chunked::from_vec(PlSmallStr::EMPTY, counts).into_column())
            }
            Values::Sum(_) => {
                Some(Int64Chunked::from_iter_options(PlSmallStr::EMPTY, sums.into_iter()).into_column())
            }
            Values::Best(_, _, column) => {
                let rows = IdxCa::from_iter_options(PlSmallStr::EMPTY, rows.into_iter());
                column.take(&rows).ok()
            }
        }
    }
}

/// How many different numbers each of so many groups has, 0 not among them, by rows and the groups that they are of.
fn distinct(numbers: &Numbers, groups: usize, rows: &[(u32, u32)]) -> Vec<u32> {
    let mut counts = vec![0; groups];
    let present = rows.iter().map(|&(row, group)| (numbers.values[row as usize], group));
    let present = present.filter(|(number, _)| *number > 0);
    // A bit for each number of each group, if that takes no more than to sort them.
    let width = 1usize.checked_shl(numbers.bits).unwrap_or(usize::MAX);
    if groups.checked_mul(width).is_some_and(|bits| bits / BITS_A_ROW <= rows.len()) {
        let mut met = vec![0u64; (groups * width).div_ceil(64)];
        for (number, group) in present {
            let bit = group as usize * width + number as usize;
            let (word, mask) = (&mut met[bit / 64], 1 << (bit % 64));
            counts[group as usize] += u32::from(*word & mask == 0);
            *word |= mask;
        }
        return counts;
    }
    // Sorted, for a set of so many would be all over the memory.
    let mut distinct: Vec<u128> =
        present.map(|(number, group)| u128::from(group) << u64::BITS | u128::from(number)).collect();
    distinct.sort_unstable();
    distinct.dedup();
    distinct.iter().for_each(|both| counts[(both >> u64::BITS) as usize] += 1);
    counts
}

/// How many bits there may be for each row: as many as the row takes that is sorted otherwise.
const BITS_A_ROW: usize = u128::BITS as usize;

/// Some of the groups.
struct Shard {
    /// The first row of each.
    first: Vec<u32>,
    /// For each aggregate.
    cells: Vec<Cells>,
}

impl Shard {
    /// The groups whose keys are `mine`.
    fn of(keys: &[u64], mine: impl Fn(u64) -> bool, aggregates: &[Values]) -> Shard {
        let mut known: HashMap<u64, u32, FixedState> = HashMap::default();
        let (mut first, mut rows) = (Vec::new(), Vec::new());
        for (row, &key) in (0u32..).zip(keys).filter(|(_, key)| mine(**key)) {
            let group = *known.entry(key).or_insert_with(|| {
                first.push(row);
                first.len() as u32 - 1
            });
            rows.push((row, group));
        }
        let cells = aggregates.iter().map(|values| values.cells(first.len(), &rows)).collect();
        Shard { first, cells }
    }
}

/// Numbers that lie close together, far apart.
fn spread(key: u64) -> u64 {
    key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::engine::random::{assert_answered, assert_left, assert_same, is_answered, rows};
    use polars::prelude::*;

    const GROUPS: [&str; 9] = [
        "WITH g AS (SELECT visitor_id, session_number, COUNT(*) AS n, COUNT(page) AS p, COUNT(DISTINCT page) AS d, \
         COUNT(DISTINCT epoch_us) AS e, COUNT(line) AS l FROM events GROUP BY visitor_id, session_number) \
         SELECT * FROM g ORDER BY visitor_id, session_number",
        "WITH g AS (SELECT page, path, MIN(epoch_us) AS a, MAX(epoch_us) AS b, MIN(timestamp) AS c, MAX(timestamp) AS d, \
         MIN(path) AS e, MAX(path) AS f, MIN(session_number) AS g, MAX(session_number) AS h, MAX(row) AS i \
         FROM events GROUP BY page, path) SELECT * FROM g ORDER BY page, path",
        "WITH g AS (SELECT path AS p, SUM(CAST(epoch_us AS BIGINT)) AS a, SUM(CAST(CASE WHEN page = 'view' THEN 1 END AS BIGINT)) \
         AS b, SUM(CAST(paired AS BIGINT)) AS c, COUNT(DISTINCT CASE WHEN paired THEN visitor_id END) AS d, \
         MAX(CASE WHEN paired THEN 1 ELSE 0 END) AS e, MIN(CASE WHEN row > 9 THEN path END) AS f FROM events \
         WHERE row > 3 AND (page IS NULL OR page <> 'search') GROUP BY path) SELECT * FROM g ORDER BY p",
        "WITH s AS (SELECT visitor_id, paired, COALESCE(path, 'none') AS place, row, epoch_us % 4 AS q FROM events), \
         g AS (SELECT visitor_id, place, paired, count(*) AS n, max(row) AS m, SUM(CAST(q AS BIGINT)) AS q FROM s \
         GROUP BY visitor_id, place, paired), \
         h AS (SELECT place, COUNT(*) AS k, SUM(CAST(n AS BIGINT)) AS n, COUNT(DISTINCT visitor_id) AS v, MIN(m) AS m FROM g \
         GROUP BY place) SELECT place, k, n, v, m FROM h ORDER BY place",
        "WITH s AS (SELECT visitor_id, page, row, path FROM events WHERE row > 1), \
         g AS (SELECT page, COUNT(*) AS n FROM s GROUP BY page), \
         l AS (SELECT page, MAX(row) AS last FROM s GROUP BY page) \
         SELECT g.page, n, last, path FROM g INNER JOIN l ON g.page = l.page INNER JOIN s ON s.row = l.last ORDER BY g.page",
        "WITH w AS (SELECT visitor_id, path, row, LAG(path) OVER (PARTITION BY visitor_id ORDER BY epoch_us, row) AS before \
         FROM events), g AS (SELECT path, before, COUNT(*) AS n FROM w WHERE path <> before GROUP BY path, before) \
         SELECT path, before, n FROM g ORDER BY n DESC, path, before",
        "WITH g AS (SELECT timestamp, paired, COUNT(*) AS n FROM events GROUP BY paired, timestamp) \
         SELECT paired, timestamp, n FROM g ORDER BY paired, timestamp",
        "WITH a AS (SELECT row, path FROM events WHERE paired), b AS (SELECT row, path FROM a WHERE row > 5), \
         g AS (SELECT path, COUNT(*) AS n FROM b GROUP BY path), h AS (SELECT path, COUNT(*) AS m FROM a GROUP BY path) \
         SELECT h.path, n, m FROM h LEFT JOIN g ON h.path = g.path ORDER BY h.path",
        "WITH g AS (SELECT row, COUNT(*) AS n, MIN(page) AS p FROM events GROUP BY row) SELECT * FROM g ORDER BY row",
    ];

    const NO_GROUPS: [&str; 11] = [
        "WITH g AS (SELECT path AS page, COUNT(*) AS n FROM events GROUP BY path, page) SELECT * FROM g ORDER BY page, n",
        "WITH g AS (SELECT path, COUNT(*) AS page FROM events GROUP BY path, page) SELECT * FROM g ORDER BY path, page",
        "SELECT path, COUNT(*) AS n FROM events GROUP BY path ORDER BY path",
        "WITH g AS (SELECT path, SUM(row) AS n FROM events GROUP BY path) SELECT * FROM g ORDER BY path",
        "WITH g AS (SELECT path, AVG(row) AS n FROM events GROUP BY path) SELECT * FROM g ORDER BY path",
        "WITH g AS (SELECT path, COUNT(*) + 1 AS n FROM events GROUP BY path) SELECT * FROM g ORDER BY path",
        "WITH g AS (SELECT path, COUNT(*) AS n FROM events GROUP BY path HAVING COUNT(*) > 1) SELECT * FROM g ORDER BY path",
        "WITH g AS (SELECT path, COUNT(*) AS n FROM events GROUP BY path ORDER BY path LIMIT 2) SELECT * FROM g ORDER BY path",
        "WITH g AS (SELECT line, COUNT(*) AS n FROM events GROUP BY line) SELECT * FROM g ORDER BY line",
        "WITH g AS (SELECT path, MAX(line) AS n FROM events GROUP BY path) SELECT * FROM g ORDER BY path",
        "WITH g AS (SELECT row % 3 AS k, COUNT(*) AS n FROM events GROUP BY row % 3) SELECT * FROM g ORDER BY k",
    ];

    #[test]
    fn they_are_what_polars_says() {
        assert_answered(&GROUPS);
    }

    #[test]
    fn keys_with_too_many_values_together_are_left_to_polars() {
        let sql = "WITH g AS (SELECT session_number, epoch_us, COUNT(*) AS n FROM events GROUP BY session_number, epoch_us) \
                   SELECT session_number, epoch_us, n FROM g ORDER BY session_number, epoch_us";
        let mut rows = rows(400, 1, false);
        let far = |by: i64| -> Vec<i64> { (0..400).map(|row| row % 3 * (i64::MAX / by) + row % 7).collect() };
        // Together they have 64 bits, and then one more.
        for (by, is_few) in [(1 << 34, true), (1 << 33, false)] {
            rows.with_column(Column::new("session_number".into(), far(1 << 32))).unwrap();
            rows.with_column(Column::new("epoch_us".into(), far(by))).unwrap();
            assert_eq!(is_answered(sql, &rows), is_few, "{by}");
            assert_same(sql, &rows);
        }
        // A key of all bits there are.
        let all = (0..400).map(|row| if row % 2 == 0 { i64::MIN + 1 + row } else { i64::MAX - row });
        rows.with_column(Column::new("row".into(), all.collect::<Vec<i64>>())).unwrap();
        assert!(is_answered(GROUPS[8], &rows));
        assert_same(GROUPS[8], &rows);
    }

    #[test]
    fn what_is_more_is_left_to_polars() {
        assert_left(&NO_GROUPS);
    }
}
