"""open_scene on what is not a scene: one clear error each, and nothing left open."""

from __future__ import annotations

import numpy as np
import pytest

from rfiscan.errors import SceneError
from rfiscan.scenes import open_scene, read_working_grid
from tests.make_scenes import (
    make_affine_tiff,
    make_grd_tiffs,
    make_quicklook_npy,
    make_safe,
    speckled_dn,
    write_png,
    write_tiff,
    zip_safe,
)


def refused(*paths):
    """Return the message of the error that opening or reading them must give."""
    with pytest.raises(SceneError) as caught, open_scene(*paths) as scene:
        read_working_grid(scene, 500)
    assert caught.value.exit_code == 5
    message = str(caught.value)
    assert "\n" not in message
    return message


def photograph(shape=(60, 80)):
    """Return an RGB picture (3, H, W) whose blue follows brightness, with a colour of its own here and there."""
    rng = np.random.default_rng(0)
    brightness = rng.integers(40, 200, shape)
    return np.clip(brightness + rng.normal(0, 25, (3, *shape)), 0, 255).astype(np.uint8)


def test_missing_file(tmp_path):
    assert "does not exist" in refused(tmp_path / "nowhere.tif")


def test_no_path_and_three_paths(tmp_path):
    path = make_quicklook_npy(tmp_path / "a.npy")
    assert "0 paths" in refused()
    assert "3 paths" in refused(path, path, path)


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.npy", "a.zip", "manifest.safe"])
def test_zero_bytes(tmp_path, name):
    (tmp_path / name).touch()
    assert "empty (0 bytes)" in refused(tmp_path / name)


@pytest.mark.parametrize("name", ["notes.txt", "notes.tif"])
def test_text_file_whatever_its_name(tmp_path, name):
    (tmp_path / name).write_text("Sentinel-1 über dem Meer")
    assert "a text file" in refused(tmp_path / name)


def test_unknown_binary_file(tmp_path):
    (tmp_path / "a.bin").write_bytes(bytes(range(256)))
    assert "unknown kind" in refused(tmp_path / "a.bin")


@pytest.mark.parametrize("compress", [None, "deflate"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_truncated_tiff(tmp_path, compress, share):
    path = write_tiff(tmp_path / "iw-vv.tiff", speckled_dn((300, 400)), compress=compress, blockysize=1)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    assert str(path) in refused(path)


@pytest.mark.parametrize("name", ["a.png", "a.npy", "a.zip"])
def test_truncated_picture_array_and_zip(tmp_path, name):
    if name == "a.zip":
        whole = zip_safe(make_safe(tmp_path)).read_bytes()
    elif name == "a.npy":
        whole = make_quicklook_npy(tmp_path / "whole.npy").read_bytes()
    else:
        whole = write_png(tmp_path / "whole.png", photograph()[:1]).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    assert name in refused(tmp_path / name)


def test_folder_that_is_no_product(tmp_path):
    make_grd_tiffs(tmp_path)
    assert "no Sentinel-1 product" in refused(tmp_path)


def test_rgb_pictures(tmp_path):
    rgb = photograph()
    assert "RGB picture" in refused(write_png(tmp_path / "photo.png", rgb))
    assert "RGB picture" in refused(write_tiff(tmp_path / "photo.tif", rgb, photometric="RGB"))
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    assert "JPEG" in refused(tmp_path / "photo.jpg")


def test_raster_of_many_bands(tmp_path):
    path = make_affine_tiff(tmp_path / "optical.tif", np.ones((7, 20, 30), np.uint16))
    assert "7 bands" in refused(path)


def test_array_of_another_shape(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((2, 30, 40), np.uint8))
    assert "(2, 30, 40)" in refused(tmp_path / "a.npy")


def test_array_of_objects_is_never_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert "NumPy array" in refused(tmp_path / "a.npy")


def test_polarizations_of_different_size(tmp_path):
    vv = make_grd_tiffs(tmp_path / "a", shape=(120, 160))["VV"]
    vh = make_grd_tiffs(tmp_path / "b", shape=(121, 160))["VH"]
    message = refused(vv, vh)
    assert "differ in size" in message
    assert "160 x 120" in message
    assert "160 x 121" in message


def test_polarizations_of_different_type(tmp_path):
    vv = write_tiff(tmp_path / "a_vv.tif", speckled_dn((20, 30)))
    vh = write_tiff(tmp_path / "a_vh.tif", speckled_dn((20, 30)).astype(np.float32))
    assert "differ in data type" in refused(vv, vh)


def test_two_files_of_one_polarization(tmp_path):
    first, second = (make_grd_tiffs(tmp_path / name)["VV"] for name in "ab")
    assert "both are co-pol (VV)" in refused(first, second)
    hh = make_grd_tiffs(tmp_path / "c", polarizations=["HH"])["HH"]
    assert "VV and HH" in refused(first, hh)
    assert "given twice" in refused(first, first)


def test_two_files_one_of_which_cannot_be_a_polarization(tmp_path):
    vv = make_grd_tiffs(tmp_path)["VV"]
    assert "two GeoTIFFs" in refused(vv, make_quicklook_npy(tmp_path / "a.npy"))
    assert "two GeoTIFFs" in refused(vv, make_safe(tmp_path))
    assert "2 bands" in refused(vv, make_affine_tiff(tmp_path / "both.tif"))


@pytest.mark.parametrize("fill", [0, -9999, np.nan])
def test_scene_without_a_valid_pixel(tmp_path, fill):
    path = make_affine_tiff(tmp_path / "power_vv.tif", np.full((20, 30), fill, np.float32), nodata=-9999)
    assert "no valid pixel" in refused(path)


def test_scene_of_one_constant(tmp_path):
    path = make_affine_tiff(tmp_path / "power_vv.tif", np.full((200, 300), 0.3, np.float32))
    assert "same value" in refused(path)


@pytest.mark.real
def test_real_files_that_are_no_scenes(real_data):
    assert "empty (0 bytes)" in refused(real_data / "broken/zero_byte.tiff")
    assert "text file" in refused(real_data / "README.md")
    for safe in (real_data / "safe").iterdir():
        if not list(safe.glob("measurement/*.tiff")):
            assert "no measurement TIFFs" in refused(safe)
    aws = next((real_data / "safe").glob("S1A_EW*"))
    assert "empty (0 bytes)" in refused(aws)
    assert "no Sentinel-1 product" in refused(real_data / "geotiff/FD5B_grd_gcps")


def test_picture_with_a_colour_table(tmp_path):
    import rasterio

    path = tmp_path / "map.tif"
    with rasterio.open(path, "w", driver="GTiff", dtype="uint8", count=1, height=20, width=30) as target:
        target.write(np.ones((1, 20, 30), np.uint8))
        target.write_colormap(1, {1: (200, 10, 10, 255)})
    assert "colour table" in refused(path)


def test_files_are_closed_after_use_and_opened_again_at_need(tmp_path):
    scene = open_scene(make_affine_tiff(tmp_path / "a.tif"))
    with scene:
        before, _ = scene.read_rows(0, 10)
        datasets = list(scene.reader._files._open.values())
        assert datasets
    assert all(dataset.closed for dataset in datasets)
    with scene:
        again, _ = scene.read_rows(0, 10)
    np.testing.assert_array_equal(again, before)
