"""Formats of stripes, read back by the libraries that people read them with."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import sys

import numpy as np
import pyogrio.raw
import pytest
from pycocotools.coco import COCO

from rfiscan.cli.detect import Format
from rfiscan.errors import MissingExtraError
from rfiscan.export.vector_files import COLUMNS, FORMATS, LAYER_DRIVERS, require_formats, write_stripes
from rfiscan.export.vectors import footprints
from rfiscan.scenes.georeferencing import Georeferencing
from tests.test_export_vectors import curved, degrees, found, polygons

NOWHERE = Georeferencing(kind="none")
PROPERTIES = {"scene": "harbour", "far": 1e-3}


@pytest.fixture
def stripes():
    mask = np.zeros((10, 60), bool)
    mask[1:4, 2:40], mask[6:9, 20:30] = True, True
    return found(mask)


def write(tmp_path, name, stripes, georeferencing):
    path = tmp_path / f"harbour{FORMATS[name]}"
    write_stripes(path, name, stripes, georeferencing, (10, 60), PROPERTIES)
    return path


def coordinates_in(path):
    """Multipolygons of a layer as nested lists, by GDAL's own way to GeoJSON."""
    meta, _, geometry, fields = pyogrio.raw.read(path)
    target = io.BytesIO()
    pyogrio.raw.write(
        target, geometry, fields, meta["fields"], driver="GeoJSON", geometry_type="MultiPolygon", crs=meta["crs"]
    )
    return [f["geometry"] and f["geometry"]["coordinates"] for f in json.loads(target.getvalue())["features"]]


@pytest.mark.parametrize("name", LAYER_DRIVERS)
@pytest.mark.parametrize("georeferencing", [degrees(5, 50), curved(-179.8)], ids=["affine", "over the antimeridian"])
def test_a_layer_holds_the_outlines_and_figures_of_geojson(name, georeferencing, stripes, tmp_path):
    path = write(tmp_path, name, stripes, georeferencing)
    meta, _, _, fields = pyogrio.raw.read(path)
    assert meta["crs"] == "EPSG:4326"
    columns = dict(zip(meta["fields"], fields, strict=True))
    assert list(columns) == [*COLUMNS, *PROPERTIES]
    order = np.argsort(columns["stripe"])
    assert [columns["area_px"][i] for i in order] == [stripe.area_px for stripe in stripes]
    assert [columns["width_km"][i] for i in order] == pytest.approx([stripe.width_km for stripe in stripes])
    assert set(columns["polarizations"]) == {"VV+VH"}
    assert set(columns["scene"]) == {"harbour"}
    written = coordinates_in(path)
    for i, geometry in zip(order, footprints(stripes, georeferencing), strict=True):
        expected = polygons(geometry)
        assert len(written[i]) == len(expected)
        for rings, others in zip(written[i], expected, strict=True):
            for ring, other in zip(rings, others, strict=True):
                assert np.allclose(ring, other, atol=1e-6)


@pytest.mark.parametrize("name", LAYER_DRIVERS)
def test_a_layer_without_places_keeps_its_figures(name, stripes, tmp_path):
    path = write(tmp_path, name, stripes, NOWHERE)
    meta, _, _, fields = pyogrio.raw.read(path)
    assert sorted(fields[list(meta["fields"]).index("area_px")]) == sorted(stripe.area_px for stripe in stripes)
    assert coordinates_in(path) == [None, None]


@pytest.mark.parametrize("name", FORMATS)
def test_a_scene_without_stripes_has_files_that_can_be_read(name, stripes, tmp_path):
    path = write(tmp_path, name, [], degrees(5, 50))
    if name in LAYER_DRIVERS:
        full = write(tmp_path, name, stripes, degrees(5, 50)).replace(tmp_path / f"full{path.suffix}")
        (bare, *_), (meta, *_) = (pyogrio.raw.read(each) for each in (write(tmp_path, name, [], degrees(5, 50)), full))
        assert bare["fields"].tolist() == meta["fields"].tolist() == [*COLUMNS, *PROPERTIES]
        assert list(bare["dtypes"]) == list(meta["dtypes"]), "layers of all scenes can be put together"
    elif name == "csv":
        assert path.read_text(encoding="utf-8").strip().split(",") == [*COLUMNS, *PROPERTIES]
    else:
        assert json.loads(path.read_text(encoding="utf-8"))["annotations"] == []


def test_a_row_of_csv_is_a_stripe(stripes, tmp_path):
    with write(tmp_path, "csv", stripes, NOWHERE).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["stripe"]) for row in rows] == [1, 2]
    for row, stripe in zip(rows, stripes, strict=True):
        assert tuple(int(row[key]) for key in ("x_px", "y_px", "width_px", "height_px")) == stripe.bbox_px
        assert float(row["rank"]) == stripe.rank
        assert row["polarizations"] == "VV+VH"


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools
def test_coco_reads_boxes_and_outlines(stripes, tmp_path):
    path = write(tmp_path, "coco", stripes, NOWHERE)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(path)
    annotations = coco.loadAnns(coco.getAnnIds())
    assert [tuple(entry["bbox"]) for entry in annotations] == [stripe.bbox_px for stripe in stripes]
    for entry, stripe in zip(annotations, stripes, strict=True):
        assert coco.annToMask(entry).sum() == stripe.area_px
        assert entry["score"] == stripe.rank


def test_a_missing_extra_is_told_before_the_work(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyogrio", None)
    require_formats(["csv", "coco"])
    with pytest.raises(MissingExtraError) as error:
        require_formats(["csv", "gpkg"])
    assert error.value.exit_code == 3
    assert "rfiscan[vector]" in error.value.hint


def test_the_command_knows_all_formats():
    assert set(Format) == set(FORMATS)
