"""Depth surgery: which source layers make the new model, and the making of it.

Every strategy is a *layer map*, the list of source layers in their new order. The new model is built afresh
from the source's configuration with only the number of layers changed, so each layer knows its own index (the
key-value cache is addressed by it) and nothing of the configuration is lost; then the source's weights are
loaded under their new names, the final norm, the embedding and the head among them.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence

from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from prepcore.arguments import UsageError
from trainer.config import InitConfig

LAYER_KEY = re.compile(r"model\.layers\.(\d+)\.(.+)")


def downscale_map(depth: int, layers: int, keep: str) -> list[int]:
    """Choose the layers of a shallower model.

    Parameters
    ----------
    depth
        Layers of the source.
    layers
        Layers wanted, fewer than ``depth``.
    keep
        ``middle`` takes the first half and the last half, the first with one more when ``layers`` is odd, and
        so drops the middle; ``last`` drops the first layers.

    Raises
    ------
    UsageError
        When ``layers`` is not fewer than ``depth``.
    """
    if not 1 <= layers < depth:
        raise UsageError(
            f"model.init.layers is {layers}: downscale of a source with {depth} layers wants 1 to "
            f"{depth - 1}",
            "for more layers than the source has there is --model.init.strategy upscale",
        )
    if keep == "last":
        return list(range(depth - layers, depth))
    first = (layers + 1) // 2
    return [*range(first), *range(depth - (layers - first), depth)]


def upscale_map(depth: int, layers: int) -> list[int]:
    """Choose the layers of a deeper model as SOLAR does (Kim et al., 2023, "depth up-scaling").

    Two copies of the source follow each other; the first loses its last m layers and the second its first m,
    where ``m = depth - layers / 2``.

    Raises
    ------
    UsageError
        When ``layers`` is odd, does not exceed ``depth``, or exceeds two whole copies.
    """
    lowest, highest = depth + 1 + (depth + 1) % 2, 2 * depth
    if layers % 2 or not lowest <= layers <= highest:
        raise UsageError(
            f"model.init.layers is {layers}: upscale of a source with {depth} layers wants an even number "
            f"from {lowest} to {highest}",
            "any other number can be written out, layer by layer, as --model.init.keep 0,1,1,2",
        )
    dropped = depth - layers // 2
    return [*range(depth - dropped), *range(dropped, depth)]


def layer_map(init: InitConfig, depth: int) -> list[int]:
    """Return the source layers in their new order, as an initialisation asks for them.

    Raises
    ------
    UsageError
        When the source is too shallow or too deep for what is asked.
    """
    if init.strategy == "continue":
        return list(range(depth))
    if isinstance(init.keep, tuple):
        return explicit_map(init.strategy, depth, list(init.keep))
    if init.layers is None:
        raise ValueError(f"{init.strategy} needs a number of layers")  # the configuration refuses it before
    if init.strategy == "downscale":
        return downscale_map(depth, init.layers, init.keep or "middle")
    return upscale_map(depth, init.layers)


def explicit_map(strategy: str, depth: int, layers: list[int]) -> list[int]:
    """Check a list of layers written by hand.

    Raises
    ------
    UsageError
        When it names a layer that is not there, or is not shorter (downscale) or longer (upscale) than the
        source.
    """
    outside = [layer for layer in layers if not 0 <= layer < depth]
    if outside:
        raise UsageError(
            f"model.init.keep names layer {outside[0]}, the source has layers 0 to {depth - 1}",
            "layers count from 0",
        )
    fits = 0 < len(layers) < depth if strategy == "downscale" else len(layers) > depth
    if not fits:
        wanted = f"1 to {depth - 1}" if strategy == "downscale" else f"more than {depth}"
        raise UsageError(
            f"model.init.keep lists {len(layers)} layers: {strategy} of a source with {depth} wants {wanted}",
            "downscale makes a source shallower, upscale deeper",
        )
    return layers


def remap_state(state: Mapping[str, Tensor], layers: Sequence[int]) -> dict[str, Tensor]:
    """Rename the weights of a source so that ``layers[i]`` of it becomes layer ``i``.

    What belongs to no layer keeps its name. A source layer may be used twice: loading copies.
    """
    by_layer: dict[int, dict[str, Tensor]] = {}
    remapped: dict[str, Tensor] = {}
    for key, weight in state.items():
        match = LAYER_KEY.fullmatch(key)
        if match:
            by_layer.setdefault(int(match[1]), {})[match[2]] = weight
        else:
            remapped[key] = weight
    for new, old in enumerate(layers):
        remapped |= {f"model.layers.{new}.{name}": weight for name, weight in by_layer[old].items()}
    return remapped


def with_layers(source: LlamaForCausalLM, layers: Sequence[int]) -> LlamaForCausalLM:
    """Build a model of some layers of a source, in the source's number type.

    Parameters
    ----------
    source
        Left as it is.
    layers
        Source layers in their new order.
    """
    config: LlamaConfig = copy.deepcopy(source.config)
    config.num_hidden_layers = len(layers)
    model = LlamaForCausalLM(config).to(source.dtype)
    model.load_state_dict(remap_state(source.state_dict(), layers))
    model.generation_config = copy.deepcopy(source.generation_config)
    return model
