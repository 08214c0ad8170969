//! Random programs: a shop writes, rotates, compresses, truncates and is late; `ingest` runs in between, whole or killed.
//! Every line ends in the store once, and reports say of it what they say of the lines.

use super::ingested;
use crate::harness::{REPORTS, Random, folder_with, program, run, sample_lines, stdout, text};
use crate::invariance::DERIVED;
use loganalyze::store::Store;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// A shop with two servers that write logs.
struct Shop {
    folder: tempfile::TempDir,
    random: Random,
    /// What is still to be written, oldest first.
    to_write: Vec<Vec<u8>>,
    /// What was written in whole lines.
    written: Vec<Vec<u8>>,
    /// By log: what stands in it of a line, and the rest of that line.
    torn: BTreeMap<PathBuf, (Vec<u8>, Vec<u8>)>,
    /// What was done.
    said: Vec<String>,
}

impl Shop {
    fn new(seed: u64, lines: &[Vec<u8>]) -> Shop {
        let mut random = Random(seed);
        let mut to_write: Vec<Vec<u8>> = lines.to_vec();
        let keep = 60 + random.below(400);
        let first = random.below(to_write.len() - keep);
        to_write = to_write[first..first + keep].to_vec();
        let folder = tempfile::tempdir().unwrap();
        for name in ["logs/web1", "logs/web2"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        Shop { folder, random, to_write, written: Vec::new(), torn: BTreeMap::new(), said: Vec::new() }
    }

    fn logs(&self) -> PathBuf {
        self.folder.path().join("logs")
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("lake")
    }

    fn live(&mut self) -> PathBuf {
        self.logs().join(self.random.pick(&["web1", "web2"])).join("user_activity.log")
    }

    fn append(path: &Path, bytes: &[u8]) {
        fs::OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(bytes).unwrap();
    }

    /// Writes the rest of a torn line.
    fn mend(&mut self, path: &Path) {
        if let Some((begin, rest)) = self.torn.remove(path) {
            Shop::append(path, &rest);
            // A line that lacked its newline only was whole before.
            if rest.len() > 1 {
                self.written.push([begin, rest].concat());
            }
        }
    }

    fn write(&mut self) {
        let path = self.live();
        self.mend(&path);
        let late = self.random.below(8) == 0;
        let count = (1 + self.random.below(25)).min(self.to_write.len());
        for _ in 0..count {
            // Late lines were to be written long ago.
            let at = if late { self.to_write.len() - 1 } else { 0 };
            let line = self.to_write.remove(at);
            Shop::append(&path, &line);
            self.written.push(line);
        }
        self.said.push(format!("write {count} to {}", path.display()));
    }

    /// Writes a part of a line: it may lack its newline only.
    fn tear(&mut self) {
        let path = self.live();
        self.mend(&path);
        if self.to_write.is_empty() {
            return;
        }
        let line = self.to_write.remove(0);
        if serde_json::from_slice::<serde_json::Value>(&line).is_err() {
            // What is no event waits for its newline.
            Shop::append(&path, &line);
            self.written.push(line);
            return;
        }
        let cut = match self.random.below(3) {
            0 => line.len() - 1,
            _ => 1 + self.random.below(line.len() - 2),
        };
        Shop::append(&path, &line[..cut]);
        if cut == line.len() - 1 {
            self.written.push(line.clone());
        }
        self.torn.insert(path.clone(), (line[..cut].to_vec(), line[cut..].to_vec()));
        self.said.push(format!("tear {} at {cut}", path.display()));
    }

    /// The old logs of a folder, newest first: `.1`, `.2.gz` …
    fn old(folder: &Path) -> Vec<PathBuf> {
        let number = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            name.strip_prefix("user_activity.log.")?.split('.').next()?.parse::<u32>().ok()
        };
        let mut old: Vec<(u32, PathBuf)> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter_map(|path| Some((number(&path)?, path)))
            .collect();
        old.sort();
        old.into_iter().map(|(_, path)| path).collect()
    }

    /// Renames `.1` to `.2` and so on.
    fn shift(folder: &Path) {
        for path in Shop::old(folder).into_iter().rev() {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let (number, ending) = match name["user_activity.log.".len()..].split_once('.') {
                Some((number, ending)) => (number.to_owned(), format!(".{ending}")),
                None => (name["user_activity.log.".len()..].to_owned(), String::new()),
            };
            let next = number.parse::<u32>().unwrap() + 1;
            fs::rename(&path, folder.join(format!("user_activity.log.{next}{ending}"))).unwrap();
        }
    }

