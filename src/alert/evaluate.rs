//! Whether a rule fires: its condition asked of a result. Knows nothing of how the result was made.

use super::when::{Left, Op, Right, When};
use super::{Fired, Rule};
use crate::sink::cells::{Cell, cells};
use crate::sink::grouped;
use crate::sink::readable::readable;
use polars::prelude::{DataFrame, PolarsResult};

/// What is known beside the result.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts {
    /// What the left side was on the same weekday before, and on how many of them that is known.
    pub usual: Option<(f64, usize)>,
    /// Of how many lines the run rejected how many.
    pub rejects: (u64, u64),
    /// The clock: seconds since 1970.
    pub now: i64,
}

/// What a rule finds in a result for a day, if it fires. `key` names the columns that tell the rows apart.
///
/// # Errors
/// Polars' own, where a column is not there.
pub fn evaluate(
    rule: &Rule,
    result: &DataFrame,
    key: &[String],
    date: &str,
    facts: &Facts,
) -> PolarsResult<Option<Fired>> {
    let found = match &rule.when {
        When::Any => (result.height() > 0).then(|| {
            (format!("{} {}", grouped(&result.height().to_string()), plural(result.height(), "row")), Some(0))
        }),
        When::Compare(Left::Column(name), op, right) => in_rows(result, name, *op, right)?,
        When::Compare(left, op, right) => as_whole(result, left, *op, right, facts)?.map(|what| (what, None)),
    };
    let Some((what, row)) = found else { return Ok(None) };
    let example = row.map(|row| example(result, key, row)).transpose()?;
    Ok(Some(Fired {
        name: rule.name.clone(),
        severity: rule.severity.clone(),
        report: rule.report.clone(),
        date: date.to_owned(),
        condition: rule.condition.clone(),
        what,
        example,
        since: facts.now,
    }))
}

/// In words in how many rows a column compares so, and the first of them.
fn in_rows(
    result: &DataFrame,
    name: &str,
    op: Op,
    right: &Right,
) -> PolarsResult<Option<(String, Option<usize>)>> {
    let series = result.column(name)?.as_materialized_series();
    let holds = |cell: &Cell| match (cell, right) {
        (Cell::Text(text), Right::Text(wanted)) => (text == wanted) == (op == Op::Equal),
        (Cell::Bool(on), Right::Flag(wanted)) => (on == wanted) == (op == Op::Equal),
        (cell, Right::Number(wanted)) => as_number(cell).is_some_and(|number| op.holds(number, *wanted)),
        _ => false,
    };
    let hits: Vec<usize> =
        cells(series)?.enumerate().filter(|(_, cell)| holds(cell)).map(|(row, _)| row).collect();
    let Some(&first) = hits.first() else { return Ok(None) };
    // As tables show it.
    let value = readable(result.column(name)?)?.nth(first).flatten().unwrap_or_default();
    let all = grouped(&result.height().to_string());
    let what = format!(
        "{name} is {value} in the first of {} such {} of {all}",
        hits.len(),
        plural(hits.len(), "row")
    );
    Ok(Some((what, Some(first))))
}

fn as_whole(
    result: &DataFrame,
    left: &Left,
    op: Op,
    right: &Right,
    facts: &Facts,
) -> PolarsResult<Option<String>> {
    let (rejects, lines) = facts.rejects;
    let number = match left {
        Left::Rejects => Some(rejects as f64),
        left => number(left, result)?,
    };
    let wanted = match right {
        Right::Number(wanted) => Some(*wanted),
        Right::Share(share) => (lines > 0).then_some(share * lines as f64),
        Right::Usual(share) => facts.usual.map(|(usual, _)| share * usual),
        Right::Text(_) | Right::Flag(_) => None,
    };
    let (Some(number), Some(wanted)) = (number, wanted) else { return Ok(None) };
    if !op.holds(number, wanted) {
        return Ok(None);
    }
    if *left == Left::Rejects && lines > 0 {
        let share = number / lines as f64 * 100.0;
        return Ok(Some(format!(
            "{} of {} lines rejected ({share:.2} %)",
            shown(number),
            shown(lines as f64)
        )));
    }
    let beside = match (right, facts.usual) {
        (Right::Usual(_), Some((usual, 1))) => format!(", {} on the one same weekday before", shown(usual)),
        (Right::Usual(_), Some((usual, days))) => {
            format!(", {} is the median of the same weekday on {days} days before", shown(usual))
        }
        _ => String::new(),
    };
    Ok(Some(format!("{}: {}{beside}", name(left), shown(number))))
}

/// The left side as it was typed.
fn name(left: &Left) -> String {
    match left {
        Left::Rejects => "rejects".into(),
        Left::Lines => "lines".into(),
        Left::Rows => "rows".into(),
        Left::Sum(name) => format!("sum({name})"),
        Left::Max(name) => format!("max({name})"),
        Left::Min(name) => format!("min({name})"),
        Left::Column(name) => name.clone(),
    }
}

