"""Which state of the source a model was made by."""

from __future__ import annotations

import subprocess
from pathlib import Path


def source_commit() -> str:
    """Commit of the checkout that rfiscan runs from, ``+`` where files differ from it; empty outside a checkout."""
    folder = Path(__file__).parent
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty=+"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return described.stdout.strip()
