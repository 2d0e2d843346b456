//! The same bytes, however a run of `pack` was cut: by threads, memory, limits or faults.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::config::{ByteSize, Pack, TokenFormat};
use crate::pack::Packed;
use crate::pipeline::Outcome;
use crate::pipeline::pack::{options, pack};
use crate::pipeline::trials::{assert_same, content, faults_at_every_step, inputs, tokenizer_of_bytes};
use crate::sink::fault::Faults;
use crate::source::Plan;

/// Packs with a tokenizer of bytes, holding some documents out.
fn configuration(folder: &Path) -> Pack {
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

fn run(configuration: &Pack, inputs: &[PathBuf], out: &Path) -> Result<Outcome<Packed>> {
    let plan = Plan::files(inputs, options(configuration))?;
    pack(configuration, &plan, inputs, out, &mut |_| Ok(()))
}

fn finished(outcome: Result<Outcome<Packed>>) -> Packed {
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
                assert!(limit.is_some() || manifest.training.files.len() > 1, "{kind}");
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
        let second = names.keys().find(|name| name.contains("-00001.") && !name.contains('/')).unwrap();
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
