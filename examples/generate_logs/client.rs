//! One browser and what the shop answers it: which lines a request leaves behind, which cookie it gets.
//! Knows nothing of what a visitor wants.

use crate::{
    json::{number, optional, quoted, seconds, stamp},
    shop::{HOUR, SECOND, Shop},
    truth::Footprint,
};

const HOST: &str = "http://localhost";
/// The shop's clock is nine hours ahead of UTC.
const KST: i64 = 9 * HOUR;

/// The server's side of a session; what the next cookie will hold.
#[derive(Default)]
struct Session {
    /// The visitor's stable id.
    id: Option<String>,
    /// The user's id, and Flask-Login's fingerprint of the browser.
    user: Option<(u64, String)>,
    last_page: Option<(String, i64)>,
    /// Messages for the next page, as JSON.
    flashes: Vec<String>,
}

impl Session {
    fn json(&self) -> String {
        let mut fields = Vec::new();
        if !self.flashes.is_empty() {
            fields.push(format!(r#""_flashes":[{}]"#, self.flashes.join(",")));
        }
        if self.id.is_some() {
            fields.push(format!(r#""_fresh":{}"#, self.user.is_some()));
        }
        if let Some((user, fingerprint)) = &self.user {
            fields.push(format!(r#""_id":"{fingerprint}","_user_id":"{user}""#));
        }
        if let Some((page, at)) = &self.last_page {
            fields.push(format!(r#""last_page":{},"last_page_time":"{}""#, quoted(page), stamp(*at)));
        }
        if let Some(id) = &self.id {
            fields.push(format!(r#""session_id":"{id}""#));
        }
        format!("{{{}}}", fields.join(","))
    }
}

/// A request and the shop's answer to it.
pub struct Request {
    /// `event_type` of its line.
    pub event: &'static str,
    /// The product as JSON, where the page is about products; `null` for the list of them.
    pub entity: Option<String>,
    /// Flask's name of the route; none where there is no such page.
    pub endpoint: Option<&'static str>,
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The path as the shop sees it.
    pub path: String,
    /// The query as JSON object.
    pub args: String,
    /// The form as JSON object.
    pub form: String,
    /// The address as the browser shows it, without the host; empty if as `path`.
    pub url: String,
    /// More fields of the line, each with `, ` behind it.
    pub extra: String,
    /// The line that the route itself writes before the request line: its type and its fields.
    pub action: Option<(&'static str, String)>,
    /// The status of the answer.
    pub status: u16,
    /// Microseconds that the answer takes at least.
    pub cost: i64,
}

impl Request {
    /// `GET path`, answered with 200.
    pub fn get(endpoint: &'static str, path: impl Into<String>, cost: i64) -> Self {
        Request {
            event: "page_view",
            entity: None,
            endpoint: Some(endpoint),
            method: "GET",
            path: path.into(),
            args: "{}".into(),
            form: "{}".into(),
            url: String::new(),
            extra: String::new(),
            action: None,
            status: 200,
            cost,
        }
    }

    /// `POST path` with a form, answered with 302.
    pub fn post(endpoint: &'static str, path: &str, form: String, cost: i64) -> Self {
        Request { method: "POST", form, status: 302, ..Request::get(endpoint, path, cost) }
    }

    fn is_api(&self) -> bool {
        self.path.starts_with("/api/")
    }
}

/// A browser (or a program) with its address, its cookie and its clock.
pub struct Client {
    /// Its address.
    pub ip: String,
    /// Its `User-Agent`.
    pub agent: &'static str,
    /// Programs send no cookies back.
    pub keeps_cookies: bool,
    /// Local time in microseconds.
    pub now: i64,
    /// The address of the page it shows, with host.
    pub page: Option<String>,
    /// What it did so far.
    pub footprint: Footprint,
    cookie: Option<String>,
    session: Session,
}

impl Client {
    /// A browser that was never here.
    pub fn new(ip: String, agent: &'static str, now: i64) -> Self {
        Client {
            ip,
            agent,
            keeps_cookies: true,
            now,
            page: None,
            footprint: Footprint::default(),
            cookie: None,
            session: Session::default(),
        }
    }

    /// The logged-in user.
    pub fn user(&self) -> Option<u64> {
        self.session.user.as_ref().map(|(id, _)| *id)
    }

    /// The user as JSON.
    pub fn user_json(&self) -> String {
        number(self.user())
    }

    /// The session id as the shop logs it for search and cart actions: the cookie that was sent.
    pub fn sent(&self) -> &str {
        self.cookie.as_deref().unwrap_or("unknown")
    }

    /// The stable id; made at the first request that lacks one.
    pub fn id(&mut self, shop: &mut Shop) -> String {
        self.session.id.get_or_insert_with(|| shop.rng.hex(2)).clone()
    }

    /// True if the shop would know this browser again.
    pub fn is_known(&self) -> bool {
        self.keeps_cookies && self.session.id.is_some() && self.footprint.requests > 1
    }

    /// Has the user logged in; the cookie says so from the next answer on.
    pub fn log_in(&mut self, shop: &mut Shop, user: u64) {
        self.session.user = Some((user, shop.rng.hex(8)));
    }

    /// Empties the session; the next cookie has no id.
    pub fn log_out(&mut self) {
        self.session = Session::default();
    }

    /// Makes the browser lose its cookie.
    pub fn lose_cookie(&mut self) {
        self.cookie = None;
        self.session = Session::default();
    }

    /// A message for the next page, as JSON strings.
    pub fn flash(&mut self, category: &str, text: &str) {
        self.session.flashes.push(format!(r#"{{" t":["{category}",{text}]}}"#));
    }

    /// Sends the request and logs what the shop logs. False, and nothing happened, if the shop has closed.
    pub fn send(&mut self, shop: &mut Shop, request: &Request) -> bool {
        if self.now + 5 * SECOND > shop.end {
            return false;
        }
        let logs_out = request.endpoint == Some("auth.logout");
        let is_new = self.session.id.is_none();
        if !logs_out {
            self.id(shop);
        }
        let began = self.now;
        // one answer in 400 is really slow
        let longest = if shop.rng.chance(1, 400) { 2_500_000 } else { request.cost };
        let ended = began + request.cost + shop.rng.skewed(0, longest);
        if let Some((kind, fields)) = &request.action {
            let at = began + request.cost / 3 + shop.rng.between(0, request.cost / 4);
            shop.log(at, kind, false, format_args!("\"event_type\": \"{kind}\", {fields}"));
        }
        let noticed = ended - (150 + shop.rng.between(0, request.cost / 4)).min(2_000);
        if !request.is_api() {
            self.log_dwell(shop, &request.path, noticed);
        }
        self.log_request(shop, request, began, ended);
        if let Some(log) = &mut shop.system {
            log.request(began, ended, request.method, &request.path, request.status);
        }
        shop.truth.request(&mut self.footprint);
        self.now = ended + shop.rng.between(500, 3_000);
        self.receive(shop, request, noticed, is_new);
        true
    }

    /// What the answer changes: the session, the page, the cookie. Calls of scripts change the cookie only if it is
    /// the first.
    fn receive(&mut self, shop: &mut Shop, request: &Request, at: i64, is_new: bool) {
        if !request.is_api() {
            if request.status == 200 {
                self.session.flashes.clear();
            }
            self.session.last_page = Some((request.path.clone(), at));
            let url = if request.url.is_empty() { &request.path } else { &request.url };
            if request.method == "GET" && request.status != 302 {
                self.page = Some(format!("{HOST}{url}"));
            }
        }
        if self.keeps_cookies && (!request.is_api() || is_new) {
            let utc = ((at - KST) / SECOND) as u32;
            self.cookie = Some(shop.jar.cookie(&self.session.json(), utc, &mut shop.rng));
        }
        if !self.keeps_cookies {
            self.session = Session::default();
        }
    }

    fn log_dwell(&self, shop: &mut Shop, path: &str, at: i64) {
        let (Some((previous, since)), Some(id)) = (&self.session.last_page, &self.session.id) else { return };
        // the shop ignores redirects' instants, and pages left open over night
        if !(SECOND + 1..HOUR).contains(&(at - since)) {
            return;
        }
        let product = previous.strip_prefix("/products/").filter(|rest| is_digits(rest)).unwrap_or("null");
        shop.log(
            at,
            "server_dwell_time",
            false,
            format_args!(
                "\"event_type\": \"server_dwell_time\", \"user_id\": {}, \"session_id\": \"{id}\", \
                 \"product_id\": {product}, \"previous_path\": {}, \"current_path\": {}, \
                 \"dwell_time_seconds\": {}, \"user_agent\": \"{}\", \"ip_address\": \"{}\"",
                self.user_json(),
                optional(Some(previous)),
                optional(Some(path)),
                seconds(at - since),
                self.agent,
                self.ip
            ),
        );
    }

    fn log_request(&self, shop: &mut Shop, request: &Request, began: i64, ended: i64) {
        let Request { event, args, form, extra, .. } = request;
        shop.log(
            ended,
            event,
            request.action.as_ref().is_some_and(|(kind, _)| kind == event),
            format_args!(
                "\"session_id\": \"{}\", \"event_type\": \"{event}\", \"user_id\": {}, \"entity_type\": {}, \
                 \"entity_id\": {}, \"endpoint\": {}, \"method\": \"{}\", \"path\": {}, \"args\": {args}, \
                 \"form\": {form}, \"ip_address\": \"{}\", \"user_agent\": \"{}\", \"referrer\": {}, \
                 {extra}\"response_status\": {}, \"process_time\": {}",
                self.cookie.as_deref().unwrap_or("no_session"),
                self.user_json(),
                optional(request.entity.as_ref().map(|_| "product")),
                request.entity.as_deref().unwrap_or("null"),
                optional(request.endpoint),
                request.method,
                optional(Some(&request.path)),
                self.ip,
                self.agent,
                optional(self.page.as_deref()),
                request.status,
                seconds(ended - began),
            ),
        );
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
