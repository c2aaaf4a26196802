"""Dark samples along borders are no backscatter; dark backscatter stays."""

from __future__ import annotations

import numpy as np

from rfiscan.grids.borders import FADED_DEPTH_PX, MIXED_PX, VOID_DEPTH_PX, trim_borders
from rfiscan.training_data.augmentation import compress

SHAPE = (80, 120)


def make_scene(*, border_px=10):
    rng = np.random.default_rng(0)
    power = (1e4 * rng.gamma(300, 1 / 300, (2, *SHAPE))).astype(np.float32)
    valid = np.ones(power.shape, bool)
    valid[:, :, :border_px] = False
    return power, valid


def test_a_scene_without_dark_borders_keeps_every_pixel():
    power, valid = make_scene()
    np.testing.assert_array_equal(trim_borders(power, valid), valid)


def test_ringing_beside_nodata_is_trimmed_and_nothing_else():
    power, valid = make_scene()
    power[:, :, 10:14] *= np.float32(1e-3)
    trimmed = trim_borders(power, valid)
    assert not trimmed[:, :, : 14 + MIXED_PX].any()
    assert trimmed[:, :, 14 + MIXED_PX :].all()


def test_what_jpeg_mixes_along_a_black_border_is_trimmed():
    """Without that, the first or the last line of a picture has one polarization faded and the other brightened."""
    levels = np.random.default_rng(0).normal(0, 1, (2, *SHAPE)) + np.array([110, 80])[:, None, None]
    power, present = (np.round(levels) ** 2).astype(np.float32), np.ones(SHAPE, bool)
    present[67:] = False  # an odd row, so that colours of both sides are mixed
    packed = compress(power, 40, present)
    seen = np.sqrt(packed) > 1  # black is 0 in a picture, and this the lowest level here
    assert seen[:, 67:].any(), "it rings beyond the border"
    trimmed = trim_borders(packed, np.broadcast_to(np.logical_or(*seen), packed.shape))
    change_db = np.abs(10 * np.log10(packed.mean(axis=2) / packed[:, 10:60].mean(axis=(1, 2))[:, None]))
    mixed = np.flatnonzero((change_db > 0.5).any(axis=0))
    assert mixed.min() < 67
    assert not trimmed[:, mixed].any()
    assert trimmed[:, : 67 - MIXED_PX].mean() > 0.99


def test_a_line_that_is_filled_in_part_is_trimmed_even_if_one_polarization_shows_it():
    power, valid = make_scene(border_px=0)
    power[0, 0] *= np.float32(0.1)
    power[1, 0] *= np.float32(6.0)
    trimmed = trim_borders(power, valid)
    assert not trimmed[:, 0].any()
    assert trimmed[:, 1:].all()


def test_calm_water_along_the_edge_stays_but_for_a_few_pixels_where_land_meets_the_edge():
    power, valid = make_scene(border_px=0)
    power[:, :, :30] *= np.array([0.08, 0.06], np.float32)[:, None, None]  # 11 and 12 dB under the land
    trimmed = trim_borders(power, valid)
    assert trimmed[:, :, 30:].all()
    assert trimmed[:, FADED_DEPTH_PX:-FADED_DEPTH_PX, :30].all()
    assert trimmed[:, :, :16].all()


def test_dark_water_inside_stays_and_at_the_border_only_its_first_pixels_go():
    power, valid = make_scene(border_px=0)
    power[:, 30:50, 40:80] *= np.float32(1e-3)
    power[:, 20:40, :40] *= np.float32(1e-3)
    trimmed = trim_borders(power, valid)
    assert trimmed[:, 30:50, 40:80].all()
    assert trimmed[:, 20:40, VOID_DEPTH_PX + 2 + MIXED_PX : 40].all()


def test_an_absent_polarization_neither_shows_nor_hides_a_border():
    power, valid = make_scene()
    valid[1] = False
    power[:, :, 10:13] *= np.float32(1e-3)
    trimmed = trim_borders(power, valid)
    assert not trimmed[0, :, : 13 + MIXED_PX].any()
    assert trimmed[0, :, 13 + MIXED_PX :].all()
    assert not trimmed[1].any()
