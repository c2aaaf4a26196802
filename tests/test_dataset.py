"""Training tiles and the scenes they come from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st

from rfiscan.errors import ConfigError
from rfiscan.priors import bundled_priors
from rfiscan.simulation.filling import filled_share
from rfiscan.standardisation import Standardisation, median_db
from rfiscan.tiling.tiles import Window
from rfiscan.training_data import dataset
from rfiscan.training_data.acquisitions import acquisition_of, find_scenes, read_backgrounds, split_by_acquisition
from rfiscan.training_data.augmentation import (
    BRIGHT_EDGE_DB,
    brighten_edges,
    compress,
    draw_gains,
    drop_polarization,
    quantise,
)
from rfiscan.training_data.backgrounds import (
    cut_background,
    draw_window,
    flip,
    real_background,
    simulate_background,
)
from rfiscan.training_data.dataset import (
    FULL_SIZE_PX,
    QUALITIES,
    SMALL_STRIPE_WEIGHT,
    Batch,
    TileStream,
    stripe_weights,
    validation_scenes,
)
from rfiscan.training_data.scene_pool import ScenePool, SceneSettings
from tests.flat_model import sea_power, write_scene
from tests.make_interference import whole_layout
from tests.make_scenes import make_quicklook_npy, make_safe

TILE, CROP = (96, 128), (48, 64)
quick = settings(max_examples=30, deadline=None)


def make_pool(**changes):
    own = {
        name: changes.pop(name, usual)
        for name, usual in {"seed": 1, "size": 3, "renew_every": 2, "sharers": None}.items()
    }
    values = {
        "real": (),
        "real_share": 0.5,
        "contaminated_share": 0.75,
        "tile_shape": TILE,
        "spacing_m": 500.0,
        "priors": bundled_priors(),
    }
    return ScenePool(SceneSettings(**{**values, **changes}), **own)


def make_stream(*, crop_shape=CROP, **changes):
    of_stream = {name: changes.pop(name) for name in ("small_stripe_weight", "drawing") if name in changes}
    return TileStream(make_pool(**changes), standardisation=Standardisation(), crop_shape=crop_shape, **of_stream)


def background_of(power, valid=None, *, eight_bit=False):
    """A real background as wide as the whole swath."""
    valid = np.ones(power.shape, bool) if valid is None else valid
    return real_background(power, valid, whole_layout("IW", power.shape[1:]), eight_bit=eight_bit)


def validate(seed, count, real=(), **changes):
    return validation_scenes(seed, count, real, TILE, 500.0, priors=bundled_priors(), **changes)


def draw_real(shape=(110, 150), seed=0, *, eight_bit=False):
    rng = np.random.default_rng(seed)
    power = (rng.integers(20, 120, (2, *shape)) ** 2).astype(np.float32)
    valid = np.ones(power.shape, bool)
    valid[:, :5] = False
    power[~valid] = np.nan
    return background_of(power, valid, eight_bit=eight_bit)


def batches(stream, count, size=3):
    return [stream.next_batch(size) for _ in range(count)]


def joined(stream, count, size=3):
    """Batches as one."""
    return Batch(*(np.concatenate(parts) for parts in zip(*batches(stream, count, size), strict=True)))


# the stream


def test_a_seed_gives_one_stream_and_another_seed_another():
    one, same, other = (batches(make_stream(seed=seed, real=(draw_real(),)), 6) for seed in (4, 4, 5))
    for a, b in zip(one, same, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert not np.array_equal(one[0].tiles, other[0].tiles)


@pytest.mark.parametrize("crop", [CROP, TILE, (20, 128)])
def test_a_batch_has_the_shape_of_the_crop(crop):
    batch = make_stream(crop_shape=crop, real=(draw_real(), draw_real((30, 40)))).next_batch(5)
    assert {values.shape for values in batch[:5]} == {(5, 2, *crop)}
    assert batch.tiles.dtype == batch.targets.dtype == np.float32
    assert batch.valid.dtype == batch.truth.dtype == bool


def test_tiles_are_standardised_and_zero_where_invalid():
    low, high = Standardisation().clip
    for batch in batches(make_stream(real=(draw_real(),)), 15):
        for values in (batch.tiles, batch.targets):
            assert np.isfinite(values).all()
            assert values.min() >= low
            assert values.max() <= high
            assert not values[~batch.valid].any()


@pytest.mark.parametrize("real", [(), (draw_real(),)], ids=["simulated", "real"])
def test_truth_is_where_a_tile_is_brightened_in_that_very_polarization(monkeypatch, real):
    """By 1 dB of the expected power, that is; with the speckle of background and interference, about that."""
    monkeypatch.setattr(dataset, "COMPRESSED_SHARE", 0.0)
    monkeypatch.setattr(
        dataset, "quantise", lambda power, gains: (power * gains[:, None, None] ** 2).astype(np.float32)
    )
    batch = joined(make_stream(contaminated_share=1.0, renew_every=1, real=real), 15)
    brighter_db = (batch.tiles - batch.targets) * Standardisation().scale_db
    low, high = Standardisation().clip
    seen = batch.valid & (batch.targets > low) & (batch.tiles < high)
    assert brighter_db.min() >= -1e-5
    assert brighter_db[seen & batch.truth].min() > 0.3
    assert brighter_db[seen & ~batch.truth].max() < 2.5
    other_alone = seen & ~batch.truth & batch.truth[:, ::-1]
    assert np.median(brighter_db[other_alone]) < 0.2 * np.median(brighter_db[seen & batch.truth])


def test_interference_lies_on_top_of_the_target_in_eight_bits_too(monkeypatch):
    monkeypatch.setattr(dataset, "COMPRESSED_SHARE", 0.0)
    monkeypatch.setattr(dataset, "draw_gains", lambda _, centre_db: 10.0 ** ((35 - centre_db) / 20))  # level 56
    stream = make_stream(contaminated_share=1.0, renew_every=1, real=(draw_real(eight_bit=True),))
    batch = joined(stream, 15)
    assert (batch.tiles >= batch.targets - 1e-5).all()
    low, high = Standardisation().clip
    seen = batch.valid & (batch.targets > low) & (batch.tiles < high)
    brighter = batch.tiles > batch.targets
    assert brighter[seen & batch.truth].mean() > 0.95  # 1 dB is less than a level where it is dark
    assert brighter[seen & ~batch.truth].mean() < 0.5


def test_a_tile_lies_hardly_anywhere_far_below_its_target():
    """Compression of a quick-look goes both ways, but only so far."""
    batch = joined(make_stream(contaminated_share=1.0, renew_every=1), 15)
    below = batch.targets - batch.tiles
    assert (below > 0.25).mean() < 0.01
    assert (below > 1).mean() < 0.002  # rings in the dark beside a strong stripe


def quicklook(seed=0):
    """A picture's squared levels with a stripe and a dot in cross-pol alone."""
    levels = np.random.default_rng(seed).normal(60, 3, (2, 64, 96))
    levels[1, 30:36, 20:80] = 200
    dotted = levels.copy()
    dotted[1, 50:53, 50:53] = 150
    return (np.round(levels) ** 2).astype(np.float32), (np.round(dotted) ** 2).astype(np.float32)


