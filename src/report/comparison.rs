//! A report over one period beside the same report over another: which of its columns are compared, and which columns that
//! gives. Knows neither rows nor times.

use super::{Header, Report, ResultColumn};
use crate::error::{Error, did_you_mean};
use crate::schema::Type;

/// Which columns of a report are compared, and by which its rows are known again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The columns that tell rows apart.
    pub key: Vec<ResultColumn>,
    /// The texts beside the key, such as names.
    pub labels: Vec<ResultColumn>,
    /// The numbers that are compared, in the order in which they are shown.
    pub metrics: Vec<ResultColumn>,
}

/// What stands behind key and labels in the result, with its meaning.
const RESULT: [(&str, &str); 5] = [
    ("metric", "the report's column that is compared"),
    (
        "value",
        "what it is in this period; 0 for a count of a row that is only in the period before, else empty",
    ),
    (
        "before",
        "what it was in the period before; 0 for a count of a row that is only in this one, else empty",
    ),
    ("change", "value - before"),
    ("change_rate", "change / before, as a fraction; empty where before is 0 or empty"),
];

impl Comparison {
    /// The comparison of these metrics of a report; of none, the one that its chart draws; of `all`, every number that is
    /// no key.
    ///
    /// # Errors
    /// `Error::Usage` for a metric that the report does not have, or a report that cannot be compared.
    pub fn of(report: &Report, asked: &[&str]) -> Result<Comparison, Error> {
        let Header { name, columns, key, .. } = &report.header;
        if key.is_empty() {
            return Err(Error::Usage(format!(
                "{name} does not say which columns tell its rows apart: add '-- columns: …' and '-- key: …' to its header"
            )));
        }
        let (keys, others): (Vec<_>, Vec<_>) =
            columns.iter().cloned().partition(|column| key.contains(&column.name));
        let (numbers, others): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|column| matches!(column.kind, Type::Bigint | Type::Double));
        let labels: Vec<_> = others.into_iter().filter(|column| column.kind == Type::Text).collect();
        if let Some(column) = keys.iter().chain(&labels).find(|column| is_result(&column.name)) {
            return Err(Error::Usage(format!(
                "the result of a comparison has a column '{}' of its own: {name} must call its own differently",
                column.name
            )));
        }
        let metrics = metrics(&report.header, &numbers, asked)?;
        Ok(Comparison { key: keys, labels, metrics })
    }

    /// The type of `value`, `before` and `change`: bigint if all metrics are counts.
    pub fn kind(&self) -> Type {
        if self.metrics.iter().all(|metric| metric.kind == Type::Bigint) {
            Type::Bigint
        } else {
            Type::Double
        }
    }

    /// What the header of the comparison of this report would say.
    pub fn header(&self, of: &Header) -> Header {
        let result = RESULT.map(|(name, meaning)| {
            let kind = match name {
                "metric" => Type::Text,
                "change_rate" => Type::Double,
                _ => self.kind(),
            };
            ResultColumn { name: name.into(), kind, meaning: meaning.into() }
        });
        let names = self.key.iter().map(|column| column.name.clone());
        Header {
            name: format!("compare-{}", of.name),
            title: format!("{}, this period against the one before", of.title),
            group: of.group.clone(),
            columns: self.key.iter().chain(&self.labels).cloned().chain(result).collect(),
            key: names.chain(["metric".to_owned()]).collect(),
            top: of.top,
            ..Header::default()
        }
    }

    /// Whether rows are known again by a day or a time.
    pub fn has_times(&self) -> bool {
        self.key.iter().any(|column| matches!(column.kind, Type::Date | Type::Timestamp))
    }
}

/// Those of these numbers that are asked for, or else the one that the report's chart draws.
fn metrics(header: &Header, numbers: &[ResultColumn], asked: &[&str]) -> Result<Vec<ResultColumn>, Error> {
    let number = |name: &str| numbers.iter().find(|column| column.name == name);
    let Header { name, chart, .. } = header;
    let metrics: Vec<ResultColumn> = match asked {
        ["all"] => numbers.to_vec(),
        [] => {
            let drawn = chart.iter().flat_map(|chart| chart.split_whitespace()).find_map(number);
            drawn.or(numbers.first()).into_iter().cloned().collect()
        }
        _ => {
            let unknown = |metric: &str| {
                let names: Vec<&str> = numbers.iter().map(|column| column.name.as_str()).collect();
                let near = did_you_mean(metric, names.iter().copied());
                Error::Usage(format!("{name} has no metric '{metric}'{near}: it has {}", names.join(", ")))
            };
            let metric = |name: &&str| number(name).cloned().ok_or_else(|| unknown(name));
            asked.iter().map(metric).collect::<Result<_, _>>()?
        }
    };
    if metrics.is_empty() {
        return Err(Error::Usage(format!("{name} has no number that could be compared")));
    }
    Ok(metrics)
}

fn is_result(name: &str) -> bool {
    RESULT.iter().any(|(known, _)| *known == name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::report::{find, parse};

    fn names(columns: &[ResultColumn]) -> Vec<&str> {
        columns.iter().map(|column| column.name.as_str()).collect()
    }

    #[test]
    fn the_metric_is_what_the_chart_draws_or_what_is_asked_for() {
        let report = find("product-views").unwrap();
        let drawn = Comparison::of(&report, &[]).unwrap();
        assert_eq!((names(&drawn.key), names(&drawn.labels)), (vec!["product_id"], vec!["product_name"]));
        assert_eq!((names(&drawn.metrics), drawn.kind()), (vec!["views"], Type::Bigint));
        let all = Comparison::of(&report, &["all"]).unwrap();
        assert_eq!((all.metrics.len(), all.kind()), (6, Type::Double));
        let some = Comparison::of(&report, &["users", "views"]).unwrap();
        assert_eq!(names(&some.metrics), ["users", "views"]);
        assert_eq!(
            names(&some.header(&report.header).columns),
            ["product_id", "product_name", "metric", "value", "before", "change", "change_rate"]
        );
    }

    #[test]
    fn what_cannot_be_compared_is_said() {
        for (text, asked, said) in [
            ("-- a: b\n-- columns: page text, n bigint\n-- key: page\n", &["m"][..], "'m'"),
            ("-- a: b\n-- columns: page text, n bigint\n", &[], "-- key"),
            ("-- a: b\n-- columns: page text\n-- key: page\n", &[], "no number"),
            ("-- a: b\n-- columns: metric text, n bigint\n-- key: metric\n", &[], "'metric'"),
        ] {
            let error = Comparison::of(&parse(text).unwrap(), asked).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
