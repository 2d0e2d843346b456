"""Training steps beside the `Trainer` of transformers and beside a bare loop, in CPU time of one core.

python benchmarks/train.py CASE [--rounds 8] [--seconds 600] [--json benchmarks/results/train.json]

Each variant is a process of its own, pinned to one core with one thread. They are stepped in turn: two steps
of the first, two of the second, and so on, in the opposite order in the next round. A figure is the ratio of
the CPU time of two variants in the same round; the median of all rounds is stated, with lowest and highest.
Fetching data, logging and the optimizer are inside the time; starting, compiling and two steps of warming up
are not and are stated apart. Memory is the peak of the resident set in the steps that are timed, over what
the process held before it built its model. Results of several cases and runs are merged in one JSON file.

Model: hidden 384, 6 layers, 6 and 2 heads, intermediate 1024, untied, fp32. Batch: 4 rows of 512 tokens.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

LENGTH, ROWS = 512, 4
WARM_UP = 2
STEPS_A_TURN = 2
MANY = 1_000_000

# What each case measures: vocabulary, whether rows hold several documents, and the variants; the first is
# the one that the others are compared with.
CASES: dict[str, tuple[int, bool, tuple[str, ...]]] = {
    "rows-8k": (8192, False, ("fit", "transformers", "bare")),
    "rows-32k": (32_000, False, ("fit", "transformers", "bare")),
    "packed-8k": (8192, True, ("fit", "transformers", "bare")),
    "packed-32k": (32_000, True, ("fit", "transformers", "bare")),
    "transformers-8k": (8192, False, ("transformers", "transformers-compiled", "transformers-eager")),
    "tricks-8k": (8192, False, ("fit", "fit-uncompiled", "fit-sdpa", "fit-whole")),
    "tricks-32k": (32_000, False, ("fit", "fit-uncompiled", "fit-whole")),
    "tricks-packed-8k": (8192, True, ("fit", "fit-sdpa", "fit-uncompiled")),
    "bare-32k": (32_000, False, ("fit", "bare")),
    "memory-32k": (32_000, False, ("fit", "fit-trimmed")),
    "recompute-8k": (8192, False, ("fit", "fit-recomputed")),
}


class Gate:
    """Where a variant waits for its turn, at the beginning of each step."""

    def __init__(self, base: int) -> None:
        self.base = base
        self.calls = 0
        self.started = 0.0
        self.begun = time.perf_counter()
        self.extra: dict[str, Any] = {}

    def step(self) -> None:
        """Begin a step: the time of a turn ends here, and the next one is waited for."""
        done = self.calls - WARM_UP
        self.calls += 1
        if done < 0 or done % STEPS_A_TURN:
            return
        if done == 0:
            self.say(
                start_seconds=time.perf_counter() - self.begun, start_peak=peak() - self.base, **self.extra
            )
            Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
        else:
            self.say(cpu=time.process_time() - self.started, peak=peak() - self.base, base=self.base)
        if sys.stdin.readline().strip() != "go":
            leave()
        self.started = time.process_time()

    def say(self, **facts: Any) -> None:
        """Tell the process that measures."""
        print(json.dumps(facts), flush=True)


def leave() -> NoReturn:
    """End the process, whatever would still like to save or print something."""
    os._exit(0)


def memory(field: str) -> int:
    """Return a size of this process in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))


def peak() -> int:
    return memory("VmHWM")


def configuration(folder: Path, vocabulary: int, run: Path) -> Any:
    from trainer.config import (
        BatchConfig,
        CheckpointConfig,
        ComputeConfig,
        DataConfig,
        FitConfig,
        ModelConfig,
        TrainerConfig,
    )

    return FitConfig(
        data=DataConfig(path=str(folder)),
        model=ModelConfig(
            hidden_size=384,
            intermediate_size=1024,
            num_hidden_layers=6,
            num_attention_heads=6,
            num_key_value_heads=2,
            vocab_size=vocabulary,
        ),
        batch=BatchConfig(micro=ROWS),
        trainer=TrainerConfig(
            max_steps=MANY,
            accelerator="cpu",
            precision="32-true",
            val_check_interval=MANY,
            log_every_n_steps=10,
        ),
        compute=ComputeConfig(compile="on"),
        checkpoint=CheckpointConfig(interval=MANY),
        run=str(run),
    )


