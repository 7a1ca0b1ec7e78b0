"""Cond-FiP with each node's embedding refined on the context's own rows.

F of a node depends on vectors of the node (position, condition) and of its parents (codebook,
position). Around the zero-shot ones it is read as linear in them, F + J v, with v of a Gaussian
prior: a Gaussian process whose mean is Cond-FiP's answer and whose kernel is J J', the tangent
kernel of the decoder (Jacot et al., "Neural Tangent Kernel", NeurIPS 2018), and as much again of
a line and of a smooth function of the parents' values, in which a parent counts as much as the
zero-shot answer leans on it. Length and variances are those of largest evidence, node by node, so
that few or noisy rows move little.
One Gauss-Newton step, solved exactly: nothing is trained, no rows are held out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bench.scm.base import AdditiveSCM
from condfip.checkpoint import Checkpoint
from condfip.paper.decoder import AdaptiveLayer, Decoder, Embedding, Targets
from condfip.paper.layers import linears, parent_weights
from condfip.paper.method import CondFiP, Embedded

MOST_ROWS = 1000  # of the context that refine; the embedding reads them all
FEWEST_ROWS = 10
VECTORS = 2**16  # held at once, of rows, targets and their parents
# largest number of a vector's change along which a slope is taken, where vectors are near 1: short,
# as networks may be steep, but no shorter than float32 bears
WAY = 0.002
LENGTHS = (0.5, 1.0, 2.0)  # of the smooth function, where parents are 1 apart in root mean square
CHOOSING = 200  # rows that choose the length
RATIOS = tuple(10 ** (k / 2) for k in range(-8, 13))  # noise to mean prior variance of F


class CondFiPTuned(CondFiP):
    """Cond-FiP, then one exact Gauss-Newton step of each node's embedding on the context's rows.

    Args:
        checkpoint, device: see `CondFiP`.
    """

    version = "3"
    estimate = AdditiveSCM

    @property
    def reading(self) -> type[Embedded]:
        """See `CondFiP`."""
        return Tuned


@dataclass(frozen=True)
class Smooth:
    """Functions of the parents' values whose kernel is exp(-|w (v - v')|^2 / 2).

    Attributes:
        scale: w of each parent, [..., L - 1], 0 at padding.
        rows: the parents' values that it was learnt from, [..., N, L - 1].
        dual: weights of these rows, [..., N].
    """

    scale: Tensor
    rows: Tensor
    dual: Tensor

    def of(self, k: int, parents: int) -> "Smooth":
        """That of target k, which has so many parents."""
        return Smooth(self.scale[k, :parents], self.rows[k, :, :parents], self.dual[k])

    def __call__(self, values: Tensor) -> Tensor:
        """At parents' values [..., M, L - 1]: [..., M]."""
        return (smooth_kernel(values, self.rows, self.scale) @ self.dual[..., None])[..., 0]


@dataclass(frozen=True)
class Refined:
    """A node after the step.

    Attributes:
        place: the node, then its parents, [L].
        start: their zero-shot codebook, position and condition in each reading, [S, L, 3, E].
        change: of these, alike.
        line: what the parents' values are multiplied by besides, [L - 1].
        smooth: what is added besides; None where the rows were too few.
    """

    place: Tensor
    start: Tensor
    change: Tensor
    line: Tensor
    smooth: Smooth | None


