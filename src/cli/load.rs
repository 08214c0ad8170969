//! From log files to a relation that queries run over: scan, derive, and where memory is limited, by way of temporary
//! files. Knows nothing of the queries but the columns they need.

use super::account::{Account, Limit};
use super::apart::{Apart, InMemory};
use super::args::{Bots, Common};
use super::periods::Cut;
use super::quality::Quality;
use super::{load_parts, pii, progress};
use crate::engine::incidents;
use crate::engine::polars::{frame, no_events};
use crate::engine::relation::Relation;
use crate::engine::seen::Seen;
use crate::error::Error;
use crate::events::column::{Bits, Column, NULL};
use crate::events::{Begun, Events, LINE, Sessions, derive, derive_of_visitors, tells_pairs};
use crate::input::LogFile;
use crate::scan::wanted::Wanted;
use crate::scan::{FILE, FileScan, Scanned, Settings, scan};
use ipnet::IpNet;
use polars::prelude::DataFrame;
use rayon::prelude::*;
use std::io;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// What is to be loaded, and how.
pub struct Plan<'a> {
    pub files: &'a [LogFile],
    pub settings: &'a Settings,
    /// How many rejects are too many.
    pub limit: Limit,
    /// The columns that the relation is to have.
    pub columns: Wanted,
    /// The events that it is to have.
    pub cut: &'a Cut,
    /// The queries, if nothing but Polars answers them from the relation as it is.
    pub queries: Option<Vec<&'a str>>,
    /// What each question takes, if it may be given that apart from the others.
    pub apart: Option<Vec<Taken>>,
    /// Those of them that the queries look at, if not all.
    pub seen: Option<Seen>,
    /// The networks whose events it is not to have.
    pub allow: &'a [IpNet],
    /// What makes a session.
    pub sessions: Sessions,
    /// How long before the times that are asked for log-ins are looked at, too, microseconds, if they are.
    pub lead: Option<i64>,
    /// Whether the files' quality is asked for.
    pub quality: bool,
    /// Whether it is asked when the first and the last event happened.
    pub span: bool,
}

/// What a question takes of the events.
pub struct Taken {
    pub columns: Wanted,
    /// Those that it looks at, if not all.
    pub seen: Option<Seen>,
}

/// What was read, ready for queries.
pub struct Loaded {
    pub relation: Relation,
    /// From where questions for whose columns memory has room take them, if not from the relation.
    pub apart: Option<Apart>,
    pub quality: Quality,
    /// The ranges of the events that it has, microseconds; none if it has all.
    pub ranges: Vec<Range<i64>>,
    /// The log-ins before the ranges, as [`incidents::tries`] gives them, if they are looked at.
    pub before: Vec<DataFrame>,
    /// The first and the last event's time, microseconds.
    pub span: Option<(i64, i64)>,
    /// How many events within the range were by programs, and how many there were; none if nobody asked.
    pub bots: Option<(u64, u64)>,
    /// How many events have no time, and how many there were, as far as times were read.
    pub timeless: (u64, u64),
    pub files: Vec<FileScan>,
}

impl Loaded {
    /// The log-ins before this one of its ranges.
    pub fn before(&self, range: Option<&Range<i64>>) -> Option<incidents::Before<'_>> {
        Some(incidents::Before { tries: &self.before, since: range?.start })
    }

    /// What share of the memory that there is a question with these columns takes, beside the events that all have; nothing
    /// for one that leaves no room for others.
    pub fn share(&self, columns: Wanted) -> Option<f64> {
        match &self.apart {
            Some(apart) => apart.share(columns),
            None => self.relation.is_in_memory().then_some(0.0),
        }
    }
}

/// Reads the logs and adds what became of their lines to the account.
///
/// Which of several requests are paired may be told only by what is not read. They are so rare, and all of it takes so much
/// longer to read, that it is read only when there are such requests: again, from the beginning. A stream is there once: what
/// was read of it decides.
///
/// # Errors
/// A file that cannot be read, too many rejects, no room for temporary files.
pub fn load(options: &Common, plan: &Plan, account: &mut Account) -> Result<Loaded, Error> {
    let before = account.clone();
    let (loaded, in_doubt) = load_once(options, plan, plan.settings, account)?;
    let tells = plan.quality || tells_pairs(plan.settings.rows.wanted);
    if !in_doubt || !tells || plan.files.iter().any(|file| file.bytes.is_none()) {
        return Ok(loaded);
    }
    drop(loaded);
    *account = before;
    let mut settings = plan.settings.clone();
    settings.rows.wanted = settings.rows.wanted.or(LINE);
    load_once(options, plan, &settings, account).map(|(loaded, _)| loaded)
}

