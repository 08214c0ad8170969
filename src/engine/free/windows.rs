//! Windows that Polars takes for something else: what runs over their rows it takes of all of them, or of one. Knows nothing of
//! what is there to be asked.

use super::parts::is_aggregate;
use sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArguments, SelectItem, WindowType, visit_expressions,
};
use std::ops::ControlFlow;

/// What Polars takes of all rows, whatever the window says.
const OF_ALL_ROWS: [&str; 9] = [
    "ARRAY_AGG",
    "CORR",
    "COVAR",
    "COVAR_POP",
    "COVAR_SAMP",
    "QUANTILE_CONT",
    "QUANTILE_DISC",
    "STRING_AGG",
    "LISTAGG",
];

/// What runs from row to row where a window is in order.
const RUNNING: [&str; 4] = ["COUNT", "MAX", "MIN", "SUM"];

/// Why this window is not run, if it is not.
pub fn refusal(function: &Function) -> Option<String> {
    let over = function.over.as_ref()?;
    let name = function.name.to_string().to_uppercase();
    if name == "LAST_VALUE" {
        return Some(format!(
            "'{function}' would be the row's own value; write FIRST_VALUE with the opposite order, or MAX"
        ));
    }
    if OF_ALL_ROWS.contains(&name.as_str()) {
        return Some(format!(
            "'{function}' would be that of all rows; make it of groups and join them: WITH groups AS (SELECT …, {name}(…) AS x \
             FROM … GROUP BY …) SELECT … FROM … JOIN groups USING (…)"
        ));
    }
    if !is_aggregate(function) {
        return None;
    }
    let is_distinct = match &function.args {
        FunctionArguments::List(list) => list.duplicate_treatment == Some(DuplicateTreatment::Distinct),
        _ => false,
    };
    let is_running = RUNNING.contains(&name.as_str()) && !is_distinct;
    match over {
        WindowType::NamedWindow(_) if name == "COUNT" || !is_running => {
            Some(format!("'{function}' is known with its window only; write that itself behind OVER"))
        }
        WindowType::WindowSpec(window) if !window.order_by.is_empty() && !is_running => Some(format!(
            "'{function}' would not run from row to row, but be that of all; leave ORDER BY out, or take SUM, COUNT, MIN or MAX"
        )),
        _ => None,
    }
}

/// The window that stands alone, if nothing else does: Polars makes one row of it.
pub fn alone(items: &[SelectItem]) -> Option<String> {
    let column = |expr: &Expr| match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let is_alone = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
            matches!(expr, Expr::Function(function) if function.over.is_some())
                && visit_expressions(expr, column).is_continue()
        }
        _ => false,
    };
    let first = items.first().filter(|_| items.iter().all(is_alone))?;
    Some(format!("'{first}' would be one row; select a column beside it"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::prepared;

    #[test]
    fn windows_run_as_they_say_or_not_at_all() {
        for window in [
            "SUM(event_hour) OVER (PARTITION BY page ORDER BY timestamp)",
            "COUNT(*) OVER (ORDER BY timestamp)",
            "AVG(event_hour) OVER (PARTITION BY page)",
            "COUNT(*) OVER ()",
            "FIRST_VALUE(page) OVER (ORDER BY timestamp)",
        ] {
            assert!(prepared(&format!("SELECT page, {window} AS w FROM events")).is_ok(), "{window}");
        }
        for (window, why) in [
            ("QUANTILE_CONT(event_hour, 0.5) OVER (PARTITION BY page)", "of all rows"),
            ("LAST_VALUE(page) OVER (ORDER BY timestamp)", "the row's own"),
            ("AVG(event_hour) OVER (ORDER BY timestamp)", "run from row to row"),
            ("COUNT(DISTINCT page) OVER (ORDER BY timestamp)", "run from row to row"),
        ] {
            let error = prepared(&format!("SELECT page, {window} AS w FROM events")).unwrap_err().to_string();
            assert!(error.contains(why), "{window}: {error}");
        }
        for (sql, why) in [
            ("SELECT COUNT(*) OVER () AS n FROM events", "a column beside it"),
            ("SELECT page, COUNT(*) OVER w AS n FROM events WINDOW w AS (ORDER BY timestamp)", "behind OVER"),
        ] {
            let error = prepared(sql).unwrap_err().to_string();
            assert!(error.contains(why), "{sql}: {error}");
        }
    }
}
