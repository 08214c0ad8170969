//! What is said of alerts, in the form of each receiver. Knows nothing of how it gets there.

use super::Fired;
use super::deliver::Form;
use super::escape::{discord, inert, slack};
use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};

/// So many alerts at most are told one by one; the rest is counted.
const TOLD: usize = 20;

/// Characters of a text for Alertmanager that may hold log text.
const LONGEST: usize = 300;

/// Discord takes no longer message.
const DISCORD: usize = 2000;

/// How long Alertmanager keeps an alert that is not told again, in seconds: until the next night has run.
const LASTS: i64 = 25 * 3600;

/// Bytes of a line of mail; RFC 5322 (2.1.1) allows 998.
const LINE: usize = 900;

const PROGRAM: &str = concat!("loganalyze ", env!("CARGO_PKG_VERSION"));

/// What a webhook is sent.
pub fn webhook(alerts: &[Fired], form: Form) -> Value {
    match form {
        Form::Json => json!({
            "version": 1,
            "program": PROGRAM,
            "alerts": alerts.iter().map(plain).collect::<Vec<_>>(),
        }),
        Form::Slack => {
            let section = |text: String| json!({"type": "section", "text": {"type": "plain_text", "text": text, "emoji": false}});
            let told = alerts.iter().take(TOLD).map(|alert| section(sentence(alert, slack)));
            json!({
                "text": heading(alerts.len()),
                "blocks": told.chain(more(alerts.len(), TOLD).map(section)).collect::<Vec<_>>(),
                "unfurl_links": false,
                "unfurl_media": false,
            })
        }
        Form::Discord => {
            const SUPPRESS_EMBEDS: u64 = 4;
            json!({
                "content": discord_text(alerts),
                "allowed_mentions": {"parse": []},
                "flags": SUPPRESS_EMBEDS,
            })
        }
    }
}

/// An alert for programs, as it is: JSON's own escapes are enough for them.
fn plain(alert: &Fired) -> Value {
    let Fired { name, severity, report, date, condition, what, example, since } = alert;
    json!({
        "id": alert.id(), "name": name, "severity": severity, "report": report, "date": date,
        "condition": condition, "what": what, "example": example, "since": moment(*since),
    })
}

/// As many alerts as the message has room for.
fn discord_text(alerts: &[Fired]) -> String {
    let mut text = heading(alerts.len());
    // Room for the line that counts the rest.
    let room = DISCORD - 50;
    let mut told = 0;
    for alert in alerts.iter().take(TOLD) {
        let line = sentence(alert, discord);
        if text.chars().count() + line.chars().count() + 1 > room {
            break;
        }
        text += &format!("\n{line}");
        told += 1;
    }
    more(alerts.len(), told).for_each(|line| text += &format!("\n{line}"));
    text
}

/// What Alertmanager is sent: the alerts fire until `now` and a day.
pub fn alertmanager(alerts: &[Fired], now: i64) -> Value {
    let one = |alert: &Fired| {
        let mut labels = json!({
            "alertname": alert.name, "severity": alert.severity, "date": alert.date, "job": "loganalyze",
        });
        // An empty label is none.
        if let Some(report) = &alert.report {
            labels["report"] = json!(report);
        }
        let mut annotations = json!({"summary": inert(&alert.what, LONGEST), "condition": alert.condition});
        if let Some(example) = &alert.example {
            annotations["example"] = json!(inert(example, LONGEST));
        }
        json!({
            "labels": labels, "annotations": annotations,
            "startsAt": moment(alert.since), "endsAt": moment(now + LASTS),
        })
    };
    alerts.iter().map(one).collect()
}

/// The lines of a mail.
pub fn mail(alerts: &[Fired]) -> (String, String) {
    let mut body = String::new();
    for alert in alerts.iter().take(TOLD) {
        body += &folded(&sentence(alert, inert));
        body.push('\n');
    }
    more(alerts.len(), TOLD).for_each(|line| body += &format!("{line}\n"));
    (heading(alerts.len()), body)
}

/// A line in several, none of which is too long for mail.
fn folded(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while rest.len() > LINE {
        let end = (0..=LINE).rev().find(|&end| rest.is_char_boundary(end)).unwrap_or(LINE);
        let end = rest[..end].rfind(' ').map_or(end, |space| space + 1);
        out += &format!("{}\n  ", &rest[..end]);
        rest = &rest[end..];
    }
    out + rest
}

/// Nothing of it is from the configuration or from logs.
fn heading(count: usize) -> String {
    format!("loganalyze: {count} alert{}", if count == 1 { "" } else { "s" })
}

