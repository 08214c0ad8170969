//! What a command asks for: the words of the command line become questions. Knows nothing of how they are answered.

use super::args::value;
use super::{describe, funnel_words, quality};
use crate::error::Error;
use crate::report::{self, Funnel, Report, columns_of};
use crate::scan::wanted::Wanted;
use crate::sink::Chart;
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
    /// How it is drawn, as the user or the report says.
    pub chart: Option<Chart>,
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
    let asked = value(matches, "chart").map(String::as_str);
    if name != "report" {
        let question = question(name, matches)?;
        return Ok(vec![Question { chart: chart(&question, asked)?, ..question }]);
    }
    if let Some(one) = asked.filter(|asked| !asked.is_empty()) {
        return Err(Error::Usage(format!(
            "several reports cannot all be drawn as '{one}': write --chart alone"
        )));
    }
    let mut questions = Vec::new();
    for report in report::all()?.iter().filter(|report| report.header.variant_of.is_none()) {
        let question = question(&report.header.name, matches)?;
        questions.push(Question { chart: chart(&question, asked)?, ..question });
    }
    let Some(only) = matches.get_many::<String>("only") else { return Ok(questions) };
    let only: Vec<_> = only.collect();
    questions.retain(|question| only.contains(&&question.name));
    Ok(questions)
}

/// The chart that `--chart` asks for, or else the report's own.
fn chart(question: &Question, asked: Option<&str>) -> Result<Option<Chart>, Error> {
    let own = question.report.as_ref().and_then(|report| report.header.chart.as_deref());
    match (asked.filter(|asked| !asked.is_empty()), own) {
        (Some(words), _) | (None, Some(words)) => Chart::parse(words).map(Some),
        (None, None) if asked.is_some() => Err(Error::Usage(format!(
            "{} has no chart of its own: say what to draw, such as --chart='bar LABEL VALUE' with two of its columns",
            question.name
        ))),
        (None, None) => Ok(None),
    }
}

fn question(name: &str, matches: &ArgMatches) -> Result<Question, Error> {
    let of_sql = |report: Option<Report>, sql: String| {
        let wanted = Wanted::of(columns_of(&sql));
        Question { name: name.into(), report, sql, funnel: None, chart: None, wanted }
    };
    if name == "quality" {
        let wanted = Wanted::of(quality::SOURCES);
        return Ok(Question {
            name: name.into(),
            report: None,
            sql: String::new(),
            funnel: None,
            chart: None,
            wanted,
        });
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
        let (report, funnel) = funnel_words::asked(report, matches)?;
        let question = of_sql(Some(report), funnel.sql());
        return Ok(Question { funnel: Some(funnel), ..question });
    }
    let sql = report.bound(|param| value(matches, &param.option()))?;
    Ok(of_sql(Some(report), sql))
}

/// What a question's columns mean, and its SQL.
pub fn explanation(question: &Question) -> String {
    let definitions = question.report.as_ref().map(describe::definitions).unwrap_or_default();
    format!("{definitions}\n{}\n", question.sql.trim())
}
