//! The columns by which rows are sorted or grouped, as numbers. Knows nothing of what is done with them.

use crate::events::column::Dictionary;
use foldhash::fast::FixedState;
use polars::prelude::*;
use polars_arrow::array::{Array, View};
use polars_arrow::bitmap::Bitmap;
use std::collections::HashMap;

/// A column as numbers: equal where its values are, and 0 for null.
pub struct Numbers {
    pub values: Vec<u64>,
    /// How many bits the greatest of them has.
    pub bits: u32,
    pub has_nulls: bool,
}

impl Numbers {
    /// Those of a column of integers, truth values, days, times or texts, in the order of the values if they are to be `sorted`;
    /// `None` for any other.
    pub fn of(column: &Column, sorted: bool) -> Option<Numbers> {
        let series = column.as_materialized_series().rechunk();
        let physical = series.to_physical_repr();
        let valid = series.chunks().first().and_then(|chunk| chunk.validity());
        match series.dtype() {
            DataType::Categorical(_, mapping) => {
                let count = mapping.num_cats_upper_bound();
                let codes = physical.u32().ok()?.downcast_iter().next()?.values();
                let values = if sorted {
                    let texts = (0..count as u32).map(|code| mapping.cat_to_str(code));
                    let ranks = ranks(&texts.collect::<Option<Vec<_>>>()?);
                    numbered(codes, valid, |code| ranks.get(code as usize).copied().unwrap_or_default())
                } else {
                    numbered(codes, valid, |code| u64::from(code) + 1)
                };
                Some(Numbers::new(values, count as u64, valid.is_some()))
            }
            DataType::String => {
                if !sorted && let Some(numbers) = short_texts(series.str().ok()?) {
                    return Some(numbers);
                }
                let mut dictionary = Dictionary::default();
                let mut code = |text: &str| dictionary.code(text.as_bytes());
                let texts = series.str().ok()?.iter();
                let codes: Vec<Option<u32>> = texts.map(|text| text.map(&mut code)).collect();
                let count = dictionary.len() as u64;
                let ranks = if sorted {
                    ranks(&dictionary.iter().collect::<Vec<_>>())
                } else {
                    (1..=count).collect()
                };
                let values = codes.into_iter().map(|code| code.map_or(0, |code| ranks[code as usize]));
                Some(Numbers::new(values.collect(), count, valid.is_some()))
            }
            DataType::Int64 | DataType::Datetime(..) => integers(physical.i64().ok()?),
            kind if kind.is_integer() || kind.is_bool() || kind.is_temporal() => {
                let integers_of_64 = physical.cast(&DataType::Int64).ok()?;
                // A number that is too great for the type would be null.
                let is_whole = integers_of_64.null_count() == series.null_count();
                is_whole.then(|| integers(integers_of_64.i64().ok()?)).flatten()
            }
            _ => None,
        }
    }

    fn new(values: Vec<u64>, greatest: u64, has_nulls: bool) -> Numbers {
        Numbers { values, bits: u64::BITS - greatest.leading_zeros(), has_nulls }
    }
}

fn integers(values: &Int64Chunked) -> Option<Numbers> {
    let (least, greatest) = (values.min().unwrap_or_default(), values.max().unwrap_or_default());
    let array = values.downcast_iter().next()?;
    let greatest = (greatest as u64).wrapping_sub(least as u64).checked_add(1)?;
    let number = |value: i64| (value as u64).wrapping_sub(least as u64).wrapping_add(1);
    let numbers = numbered(array.values(), array.validity(), number);
    Some(Numbers::new(numbers, greatest, array.validity().is_some()))
}

/// Texts none of which is too long for Arrow to keep it within its view, which is then equal where the text is.
fn short_texts(texts: &StringChunked) -> Option<Numbers> {
    let array = texts.downcast_iter().next()?;
    if !array.views().iter().all(|view| view.is_inline()) {
        return None;
    }
    let mut known: HashMap<u128, u64, FixedState> = HashMap::default();
    let number = |view: View| {
        let next = known.len() as u64 + 1;
        *known.entry(view.as_u128()).or_insert(next)
    };
    let values = numbered(array.views(), array.validity(), number);
    Some(Numbers::new(values, known.len() as u64, array.validity().is_some()))
}

/// The number of each of these values, 0 where it is not valid.
fn numbered<T: Copy>(values: &[T], valid: Option<&Bitmap>, mut number: impl FnMut(T) -> u64) -> Vec<u64> {
    match valid {
        None => values.iter().map(|&value| number(value)).collect(),
        Some(valid) => {
            let values = values.iter().zip(valid.iter());
            values.map(|(&value, is_valid)| if is_valid { number(value) } else { 0 }).collect()
        }
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

/// The numbers of several columns as one; `None` if they have too many bits together.
pub fn packed(columns: &[Numbers]) -> Option<Vec<u64>> {
    if columns.iter().map(|column| column.bits).sum::<u32>() > u64::BITS {
        return None;
    }
    let (first, rest) = columns.split_first()?;
    let mut all = first.values.clone();
    for Numbers { values, bits, .. } in rest {
        // A shift by all bits is none.
        all.iter_mut()
            .zip(values)
            .for_each(|(all, value)| *all = all.checked_shl(*bits).unwrap_or(0) | value);
    }
    Some(all)
}
