//! The pages of a row group, looked at before they are decoded.
//!
//! The `parquet` crate makes room for as many values as a page claims. A few bytes may claim any number, and memory
//! that cannot be had ends the process where no other damage does. So what a page claims is held against what it
//! can hold: once a page, and for texts of a delta encoding once a block of values.

use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;
use parquet::arrow::arrow_reader::RowGroups;
use parquet::basic::{Compression, Encoding, Type};
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::ColumnDescPtr;

use super::delta;
use super::page_header::Header;

/// A row group of a file.
pub(crate) struct Group {
    pub(crate) file: Arc<File>,
    pub(crate) metadata: Arc<ParquetMetaData>,
    pub(crate) number: usize,
}

impl Group {
    /// The pages of a column.
    pub(crate) fn pages(&self, leaf: usize) -> Result<Pages> {
        let described = self.metadata.row_group(self.number);
        let (rows, chunk) = (described.num_rows() as usize, described.column(leaf));
        let file = PageFile { file: Arc::clone(&self.file), compression: chunk.compression() };
        let inner = SerializedPageReader::new(Arc::new(file), chunk, rows, None)?;
        Ok(Pages { inner, column: chunk.column_descr_ptr() })
    }
}

impl RowGroups for Group {
    fn num_rows(&self) -> usize {
        self.metadata.row_group(self.number).num_rows() as usize
    }

    fn column_chunks(&self, leaf: usize) -> Result<Box<dyn PageIterator>> {
        Ok(Box::new(Chunk(Some(self.pages(leaf)?))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.metadata.row_group(self.number)))
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

/// A file that a column is read from, page by page.
struct PageFile {
    file: Arc<File>,
    compression: Compression,
}

impl Length for PageFile {
    fn len(&self) -> u64 {
        Length::len(self.file.as_ref())
    }
}

impl ChunkReader for PageFile {
    type T = Header;

    fn get_read(&self, start: u64) -> Result<Header> {
        let cleared =
            matches!(self.compression, Compression::SNAPPY | Compression::LZ4 | Compression::LZ4_RAW);
        Ok(Header::new(self.file.get_read(start)?, cleared))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.file.get_bytes(start, length)
    }
}

/// The one chunk of a column that a row group has.
struct Chunk(Option<Pages>);

impl Iterator for Chunk {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(|pages| Ok(Box::new(pages) as _))
    }
}

impl PageIterator for Chunk {}

/// The pages of a column, those that claim too much as errors.
pub(crate) struct Pages {
    inner: SerializedPageReader<PageFile>,
    column: ColumnDescPtr,
}

impl Pages {
    fn checked(&self, page: Option<Page>) -> Result<Option<Page>> {
        let excess = page.as_ref().and_then(|page| excess(page, &self.column));
        let name = || self.column.path().string();
        excess.map_or(Ok(page), |excess| {
            Err(ParquetError::General(format!("a page of the column {:?} claims {excess}", name())))
        })
    }
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.inner.get_next_page()?;
        self.checked(page)
    }

    fn take_deferred_dictionary(&mut self) -> Result<Option<Page>> {
        let page = self.inner.take_deferred_dictionary()?;
        self.checked(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.inner.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.inner.skip_next_page()
    }

    fn supports_deferred_dictionary(&self) -> bool {
        self.inner.supports_deferred_dictionary()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.inner.at_record_boundary()
    }
}

/// What a page claims to hold and cannot.
fn excess(page: &Page, column: &ColumnDescPtr) -> Option<String> {
    let (values, most) = match page {
        Page::DictionaryPage { buf, num_values, .. } => {
            // A text stands behind its length of four bytes; and no value takes none.
            let least = if column.physical_type() == Type::BYTE_ARRAY { 4 } else { 1 };
            (u64::from(*num_values), buf.len() as u64 / least)
        }
        Page::DataPage { encoding, num_values, .. } | Page::DataPageV2 { encoding, num_values, .. } => {
            let runs = match encoding {
                Encoding::DELTA_LENGTH_BYTE_ARRAY => 1,
                // The lengths of what texts share with the one before stand before those of the rest.
                Encoding::DELTA_BYTE_ARRAY => 2,
                _ => return None,
            };
            let most = u64::from(*num_values).min(delta::MOST_LENGTHS);
            (delta::most_lengths(values(page, column)?, runs, most), most)
        }
    };
    (values > most).then(|| format!("{values} values where {most} are possible"))
}

/// Where the values of a data page begin: behind its levels. `None` where the decoder finds no values either.
fn values<'a>(page: &'a Page, column: &ColumnDescPtr) -> Option<&'a [u8]> {
    match page {
        Page::DictionaryPage { .. } => None,
        Page::DataPageV2 { buf, def_levels_byte_len, rep_levels_byte_len, .. } => {
            buf.get(def_levels_byte_len.checked_add(*rep_levels_byte_len)? as usize..)
        }
        Page::DataPage { buf, num_values, def_level_encoding, rep_level_encoding, .. } => {
            let mut rest: &[u8] = buf;
            let levels =
                [(column.max_rep_level(), rep_level_encoding), (column.max_def_level(), def_level_encoding)];
            for (deepest, encoding) in levels.into_iter().filter(|(deepest, _)| *deepest > 0) {
                let length = match encoding {
                    Encoding::RLE => {
                        let length = u32::from_le_bytes(*rest.first_chunk()?);
                        4 + length as usize
                    }
                    // The other encoding of levels, which is no longer written: so many bits a value.
                    _ => {
                        let bits = (i16::BITS - deepest.leading_zeros()) as usize;
                        (*num_values as usize * bits).div_ceil(8)
                    }
                };
                rest = rest.get(length..)?;
            }
            Some(rest)
        }
    }
}

#[cfg(test)]
mod tests;
