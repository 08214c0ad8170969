//! What the name of a log file says: its family, its date, how often it was rotated.
//! Knows nothing of folders and of what is in a file.

use super::Logs;

/// The parts of a name such as `user_activity-2025-03-10.log.1.gz`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Name {
    /// The name without date, rotation and compression: `user_activity`.
    pub(super) family: String,
    /// Year, month, day and whatever finer numbers follow them; empty where the name has no date.
    /// Compared number by number, so that later names are greater.
    pub(super) date: Vec<u64>,
    /// `.1` is the newest of the rotated files; the file still being written has no number.
    pub(super) rotation: Option<u64>,
}

impl Name {
    /// Which of the shop's logs is called so, if one is.
    pub(super) fn logs(&self) -> Option<Logs> {
        match self.family.as_str() {
            "user_activity" => Some(Logs::Activity),
            "app" => Some(Logs::System),
            _ => None,
        }
    }
}

const COMPRESSIONS: [&str; 4] = [".gz", ".zst", ".bz2", ".xz"];

/// The parts of a file name, or `None` where it does not look like that of a log.
pub(super) fn parse(name: &str) -> Option<Name> {
    let name = COMPRESSIONS.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
    let (stem, suffixes) = name.rsplit_once(".log")?;
    let (family, mut date) = split_date(stem);
    let mut rotation = None;
    let mut rest = suffixes;
    while let Some(text) = rest.strip_prefix(['.', '-']) {
        if let Some((day, after)) = leading_date(text).filter(|_| date.is_empty()) {
            (date, rest) = (day, after);
        } else {
            let (number, after) = leading_number(text).filter(|_| rotation.is_none())?;
            (rotation, rest) = (Some(number), after);
        }
    }
    rest.is_empty().then(|| Name { family: family.to_owned(), date, rotation })
}

/// Files that a folder of logs also holds but that are no logs: hidden ones and Fluentd's unflushed buffers.
pub(super) fn is_no_log(name: &str) -> bool {
    name.starts_with('.') || name.starts_with("buffer.")
}

/// Whether a file that is not called like a log may be one all the same; one that is being written by a program is none yet.
pub(super) fn may_be_log(name: &str) -> bool {
    !name.ends_with(".tmp") && (name.contains(".log") || name.starts_with("user_activity"))
}

/// `user_activity-2025-03-10` as `user_activity` and the date; a stem without a date as it is.
fn split_date(stem: &str) -> (&str, Vec<u64>) {
    let borders = stem.match_indices(['-', '.', '_']).map(|(at, _)| (at, at + 1));
    std::iter::once((0, 0))
        .chain(borders)
        .find_map(|(end, start)| match leading_date(&stem[start..])? {
            (date, "") => Some((&stem[..end], date)),
            _ => None,
        })
        .unwrap_or((stem, Vec::new()))
}

/// The date that a text begins with, with the hour, seconds or counter that may follow, and the text behind.
fn leading_date(text: &str) -> Option<(Vec<u64>, &str)> {
    let (mut date, mut rest) = dashed_day(text).or_else(|| compact_day(text))?;
    if !matches!(date[..], [1970..=2999, 1..=12, 1..=31, ..]) {
        return None;
    }
    while let Some((number, after)) = rest.strip_prefix(['-', '_']).and_then(leading_number) {
        date.push(number);
        rest = after;
    }
    Some((date, rest))
}

/// `2025-03-10`
fn dashed_day(text: &str) -> Option<(Vec<u64>, &str)> {
    let (date, rest) = text.split_at_checked("YYYY-MM-DD".len())?;
    let (year, month_and_day) = date.split_once('-')?;
    let (month, day) = month_and_day.split_once('-')?;
    let lengths_fit = (year.len(), month.len()) == (4, 2) && !rest.starts_with(|c: char| c.is_ascii_digit());
    let date = [year, month, day].into_iter().map(whole_number).collect::<Option<_>>()?;
    lengths_fit.then_some((date, rest))
}

/// `20250310`, or with hour, minute, second directly behind: `2025031016`
fn compact_day(text: &str) -> Option<(Vec<u64>, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(digits);
    let (day, time) = digits.split_at_checked(8)?;
    let parts = [&day[..4], &day[4..6], &day[6..], time];
    let date = parts.into_iter().filter(|part| !part.is_empty()).map(whole_number).collect::<Option<_>>()?;
    Some((date, rest))
}

fn leading_number(text: &str) -> Option<(u64, &str)> {
    let (digits, rest) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    Some((whole_number(digits)?, rest))
}

/// Stricter than `parse`, which takes `+1`.
fn whole_number(digits: &str) -> Option<u64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_rotated_name() {
        let forms: &[(&str, &str, &[u64], Option<u64>)] = &[
            ("user_activity.log", "user_activity", &[], None),
            ("user_activity-2025-03-10.log", "user_activity", &[2025, 3, 10], None),
            ("user_activity.log.2025-03-12", "user_activity", &[2025, 3, 12], None),
            ("user_activity.log.1", "user_activity", &[], Some(1)),
            ("user_activity.log.10.gz", "user_activity", &[], Some(10)),
            ("user_activity.log.2.zst", "user_activity", &[], Some(2)),
            ("user_activity.log.2025-03-12.bz2", "user_activity", &[2025, 3, 12], None),
            ("user_activity-2025-03-10.log.xz", "user_activity", &[2025, 3, 10], None),
            ("user_activity-2025-03-10.log.3.gz", "user_activity", &[2025, 3, 10], Some(3)),
            ("user_activity.20250310.log.gz", "user_activity", &[2025, 3, 10], None),
            ("user_activity.20250310_1.log", "user_activity", &[2025, 3, 10, 1], None),
            ("user_activity.log-20250310", "user_activity", &[2025, 3, 10], None),
            ("user_activity.log.20250310", "user_activity", &[2025, 3, 10], None),
            ("user_activity.log-20250310-16.gz", "user_activity", &[2025, 3, 10, 16], None),
            ("user_activity.log-2025031016", "user_activity", &[2025, 3, 10, 16], None),
            ("user_activity.log-20250310-1623456789", "user_activity", &[2025, 3, 10, 1_623_456_789], None),
            ("user_activity.log.2025-03-10_16-30", "user_activity", &[2025, 3, 10, 16, 30], None),
            ("app.log", "app", &[], None),
            ("app-2025-03-10.log", "app", &[2025, 3, 10], None),
            ("app.log.1.gz", "app", &[], Some(1)),
            ("app.20250310.log", "app", &[2025, 3, 10], None),
            ("application.log", "application", &[], None),
            ("app-web.log", "app-web", &[], None),
            ("2025-03-10.log", "", &[2025, 3, 10], None),
            ("x-2025-13-10.log", "x-2025-13-10", &[], None),
            ("x-12345678.log", "x-12345678", &[], None),
            ("사용자.log.1", "사용자", &[], Some(1)),
        ];
        for (name, family, date, rotation) in forms {
            let expected = Name { family: family.to_string(), date: date.to_vec(), rotation: *rotation };
            assert_eq!(parse(name), Some(expected), "{name}");
        }
    }

    #[test]
    fn other_names_are_no_logs() {
        let others =
            ["README.md", "x.log.tmp", "x.log.1.2", "x.log.pos", ".x.log.swp", "x.logs", "x.log.", "x.log1"];
        for name in others {
            assert_eq!(parse(name), None, "{name}");
        }
        assert!(is_no_log(".user_activity.log") && is_no_log("buffer.b5f0.log"));
        assert!(!is_no_log("buffers.log"));
    }
}
