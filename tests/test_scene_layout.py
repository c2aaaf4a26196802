"""Sub-swaths and bursts of real scenes: the product's where it tells them, else by the scene's width."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from rfiscan.export.safe_product import write_safe
from rfiscan.priors import bundled_priors
from rfiscan.scene_layout import scene_layout
from rfiscan.scenes import open_scene, read_working_grid
from rfiscan.sentinel1.radar import GROUND_SPEED_M_PER_S, GUARD_S, MODES
from rfiscan.simulation import simulate_scene
from tests.flat_model import sea_power, write_scene

SPACING_M = 500.0


def layout_of(path, seed=0, spacing_m=SPACING_M):
    with open_scene(path) as scene:
        return scene_layout(np.random.default_rng(seed), scene, read_working_grid(scene, spacing_m))


@pytest.fixture(scope="module", params=["IW", "EW"])
def product(request, tmp_path_factory):
    """A simulated scene, and its product at full resolution."""
    scene = simulate_scene(np.random.default_rng(3), bundled_priors(), (48, 90), mode=request.param, contaminated=False)
    folder = tmp_path_factory.mktemp("product")
    return scene, write_safe(folder, scene, spacing_m=SPACING_M, pixel_spacing_m=100.0)


def test_a_products_sub_swaths_are_where_it_says(product):
    scene, path = product
    layout = layout_of(path)
    assert layout.mode == scene.layout.mode
    assert layout.shape == scene.layout.shape
    for swath in range(layout.swath_count):
        expected = scene.layout.swath_columns(swath)
        if expected[0] < expected[1]:
            assert layout.swath_columns(swath) == pytest.approx(expected, abs=1)
            assert layout.first_row[swath] == pytest.approx(scene.layout.first_row[swath], abs=1)
            assert layout.last_row[swath] == pytest.approx(scene.layout.last_row[swath], abs=1)


def test_edges_lie_within_a_pixel_of_the_annotation(product):
    _, path = product
    with open_scene(path) as scene:
        swaths = scene.swaths
    layout = layout_of(path)
    assert layout.edges_px[0] == swaths[0].first_col / 5
    assert layout.edges_px[-1] == (swaths[-1].last_col + 1) / 5
    for (left, right), edge in zip(pairwise(swaths), layout.edges_px[1:-1], strict=True):
        assert left.last_col / 5 - 1 <= edge <= right.first_col / 5 + 1


@pytest.mark.parametrize(("width", "mode"), [(820, "EW"), (670, "EW"), (650, "IW"), (500, "IW"), (310, "IW")])
def test_a_scene_as_wide_as_a_swath_is_taken_for_one(tmp_path, width, mode):
    layout = layout_of(write_scene(tmp_path / "wide.tif", sea_power((20, width))))
    assert layout.mode == mode
    assert layout.edges_px[0] == 0
    assert layout.edges_px[-1] == pytest.approx(width)
    assert np.array(layout.edges_px) / width == pytest.approx(np.array(MODES[mode].edges))
    assert layout.valid_mask().all()


@pytest.mark.parametrize("width", [40, 150, 290])
def test_a_narrow_scene_is_a_part_of_a_swath(tmp_path, width):
    path = write_scene(tmp_path / "narrow.tif", sea_power((20, width)))
    starts = []
    for seed in range(8):
        layout = layout_of(path, seed)
        assert layout.mode == "IW"
        assert layout.edges_px[-1] - layout.edges_px[0] == pytest.approx(500)  # 250 km
        assert layout.edges_px[0] <= 0
        assert layout.edges_px[-1] >= width - 1e-6
        assert layout.valid_mask().all()
        starts.append(layout.edges_px[0])
    assert len(set(starts)) == 8


def test_the_spacing_is_that_of_the_working_grid(tmp_path):
    path = write_scene(tmp_path / "fine.tif", sea_power((60, 1200)), spacing_m=200.0)
    coarse, fine = layout_of(path, 0, 400.0), layout_of(path, 0, None)
    assert (coarse.shape, fine.shape) == ((30, 600), (60, 1200))
    assert fine.burst_px == pytest.approx(2 * coarse.burst_px, rel=0.05)
    assert fine.burst_px * 200.0 == pytest.approx(MODES["IW"].burst_m, rel=0.05)
    assert np.array(fine.edges_px) == pytest.approx(2 * np.array(coarse.edges_px))


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    return {
        mode: write_scene(tmp_path_factory.mktemp("wide") / f"{mode}.tif", sea_power((260, width)))
        for mode, width in (("IW", 500), ("EW", 820))
    }


@pytest.mark.parametrize("mode", ["IW", "EW"])
def test_bursts_take_turns_and_begin_anywhere(wide, mode):
    starts = set()
    for seed in range(6):
        layout = layout_of(wide[mode], seed)
        row_s = MODES[mode].cycle_s / layout.burst_px
        assert row_s * GROUND_SPEED_M_PER_S == pytest.approx(SPACING_M, rel=0.01)
        sensed = sorted(
            (middle - half, middle + half)
            for swath in range(layout.swath_count)
            for half in [0.5 * layout.radar(swath).sensing_s]
            for middle in [0.5 * sum(burst) * row_s for burst in layout.bursts(swath)[1:-1]]
        )
        gaps_s = [after[0] - before[1] for before, after in pairwise(sensed)]
        # at either end, one sub-swath has a burst that another has not
        inner = gaps_s[layout.swath_count : -layout.swath_count]
        assert len(inner) > 3
        assert np.array(inner) == pytest.approx(GUARD_S, abs=1e-6)
        starts.add(layout.burst_phase)
    assert len(starts) == 6


def test_a_layout_depends_on_the_generator_alone(wide):
    assert layout_of(wide["IW"], 3) == layout_of(wide["IW"], 3)


@pytest.mark.real
def test_real_quick_looks_of_iw_are_whole_swaths(real_data):
    paths = sorted((real_data / "quicklook" / "clean").glob("*IW_GRD*.png"))
    assert paths
    for path in paths:
        layout = layout_of(path)
        assert layout.mode == "IW", path.name
        assert layout.edges_px[0] == 0
        assert layout.edges_px[-1] == layout.shape[1]
