//! Places where tests let the operating system refuse. Outside of tests nothing is left of them.

#[cfg(not(test))]
use std::{io, path::Path};

/// Fails where a test asked for it; `step` names what is about to be done to `path`.
#[cfg(not(test))]
#[inline]
pub(crate) fn point(_step: &'static str, _path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(crate) use injected::{Faults, point};

#[cfg(test)]
mod injected {
    use std::io;
    use std::path::{Path, PathBuf};
    use std::sync::{Mutex, PoisonError};

    static FAULTS: Mutex<Vec<Fault>> = Mutex::new(Vec::new());

    struct Fault {
        root: PathBuf,
        step: &'static str,
        /// Times that the step still succeeds.
        left: usize,
    }

    /// While it lives, one step under a folder fails once.
    pub(crate) struct Faults(PathBuf);

    impl Faults {
        /// Lets the step fail after it succeeded so many times.
        pub(crate) fn after(root: &Path, step: &'static str, successes: usize) -> Self {
            let fault = Fault { root: root.to_path_buf(), step, left: successes };
            FAULTS.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
            Self(root.to_path_buf())
        }
    }

    impl Faults {
        /// How often a step is done under a folder while `work` runs.
        pub(crate) fn count(root: &Path, step: &'static str, work: impl FnOnce()) -> usize {
            let faults = Self::after(root, step, usize::MAX);
            work();
            let counted = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
            let left = counted.iter().find(|fault| fault.root == faults.0).map_or(0, |fault| fault.left);
            usize::MAX - left
        }
    }

    impl Drop for Faults {
        fn drop(&mut self) {
            FAULTS.lock().unwrap_or_else(PoisonError::into_inner).retain(|fault| fault.root != self.0);
        }
    }

    pub(crate) fn point(step: &'static str, path: &Path) -> io::Result<()> {
        let mut faults = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = faults.iter().position(|fault| fault.step == step && path.starts_with(&fault.root))
        else {
            return Ok(());
        };
        match faults[at].left.checked_sub(1) {
            Some(left) => {
                faults[at].left = left;
                Ok(())
            }
            None => {
                faults.remove(at);
                Err(io::Error::other(format!("injected at {step}")))
            }
        }
    }
}
