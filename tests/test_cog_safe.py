"""COG_SAFE: the same scene as the product it was made from, to the last bit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio

from rfiscan.__main__ import main
from rfiscan.scenes import open_scene
from rfiscan.scenes.product import read_product
from rfiscan.workflows.grouping import group_scenes
from tests.make_calibration import draw_tables
from tests.make_remote import as_cog_safe
from tests.make_rfi import Annotated, bursts_of, rfi_xml
from tests.make_scenes import FIRST_LINE_TIME, PRODUCT, make_safe, zip_safe

SHAPE = (300, 400)


@pytest.fixture(scope="module")
def products(tmp_path_factory):
    """A product with everything in it, and the COG_SAFE made from it."""
    rng = np.random.default_rng(3)
    tables = {pol: draw_tables(rng, SHAPE) for pol in ("VV", "VH")}
    rfi = {"VV": rfi_xml("VV", Annotated(bursts=bursts_of("IW1", FIRST_LINE_TIME, 2)))}
    folder = tmp_path_factory.mktemp("products")
    safe = make_safe(folder, shape=SHAPE, border_px=7, tables=tables, ipf="003.71", rfi=rfi)
    return safe, as_cog_safe(safe)


def test_it_is_stored_as_the_data_space_does(products):
    paths = sorted((products[1] / "measurement").iterdir())
    assert [path.name[-13:] for path in paths] == ["-002-cog.tiff", "-001-cog.tiff"]
    with rasterio.open(paths[0]) as cog:
        assert cog.block_shapes == [(128, 128)]
        assert cog.nodata == 0
        assert cog.overviews(1)


@pytest.mark.parametrize(
    "options", [{}, {"calibrate": True}, {"calibrate": True, "denoise": True}], ids=["dn", "calibrated", "denoised"]
)
def test_same_pixels_and_facts(products, options):
    with open_scene(products[0], **options) as plain, open_scene(products[1], **options) as cog:
        assert (plain.scene_id, cog.scene_id) == (PRODUCT, f"{PRODUCT}_COG")
        for fact in ("mode", "polarizations", "shape", "units", "spacing_m", "swaths", "denoised", "warnings"):
            assert getattr(cog, fact) == getattr(plain, fact)
        assert cog.mode == "IW"
        assert cog.georeferencing.kind == "gcps"
        for found, expected in zip(cog.read_rows(0, SHAPE[0]), plain.read_rows(0, SHAPE[0]), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_zip_and_metadata(products):
    cog = products[1]
    assert open_scene(zip_safe(cog)).scene_id == f"{PRODUCT}_COG"
    product, plain = read_product(cog), read_product(products[0])
    assert product.resolution == plain.resolution == "H"
    assert [image.start_time for image in product.images] == [image.start_time for image in plain.images]
    assert [image.basic.polarization for image in product.images] == ["VV", "VH"]
    assert product.rfi == plain.rfi
    assert product.ipf_version == "3.71"


def test_its_tiffs_alone_are_one_scene(products):
    paths = sorted((products[1] / "measurement").iterdir())
    assert group_scenes(paths) == [tuple(reversed(paths))]
    with open_scene(*paths) as scene:
        assert scene.polarizations == ("VV", "VH")
        assert scene.scene_id.endswith("06543f-cog")
        assert "vv" not in scene.scene_id


def test_detect_finds_the_same_in_both(products, model, tmp_path):
    records = {}
    for safe in products:
        out = tmp_path / safe.name
        args = [str(safe), "--model", model, "--calibrate", "--spacing", "native", "-o", str(out), "--quiet"]
        assert main(["detect", *args]) == 0
        records[safe] = json.loads((out / f"{safe.stem}.json").read_text())
    plain, cog = (records[safe] for safe in products)
    changed = {"scene", "sources", "input_state", "outputs", "timings_s", "peak_rss_mb"}
    assert {k: v for k, v in cog.items() if k not in changed} == {k: v for k, v in plain.items() if k not in changed}
    with rasterio.open(plain["outputs"]["score"]) as a, rasterio.open(cog["outputs"]["score"]) as b:
        np.testing.assert_array_equal(a.read(), b.read())
    assert Path(cog["outputs"]["error"]).name == f"{PRODUCT}_COG_error.tif"
