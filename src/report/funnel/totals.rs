//! From entities to the result: a row a step, or a row a step for each value of a breakdown.

use super::Funnel;
use std::fmt::Write;

impl Funnel {
    /// `data_end`: one row.
    pub(super) fn push_data_end(sql: &mut String) {
        *sql += "data_end AS (\n  SELECT MAX(epoch_us) AS end_us FROM events\n),\n";
    }

    /// What comes behind `steps` and `reached`.
    pub(super) fn push_totals(&self, sql: &mut String) {
        Self::push_data_end(sql);
        self.push_sums(sql);
        self.push_result(sql);
    }

    /// `totals`: one row, or one a value.
    fn push_sums(&self, sql: &mut String) {
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
            "totals AS (\n  SELECT\n{value}{totals},\n    \
             COALESCE(SUM(CAST(CASE WHEN f{steps} IS NULL AND end_us - entry < {window} THEN 1 ELSE 0 END AS BIGINT)), 0) AS immature\n  \
             FROM reached CROSS JOIN data_end\n{grouped}),\n",
            value = self.if_broken_down("    breakdown,\n"),
            window = self.window,
            grouped = self.if_broken_down("  GROUP BY breakdown\n"),
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
            "counted AS (\n  SELECT {value}step, name, {visitors} AS visitors, {before} AS visitors_before, visitors1,\n    \
             {median} AS median_seconds, {p90} AS p90_seconds, immature\n  \
             FROM steps CROSS JOIN totals\n)\n\
             SELECT\n  {value}step,\n  name,\n  visitors,\n  \
             CASE WHEN visitors1 > 0 THEN CAST(visitors AS DOUBLE) / CAST(visitors1 AS DOUBLE) END AS conversion,\n  \
             CASE WHEN visitors_before > 0 THEN CAST(visitors AS DOUBLE) / CAST(visitors_before AS DOUBLE) END AS step_conversion,\n  \
             visitors_before - visitors AS dropped,\n  median_seconds,\n  p90_seconds,\n  \
             CASE WHEN step = 1 THEN immature ELSE 0 END AS immature{entrants}\nFROM counted\nORDER BY {order}step\n",
            value = self.if_broken_down("breakdown, "),
            visitors = pick("visitors", 1, 0),
            median = pick("median", 2, 0),
            p90 = pick("p90_", 2, 0),
            entrants = self.if_broken_down(",\n  visitors1 AS entrants"),
            order = self.if_broken_down("entrants DESC, breakdown, "),
        );
    }
}
