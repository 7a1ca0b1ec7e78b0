"""The networks of Cond-FiP: a dataset encoder with a noise head, a conditional decoder.

Source: Mahajan, Gladrow, Hilmkil, Zhang, Scetbon, "Amortized Inference of Causal Models via
Conditional Fixed-Point Iterations", TMLR 2025. Letters as in `condfip.layers`; C context rows,
M query rows. Everything is in standardised units.
"""

from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from condfip.config import ModelConfig
from condfip.layers import Pair, feed_forward, parent_weights


class Encoder(nn.Module):
    """Rows and graph -> a token of each node and row, and from it F(x) = x - n."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        sizes = config.width, config.encoder_heads, config.encoder_head, config.hidden
        self.embed = nn.Linear(1, config.width)
        self.layers = nn.ModuleList(Pair(*sizes) for _ in range(config.encoder_layers))
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Sequential(
            nn.Linear(config.width, config.readout),
            nn.LeakyReLU(),
            nn.Linear(config.readout, config.readout),
            nn.LeakyReLU(),
            nn.Linear(config.readout, 1),
        )

    def tokens(self, x: Tensor, adjacency: Tensor) -> Tensor:
        """Rows [B, N, D], adjacency [B, D, D] -> [B, D, N, E]."""
        tokens = self.embed(x.mT.unsqueeze(-1))
        for layer in self.layers:
            tokens = layer(tokens, adjacency)
        return self.norm(tokens)

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        """F of the rows themselves, [B, N, D] -> [B, N, D]."""
        return self.read(self.tokens(x, adjacency))

    def read(self, tokens: Tensor) -> Tensor:
        """F of the rows behind tokens [B, D, N, E]: [B, N, D]."""
        return self.head(tokens).squeeze(-1).mT


@dataclass(frozen=True)
class Embedding:
    """What the decoder keeps of a dataset: three vectors for each node, [B, D, E]."""

    codebook: Tensor
    position: Tensor
    condition: Tensor

    def nodes(self, index: Tensor) -> Self:
        """Some nodes only."""
        return Embedding(*(t[:, index] for t in (self.codebook, self.position, self.condition)))


@dataclass(frozen=True)
class Parents:
    """The parents of G nodes, padded to P.

    Attributes:
        index: node numbers [B, G, P]. allowed: False at padding, [B, G, P].
    """

    index: Tensor
    allowed: Tensor

    @classmethod
    def of(cls, adjacency: Tensor, nodes: Tensor) -> Self:
        """Gathers from adjacency [B, D, D] for `nodes` [G]."""
        is_parent = adjacency.mT[:, nodes]
        most = max(int(is_parent.sum(-1).max()), 1)
        allowed, index = is_parent.byte().topk(most)
        return cls(index, allowed.bool())

    def gather(self, values: Tensor) -> Tensor:
        """[B, D, ...] -> [B, G, P, ...]."""
        batch = torch.arange(len(values), device=values.device)[:, None, None]
        return values[batch, self.index]


class AdaptiveLayer(nn.Module):
    """Attention to the parents' values and a feed-forward network, both steered by the condition.

    Keys and values are linear in norm(z_j C_j + P_j) = slope(z) C' + level(z) P' (see `Line`), so
    each is a combination of three vectors with two numbers of the row. Query and output maps join
    these vectors, and attention is two products of the rows with a small matrix of each node: no
    key is ever made for a row, and parents only are read.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, inner = config.width, config.decoder_heads * config.decoder_head
        self.heads = config.decoder_heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.maps = nn.ModuleList(nn.Linear(width, inner) for _ in range(3))
        self.out = nn.Linear(inner, width)
        self.feed_forward = feed_forward(width, config.hidden)
        self.modulation = nn.Linear(width, 6 * width)
        with torch.no_grad():
            self.modulation.weight.mul_(0.1)
            self.modulation.bias.copy_(torch.tensor([0.0, 0, 1, 0, 0, 1]).repeat_interleave(width))

    def forward(self, h: Tensor, line: "Line", data: Embedding, parents: Parents) -> Tensor:
        """Queries of G nodes [B, G, M, E] -> [B, G, M, E].

        Args:
            h: the queries. line: the parents' values. data: of the G nodes.
            parents: of the G nodes.
        """
        steer = self.modulation(F.silu(data.condition))[:, :, None].chunk(6, -1)
        scale, shift, gate, scale2, shift2, gate2 = steer
        h = h + gate * self._attend(self.norms[0](h) * (1 + scale) + shift, line, parents)
        norm, *rest = self.feed_forward
        inner = norm(h) * (1 + scale2) + shift2
        for step in rest:
            inner = step(inner)
        return h + gate2 * inner

    def _attend(self, h: Tensor, line: "Line", parents: Parents) -> Tensor:
        weights = parent_weights(self._scores(h, line, parents), parents.allowed[:, :, None, None])
        slope, level, constant = self._parts(line, 2)
        out = self.out.weight.unflatten(1, (self.heads, -1))  # [E, H, K]
        by = [torch.einsum("bdhk,ehk->bdhe", part, out) for part in (slope, level)]
        vectors = [parents.gather(b).transpose(2, 3).flatten(2, 3) for b in by]  # [B, G, H P, E]
        numbers = [(weights * t).flatten(3) for t in (line.slope, line.level)]  # [B, G, M, H P]
        mixed = numbers[0] @ vectors[0] + numbers[1] @ vectors[1] + self.out.bias
        return mixed + weights.sum(-1) @ torch.einsum("hk,ehk->he", constant, out)

    def _scores(self, h: Tensor, line: "Line", parents: Parents) -> Tensor:
        """How much each query [B, G, M, E] attends to each parent, [B, G, M, H, P]."""
        slope, level, constant = self._parts(line, 1)
        head = slope.shape[-1]
        weight = self.maps[0].weight.unflatten(0, (self.heads, -1)) / head**0.5  # [H, K, E]
        bias = self.maps[0].bias.unflatten(0, (self.heads, -1)) / head**0.5
        scores = h @ torch.einsum("hk,hke->eh", constant, weight) + (constant * bias).sum(-1)
        scores = scores.unsqueeze(-1)
        for part, number in ((slope, line.slope), (level, line.level)):
            by = parents.gather(torch.einsum("bdhk,hke->bdhe", part, weight)).transpose(2, 3)
            base = parents.gather((part * bias).sum(-1)).transpose(2, 3)  # [B, G, H, P]
            along = h @ by.flatten(2, 3).mT + base.flatten(2)[:, :, None]
            scores = scores + number * along.unflatten(3, base.shape[2:])
        return scores

    def _parts(self, line: "Line", which: int) -> tuple[Tensor, Tensor, Tensor]:
        """Keys (1) or values (2) are slope * part 0 + level * part 1 + part 2: [B, D, H, K]."""
        norm, linear = self.norms[which], self.maps[which]
        weight = linear.weight * norm.weight
        constant = linear.bias + linear.weight @ norm.bias
        parts = F.linear(line.codebook, weight), F.linear(line.position, weight), constant
        return tuple(part.unflatten(-1, (self.heads, -1)) for part in parts)


