//! A rule that is on with its thresholds, or off.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A rule's thresholds, or `off`.
#[derive(Clone, Debug, PartialEq)]
pub enum Switch<T> {
    /// The rule judges with these thresholds.
    On(T),
    /// The rule is not used.
    Off,
}

impl<T> Switch<T> {
    /// The thresholds of a rule that is on.
    pub fn on(&self) -> Option<&T> {
        match self {
            Self::On(thresholds) => Some(thresholds),
            Self::Off => None,
        }
    }
}

impl<T: Default> Default for Switch<T> {
    fn default() -> Self {
        Self::On(T::default())
    }
}

impl<T: Serialize> Serialize for Switch<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::On(thresholds) => thresholds.serialize(serializer),
            Self::Off => serializer.serialize_str("off"),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Switch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(word) if word == "off" => Ok(Self::Off),
            thresholds => serde_json::from_value(thresholds).map(Self::On).map_err(serde::de::Error::custom),
        }
    }
}
