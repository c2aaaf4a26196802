"""The networks: what they may see of what they predict, and that each preset is what it says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from rfiscan.networks import PRESETS, build_network
from rfiscan.networks.base import LOG_SPREAD_RANGE, bound_log_spread, stack_valid
from rfiscan.networks.blocks import NormedConvolutions, conv, pad_to_stride
from rfiscan.networks.mae import MaskedAutoencoder, patch_statistics, visible_indices
from rfiscan.networks.patches import patchify, unpatchify

pytestmark = pytest.mark.usefixtures("one_thread")

TILE, PATCH, PATCHES = (80, 100), (20, 20), 20
TINY_MAE = {
    "tile": TILE, "patch": PATCH, "width": 16, "depth": 1, "heads": 2, "decoder_width": 16, "decoder_depth": 1,
    "decoder_heads": 2,
}  # fmt: skip
TINY = {
    "cae": ("cae", {"width": 4, "code": 4, "context": 1}),
    "cae-dense": ("cae-dense", {"tile": TILE, "latent": 6, "width": 4}),
    "dae": ("dae", {"width": 4, "code": 4, "context": 1}),
    "vae": ("vae", {"tile": TILE, "latent": 6, "width": 4}),
    "mae": ("mae", TINY_MAE),
    "mae, normalised targets": ("mae", {**TINY_MAE, "normalise_target": True}),
}


@pytest.mark.parametrize("held", [True, False])
def test_norms_within_convolutions_are_norms_after_them(held):
    torch.manual_seed(0)
    layers = NormedConvolutions(conv(3, 4, stride=2, dilation=2), nn.Conv2d(4, 5, 3, bias=False), nn.BatchNorm2d(5))
    layers = layers.double()
    norms = [module for module in layers.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.train(not held)
        for tensor in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
            tensor.uniform_(0.5, 2.0)
    tiles = torch.randn(2, 3, 12, 14, dtype=torch.float64)
    one_by_one = [layers[0][0], layers[0][1], layers[0][2], layers[1], layers[2]]
    gradients = []
    for function in (layers, nn.Sequential(*one_by_one)):
        layers.zero_grad()
        out = function(tiles)
        (out**3).sum().backward()
        gradients.append([out.detach(), *(parameter.grad.clone() for parameter in layers.parameters())])
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.fixture(params=TINY)
def network(request):
    return tiny(request.param)


def tiny(name, **changes):
    torch.manual_seed(0)
    architecture, settings = TINY[name]
    network = build_network(architecture, {**settings, **changes})
    return with_statistics(network).eval()


def with_statistics(network):
    """Fill in batch statistics as trained networks have them; fresh ones are all 0 and 1."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    return network


