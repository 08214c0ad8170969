//! What a command asks for: the words of the command line become questions. Knows nothing of how they are answered.

use super::args::value;
use super::{describe, quality};
use crate::engine::polars as engine;
use crate::error::Error;
use crate::report::{self, Entity, Funnel, Report, Step, columns_of};
use crate::scan::wanted::Wanted;
use clap::ArgMatches;

/// What a command asks for.
pub struct Question {
    /// The name of the result.
    pub name: String,
    /// The report, if it is one.
    pub report: Option<Report>,
    /// The SQL, empty for `quality`.
    pub sql: String,
    /// The funnel that the SQL is of, if it is one.
    pub funnel: Option<Funnel>,
    pub wanted: Wanted,
}

impl Question {
    /// The one that is no SQL.
    pub fn is_quality(&self) -> bool {
        self.name == "quality"
    }
}

/// What the words behind this command ask for: one question, or of `report` several.
///
/// # Errors
/// `Error::Usage` or `Error::Query` where they make no sense.
pub fn questions(name: &str, matches: &ArgMatches) -> Result<Vec<Question>, Error> {
    if name != "report" {
        return Ok(vec![question(name, matches)?]);
    }
    let mut questions = Vec::new();
    for report in report::all()?.iter().filter(|report| report.header.variant_of.is_none()) {
        questions.push(question(&report.header.name, matches)?);
    }
    let Some(only) = matches.get_many::<String>("only") else { return Ok(questions) };
    let only: Vec<_> = only.collect();
    questions.retain(|question| only.contains(&&question.name));
    Ok(questions)
}

fn question(name: &str, matches: &ArgMatches) -> Result<Question, Error> {
    let of_sql = |report: Option<Report>, sql: String| {
        let wanted = Wanted::of(columns_of(&sql));
        Question { name: name.into(), report, sql, funnel: None, wanted }
    };
    if name == "quality" {
        let wanted = Wanted::of(quality::SOURCES);
        return Ok(Question { name: name.into(), report: None, sql: String::new(), funnel: None, wanted });
    }
    if name == "sql" {
        return Ok(of_sql(None, value(matches, "query").cloned().unwrap_or_default()));
    }
    let mut report = report::find(name)?;
    if let Some((option, _)) = &report.header.variants
        && let Some(variant) = value(matches, option)
    {
        report = report::find(&format!("{name}-{variant}"))?;
    }
    if name == "funnel" {
        let funnel = asked_funnel(matches)?;
        let question = of_sql(Some(report), funnel.sql());
        return Ok(Question { funnel: Some(funnel), ..question });
    }
    let sql = report.bound(|param| value(matches, &param.option()))?;
    Ok(of_sql(Some(report), sql))
}

fn asked_funnel(matches: &ArgMatches) -> Result<Funnel, Error> {
    let mut funnel = Funnel::default();
    if let Ok(Some(steps)) = matches.try_get_many::<String>("step") {
        funnel.steps = steps.map(|step| Step::parse(step)).collect::<Result<_, _>>()?;
        for step in &funnel.steps {
            engine::check_condition(&step.condition)?;
        }
    }
    if let Some(window) = value(matches, "window") {
        funnel.window = report::duration(window)?;
    }
    funnel.entity = match value(matches, "by").map(String::as_str) {
        Some("user") => Entity::User,
        Some("session") => Entity::Session,
        _ => Entity::Visitor,
    };
    Ok(funnel)
}

/// What a question's columns mean, and its SQL.
pub fn explanation(question: &Question) -> String {
    let definitions = question.report.as_ref().map(describe::definitions).unwrap_or_default();
    format!("{definitions}\n{}\n", question.sql.trim())
}
