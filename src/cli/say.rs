//! What is said on standard error, beside results. That nobody can hear it, because a disk is full or a pipe closed, is no
//! reason to fail.

use std::io::Write;

/// Says lines.
pub fn say(text: &str) {
    _ = writeln!(std::io::stderr(), "{text}");
}

/// Says what the user should know.
pub fn note(text: &str) {
    say(&format!("note: {}", crate::sink::visible(text)));
}
