"""What people see: results on stdout; progress, notes, warnings and errors on stderr."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from rfiscan.errors import UsageError

if TYPE_CHECKING:
    from rfiscan.workflows.survey import SurveyRow

EXIT_BROKEN_PIPE = 141  # what a shell reports for a program that SIGPIPE ended

_PLAIN_WIDTH = 200  # a file or a pipe has no width: never cut a name
_LOG_STEPS = 10
_LOG_EVERY_S = 2.0
_SHOWN_DETECTIONS = 12
_SHOWN_SCENES = 40
_TEXT_COLUMNS = {"scene", "pol", "lon, lat", "mode", "emitters", "file", "figure"}


class Verbosity(IntEnum):
    """How much goes to stderr."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2


class _PipeConsole(Console):
    """A console whose reader may leave, as `head` does: the program then ends without a word."""

    def on_broken_pipe(self) -> NoReturn:
        self.quiet = True
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, self.file.fileno())
        raise SystemExit(EXIT_BROKEN_PIPE)


_out = _PipeConsole(highlight=False, markup=False, emoji=False)
_err = _PipeConsole(stderr=True, highlight=False, markup=False, emoji=False)
_verbosity = Verbosity.NORMAL


def set_verbosity(*, verbose: bool, quiet: bool) -> None:
    """Choose how much goes to stderr, for all that follows.

    Raises:
        UsageError: If both are asked for.
    """
    if verbose and quiet:
        raise UsageError("--verbose and --quiet contradict each other")
    global _verbosity  # noqa: PLW0603 - one process has one terminal
    _verbosity = Verbosity.VERBOSE if verbose else Verbosity.QUIET if quiet else Verbosity.NORMAL


def is_verbose() -> bool:
    """Tell whether the user asked for details."""
    return _verbosity >= Verbosity.VERBOSE


def show_error(message: str, hint: str = "") -> None:
    """Show one red line on stderr, and a line on how to mend it."""
    _err.print(f"error: {message}", style="bold red", soft_wrap=True)
    if hint:
        _err.print(f"hint: {hint}", style="yellow", soft_wrap=True)


def show_traceback(error: BaseException) -> None:
    """Show where an exception came from, on stderr."""
    import traceback  # noqa: PLC0415 - needed once in a while, and --help must be quick

    _err.print("".join(traceback.format_exception(error)), soft_wrap=True)


def show_warning(message: str) -> None:
    """Show a yellow line on stderr, unless quiet."""
    if _verbosity > Verbosity.QUIET:
        _err.print(f"warning: {message}", style="yellow", soft_wrap=True)


def show_note(message: str) -> None:
    """Show a line on stderr, unless quiet."""
    if _verbosity > Verbosity.QUIET:
        _err.print(message, soft_wrap=True)


def show_detail(message: str) -> None:
    """Show a dim line on stderr, if the user asked for details."""
    if is_verbose():
        _err.print(message, style="dim", soft_wrap=True)


def show_line(text: str) -> None:
    """Show one line of results on stdout as it is."""
    _out.out(text, highlight=False)


def show_json(value: Mapping[str, Any]) -> None:
    """Show one JSON object as one line on stdout."""
    show_line(json.dumps(value, ensure_ascii=False, allow_nan=False))


def show_scenes(records: Sequence[Mapping[str, Any]]) -> None:
    """Show the records of `detect` as a table on stdout, one row per scene."""
    table = _table("scene", "flagged %", "severity", "stripes", "strongest", "pol", "s")
    for record in records:
        if record["status"] != "done":
            table.add_row(record["scene"], "failed", "", "", "", "", "")
            continue
        detections = record["detections"]
        table.add_row(
            record["scene"],
            _percent(record["flagged_share"]),
            _figure(record["severity"], ".2f"),
            str(len(detections)),
            _decibel(max((entry["peak_excess_db"] or 0.0 for entry in detections), default=None)),
            "+".join(record["polarizations"]),
            _figure(record["timings_s"]["total"], ".1f"),
        )
    _show_table(table)


def show_detections(detections: Sequence[Mapping[str, Any]]) -> None:
    """Show the strongest detections of one scene as a table on stdout."""
    if not detections:
        return
    table = _table("stripe", "x, y px", "w x h px", "w x h km", "pol", "excess", "score", "lon, lat")
    for number, detection in enumerate(detections[:_SHOWN_DETECTIONS], start=1):
        x, y, width, height = detection["bbox_px"]
        table.add_row(
            str(number),
            f"{x}, {y}",
            f"{width} x {height}",
            f"{_figure(detection['width_km'], '.0f')} x {_figure(detection['height_km'], '.1f')}",
            "+".join(detection["polarizations"]),
            _decibel(detection["peak_excess_db"]),
            _figure(detection["score"], ".1f"),
            _place(detection["footprint"]),
        )
    _show_table(table)
    if len(detections) > _SHOWN_DETECTIONS:
        show_line(f"and {len(detections) - _SHOWN_DETECTIONS} weaker stripes")


def show_stack(rows: Sequence[Mapping[str, Any]]) -> None:
    """Show the scenes of a stack as a table on stdout, the worst first."""
    table = _table("scene", "day", "severity", "flagged %", "stripes", "strongest", "pol", "drop")
    for row in rows[:_SHOWN_SCENES]:
        table.add_row(
            row["scene"],
            row["day"] or "-",
            _figure(row["severity"], ".2f"),
            _percent(row["flagged_share"]),
            str(row["stripes"]),
            _decibel(row["peak_excess_db"]),
            row["polarizations"] or "-",
            "drop" if row["drop"] else "",
        )
    _show_table(table)
    if len(rows) > _SHOWN_SCENES:
        _out.print(f"and {len(rows) - _SHOWN_SCENES} less severe")


