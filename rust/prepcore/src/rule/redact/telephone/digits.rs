//! Groups of digits with separators between them: what telephone numbers are read from.

use crate::rule::redact::view::View;

/// Most groups and digits that are read: no telephone number has more (ITU-T E.164: 15 digits, here with `(0)`).
pub(super) const GROUPS: usize = 8;
const DIGITS: usize = 16;

/// What stands before a group of digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Separator {
    Nothing,
    Space,
    Hyphen,
    Dot,
    Slash,
    Parenthesis,
}

/// One group of digits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) separator: Separator,
    /// Whether it stands in parentheses.
    pub(super) enclosed: bool,
}

/// The groups that begin at a place, until something else comes.
#[derive(Debug)]
pub(super) struct Groups {
    groups: [Group; GROUPS],
    count: usize,
    /// Where they end, with a closing parenthesis.
    pub(super) end: usize,
    /// Whether more digits follow than are read.
    pub(super) more: bool,
}

impl Group {
    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }
}

impl Groups {
    /// Reads the groups that begin at a digit or an opening parenthesis.
    pub(super) fn read(view: View<'_>, from: usize) -> Self {
        let none = Group { start: from, end: from, separator: Separator::Nothing, enclosed: false };
        let mut groups = Self { groups: [none; GROUPS], count: 0, end: from, more: false };
        let (mut place, mut separator, mut total) = (from, Separator::Nothing, 0);
        loop {
            let enclosed = view.at(place) == b'(';
            let start = place + usize::from(enclosed);
            let end = view.end_of(start, DIGITS + 1, |byte| byte.is_ascii_digit());
            if end == start || enclosed && view.at(end) != b')' {
                break;
            }
            total += end - start;
            if total > DIGITS || groups.count == GROUPS {
                groups.more = true;
                break;
            }
            groups.groups[groups.count] = Group { start, end, separator, enclosed };
            groups.count += 1;
            groups.end = end + usize::from(enclosed);
            (separator, place) = after(view, groups.end, enclosed);
            if separator == Separator::Nothing {
                break;
            }
        }
        groups
    }

    pub(super) fn all(&self) -> &[Group] {
        &self.groups[..self.count]
    }

    /// The digits of all groups.
    pub(super) fn digits(&self) -> usize {
        self.all().iter().map(Group::len).sum()
    }
}

/// The separator at a place and where the next group begins.
fn after(view: View<'_>, place: usize, enclosed: bool) -> (Separator, usize) {
    let (separator, width) = match view.at(place) {
        b' ' if view.has(place, b" / ") => (Separator::Slash, 3),
        b' ' => (Separator::Space, 1),
        b'-' => (Separator::Hyphen, 1),
        b'.' => (Separator::Dot, 1),
        b'/' => (Separator::Slash, 1),
        b'(' | b'0'..=b'9' if enclosed || view.at(place) == b'(' => (Separator::Parenthesis, 0),
        // The no-break forms, and the dash that stands for a hyphen.
        0xC2 if view.has(place, "\u{a0}".as_bytes()) => (Separator::Space, 2),
        0xE2 if view.has(place, "\u{202f}".as_bytes()) => (Separator::Space, 3),
        0xE2 if view.has(place, "\u{2011}".as_bytes()) || view.has(place, "\u{2013}".as_bytes()) => {
            (Separator::Hyphen, 3)
        }
        _ => (Separator::Nothing, 0),
    };
    (separator, place + width)
}

/// Whether groups are thousands of one number, which end in noughts.
pub(super) fn thousands(view: View<'_>, groups: &[Group], end: usize) -> bool {
    groups.iter().skip(1).all(|group| group.len() == 3) && view.has(end - 3, b"000")
}

/// Whether no further number stands beside the first groups with one space between: columns of numbers have them.
pub(super) fn alone(view: View<'_>, groups: &[Group], count: usize) -> bool {
    let start = groups[0].start - usize::from(groups[0].enclosed);
    let before = view.before(start, 1) == b' ' && view.before(start, 2).is_ascii_digit();
    !before && groups.get(count).is_none_or(|next| next.separator != Separator::Space)
}
