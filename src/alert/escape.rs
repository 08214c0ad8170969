//! Log text where services would take parts of it as commands: nobody is called, no link is made, no markup is set.

use crate::sink::visible;

/// Behind characters that begin a call or a link. It has no width, and ends what it stands in.
const GAP: char = '\u{200b}';

/// One line, of at most so many characters, in which nothing calls anybody or links anywhere.
pub fn inert(text: &str, most: usize) -> String {
    let shown: Vec<char> = visible(text).chars().collect();
    let mut inert = String::new();
    for (at, &letter) in shown.iter().enumerate() {
        if at == most {
            inert.push('…');
            break;
        }
        inert.push(letter);
        let next = shown.get(at + 1).copied().unwrap_or_default();
        let begins = match letter {
            // `@everyone`, `<!channel>`, `#general`
            '@' | '<' | '#' => true,
            // `https://…`, `mailto:…`
            ':' => next == '/' || shown[..at].ends_with(&['m', 'a', 'i', 'l', 't', 'o']),
            // `www.example.com`; but what somebody may want to copy stays whole: addresses and numbers
            '.' => next.is_alphabetic(),
            // `[bank](…)`
            ']' => next == '(',
            _ => false,
        };
        if begins {
            inert.push(GAP);
        }
    }
    inert
}

/// As Slack wants it in any text.
pub fn slack(text: &str, most: usize) -> String {
    inert(text, most).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// As Discord wants what is no Markdown.
pub fn discord(text: &str, most: usize) -> String {
    let mut escaped = String::new();
    for letter in inert(text, most).chars() {
        if letter.is_ascii_punctuation() {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: [&str; 8] = [
        "<!channel>",
        "<@U0123>",
        "@everyone",
        "@here",
        "<https://evil.example|bank>",
        "[bank](https://evil.example)",
        "<#C01>",
        "www.evil.example",
    ];

    #[test]
    fn nothing_in_log_text_is_a_command() {
        for text in HOSTILE {
            for escaped in [slack(text, 100), discord(text, 100)] {
                assert!(!escaped.contains(text), "{escaped}");
                for part in ["<!", "<@", "<#", "@everyone", "@here", "://", "](", "www.evil", "evil.example"]
                {
                    assert!(!escaped.contains(part), "{escaped}");
                }
            }
            assert!(!slack(text, 100).contains(['<', '>']));
        }
        assert_eq!(discord("*a* _b_ `c` ~~d~~ ||e||", 100), r"\*a\* \_b\_ \`c\` \~\~d\~\~ \|\|e\|\|");
        assert_eq!(slack("a & b\nc", 100), "a &amp; b\\nc");
    }

    #[test]
    fn addresses_and_numbers_can_be_copied() {
        for text in
            ["ip=107.238.3.54; 2001:db8::a7", "error_rate is 1.0", "page=/products/{id}", "10:20:30.5"]
        {
            assert_eq!(inert(text, 100), text);
        }
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(inert("가나다라", 3), "가나다…");
        assert_eq!(inert("가나다", 3), "가나다");
    }
}
