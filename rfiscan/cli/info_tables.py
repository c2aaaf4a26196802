"""The record of `info` as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

from rfiscan.cli.figure_tables import table_text

WIDTH = 120
_MOST_BURSTS = 12
_GEOREFERENCING = {"affine": "map-projected", "gcps": "ground control points", "none": "none"}


def info_table(record: Mapping[str, Any]) -> str:
    """Lay out what is known of a scene, a line each.

    Args:
        record: As `rfiscan.workflows.info.describe_scene` makes it.

    Returns:
        Lines of text.
    """
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column("what", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_row("scene", record["scene"])
    for rows in (_product_rows(record), _image_rows(record), _verdict_rows(record), _fit_rows(record)):
        for label, value in rows:
            table.add_row(label, value)
    return table_text(table, WIDTH)


def _product_rows(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    product = record["product"]
    if product is None:
        return
    kind = " ".join(filter(None, (product.get("mission"), product.get("mode"), product.get("type"))))
    resolution = product["resolution"]
    yield "product", kind + (f", resolution {resolution}" if resolution else "")
    if product.get("start_time") and product.get("stop_time"):
        yield "sensed", f"{_time(product['start_time'])} to {_time(product['stop_time'])} UTC"
    if product.get("pass"):
        orbit = product.get("absolute_orbit")
        yield "pass", product["pass"].lower() + ("" if orbit is None else f", orbit {orbit}")
    yield "IPF", product["ipf_version"] or "unknown: the manifest does not tell it"
    measurements = record["measurements"]
    if measurements["state"] == "absent":
        yield "measurements", f"absent: {measurements['reason']}; what follows is told by the annotation"
    elif measurements["state"] == "unreadable":
        yield "measurements", f"cannot be read: {measurements['reason']}; what follows is told by the annotation"


def _image_rows(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "polarizations", "+".join(record["polarizations"]) or "unknown"
    if record["shape"] is None:
        return
    from rfiscan.workflows.detecting.fitting import spacing_text

    assumed = "" if record["spacing_known"] else ", assumed: nothing tells it"
    yield "size", f"{record['shape'][0]} x {record['shape'][1]} pixels"
    yield "spacing", spacing_text(record["spacing_m"]) + assumed
    yield "units", record["units"]
    yield "georeferencing", _GEOREFERENCING[record["georeferencing"]]
    if record["corners_lonlat"] is not None:
        yield "corners", "  ".join(f"{lon:.3f},{lat:.3f}" for lon, lat in record["corners_lonlat"]) + "  (lon,lat)"
    if record["sub_swaths"]:
        named = (f"{swath['name']} {swath['cols'][0]}-{swath['cols'][1]}" for swath in record["sub_swaths"])
        yield "sub-swaths", ", ".join(named) + "  (columns)"
    nodata = record["nodata"]
    if nodata is not None:
        how = f"  (estimated from {nodata['rows_read']} rows)" if nodata["estimate"] else ""
        yield "nodata", f"{100 * nodata['share']:.1f} %{how}"


def _verdict_rows(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    esa = record["esa_rfi"]
    if esa is None:
        yield "ESA on RFI", f"unknown: {record['esa_rfi_reason']}"
        return
    for name, said in esa["polarizations"].items():
        noise = f"interference in {said['noise_reports_with_rfi']} of {said['noise_reports']} noise measurements"
        taken_out = "nothing taken out" if said["mitigation"] in {None, "None"} else f"mitigated: {said['mitigation']}"
        yield f"ESA on RFI, {name}", f"{noise}; {taken_out}"
    found = [burst for burst in esa["bursts"] if burst["esa_found"]]
    if not found:
        yield "ESA's bursts", f"none of {len(esa['bursts'])} with interference"
        return
    named = [f"{burst['sub_swath']} #{burst['burst']} ({_grounds(burst)})" for burst in found[:_MOST_BURSTS]]
    more = f"; and {len(found) - _MOST_BURSTS} more" if len(found) > _MOST_BURSTS else ""
    yield "ESA's bursts", f"{len(found)} of {len(esa['bursts'])} with interference: {'; '.join(named)}{more}"


def _grounds(burst: Mapping[str, Any]) -> str:
    """Say on which grounds, and in which polarizations: "noise VV+VH, time VH"."""
    said: dict[str, list[str]] = {}
    for name, grounds in burst["esa_grounds"].items():
        for ground in grounds:
            said.setdefault(ground, []).append(name)
    return ", ".join(f"{ground} {'+'.join(names)}" for ground, names in said.items())


def _fit_rows(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    fit = record["fit"]
    if fit is not None:
        yield f"model {fit['model']}", f"{'fits' if fit['fits'] else 'does not fit'}: {fit['reason']}"


def _time(text: str) -> str:
    return text[:19].replace("T", " ")
