//! The escapes `\uXXXX` of a line of JSON, which the parser checks in values that it decodes and in no others.

use std::sync::LazyLock;

use memchr::memchr;
use memchr::memmem::Finder;

static UNICODE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\\u"));

/// Where the first escape `\uXXXX` stands that is no character: digits that are none, or half of a pair.
pub(crate) fn find_invalid(line: &[u8]) -> Option<usize> {
    // Most lines have none, and finding that out costs a fraction of parsing them.
    let mut at = 0;
    UNICODE.find(line)?;
    while let Some(backslash) = line.get(at..).and_then(|rest| memchr(b'\\', rest)).map(|offset| at + offset)
    {
        at = backslash + 2;
        if line.get(backslash + 1) != Some(&b'u') {
            continue;
        }
        at = backslash + 6;
        match unit(line, backslash) {
            Some(0xd800..0xdc00) if matches!(unit(line, at), Some(0xdc00..0xe000)) => at += 6,
            None | Some(0xd800..0xe000) => return Some(backslash),
            Some(_) => {}
        }
    }
    None
}

/// The UTF-16 unit of the escape at a place.
fn unit(line: &[u8], at: usize) -> Option<u16> {
    let digits = line.get(at..at + 6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit: u16, digit| {
        let digit = char::from(*digit).to_digit(16)? as u16;
        Some(unit << 4 | digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_that_are_no_characters_are_found() {
        for (line, wanted) in [
            (r#"{"o":"plain \n \\u"}"#, None),
            (r#"{"o":"\u00e9 \ud83d\ude00 \u0000"}"#, None),
            (r#"{"o":"\\\\ud800"}"#, None),
            (r#"{"o":"\ud800"}"#, Some(6)),
            (r#"{"o":"\ud800\u0041"}"#, Some(6)),
            (r#"{"o":"\udc00\ud800"}"#, Some(6)),
            (r#"{"o":"\ud83d\ude00\ude00"}"#, Some(18)),
            (r#"{"o":"\u00zz"}"#, Some(6)),
            (r#"{"o":"\u00"}"#, Some(6)),
            (r#"{"o":"\u12"#, Some(6)),
            (r#"\u"#, Some(0)),
            ("\\", None),
        ] {
            assert_eq!(find_invalid(line.as_bytes()), wanted, "{line}");
        }
    }
}
