from __future__ import annotations

import numpy as np
import pytest
import rasterio.features
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rfiscan.detections.regions import extract_detections, find_stripes, label_regions, rank_regions
from rfiscan.scoring import ScoringSettings

NAMES = ("VV", "VH")
masks = hnp.arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14)))
quick = settings(max_examples=60, deadline=None)


def flood_fill(mask):
    """Regions of an 8-connected mask, as sets of (row, col), the slow way."""
    left = {(int(row), int(col)) for row, col in np.argwhere(mask)}
    regions = []
    while left:
        region, reached = set(), [min(left)]
        while reached:
            row, col = reached.pop()
            if (row, col) in left:
                left.remove((row, col))
                region.add((row, col))
                reached += [(row + i, col + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        regions.append(frozenset(region))
    return set(regions)


def drawn(detection, shape):
    """The pixels inside the outline of a detection, as a set of (row, col)."""
    burnt = np.zeros(shape, dtype=int)
    for polygon in detection.outline_px:
        geometry = {"type": "Polygon", "coordinates": polygon}
        burnt += rasterio.features.rasterize([geometry], shape, dtype="uint8")
    assert burnt.max(initial=0) <= 1, "polygons of one detection overlap"
    return frozenset((int(row), int(col)) for row, col in np.argwhere(burnt))


def box_span(places):
    """First place and length of what a box covers along one axis, the slow way."""
    counts = {place: int((places == place).sum()) for place in set(places.tolist())}
    fuller = np.quantile(list(counts.values()), 0.9)
    kept = [place for place, count in counts.items() if count > 0.1 * fuller]
    return min(kept), max(kept) - min(kept) + 1


def found(mask, *, score=None, evidence=None, threshold=0.5, excess_db=None, names=NAMES, spacing_m=(500.0, 500.0)):
    score = np.where(mask, 1.0, 0.0) if score is None else score
    evidence = np.stack([score, score]) if evidence is None else evidence
    excess_db = evidence if excess_db is None else excess_db
    return extract_detections(label_regions(mask)[0], score, evidence, threshold, excess_db, names, spacing_m)


def test_a_box_is_around_the_surer_pixels_of_a_region_or_around_all():
    scores = np.zeros((40, 90))
    scores[10:20, 10:60] = 1.0  # a halo around what is surer
    scores[13:16, 15:50] = 4.0
    scores[30:33, 10:40] = 1.0
    labels, _ = label_regions(scores > 0.5)
    evidence = np.stack([scores, scores])
    surer, fainter = extract_detections(labels, scores, evidence, 0.5, evidence, NAMES, (500.0, 500.0), 2.0)
    assert surer.bbox_px == (15, 13, 35, 3)
    assert (surer.height_km, surer.width_km) == (1.5, 17.5)
    assert surer.area_px == 500
    assert fainter.bbox_px == (10, 30, 30, 3)
    whole, *_ = extract_detections(labels, scores, evidence, 0.5, evidence, NAMES, (500.0, 500.0))
    assert whole.bbox_px == (10, 10, 50, 10)
    assert whole.rank == surer.rank
    assert whole.outline_px == surer.outline_px


@quick
@given(mask=masks)
def test_regions_are_those_of_a_naive_flood_fill(mask):
    labels, count = label_regions(mask)
    regions = {frozenset(map(tuple, np.argwhere(labels == label).tolist())) for label in range(1, count + 1)}
    assert regions == flood_fill(mask)


@quick
@given(mask=masks)
def test_outlines_enclose_exactly_the_pixels_of_the_regions(mask):
    detections = found(mask)
    assert {drawn(detection, mask.shape) for detection in detections} == flood_fill(mask)
    for detection in detections:
        rows, cols = np.array(sorted(drawn(detection, mask.shape))).T
        assert detection.area_px == len(rows)
        (x, width), (y, height) = box_span(cols), box_span(rows)
        assert detection.bbox_px == (x, y, width, height)


@quick
@given(mask=masks)
def test_rings_are_closed_and_never_touch_themselves(mask):
    for detection in found(mask):
        for polygon in detection.outline_px:
            for ring in polygon:
                assert ring[0] == ring[-1]
                assert len(set(ring)) == len(ring) - 1 >= 4


@quick
@given(mask=masks, seed=st.integers(0, 99))
def test_figures_are_those_of_the_pixels(mask, seed):
    rng = np.random.default_rng(seed)
    score, evidence, excess = rng.random(mask.shape), rng.random((2, *mask.shape)), rng.random((2, *mask.shape))
    detections = found(mask, score=score, evidence=evidence, excess_db=excess)
    assert [d.score for d in detections] == sorted((d.score for d in detections), reverse=True)
    for detection in detections:
        where = tuple(np.array(sorted(drawn(detection, mask.shape))).T)
        assert detection.score == score[where].max()
        assert detection.mean_score == pytest.approx(score[where].mean())
        peaks = [evidence[slot][where].max() for slot in (0, 1)]
        slots = [slot for slot in (0, 1) if peaks[slot] > 0.5] or [int(np.argmax(peaks))]
        assert detection.polarizations == tuple(NAMES[slot] for slot in slots)
        larger = np.max([excess[slot][where] for slot in slots], axis=0)
        assert detection.peak_excess_db == larger.max()
        assert detection.mean_excess_db == pytest.approx(larger.mean())


@quick
@given(mask=masks)
def test_transposing_the_scene_transposes_the_detections(mask):
    upright = {(detection.bbox_px, detection.area_px) for detection in found(mask)}
    turned = {((y, x, h, w), area) for (x, y, w, h), area in ((d.bbox_px, d.area_px) for d in found(mask.T))}
    assert upright == turned


def test_pixels_that_touch_at_a_corner_are_one_detection_of_two_polygons():
    (detection,) = found(np.array([[1, 0], [0, 1]], dtype=bool))
    assert len(detection.outline_px) == 2


def test_a_hole_is_a_ring_of_its_own():
    mask = np.ones((5, 6), dtype=bool)
    mask[2, 2:4] = False
    (detection,) = found(mask)
    ((exterior, hole),) = detection.outline_px
    assert set(exterior) == {(0, 0), (6, 0), (6, 5), (0, 5)}
    assert set(hole) == {(2, 2), (4, 2), (4, 3), (2, 3)}


def test_a_box_leaves_ragged_ends_out_and_the_outline_keeps_them():
    mask = np.zeros((40, 200), dtype=bool)
    mask[10:20, 20:120] = True
    mask[20:30, 70] = True  # single pixels below, as where a stripe fades
    mask[15, 120:150] = True
    (detection,) = found(mask)
    assert detection.bbox_px == (20, 10, 100, 10)
    assert detection.area_px == mask.sum()
    assert drawn(detection, mask.shape) == frozenset(map(tuple, np.argwhere(mask).tolist()))


def test_size_on_the_ground_follows_the_spacing_of_each_axis():
    mask = np.zeros((30, 40), dtype=bool)
    mask[5:9, 10:30] = True
    (detection,) = found(mask, spacing_m=(250.0, 500.0))
    assert (detection.height_km, detection.width_km) == (1.0, 10.0)


@pytest.mark.parametrize(
    ("co", "cross", "names", "expected"),
    [
        (0.9, 0.1, NAMES, ("VV",)),
        (0.1, 0.9, NAMES, ("VH",)),
        (0.9, 0.9, ("HH", "HV"), ("HH", "HV")),
        (0.3, 0.4, NAMES, ("VH",)),
        (0.5, 0.2, NAMES, ("VV",)),  # equal to the threshold is not above it
        (np.nan, 0.2, NAMES, ("VH",)),
        (np.nan, np.nan, (None, "VH"), ("VH",)),
        (0.9, np.nan, ("HH", None), ("HH",)),
        (0.9, 0.9, (None, "VH"), ("VH",)),
        (0.9, 0.9, (None, None), ()),
    ],
)
def test_polarizations_named_are_those_that_show_it_or_the_stronger(co, cross, names, expected):
    mask = np.ones((2, 2), dtype=bool)
    evidence = np.stack([np.full((2, 2), co), np.full((2, 2), cross)])
    (detection,) = found(mask, evidence=evidence, names=names)
    assert detection.polarizations == expected


def test_excess_is_taken_in_the_polarizations_that_show_it_and_leaves_nan_out():
    mask = np.ones((1, 3), dtype=bool)
    evidence = np.array([[[0.0, 0.0, 0.0]], [[1.0, 1.0, 1.0]]])
    excess = np.array([[[9.0, 9.0, 9.0]], [[2.0, np.nan, 4.0]]])
    (detection,) = found(mask, evidence=evidence, excess_db=excess)
    assert (detection.peak_excess_db, detection.mean_excess_db) == (4.0, 3.0)
    (unknown,) = found(mask, evidence=evidence, excess_db=np.full((2, 1, 3), np.nan))
    assert np.isnan([unknown.peak_excess_db, unknown.mean_excess_db]).all()


def test_a_clear_scene_has_no_detection():
    assert found(np.zeros((4, 4), dtype=bool)) == []


def test_thousands_of_regions_are_all_found():
    mask = np.zeros((150, 150), dtype=bool)
    mask[::3, ::3] = True
    detections = found(mask)
    assert len(detections) == 50 * 50
    assert {detection.area_px for detection in detections} == {1}


def test_stripes_that_rank_no_higher_than_asked_for_are_left_out():
    scores = np.full((60, 100), -2.0)
    scores[5:10, 10:80], scores[25:30, 10:80], scores[45:50, 10:20] = 3.0, 1.0, 3.0
    shared = (scores, 0.0, ScoringSettings(), (), (500.0, 500.0))
    every = find_stripes(*shared)
    ranks = rank_regions(every, scores, 0.0, 500.0)
    assert every.max() == ranks.size == 3
    strong = find_stripes(*shared, least_rank=float(np.sort(ranks)[0]))
    assert sorted(np.unique(strong)) == [0, 1, 2]
    assert np.array_equal(strong > 0, np.isin(every, 1 + np.argsort(ranks)[1:]))
    assert not find_stripes(*shared, least_rank=float(ranks.max())).any()


def test_a_stripe_ranks_alike_on_a_finer_grid():
    scores = np.full((60, 100), -2.0)
    scores[5:10, 10:60] = 3.0
    finer = np.repeat(np.repeat(scores, 2, axis=0), 2, axis=1)
    ranks = [
        rank_regions(find_stripes(each, 0.0, ScoringSettings(), (), (step, step)), each, 0.0, step)
        for each, step in ((scores, 500.0), (finer, 250.0))
    ]
    assert ranks[0] == pytest.approx(ranks[1])


def test_the_rank_of_a_detection_is_that_of_its_region():
    scores = np.full((60, 100), -2.0)
    scores[5:10, 10:80], scores[25:30, 10:40] = 3.0, 1.0
    labels = find_stripes(scores, 0.5, ScoringSettings(), (), (500.0, 500.0))
    evidence = np.stack([scores, scores])
    found = extract_detections(labels, scores, evidence, 0.5, evidence, ("VV", "VH"), (500.0, 500.0))
    assert [d.rank for d in found] == pytest.approx([2.5 * 70**0.3, 0.5 * 30**0.3])
    assert sorted(d.rank for d in found) == pytest.approx(sorted(rank_regions(labels, scores, 0.5, 500.0)))
