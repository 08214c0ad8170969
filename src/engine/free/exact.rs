//! Whole numbers of 64 bits wherever SQL reckons with them: Polars counts in 32 unsigned bits, and takes hours in 8, so that a
//! difference of counts wraps around where it is negative. Knows nothing of what the numbers are about.

use crate::engine::syntax::is_boolean;
use sqlparser::ast::{
    CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Query,
    Statement, VisitMut, VisitorMut,
};
use std::mem;
use std::ops::ControlFlow;

/// Casts what has other types to `BIGINT`; whether there was any. What stands alone in the list of the last statement is left
/// as it is: a result's numbers are all made 64 bits in the end.
pub fn make_exact(statements: &mut [Statement]) -> bool {
    let count = statements.len();
    let mut any = false;
    for (number, statement) in statements.iter_mut().enumerate() {
        let mut exact = Exact { depths: Vec::new(), is_last: number + 1 == count, any: false };
        _ = statement.visit(&mut exact);
        any |= exact.any;
    }
    any
}

/// The same of an expression; whether there was any.
pub fn make_expression_exact(expression: &mut Expr) -> bool {
    let mut exact = Exact { depths: vec![0], is_last: false, any: false };
    _ = expression.visit(&mut exact);
    exact.any
}

struct Exact {
    /// How deep in an expression each of the queries around is.
    depths: Vec<usize>,
    is_last: bool,
    any: bool,
}

impl VisitorMut for Exact {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depths.push(0);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depths.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, _: &mut Expr) -> ControlFlow<()> {
        self.depths.iter_mut().last().into_iter().for_each(|depth| *depth += 1);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        let is_alone = self.is_last && self.depths == [1];
        self.depths.iter_mut().last().into_iter().for_each(|depth| *depth -= 1);
        match expression {
            Expr::Function(function) if is_sum(function) => self.any |= count_truths(function),
            Expr::Function(function) if is_one_of(function, &COUNTS) && is_alone => {}
            Expr::Function(function) if is_one_of(function, &COUNTS) || is_one_of(function, &LENGTHS) => {
                self.any |= cast(expression);
            }
            Expr::Extract { .. } | Expr::Position { .. } => self.any |= cast(expression),
            Expr::Cast { data_type, .. } if is_short(data_type) => {
                *data_type = DataType::BigInt(None);
                self.any = true;
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// What counts rows: these cannot be what rows are grouped by.
const COUNTS: [&str; 4] = ["COUNT", "ROW_NUMBER", "RANK", "DENSE_RANK"];
const LENGTHS: [&str; 10] = [
    "ARRAY_LENGTH",
    "BIT_LENGTH",
    "CHARACTER_LENGTH",
    "CHAR_LENGTH",
    "DATE_PART",
    "LEN",
    "LENGTH",
    "OCTET_LENGTH",
    "STRPOS",
    "ARRAY_UPPER",
];

fn is_one_of(function: &Function, names: &[&str]) -> bool {
    let name = function.name.to_string();
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn is_sum(function: &Function) -> bool {
    is_one_of(function, &["SUM"])
}

/// A sum of truth values is a count.
fn count_truths(function: &mut Function) -> bool {
    let FunctionArguments::List(arguments) = &mut function.args else { return false };
    match arguments.args.as_mut_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] if is_boolean(argument) => cast(argument),
        _ => false,
    }
}

fn is_short(kind: &DataType) -> bool {
    matches!(
        kind,
        DataType::Int(_)
            | DataType::Integer(_)
            | DataType::SmallInt(_)
            | DataType::TinyInt(_)
            | DataType::Int4(_)
            | DataType::Int2(_)
    )
}

/// Casts an expression to `BIGINT`; true.
fn cast(expression: &mut Expr) -> bool {
    let inner = mem::replace(expression, Expr::Identifier(Ident::new("")));
    *expression = Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(inner),
        data_type: DataType::BigInt(None),
        array: false,
        format: None,
    };
    true
}
