//! Rows that belong together, one behind the other. Knows nothing of SQL.

use super::numbers::Numbers;
use polars::prelude::*;
use polars_arrow::bitmap::Bitmap;
use rayon::prelude::*;

/// Rows in the order of their partitions, and inside of these in that of their keys.
pub struct Order {
    /// Partition, keys and row of each, from the highest bits to the lowest.
    sorted: Vec<u128>,
    row_bits: u32,
    /// How many bits keys and row have.
    bits: u32,
    /// Whether the rows of a partition are in this order only, and in the opposite one if it is asked for backwards.
    pub is_strict: bool,
}

impl Order {
    /// That of rows with these columns; `None` where one of them cannot be sorted here, or all together have too many values.
    /// Nulls are less than all values, but the first of a single key also where it is `descending`, as with Polars.
    pub fn of(partition: &[&Column], keys: &[&Column], descending: bool) -> Option<Order> {
        let numbers = |columns: &[&Column], sorted: bool| -> Option<Vec<Numbers>> {
            columns.iter().map(|column| Numbers::of(column, sorted)).collect()
        };
        let (partition, keys) = (numbers(partition, false)?, numbers(keys, true)?);
        let height = keys.first()?.values.len();
        let row_bits = usize::BITS - height.leading_zeros();
        let bits_of = |numbers: &[Numbers]| numbers.iter().map(|numbers| numbers.bits).sum::<u32>();
        let bits = bits_of(&keys) + row_bits;
        if bits + bits_of(&partition) >= u128::BITS || height > IdxSize::MAX as usize {
            return None;
        }
        let packed = |numbers: &[Numbers], row: usize| {
            numbers.iter().fold(0u128, |packed, key| packed << key.bits | u128::from(key.values[row]))
        };
        let greatest = (1u128 << (bits - row_bits)) - 1;
        let nulls_first = keys.len() == 1;
        let key = |row: usize| {
            let key = packed(&keys, row);
            match descending {
                true if !(nulls_first && key == 0) => greatest + u128::from(nulls_first) - key,
                _ => key,
            }
        };
        let whole = |row: usize| packed(&partition, row) << bits | key(row) << row_bits | row as u128;
        let mut sorted: Vec<u128> = (0..height).into_par_iter().map(whole).collect();
        sorted.par_sort_unstable();
        let is_strict = !(nulls_first && keys[0].has_nulls)
            && sorted.par_windows(2).all(|two| two[0] >> row_bits != two[1] >> row_bits);
        Some(Order { sorted, row_bits, bits, is_strict })
    }

    /// For each row the one so many places before it, null where there is none in its partition.
    pub fn neighbours(&self, distance: i64) -> IdxCa {
        let mut rows: Vec<IdxSize> = vec![0; self.sorted.len()];
        let mut valid = vec![false; self.sorted.len()];
        for (place, &one) in self.sorted.iter().enumerate() {
            let before = (place as i64)
                .checked_sub(distance)
                .and_then(|at| self.sorted.get(usize::try_from(at).ok()?));
            if let Some(before) = before.filter(|before| **before >> self.bits == one >> self.bits) {
                let row = self.row(one);
                rows[row] = self.row(*before) as IdxSize;
                valid[row] = true;
            }
        }
        IdxCa::from_vec_validity(PlSmallStr::EMPTY, rows, Some(Bitmap::from_iter(valid)))
    }

    /// Each row's place in its partition, from 1.
    ///
    /// # Errors
    /// If they are too many for this type.
    pub fn numbers(&self, name: PlSmallStr, kind: &DataType) -> PolarsResult<Column> {
        let mut numbers = vec![0; self.sorted.len()];
        let (mut number, mut partition) = (0, None);
        for &one in &self.sorted {
            let its_partition = Some(one >> self.bits);
            number = if partition == its_partition { number + 1 } else { 1 };
            partition = its_partition;
            numbers[self.row(one)] = number;
        }
        Int64Chunked::from_vec(name, numbers).into_column().strict_cast(kind)
    }

    fn row(&self, one: u128) -> usize {
        (one & ((1 << self.row_bits) - 1)) as usize
    }
}