def test_bright_edges_follow_the_valid_rows_and_fade():
    power, valid = np.ones((2, 60, 30), np.float32), np.ones((2, 60, 30), bool)
    valid[:, :20, 10:] = False  # a sub-swath that begins later
    gains_db = []
    for seed in range(40):
        edged = brighten_edges(np.random.default_rng(seed), power, valid)
        if edged is not power:
            gains_db.append(10 * np.log10(np.where(valid, edged, 1.0)))
    assert 20 < len(gains_db) < 36  # 0.64 of 40 have at least one
    tops = np.array([[gain[0, 0, 0], gain[0, 20, 20]] for gain in gains_db])
    at_top = tops[:, 0] > 0.4
    assert 5 < at_top.sum() < len(tops)
    assert np.allclose(tops[at_top, 0], tops[at_top, 1], atol=0.02), "each column is bright where it begins"
    for gain in gains_db:
        assert gain.min() >= 0.0
        assert gain.max() <= BRIGHT_EDGE_DB[1] + 0.1
        assert (gain[:, 38:42, 10:].max(axis=1) < 0.5).all(), "the middle is as it was"


def test_compression_smooths_a_dot_and_leaks_between_polarizations():
    plain, dotted = quicklook()
    for channel, (without, with_dot) in enumerate(zip(compress(plain, 60), compress(dotted, 60), strict=True)):
        change = np.sqrt(with_dot) - np.sqrt(without)
        assert not change[:30].any()  # another block
        assert change[46:57, 46:57].max() > (40 if channel else 2)
        assert (np.abs(change) > 2).sum() > 9
    untouched_db = 10 * np.log10(compress(plain, 60)[0] / plain[0])
    assert np.abs(untouched_db[28:38, 20:80]).max() > np.abs(untouched_db[:12]).max()


