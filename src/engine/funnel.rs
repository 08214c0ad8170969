//! The funnel without its running maxima. As in its SQL, Polars says which steps each event matches and sums up in the
//! end; from the one to the other, from `marked` to `reached`, it is one walk through each entity's events.
//! The SQL is the specification. Nothing here knows what the steps are or whence the events come.

use super::functions::context;
use super::polars::explain;
use super::relation::Relation;
use crate::error::Error;
use crate::report::Funnel;
use polars::prelude::*;
use rayon::prelude::*;
use std::collections::HashMap;
use std::hash::BuildHasher;

/// What the funnel's SQL gives over these events.
///
/// # Errors
/// `Error::Query` with what Polars does not accept in a condition.
pub fn query(funnel: &Funnel, events: &Relation) -> Result<DataFrame, Error> {
    result(funnel, events).map_err(|error| explain(&error))
}

fn result(funnel: &Funnel, events: &Relation) -> PolarsResult<DataFrame> {
    let reached = matches(funnel, events)?.reached(funnel)?;
    let mut context = context();
    context.register("events", events.lazy());
    context.register("reached", reached.lazy());
    events.collect(context.execute(&funnel.result_sql())?)
}

/// What matches, piece by piece if the conditions allow it.
fn matches(funnel: &Funnel, events: &Relation) -> PolarsResult<Matches> {
    let alone = funnel.steps.iter().all(|step| looks_at_its_row(&step.condition));
    let mut matches = Matches::default();
    for piece in if alone { events.pieces() } else { vec![events.lazy()] } {
        let mut context = context();
        context.register("events", piece);
        let mut run = |all_rows| events.collect(context.execute(&funnel.marked_sql(all_rows))?);
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

fn mark(step: usize) -> String {
    format!("m{}", step + 1)
}

/// The events that match a step, are somebody's and have a time.
#[derive(Default)]
struct Matches {
    /// Whose (a hash), when, and which set of steps.
    events: Vec<(u64, i64, u32)>,
    sets: Sets,
    /// Two of 10 million entities share a hash with a probability of 1 in 370,000.
    hasher: foldhash::quality::RandomState,
}

impl Matches {
    /// Adds the SQL's relation `marked`.
    fn add(&mut self, funnel: &Funnel, marked: &DataFrame) -> PolarsResult<()> {
        let mut any = marked.column(&mark(0))?.bool()?.clone();
        for step in 1..funnel.steps.len() {
            any = &any | marked.column(&mark(step))?.bool()?;
        }
        for name in funnel.entity.columns().iter().chain(&["epoch_us"]) {
            any = &any & &marked.column(name)?.is_not_null();
        }
        let matched = marked.filter(&any)?;
        let entities = self.entities(funnel, &matched)?;
        let times = matched.column("epoch_us")?.i64()?;
        let sets = self.sets.add(funnel.steps.len(), &matched)?;
        let events = entities.into_iter().zip(times.iter().flatten()).zip(sets);
        self.events.extend(events.map(|((entity, time), set)| (entity, time, set)));
        Ok(())
    }

    /// A hash of each row's entity.
    fn entities(&self, funnel: &Funnel, matched: &DataFrame) -> PolarsResult<Vec<u64>> {
        let mut entities = vec![0; matched.height()];
        for name in funnel.entity.columns() {
            let column = matched.column(name)?;
            if let Ok(texts) = column.str() {
                let hashes = texts.iter().map(|text| self.hasher.hash_one(text));
                entities
                    .iter_mut()
                    .zip(hashes)
                    .for_each(|(all, one)| *all = self.hasher.hash_one((*all, one)));
            } else {
                let numbers = column.i64()?.iter();
                entities
                    .iter_mut()
                    .zip(numbers)
                    .for_each(|(all, one)| *all = self.hasher.hash_one((*all, one)));
            }
        }
        Ok(entities)
    }

    /// The SQL's relation `reached` without the entity's columns, which nothing behind it reads.
    fn reached(self, funnel: &Funnel) -> PolarsResult<DataFrame> {
        let Matches { mut events, sets, .. } = self;
        let steps = funnel.steps.len();
        let (ranks, sets) = sets.ranked();
        events.iter_mut().for_each(|event| event.2 = ranks[event.2 as usize]);
        events.par_sort_unstable();
        let mut walk = Walk::new(steps, funnel.window);
        let mut columns = Columns::new(steps);
        for entity in events.chunk_by(|a, b| a.0 == b.0) {
            walk.begin();
            entity.iter().for_each(|&(_, time, rank)| walk.take(time, &sets[rank as usize]));
            columns.push(&walk);
        }
        columns.into_frame()
    }
}

/// Which steps an event matches: there are few different sets of them. They are the paths of a tree, whose edges are
/// steps.
struct Sets {
    /// The steps of each set, from the last to the first.
    paths: Vec<Vec<usize>>,
    longer: HashMap<(u32, usize), u32>,
}

impl Default for Sets {
    fn default() -> Self {
        Sets { paths: vec![Vec::new()], longer: HashMap::new() }
    }
}

impl Sets {
    /// The number of each row's set.
    fn add(&mut self, steps: usize, matched: &DataFrame) -> PolarsResult<Vec<u32>> {
        let mut codes = vec![0u32; matched.height()];
        for step in 0..steps {
            // Where a path goes on from each node, so that a row needs no search.
            let mut next: Vec<Option<u32>> = vec![None; self.paths.len()];
            let marks = matched.column(&mark(step))?.bool()?;
            for (code, _) in codes.iter_mut().zip(marks.iter()).filter(|(_, hit)| *hit == Some(true)) {
                let from = *code;
                *code = *next[from as usize].get_or_insert_with(|| self.then(from, step));
            }
        }
        Ok(codes)
    }

    fn then(&mut self, from: u32, step: usize) -> u32 {
        let Sets { paths, longer } = self;
        *longer.entry((from, step)).or_insert_with(|| {
            let mut path = paths[from as usize].clone();
            path.insert(0, step);
            paths.push(path);
            paths.len() as u32 - 1
        })
    }

    /// The rank of each set in the SQL's order of events at the same moment (by first step, then by `match_rank`), and
    /// the sets by rank.
    fn ranked(mut self) -> (Vec<u32>, Vec<Vec<usize>>) {
        let mut order: Vec<usize> = (0..self.paths.len()).collect();
        order.sort_by_key(|&code| (self.paths[code].last(), &self.paths[code]));
        let mut ranks = vec![0u32; order.len()];
        order.iter().enumerate().for_each(|(rank, &code)| ranks[code] = rank as u32);
        (ranks, order.into_iter().map(|code| std::mem::take(&mut self.paths[code])).collect())
    }
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
    fn new(steps: usize) -> Columns {
        let named = |name: String| PrimitiveChunkedBuilder::new(name.into(), 0);
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
