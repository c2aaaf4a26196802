"""Processes that train one network together, as torchrun starts them: who they are, and what they agree on."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from rfiscan.errors import ConfigError, MissingExtraError, ModelError, ResourceError, RfiscanError, UsageError
from rfiscan.workflows.reporting import SILENT, Reporter

T = TypeVar("T")
SAME_EVERYWHERE = (ConfigError, MissingExtraError, ModelError, UsageError)
"""Errors that all processes meet, as they were started in the same way."""


@dataclass(frozen=True, slots=True)
class World:
    """This process among those that train together; all of them must make the same calls in the same order.

    Attributes:
        rank: Number of this process, from 0.
        size: How many there are; with one, nothing is exchanged.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_writer(self) -> bool:
        """True in the one process that writes files and talks to the user."""
        return self.rank == 0

    @property
    def own(self) -> slice:
        """Which of the things that are shared out are those of this process."""
        return slice(self.rank, None, self.size)

    def reporter(self, reporter: Reporter) -> Reporter:
        """A reporter for this process: only the writer has something to say."""
        return reporter if self.is_writer else SILENT

    def sum(self, own: Sequence[float]) -> list[float]:
        """Sums of numbers over all processes."""
        if self.size == 1:
            return list(own)
        numbers = torch.tensor(own, dtype=torch.float64)
        dist.all_reduce(numbers)
        return [float(number) for number in numbers]

    def any(self, own: bool) -> bool:
        """True if it is true in any process."""
        return self.sum([float(own)])[0] > 0.0

    def gather(self, own: T) -> list[T]:
        """What every process gave, by rank."""
        if self.size == 1:
            return [own]
        gathered: list[Any] = [None] * self.size
        dist.all_gather_object(gathered, own)
        return gathered

    def each_share(self, items: Sequence[Any], work: Callable[[Sequence[Any]], list[T]]) -> list[T]:
        """Share work on items out; returns its results for all of them, in their order."""
        shares = self.gather(work(items[self.own]))
        return [shares[number % self.size][number // self.size] for number in range(len(items))]

    def by_writer(self, work: Callable[[], T]) -> T:
        """Do what only one process may do; returns its result in all of them.

        Raises:
            RfiscanError: If it raised that; in all of them.
        """
        if self.size == 1:
            return work()
        outcome: list[Any] = [None, None]
        if self.is_writer:
            try:
                outcome[0] = work()
            except RfiscanError as error:
                outcome[1] = error
        dist.broadcast_object_list(outcome, src=0)
        if outcome[1] is not None:
            raise self.agreed(outcome[1])
        result: T = outcome[0]
        return result

    def agreed(self, error: RfiscanError) -> RfiscanError:
        """An error that all processes raise at once; only the writer tells the user."""
        error.told = not self.is_writer
        return error


ALONE = World()


@contextmanager
def joined_world() -> Iterator[World]:
    """Join the processes that torchrun started together with this one; alone without it.

    Yields:
        This process among them.

    Raises:
        ResourceError: If another of them has ended.
    """
    world = started_world()
    if world.size == 1:
        yield world
        return
    try:
        dist.init_process_group(_backend())
        yield world
    except RuntimeError as error:
        if not _is_lost(error):
            raise
        raise ResourceError(
            f"process {world.rank} of this training has lost another one",
            hint="What that one says tells why; without a word, it was killed, or its machine cannot be reached.",
        ) from error
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
            # what still holds the group would keep its threads until Python ends, where they abort the process
            gc.collect()


def started_world() -> World:
    """This process among those that were started together, as torchrun says it in the environment."""
    if "MASTER_ADDR" not in os.environ:
        return ALONE
    return World(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))


def number_on_machine() -> int:
    """Number of this process among those of its machine: which GPU it takes."""
    return int(os.environ.get("LOCAL_RANK", "0"))


@contextmanager
def one_voice() -> Iterator[bool]:
    """Leave it to one process to tell the user what all of them meet alike.

    Yields:
        True in that one.
    """
    is_heard = started_world().is_writer
    try:
        yield is_heard
    except SAME_EVERYWHERE as error:
        error.told = not is_heard
        raise


def _backend() -> str:
    """Numbers and objects in memory go by gloo, what is on GPUs by nccl."""
    return "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"


def _is_lost(error: RuntimeError) -> bool:
    """Tell whether an error is that of a connection between processes."""
    text = str(error).lower()
    return isinstance(error, dist.DistError) or any(word in text for word in ("gloo", "nccl", "connection closed"))
