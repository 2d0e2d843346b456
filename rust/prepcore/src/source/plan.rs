//! The plan of a run: files, segments and parts, from metadata alone.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::filter::filter_record_batch;

use super::compression::Compression;
use super::discover::discover;
use super::file::{Kind, SourceFile};
use super::parquet::{self, RowGroups};
use super::regroup::Regroup;
use super::stream::StreamInput;
use super::text_files::TextFiles;
use super::{
    Address, Body, Documents, PART_BYTES, RawLines, SEGMENT_BYTES, UNIT_BYTES, UNIT_ROWS, Unit, Unreadable,
};
use super::{columns, jsonl};
use crate::config::{ByteSize, Columns};
use crate::pipeline::{Lookout, Watcher};
use crate::text::TextColumn;
use crate::{Error, Result};

/// What text compresses to, about: a compressed file counts so many times its size when parts are planned.
const COMPRESSION_RATIO: u64 = 4;
/// The share of `--memory` that one document may take, as a divisor.
const DOCUMENT_SHARE: u64 = 8;

/// How inputs are read.
#[derive(Clone, Debug)]
pub struct Options {
    /// The column or member that holds the text.
    pub text_column: String,
    /// The columns to keep.
    pub columns: Columns,
    /// Whether JSONL's other members become the column `extra`.
    pub extra: bool,
    /// The memory budget, which bounds a document.
    pub memory: ByteSize,
    /// Whether what is damaged in Parquet files is counted; else it ends the run.
    pub skip_corrupt: bool,
}

impl Options {
    /// Reads the text alone, which is all that tokenising looks at.
    pub(crate) fn of_text(text_column: &str, memory: ByteSize) -> Self {
        let columns = Columns::Named(vec![text_column.to_owned()]);
        Self { text_column: text_column.to_owned(), columns, extra: false, memory, skip_corrupt: false }
    }

    fn max_document(&self) -> u64 {
        self.memory.bytes() / DOCUMENT_SHARE
    }
}

/// A fixed piece of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// A row group of a Parquet file.
    RowGroup {
        /// The file's number.
        source: u32,
        /// The row group's number.
        group: usize,
        /// The row at which it starts.
        first_row: u64,
    },
    /// A Parquet file whose footer cannot be read; it counts as a row.
    Damaged {
        /// The file's number.
        source: u32,
        /// What was wrong.
        error: String,
    },
    /// The lines of a plain JSONL file that start in a byte range.
    Lines {
        /// The file's number.
        source: u32,
        /// The byte range.
        range: (u64, u64),
    },
    /// A compressed JSONL file.
    Compressed {
        /// The file's number.
        source: u32,
    },
    /// A run of text files of about a unit together.
    Texts {
        /// The files' numbers.
        sources: Range<u32>,
    },
    /// A whole Arrow stream.
    Stream,
}

impl Segment {
    /// The files that it is read from.
    pub(crate) fn sources(&self) -> Range<u32> {
        match self {
            Self::RowGroup { source, .. }
            | Self::Lines { source, .. }
            | Self::Compressed { source }
            | Self::Damaged { source, .. } => *source..*source + 1,
            Self::Texts { sources } => sources.clone(),
            Self::Stream => 0..0,
        }
    }
}

/// What a run reads, and in which pieces.
pub struct Plan {
    /// How the inputs are read.
    pub options: Options,
    /// What the inputs are.
    pub kind: Kind,
    /// The files, in order; none for a stream.
    pub files: Vec<SourceFile>,
    /// The columns of the documents as the input declares them.
    pub schema: SchemaRef,
    /// The segments, in order.
    pub segments: Vec<Segment>,
    /// The parts: runs of whole segments; at least one.
    pub parts: Vec<Range<usize>>,
    /// Bytes of input: of the files, or 0 for a stream.
    pub bytes: u64,
    /// Bytes of text, as far as metadata tell; 0 for a stream.
    pub text_bytes: u64,
    /// What was passed over, in sentences.
    pub notes: Vec<String>,
    decoded: SchemaRef,
    text: usize,
    row_groups: RowGroups,
    stream: Option<StreamInput>,
}

