//! The rows of one report over two periods, side by side. Knows nothing of the periods but how far they lie apart.

use super::polars::data_type;
use crate::error::Error;
use crate::report::{Comparison, ResultColumn};
use crate::schema::Type;
use polars::prelude::*;

/// Microseconds of a day.
pub(super) const DAY: i64 = 86_400_000_000;

/// The rows of this period in their order, then those that only the period before has, in theirs; of each a row a metric.
/// Days and times in keys of the period before are moved on by `apart` microseconds.
///
/// # Errors
/// `Error::Query` if two rows of one period have the same key.
pub fn compare(
    this: &DataFrame,
    before: &DataFrame,
    comparison: &Comparison,
    apart: i64,
) -> Result<DataFrame, Error> {
    for frame in [this, before] {
        if !has_unique_keys(frame, comparison).map_err(failed)? {
            let key: Vec<&str> = comparison.key.iter().map(|column| column.name.as_str()).collect();
            return Err(Error::Query(format!(
                "rows cannot be matched: several have the same {}",
                key.join(", ")
            )));
        }
    }
    joined(this, before, comparison, apart).and_then(|both| by_metric(&both, comparison)).map_err(failed)
}

fn failed(error: PolarsError) -> Error {
    Error::Query(format!("the periods cannot be compared: {error}"))
}

fn has_unique_keys(frame: &DataFrame, comparison: &Comparison) -> PolarsResult<bool> {
    let keys = frame.select(comparison.key.iter().map(|column| column.name.as_str()))?;
    let different = keys.lazy().unique(None, UniqueKeepStrategy::Any).collect()?;
    Ok(different.height() == frame.height())
}

/// A column's name on one side of the join.
fn on(side: &str, name: &str) -> String {
    format!("{side} {name}")
}

/// The side's own column that is never null: whether it has the row at all.
const HERE: &str = "is here";

fn joined(this: &DataFrame, before: &DataFrame, of: &Comparison, apart: i64) -> PolarsResult<DataFrame> {
    let side = |frame: &DataFrame, side: &str, apart: i64| {
        let keys = of.key.iter().map(|column| moved(column, apart));
        let others = of.labels.iter().chain(&of.metrics);
        let others = others.map(|column| col(column.name.as_str()).alias(on(side, &column.name)));
        let here = lit(true).alias(on(side, HERE));
        frame.clone().lazy().select(keys.chain(others).chain([here]).collect::<Vec<_>>())
    };
    let keys: Vec<Expr> = of.key.iter().map(|column| col(column.name.as_str())).collect();
    side(this, "this", 0)
        .join_builder()
        .with(side(before, "before", apart))
        .left_on(&keys)
        .right_on(&keys)
        .how(JoinType::Full)
        .join_nulls(true)
        .coalesce(JoinCoalesce::CoalesceColumns)
        .maintain_order(MaintainOrderJoin::LeftRight)
        .finish()
        .collect()
}

/// The key's column, later by so many microseconds if it is a time.
fn moved(column: &ResultColumn, apart: i64) -> Expr {
    let key = col(column.name.as_str());
    match column.kind {
        Type::Timestamp => (key.cast(DataType::Int64) + lit(apart)).cast(data_type(column.kind)),
        Type::Date => (key.cast(DataType::Int32) + lit((apart / DAY) as i32)).cast(data_type(column.kind)),
        _ => key,
    }
}

/// The joined rows as they are shown.
fn by_metric(both: &DataFrame, of: &Comparison) -> PolarsResult<DataFrame> {
    let frames = of.metrics.iter().map(|metric| of_metric(both, of, metric));
    let mut all = DataFrame::empty();
    for (at, frame) in frames.enumerate() {
        if at == 0 {
            all = frame?
        } else {
            all.vstack_mut(&frame?)?;
        }
    }
    let (rows, metrics) = (both.height(), of.metrics.len());
    let row_by_row =
        (0..rows).flat_map(|row| (0..metrics).map(move |metric| (metric * rows + row) as IdxSize));
    all.take(&IdxCa::from_vec(PlSmallStr::EMPTY, row_by_row.collect()))
}

