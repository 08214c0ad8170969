//! A checked walk over one JSON object a line (RFC 8259): every byte is looked at, every value of a known
//! top-level key is noted as a [`Token`], nothing is copied. Depth is limited by memory only.
//! Knows neither columns' types nor what becomes of the tokens.

use super::fields::{Field, Fields};
use super::stops::Marks;

/// Why a line is no JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The line ends inside the object.
    Truncated,
    /// Something else stands where JSON has only one choice.
    Syntax(&'static str),
    /// There is more text behind the object.
    TrailingText,
}

/// What a value is.
// As wide as the numbers beside it in a token, so that there is no padding to be copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u32)]
pub enum Kind {
    /// `null`
    #[default]
    Null,
    /// `true`
    True,
    /// `false`
    False,
    /// A number without fraction and exponent.
    Integer,
    /// Any other number.
    Float,
    /// A string without escapes; the token's bytes are those between the quotes.
    Text,
    /// A string with escapes, still escaped.
    EscapedText,
    /// An object, braces included.
    Object,
    /// An array, brackets included.
    Array,
}

/// A value: what it is and which bytes of the buffer it takes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Its first byte.
    pub start: u32,
    /// The byte behind its last.
    pub end: u32,
}

/// The bytes of a token.
#[inline]
pub fn slice(bytes: &[u8], token: Token) -> &[u8] {
    &bytes[token.start as usize..token.end as usize]
}

/// The values of one line's known keys; of a key given twice, the last (as Python's `json` has it).
pub struct Tokens {
    values: [Token; 64],
    seen: u64,
}

impl Default for Tokens {
    fn default() -> Self {
        Tokens { values: [Token::default(); 64], seen: 0 }
    }
}

impl Tokens {
    /// The value of this field, `None` where the line does not have it.
    #[inline]
    pub fn get(&self, field: Field) -> Option<Token> {
        (self.seen & (1 << field.0) != 0).then(|| self.values[usize::from(field.0 & 63)])
    }

    /// Whether the line has none of the keys.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.seen == 0
    }

    #[inline]
    pub(super) fn set(&mut self, field: Field, token: Token) {
        self.seen |= 1 << field.0;
        self.values[usize::from(field.0 & 63)] = token;
    }

    pub(super) fn clear(&mut self) {
        self.seen = 0;
    }
}

/// A buffer, of which a line's stops are marked (see [`super::stops`]), padded with newlines, and a place in the line.
pub struct Walker<'a> {
    bytes: &'a [u8],
    marks: &'a Marks,
    /// The place that the walk has come to; after a fault, where it is.
    pub at: usize,
}

/// Bytes that JSON allows between tokens, but for the newline, which ends the line.
#[inline]
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

impl<'a> Walker<'a> {
    /// A walker at the beginning of `bytes`.
    pub fn new(bytes: &'a [u8], marks: &'a Marks) -> Self {
        Walker { bytes, marks, at: 0 }
    }

    /// Walks over the object that begins at `self.at` and the rest of its line, and leaves `self.at` behind
    /// the newline.
    ///
    /// # Errors
    /// The fault, with `self.at` where it is.
    pub fn object_line(&mut self, fields: &mut Fields, tokens: &mut Tokens) -> Result<(), Fault> {
        tokens.clear();
        self.members(fields, tokens)?;
        self.skip_space();
        if self.peek() != b'\n' {
            return Err(Fault::TrailingText);
        }
        self.at += 1;
        Ok(())
    }

