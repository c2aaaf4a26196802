"""A reporter that keeps what it is warned of."""

from __future__ import annotations

from rfiscan.workflows.reporting import SilentReporter


class Told(SilentReporter):
    """Silent but for its memory."""

    def __init__(self):
        self.warnings = []

    def warn(self, text):
        self.warnings.append(text)
