"""STAC items: valid by the specification's own schema, and true to the scene."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import jsonschema
import numpy as np
import pystac
import pytest
import rasterio
from pystac.validation.local_validator import get_local_schema_cache
from referencing import Registry, Resource

from rfiscan.export.rasters import write_cog
from rfiscan.export.stac import Acquisition, stac_item
from rfiscan.export.stac_model import model_item as model_item_of
from rfiscan.export.stac_rasters import raster_fields
from rfiscan.export.vectors import grid_footprint
from rfiscan.model_files.card_file import bundled_models_dir, read_card
from rfiscan.model_files.checkpoint import load_model
from rfiscan.workflows.batch import detect_scenes
from rfiscan.workflows.detect import DetectOptions, detect_scene
from rfiscan.workflows.detecting.catalogue import write_catalogue
from tests.flat_model import save_flat_model, sea_power, write_scene
from tests.make_scenes import FIRST_LINE_TIME, make_safe
from tests.stac_schemas import MODEL, SCENE
from tests.test_export_vectors import curved, degrees

NODE_TIME, TRACK = FIRST_LINE_TIME - timedelta(seconds=2000), 80


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The folder of a run over a product and a scene that is none, and the record of the product."""
    folder = tmp_path_factory.mktemp("stac")
    model = load_model(save_flat_model(folder / "model"))
    safe, bare = make_safe(folder, orbit=(NODE_TIME, TRACK)), write_scene(folder / "bare.tif", sea_power((60, 80)))
    options = DetectOptions(out_dir=folder / "out", spacing_m=60.0, formats=("csv",), geocode="utm")
    outcomes = list(detect_scenes([(safe,), (bare,)], model, options))
    assert [outcome.error for outcome in outcomes] == [None, None]
    return folder / "out", outcomes[0].record


@pytest.fixture(scope="module")
def item(found):
    return json.loads(Path(found[1]["outputs"]["stac"]).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def model_item(found):
    return json.loads(Path(found[1]["outputs"]["stac_model"]).read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", ["item", "model_item"])
def test_the_core_schema_accepts_the_item(kind, request):
    item = request.getfixturevalue(kind)
    schemas = get_local_schema_cache()
    registry = Registry().with_resources([(uri, Resource.from_contents(each)) for uri, each in schemas.items()])
    (uri,) = (uri for uri in schemas if uri.endswith("/item.json"))
    validator = jsonschema.Draft7Validator(schemas[uri], registry=registry)
    validator.validate(item)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**item, "properties": {}})


def test_what_extensions_ask_for_is_there(item):
    jsonschema.validate(item, SCENE)
    names = {uri.split("/")[3] for uri in item["stac_extensions"]}
    assert names == {"sar", "sat", "projection", "raster", "processing", "classification", "file"}
    assert len(item["stac_extensions"]) == len(names)
    properties = item["properties"]
    assert set(properties["sar:polarizations"]) == {"VV", "VH"}
    assert properties["proj:shape"] == [20, 27]
    assert (properties["sat:relative_orbit"], properties["sat:orbit_state"]) == (TRACK, "descending")
    assert properties["sat:anx_datetime"].startswith(NODE_TIME.isoformat())


@pytest.mark.parametrize(
    ("kind", "where", "wrong"),
    [
        ("item", ("properties", "sar:polarizations"), ["VV", "XX"]),
        ("item", ("properties", "sat:made_up"), 1),
        ("item", ("properties", "processing:expression"), {"format": "stac-mlm"}),
        ("item", ("assets", "score", "bands"), []),
        ("item", ("assets", "mask", "classification:classes"), [{"value": "0", "name": "clear"}]),
        ("item", ("assets", "mask_geocoded", "proj:code"), 4326),
        ("model_item", ("properties", "mlm:name"), "7"),
        ("model_item", ("properties", "mlm:input"), [{"name": "tile"}]),
        ("model_item", ("properties", "mlm:hyperparameters"), {}),
        ("model_item", ("assets", "weights", "mlm:artifact_type"), ""),
    ],
)
def test_the_checks_of_extensions_refuse_what_is_wrong(kind, where, wrong, request):
    item = json.loads(json.dumps(request.getfixturevalue(kind)))
    *path, key = where
    target = item
    for part in path:
        target = target[part]
    target[key] = wrong
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(item, SCENE if kind == "item" else MODEL)


