"""ESA's verdict beside rfiscan's: every burst is in one class, and flagged pixels move it between classes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfiscan.model_files.checkpoint import load_model
from rfiscan.scenes.esa_bursts import esa_bursts
from rfiscan.scenes.product import read_product
from rfiscan.scenes.scene import Swath
from rfiscan.sentinel1.bursts import MIN_FLAGGED_SHARE
from rfiscan.workflows.detect import DetectOptions, detect_scene
from rfiscan.workflows.detecting.esa_comparison import Flagged, burst_places, compare_with_esa, comparison_sentence
from rfiscan.workflows.detecting.esa_verdict import verdict_record
from tests.flat_model import STRIPE, sea_power
from tests.make_rfi import CYCLE_S, Annotated, Burst, bursts_of, rfi_xml
from tests.make_scenes import FIRST_LINE_TIME, GROUND_SPEED_M_PER_S, line_time, make_safe

SHAPE = (120, 260)  # at 500 m: 60 km in azimuth are 8.96 s, or 3.2 bursts
SPACING_M = 500.0
SWATHS = ("IW1", "IW2", "IW3")
RELATIONS = ("agree", "only_esa", "only_rfiscan", "not_annotated", "outside")


def annotated(**found):
    """Four bursts in each sub-swath; `IW2=(1,)` puts interference into the noise of the second one of IW2."""
    bursts = [
        replace(burst, noise=number in found.get(swath, ()))
        for swath in SWATHS
        for number, burst in enumerate(bursts_of(swath, FIRST_LINE_TIME, 4))
    ]
    return Annotated(bursts=tuple(bursts))


def product_of(folder, vv, vh=None, shape=SHAPE):
    rfi = {"VV": rfi_xml("VV", vv), **({} if vh is None else {"VH": rfi_xml("VH", vh)})}
    safe = make_safe(folder, shape=shape, spacing_m=SPACING_M, ipf="003.71", rfi=rfi, measurements=False)
    return read_product(safe)


def disjoint(product):
    """The product with sub-swaths that share no column, in two blocks of rows each, as real ones have."""
    rows, cols = product.images[0].basic.shape
    edges = [0, cols // 3, 2 * cols // 3, cols]
    blocks = tuple(
        Swath(name=name, first_row=top, last_row=bottom, first_col=max(0, edges[i] - shift), last_col=last)
        for top, bottom, shift in ((0, rows // 4, 0), (rows // 4 + 1, rows - 1, 7))
        for i, name in enumerate(SWATHS)
        for last in [edges[i + 1] - 1 - (shift if i < 2 else 0)]
    )
    return replace(product, images=(replace(product.images[0], swath_blocks=blocks),))


def flagged_by(mask, factors=(1, 1), valid=None):
    valid = np.ones(mask.shape, bool) if valid is None else valid
    return Flagged(rfi_mask=mask, valid_mask=valid, by_polarization={"VV": mask & False, "VH": mask}, factors=factors)


def entries_of(product, mask, **facts):
    return compare_with_esa(product, flagged_by(mask, **facts))["esa_rfi"]["bursts"]


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    return disjoint(product_of(tmp_path_factory.mktemp("product"), annotated(IW2=(1,), IW3=(0, 2))))


# geometry


@given(factors=st.tuples(st.integers(1, 13), st.integers(1, 13)), late_s=st.floats(-5, 12), gap=st.booleans())
@settings(max_examples=40, deadline=None)
def test_every_pixel_of_the_sub_swaths_is_in_one_place(product, factors, late_s, gap):
    bursts = [
        replace(burst, azimuth_time=burst.azimuth_time + timedelta(seconds=late_s))
        for burst in esa_bursts(product.rfi)
        if not (gap and burst.sub_swath == "IW1" and burst.number in {2, 3})
    ]
    shape = tuple(-(-size // factor) for size, factor in zip(SHAPE, factors, strict=True))
    places = burst_places(product.images[0], bursts, flagged_by(np.zeros(shape, bool), factors))
    count = np.zeros(shape, int)
    for place in places:
        for r in place.rectangles:
            assert 0 <= r.row_start < r.row_stop <= shape[0]
            assert 0 <= r.col_start < r.col_stop <= shape[1]
            count[r.row_start : r.row_stop, r.col_start : r.col_stop] += 1
    np.testing.assert_array_equal(count, 1)
    kept = [(place.burst.sub_swath, place.burst.number) for place in places if place.burst is not None]
    assert sorted(kept) == sorted((burst.sub_swath, burst.number) for burst in bursts)


def test_a_burst_lies_where_its_time_and_its_sub_swath_are(product):
    """An oracle: a pixel at a time, by the time of its row and the columns of its block."""
    zeros = np.zeros(SHAPE, bool)
    for place in burst_places(product.images[0], esa_bursts(product.rfi), flagged_by(zeros)):
        found = zeros.copy()
        for r in place.rectangles:
            found[r.row_start : r.row_stop, r.col_start : r.col_stop] = True
        expected = zeros.copy()
        blocks = [block for block in product.images[0].swath_blocks if block.name == place.sub_swath]
        for row in range(SHAPE[0]):
            since_start = (line_time(row, SPACING_M) - place.burst.azimuth_time).total_seconds()
            (block,) = [block for block in blocks if block.first_row <= row <= block.last_row]
            expected[row, block.first_col : block.last_col + 1] = 0 <= since_start < CYCLE_S
        np.testing.assert_array_equal(found, expected)


def test_bursts_beyond_the_image_are_outside_of_it(product):
    first = [entry for entry in entries_of(product, np.zeros(SHAPE, bool)) if entry["sub_swath"] == "IW1"]
    assert [entry["relation"] for entry in first] == ["agree"] * 4
    (place,) = [
        place
        for place in burst_places(
            product.images[0],
            [replace(esa_bursts(product.rfi)[0], azimuth_time=FIRST_LINE_TIME + timedelta(minutes=1))],
            flagged_by(np.zeros(SHAPE, bool)),
        )
        if place.burst is not None
    ]
    assert place.rectangles == ()


# classes


@given(seed=st.integers(0, 2**32), share=st.sampled_from([0.0, 0.005, 0.02, 0.5]))
@settings(max_examples=30, deadline=None)
def test_relations_partition_all_bursts(product, seed, share):
    mask = np.random.default_rng(seed).random(SHAPE) < share
    compared = compare_with_esa(product, flagged_by(mask))["esa_rfi"]
    entries, counts = compared["bursts"], compared["counts"]
    assert len(entries) == counts["entries"] == len(esa_bursts(product.rfi))
    assert sum(counts[name] for name in RELATIONS) == counts["entries"]
    for entry in entries:
        assert entry["relation"] in RELATIONS
        assert entry["rfiscan_found"] == (entry["flagged_share"] > MIN_FLAGGED_SHARE)
        assert (entry["relation"] == "agree") == (entry["esa_found"] == entry["rfiscan_found"])
    assert counts["agree_on_rfi"] == sum(bool(entry["esa_found"] and entry["rfiscan_found"]) for entry in entries)


@given(st.integers(0, 11))
@settings(max_examples=12, deadline=None)
def test_flagged_pixels_move_their_burst_and_no_other(product, index):
    clear = np.zeros(SHAPE, bool)
    before = entries_of(product, clear)
    assert {entry["relation"] for entry in before} == {"agree", "only_esa"}
    x, y, width, height = before[index]["bbox_px"]
    mask = clear.copy()
    mask[y : y + height, x + width // 3 : x + width // 2] = True
    after = entries_of(product, mask)
    moved = [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a["relation"] != b["relation"]]
    assert moved == [index]
    now = {"agree": "only_rfiscan", "only_esa": "agree"}
    assert after[index]["relation"] == now[before[index]["relation"]]
    assert after[index]["flagged_share_by_polarization"] == {"VV": 0.0, "VH": after[index]["flagged_share"]}


def test_a_few_flagged_pixels_are_not_a_finding(product):
    mask = np.zeros(SHAPE, bool)
    x, y, width, height = entries_of(product, mask)[0]["bbox_px"]
    few = int(MIN_FLAGGED_SHARE * width * height)
    for number, found in ((few, False), (few + 1 + width, True)):
        mask[:] = False
        rows, cols = np.unravel_index(np.arange(number), (height, width))
        mask[y + rows, x + cols] = True
        assert entries_of(product, mask)[0]["rfiscan_found"] is found


def test_pixels_without_data_do_not_count(product):
    valid = np.ones(SHAPE, bool)
    x, y, width, height = entries_of(product, valid)[0]["bbox_px"]
    valid[y : y + height, x : x + width] = False
    first, *others = entries_of(product, valid, valid=valid)
    assert first["relation"] == "outside"
    assert first["rfiscan_found"] is None
    assert all(entry["rfiscan_found"] for entry in others)


def test_what_esa_does_not_report_on_is_not_annotated(tmp_path):
    bursts = [*bursts_of("IW1", FIRST_LINE_TIME, 4), *bursts_of("IW2", FIRST_LINE_TIME, 2)]
    bursts.append(Burst(swath="IW2", start=bursts[-1].start + timedelta(seconds=CYCLE_S), noise=None))
    product = disjoint(product_of(tmp_path, Annotated(bursts=tuple(bursts))))
    entries = entries_of(product, np.zeros(SHAPE, bool))
    relations = {name: [e["relation"] for e in entries if e["sub_swath"] == name] for name in SWATHS}
    assert relations == {
        "IW1": ["agree"] * 4,
        "IW2": ["agree", "agree", "not_annotated", "not_annotated"],
        "IW3": ["not_annotated"],
    }
    assert [entry["burst"] for entry in entries if entry["sub_swath"] == "IW2"] == [1, 2, 3, None]
    (last,) = [entry for entry in entries if entry["sub_swath"] == "IW3"]
    assert last["bbox_px"][1::2] == [0, SHAPE[0]]


def test_one_polarization_suffices_for_esa(tmp_path):
    product = disjoint(product_of(tmp_path, annotated(), annotated(IW1=(2,))))
    (entry,) = [entry for entry in entries_of(product, np.zeros(SHAPE, bool)) if entry["esa_found"]]
    assert (entry["sub_swath"], entry["burst"], entry["relation"]) == ("IW1", 3, "only_esa")
    assert entry["esa_grounds"] == {"VV": [], "VH": ["noise"]}


@pytest.mark.parametrize(("ipf", "said"), [("002.70", "older than 3.40"), ("003.71", "lacks")])
def test_no_annotation_is_not_a_clean_scene(tmp_path, ipf, said):
    product = read_product(make_safe(tmp_path, ipf=ipf))
    compared = compare_with_esa(product, flagged_by(np.zeros(SHAPE, bool)))
    assert compared["esa_rfi"] is None
    assert said in compared["esa_rfi_reason"]
    assert said in comparison_sentence(compared)


# detect


@pytest.fixture
def safe(tmp_path):
    power = sea_power(SHAPE, stripe_db=8)
    dn = dict(zip(("VV", "VH"), np.sqrt(power).round().astype(np.uint16), strict=True))
    rfi = {name: rfi_xml(name, annotated(IW3=(3,))) for name in ("VV", "VH")}
    return make_safe(tmp_path, shape=SHAPE, spacing_m=SPACING_M, dn=dn, ipf="003.71", rfi=rfi)


def test_detect_writes_the_comparison_into_the_record(safe, model, tmp_path):
    record = detect_scene((safe,), load_model(model), DetectOptions(out_dir=tmp_path))
    assert json.loads((tmp_path / f"{record['scene']}.json").read_text()) == record
    esa = record["esa_rfi"]
    assert record["esa_rfi_reason"] is None
    assert (esa["ipf_version"], esa["mitigated"]) == ("3.71", False)
    assert esa["polarizations"]["VH"]["noise_reports_with_rfi"] == 1
    by_burst = {(entry["sub_swath"], entry["burst"]): entry for entry in esa["bursts"]}
    rows, cols = STRIPE
    row_s = SPACING_M / GROUND_SPEED_M_PER_S
    numbers = {int(row * row_s / CYCLE_S) + 1 for row in range(rows.start, rows.stop)}
    assert SHAPE[1] // 3 < cols.start < 2 * SHAPE[1] // 3 < cols.stop  # over the seam
    hit = {(name, number) for name in ("IW2", "IW3") for number in numbers}
    found = {key for key, entry in by_burst.items() if entry["rfiscan_found"]}
    assert found == hit
    assert {entry["relation"] for key, entry in by_burst.items() if key in hit} == {"only_rfiscan"}
    assert by_burst["IW3", 4]["relation"] == "only_esa"
    assert by_burst["IW2", 2]["flagged_share_by_polarization"]["VV"] == 0
    assert by_burst["IW2", 2]["flagged_share_by_polarization"]["VH"] > MIN_FLAGGED_SHARE


def test_detect_says_why_there_is_no_comparison(tmp_path, model):
    product = make_safe(tmp_path, shape=SHAPE, spacing_m=SPACING_M, ipf="002.91")
    record = detect_scene((product,), load_model(model), DetectOptions(out_dir=tmp_path))
    assert record["esa_rfi"] is None
    assert "IPF 2.91 is older than 3.40" in record["esa_rfi_reason"]
    measurements = tuple(sorted((product / "measurement").iterdir(), reverse=True))
    record = detect_scene(measurements, load_model(model), DetectOptions(out_dir=tmp_path))
    assert record["esa_rfi"] is None
    assert "only a Sentinel-1 product" in record["esa_rfi_reason"]


# real files


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "factors", "outside"), [("*0664.SAFE", (50, 50), 1), ("*861B.SAFE", (50, 50), 1), ("*BB15", (12, 12), 11)]
)
def test_real_bursts_fill_the_image(real_data, name, factors, outside):
    product = read_product(next(real_data.glob(f"safe/{name}")))
    image = product.images[0]
    shape = tuple(-(-size // factor) for size, factor in zip(image.basic.shape, factors, strict=True))
    compared = compare_with_esa(product, flagged_by(np.zeros(shape, bool), factors))["esa_rfi"]
    count = np.zeros(shape, int)
    for place in burst_places(image, esa_bursts(product.rfi), flagged_by(np.zeros(shape, bool), factors)):
        assert place.burst is not None  # ESA reports on all of it
        for r in place.rectangles:
            count[r.row_start : r.row_stop, r.col_start : r.col_stop] += 1
    assert count.max() == 1
    for block in image.swath_blocks:
        rows = slice(-(-block.first_row // factors[0]), (block.last_row + 1) // factors[0])
        cols = slice(-(-block.first_col // factors[1]), (block.last_col + 1) // factors[1])
        assert (count[rows, cols] == 1).all()
    counts = compared["counts"]
    assert counts["not_annotated"] == counts["only_rfiscan"] == 0
    assert counts["outside"] == sum(
        entry["bbox_px"] is None and entry["azimuth_time"] > image.stop_time.isoformat() for entry in compared["bursts"]
    )
    assert counts["outside"] <= outside
    full = [e for e in compared["bursts"] if e["burst"] == 5 and e["bbox_px"]]
    cycle_rows = (2.758 if "_IW_" in product.name else 3.038) / image.line_interval_s / factors[0]
    assert all(entry["bbox_px"][3] == pytest.approx(cycle_rows, abs=1.2) for entry in full)


@pytest.mark.real
def test_real_verdict_with_and_without_flagged_pixels(real_data):
    product = read_product(next(real_data.glob("safe/*0664.SAFE")))
    rows, cols = (-(-size // 50) for size in product.images[0].basic.shape)
    clear = compare_with_esa(product, flagged_by(np.zeros((rows, cols), bool), (50, 50)))["esa_rfi"]
    assert clear["mitigated"]
    only_esa = [(e["sub_swath"], e["burst"]) for e in clear["bursts"] if e["relation"] == "only_esa"]
    assert {("IW2", 11), ("IW3", 9)} <= set(only_esa)
    full = compare_with_esa(product, flagged_by(np.ones((rows, cols), bool), (50, 50)))["esa_rfi"]
    assert [(e["sub_swath"], e["burst"]) for e in full["bursts"] if e["relation"] == "agree"] == only_esa
    assert full["counts"]["agree_on_rfi"] == len(only_esa)
    told = json.dumps(verdict_record(product))
    assert told.count('"sensing_time"') == 66
