"""Token folders read back: what ``prepcore pack`` has written, as memory-mapped arrays.

`prepcore.tokens.folder` opens a folder (`prepcore.Tokens`), `files` and `row_index` map its files, `split` is
one side of it as a sequence of tokens and documents, `rows` cuts that into rows, and `tracing` goes from a
row back to its documents. NumPy is imported by those modules and not by this one, so that the command line
can name its commands without it.
"""
