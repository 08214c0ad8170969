//! Whether a query means the same of texts that are categories. Most of SQL does; but Polars takes a category for its number
//! where it is cast to one, and who knows what else it will. So a query over categories may do with them only what is known to
//! be the same: compare them with texts, group, count and sort by them, and hand them on. Knows nothing of the rows.

use super::syntax::{parsed, text, value};
use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Query, SelectItem,
    SetExpr, Statement, TableFactor, UnaryOperator, Value, Visit, Visitor,
};
use std::collections::HashSet;
use std::ops::ControlFlow;

/// Those of these columns with which a query does nothing but what it may do with categories, while the others are strings.
pub fn categories_that_suffice<'a>(sql: &str, columns: &[&'a str]) -> Vec<&'a str> {
    let Some(statements) = parsed(sql) else { return Vec::new() };
    if suffice(&statements, columns) {
        return columns.to_vec();
    }
    let alone: Vec<&str> =
        columns.iter().copied().filter(|column| suffice(&statements, &[*column])).collect();
    if suffice(&statements, &alone) { alone } else { Vec::new() }
}

fn suffice(statements: &Vec<Statement>, columns: &[&str]) -> bool {
    let mut names = Names { tracked: columns.iter().map(|name| (*name).to_owned()).collect(), grown: true };
    while std::mem::take(&mut names.grown) {
        if statements.visit(&mut names).is_break() {
            return false;
        }
    }
    statements.visit(&mut Uses { tracked: &names.tracked }).is_continue()
}

/// Finds the names under which categories are handed on. Breaks off where that cannot be followed.
struct Names {
    tracked: HashSet<String>,
    grown: bool,
}

