//! What is found and not read, in words: files that may be logs, and the other kind of logs.
//! Knows nothing of how they are found.

use super::{Found, Logs, find::Search, id_of};
use std::fs;
use std::path::Path;

impl Search {
    /// Names files that may be logs, and that nobody asked for.
    pub(super) fn tell_of_unread(&mut self) {
        let unread = self.aside.iter().filter(|path| !self.reads(path));
        let unread: Vec<String> = unread.map(|path| path.display().to_string()).collect();
        let (are, them) = match unread.len() {
            0 => return,
            1 => ("1 file is".to_owned(), "it"),
            count => (format!("{count} files are"), "them"),
        };
        let more = if unread.len() > 3 { ", …" } else { "" };
        let names = unread[..unread.len().min(3)].join(", ");
        let note =
            format!("{are} left aside, not called like a log: {names}{more}; name {them} to read {them}");
        self.found.notes.push(note);
    }

    /// Whether this file is to be read, under whatever name.
    fn reads(&self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|metadata| self.seen.contains_key(&id_of(&metadata)))
    }

    /// Leaves out logs that are not asked for.
    pub(super) fn leave_others_aside(&mut self) {
        let Found { activity, system, notes, missing, .. } = &mut self.found;
        let (asked, others) = match self.logs {
            Logs::Activity => (activity, system),
            Logs::System => (system, activity),
            Logs::Both => return,
        };
        let (s, they_hold) = if others.len() == 1 { ("", "it holds") } else { ("s", "they hold") };
        let note = match (self.logs, others.len()) {
            (_, 0) => return,
            (Logs::System, aside) => {
                format!("{aside} other log{s} left aside: system logs are called app*.log")
            }
            (_, aside) => {
                format!("{aside} system log{s} (app*.log) left aside: {they_hold} no user activity")
            }
        };
        others.clear();
        if asked.is_empty() {
            let why = "nothing else to read";
            missing.push(format!(
                "{why}: {note}; what is called otherwise can be read as - from standard input"
            ));
        } else {
            notes.push(note);
        }
    }
}
