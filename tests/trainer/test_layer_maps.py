from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prepcore.arguments import UsageError
from trainer.config import InitConfig
from trainer.initialize.maps import (
    LayerMap,
    check_layers,
    downscale_map,
    expand_map,
    explicit_map,
    layer_map,
    stack_map,
    upscale_map,
)


def test_layer_maps_are_those_of_the_course_and_of_the_papers() -> None:
    assert downscale_map(12, 10, "middle").sources == (0, 1, 2, 3, 4, 7, 8, 9, 10, 11)
    assert downscale_map(5, 3, "middle").sources == (0, 1, 4)
    assert downscale_map(5, 2, "last").sources == (3, 4)
    assert upscale_map(12, 16).sources == (*range(8), *range(4, 12))
    assert upscale_map(32, 48).sources == (*range(24), *range(8, 32))
    assert upscale_map(5, 10).sources == (0, 1, 2, 3, 4) * 2
    assert stack_map(6, 24).sources == (0, 1, 2, 3, 4, 5) * 4
    # LLaMA-Pro: 32 layers in eight groups of four, a copy of the last of each group after it.
    pro = expand_map(32, 40)
    assert pro.new == (4, 9, 14, 19, 24, 29, 34, 39)
    assert pro.sources[:10] == (0, 1, 2, 3, 3, 4, 5, 6, 7, 7)
    assert str(expand_map(5, 7)) == "[0, 1, 2, 2*, 3, 4, 4*] (* new, adds nothing yet)"


def test_the_least_influential_blocks_are_dropped() -> None:
    influence = [0.9, 0.1, 0.3, 0.1, 0.8]
    assert downscale_map(5, 3, "block-influence", influence).sources == (0, 2, 4)
    assert downscale_map(5, 4, "block-influence", influence).sources == (0, 1, 2, 4)
    assert downscale_map(5, 1, "block-influence", influence).sources == (0,)


@given(depth=st.integers(1, 40), added=st.integers(1, 40))
def test_an_expansion_holds_its_source_in_order_and_a_new_block_after_each_group(
    depth: int, added: int
) -> None:
    if added > depth:
        with pytest.raises(UsageError, match=f"wants {depth + 1} to {2 * depth}"):
            expand_map(depth, depth + added)
        return
    made = expand_map(depth, depth + added)
    old = [source for layer, source in enumerate(made.sources) if layer not in made.new]
    assert old == list(range(depth))
    assert len(made.new) == added
    assert all(made.sources[layer] == made.sources[layer - 1] for layer in made.new)
    sizes = [end - start - 1 for start, end in zip((-1, *made.new), made.new, strict=False)]
    assert sum(sizes) == depth
    assert max(sizes) - min(sizes) <= 1
    assert made.new[-1] == depth + added - 1


@given(strategy=st.sampled_from(["downscale", "upscale", "expand", "stack"]), depth=st.integers(1, 30),
       layers=st.integers(1, 90))  # fmt: skip
def test_any_number_gives_so_many_layers_or_is_refused(strategy: Any, depth: int, layers: int) -> None:
    init = InitConfig(strategy=strategy, source="s", layers=layers)
    refusal = None
    try:
        made = layer_map(init, depth)
    except UsageError as error:
        refusal = error.message
    if refusal is not None:
        assert "wants" in refusal  # says what would fit
        return
    assert len(made.sources) == layers
    assert set(made.sources) <= set(range(depth))
    assert (layers < depth) == (strategy == "downscale")


def test_what_does_not_fit_is_refused_with_the_numbers_that_do() -> None:
    for layers in (0, 12, 13):
        with pytest.raises(UsageError, match="wants 1 to 11"):
            downscale_map(12, layers, "middle")
    for layers in (12, 15, 26):
        with pytest.raises(UsageError, match="an even number from 14 to 24"):
            upscale_map(12, layers)
    with pytest.raises(UsageError, match="wants 13 to 24\nhint: groups of equal size come out with 13"):
        expand_map(12, 25)
    with pytest.raises(UsageError, match=r"wants a multiple of 12 from 24\nhint: the nearest: .* 24 or 36"):
        stack_map(12, 30)
    with pytest.raises(UsageError, match=r"--model\.init\.layers 24"):
        stack_map(12, 12)
    with pytest.raises(UsageError, match="names layer 12, the source has layers 0 to 11"):
        explicit_map("downscale", 12, [0, 12])
    with pytest.raises(UsageError, match="wants more than 12"):
        explicit_map("upscale", 12, [0, 1])
    influenced = InitConfig(strategy="downscale", source="s", layers=12, keep="block-influence")
    with pytest.raises(UsageError, match="wants 1 to 11"):
        check_layers(influenced, 12)  # before anything is measured
    assert LayerMap((0, 1)) == layer_map(InitConfig(strategy="continue", source="s"), 2)
