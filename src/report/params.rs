//! Parameters of a report: named in its header, marked in its SQL by a comment before the literal that is the default:
//!
//! ```sql
//! -- params: every duration = 1d
//! SELECT epoch_us - epoch_us % /*:every*/ 86400000000 AS start …
//! ```
//! So the file runs as it is, on every engine, with the defaults; what the user gives takes the literals' places, as
//! literals.

use crate::error::Error;

/// Microseconds of a millisecond.
const MILLISECOND: i64 = 1_000;
/// Microseconds of a second.
const SECOND: i64 = 1_000_000;
/// Microseconds of a day.
const DAY: i64 = 86_400 * SECOND;

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamType {
    /// A time such as `30m`; in SQL a number of microseconds, at least 1.
    Duration,
    /// A whole number, at least 1.
    Bigint,
    /// A number, at least 0.
    Double,
    /// Any text.
    Text,
}

/// A parameter of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// Its name in the SQL; its option is called the same, with hyphens.
    pub name: String,
    /// Its type.
    pub kind: ParamType,
    /// What it is unless an option says otherwise, as one would type it.
    pub default: String,
    /// What it means.
    pub meaning: String,
}

impl Param {
    /// The parameter of `name type = default`.
    pub fn parse(text: &str) -> Option<Param> {
        let (declared, default) = text.split_once('=')?;
        let (name, kind) = declared.trim().split_once(' ')?;
        let kind = match kind.trim() {
            "duration" => ParamType::Duration,
            "bigint" => ParamType::Bigint,
            "double" => ParamType::Double,
            "text" => ParamType::Text,
            _ => return None,
        };
        let param = Param { name: name.into(), kind, default: default.trim().into(), meaning: String::new() };
        param.literal(&param.default).is_ok().then_some(param)
    }

    /// The option that sets it, without the hyphens before.
    pub fn option(&self) -> String {
        self.name.replace('_', "-")
    }

    /// A value as an SQL literal.
    ///
    /// # Errors
    /// `Error::Usage` where it is not of the parameter's type.
    pub fn literal(&self, value: &str) -> Result<String, Error> {
        let wrong = |what: &str| Error::Usage(format!("--{} '{value}' is no {what}", self.option()));
        match self.kind {
            ParamType::Duration => match duration(value)? {
                0 => Err(wrong("time that passes")),
                time => Ok(time.to_string()),
            },
            ParamType::Bigint => match value.parse::<i64>() {
                Ok(number @ 1..) => Ok(number.to_string()),
                _ => Err(wrong("whole number from 1 up")),
            },
            ParamType::Double => match value.parse::<f64>() {
                // Not every engine reads an exponent.
                Ok(number) if number.is_finite() && number >= 0.0 => {
                    let digits = number.to_string();
                    Ok(if digits.contains('.') { digits } else { digits + ".0" })
                }
                _ => Err(wrong("number from 0 up")),
            },
            ParamType::Text => Ok(format!("'{}'", value.replace('\'', "''"))),
        }
    }
}

/// What a parameter's place in the SQL begins with.
const MARK: &str = "/*:";

/// The SQL with these literals, by parameter, in every place of theirs; the marks stay. What a literal holds is no mark.
///
/// # Errors
/// `Error::Query` where a mark stands before something else than a literal.
pub fn bind(sql: &str, literals: &[(&str, String)]) -> Result<String, Error> {
    let mut bound = String::new();
    let mut rest = sql;
    while let Some((before, mark, behind)) = next_mark(rest) {
        let Some((_, literal)) = literals.iter().find(|(name, _)| *name == mark) else {
            bound += &rest[..rest.len() - behind.len()];
            rest = behind;
            continue;
        };
        let place = behind.trim_start();
        let end = literal_end(place).ok_or_else(|| {
            Error::Query(format!("behind {MARK}{mark}*/ must stand a number or a text in single quotes"))
        })?;
        bound += &format!("{before}{MARK}{mark}*/ {literal}");
        rest = &place[end..];
    }
    Ok(bound + rest)
}

/// What stands before the first mark, the parameter that it names, and what stands behind it.
fn next_mark(sql: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = sql.split_once(MARK)?;
    let (name, behind) = rest.split_once("*/")?;
    Some((before, name, behind))
}

/// The parameters' names and the literals behind their marks, in order.
pub fn marked(sql: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = sql;
    std::iter::from_fn(move || {
        loop {
            let (_, name, behind) = next_mark(rest)?;
            let place = behind.trim_start();
            let Some(end) = literal_end(place) else {
                rest = behind;
                continue;
            };
            rest = &place[end..];
            return Some((name, &place[..end]));
        }
    })
}

