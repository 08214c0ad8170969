//! When a rule fires: a small language, and what it means. Knows nothing of the rows that it is asked of.
//!
//! ```text
//! any                              the report has rows
//! error_rate > 0.05                a row has more than that in this column
//! sum(failures) >= 100             so have all together; also max(…), min(…), rows
//! success = true, level = 'ERROR'  a row has this value
//! lines < 50% of same weekday      the day against the median of the same weekday before
//! rejects > 1%                     the lines that the run could not read
//! ```

use crate::error::{Error, did_you_mean};
use crate::report::ResultColumn;
use crate::schema::Type;
use crate::sink::readable::is_part;

/// When a rule fires.
#[derive(Debug, Clone, PartialEq)]
pub enum When {
    /// The report has a row.
    Any,
    /// The left side compares so with the right one.
    Compare(Left, Op, Right),
}

/// What is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// A column, in each row.
    Column(String),
    /// All numbers of a column together.
    Sum(String),
    /// The largest of a column.
    Max(String),
    /// The smallest of a column.
    Min(String),
    /// How many rows there are.
    Rows,
    /// How many lines of the day's logs are events.
    Lines,
    /// How many lines the run rejected.
    Rejects,
}

/// How two sides are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// `>`
    More,
    /// `>=`
    AtLeast,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `=` or `==`
    Equal,
    /// `!=`
    Unequal,
}

/// What it is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Right {
    /// A number; of a percentage, the fraction.
    Number(f64),
    /// So many hundredths of all lines, as a fraction.
    Share(f64),
    /// So many hundredths of what is usual on this weekday, as a fraction.
    Usual(f64),
    /// Text.
    Text(String),
    /// True or false.
    Flag(bool),
}

impl Op {
    /// Whether the comparison holds.
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Op::More => left > right,
            Op::AtLeast => left >= right,
            Op::Less => left < right,
            Op::AtMost => left <= right,
            Op::Equal => left == right,
            Op::Unequal => left != right,
        }
    }
}

const OPERATORS: [(&str, Op); 7] = [
    (">=", Op::AtLeast),
    ("<=", Op::AtMost),
    ("!=", Op::Unequal),
    ("==", Op::Equal),
    (">", Op::More),
    ("<", Op::Less),
    ("=", Op::Equal),
];

/// What stands behind a share that is compared with earlier days.
const WEEKDAY: &str = "of same weekday";

impl When {
    /// Reads a condition; `of_report` says whether the rule looks at a report.
    ///
    /// # Errors
    /// `Error::Usage` that says how to write it.
    pub fn parse(text: &str, of_report: bool) -> Result<When, Error> {
        let text = text.trim();
        if text == "any" {
            return match of_report {
                true => Ok(When::Any),
                false => Err(Error::Usage(
                    "'any' asks whether a report has rows: name one with report = \"…\"".into(),
                )),
            };
        }
        let found = text.find(['<', '>', '=', '!']).and_then(|at| {
            let (sign, op) = OPERATORS.iter().find(|(sign, _)| text[at..].starts_with(sign))?;
            Some((text[..at].trim(), *op, text[at + sign.len()..].trim()))
        });
        let Some((left, op, right)) = found else {
            return Err(Error::Usage(format!(
                "'{text}' is no condition: write any, or a comparison such as error_rate > 0.05, sum(failures) >= 100, \
                 rows > 0, lines < 50% of same weekday, rejects > 1%"
            )));
        };
        let left = Left::parse(left, of_report)?;
        let right = Right::parse(right, &left)?;
        let ordered = !matches!(op, Op::Equal | Op::Unequal);
        if ordered && matches!(right, Right::Text(_) | Right::Flag(_)) {
            return Err(Error::Usage(format!(
                "'{text}': texts, true and false are compared with = or != only"
            )));
        }
        Ok(When::Compare(left, op, right))
    }

