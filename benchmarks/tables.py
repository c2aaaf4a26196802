"""Tables of a measurement, where they go, and the options that say so."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"


def product_parser(described: str | None, record: str, page: str) -> argparse.ArgumentParser:
    """Options of a measurement on one product.

    Args:
        described: What is measured.
        record: Name of the JSON file under docs.
        page: Name of the page there.
    """
    parser = argparse.ArgumentParser(description=described, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("product", type=Path, help="SAFE folder of a GRD product")
    parser.add_argument("--rounds", type=int, default=3, help="runs of which medians are taken")
    parser.add_argument("--json", type=Path, default=DOCS / record)
    parser.add_argument("--page", type=Path, default=DOCS / page, help="its table is replaced")
    return parser


def tables_of(record: dict[str, Any]) -> str:
    """Lay out a record of `benchmarks.speed` in Markdown."""
    machine, ceilings = record["machine"], record["ceilings"]
    versions = ", ".join(
        f"{name} {machine[name]}" for name in ("torch", "openvino", "onnxruntime", "python") if machine[name]
    )
    lines = [
        f"{machine['cpu']}, {machine['threads']} of {machine['cores']} cores, load {machine['load']:g}; {versions}; "
        f"medians of {record['rounds']} rounds.",
        "",
        "| ceiling | rate |",
        "| --- | ---: |",
        *(f"| {name} | {entry['rate']:g} {entry['unit']} |" for name, entry in ceilings.items()),
        "",
        "| model | tiles together | runtime | tiles/s | over eager float32 | share of conv3x3 of its precision |",
        "| --- | ---: | --- | ---: | ---: | ---: |",
        *(_run_row(run) for run in record["runs"]),
    ]
    if record.get("startup"):
        lines += [
            "",
            "| `rfiscan detect` on one quick-look | on the wall | of the processor | networks |",
            "| --- | ---: | ---: | ---: |",
            *(
                f"| `--backend {run['backend']}` | {run['wall_s']:.2f} s | {run['cpu_s']:.2f} s "
                f"| {run['networks_s']:.2f} s |"
                for run in record["startup"]
            ),
        ]
    return "\n".join(lines)


def put_tables(page: Path, tables: str, name: str = "measured") -> None:
    """Replace what stands between the marks of that name on a page.

    Raises:
        ValueError: If the page lacks them.
    """
    start, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    text = page.read_text(encoding="utf-8")
    if start not in text or end not in text:
        raise ValueError(f"{page} lacks the marks {start} and {end}")
    before, rest = text.split(start, 1)
    after = rest.split(end, 1)[1]
    page.write_text(f"{before}{start}\n{tables}\n{end}{after}", encoding="utf-8")


def _run_row(run: dict[str, Any]) -> str:
    low, high = run["speed_up_quartiles"]
    return (
        f"| {run['model']} | {run['batch']} | {run['runtime']} | {run['tiles_per_s']:.2f} "
        f"| {run['speed_up']:.2f} [{low:.2f}, {high:.2f}] | {100 * run['ceiling_share']:.0f} % |"
    )
