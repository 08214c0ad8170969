//! Each line's tokens become a row of the wanted columns. A value of a wrong type becomes null and is counted;
//! nothing here can turn an event into a reject. Knows nothing of files and chunks.

use super::agents::{Agent, Agents};
use super::batch::{Batch, LINES};
use super::client::ClientCodes;
use super::column::{Bits, Dictionary, NULL, Values};
use super::fields::Field;
use super::json::{Kind, Token, Tokens, slice, unescape};
use super::numbers::{bigint, double, is_out_of_range, short_bigint, short_double};
use super::recent::{RecentTexts, Text};
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
    /// The lines that are not rows yet.
    batch: Batch,
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
        let batch = Batch::new(columns.iter().flat_map(Plan::sources));
        RowBuilder {
            batch,
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

    /// The fields that are looked at.
    pub fn needed(&self) -> impl Iterator<Item = Field> {
        let time = self.settings.range.is_some().then_some(TIMESTAMP);
        self.columns.iter().flat_map(Plan::sources).chain(IDS).chain(time)
    }

    /// Adds an event. It becomes a row when there are many, or [`RowBuilder::build`] is called.
    pub fn push(&mut self, bytes: &[u8], tokens: &Tokens, tally: &mut Tally) {
        tally.ids_out_of_range += ids_out_of_range(bytes, tokens);
        tally.unknown += u64::from(tokens.is_empty());
        if let Some(range) = &self.settings.range {
            let time = tokens.get(TIMESTAMP).and_then(|token| timestamp(bytes, token, &mut self.times));
            if !time.is_some_and(|time| range.contains(&time)) {
                return;
            }
        }
        self.batch.add(tokens);
        if self.batch.is_full() {
            self.build(bytes, tally);
        }
    }

    /// Builds the rows of the events that were added. Must be called before some of another buffer are, and before rows are taken.
    pub fn build(&mut self, bytes: &[u8], tally: &mut Tally) {
        let RowBuilder { settings, columns, rows, cookies, clients, agents, times, scratch, batch } = self;
        if batch.lines() == 0 {
            return;
        }
        let mut lines = Lines { bytes, batch, agents: [None; LINES], scratch, wrong_types: 0 };
        if settings.needs_agent() {
            lines.find_agents(agents);
        }
        for (plan, cells) in columns.iter_mut().zip(&mut rows.cells) {
            match (cells, plan.from) {
                (Cells::Text(codes), From::Shape) => lines.add_kinds(codes),
                (Cells::Text(codes), From::Client) => {
                    lines.add_clients(codes, clients, &mut plan.dictionary, settings.client_names);
                }
                (Cells::Text(codes), _) => lines.add_texts(codes, plan, settings, cookies),
                (Cells::Boolean(values), From::Agent) => {
                    let agents = &lines.agents[..lines.batch.lines()];
                    values.values.extend(agents.iter().map(|agent| agent.is_some_and(|agent| agent.is_bot)));
                    values.valid.append(&Bits::ones(agents.len()));
                }
                (Cells::Boolean(values), _) => lines.add(values, plan.field, |_| (false, false), boolean),
                (Cells::Bigint(values), _) => {
                    lines.add(
                        values,
                        plan.field,
                        |token| short_bigint(bytes, token),
                        |token| bigint(bytes, token),
                    );
                }
                (Cells::Double(values), _) => {
                    lines.add(
                        values,
                        plan.field,
                        |token| short_double(bytes, token),
                        |token| double(bytes, token),
                    );
                }
                (Cells::Timestamp(values), _) => {
                    lines.add(values, plan.field, |_| (0, false), |token| timestamp(bytes, token, times));
                }
            }
        }
        tally.wrong_types += lines.wrong_types;
        rows.count += batch.lines();
        batch.clear();
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
    /// The fields that the column is built from.
    fn sources(&self) -> impl Iterator<Item = Field> + use<> {
        let sources = match self.from {
            From::Key => [Some(self.field), None, None],
            From::Shape => [RESPONSE_STATUS, EVENT_TYPE, METHOD].map(Some),
            From::Client => [Some(IP_ADDRESS), Some(USER_AGENT), None],
            From::Agent => [Some(USER_AGENT), None, None],
        };
        sources.into_iter().flatten()
    }

    /// The code of a text column's value in this row, [`NULL`] if it is of a wrong type. That of a session may be
    /// known only when the rows are taken.
    fn code(
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
        let recent = || match token.kind {
            Kind::Text => Text::within(bytes, token.start as usize..token.end as usize),
            _ => Text::of(text),
        };
        match self.kind {
            Type::Session => cookies.code(text, row, &mut self.dictionary),
            Type::Url => self.recent.code_by(recent(), |text| match std::str::from_utf8(text) {
                Ok(url) => self.dictionary.code(settings.redaction.url(url).as_bytes()),
                Err(_) => NULL,
            }),
            _ if self.field == MESSAGE => match std::str::from_utf8(text) {
                Ok(text) => self.dictionary.code(settings.redaction.text(text).as_bytes()),
                Err(_) => NULL,
            },
            _ => self.recent.code(recent(), &mut self.dictionary),
        }
    }
}

/// Lines that become rows.
struct Lines<'a> {
    bytes: &'a [u8],
    batch: &'a Batch,
    /// What is known of each one's user agent, if it has one.
    agents: [Option<Agent>; LINES],
    scratch: &'a mut [Vec<u8>; 2],
    /// How many values are of a type that their column cannot have.
    wrong_types: u64,
}

