//! International numbers: `+` or an exit code (`00`, or `011` of North America), a country code (ITU-T E.164, list of
//! assigned codes), 9 to 15 digits in groups or 10 to 15 in a row; 11 where the country's numbers have no other length.

use super::digits::{Group, Groups, Separator};
use crate::rule::redact::view::View;

/// Assigned codes of two and of three digits; 1 and 7 are the codes of one.
const TWO: &[u8] = &[
    20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46, 47, 48, 49, 51, 52, 53, 54, 55, 56, 57, 58,
    60, 61, 62, 63, 64, 65, 66, 81, 82, 84, 86, 90, 91, 92, 93, 94, 95, 98,
];
/// From and to.
#[rustfmt::skip]
const THREE: &[(u16, u16)] = &[
    (211, 213), (216, 216), (218, 218), (220, 258), (260, 269), (290, 291), (297, 299), (350, 359), (370, 379),
    (380, 383), (385, 387), (389, 389), (420, 421), (423, 423), (500, 509), (590, 599), (670, 670), (672, 683),
    (685, 692), (800, 800), (808, 808), (850, 850), (852, 853), (855, 856), (870, 870), (878, 878), (880, 883),
    (886, 886), (888, 888), (960, 968), (970, 977), (979, 979), (992, 996), (998, 998),
];

/// Where a number ends whose country code begins the first of these groups.
pub(super) fn end(view: View<'_>, groups: &[Group], more: bool) -> Option<usize> {
    let first = groups.first()?;
    let eleven = country(view, groups)?;
    if groups.len() == 1 {
        let fits = if eleven { first.len() == 11 } else { (10..=15).contains(&first.len()) };
        return (fits && !more).then_some(first.end);
    }
    let (mut digits, mut end) = (0, None);
    for (number, group) in groups.iter().enumerate() {
        // The trunk prefix in `+44 (0)20` is not dialled from abroad.
        digits += group.len() - usize::from(group.enclosed && view.at(group.start) == b'0');
        let last = groups.get(number + 1).is_none_or(|next| next.separator == Separator::Space);
        let fits = if eleven { digits == 11 } else { (9..=15).contains(&digits) };
        if fits && last && number > 0 && group.len() > 1 {
            end = Some(group.end);
        }
    }
    end.filter(|end| !super::digits::thousands(view, groups, *end))
}

/// Where a number ends that begins with an exit code.
pub(super) fn dialled(view: View<'_>, groups: &Groups) -> Option<usize> {
    let all = groups.all();
    let north_american = all[0].len() == 3 && view.has(all[0].start, b"011");
    let skipped = if north_american { 3 } else { 2 };
    // Bytes in hexadecimal have groups of noughts; columns have a number before or behind.
    let noughts = all[1..].iter().any(|group| group.len() == 2 && view.has(group.start, b"00"));
    let exit = north_american || view.has(all[0].start, b"00") && !all[0].enclosed;
    if !exit || noughts || all.len() < 3 || !super::digits::alone(view, all, all.len()) {
        return None;
    }
    let mut rest = [all[0]; super::digits::GROUPS];
    rest[..all.len()].copy_from_slice(all);
    rest[0].start += skipped;
    end(view, &rest[usize::from(rest[0].len() == 0)..all.len()], groups.more)
}

/// Whether a country's numbers have eleven digits with the code; `None` where no country has the code.
fn country(view: View<'_>, groups: &[Group]) -> Option<bool> {
    let mut digits = [0; 3];
    let all = groups.iter().flat_map(|group| group.start..group.end);
    let mut read = 0;
    for (digit, place) in digits.iter_mut().zip(all) {
        *digit = view.at(place).wrapping_sub(b'0');
        read += 1;
    }
    let [first, second, third] = digits;
    match first {
        // No area code of North America begins with 0 or 1.
        _ if read < 3 => None,
        1 => (second > 1).then_some(true),
        7 => Some(true),
        _ => {
            let two = first * 10 + second;
            let three = u16::from(two) * 10 + u16::from(third);
            let assigned =
                TWO.contains(&two) || THREE.iter().any(|(from, to)| (*from..=*to).contains(&three));
            assigned.then_some(false)
        }
    }
}
