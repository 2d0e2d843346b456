"""Other people's token files, both ways: datatrove, Megatron-LM, rows and documents in Parquet or `datasets`.

Whatever is read is a `Source`: batches of whole documents, or of whole rows that have lost their borders
(`prepcore.formats.source`). `mapped` and `megatron` open files of tokens, `lists` and `row_files` columns of
lists; `folder`, `megatron` and `parquet` write. `run` joins the two. NumPy is imported by those modules and
not by this one.
"""
