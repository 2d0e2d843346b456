from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

from prepcore.arguments import UsageError
from tests.trainer.models import SIZES, tiny_llama
from trainer.config import InitConfig, ModelConfig
from trainer.initialize import parameter_count
from trainer.initialize.around import Surroundings
from trainer.initialize.build import Initialized, build
from trainer.initialize.maps import LayerMap, layer_map
from trainer.initialize.pretrained import open_source
from trainer.initialize.random import random_configuration, random_model
from trainer.initialize.surgery import operate, remap_state

SURGERIES = [
    (InitConfig(strategy="continue", source="SOURCE"), [0, 1, 2, 3, 4]),
    (InitConfig(strategy="downscale", source="SOURCE", layers=3), [0, 1, 4]),
    (InitConfig(strategy="downscale", source="SOURCE", layers=2, keep="last"), [3, 4]),
    (InitConfig(strategy="downscale", source="SOURCE", keep=(0, 3)), [0, 3]),
    (InitConfig(strategy="upscale", source="SOURCE", layers=8), [0, 1, 2, 3, 1, 2, 3, 4]),
    (InitConfig(strategy="upscale", source="SOURCE", keep=(0, 0, 1, 2, 3, 4)), [0, 0, 1, 2, 3, 4]),
    (InitConfig(strategy="stack", source="SOURCE", layers=10), [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]),
]


def made(init: InitConfig, source: Path, **other: Any) -> Initialized:
    return build(ModelConfig(init=dataclasses.replace(init, source=str(source))), Surroundings(), **other)


def generated(model: LlamaForCausalLM, *, cached: bool) -> list[list[int]]:
    ids = torch.tensor([[1, 403, 407, 261, 378]])
    found = model.eval().generate(ids, max_new_tokens=20, do_sample=False, use_cache=cached)
    return found.tolist()


def meta_parameters(layers: LayerMap | None) -> int:
    """Count the parameters of the preset, or of its surgery, with no memory spent."""
    config = random_configuration(
        ModelConfig(preset="tinysolar-248m"), vocabulary_size=32_000, sequence_length=2048, bos=1, eos=2
    )
    with torch.device("meta"):
        source = LlamaForCausalLM(config)
        if layers is None:
            return parameter_count(source)
        config.num_hidden_layers = len(layers.sources)
        model = LlamaForCausalLM(config)
    assert remap_state(source.state_dict(), layers.sources).keys() == model.state_dict().keys()
    return parameter_count(model)


def test_parameter_counts_of_the_presets() -> None:
    counts = [
        meta_parameters(None),
        meta_parameters(layer_map(InitConfig(strategy="downscale", source="s", layers=10), 12)),
        meta_parameters(layer_map(InitConfig(strategy="upscale", source="s", layers=16), 12)),
        meta_parameters(layer_map(InitConfig(strategy="expand", source="s", layers=16), 12)),
        meta_parameters(layer_map(InitConfig(strategy="stack", source="s", layers=24), 12)),
    ]
    print("parameters:", counts)
    assert counts == [248_013_824, 217_601_024, 308_839_424, 308_839_424, 430_490_624]


@pytest.mark.parametrize(("init", "layers"), SURGERIES, ids=lambda value: str(value)[:40])
def test_surgery_of_a_real_model(stories: Path, init: InitConfig, layers: list[int]) -> None:
    model, facts = made(init, stories)
    source = LlamaForCausalLM.from_pretrained(stories, dtype=torch.float32)
    assert facts.layers == LayerMap(tuple(layers))
    assert model.config.rope_parameters == source.config.rope_parameters
    assert torch.equal(model.model.norm.weight, source.model.norm.weight)
    assert not torch.equal(model.model.norm.weight, torch.ones_like(model.model.norm.weight))
    assert model.config.max_position_embeddings == 512
    assert model.config.num_hidden_layers == len(layers) == len(model.model.layers)
    assert [layer.self_attn.layer_idx for layer in model.model.layers] == list(range(len(layers)))
    assert model.lm_head.weight is model.model.embed_tokens.weight
    # The referee: the source's own layer objects in the new order.
    source.model.layers = nn.ModuleList([source.model.layers[layer] for layer in layers])
    source.config.num_hidden_layers = len(layers)
    ids = torch.tensor([[1, 403, 407, 261, 378, 50, 60, 70]])
    model.eval()
    with torch.no_grad():
        assert torch.equal(model(ids).logits, source.eval()(ids, use_cache=False).logits)
    assert generated(model, cached=True) == generated(model, cached=False)


