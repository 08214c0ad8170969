//! The funnel without its running maxima. As in its SQL, Polars says which steps each event matches and sums up in the
//! end; from the one to the other, from `marked` to `reached`, it is one walk through each entity's events.
//! The SQL is the specification. Nothing here knows what the steps are or whence the events come.

use super::polars::explain;
use super::relation::Relation;
use crate::error::Error;
use crate::report::Funnel;
use polars::prelude::*;
use polars::sql::SQLContext;

/// What the funnel's SQL gives over these events.
///
/// # Errors
/// `Error::Query` with what Polars does not accept in a condition.
pub fn query(funnel: &Funnel, events: &Relation) -> Result<DataFrame, Error> {
    result(funnel, events).map_err(|error| explain(&error))
}

fn result(funnel: &Funnel, events: &Relation) -> PolarsResult<DataFrame> {
    let mut context = SQLContext::new();
    context.register("events", events.lazy());
    let mut run = |all_rows| events.collect(context.execute(&funnel.marked_sql(all_rows))?);
    let marked = if events.is_in_memory() && funnel.steps.iter().all(|step| looks_at_its_row(&step.condition))
    {
        // A cast may fail on a row that the SQL leaves out.
        run(true).or_else(|_| run(false))?
    } else {
        run(false)?
    };
    let reached = reached(funnel, &marked)?;
    context.register("reached", reached.lazy());
    events.collect(context.execute(&funnel.result_sql())?)
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

/// The SQL's relation `reached` without the entity's columns, which nothing behind it reads.
fn reached(funnel: &Funnel, marked: &DataFrame) -> PolarsResult<DataFrame> {
    let steps = funnel.steps.len();
    let matched = matched(funnel, marked)?;
    let sets = sets(steps, &matched)?;
    let times = matched.column("epoch_us")?.i64()?.rechunk();
    let times = times.cont_slice()?;
    let groups = matched.group_by(funnel.entity.columns().iter().copied())?.into_groups();
    let mut walk = Walk::new(steps, funnel.window);
    let mut columns = Columns::new(steps, groups.len());
    let mut events = Vec::new();
    for group in groups.iter() {
        let place = |row: usize| (times[row], sets.ranks[row]);
        events.clear();
        match group {
            GroupsIndicator::Idx((_, rows)) => events.extend(rows.iter().map(|&row| place(row as usize))),
            GroupsIndicator::Slice([first, count]) => {
                events.extend((first..first + count).map(|row| place(row as usize)))
            }
        }
        events.sort_unstable();
        walk.begin();
        events.iter().for_each(|&(time, rank)| walk.take(time, &sets.steps[rank as usize]));
        columns.push(&walk);
    }
    columns.into_frame()
}

fn mark(step: usize) -> String {
    format!("m{}", step + 1)
}

/// The events that match a step, are somebody's and have a time.
fn matched(funnel: &Funnel, marked: &DataFrame) -> PolarsResult<DataFrame> {
    let mut any = marked.column(&mark(0))?.bool()?.clone();
    for step in 1..funnel.steps.len() {
        any = &any | marked.column(&mark(step))?.bool()?;
    }
    for name in funnel.entity.columns().iter().chain(&["epoch_us"]) {
        any = &any & &marked.column(name)?.is_not_null();
    }
    marked.filter(&any)
}

/// Which steps each event matches: there are few different sets of them.
struct Sets {
    /// For each event the rank of its set, in the SQL's order of events at the same moment: by first step, then by
    /// `match_rank`.
    ranks: Vec<u32>,
    /// The steps of each set from the last to the first, by rank.
    steps: Vec<Vec<usize>>,
}

/// The sets are the paths of a tree that grows by a level with each step.
fn sets(steps: usize, matched: &DataFrame) -> PolarsResult<Sets> {
    let mut codes = vec![0u32; matched.height()];
    let mut paths: Vec<Vec<usize>> = vec![Vec::new()];
    for step in 0..steps {
        let mut longer: Vec<Option<u32>> = vec![None; paths.len()];
        let marks = matched.column(&mark(step))?.bool()?;
        for (code, _) in codes.iter_mut().zip(marks.iter()).filter(|(_, hit)| *hit == Some(true)) {
            let from = *code as usize;
            *code = *longer[from].get_or_insert_with(|| {
                let mut path = paths[from].clone();
                path.insert(0, step);
                paths.push(path);
                paths.len() as u32 - 1
            });
        }
    }
    let mut order: Vec<usize> = (0..paths.len()).collect();
    order.sort_by_key(|&code| (paths[code].last(), &paths[code]));
    let mut rank_of = vec![0u32; paths.len()];
    order.iter().enumerate().for_each(|(rank, &code)| rank_of[code] = rank as u32);
    let ranks = codes.into_iter().map(|code| rank_of[code as usize]).collect();
    Ok(Sets { ranks, steps: order.into_iter().map(|code| std::mem::take(&mut paths[code])).collect() })
}

/// How far one entity has got.
struct Walk {
    window: i64,
    /// The latest entry of the chains that filled each step.
    entries: Vec<Option<i64>>,
    /// When each step was filled last.
    last: Vec<Option<i64>>,
    /// When each step was filled first.
    first: Vec<Option<i64>>,
    /// When the step before each had been filled last at that time.
    before: Vec<Option<i64>>,
}

impl Walk {
    fn new(steps: usize, window: i64) -> Walk {
        let none = || vec![None; steps];
        Walk { window, entries: none(), last: none(), first: none(), before: none() }
    }

    fn begin(&mut self) {
        for times in [&mut self.entries, &mut self.last, &mut self.first, &mut self.before] {
            times.fill(None);
        }
    }

    /// Takes the next event; its steps come from the last to the first, so that it cannot follow itself.
    fn take(&mut self, time: i64, steps: &[usize]) {
        for &step in steps {
            let entry = if step == 0 { Some(time) } else { self.entries[step - 1] };
            let Some(entry) = entry.filter(|entry| step == 0 || time - entry <= self.window) else {
                continue;
            };
            if self.first[step].is_none() {
                self.first[step] = Some(time);
                self.before[step] = if step == 0 { None } else { self.last[step - 1] };
            }
            self.last[step] = Some(time);
            self.entries[step] = self.entries[step].max(Some(entry));
        }
    }
}

/// The columns of `reached`.
struct Columns {
    entry: PrimitiveChunkedBuilder<Int64Type>,
    first: Vec<PrimitiveChunkedBuilder<Int64Type>>,
    before: Vec<PrimitiveChunkedBuilder<Int64Type>>,
}

impl Columns {
    fn new(steps: usize, rows: usize) -> Columns {
        let named = |name: String| PrimitiveChunkedBuilder::new(name.into(), rows);
        Columns {
            entry: named("entry".into()),
            first: (1..=steps).map(|k| named(format!("f{k}"))).collect(),
            before: (2..=steps).map(|k| named(format!("b{k}"))).collect(),
        }
    }

    fn push(&mut self, walk: &Walk) {
        self.entry.append_option(walk.entries[0]);
        self.first.iter_mut().zip(&walk.first).for_each(|(column, &time)| column.append_option(time));
        self.before.iter_mut().zip(&walk.before[1..]).for_each(|(column, &time)| column.append_option(time));
    }

    fn into_frame(self) -> PolarsResult<DataFrame> {
        let builders = std::iter::once(self.entry).chain(self.first).chain(self.before);
        DataFrame::new_infer_height(builders.map(|builder| builder.finish().into_column()).collect())
    }
}
