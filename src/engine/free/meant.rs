//! What Polars answers otherwise than other engines, written so that it answers the same. Knows nothing of what is there to be
//! asked.

use super::parts::{arguments, is_one_of, plain};
use crate::engine::syntax::{self, value};
use crate::schema::Type;
use sqlparser::ast::{BinaryOperator, DataType, Expr, Value, VisitMut, visit_expressions_mut};
use std::ops::ControlFlow;

/// Writes it differently; whether there was any.
pub fn make_meant(part: &mut impl VisitMut) -> bool {
    let mut any = false;
    _ = visit_expressions_mut(part, |expression| {
        if let Some(changed) = differently(expression).and_then(|text| syntax::expression(&text)) {
            *expression = changed;
            any = true;
        }
        ControlFlow::<()>::Continue(())
    });
    any
}

fn differently(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Function(function) => {
            let [text, other] = arguments(function) else { return None };
            let (text, other) = (plain(text)?, plain(other)?);
            // Of a shorter text it would take less than there is.
            if is_one_of(function, &["RIGHT"]) && matches!(value(other), Some(Value::Number(..))) {
                return Some(format!("REVERSE(LEFT(REVERSE({text}), {other}))"));
            }
            // Nothing would be nowhere.
            is_one_of(function, &["STRPOS"]).then(|| unless_null(expression, text, other))
        }
        Expr::Position { expr, r#in } => Some(unless_null(expression, r#in, expr)),
        // A day and some hours would be that day.
        Expr::BinaryOp { left, op: op @ (BinaryOperator::Plus | BinaryOperator::Minus), right } => {
            match (left.as_ref(), right.as_ref()) {
                (date, Expr::Interval(_)) if is_date(date) => {
                    Some(format!("CAST({date} AS TIMESTAMP) {op} {right}"))
                }
                (Expr::Interval(_), date) if is_date(date) => {
                    Some(format!("CAST({date} AS TIMESTAMP) {op} {left}"))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn unless_null(position: &Expr, text: &Expr, part: &Expr) -> String {
    format!("CASE WHEN ({text}) IS NOT NULL AND ({part}) IS NOT NULL THEN CAST({position} AS BIGINT) END")
}

/// Whether an expression is a day by its form, or as a column.
fn is_date(expression: &Expr) -> bool {
    match expression {
        Expr::Nested(inner) => is_date(inner),
        Expr::TypedString(typed) => typed.data_type == DataType::Date,
        Expr::Cast { data_type, .. } => *data_type == DataType::Date,
        expression => syntax::column(expression).is_some_and(|column| column.kind == Type::Date),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::tests::value;

    #[test]
    fn polars_answers_what_others_answer() {
        for (sql, expected) in [
            ("SELECT COUNT(*) FROM events WHERE RIGHT(page, 8) = page", 3),
            ("SELECT COUNT(*) FROM events WHERE RIGHT(page, 3) = page", 3),
            ("SELECT COUNT(*) FROM events WHERE RIGHT(page, 1) = 'a'", 2),
            ("SELECT COUNT(*) FROM events WHERE STRPOS(NULLIF(page, '/a'), 'x') = 0", 1),
            ("SELECT COUNT(*) FROM events WHERE POSITION('b' IN NULLIF(page, '/a')) = 2", 1),
            (
                "SELECT COUNT(*) FROM events WHERE is_bot AND DATE '2025-03-12' + INTERVAL '12 hours' > TIMESTAMP '2025-03-12 11:00:00'",
                2,
            ),
            (
                "SELECT CAST(EXTRACT(EPOCH FROM TIMESTAMP '1970-01-01 00:00:01.500000') * 1000 AS BIGINT) FROM events",
                1500,
            ),
        ] {
            assert_eq!(value(sql), Some(expected), "{sql}");
        }
    }
}
