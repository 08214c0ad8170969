//! What a visitor does with an account: log in and out, register, fill a cart, buy.
//! Knows nothing of why anybody does it.

use crate::{
    catalog::PRODUCTS,
    client::Request,
    json::{optional, quoted},
    pages::Visitor,
    shop::{SECOND, Shop},
};

const CITIES: &[&str] = &["서울시 강남구", "부산시 해운대구", "대전시 유성구", "제주시 애월읍"];
const NAMES: &[&str] = &["김하늘", "이바다", "박나무", "최별"];

impl Visitor {
    /// A try to log in with a wrong password.
    pub fn log_in_wrongly(&mut self, shop: &mut Shop, account: u64) {
        let (id, password) = (self.client.id(shop), format!("guess{}", 1000 + shop.rng.below(9000)));
        let fields = format!(
            "\"username_attempt\": \"user{account}\", \"session_id\": \"{id}\", \"ip_address\": \"{}\", \
             \"user_agent\": \"{}\", \"reason\": \"invalid_credentials\"",
            self.client.ip, self.client.agent
        );
        let mut request = login_attempt(account, &password);
        request.status = 200;
        request.action = Some(("login_failed", fields));
        if self.client.send(shop, &request) {
            self.product = None;
            *shop.truth.login_failed.entry(self.client.ip.clone()).or_default() += 1;
        }
    }

    /// A log-in that succeeds, to the visitor's own account or to one of the many.
    pub fn log_in(&mut self, shop: &mut Shop) {
        let account = *self.account.get_or_insert_with(|| 1 + shop.rng.below(shop.accounts));
        self.log_in_as(shop, account);
    }

    /// A log-in to this account that succeeds.
    pub fn log_in_as(&mut self, shop: &mut Shop, account: u64) {
        self.client.log_in(shop, account + 1);
        let mut request = login_attempt(account, &format!("Pw-{account}-secret!"));
        request.action = Some(("login", self.session_fields(shop, account)));
        self.client.flash("success", &quoted("로그인되었습니다."));
        self.client.send(shop, &request);
        self.product = None;
    }

    /// The log-out: the cookie loses its id; some browsers lose the whole cookie.
    pub fn log_out(&mut self, shop: &mut Shop) {
        let Some(user) = self.client.user() else { return };
        let fields = self.session_fields(shop, user - 1);
        self.client.log_out();
        self.client.flash("success", &quoted("로그아웃되었습니다."));
        let mut request = Request::get("auth.logout", "/auth/logout", 2_100);
        request.status = 302;
        request.action = Some(("logout", fields));
        self.client.send(shop, &request);
        self.product = None;
        if shop.rng.chance(1, 3) {
            self.client.lose_cookie();
        }
    }

    fn session_fields(&mut self, shop: &mut Shop, account: u64) -> String {
        let id = self.client.id(shop);
        format!(
            "\"user_id\": {}, \"session_id\": \"{id}\", \"username\": \"user{account}\", \"ip_address\": \"{}\", \
             \"user_agent\": \"{}\"",
            self.client.user_json(),
            self.client.ip,
            self.client.agent
        )
    }

    /// A new account; one try in five uses a name that is taken.
    pub fn register(&mut self, shop: &mut Shop) {
        let taken = shop.rng.chance(1, 5);
        let account = if taken { 1 + shop.rng.below(shop.accounts) } else { shop.accounts + 1 };
        let form = format!(
            "{{\"username\": \"user{account}\", \"email\": \"user{account}@example.com\", \
             \"password\": \"Pw-{account}-secret!\", \"confirm_password\": \"Pw-{account}-secret!\", \
             \"phone\": \"{}\"}}",
            phone(shop)
        );
        let mut request = Request::post("auth.register", "/auth/register", form, 9_000);
        request.event = "register_attempt";
        request.status = if taken { 200 } else { 302 };
        if self.client.send(shop, &request) && !taken {
            shop.accounts = account;
            self.account = Some(account);
        }
        self.product = None;
    }

    /// Puts the open product (or a popular one) into the cart; without a log-in, the shop asks for it instead.
    pub fn cart_add(&mut self, shop: &mut Shop) {
        let id = self.product.map_or_else(|| shop.product(), |(id, _)| id);
        let quantity = 1 + shop.rng.skewed(0, 4) as u64;
        let form = format!("{{\"product_id\": \"{id}\", \"quantity\": \"{quantity}\"}}");
        let mut request = Request::post("main.add_to_cart", "/cart/add", form, 450);
        request.event = "cart_add";
        request.entity = Some(format!("\"{id}\""));
        if self.client.user().is_none() {
            self.client.flash("message", &quoted("Please log in to access this page."));
            self.client.send(shop, &request);
            return;
        }
        let previous = self.cart.iter().find(|(held, _)| *held == id).map_or(0, |(_, count)| *count);
        let current = previous + quantity;
        let Some(product) = PRODUCTS.get(id as usize - 1) else { return };
        let fields = format!(
            "{}, \"product_price\": {}, \"quantity\": {quantity}, \"is_new_item\": {}, \
             \"previous_quantity\": {previous}, \"current_quantity\": {current}, {}",
            self.product_fields(id),
            product.price,
            previous == 0,
            self.origin_fields()
        );
        request.cost = 5_700;
        request.action = Some(("cart_add", fields));
        self.client
            .flash("success", &quoted(&format!("\"{}\" 상품이 장바구니에 추가되었습니다.", product.name)));
        if self.client.send(shop, &request) {
            shop.truth.cart_add(&mut self.client.footprint, id, self.client.now);
            self.cart.retain(|(held, _)| *held != id);
            self.cart.push((id, current));
        }
    }