class Tuned(Embedded):
    """A context that the networks have read and answered for; S readings, in standardised units."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        z: np.ndarray,
        parents: Sequence[np.ndarray],
        signs: Sequence[int],
    ) -> None:
        super().__init__(checkpoint, z, parents, signs)
        e = self.embedding
        with torch.inference_mode(False):
            self.vectors = torch.stack([e.codebook, e.position, e.condition], 2).clone()
        self.noise_scale = z.std(0, ddof=1)
        self.nodes: dict[int, Refined] = {}
        rows = self._tensor(z)[0, :MOST_ROWS]
        asked = sorted((len(p), j) for j, p in enumerate(parents) if len(p))
        while asked:
            wide = [n for n, _ in asked]
            size = 1
            while size < len(asked) and (size + 1) * (1 + wide[size]) * len(rows) <= VECTORS:
                size += 1
            group, asked = [j for _, j in asked[:size]], asked[size:]
            self._refine(group, [torch.tensor(parents[j]) for j in group], rows)

    def _refine(self, group: list[int], parents: list[Tensor], rows: Tensor) -> None:
        """The step of some nodes from rows [N, D]."""
        place, allowed = padded(group, parents)
        start = self.vectors[:, place]  # [S, T, L, 3, E]
        sign = self.signs.view(-1, 1, 1)
        z, y = sign[..., None] * rows.T[place].transpose(1, 2), rows.T[group].double()
        answer, slopes = tangent(self.model.decoder, start, z, allowed, sign / len(sign))
        change, line = torch.zeros_like(start).transpose(0, 1), start.new_zeros(allowed.shape)
        smooth = None
        if len(rows) >= FEWEST_ROWS:
            values = rows.T[place[:, 1:]].mT * allowed[:, None]  # [T, N, L - 1]
            weight = leaning(start, slopes, sign) * allowed
            flat = slopes.permute(1, 2, 0, 3, 4, 5).flatten(2)  # [T, N, S L 3 E]
            found, line, smooth, noise = posterior(flat, values, weight, y - answer.double())
            change = found.view(change.shape)
            self.noise_scale[group] = noise.sqrt().cpu().numpy()
        for k, (j, mine) in enumerate(zip(group, parents, strict=True)):
            some = slice(0, 1 + len(mine))
            own = start[:, k, some], change[k, :, some], line[k, : len(mine)]
            self.nodes[j] = Refined(place[k, some], *own, smooth and smooth.of(k, len(mine)))

    def __call__(self, z: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
        """F of `nodes` at rows [M, D]: [M, len(nodes)]."""
        found = [self.nodes[j] for j in nodes]
        place, allowed = padded([n.place[0] for n in found], [n.place[1:] for n in found])
        start, change = (
            self.vectors.new_zeros(len(self.signs), *place.shape, *self.vectors.shape[2:])
            for _ in range(2)
        )
        line = start.new_zeros(allowed.shape)
        for k, node in enumerate(found):
            start[:, k, : len(node.place)] = node.start
            change[:, k, : len(node.place)] = node.change
            line[k, : len(node.line)] = node.line
        rows = max(VECTORS // (len(self.signs) * place.numel()), 1)
        answers = []
        for part in self._tensor(z)[0].split(rows):
            signed = self.signs[..., None] * part.T[place].transpose(1, 2)
            answer = moved(self.model.decoder, start, change, signed, allowed)
            straight = (line[..., None] * part.T[place[:, 1:]]).sum(1)
            total = (self.signs.view(-1, 1, 1) * answer).mean(0) + straight
            for row, node in zip(total, found, strict=True):
                if node.smooth:
                    row += node.smooth(part[:, node.place[1:]].double())
            answers.append(total)
        return torch.cat(answers, 1).T.double().cpu().numpy()


def padded(nodes: Sequence[int | Tensor], parents: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Each node and its parents, padded with node 0, [T, L]; which parents are some, [T, L - 1]."""
    most = max(map(len, parents))
    place = torch.zeros(len(nodes), 1 + most, dtype=torch.long)
    for row, node, its in zip(place, nodes, parents, strict=True):
        row[0], row[1 : 1 + len(its)] = node, its
    counts = torch.tensor([len(its) for its in parents])
    return place, torch.arange(most) < counts[:, None]


