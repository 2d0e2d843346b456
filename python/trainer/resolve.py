"""From what was configured and what the data holds to the numbers of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from prepcore.arguments import UsageError
from trainer.config import FitConfig, with_preset
from trainer.mixture import Mixture
from trainer.processes import processes_of
from trainer.ramp import StepSizes
from trainer.rows import Say, open_data
from trainer.run_folder import RunFolder, all_checkpoints
from trainer.schedule import Schedule, steps_of, warmup_steps
from trainer.tokenizer import DEFINITION, check_same_ids
from trainer.tokens import TokenFolder, check_largest


@dataclass(frozen=True)
class RunNumbers:
    """Sizes and lengths that are known before anything is trained.

    Attributes
    ----------
    length
        Tokens in a row.
    rows_per_step
        Rows in an optimizer step, when a ramp is over.
    total_steps
        Optimizer steps of the whole run.
    isolate
        Whether documents that share a row are hidden from each other: asked for, and their borders known.
    sizes
        Rows of every step.
    """

    length: int
    rows_per_step: int
    total_steps: int
    isolate: bool
    sizes: StepSizes

    @property
    def tokens_per_step(self) -> int:
        """Tokens in an optimizer step, when a ramp is over."""
        return self.rows_per_step * self.length

    @property
    def total_rows(self) -> int:
        """Rows of the whole run."""
        return self.sizes.before(self.total_steps)

    def tokens_before(self, step: int) -> int:
        """Return the tokens of all steps before one (counted from 0)."""
        return self.sizes.before(step) * self.length


def source_of(config: FitConfig) -> str | None:
    """Return where the weights of a run come from: its last checkpoint, a source, or nowhere."""
    if config.resume:
        checkpoints = all_checkpoints(RunFolder(Path(config.resume)).checkpoints)
        return str(checkpoints[-1]) if checkpoints else None
    return config.model.init.source


def open_folder(config: FitConfig, say: Say) -> TokenFolder:
    """Open the data of a run and hold its tokenizer against that of the model.

    Parameters
    ----------
    config
        The whole configuration.
    say
        Is told of a conversion of Parquet before it begins.

    Raises
    ------
    UsageError
        When the data is not what it should be, or is of another tokenizer than the model.
    """
    source = source_of(config)
    model = Path(source) if source is not None and (Path(source) / DEFINITION).is_file() else None
    folder = open_data(config.data, say, tokenizer=model)
    if model is not None and folder.tokenizer is not None:
        check_same_ids(folder.tokenizer, model)
    if source is None and folder.tokenizer is None and folder.largest is not None:
        size = with_preset(config.model).vocab_size
        if size is None:
            raise UsageError(
                f"{config.data.path} has rows without a tokenizer, so a new model's vocabulary is not known",
                "give the tokenizer they were made with, --data.tokenizer DIR, or --model.vocab-size N",
            )
        check_largest(Path(config.data.path), folder.largest, size, "model.vocab-size")
    return folder


def resolve(config: FitConfig, folder: TokenFolder, processes: int | None = None) -> RunNumbers:
    """Work out the numbers of a run.

    Parameters
    ----------
    config
        The whole configuration.
    folder
        Its data.
    processes
        How many share each step; by default those that were started or are to be.

    Raises
    ------
    UsageError
        When the data has no row, or a step is not a whole number of micro-batches, or of those of all
        processes.
    """
    length = config.data.sequence_length or folder.sequence_length
    check_rows(folder, length)
    rows = rows_of_a_pass(folder, length)
    return run_numbers(
        config,
        length=length,
        rows=rows,
        isolate=config.data.isolate_documents and folder.borders,
        processes=processes_of(config.trainer) if processes is None else processes,
    )


def run_numbers(config: FitConfig, *, length: int, rows: int, isolate: bool, processes: int) -> RunNumbers:
    """Work out the numbers of a run over so many rows a pass.

    Raises
    ------
    UsageError
        When a step is not a whole number of micro-batches, or of those of all processes.
    """
    rows_per_step = _rows_per_step(config, length)
    _check_shares(config, rows_per_step, length, processes)
    sizes = _sizes(config, rows_per_step, length)
    return RunNumbers(
        length, rows_per_step, _total_steps(config, rows, sizes, length), isolate=isolate, sizes=sizes
    )


def rows_of_a_pass(folder: TokenFolder, length: int) -> int:
    """Return the rows of one pass: those of a folder, or of a recipe whatever its folders have beyond."""
    return folder.recipe.rows if isinstance(folder, Mixture) else folder.train.rows(length)


def check_rows(folder: TokenFolder, length: int) -> None:
    """Refuse data that has not one row to train on, or to validate on.

    Raises
    ------
    UsageError
        Naming the folder, and its tokens.
    """
    if folder.train.rows(length) == 0:
        raise UsageError(
            f"{folder.path} has {folder.train.tokens:,} tokens, not enough for one row of {length:,}",
            "give a shorter --data.sequence-length, or more text",
        )
    if folder.validation is not None and folder.validation.rows(length) == 0:
        raise UsageError(
            f"{folder.path / 'validation'} has {folder.validation.tokens:,} tokens, not enough for one row "
            f"of {length:,}",
            "hold out more documents with `prepcore pack --validation`",
        )


def schedule_of(config: FitConfig, numbers: RunNumbers) -> Schedule:
    """Make the learning rate's schedule of a run.

    Raises
    ------
    UsageError
        When the warm-up or the decay is not a number of steps, or both are longer than the run.
    """
    total_steps, sizes, schedule = numbers.total_steps, numbers.sizes, config.schedule

    def steps_at_end(tokens: int) -> int:
        return total_steps - sizes.whole_steps(max(0, numbers.total_rows - _rows(tokens, numbers.length)))

    try:
        warmup = warmup_steps(
            schedule.warmup, total_steps, lambda tokens: sizes.steps(_rows(tokens, numbers.length))
        )
    except ValueError as error:
        raise UsageError(str(error), "give --schedule.warmup a share such as 1%, or fewer steps") from error
    decay = 0
    if schedule.name == "wsd":
        try:
            decay = steps_of("schedule.decay", schedule.decay or "10%", total_steps, steps_at_end)
        except ValueError as error:
            raise UsageError(
                str(error), "give --schedule.decay a share such as 10%, or fewer steps"
            ) from error
        if warmup + decay > total_steps:
            raise UsageError(
                f"schedule.warmup is {warmup} steps and schedule.decay {decay}, wanted at most the "
                f"{total_steps} of the run together",
                "give --schedule.decay a smaller share",
            )
    return Schedule(
        name=config.schedule.name,
        peak=config.optimizer.learning_rate,
        warmup_steps=warmup,
        total_steps=total_steps,
        final_share=0.1 if schedule.final_share is None else schedule.final_share,
        decay_steps=decay,
        decay_shape=schedule.decay_shape or "linear",
    )


def _rows(tokens: int, length: int) -> int:
    return -(-tokens // length)


def _rows_per_step(config: FitConfig, length: int) -> int:
    micro_tokens = config.batch.micro * length
    tokens = config.batch.tokens or micro_tokens
    if tokens % micro_tokens:
        near = max(1, round(tokens / micro_tokens)) * micro_tokens
        raise UsageError(
            f"batch.tokens is {tokens:,}, not a multiple of a micro-batch: {config.batch.micro} rows of "
            f"{length:,} tokens, {micro_tokens:,}",
            f"the nearest is --batch.tokens {near}",
        )
    return tokens // length


def _check_shares(config: FitConfig, rows_per_step: int, length: int, processes: int) -> None:
    """Refuse a step that the processes cannot share alike: some would wait in each.

    The smaller steps of a ramp are few, and come to an end.
    """
    micro = config.batch.micro
    if rows_per_step % (micro * processes) == 0:
        return
    together = micro * processes * length
    near = max(1, round(rows_per_step * length / together)) * together
    named = "" if config.batch.tokens else ", as it is one micro-batch where nothing is set"
    raise UsageError(
        f"batch.tokens is {rows_per_step * length:,}{named}, wanted a multiple of {together:,}: a "
        f"micro-batch of {micro} rows of {length:,} tokens for each of {processes} processes",
        f"the nearest is --batch.tokens {near}; or give a smaller --batch.micro",
    )


def _sizes(config: FitConfig, rows_per_step: int, length: int) -> StepSizes:
    batch = config.batch
    if batch.ramp_from is None or batch.ramp_tokens is None:
        return StepSizes(rows_per_step)
    micro_tokens = batch.micro * length
    if batch.ramp_from % micro_tokens:
        near = max(1, round(batch.ramp_from / micro_tokens)) * micro_tokens
        raise UsageError(
            f"batch.ramp-from is {batch.ramp_from:,}, not a multiple of a micro-batch: {batch.micro} rows of "
            f"{length:,} tokens, {micro_tokens:,}",
            f"the nearest is --batch.ramp-from {near}",
        )
    return StepSizes(rows_per_step, batch.micro, batch.ramp_from // length, _rows(batch.ramp_tokens, length))


def _total_steps(config: FitConfig, rows: int, sizes: StepSizes, length: int) -> int:
    """Return the smallest of the limits that were set, or one pass over the data."""
    wanted = config.trainer
    limits = []
    if wanted.max_steps is not None:
        limits.append(wanted.max_steps)
    if wanted.max_tokens is not None:
        limits.append(sizes.steps(_rows(wanted.max_tokens, length)))
    if wanted.max_epochs is not None or not limits:
        limits.append(max(1, sizes.whole_steps(rows * (wanted.max_epochs or 1))))
    return min(limits)
