"""Masked autoencoder, after He et al. 2022 (Masked Autoencoders Are Scalable Vision Learners, arXiv:2111.06377).

Shapes: N tiles, L patches, V visible patches, D width, d decoder width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rfiscan.networks.base import (
    Autoencoder,
    Prediction,
    Reconstruction,
    bound_log_spread,
    stack_valid,
    summarise,
)
from rfiscan.networks.patches import (
    complementary_hidden,
    fixed_ranks,
    patchify,
    random_ranks,
    sincos_positions,
    unpatchify,
)


class MaskedAutoencoder(Autoencoder):
    """Predicts hidden patches of a tile from the visible ones.

    What is hidden cannot be copied: at inference every patch is predicted while it is hidden.

    Args:
        tile: (h, w) in pixels.
        patch: (p, q) in pixels; divides the tile.
        width: Encoder width D, a multiple of 4 and of ``heads``.
        depth: Encoder layers.
        heads: Attention heads of the encoder.
        decoder_width: Decoder width d, a multiple of 4 and of ``decoder_heads``.
        decoder_depth: Decoder layers.
        decoder_heads: Attention heads of the decoder.
        mask_ratio: Share of patches to hide, 0..1.
        passes: Masks at inference; passes * mask_ratio >= 1.
        normalise_target: Predict patches scaled to zero mean and unit variance (He et al., section 4.1). At inference
            the patch's own mean and deviation are put back, so that a uniformly bright patch is no anomaly.

    Raises:
        ValueError: If the patch does not divide the tile, or the masks hide every patch at once or leave one that is
            never hidden.
    """

    positions: Tensor
    decoder_positions: Tensor
    masks: Tensor

    def __init__(  # noqa: PLR0913 - each is a setting of the model card
        self,
        *,
        tile: tuple[int, int] = (340, 500),
        patch: tuple[int, int] = (10, 20),
        width: int = 192,
        depth: int = 4,
        heads: int = 3,
        decoder_width: int = 128,
        decoder_depth: int = 2,
        decoder_heads: int = 2,
        mask_ratio: float = 0.5,
        passes: int = 2,
        normalise_target: bool = False,
    ) -> None:
        super().__init__()
        self.tile, self.patch = (int(tile[0]), int(tile[1])), (int(patch[0]), int(patch[1]))
        if self.tile[0] % self.patch[0] or self.tile[1] % self.patch[1]:
            raise ValueError(f"patch {self.patch} does not divide tile {self.tile}")
        if not 0.0 < mask_ratio < 1.0:
            raise ValueError(f"mask_ratio {mask_ratio} does not lie between 0 and 1")
        self.mask_ratio, self.passes, self.normalise_target = mask_ratio, passes, normalise_target
        rows, cols = self.grid = (self.tile[0] // self.patch[0], self.tile[1] // self.patch[1])
        pixels = self.patch[0] * self.patch[1]
        self.embed = nn.Linear(4 * pixels, width)
        self.encoder = _blocks(width, depth, heads)
        self.to_decoder = nn.Linear(width, decoder_width)
        self.mask_token = nn.Parameter(torch.zeros(decoder_width))
        self.decoder = _blocks(decoder_width, decoder_depth, decoder_heads)
        self.head = nn.Linear(decoder_width, 4 * pixels)  # mean and log spread of two polarizations
        self.register_buffer("positions", sincos_positions(rows, cols, width), persistent=False)
        self.register_buffer("decoder_positions", sincos_positions(rows, cols, decoder_width), persistent=False)
        self.register_buffer(
            "masks", complementary_hidden(fixed_ranks(rows * cols), mask_ratio, passes), persistent=False
        )
        nn.init.normal_(self.mask_token, std=0.02)

    def predict(self, tiles: Tensor, valid: Tensor) -> Prediction:
        """Hide every patch once or more, in complementary masks drawn at random, and predict it while it is hidden.

        Crops of tiles, in whole patches, are placed anywhere in the tile, so that all positions are learned.
        """
        rows, cols = tiles.shape[2] // self.patch[0], tiles.shape[3] // self.patch[1]
        rank = self.draw_rows(lambda count: random_ranks(count, rows * cols, tiles.device), tiles.shape[0])
        masks = complementary_hidden(rank, self.mask_ratio, self.passes)
        mean, spread = self._predict_hidden(tiles, valid, masks, self._draw_places(rows, cols))
        return Prediction(mean, spread.log())

    def reconstruct(self, tiles: Tensor, valid: Tensor) -> Reconstruction:
        """Predict every patch while it is hidden, averaged over complementary masks that are always the same."""
        places = torch.arange(self.positions.shape[0], device=tiles.device)
        masks = self.masks[:, None, :].expand(-1, tiles.shape[0], -1)
        return Reconstruction(*self._predict_hidden(tiles, valid, masks, places))

    def latent_codes(self, tiles: Tensor, valid: Tensor) -> Tensor:
        """Mean and deviation of each feature over the encoded patches, of which none is hidden, (N, 2 D)."""
        patches = patchify(stack_valid(tiles, valid), self.patch)
        tokens = self.encode(patches, torch.zeros_like(patches[:, :, 0], dtype=torch.bool), self.positions)
        weights = patchify(valid.any(dim=1, keepdim=True).to(tiles.dtype), self.patch).mean(dim=2)
        return summarise(tokens.transpose(1, 2), weights)

    def hidden_in_first_pass(self, tiles: Tensor) -> Tensor:
        """Pixels that the first mask of `reconstruct` hides, bool (N, 1, h, w)."""
        return self._to_pixels(self.masks[:1].expand(tiles.shape[0], -1), tiles) > 0

    def _predict_hidden(self, tiles: Tensor, valid: Tensor, masks: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and spread of every pixel, averaged over the ``masks`` (passes, N, L) that hide it; (N, 2, h, w)."""
        total_mean, total_spread = torch.zeros_like(tiles), torch.zeros_like(tiles)
        count = torch.zeros_like(tiles[:, :1])
        for hidden in masks:
            mean, log_spread = self._predict_with(tiles, valid, hidden, places)
            weight = self._to_pixels(hidden, tiles)
            total_mean = total_mean + weight * mean
            total_spread = total_spread + weight * log_spread.exp()
            count = count + weight
        return total_mean / count, total_spread / count

    def _draw_places(self, rows: int, cols: int) -> Tensor:
        """Indices into the position tables of a grid of patches at a random place in the tile, (rows * cols,)."""
        device = self.positions.device
        row = self.draw_below(self.grid[0] - rows + 1) + torch.arange(rows, device=device)
        col = self.draw_below(self.grid[1] - cols + 1) + torch.arange(cols, device=device)
        return (row[:, None] * self.grid[1] + col[None, :]).reshape(-1)

    def _to_pixels(self, hidden: Tensor, tiles: Tensor) -> Tensor:
        """A patch mask (N, L) as a pixel mask of 0 and 1, (N, 1, h, w)."""
        flat = hidden[:, :, None].expand(-1, -1, self.patch[0] * self.patch[1]).to(tiles.dtype)
        return unpatchify(flat, self.patch, (tiles.shape[2], tiles.shape[3]))

    def _predict_with(self, tiles: Tensor, valid: Tensor, hidden: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Predict all patches from those that are not ``hidden`` (N, L); mean and log spread, (N, 2, h, w)."""
        patches = patchify(stack_valid(tiles, valid), self.patch)
        tokens = self.encode(patches, hidden, self.positions[places])
        decoded = self.decode(tokens, hidden, self.decoder_positions[places])
        pixels = unpatchify(decoded.float(), self.patch, (tiles.shape[2], tiles.shape[3]))  # (N, 4, h, w)
        mean, log_spread = pixels[:, :2], bound_log_spread(pixels[:, 2:])
        if self.normalise_target:
            centre, scale = patch_statistics(tiles, valid, self.patch)
            mean, log_spread = mean * scale + centre, log_spread + scale.log()
        return mean, log_spread

    def encode(self, patches: Tensor, hidden: Tensor, positions: Tensor) -> Tensor:
        """Encode the visible patches: (N, L, 4pq) -> (N, V, D); positions (L, D)."""
        visible = visible_indices(hidden)  # (N, V)
        kept = patches.gather(1, visible[:, :, None].expand(-1, -1, patches.shape[2]))
        tokens: Tensor = self.embed(kept) + positions[visible]  # (N, V, D)
        encoded: Tensor = self.encoder(tokens)
        return encoded

    def decode(self, tokens: Tensor, hidden: Tensor, positions: Tensor) -> Tensor:
        """Predict all patches from the encoded visible ones: (N, V, D) -> (N, L, 4pq); positions (L, d)."""
        n, count = hidden.shape
        narrow: Tensor = self.to_decoder(tokens)  # (N, V, d)
        full = self.mask_token.to(narrow.dtype).expand(n, count, -1)
        index = visible_indices(hidden)[:, :, None].expand(-1, -1, narrow.shape[2])
        full = full.scatter(1, index, narrow) + positions.to(narrow.dtype)
        decoded: Tensor = self.head(self.decoder(full))
        return decoded


def visible_indices(hidden: Tensor) -> Tensor:
    """Indices of the patches that are not hidden, ascending: bool (N, L) -> int (N, V); V is equal in all rows."""
    count = hidden.shape[1] - int(hidden[0].sum())
    return hidden.to(torch.uint8).argsort(dim=1, stable=True)[:, :count].sort(dim=1).values


def patch_statistics(tiles: Tensor, valid: Tensor, patch: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the valid pixels of each patch and polarization, as maps (N, 2, h, w)."""
    weight = valid.to(tiles.dtype)

    def average(x: Tensor) -> Tensor:
        pooled = nn.functional.avg_pool2d(x, patch)
        return nn.functional.interpolate(pooled, scale_factor=(float(patch[0]), float(patch[1])), mode="nearest")

    share = average(weight).clamp(min=1e-6)
    centre = average(tiles * weight) / share
    variance = average((tiles - centre) ** 2 * weight) / share
    return centre, (variance + 1e-4).sqrt()


def _blocks(width: int, depth: int, heads: int) -> nn.Sequential:
    """Pre-norm transformer layers and a final norm."""
    layers: list[nn.Module] = [
        nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        for _ in range(depth)
    ]
    return nn.Sequential(*layers, nn.LayerNorm(width))
