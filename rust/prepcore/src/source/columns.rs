//! The columns of the documents: which there are, which are kept, and whether files agree on them.

use std::path::Path;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::{Options, parquet};
use crate::config::Columns;
use crate::text::TextColumn;
use crate::{Error, Result};

/// The column that holds a JSONL object's other members.
const EXTRA: &str = "extra";

/// The columns of `schema` that are kept, in its order.
pub(crate) fn kept(schema: &Schema, columns: &Columns) -> SchemaRef {
    let fields = schema.fields().iter().filter(|field| columns.holds(field.name())).cloned();
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()))
}

/// Checks what was asked for against the columns that there are.
pub(crate) fn check(available: &Schema, options: &Options) -> Result<()> {
    text_index(available, &options.text_column)?;
    let names: Vec<&str> = available.fields().iter().map(|field| field.name().as_str()).collect();
    let mut doubles = names.iter().enumerate().filter(|(at, name)| names[..*at].contains(name));
    if let Some((_, name)) = doubles.find(|(_, name)| options.columns.holds(name)) {
        return Err(Error::config("--columns", format!("two columns are named {name:?}")));
    }
    let Columns::Named(wanted) = &options.columns else { return Ok(()) };
    match wanted.iter().find(|name| !names.contains(&name.as_str())) {
        Some(name) => {
            Err(Error::config("--columns", format!("no column {name:?}; there are: {}", describe(available))))
        }
        None => Ok(()),
    }
}

fn describe(schema: &Schema) -> String {
    let describe = |field: &Arc<Field>| format!("{} ({})", field.name(), field.data_type());
    schema.fields().iter().map(describe).collect::<Vec<_>>().join(", ")
}

/// The number of the text column.
pub(crate) fn text_index(schema: &Schema, name: &str) -> Result<usize> {
    match schema.index_of(name) {
        Err(_) => Err(Error::config(
            "--text-column",
            format!("no column {name:?}; there are: {}", describe(schema)),
        )),
        Ok(index) if TextColumn::is_text(schema.field(index).data_type()) => Ok(index),
        Ok(index) => Err(Error::config(
            "--text-column",
            format!(
                "the column {name:?} holds {}, expected strings; there are: {}",
                schema.field(index).data_type(),
                describe(schema)
            ),
        )),
    }
}

/// The columns of JSONL: the text, and the rest of each object where it is wanted.
pub(crate) fn of_lines(options: &Options) -> Result<SchemaRef> {
    // The text alone is what tokenising reads; `clean` copies whole lines, and refuses any choice of columns.
    let text_alone = Columns::Named(vec![options.text_column.clone()]);
    if options.columns != Columns::All && (options.extra || options.columns != text_alone) {
        return Err(Error::config("--columns", "JSONL has members, not columns: all of them are kept"));
    }
    if options.extra && options.text_column == EXTRA {
        return Err(Error::config(
            "--text-column",
            "the name `extra` is taken by the column of the other members",
        ));
    }
    let mut fields = vec![Field::new(&options.text_column, DataType::LargeUtf8, false)];
    if options.extra {
        fields.push(Field::new(EXTRA, DataType::LargeUtf8, false));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// The columns of text files.
pub(crate) fn of_texts() -> SchemaRef {
    Arc::new(Schema::new(["text", "path"].map(|name| Field::new(name, DataType::LargeUtf8, false)).to_vec()))
}

/// The columns of `schema`, nullable wherever those of `other` are.
pub(crate) fn with_nulls(schema: &SchemaRef, other: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| {
        let nullable = other.field_with_name(field.name()).is_ok_and(Field::is_nullable);
        Arc::new(field.as_ref().clone().with_nullable(field.is_nullable() || nullable))
    });
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()))
}

/// Checks that two files have the same columns; which of Arrow's layouts their strings have does not matter.
pub(crate) fn check_same((first, wanted): (&Path, &Schema), (path, found): (&Path, &Schema)) -> Result<()> {
    let (wanted, found) = (parquet::decoded_schema(wanted), parquet::decoded_schema(found));
    let kind = |schema: &Schema, name: &str| {
        schema.field_with_name(name).map_or("absent".to_owned(), |field| field.data_type().to_string())
    };
    let mut names = wanted.fields().iter().chain(found.fields()).map(|field| field.name());
    match names.find(|name| kind(&wanted, name) != kind(&found, name)) {
        None => Ok(()),
        Some(name) => Err(Error::input(
            path,
            format!(
                "the column {name:?} is {}, but in {} it is {}",
                kind(&found, name),
                first.display(),
                kind(&wanted, name)
            ),
        )
        .hint("--columns picks the columns that the files share")),
    }
}
