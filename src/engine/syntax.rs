//! SQL as Polars reads it, by the parser that Polars has. Knows of relations only which columns are true or false.

use crate::schema::{self, Type};
use sqlparser::ast::{BinaryOperator, Expr, ObjectName, Statement, UnaryOperator, Value, Visit, Visitor};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserOptions};
use sqlparser::tokenizer::Token;
use std::ops::ControlFlow;

/// The statements; `None` if they are no SQL.
pub fn parsed(sql: &str) -> Option<Vec<Statement>> {
    let options = ParserOptions { trailing_commas: true, ..ParserOptions::default() };
    let parser = Parser::new(&GenericDialect).with_options(options);
    parser.try_with_sql(sql).ok()?.parse_statements().ok()
}

/// The expression that this is; `None` if it is none, or something stands behind it.
pub fn expression(sql: &str) -> Option<Expr> {
    let mut parser = Parser::new(&GenericDialect).try_with_sql(sql).ok()?;
    let expression = parser.parse_expr().ok()?;
    (parser.peek_token().token == Token::EOF).then_some(expression)
}

/// Why this is no [`expression`].
pub fn fault(sql: &str) -> String {
    let read = Parser::new(&GenericDialect).try_with_sql(sql).and_then(|mut parser| {
        parser.parse_expr()?;
        Ok(format!("'{}' cannot stand behind it", parser.peek_token().token))
    });
    read.unwrap_or_else(|error| error.to_string())
}

/// Whether an expression is true or false by its form, or as a column.
pub fn is_boolean(expression: &Expr) -> bool {
    use BinaryOperator::{And, Eq, Gt, GtEq, Lt, LtEq, NotEq, Or};
    match expression {
        Expr::Nested(inner) => is_boolean(inner),
        Expr::BinaryOp { op, .. } => matches!(op, And | Or | Eq | NotEq | Lt | LtEq | Gt | GtEq),
        Expr::UnaryOp { op, .. } => *op == UnaryOperator::Not,
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => {
            column(expression).is_some_and(|column| column.kind == Type::Boolean)
        }
        Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsTrue(_)
        | Expr::IsNotTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsNotFalse(_)
        | Expr::InList { .. }
        | Expr::InSubquery { .. }
        | Expr::Between { .. }
        | Expr::Like { .. }
        | Expr::ILike { .. } => true,
        _ => false,
    }
}

/// The name of the column that an expression is, if it is one.
pub fn name(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Identifier(name) => Some(&name.value),
        Expr::CompoundIdentifier(names) => names.last().map(|name| name.value.as_str()),
        _ => None,
    }
}

/// The column of events that an expression is called as, if it is.
pub fn column(expression: &Expr) -> Option<&'static schema::Column> {
    schema::column(name(expression)?)
}

/// Whether an expression is made of nothing but numbers that are written out.
pub fn is_number(expression: &Expr) -> bool {
    match expression {
        Expr::Nested(inner)
        | Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr: inner } => is_number(inner),
        Expr::BinaryOp { left, op, right } => {
            use BinaryOperator::{Divide, Minus, Modulo, Multiply, Plus};
            matches!(op, Plus | Minus | Multiply | Divide | Modulo) && is_number(left) && is_number(right)
        }
        expression => matches!(value(expression), Some(Value::Number(..))),
    }
}

/// Whether this is the relation's name, however it is quoted.
pub fn is_named(name: &ObjectName, relation: &str) -> bool {
    name.to_string().trim_matches(['"', '`']) == relation
}

/// Whether this relation is named anywhere in a part of SQL.
pub fn names(part: &impl Visit, relation: &str) -> bool {
    part.visit(&mut Uses { relation }).is_break()
}

/// Breaks off where the relation is named.
struct Uses<'a> {
    relation: &'a str,
}

impl Visitor for Uses<'_> {
    type Break = ();

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        if is_named(name, self.relation) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// The value that an expression is, if it is one.
pub fn value(expression: &Expr) -> Option<&Value> {
    match expression {
        Expr::Value(value) => Some(&value.value),
        _ => None,
    }
}

/// The text that an expression is, if it is one.
pub fn text(expression: &Expr) -> Option<&str> {
    match value(expression)? {
        Value::SingleQuotedString(text) => Some(text),
        _ => None,
    }
}
