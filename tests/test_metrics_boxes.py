"""Average precision of boxes, against pycocotools; stripes that are found, and false ones."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from rfiscan.metrics.bootstrap import scene_weights
from rfiscan.metrics.boxes import MAX_DETECTIONS, BoxRecords, box_precision, boxes_array, match_boxes, overlaps
from rfiscan.metrics.regions import count_false_stripes, flagged_shares, paint_boxes

seeds = st.integers(0, 10_000)


def draw_scene(rng, *, most=8, detections=None):
    """Boxes of the truth, and detections that are shifted ones or chance; scores without ties."""
    truth = np.concatenate([rng.integers(0, 60, (rng.integers(0, most), 2)), np.zeros((0, 2))]).astype(float)
    truth = np.concatenate([truth, rng.integers(3, 30, truth.shape)], axis=1)
    shifted = truth[rng.random(len(truth)) < 0.8] + rng.integers(-2, 3, 4)
    chance = np.concatenate([rng.integers(0, 60, (detections or rng.integers(0, 5), 2)).astype(float)])
    chance = np.concatenate([chance, rng.integers(3, 30, chance.shape)], axis=1)
    boxes = np.concatenate([shifted, chance])
    boxes[:, 2:] = np.maximum(boxes[:, 2:], 1)
    return boxes, rng.permutation(len(boxes)) + rng.random(len(boxes)), truth


def pycocotools_precision(scenes):
    """Mean average precision and that at 0.5, from pycocotools; NaN without truth boxes."""
    images = [{"id": i} for i in range(1, len(scenes) + 1)]
    annotations, results = [], []
    for image, (boxes, scores, truth) in enumerate(scenes, 1):
        for box in truth:
            entry = {"id": len(annotations) + 1, "image_id": image, "category_id": 1, "iscrowd": 0}
            annotations.append({**entry, "bbox": box.tolist(), "area": float(box[2] * box[3])})
        for box, score in zip(boxes, scores, strict=True):
            results.append({"image_id": image, "category_id": 1, "bbox": box.tolist(), "score": float(score)})
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {"info": {}, "images": images, "annotations": annotations, "categories": [{"id": 1}]}
        coco.createIndex()
        if not annotations:
            return np.nan, np.nan
        if not results:
            return 0.0, 0.0
        evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats[0], evaluation.stats[1]


def own_precision(scenes, names=None, replicates=0):
    records, boxes_count = BoxRecords(), np.zeros(1 + replicates)
    for name, (boxes, scores, truth) in zip(names or [f"{i:03d}" for i in range(len(scenes))], scenes, strict=True):
        records.add(name, *match_boxes(boxes, scores, truth))
        boxes_count += scene_weights(name, 0, replicates) * len(truth)
    return box_precision(records, boxes_count, seed=0)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, count=st.integers(1, 5))
def test_precision_agrees_with_pycocotools(seed, count):
    rng = np.random.default_rng(seed)
    scenes = [draw_scene(rng) for _ in range(count)]
    mean, half = own_precision(scenes)
    assert (mean[0], half[0]) == pytest.approx(pycocotools_precision(scenes), abs=1e-9, nan_ok=True)


def test_no_more_than_a_hundred_detections_of_a_scene_count():
    rng = np.random.default_rng(0)
    scenes = [draw_scene(rng, detections=130), draw_scene(rng)]
    mean, half = own_precision(scenes)
    assert len(match_boxes(*scenes[0])[0]) == MAX_DETECTIONS
    assert (mean[0], half[0]) == pytest.approx(pycocotools_precision(scenes), abs=1e-9)


@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_a_replicate_is_pycocotools_on_repeated_scenes(seed):
    rng = np.random.default_rng(seed)
    names = [f"scene {seed} {i}" for i in range(4)]
    scenes = [draw_scene(rng) for _ in names]
    mean, half = own_precision(scenes, names, replicates=4)
    for replicate in range(1, 5):
        repeats = [int(scene_weights(name, 0, 4)[replicate]) for name in names]
        repeated = [scene for scene, times in zip(scenes, repeats, strict=True) for _ in range(times)]
        expected = pycocotools_precision(repeated)
        assert (mean[replicate], half[replicate]) == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_the_order_of_scenes_that_share_their_weights_does_not_decide_between_equal_scores():
    hit, miss = (np.array([0.5]), np.ones((10, 1), bool)), (np.array([0.5]), np.zeros((10, 1), bool))
    figures = []
    for results in ((hit, miss), (miss, hit)):
        records = BoxRecords()
        for result in results:
            records.add("one background", *result)
        figures.append(np.stack(box_precision(records, np.ones(4), 0)))
    np.testing.assert_array_equal(*figures)


def test_overlap_of_boxes_is_that_of_their_pixels():
    boxes = np.array([[2, 3, 10, 4], [0, 0, 5, 5], [20, 20, 1, 1], [2, 3, 10, 4]], float)
    painted = [paint_boxes(box[None], (30, 30)) for box in boxes]
    expected = [[(a & b).sum() / (a | b).sum() for b in painted] for a in painted]
    assert overlaps(boxes, boxes) == pytest.approx(np.array(expected))


def test_a_truth_box_is_matched_once():
    truth = boxes_array([[0, 0, 10, 10]])
    scores, matched = match_boxes(np.repeat(truth, 3, axis=0), np.array([1.0, 3.0, 2.0]), truth)
    assert scores.tolist() == [3, 2, 1]
    assert matched.sum(axis=1).tolist() == [1] * 10
    assert matched[:, 0].all()


def test_nothing_found_is_zero_and_nothing_to_find_is_nan():
    nothing = boxes_array([])
    some = boxes_array([[0, 0, 5, 5]])
    assert own_precision([(nothing, np.zeros(0), some)])[0][0] == 0
    assert np.isnan(own_precision([(some, np.ones(1), nothing)])[0][0])


# stripes found, and false ones


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_shares_and_false_stripes_agree_with_a_loop(seed):
    rng = np.random.default_rng(seed)
    labels = np.zeros((30, 40), np.uint16)
    labels[3:6, 2:30], labels[15:17, 5:12] = 1, 3  # no pixel is left of stripe 2
    mask, valid = rng.random(labels.shape) < 0.04, rng.random(labels.shape) < 0.9
    shares = flagged_shares(mask, labels, valid, 3)
    assert shares[[0, 2]] == pytest.approx([mask[(labels == i) & valid].mean() for i in (1, 3)])
    assert np.isnan(shares[1])
    regions, count = scipy.ndimage.label(mask, np.ones((3, 3)))
    false = 0
    for region in range(1, count + 1):
        rows, cols = np.nonzero(regions == region)
        near = [labels[max(0, r - 2) : r + 3, max(0, c - 2) : c + 3].any() for r, c in zip(rows, cols, strict=True)]
        false += not any(near)
    assert count_false_stripes(regions, labels > 0) == false
    assert count_false_stripes(regions, labels > 9) == count


def test_boxes_are_painted_inside_the_picture_only():
    assert paint_boxes(np.array([[-5.0, 2.0, 8.0, 3.0]]), (10, 10)).sum() == 9
    assert paint_boxes(np.array([[1.5, 0.0, 1.0, 1.0]]), (10, 10)).sum() == 2
    assert not paint_boxes(np.zeros((0, 4)), (10, 10)).any()
