//! Keys and tokens of well-known shapes: a prefix that stands for nothing else, then characters of a kind and number.
//!
//! Lengths and characters are those that the issuers document, else those that secret scanners agree on (gitleaks'
//! rules, GitHub's list of supported secrets). A key without a prefix of its own cannot be told from a hash and stays.

use super::view::{View, word};

/// What a key is made of after its prefix.
#[derive(Clone, Copy, Debug)]
enum Body {
    /// Letters and digits.
    Alphanumeric,
    /// Base 32: upper-case letters, 2 to 7.
    Base32,
    /// Upper-case letters and digits.
    Upper,
    Hexadecimal,
    /// Letters, digits and `_`.
    Word,
    /// Base 64 of URLs: letters, digits, `_` and `-`.
    Url,
    /// The same and dots.
    Dotted,
}

/// One shape.
#[derive(Debug)]
struct Shape {
    prefix: &'static [u8],
    /// The place of a byte in the prefix that is rare in texts: where the shape is looked for.
    anchor: usize,
    body: Body,
    least: usize,
    most: usize,
}

const fn shape(prefix: &'static str, anchor: usize, body: Body, least: usize, most: usize) -> Shape {
    Shape { prefix: prefix.as_bytes(), anchor, body, least, most }
}

/// Every shape with a prefix. Most lengths are exact; 255 where the issuer keeps the length open.
#[rustfmt::skip]
const SHAPES: [Shape; 38] = [
    // Amazon Web Services, "IAM identifiers": access keys, long-lived and temporary.
    shape("AKIA", 2, Body::Base32, 16, 16),
    shape("ASIA", 2, Body::Base32, 16, 16),
    // GitHub, "Behind GitHub's new authentication token formats" (2021).
    shape("ghp_", 3, Body::Alphanumeric, 36, 251),
    shape("gho_", 3, Body::Alphanumeric, 36, 251),
    shape("ghu_", 3, Body::Alphanumeric, 36, 251),
    shape("ghs_", 3, Body::Alphanumeric, 36, 251),
    shape("ghr_", 3, Body::Alphanumeric, 36, 251),
    shape("github_pat_", 10, Body::Word, 82, 244),
    // GitLab, "Token overview".
    shape("glpat-", 5, Body::Dotted, 20, 255),
    shape("gldt-", 4, Body::Url, 20, 64),
    shape("glrt-", 4, Body::Dotted, 20, 255),
    shape("glptt-", 5, Body::Url, 40, 64),
    // Slack, "Token types".
    shape("xoxb-", 4, Body::Url, 20, 255),
    shape("xoxp-", 4, Body::Url, 20, 255),
    shape("xoxa-", 4, Body::Url, 20, 255),
    shape("xoxr-", 4, Body::Url, 20, 255),
    shape("xoxs-", 4, Body::Url, 20, 255),
    shape("xapp-", 4, Body::Url, 20, 255),
    // Stripe, "API keys" and "Webhooks".
    shape("sk_live_", 7, Body::Alphanumeric, 24, 255),
    shape("sk_test_", 7, Body::Alphanumeric, 24, 255),
    shape("rk_live_", 7, Body::Alphanumeric, 24, 255),
    shape("rk_test_", 7, Body::Alphanumeric, 24, 255),
    shape("whsec_", 5, Body::Alphanumeric, 32, 64),
    // Google: API keys and OAuth client secrets (gitleaks).
    shape("AIza", 2, Body::Url, 35, 35),
    shape("GOCSPX-", 6, Body::Url, 28, 28),
    // OpenAI (`sk-`, `sk-proj-`, …), Anthropic (`sk-ant-`), OpenRouter (`sk-or-`) and those who took the form over.
    shape("sk-", 2, Body::Url, 20, 255),
    shape("gsk_", 3, Body::Alphanumeric, 52, 52),
    shape("hf_", 2, Body::Alphanumeric, 34, 40),
    // Package registries: npm ("About access tokens"), PyPI (a macaroon of this location), RubyGems.
    shape("npm_", 3, Body::Alphanumeric, 36, 36),
    shape("pypi-AgEI", 4, Body::Url, 50, 255),
    shape("rubygems_", 8, Body::Hexadecimal, 48, 48),
    // DigitalOcean, Shopify, SendGrid (gitleaks).
    shape("dop_v1_", 6, Body::Hexadecimal, 64, 64),
    shape("shpat_", 5, Body::Hexadecimal, 32, 32),
    shape("shpca_", 5, Body::Hexadecimal, 32, 32),
    shape("shppa_", 5, Body::Hexadecimal, 32, 32),
    shape("shpss_", 5, Body::Hexadecimal, 32, 32),
    shape("SG.", 1, Body::Dotted, 66, 66),
    // age, "The age file encryption format": identities.
    shape("AGE-SECRET-KEY-1", 14, Body::Upper, 58, 58),
];

