//! The parts of a query that `WITH` defines, one stage after the other: those that are nothing but groups, or windows that
//! look at the row before or behind, are answered here, where Polars makes lists of the rows that belong together. The SQL is
//! the specification, and Polars does the rest of it: what rows are made of before, and what becomes of them.
//! Nothing here knows what the columns mean.

mod groups;
mod numbers;
mod order;
mod windows;

use super::syntax::{names, parsed};
use groups::Groups;
use polars::prelude::*;
use sqlparser::ast::{Expr, Ident, Query, Select, SelectItem, SetExpr, Statement, With};
use windows::Windows;

/// Relations by name.
pub type Relations = Vec<(String, DataFrame)>;

/// A query of which parts are answered: what is left of it, and those parts, which it names as before.
pub struct Staged {
    /// The rest of the SQL.
    pub sql: String,
    /// The relations that were answered.
    pub relations: Relations,
}

/// Answers the parts of a query for which there is a kernel; `run` gives the rows of what they are made of, and may be asked
/// for relations that were answered so far. `None` if there are no such parts, or if something is wrong with them, of which
/// Polars knows more.
pub fn answered(
    sql: &str,
    run: impl Fn(&str, &[(String, DataFrame)]) -> PolarsResult<DataFrame>,
) -> Option<Staged> {
    let mut statements = parsed(sql)?;
    let [Statement::Query(query)] = statements.as_mut_slice() else { return None };
    if query.with.as_ref().is_none_or(|with| with.recursive) {
        return None;
    }
    let mut relations: Relations = Vec::new();
    let mut at = 0;
    while let Some(part) = query.with.as_ref().and_then(|with| with.cte_tables.get(at)) {
        if !part.alias.columns.is_empty() {
            return None;
        }
        let name = part.alias.name.value.clone();
        let few = |from: &str| relations.iter().any(|(name, rows)| name == from && rows.height() < FEW);
        let Some(kernel) = Kernel::of(&part.query).filter(|kernel| !few(kernel.source())) else {
            at += 1;
            continue;
        };
        // What others name too is made once, for all.
        if let Some(shared) = shared(query, at) {
            let name = query.with.as_ref()?.cte_tables[shared].alias.name.clone();
            let rows = run(&source(query, shared + 1, everything(&name)), &relations).ok()?;
            relations.push((name.value, rows));
            query.with.as_mut()?.cte_tables.remove(shared);
            at -= 1;
            continue;
        }
        let rows = run(&source(query, at, kernel.select()), &relations).ok()?;
        relations.push((name, kernel.answer(&rows)?));
        // Nobody else names what it was made of.
        query.with.as_mut()?.cte_tables.drain(..=at);
        at = 0;
    }
    query.with = query.with.take().filter(|with| !with.cte_tables.is_empty());
    (!relations.is_empty()).then(|| Staged { sql: query.to_string(), relations })
}

/// Below so many rows it takes longer to ask Polars for them than to let it do all.
const FEW: usize = if cfg!(test) { 2 } else { 4096 };

/// What answers a part.
enum Kernel {
    Windows(Windows),
    Groups(Groups),
}

impl Kernel {
    /// That of this part, if there is one.
    fn of(part: &Query) -> Option<Kernel> {
        Windows::of(part).map(Kernel::Windows).or_else(|| Groups::of(part).map(Kernel::Groups))
    }

    /// What its rows are made by.
    fn select(&self) -> String {
        match self {
            Kernel::Windows(windows) => windows.source.clone(),
            Kernel::Groups(groups) => groups.source.clone(),
        }
    }

    /// The relation that its rows come from.
    fn source(&self) -> &str {
        match self {
            Kernel::Windows(windows) => &windows.from,
            Kernel::Groups(groups) => &groups.from,
        }
    }

