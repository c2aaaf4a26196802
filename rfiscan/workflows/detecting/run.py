"""One scene on its way through `detect`: what is asked, how long it takes, and what was made of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rfiscan.model_files.stored_model import RunnableModel
from rfiscan.scenes.scene import Scene
from rfiscan.scenes.working_grid import Grid
from rfiscan.workflows.detecting.calibration_choice import calibration_warnings
from rfiscan.workflows.detecting.esa_comparison import FlaggedGrid
from rfiscan.workflows.detecting.fitting import grid_warnings, scene_warnings
from rfiscan.workflows.detecting.memory_plan import MemoryPlan
from rfiscan.workflows.detecting.outputs import Wanted
from rfiscan.workflows.detecting.result import Request, Result
from rfiscan.workflows.reporting import Reporter


@dataclass(slots=True)
class Stopwatch:
    """Seconds spent in each stage, and since the start."""

    stages_s: dict[str, float] = field(default_factory=dict)
    started_s: float = field(default_factory=time.perf_counter)

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Time a block under the name of its stage."""
        start_s = time.perf_counter()
        yield
        self.stages_s[stage] = round(time.perf_counter() - start_s, 3)

    def timings_s(self) -> dict[str, float]:
        """Return the seconds of every stage, and the total since the start."""
        return {**self.stages_s, "total": round(time.perf_counter() - self.started_s, 3)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What is to be done with one scene.

    Attributes:
        scene: The scene, open.
        spacing_m: Of the working grid, in metres; None keeps every pixel.
        model: What looks at it.
        request: Model and options.
        plan: How it goes through memory.
        out_dir: Folder of the outputs.
        overlap: Share of a tile that it has in common with its neighbour, in [0, 1).
        threads: Threads that read and multilook.
        reporter: Is told what was recognised, and how far the work is.
        watch: Times the stages.
    """

    scene: Scene
    spacing_m: float | None
    model: RunnableModel
    request: Request
    plan: MemoryPlan
    out_dir: Path
    overlap: float
    threads: int
    reporter: Reporter
    watch: Stopwatch

    def warn(self, grid: Grid) -> list[str]:
        """Tell and return what a user should know about the scene and its working grid."""
        card = self.model.card
        warnings = scene_warnings(self.scene) + grid_warnings(grid, card.spacing_m, card.tile_shape)
        warnings += calibration_warnings(self.scene, grid, card)
        for warning in warnings:
            self.reporter.warn(warning)
        return warnings


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What was made of a scene.

    Attributes:
        result: What was found.
        flagged: Where.
        warnings: What the user was warned of.
        write: Writes all outputs but the record; returns the path of each by its name.
    """

    result: Result
    flagged: FlaggedGrid
    warnings: list[str]
    write: Callable[[Result, Wanted], dict[str, str]]
