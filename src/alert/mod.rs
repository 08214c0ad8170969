//! Rules that look at results, what fires, and to whom it is told. Knows neither where results come from nor when the rules
//! are asked.

mod deliver;
mod escape;
mod evaluate;
mod mail;
mod message;
mod when;

pub use deliver::{Channel, Form};
pub use evaluate::{Facts, evaluate, number};
pub use mail::{Mail, address};
pub use when::{Left, Op, Right, When};

use crate::error::Error;
use crate::report::ResultColumn;
use serde::{Deserialize, Serialize};

/// A rule: which report it looks at, when it fires, and how bad that is.
#[derive(Debug, Clone)]
pub struct Rule {
    /// What it is called.
    pub name: String,
    /// The report that it looks at; without one, the day's lines.
    pub report: Option<String>,
    /// When it fires.
    pub when: When,
    /// The same as it was typed.
    pub condition: String,
    /// `info`, `warning` or `critical`.
    pub severity: String,
}

impl Rule {
    /// Whether the condition suits what the rule looks at.
    ///
    /// # Errors
    /// `Error::Usage` for a column that the report does not have, or that cannot be compared so.
    pub fn check(&self, columns: Option<&[ResultColumn]>) -> Result<(), Error> {
        self.when.check(self.report.as_deref().zip(columns))
    }
}

/// A rule that fired for a day. Its texts may hold what stood in the logs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fired {
    /// The rule's name.
    pub name: String,
    /// How bad it is.
    pub severity: String,
    /// The report, if the rule looks at one.
    pub report: Option<String>,
    /// The day, such as `2025-03-10`.
    pub date: String,
    /// The condition as it was typed.
    pub condition: String,
    /// What was found, in words.
    pub what: String,
    /// The first row that it was found in: log text.
    pub example: Option<String>,
    /// When it fired first: seconds since 1970.
    pub since: i64,
}

impl Fired {
    /// What tells it from all others: it is told once.
    pub fn id(&self) -> String {
        format!("{}/{}", self.name, self.date)
    }
}
