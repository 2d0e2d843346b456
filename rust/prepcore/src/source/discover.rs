//! From what a user names to files: folders, globs, order, what is passed over, and what kind each file is.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::jsonl;
use crate::{Error, Result};

/// Suffixes that name JSONL.
const JSONL_SUFFIXES: [&str; 2] = [".jsonl", ".ndjson"];

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Parquet.
    Parquet,
    /// A JSON object a line, plain or compressed.
    Jsonl,
    /// One document.
    Text,
    /// An Arrow stream.
    Stream,
}

impl Kind {
    /// The kind in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Parquet => "Parquet",
            Self::Jsonl => "JSONL",
            Self::Text => "text",
            Self::Stream => "an Arrow stream",
        }
    }
}

/// How a file is compressed as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, one member or several.
    Gzip,
    /// Zstandard, one frame or several.
    Zstd,
}

/// One file of the input.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Where it is.
    pub path: PathBuf,
    /// How manifests name it: relative to the folder that the user named, else its file name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// What it holds.
    pub kind: Kind,
    /// How it is compressed as a whole.
    pub compression: Compression,
}

/// The files behind the inputs, in order, all of one kind; and what was passed over, in sentences.
pub(crate) fn discover(inputs: &[PathBuf]) -> Result<(Vec<SourceFile>, Vec<String>)> {
    let (mut files, mut notes) = (Vec::new(), Vec::new());
    for input in inputs {
        files.extend(expand(input, &mut notes)?);
    }
    let mut seen = HashSet::new();
    for file in &files {
        let canonical = file.path.canonicalize().map_err(|source| Error::io(&file.path, "open", source))?;
        if !seen.insert(canonical) {
            return Err(Error::input(&file.path, "this file is named twice")
                .hint("every document of it would be its own duplicate; name it once"));
        }
    }
    let first = files.first().ok_or_else(|| Error::input("", "no input was named"))?;
    if let Some(other) = files.iter().find(|file| file.kind != first.kind) {
        return Err(Error::input(
            &other.path,
            format!("is {}, but {} is {}", other.kind.name(), first.path.display(), first.kind.name()),
        )
        .hint("one run reads files of one kind; clean them apart, with --against between the runs"));
    }
    Ok((files, notes))
}

fn expand(input: &Path, notes: &mut Vec<String>) -> Result<Vec<SourceFile>> {
    if input.is_file() {
        let name = input.file_name().unwrap_or(input.as_os_str());
        return Ok(vec![open(input.to_path_buf(), name.to_string_lossy().into_owned())?]);
    }
    if input.is_dir() {
        if let Some(parts) = crate::manifest::parts_of_folder(input)? {
            return parts.into_iter().map(|part| open(input.join(&part), part)).collect();
        }
        let mut paths = Vec::new();
        walk(input, &mut paths)?;
        return data_files(input, paths, input, notes);
    }
    let pattern = input.to_string_lossy();
    if !pattern.contains(['*', '?', '[']) {
        return Err(Error::input(input, "no such file or folder"));
    }
    let matches =
        glob::glob(&pattern).map_err(|error| Error::input(input, format!("not a glob: {error}")))?;
    let mut paths: Vec<PathBuf> = Vec::new();
    for path in matches {
        let path =
            path.map_err(|error| Error::io(error.path(), "read", std::io::Error::other(error.to_string())))?;
        if path.is_file() && !path.file_name().is_some_and(is_hidden) {
            paths.push(path);
        }
    }
    let literal = pattern.split(['*', '?', '[']).next().unwrap_or_default();
    let base = literal.rsplit_once('/').map_or("", |(folder, _)| folder);
    data_files(Path::new(base), paths, input, notes)
}

/// Opens the files of a folder or glob, in the order of their paths' bytes.
///
/// Data sets carry a README and the like beside their data, so where there are Parquet or JSONL files the rest is
/// passed over, with a note.
fn data_files(
    base: &Path,
    mut paths: Vec<PathBuf>,
    input: &Path,
    notes: &mut Vec<String>,
) -> Result<Vec<SourceFile>> {
    paths.sort_by(|left, right| left.as_os_str().as_bytes().cmp(right.as_os_str().as_bytes()));
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let name = path.strip_prefix(base).unwrap_or(&path).to_string_lossy().into_owned();
        files.push(open(path, name)?);
    }
    if files.is_empty() {
        return Err(Error::input(input, "no files were found here")
            .hint("hidden files and names that start with `_` are passed over"));
    }
    if files.iter().any(|file| file.kind != Kind::Text) {
        let before = files.len();
        files.retain(|file| file.kind != Kind::Text);
        if files.len() < before {
            let passed = before - files.len();
            notes.push(format!("{}: {passed} files that hold no rows were passed over", input.display()));
        }
    }
    Ok(files)
}

fn is_hidden(name: &OsStr) -> bool {
    matches!(name.as_bytes().first(), Some(b'.' | b'_'))
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    let failed = |source| Error::io(folder, "read", source);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if is_hidden(&entry.file_name()) {
            continue;
        }
        let path = entry.path();
        // A link to a file is followed; a link to a folder is not, since it may lead round in a circle.
        if entry.file_type().map_err(failed)?.is_dir() {
            walk(&path, paths)?;
        } else if path.is_file() {
            paths.push(path);
        }
    }
    Ok(())
}

/// Looks at a file's first bytes: the content decides its kind, and the suffix only where content cannot.
fn open(path: PathBuf, name: String) -> Result<SourceFile> {
    let failed = |source| Error::io(&path, "read", source);
    let mut head = Vec::new();
    let file =
        File::open(&path).map_err(|source| Error::input(&path, format!("cannot be opened: {source}")))?;
    let size = file.metadata().map_err(failed)?.len();
    file.take(4).read_to_end(&mut head).map_err(failed)?;
    let compression = match head.as_slice() {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd] => Compression::Zstd,
        _ => Compression::None,
    };
    let lower = name.to_ascii_lowercase();
    let stem = lower.strip_suffix(".gz").or(lower.strip_suffix(".zst")).unwrap_or(&lower);
    let kind = if head == b"PAR1" {
        Kind::Parquet
    } else if lower.ends_with(".parquet") {
        return Err(Error::corrupt(
            &path,
            "first bytes",
            "not a Parquet file: it does not start with `PAR1`",
        ));
    } else if JSONL_SUFFIXES.iter().any(|suffix| stem.ends_with(suffix))
        || starts_as_jsonl(&path, compression)?
    {
        Kind::Jsonl
    } else {
        Kind::Text
    };
    Ok(SourceFile { path, name, size, kind, compression })
}

/// Whether the first line is a JSON object.
fn starts_as_jsonl(path: &Path, compression: Compression) -> Result<bool> {
    let mut head = Vec::new();
    // A file that cannot be decompressed is counted when it is read, with the byte where that fails.
    let _ = jsonl::decompressed(path, compression)?.take(1 << 16).read_to_end(&mut head);
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head).trim_ascii_start();
    if head.first() != Some(&b'{') {
        return Ok(false);
    }
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    // A first line longer than what was read here cannot be checked; `{"` decides.
    let whole = line.len() < head.len() || head.len() < 1 << 16;
    Ok(if whole {
        serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
    } else {
        head.starts_with(b"{\"")
    })
}
