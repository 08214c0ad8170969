//! Puts the rows of chunks into the order of the logs while other chunks are read: so every row is there once, and is moved
//! while it is still close to the processor. Knows nothing of lines and of temporary files.

use super::rows::{Piece, Rows, Together};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The rows that were read so far; shared by all threads.
pub struct InOrder {
    /// How many bytes they may take, if that is limited.
    room: Option<usize>,
    /// How many bytes there are to read, if that is known.
    bytes: Option<u64>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    together: Together,
    /// The file and the chunk whose rows come next.
    next: (usize, usize),
    /// Rows that were read before those that come before them.
    waiting: BTreeMap<(usize, usize), (Piece, Rows)>,
    /// How many chunks each file has, as far as that is known.
    ends: Vec<Option<usize>>,
    /// How many rows there are, those that wait among them, and how many bytes were read for them.
    rows: usize,
    read: u64,
    /// How many bytes the texts of each thread take.
    texts: Vec<usize>,
    /// Whether there is no more room: each thread takes back its own rows then, and this is how far it is.
    full: bool,
    taken: Vec<(usize, usize)>,
}

/// A chunk: of which file, which one of it, and how many bytes of the file were read for it.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub file: usize,
    pub chunk: usize,
    pub bytes: u64,
}

impl InOrder {
    /// Takes the rows of so many files with so many bytes, if that is known, which so many threads read, and puts them behind
    /// those of `together`. They may take so many bytes.
    pub fn new(
        together: Together,
        files: usize,
        bytes: Option<u64>,
        threads: usize,
        room: Option<usize>,
    ) -> InOrder {
        let (ends, texts, taken) = (vec![None; files], vec![0; threads], vec![(0, 0); threads]);
        let state = State { together, ends, texts, taken, ..State::default() };
        InOrder { room, bytes, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the rows of a chunk that this thread read, whose texts take so many bytes. False if there is no more room: the
    /// thread must then [take back](InOrder::take_back) all its rows, and may add no more.
    pub fn add(&self, place: Place, thread: usize, rows: Rows, texts: usize) -> bool {
        let mut state = self.state();
        state.rows += rows.count;
        state.read += place.bytes;
        state.texts[thread] = texts;
        let piece = Piece { file: place.file, thread };
        state.waiting.insert((place.file, place.chunk), (piece, rows));
        self.go_on(&mut state);
        state.full = self.room.is_some_and(|room| state.full || state.bytes() > room);
        !state.full
    }

    /// Notes that a file has so many chunks.
    pub fn end(&self, file: usize, chunks: usize) {
        let mut state = self.state();
        state.ends[file] = Some(chunks);
        self.go_on(&mut state);
    }

    /// Moves the rows whose turn it is.
    fn go_on(&self, state: &mut State) {
        while !state.full {
            if let Some((piece, rows)) = state.waiting.remove(&state.next) {
                let expected = self.expected(state);
                state.together.add(piece, &rows, expected);
                state.next.1 += 1;
            } else if state.ends.get(state.next.0) == Some(&Some(state.next.1)) {
                state.next = (state.next.0 + 1, 0);
            } else {
                return;
            }
        }
    }

    /// How many rows there will be, if all files are like what was read of them; no more than there is room for, and a little
    /// more than that, so that the last chunk need not move everything.
    fn expected(&self, state: &State) -> usize {
        let Some(bytes) = self.bytes else { return 0 };
        let rows = (state.rows as f64 * bytes as f64 / state.read.max(1) as f64) as usize;
        let most = self.room.map_or(usize::MAX, |room| room / state.together.width().max(1));
        let rows = rows.min(most);
        rows + rows / 32
    }

    /// About so many bytes of the rows that this thread read, in no order, at least those of one chunk; nothing if there are no
    /// more.
    pub fn take_back(&self, thread: usize, bytes: usize) -> Option<Together> {
        let mut state = self.state();
        let State { together, waiting, taken, .. } = &mut *state;
        let mut found = together.next_of(thread, &mut taken[thread], bytes);
        while !found.takes(bytes)
            && let Some(at) =
                waiting.iter().find_map(|(at, (piece, _))| (piece.thread == thread).then_some(*at))
            && let Some((piece, rows)) = waiting.remove(&at)
        {
            found.add(piece, &rows, 0);
        }
        if taken.iter().all(|taken| taken.0 == together.pieces()) {
            *together = together.without_rows();
            taken.fill((0, 0));
        }
        (found.pieces() > 0).then_some(found)
    }

    /// All rows, in the order of the logs.
    pub fn finish(self) -> Together {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).together
    }
}

impl State {
    fn bytes(&self) -> usize {
        self.rows * self.together.width() + self.texts.iter().sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::super::column::{Column, Dictionary, Values};
    use super::super::rows::Cells;
    use super::*;
    use crate::schema::Type;

    const THREADS: usize = 3;
    /// How many chunks each file has.
    const FILES: [usize; 6] = [3, 0, 1, 5, 0, 2];

    /// Rows of a chunk: a number, null in some rows, and a text that many rows share.
    fn rows(file: usize, chunk: usize, dictionary: &mut Dictionary) -> Rows {
        let numbers: Vec<usize> =
            (0..(file * 31 + chunk * 17) % 90).map(|row| file * 1000 + chunk * 100 + row).collect();
        let values: Values<i64> = numbers.iter().map(|&n| (n % 7 > 0).then_some(n as i64)).collect();
        let code = |n: &usize| dictionary.code(format!("text {}", n % 50).as_bytes());
        let texts = numbers.iter().map(code).collect();
        Rows { cells: vec![Cells::Bigint(values), Cells::Text(texts)], count: numbers.len() }
    }

    /// Each row of these columns.
    fn shown(columns: &[Column]) -> Vec<String> {
        let [Column::Bigint(values), Column::Text(texts)] = columns else { return Vec::new() };
        values.iter().enumerate().map(|(row, value)| format!("{value:?} {:?}", texts.get(row))).collect()
    }

    fn none() -> Together {
        Together::new([Type::Bigint, Type::Text].into_iter())
    }

    /// All chunks, in an order of which there is another for each `seed`, each with a thread.
    fn chunks(seed: usize) -> Vec<(usize, usize, usize)> {
        let of_file = |(file, &chunks): (usize, &usize)| {
            (0..chunks).map(move |chunk| (file, chunk)).collect::<Vec<_>>()
        };
        let mut all: Vec<_> = FILES.iter().enumerate().flat_map(of_file).collect();
        let mut shuffled = Vec::new();
        let mut random = seed;
        while !all.is_empty() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (file, chunk) = all.remove((random >> 33) % all.len());
            shuffled.push((file, chunk, (random >> 20) % THREADS));
        }
        shuffled
    }

