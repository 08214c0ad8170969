//! From what was read to what is written: a question's rows, and what is said about them. Knows nothing of files.

use super::account::Account;
use super::args::{Bots, Common};
use super::load::Loaded;
use super::question::Question;
use super::side_by_side::side_by_side;
use super::{compare, describe, funnel_words, times};
use crate::cores;
use crate::engine::relation::Relation;
use crate::engine::{funnel, incidents, polars as engine};
use crate::error::Error;
use crate::events::Sessions;
use crate::report::{Funnel, Report, duration};
use crate::sink::{self, About};
use polars::prelude::DataFrame;
use polars_core::runtime::RAYON;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// A question's rows.
pub struct Rows {
    /// All, or the first of them.
    whole: DataFrame,
    /// How many there are.
    total: usize,
    /// What is to be said of them.
    notes: Vec<String>,
}

/// What a question's answer is.
pub struct Answer {
    /// All rows.
    pub whole: DataFrame,
    /// Those that are to be shown.
    pub shown: DataFrame,
    /// What is said about them.
    pub about: About,
}

/// What is to be shown of the rows of a question and said about them.
///
/// # Errors
/// `Error::Usage` where the chart does not suit them; `Error::Query` if Polars gives out.
pub fn answer(
    question: &Question,
    Rows { whole, total, mut notes }: Rows,
    options: &Common,
    loaded: &Loaded,
    account: &Account,
) -> Result<Answer, Error> {
    notes.extend(loaded.bots.and_then(|counts| bots_note(options.bots, counts)));
    notes.extend(timeless_note(loaded.timeless));
    // Of a comparison the report's rows are counted, each of which becomes a row a metric.
    let rows_each = question.comparing.as_ref().map_or(1, |comparing| comparing.columns.metrics.len());
    let top = options.top.unwrap_or(question.top);
    let shown = if top > 0 { whole.head(Some(top.saturating_mul(rows_each))) } else { whole.clone() };
    if let (Some(chart), true) = (&question.chart, options.chart.is_some()) {
        chart.check(&shown)?;
    }
    let (name, chart) = (question.name.clone(), question.chart.clone());
    let metadata = metadata(question, options, loaded, &notes, account);
    let (key, period, variation) = (key(question), period(question, loaded), variation(question, options));
    let about =
        About { name, total_rows: total, notes, metadata, chart, prose: false, key, period, variation };
    Ok(Answer { whole, shown, about })
}

/// The columns that tell its rows apart.
fn key(question: &Question) -> Vec<String> {
    let report = question.report.as_ref().map(|report| &report.header.key);
    match &question.comparing {
        Some(comparing) => {
            let of_report = comparing.columns.key.iter().map(|column| column.name.clone());
            of_report.chain(["metric".to_owned()]).collect()
        }
        None => report.cloned().unwrap_or_default(),
    }
}

/// The times that it is about, as far as they end.
fn period(question: &Question, loaded: &Loaded) -> Vec<(String, String)> {
    let names = match question.comparing {
        Some(_) => &[["since", "until"], ["before_since", "before_until"]][..],
        None => &[["since", "until"]],
    };
    let moments = loaded.ranges.iter().zip(names);
    let moments = moments.flat_map(|(range, names)| [(names[0], range.start), (names[1], range.end)]);
    let ends = moments.filter(|(_, moment)| ![i64::MIN, i64::MAX].contains(moment));
    ends.map(|(name, moment)| (name.to_owned(), times::shown(moment))).collect()
}

/// What options made of it, if they made it another question than the one of its name.
fn variation(question: &Question, options: &Common) -> Vec<String> {
    let is_usual = |report: &Report| {
        let usual = match question.funnel {
            Some(_) => Some(Funnel::default().sql()),
            None => report.bound(|_| None).ok(),
        };
        report.header.variant_of.is_none() && usual.is_none_or(|usual| usual == question.sql)
    };
    let report = question.report.as_ref().filter(|report| !is_usual(report));
    let sql = report.map(|_| question.sql.clone());
    let bots = (options.bots != Bots::Include).then(|| format!("{:?}", options.bots));
    let gap = duration(&options.gap).ok().filter(|gap| *gap != Sessions::DEFAULT.gap);
    let gap = gap.map(|gap| format!("--gap {gap}us"));
    let midnight = options.split_midnight.then(|| "--split-midnight".to_owned());
    let sessions = gap.into_iter().chain(midnight).filter(|_| question.wanted.has("session_number"));
    sql.into_iter()
        .chain(bots)
        .chain(sessions)
        .chain(question.allow.iter().map(ToString::to_string))
        .collect()
}

/// How many rows there are, shown or not.
fn total_rows(question: &Question, result: &DataFrame, loaded: &Loaded) -> Result<usize, Error> {
    let Some(count) = &question.count else { return Ok(result.height()) };
    let counted = engine::query(count, &loaded.relation)?;
    let counted = counted.column("n").ok().and_then(|counted| counted.get(0).ok()?.extract());
    Ok(counted.unwrap_or(result.height()))
}

