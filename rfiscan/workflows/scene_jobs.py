"""Make scenes with known interference, each from its own seed, so that it does not matter who makes them."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from rfiscan import __version__
from rfiscan.errors import ResourceError
from rfiscan.export.safe_product import LOOKS, START_TIME, write_safe
from rfiscan.export.simulated_pass import simulated_gcps
from rfiscan.export.truth_files import Origin, write_scene_with_truth
from rfiscan.locations import Location
from rfiscan.radiometry import Units
from rfiscan.scene_layout import scene_layout
from rfiscan.scenes import open_scene, read_working_grid
from rfiscan.simulation import InterferencePriors, SimulatedScene, compose_scene, draw_interference, simulate_scene
from rfiscan.simulation.background import draw_surface
from rfiscan.training_data.backgrounds import real_background
from rfiscan.workflows.reporting import Reporter

PRODUCT_PIXEL_M = {"IW": 10.0, "EW": 40.0, "SM": 10.0}
PRODUCT_LOOKS = {"IW": LOOKS, "EW": 10.7, "SM": 29.7}
"""Pixel spacing, and equivalent number of looks, of the products that are made: GRDH, in EW GRDM (ESA, Sentinel-1 SAR
user guide, resolutions of Level-1 ground range detected products)."""
SURFACE_NAMES = {"sea": "sea", "coast": "coast", "islands": "coast", "land": "land"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneJob:
    """One scene to make.

    Attributes:
        name: Name of the scene and its files.
        seed: Seeds of all that is random in it.
        priors: What interferers are like.
        contaminated: True for interference, False for none.
        shape: (H, W) in pixels; of a real scene its own.
        spacing_m: Pixel spacing in metres; None keeps that of a real scene.
        mode: "IW", "EW" or "SM"; drawn if None.
        surface: Of `rfiscan.simulation.background.SURFACES`; drawn if None.
        background: File or files of a real scene to add interference to; none for a simulated one.
        interferers: Number of emitters; drawn if None.
        ibr_db: Range of the ratio of interference to background of the strongest; None for the priors'.
        kind: Kind of the emitters; drawn if None.
        polarization: "horizontal", "vertical" or "slant"; drawn if None.
        stratum: What a benchmark asks for, for the record.
        product: True makes a SAFE folder, its pixels and looks as `PRODUCT_PIXEL_M` and `PRODUCT_LOOKS` have them.
        software: What files say made them.
    """

    name: str
    seed: tuple[int, ...]
    priors: InterferencePriors
    contaminated: bool = True
    shape: tuple[int, int] = (340, 500)
    spacing_m: float | None = 500.0
    mode: str | None = None
    surface: str | None = None
    background: tuple[Location, ...] = ()
    interferers: int | None = None
    ibr_db: tuple[float, float] | None = None
    kind: str | None = None
    polarization: str | None = None
    stratum: Mapping[str, Any] | None = None
    product: bool = False
    software: str = f"rfiscan {__version__}"


def run_jobs(
    jobs: Sequence[SceneJob], out_dir: Path, reporter: Reporter, *, workers: int = 1
) -> Iterator[dict[str, Any]]:
    """Make scenes and write them with their truth.

    Args:
        jobs: What to make.
        out_dir: Folder, made if absent.
        reporter: Is told how far the work is.
        workers: Processes to share the work; the files are the same.

    Yields:
        One record a scene, in the order of the jobs.
    """
    for done, record in enumerate(_results(jobs, out_dir, workers), start=1):
        reporter.progress("simulating", done, len(jobs))
        yield record


def _results(jobs: Sequence[SceneJob], out_dir: Path, workers: int) -> Iterable[dict[str, Any]]:
    if workers == 1 or len(jobs) == 1:
        yield from (run_job(job, out_dir) for job in jobs)
        return
    context = multiprocessing.get_context("spawn")  # a fork would inherit the threads of numerical libraries
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context, initializer=_leave_interrupts) as pool:
        try:
            yield from pool.map(run_job, jobs, [out_dir] * len(jobs))
        except BrokenProcessPool as error:
            raise ResourceError(
                "a worker was killed, probably for want of memory", hint="Take fewer --workers."
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _leave_interrupts() -> None:
    """Ctrl-C is for the parent, which ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def run_job(job: SceneJob, out_dir: Path) -> dict[str, Any]:
    """Make one scene and write it with its truth.

    Raises:
        SceneError: If its real background cannot be read.
        OutputError: If a file cannot be written.
    """
    rng = np.random.default_rng(job.seed)
    scene, origin = _inject(rng, job) if job.background else _simulate(rng, job)
    product = None
    if job.product:
        mode = scene.layout.mode
        # products of one folder have names of their own
        start = START_TIME + timedelta(minutes=job.seed[-1])
        speckle = int(np.random.default_rng((*job.seed, 2)).integers(2**31))
        product = write_safe(
            out_dir,
            scene,
            spacing_m=origin.spacing_m,
            pixel_spacing_m=PRODUCT_PIXEL_M[mode],
            start_time=start,
            looks=PRODUCT_LOOKS[mode],
            seed=speckle,
        )
        origin = replace(origin, name=product.stem)
    return write_scene_with_truth(out_dir, scene, origin, product)


def _simulate(rng: np.random.Generator, job: SceneJob) -> tuple[SimulatedScene, Origin]:
    spacing_m = 500.0 if job.spacing_m is None else job.spacing_m
    surface = job.surface or draw_surface(rng)
    scene = simulate_scene(
        rng,
        job.priors,
        job.shape,
        contaminated=job.contaminated,
        mode=job.mode,
        surface=surface,
        spacing_m=spacing_m,
        count=job.interferers,
        ibr_db=job.ibr_db,
        kind=job.kind,
        polarization=job.polarization,
    )
    origin = Origin(
        name=job.name,
        georeferencing=simulated_gcps(job.shape, spacing_m),
        spacing_m=spacing_m,
        surface=SURFACE_NAMES[surface],
        stratum=job.stratum,
        software=job.software,
    )
    return scene, origin


def _inject(rng: np.random.Generator, job: SceneJob) -> tuple[SimulatedScene, Origin]:
    """Add interference to a real scene, in power, by its own sub-swaths and spacing."""
    with open_scene(*job.background) as real:
        grid = read_working_grid(real, job.spacing_m)
    layout = scene_layout(rng, real, grid)
    background = real_background(grid.power, grid.valid_mask, layout)
    interference = None
    if job.contaminated:
        interference = draw_interference(
            rng,
            layout,
            background.power,
            job.priors,
            count=job.interferers,
            spacing_m=grid.spacing_m[0],
            ibr_db=job.ibr_db,
            kind=job.kind,
            polarization=job.polarization,
            co_is_vertical=_both(real.polarizations)[0] == "VV",
            valid_mask=background.valid_mask,
        )
    scene = compose_scene(rng, layout, background.power, background.valid_mask, interference, looks=None)
    origin = Origin(
        name=job.name,
        georeferencing=grid.georeferencing,
        spacing_m=grid.spacing_m[0],
        polarizations=_both(real.polarizations),
        background=real.scene_id,
        picture=real.units is Units.QUICKLOOK and grid.factors == (1, 1),
        stratum=job.stratum,
        software=job.software,
    )
    return scene, origin


def _both(polarizations: tuple[str | None, str | None]) -> tuple[str, str]:
    """Names of co-pol and cross-pol, also of the one that a scene lacks: both are of the same transmission."""
    co, cross = polarizations
    return co or ("HH" if cross == "HV" else "VV"), cross or ("HV" if co == "HH" else "VH")