    /// Takes the oldest product out of the cart.
    pub fn cart_remove(&mut self, shop: &mut Shop) {
        let Some(&(id, count)) = self.cart.first().filter(|_| self.client.user().is_some()) else { return };
        let form = format!("{{\"product_id\": \"{id}\"}}");
        let mut request = Request::post("main.remove_from_cart", "/cart/remove", form, 4_200);
        request.event = "cart_remove";
        request.entity = Some(format!("\"{id}\""));
        let fields = format!(
            "{}, \"removed_quantity\": {count}, \"previous_quantity\": {count}, \"current_quantity\": 0, {}",
            self.product_fields(id),
            self.origin_fields()
        );
        request.action = Some(("cart_remove", fields));
        if self.client.send(shop, &request) {
            self.cart.remove(0);
        }
    }

    fn product_fields(&self, id: u64) -> String {
        format!(
            "\"user_id\": {}, \"session_id\": \"{}\", \"product_id\": {id}, \"product_name\": {}",
            self.client.user_json(),
            self.client.sent(),
            optional(PRODUCTS.get(id as usize - 1).map(|product| product.name))
        )
    }

    /// The page that a cart action came from, and its kind as the shop guesses it.
    fn origin_fields(&self) -> String {
        let page = self.client.page.as_deref();
        let kind = match page.map(|page| page.trim_start_matches("http://localhost")) {
            None => "direct",
            Some(path) if path == "/products/" || path.starts_with("/products/?") => "product_list",
            Some(path) if path.starts_with("/products/") => "product_detail",
            Some(path) if path.starts_with("/search") => "search_results",
            Some(path) if path.starts_with("/cart") => "cart",
            Some(_) => "unknown",
        };
        format!(
            "\"referrer_page\": {}, \"referrer_type\": \"{kind}\", \"user_agent\": \"{}\", \"ip_address\": \"{}\"",
            optional(page),
            self.client.agent,
            self.client.ip
        )
    }

    /// The cart's page.
    pub fn cart(&mut self, shop: &mut Shop) {
        let mut request = Request::get("main.cart", "/cart", 2_700);
        if self.client.user().is_none() {
            request.status = 302;
        }
        self.client.send(shop, &request);
        self.product = None;
    }

    /// The checkout page: shown to users with something in the cart.
    pub fn checkout(&mut self, shop: &mut Shop) -> bool {
        let mut request = Request::get("main.checkout", "/checkout", 2_900);
        let shown = self.client.user().is_some() && !self.cart.is_empty();
        if !shown {
            request.status = 302;
            self.client.flash("warning", &quoted("장바구니가 비어있습니다."));
        }
        let answered = self.client.send(shop, &request);
        self.product = None;
        if answered && shown {
            shop.truth.step(&mut self.client.footprint, 2, self.client.now);
        }
        answered && shown
    }

    /// Sends the checkout form and is shown the confirmation.
    pub fn purchase(&mut self, shop: &mut Shop) {
        let form = format!(
            "{{\"recipient_name\": {}, \"phone\": \"{}\", \"address\": {}, \"postcode\": \"{:05}\"}}",
            quoted(shop.rng.pick(NAMES)),
            phone(shop),
            quoted(shop.rng.pick(CITIES)),
            1_000 + shop.rng.below(62_000)
        );
        // both or neither: the answer to the form is the way to the confirmation
        if self.client.now + 10 * SECOND > shop.end {
            return;
        }
        self.client.send(shop, &Request::post("main.checkout", "/checkout", form, 6_000));
        shop.truth.orders += 1;
        self.cart.clear();
        self.client.flash("success", &quoted("주문이 완료되었습니다!"));
        let path = format!("/orders/{}/confirmation", shop.truth.orders);
        if self.client.send(shop, &Request::get("main.order_confirmation", path, 3_100)) {
            shop.truth.step(&mut self.client.footprint, 3, self.client.now);
        }
    }
}

fn login_attempt(account: u64, password: &str) -> Request {
    let form = format!("{{\"username\": \"user{account}\", \"password\": \"{password}\"}}");
    let mut request = Request::post("auth.login", "/auth/login", form, 4_500);
    request.event = "login_attempt";
    request.extra = format!("\"username_attempt\": \"user{account}\", ");
    request
}

fn phone(shop: &mut Shop) -> String {
    format!("010-{:04}-{:04}", shop.rng.below(10_000), shop.rng.below(10_000))
}
