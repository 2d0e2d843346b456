//! `pack`: documents in, training rows out, with every token accounted for.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};

use super::pool::{self, Width};
use super::token_folder::{PackFolder, PackOrder, PackWriter, Totals};
use super::tokenization::Tokenization;
use super::{Progress, Watcher, preview, run_facts};
use crate::Result;
use crate::config::{Pack, resolve_threads};
use crate::manifest::{self, InputRecord};
use crate::pack::{Counts, EncoderRecord, Packed, TOKENS_FORMAT, TokenizerRecord};
use crate::sink::{self, TokenWidth};
use crate::source::{Options, Plan};
use crate::statistics;

/// Where the tokenizer is copied to, within the token folder.
const TOKENIZER: &str = "tokenizer";

/// How `pack` reads its input: the text alone.
#[must_use]
pub fn options(configuration: &Pack) -> Options {
    Options::of_text(&configuration.text_column, configuration.memory)
}

/// Packs what a plan reads into a folder and returns its manifest.
///
/// `inputs` are the paths behind the plan, which must not hold the output.
///
/// # Errors
/// [`crate::Error::Config`] and [`crate::Error::Input`] before the work starts; later whatever a file, the disk or
/// the watcher refuses, and [`crate::Error::Internal`] when a document or a token is not accounted for.
pub fn pack(
    configuration: &Pack,
    plan: &Plan,
    inputs: &[PathBuf],
    out: &Path,
    watcher: Watcher<'_>,
) -> Result<Packed> {
    let tokenization = Tokenization::open(configuration)?;
    let started = Instant::now();
    let progress = Progress::of_plan(plan);
    let road = PackFolder::new(configuration, plan, &tokenization, out, &progress);
    preview::check(plan, inputs, out)?;
    let records = InputRecord::of_files(&plan.files, &mut *watcher)?;
    sink::prepare_folder(out)?;
    let width = Width::new(resolve_threads(configuration.threads), configuration.memory.bytes());
    let order = PackOrder::new(configuration.limit);
    let ran = PackWriter::create(&road)
        .and_then(|writer| pool::run(&road, width, order, writer, &progress, &mut road.stopping(watcher)))
        .and_then(|(_, writer)| writer.finish());
    let totals = match ran {
        Ok(totals) => totals,
        Err(error) => {
            road.remove_empty();
            return Err(error);
        }
    };
    let mut manifest = describe(configuration, records, &tokenization, totals)?;
    manifest.statistics =
        statistics::of_packed(out, &manifest, &tokenization.folder, width.threads(), watcher)?;
    tokenization.folder.copy_to(&out.join(TOKENIZER))?;
    let seconds = started.elapsed().as_secs_f64();
    let mut facts = run_facts::facts(configuration.threads, configuration.memory, width.threads(), seconds);
    facts["seconds_by_stage"] = progress.stages.seconds();
    sink::write_json(out.join(manifest::RUN), &facts)?;
    // The manifest comes last: a folder that has one is complete.
    sink::write_json(out.join(manifest::MANIFEST), &manifest)?;
    Ok(manifest)
}

/// The manifest of a run, once both of its sums hold.
fn describe(
    configuration: &Pack,
    mut inputs: Vec<InputRecord>,
    tokenization: &Tokenization,
    totals: Totals,
) -> Result<Packed> {
    let Totals { training, validation, unreadable, rows } = totals;
    rows.enter(&mut inputs);
    let counts = Counts {
        documents: inputs.iter().map(|input| input.rows).sum(),
        training: training.ledger.documents,
        validation: validation.ledger.documents,
        unreadable,
    };
    counts.check()?;
    for split in [&training, &validation] {
        split.ledger.check(configuration.sequence_length)?;
    }
    let vocabulary_size = tokenization.encoder.vocabulary_size();
    let tokens_per_byte = match training.ledger.bytes {
        0 => 0.0,
        bytes => training.ledger.tokens as f64 / bytes as f64,
    };
    Ok(Packed {
        format: TOKENS_FORMAT.into(),
        format_version: 1,
        program: manifest::program(),
        configuration: settings(configuration),
        inputs,
        tokenizer: TokenizerRecord {
            path: TOKENIZER.into(),
            fingerprint: tokenization.folder.fingerprint(),
            vocabulary_size: vocabulary_size as u64,
        },
        special: tokenization.special.clone(),
        special_tokens: word(&configuration.special_tokens),
        encoder: EncoderRecord {
            name: tokenization.encoder.name().into(),
            proof: tokenization.encoder.proof().into(),
        },
        dtype: TokenWidth::of_vocabulary(vocabulary_size).dtype().into(),
        sequence_length: configuration.sequence_length,
        packing: word(&configuration.packing),
        counts,
        unreadable,
        tokens_per_byte,
        training,
        validation: (configuration.validation > 0.0).then_some(validation),
        statistics: None,
    })
}

/// A choice as users write it.
fn word(choice: &impl serde::Serialize) -> String {
    json!(choice).as_str().unwrap_or_default().to_owned()
}

/// The settings that change the output. Which tokenizer it was is said by its fingerprint, not by its path.
fn settings(configuration: &Pack) -> Value {
    let mut settings = run_facts::settings(configuration);
    settings.shift_remove("tokenizer");
    settings.into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write as _;
    use std::fs;

    use super::*;
    use crate::config::{Clean, Packing, SpecialTokenText, TokenFormat};
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
            pack(configuration, &plan, inputs, &self.folder.path().join(out), &mut |_| Ok(())).unwrap()
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

    #[test]
    fn names_of_choices_are_those_that_users_write() {
        assert_eq!(word(&Packing::Concatenate), "concatenate");
        assert_eq!(word(&SpecialTokenText::Parse), "parse");
    }
}
