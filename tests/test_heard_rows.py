"""Where a scene heard emitters: the middle of a stripe's main lobe, and which stripes are of one emitter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfiscan.locating.heard_rows import SHARES, HeardStripe, hearings, row_centre, row_shares
from rfiscan.locating.positions import SCALES_M

quick = settings(max_examples=50, deadline=None)


def excess_of(profile):
    """Excess in dB, (2, H, 5), that adds so much linear power in a row, to the second polarization."""
    linear = np.repeat(np.asarray(profile, float)[:, None], 5, axis=1)
    return np.stack([np.zeros_like(linear), 10.0 * np.log10(1.0 + linear)])


@quick
@given(middle=st.floats(8, 32), width=st.floats(1.5, 4), power=st.floats(0.5, 1e3))
def test_a_symmetric_stripe_has_its_middle_where_it_is(middle, width, power):
    rows = np.arange(40) + 0.5
    centre = row_centre(excess_of(power * np.exp(-0.5 * ((rows - middle) / width) ** 2)))
    assert centre == pytest.approx(middle, abs=0.4)


def test_what_cuts_side_lobes_does_not_move_the_middle():
    rows = np.arange(60) + 0.5
    whole = 100.0 * np.sinc((rows - 20.3) / 5.0) ** 2
    cut = np.where(rows > 45, 20.0, whole)  # another stripe, fainter than a quarter of the main lobe
    assert row_centre(excess_of(whole)) == pytest.approx(20.3, abs=0.3)
    assert row_centre(excess_of(cut)) == pytest.approx(row_centre(excess_of(whole)), abs=1e-9)


def test_invalid_pixels_do_not_count():
    excess_db = excess_of(np.array([0, 0, 5.0, 5.0, 0]))
    excess_db[:, 0] = np.nan
    assert row_centre(excess_db) == pytest.approx(3.0)
    assert row_centre(np.full((2, 4, 4), np.nan)) is None


def test_shares_are_shares_and_low_stripes_tell_less():
    for _, shares in SHARES:
        assert sum(shares) == pytest.approx(1)
        assert len(shares) == len(SCALES_M)
    assert row_shares(3e3)[0] < row_shares(6e3)[0] < row_shares(30e3)[0]


def stripe(index, row_km, height_km=5.0, swath=1, excess_db=10.0, shown=(False, True)):
    middle, half = 1000.0 * row_km, 500.0 * height_km
    rows_m = (middle - half, middle + half)
    return HeardStripe(index=index, row_m=middle, rows_m=rows_m, swath=swath, excess_db=excess_db, shown=shown)


@quick
@given(
    stripes=st.lists(
        st.tuples(st.floats(0, 170), st.floats(1, 60), st.integers(0, 2), st.floats(0, 30)), min_size=0, max_size=8
    )
)
def test_every_stripe_is_of_one_hearing(stripes):
    found = hearings([stripe(i, *values) for i, values in enumerate(stripes)])
    assert sorted(index for heard in found for index in heard.stripes) == list(range(len(stripes)))
    assert [heard.excess_db for heard in found] == sorted((heard.excess_db for heard in found), reverse=True)


def test_sub_swaths_that_hear_one_emitter_make_one_measurement():
    (heard,) = hearings([stripe(0, 51.0, excess_db=4.0, shown=(True, False)), stripe(1, 50.0, swath=2, excess_db=12.0)])
    assert (heard.row_m, heard.swath, heard.stripes, heard.shown) == (50e3, 2, (1, 0), (True, True))


def test_two_emitters_make_two():
    assert len(hearings([stripe(0, 50.0), stripe(1, 60.0)])) == 2


def test_faint_side_lobes_belong_to_the_main_lobe_and_strong_stripes_do_not():
    main = stripe(0, 50.0, height_km=20.0, excess_db=25.0)
    assert len(hearings([main, stripe(1, 61.0, height_km=2.0, excess_db=8.0)])) == 1
    assert len(hearings([main, stripe(1, 61.0, height_km=2.0, excess_db=20.0)])) == 2
