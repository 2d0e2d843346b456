"""Which attention, which loss and whether to compile: what `auto` stands for, and what is refused.

No choice changes what is learned, apart from rounding.
"""

from __future__ import annotations

import dataclasses

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from prepcore.arguments import UsageError
from trainer.choices import choose_loss, compile_obstacle, worth_compiling
from trainer.config import Attention, ComputeConfig, FitConfig
from trainer.processes import processes_of


def device_type(accelerator: str) -> str:
    """Return the type of the device that Lightning will take: ``cpu``, ``cuda`` or ``mps``."""
    if accelerator in ("auto", "gpu") and torch.cuda.is_available():
        return "cuda"
    if accelerator in ("auto", "mps") and torch.backends.mps.is_available():
        return "mps"
    return "cpu"


def choose_attention(
    name: Attention, model: LlamaConfig, *, device: str, half: bool, packed: bool = True
) -> Attention:
    """Return the back end that an option stands for.

    Parameters
    ----------
    name
        ``auto`` or a back end.
    model
        Its heads and its dropout.
    device
        Type of the device.
    half
        Whether attention is computed in bf16 or fp16.
    packed
        Whether rows hold documents that are to be held apart.

    Raises
    ------
    UsageError
        When the back end that was asked for cannot do it.
    """
    if name == "split":
        _refuse(name, _split_obstacle(model, device))
    elif name == "varlen":
        _refuse(name, _varlen_obstacle(model, device, half=half))
    if name != "auto":
        return name
    if _split_obstacle(model, device) is None:
        return "split"
    # A row that is one text needs no borders: PyTorch's own flash attention is as good.
    if packed and _varlen_obstacle(model, device, half=half) is None:
        return "varlen"
    return "sdpa"


def _refuse(name: str, obstacle: str | None) -> None:
    if obstacle is not None:
        raise UsageError(f"compute.attention is {name}, {obstacle}", "auto takes the fastest that can")


def _split_obstacle(model: LlamaConfig, device: str) -> str | None:
    if device != "cpu":
        return f"which is for CPUs, but training is on {device}"
    return _dropout_obstacle(model)


def _varlen_obstacle(model: LlamaConfig, device: str, *, half: bool) -> str | None:
    if device != "cuda":
        return f"which is for CUDA, but training is on {device}"
    if not half:
        return "which computes in bf16 alone, but the precision is 32-true"
    width = getattr(model, "head_dim", None) or model.hidden_size // model.num_attention_heads
    if width % 8 or width > 256:
        return f"which takes heads of 8 to 256 dimensions in steps of 8, but the model has {width}"
    if torch.cuda.get_device_capability() < (8, 0):
        return "which needs a GPU of compute capability 8.0"
    return _dropout_obstacle(model)


def _dropout_obstacle(model: LlamaConfig) -> str | None:
    dropout = model.attention_dropout
    return f"which knows no dropout, but model.attention-dropout is {dropout}" if dropout else None


def set_attention_dropout(model: LlamaForCausalLM, share: float | None) -> None:
    """Set the dropout of attention weights in training; None leaves what the model's configuration says."""
    if share is None:
        return
    model.config.attention_dropout = share
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = share


def resolve_compute(
    config: FitConfig, model: LlamaForCausalLM, *, length: int, tokens: int, precision: str, packed: bool
) -> ComputeConfig:
    """Settle before a run begins how it is computed.

    Parameters
    ----------
    config
        What was asked for.
    model
        The model, on whatever device.
    length
        Tokens in a row.
    tokens
        Tokens of the whole run.
    precision
        Lightning's name of it.
    packed
        Whether rows hold documents that are to be held apart.

    Returns
    -------
    ComputeConfig
        With nothing left at auto.

    Raises
    ------
    UsageError
        When something that was asked for cannot be done here.
    """
    device = device_type(config.trainer.accelerator)
    attention = choose_attention(
        config.compute.attention, model.config, device=device, half=precision != "32-true", packed=packed
    )
    spread = config.trainer.strategy == "fsdp" and processes_of(config.trainer) > 1
    obstacle = compile_obstacle(device, spread=spread)
    if config.compute.compile == "on" and obstacle:
        raise UsageError(f"compute.compile is on, but {obstacle}", "leave it at auto, or turn it off")
    worth = not obstacle and worth_compiling(device, model.num_parameters(exclude_embeddings=False), tokens)
    compiled = {"on": True, "off": False}.get(config.compute.compile, worth)
    loss = choose_loss(
        config.compute.loss,
        positions=config.batch.micro * length,
        vocabulary=model.config.vocab_size,
        device=device,
        compiled=compiled,
    )
    return dataclasses.replace(
        config.compute, attention=attention, loss=loss, compile="on" if compiled else "off"
    )


def describe_compute(compute: ComputeConfig) -> str:
    """Say in a line what was settled."""
    line = f"compute: {compute.attention} attention, {compute.loss} loss, compile {compute.compile}"
    every = compute.recompute_every
    if not every:
        return line
    return f"{line}, {'every layer' if every == 1 else f'one layer of every {every}'} computed again"
