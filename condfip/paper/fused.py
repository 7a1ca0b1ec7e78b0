"""Pieces of a block whose gradients are written out, so that little but arithmetic is left.

Each equals a few lines of torch (the tests hold them to it). They save what the products need and
nothing else, and work in place. Products are done in the type of `torch.autocast`, if that is on;
norms, residuals and attention in the type of the tokens. T tokens, width E, F answers.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

LEAST = -80.0  # of an exponent; a weight below exp(-80) is 0 for all that follows


def product_type(x: Tensor) -> torch.dtype:
    """The floating type in which matrix products of x are made."""
    on = torch.is_autocast_enabled(x.device.type) and x.dtype == torch.float32
    return torch.get_autocast_dtype(x.device.type) if on else x.dtype


def _normed(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return torch.native_layer_norm(x, x.shape[-1:], None, None, 1e-5)


def _norm_back(gradient: Tensor, x: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    return torch.ops.aten.native_layer_norm_backward(
        gradient.to(x.dtype), x, x.shape[-1:], mean, scale, None, None, [True, False, False]
    )[0]


class Projections(Function):
    """norm(x) W' + b of tokens [T, E], the norm without gain and bias, for several maps [F, E].

    Takes x, then weight and bias of each map; each answer [T, F] is a tensor of its own.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, *maps: Tensor) -> tuple[Tensor, ...]:
        """See the class."""
        kind = product_type(x)
        normed, mean, scale = _normed(x)
        normed = normed.to(kind)
        weights, biases = [w.to(kind) for w in maps[::2]], maps[1::2]
        ctx.save_for_backward(x, mean, scale, normed, *weights)
        pairs = zip(biases, weights, strict=True)
        return tuple(torch.addmm(b.to(kind), normed, w.T).to(x.dtype) for b, w in pairs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        """See the class."""
        x, mean, scale, normed, *weights = ctx.saved_tensors
        of_normed: Tensor | None = None
        of_maps: list[Tensor] = []
        for gradient, weight in zip(gradients, weights, strict=True):
            g = gradient.to(weight.dtype)
            of_maps += [(g.T @ normed).to(x.dtype), g.sum(0).to(x.dtype)]
            of_normed = g @ weight if of_normed is None else of_normed.addmm_(g, weight)
        assert of_normed is not None
        return _norm_back(of_normed, x, mean, scale), *of_maps


class AddLinear(Function):
    """x + y W' + b of tokens [T, E] and [T, F]: [T, E]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """See the class."""
        kind = product_type(x)
        y, weight = y.to(kind), weight.to(kind)
        ctx.save_for_backward(y, weight)
        return x + torch.addmm(bias.to(kind), y, weight.T)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        """See the class."""
        y, weight = ctx.saved_tensors
        g = gradient.to(weight.dtype)
        of_weight, of_bias = (g.T @ y).to(gradient.dtype), g.sum(0).to(gradient.dtype)
        return gradient, (g @ weight).to(gradient.dtype), of_weight, of_bias


class AddNetwork(Function):
    """x + relu(norm(x) V' + a) W' + b of tokens [T, E]: [T, E]."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, first: Tensor, bias1: Tensor, second: Tensor, bias2: Tensor
    ) -> Tensor:
        """See the class."""
        kind = product_type(x)
        normed, mean, scale = _normed(x)
        normed, first, second = normed.to(kind), first.to(kind), second.to(kind)
        hidden = torch.addmm(bias1.to(kind), normed, first.T).relu_()
        ctx.save_for_backward(x, mean, scale, normed, hidden, first, second)
        return x + torch.addmm(bias2.to(kind), hidden, second.T)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        """See the class."""
        x, mean, scale, normed, hidden, first, second = ctx.saved_tensors
        g = gradient.to(first.dtype)
        of_hidden = torch.ops.aten.threshold_backward(g @ second, hidden, 0)
        of_x = _norm_back(of_hidden @ first, x, mean, scale).add_(gradient)
        parts = of_hidden.T @ normed, of_hidden.sum(0), g.T @ hidden, g.sum(0)
        return of_x, *(part.to(x.dtype) for part in parts)


@dataclass(frozen=True)
class Edges:
    """Who reads whom, in ranks: the first parent of every child, then the second, ...

    Attributes:
        child: numbers in 0 .. B D - 1 of the nodes with parents, those with most parents first.
        parents: for each rank the parents of the first children: [T_1], [T_2], ...
    """

    child: Tensor
    parents: tuple[Tensor, ...]

    @classmethod
    def of(cls, adjacency: Tensor) -> "Edges":
        """From adjacency [B, D, D], row = parent."""
        batch, d = adjacency.shape[:2]
        count = adjacency.sum(1).flatten()
        child = count.argsort(descending=True, stable=True)
        child = child[: int((count > 0).sum())]
        count = count[child]
        ranked = adjacency.mT.flatten(0, 1)[child].byte().sort(dim=1, descending=True, stable=True)
        first = (child // d * d)[:, None]
        most = int(count[0]) if len(count) else 0
        number = (count[:, None] > torch.arange(most, device=count.device)).sum(0).tolist()
        parents = [(ranked.indices[:t, p] + first[:t, 0]) for p, t in enumerate(number)]
        return cls(child, tuple(parents))


class OverParents(Function):
    """Attention to parents: queries, keys, values [B D, N, H K] -> [B D, N, H K].

    Weights are exp(s) / max(1, sum of exp(s)), see `condfip.paper.layers.parent_weights`. All is
    done edge by edge along the rows, which stay where they are; `head` [H K, H] sums over the K
    numbers of a head, as a product with zeros and ones.
    """

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, edges: Edges, heads: int
    ) -> Tensor:
        """See the class."""
        with torch.autocast(query.device.type, enabled=False):
            width = query.shape[-1]
            one = torch.eye(heads, dtype=query.dtype, device=query.device)
            head = one.repeat_interleave(width // heads, 0) * (width // heads) ** -0.5
            asked = query.index_select(0, edges.child)
            scores = [key.index_select(0, p).mul_(asked[: len(p)]) @ head for p in edges.parents]
            weights, full = _normalised(scores)
            mixed, spread = torch.zeros_like(asked), (head > 0).to(head.dtype).T
            for weight, parent in zip(weights, edges.parents, strict=True):
                mixed[: len(parent)].addcmul_(weight @ spread, value.index_select(0, parent))
            ctx.edges, ctx.weights, ctx.full, ctx.head, ctx.spread = (
                edges,
                weights,
                full,
                head,
                spread,
            )
            ctx.save_for_backward(asked, key, value)
            return torch.zeros_like(query).index_copy_(0, edges.child, mixed)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """See the class."""
        asked, key, value = ctx.saved_tensors
        edges, head, spread = ctx.edges, ctx.head, ctx.spread
        of_query, of_key, of_value = (torch.zeros_like(key) for _ in range(3))
        g, inner = gradient.index_select(0, edges.child), []
        for weight, parent in zip(ctx.weights, edges.parents, strict=True):
            here = g[: len(parent)]
            inner.append(value.index_select(0, parent).mul_(here) @ spread.T)
            of_value.index_add_(0, parent, (weight @ spread).mul_(here))
        if not inner:
            return of_query, of_key, of_value, None, None
        delta = torch.zeros_like(inner[0])
        for weight, part in zip(ctx.weights, inner, strict=True):
            delta[: len(part)].addcmul_(weight, part)
        delta.mul_(ctx.full)
        mine = torch.zeros_like(asked)
        for weight, part, parent in zip(ctx.weights, inner, edges.parents, strict=True):
            t = len(parent)
            slope = part.sub_(delta[:t]).mul_(weight) @ head.T
            mine[:t].addcmul_(slope, key.index_select(0, parent))
            of_key.index_add_(0, parent, slope.mul_(asked[:t]))
        return of_query.index_copy_(0, edges.child, mine), of_key, of_value, None, None


def _normalised(scores: list[Tensor]) -> tuple[list[Tensor], Tensor | None]:
    """Weights of each rank, in the scores' place, and where they add up to 1.

    Scores are taken relative to the largest, or to 0: see `condfip.paper.layers.parent_powers`.
    """
    if not scores:
        return [], None
    most = scores[0].clamp(min=0)
    for score in scores[1:]:
        part = most[: len(score)]
        torch.maximum(part, score, out=part)
    total = torch.zeros_like(most)
    for score in scores:
        score.sub_(most[: len(score)]).clamp_(min=LEAST).exp_()
        total[: len(score)].add_(score)
    least = most.neg_().clamp_(min=LEAST).exp_()
    full = total >= least
    torch.maximum(total, least, out=total)
    return [score.div_(total[: len(score)]) for score in scores], full
