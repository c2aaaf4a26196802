from __future__ import annotations

import os
import warnings
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rio_cogeo.cogeo import cog_validate

from rfiscan.errors import OutputError
from rfiscan.export.rasters import (
    MASK_CLEAR,
    MASK_COLORMAP,
    MASK_NODATA,
    MASK_RFI,
    mask_codes,
    write_cog,
    write_geotiff,
)
from rfiscan.scenes.georeferencing import Georeferencing, earth_centred

AFFINE = Georeferencing(
    kind="affine", crs=CRS.from_epsg(32631), transform=Affine(500.0, 0.0, 620_000.0, 0.0, -500.0, 4_800_000.0)
)
GCPS = Georeferencing(
    kind="gcps",
    crs=CRS.from_epsg(4326),
    gcps=tuple(
        GroundControlPoint(row=row, col=col, x=12 + 0.01 * col + 0.001 * row, y=55 - 0.005 * row, z=30.0)
        for row in (0.0, 20.25, 40.5)
        for col in (0.0, 25.3, 50.6)
    ),
)
NONE = Georeferencing()
AFFINE_WITHOUT_CRS = replace(AFFINE, crs=None)
GCPS_WITHOUT_CRS = replace(GCPS, crs=None)
KINDS = [AFFINE, GCPS, NONE, AFFINE_WITHOUT_CRS, GCPS_WITHOUT_CRS]
TAGS = {"RFISCAN_VERSION": "0.1.0", "RFISCAN_SPACING_M": "500 500", "RFISCAN_SOURCE": "a b.SAFE"}
BANDS = ["error_vv", "error_vh"]


