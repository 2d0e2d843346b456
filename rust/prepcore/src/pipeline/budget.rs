//! The memory budget of `clean`: what models take of it, and what is left.

use super::pool::Width;
use crate::config::{Clean, resolve_threads};
use crate::rule::Models;

/// The share of the memory that the threads' predictors may take, as a divisor.
const PREDICTORS_SHARE: u64 = 4;
/// The share of the memory that is left to documents and keys whatever the models take, as a divisor.
const LEFT: u64 = 2;

/// Threads, and the memory for all but the models.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) width: Width,
    /// Bytes.
    pub(crate) memory: u64,
}

impl Budget {
    /// The budget of a configuration whose models are these; fewer threads where predictors for all would not fit.
    pub(crate) fn new(configuration: &Clean, models: &Models) -> Self {
        let whole = configuration.memory.bytes();
        let (shared, each) = models.bytes();
        let fitting = (whole / PREDICTORS_SHARE).checked_div(each).unwrap_or(u64::MAX).max(1);
        let threads = resolve_threads(configuration.threads).min(fitting as usize);
        let taken = shared.saturating_add(each * threads as u64);
        let memory = whole.saturating_sub(taken).max(whole / LEFT);
        Self { width: Width::new(threads, memory), memory }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ByteSize;

    #[test]
    fn without_models_all_of_the_memory_is_left() {
        let memory = ByteSize::from_bytes(1 << 30);
        let configuration = Clean { threads: Some(3), memory, ..Clean::default() };
        let budget = Budget::new(&configuration, &Models::open(&configuration).unwrap());
        assert_eq!((budget.memory, budget.width.threads()), (1 << 30, 3));
    }
}