impl Visitor for Names {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let renamed =
            query.with.iter().flat_map(|with| &with.cte_tables).any(|cte| !cte.alias.columns.is_empty());
        let SetExpr::Select(select) = query.body.as_ref() else { return ControlFlow::Break(()) };
        if renamed {
            return ControlFlow::Break(());
        }
        for item in &select.projection {
            if let SelectItem::ExprWithAlias { expr, alias } = item
                && carries(expr, &self.tracked)
            {
                self.grown |= self.tracked.insert(alias.value.clone());
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<()> {
        match table {
            TableFactor::Table { alias, .. } | TableFactor::Derived { alias, .. }
                if alias.as_ref().is_none_or(|alias| alias.columns.is_empty()) =>
            {
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Break(()),
        }
    }
}

/// Breaks off where a category is used as it may not be.
struct Uses<'a> {
    tracked: &'a HashSet<String>,
}

impl Visitor for Uses<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        if self.may_be(expression) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

impl Uses<'_> {
    /// Whether this is done with what it is made of as it may be; what is in there is looked at by itself.
    fn may_be(&self, expression: &Expr) -> bool {
        let carries = |part: &Expr| carries(part, self.tracked);
        let alike = |parts: &[&Expr]| {
            !parts.iter().any(|part| carries(part)) || parts.iter().all(|part| carries(part) || is_text(part))
        };
        match expression {
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Nested(_) | Expr::Value(_) => true,
            Expr::IsNull(_) | Expr::IsNotNull(_) => true,
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => !carries(expr),
            Expr::BinaryOp { left, op: BinaryOperator::Eq | BinaryOperator::NotEq, right } => {
                alike(&[left, right])
            }
            Expr::BinaryOp { left, right, .. } => !carries(left) && !carries(right),
            Expr::InList { expr, list, .. } => {
                if carries(expr) {
                    list.iter().all(is_text)
                } else {
                    !list.iter().any(carries)
                }
            }
            Expr::Between { expr, low, high, .. } => ![expr, low, high].into_iter().any(|part| carries(part)),
            Expr::Cast { expr, .. } => !carries(expr),
            Expr::Case { operand, conditions, else_result, .. } => {
                let results = conditions.iter().map(|when| &when.result).chain(else_result.as_deref());
                let results: Vec<&Expr> = results.filter(|result| !is_null(result)).collect();
                operand.is_none()
                    && !conditions.iter().any(|when| carries(&when.condition))
                    && alike(&results)
            }
            Expr::Function(function) => {
                let arguments = arguments(function);
                match function.name.to_string().to_uppercase().as_str() {
                    "COALESCE" => alike(&arguments),
                    name if HANDS_ON.contains(&name) || name == "COUNT" => true,
                    _ => !arguments.iter().any(|part| carries(part)),
                }
            }
            other => !mentions(other, self.tracked),
        }
    }
}

/// The functions that give one of the values that they are given.
const HANDS_ON: [&str; 6] = ["MIN", "MAX", "LAG", "LEAD", "FIRST_VALUE", "LAST_VALUE"];

/// Whether the value of an expression may be a category.
fn carries(expression: &Expr, tracked: &HashSet<String>) -> bool {
    match expression {
        Expr::Identifier(name) => tracked.contains(&name.value),
        Expr::CompoundIdentifier(path) => path.last().is_some_and(|name| tracked.contains(&name.value)),
        Expr::Nested(inner) => carries(inner, tracked),
        // What is made of categories here is none, if it may be made at all.
        Expr::Value(_)
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::UnaryOp { .. }
        | Expr::BinaryOp { .. } => false,
        Expr::InList { .. } | Expr::Between { .. } | Expr::Cast { .. } => false,
        Expr::Case { conditions, else_result, .. } => {
            let mut results = conditions.iter().map(|when| &when.result).chain(else_result.as_deref());
            results.any(|result| carries(result, tracked))
        }
        Expr::Function(function) => {
            let name = function.name.to_string().to_uppercase();
            let hands_on = name == "COALESCE" || HANDS_ON.contains(&name.as_str());
            hands_on && arguments(function).into_iter().any(|part| carries(part, tracked))
        }
        other => mentions(other, tracked),
    }
}

/// Whether one of the names occurs in it.
fn mentions(expression: &Expr, tracked: &HashSet<String>) -> bool {
    let text = expression.to_string();
    let words = text.split(|character: char| !(character.is_alphanumeric() || character == '_'));
    words.into_iter().any(|word| tracked.contains(word))
}

fn arguments(function: &Function) -> Vec<&Expr> {
    let FunctionArguments::List(list) = &function.args else { return Vec::new() };
    let expressions = list.args.iter().filter_map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => Some(expression),
        _ => None,
    });
    expressions.collect()
}

fn is_text(expression: &Expr) -> bool {
    text(expression).is_some()
}

fn is_null(expression: &Expr) -> bool {
    matches!(value(expression), Some(Value::Null))
}

#[cfg(test)]
mod tests {
    use super::categories_that_suffice;
    use crate::report::all;

    const COLUMNS: [&str; 3] = ["event_type", "path", "visitor_id"];

    fn categories_suffice(sql: &str, columns: &[&str]) -> bool {
        categories_that_suffice(sql, columns) == columns
    }

    #[test]
    fn some_may_be_strings() {
        for (sql, enough) in [
            (
                "SELECT event_type, LOWER(path) AS p FROM events GROUP BY event_type, LOWER(path)",
                &["event_type", "visitor_id"][..],
            ),
            (
                "SELECT event_type, path || visitor_id AS p FROM events WHERE event_type = 'view'",
                &["event_type"],
            ),
            // Alone each may be one, but not beside the other as a string.
            ("SELECT COALESCE(path, LOWER(event_type)) AS p, visitor_id FROM events", &["visitor_id"]),
            ("SELECT path FROM events WHERE path = visitor_id AND LENGTH(visitor_id) > 3", &["event_type"]),
            ("SELECT path FROM events UNION ALL SELECT user_id FROM events", &[]),
        ] {
            assert_eq!(categories_that_suffice(sql, &COLUMNS), enough, "{sql}");
        }
    }