/// Where the literal ends with which this begins.
fn literal_end(text: &str) -> Option<usize> {
    if let Some(rest) = text.strip_prefix('\'') {
        // A doubled quote stands for one.
        let mut end = rest.find('\'')?;
        while rest[end + 1..].starts_with('\'') {
            end += 2 + rest[end + 2..].find('\'')?;
        }
        return Some(end + 2);
    }
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    (end > 0).then_some(end)
}

/// The longest duration: what is reckoned with it has room in 64 bits.
const LONGEST: i64 = 36_500 * DAY;

/// Microseconds of `250ms`, `90s`, `30m`, `12h`, `7d`, `2w`, or several such parts in a row.
///
/// # Errors
/// `Error::Usage` for anything else.
pub fn duration(text: &str) -> Result<i64, Error> {
    let wrong = || {
        Error::Usage(format!(
            "'{text}' is no duration: use a number and ms, s, m, h, d or w, such as 30m or 7d"
        ))
    };
    let mut total: i64 = 0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let count: i64 = rest[..digits].parse().map_err(|_| wrong())?;
        let end = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| digits + at);
        let unit = match &rest[digits..end] {
            "ms" => MILLISECOND,
            "s" => SECOND,
            "m" => 60 * SECOND,
            "h" => 3600 * SECOND,
            "d" => DAY,
            "w" => 7 * DAY,
            _ => return Err(wrong()),
        };
        total = count.checked_mul(unit).and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
        rest = &rest[end..];
        if total > LONGEST {
            return Err(Error::Usage(format!(
                "'{text}' is too long: a duration has 36500d at most, 100 years"
            )));
        }
    }
    Ok(total)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("90s").unwrap(), 90 * SECOND);
        assert_eq!(duration("1d12h").unwrap(), DAY + DAY / 2);
        assert_eq!(duration("2w").unwrap(), 14 * DAY);
        assert_eq!(duration("1m250ms").unwrap(), 60 * SECOND + 250_000);
        for wrong in [
            "",
            "7",
            "d",
            "7 d",
            "1y",
            "1sm",
            "99999999999999999999d",
            "9223372036854775807w",
            "36501d",
            "7é",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn values_become_literals_of_their_type() {
        let param = |text: &str| Param::parse(text).unwrap();
        assert_eq!(param("every duration = 1d").literal("30s").unwrap(), "30000000");
        assert_eq!(param("min_failures bigint = 5").option(), "min-failures");
        for (value, literal) in [("2", "2.0"), ("1e-5", "0.00001"), ("1e17", "100000000000000000.0")] {
            assert_eq!(param("limit double = 0.5").literal(value).unwrap(), literal);
        }
        assert_eq!(param("who text = x").literal("it's").unwrap(), "'it''s'");
        for (text, value) in [
            ("a duration = 1d", "0s"),
            ("a bigint = 5", "0"),
            ("a bigint = 5", "5; DROP"),
            ("a double = 1", "-1"),
        ] {
            assert!(param(text).literal(value).is_err(), "{value}");
        }
        for wrong in ["a", "a bigint", "a number = 1", "a bigint = x", "bigint = 1"] {
            assert!(Param::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn literals_take_the_places_of_defaults() {
        let sql = "SELECT /*:n*/ 12.5, /*:m*/'', /*:n*/'it''s''', /*:other*/ 1";
        let literals = |pairs: &[(&'static str, &str)]| -> Vec<(&str, String)> {
            pairs.iter().map(|(name, literal)| (*name, literal.to_string())).collect()
        };
        let n = literals(&[("n", "7")]);
        assert_eq!(bind(sql, &n).unwrap(), "SELECT /*:n*/ 7, /*:m*/'', /*:n*/ 7, /*:other*/ 1");
        // A value is a value, whatever it looks like.
        let hostile = literals(&[("n", "'/*:m*/ 5'"), ("m", "', 1 AS z, /*:n*/ '")]);
        let bound = bind(sql, &hostile).unwrap();
        assert_eq!(
            bound,
            "SELECT /*:n*/ '/*:m*/ 5', /*:m*/ ', 1 AS z, /*:n*/ ', /*:n*/ '/*:m*/ 5', /*:other*/ 1"
        );
        let names: Vec<&str> = marked(&bound).map(|(name, _)| name).collect();
        assert_eq!(names, ["n", "m", "n", "other"]);
        assert_eq!(
            marked(sql).collect::<Vec<_>>(),
            [("n", "12.5"), ("m", "''"), ("n", "'it''s'''"), ("other", "1")]
        );
        assert!(bind("SELECT /*:n*/ x", &n).is_err());
        assert!(bind("SELECT /*:n*/ 'x", &n).is_err());
    }
}
