use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use super::*;
use crate::config::Clean;
use crate::pipeline::clean;
use crate::source::{Address, Plan};

const ROWS: u64 = 200;

/// Three files that fill several parts: kept documents, short ones, ones that come again, blank and damaged lines.
fn write(folder: &Path) -> Vec<PathBuf> {
    let path = |file: u64| folder.join(format!("{file}.jsonl"));
    for file in 0..3 {
        let mut lines = String::new();
        for row in 0..ROWS {
            let text = format!("{}\\nfile {file}\\nthird line {}", "word ".repeat(1000), row % 150);
            match row % 10 {
                2 => lines.push('\n'),
                3 => lines.push_str("{\"text\": null}\n"),
                4 => lines.push_str("{\"text\": \"short\"}\n"),
                5 => lines.push_str("{\"text\": \"a\\nb\\nc\"}\n"),
                _ => writeln!(lines, "{{\"text\": \"{text}\"}}").unwrap(),
            }
        }
        fs::write(path(file), lines).unwrap();
    }
    (0..3).map(path).collect()
}

fn cleaned(folder: &Path) -> (PathBuf, Cleaned) {
    cleaned_with(folder, Clean::default())
}

fn cleaned_with(folder: &Path, configuration: Clean) -> (PathBuf, Cleaned) {
    let inputs = write(folder);
    let configuration = Clean { max_unreadable: 1.0, ..configuration };
    let plan = Plan::files(&inputs, clean::options(&configuration)).unwrap();
    let out = folder.join("out");
    clean::clean(&configuration, &plan, &inputs, &out, &mut |_| Ok(())).unwrap();
    let manifest = manifest(&out).unwrap();
    assert!(manifest.parts.len() > 1, "{}", manifest.parts.len());
    (out, manifest)
}

#[test]
fn the_fates_of_all_rows_are_the_counts() {
    let folder = tempfile::tempdir().unwrap();
    let (out, manifest) = cleaned(folder.path());
    let mut counts = crate::manifest::Counts::of_reasons(manifest.counts.dropped.keys().map(String::as_str));
    let mut rows_of_parts: BTreeMap<String, u64> = BTreeMap::new();
    let mut blank = 0;
    for (source, row) in (0..3).flat_map(|source| (0..ROWS + 3).map(move |row| (source, row))) {
        let fate = fate(&out, Address { source, row }).unwrap();
        counts.documents += u64::from(fate != Fate::Unknown);
        match fate {
            Fate::Kept(at) => {
                let next = rows_of_parts.entry(at.path.unwrap()).or_default();
                assert_eq!(at.row, *next);
                *next += 1;
                counts.kept += 1;
            }
            Fate::Dropped(dropped) => {
                assert_eq!((dropped.source, dropped.row), (source, row));
                if dropped.reason == "duplicate" {
                    assert_eq!((dropped.twin_source, dropped.twin_row), (Some(source), Some(row - 150)));
                }
                counts.drop_for(&dropped.reason);
            }
            Fate::Unreadable { error, offset } => {
                assert!(error.contains("null") && offset.is_some(), "{error}");
                counts.unreadable += 1;
            }
            Fate::Unknown => blank += 1,
        }
    }
    let found = (counts.kept, &counts.dropped, counts.unreadable, counts.documents);
    let said = &manifest.counts;
    assert_eq!(found, (said.kept, &said.dropped, said.unreadable, said.documents));
    assert!(said.dropped["duplicate"] > 0 && said.dropped["few_lines"] > 0 && said.unreadable > 0);
    assert_eq!(blank, 3 * (ROWS / 10 + 3));
    let error = fate(&out, Address { source: 3, row: 0 }).unwrap_err().to_string();
    assert!(error.contains("has 3 files of input, so none of number 3"), "{error}");
}

#[test]
fn the_ledger_is_read_whole_or_in_part() {
    let folder = tempfile::tempdir().unwrap();
    let (out, manifest) = cleaned(folder.path());
    let whole = ledger(&out, &Reading { examples: 1000, ..Reading::default() }).unwrap();
    assert_eq!(
        (whole.rows, whole.rows_read),
        (manifest.counts.dropped_total(), manifest.counts.dropped_total())
    );
    for (reason, count) in manifest.counts.dropped.iter().filter(|(_, count)| **count > 0) {
        let of_reason = &whole.reasons[reason];
        assert_eq!((of_reason.rows, of_reason.examples.len() as u64), (*count, *count), "{reason}");
        assert!(of_reason.examples.is_sorted_by_key(|dropped| (dropped.source, dropped.row)));
        let valued = of_reason.examples.iter().filter_map(|dropped| dropped.value).collect::<Vec<_>>();
        assert_eq!(of_reason.values, valued);
        for dropped in &of_reason.examples {
            let address = Address { source: dropped.source, row: dropped.row };
            assert_eq!(fate(&out, address).unwrap(), Fate::Dropped(dropped.clone()));
        }
    }
    // A reason that is in few parts is met however few are read.
    let few = ledger(&out, &Reading { parts: 1, values: 7, ..Reading::default() }).unwrap();
    assert_eq!(few.reasons.keys().collect::<Vec<_>>(), whole.reasons.keys().collect::<Vec<_>>());
    assert!(
        few.reasons.values().all(|of_reason| of_reason.values.len() <= 7 && of_reason.examples.len() <= 3)
    );
}

