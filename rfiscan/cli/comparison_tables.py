"""Tables of a comparison: a column a contender."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from rfiscan.cli.figure_tables import table_text

WIDTH = 200  # seven contenders side by side
MOST_ON_ONE_LINE = 3
"""With more contenders, intervals stand under the values."""


def comparison_table(record: Mapping[str, Any]) -> str:
    """Lay out the main figures with their intervals, the costs, and what they come to.

    Args:
        record: As `rfiscan.workflows.compare.compare` makes it.

    Returns:
        Lines of text.
    """
    from rfiscan.workflows.evaluating.comparison_outputs import cost_rows, explain_mark, shown_figures

    contenders = record["contenders"]
    between = "\n" if len(contenders) > MOST_ON_ONE_LINE else " "
    table = Table(box=None, pad_edge=False)
    table.add_column("figure")
    for entry in contenders:
        table.add_column(entry["name"] if entry["learned"] else f"{entry['name']} (baseline)", justify="right")
    for name in shown_figures(record):
        table.add_row(name, *(_cell(entry, name, between) for entry in contenders))
    for label, values in cost_rows(contenders):
        table.add_row(label, *values)
    lines = [table_text(table, WIDTH), ""]
    if any(entry["unbeaten_baselines"] for entry in contenders):
        lines += [explain_mark(), ""]
    return "\n".join([*lines, *record["verdicts"]]).rstrip()


def _cell(entry: Mapping[str, Any], name: str, between: str) -> str:
    from rfiscan.workflows.evaluating.comparison_outputs import UNBEATEN_MARK
    from rfiscan.workflows.evaluating.figure_text import interval_text, number_text

    figure = entry["figures"][name]
    mark = UNBEATEN_MARK if name in entry["unbeaten_baselines"] else ""
    return f"{number_text(figure['value'])}{mark}{between}{interval_text(figure)}".rstrip()
