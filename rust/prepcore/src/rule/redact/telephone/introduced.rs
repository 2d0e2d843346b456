//! Numbers of no telling shape: 7 to 13 digits in at most five groups, where a word just before (`phone`, `fax`,
//! `call`, …) or right behind (`mobile`, `office`, …) says what they are.

use super::digits::{Groups, Separator, alone, thousands};
use crate::rule::redact::view::{View, starts, word};

/// What says that a number to come is a telephone's, in some languages; in lower case.
const BEFORE: [&str; 46] = [
    "phone",
    "phoned",
    "phoning",
    "telephone",
    "tel",
    "fax",
    "telefax",
    "mobile",
    "cell",
    "call",
    "called",
    "calling",
    "dial",
    "dialing",
    "dialling",
    "dialled",
    "whatsapp",
    "sms",
    "hotline",
    "helpline",
    "desk",
    "answering",
    "reach me",
    "reached at",
    "text me",
    "messages to",
    "toll free",
    "toll-free",
    "ring",
    "telefon",
    "telefonnummer",
    "téléphone",
    "teléfono",
    "telefono",
    "telefone",
    "móvil",
    "celular",
    "handy",
    "mobil",
    "тел",
    "телефон",
    "факс",
    "电话",
    "電話",
    "手机",
    "전화",
];
/// What says that the number before was a telephone's.
const AFTER: [&str; 6] = ["fax", "mobile", "office", "cell", "phone", "home phone"];
/// Bytes before a number in which such a word may begin.
const REACH: usize = 32;

/// Where a number ends that a word introduces.
pub(super) fn end(view: View<'_>, groups: &Groups) -> Option<usize> {
    let all = groups.all();
    let shape = !groups.more && all.len() <= 5 && (7..=13).contains(&groups.digits());
    if !shape || other(view, groups) || !alone(view, all, all.len()) {
        return None;
    }
    (behind(view, groups.end) || before(view, all[0].start)).then_some(groups.end)
}

/// Whether a number is something else, whatever the words around it.
fn other(view: View<'_>, groups: &Groups) -> bool {
    let all = groups.all();
    let mut lengths = [0; super::digits::GROUPS];
    for (length, group) in lengths.iter_mut().zip(all) {
        *length = group.len();
    }
    let lengths = &lengths[..all.len()];
    let (first, last) = (all[0], all[all.len() - 1]);
    let separators =
        |wanted: Separator| all[1..].iter().filter(move |group| group.separator == wanted).count();
    let security = matches!(lengths, [3, 2, 4] | [5, 4]);
    let years = matches!(lengths, [4, 4])
        && matches!(view.at(first.start), b'1' | b'2')
        && view.between(first.start, first.end) <= view.between(last.start, last.end)
        && matches!(view.at(last.start), b'1' | b'2');
    let date = years || matches!(lengths, [4, 1 | 2, 2] | [1 | 2, 1 | 2, 4]);
    let book = (view.has(first.start, b"978") || view.has(first.start, b"979")) && groups.digits() == 13;
    let single = lengths.contains(&1);
    let number = separators(Separator::Dot) == 1 || lengths.len() > 1 && thousands(view, all, last.end);
    let padded = all.iter().any(|group| {
        group.len() > 3 && view.between(group.start, group.end).iter().all(|byte| *byte == b'0')
    });
    // What an argument or a field holds, and ranges within columns: `191-208 17`.
    let value = lengths.len() == 1 && matches!(view.before(first.start, 1), b'=' | b'/' | b'_' | b'(' | b'-');
    let range = separators(Separator::Hyphen) == 1 && last.separator != Separator::Hyphen;
    security
        || date
        || book
        || single
        || number
        || padded
        || value
        || range
        || separators(Separator::Slash) > 0
}

fn before(view: View<'_>, start: usize) -> bool {
    view.word_before(start, REACH, &BEFORE)
}

fn behind(view: View<'_>, end: usize) -> bool {
    matches!(view.at(end), b' ' | b'-')
        && AFTER.iter().any(|name| {
            let stop = end + 1 + name.len();
            starts(view.between(end + 1, stop), name.as_bytes()) && !word(view.at(stop))
        })
}
