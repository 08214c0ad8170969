//! The shop's pages and what asking for each of them does: to the session, to the cart, to the truth.
//! Knows nothing of why anybody asks.

use crate::{
    catalog::{MISSING_IDS, OUTSIDE, PRODUCTS},
    client::{Client, Request},
    json::{number, optional, quoted},
    shop::{SECOND, Shop},
};

/// Somebody at a browser.
pub struct Visitor {
    /// The browser.
    pub client: Client,
    /// The account that is theirs, once they have one.
    pub account: Option<u64>,
    /// What the cart holds: product ids and how many.
    pub cart: Vec<(u64, u64)>,
    /// The product page that is open, and since when.
    pub product: Option<(u64, i64)>,
}

impl Visitor {
    /// Somebody who was never here.
    pub fn new(client: Client) -> Self {
        Visitor { client, account: None, cart: Vec::new(), product: None }
    }

    /// Leaves the page that is open (its script reports how long it was read) and asks for the next one.
    fn go(&mut self, shop: &mut Shop, request: Request) -> bool {
        if let Some((id, since)) = self.product.take()
            && self.client.keeps_cookies
            && shop.rng.chance(3, 5)
        {
            let fields = format!(
                "\"product_id\": \"{id}\", \"dwell_time_seconds\": {}, \"max_scroll_percentage\": {}, \
                 \"path\": \"/products/{id}\", \"referrer\": {}",
                (self.client.now - since) / SECOND,
                shop.rng.below(101),
                optional(self.client.page.as_deref())
            );
            self.script(shop, "page_dwell", "api.log_dwell_time", "/api/log/dwell-time", &fields);
        }
        self.client.send(shop, &request)
    }

    /// What the page's JavaScript reports.
    fn script(
        &mut self,
        shop: &mut Shop,
        kind: &'static str,
        endpoint: &'static str,
        path: &str,
        fields: &str,
    ) {
        let (id, user) = (self.client.id(shop), self.client.user_json());
        let fields = format!(
            "\"user_id\": {user}, \"session_id\": \"{id}\", {fields}, \"user_agent\": \"{}\", \
             \"ip_address\": \"{}\"",
            self.client.agent, self.client.ip
        );
        let request = Request::post(endpoint, path, "{}".into(), 1_700);
        self.client.send(shop, &Request { status: 201, action: Some((kind, fields)), ..request });
    }

    fn click(&mut self, shop: &mut Shop, product: u64, element: &str, text: &str, href: Option<&str>) {
        let own_page = self.client.page.clone().filter(|page| page.starts_with("http://localhost/"));
        let Some(page) = own_page.filter(|_| self.client.keeps_cookies) else { return };
        let fields = format!(
            "\"product_id\": \"{product}\", \"element_type\": \"{element}\", \"element_text\": {}, \
             \"link_href\": {}, \"position_x_percent\": {}, \"position_y_percent\": {}, \
             \"is_cart_action\": {}, \"path\": {}",
            quoted(text),
            optional(href),
            shop.rng.below(101),
            shop.rng.below(101),
            href.is_none(),
            quoted(&page)
        );
        self.script(shop, "click_event", "api.log_click_event", "/api/log/click-event", &fields);
    }

    /// The start page.
    pub fn home(&mut self, shop: &mut Shop) {
        self.go(shop, Request::get("main.index", "/", 2_200));
    }

    /// A search engine's or another site's link: the next request names it as its referrer.
    pub fn come_from_outside(&mut self, shop: &mut Shop) {
        self.client.page = Some(shop.rng.pick(OUTSIDE).to_owned());
    }

    /// The list of products, of one category or all; in one case in eight by the address without `/`.
    pub fn list(&mut self, shop: &mut Shop) {
        if shop.rng.chance(1, 8) {
            let moved = Request { endpoint: None, status: 308, ..Request::get("", "/products", 300) };
            self.go(shop, moved);
        }
        let mut request = Request::get("products.index", "/products/", 2_800);
        request.event = "view";
        request.entity = Some("null".into());
        if shop.rng.chance(2, 5) {
            let category = 1 + shop.rng.below(12);
            request.args = format!("{{\"category\": \"{category}\"}}");
            request.url = format!("/products/?category={category}");
        }
        self.go(shop, request);
    }

