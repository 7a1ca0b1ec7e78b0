"""The conditional decoder of Cond-FiP: three vectors of each node, and F at any rows.

Source: Mahajan, Gladrow, Hilmkil, Zhang, Scetbon, "Amortized Inference of Causal Models via
Conditional Fixed-Point Iterations", TMLR 2025, and its published code, whose answers the tests
hold. Letters as in `condfip.paper.layers`; C context rows, M query rows; T targets, the nodes of
all datasets that are asked for, one after the other. Everything is in standardised units.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from condfip.paper.config import ModelConfig
from condfip.paper.fused import Edges
from condfip.paper.layers import Attentive, Pair, exactly, linears, parent_weights
from condfip.paper.pooling import NAMES, Moments


@dataclass(frozen=True)
class Embedding:
    """What the decoder keeps of a dataset: three vectors for each node, [B, D, E]."""

    codebook: Tensor
    position: Tensor
    condition: Tensor


@dataclass(frozen=True)
class Targets:
    """Nodes to answer for, and their parents, padded to P; all nodes of all datasets are numbered.

    Attributes:
        node: numbers of the targets in 0 .. B D - 1, [T].
        parent: of their parents, [T, P].
        allowed: False at padding, [T, P].
    """

    node: Tensor
    parent: Tensor
    allowed: Tensor

    @classmethod
    def of(cls, adjacency: Tensor, node: Tensor) -> "Targets":
        """The parents in adjacency [B, D, D] of `node` [T]."""
        d = adjacency.shape[1]
        is_parent = adjacency.mT.flatten(0, 1)[node]
        most = max(int(is_parent.sum(-1).max()), 1)
        allowed, index = is_parent.byte().topk(most)
        return cls(node, index + (node // d * d)[:, None], allowed.bool())


@dataclass(frozen=True)
class Line:
    """norm(z C + P) = slope(z) C' + level(z) P' without the norm's own gain and bias.

    Attributes:
        codebook, position: C', P' centred over the width, [B D, E].
        condition: [B D, E].
        slope, level: z / s(z) and 1 / s(z) of the parents of T targets, [T, M, 1, P].
    """

    codebook: Tensor
    position: Tensor
    condition: Tensor
    slope: Tensor
    level: Tensor

    @classmethod
    def of(cls, z: Tensor, data: Embedding, targets: Targets) -> "Line":
        """Rows z [B, M, D]."""
        c, p = (t.flatten(0, 1) for t in (data.codebook, data.position))
        c, p = c - c.mean(-1, keepdim=True), p - p.mean(-1, keepdim=True)
        cc, cp, pp = ((a * b).mean(-1)[targets.parent] for a, b in ((c, c), (c, p), (p, p)))
        z = z.mT.flatten(0, 1)[targets.parent].mT  # [T, M, P]
        cc, cp, pp = cc[:, None], cp[:, None], pp[:, None]
        level = (z.square() * cc + 2 * z * cp + pp + 1e-5).rsqrt()
        numbers = (t.unsqueeze(2) for t in (z * level, level))
        return cls(c, p, data.condition.flatten(0, 1), *numbers)


class AdaptiveLayer(Attentive):
    """Attention to the parents' values and a feed-forward network, both steered by the condition.

    Keys and values are linear in norm(z_j C_j + P_j) = slope(z) C' + level(z) P' (see `Line`), so
    each is a combination of three vectors of node j with two numbers of the row. Query and output
    maps join these vectors, and attention is two products of the rows with a small matrix of each
    target: no key is ever made for a row, and parents only are read.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config.width, config.decoder_heads, config.decoder_head, config.hidden)
        self.modulation = nn.Linear(config.width, 6 * config.width)

    def steer(self, condition: Tensor) -> tuple[Tensor, ...]:
        """Shift, scale, gate of the attention and of the feed-forward network, each [..., E]."""
        return self.modulation(F.silu(condition)).chunk(6, -1)

    def forward(self, h: Tensor, line: Line, targets: Targets) -> Tensor:
        """Queries [T, M, E] -> [T, M, E]; `line`: the parents' values."""
        steer = self.steer(line.condition)
        shift, scale, gate, shift2, scale2, gate2 = (s[targets.node][:, None] for s in steer)
        mixed = self._attend(self.norm_query(h) * (1 + scale) + shift, line, targets, steer[:2])
        h = h + gate * self.drop(mixed)
        first, second = linears(self.feed_forward)
        inner = self.norm_feed_forward(h) * (1 + scale2) + shift2
        return h + gate2 * self.drop(second(F.relu(first(inner))))

    def _attend(self, h: Tensor, line: Line, targets: Targets, keys: tuple) -> Tensor:
        """Steered queries [T, M, E] -> what the parents answer, [T, M, E]."""
        weights = parent_weights(
            self._scores(h, line, targets, keys), targets.allowed[:, None, None]
        )
        out = self.out.weight.unflatten(1, (self.heads, -1))  # [E, H, K]
        parts = self._parts(line, self.norm_value, self.value, *keys)
        by = [torch.einsum("nhk,ehk->nhe", part, out)[targets.parent] for part in parts]
        vectors = torch.cat([b.transpose(1, 2).flatten(1, 2) for b in by], 1)  # [T, 3 H P, E]
        numbers = [(weights * t).flatten(2) for t in (line.slope, line.level)]
        return torch.cat([*numbers, weights.flatten(2)], 2) @ vectors + self.out.bias

    def _scores(self, h: Tensor, line: Line, targets: Targets, keys: tuple) -> Tensor:
        """How much each query [T, M, E] attends to each parent, [T, M, H, P]."""
        parts = self._parts(line, self.norm_key, self.key, *keys)
        head = parts[0].shape[-1]
        weight = self.query.weight.unflatten(0, (self.heads, -1)) / head**0.5  # [H, K, E]
        bias = self.query.bias.unflatten(0, (self.heads, -1)) / head**0.5
        by = [torch.einsum("nhk,hke->nhe", part, weight)[targets.parent] for part in parts]
        base = [(part * bias).sum(-1)[targets.parent] for part in parts]  # [T, P, H]
        matrix = torch.stack(by, 1).transpose(2, 3).flatten(1, 3)  # [T, 3 H P, E]
        offset = torch.stack(base, 1).mT.flatten(1)[:, None]
        along = torch.baddbmm(offset, h, matrix.mT)
        along, steady, level = along.unflatten(2, (3, self.heads, -1)).unbind(2)
        return line.slope * along + line.level * steady + level

    def _parts(
        self,
        line: Line,
        norm: nn.LayerNorm,
        linear: nn.Linear,
        shift: Tensor,
        scale: Tensor,
    ) -> list[Tensor]:
        """Keys or values are slope * part 0 + level * part 1 + part 2: [B D, H, K] each."""
        gain, level = norm.weight * (1 + scale), norm.bias * (1 + scale) + shift
        vectors = torch.stack([line.codebook * gain, line.position * gain, level])
        codebook, position, level = F.linear(vectors, linear.weight)
        parts = codebook, position, level + linear.bias
        return [part.unflatten(-1, (self.heads, -1)) for part in parts]


