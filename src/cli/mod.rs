//! The command line: words, what they run, exit codes. The one place that knows all others.

mod account;
mod answer;
mod apart;
mod args;
mod compare;
mod config;
mod describe;
mod events;
mod funnel_words;
mod gathered;
mod ingest;
mod init;
mod inputs;
mod load;
mod load_app;
mod load_parts;
mod load_store;
mod memory;
mod nightly;
mod outputs;
mod page;
mod periods;
mod pii;
mod progress;
mod quality;
mod question;
mod run;
mod run_file;
mod say;
mod settings;
mod side_by_side;
mod sql;
mod store;
mod target;
mod times;

use crate::engine::polars::quieten;
use crate::error::Error;
use clap::error::{ContextKind, ErrorKind};
use run_file::QueryFile;
use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the program with the process's own arguments and says how it ended.
pub fn main() -> ExitCode {
    quieten();
    let words: Vec<OsString> = std::env::args_os().collect();
    let outcome = QueryFile::named(&words).and_then(|file| {
        match args::command(&words, file.as_ref())?.try_get_matches_from(&words) {
            Ok(matches) => run::run(&matches, file.as_ref()),
            Err(mut error) => {
                if error.kind() == ErrorKind::UnknownArgument {
                    // Behind '--' it would be the name of a log.
                    error.remove(ContextKind::Suggested);
                }
                // Help and version are no errors; clap prints each where it belongs.
                let code = if error.use_stderr() { 2 } else { 0 };
                _ = error.print();
                Ok(code)
            }
        }
    });
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(Error::Stdout(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            // File names and log text are in it, and either may hold what a terminal obeys.
            let text = error.to_string();
            let lines: Vec<_> = text.lines().map(crate::sink::visible).collect();
            say::say(&format!("loganalyze: {}", lines.join("\n")));
            ExitCode::from(error.exit_code())
        }
    }
}
