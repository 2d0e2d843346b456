"""A training run from its configuration to its last checkpoint, on one page."""

from __future__ import annotations

import signal
from pathlib import Path

import pytorch_lightning as lightning
import torch
from transformers import LlamaForCausalLM

from prepcore.arguments import UsageError
from prepcore.arguments.program import Terminated
from trainer.blame import describe_rows
from trainer.callbacks.checkpoint import SaveCheckpoints
from trainer.callbacks.faults import Faults
from trainer.callbacks.metrics import Metrics, validated
from trainer.callbacks.plot import Plot
from trainer.callbacks.samples import Samples, read_prompts
from trainer.callbacks.sources import Sources
from trainer.callbacks.throughput import Throughput
from trainer.checkpoint import HuggingFaceCheckpoint
from trainer.checks import check_accelerator, check_fit, check_length, tokenizer_of
from trainer.config import FitConfig
from trainer.data import PackedTokens, Rows
from trainer.describe import describe
from trainer.display import Display
from trainer.initialize import from_source
from trainer.initialize.pretrained import open_source
from trainer.initialize.random import random_configuration, random_model
from trainer.mixture import Mixture
from trainer.model import LlamaModule
from trainer.precision import resolve_precision
from trainer.replay import replay_note
from trainer.resolve import RunNumbers, open_folder, resolve, schedule_of
from trainer.run_folder import LAST, RunFolder, step_of
from trainer.signals import STOPPED, StopRequest
from trainer.tokenizer import check_same_ids, hub_tokenizer, open_tokenizer
from trainer.tokens import TokenFolder

# Tokens on which a model is compared with its source: a few seconds on a CPU for 250 M parameters.
SAMPLE_TOKENS = 4096


def fit(config: FitConfig) -> Path:
    """Train a model.

    Parameters
    ----------
    config
        The whole configuration; with ``resume``, that of the run continued and what is changed in it.

    Returns
    -------
    Path
        The last checkpoint.

    Raises
    ------
    UsageError
        When the configuration or the data is wrong; no run was begun.
    TrainingError
        When a loss or a gradient was not finite; the message names the rows of that batch.
    KeyboardInterrupt, Terminated
        After a checkpoint was saved, when SIGINT or SIGTERM told the run to stop.
    """
    check_accelerator(config.trainer.accelerator)
    notes: list[str] = []
    folder = open_folder(config, notes.append)
    numbers = resolve(config, folder)
    schedule = schedule_of(config, numbers)
    prompts = read_prompts(config.prompts) if config.prompts else []
    tokenizer = open_tokenizer(tokenizer_of(folder)) if prompts else None
    stop = StopRequest()
    with Display(numbers.total_steps) as display, stop.listening():
        for note in notes:
            display.line(note)
        checkpoint = None
        if config.resume:
            run, checkpoint, changes = RunFolder.again(config, config.resume)
            if step_of(checkpoint) > numbers.total_steps:
                raise UsageError(
                    f"{run.path} has done {step_of(checkpoint):,} steps, wanted at most the "
                    f"{numbers.total_steps:,} it is to have in all",
                    "give a larger --trainer.max-steps or --trainer.max-tokens",
                )
            model = open_source(str(checkpoint))
            check_fit(model, str(checkpoint), folder, numbers)
            changes += note_mixture(run, folder)
            run.note(config)
            display.line(f"continuing {run.path} after step {step_of(checkpoint)}")
            for change in changes:
                display.line(f"  changed {change}")
        else:
            for line in replay_note(config, folder):
                display.line(line)
            model = first_model(config, folder, numbers, display)
            run = RunFolder.begin(config)
            note_mixture(run, folder)
        first_step = step_of(checkpoint) if checkpoint else 0
        module = LlamaModule(
            model,
            optimizer=config.optimizer,
            learning_rate=schedule,
            gradient_clip=config.trainer.gradient_clip_val or None,  # 0 is off, as for Lightning
            before_micro_batch=stop.check,
            validation_shares=validation_shares(folder),
            skip_spikes=config.trainer.skip_spikes,
        )
        data = packed_tokens(config, folder, numbers, first_step)
        throughput = Throughput(numbers.tokens_before, numbers.total_steps, first_step)
        faults = Faults(
            display,
            lambda step: describe_rows(folder, data.order.rows_of_step(step).tolist(), numbers.length),
            numbers.total_steps,
        )
        callbacks: list[lightning.Callback] = [
            throughput,
            Metrics(
                run.metrics,
                throughput,
                display,
                every=config.trainer.log_every_n_steps,
                first_step=first_step,
                tokens_before=numbers.tokens_before,
                tokens_per_byte=folder.validation.tokens_per_byte if folder.validation else None,
            ),
            faults,
            SaveCheckpoints(
                run.checkpoints,
                run.metrics,
                throughput,
                faults,
                every=config.checkpoint.interval or config.trainer.val_check_interval,
                config=config.checkpoint,
                first_step=first_step,
            ),
            Plot(run.metrics, run.path),
        ]
        if isinstance(folder, Mixture):
            callbacks.append(
                Sources(run.sources, folder, data.rows_of_sources, display, first_step=first_step)
            )
        if tokenizer is not None:
            callbacks.append(Samples(prompts, tokenizer, run.samples, display))
        trainer = build_trainer(
            config,
            callbacks,
            HuggingFaceCheckpoint(model, folder.tokenizer),
            run,
            validates=folder.validation is not None,
        )
        display.line(describe(config, model, folder, numbers, trainer))
        try:
            train(trainer, module, data, checkpoint, run.metrics)
        except STOPPED as stopped:
            step = max(trainer.global_step, first_step)  # before training begins Lightning counts from 0
            saved = f"continue with --resume {run.path}" if step else f"nothing was saved in {run.path}"
            display.line(f"stopped after step {step}; {saved}")
            raise (KeyboardInterrupt if stop.number == signal.SIGINT else Terminated) from stopped
        last = run.checkpoints / LAST
        display.line(
            f"done: {numbers.total_steps} steps; checkpoint {last}, log {run.metrics}, loss.png beside it"
        )
        return last