/// Units of a segment, read one after the other.
pub(crate) type Units<'a> = Box<dyn Iterator<Item = Result<Unit>> + Send + 'a>;

impl Plan {
    /// Plans a run over files, folders and globs.
    ///
    /// # Errors
    /// [`Error::Input`] for what is missing, named twice, empty, of several kinds or schemas, or without the text
    /// column; [`Error::Corrupt`] for a Parquet file whose footer cannot be read.
    pub fn files(inputs: &[PathBuf], options: Options) -> Result<Self> {
        Self::files_watched(inputs, options, &mut |_| Ok(()))
    }

    /// The same under a watcher, which is asked about ten times a second: very many files take their time.
    ///
    /// # Errors
    /// Those of [`Plan::files`], and the watcher's.
    pub fn files_watched(inputs: &[PathBuf], options: Options, watcher: Watcher<'_>) -> Result<Self> {
        let mut lookout = Lookout::new(watcher);
        let (files, notes) = discover(inputs, options.skip_corrupt, &mut lookout)?;
        let bytes = files.iter().map(|file| file.size).sum();
        let kind = files.first().map_or(Kind::Text, |file| file.kind);
        let mut sized = Vec::new();
        let (available, schema) = match kind {
            Kind::Parquet => parquet_segments(&files, &options, &mut lookout, &mut sized)?,
            Kind::Jsonl => {
                lines_segments(&files, &mut sized);
                let schema = columns::of_lines(&options)?;
                (Arc::clone(&schema), schema)
            }
            Kind::Text | Kind::Stream => {
                text_segments(&files, &mut sized);
                let available = columns::of_texts();
                let kept = columns::kept(&available, &options.columns);
                (available, kept)
            }
        };
        columns::check(&available, &options)?;
        Self::new(options, kind, (files, bytes, notes), schema, sized, None)
    }

    /// Plans a run over an Arrow stream.
    ///
    /// # Errors
    /// [`Error::Config`] when the stream lacks the text column or it holds no strings.
    pub fn stream(input: StreamInput, options: Options) -> Result<Self> {
        columns::check(input.schema(), &options)?;
        let schema = columns::kept(input.schema(), &options.columns);
        let nothing = (Vec::new(), 0, Vec::new());
        Self::new(options, Kind::Stream, nothing, schema, vec![(Segment::Stream, 0)], Some(input))
    }

    fn new(
        options: Options,
        kind: Kind,
        (files, bytes, notes): (Vec<SourceFile>, u64, Vec<String>),
        schema: SchemaRef,
        sized: Vec<(Segment, u64)>,
        stream: Option<StreamInput>,
    ) -> Result<Self> {
        let text = columns::text_index(&schema, &options.text_column)?;
        let decoded = match kind {
            Kind::Parquet => Arc::new(parquet::decoded_schema(&schema)),
            _ => Arc::clone(&schema),
        };
        let parts = parts(&sized, &files);
        let text_bytes = sized.iter().map(|(_, bytes)| bytes).sum();
        let segments = sized.into_iter().map(|(segment, _)| segment).collect();
        let row_groups = RowGroups::default();
        Ok(Self {
            options,
            kind,
            files,
            schema,
            segments,
            parts,
            bytes,
            text_bytes,
            notes,
            decoded,
            text,
            row_groups,
            stream,
        })
    }

    /// The number of the text column in [`Plan::schema`].
    #[must_use]
    pub fn text_index(&self) -> usize {
        self.text
    }

    /// Checks that files are still those that were planned for, as far as size, time stamp and inode tell. For
    /// whoever commits what was read from them.
    ///
    /// # Errors
    /// [`Error::Changed`] names the first that is not.
    pub fn check_unchanged(&self, sources: Range<u32>) -> Result<()> {
        let files = self.files.get(sources.start as usize..sources.end as usize);
        files.unwrap_or_default().iter().try_for_each(SourceFile::check_unchanged)
    }

    /// The columns as they come from reading: strings may have another layout than the input declares.
    pub(crate) fn decoded_schema(&self) -> &SchemaRef {
        &self.decoded
    }

