//! Attacks on log-ins without the running sums of their SQL: in order of time, two pointers walk through the tries of each
//! account and of each address, once a rule. `queries/login-incidents.sql` is the specification.
//! Nothing here knows whence the events come.

use super::comparison::DAY;
use super::functions::{context, execute};
use super::polars::explain;
use super::relation::{Relation, with_strings};
use crate::error::Error;
use crate::events::rows_by_group;
use crate::report::marked;
use crate::schema::EVENTS;
use polars::prelude::*;
use rayon::prelude::*;
use std::collections::HashMap;
use std::ops::Range;

/// The report that this answers.
pub const REPORT: &str = "login-incidents";

/// The first relation of the report's SQL.
const TRIES: &str = "SELECT epoch_us, event_type = 'login_failed' AS failed, \
    COALESCE(username_attempt, username) AS account, ip_network AS ip FROM events \
    WHERE event_type IN ('login_failed', 'login', 'login_success') AND epoch_us IS NOT NULL";

/// Whose tries belong together: the place in [`Try::who`].
const ACCOUNT: usize = 0;
const IP: usize = 1;
const KEY_TYPES: [&str; 2] = ["account", "ip"];

/// The columns of the events that it needs.
pub const SOURCES: [&str; 5] = ["epoch_us", "event_type", "username_attempt", "username", "ip_network"];

/// Log-ins that were tried before a range of time, in which the attacks of that range may have begun.
#[derive(Debug, Clone, Copy)]
pub struct Before<'a> {
    /// What [`tries`] gave of them, in pieces; others may be among them.
    pub tries: &'a [DataFrame],
    /// When the range begins, microseconds.
    pub since: i64,
}

/// How long before a range these log-ins are, microseconds: a day, or the longest window behind the SQL's marks.
///
/// # Errors
/// `Error::Query` where a threshold is missing.
pub fn lead(sql: &str) -> Result<i64, Error> {
    Ok(lead_of(&rules(sql)?))
}

fn lead_of(rules: &[Rule]) -> i64 {
    rules.iter().map(|rule| rule.window).fold(DAY, i64::max)
}

/// The log-ins among these events, as the report's SQL begins: `epoch_us`, `failed`, `account` and `ip`.
///
/// # Errors
/// `Error::Query` if memory gives out.
pub fn tries(events: &Relation) -> Result<DataFrame, Error> {
    let found = |events: &Relation| {
        let mut context = context();
        context.register("events", events.lazy());
        with_strings(events.collect(execute(&mut context, TRIES)?)?)
    };
    events.answer(TRIES, found).map_err(|error| explain(&error, &EVENTS))
}

/// What the report's SQL gives over these events; the thresholds are those behind its marks. Of attacks that may have begun
/// before, it gives those whose last hit is in the range.
///
/// # Errors
/// `Error::Query` where a threshold is missing, or memory gives out.
pub fn query(sql: &str, events: &Relation, before: Option<Before>) -> Result<DataFrame, Error> {
    let rules = rules(sql)?;
    let lead = lead_of(&rules);
    let mut tries = tries(events)?;
    let since = before.map_or(i64::MIN, |before| before.since);
    for earlier in before.iter().flat_map(|before| before.tries) {
        within(earlier, since.saturating_sub(lead)..since)
            .and_then(|earlier| tries.vstack_mut_owned(earlier).map(|_| ()))
            .map_err(|error| explain(&error, &EVENTS))?;
    }
    result(&rules, &tries, since).map_err(|error| explain(&error, &EVENTS))
}

/// Those of the log-ins that happened in this range.
fn within(tries: &DataFrame, range: Range<i64>) -> PolarsResult<DataFrame> {
    let times = tries.column("epoch_us")?.i64()?;
    let inside = |time: Option<i64>| time.is_some_and(|time| range.contains(&time));
    tries.filter(&times.iter().map(inside).collect())
}

