//! Who comes and why: shoppers, programs, attackers, and the offices that share one address.
//! Knows pages by what they are for, and nothing of lines.

use crate::{
    catalog::{BOTS, BROWSERS, UNKNOWN_AGENT},
    client::Client,
    pages::Visitor,
    shop::{HOUR, MINUTE, SECOND, Shop},
};

/// Longer than the half hour within which the visitor rules join what one address does.
const APART: i64 = 31 * MINUTE;
/// No pause within a visit is longer: a log-out and the next two requests stay within half an hour.
const LONGEST_PAUSE: i64 = 12 * MINUTE;

/// An address and browser that several people use, one after the other.
pub struct Office {
    ip: String,
    agent: &'static str,
    free_from: i64,
}

impl Office {
    /// Offices of three browsers each; only the addresses are shared at the same time.
    pub fn all(shop: &mut Shop, count: u64) -> Vec<Office> {
        let ips: Vec<String> = (0..count).map(|_| shop.address()).collect();
        let agents = [UNKNOWN_AGENT, BROWSERS[0], BROWSERS[2]];
        let office = |ip: &String, agent| Office { ip: ip.clone(), agent, free_from: i64::MIN };
        ips.iter().flat_map(|ip| agents.map(|agent| office(ip, agent))).collect()
    }
}

/// Somebody new arrives at `now` and makes the visit. Returns who will come back, at their clock's time.
pub fn arrive(shop: &mut Shop, offices: &mut [Office], now: i64) -> Option<Visitor> {
    match shop.rng.below(1000) {
        0..7 => {
            attack(shop, now);
            None
        }
        7..20 => {
            crawl(shop, now);
            None
        }
        20..60 => {
            let office = shop.rng.below(offices.len() as u64) as usize;
            let Some(office) = offices.get_mut(office).filter(|office| office.free_from <= now) else {
                return arrive_alone(shop, now);
            };
            let mut visitor = Visitor::new(Client::new(office.ip.clone(), office.agent, now));
            // at least two requests: who makes only one leaves no id and looks like the next one who does
            let pages = 2 + shop.rng.skewed(1, 25);
            visit(shop, &mut visitor, pages);
            office.free_from = visitor.client.now + APART;
            None
        }
        _ => arrive_alone(shop, now),
    }
}

fn arrive_alone(shop: &mut Shop, now: i64) -> Option<Visitor> {
    let agent = if shop.rng.chance(7, 10) { UNKNOWN_AGENT } else { shop.rng.pick(BROWSERS) };
    let mut visitor = Visitor::new(Client::new(shop.address(), agent, now));
    if shop.rng.chance(1, 3) {
        visitor.come_from_outside(shop);
    }
    let pages = if shop.rng.chance(1, 4) { 1 } else { 2 + shop.rng.skewed(0, 26) };
    visit(shop, &mut visitor, pages)
        .then_some(visitor)
        .filter(|visitor| visitor.client.is_known())
        .and_then(|visitor| absence(shop, visitor))
}

/// Somebody who was here before makes another visit, perhaps from another address.
pub fn come_back(shop: &mut Shop, mut visitor: Visitor) -> Option<Visitor> {
    if shop.rng.chance(3, 10) {
        visitor.client.ip = shop.address();
    }
    visitor.client.page = None;
    visitor.product = None;
    let pages = 1 + shop.rng.skewed(0, 20);
    visit(shop, &mut visitor, pages).then_some(visitor).and_then(|visitor| absence(shop, visitor))
}

/// One in four comes back, after an hour to four days.
fn absence(shop: &mut Shop, mut visitor: Visitor) -> Option<Visitor> {
    visitor.client.now += shop.rng.skewed(40 * MINUTE, 96 * HOUR);
    shop.rng.chance(1, 4).then_some(visitor)
}

fn pause(shop: &mut Shop, visitor: &mut Visitor) {
    visitor.client.now += shop.rng.skewed(1_200_000, LONGEST_PAUSE);
}

/// A visit of so many pages. False if the visitor logged out, after which nobody is known again.
fn visit(shop: &mut Shop, visitor: &mut Visitor, pages: i64) -> bool {
    let mut stays = true;
    for page in 0..pages {
        if page > 0 {
            pause(shop, visitor);
        }
        stays &= next_page(shop, visitor, page == 0);
    }
    stays
}

