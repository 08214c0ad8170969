//! SQL as Polars reads it, by the parser that Polars has. Knows no relation.

use sqlparser::ast::{Expr, ObjectName, Statement, Value, Visit, Visitor};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserOptions};
use std::ops::ControlFlow;

/// The statements; `None` if they are no SQL.
pub fn parsed(sql: &str) -> Option<Vec<Statement>> {
    let options = ParserOptions { trailing_commas: true, ..ParserOptions::default() };
    let parser = Parser::new(&GenericDialect).with_options(options);
    parser.try_with_sql(sql).ok()?.parse_statements().ok()
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
