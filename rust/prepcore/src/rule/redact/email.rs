//! E-mail addresses: the dot-atom form of RFC 5322 with the characters that are used, lengths of RFC 5321.
//!
//! The local part has letters, digits and single or double `._%+-`; the domain two or more labels, the last of two or
//! more letters. Latin letters beyond ASCII (U+00C0 to U+027F) belong to both; every other script separates, so that an
//! address is found within Chinese or Korean text. Quoted local parts, comments, domains in brackets and addresses spelt
//! with "at" and "dot" are not looked for. `git@` before a host is a way to write URLs, and the name of a file
//! (`image@2x.png`) is no domain.

use super::view::{View, word};

/// Most bytes of a local part and of a domain: RFC 5321, section 4.5.3.1.
const LOCAL: usize = 64;
const DOMAIN: usize = 255;
/// Most bytes of a label: RFC 1035, section 2.3.4; no top-level domain has more than 24 (IANA's list, 2025).
const LABEL: usize = 63;
const TOP: usize = 24;
/// What ends the names of files that have an `@`: none is a top-level domain.
const FILES: [&[u8]; 14] = [
    b"png", b"jpg", b"jpeg", b"gif", b"svg", b"webp", b"bmp", b"pdf", b"css", b"js", b"html", b"xml",
    b"json", b"txt",
];

/// The address around an `@`.
pub(super) fn find(view: View<'_>, at: usize) -> Option<(usize, usize)> {
    let start = local(view, at)?;
    let end = domain(view, at + 1)?;
    (view.between(start, at) != b"git").then_some((start, end))
}

/// Where the local part before an `@` begins.
fn local(view: View<'_>, at: usize) -> Option<usize> {
    let (mut start, mut marks, mut place) = (None, 0, at);
    while at - place <= LOCAL + 2 {
        let byte = view.before(place, 1);
        if letter(view, place.wrapping_sub(1)) {
            marks = 0;
            start = Some(place - 1);
        } else if matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-') {
            marks += 1;
            if marks > 2 || byte == b'.' && (place == at || view.at(place) == b'.') {
                break;
            }
        } else {
            break;
        }
        place -= 1;
    }
    // A part that is too long is none: it is a hash or worse.
    start.filter(|start| at - start <= LOCAL)
}

/// Where the domain ends that begins at a place.
fn domain(view: View<'_>, from: usize) -> Option<usize> {
    let (mut end, mut label, mut labels, mut lower) = (None, from, 0, true);
    while label - from < DOMAIN {
        let stop = (label..=label + LABEL).find(|place| !letter(view, *place) && view.at(*place) != b'-')?;
        // "…@example.com-": a dash, or a line that was broken.
        let hyphens = view.between(label, stop).iter().rev().take_while(|byte| **byte == b'-').count();
        let stop = stop - hyphens;
        let bytes = view.between(label, stop);
        if bytes.is_empty() || bytes[0] == b'-' {
            break;
        }
        // "…@example.com.Then": a sentence goes on without a space.
        if labels > 1 && lower && bytes[0].is_ascii_uppercase() {
            break;
        }
        lower &= !bytes.iter().any(u8::is_ascii_uppercase);
        labels += 1;
        let top = (2..=TOP).contains(&bytes.len())
            && bytes.iter().all(|byte| byte.is_ascii_alphabetic() || !byte.is_ascii())
            || bytes.len() > 4 && bytes[..4].eq_ignore_ascii_case(b"xn--");
        if labels > 1 && top && !FILES.iter().any(|file| bytes.eq_ignore_ascii_case(file)) {
            end = Some(stop);
        }
        if view.at(stop) != b'.' {
            // "…@example.com_x": what follows belongs to the label, so the label is none.
            if view.at(stop) == b'_' && word(view.at(stop + 1)) && end == Some(stop) {
                end = None;
            }
            break;
        }
        label = stop + 1;
    }
    end
}

/// Whether the byte at a place is a letter or digit of ASCII or belongs to a Latin letter of two bytes.
fn letter(view: View<'_>, place: usize) -> bool {
    let byte = view.at(place);
    byte.is_ascii_alphanumeric()
        || (0xC3..=0xC9).contains(&byte)
        || (0x80..0xC0).contains(&byte) && (0xC3..=0xC9).contains(&view.before(place, 1))
}

/// Whether a number that ends here is the beginning of an address.
pub(super) fn follows(view: View<'_>, end: usize) -> bool {
    let stop = view.end_of(end, LOCAL, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-')
    });
    view.at(stop) == b'@' && domain(view, stop + 1).is_some()
}

#[cfg(test)]
mod tests {
    use crate::rule::redact::EMAIL;
    use crate::rule::redact::tests::{left, rewritten, taken};

    #[test]
    fn addresses() {
        taken(
            EMAIL,
            &[
                "john.doe@example.com",
                "J_D-1+tag@mail.example.co.uk",
                "123456@qq.com",
                "a@b.co",
                "x%y@relay.example.org",
                "john..doe@x.com".trim_start_matches("john.."),
                "josé@müller.de",
                "a--b@x-y.example",
                "user@xn--bcher-kva.example",
                "root@host.museum",
                "JOHN@EXAMPLE.COM",
                "john_@example.com",
            ],
        );
    }

    #[test]
    fn no_addresses() {
        left(&[
            "@",
            "a@",
            "@b.co",
            "a@b",
            "a@b.c",
            "@user on the site",
            "image@2x.png",
            "react@18.2.0",
            "a@.co",
            "a@-b.co",
            "a @ b.co",
            "git@github.com:owner/name.git",
            "john.@x.com",
            "a@b..co",
            "@decorator.name",
        ]);
        let long = format!("{}@example.com", "a".repeat(65));
        left(&[&long]);
    }

    #[test]
    fn neighbours_stay() {
        for (text, wanted) in [
            ("mailto:a@b.co?subject=x", "mailto:<EMAIL>?subject=x"),
            ("Write to a@b.co.", "Write to <EMAIL>."),
            ("a@b.example.Then", "<EMAIL>.Then"),
            ("a@b.co, c@d.co; e@f.co", "<EMAIL>, <EMAIL>; <EMAIL>"),
            ("문의john@x.com으로", "문의<EMAIL>으로"),
            ("联系a@b.com。", "联系<EMAIL>。"),
            ("...a@b.co", "...<EMAIL>"),
            ("http://joe:pw@proxy.example.com/", "http://joe:<EMAIL>/"),
            ("a@b.co-1", "a@b.co-1"),
            ("a@b.example-\n   host.fr", "<EMAIL>-\n   host.fr"),
            ("a@b.co--", "<EMAIL>--"),
            ("_a@b.co_", "_<EMAIL>_"),
            ("a@b.co_x", "a@b.co_x"),
        ] {
            assert_eq!(rewritten(text), wanted);
        }
    }
}
