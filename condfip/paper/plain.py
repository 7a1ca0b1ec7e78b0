"""The encoder as the paper's formulas stand, every product written out: a yardstick and a test.

It has the weights of `condfip.model.Encoder` and gives its answers, only slower: three norms and
three maps a block, all attention weights in memory, every node in the attention over parents.
"""

import torch
from torch import Tensor

from condfip.paper.layers import Block
from condfip.paper.model import Encoder


class PlainEncoder(Encoder):
    """See `Encoder`."""

    def tokens(self, x: Tensor, adjacency: Tensor) -> Tensor:
        """Rows [B, N, D], adjacency [B, D, D] -> [B, D, N, E]."""
        tokens = self.embed(x.mT.unsqueeze(-1))
        everyone = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device)
        for pair in self.layers:
            tokens = block(pair.samples, tokens, everyone, torch.softmax)
            by_row = block(pair.parents, tokens.transpose(1, 2), adjacency.mT[:, None], at_most_one)
            tokens = by_row.transpose(1, 2)
        return self.norm(tokens)


def block(layer: Block, x: Tensor, allowed: Tensor, weigh: object) -> Tensor:
    """Tokens [..., T, E] attend to the allowed ones among T, [..., T, T]."""
    pairs = zip(layer.norms, layer.maps, strict=True)
    query, key, value = (
        linear(norm(x)).unflatten(-1, (layer.heads, -1)).transpose(-2, -3) for norm, linear in pairs
    )
    scores = query @ key.mT / query.shape[-1] ** 0.5
    weights = weigh(scores.masked_fill(~allowed.unsqueeze(-3), -torch.inf), -1)
    x = x + layer.out((weights @ value).transpose(-2, -3).flatten(-2))
    return x + layer.feed_forward(x)


def at_most_one(scores: Tensor, axis: int) -> Tensor:
    """exp(s) / max(1, sum of exp(s)): nothing for a root."""
    powers = scores.exp()
    return powers / powers.sum(axis, keepdim=True).clamp(min=1)
