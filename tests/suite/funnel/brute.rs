//! The funnel by its definition: every chain there is, tried one after the other. Knows no SQL and no engine.

use loganalyze::report::{Entity, Entry, Funnel, Step};
use std::collections::BTreeMap;

/// A funnel whose steps and exclusions are letters, which events have.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The letters that fill each step.
    pub steps: Vec<String>,
    pub window: i64,
    pub entity: Entity,
    pub entry: Entry,
    pub strict_order: bool,
    /// The letters that are excluded, in one condition each.
    pub exclude: String,
    pub breakdown: bool,
    pub lost_after: Option<usize>,
}

/// One event; times in microseconds.
#[derive(Debug, Clone, Default)]
pub struct Event {
    pub visitor: Option<usize>,
    pub user: Option<i64>,
    pub session: Option<i64>,
    pub time: Option<i64>,
    pub letter: Option<char>,
    pub value: Option<&'static str>,
    pub page: Option<&'static str>,
    pub is_view: Option<bool>,
}

impl Asked {
    pub fn new(steps: &[&str], window: i64) -> Asked {
        Asked {
            steps: steps.iter().map(|&letters| letters.to_owned()).collect(),
            window,
            entity: Entity::Visitor,
            entry: Entry::Any,
            strict_order: false,
            exclude: String::new(),
            breakdown: false,
            lost_after: None,
        }
    }

    pub fn funnel(&self) -> Funnel {
        let condition = |letters: &str| {
            let list: Vec<String> = letters.chars().map(|letter| format!("'{letter}'")).collect();
            format!("event_type IN ({})", list.join(", "))
        };
        let step = |letters: &String| Step { name: format!("it's {letters}"), condition: condition(letters) };
        Funnel {
            steps: self.steps.iter().map(step).collect(),
            window: self.window,
            entity: self.entity,
            entry: self.entry,
            strict_order: self.strict_order,
            exclude: self.exclude.chars().map(|letter| condition(&letter.to_string())).collect(),
            breakdown: self.breakdown.then(|| "referrer_type".to_owned()),
            lost_after: self.lost_after,
        }
    }

    fn whose(&self, event: &Event) -> Option<(i64, i64)> {
        match self.entity {
            Entity::Visitor => Some((event.visitor? as i64, 0)),
            Entity::User => Some((event.user?, 0)),
            Entity::Session => Some((event.visitor? as i64, event.session?)),
        }
    }
}

/// An event of one entity that matches a step or is excluded.
struct Match<'a> {
    time: i64,
    /// From 0.
    steps: Vec<usize>,
    excluded: bool,
    event: &'a Event,
}

/// An entity's matches, in order.
fn matches<'a>(asked: &Asked, events: &[(i64, &'a Event)]) -> Vec<Match<'a>> {
    let count = asked.steps.len();
    let of = |&(time, event): &(i64, &'a Event)| {
        let has = |letters: &String| event.letter.is_some_and(|letter| letters.contains(letter));
        let steps = (0..count).filter(|&k| has(&asked.steps[k])).collect();
        Match { time, steps, excluded: has(&asked.exclude), event }
    };
    let mut all: Vec<Match> = events.iter().map(of).collect();
    all.retain(|found| !found.steps.is_empty() || found.excluded);
    // At the same moment: by the first step, then the later steps, and exclusion as if it were a step behind all.
    all.sort_by_key(|found| {
        let mut marks = found.steps.clone();
        marks.extend(found.excluded.then_some(count));
        let bits: u32 = marks.iter().map(|mark| 1 << mark).sum();
        (found.time, marks[0], bits)
    });
    all
}

/// Whether these matches, each of the next step and in order, are a chain.
fn is_chain(asked: &Asked, all: &[Match], chain: &[usize]) -> bool {
    let (first, last) = (chain[0], chain[chain.len() - 1]);
    let in_time = chain.len() == 1 || all[last].time - all[first].time <= asked.window;
    let entrance = all.iter().position(|found| found.steps.contains(&0));
    let begins = asked.entry == Entry::Any || entrance == Some(first);
    let is_cut = (first + 1..last).any(|between| all[between].excluded);
    let in_order = (1..chain.len()).all(|step| {
        let mut between = all[chain[step - 1] + 1..chain[step]].iter();
        between.all(|found| found.steps.is_empty() || found.steps.contains(&step))
    });
    in_time && begins && !is_cut && (in_order || !asked.strict_order)
}

