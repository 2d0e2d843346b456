//! `pack` over a token folder: rows of another length, or laid otherwise, over the tokens that are there.
//!
//! Tokens are neither made nor written again. What is written is the row index, where there is one, and the manifest.
//! Rows are those that packing the documents again would give: only `--sequence-length` and `--packing` are looked at,
//! and whatever else is asked for must be what the tokens were made with, or be left out.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::preview::free_bytes;
use super::rows::Shape;
use super::token_part::VALIDATION;
use super::{Lookout, Outcome, Preview, Watcher, run_facts};
use crate::config::{Pack, Packing, Shard};
use crate::pack::{Packed, SplitRecord, TOKENS_FORMAT};
use crate::resume::{self, Identity, Opened, RunFolder, TOKENS};
use crate::tokenize::TokenizerFolder;
use crate::{Error, Result, manifest, sink};

#[cfg(test)]
mod tests;

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
                    let message = format!("a token folder among {} inputs, expected it alone", inputs.len());
                    return Err(Error::input(folder, message)
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
                let path = configuration.tokenizer.display();
                let message =
                    format!("got {path} ({given}), but the tokens of {folder} were made with {made_with}");
                return Err(Error::config("--tokenizer", message).hint(HINT));
            }
        }
        let usual = settings(&Pack::default());
        for (name, asked) in settings(configuration) {
            let made_with = self.manifest.configuration.get(&name).unwrap_or(&usual[&name]);
            if ANEW.contains(&name.as_str()) || asked == usual[&name] || asked == *made_with {
                continue;
            }
            let option = format!("--{}", name.replace('_', "-"));
            let message = format!("got {asked}, but the tokens of {folder} were made with {made_with}");
            return Err(Error::config(option, message).hint(HINT));
        }
        match self.splits().flat_map(|split| &split.files).find(|file| file.documents.is_none()) {
            Some(file) => {
                let message = "rows that are cut already cannot be packed again, expected token files";
                let error = Error::input(self.folder.join(&file.path), message);
                Err(error.hint("pack the documents with --format tokens"))
            }
            None => Ok(()),
        }
    }

    fn splits(&self) -> impl Iterator<Item = &SplitRecord> {
        std::iter::once(&self.manifest.training).chain(&self.manifest.validation)
    }

    /// Lays the rows that are asked for and changes the manifest accordingly; row indexes are written into `root`.
    fn lay(&mut self, configuration: &Pack, root: &Path, lookout: &mut Lookout<'_>) -> Result<()> {
        let (shape, manifest) = (Shape::of(configuration), &mut self.manifest);
        shape.lay(root, "", &mut manifest.training, lookout)?;
        if let Some(validation) = &mut manifest.validation {
            shape.lay(root, VALIDATION, validation, lookout)?;
        }
        manifest.sequence_length = configuration.sequence_length;
        manifest.packing = json!(configuration.packing).as_str().unwrap_or_default().to_owned();
        set_anew(&mut manifest.configuration, configuration);
        Ok(())
    }

    /// Puts links to the files that stay as they are into another folder, which has no row indexes yet.
    fn link_to(&mut self, out: &Path, lookout: &mut Lookout<'_>) -> Result<()> {
        let tokens = self.splits().flat_map(SplitRecord::file_names);
        for name in tokens.chain(self.manifest.companions(&self.folder)?) {
            sink::link(&self.folder, out, &name)?;
            lookout.look()?;
        }
        let Packed { training, validation, .. } = &mut self.manifest;
        std::iter::once(training).chain(validation).for_each(|split| split.row_indexes.clear());
        Ok(())
    }
}

