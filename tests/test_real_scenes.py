"""What the bundled models find, and do not find, in real scenes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio

from rfiscan.model_files.checkpoint import load_model
from rfiscan.radiometry import Units
from rfiscan.scenes import open_scene
from rfiscan.workflows.detect import DetectOptions, detect_scene

pytestmark = pytest.mark.real

CLEAN_IW = ("6D00", "FEC3_ipf236", "3768_ipf236", "CEAB_ipf236", "0664", "861B")
WITH_RFI = {1: "sea_all_swaths.npy", 2: "coast_faint.npy"}  # by their number in annotations.json
METRES_PER_DEGREE = 111_195  # of latitude
KNOWN_FALSE = {("cae", "0664"): 1}
"""False stripes by default: two small islands, bright in both polarizations, below the first line of a sub-swath."""
MOST_FLAGGED = 0.002  # of the valid pixels of a clean scene at a false-alarm rate of 1e-3


@pytest.fixture(scope="module", params=["cae", "mae"])
def model(request):
    return load_model(request.param)


def read_mask(record) -> np.ndarray:
    with rasterio.open(record["outputs"]["mask"]) as raster:
        return raster.read(1)


@pytest.mark.parametrize("name", CLEAN_IW)
def test_clean_scenes_stay_clean(name, model, real_data, tmp_path):
    (path,) = (real_data / "quicklook" / "clean").glob(f"S1A_IW_GRDH_*_{name}.png")
    record = detect_scene((path,), model, DetectOptions(out_dir=tmp_path))
    assert len(record["detections"]) <= KNOWN_FALSE.get((model.name, name), 0)
    assert record["flagged_share"] <= (MOST_FLAGGED if record["detections"] else 0.0)


@pytest.mark.slow
def test_as_many_stripes_are_false_as_is_said(model, real_data, tmp_path):
    clean = sorted((real_data / "quicklook" / "clean").glob("S1A_IW_GRDH_*.png"))
    records = [detect_scene((path,), model, DetectOptions(out_dir=tmp_path, false_stripes=0.3)) for path in clean]
    assert sum(len(record["detections"]) for record in records) <= 4  # of 1.8 expected in six: more are 4 % likely
    assert all(record["flagged_share"] < MOST_FLAGGED for record in records)


@pytest.mark.slow
def test_without_the_rule_for_stripes_clean_scenes_stay_nearly_clean(model, real_data, tmp_path):
    for path in sorted((real_data / "quicklook" / "clean").glob("S1A_IW_GRDH_*.png")):
        record = detect_scene((path,), model, DetectOptions(out_dir=tmp_path, false_stripes=10.0))
        assert record["flagged_share"] < 1.5 * MOST_FLAGGED  # mae: 0.21 % of 6D00


def boxes_hit(model, real_data, out_dir, image, false_stripes) -> tuple[int, int, float]:
    """Strong and faint boxes of a real scene that hold a flagged pixel, and the share of it flagged outside of all."""
    folder = real_data / "quicklook" / "rfi"
    options = DetectOptions(out_dir=out_dir, false_stripes=false_stripes)
    mask = read_mask(detect_scene((folder / WITH_RFI[image],), model, options))
    near, hit = np.zeros(mask.shape, bool), [0, 0]
    for entry in json.loads((folder / "annotations.json").read_text())["annotations"]:
        if entry["image_id"] == image:
            x, y, width, height = entry["bbox"]
            near[max(0, y - 5) : y + height + 5, max(0, x - 5) : x + width + 5] = True
            hit[entry["attributes"]["faint"]] += bool((mask[y : y + height, x : x + width] == 1).any())
    return hit[0], hit[1], ((mask == 1) & ~near).sum() / (mask != 255).sum()


@pytest.mark.parametrize(
    ("image", "least_strong", "most_outside"),
    [
        (1, 4, 0.003),  # most of it the halo of the strongest stripe
        (2, 3, 0.001),
    ],  # docs/accuracy.md says which dots are missed
)
def test_strong_stripes_and_dots_are_hit(image, least_strong, most_outside, model, real_data, tmp_path):
    strong, _, outside = boxes_hit(model, real_data, tmp_path, image, None)
    assert strong >= least_strong
    assert outside < most_outside


def test_faint_ones_are_hit_too_if_a_false_stripe_a_scene_may_be(model, real_data, tmp_path):
    strong, faint, outside = zip(
        *(boxes_hit(model, real_data, tmp_path, image, 1.0) for image in WITH_RFI), strict=True
    )
    assert sum(strong) == 8  # all there are
    assert sum(faint) >= 6  # of 9
    assert max(outside) < 0.003


@pytest.mark.slow
def test_a_focused_scene_is_flagged_where_it_holds_interference(model, real_data, tmp_path):
    """The same pass with its interference and with most of it taken out by others, from raw data.

    Its bursts, which begin 2.758 s apart (18.7 km), are 410 rows apart, and 2112 columns are the 86 km of a sub-swath.
    """
    folder = real_data / "quicklook" / "focused_with_rfi"
    with_rfi, mitigated = (
        detect_scene(
            (folder / f"iw2_vh_korea_{name}.png",),
            model,
            DetectOptions(out_dir=tmp_path, pixel_spacing_m=(46.0, 41.0)),
        )
        for name in ("rfi", "mitigated")
    )
    assert with_rfi["flagged_share"] > 0.05
    assert mitigated["flagged_share"] < with_rfi["flagged_share"] * 0.1


def test_two_files_with_control_points_are_one_scene_on_the_same_ground(real_data, tmp_path):
    folder = real_data / "geotiff" / "FD5B_grd_gcps"
    paths = (folder / "iw-vh.tiff", folder / "iw-vv.tiff")
    record = detect_scene(paths, load_model("cae"), DetectOptions(out_dir=tmp_path))
    assert (record["polarizations"], record["georeferencing"]) == (["VV", "VH"], "gcps")
    with open_scene(*paths) as scene, open_scene(record["outputs"]["score"], units=Units.DB) as output:
        row, col = np.meshgrid(*(np.linspace(1, size - 1, 7) for size in scene.shape), indexing="ij")
        expected = np.stack(scene.georeferencing.to_lonlat(col, row))
        row_factor, col_factor = (
            round(working / own) for working, own in zip(record["spacing_m"], scene.spacing_m, strict=True)
        )
        got = np.stack(output.georeferencing.to_lonlat(col / col_factor, row / row_factor))
    assert output.georeferencing.kind == "gcps"
    assert np.abs(got - expected).max() < 0.5 * min(record["spacing_m"]) / METRES_PER_DEGREE
