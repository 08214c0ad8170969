//! Windows that look at the row before or behind: what `LAG(x) OVER (PARTITION BY … ORDER BY …)` and the like give. Rows are
//! sorted once by all keys. Knows nothing of what the columns mean.

use super::order::Order;
use super::{Inputs, named, plain};
use polars::prelude::*;
use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Query, WindowSpec, WindowType,
};

/// A part with windows.
pub struct Windows {
    /// The SQL of the rows: their columns that are no windows, and what windows are made of.
    pub source: String,
    /// Where the rows come from.
    pub from: String,
    /// The result's columns.
    columns: Vec<String>,
    windows: Vec<Window>,
}

/// One window.
struct Window {
    name: String,
    what: What,
    /// The columns of the source by which rows belong together and are sorted.
    partition: Vec<String>,
    order: Vec<String>,
    descending: bool,
}

/// What is taken from the rows that belong together.
enum What {
    /// The value of this column so many rows before.
    Before(String, i64),
    /// The row's own number, from 1.
    Number(DataType),
}

impl Windows {
    /// Those of this part, if it is nothing but columns and windows over one relation.
    pub fn of(part: &Query) -> Option<Windows> {
        let (select, from) = plain(part, "")?;
        let mut inputs = Inputs::default();
        let (mut columns, mut windows, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for item in &select.projection {
            let (expression, name) = named(item)?;
            columns.push(name.value.clone());
            match expression {
                Expr::Function(function) if function.over.is_some() => {
                    windows.push(Window::of(function, name.value.clone(), &mut inputs)?);
                }
                _ => others.push(item.to_string()),
            }
        }
        let source = inputs.select(&others, select);
        (!windows.is_empty()).then(|| Windows { source, from, columns, windows })
    }

    /// The result over the rows of its source; `None` if they cannot be sorted here.
    pub fn answer(&self, rows: &DataFrame) -> Option<DataFrame> {
        let mut orders: Vec<(&Window, Order)> = Vec::new();
        let mut answered = Vec::new();
        for window in &self.windows {
            let known = orders.iter().position(|(other, order)| window.is_sorted_as(other, order));
            let at = match known {
                Some(at) => at,
                None => {
                    let columns = |names: &[String]| -> Option<Vec<&Column>> {
                        names.iter().map(|name| rows.column(name).ok()).collect()
                    };
                    let (partition, order) = (columns(&window.partition)?, columns(&window.order)?);
                    orders.push((window, Order::of(&partition, &order, window.descending)?));
                    orders.len() - 1
                }
            };
            let (other, order) = &orders[at];
            let name = window.name.as_str().into();
            answered.push(match &window.what {
                What::Before(column, distance) => {
                    let distance = if other.descending == window.descending { *distance } else { -distance };
                    rows.column(column).ok()?.take(&order.neighbours(distance)).ok()?.with_name(name)
                }
                What::Number(kind) => order.numbers(name, kind).ok()?,
            });
        }
        let mut answered = answered.into_iter();
        let columns =
            self.columns.iter().map(|name| match self.windows.iter().any(|window| window.name == *name) {
                true => answered.next(),
                false => rows.column(name).ok().cloned(),
            });
        let columns: Vec<Column> = columns.collect::<Option<_>>()?;
        DataFrame::new(rows.height(), columns).ok()
    }
}

impl Window {
    /// `LAG(x)` or `LEAD(x)`, `ROW_NUMBER()`, or `COUNT(*)` of the rows so far.
    fn of(function: &Function, name: String, inputs: &mut Inputs) -> Option<Window> {
        let Some(WindowType::WindowSpec(spec)) = &function.over else { return None };
        let WindowSpec { partition_by, order_by, .. } = spec;
        let is_column = |expression: &&Expr| matches!(expression, Expr::Identifier(_));
        let partition: Vec<&Expr> = partition_by.iter().collect();
        let order: Vec<&Expr> = order_by.iter().map(|key| &key.expr).collect();
        if !partition.iter().chain(&order).all(is_column) {
            return None;
        }
        let descending = order_by.first()?.options.asc == Some(false);
        // There is nothing else in it if it can be put together again from these.
        let keys = |columns: &[&Expr], behind: &str| -> String {
            let keys: Vec<String> = columns.iter().map(|column| format!("{column}{behind}")).collect();
            keys.join(", ")
        };
        let begin = match partition.as_slice() {
            [] => String::new(),
            columns => format!("PARTITION BY {} ", keys(columns, "")),
        };
        let order_text = keys(&order, if descending { " DESC" } else { "" });
        let is_over = |what: &str, frame: &str| {
            function.to_string() == format!("{what} OVER ({begin}ORDER BY {order_text}{frame})")
        };
        let function_name = function.name.to_string();
        let mut before = |distance: i64| {
            let FunctionArguments::List(arguments) = &function.args else { return None };
            let [FunctionArg::Unnamed(FunctionArgExpr::Expr(value))] = &*arguments.args else { return None };
            let is_plain = is_column(&value) && is_over(&format!("{function_name}({value})"), "");
            is_plain.then(|| What::Before(inputs.add(value), distance))
        };
        let what = match function_name.to_ascii_uppercase().as_str() {
            "LAG" => before(1)?,
            "LEAD" => before(-1)?,
            "ROW_NUMBER" if is_over(&format!("{function_name}()"), "") => What::Number(DataType::UInt32),
            "COUNT" if is_over(&format!("{function_name}(*)"), SO_FAR) => What::Number(DataType::Int64),
            _ => return None,
        };
        let mut add = |columns: Vec<&Expr>| columns.into_iter().map(|column| inputs.add(column)).collect();
        Some(Window { name, what, partition: add(partition), order: add(order), descending })
    }