def test_a_picture_that_is_black_around_the_scene_rings_along_its_border_alone():
    power, _ = quicklook(1)
    present = np.ones(power.shape[1:], bool)
    present[:, :21], present[:13, 50:] = False, False
    whole, bordered = compress(power, 60), compress(power, 60, present)
    change_db = np.abs(10 * np.log10(bordered / whole))
    near = scipy.ndimage.binary_dilation(~present, np.ones((3, 3), bool), 24)  # blocks of 16, and one row beyond
    assert not change_db[:, ~near].any()
    assert (change_db[:, near & present] > 0.1).mean() > 0.1
    beyond = scipy.ndimage.distance_transform_edt(~present) > 16
    assert beyond.any()
    assert (bordered[:, beyond] == 1).all(), "black, which is the lowest level"
    assert np.array_equal(compress(power, 60, np.ones_like(present)), whole)


@pytest.mark.parametrize("quality", [50, 75, 95])
def test_compressed_pictures_are_levels_near_the_original(quality):
    power, _ = quicklook(1)
    levels = np.sqrt(compress(power, quality))
    assert levels.dtype == np.float32
    assert levels.shape == power.shape
    assert np.array_equal(levels, np.round(levels))
    assert 1 <= levels.min() <= levels.max() <= 255
    assert np.abs(levels - np.sqrt(power)).mean() < 5


@pytest.mark.real
def test_training_compresses_as_much_as_published_pictures_were(real_data):
    """The strongest stripe of a real scene, in cross-pol alone, leaves ghosts in co-pol that tell the quality."""
    levels = np.load(real_data / "quicklook" / "rfi" / "sea_all_swaths.npy")[110:175, 40:216].astype(np.float32)
    stripe = slice(22, 40)
    plain = np.broadcast_to(np.median(levels[..., 0], axis=0), levels.shape[:2])
    ghosts = np.std((levels[..., 0] - plain)[stripe])
    sharp = np.round(np.stack([plain, scipy.ndimage.gaussian_filter(levels[..., 1], 0.7)]))
    told = [np.std((np.sqrt(compress(sharp**2, quality)[0]) - plain)[stripe]) for quality in range(*QUALITIES, 5)]
    weaker = [ghost < ghosts for ghost in told]
    assert not weaker[0], "the lowest quality is low enough"
    assert all(weaker[4:]), "35 and more are not"


def test_a_share_of_the_scenes_is_contaminated():
    drawn = batches(make_stream(contaminated_share=0.5, renew_every=1), 40)
    share = np.mean([truth.any() for batch in drawn for truth in batch.truth])
    assert 0.2 < share < 0.6  # some interference lies outside the crop
    assert not any(batch.truth.any() for batch in batches(make_stream(contaminated_share=0.0), 10))


