"""The files that `compare` leaves: record, CSV, Markdown and the picture of a few scenes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rfiscan.atomic import remove_earlier, write_atomically
from rfiscan.export.comparison_grid import GridScene, write_grid
from rfiscan.export.records import write_record
from rfiscan.export.tables import write_table
from rfiscan.workflows.evaluating.figure_text import interval_text, number_text
from rfiscan.workflows.evaluating.standings import LOWER_IS_BETTER, MAIN_FIGURES, UNJUDGED

UNBEATEN_MARK = "†"


def write_comparison(record: dict[str, Any], scenes: Sequence[GridScene], out_dir: Path) -> dict[str, Any]:
    """Write all outputs; the record comes last, so that its presence means that all is there.

    Args:
        record: What was found out; see `rfiscan.workflows.compare.compare`.
        scenes: What to draw; none leaves the picture out.
        out_dir: Folder of the outputs, made if absent.

    Returns:
        The record with the absolute paths of its outputs.

    Raises:
        OutputError: If a file cannot be written.
        ResourceError: If the disk is full.
    """
    outputs = {
        "record": out_dir / "comparison.json",
        "figures": out_dir / "comparison.csv",
        "table": out_dir / "comparison.md",
    }
    stale = [*outputs.values(), out_dir / "grid.png"]
    if scenes:
        outputs["grid"] = out_dir / "grid.png"
    record = {**record, "outputs": {name: str(path.absolute()) for name, path in outputs.items()}}
    for path in stale:
        remove_earlier(path)
    rows = _rows(record)
    write_table(outputs["figures"], rows, list(rows[0]))
    write_atomically(outputs["table"], markdown(record).encode())
    if scenes:
        write_grid(outputs["grid"], scenes)
    write_record(outputs["record"], record)
    return record


def markdown(record: Mapping[str, Any]) -> str:
    """Lay out the main figures and the costs as a Markdown table, a column a contender, the best value in bold."""
    contenders = record["contenders"]
    names = [entry["name"] for entry in contenders]
    lines = [
        "| figure (95 % interval) | " + " | ".join(names) + " |",
        "|---|" + "---:|" * len(names),
        *(_markdown_row(name, record) for name in shown_figures(record)),
        *(f"| {label} | " + " | ".join(values) + " |" for label, values in cost_rows(contenders)),
        "",
        f"{record['scenes']} scenes ({record['clean_scenes']} without interference, {record['stripes']} visible "
        f"stripes), masks at a false-alarm rate of {record['far']:g}, {record['replicates']} bootstrap replicates over "
        f"scenes, seed {record['seed']}, rfiscan {record['version']}. Speed and memory on {record['machine']['cores']} "
        f"cores, {record['machine']['torch_threads']} threads.",
    ]
    if any(entry["unbeaten_baselines"] for entry in contenders):
        lines += ["", explain_mark()]
    if record["verdicts"]:
        lines += ["", *(f"- {verdict}" for verdict in record["verdicts"])]
    return "\n".join(lines) + "\n"


def explain_mark() -> str:
    """Say what `UNBEATEN_MARK` means."""
    return (
        f"{UNBEATEN_MARK} not better than at least one classical baseline: the 95 % interval of the paired difference "
        "does not lie wholly on the better side of 0."
    )


def shown_figures(record: Mapping[str, Any]) -> list[str]:
    """Main figures that at least one contender has."""
    contenders = record["contenders"]
    return [n for n in MAIN_FIGURES if any(entry["figures"][n]["value"] is not None for entry in contenders)]


def best_names(contenders: Sequence[Mapping[str, Any]], name: str) -> list[str]:
    """Contenders with the best value of a figure; none where more is neither better nor worse."""
    values = {entry["name"]: entry["figures"][name]["value"] for entry in contenders}
    known = {contender: value for contender, value in values.items() if value is not None}
    if name in UNJUDGED or not known:
        return []
    best = min(known.values()) if name in LOWER_IS_BETTER else max(known.values())
    return [contender for contender, value in known.items() if value == best]


def cost_rows(contenders: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """Label and a text for each contender, for each cost; none if costs were not measured."""
    if any(entry["cost"] is None for entry in contenders):
        return []
    costs = [entry["cost"] for entry in contenders]
    return [
        ("parameters", [f"{cost['parameters']:,}" for cost in costs]),
        ("GFLOP a tile", [_scaled(cost["flops_per_tile"], 1e9, ".2f") for cost in costs]),
        ("tiles a second", [f"{cost['tiles_per_s']:.2g}" for cost in costs]),
        ("peak memory, MB", [_scaled(cost["peak_rss_mb"], 1, ".0f") for cost in costs]),
        ("size, MB", [_scaled(cost["size_bytes"], 1e6, ".2f") for cost in costs]),
    ]


def _markdown_row(name: str, record: Mapping[str, Any]) -> str:
    cells, leaders = [], best_names(record["contenders"], name)
    for entry in record["contenders"]:
        figure = entry["figures"][name]
        text = number_text(figure["value"])
        if entry["name"] in leaders:
            text = f"**{text}**"
        mark = UNBEATEN_MARK if name in entry["unbeaten_baselines"] else ""
        cells.append(f"{text}{mark} {interval_text(figure)}".strip())
    return f"| `{name}` | " + " | ".join(cells) + " |"


def _scaled(value: float | None, unit: float, spec: str) -> str:
    return "-" if value is None else format(value / unit, spec)


def _rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row for each contender and figure, with the difference to the first-ranked contender."""
    rows = []
    for entry in record["contenders"]:
        for name, figure in entry["figures"].items():
            difference = entry["difference_to_first"].get(name, {})
            rows.append(
                {
                    "contender": entry["name"],
                    "learned": entry["learned"],
                    "figure": name,
                    **figure,
                    **{f"difference_{key}": difference.get(key) for key in ("value", "low", "high", "p")},
                    "unbeaten_baselines": " ".join(entry["unbeaten_baselines"].get(name, ())),
                }
            )
    return rows
