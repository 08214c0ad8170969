//! Writes realistic logs of the shop, of any size, and what really happened in them.
//! Knows nothing of the library that reads them.
//!
//! ```sh
//! cargo run --release --example generate_logs -- --out /tmp/big --size 1GB --truth /tmp/big-truth.json
//! ```
//!
//! The lines are what the shop's own program writes; the truth is counted by the model while visitors act,
//! never read back from the lines. Equal arguments give equal lines and an equal truth on every machine;
//! compressed files may differ in their bytes when a compressor changes, never in what they hold.
//!
//! `sample_logs/` and `tests/golden/sample_truth.json` were made by:
//!
//! ```sh
//! cargo run --release --example generate_logs -- --out sample_logs --seed 61 --visitors 120 --days 5 \
//!     --compress gz --compress-first 3 --traps --system-logs --truth tests/golden/sample_truth.json
//! ```

mod account;
mod catalog;
mod client;
mod cookie;
mod json;
mod output;
mod pages;
mod rng;
mod shop;
mod system;
mod traps;
mod truth;
mod walk;

use anyhow::{Context, Result, bail};
use catalog::{HOURS, WEEKEND_HOURS};
use chrono::{Datelike, Days, NaiveDate};
use clap::Parser;
use output::{Compress, Layout, Output, Plan};
use pages::Visitor;
use shop::{HOUR, Shop};
use std::{collections::BTreeMap, fs, path::PathBuf};
use system::SystemLog;
use traps::{Harm, Place};
use truth::Truth;
use walk::Office;

/// What a visitor writes on average into either log; only `--size` needs it.
const BYTES_PER_VISITOR: u64 = 11_000;
const SYSTEM_BYTES_PER_VISITOR: u64 = 2_900;

/// Writes realistic shop logs of any size
#[derive(Parser)]
struct Args {
    /// Folder to write into; made if it is missing
    #[arg(long)]
    out: PathBuf,
    /// Equal seeds give equal logs
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// About how much to write before compression, such as 300KB, 1GB
    #[arg(long, value_parser = bytes, default_value = "10MB", conflicts_with = "visitors")]
    size: u64,
    /// How many visitors come, instead of a size
    #[arg(long)]
    visitors: Option<u64>,
    /// The first day
    #[arg(long, default_value = "2025-03-10")]
    start: NaiveDate,
    /// How many days
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u64).range(1..=3660))]
    days: u64,
    /// How the log is cut into files
    #[arg(long, value_enum, default_value = "daily")]
    layout: Layout,
    /// How files are compressed; rotated logs are compressed from `.2` on, by gz if this is none
    #[arg(long, value_enum, default_value = "none")]
    compress: Compress,
    /// Compress only the N oldest files
    #[arg(long, value_name = "N")]
    compress_first: Option<u64>,
    /// Add lines that are hard to read, and bad ones to one file
    #[arg(long)]
    traps: bool,
    /// Also write the system logs, app-DATE.log
    #[arg(long)]
    system_logs: bool,
    /// Write what really happened into this JSON file
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
}

fn bytes(text: &str) -> Result<u64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let factor = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" | "KB" => 1_000,
        "M" | "MB" => 1_000_000,
        "G" | "GB" => 1_000_000_000,
        unit => bail!("no unit of size: {unit} (write for example 500MB or 1GB)"),
    };
    let number: u64 = digits.parse().context("write for example 500MB or 1GB")?;
    number.checked_mul(factor).context("too large")
}

fn main() -> Result<()> {
    let args = Args::parse();
    fs::create_dir_all(&args.out).with_context(|| format!("making {}", args.out.display()))?;
    let path = args.truth.clone();
    let happened = Week::new(args).live()?;
    if let Some(path) = path {
        let mut json = serde_json::to_vec_pretty(&happened).context("writing the truth")?;
        json.push(b'\n');
        fs::write(&path, json).with_context(|| format!("writing {}", path.display()))?;
    }
    eprintln!("{} lines, {} visitors", happened.lines, happened.visitors);
    Ok(())
}

/// The time that is simulated, hour by hour.
struct Week {
    shop: Shop,
    plan: Plan,
    start: NaiveDate,
    visitors: u64,
    offices: Vec<Office>,
    /// Who will come back, by the hour since 1970.
    returning: BTreeMap<i64, Vec<Visitor>>,
    harm: Option<Harm>,
}

