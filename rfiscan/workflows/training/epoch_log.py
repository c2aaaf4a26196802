"""The figures of each epoch of a training run: ``metrics.csv`` for tables, ``metrics.jsonl`` for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from rfiscan.atomic import write_atomically
from rfiscan.errors import OutputError
from rfiscan.export.records import to_json
from rfiscan.export.tables import write_table

METRICS_NAME = "metrics.csv"
LINES_NAME = "metrics.jsonl"

EpochListener: TypeAlias = Callable[[Mapping[str, float]], None]
"""Takes the figures of an epoch, ``step`` among them."""


def picture_path(run_dir: Path, step: int) -> Path:
    """The picture of the fixed tiles after a step, where there is one."""
    return run_dir / "pictures" / f"step_{step:06d}.png"


def append_epoch(run_dir: Path, figures: Mapping[str, float], *, first: bool) -> None:
    """Add an epoch to both files; figures that earlier epochs lack become new columns of the table.

    Args:
        run_dir: Folder of the run.
        figures: By name, ``step`` among them; NaN becomes null in JSON, which knows none.
        first: True where the files begin with this epoch, whatever they held.

    Raises:
        OutputError: If one cannot be written.
    """
    _write_epochs(run_dir, [*([] if first else read_epochs(run_dir)), figures])


def read_epochs(run_dir: Path) -> list[dict[str, float]]:
    """The epochs that ``metrics.csv`` holds, in their order; a last line that was cut short is left out.

    Args:
        run_dir: Folder of the run; without the file there are no epochs.

    Raises:
        OutputError: If the file cannot be read, or is no such table.
    """
    path = run_dir / METRICS_NAME
    if not path.exists():
        return []
    try:
        text = path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        return [
            {name: int(value) if name == "step" else float(value) for name, value in row.items() if value != ""}
            for row in csv.DictReader(io.StringIO(whole))
        ]
    except (OSError, TypeError, ValueError) as error:
        raise OutputError(f"cannot read {path}: {error}", hint="Restore it, or remove it.") from error


def forget_later_epochs(run_dir: Path, step: int) -> None:
    """Leave out what comes after a step: the run was killed before it kept the state of that.

    Args:
        run_dir: Folder of the run.
        step: The step of the state.

    Raises:
        OutputError: If a file cannot be read or written.
    """
    epochs = read_epochs(run_dir)
    if not epochs:
        return
    _write_epochs(run_dir, [epoch for epoch in epochs if epoch["step"] <= step])


def _write_epochs(run_dir: Path, epochs: Sequence[Mapping[str, float]]) -> None:
    write_table(run_dir / METRICS_NAME, epochs, list(dict.fromkeys(name for epoch in epochs for name in epoch)))
    write_atomically(run_dir / LINES_NAME, "".join(f"{to_json(epoch)}\n" for epoch in epochs).encode())
