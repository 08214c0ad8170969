//! The columns by which rows are sorted, as numbers. Knows nothing of what is done with them.

use crate::events::column::Dictionary;
use polars::prelude::*;

/// A column as numbers: equal where its values are, in the same order, and 0 for null.
pub struct Numbers {
    pub values: Vec<u64>,
    /// How many bits the greatest of them has.
    pub bits: u32,
    pub has_nulls: bool,
}

impl Numbers {
    /// Those of a column of integers, truth values, days, times or texts; `None` for any other.
    pub fn of(column: &Column) -> Option<Numbers> {
        let series = column.as_materialized_series().rechunk();
        let values = match series.dtype() {
            DataType::Categorical(_, mapping) => {
                let codes = series.to_physical_repr();
                let texts: Vec<&str> = (0..mapping.num_cats_upper_bound() as u32)
                    .map(|code| mapping.cat_to_str(code))
                    .collect::<Option<_>>()?;
                let ranks = ranks(&texts);
                let codes = codes.u32().ok()?.iter();
                codes.map(|code| code.map_or(0, |code| ranks[code as usize])).collect()
            }
            DataType::String => {
                let mut dictionary = Dictionary::default();
                let mut code = |text: &str| dictionary.code(text.as_bytes());
                let texts = series.str().ok()?.iter();
                let codes: Vec<Option<u32>> = texts.map(|text| text.map(&mut code)).collect();
                let ranks = ranks(&dictionary.iter().collect::<Vec<_>>());
                codes.into_iter().map(|code| code.map_or(0, |code| ranks[code as usize])).collect()
            }
            kind if kind.is_integer() || kind.is_bool() || kind.is_temporal() => {
                let integers = series.to_physical_repr().cast(&DataType::Int64).ok()?;
                // A number that is too great for the type would be null.
                if integers.null_count() != series.null_count() {
                    return None;
                }
                let integers = integers.i64().ok()?;
                let least = integers.min().unwrap_or_default();
                let number = |value: i64| (value as u64).wrapping_sub(least as u64).checked_add(1);
                integers.iter().map(|value| value.map_or(Some(0), number)).collect::<Option<_>>()?
            }
            _ => return None,
        };
        Some(Numbers::new(values, series.null_count() > 0))
    }

    fn new(values: Vec<u64>, has_nulls: bool) -> Numbers {
        let greatest = values.iter().copied().max().unwrap_or_default();
        Numbers { values, bits: u64::BITS - greatest.leading_zeros(), has_nulls }
    }
}

/// The place of each of these texts, which are distinct, among all, from 1; by their bytes, as Polars sorts them.
fn ranks(texts: &[&str]) -> Vec<u64> {
    let mut sorted: Vec<u32> = (0..texts.len() as u32).collect();
    sorted.sort_unstable_by_key(|&at| texts[at as usize]);
    let mut ranks = vec![0; texts.len()];
    (1..).zip(sorted).for_each(|(rank, at)| ranks[at as usize] = rank);
    ranks
}
