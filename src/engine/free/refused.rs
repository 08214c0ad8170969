//! What Polars answers with something nobody asked for, or with a message that helps nobody: it is refused, and what to write
//! instead is said. Knows nothing of what is there to be asked.

use super::groups::Groups;
use super::joins::Joins;
use super::parts::{Parts, arguments, has_aggregate, is_aggregate, is_one_of, plain};
use super::windows;
use crate::engine::functions::UNITS;
use crate::engine::syntax::{column, is_number, text, value};
use crate::schema::Type;
use sqlparser::ast::{
    BinaryOperator, DataType, Expr, Function, FunctionArg, FunctionArguments, GroupByExpr, Interval, OrderBy,
    OrderByKind, Query, Select, SelectItem, SetExpr, Statement, UnaryOperator, Value, Visit, Visitor,
};
use std::ops::ControlFlow;

/// Why this statement is not run, if it is not, whatever functions it calls.
pub fn refusal(statement: &Statement) -> Option<String> {
    if let Statement::Delete(_) | Statement::Insert(_) | Statement::Update(_) | Statement::Truncate(_) =
        statement
    {
        return Some("events are only read; write a SELECT".into());
    }
    let mut joins = Joins::default();
    _ = statement.visit(&mut joins);
    misread(statement).or(joins.why)
}

/// What this statement shows of groups that they have no one value of, in words; a function that is not known is none that makes
/// one value of many.
pub fn ungrouped(statement: &Statement) -> Option<String> {
    let mut groups = Groups::default();
    _ = statement.visit(&mut groups);
    groups.why
}

/// Why a part of SQL is not run, if what stands in it means something else to Polars.
pub fn misread(part: &impl Visit) -> Option<String> {
    let mut misread = Misread { why: None };
    _ = part.visit(&mut misread);
    misread.why
}

/// Finds an expression that means something else to Polars.
struct Misread {
    why: Option<String>,
}

impl Visitor for Misread {
    type Break = ();

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        self.why = match expression {
            // Polars takes a number for days or microseconds since 1970.
            Expr::BinaryOp { left, op, right }
                if is_comparison(op)
                    && (is_time(left) && is_number(right) || is_number(left) && is_time(right)) =>
            {
                Some(of_no_date(expression))
            }
            Expr::Between { expr, low, high, .. } if is_time(expr) && (is_number(low) || is_number(high)) => {
                Some(of_no_date(expression))
            }
            Expr::InList { expr, list, .. } if is_time(expr) && list.iter().any(is_number) => {
                Some(of_no_date(expression))
            }
            Expr::Exists { .. } => Some("EXISTS is not known; write IN (SELECT …), or a JOIN".into()),
            Expr::Function(function) => of_function(function),
            Expr::Interval(interval) if !is_plain(interval) => Some(format!(
                "'{expression}' is not read; write whole numbers and units, as INTERVAL '90 minutes' or INTERVAL '1 day 12 hours'"
            )),
            // Polars makes null of it.
            Expr::TypedString(typed) if typed.data_type == DataType::Date && !is_day(&typed.value.value) => {
                Some(format!("'{expression}' is no day; write it as DATE '2025-03-16'"))
            }
            // Polars counts such places in another way than other engines do.
            Expr::Substring { expr, substring_from: Some(from), .. } if is_before_one(from) => Some(format!(
                "'{expression}' begins before the first character, which is 1; RIGHT({expr}, n) gives the last ones"
            )),
            _ => None,
        };
        self.go_on()
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        let misplaced = |part: &str| {
            Some(format!(
                "an aggregate has no place in {part}; HAVING has conditions on groups, and a query in FROM makes them"
            ))
        };
        self.why = if has_aggregate(&select.selection) {
            misplaced("WHERE")
        } else if has_aggregate(&select.group_by) {
            misplaced("GROUP BY")
        } else {
            let qualified = select.qualify.iter().find_map(|condition| hidden(condition, &select.projection));
            windows::alone(&select.projection).or(qualified)
        };
        self.go_on()
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.why = is_mixed(&query.body).then(|| {
            "UNION, EXCEPT and INTERSECT one behind the other would be taken as one of them; write brackets: (SELECT … EXCEPT \
             SELECT …) UNION SELECT …"
                .into()
        });
        if let (SetExpr::Select(select), Some(order), None) =
            (query.body.as_ref(), &query.order_by, &self.why)
        {
            let is_of_all = matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
            self.why = if is_of_all && has_aggregate(&select.projection) {
                Some("an aggregate of all rows is one row; leave ORDER BY out".into())
            } else {
                ordered(order).find_map(|order| hidden(order, &select.projection))
            };
        }
        self.go_on()
    }
}