/// Also says whether it is in doubt which requests are paired.
fn load_once(
    options: &Common,
    plan: &Plan,
    settings: &Settings,
    account: &mut Account,
) -> Result<(Loaded, bool), Error> {
    let begin = Instant::now();
    let mut scanned =
        progress::watch(plan.files, !options.quiet, |progress| scan(plan.files, settings, progress))?;
    let seconds = begin.elapsed().as_secs_f64();
    let rejects = std::mem::take(&mut scanned.rejects);
    account.add(Account::of(&scanned.files, seconds, rejects), plan.limit, options)?;
    let whole = if plan.cut.needs_span() { span(&scanned)? } else { None };
    let mut loader = Loader::new(plan, options, plan.cut.ranges(whole)?, plan.settings.rows.wanted);
    loader.quality = Quality::new(scanned.files.len());
    loader.read = settings.rows.wanted;
    let Scanned { columns, rows, files, spilled, .. } = scanned;
    let in_doubt = AtomicBool::new(false);
    let (relation, apart) = match spilled {
        Some(spill) => load_parts::load(&mut loader, &spill, &in_doubt)?,
        None => loader.whole(Events { columns, rows }, &files, &in_doubt)?,
    };
    Ok((Loaded { apart, ..loader.loaded(relation, files) }, in_doubt.into_inner()))
}

/// When the first and the last event in the logs happened, microseconds.
fn span(scanned: &Scanned) -> Result<Option<(i64, i64)>, Error> {
    let of = |column: &Column| match column {
        Column::Timestamp(times) => times.iter().flatten().min().zip(times.iter().flatten().max()),
        _ => None,
    };
    let Some(spill) = &scanned.spilled else { return Ok(scanned.columns.get("timestamp").and_then(of)) };
    let of_part = |part| {
        let (columns, _) = spill.read(part, &["timestamp"])?;
        Ok(columns.iter().find_map(|(_, column)| of(column)))
    };
    let spans: io::Result<Vec<_>> = (0..spill.parts()).into_par_iter().map(of_part).collect();
    let spans: Vec<(i64, i64)> = spans.map_err(Error::Temporary)?.into_iter().flatten().collect();
    let (first, last) = (spans.iter().map(|span| span.0).min(), spans.iter().map(|span| span.1).max());
    Ok(first.zip(last))
}

/// Adds the wanted derived columns and leaves out what is not wanted; notes whether it is in doubt which requests are paired.
pub fn derive_wanted(events: &mut Events, wanted: Wanted, in_doubt: &AtomicBool) {
    in_doubt.fetch_or(derive(events, wanted), Ordering::Relaxed);
    events.columns.retain(|name, _| *name == FILE || wanted.has(name));
}

/// From events to what queries may see of them.
pub struct Loader<'a> {
    pub plan: &'a Plan<'a>,
    ranges: Vec<Range<i64>>,
    pub wanted: Wanted,
    /// What is read: that, and perhaps more.
    pub read: Wanted,
    /// The sessions that began before the events' times do, if they are not to be found among the events.
    pub begun: Option<Begun>,
    /// At which times before those that are asked for log-ins are still to be looked at among the events, microseconds.
    pub leads: Vec<Range<i64>>,
    /// What was found there.
    before: Vec<DataFrame>,
    /// What replaces personal data, if it is to be replaced.
    pub pii: Option<pii::Hasher>,
    pub quality: Quality,
    /// The first and the last event's time, microseconds.
    pub span: Option<(i64, i64)>,
    mode: Bots,
    /// How many events were by programs, and how many there were.
    pub bots: Option<(u64, u64)>,
    /// How many had no time, and how many there were.
    pub timeless: (u64, u64),
}

impl<'a> Loader<'a> {
    /// That of events of these times, all if there is none, with these columns.
    pub fn new(plan: &'a Plan<'a>, options: &Common, ranges: Vec<Range<i64>>, wanted: Wanted) -> Self {
        let lead = |range: &Range<i64>| Some(range.start.saturating_sub(plan.lead?)..range.start);
        Loader {
            plan,
            leads: ranges.iter().filter_map(lead).filter(|lead| !lead.is_empty()).collect(),
            before: Vec::new(),
            ranges,
            wanted,
            read: wanted,
            begun: None,
            pii: options.hash_pii.then(|| pii::Hasher::new(&options.redact)),
            quality: Quality::new(0),
            span: None,
            mode: options.bots,
            bots: None,
            timeless: (0, 0),
        }
    }

