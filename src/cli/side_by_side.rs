//! Work that takes memory, side by side: as much at a time as there is memory for, the first that has room first.
//! Knows nothing of what the work is.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Does work of these numbers, each with the share of the memory that it takes, in the current pool of threads; no more than
/// `most` at a time. One that takes more than all is done alone.
pub fn side_by_side<T: Send>(
    waiting: Vec<(usize, f64)>,
    most: usize,
    work: impl Fn(usize) -> T + Sync,
) -> BTreeMap<usize, T> {
    let plan = Plan {
        state: Mutex::new(State { waiting, free: 1.0, running: 0, done: BTreeMap::new() }),
        most,
        work,
    };
    rayon::scope(|scope| plan.begin(scope));
    let state = plan.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    state.done
}

struct Plan<T, W> {
    state: Mutex<State<T>>,
    most: usize,
    work: W,
}

struct State<T> {
    waiting: Vec<(usize, f64)>,
    /// The share of the memory that nobody takes.
    free: f64,
    running: usize,
    done: BTreeMap<usize, T>,
}

impl<T: Send, W: Fn(usize) -> T + Sync> Plan<T, W> {
    /// Begins all that has room now. A thread that nothing has room for helps the others with what they do.
    fn begin<'scope>(&'scope self, scope: &rayon::Scope<'scope>) {
        let mut state = self.state();
        while let Some((number, share)) = state.next(self.most) {
            scope.spawn(move |scope| {
                let done = (self.work)(number);
                let mut state = self.state();
                state.done.insert(number, done);
                state.free += share;
                state.running -= 1;
                drop(state);
                self.begin(scope);
            });
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    /// Takes the first that has room.
    fn next(&mut self, most: usize) -> Option<(usize, f64)> {
        let has_room = |(_, share): &(usize, f64)| self.running == 0 || *share <= self.free;
        let at = self.waiting.iter().position(has_room).filter(|_| self.running < most)?;
        let next = self.waiting.remove(at);
        self.free -= next.1;
        self.running += 1;
        Some(next)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    /// What is running, and the most that ever was, of number and of hundredths of the memory.
    #[derive(Default)]
    struct Running {
        now: Mutex<(usize, usize)>,
        most: AtomicUsize,
        most_memory: AtomicUsize,
    }

    impl Running {
        fn change(&self, change: impl Fn(&mut (usize, usize))) {
            let mut now = self.now.lock().unwrap();
            change(&mut now);
            self.most.fetch_max(now.0, Ordering::Relaxed);
            self.most_memory.fetch_max(now.1, Ordering::Relaxed);
        }
    }

    /// The most that ran side by side, and the most memory that they took.
    fn run(shares: &[usize], most: usize) -> (usize, usize) {
        let running = Running::default();
        let waiting = shares.iter().map(|&share| share as f64 / 100.0).enumerate().collect();
        let work = |number: usize| {
            running.change(|now| *now = (now.0 + 1, now.1 + shares[number]));
            std::thread::sleep(Duration::from_millis(3));
            running.change(|now| *now = (now.0 - 1, now.1 - shares[number]));
            10 * number
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
        let done = pool.install(|| side_by_side(waiting, most, work));
        assert_eq!(done, (0..shares.len()).map(|number| (number, 10 * number)).collect());
        (running.most.into_inner(), running.most_memory.into_inner())
    }

    #[test]
    fn no_more_runs_than_there_is_memory_for() {
        let shares: Vec<usize> = (0..40).map(|number| number * 37 % 61).collect();
        let (most, memory) = run(&shares, 4);
        assert!((2..=4).contains(&most) && (61..=100).contains(&memory), "{most}, {memory} %");
        assert_eq!(run(&[51; 5], 4), (1, 51));
        assert_eq!(run(&[40; 20], 4).1, 80);
    }

    #[test]
    fn what_has_room_does_not_wait_for_what_has_none() {
        let begun = Mutex::new(Vec::new());
        let work = |number: usize| {
            begun.lock().unwrap().push(number);
            std::thread::sleep(Duration::from_millis(3));
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
        pool.install(|| side_by_side(vec![(0, 0.6), (1, 0.6), (2, 0.3), (3, 0.1)], 4, work));
        assert_eq!(begun.into_inner().unwrap().last(), Some(&1));
    }

    #[test]
    fn no_more_runs_than_asked_for() {
        assert_eq!(run(&[0; 12], 2).0, 2);
        assert_eq!(run(&[0; 12], 1).0, 1);
    }

    #[test]
    fn one_that_takes_more_than_all_is_done_alone() {
        assert_eq!(run(&[150, 10, 150], 4), (1, 150));
        assert_eq!(run(&[], 4), (0, 0));
    }
}