def new_model(config: Any) -> Any:
    from trainer.initialize.random import random_configuration, random_model

    described = random_configuration(
        config.model, vocabulary_size=config.model.vocab_size, sequence_length=LENGTH, bos=1, eos=2
    )
    return random_model(described, config.seed)


def run_fit(config: Any, gate: Gate) -> None:
    """Do what `python -m trainer fit` does, with a gate before each step."""
    import pytorch_lightning as lightning

    # The package has a function of that name, too.
    fitting = import_module("trainer.fit")
    from trainer.callbacks.compilation import Compilation

    class Gated(lightning.Callback):
        def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, index: int) -> None:
            for callback in trainer.callbacks:
                if isinstance(callback, Compilation):
                    gate.extra["compile_seconds"] = callback.seconds
            gate.step()

    build = fitting.build_trainer
    fitting.build_trainer = lambda config, callbacks, *rest, **named: build(
        config, [Gated(), *callbacks], *rest, **named
    )
    fitting.fit(config)


def run_bare(config: Any, gate: Gate) -> None:
    """Train the same module on the same data in a plain loop."""
    import torch

    from trainer.data import Steps
    from trainer.loss import IGNORED
    from trainer.model import LlamaModule
    from trainer.optimizer import build_optimizer
    from trainer.order import StepOrder
    from trainer.tokens import TokenFolder

    split = TokenFolder.open(config.data.path).train
    order = StepOrder(split.rows(LENGTH), ROWS, config.seed)
    steps = Steps(split, order, length=LENGTH, micro=None, isolate=True)
    module = LlamaModule(
        new_model(config),
        optimizer=config.optimizer,
        learning_rate=lambda step: 3e-4,
        compute=config.compute,
    )
    optimizer = build_optimizer(module.model, config.optimizer)
    for step in range(MANY):
        gate.step()
        batch = module.on_before_batch_transfer(steps[step], 0)
        batch = {name: values[0] for name, values in batch.items()}
        loss, _ = module.loss_sum(batch)
        targets = (batch["input_ids"][:, 1:] != IGNORED).sum()
        (loss / targets).backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if step % 10 == 9:
            (loss / targets).item()


