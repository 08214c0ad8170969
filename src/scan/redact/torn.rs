//! The text of lines that are no good JSON without secrets: nobody can say there what is a key and what a value. Rather too
//! much than too little.

use super::{REDACTED, Redaction, percent_decoded, string_end, value_end};
use crate::scan::json::unescape;

/// Runs of this many characters of cookies and tokens are taken out of rejected lines, whatever stands before them.
const LONGEST_WORD: usize = 24;

impl Redaction {
    /// The text of a line that is no good JSON, where nobody can say what is a key and what a value: everything that
    /// looks like the value of a sensitive key or parameter is taken out, the end of a string that was cut off, and
    /// every long run of the characters that cookies and tokens are made of.
    pub fn rejected(&self, line: &str) -> String {
        // It may be an error's message, or another program's log.
        let line = &*self.text(line);
        let mut out = String::new();
        let is_cut = !line.trim_start().starts_with('{');
        let mut rest = line;
        if is_cut && let Some(end) = value_tail(line).or_else(|| string_tail(line)) {
            out.push_str(REDACTED);
            rest = &line[end..];
        }
        while let Some((quote, colon)) = key_end(rest) {
            let begin = rest[..quote].rfind('"');
            let unknown = begin.is_none() && is_cut && out.is_empty();
            let sensitive =
                unknown || self.is_sensitive_text(&rest[begin.map_or(0, |begin| begin + 1)..quote]);
            out.push_str(&self.without_tokens(&rest[..=colon]));
            rest = &rest[colon + 1..];
            if sensitive {
                let value = rest.trim_start();
                out.extend([" \"", REDACTED, "\""]);
                rest = &value[rough_value_end(value)..];
            }
        }
        out + &self.without_tokens(rest)
    }

    /// Text without long runs of token characters and without the values of sensitive `name=value` pairs.
    fn without_tokens(&self, text: &str) -> String {
        let is_end = |c: char| c.is_whitespace() || matches!(c, '&' | ';' | '#' | '"' | '\\' | ',');
        let mut out = String::new();
        let mut rest = text;
        while let Some(equals) = rest.find('=') {
            let (before, value) = rest.split_at(equals + 1);
            let name = before[..equals].rsplit(['&', ';', '?', '#', '"', ' ']).next().unwrap_or_default();
            out.push_str(&without_long_runs(before));
            rest = value;
            if self.is_sensitive(&percent_decoded(name)) {
                out.push_str(REDACTED);
                rest = &value[value.find(is_end).unwrap_or(value.len())..];
            }
        }
        out + &without_long_runs(rest)
    }

    fn is_sensitive_text(&self, key: &str) -> bool {
        let mut unescaped = Vec::new();
        if well_escaped(key) {
            unescape(key.as_bytes(), &mut unescaped);
        }
        self.is_sensitive(&unescaped) || self.is_sensitive(key.as_bytes())
    }
}

/// Where the value ends that a text begins with which was cut off behind a key: a string without a colon behind it, or what
/// stands behind a colon.
fn value_tail(text: &str) -> Option<usize> {
    let value = text.trim_start_matches(|c: char| c == ':' || c.is_whitespace());
    let begin = text.len() - value.len();
    let end = begin + rough_value_end(value);
    match value.starts_with('"') {
        true => (!text[end..].trim_start().starts_with(':')).then_some(end),
        false => text[..begin].contains(':').then_some(end),
    }
}

/// Where a text that does not begin with an object ends a string that began before it: at a quote with a comma, a
/// brace or nothing behind it.
fn string_tail(text: &str) -> Option<usize> {
    let quote = text.find('"')?;
    let behind = text[quote + 1..].trim_start();
    (behind.is_empty() || behind.starts_with([',', '}', ']'])).then_some(quote)
}

/// The first quote that has a colon behind it, and that colon.
fn key_end(text: &str) -> Option<(usize, usize)> {
    text.match_indices('"').find_map(|(quote, _)| {
        let behind = &text[quote + 1..];
        let space = behind.len() - behind.trim_start().len();
        behind[space..].starts_with(':').then_some((quote, quote + 1 + space))
    })
}

