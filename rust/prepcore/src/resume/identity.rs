//! What makes two runs the same: the settings that change the output, and the input.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::finished::FinishedParts;
use crate::Result;
use crate::manifest::{CheckRecord, Cleaned, Counts, HashRecord, InputRecord, RowsBySource};

/// What a run is. Two runs of one identity write the same bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) format: String,
    pub(crate) format_version: u32,
    pub(crate) program: String,
    pub(crate) configuration: Value,
    pub(crate) hash: HashRecord,
    pub(crate) inputs: Vec<InputRecord>,
}

impl Identity {
    /// That of the run which wrote a finished folder.
    pub(crate) fn of_manifest(manifest: &Cleaned) -> Self {
        let inputs = manifest.inputs.iter().map(|input| InputRecord { rows: 0, ..input.clone() });
        Self {
            format: manifest.format.clone(),
            format_version: manifest.format_version,
            program: manifest.program.clone(),
            configuration: manifest.configuration.clone(),
            hash: manifest.hash.clone(),
            inputs: inputs.collect(),
        }
    }

    /// The manifest of a run of which these parts are all. `counts` are of nothing, with every reason named.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] where the sums do not add up.
    pub(crate) fn manifest(
        self,
        finished: &FinishedParts,
        checks: Vec<CheckRecord>,
        mut counts: Counts,
    ) -> Result<Cleaned> {
        let Self { format, format_version, program, configuration, hash, mut inputs } = self;
        let mut rows = RowsBySource::default();
        for part in finished.iter() {
            counts.add(&part.record.counts);
            rows.add(part.rows.iter().copied());
        }
        counts.check()?;
        rows.enter(&mut inputs);
        let parts = finished.iter().map(|part| part.record.clone()).collect();
        Ok(Cleaned { format, format_version, program, configuration, hash, inputs, checks, counts, parts })
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
            hash: HashRecord { algorithm: "x".into(), seed: 0 },
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