@pytest.mark.parametrize("layers", [6, 7, 10])
def test_an_expanded_model_is_its_source(stories: Path, layers: int) -> None:
    model, facts = made(InitConfig(strategy="expand", source="SOURCE", layers=layers), stories)
    source = LlamaForCausalLM.from_pretrained(stories, dtype=torch.float32)
    assert facts.layers is not None
    assert len(facts.layers.new) == layers - 5
    assert model.config.num_hidden_layers == layers
    ids = torch.randint(0, 512, (4, 100), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        difference = (model.eval()(ids).logits - source.eval()(ids).logits).abs().max().item()
    print(f"largest difference of logits after expansion to {layers} layers: {difference}")
    assert difference == 0.0
    assert generated(model, cached=True) == generated(model, cached=False)
    # Not the identity for ever: the zeroed projections have a gradient, and through them soon the others.
    model(ids, labels=ids).loss.backward()
    for layer in facts.layers.new:
        assert model.model.layers[layer].mlp.down_proj.weight.grad.abs().max() > 0
        assert not model.model.layers[layer].mlp.down_proj.weight.any()
        assert model.model.layers[layer].mlp.up_proj.weight.any()


def test_an_expansion_zeroes_biases_too(tmp_path: Path) -> None:
    source = tiny_llama(attention_bias=True, mlp_bias=True)
    with torch.no_grad():
        for name, parameter in source.named_parameters():
            if name.endswith("bias"):
                parameter.uniform_(-1, 1)
    source.save_pretrained(tmp_path)
    model, _ = made(InitConfig(strategy="expand", source="SOURCE", layers=4), tmp_path)
    ids = torch.randint(0, 96, (2, 30), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(model.eval()(ids).logits, source.eval()(ids).logits)


def test_only_new_blocks_learn_if_asked_for(stories: Path) -> None:
    model, facts = made(InitConfig(strategy="expand", source="S", layers=7, train="new-blocks"), stories)
    assert facts.layers == LayerMap((0, 1, 2, 2, 3, 4, 4), new=(3, 6))
    learning = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert {".".join(name.split(".")[:3]) for name in learning} == {"model.layers.3", "model.layers.6"}
    assert (
        facts.parameters["trained"]
        == sum(weight.numel() for weight in model.model.layers[3].parameters()) * 2
    )


ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(
    ("strategy", "layers"), [("downscale", 2), ("upscale", 4), ("expand", 4), ("stack", 6)]
)
def test_rope_settings_and_tied_embeddings_survive(
    tmp_path: Path, strategy: Any, layers: int, tied: bool
) -> None:
    changes = {"rope_parameters": ROPE, "head_dim": 16, "rms_norm_eps": 1e-4}
    tiny_llama(num_hidden_layers=3, tie_word_embeddings=tied, **changes).save_pretrained(tmp_path / "source")
    model, _ = made(InitConfig(strategy=strategy, source="S", layers=layers), tmp_path / "source")
    model.save_pretrained(tmp_path / "made")
    for each in (model, LlamaForCausalLM.from_pretrained(tmp_path / "made", dtype=torch.float32)):
        found = {**each.config.to_dict(), "num_hidden_layers": 3}
        wanted = LlamaForCausalLM.from_pretrained(tmp_path / "source").config.to_dict()
        same = {name for name in wanted if name not in ("dtype", "_name_or_path")}
        assert {name: found[name] for name in same} == {name: wanted[name] for name in same}
        assert (each.lm_head.weight is each.model.embed_tokens.weight) == tied
    again = LlamaForCausalLM.from_pretrained(tmp_path / "made", dtype=torch.float32)
    ids = torch.randint(0, 96, (2, 60), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(model.eval()(ids).logits, again.eval()(ids).logits)


def test_a_surgery_leaves_its_source_alone(stories: Path) -> None:
    source = open_source(str(stories))
    before = {name: weight.clone() for name, weight in source.state_dict().items()}
    model = operate(source, LayerMap((0, 0, 1, 2, 3, 4), new=(1,)))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(7)
    assert source.config.num_hidden_layers == 5
    for name, weight in source.state_dict().items():
        assert torch.equal(weight, before[name])


def test_a_sharded_source_with_a_head_of_its_own(tmp_path: Path) -> None:
    source = tiny_llama(num_hidden_layers=3)
    source.save_pretrained(tmp_path, max_shard_size="20KB")
    assert (tmp_path / "model.safetensors.index.json").is_file()
    model, _ = made(InitConfig(strategy="downscale", source="SOURCE", keep=(0, 2)), tmp_path)
    assert torch.equal(model.lm_head.weight, source.lm_head.weight)
    assert torch.equal(model.model.layers[1].mlp.up_proj.weight, source.model.layers[2].mlp.up_proj.weight)


def test_bf16_files_are_opened_in_fp32(tmp_path: Path) -> None:
    tiny_llama().to(torch.bfloat16).save_pretrained(tmp_path)
    assert {parameter.dtype for parameter in open_source(str(tmp_path)).parameters()} == {torch.float32}
    assert open_source(str(tmp_path), "auto").dtype == torch.bfloat16


def mistral(window: int | None) -> MistralForCausalLM:
    torch.manual_seed(0)
    return MistralForCausalLM(
        MistralConfig(
            vocab_size=96,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            sliding_window=window,
            max_position_embeddings=128,
            rope_parameters={"rope_type": "default", "rope_theta": 5000.0},
        )
    )


def test_a_mistral_without_a_window_is_a_llama(tmp_path: Path) -> None:
    source = mistral(None).eval()
    source.save_pretrained(tmp_path)
    model = open_source(str(tmp_path)).eval()
    assert type(model.config) is LlamaConfig
    ids = torch.randint(0, 96, (1, 50))
    with torch.no_grad():
        torch.testing.assert_close(model(ids).logits, source(ids).logits)


def test_other_architectures_are_refused_by_name(tmp_path: Path) -> None:
    mistral(16).save_pretrained(tmp_path / "window")
    with pytest.raises(UsageError, match="sliding window of 16"):
        open_source(str(tmp_path / "window"))
    (tmp_path / "gpt").mkdir()
    (tmp_path / "gpt" / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    with pytest.raises(UsageError, match="is a 'gpt2' model, wanted llama or mistral"):
        open_source(str(tmp_path / "gpt"))
    with pytest.raises(UsageError, match="there is no model"):
        open_source(str(tmp_path / "nothing"))


def test_random_weights_depend_on_the_seed_alone() -> None:
    config = random_configuration(
        ModelConfig(preset="demo"), vocabulary_size=64, sequence_length=32, bos=None, eos=3
    )
    torch.manual_seed(1)
    first = random_model(config, seed=5)
    torch.manual_seed(2)
    second = random_model(config, seed=5)
    assert torch.equal(first.lm_head.weight, second.lm_head.weight)
    assert not torch.equal(first.lm_head.weight, random_model(config, seed=6).lm_head.weight)
    assert first.lm_head.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert (config.bos_token_id, config.eos_token_id, config.max_position_embeddings) == (None, 3, 32)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": None}, "model.hidden-size is missing"),
        ({"vocab_size": 10}, "tokenizer of the data has 96 ids"),
        ({"hidden_size": 30}, "even number of dimensions"),
        ({"num_key_value_heads": 3}, "wanted a divisor of model.num-attention-heads, 4"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(changes: dict[str, int | None], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        random_configuration(
            ModelConfig(**{**SIZES, **changes}), vocabulary_size=96, sequence_length=16, bos=1, eos=2
        )


def test_sizes_stated_beside_a_source_must_be_its_own(tmp_path: Path) -> None:
    tiny_llama().save_pretrained(tmp_path)
    init = InitConfig(strategy="upscale", source=str(tmp_path), layers=4)
    stated = ModelConfig(hidden_size=32, num_hidden_layers=2, rope_theta=10_000.0, init=init)
    assert build(stated, Surroundings()).model.config.num_hidden_layers == 4
    with pytest.raises(UsageError, match=r"model\.hidden-size is 128, but that of .* is 32"):
        build(ModelConfig(preset="demo", init=init), Surroundings())
    with pytest.raises(UsageError, match=r"model\.rope-theta is 5.0, but that of .* is 10000"):
        build(dataclasses.replace(stated, rope_theta=5.0), Surroundings())


def random_weights(**changes: Any) -> LlamaForCausalLM:
    sizes = {**SIZES, "hidden_size": 64, "num_hidden_layers": 8, "initializer_range": 0.05}
    model = ModelConfig(**sizes, init=InitConfig(**changes))
    return build(model, Surroundings(vocabulary_size=500, sequence_length=32), seed=3).model


def test_truncated_weights_lie_within_two_deviations() -> None:
    plain, cut = random_weights(), random_weights(distribution="truncated")
    matrices = dict(cut.named_parameters())
    assert max(weight.abs().max().item() for weight in plain.parameters() if weight.ndim == 2) > 0.15
    for name, weight in matrices.items():
        if weight.ndim == 1:
            assert torch.equal(weight, torch.ones_like(weight))
            continue
        assert weight.abs().max() <= 0.1, name
    # The deviation of a normal distribution cut at two of its own: sqrt(1 - 2 * 2 * phi(2) / (2 Phi(2) - 1)).
    assert matrices["lm_head.weight"].std().item() == pytest.approx(0.05 * 0.8796, rel=0.02)
    again = random_weights(distribution="truncated")
    assert torch.equal(again.lm_head.weight, cut.lm_head.weight)


def test_output_projections_scale_with_depth() -> None:
    plain, scaled = random_weights(), random_weights(depth_scaled=True)
    for name, weight in plain.named_parameters():
        is_output = name.endswith(("o_proj.weight", "down_proj.weight"))
        wanted = weight / 4 if is_output else weight  # the root of twice eight layers
        assert torch.equal(scaled.get_parameter(name), wanted), name
