//! Numbers of payment cards: 13 to 19 digits (Maestro from 12) in a row or grouped as they are printed, of a known
//! issuer, with the check digit of ISO/IEC 7812-1 (Luhn).
//!
//! Groups are 4-4-4-4, 4-4-4-4-3, 4-6-5 and 4-6-4 with one kind of separator, space or hyphen, and no further group of
//! the kind before or after: columns of numbers are no cards. Digits in a row after `/` or `=` are taken for an
//! identifier in a URL. Issuers' ranges are those of the networks' own tables of 2025.

use super::view::View;

const LONGEST: usize = 19;
/// How digits are grouped, longest first.
const GROUPS: [&[usize]; 4] = [&[4, 4, 4, 4, 3], &[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4]];

/// The card number that begins at the first of `run` digits.
pub(super) fn find(view: View<'_>, start: usize, run: usize) -> Option<(usize, usize)> {
    match run {
        12..=LONGEST => {
            let end = start + run;
            let identifier = matches!(view.before(start, 1), b'/' | b'=');
            let found = !identifier && view.apart(start, end) && valid(view.between(start, end));
            found.then_some((start, end))
        }
        4 if matches!(view.at(start + 4), b' ' | b'-') => {
            GROUPS.iter().find_map(|groups| grouped(view, start, groups))
        }
        _ => None,
    }
}

fn grouped(view: View<'_>, start: usize, groups: &[usize]) -> Option<(usize, usize)> {
    let separator = view.at(start + 4);
    if view.before(start, 1) == separator && view.before(start, 2).is_ascii_digit() {
        return None;
    }
    let (mut digits, mut count, mut place) = ([0; LONGEST], 0, start);
    for (number, length) in groups.iter().enumerate() {
        if number > 0 {
            if view.at(place) != separator {
                return None;
            }
            place += 1;
        }
        let end = place + length;
        if view.end_of(place, length + 1, |byte| byte.is_ascii_digit()) != end {
            return None;
        }
        digits[count..count + length].copy_from_slice(view.between(place, end));
        count += length;
        place = end;
    }
    let column = view.at(place) == separator && (1..=4).all(|by| view.at(place + by).is_ascii_digit());
    (!column && view.apart(start, place) && valid(&digits[..count])).then_some((start, place))
}

fn valid(digits: &[u8]) -> bool {
    issued(digits) && luhn(digits)
}

/// Whether some issuer has numbers of this length that begin so.
fn issued(digits: &[u8]) -> bool {
    let first =
        |count: usize| digits[..count].iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
    let (two, three, four, six) = (first(2), first(3), first(4), first(6));
    let maestro = matches!(four, 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763);
    let long = digits.len() >= 16
        && (matches!(four, 3528..=3589 | 6011 | 2200..=2204) // JCB, Discover, Mir
            || matches!(three, 644..=649) // Discover
            || matches!(two, 62 | 65)); // UnionPay, Discover
    maestro
        || long
        || match digits.len() {
            13 | 19 => digits[0] == b'4',                                          // Visa
            14 => matches!(three, 300..=305 | 309) || matches!(two, 36 | 38 | 39), // Diners Club
            15 => matches!(two, 34 | 37) || matches!(four, 1800 | 2131),           // American Express, JCB
            16 => digits[0] == b'4' || matches!(two, 51..=55) || matches!(six, 222_100..=272_099), // Mastercard
            _ => false,
        }
}

/// The checksum of ISO/IEC 7812-1, annex B.
fn luhn(digits: &[u8]) -> bool {
    let doubled = |digit: u32| digit * 2 - if digit > 4 { 9 } else { 0 };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| (place, u32::from(digit - b'0')))
        .map(|(place, digit)| if place % 2 == 1 { doubled(digit) } else { digit })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use crate::rule::redact::CARD;
    use crate::rule::redact::tests::{left, rewritten, taken};

    #[test]
    fn numbers() {
        taken(
            CARD,
            &[
                "4111111111111111",
                "4111 1111 1111 1111",
                "4111-1111-1111-1111",
                "5555555555554444",
                "2223003122003222",
                "378282246310005",
                "3782 822463 10005",
                "30569309025904",
                "3056 930902 5904",
                "6011111111111117",
                "3530111333300000",
                "4222222222222",
                "6759649826438453",
                "6200000000000005",
                "4007070753690781",
                "213176828496175",
                "501864667909",
                "4064557646766436702",
                "4064 5576 4676 6436 702",
            ],
        );
    }

    #[test]
    fn no_numbers() {
        left(&[
            "4111111111111112",
            "4111 1111 1111 1112",
            "9111111111111119",
            "0000000000000000",
            "4111 11111111 1111",
            "4111 1111-1111 1111",
            "a4111111111111111",
            "4111111111111111a",
            "0.4111111111111111",
            "https://x.example/4111111111111111",
            "?id=4111111111111111",
            "4111 1111 1111 1111 4111 1111 1111 1111",
            "４１１１１１１１１１１１１１１１",
            "41111111111111111111111",
        ]);
        assert_eq!(rewritten("卡号4111111111111111。"), "卡号<CARD>。");
        assert_eq!(rewritten("4111 1111 1111 1111 12/29 123"), "<CARD> 12/29 123");
    }
}
