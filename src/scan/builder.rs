//! One line's tokens become one row of the wanted columns. A value of a wrong type becomes null and is counted;
//! nothing here can turn an event into a reject. Knows nothing of files and chunks.

use super::agents::Agents;
use super::client::ClientCodes;
use super::column::{Dictionary, NULL, Values};
use super::fields::Field;
use super::json::{Kind, Token, Tokens, slice, unescape};
use super::numbers::{bigint, double, is_out_of_range};
use super::recent::RecentTexts;
use super::redact::Redaction;
use super::reject::Tally;
use super::rows::{Cells, Rows};
use super::time;
use super::visitors::CookieCodes;
use super::wanted::Wanted;
use crate::schema::{COLUMNS, Origin, Type};
use chrono_tz::Tz;
use std::ops::Range;

const TIMESTAMP: Field = Field::of("timestamp");
const EVENT_TYPE: Field = Field::of("event_type");
const RESPONSE_STATUS: Field = Field::of("response_status");
const METHOD: Field = Field::of("method");
const MESSAGE: Field = Field::of("message");
const IP_ADDRESS: Field = Field::of("ip_address");
const USER_AGENT: Field = Field::of("user_agent");
const IDS: [Field; 3] = [Field::of("entity_id"), Field::of("product_id"), Field::of("user_id")];

/// The kinds of line, in the order of their codes.
pub const KINDS: [&str; 3] = ["request", "action", "telemetry"];

/// How lines become rows.
#[derive(Debug, Clone)]
pub struct RowSettings {
    /// The columns to build: those read from keys, and those of the line.
    pub wanted: Wanted,
    /// If set, only events with a timestamp in this range (microseconds, wall clock) become rows.
    pub range: Option<Range<i64>>,
    /// The zone that timestamps with an offset are turned into.
    pub zone: Tz,
    /// What to take out.
    pub redaction: Redaction,
    /// Whether `client` has the text that it has in every run. If not, it only tells this run's clients apart, which is quicker.
    pub client_names: bool,
}

impl RowSettings {
    /// Whether something is asked of user agents besides their text.
    #[inline]
    fn needs_agent(&self) -> bool {
        self.wanted.has_any(OF_AGENT)
    }
}

/// What is built from the user agent.
const OF_AGENT: Wanted = Wanted::of_names(&["client", "is_bot"]);

/// Builds rows; one for each thread.
pub struct RowBuilder {
    settings: RowSettings,
    columns: Vec<Plan>,
    rows: Rows,
    cookies: CookieCodes,
    clients: ClientCodes,
    agents: Agents,
    times: time::Reader,
    scratch: [Vec<u8>; 2],
}

/// How one column is built.
struct Plan {
    field: Field,
    kind: Type,
    from: From,
    dictionary: Dictionary,
    // Elsewhere, for only what all lines need is to be close together.
    recent: Box<RecentTexts>,
}

/// What a column is built from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    /// The value of its key.
    Key,
    /// The keys that a line has: `kind`.
    Shape,
    /// Address and user agent: `client`.
    Client,
    /// The user agent: `is_bot`.
    Agent,
}

impl RowBuilder {
    /// A builder of the wanted columns.
    pub fn new(settings: RowSettings) -> Self {
        let plan = |name| {
            let field = Field::of(name);
            let mut dictionary = Dictionary::default();
            let from = match name {
                "kind" => From::Shape,
                "client" => From::Client,
                "is_bot" => From::Agent,
                _ => From::Key,
            };
            if from == From::Shape {
                KINDS.iter().for_each(|kind| _ = dictionary.code(kind.as_bytes()));
            }
            let kind = COLUMNS[usize::from(field.0)].kind;
            Plan { field, kind, from, dictionary, recent: Box::default() }
        };
        let columns: Vec<Plan> = built(settings.wanted).map(plan).collect();
        let rows = Rows::new(columns.iter().map(|plan| plan.kind), 0);
        RowBuilder {
            columns,
            rows,
            cookies: CookieCodes::default(),
            clients: ClientCodes::default(),
            agents: Agents::default(),
            times: time::Reader::new(settings.zone),
            scratch: Default::default(),
            settings,
        }
    }

