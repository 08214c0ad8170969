//! From system logs to the relation `app_events`: scan, derive, and where memory is limited, by way of temporary files.
//! Knows nothing of the queries but the columns they need.

use super::account::{Account, Limit};
use super::args::Common;
use super::load::Loaded;
use super::periods::Cut;
use super::progress;
use super::quality::Quality;
use crate::engine::polars::frame;
use crate::engine::relation::{Relation, Table};
use crate::error::Error;
use crate::events::{Events, derive};
use crate::input::LogFile;
use crate::scan::Settings;
use crate::scan::app::{Batch, no_rows, scan};
use crate::scan::wanted::Wanted;
use crate::schema::APP_COLUMNS;
use polars::prelude::DataFrame;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What is to be loaded, and how.
pub struct Plan<'a> {
    pub files: &'a [LogFile],
    /// How to scan; the columns of user activity in it count for nothing.
    pub settings: &'a Settings,
    /// How many rejects are too many.
    pub limit: Limit,
    /// The columns that queries need.
    pub columns: Vec<&'static str>,
    /// The records that the relation is to have.
    pub cut: &'a Cut,
}

/// Reads the logs and adds what became of their lines to the account.
///
/// # Errors
/// A file that cannot be read, too many rejects, no room for temporary files.
pub fn load(options: &Common, plan: &Plan, account: &mut Account) -> Result<Loaded, Error> {
    let begin = Instant::now();
    let held = Mutex::new(Held::new(plan));
    let lock = || held.lock().unwrap_or_else(PoisonError::into_inner);
    let (files, rejects) = progress::watch(plan.files, !options.quiet, |progress| {
        scan(plan.files, &plan.columns, plan.settings, progress, &|batch| lock().add(batch))
    })?;
    account.add(Account::of(&files, begin.elapsed().as_secs_f64(), rejects), plan.limit, options)?;
    let held = held.into_inner().unwrap_or_else(PoisonError::into_inner);
    let span = held.span;
    let ranges = plan.cut.ranges(span)?;
    let relation = held.finish()?;
    Ok(Loaded {
        relation,
        apart: None,
        quality: Quality::new(0),
        ranges,
        before: Vec::new(),
        span,
        bots: None,
        timeless: (0, 0),
        files,
    })
}

/// The columns that these queries need; `timestamp` for those who ask when, and because Polars wants one to count rows.
pub fn columns<'a>(sql: impl Iterator<Item = &'a str>) -> Vec<&'static str> {
    let named: Vec<_> = sql.flat_map(crate::report::columns_of).collect();
    let wanted = |name: &&str| *name == "timestamp" || named.contains(name);
    APP_COLUMNS.iter().map(|column| column.name).filter(wanted).collect()
}

/// The rows that were read so far: in memory, in temporary files where they are too many.
struct Held<'a> {
    plan: &'a Plan<'a>,
    batches: Vec<Batch>,
    bytes: usize,
    table: Option<Table>,
    span: Option<(i64, i64)>,
}

impl<'a> Held<'a> {
    fn new(plan: &'a Plan<'a>) -> Held<'a> {
        Held { plan, batches: Vec::new(), bytes: 0, table: None, span: None }
    }

    fn add(&mut self, batch: Batch) -> Result<(), Error> {
        for time in batch.times() {
            let (first, last) = self.span.unwrap_or((time, time));
            self.span = Some((first.min(time), last.max(time)));
        }
        self.bytes += batch.bytes;
        self.batches.push(batch);
        match self.plan.settings.row_bytes {
            Some(room) if self.bytes > room => self.spill(),
            _ => Ok(()),
        }
    }

    fn spill(&mut self) -> Result<(), Error> {
        let frame = self.frame()?;
        if frame.height() > 0 {
            self.table.get_or_insert_default().add(frame)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Relation, Error> {
        if self.table.is_none() {
            return Ok(Relation::in_memory(self.frame()?));
        }
        self.spill()?;
        self.table.unwrap_or_default().finish()
    }

    /// The rows in memory, which they leave.
    fn frame(&mut self) -> Result<DataFrame, Error> {
        let mut batches = std::mem::take(&mut self.batches);
        self.bytes = 0;
        batches.sort_by_key(|batch| batch.place);
        let columns = &self.plan.columns;
        let mut events = Events { columns: no_rows(columns, self.plan.settings), rows: 0 };
        for batch in batches {
            events.rows += batch.rows;
            for (name, column) in &mut events.columns {
                column.append(&batch.columns[name]);
            }
        }
        derive(&mut events, Wanted::of(columns.iter().copied()));
        frame(events, columns, None)
    }
}
