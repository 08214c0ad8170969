//! The funnel: ordered steps within a window. What its options mean, and (in the files below) its SQL, which is generated
//! because its shape depends on them. Knows nothing of engines and of the command line.
//!
//! A *chain* is one event a step, for the first so many steps, all of one entity, one behind the other. An entity has got
//! as far as its longest chain. A chain
//! - ends at most the window later than it began, at its *entry*;
//! - begins with any match of the first step, or ([`Entry::First`]) with the entity's first one;
//! - with [`Funnel::strict_order`] has nothing but the next step between its events: an event there that matches steps
//!   must match the one that ends the gap. So steps may be repeated (not the first one, if only the entity's first match
//!   begins) but neither skipped nor gone back to; an event that matches no step is no hindrance;
//! - has no event that one of [`Funnel::exclude`] matches between its entry and its last event. The two ends themselves may
//!   match it.
//!
//! An event is behind another one if it is later. At the same moment it is behind those whose first step is earlier; then
//! behind those whose last step is earlier, and so on backwards through the steps. To be excluded counts as a step behind
//! all others. Events alike in all that are interchangeable.

mod lost;
mod reached;
mod sql;
mod totals;

use super::header::ResultColumn;
use super::words::with_comments_removed;
use crate::error::{Error, did_you_mean};
use crate::schema::{self, Type};

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

/// Which matches of the first step begin a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Entry {
    /// Each. Of several chains that get equally far, the one that began latest counts.
    #[default]
    Any,
    /// The entity's first.
    First,
}

/// What a funnel asks.
#[derive(Debug, Clone)]
pub struct Funnel {
    /// In order; at least one.
    pub steps: Vec<Step>,
    /// The longest time from the entry to a step, microseconds, inclusive.
    pub window: i64,
    /// Whose events belong together.
    pub entity: Entity,
    /// What begins a chain.
    pub entry: Entry,
    /// Whether nothing but the next step may come between two steps.
    pub strict_order: bool,
    /// SQL conditions: what one of them matches may not come between entry and last step.
    pub exclude: Vec<String>,
    /// A column by whose value the result is broken down. The value of an entity is the one at the entry of the chain that
    /// was first to get as far as it got: as text, `(none)` for null, and of several matches of the first step at that
    /// moment the first in the order of texts.
    pub breakdown: Option<String>,
    /// The number of a step that is not the last: instead of how far all got, the pages to which those went who got there
    /// and not to the next step. From the last time that they were there: the page that the entity viewed next (later, not
    /// at the same moment; of several at one moment the first in the order of texts) within the window from the entry, or
    /// [`LEFT`].
    pub lost_after: Option<usize>,
}

/// The page of those who viewed none.
pub const LEFT: &str = "(left)";

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
            entry: Entry::default(),
            strict_order: false,
            exclude: Vec::new(),
            breakdown: None,
            lost_after: None,
        }
    }
}

impl Step {
    /// Reads `name: SQL condition`.
    ///
    /// # Errors
    /// `Error::Usage` where a part is missing.
    pub fn parse(text: &str) -> Result<Step, Error> {
        let wrong = || {
            Error::Usage(format!(
                "--step '{text}' is not 'name: SQL condition', such as --step \"view: event_type = 'view'\""
            ))
        };
        let (name, condition) = text.split_once(':').ok_or_else(wrong)?;
        let (name, condition) = (name.trim(), with_comments_removed(condition).trim().to_owned());
        if name.is_empty() || condition.is_empty() {
            return Err(wrong());
        }
        Ok(Step { name: name.into(), condition })
    }
}

impl Funnel {
    /// Breaks the result down by this column.
    ///
    /// # Errors
    /// `Error::Usage` if there is no such column.
    pub fn break_down_by(&mut self, column: &str) -> Result<(), Error> {
        if schema::column(column).is_none() {
            let near = did_you_mean(column, schema::names());
            let near = if near.is_empty() { "; 'loganalyze schema' lists them".to_owned() } else { near };
            return Err(Error::Usage(format!("--breakdown '{column}' is no column of events{near}")));
        }
        self.breakdown = Some(column.into());
        Ok(())
    }

    /// Asks for the pages after this step: its name, or else its number, or else the beginning of its name and of no other.
    ///
    /// # Errors
    /// `Error::Usage` if there is no such step, more than one, or none behind it.
    pub fn lose_after(&mut self, text: &str) -> Result<(), Error> {
        let numbered = |is: &dyn Fn(&str) -> bool| -> Vec<usize> {
            (1..=self.steps.len()).filter(|k| is(&self.steps[k - 1].name)).collect()
        };
        let mut found = numbered(&|name| name == text);
        if found.is_empty() {
            found.extend(text.parse().ok().filter(|number| (1..=self.steps.len()).contains(number)));
        }
        if found.is_empty() && !text.is_empty() {
            found = numbered(&|name| name.starts_with(text));
        }
        let wrong = |why: String| Err(Error::Usage(format!("--lost-after '{text}' {why}")));
        let names = || self.steps.iter().map(|step| step.name.as_str());
        match found[..] {
            [] => {
                let near = did_you_mean(text, names());
                wrong(format!("is no step{near}: the steps are {}", names().collect::<Vec<_>>().join(", ")))
            }
            [step] if step == self.steps.len() => {
                wrong("is the last step: nobody is lost there, name an earlier one".into())
            }
            [step] => {
                self.lost_after = Some(step);
                Ok(())
            }
            _ => {
                wrong(format!("may be several steps: say the number of one, from 1 to {}", self.steps.len()))
            }
        }
    }

    /// Every SQL condition in it, with the option that says it.
    pub fn conditions(&self) -> impl Iterator<Item = (String, &str)> {
        let step = |Step { name, condition }: &Step| format!("--step '{name}: {condition}'");
        let steps = self.steps.iter().map(move |each| (step(each), each.condition.as_str()));
        steps.chain(self.exclude.iter().map(|each| (format!("--exclude '{each}'"), each.as_str())))
    }

    /// The column that the result has before the others.
    pub fn breakdown_column(&self) -> Option<ResultColumn> {
        let meaning =
            format!("{}, when the visitor's chain began; (none) where it was null", self.breakdown.as_ref()?);
        Some(ResultColumn { name: "breakdown".into(), kind: Type::Text, meaning })
    }
}
