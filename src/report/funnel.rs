//! The funnel: ordered steps within a window, as SQL that is generated because its shape depends on the steps.
//!
//! An event fills step k if it matches step k's condition and, before it, the same visitor filled step k−1 in a chain
//! whose entry is no further back than the window. Of several entries the latest counts. Per visitor, in the order of
//! (time, step): `c_k` of an event that matches step k is the running maximum of `c_{k−1}` over the *earlier* events, if
//! that is within the window; `c_1` is the event's own time.

use crate::error::Error;
use std::fmt::Write;

/// One step: a name and an SQL condition over `events`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Shown in the result.
    pub name: String,
    /// An SQL condition.
    pub condition: String,
}

/// Whose events make a funnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Entity {
    /// `visitor_id`
    #[default]
    Visitor,
    /// `user_id`
    User,
    /// `visitor_id` and `session_number`
    Session,
}

impl Entity {
    fn columns(self) -> &'static [&'static str] {
        match self {
            Entity::Visitor => &["visitor_id"],
            Entity::User => &["user_id"],
            Entity::Session => &["visitor_id", "session_number"],
        }
    }
}

/// Steps and window of a funnel.
#[derive(Debug, Clone)]
pub struct Funnel {
    /// In order; at least one.
    pub steps: Vec<Step>,
    /// The longest time from the entry to a step, microseconds, inclusive.
    pub window: i64,
    /// Whose events belong together.
    pub entity: Entity,
}

/// Seven days in microseconds.
const DEFAULT_WINDOW: i64 = 7 * 86_400 * 1_000_000;

impl Default for Funnel {
    /// Product view, successful cart addition, checkout page, purchase; within seven days; by visitor.
    fn default() -> Self {
        let steps = [
            (
                "product view",
                "event_type = 'view' AND entity_type = 'product' AND entity_id IS NOT NULL AND response_status < 400",
            ),
            (
                "cart addition",
                "event_type = 'cart_add' AND (kind = 'action' OR (kind = 'request' AND NOT paired \
                 AND user_id IS NOT NULL AND response_status < 400))",
            ),
            ("checkout page", "page = '/checkout' AND method = 'GET' AND response_status = 200"),
            (
                "purchase",
                "event_type = 'purchase' OR (page = '/orders/{id}/confirmation' AND response_status = 200)",
            ),
        ];
        let step = |(name, condition): (&str, &str)| Step { name: name.into(), condition: condition.into() };
        Funnel {
            steps: steps.into_iter().map(step).collect(),
            window: DEFAULT_WINDOW,
            entity: Entity::default(),
        }
    }
}

impl Step {
    /// Reads `name: SQL condition`.
    ///
    /// # Errors
    /// `Error::Usage` where a part is missing.
    pub fn parse(text: &str) -> Result<Step, Error> {
        match text.split_once(':') {
            Some((name, condition)) if !name.trim().is_empty() && !condition.trim().is_empty() => {
                Ok(Step { name: name.trim().into(), condition: condition.trim().into() })
            }
            _ => Err(Error::Usage(format!(
                "--step '{text}' is not 'name: SQL condition', such as --step \"view: event_type = 'view'\""
            ))),
        }
    }
}

impl Funnel {
    /// The funnel's SQL. Its result has the report's columns and a last one, `immature`, the same in every row: how many
    /// entrants have not got to the end while the window since their latest entry was still open.
    pub fn sql(&self) -> String {
        let steps = self.steps.len();
        let mut sql = String::from("WITH\n");
        self.push_matched(&mut sql);
        for k in 1..=steps {
            self.push_filled(&mut sql, k);
        }
        self.push_totals(&mut sql);
        self.push_steps(&mut sql);
        self.push_result(&mut sql);
        sql
    }

    fn entity(&self) -> String {
        self.entity.columns().join(", ")
    }

    /// `matched`: the events that match a step; m1 … mn are 1 where they match. At the same moment the earlier step comes
    /// first, then the event that matches fewer; events that are alike in all that are interchangeable.
    fn push_matched(&self, sql: &mut String) {
        let mut marks = String::new();
        let mut first = String::from("CASE");
        for (at, step) in self.steps.iter().enumerate() {
            let k = at + 1;
            _ = writeln!(marks, "    CASE WHEN {} THEN 1 ELSE 0 END AS m{k},", step.condition);
            _ = write!(first, " WHEN m{k} = 1 THEN {k}");
        }
        let entity = self.entity();
        let known: Vec<String> =
            self.entity.columns().iter().map(|name| format!("{name} IS NOT NULL")).collect();
        let known = known.join(" AND ");
        _ = write!(
            sql,
            "marked AS (\n  SELECT\n    {entity},\n{marks}    epoch_us\n  FROM events\n  WHERE {known} AND epoch_us IS NOT NULL\n),\n\
             matched AS (\n  SELECT *, {first} END AS first_step, {ranks} AS match_rank\n  FROM marked\n  WHERE {any}\n),\n",
            ranks = self.ranks(),
            any = self.each(" OR ", |k| format!("m{k} = 1")),
        );
    }

    fn each(&self, separator: &str, part: impl Fn(usize) -> String) -> String {
        (1..=self.steps.len()).map(part).collect::<Vec<_>>().join(separator)
    }

    /// A number that is the same for events that match the same steps and only for those.
    fn ranks(&self) -> String {
        self.each(" + ", |k| format!("m{k} * CAST({} AS DOUBLE)", (2f64).powi(k as i32 - 1)))
    }

