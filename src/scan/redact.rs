//! Takes secrets out of what a line holds before anything can see it: values of `args` and `form`, query strings,
//! and the text of rejected lines. Knows which names mean a secret; knows nothing of columns.

mod text;

use super::json::{unescape, with_characters};
use std::borrow::Cow;
use std::ops::Range;

/// What stands where a secret was.
pub const REDACTED: &str = "[redacted]";

/// A key that contains one of these, in any case, holds a secret or a person's address.
pub const SENSITIVE: &[&str] = &[
    "password",
    "passwd",
    "pwd",
    "token",
    "secret",
    "authorization",
    "cookie",
    "session",
    "card",
    "cvc",
    "cvv",
    "phone",
    "mobile",
    "address",
    "addr",
    "zip",
    "postcode",
    "postal",
];

/// A key that is one of these, in any case, holds a secret.
const SENSITIVE_WHOLE: &[&str] =
    &["pass", "pin", "otp", "auth", "sid", "sig", "key", "apikey", "api_key", "access_key", "비밀번호"];

/// Also taken out of `args` and `form` with `--hash-pii`.
const PERSONAL: &[&str] = &["email", "e_mail", "user", "login", "name"];

/// Runs of this many characters of cookies and tokens are taken out of rejected lines, whatever stands before them.
const LONGEST_WORD: usize = 24;

/// The names whose values are taken out.
#[derive(Debug, Clone)]
pub struct Redaction {
    names: Vec<String>,
    /// Whether names and addresses of people are taken out, too.
    personal: bool,
}

impl Redaction {
    /// The standard list and `more`; with `personal` also names and e-mail addresses.
    pub fn new(more: &[String], personal: bool) -> Self {
        let standard =
            SENSITIVE.iter().chain(PERSONAL.iter().filter(|_| personal)).map(|name| name.to_string());
        let names = standard.chain(more.iter().map(|name| name.to_lowercase())).collect();
        Redaction { names, personal }
    }

    fn is_sensitive(&self, key: &[u8]) -> bool {
        let key = String::from_utf8_lossy(key).to_lowercase();
        SENSITIVE_WHOLE.contains(&key.as_str()) || self.names.iter().any(|name| key.contains(name.as_str()))
    }

    /// Appends a JSON value (already checked) to `out`, the values of sensitive keys replaced at any depth, and characters
    /// instead of their escapes; whether any was replaced.
    pub fn json(&self, value: &[u8], out: &mut Vec<u8>) -> bool {
        let mut key = Vec::new();
        let mut at = 0;
        let mut any = false;
        while at < value.len() {
            if value[at] != b'"' {
                out.push(value[at]);
                at += 1;
                continue;
            }
            let end = string_end(value, at);
            let begin = out.len();
            with_characters(&value[at..end], out);
            let behind = skip_space(value, end);
            if value.get(behind) != Some(&b':') {
                key.clear();
                unescape(&value[at + 1..end - 1], &mut key);
                if let Some(safe) = std::str::from_utf8(&key).ok().and_then(|text| self.nested(text)) {
                    out.truncate(begin);
                    // Writing to memory cannot fail.
                    _ = serde_json::to_writer(&mut *out, &safe);
                    any = true;
                }
                at = end;
                continue;
            }
            key.clear();
            unescape(&value[at + 1..end - 1], &mut key);
            let begin = skip_space(value, behind + 1);
            out.extend_from_slice(&value[end..begin]);
            at = begin;
            if self.is_sensitive(&key) {
                out.extend_from_slice(format!("\"{REDACTED}\"").as_bytes());
                at = value_end(value, begin);
                any = true;
            }
        }
        any
    }

