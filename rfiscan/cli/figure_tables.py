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
    from rfiscan.workflows.evaluating.figure_text import interval_text, number_text

    table = Table(box=None, pad_edge=False)
    table.add_column("figure")
    for record in records:
        table.add_column(str(record["contender"]), justify="right")
        table.add_column("95 % interval")
    table.add_column("what")
    for name, meaning in meanings.items():
        figures = [record["figures"][name] for record in records]
        if any(figure["value"] is not None for figure in figures):
            cells = [cell for figure in figures for cell in (number_text(figure["value"]), interval_text(figure))]
            table.add_row(name, *cells, meaning)
    return table_text(table, WIDTH)


def table_text(table: Table, width: int) -> str:
    """Lines of a table of at most ``width`` columns, without colour, whatever the terminal."""
    screen = Console(width=width, color_system=None, highlight=False, markup=False, emoji=False)
    with screen.capture() as captured:
        screen.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
