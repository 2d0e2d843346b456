//! One pass over a text: bytes at which something may be found, then a look around them.
//!
//! Every look is bounded or ends at bytes where the next one begins, and a found candidate lets at most [`REACH`] bytes
//! be scanned again; so work grows with the text and no faster, whatever the text.

use super::view::{View, looked};
use super::{CARD, EMAIL, IBAN, IP, KINDS, SECRET, TELEPHONE, card, email, iban, ip, secret, telephone};

/// How far before a found candidate others may have been refused because of it: more than any look goes.
const REACH: usize = 512;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) start: usize,
    pub(super) end: usize,
    /// The kind's place in [`KINDS`].
    pub(super) kind: usize,
}

/// What has to be tried at a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Anchor {
    Nothing,
    At,
    Digit,
    Colon,
    Plus,
    Parenthesis,
    Secret,
}

/// The kinds that are on, and the bytes at which they are looked for.
#[derive(Debug)]
pub(super) struct Scan {
    on: [bool; KINDS.len()],
    anchors: [Anchor; 256],
}

impl Scan {
    pub(super) fn new(on: [bool; KINDS.len()]) -> Self {
        let mut anchors = [Anchor::Nothing; 256];
        let mut set = |wanted: bool, bytes: &[u8], anchor| {
            for byte in bytes.iter().filter(|_| wanted) {
                anchors[usize::from(*byte)] = anchor;
            }
        };
        set(on[EMAIL], b"@", Anchor::At);
        set(on[IP] || on[TELEPHONE] || on[CARD] || on[IBAN], b"0123456789", Anchor::Digit);
        set(on[IP], b":", Anchor::Colon);
        set(on[TELEPHONE], b"+", Anchor::Plus);
        set(on[TELEPHONE], b"(", Anchor::Parenthesis);
        set(on[SECRET], secret::ANCHORS, Anchor::Secret);
        Self { on, anchors }
    }

    /// Everything that is to be replaced, in order.
    ///
    /// A candidate may be refused because of what follows it. Where that is replaced itself, the text before is scanned
    /// again as it will then be, so that rewriting the rewritten text finds nothing more.
    pub(super) fn matches(&self, text: &str) -> Vec<Match> {
        let (mut found, mut waiting) = (Vec::new(), Vec::<Match>::new());
        let (mut left, mut from) = (0, 0);
        loop {
            let right = waiting.last().map_or(text.len(), |next| next.start);
            if let Some(next) = self.next(View::new(text, left, right), from) {
                from = left.max(next.start.saturating_sub(REACH));
                waiting.push(next);
            } else if let Some(next) = waiting.pop() {
                (left, from) = (next.end, next.end);
                found.push(next);
            } else {
                return found;
            }
        }
    }

    /// The next match whose anchor stands at `from` or later.
    pub(super) fn next(&self, view: View<'_>, mut from: usize) -> Option<Match> {
        let bytes = view.seen();
        loop {
            let rest = bytes.get(from..)?;
            let next = rest.iter().position(|byte| self.is_anchor(*byte));
            looked(next.unwrap_or(rest.len()));
            let at = from + next?;
            let found = match self.anchors[usize::from(bytes[at])] {
                Anchor::Nothing => None,
                Anchor::At => found(EMAIL, email::find(view, at)),
                Anchor::Colon => found(IP, ip::version_6(view, at)),
                Anchor::Plus => found(TELEPHONE, telephone::international(view, at)),
                Anchor::Parenthesis if view.at(at + 1).is_ascii_digit() => {
                    found(TELEPHONE, telephone::national(view, at))
                }
                Anchor::Parenthesis => None,
                Anchor::Secret => found(SECRET, secret::find(view, at)),
                Anchor::Digit => {
                    let run = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                    looked(run);
                    from = at + run;
                    // Only where a scan begins may digits stand before.
                    let whole = !view.before(at, 1).is_ascii_digit();
                    if let Some(found) = self.number(view, at, run).filter(|_| whole) {
                        return Some(found);
                    }
                    continue;
                }
            };
            if found.is_some() {
                return found;
            }
            from = at + 1;
        }
    }

    fn is_anchor(&self, byte: u8) -> bool {
        self.anchors[usize::from(byte)] != Anchor::Nothing
    }

    /// What begins with a run of digits.
    fn number(&self, view: View<'_>, at: usize, run: usize) -> Option<Match> {
        let try_kind = |kind: usize, find: &dyn Fn() -> Option<(usize, usize)>| {
            if self.on[kind] { found(kind, find()) } else { None }
        };
        try_kind(IBAN, &|| iban::find(view, at))
            .or_else(|| try_kind(CARD, &|| card::find(view, at, run)))
            .or_else(|| try_kind(IP, &|| ip::version_4(view, at)))
            .or_else(|| try_kind(TELEPHONE, &|| telephone::national(view, at)))
    }
}

fn found(kind: usize, place: Option<(usize, usize)>) -> Option<Match> {
    place.map(|(start, end)| Match { start, end, kind })
}