#[test]
fn examples_are_drawn_by_the_seed_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (out, _) = cleaned(folder.path());
    let draw = |seed| {
        let reason = Some("few_lines".to_owned());
        let reading = Reading { examples: 5, seed: Some(seed), reason, ..Reading::default() };
        let read = ledger(&out, &reading).unwrap();
        assert_eq!(read.reasons.len(), 1);
        read.reasons["few_lines"]
            .examples
            .iter()
            .map(|dropped| (dropped.source, dropped.row))
            .collect::<Vec<_>>()
    };
    assert_eq!(draw(1), draw(1));
    assert_eq!(draw(1).len(), 5);
    assert!((2..6).any(|seed| draw(seed) != draw(1)));
}

#[test]
fn dropped_documents_are_found_where_they_were_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (out, manifest) = cleaned_with(folder.path(), Clean { keep_dropped: true, ..Clean::default() });
    let all = ledger(&out, &Reading { examples: 1000, ..Reading::default() }).unwrap();
    let addresses = all.reasons.values().flat_map(|of_reason| &of_reason.examples);
    let dropped: BTreeSet<Address> =
        addresses.map(|dropped| Address { source: dropped.source, row: dropped.row }).collect();
    assert_eq!(dropped.len() as u64, manifest.counts.dropped_total());
    // Rows that were not dropped are asked for, too.
    let wanted = (0..3).flat_map(|source| (0..ROWS + 1).map(move |row| Address { source, row })).collect();
    let texts = dropped_texts(&out, &wanted).unwrap();
    assert_eq!(texts.keys().copied().collect::<BTreeSet<_>>(), dropped);
    for (address, text) in texts {
        let path = folder.path().join(&manifest.inputs[address.source as usize].path);
        let line = fs::read_to_string(path).unwrap().lines().nth(address.row as usize).unwrap().to_owned();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap()["text"], text);
    }
    let few = BTreeSet::from([*dropped.last().unwrap()]);
    assert_eq!(dropped_texts(&out, &few).unwrap().into_keys().collect::<BTreeSet<_>>(), few);
    let other = tempfile::tempdir().unwrap();
    assert!(dropped_texts(&cleaned(other.path()).0, &wanted).unwrap().is_empty());
}

#[test]
fn kept_documents_have_the_addresses_of_their_texts() {
    let folder = tempfile::tempdir().unwrap();
    let (out, manifest) = cleaned(folder.path());
    for seed in [0, 1, 99] {
        let drawn = kept(&out, 20, seed, &mut |_| Ok(())).unwrap();
        // A unit of each part, and no more, is read for them.
        assert!((1..=20).contains(&drawn.len()), "{}", drawn.len());
        for document in drawn {
            let address = Address { source: document.source, row: document.row };
            assert!(matches!(fate(&out, address).unwrap(), Fate::Kept(_)));
            let path = folder.path().join(&manifest.inputs[document.source as usize].path);
            let lines = fs::read_to_string(path).unwrap();
            let line: serde_json::Value =
                serde_json::from_str(lines.lines().nth(document.row as usize).unwrap()).unwrap();
            assert_eq!(line["text"].as_str(), document.text.as_deref());
        }
    }
}

#[test]
fn places_are_spread_evenly() {
    assert_eq!(spread(10, 4).collect::<Vec<_>>(), [0, 2, 5, 7]);
    assert_eq!(spread(3, 8).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(spread(0, 8).count(), 0);
}

#[test]
fn a_folder_that_is_none_of_ours_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let said = |path: &Path| manifest(path).unwrap_err().to_string();
    assert!(said(folder.path()).contains("has no manifest.json"), "{}", said(folder.path()));
    let missing = folder.path().join("missing");
    assert!(said(&missing).contains("no such folder"), "{}", said(&missing));
    fs::create_dir(folder.path().join(UNFINISHED)).unwrap();
    assert!(said(folder.path()).contains("is not finished\nhint: "), "{}", said(folder.path()));
}