/// What [`evaluate`] gives for each question: side by side, for a query over few events leaves cores idle, as far as there is
/// memory for what they take.
///
/// # Errors
/// `Error::Query` with what Polars does not accept; `Error::Temporary` if events cannot be read again.
pub fn evaluate_all(asked: &[(&Question, &Loaded)]) -> Result<Vec<Rows>, Error> {
    let share = |at: usize| asked[at].1.share(asked[at].0.wanted);
    let (mut waiting, alone): (Vec<usize>, Vec<usize>) =
        (0..asked.len()).partition(|&at| share(at).is_some());
    // Those that have most to do first, so that none of them is left for the end; their SQL tells, more or less.
    waiting.sort_by_key(|&at| Reverse(asked[at].0.sql.len()));
    let waiting = waiting.into_iter().map(|at| (at, share(at).unwrap_or_default())).collect();
    let one = |at: usize| evaluate(asked[at].0, asked[at].1);
    // As many as there may be threads, but in Polars' own: others would be in their way.
    let most = rayon::current_num_threads();
    let all = || {
        cores::spread_pool();
        side_by_side(waiting, most, one)
    };
    let mut done: BTreeMap<usize, Result<Rows, Error>> = RAYON.with(|pool| pool.install(all));
    done.extend(alone.into_iter().map(|at| (at, one(at))));
    done.into_values().collect()
}

fn evaluate(question: &Question, loaded: &Loaded) -> Result<Rows, Error> {
    let (whole, mut notes) = table(question, loaded)?;
    notes.extend(question.none.clone().filter(|_| whole.height() == 0));
    let total = total_rows(question, &whole, loaded)?;
    Ok(Rows { whole, total, notes })
}

/// The result and what is to be said of it.
fn table(question: &Question, loaded: &Loaded) -> Result<(DataFrame, Vec<String>), Error> {
    if question.is_quality() {
        return Ok((loaded.quality.table(&loaded.files)?, Vec::new()));
    }
    if let Some(comparing) = &question.comparing {
        return compare::evaluate(question, comparing, loaded);
    }
    let before = loaded.before(loaded.ranges.first());
    let result = match &loaded.apart {
        Some(apart) if loaded.share(question.wanted).is_some() => {
            rows(question, &apart.relation(question.wanted, question.seen().as_ref())?, before)?
        }
        _ if question.is_of_system_logs() => rows(question, &loaded.relation, None)?,
        _ => {
            let columns: Vec<&str> = question.wanted.names().collect();
            rows(question, &loaded.relation.narrowed(&columns), before)?
        }
    };
    match question.report.as_ref().map(|report| &report.header.columns) {
        None => Ok((engine::as_plain(&result)?, Vec::new())),
        Some(columns) => Ok((
            engine::as_promised(&result, columns)?,
            funnel_words::immature(&result).into_iter().collect(),
        )),
    }
}

/// What the question's SQL gives over these events; `before` are log-ins in which attacks on these may have begun.
///
/// # Errors
/// `Error::Query` with what Polars does not accept.
pub fn rows(
    question: &Question,
    events: &Relation,
    before: Option<incidents::Before>,
) -> Result<DataFrame, Error> {
    match &question.funnel {
        Some(asked) => funnel::query(asked, events),
        None if question.lead.is_some() => incidents::query(&question.sql, events, before),
        None => engine::query(&question.sql, events),
    }
}

/// What is said of programs among the visitors, if there are any.
fn bots_note(mode: Bots, (bots, all): (u64, u64)) -> Option<String> {
    let number = |count: u64| sink::grouped(&count.to_string());
    let share = format!("{} of {} events", number(bots), number(all));
    match mode {
        Bots::Include if bots == 0 => None,
        Bots::Include => Some(format!("bots: {share} are by programs; --bots exclude leaves them out")),
        Bots::Exclude => Some(format!("bots: {share} are by programs and were left out")),
        Bots::Only => Some(format!("bots: only the {share} that are by programs")),
    }
}

/// What is said of events without a time, if they are too many to be a few bad lines: they are another producer's then.
pub fn timeless_note((timeless, all): (u64, u64)) -> Option<String> {
    let number = |count: u64| sink::grouped(&count.to_string());
    (timeless > 9 && timeless > all / 100).then(|| {
        format!(
            "times: {} of {} events have no 'timestamp' that can be read (as 2025-03-10T09:00:00, with or without Z or +09:00): \
             they are in no day, and the two lines of an action do not find each other",
            number(timeless),
            number(all)
        )
    })
}

/// What a Parquet file says about itself.
fn metadata(
    question: &Question,
    options: &Common,
    loaded: &Loaded,
    notes: &[String],
    account: &Account,
) -> Vec<(String, String)> {
    let text = |time: Option<i64>| {
        let moment = time.and_then(chrono::DateTime::from_timestamp_micros);
        moment.map(|moment| moment.format("%FT%T%.6f").to_string()).unwrap_or_default()
    };
    let (first, last) = (loaded.span.map(|span| span.0), loaded.span.map(|span| span.1));
    let pair = |key: &str, value: String| (format!("loganalyze.{key}"), value);
    // Of several questions, some may be of other logs; a store has no files.
    let accounting = match account.store {
        Some(_) => account.json(),
        None => Account::of(&loaded.files, account.seconds, Vec::new()).json(),
    };
    let command: Vec<String> = std::env::args().skip(1).collect();
    let mut metadata = vec![
        pair("version", env!("CARGO_PKG_VERSION").into()),
        pair("command", command.join(" ")),
        pair("first_event", text(first)),
        pair("last_event", text(last)),
        pair("zone", options.tz.clone()),
        pair("definitions", question.report.as_ref().map(describe::definitions).unwrap_or_default()),
        pair("sql", question.sql.clone()),
        pair("notes", notes.join("\n")),
        pair("accounting", accounting.to_string()),
    ];
    let mut period: BTreeMap<String, String> = period(question, loaded).into_iter().collect();
    // What has no end says so.
    for name in ["since", "until"] {
        period.entry(name.into()).or_default();
    }
    metadata.extend(period.into_iter().map(|(name, moment)| pair(&name, moment)));
    metadata
}
