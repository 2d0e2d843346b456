//! One line of JSONL: the text member, decoded, and the rest of the object, verbatim.

use std::borrow::Cow;
use std::fmt;

use memchr::memchr2_iter;
use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use sonic_rs::LazyValue;

use super::escapes;

/// Arrays and objects within each other, at the most. The parser recurses, so that a line of a million brackets
/// would overflow the stack and end the process.
const MAX_DEPTH: usize = 512;

/// Finds the text member of a JSON object and checks the whole line.
///
/// Of duplicate members the last counts, as in Python's `json`.
///
/// # Errors
/// Says what is wrong: not UTF-8, not JSON, not an object, no such member, or a member that is no string.
pub(crate) fn text_of<'a>(line: &'a [u8], member: &str) -> Result<Cow<'a, str>, String> {
    if is_too_deep(line) {
        return Err(format!("arrays and objects within each other more than {MAX_DEPTH} deep"));
    }
    // The parser looks at no more bytes than it needs, so the others are checked here.
    let line = simdutf8::compat::from_utf8(line)
        .map_err(|error| format!("not valid UTF-8 at byte {} of the line", error.valid_up_to()))?;
    if let Some(place) = escapes::find_invalid(line.as_bytes()) {
        return Err(format!("not valid JSON: the escape at byte {place} of the line is no character"));
    }
    let mut deserializer = sonic_rs::Deserializer::from_str(line);
    let found = deserializer.deserialize_any(ObjectVisitor { member }).map_err(|error| describe(&error))?;
    deserializer.end().map_err(|error| describe(&error))?;
    match found {
        Found::Text(text) => Ok(text),
        Found::Missing => Err(format!("no member {member:?}")),
        Found::Other(kind) => Err(format!("the member {member:?} is {kind}, expected a string")),
        Found::NotObject(kind) => Err(format!("the line is {kind}, expected a JSON object")),
    }
}

/// Whether brackets outside strings open more than [`MAX_DEPTH`] deep.
fn is_too_deep(line: &[u8]) -> bool {
    // Few lines have so many brackets at all; only those are looked at byte by byte.
    if memchr2_iter(b'[', b'{', line).take(MAX_DEPTH + 1).count() <= MAX_DEPTH {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in line {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

/// The object without its text member: values verbatim, in their order.
pub(crate) fn without_text(line: &[u8], member: &str) -> Result<String, String> {
    let mut rest = String::from("{");
    for entry in sonic_rs::to_object_iter(line) {
        let (key, value): (_, LazyValue<'_>) = entry.map_err(|error| describe(&error))?;
        if key == member {
            continue;
        }
        if rest.len() > 1 {
            rest.push(',');
        }
        rest.push_str(&sonic_rs::to_string::<str>(&key).map_err(|error| describe(&error))?);
        rest.push(':');
        rest.push_str(value.as_raw_str());
    }
    rest.push('}');
    Ok(rest)
}

/// The first line of the parser's message: the rest repeats the input.
fn describe(error: &sonic_rs::Error) -> String {
    let message = error.to_string();
    let first = message.lines().next().unwrap_or("invalid").trim_end();
    format!("not valid JSON: {first}")
}

enum Found<'a> {
    Text(Cow<'a, str>),
    Missing,
    Other(&'static str),
    NotObject(&'static str),
}

macro_rules! scalar_kinds {
    ($($method:ident($type:ty) => $kind:literal),*) => {
        $(fn $method<E: serde::de::Error>(self, _: $type) -> Result<Self::Value, E> { Ok(Self::kind($kind)) })*
        fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> { Ok(Self::kind("null")) }
        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            Ok(Self::kind("an array"))
        }
    };
}

struct ObjectVisitor<'m> {
    member: &'m str,
}

impl ObjectVisitor<'_> {
    fn kind<'de>(kind: &'static str) -> Found<'de> {
        Found::NotObject(kind)
    }
}

impl<'de> Visitor<'de> for ObjectVisitor<'_> {
    type Value = Found<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    scalar_kinds!(visit_bool(bool) => "a boolean", visit_i64(i64) => "a number", visit_u64(u64) => "a number",
        visit_f64(f64) => "a number", visit_str(&str) => "a string");

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = Found::Missing;
        while let Some(is_text) = members.next_key_seed(KeySeed { member: self.member })? {
            if is_text {
                found = members.next_value_seed(TextSeed)?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Compares a member's name without keeping it.
struct KeySeed<'m> {
    member: &'m str,
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a member's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.member)
    }
}

struct TextSeed;

impl TextSeed {
    fn kind<'de>(kind: &'static str) -> Found<'de> {
        Found::Other(kind)
    }
}

