//! One entity's way through the funnel, event by event, and what is said of it in the end.

use super::matches::{Event, Labels};
use crate::report::{Entry, Funnel, LEFT};
use polars::prelude::*;

/// How far one entity has got.
pub struct Walk<'a> {
    funnel: &'a Funnel,
    steps: Vec<Progress>,
}

/// How far it has got with one step.
#[derive(Clone, Default)]
struct Progress {
    /// The latest entry of the chains that may go on from here.
    open: Option<i64>,
    first: Option<Filling>,
    last: Option<Filling>,
}

/// One time that a step was filled, microseconds each.
#[derive(Clone, Copy)]
struct Filling {
    time: i64,
    /// When the chain began.
    entry: i64,
    /// When the step before was filled last.
    before: Option<i64>,
}

impl<'a> Walk<'a> {
    /// Of nobody.
    pub fn new(funnel: &'a Funnel) -> Walk<'a> {
        Walk { funnel, steps: vec![Progress::default(); funnel.steps.len()] }
    }

    /// Begins with the next entity.
    pub fn begin(&mut self) {
        self.steps.fill(Progress::default());
    }

    /// Takes the next event; its marks come from the last to the first, so that it cannot follow itself.
    pub fn take(&mut self, time: i64, marks: &[usize]) {
        let steps = self.steps.len();
        if self.funnel.strict_order && !marks.is_empty() {
            // Only those chains go on whose next step it matches.
            let others = (1..steps).filter(|next| !marks.contains(next));
            others.for_each(|next| self.steps[next - 1].open = None);
        }
        for &step in marks.iter().filter(|&&mark| mark > 0 && mark < steps) {
            match self.steps[step - 1].open {
                Some(entry) if time - entry <= self.funnel.window => self.fill(step, time, entry),
                _ => {}
            }
        }
        // What is excluded comes behind the chains that it ends and before the one that it begins.
        if marks.first() == Some(&steps) {
            self.steps.iter_mut().for_each(|step| step.open = None);
        }
        let begins = self.funnel.entry == Entry::Any || self.steps[0].first.is_none();
        if marks.last() == Some(&0) && begins {
            self.fill(0, time, time);
        }
    }

    fn fill(&mut self, step: usize, time: i64, entry: i64) {
        let before = step.checked_sub(1).and_then(|before| self.steps[before].last);
        let filling = Filling { time, entry, before: before.map(|before| before.time) };
        let progress = &mut self.steps[step];
        // Never earlier than the one that was open.
        progress.open = Some(entry);
        progress.first.get_or_insert(filling);
        progress.last = Some(filling);
    }

    /// The value at the entry of the chain that was first to get furthest; none where there is no chain.
    fn value<'l>(&self, events: &[Event], sets: &[Vec<usize>], labels: &'l Labels) -> Option<&'l str> {
        let furthest = self.steps.iter().rev().find_map(|step| step.first)?;
        let begins =
            |event: &&Event| event.time == furthest.entry && sets[event.marks as usize].last() == Some(&0);
        events.iter().filter(begins).filter_map(|event| labels.value(event)).min()
    }

    /// Where somebody went who stopped here.
    fn next_page<'l>(&self, stop: Filling, events: &[Event], labels: &'l Labels) -> &'l str {
        let later = |event: &&Event| event.time > stop.time && event.time - stop.entry <= self.funnel.window;
        let views = events.iter().filter(later).filter_map(|event| Some((event.time, labels.page(event)?)));
        views.min().map_or(LEFT, |(_, page)| page)
    }
}

/// What the walks say, a row an entity.
pub struct Columns<'a> {
    funnel: &'a Funnel,
    times: Vec<PrimitiveChunkedBuilder<Int64Type>>,
    pages: Option<StringChunkedBuilder>,
    values: Option<StringChunkedBuilder>,
}

impl<'a> Columns<'a> {
    /// Of no walk yet.
    pub fn new(funnel: &'a Funnel) -> Columns<'a> {
        let steps = funnel.steps.len();
        let named = match funnel.lost_after {
            Some(_) => vec!["entered".to_owned()],
            None => {
                let (firsts, befores) =
                    ((1..=steps).map(|k| format!("f{k}")), (2..=steps).map(|k| format!("b{k}")));
                std::iter::once("entry".to_owned()).chain(firsts).chain(befores).collect()
            }
        };
        let texts = |name: &str| StringChunkedBuilder::new(name.into(), 0);
        Columns {
            funnel,
            times: named.into_iter().map(|name| PrimitiveChunkedBuilder::new(name.into(), 0)).collect(),
            pages: funnel.lost_after.map(|_| texts("page")),
            values: funnel.breakdown.as_ref().map(|_| texts("breakdown")),
        }
    }

    /// Adds what is to be said of the entity that walked by these events.
    pub fn push(&mut self, walk: &Walk, events: &[Event], sets: &[Vec<usize>], labels: &Labels) {
        let steps = &walk.steps;
        let stop = self.funnel.lost_after.map(|step| {
            // Who got to the next step is not lost.
            if steps[step].first.is_none() { steps[step - 1].last } else { None }
        });
        if let Some(None) = stop {
            return;
        }
        if let Some(values) = &mut self.values {
            let Some(value) = walk.value(events, sets, labels) else { return };
            values.append_value(value);
        }
        if let (Some(Some(stop)), Some(pages)) = (stop, &mut self.pages) {
            self.times[0].append_value(stop.entry);
            pages.append_value(walk.next_page(stop, events, labels));
            return;
        }
        let entry = steps[0].last.map(|last| last.entry);
        let firsts = steps.iter().map(|step| step.first.map(|first| first.time));
        let befores = steps[1..].iter().map(|step| step.first.and_then(|first| first.before));
        let times = std::iter::once(entry).chain(firsts).chain(befores);
        self.times.iter_mut().zip(times).for_each(|(column, time)| column.append_option(time));
    }

    /// The SQL's relation.
    pub fn into_frame(self) -> PolarsResult<DataFrame> {
        let times = self.times.into_iter().map(|builder| builder.finish().into_column());
        let texts = self.pages.into_iter().chain(self.values).map(|builder| builder.finish().into_column());
        DataFrame::new_infer_height(times.chain(texts).collect())
    }
}
