//! Secrets in free text, such as an error's message: values behind names that mean a secret, as in a query string, an
//! object, a keyword argument or a header, and words that look like cookies and tokens. Rather too much than too little,
//! but never what makes an error that error: the names of modules and exceptions.

use super::{REDACTED, Redaction, percent_decoded};
use std::borrow::Cow;
use std::net::IpAddr;

/// A part of a word that is at least this long, with digits and letters of both cases, is a token.
const TOKEN: usize = 20;

impl Redaction {
    /// Free text, the values of sensitive names and what looks like a token replaced.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut safe = self.without_values(text);
        if let Some(found) = without_logins(&safe) {
            safe = Cow::Owned(found);
        }
        match self.without_words(&safe) {
            Some(found) => Cow::Owned(found),
            None => safe,
        }
    }

    /// Without what stands behind sensitive names and `=`, `:` or `=>`, and in a pair behind a name in quotes.
    fn without_values<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut out = String::new();
        let mut rest = text;
        let mut searched = 0;
        while let Some(at) = rest[searched..].find(['=', ':', ',']).map(|at| searched + at) {
            let sign = rest.as_bytes()[at];
            searched = at + if rest[at..].starts_with("=>") { 2 } else { 1 };
            let Some(to_line_end) = self.ends_with_secret_name(&rest[..at], sign) else { continue };
            if is_safe(&rest[searched..], to_line_end) {
                continue;
            }
            let (begin, end) = value(&rest[searched..], to_line_end);
            if begin == end {
                continue;
            }
            out.extend([&rest[..searched + begin], REDACTED]);
            rest = &rest[searched + end..];
            searched = 0;
        }
        if out.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(out + rest) }
    }

    /// Whether what stands before a sign ends with a sensitive name, and then whether the value takes the rest of the line, as a
    /// header's does.
    fn ends_with_secret_name(&self, before: &str, sign: u8) -> Option<bool> {
        let before = before.trim_end_matches(|c: char| c.is_whitespace() && c != '\n');
        let bare = before.trim_end_matches(['"', '\'', '\\']);
        let is_other = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '%' | '.' | '[' | ']'));
        let name = bare.rsplit(is_other).next().unwrap_or_default();
        // `TokenError: …` and `zipfile.BadZipFile: …` say what went wrong.
        let is_quoted = bare.len() < before.len();
        if sign == b',' && !is_quoted {
            return None;
        }
        let colon = sign == b':';
        let is_class =
            name.contains('.') || ["Error", "Exception", "Warning"].iter().any(|end| name.ends_with(end));
        if colon && is_class && !is_quoted || !self.is_sensitive(&percent_decoded(name)) {
            return None;
        }
        let name = name.to_lowercase();
        Some(colon && !is_quoted && (name.contains("authorization") || name.contains("cookie")))
    }

    /// Without words that are tokens and, where people are to stay unknown, addresses; `None` if there is no such word.
    fn without_words(&self, text: &str) -> Option<String> {
        let is_word =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '=' | '+' | '%' | '@' | ':');
        let mut out = String::new();
        let mut rest = text;
        let mut found = false;
        while let Some(begin) = rest.find(is_word) {
            let length = rest[begin..].find(|c| !is_word(c)).unwrap_or(rest.len() - begin);
            let word = &rest[begin..begin + length];
            let secret = is_token(word) || self.personal && is_personal(word);
            found |= secret;
            out.extend([&rest[..begin], if secret { REDACTED } else { word }]);
            rest = &rest[begin + length..];
        }
        found.then(|| out + rest)
    }
}

/// Without who logs in where, as URLs of databases have it; `None` if there is no such.
fn without_logins(text: &str) -> Option<String> {
    memchr::memchr(b'@', text.as_bytes())?;
    let (mut out, mut rest, mut found) = (String::new(), text, false);
    while let Some(begin) = rest.find("://").map(|at| at + "://".len()) {
        let is_end = |c: char| c.is_whitespace() || "/?#\"'<>".contains(c);
        let authority = rest[begin..].split(is_end).next().unwrap_or_default();
        let person = authority.rfind('@').unwrap_or(0);
        let stays = person == 0 || authority[..person] == *REDACTED;
        out.extend([&rest[..begin], if stays { &authority[..person] } else { REDACTED }]);
        found |= !stays;
        rest = &rest[begin + person..];
    }
    found.then(|| out + rest)
}

/// Whether the value behind a sign has been taken out already, all of it. Looks no further than that.
fn is_safe(text: &str, to_line_end: bool) -> bool {
    let quotes = ['"', '\'', '\\'];
    let value = text.trim_start_matches(|c: char| c.is_whitespace() && c != '\n');
    let Some(behind) = value.trim_start_matches(quotes).strip_prefix(REDACTED) else { return false };
    match behind.trim_start_matches(quotes).chars().next() {
        None => true,
        Some(next) if to_line_end => next == '\n',
        _ if value.starts_with(quotes) => behind.starts_with(quotes),
        Some(_) => behind.starts_with(|c: char| c.is_whitespace() || ENDS.contains(c)),
    }
}

/// What ends a value without quotes, beside space.
const ENDS: &str = "&;,\"')]}";

