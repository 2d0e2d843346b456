//! What may differ between runs of the same work, and goes into `run.json`; what may not, and goes into the manifest.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::config::{ByteSize, Clean, resolve_threads};
use crate::source::SourceFile;

/// The settings that change the output: a configuration without its running options.
pub(crate) fn settings(configuration: &impl Serialize) -> Map<String, Value> {
    let Value::Object(mut settings) = json!(configuration) else { return Map::new() };
    for running in ["threads", "memory", "max_unreadable", "shard", "step", "overwrite"] {
        settings.shift_remove(running);
    }
    settings
}

/// Threads that were asked for and that ran, memory, time, and the machine.
pub(crate) fn facts(asked_for: Option<usize>, memory: ByteSize, threads: usize, seconds: f64) -> Value {
    json!({
        "seconds": seconds,
        "threads": threads,
        "threads_asked_for": asked_for,
        "memory": memory,
        "cores": resolve_threads(None),
        "system": std::env::consts::OS,
        "architecture": std::env::consts::ARCH,
    })
}

/// Where the files lie that rules read, by the option that names each: a manifest holds what they say instead.
pub(crate) fn rule_files(configuration: &Clean) -> Value {
    let words = configuration.rules.words.on().map(|words| &words.file);
    let files = [
        ("language_model", configuration.language_model.as_ref()),
        ("classifier", configuration.classifier.as_ref()),
        ("rules.words.file", words),
    ];
    let named = files.into_iter().filter_map(|(option, path)| {
        let path = std::path::absolute(path?).ok()?;
        Some((option.to_owned(), path.to_str()?.into()))
    });
    Value::Object(named.collect())
}

/// Where the files of an input lie: the absolute folders under which their names are paths, each with the numbers of
/// its first file and of the one behind its last.
pub(crate) fn input_folders(files: &[SourceFile]) -> Value {
    let mut folders: Vec<(PathBuf, usize, usize)> = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let folder = folder_of(file);
        match folders.last_mut() {
            Some((last, _, end)) if *last == folder => *end = number + 1,
            _ => folders.push((folder, number, number + 1)),
        }
    }
    let told = |(folder, first, end): &(PathBuf, usize, usize)| {
        // Null where the name is not text: nobody could look a file up by it.
        json!({ "folder": folder.to_str(), "sources": [first, end] })
    };
    folders.iter().map(told).collect()
}

fn folder_of(file: &SourceFile) -> PathBuf {
    let name = Path::new(&file.name);
    let absolute = std::path::absolute(&file.path).unwrap_or_else(|_| file.path.clone());
    // Names that tell files of one name apart are those of the path without links.
    let path = if absolute.ends_with(name) { absolute } else { file.path.canonicalize().unwrap_or(absolute) };
    path.ancestors().nth(name.components().count()).unwrap_or(Path::new("")).to_path_buf()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::source::{Options, Plan};

    #[test]
    fn a_folder_and_a_name_make_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for path in ["a/x.txt", "a/deep/y.txt", "b/x.txt", "c.txt"] {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), path).unwrap();
        }
        let inputs = ["a", "b/x.txt", "c.txt"].map(|input| root.join(input));
        let plan = Plan::files(&inputs, Options::of_text("text", ByteSize::from_bytes(1 << 30))).unwrap();
        let told = input_folders(&plan.files);
        let mut covered = 0;
        for entry in told.as_array().unwrap() {
            let (first, end) = (entry["sources"][0].as_u64().unwrap(), entry["sources"][1].as_u64().unwrap());
            assert_eq!(first, covered);
            covered = end;
            for file in &plan.files[first as usize..end as usize] {
                let path = Path::new(entry["folder"].as_str().unwrap()).join(&file.name);
                assert_eq!(fs::read(path).unwrap(), fs::read(&file.path).unwrap());
            }
        }
        assert_eq!(covered, 4);
    }
}
