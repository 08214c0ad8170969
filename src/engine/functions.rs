//! The functions that queries may call and Polars' SQL does not know, under the names that DuckDB gives them.
//! Knows nothing of queries.

use super::division;
use chrono::{Datelike, NaiveDate};
use polars::prelude::*;
use polars::sql::{FunctionOptions, FunctionRegistry, SQLContext};
use std::sync::Arc;

/// A context for SQL that knows them.
pub fn context() -> SQLContext {
    SQLContext::new().with_function_registry(Arc::new(Functions))
}

/// Runs a statement, in which quotients are what other engines make them.
///
/// # Errors
/// What Polars has against it.
pub fn execute(context: &mut SQLContext, sql: &str) -> PolarsResult<LazyFrame> {
    context.execute(&division::exact(sql))
}

struct Functions;

impl FunctionRegistry for Functions {
    fn register(&mut self, name: &str, _: UserDefinedFunction) -> PolarsResult<()> {
        polars_bail!(InvalidOperation: "the functions are fixed: {name} cannot be added")
    }

    fn get_udf(&self, name: &str) -> PolarsResult<Option<UserDefinedFunction>> {
        Ok(match name {
            "make_timestamp" => Some(make_timestamp()),
            "date_trunc" => Some(date_trunc()),
            _ => None,
        })
    }

    fn contains(&self, name: &str) -> bool {
        self.get_udf(name).is_ok_and(|function| function.is_some())
    }
}

const TIMESTAMP: DataType = DataType::Datetime(TimeUnit::Microseconds, None);

/// `make_timestamp(epoch_us)`: the timestamp of so many microseconds since 1970-01-01T00:00:00.
fn make_timestamp() -> UserDefinedFunction {
    let cast = |columns: &mut [Column]| columns[0].cast(&DataType::Int64)?.cast(&TIMESTAMP);
    let field = |_: &Schema, fields: &[Field]| match fields {
        [of] => Ok(Field::new(of.name().clone(), TIMESTAMP)),
        _ => polars_bail!(InvalidOperation: "make_timestamp takes one number, the microseconds since 1970"),
    };
    UserDefinedFunction {
        name: "make_timestamp".into(),
        fun: new_column_udf(BaseColumnUdf::new(cast, field)),
        options: FunctionOptions::elementwise(),
    }
}

/// The units that [`date_trunc`] knows.
pub const UNITS: [&str; 8] = ["second", "minute", "hour", "day", "week", "month", "quarter", "year"];

/// `date_trunc(unit, time)`: the timestamp at which the time's second, minute, hour, day, week (from Monday on), month, quarter or
/// year begins.
fn date_trunc() -> UserDefinedFunction {
    let cut = |columns: &mut [Column]| {
        let unit = columns[0].cast(&DataType::String)?.str()?.get(0).unwrap_or_default().to_lowercase();
        let times = columns[1].cast(&TIMESTAMP)?.cast(&DataType::Int64)?;
        let begins: Int64Chunked = times.i64()?.iter().map(|time| beginning(&unit, time?)).collect();
        begins.with_name(columns[1].name().clone()).into_column().cast(&TIMESTAMP)
    };
    let field = |_: &Schema, fields: &[Field]| match fields {
        [unit, time]
            if unit.dtype().is_string()
                && matches!(time.dtype(), DataType::Datetime(..) | DataType::Date) =>
        {
            Ok(Field::new(time.name().clone(), TIMESTAMP))
        }
        _ => {
            polars_bail!(InvalidOperation: "date_trunc takes a unit and a time, as date_trunc('hour', timestamp)")
        }
    };
    UserDefinedFunction {
        name: "date_trunc".into(),
        fun: new_column_udf(BaseColumnUdf::new(cut, field)),
        options: FunctionOptions::elementwise(),
    }
}

/// When the unit of this time begins, both microseconds since 1970-01-01T00:00:00; `None` for another unit.
fn beginning(unit: &str, time: i64) -> Option<i64> {
    const SECOND: i64 = 1_000_000;
    const DAY: i64 = 86_400 * SECOND;
    let of_length = |length: i64| Some(time - time.rem_euclid(length));
    let date = || chrono::DateTime::from_timestamp_micros(time).map(|time| time.date_naive());
    let begin = |date: Option<NaiveDate>| Some(date?.and_hms_opt(0, 0, 0)?.and_utc().timestamp_micros());
    match unit {
        "second" => of_length(SECOND),
        "minute" => of_length(60 * SECOND),
        "hour" => of_length(3600 * SECOND),
        "day" => of_length(DAY),
        // 1970 began on a Thursday.
        "week" => Some(time - (time + 3 * DAY).rem_euclid(7 * DAY)),
        "month" => begin(date()?.with_day(1)),
        "quarter" => begin(date()?.with_day(1)?.with_month0(date()?.month0() / 3 * 3)),
        "year" => begin(date()?.with_ordinal(1)),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_cut_to_where_its_unit_begins() {
        let time = |text: &str| text.parse::<chrono::NaiveDateTime>().unwrap().and_utc().timestamp_micros();
        for (of, expected) in [
            (
                "2025-05-14T13:59:58.123456",
                ["2025-05-14T13:59:58", "2025-05-14T13:59:00", "2025-05-14T13:00:00", "2025-05-14T00:00:00"],
            ),
            (
                "1969-12-31T23:59:59.999999",
                ["1969-12-31T23:59:59", "1969-12-31T23:59:00", "1969-12-31T23:00:00", "1969-12-31T00:00:00"],
            ),
        ] {
            let found = UNITS[..4].iter().map(|unit| beginning(unit, time(of)).unwrap());
            assert!(found.eq(expected.map(time)), "{of}");
        }
        for (of, expected) in [
            ("2025-05-14", ["2025-05-12", "2025-05-01", "2025-04-01", "2025-01-01"]),
            ("2025-05-12", ["2025-05-12", "2025-05-01", "2025-04-01", "2025-01-01"]),
            ("2024-12-31", ["2024-12-30", "2024-12-01", "2024-10-01", "2024-01-01"]),
            ("1969-12-31", ["1969-12-29", "1969-12-01", "1969-10-01", "1969-01-01"]),
        ] {
            let midnight = |day: &str| time(&format!("{day}T00:00:00"));
            let found = UNITS[4..].iter().map(|unit| beginning(unit, midnight(of) + 1).unwrap());
            assert!(found.eq(expected.map(midnight)), "{of}");
        }
        assert_eq!(beginning("fortnight", 0), None);
    }
}
