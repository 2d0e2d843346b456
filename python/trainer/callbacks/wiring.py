"""Who watches a run: the callbacks and loggers, made and put in their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytorch_lightning as lightning
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM

from trainer.about import write_about
from trainer.blame import describe_rows
from trainer.callbacks.checkpoint import SaveCheckpoints
from trainer.callbacks.compilation import Compilation
from trainer.callbacks.evaluations import Evaluations, evaluate_command
from trainer.callbacks.faults import Faults
from trainer.callbacks.metrics import Metrics
from trainer.callbacks.plot import Plot
from trainer.callbacks.report import Report
from trainer.callbacks.samples import Samples
from trainer.callbacks.sources import Sources
from trainer.callbacks.throughput import Throughput
from trainer.compute import device_type
from trainer.config import FitConfig
from trainer.data import PackedTokens
from trainer.device import arithmetic_of, device_name
from trainer.display import Display
from trainer.flops import Arithmetic
from trainer.loggers import Logger, open_loggers
from trainer.mixture import Mixture
from trainer.precision import resolve_precision
from trainer.processes import Processes
from trainer.resolve import RunNumbers
from trainer.run_folder import RunFolder, values_of
from trainer.signals import StopRequest
from trainer.tokens import TokenFolder


@dataclass(frozen=True)
class Watchers:
    """Those who watch a run.

    Attributes
    ----------
    callbacks
        In the order in which Lightning is to call them.
    loggers
        Who hears of the figures beside the CSV.
    arithmetic
        What a token costs and what the devices could do.
    """

    callbacks: list[lightning.Callback]
    loggers: list[Logger]
    arithmetic: Arithmetic

    def close(self) -> None:
        """Let the loggers write what is left."""
        for logger in self.loggers:
            logger.close()


def watch(
    config: FitConfig,
    run: RunFolder,
    folder: TokenFolder,
    numbers: RunNumbers,
    data: PackedTokens,
    model: LlamaForCausalLM,
    display: Display,
    processes: Processes,
    *,
    first_step: int,
    prompts: Sequence[str],
    tokenizer: Tokenizer | None,
    compiled: bool,
    stop: StopRequest,
) -> Watchers:
    """Make the callbacks and loggers of a run.

    The loggers come first, since they look at the log before the lines of lost steps are cut from it. Among
    the callbacks what compiles comes first, where layers are compiled; then the clock, who writes lines,
    who looks for faults, the checkpoint before what may fail, and the report last, since it reads what the
    others wrote. Of several processes the first one writes; the others have what all have to do alike.
    """
    settings = config.trainer
    device, precision = (
        device_name(settings.accelerator),
        resolve_precision(settings.precision, settings.accelerator),
    )
    arithmetic = arithmetic_of(
        model,
        numbers.length,
        device=device,
        precision=precision,
        devices=processes.count,
        peak_tflops=settings.peak_tflops,
    )
    loggers: list[Logger] = []
    if processes.first:
        write_about(run.about, config, model, folder, numbers, arithmetic, precision, processes.count)
        loggers = open_loggers(
            config.logger,
            run=run.path,
            metrics=run.metrics,
            configuration=values_of(config),
            first_step=first_step,
            say=display.line,
        )
    throughput = Throughput(numbers.tokens_before, numbers.total_steps, first_step)
    faults = Faults(
        display,
        lambda step: describe_rows(folder, data.order.rows_of_step(step).tolist(), numbers.length),
        numbers.total_steps,
    )
    checkpoints = SaveCheckpoints(
        run.checkpoints,
        run.metrics,
        throughput,
        faults,
        every=config.checkpoint.interval or settings.val_check_interval,
        config=config.checkpoint,
        first_step=first_step,
        first=processes.first,
    )
    evaluations = []
    if config.evaluation.every is not None:
        evaluations.append(
            Evaluations(
                evaluate_command(config.evaluation, device_type(settings.accelerator)),
                run.checkpoints,
                run.evaluations,
                every=config.evaluation.every,
                seconds=config.evaluation.minutes * 60,
                throughput=throughput,
                stopping=lambda: stop.number is not None,
                display=display,
                first_step=first_step,
                processes=processes,
            )
        )
    compilation = [Compilation(display)] if compiled else []
    samples = []
    if tokenizer is not None and (processes.first or settings.strategy == "fsdp"):
        samples.append(
            Samples(
                prompts,
                tokenizer,
                run.samples,
                display,
                first_step=first_step,
                loggers=loggers,
                first=processes.first,
            )
        )
    if not processes.first:
        return Watchers(
            [*compilation, throughput, faults, checkpoints, *evaluations, *samples], [], arithmetic
        )
    callbacks: list[lightning.Callback] = [
        *compilation,
        throughput,
        Metrics(
            run.metrics,
            throughput,
            display,
            every=settings.log_every_n_steps,
            first_step=first_step,
            tokens_before=numbers.tokens_before,
            tokens_per_byte=folder.validation.tokens_per_byte if folder.validation else None,
            arithmetic=arithmetic,
            loggers=loggers,
        ),
        faults,
        checkpoints,
        *evaluations,
        Plot(run.metrics, run.path, display.line),
    ]
    if isinstance(folder, Mixture):
        callbacks.append(Sources(run.sources, folder, data.rows_of_sources, display, first_step=first_step))
    callbacks += [*samples, Report(run, display)]
    return Watchers(callbacks, loggers, arithmetic)
