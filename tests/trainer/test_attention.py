"""Documents of a packed row do not see each other, whatever attends and however it is asked."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import DynamicCache, LlamaForCausalLM

from prepcore.arguments import UsageError
from tests.trainer.folders import random_documents, write_token_folder
from tests.trainer.models import tiny_llama
from trainer.attention import BACK_ENDS, PREFIX
from trainer.attention_split import BLOCK, split_attention
from trainer.compute import choose_attention
from trainer.config import ComputeConfig, OptimizerConfig
from trainer.data import Batch, Rows
from trainer.documents import begins, document_borders, document_mask, row_borders
from trainer.loss import IGNORED
from trainer.model import LlamaModule
from trainer.tokens import TokenFolder

HERE = [name for name in BACK_ENDS if name != "varlen"]
LENGTH = 24


def module_of(model: LlamaForCausalLM, **compute: Any) -> LlamaModule:
    return LlamaModule(
        model,
        optimizer=OptimizerConfig(),
        learning_rate=lambda step: 0.0,
        compute=ComputeConfig(**compute) if compute else None,
    )


@pytest.fixture(scope="module", params=["concatenate", "best-fit"])
def batch(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Batch:
    """All rows of a token folder, those of best fit with padding."""
    path = write_token_folder(
        tmp_path_factory.mktemp("tokens") / request.param,
        [random_documents(20, longest=30)],
        length=LENGTH,
        packing=request.param,
    )
    split = TokenFolder.open(str(path)).train
    rows = split.rows(LENGTH)
    batch = Rows(split, length=LENGTH, micro=rows, isolate=True)[0]
    assert ("labels" in batch) == (request.param == "best-fit")
    return batch


def documents_of(batch: Batch) -> list[tuple[int, int, int]]:
    """Row, start and end of each document, and of each padding."""
    places = []
    for row, positions in enumerate(batch["position_ids"]):
        starts = [*(positions == 0).nonzero().flatten().tolist(), len(positions)]
        places += [(row, start, end) for start, end in pairwise(starts)]
    return places


def separate_logits(model: LlamaForCausalLM, batch: Batch) -> Tensor:
    """Each document on its own through the stock model."""
    model.set_attn_implementation("eager")
    logits = torch.empty(*batch["input_ids"].shape, model.config.vocab_size)
    pieces = [
        model(input_ids=batch["input_ids"][row, None, start:end], use_cache=False).logits[0]
        for row, start, end in documents_of(batch)
    ]
    for (row, start, end), piece in zip(documents_of(batch), pieces, strict=True):
        logits[row, start:end] = piece
    return logits


def sum_of_losses(logits: Tensor, batch: Batch) -> Tensor:
    labels = batch.get("labels", batch["input_ids"])
    return F.cross_entropy(
        logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORED, reduction="sum"
    )


def gradients(model: LlamaForCausalLM) -> list[Tensor]:
    found = []
    for parameter in model.parameters():
        assert parameter.grad is not None
        found.append(parameter.grad.clone())
        parameter.grad = None
    return found


@pytest.mark.parametrize("attention", HERE)
def test_packed_equals_separate_in_logits_loss_and_gradients(attention: str, batch: Batch) -> None:
    model = tiny_llama()
    alone = separate_logits(model, batch)
    wanted = sum_of_losses(alone, batch)
    wanted.backward()
    wanted_gradients = gradients(model)

    module = module_of(model, attention=attention)
    assert len(documents_of(batch)) > 3 * len(batch["input_ids"]) // 2
    together = model.lm_head(module(batch["input_ids"], batch["position_ids"]))
    print(f"{attention}: largest difference of logits {(together - alone).abs().max():.1e}")
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    loss, _ = module.loss_sum(module.on_before_batch_transfer(batch, 0))
    torch.testing.assert_close(loss, wanted)
    loss.backward()
    for found, gradient in zip(gradients(model), wanted_gradients, strict=True):
        torch.testing.assert_close(found, gradient, rtol=1e-4, atol=1e-3 * gradient.abs().max().item())
    # The check can fail: where documents see each other, the logits of all but the first are others.
    leaking = model.lm_head(module(batch["input_ids"]))
    later = batch["position_ids"] != torch.arange(LENGTH)
    assert (leaking - alone)[later].abs().max() > 0.1
    torch.testing.assert_close(leaking[~later], alone[~later], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("attention", HERE)
@pytest.mark.parametrize("half", [False, True])
def test_what_is_around_a_document_changes_nothing_in_it(attention: str, half: bool, batch: Batch) -> None:
    model = tiny_llama()
    module = module_of(model, attention=attention)
    ids, positions = batch["input_ids"], batch["position_ids"]
    row, start, end = next(place for place in documents_of(batch) if place[1] > 0 and place[2] < LENGTH)
    others = ids.clone()
    others[row, :start], others[row, end:] = 7, 11
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
        before, after = module(ids, positions), module(others, positions)
    assert torch.equal(before[row, start:end], after[row, start:end])
    assert not torch.equal(before[row, :start], after[row, :start])


@pytest.mark.parametrize("attention", BACK_ENDS)
@pytest.mark.parametrize("training", [True, False])
def test_the_model_called_in_another_way_does_not_leak(attention: str, training: bool, batch: Batch) -> None:
    """Our attention in the hands of somebody who calls the transformers model itself."""
    model = tiny_llama()
    alone = separate_logits(model, batch).detach()
    ids, positions = batch["input_ids"], batch["position_ids"]
    module_of(model)
    model.set_attn_implementation(PREFIX + attention)
    model.train(training)
    ones = torch.ones_like(ids)
    with torch.no_grad():
        for mask in (None, ones, ones.bool(), document_mask(torch.arange(LENGTH).expand_as(ids))):
            found = model(input_ids=ids, position_ids=positions, attention_mask=mask, use_cache=False).logits
            torch.testing.assert_close(found, alone, rtol=1e-4, atol=1e-5)
        additive = torch.zeros(len(ids), 1, LENGTH, LENGTH).masked_fill(
            ~torch.ones(LENGTH, LENGTH).bool().tril(), torch.finfo(torch.float32).min
        )
        found = model(input_ids=ids, position_ids=positions, attention_mask=additive, use_cache=False).logits
        torch.testing.assert_close(found, alone, rtol=1e-4, atol=1e-5)
        for cache in ({"use_cache": True}, {}, {"past_key_values": DynamicCache(), "use_cache": True}):
            for mask in (None, ones):
                with pytest.raises(ValueError, match="a cache cannot tell apart"):
                    model(input_ids=ids, position_ids=positions, attention_mask=mask, **cache)
        # A second document after a first that lies in a cache already.
        cache = DynamicCache()
        model(input_ids=ids[:, :4], position_ids=torch.arange(4)[None], past_key_values=cache)
        with pytest.raises(ValueError, match="a cache cannot tell apart"):
            model(input_ids=ids[:, :4], position_ids=torch.tensor([[4, 0, 1, 2]]), past_key_values=cache)


def test_stock_attention_leaks_where_ours_does_not(batch: Batch) -> None:
    """What the guard is for: if transformers mends this, it may go."""
    model = tiny_llama()
    alone = separate_logits(model, batch).detach()
    model.set_attn_implementation("sdpa")
    ids, positions = batch["input_ids"], batch["position_ids"]
    with torch.no_grad():
        for odd in ({"attention_mask": torch.ones_like(ids)}, {"use_cache": True}):
            found = model(input_ids=ids, position_ids=positions, **odd).logits
            assert (found - alone).abs().max() > 0.1


def test_our_module_takes_no_mask_no_cache_and_no_positions_of_other_shapes(batch: Batch) -> None:
    module = module_of(tiny_llama())
    ids, positions = batch["input_ids"], batch["position_ids"]
    for odd in ({"attention_mask": torch.ones_like(ids)}, {"use_cache": True}):
        with pytest.raises(TypeError):
            module(ids, positions, **odd)
    for shape in (positions[0], positions[:1], positions[:, :-1]):
        with pytest.raises(ValueError, match="wanted that of the tokens"):
            module(ids, shape)
    with pytest.raises(ValueError, match="the batch has attention_mask, wanted input_ids"):
        module.loss_sum({**batch, "attention_mask": torch.ones_like(ids)})


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_under_a_2d_mask_is_hidden_as_by_the_stock_attention(side: str) -> None:
    model = tiny_llama().eval()
    ids = torch.randint(3, 96, (2, 10))
    mask = torch.ones_like(ids)
    mask[0, slice(0, 4) if side == "left" else slice(6, 10)] = 0
    positions = (mask.cumsum(-1) - 1).masked_fill(mask == 0, 1)
    with torch.no_grad():
        wanted = model(input_ids=ids, attention_mask=mask, position_ids=positions).logits
        module_of(model)
        model.eval()
        found = model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=True).logits
    torch.testing.assert_close(found[mask == 1], wanted[mask == 1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("attention", BACK_ENDS)
def test_generation_through_our_attention_equals_the_stock_one(attention: str) -> None:
    model = tiny_llama().eval()
    prompts = torch.tensor([[0, 0, 1, 7, 30, 4], [1, 8, 9, 10, 11, 12]])
    mask = torch.tensor([[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]])
    options = {"max_new_tokens": 12, "do_sample": False, "eos_token_id": None, "attention_mask": mask}
    stock = model.generate(prompts, **options)
    model.set_attn_implementation(PREFIX + attention)
    assert model.generate(prompts, **options).tolist() == stock.tolist()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_documents_longer_than_a_block_equal_a_mask(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    lengths = [[1, BLOCK, BLOCK + 1, 2 * BLOCK - 2], [2, 2 * BLOCK + 40, 2 * BLOCK - 42]]
    length = sum(lengths[0])
    positions = torch.stack([torch.cat([torch.arange(count) for count in row]) for row in lengths])
    query, key, value = (
        torch.randn(2, length, heads, 16, dtype=dtype).transpose(1, 2).requires_grad_() for heads in (4, 2, 2)
    )
    for borders, mask in (
        (document_borders(positions), document_mask(positions)),
        (row_borders(2, length, query.device), torch.ones(length, length).bool().tril()),
    ):
        found = split_attention(query, key, value, borders, 0.3)[0]
        wanted = F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, scale=0.3, enable_gqa=True
        ).transpose(1, 2)
        near = {"rtol": 2e-2, "atol": 5e-2} if dtype == torch.bfloat16 else {"rtol": 1e-4, "atol": 1e-5}
        torch.testing.assert_close(found, wanted, **near)
        gradient = torch.randn_like(wanted)
        for ours, theirs in zip(
            torch.autograd.grad(found, [query, key, value], gradient),
            torch.autograd.grad(wanted, [query, key, value], gradient),
            strict=True,
        ):
            far = near if dtype != torch.bfloat16 else {"rtol": 5e-2, "atol": 0.25}
            torch.testing.assert_close(ours, theirs, **far)


def test_the_operator_keeps_the_rules_of_operators() -> None:
    positions = torch.tensor([[0, 1, 2, 0, 1], [0, 0, 1, 2, 3]])
    tensors = [torch.randn(2, heads, 5, 8, requires_grad=True) for heads in (4, 2, 2)]
    torch.library.opcheck(split_attention, (*tensors, document_borders(positions), 0.5))


def test_borders_are_those_of_a_variable_length_kernel() -> None:
    """The list that `varlen_attn` is given on CUDA: built here, where no kernel can be asked."""
    positions = torch.tensor([[0, 1, 2, 0, 1], [0, 0, 0, 1, 2], [0, 1, 2, 3, 4]])
    found = document_borders(positions)
    assert found.dtype == torch.int32
    assert found.tolist() == [0, 3, 5, 6, 7, 10, 15, 15, 15]  # six documents, and two of no length
    assert row_borders(3, 5, positions.device).tolist() == [0, 5, 10, 15]
    # A row that begins inside a document, or counts from elsewhere.
    assert document_borders(torch.tensor([[7, 8, 0, 1]])).tolist() == [0, 2, 4]
    # Micro-batches of a step have lists of one length.
    several = document_borders(torch.stack([positions, torch.arange(5).expand(3, 5)]))
    assert several.tolist() == [found.tolist(), [0, 5, 10, *[15] * 6]]


def test_borders_say_what_positions_say() -> None:
    generator = np.random.default_rng(0)
    shapes = set()
    for _ in range(50):
        rows, length = generator.integers(1, 6), generator.integers(1, 40)
        starts = torch.from_numpy(generator.random((rows, length)) < generator.random())
        starts[:, 0] = True
        place = torch.arange(length).expand(rows, length)
        positions = place - place.where(starts, 0).cummax(dim=1).values
        assert torch.equal(begins(positions), starts)
        borders = document_borders(positions).long()
        shapes.add(len(borders))
        assert borders[0] == 0
        assert borders[-1] == rows * length
        inner = borders[borders < rows * length].unique()
        assert torch.equal(inner, starts.flatten().nonzero().flatten())
        number = torch.bucketize(torch.arange(rows * length), borders[1:].unique(), right=True)
        same = number[:, None] == number[None, :]
        seen = torch.block_diag(*document_mask(positions)[:, 0].float()).bool()
        assert torch.equal(seen, same.tril())
    assert all((size - 1).bit_count() == 1 for size in shapes)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="the kernel of varlen attention is for CUDA alone")
def test_varlen_equals_a_mask_on_cuda(batch: Batch) -> None:
    model = tiny_llama().cuda()
    ids, positions = batch["input_ids"].cuda(), batch["position_ids"].cuda()
    found = {}
    for attention in ("sdpa", "varlen"):
        module = module_of(model, attention=attention)
        with torch.autocast("cuda", dtype=torch.bfloat16):
            hidden = module(ids, positions)
        hidden.float().square().sum().backward()
        found[attention] = [hidden.float(), *gradients(model)]
    for ours, theirs in zip(found["varlen"], found["sdpa"], strict=True):
        assert (ours - theirs).norm() < 2e-2 * theirs.norm()


@pytest.mark.parametrize("attention", ["auto", "eager", "sdpa"])
def test_attention_dropout_acts_in_training_alone(attention: str, batch: Batch) -> None:
    module = LlamaModule(
        tiny_llama(),
        optimizer=OptimizerConfig(),
        learning_rate=lambda step: 0.0,
        compute=ComputeConfig(attention=attention),
        attention_dropout=0.5,
    )
    assert module.model.config.attention_dropout == 0.5
    plain = module_of(tiny_llama())
    ids, positions = batch["input_ids"], batch["position_ids"]
    with torch.no_grad():
        wanted = plain(ids, positions)
        torch.manual_seed(1)
        first, second = module(ids, positions), module(ids, positions)
        torch.manual_seed(1)
        again = module(ids, positions)
        module.eval()
        torch.testing.assert_close(module(ids, positions), wanted, rtol=1e-4, atol=1e-5)
    assert torch.equal(first, again)
    assert (first - second).abs().max() > 0.1
    # The first token of a document has itself alone to attend to: kept, and scaled, or dropped.
    assert (first - wanted).abs().max() > 0.1


def test_auto_takes_what_is_fast_and_what_cannot_be_is_refused() -> None:
    config = tiny_llama().config
    choose = choose_attention
    assert choose("auto", config, device="cpu", half=False) == "split"
    assert choose("auto", config, device="mps", half=False) == "sdpa"
    assert choose("auto", config, device="cuda", half=False) == "sdpa"
    with pytest.raises(UsageError, match="varlen, which is for CUDA, but training is on cpu"):
        choose("varlen", config, device="cpu", half=True)
    with pytest.raises(UsageError, match="varlen, which computes in bf16 alone"):
        choose("varlen", config, device="cuda", half=False)
    with pytest.raises(UsageError, match="split, which is for CPUs, but training is on cuda"):
        choose("split", config, device="cuda", half=True)
    narrow = tiny_llama(hidden_size=48).config
    with pytest.raises(UsageError, match="in steps of 8, but the model has 12"):
        choose("varlen", narrow, device="cuda", half=True)
    config.attention_dropout = 0.1
    assert choose("auto", config, device="cpu", half=False) == "sdpa"
    with pytest.raises(UsageError, match=r"split, which knows no dropout, but .* is 0\.1"):
        choose("split", config, device="cpu", half=False)


def test_auto_on_a_gpu_that_has_flash_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny_llama(hidden_size=64).config
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    assert choose_attention("auto", config, device="cuda", half=True) == "varlen"
    assert choose_attention("auto", config, device="cuda", half=True, packed=False) == "sdpa"
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 5))
    assert choose_attention("auto", config, device="cuda", half=True) == "sdpa"
    with pytest.raises(UsageError, match=r"capability 8\.0"):
        choose_attention("varlen", config, device="cuda", half=True)


def test_chosen_attention_is_that_which_runs(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    from trainer import attention

    called: list[str] = []
    for name in ("eager", "sdpa", "split"):
        real = getattr(attention, name)
        monkeypatch.setattr(
            attention, name, lambda *a, real=real, name=name, **k: called.append(name) or real(*a, **k)
        )
    for option in ("auto", "eager", "sdpa", "split"):
        module_of(tiny_llama(), attention=option)(batch["input_ids"], batch["position_ids"])
    assert called == ["split"] * 2 + ["eager"] * 2 + ["sdpa"] * 2 + ["split"] * 2
