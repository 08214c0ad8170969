//! SQL as people type it, made plain before Polars sees it: every column of the result has a name of its own, as other engines
//! give it, whole numbers have 64 bits, and what Polars answers with something nobody asked for is refused.

mod depth;
mod exact;
mod groups;
mod joins;
mod meant;
mod names;
mod parts;
mod refused;
mod truths;
mod windows;

use super::polars::dry_run;
use super::syntax::{expression, fault, parsed};
use crate::error::Error;
use crate::report::relation_of;
use depth::too_deep;
use exact::{make_exact, make_expression_exact};
use meant::make_meant;
use names::taken_name;
use parts::{Parts, has_aggregate};
use polars::prelude::{Column, DataFrame, DataType};
use refused::{misread, refusal, ungrouped};
use sqlparser::ast::{
    BinaryOperator, Expr, GroupByExpr, Ident, OrderByKind, Query, Select, SelectItem, SetExpr, Statement,
};
use std::collections::HashSet;
use truths::make_certain;

/// The SQL as Polars is to run it: with a name for each column of its last statement that has none, the text of its
/// expression. Comments go where anything has to be written differently.
///
/// # Errors
/// `Error::Query` for what is no query, for what Polars answers with something else than other engines, and for what it does
/// not accept.
pub fn prepared(sql: &str) -> Result<String, Error> {
    // Polars says best why it is no SQL.
    let Some(mut statements) = parsed(sql) else { return dry_run(sql).map(|_| sql.to_owned()) };
    relation_of(sql)?;
    let too_much = statements.iter().find_map(too_deep);
    let why = too_much.or_else(|| taken_name(&statements)).or_else(|| statements.iter().find_map(refusal));
    if let Some(why) = why {
        return Err(refused(&why));
    }
    if let Some(why) = statements.iter().find_map(ungrouped) {
        // A function that is not known may be an aggregate.
        let unknown = dry_run(sql).err().filter(|error| error.to_string().contains("unsupported function"));
        return Err(unknown.unwrap_or_else(|| refused(&why)));
    }
    let is_plain = match statements.last_mut() {
        Some(Statement::Query(query)) => !plain(query),
        _ => true,
    };
    if let Some(Statement::Query(query)) = statements.last()
        && let Some(order) = nameless_order(query)
    {
        return Err(refused(&format!(
            "ORDER BY {order} needs a name: add {order} AS n to what is selected, and order by n"
        )));
    }
    let meant = make_meant(&mut statements);
    let numbers = make_exact(&mut statements);
    // Only now: what is a truth by its form is counted as one.
    let truths = make_certain(&mut statements);
    let is_exact = !meant && !numbers && !truths;
    let text = || statements.iter().map(ToString::to_string).collect::<Vec<_>>().join(";\n");
    let run = |sql: &str| dry_run(sql).and_then(|result| without_lists(sql, &result));
    match (!is_plain || !is_exact).then(text).map(|changed| (run(&changed), changed)) {
        Some((Ok(()), changed)) => Ok(changed),
        // Numbers that may be wrong are worse than none.
        Some((Err(error), _)) if !is_exact => Err(error),
        _ => run(sql).map(|()| sql.to_owned()),
    }
}

fn refused(why: &str) -> Error {
    Error::Query(format!("the SQL cannot be run: {why}"))
}

/// Lists that nobody asked for: Polars makes them of what has several values in a group.
fn without_lists(sql: &str, result: &DataFrame) -> Result<(), Error> {
    let is_list = |column: &&Column| matches!(column.dtype(), DataType::List(_));
    match result.columns().iter().find(is_list).filter(|_| !sql.to_uppercase().contains("ARRAY")) {
        None => Ok(()),
        Some(column) => Err(refused(&format!(
            "'{}' would be a list in each group; group by all of it, or take one of its values, as with \
             MIN",
            column.name()
        ))),
    }
}

/// The condition as Polars is to reckon with it: see [`prepared`].
///
/// # Errors
/// `Error::Query` for what Polars answers with something else than other engines.
pub fn prepared_condition(condition: &str) -> Result<String, Error> {
    let Some(mut expression) = expression(condition) else {
        let quotes = if condition.contains('\'') { "" } else { " (text stands in single quotes)" };
        return Err(refused(&(fault(condition) + quotes)));
    };
    let is_of_groups =
        has_aggregate(&expression).then(|| "an aggregate has no place in a condition on rows".into());
    if let Some(why) = too_deep(&expression).or_else(|| misread(&expression)).or(is_of_groups) {
        return Err(refused(&why));
    }
    let meant = make_meant(&mut expression);
    let numbers = make_expression_exact(&mut expression);
    let truths = make_certain(&mut expression);
    Ok(if meant || numbers || truths { expression.to_string() } else { condition.to_owned() })
}