fn result(rules: &[Rule], tries: &DataFrame, since: i64) -> PolarsResult<DataFrame> {
    let (account, ip) = (tries.column("account")?.str()?, tries.column("ip")?.str()?);
    let (accounts, ips) = rayon::join(|| Names::of(account), || Names::of(ip));
    let who = [accounts, ips];
    let (times, failed) = (tries.column("epoch_us")?.i64()?, tries.column("failed")?.bool()?);
    let mut tries: Vec<Try> = times
        .iter()
        .zip(failed.iter())
        .zip(who[ACCOUNT].codes.iter().zip(&who[IP].codes))
        .filter_map(|((time, failed), (&account, &ip))| {
            Some(Try { time: time?, failed: failed?, who: [account, ip] })
        })
        .collect();
    tries.par_sort_unstable_by_key(|one| (one.time, !one.failed));
    let of_keys = |key: usize| incidents(rules, &tries, key, who[key].texts.len());
    let mut found: Vec<Incident> = [ACCOUNT, IP].into_iter().flat_map(of_keys).collect();
    found.retain(|one| one.last >= since);
    let name = |one: &Incident| who[one.key].texts[one.name as usize];
    found.par_sort_unstable_by_key(|one| (one.first, one.kind, KEY_TYPES[one.key], name(one)));
    table(&found, name)
}

/// A log-in that was tried: when, whether in vain, and the codes of account and address.
#[derive(Debug, Clone, Copy)]
struct Try {
    time: i64,
    failed: bool,
    who: [u32; 2],
}

/// The code of what is null.
const NOBODY: u32 = u32::MAX;

/// A text column by codes.
struct Names<'a> {
    codes: Vec<u32>,
    texts: Vec<&'a str>,
}

impl<'a> Names<'a> {
    fn of(column: &'a StringChunked) -> Names<'a> {
        let mut known: HashMap<&str, u32, foldhash::fast::RandomState> = HashMap::default();
        let mut texts = Vec::new();
        let mut code = |text: &'a str| {
            *known.entry(text).or_insert_with(|| {
                texts.push(text);
                texts.len() as u32 - 1
            })
        };
        let codes = column.iter().map(|text| text.map_or(NOBODY, &mut code)).collect();
        Names { codes, texts }
    }
}

/// What makes an incident.
#[derive(Debug, Clone, Copy)]
struct Rule {
    kind: &'static str,
    /// Whose tries it looks at.
    key: usize,
    /// Whether it counts the others' names among the failures, not the failures.
    counts_names: bool,
    /// Whether it looks back from failures, not from successes.
    from_failures: bool,
    enough: usize,
    window: i64,
}

/// The rules, with the thresholds of the SQL.
fn rules(sql: &str) -> Result<[Rule; 6], Error> {
    let number = |name: &str| -> Result<i64, Error> {
        let literal = marked(sql).find(|(known, _)| *known == name).map(|(_, literal)| literal);
        let number = literal.and_then(|literal| literal.parse().ok());
        number.ok_or_else(|| Error::Query(format!("the SQL of {REPORT} has no number marked {name}")))
    };
    let rule = |kind, key, counts_names, enough, window| -> Result<Rule, Error> {
        let (enough, window) = (number(enough)?, number(window)?);
        let enough = usize::try_from(enough).unwrap_or(usize::MAX);
        Ok(Rule { kind, key, counts_names, from_failures: kind != "success_after_failures", enough, window })
    };
    let broken_in = |key| rule("success_after_failures", key, false, "success_failures", "success_window");
    Ok([
        rule("brute_force", ACCOUNT, false, "brute_force_failures", "brute_force_window")?,
        rule("ip_burst", IP, false, "ip_burst_failures", "ip_burst_window")?,
        rule("spray", IP, true, "spray_accounts", "spray_window")?,
        rule("distributed", ACCOUNT, true, "distributed_ips", "distributed_window")?,
        broken_in(ACCOUNT)?,
        broken_in(IP)?,
    ])
}

/// A row of the result.
struct Incident {
    kind: &'static str,
    key: usize,
    name: u32,
    first: i64,
    last: i64,
    attempts: usize,
    peak: usize,
    distinct: [usize; 2],
    success: bool,
}

/// What the rules for these keys find among the tries, which are in order.
fn incidents(rules: &[Rule], tries: &[Try], key: usize, names: usize) -> Vec<Incident> {
    let codes: Vec<u32> = tries.iter().map(|one| one.who[key]).collect();
    let (rows, starts) = rows_by_group(&codes, names);
    let of_name = |name: usize| {
        let rows = &rows[starts[name]..starts[name + 1]];
        let failures = rows.iter().filter(|&&row| tries[row as usize].failed).count();
        let mut found = Vec::new();
        for rule in rules.iter().filter(|rule| rule.key == key && rule.enough <= failures) {
            let tries = rows.iter().map(|&row| tries[row as usize]);
            // Who has no name is not counted among names.
            let known = |one: &Try| !(one.failed && rule.counts_names && one.who[1 - key] == NOBODY);
            Walk { rule, tries: tries.filter(known).collect(), name: name as u32 }.run(&mut found);
        }
        found
    };
    (0..names).into_par_iter().with_min_len(1024).flat_map_iter(of_name).collect()
}

