"""More of a node's tokens than their maximum: an addition to the published pooling.

Letters as in `condfip.paper.layers`.
"""

from typing import cast

import torch
from torch import Tensor, nn

NAMES = ("codebook", "position", "condition")


class Moments(nn.Module):
    """Mean and deviation of the tokens over samples, with a map to each vector; begins with none.

    Args:
        width: E.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(2 * width)
        self.maps = nn.ModuleDict({n: nn.Linear(2 * width, width, bias=False) for n in NAMES})
        for linear in self.maps.values():
            nn.init.zeros_(cast(nn.Linear, linear).weight)

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        """Tokens [B, D, C, E] -> what is added to each of `NAMES`, [B, D, E]."""
        spread = (tokens.var(2, correction=0) + 1e-6).sqrt()
        pooled = self.norm(torch.cat([tokens.mean(2), spread], -1))
        return {name: linear(pooled) for name, linear in self.maps.items()}
