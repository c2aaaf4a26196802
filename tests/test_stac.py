"""STAC items: valid by the specification's own schema, and true to the scene."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import numpy as np
import pystac
import pytest
from pystac.validation.local_validator import get_local_schema_cache
from referencing import Registry, Resource

from rfiscan.checkpoint import load_model
from rfiscan.export.stac import Acquisition, stac_item
from rfiscan.export.vectors import grid_footprint
from rfiscan.workflows.batch import detect_scenes
from rfiscan.workflows.catalogue import write_catalogue
from rfiscan.workflows.detect import DetectOptions, detect_scene
from tests.flat_model import save_flat_model, sea_power, write_scene
from tests.make_scenes import make_safe
from tests.test_export_vectors import curved, degrees

CLASS_NAME = r"^[0-9A-Za-z_-]+$"


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The folder of a run over a product and a scene that is none, and the record of the product."""
    folder = tmp_path_factory.mktemp("stac")
    model = load_model(save_flat_model(folder / "model"))
    safe, bare = make_safe(folder), write_scene(folder / "bare.tif", sea_power((60, 80)))
    options = DetectOptions(out_dir=folder / "out", spacing_m=60.0, formats=("csv",))
    outcomes = list(detect_scenes([(safe,), (bare,)], model, options))
    assert [outcome.error for outcome in outcomes] == [None, None]
    return folder / "out", outcomes[0].record


@pytest.fixture(scope="module")
def item(found):
    return json.loads(Path(found[1]["outputs"]["stac"]).read_text(encoding="utf-8"))


def test_the_core_schema_accepts_the_item(item):
    schemas = get_local_schema_cache()
    registry = Registry().with_resources([(uri, Resource.from_contents(each)) for uri, each in schemas.items()])
    (uri,) = (uri for uri in schemas if uri.endswith("/item.json"))
    validator = jsonschema.Draft7Validator(schemas[uri], registry=registry)
    validator.validate(item)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**item, "properties": {}})


def test_what_extensions_ask_for_is_there(item):
    properties = item["properties"]
    assert len(item["stac_extensions"]) == len(set(item["stac_extensions"])) == 6
    assert properties["sar:frequency_band"] == "C"
    assert set(properties["sar:polarizations"]) == {"VV", "VH"}
    assert properties["sat:orbit_state"] in {"ascending", "descending"}
    assert properties["proj:shape"] == [20, 27]
    for entry in item["assets"]["mask"]["classification:classes"]:
        jsonschema.validate(entry["name"], {"type": "string", "pattern": CLASS_NAME})
        assert isinstance(entry["value"], int)


def test_assets_are_the_files_beside_the_item(found, item):
    out, record = found
    assert {"error", "score", "mask", "geojson", "quicklook", "csv", "record"} == set(item["assets"])
    for name, asset in item["assets"].items():
        content = (out / asset["href"]).read_bytes()
        assert Path(record["outputs"][name]).name == asset["href"].removeprefix("./")
        if name != "record":
            assert asset["file:size"] == len(content)
            assert asset["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()


def test_the_catalogue_lists_what_has_a_time(found):
    out, _ = found
    catalogue = pystac.Catalog.from_file(str(out / "catalog.json"))
    (item,) = catalogue.get_items()
    assert item.datetime is not None
    assert not list(out.glob("bare*.stac.json"))


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
        absolute_orbit=None,
    )
    item = stac_item(record, acquisition, footprint, 4326)
    west, south, east, north = item["bbox"]
    assert (west > east) == crosses
    polygons = footprint["coordinates"] if footprint["type"] == "MultiPolygon" else [footprint["coordinates"]]
    lons, lats = np.concatenate([np.array(rings[0]) for rings in polygons]).T
    assert (lats.min(), lats.max()) == (south, north)
    assert np.ptp((lons - west) % 360) == pytest.approx((east - west) % 360)
    assert item["properties"]["datetime"] == "2022-10-02T20:51:26.000000Z"
    assert not {"platform", "sar:instrument_mode", "sat:orbit_state"} & set(item["properties"])