def test_tiles_of_a_contaminated_scene_hold_interference_more_often_than_not(monkeypatch):
    def share():
        return np.mean([t.any() for t in joined(make_stream(contaminated_share=1.0, renew_every=1), 25).truth])

    anchored = share()
    monkeypatch.setattr(dataset, "ANCHORED_SHARE", 0.0)
    assert 1 > anchored > max(0.6, share())  # a tile without any must be there, too


def test_without_interference_a_tile_is_its_target():
    for batch in batches(make_stream(contaminated_share=0.0, real=(draw_real(),)), 10):
        assert np.array_equal(batch.tiles, batch.targets)


def test_a_polarization_is_missing_now_and_then():
    missing = np.concatenate(
        [~batch.valid.any(axis=(2, 3)) for batch in batches(make_stream(size=1, renew_every=99), 60)]
    )
    assert 0.02 < missing.any(axis=1).mean() < 0.3
    assert missing.any(axis=0).all()


def test_the_pool_fills_and_is_renewed():
    stream = make_stream(size=3, renew_every=2)
    sizes, pools = [], []
    for _ in range(8):
        stream.next_batch(1)
        sizes.append(len(stream.pool.scenes))
        pools.append(set(stream.pool.scenes))
    assert sizes == [1, 2, 3, 3, 3, 3, 3, 3]
    assert [len(pools[i] - pools[i - 1]) for i in range(3, 8)].count(1) == 2


def arrays_of(entry):
    layers = () if entry.interference is None else (entry.interference.power, entry.interference.labels)
    return [a.copy() for a in (entry.background.power, entry.background.valid_mask, *layers, entry.anchors)]


def test_a_scene_depends_on_the_seed_and_its_number_alone():
    def scenes(seed, pool, size):
        stream = make_stream(seed=seed, size=pool, renew_every=1, real=(draw_real(), draw_real(seed=1)))
        seen = {}
        for _ in range(6):
            stream.next_batch(size)
            seen |= {number: arrays_of(entry) for number, entry in stream.pool.scenes.items()}
        return seen

    one, same, other = scenes(4, 1, 1), scenes(4, 3, 2), scenes(5, 1, 1)
    assert one.keys() == same.keys() == set(range(6))
    for number, arrays in one.items():
        assert len(arrays) == len(same[number])
        for a, b in zip(arrays, same[number], strict=True):
            assert np.array_equal(a, b)
    ours, theirs = ({arrays[0].tobytes() for arrays in scenes.values()} for scenes in (one, other))
    assert len(ours) > 3
    assert len(ours & theirs) <= 2  # the real ones


def test_drawing_tiles_leaves_the_pool_as_it_is():
    stream = make_stream(size=1, renew_every=99, contaminated_share=1.0)
    stream.next_batch(1)
    (entry,) = stream.pool.scenes.values()
    before = arrays_of(entry)
    batches(stream, 10)
    assert all(np.array_equal(a, b) for a, b in zip(before, arrays_of(entry), strict=True))


def test_a_share_of_the_interference_fills_sub_swaths():
    def filled(share):
        stream = make_stream(size=12, renew_every=1, contaminated_share=1.0, filling_share=share)
        batches(stream, 12, size=1)
        entries = stream.pool.scenes.values()
        return [
            filled_share(e.interference, e.background.layout, e.background.power, e.background.valid_mask)
            for e in entries
        ]

    assert np.median(filled(1.0)) > 2 * np.median(filled(0.0))


def test_tiles_are_centred_on_the_scene_as_it_would_be_found(monkeypatch):
    monkeypatch.setattr(dataset, "CENTRE_JITTER_DB", 0.0)
    stream = make_stream(
        seed=2, size=8, renew_every=1, crop_shape=TILE, real_share=0.0, contaminated_share=1.0, filling_share=1.0
    )
    batch = joined(stream, 12)
    shown = batch.valid.any(axis=(2, 3))
    medians, clean = (
        np.array([np.median(layer[mask]) for layer, mask in zip(layers[shown], batch.valid[shown], strict=True)])
        for layers in (batch.tiles, batch.targets)
    )
    assert np.abs(medians).max() < 0.3  # quantised and compressed
    assert clean.min() < -0.5  # interference moved the median of that scene by 2 dB and more


