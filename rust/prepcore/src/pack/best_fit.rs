//! Best fit: whole documents side by side in rows, and only those cut that are longer than a row.
//!
//! The idea, and that best-fit decreasing leaves next to no space free on real lengths, is from Ding et al., "Fewer
//! Truncations Improve Language Modeling" (arXiv 2404.10830). What is here differs in that it works on a window of
//! documents at a time, and gives rows in the order of the documents.

use super::spaces::Spaces;
use crate::{Error, Result};

/// Pieces that are placed together: some 150 million tokens of web text, of which the rows left half empty at the
/// end are no matter, and 10 MB of memory whatever the corpus.
pub const WINDOW: usize = 1 << 18;

/// A stretch of a document within a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// The document's number within its side of the split.
    pub document: u64,
    /// Where the piece begins within the document, in tokens.
    pub offset: u64,
    /// Tokens, from 1 to a row's.
    pub length: u32,
}

/// What packing by best fit came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fitted {
    /// Documents, those without a token included.
    pub documents: u64,
    /// Tokens of these documents, each in one piece.
    pub tokens: u64,
    /// Rows.
    pub rows: u64,
    /// Pieces in them.
    pub pieces: u64,
    /// Places in rows that no token took.
    pub padding: u64,
    /// Documents that are longer than a row.
    pub documents_cut: u64,
}

/// Places documents into rows, a window at a time: cut into pieces of a row's length and a rest, the longest piece
/// first, each into the row with the least space that suffices.
///
/// Equal lengths are placed in the order of the documents, so the rows depend on the lengths alone. A window's rows
/// come in the order of their first pieces, and the pieces of a row in the order of the documents: were rows left in
/// the order of placing, a model would see long documents first.
#[derive(Debug)]
pub struct BestFit {
    length: u32,
    window: usize,
    waiting: Vec<Piece>,
    spaces: Spaces,
    fitted: Fitted,
}

impl BestFit {
    /// Rows of so many tokens, from 1 to 2^31.
    #[must_use]
    pub fn new(sequence_length: u32) -> Self {
        Self::with_window(sequence_length, WINDOW)
    }

    fn with_window(sequence_length: u32, window: usize) -> Self {
        let length = sequence_length.max(1);
        let spaces = Spaces::new(length as usize);
        Self { length, window, waiting: Vec::new(), spaces, fitted: Fitted::default() }
    }

    /// Adds the next document, of so many tokens; hands on the rows of a window that it fills.
    ///
    /// # Errors
    /// What `row` returns.
    pub fn push<E>(
        &mut self,
        tokens: u64,
        mut row: impl FnMut(&[Piece]) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let (document, length) = (self.fitted.documents, u64::from(self.length));
        self.fitted.documents += 1;
        self.fitted.tokens += tokens;
        self.fitted.documents_cut += u64::from(tokens > length);
        let mut offset = 0;
        while offset < tokens {
            let piece = (tokens - offset).min(length);
            self.waiting.push(Piece { document, offset, length: piece as u32 });
            offset += piece;
            if self.waiting.len() == self.window {
                self.place(&mut row)?;
            }
        }
        Ok(())
    }

    /// Hands on the last rows and gives the account.
    ///
    /// # Errors
    /// What `row` returns.
    pub fn finish<E>(
        mut self,
        mut row: impl FnMut(&[Piece]) -> std::result::Result<(), E>,
    ) -> std::result::Result<Fitted, E> {
        self.place(&mut row)?;
        Ok(self.fitted)
    }

    fn place<E>(
        &mut self,
        row: &mut impl FnMut(&[Piece]) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let (row_of, rows) = self.rows_of_pieces();
        // A row's number among the window's rows, by its first piece; and where its pieces end.
        let mut ends: Vec<usize> = Vec::with_capacity(rows);
        let mut place_of = vec![usize::MAX; rows];
        for row in &row_of {
            let place = &mut place_of[*row as usize];
            if *place == usize::MAX {
                *place = ends.len();
                ends.push(0);
            }
            ends[*place] += 1;
        }
        let mut next = Vec::with_capacity(rows);
        let mut end = 0;
        for count in &mut ends {
            next.push(end);
            end += *count;
            *count = end;
        }
        let mut ordered = vec![Piece::default(); self.waiting.len()];
        for (piece, row) in self.waiting.iter().zip(&row_of) {
            let at = &mut next[place_of[*row as usize]];
            ordered[*at] = *piece;
            *at += 1;
        }
        self.waiting.clear();
        let mut start = 0;
        for end in ends {
            let pieces = &ordered[start..end];
            let filled: u64 = pieces.iter().map(|piece| u64::from(piece.length)).sum();
            self.fitted.rows += 1;
            self.fitted.pieces += pieces.len() as u64;
            self.fitted.padding += u64::from(self.length) - filled;
            row(pieces)?;
            start = end;
        }
        Ok(())
    }

    /// The row that each waiting piece goes to, numbered as they were opened, and how many rows these are.
    fn rows_of_pieces(&mut self) -> (Vec<u32>, usize) {
        // One number orders by length, the longest first, and then by place.
        let mut longest_first: Vec<u64> = (0_u64..)
            .zip(&self.waiting)
            .map(|(number, piece)| u64::from(self.length - piece.length) << 32 | number)
            .collect();
        longest_first.sort_unstable();
        let mut row_of = vec![0_u32; self.waiting.len()];
        let mut rows = 0_u32;
        self.spaces.clear();
        for number in longest_first {
            let number = (number & u64::from(u32::MAX)) as usize;
            let length = self.waiting[number].length as usize;
            let (space, row) = self.spaces.take(length).unwrap_or_else(|| {
                rows += 1;
                (self.length as usize, rows - 1)
            });
            row_of[number] = row;
            if space > length {
                self.spaces.put(space - length, row);
            }
        }
        (row_of, rows as usize)
    }
}

