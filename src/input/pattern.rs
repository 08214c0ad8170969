//! Patterns of file names, as a shell understands them. Knows nothing of what is behind the names.

use crate::error::Error;
use std::path::{Component, Path};

/// Whether a name that no file has is a pattern.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// That this is no pattern, and why.
pub fn no_pattern(text: &str, error: &glob::PatternError) -> Error {
    Error::Usage(format!("'{text}' is not a pattern: {}", error.msg))
}

/// As a shell matches, but for names that begin with a dot: see [`is_hidden_from`].
pub const LIKE_A_SHELL: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// Whether a path that the pattern matches has a name that begins with a dot, which a shell matches only where the pattern
/// has the dot, too. (The crate, asked for that, panics at names that are not UTF-8.)
pub fn is_hidden_from(pattern: &str, path: &Path) -> bool {
    let dotted = pattern.split('/').filter(|part| part.starts_with('.'));
    let dotted: Vec<glob::Pattern> = dotted.filter_map(|part| glob::Pattern::new(part).ok()).collect();
    path.components().any(|part| match part {
        Component::Normal(name) => {
            let name = name.to_string_lossy();
            name.starts_with('.') && !dotted.iter().any(|dotted| dotted.matches(&name))
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leading_dot_is_matched_by_a_dot_alone() {
        for (pattern, path, hidden) in [
            ("logs/*.log", "logs/a.log", false),
            ("logs/*.log", "logs/.a.log", true),
            ("logs/.*.log", "logs/.a.log", false),
            ("logs/**/*.log", "logs/.git/a.log", true),
            ("/srv/.logs/*.log", "/srv/.logs/a.log", false),
            ("/srv/.l?gs/*.log", "/srv/.logs/.a.log", true),
            ("../logs/*.log", "../logs/a.log", false),
        ] {
            assert_eq!(is_hidden_from(pattern, Path::new(path)), hidden, "{pattern} {path}");
        }
    }
}
