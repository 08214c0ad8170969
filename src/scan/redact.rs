//! Takes secrets out of what a line holds before anything can see it: values of `args` and `form`, query strings,
//! and the text of rejected lines. Knows which names mean a secret; knows nothing of columns.

mod text;
mod torn;

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

/// How many times URLs and JSON are looked at that are values of one another: whoever writes them sets no limit, and each takes
/// as long as all that is within it.
const DEEPEST: usize = 8;

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
        self.json_within(value, out, DEEPEST)
    }

    fn json_within(&self, value: &[u8], out: &mut Vec<u8>, depth: usize) -> bool {
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
                if let Some(safe) = std::str::from_utf8(&key).ok().and_then(|text| self.nested(text, depth)) {
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

    /// A text that is a URL or JSON itself, without what is secret there; `None` if nothing is. What is `depth` times within
    /// another one is not looked at, and taken for secret.
    fn nested(&self, text: &str, depth: usize) -> Option<String> {
        let Some(depth) = depth.checked_sub(1) else {
            return text.contains(['=', '"']).then(|| REDACTED.into());
        };
        if text.starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
            let mut safe = Vec::new();
            let found = self.json_within(text.as_bytes(), &mut safe, depth);
            return found.then(|| String::from_utf8(safe).ok()).flatten();
        }
        match self.url_within(text, depth) {
            Cow::Owned(safe) => Some(safe),
            Cow::Borrowed(_) => None,
        }
    }

    /// A path or URL, the values of sensitive query parameters replaced, and who it logs in. A value that is a URL with such
    /// parameters itself is replaced, too.
    pub fn url<'a>(&self, url: &'a str) -> Cow<'a, str> {
        self.url_within(url, DEEPEST)
    }

    fn url_within<'a>(&self, url: &'a str, depth: usize) -> Cow<'a, str> {
        match userinfo(url) {
            None => self.query(url, depth),
            Some(person) => {
                let safe = [&url[..person.start], REDACTED, &url[person.end..]].concat();
                Cow::Owned(self.query(&safe, depth).into_owned())
            }
        }
    }

    /// Whether a parameter's value is a URL or JSON with something secret in it.
    fn holds_secrets(&self, value: &str, depth: usize) -> bool {
        // Nearly all have neither a sign nor a quote in them, encoded or not.
        let signs = value.contains('=')
            || value.as_bytes().windows(3).any(|some| matches!(some, b"%3D" | b"%3d" | b"%22"));
        signs
            && std::str::from_utf8(&percent_decoded(value))
                .is_ok_and(|text| self.nested(text, depth).is_some())
    }

    fn query<'a>(&self, url: &'a str, depth: usize) -> Cow<'a, str> {
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
                    if self.is_sensitive(&percent_decoded(name)) || self.holds_secrets(value, depth) =>
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
    fn values_in_values_are_looked_at_as_far_as_anybody_writes_them() {
        let redaction = Redaction::new(&[], false);
        let within = |text: &str, times: usize| {
            let encode = |text: &str| text.replace('%', "%25").replace('?', "%3F").replace('=', "%3D");
            (0..times).fold(text.to_owned(), |text, _| format!("/p?u={}", encode(&text)))
        };
        for times in 0..6 {
            assert_ne!(redaction.url(&within("/x?token=y", times)), within("/x?token=y", times), "{times}");
            assert_eq!(redaction.url(&within("/x?page=y", times)), within("/x?page=y", times), "{times}");
        }
        assert_eq!(redaction.url(&within("/x?token=y", 20)), "/p?u=[redacted]");
        // Nobody has looked at that.
        assert_eq!(redaction.url(&within("/x?page=y", 20)), "/p?u=[redacted]");
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
        assert_eq!(redaction.url("/p?next=%2Fx%3Fpin=7"), "/p?next=[redacted]");
        assert_eq!(redaction.url("/products/1?page=2"), "/products/1?page=2");
    }
}
