//! What Polars answers with something nobody asked for, or with a message that helps nobody: it is refused, and what to write
//! instead is said. Knows nothing of what is there to be asked.

use super::groups::Groups;
use super::joins::Joins;
use super::parts::{Parts, has_aggregate, is_aggregate};
use crate::engine::syntax::value;
use sqlparser::ast::{
    Expr, Function, FunctionArguments, Query, Statement, UnaryOperator, Value, Visit, Visitor,
};
use std::ops::ControlFlow;

/// Why this statement is not run, if it is not.
pub fn refusal(statement: &Statement) -> Option<String> {
    if let Statement::Delete(_) | Statement::Insert(_) | Statement::Update(_) = statement {
        return Some("events are only read; write a SELECT".into());
    }
    let mut misread = Misread { why: None };
    _ = statement.visit(&mut misread);
    let mut joins = Joins::default();
    _ = statement.visit(&mut joins);
    let mut groups = Groups::default();
    _ = statement.visit(&mut groups);
    misread.why.or(joins.why).or(groups.why)
}

/// Finds an expression that means something else to Polars.
struct Misread {
    why: Option<String>,
}

impl Visitor for Misread {
    type Break = ();

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        self.why = match expression {
            Expr::Exists { .. } => Some("EXISTS is not known; write IN (SELECT …), or a JOIN".into()),
            // Polars takes the group's own value for the window, and calls lists of them a value.
            Expr::Function(function) if function.over.is_some() && has_aggregate(&function.args) => {
                Some(format!(
                    "'{expression}' is a window over an aggregate; give the groups a name first: WITH groups AS (SELECT …, \
                     COUNT(*) AS n FROM … GROUP BY …) SELECT …, SUM(n) OVER () FROM groups"
                ))
            }
            // Polars takes the constant once, however many rows there are.
            Expr::Function(function) if is_of_constant(function) => Some(format!(
                "'{expression}' is an aggregate of a constant; COUNT(*) counts rows, and CASE WHEN … makes a value of each"
            )),
            // Polars counts such places in another way than other engines do.
            Expr::Substring { expr, substring_from: Some(from), .. } if is_before_one(from) => Some(format!(
                "'{expression}' begins before the first character, which is 1; RIGHT({expr}, n) gives the last ones"
            )),
            _ => None,
        };
        if self.why.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn is_of_constant(function: &Function) -> bool {
    let FunctionArguments::List(arguments) = &function.args else { return false };
    let queries = arguments.visit(&mut HasQuery).is_break();
    let parts = Parts::of(arguments);
    let is_count = function.name.to_string().eq_ignore_ascii_case("COUNT");
    is_aggregate(function) && !is_count && !queries && parts.columns.is_empty() && !parts.aggregates
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
