//! What rules say: checks, values measured, findings.

use std::sync::Arc;

use serde::Serialize;

/// Why a document goes: the reason, the value measured and the threshold it missed.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The reason as manifests and reports name it.
    pub reason: &'static str,
    /// What was measured; none where a condition was not met.
    pub value: Option<f64>,
    /// The threshold that the value missed; none where a label or a condition decides.
    pub threshold: Option<f64>,
    /// What was found, where a number does not tell: a label, a word.
    pub detail: Option<Arc<str>>,
}

/// What a rule says of a document: nothing, or why it goes.
pub type Verdict = Option<Finding>;

/// One thing that a rule looks at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// The reason that documents are dropped for which do not pass.
    pub reason: &'static str,
    /// What is measured for it; several checks may look at one measure.
    pub measure: &'static str,
    /// What passes.
    #[serde(flatten)]
    pub wanted: Wanted,
}

/// What passes a check.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "wanted", content = "threshold", rename_all = "snake_case")]
pub enum Wanted {
    /// This value or more.
    AtLeast(f64),
    /// This value or less.
    AtMost(f64),
    /// More than this value.
    Above(f64),
    /// One of these labels.
    OneOf(Vec<String>),
}

/// What was measured for a check.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The value.
    pub value: f64,
    /// What was found, where a number does not tell: a label, a word.
    pub detail: Option<Arc<str>>,
}

impl From<f64> for Measured {
    fn from(value: f64) -> Self {
        Self { value, detail: None }
    }
}

impl Check {
    /// A check of a measure, and the reason for which documents go that do not pass.
    #[must_use]
    pub fn new(reason: &'static str, measure: &'static str, wanted: Wanted) -> Self {
        Self { reason, measure, wanted }
    }

    /// Whether what was measured passes.
    #[must_use]
    pub fn passes(&self, measured: &Measured) -> bool {
        match &self.wanted {
            Wanted::AtLeast(threshold) => measured.value >= *threshold,
            Wanted::AtMost(threshold) => measured.value <= *threshold,
            Wanted::Above(threshold) => measured.value > *threshold,
            Wanted::OneOf(labels) => {
                measured.detail.as_ref().is_some_and(|detail| labels.iter().any(|label| **label == **detail))
            }
        }
    }

    /// The threshold; none where a label decides.
    #[must_use]
    pub fn threshold(&self) -> Option<f64> {
        match self.wanted {
            Wanted::AtLeast(threshold) | Wanted::AtMost(threshold) | Wanted::Above(threshold) => {
                Some(threshold)
            }
            Wanted::OneOf(_) => None,
        }
    }

    /// What is found where this was measured.
    #[must_use]
    pub fn judge(&self, measured: Measured) -> Verdict {
        if self.passes(&measured) {
            return None;
        }
        let Measured { value, detail } = measured;
        Some(Finding { reason: self.reason, value: Some(value), threshold: self.threshold(), detail })
    }
}
