//! Which events a query looks at: those for which a condition behind `WHERE` may hold. What is understood of the conditions
//! are plain comparisons of columns with values, so that it may be more events than are looked at, never fewer.
//! Knows nothing of what the columns mean, nor of what becomes of the events.

use super::syntax::{is_named, parsed, text, value};
use crate::events::Events;
use crate::events::column::{Bits, Column, NULL, Values};
use crate::report::columns_within;
use crate::schema::EVENTS;
use sqlparser::ast::{
    BinaryOperator, Expr, ObjectName, Select, TableFactor, UnaryOperator, Value, Visit, Visitor,
};
use std::ops::ControlFlow;

/// Which events some queries look at.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// What must hold of an event for any of the queries to look at it.
    conditions: Vec<Expr>,
    /// Whether they ask when the last of all events happened.
    last: bool,
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
        (!places.conditions.is_empty()).then_some(Seen { conditions: places.conditions, last: false })
    }

    /// The same, and the last of all events, of which it is asked when it happened.
    pub fn and_last(self) -> Seen {
        Seen { last: true, ..self }
    }

    /// What these and the others look at.
    pub fn or(mut self, other: Seen) -> Seen {
        self.conditions.extend(other.conditions);
        Seen { last: self.last || other.last, ..self }
    }

    /// The columns that tell which these are.
    pub fn columns(&self) -> Vec<&'static str> {
        let texts = self.conditions.iter().map(ToString::to_string);
        let of_conditions = texts.flat_map(|condition| columns_within(&EVENTS, &condition));
        of_conditions.chain(self.last.then_some(LAST)).collect()
    }

    /// A bit for each event, whether it may be looked at, if only some are kept of these; `None` if all may.
    pub fn rows(&self, events: &Events, keep: Option<&Bits>) -> Option<Bits> {
        let mut seen = !Bits::ones(events.rows);
        for condition in &self.conditions {
            seen |= &may_hold(condition, events)?;
        }
        if let Some(keep) = keep {
            seen &= keep;
        }
        if self.last {
            seen |= &last(events.integers(LAST), keep);
        }
        Some(seen)
    }
}

/// What tells which event is the last.
const LAST: &str = "epoch_us";

/// A bit for each of these times, of which perhaps only some are kept: whether it is the last, if there is any.
fn last(times: &Values<i64>, keep: Option<&Bits>) -> Bits {
    let mut rows = times.valid.clone();
    if let Some(keep) = keep {
        rows &= keep;
    }
    let last = rows.rows().into_iter().max_by_key(|&row| times.values[row as usize]);
    (0u32..).take(times.values.len()).map(|row| Some(row) == last).collect()
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
fn may_hold(condition: &Expr, events: &Events) -> Option<Bits> {
    match condition {
        Expr::Nested(inner) => may_hold(inner, events),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            let (left, right) = rayon::join(|| may_hold(left, events), || may_hold(right, events));
            match (left, right) {
                (Some(mut both), Some(right)) => {
                    both &= &right;
                    Some(both)
                }
                (known, other) => known.or(other),
            }
        }
        Expr::BinaryOp { left, op: BinaryOperator::Or, right } => {
            let (left, right) = rayon::join(|| may_hold(left, events), || may_hold(right, events));
            let mut either = left?;
            either |= &right?;
            Some(either)
        }
        Expr::BinaryOp { left, op, right } => compared(column(left, events)?, op, right),
        Expr::InList { expr, list, negated: false } => {
            let Column::Text(texts) = column(expr, events)? else { return None };
            let mut wanted = vec![false; texts.dictionary.len()];
            for item in list {
                if let Some(code) = texts.dictionary.find(text(item)?) {
                    wanted[code as usize] = true;
                }
            }
            Some(Bits::by(&texts.codes, |&code| wanted.get(code as usize) == Some(&true)))
        }
        Expr::IsNull(inner) => Some(nulls(column(inner, events)?, true)),
        Expr::IsNotNull(inner) => Some(nulls(column(inner, events)?, false)),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => truth(column(expr, events)?, false),
        other => truth(column(other, events)?, true),
    }
}

