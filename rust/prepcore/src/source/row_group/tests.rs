//! Row groups with texts that are none.

use std::path::Path;

use arrow_array::StringArray;
use arrow_schema::DataType;
use parquet::arrow::ArrowWriter;
use parquet::basic::{ConvertedType, Repetition, Type as PhysicalType};
use parquet::column::writer::ColumnWriter;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use proptest::prelude::*;

use super::*;
use crate::config::{ByteSize, Columns};
use crate::source::{Documents, Options, Plan};

/// Writes a file as no honest writer does: the bytes of the text are whatever they are.
fn write(path: &Path, groups: &[Vec<Option<Vec<u8>>>], nullable: bool) {
    let field = |name, kind, repetition, converted| {
        let builder = Type::primitive_type_builder(name, kind).with_repetition(repetition);
        Arc::new(builder.with_converted_type(converted).build().unwrap())
    };
    let repetition = if nullable { Repetition::OPTIONAL } else { Repetition::REQUIRED };
    let text = field("text", PhysicalType::BYTE_ARRAY, repetition, ConvertedType::UTF8);
    let number = field("n", PhysicalType::INT64, Repetition::REQUIRED, ConvertedType::NONE);
    let schema = Type::group_type_builder("schema").with_fields(vec![number, text]).build().unwrap();
    let properties = WriterProperties::builder().set_data_page_row_count_limit(50).set_write_batch_size(10);
    let file = File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties.build())).unwrap();
    for texts in groups {
        let mut group = writer.next_row_group().unwrap();
        while let Some(mut column) = group.next_column().unwrap() {
            match column.untyped() {
                ColumnWriter::Int64ColumnWriter(column) => {
                    let numbers: Vec<i64> = (0..texts.len() as i64).collect();
                    column.write_batch(&numbers, None, None).unwrap();
                }
                ColumnWriter::ByteArrayColumnWriter(column) => {
                    let values: Vec<ByteArray> =
                        texts.iter().flatten().cloned().map(ByteArray::from).collect();
                    let levels: Vec<i16> = texts.iter().map(|text| i16::from(text.is_some())).collect();
                    column.write_batch(&values, nullable.then_some(&levels[..]), None).unwrap();
                }
                _ => unreachable!(),
            }
            column.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
}

fn options(skip_corrupt: bool) -> Options {
    Options {
        text_column: "text".into(),
        columns: Columns::All,
        extra: false,
        memory: ByteSize::from_bytes(1 << 30),
        skip_corrupt,
        parts_of_cleaned: false,
    }
}

fn read(path: &Path) -> Vec<Documents> {
    read_plan(&Plan::files(&[path.to_path_buf()], options(false)).unwrap())
}

fn read_plan(plan: &Plan) -> Vec<Documents> {
    let segments = 0..plan.segments.len();
    let units = segments.flat_map(|segment| plan.open(segment).unwrap().collect::<Vec<_>>());
    units.map(|unit| plan.documents(unit.unwrap()).unwrap()).collect()
}

fn text() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop_oneof![
        40 => ".{0,30}".prop_map(|text| Some(text.into_bytes())),
        1 => Just(None),
        1 => prop::collection::vec(any::<u8>(), 0..30).prop_map(Some),
        1 => Just(Some(b"good until h\xc3\xa9re\xff".to_vec())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn bad_rows_alone_are_lost(
        mut groups in prop::collection::vec(prop::collection::vec(text(), 0..300), 1..4),
        nullable in any::<bool>(),
    ) {
        if !nullable {
            groups.iter_mut().for_each(|texts| texts.retain(Option::is_some));
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("raw.parquet");
        write(&path, &groups, nullable);
        let (mut found, mut reasons) = (Vec::new(), Vec::new());
        for documents in read(&path) {
            let numbers = documents.batch.column(0);
            let numbers = arrow_array::cast::AsArray::as_primitive::<arrow_array::types::Int64Type>(numbers);
            for row in 0..documents.len() {
                let text = documents.text.get(row).unwrap().as_bytes().to_vec();
                found.push((documents.addresses[row].row, numbers.value(row), text));
            }
            reasons.extend(documents.unreadable.into_iter().map(|row| (row.address.row, row.error)));
        }
        let rows = groups.iter().flat_map(|texts| (0..).zip(texts)).zip(0_u64..);
        let (mut wanted, mut wrong) = (Vec::new(), Vec::new());
        for ((number, text), row) in rows {
            match text.as_ref().map(|text| (text, std::str::from_utf8(text))) {
                None => wrong.push((row, "the text is null".to_owned())),
                Some((text, Ok(_))) => wanted.push((row, number, text.clone())),
                Some((_, Err(error))) => {
                    wrong.push((row, format!("the text is not valid UTF-8 (byte {})", error.valid_up_to())));
                }
            }
        }
        prop_assert_eq!(found, wanted);
        prop_assert_eq!(reasons, wrong);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn damage_is_counted_and_every_row_is_accounted_for(
        groups in prop::collection::vec(prop::collection::vec(text(), 0..300), 1..4),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        footer in prop::bool::weighted(0.2),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("raw.parquet");
        write(&path, &groups, true);
        let mut bytes = std::fs::read(&path).unwrap();
        let end = bytes.len() - 8;
        let length = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize;
        let within = if footer { end - length..bytes.len() } else { 0..end - length };
        for (place, byte) in damage {
            let place = within.start + place.index(within.len());
            bytes[place] = byte;
        }
        std::fs::write(&path, bytes).unwrap();
        // A file whose columns nobody knows cannot be planned, and that is all that may go wrong.
        let Ok(plan) = Plan::files(&[path], options(true)) else { return Ok(()) };
        let mut next = 0;
        for documents in read_plan(&plan) {
            let readable = documents.addresses.iter().map(|address| (address.row, 1));
            let unreadable = documents.unreadable.iter().map(|run| (run.address.row, run.rows));
            let mut rows: Vec<_> = readable.chain(unreadable).collect();
            rows.sort_unstable();
            for (row, count) in rows {
                prop_assert_eq!(row, next);
                next += count;
            }
        }
        if !footer {
            prop_assert_eq!(next, groups.iter().map(Vec::len).sum::<usize>() as u64);
        }
    }
}

#[test]
fn units_are_cut_as_if_nothing_were_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("raw.parquet");
    let rows_of_units = |bad: Option<usize>| -> Vec<usize> {
        let mut texts: Vec<_> = (0..3000).map(|row| Some(vec![b'x'; 5000 + row % 7])).collect();
        if let Some(bad) = bad {
            texts[bad] = Some(b"\xff".to_vec());
        }
        write(&path, &[texts], false);
        read(&path).iter().map(|documents| documents.len() + documents.unreadable.len()).collect()
    };
    let whole = rows_of_units(None);
    // The lost text no longer fills its unit, so that one more row may fit into it and into those behind.
    for bad in [0, 1000, 2999] {
        let cut = rows_of_units(Some(bad));
        assert_eq!(cut.iter().sum::<usize>(), 3000);
        assert!(whole.iter().zip(&cut).all(|(whole, cut)| whole.abs_diff(*cut) <= 2), "{whole:?} {cut:?}");
    }
}

#[test]
fn a_row_group_that_is_shorter_than_the_footer_says_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("raw.parquet");
    write(&path, &[vec![Some(b"a".to_vec()); 10]], false);
    let plan = Plan::files(std::slice::from_ref(&path), options(false)).unwrap();
    let metadata = super::super::parquet::load(&path).unwrap();
    let source = Source {
        path,
        metadata,
        group: 0,
        rows: 12,
        batch_rows: 100,
        columns: vec![0, 1],
        wanted: Arc::clone(plan.decoded_schema()),
        text: "text".into(),
        skip_corrupt: false,
    };
    let read: Result<Vec<_>> = RowGroup::open(source).collect();
    let error = read.unwrap_err().to_string();
    assert!(error.contains("row group 0: it ends after 10 of the 12 rows"), "{error}");
}

#[test]
fn values_of_one_length_count_where_they_are_null() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("raw.parquet");
    let nothing = arrow_array::new_null_array(&DataType::FixedSizeBinary(1 << 20), 3);
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c"]));
    let batch = RecordBatch::try_from_iter_with_nullable([("text", texts, false), ("blob", nothing, true)]);
    let batch = batch.unwrap();
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let plan = Plan::files(&[path], options(false)).unwrap();
    let row_groups = super::super::parquet::RowGroups::default();
    let (opened, beside) =
        row_groups.open(&plan.files[0], 0, 0, &plan.options, plan.decoded_schema()).unwrap();
    assert_eq!((opened.source.batch_rows, beside), (1, 1 << 20));
    assert_eq!(opened.map(|rows| rows.unwrap().batch.num_rows()).collect::<Vec<_>>(), [1; 3]);
}
