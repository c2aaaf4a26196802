"""From decibels to anomaly maps in one function of tiles: standardisation, networks and scoring.

Follows `rfiscan.standardisation` and `rfiscan.scoring`, which say where each step comes from. Shapes: N tiles, (h, w)
tile.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from rfiscan.networks.frozen import FrozenModel
from rfiscan.networks.onnx_graph import convert
from rfiscan.scoring import ScoringSettings
from rfiscan.standardisation import Standardisation

OUTPUTS = ("anomaly_map", "evidence", "reconstruction_db", "spread_db")


class ScoringModel(nn.Module):
    """A model from decibels to anomaly maps.

    Args:
        frozen: The networks.
        standardisation: How decibels become network input.
        scoring: How reconstructions become anomaly maps, without an evidence network.
    """

    def __init__(self, frozen: FrozenModel, standardisation: Standardisation, scoring: ScoringSettings) -> None:
        super().__init__()
        self.frozen = frozen
        self.scale_db, self.clip = standardisation.scale_db, standardisation.clip
        self.smooth_px, self.shared_weight = scoring.smooth_px, scoring.shared_weight
        self.eval().requires_grad_(requires_grad=False)

    def forward(
        self, tiles_db: Tensor, valid: Tensor, centre_db: Tensor, null_scale: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Score tiles.

        Args:
            tiles_db: Power in dB, (N, 2, h, w); anything where invalid.
            valid: True = valid, same shape.
            centre_db: Median of the whole scene over its valid pixels, (N, 2), dB; anything for a polarization without
                one.
            null_scale: How much wider the scene's negative deviations are than the network expects, (N, 2), see
                `rfiscan.scoring.null_scale`; for a model without an evidence network.

        Returns:
            Anomaly map (N, h, w), NaN where neither polarization is valid; evidence (N, 2, h, w), NaN where invalid;
            reconstruction and its spread in dB, (N, 2, h, w) each.
        """
        centre = centre_db[:, :, None, None]
        standardised = ((tiles_db - centre) / self.scale_db).clamp(*self.clip)
        standardised = torch.where(valid, standardised, torch.zeros_like(standardised))
        mean, spread, *weighed = self.frozen(standardised, valid)
        if null_scale is not None:
            weighed = [self._shared_excess((standardised - mean) / spread, valid, null_scale)]
        nowhere = torch.full_like(mean, float("-inf"))
        known = torch.where(valid, weighed[0], nowhere)
        missing = torch.full_like(mean, float("nan"))
        evidence = torch.where(valid, weighed[0], missing)
        anomaly_map = torch.where(valid.any(dim=1), known.amax(dim=1), missing[:, 0])
        return anomaly_map, evidence, mean * self.scale_db + centre, spread * self.scale_db

    def _shared_excess(self, deviation: Tensor, valid: Tensor, null_scale: Tensor) -> Tensor:
        """As `rfiscan.scoring` does it without log odds, (N, 2, h, w)."""
        mask = valid.to(deviation.dtype)
        scaled = torch.where(valid, deviation, torch.zeros_like(deviation)) / null_scale[:, :, None, None]
        weight = self._box_mean(mask)
        smooth = torch.where(weight > 1e-6, self._box_mean(scaled) / weight.clamp(min=1e-6), torch.zeros_like(weight))
        other = torch.cat([smooth[:, 1:], smooth[:, :1]], dim=1)
        return smooth - self.shared_weight * other.clamp(min=0.0)

    def _box_mean(self, maps: Tensor) -> Tensor:
        """Mean over a box around each pixel, 0 beyond the tile; a box of even size has more before than after."""
        pads = [(size // 2, size - 1 - size // 2) for size in self.smooth_px]
        return functional.avg_pool2d(functional.pad(maps, (*pads[1], *pads[0])), self.smooth_px, stride=1)


def scoring_graph(model: ScoringModel, tile_shape: tuple[int, int] = (340, 500)) -> bytes:
    """Convert to ONNX: inputs named as the arguments of `ScoringModel.forward`, outputs `OUTPUTS`, any N.

    Args:
        model: The model; its graph takes ``null_scale`` only where there is no evidence network.
        tile_shape: (h, w) of the tiles.
    """
    tiles = torch.zeros(2, 2, *tile_shape)
    inputs = {
        "tiles_db": tiles,
        "valid": torch.ones_like(tiles, dtype=torch.bool),
        "centre_db": torch.zeros(2, 2),
    }
    if model.frozen.evidence is None:
        inputs["null_scale"] = torch.ones(2, 2)
    return convert(model, inputs, OUTPUTS)
