"""Which source layers make the new model; numbers alone, without torch.

Every strategy is a *layer map*: the layers of the source in their new order, and which of them are new
blocks, copies that begin as the identity. The depth of a source stands in its ``config.json``, so a number of
layers that does not fit is refused before anything heavy is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prepcore.arguments import UsageError
from trainer.config import InitConfig


@dataclass(frozen=True)
class LayerMap:
    """The layers of a source in their new order.

    Attributes
    ----------
    sources
        Source layer of each layer of the new model.
    new
        Layers of the new model, in rising order, whose output projections become zero.
    """

    sources: tuple[int, ...]
    new: tuple[int, ...] = ()

    def __str__(self) -> str:
        marked = [
            f"{source}*" if layer in self.new else str(source) for layer, source in enumerate(self.sources)
        ]
        return f"[{', '.join(marked)}]" + (" (* new, adds nothing yet)" if self.new else "")


def layer_map(init: InitConfig, depth: int, influence: Sequence[float] | None = None) -> LayerMap:
    """Return the layers that an initialisation asks for.

    Parameters
    ----------
    init
        With any strategy but ``random``.
    depth
        Layers of the source.
    influence
        Influence of each source layer, which ``keep`` ``block-influence`` chooses by.

    Raises
    ------
    UsageError
        When the source is too shallow or too deep for what is asked.
    """
    if init.strategy == "continue":
        return LayerMap(tuple(range(depth)))
    if isinstance(init.keep, tuple):
        return explicit_map(init.strategy, depth, init.keep)
    if init.layers is None:
        raise ValueError(f"{init.strategy} needs a number of layers")  # the configuration refuses it before
    if init.strategy == "downscale":
        return downscale_map(depth, init.layers, init.keep or "middle", influence)
    return {"upscale": upscale_map, "expand": expand_map, "stack": stack_map}[init.strategy](
        depth, init.layers
    )


def check_layers(init: InitConfig, depth: int) -> None:
    """Refuse numbers that do not fit a source of ``depth`` layers, before any influence is measured.

    Raises
    ------
    UsageError
        As :func:`layer_map`.
    """
    layer_map(init, depth, influence=[0.0] * depth)


def downscale_map(
    depth: int, layers: int, keep: str | tuple[int, ...], influence: Sequence[float] | None = None
) -> LayerMap:
    """Choose the layers of a shallower model.

    Parameters
    ----------
    depth
        Layers of the source.
    layers
        Layers wanted, fewer than ``depth``.
    keep
        ``middle`` takes the first half and the last half, the first with one more when ``layers`` is odd, and
        so drops the middle; ``last`` drops the first layers; ``block-influence`` drops those that change the
        hidden states least (Men et al., 2024, "ShortGPT"), of equals the deeper ones.
    influence
        As for :func:`layer_map`.

    Raises
    ------
    UsageError
        When ``layers`` is not fewer than ``depth``.
    """
    if not 1 <= layers < depth:
        wanted = f"1 to {depth - 1}" if depth > 2 else "1" if depth == 2 else "a source with more layers"
        raise UsageError(
            f"model.init.layers is {layers}: downscale of a source with {depth} layers wants {wanted}",
            "for more layers than the source has there are the strategies upscale, expand and stack",
        )
    if keep == "last":
        return LayerMap(tuple(range(depth - layers, depth)))
    if keep == "block-influence":
        if influence is None:
            raise ValueError("block-influence needs the influence of each block")
        strongest = sorted(range(depth), key=lambda layer: (-influence[layer], layer))[:layers]
        return LayerMap(tuple(sorted(strongest)))
    first = (layers + 1) // 2
    return LayerMap((*range(first), *range(depth - (layers - first), depth)))


def upscale_map(depth: int, layers: int) -> LayerMap:
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
        wanted = f"an even number from {lowest} to {highest}" if lowest < highest else f"{highest}"
        raise UsageError(
            f"model.init.layers is {layers}: upscale of a source with {depth} layers wants {wanted}",
            "any other number can be written out, layer by layer, as --model.init.keep 0,1,1,2",
        )
    dropped = depth - layers // 2
    return LayerMap((*range(depth - dropped), *range(dropped, depth)))


def expand_map(depth: int, layers: int) -> LayerMap:
    """Choose the layers of a deeper model as LLaMA-Pro does (Wu et al., 2024, "block expansion").

    The source's layers are cut into as many groups as layers are added, of equal size or, where that does not
    come out, the first ones a layer larger; after each group stands a copy of its last layer, a new block.

    Raises
    ------
    UsageError
        When ``layers`` does not exceed ``depth``, or would need a group without a layer.
    """
    added = layers - depth
    if not 1 <= added <= depth:
        wanted = f"{depth + 1} to {2 * depth}"
        even = [str(depth + groups) for groups in range(1, depth + 1) if depth % groups == 0]
        raise UsageError(
            f"model.init.layers is {layers}: expand of a source with {depth} layers wants {wanted}",
            f"groups of equal size come out with {_listed(even)}",
        )
    size, larger = divmod(depth, added)
    sources: list[int] = []
    new: list[int] = []
    for group in range(added):
        first = group * size + min(group, larger)
        end = first + size + (group < larger)
        sources += [*range(first, end), end - 1]
        new.append(len(sources) - 1)
    return LayerMap(tuple(sources), tuple(new))


def stack_map(depth: int, layers: int) -> LayerMap:
    """Choose the layers of a deeper model as G_stack does (Du et al., 2024): the whole list several times.

    Raises
    ------
    UsageError
        When ``layers`` is not a multiple of ``depth`` of at least two.
    """
    times, rest = divmod(layers, depth)
    if rest or times < 2:
        near = sorted({max(2, times) * depth, max(2, times + 1) * depth})
        raise UsageError(
            f"model.init.layers is {layers}: stack of a source with {depth} layers wants a multiple of "
            f"{depth} from {2 * depth}",
            f"the nearest: --model.init.layers {' or '.join(map(str, near))}",
        )
    return LayerMap(tuple(range(depth)) * times)


def explicit_map(strategy: str, depth: int, layers: Sequence[int]) -> LayerMap:
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
    return LayerMap(tuple(layers))


def _listed(numbers: Sequence[str]) -> str:
    """Write numbers as *4, 5 and 6*."""
    return " and ".join(filter(None, [", ".join(numbers[:-1]), numbers[-1]]))
