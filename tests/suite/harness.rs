//! Running the built program, and what tests share.

use loganalyze::report::{Report, relation_of};
use loganalyze::schema::APP_EVENTS;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub struct Output {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Every report, with all rows, and the variants.
pub const REPORTS: [&[&str]; 3] = [
    &["report", "--format", "markdown", "--top", "0"],
    &["hourly-activity", "--by", "hour-of-day"],
    &["hourly-activity", "--by", "weekday-hour"],
];

pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loganalyze"));
    command
        .env_remove("LOGANALYZE_TZ")
        .env_remove("LOGANALYZE_PII_KEY")
        .env_remove("LOGANALYZE_MEMORY_LIMIT")
        .env_remove("COLUMNS")
        .env_remove("LC_ALL")
        .env_remove("LC_CTYPE")
        .env_remove("LANG")
        .env_remove("NO_COLOR")
        // What is configured on this machine is no part of a test.
        .env("XDG_CONFIG_HOME", "/nonexistent");
    for key in loganalyze::config::KEYS {
        command.env_remove(loganalyze::config::variable(key));
    }
    command.current_dir(root());
    command
}

/// Runs the program with these arguments; it must not be killed.
pub fn run<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    run_with_input(arguments, b"")
}

pub fn run_with_input<S: AsRef<std::ffi::OsStr>>(
    arguments: impl IntoIterator<Item = S>,
    input: &[u8],
) -> Output {
    let mut child = program()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || _ = stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Output {
        code: output.status.code().expect("the program was killed"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The standard output of a run that must succeed.
pub fn stdout<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> String {
    let output = run(arguments);
    assert_eq!(output.code, 0, "{}", output.stderr);
    output.stdout
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The week of real logs, where the specs are; a test that needs it says so on the terminal when it is not there.
pub fn shop() -> Option<PathBuf> {
    let shop = root().join("../shared/data/shop");
    if shop.exists() {
        return Some(shop);
    }
    skip("the week of real logs is not here");
    None
}

/// Says visibly that a test could not run (the test harness shows nothing else of a test that passes).
pub fn skip(why: &str) {
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    _ = writeln!(std::io::stderr(), "SKIPPED {name}: {why}");
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Rows of a CSV without quotes in the cells that matter, header first.
pub fn rows(csv: &str) -> Vec<Vec<String>> {
    csv.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

/// A file in a folder of the test's own.
pub fn folder_with(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    folder
}

/// The accounting of a run over these bytes as one file, as `--summary` writes it.
pub fn summary(folder: &Path) -> serde_json::Value {
    let file = folder.join("summary.json");
    let output = run(["event-counts", text(folder), "--max-rejects", "100%", "--summary", text(&file)]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// A small generator of pseudo-random numbers (SplitMix64), so that every run of a test is the same.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Whether a report is asked of system logs, not of user activity.
pub fn is_of_system_logs(report: &Report) -> bool {
    relation_of(&report.sql).unwrap().name == APP_EVENTS.name
}

/// The lines of user activity in `sample_logs/`, decompressed, file after file.
pub fn sample_lines() -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(root().join("sample_logs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with("user_activity"));
    paths.sort();
    let mut all: Vec<Vec<u8>> = paths.iter().flat_map(|path| lines(&decompressed(path))).collect();
    // The last line of a file may lack its newline; among others it needs one.
    all.iter_mut().filter(|line| !line.ends_with(b"\n")).for_each(|line| line.push(b'\n'));
    all
}

pub fn decompressed(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return bytes;
    }
    let mut out = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(&bytes[..]), &mut out).unwrap();
    out
}

pub fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect()
}