/// All chains of an entity, by their length.
fn chains(asked: &Asked, all: &[Match]) -> Vec<Vec<Vec<usize>>> {
    fn grow(asked: &Asked, all: &[Match], chain: &mut Vec<usize>, found: &mut [Vec<Vec<usize>>]) {
        let step = chain.len();
        for next in chain.last().map_or(0, |last| last + 1)..all.len() {
            if step < asked.steps.len() && all[next].steps.contains(&step) {
                chain.push(next);
                if is_chain(asked, all, chain) {
                    found[step].push(chain.clone());
                }
                grow(asked, all, chain, found);
                chain.pop();
            }
        }
    }
    let mut found = vec![Vec::new(); asked.steps.len()];
    grow(asked, all, &mut Vec::new(), &mut found);
    found
}

/// The rows that are said of one value, with what they are sorted by.
#[derive(Debug, Clone, Default)]
struct Group {
    visitors: Vec<i64>,
    waits: Vec<Vec<f64>>,
    immature: i64,
    /// Visitors and the immature among them.
    pages: BTreeMap<String, (i64, i64)>,
}

/// A row of the answer: the breakdown's value, the step or the page, and numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub value: String,
    pub name: String,
    pub visitors: i64,
    /// Conversion, conversion from the step before, median and p90 in seconds; or the share.
    pub numbers: Vec<Option<f64>>,
    pub immature: i64,
}

impl Row {
    pub fn agrees(&self, other: &Row) -> bool {
        let near = |(one, two): (&Option<f64>, &Option<f64>)| match (one, two) {
            (Some(one), Some(two)) => (one - two).abs() <= 1e-9 * one.abs().max(1e-6),
            (one, two) => one == two,
        };
        let said = |row: &Row| (row.value.clone(), row.name.clone(), row.visitors, row.immature);
        said(self) == said(other) && self.numbers.iter().zip(&other.numbers).all(near)
    }
}

/// What the funnel must say of these events.
pub fn answer(asked: &Asked, events: &[Event]) -> Vec<Row> {
    let mut entities: BTreeMap<(i64, i64), Vec<(i64, &Event)>> = BTreeMap::new();
    for event in events {
        if let (Some(whose), Some(time)) = (asked.whose(event), event.time) {
            entities.entry(whose).or_default().push((time, event));
        }
    }
    let end = events.iter().filter_map(|event| event.time).max().unwrap_or(0);
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    if !asked.breakdown {
        groups.insert(String::new(), Group::empty(asked));
    }
    for events in entities.values() {
        let all = matches(asked, events);
        let chains = chains(asked, &all);
        if chains[0].is_empty() {
            continue;
        }
        let value = if asked.breakdown { value(&all, &chains) } else { String::new() };
        let group = groups.entry(value).or_insert_with(|| Group::empty(asked));
        match asked.lost_after {
            None => group.add(asked, &all, &chains, end),
            Some(step) => group.lose(asked, (&all, events), &chains[step - 1..=step], end),
        }
    }
    rows(asked, groups)
}

/// The value at the latest entry of the chains that were first to get furthest.
fn value(all: &[Match], chains: &[Vec<Vec<usize>>]) -> String {
    let furthest = chains.iter().rev().find(|chains| !chains.is_empty()).unwrap();
    let entry = latest_entry(all, furthest, first_end(furthest));
    let begins = |found: &&Match| found.time == entry && found.steps.contains(&0);
    all.iter().filter(begins).map(|found| found.event.value.unwrap_or("(none)")).min().unwrap().to_owned()
}

fn first_end(chains: &[Vec<usize>]) -> usize {
    chains.iter().map(|chain| *chain.last().unwrap()).min().unwrap()
}

