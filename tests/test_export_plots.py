"""Plots of curves: whole pictures, whatever the data hold; and the table of figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import rasterio

from rfiscan.cli.figure_tables import figure_table
from rfiscan.errors import OutputError
from rfiscan.export.plots import DPI, PANEL_INCHES, Curve, Panel, write_plot

LINE = Curve(label="it", x=[1e-3, 1e-2, 1e-1], value=[0.1, 0.5, 0.9], low=[0.05, 0.4, 0.8], high=[0.2, 0.6, 1.0])
NAN = [float("nan")] * 3
PANEL = Panel(title="t", x_label="x", y_label="y", curves=[LINE])


def picture(path):
    with rasterio.open(path) as raster:
        return raster.read()[:3]


@pytest.mark.parametrize(
    "panel",
    [
        PANEL,
        replace(PANEL, curves=[LINE, replace(LINE, label="other")], markers=True),
        replace(PANEL, log=True, markers=True, diagonal="equal"),
        replace(PANEL, log=True, curves=[replace(LINE, value=[0.0, 0.0, 0.1], low=[0.0] * 3)]),
        replace(PANEL, curves=[replace(LINE, low=NAN, high=NAN)], markers=True, x_limits=(0, 1), y_limits=(0, 1)),
        replace(PANEL, curves=[Curve(label="a point", x=[1.0], value=[0.5], low=[0.4], high=[0.6])], markers=True),
    ],
    ids=["bands", "bars", "log", "zeros", "no intervals", "one point"],
)
def test_a_plot_shows_its_curves(panel, tmp_path):
    write_plot(tmp_path / "plot.png", [panel, PANEL])
    write_plot(tmp_path / "empty.png", [replace(panel, curves=[replace(LINE, value=NAN)]), PANEL])
    drawn = picture(tmp_path / "plot.png")
    width, height = (round(inches * DPI) for inches in PANEL_INCHES)
    assert drawn.shape == (3, height, 2 * width)
    coloured = np.ptp(drawn.astype(int), axis=0) > 60
    assert coloured[:, :width].sum() > 100
    assert not (np.ptp(picture(tmp_path / "empty.png").astype(int), axis=0) > 60)[:, :width].any()


def test_equal_data_give_equal_files(tmp_path):
    for name in ("one.png", "other.png"):
        write_plot(tmp_path / name, [PANEL])
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "other.png").read_bytes()


def test_a_plot_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"plot\.png"):
        write_plot(tmp_path / "file" / "plot.png", [PANEL])


def test_a_table_holds_what_any_contender_has():
    def record(name, **values):
        figures = {key: {"value": values.get(key), "low": values.get(key), "high": None} for key in ("a", "b", "c")}
        return {"contender": name, "figures": figures}

    text = figure_table([record("one", a=0.12345), record("two", a=0.0004, c=1.0)], {"a": "first", "b": "", "c": "z"})
    heading, first, last = text.splitlines()
    assert heading.split()[:3] == ["figure", "one", "95"]
    assert first.split() == ["a", "0.123", "4.0e-04", "first"]
    assert last.split() == ["c", "-", "1.000", "z"]


def test_a_table_shows_intervals():
    text = figure_table([{"contender": "it", "figures": {"a": {"value": 0.5, "low": 0.25, "high": 0.75}}}], {"a": "x"})
    assert "[0.250, 0.750]" in text
