"""Identifiers of bursts: those that others publish, the same ground in every cycle, and those of real products."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfiscan.scenes.esa_bursts import esa_bursts
from rfiscan.scenes.orbit import orbit_of
from rfiscan.scenes.product import read_product
from rfiscan.scenes.xml_values import parse_xml
from rfiscan.sentinel1.burst_ids import CYCLE_S, ORBIT_S, ORBITS, TIMING, burst_id

SUB_SWATHS = [f"{mode}{number + 1}" for mode, timing in TIMING.items() for number in range(len(timing.starts_s))]
tracks = st.integers(1, ORBITS)
REAL = {"0664": "S1A_IW_GRDH_1SDV_20221002T205126*", "861B": "S1A_IW_GRDH_1SDV_20221014T205126*", "BB15": "S1A_EW*"}


@pytest.mark.parametrize(
    ("sub_swath", "sensed", "node", "track", "expected"),
    [  # known bursts of ASF's burst catalogue, from the tests of its burst2safe (test_burst_id.py)
        ("IW2", "2023-04-22T18:46:39.515927", "2023-04-22T17:03:10.235250", 16, "016_032322_IW2"),
        ("EW5", "2022-10-10T14:32:29.345783", "2022-10-10T14:02:11.848637", 159, "159_308684_EW5"),
    ],
)
def test_bursts_have_the_identifiers_that_the_catalogue_gives_them(sub_swath, sensed, node, track, expected):
    since_node_s = (datetime.fromisoformat(sensed) - datetime.fromisoformat(node)).total_seconds()
    zero_doppler_s = since_node_s - TIMING[sub_swath[:2]].lag_s  # a line is sensed that much later
    assert str(burst_id(sub_swath, zero_doppler_s, (track, track))) == expected


@given(sub_swath=st.sampled_from(SUB_SWATHS), since_node_s=st.floats(0, 1.2 * ORBIT_S), track=tracks)
def test_numbers_count_the_beam_cycles_of_one_repeat_of_the_orbit(sub_swath, since_node_s, track):
    found = burst_id(sub_swath, since_node_s, (track, track))
    last = CYCLE_S / TIMING[sub_swath[:2]].cycle_s
    assert 1 <= found.number <= last + 1
    assert found.relative_orbit == track
    assert found.sub_swath == sub_swath


@given(mode=st.sampled_from(list(TIMING)), since_node_s=st.floats(10, 0.9 * ORBIT_S), track=st.integers(1, ORBITS - 1))
def test_all_sub_swaths_of_a_beam_cycle_share_its_number_and_the_next_one_follows(mode, since_node_s, track):
    timing = TIMING[mode]
    numbers = [
        burst_id(f"{mode}{index + 1}", since_node_s + start_s, (track, track)).number
        for index, start_s in enumerate(timing.starts_s)
    ]
    assert len(set(numbers)) == 1
    later = burst_id(f"{mode}1", since_node_s + 1.0001 * timing.cycle_s, (track, track))
    assert later.number - numbers[0] in {1, 2}


@given(since_node_s=st.floats(1, 60), track=tracks)
def test_a_product_that_crosses_the_equator_changes_the_track_and_counts_on(since_node_s, track):
    """Its node is that of the orbit before; a product of the next orbit says the same of the same ground."""
    after = track % ORBITS + 1
    crossing = burst_id("IW1", ORBIT_S + since_node_s, (track, after))
    assert crossing == burst_id("IW1", since_node_s, (after, after))
    assert crossing.relative_orbit == after


@pytest.mark.parametrize("sub_swath", ["S3", "WV1", "IW", "IW0", "IW4", "EW6", ""])
def test_what_has_no_bursts_has_no_identifier(sub_swath):
    assert burst_id(sub_swath, 100.0, (1, 1)) is None


@pytest.mark.parametrize(
    "manifest",
    [
        "<a/>",
        "<a><relativeOrbitNumber type='start'>46</relativeOrbitNumber><ascendingNodeTime>2022-10-02T20:04:15"
        "</ascendingNodeTime></a>",
        "<a><relativeOrbitNumber type='start'>46</relativeOrbitNumber><relativeOrbitNumber type='stop'>x"
        "</relativeOrbitNumber><ascendingNodeTime>2022-10-02T20:04:15</ascendingNodeTime></a>",
        "<a><relativeOrbitNumber type='start'>46</relativeOrbitNumber><relativeOrbitNumber type='stop'>46"
        "</relativeOrbitNumber><ascendingNodeTime>soon</ascendingNodeTime></a>",
    ],
)
def test_a_manifest_that_does_not_tell_the_whole_orbit_tells_none(manifest):
    assert orbit_of(parse_xml(manifest.encode())) is None


def identifiers(real_data, name, shift_s=0.0):
    """Identifiers of the bursts of a real product: those of each sub-swath, by time."""
    product = read_product(next((real_data / "safe").glob(REAL[name])))
    found = {}
    for burst in esa_bursts(product.rfi):
        since_node_s = (burst.azimuth_time - product.orbit.node_time + timedelta(seconds=shift_s)).total_seconds()
        found.setdefault(burst.sub_swath, []).append(burst_id(burst.sub_swath, since_node_s, product.orbit.relative))
    return found


@pytest.mark.real
@pytest.mark.parametrize("name", REAL)
def test_bursts_of_a_real_product_are_numbered_on_alike_in_all_sub_swaths(real_data, name):
    found = identifiers(real_data, name)
    numbers = [[burst.number for burst in bursts] for bursts in found.values()]
    assert all(each == list(range(each[0], each[0] + len(each))) for each in numbers)
    assert all(each == numbers[0] for each in numbers)
    for shift_s in (-1.0, 1.0):
        assert identifiers(real_data, name, shift_s) == found, "the middle of a cycle is far from both its ends"


@pytest.mark.real
def test_twelve_days_later_the_bursts_are_the_same(real_data):
    first, second = (identifiers(real_data, name) for name in ("0664", "861B"))
    assert first == second
    assert str(first["IW2"][0]) == "046_097684_IW2"