@dataclass(frozen=True)
class Line:
    """norm(z C + P) = slope(z) C' + level(z) P' without the norm's own gain and bias.

    Attributes:
        codebook, position: C', P' centred over the width, [B, D, E].
        slope, level: z / s(z) and 1 / s(z) of the parents of G nodes, [B, G, M, 1, P].
    """

    codebook: Tensor
    position: Tensor
    slope: Tensor
    level: Tensor

    @classmethod
    def of(cls, z: Tensor, data: Embedding, parents: Parents) -> Self:
        """Rows z [B, M, D]."""
        c = data.codebook - data.codebook.mean(-1, keepdim=True)
        p = data.position - data.position.mean(-1, keepdim=True)
        cc, cp, pp = ((a * b).mean(-1)[:, None] for a, b in ((c, c), (c, p), (p, p)))  # [B, 1, D]
        level = (z.square() * cc + 2 * z * cp + pp + 1e-5).rsqrt()
        numbers = (parents.gather(t.mT).transpose(2, 3).unsqueeze(3) for t in (z * level, level))
        return cls(c, p, *numbers)


class Decoder(nn.Module):
    """A dataset's tokens -> its embedding; then rows -> F(rows), each node from its parents."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, pooling = config.width, config.pooling
        sizes = width, config.decoder_heads, config.decoder_head, config.hidden
        self.pooling = pooling
        self.embed = nn.Linear(width, width)
        self.dataset_layers = nn.ModuleList(Pair(*sizes) for _ in range(config.dataset_layers))
        self.codebook, self.position, self.condition = (
            nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width)) for _ in range(3)
        )
        self.layers = nn.ModuleList(AdaptiveLayer(config) for _ in range(config.decoder_layers))
        self.out = nn.Linear(width, 1)

    def embedding(self, tokens: Tensor, adjacency: Tensor) -> Embedding:
        """Encoder tokens [B, D, C, E] -> vectors of each node."""
        tokens = self.embed(tokens)
        for layer in self.dataset_layers:
            tokens = layer(tokens, adjacency)
        pooled = tokens.mean(2) if self.pooling == "mean" else tokens.amax(2)
        return Embedding(self.codebook(pooled), self.position(pooled), self.condition(pooled))

    def forward(
        self, z: Tensor, data: Embedding, adjacency: Tensor, nodes: Tensor | None = None
    ) -> Tensor:
        """F of `nodes` (default all) at rows z [B, M, D] -> [B, M, G]."""
        nodes = torch.arange(z.shape[2], device=z.device) if nodes is None else nodes
        parents, asked = Parents.of(adjacency, nodes), data.nodes(nodes)
        line = Line.of(z, data, parents)
        h = asked.position[:, :, None].expand(-1, -1, z.shape[1], -1)
        for layer in self.layers:
            h = layer(h, line, asked, parents)
        return self.out(h).squeeze(-1).mT


class CondFiPModel(nn.Module):
    """Both networks."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(config), Decoder(config)

    def embedding(self, context: Tensor, adjacency: Tensor) -> Embedding:
        """Context rows [B, C, D] -> what the decoder needs of them."""
        return self.decoder.embedding(self.encoder.tokens(context, adjacency), adjacency)