    /// Old logs move on, and the newest becomes `.1`: renamed, or copied and then truncated.
    fn rotate(&mut self) {
        let path = self.live();
        if !path.exists() {
            return;
        }
        self.mend(&path);
        let folder = path.parent().unwrap();
        Shop::shift(folder);
        let first = folder.join("user_activity.log.1");
        let copy = self.random.below(2) == 0;
        if copy {
            fs::copy(&path, &first).unwrap();
            fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
        } else {
            fs::rename(&path, &first).unwrap();
        }
        self.said.push(format!(
            "rotate {} {}",
            path.display(),
            if copy { "by copying" } else { "by renaming" }
        ));
    }

    /// Packs an old log; for a while the original may stay.
    fn compress(&mut self) {
        let folder = self.live().parent().unwrap().to_owned();
        let old = Shop::old(&folder);
        let is_plain =
            |path: &&PathBuf| path.extension().is_some_and(|ending| ending != "gz" && ending != "zst");
        let plain: Vec<&PathBuf> = old.iter().filter(is_plain).collect();
        if plain.is_empty() {
            return;
        }
        let path = (*self.random.pick(&plain)).clone();
        let bytes = fs::read(&path).unwrap();
        let (packed, ending) = if self.random.below(2) == 0 {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&bytes).unwrap();
            (encoder.finish().unwrap(), "gz")
        } else {
            (zstd::encode_all(&bytes[..], 1).unwrap(), "zst")
        };
        fs::write(format!("{}.{ending}", path.display()), packed).unwrap();
        if self.random.below(3) > 0 {
            fs::remove_file(&path).unwrap();
        }
        self.said.push(format!("compress {} to {ending}", path.display()));
    }

    /// Starts a run and ends it as a power cut does.
    fn killed(&mut self) {
        let mut child = program()
            .args(["ingest", text(&self.logs()), "--store", text(&self.store())])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_micros(self.random.below(40_000) as u64));
        _ = child.kill();
        child.wait().unwrap();
        self.said.push("killed".into());
    }

    /// What was written, as one log.
    fn whole(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("user_activity.log"), self.written.concat()).unwrap();
        folder
    }

    fn check(&mut self, case: u64) {
        if self.written.is_empty() {
            return;
        }
        let said = ingested(&self.logs(), &self.store());
        self.said.push(format!("ingest: {said}"));
        let history = self.said.join("\n");
        let store = Store::open(&self.store()).unwrap();
        assert_eq!(store.manifest.counts.lines, self.written.len() as u64, "case {case}: {history}");
        assert_eq!(store.verify(), Vec::<String>::new(), "case {case}: {history}");
        self.same(DERIVED, case);
    }

    /// A report over the store equals that over the lines.
    fn same(&self, report: &[&str], case: u64) {
        let whole = self.whole();
        let of = |from: &[&str]| {
            let output = run([report, from].concat());
            assert_eq!(output.code, 0, "{}", output.stderr);
            output.stdout
        };
        let expected = of(&[text(whole.path()), "--max-rejects", "100%"]);
        let found = of(&["--store", text(&self.store())]);
        if let Some((found, expected)) =
            found.lines().zip(expected.lines()).find(|(found, expected)| found != expected)
        {
            panic!("case {case}:\n   found {found}\nexpected {expected}\n{}", self.said.join("\n"));
        }
        assert_eq!(found.len(), expected.len(), "case {case}: {}", self.said.join("\n"));
    }
}

#[test]
fn whatever_happens_between_runs_nothing_is_lost_and_nothing_doubled() {
    let lines = sample_lines();
    let (mut kills, mut runs) = (0, 0);
    for case in 0..24 {
        let mut shop = Shop::new(case, &lines);
        while !shop.to_write.is_empty() {
            match shop.random.below(16) {
                0..6 => shop.write(),
                6 => shop.tear(),
                7..9 => shop.rotate(),
                9..11 => shop.compress(),
                11..13 => {
                    shop.killed();
                    kills += 1;
                }
                _ => {
                    shop.check(case);
                    runs += 1;
                }
            }
        }
        for path in shop.torn.keys().cloned().collect::<Vec<_>>() {
            shop.mend(&path);
        }
        shop.check(case);
        // A run without anything new changes nothing.
        let before = fs::read(shop.store().join("manifest.json")).unwrap();
        ingested(&shop.logs(), &shop.store());
        assert_eq!(fs::read(shop.store().join("manifest.json")).unwrap(), before, "case {case}");
        if case % 8 == 0 {
            REPORTS.iter().for_each(|report| shop.same(&[report, &["-q"][..]].concat(), case));
        }
    }
    assert!(kills > 40 && runs > 60, "{kills} kills, {runs} runs: the programs are too short");
}

