//! Tokens by file of the input, from `sources.parquet` and the ends of the documents.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use hashbrown::HashMap;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::{Deserialize, Serialize};

use super::ends_of;
use crate::guard::decoded;
use crate::pipeline::{Progress, Watcher};
use crate::{Error, Result};

/// Files of the input that are named; a folder of source code has millions.
const NAMED: usize = 50;
/// The columns that are read.
const COLUMNS: [&str; 3] = ["document", "split", "source"];
/// Bytes of an end.
const END: u64 = 8;
/// Bytes of ends that are read at once.
const BUFFER: usize = 1 << 16;

/// What came from one file of the input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceTokens {
    /// The file, as `sources.parquet` names it.
    pub source: String,
    /// Documents.
    pub documents: u64,
    /// Tokens.
    pub tokens: u64,
}

/// What came from the files that are not named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherSources {
    /// Files.
    pub sources: u64,
    /// Documents.
    pub documents: u64,
    /// Tokens.
    pub tokens: u64,
}

/// Tokens by source of one side of the split; nothing where the folder does not say where documents came from.
pub(super) fn by_source(
    folder: &Path,
    split: &str,
    files: &[PathBuf],
    watcher: Watcher<'_>,
) -> Result<(Vec<SourceTokens>, Option<OtherSources>)> {
    let path = folder.join("sources.parquet");
    if !path.is_file() {
        return Ok((Vec::new(), None));
    }
    let corrupt = |error: String| Error::corrupt(&path, "rows", error);
    let file = File::open(&path).map_err(|error| Error::io(&path, "open", error))?;
    let builder = decoded(|| ParquetRecordBatchReaderBuilder::try_new(file)).map_err(corrupt)?;
    let columns = ProjectionMask::columns(builder.parquet_schema(), COLUMNS);
    let mut batches = decoded(|| builder.with_projection(columns).build()).map_err(corrupt)?;
    let mut ends = Ends::open(files)?;
    let mut totals: HashMap<String, (u64, u64)> = HashMap::new();
    while let Some(batch) = decoded(|| batches.next().transpose()).map_err(corrupt)? {
        watcher(&Progress::default())?;
        add(&batch, split, &mut ends, &mut totals)
            .ok_or_else(|| corrupt(format!("lacks one of the columns {COLUMNS:?}")))??;
    }
    Ok(largest(totals))
}

/// Adds the documents of a batch; nothing where a column is missing or of another type.
fn add(
    batch: &RecordBatch,
    split: &str,
    ends: &mut Ends,
    totals: &mut HashMap<String, (u64, u64)>,
) -> Option<Result<()>> {
    let documents = batch.column_by_name(COLUMNS[0])?.as_primitive_opt::<UInt64Type>()?;
    let splits = batch.column_by_name(COLUMNS[1])?.as_string_opt::<i32>()?;
    let sources = batch.column_by_name(COLUMNS[2])?.as_string_opt::<i32>()?;
    // Documents of one file follow each other, so its name is looked up once for all of them.
    let mut run: Option<(&str, u64, u64)> = None;
    for row in (0..documents.len()).filter(|row| splits.value(*row) == split) {
        let tokens = match ends.length(documents.value(row)) {
            Ok(tokens) => tokens,
            Err(error) => return Some(Err(error)),
        };
        let source = sources.value(row);
        match &mut run {
            Some((name, count, sum)) if *name == source => (*count, *sum) = (*count + 1, *sum + tokens),
            _ => {
                enter(totals, run);
                run = Some((source, 1, tokens));
            }
        }
    }
    enter(totals, run);
    Some(Ok(()))
}

fn enter(totals: &mut HashMap<String, (u64, u64)>, run: Option<(&str, u64, u64)>) {
    if let Some((name, documents, tokens)) = run {
        let total = totals.entry_ref(name).or_default();
        *total = (total.0 + documents, total.1 + tokens);
    }
}