impl Fitted {
    /// Checks that tokens + padding fill the rows.
    ///
    /// # Errors
    /// [`Error::Internal`] gives both sides when they differ.
    pub fn check(&self, sequence_length: u64) -> Result<()> {
        let Self { tokens, rows, padding, .. } = self;
        if tokens + padding == rows * sequence_length {
            return Ok(());
        }
        Err(Error::Internal(format!(
            "{tokens} tokens and {padding} of padding do not fill {rows} rows of {sequence_length}"
        )))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn packed(lengths: &[u64], length: u32, window: usize) -> (Vec<Vec<Piece>>, Fitted) {
        let mut packer = BestFit::with_window(length, window);
        let mut rows: Vec<Vec<Piece>> = Vec::new();
        let mut keep = |pieces: &[Piece]| {
            rows.push(pieces.to_vec());
            Ok::<_, Infallible>(())
        };
        for tokens in lengths {
            packer.push(*tokens, &mut keep).unwrap();
        }
        let fitted = packer.finish(&mut keep).unwrap();
        (rows, fitted)
    }

    /// The definition, word for word: every row is looked at for every piece. Gives how full each row is.
    fn naive(mut pieces: Vec<u64>, length: u64) -> Vec<u64> {
        pieces.sort_by_key(|piece| std::cmp::Reverse(*piece));
        let mut rows: Vec<u64> = Vec::new();
        for piece in pieces {
            let fits = rows.iter_mut().filter(|filled| **filled + piece <= length);
            match fits.max_by_key(|filled| **filled) {
                Some(filled) => *filled += piece,
                None => rows.push(piece),
            }
        }
        rows.sort_unstable();
        rows
    }

    proptest! {
        #[test]
        fn every_token_is_in_one_row(
            lengths in vec(prop_oneof![4 => 0_u64..40, 1 => 0_u64..400], 0..80),
            length in 1_u32..50,
            window in 1_usize..100,
        ) {
            let (rows, fitted) = packed(&lengths, length, window);
            fitted.check(u64::from(length)).unwrap();
            let mut pieces: Vec<Piece> = rows.concat();
            prop_assert_eq!(fitted.documents, lengths.len() as u64);
            prop_assert_eq!(fitted.tokens, lengths.iter().sum::<u64>());
            prop_assert_eq!((fitted.rows, fitted.pieces), (rows.len() as u64, pieces.len() as u64));
            for row in &rows {
                let filled: u32 = row.iter().map(|piece| piece.length).sum();
                prop_assert!(!row.is_empty() && filled <= length);
                prop_assert!(row.is_sorted_by_key(|piece| (piece.document, piece.offset)));
            }
            pieces.sort_by_key(|piece| (piece.document, piece.offset));
            let mut pieces = pieces.into_iter().peekable();
            let mut cut = 0;
            for (document, tokens) in (0_u64..).zip(&lengths) {
                let (mut offset, mut count) = (0, 0);
                while let Some(piece) = pieces.next_if(|piece| piece.document == document) {
                    prop_assert_eq!(piece.offset, offset);
                    prop_assert!(piece.length > 0);
                    offset += u64::from(piece.length);
                    count += 1;
                }
                prop_assert_eq!(offset, *tokens);
                prop_assert_eq!(count, tokens.div_ceil(u64::from(length)), "a document that fits is never cut");
                cut += u64::from(count > 1);
            }
            prop_assert_eq!(fitted.documents_cut, cut);
        }

        #[test]
        fn a_window_is_filled_as_best_fit_decreasing_fills_it(
            lengths in vec(1_u64..200, 0..100),
            length in 1_u32..50,
        ) {
            let (rows, _) = packed(&lengths, length, usize::MAX);
            let length = u64::from(length);
            let cut = |tokens: &u64| {
                let rest = Some(tokens % length).filter(|rest| *rest > 0);
                std::iter::repeat_n(length, (tokens / length) as usize).chain(rest).collect::<Vec<_>>()
            };
            let mut filled: Vec<u64> =
                rows.iter().map(|row| row.iter().map(|piece| u64::from(piece.length)).sum()).collect();
            filled.sort_unstable();
            prop_assert_eq!(filled, naive(lengths.iter().flat_map(cut).collect(), length));
            prop_assert!(rows.is_sorted_by_key(|row| (row[0].document, row[0].offset)));
        }
    }

    #[test]
    fn the_last_gap_that_suffices_is_filled() {
        // Rows of 10: 7 opens one, 6 another; 4 fills the second, 3 the first, and 2 opens a third.
        let (rows, fitted) = packed(&[2, 7, 3, 6, 4], 10, 100);
        let documents = |row: &Vec<Piece>| row.iter().map(|piece| piece.document).collect::<Vec<_>>();
        assert_eq!(rows.iter().map(documents).collect::<Vec<_>>(), [vec![0], vec![1, 2], vec![3, 4]]);
        assert_eq!((fitted.padding, fitted.documents_cut), (8, 0));
    }

    #[test]
    fn a_lost_token_is_seen() {
        let (_, mut fitted) = packed(&[5, 30], 10, 100);
        fitted.check(10).unwrap();
        fitted.tokens += 1;
        let message = fitted.check(10).unwrap_err().to_string();
        assert!(message.contains("36 tokens and 5 of padding do not fill 4 rows of 10"), "{message}");
    }
}
