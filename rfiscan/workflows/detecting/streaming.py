"""A scene whose working grid does not fit into memory: measured, looked at, and written in bands of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rfiscan.atomic import PART_SUFFIX
from rfiscan.detections.pixel_regions import FlaggedPixels
from rfiscan.detections.regions import find_flagged_stripes, measure_detections
from rfiscan.export.png import write_png
from rfiscan.export.quicklook import QuicklookRows
from rfiscan.export.rasters import MASK_CLEAR, MASK_COLORMAP, MASK_NODATA, MASK_RFI
from rfiscan.export.record_files import RecordFile, record_file
from rfiscan.export.streamed_rasters import RasterKind, RasterRows, copy_window, raster_rows
from rfiscan.model_files.stored_model import RunnableModel
from rfiscan.scenes.scene import Scene
from rfiscan.scenes.working_rows import StreamedGrid, WorkingRows
from rfiscan.scoring import clean_share_above, severity_of_share
from rfiscan.sentinel1.bursts import Rectangle
from rfiscan.tiling.overlapping import read_ahead
from rfiscan.tiling.rolling import reconstruct_rows
from rfiscan.workflows.detecting.fitting import polarization_names
from rfiscan.workflows.detecting.memory_plan import MemoryPlan
from rfiscan.workflows.detecting.outputs import (
    Wanted,
    error_names,
    output_paths,
    present_slots,
    raster_tags,
    record_output,
    remove_earlier_outputs,
    tile_names,
    write_vectors,
)
from rfiscan.workflows.detecting.result import Request, Result, Shares
from rfiscan.workflows.detecting.run import Looked, Run
from rfiscan.workflows.detecting.streamed_scores import (
    FLAGGED,
    ScoreRows,
    flagged_pixels,
    row_record,
    score_rows,
    score_rows_without_evidence,
)
from rfiscan.workflows.reporting import Reporter

READ_AHEAD = 2
"""Bands of rows that are read and standardised before the networks ask for them."""
FLAGGED_CHUNK = 1_000_000
MASK_ROWS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What is known of a scene before the networks look at it.

    Attributes:
        scene: The scene, open.
        rows: Its rows on the working grid.
        grid: What was measured.
        quicklook: Has seen the rows.
    """

    scene: Scene
    rows: WorkingRows
    grid: StreamedGrid
    quicklook: QuicklookRows


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedFlags:
    """The pixels of the stripes of a scene, as a `rfiscan.workflows.detecting.esa_comparison.FlaggedGrid`.

    Attributes:
        grid: Its working grid.
        pixels: The pixels.
        shown: Which of them each polarization shows by itself, shape (2, P).
        names: Of the polarizations.
    """

    grid: StreamedGrid
    pixels: FlaggedPixels
    shown: npt.NDArray[np.bool_]
    names: tuple[str, str]

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.grid.shape

    @property
    def factors(self) -> tuple[int, int]:
        """Source pixels (rows, cols) per working pixel."""
        return self.grid.factors

    def shares(self, rectangles: Sequence[Rectangle]) -> tuple[float | None, dict[str, float | None]]:
        """Return the flagged share of the valid pixels of rectangles, and that of each polarization."""
        valid_px, inside = 0, np.zeros(self.pixels.rows.size, np.bool_)
        for r in rectangles:
            for start in range(r.row_start, r.row_stop, MASK_ROWS):
                valid = self.grid.any_valid.rows(start, min(start + MASK_ROWS, r.row_stop))
                valid_px += int(np.count_nonzero(valid[:, r.col_start : r.col_stop]))
            first, stop = np.searchsorted(self.pixels.rows, (r.row_start, r.row_stop))
            cols = self.pixels.cols[first:stop]
            inside[first:stop] |= (cols >= r.col_start) & (cols < r.col_stop)
        counts = [int(inside.sum()), *(int(count) for count in (self.shown & inside).sum(axis=1))]
        whole, co, cross = (count / valid_px if valid_px else None for count in counts)
        return whole, dict(zip(self.names, (co, cross), strict=True))


