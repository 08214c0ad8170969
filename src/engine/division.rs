//! Division as other engines have it: each quotient is the double nearest to the true one (IEEE 754). Polars multiplies by the
//! reciprocal where the divisor is the same for all rows, so that a quotient's last digit depends on how many rows there are.
//! Knows nothing of what is divided.

use super::syntax::{call, parsed};
use polars::prelude::*;
use polars::sql::FunctionOptions;
use sqlparser::ast::{BinaryOperator, Expr, Ident, visit_expressions_mut};
use std::borrow::Cow;
use std::mem;
use std::ops::ControlFlow;

/// The name of [`quotient`] in SQL.
pub const QUOTIENT: &str = "exact_quotient";

/// The SQL with every division by way of [`quotient`].
pub fn exact(sql: &str) -> Cow<'_, str> {
    let may_divide = |line: &str| !line.trim_start().starts_with("--") && line.contains('/');
    if !sql.lines().any(may_divide) {
        return Cow::Borrowed(sql);
    }
    // Polars says best why it is no SQL.
    let Some(mut statements) = parsed(sql) else { return Cow::Borrowed(sql) };
    _ = visit_expressions_mut(&mut statements, |expression| {
        if let Expr::BinaryOp { left, op: BinaryOperator::Divide, right } = expression {
            let [left, right] =
                [left, right].map(|side| mem::replace(side.as_mut(), Expr::Identifier(Ident::new(""))));
            *expression = call(QUOTIENT, vec![left, right]);
        }
        ControlFlow::<()>::Continue(())
    });
    Cow::Owned(statements.iter().map(ToString::to_string).collect::<Vec<_>>().join(";\n"))
}

/// `exact_quotient(a, b)`: a / b, of whole numbers what Polars makes of them.
pub fn quotient() -> UserDefinedFunction {
    let divide = |columns: &mut [Column]| divided(&columns[0], &columns[1]);
    let field = |_: &Schema, fields: &[Field]| match fields {
        [a, b] => {
            let of = |field: &Field| Column::new_empty(field.name().clone(), field.dtype());
            Ok(Field::new(a.name().clone(), divided(&of(a), &of(b))?.dtype().clone()))
        }
        _ => polars_bail!(InvalidOperation: "a quotient has two parts"),
    };
    UserDefinedFunction {
        name: QUOTIENT.into(),
        fun: new_column_udf(BaseColumnUdf::new(divide, field)),
        options: FunctionOptions::elementwise(),
    }
}

fn divided(a: &Column, b: &Column) -> PolarsResult<Column> {
    let is_number = |column: &Column| column.dtype().is_primitive_numeric();
    let has_fractions = a.dtype().is_float() || b.dtype().is_float();
    if !(has_fractions && is_number(a) && is_number(b)) {
        return a / b;
    }
    let [dividends, divisors] = [a, b].map(|of| of.cast(&DataType::Float64));
    let (dividends, divisors) = (dividends?, divisors?);
    let (dividends, divisors) = (dividends.f64()?, divisors.f64()?);
    let quotients: Float64Chunked = match (dividends.len(), divisors.len()) {
        (_, 1) => match divisors.get(0) {
            Some(divisor) => dividends.apply_values(|dividend| dividend / divisor),
            None => Float64Chunked::full_null(PlSmallStr::EMPTY, dividends.len()),
        },
        // As many, or one that Polars divides by each.
        _ => dividends / divisors,
    };
    Ok(quotients.with_name(a.name().clone()).into_column())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::polars::query;
    use super::super::relation::Relation;
    use super::*;

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
                ("CAST(entity_id AS DOUBLE) / (SELECT CAST(49 AS DOUBLE) AS n FROM events LIMIT 1)", 49.0),
            ] {
                let sql = format!("SELECT {sql} AS n FROM events -- 1/1");
                let Ok(found) = query(&sql, &events) else {
                    assert!(sql.contains("LIMIT"), "{sql}");
                    continue;
                };
                let found: Vec<Option<f64>> = found.column("n").unwrap().f64().unwrap().iter().collect();
                let expected: Vec<Option<f64>> =
                    numbers.iter().map(|number| number.map(|number| number as f64 / divisor)).collect();
                assert_eq!(found, expected, "{sql} of {count}");
            }
            let sql = "SELECT MAX(entity_id) / COUNT(*) AS whole, SUM(entity_id) / 1e6 AS n FROM events";
            let found = query(sql, &events).unwrap();
            assert!(!found.column("whole").unwrap().dtype().is_float());
            let sum: i64 = numbers.iter().flatten().sum();
            assert_eq!(found.column("n").unwrap().f64().unwrap().get(0), Some(sum as f64 / 1e6));
        }
    }
}
