//! Telephone numbers: international ones, national ones whose shape tells, and any other that a word introduces.
//!
//! * `+` and a country code (ITU-T E.164): 9 to 15 digits in groups, 10 to 15 in a row; 11 for `+1` and `+7`.
//! * `00` or `011` and the same in groups.
//! * North America: 3-3-4 with hyphens, dots or spaces, `(ddd) ddd-dddd`, `1-` before it; the area code begins with 2 to
//!   9, with spaces the exchange too (NANPA).
//! * A trunk prefix `0`: 9 to 11 digits in two to five groups with one kind of separator; Brazil's `(dd) dddd-dddd`.
//! * Seven to 13 digits in at most five groups when a word before (`phone`, `fax`, `call`, …) or after (`office`,
//!   `mobile`, …) says so.
//!
//! Groups 3-2-4 (US social security numbers), 5-4 (ZIP codes), dates, years and thousands are no telephone numbers.
//! Separators are one space, hyphen or dot; an extension (`x12`, `ext. 12`) belongs to the number.

use super::digits::{Group, Groups, Separator};
use super::view::{View, starts};

/// What says that a number to come is a telephone's, in some languages; bytes in lower case.
const BEFORE: [&str; 40] = [
    "phone",
    "telephone",
    "tel",
    "fax",
    "mobile",
    "cell",
    "call",
    "dial",
    "whatsapp",
    "sms",
    "hotline",
    "helpline",
    "desk",
    "office",
    "answering",
    "reach me",
    "reached at",
    "text me",
    "messages to",
    "toll",
    "ring",
    "telefon",
    "téléphone",
    "teléfono",
    "telefono",
    "telefone",
    "móvil",
    "movil",
    "celular",
    "handy",
    "mobil",
    "portable",
    "telefax",
    "тел",
    "факс",
    "电话",
    "電話",
    "手机",
    "전화",
    "연락처",
];
/// What says that the number before was a telephone's.
const AFTER: [&[u8]; 6] = [b"fax", b"mobile", b"office", b"cell", b"phone", b"home phone"];
/// Bytes before a number in which such a word may stand.
const REACH: usize = 32;

/// The number that begins at a `+`.
pub(super) fn international(view: View<'_>, plus: usize) -> Option<(usize, usize)> {
    if !view.at(plus + 1).is_ascii_digit() || !free(view, plus) {
        return None;
    }
    let groups = Groups::read(view, plus + 1);
    ended(view, plus, abroad(view, &groups, groups.all(), 9)?)
}

/// The number that begins at a digit or an opening parenthesis.
pub(super) fn national(view: View<'_>, start: usize) -> Option<(usize, usize)> {
    if !free(view, start) {
        return None;
    }
    let groups = Groups::read(view, start);
    // Most numbers in a text fail here: years, counts, prices.
    if groups.digits() < 7 {
        return None;
    }
    let end = american(view, &groups)
        .filter(|end| separate(view, *end))
        .or_else(|| exit_code(view, &groups).filter(|end| separate(view, *end)))
        .or_else(|| trunk(view, start, &groups).filter(|end| separate(view, *end)))
        .or_else(|| introduced(view, start, &groups))?;
    ended(view, start, end)
}

/// Whether nothing before a number makes it something else: a word, a price, a path, a longer number.
fn free(view: View<'_>, start: usize) -> bool {
    let (near, far) = (view.before(start, 1), view.before(start, 2));
    !super::view::word(near)
        && !matches!(near, b'@' | b'#' | b'$' | b'+' | b'\\' | b'%' | b'~' | b'^' | b')')
        && !(near == b'-' && super::view::word(far))
        && !(matches!(near, b'.' | b',' | b':') && far.is_ascii_digit())
        && !(near == b'/' && (far.is_ascii_alphabetic() || far == b'/'))
        // "€" and "£", which are no ASCII.
        && !view.has(start.wrapping_sub(3), "€".as_bytes())
        && !view.has(start.wrapping_sub(2), "£".as_bytes())
}

