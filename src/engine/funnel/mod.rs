//! The funnel without its running maxima. As in its SQL, Polars says which marks each event has and sums up in the
//! end; from the one to the other, from `marked` to `reached` or `went`, it is one walk through each entity's events.
//! The SQL is the specification. Nothing here knows what the steps are or whence the events come.

mod matches;
mod walk;

use super::functions::{context, execute};
use super::polars::{check_condition, explain};
use super::relation::Relation;
use super::seen::Seen;
use crate::error::Error;
use crate::report::Funnel;
use crate::schema::EVENTS;
use matches::Matches;
use polars::prelude::*;

/// What the funnel's SQL gives over these events.
///
/// # Errors
/// `Error::Query` with what Polars does not accept, and in which condition.
pub fn query(funnel: &Funnel, events: &Relation) -> Result<DataFrame, Error> {
    events
        .answer(&funnel.marked_sql(true), |events| result(funnel, events))
        .map_err(|error| check(funnel, events).err().unwrap_or_else(|| explain(&error, &EVENTS)))
}

/// Checks each condition by itself over these events.
///
/// # Errors
/// `Error::Query` that names the first option that is wrong, and what is wrong with it.
pub fn check(funnel: &Funnel, events: &Relation) -> Result<(), Error> {
    funnel.conditions().try_for_each(|(option, condition)| check_condition(&option, condition, events))
}

/// The events that the kernel looks at, if not all: those that match something, and the last, with which the data ends.
pub fn seen(funnel: &Funnel) -> Option<Seen> {
    let mut conditions = funnel.conditions();
    if funnel.lost_after.is_some() || !conditions.all(|(_, condition)| looks_at_its_row(condition)) {
        return None;
    }
    Seen::by([funnel.matches_sql().as_str()].into_iter(), EVENTS.name).map(Seen::and_last)
}

fn result(funnel: &Funnel, events: &Relation) -> PolarsResult<DataFrame> {
    let walked = matches(funnel, events)?.walked(funnel)?;
    let mut context = context();
    context.register("events", events.lazy());
    context.register(if funnel.lost_after.is_some() { "went" } else { "reached" }, walked.lazy());
    events.collect(execute(&mut context, &funnel.result_sql())?)
}

/// What matches, piece by piece if the conditions allow it.
fn matches(funnel: &Funnel, events: &Relation) -> PolarsResult<Matches> {
    let alone = funnel.conditions().all(|(_, condition)| looks_at_its_row(condition));
    let mut matches = Matches::default();
    for piece in if alone { events.pieces() } else { vec![events.lazy()] } {
        let mut context = context();
        context.register("events", piece);
        let mut run = |all_rows| events.collect(execute(&mut context, &funnel.marked_sql(all_rows))?);
        // A cast may fail on a row that the SQL leaves out.
        let marked = if alone { run(true).or_else(|_| run(false))? } else { run(false)? };
        matches.add(funnel, &marked)?;
    }
    Ok(matches)
}

/// Whether the condition means the same whatever other rows there are. Then the rows that are nobody's may be left out
/// afterwards, which spares a copy of every column that the conditions name.
fn looks_at_its_row(condition: &str) -> bool {
    use BooleanFunction::{IsIn, IsNotNull, IsNull, Not};
    use StringFunction::{Contains, EndsWith, Lowercase, StartsWith, Uppercase};
    let simple = |part: &Expr| match part {
        Expr::Column(_) | Expr::Literal(_) | Expr::BinaryExpr { .. } => true,
        Expr::Ternary { .. } | Expr::Cast { .. } => true,
        Expr::Function { function: FunctionExpr::Boolean(function), .. } => {
            matches!(function, IsNull | IsNotNull | Not | IsIn { .. })
        }
        Expr::Function { function: FunctionExpr::StringExpr(function), .. } => {
            matches!(function, Contains { .. } | StartsWith | EndsWith | Lowercase | Uppercase)
        }
        _ => false,
    };
    polars::sql::sql_expr(condition).is_ok_and(|condition| condition.into_iter().all(simple))
}
