//! Small random events of a few visitors, with ties, nulls and strangers, and what a report says of them.

use crate::harness::Random;
use loganalyze::engine::polars as engine;
use loganalyze::engine::relation::Relation;
use loganalyze::report;
use polars::prelude::*;
use std::collections::BTreeMap;

pub const DAY: i64 = 86_400_000_000;
/// 1970-01-05, the first Monday.
pub const MONDAY: i64 = 4 * DAY;

const PAGES: [&str; 4] = ["/", "/cart", "/products/{id}", "/orders/{id}/confirmation"];

#[derive(Debug, Clone)]
pub struct Event {
    pub visitor: Option<usize>,
    pub session: Option<i64>,
    pub time: i64,
    pub kind: &'static str,
    pub event_type: Option<&'static str>,
    pub paired: bool,
    pub page: &'static str,
    pub shown: bool,
    pub status: Option<i64>,
    pub entity: Option<i64>,
    pub term: Option<&'static str>,
    pub results: Option<i64>,
    pub category: Option<i64>,
    pub host: Option<&'static str>,
    pub user: Option<i64>,
}

impl Event {
    fn random(random: &mut Random, visitors: usize, span: i64) -> Event {
        let visitor = (random.below(9) > 0).then(|| random.below(visitors));
        let kind = *random.pick(&["request", "request", "action", "telemetry"]);
        let is_request = kind == "request";
        Event {
            visitor,
            session: visitor.filter(|_| random.below(9) > 0).map(|_| 1 + random.below(2) as i64),
            time: MONDAY - 2 * DAY + span * random.below(12) as i64,
            kind,
            event_type: *random.pick(&[Some("view"), Some("view"), Some("search"), Some("purchase"), None]),
            paired: is_request && random.below(3) == 0,
            page: PAGES[random.below(PAGES.len())],
            shown: is_request && random.below(3) > 0,
            status: if is_request { Some(*random.pick(&[200, 404])) } else { None },
            entity: *random.pick(&[Some(1), Some(2), None]),
            term: *random.pick(&[Some("a"), Some("b\t"), Some(""), None]),
            results: *random.pick(&[Some(0), Some(3), None]),
            category: *random.pick(&[Some(7), Some(8), None]),
            host: *random.pick(&[Some("shop"), Some("shop"), Some("a.example"), None]),
            user: *random.pick(&[Some(5), None]),
        }
    }

    pub fn is_product(&self) -> bool {
        self.event_type == Some("view") && self.entity.is_some() && self.status == Some(200)
    }

    pub fn is_search(&self) -> bool {
        self.event_type == Some("search") && !self.paired
    }

    pub fn is_purchase(&self) -> bool {
        let confirmed = self.page == "/orders/{id}/confirmation" && self.status == Some(200);
        self.event_type == Some("purchase") || confirmed
    }
}

/// A few visitors' events, and when each visitor came first: some before all of these events.
#[derive(Debug)]
pub struct Case {
    pub events: Vec<Event>,
    pub first: BTreeMap<usize, i64>,
}

pub type Who = (usize, i64);

impl Case {
    pub fn random(random: &mut Random) -> Case {
        let visitors = 1 + random.below(6);
        let span = *random.pick(&[DAY / 3, 2 * DAY, 7 * DAY, 1]);
        let events: Vec<Event> =
            (0..random.below(70)).map(|_| Event::random(random, visitors, span)).collect();
        let mut first = BTreeMap::new();
        for event in &events {
            if let Some(visitor) = event.visitor {
                let first = first.entry(visitor).or_insert(event.time);
                *first = event.time.min(*first);
            }
        }
        first.values_mut().filter(|_| random.below(4) == 0).for_each(|time| *time -= DAY);
        Case { events, first }
    }

    pub fn is_first(&self, event: &Event) -> bool {
        event.visitor.is_some_and(|visitor| self.first[&visitor] == event.time)
    }

