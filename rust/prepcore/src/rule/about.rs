//! What is told of the rules: their own headings, taken from the files that hold them.

use serde::Serialize;

/// The text of one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct About {
    /// The rule's name, as in `--rules.NAME`.
    pub name: String,
    /// What it is, in a few words.
    pub summary: String,
    /// *What it measures*, or *What it does* where it rewrites.
    pub what: String,
    /// *Why*.
    pub why: String,
    /// *Default and its source*.
    pub default: String,
}

/// Every rule, in the order in which they work.
#[must_use]
pub fn about() -> Vec<About> {
    [
        include_str!("unicode.rs"),
        include_str!("redact/mod.rs"),
        include_str!("short_lines.rs"),
        include_str!("repetition.rs"),
        include_str!("length.rs"),
        include_str!("words.rs"),
        include_str!("language.rs"),
        include_str!("classifier.rs"),
    ]
    .into_iter()
    .filter_map(read)
    .collect()
}

/// Reads the headings of a rule's file: its name and summary, then paragraphs that begin with a heading in bold.
fn read(source: &str) -> Option<About> {
    let lines = source.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    let text = lines.map(|line| if line.is_empty() { "\n" } else { line }).collect::<Vec<_>>().join(" ");
    let mut paragraphs = text.split('\n').map(str::trim);
    let (name, summary) = paragraphs.next()?.split_once(": ")?;
    let mut under = |headings: &[&str]| {
        let paragraph = paragraphs.next()?;
        headings.iter().find_map(|heading| Some(paragraph.strip_prefix(*heading)?.trim().to_owned()))
    };
    Some(About {
        name: name.trim_matches('`').into(),
        summary: summary.trim_end_matches('.').into(),
        what: under(&["**What it measures.**", "**What it does.**"])?,
        why: under(&["**Why.**"])?,
        default: under(&["**Default and its source.**"])?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Rules;

    #[test]
    fn every_rule_tells_what_why_and_whence() {
        let rules = about();
        let names: Vec<_> = rules.iter().map(|rule| rule.name.as_str()).collect();
        assert_eq!(names, [&Rules::NAMES[..], &["language", "classifier"]].concat());
        for rule in rules {
            assert!(rule.what.ends_with('.') && rule.why.ends_with('.'), "{rule:?}");
            assert!(!rule.summary.is_empty() && rule.default.len() > 10, "{rule:?}");
        }
    }
}