impl Misread {
    fn go_on(&self) -> ControlFlow<()> {
        if self.why.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// What rows are sorted by, but for what is only a name: that is the one of what is selected.
fn ordered(order: &OrderBy) -> impl Iterator<Item = &Expr> {
    let orders = match &order.kind {
        OrderByKind::Expressions(orders) => orders.as_slice(),
        OrderByKind::All(_) => &[],
    };
    orders.iter().map(|order| &order.expr).filter(|order| !matches!(order, Expr::Identifier(_)))
}

/// That an expression reckons with a name that is a column's and, with another meaning, one of what is selected: Polars takes the
/// latter, others the column.
fn hidden(expression: &Expr, items: &[SelectItem]) -> Option<String> {
    let used = Parts::of(expression).columns;
    let renamed = items.iter().find_map(|item| match item {
        SelectItem::ExprWithAlias { expr, alias } => {
            let is_used = used.iter().any(|used| matches!(used, Expr::Identifier(name) if name == alias));
            let is_column = Parts::of(expr)
                .columns
                .iter()
                .any(|column| matches!(column, Expr::Identifier(name) if name == alias) && column != expr);
            (is_used && is_column).then_some(alias)
        }
        _ => None,
    })?;
    Some(format!(
        "'{renamed}' in '{expression}' is both a column and what is selected as it; call that otherwise"
    ))
}

/// Whether different set operations stand side by side.
fn is_mixed(body: &SetExpr) -> bool {
    let SetExpr::SetOperation { left, op, set_quantifier, right } = body else { return false };
    let differs = |side: &SetExpr| {
        matches!(side, SetExpr::SetOperation { op: other, set_quantifier: of_other, .. }
            if (other, of_other) != (op, set_quantifier))
    };
    differs(left) || differs(right) || is_mixed(left) || is_mixed(right)
}

/// Why this function is not called, if it is not.
fn of_function(function: &Function) -> Option<String> {
    // Polars takes the group's own value for the window, and calls lists of them a value.
    if function.over.is_some() && has_aggregate(&function.args) {
        return Some(format!(
            "'{function}' is a window over an aggregate; give the groups a name first: WITH groups AS (SELECT …, \
             COUNT(*) AS n FROM … GROUP BY …) SELECT …, SUM(n) OVER () FROM groups"
        ));
    }
    if let Some(why) = windows::refusal(function) {
        return Some(why);
    }
    if is_aggregate(function) && has_aggregate(&function.args) {
        return Some(format!(
            "'{function}' is an aggregate of an aggregate; make the groups first: WITH groups AS (SELECT …, COUNT(*) AS n \
             FROM … GROUP BY …) SELECT MAX(n) FROM groups"
        ));
    }
    // Polars takes the base for the number.
    if is_one_of(function, &["LOG"]) && arguments(function).len() == 2 {
        return Some(format!(
            "'{function}' would take its arguments the other way round; write LN(number) / LN(base)"
        ));
    }
    if is_one_of(function, &["DATE_TRUNC"]) && !has_unit(function) {
        return Some(format!(
            "'{function}' needs a unit in quotes, one of {}, and a time, as date_trunc('hour', timestamp)",
            UNITS.join(", ")
        ));
    }
    if is_one_of(function, &TAKERS) && arguments(function).is_empty() {
        return Some(format!("'{function}' needs something to take"));
    }
    // Polars looks at it once, however many rows there are; so it does at a constant.
    if let Some(filter) = function.filter.as_deref().filter(|filter| is_constant(*filter)) {
        return Some(format!("'{filter}' is the same for all rows; leave FILTER out"));
    }
    is_of_constant(function).then(|| {
        format!("'{function}' is an aggregate of a constant; COUNT(*) counts rows, and CASE WHEN … makes a value of each")
    })
}

/// What Polars ends with a panic for, where it has nothing to take.
const TAKERS: [&str; 4] = ["GREATEST", "LEAST", "COALESCE", "MAKE_TIMESTAMP"];

/// Whether the first argument is a unit of time.
fn has_unit(function: &Function) -> bool {
    let unit = arguments(function).first().and_then(plain).and_then(text);
    unit.is_some_and(|unit| UNITS.contains(&unit.to_lowercase().as_str()))
}

/// Whether an interval is made of whole numbers, not too large ones, and units.
fn is_plain(interval: &Interval) -> bool {
    let value = match value(&interval.value) {
        Some(Value::SingleQuotedString(text) | Value::Number(text, _)) => text.as_str(),
        _ => return false,
    };
    let text = match &interval.leading_field {
        Some(unit) => format!("{value} {unit}"),
        None => value.to_owned(),
    };
    let mut rest = text.trim();
    while !rest.is_empty() {
        let number = rest.strip_prefix(['-', '+']).unwrap_or(rest);
        let digits = number.bytes().take_while(u8::is_ascii_digit).count();
        let unit = number[digits..].trim_start();
        let letters = unit.bytes().take_while(u8::is_ascii_alphabetic).count();
        if !(1..=6).contains(&digits) || letters == 0 {
            return false;
        }
        rest = unit[letters..].trim_start();
    }
    !text.trim().is_empty()
}

fn is_day(value: &Value) -> bool {
    matches!(value, Value::SingleQuotedString(text) if text.parse::<chrono::NaiveDate>().is_ok())
}

fn is_comparison(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(op, Eq | Gt | GtEq | Lt | LtEq | NotEq)
}

/// Whether this is a column of dates or times.
fn is_time(expression: &Expr) -> bool {
    column(expression).is_some_and(|column| matches!(column.kind, Type::Date | Type::Timestamp))
}

fn of_no_date(expression: &Expr) -> String {
    format!("'{expression}' compares a time with a number; dates and times stand in quotes, as '2025-03-16'")
}

fn is_of_constant(function: &Function) -> bool {
    let FunctionArguments::List(arguments) = &function.args else { return false };
    let counts = |argument: &FunctionArg| plain(argument).is_none_or(|argument| value(argument).is_some());
    let counts_rows = is_one_of(function, &["COUNT"]) && arguments.args.iter().all(counts);
    is_aggregate(function) && !counts_rows && is_constant(arguments)
}

/// Whether there is nothing in it that could differ from row to row.
fn is_constant(part: &impl Visit) -> bool {
    let parts = Parts::of(part);
    parts.columns.is_empty() && !parts.aggregates && part.visit(&mut HasQuery).is_continue()
}

/// Breaks off where a query begins.
struct HasQuery;

impl Visitor for HasQuery {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        ControlFlow::Break(())
    }
}

fn is_before_one(from: &Expr) -> bool {
    match from {
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => value(expr).is_some(),
        from => matches!(value(from), Some(Value::Number(number, _)) if number.parse() == Ok(0)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::prepared;

    #[test]
    fn what_polars_takes_for_something_else_is_refused() {
        for (sql, why) in [
            ("SELECT page FROM events WHERE event_date >= 2025-03-16", "in quotes"),
            ("SELECT page FROM events WHERE 20250316 < events.timestamp", "in quotes"),
            ("SELECT page FROM events WHERE event_date BETWEEN 2025-03-16 AND '2025-03-17'", "in quotes"),
            ("SELECT page FROM events WHERE event_date IN ('2025-03-16', 2025-03-17)", "in quotes"),
            ("SELECT page FROM events WHERE COUNT(*) > 3", "no place in WHERE"),
            ("SELECT COUNT(*) AS n FROM events GROUP BY COUNT(*)", "no place in GROUP BY"),
            ("SELECT MAX(COUNT(*)) AS n FROM events GROUP BY page", "aggregate of an aggregate"),
            ("SELECT COUNT(1 + 1) AS n FROM events", "aggregate of a constant"),
            ("SELECT LOG(10, process_time) AS l FROM events", "LN(number) / LN(base)"),
            ("SELECT GREATEST() AS g FROM events", "something to take"),
            ("SELECT page FROM events WHERE timestamp > DATE '2025-02-30'", "no day"),
            ("SELECT timestamp + INTERVAL '1.5 hours' AS t FROM events", "whole numbers and units"),
            ("SELECT timestamp + INTERVAL '01:30:00' AS t FROM events", "whole numbers and units"),
            ("SELECT timestamp + INTERVAL '9999999 years' AS t FROM events", "whole numbers and units"),
            ("SELECT QUANTILE_CONT(process_time, 0.5) AS q FROM events ORDER BY q", "leave ORDER BY out"),
            (
                "SELECT page FROM events EXCEPT SELECT page FROM events UNION SELECT page FROM events",
                "write brackets",
            ),
            (
                "SELECT response_status, QUANTILE_CONT(response_status, 0.5) AS q FROM events GROUP BY response_status",
                "give the key another name",
            ),
            ("SELECT page, BOOL_AND(is_bot) AS b FROM events GROUP BY page", "unsupported function"),
            ("SELECT COUNT(*) FILTER (WHERE 1 < 2) AS n FROM events", "the same for all rows"),
            ("TRUNCATE TABLE events", "only read"),
            ("SELECT COLUMNS('(') FROM events", "Polars gave out"),
            ("SELECT DATE_TRUNC('fortnight', timestamp) AS t FROM events", "one of second, minute"),
            ("SELECT DATE_TRUNC('hour', page) AS t FROM events", "a unit and a time"),
            ("SELECT -quantity AS quantity FROM events ORDER BY quantity + 0", "both a column and"),
            (
                "SELECT LOWER(page) AS page FROM events QUALIFY ROW_NUMBER() OVER (ORDER BY page) = 1",
                "both a column and",
            ),
        ] {
            let error = prepared(sql).unwrap_err().to_string();
            assert!(error.contains(why), "{sql}: {error}");
        }
        for sql in [
            "SELECT page FROM events WHERE event_date >= '2025-03-16' AND event_hour = 3",
            "SELECT timestamp + INTERVAL '1 day 12 hours' AS t, timestamp - INTERVAL '90 minutes' AS s FROM events",
            "SELECT page FROM events UNION ALL SELECT page FROM events UNION ALL SELECT page FROM events",
            "SELECT COUNT(1) AS n, COUNT(page) AS p FROM events",
            "SELECT page, QUANTILE_CONT(process_time, 0.5) AS q FROM events GROUP BY page ORDER BY q",
            "SELECT page, COUNT(*) AS n FROM events GROUP BY page HAVING COUNT(*) > 3",
            "SELECT COUNT(*) FILTER (WHERE event_hour < 2) AS n FROM events",
            "SELECT LOWER(page) AS page FROM events ORDER BY page",
            "SELECT DATE_TRUNC('Month', event_date) AS m, COUNT(*) AS n FROM events GROUP BY m ORDER BY m",
            "SELECT page AS page, quantity AS q FROM events ORDER BY LOWER(page), q + 1",
        ] {
            assert!(prepared(sql).is_ok(), "{sql}: {:?}", prepared(sql).err());
        }
    }
}
