from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio.features
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS

from rfiscan.detections.regions import extract_detections, label_regions
from rfiscan.errors import OutputError
from rfiscan.export.antimeridian import signed_area
from rfiscan.export.vectors import footprint, footprints, write_geojson
from rfiscan.scenes.georeferencing import Georeferencing

WGS84 = CRS.from_epsg(4326)
masks = hnp.arrays(bool, st.tuples(st.integers(1, 12), st.integers(2, 16)))
quick = settings(max_examples=60, deadline=None)


def found(mask):
    score = mask.astype(np.float32)
    return extract_detections(
        label_regions(mask)[0], score, np.stack([score, score]), 0.5, np.stack([score] * 2), ("VV", "VH"), (500, 500)
    )


def boxed(height=10, width=60, row=2, col=4, rows=3, cols=50):
    mask = np.zeros((height, width), dtype=bool)
    mask[row : row + rows, col : col + cols] = True
    return found(mask)


def degrees(west, north, step=0.01, *, mirrored=False):
    """A grid in EPSG:4326."""
    transform = Affine(-step if mirrored else step, 0, west, 0, -step, north)
    return Georeferencing(kind="affine", crs=WGS84, transform=transform)


def curved(west):
    """GCPs of a descending pass, mirrored, whose rows are curved on the map."""
    points = [
        GroundControlPoint(
            row=row, col=col, x=(west - 0.01 * col + 179.9) % 360 - 179.9, y=50 - 0.01 * row + 2e-5 * col**2
        )
        for row in (0.0, 5.0, 10.0)
        for col in (0.0, 20.0, 40.0, 60.0)
    ]
    return Georeferencing(kind="gcps", crs=WGS84, gcps=tuple(points))


def polygons(geometry):
    return [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]


def burnt(geometries, georeferencing, shape):
    """The pixels that geometries cover: those within a whole turn of the grid, however they were cut."""
    covered = np.zeros(shape, dtype=int)
    for geometry in geometries:
        for polygon in polygons(geometry):
            hit = np.zeros(shape, dtype=bool)
            for turn in (-360, 0, 360):
                moved = [[(lon + turn, lat) for lon, lat in ring] for ring in polygon]
                drawn = {"type": "Polygon", "coordinates": moved}
                hit |= rasterio.features.rasterize([drawn], shape, transform=georeferencing.transform).astype(bool)
            covered += hit
    return covered


@quick
@given(mask=masks, west=st.sampled_from([12.0, 179.945, 179.95, 179.9, 180.0, -180.0, -180.05]), mirrored=st.booleans())
def test_footprints_cover_exactly_the_mask_and_follow_rfc_7946(mask, west, mirrored):
    if mirrored:
        west = -west
    georeferencing = degrees(west, 51.0, mirrored=mirrored)
    geometries = footprints(found(mask), georeferencing)
    np.testing.assert_array_equal(burnt(geometries, georeferencing, mask.shape), mask)
    for geometry in geometries:
        for exterior, *holes in polygons(geometry):
            assert signed_area(np.array(exterior)) > 0
            assert all(signed_area(np.array(hole)) < 0 for hole in holes)
            for ring in (exterior, *holes):
                lon, lat = np.array(ring).T
                assert ring[0] == ring[-1]
                assert len(ring) >= 4
                assert -180 <= lon.min() <= lon.max() <= 180
                assert np.abs(np.diff(lon)).max() < 180
                assert np.abs(lat).max() <= 90


def test_a_stripe_across_the_antimeridian_is_two_polygons():
    (detection,) = boxed()
    geometry = footprint(detection, degrees(179.7, 10.0))
    assert geometry["type"] == "MultiPolygon"
    west, east = (np.array(polygon[0]) for polygon in geometry["coordinates"])
    assert (west[:, 0].min(), west[:, 0].max()) == (179.74, 180.0)
    assert (east[:, 0].min(), east[:, 0].max()) == (-180.0, -179.76)


def test_a_stripe_that_ends_at_the_antimeridian_is_whole():
    (detection,) = boxed()
    for west in (179.46, 179.96):
        geometry = footprint(detection, degrees(west, 10.0))
        assert geometry["type"] == "Polygon"


