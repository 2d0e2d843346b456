"""Do the strategies pay? Small experiments with what `prepcore` and `trainer` really do.

python -m benchmarks.evidence.run --work DIR      # from the repository's root; goes on where it was stopped
python -m benchmarks.evidence.report              # README.md and curves/ from data.json and runs.jsonl

`plan` says beforehand what is run, over which learning rates and seeds, and what each claim needs to hold;
`data` makes the texts and token folders; `training` does one run; `verdicts` judges; `report`, `tables` and
`drawing` show. Results are whatever they are: a claim that fails is reported as failed.
"""
