//! The job's numbers for Prometheus: of this run, and where it failed, of the last one that went well.

use crate::error::Error;
use crate::scan::reject::Reason;
use crate::sink::prometheus::{Gauge, text};
use crate::sink::write_atomically;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What a run that went well counted.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Numbers {
    /// When it was done: seconds since 1970.
    pub done: i64,
    /// How long it took.
    pub seconds: f64,
    /// The lines that were new.
    pub lines: u64,
    /// The events among them.
    pub events: u64,
    /// The blank ones.
    pub blank: u64,
    /// Names of reasons, and how many lines were rejected for each.
    pub rejects: Vec<(String, u64)>,
    /// The days that were done.
    pub days: u64,
    /// Rules with their severity, and whether each fired.
    pub alerts: Vec<(String, String, bool)>,
    /// Reports, labels, and the numbers that sum the newest day up.
    pub headlines: Vec<(String, String, f64)>,
}

impl Numbers {
    /// Takes the counts of lines.
    pub fn count(&mut self, tally: &crate::scan::reject::Tally) {
        (self.lines, self.events, self.blank) = (tally.lines, tally.events, tally.blank);
        let of = |reason: &Reason| (reason.name().to_owned(), tally.rejects_by_reason[*reason as usize]);
        self.rejects = Reason::ALL.iter().map(of).collect();
    }
}

/// Writes the file. `failed` says whether this run failed, `now` when that was, `untold` how many alerts nobody took yet.
///
/// # Errors
/// `Error::Write`.
pub fn write(
    path: &Path,
    last: Option<&Numbers>,
    failed: bool,
    now: i64,
    untold: usize,
) -> Result<(), Error> {
    let one = |name, help, number: f64| Gauge { name, help, samples: vec![(Vec::new(), number)] };
    let mut gauges = vec![
        one("loganalyze_last_run_timestamp_seconds", "When the nightly job last ended.", now as f64),
        one(
            "loganalyze_last_run_failed",
            "Whether the nightly job last failed.",
            f64::from(u8::from(failed)),
        ),
        one("loganalyze_alerts_untold", "Alerts that a channel has not taken yet.", untold as f64),
    ];
    if let Some(last) = last {
        gauges.extend(of_success(last));
    }
    write_atomically(path, |out| out.write_all(text(&gauges).as_bytes()))
}

fn of_success(last: &Numbers) -> Vec<Gauge> {
    let one = |name, help, number: f64| Gauge { name, help, samples: vec![(Vec::new(), number)] };
    let rejects =
        last.rejects.iter().map(|(reason, count)| (vec![("reason", reason.clone())], *count as f64));
    let alerts = last.alerts.iter().map(|(name, severity, fires)| {
        let labels = vec![("alert", name.clone()), ("severity", severity.clone())];
        (labels, f64::from(u8::from(*fires)))
    });
    let headlines = last
        .headlines
        .iter()
        .map(|(report, name, number)| (vec![("report", report.clone()), ("name", name.clone())], *number));
    vec![
        one(
            "loganalyze_last_success_timestamp_seconds",
            "When the nightly job last went well.",
            last.done as f64,
        ),
        one("loganalyze_duration_seconds", "How long that run took.", last.seconds),
        one("loganalyze_lines", "Lines that were new to that run.", last.lines as f64),
        one("loganalyze_events", "Events among these lines.", last.events as f64),
        one("loganalyze_blank_lines", "Blank ones among these lines.", last.blank as f64),
        Gauge {
            name: "loganalyze_rejects",
            help: "Rejected ones among these lines, by reason.",
            samples: rejects.collect(),
        },
        one("loganalyze_days", "Days whose reports that run made.", last.days as f64),
        Gauge {
            name: "loganalyze_alert_firing",
            help: "Whether a rule fired for a day of that run.",
            samples: alerts.collect(),
        },
        Gauge {
            name: "loganalyze_headline",
            help: "The numbers that sum up the newest day of that run.",
            samples: headlines.collect(),
        },
    ]
}
