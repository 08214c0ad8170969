//! What really happens in the shop, as it happens: counted by the model, never read back from the lines.
//! Knows nothing of how lines are written.

use crate::system::SystemTruth;
use serde::Serialize;
use std::collections::BTreeMap;

const WINDOW: i64 = 7 * 86_400 * 1_000_000;

/// Lines and actions of one type of event.
#[derive(Default, Serialize)]
pub struct Counts {
    /// Lines of this type.
    pub lines: u64,
    /// Lines that are not a request line paired with an action line of its own.
    pub actions: u64,
}

/// The answers that reports over the generated logs must give.
#[derive(Default, Serialize)]
pub struct Truth {
    /// All lines; always events + rejects + blank.
    pub lines: u64,
    /// Lines that are JSON objects.
    pub events: u64,
    /// Lines that are neither that nor blank.
    pub rejects: u64,
    /// Lines of nothing but white space.
    pub blank: u64,
    /// Per type of event; `(none)` for lines without one.
    pub event_types: BTreeMap<&'static str, Counts>,
    /// Pages shown, per product.
    pub product_views: BTreeMap<u64, u64>,
    /// Distinct visitors who saw the product.
    pub product_visitors: BTreeMap<u64, u64>,
    /// Views of products that do not exist.
    pub failed_views: BTreeMap<u64, u64>,
    /// Views of ids above 64 bits.
    pub failed_views_id_out_of_range: u64,
    /// Successful additions to a cart, per product.
    pub cart_adds: BTreeMap<u64, u64>,
    /// Distinct visitors with at least one request.
    pub visitors: u64,
    /// Visitors who reached product view, cart addition, checkout page, purchase: ordered, within 7 days.
    pub funnel: [u64; 4],
    /// Searches per term; a lone surrogate is shown as U+FFFD.
    pub searches: BTreeMap<String, u64>,
    /// Failed log-ins per address.
    pub login_failed: BTreeMap<String, u64>,
    /// Orders placed.
    pub orders: u64,
    /// What the system log holds, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_log: Option<SystemTruth>,
}

/// What the truth must remember of one visitor.
#[derive(Default)]
pub struct Footprint {
    /// Requests so far.
    pub requests: u64,
    seen: Vec<u64>,
    /// Per funnel step: the latest time of entry from which the step was reached.
    entry: [Option<i64>; 4],
    reached: usize,
}

impl Truth {
    /// A line of this type was written.
    pub fn event(&mut self, kind: &'static str, paired: bool) {
        self.lines += 1;
        self.events += 1;
        let counts = self.event_types.entry(kind).or_default();
        counts.lines += 1;
        counts.actions += u64::from(!paired);
    }

    /// The visitor made a request.
    pub fn request(&mut self, visitor: &mut Footprint) {
        self.visitors += u64::from(visitor.requests == 0);
        visitor.requests += 1;
    }

    /// The visitor was shown a product.
    pub fn view(&mut self, visitor: &mut Footprint, id: u64, at: i64) {
        *self.product_views.entry(id).or_default() += 1;
        if !visitor.seen.contains(&id) {
            visitor.seen.push(id);
            *self.product_visitors.entry(id).or_default() += 1;
        }
        self.step(visitor, 0, at);
    }

    /// The visitor's cart received a product.
    pub fn cart_add(&mut self, visitor: &mut Footprint, id: u64, at: i64) {
        *self.cart_adds.entry(id).or_default() += 1;
        self.step(visitor, 1, at);
    }

    /// The visitor took a step of the funnel, 0 to 3.
    pub fn step(&mut self, visitor: &mut Footprint, step: usize, at: i64) {
        let entry = if step == 0 { Some(at) } else { visitor.entry[step - 1] };
        let Some(entry) = entry.filter(|entry| at - entry <= WINDOW) else { return };
        visitor.entry[step] = visitor.entry[step].max(Some(entry));
        for reached in visitor.reached..=step {
            self.funnel[reached] += 1;
            visitor.reached = reached + 1;
        }
    }
}
