use std::collections::BTreeMap;
use std::fs;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::pack::DocumentLengths;
use crate::sink::SourceWriter;
use crate::sink::fault::Faults;

/// Where the documents lie in input order.
const BEFORE: &str = "before";

/// A folder of documents in input order: the ids of a document are its number, as often as it is long.
struct Bench {
    folder: tempfile::TempDir,
    split: SplitRecord,
}

impl Bench {
    fn new(lengths: &[usize], held_out: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let before = folder.path().join(BEFORE);
        fs::create_dir(&before).unwrap();
        let mut tokens = EncodedTokens::new(&before, TokenWidth::Four);
        let mut sources = SourceWriter::create(before.join("sources.parquet")).unwrap();
        let mut split = SplitRecord::default();
        for (document, length) in (0_u32..).zip(lengths) {
            tokens.append(&document.to_le_bytes().repeat(*length)).unwrap();
            // A document that is held out stands between any two.
            sources
                .append(Split::Training, format!("file-{}", document % 3).into(), document.into())
                .unwrap();
            if u64::from(document) < held_out {
                sources.append(Split::Validation, "held-out".into(), document.into()).unwrap();
            }
            split.ledger.documents += 1;
            split.ledger.tokens += *length as u64;
        }
        sources.commit().unwrap();
        split.files = tokens.finish().unwrap();
        for file in &mut split.files {
            file.path = format!("{BEFORE}/{}", file.path);
        }
        Self { folder, split }
    }

    /// Shuffles; gives the files that came of it and what was said of the sources.
    fn shuffle(&self, seed: u64, memory: u64) -> (SplitRecord, Files, Vec<(Split, String, u64)>) {
        let mut told = Vec::new();
        let mut tell = |split, source: Arc<str>, row| {
            told.push((split, source.to_string(), row));
            Ok(())
        };
        let record = self.run(seed, memory, &mut tell).unwrap();
        let mut files = Files::new();
        for entry in fs::read_dir(self.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                files.insert(name, fs::read(&path).unwrap());
                fs::remove_file(path).unwrap();
            }
        }
        (record, files, told)
    }

    fn run(
        &self,
        seed: u64,
        memory: u64,
        tell: &mut dyn FnMut(Split, Arc<str>, u64) -> Result<()>,
    ) -> Result<SplitRecord> {
        let sources = self.folder.path().join(BEFORE).join("sources.parquet");
        let (root, split) = (self.folder.path(), &self.split);
        let shuffle = Shuffle { root, split, sources: &sources, width: TokenWidth::Four, seed, memory };
        shuffle.run(tell, &mut Lookout::new(&mut |_| Ok(())))
    }
}

type Files = BTreeMap<String, Vec<u8>>;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_is_the_seeds_whatever_the_memory(
        lengths in vec(prop_oneof![8 => 1_usize..60, 1 => 1_usize..3_000], 0..150),
        held_out in 0_u64..5,
        seed in any::<u64>(),
    ) {
        let bench = Bench::new(&lengths, held_out);
        let (record, files, told) = bench.shuffle(seed, 1 << 30);

        let drawn = DrawnOrder::new(seed);
        let mut order: Vec<u64> = (0..lengths.len() as u64).collect();
        order.sort_by_key(|document| (drawn.place(*document), *document));
        let ids: Vec<u8> = order
            .iter()
            .flat_map(|document| (*document as u32).to_le_bytes().repeat(lengths[*document as usize]))
            .collect();
        prop_assert_eq!(files.get("tokens-00000.ds").map_or(&[][..], Vec::as_slice), &ids);
        let training = order.iter().map(|row| (Split::Training, format!("file-{}", row % 3), *row));
        let documents = lengths.len() as u64;
        let others = (0..held_out.min(documents)).map(|row| (Split::Validation, "held-out".into(), row));
        prop_assert_eq!(&told, &training.chain(others).collect::<Vec<_>>());
        prop_assert_eq!(&record.ledger, &bench.split.ledger);

        // 64 bytes of documents at a time: all are dealt, most of them more than once.
        for memory in [64 * SHARE, 4_000, 40_000] {
            prop_assert_eq!(&bench.shuffle(seed, memory), &(record.clone(), files.clone(), told.clone()));
        }
    }
}

#[test]
fn another_seed_is_another_order_and_the_index_fits() {
    let lengths: Vec<usize> = (0..500).map(|number| 1 + number % 7).collect();
    let bench = Bench::new(&lengths, 0);
    let orders: Vec<Vec<u64>> = (0..3)
        .map(|seed| bench.shuffle(seed, 1 << 30).2.into_iter().map(|(.., row)| row).collect())
        .collect();
    for order in &orders {
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert!(sorted.iter().copied().eq(0..500) && *order != sorted);
    }
    assert!(orders[0] != orders[1] && orders[1] != orders[2] && orders[0] != orders[2]);
    let record = bench.run(0, 1 << 30, &mut |_, _, _| Ok(())).unwrap();
    let ends = DocumentLengths::open(bench.folder.path(), &record.files[0]).unwrap();
    let wanted = orders[0].iter().map(|document| lengths[*document as usize] as u64);
    assert!(ends.map(Result::unwrap).eq(wanted));
}

#[test]
fn what_does_not_fit_together_and_a_full_disk_are_errors() {
    let bench = Bench::new(&[3, 4, 5, 6], 0);
    let ignore = &mut |_, _, _| Ok(());
    for step in ["create", "write"] {
        let faults = Faults::after(bench.folder.path(), step, 1);
        let message = bench.run(0, 64, ignore).unwrap_err().to_string();
        assert!(message.contains(&format!("injected at {step}")), "{message}");
        drop(faults);
        let left: Vec<_> =
            fs::read_dir(bench.folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(left, [bench.folder.path().join(BEFORE)]);
    }
    let sources = bench.folder.path().join(BEFORE).join("sources.parquet");
    let fewer = Bench::new(&[3, 4], 0);
    fs::copy(fewer.folder.path().join(BEFORE).join("sources.parquet"), sources).unwrap();
    let message = bench.run(0, 1 << 30, ignore).unwrap_err().to_string();
    assert!(message.contains("2 documents of train, expected more"), "{message}");
}