    /// Reads a segment's units one after the other.
    pub(crate) fn open(&self, segment: usize) -> Result<Units<'_>> {
        self.open_from(segment, 0, &AtomicBool::new(false))
    }

    /// Reads a segment's units one after the other; of a compressed file those from a byte of its content on. To
    /// get there takes long, and gives up once `stopping` is set.
    pub(crate) fn open_from(&self, segment: usize, offset: u64, stopping: &AtomicBool) -> Result<Units<'_>> {
        let max = self.options.max_document();
        let file = |source: u32| &self.files[source as usize];
        match &self.segments[segment] {
            Segment::RowGroup { source, group, first_row } => {
                let (batches, beside) =
                    self.row_groups.open(file(*source), *source, *group, &self.options, &self.decoded)?;
                let first = Address { source: *source, row: *first_row };
                Ok(Box::new(Regroup::new(batches, Arc::clone(&self.decoded), self.text, first, beside)))
            }
            Segment::Damaged { source, error } => {
                let address = Address { source: *source, row: 0 };
                let batch = RecordBatch::new_empty(Arc::clone(&self.decoded));
                let unreadable = vec![Unreadable::row(address, None, error)];
                let unit = Unit { body: Body::Batch { batch, first: address, unreadable }, weight: 0 };
                Ok(Box::new(std::iter::once(Ok(unit))))
            }
            Segment::Lines { source, range } => {
                Ok(Box::new(jsonl::open_range(&file(*source).path, *source, *range, max)?))
            }
            Segment::Compressed { source } => {
                let SourceFile { path, compression, .. } = file(*source);
                let reader = jsonl::decompressed_from(path, *compression, (offset, stopping))?;
                Ok(Box::new(jsonl::open_compressed(path, *source, reader, offset, max)))
            }
            Segment::Texts { sources } => {
                let files = &self.files[sources.start as usize..sources.end as usize];
                Ok(Box::new(TextFiles::new(files, sources.start, &self.schema, max)))
            }
            Segment::Stream => {
                let stream =
                    self.stream.as_ref().ok_or_else(|| Error::Internal("a plan without stream".into()))?;
                let batches = stream.open(Arc::clone(&self.schema))?;
                let first = Address { source: 0, row: 0 };
                Ok(Box::new(Regroup::new(batches, Arc::clone(&self.schema), self.text, first, 0)))
            }
        }
    }

    /// Decodes a unit's documents. Parallel work: nothing here depends on other units.
    pub(crate) fn documents(&self, unit: Unit) -> Result<Documents> {
        match unit.body {
            Body::Ask => Err(Error::Internal("a request for memory was taken for a unit".into())),
            Body::Lines(block) => {
                jsonl::documents(block, &self.options.text_column, &self.schema, self.options.max_document())
            }
            Body::Texts { batch, addresses, unreadable } => self.checked(batch, addresses, unreadable),
            Body::Batch { batch, first, unreadable } => {
                let rows = first.row..first.row + batch.num_rows() as u64;
                let addresses = rows.map(|row| Address { source: first.source, row }).collect();
                self.checked(batch, addresses, unreadable)
            }
        }
    }

    /// Sets rows without a usable text apart: those that are known to be, and those that show it.
    fn checked(
        &self,
        batch: RecordBatch,
        addresses: Vec<Address>,
        mut unreadable: Vec<Unreadable>,
    ) -> Result<Documents> {
        let text = text_column(&batch, self.text)?;
        let max = self.options.max_document();
        let known = unreadable.len();
        let fault = |row: usize| match text.get(row) {
            None => Some("the text is null".to_owned()),
            Some(text) if text.len() as u64 > max => Some(super::too_large(text.len() as u64, max)),
            Some(_) => None,
        };
        let readable: Vec<bool> = (0..addresses.len())
            .map(|row| {
                if unreadable[..known].binary_search_by_key(&addresses[row], |known| known.address).is_ok() {
                    return false;
                }
                let Some(error) = fault(row) else { return true };
                unreadable.push(Unreadable::row(addresses[row], None, error));
                false
            })
            .collect();
        if readable.iter().all(|readable| *readable) {
            return Ok(self.assemble(batch, text, addresses, unreadable));
        }
        unreadable.sort_by_key(|row| row.address);
        let batch = filter_record_batch(&batch, &readable.clone().into())
            .map_err(|error| Error::Internal(format!("cannot filter a batch: {error}")))?;
        let mut readable = readable.into_iter();
        let addresses = addresses.into_iter().filter(|_| readable.next().unwrap_or(false)).collect();
        let text = text_column(&batch, self.text)?;
        Ok(self.assemble(batch, text, addresses, unreadable))
    }

    fn assemble(
        &self,
        batch: RecordBatch,
        text: TextColumn,
        addresses: Vec<Address>,
        unreadable: Vec<Unreadable>,
    ) -> Documents {
        let bytes = (0..text.len()).map(|row| text.bytes(row)).sum();
        Documents { batch, text, addresses, raw: RawLines::default(), unreadable, lines: None, bytes }
    }
}