/// Whether a number may end here.
fn separate(view: View<'_>, end: usize) -> bool {
    let extension = extended(view, end) > end;
    (extension || view.apart_right(end))
        && !matches!(view.at(end), b'%' | b'@')
        && !super::email::follows(view, end)
}

/// The whole number, with its extension.
fn ended(view: View<'_>, start: usize, end: usize) -> Option<(usize, usize)> {
    separate(view, end).then(|| (start, extended(view, end)))
}

/// Where the extension ends that begins at a place, the place itself where there is none.
fn extended(view: View<'_>, end: usize) -> usize {
    let mut place = end + usize::from(view.at(end) == b' ');
    let Some(mark) =
        ["ext.", "ext", "x"].iter().find(|mark| starts(view.between(place, place + 4), mark.as_bytes()))
    else {
        return end;
    };
    place += mark.len();
    place += usize::from(view.at(place) == b' ');
    let stop = view.end_of(place, 6, |byte| byte.is_ascii_digit());
    if stop == place || super::view::word(view.at(stop)) { end } else { stop }
}

/// Where a number of a country ends whose code is the first of these groups.
fn abroad(view: View<'_>, groups: &Groups, of: &[Group], least: usize) -> Option<usize> {
    let first = of.first()?;
    let code = [0, 1]
        .map(|at| view.at(of.iter().find(|group| group.len() > at).map_or(0, |group| group.start + at)));
    // Not assigned: 0, 28, 83, 89 (ITU Operational Bulletin 1114).
    if code[0] == b'0' || first.len() > 1 && matches!(&code, b"28" | b"83" | b"89") {
        return None;
    }
    if of.len() == 1 {
        return (!groups.more && (10..=15).contains(&first.len()) && exact(view, first)).then_some(first.end);
    }
    let (mut digits, mut end) = (0, None);
    for (number, group) in of.iter().enumerate() {
        digits += group.len();
        let national = if group.enclosed && view.at(group.start) == b'0' { 1 } else { 0 };
        digits -= national;
        let ends = of.get(number + 1).is_none_or(|next| next.separator == Separator::Space);
        let fits = match code[0] {
            b'1' | b'7' => digits == 11,
            _ => (least..=15).contains(&digits),
        };
        if fits && ends && number > 0 {
            end = Some(group.end);
        }
    }
    end.filter(|end| !thousands(view, of, *end))
}

/// Whether the digits of North America and Russia in a row are eleven.
fn exact(view: View<'_>, group: &Group) -> bool {
    !matches!(view.at(group.start), b'1' | b'7') || group.len() == 11
}

/// Whether groups are thousands of one number, which end in noughts.
fn thousands(view: View<'_>, of: &[Group], end: usize) -> bool {
    of.iter().skip(1).all(|group| group.len() == 3) && view.has(end - 3, b"000")
}

