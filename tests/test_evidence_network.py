"""The evidence network: what it looks at, and what it must not see."""

from __future__ import annotations

import pytest
import torch

from rfiscan.networks import EvidenceNetwork, Reconstruction
from rfiscan.networks.evidence import INPUTS, describe
from tests.test_networks import with_statistics

pytestmark = pytest.mark.usefixtures("one_thread")

SHAPES = [(37, 53), (16, 16), (7, 90), (1, 1), (48, 64)]


def draw_evidence(seed=0, *, context=1):
    torch.manual_seed(seed)
    return with_statistics(EvidenceNetwork(width=4, context=context)).eval()


def draw_inputs(shape=(37, 53), n=2, seed=0):
    """Tiles, valid mask, and a reconstruction that no network made."""
    generator = torch.Generator().manual_seed(seed)
    tiles, mean, log_spread = (torch.randn(n, 2, *shape, generator=generator) for _ in range(3))
    valid = torch.rand(n, 2, *shape, generator=generator) < 0.8
    return tiles * valid, valid, Reconstruction(mean, (0.3 * log_spread - 1).exp())


def weigh(evidence, tiles, valid, reconstruction):
    with torch.inference_mode():
        return evidence(tiles, valid, reconstruction)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_pixel_of_each_polarization_has_log_odds(shape):
    odds = weigh(draw_evidence(), *draw_inputs(shape))
    assert odds.shape == (2, 2, *shape)
    assert odds.dtype == torch.float32
    assert torch.isfinite(odds).all()


def test_training_reaches_every_parameter():
    evidence = draw_evidence(context=2).train()
    evidence(*draw_inputs()).square().mean().backward()
    without = [n for n, p in evidence.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert not without
    assert any(p.grad.any() for p in evidence.parameters())
    assert evidence.parameter_count == sum(p.numel() for p in evidence.parameters())


def test_tiles_of_a_batch_do_not_influence_each_other():
    evidence, (tiles, valid, (mean, spread)) = draw_evidence(), draw_inputs(n=3)
    together = weigh(evidence, tiles, valid, Reconstruction(mean, spread))
    for i in range(3):
        own = slice(i, i + 1)
        alone = weigh(evidence, tiles[own], valid[own], Reconstruction(mean[own], spread[own]))
        assert torch.allclose(together[own], alone, atol=1e-4)


@pytest.mark.parametrize("change", ["tiles", "mean", "spread"])
def test_values_of_invalid_pixels_do_not_matter(change):
    evidence, (tiles, valid, (mean, spread)) = draw_evidence(), draw_inputs()
    before = weigh(evidence, tiles, valid, Reconstruction(mean, spread))
    values = {"tiles": tiles, "mean": mean, "spread": spread}

    def put(where):
        changed = {**values, change: torch.where(where, torch.full_like(tiles, 37.0), values[change])}
        return weigh(evidence, changed["tiles"], valid, Reconstruction(changed["mean"], changed["spread"]))

    assert torch.equal(put(~valid), before)
    assert not torch.equal(put(valid), before)


def test_an_absent_polarization_is_told_from_a_dark_one():
    evidence, (tiles, valid, reconstruction) = draw_evidence(), draw_inputs()
    tiles[:, 1] = 0
    valid[:, 1] = True
    absent = valid.clone()
    absent[:, 1] = False
    assert not torch.equal(
        weigh(evidence, tiles, valid, reconstruction), weigh(evidence, tiles, absent, reconstruction)
    )


def test_maps_are_described_where_valid_and_zero_elsewhere():
    tiles, valid, (mean, spread) = draw_inputs()
    maps = describe(tiles, valid, Reconstruction(mean, spread))
    assert maps.shape == (2, 2 * INPUTS, 37, 53)
    by_kind = maps.reshape(2, INPUTS, 2, 37, 53)
    assert not by_kind.movedim(1, 0)[:, ~valid].any()
    level, expected, deviation, log_spread, mask = by_kind.movedim(1, 0)
    assert torch.equal(mask > 0, valid)
    assert torch.equal(level[valid], tiles[valid])
    assert torch.equal(expected[valid], mean[valid])
    assert torch.allclose(log_spread[valid], spread.log()[valid])
    exact = ((tiles - mean) / spread)[valid]
    assert torch.equal(deviation[valid] > 0, exact > 0)
    assert (deviation[valid].abs() <= exact.abs() + 1e-6).all()
    order = exact.argsort()
    assert (deviation[valid][order].diff() >= 0).all()


def test_the_far_end_of_a_row_has_a_say_and_far_rows_have_none():
    """A stripe may end at a sub-swath's edge and come back: rows are looked along from end to end."""
    evidence, (tiles, valid, reconstruction) = draw_evidence(), draw_inputs((320, 320), n=1)
    tiles.requires_grad_()
    evidence(tiles, valid, reconstruction)[..., :16, :16].sum().backward()
    assert tiles.grad[..., :16, -16:].any()
    assert not tiles.grad[..., -16:, :].any()


@pytest.mark.parametrize("settings", [{"width": -1}, {"width": "wide"}, {"width": 2.5}, {"depth": 3}], ids=str)
def test_settings_that_fit_no_network_are_refused(settings):
    with pytest.raises((TypeError, ValueError, RuntimeError)):  # what `load_model` takes for a damaged model
        EvidenceNetwork(**settings)