@pytest.mark.parametrize("west", [20.0, 180.2])
def test_long_sides_follow_the_ground_control_points(west):
    georeferencing = curved(west)
    (detection,) = boxed()
    geometry = footprint(detection, georeferencing)
    corners = np.vstack([ring for polygon in polygons(geometry) for ring in polygon])
    cols, rows = np.meshgrid(np.arange(4, 55, 10), [2, 5])
    lon, lat = georeferencing.to_lonlat(cols.ravel(), rows.ravel())
    distance = np.hypot(corners[:, 0, None] - lon, corners[:, 1, None] - lat).min(axis=0)
    assert distance.max() < 1e-6
    assert max(len(polygon[0]) for polygon in polygons(geometry)) > 8
    assert geometry["type"] == ("Polygon" if west == 20.0 else "MultiPolygon")


def test_coordinates_have_seven_decimals():
    (detection,) = boxed()
    geometry = footprint(detection, degrees(1 / 3, 10 / 3))
    corners = np.array(geometry["coordinates"][0])
    np.testing.assert_array_equal(corners, corners.round(7))
    assert np.any(corners != corners.round(6))


def test_a_projected_grid_is_written_in_longitude_and_latitude():
    (detection,) = boxed()
    utm = Georeferencing(
        kind="affine", crs=CRS.from_epsg(32631), transform=Affine(500.0, 0.0, 500_000.0, 0.0, -500.0, 0.0)
    )
    corners = np.array(footprint(detection, utm)["coordinates"][0])
    assert corners[:, 0].min() == pytest.approx(3 + 2000 / 111_320 / 0.9996, abs=1e-3)
    assert corners[:, 1].max() == pytest.approx(-1000 / 110_574 / 0.9996, abs=1e-4)


def test_the_file_is_a_plain_feature_collection(tmp_path):
    mask = np.zeros((10, 30), dtype=bool)
    mask[1:3, 2:9] = mask[5:9, 20:28] = True
    detections = found(mask)
    path = tmp_path / "scene_rfi.geojson"
    write_geojson(path, detections, degrees(5, 50), {"scene": "S1A", "far": np.float64(1e-3), "severity": np.nan})
    collection = json.loads(path.read_text(encoding="utf-8"))
    assert set(collection) == {"type", "features"}
    assert [feature["id"] for feature in collection["features"]] == [1, 2]
    for feature, detection in zip(collection["features"], detections, strict=True):
        assert feature["type"] == "Feature"
        assert feature["geometry"] == footprint(detection, degrees(5, 50))
        properties = feature["properties"]
        assert (properties["scene"], properties["far"], properties["severity"]) == ("S1A", 1e-3, None)
        assert properties["bbox_px"] == list(detection.bbox_px)
        assert properties["polarizations"] == ["VV", "VH"]
        assert (properties["height_km"], properties["width_km"]) == (detection.height_km, detection.width_km)


def test_without_georeferencing_the_geometry_is_null_and_the_box_remains(tmp_path):
    path = tmp_path / "scene_rfi.geojson"
    write_geojson(path, boxed(), Georeferencing(), {})
    (feature,) = json.loads(path.read_text(encoding="utf-8"))["features"]
    assert feature["geometry"] is None
    assert feature["properties"]["bbox_px"] == [4, 2, 50, 3]


def test_a_clear_scene_is_an_empty_collection(tmp_path):
    path = tmp_path / "scene_rfi.geojson"
    write_geojson(path, [], degrees(5, 50), {})
    assert json.loads(path.read_text(encoding="utf-8")) == {"type": "FeatureCollection", "features": []}
    assert [file.name for file in tmp_path.iterdir()] == ["scene_rfi.geojson"]


def test_an_unwritable_folder_is_an_output_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        write_geojson(tmp_path / "file" / "a.geojson", [], Georeferencing(), {})


def test_gdal_reads_the_file_as_it_is_meant(tmp_path):
    """The polygons of a real reader, burnt back, are the mask."""
    mask = np.random.default_rng(3).random((40, 50)) < 0.3
    georeferencing = degrees(5, 50)
    path = tmp_path / "a.geojson"
    write_geojson(path, found(mask), georeferencing, {})
    shapes = [feature["geometry"] for feature in json.loads(path.read_text(encoding="utf-8"))["features"]]
    assert all(rasterio.features.is_valid_geom(shape) for shape in shapes)
    drawn = rasterio.features.rasterize(shapes, mask.shape, transform=georeferencing.transform)
    np.testing.assert_array_equal(drawn.astype(bool), mask)