/// North America's shapes.
fn american(view: View<'_>, groups: &Groups) -> Option<usize> {
    let all = groups.all();
    let long = all[0].len() == 1 && view.at(all[0].start) == b'1';
    let own = &all[usize::from(long)..];
    let [area, exchange, line, ..] = own else { return None };
    let tells = |group: &Group| matches!(view.at(group.start), b'2'..=b'9');
    if [area.len(), exchange.len(), line.len()] != [3, 3, 4]
        || !tells(area)
        || line.enclosed
        || exchange.enclosed
    {
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

/// Whether no further number stands beside the first groups with one space between.
fn alone(view: View<'_>, of: &[Group], count: usize) -> bool {
    let before = view.before(of[0].start, 1) == b' ' && view.before(of[0].start, 2).is_ascii_digit();
    !before && of.get(count).is_none_or(|next| next.separator != Separator::Space)
}

/// Numbers with an exit code, `00` of most countries or `011` of North America.
fn exit_code(view: View<'_>, groups: &Groups) -> Option<usize> {
    let all = groups.all();
    let code = if view.has(all[0].start, b"011") && all[0].len() == 3 { 3 } else { 2 };
    if !(view.has(all[0].start, b"00") || code == 3) || all.len() < 3 || !alone(view, all, all.len()) {
        return None;
    }
    let mut of = [all[0]; 8];
    of[..all.len()].copy_from_slice(all);
    of[0].start += code;
    let of = if of[0].len() == 0 { &of[1..all.len()] } else { &of[..all.len()] };
    abroad(view, groups, of, 9)
}

/// National numbers with a trunk prefix, or an area code in parentheses.
fn trunk(view: View<'_>, start: usize, groups: &Groups) -> Option<usize> {
    let all = groups.all();
    let digits = groups.digits();
    if all.len() < 2 || groups.more {
        return None;
    }
    let lengths = |at: usize| all.get(at).map_or(0, Group::len);
    let zero = view.at(all[0].start) == b'0' && view.at(all[0].start + 1) != b'0';
    if all[0].enclosed {
        let brazil = lengths(0) == 2 && matches!(lengths(1), 4 | 5) && lengths(2) == 4 && all.len() == 3;
        let zero = zero && (2..=6).contains(&lengths(0)) && (8..=12).contains(&digits);
        return ((brazil && all[2].separator == Separator::Hyphen) || zero).then_some(groups.end);
    }
    let one = all[1..].iter().all(|group| group.separator == all[1].separator);
    let shape = match all.len() {
        2 => {
            (2..=5).contains(&lengths(0))
                && (6..=8).contains(&lengths(1))
                && all[1].separator != Separator::Dot
        }
        3 => (2..=5).contains(&lengths(0)) && (3..=4).contains(&lengths(1)) && (3..=4).contains(&lengths(2)),
        4 | 5 => all.iter().all(|group| (2..=4).contains(&group.len())),
        _ => false,
    };
    let column = view.before(start, 1) == b' ' && view.before(start, 2).is_ascii_digit();
    (zero && one && shape && !column && (9..=11).contains(&digits)).then_some(groups.end)
}

/// Numbers of no telling shape, where a word says what they are.
fn introduced(view: View<'_>, start: usize, groups: &Groups) -> Option<usize> {
    let all = groups.all();
    let mut lengths = [0; 8];
    for (length, group) in lengths.iter_mut().zip(all) {
        *length = group.len();
    }
    let lengths = &lengths[..all.len()];
    let year =
        |group: &Group| group.len() == 4 && (view.has(group.start, b"19") || view.has(group.start, b"20"));
    let other = matches!(lengths, [3, 2, 4] | [5, 4] | [4, 2, 2] | [2, 2, 4] | [1, ..])
        || all.iter().all(year)
        || lengths[1..].contains(&1)
        || lengths.len() > 1 && thousands(view, all, all[all.len() - 1].end);
    // A number in the middle of others is not what the word introduces.
    let middle = view.before(start, 1) == b' ' && view.before(start, 2).is_ascii_digit();
    let shape = !groups.more && !other && !middle && (7..=13).contains(&groups.digits()) && all.len() <= 5;
    if !shape || !separate_introduced(view, groups.end) {
        return None;
    }
    (after(view, groups.end) || before(view, start)).then_some(groups.end)
}

/// Whether a number may end here, or a hyphen joins it to the word that says what it is.
fn separate_introduced(view: View<'_>, end: usize) -> bool {
    separate(view, end)
        && !(view.at(end) == b',' && view.at(end + 1).is_ascii_digit() && view.at(end + 4) == b',')
}

fn before(view: View<'_>, start: usize) -> bool {
    view.word_before(start, REACH, &BEFORE.map(str::as_bytes))
}

fn after(view: View<'_>, end: usize) -> bool {
    matches!(view.at(end), b' ' | b'-')
        && AFTER.iter().any(|word| {
            let next = view.between(end + 1, end + 1 + word.len());
            starts(next, word) && !super::view::word(view.at(end + 1 + word.len()))
        })
}
