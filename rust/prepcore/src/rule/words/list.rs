//! A list of words and phrases, and finding them where a piece of a text begins.

use hashbrown::HashTable;

use super::letters::fold;
use super::pieces::{Piece, Pieces, each};

/// Words and phrases as a tree of pieces: a node is a piece after another, and some nodes end an entry.
///
/// About 25 bytes a piece and its text; what entries have in common at their beginning is held once.
pub(super) struct WordList {
    ignore_case: bool,
    /// The nodes' texts, lower case where case is ignored.
    text: String,
    nodes: Vec<Node>,
    /// Every node, by the hash of its parent and its piece.
    children: HashTable<u32>,
    begins: Filter,
}

struct Node {
    parent: u32,
    start: u32,
    end: u32,
    /// Whether white space stands before the piece; never at the beginning of an entry.
    spaced: bool,
    ends_entry: bool,
}

/// The parent of what begins an entry.
const ROOT: u32 = u32::MAX;

/// An entry that was found.
pub(super) struct Found<'t> {
    /// What [`WordList::entry`] takes.
    pub(super) node: u32,
    /// Its words.
    pub(super) words: u64,
    /// The pieces behind it.
    pub(super) rest: Pieces<'t>,
}

impl WordList {
    pub(super) fn new(ignore_case: bool) -> Self {
        Self {
            ignore_case,
            text: String::new(),
            nodes: Vec::new(),
            children: HashTable::new(),
            begins: Filter::default(),
        }
    }

    /// Takes an entry in; one without pieces is no entry.
    ///
    /// All entries together have less than 1 GiB, so that 32 bits are enough for every place and number.
    pub(super) fn insert(&mut self, entry: &str) {
        let mut parent = ROOT;
        let mut scratch = String::new();
        for mut piece in Pieces::new(entry) {
            piece.spaced &= parent != ROOT;
            let folded = self.fold(entry, &piece, &mut scratch);
            parent = match self.child(parent, piece.spaced, folded) {
                Some(node) => node,
                None => self.push(parent, piece.spaced, folded.text()),
            };
        }
        if let Some(node) = self.nodes.get_mut(parent as usize) {
            node.ends_entry = true;
        }
    }

    fn push(&mut self, parent: u32, spaced: bool, piece: &str) -> u32 {
        let (id, start) = (self.nodes.len() as u32, self.text.len());
        self.text.push_str(piece);
        if self.ignore_case {
            self.text[start..].make_ascii_lowercase();
        }
        let (start, end) = (start as u32, self.text.len() as u32);
        self.nodes.push(Node { parent, start, end, spaced, ends_entry: false });
        let hash_of = |id: &u32| {
            let node = &self.nodes[*id as usize];
            under(node.parent, node.spaced, hash(&self.text, node.start as usize, node.end as usize))
        };
        self.children.insert_unique(hash_of(&id), id, hash_of);
        id
    }

    /// Makes looking up fast; to be called when every entry is in.
    pub(super) fn seal(&mut self) {
        self.text.shrink_to_fit();
        self.nodes.shrink_to_fit();
        let begins = self.nodes.iter().filter(|node| node.parent == ROOT);
        let hashes = begins.map(|node| hash(&self.text, node.start as usize, node.end as usize));
        self.begins = Filter::new(&hashes.collect::<Vec<_>>());
    }