def draw_tiles(n=2, shape=TILE, seed=0):
    generator = torch.Generator().manual_seed(seed)
    tiles = torch.randn(n, 2, *shape, generator=generator)
    valid = torch.ones(n, 2, *shape, dtype=torch.bool)
    valid[0, :, : shape[0] // 3, : shape[1] // 4] = False
    return tiles * valid, valid


# both families


def test_a_reconstruction_has_the_tiles_shape_and_a_bounded_spread(network):
    tiles, valid = draw_tiles()
    with torch.inference_mode():
        mean, spread = network.reconstruct(tiles, valid)
    assert mean.shape == spread.shape == tiles.shape
    assert torch.isfinite(mean).all()
    assert spread.min() >= np.exp(LOG_SPREAD_RANGE[0]) * (0.01 if getattr(network, "normalise_target", False) else 1)
    assert spread.max() <= np.exp(LOG_SPREAD_RANGE[1]) * 2


def test_reconstructing_is_deterministic_and_draws_nothing_at_random(network):
    tiles, valid = draw_tiles()
    state = torch.get_rng_state()
    with torch.inference_mode():
        first, again = network.reconstruct(tiles, valid), network.reconstruct(tiles, valid)
    assert torch.equal(first.mean, again.mean)
    assert torch.equal(first.spread, again.spread)
    assert torch.equal(torch.get_rng_state(), state)


def test_tiles_of_a_batch_do_not_influence_each_other(network):
    tiles, valid = draw_tiles(3)
    with torch.inference_mode():
        together = network.reconstruct(tiles, valid).mean
        alone = torch.cat([network.reconstruct(t[None], v[None]).mean for t, v in zip(tiles, valid, strict=True)])
    assert torch.allclose(together, alone, atol=1e-4)


def test_values_of_invalid_pixels_do_not_matter(network):
    tiles, valid = draw_tiles()
    garbage = torch.where(valid, tiles, torch.full_like(tiles, 37.0))
    with torch.inference_mode():
        assert torch.equal(network.reconstruct(garbage, valid).mean, network.reconstruct(tiles, valid).mean)


def test_an_absent_polarization_is_told_from_a_dark_one(network):
    tiles, valid = draw_tiles()
    tiles[:, 1] = 0
    absent = valid.clone()
    absent[:, 1] = False
    with torch.inference_mode():
        assert not torch.equal(network.reconstruct(tiles, valid).mean, network.reconstruct(tiles, absent).mean)


def test_training_reaches_every_parameter(network):
    network.train()
    prediction = network.predict(*draw_tiles())
    assert prediction.mean.shape == prediction.log_spread.shape == (2, 2, *TILE)
    (prediction.mean.square() + prediction.log_spread.square()).mean().backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert not without


def test_only_a_masked_autoencoder_does_not_see_all_of_a_tile_in_its_first_pass(network):
    tiles, _ = draw_tiles()
    hidden = network.hidden_in_first_pass(tiles)
    assert hidden.shape == (2, 1, *TILE)
    assert hidden.dtype == torch.bool
    if not isinstance(network, MaskedAutoencoder):
        assert not hidden.any()
        return
    patches = patchify(hidden, PATCH)
    assert (patches == patches[:, :, :1]).all()
    assert (patches[:, :, 0] == network.masks[0]).all()


def test_the_log_spread_stays_in_its_range():
    low, high = LOG_SPREAD_RANGE
    bounded = bound_log_spread(torch.tensor([-1e6, -3.0, 0.0, 3.0, 1e6]))
    assert bounded[0] == pytest.approx(low)
    assert bounded[-1] == pytest.approx(high)
    assert (bounded.diff() > 0).all()


def test_the_valid_mask_goes_in_beside_the_tiles():
    tiles, valid = draw_tiles()
    stacked = stack_valid(torch.full_like(tiles, 5.0), valid)
    assert torch.equal(stacked[:, :2], 5.0 * valid)
    assert torch.equal(stacked[:, 2:] == 1, valid)


# masked autoencoder


@pytest.mark.parametrize(("mask_ratio", "passes"), [(0.5, 2), (0.6, 2), (0.6, 5), (0.75, 4), (0.3, 4)])
@pytest.mark.parametrize("place", [0, 7, PATCHES - 1])
def test_what_is_hidden_cannot_be_copied(place, mask_ratio, passes):
    """A patch's own content, valid or not, has no way into its own prediction."""
    network = tiny("mae", mask_ratio=mask_ratio, passes=passes)
    tiles, valid = draw_tiles()
    row, col = divmod(place, TILE[1] // PATCH[1])
    own = torch.zeros(TILE, dtype=torch.bool)
    own[row * PATCH[0] : (row + 1) * PATCH[0], col * PATCH[1] : (col + 1) * PATCH[1]] = True
    changed = torch.where(own, 6 * torch.randn_like(tiles), tiles)
    changed_valid = torch.where(own, torch.rand(tiles.shape) < 0.5, valid)
    with torch.inference_mode():
        before, after = network.reconstruct(tiles, valid), network.reconstruct(changed, changed_valid)
    for old, new in zip(before, after, strict=True):
        assert torch.allclose(old[..., own], new[..., own], atol=1e-4)
    seen = not network.masks[:, place].all()  # then the others do look at it
    assert torch.allclose(before.mean[..., ~own], after.mean[..., ~own], atol=1e-4) != seen


def test_normalised_targets_give_back_a_patchs_mean_and_deviation_and_nothing_else():
    network = tiny("mae, normalised targets")
    tiles, valid = draw_tiles(1)
    valid[:] = True
    block = tiles[:, :, :20, :20]
    moved = tiles.clone()
    moved[:, :, :20, :20] = block.flip(2, 3)  # other content of the same mean and deviation
    brighter = tiles.clone()
    brighter[:, :, :20, :20] = block + 2.0
    with torch.inference_mode():
        mean, same, up = (network.reconstruct(x, valid).mean[:, :, :20, :20] for x in (tiles, moved, brighter))
    assert torch.allclose(mean, same, atol=1e-4)
    assert torch.allclose(up - mean, torch.tensor(2.0), atol=1e-3)


@pytest.mark.parametrize(("mask_ratio", "passes"), [(0.5, 2), (0.6, 5), (0.75, 4)])
@pytest.mark.parametrize("place", [0, 7, PATCHES - 1])
def test_a_patchs_prediction_has_no_gradient_from_its_own_pixels(place, mask_ratio, passes):
    """In training, too, and whatever the random masks are."""
    network = tiny("mae", mask_ratio=mask_ratio, passes=passes).train()
    own = torch.zeros(1, PATCHES, PATCH[0] * PATCH[1])
    own[:, place] = 1
    own = unpatchify(own, PATCH, TILE)[0, 0] > 0
    for seed in range(3):
        tiles, valid = draw_tiles(2, seed=seed)
        tiles.requires_grad_()
        mean, log_spread, _ = network.predict(tiles, valid)
        (mean[..., own].sum() + log_spread[..., own].sum()).backward()
        assert not tiles.grad[..., own].any()
        assert tiles.grad[..., ~own].any()


@pytest.mark.parametrize(("mask_ratio", "passes"), [(0.5, 2), (0.6, 2), (0.75, 4)])
@pytest.mark.parametrize("shape", [(20, 20), (20, 40), (40, 60), (80, 20), TILE])
def test_every_pixel_of_a_crop_in_whole_patches_is_predicted(shape, mask_ratio, passes):
    network = tiny("mae", mask_ratio=mask_ratio, passes=passes).train()
    tiles, valid = draw_tiles(2, shape)
    mean, log_spread, _ = network.predict(tiles, valid)
    assert mean.shape == log_spread.shape == tiles.shape
    assert torch.isfinite(mean).all()  # a pixel that no mask hides would be 0 / 0
    low, high = LOG_SPREAD_RANGE
    assert ((log_spread >= low - 1e-5) & (log_spread <= high + 1e-5)).all()


def test_training_draws_its_masks_anew():
    network = tiny("mae")
    tiles, valid = draw_tiles()
    torch.manual_seed(1)
    first, second = network.predict(tiles, valid).mean, network.predict(tiles, valid).mean
    torch.manual_seed(1)
    assert not torch.equal(first, second)
    assert torch.equal(first, network.predict(tiles, valid).mean)


def test_crops_are_placed_everywhere_in_the_tile():
    network = tiny("mae")
    places = {tuple(network._draw_places(2, 3).tolist()) for _ in range(300)}
    corners = {(row, col) for row in range(3) for col in range(3)}
    cols = TILE[1] // PATCH[1]
    assert places == {tuple((r + i) * cols + c + j for i in range(2) for j in range(3)) for r, c in corners}


def test_visible_indices_are_those_that_are_not_hidden():
    rng = np.random.default_rng(0)
    hidden = torch.from_numpy(np.stack([rng.permutation(30) < 12 for _ in range(6)]))
    expected = np.stack([np.flatnonzero(~row) for row in hidden.numpy()])
    assert np.array_equal(visible_indices(hidden).numpy(), expected)


def test_patch_statistics_are_those_of_the_valid_pixels():
    tiles, valid = draw_tiles()
    valid &= torch.rand(valid.shape) < 0.7
    centre, scale = patch_statistics(torch.where(valid, tiles, 9.0), valid, PATCH)
    for channel in (0, 1):
        inside = tiles[1, channel, 20:40, 40:60][valid[1, channel, 20:40, 40:60]]
        assert centre[1, channel, 25, 45] == pytest.approx(float(inside.mean()), abs=1e-5)
        assert scale[1, channel, 25, 45] == pytest.approx(float(inside.std(correction=0)), abs=1e-3)
    assert torch.isfinite(scale).all()


# convolutional autoencoders


def test_the_decoder_has_nothing_but_the_code_to_go_by(monkeypatch):
    network = tiny("cae")
    tiles, valid = draw_tiles(1)
    code = network.encode(pad_to_stride(tiles), pad_to_stride(valid.float()))
    assert code.shape == (1, 4, 10, 14)  # an eighth of 80 x 112
    decoded = network.decode(code)[:, :2, : TILE[0], : TILE[1]]
    assert torch.allclose(decoded, network.predict(tiles, valid).mean, atol=1e-6)
    monkeypatch.setattr(network, "encode", lambda *_: code)
    other = network.predict(*draw_tiles(1, seed=5))
    assert torch.allclose(other.mean, decoded, atol=1e-6)


def test_the_code_is_narrower_than_the_tile():
    network = tiny("cae")
    code = network.encode(*(x.float() for x in draw_tiles(1, (96, 128))))
    assert code.shape == (1, 4, 12, 16)
    assert code.numel() * 32 == 2 * 96 * 128


def test_the_dense_bottleneck_is_a_vector(monkeypatch):
    network = tiny("cae-dense")
    seen = []
    network.to_latent.register_forward_hook(lambda *call: seen.append(call[-1].shape))
    tiles, valid = draw_tiles(3)
    mean = network.predict(tiles, valid).mean
    assert seen == [(3, 6)]
    network.to_latent.register_forward_hook(lambda *call: torch.zeros_like(call[-1]))
    blind = network.predict(tiles, valid).mean
    assert torch.allclose(blind[0], blind[1], atol=1e-6)
    assert not torch.allclose(mean[0], mean[1], atol=1e-6)


@pytest.mark.parametrize("shape", [(16, 16), (50, 70), (33, 17), (96, 128)])
def test_shapes_that_are_no_multiple_of_the_stride_are_reconstructed(shape):
    with torch.inference_mode():
        mean, _ = tiny("cae").reconstruct(*draw_tiles(1, shape))
    assert mean.shape == (1, 2, *shape)


def test_padding_repeats_the_last_rows_and_columns():
    tiles, _ = draw_tiles(1, (30, 20))
    padded = pad_to_stride(tiles)
    assert padded.shape == (1, 2, 32, 32)
    assert torch.equal(padded[:, :, :30, :20], tiles)
    assert torch.equal(padded[:, :, 31, 31], tiles[:, :, 29, 19])


# presets


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_says_how_many_parameters_it_has_and_fits_a_tile(name):
    preset = PRESETS[name]
    network = build_network(preset.architecture, preset.settings).eval()
    assert preset.parameters == network.parameter_count
    assert preset.summary
    tiles, valid = draw_tiles(1, (340, 500))
    with torch.inference_mode():
        assert network.reconstruct(tiles, valid).mean.shape == tiles.shape


def test_the_reference_masked_autoencoder_has_the_shapes_of_the_original_work():
    network = build_network("mae", PRESETS["mae-reference"].settings)
    assert isinstance(network, MaskedAutoencoder)
    assert network.grid == (10, 10)
    assert network.embed.out_features == 128
    assert len(network.encoder) - 1 == 3
    assert len(network.decoder) - 1 == 2
    assert network.masks.shape == (5, 100)
    assert (network.masks.sum(dim=1) == 60).all()


def test_the_reference_convolutional_autoencoder_has_a_bottleneck_of_125_units():
    preset = PRESETS["cae-reference"]
    assert build_network(preset.architecture, preset.settings).to_latent.out_features == 125


@pytest.mark.parametrize(
    ("architecture", "settings"),
    [
        ("unet", {}),
        ("cae", {"depth": 3}),
        ("cae", {"width": "wide"}),
        ("cae", {"width": -1}),
        ("mae", {"patch": [11, 20]}),
        ("mae", {"patch": [0, 20]}),
        ("mae", {"patch": [20]}),
        ("mae", {"width": 16, "heads": 3}),
        ("mae", {"width": 6, "heads": 3}),
        ("mae", {"mask_ratio": 0.4, "passes": 2}),
        ("mae", {"mask_ratio": 1.0}),
    ],
)
def test_settings_that_fit_no_network_are_refused(architecture, settings):
    with pytest.raises(ValueError, match=r"\w"):
        build_network(architecture, settings)
