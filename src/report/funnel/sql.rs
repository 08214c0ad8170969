//! The funnel's SQL as far as `reached`, which has a row an entity.
//!
//! An event fills step k if a chain that ends in it does. An event is split into a *turn* for each step that it matches,
//! the last step first, so that it cannot follow itself. Per entity, turn after turn: `c_k` of a turn of step k is the
//! latest entry of the chains that fill step k in it. That is the running maximum of `c_{k−1}`, if it is within the window;
//! `c_1` is the event's own time. What may not come between two turns is no matter of maxima but of partitions: it divides
//! the turns that the maximum runs over.
//!
//! The later an event fills step k, the later are its `c_k` and the last time before it that step k−1 was filled. So both
//! are least where step k is filled first and greatest where it is filled last.
//!
//! Polars computes a CTE anew for every place that names it, so each of the large ones is named once (`marked` twice where
//! a breakdown needs it).

use super::{Entry, Funnel};
use std::fmt::Write;
use std::ops::RangeInclusive;

impl Funnel {
    /// The funnel's SQL. Its result has the report's columns and behind them others. The sum of one of these, `immature`,
    /// is how many of the entrants who did not get to the end (with `lost_after`: of the lost) still had time when the data
    /// ended: the window since their latest entry was open, whatever may have come between since.
    pub fn sql(&self) -> String {
        let mut sql = String::from("WITH\n");
        self.push_steps(&mut sql);
        self.push_matched(&mut sql);
        self.push_placed(&mut sql);
        self.push_turns(&mut sql);
        for k in 2..=self.steps.len() {
            self.push_filled(&mut sql, k);
        }
        self.push_reached(&mut sql);
        match self.lost_after {
            None => self.push_totals(&mut sql),
            Some(step) => {
                self.push_went(&mut sql, step);
                self.push_pages(&mut sql);
            }
        }
        sql
    }

    /// The part of the SQL that a kernel begins with: `marked`, with m1 … mn (behind them that of what is excluded) as
    /// truth values, and if lost ones are asked for with the page that was viewed as `viewed`; without its WHERE if
    /// `all_rows`.
    pub fn marked_sql(&self, all_rows: bool) -> String {
        let viewed = self
            .lost_after
            .map(|_| format!(",\n    CASE WHEN {} THEN page END AS viewed", super::lost::VIEW));
        let known = if all_rows { String::new() } else { self.known() };
        self.marked("TRUE", "FALSE", &viewed.unwrap_or_default()) + &known
    }

    /// The events that match a step, or what is excluded.
    pub fn matches_sql(&self) -> String {
        let steps = self.steps.iter().map(|step| &step.condition);
        let any: Vec<String> = steps.chain(&self.exclude).map(|condition| format!("({condition})")).collect();
        format!("SELECT epoch_us FROM events\n{}    AND ({})\n", self.known(), any.join(" OR "))
    }

    /// The part of the SQL that a kernel leaves over: what comes behind `reached` (of which it needs no entity), or, if
    /// lost ones are asked for, behind `went`; from a relation of that name.
    pub fn result_sql(&self) -> String {
        let mut sql = String::from("WITH\n");
        if self.lost_after.is_some() {
            self.push_pages(&mut sql);
        } else {
            self.push_steps(&mut sql);
            self.push_totals(&mut sql);
        }
        sql
    }

    pub(super) fn entity(&self) -> String {
        self.entity.columns().join(", ")
    }

    pub(super) fn each(&self, separator: &str, part: impl Fn(usize) -> String) -> String {
        (1..=self.steps.len()).map(part).collect::<Vec<_>>().join(separator)
    }

