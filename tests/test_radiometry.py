"""Radiometry: stored values become linear power, and their units are recognised."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rfiscan.radiometry import Units, power_to_db, recognise_units, to_power

POSITIVE = hnp.arrays(np.float32, 20, elements=st.floats(np.float32(1e-6), np.float32(1e6), width=32))


def test_saturated_digital_numbers_do_not_wrap_around():
    power = to_power(np.array([0, 1, 65535], np.uint16), Units.DN)
    assert power.dtype == np.float32
    np.testing.assert_allclose(power, [0, 1, 65535.0**2])


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32, np.float64])
def test_amplitudes_are_squared_whatever_their_type(dtype):
    np.testing.assert_array_equal(to_power(np.array([0, 3, 120], dtype), Units.AMPLITUDE), [0, 9, 14400])


def test_complex_values_become_their_squared_modulus():
    values = np.array([3 + 4j, -1j, 0], np.complex64)
    np.testing.assert_allclose(to_power(values, Units.COMPLEX), [25, 1, 0])


def test_decibels_become_power():
    np.testing.assert_allclose(to_power(np.array([-20.0, 0.0, 30.0]), Units.DB), [0.01, 1, 1000], rtol=1e-5)


def test_nan_stays_nan_in_both_directions():
    for units in (Units.POWER, Units.DB, Units.AMPLITUDE):
        assert np.isnan(to_power(np.array([np.nan], np.float32), units)).all()
    assert np.isnan(power_to_db(np.array([np.nan], np.float32))).all()


def test_no_power_gives_the_floor():
    np.testing.assert_allclose(
        power_to_db(np.array([0.0, -1.0, 1.0], np.float32), floor_db=-60), [-60, -60, 0], atol=1e-4
    )


def test_power_is_written_into_the_array_given():
    out = np.empty(3, np.float32)
    assert to_power(np.array([1, 2, 3], np.uint16), Units.DN, out=out) is out
    np.testing.assert_array_equal(out, [1, 4, 9])


@settings(max_examples=30, deadline=None)
@given(POSITIVE)
def test_decibels_and_power_invert_each_other(power):
    np.testing.assert_allclose(to_power(power_to_db(power), Units.DB), power, rtol=1e-4)


@pytest.mark.parametrize(
    ("dtype", "units"),
    [("uint8", Units.QUICKLOOK), ("uint16", Units.DN), ("int16", Units.DN), ("complex64", Units.COMPLEX)],
)
def test_units_that_the_type_tells(dtype, units):
    assert recognise_units(dtype, np.empty(0), np.empty(0, bool)) is units


@pytest.mark.parametrize(
    ("scale", "units"),
    [
        (lambda p: 10 * np.log10(p), Units.DB),
        (lambda p: p, Units.POWER),
        (lambda p: p - 0.01, Units.POWER),  # denoised: some values are just below zero
        (lambda p: np.sqrt(p) * 300, Units.AMPLITUDE),  # digital numbers stored as floating point
        (lambda p: p * 300**2 * 10, Units.POWER),
    ],
)
def test_units_that_the_values_tell(scale, units):
    sigma_nought = np.random.default_rng(0).gamma(4.4, 0.1 / 4.4, 5000)
    values = scale(sigma_nought).astype(np.float32)
    assert recognise_units("float32", values, np.ones(values.shape, bool)) is units


def test_invalid_values_have_no_say_in_the_units():
    values = np.array([0.1, 0.2, -9999.0, np.nan], np.float32)
    assert recognise_units("float32", values, np.array([True, True, False, False])) is Units.POWER
    assert recognise_units("float32", values, np.zeros(4, bool)) is Units.POWER
