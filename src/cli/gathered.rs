//! Pieces of the events that queries see, in memory as long as they have room there, then in temporary files.
//! Knows nothing of where they come from, nor of the queries.

use super::apart::bytes_of;
use super::load::Kept;
use crate::engine::polars::frame;
use crate::engine::relation::{Relation, Table};
use crate::error::Error;
use crate::events::Events;
use polars::prelude::DataFrame;
use rayon::prelude::*;

/// What is in these pieces.
pub struct Gathered {
    names: Vec<&'static str>,
    /// How many pieces are still to come, at most.
    left: usize,
    /// How many bytes they may take in memory.
    room: usize,
    held: Held,
}

enum Held {
    InMemory(Events),
    InFiles(Table),
}

/// What was gathered.
pub enum Found {
    /// All of it fits into memory.
    Events(Events),
    /// It lies in temporary files.
    Relation(Box<Relation>),
}

impl Gathered {
    /// Nothing yet of these columns, which may take so many bytes of memory; at most so many pieces will come, about as large
    /// as one another.
    pub fn new(names: Vec<&'static str>, pieces: usize, room: usize) -> Gathered {
        Gathered { names, left: pieces, room, held: Held::InMemory(Events::default()) }
    }

    /// Adds these pieces, of each only the rows that are to be kept, if not all are.
    ///
    /// # Errors
    /// `Error::Temporary` if they cannot be written; `Error::Query` if Polars gives out.
    pub fn add(&mut self, more: Vec<Kept>) -> Result<(), Error> {
        let names = &self.names;
        let count = more.len();
        let taken = |mut kept: Kept| {
            kept.events.columns.retain(|name, _| names.contains(name));
            kept.taken()
        };
        let more: Vec<Events> = more.into_par_iter().map(taken).collect();
        // Of as many pieces to come as these, rows in proportion; more room than that is found when it is needed.
        let rows = more.iter().map(|events| events.rows).sum::<usize>();
        let expected = rows * self.left.div_ceil(count.max(1));
        self.left = self.left.saturating_sub(count);
        match &mut self.held {
            Held::InFiles(table) => table.add_all(frames(more, names)?),
            Held::InMemory(events) => {
                append(events, more, expected);
                if events.columns.values().map(bytes_of).sum::<usize>() > self.room {
                    let mut table = Table::default();
                    table.add_all(frames(vec![std::mem::take(events)], names)?)?;
                    self.held = Held::InFiles(table);
                }
                Ok(())
            }
        }
    }

    /// All that was added.
    ///
    /// # Errors
    /// `Error::Temporary` if it cannot be read.
    pub fn finish(self) -> Result<Found, Error> {
        match self.held {
            Held::InFiles(table) => Ok(Found::Relation(Box::new(table.finish()?))),
            Held::InMemory(events) => Ok(Found::Events(events)),
        }
    }
}

fn frames(pieces: Vec<Events>, names: &[&'static str]) -> Result<Vec<DataFrame>, Error> {
    pieces.into_par_iter().map(|events| frame(events, names, None)).collect()
}

/// Adds the rows of pieces with the same columns; in place of nothing the first piece, with room for so many rows as are
/// expected: to grow step by step, columns would be copied again and again, and be there twice while they are.
fn append(events: &mut Events, pieces: Vec<Events>, expected: usize) {
    let mut pieces = pieces.into_iter();
    if events.rows == 0 {
        let Some(mut first) = pieces.next() else { return };
        first
            .columns
            .values_mut()
            .for_each(|column| column.reserve_exact(expected.saturating_sub(first.rows)));
        *events = first;
    }
    let pieces: Vec<Events> = pieces.collect();
    events.columns.par_iter_mut().for_each(|(name, column)| {
        pieces.iter().filter_map(|piece| piece.columns.get(name)).for_each(|piece| column.append(piece));
    });
    events.rows += pieces.iter().map(|piece| piece.rows).sum::<usize>();
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::engine::polars::query;
    use crate::events::column::{Bits, Column, Texts};

    fn piece(rows: std::ops::Range<i64>) -> Events {
        let count = rows.clone().count();
        let mut types = Texts::default();
        rows.clone()
            .for_each(|row| types.push((row % 7 > 0).then_some(["view", "search"][row as usize % 2])));
        let statuses = rows.map(|row| (row % 5 > 0).then_some(row)).collect();
        let columns = [("event_type", Column::Text(types)), ("response_status", Column::Bigint(statuses))];
        Events { columns: columns.into_iter().collect(), rows: count }
    }

    /// 400 events, of which every other one of the second piece is kept, and none of the third; with room for so many bytes.
    fn gathered(room: usize) -> Found {
        let mut gathered = Gathered::new(vec!["event_type", "response_status"], 4, room);
        let half: Bits = (0..100).map(|row| row % 2 == 0).collect();
        let none: Bits = (0..100).map(|_| false).collect();
        let kept = |rows, keep| Kept { events: piece(rows), keep };
        gathered.add(vec![kept(0..100, None), kept(100..200, Some(half))]).unwrap();
        gathered.add(vec![kept(200..300, Some(none))]).unwrap();
        gathered.add(vec![kept(300..400, None)]).unwrap();
        gathered.finish().unwrap()
    }

    #[test]
    fn it_is_the_same_in_memory_and_in_files() {
        let names = ["event_type", "response_status"];
        let rows: Vec<i64> = (0..100).chain((100..200).step_by(2)).chain(300..400).collect();
        let sql = "SELECT event_type, response_status FROM events ORDER BY response_status, event_type";
        let whole = frame(piece(0..400), &names, Some((0..400).map(|row| rows.contains(&row)).collect()));
        let expected = query(sql, &Relation::in_memory(whole.unwrap())).unwrap();
        assert_eq!(expected.height(), 250);
        // Everything, nothing, and the first two pieces only.
        for (room, fits) in [(1 << 20, true), (0, false), (150 * 12 + 1000, false)] {
            let relation = match gathered(room) {
                Found::Events(events) if fits => Relation::in_memory(frame(events, &names, None).unwrap()),
                Found::Relation(relation) if !fits => *relation,
                _ => panic!("{room} bytes"),
            };
            let found = query(sql, &relation).unwrap();
            assert!(found.equals_missing(&expected), "{room} bytes\n{found}\n{expected}");
        }
    }
}