    /// What was loaded, from these files.
    pub fn loaded(self, relation: Relation, files: Vec<FileScan>) -> Loaded {
        let Loader { ranges, before, quality, span, bots, timeless, .. } = self;
        Loaded { relation, apart: None, ranges, before, quality, span, bots, timeless, files }
    }

    fn whole(
        &mut self,
        mut events: Events,
        files: &[FileScan],
        in_doubt: &AtomicBool,
    ) -> Result<(Relation, Option<Apart>), Error> {
        derive_wanted(&mut events, self.wanted, in_doubt);
        derive_of_visitors(&mut events, self.wanted, self.plan.sessions);
        if self.plan.quality {
            for (number, file) in files.iter().enumerate() {
                self.quality.add(&events, file.rows.clone().map(|row| (row, number)));
            }
        }
        self.in_memory(events)
    }

    /// The relation that queries see of all these events, or from where each question takes its own.
    ///
    /// # Errors
    /// `Error::Query` if Polars gives out.
    pub fn in_memory(&mut self, events: Events) -> Result<(Relation, Option<Apart>), Error> {
        let (kept, notes) = self.kept(events)?;
        self.note(notes);
        self.kept_in_memory(kept)
    }

    /// The same of events as queries may see them.
    ///
    /// # Errors
    /// `Error::Query` if Polars gives out.
    pub fn kept_in_memory(&self, kept: Kept) -> Result<(Relation, Option<Apart>), Error> {
        if let Some(questions) = self.plan.apart.as_ref().filter(|questions| questions.len() > 1) {
            let events = InMemory::new(kept, self.plan.columns, questions)?;
            return Ok((no_events(), Some(Apart::InMemory(events))));
        }
        Ok((Relation::in_memory(self.frame(kept)?), None))
    }

    /// The columns that queries need, of the events that they may see, with what is still to be [noted](Loader::note).
    pub fn framed(&self, events: Events) -> Result<(DataFrame, Notes), Error> {
        let (kept, notes) = self.kept(events)?;
        Ok((self.frame(kept)?, notes))
    }

    fn frame(&self, Kept { events, keep }: Kept) -> Result<DataFrame, Error> {
        let names: Vec<_> = self.plan.columns.names().collect();
        frame(events, &names, keep)
    }

    /// The events as queries may see them, with what is still to be [noted](Loader::note).
    ///
    /// # Errors
    /// `Error::Query` if Polars gives out.
    pub fn kept(&self, mut events: Events) -> Result<(Kept, Notes), Error> {
        let (mut keep, bots) = self.keep(&events, &self.ranges);
        self.hide_begun(&mut events);
        if let Some(pii) = &self.pii {
            pii.hash(&mut events);
        }
        let before = self.log_ins(&events, &self.leads)?;
        let seen = self.plan.seen.as_ref().and_then(|seen| seen.rows(&events, keep.as_ref()));
        keep = seen.or(keep);
        let timeless = events.timeless().unwrap_or_default();
        let mut span: Option<(i64, i64)> = None;
        if self.plan.span {
            for time in events.times("timestamp").iter().flatten().filter(|time| self.sees(*time)) {
                let (first, last) = span.unwrap_or((time, time));
                span = Some((first.min(time), last.max(time)));
            }
        }
        Ok((Kept { events, keep }, Notes { span, bots, timeless, before }))
    }

    /// The log-ins of these times, if there are any times.
    ///
    /// # Errors
    /// `Error::Query` if Polars gives out.
    fn log_ins(&self, events: &Events, times: &[Range<i64>]) -> Result<Option<DataFrame>, Error> {
        if times.is_empty() {
            return Ok(None);
        }
        let column = |name: &'static str| Some((name, events.columns.get(name)?.clone()));
        let columns = incidents::SOURCES.into_iter().filter_map(column).collect();
        let sources = Events { columns, rows: events.rows };
        let (keep, _) = self.keep(events, times);
        incidents::tries(&Relation::in_memory(frame(sources, &incidents::SOURCES, keep)?)).map(Some)
    }

    /// Remembers the log-ins before the times that are asked for, which are in these events and in no others that will come.
    ///
    /// # Errors
    /// `Error::Query` if Polars gives out.
    pub fn look_before(&mut self, mut events: Vec<Events>) -> Result<(), Error> {
        let leads = std::mem::take(&mut self.leads);
        for events in &mut events {
            if let Some(pii) = &self.pii {
                pii.hash(events);
            }
            self.before.extend(self.log_ins(events, &leads)?);
        }
        Ok(())
    }

