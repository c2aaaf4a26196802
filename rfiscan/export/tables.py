"""Tables as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rfiscan.atomic import write_atomically


def write_table(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write rows as CSV; None, and what a row lacks, becomes an empty field.

    Args:
        path: File to write.
        rows: Values by column; may be empty.
        columns: Their order.

    Raises:
        OutputError: If the file cannot be written.
        ResourceError: If the disk is full.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue().encode())
