"""Which of two checkpoints answers better: ``python -m trainer judge``.

Both continue the same prompts (:mod:`~trainer.judge.answers`). A *judge* compares the two answers to each
prompt, in both orders: a local model (:mod:`~trainer.judge.local`), a server
(:mod:`~trainer.judge.server`), or people with a sheet (:mod:`~trainer.judge.sheet`). What it said is kept
line by line (:mod:`~trainer.judge.judgments`), so that an interrupted comparison continues, and counted
(:mod:`~trainer.judge.statistics`).
"""