    fn place(file: usize, chunk: usize) -> Place {
        Place { file, chunk, bytes: 1000 }
    }

    #[test]
    fn rows_stand_in_the_order_of_the_logs_in_whatever_order_they_come() {
        let mut dictionary = Dictionary::default();
        let mut together = none();
        for (file, &chunks) in FILES.iter().enumerate() {
            for chunk in 0..chunks {
                together.add(Piece { file, thread: 0 }, &rows(file, chunk, &mut dictionary), 0);
            }
        }
        let files = together.files();
        let expected = shown(&together.into_columns(vec![vec![Dictionary::default(), dictionary]]));
        assert!(expected.len() > 300);
        for seed in 0..200 {
            let bytes = [None, Some(1), Some(11_000), Some(u64::MAX)][seed % 4];
            let in_order = InOrder::new(none(), FILES.len(), bytes, THREADS, None);
            let mut dictionaries = vec![vec![Dictionary::default(); 2]; THREADS];
            let mut left = FILES;
            // That a file has none, or no more, is known before or behind chunks of others.
            let ends_late = seed % 3 == 0;
            let end = |file: usize| in_order.end(file, FILES[file]);
            (0..FILES.len()).filter(|&file| FILES[file] == 0 && !ends_late).for_each(end);
            for (file, chunk, thread) in chunks(seed) {
                let rows = rows(file, chunk, &mut dictionaries[thread][1]);
                assert!(in_order.add(place(file, chunk), thread, rows, 0));
                left[file] -= 1;
                if left[file] == 0 && !ends_late {
                    end(file);
                }
            }
            if ends_late {
                (0..FILES.len()).rev().for_each(end);
            }
            let together = in_order.finish();
            assert_eq!(together.files(), files, "{seed}");
            assert_eq!(shown(&together.into_columns(dictionaries)), expected, "{seed}");
        }
    }

    #[test]
    fn each_thread_takes_back_its_own_rows_once_there_is_no_more_room() {
        for seed in 0..200 {
            let in_order = InOrder::new(none(), FILES.len(), Some(11_000), THREADS, Some(12 * (seed % 300)));
            let mut dictionaries = vec![vec![Dictionary::default(); 2]; THREADS];
            let (mut expected, mut found) = (Vec::new(), Vec::new());
            let mut is_apart = [false; THREADS];
            let mut take_back = |thread: usize, dictionaries: &[Dictionary]| {
                while let Some(rows) = in_order.take_back(thread, seed * 5) {
                    found.extend(shown(&rows.into_columns_of_one(dictionaries.to_vec())));
                }
            };
            for (file, chunk, thread) in chunks(seed) {
                let rows = rows(file, chunk, &mut dictionaries[thread][1]);
                let mut alone = none();
                alone.add(Piece { file, thread }, &rows, 0);
                let of_chunk = shown(&alone.into_columns_of_one(dictionaries[thread].clone()));
                // What is read from then on does not come here.
                if is_apart[thread] {
                    continue;
                }
                expected.extend(of_chunk);
                is_apart[thread] = !in_order.add(place(file, chunk), thread, rows, 0);
                if is_apart[thread] {
                    take_back(thread, &dictionaries[thread]);
                }
                in_order.end(1, 0);
                in_order.end(4, 0);
            }
            assert!(is_apart.contains(&true), "{seed}");
            // Those that read no more.
            (0..THREADS).for_each(|thread| take_back(thread, &dictionaries[thread]));
            found.sort();
            expected.sort();
            assert_eq!(found, expected, "{seed}");
        }
    }
}
