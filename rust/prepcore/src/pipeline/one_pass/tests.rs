//! One pass and two passes give the same tokens and the same sources.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::*;
use crate::config::{Dedup, Length, OutputFormat, Redact, Rules, Switch};
use crate::pipeline::trials::{assert_same, content, faults_at_every_step, inputs, tokenizer_of_bytes};

/// Rules that drop and rules that rewrite, and some documents held out.
fn configuration(folder: &Path) -> Clean {
    let rules = Rules {
        redact: Switch::On(Redact::default()),
        length: Switch::On(Length { min_words: Some(80), ..Length::default() }),
        ..Rules::default()
    };
    let tokenizer = Some(tokenizer_of_bytes(folder));
    Clean { rules, tokenizer, sequence_length: 500, validation: 0.1, threads: Some(2), ..Clean::default() }
}

fn one_pass(configuration: &Clean, inputs: &[PathBuf], out: &Path) -> Result<Outcome<Packed>> {
    let plan = Plan::files(inputs, clean::options(configuration))?;
    clean_and_pack(configuration, &plan, inputs, out, &mut |_| Ok(()))
}

fn finished<Manifest>(outcome: Result<Outcome<Manifest>>) -> Manifest {
    match outcome.unwrap() {
        Outcome::Finished(manifest) | Outcome::FinishedBefore(manifest) => manifest,
        Outcome::Waiting(waiting) => panic!("{waiting:?}"),
    }
}

/// Cleans into one folder and packs that into another.
fn two_passes(configuration: &Clean, inputs: &[PathBuf], cleaned: &Path, tokens: &Path) -> Packed {
    let pack = configuration.pack().unwrap();
    let without = Clean {
        tokenizer: None,
        sequence_length: Clean::default().sequence_length,
        validation: 0.0,
        keep_text: false,
        ..configuration.clone()
    };
    let plan = Plan::files(inputs, clean::options(&without)).unwrap();
    finished(clean::clean(&without, &plan, inputs, cleaned, &mut |_| Ok(())));
    let inputs = [cleaned.to_path_buf()];
    let plan = Plan::files(&inputs, pack::options(&pack)).unwrap();
    finished(pack::pack(&Pack { limit: None, ..pack }, &plan, &inputs, tokens, &mut |_| Ok(())))
}

/// What both ways write alike.
fn tokens(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = content(out);
    files.retain(|name, _| !name.starts_with(CLEANING) && name != MANIFEST);
    files
}

#[test]
fn the_files_are_those_of_two_passes() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, inputs) in inputs(folder.path()) {
        for (limit, keep_text, format) in [
            (None, false, OutputFormat::Auto),
            (Some(1111), false, OutputFormat::Auto),
            (None, true, OutputFormat::Jsonl),
        ] {
            let base = Clean { limit, keep_text, format, ..configuration(folder.path()) };
            let out = |name: &str| folder.path().join(format!("{kind}-{limit:?}-{keep_text}-{name}"));
            let separate = two_passes(&base, &inputs, &out("cleaned"), &out("tokens"));
            assert!(
                separate.counts.validation > 20 && separate.counts.training > 200,
                "{:?}",
                separate.counts
            );
            assert!(limit.is_some() || separate.training.files.len() > 2, "{kind}");
            for (threads, dedup) in [(1, Dedup::Memory), (2, Dedup::Disk), (7, Dedup::Auto)] {
                let other = Clean { threads: Some(threads), dedup, ..base.clone() };
                let together = out(&threads.to_string());
                let packed = finished(one_pass(&other, &inputs, &together));
                assert_eq!(packed.training, separate.training, "{kind}");
                assert_eq!(packed.validation, separate.validation);
                assert_eq!(packed.counts, separate.counts);
                let (one, two) = (tokens(&together), tokens(&out("tokens")));
                assert_eq!(one.keys().collect::<Vec<_>>(), two.keys().collect::<Vec<_>>(), "{kind}");
                one.iter().for_each(|(name, bytes)| assert!(*bytes == two[name], "{kind} {name} differs"));
                if keep_text {
                    assert_same(&together.join(CLEANING), &out("cleaned"));
                } else {
                    let files = content(&together.join(CLEANING));
                    assert!(!files.keys().any(|name| name.starts_with("part-")), "{:?}", files.keys());
                    let two = content(&out("cleaned"));
                    for (name, bytes) in files.iter().filter(|(name, _)| *name != MANIFEST) {
                        // The ledger is the same with text and without.
                        assert!(*bytes == two[name], "{kind} {name} differs");
                    }
                }
            }
            assert_same(&out("1"), &out("2"));
            assert_same(&out("1"), &out("7"));
        }
    }
}

#[test]
fn a_fault_at_any_step_loses_at_most_the_unfinished_parts() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = inputs(folder.path());
    for (kind, dedup) in [("parquet", Dedup::Auto), ("jsonl", Dedup::Disk), ("gzip", Dedup::Auto)] {
        let inputs = &inputs[kind];
        let configuration = Clean { dedup, ..configuration(folder.path()) };
        let whole = folder.path().join(format!("{kind}-{dedup:?}"));
        finished(one_pass(&configuration, inputs, &whole));
        let cleaned = Cleaned::of_folder(&whole.join(CLEANING)).unwrap().unwrap();
        let passes = if dedup == Dedup::Disk { 2 } else { 1 };
        let go = |out: &Path| one_pass(&configuration, inputs, out).map(drop);
        let kept_files = faults_at_every_step(&whole, (cleaned.counts.documents, passes), go);
        assert!(kept_files > 20, "{kind} {dedup:?}: faults left {kept_files} files of finished parts");
    }
}

#[test]
fn shards_meet_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = &inputs(folder.path())["parquet"];
    let base = configuration(folder.path());
    let (whole, out) = (folder.path().join("whole"), folder.path().join("out"));
    finished(one_pass(&base, inputs, &whole));
    for _ in 0..3 {
        for index in 1..=3 {
            let shard = Some(Shard { index, count: 3 });
            one_pass(&Clean { shard, ..base.clone() }, inputs, &out).unwrap();
        }
    }
    assert_same(&whole, &out);
}

#[test]
fn a_folder_without_text_is_no_input_and_other_settings_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = &inputs(folder.path())["parquet"];
    let base = configuration(folder.path());
    let out = folder.path().join("out");
    finished(one_pass(&base, inputs, &out));
    assert!(matches!(one_pass(&base, inputs, &out), Ok(Outcome::FinishedBefore(_))));
    let cleaning = out.join(CLEANING);
    let error = Plan::files(&[cleaning], pack::options(&base.pack().unwrap())).err().unwrap();
    assert!(error.to_string().contains("they were packed and not written"), "{error}");
    for (other, said) in [
        (Clean { keep_text: true, ..base.clone() }, "cleaning.keep_text was false, now null"),
        (Clean { validation: 0.2, ..base.clone() }, "validation was 0.1, now 0.2"),
        (Clean { keep_dropped: true, ..base.clone() }, "cleaning.keep_dropped was false, now true"),
    ] {
        let error = one_pass(&other, inputs, &out).unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().contains(said), "{error}");
    }
    let (other, fresh) = (Clean { keep_text: true, overwrite: true, ..base }, folder.path().join("fresh"));
    finished(one_pass(&other, inputs, &out));
    finished(one_pass(&other, inputs, &fresh));
    assert_same(&out, &fresh);
}