    /// The events of each session that are of interest.
    pub fn sessions(&self, of_interest: impl Fn(&Event) -> bool) -> BTreeMap<Who, Vec<&Event>> {
        let mut sessions: BTreeMap<Who, Vec<&Event>> = BTreeMap::new();
        for event in self.events.iter().filter(|event| of_interest(event)) {
            if let (Some(visitor), Some(session)) = (event.visitor, event.session) {
                sessions.entry((visitor, session)).or_default().push(event);
            }
        }
        sessions
    }

    /// The pages that each session saw, in order; at the same moment by name.
    pub fn pages(&self) -> BTreeMap<Who, Vec<&'static str>> {
        let page = |mut events: Vec<&Event>| {
            events.sort_by_key(|event| (event.time, event.page));
            events.into_iter().map(|event| event.page).collect()
        };
        self.sessions(|event| event.shown).into_iter().map(|(who, events)| (who, page(events))).collect()
    }

    fn frame(&self) -> DataFrame {
        fn column<T>(case: &Case, name: &str, of: impl Fn(&Event) -> T) -> Column
        where
            Series: NamedFrom<Vec<T>, [T]>,
        {
            Series::new(name.into(), case.events.iter().map(of).collect::<Vec<T>>()).into_column()
        }
        let kind = DataType::Datetime(TimeUnit::Microseconds, None);
        let time =
            |name: &str, of: &dyn Fn(&Event) -> Option<i64>| column(self, name, of).cast(&kind).unwrap();
        let day = |event: &Event| event.time.div_euclid(DAY) as i32;
        let text = |text: Option<&'static str>| text.map(str::to_owned);
        DataFrame::new_infer_height(vec![
            time("timestamp", &|event| Some(event.time)),
            time("visitor_first_seen", &|event| event.visitor.map(|visitor| self.first[&visitor])),
            column(self, "epoch_us", |event| event.time),
            column(self, "event_date", day).cast(&DataType::Date).unwrap(),
            column(self, "visitor_id", |event| event.visitor.map(|visitor| format!("visitor {visitor}"))),
            column(self, "session_number", |event| event.session),
            column(self, "kind", |event| event.kind.to_owned()),
            column(self, "event_type", |event| text(event.event_type)),
            column(self, "paired", |event| event.paired),
            column(self, "page", |event| event.page.to_owned()),
            column(self, "is_page_view", |event| event.shown),
            column(self, "response_status", |event| event.status),
            column(self, "entity_type", |event| event.entity.map(|_| "product".to_owned())),
            column(self, "entity_id", |event| event.entity),
            column(self, "search_query", |event| text(event.term)),
            column(self, "results_count", |event| event.results),
            column(self, "category", |event| event.category),
            column(self, "referrer_host", |event| text(event.host)),
            column(self, "referrer", |event| text(event.host)),
            column(self, "user_id", |event| event.user),
        ])
        .unwrap()
    }

    /// A report's rows, its parameters set to these values.
    pub fn answer(&self, name: &str, values: &[(&str, &str)]) -> Vec<String> {
        let report = report::find(name).unwrap();
        let values: Vec<_> = values.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let value = |name: &str| values.iter().find(|(known, _)| *known == name).map(|(_, value)| value);
        let sql = report.bound(|param| value(&param.name)).unwrap();
        let result = engine::query(&sql, &Relation::in_memory(self.frame())).unwrap();
        let result = engine::as_promised(&result, &report.header.columns).unwrap();
        let cell = |value: AnyValue<'_>| match (&value, value.get_str()) {
            (AnyValue::Null, _) => "-".to_owned(),
            (AnyValue::Float64(number), _) => format!("{number:.9}"),
            (_, Some(text)) => text.to_owned(),
            _ => value.to_string(),
        };
        // Times and days as the numbers that they are.
        let columns: Vec<Column> = result.columns().iter().map(Column::to_physical_repr).collect();
        let row = |at: usize| {
            let cells = columns.iter().map(|column| cell(column.get(at).unwrap()));
            cells.collect::<Vec<_>>().join("|")
        };
        (0..result.height()).map(row).collect()
    }
}