#[test]
fn several_runs_of_one_big_log_with_little_memory_are_one() {
    let lines = sample_lines();
    let folder = crate::harness::folder_with(&[("user_activity.log", &lines.concat())]);
    let lake = tempfile::tempdir().unwrap();
    let said = run([
        "ingest",
        text(folder.path()),
        "--store",
        text(lake.path()),
        "--memory-limit",
        "4MB",
        "--chunk-bytes",
        "90000",
    ]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let store = Store::open(lake.path()).unwrap();
    assert!(store.manifest.commits > 1, "{}", said.stderr);
    assert_eq!(store.manifest.sources.len(), 1);
    assert_eq!(store.manifest.counts.lines, lines.len() as u64);
    let from_logs = stdout([DERIVED, &[text(folder.path())]].concat());
    assert!(stdout([DERIVED, &["--store", text(lake.path())]].concat()) == from_logs);
}

/// Puts logs into a folder and ingests it.
fn ingest_files(folder: &Path, files: &[(&str, &[Vec<u8>])]) -> u64 {
    for (name, lines) in files {
        let path = folder.join("logs").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, lines.concat()).unwrap();
    }
    ingested(&folder.join("logs"), &folder.join("lake"));
    Store::open(&folder.join("lake")).unwrap().manifest.counts.lines
}

#[test]
fn a_log_that_only_begins_as_a_known_one_is_another() {
    let lines = sample_lines();
    let folder = tempfile::tempdir().unwrap();
    let (begin, one, other) = (&lines[..60], &lines[60..120], &lines[120..300]);
    assert_eq!(ingest_files(folder.path(), &[("web1/user_activity.log", &[begin, one].concat())]), 120);
    fs::remove_dir_all(folder.path().join("logs/web1")).unwrap();
    let both = ingest_files(folder.path(), &[("web2/user_activity.log", &[begin, other].concat())]);
    assert_eq!(both, 120 + 240);
    // Compressed it is the same log, and what was compressed when it was read is known by its end, too.
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&[begin, other].concat().concat()).unwrap();
    fs::remove_dir_all(folder.path().join("logs/web2")).unwrap();
    let packed = gzip.finish().unwrap();
    assert_eq!(
        ingest_files(folder.path(), &[("web3/user_activity.log.1.gz", std::slice::from_ref(&packed))]),
        both
    );
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(ingest_files(folder.path(), &[("web3/user_activity.log.1.gz", &[packed])]), 240);
    fs::remove_dir_all(folder.path().join("logs/web3")).unwrap();
    let third = [begin, &lines[300..600]].concat();
    assert_eq!(ingest_files(folder.path(), &[("web4/user_activity.log", &third)]), 240 + 360);
    let whole = [begin, other, &lines[600..610]].concat();
    assert_eq!(ingest_files(folder.path(), &[("web5/user_activity.log", &whole)]), 240 + 360 + 10);
}

#[test]
fn two_logs_that_were_one_are_two_from_then_on() {
    let lines = sample_lines();
    let folder = tempfile::tempdir().unwrap();
    let (both, one, other) = (&lines[..80], &lines[80..150], &lines[150..190]);
    assert_eq!(ingest_files(folder.path(), &[("web1/user_activity.log", both)]), 80);
    let one = [both, one].concat();
    let other = [both, other].concat();
    let count =
        ingest_files(folder.path(), &[("web1/user_activity.log", &one), ("web2/user_activity.log", &other)]);
    assert_eq!(count, 150 + 120);
    let of = |from: &[&str]| stdout([DERIVED, from].concat());
    let logs = folder.path().join("logs");
    assert!(
        of(&["--store", text(&folder.path().join("lake"))]) == of(&[text(&logs), "--max-rejects", "100%"])
    );
}

#[test]
fn a_copy_that_is_being_made_is_not_read() {
    let lines = sample_lines();
    let all = lines[..400].concat();
    let part = all.len() - 100;
    let packed = {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(&all).unwrap();
        packer.finish().unwrap()
    };
    for (known, whole, copy) in [
        (&all[..0], &all[..], &all[..part]),
        (&all[..], &all, &all[..part]),
        (&all[..part / 2], &all, &all[..part]),
        (&all[..], &all, &packed[..packed.len() / 2]),
        (&lines[..7].concat(), &lines[..7].concat(), &lines[..5].concat()),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (logs, lake) = (folder.path().join("logs"), folder.path().join("lake"));
        fs::create_dir(&logs).unwrap();
        if !known.is_empty() {
            fs::write(logs.join("a.log"), known).unwrap();
            ingested(&logs, &lake);
        }
        fs::write(logs.join("a.log"), whole).unwrap();
        fs::write(logs.join("a.log.1"), copy).unwrap();
        ingested(&logs, &lake);
        let events = Store::open(&lake).unwrap().manifest.events();
        let alone = folder.path().join("alone");
        fs::remove_file(logs.join("a.log.1")).unwrap();
        ingested(&logs, &alone);
        assert_eq!(events, Store::open(&alone).unwrap().manifest.events());
    }
}

