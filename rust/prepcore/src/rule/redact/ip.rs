//! IP addresses that belong to somebody: global ones, as datatrove replaces them.
//!
//! Private, loopback, link-local, shared, documentation, benchmarking, multicast and reserved ranges stay (the IANA
//! special-purpose registries, RFC 6890): they stand in manuals and configurations and lead to nobody. So do four
//! numbers of six digits or fewer (sections, versions; `1.1.1.1` and its kind are public services), and numbers after
//! `version` and its like or `Name/`, and those of sections, where a line begins. An IPv6 address is eight groups, one
//! of them of three digits or more (others are
//! identifiers of hardware), or has `::` and lies in 2000::/3, which is all that is assigned (RFC 4291).

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str;

use super::view::{View, word};

/// Fewest digits of an IPv4 address: one address in 750 has fewer, and most numbers that do are versions or sections.
const FEWEST: usize = 7;
/// Most bytes of an IPv6 address in text.
const LONGEST: usize = 45;
/// What stands before a number with dots that is no address.
const VERSIONS: [&str; 10] =
    ["version", "ver", "v", "release", "firmware", "build", "section", "chapter", "linux", "kernel"];

/// The IPv4 address that begins at a digit.
pub(super) fn version_4(view: View<'_>, start: usize) -> Option<(usize, usize)> {
    // Most digits in a text fail here, and so do those amid a version.
    if view.before(start, 1) == b'.' && word(view.before(start, 2))
        || !(1..=3).any(|digits| view.at(start + digits) == b'.')
    {
        return None;
    }
    let mut octets = [0; 4];
    let mut place = start;
    let mut digits = 0;
    for (number, octet) in octets.iter_mut().enumerate() {
        if number > 0 {
            if view.at(place) != b'.' {
                return None;
            }
            place += 1;
        }
        let end = view.end_of(place, 4, |byte| byte.is_ascii_digit());
        let group = str::from_utf8(view.between(place, end)).ok()?;
        if group.is_empty() || group.len() > 1 && group.starts_with('0') {
            return None;
        }
        *octet = group.parse::<u8>().ok()?;
        digits += group.len();
        place = end;
    }
    let product = view.before(start, 1) == b'/' && view.before(start, 2).is_ascii_alphabetic();
    let found = digits >= FEWEST
        && !product
        && view.apart_left(start)
        && ends(view, place)
        && global_4(Ipv4Addr::from(octets))
        && !heading(view, start, place)
        && !super::email::follows(view, place)
        && !view.word_before(start, 10, &VERSIONS);
    found.then_some((start, place))
}

/// Whether an IPv4 address may end here. A further one may follow a hyphen, a name (`2.6.18.3-rc`) may not.
fn ends(view: View<'_>, end: usize) -> bool {
    let (near, far) = (view.at(end), view.at(end + 1));
    let joined = near == b'.' && far.is_ascii_digit() || near == b'-' && far.is_ascii_alphabetic();
    !joined && !word(near)
}

/// Whether numbers are those of a section: they begin a line and have a dot after the last.
fn heading(view: View<'_>, start: usize, end: usize) -> bool {
    let indent = (1..=8).find(|by| view.before(start, *by) != b' ');
    view.at(end) == b'.' && indent.is_some_and(|by| start < by || view.before(start, by) == b'\n')
}

/// The IPv6 address whose first `:` stands at a place.
pub(super) fn version_6(view: View<'_>, colon: usize) -> Option<(usize, usize)> {
    let next = view.at(colon + 1);
    if !(next.is_ascii_hexdigit() || next == b':') {
        return None;
    }
    let start = (1..=5).find(|by| !view.before(colon, *by).is_ascii_hexdigit()).map(|by| colon + 1 - by)?;
    let near = view.before(start, 1);
    if word(near) || matches!(near, b':' | b'.') {
        return None;
    }
    let within = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let stop = view.end_of(start, LONGEST + 2, within);
    // The end of a sentence, or what an address introduces.
    let mut end = stop;
    while end > colon
        && (view.at(end - 1) == b'.' || view.at(end - 1) == b':' && view.before(end - 1, 1) != b':')
    {
        end -= 1;
    }
    let text = str::from_utf8(view.between(start, end)).ok()?;
    let address: Ipv6Addr = text.parse().ok()?;
    let telling = if text.contains("::") {
        // `Jan 2004::` is a year and the mark of a block that follows.
        address.segments()[0] & 0xe000 == 0x2000 && text.trim_end_matches(':').contains(':')
    } else {
        text.split(':').any(|group| group.len() > 2)
    };
    (telling && global_6(address) && !word(view.at(stop))).then_some((start, end))
}

fn global_4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    !(matches!(first, 0 | 10 | 127 | 224..)
        || address.is_private()
        || address.is_link_local()
        || address.is_documentation()
        || first == 100 && second & 0xc0 == 64
        || first == 192 && second == 0 && third == 0
        || first == 198 && second & 0xfe == 18)
}

fn global_6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    !(first == 0
        || first & 0xfe00 == 0xfc00
        || first & 0xffc0 == 0xfe80
        || first & 0xff00 == 0xff00
        || first == 0x2001 && second == 0xdb8)
}

#[cfg(test)]
mod tests {
    use crate::rule::redact::IP;
    use crate::rule::redact::tests::{left, rewritten, taken};

    #[test]
    fn addresses() {
        taken(
            IP,
            &[
                "93.184.216.34",
                "106.31.73.20",
                "12.34.56.78",
                "1.22.33.44",
                "2001:4860:4860::8888",
                "2a00:1450:4001:81b::200e",
            ],
        );
        taken(
            IP,
            &["6e40:4041:c617:e898:c11:40d2:c669:2eb4", "::ffff:93.184.216.34".trim_start_matches("::ffff:")],
        );
    }

    #[test]
    fn no_addresses() {
        left(&[
            // Of special purpose.
            "10.1.2.34",
            "127.0.0.1",
            "192.168.178.1",
            "172.16.20.1",
            "169.254.10.1",
            "100.64.10.1",
            "192.0.2.10",
            "198.18.10.1",
            "224.0.0.251",
            "255.255.255.0",
            "0.0.0.0",
            "::1",
            "fe80::1a2b",
            "fd00::12",
            "2001:db8::1",
            "::",
            // Versions and sections.
            "1.1.1.1",
            "1.2.3.4.5",
            "1.20.30.40.5",
            "93.184.216.340",
            "01.20.30.40",
            "v1.20.30.40",
            "version 10.20.30.40.",
            "version 99.20.30.40",
            "Chrome/49.0.26.75",
            "49.66.44.55. Callbacks",
            "1.2.3.44",
            "22.66.18.33-rc1",
            "93.184.216",
            "1.20.30",
            // Times, names, hardware.
            "12:30:45",
            "std::vec",
            "dead::beef",
            "Jan 2004::",
            "00:1a:2b:3c:4d:5e",
            "00:1A:2B:FF:FE:3C:4D:5E",
            "a:b:c:d:e:f:1:2",
        ]);
    }

    #[test]
    fn neighbours_stay() {
        for (text, wanted) in [
            ("http://93.184.216.34:8080/x", "http://<IP>:8080/x"),
            ("from 93.184.216.34-93.184.216.99", "from <IP>-<IP>"),
            ("at 93.184.216.34.", "at <IP>."),
            ("93.184.216.0/24", "<IP>/24"),
            ("[2001:4860:4860::8888]:53", "[<IP>]:53"),
            ("地址93.184.216.34是", "地址<IP>是"),
        ] {
            assert_eq!(rewritten(text), wanted);
        }
    }
}
