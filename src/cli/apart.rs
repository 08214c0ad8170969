//! Events from which each question takes its own columns of its own rows: in memory, or in temporary files where all columns of all
//! questions together have no room there. Knows nothing of what the questions are.

mod in_memory;

pub use in_memory::InMemory;

use super::load::Kept;
use crate::engine::polars::{frame, no_events};
use crate::engine::relation::{Relation, Table};
use crate::engine::seen::Seen;
use crate::error::Error;
use crate::events::Events;
use crate::events::column::Column;
use crate::scan::spill::{Named, Spill};
use crate::scan::wanted::Wanted;
use polars::prelude::DataFrame;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Events from which questions take their own.
pub enum Apart {
    /// All of them are in memory.
    InMemory(InMemory),
    /// They are in temporary files.
    InFiles(InFiles),
}

impl Apart {
    /// What share of the memory that there is for them these columns take, if they have room there.
    pub fn share(&self, columns: Wanted) -> Option<f64> {
        match self {
            Apart::InMemory(_) => Some(0.0),
            Apart::InFiles(events) => events.share(columns),
        }
    }

    /// The relation in memory that a question sees that takes these columns, and these rows if not all.
    ///
    /// # Errors
    /// `Error::Temporary` if it cannot be read; `Error::Query` if Polars gives out.
    pub fn relation(&self, columns: Wanted, seen: Option<&Seen>) -> Result<Relation, Error> {
        match self {
            Apart::InMemory(events) => events.relation(columns, seen),
            Apart::InFiles(events) => events.relation(columns, seen),
        }
    }
}

/// Events in pieces, of which every column can be read by itself.
pub struct InFiles {
    /// Each column of each piece in a part of its own.
    spill: Spill,
    names: Vec<&'static str>,
    pieces: usize,
    rows: usize,
    /// How many bytes each column would take in memory.
    bytes: BTreeMap<&'static str, usize>,
    /// How many bytes the columns of questions that are answered side by side may take.
    room: usize,
}

impl InFiles {
    /// No events yet; there will be at most so many pieces of them with these columns. Their columns may take so many bytes of
    /// memory.
    pub fn new(pieces: usize, names: Vec<&'static str>, room: usize) -> InFiles {
        let spill = Spill::new(pieces * names.len());
        InFiles { spill, names, pieces: 0, rows: 0, bytes: BTreeMap::new(), room }
    }

    /// Adds these pieces, of each only the rows that are to be kept, if not all are.
    ///
    /// # Errors
    /// `Error::Temporary` if they cannot be written.
    pub fn add(&mut self, pieces: Vec<Kept>) -> Result<(), Error> {
        let (spill, names, first) = (&self.spill, &self.names, self.pieces);
        let count = pieces.len();
        let write = |(number, Kept { mut events, keep }): (usize, Kept)| {
            let rows = keep.map(|keep| keep.rows());
            let mut written = Vec::new();
            for (at, &name) in names.iter().enumerate() {
                let Some(column) = events.columns.remove(name) else { continue };
                let column = column.take_some(rows.as_deref());
                written.push((name, bytes_of(&column)));
                let part = (first + number) * names.len() + at;
                spill.add(&vec![(name, column)], None, part).map_err(Error::Temporary)?;
            }
            Ok((written, rows.map_or(events.rows, |rows| rows.len())))
        };
        let written: Result<Vec<_>, Error> = pieces.into_par_iter().enumerate().map(write).collect();
        for (columns, rows) in written? {
            self.rows += rows;
            columns.into_iter().for_each(|(name, bytes)| *self.bytes.entry(name).or_default() += bytes);
        }
        self.pieces += count;
        Ok(())
    }

    /// What share of the memory that there is for them these columns take, if they have room there.
    pub fn share(&self, columns: Wanted) -> Option<f64> {
        let bytes: usize = self.named(columns).iter().filter_map(|name| self.bytes.get(name)).sum();
        (bytes <= self.room).then(|| bytes as f64 / self.room.max(1) as f64)
    }

