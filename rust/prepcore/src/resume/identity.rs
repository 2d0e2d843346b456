//! What makes two runs the same: the settings that change the output, and the input.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Result;
use crate::manifest::{self, InputRecord};

/// What a run is. Two runs of one identity write the same bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) format: String,
    pub(crate) format_version: u32,
    pub(crate) program: String,
    pub(crate) configuration: Value,
    pub(crate) inputs: Vec<InputRecord>,
}

impl Identity {
    /// That of the run which finished a folder: its manifest says what the run was. `None` where there is no manifest
    /// of this format.
    ///
    /// # Errors
    /// [`crate::Error::Input`] when it is one of ours but cannot be read.
    pub(crate) fn of_folder(folder: &Path, format: &str) -> Result<Option<Self>> {
        let mut identity: Option<Self> = manifest::of_folder(folder, format)?;
        // How many rows there were is found out, and makes no other run.
        identity.iter_mut().flat_map(|identity| &mut identity.inputs).for_each(|input| input.rows = 0);
        Ok(identity)
    }

    /// How another run differs, in words; none where it is the same.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        // Patch versions do not change the output.
        let minor = |program: &str| {
            program.rsplit_once('.').map_or(program.to_owned(), |(minor, _)| minor.to_owned())
        };
        if (minor(&self.program), self.format_version) != (minor(&other.program), other.format_version) {
            differences.push(format!("the program was {}, now {}", self.program, other.program));
        }
        compare("", &self.configuration, &other.configuration, &mut differences);
        compare_inputs(&self.inputs, &other.inputs, &mut differences);
        differences
    }
}

fn compare(name: &str, before: &Value, now: &Value, differences: &mut Vec<String>) {
    match (before, now) {
        (Value::Object(before), Value::Object(now)) => {
            let names = before.keys().chain(now.keys().filter(|name| !before.contains_key(*name)));
            for inner in names {
                let path = if name.is_empty() { inner.clone() } else { format!("{name}.{inner}") };
                let value =
                    |object: &serde_json::Map<String, Value>| object.get(inner).cloned().unwrap_or_default();
                compare(&path, &value(before), &value(now), differences);
            }
        }
        _ if before != now => differences.push(format!("{name} was {before}, now {now}")),
        _ => {}
    }
}

fn compare_inputs(before: &[InputRecord], now: &[InputRecord], differences: &mut Vec<String>) {
    if before.len() != now.len() {
        differences.push(format!("the input was {} files, now {}", before.len(), now.len()));
    }
    let mut pairs = before.iter().zip(now);
    let Some((before, now)) = pairs.find(|(before, now)| before != now) else { return };
    differences.push(if before.path != now.path {
        format!("an input was {}, now {}", before.path, now.path)
    } else if before.size != now.size {
        format!("the input {} had {} bytes, now {}", before.path, before.size, now.size)
    } else {
        format!("the input {} has another content than before", before.path)
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn identity(configuration: Value, size: u64) -> Identity {
        let input = InputRecord {
            path: "raw.parquet".into(),
            kind: "Parquet".into(),
            size,
            fingerprint: String::new(),
            rows: 0,
        };
        Identity {
            format: "f".into(),
            format_version: 1,
            program: "prepcore 0.1.7".into(),
            configuration,
            inputs: vec![input],
        }
    }

    #[test]
    fn differences_name_the_setting_and_the_input() {
        let before = identity(json!({"rules": {"short_lines": {"min_lines": 3}}, "limit": null}), 1);
        let mut now = identity(json!({"rules": {"short_lines": {"min_lines": 5}}, "limit": null}), 2);
        let differences = before.differences(&now);
        let wanted = ["rules.short_lines.min_lines was 3, now 5", "the input raw.parquet had 1 bytes, now 2"];
        assert_eq!(differences, wanted);
        now = Identity { program: "prepcore 0.1.9".into(), ..before.clone() };
        assert_eq!(before.differences(&now), [""; 0]);
        now.program = "prepcore 0.2.0".into();
        assert_eq!(before.differences(&now), ["the program was prepcore 0.1.7, now prepcore 0.2.0"]);
    }
}