    fn over(&self, frame: &str) -> String {
        format!("OVER (PARTITION BY {} ORDER BY epoch_us, first_step, match_rank{frame})", self.entity())
    }

    /// `reached_k`: c_k is the entry of the chain in which an event fills step k; s_k the latest such entry up to here and
    /// l_k the latest time of filling; p_k and q_k the same before this event.
    fn push_filled(&self, sql: &mut String, k: usize) {
        let source = if k == 1 { "matched".to_owned() } else { format!("before_{}", k - 1) };
        let entry = if k == 1 {
            "CASE WHEN m1 = 1 THEN epoch_us END".to_owned()
        } else {
            format!("CASE WHEN m{k} = 1 AND epoch_us - p{p} <= {} THEN p{p} END", self.window, p = k - 1)
        };
        let running = self.over(" ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW");
        let previous = self.over("");
        _ = write!(
            sql,
            "filled_{k} AS (\n  SELECT *, {entry} AS c{k}\n  FROM {source}\n),\n\
             latest_{k} AS (\n  SELECT *,\n    MAX(c{k}) {running} AS s{k},\n    \
             MAX(CASE WHEN c{k} IS NOT NULL THEN epoch_us END) {running} AS l{k}\n  FROM filled_{k}\n),\n\
             before_{k} AS (\n  SELECT *,\n    LAG(s{k}) {previous} AS p{k},\n    LAG(l{k}) {previous} AS q{k}\n  FROM latest_{k}\n),\n"
        );
    }

    /// `firsts`, `totals`: every visitor has exactly one event that fills step k for the first time.
    fn push_totals(&self, sql: &mut String) {
        let steps = self.steps.len();
        let first = |k: usize| format!("c{k} IS NOT NULL AND p{k} IS NULL");
        let seconds = |k: usize| {
            format!(
                "    CASE WHEN {} THEN (epoch_us - q{}) / CAST(1000000 AS DOUBLE) END AS seconds{k}",
                first(k),
                k - 1
            )
        };
        let mut parts: Vec<String> = (1..=steps)
            .map(|k| format!("    CASE WHEN {} THEN 1 ELSE 0 END AS first{k}", first(k)))
            .collect();
        parts.extend((2..=steps).map(seconds));
        let mut totals: Vec<String> = (1..=steps)
            .map(|k| format!("    COALESCE(SUM(CAST(first{k} AS BIGINT)), 0) AS visitors{k}"))
            .collect();
        for k in 2..=steps {
            totals.push(format!("    quantile_cont(seconds{k}, 0.5) AS median{k}"));
            totals.push(format!("    quantile_cont(seconds{k}, 0.9) AS p90_{k}"));
        }
        let entity = self.entity();
        let window = self.window;
        _ = write!(
            sql,
            "firsts AS (\n  SELECT\n{}\n  FROM before_{steps}\n),\n\
             totals AS (\n  SELECT\n{}\n  FROM firsts\n),\n\
             entrants AS (\n  SELECT {entity}, MAX(c1) AS entry, MAX(c{steps}) AS ended\n  FROM before_{steps}\n  GROUP BY {entity}\n),\n\
             data_end AS (\n  SELECT MAX(epoch_us) AS end_us FROM events\n),\n\
             open_windows AS (\n  SELECT COUNT(*) AS immature\n  FROM entrants CROSS JOIN data_end\n  \
             WHERE ended IS NULL AND entry + {window} > end_us\n),\n",
            parts.join(",\n"),
            totals.join(",\n"),
        );
    }

    /// `steps`: a row a step.
    fn push_steps(&self, sql: &mut String) {
        let rows = self.each("\n  UNION ALL ", |k| {
            format!("SELECT {k} AS step, '{}' AS name", self.steps[k - 1].name.replace('\'', "''"))
        });
        _ = write!(sql, "steps AS (\n  {rows}\n),\n");
    }

    fn push_result(&self, sql: &mut String) {
        let pick = |prefix: &str, first: usize, shift: usize| {
            let arms: String = (first..=self.steps.len())
                .map(|k| format!(" WHEN step = {k} THEN {prefix}{}", k - shift))
                .collect();
            if arms.is_empty() { "CAST(NULL AS DOUBLE)".to_owned() } else { format!("CASE{arms} END") }
        };
        let before =
            if self.steps.len() == 1 { "CAST(NULL AS BIGINT)".to_owned() } else { pick("visitors", 2, 1) };
        _ = write!(
            sql,
            "counted AS (\n  SELECT step, name, {visitors} AS visitors, {before} AS visitors_before, visitors1,\n    \
             {median} AS median_seconds, {p90} AS p90_seconds, immature\n  \
             FROM steps CROSS JOIN totals CROSS JOIN open_windows\n)\n\
             SELECT\n  step,\n  name,\n  visitors,\n  \
             CASE WHEN visitors1 > 0 THEN CAST(visitors AS DOUBLE) / CAST(visitors1 AS DOUBLE) END AS conversion,\n  \
             CASE WHEN visitors_before > 0 THEN CAST(visitors AS DOUBLE) / CAST(visitors_before AS DOUBLE) END AS step_conversion,\n  \
             visitors_before - visitors AS dropped,\n  median_seconds,\n  p90_seconds,\n  immature\nFROM counted\nORDER BY step\n",
            visitors = pick("visitors", 1, 0),
            median = pick("median", 2, 0),
            p90 = pick("p90_", 2, 0),
        );
    }
}
