//! Windows that look at the row before or behind: what `LAG(x) OVER (PARTITION BY … ORDER BY …)` and the like give. Rows are
//! sorted once by all keys, where Polars makes a list of the rows of each partition and sorts it by itself. The SQL is
//! the specification, and Polars does the rest of it, what the rows are made of before and what becomes of them.
//! Nothing here knows what the columns mean.

mod keys;
mod order;

use super::syntax::{is_named, parsed};
use order::Order;
use polars::prelude::*;
use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Query, Select,
    SelectItem, SetExpr, Statement, Visit, Visitor, WindowSpec, WindowType,
};
use std::ops::ControlFlow;

/// A query of which parts are answered: what is left of it, and those parts, which it names as before.
pub struct Windowed {
    /// The rest of the SQL.
    pub sql: String,
    /// The relations that were answered.
    pub relations: Vec<(String, DataFrame)>,
}

/// Answers the parts of a query that look at rows before or behind; `run` gives the rows of what they are made of, which
/// may name the relations that were answered so far. `None` if there are no such parts, or if something is wrong with
/// them, of which Polars knows more.
pub fn answered(
    sql: &str,
    run: impl Fn(&str, &[(String, DataFrame)]) -> PolarsResult<DataFrame>,
) -> Option<Windowed> {
    let mut statements = parsed(sql)?;
    let [Statement::Query(query)] = statements.as_mut_slice() else { return None };
    let mut relations = Vec::new();
    let mut at = 0;
    while let Some(part) = query.with.as_ref().and_then(|with| with.cte_tables.get(at)) {
        if let Some(windows) = Windows::of(&part.query) {
            let name = part.alias.name.value.clone();
            if !part.alias.columns.is_empty() || !alone(query, at) {
                return None;
            }
            let rows = run(&source(query, at, windows.source.clone()), &relations).ok()?;
            relations.push((name, windows.answer(&rows)?));
            // Nobody else names what it was made of.
            query.with.as_mut()?.cte_tables.drain(..=at);
            at = 0;
        } else {
            at += 1;
        }
    }
    if query.with.as_ref().is_some_and(|with| with.cte_tables.is_empty()) {
        query.with = None;
    }
    (!relations.is_empty()).then(|| Windowed { sql: query.to_string(), relations })
}

/// Whether what is defined before this part is named by nothing behind it, so that nothing has to be made twice.
fn alone(query: &Query, at: usize) -> bool {
    let Some(with) = &query.with else { return false };
    let (before, behind) = (&with.cte_tables[..at], &with.cte_tables[at + 1..]);
    let names: Vec<&str> = before.iter().map(|part| part.alias.name.value.as_str()).collect();
    let mut uses = Names { names: &names };
    !with.recursive
        && behind.iter().all(|part| part.visit(&mut uses).is_continue())
        && query.body.visit(&mut uses).is_continue()
        && query.order_by.visit(&mut uses).is_continue()
}

/// Breaks off where one of these is named.
struct Names<'a> {
    names: &'a [&'a str],
}