def show_simulated(records: Sequence[Mapping[str, Any]]) -> None:
    """Show the records of `simulate` as a table on stdout, a row for each of the first scenes."""
    table = _table("scene", "mode", "emitters", "RFI %", "file")
    for record in records[:_SHOWN_SCENES]:
        kinds = ", ".join(emitter["kind"] for emitter in record["emitters"]) or "none"
        table.add_row(record["scene"], record["mode"], kinds, _percent(record["rfi_share"]), record["outputs"]["scene"])
    _show_table(table)
    if len(records) > _SHOWN_SCENES:
        _out.print(f"and {len(records) - _SHOWN_SCENES} more")


def show_survey(rows: Sequence[SurveyRow], *, as_json: bool) -> None:
    """Show simulated beside published geometry on stdout, as a table or as one JSON object."""
    if as_json:
        show_json({row.name: {"published": row.published, "simulated": row.simulated} for row in rows})
        return
    table = _table("figure", "published", "simulated")
    for row in rows:
        table.add_row(row.name, "" if row.published is None else f"{row.published:.3g}", f"{row.simulated:.3g}")
    _show_table(table)


class ConsoleReporter:
    """Shows what a workflow tells: a bar on a terminal, else a line per tenth of a stage at most."""

    def __init__(self) -> None:
        self._prefix = ""
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._stage = ""
        self._logged_steps = 0
        self._logged_s = 0.0

    def __enter__(self) -> ConsoleReporter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def clear(self) -> None:
        """Take the bar off the screen, so that results can be shown; the next progress brings it back."""
        if self._bar is not None:
            self._bar.stop()
        self._bar = None
        self._stage = ""

    def begin(self, part: int, parts: int) -> None:
        """Number what follows, if there are several parts."""
        self.clear()
        self._prefix = f"[{part}/{parts}] " if parts > 1 else ""

    def note(self, text: str) -> None:
        """Show a note."""
        show_note(f"{self._prefix}{text}")

    def warn(self, text: str) -> None:
        """Show a warning."""
        show_warning(f"{self._prefix}{text}")

    def progress(self, stage: str, done: int, total: int) -> None:
        """Show how far a stage is.

        Args:
            stage: What is being done; a new name starts a new bar.
            done: Steps that are done.
            total: Steps of the stage.
        """
        is_new = stage != self._stage
        self._stage = stage
        if _verbosity == Verbosity.QUIET:
            return
        if _err.is_terminal:
            self._show_bar(stage, done, total, is_new=is_new)
        else:
            self._show_line(stage, done / total if total else 1.0, is_new=is_new)

    def _show_bar(self, stage: str, done: int, total: int, *, is_new: bool) -> None:
        if self._bar is None:
            columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
            # stdout stays stdout: rich would send it to stderr while a bar is shown
            self._bar = Progress(*columns, console=_err, transient=True, redirect_stdout=False, redirect_stderr=False)
            self._bar.start()
        if is_new:
            for task in self._bar.task_ids:
                self._bar.remove_task(task)
            self._task = self._bar.add_task(f"{self._prefix}{stage}", total=total)
        self._bar.update(self._task, completed=done, total=total)

    def _show_line(self, stage: str, share: float, *, is_new: bool) -> None:
        share_steps, now_s = int(_LOG_STEPS * share), time.monotonic()
        if is_new:
            self._logged_steps, self._logged_s = 0, now_s
        if share_steps > self._logged_steps and now_s - self._logged_s >= _LOG_EVERY_S:
            show_note(f"{self._prefix}{stage} {100 * share:.0f} %")
            self._logged_steps, self._logged_s = share_steps, now_s


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        if heading in _TEXT_COLUMNS:
            table.add_column(heading, overflow="fold")
        else:
            table.add_column(heading, justify="right", no_wrap=True)
    return table


def _show_table(table: Table) -> None:
    width = None if _out.is_terminal else _PLAIN_WIDTH
    _PipeConsole(width=width, highlight=False, markup=False, emoji=False).print(table)


def _figure(value: float | None, spec: str) -> str:
    return "-" if value is None or not math.isfinite(value) else format(value, spec)


def _percent(share: float | None) -> str:
    return _figure(None if share is None else 100 * share, ".2f")


def _decibel(value: float | None) -> str:
    return "-" if value is None else f"{_figure(value, '+.1f')} dB"


def _place(footprint: Mapping[str, Any] | None) -> str:
    """Return the middle of a footprint as "lon, lat" in degrees; "-" without one."""
    if footprint is None:
        return "-"
    points = list(_points(footprint["coordinates"]))
    lons, lats = [point[0] for point in points], [point[1] for point in points]
    if max(lons) - min(lons) > 180:  # split at the antimeridian
        lons = [lon % 360 for lon in lons]
    lon = (max(lons) + min(lons)) / 2
    return f"{lon - 360 if lon > 180 else lon:.3f}, {(max(lats) + min(lats)) / 2:.3f}"


def _points(coordinates: Sequence[Any]) -> Iterable[Sequence[float]]:
    if coordinates and isinstance(coordinates[0], (int, float)):
        yield coordinates
    else:
        for part in coordinates:
            yield from _points(part)
