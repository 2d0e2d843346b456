//! Token files in datatrove's layout: raw ids, the ends of the documents, and three lines of metadata.

use std::fs;
use std::path::{Path, PathBuf};

use super::{AtomicFile, Written};
use crate::manifest::FileRecord;
use crate::pack::{Side, TokenBatch, TokenFile};
use crate::{Error, Result};

/// Ids that are encoded and written at once: what they become stays in the second cache until it is on its way.
const TOGETHER: usize = 1 << 16;

/// Where readers of the metadata find the tokenizer, relative to the folder of the token files.
const TOKENIZER: &str = "tokenizer/tokenizer.json";

/// Bytes of a token id on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenWidth {
    Two,
    Four,
}

impl TokenWidth {
    /// Two bytes hold the ids of a vocabulary of at most 65,536 entries.
    pub(crate) fn of_vocabulary(size: usize) -> Self {
        if size <= 1 << 16 { Self::Two } else { Self::Four }
    }

    pub(crate) fn dtype(self) -> &'static str {
        match self {
            Self::Two => "uint16",
            Self::Four => "uint32",
        }
    }

    pub(crate) fn bytes(self) -> u64 {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }

    /// Puts ids as they stand in the file at the end of `bytes`.
    ///
    /// # Errors
    /// [`Error::Internal`] for an id that does not fit, which the vocabulary rules out.
    fn encode(self, ids: &[u32], bytes: &mut Vec<u8>) -> Result<()> {
        let start = bytes.len();
        bytes.resize(start + ids.len() * self.bytes() as usize, 0);
        // Loops over places of one size, which the compiler makes vector instructions of.
        match self {
            Self::Four => {
                let (places, _) = bytes[start..].as_chunks_mut();
                places.iter_mut().zip(ids).for_each(|(place, id)| *place = id.to_le_bytes());
            }
            Self::Two => {
                let (places, _) = bytes[start..].as_chunks_mut();
                let mut all = 0;
                for (place, id) in places.iter_mut().zip(ids) {
                    all |= id;
                    *place = (*id as u16).to_le_bytes();
                }
                if all > u32::from(u16::MAX) {
                    return Err(Error::Internal(
                        "a token id of the encoder lies outside the vocabulary".into(),
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Writes one side of the split of a part: a token file, where there are documents of it.
pub(crate) struct TokenWriter {
    root: PathBuf,
    /// Relative to the root.
    name: String,
    width: TokenWidth,
    /// What was encoded, counted as it came.
    side: Side,
    open: Option<OpenFile>,
}

struct OpenFile {
    tokens: AtomicFile,
    index: AtomicFile,
    count: u64,
    /// Room for ids as they stand in the file.
    encoded: Vec<u8>,
}

impl TokenWriter {
    /// A file of this name, relative to a folder; it is made with its first document.
    pub(crate) fn new(root: &Path, name: String, width: TokenWidth) -> Self {
        Self { root: root.to_path_buf(), name, width, side: Side::default(), open: None }
    }

    /// Appends documents.
    pub(crate) fn append(&mut self, batch: &TokenBatch) -> Result<()> {
        if batch.documents() == 0 {
            return Ok(());
        }
        self.side.add(batch);
        let file = match self.open.take() {
            Some(file) => file,
            None => OpenFile::create(&self.root, &self.name)?,
        };
        let file = self.open.insert(file);
        for ids in batch.ids.chunks(TOGETHER) {
            file.encoded.clear();
            self.width.encode(ids, &mut file.encoded)?;
            file.tokens.append(&file.encoded)?;
        }
        let ends = batch.ends.iter().flat_map(|end| (file.count + *end as u64).to_le_bytes());
        file.index.append(&ends.collect::<Vec<u8>>())?;
        file.count += batch.ids.len() as u64;
        Ok(())
    }

    /// Commits the file, and what lies beside it.
    pub(crate) fn commit(mut self) -> Result<Side> {
        let Some(OpenFile { tokens, index, count, .. }) = self.open else { return Ok(self.side) };
        let mut metadata = AtomicFile::create(self.root.join(format!("{}.metadata", self.name)))?;
        metadata.append(metadata_text(self.width, count).as_bytes())?;
        let record = |ending: &str, rows, Written { bytes, checksum }| FileRecord {
            path: format!("{}.{ending}", self.name),
            rows,
            bytes,
            checksum,
        };
        let metadata = record("metadata", 3, metadata.commit()?);
        // From the files' own sizes, so that the sums are checked against what lies on disk.
        let index = index.commit()?;
        let documents = index.bytes / size_of::<u64>() as u64;
        self.side.beside = vec![record("index", documents, index), metadata];
        let written = tokens.commit()?;
        self.side.file = Some(TokenFile {
            path: self.name,
            tokens: written.bytes / self.width.bytes(),
            documents: Some(documents),
            rows: None,
            bytes: written.bytes,
            checksum: written.checksum,
        });
        Ok(self.side)
    }
}

impl OpenFile {
    fn create(root: &Path, name: &str) -> Result<Self> {
        let path = root.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| Error::io(folder, "make", error))?;
        }
        let index = AtomicFile::create(root.join(format!("{name}.index")))?;
        Ok(Self { tokens: AtomicFile::create(path)?, index, count: 0, encoded: Vec::new() })
    }
}

/// `name|bytes a token`, the number of tokens, and that number in words; datatrove ends with no line feed.
pub(super) fn metadata_text(width: TokenWidth, tokens: u64) -> String {
    format!("{TOKENIZER}|{}\n{tokens}\n{}", width.bytes(), in_words(tokens))
}

/// A number of tokens with three digits and an SI prefix, as `humanize.metric(number, unit="T")` writes it.
fn in_words(number: u64) -> String {
    const PREFIXES: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
    let mut exponent = number.checked_ilog10().unwrap_or(0) as usize;
    let scaled = |exponent: usize| {
        let digits = 2 - exponent % 3;
        format!("{:.digits$}", number as f64 / 10_f64.powi(3 * (exponent / 3) as i32))
    };
    let mut text = scaled(exponent);
    // Rounding may carry into the next digit: 9,999 is 10.0 k, not 10.00 k.
    if text.parse::<f64>().is_ok_and(|value| value >= 10_f64.powi((exponent % 3) as i32 + 1)) {
        exponent += 1;
        text = scaled(exponent);
    }
    format!("{text} {}T", PREFIXES[exponent / 3])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::{Ledger, SplitRecord};

    #[test]
    fn numbers_in_words_are_those_of_humanize() {
        // From humanize 4.17.
        for (number, words) in [
            (0, "0.00 T"),
            (5, "5.00 T"),
            (42, "42.0 T"),
            (999, "999 T"),
            (1_000, "1.00 kT"),
            (1_125, "1.12 kT"),
            (9_999, "10.0 kT"),
            (99_950, "100 kT"),
            (999_999, "1.00 MT"),
            (5_113_663, "5.11 MT"),
            (123_456_789, "123 MT"),
            (9_876_543_210, "9.88 GT"),
            (u64::MAX, "18.4 ET"),
        ] {
            assert_eq!(in_words(number), words, "{number}");
        }
    }

    #[test]
    fn files_are_laid_out_as_documented() {
        let folder = tempfile::tempdir().unwrap();
        let batch = |ids: &[u32], ends: &[usize]| TokenBatch { ids: ids.into(), ends: ends.into(), bytes: 0 };
        let name = "validation/tokens-00000.ds".to_owned();
        let mut tokens = TokenWriter::new(folder.path(), name, TokenWidth::of_vocabulary(65_536));
        tokens.append(&batch(&[1, 258, 65_535], &[1, 3])).unwrap();
        tokens.append(&batch(&[], &[])).unwrap();
        tokens.append(&batch(&[7], &[0, 1])).unwrap();
        let side = tokens.commit().unwrap();
        let split = SplitRecord::of_parts([&side].into_iter(), 3).unwrap();
        let Ledger { tokens, rows, left_over, .. } = &split.ledger;
        assert_eq!((*tokens, *rows, left_over.tail), (4, 1, 1));
        let read = |suffix: &str| {
            fs::read(folder.path().join(format!("validation/tokens-00000.ds{suffix}"))).unwrap()
        };
        assert_eq!(read(""), [1, 0, 2, 1, 255, 255, 7, 0]);
        let ends: Vec<u8> = [1_u64, 3, 3, 4].iter().flat_map(|end| end.to_le_bytes()).collect();
        assert_eq!(read(".index"), ends);
        assert_eq!(read(".metadata"), b"tokenizer/tokenizer.json|2\n4\n4.00 T");
        assert_eq!(
            (split.files[0].path.as_str(), split.files[0].tokens, split.files[0].documents),
            ("validation/tokens-00000.ds", 4, Some(4))
        );
        let mut narrow = TokenWriter::new(folder.path(), "tokens-00000.ds".into(), TokenWidth::Two);
        assert!(narrow.append(&batch(&[65_536], &[1])).is_err());
    }
}