    #[test]
    fn what_is_the_same_of_categories() {
        for sql in [
            "SELECT event_type, COUNT(*) AS n FROM events GROUP BY event_type ORDER BY event_type",
            "SELECT CASE WHEN event_type = 'view' THEN path ELSE '(none)' END AS p, COUNT(DISTINCT visitor_id) AS n \
             FROM events WHERE event_type IN ('view', 'search') AND path IS NOT NULL GROUP BY p",
            "SELECT SUM(CASE WHEN event_type <> 'view' THEN 1 ELSE 0 END) AS n FROM events",
            "WITH a AS (SELECT event_type AS t FROM events) SELECT COALESCE(t, '(none)') AS u, MIN(t) AS v FROM a GROUP BY t",
            "SELECT CAST(user_id AS BIGINT) AS u, LOWER(method) AS m FROM events WHERE NOT paired",
            "SELECT LAG(path) OVER (PARTITION BY visitor_id ORDER BY timestamp) AS before FROM events",
            "SELECT a.path FROM events AS a INNER JOIN (SELECT path FROM events) AS b ON a.path = b.path",
        ] {
            assert!(categories_suffice(sql, &COLUMNS), "{sql}");
        }
    }

    #[test]
    fn what_may_not_be_the_same() {
        for sql in [
            "SELECT CAST(path AS BIGINT) AS n FROM events",
            "SELECT path::BIGINT AS n FROM events",
            "SELECT TRY_CAST(path AS BIGINT) AS n FROM events",
            "WITH a AS (SELECT path AS p FROM events), b AS (SELECT p AS q FROM a) SELECT CAST(q AS BIGINT) AS n FROM b",
            "SELECT CAST(r AS BIGINT) AS n FROM (SELECT MAX(q) AS r FROM (SELECT path AS q FROM events) AS a) AS b",
            "WITH a(p) AS (SELECT path FROM events) SELECT CAST(p AS BIGINT) AS n FROM a",
            "SELECT CAST(b.p AS BIGINT) AS n FROM (SELECT path FROM events) AS b(p)",
            "SELECT CAST(CASE WHEN user_id = 1 THEN path END AS BIGINT) AS n FROM events",
            "SELECT SUM(path) AS n FROM events",
            "SELECT path + 1 AS n FROM events",
            "SELECT path || 'x' AS n FROM events",
            "SELECT COUNT(*) AS n FROM events WHERE path = 5",
            "SELECT COUNT(*) AS n FROM events WHERE path = user_id",
            "SELECT COUNT(*) AS n FROM events WHERE path > 'a'",
            "SELECT COUNT(*) AS n FROM events WHERE path IN (1, 2)",
            "SELECT COUNT(*) AS n FROM events WHERE user_id IN (path)",
            "SELECT COUNT(*) AS n FROM events WHERE path BETWEEN 'a' AND 'b'",
            "SELECT COUNT(*) AS n FROM events WHERE path LIKE 'a%'",
            "SELECT COUNT(*) AS n FROM events WHERE NOT path",
            "SELECT COALESCE(path, 5) AS n FROM events",
            "SELECT CASE WHEN user_id = 1 THEN path ELSE 0 END AS n FROM events",
            "SELECT CASE path WHEN 1 THEN 2 END AS n FROM events",
            "SELECT LENGTH(path) AS n FROM events",
            "SELECT path FROM events UNION ALL SELECT user_id FROM events",
            "SELECT COUNT(*) AS n FROM events WHERE path IN (SELECT user_id FROM events)",
            "SELECT COUNT(*) AS n FROM events ORDER BY LENGTH(path)",
            "CREATE TABLE t AS SELECT path AS p FROM events; SELECT CAST(p AS BIGINT) AS n FROM t",
            "SELEC",
        ] {
            assert!(!categories_suffice(sql, &COLUMNS), "{sql}");
        }
    }

    #[test]
    fn most_reports_do_with_categories() {
        let reports = all().unwrap_or_default();
        let bound = reports.iter().filter_map(|report| report.bound(|_| None).ok());
        let enough = bound.filter(|sql| categories_suffice(sql, &COLUMNS)).count();
        assert!(enough > 15, "{enough}");
    }
}
