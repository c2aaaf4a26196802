"""ESA's verdict beside rfiscan's, burst by burst."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rfiscan.scenes.esa_bursts import EsaBurst, esa_bursts
from rfiscan.scenes.image_annotation import ImageAnnotation
from rfiscan.scenes.product import Product
from rfiscan.scenes.scene import Swath
from rfiscan.sentinel1.bursts import (
    MIN_FLAGGED_SHARE,
    Rectangle,
    between,
    burst_cycle_s,
    burst_spans,
    flagged_share,
    on_working_grid,
    relation,
    span_rows,
)
from rfiscan.workflows.detecting.esa_verdict import burst_facts, verdict_summary, why_no_verdict


class FlaggedGrid(Protocol):
    """What was flagged on a working grid, whether or not there is a map of it in memory."""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""

    @property
    def factors(self) -> tuple[int, int]:
        """Source pixels (rows, cols) per working pixel."""

    def shares(self, rectangles: Sequence[Rectangle]) -> tuple[float | None, dict[str, float | None]]:
        """Return the flagged share of the valid pixels of rectangles, and that of each polarization; see `Flagged`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flagged:
    """What rfiscan flagged on a working grid.

    Attributes:
        rfi_mask: (H, W), True = RFI.
        valid_mask: (H, W), True = valid in some polarization.
        by_polarization: Pixels (H, W) of the mask where that polarization shows the interference.
        factors: Source pixels (rows, cols) per working pixel.
    """

    rfi_mask: NDArray[np.bool_]
    valid_mask: NDArray[np.bool_]
    by_polarization: Mapping[str, NDArray[np.bool_]]
    factors: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        height, width = self.rfi_mask.shape
        return height, width

    def shares(self, rectangles: Sequence[Rectangle]) -> tuple[float | None, dict[str, float | None]]:
        """Return the flagged share of the valid pixels of rectangles, and that of each polarization."""
        share = flagged_share(rectangles, self.rfi_mask, self.valid_mask)
        masks = self.by_polarization.items()
        return share, {name: flagged_share(rectangles, mask, self.valid_mask) for name, mask in masks}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A burst, or rows of a sub-swath of which ESA says nothing, on the working grid.

    Attributes:
        sub_swath: Such as IW2.
        burst: The burst; None for rows outside of those that ESA reports on.
        rectangles: Its pixels, none of them twice; empty where the image holds none.
    """

    sub_swath: str
    burst: EsaBurst | None
    rectangles: tuple[Rectangle, ...]


def compare_with_esa(product: Product | None, flagged: FlaggedGrid) -> dict[str, Any]:
    """Compare what ESA's processor and rfiscan found.

    Args:
        product: The product that the scene is of; None if it is of none.
        flagged: What rfiscan found.

    Returns:
        `esa_rfi`: None, or what `verdict_summary` says with `min_flagged_share` (see `MIN_FLAGGED_SHARE`), `counts` by
        relation, and `bursts`, one entry for each burst of ESA's, and for each stretch of a sub-swath on which ESA
        does not report (its `burst` is None). `esa_rfi_reason`: None, or why there is no such comparison.
    """
    reason = why_no_verdict(product)
    if reason is not None or product is None:
        return {"esa_rfi": None, "esa_rfi_reason": reason}
    bursts = esa_bursts(product.rfi)
    image = product.images[0] if product.images else None
    if not bursts:
        return {"esa_rfi": None, "esa_rfi_reason": "the annotation reports on no bursts: the mode may have none"}
    if image is None or image.first_line_time is None or image.line_interval_s is None:
        return {"esa_rfi": None, "esa_rfi_reason": "the product does not tell the azimuth times of its lines"}
    entries = [_entry(place, flagged) for place in burst_places(image, bursts, flagged)]
    compared = {
        **verdict_summary(product),
        "min_flagged_share": MIN_FLAGGED_SHARE,
        "counts": _counts(entries),
        "bursts": entries,
    }
    return {"esa_rfi": compared, "esa_rfi_reason": None}


def comparison_sentence(compared: Mapping[str, Any]) -> str:
    """Say in one sentence what `compare_with_esa` found."""
    esa = compared["esa_rfi"]
    if esa is None:
        return f"not compared with ESA's interference annotation: {compared['esa_rfi_reason']}"
    counts = esa["counts"]
    taken_out = "taken out" if esa["mitigated"] else "not taken out"
    return (
        f"ESA's annotation of {counts['entries'] - counts['outside']} bursts (interference {taken_out}): "
        f"{counts['agree']} agree with rfiscan ({counts['agree_on_rfi']} with interference), "
        f"{counts['only_esa']} only ESA, {counts['only_rfiscan']} only rfiscan, "
        f"{counts['not_annotated']} not annotated"
    )


def burst_places(image: ImageAnnotation, bursts: Sequence[EsaBurst], flagged: FlaggedGrid) -> list[Place]:
    """Lay bursts on the working grid; every pixel of a sub-swath is in one place of it.

    Args:
        image: Annotation of an image, with azimuth times.
        bursts: Those that ESA reports on.
        flagged: Has the working grid.

    Raises:
        ValueError: The annotation has no azimuth times.
    """
    first, interval_s = image.first_line_time, image.line_interval_s
    if first is None or interval_s is None:
        msg = "an image without azimuth times"
        raise ValueError(msg)
    blocks = _blocks(image)
    names = sorted({*blocks, *(burst.sub_swath for burst in bursts)})
    own = {name: [burst for burst in bursts if burst.sub_swath == name] for name in names}
    shown = first - timedelta(seconds=image.burst_lag_s)
    starts_s = {name: [(b.azimuth_time - shown).total_seconds() for b in found] for name, found in own.items()}
    rows, _ = image.basic.shape
    cycle_s = burst_cycle_s(list(starts_s.values())) or rows * interval_s
    places = []
    for name in names:
        spans = span_rows(burst_spans(starts_s[name], cycle_s), interval_s).tolist()
        stretches: list[tuple[EsaBurst | None, tuple[float, float]]] = [
            *((burst, (start, stop)) for burst, (start, stop) in zip(own[name], spans, strict=True)),
            *((None, gap) for gap in between(spans, 0.0, np.inf)),
        ]
        for burst, span in sorted(stretches, key=lambda stretch: stretch[1]):
            rectangles = _rectangles(blocks.get(name, []), span, image, flagged)
            if burst is not None or rectangles:
                places.append(Place(sub_swath=name, burst=burst, rectangles=rectangles))
    return places


def sub_swath_places(image: ImageAnnotation, flagged: FlaggedGrid) -> dict[str, tuple[Rectangle, ...]]:
    """Lay sub-swaths on the working grid: the pixels of each; empty where the image does not tell them.

    Args:
        image: Annotation of an image.
        flagged: Has the working grid.
    """
    always = (-np.inf, np.inf)
    return {name: _rectangles(blocks, always, image, flagged) for name, blocks in _blocks(image).items()}


def _blocks(image: ImageAnnotation) -> dict[str, list[Swath]]:
    """Return the blocks of each sub-swath; the whole image where the product is of one and has none."""
    found: dict[str, list[Swath]] = {}
    for block in image.swath_blocks:
        found.setdefault(block.name, []).append(block)
    if not found and image.swath is not None:
        rows, cols = image.basic.shape
        found[image.swath] = [Swath(name=image.swath, first_row=0, last_row=rows - 1, first_col=0, last_col=cols - 1)]
    return found


def _rectangles(
    blocks: Sequence[Swath], span: tuple[float, float], image: ImageAnnotation, flagged: FlaggedGrid
) -> tuple[Rectangle, ...]:
    """Return the working pixels of those rows of a sub-swath that a span holds."""
    height, width = flagged.shape
    found = []
    for block in blocks:
        row_stop = _stop(block.last_row, image.basic.shape[0])
        col_stop = _stop(block.last_col, image.basic.shape[1])
        rows = (max(span[0], block.first_row), min(span[1], row_stop))
        if rows[0] < rows[1]:
            found.append(on_working_grid(rows, (block.first_col, col_stop), flagged.factors, (height, width)))
    return tuple(rectangle for rectangle in found if not rectangle.is_empty)


def _stop(last: int, size: int) -> float:
    """Return where a block ends: without limit at the edge of the image, whose last working pixel may be partial."""
    return np.inf if last >= size - 1 else last + 1.0


def _entry(place: Place, flagged: FlaggedGrid) -> dict[str, Any]:
    share, shares = flagged.shares(place.rectangles)
    found = None if share is None else share > MIN_FLAGGED_SHARE
    facts: dict[str, Any] = {
        "sub_swath": place.sub_swath,
        "burst": None,
        "azimuth_time": None,
        "esa_found": None,
        "esa_grounds": {},
    }
    if place.burst is not None:
        facts = burst_facts(place.burst)
    return {
        **facts,
        "rfiscan_found": found,
        "flagged_share": share,
        "flagged_share_by_polarization": shares,
        "relation": relation(facts["esa_found"], found),
        "bbox_px": _bounding_box(place.rectangles),
    }


def _bounding_box(rectangles: Sequence[Rectangle]) -> list[int] | None:
    """Return [x, y, width, height] around all of them; None without any."""
    if not rectangles:
        return None
    top, left = min(r.row_start for r in rectangles), min(r.col_start for r in rectangles)
    bottom, right = max(r.row_stop for r in rectangles), max(r.col_stop for r in rectangles)
    return [left, top, right - left, bottom - top]


def _counts(entries: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Count the entries by relation; of those that agree, also how many on interference."""
    by_relation = Counter(entry["relation"] for entry in entries)
    both = sum(entry["relation"] == "agree" and entry["esa_found"] for entry in entries)
    return {
        "entries": len(entries),
        "agree": by_relation["agree"],
        "agree_on_rfi": both,
        **{name: by_relation[name] for name in ("only_esa", "only_rfiscan", "not_annotated", "outside")},
    }
