//! A cleaned folder as the input of `pack`: its parts are the parts, so that packing in a pass of its own and packing
//! while cleaning write the same files.

use std::ops::Range;
use std::path::Path;

use super::{Part, Segment, SourceFile};
use crate::Result;
use crate::manifest::Cleaned;

/// The part of a cleaned folder that each file is; `None` where one is not, or where they are of several folders.
pub(super) fn of_files(files: &[SourceFile]) -> Result<Option<Vec<Part>>> {
    let Some(folder) = files.first().and_then(|file| file.path.parent()) else { return Ok(None) };
    if files.iter().any(|file| file.path.parent() != Some(folder)) {
        return Ok(None);
    }
    let Some(manifest) = Cleaned::of_folder(folder)? else { return Ok(None) };
    let mut kept = manifest.parts.iter().flat_map(|part| &part.kept);
    // In the order of the folder, whose names then rise.
    let part = |file: &SourceFile| {
        let name = file.path.file_name()?;
        kept.find(|kept| Path::new(&kept.path) == Path::new(name))?;
        of_name(name.to_str()?)
    };
    Ok(files.iter().map(part).collect())
}

/// `part-00003.parquet`, or `part-00003_00001.jsonl.zst`.
fn of_name(name: &str) -> Option<Part> {
    let stem = name.strip_prefix("part-")?.split('.').next()?;
    let (number, piece) = stem.split_once('_').unwrap_or((stem, "0"));
    Some(Part { number: number.parse().ok()?, piece: piece.parse().ok()? })
}

/// The segments of each file that has any, and the part that the file is.
pub(super) fn parts(sized: &[(Segment, u64)], names: &[Part]) -> Option<(Vec<Range<usize>>, Vec<Part>)> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    let mut named: Vec<Part> = Vec::new();
    for (number, (segment, _)) in sized.iter().enumerate() {
        let name = names.get(segment.sources().start as usize)?;
        match parts.last_mut() {
            Some(part) if named.last() == Some(name) => part.end = number + 1,
            _ => {
                parts.push(number..number + 1);
                named.push(*name);
            }
        }
    }
    (!parts.is_empty()).then_some((parts, named))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_number_and_piece() {
        let part = |number, piece| Some(Part { number, piece });
        assert_eq!(of_name("part-00003.parquet"), part(3, 0));
        assert_eq!(of_name("part-123456_00012.jsonl.zst"), part(123_456, 12));
        assert_eq!((of_name("part-x.parquet"), of_name("raw.parquet")), (None, None));
    }

    #[test]
    fn each_file_with_rows_is_a_part() {
        let group = |source, group| (Segment::RowGroup { source, group, first_row: 0 }, 1);
        let sized = [group(0, 0), group(0, 1), group(2, 0)];
        let names = [0, 1, 5].map(|number| Part { number, piece: 0 });
        let (parts, named) = parts(&sized, &names).unwrap();
        assert_eq!((parts, named), (vec![0..2, 2..3], vec![names[0], names[2]]));
        assert!(super::parts(&[], &names).is_none());
    }
}
