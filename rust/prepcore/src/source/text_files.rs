//! Text and code files: a document a file, with the columns `text` and `path`.

use std::io::{ErrorKind, Read};
use std::sync::Arc;

use arrow_array::builder::LargeStringBuilder;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;

use super::compression::decompressed;
use super::file::SourceFile;
use super::lines::damage_or_failure;
use super::{Address, Body, DOCUMENT_WEIGHT, UNIT_BYTES, Unit, Unreadable};
use crate::{Error, Result};

/// Bytes of a file that may be held without asking.
const UNASKED: u64 = UNIT_BYTES;

/// Reads a run of files. Plain ones fill one unit together, as they were planned to; what compressed files hold
/// is only known once they are read.
pub(crate) struct TextFiles<'a> {
    files: &'a [SourceFile],
    /// The number of the next file, and its place in `files`.
    first: u32,
    next: usize,
    schema: SchemaRef,
    max_document: u64,
    /// The file that is being read.
    open: Option<OpenFile>,
    unit: Texts,
}

struct OpenFile {
    reader: Box<dyn Read + Send>,
    bytes: Vec<u8>,
    granted: u64,
}

/// The texts of a unit.
#[derive(Default)]
struct Texts {
    texts: LargeStringBuilder,
    paths: LargeStringBuilder,
    addresses: Vec<Address>,
    unreadable: Vec<Unreadable>,
    bytes: u64,
}

/// A file's text, or where and why it has none.
type Text = std::result::Result<String, (u64, String)>;

impl<'a> TextFiles<'a> {
    /// The units of files of which the first has the number `first`.
    pub(crate) fn new(files: &'a [SourceFile], first: u32, schema: &SchemaRef, max_document: u64) -> Self {
        let schema = Arc::clone(schema);
        Self { files, first, next: 0, schema, max_document, open: None, unit: Texts::default() }
    }

    fn gather(&mut self) -> Result<Option<Unit>> {
        while let Some(file) = self.files.get(self.next) {
            let mut open = match self.open.take() {
                Some(open) => open,
                None => OpenFile {
                    reader: decompressed(&file.path, file.compression)?,
                    bytes: Vec::new(),
                    granted: UNASKED,
                },
            };
            let Some(text) = open.read(file, self.max_document)? else {
                // Doubling asks a few times for a large file, and once the most that a document may hold.
                open.granted = (2 * open.granted).min(self.max_document + 1);
                let wanted = 2 * (self.unit.bytes + open.granted);
                self.open = Some(open);
                return Ok(Some(Unit::ask(wanted)));
            };
            let address = Address { source: self.first + self.next as u32, row: 0 };
            self.unit.push(file, address, text);
            self.next += 1;
            if self.unit.bytes > UNIT_BYTES {
                break;
            }
        }
        std::mem::take(&mut self.unit).finish(&self.schema)
    }
}

impl Iterator for TextFiles<'_> {
    type Item = Result<Unit>;

    fn next(&mut self) -> Option<Self::Item> {
        self.gather().transpose()
    }
}

impl OpenFile {
    /// Reads on; `None` where the file is larger than what was granted.
    fn read(&mut self, file: &SourceFile, max_document: u64) -> Result<Option<Text>> {
        let room = self.granted - self.bytes.len() as u64;
        match (&mut self.reader).take(room).read_to_end(&mut self.bytes) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return self.read(file, max_document),
            Err(error) => {
                let failed = |source| Error::io(&file.path, "read", source);
                let error = damage_or_failure(error).map_err(failed)?;
                return Ok(Some(Err((self.bytes.len() as u64, error))));
            }
            Ok(_) => {}
        }
        let read = self.bytes.len() as u64;
        if read > max_document {
            return Ok(Some(Err((0, super::too_large(file.size.max(read), max_document)))));
        }
        if read == self.granted {
            return Ok(None);
        }
        let text = String::from_utf8(std::mem::take(&mut self.bytes));
        Ok(Some(text.map_err(|error| {
            let offset = error.utf8_error().valid_up_to() as u64;
            (offset, "not valid UTF-8".into())
        })))
    }
}

impl Texts {
    fn push(&mut self, file: &SourceFile, address: Address, text: Text) {
        match text {
            Ok(text) => {
                self.bytes += text.len() as u64;
                self.texts.append_value(text.strip_prefix('\u{feff}').unwrap_or(&text));
                self.paths.append_value(&file.name);
                self.addresses.push(address);
            }
            Err((offset, error)) => self.unreadable.push(Unreadable::row(address, Some(offset), error)),
        }
    }

    fn finish(mut self, schema: &SchemaRef) -> Result<Option<Unit>> {
        let rows = self.addresses.len() + self.unreadable.len();
        if rows == 0 {
            return Ok(None);
        }
        let columns: [ArrayRef; 2] = [Arc::new(self.texts.finish()), Arc::new(self.paths.finish())];
        let columns = columns.into_iter().take(schema.fields().len()).collect();
        let batch = RecordBatch::try_new(Arc::clone(schema), columns)
            .map_err(|error| Error::Internal(format!("text files do not fit their columns: {error}")))?;
        let weight = 2 * self.bytes + DOCUMENT_WEIGHT * rows as u64;
        let Self { addresses, unreadable, .. } = self;
        Ok(Some(Unit { body: Body::Texts { batch, addresses, unreadable }, weight }))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use crate::config::ByteSize;
    use crate::source::{Options, Plan, UNIT_BYTES};

    /// Rows of each unit, readable or not; and the largest request for memory.
    fn units(plan: &Plan) -> (Vec<u64>, u64) {
        let (mut rows, mut largest) = (Vec::new(), 0);
        for segment in 0..plan.segments.len() {
            for unit in plan.open(segment).unwrap() {
                let unit = unit.unwrap();
                match unit.asks() {
                    true => largest = largest.max(unit.weight),
                    false => rows.push(plan.documents(unit).unwrap().rows()),
                }
            }
        }
        (rows, largest)
    }

    #[test]
    fn files_that_decompress_to_much_more_fill_units_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        // A unit holds 8 of these, a document at most 32.
        let mib = UNIT_BYTES / 8;
        for (name, size) in [("a", 5 * mib), ("b", 5 * mib), ("c", 1), ("d", 20 * mib), ("e", 40 * mib)] {
            let file = fs::File::create(folder.path().join(format!("{name}.txt.gz"))).unwrap();
            let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
            encoder.write_all(&vec![b'x'; size as usize]).unwrap();
            encoder.finish().unwrap();
        }
        let options = Options::of_text("text", ByteSize::from_bytes(256 * mib));
        let plan = Plan::files(&[folder.path().to_path_buf()], options).unwrap();
        assert_eq!(plan.segments.len(), 1);
        let (rows, largest) = units(&plan);
        assert_eq!(rows, [2, 2, 1]);
        assert_eq!(largest, 2 * (32 * mib + 1));
    }
}
