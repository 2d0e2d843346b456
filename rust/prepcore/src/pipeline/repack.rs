//! `pack` over a token folder: rows of another length, or laid otherwise, over the tokens that are there.
//!
//! Tokens are neither made nor written again. What is written is the row index, where there is one, and the manifest.
//! Rows are those that packing the documents again would give: only `--sequence-length` and `--packing` are looked at,
//! and whatever else is asked for must be what the tokens were made with, or be left out.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;

use super::pack::settings;
use super::preview::free_bytes;
use super::rows::{Shape, VALIDATION};
use super::{Lookout, Preview, Watcher, run_facts};
use crate::config::{Pack, Packing};
use crate::pack::Packed;
use crate::resume::lock_whole;
use crate::tokenize::TokenizerFolder;
use crate::{Error, Result, manifest, sink};

/// The settings that a token folder can be given anew.
const ANEW: [&str; 2] = ["sequence_length", "packing"];
/// Bytes of a row index for each document, about: a piece of 20 and a part of a row's start.
const INDEX_BYTES: u64 = 24;
const HINT: &str = "leave it out, or pack the documents themselves into another folder";

/// A token folder that is given as input.
#[derive(Debug)]
pub struct TokenInput {
    folder: PathBuf,
    manifest: Packed,
}

impl TokenInput {
    /// The token folder among the inputs; `None` where there is none.
    ///
    /// # Errors
    /// [`Error::Input`] for a token folder beside other inputs, and for one whose manifest cannot be read.
    pub fn find(inputs: &[PathBuf]) -> Result<Option<Self>> {
        for folder in inputs {
            if let Some(manifest) = Packed::of_folder(folder)? {
                if inputs.len() > 1 {
                    return Err(Error::input(
                        folder,
                        format!("a token folder among {} inputs, expected it alone", inputs.len()),
                    )
                    .hint("several token folders are put together by a recipe: `prepcore mix`"));
                }
                return Ok(Some(Self { folder: folder.clone(), manifest }));
            }
        }
        Ok(None)
    }

    /// Checks that a configuration asks for nothing that would need the documents themselves.
    ///
    /// # Errors
    /// [`Error::Config`] names the option, the value and the one that the tokens were made with.
    fn check(&self, configuration: &Pack) -> Result<()> {
        // The folder has its tokenizer.
        let tokenizer = self.folder.join(&self.manifest.tokenizer.path);
        Pack { tokenizer, ..configuration.clone() }.validate()?;
        let folder = self.folder.display();
        if !configuration.tokenizer.as_os_str().is_empty() {
            let given = TokenizerFolder::open(&configuration.tokenizer)?.fingerprint();
            let made_with = &self.manifest.tokenizer.fingerprint;
            if given != *made_with {
                let message = format!(
                    "got {} ({given}), but the tokens of {folder} were made with another ({made_with})",
                    configuration.tokenizer.display()
                );
                return Err(Error::config("--tokenizer", message).hint(HINT));
            }
        }
        let usual = settings(&Pack::default());
        for (name, asked) in settings(configuration).as_object().into_iter().flatten() {
            let made_with = self.manifest.configuration.get(name).unwrap_or(&usual[name]);
            if ANEW.contains(&name.as_str()) || *asked == usual[name] || asked == made_with {
                continue;
            }
            let option = format!("--{}", name.replace('_', "-"));
            let message = format!("got {asked}, but the tokens of {folder} were made with {made_with}");
            return Err(Error::config(option, message).hint(HINT));
        }
        let splits = std::iter::once(&self.manifest.training).chain(&self.manifest.validation);
        match splits.flat_map(|split| &split.files).find(|file| file.documents.is_none()) {
            Some(file) => Err(Error::input(
                self.folder.join(&file.path),
                "rows that are cut already cannot be packed again, expected token files",
            )
            .hint("pack the documents with --format tokens")),
            None => Ok(()),
        }
    }

    /// The manifest with rows of the shape asked for, whose row indexes are written into `root`.
    fn lay(&self, configuration: &Pack, root: &Path, lookout: &mut Lookout<'_>) -> Result<Packed> {
        let mut manifest = self.manifest.clone();
        let shape = Shape::of(configuration);
        shape.lay(root, "", &mut manifest.training, lookout)?;
        if let Some(validation) = &mut manifest.validation {
            shape.lay(root, VALIDATION, validation, lookout)?;
        }
        manifest.sequence_length = configuration.sequence_length;
        manifest.packing = word(configuration.packing);
        for name in ANEW {
            manifest.configuration[name] = json!(configuration)[name].clone();
        }
        Ok(manifest)
    }
}