    /// The page of a product that is sold.
    pub fn view(&mut self, shop: &mut Shop) {
        let id = shop.product();
        if shop.rng.chance(1, 12) {
            let name = PRODUCTS[id as usize - 1].name;
            self.click(shop, id, "A", name, Some(&format!("/products/{id}")));
        }
        if self.view_id(shop, &id.to_string(), 200) {
            let at = self.client.now;
            shop.truth.view(&mut self.client.footprint, id, at);
            self.product = Some((id, at));
        }
    }

    /// The page of a product that was never sold: 404.
    pub fn view_missing(&mut self, shop: &mut Shop) {
        let id = shop.rng.pick(MISSING_IDS);
        if self.view_id(shop, &id.to_string(), 404) {
            *shop.truth.failed_views.entry(id).or_default() += 1;
        }
    }

    /// Ids that are none, or too large for any integer.
    pub fn view_strange(&mut self, shop: &mut Shop) {
        let id = shop.rng.pick(&["99999999999999999999", "\"12abc\"", "\"\"", "\" 7\"", "\"1e1\""]);
        let is_number = !id.starts_with('"');
        if self.view_id(shop, id, if is_number { 500 } else { 200 }) && is_number {
            shop.truth.failed_views_id_out_of_range += 1;
        }
    }

    fn view_id(&mut self, shop: &mut Shop, id: &str, status: u16) -> bool {
        let mut request =
            Request::get("products.detail", format!("/products/{}", id.trim_matches('"')), 2_600);
        request.event = "view";
        request.entity = Some(id.to_owned());
        request.status = status;
        self.go(shop, request)
    }

    /// A page that does not exist.
    pub fn stray(&mut self, shop: &mut Shop) {
        let (path, args) = shop.rng.pick(&[
            ("/no/such/page", "{}"),
            ("/no\"such\"page", "{}"),
            ("/robots.txt", "{}"),
            ("/wp-login.php", r#"{"x": "'\";=1+1"}"#),
        ]);
        let page = Request { endpoint: None, status: 404, args: args.into(), ..Request::get("", path, 330) };
        self.go(shop, page);
    }

    /// A search: the action line and its request line.
    pub fn search(&mut self, shop: &mut Shop) {
        let hostile = shop.traps && shop.rng.chance(1, 4);
        let count = if hostile { shop.hostile_terms.len() } else { shop.terms.len() };
        let index = shop.rng.below(count as u64) as usize;
        let category = shop.rng.chance(1, 6).then(|| 1 + shop.rng.below(12));
        let sort = shop.rng.pick(&["relevance", "relevance", "relevance", "price_asc", "newest"]);
        let term = if hostile { &shop.hostile_terms[index] } else { &shop.terms[index] };
        let mut request = Request::get("main.search", "/search", 5_400);
        request.event = "search";
        request.args = format!("{{\"q\": {}", term.json);
        request.url = format!("/search?q={}", term.url);
        if let Some(category) = category {
            request.args += &format!(", \"category\": \"{category}\"");
            request.url += &format!("&category={category}");
        }
        if sort != "relevance" {
            request.args += &format!(", \"sort\": \"{sort}\"");
            request.url += &format!("&sort={sort}");
        }
        request.args.push('}');
        // the shop's request line always says 0 results; the action line knows better
        request.extra = format!("\"search_query\": {}, \"results_count\": 0, ", term.json);
        let fields = format!(
            "\"user_id\": {}, \"session_id\": \"{}\", \"search_query\": {}, \"category_id\": {}, \
             \"sort_option\": \"{sort}\", \"page\": 1, \"results_count\": {results}, \
             \"results_page_count\": {results}, \"user_agent\": \"{}\", \"ip_address\": \"{}\", \"referrer\": {}",
            self.client.user_json(),
            self.client.sent(),
            term.json,
            number(category),
            self.client.agent,
            self.client.ip,
            optional(self.client.page.as_deref()),
            results = term.results,
        );
        let text = term.text.clone();
        request.action = Some(("search", fields));
        if self.go(shop, request) {
            *shop.truth.searches.entry(text).or_default() += 1;
        }
    }
}