    /// Whether an order that was made for another window serves this one, forwards or backwards.
    fn is_sorted_as(&self, other: &Window, order: &Order) -> bool {
        let same = self.partition == other.partition && self.order == other.order;
        let backwards = self.descending != other.descending;
        same && (!backwards || (order.is_strict && matches!(self.what, What::Before(..))))
    }
}

const SO_FAR: &str = " ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::engine::random::{assert_answered, assert_left, is_answered, rows};
    use polars::prelude::*;

    const WINDOWS: [&str; 8] = [
        "WITH s AS (SELECT row, path FROM events), \
         w AS (SELECT row, LAG(row) OVER (PARTITION BY path ORDER BY row) AS n FROM s) \
         SELECT w.row, w.n, s.path FROM w INNER JOIN s ON w.row = s.row ORDER BY w.row",
        "WITH w AS (SELECT row, LAG(page) OVER (PARTITION BY visitor_id, session_number ORDER BY epoch_us, row) AS before, \
         LEAD(path) OVER (PARTITION BY visitor_id, session_number ORDER BY epoch_us, row) AS behind FROM events) \
         SELECT * FROM w ORDER BY row",
        "WITH w AS (SELECT row, LAG(page) OVER (PARTITION BY visitor_id ORDER BY epoch_us DESC, page DESC, row DESC) \
         AS behind, LAG(row) OVER (PARTITION BY visitor_id ORDER BY epoch_us, page, row) AS before, \
         COUNT(*) OVER (PARTITION BY visitor_id ORDER BY epoch_us DESC, page DESC, row DESC \
         ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS number FROM events WHERE paired OR row > 99) \
         SELECT row, behind, before, number FROM w ORDER BY row",
        "WITH s AS (SELECT row, path, timestamp, paired, CASE WHEN page = 'view' THEN 1 END AS is_view FROM events), \
         w AS (SELECT row, ROW_NUMBER() OVER (PARTITION BY paired ORDER BY timestamp, path, row) AS number, \
         lead(is_view) OVER (PARTITION BY paired ORDER BY timestamp, path, row) AS behind FROM s WHERE path IS NOT NULL) \
         SELECT number, COUNT(*) AS n, SUM(behind) AS views FROM w GROUP BY number ORDER BY number",
        "WITH w AS (SELECT row, page, visitor_id, LAG(row) OVER (PARTITION BY path, is_late ORDER BY row DESC) AS behind \
         FROM (SELECT *, epoch_us > 0 AS is_late FROM events) AS e) SELECT * FROM w ORDER BY row",
        "WITH w AS (SELECT row, LAG(epoch_us) OVER (ORDER BY epoch_us DESC) AS behind, \
         LAG(epoch_us) OVER (ORDER BY epoch_us) AS before FROM events) \
         SELECT behind, before, COUNT(*) AS n FROM w GROUP BY behind, before ORDER BY behind, before",
        "WITH v AS (SELECT visitor_id, session_number, epoch_us, page, row, \
         LAG(page) OVER (PARTITION BY visitor_id, session_number ORDER BY epoch_us DESC, page DESC, row DESC) AS page_after \
         FROM events WHERE session_number IS NOT NULL), \
         m AS (SELECT page, page_after, COUNT(*) OVER (PARTITION BY visitor_id, session_number ORDER BY epoch_us, page, row \
         ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS step FROM v WHERE page_after IS NULL OR page_after <> page), \
         n AS (SELECT step, COALESCE(page_after, '(left)') AS target FROM m WHERE step <= 3) \
         SELECT step, target, COUNT(*) AS n FROM n GROUP BY step, target ORDER BY step, n DESC, target",
        "WITH w AS (SELECT row, LAG(path) OVER (PARTITION BY page ORDER BY path DESC, row DESC) AS behind, \
         LAG(path) OVER (PARTITION BY page ORDER BY path, row) AS before FROM events) SELECT * FROM w ORDER BY row",
    ];

