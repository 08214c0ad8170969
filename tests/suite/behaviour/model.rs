//! The reports with windows against what walking through small random events says.

use super::case::{Case, DAY, Event, MONDAY};
use crate::harness::Random;
use std::collections::{BTreeMap, BTreeSet};

fn ratio(part: usize, whole: usize) -> String {
    if whole == 0 { "-".into() } else { format!("{:.9}", part as f64 / whole as f64) }
}

/// Linear interpolation between the sorted values.
fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = share * (values.len() - 1) as f64;
    let (low, high) = (values[at.floor() as usize], values[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

/// Rows in the order of their keys, as text.
fn texts<K: Ord>(mut rows: Vec<(K, String)>) -> Vec<String> {
    rows.sort_by(|(one, _), (other, _)| one.cmp(other));
    rows.into_iter().map(|(_, text)| text).collect()
}

/// Holds a report against the model over many cases; `said` is how many rows all of them must have at least.
fn holds(name: &str, values: &[(&str, &str)], said: usize, model: impl Fn(&Case) -> Vec<String>) {
    let mut random = Random(0x5e55_1045);
    let mut rows = 0;
    for round in 0..250 {
        let case = Case::random(&mut random);
        let expected = model(&case);
        rows += expected.len();
        let found = case.answer(name, values);
        assert!(found == expected, "{name}, round {round}: {found:#?}\nis not {expected:#?}\n{case:?}");
    }
    assert!(rows >= said, "only {rows} rows of {name}: the inputs test too little");
}

#[test]
fn sessions() {
    holds("sessions", &[], 500, |case| {
        let mut days: BTreeMap<i64, Vec<(usize, usize, f64)>> = BTreeMap::new();
        for ((visitor, _), events) in case.sessions(|_| true) {
            let times = || events.iter().map(|event| event.time);
            let (first, last) = (times().min().unwrap(), times().max().unwrap());
            let pages = events.iter().filter(|event| event.shown).count();
            let visit = (visitor, pages, (last - first) as f64 / 1e6);
            days.entry(first.div_euclid(DAY)).or_default().push(visit);
        }
        let row = |(day, visits): (i64, Vec<(usize, usize, f64)>)| {
            let visitors = visits.iter().map(|visit| visit.0).collect::<BTreeSet<_>>().len();
            let pages: usize = visits.iter().map(|visit| visit.1).sum();
            let bounces = visits.iter().filter(|visit| visit.1 == 1).count();
            let (count, mut seconds) = (visits.len(), visits.iter().map(|visit| visit.2).collect::<Vec<_>>());
            let [median, p90] = [0.5, 0.9].map(|share| quantile(&mut seconds, share));
            let [views, bounced] = [ratio(pages, count), ratio(bounces, count)];
            format!("{day}|{count}|{visitors}|{pages}|{views}|{bounces}|{bounced}|{median:.9}|{p90:.9}")
        };
        days.into_iter().map(row).collect()
    });
}

#[test]
fn entry_exit() {
    holds("entry-exit", &[], 500, |case| {
        let sessions = case.pages();
        let pages: BTreeSet<_> = sessions.values().flatten().copied().collect();
        let row = |page: &'static str| {
            let count = |is: &dyn Fn(&[&str]) -> bool| sessions.values().filter(|seen| is(seen)).count();
            let views = sessions.values().flatten().filter(|seen| **seen == page).count();
            let seen = count(&|pages| pages.contains(&page));
            let entries = count(&|pages| pages.first() == Some(&page));
            let exits = count(&|pages| pages.last() == Some(&page));
            let bounces = count(&|pages| pages == [page]);
            let (left, bounced) = (ratio(exits, seen), ratio(bounces, entries));
            let text = format!("{page}|{views}|{seen}|{entries}|{exits}|{left}|{bounces}|{bounced}");
            ((usize::MAX - exits, usize::MAX - entries, usize::MAX - views, page), text)
        };
        texts(pages.into_iter().map(row).collect())
    });
}

#[test]
fn paths() {
    for steps in [1, 2, 100] {
        holds("paths", &[("steps", &steps.to_string())], 500, |case| {
            let mut counts: BTreeMap<(usize, &str, &str), usize> = BTreeMap::new();
            for mut pages in case.pages().into_values() {
                pages.dedup();
                pages.push("(left)");
                for (step, way) in (1..=steps).zip(pages.windows(2)) {
                    *counts.entry((step, way[0], way[1])).or_default() += 1;
                }
            }
            let row = |((step, source, target), count): ((usize, &'static str, &'static str), usize)| {
                ((usize::MAX - count, step, source, target), format!("{step}|{source}|{target}|{count}"))
            };
            texts(counts.into_iter().map(row).collect())
        });
    }
}

/// The steps that are followed by a product; `order` is that of steps at the same moment.
fn followed<K: Ord>(
    case: &Case,
    is_step: impl Fn(&Event) -> bool,
    order: impl Fn(&Event) -> K,
) -> Vec<&Event> {
    let mut found = Vec::new();
    // A visitor's events without a session are what is left of one that began before the range.
    let mut sessions: BTreeMap<_, Vec<&Event>> = BTreeMap::new();
    for event in case.events.iter().filter(|event| is_step(event) && event.visitor.is_some()) {
        sessions.entry((event.visitor, event.session)).or_default().push(event);
    }
    for mut events in sessions.into_values() {
        events.sort_by_key(|event| (event.time, order(event)));
        found.extend(events.windows(2).filter(|pair| pair[1].is_product()).map(|pair| pair[0]));
    }
    found
}

fn visitors<'a>(events: impl Iterator<Item = &'a Event>) -> usize {
    events.filter_map(|event| event.visitor).collect::<BTreeSet<_>>().len()
}