    /// The fields that rows are built from.
    pub fn needed(&self) -> impl Iterator<Item = Field> {
        let of_column = |plan: &Plan| match plan.from {
            From::Key => vec![plan.field],
            From::Shape => vec![RESPONSE_STATUS, EVENT_TYPE, METHOD],
            From::Client => vec![IP_ADDRESS, USER_AGENT],
            From::Agent => vec![USER_AGENT],
        };
        let time = self.settings.range.is_some().then_some(TIMESTAMP);
        self.columns.iter().flat_map(of_column).chain(IDS).chain(time)
    }

    /// Adds the row of an event.
    pub fn push(&mut self, bytes: &[u8], tokens: &Tokens, tally: &mut Tally) {
        tally.ids_out_of_range += ids_out_of_range(bytes, tokens);
        tally.unknown += u64::from(tokens.is_empty());
        if let Some(range) = &self.settings.range {
            let time = tokens.get(TIMESTAMP).and_then(|token| timestamp(bytes, token, &mut self.times));
            if !time.is_some_and(|time| range.contains(&time)) {
                return;
            }
        }
        let RowBuilder { settings, columns, rows, cookies, clients, agents, times, scratch } = self;
        let [scratch, second] = scratch;
        let agent = settings.needs_agent().then(|| tokens.get(USER_AGENT)).flatten();
        let agent =
            agent.and_then(|token| text(bytes, token, second)).map(|agent| (agent, agents.get(agent)));
        let mut wrong_types = 0;
        for (plan, cells) in columns.iter_mut().zip(&mut rows.cells) {
            let token = tokens.get(plan.field).filter(|token| token.kind != Kind::Null);
            let ok = match cells {
                // Ids that are out of range have a count of their own.
                Cells::Bigint(values) => {
                    put(values, token, |token| bigint(bytes, token))
                        || (IDS.contains(&plan.field)
                            && token.is_some_and(|token| is_out_of_range(bytes, token)))
                }
                Cells::Double(values) => put(values, token, |token| double(bytes, token)),
                Cells::Boolean(values) if plan.from == From::Agent => {
                    values.push(Some(agent.is_some_and(|(_, agent)| agent.is_bot)));
                    true
                }
                Cells::Boolean(values) => put(values, token, boolean),
                Cells::Timestamp(values) => put(values, token, |token| timestamp(bytes, token, times)),
                Cells::Text(codes) if plan.from == From::Shape => {
                    codes.push(kind_code(bytes, tokens, scratch));
                    true
                }
                Cells::Text(codes) if plan.from == From::Client => {
                    let address = tokens.get(IP_ADDRESS).and_then(|token| text(bytes, token, scratch));
                    codes.push(clients.code(address, agent, &mut plan.dictionary, settings.client_names));
                    true
                }
                Cells::Text(codes) => {
                    let code = match token {
                        Some(token) => plan.text(bytes, token, codes.len(), settings, cookies, scratch),
                        None => NULL,
                    };
                    codes.push(code);
                    let is_text = |token: Token| matches!(token.kind, Kind::Text | Kind::EscapedText);
                    code != NULL || token.is_none_or(|token| plan.kind == Type::Session && is_text(token))
                }
            };
            wrong_types += u64::from(!ok);
        }
        tally.wrong_types += wrong_types;
        rows.count += 1;
    }

    /// The rows since the last call.
    pub fn take_rows(&mut self) -> Rows {
        for (plan, cells) in self.columns.iter_mut().zip(&mut self.rows.cells) {
            if let (Type::Session, Cells::Text(codes)) = (plan.kind, cells) {
                self.cookies.resolve(codes, &mut plan.dictionary);
            }
        }
        // The next chunk has about as many.
        let room = self.rows.count + self.rows.count / 8;
        let empty = Rows::new(self.columns.iter().map(|plan| plan.kind), room);
        std::mem::replace(&mut self.rows, empty)
    }

    /// About how many bytes the texts of the rows take.
    pub fn dictionary_bytes(&self) -> usize {
        self.columns.iter().map(|plan| plan.dictionary.bytes()).sum()
    }