/// The bytes that stand before an anchor in some prefix: most anchors in a text have another there.
const BEFORE_ANCHORS: [bool; 256] = {
    let mut before = [false; 256];
    let mut number = 0;
    while number < SHAPES.len() {
        let shape = &SHAPES[number];
        before[shape.prefix[shape.anchor - 1] as usize] = true;
        number += 1;
    }
    before
};

/// The bytes at which [`find`] has to look: anchors of prefixes, of `eyJ` and of `-----BEGIN`.
pub(super) const ANCHORS: &[u8] = b"_-IzGJ";

/// The key whose anchor stands at a place.
pub(super) fn find(view: View<'_>, at: usize) -> Option<(usize, usize)> {
    match view.at(at) {
        b'J' => web_token(view, at),
        b'-' if view.at(at + 1) == b'B' => private_key(view, at),
        _ if !BEFORE_ANCHORS[usize::from(view.before(at, 1))] => None,
        byte => SHAPES
            .iter()
            .filter(|shape| {
                shape.prefix[shape.anchor] == byte && shape.prefix[shape.anchor - 1] == view.before(at, 1)
            })
            .find_map(|shape| shape.find(view, at)),
    }
}

impl Shape {
    fn find(&self, view: View<'_>, at: usize) -> Option<(usize, usize)> {
        let start = at.checked_sub(self.anchor)?;
        let within = matches!(self.body, Body::Dotted) && view.before(start, 1) == b'.';
        if within || !view.has(start, self.prefix) || !begins(view, start) {
            return None;
        }
        let body = start + self.prefix.len();
        let mut end = view.end_of(body, self.most + 1, |byte| self.body.has(byte));
        while end > body && view.at(end - 1) == b'.' {
            end -= 1;
        }
        let length = (self.least..=self.most).contains(&(end - body));
        (length && !word(view.at(end)) && self.likely(view.between(body, end))).then_some((start, end))
    }

    /// Names of the same characters have no digit, or only short parts: `sk-fading-circle-12`.
    fn likely(&self, body: &[u8]) -> bool {
        let open = matches!(self.body, Body::Url | Body::Dotted | Body::Word);
        let parts = || body.split(|byte| !byte.is_ascii_alphanumeric());
        !open
            || body.iter().any(u8::is_ascii_digit)
                && body.iter().any(u8::is_ascii_alphabetic)
                && parts().any(|part| part.len() >= 10)
    }
}

impl Body {
    fn has(self, byte: u8) -> bool {
        match self {
            Self::Alphanumeric => byte.is_ascii_alphanumeric(),
            Self::Base32 => byte.is_ascii_uppercase() || matches!(byte, b'2'..=b'7'),
            Self::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Hexadecimal => byte.is_ascii_hexdigit(),
            Self::Word => word(byte),
            Self::Url => word(byte) || byte == b'-',
            Self::Dotted => word(byte) || matches!(byte, b'-' | b'.'),
        }
    }
}

/// Whether a key may begin at a place. A key is tried once in a run of its characters: no run is read twice.
fn begins(view: View<'_>, start: usize) -> bool {
    let near = view.before(start, 1);
    !word(near) && near != b'-'
}

