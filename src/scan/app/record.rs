//! The text of a system log's record becomes its timestamp, level, message and module. The shop pastes what it logs into
//! `{"timestamp":"…", "level":"…", "message":"…", "module":"…"}`, so that a quote, a backslash or a line end in a message
//! breaks the JSON. What is no JSON is read by that template: the level stands before the message, the module behind it,
//! and no message can change either. Knows nothing of files and columns.

use crate::scan::reject::Reason;
use memchr::memchr;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::borrow::Cow;

/// The keys of a record, in the template's order.
const KEYS: [&str; 4] = ["timestamp", "level", "message", "module"];
const LEVEL: usize = 1;
const MESSAGE: usize = 2;

/// The values of a record.
#[derive(Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// By key, in the order of [`KEYS`]; none where there is no text.
    pub values: [Option<Cow<'a, str>>; 4],
    /// How many of them are of another type than text.
    pub wrong_types: u64,
    /// Whether the record is no valid JSON and was read by the template.
    pub repaired: bool,
    /// The lines behind the record.
    pub rest: &'a str,
}

/// How a line begins that surely begins a record: see [`begins`].
pub const BEGIN: &[u8] = b"{\"timestamp\"";

/// The record that a line is, if it is as nearly all are: whole, and nothing in it that JSON reads in another way than the
/// template.
pub fn plain(line: &str) -> Option<Record<'_>> {
    let head = if line.as_bytes().starts_with(BEGIN) { Head::of(line).ok()? } else { return None };
    head.plain_record(line)
}

/// Whether a line begins a record, be it a good one or not: it ends the record before.
pub fn begins(line: &str) -> bool {
    let Some(behind) = line.strip_prefix('{') else { return false };
    behind.trim_start().starts_with("\"timestamp\"") || object(line).is_some_and(|object| object.is_record())
}

/// What is wrong with a line that begins no record but looks like one: another object, or the very beginning of a record.
pub fn fault(line: &str) -> Option<Reason> {
    let begin = line.trim_end();
    let torn = begin.len() > 1 && "{\"timestamp\"".starts_with(begin);
    if torn { Some(Reason::Truncated) } else { is_object(line).then_some(Reason::NotARecord) }
}

/// Whether a text is a record, or the beginning of one that goes on in further lines: whether its level can be read.
///
/// # Errors
/// What is wrong with it.
pub fn check(text: &str) -> Result<(), Reason> {
    let Err(reason) = Head::of(text) else { return Ok(()) };
    match object(first_line(text)) {
        Some(object) if object.is_record() => Ok(()),
        Some(_) => Err(Reason::NotARecord),
        None => Err(reason),
    }
}

/// Whether a line is a JSON object.
pub fn is_object(line: &str) -> bool {
    object(line).is_some()
}

/// Reads a text that [`check`] accepts; lines may follow the record. A record without an end keeps all of the text.
pub fn read(text: &str) -> Option<Record<'_>> {
    let head = Head::of(text);
    if let Ok(head) = &head
        && let Some(record) = head.plain_record(text)
    {
        return Some(record);
    }
    let end = head.as_ref().ok().and_then(|head| head.last_end(text));
    let (whole, rest) = text.split_at(end.unwrap_or(first_line(text).len()));
    let object = object(whole).filter(Object::is_record);
    match (head, object) {
        // Two keys of a name, or one that is not the shop's, in what was pasted together: the message brought them.
        (Ok(head), Some(object)) if end.is_some() && !object.is_plain && head.is_pasted(whole) => {
            Some(head.record(whole, rest))
        }
        (_, Some(object)) => Some(object.record(rest)),
        (Ok(head), None) if end.is_some() => Some(head.record(whole, rest)),
        (Ok(head), None) => Some(head.record(text, "")),
        (Err(_), None) => None,
    }
}

fn first_line(text: &str) -> &str {
    text.split('\n').next().unwrap_or(text)
}

