//! What the shop sells and who comes: products, search terms, browsers, the rhythm of a day. Data only.

use crate::json::{percent, quoted};

/// One product; its id is its place in `PRODUCTS` plus 1.
pub struct Product {
    /// Its name.
    pub name: &'static str,
    /// Its price, as it is printed.
    pub price: &'static str,
}

const fn product(name: &'static str, price: &'static str) -> Product {
    Product { name, price }
}

/// All products, the most popular first.
pub const PRODUCTS: &[Product] = &[
    product("한빛 스마트폰 A7", "699.99"),
    product("가온 노트북 14", "1199.0"),
    product("소리샘 무선 헤드폰", "189.99"),
    product("남성 린넨 셔츠", "39.99"),
    product("여성 울 카디건", "54.99"),
    product("오크 원목 책상", "329.0"),
    product("LED 독서등", "29.99"),
    product("가온 태블릿 \"미니\"", "449.99"),
    product("65인치 QLED TV", "899.99"),
    product("패브릭 2인용 소파", "499.99"),
    product("블루투스 스피커", "79.99"),
    product("기계식 키보드", "119.99"),
    product("게이밍 마우스", "49.99"),
    product("제주 감귤 5kg", "24.99"),
    product("견과류 선물세트", "44.99"),
    product("드립 커피 100개입", "34.99"),
    product("캔버스 운동화", "59.99"),
    product("등산 배낭 30L", "89.99"),
    product("방수 재킷", "129.99"),
    product("요가 매트", "27.99"),
    product("스테인리스 텀블러", "19.99"),
    product("공기청정기", "249.99"),
    product("로봇청소기", "379.99"),
    product("전기 포트", "39.5"),
    product("무쇠 프라이팬", "45.99"),
    product("면 100% 이불 세트", "99.99"),
    product("메모리폼 베개", "35.99"),
    product("벽시계", "22.99"),
    product("유리 화병", "18.99"),
    product("아동용 퍼즐", "15.99"),
    product("보드게임 C:\\마을", "32.99"),
    product("수채화 물감 24색", "21.99"),
    product("만년필", "64.99"),
    product("가죽 지갑", "74.99"),
    product("스마트 시계", "219.99"),
    product("액션캠", "299.99"),
    product("삼각대", "42.99"),
    product("SSD 1TB", "94.99"),
    product("USB-C 허브", "36.99"),
    product("한정판 우표첩", "149.99"),
];

/// Ids that somebody links to and that do not exist.
pub const MISSING_IDS: &[u64] = &[9_999, 12_345, 404_404];

/// A search term in the three forms in which logs show it.
pub struct Term {
    /// As it was meant; a lone surrogate is U+FFFD.
    pub text: String,
    /// As a JSON string.
    pub json: String,
    /// In a URL.
    pub url: String,
    /// How many products it finds.
    pub results: u64,
}

const TERMS: &[(&str, u64)] = &[
    ("스마트폰", 3),
    ("노트북", 2),
    ("헤드폰", 1),
    ("소파", 1),
    ("TV", 1),
    ("커피", 1),
    ("셔츠", 1),
    ("청소기", 2),
    ("운동화", 1),
    ("선물", 4),
    ("keyboard", 0),
    ("면 100%", 1),
    ("\"게임 의자\"", 0),
    ("니트\t스웨터", 0),
    ("a\\b", 0),
    ("  ", 0),
    ("캠핑 🏕", 0),
];

const HOSTILE_TERMS: &[&str] = &[
    "=1+1",
    "@SUM(A1)",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "<script>alert(1)</script>",
    "\u{1b}[2J\u{1b}[31mred",
    "\u{202e}txt.exe",
    "zero\u{0}byte",
    "line\r\nbreak",
];

/// What visitors search for.
pub fn terms() -> Vec<Term> {
    TERMS.iter().map(|(text, results)| term(text, quoted(text), *results)).collect()
}

/// What attackers of whoever reads the log search for.
pub fn hostile_terms() -> Vec<Term> {
    let lone = [("\u{fffd}", r#""\ud800""#), ("tail \u{fffd}x", r#""tail \udfffx""#)];
    let written = HOSTILE_TERMS.iter().map(|text| term(text, quoted(text), 0));
    written.chain(lone.map(|(text, json)| term(text, json.to_owned(), 0))).collect()
}

fn term(text: &str, json: String, results: u64) -> Term {
    Term { text: text.to_owned(), json, url: percent(text), results }
}

/// What most clients say they are.
pub const UNKNOWN_AGENT: &str = "Unknown";

/// Browsers that say what they are.
pub const BROWSERS: &[&str] = &[
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 15; SM-S921N) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:135.0) Gecko/20100101 Firefox/135.0",
];

/// Programs that visit the shop.
pub const BOTS: &[&str] = &[
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; Yeti/1.1; +https://naver.me/spd)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "python-requests/2.32.3",
];

/// Where visitors come from; most say nothing.
pub const OUTSIDE: &[&str] =
    &["https://www.google.com/", "https://search.naver.com/search.naver", "https://m.search.daum.net/search"];

/// How busy each hour of the day is: quiet nights, an evening peak.
pub const HOURS: [u64; 24] =
    [14, 8, 5, 4, 3, 5, 10, 20, 32, 40, 44, 48, 56, 50, 46, 46, 50, 58, 72, 90, 104, 96, 64, 32];

/// How busy each hour of a day at the weekend is.
pub const WEEKEND_HOURS: [u64; 24] =
    [24, 16, 10, 6, 4, 4, 6, 12, 24, 42, 60, 72, 78, 80, 82, 80, 78, 76, 80, 88, 92, 84, 60, 38];
