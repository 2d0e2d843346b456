//! National numbers whose shape tells.
//!
//! * North America: 3-3-4 with hyphens, dots or spaces, `(ddd) ddd-dddd`, `1-` before it; the area code begins with 2
//!   to 9, with dots and spaces the exchange too (NANPA).
//! * A trunk prefix `0` as most of Europe and Asia have it: 9 to 11 digits in two to five groups with one kind of
//!   separator, a slash after the area code, or the area code in parentheses; Brazil's `(dd) dddd-dddd`.

use super::digits::{Group, Groups, Separator, alone};
use crate::rule::redact::view::View;

/// Where a number of North America ends.
pub(super) fn american(view: View<'_>, groups: &Groups) -> Option<usize> {
    let all = groups.all();
    let long = all[0].len() == 1 && view.at(all[0].start) == b'1';
    let own = &all[usize::from(long)..];
    let [area, exchange, line, ..] = own else { return None };
    let tells = |group: &Group| matches!(view.at(group.start), b'2'..=b'9');
    let lengths = [area.len(), exchange.len(), line.len()];
    if lengths != [3, 3, 4] || !tells(area) || line.enclosed || exchange.enclosed {
        return None;
    }
    let one = exchange.separator == line.separator;
    let shape = match (area.enclosed, line.separator) {
        (true, Separator::Hyphen | Separator::Dot | Separator::Space) => true,
        (false, Separator::Hyphen) => one,
        (false, Separator::Dot) => one && tells(exchange),
        // Columns of numbers have spaces between them.
        (false, Separator::Space) => one && tells(exchange) && alone(view, own, 3),
        _ => false,
    };
    shape.then_some(line.end)
}

/// Where a number ends that begins with a trunk prefix or an area code in parentheses.
pub(super) fn trunk(view: View<'_>, groups: &Groups) -> Option<usize> {
    let all = groups.all();
    let zero = view.at(all[0].start) == b'0' && view.at(all[0].start + 1) != b'0';
    if all.len() < 2 || groups.more || !alone(view, all, all.len()) {
        return None;
    }
    let mut lengths = [0; super::digits::GROUPS];
    for (length, group) in lengths.iter_mut().zip(all) {
        *length = group.len();
    }
    let lengths = &lengths[..all.len()];
    if all[0].enclosed {
        let brazil = matches!(lengths, [2, 4 | 5, 4]) && all[2].separator == Separator::Hyphen;
        let zero = zero && (2..=6).contains(&lengths[0]) && (8..=12).contains(&groups.digits());
        return (brazil || zero).then_some(groups.end);
    }
    let slash = all[1].separator == Separator::Slash;
    // After the area code the separator may be another. A day or month before a slash has two digits.
    let rest = if slash { &all[2..] } else { &all[1..] };
    let one =
        rest.iter().all(|group| group.separator == rest[0].separator && group.separator != Separator::Slash);
    let dots = all[1].separator == Separator::Dot;
    let shape = match lengths {
        [3..=5, rest @ ..] if slash => rest.len() <= 4 && rest.iter().all(|length| (2..=8).contains(length)),
        [2..=5, 6..=8] => !dots && !view.has(all[1].start, b"000"),
        // The address of a network, padded.
        [3, 3, 3] => !dots,
        [2..=5, 3..=4, 3..=4] => true,
        [_, _, _, _] | [_, _, _, _, _] => lengths.iter().all(|length| (2..=4).contains(length)),
        _ => false,
    };
    (zero && one && shape && (9..=11).contains(&groups.digits())).then_some(groups.end)
}