def run_transformers(config: Any, gate: Gate, *, packed: bool, compiled: bool, attention: str) -> None:
    """Train with the Trainer of transformers over the same rows."""
    import torch
    from transformers import Trainer, TrainerCallback, TrainingArguments

    from trainer.order import StepOrder
    from trainer.tokens import TokenFolder

    split = TokenFolder.open(config.data.path).train
    order = StepOrder(split.rows(LENGTH), ROWS, config.seed)

    class RowsInOrder(torch.utils.data.Dataset):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return MANY

        def __getitem__(self, place: int) -> dict[str, Any]:
            row = order.rows_of_step(place // ROWS)[place % ROWS :][:1]
            ids = torch.from_numpy(split.read(row, LENGTH))[0]
            item = {"input_ids": ids, "labels": ids}
            if packed:
                item["position_ids"] = torch.from_numpy(split.positions(row, LENGTH))[0]
            return item

    class Gated(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            gate.step()

    model = new_model(config)
    model.config.use_cache = False  # or documents are not held apart
    model.set_attn_implementation(attention)
    arguments = TrainingArguments(
        output_dir=config.run,
        use_cpu=True,
        max_steps=MANY,
        per_device_train_batch_size=ROWS,
        train_sampling_strategy="sequential",
        learning_rate=3e-4,
        weight_decay=0.1,
        max_grad_norm=1.0,
        optim="adamw_torch_fused",
        lr_scheduler_type="cosine",
        logging_steps=10,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        torch_compile=compiled,
        dataloader_pin_memory=False,
    )
    # Its log goes to standard output, where the gate speaks.
    Trainer(model=model, args=arguments, train_dataset=RowsInOrder(), callbacks=[Gated()]).train()


def work(case: str, variant: str, folder: Path) -> None:
    """Be one variant: import everything, then train."""
    from trainer.process import keep_freed_memory, quiet_lightning, quiet_transformers

    if not variant.startswith("transformers") and not variant.endswith("-trimmed"):
        keep_freed_memory()  # as the command does
    quiet_transformers()
    quiet_lightning()
    import torch

    torch.set_num_threads(1)
    import accelerate  # noqa: F401
    import pytorch_lightning  # noqa: F401
    from transformers import LlamaForCausalLM, Trainer  # noqa: F401

    import_module("trainer.fit")

    vocabulary, packed, _ = CASES[case]
    config = configuration(folder, vocabulary, folder.parent / f"run-{variant}")
    gate = Gate(memory("VmRSS"))
    changes = {
        "fit-uncompiled": {"compile": "off"},
        "fit-sdpa": {"attention": "sdpa"},
        "fit-whole": {"loss": "whole"},
        "fit-recomputed": {"activation_checkpointing": "full"},
    }
    if variant.startswith("fit"):
        compute = dataclasses.replace(config.compute, **changes.get(variant, {}))
        run_fit(dataclasses.replace(config, compute=compute), gate)
    elif variant == "bare":
        run_bare(config, gate)
    else:
        attention = "eager" if variant.endswith("eager") else "sdpa"
        run_transformers(
            config, gate, packed=packed, compiled=variant.endswith("compiled"), attention=attention
        )


def token_folder(root: Path, vocabulary: int, packed: bool) -> Path:
    """Write 4,000 rows of random ids, of one document each or of four on average."""
    import numpy as np

    import prepcore

    raw, folder = root / "raw.jsonl", root / "tokens"
    raw.write_text('{"text": "one document"}\n')
    prepcore.tokenizer(raw, out=root / "tokenizer", vocabulary_size=260)
    manifest = prepcore.pack(raw, out=folder, tokenizer=root / "tokenizer", sequence_length=LENGTH)
    drawn = np.random.default_rng(7)
    tokens = drawn.integers(3, vocabulary, 4000 * LENGTH).astype("<u2")
    ends = np.arange(LENGTH, len(tokens) + 1, LENGTH)
    if packed:
        # Log-normal lengths as text has them, 128 tokens on average: exp(mu + sigma² / 2).
        ends = np.cumsum(np.maximum(2, drawn.lognormal(np.log(128) - 0.5, 1.0, 30_000)).astype(np.int64))
        ends = np.append(ends[ends < len(tokens)], len(tokens))
    file = {**manifest["files"][0], "tokens": len(tokens), "documents": len(ends)}
    tokens.tofile(folder / file["path"])
    ends.astype("<u8").tofile(folder / f"{file['path']}.index")
    manifest["tokenizer"]["vocabulary_size"] = vocabulary
    manifest |= {"files": [file], "documents": len(ends), "tokens": len(tokens)}
    manifest |= {"rows": len(tokens) // LENGTH, "left_over": {"tail": 0}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


class Worker:
    """A variant in its process."""

    def __init__(self, case: str, variant: str, folder: Path, core: int) -> None:
        self.variant = variant
        command = [sys.executable, __file__, case, "--worker", variant, "--folder", str(folder)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            ["taskset", "-c", str(core), *command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        self.first = self.hear()
        self.turns: list[dict[str, Any]] = []

    def hear(self) -> dict[str, Any]:
        """Wait for what the variant says."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{") and '"' in line:
                facts: dict[str, Any] = json.loads(line)
                return facts
        raise SystemExit(f"{self.variant} has ended: {self.process.wait()}")

    def turn(self) -> None:
        """Let it do its steps and keep what they took."""
        self.say("go")
        self.turns.append(self.hear())

    def say(self, word: str) -> None:
        """Tell the variant to go on, or to stop."""
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()


def measure(case: str, rounds: int, seconds: float, core: int) -> dict[str, Any]:
    """Return what each variant said, a list of turns each, for as many rounds as there is time for."""
    vocabulary, packed, variants = CASES[case]
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        folder = token_folder(Path(scratch), vocabulary, packed)
        workers = [Worker(case, variant, folder, core) for variant in variants]
        longest = 0.0
        for number in range(rounds):
            started = time.perf_counter()
            if started + longest - begun > seconds:
                break
            for worker in workers if number % 2 == 0 else workers[::-1]:
                worker.turn()
            longest = max(longest, time.perf_counter() - started)
        for worker in workers:
            worker.say("stop")
            worker.process.wait()
    return {
        worker.variant: {
            "cpu_seconds": [turn["cpu"] for turn in worker.turns],
            "peak_mib_over_base": round(max(turn["peak"] for turn in worker.turns) / 2**20),
            "base_mib": round(worker.turns[0]["base"] / 2**20),
            "start_seconds": [worker.first["start_seconds"]],
            "start_peak_mib_over_base": round(worker.first["start_peak"] / 2**20),
            "compile_seconds": [worker.first["compile_seconds"]]
            if worker.first.get("compile_seconds")
            else [],
        }
        for worker in workers
    }


def merged(before: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Add the turns of a run to those of earlier ones."""
    for variant, facts in found.items():
        for key, value in facts.items():
            earlier = before.get(variant, {}).get(key)
            if isinstance(value, list):
                facts[key] = [*(earlier or []), *(round(number, 3) for number in value)]
            elif earlier is not None:
                facts[key] = max(earlier, value)
    return found


def compared(found: dict[str, Any]) -> dict[str, Any]:
    """Compare each variant with the first, turn by turn."""
    tokens = STEPS_A_TURN * ROWS * LENGTH
    own = next(iter(found.values()))["cpu_seconds"]
    for facts in found.values():
        seconds = facts["cpu_seconds"]
        ratios = sorted(other / mine for other, mine in zip(seconds, own, strict=True))
        facts["tokens_per_second"] = round(tokens / statistics.median(seconds), 1)
        facts["seconds_over_first"] = {
            "median": round(statistics.median(ratios), 4),
            "lowest": round(ratios[0], 4),
            "highest": round(ratios[-1], 4),
            "of_best_turns": round(min(seconds) / min(own), 4),
        }
    return found


def machine() -> dict[str, Any]:
    packages = ("torch", "transformers", "pytorch-lightning", "accelerate")
    return {
        **{name: version(name) for name in packages},
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "load": os.getloadavg()[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=600, help="begin no round that would end later")
    parser.add_argument("--core", type=int, default=1)
    parser.add_argument("--json", type=Path, help="file that the result is merged into")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.case, options.worker, options.folder)
        return
    kept = json.loads(options.json.read_text()) if options.json and options.json.exists() else {}
    found = measure(options.case, options.rounds, options.seconds, options.core)
    found = compared(merged(kept.get(options.case, {}).get("variants", {}), found))
    for variant, facts in found.items():
        ratio = facts["seconds_over_first"]
        print(
            f"{variant}: {facts['tokens_per_second']:,.0f} tokens/s, {ratio['median']:.3f} "
            f"[{ratio['lowest']:.2f}..{ratio['highest']:.2f}] (best {ratio['of_best_turns']:.3f}), "
            f"{len(facts['cpu_seconds'])} rounds, "
            f"peak {facts['peak_mib_over_base']:,} MiB over {facts['base_mib']:,}"
        )
    if options.json:
        kept[options.case] = {"variants": found, "steps_a_turn": STEPS_A_TURN, "machine": machine()}
        options.json.write_text(json.dumps(kept, indent=2) + "\n")


if __name__ == "__main__":
    main()
