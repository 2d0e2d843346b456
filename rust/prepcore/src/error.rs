//! One error type: what happened, where, the value seen and the value wanted, and what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a run could not start or could not go on.
///
/// [`Error::exit_code`] tells the two apart: 2 is found before any work starts, 1 while it runs.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An option has a value that cannot be used.
    #[error("{option}: {message}{}", Hint(.hint))]
    Config {
        /// The option as a user writes it, such as `--threads`.
        option: String,
        /// The value seen and the range or kind wanted.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// An input or output path cannot be used; found before the work starts.
    #[error("{}: {message}{}", .path.display(), Hint(.hint))]
    Input {
        /// The file or folder.
        path: PathBuf,
        /// What was looked for and what was found.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// A file's content could not be decoded while the work was running.
    #[error("{}: {place}: {message}", .path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where in the file: a row group, a row or a byte offset.
        place: String,
        /// What was wrong there.
        message: String,
    },
    /// A file of the input is no longer what it was when the run began.
    #[error(
        "{}: {message}\nhint: finished parts stay; once the input is back as it was, give the same command again",
        .path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// What became of it.
        message: String,
    },
    /// The operating system refused.
    #[error("{}: cannot {action}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The action as a verb, such as `read` or `write`.
        action: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// An imported Arrow stream failed.
    #[error("the input stream failed after {rows} rows: {message}")]
    Stream {
        /// Rows pulled before the failure.
        rows: u64,
        /// What the producer said.
        message: String,
    },
    /// The memory budget does not allow what the run needs.
    #[error("{message}{}", Hint(.hint))]
    Memory {
        /// What needs more.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The caller asked to stop.
    #[error("stopped by request")]
    Cancelled,
    /// A promise of this crate does not hold; always a defect of ours.
    #[error(
        "internal error: {0}\nhint: this is a defect of prepcore; please report it with the command that shows it"
    )]
    Internal(String),
}

impl Error {
    /// An option whose value cannot be used.
    pub fn config(option: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Config { option: option.into(), message: message.into(), hint: None }
    }

    /// A path that cannot be used, found before the work starts.
    pub fn input(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self::Input { path: path.as_ref().to_path_buf(), message: message.into(), hint: None }
    }

    /// A file whose content is damaged, found while the work runs.
    pub fn corrupt(path: impl AsRef<Path>, place: impl Into<String>, message: impl fmt::Display) -> Self {
        Self::Corrupt { path: path.as_ref().to_path_buf(), place: place.into(), message: message.to_string() }
    }

    /// A refusal of the operating system; `action` is a verb such as `read`.
    pub fn io(path: impl AsRef<Path>, action: &'static str, source: io::Error) -> Self {
        Self::Io { path: path.as_ref().to_path_buf(), action, source }
    }

    /// Something that no longer fits the memory budget.
    pub fn memory(message: impl Into<String>) -> Self {
        Self::Memory { message: message.into(), hint: None }
    }

    /// Adds what the user can do about it. Errors that carry no hint are returned as they are.
    #[must_use]
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Config { hint, .. } | Self::Input { hint, .. } | Self::Memory { hint, .. } = &mut self {
            *hint = Some(text.into());
        }
        self
    }

    /// The exit code of the command line: 2 found before the work started, 1 while it ran, 130 stopped.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config { .. } | Self::Input { .. } => 2,
            Self::Cancelled => 130,
            _ => 1,
        }
    }
}

struct Hint<'a>(&'a Option<String>);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(hint) => write!(formatter, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hint_stands_on_a_line_of_its_own() {
        let error =
            Error::config("--threads", "got 0, expected 1 to 1024").hint("leave it out to use all cores");
        assert_eq!(
            error.to_string(),
            "--threads: got 0, expected 1 to 1024\nhint: leave it out to use all cores"
        );
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn failures_while_running_exit_with_one() {
        let error = Error::io("part-00000.parquet", "write", io::Error::other("no space left on device"));
        assert_eq!(error.to_string(), "part-00000.parquet: cannot write: no space left on device");
        assert_eq!(error.exit_code(), 1);
    }
}