def test_bands_tell_what_the_rasters_hold(found, item):
    out, record = found
    rasters = {name: asset for name, asset in item["assets"].items() if asset["type"].startswith("image/tiff")}
    assert len(rasters) == 6
    for asset in rasters.values():
        with rasterio.open(out / asset["href"]) as raster:
            values = raster.read().astype(np.float64)
            assert [band["name"] for band in asset["bands"]] == list(raster.descriptions)
            assert [band["data_type"] for band in asset["bands"]] == list(raster.dtypes)
            on_map = raster.crs is not None and not raster.gcps[0]
            if on_map:
                assert asset["proj:code"] == raster.crs.to_string() == record["geocoded"]["crs"]
                assert asset["proj:shape"] == list(raster.shape)
                assert asset["proj:transform"] == list(raster.transform)[:6]
        for band, plane in zip(asset["bands"], values, strict=True):
            if band["data_type"] == "uint8":
                assert band["nodata"] == 255
                assert "statistics" not in band
                continue
            assert band["nodata"] == "nan"
            assert band.get("unit") == ("dB" if band["name"].startswith("error") else None)
            told = band["statistics"]
            assert told["valid_percent"] == pytest.approx(100 * np.isfinite(plane).mean())
            for key, reduce in (
                ("minimum", np.nanmin),
                ("maximum", np.nanmax),
                ("mean", np.nanmean),
                ("stddev", np.nanstd),
            ):
                assert told[key] == pytest.approx(reduce(plane), rel=1e-4, abs=1e-5)


def test_a_raster_without_a_valid_pixel_has_no_mean(tmp_path):
    path = tmp_path / "empty.tif"
    write_cog(path, np.full((3, 4), np.nan, np.float32), degrees(5, 50), nodata=np.nan, tags={}, band_names=["a"])
    (band,) = raster_fields(path, (500.0, 500.0))["bands"]
    assert band["statistics"] == {"valid_percent": 0.0}


# the model


