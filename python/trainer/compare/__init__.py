"""Runs and checkpoints side by side: ``python -m trainer compare``.

Files become facts (:mod:`~trainer.compare.facts`), plain values that ``--json`` prints, and facts become
tables (:mod:`~trainer.compare.tables`) and one page (:mod:`~trainer.compare.page`). Nothing here imports
torch, but for continuing prompts.
"""
