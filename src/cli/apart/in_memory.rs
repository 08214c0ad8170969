//! Events in memory, from which each question takes the rows that it looks at: Polars would otherwise filter all of them again
//! for every question. Knows nothing of what the questions are.

use crate::cli::load::{Kept, Taken};
use crate::engine::polars::{frame, picked};
use crate::engine::relation::Relation;
use crate::engine::seen::Seen;
use crate::error::Error;
use crate::events::Events;
use crate::scan::wanted::Wanted;
use polars::prelude::*;
use rayon::prelude::*;

/// Events of which some questions look at all, some at a few.
pub struct InMemory {
    whole: DataFrame,
    /// What each of those looks at that look at a few, and the rows that it is.
    few: Vec<(Seen, IdxCa)>,
}

impl InMemory {
    /// These columns of these events, of which the questions take this.
    ///
    /// # Errors
    /// `Error::Query` if Polars gives out.
    pub fn new(kept: Kept, columns: Wanted, questions: &[Taken]) -> Result<InMemory, Error> {
        let events = kept.taken();
        let rows_of = |Taken { seen, .. }: &Taken| Some((seen.clone()?, few(seen.as_ref()?, &events)?));
        let few = questions.par_iter().filter_map(rows_of).collect();
        let names: Vec<_> = columns.names().collect();
        Ok(InMemory { few, whole: frame(events, &names, None)? })
    }

    /// The relation that a question sees that takes these columns, and these rows if not all.
    ///
    /// # Errors
    /// `Error::Query` if Polars gives out.
    pub fn relation(&self, columns: Wanted, seen: Option<&Seen>) -> Result<Relation, Error> {
        let names: Vec<_> =
            columns.names().filter(|name| self.whole.get_column_index(name).is_some()).collect();
        let rows = self.few.iter().find(|(few, _)| Some(few) == seen).map(|(_, rows)| rows);
        match rows.filter(|_| !names.is_empty()) {
            Some(rows) => Ok(Relation::in_memory(picked(&self.whole, &names, rows)?)),
            None => Ok(Relation::in_memory(self.whole.clone()).narrowed(&names)),
        }
    }
}

/// The rows that a question looks at, if they are so few that it is worth while to take them out.
fn few(seen: &Seen, events: &Events) -> Option<IdxCa> {
    let rows = seen.rows(events, None)?;
    (rows.unset() > rows.len() / 2).then(|| IdxCa::from_vec(PlSmallStr::EMPTY, rows.rows()))
}
