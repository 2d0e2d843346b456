//! International bank account numbers: ISO 13616 with the lengths of SWIFT's registry (release 99) and check digits
//! modulo 97.
//!
//! Groups may be separated by single spaces or hyphens; the country may be in lower case where the whole number is.

use super::view::View;

/// Countries and the length of their numbers.
#[rustfmt::skip]
const COUNTRIES: [(&[u8; 2], usize); 89] = [
    (b"AD", 24), (b"AE", 23), (b"AL", 28), (b"AT", 20), (b"AZ", 28), (b"BA", 20), (b"BE", 16), (b"BG", 22),
    (b"BH", 22), (b"BI", 27), (b"BR", 29), (b"BY", 28), (b"CH", 21), (b"CR", 22), (b"CY", 28), (b"CZ", 24),
    (b"DE", 22), (b"DJ", 27), (b"DK", 18), (b"DO", 28), (b"EE", 20), (b"EG", 29), (b"ES", 24), (b"FI", 18),
    (b"FK", 18), (b"FO", 18), (b"FR", 27), (b"GB", 22), (b"GE", 22), (b"GI", 23), (b"GL", 18), (b"GR", 27),
    (b"GT", 28), (b"HN", 28), (b"HR", 21), (b"HU", 28), (b"IE", 22), (b"IL", 23), (b"IQ", 23), (b"IS", 26),
    (b"IT", 27), (b"JO", 30), (b"KW", 30), (b"KZ", 20), (b"LB", 28), (b"LC", 32), (b"LI", 21), (b"LT", 20),
    (b"LU", 20), (b"LV", 21), (b"LY", 25), (b"MC", 27), (b"MD", 24), (b"ME", 22), (b"MK", 19), (b"MN", 20),
    (b"MR", 27), (b"MT", 31), (b"MU", 30), (b"NI", 28), (b"NL", 18), (b"NO", 15), (b"OM", 23), (b"PK", 24),
    (b"PL", 28), (b"PS", 29), (b"PT", 25), (b"QA", 29), (b"RO", 24), (b"RS", 22), (b"RU", 33), (b"SA", 24),
    (b"SC", 31), (b"SD", 18), (b"SE", 24), (b"SI", 19), (b"SK", 24), (b"SM", 27), (b"SO", 23), (b"ST", 25),
    (b"SV", 28), (b"TL", 23), (b"TN", 24), (b"TR", 26), (b"UA", 29), (b"VA", 22), (b"VG", 24), (b"XK", 20),
    (b"YE", 30),
];

/// The number whose check digits begin at a place.
pub(super) fn find(view: View<'_>, digits: usize) -> Option<(usize, usize)> {
    let start = digits.checked_sub(2)?;
    let country = [view.at(start), view.at(start + 1)];
    if !country.iter().all(u8::is_ascii_alphabetic) || !view.at(digits + 1).is_ascii_digit() {
        return None;
    }
    let upper = country.map(|byte| byte.to_ascii_uppercase());
    let found = COUNTRIES.binary_search_by_key(&upper, |(code, _)| **code).ok()?;
    let lower = country.iter().all(u8::is_ascii_lowercase);
    if !view.apart_left(start) || !lower && upper != country {
        return None;
    }
    let (mut place, mut taken, mut rest, mut front) = (start, 0, 0, 0);
    while taken < COUNTRIES[found].1 {
        let byte = view.at(place);
        if taken > 0 && !lower && matches!(byte, b' ' | b'-') && view.at(place + 1).is_ascii_alphanumeric() {
            place += 1;
            continue;
        }
        if !byte.is_ascii_alphanumeric()
            || lower && byte.is_ascii_uppercase()
            || !lower && byte.is_ascii_lowercase()
        {
            return None;
        }
        // The country and the check digits come last in what is divided.
        let remainder = if taken < 4 { &mut front } else { &mut rest };
        *remainder = append(*remainder, byte);
        taken += 1;
        place += 1;
    }
    // Two letters of two digits each and two digits: six places.
    let remainder = (rest * (1_000_000 % 97) + front) % 97;
    (remainder == 1 && view.apart_right(place)).then_some((start, place))
}

/// The remainder with one more character: a letter is two digits, A = 10.
fn append(remainder: u32, byte: u8) -> u32 {
    match byte {
        b'0'..=b'9' => (remainder * 10 + u32::from(byte - b'0')) % 97,
        _ => (remainder * 100 + u32::from(byte.to_ascii_uppercase() - b'A') + 10) % 97,
    }
}

#[cfg(test)]
mod tests {
    use super::COUNTRIES;
    use crate::rule::redact::IBAN;
    use crate::rule::redact::tests::{left, rewritten, taken};

    #[test]
    fn numbers() {
        // The examples of SWIFT's registry.
        taken(
            IBAN,
            &[
                "GB29NWBK60161331926819",
                "GB29 NWBK 6016 1331 9268 19",
                "DE89370400440532013000",
                "DE89 3704 0044 0532 0130 00",
                "FR1420041010050500013M02606",
                "MT84MALT011000012345MTLCAST001S",
                "NO9386011117947",
                "BR1800360305000010009795493C1",
                "gb29nwbk60161331926819",
                "CH93-0076-2011-6238-5295-7",
                "SE4550000000058398257466",
                "LC55HEMM000100010012001200023015",
            ],
        );
    }

    #[test]
    fn no_numbers() {
        // Digits that end in a pair are no telephone numbers either.
        left(&[
            "GB28NWBK60161331926819",
            "GB29NWBK6016133192681",
            "XX29NWBK60161331926819",
            "GB29NWBK601613319268190",
            "xGB29NWBK60161331926819",
            "GB29 and so on",
            "GB00",
            "Gb29NWBK60161331926819",
            "ISBN13",
        ]);
        assert_eq!(rewritten("IBAN：DE89370400440532013000。"), "IBAN：<IBAN>。");
    }

    #[test]
    fn countries_are_in_order() {
        assert!(COUNTRIES.is_sorted());
        assert!(COUNTRIES.iter().all(|(_, length)| (15..=34).contains(length)));
    }
}
