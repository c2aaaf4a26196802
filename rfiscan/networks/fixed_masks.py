"""The masked autoencoder with masks that never change: what inference computes, and no more.

Shapes: N tiles, P passes, L patches, V visible and H hidden patches of each pass, (p, q) patch, D encoder width, d
decoder width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from rfiscan.networks.base import bound_log_spread, stack_valid
from rfiscan.networks.mae import MaskedAutoencoder, patch_statistics, visible_indices
from rfiscan.networks.patches import patchify, unpatchify


class FixedMasks(nn.Module):
    """`MaskedAutoencoder.reconstruct`, with all passes in one batch.

    Masks are the same for all tiles, so that hiding is a look-up with constant indices. Transformer layers do not mind
    the order of tokens: visible ones go first, hidden ones last, and nothing is scattered. Only hidden patches are
    predicted, so the last layer of the decoder asks for them alone.

    Args:
        network: Trained; shares its weights.
    """

    visible: Tensor
    visible_positions: Tensor
    visible_decoder_positions: Tensor
    hidden_tokens: Tensor
    sources: Tensor
    weights: Tensor

    def __init__(self, network: MaskedAutoencoder) -> None:
        super().__init__()
        self.tile, self.patch, self.normalise_target = network.tile, network.patch, network.normalise_target
        self.embed, self.to_decoder, self.head = network.embed, network.to_decoder, network.head
        self.encoder = nn.ModuleList([_as_block(layer) for layer in network.encoder])
        self.decoder = nn.ModuleList([_as_block(layer) for layer in network.decoder])
        visible, hidden = visible_indices(network.masks), visible_indices(~network.masks)  # (P, V), (P, H)
        self.visible_count = visible.shape[1]
        sources, weights = _sources(network.masks, hidden)
        positions = network.decoder_positions
        buffers = {
            "visible": visible.flatten(),
            "visible_positions": network.positions[visible],
            "visible_decoder_positions": positions[visible],
            "hidden_tokens": network.mask_token.detach() + positions[hidden],
            "sources": sources,
            "weights": weights,
        }
        for name, tensor in buffers.items():
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, tiles: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and spread, (N, 2, h, w) each, of tiles and masks of 0 and 1 of that shape."""
        count = tiles.shape[0]  # read here: exporters to ONNX then know that it may be any number
        patches = self.embed(patchify(stack_valid(tiles, valid), self.patch))  # (N, L, D)
        chosen = patches[:, self.visible].reshape(count, *self.visible_positions.shape)
        predicted = self._predict((chosen + self.visible_positions).flatten(0, 1), count)  # (N P, H, 4pq)
        predicted = predicted.reshape(count, -1, predicted.shape[2]).float()  # (N, P H, 4pq)
        means, log_spreads = predicted.chunk(2, dim=2)  # polarizations come first in patches
        mean, spread = self._join(means), self._join(bound_log_spread(log_spreads).exp())
        if self.normalise_target:
            centre, scale = patch_statistics(tiles, valid, self.patch)
            mean, spread = mean * scale + centre, spread * scale
        return mean, spread

    def _predict(self, tokens: Tensor, count: int) -> Tensor:
        """Hidden patches (N P, H, 4pq) from the visible tokens (N P, V, D)."""
        for block in self.encoder:
            tokens = block(tokens)
        shown = self.to_decoder(tokens).reshape(count, *self.visible_decoder_positions.shape)
        shown = shown + self.visible_decoder_positions
        asked = self.hidden_tokens.expand(count, -1, -1, -1)
        tokens = torch.cat([shown, asked.to(shown.dtype)], dim=2).flatten(0, 1)  # (N P, L, d)
        last = len(self.decoder) - 2  # the norm comes after it
        for index, block in enumerate(self.decoder):
            tokens = block(tokens, self.visible_count) if index == last else block(tokens)
        if last < 0:
            tokens = tokens[:, self.visible_count :]
        predicted: Tensor = self.head(tokens)
        return predicted

    def _join(self, patches: Tensor) -> Tensor:
        """Average the predictions (N, P H, 2pq) of each patch and join them: (N, 2, h, w)."""
        total = patches[:, self.sources[0]] * self.weights[0]
        for sources, weights in zip(self.sources[1:], self.weights[1:], strict=True):
            total = total + patches[:, sources] * weights
        return unpatchify(total, self.patch, self.tile)


class _Block(nn.Module):
    """A pre-norm transformer layer that can leave its first tokens out of what it returns.

    What `torch.nn.TransformerEncoderLayer` computes in evaluation mode, of plain operations that converters know.

    Args:
        layer: Shares its weights but those of queries, which take the scale of attention, 1 / sqrt(D / heads) (Vaswani
            et al. 2017, Attention Is All You Need, equation 1): it need not be applied to every tile.
    """

    def __init__(self, layer: nn.TransformerEncoderLayer) -> None:
        super().__init__()
        attention = layer.self_attn
        self.heads = attention.num_heads
        width = attention.embed_dim
        scale = (width // self.heads) ** -0.5
        weight, bias = attention.in_proj_weight.detach(), attention.in_proj_bias.detach()
        self.ask, self.offer = nn.Linear(width, width), nn.Linear(width, 2 * width)
        with torch.no_grad():
            self.ask.weight.copy_(scale * weight[:width])
            self.ask.bias.copy_(scale * bias[:width])
            self.offer.weight.copy_(weight[width:])
            self.offer.bias.copy_(bias[width:])
        self.project, self.norm_1, self.norm_2 = attention.out_proj, layer.norm1, layer.norm2
        self.widen, self.narrow = layer.linear1, layer.linear2

    def forward(self, tokens: Tensor, first: int = 0) -> Tensor:
        """(N, L, D) -> (N, L - first, D)."""
        normed = self.norm_1(tokens)
        key, value = self.offer(normed).chunk(2, dim=2)
        split = [self._split(projected) for projected in (self.ask(normed[:, first:]), key, value)]
        attended = functional.scaled_dot_product_attention(split[0], split[1], split[2], scale=1.0)
        tokens = tokens[:, first:] + self.project(attended.transpose(1, 2).flatten(2))
        widened = functional.gelu(self.widen(self.norm_2(tokens)))
        narrowed: Tensor = self.narrow(widened)
        return tokens + narrowed

    def _split(self, tokens: Tensor) -> Tensor:
        """(N, L, D) -> (N, heads, L, D / heads)."""
        count, length, width = tokens.shape
        return tokens.reshape(count, length, self.heads, width // self.heads).transpose(1, 2)


def _as_block(layer: nn.Module) -> nn.Module:
    return _Block(layer) if isinstance(layer, nn.TransformerEncoderLayer) else layer


def _sources(masks: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """Where the predictions of each patch are among those of all passes, and how they are averaged.

    Args:
        masks: True = hidden, (P, L); no patch is always visible.
        hidden: Indices of the hidden patches, (P, H).

    Returns:
        Indices (K, L) into the P * H predictions, K for as often as a patch is hidden at most; and weights (K, L, 1),
        which are 0 from where a patch is hidden less often.
    """
    flat, counts = hidden.flatten(), masks.sum(dim=0)  # (P H,), (L,)
    order = flat.argsort(stable=True)  # predictions of patch 0, then of patch 1, ...
    starts = counts.cumsum(0) - counts
    turns = torch.arange(int(counts.max()))[:, None]
    there = turns < counts
    sources = order[(starts + turns * there).clamp(max=flat.numel() - 1)]
    return sources, (there / counts)[:, :, None]
