"""The model card of an exported checkpoint: what is known of it, from the files of its run and its data.

Markdown under the metadata block that the Hugging Face hub reads (https://huggingface.co/docs/hub/model-cards).
What is not known is not mentioned. Folders are named without the path to them, which is nobody's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from prepcore.arguments import UsageError
from trainer import __version__
from trainer.evaluate.card import scores_section
from trainer.evaluate.results import NAME as RESULTS
from trainer.evaluate.results import read as read_results
from trainer.report.data import data_of
from trainer.report.facts import RunFacts, read_json
from trainer.report.words import count, figure
from trainer.run_folder import RunFolder, step_of

Row = tuple[str, str]

TRAINING = (
    "optimizer.name",
    "optimizer.learning-rate",
    "optimizer.weight-decay",
    "optimizer.betas",
    "schedule.name",
    "schedule.warmup",
    "schedule.final-share",
    "trainer.gradient-clip-val",
    "seed",
)
"""Settings of a run that its card lists."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a card tells.

    Attributes
    ----------
    name
        Its title.
    licence
        As the hub names it, or None.
    dtype
        Number type of the weights.
    parameters
        Tied ones counted once.
    description
        ``config.json`` of the checkpoint.
    step
        Optimizer steps, None for a folder that no run of ours has written.
    facts
        The run, as its files tell it; None likewise.
    data
        Manifests of the token folders it was trained on, by their names, with their share of a mixture.
    evaluation
        What `evaluate` has left in the checkpoint; empty where it has not.
    """

    name: str
    licence: str | None
    dtype: str
    parameters: int
    description: Mapping[str, Any]
    step: int | None = None
    facts: RunFacts | None = None
    data: Sequence[tuple[str, Mapping[str, Any], float | None]] = ()
    evaluation: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_checkpoint(
        cls, checkpoint: Path, *, name: str, licence: str | None, dtype: str, parameters: int
    ) -> Card:
        """Gather what is there; a checkpoint that was moved out of its run is described by itself."""
        folder = checkpoint.resolve()
        run = RunFolder(folder.parent.parent)
        facts = RunFacts.gather(run) if run.checkpoints == folder.parent and run.metrics.is_file() else None
        return cls(
            name=name,
            licence=licence,
            dtype=dtype,
            parameters=parameters,
            description=read_json(folder / "config.json"),
            step=step_of(folder) if facts else None,
            facts=facts,
            data=data_of(facts) if facts else (),
            evaluation=_evaluation_of(folder),
        )

    def text(self) -> str:
        """Write the card."""
        sections = (
            self._model(),
            self._beginning(),
            self._training(),
            self._quality(),
            scores_section(self.evaluation),
            self._data(),
            USE,
        )
        return "\n\n".join([self._metadata(), *(section for section in sections if section)]) + "\n"

    def _metadata(self) -> str:
        known: dict[str, Any] = {"library_name": "transformers", "pipeline_tag": "text-generation"}
        if self.licence:
            known["license"] = self.licence
        return f"---\n{yaml.safe_dump(known, sort_keys=False)}---\n\n# {self.name}"

    def _model(self) -> str:
        about = self.description
        heads = about.get("num_attention_heads")
        rows = [
            ("parameters", f"{self.parameters:,}"),
            ("layers", about.get("num_hidden_layers")),
            ("width, feed-forward width", f"{about.get('hidden_size')}, {about.get('intermediate_size')}"),
            ("query heads, key-value heads", f"{heads}, {about.get('num_key_value_heads', heads)}"),
            ("vocabulary", about.get("vocab_size")),
            ("longest text", f"{about.get('max_position_embeddings')} tokens"),
            ("input and output embedding", "one" if about.get("tie_word_embeddings") else "apart"),
            ("weights", self.dtype),
        ]
        return f"A Llama for continuing text, exported by trainer {__version__}.\n\n{_table(rows)}"

    def _beginning(self) -> str:
        made = self.facts.initialization if self.facts else {}
        if not made:
            return ""
        if made.get("source") is None:
            return "## First weights\n\nRandom."
        layers = made.get("layers") or []
        new = [str(number) for number, layer in enumerate(layers) if layer["new"]]
        copies = ", ".join(str(layer["source"]) for layer in layers)
        lines = [f"`{made['strategy']}` of {Path(made['source']).name}, {made['source_layers']} layers."]
        lines += [f"Its layers, by their numbers there: {copies}."] if copies else []
        lines += [f"Layers {', '.join(new)} began as blocks that change nothing."] if new else []
        return "## First weights\n\n" + "\n".join(lines)

    def _training(self) -> str:
        if self.facts is None:
            return ""
        about = self.facts.about
        settings = {setting.name.replace("_", "-"): setting.value for setting in self.facts.settings}
        seen = [line for line in self.facts.lines if int(line["step"]) == self.step and line.get("tokens")]
        rows = [
            ("optimizer steps", f"{self.step:,}"),
            ("tokens seen", count(int(seen[-1]["tokens"])) if seen else None),
            ("tokens in a step", about.get("tokens_per_step")),
            ("tokens in a row", about.get("sequence_length")),
            ("precision", about.get("precision")),
            *((name, settings.get(name)) for name in TRAINING),
        ]
        return f"## Training\n\n{_table(rows)}"

    def _quality(self) -> str:
        if self.facts is None:
            return ""
        measured = [line for line in self.facts.lines if int(line["step"]) == self.step]
        found = {name: value for line in measured for name, value in line.items() if value}
        rows = [
            (said, figure(found[name], digits))
            for said, name, digits in (
                ("loss, nats a token", "validation_loss", 4),
                ("perplexity", "perplexity", 2),
                ("bits a byte", "bits_per_byte", 4),
            )
            if name in found
        ]
        table = _table(rows)
        return f"## On text held out of training\n\n{table}" if table else ""

    def _data(self) -> str:
        if not self.data:
            return ""
        parts = ["## Data"]
        for name, manifest, share in self.data:
            rows = [
                ("share of the tokens", None if share is None else f"{share:.2%}"),
                ("documents", manifest.get("documents")),
                ("tokens", manifest.get("tokens")),
                ("bytes of text", manifest.get("bytes")),
                ("tokenizer", (manifest.get("tokenizer") or {}).get("fingerprint")),
                ("packing", manifest.get("packing")),
                ("made by", manifest.get("program")),
            ]
            parts.append(f"### {name}\n\n{_table(rows)}")
        return "\n\n".join(parts)


USE = """## Use

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("FOLDER", dtype="auto")
tokenizer = AutoTokenizer.from_pretrained("FOLDER")
```"""


def _table(rows: Sequence[tuple[str, Any]]) -> str:
    """Write rows of which something is known."""
    known = [(name, value) for name, value in rows if value is not None]
    if not known:
        return ""
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {_word(value)} |" for name, value in known)])


def _word(value: Any) -> str:
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def _evaluation_of(checkpoint: Path) -> Mapping[str, Any]:
    """Read the results that lie in a checkpoint, as far as they are ours."""
    try:
        return read_results(checkpoint / RESULTS)
    except UsageError:  # a card tells what can be read
        return {}
