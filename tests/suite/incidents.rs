//! Attacks on log-ins, three times: by the kernel that the command runs, by the SQL that is its specification, and by a
//! model that looks at every try for every window.

use crate::harness::Random;
use loganalyze::engine::relation::Relation;
use loganalyze::engine::{incidents, polars as engine};
use loganalyze::report;
use polars::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// A try: when, whether it failed, account and address.
#[derive(Debug, Clone, Copy)]
struct Try {
    time: i64,
    failed: bool,
    account: Option<&'static str>,
    ip: Option<&'static str>,
}

/// A row: first, kind, key_type, key, last, attempts, peak, accounts, ips, success.
type Row = (i64, &'static str, &'static str, String, i64, i64, i64, i64, i64, bool);

/// Thresholds by parameter, as one would type them.
type Thresholds = BTreeMap<String, String>;

fn events(tries: &[Try]) -> DataFrame {
    let column = |name: &str, of: &dyn Fn(&Try) -> Option<&'static str>| {
        Column::new(name.into(), tries.iter().map(of).collect::<Vec<_>>())
    };
    DataFrame::new_infer_height(vec![
        Column::new("epoch_us".into(), tries.iter().map(|one| one.time).collect::<Vec<_>>()),
        column("event_type", &|one| {
            Some(match (one.failed, one.time % 2) {
                (true, _) => "login_failed",
                (false, 0) => "login",
                _ => "login_success",
            })
        }),
        column("username_attempt", &|one| one.account.filter(|_| one.failed)),
        column("username", &|one| one.account.filter(|_| !one.failed)),
        column("ip_network", &|one| one.ip),
    ])
    .unwrap()
}

/// What kernel and SQL say alike.
fn said(events: &DataFrame, thresholds: &Thresholds) -> DataFrame {
    let report = report::find(incidents::REPORT).unwrap();
    let sql = report.bound(|param| thresholds.get(&param.name)).unwrap();
    let relation = || Relation::in_memory(events.clone());
    let promised = |result: DataFrame| engine::as_promised(&result, &report.header.columns).unwrap();
    let by_kernel = promised(incidents::query(&sql, &relation(), None).unwrap());
    let by_sql = promised(engine::query(&sql, &relation()).unwrap());
    assert!(by_kernel.equals_missing(&by_sql), "{by_kernel}\nis not\n{by_sql}\n{thresholds:?}");
    by_kernel
}

fn rows(frame: &DataFrame) -> Vec<Row> {
    let number =
        |name: &str, row: usize| frame.column(name).unwrap().get(row).unwrap().extract::<i64>().unwrap();
    let text =
        |name: &str, row: usize| frame.column(name).unwrap().str().unwrap().get(row).unwrap().to_owned();
    let known = |name: &str, row: usize| {
        let text = text(name, row);
        *KNOWN.iter().find(|known| **known == text).unwrap()
    };
    let time =
        |name: &str, row: usize| frame.column(name).unwrap().datetime().unwrap().physical().get(row).unwrap();
    let of = |row: usize| {
        (
            time("first", row),
            known("kind", row),
            known("key_type", row),
            text("key", row),
            time("last", row),
            number("attempts", row),
            number("peak", row),
            number("accounts", row),
            number("ips", row),
            frame.column("success").unwrap().bool().unwrap().get(row).unwrap(),
        )
    };
    (0..frame.height()).map(of).collect()
}

const KNOWN: [&str; 7] =
    ["brute_force", "ip_burst", "spray", "distributed", "success_after_failures", "account", "ip"];

/// The kinds: whose tries they look at, whether they count the others' names, and their thresholds.
const KINDS: [(&str, &str, bool, &str, &str); 6] = [
    ("brute_force", "account", false, "brute_force_failures", "brute_force_window"),
    ("ip_burst", "ip", false, "ip_burst_failures", "ip_burst_window"),
    ("spray", "ip", true, "spray_accounts", "spray_window"),
    ("distributed", "account", true, "distributed_ips", "distributed_window"),
    ("success_after_failures", "account", false, "success_failures", "success_window"),
    ("success_after_failures", "ip", false, "success_failures", "success_window"),
];

/// What reports.md says, by looking at every try for every window.
fn model(tries: &[Try], thresholds: &Thresholds) -> Vec<Row> {
    let mut found = Vec::new();
    for (kind, key_type, counts_names, enough, window) in KINDS {
        let enough: i64 = thresholds[enough].parse().unwrap();
        let window = report::duration(&thresholds[window]).unwrap();
        let key_of = |one: &Try| if key_type == "account" { one.account } else { one.ip };
        let other_of = |one: &Try| if key_type == "account" { one.ip } else { one.account };
        for key in tries.iter().filter_map(key_of).collect::<BTreeSet<_>>() {
            let own = || tries.iter().filter(move |one| key_of(one) == Some(key));
            let failures: Vec<&Try> =
                own().filter(|one| one.failed && (!counts_names || other_of(one).is_some())).collect();
            let successes: Vec<&Try> = own().filter(|one| !one.failed).collect();
            let within = |from: i64, to: i64| -> Vec<&Try> {
                failures.iter().filter(|one| from < one.time && one.time <= to).copied().collect()
            };
            let count = |moment: i64| {
                let within = within(moment - window, moment);
                let names: BTreeSet<_> = within.iter().map(|one| other_of(one)).collect();
                (if counts_names { names.len() } else { within.len() }) as i64
            };
            let broken_in = kind == "success_after_failures";
            let moments: BTreeSet<i64> =
                if broken_in { &successes } else { &failures }.iter().map(|one| one.time).collect();
            let hits: Vec<i64> = moments.into_iter().filter(|&moment| count(moment) >= enough).collect();
            for hits in hits.chunk_by(|one, next| next - one < window) {
                let (begin, last) = (hits[0] - window, *hits.last().unwrap());
                let within = within(begin, last);
                let names = |of: &dyn Fn(&Try) -> Option<&'static str>| {
                    within.iter().filter_map(|one| of(one)).collect::<BTreeSet<_>>().len() as i64
                };
                let follows = |one: &&Try| hits.iter().any(|&hit| hit <= one.time && one.time - hit < window);
                found.push((
                    within.iter().map(|one| one.time).min().unwrap(),
                    kind,
                    key_type,
                    key.to_owned(),
                    last,
                    within.len() as i64,
                    hits.iter().map(|&hit| count(hit)).max().unwrap(),
                    names(&|one| one.account),
                    names(&|one| one.ip),
                    broken_in || successes.iter().any(follows),
                ));
            }
        }
    }
    found.sort();
    found
}

