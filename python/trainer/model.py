"""The module that Lightning trains: what one optimizer step does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytorch_lightning as lightning
import torch
from torch import Tensor
from torch.distributed.fsdp import FSDPModule
from transformers import LlamaForCausalLM

from trainer.attention import PREFIX, WITH_BORDERS
from trainer.compute import choose_attention, set_attention_dropout
from trainer.config import ComputeConfig, OptimizerConfig
from trainer.data import Batch
from trainer.documents import document_borders, document_mask, row_borders
from trainer.guard import Guard
from trainer.layers import prepare_layers
from trainer.loss import (
    IGNORED,
    choose_loss,
    compiled_cross_entropy_sum,
    cross_entropy_sum,
    shift_targets,
    whole_cross_entropy_sum,
)
from trainer.optimizer import RATE_SHARE, build_optimizer
from trainer.order import mix
from trainer.processes import summed
from trainer.sharding import gradient_norm, gradients_exchanged, shard

KNOWN = ("input_ids", "position_ids", "labels", "borders")
"""What a batch may hold."""


class LlamaModule(lightning.LightningModule):
    """A Hugging Face Llama and the way it learns.

    Optimization is manual because the loss of a step is the sum over its target tokens divided by their
    number *over all micro-batches*; Lightning's own accumulation takes a mean of means, which weighs the
    tokens of a short micro-batch more.

    Parameters
    ----------
    model
        The model, in fp32; put into training mode here, since ``from_pretrained`` leaves it in evaluation
        mode.
    optimizer
        Settings of the optimizer.
    learning_rate
        Learning rate of a step, counted from 0, such as a :class:`~trainer.schedule.Schedule`; None: that of
        `optimizer` at every step.
    gradient_clip
        Largest norm of the whole gradient; None leaves it as it is.
    before_micro_batch
        Called before each micro-batch; may raise to leave a long step before it changes any weight.
    validation_shares
        Share of each source in the loss of a validation.
    skip_spikes
        Deviations above the last hundred steps at which a step is left out; None: none is.
    compute
        How the arithmetic is done; the default is `auto` in everything, and nothing compiled.
    attention_dropout
        Share of the attention weights that is dropped in training; None leaves what the model says.
    reshard_after_forward
        Where weights are spread over several devices: whether those of a layer are given back between its
        forward and its backward pass.
    seed
        Of what dropout draws where there are several processes, each for its own rows.

    Attributes
    ----------
    step_loss, gradient_norm
        Of the step just done, scalars on the device: reading their value waits for the device.
    validation_losses
        Of each source in the last validation, the mean over all its target tokens, in nats; empty before the
        first.
    validation_loss
        Their mean by `validation_shares`; None before the first.
    guard
        Judges which steps are left out.
    """

    def __init__(
        self,
        model: LlamaForCausalLM,
        *,
        optimizer: OptimizerConfig | None = None,
        learning_rate: Callable[[int], float] | None = None,
        gradient_clip: float | None = 1.0,
        before_micro_batch: Callable[[], None] = lambda: None,
        validation_shares: Sequence[float] = (1.0,),
        skip_spikes: float | None = None,
        compute: ComputeConfig | None = None,
        attention_dropout: float | None = None,
        reshard_after_forward: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model = model.train()
        self.compute = compute or ComputeConfig()
        set_attention_dropout(model, attention_dropout)
        prepare_layers(
            model, compiled=self.compute.compile == "on", recompute_every=self.compute.recompute_every
        )
        self._back_ends: dict[tuple[str, bool, bool], str] = {}
        # Whoever calls the model before this module did is guarded by any back end alike.
        model.set_attn_implementation(f"{PREFIX}sdpa")
        self.optimizer_config = optimizer or OptimizerConfig()
        peak = self.optimizer_config.learning_rate
        self.learning_rate = learning_rate or (lambda step: peak)
        self.gradient_clip = gradient_clip
        self.before_micro_batch = before_micro_batch
        self.step_loss: Tensor | None = None
        self.gradient_norm: Tensor | None = None
        self.validation_shares = tuple(validation_shares)
        self.validation_losses: list[float] = []
        self.validation_loss: float | None = None
        self.guard = Guard(skip_spikes)
        self.reshard_after_forward = reshard_after_forward
        self.seed = seed
        self._validation_sums: list[list[Tensor]] = []
        self._group_settings: list[dict[str, Any]] = []
        self._random_state: dict[str, Tensor] = {}

    def forward(
        self, input_ids: Tensor, position_ids: Tensor | None = None, borders: Tensor | None = None
    ) -> Tensor:
        """Return the final hidden states, shape ``(rows, length, width)``.

        Parameters
        ----------
        input_ids
            Token ids, shape ``(rows, length)``.
        position_ids
            Position within the document, same shape, counted from where a document begins; documents then do
            not see each other. None: each row is one text.
        borders
            Of the documents, as :func:`trainer.documents.document_borders` lists them; None: they are looked
            for in the positions, for which a GPU is waited for.

        Raises
        ------
        ValueError
            When the positions are not one for each token.
        """
        if position_ids is not None and position_ids.shape != input_ids.shape:
            raise ValueError(
                f"the positions have shape {tuple(position_ids.shape)}, wanted that of the tokens, "
                f"{tuple(input_ids.shape)}: each row has documents of its own"
            )
        back_end = self._back_end(input_ids.device.type, packed=position_ids is not None)
        mask = None
        if back_end not in WITH_BORDERS:
            borders = None
            mask = None if position_ids is None else document_mask(position_ids)
        elif position_ids is None:
            borders = row_borders(input_ids.shape[0], input_ids.shape[1], input_ids.device)
        elif borders is None:
            borders = document_borders(position_ids)
        if borders is not None:
            # Their number differs from batch to batch: one compiled layer is to serve them all.
            torch._dynamo.maybe_mark_dynamic(borders, 0)
        hidden: Tensor = self.model.model(
            input_ids=input_ids,
            # Of four dimensions, so that transformers neither makes a mask nor looks at the positions, for
            # which it would wait for a GPU.
            attention_mask=input_ids.new_ones(1, 1, 1, 1, dtype=torch.bool),
            position_ids=position_ids,
            use_cache=False,
            isolated=True,
            borders=borders,
            document_mask=mask,
        ).last_hidden_state
        return hidden

    def _back_end(self, device: str, *, packed: bool) -> str:
        """Return the attention that computes on a device, and tell the model."""
        half = torch.is_autocast_enabled(device) or self.model.dtype in (torch.bfloat16, torch.float16)
        key = (device, half, packed)
        if key not in self._back_ends:
            self._back_ends[key] = choose_attention(
                self.compute.attention, self.model.config, device=device, half=half, packed=packed
            )
        name = PREFIX + self._back_ends[key]
        if self.model.config._attn_implementation != name:
            self.model.set_attn_implementation(name)
        return self._back_ends[key]

    def on_before_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Add the borders of documents while the batch is in main memory, where looking waits for nothing."""
        if "position_ids" in batch:
            batch = {**batch, "borders": document_borders(batch["position_ids"])}
        return batch

    def loss_sum(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the summed loss of a micro-batch in nats, and the number of its targets.

        ``labels`` in the batch replace ``input_ids`` as what is to be predicted, as in transformers.

        Raises
        ------
        ValueError
            When the batch has anything else in it, such as a mask of padding, which would have no effect.
        """
        if unknown := batch.keys() - KNOWN:
            raise ValueError(f"the batch has {', '.join(sorted(unknown))}, wanted {', '.join(KNOWN)} alone")
        hidden = self(batch["input_ids"], batch.get("position_ids"), batch.get("borders"))
        targets = shift_targets(batch.get("labels", batch["input_ids"])).flatten()
        cross_entropy = self._cross_entropy_sum(targets.numel(), hidden.device.type)
        loss = cross_entropy(hidden.flatten(0, 1), self.model.lm_head.weight, targets)
        return loss, (targets != IGNORED).sum()

    def _cross_entropy_sum(self, positions: int, device: str) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        """Return the loss of a micro-batch of so many tokens; in evaluation, the least of memory."""
        compiled = self.compute.compile == "on"
        vocabulary = self.model.config.vocab_size
        name = self.compute.loss
        way = choose_loss(name, positions=positions, vocabulary=vocabulary, device=device, compiled=compiled)
        if way == "chunked" or not torch.is_grad_enabled():
            return cross_entropy_sum
        return compiled_cross_entropy_sum() if compiled else whole_cross_entropy_sum

    def rehearse(self, batch: Batch) -> None:
        """Go forward and back over the first micro-batch of a step and forget it: layers are compiled now.

        Neither weights, gradients nor the random state are changed by it.
        """
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            loss, _ = self.loss_sum({name: ids[0] for name, ids in batch.items()})
            trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
            # Not `backward`, which would leave gradients behind.
            torch.autograd.grad(loss, trained, allow_unused=True)

    def training_step(self, batch: Batch, batch_index: int) -> None:
        """Do one optimizer step over a batch of shape ``(micro-batches, rows, length)``.

        Each process has a batch of its own, of as many micro-batches; together they are the step.
        """
        if self.trainer.world_size > 1:
            self._draw_apart()
        self.step_loss = self.accumulate(batch, self.target_count(batch))
        self.gradient_norm = self.clip_gradient()
        self.move_weights(self.guard.judge(self.trainer.global_step, self.step_loss, self.gradient_norm))

    def target_count(self, batch: Batch) -> Tensor:
        """Return the target tokens of a step, a scalar; over several processes, their sum.

        At least one, so that a step without targets has a loss of zero and not of 0 / 0.
        """
        labels = batch.get("labels", batch["input_ids"])
        return summed((labels[..., 1:] != IGNORED).sum()).clamp(min=1)

    def accumulate(self, batch: Batch, targets: Tensor) -> Tensor:
        """Add the gradient of every micro-batch up; return the loss of the step in nats a token.

        Several processes exchange their gradients with the last of them.
        """
        loss = torch.zeros((), device=self.device)
        count, processes = batch["input_ids"].shape[0], self.trainer.world_size
        for index in range(count):
            self.before_micro_batch()
            with gradients_exchanged(self, now=index == count - 1):
                part, _ = self.loss_sum({name: ids[index] for name, ids in batch.items()})
                part = part / targets
                # What is exchanged is a mean over the processes, and wanted is the sum.
                self.manual_backward(part if processes == 1 else part * processes)
            loss += part.detach()
        return summed(loss)

    def clip_gradient(self) -> Tensor:
        """Clip the whole gradient; return the norm it had before."""
        return gradient_norm(
            self.parameters(), float("inf") if self.gradient_clip is None else self.gradient_clip
        )

    def move_weights(self, skipped: Tensor) -> None:
        """Move the weights, unless ``skipped``, a scalar on the device, is 1."""
        optimizer = self.optimizers()
        rate = self.learning_rate(self.trainer.global_step)
        for group in optimizer.param_groups:
            group["lr"] = rate * group[RATE_SHARE]
        # Not Lightning's wrapper, which would keep it to itself.
        self.optimizers(use_pl_optimizer=False).found_inf = skipped
        optimizer.step()
        optimizer.zero_grad()

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_index: int) -> None:
        """Tell Lightning's own loggers and progress bar, where there are any: `fit` has others."""
        if self.trainer.loggers or self.trainer.progress_bar_callback is not None:
            self.log("loss", self.step_loss, prog_bar=True)

    def on_validation_epoch_start(self) -> None:
        """Forget the sums of the validation before."""
        self._validation_sums = [[] for _ in self.validation_shares]

    def validation_step(self, batch: Batch, batch_index: int, dataloader_idx: int = 0) -> None:
        """Add a micro-batch of a source, of shape ``(rows, length)``, to the validation."""
        self.before_micro_batch()
        self._validation_sums[dataloader_idx].append(torch.stack(self.loss_sum(batch)))

    def on_validation_epoch_end(self) -> None:
        """Work the validation losses out, waiting for the device once."""
        # One tensor of all, since each that is moved from the device is waited for.
        sums = torch.stack([total for source in self._validation_sums for total in source]).cpu().double()
        parts = sums.split([len(source) for source in self._validation_sums])
        losses = torch.stack([part.sum(dim=0) for part in parts])  # (sources, 2)
        if self.trainer.world_size > 1:
            losses = summed(losses.to(self.device)).cpu()
        self.validation_losses = [float(loss / targets.clamp(min=1)) for loss, targets in losses]
        self.validation_loss = sum(
            share * loss for share, loss in zip(self.validation_shares, self.validation_losses, strict=True)
        )
        # By this name Lightning's ModelCheckpoint and EarlyStopping can watch it.
        self.log("validation_loss", self.validation_loss, prog_bar=True)

    def configure_model(self) -> None:
        """Spread the weights over the devices where Lightning's strategy is to (FSDP2), once."""
        if self.device_mesh is not None and not isinstance(self, FSDPModule):
            mesh = self.device_mesh["data_parallel"]
            shard(self, mesh, reshard_after_forward=self.reshard_after_forward)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Build the optimizer over the parameters, which are on their device by now."""
        optimizer = build_optimizer(self.model, self.optimizer_config)
        self._group_settings = [
            {name: value for name, value in group.items() if name != "params"}
            for group in optimizer.param_groups
        ]
        return optimizer

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the random state, which dropout draws from, and what the guard remembers."""
        checkpoint["guard"] = {name: tensor.cpu() for name, tensor in self.guard.state().items()}
        checkpoint["random_state"] = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            checkpoint["random_state"]["cuda"] = torch.cuda.get_rng_state(self.device)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what is put back when training starts; the weights came with the model."""
        # Ours hold no weights; one that Lightning wrote in somebody's own training does.
        checkpoint.setdefault("state_dict", self.state_dict())
        self._random_state = checkpoint["random_state"]
        self.guard.load(checkpoint.get("guard", {}))

    def on_train_start(self) -> None:
        """Go on as the checkpoint left off, if there is one."""
        self.guard.to(self.device)
        # The settings of this run win over those saved with the moments.
        for group, settings in zip(self.optimizers().param_groups, self._group_settings, strict=True):
            group.update(settings)
        if self.trainer.world_size > 1:
            return
        if "cpu" in self._random_state:
            torch.set_rng_state(self._random_state["cpu"])
        if "cuda" in self._random_state and self.device.type == "cuda":
            torch.cuda.set_rng_state(self._random_state["cuda"], self.device)

    def _draw_apart(self) -> None:
        """Have each process draw its own dropout in this step, whatever was drawn before."""
        step, process = self.trainer.global_step, self.trainer.global_rank
        place = np.array([step * self.trainer.world_size + process], dtype=np.uint64)
        torch.manual_seed(int(mix(mix(place) ^ np.uint64(self.seed % 2**64))[0] >> np.uint64(1)))
