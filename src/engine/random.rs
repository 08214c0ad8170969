//! Random rows to hold the kernels against Polars.
#![allow(clippy::unwrap_used)]

use super::functions::context;
use super::polars::query;
use super::relation::Relation;
use super::stages::answered;
use polars::prelude::*;

/// Random numbers below what is asked for, some of them null where `nulls` says so.
pub fn random(seed: u64, nulls: bool) -> impl FnMut(u64) -> Option<i64> {
    let mut state = seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) % below
    };
    move |below| {
        let value = random(below) as i64;
        (!nulls || random(5) > 0).then_some(value)
    }
}

/// Some rows of every type that may be sorted or grouped by, with nulls where `nulls` says so; `row` tells them all apart.
pub fn rows(height: usize, seed: u64, nulls: bool) -> DataFrame {
    let mut some = random(seed, nulls);
    // Arrow keeps long texts elsewhere than short ones.
    let search = if seed.is_multiple_of(2) { "search" } else { "search, with many words" };
    let words = ["view", search, "", "니트", "Search"];
    let mut texts = |below: u64| -> Vec<Option<&str>> {
        (0..height).map(|_| some(below).map(|at| words[at as usize])).collect()
    };
    let (types, paths, visitors) = (texts(5), texts(3), texts(4));
    let mut integers = |below, base| -> Vec<Option<i64>> {
        (0..height).map(|_| some(below).map(|value| value + base)).collect()
    };
    let (sessions, times) = (integers(3, i64::MIN), integers(6, -3));
    let paired: Vec<Option<bool>> = integers(2, 0).into_iter().map(|bit| bit.map(|bit| bit == 1)).collect();
    let numbers: Vec<i64> = (0..height as i64).map(|row| row * 7919 % 10007).collect();
    let categories = DataType::from_categories(Categories::random("".into(), CategoricalPhysical::U32));
    let clock = Int64Chunked::from_iter_options("timestamp".into(), times.iter().copied());
    let columns = vec![
        Column::new("visitor_id".into(), visitors).cast(&categories).unwrap(),
        Column::new("page".into(), types).cast(&categories).unwrap(),
        Column::new("path".into(), paths),
        Column::new("session_number".into(), sessions),
        Column::new("epoch_us".into(), times),
        clock.into_datetime(TimeUnit::Microseconds, None).into_column(),
        Column::new("paired".into(), paired),
        Column::new("line".into(), numbers.iter().map(|&number| number as f64).collect::<Vec<_>>()),
        Column::new("row".into(), numbers),
    ];
    DataFrame::new(height, columns).unwrap()
}

/// Holds queries that are answered in stages against Polars, over few rows and many.
pub fn assert_answered(queries: &[&str]) {
    for seed in 0..90 {
        let height = [0, 1, 2, 30, 700, 3000][seed as usize % 6] + seed as usize % 7;
        let rows = rows(height, seed, seed % 4 > 0);
        for sql in queries {
            assert!(is_answered(sql, &rows), "{sql}");
            assert_same(sql, &rows);
        }
    }
}

/// Whether these queries are all left to Polars.
pub fn assert_left(queries: &[&str]) {
    let rows = rows(300, 1, true);
    for sql in queries {
        assert!(!is_answered(sql, &rows), "{sql}");
        assert_same(sql, &rows);
    }
}

/// Whether some of a query is answered in stages.
pub fn is_answered(sql: &str, rows: &DataFrame) -> bool {
    let run = |sql: &str, more: &[(String, DataFrame)]| {
        let mut context = context();
        context.register("events", rows.clone().lazy());
        more.iter().for_each(|(name, rows)| context.register(name, rows.clone().lazy()));
        context.execute(sql)?.collect()
    };
    answered(sql, run).is_some()
}

/// Whether a query gives the same rows of the same types as if Polars did all of it.
pub fn assert_same(sql: &str, rows: &DataFrame) {
    let found = query(sql, &Relation::in_memory(rows.clone())).unwrap();
    // A plan of its own hides from the kernels what is behind it.
    let plain = query(sql, &Relation::in_memory(rows.clone()).within_any(&[])).unwrap();
    assert_eq!(found.schema(), plain.schema(), "{sql}");
    for (found, plain) in found.columns().iter().zip(plain.columns()) {
        assert!(found.equals_missing(plain), "{sql}\n{found:?}\n{plain:?}");
    }
}
