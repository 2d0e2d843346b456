"""What was made of what: ``initialization.json``, beside the configuration of a run or the model of ``init``.

Its keys:

``format``, ``format_version``
    ``trainer.initialization`` and 1.
``strategy``
    ``random``, ``continue``, ``downscale``, ``upscale``, ``expand`` or ``stack``.
``source``
    Folder or hub id; null for random weights, as is everything below that speaks of a source.
``source_layers``
    Layers of the source.
``keep``
    ``middle``, ``last``, ``block-influence``, or the list that was given; null for strategies without.
``layers``
    The layer map: for each layer of the model, from the first, ``{"source": k, "new": false}`` with ``k`` the
    source layer it is a copy of; ``new`` is true for a block whose output projections began at zero.
``parameters``
    ``{"source": n, "model": n, "trained": n}``, tied ones counted once.
``block_influence``
    Null, or ``{"tokens": n, "values": [...]}``: the influence of each source layer, 1 - mean cosine of a
    token's hidden state entering and leaving it, and the tokens that it was measured on.
``vocabulary``
    Null, or ``{"source_rows": n, "rows": n, "new_tokens": n, "spelled": n, "unspelled": n, "padding": n}``.
``loss``
    Null where there were no tokens to measure on, else ``{"targets": n, "split": "validation" or "train",
    "before": x, "after": x}`` in nats a token, on the same rows. ``before`` is null when the rows hold tokens
    that the source does not have.
``random``
    Null, or ``{"distribution": "normal" or "truncated", "deviation": x, "depth_scaled": false, "seed": n}``.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from prepcore.arguments import UsageError
from trainer.initialize.maps import LayerMap

FILE = "initialization.json"
FORMAT = "trainer.initialization"
FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What an initialisation did; the module says what each part holds."""

    strategy: str
    source: str | None = None
    source_layers: int | None = None
    keep: str | tuple[int, ...] | None = None
    layers: LayerMap | None = None
    parameters: Mapping[str, int | None]
    block_influence: Mapping[str, Any] | None = None
    vocabulary: Mapping[str, int] | None = None
    loss: Mapping[str, Any] | None = None
    random: Mapping[str, Any] | None = None

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        record = dataclasses.asdict(self) | {"layers": None}
        if self.layers is not None:
            record["layers"] = [
                {"source": source, "new": layer in self.layers.new}
                for layer, source in enumerate(self.layers.sources)
            ]
        text = json.dumps({"format": FORMAT, "format_version": FORMAT_VERSION} | record, indent=2)
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(path)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file.

        Raises
        ------
        UsageError
            When it is missing or is not what :meth:`write` wrote.
        """
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if record.pop("format") != FORMAT or record.pop("format_version") != FORMAT_VERSION:
                raise ValueError(f"it is not of format {FORMAT} {FORMAT_VERSION}")
            if record["layers"] is not None:
                record["layers"] = LayerMap(
                    tuple(layer["source"] for layer in record["layers"]),
                    tuple(number for number, layer in enumerate(record["layers"]) if layer["new"]),
                )
            if isinstance(record["keep"], list):
                record["keep"] = tuple(record["keep"])
            return cls(**record)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{path} cannot be read: {error}",
                "it says which blocks are new; copy it back, or begin again",
            ) from error

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """Say it for people."""
        said = []
        if self.layers is not None:
            said.append(f"{self.strategy} of {self.source}: source layers {self.layers}")
        if self.random is not None:
            said.append(self._random_line(self.random))
        if self.block_influence is not None and self.layers is not None:
            said.append(f"influence of the blocks on {self.block_influence['tokens']:,} tokens:")
            said += [
                f"  layer {layer:3}  {value:8.5f}  {'kept' if layer in self.layers.sources else 'dropped'}"
                for layer, value in enumerate(self.block_influence["values"])
            ]
        if self.vocabulary is not None:
            said.append(
                "vocabulary: {source_rows:,} rows become {rows:,}; of {new_tokens:,} new tokens {spelled:,} "
                "are the mean of the tokens that spelled them, {unspelled:,} the mean of all, as "
                "{padding:,} rows of padding".format(**self.vocabulary)
            )
        said.append(self._parameters_line())
        if self.loss is not None:
            said.append(self._loss_line(self.loss))
        return said

    def _random_line(self, random: Mapping[str, Any]) -> str:
        truncated = ", truncated at two of them" if random["distribution"] == "truncated" else ""
        scaled = (
            "; output projections divided by the root of twice the layers" if random["depth_scaled"] else ""
        )
        return f"random weights: deviation {random['deviation']:g}{truncated}{scaled}; seed {random['seed']}"

    def _parameters_line(self) -> str:
        source, model, trained = (self.parameters[name] for name in ("source", "model", "trained"))
        of_source = f" ({source:,} in the source)" if source is not None and source != model else ""
        some = f", of which {trained:,} are trained" if trained != model else ""
        return f"parameters: {model:,}{of_source}{some}"

    def _loss_line(self, loss: Mapping[str, Any]) -> str:
        where = f"loss on a sample of {loss['targets']:,} tokens"
        if self.parameters["source"] == self.parameters["model"]:
            return f"{where}: {loss['after']:.4f} nats/token"
        before = "unknown" if loss["before"] is None else f"{loss['before']:.4f}"
        return f"{where}: {before} nats/token before the surgery, {loss['after']:.4f} after"
