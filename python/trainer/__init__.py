"""Train Llama models on token folders, or on rows of tokens in Parquet.

From the command line::

    python -m trainer fit --config demo --data.path tokens
    python -m trainer generate runs/demo/checkpoints/last --prompt "Return the"

The road of a run, a file a stop: :mod:`trainer.config` (what may be set), :mod:`trainer.fit` (the whole
run on one page), :mod:`trainer.rows` and :mod:`trainer.tokens` (what is read), :mod:`trainer.data` (which
rows make a step), :mod:`trainer.initialize` (where the first weights come from), :mod:`trainer.model`
(what a step does), :mod:`trainer.checkpoint` (what is kept).

Importing this package imports nothing heavy; its modules import torch when they need it.
"""

__version__ = "0.1.0"
