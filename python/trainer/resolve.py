"""From what was configured and what the data holds to the numbers of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from prepcore.arguments import UsageError
from trainer.config import FitConfig, with_preset
from trainer.mixture import Mixture
from trainer.rows import Say, open_data
from trainer.run_folder import RunFolder, all_checkpoints
from trainer.schedule import Schedule, warmup_steps
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
        Rows in an optimizer step.
    total_steps
        Optimizer steps of the whole run.
    isolate
        Whether documents that share a row are hidden from each other: asked for, and their borders known.
    """

    length: int
    rows_per_step: int
    total_steps: int
    isolate: bool

    @property
    def tokens_per_step(self) -> int:
        """Tokens in an optimizer step."""
        return self.rows_per_step * self.length


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


def resolve(config: FitConfig, folder: TokenFolder) -> RunNumbers:
    """Work out the numbers of a run.

    Raises
    ------
    UsageError
        When the data has no row, or a step is not a whole number of micro-batches.
    """
    length = config.data.sequence_length or folder.sequence_length
    check_rows(folder, length)
    rows_per_step = _rows_per_step(config, length)
    rows = rows_of_a_pass(folder, length)
    return RunNumbers(
        length,
        rows_per_step,
        _total_steps(config, rows, rows_per_step, length),
        isolate=config.data.isolate_documents and folder.borders,
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


def schedule_of(config: FitConfig, total_steps: int) -> Schedule:
    """Make the learning rate's schedule of a run.

    Raises
    ------
    UsageError
        When the warm-up is not a number of steps or is longer than the run.
    """
    try:
        warmup = warmup_steps(config.schedule.warmup, total_steps)
    except ValueError as error:
        raise UsageError(str(error), "give --schedule.warmup a share such as 1%, or fewer steps") from error
    return Schedule(
        name=config.schedule.name,
        peak=config.optimizer.learning_rate,
        warmup_steps=warmup,
        total_steps=total_steps,
        final_share=config.schedule.final_share,
    )


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


def _total_steps(config: FitConfig, rows: int, rows_per_step: int, length: int) -> int:
    """Return the smallest of the limits that were set, or one pass over the data."""
    wanted = config.trainer
    limits = []
    if wanted.max_steps is not None:
        limits.append(wanted.max_steps)
    if wanted.max_tokens is not None:
        limits.append(-(-wanted.max_tokens // (rows_per_step * length)))
    if wanted.max_epochs is not None or not limits:
        limits.append(max(1, rows * (wanted.max_epochs or 1) // rows_per_step))
    return min(limits)
