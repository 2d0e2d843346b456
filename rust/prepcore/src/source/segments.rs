//! How inputs are cut: into segments, and those into parts.

use std::ops::Range;

use arrow_schema::SchemaRef;

use super::compression::Compression;
use super::file::SourceFile;
use super::plan::Options;
use super::{PART_BYTES, SEGMENT_BYTES, UNIT_BYTES, UNIT_ROWS};
use super::{columns, parquet};
use crate::pipeline::Lookout;
use crate::{Error, Result};

/// What text compresses to, about: a compressed file counts so many times its size when parts are planned.
const COMPRESSION_RATIO: u64 = 4;

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

/// Adds the row groups; gives the first file's columns, and those that are kept of all files.
pub(super) fn of_row_groups(
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

pub(super) fn of_lines(files: &[SourceFile], sized: &mut Vec<(Segment, u64)>) {
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
pub(super) fn of_texts(files: &[SourceFile], sized: &mut Vec<(Segment, u64)>) {
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
pub(super) fn parts(sized: &[(Segment, u64)], files: &[SourceFile]) -> Vec<Range<usize>> {
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
    use std::path::PathBuf;

    use super::*;
    use crate::source::{Identity, Kind};

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
        of_lines(&files, &mut sized);
        let cut = parts(&sized, &files);
        assert_eq!(cut, [0..8, 8..16, 16..24, 24..27, 27..28]);
        assert_eq!(parts(&[], &[]), std::iter::once(0..0).collect::<Vec<_>>());
    }

    #[test]
    fn small_texts_share_a_segment() {
        let mib = UNIT_BYTES / 8;
        let files = [file(3 * mib), file(5 * mib), file(1), file(9 * mib), file(0)];
        let mut sized = Vec::new();
        of_texts(&files, &mut sized);
        let ranges: Vec<_> = sized.iter().map(|(segment, _)| segment.clone()).collect();
        let wanted: Vec<_> = [0..2, 2..3, 3..4, 4..5].map(|sources| Segment::Texts { sources }).into();
        assert_eq!(ranges, wanted);
    }
}