    /// The dictionaries of the text columns, as [`RowBuilder::into_dictionaries`] has them; the next rows begin new ones.
    pub fn take_dictionaries(&mut self) -> Vec<Dictionary> {
        let new = RowBuilder::new(self.settings.clone());
        std::mem::replace(self, new).into_dictionaries()
    }

    /// The dictionaries of the text columns, in the order of [`built`]; those of others are empty.
    pub fn into_dictionaries(self) -> Vec<Dictionary> {
        self.columns.into_iter().map(|plan| plan.dictionary).collect()
    }
}

/// The wanted columns that are built while scanning: those read from keys, and those of the line.
pub fn built(wanted: Wanted) -> impl Iterator<Item = &'static str> {
    let is_built = |name: &str| {
        let column = crate::schema::column(name);
        column.is_some_and(|column| matches!(column.origin, Origin::Key(_) | Origin::Line(_)))
    };
    wanted.names().filter(move |name| is_built(name))
}

impl Plan {
    /// The code of a text column's value in this row, [`NULL`] if it is of a wrong type. That of a session may be
    /// known only when the rows are taken.
    fn text(
        &mut self,
        bytes: &[u8],
        token: Token,
        row: usize,
        settings: &RowSettings,
        cookies: &mut CookieCodes,
        scratch: &mut Vec<u8>,
    ) -> u32 {
        if self.kind == Type::Json {
            if token.kind != Kind::Object {
                return NULL;
            }
            scratch.clear();
            settings.redaction.json(slice(bytes, token), scratch);
            return self.dictionary.code(scratch);
        }
        let Some(text) = text(bytes, token, scratch) else {
            return NULL;
        };
        match self.kind {
            Type::Session => cookies.code(text, row, &mut self.dictionary),
            Type::Url => self.recent.code_by(text, |text| match std::str::from_utf8(text) {
                Ok(url) => self.dictionary.code(settings.redaction.url(url).as_bytes()),
                Err(_) => NULL,
            }),
            _ if self.field == MESSAGE => match std::str::from_utf8(text) {
                Ok(text) => self.dictionary.code(settings.redaction.text(text).as_bytes()),
                Err(_) => NULL,
            },
            _ => self.recent.code(text, &mut self.dictionary),
        }
    }
}

fn put<T: Copy + Default>(
    values: &mut Values<T>,
    token: Option<Token>,
    read: impl FnOnce(Token) -> Option<T>,
) -> bool {
    let value = token.and_then(read);
    values.push(value);
    value.is_some() || token.is_none()
}

/// The characters of a string token.
#[inline]
fn text<'a>(bytes: &'a [u8], token: Token, scratch: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    match token.kind {
        Kind::Text => Some(slice(bytes, token)),
        Kind::EscapedText => {
            scratch.clear();
            unescape(slice(bytes, token), scratch);
            Some(scratch)
        }
        _ => None,
    }
}

/// How many of the line's ids are integers that do not fit 64 bits.
fn ids_out_of_range(bytes: &[u8], tokens: &Tokens) -> u64 {
    let ids = IDS.iter().filter_map(|&id| tokens.get(id));
    ids.filter(|&token| is_out_of_range(bytes, token)).count() as u64
}

fn boolean(token: Token) -> Option<bool> {
    match token.kind {
        Kind::True => Some(true),
        Kind::False => Some(false),
        _ => None,
    }
}

#[inline]
fn timestamp(bytes: &[u8], token: Token, times: &mut time::Reader) -> Option<i64> {
    times.read(text(bytes, token, &mut Vec::new())?)
}

/// The code of the line's kind in [`KINDS`].
fn kind_code(bytes: &[u8], tokens: &Tokens, scratch: &mut Vec<u8>) -> u32 {
    let has = |field| tokens.get(field).is_some_and(|token| token.kind != Kind::Null);
    if has(RESPONSE_STATUS) {
        return 0;
    }
    let event_type = tokens.get(EVENT_TYPE).and_then(|token| text(bytes, token, scratch));
    match event_type {
        // The event types of telemetry lines.
        Some(b"server_dwell_time" | b"page_dwell" | b"click_event") => 2,
        _ if has(METHOD) => 0,
        _ => 1,
    }
}