/// The one number that the left side of a condition is of a result, if there is one.
///
/// # Errors
/// Polars' own, where a column is not there.
pub fn number(left: &Left, result: &DataFrame) -> PolarsResult<Option<f64>> {
    let numbers = |name: &str| -> PolarsResult<Vec<f64>> {
        let series = result.column(name)?.as_materialized_series();
        Ok(cells(series)?.filter_map(|cell| as_number(&cell)).collect())
    };
    Ok(match left {
        Left::Rows => Some(result.height() as f64),
        Left::Lines => numbers("lines")?.first().copied(),
        // A sum of nothing is -0 otherwise.
        Left::Sum(name) => Some(numbers(name)?.iter().sum::<f64>() + 0.0),
        Left::Max(name) => numbers(name)?.into_iter().reduce(f64::max),
        Left::Min(name) => numbers(name)?.into_iter().reduce(f64::min),
        Left::Column(_) | Left::Rejects => None,
    })
}

fn as_number(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Int(number) => Some(*number as f64),
        Cell::Float(number) => Some(*number).filter(|number| number.is_finite()),
        Cell::Number(digits) => digits.parse().ok(),
        _ => None,
    }
}

/// What tells a row from the others, or the whole row.
fn example(result: &DataFrame, key: &[String], row: usize) -> PolarsResult<String> {
    let mut parts = Vec::new();
    for column in result.columns() {
        if key.is_empty() || key.iter().any(|name| name == column.name()) {
            let cell = cells(column.as_materialized_series())?.nth(row).unwrap_or(Cell::Null);
            parts.push(format!("{}={cell}", column.name()));
        }
    }
    Ok(parts.join(" "))
}

fn shown(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        grouped(&format!("{number:.0}"))
    } else {
        format!("{number}")
    }
}

fn plural(count: usize, what: &str) -> String {
    if count == 1 { what.to_owned() } else { format!("{what}s") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use polars::prelude::df;

    fn rule(condition: &str, of_report: bool) -> Rule {
        Rule {
            name: "r".into(),
            report: of_report.then(|| "x".into()),
            when: When::parse(condition, of_report).unwrap(),
            condition: condition.into(),
            severity: "warning".into(),
        }
    }

    #[test]
    fn rules_fire_where_their_condition_holds() {
        let frame = df!(
            "page" => [Some("a"), Some("b"), None], "rate" => [Some(0.01), Some(f64::NAN), Some(0.2)], "n" => [Some(5i64), None, Some(7)],
            "bad" => [Some(false), None, Some(true)]
        )
        .unwrap();
        let facts = Facts { usual: Some((30.0, 3)), rejects: (2, 100), now: 0 };
        let ask = |condition: &str, of_report: bool| {
            evaluate(&rule(condition, of_report), &frame, &["page".into()], "2025-03-10", &facts).unwrap()
        };
        for (condition, what, example) in [
            ("any", "3 rows", Some("page=a")),
            ("rate > 10%", "rate is 20.0 % in the first of 1 such row of 3", Some("page=")),
            ("page = 'b'", "page is b in the first of 1 such row of 3", Some("page=b")),
            ("page != 'b'", "page is a in the first of 1 such row of 3", Some("page=a")),
            ("bad = true", "bad is true in the first of 1 such row of 3", Some("page=")),
            ("sum(n) = 12", "sum(n): 12", None),
            ("max(n) >= 7", "max(n): 7", None),
            ("min(n) < 6", "min(n): 5", None),
            ("rows > 2", "rows: 3", None),
            (
                "sum(n) < 50% of same weekday",
                "sum(n): 12, 30 is the median of the same weekday on 3 days before",
                None,
            ),
        ] {
            let fired = ask(condition, true).unwrap();
            assert_eq!((fired.what.as_str(), fired.example.as_deref()), (what, example), "{condition}");
            assert_eq!(fired.id(), "r/2025-03-10");
        }
        for condition in
            ["rate > 0.2", "page = 'c'", "sum(n) > 12", "sum(n) < 40% of same weekday", "rows = 2"]
        {
            assert_eq!(ask(condition, true), None, "{condition}");
        }
        assert_eq!(ask("rejects > 1%", false).unwrap().what, "2 of 100 lines rejected (2.00 %)");
        assert_eq!(ask("rejects > 2", false), None);
        let none = Facts { usual: None, ..facts };
        let asked = rule("sum(n) < 50% of same weekday", true);
        assert_eq!(evaluate(&asked, &frame, &[], "2025-03-10", &none).unwrap(), None);
    }

    #[test]
    fn no_rows_fire_nothing_but_what_asks_for_it() {
        let frame = df!("n" => Vec::<i64>::new()).unwrap();
        let ask = |condition: &str| {
            evaluate(&rule(condition, true), &frame, &[], "2025-03-10", &Facts::default()).unwrap().is_some()
        };
        assert!(!ask("any") && !ask("n > 0") && !ask("max(n) < 5"));
        assert!(ask("rows = 0") && ask("sum(n) < 1"));
        let sum = number(&Left::Sum("n".into()), &frame).unwrap().unwrap();
        assert!(sum.is_sign_positive());
    }
}