def first_model(
    config: FitConfig, folder: TokenFolder, numbers: RunNumbers, display: Display
) -> LlamaForCausalLM:
    """Make the model a run begins with, and say what was made of what."""
    source = config.model.init.source
    if source is None:
        described = random_configuration(
            config.model,
            vocabulary_size=folder.vocabulary_size,
            sequence_length=numbers.length,
            bos=folder.bos,
            eos=folder.eos,
        )
        check_length(described, "the new model", numbers)
        return random_model(described, config.seed)
    if folder.tokenizer is not None and not Path(source).is_dir():
        downloaded = hub_tokenizer(source)
        if downloaded is not None:
            check_same_ids(folder.tokenizer, downloaded)
    surgery = from_source(config.model)
    check_fit(surgery.model, source, folder, numbers)
    display.line(
        f"{config.model.init.strategy} of {config.model.init.source}: source layers {surgery.layers}"
    )
    before = sample_loss(config, surgery.source, folder, numbers)
    if surgery.changed:
        after = sample_loss(config, surgery.model, folder, numbers)
        display.line(f"loss on a sample: {before:.4f} nats/token before the surgery, {after:.4f} after")
    else:
        display.line(f"loss on a sample: {before:.4f} nats/token")
    return surgery.model


@torch.inference_mode()
def sample_loss(
    config: FitConfig, model: LlamaForCausalLM, folder: TokenFolder, numbers: RunNumbers
) -> float:
    """Return the loss on the first rows held out (or of the training data), in nats a token."""
    split = folder.validation or folder.train
    module = LlamaModule(model, optimizer=config.optimizer, learning_rate=lambda step: 0.0)
    rows = min(max(1, SAMPLE_TOKENS // numbers.length), split.rows(numbers.length))
    batch = Rows(split, length=numbers.length, micro=rows, isolate=numbers.isolate)[0]
    loss, targets = module.loss_sum(batch)
    return float(loss / targets)


def packed_tokens(
    config: FitConfig, folder: TokenFolder, numbers: RunNumbers, first_step: int
) -> PackedTokens:
    """Make the data module of a run."""
    data = PackedTokens(
        folder,
        length=numbers.length,
        micro=config.batch.micro,
        rows_per_step=numbers.sizes,
        total_steps=numbers.total_steps,
        seed=config.seed,
        isolate=numbers.isolate,
    )
    data.first_step = first_step
    return data


def note_mixture(run: RunFolder, folder: TokenFolder) -> list[str]:
    """Write down the recipe of a run, where it has one; return what it changes, a line each."""
    return run.note_mixture(folder.recipe) if isinstance(folder, Mixture) else []


def validation_shares(folder: TokenFolder) -> tuple[float, ...]:
    """Return the share of each source in the validation loss: a folder is one source."""
    if isinstance(folder, Mixture) and folder.validation is not None:
        return folder.validation.shares
    return (1.0,)


def build_trainer(
    config: FitConfig,
    callbacks: list[lightning.Callback],
    checkpoint: HuggingFaceCheckpoint,
    run: RunFolder,
    validates: bool,
) -> lightning.Trainer:
    """Make Lightning's trainer: one batch is one optimizer step, one epoch is the whole run."""
    settings = config.trainer
    return lightning.Trainer(
        accelerator=settings.accelerator,
        devices=1,
        precision=resolve_precision(settings.precision, settings.accelerator),
        max_epochs=1,
        val_check_interval=settings.val_check_interval,
        check_val_every_n_epoch=None,
        limit_val_batches=settings.limit_val_batches if validates else 0,
        num_sanity_val_steps=0,
        callbacks=callbacks,
        plugins=[checkpoint],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=run.path,
    )


def train(
    trainer: lightning.Trainer, module: LlamaModule, data: PackedTokens, checkpoint: Path | None, log: Path
) -> None:
    """Train, with a validation of the first and of the last step where the log has none."""
    validates = data.folder.validation is not None
    # One batch is one step, so the step number is all that Lightning's own counters have to hold.
    loop = trainer.fit_loop.epoch_loop
    loop.batch_progress.total.ready = data.first_step
    loop.manual_optimization.optim_step_progress.total.completed = data.first_step
    if (
        validates
        and data.first_step % trainer.val_check_interval == 0
        and not validated(log, data.first_step)
    ):
        trainer.validate(module, data, verbose=False)
    if data.first_step < data.total_steps:
        trainer.fit(module, data, ckpt_path=checkpoint)
    if validates and not validated(log, data.total_steps):
        trainer.validate(module, data, verbose=False)
