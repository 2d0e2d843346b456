"""What a run would be, before it is one: sizes, data, memory, hours and dollars, by arithmetic alone.

Nothing here imports torch or allocates a tensor. :mod:`~trainer.plan.architecture` has the model,
:mod:`~trainer.plan.run` the length of the run, :mod:`~trainer.plan.data` what the data holds of it,
:mod:`~trainer.plan.computation` how it is computed, :mod:`~trainer.plan.activations` and
:mod:`~trainer.plan.losses` what a micro-batch keeps, :mod:`~trainer.plan.strategies` what each device holds
of the rest, :mod:`~trainer.plan.memory` the fullest moment of a step, :mod:`~trainer.plan.machines` the GPUs,
:mod:`~trainer.plan.cost` hours and dollars, :mod:`~trainer.plan.advice` what the literature suggests,
:mod:`~trainer.plan.reverse` the model that a budget buys. :mod:`~trainer.plan.facts` puts them together,
:mod:`~trainer.plan.tables` and :mod:`~trainer.plan.page` show them.
"""