def test_anchors_lie_on_stripes_and_small_stripes_get_their_share():
    anchored = 0
    for number in range(12):
        entry = make_pool(contaminated_share=1.0).make(number)
        labels = entry.interference.labels
        under = labels[tuple(entry.anchors.T)]
        assert (under > 0).all()
        assert bool(len(under)) == bool(labels.any())
        stripes = np.unique(labels[labels > 0])
        if 1 < len(stripes) <= 4:
            anchored += 1
            assert all((under == label).mean() > 0.25 / len(stripes) for label in stripes)
    assert anchored


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_real_scenes_are_used_by_their_share(share):
    flat = background_of(np.full((2, *TILE), 900.0, np.float32))
    drawn = batches(make_stream(real=(flat,), real_share=share, contaminated_share=0.0), 15)
    real = [len(np.unique(tile[valid])) <= 2 for batch in drawn for tile, valid in zip(*batch[1:3], strict=True)]
    assert np.mean(real) == pytest.approx(share, abs=0.3 if share == 0.5 else 0)


def test_a_quick_looks_levels_stay_whole_under_interference():
    background = draw_real(eight_bit=True)
    stream = make_stream(real=(background,), real_share=1.0, contaminated_share=1.0)
    for batch in batches(stream, 6):
        for tile, valid in zip(batch.tiles, batch.valid, strict=True):
            for channel in (0, 1):
                assert len(np.unique(tile[channel][valid[channel]])) <= 255


# parts of a tile


@quick
@given(seed=st.integers(0, 99), gains=st.tuples(st.floats(1, 50), st.floats(1, 50)))
def test_quantised_amplitudes_are_the_levels_of_a_quick_look(seed, gains):
    power = np.random.default_rng(seed).gamma(2.0, 3.0, (2, 9, 11)).astype(np.float32)
    levels = np.sqrt(quantise(power, np.array(gains)))
    assert np.array_equal(levels, np.round(levels))
    assert levels.min() >= 1
    assert levels.max() <= 255
    exact = np.sqrt(power) * np.array(gains)[:, None, None]
    inside = (exact > 1) & (exact < 255)
    assert np.abs(levels - exact)[inside].max(initial=0) <= 0.5 + 1e-3
    assert np.array_equal(quantise(levels**2, np.ones(2)), levels**2)


def test_gains_put_medians_between_the_levels_of_a_quick_look():
    rng = np.random.default_rng(0)
    for _ in range(50):
        centre_db = rng.uniform(-40, 20, 2)
        level = draw_gains(rng, centre_db) * 10 ** (centre_db / 20)
        assert (level >= 25 - 1e-6).all()
        assert (level <= 130 + 1e-6).all()
    assert draw_gains(rng, np.array([np.nan, 3.0]))[0] == 1.0


def test_dropping_leaves_one_polarization():
    valid = np.ones((2, 5, 6), bool)
    rng = np.random.default_rng(0)
    drawn = [drop_polarization(rng, valid, share=1.0) for _ in range(30)]
    assert all(sorted(mask.any(axis=(1, 2))) == [False, True] for mask in drawn)
    assert {bool(mask[0].any()) for mask in drawn} == {False, True}
    assert drop_polarization(rng, valid, share=0.0) is valid
    assert valid.all()


@pytest.mark.parametrize(("rows", "cols"), [(False, False), (True, False), (False, True), (True, True)])
def test_flipping_moves_pixels_and_layout_alike(rows, cols):
    background = simulate_background(np.random.default_rng(3), TILE, 500.0)
    flipped = flip(background, rows, cols)
    assert np.array_equal(flipped.valid_mask[0], flipped.layout.valid_mask())
    back = flip(flipped, rows, cols)
    assert np.array_equal(back.power, background.power)
    assert np.array_equal(back.valid_mask, background.valid_mask)


