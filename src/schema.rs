//! THE table of columns: name, type, unit, where each comes from, what it means.
//! Scanner, derived columns, engines, `loganalyze schema` and the README all read this one table.
//! It knows nothing of how a column is read or computed.

/// The type of a column, the same in Polars, Parquet, DuckDB and Spark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// UTF-8 text.
    Text,
    /// Signed 64-bit integer; read from a JSON integer, a float without a fraction, or a string of digits.
    Bigint,
    /// 64-bit IEEE 754 floating point; read from any JSON number.
    Double,
    /// True or false.
    Boolean,
    /// Microseconds since 1970-01-01T00:00:00 of the log's own wall clock, no zone.
    Timestamp,
    /// Days since 1970-01-01.
    Date,
    /// A JSON object as text, secrets redacted.
    Json,
    /// A path or URL as text, secret query parameters redacted.
    Url,
    /// A session cookie or id, as a short hash of the id.
    Session,
}

impl Type {
    /// The type's name in SQL.
    pub fn sql(self) -> &'static str {
        match self {
            Type::Text | Type::Json | Type::Url | Type::Session => "text",
            Type::Bigint => "bigint",
            Type::Double => "double",
            Type::Boolean => "boolean",
            Type::Timestamp => "timestamp",
            Type::Date => "date",
        }
    }
}

/// Where a column comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The value of this key at the top level of a line.
    Key(&'static str),
    /// Computed from these keys of a line while it is read.
    Line(&'static [&'static str]),
    /// Computed from other columns of the same event.
    Event(&'static [&'static str]),
    /// Computed from other columns of this and of other events.
    Neighbours(&'static [&'static str]),
}

/// One column of a relation.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its name in SQL: lower case, never needs quotes.
    pub name: &'static str,
    /// Its type.
    pub kind: Type,
    /// The unit of its values, empty where there is none.
    pub unit: &'static str,
    /// Where it comes from.
    pub origin: Origin,
    /// What it means, in one sentence.
    pub meaning: &'static str,
}

const fn key(name: &'static str, kind: Type, unit: &'static str, meaning: &'static str) -> Column {
    Column { name, kind, unit, origin: Origin::Key(name), meaning }
}

const fn named(
    name: &'static str,
    key: &'static str,
    kind: Type,
    unit: &'static str,
    meaning: &'static str,
) -> Column {
    Column { name, kind, unit, origin: Origin::Key(key), meaning }
}

const fn line(
    name: &'static str,
    kind: Type,
    from: &'static [&'static str],
    meaning: &'static str,
) -> Column {
    Column { name, kind, unit: "", origin: Origin::Line(from), meaning }
}

const fn event(
    name: &'static str,
    kind: Type,
    unit: &'static str,
    from: &'static [&'static str],
    meaning: &'static str,
) -> Column {
    Column { name, kind, unit, origin: Origin::Event(from), meaning }
}

const fn neighbours(
    name: &'static str,
    kind: Type,
    from: &'static [&'static str],
    meaning: &'static str,
) -> Column {
    Column { name, kind, unit: "", origin: Origin::Neighbours(from), meaning }
}

use Type::{Bigint, Boolean, Date, Double, Json, Session, Text, Timestamp, Url};

