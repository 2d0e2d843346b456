//! JSONL, plain or compressed: segments of whole lines, and lines that become documents.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::builder::LargeStringBuilder;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use memchr::{memchr, memchr_iter};

use super::compression::{Compression, decompressed};
use super::json::Members;
use super::lines::{LineBlock, LineBlocks, Step};
use super::{Address, Body, DOCUMENT_WEIGHT, Documents, RawLines, Unit, UnitLines, Unreadable};
use crate::text::TextColumn;
use crate::{Error, Result};

/// Decompressed bytes that are passed over between two looks at whether the run is ending.
const PASS_BYTES: u64 = 16 << 20;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Where the first line that starts at or after `offset` begins; looks no further than `end`.
pub(crate) fn line_start(file: &mut (impl Read + Seek), (offset, end): (u64, u64)) -> io::Result<u64> {
    if offset == 0 {
        return Ok(0);
    }
    // The line that holds the byte before `offset` belongs to the segment before.
    file.seek(SeekFrom::Start(offset - 1))?;
    let (mut start, mut buffer) = (offset - 1, vec![0; 1 << 16]);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(start);
        }
        if let Some(newline) = memchr(b'\n', &buffer[..read]) {
            return Ok(start + newline as u64 + 1);
        }
        start += read as u64;
        if start >= end {
            return Ok(start);
        }
    }
}

/// The units of a byte range of a plain file.
pub(crate) fn open_range(
    path: &Path,
    source: u32,
    range: (u64, u64),
    max_line: u64,
) -> Result<impl Iterator<Item = Result<Unit>> + Send + use<>> {
    let failed = |error| Error::io(path, "read", error);
    let mut file = File::open(path).map_err(failed)?;
    let start = line_start(&mut file, range).map_err(failed)?;
    file.seek(SeekFrom::Start(start)).map_err(failed)?;
    Ok(LineBlocks::new(file, source, start, Some(range.1), max_line).map(units(path)))
}

/// The content of a compressed file from a byte on. All before is decompressed too, which takes a second a gigabyte
/// or so; once `stopping` is set it gives up.
pub(crate) fn decompressed_from(
    path: &Path,
    compression: Compression,
    (offset, stopping): (u64, &AtomicBool),
) -> Result<Box<dyn Read + Send>> {
    let mut reader = decompressed(path, compression)?;
    let mut passed = 0;
    while passed < offset {
        if stopping.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        let slice = (offset - passed).min(PASS_BYTES);
        let copied = io::copy(&mut (&mut reader).take(slice), &mut io::sink());
        passed += copied.as_ref().map_or(0, |copied| *copied);
        if copied.map_err(|error| Error::io(path, "read", error))? < slice {
            let place = format!("byte {passed} of what it decompresses to");
            return Err(Error::corrupt(
                path,
                place,
                format!("the file ends, but was read to byte {offset} before"),
            ));
        }
    }
    Ok(reader)
}

/// The units of a compressed file, whose reader stands at a unit's start.
pub(crate) fn open_compressed(
    path: &Path,
    source: u32,
    reader: Box<dyn Read + Send>,
    offset: u64,
    max_line: u64,
) -> impl Iterator<Item = Result<Unit>> + Send + use<> {
    LineBlocks::new(reader, source, offset, None, max_line).map(units(path))
}

fn units(path: &Path) -> impl FnMut(io::Result<Step>) -> Result<Unit> + use<> {
    let path = path.to_path_buf();
    move |step| {
        let block = match step.map_err(|source| Error::io(&path, "read", source))? {
            Step::Block(block) => block,
            Step::Ask(bytes) => return Ok(Unit::ask(2 * bytes as u64)),
        };
        // The lines, and the texts that are decoded from them; a document takes a line.
        let lines = memchr_iter(b'\n', &block.bytes).count() as u64;
        let weight = 2 * block.bytes.len() as u64 + DOCUMENT_WEIGHT * lines;
        Ok(Unit { body: Body::Lines(block), weight })
    }
}

/// The rows of a block as [`documents`] counts them: its lines, and the damage behind them. Costs no look at the lines.
pub(crate) fn rows(block: &LineBlock) -> u64 {
    let bytes = &block.bytes[text_start(block)..];
    let unended = bytes.last().is_some_and(|last| *last != b'\n');
    memchr_iter(b'\n', bytes).count() as u64 + u64::from(unended) + u64::from(block.damage.is_some())
}

/// Where a block's first line begins: behind the mark that a file may begin with.
fn text_start(block: &LineBlock) -> usize {
    let marked = block.offset == 0 && block.bytes.starts_with(BYTE_ORDER_MARK);
    if marked { BYTE_ORDER_MARK.len() } else { 0 }
}