/// A JSON web token (RFC 7519, signed as RFC 7515 has it): three parts of base 64, the first two of `{"`.
fn web_token(view: View<'_>, at: usize) -> Option<(usize, usize)> {
    let start = at.checked_sub(2)?;
    if !view.has(start, b"eyJ") || !begins(view, start) {
        return None;
    }
    let part = |from: usize| view.end_of(from, usize::MAX, |byte| Body::Url.has(byte));
    let header = part(start);
    if header - start < 16 || view.at(header) != b'.' || !view.has(header + 1, b"ey") {
        return None;
    }
    let claims = part(header + 1);
    if claims - header < 12 || view.at(claims) != b'.' {
        return None;
    }
    let end = part(claims + 1);
    (end - claims > 16).then_some((start, end))
}

/// A private key as RFC 7468 and its forerunners write it, to the end of its text.
fn private_key(view: View<'_>, at: usize) -> Option<(usize, usize)> {
    const KEY: &[u8] = b"PRIVATE KEY";
    let start = at.checked_sub(4)?;
    if !view.has(start, b"-----BEGIN ") {
        return None;
    }
    let label = view.end_of(at + 7, 40, |byte| byte.is_ascii_uppercase() || byte == b' ');
    let named = view.between(at + 7, label);
    if !(named.ends_with(KEY) || named.ends_with(b"PRIVATE KEY BLOCK")) || !view.has(label, b"-----") {
        return None;
    }
    // Until the next dashes, so that no text is read for two keys: headers and base 64.
    let mut end = label + 5;
    loop {
        end = view.end_of(end, usize::MAX, |byte| {
            byte.is_ascii_alphanumeric()
                || matches!(
                    byte,
                    b'+' | b'/'
                        | b'='
                        | b'\n'
                        | b'\r'
                        | b' '
                        | b'\\'
                        | b':'
                        | b','
                        | b'.'
                        | b'('
                        | b')'
                        | b'\t'
                )
        });
        if view.at(end) != b'-' || view.has(end, b"-----") {
            break;
        }
        end += 1;
    }
    if !view.has(end, b"-----END ") {
        return None;
    }
    let close = view.end_of(end + 9, 40, |byte| byte.is_ascii_uppercase() || byte == b' ');
    view.has(close, b"-----").then_some((start, close + 5))
}

#[cfg(test)]
mod tests {
    use super::SHAPES;
    use crate::rule::redact::SECRET;
    use crate::rule::redact::tests::{left, rewritten, taken};

    #[test]
    fn every_shape() {
        for shape in &SHAPES {
            let prefix = std::str::from_utf8(shape.prefix).unwrap();
            let body = "A2B3C4D5E6F7".repeat(30);
            taken(
                SECRET,
                &[&format!("{prefix}{}", &body[..shape.least]), &format!("{prefix}{}", &body[..shape.most])],
            );
            left(&[
                &format!("{prefix}{}", &body[..shape.least - 1]),
                &format!("{prefix}{}", &body[..shape.most + 1]),
            ]);
            left(&[
                &format!("x{prefix}{}", &body[..shape.least]),
                &format!("-{prefix}{}", &body[..shape.least]),
            ]);
        }
    }

    #[test]
    fn tokens_and_private_keys() {
        taken(
            SECRET,
            &[
                "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
                "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq+/=\n-----END PRIVATE KEY-----",
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,3F17\n\nMIIE\n-----END RSA PRIVATE KEY-----",
                "-----BEGIN OPENSSH PRIVATE KEY-----\\nb3BlbnNz\\n-----END OPENSSH PRIVATE KEY-----",
            ],
        );
    }

    #[test]
    fn no_secrets() {
        left(&[
            "sk-fading-circle-12-and-more-of-it",
            "task-a1b2c3d4e5f6a1b2c3d4e5f6",
            "AKIA",
            "MAKIA2345672345672345",
            "ghp_short",
            "eyJ.eyJ.x",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0",
            "-----BEGIN PUBLIC KEY-----\nMIIE\n-----END PUBLIC KEY-----",
            "-----BEGIN PRIVATE KEY-----\nMIIE",
            "npm_config_registry",
            "d41d8cd98f00b204e9800998ecf8427e",
            "550e8400-e29b-41d4-a716-446655440000",
            "sk_live_",
            "hf_hub_download",
            "xoxb-",
            "pypi-server",
        ]);
        assert_eq!(rewritten("密钥AKIAIOSFODNN7EXAMPLE。"), "密钥<SECRET>。");
    }
}
