//! What messages that differ only in numbers and ids have in common, and which of a message's lines says what went wrong.
//! Knows nothing of records.

/// What stands for a number, and for an id.
const NUMBER: &str = "{n}";
const ID: &str = "{id}";

/// A word of digits and letters that is at least this long is an id; one of hexadecimal digits at [`HEX`] already.
const LONGEST_WORD: usize = 16;
const HEX: usize = 8;

/// The first line of a message with numbers and ids masked, and behind it, if there are more, the one that says what went
/// wrong.
pub fn template(message: &str) -> String {
    let first = message.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let template = masked(first.trim());
    match detail(message) {
        Some(detail) => template + " … " + &masked_exception(detail),
        None => template,
    }
}

/// Of a message of several lines the one that says what went wrong: the exception behind the last traceback, or else the
/// last line.
pub fn detail(message: &str) -> Option<&str> {
    let lines: Vec<&str> = message.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let traceback = lines.iter().rposition(|line| *line == "Traceback (most recent call last):");
    let frames = traceback.map_or(&[][..], |at| &lines[at + 1..]);
    let exception = frames.iter().find(|line| !line.starts_with([' ', '\t']));
    exception.or(lines.get(1..)?.last()).map(|line| line.trim())
}

/// As [`masked`] has it, but for the exception's own name: `sqlite3.OperationalError: …`.
fn masked_exception(detail: &str) -> String {
    let is_name = |name: &str| name.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_'));
    match detail.split_once(": ") {
        Some((name, said)) if is_name(name) => format!("{name}: {}", masked(said)),
        _ => masked(detail),
    }
}

/// `text` with `{n}` for numbers and `{id}` for ids, but for the status that a request ends with: `… - 404`.
fn masked(text: &str) -> String {
    let (text, status) = text.split_at(text.len() - status_length(text));
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
        out.push_str(&rest[..begin]);
        rest = &rest[begin..];
        let word = word_length(rest, |byte| byte.is_ascii_alphanumeric());
        rest = match id_length(rest, word) {
            Some(length) => {
                out.push_str(ID);
                &rest[length..]
            }
            None => {
                let length = number_length(rest);
                mask_digits(&rest[..length.max(word)], &mut out);
                &rest[length.max(word)..]
            }
        };
    }
    out + rest + status
}

/// How many bytes at the end of a text say how a request was answered.
fn status_length(text: &str) -> usize {
    match text.as_bytes() {
        [.., b' ', b'-', b' ', b'1'..=b'5', b'0'..=b'9', b'0'..=b'9'] => 3,
        _ => 0,
    }
}

fn word_length(text: &str, is_part: fn(&u8) -> bool) -> usize {
    text.bytes().take_while(is_part).count()
}

/// How many bytes the id takes that the text begins with; its first word is so long.
fn id_length(text: &str, word: usize) -> Option<usize> {
    let first = &text[..word];
    let has_digit = first.bytes().any(|byte| byte.is_ascii_digit());
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let has_letter = first.bytes().any(|byte| byte.is_ascii_alphabetic());
    let is_id = first.strip_prefix("0x").is_some_and(is_hex)
        || has_digit && has_letter && (word >= LONGEST_WORD || word >= HEX && is_hex(first));
    uuid_length(text).or(is_id.then_some(word))
}

/// 36, if the text begins with a UUID.
fn uuid_length(text: &str) -> Option<usize> {
    let uuid = text.as_bytes().get(..36)?;
    let fits = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    let ends = text.as_bytes().get(36).is_none_or(|byte| !byte.is_ascii_alphanumeric());
    (ends && uuid.iter().enumerate().all(fits)).then_some(36)
}

/// How many bytes the number takes that the text begins with, with its decimals, or those of a version or an address.
fn number_length(text: &str) -> usize {
    let mut length = word_length(text, u8::is_ascii_digit);
    while length > 0 {
        let decimals =
            text[length..].strip_prefix('.').map_or(0, |rest| word_length(rest, u8::is_ascii_digit));
        if decimals == 0 {
            break;
        }
        length += 1 + decimals;
    }
    length
}

/// A word, a number for each of its runs of digits; one that is a part of a path is an id, and a sign belongs to it.
fn mask_digits(word: &str, out: &mut String) {
    let is_number = word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_number && out.ends_with('/') {
        out.push_str(ID);
        return;
    }
    if is_number
        && out.ends_with(['-', '+'])
        && !out[..out.len() - 1].ends_with(|c: char| c.is_alphanumeric() || c == '}')
    {
        out.pop();
    }
    let mut within = false;
    for c in word.chars() {
        let is_part = is_number || c.is_ascii_digit();
        match (is_part, within) {
            (false, _) => out.push(c),
            (true, false) => out.push_str(NUMBER),
            (true, true) => {}
        }
        within = is_part;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_error_with_other_numbers_has_one_template() {
        for (message, expected) in [
            ("요청 종료: GET /products/12345 - 404", "요청 종료: GET /products/{id} - 404"),
            ("요청 종료: GET /products/9 - 500", "요청 종료: GET /products/{id} - 500"),
            ("Exception on /orders/7/confirmation [GET]", "Exception on /orders/{id}/confirmation [GET]"),
            ("GET /no\"such\"page - 404", "GET /no\"such\"page - 404"),
            ("took 0.25 s, 3 of 10, at -5 and 2025-03-10", "took {n} s, {n} of {n}, at {n} and {n}-{n}-{n}"),
            (
                "user17: invalid literal for int() with base 10: '12abc'",
                "user{n}: invalid literal for int() with base {n}: '{n}abc'",
            ),
            ("order f47ac10b-58cc-4372-a567-0e02b2c3d479 at 0x7f3a", "order {id} at {id}"),
            ("session 0b1c1446665d73bfb000a5b3d4726cae, commit e83c5163", "session {id}, commit {id}"),
            ("from 10.0.0.1:5000, version 3.12.1.", "from {n}:{n}, version {n}."),
            ("2001 rows\n\n", "{n} rows"),
            ("상품17개 없음", "상품{n}개 없음"),
            ("no numbers", "no numbers"),
            ("", ""),
        ] {
            assert_eq!(template(message), expected, "{message}");
        }
    }

    #[test]
    fn of_several_lines_the_exception_counts() {
        let traceback = "Exception on /products/9 [GET]\nTraceback (most recent call last):\n  File \"a.py\", line 3, in f\n\n    x\nsqlite3.OperationalError: no such column: p7\n[SQL: SELECT p7]\n(Background: e3q8)";
        assert_eq!(detail(traceback), Some("sqlite3.OperationalError: no such column: p7"));
        assert_eq!(
            template(traceback),
            "Exception on /products/{id} [GET] … sqlite3.OperationalError: no such column: p{n}"
        );
        assert_eq!(detail("a\n b\n  c \n\n"), Some("c"));
        assert_eq!(detail("a\nTraceback (most recent call last):\n  File"), Some("File"));
        assert_eq!(detail("a\n"), None);
        assert_eq!(
            template("\nTraceback (most recent call last):\n  F\nKeyError: 'a'"),
            "Traceback (most recent call last): … KeyError: 'a'"
        );
    }
}
