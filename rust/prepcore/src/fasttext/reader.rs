//! Little-endian numbers of a file whose every length may be a lie.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use xxhash_rust::xxh3::Xxh3Default;

use crate::{Error, Result};

/// Bytes read at once.
const CHUNK: usize = 64 << 10;

/// The largest magnitude of a weight. Weights that training makes stay below 1,000; with this bound no sum or
/// product of a prediction overflows, so that none is NaN.
const MAX_WEIGHT: f32 = 1e7;

/// Reads a file from its start. What is asked for is compared with what is left before room is made for it.
pub(super) struct Reader<'a, R: Read> {
    path: &'a Path,
    input: BufReader<Hashing<R>>,
    size: u64,
    left: u64,
}

impl<'a, R: Read> Reader<'a, R> {
    /// Over `size` bytes that are called `path` in errors.
    pub(super) fn new(path: &'a Path, source: R, size: u64) -> Self {
        let hashing = Hashing { source: source.take(size), digest: Xxh3Default::new() };
        Self { path, input: BufReader::with_capacity(CHUNK, hashing), size, left: size }
    }

    /// An error that names the file.
    pub(super) fn refuse(&self, message: impl Into<String>) -> Error {
        Error::input(self.path, message)
    }

    /// Checks that `count` things of `bytes` each are there, and gives the count as a length in memory.
    pub(super) fn check(&self, what: &str, count: u64, bytes: u64) -> Result<usize> {
        let wanted = count.checked_mul(bytes);
        match wanted.filter(|wanted| *wanted <= self.left).and_then(|_| usize::try_from(count).ok()) {
            Some(count) => Ok(count),
            None => Err(self.refuse(format!(
                "the file is cut short or damaged: at byte {}, {what} should take {count} times {bytes} bytes, and {} are left",
                self.size - self.left,
                self.left,
            ))),
        }
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(what, &mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, what: &str, bytes: &mut [u8]) -> Result<()> {
        self.check(what, bytes.len() as u64, 1)?;
        self.input.read_exact(bytes).map_err(|error| Error::io(self.path, "read", error))?;
        self.left -= bytes.len() as u64;
        Ok(())
    }

    /// A 32-bit integer.
    pub(super) fn i32(&mut self, what: &str) -> Result<i32> {
        self.array(what).map(i32::from_le_bytes)
    }

    /// A 64-bit integer.
    pub(super) fn i64(&mut self, what: &str) -> Result<i64> {
        self.array(what).map(i64::from_le_bytes)
    }

    /// One byte.
    pub(super) fn byte(&mut self, what: &str) -> Result<u8> {
        self.array(what).map(|[byte]| byte)
    }

    /// A byte that is 0 or 1.
    pub(super) fn flag(&mut self, what: &str) -> Result<bool> {
        match self.byte(what)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.refuse(format!("damaged: {what} is {other}, expected 0 or 1"))),
        }
    }

    /// A 32-bit integer that counts something and is at most `most`.
    pub(super) fn count(&mut self, what: &str, most: u32) -> Result<u32> {
        let value = self.i32(what)?;
        u32::try_from(value)
            .ok()
            .filter(|value| *value <= most)
            .ok_or_else(|| self.refuse(format!("{what} is {value}, expected 0 to {most}")))
    }

    /// A 64-bit integer that counts something.
    pub(super) fn long_count(&mut self, what: &str) -> Result<u64> {
        let value = self.i64(what)?;
        u64::try_from(value).map_err(|_| self.refuse(format!("{what} is {value}, expected 0 or more")))
    }

    /// So many bytes.
    pub(super) fn bytes(&mut self, what: &str, count: u64) -> Result<Vec<u8>> {
        let mut bytes = vec![0; self.check(what, count, 1)?];
        self.fill(what, &mut bytes)?;
        Ok(bytes)
    }

    /// So many weights, none of them beyond [`MAX_WEIGHT`].
    pub(super) fn weights(&mut self, what: &str, count: u64) -> Result<Vec<f32>> {
        let mut weights = Vec::with_capacity(self.check(what, count, 4)?);
        let mut chunk = [0; CHUNK];
        let mut bytes = 4 * weights.capacity().min(count as usize);
        while bytes > 0 {
            let part = &mut chunk[..bytes.min(CHUNK)];
            self.fill(what, part)?;
            bytes -= part.len();
            let (words, _) = part.as_chunks();
            weights.extend(words.iter().map(|word| f32::from_le_bytes(*word)));
        }
        match weights.iter().find(|weight| weight.is_nan() || weight.abs() > MAX_WEIGHT) {
            Some(weight) => Err(self.refuse(format!(
                "damaged: {what} hold {weight:e}, expected numbers of at most {MAX_WEIGHT:e}"
            ))),
            None => Ok(weights),
        }
    }

    /// Bytes up to a NUL, which is read and left out, appended to `bytes`.
    pub(super) fn name(&mut self, what: &str, bytes: &mut Vec<u8>) -> Result<()> {
        let start = bytes.len();
        let read = (&mut self.input).take(self.left).read_until(0, bytes);
        self.left -= read.map_err(|error| Error::io(self.path, "read", error))? as u64;
        if bytes.len() == start || bytes.pop() != Some(0) {
            return Err(self.refuse(format!("the file is cut short or damaged: {what} has no end")));
        }
        Ok(())
    }

    /// Reads to the end, and gives the XXH3-128 of the whole file.
    pub(super) fn finish(mut self) -> Result<u128> {
        let mut chunk = [0; CHUNK];
        while self.input.read(&mut chunk).map_err(|error| Error::io(self.path, "read", error))? > 0 {}
        Ok(self.input.into_inner().digest.digest128())
    }
}

/// Hashes what is read through it.
struct Hashing<R> {
    source: std::io::Take<R>,
    digest: Xxh3Default,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.digest.update(&buffer[..read]);
        Ok(read)
    }
}