/// One rule and the tries of one account or address.
struct Walk<'a> {
    rule: &'a Rule,
    tries: Vec<Try>,
    name: u32,
}

/// Hits whose windows overlap, as far as the walk has got.
struct Open {
    /// The first try in the first window.
    begin: usize,
    /// The last hit.
    end: usize,
    peak: usize,
    success: bool,
}

impl Walk<'_> {
    fn run(&self, found: &mut Vec<Incident>) {
        let mut inside = Inside::default();
        let mut begin = 0;
        let mut open: Option<Open> = None;
        for (row, one) in self.tries.iter().enumerate() {
            while self.tries[begin].time <= one.time.saturating_sub(self.rule.window) {
                inside.count(&self.tries[begin], self.rule, false);
                begin += 1;
            }
            inside.count(one, self.rule, true);
            let size = if self.rule.counts_names { inside.names.len() } else { inside.failures };
            let hit = one.failed == self.rule.from_failures && size >= self.rule.enough;
            match &mut open {
                Some(open) if open.end >= begin => {
                    open.success |= !one.failed;
                    if hit {
                        (open.end, open.peak) = (row, open.peak.max(size));
                    }
                }
                _ if hit => {
                    let next = Open { begin, end: row, peak: size, success: !one.failed };
                    found.extend(open.replace(next).map(|done| self.incident(&done)));
                }
                _ => {}
            }
        }
        found.extend(open.map(|done| self.incident(&done)));
    }

    fn incident(&self, open: &Open) -> Incident {
        let failures: Vec<&Try> = self.tries[open.begin..=open.end].iter().filter(|one| one.failed).collect();
        let distinct = [ACCOUNT, IP].map(|key| {
            let mut codes: Vec<u32> = failures.iter().map(|one| one.who[key]).collect();
            codes.sort_unstable();
            codes.dedup();
            codes.iter().filter(|&&code| code != NOBODY).count()
        });
        Incident {
            kind: self.rule.kind,
            key: self.rule.key,
            name: self.name,
            first: failures.first().map_or(0, |one| one.time),
            last: self.tries[open.end].time,
            attempts: failures.len(),
            peak: open.peak,
            distinct,
            success: open.success,
        }
    }
}

/// The failures in a window.
#[derive(Default)]
struct Inside {
    failures: usize,
    /// How often each other name is among them.
    names: HashMap<u32, usize, foldhash::fast::RandomState>,
}

impl Inside {
    /// Counts a failure that comes in or goes out.
    fn count(&mut self, one: &Try, rule: &Rule, comes: bool) {
        if !one.failed {
            return;
        }
        if !rule.counts_names {
            self.failures = if comes { self.failures + 1 } else { self.failures - 1 };
            return;
        }
        let name = one.who[1 - rule.key];
        let times = self.names.entry(name).or_default();
        *times = if comes { *times + 1 } else { *times - 1 };
        if *times == 0 {
            self.names.remove(&name);
        }
    }
}

/// The rows as the SQL's result.
fn table<'a>(found: &[Incident], name: impl Fn(&Incident) -> &'a str) -> PolarsResult<DataFrame> {
    let texts = |column: &str, of: &dyn Fn(&Incident) -> &'a str| {
        Column::new(column.into(), found.iter().map(of).collect::<Vec<_>>())
    };
    let times = |column: &str, of: fn(&Incident) -> i64| {
        let times = Int64Chunked::from_vec(column.into(), found.iter().map(of).collect());
        times.into_datetime(TimeUnit::Microseconds, None).into_column()
    };
    let counts = |column: &str, of: fn(&Incident) -> usize| {
        Column::new(column.into(), found.iter().map(|one| of(one) as i64).collect::<Vec<_>>())
    };
    DataFrame::new(
        found.len(),
        vec![
            texts("kind", &|one| one.kind),
            texts("key_type", &|one| KEY_TYPES[one.key]),
            texts("key", &name),
            times("first", |one| one.first),
            times("last", |one| one.last),
            counts("attempts", |one| one.attempts),
            counts("peak", |one| one.peak),
            counts("accounts", |one| one.distinct[ACCOUNT]),
            counts("ips", |one| one.distinct[IP]),
            Column::new("success".into(), found.iter().map(|one| one.success).collect::<Vec<_>>()),
        ],
    )
}
