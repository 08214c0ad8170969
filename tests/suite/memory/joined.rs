//! Visitors with several clients, whose events lie in several parts: what log-outs join at one client must be one visitor
//! at every other.

use super::alike;
use crate::harness::{Random, folder_with, rows, stdout, text};
use loganalyze::events::{Events, Joined, column::Column, derive, named};
use loganalyze::scan::{Settings, scan_bytes, wanted::Wanted};

/// When, at which client (none: neither address nor user agent), under which id, and what.
#[derive(Debug, Clone)]
struct Event {
    minute: Option<usize>,
    second: usize,
    client: Option<usize>,
    session: &'static str,
    logout: bool,
    /// By which a row is known again.
    user: usize,
}

impl Event {
    fn line(&self) -> String {
        let mut fields = vec![format!(r#""user_id": {}"#, self.user)];
        if let Some(minute) = self.minute {
            let (hour, minute) = (10 + minute / 60, minute % 60);
            fields.push(format!(r#""timestamp": "2025-03-12T{hour}:{minute:02}:{:02}""#, self.second));
        }
        if let Some(client) = self.client {
            fields.push(format!(r#""ip_address": "10.0.0.{client}", "user_agent": "x""#));
        }
        if !self.session.is_empty() {
            fields.push(format!(r#""session_id": "{}""#, self.session));
        }
        let event_type = if self.logout { "logout" } else { "view" };
        fields.push(format!(
            r#""event_type": "{event_type}", "path": "/products/1", "entity_type": "product", "entity_id": 1, "response_status": 200"#
        ));
        format!("{{{}}}\n", fields.join(", "))
    }
}

fn text_of<'a>(events: impl IntoIterator<Item = &'a Event>) -> String {
    events.into_iter().map(Event::line).collect()
}

/// A few people who change their client, log out and come back, within some hours.
fn wandering(count: usize, random: &mut Random) -> Vec<Event> {
    const IDS: [&str; 12] =
        ["no_session", "unknown", "", "id-a", "id-b", "id-c", "id-d", "id-e", "id-f", "id-g", "id-h", "id-i"];
    let clients = 2 + random.below(8);
    let minutes = 1 + random.below(400);
    let logouts = 2 + random.below(5);
    let event = |user| Event {
        minute: (random.below(40) > 0).then(|| random.below(minutes)),
        second: random.below(2),
        client: random.below(clients + 1).checked_sub(1),
        session: random.pick::<&str>(&IDS),
        logout: random.below(logouts) == 0,
        user,
    };
    (0..count).map(event).collect()
}

fn scanned(events: &[Event]) -> Events {
    let mut settings = Settings::default();
    settings.rows.wanted =
        Wanted::of(["timestamp", "event_type", "session_id", "client", "visitor_id", "user_id"]);
    let scanned = scan_bytes(text_of(events).as_bytes(), &settings);
    assert_eq!(scanned.rows, events.len());
    Events { columns: scanned.columns, rows: scanned.rows }
}

/// Each event's visitor, by the event's number.
fn visitors(mut events: Events, joined: Option<&Joined>) -> Vec<(i64, Option<String>)> {
    if let Some(joined) = joined {
        let names = joined.renaming().rename(named(&events, |_, _| false).names);
        events.columns.insert("visitor_id", Column::Text(names));
    }
    derive(&mut events, Wanted::of(["visitor_id"]));
    let Some(Column::Text(names)) = events.columns.get("visitor_id") else { panic!("nobody is named") };
    let users = events.integers("user_id");
    (0..events.rows).map(|row| (users.values[row], names.get(row).map(str::to_owned))).collect()
}

#[test]
fn any_parts_by_client_name_visitors_as_the_whole_does() {
    let mut random = Random(21);
    let mut joined_over_parts = 0;
    for case in 0..600 {
        let count = 2 + random.below(60);
        let all = wandering(count, &mut random);
        let mut expected = visitors(scanned(&all), None);
        expected.sort();
        let parts = 1 + random.below(6);
        let place: Vec<usize> = (0..12).map(|_| random.below(parts)).collect();
        let of_client = |event: &Event| event.client.map_or(0, |client| place[client]);
        let parts: Vec<Vec<Event>> = (0..parts)
            .map(|part| all.iter().filter(|event| of_client(event) == part).cloned().collect())
            .filter(|part: &Vec<Event>| !part.is_empty())
            .collect();
        let mut joined = Joined::default();
        let found: Vec<_> = parts.iter().map(|part| named(&scanned(part), |_, _| false)).collect();
        found.iter().for_each(|found| joined.add(&found.joins));
        for (part, found) in parts.iter().zip(&found) {
            let times = joined.times(&found.names, scanned(part).times("timestamp"));
            joined.add_times(&times);
        }
        let together = |joined: &Joined| {
            let mut found: Vec<_> =
                parts.iter().flat_map(|part| visitors(scanned(part), Some(joined))).collect();
            found.sort();
            found
        };
        assert_eq!(together(&joined), expected, "case {case}: {}", text_of(&all));
        joined_over_parts += usize::from(together(&Joined::default()) != expected);
    }
    assert!(joined_over_parts > 100, "{joined_over_parts}: the cases are too easy");
}

const VISITORS: &str = "SELECT visitor_id, session_number, COUNT(*) AS n, COUNT(user_id) AS users, SUM(user_id) AS sum FROM events \
     GROUP BY visitor_id, session_number ORDER BY visitor_id NULLS LAST, session_number NULLS LAST";

#[test]
fn who_logs_out_at_one_client_after_the_other_stays_one_visitor() {
    // At client n the id n logs out and n + 1 goes on; both ids are met at other clients too.
    const IDS: [&str; 9] = ["id-8", "id-3", "id-7", "id-0", "id-5", "id-2", "id-6", "id-1", "id-4"];
    let mut all = Vec::new();
    for client in 0..8 {
        let event = |minute, logout: bool, id: usize, client| Event {
            minute: Some(minute),
            second: 0,
            client: Some(client),
            session: IDS[id],
            logout,
            user: id,
        };
        let begin = 100 - 11 * client;
        all.push(event(begin, true, client, client));
        all.push(event(begin + 5, false, client + 1, client));
        all.push(event(begin + 7, false, client, client + 20));
    }
    let folder = folder_with(&[("user_activity.log", text_of(&all).as_bytes())]);
    let limit: &[&str] = &["--memory-limit", "6", "--chunk-bytes", "400"];
    alike(&["sql", VISITORS], &[text(folder.path())], &[limit]);
    let query =
        "SELECT COUNT(DISTINCT visitor_id) AS visitors, COUNT(DISTINCT client) AS clients FROM events";
    let found = rows(&stdout([&["sql", query, text(folder.path())], limit].concat()));
    assert_eq!(found[1], ["1", "16"]);
    alike(&["product-views"], &[text(folder.path())], &[limit]);
}

#[test]
fn wanderers_are_the_same_people_however_little_memory() {
    let mut random = Random(22);
    for case in 0..6 {
        let all = wandering(100 + random.below(300), &mut random);
        let folder = folder_with(&[("user_activity.log", text_of(&all).as_bytes())]);
        let (chunk, threads) = ((200 + random.below(5000)).to_string(), [1, 2, 4][case % 3].to_string());
        let limit: &[&str] =
            &["--memory-limit", "60", "--max-rejects", "0", "--chunk-bytes", &chunk, "--threads", &threads];
        for question in [&["sql", VISITORS][..], &["funnel", "--by", "session"], &["product-views"]] {
            alike(question, &[text(folder.path())], &[limit]);
        }
    }
}
