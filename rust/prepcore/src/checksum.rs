//! How files of ours write an XXH3-128.

/// Its name.
pub(crate) const ALGORITHM: &str = "xxh3-128";

/// Its name and 32 hexadecimal digits.
pub(crate) fn checksum(digest: u128) -> String {
    format!("{ALGORITHM}:{digest:032x}")
}
