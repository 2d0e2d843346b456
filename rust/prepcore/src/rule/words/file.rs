//! Reading a list of words from a file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

use super::list::WordList;
use crate::checksum::checksum;
use crate::{Error, Result};

const OPTION: &str = "--rules.words.file";

/// The largest file: some five million words. In memory a list takes three to ten times its file.
const LARGEST: u64 = 64 << 20;

/// Reads a list and gives the checksum of its file: UTF-8, an entry a line; blank lines and lines that begin with `#`
/// are passed over.
pub(super) fn read(path: &Path, ignore_case: bool) -> Result<(WordList, String)> {
    let bytes = read_bytes(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        Error::config(OPTION, format!("{}: line {line} is not UTF-8", path.display()))
            .hint("convert the file first, for example with `iconv -t UTF-8`")
    })?;
    let mut list = WordList::new(ignore_case);
    entries(text).for_each(|entry| list.insert(entry));
    if list.is_empty() {
        let message = format!("{} has no words, expected a word or phrase a line", path.display());
        return Err(Error::config(OPTION, message)
            .hint("blank lines, and lines that begin with `#`, do not count as words"));
    }
    list.seal();
    Ok((list, checksum(xxh3_128(&bytes))))
}

fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    let cannot = |error| {
        Error::config(OPTION, format!("{} cannot be read: {error}", path.display()))
            .hint("a UTF-8 file with a word or phrase a line")
    };
    let mut bytes = Vec::new();
    // One byte more than is allowed tells a file that is too large, also where its size is not known before.
    File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)).map_err(cannot)?;
    if bytes.len() as u64 > LARGEST {
        let message = format!("{} has more than 64 MiB, expected a list of words", path.display());
        return Err(Error::config(OPTION, message));
    }
    Ok(bytes)
}

/// The entries of a list; a byte order mark at the beginning is none.
fn entries(text: &str) -> impl Iterator<Item = &str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines().map(str::trim).filter(|line| !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn refused(content: Option<&[u8]>) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.txt");
        if let Some(content) = content {
            fs::write(&path, content).unwrap();
        }
        let error = read(&path, true).err().expect("refused");
        assert_eq!(error.exit_code(), 2);
        error.to_string().replace(folder.path().to_str().unwrap(), "DIR")
    }

    #[test]
    fn what_is_no_list_is_refused_with_a_sentence() {
        let missing = refused(None);
        assert!(
            missing.starts_with("--rules.words.file: DIR/list.txt cannot be read: No such file"),
            "{missing}"
        );
        let empty = refused(Some(b"\n  \n# nothing\n"));
        assert!(
            empty.contains("DIR/list.txt has no words, expected a word or phrase a line\nhint: "),
            "{empty}"
        );
        let latin = refused(Some(b"one\ntwo\ncaf\xe9\n"));
        assert!(latin.contains("DIR/list.txt: line 3 is not UTF-8\nhint: "), "{latin}");
        let folder = read(tempfile::tempdir().unwrap().path(), true).err().expect("refused");
        assert!(folder.to_string().contains("cannot be read"), "{folder}");
    }

    #[test]
    fn blank_lines_comments_and_a_mark_of_byte_order_are_no_entries() {
        let text = "\u{feff}# a list\r\n\r\n  new   york \r\nc#\n #also a comment\n\u{a0}\nlast";
        assert_eq!(
            entries(text).filter(|entry| !entry.is_empty()).collect::<Vec<_>>(),
            ["new   york", "c#", "last"]
        );
    }
}
