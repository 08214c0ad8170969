//! The funnel's kernel against its SQL: the same columns, types and values to the last bit, whatever the conditions are
//! and in whatever order the rows come.

use crate::harness::Random;
use loganalyze::engine::relation::Relation;
use loganalyze::engine::{funnel, polars as engine};
use loganalyze::report::{Entity, Entry, Funnel, Step};
use polars::prelude::*;

/// What both say of these events.
pub fn query_both(asked: &Funnel, events: &DataFrame) -> DataFrame {
    let by_sql = engine::query(&asked.sql(), &Relation::in_memory(events.clone())).unwrap();
    let by_kernel = funnel::query(asked, &Relation::in_memory(events.clone())).unwrap();
    assert_eq!(by_kernel.schema(), by_sql.schema());
    assert!(by_kernel.equals_missing(&by_sql), "{by_kernel}\nis not\n{by_sql}\n{asked:?}");
    by_kernel
}

fn asked(conditions: &[&str], window: i64, entity: Entity) -> Funnel {
    let step = |condition: &&str| Step { name: format!("it's {condition}"), condition: (*condition).into() };
    Funnel { steps: conditions.iter().map(step).collect(), window, entity, ..Funnel::default() }
}

/// Some of everything is null; `page` is a number where somebody is known. A moment in a few holds several events.
fn events(random: &mut Random, visitors: usize) -> DataFrame {
    let some = |random: &mut Random| random.below(9) > 0;
    let rows = visitors * 12;
    let who: Vec<Option<usize>> = (0..rows).map(|_| some(random).then(|| random.below(visitors))).collect();
    let visitor: Vec<Option<String>> =
        who.iter().map(|who| who.map(|who| format!("visitor {}{who}", "-".repeat(who % 9)))).collect();
    let user: Vec<Option<i64>> =
        who.iter().map(|who| who.filter(|_| some(random)).map(|who| who as i64 / 2)).collect();
    let session: Vec<Option<i64>> =
        (0..rows).map(|_| some(random).then(|| 1 + random.below(2) as i64)).collect();
    let time: Vec<Option<i64>> =
        (0..rows).map(|_| some(random).then(|| 333_333 * random.below(40) as i64)).collect();
    let letter: Vec<Option<&str>> =
        (0..rows).map(|_| some(random).then(|| *random.pick(&["a", "b", "c", "d'e"]))).collect();
    let viewed: Vec<Option<bool>> = (0..rows).map(|_| some(random).then(|| random.below(2) == 0)).collect();
    let page: Vec<String> =
        who.iter().map(|who| who.map_or("nobody's".into(), |who| who.to_string())).collect();
    let paired: Vec<Option<bool>> = (0..rows).map(|_| some(random).then(|| random.below(2) == 0)).collect();
    DataFrame::new_infer_height(vec![
        Column::new("visitor_id".into(), visitor),
        Column::new("user_id".into(), user),
        Column::new("session_number".into(), session),
        Column::new("epoch_us".into(), time),
        Column::new("event_type".into(), letter),
        Column::new("page".into(), page),
        Column::new("is_page_view".into(), viewed),
        Column::new("paired".into(), paired),
    ])
    .unwrap()
}

const ENTITIES: [Entity; 3] = [Entity::Visitor, Entity::User, Entity::Session];

/// Conditions of every kind: null, always and never true, precedence, quotes, casts, and those that look at other rows.
const CONDITIONS: [&str; 16] = [
    "event_type = 'a'",
    "event_type = 'a' OR event_type = 'b'",
    "event_type IN ('b', 'c') AND NOT paired",
    "event_type = 'b' OR paired AND user_id > 40 OR event_type = 'c'",
    "NOT (event_type = 'a' OR paired)",
    "event_type = 'd''e'",
    "event_type <> 'c'",
    "event_type IS NULL",
    "event_type LIKE '%b%' OR LOWER(event_type) = 'c'",
    "paired",
    "TRUE",
    "user_id < 0",
    "CASE WHEN paired THEN event_type = 'a' ELSE user_id BETWEEN 3 AND 90 END",
    "CAST(page AS BIGINT) > 70",
    "COUNT(*) OVER (PARTITION BY visitor_id) > 5",
    "epoch_us > MIN(epoch_us) OVER (PARTITION BY visitor_id)",
];

/// Columns of each type that a breakdown may be by.
const COLUMNS: [&str; 4] = ["event_type", "user_id", "paired", "page"];

