//! The rules that keep a query's meaning the same in Polars, DuckDB and Spark, as a list of faults.

use loganalyze::schema::{self, Type};
use std::collections::BTreeSet;

/// Upper-case words that all engines know and mean the same by. A word that is not here may be right: try it on all of
/// them, then add it.
const KEYWORDS: &[&str] = &[
    "ALL",
    "AND",
    "AS",
    "ASC",
    "BETWEEN",
    "BIGINT",
    "BY",
    "CASE",
    "CROSS",
    "CURRENT",
    "DESC",
    "DISTINCT",
    "DOUBLE",
    "ELSE",
    "END",
    "FALSE",
    "FILTER",
    "FROM",
    "GROUP",
    "HAVING",
    "IN",
    "INNER",
    "IS",
    "JOIN",
    "LAST",
    "LEFT",
    "LIKE",
    "LIMIT",
    "NOT",
    "NULL",
    "NULLS",
    "ON",
    "OR",
    "ORDER",
    "OVER",
    "PARTITION",
    "PRECEDING",
    "ROW",
    "ROWS",
    "SELECT",
    "STRING",
    "THEN",
    "TRUE",
    "UNBOUNDED",
    "UNION",
    "VALUES",
    "WHEN",
    "WHERE",
    "WITH",
];
/// Of ROUND the engines mean the same but for what lies exactly between two numbers.
const FUNCTIONS: &[&str] = &[
    "ABS",
    "AVG",
    "CAST",
    "COALESCE",
    "COUNT",
    "LAG",
    "LOWER",
    "MAX",
    "MEDIAN",
    "MIN",
    "NULLIF",
    "RANK",
    "ROUND",
    "SPLIT_PART",
    "SUM",
];
/// Functions whose names the engines do not agree on: written in lower case, translated by one small table.
const TRANSLATED: &[&str] = &["make_timestamp", "quantile_cont", "regexp_like"];
/// Those that take no frame.
const WITHOUT_FRAME: &[&str] = &["LAG", "RANK"];
const FRAME: &str = "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW";

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Number,
    Text,
    Symbol(String),
}

impl Token {
    fn is(&self, what: &str) -> bool {
        match self {
            Token::Word(text) | Token::Symbol(text) => text == what,
            _ => false,
        }
    }

    fn word(&self) -> Option<&str> {
        if let Token::Word(word) = self { Some(word) } else { None }
    }
}

fn tokens(sql: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = sql.trim_start();
    while let Some(first) = rest.chars().next() {
        let part = |accept: fn(char) -> bool| rest.find(|c| !accept(c)).unwrap_or(rest.len());
        let length = match first {
            // The mark of a parameter, which is a comment to every engine.
            '/' if rest.starts_with("/*:") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '\'' => {
                // '' within a text begins another one, which means the same here.
                tokens.push(Token::Text);
                rest[1..].find('\'').map_or(rest.len(), |end| end + 2)
            }
            '0'..='9' => {
                tokens.push(Token::Number);
                part(|c| c.is_ascii_alphanumeric() || c == '.')
            }
            c if c.is_alphanumeric() || c == '_' => {
                let end = part(|c| c.is_alphanumeric() || c == '_');
                tokens.push(Token::Word(rest[..end].into()));
                end
            }
            _ => {
                let two = ["::", "||", "--", "/*", "<=", ">=", "<>", "!=", "=="];
                let end = if two.iter().any(|two| rest.starts_with(two)) { 2 } else { first.len_utf8() };
                tokens.push(Token::Symbol(rest[..end].into()));
                end
            }
        };
        rest = rest[length..].trim_start();
    }
    tokens
}

/// A query as tokens, with the partner of each bracket.
struct Query {
    tokens: Vec<Token>,
    partner: Vec<usize>,
    faults: Vec<String>,
}

