"""What a training run takes: tiles a second, time left, memory."""

from __future__ import annotations

import time

import torch

from rfiscan.workflows.resources import tree_peak_rss_mb
from rfiscan.workflows.training.world import World


class Pace:
    """Speed of a training run and the memory it takes.

    Args:
        batch: Tiles of a step, of all processes together.
        steps: Steps of the whole run.
        device: Where this process trains.
        world: This process among those that train together.
    """

    def __init__(self, batch: int, steps: int, device: torch.device, world: World) -> None:
        self._batch, self._steps, self._device, self._world = batch, steps, device, world
        self._session = self._epoch = (0, time.monotonic())

    def begin(self, step: int) -> None:
        """Take that steps are done from now on, after ``step`` of them."""
        self._session = self._epoch = (step, time.monotonic())

    def begin_epoch(self, step: int) -> None:
        """Take that an epoch begins: what came since the last step was none of its steps."""
        self._epoch = (step, time.monotonic())

    def figures(self, step: int) -> dict[str, float]:
        """Figures at the end of an epoch; all processes must ask for them.

        Args:
            step: Steps that are done.

        Returns:
            ``tiles_per_s`` of the steps of the epoch; ``left_s``, seconds that the steps to come take at the pace of
            all since the run was begun or resumed, validation included; ``peak_rss_mb``, the most memory of all
            processes and their children; on a GPU ``peak_gpu_mb``, the most that one process had there in the epoch.
        """
        now_s = time.monotonic()
        epoch_step, epoch_s = self._epoch
        first_step, begun_s = self._session
        rate = (step - epoch_step) * self._batch / max(now_s - epoch_s, 1e-9)
        left_s = (now_s - begun_s) / max(step - first_step, 1) * (self._steps - step)
        own = {"peak_rss_mb": tree_peak_rss_mb()}
        if self._device.type == "cuda":
            own["peak_gpu_mb"] = torch.cuda.max_memory_reserved(self._device) / 1e6
            torch.cuda.reset_peak_memory_stats(self._device)
        everyone = self._world.gather(own)
        figures = {"tiles_per_s": rate, "left_s": left_s, "peak_rss_mb": sum(one["peak_rss_mb"] for one in everyone)}
        if "peak_gpu_mb" in own:
            figures["peak_gpu_mb"] = max(one["peak_gpu_mb"] for one in everyone)
        return figures


def pace_text(figures: dict[str, float]) -> str:
    """Figures of `Pace` in words."""
    text = f"{figures['tiles_per_s']:.3g} tiles/s, {duration_text(figures['left_s'])} left"
    text += f", {figures['peak_rss_mb']:,.0f} MB of memory"
    if "peak_gpu_mb" in figures:
        text += f", {figures['peak_gpu_mb']:,.0f} MB on the GPU"
    return text


def duration_text(seconds: float) -> str:
    """A duration in its two largest units, such as ``2 h 05 min``."""
    minutes, rest_s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest_s:02d} s" if minutes else f"{rest_s} s"