/// A record as the template begins it, up to its message.
struct Head<'a> {
    timestamp: &'a str,
    level: &'a str,
    /// Where the message begins in the text; where there is none, what stands behind the level.
    message: usize,
    /// Whether nothing but the message's key stands between level and message.
    is_plain: bool,
}

impl<'a> Head<'a> {
    /// Any white space may stand between the parts.
    fn of(text: &'a str) -> Result<Head<'a>, Reason> {
        let mut rest = text;
        skip(&mut rest, "{")?;
        let timestamp = value(&mut rest, "\"timestamp\"")?;
        skip(&mut rest, ",")?;
        let level = value(&mut rest, "\"level\"")?;
        if level.trim().is_empty()
            || !level.chars().all(|c| c.is_alphanumeric() || matches!(c, ' ' | '_' | '-'))
        {
            return Err(Reason::Syntax);
        }
        let mut next = rest;
        let is_plain = skip(&mut next, ",").and_then(|()| skip_message_key(&mut next)).is_ok();
        let message = if is_plain { next } else { searched_message(rest).unwrap_or(rest) };
        Ok(Head { timestamp, level, message: text.len() - message.len(), is_plain })
    }

    /// The record, if it is one line of four values that JSON reads as the template does, as nearly all are.
    fn plain_record(&self, text: &'a str) -> Option<Record<'a>> {
        let behind = &text[self.message..];
        let (message, module) = tail(behind).filter(|_| self.is_plain)?;
        let values = [self.timestamp, self.level, message, module];
        // Looks at all bytes of a value at once.
        let odd = |odd: bool, &byte: &u8| odd | (byte < b' ') | (byte == b'"') | (byte == b'\\');
        let is_plain = |value: &&str| !value.as_bytes().iter().fold(false, odd);
        (memchr(b'\n', behind.as_bytes()).is_none() && values.iter().all(is_plain)).then(|| Record {
            values: values.map(|value| Some(Cow::Borrowed(value))),
            wrong_types: 0,
            repaired: false,
            rest: "",
        })
    }

    /// The end of the last line of the text that ends as the template does.
    fn last_end(&self, text: &str) -> Option<usize> {
        let mut end = text.len();
        loop {
            let begin = text[self.message..end].rfind('\n').map(|at| self.message + at);
            let line = &text[begin.unwrap_or(self.message)..end];
            // A look at the line alone keeps many blank ones from being searched again and again.
            if line.trim_end().ends_with('}') && tail(&text[self.message..end]).is_some() {
                return Some(end);
            }
            end = begin?;
        }
    }

    /// The record of this text, which is one whole record or one without an end.
    fn record(&self, text: &'a str, rest: &'a str) -> Record<'a> {
        let behind = &text[self.message..];
        let (message, module) = match tail(behind) {
            Some((message, module)) => (message, Some(module)),
            None => (behind.trim_end(), None),
        };
        let values = [Some(self.timestamp), Some(self.level), Some(message), module];
        Record { values: values.map(|value| value.map(Cow::Borrowed)), wrong_types: 0, repaired: true, rest }
    }

    /// Whether the text is the template with its own spaces, which no writer of JSON sets so.
    fn is_pasted(&self, text: &str) -> bool {
        let Some((message, module)) = tail(&text[self.message..]) else { return false };
        let Head { timestamp, level, .. } = self;
        let pasted = format!(
            r#"{{"timestamp":"{timestamp}", "level":"{level}", "message":"{message}", "module":"{module}"}}"#
        );
        text.trim_end() == pasted
    }
}

/// Goes on behind white space and a part of the template.
fn skip(rest: &mut &str, part: &str) -> Result<(), Reason> {
    let text = rest.trim_ascii_start();
    match text.strip_prefix(part) {
        Some(behind) => {
            *rest = behind;
            Ok(())
        }
        None if part.starts_with(text) => Err(Reason::Truncated),
        None => Err(Reason::Syntax),
    }
}

/// Goes on behind a key and its value, which is returned.
fn value<'a>(rest: &mut &'a str, key: &str) -> Result<&'a str, Reason> {
    skip(rest, key)?;
    skip(rest, ":")?;
    skip(rest, "\"")?;
    let end = memchr(b'"', rest.as_bytes()).ok_or(Reason::Truncated)?;
    let value = &rest[..end];
    *rest = &rest[end + 1..];
    Ok(value)
}

