"""STAC items as scenes: the assets of the known catalogues, wherever they lie."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rfiscan.errors import SceneError
from rfiscan.locations import gdal_name, locate
from rfiscan.scenes import open_scene
from rfiscan.scenes.finding import find_product
from rfiscan.scenes.product import read_product
from tests.make_calibration import draw_tables
from tests.make_remote import as_cog_safe, list_in_manifest, stac_item
from tests.make_rfi import Annotated, bursts_of, rfi_xml
from tests.make_scenes import FIRST_LINE_TIME, PRODUCT, make_safe

SHAPE = (60, 90)


def make_product(folder, **options):
    rng = np.random.default_rng(5)
    tables = {pol: draw_tables(rng, SHAPE) for pol in ("VV", "VH")}
    rfi = {p: rfi_xml(p, Annotated(bursts=bursts_of("IW1", FIRST_LINE_TIME, 2))) for p in ("VV", "VH")}
    return make_safe(folder, shape=SHAPE, tables=tables, rfi=rfi, ipf="003.71", **options)


def write(path, item):
    path.write_text(json.dumps(item))
    return path


def refused(path):
    with pytest.raises(SceneError) as caught:
        open_scene(path)
    assert caught.value.hint
    return str(caught.value)


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_NO_SIGN_REQUEST", "AWS_ROLE_ARN"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("kind", ["esa", "aws", "cog"])
@pytest.mark.parametrize("hrefs", ["relative", "absolute", "file"])
def test_item_on_disk_is_its_product(tmp_path, kind, hrefs):
    safe = make_product(tmp_path, layout="aws" if kind == "aws" else "esa")
    safe = as_cog_safe(safe) if kind == "cog" else safe
    list_in_manifest(safe)
    before = {"relative": f"{safe.name}", "absolute": str(safe), "file": safe.as_uri()}[hrefs]
    key = "safe_manifest" if kind == "cog" else "safe-manifest"
    item = write(tmp_path / "item.json", stac_item(safe, lambda member: f"{before}/{member}", manifest_key=key))
    with open_scene(item, denoise=True) as found, open_scene(safe, denoise=True) as expected:
        assert found.scene_id == PRODUCT
        assert found.sources == (str(item),)
        assert not found.remote
        for fact in ("polarizations", "shape", "units", "spacing_m", "swaths", "denoised"):
            assert getattr(found, fact) == getattr(expected, fact)
        for a, b in zip(found.read_rows(0, SHAPE[0]), expected.read_rows(0, SHAPE[0]), strict=True):
            np.testing.assert_array_equal(a, b)
    product = read_product(item)
    assert product.rfi == read_product(safe).rfi  # no catalogue lists it: found beside the measurements
    assert len(product.rfi) == 2
    assert product.ipf_version == "3.71"


def test_item_whose_product_annotation_is_another_file(tmp_path):
    """Seen in the Planetary Computer: `schema-product-vv` is annotation/rfi/rfi-iw-vv.xml."""
    safe = make_product(tmp_path, layout="aws")
    item = stac_item(safe, lambda member: f"{safe.name}/{member}")
    for pol in ("vv", "vh"):
        item["assets"][f"schema-product-{pol}"]["href"] = f"{safe.name}/annotation/rfi/rfi-iw-{pol}.xml"
    path = write(tmp_path / "item.json", item)
    with open_scene(path) as found, open_scene(safe) as expected:
        assert found.swaths == expected.swaths
        assert found.spacing_m == expected.spacing_m
    assert read_product(path).rfi == read_product(safe).rfi


def test_files_of_other_names_are_known_by_their_keys(tmp_path):
    safe = make_product(tmp_path)
    item = stac_item(safe, lambda member: f"{safe.name}/{member}")
    for number, asset in enumerate(item["assets"].values()):
        source = tmp_path / asset["href"]
        if source.suffix in {".xml", ".tiff"}:
            source.rename(tmp_path / f"file{number}{source.suffix}")
            asset["href"] = f"file{number}{source.suffix}"
    with open_scene(write(tmp_path / "item.json", item), denoise=True) as scene:
        assert scene.polarizations == ("VV", "VH")
        assert len(scene.swaths) == 3
        assert scene.read_rows(0, 10)[1].all()


S3 = "s3://eodata/Sentinel-1/SAR/X_COG.SAFE"
WEB = "https://download.example/odata/v1/Products(1)/Nodes(X_COG.SAFE)/Nodes(measurement)/Nodes(iw-vv-cog.tiff)/$value"


@pytest.mark.parametrize(
    ("variable", "chosen"),
    [
        (None, f"/vsicurl/{WEB}"),
        ("AWS_ACCESS_KEY_ID", "/vsis3/eodata/Sentinel-1/SAR/X_COG.SAFE/measurement/iw-vv-cog.tiff"),
    ],
)
@pytest.mark.parametrize("primary", ["s3", "web"])
def test_alternates_go_by_the_credentials(tmp_path, monkeypatch, variable, chosen, primary):
    if variable:
        monkeypatch.setenv(variable, "x")
    own, other = (
        (f"{S3}/measurement/iw-vv-cog.tiff", WEB) if primary == "s3" else (WEB, f"{S3}/measurement/iw-vv-cog.tiff")
    )
    item = {
        "type": "Feature", "stac_version": "1.1.0", "id": f"{PRODUCT}_COG", "properties": {"product:type": "S1_GRD"},
        "assets": {"vv": {"href": own, "alternate": {"other": {"href": other}}}},
    }  # fmt: skip
    files = find_product(write(tmp_path / "item.json", item))
    assert files.gdal_name("measurement/iw-vv-cog.tiff") == chosen
    assert files.name == f"{PRODUCT}_COG"


def test_href_from_the_root_of_the_server(tmp_path):
    file = locate("https://h/a/b/item.json?s=1")
    assert gdal_name(file.at_root("/c/x.tiff")) == "/vsicurl/https://h/c/x.tiff?s=1"
    assert gdal_name(locate("s3://b/a/item.json").at_root("/c/x.tiff")) == "/vsis3/b/c/x.tiff"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"properties": {"sar:product_type": "RTC"}}, "type RTC, not of a GRD"),
        ({"properties": {"product:type": "IW_SLC__1S"}}, "type IW_SLC__1S, not of a GRD"),
        ({"properties": {}, "id": "S1A_IW_SLC__1SDV_2024"}, "not of a GRD"),
        ({"assets": {}}, "no asset that is a TIFF of VV, VH, HH or HV: it has none"),
        ({"assets": {"visual": {"href": "x.tif"}}}, "it has visual"),
        ({"type": "FeatureCollection", "features": [1, 2]}, "collection of 2 features"),
        ({"type": "Collection"}, "STAC collection, not an item"),
        ({"stac_version": None, "type": "Polygon"}, "no STAC item"),
        ({"assets": None}, "no whole STAC item"),
    ],
)
def test_items_of_something_else(tmp_path, change, words):
    item = {**stac_item(make_product(tmp_path), lambda member: f"{PRODUCT}.SAFE/{member}"), **change}
    assert words in refused(write(tmp_path / "item.json", item))


def test_item_that_does_not_tell_its_type_goes_by_its_name(tmp_path):
    item = stac_item(make_product(tmp_path), lambda member: f"{PRODUCT}.SAFE/{member}")
    del item["properties"]["sar:product_type"]
    assert open_scene(write(tmp_path / "item.json", item)).polarizations == ("VV", "VH")


def test_item_whose_files_are_gone(tmp_path):
    safe = make_product(tmp_path)
    item = write(tmp_path / "item.json", stac_item(safe, lambda member: f"gone/{member}"))
    assert "gone" in refused(item)


def test_changed_item_is_read_anew(tmp_path):
    safe = make_product(tmp_path)
    item = stac_item(safe, lambda member: f"{safe.name}/{member}")
    path = write(tmp_path / "item.json", item)
    assert open_scene(path).polarizations == ("VV", "VH")
    del item["assets"]["vh"]
    write(path, item)
    assert open_scene(path).polarizations == ("VV", None)
