//! A progress bar on standard error, for more than a second of work on a terminal.

use crate::input::LogFile;
use crate::scan::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(100);

/// Runs `work` and shows meanwhile how much of `files` was read, if `wanted` and standard error is a terminal.
pub fn watch<T>(files: &[LogFile], wanted: bool, work: impl FnOnce(&Progress) -> T) -> T {
    let progress = Progress::default();
    if !wanted || !std::io::stderr().is_terminal() {
        return work(&progress);
    }
    let done = AtomicBool::new(false);
    let total = files.iter().map(|file| file.bytes).sum::<Option<u64>>();
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| show(total, &progress, &done));
        let _ending = Ending { done: &done, watcher: watcher.thread() };
        work(&progress)
    })
}

/// Lets the watcher end, however the work ends: nobody would end it behind a panic.
struct Ending<'a> {
    done: &'a AtomicBool,
    watcher: &'a Thread,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        self.watcher.unpark();
    }
}

fn show(total: Option<u64>, progress: &Progress, done: &AtomicBool) {
    let begin = Instant::now();
    let mut bar = None;
    while !done.load(Ordering::Relaxed) {
        std::thread::park_timeout(TICK);
        if begin.elapsed() > PATIENCE {
            let bar = bar.get_or_insert_with(|| new_bar(total, begin));
            bar.set_position(progress.bytes.load(Ordering::Relaxed));
        }
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
}

fn new_bar(total: Option<u64>, begin: Instant) -> ProgressBar {
    let template = match total {
        Some(_) => "{bar:30} {percent}% of {total_bytes}, {bytes_per_sec}, {eta} left",
        None => "{spinner} {bytes} read, {bytes_per_sec}",
    };
    let bar = match total {
        Some(total) => ProgressBar::new(total),
        None => ProgressBar::new_spinner(),
    };
    bar.set_draw_target(ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.with_elapsed(begin.elapsed())
}
