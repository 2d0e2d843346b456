"""Several devices under Lightning: DDP, and FSDP2 with its parts brought together for checkpoints.

Either way the gradients are averaged over the processes once an optimizer step, after its last micro-batch,
and a checkpoint holds the same as that of one process: whole weights, whole moments.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as lightning
import torch
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.strategies import DDPStrategy, ModelParallelStrategy, Strategy
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

from trainer.config import TrainerConfig
from trainer.processes import Place, Processes


def strategy_of(config: TrainerConfig, processes: Processes) -> Strategy | str:
    """Return Lightning's strategy for a run; one process needs none, whatever the configuration says."""
    if processes.count == 1:
        return "auto"
    if config.strategy == "fsdp":
        return FullyShardedStrategy(processes.count)
    # The model has no buffers that training changes; gradients lie where they are exchanged, not in a copy.
    return DDPStrategy(broadcast_buffers=False, gradient_as_bucket_view=True)


class Started(LightningEnvironment):
    """Tells Lightning which of the processes this is; they have met already, and are there."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Place.of_environment()

    @property
    def creates_processes_externally(self) -> bool:
        """Nobody is to be started."""
        return True

    def world_size(self) -> int:
        """Return the number of all processes."""
        return self.place.count

    def global_rank(self) -> int:
        """Return the number of this one among all."""
        return self.place.rank

    def local_rank(self) -> int:
        """Return the number of this one on its machine."""
        return self.place.local_rank

    def node_rank(self) -> int:
        """Return the number of this machine."""
        return self.place.rank // self.place.local_count

    def teardown(self) -> None:
        """Leave the environment as it is."""


def answer_signals_ourselves(trainer: lightning.Trainer) -> None:
    """Keep Lightning from answering SIGTERM where there are several processes.

    It would tell the others within the handler, in the midst of whatever they exchange, and ask the first
    process before every step, for which each host waits for its GPU. `trainer.signals` does it between
    micro-batches, on the hosts.
    """
    trainer._signal_connector.register_signal_handlers = lambda: None
    trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None


def shard(module: lightning.LightningModule, mesh: DeviceMesh, *, reshard_after_forward: bool) -> None:
    """Spread the parameters of a module over the devices of a mesh (FSDP2), each decoder layer a group.

    What is in no layer (embedding, last norm, head) is a group of the whole module, whose forward pass is its
    ``loss_sum``.

    Parameters
    ----------
    module
        A :class:`~trainer.model.LlamaModule`, on whatever device.
    mesh
        Of one dimension.
    reshard_after_forward
        Whether the weights of a layer are given back between its forward and its backward pass (as in stage
        3 of ZeRO, Rajbhandari et al., 2020), or kept till then (stage 2).
    """
    for layer in module.model.model.layers:
        fully_shard(layer, mesh=mesh, reshard_after_forward=reshard_after_forward)
    # The head is needed again at once, at the beginning of the backward pass.
    fully_shard(module, mesh=mesh, reshard_after_forward=False)
    register_fsdp_forward_method(module, "loss_sum")


@contextmanager
def gradients_exchanged(module: lightning.LightningModule, *, now: bool) -> Iterator[None]:
    """Average the gradients over the processes in the backward passes within, or only add them up here."""
    if isinstance(module, FSDPModule):
        module.set_is_last_backward(now)
        module.set_requires_gradient_sync(now)
        yield
    elif now or module.trainer.world_size == 1:
        yield
    else:
        with module.trainer.strategy.block_backward_sync():
            yield


@contextmanager
def outer_weights(module: lightning.LightningModule) -> Iterator[None]:
    """Have the weights that are in no layer whole, for a forward pass that is not ``loss_sum``.

    The layers see to theirs; where weights are spread, all processes have to make the same passes.
    """
    if not isinstance(module, FSDPModule):
        yield
        return
    module.unshard()
    try:
        yield
    finally:
        module.reshard()


def gradient_norm(parameters: Any, limit: float) -> Tensor:
    """Clip the gradients, of which each process may have a part; return the norm of all before."""
    parameters = [parameter for parameter in parameters if parameter.grad is not None]
    norm = nn.utils.get_total_norm([parameter.grad for parameter in parameters])
    if isinstance(norm, DTensor):
        norm = norm.full_tensor()
    nn.utils.clip_grads_with_norm_(parameters, limit, norm)
    return norm


class FullyShardedStrategy(ModelParallelStrategy):
    """FSDP2 as Lightning has it, with checkpoints that are those of one process.

    Lightning's own are either parts for as many processes, or know one kind of optimizer.

    Parameters
    ----------
    count
        How many processes there are.
    """

    def __init__(self, count: int) -> None:
        super().__init__(data_parallel_size=count, tensor_parallel_size=1, save_distributed_checkpoint=False)

    @property
    def lightning_restore_optimizer(self) -> bool:
        """Moments come from :meth:`load_optimizer_state_dict`."""
        return True

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """Bring the weights together; the first process has them, in main memory."""
        names = dict(self.lightning_module.named_parameters(remove_duplicate=False))
        whole: dict[int, Any] = {}
        for parameter in names.values():
            if id(parameter) not in whole:
                whole[id(parameter)] = gathered(parameter.detach(), keep=self.is_global_zero)
        return {name: whole[id(parameter)] for name, parameter in names.items()}

    def optimizer_state(self, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        """Bring the moments together, as :meth:`torch.optim.Optimizer.state_dict` lays them out."""
        spread_state = super(ModelParallelStrategy, self).optimizer_state(optimizer)
        whole: dict[str, Any] = gathered(spread_state, keep=self.is_global_zero)
        return whole

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Take each process's part of whole moments."""
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            optimizer.load_state_dict(spread(optimizer, state))

    def save_checkpoint(self, checkpoint: dict[str, Any], filepath: Any, storage_options: Any = None) -> None:
        """Have the first process write it, by the same plugin as that of one process."""
        if self.is_global_zero:
            self.checkpoint_io.save_checkpoint(checkpoint, filepath, storage_options=storage_options)

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> dict[str, Any]:
        """Read it by that plugin, too."""
        return self.checkpoint_io.load_checkpoint(checkpoint_path, weights_only=weights_only)


