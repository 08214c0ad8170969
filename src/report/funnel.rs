//! The funnel: ordered steps within a window, as SQL that is generated because its shape depends on the steps.
//!
//! An event fills step k if it matches step k's condition and, before it, the same visitor filled step k−1 in a chain
//! whose entry is no further back than the window. Of several entries the latest counts. An event is split into a *turn*
//! for each step that it matches, the last step first, so that it cannot follow itself. Per visitor, turn after turn:
//! `c_k` of a turn of step k is the running maximum of `c_{k−1}`, if that is within the window; `c_1` is the event's own
//! time.
//!
//! Polars computes a CTE anew for every place that names it, so each of the large ones is named once.

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
    /// The columns that name one.
    pub fn columns(self) -> &'static [&'static str] {
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
        let mut sql = String::from("WITH\n");
        self.push_steps(&mut sql);
        self.push_matched(&mut sql);
        self.push_turns(&mut sql);
        for k in 2..=self.steps.len() {
            self.push_filled(&mut sql, k);
        }
        self.push_reached(&mut sql);
        self.push_totals(&mut sql);
        self.push_result(&mut sql);
        sql
    }

    /// The part of the SQL that a kernel begins with: `marked`, with m1 … mn as truth values; without its WHERE if
    /// `all_rows`.
    pub fn marked_sql(&self, all_rows: bool) -> String {
        let known = if all_rows { String::new() } else { self.known() };
        self.marked("TRUE", "FALSE") + &known
    }

    /// The part of the SQL that a kernel leaves over: what comes behind `reached`, from a relation of that name.
    pub fn result_sql(&self) -> String {
        let mut sql = String::from("WITH\n");
        self.push_steps(&mut sql);
        self.push_totals(&mut sql);
        self.push_result(&mut sql);
        sql
    }

    fn entity(&self) -> String {
        self.entity.columns().join(", ")
    }

    fn each(&self, separator: &str, part: impl Fn(usize) -> String) -> String {
        (1..=self.steps.len()).map(part).collect::<Vec<_>>().join(separator)
    }

    /// `steps`: a row a step.
    fn push_steps(&self, sql: &mut String) {
        let rows = self.each("\n  UNION ALL ", |k| {
            format!("SELECT {k} AS step, '{}' AS name", self.steps[k - 1].name.replace('\'', "''"))
        });
        _ = write!(sql, "steps AS (\n  {rows}\n),\n");
    }

    /// Of every event whose and when it is, and as m1 … mn which steps it matches.
    fn marked(&self, yes: &str, no: &str) -> String {
        let marks = self.each(",\n", |k| {
            format!("    CASE WHEN {} THEN {yes} ELSE {no} END AS m{k}", self.steps[k - 1].condition)
        });
        format!("  SELECT\n    {},\n    epoch_us,\n{marks}\n  FROM events\n", self.entity())
    }

    /// The events that are somebody's and have a time.
    fn known(&self) -> String {
        let known: Vec<String> =
            self.entity.columns().iter().map(|name| format!("{name} IS NOT NULL")).collect();
        format!("  WHERE {} AND epoch_us IS NOT NULL\n", known.join(" AND "))
    }

    /// `matched`: the events that match a step; m1 … mn are 1 where they match, `match_rank` is the same for events that
    /// match the same steps and only for those.
    fn push_matched(&self, sql: &mut String) {
        _ = write!(
            sql,
            "marked AS (\n{marked}{known}),\n\
             matched AS (\n  SELECT\n    {entity},\n    epoch_us,\n    {all},\n    CASE{first} END AS first_step,\n    \
             {rank} AS match_rank\n  FROM marked\n  WHERE {any}\n),\n",
            marked = self.marked("1", "0"),
            known = self.known(),
            entity = self.entity(),
            all = self.each(", ", |k| format!("m{k}")),
            first = self.each("", |k| format!(" WHEN m{k} = 1 THEN {k}")),
            rank = self.each(" + ", |k| format!("m{k} * CAST({} AS DOUBLE)", (2f64).powi(k as i32 - 1))),
            any = self.each(" OR ", |k| format!("m{k} = 1")),
        );
    }

    fn running(&self, order: &str) -> String {
        let entity = self.entity();
        format!(
            "OVER (PARTITION BY {entity} ORDER BY {order} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
        )
    }

    /// `turns`: a row for each step that an event matches; `turn` numbers a visitor's. At the same moment the event whose
    /// first step is earlier comes first, then the one that matches fewer; those alike in all that are interchangeable.
    fn push_turns(&self, sql: &mut String) {
        _ = write!(
            sql,
            "placed AS (\n  SELECT\n    {entity},\n    epoch_us,\n    {all},\n    COUNT(*) {running} AS place\n  FROM matched\n),\n\
             turns AS (\n  SELECT\n    {entity},\n    epoch_us,\n    step,\n    place * {steps} - step AS turn,\n    \
             CASE WHEN step = 1 THEN epoch_us END AS c1\n  FROM placed CROSS JOIN steps\n  WHERE {matches}\n),\n",
            entity = self.entity(),
            all = self.each(", ", |k| format!("m{k}")),
            running = self.running("epoch_us, first_step, match_rank"),
            steps = self.steps.len(),
            matches = self.each(" OR ", |k| format!("(step = {k} AND m{k} = 1)")),
        );
    }

    /// `filled_k`: c_k is the entry of the chain in which a turn fills step k, q_k when step k−1 was last filled before it;
    /// s and l are the same of step k−1 for every turn.
    fn push_filled(&self, sql: &mut String, k: usize) {
        let before = k - 1;
        let source = if k == 2 { "turns".to_owned() } else { format!("filled_{before}") };
        let mut kept = format!("{}, epoch_us, step, turn, c1", self.entity());
        (2..k).for_each(|done| _ = write!(kept, ", c{done}, q{done}"));
        let running = self.running("turn");
        // The first step is filled at its entry's own time.
        let (last, filled) = if k == 2 {
            (String::new(), "s1".to_owned())
        } else {
            let time = format!("CASE WHEN c{before} IS NOT NULL THEN epoch_us END");
            (format!(",\n    MAX({time}) {running} AS l{before}"), format!("l{before}"))
        };
        let fills = format!("step = {k} AND epoch_us - s{before} <= {}", self.window);
        _ = write!(
            sql,
            "latest_{before} AS (\n  SELECT\n    {kept},\n    MAX(c{before}) {running} AS s{before}{last}\n  FROM {source}\n),\n\
             filled_{k} AS (\n  SELECT\n    {kept},\n    CASE WHEN {fills} THEN s{before} END AS c{k},\n    \
             CASE WHEN {fills} THEN {filled} END AS q{k}\n  FROM latest_{before}\n),\n"
        );
    }

    /// `reached`: a row a visitor; f_k is when step k was filled for the first time, b_k when the step before it last was
    /// before that.
    fn push_reached(&self, sql: &mut String) {
        let steps = self.steps.len();
        let source = if steps == 1 { "turns".to_owned() } else { format!("filled_{steps}") };
        let mut reached =
            self.each("", |k| format!(",\n    MIN(CASE WHEN c{k} IS NOT NULL THEN epoch_us END) AS f{k}"));
        (2..=steps).for_each(|k| _ = write!(reached, ",\n    MIN(q{k}) AS b{k}"));
        _ = write!(
            sql,
            "reached AS (\n  SELECT\n    {entity},\n    MAX(c1) AS entry{reached}\n  FROM {source}\n  GROUP BY {entity}\n),\n",
            entity = self.entity(),
        );
    }

    /// `totals`: one row.
    fn push_totals(&self, sql: &mut String) {
        let steps = self.steps.len();
        let mut totals = self.each(",\n", |k| format!("    CAST(COUNT(f{k}) AS BIGINT) AS visitors{k}"));
        for k in 2..=steps {
            let seconds = format!("CAST(f{k} - b{k} AS DOUBLE) / CAST(1000000 AS DOUBLE)");
            for (name, share) in [("median", 0.5), ("p90_", 0.9)] {
                _ = write!(totals, ",\n    quantile_cont({seconds}, {share}) AS {name}{k}");
            }
        }
        _ = write!(
            sql,
            "data_end AS (\n  SELECT MAX(epoch_us) AS end_us FROM events\n),\n\
             totals AS (\n  SELECT\n{totals},\n    \
             COALESCE(SUM(CAST(CASE WHEN f{steps} IS NULL AND end_us - entry < {window} THEN 1 ELSE 0 END AS BIGINT)), 0) AS immature\n  \
             FROM reached CROSS JOIN data_end\n),\n",
            window = self.window,
        );
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
             FROM steps CROSS JOIN totals\n)\n\
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
