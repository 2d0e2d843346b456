//! The headers of pages, looked at before the `parquet` crate reads them.
//!
//! It passes over members that it does not know, in loops as long as a list claims to be: seven bytes keep it busy for
//! seconds, or for hours where the file has ended. Pages have no lists, so a header that has one is none. And some
//! decompressors clear as much memory as a header claims, up to 2 GiB, before they look at what they decompress.
//!
//! Headers are in Thrift's compact protocol: members with a number and a type, of structures within each other.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Error, ErrorKind, Read};

/// What a byte of LZ4 becomes at the most; of Snappy it is less.
const MOST_FROM_A_BYTE: i64 = 255;
/// Structures within each other; there are three: a page, what kind it is, and statistics of its values.
const DEEPEST: u32 = 8;

/// What the header of a page is read from: a file at the place where one begins.
pub(crate) struct Header {
    read: BufReader<File>,
    /// Whether so much memory is cleared as the header says.
    cleared: bool,
    is_checked: bool,
}

impl Header {
    pub(crate) fn new(read: BufReader<File>, cleared: bool) -> Self {
        Self { read, cleared, is_checked: false }
    }
}

impl Read for Header {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Not when it is opened: the `parquet` crate does that at pages whose header it has read, too.
        if !self.is_checked {
            let mut members = Members { read: &mut self.read, passed: 0, sizes: [0; 2] };
            members.pass(Structure::Page, DEEPEST)?;
            let (passed, [unpacked, packed]) = (members.passed, members.sizes);
            if self.cleared && unpacked > packed.max(1).saturating_mul(MOST_FROM_A_BYTE) {
                return Err(wrong(format!("a page claims that its {packed} bytes decompress to {unpacked}")));
            }
            self.read.seek_relative(-(passed as i64))?;
            self.is_checked = true;
        }
        self.read.read(buffer)
    }
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidData, message.into())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Structure {
    Page,
    Data,
    Dictionary,
    DataOfVersion2,
    /// One that is passed over by the types of its members.
    Other,
}

impl Structure {
    /// What a member is: read by its number whatever its type claims, so that the type must be right.
    fn member(self, number: i64) -> Member {
        match (self, number) {
            (Self::Page, 5) => Member::Structure(Self::Data),
            (Self::Page, 6) => Member::Structure(Self::Other),
            (Self::Page, 7) => Member::Structure(Self::Dictionary),
            (Self::Page, 8) => Member::Structure(Self::DataOfVersion2),
            (Self::Page | Self::Data, 1..=4) | (Self::Dictionary, 1 | 2) | (Self::DataOfVersion2, 1..=6) => {
                Member::Number
            }
            _ => Member::Any,
        }
    }
}

enum Member {
    Number,
    Structure(Structure),
    Any,
}

/// Goes over the members of structures.
struct Members<'a, R> {
    read: &'a mut R,
    /// Bytes so far.
    passed: u64,
    /// How many bytes the page has, decompressed and as it is.
    sizes: [i64; 2],
}

impl<R: BufRead> Members<'_, R> {
    /// Goes behind a structure.
    fn pass(&mut self, structure: Structure, depth: u32) -> io::Result<()> {
        if depth == 0 {
            return Err(wrong("the header of a page goes too deep"));
        }
        let mut number = 0;
        loop {
            let byte = self.byte()?;
            let (step, kind) = (byte >> 4, byte & 0xf);
            if kind == 0 {
                return Ok(());
            }
            number = if step == 0 { signed(self.number()?) } else { number + i64::from(step) };
            let member = structure.member(number);
            // Numbers beyond these are cut to them when they are read.
            let is_right = i16::try_from(number).is_ok()
                && match member {
                    Member::Number => (4..=6).contains(&kind),
                    Member::Structure(_) => kind == 12,
                    Member::Any => true,
                };
            match (kind, member) {
                _ if !is_right => return Err(wrong("the header of a page has members of wrong types")),
                (1 | 2, _) => {}
                (3, _) => self.skip(1)?,
                (4..=6, _) => {
                    let value = self.number()?;
                    if let (Structure::Page, 2 | 3) = (structure, number) {
                        self.sizes[number as usize - 2] = i64::from(signed(value) as i32);
                    }
                }
                (7, _) => self.skip(8)?,
                (8, _) => {
                    let length = self.number()?;
                    self.skip(length)?;
                }
                (12, Member::Structure(inner)) => self.pass(inner, depth - 1)?,
                (12, _) => self.pass(Structure::Other, depth - 1)?,
                (13, _) => self.skip(16)?,
                _ => return Err(wrong("the header of a page has members that pages do not have")),
            }
        }
    }

    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.read.read_exact(&mut byte).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => ended(),
            _ => error,
        })?;
        self.passed += 1;
        Ok(byte[0])
    }

    /// A number of seven bits a byte, the lowest first. None is longer than ten bytes.
    fn number(&mut self) -> io::Result<u64> {
        let mut number = 0;
        for place in 0..10 {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(wrong("the header of a page holds a number that is none"))
    }

    fn skip(&mut self, length: u64) -> io::Result<()> {
        let mut left = length;
        while left > 0 {
            let held = self.read.fill_buf()?.len() as u64;
            if held == 0 {
                return Err(ended());
            }
            let skipped = held.min(left);
            self.read.consume(skipped as usize);
            left -= skipped;
        }
        self.passed += length;
        Ok(())
    }
}

