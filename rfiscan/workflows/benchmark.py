"""The frozen benchmark: a fixed set of scenes with known interference, the same for everyone."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any

from rfiscan.errors import SceneError
from rfiscan.locations import Location
from rfiscan.priors import bundled_priors
from rfiscan.simulation.emitters import KINDS
from rfiscan.training_data.acquisitions import SUFFIXES
from rfiscan.workflows.grouping import group_scenes
from rfiscan.workflows.reporting import SILENT, Reporter
from rfiscan.workflows.scene_jobs import SceneJob, run_jobs

VERSIONS = ("v1",)
SEED = 20_261_122
RATIOS_DB = (-6.0, -3.0, 0.0, 3.0, 6.0, 10.0, 15.0, 20.0, 25.0)
SURFACES = ("sea", "coast", "land")
POLARIZATIONS = ("horizontal", "vertical", "slant")
REPEATS = 2
EW_EVERY = 5
"""Every fifth scene is EW, the others IW."""


def benchmark_jobs(version: str = "v1") -> list[SceneJob]:
    """The simulated scenes of a benchmark: one emitter in each of half of them, none in the other half.

    Every kind of emitter meets every ratio and surface twice; polarizations take turns, so that each is as frequent
    with every kind, ratio and surface. Clean scenes follow, as many and of the same surfaces and modes.
    """
    strata = [cell for _ in range(REPEATS) for cell in product(KINDS, RATIOS_DB, SURFACES)]
    jobs = [_contaminated(version, index, *cell) for index, cell in enumerate(strata)]
    for index, (_, _, surface) in enumerate(strata, start=len(strata)):
        stratum = {"kind": None, "ibr_db": None, "surface": surface, "polarization": None}
        jobs.append(_simulated(version, index, stratum))
    return jobs


def real_jobs(folder: Path, version: str = "v1") -> list[SceneJob]:
    """Scenes over real backgrounds: each as it is, and once with every ratio; kinds and polarizations take turns.

    Args:
        folder: Interference-free scenes.
        version: Of the benchmark.

    Raises:
        SceneError: If the folder holds no scene.
    """
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES) if folder.is_dir() else []
    if not paths:
        raise SceneError(f"{folder}: holds no scenes", hint="Name a folder of interference-free scenes.")
    jobs = []
    for scene in group_scenes(paths):
        number = zlib.crc32(scene[0].name.encode())  # other scenes of the folder change nothing
        for turn, ratio_db in enumerate((None, *RATIOS_DB)):
            clean = ratio_db is None
            stratum = {
                "kind": None if clean else KINDS[(number + turn) % len(KINDS)],
                "ibr_db": ratio_db,
                "surface": None,
                "polarization": None if clean else POLARIZATIONS[(number + turn // 2) % len(POLARIZATIONS)],
            }
            name = f"{version}_real_{scene[0].stem}_{turn:02d}"
            jobs.append(_job(version, name, (SEED, number, turn), stratum, background=scene))
    return jobs


def write_benchmark(
    version: str, out_dir: Path, background_dir: Path | None = None, *, workers: int = 1, reporter: Reporter = SILENT
) -> Iterator[dict[str, Any]]:
    """Write a benchmark; the same version gives the same files.

    Args:
        version: One of `VERSIONS`.
        out_dir: Folder, made if absent.
        background_dir: Folder of real interference-free scenes to add; None for none.
        workers: Processes to share the work.
        reporter: Is told how far the work is, and whether the simulated scenes are those of the frozen checksums.

    Yields:
        One record a scene.
    """
    jobs = benchmark_jobs(version) + ([] if background_dir is None else real_jobs(background_dir, version))
    frozen = frozen_checksums(version)
    matching = differing = 0
    for record in run_jobs(jobs, out_dir, reporter, workers=workers):
        if record["scene"] in frozen:
            same = checksum(out_dir, record) == frozen[record["scene"]]
            matching, differing = matching + same, differing + (not same)
        yield record
    reporter.note(f"benchmark {version}: {matching} of {len(frozen)} simulated scenes have the frozen checksums")
    if differing:
        reporter.warn(
            f"{differing} scenes differ from the frozen ones: so do other versions of numpy, scipy or GDAL, and other "
            "kinds of processor, make them; figures agree within their intervals, files do not"
        )


def checksum(out_dir: Path, record: dict[str, Any]) -> str:
    """SHA-256 over the files of a scene, in the order of their names, each preceded by its name."""
    names = sorted({*(Path(path).name for path in record["outputs"].values()), f"{record['scene']}_truth.json"})
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode())
        digest.update((out_dir / name).read_bytes())
    return digest.hexdigest()


def frozen_checksums(version: str) -> dict[str, str]:
    """Checksums of a benchmark's simulated scenes, by name."""
    text = files("rfiscan").joinpath(f"benchmark_{version}.sha256").read_text(encoding="utf-8")
    return {name: digest for digest, name in (line.split() for line in text.splitlines())}


def _contaminated(version: str, index: int, kind: str, ratio_db: float, surface: str) -> SceneJob:
    # counted along the three axes and the repeats, so that every pair of strata is balanced
    repeat, cell = divmod(index, len(KINDS) * len(RATIOS_DB) * len(SURFACES))
    rest, third = divmod(cell, len(SURFACES))
    first, second = divmod(rest, len(RATIOS_DB))
    polarization = POLARIZATIONS[(first + second + third + repeat) % len(POLARIZATIONS)]
    stratum = {"kind": kind, "ibr_db": ratio_db, "surface": surface, "polarization": polarization}
    return _simulated(version, index, stratum)


def _simulated(version: str, index: int, stratum: dict[str, Any]) -> SceneJob:
    mode = "EW" if index % EW_EVERY == EW_EVERY - 1 else "IW"
    return _job(version, f"{version}_{index:04d}", (SEED, index), stratum, mode=mode)


def _job(
    version: str,
    name: str,
    seed: tuple[int, ...],
    stratum: dict[str, Any],
    *,
    mode: str | None = None,
    background: tuple[Location, ...] = (),
) -> SceneJob:
    ratio_db = stratum["ibr_db"]
    return SceneJob(
        name=name,
        seed=seed,
        priors=bundled_priors(),
        contaminated=ratio_db is not None,
        mode=mode,
        surface=stratum["surface"],
        background=background,
        interferers=1,
        ibr_db=None if ratio_db is None else (ratio_db, ratio_db),
        kind=stratum["kind"],
        polarization=stratum["polarization"],
        stratum=stratum,
        software=f"rfiscan benchmark {version}",
    )
