//! `pack`: documents in, training rows out, with every token accounted for.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::encoding::Encoding;
use super::packing::Packing;
use super::preview::{check_room, of_plan};
use super::token_folder::PackFolder;
use super::token_part::TokenSink;
use super::tokenization::Tokenization;
use super::{Outcome, Preview, Progress, Watcher, run_facts};
use crate::config::{Pack, Shard};
use crate::manifest::{self, InputRecord};
use crate::pack::{Packed, SplitRecord, TOKENS_FORMAT};
use crate::resume::{self, Identity, Opened, RunFolder, TOKENS};
use crate::source::{Options, Plan};
use crate::{Result, sink};

/// How `pack` reads its input: the text alone.
#[must_use]
pub fn options(configuration: &Pack) -> Options {
    let options = Options::of_text(&configuration.text_column, configuration.memory);
    Options { parts_of_cleaned: true, ..options }
}

/// Finds what a run would be refused for, and says what it would read and write; does nothing else.
///
/// # Errors
/// [`crate::Error::Config`] and [`crate::Error::Input`], as [`pack`] would before it starts.
pub fn preview(configuration: &Pack, plan: &Plan, inputs: &[PathBuf], out: &Path) -> Result<Preview> {
    Tokenization::open(configuration)?;
    check(plan, inputs, out)?;
    Ok(of_plan(plan, out, resume::standing(out, &TOKENS)?.holds()))
}

/// Packs what a plan reads into a folder. A run that was stopped goes on where it was.
///
/// `inputs` are the paths behind the plan, which must not hold the output.
///
/// # Errors
/// [`crate::Error::Config`] and [`crate::Error::Input`] before the work starts; later whatever a file, the disk or
/// the watcher refuses, and [`crate::Error::Internal`] when a document or a token is not accounted for. Parts that
/// were finished stay.
pub fn pack(
    configuration: &Pack,
    plan: &Plan,
    inputs: &[PathBuf],
    out: &Path,
    watcher: Watcher<'_>,
) -> Result<Outcome<Packed>> {
    let tokenization = Tokenization::open(configuration)?;
    let progress = Progress::of_plan(plan);
    let folder = PackFolder {
        plan,
        encoding: Encoding::new(configuration, &tokenization),
        sink: TokenSink::new(configuration, tokenization.encoder.vocabulary_size())?,
        progress: &progress,
    };
    check(plan, inputs, out)?;
    let identity = Identity {
        format: TOKENS_FORMAT.into(),
        format_version: 1,
        program: manifest::program(),
        configuration: settings(configuration, &tokenization),
        inputs: InputRecord::of_files(&plan.files, &mut *watcher)?,
    };
    let look: &mut dyn FnMut() -> Result<()> = &mut || watcher(&progress);
    match RunFolder::open(out, &TOKENS, &identity, configuration.overwrite, Shard::WHOLE, look)? {
        Opened::Finished => finished_before(out).map(Outcome::FinishedBefore),
        Opened::Run(run) => Packing::new(configuration, &folder, &tokenization, identity, run).run(watcher),
    }
}

/// What a run is refused for without work.
fn check(plan: &Plan, inputs: &[PathBuf], out: &Path) -> Result<()> {
    sink::check_apart(out, inputs, plan.files.iter().map(|file| file.path.as_path()))?;
    check_room(plan, out, &TOKENS)
}

/// The manifest of a run that was finished before, once its files were looked at.
pub(crate) fn finished_before(out: &Path) -> Result<Packed> {
    let manifest: Packed = manifest::of_finished(out, TOKENS_FORMAT)?;
    let splits: Vec<&SplitRecord> = [&manifest.training].into_iter().chain(&manifest.validation).collect();
    let files = splits.iter().flat_map(|split| &split.files);
    resume::check_whole(out, files.clone().map(|file| (file.path.as_str(), file.bytes)))?;
    let ends = files.filter_map(|file| Some((format!("{}.index", file.path), 8 * file.documents?)));
    let ends: Vec<(String, u64)> = ends.collect();
    let indexes = splits.iter().flat_map(|split| &split.row_indexes);
    resume::check_whole(out, indexes.map(|index| (index.path.as_str(), index.bytes)))?;
    resume::check_whole(out, ends.iter().map(|(path, bytes)| (path.as_str(), *bytes)))?;
    Ok(manifest)
}

