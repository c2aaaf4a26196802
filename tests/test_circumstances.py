"""What detections tell beside their pixels, checked against the product that a scene was made as."""

from __future__ import annotations

import csv
import json
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyogrio.raw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfiscan.detections.circumstances import LEAST_SHARE, shared_px, sub_swaths_of
from rfiscan.detections.regions import Detection
from rfiscan.model_files.checkpoint import load_model
from rfiscan.scenes.georeferencing import Georeferencing
from rfiscan.scenes.product import read_product
from rfiscan.scenes.working_grid import WorkingGrid
from rfiscan.sentinel1.burst_ids import burst_id
from rfiscan.sentinel1.bursts import Rectangle
from rfiscan.workflows.detect import DetectOptions, detect_scene
from rfiscan.workflows.detecting.circumstances import acquisition_on, with_circumstances
from rfiscan.workflows.detecting.esa_comparison import Flagged
from tests.flat_model import STRIPE, sea_power, write_scene
from tests.make_rfi import CYCLE_S, Annotated, bursts_of, rfi_xml
from tests.make_scenes import FIRST_LINE_TIME, line_time, make_safe

SHAPE, SPACING_M = (120, 260), 500.0
NODE_TIME, TRACK = FIRST_LINE_TIME - timedelta(seconds=2000.0), 80
EDGES = {"IW1": (0, 86), "IW2": (86, 173), "IW3": (173, 260)}
KEYS = {
    "sub_swaths", "bursts", "azimuth_time_start", "azimuth_time_stop", "incidence_min_deg", "incidence_max_deg",
    "share_of_sub_swath_lines",
    "false_stripes_per_scene", "false_stripes_bound",
}  # fmt: skip
spans = st.tuples(st.integers(0, 20), st.integers(0, 20)).map(sorted)
boxes = st.tuples(st.integers(0, 15), st.integers(0, 15), st.integers(1, 10), st.integers(1, 10))


def product_in(folder, *, orbit=(NODE_TIME, TRACK), rfi=True):
    power = sea_power(SHAPE, stripe_db=6)
    dn = {name: np.sqrt(band).round().astype(np.uint16) for name, band in zip(("VV", "VH"), power, strict=True)}
    bursts = tuple(burst for name in EDGES for burst in bursts_of(name, FIRST_LINE_TIME, 4))
    xml = {"VV": rfi_xml("VV", Annotated(bursts=bursts))} if rfi else None
    return make_safe(folder, shape=SHAPE, spacing_m=SPACING_M, dn=dn, ipf="003.71", orbit=orbit, rfi=xml)


@pytest.fixture(scope="module")
def found(tmp_path_factory, model):
    """The record of a product with a stripe that crosses a seam, and its folder."""
    folder = tmp_path_factory.mktemp("circumstances")
    (folder / "out").mkdir()
    options = DetectOptions(out_dir=folder / "out", formats=("csv", "coco", "gpkg", "fgb"))
    return detect_scene((product_in(folder),), load_model(model), options)


def bursts_in(first_row, stop_row, name):
    """An oracle: the identifiers of the bursts whose time holds the time of a row."""
    found = []
    for number in range(4):
        start = FIRST_LINE_TIME + timedelta(seconds=CYCLE_S * number)
        rows = [row for row in range(first_row, stop_row) if (line_time(row, 500) - start).total_seconds() >= 0]
        if any((line_time(row, 500) - start).total_seconds() < CYCLE_S for row in rows):
            found.append(str(burst_id(name, (start - NODE_TIME).total_seconds(), (TRACK, TRACK))))
    return found


def test_a_stripe_knows_its_sub_swath_bursts_times_and_lines(found):
    stripes = {tuple(detection["sub_swaths"]): detection for detection in found["detections"]}
    assert set(stripes) == {("IW2",), ("IW3",)}
    for (name,), stripe in stripes.items():
        x, y, width, height = stripe["bbox_px"]
        assert EDGES[name][0] - 1 <= x < x + width <= EDGES[name][1] + 1
        assert stripe["bursts"] == bursts_in(y, y + height, name)
        assert stripe["bursts"][0].endswith(name)
        for key, row in (("azimuth_time_start", y), ("azimuth_time_stop", y + height - 1)):
            assert stripe[key].endswith("Z")
            told = datetime.fromisoformat(stripe[key].removesuffix("Z"))
            assert abs(told - line_time(row, 500)) < timedelta(milliseconds=1)
        assert stripe["share_of_sub_swath_lines"] == pytest.approx(height / SHAPE[0])
        assert stripe["false_stripes_per_scene"] is None, "the model is not calibrated for stripes"
        assert abs(y - STRIPE[0].start) <= 2


def test_every_format_tells_the_same(found):
    features = json.loads(Path(found["outputs"]["geojson"]).read_text(encoding="utf-8"))["features"]
    entries = json.loads(Path(found["outputs"]["coco"]).read_text(encoding="utf-8"))["annotations"]
    with Path(found["outputs"]["csv"]).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for record, feature, entry, row in zip(found["detections"], features, entries, rows, strict=True):
        for key in KEYS:
            assert feature["properties"][key] == entry["attributes"][key] == record[key]
        assert row["bursts"] == "+".join(record["bursts"])
        assert row["azimuth_time_stop"] == record["azimuth_time_stop"]
        assert float(row["share_of_sub_swath_lines"]) == record["share_of_sub_swath_lines"]
        assert row["false_stripes_per_scene"] == ""