    /// Whether it suits the columns of the report, if it is of one.
    ///
    /// # Errors
    /// `Error::Usage` for a column that is not there, or cannot be compared so.
    pub fn check(&self, of: Option<(&str, &[ResultColumn])>) -> Result<(), Error> {
        let (When::Compare(left, _, right), Some((report, columns))) = (self, of) else { return Ok(()) };
        let (Left::Column(name) | Left::Sum(name) | Left::Max(name) | Left::Min(name)) = left else {
            return Ok(());
        };
        let Some(column) = columns.iter().find(|column| column.name == *name) else {
            let names = || columns.iter().map(|column| column.name.as_str());
            let near = did_you_mean(name, names());
            let all = names().collect::<Vec<_>>().join(", ");
            return Err(Error::Usage(format!(
                "{report} has no column '{name}'{near}: its columns are {all}"
            )));
        };
        let kind = column.kind;
        let fits = match right {
            Right::Text(_) => kind.sql() == "text",
            Right::Flag(_) => kind == Type::Boolean,
            _ => matches!(kind, Type::Bigint | Type::Double),
        };
        let what = match right {
            Right::Text(_) => "text",
            Right::Flag(_) => "true or false",
            _ => "a number",
        };
        if !fits {
            return Err(Error::Usage(format!(
                "'{name}' of {report} is a {} and cannot be compared with {what}",
                kind.sql()
            )));
        }
        match right {
            Right::Number(number) if *number > 1.0 && is_part(name) && !matches!(left, Left::Sum(_)) => {
                Err(Error::Usage(format!(
                    "'{name}' of {report} is a fraction, which is never more than 1: write {number}% or {}",
                    number / 100.0
                )))
            }
            _ => Ok(()),
        }
    }
}

impl Left {
    fn parse(text: &str, of_report: bool) -> Result<Left, Error> {
        let wrong = |why: String| Err(Error::Usage(format!("'{text}': {why}")));
        let is_name = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        if !of_report {
            return match text {
                "lines" => Ok(Left::Lines),
                "rejects" => Ok(Left::Rejects),
                _ => wrong("without report = \"…\" there are lines and rejects only".into()),
            };
        }
        if let Some((report, column)) = text.split_once('.').filter(|(report, _)| !report.is_empty()) {
            return wrong(format!("name the report as report = \"{report}\", and write {column} alone"));
        }
        if let Some((function, rest)) = text.split_once('(') {
            let name = rest.strip_suffix(')').map(str::trim).filter(|name| is_name(name));
            let Some(name) = name.map(str::to_owned) else {
                return wrong("write the name of a column between the brackets".into());
            };
            return match function.trim() {
                "sum" => Ok(Left::Sum(name)),
                "max" => Ok(Left::Max(name)),
                "min" => Ok(Left::Min(name)),
                other => {
                    let near = did_you_mean(other, ["sum", "max", "min"]);
                    wrong(format!("there are sum, max and min, not {other}{near}"))
                }
            };
        }
        match text {
            "rows" => Ok(Left::Rows),
            "rejects" => wrong("rejects are of the whole run: leave report out".into()),
            _ if is_name(text) => Ok(Left::Column(text.into())),
            _ => wrong("this is the name of no column".into()),
        }
    }
}

impl Right {
    fn parse(text: &str, left: &Left) -> Result<Right, Error> {
        let wrong = |why: &str| Err(Error::Usage(format!("'{text}': {why}")));
        if let Some(share) = text.strip_suffix(WEEKDAY) {
            let Some(share) = percent(share) else {
                return wrong("write a percentage before it, such as 50% of same weekday");
            };
            return match left {
                Left::Column(_) => {
                    wrong("each row has a number of its own: compare sum(…), max(…), min(…) or rows")
                }
                Left::Rejects => wrong("lines are compared with those of earlier days, rejects are not"),
                _ => Ok(Right::Usual(share)),
            };
        }
        let quoted = ['\'', '"'].iter().find_map(|&quote| text.strip_prefix(quote)?.strip_suffix(quote));
        match (quoted, text, left) {
            (Some(quoted), _, Left::Column(_)) => return Ok(Right::Text(quoted.into())),
            (None, "true" | "false", Left::Column(_)) => return Ok(Right::Flag(text == "true")),
            _ => {}
        }
        match (percent(text), left) {
            (Some(share), Left::Rejects) => Ok(Right::Share(share)),
            (Some(_), Left::Lines | Left::Rows) => {
                wrong("of what? Write a number, or a percentage and 'of same weekday'")
            }
            (Some(share), _) => Ok(Right::Number(share)),
            (None, _) => match number(text) {
                Some(number) => Ok(Right::Number(number)),
                None => wrong("this is no number, such as 0.05 or 5%; texts stand in 'quotes'"),
            },
        }
    }
}

