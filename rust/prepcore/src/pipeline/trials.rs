//! What tests of runs share: inputs of every kind, and the same bytes however a run was cut.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use serde_json::Value;

use crate::sink::fault::Faults;
use crate::tokenize::train_byte_level;
use crate::{Error, Result};

/// Texts of several lines, a third of them repeats, some too short, with an address and now and then a listed word.
pub(crate) fn texts(seed: u8, count: usize) -> Vec<String> {
    let text = |number: usize| {
        let random = crate::dedup::key_of_text(&format!("{seed} {number}")) as u32;
        let which = random % (2 * count as u32 / 3 + 1);
        if which.is_multiple_of(11) {
            return format!("short {which}");
        }
        let word = format!("word {which} ");
        let listed = if which % 13 == 5 { "casino" } else { "chess" };
        let end = format!("w{}@example.com writes of {listed}", which % 50);
        format!("{}\n\n{}\n{which}\n{end}", word.repeat(20 + which as usize % 60), word.repeat(9))
    };
    (0..count).map(text).collect()
}

fn line(text: &str, number: usize) -> String {
    match number % 97 {
        13 => "not json".into(),
        14 => String::new(),
        _ => serde_json::json!({ "text": text, "n": number }).to_string(),
    }
}

/// Inputs of every kind, all of several parts; the folder must live as long.
pub(crate) fn inputs(folder: &Path) -> BTreeMap<&'static str, Vec<PathBuf>> {
    let mut inputs = BTreeMap::new();
    let path = |name: &str| folder.join(name);
    for (number, name) in (0..).zip(["small.jsonl", "large.jsonl", "last.jsonl"]) {
        let mut file = File::create(path(name)).unwrap();
        for (number, text) in texts(number, [40, 3000, 40][number as usize]).iter().enumerate() {
            writeln!(file, "{}", line(text, number)).unwrap();
        }
    }
    inputs.insert("jsonl", ["small.jsonl", "large.jsonl", "last.jsonl"].map(path).to_vec());
    let encode = |to: &str| {
        let mut encoder = GzEncoder::new(File::create(path(to)).unwrap(), flate2::Compression::fast());
        encoder.write_all(&fs::read(path(&to.replace(".gz", ""))).unwrap()).unwrap();
        encoder.finish().unwrap();
    };
    ["small.jsonl.gz", "large.jsonl.gz", "last.jsonl.gz"].into_iter().for_each(encode);
    inputs.insert("gzip", ["small.jsonl.gz", "large.jsonl.gz", "last.jsonl.gz"].map(path).to_vec());
    for (name, seed) in [("one.parquet", 1), ("two.parquet", 2)] {
        let texts: ArrayRef = Arc::new(StringArray::from(texts(seed, 2000)));
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..2000));
        let batch = RecordBatch::try_from_iter([("text", texts), ("n", numbers)]).unwrap();
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(150)).build();
        let file = File::create(path(name)).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }
    inputs.insert("parquet", ["one.parquet", "two.parquet"].map(path).to_vec());
    fs::create_dir(path("files")).unwrap();
    for (number, text) in texts(5, 3000).iter().enumerate() {
        fs::write(path("files").join(format!("{number:04}.txt")), text).unwrap();
    }
    inputs.insert("texts", vec![path("files")]);
    inputs
}

/// The folder of a tokenizer whose tokens are bytes, `<s>` and `</s>`.
pub(crate) fn tokenizer_of_bytes(folder: &Path) -> PathBuf {
    let tokenizer = folder.join("tokenizer");
    if !tokenizer.exists() {
        fs::create_dir(&tokenizer).unwrap();
        let special = ["<s>".to_owned(), "</s>".to_owned()];
        train_byte_level(std::iter::empty(), 258, &special, 1).unwrap().write(&tokenizer).unwrap();
    }
    tokenizer
}

/// Every file of a finished folder but `run.json`, with its content.
pub(crate) fn content(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![out.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(out).unwrap().to_string_lossy().into_owned();
            assert!(!name.starts_with(".unfinished") && !name.ends_with(".tmp"), "{path:?} is left");
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("run.json") {
                files.insert(name, fs::read(path).unwrap());
            }
        }
    }
    files
}

