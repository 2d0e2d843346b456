use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use super::*;
use crate::config::{ByteSize, DocumentOrder, SpecialTokenText, TokenFormat};
use crate::pipeline::packing::tests::{configuration, finished, run};
use crate::pipeline::trials::{assert_same, content, inputs};
use crate::sink::fault::Faults;
use crate::tokenize::train_byte_level;

fn again(configuration: &Pack, folder: &Path, out: &Path) -> Result<Outcome<Packed>> {
    let input = TokenInput::find(&[folder.to_path_buf()])?.unwrap();
    repack(configuration, input, out, &mut |_| Ok(()))
}

/// What is asked of a token folder: rows, and nothing else.
fn rows(sequence_length: u64, packing: Packing) -> Pack {
    Pack { sequence_length, packing, ..Pack::default() }
}

/// Inode and time stamp of every file but the manifest, by name.
fn stamps(folder: &Path) -> BTreeMap<String, (u64, i64, i64)> {
    let of = |name: &String| {
        let found = folder.join(name).metadata().unwrap();
        (found.ino(), found.mtime(), found.mtime_nsec())
    };
    let names = content(folder).into_keys().filter(|name| name != manifest::MANIFEST);
    names.map(|name| (name.clone(), of(&name))).collect()
}

#[test]
fn another_folder_is_what_packing_afresh_writes_with_no_token_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = &inputs(folder.path())["jsonl"];
    let at = |name: &str| folder.path().join(name);
    let bases = [
        configuration(folder.path()),
        Pack { order: DocumentOrder::Shuffled, packing: Packing::BestFit, ..configuration(folder.path()) },
    ];
    for (number, base) in bases.into_iter().enumerate() {
        let before = at(&format!("before-{number}"));
        finished(run(&base, inputs, &before));
        let kept = stamps(&before);
        for (length, packing) in
            [(300, Packing::BestFit), (1000, Packing::Concatenate), (128, Packing::Concatenate)]
        {
            let name = format!("{number}-{length}");
            let (fresh, out) = (at(&format!("fresh-{name}")), at(&format!("again-{name}")));
            let base = Pack { sequence_length: length, packing, ..base.clone() };
            let wanted = finished(run(&base, inputs, &fresh));
            assert_eq!(finished(again(&rows(length, packing), &before, &out)), wanted);
            assert_same(&fresh, &out);
            let written = stamps(&out);
            for (name, stamp) in kept.iter().filter(|(name, _)| !name.ends_with(".idx")) {
                assert_eq!(&written[name], stamp, "{name}");
            }
            let outcome = again(&rows(length, packing), &before, &out).unwrap();
            assert!(matches!(outcome, Outcome::FinishedBefore(_)));
            let message = again(&rows(length + 1, packing), &before, &out).unwrap_err().to_string();
            assert!(
                message.contains(&format!("sequence_length was {length}, now {}", length + 1)),
                "{message}"
            );
        }
        assert_eq!(stamps(&before), kept);
    }
}

#[test]
fn in_place_rows_are_added_and_the_default_changes() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = &inputs(folder.path())["parquet"];
    let out = folder.path().join("out");
    let first = finished(run(&configuration(folder.path()), inputs, &out));
    let kept = stamps(&out);
    let lengths = |manifest: &Packed| {
        let of = |split: &SplitRecord| {
            split.row_indexes.iter().map(|index| index.sequence_length).collect::<Vec<_>>()
        };
        let (training, validation) = (of(&manifest.training), of(manifest.validation.as_ref().unwrap()));
        assert_eq!(training, validation);
        training
    };
    for (length, listed) in [(300, vec![300]), (64, vec![64, 300]), (300, vec![64, 300])] {
        let manifest = finished(again(&rows(length, Packing::BestFit), &out, &out));
        assert_eq!(Packed::of_folder(&out).unwrap().as_ref(), Some(&manifest));
        assert_eq!((manifest.sequence_length, manifest.packing.as_str()), (length, "best-fit"));
        assert_eq!(lengths(&manifest), listed);
        let splits = [&manifest.training, manifest.validation.as_ref().unwrap()];
        for (split, prefix) in splits.into_iter().zip(["", "validation/"]) {
            split.ledger.check(length).unwrap();
            let index = split.row_indexes.iter().find(|index| index.sequence_length == length).unwrap();
            assert_eq!(index.path, format!("{prefix}rows-{length}.idx"));
            let bytes = fs::read(out.join(&index.path)).unwrap();
            assert_eq!((bytes.len() as u64, &bytes[..8]), (index.bytes, &b"PREPROWS"[..]));
            assert_eq!(index.bytes, 24 + 8 * (index.rows + 1) + 20 * index.pieces);
            assert_eq!((index.rows, index.padding), (split.ledger.rows, split.ledger.padding));
        }
        let now = stamps(&out);
        assert!(kept.iter().all(|(name, stamp)| now[name] == *stamp));
    }
    let mut last = finished(again(&rows(1000, Packing::Concatenate), &out, &out));
    assert_eq!(lengths(&last), [64, 300]);
    last.training.row_indexes.clear();
    last.validation.as_mut().unwrap().row_indexes.clear();
    assert_eq!(last, first);
}

