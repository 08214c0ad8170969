//! Which events a query looks at: those for which a condition behind `WHERE` may hold. What is understood of the conditions
//! are plain comparisons of columns with values, so that it may be more events than are looked at, never fewer.
//! Knows nothing of what the columns mean, nor of what becomes of the events.

use super::syntax::{is_named, parsed, text, value};
use crate::events::Events;
use crate::events::column::{Column, Values};
use crate::report::columns_within;
use crate::schema::EVENTS;
use sqlparser::ast::{
    BinaryOperator, Expr, ObjectName, Select, TableFactor, UnaryOperator, Value, Visit, Visitor,
};
use std::ops::ControlFlow;

/// Which events some queries look at.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// What must hold of an event for any of the queries to look at it.
    conditions: Vec<Expr>,
}

impl Seen {
    /// What queries over this relation look at; `None` if it may be all that there is.
    pub fn by<'a>(queries: impl Iterator<Item = &'a str>, relation: &str) -> Option<Seen> {
        let mut places = Places { relation, conditions: Vec::new(), named: 0 };
        for sql in queries {
            _ = parsed(sql)?.visit(&mut places);
            // Wherever else the relation is named, all of it may be looked at.
            if places.named > places.conditions.len() {
                return None;
            }
        }
        (!places.conditions.is_empty()).then_some(Seen { conditions: places.conditions })
    }

    /// The columns that tell which these are.
    pub fn columns(&self) -> Vec<&'static str> {
        self.conditions.iter().flat_map(|condition| columns_within(&EVENTS, &condition.to_string())).collect()
    }

    /// A value for each event, whether it may be looked at; `None` if all may.
    pub fn rows(&self, events: &Events) -> Option<Vec<bool>> {
        let mut seen = vec![false; events.rows];
        for condition in &self.conditions {
            let rows = may_hold(condition, events)?;
            seen.iter_mut().zip(rows).for_each(|(seen, may)| *seen |= may);
        }
        Some(seen)
    }
}

/// Finds where queries take from the relation.
struct Places<'a> {
    relation: &'a str,
    conditions: Vec<Expr>,
    /// How many times the relation is named.
    named: usize,
}

impl Visitor for Places<'_> {
    type Break = ();

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        self.named += usize::from(is_named(name, self.relation));
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if let ([from], Some(condition)) = (select.from.as_slice(), &select.selection)
            && from.joins.is_empty()
            && matches!(from.relation, TableFactor::Table { .. })
            && from.relation.to_string() == self.relation
        {
            self.conditions.push(condition.clone());
        }
        ControlFlow::Continue(())
    }
}

/// For which events the condition may hold; `None` where that is not known.
fn may_hold(condition: &Expr, events: &Events) -> Option<Vec<bool>> {
    match condition {
        Expr::Nested(inner) => may_hold(inner, events),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            let (left, right) = (may_hold(left, events), may_hold(right, events));
            match (left, right) {
                (Some(left), Some(right)) => Some(both(left, &right, |left, right| left & right)),
                (known, other) => known.or(other),
            }
        }
        Expr::BinaryOp { left, op: BinaryOperator::Or, right } => {
            let (left, right) = (may_hold(left, events)?, may_hold(right, events)?);
            Some(both(left, &right, |left, right| left | right))
        }
        Expr::BinaryOp { left, op, right } => compared(column(left, events)?, op, right),
        Expr::InList { expr, list, negated: false } => {
            let Column::Text(texts) = column(expr, events)? else { return None };
            let wanted: Vec<&str> = list.iter().map(text).collect::<Option<_>>()?;
            let codes: Vec<u32> = wanted.iter().filter_map(|text| texts.dictionary.find(text)).collect();
            Some(texts.codes.iter().map(|code| codes.contains(code)).collect())
        }
        Expr::IsNull(inner) => Some(nulls(column(inner, events)?, true)),
        Expr::IsNotNull(inner) => Some(nulls(column(inner, events)?, false)),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => truth(column(expr, events)?, false),
        other => truth(column(other, events)?, true),
    }
}

