//! Mail by way of the machine's own `sendmail`. Nothing of a message can end up among its headers.

use crate::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Who gets mail, from whom, and what sends it.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Addresses, each checked by [`address`].
    pub to: Vec<String>,
    /// Whose mail it is; without one, sendmail says.
    pub from: Option<String>,
    /// The program.
    pub sendmail: PathBuf,
}

/// How long sendmail may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often it is looked whether it is done.
const LOOK: Duration = Duration::from_millis(20);

/// An address that can stand in a header and is only one.
///
/// # Errors
/// `Error::Usage` for anything else.
pub fn address(text: &str) -> Result<String, Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".!#$%&'*+/=?^_`{|}~@-".contains(c);
    // sendmail would take a hyphen at the beginning for an option.
    if text.is_empty() || !text.chars().all(plain) || text.matches('@').count() > 1 || text.starts_with('-') {
        return Err(Error::Usage(format!(
            "'{}' is no address: write it alone, such as ops@example.com",
            text.escape_debug()
        )));
    }
    Ok(text.to_owned())
}

impl Mail {
    /// Hands a message to sendmail.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub fn send(&self, subject: &str, body: &str) -> Result<(), String> {
        let program = self.sendmail.display();
        let mut child = Command::new(&self.sendmail)
            .args(["-t", "-i"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("cannot start {program}: {error}"))?;
        // A message is shorter than a pipe holds, so that this waits for nobody.
        let written =
            child.stdin.take().map(|mut stdin| stdin.write_all(self.message(subject, body).as_bytes()));
        let status = finished(&mut child)?;
        match (status.success(), written) {
            (true, Some(Ok(()))) => Ok(()),
            (true, _) => Err(format!("{program} did not read the message")),
            (false, _) => Err(format!("{program} failed ({status})")),
        }
    }

    fn message(&self, subject: &str, body: &str) -> String {
        let one_line = |text: &str| text.replace(['\r', '\n'], " ");
        let from = self.from.as_ref().map(|from| format!("From: {from}\n")).unwrap_or_default();
        format!(
            "{from}To: {}\nSubject: {}\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\n\
             Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{body}",
            self.to.join(", "),
            one_line(subject),
        )
    }
}

fn finished(child: &mut Child) -> Result<std::process::ExitStatus, String> {
    let begin = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if begin.elapsed() < PATIENCE => std::thread::sleep(LOOK),
            other => {
                // It may end by itself in this moment; either way nobody waits for it any more.
                _ = child.kill();
                _ = child.wait();
                return Err(match other {
                    Err(error) => error.to_string(),
                    _ => format!("sendmail was not done after {} s", PATIENCE.as_secs()),
                });
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_address() {
        for right in ["ops@example.com", "root", "a.b+c@xn--9n2bp8q.example"] {
            assert_eq!(address(right).unwrap(), right);
        }
        for wrong in ["", "a@b\nBcc: c@d", "a@b, c@d", "a b@c", "-oQ/tmp", "a@b@c", "<a@b>", "가@b"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn headers_end_where_the_body_begins() {
        let mail = Mail { to: vec!["a@b".into(), "root".into()], from: None, sendmail: "/bin/false".into() };
        let message = mail.message("two\r\nBcc: x@y", ".\nSubject: no");
        let (headers, body) = message.split_once("\n\n").unwrap();
        assert!(headers.starts_with("To: a@b, root\nSubject: two  Bcc: x@y\nAuto-Submitted"), "{headers}");
        assert_eq!(body, ".\nSubject: no");
        assert!(mail.send("s", "b").unwrap_err().contains("failed"));
    }
}
