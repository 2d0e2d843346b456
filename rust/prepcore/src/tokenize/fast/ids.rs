//! Ids on their way out, written a few at a time without asking how many are wanted.

/// Ids that are gathered before they are handed on; 16 KiB stay in the first cache.
const GATHERED: usize = 4096;

/// Ids that are gathered before they are put at the end of a vector.
#[derive(Debug)]
pub(super) struct Ids {
    values: Box<[u32; GATHERED]>,
    filled: usize,
}

impl Default for Ids {
    fn default() -> Self {
        Self { values: Box::new([0; GATHERED]), filled: 0 }
    }
}

impl Ids {
    /// Makes sure that so many can be pushed, at most [`GATHERED`].
    #[inline]
    pub(super) fn reserve(&mut self, more: usize, out: &mut Vec<u32>) {
        if GATHERED - self.filled < more {
            self.hand_on(out);
        }
    }

    /// Adds the first few of some, for which there is room: all are written, which costs less than a look at how
    /// many are wanted.
    #[inline]
    pub(super) fn push_first<const MOST: usize>(&mut self, ids: &[u32; MOST], count: usize) {
        // A chunk of known length is one store; a slice would be a call.
        let Some(place) = self.values[self.filled..].first_chunk_mut() else {
            unreachable!("room was reserved");
        };
        *place = *ids;
        self.filled += count.min(MOST);
    }

    /// Adds any number.
    pub(super) fn extend(&mut self, ids: &[u32], out: &mut Vec<u32>) {
        self.reserve(ids.len(), out);
        match self.values.get_mut(self.filled..self.filled + ids.len()) {
            Some(room) => {
                room.copy_from_slice(ids);
                self.filled += ids.len();
            }
            None => out.extend_from_slice(ids),
        }
    }

    /// Puts what is gathered at the end of a vector.
    pub(super) fn hand_on(&mut self, out: &mut Vec<u32>) {
        out.extend_from_slice(&self.values[..self.filled]);
        self.filled = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_out_in_order() {
        let (mut ids, mut out, mut expected) = (Ids::default(), vec![9], vec![9]);
        for number in 0..10_000_u32 {
            ids.reserve(4, &mut out);
            ids.push_first(&[number, number + 1, 0, 0], 2);
            expected.extend([number, number + 1]);
            if number % 1000 == 0 {
                let many: Vec<u32> = (0..number).collect();
                ids.extend(&many, &mut out);
                expected.extend(many);
            }
        }
        ids.hand_on(&mut out);
        assert_eq!(out, expected);
    }
}
