"""One step of two networks: its tiles, shared out over processes and taken in parts, and its gradients, summed up.

However a batch is split, loss and gradients are those of the whole one, to rounding: the mean over pixels of a part
counts by the share of the pixels that it holds, random masks are drawn for the whole batch, and statistics of batches
are those of one part of every process: only with `accumulate` do they cover less than the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from rfiscan.config.schema import OptimiserConfig
from rfiscan.errors import ConfigError
from rfiscan.networks import Autoencoder
from rfiscan.networks.base import TileShare
from rfiscan.training_data.dataset import Batch, TileStream
from rfiscan.workflows.training.world import World

SSIM_TILES = 0.25
"""Share of a batch whose SSIM enters the loss: it costs as much as the network's own backward pass."""


class PixelShare(NamedTuple):
    """What one part of a batch holds of the pixels of all of it: its means in the loss are multiplied by these.

    Attributes:
        valid: Of the valid pixels, 0..1.
        weighted: The same, by their weights.
        similar: Of the valid pixels of each polarization whose SSIM is taken; times the polarizations that have some in
            this part, over those that have some in the whole.
        ssim_tiles: First tiles of this part whose SSIM is taken; None where it is the whole.
    """

    valid: float = 1.0
    weighted: float = 1.0
    similar: tuple[float, float] = (1.0, 1.0)
    ssim_tiles: int | None = None


WHOLE = PixelShare()


class Stepper:
    """Takes the gradients of steps, and changes the weights by them.

    Args:
        loss: Of a part of a batch: its contribution to the mean over the whole one.
        networks: The autoencoder and the evidence network.
        optimiser: Of both.
        scaler: Scales losses, if it is enabled.
        options: Tiles of a step, parts in which each process takes its own, and the largest norm of a gradient.
        world: This process among those that train together.
    """

    def __init__(
        self,
        loss: Callable[[Batch, PixelShare], Tensor],
        networks: tuple[Autoencoder, nn.Module],
        optimiser: torch.optim.Optimizer,
        scaler: torch.amp.GradScaler,
        options: OptimiserConfig,
        world: World,
    ) -> None:
        self._batch, self._accumulate, self._clip = options.batch, options.accumulate, options.gradient_clip
        self._parts = self._accumulate * world.size
        self._loss, self._networks, self._optimiser = loss, networks, optimiser
        self._scaler, self._world = scaler, world
        self._reducing: DistributedDataParallel | None = None
        self._reduced: tuple[nn.Module, ...] = ()

    def gradients(self, stream: TileStream, learning: tuple[nn.Module, ...]) -> float:
        """Draw the tiles of a step and take the gradients of its loss.

        Args:
            stream: Gives the tiles.
            learning: The networks that get gradients in this step.

        Returns:
            The loss, over the tiles of all processes.
        """
        self._optimiser.zero_grad(set_to_none=True)
        loss_of = self._reduced_loss(learning)
        loss, parts = 0.0, self._draw(stream)
        random_state = torch.get_rng_state() if len(parts) > 1 else None
        for number, (batch, share) in enumerate(zip(parts, self._shares(parts), strict=True)):
            if number and random_state is not None:  # every part draws for the whole batch, and takes its own
                torch.set_rng_state(random_state)
            with self._shown(number), self._reduction(wanted=number + 1 == len(parts)):
                part_loss = loss_of(batch, share)
                # gradients are averaged over processes: times their number, that is a sum
                scaled = part_loss * self._world.size if self._world.size > 1 else part_loss
                self._scaler.scale(scaled).backward()  # type: ignore[no-untyped-call]
            loss += float(part_loss.detach())
        return self._world.sum([loss])[0]

    def update(self) -> None:
        """Change the weights by the gradients, which are clipped for each network apart.

        A steep loss of one must not slow the other.
        """
        self._scaler.unscale_(self._optimiser)
        for trained in self._networks:
            torch.nn.utils.clip_grad_norm_(trained.parameters(), self._clip)
        self._scaler.step(self._optimiser)
        self._scaler.update()

    def end(self) -> None:
        """Let go of the other processes; the next step would find them again."""
        self._reducing, self._reduced = None, ()

    def _draw(self, stream: TileStream) -> list[Batch]:
        """The tiles of this process, in parts."""
        if self._parts == 1:
            return [stream.next_batch(self._batch)]
        own = stream.next_batch(self._batch, self._world.own)
        return [own.every(self._accumulate, first) for first in range(self._accumulate)]

    def _shares(self, parts: Sequence[Batch]) -> list[PixelShare]:
        if self._parts == 1:
            return [WHOLE]
        last = ssim_tiles(self._batch)
        tiles = [len(range(self._first(number), last, self._parts)) for number in range(len(parts))]
        counts = [_counts(part, count) for part, count in zip(parts, tiles, strict=True)]
        totals = self._world.sum(list(np.sum(counts, axis=0)))
        return [_share(own, totals, count) for own, count in zip(counts, tiles, strict=True)]

    @contextmanager
    def _shown(self, number: int) -> Iterator[None]:
        """Tell the autoencoder which tiles of the batch it is shown."""
        network = self._networks[0]
        if self._parts > 1:
            network.share = TileShare(self._first(number), self._parts, self._batch)
        try:
            yield
        finally:
            network.share = None

    def _first(self, number: int) -> int:
        """First tile of one of this process's parts: parts take tiles in turn, so that each has its share of SSIM."""
        return self._world.rank + number * self._world.size

    def _reduction(self, *, wanted: bool) -> AbstractContextManager[None]:
        """Exchange gradients with the other processes, or add them up here."""
        return nullcontext() if wanted or self._reducing is None else self._reducing.no_sync()

    def _reduced_loss(self, learning: tuple[nn.Module, ...]) -> Callable[[Batch, PixelShare], Tensor]:
        if self._world.size == 1:
            return self._loss
        if learning != self._reduced:  # it waits for the gradients of all parameters that it knows
            self._reducing, self._reduced = None, learning
            self._reducing = DistributedDataParallel(_LossModule(self._loss, learning))
            self._reducing.broadcast_buffers = False  # statistics are the same in all processes: `SharedBatchNorm2d`
        assert self._reducing is not None
        return self._reducing


