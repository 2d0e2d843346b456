"""The processes of a run, one a device: which of them this is, and what they tell each other.

`python -m trainer fit` starts them itself (:mod:`trainer.launch`), or ``torchrun`` does; both say by the same
environment variables who is who. Torch is imported when they meet, not before.

What they say to each other outside the arithmetic of a step goes through a group of its own on the hosts
(gloo), so that nobody waits for a GPU, and a message never stands between two of the gradients'.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from prepcore.arguments import UsageError
from trainer.config import TrainerConfig

if TYPE_CHECKING:
    from torch import Tensor

Made = TypeVar("Made")

RENDEZVOUS = "TRAINER_RENDEZVOUS"
"""Where processes that `trainer.launch` started meet; torchrun's meet where it says."""

PATIENCE = timedelta(days=1)
"""How long the hosts wait for each other.

Converting data, building a model and saving may take long; a process that died is noticed at once, by its
connection, and not by this.
"""


@dataclass(frozen=True)
class Place:
    """Which process this is, as its starter says.

    Attributes
    ----------
    rank
        Its number among all.
    count
        How many there are.
    local_rank, local_count
        The same among those of this machine: the number of its device, and how many are used.
    started
        Whether somebody started it as one of them.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    local_count: int = 1
    started: bool = False

    @classmethod
    def of_environment(cls) -> Place:
        """Read the variables that torchrun and `trainer.launch` set."""
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        try:
            rank, count, local_rank, local_count = (int(os.environ[name]) for name in names)
        except (KeyError, ValueError):
            return cls()
        return cls(rank, count, local_rank, local_count, started=True)

    @property
    def nodes(self) -> int:
        """How many machines there are."""
        return self.count // self.local_count

    @property
    def first(self) -> bool:
        """Whether this process speaks and writes for all."""
        return self.rank == 0


def processes_of(config: TrainerConfig, place: Place | None = None) -> int:
    """Return how many processes a run has: those that were started, or those that it is to start.

    Raises
    ------
    UsageError
        When the configuration and the starter contradict each other, or nobody starts those of other nodes.
    """
    place = place or Place.of_environment()
    if not place.started:
        if (config.num_nodes or 1) > 1:
            raise UsageError(
                f"trainer.num-nodes is {config.num_nodes}, but this process was started alone",
                f"start it on each of them: torchrun --nnodes {config.num_nodes} --nproc-per-node "
                f"{config.devices or 1} … -m trainer fit …",
            )
        return config.devices or 1
    for name, wanted, there in (
        ("devices", config.devices, place.local_count),
        ("num-nodes", config.num_nodes, place.nodes),
    ):
        if wanted is not None and wanted != there:
            what = "processes on each node" if name == "devices" else "nodes"
            raise UsageError(
                f"trainer.{name} is {wanted}, but {there} {what} were started",
                f"give --trainer.{name} {there}, or `null` for as many as are started",
            )
    return place.count


def starts_processes(config: TrainerConfig) -> bool:
    """Say whether this process is to start those of a run, rather than being one of them."""
    return not Place.of_environment().started and processes_of(config) > 1


class Processes:
    """All processes of a run, as one of them sees them; one alone is all there is in most runs.

    Parameters
    ----------
    place
        Which one this is.
    group
        The group of the hosts; None where there is one process.
    """

    def __init__(self, place: Place | None = None, group: Any = None) -> None:
        self.place = place or Place()
        self.count = self.place.count
        self.first = self.place.first
        self._group = group
        self._asked: tuple[Any, Tensor] | None = None

    @classmethod
    @contextmanager
    def meet(cls, config: TrainerConfig, device: str) -> Iterator[Processes]:
        """Join the processes of a run, and leave them at its end.

        Parameters
        ----------
        config
            How many there are to be.
        device
            Type of the device they compute on, ``cpu`` or ``cuda``.
        """
        if processes_of(config) == 1:
            yield cls()
            return
        import torch
        from torch import distributed

        place = Place.of_environment()
        if device == "cuda":
            torch.cuda.set_device(place.local_rank)
        distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo",
            init_method=os.environ.get(RENDEZVOUS, "env://"),
            rank=place.rank,
            world_size=place.count,
        )
        try:
            yield cls(place, distributed.new_group(backend="gloo", timeout=PATIENCE))
        except BaseException as error:
            # After an error that the others may not have, leaving would wait for them.
            if _of_all(error):
                distributed.destroy_process_group()
            raise
        distributed.destroy_process_group()

    def by_first(self, make: Callable[[], Made]) -> Made:
        """Have the first process make something; return it in all of them, or raise its error in all.

        What is made has to go through `pickle`.
        """
        if self.count == 1:
            return make()
        outcome = _attempt(make) if self.first else None
        return _result(self._broadcast(outcome))

    def by_all(self, make: Callable[[], Made], *, first_alone: bool = False) -> Made:
        """Make something in each process; where one of them fails, all raise the error of the first of these.

        Parameters
        ----------
        make
            What to do.
        first_alone
            Whether the others begin when the first is done: they find what it has written.
        """
        if self.count == 1:
            return make()
        from torch import distributed

        if first_alone and not self.first:
            _result(self._broadcast(None))
        outcome = _attempt(make)
        if first_alone and self.first:
            self._broadcast((None, outcome[1]))
            if outcome[1] is not None:
                raise outcome[1]
        errors: list[Exception | None] = [None] * self.count
        distributed.all_gather_object(errors, outcome[1], group=self._group)
        for error in errors:
            if error is not None:
                raise error
        return _result(outcome)

    def largest(self, number: int) -> int:
        """Return the largest number that any process gave at the call before this one, 0 at the first call.

        All have to call it alike. The answer was on its way since then, so that nobody waits for anything
        but the others' coming this far.
        """
        if self.count == 1:
            return number
        import torch
        from torch import distributed

        before, self._asked = self._asked, None
        given = torch.tensor([number])
        work = distributed.all_reduce(given, distributed.ReduceOp.MAX, group=self._group, async_op=True)
        self._asked = (work, given)
        if before is None:
            return 0
        before[0].wait()
        return int(before[1])

    def share(self, tensor: Tensor) -> None:
        """Fill a tensor in main memory with what the first process has in it."""
        if self.count > 1:
            from torch import distributed

            distributed.broadcast(tensor, 0, group=self._group)

    def wait(self) -> None:
        """Wait until all have come this far."""
        if self.count > 1:
            from torch import distributed

            distributed.barrier(group=self._group)

    def _broadcast(self, outcome: Any) -> Any:
        from torch import distributed

        box = [outcome]
        distributed.broadcast_object_list(box, 0, group=self._group)
        return box[0]


def summed(tensor: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes; with one process, the tensor itself.

    On a GPU the host does not wait for it.
    """
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return tensor
    if distributed.get_world_size() == 1:
        return tensor
    total = tensor.clone()
    distributed.all_reduce(total)
    return total


def _attempt(make: Callable[[], Any]) -> tuple[Any, Exception | None]:
    """Return what is made and no error, or nothing and the error that users are told of; bugs go on."""
    try:
        return make(), None
    except Exception as error:
        if not isinstance(getattr(error, "exit_code", None), int):
            raise
        return None, error


def _of_all(error: BaseException) -> bool:
    """Whether all processes have an error: users are told of it, or it is the answer to a stop."""
    return isinstance(getattr(error, "exit_code", None), int) or error.__cause__ is not None


def _result(outcome: tuple[Any, Exception | None]) -> Any:
    made, error = outcome
    if error is not None:
        raise error
    return made
