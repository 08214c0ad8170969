//! Division as other engines have it: each quotient is the double nearest to the true one (IEEE 754). Polars multiplies by the
//! reciprocal where all rows have the same divisor, which is another number now and then, and divides where there is one row:
//! a quotient's last digit would depend on how many rows there are. Knows nothing of what is divided.

use super::syntax::{is_number, parsed};
use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{BinaryOperator, CaseWhen, Expr, Value, visit_expressions_mut};
use std::borrow::Cow;
use std::ops::ControlFlow;

/// The SQL with a divisor for each row where it has one that is written out.
pub fn exact(sql: &str) -> Cow<'_, str> {
    let may_divide = |line: &str| !line.trim_start().starts_with("--") && line.contains('/');
    if !sql.lines().any(may_divide) {
        return Cow::Borrowed(sql);
    }
    // Polars says best why it is no SQL.
    let Some(mut statements) = parsed(sql) else { return Cow::Borrowed(sql) };
    let mut any = false;
    _ = visit_expressions_mut(&mut statements, |expression| {
        if let Expr::BinaryOp { left, op: BinaryOperator::Divide, right } = expression
            && is_constant(right)
            && !is_constant(left)
        {
            let divisor = of_each_row(left, right);
            **right = divisor;
            any = true;
        }
        ControlFlow::<()>::Continue(())
    });
    let text = || statements.iter().map(ToString::to_string).collect::<Vec<_>>().join(";\n");
    if any { Cow::Owned(text()) } else { Cow::Borrowed(sql) }
}

/// Whether it is a number that is written out, of whatever type.
fn is_constant(expression: &Expr) -> bool {
    match expression {
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => is_constant(inner),
        expression => is_number(expression),
    }
}

/// The divisor in each row that has a dividend: where that is a quotient itself, in each that has its dividend, so that a text
/// of many divisions does not grow with each of them.
fn of_each_row(mut dividend: &Expr, divisor: &Expr) -> Expr {
    loop {
        dividend = match dividend {
            Expr::Nested(inner) => inner,
            Expr::BinaryOp { left, op: BinaryOperator::Divide, .. } if !is_constant(left) => left,
            _ => break,
        };
    }
    let condition = Expr::IsNull(Box::new(Expr::Nested(Box::new(dividend.clone()))));
    Expr::Nested(Box::new(Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition, result: Expr::Value(Value::Null.into()) }],
        else_result: Some(Box::new(divisor.clone())),
    }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::polars::query;
    use super::super::relation::Relation;
    use polars::prelude::*;

    #[test]
    fn a_quotient_is_the_nearest_in_any_number_of_rows() {
        let numbers = |count: i64| -> Vec<Option<i64>> {
            (0..count).map(|row| (row % 7 != 3).then_some(1_056_375_694 + row)).collect()
        };
        for count in [1, 2, 3, 100] {
            let numbers = numbers(count);
            let column = Column::new("entity_id".into(), &numbers);
            let events = Relation::in_memory(DataFrame::new(numbers.len(), vec![column]).unwrap());
            for (sql, divisor) in [
                ("CAST(entity_id AS DOUBLE) / 1000000", 1e6),
                ("entity_id / 7.0", 7.0),
                ("entity_id / (70.0 / 10)", 7.0),
            ] {
                let found = query(&format!("SELECT {sql} AS n FROM events -- 1/1"), &events).unwrap();
                let found: Vec<Option<f64>> = found.column("n").unwrap().f64().unwrap().iter().collect();
                let expected: Vec<Option<f64>> =
                    numbers.iter().map(|number| number.map(|number| number as f64 / divisor)).collect();
                assert_eq!(found, expected, "{sql} of {count}");
            }
            let grouped = "WITH sums AS (SELECT entity_id AS of, SUM(entity_id) / 1000000.0 AS n FROM events GROUP BY entity_id) SELECT of, n FROM sums";
            let found = query(grouped, &events).unwrap();
            let [of, n] = ["of", "n"].map(|name| found.column(name).unwrap());
            for (of, n) in
                of.i64().unwrap().iter().zip(n.f64().unwrap().iter()).filter(|(of, _)| of.is_some())
            {
                assert_eq!(n, of.map(|of| of as f64 / 1e6), "{count}");
            }
        }
    }

    #[test]
    fn many_divisions_make_no_long_text() {
        let sql = format!("SELECT entity_id{} AS n FROM events", " / 3.0".repeat(20));
        assert!((20 * 50..20 * 100).contains(&super::exact(&sql).len()));
    }
}