#[test]
fn a_log_that_became_shorter_is_said_to_be() {
    let lines = sample_lines();
    let folder = tempfile::tempdir().unwrap();
    let (logs, lake) = (folder.path().join("logs"), folder.path().join("lake"));
    fs::create_dir(&logs).unwrap();
    fs::write(logs.join("a.log"), lines[..200].concat()).unwrap();
    fs::write(logs.join("b.log"), lines[500..510].concat()).unwrap();
    ingested(&logs, &lake);
    let events = || Store::open(&lake).unwrap().manifest.events();
    let before = events();
    fs::write(logs.join("a.log"), [&lines[..150], &lines[300..310]].concat().concat()).unwrap();
    fs::write(logs.join("b.log"), lines[500..511].concat()).unwrap();
    let said = super::ingest(&logs, &lake);
    assert_eq!(said.code, 1);
    assert!(
        said.stderr.contains("a.log") && said.stderr.contains("shorter than when it was read"),
        "{}",
        said.stderr
    );
    // All else is read.
    assert_eq!(events(), before + 1);
    // As by somebody who copies it again, however little of it is there yet.
    let whole = lines[..200].concat();
    for bytes in [300, 1500, 3000, 5000] {
        fs::write(logs.join("a.log"), &whole[..bytes]).unwrap();
        let said = super::ingest(&logs, &lake);
        assert_eq!(said.code, 1, "{bytes}: {}", said.stderr);
        assert!(said.stderr.contains("shorter than when it was read"), "{bytes}: {}", said.stderr);
    }
    fs::write(logs.join("a.log"), &whole).unwrap();
    ingested(&logs, &lake);
    assert_eq!(events(), before + 1);
}

#[test]
fn a_log_that_was_edited_is_neither_read_twice_nor_passed_over() {
    let lines = sample_lines();
    let begin = &lines[..200];
    let middle = [lines[110].trim_ascii_end(), b" \n"].concat();
    for (replaced, text) in [
        // As `sed -i` does: another file of that name, shorter and then longer than the first.
        (true, [&lines[..100], &lines[150..200], &lines[300..310]].concat().concat()),
        (true, [&lines[..100], &lines[150..200], &lines[300..400]].concat().concat()),
        (false, [&lines[..110], &[middle], &lines[111..230]].concat().concat()),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (logs, lake) = (folder.path().join("logs"), folder.path().join("lake"));
        fs::create_dir(&logs).unwrap();
        fs::write(logs.join("a.log"), begin.concat()).unwrap();
        ingested(&logs, &lake);
        if replaced {
            fs::write(folder.path().join("new"), text).unwrap();
            fs::rename(folder.path().join("new"), logs.join("a.log")).unwrap();
        } else {
            fs::write(logs.join("a.log"), text).unwrap();
        }
        let said = super::ingest(&logs, &lake);
        assert_eq!(said.code, 1, "{}", said.stderr);
        assert!(said.stderr.contains("was it cut off or edited?"), "{}", said.stderr);
        assert_eq!(Store::open(&lake).unwrap().manifest.counts.lines, 200);
    }
}

#[test]
fn a_store_knows_its_zone() {
    let now = chrono::Utc::now();
    let line = |hours: i64| {
        let time = (now - chrono::TimeDelta::hours(hours)).format("%FT%TZ");
        format!("{{\"timestamp\": \"{time}\", \"event_type\": \"view\"}}\n")
    };
    let logs = folder_with(&[("user_activity.log", (1..49).map(line).collect::<String>().as_bytes())]);
    let lake = logs.path().join("lake");
    assert_eq!(
        run(["ingest", text(logs.path()), "--store", text(&lake), "--tz", "America/New_York"]).code,
        0
    );
    let count = |more: &[&str]| {
        let counted = ["event-counts", "--store", text(&lake), "--since", "12h30m"];
        run([&counted[..], more].concat())
    };
    for more in [&[][..], &["--tz", "America/New_York"]] {
        let counted = count(more);
        assert!(counted.stdout.contains("view,12,"), "{} {}", counted.stdout, counted.stderr);
    }
    let other = count(&["--tz", "UTC"]);
    assert_eq!(other.code, 2);
    assert!(other.stderr.contains("was made with --tz America/New_York, and not UTC"), "{}", other.stderr);
    let none = run(["event-counts", "--store", text(&lake), "--since", "30m"]);
    assert!(none.stderr.contains("'loganalyze store info'"), "{}", none.stderr);
}
