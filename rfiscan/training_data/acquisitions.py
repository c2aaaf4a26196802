"""Find real RFI-free scenes for training, and keep those of one acquisition on one side of the split."""

from __future__ import annotations

import glob
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from rfiscan.errors import ConfigError
from rfiscan.radiometry import Units
from rfiscan.scene_layout import scene_layout
from rfiscan.scenes import open_scene, read_working_grid
from rfiscan.training_data.backgrounds import Background, real_background
from rfiscan.training_data.manifests import Claim

SUFFIXES = (".png", ".npy", ".tif", ".tiff", ".zip", ".safe")


def find_scenes(patterns: Sequence[str]) -> list[Path]:
    """Files and SAFE folders that files, folders or globs name, sorted, each once.

    Raises:
        ConfigError: If a pattern names nothing.
    """
    found: set[Path] = set()
    for pattern in patterns:
        names = [Path(name) for name in glob.glob(pattern, recursive=True)]  # noqa: PTH207 - absolute patterns, too
        scenes = {path for name in names for path in _scenes_in(name)}
        if not scenes:
            raise ConfigError(f"data.scenes: {pattern!r} names no scene")
        found |= scenes
    return sorted(found)


def acquisition_of(path: Path) -> str:
    """What scenes of one acquisition share: the sensing day in a Sentinel-1 name, else the name."""
    day = re.search(r"(?<!\d)20\d{6}(?!\d)", path.name)
    return day.group(0) if day else path.stem


def split_by_acquisition(
    paths: Sequence[Path], validation_share: float, seed: int, claims: Mapping[Path, Claim] | None = None
) -> tuple[list[Path], list[Path]]:
    """Split scenes into training and validation so that no acquisition is in both.

    Args:
        paths: Scenes.
        validation_share: Share of the acquisitions for validation, 0..1, of those that no manifest puts on a side; at
            least one acquisition stays in training.
        seed: Seed of the draw.
        claims: What manifests say of some of them; what belongs to a test split is in neither part.

    Raises:
        ConfigError: If manifests put scenes of one acquisition on several sides.
    """
    said = claims or {}
    groups = {path: said.get(path, Claim()).acquisition or acquisition_of(path) for path in paths}
    sides: dict[str, str] = {}
    for path in paths:
        side = said.get(path, Claim()).split
        if side is not None and sides.setdefault(groups[path], side) != side:
            raise ConfigError(
                f"data.scenes: scenes of the acquisition {groups[path]} are in {sides[groups[path]]} and in {side}",
                hint="Put all of them on one side, or tell them apart in the column acquisition.",
            )
    free = sorted(set(groups.values()) - set(sides))
    order = np.random.default_rng(seed).permutation(len(free))
    most = len(free) if "train" in sides.values() else len(free) - 1
    for i in order[: max(0, min(round(validation_share * len(free)), most))]:
        sides[free[i]] = "validation"
    training = [path for path in paths if sides.get(groups[path], "train") == "train"]
    return training, [path for path in paths if sides.get(groups[path]) == "validation"]


def read_backgrounds(paths: Sequence[Path], spacing_m: float) -> tuple[Background, ...]:
    """Read scenes onto the working grid; each is taken to be free of interference."""
    backgrounds = []
    for path in paths:
        with open_scene(path) as scene:
            grid = read_working_grid(scene, spacing_m)
            eight_bit = scene.units is Units.QUICKLOOK and grid.factors == (1, 1)
            layout = scene_layout(np.random.default_rng(0), scene, grid)
        backgrounds.append(real_background(grid.power, grid.valid_mask, layout, eight_bit=eight_bit))
    return tuple(backgrounds)


def _scenes_in(path: Path) -> list[Path]:
    """A scene itself, or the scenes of a folder."""
    if path.suffix.lower() in SUFFIXES:
        return [path]
    return sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES) if path.is_dir() else []
