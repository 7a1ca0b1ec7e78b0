"""The dataset encoder of Cond-FiP, and its head that answers F at the context's own rows.

Source: Mahajan, Gladrow, Hilmkil, Zhang, Scetbon, "Amortized Inference of Causal Models via
Conditional Fixed-Point Iterations", TMLR 2025, and its published code, whose answers the tests
hold. Letters as in `condfip.paper.layers`; everything is in standardised units.
"""

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from condfip.paper.config import ModelConfig
from condfip.paper.fused import Edges
from condfip.paper.layers import Pair, exactly


class Encoder(nn.Module):
    """Rows and graph -> a token of each node and row, and from it F(x) = x - n."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        sizes = config.width, config.encoder_heads, config.encoder_head, config.hidden
        self.embed = nn.Linear(1, config.width)
        self.layers = nn.ModuleList(Pair(*sizes) for _ in range(config.encoder_layers))
        self.norm = nn.LayerNorm(config.width)
        widths = config.width, config.readout, config.readout, 1
        self.head = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths))

    def tokens(self, x: Tensor, adjacency: Tensor) -> Tensor:
        """Rows [B, N, D], adjacency [B, D, D] -> [B, D, N, E]."""
        edges = Edges.of(adjacency)
        with exactly(x):
            tokens = self.embed(x.mT.unsqueeze(-1))
        for layer in self.layers:
            tokens = layer(tokens, edges)
        return self.norm(tokens)

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        """F of the rows themselves, [B, N, D] -> [B, N, D]."""
        return self.read(self.tokens(x, adjacency))

    def read(self, tokens: Tensor) -> Tensor:
        """F of the rows behind tokens [B, D, N, E]: [B, N, D]."""
        first, second, last = self.head
        hidden = F.leaky_relu(second(F.leaky_relu(first(tokens))))
        return last(hidden).squeeze(-1).mT
