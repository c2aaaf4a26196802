from __future__ import annotations

import numpy as np
import pytest
from rasterio.crs import CRS

from rfiscan.priors import bundled_priors
from rfiscan.scenes import open_scene
from rfiscan.scenes.working_grid import read_working_grid
from rfiscan.sentinel1.sub_swaths import find_seams
from rfiscan.simulation import simulate_scene
from tests.make_scenes import gcp_grid, make_affine_tiff, make_safe, write_tiff


def edges_in_view(layout):
    return [edge for edge in layout.edges_px[1:-1] if 8 < edge < layout.shape[1] - 8]


def stepped(edges, width=500, height=120, step_db=0.5, seed=0):
    """Sea whose noise floor falls by a step at every edge, with speckle and streaks."""
    rng = np.random.default_rng(seed)
    level_db = -step_db * np.searchsorted(edges, np.arange(width), side="right") + rng.normal(
        0, 0.3, (2, height, width)
    )
    return (10 ** (level_db / 10)).astype(np.float32), np.ones((2, height, width), bool)


@pytest.mark.parametrize("mode", ["IW", "EW"])
def test_seams_of_simulated_seas_are_found_where_they_are(mode):
    found = missed = false = 0
    for seed in range(8):
        scene = simulate_scene(
            np.random.default_rng(seed), bundled_priors(), contaminated=False, mode=mode, surface="sea"
        )
        edges = edges_in_view(scene.layout)
        seams = find_seams(scene.power, scene.valid_mask, 500.0)
        near = [min((abs(seam - edge) for seam in seams), default=999) <= 6 for edge in edges]
        found, missed = found + sum(near), missed + len(near) - sum(near)
        false += sum(min((abs(seam - edge) for edge in edges), default=999) > 6 for seam in seams)
    assert found >= 3 * missed
    assert found >= 8 * false


def test_a_scene_without_steps_has_no_seams():
    assert find_seams(*stepped([]), 500.0) == ()


def test_steps_where_no_mode_has_them_are_no_seams():
    power, valid = stepped([60, 85, 110])
    assert len({60, 85, 110} & set(find_seams(power, valid, 500.0))) <= 1


def test_mirrored_scenes_have_mirrored_seams():
    power, valid = stepped([170, 342])
    assert find_seams(power, valid, 500.0) == (170, 342)
    assert find_seams(power[:, :, ::-1], valid, 500.0) == (158, 330)


def test_seams_do_not_depend_on_the_scale_of_power_or_on_what_is_invalid():
    power, valid = stepped([170, 342])
    valid[:, :9], valid[1, 40:60] = False, False
    spoilt = np.where(valid, 1e6 * power, np.nan).astype(np.float32)
    assert find_seams(spoilt, valid, 500.0) == find_seams(power, valid, 500.0) == (170, 342)


@pytest.mark.parametrize("margin", [10, 30, 60, 120])
def test_nodata_beside_the_scene_moves_no_seam(margin):
    power, valid = (np.pad(x, ((0, 0), (0, 0), (margin, margin))) for x in stepped([170, 342]))
    assert find_seams(power, valid, 500.0) == (170 + margin, 342 + margin)


def test_one_polarization_is_enough():
    power, valid = stepped([170, 342])
    valid[0] = False
    assert find_seams(power, valid, 500.0) == (170, 342)


def test_a_larger_scene_is_thinned_and_its_seams_are_near():
    power, valid = stepped([680, 1368], width=2000)
    seams = find_seams(power, valid, 125.0)
    assert np.abs(np.subtract(seams, [680, 1368])).max() <= 4


def test_a_scene_narrower_than_a_sub_swath_or_so_has_none():
    assert find_seams(*stepped([170, 342]), 150.0) == ()


@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (60, 7)])
def test_a_scene_too_small_to_tell_has_no_seams(shape):
    assert find_seams(np.ones((2, *shape), np.float32), np.ones((2, *shape), bool), 5e5) == ()


def test_a_map_projected_scene_has_no_columns_at_which_sub_swaths_begin(tmp_path):
    power, _ = stepped([170, 342])
    gcps = gcp_grid(power.shape[1:], spacing_m=500.0)
    radar = write_tiff(tmp_path / "radar.tif", power, gcps=gcps, crs=CRS.from_epsg(4326), descriptions=("VV", "VH"))
    mapped = make_affine_tiff(tmp_path / "mapped.tif", power, pixel=500.0, descriptions=("VV", "VH"))
    seams = {}
    for path in (radar, mapped):
        with open_scene(path) as scene:
            seams[path.stem] = read_working_grid(scene, None).seams_px
    assert seams == {"radar": (170, 342), "mapped": ()}


def test_a_name_that_tells_the_mode_rules_out_the_seams_of_others(tmp_path):
    power, _ = stepped([170, 342])
    seams = {}
    for name in ("S1A_IW_GRDH", "S1A_S3_GRDH", "S1C_EW_GRDM", "scene"):
        path = write_tiff(
            tmp_path / f"{name}_20200101.tif",
            power,
            gcps=gcp_grid(power.shape[1:], spacing_m=500.0),
            crs=CRS.from_epsg(4326),
            descriptions=("VV", "VH"),
        )
        with open_scene(path) as scene:
            grid = read_working_grid(scene, None)
        seams[name] = (grid.mode, grid.seams_px)
    assert seams["S1A_IW_GRDH"] == ("IW", (170, 342))
    assert seams["S1A_S3_GRDH"] == ("SM", ())
    assert seams["scene"] == (None, (170, 342))
    assert seams["S1C_EW_GRDM"][0] == "EW"
    assert seams["S1C_EW_GRDM"][1] != (170, 342)


def test_the_sub_swaths_of_a_product_are_believed(tmp_path):
    with open_scene(make_safe(tmp_path)) as scene:
        grid = read_working_grid(scene, 60.0)
    assert len(scene.swaths) > 1
    assert len(grid.seams_px) == len(scene.swaths) - 1
    for seam, left, right in zip(grid.seams_px, scene.swaths, scene.swaths[1:], strict=False):
        assert left.last_col // grid.factors[1] - 1 <= seam <= right.first_col // grid.factors[1] + 1


@pytest.mark.real
@pytest.mark.parametrize("name", ["20150222_3768_ipf236", "20150222_CEAB_ipf236", "20150203_6D00", "20221014_861B"])
def test_real_scenes_of_iw_have_at_most_two_seams(real_data, name):
    with open_scene(real_data / "quicklook" / "clean" / f"S1A_IW_GRDH_{name}.png") as scene:
        assert len(read_working_grid(scene, 500.0).seams_px) <= 2


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "expected"),
    [("rfi/sea_all_swaths.npy", [236, 463]), ("clean/S1A_EW_GRDM_20221130_BB15_hh_hv.png", [155, 250, 353, 446])],
)
def test_seams_of_real_seas_are_found(real_data, name, expected):
    """By the ends of the boxes that were drawn around its stripes; by the nominal sub-swaths of EW."""
    with open_scene(real_data / "quicklook" / name) as scene:
        seams = read_working_grid(scene, 500.0).seams_px
    assert np.abs(np.subtract(seams, expected)).max() <= 10
