//! How alerts get to their receivers: a few tries, each with an end. Addresses may hold secrets and are in no message.

use super::mail::Mail;
use super::{Fired, message};
use crate::sink::visible;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use serde_json::Value;
use std::time::Duration;

/// What is posted to a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Our own, for programs.
    Json,
    /// Slack's incoming webhooks.
    Slack,
    /// Discord's.
    Discord,
}

impl Form {
    /// The form of this name.
    pub fn named(name: &str) -> Form {
        match name {
            "slack" => Form::Slack,
            "discord" => Form::Discord,
            _ => Form::Json,
        }
    }
}

/// A receiver of alerts.
#[derive(Debug, Clone)]
pub enum Channel {
    /// An address that is posted to.
    Webhook(String, Form),
    /// Alertmanager's address.
    Alertmanager(String),
    /// Mail.
    Mail(Mail),
}

/// How long a try may take, and until it is connected.
const PATIENCE: Duration = Duration::from_secs(5);

/// Before the second and the third try.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(1500)];

/// Where Alertmanager takes alerts.
const ALERTMANAGER: &str = "/api/v2/alerts";

/// So much of an answer is shown.
const SHOWN: usize = 120;

impl Channel {
    /// Its name in messages and in what is remembered.
    pub fn name(&self) -> &'static str {
        match self {
            Channel::Webhook(..) => "webhook",
            Channel::Alertmanager(_) => "alertmanager",
            Channel::Mail(_) => "mail",
        }
    }

    /// Tells these alerts; `now` is the clock, seconds since 1970.
    ///
    /// # Errors
    /// What went wrong the last time it was tried, in words.
    pub fn tell(&self, alerts: &[Fired], now: i64) -> Result<(), String> {
        match self {
            Channel::Webhook(url, form) => post(url, &message::webhook(alerts, *form)),
            Channel::Alertmanager(url) => {
                let base = url.trim_end_matches('/');
                let whole =
                    if base.ends_with(ALERTMANAGER) { base.into() } else { format!("{base}{ALERTMANAGER}") };
                post(&whole, &message::alertmanager(alerts, now))
            }
            Channel::Mail(mail) => {
                let (subject, body) = message::mail(alerts);
                let mut result = mail.send(&subject, &body);
                for pause in PAUSES {
                    if result.is_ok() {
                        break;
                    }
                    std::thread::sleep(pause);
                    result = mail.send(&subject, &body);
                }
                result
            }
        }
    }
}

/// Why a try failed, and whether another one may not.
enum Failure {
    Passing(String),
    Lasting(String),
}

fn post(url: &str, body: &Value) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(async {
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            // Where it leads to is another address than the one that was trusted.
            .redirect(Policy::none())
            .user_agent(concat!("loganalyze/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(said)?;
        let mut pauses = PAUSES.iter();
        loop {
            match (attempt(&client, url, body).await, pauses.next()) {
                (Ok(()), _) => return Ok(()),
                (Err(Failure::Passing(_)), Some(pause)) => tokio::time::sleep(*pause).await,
                (Err(Failure::Passing(why) | Failure::Lasting(why)), _) => return Err(why),
            }
        }
    })
}

async fn attempt(client: &reqwest::Client, url: &str, body: &Value) -> Result<(), Failure> {
    let request = client.post(url).header(CONTENT_TYPE, "application/json").body(body.to_string());
    let mut answer = request.send().await.map_err(|error| Failure::Passing(said(error)))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let begin = answer.chunk().await.ok().flatten().unwrap_or_default();
    let begin: String = String::from_utf8_lossy(&begin).trim().chars().take(SHOWN).collect();
    let why = match (status.is_redirection(), begin.is_empty()) {
        (true, _) => format!("the answer was {status}: name the address that it leads to"),
        (_, true) => format!("the answer was {status}"),
        _ => format!("the answer was {status}: {}", visible(&begin)),
    };
    match status.is_server_error() || status.as_u16() == 429 {
        true => Err(Failure::Passing(why)),
        false => Err(Failure::Lasting(why)),
    }
}

/// An error with its causes, without the address.
fn said(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(why) = cause {
        text = format!("{text}: {why}");
        cause = why.source();
    }
    text
}
