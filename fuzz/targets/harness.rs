//! What the targets share: a file of the fuzzer's bytes, a plan of it, and what must hold of what is read.

use std::cell::RefCell;
use std::fs;
use std::panic;
use std::path::PathBuf;
use std::sync::OnceLock;

use prepcore::Result;
use prepcore::config::{ByteSize, Columns};
use prepcore::source::{Documents, Options, Plan};

thread_local! {
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The engine catches panics of the crates that it decodes with, so one is no failure by itself: the message is
/// kept until it turns out to have come through.
pub fn keep_panics() {
    panic::set_hook(Box::new(|info| PANIC.with_borrow_mut(|kept| *kept = info.to_string())));
}

/// Runs a target; a panic that comes through ends the process with its message.
pub fn run(target: impl FnOnce() + panic::UnwindSafe) {
    if panic::catch_unwind(target).is_err() {
        eprintln!("{}", PANIC.take());
        std::process::abort();
    }
}

/// The fuzzer's bytes as a file of this name, which is overwritten each time.
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    // Memory where there is a file system of it: a disk would be most of the time.
    let memory = PathBuf::from("/dev/shm");
    let parent = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let folder = FOLDER.get_or_init(|| tempfile::tempdir_in(parent).expect("a temporary folder"));
    let path = folder.path().join(name);
    fs::write(&path, bytes).expect("room for the file");
    path
}

/// A plan of one file.
pub fn plan(path: PathBuf, extra: bool, skip_corrupt: bool) -> Result<Plan> {
    let options = Options {
        text_column: "text".into(),
        columns: Columns::All,
        extra,
        memory: ByteSize::from_bytes(64 << 20),
        skip_corrupt,
        parts_of_cleaned: false,
    };
    Plan::files(&[path], options)
}

/// Checks a unit's addresses: each row comes once, in order. Takes the first row it may hold and gives the first
/// of the next unit.
pub fn check_addresses(documents: &Documents, mut next: u64, gaps: bool) -> u64 {
    let readable = documents.addresses.iter().map(|address| (address.row, 1));
    let unreadable = documents.unreadable.iter().map(|run| (run.address.row, run.rows));
    let mut rows: Vec<(u64, u64)> = readable.chain(unreadable).collect();
    rows.sort_unstable();
    for (row, count) in rows {
        assert!(if gaps { row >= next } else { row == next }, "row {row} where {next} was due");
        next = row + count;
    }
    assert!(documents.unreadable.is_sorted_by_key(|run| run.address));
    next
}
