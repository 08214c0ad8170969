//! The program; all of it is in the library.

fn main() -> std::process::ExitCode {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    heaps::one_a_core();
    loganalyze::cli::main()
}

/// glibc keeps eight heaps a core, and what is freed in one stays there: many times what a limit of memory allows.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod heaps {
    #![allow(unsafe_code)]

    pub fn one_a_core() {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        // SAFETY: only sets a number, before there is another thread; fewer than two heaps would make threads wait.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, cores.clamp(2, 64) as libc::c_int) };
    }
}
