"""What a step of training teaches, and how fast."""

from __future__ import annotations

import math

from rfiscan.config.schema import TrainConfig


def weighs(config: TrainConfig) -> bool:
    """True where the evidence network makes the anomaly map; else it learns nothing, and is not kept."""
    return config.score == "evidence"


def autoencoder_steps(config: TrainConfig) -> int:
    """Steps in which the autoencoder learns; in those that follow the evidence network learns alone."""
    return round(config.optimiser.steps * (1.0 - config.optimiser.evidence_share * weighs(config)))


def statistics_steps(config: TrainConfig) -> int:
    """Steps in which batch norms take the statistics of their batches; after them they keep what they have."""
    return round(config.optimiser.steps * config.optimiser.statistics_share)


def learning_rate(config: TrainConfig, step: int) -> float:
    """Linear warm-up, half a cosine down to a hundredth of the peak; then again from its half for the evidence.

    Args:
        config: The run's.
        step: Steps that are done.
    """
    options, last = config.optimiser, autoencoder_steps(config)
    if options.steps > last <= step:
        return 0.5 * options.learning_rate * _half_cosine((step - last) / (options.steps - last))
    warmup = max(1.0, options.warmup_share * last)
    if step < warmup:
        return options.learning_rate * (step + 1) / warmup
    progress = (step - warmup) / max(1.0, last - warmup)
    return options.learning_rate * _half_cosine(progress)


def _half_cosine(progress: float) -> float:
    """From 1 at 0 down to a hundredth at 1."""
    return 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0)))