fn text_column(batch: &RecordBatch, index: usize) -> Result<TextColumn> {
    TextColumn::new(batch.column(index))
        .ok_or_else(|| Error::Internal("the text column holds no strings".into()))
}

/// Adds the row groups; gives the first file's columns, and those that are kept of all files.
fn parquet_segments(
    files: &[SourceFile],
    options: &Options,
    lookout: &mut Lookout<'_>,
    sized: &mut Vec<(Segment, u64)>,
) -> Result<(SchemaRef, SchemaRef)> {
    let mut common: Option<(&SourceFile, SchemaRef, SchemaRef)> = None;
    let mut damaged = None;
    for (source, file) in (0..).zip(files) {
        lookout.look()?;
        let footer = match parquet::footer(&file.path, &options.columns, &options.text_column) {
            Ok(footer) => footer,
            Err(error @ Error::Corrupt { .. }) if options.skip_corrupt => {
                let Error::Corrupt { place, message, .. } = &error else { continue };
                sized.push((Segment::Damaged { source, error: format!("{place}: {message}") }, 0));
                damaged = damaged.or(Some(error));
                continue;
            }
            Err(error) => return Err(error),
        };
        let kept = columns::kept(&footer.schema, &options.columns);
        match &mut common {
            None => common = Some((file, footer.schema, kept)),
            Some((first, _, schema)) => {
                columns::check_same((&first.path, schema), (&file.path, &kept))?;
                *schema = columns::with_nulls(schema, &kept);
            }
        }
        let mut first_row = 0;
        for (group, (rows, bytes)) in footer.row_groups.into_iter().enumerate() {
            sized.push((Segment::RowGroup { source, group, first_row }, bytes));
            first_row += rows;
        }
    }
    match (common, damaged) {
        (Some((_, available, kept)), _) => Ok((available, kept)),
        // Without a single footer nobody knows the columns.
        (None, Some(error)) => Err(error),
        (None, None) => Err(Error::Internal("a plan without files".into())),
    }
}

fn lines_segments(files: &[SourceFile], sized: &mut Vec<(Segment, u64)>) {
    for (source, file) in (0..).zip(files) {
        if file.compression != Compression::None {
            sized.push((Segment::Compressed { source }, COMPRESSION_RATIO * file.size));
            continue;
        }
        for start in (0..file.size).step_by(SEGMENT_BYTES as usize) {
            let end = (start + SEGMENT_BYTES).min(file.size);
            sized.push((Segment::Lines { source, range: (start, end) }, end - start));
        }
    }
}

/// Runs of text files of about a unit together: a segment a file would make a row group a file.
fn text_segments(files: &[SourceFile], sized: &mut Vec<(Segment, u64)>) {
    let (mut start, mut bytes) = (0, 0);
    for (source, file) in (0..).zip(files) {
        let size = match file.compression {
            Compression::None => file.size,
            _ => COMPRESSION_RATIO * file.size,
        };
        let full = bytes + size > UNIT_BYTES || (source - start) as usize == UNIT_ROWS;
        if source > start && full {
            sized.push((Segment::Texts { sources: start..source }, bytes));
            (start, bytes) = (source, 0);
        }
        bytes += size;
    }
    if (start as usize) < files.len() {
        sized.push((Segment::Texts { sources: start..files.len() as u32 }, bytes));
    }
}

