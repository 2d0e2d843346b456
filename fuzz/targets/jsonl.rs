//! JSONL: nothing panics, every line is accounted for, and each verdict is that of another parser.
#![no_main]

mod harness;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// Arrays and objects within each other that the engine takes at the most.
const MAX_DEPTH: usize = 512;

fuzz_target!(init: harness::keep_panics(), |bytes: &[u8]| harness::run(|| target(bytes)));

fn target(bytes: &[u8]) {
    let extra = bytes.first().is_some_and(|byte| byte % 2 == 1);
    let path = harness::file("raw.jsonl", bytes);
    let plan = harness::plan(path, extra, false).expect("JSONL by its name");
    let compressed = bytes.starts_with(b"\x1f\x8b") || bytes.starts_with(b"\x28\xb5\x2f\xfd");
    let (mut next, mut found) = (0, Vec::new());
    for documents in plan.read() {
        let documents = documents.expect("a file that can be read");
        // Blank lines are no rows.
        next = harness::check_addresses(&documents, next, true);
        for (row, address) in documents.addresses.iter().enumerate() {
            let text = documents.text.get(row).expect("a text that is not null").to_owned();
            if extra {
                let rest = documents.batch.column(1);
                let rest = arrow_array::cast::AsArray::as_string::<i64>(rest).value(row).to_owned();
                let rest: Value = serde_json::from_str(&rest).expect("the rest of an object is one");
                assert!(rest.get("text").is_none());
            }
            found.push((address.row, Ok((text, documents.raw.get(row).to_vec()))));
        }
        for run in &documents.unreadable {
            assert!(compressed || run.offset.is_some_and(|offset| offset <= bytes.len() as u64));
            found.push((run.address.row, Err(run.error.clone())));
        }
    }
    if compressed {
        return;
    }
    found.sort_by_key(|(row, _)| *row);
    let mut found = found.into_iter();
    let content = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    for (row, line) in (0..).zip(content.split(|byte| *byte == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.trim_ascii().is_empty() {
            continue;
        }
        let (at, verdict) = found.next().expect("a verdict for each line");
        assert_eq!(at, row);
        match (referee(line), verdict) {
            (Some(wanted), Ok((text, raw))) => assert_eq!((wanted, line), (text, &raw[..])),
            (None, Err(_)) => {}
            (wanted, verdict) => {
                panic!("{:?}: {verdict:?}, but {wanted:?}", String::from_utf8_lossy(line));
            }
        }
    }
    assert!(found.next().is_none());
}

/// The text of a line by `serde_json`, of duplicate members the last.
fn referee(line: &[u8]) -> Option<String> {
    let line = std::str::from_utf8(line).ok()?;
    if depth(line) > MAX_DEPTH {
        return None;
    }
    let mut deserializer = serde_json::Deserializer::from_str(line);
    deserializer.disable_recursion_limit();
    let Object(text) = serde::Deserialize::deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    match text {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// An object's member `text`.
struct Object(Option<Value>);

impl<'de> serde::Deserialize<'de> for Object {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> serde::de::Visitor<'de> for Members {
    type Value = Object;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut members: A) -> Result<Object, A::Error> {
        let mut text = None;
        while let Some((name, value)) = members.next_entry::<String, Value>()? {
            // A number beyond 64 bits is looked at where a text should be, and passed over elsewhere.
            let infinite = |number: &serde_json::Number| number.as_f64().is_none_or(f64::is_infinite);
            if name == "text" {
                if value.as_number().is_some_and(infinite) {
                    return Err(serde::de::Error::custom("a number out of range"));
                }
                text = Some(value);
            }
        }
        Ok(Object(text))
    }
}

/// How deep brackets outside strings go.
fn depth(line: &str) -> usize {
    let (mut depth, mut most, mut in_string) = (0_usize, 0, false);
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' if in_string => drop(characters.next()),
            '"' => in_string = !in_string,
            '[' | '{' if !in_string => depth += 1,
            ']' | '}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        most = most.max(depth);
    }
    most
}
