//! Token files of documents whose ids are encoded already: what a change of order writes.

use std::path::{Path, PathBuf};

use super::tokens::metadata_text;
use super::{AtomicFile, TokenWidth};
use crate::pack::TokenFile;
use crate::{Error, Result};

/// Tokens after which the next document begins a new file: 128 or 256 MiB, about as much as a part of the input makes.
const TOKENS_A_FILE: u64 = 1 << 26;
/// Bytes of documents that wait in memory before they are written.
const BUFFER: usize = 1 << 20;

/// Writes `tokens-00000.ds` and so on, with the ends of the documents and the metadata beside each.
pub(crate) struct EncodedTokens {
    root: PathBuf,
    width: TokenWidth,
    tokens_a_file: u64,
    open: Option<OpenFile>,
    files: Vec<TokenFile>,
}

struct OpenFile {
    name: String,
    tokens: AtomicFile,
    index: AtomicFile,
    waiting: Vec<u8>,
    ends: Vec<u8>,
    count: u64,
}

impl EncodedTokens {
    /// Files in a folder that exists.
    pub(crate) fn new(root: &Path, width: TokenWidth) -> Self {
        Self::with_size(root, width, TOKENS_A_FILE)
    }

    fn with_size(root: &Path, width: TokenWidth, tokens_a_file: u64) -> Self {
        Self { root: root.to_path_buf(), width, tokens_a_file, open: None, files: Vec::new() }
    }

    /// Appends a document, its ids as they stand in a file.
    pub(crate) fn append(&mut self, document: &[u8]) -> Result<()> {
        let file = match self.open.take() {
            Some(file) if file.count < self.tokens_a_file => file,
            full => {
                self.close(full)?;
                OpenFile::create(&self.root, self.files.len())?
            }
        };
        self.open.insert(file).append(document, self.width)
    }

    /// Commits the last file and gives all of them.
    pub(crate) fn finish(mut self) -> Result<Vec<TokenFile>> {
        let last = self.open.take();
        self.close(last)?;
        Ok(self.files)
    }

    fn close(&mut self, file: Option<OpenFile>) -> Result<()> {
        let Some(mut file) = file else { return Ok(()) };
        file.write()?;
        let OpenFile { name, tokens, index, count, .. } = file;
        let mut metadata = AtomicFile::create(self.root.join(format!("{name}.metadata")))?;
        metadata.append(metadata_text(self.width, count).as_bytes())?;
        metadata.commit()?;
        // From the files' own sizes, so that the sums are checked against what lies on disk.
        let documents = index.commit()?.bytes / size_of::<u64>() as u64;
        let written = tokens.commit()?;
        self.files.push(TokenFile {
            path: name,
            tokens: written.bytes / self.width.bytes(),
            documents: Some(documents),
            rows: None,
            bytes: written.bytes,
            checksum: written.checksum,
        });
        Ok(())
    }
}

impl OpenFile {
    fn create(root: &Path, number: usize) -> Result<Self> {
        let name = format!("tokens-{number:05}.ds");
        let index = AtomicFile::create(root.join(format!("{name}.index")))?;
        let tokens = AtomicFile::create(root.join(&name))?;
        Ok(Self { name, tokens, index, waiting: Vec::new(), ends: Vec::new(), count: 0 })
    }

    fn append(&mut self, document: &[u8], width: TokenWidth) -> Result<()> {
        if !(document.len() as u64).is_multiple_of(width.bytes()) {
            return Err(Error::Internal(format!(
                "a document of {} bytes, which are no whole ids",
                document.len()
            )));
        }
        self.count += document.len() as u64 / width.bytes();
        self.ends.extend(self.count.to_le_bytes());
        self.waiting.extend_from_slice(document);
        if self.waiting.len() + self.ends.len() < BUFFER { Ok(()) } else { self.write() }
    }

    fn write(&mut self) -> Result<()> {
        self.tokens.append(&self.waiting)?;
        self.index.append(&self.ends)?;
        self.waiting.clear();
        self.ends.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_document_is_never_in_two_files() {
        let folder = tempfile::tempdir().unwrap();
        let mut tokens = EncodedTokens::with_size(folder.path(), TokenWidth::Two, 3);
        for document in [&[1, 0, 2, 0][..], &[], &[3, 0, 4, 0, 5, 0], &[6, 0], &[]] {
            tokens.append(document).unwrap();
        }
        assert!(tokens.append(&[7]).is_err());
        let files = tokens.finish().unwrap();
        let told: Vec<_> =
            files.iter().map(|file| (file.path.as_str(), file.tokens, file.documents)).collect();
        assert_eq!(told, [("tokens-00000.ds", 5, Some(3)), ("tokens-00001.ds", 1, Some(2))]);
        let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
        assert_eq!(read("tokens-00000.ds"), [1, 0, 2, 0, 3, 0, 4, 0, 5, 0]);
        let ends: Vec<u8> = [2_u64, 2, 5].iter().flat_map(|end| end.to_le_bytes()).collect();
        assert_eq!(read("tokens-00000.ds.index"), ends);
        assert_eq!(read("tokens-00001.ds.metadata"), b"tokenizer/tokenizer.json|2\n1\n1.00 T");
    }
}
