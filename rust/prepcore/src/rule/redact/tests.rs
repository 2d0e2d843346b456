//! What holds for every kind: what neighbours mean, that rewriting ends, and how much work it is.

use proptest::prelude::*;

use super::scan::Match;
use super::view::{LOOKED, View};
use super::*;

/// A text after the rule with every kind on.
pub(super) fn rewritten(text: &str) -> String {
    Redact::new(&config::Redact::default()).rewrite(text, &mut [0; 6]).unwrap_or_else(|| text.to_owned())
}

/// Asserts that a candidate between spaces becomes a placeholder, and so at the edges of a text, in quotes and amid
/// other scripts.
pub(super) fn taken(kind: usize, candidates: &[&str]) {
    for candidate in candidates {
        for (before, after) in [
            ("", ""),
            (" ", " "),
            ("\"", "\""),
            ("(", ")"),
            ("\n", "\n"),
            ("메일은 ", "으로"),
            ("电邮：", "。谢谢"),
            ("<", ">"),
        ] {
            let text = format!("{before}{candidate}{after}");
            assert_eq!(rewritten(&text), format!("{before}{}{after}", PLACEHOLDERS[kind]), "{text:?}");
        }
    }
}

/// Asserts that texts stay as they are.
pub(super) fn left(texts: &[&str]) {
    for text in texts {
        assert_eq!(rewritten(text), *text);
    }
}

/// Pieces of which texts are made that look like something.
const PIECES: &[&str] = &[
    "john",
    "j.doe@example.com",
    "@",
    "a@b.co",
    ".",
    "-",
    "_",
    "+",
    "+1 ",
    "(",
    ")",
    "/",
    ":",
    "::",
    " ",
    "\n",
    ",",
    "<",
    ">",
    "555-123-4567",
    "5551234567",
    "(212) 555-0100",
    "+44 20 7946 0958",
    "0490 75 40 81",
    "tel ",
    "fax",
    " office",
    "x12",
    "93.184.216.34",
    "12.34.56.78",
    "2001:4860:4860::8888",
    "4111 1111 1111 1111",
    "4111111111111111",
    "1",
    "12",
    "2019",
    "GB82 WEST 1234 5698 7654 32",
    "GB82WEST12345698765432",
    "DE",
    "AKIAIOSFODNN7EXAMPLE",
    "sk-",
    "eyJ",
    "ghp_",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
    "-----BEGIN PRIVATE KEY-----",
    "MIIEvQ",
    "-----END PRIVATE KEY-----",
    "é",
    "한국어",
    "１２３",
    "\u{a0}",
    "€",
    "v",
    "http://",
];

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => prop::sample::select(PIECES).prop_map(str::to_owned),
        1 => "[0-9A-Za-z@.:+ -]{1,12}",
    ];
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

