//! From turns to entities: how far each got, and what its value was.

use super::Funnel;

impl Funnel {
    /// `reached`: a row an entity. `entry` is when its last chain began, f_k when step k was filled first, b_k when the step
    /// before it last was before that; `stopped` and `entered` are when the step that lost ones are asked of was filled last
    /// and when that chain began. By way of `walked` if there is a breakdown.
    pub(super) fn push_reached(&self, sql: &mut String) {
        let steps = self.steps.len();
        let source = if steps == 1 { "turns".to_owned() } else { format!("filled_{steps}") };
        let time = |k: usize| format!("CASE WHEN c{k} IS NOT NULL THEN epoch_us END");
        let mut columns = vec![("entry".to_owned(), "MAX(c1)".to_owned())];
        columns.extend((1..=steps).map(|k| (format!("f{k}"), format!("MIN({})", time(k)))));
        columns.extend((2..=steps).map(|k| (format!("b{k}"), format!("MIN(q{k})"))));
        if let Some(step) = self.lost_after {
            columns.push(("stopped".into(), format!("MAX({})", time(step))));
            columns.push(("entered".into(), format!("MAX(c{step})")));
        }
        let names: Vec<String> = columns.iter().map(|(name, _)| name.clone()).collect();
        let relation = if self.breakdown.is_some() {
            // When the first of the chains that got furthest began.
            let furthest: Vec<String> = (1..=steps).rev().map(|k| format!("MIN(c{k})")).collect();
            columns.push(("began".into(), format!("COALESCE({})", furthest.join(", "))));
            "walked"
        } else {
            "reached"
        };
        let list: String = columns.iter().map(|(name, value)| format!(",\n    {value} AS {name}")).collect();
        let entity = self.entity();
        *sql += &format!(
            "{relation} AS (\n  SELECT\n    {entity}{list}\n  FROM {source}\n  GROUP BY {entity}\n),\n"
        );
        if self.breakdown.is_some() {
            self.push_valued(sql, &names);
        }
    }

    /// `reached` from `walked`, which has these columns, and the values of the matches of the first step.
    fn push_valued(&self, sql: &mut String, names: &[String]) {
        let entity = |separator: &str, part: &dyn Fn(&str) -> String| {
            self.entity.columns().iter().map(|name| part(name)).collect::<Vec<_>>().join(separator)
        };
        let whose = entity(", ", &|name| format!("walked.{name}"));
        let same = entity(" AND ", &|name| format!("walked.{name} = marked.{name}"));
        let list: String = names.iter().map(|name| format!(",\n    MIN(walked.{name}) AS {name}")).collect();
        *sql += &format!(
            "reached AS (\n  SELECT\n    {whose}{list},\n    MIN(marked.breakdown) AS breakdown\n  \
             FROM walked INNER JOIN marked ON {same} AND walked.began = marked.epoch_us\n  \
             WHERE marked.m1 = 1\n  GROUP BY {whose}\n),\n"
        );
    }
}