def gathered(tree: Any, *, keep: bool) -> Any:
    """Return a tree of dictionaries and lists with every spread tensor whole; all processes have to call.

    Parameters
    ----------
    tree
        What lies in it besides is left as it is.
    keep
        Whether this process gets them, in main memory; None stands for each in the others.
    """
    if isinstance(tree, DTensor):
        whole = tree.full_tensor()
        return whole.cpu() if keep else None
    if isinstance(tree, dict):
        return {name: gathered(value, keep=keep) for name, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(gathered(value, keep=keep) for value in tree)
    return tree


def spread(optimizer: Any, state: dict[str, Any]) -> dict[str, Any]:
    """Return the state of an optimizer with each moment spread as its parameter is.

    Parameters
    ----------
    optimizer
        Over the parameters; of several as one (:class:`~trainer.optimizer.MuonAndAdamW`), each by its name.
    state
        Whole, as a checkpoint has it; every process has all of it.
    """
    if hasattr(optimizer, "parts"):
        return {name: spread(part, state[name]) for name, part in optimizer.parts.items()}
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    numbers = [number for group in state["param_groups"] for number in group["params"]]
    moments = {
        number: {name: _like(parameter, value) for name, value in state["state"][number].items()}
        for number, parameter in zip(numbers, parameters, strict=True)
        if number in state["state"]
    }
    return {**state, "state": moments}


def _like(parameter: Any, value: Any) -> Any:
    """Return a moment spread as its parameter is; a counter stays what it is."""
    if not (isinstance(parameter, DTensor) and isinstance(value, Tensor) and value.shape == parameter.shape):
        return value
    value = value.to(parameter.device)
    # Each process takes its part of what it has read itself.
    return distribute_tensor(value, parameter.device_mesh, parameter.placements, src_data_rank=None)