    /// A text that is a URL or JSON itself, without what is secret there; `None` if nothing is.
    fn nested(&self, text: &str) -> Option<String> {
        if text.starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
            let mut safe = Vec::new();
            return self.json(text.as_bytes(), &mut safe).then(|| String::from_utf8(safe).ok()).flatten();
        }
        match self.url(text) {
            Cow::Owned(safe) => Some(safe),
            Cow::Borrowed(_) => None,
        }
    }

    /// A path or URL, the values of sensitive query parameters replaced, and who it logs in. A value that is a URL with such
    /// parameters itself is replaced, too.
    pub fn url<'a>(&self, url: &'a str) -> Cow<'a, str> {
        match userinfo(url) {
            None => self.query(url),
            Some(person) => {
                let safe = [&url[..person.start], REDACTED, &url[person.end..]].concat();
                Cow::Owned(self.query(&safe).into_owned())
            }
        }
    }

    /// Whether a parameter's value is a URL or JSON with something secret in it.
    fn holds_secrets(&self, value: &str) -> bool {
        // Nearly all have neither a sign nor a quote in them, encoded or not.
        let signs = value
            .as_bytes()
            .windows(3)
            .any(|some| some[0] == b'=' || matches!(some, b"%3D" | b"%3d" | b"%22"));
        signs && std::str::from_utf8(&percent_decoded(value)).is_ok_and(|text| self.nested(text).is_some())
    }

    fn query<'a>(&self, url: &'a str) -> Cow<'a, str> {
        let Some(query) = url.find(['?', ';', '#']) else { return Cow::Borrowed(url) };
        let mut out = String::from(&url[..query]);
        let mut found = false;
        for part in url[query..].split_inclusive(['&', ';', '?', '#']) {
            let (pair, separator) = match part.char_indices().next_back() {
                Some((at, '&' | ';' | '?' | '#')) => part.split_at(at),
                _ => (part, ""),
            };
            match pair.split_once('=') {
                Some((name, value))
                    if self.is_sensitive(&percent_decoded(name)) || self.holds_secrets(value) =>
                {
                    found = true;
                    out.extend([name, "=", REDACTED]);
                }
                _ => out.push_str(pair),
            }
            out.push_str(separator);
        }
        if found { Cow::Owned(out) } else { Cow::Borrowed(url) }
    }

    /// The text of a line that is no good JSON, where nobody can say what is a key and what a value: everything that
    /// looks like the value of a sensitive key or parameter is taken out, the end of a string that was cut off, and
    /// every long run of the characters that cookies and tokens are made of.
    pub fn rejected(&self, line: &str) -> String {
        let mut out = String::new();
        let is_cut = !line.trim_start().starts_with('{');
        let mut rest = line;
        if is_cut && let Some(end) = string_tail(line) {
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
        out += &self.without_tokens(rest);
        // What is no JSON may be an error's message, or another program's log.
        self.text(&out).into_owned()
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

/// The byte behind the closing quote of the string that opens at `at`, or the end of the text.
fn string_end(text: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < text.len() {
        match text[end] {
            b'"' => return end + 1,
            b'\\' => end += 2,
            _ => end += 1,
        }
    }
    text.len()
}

fn skip_space(text: &[u8], mut at: usize) -> usize {
    while text.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

/// The byte behind the (checked) value that begins at `at`.
fn value_end(text: &[u8], mut at: usize) -> usize {
    let mut depth = 0usize;
    while at < text.len() {
        match text[at] {
            b'"' => {
                at = string_end(text, at);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return at,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            b',' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    at
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

/// Where a URL says who logs in: between its scheme and `@host`.
fn userinfo(url: &str) -> Option<Range<usize>> {
    // Nearly no URL has it.
    memchr::memchr(b'@', url.as_bytes())?;
    let begin = url.find("://")? + "://".len();
    let authority = url[begin..].split(['/', '?', '#']).next()?;
    Some(begin..begin + authority.rfind('@')?)
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if bytes[at] == b'%' => {
                out.push(byte);
                at += 3;
            }
            _ => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        let mut out = Vec::new();
        Redaction::new(&[], false).json(text.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_of_sensitive_keys_are_replaced_at_any_depth() {
        assert_eq!(
            json(r#"{"username": "kim", "password": "a\"b,}", "q": "password"}"#),
            r#"{"username": "kim", "password": "[redacted]", "q": "password"}"#
        );
        assert_eq!(
            json(
                r#"{"a": [{"API_Token" : {"x": ["}"]}, "b": 1}], "cardNumber": 4111, "pass\u0077ord":null}"#
            ),
            r#"{"a": [{"API_Token" : "[redacted]", "b": 1}], "cardNumber": "[redacted]", "password":"[redacted]"}"#
        );
        assert_eq!(json("{}"), "{}");
    }

    #[test]
    fn characters_are_shown_but_for_those_that_must_be_escaped() {
        assert_eq!(
            json(
                r#"{"q": "\ub2c8\ud2b8 \ud83d\ude00 \u0022\u005c\u001b\u0085\n\ud800\/\\u0041", "\ud0a4": ["\u0041"]}"#
            ),
            r#"{"q": "니트 😀 \u0022\u005c\u001b\u0085\n\ud800\/\\u0041", "키": ["A"]}"#
        );
        let nested = r#"{"q": "{\"a\": \"\\ub2c8\"}"}"#;
        assert_eq!(json(nested), nested);
        let redaction = Redaction::new(&[], false);
        let url = "/p?x=%7B%22a%22:%22\\ub2c8%22%7D";
        assert_eq!(redaction.url(url), url);
    }

    #[test]
    fn query_parameters() {
        let redaction = Redaction::new(&["voucher".into()], false);
        assert_eq!(redaction.url("/reset?a=1&Token=x%20y&b"), "/reset?a=1&Token=[redacted]&b");
        assert_eq!(
            redaction.url("http://h/p?pass%77ord=x#token=y"),
            "http://h/p?pass%77ord=[redacted]#token=[redacted]"
        );
        assert_eq!(redaction.url("/p?voucher=1"), "/p?voucher=[redacted]");
        assert_eq!(redaction.url("/products/1?page=2"), "/products/1?page=2");
    }

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
