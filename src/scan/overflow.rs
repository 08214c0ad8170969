//! From rows that memory has no room for to temporary files. Knows nothing of lines, nor of how rows come back.

use super::column::{Column, Dictionary, Values};
use super::in_order::InOrder;
use super::rows::Together;
use super::spill::{Named, Spill};
use super::{FILE, Settings, builder};
use crate::error::Error;

/// How many parts the rows in temporary files have: so many that one fits into memory even if there are a hundred times as
/// many rows as there is room for; so few that a process may have all files open.
pub const PARTS: usize = 64;

/// How many bytes the rows of a thread may take once others are in temporary files.
pub fn room_beside_spill(settings: &Settings) -> usize {
    settings.row_bytes.unwrap_or(usize::MAX) / settings.threads / 4
}

/// Moves all rows that this thread read and put together with those of others to temporary files, some at a time; they have
/// these dictionaries.
pub fn spill_back(
    spill: &Spill,
    settings: &Settings,
    in_order: &InOrder,
    thread: usize,
    dictionaries: &[Dictionary],
) -> Result<(), Error> {
    while let Some(rows) = in_order.take_back(thread, room_beside_spill(settings)) {
        spill_rows(spill, settings, rows, dictionaries)?;
    }
    Ok(())
}

/// Moves rows of one thread, which has these dictionaries, to temporary files.
pub fn spill_rows(
    spill: &Spill,
    settings: &Settings,
    rows: Together,
    dictionaries: &[Dictionary],
) -> Result<(), Error> {
    let files = Column::Bigint(Values::all(rows.files()));
    let columns = rows.into_columns_of_one(dictionaries.to_vec());
    let mut named: Named = builder::built(settings.rows.wanted).zip(columns).collect();
    if settings.number_files {
        named.push((FILE, files));
    }
    spill.add(&named, Some("client"), spill.rows()).map_err(Error::Temporary)
}
