"""Attention over samples and over parents, in pre-norm blocks.

Tokens are [B, D, N, E]: B datasets, D nodes, N rows, width E; heads are written H, their width K.
`adjacency` [B, D, D] is True at [b, i, j] where i is a parent of j.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from condfip.paper.fused import (
    LEAST,
    AddLinear,
    AddNetwork,
    Edges,
    OverParents,
    Projections,
)

CHUNK_NUMBERS = 2**20  # hidden values held at once; larger chunks leave the processor's cache

Mix = Callable[[Tensor, Tensor, Tensor, int], Tensor]


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


def over_samples(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Each node's rows attend to each other: [B D, N, H K] -> [B D, N, H K]."""
    half = torch.is_autocast_enabled(query.device.type) and query.device.type != "cpu"
    kind = torch.get_autocast_dtype(query.device.type) if half else query.dtype
    rows = [t.to(kind).unflatten(-1, (heads, -1)).transpose(1, 2) for t in (query, key, value)]
    with exactly(query):
        mixed = F.scaled_dot_product_attention(*rows)  # [B D, H, N, K]
    return mixed.transpose(1, 2).flatten(2).to(query.dtype)


def over_parents(edges: Edges) -> Mix:
    """Each row's nodes attend to their parents: [B D, N, H K] -> [B D, N, H K]."""
    return lambda *qkv: OverParents.apply(*qkv[:3], edges, qkv[3])


def exactly(x: Tensor) -> torch.autocast:
    """A context without `torch.autocast`, for what is sensitive or gains nothing."""
    return torch.autocast(x.device.type, enabled=False)


class Attentive(nn.Module):
    """Three norms, three maps to heads, a map back, then a feed-forward network.

    Attributes:
        dropout: share of each map's answers dropped in training.
    """

    def __init__(self, width: int, heads: int, head: int, hidden: int) -> None:
        super().__init__()
        self.heads, self.dropout = heads, 0.0
        self.norm_query, self.norm_key, self.norm_value = (nn.LayerNorm(width) for _ in range(3))
        self.query, self.key, self.value = (nn.Linear(width, heads * head) for _ in range(3))
        self.out = nn.Linear(heads * head, width)
        self.norm_feed_forward = nn.LayerNorm(width)
        self.feed_forward = nn.ModuleList([nn.Linear(width, hidden), nn.Linear(hidden, width)])

    def drop(self, x: Tensor) -> Tensor:
        """Drops out a share of the values, in training."""
        return F.dropout(x, self.dropout) if self.training and self.dropout else x


def linears(modules: nn.ModuleList) -> list[nn.Linear]:
    """The linear maps of a list."""
    return [module for module in modules if isinstance(module, nn.Linear)]


class Block(Attentive):
    """x + attention, then + feed-forward; queries, keys and values have norms of their own."""

    def forward(self, x: Tensor, mix: Mix) -> Tensor:
        """Tokens [B, D, N, E] -> [B, D, N, E]; `mix` says who attends to whom."""
        flat = x.flatten(0, 2)
        norms = self.norm_query, self.norm_key, self.norm_value
        pairs = zip(norms, (self.query, self.key, self.value), strict=True)
        parts = Projections.apply(flat, *(t for norm, map_ in pairs for t in merged(norm, map_)))
        query, key, value = (part.view(-1, x.shape[2], part.shape[1]) for part in parts)
        mixed = mix(query, key, value, self.heads).flatten(0, 1)
        first, second = linears(self.feed_forward)
        if not (self.training and self.dropout):
            flat = AddLinear.apply(flat, mixed, self.out.weight, self.out.bias)
            maps = (*merged(self.norm_feed_forward, first), second.weight, second.bias)
            return AddNetwork.apply(flat, *maps).view(x.shape)
        flat = flat + self.drop(self.out(mixed))
        inner = F.relu(first(self.norm_feed_forward(flat)))
        return (flat + self.drop(second(inner))).view(x.shape)


def merged(norm: nn.LayerNorm, linear: nn.Linear) -> tuple[Tensor, Tensor]:
    """Weight and bias of a map that the norm's gain and bias have joined."""
    return linear.weight * norm.weight, linear.bias + linear.weight @ norm.bias


class Pair(nn.Module):
    """Attention over samples, then over parents.

    The first treats each node alone and the second each row, so large tables are cut along these.
    """

    def __init__(self, width: int, heads: int, head: int, hidden: int) -> None:
        super().__init__()
        self.samples = Block(width, heads, head, hidden)
        self.parents = Block(width, heads, head, hidden)

    def forward(self, x: Tensor, edges: Edges) -> Tensor:
        """Tokens [B, D, N, E] -> [B, D, N, E]."""
        batch, d, n, _ = x.shape
        tokens = CHUNK_NUMBERS // linears(self.samples.feed_forward)[0].out_features
        x = _apart(lambda part: self.samples(part, over_samples), x, 1, tokens // (batch * n))
        mix = over_parents(edges)
        return _apart(lambda part: self.parents(part, mix), x, 2, tokens // (batch * d))


def _apart(layer: Callable[[Tensor], Tensor], x: Tensor, axis: int, size: int) -> Tensor:
    """Applies a layer to pieces of x along an axis that it does not mix."""
    if x.device.type != "cpu" or size >= x.shape[axis]:
        return layer(x)
    return torch.cat([layer(part) for part in x.split(max(size, 1), axis)], axis)
