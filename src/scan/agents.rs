//! Which user agents name themselves as programs. Knows nothing of lines.

use super::client::HASHER;
use std::collections::HashMap;
use std::hash::BuildHasher;

/// What crawlers, monitors, link previews, HTTP libraries and scanners call themselves, in lower case. There is no list
/// that has them all; these words are in the names of those that robots.txt files and access logs know best.
const WORDS: [&str; 37] = [
    "bot",
    "crawl",
    "spider",
    "slurp",
    "archiver",
    "facebookexternalhit",
    "preview",
    "feedfetcher",
    "mediapartners",
    "lighthouse",
    "monitor",
    "pingdom",
    "uptime",
    "statuscake",
    "headless",
    "phantomjs",
    "selenium",
    "curl/",
    "wget/",
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

/// Words that hold one of [`WORDS`] and are no programs: a maker of telephones.
const EXCEPT: [&str; 1] = ["cubot"];

/// Whether a user agent names itself as a program.
pub fn is_bot(agent: &str) -> bool {
    let mut agent = agent.to_lowercase();
    for word in EXCEPT {
        agent = agent.replace(word, "");
    }
    WORDS.iter().any(|word| agent.contains(word))
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
}

impl Default for Agents {
    fn default() -> Self {
        Agents { hasher: HASHER.clone(), known: HashMap::default() }
    }
}

impl Agents {
    /// What is known of this user agent. It is looked at once: a hash of 64 bits stands for it.
    #[inline]
    pub fn get(&mut self, agent: &[u8]) -> Agent {
        let hash = self.hasher.hash_one(agent);
        let is_bot = *self.known.entry(hash).or_insert_with(|| is_bot(&String::from_utf8_lossy(agent)));
        Agent { hash, is_bot }
    }
}

#[cfg(test)]
mod tests {
    use super::is_bot;

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
            ("Mozilla/5.0 (Linux; Android 9; CUBOT X19) AppleWebKit/537.36", false),
            ("Unknown", false),
            ("", false),
        ] {
            assert_eq!(is_bot(agent), bot, "{agent}");
        }
    }
}
