"""Fit the head that weighs evidence: a small perceptron, on simulated scenes with known interference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.ndimage
import torch
from numpy.typing import NDArray
from torch import nn

from rfiscan.dataset import add_ghosts, drop_polarization
from rfiscan.evidence import FEATURES, EvidenceHead, evidence_features
from rfiscan.networks import Autoencoder
from rfiscan.networks.inference import reconstruct_scene
from rfiscan.simulation import SimulatedScene
from rfiscan.simulation.interference import VISIBLE_DB
from rfiscan.standardisation import Standardisation
from rfiscan.workflows.reporting import SILENT, Reporter

HIDDEN = 48
EPOCHS = 12
BATCH = 2048
MEMBERS = 4
LEARNING_RATE = 3e-3
POSITIVES, NEGATIVES = 2000, 4000
"""Pixels drawn from a scene and polarization: with interference; without, at random; and as many of the clean pixels
that look most like it, for these are what false alarms are made of."""

SMALLEST_PX, LARGEST_PX = 30, 3000
"""Sizes of regions between which a pixel's chance to be drawn falls as the inverse of its region's size."""

GHOST_SCENES = 0.25
"""Share of scenes with compression ghosts."""

Sample = tuple[NDArray[np.float32], NDArray[np.bool_]]


def fit_evidence(
    network: Autoencoder,
    scenes: Sequence[SimulatedScene],
    standardisation: Standardisation,
    tile_shape: tuple[int, int],
    seed: int,
    reporter: Reporter = SILENT,
) -> EvidenceHead:
    """Fit a head to what a network leaves of simulated scenes.

    Args:
        network: In evaluation mode; it is not changed.
        scenes: Simulated scenes, with interference and without.
        standardisation: How power becomes network input.
        tile_shape: (h, w) of a tile in pixels.
        seed: Seed of the draw of pixels and of the fit.
        reporter: Is told how far the work is.
    """
    rng = np.random.default_rng(seed)
    samples: list[Sample] = []
    for number, scene in enumerate(scenes, start=1):
        valid = drop_polarization(rng, scene.valid_mask)
        power = add_ghosts(rng, scene.power, scene.excess_db) if rng.random() < GHOST_SCENES else scene.power
        tile, _ = standardisation.apply(power, valid)
        mean, spread = reconstruct_scene(network, tile, valid, tile_shape=tile_shape)
        features = evidence_features(tile, mean, spread, valid)
        for channel in range(len(features)):
            truth = scene.excess_db[channel] >= VISIBLE_DB
            samples.append(_draw_pixels(rng, features[channel], truth, valid[channel]))
        reporter.progress("fitting evidence", number, len(scenes))
    features = np.concatenate([sample[0] for sample in samples])
    truth = np.concatenate([sample[1] for sample in samples])
    return _fit(features, truth, seed)


def _draw_pixels(
    rng: np.random.Generator, features: NDArray[np.float32], truth: NDArray[np.bool_], valid: NDArray[np.bool_]
) -> Sample:
    """Draw pixels of one polarization, features (H, W, K); a dot of interference weighs as much as a long stripe."""
    labels, count = scipy.ndimage.label(truth & valid)
    positive = np.flatnonzero(labels)
    size = np.bincount(labels.ravel(), minlength=count + 1)[labels.ravel()[positive]]
    share = 1.0 / np.minimum(np.maximum(size, SMALLEST_PX), LARGEST_PX)
    drawn = min(len(positive), POSITIVES)
    picked = [rng.choice(positive, drawn, replace=False, p=share / share.sum())] if drawn else []
    negative = np.flatnonzero(valid & ~truth)
    picked.append(rng.choice(negative, min(len(negative), NEGATIVES), replace=False))
    flat = features.reshape(-1, features.shape[-1])
    picked.append(negative[np.argsort(flat[negative, FEATURES.index("own_block")])[-NEGATIVES:]])
    index = np.concatenate(picked)
    return flat[index], truth.ravel()[index]


def _fit(features: NDArray[np.float32], truth: NDArray[np.bool_], seed: int) -> EvidenceHead:
    """Fit `MEMBERS` perceptrons that differ by their seed, and join them into one whose log odds are their mean."""
    centre, scale = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-3)
    inputs, targets = torch.from_numpy((features - centre) / scale), torch.from_numpy(truth.astype(np.float32))
    with torch.random.fork_rng():
        members = [_fit_member(inputs, targets, seed + number) for number in range(MEMBERS)]
    return EvidenceHead(
        centre=centre,
        scale=scale,
        hidden_weights=np.concatenate([hidden.weight.detach().numpy().T for hidden, _ in members], axis=1),
        hidden_bias=np.concatenate([hidden.bias.detach().numpy() for hidden, _ in members]),
        weights=np.concatenate([output.weight.detach().numpy()[0] / MEMBERS for _, output in members]),
        bias=np.mean([output.bias.detach().numpy() for _, output in members], axis=0),
    )


def _fit_member(inputs: torch.Tensor, targets: torch.Tensor, seed: int) -> tuple[nn.Linear, nn.Linear]:
    """Minimise the cross-entropy of one perceptron with Adam and a cosine schedule."""
    torch.manual_seed(seed)
    hidden, output = nn.Linear(inputs.shape[1], HIDDEN), nn.Linear(HIDDEN, 1)
    optimiser = torch.optim.Adam([*hidden.parameters(), *output.parameters()], lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
    for _ in range(EPOCHS):
        for index in torch.split(torch.randperm(len(inputs)), BATCH):
            odds = output(torch.relu(hidden(inputs[index])))[:, 0]
            loss = nn.functional.binary_cross_entropy_with_logits(odds, targets[index])
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
        schedule.step()
    return hidden, output