#[test]
fn what_needs_the_documents_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = &inputs(folder.path())["parquet"];
    let base = Pack { bos: "none".into(), ..configuration(folder.path()) };
    let (out, other) = (folder.path().join("out"), folder.path().join("other"));
    finished(run(&base, inputs, &out));
    let tokenizer = folder.path().join("another tokenizer");
    fs::create_dir(&tokenizer).unwrap();
    let special = ["<a>".to_owned(), "<b>".to_owned()];
    train_byte_level(std::iter::empty(), 258, &special, 1).unwrap().write(&tokenizer).unwrap();
    let asked = || rows(64, Packing::BestFit);
    for (option, refused) in [
        ("--tokenizer: got", Pack { tokenizer, ..asked() }),
        ("--bos: got \"</s>\", but the tokens of", Pack { bos: "</s>".into(), ..asked() }),
        ("--eos: got", Pack { eos: "none".into(), ..asked() }),
        ("--special-tokens: got", Pack { special_tokens: SpecialTokenText::Parse, ..asked() }),
        ("--validation: got 0.3, but", Pack { validation: 0.3, ..asked() }),
        ("--limit: got 5, but", Pack { limit: Some(5), ..asked() }),
        ("--order: got", Pack { order: DocumentOrder::Shuffled, ..asked() }),
        ("--seed: got 3, but", Pack { seed: 3, ..asked() }),
        ("--text-column: got", Pack { text_column: "body".into(), ..asked() }),
        ("--packing: got best-fit with", Pack { format: TokenFormat::Parquet, ..asked() }),
        ("--format: got", Pack { format: TokenFormat::Parquet, ..rows(64, Packing::Concatenate) }),
        ("--sequence-length: got 1", rows(1, Packing::BestFit)),
    ] {
        for out in [&out, &other] {
            let error = again(&refused, &folder.path().join("out"), out).unwrap_err();
            assert!(error.to_string().starts_with(option) && error.exit_code() == 2, "{error}");
        }
    }
    // What the folder was made with may be said again.
    let said = Pack { sequence_length: 64, memory: ByteSize::from_bytes(1 << 29), ..base };
    assert_eq!(finished(again(&said, &out, &other)).sequence_length, 64);
    let beside = TokenInput::find(&[inputs[0].clone(), out.clone()]).unwrap_err().to_string();
    assert!(beside.contains("a token folder among 2 inputs"), "{beside}");
    assert!(TokenInput::find(inputs).unwrap().is_none());
    let inside = again(&asked(), &out, &out.join("inside")).unwrap_err().to_string();
    assert!(inside.contains("lies inside the input"), "{inside}");
}

#[test]
fn rows_in_parquet_cannot_be_packed_again() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = &inputs(folder.path())["parquet"];
    let out = folder.path().join("out");
    finished(run(&Pack { format: TokenFormat::Parquet, ..configuration(folder.path()) }, inputs, &out));
    let message = again(&rows(64, Packing::Concatenate), &out, &out).unwrap_err().to_string();
    assert!(message.contains("rows that are cut already cannot be packed again"), "{message}");
}

/// Some of the times that a step comes: the first, the last, and two between.
fn some(total: usize) -> impl Iterator<Item = usize> {
    let times = [0, total / 3, 2 * total / 3, total - 1];
    times.into_iter().enumerate().filter(move |(at, time)| !times[..*at].contains(time)).map(|(_, time)| time)
}

#[test]
fn after_a_fault_the_same_command_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = &inputs(folder.path())["parquet"][..1];
    let (before, whole) = (folder.path().join("before"), folder.path().join("whole"));
    finished(run(&configuration(folder.path()), inputs, &before));
    let (untouched, wanted) = (content(&before), rows(77, Packing::BestFit));
    finished(again(&wanted, &before, &whole));
    for step in ["create", "write", "flush", "rename"] {
        let out = folder.path().join(step);
        let total = Faults::count(&out, step, || drop(again(&wanted, &before, &out).unwrap()));
        fs::remove_dir_all(&out).unwrap();
        for successes in some(total) {
            let faults = Faults::after(&out, step, successes);
            assert!(again(&wanted, &before, &out).is_err(), "{step} {successes}");
            drop(faults);
            finished(again(&wanted, &before, &out));
            assert_same(&whole, &out);
            fs::remove_dir_all(&out).unwrap();
        }
    }
    assert_eq!(content(&before), untouched);
}

#[test]
fn a_fault_in_place_leaves_the_folder_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = &inputs(folder.path())["parquet"][..1];
    let out = folder.path().join("out");
    let plain = configuration(folder.path());
    finished(run(&plain, inputs, &out));
    let (before, wanted) = (content(&out), rows(77, Packing::BestFit));
    let (mut total, mut whole) = (0, out.clone());
    for step in ["create", "write", "flush", "rename"] {
        whole = folder.path().join(step);
        finished(run(&plain, inputs, &whole));
        total = Faults::count(&whole, step, || drop(again(&wanted, &whole, &whole).unwrap()));
        for successes in some(total) {
            let faults = Faults::after(&out, step, successes);
            assert!(again(&wanted, &out, &out).is_err(), "{step} {successes}");
            drop(faults);
            // A row index may be there already, which nothing names.
            let mut now = content(&out);
            now.retain(|name, _| !name.ends_with(".idx"));
            assert_eq!(now, before);
        }
    }
    assert_eq!(total, 3, "two row indexes and the manifest are renamed");
    finished(again(&wanted, &out, &out));
    assert_same(&whole, &out);
}
