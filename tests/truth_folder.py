"""Small evaluation data in the format of `rfiscan simulate`: sea with stripes of known strength."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.flat_model import sea_power, write_scene
from tests.make_scenes import write_tiff

VISIBLE_DB = 1.0
SHAPE = (90, 130)


@dataclass(frozen=True)
class Block:
    """A rectangle of interference: rows, columns, and ratio to the background in VV and VH; -inf = none."""

    rows: slice
    cols: slice
    co_db: float = -np.inf
    cross_db: float = 6.0
    kind: str = "continuous_wave"


STRIPE = Block(slice(30, 38), slice(20, 100))


def write_truth_scene(
    folder: Path,
    name: str,
    blocks: Sequence[Block] = (),
    *,
    shape: tuple[int, int] = SHAPE,
    surface: str = "sea",
    seed: int = 0,
    nodata_cols: int = 0,
) -> Path:
    """Write a scene, its masks and its record; a scene without blocks is clean. Returns the path of the scene."""
    folder.mkdir(parents=True, exist_ok=True)
    power = sea_power(shape, seed=seed)
    level = np.median(power, axis=(1, 2))
    ratio = np.zeros((2, *shape), np.float32)
    labels = np.zeros(shape, np.uint16)
    for number, block in enumerate(blocks, 1):
        for channel, ratio_db in enumerate((block.co_db, block.cross_db)):
            ratio[channel, block.rows, block.cols] += 10 ** (ratio_db / 10)
        labels[block.rows, block.cols] = number
    interference = ratio * level[:, None, None].astype(np.float32)
    power += interference
    power[:, :, :nodata_cols] = 0
    brightens = 10 * np.log10(1 + ratio) >= VISIBLE_DB
    codes = brightens.any(axis=0).astype(np.uint8)
    codes[:, :nodata_cols] = 255
    scene = write_scene(folder / f"{name}.tif", power)
    write_tiff(folder / f"{name}_truth.tif", codes)
    if blocks:
        with np.errstate(divide="ignore"):
            ratio_db = np.where(ratio > 0, 10 * np.log10(ratio), np.nan)
        layers = np.concatenate([interference, ratio_db]).astype(np.float32)
        write_tiff(folder / f"{name}_interference.tif", layers)
        write_tiff(folder / f"{name}_stripes.tif", labels)
    record = {
        "scene": name,
        "visible_db": VISIBLE_DB,
        "surface": surface,
        "emitters": [_emitter(block, number, brightens) for number, block in enumerate(blocks, 1)],
    }
    (folder / f"{name}_truth.json").write_text(json.dumps(record))
    return scene


def write_truth_folder(folder: Path, *, contaminated: int = 3, clean: int = 3) -> Path:
    """Write scenes with a stripe each, and clean ones."""
    surfaces = ("sea", "coast", "land")
    kinds = ("continuous_wave", "pulsed", "barrage")
    for index in range(contaminated):
        block = Block(slice(30 + index, 38 + index), slice(20, 100), cross_db=9.0 - 3 * index, kind=kinds[index % 3])
        write_truth_scene(folder, f"rfi_{index}", [block], seed=index, surface=surfaces[index % 3])
    for index in range(clean):
        write_truth_scene(folder, f"clean_{index}", seed=100 + index, surface=surfaces[index % 3])
    return folder


def _emitter(block: Block, number: int, brightens: NDArray[np.bool_]) -> dict[str, Any]:
    box = [block.cols.start, block.rows.start, block.cols.stop - block.cols.start, block.rows.stop - block.rows.start]
    seen = bool(brightens[:, block.rows, block.cols].any())
    return {
        "kind": block.kind,
        "cross_over_co_db": min(block.cross_db - block.co_db, 30.0),
        "stripes": [
            {
                "label": number,
                "swath": "IW1",
                "bbox_px": box,
                "visible_bbox_px": box if seen else None,
                "ibr_db": max(block.co_db, block.cross_db),
            }
        ],
    }
