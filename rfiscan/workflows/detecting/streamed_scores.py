"""The scores of a scene that does not fit into memory: rows come, rasters and the flagged pixels stay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rfiscan.detections.pixel_regions import FlaggedPixels
from rfiscan.errors import ResourceError
from rfiscan.export.record_files import RecordFile
from rfiscan.export.streamed_rasters import RasterRows
from rfiscan.grids.row_halos import with_halo
from rfiscan.scoring import NullScale, SceneScorer, ScoringSettings, deviations, less_shared, score_scene, smoothed
from rfiscan.tiling.overlapping import behind
from rfiscan.tiling.rolling import CHUNK_ROWS, ReconstructedRows

WAITING = 2
"""Pieces of rows that may wait to be scored and written."""

FLAGGED = np.dtype([("row", np.int32), ("col", np.int32), ("evidence", np.float32, 2), ("excess_db", np.float32, 2)])
"""What is kept of a flagged pixel."""


class ScoreRows:
    """Takes rows with their scores: their error and anomaly map go to rasters, flagged pixels to a file.

    Args:
        error: Takes the error map of the polarizations present, in dB.
        score: Takes the anomaly map.
        flagged: Takes records of `FLAGGED`.
        slots: Polarizations present.
        threshold: Anomaly score above which a pixel is flagged.
        unit_db: One standardised unit, in dB.
        settings: Scoring of the model.
        most_flagged_px: Flagged pixels that there is room for at the end.

    Attributes:
        scorer: Has seen the anomaly map.
    """

    def __init__(
        self,
        *,
        error: RasterRows,
        score: RasterRows,
        flagged: RecordFile,
        slots: list[int],
        threshold: float,
        unit_db: float,
        settings: ScoringSettings,
        most_flagged_px: int,
    ) -> None:
        self._error, self._score, self._flagged = error, score, flagged
        self._slots, self._threshold, self._unit_db, self._settings = slots, threshold, np.float32(unit_db), settings
        self._most_flagged_px = most_flagged_px
        self.scorer = SceneScorer(score.shape[0] * score.shape[1])
        self._row = 0

    def add(self, excess: NDArray[np.float32], weighed: NDArray[np.float32], valid: NDArray[np.bool_]) -> None:
        """Take the next rows.

        Args:
            excess: Scene less reconstruction, standardised, shape (2, h, W).
            weighed: Evidence, any value where invalid, same shape.
            valid: True = valid, same shape.

        Raises:
            ResourceError: If more pixels are flagged than there is room for.
        """
        expected = np.zeros_like(excess)
        scores = score_scene(excess, expected, expected, valid, self._settings, weighed)
        self._error.append(scores.error_map[self._slots] * self._unit_db)
        self._score.append(scores.anomaly_map[np.newaxis])
        self.scorer.add(scores.anomaly_map)
        with np.errstate(invalid="ignore"):
            rows, cols = np.nonzero(scores.anomaly_map > self._threshold)
        records = np.empty(rows.size, FLAGGED)
        records["row"], records["col"] = rows + self._row, cols
        records["evidence"] = scores.evidence[:, rows, cols].T
        records["excess_db"] = (excess[:, rows, cols] * self._unit_db).T
        self._flagged.append(records)
        self._row += excess.shape[1]
        if self._flagged.count > self._most_flagged_px:
            share = self._flagged.count / (self._row * excess.shape[2])
            raise ResourceError(
                f"{100 * share:.2g} % of the first {self._row} rows are flagged, {self._flagged.count} pixels: "
                "more than there is memory for",
                hint="Such a share says that the model does not fit the scene. "
                "Take a lower --far, a coarser --spacing, or more --max-memory.",
            )


def score_rows(rows: Iterator[ReconstructedRows], sink: ScoreRows) -> None:
    """Score the rows of a model with an evidence network, which says log odds, behind the network's back."""
    with closing(rows), behind(WAITING, "score") as worker:  # type: ignore[type-var] # a generator
        for part in rows:
            worker.do(sink.add, part.standardised - part.mean, part.scale, part.valid.copy())


def row_record(width_px: int) -> np.dtype[Any]:
    """Return what `score_rows_without_evidence` keeps of a row."""
    planes = (2, width_px)
    return np.dtype([("excess", np.float32, planes), ("smooth", np.float32, planes), ("valid", np.bool_, planes)])


def score_rows_without_evidence(
    rows: Iterator[ReconstructedRows], kept: RecordFile, sink: ScoreRows, settings: ScoringSettings, width_px: int
) -> None:
    """Score the rows of a model without evidence network.

    How rough the whole scene is decides on each score, so that rows are kept in a file until it is known. Means around
    a pixel are linear: they are divided by the scale of the scene instead of what they are means of.

    Args:
        rows: The rows.
        kept: File for records of `row_record`.
        sink: Takes the scores.
        settings: How to smooth and combine.
        width_px: Columns.
    """
    null = NullScale()

    def deviating() -> Iterator[tuple[NDArray[Any], ...]]:
        for part in rows:
            deviation = deviations(part.standardised, part.mean, part.scale, part.valid)
            null.add(deviation, part.valid)
            yield deviation, part.valid.copy(), part.standardised - part.mean

    def smooth(deviation: NDArray[np.float32], valid: NDArray[np.bool_], excess: NDArray[np.float32]) -> Any:  # noqa: ANN401 - arrays
        return smoothed(deviation, valid, settings), valid, excess

    def keep(around: NDArray[np.float32], valid: NDArray[np.bool_], excess: NDArray[np.float32]) -> None:
        records = np.empty(excess.shape[1], row_record(width_px))
        for name, values in (("excess", excess), ("smooth", around), ("valid", valid)):
            records[name] = values.swapaxes(0, 1)
        kept.append(records)

    with closing(rows), behind(WAITING, "keep") as worker:  # type: ignore[type-var] # a generator
        for found in with_halo(deviating(), settings.smooth_px[0] // 2, smooth):
            worker.do(keep, *found)
    scale = null.scale()[:, None, None]
    for records in kept.chunks(CHUNK_ROWS):
        excess, around, valid = (records[name].swapaxes(0, 1) for name in ("excess", "smooth", "valid"))
        sink.add(excess, less_shared(np.asarray(around / scale, np.float32), settings), valid)


def flagged_pixels(records: Iterable[NDArray[Any]]) -> FlaggedPixels:
    """Return the flagged pixels of records of `FLAGGED`."""
    found = list(records) or [np.empty(0, FLAGGED)]
    every = found[0] if len(found) == 1 else np.concatenate(found)
    return FlaggedPixels(
        rows=every["row"].copy(),
        cols=every["col"].copy(),
        evidence=np.ascontiguousarray(every["evidence"].T),
        excess_db=np.ascontiguousarray(every["excess_db"].T),
    )