/// When the latest of the chains began that end here.
fn latest_entry(all: &[Match], chains: &[Vec<usize>], end: usize) -> i64 {
    chains.iter().filter(|chain| chain.last() == Some(&end)).map(|chain| all[chain[0]].time).max().unwrap()
}

impl Group {
    fn empty(asked: &Asked) -> Group {
        let count = asked.steps.len();
        Group { visitors: vec![0; count], waits: vec![Vec::new(); count], ..Group::default() }
    }

    fn add(&mut self, asked: &Asked, all: &[Match], chains: &[Vec<Vec<usize>>], end: i64) {
        for (step, chains) in chains.iter().enumerate().filter(|(_, chains)| !chains.is_empty()) {
            self.visitors[step] += 1;
            let filled = first_end(chains);
            if step > 0 {
                let befores = chains.iter().filter(|chain| chain[step] == filled);
                let before = befores.map(|chain| all[chain[step - 1]].time).max().unwrap();
                self.waits[step].push((all[filled].time - before) as f64 / 1e6);
            }
        }
        let entry = chains[0].iter().map(|chain| all[chain[0]].time).max().unwrap();
        let done = !chains[asked.steps.len() - 1].is_empty();
        self.immature += i64::from(!done && end - entry < asked.window);
    }

    /// `chains`: those of the step and of the next one.
    fn lose(
        &mut self,
        asked: &Asked,
        (all, events): (&[Match], &[(i64, &Event)]),
        chains: &[Vec<Vec<usize>>],
        end: i64,
    ) {
        if chains[0].is_empty() || !chains[1].is_empty() {
            return;
        }
        let last = chains[0].iter().map(|chain| *chain.last().unwrap()).max().unwrap();
        let entry = latest_entry(all, &chains[0], last);
        let next = events.iter().filter(|(time, event)| {
            *time > all[last].time && *time - entry <= asked.window && event.is_view == Some(true)
        });
        let next = next.filter_map(|(time, event)| Some((*time, event.page?))).min();
        let page = next.map_or("(left)", |(_, page)| page).to_owned();
        let (visitors, immature) = self.pages.entry(page).or_default();
        *visitors += 1;
        *immature += i64::from(end - entry < asked.window);
    }
}

fn percentile(values: &[f64], share: f64) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let place = (values.len().checked_sub(1)? as f64) * share;
    let (low, high) = (values[place.floor() as usize], values[place.ceil() as usize]);
    Some(low + (high - low) * place.fract())
}

fn rows(asked: &Asked, groups: BTreeMap<String, Group>) -> Vec<Row> {
    let rate = |part: i64, whole: i64| (whole > 0).then(|| part as f64 / whole as f64);
    let mut groups: Vec<(String, Group)> = groups.into_iter().collect();
    let lost = |group: &Group| group.pages.values().map(|(visitors, _)| visitors).sum::<i64>();
    groups.sort_by_key(|(_, group)| {
        std::cmp::Reverse(if asked.lost_after.is_some() { lost(group) } else { group.visitors[0] })
    });
    let mut rows = Vec::new();
    for (value, group) in groups {
        if asked.lost_after.is_some() {
            let mut pages: Vec<_> = group.pages.iter().collect();
            pages.sort_by_key(|(_, (visitors, _))| std::cmp::Reverse(*visitors));
            rows.extend(pages.into_iter().map(|(page, &(visitors, immature))| Row {
                value: value.clone(),
                name: page.clone(),
                visitors,
                numbers: vec![rate(visitors, lost(&group))],
                immature,
            }));
            continue;
        }
        for (step, &visitors) in group.visitors.iter().enumerate() {
            let before = step.checked_sub(1).and_then(|before| rate(visitors, group.visitors[before]));
            let waits = [0.5, 0.9].map(|share| percentile(&group.waits[step], share));
            rows.push(Row {
                value: value.clone(),
                name: (step + 1).to_string(),
                visitors,
                numbers: vec![rate(visitors, group.visitors[0]), before, waits[0], waits[1]],
                immature: if step == 0 { group.immature } else { 0 },
            });
        }
    }
    rows
}