/// Goes on behind the key of the message and the quote that opens it.
fn skip_message_key(rest: &mut &str) -> Result<(), Reason> {
    skip(rest, "\"message\"")?;
    skip(rest, ":")?;
    skip(rest, "\"")
}

/// The message behind keys that are not the shop's.
fn searched_message(rest: &str) -> Option<&str> {
    let mut behind = &rest[rest.find("\"message\"")?..];
    skip_message_key(&mut behind).ok()?;
    Some(behind)
}

/// The message and the module of a text that ends with `", "module":"…"}`.
fn tail(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_ascii_end().strip_suffix('}')?.trim_ascii_end().strip_suffix('"')?;
    let (text, module) = text.rsplit_once('"')?;
    let text = text.trim_ascii_end().strip_suffix(':')?.trim_ascii_end().strip_suffix("\"module\"")?;
    let text = text.trim_ascii_end().strip_suffix(',')?.trim_ascii_end().strip_suffix('"')?;
    Some((text, module))
}

/// What a JSON object says of a record; of keys that it has twice, the last one counts.
#[derive(Default)]
struct Object<'a> {
    values: [Option<Value<'a>>; 4],
    /// Whether it has the keys of a record, in their order, and no other.
    is_plain: bool,
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Value<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Null(()),
    Other(IgnoredAny),
}

#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

fn object(text: &str) -> Option<Object<'_>> {
    serde_json::from_str(text).ok()
}

impl<'a> Object<'a> {
    fn is_record(&self) -> bool {
        self.values[LEVEL].is_some() && self.values[MESSAGE].is_some()
    }

    fn record(self, rest: &'a str) -> Record<'a> {
        let wrong = |value: &&Option<Value>| matches!(value, Some(Value::Other(_)));
        let wrong_types = self.values.iter().filter(wrong).count() as u64;
        let values = self.values.map(|value| match value {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        });
        Record { values, wrong_types, repaired: false, rest }
    }
}

impl<'a> Deserialize<'a> for Object<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'a> Visitor<'a> for Members {
    type Value = Object<'a>;

    fn expecting(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut members: A) -> Result<Object<'a>, A::Error> {
        let mut values = [const { None }; 4];
        let mut places = Vec::with_capacity(4);
        while let Some(Key(key)) = members.next_key()? {
            let place = KEYS.iter().position(|known| *known == key);
            match place {
                Some(place) => values[place] = Some(members.next_value()?),
                None => _ = members.next_value::<IgnoredAny>()?,
            }
            places.push(place);
        }
        let is_plain = places == [0, 1, 2, 3].map(Some);
        Ok(Object { values, is_plain })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn pasted(level: &str, message: &str, module: &str) -> String {
        format!(
            r#"{{"timestamp":"2025-03-10T09:00:00.1", "level":"{level}", "message":"{message}", "module":"{module}"}}"#
        )
    }

    /// Level, message, module, whether it was repaired, and the rest.
    fn parts(text: &str) -> (String, String, String, bool, String) {
        check(text).unwrap();
        let record = read(text).unwrap();
        let [_, level, message, module] = record.values.map(Option::unwrap_or_default).map(Cow::into_owned);
        (level, message, module, record.repaired, record.rest.to_owned())
    }

