"""What is made ready for inference computes what the networks compute."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rfiscan.networks import build_network
from rfiscan.networks.fixed_masks import FixedMasks
from rfiscan.networks.frozen import FrozenModel, absorb_unshuffles, fold_batch_norms
from rfiscan.networks.inference import NetworkRuntime
from rfiscan.networks.torch_runtime import TorchRuntime
from tests.small_models import CAE, MAE, TILE, draw_evidence, draw_network, draw_tiles

pytestmark = pytest.mark.usefixtures("one_thread")

MASKED = {
    "two passes": {},
    "hidden three times each": {"mask_ratio": 0.6, "passes": 5},
    "hidden once or twice": {"mask_ratio": 0.4, "passes": 3},
    "all but one hidden": {"mask_ratio": 0.9, "passes": 2},
    "normalised": {"normalise_target": True},
    "one layer each": {"depth": 1, "decoder_depth": 1},
    "no decoder layer": {"decoder_depth": 0},
}


def tensors(count=3, seed=0):
    return tuple(torch.from_numpy(x) for x in draw_tiles(count, seed=seed))


def close(found, expected):
    return np.abs(np.asarray(found) - np.asarray(expected)).max() <= 1e-5 * np.abs(np.asarray(expected)).max()


@pytest.mark.parametrize("name", MASKED)
def test_fixed_masks_compute_what_the_masked_autoencoder_does(name):
    network = draw_network("mae", MAE | MASKED[name])
    tiles, valid = tensors()
    with torch.inference_mode():
        expected = network.reconstruct(tiles, valid)
        found = FixedMasks(network)(tiles, valid.float())
    for made, wanted in zip(found, expected, strict=True):
        assert made.shape == wanted.shape
        assert close(made, wanted)


def test_a_patch_is_predicted_without_being_seen():
    network = draw_network("mae", MAE)
    frozen, (tiles, valid) = FixedMasks(network), tensors(1)
    valid[:] = True
    brighter = tiles.clone()
    brighter[:, :, 10:20, 20:40] += 3.0
    with torch.inference_mode():
        before, after = frozen(tiles, valid.float())[0], frozen(brighter, valid.float())[0]
    assert torch.allclose(before[:, :, 10:20, 20:40], after[:, :, 10:20, 20:40], atol=1e-6)
    assert not torch.allclose(before, after, atol=1e-4)


def test_folding_leaves_no_batch_norm_and_the_original_as_it_was():
    evidence = draw_evidence()
    before = {name: tensor.clone() for name, tensor in evidence.state_dict().items()}
    folded = fold_batch_norms(evidence)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    assert any(isinstance(module, torch.nn.BatchNorm2d) for module in evidence.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in evidence.state_dict().items())


@pytest.mark.parametrize(
    ("architecture", "settings"),
    [("cae", CAE), ("cae-dense", {"tile": TILE, "latent": 6}), ("dae", CAE), ("vae", {"tile": TILE, "latent": 6})],
)
def test_a_folded_network_computes_what_it_did(architecture, settings):
    network = draw_network(architecture, settings)
    folded, (tiles, valid) = fold_batch_norms(network), tensors()
    with torch.inference_mode():
        for found, wanted in zip(folded.reconstruct(tiles, valid), network.reconstruct(tiles, valid), strict=True):
            assert close(found, wanted)


@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("size", [1, 3, 5])
def test_a_convolution_of_unshuffled_pixels_is_one_of_the_pixels(factor, size):
    torch.manual_seed(0)
    inner = torch.nn.Sequential(torch.nn.Conv2d(2 * factor**2, 5, size, padding=size // 2), torch.nn.ReLU())
    network = torch.nn.Sequential(torch.nn.PixelUnshuffle(factor), inner).eval()
    absorbed, maps = absorb_unshuffles(network), torch.randn(2, 2, 4 * factor, 6 * factor)
    assert not any(isinstance(module, torch.nn.PixelUnshuffle) for module in absorbed.modules())
    with torch.inference_mode():
        assert close(absorbed(maps), network(maps))


@pytest.mark.parametrize(("architecture", "settings"), [("cae", CAE), ("mae", MAE)])
@pytest.mark.parametrize("weighs", [True, False])
def test_the_torch_runtime_computes_what_the_networks_do(architecture, settings, weighs):
    network, evidence = draw_network(architecture, settings), draw_evidence() if weighs else None
    runtime, tiles = TorchRuntime(network, evidence), draw_tiles(3)
    found, expected = runtime.run(*tiles), NetworkRuntime(network, evidence).run(*tiles)
    assert runtime.weighs == weighs
    assert len(found) == (3 if weighs else 2)
    for made, wanted in zip(found, expected, strict=True):
        assert made.dtype == np.float32
        assert close(made, wanted)


def test_bfloat16_is_taken_when_asked_for_only():
    network, evidence, tiles = draw_network("cae", CAE), draw_evidence(), draw_tiles(2)
    exact = TorchRuntime(network, evidence).run(*tiles)
    rounded = TorchRuntime(network, evidence, precision="bf16").run(*tiles)
    for one, other in zip(exact, rounded, strict=True):
        assert other.dtype == np.float32
        assert not close(one, other)
        assert np.abs(one - other).max() <= 0.05 * np.abs(one).max()  # bfloat16 has 8 bits: 0.4 % an operation


def test_the_shipped_shapes_can_be_frozen():
    network = build_network("mae", {"passes": 2, "depth": 1})
    model = FrozenModel(network.eval())
    with torch.inference_mode():
        mean, spread = model(torch.zeros(1, 2, 340, 500), torch.ones(1, 2, 340, 500, dtype=torch.bool))
    assert mean.shape == spread.shape == (1, 2, 340, 500)
