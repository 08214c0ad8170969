//! SQL as people type it, made plain before Polars sees it: every column of the result has a name of its own, as other engines
//! give it, and what other engines refuse, but Polars answers with something nobody asked for, is refused here too.

use super::polars::dry_run;
use super::syntax::parsed;
use crate::error::Error;
use sqlparser::ast::{
    Expr, Function, GroupByExpr, Ident, Query, Select, SelectItem, SetExpr, Statement, Visit, Visitor,
};
use std::ops::ControlFlow;

/// The SQL with a name for each column of its last statement that has none: the text of its expression. Comments go where
/// one is missing.
///
/// # Errors
/// `Error::Query` for what is no query, for a column beside an aggregate that no `GROUP BY` names, and for what Polars does not
/// accept.
pub fn prepared(sql: &str) -> Result<String, Error> {
    // Polars says best why it is no SQL.
    let Some(mut statements) = parsed(sql) else { return dry_run(sql).map(|_| sql.to_owned()) };
    for statement in &statements {
        if let Statement::Delete(_) | Statement::Insert(_) | Statement::Update(_) = statement {
            return Err(Error::Query("the SQL cannot be run: events are only read; write a SELECT".into()));
        }
        let mut lonely = Lonely { column: None };
        _ = statement.visit(&mut lonely);
        if let Some(column) = lonely.column {
            return Err(Error::Query(format!(
                "the SQL cannot be run: '{column}' stands beside an aggregate of all rows; add GROUP BY {column}, or take one of \
                 its values, as with MIN({column})"
            )));
        }
    }
    let named = match statements.last_mut() {
        Some(Statement::Query(query)) => give_names(query),
        _ => false,
    };
    let text = || statements.iter().map(ToString::to_string).collect::<Vec<_>>().join(";\n");
    match named.then(text).filter(|named| dry_run(named).is_ok()) {
        Some(named) => Ok(named),
        None => dry_run(sql).map(|_| sql.to_owned()),
    }
}

/// Names what is neither a column nor named; whether there was any.
fn give_names(query: &mut Query) -> bool {
    let SetExpr::Select(select) = query.body.as_mut() else { return false };
    let mut any = false;
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expression) = item
            && !matches!(expression, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
        {
            let alias = Ident::with_quote('"', expression.to_string().replace('"', ""));
            *item = SelectItem::ExprWithAlias { expr: expression.clone(), alias };
            any = true;
        }
    }
    any
}

/// Finds a column beside an aggregate of all rows.
struct Lonely {
    column: Option<String>,
}

impl Visitor for Lonely {
    type Break = ();

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty()) {
            return ControlFlow::Continue(());
        }
        let mut parts = Parts { inside: 0, aggregates: false, column: None };
        _ = select.projection.visit(&mut parts);
        self.column = parts.column.filter(|_| parts.aggregates);
        if self.column.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// What a `SELECT` gives: whether there are aggregates in it, and a column that is in none.
struct Parts {
    /// How many aggregates, windows and queries are around.
    inside: usize,
    aggregates: bool,
    column: Option<String>,
}

impl Visitor for Parts {
    type Break = ();

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        match expression {
            Expr::Function(function) if is_aggregate(function) => {
                self.aggregates |= self.inside == 0 && function.over.is_none();
                self.inside += 1;
            }
            Expr::Identifier(_) | Expr::CompoundIdentifier(_)
                if self.inside == 0 && self.column.is_none() =>
            {
                self.column = Some(expression.to_string());
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expression
            && is_aggregate(function)
        {
            self.inside -= 1;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.inside += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.inside -= 1;
        ControlFlow::Continue(())
    }
}

/// The functions that make one value of many, as far as Polars' SQL has them.
const AGGREGATES: [&str; 24] = [
    "ARRAY_AGG",
    "AVG",
    "CORR",
    "COUNT",
    "COVAR",
    "COVAR_POP",
    "COVAR_SAMP",
    "FIRST",
    "LAST",
    "MAX",
    "MEDIAN",
    "MIN",
    "QUANTILE_CONT",
    "QUANTILE_DISC",
    "STDDEV",
    "STDDEV_POP",
    "STDDEV_SAMP",
    "STDEV",
    "STRING_AGG",
    "SUM",
    "VAR",
    "VARIANCE",
    "VAR_POP",
    "VAR_SAMP",
];

fn is_aggregate(function: &Function) -> bool {
    AGGREGATES.contains(&function.name.to_string().to_uppercase().as_str())
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
            ("SELECT nothing FROM events", "nothing"),
            ("SELEC", "SELEC"),
        ] {
            let error = prepared(sql).unwrap_err().to_string();
            assert!(error.contains(why), "{sql}: {error}");
        }
    }
}
