"""A training run as TensorBoard shows it."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path

from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from rfiscan.workflows.training.tracking.tracker import Earlier, Status, TrackedRun

FOLDER = "tensorboard"
COMPARED = "pixel_ap"
"""The figure that TensorBoard sets beside the parameters of runs."""
MOST_TEXT_BYTES = 100_000
"""A choice: larger files are named, not shown."""
_PNG_SIZE = slice(16, 24)
"""Width and height in a PNG: the IHDR chunk comes first (PNG specification, third edition, section 11.2.1)."""
_TEXTS = {".yaml": "yaml", ".json": "json", ".md": "", ".ndjson": "json"}


class TensorBoardTracker:
    """Writes event files into a folder of the run; see `rfiscan.workflows.training.tracking.tracker.Tracker`."""

    def __init__(self) -> None:
        self._writer: SummaryWriter | None = None
        self._step = 0

    def start(self, run: TrackedRun, earlier: Earlier | None) -> str:
        """Begin, or let TensorBoard forget what came after the last step that is kept."""
        purge_step = None if earlier is None else earlier.step + 1
        self._writer = SummaryWriter(str(run.run_dir / FOLDER), purge_step=purge_step)
        self._step = 0 if earlier is None else max(0, earlier.step)
        if earlier is None:
            values = {key: _shown(value) for key, value in run.parameters.items()}
            for summary in hparams(values, {COMPARED: 0.0}):  # type: ignore[no-untyped-call]
                self._add(summary)
        self.artifact(run.config_path)
        return FOLDER

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Add one point to every curve."""
        self._step = step
        for name, value in values.items():
            self._events.add_scalar(name, value, step)
        self._events.flush()

    def figure(self, step: int, name: str, path: Path) -> None:
        """Add a picture as it is; TensorBoard reads PNG."""
        content = path.read_bytes()
        width, height = struct.unpack(">II", content[_PNG_SIZE])
        image = Summary.Image(encoded_image_string=content, width=width, height=height, colorspace=3)
        summary = Summary(value=[Summary.Value(tag=name, image=image)])
        self._add(summary, step)

    def artifact(self, path: Path) -> None:
        """Show a short text file; TensorBoard keeps no files."""
        if path.suffix not in _TEXTS or path.stat().st_size > MOST_TEXT_BYTES:
            return
        text, language = path.read_text(encoding="utf-8"), _TEXTS[path.suffix]
        shown = text if path.suffix == ".md" else f"```{language}\n{text}\n```"
        self._events.add_text(path.name, shown, self._step)

    def model(self, folder: Path) -> None:
        """Show the model's card; the model itself stays in the run folder."""
        for path in sorted(folder.glob("*.md")):
            self._events.add_text("model", path.read_text(encoding="utf-8"), self._step)

    def end(self, _status: Status) -> None:
        """Close the file."""
        self._events.close()

    def _add(self, summary: Summary, step: int | None = None) -> None:
        """Add what SummaryWriter has no method for."""
        assert self._events.file_writer is not None, "open from the start on"
        self._events.file_writer.add_summary(summary, step)

    @property
    def _events(self) -> SummaryWriter:
        assert self._writer is not None, "start comes first"
        return self._writer


def _shown(value: object) -> bool | int | float | str:
    """A parameter as TensorBoard takes it."""
    return value if isinstance(value, bool | int | float | str) else json.dumps(value)