/// Where the value behind a sign begins and ends, on the same line. Looks no further than that: a line may hold thousands.
fn value(text: &str, to_line_end: bool) -> (usize, usize) {
    let begin = text.len() - text.trim_start_matches(|c: char| c.is_whitespace() && c != '\n').len();
    let value = &text[begin..];
    let line = || value.split('\n').next().unwrap_or(value);
    // Languages write a letter or two before the quotes of some strings.
    let word = value.len() - value.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
    let prefix = if word <= 2 && value[word..].starts_with(['"', '\'']) { word } else { 0 };
    let quote = value[prefix..].trim_start_matches('\\');
    let length = match quote.chars().next() {
        _ if to_line_end => line().trim_end().len(),
        Some(mark @ ('"' | '\'')) => {
            let open = value.len() - quote.len() + 1;
            // In a text that was quoted as a whole, a backslash stands before each quote.
            open + string_length(&value[open..], mark, open == prefix + 1)
        }
        Some('{' | '[' | '(') => line().len(),
        _ => value.find(|c: char| c.is_whitespace() || ENDS.contains(c)).unwrap_or(value.len()),
    };
    (begin, begin + length)
}

/// How long a string is behind the quote that opened it, with the quote that closes it; up to the line's end if none does.
fn string_length(text: &str, mark: char, has_escapes: bool) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '\n' => return at,
            _ if escaped => escaped = false,
            '\\' => escaped = has_escapes,
            _ if c == mark => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn is_token(word: &str) -> bool {
    word.split(['.', ':', '@']).any(|part| {
        let has = |kind: fn(&u8) -> bool| part.bytes().any(|byte| kind(&byte));
        part.len() >= TOKEN
            && has(u8::is_ascii_digit)
            && has(u8::is_ascii_lowercase)
            && has(u8::is_ascii_uppercase)
    })
}

/// Whether a word is an e-mail or an IP address, perhaps with a port.
fn is_personal(word: &str) -> bool {
    let word = word.trim_end_matches(['.', ':']);
    let host = word.rsplit_once(':').map_or(word, |(host, _)| host);
    let is_mail = word.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    is_mail || [word, host].iter().any(|text| text.parse::<IpAddr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_secret_names_are_taken_out_and_nothing_else() {
        let redaction = Redaction::new(&["비밀".into()], false);
        for (text, safe) in [
            ("GET /reset?token=abc&page=2 - 404", "GET /reset?token=[redacted]&page=2 - 404"),
            ("{'password': 'hun\\'ter2', 'q': 'x'}", "{'password': [redacted], 'q': 'x'}"),
            (
                r#"{"user": 7, "card_no" : 4111, "q": "x"}"#,
                r#"{"user": 7, "card_no" : [redacted], "q": "x"}"#,
            ),
            (r#"{\"password\": \"hunter2\", \"q\": \"x\"}"#, r#"{\"password\": [redacted], \"q\": \"x\"}"#),
            ("login(passwd='x y', n=1)", "login(passwd=[redacted], n=1)"),
            ("Authorization: Bearer a b\nnext", "Authorization: [redacted]\nnext"),
            ("Set-Cookie: a=b; Path=/", "Set-Cookie: [redacted]"),
            ("Cookie: [redacted]alice; PHPSESSID=x", "Cookie: [redacted]"),
            ("token=[redacted]x&page=2", "token=[redacted]"),
            ("token='[redacted]', page=2", "token='[redacted]', page=2"),
            ("token='[redacted]; x', page=2", "token=[redacted], page=2"),
            (
                "ImmutableMultiDict([('username', 'kim'), ('password', 'hunter2')])",
                "ImmutableMultiDict([('username', 'kim'), ('password', [redacted])])",
            ),
            ("{'password': b'hunter2', 'token': u\"x\"}", "{'password': [redacted], 'token': [redacted]}"),
            (r#"{"password"=>"hunter2"}"#, r#"{"password"=>[redacted]}"#),
            ("password\t=\thunter2", "password\t=\t[redacted]"),
            (
                "cannot reach postgresql://shop:hunter2@db/x?a=b",
                "cannot reach postgresql://[redacted]@db/x?a=b",
            ),
            ("Cookie: \"[redacted]\"\nnext", "Cookie: \"[redacted]\"\nnext"),
            ("pass%77ord=x 비밀=y", "pass%77ord=[redacted] 비밀=[redacted]"),
            ("tokens=['a', 'b']", "tokens=[redacted]"),
            ("password: \"not closed\nnext", "password: [redacted]\nnext"),
            ("cookie .eJxNykESwiAMAMC_5GxtEkpB3uGd.Z8291Q.IL4 end", "cookie [redacted] end"),
        ] {
            assert_eq!(redaction.text(text), safe);
        }
        for kept in [
            "요청 종료: GET /no\"such\"page - 404",
            "sqlite3.OperationalError: no such table: users",
            "InvalidTokenError: signature has expired",
            "zipfile.BadZipFile: File is not a zip file",
            "OSError: [Errno 98] Address already in use: ('0.0.0.0', 5000)",
            "no password given, password=",
            "f47ac10b-58cc-4372-a567-0e02b2c3d479 at 2025-03-10T09:00:00.123456+09:00 from 10.0.0.1",
        ] {
            assert_eq!(redaction.text(kept), kept);
        }
    }

    #[test]
    fn a_long_line_takes_no_longer_than_many_short_ones() {
        let redaction = Redaction::new(&[], false);
        let time = |text: &str| {
            let begin = std::time::Instant::now();
            assert_eq!(redaction.text(text).matches(REDACTED).count(), 1 << 17);
            begin.elapsed()
        };
        // Looking for the line's end each time would take thousands of times as long.
        for short in ["token=x&page=2\n", "token=[redacted]&page=2\n"] {
            let short = short.repeat(1 << 17);
            let long = short.replace('\n', "&");
            assert!(time(&long) < 200 * time(&short));
        }
    }

    #[test]
    fn people_stay_unknown_where_they_are_to() {
        let redaction = Redaction::new(&[], true);
        assert_eq!(
            redaction.text("user=kim from 10.0.0.1:80, 2001:db8::7 and kim@example.com. at 09:00:00"),
            "user=[redacted] from [redacted], [redacted] and [redacted] at 09:00:00"
        );
    }
}
