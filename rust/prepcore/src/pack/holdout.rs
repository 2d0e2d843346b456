//! Which documents are held out for validation.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::dedup::key_of_text;

/// The seed of the draw, the same in every run: a document that is held out of one folder is held out of all,
/// so folders can be mixed without training on what is measured.
const SEED: u64 = 0x7661_6c69_6461_7465; // "validate"

/// Draws documents by a hash of their text's key, so equal documents are never on both sides.
#[derive(Clone, Copy, Debug)]
pub struct Holdout {
    /// Held out when the hash is below this; 2^64 would be all.
    threshold: u128,
}

impl Holdout {
    /// Holds out about this share of the documents, from 0 to 1.
    #[must_use]
    pub fn new(share: f64) -> Self {
        Self { threshold: (share * 2_f64.powi(64)) as u128 }
    }

    /// Whether a document with this text is held out.
    #[must_use]
    pub fn takes(&self, text: &str) -> bool {
        self.threshold > 0
            && u128::from(xxh3_64_with_seed(&key_of_text(text).to_be_bytes(), SEED)) < self.threshold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_about_the_share() {
        let taken = |share| {
            let holdout = Holdout::new(share);
            (0..20_000).filter(|number| holdout.takes(&format!("document {number}"))).count()
        };
        assert_eq!(taken(0.0), 0);
        assert_eq!(taken(1.0), 20_000);
        // The standard deviation is 31.
        assert!((900..1_100).contains(&taken(0.05)), "{}", taken(0.05));
    }

    #[test]
    fn a_larger_share_holds_the_smaller_one() {
        let (small, large) = (Holdout::new(0.1), Holdout::new(0.2));
        assert!(
            (0..1_000).map(|number| number.to_string()).all(|text| !small.takes(&text) || large.takes(&text))
        );
    }
}