pub(crate) fn assert_same(left: &Path, right: &Path) {
    let (left, right) = (content(left), content(right));
    assert_eq!(left.keys().collect::<Vec<_>>(), right.keys().collect::<Vec<_>>());
    for (name, bytes) in &left {
        assert!(bytes == &right[name], "{name} differs");
    }
}

/// Inode and time stamp of every file of the finished parts, and how many documents these hold.
fn committed(out: &Path) -> (BTreeMap<PathBuf, (u64, SystemTime)>, u64) {
    let journal = out.join(".unfinished/journal-00001-of-00001.jsonl");
    let (mut files, mut documents) = (BTreeMap::new(), 0);
    for line in fs::read_to_string(journal).unwrap_or_default().split_inclusive('\n') {
        let Some(line) = line.strip_suffix('\n') else { continue };
        let line: Value = serde_json::from_str(line).unwrap();
        let Some(finished) = line.get("finished") else { continue };
        documents += finished["facts"]["documents"].as_u64().unwrap();
        let mut paths = Vec::new();
        paths_in(finished, &mut paths);
        for path in paths {
            // What cleaning writes lies deeper where tokens are written, too.
            let places = [out.join(&path), out.join("cleaning").join(&path)];
            let path = places.into_iter().find(|path| path.exists()).unwrap();
            let found = path.metadata().unwrap();
            files.insert(path, (found.ino(), found.modified().unwrap()));
        }
    }
    (files, documents)
}

/// Every file that a line of a journal names.
fn paths_in(value: &Value, paths: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            paths.extend(members.get("path").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| paths_in(member, paths));
        }
        Value::Array(members) => members.iter().for_each(|member| paths_in(member, paths)),
        _ => {}
    }
}

/// Lets every step of a run fail at some of the times that it comes, and goes on: finished parts are not touched,
/// their input is not read again, and in the end all is as in `whole`. The input has so many documents, which a run
/// reads so many times. Gives the number of files that the runs which failed had left.
pub(crate) fn faults_at_every_step(
    whole: &Path,
    (documents, passes): (u64, u64),
    run: impl Fn(&Path) -> Result<()>,
) -> usize {
    let mut kept_files = 0;
    for step in ["create", "write", "flush", "rename", "journal", "resolve"] {
        let out = whole.with_extension(step);
        let total = Faults::count(&out, step, || run(&out).unwrap());
        // Keys that meet on disk are the only ones that are resolved.
        assert_eq!(total > 0, step != "resolve" || passes == 2, "{step} comes {total} times");
        fs::remove_dir_all(&out).unwrap();
        // The first ones, some from the middle, and the last ones, where parts are finished already.
        let times = [0, 1, total / 3, 2 * total / 3, total.saturating_sub(3), total.saturating_sub(1)];
        for successes in times.into_iter().filter(|time| *time < total) {
            let faults = Faults::after(&out, step, successes);
            match run(&out) {
                Err(Error::Io { .. } | Error::Input { .. }) => {}
                other => panic!("{} {step} {successes}: {other:?}", whole.display()),
            }
            drop(faults);
            let (before, written) = committed(&out);
            kept_files += before.len();
            let stamps = before.into_iter().filter(|(path, _)| !path.starts_with(out.join(".unfinished")));
            let stamps: Vec<_> = stamps.collect();
            run(&out).unwrap();
            for (path, (inode, modified)) in stamps {
                let now = path.metadata().unwrap();
                assert_eq!((now.ino(), now.modified().unwrap()), (inode, modified), "{path:?}");
            }
            let facts = fs::read_to_string(out.join("run.json")).unwrap();
            let facts: Value = serde_json::from_str(&facts).unwrap();
            let read = facts["read"]["documents"].as_u64().unwrap();
            assert!(read <= passes * (documents - written), "{read} of {documents}, {written} finished");
            assert_same(whole, &out);
            fs::remove_dir_all(&out).unwrap();
        }
    }
    kept_files
}