fn thresholds(random: &mut Random) -> Thresholds {
    let mut all = Thresholds::new();
    for (_, _, _, enough, window) in KINDS {
        all.insert(enough.into(), (1 + random.below(4)).to_string());
        all.insert(window.into(), format!("{}s", 1 + random.below(12)));
    }
    all
}

#[test]
fn kernel_sql_and_model_find_the_same() {
    const ACCOUNTS: [Option<&str>; 5] = [Some("kim"), Some("lee"), Some("10.0.0.1"), Some("=1+1"), None];
    const IPS: [Option<&str>; 5] =
        [Some("10.0.0.1"), Some("10.0.0.2"), Some("2001:db8::/64"), Some("x"), None];
    let mut random = Random(0xa11);
    let mut kinds = BTreeMap::new();
    for round in 0..60 {
        // Whole seconds, so that moments coincide with each other and with the ends of windows.
        let span = [15, 40, 200][round % 3];
        let tries: Vec<Try> = (0..random.below(60))
            .map(|_| Try {
                time: 1_000_000 * (random.below(span) as i64 - 20),
                failed: random.below(4) > 0,
                account: *random.pick(&ACCOUNTS),
                ip: *random.pick(&IPS),
            })
            .collect();
        let thresholds = thresholds(&mut random);
        let found = rows(&said(&events(&tries), &thresholds));
        assert_eq!(found, model(&tries, &thresholds), "{thresholds:?}\n{tries:#?}");
        found.iter().for_each(|row| *kinds.entry((row.1, row.2, row.9)).or_insert(0) += 1);
    }
    // Each kind was found, also without a log-in behind it where that may be.
    assert_eq!(kinds.len(), 10, "{kinds:?}");
    assert!(kinds.values().all(|&count| count > 20), "{kinds:?}");
}

/// Failures of one account from one address in these seconds, and a success.
fn of_one(failures: &[i64], success: Option<i64>) -> Vec<(i64, i64, bool)> {
    let one = |second: &i64, failed| Try {
        time: second * 1_000_000,
        failed,
        account: Some("kim"),
        ip: Some("10.0.0.1"),
    };
    let tries: Vec<Try> = failures
        .iter()
        .map(|second| one(second, true))
        .chain(success.iter().map(|second| one(second, false)))
        .collect();
    let found = rows(&said(&events(&tries), &Thresholds::new()));
    found.iter().filter(|row| row.1 == "brute_force").map(|row| (row.5, row.6, row.9)).collect()
}

#[test]
fn a_window_holds_its_end_and_not_its_beginning() {
    // The defaults: 5 failures in 10 minutes.
    assert_eq!(of_one(&[0, 1, 2, 3, 599], None), [(5, 5, false)]);
    assert_eq!(of_one(&[0, 1, 2, 3, 600], None), []);
    assert_eq!(of_one(&[0, 1, 2, 3], None), []);
    // Hits less than a window apart are one incident, others are two.
    assert_eq!(of_one(&[0, 0, 0, 0, 0, 599, 599, 599, 599, 599], None), [(10, 10, false)]);
    assert_eq!(of_one(&[0, 0, 0, 0, 0, 600, 600, 600, 600, 600], None), [(5, 5, false), (5, 5, false)]);
    assert_eq!(of_one(&[0, 1, 2, 3, 4, 601, 602, 602, 602, 602], None), [(10, 7, false)]);
    // A log-in belongs to it from the first hit until a window after the last.
    assert_eq!(of_one(&[0, 1, 2, 3, 4], Some(4)), [(5, 5, true)]);
    assert_eq!(of_one(&[0, 1, 2, 3, 4], Some(3)), [(5, 5, false)]);
    assert_eq!(of_one(&[0, 1, 2, 3, 4], Some(603)), [(5, 5, true)]);
    assert_eq!(of_one(&[0, 1, 2, 3, 4], Some(604)), [(5, 5, false)]);
}

#[test]
fn nothing_gives_nothing() {
    let nobody = Try { time: 0, failed: true, account: None, ip: None };
    for tries in [vec![], vec![nobody; 20]] {
        assert_eq!(said(&events(&tries), &Thresholds::new()).height(), 0);
    }
}
