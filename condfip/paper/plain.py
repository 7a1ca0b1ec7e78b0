"""The published network as one would write it: a yardstick for speed, and a test of the fast one.

It has the weights of `condfip.paper.encoder` and `decoder` and gives their answers: one product for
queries, keys and values of a block, torch's own attention over samples, all nodes in the attention
over parents, and in the decoder a key and a value for every row and node, roots asked too.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from condfip.paper.config import ModelConfig
from condfip.paper.decoder import AdaptiveLayer, Decoder, Embedding
from condfip.paper.encoder import Encoder
from condfip.paper.layers import Block, Pair, merged, parent_weights
from condfip.paper.model import CondFiPModel


class PlainEncoder(Encoder):
    """See `Encoder`."""

    def tokens(self, x: Tensor, adjacency: Tensor) -> Tensor:
        """Rows [B, N, D], adjacency [B, D, D] -> [B, D, N, E]."""
        return self.norm(through(self.layers, self.embed(x.mT.unsqueeze(-1)), adjacency))


class PlainDecoder(Decoder):
    """See `Decoder`."""

    def embedding(self, tokens: Tensor, adjacency: Tensor) -> Embedding:
        """Encoder tokens [B, D, C, E] -> vectors of each node."""
        tokens = self.norm_tokens(through(self.dataset_layers, self.embed(tokens), adjacency))
        return self.pooled(tokens)

    def forward(
        self, z: Tensor, data: Embedding, adjacency: Tensor, nodes: Tensor | None = None
    ) -> Tensor:
        """F of `nodes` (default all) at rows z [B, M, D] -> [B, M, G]."""
        inputs = z.mT[..., None] * data.codebook[:, :, None] + data.position[:, :, None]
        h = data.position[:, :, None].expand_as(inputs)
        for layer in self.layers:
            h = adaptive(cast(AdaptiveLayer, layer), h, inputs, data.condition, adjacency)
        answer = self.out(self.norm(h)).squeeze(-1).mT
        return answer if nodes is None else answer[..., nodes]


class PlainModel(CondFiPModel):
    """The encoder and the decoder, written plainly."""

    def __init__(self, config: ModelConfig) -> None:
        nn.Module.__init__(self)
        self.encoder, self.decoder = PlainEncoder(config), PlainDecoder(config)


def through(pairs: nn.ModuleList, x: Tensor, adjacency: Tensor) -> Tensor:
    """Tokens [B, D, N, E] through pairs of attention over samples and over parents."""
    for pair in pairs:
        x = one_pair(cast(Pair, pair), x, adjacency)
    return x


def one_pair(pair: Pair, x: Tensor, adjacency: Tensor) -> Tensor:
    """One pair: [B, D, N, E] -> [B, D, N, E]."""
    query, key, value = project(pair.samples, x)  # [B, D, H, N, K]
    x = onward(pair.samples, x, F.scaled_dot_product_attention(query, key, value))
    rows = x.transpose(1, 2)
    query, key, value = project(pair.parents, rows)
    mixed = to_parents(query, key, value, adjacency)
    return onward(pair.parents, rows, mixed).transpose(1, 2)


def project(block: Block, x: Tensor) -> list[Tensor]:
    """Queries, keys, values of tokens [..., T, E] in one product: [..., H, T, K]."""
    norms = block.norm_query, block.norm_key, block.norm_value
    pairs = zip(norms, (block.query, block.key, block.value), strict=True)
    weight, bias = (torch.cat(parts) for parts in zip(*(merged(*p) for p in pairs), strict=True))
    joint = F.linear(F.layer_norm(x, x.shape[-1:]), weight, bias)
    return [part.unflatten(-1, (block.heads, -1)).transpose(-2, -3) for part in joint.chunk(3, -1)]


def to_parents(query: Tensor, key: Tensor, value: Tensor, adjacency: Tensor) -> Tensor:
    """Attention to parents of all nodes of each row, [B, N, H, D, K]."""
    scores = query @ key.mT / query.shape[-1] ** 0.5
    return parent_weights(scores, adjacency.mT[:, None, None]) @ value


def onward(block: Block, x: Tensor, mixed: Tensor) -> Tensor:
    """Tokens [..., T, E] after attention [..., H, T, K] and the feed-forward network."""
    x = x + block.out(mixed.transpose(-2, -3).flatten(-2))
    first, second = block.feed_forward
    return x + second(F.relu(first(block.norm_feed_forward(x))))


def adaptive(
    layer: AdaptiveLayer, h: Tensor, inputs: Tensor, condition: Tensor, adjacency: Tensor
) -> Tensor:
    """An adaptive layer with keys and values of inputs [B, D, M, E]; h and answer alike."""
    steer = layer.steer(condition)
    shift, scale, gate, shift2, scale2, gate2 = (part[:, :, None] for part in steer)
    tokens = (
        layer.norm_query(h) * (1 + scale) + shift,
        layer.norm_key(inputs) * (1 + scale) + shift,
        layer.norm_value(inputs) * (1 + scale) + shift,
    )
    maps = layer.query, layer.key, layer.value
    parts = (m(t).unflatten(-1, (layer.heads, -1)) for m, t in zip(maps, tokens, strict=True))
    query, key, value = (part.permute(0, 2, 3, 1, 4) for part in parts)  # [B, M, H, D, K]
    mixed = to_parents(query, key, value, adjacency).permute(0, 3, 1, 2, 4).flatten(-2)
    h = h + gate * layer.out(mixed)
    first, second = layer.feed_forward
    inner = layer.norm_feed_forward(h) * (1 + scale2) + shift2
    return h + gate2 * second(F.relu(first(inner)))
