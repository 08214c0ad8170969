//! What stands beside aggregates and is none: Polars makes lists of it, or counts a window within each group. Knows nothing of
//! what is there to be asked.

use super::parts::{Parts, has_aggregate, is_one_of};
use crate::engine::syntax::{self, value};
use sqlparser::ast::{Expr, GroupByExpr, Select, SelectItem, Value, Visitor, visit_expressions};
use std::ops::ControlFlow;

/// Finds a window or a column beside aggregates.
#[derive(Default)]
pub struct Groups {
    pub why: Option<String>,
}

impl Visitor for Groups {
    type Break = ();

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        self.why = refusal(select);
        if self.why.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn refusal(select: &Select) -> Option<String> {
    // Polars knows itself which keys GROUP BY ALL means.
    let (keys, are_listed) = match &select.group_by {
        GroupByExpr::Expressions(keys, _) => (keys.as_slice(), true),
        GroupByExpr::All(_) => (<&[Expr]>::default(), false),
    };
    if are_listed && keys.is_empty() && !has_aggregate(&select.projection) {
        return None;
    }
    if let Some(window) = Parts::of(&select.projection).window.or_else(|| Parts::of(&select.qualify).window) {
        return Some(format!(
            "'{window}' is a window beside groups; make the groups first: WITH groups AS (SELECT …, COUNT(*) AS n FROM … \
             GROUP BY …) SELECT …, SUM(n) OVER () FROM groups"
        ));
    }
    if are_listed && keys.is_empty() {
        let column = Parts::of(&select.projection).columns.into_iter().next()?;
        return Some(format!(
            "'{column}' stands beside an aggregate of all rows; add GROUP BY {column}, or take one of its values, as with \
             MIN({column})"
        ));
    }
    // Polars says best that it has no sets of groups.
    if keys
        .iter()
        .any(|key| matches!(key, Expr::Tuple(_) | Expr::Rollup(_) | Expr::Cube(_) | Expr::GroupingSets(_)))
    {
        return None;
    }
    if let Some(quantile) = quantile_of_key(select, keys) {
        return Some(quantile);
    }
    let items = &select.projection;
    items.iter().enumerate().find_map(|(place, item)| refused_item(place, item, items, keys))
}

/// Why a quantile is not taken, if it is of a column that the groups are made of: Polars takes it of the groups, not of their rows.
fn quantile_of_key(select: &Select, keys: &[Expr]) -> Option<String> {
    let of_keys: Vec<Expr> = keys.iter().flat_map(|key| Parts::of(key).columns).collect();
    let is_of_key = |column: &Expr| of_keys.iter().any(|key| name(key) == name(column));
    let look = |expression: &Expr| match expression {
        Expr::Function(function)
            if is_one_of(function, &["QUANTILE_CONT", "QUANTILE_DISC"])
                && Parts::of(&function.args).columns.iter().any(is_of_key) =>
        {
            ControlFlow::Break(expression.to_string())
        }
        _ => ControlFlow::Continue(()),
    };
    let found = visit_expressions(&select.projection, look).break_value();
    let found = found.or_else(|| visit_expressions(&select.having, look).break_value())?;
    Some(format!(
        "'{found}' beside GROUP BY of the same column would be that of the groups; give the key another name first: WITH a AS \
         (SELECT …, … AS k FROM …) SELECT k, … FROM a GROUP BY k"
    ))
}

/// Why this item, which stands at this place, is not run, if it is not.
fn refused_item(place: usize, item: &SelectItem, items: &[SelectItem], keys: &[Expr]) -> Option<String> {
    let (expression, alias) = match item {
        SelectItem::UnnamedExpr(expression) => (expression, None),
        SelectItem::ExprWithAlias { expr, alias } => (expr, Some(alias)),
        _ => return None,
    };
    let is_whole = |key: &Expr| {
        let is_alias =
            matches!(key, Expr::Identifier(name) if alias.is_some_and(|alias| alias.value == name.value));
        is_alias
            || position(key) == Some(place)
            || is_same(key, expression)
            || is_column_of(key, expression, items)
    };
    if keys.iter().any(is_whole) {
        return None;
    }
    let parts = Parts::of(expression);
    let is_all = keys.is_empty();
    let other = parts.columns.iter().find(|column| !is_all && !is_key(column, items, keys));
    if let Some(column) = other {
        let within = keys.iter().find(|key| {
            name(key).is_none() && Parts::of(*key).columns.iter().any(|part| name(part) == name(column))
        });
        return Some(match within {
            Some(key) => format!(
                "'{column}' stands beside GROUP BY {key}, which is known as a whole only; make it a column first: WITH a AS \
                 (SELECT {key} AS k, … FROM …) SELECT k, … FROM a GROUP BY k"
            ),
            None => format!(
                "'{column}' is not what rows are grouped by; add GROUP BY {column}, or take one of its values, as with \
                 MIN({column})"
            ),
        });
    }
    let column = parts.columns.first().filter(|_| parts.aggregates)?;
    Some(format!(
        "'{column}' stands beside an aggregate in '{expression}'; write MIN({column}) there, which is the same in each group"
    ))
}

/// Whether the expression is the column that a key means by another item's name or place.
fn is_column_of(key: &Expr, expression: &Expr, items: &[SelectItem]) -> bool {
    let is_meant = |(place, item): (usize, &SelectItem)| match (item, key) {
        (SelectItem::ExprWithAlias { expr, alias }, Expr::Identifier(name)) => {
            alias.value == name.value && is_same(expr, expression)
        }
        (SelectItem::ExprWithAlias { expr, .. } | SelectItem::UnnamedExpr(expr), key) => {
            position(key) == Some(place) && is_same(expr, expression)
        }
        _ => false,
    };
    name(expression).is_some() && items.iter().enumerate().any(is_meant)
}

/// Whether this column is one of the keys by itself.
fn is_key(column: &Expr, items: &[SelectItem], keys: &[Expr]) -> bool {
    keys.iter().any(|key| match position(key).and_then(|place| items.get(place)) {
        Some(SelectItem::UnnamedExpr(item)) => name(item).is_some() && name(item) == name(column),
        Some(_) => false,
        None => name(key).is_some() && name(key) == name(column),
    })
}

/// The column's own name, if the expression is a column.
fn name(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Nested(inner) => name(inner),
        expression => syntax::name(expression),
    }
}

/// Which item a key such as `1` means, from 0.
fn position(key: &Expr) -> Option<usize> {
    match value(key)? {
        Value::Number(number, _) => number.parse::<usize>().ok()?.checked_sub(1),
        _ => None,
    }
}

/// Whether a key and an item are the same, whoever's column it is called.
fn is_same(key: &Expr, item: &Expr) -> bool {
    let bare = |expression: &Expr| match expression {
        Expr::Nested(inner) => inner.to_string(),
        other => other.to_string(),
    };
    bare(key).eq_ignore_ascii_case(&bare(item)) || (name(key).is_some() && name(key) == name(item))
}