impl Week {
    fn new(args: Args) -> Self {
        let Args { seed, days, traps, system_logs, .. } = args;
        let bytes = BYTES_PER_VISITOR + if system_logs { SYSTEM_BYTES_PER_VISITOR } else { 0 };
        let visitors = args.visitors.unwrap_or(args.size / bytes).max(1);
        let end = (hours_before(args.start) + days as i64 * 24) * HOUR;
        let mut shop = Shop::new(seed, end, 50 + visitors / 4, traps);
        shop.system = system_logs.then(|| SystemLog::new(seed));
        Week {
            offices: Office::all(&mut shop, 2 + visitors / 2000),
            shop,
            plan: Plan {
                folder: args.out,
                layout: args.layout,
                compress: args.compress,
                compress_first: args.compress_first,
                days,
            },
            start: args.start,
            visitors,
            returning: BTreeMap::new(),
            harm: traps.then(|| Harm::new(seed, days, args.layout == Layout::Single)),
        }
    }

    /// Lives through all days and writes them.
    fn live(mut self) -> Result<Truth> {
        let rhythm = rhythm(self.start, self.plan.days);
        let total: u64 = rhythm.iter().sum();
        let (mut before, mut came) = (0, 0);
        let mut file = self.plan.open("user_activity", 0, self.start)?;
        let mut system = self.open_system(0, self.start)?;
        for (index, weight) in rhythm.iter().enumerate() {
            let (day, hour_of_day) = (index as u64 / 24, index as u64 % 24);
            let opens = hour_of_day == 0 && (day == 0 || self.plan.layout != Layout::Single);
            if opens && day > 0 {
                file.finish()?;
                let date = self.start.checked_add_days(Days::new(day)).context("too many days")?;
                file = self.plan.open("user_activity", day, date)?;
                system.map_or(Ok(()), Output::finish)?;
                system = self.open_system(day, date)?;
            }
            before += weight;
            let due = (u128::from(self.visitors) * u128::from(before) / u128::from(total)) as u64;
            let hour = hours_before(self.start) + index as i64;
            self.people(hour, hour_of_day, due - came);
            came = due;
            let closes =
                index + 1 == rhythm.len() || (hour_of_day == 23 && self.plan.layout != Layout::Single);
            if let (Some(log), Some(file)) = (&mut self.shop.system, &mut system) {
                for record in log.take(hour).lines() {
                    writeln!(file.writer(), "{record}")?;
                }
            }
            let mut lines = self.shop.take(hour);
            match &mut self.harm {
                Some(harm) => {
                    let place = Place { day, hour: hour_of_day, opens, closes };
                    harm.write(&mut lines, &place, file.writer(), &mut self.shop.truth)?;
                    if hour_of_day == 11 {
                        file = file.next_member()?;
                    }
                }
                None => {
                    for line in lines.lines() {
                        writeln!(file.writer(), "{line}")?;
                    }
                }
            }
        }
        file.finish()?;
        system.map_or(Ok(()), Output::finish)?;
        self.shop.truth.system_log = self.shop.system.map(|log| log.truth);
        Ok(self.shop.truth)
    }

    fn open_system(&self, day: u64, date: NaiveDate) -> Result<Option<Output>> {
        self.shop.system.as_ref().map(|_| self.plan.open("app", day, date)).transpose()
    }

    /// Everybody who comes within this hour, old and new.
    fn people(&mut self, hour: i64, hour_of_day: u64, new: u64) {
        let shop = &mut self.shop;
        if hour_of_day == 4 || shop.rng.chance(1, 40) {
            let at = hour * HOUR + shop.rng.between(0, HOUR);
            let message = "\"event\": \"app_start\", \"message\": \"web service started\"";
            shop.log(at, "(none)", false, format_args!("{message}"));
            shop.system.iter_mut().for_each(|log| log.started(at));
        }
        let mut back = self.returning.remove(&hour).unwrap_or_default();
        let mut times: Vec<i64> = (0..new).map(|_| hour * HOUR + shop.rng.between(0, HOUR)).collect();
        times.sort_unstable_by(|a, b| b.cmp(a));
        loop {
            let visitor = match (back.pop(), times.pop()) {
                (Some(visitor), time) => {
                    times.extend(time);
                    walk::come_back(shop, visitor)
                }
                (None, Some(now)) => walk::arrive(shop, &mut self.offices, now),
                (None, None) => return,
            };
            let Some(visitor) = visitor else { continue };
            match visitor.client.now / HOUR {
                due if due <= hour => back.push(visitor),
                due => self.returning.entry(due).or_default().push(visitor),
            }
        }
    }
}

/// The hours from 1970 to the start of this day.
fn hours_before(day: NaiveDate) -> i64 {
    i64::from(day.num_days_from_ce() - 719_163) * 24
}

/// How busy each hour of all days is.
fn rhythm(start: NaiveDate, days: u64) -> Vec<u64> {
    let first = u64::from(start.weekday().num_days_from_monday());
    let day = |day| if (first + day) % 7 < 5 { HOURS } else { WEEKEND_HOURS };
    (0..days).flat_map(day).collect()
}