@contextmanager
def streamed(run: Run) -> Iterator[Looked]:
    """Look at a scene in bands of rows.

    Args:
        run: What is to be done.

    Yields:
        What was made of it; temporary files of its maps stay till the end of the block.

    Raises:
        SceneError: The scene cannot be read, or there is nothing to look at in it.
        OutputError: If a temporary file cannot be written.
        ResourceError: If far too many pixels are flagged.
    """
    with run.watch.time("read"):
        rows = WorkingRows(run.scene, run.spacing_m, threads=run.threads)
        quicklook = QuicklookRows(rows.shape)
        grid = rows.measure(quicklook.add, lambda done, total: run.reporter.progress("reading", done, total))
    warnings = run.warn(grid)
    measured = Measured(scene=run.scene, rows=rows, grid=grid, quicklook=quicklook)
    with closing(StreamedScene(measured, run.model, run.request, run.out_dir)) as looked:
        with run.watch.time("reconstruct"):
            looked.look(run.plan, run.overlap, run.reporter)
        with run.watch.time("score"):
            result, flagged = looked.find()
        yield Looked(
            result=result,
            flagged=flagged,
            warnings=warnings,
            write=lambda known, wanted: looked.write(known, wanted, run.reporter),
        )


class StreamedScene:
    """A scene that networks have looked at: what was found, and temporary files of its maps.

    Args:
        measured: The scene.
        model: What looks at it.
        request: Model and options.
        out_dir: Folder of the outputs, and of temporary files meanwhile.
    """

    def __init__(self, measured: Measured, model: RunnableModel, request: Request, out_dir: Path) -> None:
        self._measured, self._model, self._request, self._out_dir = measured, model, request, out_dir
        self._paths = output_paths(out_dir, measured.scene.scene_id)
        self._files = ExitStack()
        try:
            self._error = self._raster("error", np.float32, error_names(measured.scene))
            self._score = self._raster("score", np.float32, ["anomaly_score"])
        except BaseException:
            self._files.close()
            raise
        self._scene_score = float("nan")
        self._pixels = flagged_pixels([])
        self._numbers = np.zeros(0, np.int32)

    def close(self) -> None:
        """Remove the temporary files."""
        self._files.close()

    def look(self, plan: MemoryPlan, overlap: float, reporter: Reporter) -> None:
        """Let the networks look at all rows, and score them.

        Args:
            plan: How many tiles go together, and how many flagged pixels there is room for.
            overlap: Share of a tile that it has in common with its neighbour, in [0, 1).
            reporter: Is told how far it is.

        Raises:
            SceneError: The scene cannot be read.
            ResourceError: If far too many pixels are flagged.
        """
        model, grid = self._model, self._measured.grid
        standardisation, settings = model.card.standardisation, model.card.scoring
        bands = (
            (standardisation.apply(power, valid, grid.centre_db)[0], valid)
            for power, valid in self._measured.rows.bands()
        )
        with ExitStack() as stack:
            flagged = stack.enter_context(self._temporary("flagged", FLAGGED))
            ahead = read_ahead(bands, READ_AHEAD, "read")
            stack.callback(ahead.close)
            rows = reconstruct_rows(
                model.runtime,
                ahead,
                grid.shape,
                tile_shape=model.card.tile_shape,
                overlap=overlap,
                batch=plan.batch_tiles,
                on_tile=lambda done, total: reporter.progress("reconstructing", done, total),
            )
            sink = ScoreRows(
                error=self._error,
                score=self._score,
                flagged=flagged,
                slots=present_slots(self._measured.scene),
                threshold=self._request.threshold,
                unit_db=standardisation.scale_db,
                settings=settings,
                most_flagged_px=plan.most_flagged_px,
            )
            if model.runtime.weighs:
                score_rows(rows, sink)
            else:
                kept = stack.enter_context(self._temporary("rows", row_record(grid.shape[1])))
                score_rows_without_evidence(rows, kept, sink, settings, grid.shape[1])
            self._scene_score = sink.scorer.score()
            self._pixels = flagged_pixels(flagged.chunks(FLAGGED_CHUNK))

    def find(self) -> tuple[Result, StreamedFlags]:
        """Find the stripes among the flagged pixels."""
        measured, model, request = self._measured, self._model, self._request
        scene, grid, threshold = measured.scene, measured.grid, request.threshold
        self._pixels, self._numbers = find_flagged_stripes(
            self._pixels,
            grid.shape[1],
            threshold,
            model.card.scoring,
            grid.seams_px,
            grid.spacing_m,
            least_rank=request.least_rank,
            core_threshold=request.box_threshold,
        )
        with np.errstate(invalid="ignore"):
            shown = np.asarray(self._pixels.evidence > threshold)
        valid_px = sum(
            int(np.count_nonzero(grid.any_valid.rows(start, min(start + MASK_ROWS, grid.shape[0]))))
            for start in range(0, grid.shape[0], MASK_ROWS)
        )
        co, cross = (
            int(count) / valid if valid else None for count, valid in zip(shown.sum(axis=1), grid.valid_px, strict=True)
        )
        flagged = self._pixels.rows.size / valid_px
        result = Result(
            scene=scene,
            grid=grid,
            request=request,
            centre_db=grid.centre_db,
            shares=Shares(
                valid=valid_px / (grid.shape[0] * grid.shape[1]), flagged=flagged, by_polarization=(co, cross)
            ),
            severity=severity_of_share(flagged),
            scene_score=self._scene_score,
            scene_far=clean_share_above(model.card.scene_scores, self._scene_score),
            detections=measure_detections(
                self._pixels,
                self._numbers,
                self._pixels.anomaly,
                threshold,
                scene.polarizations,
                grid.spacing_m,
                request.box_threshold,
            ),
            tile_shape=model.card.tile_shape,
            unit_db=model.card.standardisation.scale_db,
            backend=model.runtime.backend,
            streamed=True,
        )
        names = polarization_names(scene.polarizations)
        return result, StreamedFlags(grid=grid, pixels=self._pixels, shown=shown, names=names)

    def write(self, result: Result, wanted: Wanted, reporter: Reporter) -> dict[str, str]:
        """Write all outputs, as `rfiscan.workflows.detecting.outputs.write_outputs` does, but for copies on a map."""
        scene_id, paths = result.scene.scene_id, dict(self._paths)
        remove_earlier_outputs(self._out_dir, scene_id)
        steps = len(paths) + len(wanted.tile_windows)
        self._error.make_cog(paths["error"])
        reporter.progress("writing", 1, steps)
        self._score.make_cog(paths["score"])
        reporter.progress("writing", 2, steps)
        mask = self._raster("mask", np.uint8, ["rfi_mask"])
        for start in range(0, result.shape[0], MASK_ROWS):
            mask.append(self._mask_rows(start, min(start + MASK_ROWS, result.shape[0]))[np.newaxis])
        mask.make_cog(paths["mask"])
        reporter.progress("writing", 3, steps)
        pixels = self._pixels
        write_png(paths["quicklook"], self._measured.quicklook.draw(pixels.rows, pixels.cols, result.detections))
        paths |= write_vectors(result, wanted, paths["geojson"])
        reporter.progress("writing", 5, steps)
        for name, window in tile_names(wanted.tile_windows).items():
            paths[f"tile_{name}"] = path = self._out_dir / "tiles" / f"{scene_id}_{name}_error.tif"
            copy_window(path, paths["error"], window, result.grid.georeferencing)
            reporter.progress("writing", len(paths), steps)
        outputs = {name: str(path.absolute()) for name, path in paths.items()}
        return outputs | record_output(self._out_dir, scene_id)

    def _mask_rows(self, start: int, stop: int) -> npt.NDArray[np.uint8]:
        codes = np.where(self._measured.grid.any_valid.rows(start, stop), MASK_CLEAR, MASK_NODATA).astype(np.uint8)
        first, after = np.searchsorted(self._pixels.rows, (start, stop))
        codes[self._pixels.rows[first:after] - start, self._pixels.cols[first:after]] = MASK_RFI
        return codes

    def _raster(self, name: str, dtype: npt.DTypeLike, band_names: list[str]) -> RasterRows:
        scene, grid = self._measured.scene, self._measured.grid
        is_mask = name == "mask"
        kind = RasterKind(
            shape=grid.shape,
            dtype=np.dtype(dtype),
            georeferencing=grid.georeferencing,
            nodata=MASK_NODATA if is_mask else np.nan,
            tags=raster_tags(self._request, scene, grid.spacing_m),
            band_names=band_names,
            colormap=MASK_COLORMAP if is_mask else None,
        )
        return self._files.enter_context(raster_rows(self._paths[name], kind))

    def _temporary(self, name: str, dtype: np.dtype[Any]) -> AbstractContextManager[RecordFile]:
        return record_file(self._out_dir / f"{self._measured.scene.scene_id}_{name}{PART_SUFFIX}", dtype)