    #[test]
    fn no_message_can_change_level_and_module() {
        for message in [
            r#"GET /no"such"page - 404"#,
            r#"a", "level":"INFO"#,
            r#"a", "module":"b"#,
            r#"a", "level":"INFO", "module":"b", "x":"y"#,
            r#"", "module":"b"}"#,
            "x\", \"module\":\"b\"}\nmore",
            "C:\\new\\",
            "\t",
            "Traceback (most recent call last):\n  File \"/app.py\", line 3\n\nValueError: {'a': \"b\"}\n",
            "\\",
            "\"",
            "",
            " \" , \"module\" : \"",
        ] {
            let (level, found, module, ..) = parts(&pasted("ERROR", message, "app"));
            assert_eq!((level.as_str(), found.as_str(), module.as_str()), ("ERROR", message, "app"));
        }
    }

    #[test]
    fn good_json_is_read_as_json() {
        for text in [
            r#"{"timestamp":"t", "level":"ERROR", "message":"a\n\"b\" \u00e9", "module":"m"}"#,
            r#"{"module": "m", "x": {"level": 1}, "message": "a\n\"b\" \u00e9", "timestamp": "t", "level": "ERROR"}"#,
            r#"{"timestamp" : "t","level":"INFO","level":"ERROR","message":"a\n\"b\" \u00e9","module":"m"}"#,
        ] {
            let expected = ("ERROR".into(), "a\n\"b\" é".into(), "m".into(), false, String::new());
            assert_eq!(parts(text), expected, "{text}");
        }
        let wrong = read(r#"{"timestamp":1,"level":"ERROR","message":null,"module":["m"]}"#).unwrap();
        assert_eq!((wrong.wrong_types, wrong.values[2].as_ref()), (2, None));
    }

    #[test]
    fn what_was_torn_keeps_what_it_has_behind_its_level() {
        for (text, message) in [
            (r#"{"timestamp":"t", "level":"ERROR""#, ""),
            (r#"{"timestamp":"t", "level":"ERROR", "message":"GET /pro"#, "GET /pro"),
            ("{\"timestamp\":\"t\", \"level\":\"ERROR\", \"message\":\"a\nb\n\n", "a\nb"),
        ] {
            assert_eq!(parts(text), ("ERROR".into(), message.into(), String::new(), true, String::new()));
        }
        for text in [
            "{\"",
            "{\"time",
            r#"{"timestamp":"2025"#,
            r#"{"timestamp":"t", "lev"#,
            r#"{"timestamp":"t", "level":"ERR"#,
        ] {
            assert!(begins(text) || fault(text) == Some(Reason::Truncated));
            assert_eq!(check(text), Err(Reason::Truncated), "{text}");
        }
        assert_eq!(check(r#"{"timestamp":"t", "session_id":"x"}"#), Err(Reason::NotARecord));
        assert_eq!(check(r#"{"timestamp":"t", "level":"ER{"timestamp":"t"}"#), Err(Reason::Syntax));
    }

    #[test]
    fn lines_behind_a_record_are_its_rest() {
        let traceback = "\nTraceback (most recent call last):\n  File \"x\"\nValueError: \"}";
        let (_, message, _, repaired, rest) = parts(&(pasted("ERROR", "a", "m") + traceback));
        assert_eq!((message.as_str(), repaired, rest.as_str()), ("a", false, traceback));
        let (_, message, _, repaired, rest) = parts(&(pasted("ERROR", "a \"b\"", "m") + " \r" + traceback));
        assert_eq!((message.as_str(), repaired, rest), ("a \"b\"", true, traceback.to_owned()));
    }

    #[test]
    fn what_begins_a_record() {
        for line in [r#"{"timestamp":"#, "{ \t\"timestamp\" : 1", r#"{"level": "x", "message": "y"}"#] {
            assert!(begins(line), "{line}");
        }
        for line in [
            "{",
            "",
            "  {",
            "{'timestamp': 1}",
            r#"{"level": "x"}"#,
            "Traceback",
            r#"{"level": "x", "message"#,
        ] {
            assert!(!begins(line), "{line}");
        }
    }
}
