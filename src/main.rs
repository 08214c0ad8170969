//! The program; all of it is in the library.

fn main() -> std::process::ExitCode {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    heaps::set_up();
    loganalyze::cli::main()
}

/// How glibc keeps its memory.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod heaps {
    #![allow(unsafe_code)]

    use libc::{M_ARENA_MAX, M_MMAP_THRESHOLD, M_TOP_PAD, M_TRIM_THRESHOLD, c_int};

    /// What is freed at a heap's end stays there up to this size: to get it again, page by page, takes longer than to read the
    /// logs that go there.
    const KEPT: c_int = 64 << 20;
    /// How much more than asked for a heap grows by.
    const AHEAD: c_int = 16 << 20;
    /// What is larger is not in a heap; the largest that glibc takes.
    const LARGEST: c_int = 32 << 20;

    /// Sets numbers; those that glibc does not take stay as they are.
    pub fn set_up() {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        // By itself it has eight heaps a core, and what is freed in one stays there: many times what a limit of memory allows.
        // With fewer than two threads would wait.
        let heaps = cores.clamp(2, 64) as c_int;
        let numbers =
            [(M_ARENA_MAX, heaps), (M_TRIM_THRESHOLD, KEPT), (M_TOP_PAD, AHEAD), (M_MMAP_THRESHOLD, LARGEST)];
        for (what, number) in numbers {
            // SAFETY: only sets a number, before there is another thread.
            unsafe { libc::mallopt(what, number) };
        }
    }
}