/// The settings that change the output. Which tokenizer it was is said by what its files hold, not by its path.
pub(crate) fn settings(configuration: &Pack, tokenization: &Tokenization) -> Value {
    let mut settings = run_facts::settings(configuration);
    settings.insert("tokenizer".into(), tokenization.folder.fingerprints().into());
    settings.into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write as _;
    use std::fs;

    use super::*;
    use crate::config::{Clean, SpecialTokenText, TokenFormat};
    use crate::pipeline::clean;
    use crate::tokenize::train_byte_level;

    struct Bench {
        folder: tempfile::TempDir,
    }

    impl Bench {
        /// Two files of documents, one of them with rows that cannot be read, and a tokenizer of bytes.
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let (mut first, mut second) = (String::new(), String::from("{\"text\": 7}\n\n"));
            for number in 0..300 {
                writeln!(first, r#"{{"text": "document\n{number}\nof the first file"}}"#).unwrap();
                writeln!(second, r#"{{"text": "</s> {}\nand\nmore"}}"#, "x".repeat(number)).unwrap();
            }
            fs::write(folder.path().join("a.jsonl"), first).unwrap();
            fs::write(folder.path().join("b.jsonl"), second).unwrap();
            let tokenizer = folder.path().join("tokenizer");
            fs::create_dir(&tokenizer).unwrap();
            let special = ["<s>".to_owned(), "</s>".to_owned()];
            train_byte_level(std::iter::empty(), 258, &special, 1).unwrap().write(&tokenizer).unwrap();
            Self { folder }
        }

        fn configuration(&self) -> Pack {
            let tokenizer = self.folder.path().join("tokenizer");
            Pack { tokenizer, sequence_length: 64, validation: 0.2, max_unreadable: 1.0, ..Pack::default() }
        }

        fn inputs(&self) -> Vec<PathBuf> {
            ["a.jsonl", "b.jsonl"].map(|name| self.folder.path().join(name)).into()
        }

        fn pack(&self, configuration: &Pack, inputs: &[PathBuf], out: &str) -> Packed {
            let plan = Plan::files(inputs, options(configuration)).unwrap();
            let outcome = pack(configuration, &plan, inputs, &self.folder.path().join(out), &mut |_| Ok(()));
            let Outcome::Finished(manifest) = outcome.unwrap() else { panic!("finished before") };
            manifest
        }

        /// Every file of a folder but `run.json`.
        fn files(&self, out: &str) -> BTreeMap<String, Vec<u8>> {
            let root = self.folder.path().join(out);
            let mut files = BTreeMap::new();
            for folder in ["", "validation", "tokenizer"] {
                for entry in fs::read_dir(root.join(folder)).into_iter().flatten() {
                    let path = entry.unwrap().path();
                    let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                    if path.is_file() && name != "run.json" {
                        files.insert(name, fs::read(&path).unwrap());
                    }
                }
            }
            files
        }
    }

    /// A document's ids with the tokenizer of bytes: `<s>` is 0, `</s>` 1, and the bytes follow.
    fn ids(files: &BTreeMap<String, Vec<u8>>, name: &str) -> Vec<u16> {
        files[name].chunks_exact(2).map(|id| u16::from_le_bytes([id[0], id[1]])).collect()
    }

    #[test]
    fn every_document_and_token_is_accounted_for_at_any_thread_count() {
        let bench = Bench::new();
        for format in [TokenFormat::Tokens, TokenFormat::Parquet] {
            let mut first = None;
            for threads in [1, 2, 7] {
                let out = format!("{format:?}-{threads}");
                let configuration = Pack { format, threads: Some(threads), ..bench.configuration() };
                let manifest = bench.pack(&configuration, &bench.inputs(), &out);
                assert_eq!((manifest.counts.documents, manifest.unreadable), (601, 1));
                let held_out = manifest.validation.unwrap().ledger;
                assert_eq!(manifest.training.ledger.documents + held_out.documents, 600);
                assert!((60..180).contains(&held_out.documents), "{held_out:?}");
                let files = bench.files(&out);
                assert!(files["unreadable.jsonl"].starts_with(br#"{"source":1,"file":"b.jsonl","row":0,"#));
                assert_eq!(first.get_or_insert_with(|| files.clone()), &files);
            }
        }
    }

    #[test]
    fn special_tokens_stand_around_documents_and_nowhere_else() {
        let bench = Bench::new();
        for (special_tokens, extra) in [(SpecialTokenText::Text, 0), (SpecialTokenText::Parse, 300)] {
            let out = format!("{special_tokens:?}");
            let configuration = Pack { special_tokens, validation: 0.0, ..bench.configuration() };
            let manifest = bench.pack(&configuration, &bench.inputs(), &out);
            assert!(manifest.validation.is_none());
            let files = bench.files(&out);
            let ids = ids(&files, "tokens-00000.ds");
            assert_eq!(ids.iter().filter(|id| **id == 0).count(), 600);
            assert_eq!(ids.iter().filter(|id| **id == 1).count(), 600 + extra);
            for end in files["tokens-00000.ds.index"].chunks_exact(8) {
                let end = u64::from_le_bytes(end.try_into().unwrap()) as usize;
                assert_eq!(ids[end - 1], 1);
                assert!(ids.get(end).is_none_or(|id| *id == 0));
            }
        }
    }

    #[test]
    fn the_limit_counts_rows_as_clean_does() {
        let bench = Bench::new();
        let configuration = Pack { limit: Some(302), validation: 0.0, ..bench.configuration() };
        let manifest = bench.pack(&configuration, &bench.inputs(), "limited");
        assert_eq!(
            (manifest.counts.documents, manifest.training.ledger.documents, manifest.unreadable),
            (302, 301, 1)
        );
    }

    #[test]
    fn documents_of_a_cleaned_folder_are_traced_to_the_raw_file() {
        let bench = Bench::new();
        let cleaned = bench.folder.path().join("cleaned");
        let cleaning = Clean { max_unreadable: 1.0, ..Clean::default() };
        let plan = Plan::files(&bench.inputs(), clean::options(&cleaning)).unwrap();
        clean::clean(&cleaning, &plan, &bench.inputs(), &cleaned, &mut |_| Ok(())).unwrap();
        let kept = manifest::Cleaned::of_folder(&cleaned).unwrap().unwrap();
        let manifest = bench.pack(&bench.configuration(), &[cleaned], "traced");
        assert_eq!(manifest.counts.documents, kept.counts.kept);
        let file = fs::File::open(bench.folder.path().join("traced/sources.parquet")).unwrap();
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(file, 1 << 20).unwrap();
        let batches: Vec<_> = reader.collect::<std::result::Result<_, _>>().unwrap();
        let rows: Vec<String> = batches
            .iter()
            .flat_map(|batch| {
                let text = |column: usize| {
                    arrow_cast::cast(batch.column(column), &arrow_schema::DataType::Utf8).unwrap()
                };
                let (sources, rows) = (text(2), text(3));
                let column = |array| crate::text::TextColumn::new(array).unwrap();
                let (sources, rows) = (column(&sources), column(&rows));
                (0..batch.num_rows())
                    .map(|row| format!("{}:{}", sources.get(row).unwrap(), rows.get(row).unwrap()))
                    .collect::<Vec<_>>()
            })
            .collect();
        // Numbers of one or two digits make lines that are too short.
        assert_eq!(rows.len() as u64, kept.counts.kept);
        assert_eq!(rows[..2], ["a.jsonl:100", "a.jsonl:101"]);
        // The first line of the second file holds no text, and the next is blank.
        assert!(rows.contains(&"b.jsonl:2".to_owned()) && !rows.contains(&"b.jsonl:1".to_owned()));
    }
}