@quick
@given(
    seed=st.integers(0, 500),
    height=st.integers(1, 130),
    width=st.integers(1, 160),
    tile=st.tuples(st.integers(1, 140), st.integers(1, 170)),
    place=st.none() | st.tuples(st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True)),
)
def test_a_window_lies_in_the_scene_and_holds_its_anchor(seed, height, width, tile, place):
    around = None if place is None else np.array([int(place[0] * height), int(place[1] * width)])
    window = draw_window(np.random.default_rng(seed), (height, width), tile, around)
    assert (window.height, window.width) == (min(height, tile[0]), min(width, tile[1]))
    assert 0 <= window.row_off <= height - window.height
    assert 0 <= window.col_off <= width - window.width
    if around is not None:
        assert window.row_off <= around[0] < window.row_off + window.height
        assert window.col_off <= around[1] < window.col_off + window.width


@pytest.mark.parametrize("around", [None, np.array([5, 7]), np.array([0, 9])], ids=str)
def test_every_window_that_is_allowed_is_drawn(around):
    rng = np.random.default_rng(0)
    drawn = {draw_window(rng, (9, 10), (4, 3), around)[:2] for _ in range(2000)}
    allowed = {(col, row) for row in range(6) for col in range(8)}
    if around is not None:
        allowed = {(c, r) for c, r in allowed if r <= around[0] < r + 4 and c <= around[1] < c + 3}
    assert drawn == allowed


def test_small_tiles_lie_at_the_edges_of_the_scene_about_as_often_as_between_them():
    rng = np.random.default_rng(0)
    rows = np.array([draw_window(rng, (340, 500), (160, 400)).row_off for _ in range(2000)])
    assert 0.15 < (rows == 0).mean() < 0.35
    assert 0.15 < (rows == 180).mean() < 0.35
    between = rows[(rows > 0) & (rows < 180)]
    assert np.abs(np.quantile(between, [0.25, 0.5, 0.75]) - [45, 90, 135]).max() < 15
    anchored = np.array([draw_window(rng, (340, 500), (160, 400), np.array([100, 90])).row_off for _ in range(500)])
    assert anchored.max() == 100
    assert (anchored == 100).mean() < 0.1  # no edge of the scene there


@quick
@given(seed=st.integers(0, 500), height=st.integers(10, 130), width=st.integers(10, 160))
def test_a_tile_that_is_cut_keeps_pixels_and_layout_together(seed, height, width):
    rng = np.random.default_rng(seed)
    background = simulate_background(rng, TILE, 500.0)
    window = draw_window(rng, TILE, (height, width))
    tile = cut_background(background, window, (height, width))
    assert tile.power.shape == tile.valid_mask.shape == (2, height, width)
    assert tile.layout.shape == (height, width)
    inside = (slice(window.height), slice(window.width))
    assert np.array_equal(tile.power[:, *inside], background.power[:, *window.slices])
    assert np.array_equal(tile.valid_mask[0][inside], tile.layout.valid_mask()[inside])
    assert np.isin(tile.power, background.power).all()


def test_a_background_of_the_size_of_a_tile_is_left_as_it_is():
    background = simulate_background(np.random.default_rng(3), TILE, 500.0)
    window = draw_window(np.random.default_rng(0), TILE, TILE)
    assert window == Window(0, 0, TILE[1], TILE[0])
    whole = cut_background(background, window, TILE)
    assert np.array_equal(whole.power, background.power)
    assert np.array_equal(whole.valid_mask, background.valid_mask)
    assert whole.layout == background.layout


# real backgrounds


