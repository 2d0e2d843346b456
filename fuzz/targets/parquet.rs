//! Parquet: nothing panics, every row is accounted for, strings are strings, and damage is an error or counted.
#![no_main]

mod harness;

use arrow_array::Array;
use libfuzzer_sys::fuzz_target;
use prepcore::Error;
use prepcore::source::{Documents, Plan};

fuzz_target!(init: harness::keep_panics(), |bytes: &[u8]| harness::run(|| target(bytes)));

fn target(bytes: &[u8]) {
    let path = harness::file("raw.parquet", bytes);
    let skipping = match harness::plan(path.clone(), false, true) {
        Ok(plan) => plan,
        Err(error) => {
            assert!(is_of_the_file(&error), "{error}");
            return;
        }
    };
    let skipped = read(&skipping).expect("damage is counted");
    let strict = harness::plan(path, false, false).and_then(|plan| read(&plan));
    match strict {
        Ok(strict) => assert_eq!(strict, skipped),
        Err(error) => assert!(is_of_the_file(&error), "{error}"),
    }
}

/// Whether an error is one that a file may cause.
fn is_of_the_file(error: &Error) -> bool {
    matches!(error, Error::Corrupt { .. } | Error::Input { .. } | Error::Config { .. })
}

/// Rows, and the texts that could be read.
fn read(plan: &Plan) -> prepcore::Result<(u64, Vec<String>)> {
    let (mut next, mut texts) = (0, Vec::new());
    for documents in plan.read() {
        let documents = documents?;
        next = harness::check_addresses(&documents, next, false);
        check_strings(&documents);
        texts.extend((0..documents.len()).map(|row| documents.text.get(row).expect("no null").to_owned()));
    }
    Ok((next, texts))
}

/// A string that is not UTF-8 is undefined behaviour wherever it is looked at.
fn check_strings(documents: &Documents) {
    for column in documents.batch.columns() {
        column.to_data().validate_full().expect("a valid array");
    }
}
