//! Processes that meet in one output folder at an unlucky moment.

use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::config::Shard;
use crate::manifest::{CLEANED_FORMAT, Cleaned, Counts, HashRecord};
use crate::{Error, Result};

fn identity() -> Identity {
    Identity {
        format: CLEANED_FORMAT.into(),
        format_version: 1,
        program: "prepcore 0.1.0".into(),
        configuration: json!({}),
        inputs: Vec::new(),
    }
}

fn manifest() -> Cleaned {
    let Identity { format, format_version, program, configuration, inputs } = identity();
    let hash = HashRecord { algorithm: "xxh3-128".into(), seed: 0 };
    let counts = Counts::default();
    let (checks, parts) = (Vec::new(), Vec::new());
    Cleaned { format, format_version, program, configuration, hash, inputs, checks, counts, parts }
}

fn open(out: &Path, index: usize, count: usize) -> Result<Opened> {
    RunFolder::open(out, &CLEANED, &identity(), false, Shard { index, count }, &mut || Ok(()))
}

fn run(opened: Result<Opened>) -> RunFolder {
    let Opened::Run(run) = opened.unwrap() else { panic!("finished before") };
    run
}

#[test]
fn a_shard_that_comes_while_another_finishes_leaves_the_output_alone() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let first = run(open(out, 1, 2));
    fs::write(out.join("part-00000.parquet"), "kept").unwrap();
    let (waits, waiting) = mpsc::channel();
    let late = thread::scope(|scope| {
        let mut late = None;
        let finished = first.finish(&mut || Ok(()), |_| {
            // The other one has seen an unfinished run, and now waits for its turn.
            let open = move || {
                let mut look = || waits.send(()).map_err(|_| Error::Cancelled);
                RunFolder::open(out, &CLEANED, &identity(), false, Shard { index: 2, count: 2 }, &mut look)
            };
            late = Some(scope.spawn(open));
            waiting.recv_timeout(Duration::from_secs(60)).unwrap();
            Ok((manifest(), json!({})))
        });
        drop(first);
        finished.unwrap();
        // The receiver must live for as long as looks are sent.
        let late = late.unwrap().join().unwrap();
        drop(waiting);
        late
    });
    assert!(matches!(late.unwrap(), Opened::Finished));
    assert_eq!(fs::read_to_string(out.join("part-00000.parquet")).unwrap(), "kept");
    assert!(Cleaned::of_folder(out).unwrap().is_some());
    assert!(!out.join(crate::manifest::UNFINISHED).exists());
}

#[test]
fn a_wait_for_other_shards_hears_of_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let first = run(open(folder.path(), 1, 2));
    let stopped = first.finish(&mut || Ok(()), |_| {
        let mut stop = || Err(Error::Cancelled);
        let second = RunFolder::open(
            folder.path(),
            &CLEANED,
            &identity(),
            false,
            Shard { index: 2, count: 2 },
            &mut stop,
        );
        assert!(matches!(second, Err(Error::Cancelled)));
        Err::<(Cleaned, serde_json::Value), _>(Error::Cancelled)
    });
    assert!(matches!(stopped, Err(Error::Cancelled)));
}

#[test]
fn shards_of_another_number_are_refused_while_these_are_at_work() {
    let folder = tempfile::tempdir().unwrap();
    let third = run(open(folder.path(), 1, 3));
    let refusal = |opened: Result<Opened>| match opened {
        Ok(_) => panic!("it was let in"),
        Err(error) => (error.exit_code(), error.to_string()),
    };
    let (code, message) = refusal(open(folder.path(), 1, 2));
    assert!(code == 2 && message.contains("shards of another number than 2 are at work"), "{message}");
    let (code, message) = refusal(open(folder.path(), 1, 3));
    assert!(code == 2 && message.contains("another process is working"), "{message}");
    let (code, message) = refusal(open(folder.path(), 1, 1));
    assert!(code == 2 && message.contains("another process is working"), "{message}");
    let second = run(open(folder.path(), 2, 3));
    drop((third, second));
    drop(run(open(folder.path(), 1, 2)));
    drop(run(open(folder.path(), 1, 1)));
}

#[test]
fn what_cannot_be_read_is_not_taken_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    drop(run(open(out, 1, 1)));
    fs::write(out.join("part-00000.parquet"), "kept").unwrap();
    let identity = out.join(".unfinished/identity.json");
    fs::remove_file(&identity).unwrap();
    // A file system that fails, as far as a test can make one.
    fs::create_dir(&identity).unwrap();
    assert!(matches!(open(out, 1, 1), Err(Error::Io { .. })));
    assert!(out.join("part-00000.parquet").exists());
}

#[test]
fn a_line_that_a_kill_cut_short_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    drop(run(open(folder.path(), 1, 1)));
    let journal = folder.path().join(".unfinished/journal-00001-of-00001.jsonl");
    let whole = fs::read(&journal).unwrap();
    fs::write(&journal, [&whole[..], b"{\"finished\":{\"part\":0,"].concat()).unwrap();
    let again = run(open(folder.path(), 1, 1));
    let (finished, begun) = again.finished().unwrap();
    assert!(finished.is_empty());
    assert_eq!(begun, 2);
    assert_eq!(fs::read_to_string(&journal).unwrap().lines().count(), 2);
}
