"""What a workflow tells its caller while it runs."""

from __future__ import annotations

from typing import Protocol


class Reporter(Protocol):
    """Receives what a workflow has to say; the console shows it, a library user may ignore it."""

    def begin(self, part: int, parts: int) -> None:
        """Take that one of several parts, such as a scene of a batch, begins; counted from 1."""

    def note(self, text: str) -> None:
        """Take a fact that the user may want to check, such as the units that were recognised."""

    def warn(self, text: str) -> None:
        """Take a fact that makes the result less certain."""

    def progress(self, stage: str, done: int, total: int) -> None:
        """Take how far a stage is.

        Args:
            stage: What is being done, such as "reading"; a new name starts a new stage.
            done: Steps that are done, 0..total.
            total: Steps of the stage.
        """


class SilentReporter:
    """A reporter that keeps everything to itself."""

    def begin(self, part: int, parts: int) -> None:
        """Drop the number."""

    def note(self, text: str) -> None:
        """Drop the note."""

    def warn(self, text: str) -> None:
        """Drop the warning."""

    def progress(self, stage: str, done: int, total: int) -> None:
        """Drop the progress."""


SILENT = SilentReporter()
