//! What distinguishes one family of tokenizers from another.

/// Pieces that are looked up together, so that the waits for memory overlap.
pub(super) const BATCH: usize = 64;

/// How a family of tokenizers makes pieces of a text and symbols of a piece. All else is the same for all BPE
/// models: see [`Fast`](super::encoder::Fast).
///
/// ```text
/// text ─► segments between added tokens ─► normalise ─► pieces ─► symbols ─► merges ─► ids
/// ```
///
/// A piece is encoded alone, so that its ids can be remembered: a family may only split where the library's own ids
/// do not reach across.
pub(super) trait Family: Send + Sync {
    /// The encoder's name, as the manifest gives it.
    const NAME: &'static str;

    /// The bytes that a normalised text has where it reads like this token; none where no text does.
    fn text_of(&self, token: &str) -> Option<Vec<u8>>;

    /// Puts the normalised form of a segment, which is not empty, at the end of `text`.
    fn normalise(&self, segment: &str, text: &mut Vec<u8>);

    /// Where the next pieces of `text[..end]` end: the first piece starts at `start`, which is less than `end`. Fills `ends`
    /// from the front and gives their number, at least 1; the last piece of all ends at `end`.
    ///
    /// `start` is where the last call stopped, or the start of the segment: nothing before it needs to be looked at. For
    /// fast loads the text goes on for [`PADDING`](super::key::PADDING) bytes beyond `end`; what they are must not matter.
    fn split(&self, text: &[u8], start: usize, end: usize, ends: &mut [usize; BATCH]) -> usize;

    /// Puts the symbols of a piece at the end of `symbols`: numbers that [`Merges::symbol`](super::merges::Merges::symbol)
    /// gave. There may be none.
    fn symbols(&self, piece: &[u8], symbols: &mut Vec<u32>);
}
