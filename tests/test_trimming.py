"""What looks like interference in training targets is left out, and little else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rfiscan.metrics import average_precision
from rfiscan.networks import Prediction, Reconstruction, build_network
from rfiscan.networks.losses import evidence_loss, laplace_loss
from rfiscan.networks.trimming import Trimming, smooth_excess
from rfiscan.scoring import ScoringSettings
from rfiscan.workflows.reporting import SilentReporter
from rfiscan.workflows.train import begin_run
from rfiscan.workflows.training.trainer import Trainer
from rfiscan.workflows.training.training_state import restore_state, take_state
from tests.test_dataset import background_of
from tests.test_train import make_config

pytestmark = pytest.mark.usefixtures("one_thread")

SHAPE = (32, 48)
EXPECTED = Prediction(torch.zeros(8, 2, *SHAPE), torch.zeros(8, 2, *SHAPE))
VALID = torch.ones(8, 2, *SHAPE, dtype=torch.bool)
ALL = torch.ones(8, dtype=torch.bool)


def draw(generator, contaminated=0):
    """Eight tiles of Laplace noise as a network expects it, and where the first of them hold stripes."""
    uniform = torch.rand(8, 2, *SHAPE, generator=generator) - 0.5
    tiles = -uniform.sign() * torch.log1p(-2 * uniform.abs())
    truth = torch.zeros(8, 2, *SHAPE, dtype=torch.bool)
    truth[:contaminated, :, 10:16, 5:40] = True
    return tiles + 3.0 * truth, truth


@pytest.mark.parametrize("share", [0.0, 0.02])
def test_a_share_of_no_scenes_is_warned_of(tmp_path, share):
    told, reporter = [], SilentReporter()
    reporter.warn = told.append
    begin_run(make_config(data__trim_contaminated=share), tmp_path / "run", reporter)
    assert ["leaves nothing out" in warning for warning in told] == [True] * (share > 0)


def test_without_a_share_nothing_is_left_out():
    trimming = Trimming(0.0)
    assert trimming.keep(EXPECTED, torch.full((8, 2, *SHAPE), 9.0), VALID, ALL) is VALID
    assert trimming.level is None


def test_only_scenes_that_may_be_contaminated_lose_pixels():
    trimming, (tiles, _) = Trimming(0.2), draw(torch.Generator().manual_seed(0))
    assert trimming.keep(EXPECTED, tiles, VALID, ~ALL) is VALID
    suspect = torch.arange(8) < 3
    kept = trimming.keep(EXPECTED, tiles, VALID, suspect)
    assert kept[3:].all()
    assert (~kept[:3]).float().mean() == pytest.approx(0.2, abs=0.01)
    assert VALID.all(), "the mask that was given is left as it was"


@pytest.mark.parametrize("share", [0.02, 0.1, 0.4])
def test_the_level_follows_the_quantile_of_all_batches(share):
    trimming, generator, left = Trimming(share), torch.Generator().manual_seed(1), []
    for _ in range(250):
        tiles, _ = draw(generator)
        left.append(float((~trimming.keep(EXPECTED, 2.0 * tiles, VALID, ALL)).float().mean()))
    assert np.mean(left[100:]) == pytest.approx(share, rel=0.15)


def test_contaminated_tiles_lose_their_stripes_and_clean_ones_next_to_nothing():
    """A tenth of the tiles, as it were, and a share that is a little more than the interference in them."""
    trimming, generator = Trimming(0.02), torch.Generator().manual_seed(2)
    found = []
    for number in range(200):
        tiles, truth = draw(generator, contaminated=1 if number % 5 else 0)  # 8 % of the tiles, 1.1 % of the pixels
        kept = trimming.keep(EXPECTED, tiles, VALID, ALL)
        found.append(((~kept & truth).sum(), truth.sum(), (~kept & ~truth).sum(), (~truth).sum()))
    hit, stripes, lost, clean = (sum(int(part) for part in parts[50:]) for parts in zip(*found, strict=True))
    assert hit / stripes > 0.9
    assert lost / clean < 0.02


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), share=st.floats(0.01, 0.9), absent=st.floats(0, 1))
def test_what_is_kept_is_valid_and_no_brighter_than_what_is_left_out(seed, share, absent):
    generator = torch.Generator().manual_seed(seed)
    tiles, _ = draw(generator, contaminated=2)
    valid = torch.rand(tiles.shape, generator=generator) >= absent
    trimming = Trimming(share)
    kept = trimming.keep(EXPECTED, tiles, valid, ALL)
    assert not (kept & ~valid).any()
    excess, left = smooth_excess(EXPECTED, tiles, valid), valid & ~kept
    if left.any() and kept.any():
        assert excess[left].min() > excess[kept].max()
    assert trimming.level is None or np.isfinite(trimming.level)


def test_excess_is_smoothed_over_the_box_of_the_score():
    from rfiscan.grids.local_means import mean_over_valid

    tiles, _ = draw(torch.Generator().manual_seed(3))
    valid = torch.rand(tiles.shape) < 0.8
    spread = torch.full_like(tiles, 0.5).log()
    made = smooth_excess(Prediction(torch.zeros_like(tiles) + 0.2, spread), tiles, valid)
    deviation = torch.where(valid, (tiles - 0.2) / 0.5, 0.0).numpy()
    expected = mean_over_valid(deviation[0, 1], valid[0, 1].numpy(), ScoringSettings().smooth_px)
    inside = valid[0, 1].numpy()
    assert made[0, 1].numpy()[inside] == pytest.approx(expected[inside], abs=1e-4)


# in a run


def archive(count=3):
    rng = np.random.default_rng(0)
    return tuple(background_of((rng.gamma(50, 1, (2, 60, 80)) / 50).astype(np.float32)) for _ in range(count))


def trainer_on_archive(tmp_path, **changes):
    config = make_config(
        data__real_share=1.0, data__trim_contaminated=0.1, data__trim_after_share=0.5, optimiser__steps=10, **changes
    )
    return Trainer(config, tmp_path, (archive(), ()))


def test_trimming_begins_after_its_share_of_the_steps_and_its_level_is_part_of_the_state(tmp_path):
    trainer = trainer_on_archive(tmp_path)
    for _ in range(4):
        trainer.train_step()
    assert trainer.trimming.level is None
    trainer.train_step()
    assert trainer.trimming.level is not None
    again = trainer_on_archive(tmp_path)
    restore_state(again, *take_state(trainer))
    assert again.trimming.level == trainer.trimming.level
    assert again.train_step() == trainer.train_step()


@pytest.mark.parametrize("objective", ["denoise", "plain"])
def test_what_is_left_out_teaches_neither_network(tmp_path, objective):
    trainer = trainer_on_archive(tmp_path, objective=objective, data__contaminated_share=0.0, ssim_weight=0.0)
    trainer.step = 6
    batch = trainer.stream.next_batch(4)
    assert batch.real.all()
    kept = torch.from_numpy(batch.valid).clone()
    kept[:, :, 5:9, 3:20] = False
    trainer.trimming.keep = lambda *_: kept
    trainer.network.eval()
    trainer.network.train = lambda *_: trainer.network  # statistics of batches see all pixels
    with torch.no_grad():
        seen = trainer.network.predict(torch.from_numpy(batch.tiles), torch.from_numpy(batch.valid))
    trainer._predict = lambda *_: seen
    trainer.evidence.eval()
    other = np.where(kept.numpy(), batch.targets, np.float32(-4))
    assert trainer._loss(batch._replace(targets=other)).item() == trainer._loss(batch).item()
    truth = torch.zeros_like(kept)
    log_odds = trainer.evidence(
        torch.from_numpy(batch.tiles), torch.from_numpy(batch.valid), Reconstruction(seen.mean, seen.log_spread.exp())
    )
    targets = torch.from_numpy(batch.targets)
    expected = laplace_loss(seen, targets, kept) + evidence_loss(log_odds, truth, kept)
    assert trainer._loss(batch).item() == pytest.approx(expected.item(), rel=1e-5)


# a contaminated archive


def smooth_archive(count, share, seed, place=None):
    """Smooth tiles, a share of them with one stripe of 3 units; clean, contaminated, truth, (N, 2, h, w) each.

    Stripes begin at the row and column of ``place``, or anywhere.
    """
    rng = np.random.default_rng(seed)
    x, y = np.linspace(-1, 1, SHAPE[1]), np.linspace(-1, 1, SHAPE[0])[:, None]
    clean = np.stack([[rng.normal(0, 0.5) * x + rng.normal(0, 0.5) * y for _ in range(2)] for _ in range(count)])
    clean = (clean + rng.normal(0, 0.15, clean.shape)).astype(np.float32)
    truth = np.zeros(clean.shape, bool)
    for index in range(round(share * count)):
        row, col = place or (rng.integers(2, SHAPE[0] - 8), rng.integers(0, SHAPE[1] // 3))
        truth[index, :, row : row + 4, col : col + 28] = True
    return clean, clean + np.float32(3) * truth, truth


def fit(targets, share, steps):
    torch.manual_seed(0)
    network = build_network("cae-dense", {"tile": SHAPE, "latent": 16, "width": 8})
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    trimming, rng = Trimming(share), np.random.default_rng(0)
    for step in range(steps):
        tiles = torch.from_numpy(targets[rng.integers(0, len(targets), 8)])
        prediction = network.predict(tiles, VALID)
        kept = trimming.keep(prediction, tiles, VALID, ALL) if step >= 0.1 * steps else VALID
        optimiser.zero_grad()
        laplace_loss(prediction, tiles, kept).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
    return network.eval()


def precision_of(network, tiles, truth):
    given = torch.from_numpy(tiles)
    valid = torch.ones(given.shape, dtype=torch.bool)
    with torch.inference_mode():
        return average_precision(smooth_excess(network.predict(given, valid), given, valid).numpy(), truth)


@pytest.mark.slow
@pytest.mark.parametrize(("place", "most_untrimmed"), [(None, 0.93), ((12, 8), 0.5)], ids=["anywhere", "one_place"])
def test_a_tenth_of_contaminated_tiles_does_harm_that_trimming_mends(place, most_untrimmed):
    clean, contaminated, _ = smooth_archive(40, 0.1, 0, place)
    _, tiles, truth = smooth_archive(40, 0.5, 50, place)
    from_clean, untrimmed, trimmed = (
        precision_of(fit(targets, share, 300), tiles, truth)
        for targets, share in ((clean, 0), (contaminated, 0), (contaminated, 0.015))
    )
    assert from_clean > 0.9
    assert untrimmed < most_untrimmed
    assert trimmed > from_clean - 0.05