/// Whether [`unescape`] may be called on text that nobody checked.
fn well_escaped(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(&format!("\"{text}\"")).is_ok()
}

/// As [`value_end`], on text that nobody checked: rather too much than too little.
fn rough_value_end(value: &str) -> usize {
    match value.as_bytes().first() {
        Some(b'"') => floor_boundary(value, string_end(value.as_bytes(), 0)),
        Some(b'{' | b'[') => floor_boundary(value, value_end(value.as_bytes(), 0)),
        _ => value.find([',', '}']).unwrap_or(value.len()),
    }
}

fn floor_boundary(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

/// `text` with every run of [`LONGEST_WORD`] or more token characters replaced.
fn without_long_runs(text: &str) -> String {
    let is_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '=' | '+' | '%');
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_token) {
        let length = rest[start..].find(|c| !is_token(c)).unwrap_or(rest.len() - start);
        out.push_str(&rest[..start]);
        let run = &rest[start..start + length];
        out.push_str(if length >= LONGEST_WORD && !is_timestamp(run) { REDACTED } else { run });
        rest = &rest[start + length..];
    }
    out.push_str(rest);
    out
}

/// Long runs of nothing but digits and punctuation are times and numbers, not tokens.
fn is_timestamp(run: &str) -> bool {
    !run.bytes().any(|byte| byte.is_ascii_alphabetic() && byte != b'T' && byte != b'Z')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_line_shows_neither_password_nor_cookie() {
        let redaction = Redaction::new(&[], false);
        let cookie = ".eJxNykESwiAMAMC_5GxtEkpB3uGdSSkoM9V2.Z8291Q.IL4CGw55xEqI2Ec_7R0u7KaHqaU";
        for line in [
            format!(r#"{{"session_id": "{cookie}", "form": {{"password": "hun\"ter2"#),
            format!(r#"{{"form": {{"password": ["hunter2"], "q": "{cookie}"#),
            format!(r#"{cookie} password=1 {{"form": {{"pass\u0077ord":"hunter2","#),
            r#"}"password"   :   "hunter2\"#.to_owned(),
            r#"ssword": "hunter2", "x": 1}"#.to_owned(),
            r#"hunter2", "x": 1}"#.to_owned(),
            r#"{"path": "/a?b=1&pass%77ord=hunter2&c=2", "args": {"#.to_owned(),
            "ERROR login {'password': 'hunter2', 'q': 1}".to_owned(),
            "Authorization: Bearer hunter2".to_owned(),
            r#"{"a": 1} {'token': 'hunter2'}"#.to_owned(),
            r#"ERROR login password="hunter2""#.to_owned(),
            "password='correct horse hunter2' q=1".to_owned(),
            "Cookie: wordpress_logged_in_0123456789abcdef=alice; PHPSESSID=hunter2".to_owned(),
            "Authorization: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA, hunter2".to_owned(),
            r#": "hunter2", "x": 1}"#.to_owned(),
            r#" "hunter2"#.to_owned(),
            r#""hunter2"}"#.to_owned(),
            r#":hunter2&b=1"#.to_owned(),
        ] {
            let shown = redaction.rejected(&line);
            assert!(
                !shown.contains("hun") && !shown.contains("ter2") && !shown.contains("eJxNykES"),
                "{shown}"
            );
        }
        let kept = r#"{"timestamp": "2025-03-10T01:05:44.107627", "event_type": "view","#;
        assert_eq!(redaction.rejected(kept), kept);
        let torn = r#"{"password": "hunter2", "q": ["니트"], "path": "/a?token=x&b=1", "args": {"#;
        let safe =
            r#"{"password": "[redacted]", "q": ["니트"], "path": "/a?token=[redacted]&b=1", "args": {"#;
        assert_eq!(redaction.rejected(torn), safe);
    }
}
