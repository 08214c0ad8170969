//! Whole numbers of 64 bits wherever SQL reckons with them: Polars counts in 32 unsigned bits, and takes hours in 8, so that a
//! difference of counts wraps around where it is negative. Knows nothing of what the numbers are about.

use super::parts::{Parts, is_one_of};
use crate::engine::syntax::{is_boolean, is_number};
use sqlparser::ast::{
    CastKind, DataType, DateTimeField, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    Ident, OrderByKind, Query, SelectItem, SetExpr, Statement, VisitMut, VisitorMut,
};
use std::mem;
use std::ops::ControlFlow;

/// Casts what has other types to `BIGINT`; whether there was any. What stands alone in the list of the last statement is left
/// as it is, unless something is reckoned with it by its name: a result's numbers are all made 64 bits in the end.
pub fn make_exact(statements: &mut [Statement]) -> bool {
    let count = statements.len();
    let mut any = false;
    for (number, statement) in statements.iter_mut().enumerate() {
        let is_last = number + 1 == count && only_shows(statement);
        let mut exact = Exact { depths: Vec::new(), is_last, any: false };
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

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if let SetExpr::Select(select) = query.body.as_mut()
            && !(self.is_last && self.depths.is_empty())
        {
            for item in &mut select.projection {
                if let SelectItem::ExprWithAlias { expr, .. } = item {
                    self.any |= cast_literal(expr);
                }
            }
        }
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
            Expr::Function(function) if is_of_epoch(function) => {}
            Expr::Function(function) if is_one_of(function, &COUNTS) || is_one_of(function, &LENGTHS) => {
                self.any |= cast(expression);
            }
            Expr::Function(function) if is_one_of(function, &CHOICES) => {
                of_arguments(function).for_each(|part| self.any |= cast_literal(part));
            }
            Expr::Case { conditions, else_result, .. } => {
                let results = conditions.iter_mut().map(|when| &mut when.result);
                results.chain(else_result.as_deref_mut()).for_each(|part| self.any |= cast_literal(part));
            }
            Expr::BinaryOp { left, right, .. } if is_number(left) && is_number(right) => {
                self.any |= cast_literal(left);
            }
            Expr::Extract { field: DateTimeField::Epoch, .. } => {}
            Expr::Extract { .. } => self.any |= cast(expression),
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
/// What gives one of its arguments.
const CHOICES: [&str; 7] = ["COALESCE", "GREATEST", "IF", "IFNULL", "LEAST", "NULLIF", "NVL"];
const LENGTHS: [&str; 9] = [
    "ARRAY_LENGTH",
    "BIT_LENGTH",
    "CHARACTER_LENGTH",
    "CHAR_LENGTH",
    "DATE_PART",
    "LEN",
    "LENGTH",
    "OCTET_LENGTH",
    "ARRAY_UPPER",
];

/// Whether nothing of a query but the rows that it shows knows what its list calls things.
fn only_shows(statement: &Statement) -> bool {
    let Statement::Query(query) = statement else { return false };
    let SetExpr::Select(select) = query.body.as_ref() else { return false };
    let is_name =
        |expr: &Expr| matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_));
    let orders = query.order_by.as_ref().map(|order| &order.kind);
    let is_ordered_by_names = match orders {
        Some(OrderByKind::Expressions(orders)) => orders.iter().all(|order| is_name(&order.expr)),
        _ => true,
    };
    is_ordered_by_names && select.qualify.is_none() && Parts::of(&select.having).columns.is_empty()
}

fn of_arguments(function: &mut Function) -> impl Iterator<Item = &mut Expr> {
    let arguments = match &mut function.args {
        FunctionArguments::List(arguments) => arguments.args.as_mut_slice(),
        _ => &mut [],
    };
    arguments.iter_mut().filter_map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) => Some(argument),
        _ => None,
    })
}

/// Whether it gives the seconds since 1970, which have fractions.
fn is_of_epoch(function: &Function) -> bool {
    is_one_of(function, &["DATE_PART"]) && function.args.to_string().to_lowercase().contains("'epoch'")
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

/// Casts a whole number that is written out, which has 32 bits; whether it is one.
fn cast_literal(expression: &mut Expr) -> bool {
    let is_whole = is_number(expression) && !expression.to_string().contains(['.', 'e', 'E']);
    is_whole && cast(expression)
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
