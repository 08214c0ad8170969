//! The events that a walk goes by: collected from `marked`, and put in order an entity at a time.

use super::super::relation::with_strings;
use super::walk::{Columns, Walk};
use crate::events::column::{Dictionary, NULL};
use crate::report::Funnel;
use polars::prelude::*;
use rayon::prelude::*;
use std::collections::HashMap;
use std::hash::BuildHasher;

/// The events that have a mark or show where somebody went, are somebody's and have a time.
#[derive(Default)]
pub struct Matches {
    events: Vec<Event>,
    marks: MarkSets,
    labels: Labels,
    /// Two of 10 million entities share a hash with a probability of 1 in 370,000.
    hasher: foldhash::quality::RandomState,
}

/// One of them. Their order is that of the SQL as soon as `marks` is a rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// Whose (a hash).
    entity: u64,
    /// When, microseconds.
    pub time: i64,
    /// Which set of marks.
    pub marks: u32,
    /// Which label.
    pub label: u32,
}

impl Matches {
    /// Adds the SQL's relation `marked`.
    pub fn add(&mut self, funnel: &Funnel, marked: &DataFrame) -> PolarsResult<()> {
        let marks = mark_columns(marked)?;
        let mut any = BooleanChunked::full("".into(), false, marked.height());
        for mark in &marks {
            any = &any | *mark;
        }
        if funnel.lost_after.is_some() {
            any = &any | &marked.column("viewed")?.is_not_null();
        }
        for name in funnel.entity.columns().iter().chain(&["epoch_us"]) {
            any = &any & &marked.column(name)?.is_not_null();
        }
        let matched = with_strings(marked.filter(&any)?)?;
        let entities = self.entities(funnel, &matched)?;
        let times = matched.column("epoch_us")?.i64()?;
        let marks = self.marks.add(&mark_columns(&matched)?);
        let labels = self.labels.add(funnel, &matched)?;
        let events = entities.into_iter().zip(times.iter().flatten()).zip(marks.into_iter().zip(labels));
        self.events.extend(events.map(|((entity, time), (marks, label))| Event {
            entity,
            time,
            marks,
            label,
        }));
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

    /// The SQL's relation `reached` (or `went`, if lost ones are asked for) without the entity's columns, which nothing
    /// behind it reads.
    pub fn walked(self, funnel: &Funnel) -> PolarsResult<DataFrame> {
        let Matches { mut events, marks, labels, .. } = self;
        let (ranks, sets) = marks.ranked();
        events.iter_mut().for_each(|event| event.marks = ranks[event.marks as usize]);
        events.par_sort_unstable();
        let mut walk = Walk::new(funnel);
        let mut columns = Columns::new(funnel);
        for entity in events.chunk_by(|a, b| a.entity == b.entity) {
            walk.begin();
            entity.iter().for_each(|event| walk.take(event.time, &sets[event.marks as usize]));
            columns.push(&walk, entity, &sets, &labels);
        }
        columns.into_frame()
    }
}

/// m1 …
fn mark_columns(marked: &DataFrame) -> PolarsResult<Vec<&BooleanChunked>> {
    let columns = (1..).map_while(|number| marked.column(&format!("m{number}")).ok());
    columns.map(|column| column.bool()).collect()
}

/// Which marks an event has: there are few different sets of them. They are the paths of a tree, whose edges are marks.
struct MarkSets {
    /// The marks of each set (from 0), from the last to the first.
    paths: Vec<Vec<usize>>,
    longer: HashMap<(u32, usize), u32>,
}

impl Default for MarkSets {
    fn default() -> Self {
        MarkSets { paths: vec![Vec::new()], longer: HashMap::new() }
    }
}

impl MarkSets {
    /// The number of each row's set.
    fn add(&mut self, marks: &[&BooleanChunked]) -> Vec<u32> {
        let mut codes = vec![0u32; marks.first().map_or(0, |mark| mark.len())];
        for (number, marks) in marks.iter().enumerate() {
            // Where a path goes on from each node, so that a row needs no search.
            let mut next: Vec<Option<u32>> = vec![None; self.paths.len()];
            for (code, _) in codes.iter_mut().zip(marks.iter()).filter(|(_, hit)| *hit == Some(true)) {
                let from = *code;
                *code = *next[from as usize].get_or_insert_with(|| self.then(from, number));
            }
        }
        codes
    }

    fn then(&mut self, from: u32, mark: usize) -> u32 {
        let MarkSets { paths, longer } = self;
        *longer.entry((from, mark)).or_insert_with(|| {
            let mut path = paths[from as usize].clone();
            path.insert(0, mark);
            paths.push(path);
            paths.len() as u32 - 1
        })
    }

    /// The rank of each set in the SQL's order of events at the same moment (by first mark, then by `match_rank`), and
    /// the sets by rank.
    fn ranked(mut self) -> (Vec<u32>, Vec<Vec<usize>>) {
        let mut order: Vec<usize> = (0..self.paths.len()).collect();
        order.sort_by_key(|&code| (self.paths[code].last(), &self.paths[code]));
        let mut ranks = vec![0u32; order.len()];
        order.iter().enumerate().for_each(|(rank, &code)| ranks[code] = rank as u32);
        (ranks, order.into_iter().map(|code| std::mem::take(&mut self.paths[code])).collect())
    }
}

/// What is to be said of events besides how far they lead: the value of a breakdown and the page that was viewed, numbered
/// in pairs.
#[derive(Default)]
pub struct Labels {
    values: Dictionary,
    pages: Dictionary,
    pairs: Vec<(u32, u32)>,
    numbers: HashMap<(u32, u32), u32>,
}

impl Labels {
    /// The number of each row's label.
    fn add(&mut self, funnel: &Funnel, matched: &DataFrame) -> PolarsResult<Vec<u32>> {
        if funnel.breakdown.is_none() && funnel.lost_after.is_none() {
            return Ok(vec![0; matched.height()]);
        }
        let values = codes(&mut self.values, matched, funnel.breakdown.as_ref().map(|_| "breakdown"))?;
        let pages = codes(&mut self.pages, matched, funnel.lost_after.map(|_| "viewed"))?;
        let Labels { pairs, numbers, .. } = self;
        let number = |pair| {
            *numbers.entry(pair).or_insert_with(|| {
                pairs.push(pair);
                pairs.len() as u32 - 1
            })
        };
        Ok(values.into_iter().zip(pages).map(number).collect())
    }

    /// The value of the breakdown, if there is one.
    pub fn value(&self, event: &Event) -> Option<&str> {
        self.text(&self.values, event, |pair| pair.0)
    }

    /// The page that the event shows, if it shows one and somebody asks.
    pub fn page(&self, event: &Event) -> Option<&str> {
        self.text(&self.pages, event, |pair| pair.1)
    }

    fn text<'a>(&self, texts: &'a Dictionary, event: &Event, code: fn((u32, u32)) -> u32) -> Option<&'a str> {
        let code = code(*self.pairs.get(event.label as usize)?);
        (code != NULL).then(|| texts.get(code))
    }
}

/// The number of each row's text; NULL where it has none, or there is no such column.
fn codes(dictionary: &mut Dictionary, rows: &DataFrame, column: Option<&str>) -> PolarsResult<Vec<u32>> {
    let Some(column) = column else { return Ok(vec![NULL; rows.height()]) };
    let code = |text: Option<&str>| text.map_or(NULL, |text| dictionary.code(text.as_bytes()));
    Ok(rows.column(column)?.str()?.iter().map(code).collect())
}
