//! Raw lines of a byte stream, in blocks of about 8 MiB cut at line ends.

use std::io::{Error, Read, Result};

use memchr::{memchr, memrchr};

use super::UNIT_BYTES;

/// Bytes asked of the reader at once.
const READ: usize = 1 << 20;
/// Bytes that may be held without asking: a unit, and what a read adds to it.
const UNASKED: usize = UNIT_BYTES as usize + 2 * READ;

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
///
/// A block ends at the last line end within [`UNIT_BYTES`], or at the first one after: how many bytes each read
/// happened to give plays no part.
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
    /// No line ends between [`UNIT_BYTES`] and here; long lines are looked at once.
    scanned: usize,
    /// Bytes that the buffer may grow to before it asks for more.
    granted: usize,
    finished: bool,
}

/// What reading gives.
#[derive(Debug)]
pub(crate) enum Step {
    Block(LineBlock),
    /// A line is longer than what may be held: the buffer wants to grow to so many bytes.
    Ask(usize),
}

impl<R: Read> LineBlocks<R> {
    /// Lines of a reader that stands at `offset`, which is a line's start.
    pub(crate) fn new(reader: R, source: u32, offset: u64, end: Option<u64>, max_line: u64) -> Self {
        let finished = end.is_some_and(|end| offset >= end);
        Self {
            reader,
            source,
            end,
            max_line,
            buffer: Vec::new(),
            offset,
            scanned: 0,
            granted: UNASKED,
            finished,
        }
    }

    fn block(&mut self, length: usize, damage: Option<Damage>) -> LineBlock {
        // Room for the next block at once: growing to it would copy what was read.
        let mut rest =
            Vec::with_capacity((UNIT_BYTES as usize + READ).max(self.buffer.len() - length + READ));
        rest.extend_from_slice(&self.buffer[length..]);
        self.buffer.truncate(length);
        let bytes = std::mem::replace(&mut self.buffer, rest);
        let block = LineBlock { source: self.source, bytes, offset: self.offset, damage };
        self.offset += length as u64;
        self.scanned = 0;
        self.granted = UNASKED;
        block
    }

    /// Reads up to `READ` more bytes; 0 at the end.
    fn read(&mut self) -> Result<usize> {
        // What an error leaves behind counts as read.
        self.buffer.reserve(READ);
        (&mut self.reader).take(READ as u64).read_to_end(&mut self.buffer)
    }

    /// Where the last line of this segment ends in the buffer, once the buffer holds it.
    fn segment_end(&self) -> Option<usize> {
        // The byte before `end` is the last that can end a line of ours that starts before `end`.
        let last = usize::try_from(self.end?.checked_sub(self.offset + 1)?).ok()?;
        let from = last.max(self.scanned);
        memchr(b'\n', self.buffer.get(from..)?).map(|newline| from + newline + 1)
    }

    /// Where a full block ends in the buffer, once the buffer holds it.
    fn block_end(&mut self) -> Option<usize> {
        let within = self.buffer.get(..UNIT_BYTES as usize)?;
        if self.scanned == 0
            && let Some(newline) = memrchr(b'\n', within)
        {
            return Some(newline + 1);
        }
        let from = self.scanned.max(within.len());
        let found = memchr(b'\n', &self.buffer[from..]).map(|newline| from + newline + 1);
        self.scanned = self.buffer.len();
        found
    }

    /// Drops a line that is too long and says where it stood; the rest of the file goes on.
    fn skip_line(&mut self) -> Result<LineBlock> {
        let start = self.offset;
        let mut skipped = 0;
        let outcome = loop {
            if let Some(newline) = memchr(b'\n', &self.buffer) {
                self.buffer.drain(..=newline);
                skipped += newline as u64 + 1;
                break Ok(());
            }
            skipped += self.buffer.len() as u64;
            // Not cleared: what a long line took is given back.
            self.buffer = Vec::new();
            match self.read() {
                Ok(0) => break Err("the file ends within it".to_owned()),
                Ok(_) => {}
                Err(error) => break Err(damage_or_failure(error)?),
            }
        };
        self.offset += skipped;
        self.scanned = 0;
        self.granted = UNASKED;
        self.finished = outcome.is_err() || self.end.is_some_and(|end| self.offset >= end);
        let mut error =
            format!("a line of {skipped} bytes; the memory budget allows {} bytes a document", self.max_line);
        if let Err(why) = outcome {
            error = format!("{error}; {why}");
        }
        let damage = Some(Damage { offset: start, error });
        Ok(LineBlock { source: self.source, bytes: Vec::new(), offset: start, damage })
    }

