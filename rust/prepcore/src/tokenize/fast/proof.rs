//! The last test before a fast encoder runs: its ids and the reference's, on texts that tell tokenizers apart.
//!
//! The conditions that a family checks make the ids equal by reasoning; this holds the reasoning against the file at
//! hand. It takes a few hundredths of a second.

use super::encoder::Fast;
use super::family::Family;
use super::probes::probes;
use crate::tokenize::{Encode, Reference, TokenizerFolder};

/// The encoder with its proof, where it gives the reference's ids for every probe.
///
/// # Errors
/// The first text for which it does not.
pub(super) fn proven<F: Family + 'static>(
    fast: Fast<F>,
    folder: &TokenizerFolder,
    reference: &Reference,
) -> Result<Box<dyn Encode>, String> {
    let probes = probes(folder);
    for probe in &probes {
        if let Some(difference) = difference(&fast, reference, probe)? {
            return Err(format!("the fast encoder {} differs: {difference}", F::NAME));
        }
    }
    let proof = format!(
        "conditions on the file hold, and {} probe texts have the ids of the reference",
        probes.len()
    );
    Ok(Box::new(fast.proven(proof)))
}

/// How two encoders differ on a text.
///
/// # Errors
/// Where one of them gives none.
fn difference(fast: &dyn Encode, reference: &dyn Encode, text: &str) -> Result<Option<String>, String> {
    let (mut ids, mut expected) = (Vec::new(), Vec::new());
    fast.encode(text, &mut ids)?;
    reference.encode(text, &mut expected)?;
    if ids == expected {
        return Ok(None);
    }
    let at = ids.iter().zip(&expected).take_while(|(id, expected)| id == expected).count();
    let seen = |ids: &[u32]| ids.get(at).map_or_else(|| "none".into(), |id| format!("{id}"));
    let shown: String = text.chars().take(40).collect();
    Ok(Some(format!(
        "id {at} of the text that begins {shown:?} is {}, expected {}",
        seen(&ids),
        seen(&expected)
    )))
}
