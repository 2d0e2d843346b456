//! The numbers of a small folder, worked out by hand.

use std::fs;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use parquet::arrow::ArrowWriter;

use super::*;
use crate::tokenize::train_byte_level;

fn write(root: &Path, name: &str, documents: &[&[u16]]) -> PathBuf {
    let ids: Vec<u8> = documents.concat().iter().flat_map(|id| id.to_le_bytes()).collect();
    let mut end = 0;
    let ends = documents.iter().flat_map(|document| {
        end += document.len() as u64;
        end.to_le_bytes()
    });
    fs::write(root.join(format!("{name}.index")), ends.collect::<Vec<_>>()).unwrap();
    fs::write(root.join(name), ids).unwrap();
    name.into()
}

fn write_sources(root: &Path, rows: &[(u64, &str, &str)]) {
    let documents: ArrayRef = Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.0)));
    let splits: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.1)));
    let sources: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.2)));
    let columns = [("document", documents), ("split", splits), ("source", sources)];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = fs::File::create(root.join("sources.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn ids_lengths_and_sources_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let special = ["<s>".to_owned(), "</s>".to_owned()];
    fs::create_dir(root.join("tokenizer")).unwrap();
    train_byte_level(std::iter::empty(), 258, &special, 1).unwrap().write(&root.join("tokenizer")).unwrap();
    let files = vec![
        write(root, "one.ds", &[&[0, 7, 7, 1], &[0, 1]]),
        write(root, "two.ds", &[&[], &[0, 7, 9, 9, 9, 9, 1]]),
    ];
    let held_out = vec![write(root, "held.ds", &[&[0, 5, 1]])];
    write_sources(
        root,
        &[(0, "train", "b"), (0, "validation", "a"), (1, "train", "b"), (2, "train", "a"), (3, "train", "a")],
    );
    let mut reading = Reading {
        folder: root.to_path_buf(),
        tokenizer: Some("tokenizer".into()),
        dtype: "uint16".into(),
        vocabulary_size: 258,
        train: SplitFiles { files, bytes: 26 },
        validation: Some(SplitFiles { files: held_out, bytes: 0 }),
        threads: 1,
    };
    let found = statistics(&reading, &mut |_| Ok(())).unwrap();
    let train = &found.train;
    assert_eq!((train.tokens, train.documents, train.distinct_tokens), (13, 4, 4));
    assert_eq!(train.tokens_per_byte, Some(0.5));
    assert_eq!((train.unknown_tokens, train.byte_fallback_tokens), (None, None));
    let top: Vec<_> = train.top_tokens.iter().map(|top| (top.id, top.count)).collect();
    assert_eq!(top, [(9, 4), (0, 3), (1, 3), (7, 3)]);
    assert_eq!(train.top_tokens[1].token.as_deref(), Some("<s>"));
    let lengths = train.document_lengths.as_ref().unwrap();
    assert_eq!((lengths.min, lengths.max, lengths.quantiles["50"]), (0, 7, 2));
    let named = |source: &str, documents, tokens| SourceTokens { source: source.into(), documents, tokens };
    assert_eq!(train.sources, [named("a", 2, 7), named("b", 2, 6)]);
    let held_out = found.validation.as_ref().unwrap();
    assert_eq!((held_out.tokens, held_out.tokens_per_byte), (3, None));
    assert_eq!(held_out.sources, [named("a", 1, 3)]);

    reading.threads = 3;
    assert_eq!(statistics(&reading, &mut |_| Ok(())).unwrap(), found);
    reading.vocabulary_size = 9;
    let message = statistics(&reading, &mut |_| Ok(())).unwrap_err().to_string();
    assert!(message.contains("beyond the vocabulary of 9 entries"), "{message}");
}