    /// Whether there are no entries.
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The longest entry that begins with this piece, `rest` being the pieces behind it.
    #[inline]
    pub(super) fn find<'t>(
        &self,
        piece: &Piece,
        rest: &Pieces<'t>,
        scratch: &mut String,
    ) -> Option<Found<'t>> {
        // Nearly every piece of nearly every text ends here.
        if !piece.folds && !self.begins.may_hold(hash(rest.text(), piece.start, piece.end)) {
            return None;
        }
        self.find_longest(Piece { spaced: false, ..*piece }, rest.clone(), scratch)
    }

    #[inline(never)]
    fn find_longest<'t>(
        &self,
        mut piece: Piece,
        mut rest: Pieces<'t>,
        scratch: &mut String,
    ) -> Option<Found<'t>> {
        let mut found = None;
        let mut parent = ROOT;
        let mut words = 0;
        loop {
            let folded = self.fold(rest.text(), &piece, scratch);
            if parent == ROOT && !self.begins.may_hold(folded.hash()) {
                return found;
            }
            let Some(node) = self.child(parent, piece.spaced, folded) else { return found };
            words += u64::from(piece.is_word);
            if self.nodes[node as usize].ends_entry {
                found = Some(Found { node, words, rest: rest.clone() });
            }
            let Some(next) = rest.next() else { return found };
            (parent, piece) = (node, next);
        }
    }

    /// The node of a piece after another.
    fn child(&self, parent: u32, spaced: bool, piece: Folded<'_>) -> Option<u32> {
        let is_it = |id: &u32| {
            let node = &self.nodes[*id as usize];
            let text = &self.text.as_bytes()[node.start as usize..node.end as usize];
            let piece = piece.text().as_bytes();
            node.parent == parent
                && node.spaced == spaced
                // ASCII is compared as it stands in the text.
                && if self.ignore_case { text.eq_ignore_ascii_case(piece) } else { text == piece }
        };
        self.children.find(under(parent, spaced, piece.hash()), is_it).copied()
    }

    /// A piece as the list holds it, but for the case of ASCII.
    fn fold<'a>(&self, text: &'a str, piece: &Piece, scratch: &'a mut String) -> Folded<'a> {
        if !(self.ignore_case && piece.folds) {
            return Folded { text, start: piece.start, end: piece.end };
        }
        scratch.clear();
        scratch.extend(text[piece.start..piece.end].chars().map(fold));
        Folded { text: scratch, start: 0, end: scratch.len() }
    }

    /// An entry, with one space for white space.
    pub(super) fn entry(&self, node: u32) -> String {
        let mut pieces = Vec::new();
        let mut at = self.nodes.get(node as usize);
        while let Some(node) = at {
            pieces.push(&self.text[node.start as usize..node.end as usize]);
            if node.spaced {
                pieces.push(" ");
            }
            at = self.nodes.get(node.parent as usize);
        }
        pieces.reverse();
        pieces.concat()
    }
}

/// A piece within a text, which may be longer.
#[derive(Clone, Copy)]
struct Folded<'a> {
    text: &'a str,
    start: usize,
    end: usize,
}

impl Folded<'_> {
    fn text(&self) -> &str {
        &self.text[self.start..self.end]
    }

    fn hash(&self) -> u64 {
        hash(self.text, self.start, self.end)
    }
}

/// A set that may say yes too often: a bit a hash, one in 32 to 64 set while the list has up to 65,536 entries.
#[derive(Default)]
struct Filter {
    bits: Vec<u64>,
    shift: u32,
}

const FEWEST_BITS: usize = 1 << 12;
/// 512 KiB: more would not stay near the processor, and is of no use where most words are of the list.
const MOST_BITS: usize = 1 << 22;

impl Filter {
    fn new(hashes: &[u64]) -> Self {
        let bits = (hashes.len() * 64).clamp(FEWEST_BITS, MOST_BITS).next_power_of_two();
        let mut filter = Self { bits: vec![0; bits / 64], shift: 64 - bits.trailing_zeros() };
        for hash in hashes {
            let bit = hash >> filter.shift;
            filter.bits[(bit / 64) as usize] |= 1 << (bit % 64);
        }
        filter
    }

    #[inline]
    fn may_hold(&self, hash: u64) -> bool {
        let bit = hash >> self.shift;
        self.bits.get((bit / 64) as usize).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }
}

/// The hash of a part of a text, the same for both cases of ASCII letters.
///
/// It takes the text as a whole because eight bytes are read at once, also beyond the end of the part, where a piece
/// is shorter, as most are. Lists are their users' own, so nobody gains by words of one hash.
#[inline(always)]
fn hash(text: &str, start: usize, end: usize) -> u64 {
    let bytes = text.as_bytes();
    let mut hash = (end - start) as u64;
    let mut at = start;
    while at + 8 < end {
        hash = mix(hash ^ eight(bytes, at));
        at += 8;
    }
    let beyond = 8 * (8 - (end - at).min(8)) as u32;
    let last = eight(bytes, at).checked_shl(beyond).unwrap_or(0);
    mix(hash ^ last)
}

/// Eight bytes, those beyond the end of the text 0, with ASCII letters in lower case (and other bytes changed alike).
#[inline]
fn eight(bytes: &[u8], at: usize) -> u64 {
    let rest = &bytes[at..];
    let eight = rest.first_chunk().copied().unwrap_or_else(|| {
        let mut eight = [0; 8];
        eight[..rest.len()].copy_from_slice(rest);
        eight
    });
    u64::from_le_bytes(eight) | each(0x20)
}

/// A product whose halves meet, so that every bit of the result depends on every bit.
#[inline]
fn mix(value: u64) -> u64 {
    // Odd digits of the golden ratio, and of pi.
    let product = u128::from(value ^ 0x9e37_79b9_7f4a_7c15) * 0x2437_54a1_6a09_e667_u128;
    (product as u64) ^ (product >> 64) as u64
}

/// The hash of a piece after another.
fn under(parent: u32, spaced: bool, piece: u64) -> u64 {
    mix(piece ^ u64::from(parent) << 1 ^ u64::from(spaced))
}
