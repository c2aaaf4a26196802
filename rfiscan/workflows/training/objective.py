"""What an autoencoder is asked for: a reconstruction loss, with similarity and the cost of codes where wanted."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rfiscan.config.schema import TrainConfig
from rfiscan.networks import Autoencoder, Prediction
from rfiscan.networks.losses import l1_loss, laplace_loss, mse_loss, ssim
from rfiscan.networks.mae import MaskedAutoencoder, patch_statistics
from rfiscan.workflows.training.stepping import WHOLE, PixelShare, ssim_tiles

LOSSES = {"laplace": laplace_loss, "l1": l1_loss, "mse": mse_loss}


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """The loss of reconstructions.

    Attributes:
        loss: One of `LOSSES`.
        ssim_weight: Weight of 1 - SSIM.
        kl_weight: Weight of the cost of codes, in nats a valid pixel, once it is warm; 1 is the bound on the
            likelihood.
        kl_warmup_share: Share of the steps over which it rises linearly from 0, so that codes are not given up before
            they are used (Bowman et al. 2016, Generating Sentences from a Continuous Space, arXiv:1511.06349, section
            3.1).
        patch: (p, q) of patches that are compared at zero mean and unit variance; None compares pixels as they are.
    """

    loss: str
    ssim_weight: float
    kl_weight: float
    kl_warmup_share: float
    patch: tuple[int, int] | None

    @classmethod
    def of(cls, config: TrainConfig, network: Autoencoder) -> Objective:
        """The configured objective of a network."""
        patch = network.patch if isinstance(network, MaskedAutoencoder) and network.normalise_target else None
        return cls(
            loss=config.loss,
            ssim_weight=config.ssim_weight,
            kl_weight=config.kl_weight,
            kl_warmup_share=config.kl_warmup_share,
            patch=patch,
        )

    def __call__(
        self,
        prediction: Prediction,
        targets: Tensor,
        valid: Tensor,
        progress: float = 1.0,
        share: PixelShare = WHOLE,
    ) -> Tensor:
        """The loss, a scalar; of a part of a batch its contribution to that of the whole.

        Args:
            prediction: Of the tiles.
            targets: What they should be, standardised, shape (N, 2, h, w).
            valid: True = pixels that count, same shape.
            progress: Share of the steps that are done, 0..1.
            share: What the tiles hold of the pixels of their batch.
        """
        compared = (prediction, targets)
        if self.patch is not None and self.loss != "laplace":  # whose gradient is the same either way
            compared = normalise_patches(prediction, targets, valid, self.patch)
        loss = share.valid * LOSSES[self.loss](*compared, valid)
        count = ssim_tiles(len(targets)) if share.ssim_tiles is None else share.ssim_tiles
        if self.ssim_weight and count:
            first = slice(0, count)
            similarity = ssim(prediction.mean[first], targets[first], valid[first])
            present, held = torch.isfinite(similarity), similarity.new_tensor(share.similar)
            if present.any():
                missing = held[present].mean() - (held * similarity)[present].mean()
                loss = loss + self.ssim_weight * missing
        if prediction.divergence is not None:
            warm = min(1.0, progress / self.kl_warmup_share) if self.kl_warmup_share else 1.0
            loss = loss + share.valid * self.kl_weight * warm * prediction.divergence.sum() / valid.sum().clamp(min=1)
        return loss


def normalise_patches(
    prediction: Prediction, targets: Tensor, valid: Tensor, patch: tuple[int, int]
) -> tuple[Prediction, Tensor]:
    """Put predictions and targets into the units in which each patch of the target has mean 0 and variance 1.

    A squared error then counts what a patch looks like, and not how much contrast it has (He et al. 2022,
    arXiv:2111.06377, section 3, "Reconstruction target").
    """
    centre, scale = patch_statistics(targets, valid, patch)
    seen = Prediction((prediction.mean - centre) / scale, prediction.log_spread - scale.log())
    return seen, (targets - centre) / scale