def tangent(
    decoder: Decoder, vectors: Tensor, z: Tensor, allowed: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """F of T targets at N rows, from all readings, and its derivatives by each row's vectors.

    Args:
        decoder: the network. vectors: codebook, position, condition of each target and its parents
            in S readings, [S, T, L, 3, E]. z: values of the same nodes, [S, T, N, L].
        allowed: which parents are some, [T, L - 1]. weight: of each reading, [S, 1, 1].

    Returns:
        [T, N] and [S, T, N, L, 3, E].
    """
    with torch.inference_mode(False), torch.enable_grad():
        own = vectors.clone()[:, :, None].expand(*z.shape, *vectors.shape[-2:]).contiguous()
        own.requires_grad_()
        answer = (weight.clone() * by_row(decoder, own, z.clone(), allowed)).sum(0)
        slopes = torch.autograd.grad(answer.sum(), own)[0]
    return answer.detach(), slopes


def by_row(decoder: Decoder, vectors: Tensor, z: Tensor, allowed: Tensor) -> Tensor:
    """The decoder's answers where every row has vectors of its own: [S, T, N].

    Args:
        decoder, z, allowed: see `tangent`. vectors: [S, T, N, L, 3, E].
    """
    codebook, position, condition = vectors.unbind(-2)
    inputs = z[..., 1:, None] * codebook[..., 1:, :] + position[..., 1:, :]
    h = position[..., 0, :]
    for layer in decoder.layers:
        h = _layer(cast(AdaptiveLayer, layer), h, inputs, condition, allowed)
    return decoder.out(decoder.norm(h)).squeeze(-1)


def _layer(
    layer: AdaptiveLayer, h: Tensor, inputs: Tensor, condition: Tensor, allowed: Tensor
) -> Tensor:
    """One adaptive layer: h [S, T, N, E], inputs [S, T, N, P, E], condition [S, T, N, L, E]."""
    shift, scale, gate, shift2, scale2, gate2 = layer.steer(condition[..., 0, :])
    key_shift, key_scale, *_ = layer.steer(condition[..., 1:, :])
    keys, values = (
        norm(inputs) * (1 + key_scale) + key_shift for norm in (layer.norm_key, layer.norm_value)
    )
    query = layer.query(layer.norm_query(h) * (1 + scale) + shift)
    query, key, value = (
        t.unflatten(-1, (layer.heads, -1)) for t in (query, layer.key(keys), layer.value(values))
    )
    scores = (query[..., None, :, :] * key).sum(-1).transpose(-1, -2)  # [S, T, N, H, P]
    weights = parent_weights(scores / query.shape[-1] ** 0.5, allowed[:, None, None])
    mixed = (weights.transpose(-1, -2)[..., None] * value).sum(-3).flatten(-2)
    h = h + gate * layer.out(mixed)
    first, second = linears(layer.feed_forward)
    inner = layer.norm_feed_forward(h) * (1 + scale2) + shift2
    return h + gate2 * second(F.relu(first(inner)))


def moved(decoder: Decoder, start: Tensor, change: Tensor, z: Tensor, allowed: Tensor) -> Tensor:
    """F + J change of T targets at N rows, J at `start`: [S, T, N].

    By a central difference over a short way, which the products of the decoder's fast path answer
    together; forward differentiation is several times slower, and differs less than F errs.

    Args:
        decoder, z, allowed: see `tangent`. start, change: [S, T, L, 3, E].
    """
    way = WAY / change.abs().amax((0, 2, 3, 4)).clamp(min=1e-3)  # [T]
    short = way[:, None, None, None] * change
    vectors = torch.stack([start + short, start - short])  # [2, S, T, L, 3, E]
    s, t, n, many = z.shape
    rows = z.expand(2, *z.shape).permute(3, 0, 1, 2, 4).reshape(1, n, -1)
    node = torch.arange(2 * s * t) * many
    parent = node[:, None] + torch.arange(1, many)
    targets = Targets(node, parent, allowed.expand(2, s, t, many - 1).flatten(0, 2))
    data = Embedding(*vectors.flatten(0, 3)[None].unbind(2))
    with torch.inference_mode():
        more, less = decoder.answer(rows, data, targets).view(2, s, t, n)
    return (more + less) / 2 + (more - less) / (2 * way[:, None])


def leaning(vectors: Tensor, slopes: Tensor, sign: Tensor) -> Tensor:
    """How much F of each target leans on each parent: the root of its mean squared slope, [T, P].

    Args:
        vectors, slopes: see `tangent`. sign: of each reading, [S, 1, 1].
    """
    # a parent's value meets its codebook where its position is added
    by = (slopes[:, :, :, 1:, 1] * vectors[:, :, None, 1:, 0]).sum(-1)  # [S, T, N, P]
    return (sign[..., None] * by).sum(0).square().mean(1).sqrt()


def smooth_kernel(values: Tensor, others: Tensor, scale: Tensor) -> Tensor:
    """exp(-|w (v - v')|^2 / 2) of rows [..., M, P] and [..., N, P], w [..., P]: [..., M, N]."""
    values, others = (t * scale[..., None, :] for t in (values, others))
    return (-0.5 * torch.cdist(values, others).square()).exp()


def posterior(
    slopes: Tensor, values: Tensor, weight: Tensor, rest: Tensor
) -> tuple[Tensor, Tensor, Smooth, Tensor]:
    """What is added to the mean: slopes times the first, values times the second, the third.

    Each has a third of the prior variance of what is added.

    Args:
        slopes: of each row, [T, N, P]. values: of its parents, [T, N, L]. weight: how much each
            parent counts, [T, L], 0 at padding. rest: what the mean leaves, [T, N].

    Returns:
        [T, P], [T, L], and functions and the noise variance of T targets.
    """
    kernel, values = (slopes @ slopes.mT).double(), values.double()
    level = kernel.diagonal(dim1=1, dim2=2).mean(-1)[:, None, None]
    share = level / values.square().sum(-1).mean(-1)[:, None, None].clamp(min=1e-12)
    kernel += share * values @ values.mT
    unit = (weight / weight.sum(-1, keepdim=True).clamp(min=1e-12)).sqrt().double()
    few = slice(0, CHOOSING)
    scores = []
    for length in LENGTHS:
        part = level * smooth_kernel(values[:, few], values[:, few], unit / length)
        scores.append(evidence(kernel[:, few, few] + part, rest[:, few])[2])
    scale = unit / unit.new_tensor(LENGTHS)[torch.stack(scores).argmin(0)][:, None]
    kernel += level * smooth_kernel(values, values, scale)
    dual, noise, _ = evidence(kernel, rest)
    line = (share * values.mT @ dual[..., None])[..., 0]
    smooth = Smooth(scale, values, level[..., 0] * dual)
    change = (slopes.mT @ dual.to(slopes.dtype)[..., None])[..., 0]
    return change, line.to(slopes.dtype), smooth, noise


def evidence(kernel: Tensor, rest: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The Gaussian process of largest evidence among `RATIOS` of noise to prior variance.

    Args:
        kernel: of each target, [T, N, N]. rest: what the mean leaves of y, [T, N].

    Returns:
        (kernel + ratio I)^-1 rest, [T, N], the noise variance and a score that falls with the
        evidence, [T].
    """
    values, basis = torch.linalg.eigh(kernel)
    values = values.clamp(min=0)
    part = (basis.mT @ rest[..., None])[..., 0]
    mean = values.mean(-1).clamp(min=1e-12)
    ratios = torch.tensor(RATIOS, dtype=kernel.dtype, device=kernel.device) * mean[:, None]
    spread = values[:, None] + ratios[..., None]  # [T, ratios, N]
    variance = (part.square()[:, None] / spread).mean(-1)
    score = variance.clamp(min=1e-300).log() + spread.log().mean(-1)
    least, best = score.min(-1, keepdim=True)
    ratio, scale = ratios.gather(1, best), variance.gather(1, best)
    dual = (basis @ (part / (values + ratio))[..., None])[..., 0]
    return dual, (ratio * scale).squeeze(1), least.squeeze(1)
