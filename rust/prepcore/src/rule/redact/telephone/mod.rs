//! Telephone numbers: international ones, national ones whose shape tells, and any other that a word introduces.
//!
//! One file each says what is taken. Never are: groups 3-2-4 (US social security numbers) and 5-4 (ZIP codes), dates,
//! ranges of years, ISBNs, thousands, prices, numbers within words, paths and decimals. Separators are one space
//! (no-break ones too), hyphen, dot, or a slash after the area code; an extension (`x12`, `ext. 12`) belongs to the
//! number.

mod abroad;
mod digits;
mod introduced;
mod national;
#[cfg(test)]
mod tests;

use self::digits::Groups;
use super::email;
use super::view::{View, starts, word};

/// The number that begins at a `+`.
pub(super) fn international(view: View<'_>, plus: usize) -> Option<(usize, usize)> {
    if !view.at(plus + 1).is_ascii_digit() || !free(view, plus) {
        return None;
    }
    let groups = Groups::read(view, plus + 1);
    let end = abroad::end(view, groups.all(), groups.more)?;
    separate(view, end).then(|| (plus, extended(view, end)))
}

/// The number that begins at a digit or an opening parenthesis.
pub(super) fn national(view: View<'_>, start: usize) -> Option<(usize, usize)> {
    if !likely(view, start) || !free(view, start) {
        return None;
    }
    let groups = Groups::read(view, start);
    // Most numbers in a text fail here: years, counts, prices. Parentheses within are a year's or a volume's.
    if groups.digits() < 7 || groups.all()[1..].iter().any(|group| group.enclosed && group.len() > 1) {
        return None;
    }
    [national::american, abroad::dialled, national::trunk, introduced::end]
        .iter()
        .filter_map(|end| end(view, &groups))
        .find(|end| separate(view, *end))
        .map(|end| (start, extended(view, end)))
}

/// Whether a number can begin here that some shape takes, by what is cheap to see: in columns of numbers only North
/// America's with hyphens or dots, and after a single digit only `1-`.
fn likely(view: View<'_>, start: usize) -> bool {
    let column = view.before(start, 1) == b' ' && view.before(start, 2).is_ascii_digit();
    match view.end_of(start, 4, |byte| byte.is_ascii_digit()) {
        end if end == start => !column,
        end if end == start + 1 => view.at(start) == b'1' && !column,
        end => !column || end == start + 3 && matches!(view.at(end), b'-' | b'.'),
    }
}

/// Whether nothing before a number makes it something else: a word, a price, a path, a longer number.
fn free(view: View<'_>, start: usize) -> bool {
    let (near, far) = (view.before(start, 1), view.before(start, 2));
    let part =
        word(near) || near == b'-' && word(far) || matches!(near, b'.' | b',' | b':') && far.is_ascii_digit();
    let path = near == b'/' && (far.is_ascii_alphabetic() || far == b'/');
    let mark = matches!(near, b'@' | b'#' | b'$' | b'+' | b'\\' | b'%' | b'~' | b'^' | b')');
    let price = || ["€", "£"].iter().any(|sign| view.has(start.wrapping_sub(sign.len()), sign.as_bytes()));
    !part && !path && !mark && (near.is_ascii() || !price())
}

/// Whether a number may end here.
fn separate(view: View<'_>, end: usize) -> bool {
    let extension = extended(view, end) > end;
    (extension || view.apart_right(end)) && !matches!(view.at(end), b'%' | b'@') && !email::follows(view, end)
}

/// Where the extension ends that begins at a place, the place itself where there is none.
fn extended(view: View<'_>, end: usize) -> usize {
    let mut place = end + usize::from(view.at(end) == b' ');
    let marks = ["ext.", "ext", "x"].map(str::as_bytes);
    let Some(mark) = marks.iter().find(|mark| starts(view.between(place, place + 4), mark)) else {
        return end;
    };
    place += mark.len();
    place += usize::from(view.at(place) == b' ');
    let stop = view.end_of(place, 6, |byte| byte.is_ascii_digit());
    if stop == place || word(view.at(stop)) { end } else { stop }
}