    fn members(&mut self, fields: &mut Fields, tokens: &mut Tokens) -> Result<(), Fault> {
        self.at += 1;
        self.skip_space();
        if self.peek() == b'}' {
            self.at += 1;
            return Ok(());
        }
        loop {
            let name = self.key()?;
            let field = fields.find(&self.bytes[name.start as usize..name.end as usize], name.kind);
            let token = self.value()?;
            if let Some(field) = field {
                tokens.set(field, token);
            }
            self.skip_space();
            match self.peek() {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.expected("',' or '}' behind a value")),
            }
            self.skip_space();
        }
    }

    /// A key and its colon; leaves `self.at` at the value.
    fn key(&mut self) -> Result<Token, Fault> {
        if self.peek() != b'"' {
            return Err(self.expected("a key in double quotes"));
        }
        let name = self.string()?;
        self.skip_space();
        if self.peek() != b':' {
            return Err(self.expected("':' behind a key"));
        }
        self.at += 1;
        self.skip_space();
        Ok(name)
    }

    #[inline]
    fn peek(&self) -> u8 {
        self.bytes[self.at]
    }

    #[inline]
    fn skip_space(&mut self) {
        while is_space(self.peek()) {
            self.at += 1;
        }
    }

    fn expected(&self, what: &'static str) -> Fault {
        if self.peek() == b'\n' { Fault::Truncated } else { Fault::Syntax(what) }
    }

    #[inline]
    fn value(&mut self) -> Result<Token, Fault> {
        let start = self.at;
        let kind = match self.peek() {
            b'"' => return self.string(),
            b'{' | b'[' => self.nested()?,
            b'-' | b'0'..=b'9' => self.number()?,
            b'n' => self.word(b"null", Kind::Null)?,
            b't' => self.word(b"true", Kind::True)?,
            b'f' => self.word(b"false", Kind::False)?,
            _ => return Err(self.expected("a value")),
        };
        Ok(Token { kind, start: start as u32, end: self.at as u32 })
    }

    fn word(&mut self, word: &'static [u8], kind: Kind) -> Result<Kind, Fault> {
        for &byte in word {
            if self.peek() != byte {
                return Err(self.expected("null, true or false"));
            }
            self.at += 1;
        }
        Ok(kind)
    }

    /// The string whose opening quote is at `self.at`.
    #[inline(always)]
    pub(super) fn string(&mut self) -> Result<Token, Fault> {
        let start = self.at + 1;
        let mut kind = Kind::Text;
        self.at = self.marks.next_stop(start);
        loop {
            match self.peek() {
                b'"' => {
                    self.at += 1;
                    return Ok(Token { kind, start: start as u32, end: self.at as u32 - 1 });
                }
                b'\\' => {
                    kind = Kind::EscapedText;
                    self.escape()?;
                    self.at = self.marks.next_stop(self.at);
                }
                b'\n' => return Err(Fault::Truncated),
                _ => return Err(Fault::Syntax("control characters in a string must be escaped")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        self.at += 1;
        match self.peek() {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
            b'u' => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_ascii_hexdigit() {
                        return Err(self.expected("four hexadecimal digits behind \\u"));
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.expected("one of \" \\ / b f n r t u behind a backslash")),
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Fault> {
        if !self.peek().is_ascii_digit() {
            return Err(self.expected("a digit"));
        }
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Kind, Fault> {
        let mut kind = Kind::Integer;
        if self.peek() == b'-' {
            self.at += 1;
        }
        if self.peek() == b'0' {
            self.at += 1;
            if self.peek().is_ascii_digit() {
                return Err(Fault::Syntax("no digit behind a leading zero"));
            }
        } else {
            self.digits()?;
        }
        if self.peek() == b'.' {
            kind = Kind::Float;
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            kind = Kind::Float;
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(kind)
    }

    /// An object or array with all that it holds; what is open is not on the stack, so that no depth can overflow it.
    pub(super) fn nested(&mut self) -> Result<Kind, Fault> {
        let outer = if self.peek() == b'{' { Kind::Object } else { Kind::Array };
        let mut open = Open::default();
        loop {
            // At the beginning of a value.
            let opening = self.peek();
            if matches!(opening, b'{' | b'[') {
                self.at += 1;
                self.skip_space();
                let is_object = opening == b'{';
                if self.peek() != closing(is_object) {
                    open.push(is_object);
                    if is_object {
                        self.key()?;
                    }
                    continue;
                }
                self.at += 1;
            } else {
                self.value()?;
            }
            // Behind a value: close what ends here, then go on to the next value.
            loop {
                let Some(is_object) = open.last() else { return Ok(outer) };
                self.skip_space();
                match self.peek() {
                    b',' => break,
                    byte if byte == closing(is_object) => {
                        self.at += 1;
                        open.pop();
                    }
                    _ => return Err(self.expected("',' or a closing bracket behind a value")),
                }
            }
            self.at += 1;
            self.skip_space();
            if open.last() == Some(true) {
                self.key()?;
            }
        }
    }
}

/// What ends an object or else an array.
#[inline]
pub(super) fn closing(is_object: bool) -> u8 {
    if is_object { b'}' } else { b']' }
}

/// What is open, a bit each: whether it is an object. The 64 innermost ones need no memory of their own.
#[derive(Default)]
pub(super) struct Open {
    innermost: u64,
    depth: usize,
    outer: Vec<u64>,
}

impl Open {
    #[inline]
    pub(super) fn push(&mut self, is_object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.outer.push(self.innermost);
        }
        self.innermost = self.innermost << 1 | u64::from(is_object);
        self.depth += 1;
    }

    #[inline]
    pub(super) fn last(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.innermost & 1 == 1)
    }

    #[inline]
    pub(super) fn pop(&mut self) {
        self.innermost >>= 1;
        self.depth = self.depth.saturating_sub(1);
        if self.depth.is_multiple_of(64)
            && let Some(outer) = self.outer.pop()
        {
            self.innermost = outer;
        }
    }
}

/// Appends the text of an escaped string (between its quotes, already checked) to `out`.
///
/// A surrogate without its partner stands for no character; U+FFFD takes its place.
pub fn unescape(escaped: &[u8], out: &mut Vec<u8>) {
    let mut rest = escaped;
    while let Some(backslash) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..backslash]);
        let code = rest[backslash + 1];
        rest = &rest[backslash + 2..];
        match code {
            b'b' => out.push(0x08),
            b'f' => out.push(0x0c),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let (character, used) = unicode(rest);
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                rest = &rest[used..];
            }
            other => out.push(other),
        }
    }
    out.extend_from_slice(rest);
}