def test_a_real_background_is_positive_everywhere_and_unchanged_where_valid():
    rng = np.random.default_rng(0)
    power = rng.gamma(5.0, 0.2, (2, 50, 60)).astype(np.float32)
    power[0, 10, 10] = 0.0
    valid = rng.random(power.shape) < 0.8
    valid[0, 10, 10] = True
    power[~valid] = np.nan
    background = background_of(power, valid)
    assert (background.power > 0).all()
    same = valid & (power > 0)
    assert np.array_equal(background.power[same], power[same])
    assert not background.simulated


def test_a_real_scene_of_one_polarization_is_taken():
    power = np.full((2, 60, 80), np.nan, np.float32)
    power[0] = np.random.default_rng(0).gamma(5.0, 0.2, (60, 80))
    background = background_of(power, np.isfinite(power))
    assert np.isnan(median_db(background.power, background.valid_mask)[1])
    for batch in batches(make_stream(real=(background,), real_share=1.0), 5):
        assert np.isfinite(batch.tiles).all()
        assert not batch.valid[:, 1].any()


# validation scenes


def test_validation_scenes_are_fixed_and_half_of_them_clean():
    one, again = (validate(5, 6) for _ in range(2))
    assert all(np.array_equal(a.power, b.power) for a, b in zip(one, again, strict=True))
    assert [bool(scene.rfi_mask.any()) for scene in one][3:] == [False] * 3
    assert any(scene.interferers for scene in one[:3])
    other = validate(6, 1)[0]
    assert not np.array_equal(other.power, one[0].power)


def test_validation_scenes_can_be_shared_out():
    own = slice(1, None, 2)
    for one, other in zip(validate(5, 6)[own], validate(5, 6, own=own), strict=True):
        assert np.array_equal(one.power, other.power)
        assert np.array_equal(one.rfi_mask, other.rfi_mask)


@pytest.mark.parametrize(("share", "contaminated"), [(0.0, 0), (1.0, 5), (0.6, 3)])
def test_validation_scenes_are_contaminated_by_their_share(share, contaminated):
    scenes = validate(5, 5, contaminated_share=share)
    assert [np.array_equal(s.power, s.clean_power) for s in scenes] == [False] * contaminated + [True] * (
        5 - contaminated
    )


def test_each_real_scene_validates_with_and_without_interference():
    background = draw_real()
    with_it, without = validate(5, 0, (background,))
    assert with_it.interferers
    assert not without.interferers
    assert np.array_equal(without.power, background.power)
    assert np.array_equal(with_it.clean_power, background.power)


# scenes on disk

S1_NAMES = (
    "S1A_IW_GRDH_1SDV_20240203T043109_20240203T043134_052345_06543F_1A2B.SAFE",
    "S1A_IW_GRDH_1SDV_20240203T043134_20240203T043159_052345_06543F_99AA.png",
    "S1A_IW_GRDH_1SDV_20240215T043109_20240215T043134_052520_065A3F_0C0D.zip",
)


def test_scenes_of_one_day_are_one_acquisition():
    first, next_slice, later = (acquisition_of(Path(name)) for name in S1_NAMES)
    assert first == next_slice == "20240203"
    assert later == "20240215"
    assert acquisition_of(Path("a/coast.png")) == "coast"
    assert acquisition_of(Path("orbit_1202402031.tif")) == "orbit_1202402031"


@quick
@given(
    days=st.lists(st.integers(20240101, 20240115), max_size=30),
    share=st.floats(0, 0.99),
    seed=st.integers(0, 20),
)
def test_no_acquisition_is_on_both_sides(days, share, seed):
    paths = [Path(f"S1A_{day}T04_{number}.png") for number, day in enumerate(days)]
    training, validation = split_by_acquisition(paths, share, seed)
    assert sorted(training + validation) == sorted(paths)
    held_out = {acquisition_of(path) for path in validation}
    assert not held_out & {acquisition_of(path) for path in training}
    assert bool(training) == bool(paths)
    assert abs(len(held_out) - share * len(set(days))) <= 1
    assert (training, validation) == split_by_acquisition(paths, share, seed)