impl<'de> DeserializeSeed<'de> for TextSeed {
    type Value = Found<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TextSeed {
    type Value = Found<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    scalar_kinds!(visit_bool(bool) => "a boolean", visit_i64(i64) => "a number", visit_u64(u64) => "a number",
        visit_f64(f64) => "a number");

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Found<'de>, E> {
        Ok(Found::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Found<'de>, E> {
        Ok(Found::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Found<'de>, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::kind("an object"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_what_is_valid() {
        for (line, text) in [
            (r#"{"text":"plain"}"#, "plain"),
            (r#" { "a" : [1, {"text": "no"}], "text" : "é\u00e9\n\ud83d\ude00" } "#, "éé\n😀"),
            (r#"{"text":"first","text":"last"}"#, "last"),
            (r#"{"t\u0065xt":"escaped name"}"#, "escaped name"),
            (r#"{"text":"nul \u0000"}"#, "nul \0"),
            (r#"{"text":"","n":123456789012345678901234567890}"#, ""),
            ("{\"text\":\"\u{2028}\"}\r", "\u{2028}"),
        ] {
            assert_eq!(text_of(line.as_bytes(), "text").as_deref(), Ok(text), "{line}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (line, wanted) in [
            (r#"{"text":"lone \ud800"}"#, "not valid JSON"),
            (r#"{"other":"lone \ud800","text":"a"}"#, "not valid JSON"),
            (r#"{"other":"\u00zz","text":"a"}"#, "not valid JSON"),
            (r#"{"text":"cut"#, "not valid JSON"),
            (r#"{"text":"a"} {"text":"b"}"#, "not valid JSON"),
            (r#"{"text":"a"} junk"#, "not valid JSON"),
            (r#"{"text":"a","score":NaN}"#, "not valid JSON"),
            ("{\"text\":\"raw tab \t\"}", "not valid JSON"),
            (r#"{"text":null}"#, "is null, expected a string"),
            (r#"{"text":7}"#, "is a number, expected a string"),
            (r#"{"text":["a"]}"#, "is an array, expected a string"),
            (r#"{"text":{"a":"b"}}"#, "is an object, expected a string"),
            (r#"{"body":"a"}"#, "no member \"text\""),
            (r#"["text"]"#, "the line is an array, expected a JSON object"),
            (r#""text""#, "the line is a string, expected a JSON object"),
        ] {
            let error = text_of(line.as_bytes(), "text").unwrap_err();
            assert!(error.contains(wanted), "{line}: {error}");
        }
        for line in [
            &b"{\"text\":\"\xff\"}"[..],
            b"{\"a\":\"\xff\",\"text\":\"x\"}",
            b"{\"text\":\"x\",\"a\":\"\xff\"}",
        ] {
            assert!(text_of(line, "text").unwrap_err().starts_with("not valid UTF-8"));
        }
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_crash() {
        let nested = |depth| format!("{{\"a\":{}{},\"text\":\"x\"}}", "[".repeat(depth), "]".repeat(depth));
        for depth in [512, 1_000_000] {
            assert!(text_of(nested(depth).as_bytes(), "text").unwrap_err().contains("more than 512 deep"));
        }
        assert_eq!(text_of(nested(511).as_bytes(), "text").as_deref(), Ok("x"));
        assert!(text_of(format!("{{\"text\":{}", "[".repeat(1_000_000)).as_bytes(), "text").is_err());
        let brackets = format!("{{\"text\":\"\\\"{}\"}}", "[{".repeat(1_000));
        assert_eq!(text_of(brackets.as_bytes(), "text").unwrap().len(), 2_001);
    }

    #[test]
    fn the_rest_is_verbatim() {
        let line = br#"{"id": 1.50, "text":"a", "m":{"x": [1,  2]}, "text":"b", "k\"ey":null}"#;
        assert_eq!(without_text(line, "text").unwrap(), r#"{"id":1.50,"m":{"x": [1,  2]},"k\"ey":null}"#);
        assert_eq!(without_text(br#"{"text":"a"}"#, "text").unwrap(), "{}");
    }
}
