//! The words, labels and n-grams that a model knows.

use std::io::Read;

use hashbrown::HashTable;

use super::arguments::Arguments;
use super::buckets::{self, Buckets};
use super::hash::Hasher;
use super::model::LABEL_PREFIX;
use super::reader::Reader;
use crate::Result;

/// The word that ends every text, and that the library puts there.
pub(super) const END: &[u8] = b"</s>";

/// The sum of all labels' counts must stay below what the library fills its Huffman tree with.
const MAX_COUNTS: i64 = 1_000_000_000_000_000;

/// What a model knows of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// The row of a word of the dictionary.
    Word(u32),
    /// A label, or what looks like one: it is passed over.
    Label,
    /// Nothing.
    Unknown,
}

/// The dictionary of a model.
#[derive(Debug)]
pub(super) struct Dictionary {
    hasher: Hasher,
    table: HashTable<u32>,
    bytes: Vec<u8>,
    /// Where each entry starts in `bytes`, and where the last one ends.
    starts: Vec<usize>,
    words: u32,
    labels: Vec<String>,
    counts: Vec<i64>,
    buckets: Buckets,
    /// Rows that the input matrix must have.
    rows: u64,
    /// Of a pruned model, the rows in the file of the n-grams kept, by bucket.
    kept: Option<Vec<u32>>,
}

impl Dictionary {
    /// Reads the part of a file that follows the arguments.
    pub(super) fn read(reader: &mut Reader<'_, impl Read>, arguments: &Arguments) -> Result<Self> {
        let size = reader.count("the number of entries", i32::MAX as u32)?;
        let words = reader.count("the number of words", size)?;
        let labels = reader.count("the number of labels", size)?;
        reader.i64("the number of tokens")?;
        let kept = reader.i64("the number of n-grams kept")?;
        if u64::from(words) + u64::from(labels) != u64::from(size) || labels == 0 {
            return Err(reader.refuse(format!(
                "damaged: {size} entries, of which {words} are words and {labels} labels, expected one label or more \
                 and no other entries"
            )));
        }
        // The NUL, the count and the kind of each entry.
        reader.check("the dictionary", u64::from(size), 10)?;
        let mut this = Self {
            hasher: Hasher::random(),
            table: HashTable::with_capacity(size as usize),
            bytes: Vec::new(),
            starts: vec![0],
            words,
            labels: Vec::new(),
            counts: Vec::new(),
            buckets: Buckets::all(arguments.bucket, words),
            rows: u64::from(words),
            kept: None,
        };
        for entry in 0..size {
            this.read_entry(reader, entry)?;
        }
        if this
            .counts
            .iter()
            .try_fold(0_i64, |sum, count| sum.checked_add(*count))
            .is_none_or(|sum| sum >= MAX_COUNTS)
        {
            return Err(reader.refuse(format!(
                "damaged: the labels' counts add up to {MAX_COUNTS} or more, expected less"
            )));
        }
        match u64::try_from(kept) {
            Ok(kept) => this.read_kept(reader, arguments, kept)?,
            Err(_) if kept == -1 => {
                let buckets = if arguments.has_ngrams() { arguments.bucket } else { 0 };
                this.rows += u64::from(buckets);
            }
            Err(_) => {
                let message = format!("damaged: the number of n-grams kept is {kept}, expected -1 or more");
                return Err(reader.refuse(message));
            }
        }
        Ok(this)
    }

    fn read_entry(&mut self, reader: &mut Reader<'_, impl Read>, entry: u32) -> Result<()> {
        let start = self.bytes.len();
        reader.name("the name of an entry", &mut self.bytes)?;
        self.starts.push(self.bytes.len());
        let count = reader.i64("the count of an entry")?;
        let kind = reader.byte("the kind of an entry")?;
        let wanted = u8::from(entry >= self.words);
        if kind != wanted || count < 0 {
            return Err(reader.refuse(format!(
                "damaged: entry {entry} of the dictionary has kind {kind} and count {count}, expected kind {wanted} and \
                 a count of 0 or more"
            )));
        }
        if entry >= self.words {
            let label = String::from_utf8(self.bytes[start..].to_vec());
            let label = label.map_err(|error| {
                let name = String::from_utf8_lossy(error.as_bytes()).into_owned();
                reader.refuse(format!("the label {name:?} is not UTF-8"))
            })?;
            self.labels.push(label);
            self.counts.push(count);
        }
        // Of two entries of one name the later one counts.
        let (hasher, bytes, starts) = (self.hasher, &self.bytes, &self.starts);
        let name = |entry: u32| &bytes[starts[entry as usize]..starts[entry as usize + 1]];
        let equal = |other: &u32| name(*other) == name(entry);
        match self.table.find_mut(hasher.of(name(entry)), equal) {
            Some(earlier) => *earlier = entry,
            None => {
                self.table.insert_unique(hasher.of(name(entry)), entry, |other| hasher.of(name(*other)));
            }
        }
        Ok(())
    }

