"""Write simulated scenes, or real ones with simulated interference, with their truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rfiscan.errors import UsageError
from rfiscan.simulation import InterferencePriors
from rfiscan.workflows.reporting import SILENT, Reporter
from rfiscan.workflows.scene_jobs import PRODUCT_PIXEL_M, SceneJob, run_jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateOptions:
    """What the user chose.

    Attributes:
        out_dir: Folder of the scenes, made if absent.
        priors: What interferers are like.
        count: Number of scenes.
        seed: Scene i depends on the seed and i alone.
        shape: (H, W) in pixels of the working grid.
        spacing_m: Pixel spacing in metres; None keeps that of a real background.
        clean_share: Share of scenes without interference, 0..1.
        mode: "IW", "EW" or "SM"; drawn for each scene if None.
        background: A real scene to add interference to; None simulates backgrounds.
        product: True writes SAFE folders at full resolution.
        workers: Processes to share the work.
    """

    out_dir: Path
    priors: InterferencePriors
    count: int = 1
    seed: int = 0
    shape: tuple[int, int] = (340, 500)
    spacing_m: float | None = 500.0
    clean_share: float = 0.0
    mode: str | None = None
    background: Path | None = None
    product: bool = False
    workers: int = 1


def write_scenes(options: SimulateOptions, reporter: Reporter = SILENT) -> Iterator[dict[str, Any]]:
    """Write scenes with their truth; see `write_scene_with_truth` for the files.

    Args:
        options: What to write.
        reporter: Is told how far the work is.

    Yields:
        One record a scene: its name, paths, emitters, share of RFI pixels.

    Raises:
        UsageError: If options contradict each other.
        SceneError: If the background cannot be read.
        OutputError: If the folder cannot be written.
    """
    if options.product and options.background is not None:
        raise UsageError("--safe makes products of simulated backgrounds only")
    stem = "simulated" if options.background is None else options.background.stem
    jobs = [
        SceneJob(
            name=f"{stem}_{index:04d}",
            seed=(options.seed, index),
            priors=options.priors,
            contaminated=bool(np.random.default_rng([options.seed, index, 1]).random() >= options.clean_share),
            shape=options.shape,
            spacing_m=_spacing_m(options),
            mode=options.mode or ("IW" if options.product else None),
            background=() if options.background is None else (options.background,),
            product=options.product,
        )
        for index in range(options.count)
    ]
    yield from run_jobs(jobs, options.out_dir, reporter, workers=options.workers)


def _spacing_m(options: SimulateOptions) -> float | None:
    """Spacing of the scenes; of products a whole number of their pixels, as detect averages them."""
    if not options.product or options.spacing_m is None:
        return options.spacing_m
    pixel_m = PRODUCT_PIXEL_M[options.mode or "IW"]
    return max(1, round(options.spacing_m / pixel_m)) * pixel_m
