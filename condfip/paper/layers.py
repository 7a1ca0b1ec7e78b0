"""Attention over samples and over parents, in pre-norm blocks.

Tokens are [B, D, N, E]: B datasets, D nodes, N rows, width E; heads are written H, their width K.
`adjacency` [B, D, D] is True at [b, i, j] where i is a parent of j.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAST = -80.0  # of an exponent; a weight below exp(-80) is 0 for all that follows
CHUNK_NUMBERS = 2**20  # hidden values held at once; larger chunks leave the processor's cache

Mix = Callable[[Tensor, Tensor, Tensor], Tensor]


def parent_weights(scores: Tensor, allowed: Tensor) -> Tensor:
    """exp(s) / max(1, sum of exp(s)) over the allowed last entries, exactly 0 elsewhere."""
    powers, total = parent_powers(scores, allowed)
    return powers / total


def parent_powers(scores: Tensor, allowed: Tensor) -> tuple[Tensor, Tensor]:
    """Both sides of the fraction of `parent_weights`; values are fewer to divide than weights.

    Both are divided by exp(m), m the largest score or 0, which changes nothing, so m has no
    gradient. Entries that do not count are kept from underflow, where exp is many times slower.

    Source: the attention over a causal graph of Scetbon et al., "A Fixed-Point Approach for Causal
    Generative Modeling", ICML 2024: weights add up to at most one, and to zero for a root.
    """
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    with torch.no_grad():
        most = scores.masked_fill(~allowed, 0).amax(-1, keepdim=True).clamp(min=0)
    powers = (scores - most).clamp(LEAST, -LEAST).exp() * allowed
    return powers, torch.maximum(powers.sum(-1, keepdim=True), (-most).exp())


def over_samples(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Each node's rows attend to each other: [B, D, N, H, K] -> [B, D, N, H, K]."""
    rows = [t.flatten(0, 1).transpose(1, 2) for t in (query, key, value)]  # [B D, H, N, K]
    return F.scaled_dot_product_attention(*rows).transpose(1, 2).view(query.shape)


def over_parents(adjacency: Tensor) -> Mix:
    """Each row's nodes attend to their parents: [B, D, N, H, K] -> [B, D, N, H, K]."""
    allowed = adjacency.mT[:, None, None]  # [B, 1, 1, D child, D parent]

    def mix(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        query, key, value = (t.permute(0, 2, 3, 1, 4) for t in (query, key, value))
        powers, total = parent_powers(query / query.shape[-1] ** 0.5 @ key.mT, allowed)
        mixed = powers.to(value.dtype) @ value / total.to(value.dtype)
        return mixed.permute(0, 3, 1, 2, 4)

    return mix


class Attentive(nn.Module):
    """Three norms, three maps to heads, a map back, then a feed-forward network.

    Attributes:
        activation: between the two maps of the feed-forward network.
        dropout: share of each map's answers dropped in training.
    """

    def __init__(self, width: int, heads: int, head: int, hidden: int) -> None:
        super().__init__()
        self.heads, self.activation, self.dropout = heads, F.relu, 0.0
        self.norm_query, self.norm_key, self.norm_value = (nn.LayerNorm(width) for _ in range(3))
        self.query, self.key, self.value = (nn.Linear(width, heads * head) for _ in range(3))
        self.out = nn.Linear(heads * head, width)
        self.norm_feed_forward = nn.LayerNorm(width)
        self.feed_forward = nn.ModuleList([nn.Linear(width, hidden), nn.Linear(hidden, width)])

    def drop(self, x: Tensor) -> Tensor:
        """Dropout, in training."""
        return F.dropout(x, self.dropout) if self.training and self.dropout else x


class Block(Attentive):
    """x + attention, then + feed-forward; queries, keys and values have norms of their own."""

    def forward(self, x: Tensor, mix: Mix) -> Tensor:
        """Tokens [B, D, N, E] -> [B, D, N, E]; `mix` says who attends to whom."""
        x = x + self.drop(self.out(mix(*self._project(x)).flatten(-2)))
        first, second = self.feed_forward
        return x + self.drop(second(self.activation(first(self.norm_feed_forward(x)))))

    def _project(self, x: Tensor) -> list[Tensor]:
        """Queries, keys, values [B, D, N, H, K] in one product: the norms' gains join the maps."""
        norms = self.norm_query, self.norm_key, self.norm_value
        pairs = list(zip(norms, (self.query, self.key, self.value), strict=True))
        weight = torch.cat([linear.weight * norm.weight for norm, linear in pairs])
        bias = torch.cat([linear.bias + linear.weight @ norm.bias for norm, linear in pairs])
        joint = F.linear(F.layer_norm(x, x.shape[-1:]), weight, bias)
        return [part.unflatten(-1, (self.heads, -1)) for part in joint.chunk(3, -1)]


class Pair(nn.Module):
    """Attention over samples, then over parents.

    The first treats each node alone and the second each row, so large tables are cut along these.
    """

    def __init__(self, width: int, heads: int, head: int, hidden: int) -> None:
        super().__init__()
        self.samples = Block(width, heads, head, hidden)
        self.parents = Block(width, heads, head, hidden)

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        """Tokens [B, D, N, E] -> [B, D, N, E]."""
        batch, d, n, _ = x.shape
        tokens = CHUNK_NUMBERS // self.samples.feed_forward[0].out_features
        x = _apart(lambda part: self.samples(part, over_samples), x, 1, tokens // (batch * n))
        mix = over_parents(adjacency)
        return _apart(lambda part: self.parents(part, mix), x, 2, tokens // (batch * d))


def _apart(layer: Callable[[Tensor], Tensor], x: Tensor, axis: int, size: int) -> Tensor:
    """Applies a layer to pieces of x along an axis that it does not mix."""
    if x.device.type != "cpu" or size >= x.shape[axis]:
        return layer(x)
    return torch.cat([layer(part) for part in x.split(max(size, 1), axis)], axis)
