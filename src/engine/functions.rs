//! The functions that queries may call and Polars' SQL does not know, under the names that DuckDB gives them.
//! Knows nothing of queries.

use polars::prelude::*;
use polars::sql::{FunctionOptions, FunctionRegistry, SQLContext};
use std::sync::Arc;

/// A context for SQL that knows them.
pub fn context() -> SQLContext {
    SQLContext::new().with_function_registry(Arc::new(Functions))
}

struct Functions;

impl FunctionRegistry for Functions {
    fn register(&mut self, name: &str, _: UserDefinedFunction) -> PolarsResult<()> {
        polars_bail!(InvalidOperation: "the functions are fixed: {name} cannot be added")
    }

    fn get_udf(&self, name: &str) -> PolarsResult<Option<UserDefinedFunction>> {
        Ok(self.contains(name).then(make_timestamp))
    }

    fn contains(&self, name: &str) -> bool {
        name == "make_timestamp"
    }
}

/// `make_timestamp(epoch_us)`: the timestamp of so many microseconds since 1970-01-01T00:00:00.
fn make_timestamp() -> UserDefinedFunction {
    const KIND: DataType = DataType::Datetime(TimeUnit::Microseconds, None);
    let cast = |columns: &mut [Column]| columns[0].cast(&DataType::Int64)?.cast(&KIND);
    let field = |_: &Schema, fields: &[Field]| Ok(Field::new(fields[0].name().clone(), KIND));
    UserDefinedFunction {
        name: "make_timestamp".into(),
        fun: new_column_udf(BaseColumnUdf::new(cast, field)),
        options: FunctionOptions::elementwise(),
    }
}
