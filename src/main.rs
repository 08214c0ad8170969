//! The program; all of it is in the library.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[global_allocator]
static HEAPS: loganalyze::heaps::Heaps = loganalyze::heaps::Heaps;

fn main() -> std::process::ExitCode {
    loganalyze::heaps::set_up();
    loganalyze::cli::main()
}