fn both(left: Vec<bool>, right: &[bool], of: impl Fn(bool, bool) -> bool) -> Vec<bool> {
    left.into_iter().zip(right).map(|(left, right)| of(left, *right)).collect()
}

fn column<'a>(expression: &Expr, events: &'a Events) -> Option<&'a Column> {
    let Expr::Identifier(name) = expression else { return None };
    events.columns.get(name.value.as_str())
}

fn nulls(column: &Column, wanted: bool) -> Vec<bool> {
    (0..column.len()).map(|row| column.is_null(row) == wanted).collect()
}

fn truth(column: &Column, wanted: bool) -> Option<Vec<bool>> {
    let Column::Boolean(values) = column else { return None };
    Some(values.iter().map(|value| value == Some(wanted)).collect())
}

fn compared(column: &Column, operator: &BinaryOperator, with: &Expr) -> Option<Vec<bool>> {
    match column {
        Column::Text(texts) if *operator == BinaryOperator::Eq => {
            let code = texts.dictionary.find(text(with)?);
            Some(texts.codes.iter().map(|is| Some(*is) == code).collect())
        }
        Column::Bigint(values) => {
            let number = number(with)?;
            let holds = |test: fn(&i64, &i64) -> bool| Some(those(values, |value| test(&value, &number)));
            match operator {
                BinaryOperator::Eq => holds(i64::eq),
                BinaryOperator::Lt => holds(i64::lt),
                BinaryOperator::LtEq => holds(i64::le),
                BinaryOperator::Gt => holds(i64::gt),
                BinaryOperator::GtEq => holds(i64::ge),
                _ => None,
            }
        }
        _ => None,
    }
}

fn those(values: &Values<i64>, test: impl Fn(i64) -> bool) -> Vec<bool> {
    values.iter().map(|value| value.is_some_and(&test)).collect()
}