class _LossModule(nn.Module):
    """A loss with the networks that learn from it, in the form that `DistributedDataParallel` takes."""

    def __init__(self, loss: Callable[[Batch, PixelShare], Tensor], networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self._loss, self.networks = loss, nn.ModuleList(networks)

    def forward(self, batch: Batch, share: PixelShare) -> Tensor:
        """The loss."""
        return self._loss(batch, share)


def require_tiles(batch: int, accumulate: int, world: World) -> None:
    """Refuse a step with fewer tiles than parts.

    Raises:
        ConfigError: If there are too few.
    """
    parts = accumulate * world.size
    if batch < parts:
        raise ConfigError(
            f"optimiser.batch is {batch}: too few tiles for {world.size} processes in {accumulate} parts each",
            hint=f"Set optimiser.batch, the tiles of all processes together, to {parts} or more.",
        )


def require_whole_batches(trimmed: float, accumulate: int, world: World) -> None:
    """Refuse to trim where batches are split: the level follows the pixels of whole ones.

    Raises:
        ConfigError: If they are.
    """
    if trimmed and accumulate * world.size > 1:
        raise ConfigError(
            "data.trim_contaminated needs whole batches: it works neither with several processes nor with "
            "optimiser.accumulate",
            hint="Train in one process with optimiser.accumulate 1, or leave bad scenes out of data.scenes.",
        )


def ssim_tiles(batch: int) -> int:
    """First tiles of a batch whose SSIM enters the loss."""
    return max(1, round(SSIM_TILES * batch))


def _counts(part: Batch, tiles: int) -> list[float]:
    """Valid pixels; their weights; and valid pixels of each polarization in the first ``tiles``."""
    similar = part.valid[:tiles].sum(axis=(0, 2, 3))
    weighted = (part.valid * part.weights.astype(np.float64)).sum()
    return [float(number) for number in (part.valid.sum(), weighted, *similar)]


def _share(own: Sequence[float], totals: Sequence[float], tiles: int) -> PixelShare:
    valid, weighted, *similar = (count / max(total, 1.0) for count, total in zip(own, totals, strict=True))
    present = sum(count > 0 for count in own[2:]) / max(1, sum(total > 0 for total in totals[2:]))
    return PixelShare(valid, weighted, (similar[0] * present, similar[1] * present), tiles)