    /// The relation in memory that a question sees that takes these columns, and these rows if not all.
    ///
    /// # Errors
    /// `Error::Temporary` if it cannot be read; `Error::Query` if Polars gives out.
    pub fn relation(&self, columns: Wanted, seen: Option<&Seen>) -> Result<Relation, Error> {
        let names = self.named(columns);
        let conditions = seen.map(Seen::columns).unwrap_or_default();
        let rows = |piece: usize| {
            let events = self.piece(piece, &conditions)?;
            Ok(seen.and_then(|seen| seen.rows(&events, None)).map(|seen| seen.rows()))
        };
        let rows: Result<Vec<Option<Vec<u32>>>, Error> = (0..self.pieces).into_par_iter().map(rows).collect();
        let rows = rows?;
        let all: usize =
            rows.iter().map(|rows| rows.as_ref().map_or(self.rows / self.pieces, Vec::len)).sum();
        let column = |&name: &&'static str| {
            let mut whole = Named::new();
            for (piece, rows) in rows.iter().enumerate() {
                if let (1, Some((_, whole))) = (piece, whole.first_mut()) {
                    whole.reserve_exact(all);
                }
                let Some(rows) = rows else {
                    self.read_behind(piece, &[name], &mut whole)?;
                    continue;
                };
                let mut some = Named::new();
                self.read_behind(piece, &[name], &mut some)?;
                let Some((name, column)) = some.pop() else { continue };
                let column = column.take_some(Some(rows));
                match whole.first_mut() {
                    Some((_, whole)) => whole.append(&column),
                    None => whole.push((name, column)),
                }
            }
            Ok(whole)
        };
        let columns: Result<Vec<Named>, Error> = names.par_iter().map(column).collect();
        let columns: BTreeMap<_, _> = columns?.into_iter().flatten().collect();
        let rows = columns.values().next().map_or(0, Column::len);
        if rows == 0 {
            return Ok(no_events());
        }
        Ok(Relation::in_memory(frame(Events { columns, rows }, &names, None)?))
    }

    /// All rows with these columns in temporary files of their own.
    ///
    /// # Errors
    /// `Error::Temporary` if it cannot be read or written; `Error::Query` if Polars gives out.
    pub fn table(&self, columns: Wanted) -> Result<Relation, Error> {
        if self.rows == 0 {
            return Ok(no_events());
        }
        let names = self.named(columns);
        let mut table = Table::default();
        let pieces: Vec<usize> = (0..self.pieces).collect();
        for together in pieces.chunks(rayon::current_num_threads()) {
            let framed = |&piece: &usize| {
                let events = self.piece(piece, &names)?;
                // What has no rows has no columns here, either.
                (events.rows > 0).then(|| frame(events, &names, None)).transpose()
            };
            let frames: Result<Vec<Option<DataFrame>>, Error> = together.par_iter().map(framed).collect();
            table.add_all(frames?.into_iter().flatten().collect())?;
        }
        table.finish()
    }

    /// Those of these columns that there are, or any one if that is none: Polars wants a column to know how many rows there
    /// are.
    fn named(&self, columns: Wanted) -> Vec<&'static str> {
        let names: Vec<_> = self.names.iter().copied().filter(|name| columns.has(name)).collect();
        if names.is_empty() { self.names[..1].to_vec() } else { names }
    }

    fn piece(&self, piece: usize, names: &[&'static str]) -> Result<Events, Error> {
        let mut columns = Named::new();
        let rows = self.read_behind(piece, names, &mut columns)?;
        Ok(Events { columns: columns.into_iter().collect(), rows })
    }

    /// Adds the rows of a piece to these columns; how many they are.
    fn read_behind(&self, piece: usize, names: &[&'static str], columns: &mut Named) -> Result<usize, Error> {
        let mut rows = 0;
        for (at, name) in self.names.iter().enumerate().filter(|(_, name)| names.contains(name)) {
            let part = piece * self.names.len() + at;
            rows = self.spill.read_behind(part, &[name], columns).map_err(Error::Temporary)?;
        }
        Ok(rows)
    }
}

/// About how many bytes a column takes in a DataFrame.
pub fn bytes_of(column: &Column) -> usize {
    match column {
        Column::Text(texts) => texts.codes.len() * size_of::<u32>() + texts.dictionary.bytes(),
        Column::Boolean(_) => column.len() / 8,
        _ => column.len() * size_of::<u64>(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::load::Taken;
    use super::*;
    use crate::engine::polars::query;
    use crate::schema::EVENTS;

    fn events(rows: std::ops::Range<i64>) -> Events {
        let texts = |of: &dyn Fn(i64) -> Option<String>| {
            let mut texts = crate::events::column::Texts::default();
            rows.clone().for_each(|row| texts.push(of(row).as_deref()));
            Column::Text(texts)
        };
        let columns = [
            (
                "event_type",
                texts(&|row| (row % 5 > 0).then(|| ["view", "search"][row as usize % 2].to_owned())),
            ),
            ("path", texts(&|row| Some(format!("/products/{row}")))),
            (
                "response_status",
                Column::Bigint(rows.clone().map(|row| (row % 7 > 0).then_some(row)).collect()),
            ),
            ("paired", Column::Boolean(rows.clone().map(|row| Some(row % 3 == 0)).collect())),
        ];
        Events { columns: columns.into_iter().collect(), rows: (rows.end - rows.start) as usize }
    }

    /// 300 events in pieces, the first of which has none that is kept; of the third every other one is.
    fn apart(room: usize) -> (InFiles, Vec<i64>) {
        let names = vec!["event_type", "path", "response_status", "paired"];
        let mut apart = InFiles::new(4, names, room);
        let half = (0..100).map(|row| row % 2 == 0).collect();
        apart
            .add(vec![Kept { events: events(200..250), keep: Some((0..50).map(|_| false).collect()) }])
            .unwrap();
        apart
            .add(vec![
                Kept { events: events(0..100), keep: None },
                Kept { events: events(100..200), keep: Some(half) },
            ])
            .unwrap();
        apart.add(vec![Kept { events: events(250..300), keep: None }]).unwrap();
        (apart, (0..100).chain((100..200).step_by(2)).chain(250..300).collect())
    }

    fn need(sql: &str) -> (Wanted, Option<Seen>) {
        (Wanted::of(crate::report::columns_of(sql)), Seen::by([sql].into_iter(), EVENTS.name))
    }

    #[test]
    fn a_question_sees_what_it_would_see_of_the_whole() {
        let (apart, rows) = apart(1 << 20);
        let keep = Some((0..300).map(|row| rows.contains(&row)).collect());
        let names = ["event_type", "path", "response_status", "paired"];
        let whole = Relation::in_memory(frame(events(0..300), &names, Clone::clone(&keep)).unwrap());
        let queries = [
            "SELECT event_type, path, response_status, paired FROM events ORDER BY path",
            "SELECT path, response_status FROM events WHERE paired AND event_type = 'view' ORDER BY path",
            "SELECT event_type, COUNT(*) AS n FROM events WHERE response_status > 120 GROUP BY event_type ORDER BY event_type",
            "SELECT path FROM events WHERE event_type = 'none of these' ORDER BY path",
            "SELECT COUNT(*) AS n FROM events",
        ];
        let taken = queries.map(|sql| {
            let (columns, seen) = need(sql);
            Taken { columns, seen }
        });
        let all = Wanted::of(names);
        let in_memory = InMemory::new(Kept { events: events(0..300), keep }, all, &taken).unwrap();
        for sql in queries {
            let expected = query(sql, &whole).unwrap();
            let (columns, seen) = need(sql);
            let found = query(sql, &in_memory.relation(columns, seen.as_ref()).unwrap()).unwrap();
            assert!(found.equals_missing(&expected), "{sql}\n{found}\n{expected}");
            let found = query(sql, &apart.relation(columns, seen.as_ref()).unwrap()).unwrap();
            assert!(found.equals_missing(&expected), "{sql}\n{found}\n{expected}");
            let table = query(sql, &apart.table(columns).unwrap()).unwrap();
            assert!(table.equals_missing(&expected), "{sql}\n{table}\n{expected}");
        }
        let (columns, seen) = need("SELECT path FROM events WHERE paired");
        let seen = apart.relation(columns, seen.as_ref()).unwrap();
        assert_eq!(seen.frame().unwrap().height(), rows.iter().filter(|row| *row % 3 == 0).count());
        let (columns, seen) = need(queries[1]);
        let few = in_memory.relation(columns, seen.as_ref()).unwrap().frame().unwrap().height();
        assert!((1..rows.len() / 3).contains(&few), "{few}");
    }

    #[test]
    fn columns_take_a_share_of_the_room() {
        let columns = Wanted::of(["response_status"]);
        let bytes = 200 * size_of::<u64>();
        let shares = [bytes - 1, bytes, 4 * bytes].map(|room| apart(room).0.share(columns));
        assert_eq!(shares, [None, Some(1.0), Some(0.25)]);
        let more = Wanted::of(["response_status", "path"]);
        assert_eq!(apart(3 * bytes).0.share(more), None);
        let none = InFiles::new(1, vec!["path"], 100);
        assert_eq!(
            query("SELECT COUNT(*) AS n FROM events", &none.relation(Wanted::default(), None).unwrap())
                .unwrap()
                .height(),
            1
        );
    }
}