    /// Reads which n-grams a pruned model has kept.
    fn read_kept(
        &mut self,
        reader: &mut Reader<'_, impl Read>,
        arguments: &Arguments,
        kept: u64,
    ) -> Result<()> {
        let mut pairs = Vec::with_capacity(reader.check("the n-grams kept", kept, 8)?);
        for _ in 0..kept {
            let bucket = reader.count("the bucket of an n-gram", i32::MAX as u32)?;
            let row = reader.count("the row of an n-gram", i32::MAX as u32)?;
            if bucket >= arguments.bucket {
                let message = format!("damaged: an n-gram has bucket {bucket} of {}", arguments.bucket);
                return Err(reader.refuse(message));
            }
            pairs.push((bucket, self.words.saturating_add(row)));
            self.rows = self.rows.max(u64::from(self.words) + u64::from(row) + 1);
        }
        // Of two rows for one bucket the later one counts; the sort keeps their order.
        pairs.reverse();
        pairs.sort_by_key(|(bucket, _)| *bucket);
        pairs.dedup_by_key(|(bucket, _)| *bucket);
        if arguments.bucket > buckets::MAX_PRUNED {
            return Err(reader.refuse(format!(
                "bucket is {} in a pruned model, expected at most {}",
                arguments.bucket,
                buckets::MAX_PRUNED
            )));
        }
        let (buckets, rows): (Vec<u32>, Vec<u32>) = pairs.into_iter().unzip();
        self.buckets = Buckets::pruned(arguments.bucket, self.words, &buckets);
        self.rows = self.rows.max(u64::from(self.words) + rows.len() as u64);
        self.kept = Some(rows);
        Ok(())
    }

    /// The labels as the file has them, in its order.
    pub(super) fn labels(&self) -> &[String] {
        &self.labels
    }

    /// How often each label was seen in training.
    pub(super) fn counts(&self) -> &[i64] {
        &self.counts
    }

    /// The rows of n-grams.
    pub(super) fn buckets(&self) -> &Buckets {
        &self.buckets
    }

    /// Rows that a prediction may ask the input matrix for.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Whether n-grams were pruned.
    pub(super) fn is_pruned(&self) -> bool {
        self.kept.is_some()
    }

    /// Where the rows of a pruned model are in the file, in the order in which [`Buckets`] counts them: those of the
    /// words, then those of n-grams. Forgets the latter.
    pub(super) fn take_places(&mut self) -> Option<Vec<u32>> {
        let kept = self.kept.as_mut().map(std::mem::take)?;
        Some((0..self.words).chain(kept).collect())
    }

    /// The hash that [`Dictionary::look_up_hashed`] wants.
    pub(super) fn hasher(&self) -> Hasher {
        self.hasher
    }

    /// What is known of a word.
    pub(super) fn look_up(&self, word: &[u8]) -> Known {
        self.look_up_hashed(word, self.hasher.of(word))
    }

    /// What is known of a word whose hash is at hand.
    #[inline]
    pub(super) fn look_up_hashed(&self, word: &[u8], hash: u64) -> Known {
        let equal = |entry: &u32| {
            let entry = *entry as usize;
            &self.bytes[self.starts[entry]..self.starts[entry + 1]] == word
        };
        match self.table.find(hash, equal) {
            Some(entry) if *entry < self.words => Known::Word(*entry),
            Some(_) => Known::Label,
            None if word.starts_with(LABEL_PREFIX.as_bytes()) => Known::Label,
            None => Known::Unknown,
        }
    }
}