/// The same by repeating: the first pass without looking back, as often as something changes.
fn repeated(redact: &Redact, text: &str) -> String {
    let mut text = text.to_owned();
    while let Some(changed) = {
        let mut matches = Vec::new();
        let mut from = 0;
        while let Some(found) = redact.scan.next(View::new(&text, from, text.len()), from) {
            from = found.end;
            matches.push(found);
        }
        redact.replace(&text, &matches, &mut [0; 6])
    } {
        text = changed;
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn rewriting_again_changes_nothing(text in text(), on in prop::array::uniform6(prop::bool::ANY)) {
        let [email, ip, telephone, card, iban, secret] = on;
        let redact = Redact::new(&config::Redact { email, ip, telephone, card, iban, secret });
        let mut counts = [0; 6];
        let rewritten = redact.rewrite(&text, &mut counts).unwrap_or_else(|| text.clone());
        prop_assert_eq!(redact.rewrite(&rewritten, &mut [0; 6]), None, "{:?} of {:?}", rewritten, text);
        prop_assert_eq!(&rewritten, &repeated(&redact, &text));
        for (kind, count) in counts.iter().enumerate() {
            prop_assert!(on[kind] || *count == 0);
            let placeholders = rewritten.matches(PLACEHOLDERS[kind]).count() as u64;
            prop_assert_eq!(placeholders, *count);
        }
    }

    #[test]
    fn any_text_is_rewritten(text in any::<String>()) {
        prop_assert!(rewritten(&text).len() <= 2 * text.len());
    }

    #[test]
    fn matches_are_in_order_and_apart(text in text()) {
        let matches = Redact::new(&config::Redact::default()).scan.matches(&text);
        let mut end = 0;
        for Match { start, end: next, .. } in matches {
            prop_assert!(end <= start && start < next && text.get(start..next).is_some());
            end = next;
        }
    }
}

#[test]
fn kinds_are_turned_off_and_counted() {
    let text =
        "a@b.co 93.184.216.34 (212) 555-0100 4111111111111111 GB82WEST12345698765432 AKIAIOSFODNN7EXAMPLE";
    let mut counts = [0; 6];
    let redact = Redact::new(&config::Redact::default());
    let rewritten = redact.rewrite(text, &mut counts);
    assert_eq!(rewritten.as_deref(), Some("<EMAIL> <IP> <TELEPHONE> <CARD> <IBAN> <SECRET>"));
    assert_eq!(counts, [1; 6]);
    let ip = Redact::new(&config::Redact {
        email: false,
        telephone: false,
        card: false,
        iban: false,
        secret: false,
        ..config::Redact::default()
    });
    ip.rewrite(text, &mut counts);
    assert_eq!(counts, [1, 2, 1, 1, 1, 1]);
    assert_eq!(redact.rewrite("Nothing of the kind, in 2019 or at 10:30.", &mut counts), None);
}

#[test]
fn what_refused_a_candidate_may_go_itself() {
    // The number is refused because digits go on, and stands alone once the address is gone.
    assert_eq!(rewritten("555-123-4567 12.34.56.78"), "<TELEPHONE> <IP>");
    assert_eq!(rewritten("call 555 1234 12.34.56.78"), "call <TELEPHONE> <IP>");
}

/// Texts of a size that make bad matchers slow.
fn hostile(bytes: usize) -> Vec<(String, String)> {
    const PATTERNS: &[&str] = &[
        "@",
        "1",
        ".",
        ":",
        "+",
        "-",
        "A",
        "_",
        "(",
        "I",
        "eyJ",
        "a@",
        "a@a.",
        "a@a.aa",
        "aa.",
        "1.",
        "1.1.1.",
        "1.1.1.1",
        "::",
        "1:",
        "1::",
        "ffff:",
        "+1",
        "+1 ",
        "+44 ",
        "1 ",
        "11 ",
        "111 ",
        "11-",
        "1111 ",
        "1111-",
        "4111 ",
        "(1",
        "(1)",
        "(11) ",
        "GB00",
        "GB00 ",
        "gb00",
        "GB82 WEST ",
        "sk-",
        "sk-a1",
        "xoxb-1a",
        "SG.",
        "ghp_",
        "AKIA",
        "AIza",
        "eyJa.",
        "eyJ.",
        "eyJaaaaaaaaaaaaaaaaaaa.",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----a",
        "-----",
        "-----END ",
        "tel 1111111,",
        "tel 11 11 11 11 ",
        "1111111,",
        "555-123-4567.",
        "555-123-4567 ",
        "555-123-4567-a.",
        "12.34.56.78 ",
        "93.184.216.34-",
        "0490 75 40 81 ",
        "00 49 30 12 ",
        "a@b.co,",
        "a@b.co@",
        "555-123-4567 12.34.56.78 ",
        "4111 1111 1111 1111 ",
        "1 tel ",
        "fax ",
        "é",
        "é@",
        "한",
    ];
    PATTERNS.iter().map(|pattern| ((*pattern).to_owned(), pattern.repeat(bytes / pattern.len()))).collect()
}

#[test]
fn work_grows_with_the_text_and_no_faster() {
    let work = |text: &str| {
        LOOKED.with(|looked| looked.set(0));
        rewritten(text);
        LOOKED.with(std::cell::Cell::get)
    };
    for ((pattern, short), (_, long)) in hostile(8_000).iter().zip(&hostile(64_000)) {
        let (less, more) = (work(short), work(long));
        assert!(more <= 8 * less + 8 * less / 20 + 4096, "{pattern:?}: {less} bytes looked at, then {more}");
        assert!(more <= 64 * long.len(), "{pattern:?}: {more} bytes looked at of {}", long.len());
    }
}
