//! Pages that claim what would end the process.

use std::path::Path;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::schema::types::{ColumnDescriptor, ColumnPath, Type as SchemaType};
use proptest::prelude::*;

use super::*;
use crate::config::{ByteSize, Columns};
use crate::source::{Options, Plan};

/// A number of values as a run's second byte to the ninth: 2^56 - 1.
const ABSURD: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
/// What a run of lengths begins with here: blocks of 128 in four parts.
const RUN: [u8; 3] = [0x80, 1, 4];

/// A file of a single uncompressed page in each column.
fn write(path: &Path, columns: [(&str, Vec<Option<String>>); 2], encoding: Encoding, version: WriterVersion) {
    let columns = columns.map(|(name, texts)| (name, Arc::new(StringArray::from(texts)) as ArrayRef, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let properties = WriterProperties::builder().set_dictionary_enabled(false).set_encoding(encoding);
    let properties =
        properties.set_compression(Compression::UNCOMPRESSED).set_writer_version(version).build();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn plan(path: &Path, skip_corrupt: bool) -> Plan {
    let options = Options {
        text_column: "text".into(),
        columns: Columns::All,
        extra: false,
        memory: ByteSize::from_bytes(1 << 30),
        skip_corrupt,
        parts_of_cleaned: false,
    };
    Plan::files(&[path.to_path_buf()], options).unwrap()
}

/// The texts that can be read, and how many rows cannot.
fn read(plan: &Plan) -> crate::Result<(Vec<String>, u64)> {
    let (mut texts, mut lost) = (Vec::new(), 0);
    for documents in plan.read() {
        let documents = documents?;
        texts.extend((0..documents.len()).map(|row| documents.text.get(row).unwrap().to_owned()));
        lost += documents.unreadable.iter().map(|run| run.rows).sum::<u64>();
    }
    Ok((texts, lost))
}

#[test]
fn lengths_that_no_page_can_hold_are_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("raw.parquet");
    let texts = |name: &str| -> Vec<_> {
        (0..40_usize).map(|row| (row % 9 != 3).then(|| format!("{name}{}", "ab".repeat(row)))).collect()
    };
    let encodings = [(Encoding::DELTA_BYTE_ARRAY, 2), (Encoding::DELTA_LENGTH_BYTE_ARRAY, 1)];
    let versions = [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0];
    for ((encoding, runs), version) in
        encodings.into_iter().flat_map(|it| versions.map(|version| (it, version)))
    {
        write(&path, [("text", texts("t")), ("other", texts("o"))], encoding, version);
        assert_eq!(read(&plan(&path, false)).unwrap().0.len(), 35);
        let whole = std::fs::read(&path).unwrap();
        let places: Vec<_> =
            whole.windows(RUN.len()).enumerate().filter(|(_, bytes)| *bytes == RUN).collect();
        assert_eq!(places.len(), 2 * runs);
        for (number, (place, _)) in places.into_iter().enumerate() {
            let mut bytes = whole.clone();
            let claim = place + RUN.len();
            bytes[claim..claim + ABSURD.len()].copy_from_slice(&ABSURD);
            std::fs::write(&path, &bytes).unwrap();
            let message = read(&plan(&path, false)).unwrap_err().to_string();
            let column = if number < runs { "text" } else { "other" };
            let wanted = format!(
                "a page of the column {column:?} claims {} values where 40 are possible",
                (1_u64 << 56) - 1
            );
            assert!(
                message.contains("raw.parquet: row group 0: ") && message.ends_with(&wanted),
                "{message}"
            );
            assert_eq!(read(&plan(&path, true)).unwrap(), (Vec::new(), 40));
        }
    }
}

#[test]
fn a_header_ends_with_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("raw.parquet");
    let texts = vec![Some("a".to_owned()); 3];
    write(&path, [("text", texts.clone()), ("other", texts)], Encoding::PLAIN, WriterVersion::PARQUET_1_0);
    let mut bytes = std::fs::read(&path).unwrap();
    // Behind the file's first four bytes: a member of no known number, a text of 2^28 - 1 bytes.
    bytes[4..9].copy_from_slice(&[0xf8, 0xff, 0xff, 0xff, 0x7f]);
    std::fs::write(&path, &bytes).unwrap();
    let message = read(&plan(&path, false)).unwrap_err().to_string();
    assert!(message.ends_with("the file ends within the header of a page"), "{message}");
    assert_eq!(read(&plan(&path, true)).unwrap(), (Vec::new(), 3));
}

#[test]
fn a_dictionary_holds_no_more_values_than_its_bytes_can() {
    let column = |kind| {
        let kind = SchemaType::primitive_type_builder("text", kind).build().unwrap();
        Arc::new(ColumnDescriptor::new(Arc::new(kind), 0, 0, ColumnPath::from("text")))
    };
    let found = |kind, values: u32| {
        let buf = vec![0; 400].into();
        let page =
            Page::DictionaryPage { buf, num_values: values, encoding: Encoding::PLAIN, is_sorted: false };
        excess(&page, &column(kind))
    };
    assert_eq!(found(Type::BYTE_ARRAY, 100), None);
    assert_eq!(found(Type::BYTE_ARRAY, 101).unwrap(), "101 values where 100 are possible");
    assert_eq!(found(Type::INT32, 100), None);
    assert!(found(Type::INT32, u32::MAX).is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn honest_pages_are_read(
        texts in prop::collection::vec(prop::option::weighted(0.9, "[ab]{0,40}"), 0..700),
        prefixes in any::<bool>(),
        first in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("raw.parquet");
        let encoding = if prefixes { Encoding::DELTA_BYTE_ARRAY } else { Encoding::DELTA_LENGTH_BYTE_ARRAY };
        let version = if first { WriterVersion::PARQUET_1_0 } else { WriterVersion::PARQUET_2_0 };
        write(&path, [("text", texts.clone()), ("other", texts.clone())], encoding, version);
        let wanted: Vec<_> = texts.iter().flatten().cloned().collect();
        let lost = (texts.len() - wanted.len()) as u64;
        prop_assert_eq!(read(&plan(&path, false)).unwrap(), (wanted, lost));
    }
}
