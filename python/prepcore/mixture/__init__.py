"""Mixtures: recipes of token folders, and the order in which their rows follow each other.

`interleaving` says whose row comes next, `recipe` is the file that `prepcore mix` writes and the trainer
reads, `folder` is what a manifest says of a source, `build` makes the one from the other, and `commands` is
the command line. Nothing here opens a token file, and nothing needs NumPy.
"""
