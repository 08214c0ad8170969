//! What Polars answers with something nobody asked for, or with a message that helps nobody: it is refused, and what to write
//! instead is said. Knows nothing of what is there to be asked.

use crate::engine::syntax::value;
use sqlparser::ast::{
    Expr, Function, FunctionArguments, GroupByExpr, Query, Select, Statement, UnaryOperator, Value, Visit,
    Visitor,
};
use std::ops::ControlFlow;

/// Why this statement is not run, if it is not.
pub fn refusal(statement: &Statement) -> Option<String> {
    if let Statement::Delete(_) | Statement::Insert(_) | Statement::Update(_) = statement {
        return Some("events are only read; write a SELECT".into());
    }
    let mut misread = Misread { why: None };
    _ = statement.visit(&mut misread);
    let mut lonely = Lonely { column: None };
    _ = statement.visit(&mut lonely);
    misread.why.or_else(|| {
        let column = lonely.column?;
        Some(format!(
            "'{column}' stands beside an aggregate of all rows; add GROUP BY {column}, or take one of its values, as with \
             MIN({column})"
        ))
    })
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

pub fn has_aggregate(part: &impl Visit) -> bool {
    let mut parts = Parts { inside: 0, aggregates: false, column: None };
    _ = part.visit(&mut parts);
    parts.aggregates
}

fn is_of_constant(function: &Function) -> bool {
    let FunctionArguments::List(arguments) = &function.args else { return false };
    let mut parts = Parts { inside: 0, aggregates: false, column: None };
    let queries = arguments.visit(&mut HasQuery).is_break();
    _ = arguments.visit(&mut parts);
    let is_count = function.name.to_string().eq_ignore_ascii_case("COUNT");
    is_aggregate(function) && !is_count && !queries && parts.column.is_none() && !parts.aggregates
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
