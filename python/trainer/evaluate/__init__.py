"""What a checkpoint is worth: ``python -m trainer evaluate``.

A *measure* (:mod:`~trainer.evaluate.measure`) takes an open checkpoint, a *subject*
(:mod:`~trainer.evaluate.subject`), and gives an *outcome*: scores by metric. Outcomes are kept in a results
file (:mod:`~trainer.evaluate.results`), one after the other, so that an interrupted evaluation continues.
"""
