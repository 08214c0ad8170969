//! The list of reports: each a file under `queries/`, whose header says what it is, which columns it promises and
//! what they mean. Knows nothing of engines, files and outputs.

mod comparison;
mod file;
mod funnel;
mod header;
mod params;
mod statements;
mod words;

pub use comparison::Comparison;
pub use file::parse_file;
pub use funnel::{Entity, Entry, Funnel, LEFT, Step};
pub use header::{Header, ResultColumn, parse};
pub use params::{Param, ParamType, duration, marked};
pub use statements::{Query, queries, statements};
pub use words::{columns_of, columns_within, relation_of, with_comments_removed};

use crate::error::{Error, did_you_mean};

/// The queries that come with the program. A new report is its file and a line here.
const QUERIES: &[&str] = &[
    include_str!("../../queries/event-counts.sql"),
    include_str!("../../queries/product-views.sql"),
    include_str!("../../queries/hourly-activity.sql"),
    include_str!("../../queries/hourly-activity-hour-of-day.sql"),
    include_str!("../../queries/hourly-activity-weekday-hour.sql"),
    include_str!("../../queries/funnel.sql"),
    include_str!("../../queries/funnel-lost-after.sql"),
    include_str!("../../queries/audience.sql"),
    include_str!("../../queries/conversion.sql"),
    include_str!("../../queries/sessions.sql"),
    include_str!("../../queries/top-pages.sql"),
    include_str!("../../queries/entry-exit.sql"),
    include_str!("../../queries/paths.sql"),
    include_str!("../../queries/search-terms.sql"),
    include_str!("../../queries/categories.sql"),
    include_str!("../../queries/cart.sql"),
    include_str!("../../queries/referrers.sql"),
    include_str!("../../queries/retention.sql"),
    include_str!("../../queries/dwell.sql"),
    include_str!("../../queries/endpoints.sql"),
    include_str!("../../queries/slow-requests.sql"),
    include_str!("../../queries/traffic.sql"),
    include_str!("../../queries/errors.sql"),
    include_str!("../../queries/error-pages.sql"),
    include_str!("../../queries/logins.sql"),
    include_str!("../../queries/login-incidents.sql"),
    include_str!("../../queries/app-levels.sql"),
    include_str!("../../queries/app-errors.sql"),
];

/// A report: what its file's header says, and its SQL.
#[derive(Debug, Clone)]
pub struct Report {
    /// What the header says.
    pub header: Header,
    /// The SQL below the header; empty for a report whose SQL is generated.
    pub sql: String,
}

impl Report {
    /// The SQL with these values of parameters, each as the user typed it; the others keep their defaults.
    ///
    /// # Errors
    /// `Error::Usage` for a value of a wrong type, or too large beside another.
    pub fn bound<'a>(&self, value: impl Fn(&Param) -> Option<&'a String>) -> Result<String, Error> {
        let mut literals = Vec::new();
        for param in &self.header.params {
            if let Some(value) = value(param) {
                literals.push((param.name.as_str(), param.literal(value)?));
            }
        }
        let sql = params::bind(&self.sql, &literals)?;
        if let Some((large, times, small)) = &self.header.at_most {
            let value = |name| {
                let literal = marked(&sql).find(|(known, _)| known == name).map(|(_, literal)| literal);
                literal.and_then(|literal| literal.parse::<i64>().ok())
            };
            if value(large) > value(small).map(|value| value.saturating_mul(*times)) {
                let wrong = format!(
                    "--{large} is more than {times} times --{small}: make it shorter, or --{small} longer"
                );
                return Err(Error::Usage(wrong));
            }
        }
        Ok(sql)
    }
}

/// All reports, in the order of the catalogue.
///
/// # Errors
/// Never for the files that come with the program: a test parses them all.
pub fn all() -> Result<Vec<Report>, Error> {
    QUERIES.iter().map(|text| parse(text)).collect()
}

/// The report of this name.
///
/// # Errors
/// `Error::Usage`, with the name that was perhaps meant.
pub fn find(name: &str) -> Result<Report, Error> {
    let head = format!("-- {name}:");
    match QUERIES.iter().find(|text| text.starts_with(&head)) {
        Some(text) => parse(text),
        None => {
            let reports = all()?;
            let near = did_you_mean(name, reports.iter().map(|report| report.header.name.as_str()));
            Err(Error::Usage(format!("no report is called '{name}'{near}")))
        }
    }
}
