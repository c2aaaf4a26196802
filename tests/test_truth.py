"""Evaluation data: what is listed, what is read, and how damage is told."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from rfiscan.errors import SceneError, UsageError
from rfiscan.truth import find_truth, read_truth, visible
from tests.make_scenes import make_quicklook_npy, write_tiff
from tests.truth_folder import SHAPE, STRIPE, VISIBLE_DB, Block, write_truth_folder, write_truth_scene

BOXES = {
    "images": [{"id": 7, "file_name": "sea.npy"}, {"id": 3, "file_name": "deep/clean.npy"}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 5, "bbox": [4, 5.5, 20, 6]},
        {"id": 2, "image_id": 7, "category_id": 5, "bbox": [0, 0, 60, 60], "iscrowd": 1},
    ],
    "categories": [{"id": 5, "name": "rfi"}],
}


def write_coco(folder, content=BOXES):
    make_quicklook_npy(folder / "sea.npy")
    make_quicklook_npy(folder / "deep" / "clean.npy")
    path = folder / "boxes.json"
    path.write_text(json.dumps(content))
    return path


# folders


def test_a_folder_lists_its_scenes_in_order(tmp_path):
    write_truth_folder(tmp_path, contaminated=2, clean=2)
    refs = find_truth(tmp_path)
    assert [ref.scene_id for ref in refs] == ["clean_0", "clean_1", "rfi_0", "rfi_1"]
    assert [ref.image_id for ref in refs] == [1, 2, 3, 4]
    assert all(ref.scene_path.is_file() for ref in refs)


def test_a_contaminated_scene_is_known_pixel_by_pixel(tmp_path):
    hidden = Block(slice(60, 66), slice(10, 50), cross_db=-12, co_db=-14)
    write_truth_scene(tmp_path, "it", [STRIPE, hidden], surface="coast", nodata_cols=3)
    (ref,) = find_truth(tmp_path)
    truth = read_truth(ref)
    stripe = np.zeros(SHAPE, bool)
    stripe[STRIPE.rows, STRIPE.cols] = True
    assert (truth.shape, truth.surface, truth.clean) == (SHAPE, "coast", False)
    assert np.array_equal(truth.mask, stripe)
    assert np.array_equal(truth.masks_by_polarization[1], stripe)
    assert not truth.masks_by_polarization[0].any()
    assert np.array_equal(truth.labels == 1, stripe)
    assert not truth.known[:, :3].any()
    assert truth.known[:, 3:].all()
    assert [s.visible_bbox_px for s in truth.stripes] == [(20, 30, 80, 8), None]
    assert [s.label for s in truth.visible_stripes] == [1]
    assert truth.stripes[0].ibr_db == 6
    assert truth.stripes[0].kind == "continuous_wave"


def test_a_clean_scene_has_no_interference(tmp_path):
    write_truth_scene(tmp_path, "it")
    truth = read_truth(find_truth(tmp_path)[0])
    assert truth.clean
    assert not truth.stripes
    assert not truth.mask.any()
    assert truth.masks_by_polarization.shape == (2, *SHAPE)
    assert not truth.masks_by_polarization.any()
    assert truth.known.all()


def test_a_pixel_is_visible_where_powers_add_up_to_enough():
    ratio_db = np.linspace(-12, 12, 200)
    assert np.array_equal(visible(ratio_db, 1.0), 10 * np.log10(1 + 10 ** (ratio_db / 10)) >= 1.0)
    assert not visible(np.array([np.nan]), VISIBLE_DB)[0]


@pytest.mark.parametrize("layer", ["truth", "stripes", "interference"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "other size"])
def test_damage_to_a_folder_names_the_file(layer, damage, tmp_path):
    write_truth_scene(tmp_path, "it", [STRIPE])
    path = tmp_path / f"it_{layer}.tif"
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:120])
    else:
        write_tiff(path, np.zeros((4, 10, 12), np.float32))
    with pytest.raises(SceneError, match="it_"):
        read_truth(find_truth(tmp_path)[0])


@pytest.mark.parametrize("record", ["{}", "[]", "not json", '{"visible_db": 1.0, "emitters": [{"kind": "pulsed"}]}'])
def test_a_record_of_another_kind_is_told(record, tmp_path):
    write_truth_scene(tmp_path, "it")
    (tmp_path / "it_truth.json").write_text(record)
    with pytest.raises(SceneError, match=r"it_truth\.json"):
        read_truth(find_truth(tmp_path)[0])


def test_a_truth_without_its_scene_is_told(tmp_path):
    write_truth_scene(tmp_path, "it").unlink()
    with pytest.raises(SceneError, match=r"it\.tif"):
        find_truth(tmp_path)


def test_all_scenes_that_are_missing_are_told(tmp_path):
    for name in ("a", "b", "c"):
        write_truth_scene(tmp_path, name)
    for name in ("a", "c"):
        (tmp_path / f"{name}.tif").unlink()
    with pytest.raises(SceneError, match=r"a\.tif, .*c\.tif: do not exist"):
        find_truth(tmp_path)
    content = {"images": [{"id": i, "file_name": f"{name}.tif"} for i, name in enumerate("abc")], "annotations": []}
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    with pytest.raises(SceneError, match=r"a\.tif, .*c\.tif: do not exist"):
        find_truth(tmp_path / "boxes.json")


def test_a_folder_without_truth_is_told(tmp_path):
    with pytest.raises(SceneError, match="no evaluation data"):
        find_truth(tmp_path)
    with pytest.raises(SceneError, match="does not exist"):
        find_truth(tmp_path / "nowhere")


# COCO files


def test_boxes_are_read_and_crowds_are_not(tmp_path):
    refs = find_truth(write_coco(tmp_path))
    assert [(ref.scene_id, ref.image_id, ref.category_id) for ref in refs] == [("sea", 7, 5), ("deep/clean", 3, 5)]
    sea, clean = (read_truth(ref) for ref in refs)
    assert [stripe.visible_bbox_px for stripe in sea.stripes] == [(4, 5.5, 20, 6)]
    assert math.isnan(sea.stripes[0].ibr_db)
    assert (sea.mask, sea.labels, sea.masks_by_polarization) == (None, None, None)
    assert not sea.clean
    assert clean.clean


def test_pictures_may_lie_elsewhere(tmp_path):
    path = write_coco(tmp_path / "pictures").rename(tmp_path / "boxes.json")
    with pytest.raises(SceneError, match=r"sea\.npy, .*clean\.npy: do not exist") as caught:
        find_truth(path)
    assert "--images" in caught.value.hint
    assert len(find_truth(path, tmp_path / "pictures")) == 2


@pytest.mark.parametrize(
    "content", [{}, [], {"images": [], "annotations": []}, {**BOXES, "annotations": [{"bbox": 1}]}]
)
def test_a_file_that_is_not_coco_is_told(content, tmp_path):
    with pytest.raises(SceneError, match=r"boxes\.json"):
        find_truth(write_coco(tmp_path, content))


def test_a_file_that_is_not_json_is_told(tmp_path):
    path = write_coco(tmp_path)
    path.write_bytes(b"\x89PNG\r\n")
    with pytest.raises(SceneError, match="JSON"):
        find_truth(path)


def test_a_folder_of_pictures_belongs_to_a_coco_file(tmp_path):
    write_truth_scene(tmp_path, "it")
    with pytest.raises(UsageError, match="--images"):
        find_truth(tmp_path, tmp_path)
    with pytest.raises(UsageError, match="--images"):
        find_truth(write_coco(tmp_path / "coco"), tmp_path / "nowhere")
