//! Where threads begin: each on a core of its own, if they are to be on all cores. Linux often lets a thread begin on the core
//! of the one that made it, which has work to do there, and moves it only when it next looks whether cores are idle, up to
//! 20 ms later: as long as a week of logs takes. From then on every thread may go where the system sends it, as ever.

/// Moves this thread, one of so many that are to work at the same time, to a core that no other of them is moved to. Does
/// nothing if they are fewer or more than there are cores, for then the system knows better, or where it cannot be done.
pub fn spread(number: usize, threads: usize) {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    linux::spread(number, threads);
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    let _ = (number, threads);
}

/// [Spreads](spread) the threads of the pool that rayon calls the current one, which begin now if they have not yet.
pub fn spread_pool() {
    rayon::broadcast(|thread| spread(thread.index(), thread.num_threads()));
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod linux {
    #![allow(unsafe_code)]

    use libc::{CPU_ISSET, CPU_SET, CPU_SETSIZE, CPU_ZERO, cpu_set_t, sched_getaffinity, sched_setaffinity};

    const BYTES: usize = size_of::<cpu_set_t>();

    pub fn spread(number: usize, threads: usize) {
        // SAFETY: sets of cores are plain bits, here and for the system, which is told how many bytes they have; 0 is the
        // thread that calls. What was allowed a moment ago is allowed again: the second call fails only where the first did.
        unsafe {
            let (mut all, mut one): (cpu_set_t, cpu_set_t) = std::mem::zeroed();
            if sched_getaffinity(0, BYTES, &raw mut all) != 0 {
                return;
            }
            let cores: Vec<usize> = (0..CPU_SETSIZE as usize).filter(|&core| CPU_ISSET(core, &all)).collect();
            if let Some(&core) = cores.get(number).filter(|_| cores.len() == threads) {
                CPU_ZERO(&mut one);
                CPU_SET(core, &mut one);
                sched_setaffinity(0, BYTES, &raw const one);
                sched_setaffinity(0, BYTES, &raw const all);
            }
        }
    }
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
#[allow(clippy::unwrap_used)]
mod tests {
    /// The cores that this thread may run on, a bit for each, in hexadecimal digits.
    fn allowed() -> String {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        status.lines().find_map(|line| line.strip_prefix("Cpus_allowed:")).unwrap().to_owned()
    }

    /// How many they are; a container may have less time than they have.
    fn cores() -> usize {
        allowed().chars().filter_map(|digit| digit.to_digit(16)).map(|bits| bits.count_ones() as usize).sum()
    }

    /// The core that this thread ran on last.
    fn core() -> usize {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        stat.rsplit_once(") ").unwrap().1.split(' ').nth(36).unwrap().parse().unwrap()
    }

    #[test]
    fn a_thread_is_moved_to_its_core_and_may_leave_it() {
        const TIMES: usize = 50;
        let before = allowed();
        let cores = cores();
        let mut seen = std::collections::HashSet::new();
        for number in 0..cores {
            let mut found = [0; TIMES];
            for core_then in &mut found {
                super::spread(number, cores);
                *core_then = core();
            }
            assert_eq!(allowed(), before);
            // The system may have moved it on, but seldom so soon.
            found.sort_unstable();
            let middle = found[TIMES / 2];
            let elsewhere = found.iter().filter(|core| **core != middle).count();
            assert!(elsewhere < TIMES / 2 && seen.insert(middle), "{number}: {found:?}");
        }
    }

    #[test]
    fn threads_stay_where_they_are_if_they_are_not_as_many_as_cores() {
        let cores = cores();
        let stayed = (0..50).filter(|number| {
            let before = core();
            super::spread(number % cores, cores + 1);
            core() == before
        });
        assert!(stayed.count() > 25);
    }
}
