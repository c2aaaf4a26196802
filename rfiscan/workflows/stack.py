"""Many scenes of one place: which are worst, and which a time series should leave out."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from rfiscan.atomic import write_atomically
from rfiscan.errors import SceneError
from rfiscan.export.records import to_json
from rfiscan.export.tables import write_table

DROP_ABOVE = 0.1
"""Severity above which a scene is to be dropped: 0.2 % of its valid pixels are flagged. A choice."""

COMPARED = {
    "model_sha256": "models",
    "far": "false-alarm rates",
    "least_rank": "ranks of stripes",
    "calibrated": "ways of calibration",
    "denoised": "ways of noise removal",
}
"""Keys of records that must be equal for severities to compare, and how messages call them."""

_DAY = re.compile(r"(?<!\d)(20\d{6})(?:t\d{6})?(?!\d)", re.IGNORECASE)
_NEEDED = ("scene", "status", "severity", "flagged_share", "detections", "model", "far")


@dataclass(frozen=True, slots=True, kw_only=True)
class StackEntry:
    """A scene in the order of a stack.

    Attributes:
        scene: Its name.
        day: Day of acquisition that the name tells, YYYYMMDD; None where it tells none.
        severity: 0 (nothing flagged) to 1.
        flagged_share: Of the valid pixels, 0..1.
        stripes: Number of its detections.
        peak_excess_db: Largest excess of any detection, in dB; None without detections.
        polarizations: Those that any detection shows, joined by a plus sign.
        drop: Whether the severity is above the limit.
    """

    scene: str
    day: str | None
    severity: float
    flagged_share: float
    stripes: int
    peak_excess_db: float | None
    polarizations: str
    drop: bool


def read_records(folder: Path) -> list[dict[str, Any]]:
    """Read the records of all finished scenes in a folder and the folders below; other JSON files are passed over.

    Args:
        folder: Where `detect` wrote.

    Raises:
        SceneError: If there is no such folder, or no finished scene in it.
    """
    if not folder.is_dir():
        raise SceneError(f"{folder}: is no folder", hint="Name the folder that `rfiscan detect -o` wrote to.")
    found = [record for path in sorted(folder.rglob("*.json")) if (record := _read_record(path)) is not None]
    if not found:
        raise SceneError(f"{folder}: holds no finished scene", hint="Run `rfiscan detect SCENE... -o` there first.")
    return found


def rank_stack(records: Sequence[dict[str, Any]], drop_above: float = DROP_ABOVE) -> list[StackEntry]:
    """Put scenes in order, the worst first.

    Args:
        records: Records of finished scenes.
        drop_above: Severity above which (strictly) a scene is to be dropped, 0..1.
    """
    entries = [_entry(record, drop_above) for record in records]
    return sorted(entries, key=lambda entry: (-entry.severity, -entry.stripes, entry.scene))


def drop_days(entries: Sequence[StackEntry]) -> list[str]:
    """Days, YYYYMMDD, ascending, of which any scene is to be dropped."""
    return sorted({entry.day for entry in entries if entry.drop and entry.day is not None})


def stack_warnings(records: Sequence[dict[str, Any]]) -> list[str]:
    """What makes the severities of a stack hard to compare, a sentence each."""
    warnings = []
    for key, what in COMPARED.items():
        count = len({record.get(key) for record in records})
        if count > 1:
            warnings.append(f"the scenes were looked at with {count} different {what}: their severities do not compare")
    names = [record["scene"] for record in records]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        warnings.append(f"{len(repeated)} scenes are there more than once, such as {repeated[0]}")
    return warnings


def write_stack(entries: Sequence[StackEntry], out_dir: Path) -> dict[str, str]:
    """Write a stack as a table and as lists of what to drop.

    Args:
        entries: The scenes, in their order.
        out_dir: Folder for ``stack.csv``, ``stack.ndjson``, ``drop_scenes.txt`` and ``drop_days.txt``; a list has one
            name or day a line, and is empty where nothing is to be dropped.

    Returns:
        Path of each output by name.

    Raises:
        OutputError: If a file cannot be written.
        ResourceError: If the disk is full.
    """
    lists = {
        "lines": ("stack.ndjson", [to_json(asdict(entry)) for entry in entries]),
        "scenes": ("drop_scenes.txt", list(dict.fromkeys(entry.scene for entry in entries if entry.drop))),
        "days": ("drop_days.txt", drop_days(entries)),
    }
    write_table(out_dir / "stack.csv", [asdict(entry) for entry in entries], [each.name for each in fields(StackEntry)])
    for name, lines in lists.values():
        write_atomically(out_dir / name, "".join(f"{line}\n" for line in lines).encode())
    return {"table": str(out_dir / "stack.csv")} | {what: str(out_dir / name) for what, (name, _) in lists.items()}


def _read_record(path: Path) -> dict[str, Any] | None:
    """The record in a file; None where it holds something else, or a scene without a severity."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(record, dict) or any(key not in record for key in _NEEDED):
        return None
    return record if record["status"] == "done" and record["severity"] is not None else None


def _entry(record: dict[str, Any], drop_above: float) -> StackEntry:
    day = _DAY.search(record["scene"])
    detections = record["detections"]
    shown = {name for detection in detections for name in detection["polarizations"]}
    excesses = [d["peak_excess_db"] for d in detections if d["peak_excess_db"] is not None]
    return StackEntry(
        scene=record["scene"],
        day=day[1] if day else None,
        severity=float(record["severity"]),
        flagged_share=float(record["flagged_share"]),
        stripes=len(detections),
        peak_excess_db=max(excesses, default=None),
        polarizations="+".join(name for name in record.get("polarizations", ()) if name in shown),
        drop=record["severity"] > drop_above,
    )
