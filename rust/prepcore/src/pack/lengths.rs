//! The lengths of the documents in a token file, from the ends beside it.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::TokenFile;
use crate::{Error, Result};

/// Bytes of ends that are read at once.
const BUFFER: usize = 1 << 18;
/// Bytes of an end.
const END: u64 = 8;

/// Reads the lengths of the documents of one file, in order, and checks that they fill it.
pub(crate) struct DocumentLengths {
    path: PathBuf,
    reader: BufReader<File>,
    documents: u64,
    read: u64,
    end: u64,
    tokens: u64,
}

impl DocumentLengths {
    /// Opens the ends beside a token file of a folder.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where there are not as many as the manifest states.
    pub(crate) fn open(root: &Path, file: &TokenFile) -> Result<Self> {
        let path = root.join(format!("{}.index", file.path));
        let opened = File::open(&path).map_err(|source| Error::io(&path, "open", source))?;
        let bytes = opened.metadata().map_err(|source| Error::io(&path, "read", source))?.len();
        let documents = file.documents.unwrap_or_default();
        if bytes != documents * END {
            return Err(Error::corrupt(
                &path,
                "its size",
                format!("{bytes} bytes, expected {END} for each of {documents} documents"),
            ));
        }
        let reader = BufReader::with_capacity(BUFFER, opened);
        Ok(Self { path, reader, documents, read: 0, end: 0, tokens: file.tokens })
    }

    fn next_length(&mut self) -> Result<u64> {
        let mut bytes = [0; END as usize];
        self.reader.read_exact(&mut bytes).map_err(|source| Error::io(&self.path, "read", source))?;
        let (start, end) = (self.end, u64::from_le_bytes(bytes));
        let last = self.read + 1 == self.documents;
        if end < start || end > self.tokens || (last && end != self.tokens) {
            return Err(Error::corrupt(
                &self.path,
                format!("document {}", self.read),
                format!("it ends at token {end}, after {start}, in a file of {} tokens", self.tokens),
            ));
        }
        (self.end, self.read) = (end, self.read + 1);
        Ok(end - start)
    }
}

impl Iterator for DocumentLengths {
    type Item = Result<u64>;

    fn next(&mut self) -> Option<Result<u64>> {
        (self.read < self.documents).then(|| self.next_length())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn ends_that_do_not_fit_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let lengths = |ends: &[u64], documents, tokens| {
            let bytes: Vec<u8> = ends.iter().flat_map(|end| end.to_le_bytes()).collect();
            fs::write(folder.path().join("tokens.ds.index"), bytes).unwrap();
            let file = TokenFile {
                path: "tokens.ds".into(),
                tokens,
                documents: Some(documents),
                rows: None,
                bytes: 0,
                checksum: String::new(),
            };
            DocumentLengths::open(folder.path(), &file)?.collect::<Result<Vec<_>>>()
        };
        assert_eq!(lengths(&[3, 3, 7], 3, 7).unwrap(), [3, 0, 4]);
        assert_eq!(lengths(&[], 0, 0).unwrap(), [0; 0]);
        for (ends, documents, tokens, said) in [
            (&[3, 7][..], 3, 7, "16 bytes, expected 8 for each of 3 documents"),
            (&[3, 2, 7][..], 3, 7, "document 1: it ends at token 2, after 3"),
            (&[3, 7][..], 2, 8, "document 1: it ends at token 7, after 3, in a file of 8 tokens"),
            (&[9, 7][..], 2, 7, "document 0: it ends at token 9"),
        ] {
            let message = lengths(ends, documents, tokens).unwrap_err().to_string();
            assert!(message.contains(said), "{message}");
        }
    }
}