impl Lines<'_> {
    fn find_agents(&mut self, agents: &mut Agents) {
        let [scratch, _] = self.scratch;
        for (&token, found) in self.batch.tokens(USER_AGENT).iter().zip(&mut self.agents) {
            *found = text(self.bytes, token, scratch).map(|agent| agents.get(agent));
        }
    }

    /// Adds what a token of each line says: what `quick` finds in it, and whether that is all; if not, what `read` finds.
    #[inline]
    fn add<T: Copy + Default>(
        &mut self,
        values: &mut Values<T>,
        field: Field,
        quick: impl Fn(Token) -> (T, bool),
        mut read: impl FnMut(Token) -> Option<T>,
    ) {
        let tokens = self.batch.tokens(field);
        let (first, mut valid, mut there) = (values.values.len(), 0, 0);
        values.values.extend(tokens.iter().enumerate().map(|(at, &token)| {
            let (value, is_all) = quick(token);
            valid |= u64::from(is_all) << at;
            there |= u64::from(token.kind != Kind::Null) << at;
            value
        }));
        let mut left = there & !valid;
        while left != 0 {
            let at = left.trailing_zeros() as usize;
            left &= left - 1;
            let token = tokens[at];
            if let Some(value) = read(token) {
                values.values[first + at] = value;
                valid |= 1 << at;
            } else if !IDS.contains(&field) || !is_out_of_range(self.bytes, token) {
                // Ids that are out of range have a count of their own.
                self.wrong_types += 1;
            }
        }
        values.valid.push_word(valid, tokens.len());
    }

    /// Adds the code of each line's kind in [`KINDS`].
    fn add_kinds(&mut self, codes: &mut Vec<u32>) {
        let [statuses, event_types, methods] =
            [RESPONSE_STATUS, EVENT_TYPE, METHOD].map(|field| self.batch.tokens(field));
        let [scratch, _] = self.scratch;
        let has = |token: Token| token.kind != Kind::Null;
        let tokens = statuses.iter().zip(event_types).zip(methods);
        codes.extend(tokens.map(|((&status, &event_type), &method)| {
            match text(self.bytes, event_type, scratch) {
                _ if has(status) => 0,
                // The event types of telemetry lines.
                Some(b"server_dwell_time" | b"page_dwell" | b"click_event") => 2,
                _ if has(method) => 0,
                _ => 1,
            }
        }));
    }

    fn add_clients(
        &mut self,
        codes: &mut Vec<u32>,
        clients: &mut ClientCodes,
        dictionary: &mut Dictionary,
        named: bool,
    ) {
        let [first, second] = self.scratch;
        let [addresses, texts] = [IP_ADDRESS, USER_AGENT].map(|field| self.batch.tokens(field));
        let tokens = addresses.iter().zip(texts).zip(&self.agents);
        codes.extend(tokens.map(|((&address, &agent), known)| {
            let address = text(self.bytes, address, first);
            let agent = text(self.bytes, agent, second).zip(*known);
            clients.code(address, agent, dictionary, named)
        }));
    }

    fn add_texts(
        &mut self,
        codes: &mut Vec<u32>,
        plan: &mut Plan,
        settings: &RowSettings,
        cookies: &mut CookieCodes,
    ) {
        let [scratch, _] = self.scratch;
        let is_text = |token: Token| matches!(token.kind, Kind::Text | Kind::EscapedText);
        let mut wrong_types = 0;
        let first = codes.len();
        codes.extend(self.batch.tokens(plan.field).iter().enumerate().map(|(at, &token)| {
            if token.kind == Kind::Null {
                return NULL;
            }
            let code = plan.code(self.bytes, token, first + at, settings, cookies, scratch);
            let is_session = || plan.kind == Type::Session && is_text(token);
            wrong_types += u64::from(code == NULL && !is_session());
            code
        }));
        self.wrong_types += wrong_types;
    }
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