    /// The part's result over its rows; `None` if it cannot be had here.
    fn answer(&self, rows: &DataFrame) -> Option<DataFrame> {
        match self {
            Kernel::Windows(windows) => windows.answer(rows),
            Kernel::Groups(groups) => groups.answer(rows),
        }
    }
}

/// The first of what is defined before this part that is also named behind it.
fn shared(query: &Query, at: usize) -> Option<usize> {
    let with = query.with.as_ref()?;
    let behind = &with.cte_tables[at + 1..];
    (0..at).find(|&before| {
        let name = &with.cte_tables[before].alias.name.value;
        behind.iter().any(|part| names(part, name))
            || names(&query.body, name)
            || names(&query.order_by, name)
    })
}

/// The SQL of what a part is made of: the parts before this one, and this `SELECT`.
fn source(query: &Query, at: usize, select: String) -> String {
    let parts = query.with.iter().flat_map(|With { cte_tables, .. }| &cte_tables[..at]);
    let parts: Vec<String> = parts.map(ToString::to_string).collect();
    if parts.is_empty() { select } else { format!("WITH {} {select}", parts.join(", ")) }
}

fn everything(name: &Ident) -> String {
    format!("SELECT * FROM {name}")
}

/// A part that is nothing but `SELECT projection FROM relation`, perhaps with `WHERE`, and `behind` it.
fn plain<'a>(part: &'a Query, behind: &str) -> Option<(&'a Select, String)> {
    let SetExpr::Select(select) = part.body.as_ref() else { return None };
    let [from] = select.from.as_slice() else { return None };
    let projection: Vec<String> = select.projection.iter().map(ToString::to_string).collect();
    // There is nothing else in it if it can be put together again from these.
    let is_whole = part.to_string() == format!("{}{behind}", with_projection(select, &projection));
    (from.joins.is_empty() && is_whole).then(|| (select.as_ref(), from.to_string()))
}

/// These columns of the rows of a `SELECT`.
fn with_projection(select: &Select, projection: &[String]) -> String {
    let from: String = select.from.iter().map(ToString::to_string).collect();
    let condition: String = select.selection.iter().map(|condition| format!(" WHERE {condition}")).collect();
    format!("SELECT {} FROM {from}{condition}", projection.join(", "))
}

/// A part's expression and the name that it gives it, if it gives it one.
fn named(item: &SelectItem) -> Option<(&Expr, &Ident)> {
    match item {
        SelectItem::UnnamedExpr(expression @ Expr::Identifier(name)) => Some((expression, name)),
        SelectItem::ExprWithAlias { expr, alias } => Some((expr, alias)),
        _ => None,
    }
}

/// What the rows are to have that a kernel works on.
#[derive(Default)]
struct Inputs {
    expressions: Vec<String>,
}

impl Inputs {
    /// Adds an expression unless it is there, and returns the name of its column.
    fn add(&mut self, expression: &Expr) -> String {
        let text = expression.to_string();
        let known = self.expressions.iter().position(|known| *known == text);
        let at = known.unwrap_or_else(|| {
            self.expressions.push(text);
            self.expressions.len() - 1
        });
        format!("input_{at}")
    }

    /// The `SELECT` that makes them, beside these items.
    fn select(&self, items: &[String], select: &Select) -> String {
        let inputs = self.expressions.iter().enumerate().map(|(at, text)| format!("{text} AS input_{at}"));
        let items: Vec<String> = items.iter().cloned().chain(inputs).collect();
        with_projection(select, &items)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::engine::polars::no_events;
    use crate::engine::random::is_answered;
    use crate::report::find;

    #[test]
    fn reports_that_would_take_long_are_answered_in_stages() {
        let events = no_events().frame().cloned().unwrap();
        for name in [
            "entry-exit",
            "paths",
            "search-terms",
            "categories",
            "referrers",
            "product-views",
            "conversion",
            "audience",
        ] {
            let sql = find(name).unwrap().bound(|_| None).unwrap();
            assert!(is_answered(&sql, &events), "{name}");
        }
    }
}