fn ended() -> Error {
    Error::new(ErrorKind::UnexpectedEof, "the file ends within the header of a page")
}

/// The sign is the lowest bit.
fn signed(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// What is read behind so many bytes of a file in which a header stands at the third.
    fn read(header: &[u8], cleared: bool) -> Result<Vec<u8>, String> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[&b"ab"[..], header, b"body"].concat()).unwrap();
        let read = parquet::file::reader::ChunkReader::get_read(&file, 2).unwrap();
        let mut found = Vec::new();
        Header::new(read, cleared).read_to_end(&mut found).map_err(|error| error.to_string())?;
        Ok(found)
    }

    /// A page of plain values, which claims that its 10 bytes become this many (less than 64).
    fn page(unpacked: u8, statistics: &[u8]) -> Vec<u8> {
        [
            &[0x15, 0, 0x15, unpacked * 2, 0x15, 20, 0x2c, 0x15, 6, 0x15, 0, 0x15, 6, 0x15, 6][..],
            statistics,
            &[0, 0],
        ]
        .concat()
    }

    #[test]
    fn headers_are_read_as_they_are() {
        // Two texts, a number and a flag; the text is longer than what is read of the file at once.
        let texts =
            [&[0x1c, 0x18, 0xa0, 0x9c, 1][..], &[b'x'; 20_000], &[0x18, 1, b'y', 0x16, 4, 0x11, 0]].concat();
        for statistics in [&[][..], &[0x1c, 0], &texts] {
            let header = page(10, statistics);
            assert_eq!(read(&header, true).unwrap(), [&header[..], b"body"].concat());
        }
    }

    #[test]
    fn what_no_page_has_is_an_error() {
        let with = |members: &[u8]| read(&page(10, members), false).unwrap_err();
        // Lists of 2^31 - 1 numbers of eight bytes, and flags; a set and a map of them; no type at all.
        for kind in [0xf7, 0xf1] {
            assert!(with(&[0x19, kind, 0xff, 0xff, 0xff, 0xff, 7]).contains("that pages do not have"));
        }
        for kind in [0x1a, 0x1b, 0x1e, 0x1f] {
            assert!(with(&[kind, 0xff, 0xff, 0xff, 0xff, 7, 0x11]).contains("that pages do not have"));
        }
        // The number of values as bytes, the kind of page as a number, and a number that is cut to 1.
        assert!(with(&[0x08, 2, 1, 0]).contains("wrong types"));
        assert!(read(&[0x55, 0, 0], false).unwrap_err().contains("wrong types"));
        assert!(with(&[0x05, 0x82, 0x80, 8, 0]).contains("wrong types"));
        assert!(with(&[0x1c; 20]).contains("too deep"));
        assert!(
            with(&[0x16, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
                .contains("that is none")
        );
        assert!(with(&[0x18, 0xff, 0xff, 3]).contains("the file ends within the header"));
    }

    #[test]
    fn what_no_bytes_decompress_to_is_an_error_where_it_costs() {
        // The size is given a second time, as 2^31 - 1: the last counts.
        let mut header = page(10, &[]);
        header.truncate(header.len() - 1);
        header.extend([0x05, 4, 0xfe, 0xff, 0xff, 0xff, 15, 0]);
        assert_eq!(read(&header, false).unwrap().len(), header.len() + 4);
        let message = read(&header, true).unwrap_err();
        assert_eq!(message, "a page claims that its 10 bytes decompress to 2147483647");
    }
}