/// Packs a token folder again. Where `out` is the folder itself, the new rows become its default and the row indexes
/// that it had stay listed; else `out` becomes a token folder of its own, with links to the same token files, and is
/// what packing the documents with the same settings would write.
///
/// # Errors
/// [`Error::Config`] and [`Error::Input`] before the work starts, for settings that would need the documents and for
/// an output folder that cannot be used; later what a file, the disk or the watcher refuses.
pub fn repack(
    configuration: &Pack,
    mut input: TokenInput,
    out: &Path,
    watcher: Watcher<'_>,
) -> Result<Outcome<Packed>> {
    input.check(configuration)?;
    let mut lookout = Lookout::new(watcher);
    if is_same(&input.folder, out) {
        return in_place(configuration, &input.folder, &mut lookout).map(Outcome::Finished);
    }
    check_apart(&input, out)?;
    let started = Instant::now();
    let identity = Identity::of_folder(&input.folder, TOKENS_FORMAT)?;
    let Some(mut identity) = identity else { return Err(gone(&input.folder)) };
    set_anew(&mut identity.configuration, configuration);
    let overwrite = configuration.overwrite;
    let opened = RunFolder::open(out, &TOKENS, &identity, overwrite, Shard::WHOLE, &mut || lookout.look())?;
    let run = match opened {
        Opened::Finished => return super::pack::finished_before(out).map(Outcome::FinishedBefore),
        Opened::Run(run) => run,
    };
    let finished = input
        .link_to(out, &mut lookout)
        .and_then(|()| input.lay(configuration, out, &mut lookout))
        .and_then(|()| {
            let seconds = started.elapsed().as_secs_f64();
            let facts = run_facts::facts(configuration.threads, configuration.memory, 1, seconds);
            run.finish(&mut || lookout.look(), |_| Ok((input.manifest, facts)))
        });
    if finished.is_err() {
        run.abandon();
    }
    finished?.map(Outcome::Finished).ok_or_else(|| gone(out))
}

/// What [`repack`] would do; nothing is written.
///
/// # Errors
/// Those of [`repack`] that are found before the work starts.
pub fn preview(configuration: &Pack, input: &TokenInput, out: &Path) -> Result<Preview> {
    input.check(configuration)?;
    if !is_same(&input.folder, out) {
        check_apart(input, out)?;
    }
    let files = input.splits().map(|split| split.files.len()).sum();
    let indexed = configuration.packing != Packing::Concatenate;
    Ok(Preview {
        kind: "tokens",
        files,
        bytes: input.splits().flat_map(|split| &split.files).map(|file| file.bytes).sum(),
        text_bytes: input.splits().map(|split| split.ledger.bytes).sum(),
        segments: files,
        parts: files,
        output_bytes: if indexed { input.manifest.counts.documents * INDEX_BYTES } else { 0 },
        free_bytes: free_bytes(out),
        output_holds: resume::standing(out, &TOKENS)?.holds(),
        notes: vec!["a token folder: no token is made or written again".into()],
    })
}

fn in_place(configuration: &Pack, folder: &Path, lookout: &mut Lookout<'_>) -> Result<Packed> {
    let _held = resume::lock_whole(folder)?;
    // Read again: another process may have added rows before this one held the folder.
    let Some(before) = Packed::of_folder(folder)? else { return Err(gone(folder)) };
    let mut input = TokenInput { folder: folder.to_path_buf(), manifest: before.clone() };
    input.lay(configuration, folder, lookout)?;
    if input.manifest != before {
        sink::write_json(folder.join(manifest::MANIFEST), &input.manifest)?;
    }
    Ok(input.manifest)
}

/// The settings that change the output, but the tokenizer, which is known by what it holds.
fn settings(configuration: &Pack) -> Map<String, Value> {
    let mut settings = run_facts::settings(configuration);
    settings.shift_remove("tokenizer");
    settings
}

fn set_anew(settings: &mut Value, configuration: &Pack) {
    let asked = json!(configuration);
    for name in ANEW {
        settings[name] = asked[name].clone();
    }
}

fn is_same(folder: &Path, out: &Path) -> bool {
    matches!((folder.canonicalize(), out.canonicalize()), (Ok(folder), Ok(out)) if folder == out)
}

fn check_apart(input: &TokenInput, out: &Path) -> Result<()> {
    let folder = &input.folder;
    sink::check_apart(out, std::slice::from_ref(folder), std::iter::once(folder.as_path()))
}

fn gone(folder: &Path) -> Error {
    Error::input(folder, "its manifest went away while it was being packed again")
}
