//! Token files in datatrove's layout: raw ids, the ends of the documents, and three lines of metadata.

use std::fs;
use std::path::{Path, PathBuf};

use super::AtomicFile;
use crate::pack::{Ledger, LeftOver, TokenBatch, TokenFile};
use crate::source::Part;
use crate::{Error, Result};

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

    /// Ids as they stand in the file.
    ///
    /// # Errors
    /// [`Error::Internal`] for an id that does not fit, which the vocabulary rules out.
    fn encode(self, ids: &[u32]) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(ids.len() * self.bytes() as usize);
        match self {
            Self::Four => bytes.extend(ids.iter().flat_map(|id| id.to_le_bytes())),
            Self::Two => {
                let mut all = 0;
                for id in ids {
                    all |= id;
                    bytes.extend((*id as u16).to_le_bytes());
                }
                if all > u32::from(u16::MAX) {
                    return Err(Error::Internal(
                        "a token id of the encoder lies outside the vocabulary".into(),
                    ));
                }
            }
        }
        Ok(bytes)
    }
}

/// Writes one side of the split: a token file a part that has documents of it.
pub(crate) struct TokenFolder {
    root: PathBuf,
    /// The subfolder of `root`, empty for the training side.
    prefix: &'static str,
    width: TokenWidth,
    sequence_length: u64,
    /// What was encoded, counted as it came.
    encoded: Ledger,
    open: Option<(Part, OpenFile)>,
    files: Vec<TokenFile>,
}

struct OpenFile {
    /// Relative to the root.
    name: String,
    tokens: AtomicFile,
    index: AtomicFile,
    count: u64,
}

impl TokenFolder {
    pub(crate) fn new(root: &Path, prefix: &'static str, width: TokenWidth, sequence_length: u64) -> Self {
        let (root, encoded) = (root.to_path_buf(), Ledger::default());
        Self { root, prefix, width, sequence_length, encoded, open: None, files: Vec::new() }
    }

    /// Appends documents of a part. Parts come in order; the one before is committed.
    pub(crate) fn append(&mut self, part: Part, batch: &TokenBatch) -> Result<()> {
        if batch.documents() == 0 {
            return Ok(());
        }
        self.encoded.documents += batch.documents() as u64;
        self.encoded.tokens += batch.ids.len() as u64;
        self.encoded.bytes += batch.bytes;
        let mut file = match self.open.take() {
            Some((open, file)) if open == part => file,
            finished => {
                self.close(finished)?;
                OpenFile::create(&self.root, format!("{}{}.ds", self.prefix, part.stem("tokens")))?
            }
        };
        file.tokens.append(&self.width.encode(&batch.ids)?)?;
        let ends = batch.ends.iter().flat_map(|end| (file.count + *end as u64).to_le_bytes());
        file.index.append(&ends.collect::<Vec<u8>>())?;
        file.count += batch.ids.len() as u64;
        self.open = Some((part, file));
        Ok(())
    }

    /// Commits the last file; gives the account and all files. Rows are cut by whoever reads the files, so they are
    /// counted from what lies on disk, not from what was meant to be written.
    pub(crate) fn finish(mut self) -> Result<(Ledger, Vec<TokenFile>)> {
        let last = self.open.take();
        self.close(last)?;
        let written: u64 = self.files.iter().map(|file| file.tokens).sum();
        let ends: u64 = self.files.iter().filter_map(|file| file.documents).sum();
        if ends != self.encoded.documents {
            let encoded = self.encoded.documents;
            return Err(Error::Internal(format!(
                "{encoded} documents were encoded, the ends of {ends} written"
            )));
        }
        let left_over = LeftOver { tail: written % self.sequence_length };
        Ok((Ledger { rows: written / self.sequence_length, left_over, ..self.encoded }, self.files))
    }

    fn close(&mut self, open: Option<(Part, OpenFile)>) -> Result<()> {
        if let Some((_, file)) = open {
            self.files.push(file.commit(&self.root, self.width)?);
        }
        Ok(())
    }
}

impl OpenFile {
    fn create(root: &Path, name: String) -> Result<Self> {
        let path = root.join(&name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| Error::io(folder, "make", error))?;
        }
        let index = AtomicFile::create(root.join(format!("{name}.index")))?;
        Ok(Self { tokens: AtomicFile::create(path)?, index, name, count: 0 })
    }

    fn commit(self, root: &Path, width: TokenWidth) -> Result<TokenFile> {
        let Self { name, tokens, index, count } = self;
        let mut metadata = AtomicFile::create(root.join(format!("{name}.metadata")))?;
        metadata.append(metadata_text(width, count).as_bytes())?;
        metadata.commit()?;
        // From the files' own sizes, so that the sums are checked against what lies on disk.
        let documents = index.commit()?.bytes / size_of::<u64>() as u64;
        let written = tokens.commit()?;
        Ok(TokenFile {
            path: name,
            tokens: written.bytes / width.bytes(),
            documents: Some(documents),
            rows: None,
            bytes: written.bytes,
            checksum: written.checksum,
        })
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
        let mut tokens = TokenFolder::new(folder.path(), "validation/", TokenWidth::of_vocabulary(65_536), 3);
        tokens.append(Part::default(), &batch(&[1, 258, 65_535], &[1, 3])).unwrap();
        tokens.append(Part::default(), &batch(&[], &[])).unwrap();
        tokens.append(Part::default(), &batch(&[7], &[0, 1])).unwrap();
        let (ledger, files) = tokens.finish().unwrap();
        assert_eq!((ledger.tokens, ledger.rows, ledger.left_over.tail), (4, 1, 1));
        let read = |suffix: &str| {
            fs::read(folder.path().join(format!("validation/tokens-00000.ds{suffix}"))).unwrap()
        };
        assert_eq!(read(""), [1, 0, 2, 1, 255, 255, 7, 0]);
        let ends: Vec<u8> = [1_u64, 3, 3, 4].iter().flat_map(|end| end.to_le_bytes()).collect();
        assert_eq!(read(".index"), ends);
        assert_eq!(read(".metadata"), b"tokenizer/tokenizer.json|2\n4\n4.00 T");
        assert_eq!(
            (files[0].path.as_str(), files[0].tokens, files[0].documents),
            ("validation/tokens-00000.ds", 4, Some(4))
        );
        let mut narrow = TokenFolder::new(folder.path(), "", TokenWidth::Two, 3);
        assert!(narrow.append(Part::default(), &batch(&[65_536], &[1])).is_err());
    }
}
