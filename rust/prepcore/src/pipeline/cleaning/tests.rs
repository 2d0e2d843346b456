//! The same bytes, however a run was cut: by threads, memory, shards, mode of deduplication, or faults.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::config::{
    ByteSize, Clean, Dedup, Length, OutputFormat, Redact, Rules, Shard, Step, Switch, Unicode, Words,
};
use crate::pipeline::clean::{clean, options};
use crate::pipeline::trials::{assert_same, content, faults_at_every_step, inputs};
use crate::pipeline::{Outcome, Waiting};
use crate::sink::fault::Faults;
use crate::source::Plan;

/// Every rule that needs no model, each with something to do.
fn every_rule(folder: &Path) -> Clean {
    let file = folder.join("words.list");
    fs::write(&file, "casino\n").unwrap();
    let rules = Rules {
        unicode: Switch::On(Unicode::default()),
        redact: Switch::On(Redact::default()),
        length: Switch::On(Length { min_words: Some(80), ..Length::default() }),
        words: Switch::On(Words { file, ..Words::default() }),
        ..Rules::default()
    };
    Clean { rules, ..Clean::default() }
}

fn run(configuration: &Clean, inputs: &[PathBuf], out: &Path) -> Result<Outcome> {
    let plan = Plan::files(inputs, options(configuration))?;
    clean(configuration, &plan, inputs, out, &mut |_| Ok(()))
}

fn finished(outcome: Result<Outcome>) -> bool {
    match outcome.unwrap() {
        Outcome::Finished(manifest) => {
            manifest.counts.check().unwrap();
            true
        }
        Outcome::FinishedBefore(_) => true,
        Outcome::Waiting(_) => false,
    }
}

#[test]
fn threads_memory_and_ways_of_deduplication_do_not_show() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, inputs) in inputs(folder.path()) {
        let out = |name: &str| folder.path().join(format!("out-{kind}-{name}"));
        for limit in [None, Some(1111)] {
            let base = Clean { threads: Some(2), limit, keep_dropped: true, ..every_rule(folder.path()) };
            let first = out(&format!("first-{limit:?}"));
            assert!(finished(run(&base, &inputs, &first)));
            let parts = content(&first).keys().filter(|name| name.starts_with("part-")).count();
            assert!(parts >= if limit.is_some() { 1 } else { 2 }, "{kind} has {parts} parts");
            for (number, (threads, dedup, memory)) in [
                (1, Dedup::Memory, 2 << 30),
                (3, Dedup::Auto, 256 << 20),
                (7, Dedup::Disk, 64 << 20),
                (16, Dedup::Disk, 2 << 30),
            ]
            .into_iter()
            .enumerate()
            {
                let memory = ByteSize::from_bytes(memory);
                let other = Clean { threads: Some(threads), dedup, memory, ..base.clone() };
                let second = out(&format!("{number}-{limit:?}"));
                assert!(finished(run(&other, &inputs, &second)));
                assert_same(&first, &second);
            }
        }
    }
}

#[test]
fn shards_meet_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, inputs) in inputs(folder.path()) {
        for (dedup, limit) in [(Dedup::Auto, None), (Dedup::Off, None), (Dedup::Auto, Some(1200))] {
            let out = |name: &str| folder.path().join(format!("{kind}-{dedup:?}-{limit:?}-{name}"));
            let base = Clean { dedup, limit, format: OutputFormat::Parquet, ..every_rule(folder.path()) };
            assert!(finished(run(&base, &inputs, &out("whole"))));
            let shard = |index| Clean { shard: Some(Shard { index, count: 7 }), ..base.clone() };
            let mut ended = Vec::new();
            for _ in 0..3 {
                ended.extend((1..=7).map(|index| finished(run(&shard(index), &inputs, &out("shards")))));
            }
            assert!(ended[20], "{kind} {dedup:?}");
            assert!(
                dedup == Dedup::Off || !ended[6],
                "one round is not enough where keys must meet: {kind} {dedup:?}"
            );
            assert_same(&out("whole"), &out("shards"));
        }
    }
}

#[test]
fn steps_asked_for_by_name_say_what_they_need() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = &inputs(folder.path())["parquet"];
    let out = folder.path().join("out");
    let shard = |index, step| Clean { shard: Some(Shard { index, count: 2 }), step, ..Clean::default() };
    let refused = |index, step| run(&shard(index, step), inputs, &out).unwrap_err().to_string();
    assert!(refused(1, Step::Resolve).contains("needs the step `sign`"), "{}", refused(1, Step::Emit));
    assert!(!finished(run(&shard(1, Step::Sign), inputs, &out)));
    assert!(refused(1, Step::Resolve).contains("still to come: shard 2"));
    assert!(!finished(run(&shard(2, Step::Sign), inputs, &out)));
    let Outcome::Waiting(waiting) = run(&shard(2, Step::Resolve), inputs, &out).unwrap() else { panic!() };
    let wanted = Waiting {
        format: "prepcore.unfinished",
        shard: Shard { index: 2, count: 2 },
        step: "resolve",
        done: 128,
        of: 256,
        shards: vec![1],
    };
    assert_eq!(waiting, wanted);
    assert!(refused(2, Step::Emit).contains("needs the step `resolve`"));
    assert!(!finished(run(&shard(1, Step::Resolve), inputs, &out)));
    assert!(!finished(run(&shard(1, Step::Emit), inputs, &out)));
    // Whoever goes on alone finishes what is left.
    assert!(finished(run(&Clean::default(), inputs, &out)));
    assert!(finished(run(&Clean::default(), inputs, &folder.path().join("whole"))));
    assert_same(&out, &folder.path().join("whole"));
}