def errors(shape, seed=0):
    array = np.random.default_rng(seed).gamma(2, 1, shape).astype(np.float32)
    array[..., : shape[-2] // 4, :] = np.nan
    return array


@pytest.fixture(params=[write_cog, write_geotiff])
def write(request):
    return request.param


@pytest.mark.parametrize("georeferencing", KINDS, ids=["affine", "gcps", "none", "affine-no-crs", "gcps-no-crs"])
def test_pixels_tags_and_georeferencing_come_back_in_kind(tmp_path, write, georeferencing):
    path, array = tmp_path / "a_error.tif", errors((2, 41, 53))
    write(path, array, georeferencing, nodata=np.nan, tags=TAGS, band_names=BANDS)
    with rasterio.open(path) as raster:
        np.testing.assert_array_equal(raster.read(), array)
        assert raster.dtypes == ("float32", "float32")
        assert np.isnan(raster.nodata)
        assert raster.descriptions == tuple(BANDS)
        assert raster.tags().items() >= TAGS.items()
        assert raster.compression.value == "DEFLATE"
        points, points_crs = raster.gcps
        if georeferencing.kind == "gcps":
            assert points_crs == georeferencing.crs
            assert [(p.row, p.col, p.x, p.y, p.z) for p in points] == [
                (p.row, p.col, p.x, p.y, p.z) for p in georeferencing.gcps
            ]
        else:
            assert points == []
            assert raster.crs == georeferencing.crs
        assert raster.transform == (georeferencing.transform or Affine.identity())


@pytest.mark.parametrize("shape", [(1, 1), (3, 700), (300, 300), (512, 512), (1100, 1300)])
def test_rasters_of_every_size_are_valid_cogs(tmp_path, shape):
    path = tmp_path / "a_score.tif"
    write_cog(path, errors(shape), GCPS, nodata=np.nan, tags=TAGS, band_names=["score"])
    valid, broken, doubtful = cog_validate(path, strict=True)
    assert (valid, broken, doubtful) == (True, [], [])
    with rasterio.open(path) as raster:
        assert bool(raster.overviews(1)) == (max(shape) > 512)


def test_overviews_average_valid_pixels_only(tmp_path):
    array = np.full((1024, 1024), 3.0, np.float32)
    array[::2, ::2] = np.nan
    write_cog(tmp_path / "a.tif", array, NONE, nodata=np.nan, tags={}, band_names=["score"])
    with rasterio.open(tmp_path / "a.tif", overview_level=0) as raster:
        assert np.all(raster.read(1) == 3.0)


@pytest.mark.parametrize("shape", [(40, 50), (600, 700)])
def test_a_mask_has_codes_colours_and_nodata(tmp_path, write, shape):
    rng = np.random.default_rng(1)
    valid, rfi = rng.random(shape) < 0.9, rng.random(shape) < 0.2
    path, codes = tmp_path / "a_mask.tif", mask_codes(rfi & valid, valid)
    write(path, codes, AFFINE, nodata=MASK_NODATA, tags=TAGS, band_names=["rfi"], colormap=MASK_COLORMAP)
    with rasterio.open(path) as raster:
        np.testing.assert_array_equal(raster.read(1), codes)
        assert raster.nodata == 255
        colours = raster.colormap(1)
        assert colours[MASK_RFI] == MASK_COLORMAP[MASK_RFI]
        assert colours[MASK_CLEAR] == MASK_COLORMAP[MASK_CLEAR]
        assert raster.colorinterp[0].name == "palette"
        np.testing.assert_array_equal(raster.read_masks(1) > 0, valid)
    if write is write_cog:
        assert cog_validate(path, strict=True)[0]


def test_mask_codes_say_clear_rfi_and_nodata():
    rfi = np.array([[True, False, True]])
    valid = np.array([[[True, True, False]], [[False, True, False]]])
    assert mask_codes(rfi, valid).tolist() == [[1, 0, 255]]
    assert mask_codes(rfi, valid[1]).tolist() == [[255, 0, 255]]


def test_nothing_lies_beside_the_raster_and_no_warning_is_shown(tmp_path, write):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the project's tests ignore NotGeoreferencedWarning
        write(tmp_path / "a.tif", errors((700, 700)), NONE, nodata=np.nan, tags=TAGS, band_names=["score"])
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def test_a_band_without_a_name_is_refused(tmp_path, write):
    with pytest.raises(ValueError, match="2 bands, but 1 names"):
        write(tmp_path / "a.tif", errors((2, 5, 5)), NONE, nodata=np.nan, tags={}, band_names=["score"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limit", [100, 20_000, 1_000_000])
def test_a_disk_that_takes_only_the_beginning_leaves_the_old_raster(tmp_path, write, limit):
    resource = pytest.importorskip("resource")
    path, array = tmp_path / "a.tif", errors((2, 600, 600))
    write(path, array[:, :9, :9], NONE, nodata=np.nan, tags={}, band_names=BANDS)
    old = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"a\.tif"):
            write(path, array, NONE, nodata=np.nan, tags={}, band_names=BANDS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [file.name for file in tmp_path.iterdir()] == ["a.tif"]
    assert path.read_bytes() == old


def test_ctrl_c_leaves_nothing(tmp_path, write, monkeypatch):
    def interrupted(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "a.tif", errors((9, 9)), NONE, nodata=np.nan, tags={}, band_names=["score"])
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder_is_an_output_error(tmp_path, write):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        write(tmp_path / "file" / "a.tif", errors((9, 9)), NONE, nodata=np.nan, tags={}, band_names=["score"])


@pytest.mark.real
def test_the_control_points_of_a_real_scene_mark_the_same_ground_on_the_working_grid(tmp_path, real_data):
    with rasterio.open(real_data / "geotiff" / "FD5B_grd_gcps" / "iw-vh.tiff") as source:
        points, crs = source.gcps
        shape = source.shape
    factor = 4
    grid = Georeferencing(kind="gcps", crs=crs, gcps=tuple(points)).rescaled(factor, factor)
    path = tmp_path / "a_score.tif"
    write_cog(
        path,
        errors((-(-shape[0] // factor), -(-shape[1] // factor))),
        grid,
        nodata=np.nan,
        tags=TAGS,
        band_names=["score"],
    )
    assert cog_validate(path, strict=True)[0]
    with rasterio.open(path) as raster:
        written, written_crs = raster.gcps
    assert written_crs == crs
    rows, cols = np.mgrid[0 : shape[0] : 50, 0 : shape[1] : 50]
    before = earth_centred(*Georeferencing(kind="gcps", crs=crs, gcps=tuple(points)).to_lonlat(cols, rows))
    read_back = Georeferencing(kind="gcps", crs=written_crs, gcps=tuple(written))
    after = earth_centred(*read_back.to_lonlat(cols / factor, rows / factor))
    assert np.linalg.norm(after - before, axis=-1).max() < 0.5  # metres; a working pixel is hundreds