/// Cuts the segments into parts of up to [`PART_BYTES`]; a file that fills several shares none with another.
fn parts(sized: &[(Segment, u64)], files: &[SourceFile]) -> Vec<Range<usize>> {
    let source = |segment: usize| sized[segment].0.sources().start;
    let mut totals = vec![0_u64; files.len().max(1)];
    for (segment, (_, bytes)) in sized.iter().enumerate() {
        totals[source(segment) as usize] += bytes;
    }
    let is_large = |segment: usize| totals[source(segment) as usize] > PART_BYTES;
    let mut parts = Vec::new();
    let (mut start, mut filled) = (0, 0);
    for (segment, (_, bytes)) in sized.iter().enumerate() {
        let apart = segment > start
            && source(segment) != source(segment - 1)
            && (is_large(segment) || is_large(segment - 1));
        if segment > start && (apart || filled + bytes > PART_BYTES) {
            parts.push(start..segment);
            (start, filled) = (segment, 0);
        }
        filled += bytes;
    }
    parts.push(start..sized.len());
    parts
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::source::Identity;

    fn file(size: u64) -> SourceFile {
        let (kind, compression) = (Kind::Jsonl, Compression::None);
        let (path, name, identity) = (PathBuf::new(), String::new(), Identity::default());
        SourceFile { path, name, size, identity, kind, compression }
    }

    #[test]
    fn parts_hold_whole_segments_of_one_large_file_or_several_small_ones() {
        // 100, 100 and 600 MiB where a part holds 256.
        let mib = PART_BYTES / 256;
        let files = [file(100 * mib), file(100 * mib), file(600 * mib), file(1)];
        let mut sized = Vec::new();
        lines_segments(&files, &mut sized);
        let cut = parts(&sized, &files);
        assert_eq!(cut, [0..8, 8..16, 16..24, 24..27, 27..28]);
        assert_eq!(parts(&[], &[]), std::iter::once(0..0).collect::<Vec<_>>());
    }

    #[test]
    fn files_that_change_or_vanish_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["a.txt", "b.txt", "c.txt"].map(|name| folder.path().join(name));
        paths.iter().for_each(|path| fs::write(path, "ten bytes!").unwrap());
        let plan = Plan::files(&paths, Options::of_text("text", ByteSize::from_bytes(1 << 30))).unwrap();
        plan.check_unchanged(0..3).unwrap();
        let said = |sources| {
            let error = plan.check_unchanged(sources).unwrap_err();
            assert_eq!(error.exit_code(), 1);
            error.to_string()
        };
        fs::write(&paths[1], "twelve bytes").unwrap();
        plan.check_unchanged(0..1).unwrap();
        let message = said(0..3);
        assert!(
            message.contains("b.txt: changed while it was being read (size 10 → 12)\nhint: "),
            "{message}"
        );
        fs::write(&paths[1], "later byte").unwrap();
        assert!(said(1..2).contains("it was written to"), "{}", said(1..2));
        fs::rename(&paths[0], &paths[2]).unwrap();
        assert!(said(2..3).contains("another file took its place"), "{}", said(2..3));
        assert!(said(0..3).contains("a.txt: vanished while it was being read"), "{}", said(0..3));
    }

    #[test]
    fn small_texts_share_a_segment() {
        let mib = UNIT_BYTES / 8;
        let files = [file(3 * mib), file(5 * mib), file(1), file(9 * mib), file(0)];
        let mut sized = Vec::new();
        text_segments(&files, &mut sized);
        let ranges: Vec<_> = sized.iter().map(|(segment, _)| segment.clone()).collect();
        let wanted: Vec<_> = [0..2, 2..3, 3..4, 4..5].map(|sources| Segment::Texts { sources }).into();
        assert_eq!(ranges, wanted);
    }
}
