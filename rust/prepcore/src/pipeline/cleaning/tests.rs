//! The same bytes, however a run was cut: by threads, memory, shards, mode of deduplication, or faults.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use crate::config::{
    ByteSize, Clean, Dedup, Length, OutputFormat, Redact, Rules, Shard, Step, Switch, Unicode, Words,
};
use crate::pipeline::clean::{clean, options};
use crate::pipeline::{Outcome, Waiting};
use crate::sink::fault::Faults;
use crate::source::Plan;
use crate::{Error, Result};

/// Texts of several lines, a third of them repeats, some too short, with an address and now and then a listed word.
fn texts(seed: u8, count: usize) -> Vec<String> {
    let text = |number: usize| {
        let random = crate::dedup::key_of_text(&format!("{seed} {number}")) as u32;
        let which = random % (2 * count as u32 / 3 + 1);
        if which.is_multiple_of(11) {
            return format!("short {which}");
        }
        let word = format!("word {which} ");
        let listed = if which % 13 == 5 { "casino" } else { "chess" };
        let end = format!("w{}@example.com writes of {listed}", which % 50);
        format!("{}\n\n{}\n{which}\n{end}", word.repeat(20 + which as usize % 60), word.repeat(9))
    };
    (0..count).map(text).collect()
}

fn line(text: &str, number: usize) -> String {
    match number % 97 {
        13 => "not json".into(),
        14 => String::new(),
        _ => serde_json::json!({ "text": text, "n": number }).to_string(),
    }
}

/// Inputs of every kind, all of several parts; the folder must live as long.
fn inputs(folder: &Path) -> BTreeMap<&'static str, Vec<PathBuf>> {
    let mut inputs = BTreeMap::new();
    let path = |name: &str| folder.join(name);
    for (number, name) in (0..).zip(["small.jsonl", "large.jsonl", "last.jsonl"]) {
        let mut file = File::create(path(name)).unwrap();
        for (number, text) in texts(number, [40, 3000, 40][number as usize]).iter().enumerate() {
            writeln!(file, "{}", line(text, number)).unwrap();
        }
    }
    inputs.insert("jsonl", ["small.jsonl", "large.jsonl", "last.jsonl"].map(path).to_vec());
    let encode = |to: &str| {
        let mut encoder = GzEncoder::new(File::create(path(to)).unwrap(), flate2::Compression::fast());
        encoder.write_all(&fs::read(path(&to.replace(".gz", ""))).unwrap()).unwrap();
        encoder.finish().unwrap();
    };
    ["small.jsonl.gz", "large.jsonl.gz", "last.jsonl.gz"].into_iter().for_each(encode);
    inputs.insert("gzip", ["small.jsonl.gz", "large.jsonl.gz", "last.jsonl.gz"].map(path).to_vec());
    for (name, seed) in [("one.parquet", 1), ("two.parquet", 2)] {
        let texts: ArrayRef = Arc::new(StringArray::from(texts(seed, 2000)));
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..2000));
        let batch = RecordBatch::try_from_iter([("text", texts), ("n", numbers)]).unwrap();
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(150)).build();
        let file = File::create(path(name)).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }
    inputs.insert("parquet", ["one.parquet", "two.parquet"].map(path).to_vec());
    fs::create_dir(path("files")).unwrap();
    for (number, text) in texts(5, 3000).iter().enumerate() {
        fs::write(path("files").join(format!("{number:04}.txt")), text).unwrap();
    }
    inputs.insert("texts", vec![path("files")]);
    inputs
}

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

/// Every file but `run.json`, with its content.
fn content(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for folder in ["", "keys", "dropped"] {
        for entry in fs::read_dir(out.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                assert!(path.ends_with("keys") || path.ends_with("dropped"), "{path:?} is left");
            } else if !path.ends_with("run.json") {
                let name = path.strip_prefix(out).unwrap().to_string_lossy().into_owned();
                files.insert(name, fs::read(path).unwrap());
            }
        }
    }
    files
}

fn assert_same(left: &Path, right: &Path) {
    let (left, right) = (content(left), content(right));
    assert_eq!(left.keys().collect::<Vec<_>>(), right.keys().collect::<Vec<_>>());
    for (name, bytes) in &left {
        assert!(bytes == &right[name], "{name} differs");
    }
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

/// Inode and time stamp of every file of the finished parts, and how many documents these hold.
fn committed(out: &Path) -> (BTreeMap<PathBuf, (u64, SystemTime)>, u64) {
    let journal = out.join(".unfinished/journal-00001-of-00001.jsonl");
    let (mut files, mut documents) = (BTreeMap::new(), 0);
    for line in fs::read_to_string(journal).unwrap_or_default().split_inclusive('\n') {
        let Some(line) = line.strip_suffix('\n') else { continue };
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let Some(record) = line.get("finished").map(|finished| &finished["record"]) else { continue };
        documents += record["counts"]["documents"].as_u64().unwrap();
        for path in [&record["path"], &record["keys"]["path"], &record["dropped"]["path"]] {
            let path = out.join(path.as_str().unwrap());
            let found = path.metadata().unwrap();
            files.insert(path, (found.ino(), found.modified().unwrap()));
        }
    }
    (files, documents)
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
        let mut kept_parts = 0;
        for step in ["create", "write", "flush", "rename", "journal", "resolve"] {
            let out = folder.path().join(format!("{kind}-{dedup:?}-{step}"));
            let total = Faults::count(&out, step, || {
                assert!(finished(run(&configuration, inputs, &out)));
            });
            assert_eq!(total > 0, step != "resolve" || dedup == Dedup::Disk, "{step} comes {total} times");
            fs::remove_dir_all(&out).unwrap();
            // The first ones, some from the middle, and the last ones, where parts are finished already.
            let times = [0, 1, total / 3, 2 * total / 3, total.saturating_sub(3), total.saturating_sub(1)];
            for successes in times.into_iter().filter(|time| *time < total) {
                let faults = Faults::after(&out, step, successes);
                match run(&configuration, inputs, &out) {
                    Err(Error::Io { .. } | Error::Input { .. }) => {}
                    other => panic!("{kind} {step} {successes}: {other:?}"),
                }
                drop(faults);
                let (before, written) = committed(&out);
                kept_parts += before.len();
                assert!(finished(run(&configuration, inputs, &out)), "{kind} {step} {successes}");
                for (path, (inode, modified)) in before {
                    let now = path.metadata().unwrap();
                    assert_eq!((now.ino(), now.modified().unwrap()), (inode, modified), "{path:?}");
                }
                let facts = fs::read_to_string(out.join("run.json")).unwrap();
                let facts: serde_json::Value = serde_json::from_str(&facts).unwrap();
                let passes = if dedup == Dedup::Disk { 2 } else { 1 };
                let read = facts["read"]["documents"].as_u64().unwrap();
                assert!(read <= passes * (documents - written), "{read} of {documents}, {written} finished");
                assert_same(&whole, &out);
                fs::remove_dir_all(&out).unwrap();
            }
        }
        assert!(kept_parts > 20, "{kind} {dedup:?}: faults left {kept_parts} files of finished parts");
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
        assert_eq!(manifest.counts.kept, manifest.parts.iter().map(|part| part.kept.rows).sum::<u64>());
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