/// Writes the query as Polars understands it; whether anything had to be changed.
fn plain(query: &mut Query) -> bool {
    let SetExpr::Select(select) = query.body.as_mut() else { return false };
    let mut changed = filter_groups_first(select);
    changed |= give_names(select);
    let Some(order) = &mut query.order_by else { return changed };
    let OrderByKind::Expressions(orders) = &mut order.kind else { return changed };
    for order in orders {
        let text = order.expr.to_string();
        let named = select.projection.iter().find_map(|item| match item {
            SelectItem::ExprWithAlias { expr, alias } if has_aggregate(expr) => {
                expr.to_string().eq_ignore_ascii_case(&text).then(|| alias.clone())
            }
            _ => None,
        });
        if let Some(alias) = named {
            order.expr = Expr::Identifier(alias);
            changed = true;
        }
    }
    changed
}

/// The aggregate that rows are sorted by, although it is not among what they show: Polars has no place for it then.
fn nameless_order(query: &Query) -> Option<&Expr> {
    let OrderByKind::Expressions(orders) = &query.order_by.as_ref()?.kind else { return None };
    orders.iter().map(|order| &order.expr).find(|expression| has_aggregate(*expression))
}

/// Names what is neither a column nor named; whether there was any.
fn give_names(select: &mut Select) -> bool {
    let mut any = false;
    let mut names = HashSet::new();
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expression) = item
            && !matches!(expression, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
        {
            let name = expression.to_string().replace('"', "");
            let again = (1..).map(|number| format!("{name}_{number}"));
            let free = std::iter::once(name.clone()).chain(again).find(|name| names.insert(name.clone()));
            let alias = Ident::with_quote('"', free.unwrap_or(name));
            *item = SelectItem::ExprWithAlias { expr: expression.clone(), alias };
            any = true;
        }
    }
    any
}

/// Moves conditions on what rows are grouped by from `HAVING` to `WHERE`, for Polars knows them there only; whether there were
/// any.
fn filter_groups_first(select: &mut Select) -> bool {
    let GroupByExpr::Expressions(keys, _) = &select.group_by else { return false };
    let Some(having) = select.having.take() else { return false };
    let is_alias = |key: &Expr| {
        let is_its = |item: &SelectItem| matches!(item, SelectItem::ExprWithAlias { alias, .. } if alias.to_string() == key.to_string());
        select.projection.iter().any(is_its)
    };
    let is_of_keys = |condition: &Expr| {
        let parts = Parts::of(condition);
        let of_columns = !parts.columns.is_empty()
            && parts.columns.iter().all(|column| keys.contains(column) && !is_alias(column));
        let of_one = matches!(condition, Expr::BinaryOp { left, right, .. } if keys.contains(left) && matches!(**right, Expr::Value(_)));
        !parts.aggregates && parts.window.is_none() && (of_columns || of_one)
    };
    let (first, later): (Vec<Expr>, Vec<Expr>) = conjuncts(having).into_iter().partition(is_of_keys);
    let any = !first.is_empty();
    let and = |left: Expr, right: Expr| Expr::BinaryOp {
        left: Box::new(left),
        op: BinaryOperator::And,
        right: Box::new(right),
    };
    let selection = select.selection.take().map(|condition| Expr::Nested(Box::new(condition)));
    select.selection = selection.into_iter().chain(first).reduce(and);
    select.having = later.into_iter().reduce(and);
    any
}

