"""What the codes of tiles tell: their main directions, and whether interference stands apart in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.stats
from numpy.typing import NDArray

Codes = NDArray[np.floating]


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """Codes along their principal components.

    Attributes:
        places: Coordinates, in standard deviations of a feature, shape (N, K).
        explained: Share of the variance along each component, 0..1, descending, shape (K,).
    """

    places: NDArray[np.float64]
    explained: NDArray[np.float64]


def project_codes(codes: Codes, count: int = 2) -> Projection:
    """Project codes onto their principal components, by the singular values of the standardised features.

    Features are brought to mean 0 and variance 1 first, for they may have different units; constant ones count for
    nothing. The sign of a component is such that its largest coordinate is positive.

    Args:
        codes: Shape (N, D), N >= 2.
        count: Components K; those beyond the rank of the codes are 0.
    """
    left, values, _ = np.linalg.svd(_standardised(codes), full_matrices=False)
    places, explained = np.zeros((len(codes), count)), np.zeros(count)
    found = min(count, values.size)
    places[:, :found] = left[:, :found] * values[:found]
    total = float((values**2).sum())
    explained[:found] = values[:found] ** 2 / total if total else 0.0
    largest = places[np.abs(places).argmax(axis=0), np.arange(count)]
    return Projection(places=places * np.where(largest < 0, -1.0, 1.0), explained=explained)


def novelty(codes: Codes, is_clean: NDArray[np.bool_], neighbours: int = 5) -> NDArray[np.float64]:
    """Mean distance of each code to the nearest clean codes, itself left out, shape (N,).

    Latent neighbours as a measure of interference: Mesarcik et al. 2022 (Learning to detect radio frequency
    interference in radio astronomy without seeing it, arXiv:2207.00351, section 3).

    Args:
        codes: Shape (N, D).
        is_clean: True = of a clean tile, shape (N,).
        neighbours: How many are averaged; fewer where there are fewer.

    Raises:
        ValueError: If fewer than two codes are clean.
    """
    if is_clean.sum() < 2:
        raise ValueError("fewer than two clean codes have no neighbours")
    scaled = _standardised(codes)
    squares = (scaled**2).sum(axis=1)
    squared = squares[:, None] + squares[None, :] - 2.0 * scaled @ scaled.T
    np.fill_diagonal(squared, np.inf)
    distances = np.sqrt(np.maximum(squared, 0.0))[:, is_clean]
    nearest = np.sort(distances, axis=1)[:, : min(neighbours, int(is_clean.sum()) - 1)]
    return np.asarray(nearest.mean(axis=1))


def auroc(values: NDArray[np.floating], positive: NDArray[np.bool_]) -> float:
    """Share of pairs in which the positive one is higher, ties counting half, 0..1; NaN without both classes.

    Source: Hanley and McNeil 1982, The Meaning and Use of the Area under a Receiver Operating Characteristic Curve,
    Radiology 143(1), section "The Wilcoxon statistic".
    """
    count = int(positive.sum())
    others = positive.size - count
    if not count or not others:
        return float("nan")
    ranks = scipy.stats.rankdata(values)[positive].sum()
    return float((ranks - count * (count + 1) / 2) / (count * others))


def _standardised(codes: Codes) -> NDArray[np.float64]:
    centred = codes.astype(np.float64) - codes.mean(axis=0, dtype=np.float64)
    spread = centred.std(axis=0)
    return np.asarray(np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 1e-9))