    fn gather(&mut self) -> Result<Option<Step>> {
        while !self.finished {
            // Whichever comes first: a segment may end within a block's bytes or after them.
            let segment_end = self.segment_end();
            if let Some(end) = segment_end
                && end as u64 <= UNIT_BYTES
            {
                self.finished = true;
                return Ok(Some(Step::Block(self.block(end, None))));
            }
            if let Some(end) = self.block_end() {
                self.finished = segment_end == Some(end);
                return Ok(Some(Step::Block(self.block(end, None))));
            }
            if self.buffer.len() as u64 > self.max_line.max(UNIT_BYTES) {
                return self.skip_line().map(|line| Some(Step::Block(line)));
            }
            if self.buffer.len() + READ > self.granted {
                let most = usize::try_from(self.max_line).unwrap_or(usize::MAX).saturating_add(2 * READ);
                self.granted = (2 * self.granted).min(most.max(UNASKED));
                return Ok(Some(Step::Ask(self.granted)));
            }
            match self.read() {
                Ok(0) => {
                    self.finished = true;
                    let length = self.buffer.len();
                    return Ok((length > 0).then(|| Step::Block(self.block(length, None))));
                }
                Ok(_) => {}
                Err(error) => {
                    let error = damage_or_failure(error)?;
                    self.finished = true;
                    let whole = memrchr(b'\n', &self.buffer).map_or(0, |newline| newline + 1);
                    let offset = self.offset + self.buffer.len() as u64;
                    return Ok(Some(Step::Block(self.block(whole, Some(Damage { offset, error })))));
                }
            }
        }
        Ok(None)
    }
}

impl<R: Read> Iterator for LineBlocks<R> {
    type Item = Result<Step>;

    fn next(&mut self) -> Option<Result<Step>> {
        self.gather().transpose()
    }
}

/// Why a decoder could read no further; what the operating system refuses is a failure of the run.
pub(crate) fn damage_or_failure(error: Error) -> Result<String> {
    match error.raw_os_error() {
        Some(_) => Err(error),
        None => Ok(format!("the file cannot be read on from here: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn blocks_of<R: Read>(steps: LineBlocks<R>) -> impl Iterator<Item = LineBlock> {
        steps.filter_map(|step| match step.unwrap() {
            Step::Block(block) => Some(block),
            Step::Ask(_) => None,
        })
    }

    #[test]
    fn the_buffer_holds_no_more_than_was_granted() {
        let mut bytes = vec![b'x'; 70 << 20];
        bytes.extend(b"\nshort\n");
        let mut blocks = LineBlocks::new(&bytes[..], 0, 0, None, 100 << 20);
        let mut asked = Vec::new();
        while let Some(Step::Ask(granted)) = blocks.next().transpose().unwrap() {
            assert!(blocks.buffer.len() <= asked.last().copied().unwrap_or(UNASKED));
            asked.push(granted);
        }
        assert!(asked[0] <= 2 * UNASKED && asked.windows(2).all(|pair| pair[1] <= 2 * pair[0]), "{asked:?}");
        assert!(asked.last() > Some(&(70 << 20)), "{asked:?}");
        assert_eq!(blocks.granted, UNASKED);
    }

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
                let start = super::super::jsonl::line_start(&mut std::io::Cursor::new(bytes), (pair[0], pair[1])).unwrap();
                let reader = &bytes[start as usize..];
                for block in blocks_of(LineBlocks::new(reader, 0, start, Some(pair[1]), 1 << 20)) {
                    prop_assert_eq!(block.offset, joined.len() as u64);
                    joined.extend(block.bytes);
                }
            }
            prop_assert_eq!(joined, bytes);
        }
    }

    /// Gives as many bytes at a time as a list says, and then one at a time.
    struct Dribble<'a>(&'a [u8], Vec<usize>);

    impl Read for Dribble<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
            let wanted = self.1.pop().unwrap_or(1 << 20).min(buffer.len());
            self.0.read(&mut buffer[..wanted])
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn cuts_do_not_depend_on_reads(
            lines in prop::collection::vec(prop_oneof![1..100_usize, 1_000_000..9_000_000_usize], 1..8),
            reads in prop::collection::vec(1..2_000_000_usize, 0..20),
            end in prop::option::of(1_u64..20_000_000),
        ) {
            let bytes: Vec<u8> =
                lines.iter().flat_map(|length| std::iter::repeat_n(b'x', *length).chain([b'\n'])).collect();
            let lengths = |reader: Dribble<'_>| {
                let blocks = LineBlocks::new(reader, 0, 0, end, 100 << 20);
                blocks_of(blocks).map(|block| block.bytes.len()).collect::<Vec<_>>()
            };
            prop_assert_eq!(lengths(Dribble(&bytes, reads)), lengths(Dribble(&bytes, Vec::new())));
        }
    }

    #[test]
    fn a_line_beyond_the_budget_is_counted_and_the_next_is_read() {
        let mut bytes = b"{\"a\"}\n".to_vec();
        bytes.extend(std::iter::repeat_n(b'x', 20 << 20));
        bytes.extend(b"\nlast");
        let blocks: Vec<_> = blocks_of(LineBlocks::new(&bytes[..], 0, 0, None, 10 << 20)).collect();
        assert_eq!(blocks[0].bytes, b"{\"a\"}\n");
        let damage = blocks[1].damage.as_ref().unwrap();
        assert_eq!(damage.offset, 6);
        assert!(damage.error.contains("a line of 20971521 bytes"), "{}", damage.error);
        assert_eq!(blocks[2].bytes, b"last");
        assert_eq!(blocks.len(), 3);
    }
}
