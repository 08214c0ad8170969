//! JOINs that Polars makes in another way than they are written: it applies a condition with a constant to the left relation, and
//! drops the rows without a partner wherever a condition is no equality. Knows nothing of what is there to be asked.

use sqlparser::ast::{
    BinaryOperator, Expr, Join, JoinConstraint, JoinOperator, Select, TableFactor, TableWithJoins, Visitor,
};
use std::ops::ControlFlow;

/// Finds a JOIN that means something else to Polars.
#[derive(Default)]
pub struct Joins {
    pub why: Option<String>,
}

impl Joins {
    fn look_at(&mut self, from: &[TableWithJoins]) -> ControlFlow<()> {
        self.why = from.iter().flat_map(|from| &from.joins).find_map(refusal);
        if self.why.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Visitor for Joins {
    type Break = ();

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        self.look_at(&select.from)
    }

    fn pre_visit_table_factor(&mut self, relation: &TableFactor) -> ControlFlow<()> {
        match relation {
            TableFactor::NestedJoin { table_with_joins, .. } => {
                self.look_at(std::slice::from_ref(table_with_joins.as_ref()))
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

fn refusal(join: &Join) -> Option<String> {
    use JoinOperator as Kind;
    let is_inner = matches!(join.join_operator, Kind::Join(_) | Kind::Inner(_));
    let is_left_kept =
        !matches!(join.join_operator, Kind::Right(_) | Kind::RightOuter(_) | Kind::FullOuter(_));
    match &join.join_operator {
        Kind::CrossJoin(JoinConstraint::On(_) | JoinConstraint::Using(_)) => {
            Some("CROSS JOIN takes all pairs; write JOIN … ON for those of equal columns".into())
        }
        Kind::Join(constraint)
        | Kind::Inner(constraint)
        | Kind::Left(constraint)
        | Kind::LeftOuter(constraint)
        | Kind::Right(constraint)
        | Kind::RightOuter(constraint)
        | Kind::FullOuter(constraint)
        | Kind::Semi(constraint)
        | Kind::LeftSemi(constraint)
        | Kind::RightSemi(constraint)
        | Kind::Anti(constraint)
        | Kind::LeftAnti(constraint)
        | Kind::RightAnti(constraint) => match constraint {
            // Only those that the query names are loaded.
            JoinConstraint::Natural => Some("NATURAL JOIN does not say by which columns; write USING (x, y)".into()),
            JoinConstraint::On(condition) if !is_known(condition, alias(&join.relation), is_inner) => {
                Some(format!(
                    "ON {condition}: JOIN … ON takes columns that are equal in both, such as a.x = b.x AND a.y = b.y; put other \
                     conditions into WHERE (of an inner join) or into a WITH before"
                ))
            }
            // Polars takes the column of the left relation, which is null where there is none.
            JoinConstraint::Using(_) if !is_left_kept => Some(
                "USING of a RIGHT or FULL JOIN leaves the column empty where the left side has no row; write ON a.x = b.x, and \
                 COALESCE(a.x, b.x) AS x"
                    .into(),
            ),
            _ => None,
        },
        _ => None,
    }
}

/// Whether Polars makes of this condition what is asked for; `relation` is what is joined.
fn is_known(condition: &Expr, relation: Option<&str>, is_inner: bool) -> bool {
    use BinaryOperator::{And, Eq, Gt, GtEq, Lt, LtEq, NotEq};
    match condition {
        Expr::Nested(inner) => is_known(inner, relation, is_inner),
        Expr::BinaryOp { left, op: And, right } => {
            is_known(left, relation, is_inner) && is_known(right, relation, is_inner)
        }
        Expr::BinaryOp { left, op: Eq, right } => are_of_both(left, right, relation),
        Expr::BinaryOp { left, op: NotEq | Lt | LtEq | Gt | GtEq, right } => {
            is_inner && are_of_both(left, right, relation)
        }
        _ => false,
    }
}

/// Whether these are two columns, one of which may be of the relation and the other of another one.
fn are_of_both(left: &Expr, right: &Expr, relation: Option<&str>) -> bool {
    match (owner(left), owner(right)) {
        (Some(Some(left)), Some(Some(right))) => {
            left != right && relation.is_none_or(|relation| left == relation || right == relation)
        }
        (Some(_), Some(_)) => true,
        _ => false,
    }
}

/// Of which relation a column is said to be; `None` if the expression is no column.
fn owner(expression: &Expr) -> Option<Option<&str>> {
    match expression {
        Expr::Identifier(_) => Some(None),
        Expr::CompoundIdentifier(names) => {
            let [.., relation, _] = names.as_slice() else { return None };
            Some(Some(relation.value.as_str()))
        }
        _ => None,
    }
}

/// What a relation is called in its query.
fn alias(relation: &TableFactor) -> Option<&str> {
    match relation {
        TableFactor::Table { alias: Some(alias), .. }
        | TableFactor::Derived { alias: Some(alias), .. }
        | TableFactor::NestedJoin { alias: Some(alias), .. } => Some(alias.name.value.as_str()),
        TableFactor::Table { name, .. } => Some(name.0.last()?.as_ident()?.value.as_str()),
        _ => None,
    }
}
