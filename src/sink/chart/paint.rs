//! Lines of a picture: pieces of text in a few inks, cut to the terminal's columns, and bars of block characters.
//! Knows nothing of what is drawn.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use crate::sink::Style;

/// How a piece of text looks where colour is allowed. Nothing is said by colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    Plain,
    Title,
    Aside,
    Data,
}

impl Ink {
    fn code(self) -> &'static str {
        match self {
            Ink::Plain => "",
            Ink::Title => "\u{1b}[1m",
            Ink::Aside => "\u{1b}[2m",
            Ink::Data => "\u{1b}[36m",
        }
    }
}

/// A line of a picture.
#[derive(Debug, Default)]
pub struct Line(Vec<(Ink, String)>);

impl Line {
    pub fn new(ink: Ink, text: impl Into<String>) -> Line {
        Line(vec![(ink, text.into())])
    }

    pub fn plain(text: impl Into<String>) -> Line {
        Line::new(Ink::Plain, text)
    }

    /// The line with a piece more.
    pub fn and(mut self, ink: Ink, text: impl Into<String>) -> Line {
        self.0.push((ink, text.into()));
        self
    }

    /// Writes the line without spaces at its end, and no wider than `width` columns.
    pub fn write(mut self, style: &Style, width: usize, out: &mut impl Write) -> io::Result<()> {
        while let Some((_, text)) = self.0.last_mut() {
            text.truncate(text.trim_end().len());
            if !text.is_empty() {
                break;
            }
            self.0.pop();
        }
        let mut left = width;
        for (ink, text) in self.0 {
            let text = cut(&text, left);
            left = left.saturating_sub(text.width());
            let text = if style.ascii { ascii(&text) } else { text };
            if style.color && !ink.code().is_empty() && !text.trim().is_empty() {
                write!(out, "{}{text}\u{1b}[0m", ink.code())?;
            } else {
                out.write_all(text.as_bytes())?;
            }
        }
        out.write_all(b"\n")
    }
}

/// `text`, or what of it fits into so many columns with an ellipsis.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let Some(room) = width.checked_sub(1) else { return String::new() };
    // A width is looked up for every beginning of the text; marks without a width could make it long.
    let ends = text.char_indices().map(|(at, _)| at).take(4 * width + 4);
    let end = ends.take_while(|&end| text[..end].width() <= room).last().unwrap_or(0);
    text[..end].to_owned() + "…"
}

/// `text` in exactly so many columns, at the left.
pub fn left(text: &str, width: usize) -> String {
    let text = cut(text, width);
    let pad = width.saturating_sub(text.width());
    text + &" ".repeat(pad)
}

/// `text` in exactly so many columns, at the right.
pub fn right(text: &str, width: usize) -> String {
    let text = cut(text, width);
    " ".repeat(width.saturating_sub(text.width())) + &text
}

/// The widest of these texts, in columns.
pub fn widest<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts.map(UnicodeWidthStr::width).max().unwrap_or(0)
}

/// Words on as many lines as they need; a word that is wider than a line is cut.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= width => *line = format!("{line} {word}"),
            _ => lines.push(cut(word, width)),
        }
    }
    lines
}

/// A bar to the right, so many eighths of a column long.
pub fn bar(eighths: usize) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    "█".repeat(eighths / 8) + PARTS[eighths % 8]
}

/// How much of `whole` steps a share from 0 to 1 is; what is more than nothing is at least one.
pub fn steps(share: f64, whole: usize) -> usize {
    let steps = (share * whole as f64).round() as usize;
    if share > 0.0 { steps.max(1).min(whole) } else { 0 }
}

/// The same picture where there is nothing but ASCII to draw with: each sign becomes one as wide.
fn ascii(text: &str) -> String {
    let sign = |c| match c {
        '█' | '▉' | '▊' | '▋' | '▌' | '▐' | '▓' => '#',
        '▇' | '▆' | '▅' | '▀' => '#',
        '▍' | '▎' | '▏' => '|',
        '▄' | '▃' | '▒' => '=',
        '▂' | '▁' | '…' | '╌' => '.',
        '░' | '·' => '-',
        '─' | '–' => '-',
        '│' => '|',
        '┤' | '└' | '┬' => '+',
        c => c,
    };
    text.chars().map(sign).collect()
}
