"""Tables of figures with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

WIDTH = 160


def figure_table(records: Sequence[Mapping[str, Any]], meanings: Mapping[str, str]) -> str:
    """Lay out the figures of contenders side by side, one row a figure; what no contender has is left out.

    Args:
        records: As `evaluation_record` makes them.
        meanings: Figure -> what it is; the order of the rows.

    Returns:
        Lines of text.
    """
    table = Table(box=None, pad_edge=False)
    table.add_column("figure")
    for record in records:
        table.add_column(str(record["contender"]), justify="right")
        table.add_column("95 % interval")
    table.add_column("what")
    for name, meaning in meanings.items():
        figures = [record["figures"][name] for record in records]
        if any(figure["value"] is not None for figure in figures):
            cells = [cell for figure in figures for cell in (_number(figure["value"]), _interval(figure))]
            table.add_row(name, *cells, meaning)
    return _as_text(table)


def _interval(figure: Mapping[str, float | None]) -> str:
    if figure["low"] is None or figure["high"] is None:
        return ""
    return f"{_number(figure['low'])} to {_number(figure['high'])}"


def _number(value: float | None) -> str:
    """Three decimals; small shares with two digits that count."""
    if value is None:
        return "-"
    return f"{value:.3f}" if abs(value) >= 0.01 or value == 0 else f"{value:.1e}"


def _as_text(table: Table) -> str:
    screen = Console(width=WIDTH, color_system=None, highlight=False, markup=False, emoji=False)
    with screen.capture() as captured:
        screen.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