impl Query {
    fn new(sql: &str) -> Query {
        let tokens = tokens(sql);
        let mut partner = vec![usize::MAX; tokens.len()];
        let mut open = Vec::new();
        for (at, token) in tokens.iter().enumerate() {
            if token.is("(") {
                open.push(at);
            } else if token.is(")")
                && let Some(begin) = open.pop()
            {
                (partner[begin], partner[at]) = (at, begin);
            }
        }
        Query { tokens, partner, faults: Vec::new() }
    }

    fn is(&self, at: usize, what: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| token.is(what))
    }

    fn words(&self, from: usize, to: usize) -> String {
        let shown = |token: &Token| match token {
            Token::Word(text) | Token::Symbol(text) => text.clone(),
            Token::Number => "1".into(),
            Token::Text => "'…'".into(),
        };
        self.tokens[from.min(to)..to].iter().map(shown).collect::<Vec<_>>().join(" ")
    }

    fn fault(&mut self, at: usize, what: &str) {
        let near = self.words(at.saturating_sub(3), (at + 4).min(self.tokens.len()));
        self.faults.push(format!("{what}: … {near} …"));
    }

    fn places(&self, what: &str) -> Vec<usize> {
        (0..self.tokens.len()).filter(|&at| self.is(at, what)).collect()
    }

    /// Whether the brackets that begin here hold `… AS TYPE` after CAST.
    fn is_cast(&self, open: usize, kind: &str) -> bool {
        let close = self.partner[open];
        open > 0 && self.is(open - 1, "CAST") && self.is(close - 1, kind) && self.is(close - 2, "AS")
    }

    fn check_words(&mut self) {
        for at in 0..self.tokens.len() {
            match self.tokens[at].clone() {
                Token::Word(word) if word.chars().any(char::is_uppercase) => {
                    let known = if self.is(at + 1, "(") { [KEYWORDS, FUNCTIONS] } else { [KEYWORDS, &[]] };
                    if !known.concat().contains(&word.as_str()) {
                        self.fault(at, "not a word that all engines know, or a name that is not lower-case");
                    }
                }
                // The names of a list of values and its columns.
                Token::Word(_) if at > 0 && self.is(at - 1, "AS") => {}
                Token::Word(word) if self.is(at + 1, "(") && !TRANSLATED.contains(&word.as_str()) => {
                    self.fault(at, "not a function that all engines know");
                }
                Token::Symbol(symbol)
                    if ["\"", "`", "[", "::", "||", "--", "/*", "=="].contains(&&*symbol) =>
                {
                    self.fault(at, "not a sign that all engines know");
                }
                _ => {}
            }
        }
    }

    /// The names of the query's own relations.
    fn relations(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let mut at = if self.is(0, "WITH") { 1 } else { return names };
        while self.is(at + 1, "AS") && self.is(at + 2, "(") {
            names.extend(self.tokens[at].word().map(str::to_owned));
            let close = self.partner[at + 2];
            if close == usize::MAX || !self.is(close + 1, ",") {
                break;
            }
            at = close + 2;
        }
        names
    }

    fn check_relations(&mut self) {
        let own = self.relations();
        for at in [self.places("FROM"), self.places("JOIN")].concat() {
            if self.is(at + 1, "(") && self.is(at + 2, "VALUES") {
                continue;
            }
            let name = self.tokens.get(at + 1).and_then(Token::word).unwrap_or_default();
            if !is_relation(name) && !own.contains(name) {
                self.fault(at, "neither 'events' nor 'app_events' nor a relation of its own");
            }
            if self.is(at + 2, ",") && self.is(at, "FROM") {
                self.fault(at, "a join by comma");
            }
        }
        for name in own.iter().filter(|name| schema::column(name).is_some() || is_relation(name)) {
            self.faults.push(format!("the relation {name} is called like a column or like events"));
        }
    }

    fn check_windows(&mut self) {
        for at in self.places("OVER") {
            let called = self.partner[at - 1].checked_sub(1).and_then(|name| self.tokens.get(name));
            let function = called.and_then(Token::word).unwrap_or_default().to_owned();
            if !self.is(at + 1, "(") {
                self.fault(at, "a named window");
                continue;
            }
            let inside = self.words(at + 2, self.partner[at + 1]);
            if !inside.contains("ORDER BY") {
                self.fault(at, "a window without an order");
            }
            let framed = inside.ends_with(FRAME);
            if WITHOUT_FRAME.contains(&function.as_str()) == inside.contains("ROWS") {
                self.fault(at, "a frame where none may be, or none where it must be said");
            } else if inside.contains("ROWS") && !framed {
                self.fault(at, "a frame that Polars does not know");
            }
        }
    }

    fn check_sums(&mut self) {
        let is_double = |name: &str| schema::column(name).is_some_and(|column| column.kind == Type::Double);
        for at in self.places("SUM") {
            let close = self.partner[at + 1];
            let cast = self.is(at + 2, "CAST")
                && self.partner[at + 3] + 1 == close
                && (self.is_cast(at + 3, "BIGINT") || self.is_cast(at + 3, "DOUBLE"));
            let double = close == at + 3 && self.tokens[at + 2].word().is_some_and(is_double);
            if !cast && !double {
                self.fault(at, "a SUM of neither CAST(… AS BIGINT) nor a double");
            }
        }
    }

    fn check_divisions(&mut self) {
        for at in self.places("/") {
            let before = self.is(at - 1, ")") && self.is_cast(self.partner[at - 1], "DOUBLE");
            let after = self.is(at + 1, "CAST") && self.is_cast(at + 2, "DOUBLE");
            if !(before && after) {
                self.fault(at, "a division of what is not CAST(… AS DOUBLE) on both sides");
            }
        }
        // (a % n + n) % n is the same everywhere.
        let places = self.places("%");
        let inner = |at: usize| {
            let shape =
                [(2, "+"), (4, ")"), (5, "%")].iter().all(|&(behind, sign)| self.is(at + behind, sign));
            shape && [3, 6].iter().all(|&behind| self.tokens.get(at + behind) == self.tokens.get(at + 1))
        };
        let faults: Vec<usize> =
            places.into_iter().filter(|&at| !(inner(at) || at >= 5 && inner(at - 5))).collect();
        for at in faults {
            self.fault(at, "a remainder that differs for negative numbers: write (a % n + n) % n");
        }
    }

    /// The parts of the ORDER BY that ends the query, or none.
    fn final_order(&self) -> Option<Vec<Vec<Token>>> {
        let outside =
            |at: usize| (0..at).filter(|&open| self.is(open, "(")).all(|open| self.partner[open] < at);
        let at = self.places("ORDER").into_iter().rev().find(|&at| outside(at))?;
        Some(self.tokens[at + 2..].split(|token| token.is(",")).map(<[Token]>::to_vec).collect())
    }

    fn check_order(&mut self) {
        let Some(order) = self.final_order() else {
            self.faults.push("no ORDER BY at the end".into());
            return;
        };
        for part in order {
            let shape: Vec<&str> = part.iter().skip(1).filter_map(Token::word).collect();
            let known = ["", "DESC", "NULLS LAST", "DESC NULLS LAST"].contains(&shape.join(" ").as_str());
            let is_name = part.first().and_then(Token::word).is_some_and(|name| name.to_lowercase() == name);
            if !is_name || !known || shape.len() + 1 != part.len() {
                self.faults
                    .push(format!("ORDER BY something else than 'column [DESC] [NULLS LAST]': {part:?}"));
            }
        }
    }
}