#[test]
fn a_fault_at_any_step_loses_at_most_the_unfinished_parts() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = inputs(folder.path());
    for (kind, dedup) in
        [("parquet", Dedup::Auto), ("parquet", Dedup::Disk), ("gzip", Dedup::Auto), ("jsonl", Dedup::Disk)]
    {
        let inputs = &inputs[kind];
        let configuration = Clean { dedup, threads: Some(2), ..every_rule(folder.path()) };
        let whole = folder.path().join(format!("{kind}-{dedup:?}"));
        assert!(finished(run(&configuration, inputs, &whole)));
        let text = fs::read_to_string(whole.join("manifest.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
        let counts = &manifest["counts"];
        let documents = counts["documents"].as_u64().unwrap();
        for count in [&counts["rewritten"]["redact.email"], &counts["dropped"]["listed_words"]] {
            assert!(count.as_u64().unwrap() > 0, "{counts}");
        }
        let passes = if dedup == Dedup::Disk { 2 } else { 1 };
        let go = |out: &Path| run(&configuration, inputs, out).map(drop);
        let kept_files = faults_at_every_step(&whole, (documents, passes), go);
        assert!(kept_files > 20, "{kind} {dedup:?}: faults left {kept_files} files of finished parts");
    }
}

#[test]
fn documents_of_earlier_corpora_are_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = inputs(folder.path());
    let earlier = folder.path().join("earlier");
    let one = &inputs["parquet"][..1];
    assert!(finished(run(&Clean::default(), one, &earlier)));
    let mut outputs = Vec::new();
    for (number, dedup) in [Dedup::Memory, Dedup::Disk].into_iter().enumerate() {
        let configuration = Clean { dedup, against: vec![earlier.clone()], ..Clean::default() };
        let out = folder.path().join(number.to_string());
        let Outcome::Finished(manifest) = run(&configuration, &inputs["parquet"], &out).unwrap() else {
            panic!()
        };
        // The first file is all there, so nothing of it is kept.
        assert!(manifest.counts.dropped["against"] > 1000, "{:?}", manifest.counts);
        assert_eq!(
            manifest.counts.kept,
            manifest.parts.iter().flat_map(|part| &part.kept).map(|kept| kept.rows).sum::<u64>()
        );
        let alone = Clean { against: Vec::new(), ..configuration };
        let Outcome::Finished(alone) = run(&alone, &inputs["parquet"], &out.with_extension("alone")).unwrap()
        else {
            panic!()
        };
        let first = crate::manifest::Cleaned::of_folder(&earlier).unwrap().unwrap();
        assert_eq!(manifest.counts.kept, alone.counts.kept - first.counts.kept);
        outputs.push(out);
    }
    assert_same(&outputs[0], &outputs[1]);
    let configuration =
        Clean { against: vec![earlier], dedup_key: crate::config::DedupKey::Lowercase, ..Clean::default() };
    let error = run(&configuration, &inputs["parquet"], &folder.path().join("no")).unwrap_err();
    assert!(error.to_string().contains("its keys are \"exact\", those of this run \"lowercase\""), "{error}");
}

#[test]
fn a_run_given_again_is_continued_refused_or_done() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = &inputs(folder.path())["parquet"];
    let out = folder.path().join("out");
    let configuration = Clean::default();
    assert!(matches!(run(&configuration, inputs, &out), Ok(Outcome::Finished(_))));
    let whole = content(&out);
    assert!(matches!(run(&configuration, inputs, &out), Ok(Outcome::FinishedBefore(_))));
    let running = Clean { threads: Some(1), memory: ByteSize::from_bytes(64 << 20), ..configuration.clone() };
    assert!(matches!(run(&running, inputs, &out), Ok(Outcome::FinishedBefore(_))));
    let other = Clean { compression_level: 1, ..configuration.clone() };
    let error = run(&other, inputs, &out).unwrap_err();
    assert!(error.to_string().contains("compression_level was 3, now 1"), "{error}");
    assert_eq!((error.exit_code(), content(&out)), (2, whole.clone()));
    let faults = Faults::after(&out, "journal", 2);
    let afresh = Clean { overwrite: true, ..other.clone() };
    assert!(run(&afresh, inputs, &out).is_err());
    drop(faults);
    let error = run(&configuration, inputs, &out).unwrap_err();
    assert!(error.to_string().contains("compression_level was 1, now 3"), "{error}");
    assert!(finished(run(&other, inputs, &out)));
    assert!(content(&out) != whole);
    fs::remove_file(out.join("keys/part-00001.keys")).unwrap();
    let error = run(&other, inputs, &out).unwrap_err();
    assert!(error.to_string().contains("part-00001.keys: has 0 bytes"), "{error}");
    fs::write(out.join("note.txt"), "mine").unwrap();
    let back = Clean { overwrite: true, ..configuration };
    assert!(finished(run(&back, inputs, &out)));
    fs::remove_file(out.join("note.txt")).unwrap();
    assert!(content(&out) == whole);
}
