"""Where emitters stand, as people read it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from rfiscan.cli.figure_tables import table_text

WIDTH = 120
MOST_ROWS = 40
LARGEST_ODDS = 1000


def emitter_table(emitters: Sequence[Mapping[str, Any]]) -> str:
    """Lay out emitters, a line each, the best supported first.

    Args:
        emitters: As `rfiscan.workflows.locate.locate_emitters` makes them.

    Returns:
        Lines of text.
    """
    if not emitters:
        return "no emitter is heard by enough passes"
    table = Table(box=None, pad_edge=False)
    for heading in ("emitter", "kind", "lon, lat", "95 % within km", "towards", "asc + desc", "odds", "ambiguous"):
        table.add_column(heading, justify="left" if heading == "kind" else "right", no_wrap=True)
    for row in emitters[:MOST_ROWS]:
        table.add_row(
            str(row["id"]),
            row["kind"],
            f"{row['longitude_deg']:.3f}, {row['latitude_deg']:.3f}",
            f"{row['semi_major_m'] / 1000:.1f} x {row['semi_minor_m'] / 1000:.1f}",
            f"{row['orientation_deg']:.0f} deg",
            f"{row['ascending']} + {row['descending']}",
            _odds(row["log_odds"]),
            "-" if row["kind"] == "line" else "yes" if row["ambiguous"] else "no",
        )
    more = len(emitters) - MOST_ROWS
    return table_text(table, WIDTH) + (f"\nand {more} more" if more > 0 else "")


def _odds(log_odds: float | None) -> str:
    """Likelihood of a place against that of its stripes being something else."""
    if log_odds is None:
        return "-"
    odds = math.exp(min(log_odds, math.log(LARGEST_ODDS) + 1.0))
    return f"over {LARGEST_ODDS}" if odds > LARGEST_ODDS else f"{odds:.0f}"
