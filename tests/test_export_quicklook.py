from __future__ import annotations

import warnings

import numpy as np
import pytest
import rasterio

from rfiscan.detections.regions import extract_detections, label_regions
from rfiscan.errors import OutputError
from rfiscan.export.quicklook import (
    BOX_COLOUR,
    INVALID_COLOUR,
    MAX_PANEL_PX,
    RFI_COLOUR,
    draw_quicklook,
    write_quicklook,
)


def scene(height=600, width=800, present=(True, True)):
    rng = np.random.default_rng(0)
    power = rng.gamma(20, 5, (2, height, width)).astype(np.float32)
    valid = np.ones(power.shape, dtype=bool) & np.array(present)[:, None, None]
    valid[:, : height // 6] = False
    mask = np.zeros((height, width), dtype=bool)
    mask[height // 2 : height // 2 + height // 20, width // 4 : width // 2] = True
    power[1, mask] *= 5
    power[~valid] = np.nan
    score = mask.astype(np.float32)
    evidence = np.stack([score, score])
    detections = extract_detections(label_regions(mask)[0], score, evidence, 0.5, evidence, ("VV", "VH"), (500, 500))
    return power, valid, mask, detections


def coloured(picture, colour):
    return np.all(picture == np.array(colour), axis=-1)


def signal(picture):
    """Pixels in a shade of the signal colour: far redder than they are green."""
    return picture[..., 0].astype(int) > 2 * picture[..., 1].astype(int) + 20


@pytest.mark.parametrize(("present", "panels"), [((True, True), 3), ((True, False), 2), ((False, True), 2)])
def test_there_is_a_panel_for_each_polarization_that_is_present_and_one_with_the_rfi(present, panels):
    picture = draw_quicklook(*scene(present=present))
    assert picture.dtype == np.uint8
    assert picture.shape[0] == 600
    assert 0 < picture.shape[1] - panels * 800 < 20 * (panels - 1)
    grey, overlay = picture[:, :800], picture[:, -800:]
    assert not signal(grey).any()
    assert signal(overlay).any()


def test_the_tint_is_the_mask_and_the_box_frames_it():
    power, valid, mask, detections = scene()
    overlay = draw_quicklook(power, valid, mask, detections)[:, -800:]
    np.testing.assert_array_equal(signal(overlay), mask)
    rows, cols = np.nonzero(coloured(overlay, BOX_COLOUR))
    x, y, width, height = detections[0].bbox_px
    assert rows.min() < y < y + height <= rows.max()
    assert cols.min() < x < x + width <= cols.max()


def test_invalid_pixels_have_a_colour_of_their_own():
    power, valid, mask, detections = scene()
    picture = draw_quicklook(power, valid, mask, detections)
    np.testing.assert_array_equal(coloured(picture[:, :800], INVALID_COLOUR), ~valid[0])


def test_borders_do_not_decide_the_stretch():
    power, valid, mask, _ = scene()
    plain = draw_quicklook(power, valid, mask, [])
    power[:, 100:105] = 1e-9  # the darkest rows of all, at the edge of the valid ones
    np.testing.assert_allclose(draw_quicklook(power, valid, mask, [])[120:], plain[120:], atol=3)


def test_a_large_grid_is_shrunk_and_one_pixel_of_the_mask_is_kept():
    power, valid, mask, _ = scene(height=1800, width=3200)
    mask[:] = False
    mask[1001, 1501] = True
    picture = draw_quicklook(power, valid, mask, [])
    assert picture.shape[0] == 600
    width = (picture.shape[1] + 2) // 3 - 10
    assert width <= MAX_PANEL_PX
    assert signal(picture).sum() == 1


def test_a_small_grid_is_enlarged():
    picture = draw_quicklook(*scene(height=40, width=60))
    assert picture.shape[0] == 40 * (500 // 60)


@pytest.mark.parametrize("value", [0.0, 1.0, 1e-30])
def test_a_scene_without_contrast_is_drawn(value):
    power = np.full((2, 20, 30), value, np.float32)
    mask = np.zeros((20, 30), dtype=bool)
    assert draw_quicklook(power, np.ones(power.shape, dtype=bool), mask, []).size


def test_a_scene_without_a_valid_pixel_is_drawn():
    power = np.full((2, 20, 30), np.nan, np.float32)
    picture = draw_quicklook(power, np.zeros(power.shape, dtype=bool), np.zeros((20, 30), dtype=bool), [])
    assert coloured(picture[:, :400], INVALID_COLOUR).all()


def test_a_box_at_the_corner_stays_in_the_picture():
    power, valid, mask, _ = scene()
    mask[:] = False
    mask[0, 0] = mask[-1, -1] = True
    score = mask.astype(np.float32)
    evidence = np.stack([score, score])
    detections = extract_detections(label_regions(mask)[0], score, evidence, 0.5, evidence, ("VV", "VH"), (500, 500))
    overlay = draw_quicklook(power, valid, mask, detections)[:, -800:]
    assert signal(overlay).sum() == 2
    assert coloured(overlay, BOX_COLOUR).any()


def test_the_file_holds_the_picture_and_nothing_lies_beside_it(tmp_path):
    path = tmp_path / "scene_quicklook.png"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_quicklook(path, *scene())
    with rasterio.open(path) as file:
        assert file.driver == "PNG"
        np.testing.assert_array_equal(np.moveaxis(file.read(), 0, -1), draw_quicklook(*scene()))
    assert [file.name for file in tmp_path.iterdir()] == ["scene_quicklook.png"]


def test_an_unwritable_folder_is_an_output_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        write_quicklook(tmp_path / "file" / "a.png", *scene())


def test_the_colours_can_be_told_apart():
    colours = np.array([INVALID_COLOUR, RFI_COLOUR, BOX_COLOUR], dtype=float)
    distance = np.linalg.norm(colours[:, None] - colours[None], axis=-1)
    assert distance[np.triu_indices(3, 1)].min() > 150
