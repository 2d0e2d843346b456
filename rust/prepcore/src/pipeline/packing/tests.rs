//! The same bytes, however a run of `pack` was cut: by threads, memory, limits or faults.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::config::{ByteSize, DocumentOrder, Pack, Packing, TokenFormat};
use crate::pack::Packed;
use crate::pipeline::Outcome;
use crate::pipeline::pack::{options, pack};
use crate::pipeline::trials::{assert_same, content, faults_at_every_step, inputs, tokenizer_of_bytes};
use crate::sink::fault::Faults;
use crate::source::Plan;

/// Packs with a tokenizer of bytes, holding some documents out.
pub(crate) fn configuration(folder: &Path) -> Pack {
    let tokenizer = tokenizer_of_bytes(folder);
    let threads = Some(2);
    Pack {
        tokenizer,
        sequence_length: 1000,
        validation: 0.1,
        max_unreadable: 1.0,
        threads,
        ..Pack::default()
    }
}

pub(crate) fn run(configuration: &Pack, inputs: &[PathBuf], out: &Path) -> Result<Outcome<Packed>> {
    let plan = Plan::files(inputs, options(configuration))?;
    pack(configuration, &plan, inputs, out, &mut |_| Ok(()))
}

pub(crate) fn finished(outcome: Result<Outcome<Packed>>) -> Packed {
    let Outcome::Finished(manifest) = outcome.unwrap() else { panic!("it was finished before") };
    manifest.counts.check().unwrap();
    manifest
}

#[test]
fn threads_and_memory_do_not_show() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, inputs) in inputs(folder.path()) {
        for format in [TokenFormat::Tokens, TokenFormat::Parquet] {
            for limit in [None, Some(1111)] {
                let out = |name: &str| folder.path().join(format!("{kind}-{format:?}-{limit:?}-{name}"));
                let base = Pack { format, limit, ..configuration(folder.path()) };
                let manifest = finished(run(&base, &inputs, &out("first")));
                assert!(manifest.counts.validation > 20, "{:?}", manifest.counts);
                assert!(limit.is_some() || manifest.training.files.len() > 2, "{kind}");
                assert!(limit.is_none_or(|limit| manifest.counts.documents == limit));
                for (threads, memory) in [(1, 2 << 30), (7, 64 << 20)] {
                    let memory = ByteSize::from_bytes(memory);
                    let other = Pack { threads: Some(threads), memory, ..base.clone() };
                    let second = out(&threads.to_string());
                    assert_eq!(finished(run(&other, &inputs, &second)), manifest);
                    assert_same(&out("first"), &second);
                }
            }
        }
    }
}

#[test]
fn a_fault_at_any_step_loses_at_most_the_unfinished_parts() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = inputs(folder.path());
    for (kind, format) in
        [("parquet", TokenFormat::Tokens), ("jsonl", TokenFormat::Tokens), ("gzip", TokenFormat::Parquet)]
    {
        let inputs = &inputs[kind];
        let configuration = Pack { format, ..configuration(folder.path()) };
        let whole = folder.path().join(format!("{kind}-{format:?}"));
        let manifest = finished(run(&configuration, inputs, &whole));
        assert_eq!(manifest.unreadable > 0, ["jsonl", "gzip"].contains(&kind));
        let go = |out: &Path| run(&configuration, inputs, out).map(drop);
        let kept_files = faults_at_every_step(&whole, (manifest.counts.documents, 1), go);
        assert!(kept_files > 20, "{kind} {format:?}: faults left {kept_files} files of finished parts");
    }
}

#[test]
fn what_lies_behind_a_part_that_is_gone_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = &inputs(folder.path())["jsonl"];
    for format in [TokenFormat::Tokens, TokenFormat::Parquet] {
        let configuration = Pack { format, ..configuration(folder.path()) };
        let (whole, out) = (folder.path().join(format!("{format:?}")), folder.path().join("out"));
        finished(run(&configuration, inputs, &whole));
        // The last flushes are those of the manifest and its like: all parts are there.
        let total = Faults::count(&out, "flush", || drop(finished(run(&configuration, inputs, &out))));
        fs::remove_dir_all(&out).unwrap();
        let faults = Faults::after(&out, "flush", total - 1);
        assert!(run(&configuration, inputs, &out).is_err());
        drop(faults);
        let names = content(&whole);
        let second =
            names.keys().filter(|name| name.contains("-00001.") && !name.contains('/')).next().unwrap();
        fs::remove_file(out.join(second)).unwrap();
        finished(run(&configuration, inputs, &out));
        assert_same(&whole, &out);
        fs::remove_dir_all(&out).unwrap();
    }
}