/// Appends the inside of a checked string, still as JSON has it, but with the characters themselves in place of `\uXXXX`: for
/// whoever searches in it. What has to be escaped stays so, as do halves of surrogate pairs, which are no characters.
pub fn with_characters(escaped: &[u8], out: &mut Vec<u8>) {
    let mut rest = escaped;
    while let Some(backslash) = memchr::memchr(b'\\', rest) {
        let (mut length, mut shown) = (2, None);
        if rest[backslash + 1] == b'u' {
            let (character, used) = unicode(&rest[backslash + 2..]);
            let is_half = character == char::REPLACEMENT_CHARACTER;
            length += used;
            shown = Some(character).filter(|c| !(is_half || c.is_control() || matches!(c, '"' | '\\')));
        }
        out.extend_from_slice(&rest[..backslash]);
        match shown {
            Some(character) => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            None => out.extend_from_slice(&rest[backslash..backslash + length]),
        }
        rest = &rest[backslash + length..];
    }
    out.extend_from_slice(rest);
}

/// The character that the digits behind `\u` stand for, and how many bytes it takes up with its partner.
fn unicode(digits: &[u8]) -> (char, usize) {
    let first = hexadecimal(digits);
    if (0xd800..0xdc00).contains(&first) && digits[4..].starts_with(b"\\u") {
        let second = hexadecimal(&digits[6..]);
        if (0xdc00..0xe000).contains(&second) {
            let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 10);
        }
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 4)
}

fn hexadecimal(digits: &[u8]) -> u32 {
    digits[..4].iter().fold(0, |code, &digit| code << 4 | char::from(digit).to_digit(16).unwrap_or(0))
}
