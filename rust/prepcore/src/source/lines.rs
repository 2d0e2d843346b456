//! Raw lines of a byte stream, in blocks of about 8 MiB cut at line ends.

use std::io::{ErrorKind, Read};

use memchr::{memchr, memrchr};

use super::UNIT_BYTES;

/// Bytes asked of the reader at once.
const READ: usize = 1 << 20;

/// Whole lines as they stand in the file.
#[derive(Debug, Default)]
pub(crate) struct LineBlock {
    /// The file's number.
    pub(crate) source: u32,
    /// The lines with their line ends; the last may lack one.
    pub(crate) bytes: Vec<u8>,
    /// Offset of the first byte in the (decompressed) file.
    pub(crate) offset: u64,
    /// Why nothing follows although the file should go on, or why a line was passed over.
    pub(crate) damage: Option<Damage>,
}

/// A stretch of bytes that gave no line; it stands behind the block's lines and counts as one row.
#[derive(Debug)]
pub(crate) struct Damage {
    pub(crate) offset: u64,
    pub(crate) error: String,
}

/// Reads a byte stream as blocks of lines.
pub(crate) struct LineBlocks<R> {
    reader: R,
    source: u32,
    /// Lines that start at or after this offset belong to the next segment.
    end: Option<u64>,
    /// A longer line is passed over and counted.
    max_line: u64,
    /// Bytes read and not yet given out; they start at `offset`.
    buffer: Vec<u8>,
    offset: u64,
    finished: bool,
}

impl<R: Read> LineBlocks<R> {
    /// Lines of a reader that stands at `offset`, which is a line's start.
    pub(crate) fn new(reader: R, source: u32, offset: u64, end: Option<u64>, max_line: u64) -> Self {
        let finished = end.is_some_and(|end| offset >= end);
        Self { reader, source, end, max_line, buffer: Vec::new(), offset, finished }
    }

    fn block(&mut self, length: usize, damage: Option<Damage>) -> LineBlock {
        let rest = self.buffer.split_off(length);
        let bytes = std::mem::replace(&mut self.buffer, rest);
        let block = LineBlock { source: self.source, bytes, offset: self.offset, damage };
        self.offset += length as u64;
        block
    }

    /// Reads up to `READ` more bytes; 0 at the end.
    fn read(&mut self) -> std::io::Result<usize> {
        let filled = self.buffer.len();
        self.buffer.resize(filled + READ, 0);
        let result = loop {
            match self.reader.read(&mut self.buffer[filled..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        self.buffer.truncate(filled + result.as_ref().map_or(0, |read| *read));
        result
    }

    /// Where the last line of this segment ends in the buffer, once the buffer holds it.
    fn segment_end(&self) -> Option<usize> {
        // The byte before `end` is the last that can end a line of ours that starts before `end`.
        let last = usize::try_from(self.end?.checked_sub(self.offset + 1)?).ok()?;
        let tail = self.buffer.get(last..)?;
        memchr(b'\n', tail).map(|newline| last + newline + 1)
    }

    /// Drops a line that is too long and says where it stood; the rest of the file goes on.
    fn skip_line(&mut self) -> LineBlock {
        let start = self.offset;
        let mut skipped = 0;
        let found = loop {
            if let Some(newline) = memchr(b'\n', &self.buffer) {
                self.buffer.drain(..=newline);
                skipped += newline as u64 + 1;
                break true;
            }
            skipped += self.buffer.len() as u64;
            self.buffer.clear();
            match self.read() {
                Ok(0) | Err(_) => break false,
                Ok(_) => {}
            }
        };
        self.offset += skipped;
        self.finished = !found || self.end.is_some_and(|end| self.offset >= end);
        let error =
            format!("a line of {skipped} bytes; the memory budget allows {} bytes a document", self.max_line);
        let damage = Some(Damage { offset: start, error });
        LineBlock { source: self.source, bytes: Vec::new(), offset: start, damage }
    }
}

impl<R: Read> Iterator for LineBlocks<R> {
    type Item = LineBlock;

    fn next(&mut self) -> Option<LineBlock> {
        if self.finished {
            return None;
        }
        loop {
            if let Some(end) = self.segment_end() {
                self.finished = true;
                return Some(self.block(end, None));
            }
            if self.buffer.len() as u64 >= UNIT_BYTES {
                if let Some(newline) = memrchr(b'\n', &self.buffer) {
                    return Some(self.block(newline + 1, None));
                }
                if self.buffer.len() as u64 > self.max_line {
                    return Some(self.skip_line());
                }
            }
            match self.read() {
                Ok(0) => {
                    self.finished = true;
                    let length = self.buffer.len();
                    return (length > 0).then(|| self.block(length, None));
                }
                Ok(_) => {}
                Err(error) => {
                    self.finished = true;
                    let whole = memrchr(b'\n', &self.buffer).map_or(0, |newline| newline + 1);
                    let offset = self.offset + self.buffer.len() as u64;
                    let error = format!("the file cannot be read on from here: {error}");
                    return Some(self.block(whole, Some(Damage { offset, error })));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn segments_hold_every_line_once(
            text in "[a\n]{0,60}",
            cuts in prop::collection::btree_set(1_u64..60, 0..5),
        ) {
            let bytes = text.as_bytes();
            let mut borders: Vec<u64> = cuts.into_iter().filter(|cut| *cut < bytes.len() as u64).collect();
            borders.insert(0, 0);
            borders.push(bytes.len() as u64);
            let mut joined = Vec::new();
            for pair in borders.windows(2) {
                let start = super::super::jsonl::line_start(&mut std::io::Cursor::new(bytes), pair[0]).unwrap();
                let reader = &bytes[start as usize..];
                for block in LineBlocks::new(reader, 0, start, Some(pair[1]), 1 << 20) {
                    prop_assert_eq!(block.offset, joined.len() as u64);
                    joined.extend(block.bytes);
                }
            }
            prop_assert_eq!(joined, bytes);
        }
    }

    #[test]
    fn a_line_beyond_the_budget_is_counted_and_the_next_is_read() {
        let mut bytes = b"{\"a\"}\n".to_vec();
        bytes.extend(std::iter::repeat_n(b'x', 20 << 20));
        bytes.extend(b"\nlast");
        let blocks: Vec<_> = LineBlocks::new(&bytes[..], 0, 0, None, 10 << 20).collect();
        assert_eq!(blocks[0].bytes, b"{\"a\"}\n");
        let damage = blocks[1].damage.as_ref().unwrap();
        assert_eq!(damage.offset, 6);
        assert!(damage.error.contains("a line of 20971521 bytes"), "{}", damage.error);
        assert_eq!(blocks[2].bytes, b"last");
        assert_eq!(blocks.len(), 3);
    }
}