def test_the_model_is_described_by_its_card(found, model_item):
    jsonschema.validate(model_item, MODEL)
    _, record = found
    properties = model_item["properties"]
    assert {uri.split("/")[3] for uri in model_item["stac_extensions"]} == {
        "mlm",
        "processing",
        "classification",
        "file",
    }
    (entry,) = properties["mlm:input"]
    assert entry["input"]["shape"] == [-1, 2, 340, 500]
    assert entry["bands"] == [band["name"] for band in properties["bands"]]
    assert properties["rfiscan:model_sha256"] == record["model_sha256"]
    assert properties["gsd"] == 500.0
    model = load_model(Path(url2pathname(urlsplit(model_item["assets"]["weights"]["href"]).path)).parent)
    assert model.sha256 == record["model_sha256"]
    assert properties["mlm:total_parameters"] == model.network.parameter_count
    for asset in model_item["assets"].values():
        content = Path(url2pathname(urlsplit(asset["href"]).path)).read_bytes()
        assert asset["file:size"] == len(content)
        assert asset["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("name", ["cae", "mae"])
def test_bundled_models_have_items_with_all_their_outputs(name):
    folder = bundled_models_dir() / name
    card = read_card(folder)
    item = model_item_of(card, folder, "ab" * 32, card.provenance["parameters"], "2.6.0+cpu")
    jsonschema.validate(json.loads(json.dumps(item)), MODEL)
    assert [output["name"] for output in item["properties"]["mlm:output"]] == ["reconstruction", "spread", "log odds"]
    assert item["properties"]["mlm:framework_version"] == "2.6.0"
    assert set(item["assets"]) == {"weights", "evidence", "card", "readme"}


@pytest.mark.parametrize(
    ("name", "expected"), [("mæ: 7/2", "rfiscan m-- 7-2"), ("", "rfiscan model"), ("7", "rfiscan 7")]
)
def test_any_name_of_a_model_makes_an_item(name, expected):
    folder = bundled_models_dir() / "cae"
    item = model_item_of(replace(read_card(folder), name=name), folder, "ab" * 32, 1, "unknown")
    jsonschema.validate(json.loads(json.dumps(item)), MODEL)
    assert item["properties"]["mlm:name"] == expected
    assert "mlm:framework_version" not in item["properties"]


def test_the_scene_refers_to_the_model_and_what_nothing_refers_to_goes(found, item, model_item, tmp_path):
    out, _ = found
    (link,) = item["links"]
    assert link["rel"] == "derived_from"
    assert item["properties"]["processing:expression"]["expression"] == link["href"]
    assert json.loads((out / link["href"]).read_text(encoding="utf-8")) == model_item
    folder = shutil.copytree(out, tmp_path / "out")
    (folder / "model-old-123.stac.json").write_text("{}")
    write_catalogue(folder)
    assert not (folder / "model-old-123.stac.json").exists()
    assert (folder / link["href"]).exists()
    next(folder.glob("S1A*.stac.json")).unlink()
    write_catalogue(folder)
    assert not (folder / link["href"]).exists()
    assert not (folder / "catalog.json").exists()


def test_assets_are_the_files_beside_the_item(found, item):
    out, record = found
    on_map = {"error_geocoded", "score_geocoded", "mask_geocoded"}
    assert {"error", "score", "mask", "geojson", "quicklook", "csv", "record"} | on_map == set(item["assets"])
    for name, asset in item["assets"].items():
        content = (out / asset["href"]).read_bytes()
        assert Path(record["outputs"][name]).name == asset["href"].removeprefix("./")
        if name != "record":
            assert asset["file:size"] == len(content)
            assert asset["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()


def test_the_catalogue_lists_what_has_a_time(found):
    out, _ = found
    catalogue = pystac.Catalog.from_file(str(out / "catalog.json"))
    item, model = catalogue.get_items()
    assert item.datetime is not None
    assert model.properties["mlm:name"] == "rfiscan flat"
    assert not list(out.glob("bare*.stac.json"))


def test_names_of_other_scripts_are_kept_apart_and_found_by_the_catalogue(tmp_path):
    model = load_model(save_flat_model(tmp_path / "model"))
    scenes = [(make_safe(tmp_path, name=f"Szene {letter} 1", orbit=(NODE_TIME, TRACK)),) for letter in "äö"]
    options = DetectOptions(out_dir=tmp_path / "out", spacing_m=60.0, formats=("csv", "coco"))
    outcomes = list(detect_scenes(scenes, model, options))
    assert [outcome.record["scene"] for outcome in outcomes] == ["Szene_ä_1", "Szene_ö_1"]
    catalogue = pystac.Catalog.from_file(tmp_path / "out" / "catalog.json")
    hrefs = [link.href for link in catalogue.get_item_links()]
    assert all(href.isascii() for href in hrefs)
    items = [json.loads((tmp_path / "out" / url2pathname(href)).read_text(encoding="utf-8")) for href in hrefs]
    assert {item["id"] for item in items} == {"Szene_ä_1_rfi", "Szene_ö_1_rfi", items[-1]["id"]}
    for item in items[:2]:
        assert all((tmp_path / "out" / url2pathname(asset["href"])).is_file() for asset in item["assets"].values())


def test_a_catalogue_of_others_stays_as_it_is_and_an_own_one_goes_with_its_items(tmp_path):
    path = tmp_path / "catalog.json"
    for foreign in ('{"type": "Catalog", "id": "mine"}', "[]", "{"):
        path.write_text(foreign)
        (tmp_path / "a.stac.json").write_text("{}")
        write_catalogue(tmp_path)
        assert path.read_text() == foreign
    path.unlink()
    write_catalogue(tmp_path)
    assert "./a.stac.json" in path.read_text()
    (tmp_path / "a.stac.json").unlink()
    write_catalogue(tmp_path)
    assert not path.exists()


def test_an_item_of_an_earlier_run_goes_with_it(found, tmp_path):
    _out, _record = found
    earlier = tmp_path / "out"
    earlier.mkdir()
    (earlier / "bare.stac.json").write_text("{}")
    model = load_model(save_flat_model(tmp_path / "model"))
    bare = write_scene(tmp_path / "bare.tif", sea_power((60, 80)))
    detect_scene((bare,), model, DetectOptions(out_dir=earlier))
    assert not (earlier / "bare.stac.json").exists()


@pytest.mark.parametrize(("georeferencing", "crosses"), [(degrees(5, 50), False), (curved(-179.8), True)])
def test_the_box_is_around_the_footprint(found, georeferencing, crosses):
    _, record = found
    footprint = grid_footprint(georeferencing, (10, 60))
    acquisition = Acquisition(
        start_time=datetime(2022, 10, 2, 20, 51, 26, tzinfo=UTC),
        stop_time=datetime(2022, 10, 2, 20, 51, 56, tzinfo=UTC),
        mission=None,
        mode=None,
        pass_direction=None,
        absolute_orbit=0,
    )
    item = stac_item(record, acquisition, footprint, 4326)
    assert not any(key.startswith("sat:") for key in item["properties"])
    assert not any("/sat/" in uri for uri in item["stac_extensions"])
    west, south, east, north = item["bbox"]
    assert (west > east) == crosses
    polygons = footprint["coordinates"] if footprint["type"] == "MultiPolygon" else [footprint["coordinates"]]
    lons, lats = np.concatenate([np.array(rings[0]) for rings in polygons]).T
    assert (lats.min(), lats.max()) == (south, north)
    assert np.ptp((lons - west) % 360) == pytest.approx((east - west) % 360)
    assert item["properties"]["datetime"] == "2022-10-02T20:51:26.000000Z"
    assert not {"platform", "sar:instrument_mode", "sat:orbit_state"} & set(item["properties"])
