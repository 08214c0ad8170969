//! Names that `WITH` gives although they are taken: Polars goes on with what had the name before.

use crate::schema::RELATIONS;
use sqlparser::ast::{Ident, ObjectName, Query, Statement, Visit, Visitor};
use std::ops::ControlFlow;

/// Why these statements are not run, if a `WITH` among them gives a name that is taken.
pub fn taken_name(statements: &[Statement]) -> Option<String> {
    let relations = RELATIONS.iter().map(|relation| relation.name.to_owned()).collect();
    let mut names = Names { taken: vec![relations], again: None };
    for statement in statements {
        _ = statement.visit(&mut names);
        if let Some(name) = names.again.take() {
            return Some(format!("WITH {name} names what there is already: take another name"));
        }
        if let Statement::CreateTable(table) = statement
            && let Some(name) = own_name(&table.name)
            && let Some(outermost) = names.taken.first_mut()
        {
            outermost.push(name.value.clone());
        }
    }
    None
}

fn own_name(name: &ObjectName) -> Option<&Ident> {
    name.0.last()?.as_ident()
}

struct Names {
    /// What can be named: relations and tables, and what each of the queries around gives a name to.
    taken: Vec<Vec<String>>,
    /// The first name that is given again.
    again: Option<String>,
}

impl Visitor for Names {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let mut own: Vec<String> = Vec::new();
        for part in query.with.iter().flat_map(|with| &with.cte_tables) {
            let name = &part.alias.name.value;
            if self.taken.iter().flatten().chain(&own).any(|taken| taken == name) {
                self.again = Some(name.clone());
                return ControlFlow::Break(());
            }
            own.push(name.clone());
        }
        self.taken.push(own);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.taken.pop();
        ControlFlow::Continue(())
    }
}