    /// This part of the SQL, if there is a breakdown.
    pub(super) fn if_broken_down(&self, part: &'static str) -> &'static str {
        if self.breakdown.is_some() { part } else { "" }
    }

    /// How many marks an event has: one a step, and one that it is excluded.
    fn marks(&self) -> usize {
        self.steps.len() + usize::from(!self.exclude.is_empty())
    }

    fn each_mark(&self, separator: &str, part: impl Fn(usize) -> String) -> String {
        (1..=self.marks()).map(part).collect::<Vec<_>>().join(separator)
    }

    /// `steps`: a row a step.
    fn push_steps(&self, sql: &mut String) {
        let rows = self.each("\n  UNION ALL ", |k| {
            format!("SELECT {k} AS step, '{}' AS name", self.steps[k - 1].name.replace('\'', "''"))
        });
        _ = write!(sql, "steps AS (\n  {rows}\n),\n");
    }

    /// Of every event whose and when it is, its marks m1 … (which steps it matches, and behind them whether it is
    /// excluded), and its value.
    fn marked(&self, yes: &str, no: &str, more: &str) -> String {
        let excluded: Vec<String> = self.exclude.iter().map(|condition| format!("({condition})")).collect();
        let excluded = excluded.join(" OR ");
        let marks = self.each_mark(",\n", |k| {
            let condition = self.steps.get(k - 1).map_or(&excluded, |step| &step.condition);
            format!("    CASE WHEN {condition} THEN {yes} ELSE {no} END AS m{k}")
        });
        let value =
            |column: &String| format!(",\n    COALESCE(CAST({column} AS STRING), '(none)') AS breakdown");
        let value = self.breakdown.as_ref().map(value).unwrap_or_default();
        format!("  SELECT\n    {},\n    epoch_us,\n{marks}{value}{more}\n  FROM events\n", self.entity())
    }

    /// The events that are somebody's and have a time.
    pub(super) fn known(&self) -> String {
        let known: Vec<String> =
            self.entity.columns().iter().map(|name| format!("{name} IS NOT NULL")).collect();
        format!("  WHERE {} AND epoch_us IS NOT NULL\n", known.join(" AND "))
    }

    /// `matched`: the events that have a mark; m1 … are 1 where they have it, `match_rank` is the same for events that
    /// have the same marks and only for those.
    fn push_matched(&self, sql: &mut String) {
        _ = write!(
            sql,
            "marked AS (\n{marked}{known}),\n\
             matched AS (\n  SELECT\n    {entity},\n    epoch_us,\n    {all},\n    CASE{first} END AS first_step,\n    \
             {rank} AS match_rank\n  FROM marked\n  WHERE {any}\n),\n",
            marked = self.marked("1", "0", ""),
            known = self.known(),
            entity = self.entity(),
            all = self.each_mark(", ", |k| format!("m{k}")),
            first = self.each_mark("", |k| format!(" WHEN m{k} = 1 THEN {k}")),
            rank = self.each_mark(" + ", |k| format!("m{k} * CAST({} AS DOUBLE)", (2f64).powi(k as i32 - 1))),
            any = self.each_mark(" OR ", |k| format!("m{k} = 1")),
        );
    }

    fn running(&self, more_keys: &str, order: &str) -> String {
        let entity = self.entity();
        format!(
            "OVER (PARTITION BY {entity}{more_keys} ORDER BY {order} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
        )
    }

    /// `placed`: `place` numbers an entity's events.
    fn push_placed(&self, sql: &mut String) {
        _ = write!(
            sql,
            "placed AS (\n  SELECT\n    {entity},\n    epoch_us,\n    {all},\n    COUNT(*) {running} AS place\n  FROM matched\n),\n",
            entity = self.entity(),
            all = self.each_mark(", ", |k| format!("m{k}")),
            running = self.running("", "epoch_us, first_step, match_rank"),
        );
        if self.is_divided() {
            self.push_divided(sql);
        }
    }

    fn is_divided(&self) -> bool {
        self.entry == Entry::First || self.strict_order || !self.exclude.is_empty()
    }

    /// `divided`: up to and with an event, `entrances` counts the matches of the first step, `cuts` the excluded events, and
    /// `others_k` those that do not match step k.
    fn push_divided(&self, sql: &mut String) {
        let running = self.running("", "place");
        let mut counts = String::new();
        let mut count = |what: &str, name: &str| {
            _ = write!(counts, ",\n    SUM(CAST({what} AS BIGINT)) {running} AS {name}");
        };
        if self.entry == Entry::First {
            count("m1", "entrances");
        }
        if !self.exclude.is_empty() {
            count(&format!("m{}", self.marks()), "cuts");
        }
        if self.strict_order {
            (2..=self.steps.len()).for_each(|k| count(&format!("1 - m{k}"), &format!("others_{k}")));
        }
        _ = write!(
            sql,
            "divided AS (\n  SELECT\n    {entity},\n    epoch_us,\n    {all},\n    place{counts}\n  FROM placed\n),\n",
            entity = self.entity(),
            all = self.each_mark(", ", |k| format!("m{k}")),
        );
    }

    /// What divides the turns between which a chain may go, behind a comma each. What is excluded ends a piece and begins
    /// one; in strict order, what does not match step k begins a part that only chains to step k may not leave.
    fn dividers(&self, piece: &str, steps: RangeInclusive<usize>) -> String {
        let piece = (!self.exclude.is_empty()).then(|| format!(", {piece}"));
        let others = steps.filter(|_| self.strict_order).map(|k| format!(", others_{k}"));
        piece.into_iter().chain(others).collect()
    }

    /// `turns`: a row for each step that an event matches; `turn` numbers an entity's.
    fn push_turns(&self, sql: &mut String) {
        // What is excluded may end a chain of the piece before it and begin one of the piece behind it.
        let piece = format!("CASE WHEN step = 1 THEN cuts ELSE cuts - m{} END AS piece", self.marks());
        _ = write!(
            sql,
            "turns AS (\n  SELECT\n    {entity},\n    epoch_us,\n    step,\n    place * {steps} - step AS turn{dividers},\n    \
             CASE WHEN step = 1{begins} THEN epoch_us END AS c1\n  FROM {source} CROSS JOIN steps\n  WHERE {matches}\n),\n",
            entity = self.entity(),
            steps = self.steps.len(),
            dividers = self.dividers(&piece, 2..=self.steps.len()),
            begins = if self.entry == Entry::First { " AND entrances = 1" } else { "" },
            source = if self.is_divided() { "divided" } else { "placed" },
            matches = self.each(" OR ", |k| format!("(step = {k} AND m{k} = 1)")),
        );
    }

    /// `filled_k`: c_k is the latest entry of the chains that fill step k in a turn, q_k when step k−1 was last filled
    /// before it; s and l are the same of step k−1 for every turn.
    fn push_filled(&self, sql: &mut String, k: usize) {
        let before = k - 1;
        let source = if k == 2 { "turns".to_owned() } else { format!("filled_{before}") };
        let mut kept = format!(
            "{}, epoch_us, step, turn{}, c1",
            self.entity(),
            self.dividers("piece", k..=self.steps.len())
        );
        (2..k).for_each(|done| _ = write!(kept, ", c{done}, q{done}"));
        let running = self.running(&self.dividers("piece", k..=k), "turn");
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
}
