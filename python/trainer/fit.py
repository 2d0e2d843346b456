"""A training run from its configuration to its last checkpoint, on one page."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import pytorch_lightning as lightning
import torch
from transformers import LlamaForCausalLM

from prepcore.arguments import UsageError
from prepcore.arguments.program import Terminated
from trainer.callbacks.metrics import validated
from trainer.callbacks.wiring import watch
from trainer.checkpoint import HuggingFaceCheckpoint
from trainer.checks import check_accelerator, check_fit, tokenizer_of
from trainer.compute import describe_compute, device_type, resolve_compute, set_attention_dropout
from trainer.config import ComputeConfig, FitConfig
from trainer.data import PackedTokens
from trainer.describe import describe
from trainer.display import Display
from trainer.errors import TrainingError
from trainer.evaluate.wanted import check_evaluations
from trainer.initialize.around import Sample, Surroundings
from trainer.initialize.build import build
from trainer.initialize.facts import Facts
from trainer.initialize.pretrained import open_source
from trainer.initialize.surgery import train_only
from trainer.launch import launch
from trainer.loggers import check_loggers
from trainer.mixture import Mixture
from trainer.model import LlamaModule
from trainer.precision import resolve_precision
from trainer.processes import Processes, starts_processes
from trainer.prompts import read_prompts
from trainer.replay import replay_note
from trainer.report.facts import RunFacts
from trainer.report.sections import headline
from trainer.resolve import RunNumbers, open_folder, resolve, schedule_of
from trainer.run_folder import LAST, RunFolder, step_of
from trainer.sharding import Started, answer_signals_ourselves, strategy_of
from trainer.sharing import made_by_first
from trainer.signals import STOPPED, StopRequest
from trainer.tokenizer import open_tokenizer
from trainer.tokens import TokenFolder
from trainer.values import checked


def fit(config: FitConfig) -> Path:
    """Train a model, on as many devices as ``trainer.devices`` says.

    Where these are several, and this process is not one that was started for them, it starts one a device,
    ``python -m trainer`` each, and waits.

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
        When a loss or a gradient was not finite; the message names the rows of that batch. When one of the
        processes it started failed.
    KeyboardInterrupt, Terminated
        After a checkpoint was saved, when SIGINT or SIGTERM told the run to stop.
    """
    config = checked(config)
    if starts_processes(config.trainer):
        return fit_elsewhere(config)
    with Processes.meet(config.trainer, device_type(config.trainer.accelerator)) as processes:
        return fit_here(config, processes)


def fit_elsewhere(config: FitConfig) -> Path:
    """Train a model in processes that are started for it; see :func:`fit`."""
    code = launch(config, answers=False)
    if code == 130:
        raise KeyboardInterrupt
    if code == 143:
        raise Terminated
    if code:
        said = f"the processes of the run ended with exit code {code}, and said why"
        raise UsageError(said) if code == UsageError.exit_code else TrainingError(said)
    return RunFolder(Path(config.resume or config.run)).checkpoints / LAST


def fit_here(config: FitConfig, processes: Processes) -> Path:
    """Train a model in this process, which may be one of several; see :func:`fit`."""
    processes.by_all(lambda: check_here(config, processes))
    notes: list[str] = []
    folder = processes.by_all(lambda: open_folder(config, notes.append), first_alone=True)
    numbers = processes.by_all(lambda: resolve(config, folder))
    processes.by_first(lambda: check_evaluations(config.evaluation, folder.tokenizer))
    schedule = schedule_of(config, numbers)
    prompts = processes.by_all(lambda: read_prompts(config.prompts) if config.prompts else [])
    tokenizer = processes.by_all(lambda: open_tokenizer(tokenizer_of(folder)) if prompts else None)
    stop = StopRequest(processes.largest)
    with Display(numbers.total_steps, silent=not processes.first) as display, stop.listening():
        for note in notes:
            display.line(note)
        checkpoint = None
        if config.resume:
            resumed = config.resume
            run, checkpoint, changes = processes.by_first(lambda: RunFolder.again(config, resumed))
            if step_of(checkpoint) > numbers.total_steps:
                raise UsageError(
                    f"{run.path} has done {step_of(checkpoint):,} steps, wanted at most the "
                    f"{numbers.total_steps:,} it is to have in all",
                    "give a larger --trainer.max-steps or --trainer.max-tokens",
                )
            model = made_by_first(lambda: model_again(config, run, checkpoint, folder, numbers), processes)
            compute = processes.by_all(lambda: settle_compute(config, model, numbers))
            changes += processes.by_first(lambda: note_mixture(run, folder))
            processes.by_first(lambda: run.note(config))
            display.line(f"continuing {run.path} after step {step_of(checkpoint)}")
            for change in changes:
                display.line(f"  changed {change}")
        else:
            for line in replay_note(config, folder):
                display.line(line)
            facts: list[Facts] = []
            model = made_by_first(
                lambda: first_model(config, folder, numbers, display, facts.append), processes
            )
            compute = processes.by_all(lambda: settle_compute(config, model, numbers))
            run = processes.by_first(lambda: begin(config, folder, facts))
            # What dropout draws is a matter of the seed, not of what this process drew before.
            torch.manual_seed(config.seed)
        first_step = step_of(checkpoint) if checkpoint else 0
        data = packed_tokens(config, folder, numbers, first_step)
        module = LlamaModule(
            model,
            optimizer=config.optimizer,
            learning_rate=schedule,
            gradient_clip=config.trainer.gradient_clip_val or None,  # 0 is off, as for Lightning
            before_micro_batch=stop.check,
            validation_shares=data.validation_shares,
            skip_spikes=config.trainer.skip_spikes,
            compute=compute,
            reshard_after_forward=config.trainer.reshard_after_forward is not False,
            seed=config.seed,
        )
        watchers = watch(
            config,
            run,
            folder,
            numbers,
            data,
            model,
            display,
            processes,
            first_step=first_step,
            prompts=prompts,
            tokenizer=tokenizer,
            compiled=compute.compile == "on",
            stop=stop,
        )
        trainer = build_trainer(
            config,
            watchers.callbacks,
            HuggingFaceCheckpoint(model, folder.tokenizer),
            run,
            processes,
            validates=folder.validation is not None,
        )
        display.line(describe(config, model, folder, numbers, trainer, watchers.arithmetic))
        display.line(describe_compute(compute))
        try:
            train(trainer, module, data, checkpoint, run.metrics, processes)
        except STOPPED as stopped:
            step = max(trainer.global_step, first_step)  # before training begins Lightning counts from 0
            saved = f"continue with --resume {run.path}" if step else f"nothing was saved in {run.path}"
            display.line(f"stopped after step {step}; {saved}")
            raise (KeyboardInterrupt if stop.number == signal.SIGINT else Terminated) from stopped
        finally:
            watchers.close()
        last = run.checkpoints / LAST
        if processes.first:
            display.line(headline(RunFacts.gather(run)))
            display.line(f"checkpoint {last}, log {run.metrics}, page {run.report}")
        return last


def check_here(config: FitConfig, processes: Processes) -> None:
    """Refuse what this machine has not."""
    check_accelerator(config.trainer.accelerator, processes.place.local_count)
    if processes.first:
        check_loggers(config.logger)


def begin(config: FitConfig, folder: TokenFolder, facts: Sequence[Facts]) -> RunFolder:
    """Make the folder of a new run."""
    run = RunFolder.begin(config)
    for fact in facts:
        fact.write(run.initialization)
    note_mixture(run, folder)
    return run


def model_again(
    config: FitConfig, run: RunFolder, checkpoint: Path, folder: TokenFolder, numbers: RunNumbers
) -> LlamaForCausalLM:
    """Read the model of a run that continues."""
    model = open_source(str(checkpoint))
    check_fit(model, str(checkpoint), folder, numbers)
    if config.model.init.train == "new-blocks" and (layers := Facts.read(run.initialization).layers):
        train_only(model, layers.new)
    return model


def first_model(
    config: FitConfig,
    folder: TokenFolder,
    numbers: RunNumbers,
    display: Display,
    note: Callable[[Facts], None],
) -> LlamaForCausalLM:
    """Make the model a run begins with; say and note what was made of what."""
    device = "cuda" if config.trainer.accelerator != "cpu" and torch.cuda.is_available() else "cpu"
    around = Surroundings(
        tokenizer=folder.tokenizer,
        vocabulary_size=folder.vocabulary_size,
        bos=folder.bos,
        eos=folder.eos,
        sequence_length=numbers.length,
        sample=Sample(folder, numbers.length, numbers.isolate, device),
    )
    made = build(config.model, around, seed=config.seed, say=display.line)
    source = config.model.init.source
    check_fit(made.model, source or "the new model", folder, numbers)
    if source is not None:
        display.line(str(made.facts))
    note(made.facts)
    return made.model


def settle_compute(config: FitConfig, model: LlamaForCausalLM, numbers: RunNumbers) -> ComputeConfig:
    """Settle how a run is computed, while nothing of it is written yet."""
    set_attention_dropout(model, config.model.attention_dropout)
    return resolve_compute(
        config,
        model,
        length=numbers.length,
        tokens=numbers.tokens_before(numbers.total_steps),
        precision=resolve_precision(config.trainer.precision, config.trainer.accelerator),
        packed=numbers.isolate,
    )


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
        validation_limit=config.trainer.limit_val_batches,
    )
    data.first_step = first_step
    return data


def note_mixture(run: RunFolder, folder: TokenFolder) -> list[str]:
    """Write down the recipe of a run, where it has one; return what it changes, a line each."""
    return run.note_mixture(folder.recipe) if isinstance(folder, Mixture) else []


def build_trainer(
    config: FitConfig,
    callbacks: list[lightning.Callback],
    checkpoint: HuggingFaceCheckpoint,
    run: RunFolder,
    processes: Processes,
    validates: bool,
) -> lightning.Trainer:
    """Make Lightning's trainer: one batch is one optimizer step, one epoch is the whole run."""
    settings = config.trainer
    several = processes.count > 1
    trainer = lightning.Trainer(
        accelerator=settings.accelerator,
        devices=processes.place.local_count,
        num_nodes=processes.place.nodes,
        strategy=strategy_of(settings, processes),
        precision=resolve_precision(settings.precision, settings.accelerator),
        max_epochs=1,
        val_check_interval=settings.val_check_interval,
        check_val_every_n_epoch=None,
        limit_val_batches=None if validates else 0,  # the data module has the limit
        num_sanity_val_steps=0,
        callbacks=callbacks,
        plugins=[checkpoint, Started()] if several else [checkpoint],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        # Weights that are brought together in inference mode could not be trained afterwards.
        inference_mode=not several,
        default_root_dir=run.path,
    )
    if several:
        answer_signals_ourselves(trainer)
    return trainer


def train(
    trainer: lightning.Trainer,
    module: LlamaModule,
    data: PackedTokens,
    checkpoint: Path | None,
    log: Path,
    processes: Processes,
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
        and not processes.by_first(lambda: validated(log, data.first_step))
    ):
        trainer.validate(module, data, verbose=False)
    if data.first_step < data.total_steps:
        trainer.fit(module, data, ckpt_path=checkpoint)
    if validates and not processes.by_first(lambda: validated(log, data.total_steps)):
        trainer.validate(module, data, verbose=False)
