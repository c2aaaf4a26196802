"""Look-up tables of products, drawn at random and written as XML, and what they come to, computed pixel by pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rfiscan.sentinel1.sigma_nought import AzimuthBlock, LutVector


@dataclass(kw_only=True)
class Tables:
    """The tables of one polarization."""

    sigma_nought: list[LutVector]
    noise: list[LutVector] = field(default_factory=list)
    blocks: list[AzimuthBlock] = field(default_factory=list)


def vector(line: int, pixels: Sequence[float], values: Sequence[float]) -> LutVector:
    """Make a vector of plain numbers."""
    return LutVector(line=line, pixels=np.array(pixels, float), values=np.array(values, float))


def constant_tables(shape: tuple[int, int], *, amplitude: float = 600.0, noise: float = 0.0) -> Tables:
    """Tables of one value each, in the earlier layout."""
    ends = (0, shape[1] - 1)
    return Tables(
        sigma_nought=[vector(line, ends, (amplitude, amplitude)) for line in (0, shape[0] - 1)],
        noise=[vector(line, ends, (noise, noise)) for line in (0, shape[0] - 1)],
    )


def draw_tables(rng: np.random.Generator, shape: tuple[int, int], *, blocks: bool = True) -> Tables:
    """Tables such as processors write: lines beyond the image, vectors of unequal length, blocks of unequal height.

    With blocks, the second and third sub-swath begin later than the first, as in real products.
    """
    height, width = shape
    tables = Tables(
        sigma_nought=_vectors(rng, _lines(rng, height), width, 500.0, 700.0),
        noise=_vectors(rng, _lines(rng, height), width, 200.0, 2000.0),
    )
    if blocks:
        starts = rng.integers(0, height, 2)
        edges = [0, *np.sort(rng.choice(np.arange(1, width), 2, replace=False)).tolist(), width]
        for swath, first in enumerate((0, *starts.tolist())):
            cuts = sorted({first, *rng.integers(first, height, 2).tolist()})
            for top, after in zip(cuts, [*cuts[1:], height + int(rng.integers(0, 3))], strict=True):
                lines = np.unique(np.append(rng.integers(top, after, 4), top))
                tables.blocks.append(
                    AzimuthBlock(
                        swath=f"IW{swath + 1}",
                        first_line=top,
                        last_line=after - 1,
                        first_pixel=edges[swath],
                        last_pixel=edges[swath + 1] - 1,
                        lines=lines.astype(float),
                        values=rng.uniform(0.9, 1.2, len(lines)),
                    )
                )
    return tables


def _lines(rng: np.random.Generator, height: int) -> list[int]:
    inside = rng.integers(0, height, int(rng.integers(0, 5))).tolist()
    return sorted({*inside, -int(rng.integers(0, 9)), height + int(rng.integers(-3, 9))})


def _vectors(rng: np.random.Generator, lines: list[int], width: int, low: float, high: float) -> list[LutVector]:
    vectors = []
    for line in lines:
        pixels = np.unique(rng.integers(-2, width + 3, int(rng.integers(1, 9))))
        vectors.append(vector(line, pixels.tolist(), rng.uniform(low, high, len(pixels)).tolist()))
    return vectors


# what the tables come to, one pixel at a time


def naive_table(vectors: Sequence[LutVector], row: int, col: int) -> float:
    """Bilinear in the vectors, in the plainest way."""
    lines = [v.line for v in vectors]
    return float(np.interp(row, lines, [np.interp(col, v.pixels, v.values) for v in vectors]))


def naive_noise(tables: Tables, row: int, col: int) -> float:
    """Noise of one pixel by the block that it lies in."""
    for block in tables.blocks:
        rows, cols = (block.first_line, block.last_line), (block.first_pixel, block.last_pixel)
        if rows[0] <= row <= rows[1] and cols[0] <= col <= cols[1]:
            factor = np.interp(row, block.lines, block.values)
            return float(factor * naive_table(_vectors_of(tables, block), row, col))
    return naive_table(tables.noise, row, col)


def _vectors_of(tables: Tables, block: AzimuthBlock) -> list[LutVector]:
    top = min(b.first_line for b in tables.blocks)
    bottom = max(b.last_line for b in tables.blocks)
    own = []
    for v in tables.noise:
        nearest = min(max(v.line, top), bottom)  # what lies beyond the image counts at its edge
        if block.first_line <= nearest <= block.last_line:
            own.append(v)
    if own:
        return own
    swath = [b for b in tables.blocks if b.swath == block.swath]
    first, last = min(b.first_line for b in swath), max(b.last_line for b in swath)
    known = [v for v in tables.noise if first <= v.line <= last] or tables.noise
    centre = (block.first_line + block.last_line) / 2
    return [min(known, key=lambda v: (abs(v.line - centre), v.line))]


def naive_sigma_nought(
    dn: NDArray[np.floating], tables: Tables, rows: Sequence[int], cols: Sequence[int], *, denoise: bool
) -> NDArray[np.float64]:
    """Sigma nought of some pixels; `dn` holds their digital numbers."""
    found = []
    for number, row, col in zip(np.asarray(dn, float).tolist(), rows, cols, strict=True):
        noise = naive_noise(tables, row, col) if denoise else 0.0
        found.append((number**2 - noise) / naive_table(tables.sigma_nought, row, col) ** 2)
    return np.array(found)


# XML


def calibration_xml(tables: Tables) -> str:
    """The calibration annotation; its other tables hold what sigma nought must not be read from."""
    vectors = "".join(
        f"<calibrationVector><line>{v.line}</line>{_numbers('pixel', v.pixels, '.0f')}"
        f"{_numbers('sigmaNought', v.values)}{_numbers('betaNought', 0.7 * v.values)}"
        f"{_numbers('gamma', 0.9 * v.values)}{_numbers('dn', 0.7 * v.values)}</calibrationVector>"
        for v in tables.sigma_nought
    )
    count = len(tables.sigma_nought)
    return (
        "<?xml version='1.0'?><calibration><adsHeader/>"
        f'<calibrationVectorList count="{count}">{vectors}</calibrationVectorList></calibration>'
    )


def noise_xml(tables: Tables, *, early: bool = False) -> str:
    """The noise annotation, in the layout of processors before 2.90 if `early`, which has no blocks."""
    kind = "" if early else "Range"
    vectors = "".join(
        f"<noise{kind}Vector><line>{v.line}</line>{_numbers('pixel', v.pixels, '.0f')}"
        f"{_numbers(f'noise{kind}Lut', v.values)}</noise{kind}Vector>"
        for v in tables.noise
    )
    blocks = "".join(
        f"<noiseAzimuthVector><swath>{b.swath}</swath><firstAzimuthLine>{b.first_line}</firstAzimuthLine>"
        f"<firstRangeSample>{b.first_pixel}</firstRangeSample><lastAzimuthLine>{b.last_line}</lastAzimuthLine>"
        f"<lastRangeSample>{b.last_pixel}</lastRangeSample>{_numbers('line', b.lines, '.0f')}"
        f"{_numbers('noiseAzimuthLut', b.values)}</noiseAzimuthVector>"
        for b in tables.blocks
    )
    azimuth = "" if early else f"<noiseAzimuthVectorList>{blocks}</noiseAzimuthVectorList>"
    return f"<?xml version='1.0'?><noise><noise{kind}VectorList>{vectors}</noise{kind}VectorList>{azimuth}</noise>"


def _numbers(tag: str, values: NDArray[np.float64], form: str = ".9e") -> str:
    return f'<{tag} count="{len(values)}">{" ".join(format(value, form) for value in values)}</{tag}>'