fn is_relation(name: &str) -> bool {
    schema::RELATIONS.iter().any(|relation| relation.name == name)
}

/// What is wrong with a query; nothing, where it is portable.
pub fn faults(sql: &str) -> Vec<String> {
    let mut query = Query::new(sql);
    query.check_words();
    query.check_relations();
    query.check_windows();
    query.check_sums();
    query.check_divisions();
    query.check_order();
    query.faults
}

/// The columns that the final ORDER BY sorts by, and whether each says NULLS LAST.
pub fn sorted_by(sql: &str) -> Vec<(String, bool)> {
    let order = Query::new(sql).final_order().unwrap_or_default();
    let column = |part: &Vec<Token>| {
        (part[0].word().unwrap_or_default().to_owned(), part.iter().any(|token| token.is("NULLS")))
    };
    order.iter().map(column).collect()
}

#[test]
fn the_lint_finds_what_it_is_for() {
    let good = "WITH a AS (SELECT path, LAG(path) OVER (PARTITION BY visitor_id ORDER BY epoch_us) AS before, \
                SUM(CAST(quantity AS BIGINT)) OVER (PARTITION BY page ORDER BY epoch_us ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS n \
                FROM events WHERE path = 'It''s || \"x\" :: /') \
                SELECT path, make_timestamp((n % /*:every*/ 60 + /*:every*/ 60) % /*:every*/ 60) AS t, SUM(process_time) AS s, quantile_cont(process_time, 0.5) AS m, CAST(n AS DOUBLE) / CAST(2 AS DOUBLE) AS h \
                FROM a CROSS JOIN (VALUES (0), (1)) AS list(digit) GROUP BY path ORDER BY h DESC NULLS LAST, path";
    assert_eq!(faults(good), [""; 0]);
    for (right, wrong, fault) in [
        ("FROM a", "FROM logs", "neither 'events'"),
        ("FROM a", "FROM a, events", "join by comma"),
        ("(VALUES (0), (1))", "(SELECT 0 UNION ALL SELECT 1)", "neither 'events'"),
        ("WITH a", "WITH events", "called like"),
        ("CAST(n AS DOUBLE) /", "n /", "division"),
        ("/ CAST(2 AS DOUBLE)", "/ 2", "division"),
        ("SUM(CAST(quantity AS BIGINT))", "SUM(quantity)", "a SUM of"),
        ("SUM(process_time)", "SUM(quantity)", "a SUM of"),
        ("SUM(process_time)", "SUM(CAST(quantity AS BIGINT) * quantity)", "a SUM of"),
        (" ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW", "", "a frame where"),
        ("UNBOUNDED PRECEDING", "1 PRECEDING", "a frame that"),
        (
            "ORDER BY epoch_us)",
            "ORDER BY epoch_us ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)",
            "a frame where",
        ),
        ("PARTITION BY visitor_id ORDER BY epoch_us", "PARTITION BY visitor_id", "without an order"),
        (" ORDER BY h DESC NULLS LAST, path", "", "no ORDER BY at the end"),
        ("NULLS LAST", "NULLS FIRST", "all engines"),
        ("ORDER BY h", "ORDER BY h + 1", "something else"),
        ("SELECT path, make", "SELECT path || page, make", "not a sign"),
        ("SELECT path, make", "SELECT \"path\", make", "not a sign"),
        ("SELECT path, make", "SELECT path::text, make", "not a sign"),
        ("SELECT path, make", "SELECT Path, make", "not lower-case"),
        ("SELECT path, make", "SELECT date_trunc('day', timestamp), make", "not a function"),
        ("SELECT path, make", "SELECT regexp_replace(path, '1', '2'), make", "not a function"),
        ("SELECT path, make", "SELECT CONCAT(path, page), make", "not a word"),
        ("SELECT path, make", "SELECT EXTRACT(HOUR FROM timestamp), make", "not a word"),
        ("SELECT path, make", "SELECT DATE_PART('hour', timestamp), make", "not a word"),
        ("SELECT path, make", "SELECT timestamp + INTERVAL '1' DAY, make", "not a word"),
        ("SELECT path, make", "SELECT epoch_us % 60 AS x, path, make", "a remainder"),
        ("SELECT path, make", "SELECT (epoch_us % 60 + n) % 60 AS x, path, make", "a remainder"),
        ("LAG(path)", "ROW_NUMBER()", "not a word"),
        ("WHERE path =", "WHERE EXISTS (SELECT path FROM events) AND path =", "not a word"),
    ] {
        assert!(good.contains(right), "{right}");
        let found = faults(&good.replacen(right, wrong, 1));
        assert!(found.iter().any(|found| found.contains(fault)), "{wrong}: {found:?}");
    }
}
