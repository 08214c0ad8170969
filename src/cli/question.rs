//! What a command asks for: the words of the command line become questions. Knows nothing of how they are answered.

use super::args::{Common, allowed, value};
use super::compare::{self, Comparing};
use super::load::Taken;
use super::run_file::{self, QueryFile};
use super::{describe, events, funnel_words, quality, sql};
use crate::engine::seen::Seen;
use crate::engine::{funnel, incidents};
use crate::error::Error;
use crate::report::{self, Funnel, Header, Report, columns_of, relation_of};
use crate::scan::wanted::Wanted;
use crate::schema::{APP_EVENTS, EVENTS};
use crate::sink::Chart;
use clap::ArgMatches;
use ipnet::IpNet;

/// What a command asks for.
#[derive(Default)]
pub struct Question {
    /// The name of the result.
    pub name: String,
    /// What it stands under beside others.
    pub title: String,
    /// The report, if it is one.
    pub report: Option<Report>,
    /// The SQL, empty for `quality`.
    pub sql: String,
    /// SQL that counts the rows that there are, if `sql` gives only the first of them.
    pub count: Option<String>,
    /// What to say if there are no rows.
    pub none: Option<String>,
    /// How many rows are shown unless `--top` says otherwise; 0 is all.
    pub top: usize,
    /// The funnel that the SQL is of, if it is one.
    pub funnel: Option<Funnel>,
    /// How it is drawn, as the user or the report says.
    pub chart: Option<Chart>,
    /// What the rows are compared with, if they are.
    pub comparing: Option<Comparing>,
    /// If it is of [`incidents`], which a kernel answers in place of its SQL: how long before the times that are asked for it
    /// looks, microseconds.
    pub lead: Option<i64>,
    /// Whose events it leaves out.
    pub allow: Vec<IpNet>,
    /// The columns of `events` that it needs.
    pub wanted: Wanted,
}

/// How many rows of each of several results are shown one below the other.
const OVERVIEW: usize = 20;

impl Question {
    /// The one that this SQL answers.
    pub fn of_sql(name: &str, sql: String) -> Question {
        let wanted = Wanted::of(columns_of(&sql));
        Question { name: name.into(), sql, wanted, ..Question::default() }
    }

    /// The one that this SQL answers as a report.
    pub fn of_report(name: &str, report: Report, sql: String) -> Question {
        let Header { title, top, .. } = &report.header;
        Question { title: title.clone(), top: *top, report: Some(report), ..Question::of_sql(name, sql) }
    }

    /// Shows no more rows than an overview of several questions has room for, unless `--top` says otherwise.
    pub fn shorten(&mut self) {
        if self.top == 0 {
            self.top = OVERVIEW;
        }
    }

    /// Whether it is asked of system logs, not of user activity.
    pub fn is_of_system_logs(&self) -> bool {
        relation_of(&self.sql).is_ok_and(|relation| relation.name == APP_EVENTS.name)
    }

    /// The SQL, if that is all that there is to the question.
    pub fn plain_sql(&self) -> Option<&str> {
        let more = self.comparing.is_some() || self.funnel.is_some() || self.count.is_some();
        (!more && self.lead.is_none() && !self.is_quality()).then_some(&self.sql)
    }

    /// Its SQL, and that which counts its rows.
    pub fn queries(&self) -> impl Iterator<Item = &str> {
        [self.sql.as_str(), self.count.as_deref().unwrap_or_default()].into_iter()
    }

    /// What it takes of the events, if that is all that it looks at.
    pub fn takes(&self) -> Option<Taken> {
        if self.comparing.is_some() || self.count.is_some() {
            return None;
        }
        let columns = if self.is_quality() { Wanted::default() } else { self.wanted };
        Some(Taken { columns, seen: self.seen() })
    }

    /// The events that it looks at, if not all.
    pub fn seen(&self) -> Option<Seen> {
        let of_funnel = self.funnel.as_ref().and_then(funnel::seen);
        of_funnel.or_else(|| Seen::by(self.queries(), EVENTS.name))
    }

    /// The one that is no SQL.
    pub fn is_quality(&self) -> bool {
        self.sql.is_empty()
    }
}

/// What the words behind this command ask for: one question, or several. `file` is the query file that they name.
///
/// # Errors
/// `Error::Usage` or `Error::Query` where they make no sense.
pub fn questions(
    name: &str,
    matches: &ArgMatches,
    options: &mut Common,
    file: Option<&QueryFile>,
) -> Result<Vec<Question>, Error> {
    let mut questions = match (name, matches.subcommand(), file) {
        ("sql", ..) => sql::questions(matches, &mut options.inputs)?,
        ("events", ..) => vec![events::question(matches, options)?],
        ("report", ..) => of_set(matches)?,
        ("run", Some((_, matches)), Some(file)) => run_file::questions(file, matches)?,
        ("compare", Some((name, matches)), file) => {
            let own = file.filter(|file| file.name == name);
            let questions = match own {
                Some(file) => run_file::questions(file, matches)?,
                None => vec![question(name, matches)?],
            };
            let compared = questions.into_iter().map(|question| compare::question(question, matches));
            compared.collect::<Result<_, _>>()?
        }
        _ => vec![question(name, matches)?],
    };
    let asked = options.chart.as_deref();
    if let Some(one) = asked.filter(|asked| !asked.is_empty() && (name == "report" || questions.len() > 1)) {
        return Err(Error::Usage(format!(
            "several reports cannot all be drawn as '{one}': write --chart alone"
        )));
    }
    let own = matches.subcommand().map_or(matches, |(_, own)| own);
    for question in &mut questions {
        question.allow = allowed(own);
        question.chart = chart(question, asked)?;
    }
    Ok(questions)
}

/// The reports of these names, each as it is without options.
///
/// # Errors
/// `Error::Usage` for a name that no report has.
pub fn of_names(names: &[String]) -> Result<Vec<Question>, Error> {
    let none = ArgMatches::default();
    let with_chart = |name: &String| {
        let mut question = question(name, &none)?;
        question.chart = chart(&question, None)?;
        Ok(question)
    };
    names.iter().map(with_chart).collect()
}

fn of_set(matches: &ArgMatches) -> Result<Vec<Question>, Error> {
    let mut questions = Vec::new();
    for report in report::all()?.iter().filter(|report| report.header.variant_of.is_none()) {
        questions.push(question(&report.header.name, matches)?);
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
    if name == "quality" {
        let wanted = Wanted::of(quality::SOURCES);
        return Ok(Question { name: name.into(), wanted, ..Question::default() });
    }
    let mut report = report::find(name)?;
    if let Some((option, _)) = &report.header.variants
        && let Some(variant) = value(matches, option)
    {
        report = report::find(&format!("{name}-{variant}"))?;
    }
    if name == "funnel" {
        let (report, funnel) = funnel_words::asked(report, matches)?;
        let question = Question::of_report(name, report, funnel.sql());
        return Ok(Question { funnel: Some(funnel), ..question });
    }
    let sql = report.bound(|param| value(matches, &param.option()))?;
    let lead = (name == incidents::REPORT).then(|| incidents::lead(&sql)).transpose()?;
    Ok(Question { lead, ..Question::of_report(name, report, sql) })
}

/// What a question's columns mean, and its SQL.
pub fn explanation(question: &Question) -> String {
    let definitions = question.report.as_ref().map(describe::definitions).unwrap_or_default();
    format!("{definitions}\n{}\n", question.sql.trim())
}