#[test]
fn search_terms() {
    holds("search-terms", &[], 300, |case| {
        let nothing = |event: &Event| event.kind == "action" && event.results == Some(0);
        let led = followed(
            case,
            |event| event.is_search() || event.is_product(),
            |event| (event.is_product(), event.term.unwrap_or_default(), nothing(event)),
        );
        let row = |term: &'static str| {
            let of = |event: &Event| event.is_search() && event.term == Some(term);
            let searches: Vec<_> = case.events.iter().filter(|event| of(event)).collect();
            let who = visitors(searches.iter().copied());
            let zero = searches.iter().filter(|event| nothing(event)).count();
            let led = led.iter().filter(|event| of(event)).count();
            let count = searches.len();
            let text = format!("{term}|{count}|{who}|{zero}|{led}|{}", ratio(led, count));
            ((usize::MAX - count, usize::MAX - who, term), text)
        };
        let rows = ["a", "b\t"].map(row).into_iter().filter(|((count, ..), _)| *count < usize::MAX);
        texts(rows.collect())
    });
}

#[test]
fn categories() {
    holds("categories", &[], 300, |case| {
        let listed = |event: &Event| {
            event.event_type == Some("view")
                && event.status == Some(200)
                && event.shown
                && !event.is_product()
        };
        let led = followed(
            case,
            |event| listed(event) || event.is_search() || event.is_product(),
            |event| (event.is_product(), event.is_search(), event.category),
        );
        let row = |category: i64| {
            let of = |event: &&Event| event.category == Some(category);
            let lists = case.events.iter().filter(of).filter(|event| listed(event));
            let searches = case.events.iter().filter(of).filter(|event| event.is_search());
            let both = || lists.clone().chain(searches.clone());
            let who = visitors(both());
            let sessions: BTreeSet<_> = both()
                .filter(|event| event.session.is_some())
                .map(|event| (event.visitor, event.session))
                .collect();
            let led = led.iter().copied().filter(of).filter(|event| listed(event)).count();
            let (views, searched) = (lists.clone().count(), searches.clone().count());
            let rate = ratio(led, views);
            let text = format!("{category}|{views}|{who}|{}|{searched}|{led}|{rate}", sessions.len());
            ((usize::MAX - views, usize::MAX - who, category), (views + searched > 0).then_some(text))
        };
        texts([7, 8].map(row).into_iter().filter_map(|(key, text)| Some((key, text?))).collect())
    });
}

