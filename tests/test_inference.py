"""A network over a whole scene: cut, run, stitched, and nothing lost on the way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rfiscan.networks import Autoencoder, Reconstruction
from rfiscan.networks.inference import NetworkRuntime
from rfiscan.tiling.reconstruction import reconstruct_scene
from rfiscan.tiling.tiles import plan_windows

pytestmark = pytest.mark.usefixtures("one_thread")

TILE = (20, 30)


class Mirror(Autoencoder):
    """Gives back what it is given, and the valid mask plus one as the spread; counts the tiles."""

    def __init__(self):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))
        self.batches = []

    def predict(self, *_):
        raise AssertionError("inference takes reconstruct")

    def latent_codes(self, *_):
        raise AssertionError("inference takes reconstruct")

    def reconstruct(self, tiles, valid):
        assert torch.is_inference_mode_enabled()
        assert tiles.shape[1:] == valid.shape[1:] == (2, *TILE)
        self.batches.append(len(tiles))
        return Reconstruction(tiles, 1.0 + valid.to(tiles.dtype))


class Sum(torch.nn.Module):
    """Takes the sum of all that it is given for log odds."""

    def forward(self, tiles, valid, reconstruction):
        assert torch.is_inference_mode_enabled()
        return 4 * tiles + 2 * valid + reconstruction.mean + reconstruction.spread


def draw_scene(shape, seed=0):
    rng = np.random.default_rng(seed)
    valid = rng.random((2, *shape)) < 0.9
    return np.where(valid, rng.normal(size=(2, *shape)), 0).astype(np.float32), valid


@settings(max_examples=30, deadline=None)
@given(height=st.integers(1, 70), width=st.integers(1, 90), overlap=st.floats(0, 0.7), batch=st.integers(1, 5))
def test_stitched_tiles_of_an_identity_are_the_scene(height, width, overlap, batch):
    scene, valid = draw_scene((height, width))
    network = Mirror()
    mean, spread, log_odds = reconstruct_scene(
        NetworkRuntime(network), scene, valid, tile_shape=TILE, overlap=overlap, batch=batch
    )
    assert mean.shape == spread.shape == scene.shape
    assert log_odds is None
    assert mean == pytest.approx(scene, abs=1e-5)
    if valid.all(axis=(1, 2)).any():
        assert spread == pytest.approx(1.0 + valid, abs=1e-5)
    assert max(network.batches, default=0) <= batch


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (7, 90), (70, 5)])
def test_a_scene_smaller_than_a_tile_is_padded_and_cut_back(shape):
    scene, valid = draw_scene(shape)
    valid[:] = True
    mean, spread, _ = reconstruct_scene(NetworkRuntime(Mirror()), scene, valid, tile_shape=TILE)
    assert mean == pytest.approx(scene, abs=1e-5)
    assert spread == pytest.approx(np.full_like(scene, 2.0))


def test_tiles_without_a_valid_pixel_are_not_run():
    scene, valid = draw_scene((60, 90))
    valid[:] = False
    valid[1, :20, :30] = True
    scene[~valid] = 0
    network = Mirror()
    mean, spread, _ = reconstruct_scene(NetworkRuntime(network), scene, valid, tile_shape=TILE, overlap=0, batch=4)
    assert network.batches == [1]
    assert mean == pytest.approx(scene, abs=1e-5)
    assert (spread[:, 20:] == 1).all()


@settings(max_examples=30, deadline=None)
@given(height=st.integers(1, 70), width=st.integers(1, 90), overlap=st.floats(0, 0.7), batch=st.integers(1, 5))
def test_log_odds_are_weighed_from_each_tile_and_its_reconstruction_and_stitched(height, width, overlap, batch):
    scene, valid = draw_scene((height, width))
    valid[0, 0, 0] = True
    made = reconstruct_scene(
        NetworkRuntime(Mirror(), Sum()), scene, valid, tile_shape=TILE, overlap=overlap, batch=batch
    )
    without = reconstruct_scene(NetworkRuntime(Mirror()), scene, valid, tile_shape=TILE, overlap=overlap, batch=batch)
    assert np.array_equal(made.mean, without.mean)
    assert np.array_equal(made.spread, without.spread)
    present = valid.any(axis=0)  # a tile without a valid pixel is not run; elsewhere it says this of every pixel
    assert made.log_odds.shape == scene.shape
    expected = 5 * scene + 3.0 * valid + 1
    assert made.log_odds[:, present] == pytest.approx(expected[:, present], abs=1e-4)


def test_tiles_without_a_valid_pixel_are_not_weighed():
    scene, valid = draw_scene((60, 90))
    valid[:] = False
    valid[1, :20, :30] = True
    scene[~valid] = 0
    odds = reconstruct_scene(NetworkRuntime(Mirror(), Sum()), scene, valid, tile_shape=TILE, overlap=0).log_odds
    assert odds[1, :20, :30] == pytest.approx(5 * scene[1, :20, :30] + 4, abs=1e-4)
    assert not odds[:, 20:].any()


def test_an_invalid_scene_runs_nothing():
    network = Mirror()
    mean, spread, log_odds = reconstruct_scene(
        NetworkRuntime(network, Sum()),
        np.zeros((2, 40, 40), np.float32),
        np.zeros((2, 40, 40), bool),
        tile_shape=TILE,
    )
    assert network.batches == []
    assert not mean.any()
    assert (spread == 1).all()
    assert not log_odds.any()


def test_the_number_of_tiles_in_a_batch_does_not_matter():
    scene, valid = draw_scene((60, 90))
    one = reconstruct_scene(NetworkRuntime(Mirror(), Sum()), scene, valid, tile_shape=TILE, batch=1)
    many = reconstruct_scene(NetworkRuntime(Mirror(), Sum()), scene, valid, tile_shape=TILE, batch=7)
    for a, b in zip(one, many, strict=True):
        assert np.array_equal(a, b)


def test_progress_counts_up_to_all_tiles():
    scene, valid = draw_scene((60, 90))
    told = []
    reconstruct_scene(
        NetworkRuntime(Mirror()),
        scene,
        valid,
        tile_shape=TILE,
        batch=4,
        on_tile=lambda done, total: told.append((done, total)),
    )
    total = len(plan_windows(60, 90, TILE))
    assert told == [(done, total) for done in [*range(4, total, 4), total]]