def test_another_seed_holds_out_other_acquisitions():
    paths = [Path(f"scene_{number}.png") for number in range(20)]
    assert len({tuple(split_by_acquisition(paths, 0.3, seed)[1]) for seed in range(5)}) > 1


def test_scenes_are_found_by_file_folder_and_glob(tmp_path):
    for name in ("b.png", "a.npy", "c.TIF", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "d.SAFE").mkdir()
    (tmp_path / "d.SAFE" / "inside.tiff").touch()
    names = [path.name for path in find_scenes([str(tmp_path)])]
    assert names == ["a.npy", "b.png", "c.TIF", "d.SAFE"]
    assert find_scenes([str(tmp_path / "*.png"), str(tmp_path / "b.png")]) == [tmp_path / "b.png"]
    assert find_scenes([str(tmp_path / "d.SAFE")]) == [tmp_path / "d.SAFE"]
    assert find_scenes([str(tmp_path / "**" / "*.tiff")]) == [tmp_path / "d.SAFE" / "inside.tiff"]
    assert find_scenes([]) == []


@pytest.mark.parametrize("pattern", ["absent.png", "*.png", "notes.txt"])
def test_a_pattern_that_names_no_scene_is_an_error(tmp_path, pattern):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ConfigError, match="names no scene"):
        find_scenes([str(tmp_path / pattern)])


def test_scenes_are_read_onto_the_working_grid(tmp_path):
    quicklook = make_quicklook_npy(tmp_path / "quicklook.npy", shape=(60, 80))
    tiff = write_scene(tmp_path / "sea.tif", sea_power((50, 70)))
    product = make_safe(tmp_path, shape=(120, 160))
    picture, amplitude, full = read_backgrounds([quicklook, tiff, product], 500.0)
    assert picture.eight_bit
    assert picture.power.shape == (2, 60, 80)
    assert not amplitude.eight_bit
    assert amplitude.power.shape == (2, 50, 70)
    assert full.power.shape == (2, 3, 4)  # 10 m pixels, 50 of them averaged


def test_a_stream_goes_on_from_the_state_of_another():
    first, second = (make_stream(size=3, renew_every=2, real=(draw_real(),)) for _ in range(2))
    batches(first, 7)
    second.restore(json.loads(json.dumps(first.state())))
    for expected, got in zip(batches(first, 5), batches(second, 5), strict=True):
        for a, b in zip(expected, got, strict=True):
            np.testing.assert_array_equal(b, a)


def test_small_stripes_of_different_size_weigh_the_same_in_all():
    labels = np.zeros((80, 100), np.uint16)
    labels[:5, :20], labels[10:20, :40], labels[30:60, :90], labels[70, 3] = 1, 2, 3, 4
    truth = np.stack([np.ones_like(labels, bool), np.zeros_like(labels, bool)])
    weights, nowhere = stripe_weights(labels, truth)
    assert weights[labels == 1].sum() == pytest.approx(FULL_SIZE_PX)
    assert weights[labels == 2].sum() == pytest.approx(FULL_SIZE_PX)
    assert (weights[(labels == 0) | (labels == 3)] == 1).all()
    assert weights[70, 3] == SMALL_STRIPE_WEIGHT
    assert (nowhere == 1).all()
    assert stripe_weights(labels, truth, 4.0)[0, 70, 3] == 4
    assert (stripe_weights(np.zeros((3, 4), np.uint16), np.zeros((2, 3, 4), bool)) == 1).all()


@given(seed=st.integers(0, 2**32 - 1))
def test_only_what_is_true_weighs_more_and_every_small_stripe_as_much(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, (9, 30)).astype(np.uint16)
    truth = (rng.random((2, 9, 30)) < rng.random()) & (labels > 0)
    weights = stripe_weights(labels, truth, most=np.inf)
    assert (weights[~truth] == 1).all()
    for label in set(np.unique(labels[truth.any(axis=0)])):
        own = np.where((labels == label) & truth, weights, 0).max(axis=0)
        assert own.sum() == pytest.approx(FULL_SIZE_PX)
