//! From what a user names to files: folders, globs, order, what is passed over, and what kind each file is.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::compression::{Compression, decompressed};
use super::file::{Identity, Kind, SourceFile};
use crate::pipeline::Lookout;
use crate::{Error, Result};

/// Suffixes that name JSONL.
const JSONL_SUFFIXES: [&str; 2] = [".jsonl", ".ndjson"];
/// Bytes at a file's start that tell what it is.
const HEAD: u64 = 4;

/// The files behind the inputs, in order, all of one kind; and what was passed over, in sentences.
pub(crate) fn discover(
    inputs: &[PathBuf],
    skip_corrupt: bool,
    lookout: &mut Lookout<'_>,
) -> Result<(Vec<SourceFile>, Vec<String>)> {
    let mut search = Search { skip_corrupt, lookout, notes: Vec::new() };
    let mut files = Vec::new();
    for input in inputs {
        files.extend(search.expand(input)?);
    }
    let Search { lookout, notes, .. } = search;
    let mut canonical = Vec::with_capacity(files.len());
    for file in &files {
        lookout.look()?;
        canonical.push(file.path.canonicalize().map_err(|source| Error::io(&file.path, "open", source))?);
    }
    let mut seen = HashSet::with_capacity(files.len());
    for (file, path) in files.iter().zip(&canonical) {
        if !seen.insert(path) {
            return Err(Error::input(&file.path, "this file is named twice")
                .hint("every document of it would be its own duplicate; name it once"));
        }
    }
    tell_apart(&mut files, &canonical);
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

/// Opens a file of which the kind is known.
pub(crate) fn open_as(path: PathBuf, kind: Kind) -> Result<SourceFile> {
    let failed = |source| Error::io(&path, "open", source);
    let mut head = Vec::new();
    let file = File::open(&path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    file.take(HEAD).read_to_end(&mut head).map_err(failed)?;
    let (size, identity) = (metadata.len(), Identity::new(&metadata));
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(SourceFile { path, name, size, identity, kind, compression: compression_of(&head) })
}

/// How a file is compressed that begins with these bytes.
fn compression_of(head: &[u8]) -> Compression {
    match head {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd] => Compression::Zstd,
        _ => Compression::None,
    }
}

/// Gives files of the same name the names of the folders that tell them apart.
fn tell_apart(files: &mut [SourceFile], canonical: &[PathBuf]) {
    let mut count: HashMap<String, usize> = HashMap::new();
    for file in files.iter() {
        *count.entry(file.name.clone()).or_default() += 1;
    }
    let parents = |path: &Path, names: usize| {
        let mut parts: Vec<_> = path.iter().rev().take(names).map(|part| part.to_string_lossy()).collect();
        parts.reverse();
        parts.join("/")
    };
    let shared: Vec<usize> = (0..files.len()).filter(|at| count[&files[*at].name] > 1).collect();
    // Paths differ, so enough of them always does.
    for names in 2..64 {
        let longer: Vec<String> = shared.iter().map(|at| parents(&canonical[*at], names)).collect();
        if longer.iter().collect::<HashSet<_>>().len() == shared.len() {
            shared.iter().zip(longer).for_each(|(at, name)| files[*at].name = name);
            return;
        }
    }
}

/// The search for files.
struct Search<'a, 'w> {
    skip_corrupt: bool,
    lookout: &'a mut Lookout<'w>,
    notes: Vec<String>,
}

impl Search<'_, '_> {
    fn expand(&mut self, input: &Path) -> Result<Vec<SourceFile>> {
        if input.is_file() {
            let name = input.file_name().unwrap_or(input.as_os_str());
            return Ok(vec![self.open(input.to_path_buf(), name.to_string_lossy().into_owned())?]);
        }
        if input.is_dir() {
            if let Some(parts) = crate::manifest::parts_of_folder(input)? {
                return parts.into_iter().map(|part| self.open(input.join(&part), part)).collect();
            }
            if input.join(crate::manifest::UNFINISHED).is_dir() {
                return Err(Error::input(input, "holds a run that is not finished")
                    .hint("finish it first: the same command goes on where it was"));
            }
            let mut paths = Vec::new();
            self.walk(input, &mut paths)?;
            return self.data_files(input, paths, input);
        }
        let pattern = input.to_string_lossy();
        if !pattern.contains(['*', '?', '[']) {
            return Err(Error::input(input, "no such file or folder"));
        }
        let literal = pattern.split(['*', '?', '[']).next().unwrap_or_default();
        let base = literal.rsplit_once('/').map_or("", |(folder, _)| folder);
        let matches =
            glob::glob(&pattern).map_err(|error| Error::input(input, format!("not a glob: {error}")))?;
        let mut paths: Vec<PathBuf> = Vec::new();
        for path in matches {
            self.lookout.look()?;
            let path = path
                .map_err(|error| Error::io(error.path(), "read", std::io::Error::other(error.to_string())))?;
            let inside = path.strip_prefix(base).unwrap_or(&path);
            if path.is_file() && !inside.iter().any(is_hidden) {
                paths.push(path);
            }
        }
        self.data_files(Path::new(base), paths, input)
    }

    /// Opens the files of a folder or glob, in the order of their paths' bytes.
    ///
    /// Data sets carry a README and the like beside their data, so where there are files of Parquet, or of JSONL by
    /// name, the rest is passed over, with a note.
    fn data_files(&mut self, base: &Path, mut paths: Vec<PathBuf>, input: &Path) -> Result<Vec<SourceFile>> {
        paths.sort_by(|left, right| left.as_os_str().as_bytes().cmp(right.as_os_str().as_bytes()));
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            let name = path.strip_prefix(base).unwrap_or(&path).to_string_lossy().into_owned();
            self.lookout.look()?;
            files.push(self.open(path, name)?);
        }
        if files.is_empty() {
            return Err(Error::input(input, "no files were found here")
                .hint("hidden files and names that start with `_` are passed over"));
        }
        let is_data = |file: &SourceFile| file.kind == Kind::Parquet || is_named_jsonl(&file.name);
        let before = files.len();
        if files.iter().any(is_data) {
            files.retain(|file| file.kind != Kind::Text);
        } else if files.iter().any(|file| file.kind == Kind::Text) {
            // Among texts a file that merely begins like JSONL, a settings file on one line, is a text too.
            files.iter_mut().for_each(|file| file.kind = Kind::Text);
        }
        if files.len() < before {
            let passed = before - files.len();
            self.notes
                .push(format!("{}: {passed} files that hold no rows were passed over", input.display()));
        }
        Ok(files)
    }

    fn walk(&mut self, folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
        let failed = |source| Error::io(folder, "read", source);
        for entry in fs::read_dir(folder).map_err(failed)? {
            self.lookout.look()?;
            let entry = entry.map_err(failed)?;
            if is_hidden(&entry.file_name()) {
                continue;
            }
            let path = entry.path();
            // A link to a file is followed; a link to a folder is not, since it may lead round in a circle.
            if entry.file_type().map_err(failed)?.is_dir() {
                self.walk(&path, paths)?;
            } else if path.is_file() {
                paths.push(path);
            }
        }
        Ok(())
    }

    /// Looks at a file's first bytes: the content decides its kind, and the suffix only where content cannot.
    fn open(&self, path: PathBuf, name: String) -> Result<SourceFile> {
        let failed = |source| Error::io(&path, "read", source);
        let mut head = Vec::new();
        let file =
            File::open(&path).map_err(|source| Error::input(&path, format!("cannot be opened: {source}")))?;
        let metadata = file.metadata().map_err(failed)?;
        let (size, identity) = (metadata.len(), Identity::new(&metadata));
        file.take(HEAD).read_to_end(&mut head).map_err(failed)?;
        let compression = compression_of(&head);
        let lower = name.to_ascii_lowercase();
        // What is damaged is counted once it is read.
        let kind = if head == b"PAR1" || self.skip_corrupt && lower.ends_with(".parquet") {
            Kind::Parquet
        } else if lower.ends_with(".parquet") {
            return Err(Error::corrupt(
                &path,
                "first bytes",
                "not a Parquet file: it does not start with `PAR1`",
            ));
        } else if is_named_jsonl(&lower) || starts_as_jsonl(&path, compression)? {
            Kind::Jsonl
        } else {
            Kind::Text
        };
        Ok(SourceFile { path, name, size, identity, kind, compression })
    }
}

fn is_hidden(name: &OsStr) -> bool {
    matches!(name.as_bytes().first(), Some(b'.' | b'_'))
}

/// Whether a file is JSONL by its name.
fn is_named_jsonl(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let stem = name.strip_suffix(".gz").or(name.strip_suffix(".zst")).unwrap_or(&name);
    JSONL_SUFFIXES.iter().any(|suffix| stem.ends_with(suffix))
}

/// Whether the first line is a JSON object.
fn starts_as_jsonl(path: &Path, compression: Compression) -> Result<bool> {
    let mut head = Vec::new();
    // A file that cannot be decompressed is counted when it is read, with the byte where that fails.
    let _ = decompressed(path, compression)?.take(1 << 16).read_to_end(&mut head);
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
