//! What the shop's program says of itself: a line before and behind each request, and now and then an error. Messages are
//! pasted into a template, as the shop does it, so that some of its lines are no JSON. Has a chance of its own, so that
//! visitors do the same with and without it. Knows nothing of why anybody asks for a page.

use crate::{
    json::stamp,
    rng::Rng,
    shop::{HOUR, Hour},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// What the system log holds.
#[derive(Default, Serialize)]
pub struct SystemTruth {
    /// All lines; always records + joined.
    pub lines: u64,
    /// Records.
    pub records: u64,
    /// Lines behind the first one of a record.
    pub joined: u64,
    /// Records of each level.
    pub levels: BTreeMap<&'static str, u64>,
}

/// The system log.
pub struct SystemLog {
    rng: Rng,
    pending: BTreeMap<i64, Hour>,
    /// What was written so far.
    pub truth: SystemTruth,
}

impl SystemLog {
    /// An empty log.
    pub fn new(seed: u64) -> Self {
        SystemLog {
            rng: Rng::new(seed.rotate_left(32) ^ 0xa44),
            pending: BTreeMap::new(),
            truth: SystemTruth::default(),
        }
    }

    /// Takes the records of an hour (since 1970, local) that nobody will write into any more.
    pub fn take(&mut self, hour: i64) -> Hour {
        self.pending.remove(&hour).unwrap_or_default()
    }

    /// The program began.
    pub fn started(&mut self, at: i64) {
        self.record(at, "INFO", "웹 서비스 시작 - 날짜별 로깅 설정 완료", "daily_logger", "");
    }

    /// A request was answered.
    pub fn request(&mut self, began: i64, ended: i64, method: &str, path: &str, status: u16) {
        self.record(began, "INFO", &format!("요청 시작: {method} {path}"), "__init__", "");
        let between = began + (ended - began) / 2;
        if status == 500 {
            let message = format!("Exception on {path} [{method}]");
            let cause = "OverflowError: Python int too large to convert to SQLite INTEGER";
            self.exception(between, "ERROR", &message, "detail", cause);
        } else if self.rng.chance(1, 60) {
            self.trouble(between);
        }
        let level = if status < 400 { "INFO" } else { "ERROR" };
        self.record(ended, level, &format!("요청 종료: {method} {path} - {status}"), "__init__", "");
    }

    /// Something that went wrong for no reason that a visitor gave.
    fn trouble(&mut self, at: i64) {
        let number = self.rng.between(1, 400);
        match self.rng.below(7) {
            0 => {
                let message =
                    format!("이미지 열기 오류: [Errno 2] No such file: 'C:\\shop\\images\\{number}.png'");
                self.record(at, "ERROR", &message, "images", "");
            }
            1 => {
                let id = self.rng.hex(1);
                let message = format!("결제 오류: order {id}: \"timed out\" after {number}.5 s");
                self.record(at, "ERROR", &message, "payment", "");
            }
            2 => {
                let message =
                    format!("로그인 오류: {{'username': 'user{number}', 'password': 'Pw-{number}-secret!'}}");
                self.record(at, "ERROR", &message, "auth", "");
            }
            3 => self.exception(
                at,
                "CRITICAL",
                "DB 오류",
                "query",
                "sqlite3.OperationalError: database is locked",
            ),
            4 => {
                let cause = format!("ValueError: invalid literal for int() with base 10: '{number}\"abc'");
                self.exception(at, "ERROR", "Exception on /search [GET]", "search", &cause);
            }
            5 => self.record(at, "WARNING", &format!("느린 응답: {number}\tms"), "__init__", ""),
            _ => {
                let message =
                    format!("체류 시간 DB 저장 오류: {{\"product_id\": {number}}}\", \"module\":\"api");
                self.record(at, "ERROR", &message, "api", "");
            }
        }
    }

    /// An exception with its traceback: within the message, or behind the record as the program's own lines.
    fn exception(&mut self, at: i64, level: &'static str, message: &str, function: &str, cause: &str) {
        let line = self.rng.between(10, 300);
        let traceback = format!(
            "\nTraceback (most recent call last):\n  File \"/shop/views.py\", line {line}, in {function}\n    \
             row = find(\"{function}\")\n\n{cause}"
        );
        if self.rng.chance(1, 2) {
            self.record(at, level, &(message.to_owned() + &traceback), "app", "");
        } else {
            self.record(at, level, message, "app", &traceback.replace("\n\n", "\n"));
        }
    }

    fn record(&mut self, at: i64, level: &'static str, message: &str, module: &str, behind: &str) {
        let joined = (message.matches('\n').count() + behind.matches('\n').count()) as u64;
        self.truth.lines += 1 + joined;
        self.truth.records += 1;
        self.truth.joined += joined;
        *self.truth.levels.entry(level).or_default() += 1;
        self.pending.entry(at.div_euclid(HOUR)).or_default().push(
            at,
            format_args!(
                "{{\"timestamp\":\"{}\", \"level\":\"{level}\", \"message\":\"{message}\", \"module\":\"{module}\"}}{behind}",
                stamp(at)
            ),
        );
    }
}