/// The same funnel with some of the options.
fn with_options(random: &mut Random, asked: Funnel) -> Funnel {
    let excluded = random.below(3).saturating_sub(1) * (1 + random.below(2));
    let before_the_last = asked.steps.len() - 1;
    Funnel {
        entry: *random.pick(&[Entry::Any, Entry::First]),
        strict_order: random.below(3) == 0,
        exclude: (0..excluded).map(|_| (*random.pick(&CONDITIONS)).to_owned()).collect(),
        breakdown: (random.below(3) == 0).then(|| (*random.pick(&COLUMNS)).to_owned()),
        lost_after: (before_the_last > 0 && random.below(3) == 0).then(|| 1 + random.below(before_the_last)),
        ..asked
    }
}

#[test]
fn the_kernel_says_what_the_sql_says() {
    let mut random = Random(0xcafe);
    let mut finished = 0;
    for round in 0..150 {
        let frame = events(&mut random, 60);
        let conditions: Vec<&str> = (0..=random.below(5)).map(|_| *random.pick(&CONDITIONS)).collect();
        let window = 333_333 * random.below(30) as i64 - random.below(2) as i64;
        let asked = asked(&conditions, window, ENTITIES[round % 3]);
        query_both(&with_options(&mut random, asked.clone()), &frame);
        let found = query_both(&asked, &frame);
        let visitors = found.column("visitors").unwrap().i64().unwrap();
        finished += i64::from(conditions.len() > 2) * visitors.last().unwrap();
    }
    assert!(finished > 300, "only {finished} got through: the inputs test too little");
}

#[test]
fn every_condition_means_the_same_to_both() {
    let frame = events(&mut Random(7), 500);
    for condition in CONDITIONS {
        for entity in ENTITIES {
            query_both(&asked(&[condition], 1_000_000, entity), &frame);
            query_both(&asked(&["event_type <> 'a'", condition], 1_000_000, entity), &frame);
        }
    }
}

#[test]
fn the_order_of_rows_does_not_matter() {
    let mut random = Random(99);
    let frame = events(&mut random, 300);
    let conditions = ["event_type <> 'c'", "paired OR event_type = 'c'", "event_type = 'a'"];
    for entity in ENTITIES.repeat(3) {
        let funnel = with_options(&mut random, asked(&conditions, 5_000_000, entity));
        let expected = query_both(&funnel, &frame);
        for _ in 0..5 {
            let mut order: Vec<IdxSize> = (0..frame.height() as IdxSize).collect();
            (1..order.len()).rev().for_each(|at| order.swap(at, random.below(at + 1)));
            let shuffled = frame.take(&IdxCa::from_vec("".into(), order)).unwrap();
            assert!(
                funnel::query(&funnel, &Relation::in_memory(shuffled)).unwrap().equals_missing(&expected)
            );
        }
    }
}

#[test]
fn nobody_gives_zeros_and_nulls() {
    let frame = events(&mut Random(3), 20);
    let empty = frame.head(Some(0));
    let nobody = frame.filter(&frame.column("visitor_id").unwrap().is_null()).unwrap();
    let timeless = frame.filter(&frame.column("epoch_us").unwrap().is_null()).unwrap();
    assert!(nobody.height() > 0 && timeless.height() > 0);
    for frame in [empty, nobody, timeless] {
        for conditions in [&["TRUE", "paired"][..], &["paired"]] {
            let found = query_both(&asked(conditions, 10, Entity::Visitor), &frame);
            assert_eq!(found.column("visitors").unwrap().i64().unwrap().sum(), Some(0));
            assert_eq!(found.column("conversion").unwrap().null_count(), conditions.len());
        }
    }
}

#[test]
fn a_funnel_may_have_many_steps() {
    let mut random = Random(40);
    let frame = events(&mut random, 40);
    let conditions: Vec<&str> = (0..40).map(|_| *random.pick(&CONDITIONS[..5])).collect();
    let found = query_both(&asked(&conditions, i64::MAX, Entity::User), &frame);
    assert_eq!(found.height(), 40);
    // Of more than 53 steps the SQL's rank is no longer exact, of more than a machine word's bits neither is a mask.
    let all = asked(&["paired"; 200], i64::MAX, Entity::User);
    let found = funnel::query(&all, &Relation::in_memory(frame)).unwrap();
    let visitors: Vec<i64> = found.column("visitors").unwrap().i64().unwrap().iter().flatten().collect();
    assert!(visitors.is_sorted_by(|one, next| one >= next) && visitors[3] > 0 && visitors[199] == 0);
}