/// Every column of `events`, in the order in which `SELECT *` shows them.
#[rustfmt::skip]
pub const COLUMNS: &[Column] = &[
    key("timestamp", Timestamp, "µs", "when the line was written, by the shop's wall clock"),
    event("event_date", Date, "day", &["timestamp"], "the day of timestamp"),
    event("event_hour", Bigint, "hour 0-23", &["timestamp"], "the hour of timestamp"),
    event("weekday", Bigint, "1-7", &["timestamp"], "the day of the week of timestamp: 1 is Monday, 7 is Sunday (ISO 8601)"),
    event("epoch_us", Bigint, "µs", &["timestamp"], "timestamp as a number: microseconds since 1970-01-01T00:00:00 of the same wall clock"),
    key("event_type", Text, "", "what happened: view, search, cart_add …; null for lines of the application itself"),
    line("kind", Text, &["response_status", "event_type", "method"], "request (has response_status or method), telemetry (dwell timers, clicks) or action (the rest)"),
    neighbours("paired", Boolean, &["timestamp", "event_type", "kind", "client", "process_time"], "true for a request line whose action has a line of its own: count NOT paired to count actions once"),
    neighbours("visitor_id", Text, &["timestamp", "event_type", "session_id", "client"], "short hash of the visitor, first requests and log-outs joined; null where nobody can be named"),
    neighbours("visitor_first_seen", Timestamp, &["timestamp", "visitor_id"], "when the visitor's first event in the logs happened, also if --since leaves that out"),
    neighbours("session_number", Bigint, &["timestamp", "kind", "visitor_id", "path"], "the number of the visitor's session, from 1; a new one begins after a pause of more than --gap, 30 minutes unless told otherwise; null for a session that began before --since"),
    key("session_id", Session, "", "short hash of the id inside the session cookie, or no_session, unknown; a cookie is never shown"),
    key("user_id", Bigint, "", "the logged-in user"),
    event("product", Bigint, "", &["entity_type", "entity_id", "product_id"], "the product: entity_id where entity_type is product, elsewhere product_id"),
    event("page", Text, "", &["path", "previous_path"], "path (of a server_dwell_time line: previous_path) with numbers as {id}, without host and query"),
    event("is_page_view", Boolean, "", &["method", "response_status", "path"], "true for a request line that showed a page: GET, status below 300 or 304, neither /api/ nor /static/"),
    event("category", Bigint, "", &["category_id", "args"], "the category that was listed or searched: category_id, or else the query parameter category or category_id"),
    key("entity_type", Text, "", "what entity_id is the id of, such as product"),
    key("entity_id", Bigint, "", "the id of what the request was about"),
    key("product_id", Bigint, "", "the product of an action or telemetry line"),
    key("endpoint", Text, "", "the Flask endpoint that answered; null on 404"),
    key("method", Text, "", "the HTTP method"),
    key("path", Url, "", "the path that was asked for"),
    key("args", Json, "", "query parameters, secrets redacted"),
    key("form", Json, "", "form fields, secrets redacted"),
    key("ip_address", Text, "", "the client's address"),
    key("user_agent", Text, "", "the client's User-Agent header, often Unknown"),
    line("client", Text, &["ip_address", "user_agent"], "short hash of ip_address and user_agent, by which a visitor without a cookie is known"),
    event("ip_network", Text, "", &["ip_address"], "who an address belongs to: of IPv6 the /64, else the address itself"),
    line("is_bot", Boolean, &["user_agent"], "true if the user agent names itself as a program: a crawler, a monitor, a script"),
    key("referrer", Url, "", "the page before, a full URL or a path"),
    event("referrer_host", Text, "", &["referrer"], "the host of referrer, lower-case, without port; null where referrer is a path or missing"),
    key("response_status", Bigint, "", "the HTTP status of the answer"),
    key("process_time", Double, "s", "how long the answer took"),
    key("search_query", Text, "", "what was searched for"),
    key("results_count", Bigint, "", "how many products a search found"),
    key("results_page_count", Bigint, "", "how many of them the page showed"),
    key("category_id", Bigint, "", "the category that a search was limited to"),
    key("sort_option", Text, "", "the order that a search asked for"),
    named("page_number", "page", Bigint, "", "which page of the results was asked for"),
    key("product_name", Text, "", "the product's name when it was put into the cart"),
    key("product_price", Double, "", "its price then, in the shop's currency"),
    key("quantity", Bigint, "", "how many were added"),
    key("is_new_item", Boolean, "", "true if the cart did not hold the product before"),
    key("previous_quantity", Bigint, "", "how many the cart held before"),
    key("current_quantity", Bigint, "", "how many it held afterwards"),
    key("removed_quantity", Bigint, "", "how many were removed"),
    key("referrer_page", Url, "", "the page that the cart action came from"),
    key("referrer_type", Text, "", "its kind: direct, product_detail, product_list, search_results, cart, unknown"),
    key("username_attempt", Text, "", "the name given at log-in"),
    key("username", Text, "", "the name of who logged in or out"),
    key("reason", Text, "", "why a log-in failed"),
    key("previous_path", Url, "", "the page that was left"),
    key("current_path", Url, "", "the page that was gone to"),
    key("dwell_time_seconds", Double, "s", "how long the page was open"),
    key("max_scroll_percentage", Double, "%", "how far down the page was scrolled"),
    key("element_type", Text, "", "what was clicked: A, BUTTON …"),
    key("element_text", Text, "", "the words on it"),
    key("link_href", Url, "", "where its link leads"),
    key("position_x_percent", Double, "%", "where it was clicked, from the left"),
    key("position_y_percent", Double, "%", "where it was clicked, from the top"),
    key("is_cart_action", Boolean, "", "true if the click changes the cart"),
    key("event", Text, "", "what the application itself reports, such as app_start"),
    key("message", Text, "", "its message"),
];

/// Every column of `app_events`, in the order in which `SELECT *` shows them.
#[rustfmt::skip]
pub const APP_COLUMNS: &[Column] = &[
    key("timestamp", Timestamp, "µs", "when the record was written, by the shop's wall clock"),
    event("event_date", Date, "day", &["timestamp"], "the day of timestamp"),
    event("event_hour", Bigint, "hour 0-23", &["timestamp"], "the hour of timestamp"),
    event("epoch_us", Bigint, "µs", &["timestamp"], "timestamp as a number: microseconds since 1970-01-01T00:00:00 of the same wall clock"),
    key("level", Text, "", "how bad it is, in capitals: DEBUG, INFO, WARNING, ERROR, CRITICAL"),
    key("module", Text, "", "the module that wrote it; null where the record was torn before"),
    key("message", Text, "", "what it says, with the lines that follow it (a traceback), secrets redacted"),
    line("message_template", Text, &["message"], "what records that differ in numbers and ids have in common: the message's first line with {n} for numbers and {id} for ids, and detail likewise behind …"),
    line("detail", Text, &["message"], "of a message of several lines the one that says what went wrong: the exception of a traceback, else the last; null for one line"),
    line("repaired", Boolean, &["timestamp", "level", "message", "module"], "true where the record is no valid JSON and was read by the template it was pasted into"),
];

/// What SQL may name behind FROM.
#[derive(Debug)]
pub struct Relation {
    /// Its name in SQL.
    pub name: &'static str,
    /// Its columns, in the order in which `SELECT *` shows them.
    pub columns: &'static [Column],
}

/// What people did: the lines of activity logs.
pub static EVENTS: Relation = Relation { name: "events", columns: COLUMNS };
/// What the shop's program says of itself: the records of system logs.
pub static APP_EVENTS: Relation = Relation { name: "app_events", columns: APP_COLUMNS };
/// All relations.
pub static RELATIONS: [&Relation; 2] = [&EVENTS, &APP_EVENTS];

/// The column of `events` of this name.
pub fn column(name: &str) -> Option<&'static Column> {
    COLUMNS.iter().find(|column| column.name == name)
}

/// The names of all columns of `events`, in order.
pub fn names() -> impl Iterator<Item = &'static str> {
    COLUMNS.iter().map(|column| column.name)
}
