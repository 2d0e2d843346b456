//! How fast keys are resolved on disk. Not run with the other tests, and fails on no clock:
//!
//! ```text
//! cargo test --release -p prepcore --lib -- --ignored --nocapture resolve_100_million
//! ```
//!
//! It writes about 3.5 GB into the system's temporary folder. `RESOLVE_KEYS` and `RESOLVE_THREADS` change how many
//! keys there are and how many threads resolve them; two unless said otherwise.

use std::env;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use super::{Duplicates, DuplicatesWriter, PARTITIONS, Resolver, Run, SignatureWriter, Signatures};
use crate::source::{Address, PartFacts};

/// Keys of a run, and runs of a part: about what `--memory 1GiB` and parts of short documents come to.
const RUN_KEYS: u64 = 500_000;
const RUNS: u64 = 2;
/// One key in so many repeats an earlier one.
const REPEATS: u64 = 10;

fn number(name: &str, otherwise: u64) -> u64 {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// The key of a document; of each ten the last has the key of a first one half way back.
fn key(document: u64) -> u128 {
    let of = if document % REPEATS == REPEATS - 1 { document / 2 / REPEATS * REPEATS } else { document };
    xxhash_rust::xxh3::xxh3_128(&of.to_le_bytes())
}

#[test]
#[ignore = "a measurement: takes minutes and gigabytes"]
#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn resolve_100_million() {
    let (keys, threads) = (number("RESOLVE_KEYS", 100_000_000), number("RESOLVE_THREADS", 2) as usize);
    let folder = tempfile::tempdir().unwrap();
    let parts = keys.div_ceil(RUN_KEYS * RUNS);
    let clock = Instant::now();
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let part = next.fetch_add(1, Ordering::Relaxed);
                    if part >= parts {
                        break;
                    }
                    let mut writer = SignatureWriter::create(folder.path().join(part.to_string())).unwrap();
                    for run in part * RUNS..(part + 1) * RUNS {
                        let mut sorted = Run::default();
                        for document in (run * RUN_KEYS..(run + 1) * RUN_KEYS).take_while(|row| *row < keys) {
                            sorted.push(key(document), Address { source: part as u32, row: document });
                        }
                        writer.append(&sorted.sort()).unwrap();
                    }
                    writer.commit(PartFacts::default(), None).unwrap();
                }
            });
        }
    });
    let rate = |seconds: f64| keys as f64 / seconds / 1e6;
    let seconds = clock.elapsed().as_secs_f64();
    println!("{keys} keys of {parts} parts written in {seconds:.1} s: {:.1} million keys/s", rate(seconds));
    let open =
        |part: u64| Signatures::open(&folder.path().join(part.to_string()), Some(part as usize)).unwrap().0;
    let signatures: Vec<_> = (0..parts).map(open).collect();
    let resolver = Resolver::new(&signatures, parts as usize, 128 << 20);
    let (next, found, stop) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let target = folder.path().join("duplicates");
    let writer = Mutex::new(DuplicatesWriter::create(target.clone(), parts as usize).unwrap());
    let clock = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let partition = next.fetch_add(1, Ordering::Relaxed);
                    if partition >= PARTITIONS {
                        break;
                    }
                    let (_, duplicates) = resolver.resolve(partition, &writer, &stop).unwrap();
                    found.fetch_add(duplicates, Ordering::Relaxed);
                }
            });
        }
    });
    let partitions: Vec<usize> = (0..PARTITIONS).collect();
    writer.into_inner().unwrap().commit(&partitions).unwrap();
    let seconds = clock.elapsed().as_secs_f64();
    println!("resolved by {threads} threads in {seconds:.1} s: {:.1} million keys/s", rate(seconds));
    assert_eq!(found.into_inner(), keys / REPEATS);
    let duplicates = Duplicates::open([target]).unwrap();
    let clock = Instant::now();
    let last = parts - 1;
    let mut of_part = duplicates.of_part(last as usize).unwrap();
    let first = last * RUN_KEYS * RUNS;
    let twins = (first..keys)
        .filter(|row| of_part.twin(Address { source: last as u32, row: *row }).unwrap().is_some());
    assert_eq!(twins.count() as u64, (first..keys).filter(|row| row % REPEATS == REPEATS - 1).count() as u64);
    let seconds = clock.elapsed().as_secs_f64();
    println!("{} documents of a part looked up in {seconds:.2} s", keys - first);
}