/// What the visitor does next; false for a log-out.
fn next_page(shop: &mut Shop, visitor: &mut Visitor, first: bool) -> bool {
    if shop.traps && shop.rng.chance(1, 50) {
        visitor.view_strange(shop);
        return true;
    }
    let user = visitor.client.user().is_some();
    let (open, filled) = (visitor.product.is_some(), !visitor.cart.is_empty());
    let wish = |weight: u64, possible: bool| if possible { weight } else { 0 };
    let wishes = [
        36,
        17,
        if first { 30 } else { 5 },
        11,
        wish(if open { 12 } else { 1 }, !first),
        wish(4, !user),
        wish(1, !user && !first),
        wish(3, user),
        wish(3, user && filled),
        wish(if filled { 6 } else { 1 }, !first),
        wish(1, user && !first),
        3,
        2,
    ];
    match shop.rng.weighted(&wishes) {
        0 => visitor.view(shop),
        1 => visitor.list(shop),
        2 => visitor.home(shop),
        3 => visitor.search(shop),
        4 => fill_cart(shop, visitor),
        5 => log_in(shop, visitor),
        6 => visitor.register(shop),
        7 => visitor.cart(shop),
        8 => visitor.cart_remove(shop),
        9 => buy(shop, visitor),
        10 => {
            visitor.log_out(shop);
            return false;
        }
        11 => visitor.view_missing(shop),
        _ => visitor.stray(shop),
    }
    true
}

fn log_in(shop: &mut Shop, visitor: &mut Visitor) {
    if shop.rng.chance(1, 6) {
        let account = visitor.account.unwrap_or_else(|| 1 + shop.rng.below(shop.accounts));
        visitor.account = Some(account);
        visitor.log_in_wrongly(shop, account);
        visitor.client.now += shop.rng.between(3 * SECOND, 20 * SECOND);
    }
    visitor.log_in(shop);
}

/// A cart addition; who is sent to the log-in page often logs in and tries again.
fn fill_cart(shop: &mut Shop, visitor: &mut Visitor) {
    let was_user = visitor.client.user().is_some();
    let wanted = visitor.product;
    visitor.cart_add(shop);
    if !was_user && shop.rng.chance(1, 2) {
        pause(shop, visitor);
        log_in(shop, visitor);
        visitor.client.now += shop.rng.between(2 * SECOND, 30 * SECOND);
        visitor.product = wanted;
        visitor.cart_add(shop);
        visitor.product = None;
    }
}

fn buy(shop: &mut Shop, visitor: &mut Visitor) {
    if visitor.checkout(shop) && shop.rng.chance(3, 5) {
        visitor.client.now += shop.rng.between(20 * SECOND, 120 * SECOND);
        visitor.purchase(shop);
    }
}

/// A program that reads many pages and sends no cookie back: one visitor by its address.
fn crawl(shop: &mut Shop, now: i64) {
    let agent = shop.rng.pick(BOTS);
    let mut bot = Visitor::new(Client::new(shop.address(), agent, now));
    bot.client.keeps_cookies = false;
    for _ in 0..shop.rng.between(5, 60) {
        match shop.rng.weighted(&[12, 3, 1, 1, 1, 1]) {
            0 => bot.view(shop),
            1 => bot.list(shop),
            2 => bot.home(shop),
            3 => bot.search(shop),
            4 => bot.view_missing(shop),
            _ => bot.stray(shop),
        }
        bot.client.page = None;
        bot.client.now += shop.rng.between(SECOND / 2, 20 * SECOND);
    }
}

/// Guesses passwords of many accounts, quickly; sometimes one fits.
fn attack(shop: &mut Shop, now: i64) {
    let mut attacker = Visitor::new(Client::new(shop.address(), UNKNOWN_AGENT, now));
    for _ in 0..shop.rng.between(15, 60) {
        let account = 1 + shop.rng.below(shop.accounts);
        attacker.log_in_wrongly(shop, account);
        if shop.rng.chance(1, 150) {
            attacker.client.now += shop.rng.between(SECOND / 2, 8 * SECOND);
            attacker.log_in_as(shop, account);
            attacker.home(shop);
            return;
        }
        attacker.client.now += shop.rng.between(SECOND / 2, 8 * SECOND);
    }
}