/// Decodes a block's lines. Rows are line numbers within the block.
pub(crate) fn documents(
    block: LineBlock,
    member: &str,
    schema: &SchemaRef,
    max_document: u64,
) -> Result<Documents> {
    let mut lines = Lines::new(schema.fields().len() > 1, block.bytes.len());
    let mut start = text_start(&block);
    let mut row = 0;
    while start < block.bytes.len() {
        let end = memchr(b'\n', &block.bytes[start..]).map_or(block.bytes.len(), |length| start + length);
        let line = &block.bytes[start..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let address = Address { source: block.source, row };
        if !line.trim_ascii().is_empty()
            && let Err(error) = lines.read(line, start, address, member, max_document)
        {
            lines.unreadable.push(Unreadable::row(address, Some(block.offset + start as u64), error));
        }
        row += 1;
        start = end + 1;
    }
    if let Some(damage) = block.damage {
        let address = Address { source: block.source, row };
        lines.unreadable.push(Unreadable::row(address, Some(damage.offset), damage.error));
        row += 1;
    }
    let of_file = UnitLines { source: block.source, count: row, offset: block.offset };
    lines.finish(block.bytes, schema, of_file)
}

/// The documents of a block as they are found.
struct Lines {
    texts: LargeStringBuilder,
    rest: Option<LargeStringBuilder>,
    members: Members,
    addresses: Vec<Address>,
    spans: Vec<(usize, usize)>,
    unreadable: Vec<Unreadable>,
    bytes: u64,
}

impl Lines {
    fn new(with_rest: bool, capacity: usize) -> Self {
        Self {
            texts: LargeStringBuilder::with_capacity(1024, capacity),
            rest: with_rest.then(LargeStringBuilder::new),
            members: Members::default(),
            addresses: Vec::new(),
            spans: Vec::new(),
            unreadable: Vec::new(),
            bytes: 0,
        }
    }

    fn read(
        &mut self,
        line: &[u8],
        start: usize,
        address: Address,
        member: &str,
        max_document: u64,
    ) -> std::result::Result<(), String> {
        self.members.read(line, member, self.rest.is_some())?;
        let text = &self.members.text;
        if text.len() as u64 > max_document {
            return Err(super::too_large(text.len() as u64, max_document));
        }
        if let Some(rest) = &mut self.rest {
            rest.append_value(&self.members.rest);
        }
        self.bytes += text.len() as u64;
        self.texts.append_value(text);
        self.addresses.push(address);
        self.spans.push((start, start + line.len()));
        Ok(())
    }

    fn finish(mut self, buffer: Vec<u8>, schema: &SchemaRef, lines: UnitLines) -> Result<Documents> {
        let texts: ArrayRef = Arc::new(self.texts.finish());
        let text = TextColumn::new(&texts).ok_or_else(|| Error::Internal("texts are no strings".into()))?;
        let mut columns = vec![texts];
        if let Some(mut rest) = self.rest {
            columns.push(Arc::new(rest.finish()));
        }
        let batch = RecordBatch::try_new(Arc::clone(schema), columns)
            .map_err(|error| Error::Internal(format!("JSONL lines do not fit their columns: {error}")))?;
        Ok(Documents {
            batch,
            text,
            addresses: self.addresses,
            raw: RawLines { buffer, spans: self.spans },
            unreadable: self.unreadable,
            lines: Some(lines),
            bytes: self.bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType, Field, Schema};

    use super::*;

    fn read(bytes: &[u8]) -> Documents {
        let fields = vec![
            Field::new("text", DataType::LargeUtf8, false),
            Field::new("extra", DataType::LargeUtf8, false),
        ];
        let block = LineBlock { bytes: bytes.to_vec(), ..LineBlock::default() };
        documents(block, "text", &Arc::new(Schema::new(fields)), 1000).unwrap()
    }

    #[test]
    fn blank_lines_are_nothing_but_count_as_rows() {
        let documents =
            read(b"\xef\xbb\xbf{\"text\":\"a\",\"n\":1}\r\n\n{\"text\":\"b\"}\nbad\n{\"text\":\"\"}");
        assert_eq!(documents.text.iter().collect::<Vec<_>>(), [Some("a"), Some("b"), Some("")]);
        assert_eq!(documents.addresses.iter().map(|address| address.row).collect::<Vec<_>>(), [0, 2, 4]);
        assert_eq!(documents.lines, Some(UnitLines { source: 0, count: 5, offset: 0 }));
        assert_eq!(documents.raw.get(0), b"{\"text\":\"a\",\"n\":1}");
        assert_eq!((documents.unreadable[0].address.row, documents.unreadable[0].offset), (3, Some(37)));
    }

    #[test]
    fn what_was_read_is_passed_over_until_the_run_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("raw.jsonl.zst");
        let content: Vec<u8> = (0..3 * PASS_BYTES).map(|byte| (byte >> 20) as u8).collect();
        std::fs::write(&path, zstd::encode_all(&content[..], 1).unwrap()).unwrap();
        let from =
            |offset, stop| decompressed_from(&path, Compression::Zstd, (offset, &AtomicBool::new(stop)));
        for offset in [0, 1, PASS_BYTES, 2 * PASS_BYTES + 5, 3 * PASS_BYTES] {
            let mut rest = Vec::new();
            from(offset, false).unwrap().read_to_end(&mut rest).unwrap();
            assert!(rest == content[offset as usize..], "{offset}");
        }
        assert!(matches!(from(1, true), Err(Error::Cancelled)));
        let Err(error) = from(3 * PASS_BYTES + 1, false) else { panic!("read beyond the end") };
        assert!(error.to_string().contains("the file ends, but was read to byte"), "{error}");
    }

    #[test]
    fn a_text_beyond_the_budget_is_counted() {
        let line = format!("{{\"text\":\"{}\"}}", "x".repeat(1001));
        let documents = read(line.as_bytes());
        assert!(documents.is_empty());
        assert!(documents.unreadable[0].error.contains("1001 bytes"), "{}", documents.unreadable[0].error);
    }
}