/// The conditions that `AND` joins.
fn conjuncts(condition: Expr) -> Vec<Expr> {
    match condition {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            let mut all = conjuncts(*left);
            all.extend(conjuncts(*right));
            all
        }
        other => vec![other],
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn names(sql: &str) -> Vec<String> {
        let result = dry_run(&prepared(sql).unwrap()).unwrap();
        result.get_column_names().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_column_has_the_name_that_other_engines_give_it() {
        for (sql, expected) in [
            ("SELECT MIN(timestamp), MAX(timestamp) FROM events", &["MIN(timestamp)", "MAX(timestamp)"][..]),
            ("SELECT COUNT(*), COUNT(*) AS n FROM events", &["COUNT(*)", "n"]),
            (
                "SELECT page, COUNT(DISTINCT visitor_id) FROM events GROUP BY page",
                &["page", "COUNT(DISTINCT visitor_id)"],
            ),
            ("SELECT LOWER(page), COUNT(*) FROM events GROUP BY LOWER(page)", &["LOWER(page)", "COUNT(*)"]),
            ("SELECT user_id + 1 FROM events ORDER BY user_id", &["user_id + 1"]),
            ("SELECT events.page, 1 AS one FROM events", &["page", "one"]),
            ("WITH a AS (SELECT COUNT(*) AS n FROM events) SELECT n * 2 FROM a", &["n * 2"]),
            ("SELECT COUNT(*), COUNT(*), COUNT(*) FROM events", &["COUNT(*)", "COUNT(*)_1", "COUNT(*)_2"]),
        ] {
            assert_eq!(names(sql), expected, "{sql}");
        }
    }

    #[test]
    fn sql_that_names_its_columns_is_left_as_it_is() {
        for sql in [
            "SELECT page, -- why\n COUNT(*) AS n FROM events GROUP BY page",
            "SELECT * FROM events",
            "SELECT MAX(user_id) OVER (PARTITION BY page ORDER BY timestamp) AS most, page FROM events",
            "SELECT page FROM events WHERE user_id IN (SELECT MAX(user_id) AS most FROM events)",
        ] {
            assert_eq!(prepared(sql).unwrap(), sql);
        }
    }

    #[test]
    fn what_would_mean_something_else_is_refused() {
        for (sql, why) in [
            ("DELETE FROM events WHERE page = '/'", "only read"),
            ("SELECT page, COUNT(*) AS n FROM events", "add GROUP BY page"),
            ("SELECT COUNT(*) AS n, LOWER(path) AS p FROM events", "add GROUP BY path"),
            ("SELECT n FROM (SELECT COUNT(*) AS n, page FROM events) AS a", "add GROUP BY page"),
            (
                "SELECT page, COUNT(*) * 100.0 / SUM(COUNT(*)) OVER () FROM events GROUP BY page",
                "WITH groups",
            ),
            ("SELECT page, LAG(COUNT(*)) OVER (ORDER BY page) FROM events GROUP BY page", "WITH groups"),
            ("SELECT page, SUM(1) AS n FROM events GROUP BY page", "COUNT(*) counts rows"),
            ("SELECT MAX('x') AS n FROM events", "aggregate of a constant"),
            ("SELECT page FROM events GROUP BY page ORDER BY COUNT(*) DESC", "add COUNT(*) AS n"),
            ("SELECT SUBSTR(page, -3) AS s FROM events", "RIGHT(page, n)"),
            ("SELECT page FROM events WHERE SUBSTR(page, 0, 3) = '/'", "RIGHT(page, n)"),
            ("SELECT page FROM events WHERE EXISTS (SELECT 1 FROM events)", "write IN"),
            (
                "SELECT page, COUNT(*) AS n, COUNT(*) OVER () FROM events GROUP BY page",
                "window beside groups",
            ),
            (
                "SELECT page, RANK() OVER (ORDER BY COUNT(*) DESC) AS r FROM events GROUP BY page",
                "window beside groups",
            ),
            ("SELECT COUNT(*) AS n, ROW_NUMBER() OVER () AS r FROM events", "window beside groups"),
            ("SELECT page, user_id, COUNT(*) AS n FROM events GROUP BY page", "add GROUP BY user_id"),
            ("SELECT page, MAX(user_id) - user_id AS n FROM events GROUP BY page", "add GROUP BY user_id"),
            ("SELECT COUNT(*) + event_hour AS n FROM events GROUP BY event_hour", "MIN(event_hour)"),
            ("SELECT (event_hour + 1) * 2 AS n FROM events GROUP BY event_hour + 1", "AS k"),
            ("SELECT page AS p, LOWER(page) AS l FROM events GROUP BY p", "add GROUP BY page"),
            (
                "WITH events AS (SELECT page FROM events) SELECT page FROM events",
                "WITH events names what there is",
            ),
            (
                "CREATE TABLE a AS SELECT page FROM events; WITH a AS (SELECT 1) SELECT page FROM a",
                "WITH a names",
            ),
            (
                "WITH a AS (SELECT page FROM events) SELECT * FROM (WITH a AS (SELECT 1) SELECT * FROM a) AS b",
                "WITH a names",
            ),
            (
                "SELECT LOWER(event_type) AS user_id, COUNT(*) AS n FROM events GROUP BY user_id",
                "would be a list",
            ),
            ("SELECT nothing FROM events", "nothing"),
            ("SELEC", "SELEC"),
        ] {
            let error = prepared(sql).unwrap_err().to_string();
            assert!(error.contains(why), "{sql}: {error}");
        }
    }

    #[test]
    fn relations_are_joined_by_columns_of_both() {
        let prepared_join = |join: &str| {
            prepared(&format!(
                "WITH a AS (SELECT page, event_hour FROM events), b AS (SELECT page AS p, event_hour AS h, page FROM events) \
                 SELECT COUNT(*) AS n FROM {join}"
            ))
        };
        for join in [
            "a JOIN b ON a.page = b.p",
            "a LEFT JOIN b ON b.p = a.page AND event_hour = h",
            "a INNER JOIN b ON a.page = b.page AND a.event_hour < b.h",
            "a AS x JOIN a AS y ON x.event_hour <> y.event_hour",
            "a LEFT JOIN b USING (page)",
            "a CROSS JOIN b",
            "a, b WHERE a.page = b.p",
        ] {
            assert!(prepared_join(join).is_ok(), "{join}: {:?}", prepared_join(join).err());
        }
        for (join, why) in [
            ("a LEFT JOIN b ON a.page = b.p AND b.h > 3", "ON takes columns"),
            ("a JOIN b ON a.page = b.p AND b.h > 3", "ON takes columns"),
            ("a LEFT JOIN b ON a.page = b.p AND a.event_hour < b.h", "ON takes columns"),
            ("a JOIN b ON a.page = b.p OR a.event_hour = b.h", "ON takes columns"),
            ("a JOIN b ON LOWER(a.page) = b.p", "ON takes columns"),
            ("a JOIN b ON b.page = b.p", "ON takes columns"),
            ("a JOIN b ON a.page = b.p JOIN a AS c ON a.page = b.p", "ON takes columns"),
            ("a FULL JOIN b USING (page)", "COALESCE(a.x, b.x)"),
        ] {
            let error = prepared_join(join).unwrap_err().to_string();
            assert!(error.contains(why), "{join}: {error}");
        }
    }

    #[test]
    fn rows_are_grouped_by_expressions_names_and_places() {
        for sql in [
            "SELECT LOWER(page) AS p, COUNT(*) AS n FROM events GROUP BY lower(page)",
            "SELECT LOWER(page) AS p, COUNT(*) AS n FROM events GROUP BY p",
            "SELECT LOWER(page) AS p, COUNT(*) AS n FROM events GROUP BY 1",
            "SELECT page, UPPER(page) AS p, COUNT(*) AS n FROM events GROUP BY 1",
            "SELECT page AS p, page, COUNT(*) AS n FROM events GROUP BY p",
            "SELECT events.page, UPPER(page) AS p, COUNT(*) AS n FROM events GROUP BY page",
            "SELECT page, COUNT(*) AS n FROM events GROUP BY ALL",
        ] {
            assert!(prepared(sql).is_ok(), "{sql}: {:?}", prepared(sql).err());
        }
    }

    #[test]
    fn null_is_neither_true_nor_false() {
        for (condition, expected) in [("TRUE", 1), ("NOT TRUE", 2), ("FALSE", 1), ("NOT FALSE", 2)] {
            let truth = "CASE WHEN event_hour = 1 THEN TRUE WHEN event_hour = 2 THEN FALSE END";
            for sql in [
                format!("SELECT COUNT(*) AS n FROM events WHERE ({truth}) IS {condition}"),
                format!("SELECT SUM(({truth}) IS {condition}) AS n FROM events"),
            ] {
                assert_eq!(value(&sql), Some(expected), "{sql}: {}", prepared(&sql).unwrap());
            }
        }
    }

    pub fn value(sql: &str) -> Option<i64> {
        use crate::engine::relation::Relation;
        let pages = ["/a", "/a", "/b"].map(Some);
        let frame = polars::prelude::df!["page" => pages, "event_hour" => [1i64, 2, 3], "is_bot" => [true, false, true]];
        let result =
            crate::engine::polars::query(&prepared(sql).unwrap(), &Relation::in_memory(frame.unwrap()));
        result.unwrap().columns()[0].get(0).unwrap().extract()
    }

    #[test]
    fn numbers_do_not_wrap() {
        for (sql, expected) in [
            ("SELECT COUNT(*) - 5 FROM events", -2),
            ("SELECT -COUNT(DISTINCT page) FROM events", -2),
            ("SELECT COUNT(*) FILTER (WHERE is_bot) - COUNT(*) FROM events", -1),
            ("SELECT SUM(is_bot) - 5 FROM events", -3),
            ("SELECT SUM(page = '/a' OR is_bot) - 5 FROM events", -2),
            ("SELECT SUM(event_hour) - 10 FROM events", -4),
            ("SELECT COUNT(*) * 2000000000 FROM events", 6_000_000_000),
            ("SELECT MAX(LENGTH(page) - 20) FROM events", -18),
            ("SELECT MAX(STRPOS(page, 'x') - 1) FROM events", -1),
            ("SELECT MAX(r) FROM (SELECT ROW_NUMBER() OVER (ORDER BY page) - 9 AS r FROM events) AS a", -6),
            (
                "WITH a AS (SELECT page, COUNT(*) AS n FROM events GROUP BY page) SELECT MIN(n) - MAX(n) FROM a",
                -1,
            ),
            ("CREATE TABLE a AS SELECT COUNT(*) AS n FROM events; SELECT n - 4 FROM a", -1),
            ("SELECT COUNT(*) - 4 FROM (SELECT page FROM events UNION ALL SELECT page FROM events) AS a", 2),
            ("SELECT SUM(CAST(event_hour AS INT) * 1000000000) FROM events", 6_000_000_000),
            ("SELECT COUNT(*) - 5 AS n FROM events GROUP BY page HAVING COUNT(*) > 1 ORDER BY n", -3),
            ("SELECT LENGTH(page) - 3 AS n, COUNT(*) FROM events GROUP BY n ORDER BY n", -1),
            // What is reckoned with by its name, and numbers that are written out.
            ("SELECT COUNT(*) AS n FROM events GROUP BY page ORDER BY n - 2", 1),
            ("SELECT COUNT(*) AS n FROM events GROUP BY page HAVING n - 2 < 0", 1),
            ("SELECT ROW_NUMBER() OVER (ORDER BY event_hour) AS r, page FROM events QUALIFY r - 2 < 0", 1),
            ("SELECT SUM(CASE WHEN is_bot THEN 2000000000 END) FROM events", 4_000_000_000),
            ("SELECT SUM(CASE WHEN is_bot THEN 1 ELSE 0 END) * 2000000000 FROM events", 4_000_000_000),
            ("SELECT SUM(COALESCE(NULLIF(event_hour, event_hour), 1500000000)) FROM events", 4_500_000_000),
            ("SELECT SUM(x) FROM (SELECT 1500000000 AS x, page FROM events) AS a", 4_500_000_000),
            ("SELECT MAX(event_hour) + 2000000000 * 2 FROM events", 4_000_000_003),
        ] {
            assert_eq!(value(sql), Some(expected), "{sql}: {}", prepared(sql).unwrap());
        }
    }

    #[test]
    fn groups_are_sorted_by_what_is_counted_and_filtered_by_what_they_are() {
        for (sql, expected) in [
            ("SELECT COUNT(*), page FROM events GROUP BY page ORDER BY COUNT(*) DESC", 2),
            ("SELECT COUNT(*) AS n FROM events GROUP BY page ORDER BY count(*), page", 1),
            ("SELECT SUM(event_hour) FROM events GROUP BY page ORDER BY SUM(event_hour)", 3),
            ("SELECT COUNT(*) AS n FROM events GROUP BY page HAVING COUNT(*) < 9 AND page <> '/a'", 1),
            (
                "SELECT COUNT(*) AS n FROM events WHERE is_bot OR page = '/b' GROUP BY page HAVING page = '/a'",
                1,
            ),
            ("SELECT COUNT(*) AS n FROM events GROUP BY page HAVING page LIKE '%b' AND COUNT(*) > 0", 1),
            (
                "SELECT COUNT(*) AS n FROM events GROUP BY page HAVING (page IN ('/a', '/c')) OR page IS NULL",
                2,
            ),
        ] {
            assert_eq!(value(sql), Some(expected), "{sql}: {}", prepared(sql).unwrap());
        }
    }

    #[test]
    fn conditions_are_exact_too() {
        for (condition, expected) in [
            ("length(page) - 20 < 0", "CAST(length(page) AS BIGINT) - 20 < 0"),
            ("event_hour * 60 > 600 -- why", "event_hour * 60 > 600 -- why"),
            ("is_bot IS NOT TRUE AND page = '/'", "(NOT COALESCE(is_bot, false)) AND page = '/'"),
            ("user_id > 3 IS NOT FALSE", "COALESCE(user_id > 3, true)"),
        ] {
            assert_eq!(prepared_condition(condition).unwrap(), expected);
        }
        for condition in
            ["no (condition", "user_id = 3) OR (1 = 1", "COUNT(*) > 3", "event_date > 2025-03-16"]
        {
            assert!(prepared_condition(condition).is_err(), "{condition}");
        }
    }
}
