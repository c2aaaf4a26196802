"""Look-up tables: every pixel gets what the plainest computation gives, however the rows are cut."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfiscan.sentinel1.sigma_nought import (
    AzimuthBlock,
    Calibration,
    LookUpTable,
    SigmaNoughtGain,
    ThermalNoise,
    noise_equivalent_db,
)
from tests.make_calibration import Tables, constant_tables, draw_tables, naive_sigma_nought, vector

seeds = st.integers(0, 2**32 - 1)
shapes = st.tuples(st.integers(3, 40), st.integers(3, 40))


def calibration_of(tables: Tables, width: int, *, denoise: bool = True) -> Calibration:
    noise = ThermalNoise(tables.noise, tables.blocks, width) if denoise else None
    return Calibration(gain=SigmaNoughtGain(tables.sigma_nought, width), noise=noise)


def sigma_nought(tables, dn, *, denoise=True, cuts=()):
    """Calibrate a whole image (H, W), cut into bands before the given rows."""
    calibration = calibration_of(tables, dn.shape[1], denoise=denoise)
    power = np.square(dn, dtype=np.float32)
    edges = [0, *sorted(cuts), len(dn)]
    for start, stop in pairwise(edges):
        calibration.apply(power[start:stop], start)
    return power


def draw_dn(rng, shape):
    return rng.integers(0, 300, shape).astype(np.uint16)


def everywhere(tables, dn, *, denoise=True):
    rows, cols = np.indices(dn.shape)
    naive = naive_sigma_nought(dn.ravel(), tables, rows.ravel(), cols.ravel(), denoise=denoise)
    return naive.reshape(dn.shape)


@given(seeds, shapes, st.booleans(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_every_pixel_is_what_the_plain_computation_gives(seed, shape, blocks, denoise):
    rng = np.random.default_rng(seed)
    tables, dn = draw_tables(rng, shape, blocks=blocks), draw_dn(rng, shape)
    found = sigma_nought(tables, dn, denoise=denoise)
    np.testing.assert_allclose(found, everywhere(tables, dn, denoise=denoise), rtol=2e-5, atol=2e-7)


@given(seeds, shapes, st.data())
@settings(max_examples=40, deadline=None)
def test_it_does_not_matter_how_rows_are_cut(seed, shape, data):
    rng = np.random.default_rng(seed)
    tables, dn = draw_tables(rng, shape), draw_dn(rng, shape)
    cuts = data.draw(st.sets(st.integers(1, shape[0] - 1), max_size=6))
    np.testing.assert_allclose(sigma_nought(tables, dn, cuts=cuts), sigma_nought(tables, dn), rtol=1e-5, atol=1e-8)


def test_bands_may_come_in_any_order():
    rng = np.random.default_rng(0)
    tables, dn = draw_tables(rng, (30, 20)), draw_dn(rng, (30, 20))
    calibration, expected = calibration_of(tables, 20), sigma_nought(tables, dn)
    for start in (20, 0, 10, 20):
        power = np.square(dn[start : start + 10], dtype=np.float32)
        calibration.apply(power, start)
        np.testing.assert_allclose(power, expected[start : start + 10], rtol=1e-5, atol=1e-8)


@given(seeds, st.sampled_from([0.5, 1.0, 2.0, 512.0, 600.0]))
@settings(max_examples=20, deadline=None)
def test_a_constant_table_divides_by_its_square(seed, amplitude):
    dn = draw_dn(np.random.default_rng(seed), (12, 17))
    found = sigma_nought(constant_tables(dn.shape, amplitude=amplitude), dn, denoise=False)
    power = np.square(dn, dtype=np.float32)
    assert np.array_equal(found, power * (np.float32(1) / np.float32(amplitude) ** 2))
    if np.log2(amplitude) % 1 == 0:  # nothing to round
        assert np.array_equal(found, dn.astype(float) ** 2 / amplitude**2)


@given(seeds, st.floats(0, 1e5))
@settings(max_examples=20, deadline=None)
def test_constant_noise_lowers_every_mean_by_itself_and_nothing_is_cut(seed, noise):
    dn = draw_dn(np.random.default_rng(seed), (12, 17))
    tables = constant_tables(dn.shape, amplitude=1.0, noise=noise)
    found, before = sigma_nought(tables, dn).astype(float), dn.astype(float) ** 2
    assert before.mean() - found.mean() == pytest.approx(noise, rel=1e-5, abs=1e-2)
    apart = abs(before - noise) > 1e-5 * noise + np.finfo(np.float32).tiny  # where they are equal, rounding decides
    assert ((found < 0) == (before < noise))[apart].all()


@given(seeds, shapes)
@settings(max_examples=30, deadline=None)
def test_knots_keep_their_values(seed, shape):
    tables = draw_tables(np.random.default_rng(seed), shape, blocks=False)
    nothing = np.zeros(shape, np.uint16)
    unit = [vector(0, [0], [1.0])]
    found = sigma_nought(Tables(sigma_nought=unit, noise=tables.noise), nothing)
    gain = sigma_nought(Tables(sigma_nought=tables.sigma_nought), nothing + 1, denoise=False)
    for given_vectors, values in ((tables.noise, -found), (tables.sigma_nought, gain**-0.5)):
        for v in given_vectors:
            for pixel, value in zip(v.pixels.astype(int), v.values, strict=True):
                if 0 <= v.line < shape[0] and 0 <= pixel < shape[1]:
                    assert values[v.line, pixel] == pytest.approx(value, rel=1e-5)


def block(swath, lines, pixels, values=((0, 1.0),)):
    places, factors = np.array(values, float).T
    return AzimuthBlock(
        swath=swath,
        first_line=lines[0],
        last_line=lines[1],
        first_pixel=pixels[0],
        last_pixel=pixels[1],
        lines=places,
        values=factors,
    )


def noise_of(noise, blocks, shape):
    power = np.zeros(shape, np.float32)
    ThermalNoise(noise, blocks, shape[1]).subtract(power, 0)
    return -power


def test_noise_of_a_sub_swath_that_begins_later_does_not_ramp_up_from_zero():
    """The vectors before a sub-swath begins are zero there: they say nothing of it."""
    noise = [vector(0, [0, 9, 10, 19], [8, 8, 0, 0]), vector(30, [0, 9, 10, 19], [8, 8, 5, 5])]
    blocks = [block("IW1", (0, 39), (0, 9)), block("IW2", (20, 39), (10, 19))]
    found = noise_of(noise, blocks, (40, 20))
    np.testing.assert_allclose(found[:, :10], 8)
    np.testing.assert_allclose(found[20:, 10:], 5)


def test_noise_does_not_leak_over_a_seam_that_moves():
    noise = [vector(0, [0, 10, 11, 19], [8, 8, 4, 4]), vector(20, [0, 7, 8, 19], [8, 8, 4, 4])]
    blocks = [
        block("IW1", (0, 9), (0, 10)),
        block("IW2", (0, 9), (11, 19)),
        block("IW1", (10, 39), (0, 7)),
        block("IW2", (10, 39), (8, 19)),
    ]
    found = noise_of(noise, blocks, (40, 20))
    assert set(np.unique(found[:10, :11])) == set(np.unique(found[10:, :8])) == {8.0}
    assert set(np.unique(found[:10, 11:])) == set(np.unique(found[10:, 8:])) == {4.0}


def test_a_block_without_a_vector_takes_the_nearest_of_its_sub_swath():
    noise = [vector(8, [0, 9], [1, 1]), vector(22, [0, 9], [2, 2]), vector(39, [0, 9], [3, 3])]
    blocks = [
        block("IW1", (0, 19), (0, 4)),
        block("IW2", (12, 15), (5, 9)),  # the vector at line 8 is nearer, but of a time before the sub-swath began
        block("IW2", (16, 39), (5, 9)),
    ]
    found = noise_of(noise, blocks, (40, 10))
    np.testing.assert_allclose(found[12:16, 5:], 2)


def test_an_azimuth_vector_is_linear_in_lines_and_constant_beyond():
    blocks = [block("IW1", (0, 39), (0, 9), ((10, 1.0), (30, 3.0)))]
    found = noise_of([vector(0, [0], [10.0])], blocks, (40, 10))
    expected = 10 * np.interp(np.arange(40), [10, 30], [1, 3])
    np.testing.assert_allclose(found, np.repeat(expected[:, None], 10, axis=1), rtol=1e-6)


def test_blocks_that_reach_beyond_the_image_or_overlap_do_no_harm():
    blocks = [block("IW1", (-5, 60), (-3, 6)), block("IW2", (-5, 60), (4, 25))]
    np.testing.assert_allclose(noise_of([vector(0, [0], [10.0])], blocks, (40, 10)), 10)


def test_a_second_vector_at_a_line_does_not_count():
    table = LookUpTable([vector(0, [0], [1.0]), vector(0, [0], [9.0]), vector(4, [0], [3.0])], 5)
    assert table.lines.tolist() == [0, 4]
    np.testing.assert_array_equal(table.pair(0, 1), [[1.0] * 5, [3.0] * 5])


def test_memory_does_not_grow_with_the_number_of_vectors():
    tables = Tables(sigma_nought=[vector(line, [0, 9], [1.0, line + 1.0]) for line in range(500)])
    gain = SigmaNoughtGain(tables.sigma_nought, 1000)
    power = np.ones((500, 1000), np.float32)
    gain.multiply(power, 0)
    assert power[499, 999] == pytest.approx(500**-2)
    assert gain._table.pair.cache_info().currsize < 50


def test_the_level_of_a_noise_table_is_told_as_sigma_nought():
    sigma = [vector(0, [0, 1], [100.0, 100.0])]
    assert noise_equivalent_db([vector(0, [0, 1, 2], [0.0, 100.0, 100.0])], sigma) == pytest.approx(-20)
    assert noise_equivalent_db([vector(0, [0, 1], [0.0, 0.0])], sigma) is None