/// How many were not told.
fn more(count: usize, told: usize) -> impl Iterator<Item = String> {
    (count > told).then(|| format!("and {} more", count - told)).into_iter()
}

/// `critical: too many errors (errors, 2025-03-10): error_rate is 30.0 % …; rule: error_rate > 0.05; first: …`
///
/// However much of it has to be escaped, it fits into a block of Slack's (3,000 characters) and a message of Discord's.
fn sentence(alert: &Fired, safe: impl Fn(&str, usize) -> String) -> String {
    let Fired { name, severity, report, date, condition, what, example, .. } = alert;
    let of = report.as_ref().map(|report| format!("{report}, ")).unwrap_or_default();
    let example =
        example.as_ref().map(|example| format!("; first: {}", safe(example, 250))).unwrap_or_default();
    let (name, what, condition) = (safe(name, 80), safe(what, 150), safe(condition, 100));
    format!("{severity}: {name} ({of}{date}): {what}; rule: {condition}{example}")
}

/// The time as RFC 3339 writes it.
fn moment(seconds: i64) -> String {
    let time = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn fired(name: &str) -> Fired {
        Fired {
            name: name.into(),
            severity: "critical".into(),
            report: Some("search-terms".into()),
            date: "2025-03-10".into(),
            condition: "searches > 5".into(),
            what: "searches is 7 in the first of 1 such row of 3".into(),
            example: Some("term=<!channel> @everyone [x](https://evil.example)\r\nBcc: a@b".into()),
            since: 1_741_600_000,
        }
    }

    #[test]
    fn no_form_lets_log_text_command() {
        let alerts = [fired("a"), fired("b")];
        for form in [Form::Slack, Form::Discord] {
            let text = webhook(&alerts, form).to_string();
            for part in ["<!channel", "@everyone", "https://", "](", "a@b"] {
                assert!(!text.contains(part), "{part}: {text}");
            }
        }
        let (subject, body) = mail(&alerts);
        assert_eq!(subject, "loganalyze: 2 alerts");
        assert_eq!(body.lines().count(), 2);
        let long = Fired { example: Some("\u{1f600}".repeat(300)), what: "가 ".repeat(80), ..fired("c") };
        let (_, body) = mail(&[long]);
        assert!(body.lines().count() > 1 && body.lines().all(|line| line.len() <= 998), "{body}");
        assert_eq!(body.matches('\u{1f600}').count(), 250);
        let json = webhook(&alerts, Form::Json);
        assert_eq!(json["alerts"][0]["example"], alerts[0].example.clone().unwrap());
        assert_eq!(json["alerts"][0]["id"], "a/2025-03-10");
        assert_eq!(json["alerts"][0]["since"], "2025-03-10T09:46:40Z");
    }

    #[test]
    fn many_alerts_are_counted_and_fit() {
        let alerts: Vec<Fired> = (0..100).map(|at| fired(&format!("rule {at}"))).collect();
        let discord = webhook(&alerts, Form::Discord);
        let content = discord["content"].as_str().unwrap();
        assert!(content.chars().count() <= DISCORD && content.contains("more"), "{content}");
        let slack = webhook(&alerts, Form::Slack);
        assert_eq!(slack["blocks"].as_array().unwrap().len(), TOLD + 1);
        assert_eq!(slack["blocks"][TOLD]["text"]["text"], "and 80 more");
        let all = || Some("<&".repeat(1000));
        let worst = Fired {
            example: all(),
            what: "&@".repeat(1000),
            condition: "<".repeat(1000),
            ..fired(&"&".repeat(1000))
        };
        let slack = webhook(std::slice::from_ref(&worst), Form::Slack);
        assert!(slack["blocks"][0]["text"]["text"].as_str().unwrap().chars().count() <= 3000);
        let discord = webhook(&[worst], Form::Discord);
        assert!(discord["content"].as_str().unwrap().lines().count() == 2, "{discord}");
    }

    #[test]
    fn alertmanager_is_told_how_long() {
        let told = alertmanager(&[fired("a")], 1_741_600_000);
        assert_eq!(
            told[0]["labels"],
            json!({"alertname": "a", "severity": "critical", "report": "search-terms", "date": "2025-03-10", "job": "loganalyze"})
        );
        assert_eq!(told[0]["startsAt"], "2025-03-10T09:46:40Z");
        assert_eq!(told[0]["endsAt"], "2025-03-11T10:46:40Z");
    }
}