fn number(expression: &Expr) -> Option<i64> {
    match value(expression)? {
        Value::Number(number, _) => number.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::polars::{frame, query};
    use super::super::relation::Relation;
    use super::*;
    use crate::events::column::Texts;

    /// Every combination of a few values, null among them.
    fn events() -> Events {
        let (mut types, mut numbers, mut flags, mut named) =
            (Texts::default(), Values::default(), Values::default(), Texts::default());
        for event_type in [None, Some("view"), Some("search"), Some("")] {
            for number in [None, Some(-1), Some(399), Some(400)] {
                for flag in [None, Some(false), Some(true)] {
                    types.push(event_type);
                    numbers.push(number);
                    flags.push(flag);
                    named.push(Some(&format!("{event_type:?} {number:?} {flag:?}")));
                }
            }
        }
        let rows = named.codes.len();
        let columns = [
            ("event_type", Column::Text(types)),
            ("response_status", Column::Bigint(numbers)),
            ("paired", Column::Boolean(flags)),
            ("message", Column::Text(named)),
        ];
        Events { columns: columns.into_iter().collect(), rows }
    }

    fn seen(sql: &str) -> Option<Vec<String>> {
        let events = events();
        let rows = Seen::by([sql].into_iter(), "events")?.rows(&events)?;
        let named = events.texts("message");
        Some(
            (0..events.rows).filter(|&row| rows[row]).map(|row| named.get(row).unwrap().to_owned()).collect(),
        )
    }

    #[test]
    fn what_tells_which_these_are_is_what_the_conditions_name() {
        let sql =
            "SELECT page, COUNT(*) AS n FROM events WHERE event_type = 'view' AND NOT paired GROUP BY page";
        let seen = Seen::by([sql].into_iter(), "events").unwrap();
        assert_eq!(seen.columns(), ["event_type", "paired"]);
    }

    /// The rows for which the condition holds, as Polars finds them.
    fn held(condition: &str) -> Vec<String> {
        let names = ["event_type", "response_status", "paired", "message"];
        let relation = Relation::in_memory(frame(events(), &names, None).unwrap());
        let found = query(&format!("SELECT message FROM events WHERE {condition}"), &relation).unwrap();
        found.column("message").unwrap().str().unwrap().iter().map(|text| text.unwrap().to_owned()).collect()
    }

    #[test]
    fn what_is_understood_is_what_polars_finds() {
        for condition in [
            "event_type = 'view'",
            "event_type = 'none'",
            "event_type IN ('view', '', 'none')",
            "event_type IS NULL",
            "event_type IS NOT NULL",
            "paired",
            "NOT paired",
            "paired IS NULL",
            "response_status < 400",
            "response_status <= 399",
            "response_status = 400",
            "response_status >= 400",
            "response_status > 399",
            "(event_type = 'view' AND response_status < 400) OR (event_type = 'search' AND NOT paired)",
            "event_type = 'view' AND (paired OR response_status IS NULL) AND response_status IS NOT NULL",
        ] {
            let sql = format!("SELECT COUNT(*) AS n FROM events WHERE {condition}");
            assert_eq!(seen(&sql).unwrap(), held(condition), "{condition}");
        }
    }

    #[test]
    fn of_what_is_not_understood_nothing_is_missing() {
        let all = events().rows;
        for condition in [
            "event_type LIKE 'v%' AND paired",
            "paired AND event_type <> 'view' AND response_status * 2 > 100",
            "event_type NOT IN ('view') AND response_status >= -1 AND NOT paired",
            "(response_status > -5 OR paired) AND event_type = 'search'",
            "NOT (paired AND event_type = 'view') AND event_type IN ('view', 'search')",
            "response_status < 399.5 AND paired",
        ] {
            let seen = seen(&format!("SELECT COUNT(*) AS n FROM events WHERE {condition}")).unwrap();
            let held = held(condition);
            assert!(!held.is_empty() && held.iter().all(|row| seen.contains(row)), "{condition}");
            assert!(seen.len() < all, "{condition}");
        }
        for condition in
            ["LENGTH(event_type) > 3", "event_type = 'view' OR response_status * 2 > 100", "NOT (paired)"]
        {
            assert_eq!(seen(&format!("SELECT 1 AS n FROM events WHERE {condition}")), None, "{condition}");
        }
    }

    #[test]
    fn every_place_of_every_query_is_looked_at() {
        let views = "SELECT COUNT(*) AS n FROM events WHERE event_type = 'view'";
        let both = Seen::by([views, "SELECT 1 AS n FROM events WHERE paired"].into_iter(), "events").unwrap();
        let count = |seen: Option<Vec<bool>>| seen.unwrap().into_iter().filter(|seen| *seen).count();
        assert_eq!(count(both.rows(&events())), 12 + 12);
        let nested = "WITH a AS (SELECT message FROM events WHERE paired), \
             b AS (SELECT message FROM events WHERE event_type = 'view' AND message IN (SELECT message FROM a)) \
             SELECT COUNT(*) AS n FROM b";
        assert_eq!(seen(nested).unwrap().len(), 12 + 12);
        for sql in [
            "SELECT COUNT(*) AS n FROM events",
            "SELECT 1 AS n",
            "SELECT COUNT(*) AS n FROM \"events\"",
            "SELECT COUNT(*) AS n FROM events AS e WHERE e.paired",
            "SELECT COUNT(*) AS n FROM events INNER JOIN events AS b ON events.message = b.message WHERE paired",
            "SELECT COUNT(*) AS n FROM events WHERE paired AND message IN (SELECT message FROM events)",
            "SELECT message FROM events WHERE paired UNION ALL SELECT message FROM events",
            "CREATE TABLE t AS SELECT * FROM events; SELECT COUNT(*) AS n FROM t WHERE paired",
            "SELEC",
        ] {
            assert_eq!(seen(sql), None, "{sql}");
        }
    }

    #[test]
    fn most_reports_look_at_some_events_only() {
        let reports = crate::report::all().unwrap();
        let bound = reports.iter().filter_map(|report| report.bound(|_| None).ok());
        let some = bound.filter(|sql| Seen::by([sql.as_str()].into_iter(), "events").is_some()).count();
        assert!(some > 15, "{some}");
    }
}
