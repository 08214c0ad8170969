//! What an expression is made of: aggregates, windows, and the columns that are in none of them.

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Query, Visit, Visitor,
};
use std::ops::ControlFlow;

/// What is in a part of a `SELECT`, except for what is in the queries inside it.
#[derive(Default)]
pub struct Parts {
    /// How many aggregates and queries are around.
    inside: usize,
    /// How many queries are around.
    queries: usize,
    /// Whether there are aggregates that are no windows.
    pub aggregates: bool,
    /// The first window.
    pub window: Option<String>,
    /// The columns that are in no aggregate.
    pub columns: Vec<Expr>,
}

impl Parts {
    pub fn of(part: &impl Visit) -> Self {
        let mut parts = Self::default();
        _ = part.visit(&mut parts);
        parts
    }
}

impl Visitor for Parts {
    type Break = ();

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        match expression {
            Expr::Function(function) => {
                if function.over.is_some() && self.queries == 0 && self.window.is_none() {
                    self.window = Some(expression.to_string());
                }
                if is_aggregate(function) {
                    self.aggregates |= self.inside == 0 && function.over.is_none();
                    self.inside += 1;
                }
            }
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) if self.inside == 0 => {
                self.columns.push(expression.clone());
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
        self.queries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.inside -= 1;
        self.queries -= 1;
        ControlFlow::Continue(())
    }
}

pub fn has_aggregate(part: &impl Visit) -> bool {
    Parts::of(part).aggregates
}

/// The functions that make one value of many, as far as Polars' SQL has them.
const AGGREGATES: [&str; 25] = [
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
    "TOTAL",
    "VAR",
    "VARIANCE",
    "VAR_POP",
    "VAR_SAMP",
];

pub fn is_aggregate(function: &Function) -> bool {
    is_one_of(function, &AGGREGATES)
}

/// Whether a function has one of these names, however it is written.
pub fn is_one_of(function: &Function, names: &[&str]) -> bool {
    let name = function.name.to_string();
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

pub fn arguments(function: &Function) -> &[FunctionArg] {
    match &function.args {
        FunctionArguments::List(list) => &list.args,
        _ => &[],
    }
}

/// An argument's expression, if it is nothing else.
pub fn plain(argument: &FunctionArg) -> Option<&Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => Some(expression),
        _ => None,
    }
}