/// Packs a token folder again and returns the new manifest. Where `out` is the folder itself, the new rows become its
/// default and the row indexes that it had stay listed; else `out` becomes a token folder of its own, with links to
/// the same token files.
///
/// # Errors
/// [`Error::Config`] and [`Error::Input`] before the work starts, for settings that would need the documents and for
/// an output folder that cannot be used; later what a file, the disk or the watcher refuses.
pub fn repack(configuration: &Pack, input: TokenInput, out: &Path, watcher: Watcher<'_>) -> Result<Packed> {
    input.check(configuration)?;
    let mut lookout = Lookout::new(watcher);
    if is_same(&input.folder, out) {
        return in_place(configuration, &input.folder, &mut lookout);
    }
    check_out(&input, out)?;
    let started = Instant::now();
    let staging = Staging::create(out)?;
    for split in std::iter::once(&input.manifest.training).chain(&input.manifest.validation) {
        for name in split.file_names() {
            sink::link(&input.folder, &staging.folder, &name)?;
            lookout.look()?;
        }
    }
    let mut names = input.manifest.companions(&input.folder)?;
    names.push("sources.parquet".into());
    for name in &names {
        sink::link(&input.folder, &staging.folder, name)?;
    }
    let mut input = input;
    for split in std::iter::once(&mut input.manifest.training).chain(&mut input.manifest.validation) {
        split.row_indexes.clear();
    }
    let manifest = input.lay(configuration, &staging.folder, &mut lookout)?;
    let seconds = started.elapsed().as_secs_f64();
    let facts = run_facts::facts(configuration.threads, configuration.memory, 1, seconds);
    sink::write_json(staging.folder.join(manifest::RUN), &facts)?;
    sink::write_json(staging.folder.join(manifest::MANIFEST), &manifest)?;
    staging.commit(out)?;
    Ok(manifest)
}

/// What [`repack`] would do; nothing is written.
///
/// # Errors
/// Those of [`repack`] that are found before the work starts.
pub fn preview(configuration: &Pack, input: &TokenInput, out: &Path) -> Result<Preview> {
    input.check(configuration)?;
    let same = is_same(&input.folder, out);
    if !same {
        check_out(input, out)?;
    }
    let Packed { training, validation, counts, .. } = &input.manifest;
    let splits = || std::iter::once(training).chain(validation);
    let files = splits().map(|split| split.files.len()).sum();
    let indexed = configuration.packing != Packing::Concatenate;
    Ok(Preview {
        kind: "tokens",
        files,
        bytes: splits().flat_map(|split| &split.files).map(|file| file.bytes).sum(),
        text_bytes: splits().map(|split| split.ledger.bytes).sum(),
        segments: files,
        parts: files,
        output_bytes: if indexed { counts.documents * INDEX_BYTES } else { 0 },
        free_bytes: free_bytes(out),
        output_holds: if same { "a finished run" } else { "nothing" },
        notes: vec!["a token folder: no token is made or written again".into()],
    })
}

fn in_place(configuration: &Pack, folder: &Path, lookout: &mut Lookout<'_>) -> Result<Packed> {
    let _held = lock_whole(folder)?;
    // Read again: another process may have added rows before this one held the folder.
    let Some(before) = Packed::of_folder(folder)? else {
        return Err(Error::input(folder, "its manifest went away while it was being packed again"));
    };
    let input = TokenInput { folder: folder.to_path_buf(), manifest: before };
    let manifest = input.lay(configuration, folder, lookout)?;
    if manifest != input.manifest {
        sink::write_json(folder.join(manifest::MANIFEST), &manifest)?;
    }
    Ok(manifest)
}

fn is_same(folder: &Path, out: &Path) -> bool {
    matches!((folder.canonicalize(), out.canonicalize()), (Ok(folder), Ok(out)) if folder == out)
}

fn check_out(input: &TokenInput, out: &Path) -> Result<()> {
    let folder = &input.folder;
    sink::check_apart(out, std::slice::from_ref(folder), std::iter::once(folder.as_path()))?;
    sink::check_empty(out)
}

fn word(packing: Packing) -> String {
    json!(packing).as_str().unwrap_or_default().to_owned()
}

/// A folder that is made under another name, and whole or absent under its own.
struct Staging {
    folder: PathBuf,
}

impl Staging {
    fn create(out: &Path) -> Result<Self> {
        let out = std::path::absolute(out).map_err(|error| Error::io(out, "find", error))?;
        let name = out.file_name().unwrap_or_default().to_string_lossy();
        let folder = out.with_file_name(format!(".{name}.tmp"));
        if folder.exists() {
            // A process that was killed has left it.
            fs::remove_dir_all(&folder).map_err(|error| Error::io(&folder, "remove", error))?;
        }
        sink::prepare_folder(&folder)?;
        Ok(Self { folder })
    }

    fn commit(self, out: &Path) -> Result<()> {
        // A folder takes the place of an empty one alone, which is what was checked.
        fs::rename(&self.folder, out).map_err(|error| Error::io(out, "rename a folder to", error))?;
        let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let flushed = File::open(parent).and_then(|folder| folder.sync_all());
        flushed.map_err(|error| Error::io(parent, "flush", error))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Gone already where it was committed; an error has no one to hear it.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