fn column<'a>(expression: &Expr, events: &'a Events) -> Option<&'a Column> {
    let Expr::Identifier(name) = expression else { return None };
    events.columns.get(name.value.as_str())
}

fn nulls(column: &Column, wanted: bool) -> Bits {
    let valid = match column {
        Column::Bigint(values) | Column::Timestamp(values) | Column::Date(values) => &values.valid,
        Column::Double(values) => &values.valid,
        Column::Boolean(values) => &values.valid,
        Column::Text(texts) => return Bits::by(&texts.codes, |&code| (code == NULL) == wanted),
    };
    if wanted { !valid.clone() } else { valid.clone() }
}

fn truth(column: &Column, wanted: bool) -> Option<Bits> {
    let Column::Boolean(values) = column else { return None };
    let truths = Bits::of(&values.values);
    let mut those = if wanted { truths } else { !truths };
    those &= &values.valid;
    Some(those)
}

fn compared(column: &Column, operator: &BinaryOperator, with: &Expr) -> Option<Bits> {
    match column {
        Column::Text(texts) if *operator == BinaryOperator::Eq => {
            let code = texts.dictionary.find(text(with)?).unwrap_or(NULL);
            Some(Bits::by(&texts.codes, |&is| is == code && is != NULL))
        }
        Column::Bigint(values) => {
            let number = number(with)?;
            match operator {
                BinaryOperator::Eq => Some(those(values, |value| value == number)),
                BinaryOperator::Lt => Some(those(values, |value| value < number)),
                BinaryOperator::LtEq => Some(those(values, |value| value <= number)),
                BinaryOperator::Gt => Some(those(values, |value| value > number)),
                BinaryOperator::GtEq => Some(those(values, |value| value >= number)),
                _ => None,
            }
        }
        _ => None,
    }
}

fn those(values: &Values<i64>, test: impl Fn(i64) -> bool) -> Bits {
    let mut those = Bits::by(&values.values, |&value| test(value));
    those &= &values.valid;
    those
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
        let rows = Seen::by([sql].into_iter(), "events")?.rows(&events, None)?;
        let named = events.texts("message");
        Some(
            (0..events.rows)
                .filter(|&row| rows.get(row))
                .map(|row| named.get(row).unwrap().to_owned())
                .collect(),
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
        let count = |seen: Option<Bits>| seen.unwrap().rows().len();
        assert_eq!(count(both.rows(&events(), None)), 12 + 12);
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
    fn the_last_of_those_that_are_kept_is_among_them() {
        let times = [Some(3), None, Some(7), Some(1), Some(9)];
        let mut types = Texts::default();
        ["view", "view", "search", "view", "search"]
            .iter()
            .for_each(|event_type| types.push(Some(event_type)));
        let columns =
            [("event_type", Column::Text(types)), ("epoch_us", Column::Bigint(times.into_iter().collect()))];
        let events = Events { columns: columns.into_iter().collect(), rows: times.len() };
        let views = ["SELECT 1 AS n FROM events WHERE event_type = 'view'"];
        let seen = Seen::by(views.into_iter(), "events").unwrap().and_last();
        assert_eq!(seen.columns(), ["event_type", "epoch_us"]);
        assert_eq!(seen.rows(&events, None).unwrap().rows(), [0, 1, 3, 4]);
        let but_the_end: Bits = (0..5).map(|row| row % 4 > 0).collect();
        assert_eq!(seen.rows(&events, Some(&but_the_end)).unwrap().rows(), [1, 2, 3]);
        assert!(seen.rows(&events, Some(&!Bits::ones(5))).unwrap().rows().is_empty());
        let searches = ["SELECT 1 AS n FROM events WHERE event_type = 'search'"];
        let both = seen.or(Seen::by(searches.into_iter(), "events").unwrap());
        assert_eq!(both.rows(&events, None).unwrap().rows().len(), 5);
    }

    #[test]
    fn most_reports_look_at_some_events_only() {
        let reports = crate::report::all().unwrap();
        let bound = reports.iter().filter_map(|report| report.bound(|_| None).ok());
        let some = bound.filter(|sql| Seen::by([sql.as_str()].into_iter(), "events").is_some()).count();
        assert!(some > 15, "{some}");
    }
}