fn number(text: &str) -> Option<f64> {
    // Rust would also take inf, nan and 1e5.
    let plain = text.strip_prefix('-').unwrap_or(text);
    let digits = plain.chars().all(|c| c.is_ascii_digit() || c == '.')
        && plain.starts_with(|c: char| c.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn percent(text: &str) -> Option<f64> {
    number(text.trim().strip_suffix('%')?.trim()).map(|percent| percent / 100.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn conditions() {
        let column = || Left::Column("error_rate".into());
        for (text, left, op, right) in [
            ("error_rate > 0.05", column(), Op::More, Right::Number(0.05)),
            ("error_rate>=5%", column(), Op::AtLeast, Right::Number(0.05)),
            ("error_rate < -1", column(), Op::Less, Right::Number(-1.0)),
            ("error_rate <= 1", column(), Op::AtMost, Right::Number(1.0)),
            ("error_rate = 'a > b'", column(), Op::Equal, Right::Text("a > b".into())),
            ("error_rate == \"\"", column(), Op::Equal, Right::Text(String::new())),
            ("error_rate!=true", column(), Op::Unequal, Right::Flag(true)),
            ("rows > 3", Left::Rows, Op::More, Right::Number(3.0)),
            ("sum( failures ) > 3", Left::Sum("failures".into()), Op::More, Right::Number(3.0)),
            ("max(a) < 50 % of same weekday", Left::Max("a".into()), Op::Less, Right::Usual(0.5)),
        ] {
            assert_eq!(When::parse(text, true).unwrap(), When::Compare(left, op, right), "{text}");
        }
        let lines = When::Compare(Left::Lines, Op::Less, Right::Usual(0.5));
        assert_eq!(When::parse("lines < 50% of same weekday", false).unwrap(), lines);
        let rejects = When::Compare(Left::Rejects, Op::More, Right::Share(0.01));
        assert_eq!(When::parse("rejects > 1%", false).unwrap(), rejects);
        assert_eq!(When::parse(" any ", true).unwrap(), When::Any);
    }

    #[test]
    fn what_is_no_condition_is_said() {
        for (text, of_report, said) in [
            ("any", false, "name one with report"),
            ("many", true, "is no condition"),
            ("errors.error_rate > 0.05", true, "report = \"errors\""),
            ("avg(x) > 1", true, "sum, max and min"),
            ("sum(x > 1", true, "between the brackets"),
            ("rows > 5%", true, "of what?"),
            ("x > 50% of same weekday", true, "sum(…)"),
            ("x > much", true, "no number"),
            ("x > 1e5", true, "no number"),
            ("x > 'a'", true, "with = or != only"),
            ("X > 1", true, "name of no column"),
            ("rejects > 1%", true, "leave report out"),
            ("rows > 1", false, "lines and rejects only"),
            ("lines < 50%", false, "of what?"),
            ("rejects > 50% of same weekday", false, "rejects are not"),
        ] {
            let error = When::parse(text, of_report).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn conditions_suit_their_columns() {
        let columns = crate::report::find("login-incidents").unwrap().header.columns;
        let check = |text: &str| {
            let when = When::parse(text, true).unwrap();
            when.check(Some(("login-incidents", &columns))).map_err(|error| error.to_string())
        };
        for right in ["attempts > 5", "success = true", "kind != 'spray'", "rows > 1", "max(peak) > 5"] {
            assert_eq!(check(right), Ok(()), "{right}");
        }
        for (wrong, said) in [
            ("atempts > 5", "did you mean 'attempts'?"),
            ("kind > 5", "a text and cannot be compared with a number"),
            ("attempts = true", "true or false"),
            ("sum(first) > 5", "a timestamp"),
        ] {
            assert!(check(wrong).unwrap_err().contains(said), "{wrong}");
        }
        // What tables show as 5 % is 0.05.
        let columns = crate::report::find("errors").unwrap().header.columns;
        let check = |text: &str| When::parse(text, true).unwrap().check(Some(("errors", &columns)));
        assert!(check("error_rate > 5").unwrap_err().to_string().contains("write 5% or 0.05"));
        for right in ["error_rate > 5%", "error_rate >= 1", "sum(error_rate) > 5", "errors > 5"] {
            assert!(check(right).is_ok(), "{right}");
        }
    }
}
