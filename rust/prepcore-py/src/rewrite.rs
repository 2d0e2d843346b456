//! `rewrite`: texts to texts as the rewriting rules leave them.

use std::collections::BTreeMap;

use prepcore::config;
use prepcore::rule::RuleSet;
use pyo3::prelude::*;

use crate::error;

/// The texts after the rewriting rules of a configuration, and how often what was changed, by `rule.kind`.
type Rewritten = (Vec<String>, BTreeMap<String, u64>);

/// Rewrites texts one by one, with Python's lock released.
#[pyfunction]
pub(crate) fn rewrite(py: Python<'_>, rules: &str, texts: Vec<String>) -> PyResult<Rewritten> {
    py.detach(|| {
        let rules: config::Rules = config::from_json(rules)?;
        let rules = RuleSet::new(&rules)?;
        let mut counts = vec![0; rules.kinds().count()];
        let rewritten = texts.iter().map(|text| {
            let rewritten = rules.rewrite(text);
            for (count, found) in counts.iter_mut().zip(rewritten.counts) {
                *count += found;
            }
            rewritten.text.into_owned()
        });
        let rewritten = rewritten.collect();
        let kinds = rules.kinds().zip(counts);
        Ok((rewritten, kinds.map(|((rule, kind), count)| (format!("{rule}.{kind}"), count)).collect()))
    })
    .map_err(|failure: prepcore::Error| error::convert(&failure))
}
