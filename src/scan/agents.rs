//! Which user agents name themselves as programs. Knows nothing of lines.

use super::client::HASHER;
use std::collections::HashMap;
use std::hash::BuildHasher;

/// What crawlers, monitors, link previews, HTTP libraries and scanners call themselves, in lower case. There is no list
/// that has them all; these words are in the names of those that robots.txt files and access logs know best.
const WORDS: [&str; 46] = [
    "crawl",
    "spider",
    "slurp",
    "archiver",
    "facebookexternalhit",
    "preview",
    "feedfetcher",
    "mediapartners",
    "apis-google",
    "yeti/",
    "daum/",
    "yandeximages",
    "lighthouse",
    "monitor",
    "pingdom",
    "uptime",
    "statuscake",
    "healthcheck",
    "googlehc/",
    "kube-probe",
    "zabbix",
    "prometheus/",
    "headless",
    "phantomjs",
    "selenium",
    "curl/",
    "wget",
    "apachebench",
    "python-",
    "aiohttp",
    "httpx",
    "scrapy",
    "go-http-client",
    "java/",
    "okhttp",
    "apache-httpclient",
    "libwww",
    "lwp",
    "node-fetch",
    "axios/",
    "postman",
    "sqlmap",
    "nikto",
    "nmap",
    "masscan",
    "zgrab",
];

/// What ends in `bot` and is no program: a maker of telephones.
const EXCEPT: &str = "cubot";

/// Whether a user agent names itself as a program.
pub fn is_bot(agent: &str) -> bool {
    let agent = agent.to_lowercase();
    WORDS.iter().any(|word| agent.contains(word)) || names_bot(&agent)
}

/// Whether a word ends in `bot` or `bots`: not every word with these letters is a program, as `Abbott` is none.
fn names_bot(agent: &str) -> bool {
    let ends_word = |behind: &str| {
        let behind = behind.strip_prefix('s').unwrap_or(behind);
        !behind.starts_with(|next: char| next.is_ascii_lowercase())
    };
    let mut bots = agent.match_indices("bot");
    bots.any(|(at, bot)| ends_word(&agent[at + bot.len()..]) && !agent[..at + bot.len()].ends_with(EXCEPT))
}

/// What is known of a user agent.
#[derive(Debug, Clone, Copy)]
pub struct Agent {
    /// A hash that stands for it.
    pub hash: u64,
    /// Whether it names itself as a program.
    pub is_bot: bool,
}

/// What is known of the user agents met before; one for each thread.
pub struct Agents {
    hasher: foldhash::quality::FixedState,
    known: HashMap<u64, bool, foldhash::fast::FixedState>,
    /// Those met last: comparing one is quicker than hashing it.
    recent: Vec<(Vec<u8>, Agent)>,
}

const RECENT_AGENTS: usize = 128;
/// None that is longer is copied, bytes.
const LONGEST_RECENT: usize = 512;

impl Default for Agents {
    fn default() -> Self {
        let mut agents = Agents { hasher: HASHER.clone(), known: HashMap::default(), recent: Vec::new() };
        let empty = (Vec::new(), agents.look_at(b""));
        agents.recent = vec![empty; RECENT_AGENTS];
        agents
    }
}

impl Agents {
    /// What is known of this user agent.
    #[inline]
    pub fn get(&mut self, agent: &[u8]) -> Agent {
        let place = place(agent);
        if self.recent[place].0 != agent {
            let known = self.look_at(agent);
            if agent.len() > LONGEST_RECENT {
                return known;
            }
            let recent = &mut self.recent[place];
            recent.0.clear();
            recent.0.extend_from_slice(agent);
            recent.1 = known;
        }
        self.recent[place].1
    }

    /// What is known of this user agent. It is looked at once: a hash of 64 bits stands for it.
    fn look_at(&mut self, agent: &[u8]) -> Agent {
        let hash = self.hasher.hash_one(agent);
        let is_bot = *self.known.entry(hash).or_insert_with(|| is_bot(&String::from_utf8_lossy(agent)));
        Agent { hash, is_bot }
    }
}

/// Where a user agent is remembered. Most are told apart by these parts of them (multiplicative hashing; Knuth, The Art of
/// Computer Programming, 6.4).
#[inline]
fn place(agent: &[u8]) -> usize {
    let word = |at: usize| agent[at..].first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
    let eighth = agent.len() / 8;
    let words = [eighth, 3 * eighth, 5 * eighth, 7 * eighth].map(word);
    let mixed = words.iter().fold(agent.len() as u64, |mixed, word| mixed.rotate_left(13) ^ word);
    (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % RECENT_AGENTS
}

#[cfg(test)]
mod tests {
    use super::{Agents, is_bot};

    #[test]
    fn programs_and_people() {
        for (agent, bot) in [
            ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", true),
            ("Mozilla/5.0 (compatible; Yeti/1.1; +https://naver.me/spd) NaverBot", true),
            ("curl/8.5.0", true),
            ("python-requests/2.31.0", true),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/122.0 Safari/537.36",
                false,
            ),
            ("Mozilla/5.0 (compatible; Yeti/1.1; +https://naver.me/spd)", true),
            ("Mozilla/5.0 (compatible; Daum/4.1; +http://cs.daum.net/faq/15/4118.html)", true),
            ("Mozilla/5.0 (Linux; Android 14) Chrome/120.0 Mobile Safari/537.36 DaumApps/6.0", false),
            ("Mozilla/5.0 (compatible; YandexImages/3.0)", true),
            ("APIs-Google (+https://developers.google.com/webmasters/APIs-Google.html)", true),
            ("kube-probe/1.27", true),
            ("ELB-HealthChecker/2.0", true),
            ("GoogleHC/1.0", true),
            ("Zabbix", true),
            ("Prometheus/2.1", true),
            ("ApacheBench/2.3", true),
            ("Wget", true),
            ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", true),
            ("TelegramBot (like TwitterBot)", true),
            ("Mozilla/5.0 (+https://openai.com/bot)", true),
            ("some-bots", true),
            ("Mozilla/5.0 (Linux; Android 9; CUBOT X19) AppleWebKit/537.36", false),
            ("Cubot like Googlebot", true),
            ("abbott", false),
            ("Robotics Browser", false),
            ("Unknown", false),
            ("", false),
        ] {
            assert_eq!(is_bot(agent), bot, "{agent}");
        }
    }

    #[test]
    fn agents_met_before_are_not_taken_for_one_another() {
        let mut agents = Agents::default();
        let agent = |number: usize| {
            format!("Mozilla/5.0 ({:05}; {}) some more text", number, ["x", "bot"][number % 7 / 6])
        };
        for number in (0..3000).chain(0..3000) {
            let agent = agent(number);
            let (known, alone) = (agents.get(agent.as_bytes()), Agents::default().get(agent.as_bytes()));
            assert_eq!((known.hash, known.is_bot), (alone.hash, alone.is_bot), "{agent}");
            assert_eq!(known.is_bot, is_bot(&agent));
        }
    }
}