fn of_metric(both: &DataFrame, of: &Comparison, metric: &ResultColumn) -> PolarsResult<DataFrame> {
    let keys = of.key.iter().map(|column| col(column.name.as_str()));
    let labels = of.labels.iter().map(|label| {
        coalesce(&["this", "before"].map(|side| col(on(side, &label.name)))).alias(label.name.as_str())
    });
    let amount = |side: &str| {
        let found = col(on(side, &metric.name));
        let amount = match metric.kind {
            // Nothing was counted where there is no row.
            Type::Bigint => when(col(on(side, HERE)).is_null()).then(lit(0i64)).otherwise(found),
            _ => found,
        };
        amount.cast(data_type(of.kind()))
    };
    let name = lit(metric.name.as_str()).alias("metric");
    let amounts = [name, amount("this").alias("value"), amount("before").alias("before")];
    let change = (col("value") - col("before")).alias("change");
    let rate = col("change").cast(DataType::Float64) / col("before").cast(DataType::Float64);
    let rate = when(col("before").neq(lit(0))).then(rate).otherwise(lit(NULL)).alias("change_rate");
    both.clone()
        .lazy()
        .select(keys.chain(labels).chain(amounts).collect::<Vec<_>>())
        .with_column(change)
        .with_column(rate)
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::report::parse;

    fn days(days: &[Option<i32>]) -> Column {
        Column::new("day".into(), days).cast(&DataType::Date).unwrap()
    }

    fn frame(
        of: &[Option<i32>],
        codes: &[Option<&str>],
        counts: &[Option<i64>],
        means: &[Option<f64>],
    ) -> DataFrame {
        let columns = vec![
            days(of),
            Column::new("code".into(), codes),
            Column::new("n".into(), counts),
            Column::new("mean".into(), means),
        ];
        DataFrame::new(of.len(), columns).unwrap()
    }

    fn columns(asked: &[&str]) -> Comparison {
        let report = parse(
            "-- a: b\n-- columns: day date, code text, n bigint, mean double\n-- key: day code\n-- chart: bar day n\n",
        );
        Comparison::of(&report.unwrap(), asked).unwrap()
    }

    #[test]
    fn days_move_nulls_find_nulls_and_only_counts_become_zero() {
        let this = frame(&[Some(10), None], &[Some("a"), None], &[Some(4), None], &[Some(2.0), None]);
        let before = frame(
            &[Some(4), None, Some(3)],
            &[Some("b"), None, Some("a")],
            &[Some(7), Some(0), Some(2)],
            &[Some(3.0), Some(1.0), Some(0.0)],
        );
        let found = compare(&this, &before, &columns(&["all"]), 7 * DAY).unwrap();
        let expected = df!(
            "day" => [Some(10), Some(10), None, None, Some(11), Some(11)],
            "code" => [Some("a"), Some("a"), None, None, Some("b"), Some("b")],
            "metric" => ["n", "mean", "n", "mean", "n", "mean"],
            "value" => [Some(4.0), Some(2.0), None, None, Some(0.0), None],
            "before" => [Some(2.0), Some(0.0), Some(0.0), Some(1.0), Some(7.0), Some(3.0)],
            "change" => [Some(2.0), Some(2.0), None, None, Some(-7.0), None],
            "change_rate" => [Some(1.0), None, None, None, Some(-1.0), None],
        );
        let mut expected = expected.unwrap();
        expected.with_column(days(&[Some(10), Some(10), None, None, Some(11), Some(11)])).unwrap();
        assert!(found.equals_missing(&expected), "{:?}", found.columns());
    }

    #[test]
    fn counts_stay_whole_numbers_and_nothing_beside_nothing_is_nothing() {
        let none = frame(&[], &[], &[], &[]);
        let one = frame(&[Some(1)], &[None], &[Some(3)], &[None]);
        let found = compare(&one, &none, &columns(&[]), DAY).unwrap();
        assert_eq!(found.column("value").unwrap().dtype(), &DataType::Int64);
        assert_eq!(found.column("before").unwrap().i64().unwrap().get(0), Some(0));
        assert_eq!(compare(&none, &none, &columns(&["all"]), DAY).unwrap().height(), 0);
        assert_eq!(compare(&none, &none, &columns(&[]), DAY).unwrap().schema(), found.schema());
    }

    #[test]
    fn rows_with_one_key_are_refused() {
        let twice = frame(&[None, None], &[None, None], &[Some(1), Some(2)], &[None, None]);
        let none = frame(&[], &[], &[], &[]);
        assert!(compare(&none, &twice, &columns(&[]), 0).is_err());
    }
}
