//! How much SQL there may be within SQL: Polars works through it by recursion, on threads whose stacks have an end. Knows
//! nothing of what it says.

use sqlparser::ast::{Expr, Query, SetExpr, Visit, Visitor};
use std::ops::ControlFlow;

/// How many expressions may lie within one another: each OR holds those before it.
const EXPRESSIONS: usize = 500;

/// How many queries there may be in all, those of UNION among them.
const QUERIES: usize = 200;

/// Why this is too much, if it is.
pub fn too_deep(part: &impl Visit) -> Option<String> {
    let mut depth = Depth::default();
    _ = part.visit(&mut depth);
    depth.why
}

#[derive(Default)]
struct Depth {
    expressions: usize,
    queries: usize,
    why: Option<String>,
}

impl Visitor for Depth {
    type Break = ();

    fn pre_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
        self.expressions += 1;
        if self.expressions <= EXPRESSIONS {
            return ControlFlow::Continue(());
        }
        self.why = Some(format!(
            "more than {EXPRESSIONS} operators one behind the other are too many; IN (…) takes the place of many ORs"
        ));
        ControlFlow::Break(())
    }

    fn post_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
        self.expressions -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let mut body = query.body.as_ref();
        self.queries += 1;
        while let SetExpr::SetOperation { left, .. } = body {
            self.queries += 1;
            body = left;
        }
        if self.queries <= QUERIES {
            return ControlFlow::Continue(());
        }
        self.why = Some(format!("more than {QUERIES} queries within one are too many; ask them one by one"));
        ControlFlow::Break(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{prepared, prepared_condition};

    #[test]
    fn what_would_be_too_much_for_a_stack_is_refused() {
        let ors = |count: usize| vec!["user_id = 7"; count].join(" OR ");
        let unions = |count: usize| vec!["SELECT page FROM events"; count].join(" UNION ALL ");
        assert!(prepared_condition(&ors(200)).is_ok());
        assert!(prepared(&unions(100)).is_ok());
        for (answer, why) in [
            (prepared_condition(&ors(5000)), "IN (…)"),
            (prepared(&format!("SELECT page FROM events WHERE {}", ors(5000))), "IN (…)"),
            (prepared(&unions(1000)), "one by one"),
        ] {
            assert!(answer.is_err_and(|error| error.to_string().contains(why)), "{why}");
        }
    }
}
