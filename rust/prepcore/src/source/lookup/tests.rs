use std::fs;
use std::io::Write;
use std::path::Path;

use super::*;
use crate::source::{SEGMENT_BYTES, UNIT_BYTES};

fn lookup(path: &Path, kind: Kind) -> Lookup {
    let size = path.metadata().unwrap().len();
    Lookup {
        path: path.to_path_buf(),
        kind: kind.name().into(),
        size,
        fingerprint: crate::source::fingerprint(path, size).unwrap(),
        text_column: "text".into(),
        memory: ByteSize::from_bytes(1 << 30),
        most_bytes: None,
    }
}

fn rows(lookup: &Lookup, wanted: impl IntoIterator<Item = u64>) -> BTreeMap<u64, Row> {
    lookup.rows(&wanted.into_iter().collect(), &mut |_| Ok(())).unwrap()
}

/// All rows of a file as a run sees them.
fn all(path: &Path) -> Vec<(u64, Option<String>)> {
    let options = Options::of_text("text", ByteSize::from_bytes(1 << 30));
    let plan = Plan::files(&[path.to_path_buf()], options).unwrap();
    let (mut found, mut base) = (Vec::new(), 0);
    for segment in 0..plan.segments.len() {
        for unit in plan.open(segment).unwrap() {
            let mut documents = plan.documents(unit.unwrap()).unwrap();
            if let Some(lines) = documents.lines {
                documents.number_from(base);
                base += lines.count;
            }
            let texts = documents.text.iter().map(|text| text.map(str::to_owned));
            found.extend(documents.addresses.iter().map(|address| address.row).zip(texts));
            found.extend(documents.unreadable.iter().map(|row| (row.address.row, None)));
        }
    }
    found.sort();
    found
}

/// Lines of several segments, among them blank and damaged ones.
fn lines() -> Vec<u8> {
    let mut bytes = b"\xef\xbb\xbf".to_vec();
    for row in 0_u64.. {
        match row % 7 {
            3 => bytes.extend(b"\r\n"),
            5 => bytes.extend(b"{\"text\": 5}\n"),
            _ => {
                writeln!(bytes, "{{\"text\": \"{row} {}\"}}", "x".repeat((row * 37 % 400) as usize)).unwrap();
            }
        }
        if bytes.len() as u64 > 3 * SEGMENT_BYTES {
            break;
        }
    }
    bytes.extend(b"{\"text\": \"without a line end\"}");
    bytes
}

fn check(path: &Path, most_rows: u64) {
    let lookup = lookup(path, Kind::Jsonl);
    let all: BTreeMap<_, _> = all(path).into_iter().collect();
    let last = *all.keys().last().unwrap();
    assert!(last < most_rows);
    let found = rows(&lookup, 0..most_rows);
    assert_eq!(found.len() as u64, most_rows);
    for (row, found) in found {
        let expected = match (all.get(&row), found) {
            (Some(Some(text)), Row::Text { text: found }) => *text == found,
            (Some(None), Row::Unreadable { .. }) => true,
            (None, Row::Blank) => row < last && row % 7 == 3,
            (None, Row::Beyond) => row > last,
            _ => false,
        };
        assert!(expected, "row {row}");
    }
    for row in [0, last / 2, last] {
        assert_eq!(
            rows(&lookup, [row]),
            rows(&lookup, 0..=last).into_iter().filter(|(at, _)| *at == row).collect()
        );
    }
}

#[test]
fn every_row_is_the_one_that_a_run_reads() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = lines();
    let count = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
    let plain = folder.path().join("plain.jsonl");
    fs::write(&plain, &bytes).unwrap();
    check(&plain, count + 5);
    let packed = folder.path().join("packed.jsonl.gz");
    let mut encoder =
        flate2::write::GzEncoder::new(fs::File::create(&packed).unwrap(), flate2::Compression::fast());
    encoder.write_all(&bytes).unwrap();
    encoder.finish().unwrap();
    check(&packed, count + 5);
    let zstd = folder.path().join("packed.jsonl.zst");
    fs::write(&zstd, zstd::encode_all(&bytes[..], 1).unwrap()).unwrap();
    check(&zstd, count + 5);
}

#[test]
fn a_bound_ends_the_reading() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain.jsonl");
    fs::write(&plain, lines()).unwrap();
    let lookup = Lookup { most_bytes: Some(UNIT_BYTES), ..lookup(&plain, Kind::Jsonl) };
    let found = rows(&lookup, [0, 1_000_000]);
    assert!(matches!(found[&0], Row::Text { .. }));
    assert_eq!(found[&1_000_000], Row::NotRead);
}

#[test]
fn a_text_file_is_one_whatever_its_first_line_looks_like() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("package.json");
    fs::write(&path, "{\"text\":\"not this\"}").unwrap();
    let found = rows(&lookup(&path, Kind::Text), [0, 1]);
    assert_eq!(found[&0], Row::Text { text: "{\"text\":\"not this\"}".into() });
    assert_eq!(found[&1], Row::Beyond);
}

#[test]
fn a_file_that_has_changed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    fs::write(&path, "{\"text\":\"a\"}\n").unwrap();
    let lookup = lookup(&path, Kind::Jsonl);
    let said = || lookup.rows(&BTreeSet::from([0]), &mut |_| Ok(())).unwrap_err().to_string();
    fs::write(&path, "{\"text\":\"b\"}\n").unwrap();
    assert!(said().contains("its fingerprint is"), "{}", said());
    fs::write(&path, "{\"text\":\"ab\"}\n").unwrap();
    assert!(said().contains("it has 14 bytes, and had 13"), "{}", said());
    fs::remove_file(&path).unwrap();
    assert!(said().contains("not there any more"), "{}", said());
}
