//! How many lengths of texts a page of a delta encoding claims: its runs of lengths are walked and not decoded.
//!
//! A run begins with the size of its blocks, the parts of a block, the number of lengths and the first of them. A
//! block is the least difference, the width in bits that each part's differences have, and the differences.

/// Lengths that are taken at the most: in two runs of four bytes each they take 2 GiB, as much as a page may.
pub(crate) const MOST_LENGTHS: u64 = 1 << 28;

/// The most lengths that one of a page's first `runs` runs claims. A run that claims more than `most` is the last
/// that is looked at, and so is one that cannot be read: decoding ends with it too.
pub(crate) fn most_lengths(values: &[u8], runs: usize, most: u64) -> u64 {
    let (mut rest, mut claimed) = (values, 0);
    for _ in 0..runs {
        let Some(run) = Run::open(&mut rest) else { break };
        claimed = claimed.max(run.lengths);
        if claimed > most {
            break;
        }
        match run.skip(&mut rest) {
            Ok(true) => {}
            Ok(false) => break,
            Err(TooLong) => return u64::MAX,
        }
    }
    claimed
}

/// What stands before a run's blocks.
struct Run {
    parts: usize,
    /// Lengths of a part.
    part: u64,
    lengths: u64,
}

/// A block's end is beyond all numbers: a decoder that calculates it may arrive anywhere.
struct TooLong;

impl Run {
    fn open(rest: &mut &[u8]) -> Option<Self> {
        let (block, parts, lengths) = (number(rest)?, number(rest)?, number(rest)?);
        number(rest)?;
        let part = block.checked_div(parts)?;
        Some(Self { parts: usize::try_from(parts).ok()?, part, lengths })
    }

    /// Goes behind the blocks; says whether they are all there.
    fn skip(&self, rest: &mut &[u8]) -> Result<bool, TooLong> {
        // The first length stands before the blocks.
        let mut left = self.lengths.saturating_sub(1);
        while left > 0 {
            if number(rest).is_none() {
                return Ok(false);
            }
            let Some((widths, behind)) = rest.split_at_checked(self.parts) else { return Ok(false) };
            let mut length = 0_u64;
            for width in widths {
                // Parts behind the last length are not there, whatever their width.
                if left > 0 {
                    let bytes = u64::from(*width).checked_mul(self.part).ok_or(TooLong)? / 8;
                    length = length.checked_add(bytes).ok_or(TooLong)?;
                }
                left = left.saturating_sub(self.part);
            }
            let Some(behind) = usize::try_from(length).ok().and_then(|length| behind.get(length..)) else {
                return Ok(false);
            };
            *rest = behind;
        }
        Ok(true)
    }
}

/// The next number: seven bits a byte, the lowest first. None is longer than ten bytes.
fn number(rest: &mut &[u8]) -> Option<u64> {
    let length = rest.iter().take(10).position(|byte| byte & 0x80 == 0)? + 1;
    let (bytes, behind) = rest.split_at(length);
    *rest = behind;
    let shifted = bytes.iter().zip(0_u32..).map(|(byte, place)| u64::from(byte & 0x7f) << (7 * place));
    Some(shifted.fold(0, |number, bits| number | bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of so many lengths in blocks of 128, in four parts whose differences have `width` bits.
    fn run(lengths: u32, width: u8) -> Vec<u8> {
        let mut run = vec![0x80, 1, 4];
        let mut rest = lengths;
        while rest >= 0x80 {
            run.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        run.extend([rest as u8, 10]);
        let mut left = lengths.saturating_sub(1);
        while left > 0 {
            run.extend([1, width, width, width, width]);
            for _ in 0..4 {
                if left > 0 {
                    run.extend(vec![0x5a; usize::from(width) * 4]);
                }
                left = left.saturating_sub(32);
            }
        }
        run
    }

    #[test]
    fn the_second_run_is_found_behind_the_first() {
        for lengths in [0, 1, 2, 32, 33, 34, 128, 129, 130, 161, 1000] {
            for width in [0, 1, 7, 32] {
                let both = [run(lengths, width), run(77_777, 3)].concat();
                assert_eq!(most_lengths(&both, 1, 1 << 20), u64::from(lengths));
                assert_eq!(most_lengths(&both, 2, 1 << 20), 77_777, "{lengths} lengths of {width} bits");
            }
        }
    }

    #[test]
    fn what_cannot_be_read_claims_nothing_more() {
        let whole = [run(300, 5), run(400, 5)].concat();
        let first = run(300, 5).len();
        for cut in 0..whole.len() {
            let claimed = most_lengths(&whole[..cut], 2, 1 << 20);
            assert!(claimed == 0 || claimed == 300 || (claimed == 400 && cut > first), "{cut}: {claimed}");
        }
        // Blocks of no lengths, blocks of no parts, and a number without an end.
        assert_eq!(most_lengths(&[0, 4, 5, 0, 0, 0, 0, 0, 0], 2, 1 << 20), 5);
        assert_eq!(most_lengths(&[0x80, 1, 0, 5, 0], 2, 1 << 20), 0);
        assert_eq!(most_lengths(&[0xff; 20], 2, 1 << 20), 0);
        // Parts of 2^57 lengths with differences of 255 bits.
        let block = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2, 1, 5, 0, 0, 255, 1, 2, 3];
        assert_eq!(most_lengths(&block, 2, 1 << 20), u64::MAX);
    }
}
