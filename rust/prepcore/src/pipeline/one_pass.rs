//! `clean` that packs: from raw text to a token folder, without writing the text unless that is asked for.
//!
//! The output is a token folder. The ledger of cleaning lies in its folder `cleaning`, which is a cleaned folder of
//! its own: with `--keep-text` one with documents, byte for byte as `clean` alone writes it, else one without. Parts
//! of both are cut alike, so the files of tokens are those that `pack` makes of the cleaned folder.

use std::path::{Path, PathBuf};

use super::arrange::arrange;
use super::clean::{check, identity};
use super::cleaning::{Cleaning, Outcome};
use super::encoding::Encoding;
use super::folder::{CleanFolder, TokenOutput};
use super::packing::{complete_folder, describe};
use super::token_part::TokenSink;
use super::tokenization::Tokenization;
use super::{Progress, Watcher, clean, pack};
use crate::config::{Clean, Pack, Shard};
use crate::manifest::{self, Cleaned, MANIFEST};
use crate::pack::{Packed, TOKENS_FORMAT};
use crate::resume::{CLEANED_TOKENS, FinishedParts, Identity, Opened, RunFolder};
use crate::source::Plan;
use crate::{Error, Result};

#[cfg(test)]
mod tests;

/// The folder of the ledger of cleaning, within the token folder.
pub const CLEANING: &str = "cleaning";

/// What is to be done with the tokens once every part is there.
pub(crate) struct OnePass<'a> {
    configuration: &'a Pack,
    tokenization: &'a Tokenization,
    identity: Identity,
}

/// Cleans and packs what a plan reads into a token folder. A run that was stopped goes on where it was.
///
/// `inputs` are the paths behind the plan, which must not hold the output.
///
/// # Errors
/// [`Error::Config`] and [`Error::Input`] before the work starts; later whatever a file, the disk or the watcher
/// refuses. Parts that were finished stay.
pub fn clean_and_pack(
    configuration: &Clean,
    plan: &Plan,
    inputs: &[PathBuf],
    out: &Path,
    watcher: Watcher<'_>,
) -> Result<Outcome<Packed>> {
    configuration.validate()?;
    let Some(packing) = configuration.pack() else {
        return Err(Error::config("--tokenizer", "must be given where documents are cleaned and packed"));
    };
    let tokenization = Tokenization::open(&packing)?;
    let progress = Progress::of_plan(plan);
    let mut folder = CleanFolder::new(configuration, plan, &progress)?;
    folder.tokens = Some(TokenOutput {
        encoding: Encoding::new(&packing, &tokenization),
        sink: TokenSink::new(&packing, tokenization.encoder.vocabulary_size())?,
    });
    check(configuration, plan, inputs, (out, &CLEANED_TOKENS))?;
    let cleaning = identity(configuration, &folder, &mut *watcher)?;
    let mut settings = pack::settings(&packing, &tokenization);
    settings[CLEANING] = cleaning.configuration.clone();
    let identity = Identity { format: TOKENS_FORMAT.into(), configuration: settings, ..cleaning.clone() };
    let shard = configuration.shard.unwrap_or(Shard::WHOLE);
    let look: &mut dyn FnMut() -> Result<()> = &mut || watcher(&progress);
    match RunFolder::open(out, &CLEANED_TOKENS, &identity, configuration.overwrite, shard, look)? {
        Opened::Finished => {
            clean::finished_before(&out.join(CLEANING))?;
            pack::finished_before(out).map(Outcome::FinishedBefore)
        }
        Opened::Run(run) => {
            let one_pass = OnePass { configuration: &packing, tokenization: &tokenization, identity };
            let outcome =
                Cleaning::new(configuration, &folder, cleaning, run, Some(one_pass)).run(watcher)?;
            outcome.read(|| manifest::of_finished(out, TOKENS_FORMAT))
        }
    }
}

impl OnePass<'_> {
    /// Writes what belongs to the tokens of all parts together; gives the manifest of the token folder.
    pub(crate) fn complete(
        &self,
        run: &RunFolder,
        finished: &FinishedParts,
        cleaned: &Cleaned,
        look: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Packed> {
        let identity = Identity { inputs: cleaned.inputs.clone(), ..self.identity.clone() };
        let kept = cleaned.counts.kept;
        let mut manifest = describe(self.configuration, self.tokenization, identity, finished, kept)?;
        manifest.cleaning = Some(format!("{CLEANING}/{MANIFEST}"));
        complete_folder(run, finished, self.tokenization, &mut *look)?;
        arrange(self.configuration, self.tokenization, run, &mut manifest, look)?;
        Ok(manifest)
    }
}