/// The sources with most tokens, by name where they have equally many, and what all others come to.
fn largest(totals: HashMap<String, (u64, u64)>) -> (Vec<SourceTokens>, Option<OtherSources>) {
    let mut sources: Vec<SourceTokens> = totals
        .into_iter()
        .map(|(source, (documents, tokens))| SourceTokens { source, documents, tokens })
        .collect();
    sources.sort_by(|one, other| {
        other.tokens.cmp(&one.tokens).then_with(|| one.source.as_bytes().cmp(other.source.as_bytes()))
    });
    let rest = sources.split_off(sources.len().min(NAMED));
    let others = (!rest.is_empty()).then(|| OtherSources {
        sources: rest.len() as u64,
        documents: rest.iter().map(|source| source.documents).sum(),
        tokens: rest.iter().map(|source| source.tokens).sum(),
    });
    (sources, others)
}

/// The lengths of documents by their number within the split. Numbers that follow each other, which is how they
/// come, are read one after the other; any other is looked up.
struct Ends {
    /// Path, and the number of the first document.
    files: Vec<(PathBuf, u64)>,
    documents: u64,
    open: Option<OpenEnds>,
}

struct OpenEnds {
    file: usize,
    reader: BufReader<File>,
    /// The document whose end comes next, and the end before it.
    next: u64,
    before: u64,
}

impl Ends {
    fn open(tokens: &[PathBuf]) -> Result<Self> {
        let (mut files, mut documents) = (Vec::with_capacity(tokens.len()), 0);
        for path in tokens.iter().map(|path| ends_of(path)) {
            let bytes = path.metadata().map_err(|error| Error::io(&path, "read", error))?.len();
            files.push((path, documents));
            documents += bytes / END;
        }
        Ok(Self { files, documents, open: None })
    }

    fn length(&mut self, document: u64) -> Result<u64> {
        if document >= self.documents {
            return Err(Error::Internal(format!(
                "sources.parquet names document {document} of {}",
                self.documents
            )));
        }
        let file = self.files.partition_point(|(_, first)| *first <= document) - 1;
        let mut open = match self.open.take() {
            Some(open) if open.file == file && open.next == document => open,
            _ => self.seek(file, document)?,
        };
        let path = &self.files[file].0;
        let end = read_end(path, &mut open.reader)?;
        let length = end.checked_sub(open.before).ok_or_else(|| {
            Error::corrupt(path, format!("document {document}"), "it ends before it begins")
        })?;
        (open.next, open.before) = (document + 1, end);
        self.open = Some(open);
        Ok(length)
    }

    fn seek(&self, file: usize, document: u64) -> Result<OpenEnds> {
        let (path, first) = &self.files[file];
        let opened = File::open(path).map_err(|error| Error::io(path, "open", error))?;
        let mut reader = BufReader::with_capacity(BUFFER, opened);
        let mut before = 0;
        if let Some(place) = (document - first).checked_sub(1) {
            reader.seek(SeekFrom::Start(place * END)).map_err(|error| Error::io(path, "read", error))?;
            before = read_end(path, &mut reader)?;
        }
        Ok(OpenEnds { file, reader, next: document, before })
    }
}

fn read_end(path: &Path, reader: &mut impl Read) -> Result<u64> {
    let mut end = [0; END as usize];
    reader.read_exact(&mut end).map_err(|error| Error::io(path, "read", error))?;
    Ok(u64::from_le_bytes(end))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn lengths_are_found_in_any_order() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, ends: &[u64]| {
            let bytes: Vec<u8> = ends.iter().flat_map(|end| end.to_le_bytes()).collect();
            fs::write(folder.path().join(format!("{name}.index")), bytes).unwrap();
            folder.path().join(name)
        };
        let files = [write("a", &[3, 3, 10]), write("b", &[]), write("c", &[5, 6])];
        let mut ends = Ends::open(&files).unwrap();
        for (document, length) in [(0, 3), (1, 0), (2, 7), (3, 5), (4, 1), (2, 7), (0, 3), (4, 1)] {
            assert_eq!(ends.length(document).unwrap(), length, "{document}");
        }
        assert!(ends.length(5).is_err());
    }

    #[test]
    fn only_the_largest_are_named() {
        let totals = (0..60).map(|number| (format!("{number:02}"), (1, 100 - number / 2))).collect();
        let (sources, others) = largest(totals);
        assert_eq!(
            (sources.len(), sources[0].source.as_str(), sources[49].source.as_str()),
            (50, "00", "49")
        );
        let tokens = (50..60).map(|number| 100 - number / 2).sum();
        assert_eq!(others, Some(OtherSources { sources: 10, documents: 10, tokens }));
    }
}