/// When the period began that this moment is in.
fn start(time: i64, every: i64) -> i64 {
    (time - MONDAY).div_euclid(every) * every + MONDAY
}

#[test]
fn audience() {
    for (every, micros) in [("1d", DAY), ("1w", 7 * DAY), ("7h", 7 * DAY / 24)] {
        holds("audience", &[("every", every)], 200, |case| {
            let starts: BTreeSet<i64> = case.events.iter().map(|event| start(event.time, micros)).collect();
            let sessions = case.sessions(|_| true);
            let row = |begin: i64| {
                let events = || case.events.iter().filter(|event| start(event.time, micros) == begin);
                let came = visitors(events().filter(|event| event.kind == "request" || case.is_first(event)));
                let new = visitors(events().filter(|event| case.is_first(event)));
                let users = events().filter_map(|event| event.user).collect::<BTreeSet<_>>().len();
                let first = |events: &&Vec<&Event>| events.iter().map(|event| event.time).min().unwrap();
                let begun = sessions.values().filter(|events| start(first(events), micros) == begin).count();
                let views = events().filter(|event| event.shown).count();
                format!("{begin}|{came}|{new}|{users}|{begun}|{views}")
            };
            starts.into_iter().map(row).collect()
        });
    }
}

#[test]
fn retention() {
    for (every, micros) in [("1w", 7 * DAY), ("1d", DAY)] {
        holds("retention", &[("every", every)], 200, |case| {
            let mut members: BTreeMap<(i64, i64), BTreeSet<usize>> = BTreeMap::new();
            for event in case.events.iter().filter(|event| event.kind == "request" || case.is_first(event)) {
                let Some(visitor) = event.visitor else { continue };
                let mut own = case.events.iter().filter(|event| event.visitor == Some(visitor));
                if own.any(|event| case.is_first(event)) {
                    let cohort = start(case.first[&visitor], micros);
                    let period = (start(event.time, micros) - cohort) / micros;
                    members.entry((cohort, period)).or_default().insert(visitor);
                }
            }
            let row = |((cohort, period), who): (&(i64, i64), &BTreeSet<usize>)| {
                let retention = ratio(who.len(), members[&(*cohort, 0)].len());
                format!("{cohort}|{period}|{}|{retention}", who.len())
            };
            members.iter().map(row).collect()
        });
    }
}

#[test]
fn referrers() {
    holds("referrers", &[("own_host", "shop")], 300, |case| {
        let source = |event: &Event| match event.host {
            Some("shop") => "(internal)",
            host => host.unwrap_or("(direct)"),
        };
        let mut sources: BTreeMap<&str, Vec<(usize, usize, bool)>> = BTreeMap::new();
        for ((visitor, _), events) in case.sessions(|_| true) {
            let order = |event: &&&Event| {
                let is_request = event.kind == "request";
                (!is_request, if is_request { event.time } else { 0 }, source(event))
            };
            let first = events.iter().min_by_key(order).unwrap();
            let views = events.iter().filter(|event| event.shown).count();
            let bought = events.iter().any(|event| event.is_purchase());
            sources.entry(source(first)).or_default().push((visitor, views, bought));
        }
        let row = |(source, visits): (&'static str, Vec<(usize, usize, bool)>)| {
            let count = visits.len();
            let who = visits.iter().map(|visit| visit.0).collect::<BTreeSet<_>>().len();
            let views: usize = visits.iter().map(|visit| visit.1).sum();
            let bought = visits.iter().filter(|visit| visit.2).count();
            let (pages, rate) = (ratio(views, count), ratio(bought, count));
            let key = (usize::MAX - count, usize::MAX - who, source);
            (key, format!("{source}|{count}|{who}|{views}|{pages}|{bought}|{rate}"))
        };
        texts(sources.into_iter().map(row).collect())
    });
}