impl Visitor for Names<'_> {
    type Break = ();

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        let is_one = self.names.iter().any(|one| is_named(name, one));
        if is_one { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// The SQL of what a part is made of: what is defined before it, and this.
fn source(query: &Query, at: usize, select: Select) -> String {
    let mut source = query.clone();
    source.with = source.with.filter(|_| at > 0).map(|mut with| {
        with.cte_tables.truncate(at);
        with
    });
    (source.order_by, source.limit_clause, source.fetch) = (None, None, None);
    *source.body = SetExpr::Select(Box::new(select));
    source.to_string()
}

/// A `SELECT` with windows.
struct Windows {
    /// The rows, with the columns that are no windows, and behind them those that windows are made of.
    source: Select,
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
    /// Those of this query, if it is nothing but columns and windows over one relation.
    fn of(query: &Query) -> Option<Windows> {
        let SetExpr::Select(select) = query.body.as_ref() else { return None };
        let mut inputs = Inputs::default();
        let (mut columns, mut windows, mut plain) = (Vec::new(), Vec::new(), Vec::new());
        for item in &select.projection {
            let (expression, name) = match item {
                SelectItem::UnnamedExpr(expression @ Expr::Identifier(name)) => (expression, name),
                SelectItem::ExprWithAlias { expr, alias } => (expr, alias),
                _ => return None,
            };
            columns.push(name.value.clone());
            match expression {
                Expr::Function(function) if function.over.is_some() => {
                    windows.push(Window::of(function, name.value.clone(), &mut inputs)?);
                }
                _ => plain.push(item.clone()),
            }
        }
        let selection = select.selection.iter().map(|condition| format!(" WHERE {condition}"));
        let projection: Vec<String> = select.projection.iter().map(ToString::to_string).collect();
        let from = select.from.first()?;
        // There is nothing else in it if it can be put together again from these.
        let whole = format!("SELECT {} FROM {from}{}", projection.join(", "), selection.collect::<String>());
        if windows.is_empty() || !from.joins.is_empty() || query.to_string() != whole {
            return None;
        }
        let inputs = inputs.names.into_iter().map(|name| SelectItem::ExprWithAlias {
            alias: Ident::new(input(&name.value)),
            expr: Expr::Identifier(name),
        });
        let source = Select { projection: plain.into_iter().chain(inputs).collect(), ..(**select).clone() };
        Some(Windows { source, columns, windows })
    }

    /// The result over the rows of its source; `None` if they cannot be sorted here.
    fn answer(&self, rows: &DataFrame) -> Option<DataFrame> {
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
        let identifier = |expression: &Expr| match expression {
            Expr::Identifier(name) => Some(name.clone()),
            _ => None,
        };
        let partition: Vec<Ident> = partition_by.iter().map(identifier).collect::<Option<_>>()?;
        let order: Vec<Ident> = order_by.iter().map(|key| identifier(&key.expr)).collect::<Option<_>>()?;
        let descending = order_by.first()?.options.asc == Some(false);
        // There is nothing else in it if it can be put together again from these.
        let keys = |names: &[Ident], behind: &str| -> String {
            let keys: Vec<String> = names.iter().map(|name| format!("{name}{behind}")).collect();
            keys.join(", ")
        };
        let begin = match partition.as_slice() {
            [] => String::new(),
            names => format!("PARTITION BY {} ", keys(names, "")),
        };
        let order_text = keys(&order, if descending { " DESC" } else { "" });
        let is_over = |what: &str, frame: &str| {
            function.to_string() == format!("{what} OVER ({begin}ORDER BY {order_text}{frame})")
        };
        let function_name = function.name.to_string();
        let mut before = |distance: i64| {
            let FunctionArguments::List(arguments) = &function.args else { return None };
            let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(name)))] = &*arguments.args
            else {
                return None;
            };
            let is_plain = is_over(&format!("{function_name}({name})"), "");
            is_plain.then(|| What::Before(inputs.add(name.clone()), distance))
        };
        let what = match function_name.to_ascii_uppercase().as_str() {
            "LAG" => before(1)?,
            "LEAD" => before(-1)?,
            "ROW_NUMBER" if is_over(&format!("{function_name}()"), "") => What::Number(DataType::UInt32),
            "COUNT" if is_over(&format!("{function_name}(*)"), SO_FAR) => What::Number(DataType::Int64),
            _ => return None,
        };
        let mut add = |names: Vec<Ident>| names.into_iter().map(|name| inputs.add(name)).collect();
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

/// The columns that windows are made of.
#[derive(Default)]
struct Inputs {
    names: Vec<Ident>,
}

impl Inputs {
    /// Adds a column unless it is there, and returns its name in the source.
    fn add(&mut self, name: Ident) -> String {
        let text = input(&name.value);
        if !self.names.contains(&name) {
            self.names.push(name);
        }
        text
    }
}

