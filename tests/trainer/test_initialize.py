from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

from prepcore.arguments import UsageError
from tests.trainer.models import tiny_llama
from trainer.config import InitConfig, ModelConfig
from trainer.initialize import from_source, parameter_count
from trainer.initialize.depth import downscale_map, explicit_map, layer_map, remap_state, upscale_map
from trainer.initialize.pretrained import open_source
from trainer.initialize.random import random_configuration, random_model

SURGERIES = [
    (InitConfig(strategy="continue", source="SOURCE"), [0, 1, 2, 3, 4]),
    (InitConfig(strategy="downscale", source="SOURCE", layers=3), [0, 1, 4]),
    (InitConfig(strategy="downscale", source="SOURCE", layers=2, keep="last"), [3, 4]),
    (InitConfig(strategy="downscale", source="SOURCE", keep=(0, 3)), [0, 3]),
    (InitConfig(strategy="upscale", source="SOURCE", layers=8), [0, 1, 2, 3, 1, 2, 3, 4]),
    (InitConfig(strategy="upscale", source="SOURCE", keep=(0, 0, 1, 2, 3, 4)), [0, 0, 1, 2, 3, 4]),
]


def test_layer_maps_are_those_of_the_course_and_of_solar() -> None:
    assert downscale_map(12, 10, "middle") == [0, 1, 2, 3, 4, 7, 8, 9, 10, 11]
    assert downscale_map(5, 3, "middle") == [0, 1, 4]
    assert downscale_map(5, 2, "last") == [3, 4]
    assert upscale_map(12, 16) == [*range(8), *range(4, 12)]
    assert upscale_map(32, 48) == [*range(24), *range(8, 32)]
    assert upscale_map(5, 10) == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]


def test_what_does_not_fit_is_refused_with_the_range_that_does() -> None:
    for layers in (0, 12, 13):
        with pytest.raises(UsageError, match="wants 1 to 11"):
            downscale_map(12, layers, "middle")
    for layers in (12, 15, 26):
        with pytest.raises(UsageError, match="an even number from 14 to 24"):
            upscale_map(12, layers)
    with pytest.raises(UsageError, match="names layer 12, the source has layers 0 to 11"):
        explicit_map("downscale", 12, [0, 12])
    with pytest.raises(UsageError, match="wants more than 12"):
        explicit_map("upscale", 12, [0, 1])


def meta_parameters(layers: list[int] | None) -> int:
    """Count the parameters of the preset, or of its surgery, with no memory spent."""
    config = random_configuration(
        ModelConfig(preset="tinysolar-248m"), vocabulary_size=32_000, sequence_length=2048, bos=1, eos=2
    )
    with torch.device("meta"):
        source = LlamaForCausalLM(config)
        if layers is None:
            return parameter_count(source)
        config.num_hidden_layers = len(layers)
        model = LlamaForCausalLM(config)
    assert remap_state(source.state_dict(), layers).keys() == model.state_dict().keys()
    return parameter_count(model)


def test_parameter_counts_of_the_presets() -> None:
    counts = [
        meta_parameters(None),
        meta_parameters(layer_map(InitConfig(strategy="downscale", source="s", layers=10), 12)),
        meta_parameters(layer_map(InitConfig(strategy="upscale", source="s", layers=16), 12)),
    ]
    print("parameters:", counts)
    assert counts == [248_013_824, 217_601_024, 308_839_424]


@pytest.mark.parametrize(("init", "layers"), SURGERIES, ids=lambda value: str(value)[:40])
def test_surgery_of_a_real_model(stories: Path, init: InitConfig, layers: list[int]) -> None:
    import dataclasses

    surgery = from_source(ModelConfig(init=dataclasses.replace(init, source=str(stories))))
    source, model = LlamaForCausalLM.from_pretrained(stories, dtype=torch.float32), surgery.model
    assert surgery.layers == layers
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
    generated = [
        model.generate(ids, max_new_tokens=20, do_sample=False, use_cache=cached).tolist()
        for cached in (True, False)
    ]
    assert generated[0] == generated[1]


def test_a_surgery_leaves_its_source_alone(stories: Path) -> None:
    surgery = from_source(ModelConfig(init=InitConfig(strategy="upscale", source=str(stories), layers=6)))
    with torch.no_grad():
        for parameter in surgery.model.parameters():
            parameter.zero_()
    assert surgery.source.model.norm.weight.any()
    assert surgery.source.config.num_hidden_layers == 5


def test_sharded_source_and_untied_head(tmp_path: Path) -> None:
    model = tiny_llama(num_hidden_layers=3)
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    assert (tmp_path / "model.safetensors.index.json").is_file()
    surgery = from_source(
        ModelConfig(init=InitConfig(strategy="downscale", source=str(tmp_path), keep=(0, 2)))
    )
    assert torch.equal(surgery.model.lm_head.weight, model.lm_head.weight)
    assert torch.equal(
        surgery.model.model.layers[1].mlp.up_proj.weight, model.model.layers[2].mlp.up_proj.weight
    )


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
    from tests.trainer.models import SIZES

    with pytest.raises(UsageError, match=message):
        random_configuration(
            ModelConfig(**{**SIZES, **changes}), vocabulary_size=96, sequence_length=16, bos=1, eos=2
        )


def test_sizes_stated_beside_a_source_must_be_its_own(tmp_path: Path) -> None:
    tiny_llama().save_pretrained(tmp_path)
    init = InitConfig(strategy="upscale", source=str(tmp_path), layers=4)
    surgery = from_source(ModelConfig(hidden_size=32, num_hidden_layers=2, rope_theta=10_000.0, init=init))
    assert surgery.model.config.num_hidden_layers == 4
    with pytest.raises(UsageError, match=r"model\.hidden-size is 128, but that of .* is 32"):
        from_source(ModelConfig(preset="demo", init=init))