    const NO_WINDOWS: [&str; 10] = [
        "SELECT row FROM events ORDER BY row",
        "WITH w AS (SELECT row, LAG(page, 2) OVER (PARTITION BY path ORDER BY row) AS before FROM events) \
         SELECT * FROM w ORDER BY row",
        "WITH w AS (SELECT row, COUNT(*) OVER (PARTITION BY path) AS n FROM events) SELECT * FROM w ORDER BY row",
        "WITH w AS (SELECT row, COUNT(page) OVER (PARTITION BY path ORDER BY row \
         ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS n FROM events) SELECT * FROM w ORDER BY row",
        "WITH w AS (SELECT row, row - LAG(row) OVER (PARTITION BY path ORDER BY row) AS n FROM events) \
         SELECT * FROM w ORDER BY row",
        "WITH w AS (SELECT row, LAG(row) OVER (PARTITION BY path ORDER BY line) AS n FROM events) \
         SELECT * FROM w ORDER BY row",
        "WITH w AS (SELECT DISTINCT LAG(path) OVER (PARTITION BY path ORDER BY row) AS n FROM events) \
         SELECT * FROM w ORDER BY n",
        "WITH w AS (SELECT row, LAG(row) OVER (PARTITION BY path ORDER BY row) AS n FROM events ORDER BY row LIMIT 9) \
         SELECT * FROM w ORDER BY row",
        "WITH w AS (SELECT row, LAG(row) OVER (PARTITION BY path ORDER BY row + 1) AS n FROM events) \
         SELECT * FROM w ORDER BY row",
        "WITH w AS (SELECT row, SUM(row) OVER (PARTITION BY path ORDER BY row \
         ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS n FROM events) SELECT * FROM w ORDER BY row",
    ];

    #[test]
    fn they_are_what_polars_says() {
        assert_answered(&WINDOWS);
    }

    #[test]
    fn what_is_more_is_left_to_polars() {
        assert_left(&NO_WINDOWS);
    }

    #[test]
    fn columns_with_too_many_values_together_are_left_to_polars() {
        let sql = "WITH w AS (SELECT row, LAG(page) OVER (PARTITION BY session_number ORDER BY epoch_us) AS before FROM events) \
             SELECT row, before FROM w ORDER BY row";
        let mut rows = rows(40, 1, false);
        let far: Vec<i64> =
            (0..40).map(|row| if row % 2 == 0 { i64::MIN + row } else { i64::MAX - row }).collect();
        for name in ["session_number", "epoch_us"] {
            rows.with_column(Column::new(name.into(), far.clone())).unwrap();
        }
        assert!(!is_answered(sql, &rows));
    }
}
