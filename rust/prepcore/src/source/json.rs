//! One line of JSONL: checked as a whole, the text member decoded, and the rest of the object kept verbatim.
//!
//! A scanner of our own, because it does in one pass and without an allocation what a general parser does in three:
//! check, decode, copy the other members. `serde_json` is its referee in tests.

use std::ops::Range;

use memchr::{memchr, memchr2};
use serde_json::Value;

/// Arrays and objects within each other, at the most. The scanner recurses, so that a line of a million brackets
/// would overflow the stack and end the process.
const MAX_DEPTH: usize = 512;
/// The first character that need not be escaped in a string.
const FIRST_PLAIN: u8 = 0x20;

/// What a line holds. Its buffers serve line after line.
#[derive(Debug, Default)]
pub(crate) struct Members {
    /// The text, decoded.
    pub(crate) text: String,
    /// The object without its text member: values verbatim, in their order.
    pub(crate) rest: String,
    /// Where the text's value stands in the line, quotes included.
    span: Range<usize>,
    name: String,
}

/// A line with another text, all else as it stands.
///
/// # Errors
/// As [`Members::read`].
pub(crate) fn with_text(line: &[u8], member: &str, text: &str) -> Result<Vec<u8>, String> {
    let mut members = Members::default();
    members.read(line, member, false)?;
    let value = serde_json::to_string(text).map_err(|error| error.to_string())?;
    Ok([&line[..members.span.start], value.as_bytes(), &line[members.span.end..]].concat())
}

/// A line of an object that has members, with these behind its own.
pub(crate) fn with_members<'m>(line: &[u8], members: impl Iterator<Item = (&'m str, Value)>) -> Vec<u8> {
    let open = line.trim_ascii_end().strip_suffix(b"}").unwrap_or(line);
    let mut longer = open.trim_ascii_end().to_vec();
    for (name, value) in members {
        longer.extend_from_slice(format!(",{}:{value}", Value::from(name)).as_bytes());
    }
    longer.push(b'}');
    longer
}

enum Found {
    Missing,
    Text,
    Other(&'static str),
}

impl Members {
    /// Reads a JSON object and checks the whole line; fills `rest` only where it is wanted.
    ///
    /// Of duplicate members the last counts, as in Python's `json`.
    ///
    /// # Errors
    /// Says what is wrong: not UTF-8, not JSON, not an object, no such member, or a member that is no string.
    pub(crate) fn read(&mut self, line: &[u8], member: &str, with_rest: bool) -> Result<(), String> {
        let line = simdutf8::compat::from_utf8(line)
            .map_err(|error| format!("not valid UTF-8 at byte {} of the line", error.valid_up_to()))?;
        let mut scanner = Scanner::new(line);
        if scanner.peek() != Some(b'{') {
            let kind = scanner.kind();
            scanner.value(0)?;
            scanner.end()?;
            return Err(format!("the line is {kind}, expected a JSON object"));
        }
        let found = self.object(&mut scanner, member, with_rest)?;
        scanner.end()?;
        match found {
            Found::Text => Ok(()),
            Found::Missing => Err(format!("no member {member:?}")),
            Found::Other(kind) => Err(format!("the member {member:?} is {kind}, expected a string")),
        }
    }

    fn object(&mut self, scanner: &mut Scanner<'_>, member: &str, with_rest: bool) -> Result<Found, String> {
        let mut found = Found::Missing;
        self.rest.clear();
        let mut more = scanner.open(b'}');
        while more {
            let raw = scanner.name(&mut self.name)?;
            if raw.unwrap_or(&self.name) != member {
                let value = scanner.value(1)?;
                if with_rest {
                    self.add(raw, value)?;
                }
            } else if scanner.peek() == Some(b'"') {
                self.text.clear();
                let start = scanner.at;
                scanner.at += 1;
                scanner.string(Some(&mut self.text))?;
                self.span = start..scanner.at;
                found = Found::Text;
            } else {
                found = Found::Other(scanner.kind());
                scanner.value(1)?;
            }
            more = scanner.goes_on(b'}')?;
        }
        if with_rest {
            self.rest.push_str(if self.rest.is_empty() { "{}" } else { "}" });
        }
        Ok(found)
    }

    /// Adds a member to the rest; `raw` is its name where that holds no escapes.
    fn add(&mut self, raw: Option<&str>, value: &str) -> Result<(), String> {
        self.rest.push(if self.rest.is_empty() { '{' } else { ',' });
        match raw {
            Some(raw) => self.rest.extend(["\"", raw, "\":", value]),
            None => {
                let name = serde_json::to_string(&self.name).map_err(|error| error.to_string())?;
                self.rest.extend([&name, ":", value]);
            }
        }
        Ok(())
    }
}

/// A place in a line.
struct Scanner<'a> {
    line: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// No character of the line needs to be escaped in a string, which most often saves looking at each.
    plain: bool,
}

impl<'a> Scanner<'a> {
    fn new(line: &'a str) -> Self {
        let least = line.bytes().fold(u8::MAX, u8::min);
        let mut scanner = Self { line, bytes: line.as_bytes(), at: 0, plain: least >= FIRST_PLAIN };
        scanner.space();
        scanner
    }

