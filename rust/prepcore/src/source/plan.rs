//! The plan of a run: files, segments and parts, from metadata alone.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::discover::discover;
use super::file::{Kind, SourceFile};
use super::parquet::{self, RowGroups};
use super::regroup::Regroup;
use super::segments::{self, Segment};
use super::stream::StreamInput;
use super::text_files::TextFiles;
use super::{Address, Body, Part, Unit, Unreadable};
use super::{cleaned_parts, columns, jsonl};
use crate::config::{ByteSize, Columns};
use crate::pipeline::{Lookout, Watcher};
use crate::{Error, Result};

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
    /// Whether each part of a cleaned folder is a part, of the same name, where the input is one such folder.
    pub parts_of_cleaned: bool,
}

impl Options {
    /// Reads the text alone, which is all that tokenising looks at.
    pub(crate) fn of_text(text_column: &str, memory: ByteSize) -> Self {
        let columns = Columns::Named(vec![text_column.to_owned()]);
        let (extra, skip_corrupt, parts_of_cleaned) = (false, false, false);
        let text_column = text_column.to_owned();
        Self { text_column, columns, extra, memory, skip_corrupt, parts_of_cleaned }
    }

    pub(crate) fn max_document(&self) -> u64 {
        self.memory.bytes() / DOCUMENT_SHARE
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
    /// The parts of the cleaned folder that the parts are, where they are.
    names: Option<Vec<Part>>,
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
        Self::of_found(files, notes, options, &mut lookout)
    }

    /// Plans to read one file that is there, whatever else its name and its first bytes might mean.
    pub(crate) fn of_file(file: SourceFile, options: Options) -> Result<Self> {
        Self::of_found(vec![file], Vec::new(), options, &mut Lookout::new(&mut |_| Ok(())))
    }

    fn of_found(
        files: Vec<SourceFile>,
        notes: Vec<String>,
        options: Options,
        lookout: &mut Lookout<'_>,
    ) -> Result<Self> {
        let bytes = files.iter().map(|file| file.size).sum();
        let kind = files.first().map_or(Kind::Text, |file| file.kind);
        let mut sized = Vec::new();
        let (available, schema) = match kind {
            Kind::Parquet => segments::of_row_groups(&files, &options, lookout, &mut sized)?,
            Kind::Jsonl => {
                segments::of_lines(&files, &mut sized);
                let schema = columns::of_lines(&options)?;
                (Arc::clone(&schema), schema)
            }
            Kind::Text | Kind::Stream => {
                segments::of_texts(&files, &mut sized);
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
        let named = if options.parts_of_cleaned { cleaned_parts::of_files(&files)? } else { None };
        let (parts, names) = match named.and_then(|names| cleaned_parts::parts(&sized, &names)) {
            Some((parts, names)) => (parts, Some(names)),
            None => (segments::parts(&sized, &files), None),
        };
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
            names,
        })
    }

    /// How the name of a part's file begins: `PREFIX-00003`.
    pub(crate) fn stem(&self, part: Part, prefix: &str) -> String {
        let named = self.names.as_ref().and_then(|names| names.get(part.number));
        named.copied().unwrap_or(part).stem(prefix)
    }

    /// Whether the parts are files whose sizes say nothing about where a part ends.
    pub(crate) fn has_named_parts(&self) -> bool {
        self.names.is_some()
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

    /// An error as the user should see it: where a file cannot be read because it is no longer the one that was
    /// planned for, that is what to say.
    pub(crate) fn explained(&self, error: Error) -> Error {
        let (Error::Corrupt { path, .. } | Error::Io { path, .. }) = &error else { return error };
        let file = self.files.iter().find(|file| file.path == *path);
        match file.map(SourceFile::check_unchanged) {
            Some(Err(changed @ Error::Changed { .. })) => changed,
            _ => error,
        }
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
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

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
        let damage = |path: &PathBuf| plan.explained(Error::corrupt(path, "byte 3", "damaged"));
        assert!(matches!(damage(&paths[1]), Error::Changed { .. }));
        assert!(matches!(damage(&paths[2]), Error::Corrupt { .. }));
        fs::write(&paths[1], "later byte").unwrap();
        assert!(said(1..2).contains("it was written to"), "{}", said(1..2));
        fs::rename(&paths[0], &paths[2]).unwrap();
        assert!(said(2..3).contains("another file took its place"), "{}", said(2..3));
        assert!(said(0..3).contains("a.txt: vanished while it was being read"), "{}", said(0..3));
    }
}