@pytest.mark.parametrize("name", ["gpkg", "fgb"])
def test_layers_tell_the_same_and_leave_the_unknown_empty(found, name):
    meta, _, _, fields = pyogrio.raw.read(found["outputs"][name])
    columns = dict(zip(meta["fields"], fields, strict=True))
    for index, stripe in enumerate(columns["stripe"]):
        record = found["detections"][stripe - 1]
        assert columns["sub_swaths"][index] == "+".join(record["sub_swaths"])
        assert columns["azimuth_time_start"][index] == record["azimuth_time_start"]
        assert columns["share_of_sub_swath_lines"][index] == record["share_of_sub_swath_lines"]
        assert np.isnan(columns["false_stripes_per_scene"][index])
        assert columns["false_stripes_bound"][index] is None


@pytest.mark.parametrize(("orbit", "rfi"), [(None, True), ((NODE_TIME, TRACK), False)])
def test_bursts_are_unknown_without_their_times_or_the_orbit(tmp_path, model, orbit, rfi):
    (tmp_path / "out").mkdir()
    scene = product_in(tmp_path, orbit=orbit, rfi=rfi)
    record = detect_scene((scene,), load_model(model), DetectOptions(out_dir=tmp_path / "out"))
    for stripe in record["detections"]:
        assert stripe["bursts"] is None
        assert stripe["sub_swaths"] in (["IW2"], ["IW3"])
        assert stripe["azimuth_time_start"] is not None


@pytest.mark.parametrize(("placed_by", "lines"), [("affine", False), ("gcps", True), ("none", True)])
def test_what_no_product_tells_is_null_and_a_map_has_no_lines(tmp_path, model, placed_by, lines):
    (tmp_path / "out").mkdir()
    scene = write_scene(tmp_path / "sea.tif", sea_power(SHAPE, stripe_db=6), placed_by=placed_by)
    record = detect_scene((scene,), load_model(model), DetectOptions(out_dir=tmp_path / "out", spacing_m=500.0))
    assert record["detections"]
    for stripe in record["detections"]:
        assert {key for key in KEYS if stripe[key] is not None} == ({"share_of_sub_swath_lines"} if lines else set())
        if lines:
            assert stripe["share_of_sub_swath_lines"] == pytest.approx(stripe["bbox_px"][3] / SHAPE[0])


@given(box=boxes, rectangle=st.tuples(spans, spans))
def test_shared_pixels_are_those_in_both(box, rectangle):
    rows, cols = rectangle
    grids = np.zeros((2, 40, 40), bool)
    x, y, width, height = box
    grids[0, y : y + height, x : x + width] = True
    grids[1, rows[0] : rows[1], cols[0] : cols[1]] = True
    assert shared_px(box, [Rectangle(*rows, *cols)]) == grids.all(axis=0).sum()


def test_the_sub_swath_with_most_of_a_box_comes_first_and_a_sliver_is_not_named():
    swaths = {
        "IW1": [Rectangle(0, 10, 0, 100)],
        "IW2": [Rectangle(0, 10, 100, 200)],
        "IW3": [Rectangle(0, 10, 200, 300)],
    }
    assert sub_swaths_of((90, 2, 100, 3), swaths) == ("IW2", "IW1")
    assert sub_swaths_of((0, 2, 100 + int(100 * LEAST_SHARE), 3), swaths) == ("IW1",)
    assert sub_swaths_of((90, 20, 100, 3), swaths) == ()


def result_of(image, box_px):
    """A result with one stripe on a working grid of 50 x 50 pixels of an image."""
    shape = tuple(-(-size // 50) for size in image.basic.shape)
    valid = np.ones((2, *shape), bool)
    grid = WorkingGrid(
        power=np.ones((2, *shape), np.float32),
        valid_mask=valid,
        spacing_m=(500.0, 500.0),
        factors=(50, 50),
        georeferencing=Georeferencing(kind="none"),
        swaths=image.basic.swaths,
    )
    stripe = Detection(
        bbox_px=box_px, area_px=1, score=1.0, mean_score=1.0, rank=3.0, polarizations=("VH",), outline_px=(),
        height_km=1.0, width_km=1.0, peak_excess_db=1.0, mean_excess_db=1.0,
    )  # fmt: skip
    flagged = Flagged(rfi_mask=valid[0] & False, valid_mask=valid[0], by_polarization={}, factors=(50, 50))
    return SimpleNamespace(grid=grid, detections=[stripe], request=SimpleNamespace(far=1e-3)), flagged


@pytest.mark.real
def test_a_stripe_in_a_real_product_names_its_sub_swath_and_two_bursts(real_data):
    """Rows 50 to 69 of 0664 are 0.0744 s each, from 20:51:26.996: its second burst of IW3, 4.645 s later, is row 62."""
    product = read_product(next((real_data / "safe").glob("S1A_IW_GRDH_1SDV_20221002T205126*")))
    image = product.images[0]
    result, flagged = result_of(image, (420, 50, 40, 20))
    scene = SimpleNamespace(shape=image.basic.shape)
    acquisition = acquisition_on(flagged, scene, product)
    (found,) = with_circumstances(result, acquisition, {1e-3: {1.0: 1.0, 0.1: 5.0}})
    known = found.circumstances
    assert known.sub_swaths == ("IW3",)
    assert known.bursts == ("046_097684_IW3", "046_097685_IW3")
    assert known.azimuth_time_start == image.first_line_time + timedelta(seconds=2500 * image.line_interval_s)
    (third,) = (swath for swath in image.basic.swaths if swath.name == "IW3")
    lines = third.last_row + 1 - third.first_row
    assert known.share_of_sub_swath_lines == pytest.approx(20 * 50 / lines, rel=0.01)
    assert known.false_stripes_per_scene == pytest.approx(10**-0.5)
    assert acquisition_on(flagged, SimpleNamespace(shape=(7, 7)), product) is None