#[test]
fn a_finished_folder_is_known_by_its_settings_and_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = &inputs(folder.path())["parquet"];
    let out = folder.path().join("out");
    let base = configuration(folder.path());
    let manifest = finished(run(&base, inputs, &out));
    let again = Pack { threads: Some(1), ..base.clone() };
    let Outcome::FinishedBefore(before) = run(&again, inputs, &out).unwrap() else { panic!() };
    assert_eq!(before, manifest);
    let refused = |other: &Pack, inputs: &[PathBuf]| {
        let error = run(other, inputs, &out).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    };
    let other = Pack { sequence_length: 64, ..base.clone() };
    assert!(refused(&other, inputs).contains("sequence_length was 1000, now 64"));
    assert!(refused(&base, &inputs[..1]).contains("the input was 2 files, now 1"));
    // The tokenizer is known by what it says, not by where it lies.
    let moved = folder.path().join("moved");
    fs::create_dir(&moved).unwrap();
    for name in ["tokenizer.json", "tokenizer_config.json"] {
        fs::copy(base.tokenizer.join(name), moved.join(name)).unwrap();
    }
    let moved = Pack { tokenizer: moved, ..base.clone() };
    assert!(matches!(run(&moved, inputs, &out), Ok(Outcome::FinishedBefore(_))));
    let text = fs::read_to_string(moved.tokenizer.join("tokenizer.json")).unwrap();
    fs::write(moved.tokenizer.join("tokenizer.json"), format!("{text} ")).unwrap();
    assert!(refused(&moved, inputs).contains("tokenizer.tokenizer.json was"));
    // A file that was cut short is noticed, and the folder is made anew when that is asked for.
    let cut = out.join(&manifest.training.files[0].path).with_extension("ds.index");
    fs::write(&cut, "short").unwrap();
    assert!(refused(&base, inputs).contains("has 5 bytes, but the manifest says"));
    fs::write(out.join("mine.txt"), "mine").unwrap();
    finished(run(&Pack { overwrite: true, ..base.clone() }, inputs, &out));
    fs::remove_file(out.join("mine.txt")).unwrap();
    finished(run(&base, inputs, &folder.path().join("fresh")));
    assert_same(&out, &folder.path().join("fresh"));
}

/// Shuffled, and laid in rows by best fit.
fn arranged(folder: &Path) -> Pack {
    let (order, packing) = (DocumentOrder::Shuffled, Packing::BestFit);
    Pack { order, packing, seed: 7, ..configuration(folder) }
}

#[test]
fn an_arranged_folder_is_the_same_at_any_threads_and_after_any_fault() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = inputs(folder.path());
    for kind in ["jsonl", "parquet"] {
        let (inputs, base) = (&inputs[kind], arranged(folder.path()));
        let whole = folder.path().join(kind);
        let manifest = finished(run(&base, inputs, &whole));
        let rows: Vec<_> = manifest.training.row_indexes.iter().map(|index| index.rows).collect();
        assert_eq!(rows, [manifest.training.ledger.rows]);
        assert!(manifest.training.ledger.padding > 0 && manifest.training.ledger.left_over.tail == 0);
        for threads in [1, 7] {
            let second = folder.path().join(format!("{kind}-{threads}"));
            let other = Pack { threads: Some(threads), ..base.clone() };
            assert_eq!(finished(run(&other, inputs, &second)), manifest);
            assert_same(&whole, &second);
        }
        let go = |out: &Path| run(&base, inputs, out).map(drop);
        faults_at_every_step(&whole, (manifest.counts.documents, 1), go);
    }
}

#[test]
fn a_shuffled_folder_holds_the_same_documents() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = &inputs(folder.path())["parquet"];
    let order = |configuration: &Pack, name: &str| {
        let out = folder.path().join(name);
        let manifest = finished(run(configuration, inputs, &out));
        let (files, mut documents) = (content(&out), Vec::new());
        for file in &manifest.training.files {
            let mut start = 0;
            for end in files[&format!("{}.index", file.path)].chunks_exact(8) {
                let end = 2 * u64::from_le_bytes(end.try_into().unwrap()) as usize;
                documents.push(files[&file.path][start..end].to_vec());
                start = end;
            }
        }
        (manifest, documents, files)
    };
    let base = Pack { packing: Packing::Concatenate, ..arranged(folder.path()) };
    let (plain, mut in_order, files) = order(&configuration(folder.path()), "input");
    let (shuffled, documents, shuffled_files) = order(&base, "shuffled");
    let (_, others, _) = order(&Pack { seed: 8, ..base }, "another seed");
    assert!(documents != in_order && documents != others);
    assert_eq!((&shuffled.training.ledger, shuffled.counts), (&plain.training.ledger, plain.counts));
    assert_eq!(shuffled.validation, plain.validation);
    for (name, bytes) in files.iter().filter(|(name, _)| name.starts_with("validation/")) {
        assert_eq!(&shuffled_files[name], bytes);
    }
    for mut shuffled in [documents, others] {
        shuffled.sort_unstable();
        in_order.sort_unstable();
        assert_eq!(shuffled, in_order);
    }
}
