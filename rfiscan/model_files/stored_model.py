"""A model as far as it can be known and run without torch."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import safetensors

from rfiscan.detections.stripes import least_rank_at
from rfiscan.errors import ModelError
from rfiscan.model_files.card_file import CARD, EVIDENCE, WEIGHTS, model_folder, read_card
from rfiscan.model_files.model_card import ModelCard
from rfiscan.scoring import box_threshold_at, threshold_at
from rfiscan.tiling.reconstruction import TileRuntime

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""What batch norms store beside trained parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredModel:
    """A model in its folder.

    Attributes:
        name: Name of the model.
        path: Its folder.
        sha256: Digest of its weights and card.
        card: What inference needs beside the weights.
    """

    name: str
    path: Path
    sha256: str
    card: ModelCard

    def for_polarizations(self, present: Sequence[bool]) -> Self:
        """The model as it is calibrated for scenes of these polarizations, (co-pol, cross-pol).

        See `ModelCard.for_polarizations`.
        """
        return replace(self, card=self.card.for_polarizations(present))

    def threshold(self, far: float) -> float:
        """Threshold of the anomaly map for a false-alarm rate, interpolated over the logarithm of the rate.

        Raises:
            UsageError: If the rate lies outside the calibrated range.
        """
        return threshold_at(self.card.thresholds, far, f"model {self.name}")

    def box_threshold(self, far: float) -> float:
        """Threshold of the anomaly map for the boxes of stripes: see `box_threshold_at`, also for errors."""
        return box_threshold_at(self.card.thresholds, far, f"model {self.name}")

    def least_rank(self, far: float, false_stripes: float | None = None) -> float:
        """Rank that a stripe must exceed: see `least_rank_at`; 0 where the model is not calibrated for stripes.

        Raises:
            UsageError: If the number of false stripes lies outside the calibrated range.
        """
        return least_rank_at(self.card.stripe_ranks, far, false_stripes, f"model {self.name}")

    def parameter_count(self) -> int:
        """Number of trained parameters of its networks, from the headers of their files.

        Raises:
            ModelError: If one cannot be read.
        """
        count = 0
        try:
            for path in (self.path / name for name in (WEIGHTS, EVIDENCE)):
                if path.is_file():
                    with safetensors.safe_open(path, framework="np") as stored:
                        trained = [name for name in stored.keys() if not name.endswith(STATISTICS)]  # noqa: SIM118
                        count += sum(math.prod(stored.get_slice(name).get_shape()) for name in trained)
        except (OSError, safetensors.SafetensorError) as error:
            raise ModelError(f"the model {self.path} is damaged: {error}") from error
        return count


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnableModel(StoredModel):
    """A model ready for inference.

    Attributes:
        runtime: Computes its networks.
    """

    runtime: TileRuntime


def find_model(name_or_path: str | Path) -> StoredModel:
    """Read all of a model but its networks.

    Args:
        name_or_path: A bundled model's name ("cae", "mae"), which wins over a folder of that name, or a model's folder.

    Raises:
        ModelError: If there is no such model, or a file of it cannot be read.
    """
    folder = model_folder(name_or_path)
    card, digest = read_card(folder), hashlib.sha256()
    try:
        for name in (WEIGHTS, EVIDENCE, CARD):
            if (folder / name).is_file():
                digest.update((folder / name).read_bytes())
    except OSError as error:
        raise ModelError(f"the model {folder} cannot be read: {error.strerror}") from error
    return StoredModel(name=card.name, path=folder, sha256=digest.hexdigest(), card=card)
