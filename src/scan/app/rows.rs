//! Records become rows of the wanted columns of `app_events`. Knows nothing of lines and files.

use super::record::Record;
use super::template::{detail, template};
use crate::scan::Settings;
use crate::scan::column::{Column, Dictionary, NULL, Texts, Values};
use crate::scan::redact::Redaction;
use crate::scan::reject::Tally;
use crate::scan::time;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

/// Columns by name.
pub type Columns = BTreeMap<&'static str, Column>;

/// Builds rows.
pub struct Rows {
    names: Vec<&'static str>,
    /// Which of [`OF_MESSAGE`] are among them.
    of_message: [bool; 3],
    range: Option<Range<i64>>,
    redaction: Redaction,
    times: time::Reader,
    timestamp: Values<i64>,
    level: Texts,
    module: Texts,
    repaired: Values<bool>,
    /// Of each row the code of its message in `said`.
    messages: Vec<u32>,
    said: Dictionary,
    /// Of each distinct message its code in the three columns made of it.
    codes: Vec<[u32; 3]>,
    /// `message`, `message_template` and `detail`.
    shown: [Dictionary; 3],
}

fn in_capitals(level: Cow<str>) -> Cow<str> {
    let is_so = level.bytes().all(|byte| byte.is_ascii_uppercase());
    if is_so { level } else { level.trim().to_uppercase().into() }
}

/// The columns made of the message, in the order of their dictionaries.
const OF_MESSAGE: [&str; 3] = ["message", "message_template", "detail"];

impl Rows {
    /// A builder of these columns of `app_events`, but for those that are derived from the timestamp.
    pub fn new(names: &[&'static str], settings: &Settings) -> Rows {
        Rows {
            names: names.to_vec(),
            of_message: OF_MESSAGE.map(|name| names.contains(&name)),
            range: settings.rows.range.clone(),
            redaction: settings.rows.redaction.clone(),
            times: time::Reader::new(settings.rows.zone),
            timestamp: Values::default(),
            level: Texts::default(),
            module: Texts::default(),
            repaired: Values::default(),
            messages: Vec::new(),
            said: Dictionary::default(),
            codes: Vec::new(),
            shown: Default::default(),
        }
    }

    /// Adds the row of a record with the lines that belong to it (each behind a line end), unless it is out of range;
    /// `lossy` says that it was no UTF-8.
    pub fn push(&mut self, record: Record, rest: &str, lossy: bool, tally: &mut Tally) {
        let Record { values: [timestamp, level, message, module], wrong_types, repaired, .. } = record;
        let time = timestamp.as_ref().and_then(|text| self.times.read(text.as_bytes()));
        tally.wrong_types += wrong_types + u64::from(timestamp.is_some() && time.is_none());
        if self.range.as_ref().is_some_and(|range| !time.is_some_and(|time| range.contains(&time))) {
            return;
        }
        self.timestamp.push(time);
        self.level.push(level.map(in_capitals).as_deref());
        self.module.push(module.as_deref());
        self.repaired.push(Some(repaired || lossy));
        let said = match message {
            Some(message) if !rest.is_empty() => Some(Cow::Owned(format!("{message}{rest}"))),
            None if !rest.is_empty() => Some(Cow::Borrowed(rest.trim_start())),
            message => message,
        };
        let said = said.filter(|_| self.of_message.contains(&true));
        let code = said.map_or(NULL, |said| self.message_code(&said));
        self.messages.push(code);
    }

    /// The code of a message; what is made of it is made once.
    fn message_code(&mut self, said: &str) -> u32 {
        let code = self.said.code(said.as_bytes());
        if code as usize == self.codes.len() {
            let message = self.redaction.text(said);
            let made = [
                self.of_message[0].then(|| message.clone()),
                self.of_message[1].then(|| Cow::Owned(template(&message))),
                self.of_message[2].then(|| detail(&message).map(Cow::Borrowed)).flatten(),
            ];
            let mut codes = [NULL; 3];
            for ((code, text), dictionary) in codes.iter_mut().zip(made).zip(&mut self.shown) {
                *code = text.map_or(NULL, |text| dictionary.code(text.as_bytes()));
            }
            self.codes.push(codes);
        }
        code
    }

    /// About how many bytes the rows take.
    pub fn bytes(&self) -> usize {
        let dictionaries = self.shown.iter().map(Dictionary::bytes).sum::<usize>() + self.said.bytes();
        dictionaries + self.messages.len() * 24
    }

    /// The rows since the last call, and how many they are.
    pub fn take(&mut self) -> (Columns, usize) {
        let rows = self.messages.len();
        let mut columns = Columns::new();
        columns.insert("timestamp", Column::Timestamp(std::mem::take(&mut self.timestamp)));
        columns.insert("level", Column::Text(std::mem::take(&mut self.level)));
        columns.insert("module", Column::Text(std::mem::take(&mut self.module)));
        columns.insert("repaired", Column::Boolean(std::mem::take(&mut self.repaired)));
        for (at, name) in OF_MESSAGE.into_iter().enumerate() {
            let of_row = |&code: &u32| if code == NULL { NULL } else { self.codes[code as usize][at] };
            let codes = self.messages.iter().map(of_row).collect();
            columns
                .insert(name, Column::Text(Texts { codes, dictionary: std::mem::take(&mut self.shown[at]) }));
        }
        columns.retain(|name, _| self.names.contains(name));
        self.messages.clear();
        self.codes.clear();
        self.said = Dictionary::default();
        (columns, rows)
    }
}