/// What a column that a window is made of is called in the source, whatever else is called as it is.
fn input(name: &str) -> String {
    format!("window_{name}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::polars::query;
    use super::super::relation::Relation;
    use super::*;

    /// Some rows of every type that may be sorted by, with nulls where `nulls` says so; `row` tells them all apart.
    fn rows(height: usize, seed: u64, nulls: bool) -> DataFrame {
        let mut state = seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut random = move |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 20) % below
        };
        let mut some = |below: u64| {
            let value = random(below) as i64;
            (!nulls || random(5) > 0).then_some(value)
        };
        let words = ["view", "search", "", "니트", "Search"];
        let mut texts = |below: u64| -> Vec<Option<&str>> {
            (0..height).map(|_| some(below).map(|at| words[at as usize])).collect()
        };
        let (types, paths, visitors) = (texts(5), texts(3), texts(4));
        let mut integers = |below, base| -> Vec<Option<i64>> {
            (0..height).map(|_| some(below).map(|value| value + base)).collect()
        };
        let (sessions, times) = (integers(3, i64::MIN), integers(6, -3));
        let paired: Vec<Option<bool>> =
            integers(2, 0).into_iter().map(|bit| bit.map(|bit| bit == 1)).collect();
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

    const WINDOWS: [&str; 7] = [
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

    const NO_WINDOWS: [&str; 11] = [
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
        "WITH s AS (SELECT row, path FROM events), \
         w AS (SELECT row, LAG(row) OVER (PARTITION BY path ORDER BY row) AS n FROM s) \
         SELECT w.row, w.n, s.path FROM w INNER JOIN s ON w.row = s.row ORDER BY w.row",
        "WITH w AS (SELECT row, SUM(row) OVER (PARTITION BY path ORDER BY row \
         ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS n FROM events) SELECT * FROM w ORDER BY row",
    ];

    fn is_answered(sql: &str, rows: &DataFrame) -> bool {
        let run = |sql: &str, more: &[(String, DataFrame)]| {
            let mut context = super::super::functions::context();
            context.register("events", rows.clone().lazy());
            more.iter().for_each(|(name, rows)| context.register(name, rows.clone().lazy()));
            context.execute(sql)?.collect()
        };
        answered(sql, run).is_some()
    }

    #[test]
    fn they_are_what_polars_says() {
        for seed in 0..90 {
            let height = [0, 1, 2, 30, 700, 3000][seed as usize % 6] + seed as usize % 7;
            let rows = rows(height, seed, seed % 4 > 0);
            for sql in WINDOWS {
                assert!(is_answered(sql, &rows), "{sql}");
                let found = query(sql, &Relation::in_memory(rows.clone())).unwrap();
                // A plan of its own hides from the kernel what is behind it.
                let plain = query(sql, &Relation::in_memory(rows.clone()).within_any(&[])).unwrap();
                assert_eq!(found.schema(), plain.schema(), "{sql}");
                assert!(found.equals_missing(&plain), "{sql} {seed}\n{found}\n{plain}");
            }
        }
    }

    #[test]
    fn what_is_more_is_left_to_polars() {
        let rows = rows(300, 1, true);
        for sql in NO_WINDOWS {
            assert!(!is_answered(sql, &rows), "{sql}");
            assert!(query(sql, &Relation::in_memory(rows.clone())).is_ok(), "{sql}");
        }
    }

    #[test]
    fn columns_with_too_many_values_together_are_left_to_polars() {
        let sql = WINDOWS[0];
        let mut rows = rows(40, 1, false);
        let far: Vec<i64> =
            (0..40).map(|row| if row % 2 == 0 { i64::MIN + row } else { i64::MAX - row }).collect();
        for name in ["session_number", "epoch_us"] {
            rows.with_column(Column::new(name.into(), far.clone())).unwrap();
        }
        assert!(!is_answered(sql, &rows));
    }
}
