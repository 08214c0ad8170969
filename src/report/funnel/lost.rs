//! From entities to the pages after a step: where those went who got there and not to the next one.
//!
//! Where each stopped stands among the pages that it viewed, all from the last to the first: then the page before that place
//! is the one that was viewed next.

use super::{Funnel, LEFT};
use std::fmt::Write;

/// Which events show where somebody went.
pub(super) const VIEW: &str = "is_page_view AND page IS NOT NULL";

impl Funnel {
    /// `went`: of each entity that stopped after this step, the page it went to and when the chain began that it left.
    pub(super) fn push_went(&self, sql: &mut String, step: usize) {
        let entity = self.entity();
        let next = |what: &str| {
            format!(
                "LAG({what}) OVER (PARTITION BY {entity} ORDER BY epoch_us DESC, stops DESC, page DESC) AS next_{what}"
            )
        };
        _ = write!(
            sql,
            "trail AS (\n  \
             SELECT {entity}, {no_value}epoch_us, 0 AS stops, page, CAST(0 AS BIGINT) AS entered\n  FROM events\n{known}    AND {VIEW}\n  \
             UNION ALL\n  \
             SELECT {entity}, {value}stopped AS epoch_us, 1 AS stops, '' AS page, entered\n  FROM reached\n  \
             WHERE f{step} IS NOT NULL AND f{then} IS NULL\n),\n\
             followed AS (\n  SELECT\n    {value}stops,\n    entered,\n    {next_time},\n    {next_page}\n  FROM trail\n),\n\
             went AS (\n  SELECT\n    {value}entered,\n    \
             CASE WHEN next_epoch_us - entered <= {window} THEN next_page ELSE '{LEFT}' END AS page\n  \
             FROM followed\n  WHERE stops = 1\n),\n",
            known = self.known(),
            then = step + 1,
            value = self.if_broken_down("breakdown, "),
            no_value = self.if_broken_down("'' AS breakdown, "),
            next_time = next("epoch_us"),
            next_page = next("page"),
            window = self.window,
        );
    }

    /// What comes behind `went`.
    pub(super) fn push_pages(&self, sql: &mut String) {
        Self::push_data_end(sql);
        let value = self.if_broken_down("breakdown, ");
        _ = write!(
            sql,
            "lost AS (\n  SELECT {whose}COUNT(*) AS lost_visitors\n  FROM went\n{grouped}),\n\
             pages AS (\n  SELECT {value}page, COUNT(*) AS visitors,\n    \
             SUM(CAST(CASE WHEN end_us - entered < {window} THEN 1 ELSE 0 END AS BIGINT)) AS immature\n  \
             FROM went CROSS JOIN data_end\n  GROUP BY {value}page\n)\n\
             SELECT\n  {value}page,\n  visitors,\n  CAST(visitors AS DOUBLE) / CAST(lost_visitors AS DOUBLE) AS share,\n  \
             immature{size}\nFROM pages {join}\nORDER BY {order}visitors DESC, page\n",
            whose = self.if_broken_down("breakdown AS whose, "),
            grouped = self.if_broken_down("  GROUP BY breakdown\n"),
            window = self.window,
            size = self.if_broken_down(",\n  lost_visitors"),
            join = if self.breakdown.is_some() {
                "INNER JOIN lost ON pages.breakdown = lost.whose"
            } else {
                "CROSS JOIN lost"
            },
            order = self.if_broken_down("lost_visitors DESC, breakdown, "),
        );
    }
}