class Decoder(nn.Module):
    """A dataset's tokens -> its embedding; then rows -> F(rows), each node from its parents."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.width
        sizes = width, config.decoder_heads, config.decoder_head, config.hidden
        self.pooling = config.pooling
        self.embed = nn.Linear(width, width)
        self.dataset_layers = nn.ModuleList(Pair(*sizes) for _ in range(config.dataset_layers))
        self.norm_tokens, self.norm_pooled = nn.LayerNorm(width), nn.LayerNorm(width)
        self.codebook = nn.Linear(width, width, bias=False)
        self.norm_codebook = nn.LayerNorm(width)
        self.position = nn.Linear(width, width, bias=False)
        self.norm_position = nn.LayerNorm(width)
        self.condition = nn.Linear(width, width, bias=False)
        self.norm_condition = nn.LayerNorm(width)
        self.layers = nn.ModuleList(AdaptiveLayer(config) for _ in range(config.decoder_layers))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, 1)
        self.moments = Moments(width) if config.pooling == "wide" else None

    def embedding(self, tokens: Tensor, adjacency: Tensor) -> Embedding:
        """Encoder tokens [B, D, C, E] -> vectors of each node."""
        edges = Edges.of(adjacency)
        with exactly(tokens):
            tokens = self.embed(tokens)
        for layer in self.dataset_layers:
            tokens = layer(tokens, edges)
        with exactly(tokens):
            tokens = self.norm_tokens(tokens)
            return self.pooled(tokens)

    def pooled(self, tokens: Tensor) -> Embedding:
        """Normed tokens [B, D, C, E] -> vectors of each node."""
        pooled = self.norm_pooled(tokens.mean(2) if self.pooling == "mean" else tokens.amax(2))
        more = {} if self.moments is None else self.moments(tokens)
        vectors = {name: getattr(self, name)(pooled) + more.get(name, 0) for name in NAMES}
        return Embedding(**{n: getattr(self, f"norm_{n}")(v) for n, v in vectors.items()})

    def forward(
        self, z: Tensor, data: Embedding, adjacency: Tensor, nodes: Tensor | None = None
    ) -> Tensor:
        """F of `nodes` (default all) at rows z [B, M, D] -> [B, M, G]."""
        batch, d = len(z), z.shape[2]
        nodes = torch.arange(d, device=z.device) if nodes is None else nodes
        every = (torch.arange(batch, device=z.device)[:, None] * d + nodes).flatten()
        answer = self.answer(z, data, Targets.of(adjacency, every))
        return answer.unflatten(0, (batch, -1)).mT

    def answer(self, z: Tensor, data: Embedding, targets: Targets) -> Tensor:
        """F of the targets at rows z [B, M, D]: [T, M]."""
        with exactly(z):
            line = Line.of(z, data, targets)
            h = data.position.flatten(0, 1)[targets.node][:, None].expand(-1, z.shape[1], -1)
            for layer in self.layers:
                h = layer(h, line, targets)
            return self.out(self.norm(h)).squeeze(-1)
