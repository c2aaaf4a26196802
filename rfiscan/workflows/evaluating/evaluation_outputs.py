"""The files that `evaluate` leaves: record, tables, plots, and boxes as COCO results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rfiscan.atomic import remove_earlier, write_atomically
from rfiscan.export.plots import Curve, Panel, write_plot
from rfiscan.export.records import to_json, write_record
from rfiscan.export.tables import write_table
from rfiscan.simulation.emitters import KINDS
from rfiscan.truth import TruthRef

RECORD_NAME = "evaluation.json"


@dataclass(slots=True)
class Submission:
    """Boxes in the format of COCO results: a list of image_id, category_id, bbox, score."""

    entries: list[dict[str, Any]] = field(default_factory=list)

    def add(self, ref: TruthRef, boxes: NDArray[np.float64], scores: NDArray[np.float64]) -> None:
        """Add the boxes (N, 4) of a scene and their scores (N,)."""
        for box, score in zip(boxes.tolist(), scores.tolist(), strict=True):
            bbox = [int(value) if value.is_integer() else value for value in box]
            entry = {"image_id": ref.image_id, "category_id": ref.category_id, "bbox": bbox, "score": score}
            self.entries.append(entry)

    def write(self, path: Path) -> None:
        """Write the file, by picture and then from the strongest box down.

        Raises:
            OutputError: If it cannot be written.
        """
        write_atomically(
            path,
            (to_json(sorted(self.entries, key=lambda entry: (entry["image_id"], -entry["score"]))) + "\n").encode(),
        )


def write_evaluation(record: dict[str, Any], out_dir: Path | None, submission: Path | None) -> dict[str, Any]:
    """Write record, tables and plots; the record comes last, so that its presence means that all is there.

    Args:
        record: What was found out.
        out_dir: Folder of the outputs, made if absent; None to write none.
        submission: The boxes, which have been written already; None if they have not.

    Returns:
        The record with the absolute paths of its outputs.

    Raises:
        OutputError: If a file cannot be written.
    """
    outputs = {} if submission is None else {"submission": submission}
    if out_dir is not None:
        outputs |= {
            "record": out_dir / RECORD_NAME,
            "figures": out_dir / "figures.csv",
            "detection_table": out_dir / "detection_curves.csv",
            "detection_plot": out_dir / "detection_curves.png",
            "precision_recall_plot": out_dir / "precision_recall.png",
            "false_alarms_plot": out_dir / "false_alarms.png",
        }
    record = {**record, "outputs": {name: str(path.absolute()) for name, path in outputs.items()}}
    if out_dir is not None:
        remove_earlier(outputs["record"])
        figures = [{"figure": name, **figure} for name, figure in record["figures"].items()]
        write_table(outputs["figures"], figures, list(figures[0]))
        write_table(outputs["detection_table"], record["detection_curves"], list(record["detection_curves"][0]))
        write_plot(outputs["detection_plot"], detection_panels(record))
        write_plot(outputs["precision_recall_plot"], [precision_recall_panel([record])])
        write_plot(outputs["false_alarms_plot"], [false_alarm_panel([record])])
        write_record(outputs["record"], record)
    return record


def detection_panels(record: dict[str, Any]) -> list[Panel]:
    """Share of stripes found over their strength: by kind of emitter, and by polarization."""
    return [
        _detection_panel(record, "by kind of emitter", ("all", *KINDS)),
        _detection_panel(record, "by polarization", ("all", "cross", "mixed", "co")),
    ]


def precision_recall_panel(records: Sequence[dict[str, Any]]) -> Panel:
    """Precision of pixels over recall, a curve for each record."""
    return Panel(
        title="pixels",
        x_label="recall",
        y_label="precision",
        x_limits=(0, 1),
        y_limits=(0, 1.02),
        curves=[_curve(record["contender"], record["precision_recall"], "recall") for record in records],
    )


def false_alarm_panel(records: Sequence[dict[str, Any]]) -> Panel:
    """Measured over nominal false-alarm rate on clean scenes, a curve for each record."""
    return Panel(
        title="clean scenes",
        x_label="nominal false-alarm rate",
        y_label="measured false-alarm rate",
        log=True,
        diagonal="as calibrated",
        markers=True,
        curves=[_curve(record["contender"], record["far_measured"], "rate") for record in records],
    )


def _detection_panel(record: dict[str, Any], title: str, groups: Sequence[str]) -> Panel:
    curves = []
    for group in groups:
        points = [
            {**point, "middle_db": (point["ibr_low_db"] + point["ibr_high_db"]) / 2}
            for point in record["detection_curves"]
            if point["group"] == group and point["stripes"]
        ]
        stripes = sum(point["stripes"] for point in points)
        if stripes:
            curves.append(_curve(f"{group.replace('_', ' ')} ({stripes})", points, "middle_db"))
    return Panel(
        title=title,
        x_label="peak interference over background (dB)",
        y_label="share of visible stripes found",
        y_limits=(-0.02, 1.02),
        markers=True,
        curves=curves,
    )


def _curve(label: str, points: Sequence[dict[str, Any]], x: str) -> Curve:
    def column(name: str) -> list[float]:
        return [float("nan") if point[name] is None else float(point[name]) for point in points]

    return Curve(label=label, x=column(x), value=column("value"), low=column("low"), high=column("high"))
