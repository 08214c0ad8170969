//! `IS TRUE` and its kin of null: Polars makes null of them, where SQL says true or false.

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName,
    UnaryOperator, Value, VisitMut, visit_expressions_mut,
};
use std::mem;
use std::ops::ControlFlow;

/// Writes `COALESCE` for `IS TRUE` and its kin; whether there was any.
pub fn make_certain(part: &mut impl VisitMut) -> bool {
    let mut any = false;
    _ = visit_expressions_mut(part, |expression| {
        let (inner, of_null, is_denied) = match expression {
            Expr::IsTrue(inner) => (inner, false, false),
            Expr::IsNotTrue(inner) => (inner, false, true),
            Expr::IsFalse(inner) => (inner, true, true),
            Expr::IsNotFalse(inner) => (inner, true, false),
            _ => return ControlFlow::<()>::Continue(()),
        };
        let inner = mem::replace(inner.as_mut(), Expr::Identifier(Ident::new("")));
        let value = coalesce(inner, of_null);
        *expression = if is_denied {
            let denied = Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(value) };
            Expr::Nested(Box::new(denied))
        } else {
            value
        };
        any = true;
        ControlFlow::Continue(())
    });
    any
}

/// The expression, or this where it is null.
fn coalesce(expression: Expr, of_null: bool) -> Expr {
    let otherwise = Expr::Value(Value::Boolean(of_null).into());
    let args = [expression, otherwise].map(|part| FunctionArg::Unnamed(FunctionArgExpr::Expr(part)));
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new("COALESCE")]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.into(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