    /// Takes the numbers of sessions that began before the times that are asked for.
    fn hide_begun(&self, events: &mut Events) {
        if self.ranges.is_empty() || !self.plan.columns.has("session_number") {
            return;
        }
        match &self.begun {
            Some(begun) => begun.hide(events),
            None => {
                let mut begun = Begun::before(&self.ranges);
                begun.add(events, self.plan.sessions.gap);
                begun.hide(events);
            }
        }
    }

    /// Remembers what was said of these events beside them.
    pub fn note(&mut self, notes: Notes) {
        if let Some((first, last)) = notes.span {
            self.span = Some(self.span.map_or((first, last), |span| (span.0.min(first), span.1.max(last))));
        }
        if let Some((more_bots, more)) = notes.bots {
            let (bots, all) = self.bots.unwrap_or_default();
            self.bots = Some((bots + more_bots, all + more));
        }
        let ((timeless, all), (more_timeless, more)) = (self.timeless, notes.timeless);
        self.timeless = (timeless + more_timeless, all + more);
        self.before.extend(notes.before);
    }

    /// Whether queries may see events of this time.
    fn sees(&self, time: i64) -> bool {
        is_within(time, &self.ranges)
    }

    /// Which rows of these times, all if there are none, queries may see, if not all of them: those from networks that are
    /// not allowed, with or without programs. How many of these are by programs, and how many there are; none if nobody asked.
    fn keep(&self, events: &Events, times: &[Range<i64>]) -> (Option<Bits>, Option<(u64, u64)>) {
        let mut keep = (!times.is_empty()).then(|| -> Bits {
            let inside = |time: Option<i64>| time.is_some_and(|time| is_within(time, times));
            events.times("timestamp").iter().map(inside).collect()
        });
        if !self.plan.allow.is_empty() {
            keep = Some(within(keep, elsewhere(events, self.plan.allow)));
        }
        if !self.wanted.has("is_bot") {
            return (keep, None);
        }
        let bots = Bits::of(&events.booleans("is_bot").values);
        let count = |rows: &Bits| (rows.len() - rows.unset()) as u64;
        let all = keep.as_ref().map_or(events.rows as u64, count);
        let seen_bots = within(keep.clone(), bots.clone());
        let counts = (count(&seen_bots), all);
        let keep = match self.mode {
            Bots::Include => keep,
            Bots::Only => Some(seen_bots),
            Bots::Exclude => Some(within(keep, !bots)),
        };
        (keep, Some(counts))
    }
}

/// Events, and whether queries may see each of them; all if that is not said.
pub struct Kept {
    pub events: Events,
    pub keep: Option<Bits>,
}

impl Kept {
    /// Nothing but the events that queries may see.
    pub fn taken(self) -> Events {
        let Some(rows) = self.keep.map(|keep| keep.rows()) else { return self.events };
        let columns = self.events.columns.into_par_iter();
        let columns = columns.map(|(name, column)| (name, column.take(&rows))).collect();
        Events { columns, rows: rows.len() }
    }
}

/// The rows of both; those of the second if that is all that is said.
fn within(rows: Option<Bits>, mut more: Bits) -> Bits {
    if let Some(rows) = rows {
        more &= &rows;
    }
    more
}

/// What is said of events beside them.
#[derive(Debug)]
pub struct Notes {
    /// The first and the last one's time, microseconds, if that is asked for.
    span: Option<(i64, i64)>,
    /// How many were by programs, and how many there were.
    bots: Option<(u64, u64)>,
    /// How many have no time, and how many there were.
    timeless: (u64, u64),
    /// The log-ins before the times that are asked for, if they are.
    before: Option<DataFrame>,
}

/// Whether a time is in one of these ranges, all if there are none.
fn is_within(time: i64, ranges: &[Range<i64>]) -> bool {
    ranges.is_empty() || ranges.iter().any(|range| range.contains(&time))
}

/// Which events are from none of these networks.
fn elsewhere(events: &Events, networks: &[IpNet]) -> Bits {
    let addresses = events.texts("ip_address");
    let inside: Vec<bool> = addresses.dictionary.iter().map(|text| is_inside(text, networks)).collect();
    addresses.codes.iter().map(|&code| code == NULL || !inside[code as usize]).collect()
}

/// Whether a text is an address of one of these networks.
pub fn is_inside(text: &str, networks: &[IpNet]) -> bool {
    let inside = |address: IpAddr| networks.iter().any(|network| network.contains(&address.to_canonical()));
    text.trim().parse().is_ok_and(inside)
}