    fn wrong(&self, what: &str) -> String {
        format!("not valid JSON: {what} at byte {} of the line", self.at)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// What the value that begins here is, if it is valid.
    fn kind(&self) -> &'static str {
        match self.peek() {
            Some(b'{') => "an object",
            Some(b'[') => "an array",
            Some(b'"') => "a string",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            _ => "a number",
        }
    }

    /// Nothing but white space may follow.
    fn end(&mut self) -> Result<(), String> {
        self.space();
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.wrong("characters after the value")) }
    }

    /// Enters an array or an object; whether there is anything in it.
    fn open(&mut self, close: u8) -> bool {
        self.at += 1;
        self.space();
        let empty = self.peek() == Some(close);
        self.at += usize::from(empty);
        !empty
    }

    /// Whether another item follows the one before.
    fn goes_on(&mut self, close: u8) -> Result<bool, String> {
        self.space();
        let next = self.peek();
        if next != Some(b',') && next != Some(close) {
            return Err(self.wrong("neither a comma nor an end"));
        }
        self.at += 1;
        self.space();
        Ok(next == Some(b','))
    }

    /// A member's name, up to its value: as it stands, or `None` where it has escapes and is decoded into `name`.
    fn name(&mut self, name: &mut String) -> Result<Option<&'a str>, String> {
        if self.peek() != Some(b'"') {
            return Err(self.wrong("no name of a member"));
        }
        self.at += 1;
        let start = self.at;
        self.string(None)?;
        let raw = &self.line[start..self.at - 1];
        let escaped = memchr(b'\\', raw.as_bytes()).is_some();
        if escaped {
            name.clear();
            self.at = start;
            self.string(Some(name))?;
        }
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.wrong("no colon"));
        }
        self.at += 1;
        self.space();
        Ok((!escaped).then_some(raw))
    }

    /// Passes over a value, `depth` arrays and objects down, and gives it as it stands.
    fn value(&mut self, depth: usize) -> Result<&'a str, String> {
        let start = self.at;
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                self.string(None)?;
            }
            Some(b'{' | b'[') => self.container(depth + 1)?,
            Some(b't') => self.literal("true")?,
            Some(b'f') => self.literal("false")?,
            Some(b'n') => self.literal("null")?,
            _ => self.number()?,
        }
        Ok(&self.line[start..self.at])
    }

    fn container(&mut self, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("arrays and objects within each other more than {MAX_DEPTH} deep"));
        }
        let is_object = self.peek() == Some(b'{');
        let close = if is_object { b'}' } else { b']' };
        let mut name = String::new();
        let mut more = self.open(close);
        while more {
            if is_object {
                self.name(&mut name)?;
            }
            self.value(depth)?;
            more = self.goes_on(close)?;
        }
        Ok(())
    }

    fn literal(&mut self, literal: &str) -> Result<(), String> {
        if !self.line[self.at..].starts_with(literal) {
            return Err(self.wrong("no value"));
        }
        self.at += literal.len();
        Ok(())
    }

    fn number(&mut self) -> Result<(), String> {
        self.at += usize::from(self.peek() == Some(b'-'));
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), String> {
        let digits = self.bytes[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        if digits == 0 { Err(self.wrong("no value")) } else { Ok(()) }
    }

    /// Passes over a string from behind its first quote to behind its last, and decodes it where that is wanted.
    fn string(&mut self, mut decoded: Option<&mut String>) -> Result<(), String> {
        loop {
            let start = self.at;
            let Some(length) = memchr2(b'"', b'\\', &self.bytes[start..]) else {
                self.at = self.bytes.len();
                return Err(self.wrong("a string without end"));
            };
            let run = &self.line[start..start + length];
            if !self.plain && run.bytes().any(|byte| byte < FIRST_PLAIN) {
                return Err(self.wrong("a control character in the string"));
            }
            if let Some(decoded) = decoded.as_deref_mut() {
                decoded.push_str(run);
            }
            self.at += length + 1;
            if self.bytes[start + length] == b'"' {
                return Ok(());
            }
            self.escape(decoded.as_deref_mut())?;
        }
    }

    /// What follows a backslash.
    fn escape(&mut self, decoded: Option<&mut String>) -> Result<(), String> {
        self.at += 1;
        let character = match self.bytes.get(self.at - 1) {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(*byte),
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'u') => self.character()?,
            _ => return Err(self.wrong("no such escape")),
        };
        if let Some(decoded) = decoded {
            decoded.push(character);
        }
        Ok(())
    }

    /// The character of a UTF-16 unit, or of the two that make one.
    fn character(&mut self) -> Result<char, String> {
        let unit = self.unit()?;
        let single = char::decode_utf16([unit]).next();
        if let Some(Ok(character)) = single {
            return Ok(character);
        }
        if self.bytes[self.at..].starts_with(b"\\u") {
            self.at += 2;
            if let Some(Ok(character)) = char::decode_utf16([unit, self.unit()?]).next() {
                return Ok(character);
            }
        }
        Err(self.wrong("half of a surrogate pair"))
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Result<u16, String> {
        let digits = self.bytes.get(self.at..self.at + 4);
        let unit = digits.and_then(|digits| {
            digits.iter().try_fold(0, |unit: u16, digit| {
                let digit = char::from(*digit).to_digit(16)?;
                Some(unit << 4 | digit as u16)
            })
        });
        self.at += if unit.is_some() { 4 } else { 0 };
        unit.ok_or_else(|| self.wrong("no four hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests;
