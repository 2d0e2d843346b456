//! What a run would do, and whether it may begin: nothing here writes.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::resume::{self, Layout, Standing};
use crate::source::{Compression, Kind, Plan};
use crate::{Error, Result, sink};

/// The share of plain text that is left once it is compressed, as a divisor; a careful guess.
const COMPRESSES_TO: u64 = 2;

/// What a run would read and write. For `--dry-run`.
#[derive(Clone, Debug, Serialize)]
pub struct Preview {
    /// What the inputs are.
    pub kind: &'static str,
    /// The number of files.
    pub files: usize,
    /// Bytes of input.
    pub bytes: u64,
    /// Bytes of text, as far as metadata tell.
    pub text_bytes: u64,
    /// The number of segments.
    pub segments: usize,
    /// The number of parts.
    pub parts: usize,
    /// Bytes that the output may take, about.
    pub output_bytes: u64,
    /// Bytes free where the output goes; null where the system does not tell.
    pub free_bytes: Option<u64>,
    /// What the output folder holds now: `nothing`, `an unfinished run` or `a finished run`. Whether that is a run
    /// of the same settings and inputs is not looked at.
    pub output_holds: &'static str,
    /// What was passed over, in sentences.
    pub notes: Vec<String>,
}

/// Previews a run into a folder that must be new or empty.
///
/// # Errors
/// [`Error::Input`] where the run itself would be refused: an output folder that is not empty or lies inside the
/// input, or too little free space.
pub fn preview(plan: &Plan, inputs: &[PathBuf], out: &Path) -> Result<Preview> {
    check(plan, inputs, out)?;
    Ok(of_plan(plan, out, "nothing"))
}

pub(crate) fn of_plan(plan: &Plan, out: &Path, output_holds: &'static str) -> Preview {
    Preview {
        kind: plan.kind.name(),
        files: plan.files.len(),
        bytes: plan.bytes,
        text_bytes: plan.text_bytes,
        segments: plan.segments.len(),
        parts: plan.parts.len(),
        output_bytes: output_bytes(plan),
        free_bytes: free_bytes(out),
        output_holds,
        notes: plan.notes.clone(),
    }
}

/// The checks of a run that need no work.
pub(crate) fn check(plan: &Plan, inputs: &[PathBuf], out: &Path) -> Result<()> {
    sink::check_apart(out, inputs, plan.files.iter().map(|file| file.path.as_path()))?;
    sink::check_empty(out)?;
    check_space(plan, out, 0)
}

/// Checks that what a run of a kind that can be stopped will write, about, has room.
pub(crate) fn check_room(plan: &Plan, out: &Path, layout: &Layout) -> Result<()> {
    // What a stopped run has written needs no room any more.
    let written = match resume::standing(out, layout)? {
        Standing::New => 0,
        Standing::Unfinished(_) => resume::bytes_of_parts(out, layout),
        Standing::Finished(_) => return Ok(()),
    };
    check_space(plan, out, written)
}

/// Checks that what will be written, about, has room; so many bytes of it are there already.
fn check_space(plan: &Plan, out: &Path, written: u64) -> Result<()> {
    let wanted = output_bytes(plan).saturating_sub(written);
    match free_bytes(out) {
        Some(free) if free < wanted => Err(Error::input(
            out,
            format!("too little free space: about {wanted} bytes will be written, {free} are free"),
        )),
        _ => Ok(()),
    }
}

fn output_bytes(plan: &Plan) -> u64 {
    let compressed = |kind, compression| kind == Kind::Parquet || compression != Compression::None;
    let sizes = plan.files.iter().map(|file| match compressed(file.kind, file.compression) {
        true => file.size,
        false => file.size / COMPRESSES_TO,
    });
    sizes.sum()
}

/// Free bytes at a path of which the last names may not exist yet.
pub(super) fn free_bytes(path: &Path) -> Option<u64> {
    let path = std::path::absolute(path).ok()?;
    let existing = path.ancestors().find(|ancestor| ancestor.exists())?;
    let system = rustix::fs::statvfs(existing).ok()?;
    Some(system.f_bavail.saturating_mul(system.f_frsize))
}
