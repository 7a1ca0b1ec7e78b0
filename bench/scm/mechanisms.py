"""Mechanisms F_j of many SCMs at once; parameters are stored per edge and per node.

Edge parameters have one more, zero row at the end: the dummy edge that pads short parent lists.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Generator, Tensor

from bench.scm.plan import Group, Plan

FEATURES = 100
CHUNK_NUMBERS = 2**20  # feature values held at once; larger chunks leave the processor's cache


class Mechanism(Protocol):
    """F of the nodes of one group."""

    def __call__(self, x: Tensor, group: Group) -> Tensor:
        """Maps the padded parents' values `x` [G, P, N] to F [G, N] (or [G, 1] where constant)."""


@dataclass(frozen=True)
class Linear:
    """F = w . x + c.

    Attributes:
        weight: [E + 1];
        bias: [B * D].
    """

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor, group: Group) -> Tensor:
        """See `Mechanism`."""
        return (self.weight[group.edge].unsqueeze(1) @ x).squeeze(1) + self.bias[group.child, None]


@dataclass(frozen=True)
class RandomFeatures:
    """Random Fourier features: F = c + sqrt(2 / M) s sum_m a_m cos(Omega_m . x / l + b_m).

    A draw from a Gaussian process, whose kernel is s^2 exp(-|x - x'|^2 / (2 l^2)) in the limit of
    many features M (Rahimi and Recht 2007), as used by Lorch et al. 2022.

    Attributes:
        omega: [E + 1, M]; amplitude a, phase b: [B * D, M]; length l, scale s, bias c: [B * D].
    """

    omega: Tensor
    amplitude: Tensor
    phase: Tensor
    length: Tensor
    scale: Tensor
    bias: Tensor

    def __call__(self, x: Tensor, group: Group) -> Tensor:
        """See `Mechanism`."""
        features, rows = self.omega.shape[1], max(x.shape[2], 1)
        size = max(1, CHUNK_NUMBERS // (features * rows))
        parts = zip(x.split(size), group.child.split(size), group.edge.split(size), strict=True)
        return torch.cat([self._values(*part) for part in parts])

    def _values(self, x: Tensor, child: Tensor, edge: Tensor) -> Tensor:
        angle = self.phase[child].unsqueeze(2)  # [G, M, 1]
        if edge.shape[1]:
            omega = self.omega[edge] / self.length[child, None, None]  # [G, P, M]
            angle = torch.baddbmm(angle, omega.mT, x)  # [G, M, N]
        wave = (self.amplitude[child].unsqueeze(1) @ angle.cos_()).squeeze(1)  # [G, N]
        factor = self.scale[child] * (2 / self.omega.shape[1]) ** 0.5
        return self.bias[child, None] + factor[:, None] * wave


@dataclass(frozen=True)
class Ranges:
    """Uniform ranges of the parameters; several ranges mean one drawn for each graph.

    Attributes:
        weight: of absolute linear weights, whose sign is random;
        bias: of both mechanisms.
        length, scale: of random features.
    """

    weight: tuple[float, float] = (1.0, 3.0)
    bias: tuple[float, float] = (-3.0, 3.0)
    length: tuple[tuple[float, float], ...] = ((7.0, 10.0),)
    scale: tuple[tuple[float, float], ...] = ((10.0, 20.0),)

    def weight_moment(self) -> float:
        """The second moment E[w^2] of one linear weight."""
        low, high = self.weight
        return (low**2 + low * high + high**2) / 3

    def bias_moment(self) -> float:
        """The mean square of a bias, E[c^2]."""
        low, high = self.bias
        return (low**2 + low * high + high**2) / 3


@dataclass(frozen=True)
class Draw:
    """What a mechanism is drawn with.

    Attributes:
        ranges: of the parameters;
        stretch: a factor on all of them (the shift alpha).
        shared: one set of features for all nodes of an SCM (the variant `causica`).
    """

    ranges: Ranges
    stretch: float = 1.0
    shared: bool = False


def draw_linear(plan: Plan, draw: Draw, generator: Generator) -> Linear:
    """Weights uniform in +-(low, high) for each edge, a uniform bias for each node."""
    low, high = draw.ranges.weight
    size = draw.stretch * _between(low, high, plan.parent.shape, generator)
    sign = torch.where(_between(-1, 1, plan.parent.shape, generator) < 0, -1.0, 1.0)
    return Linear(_padded(size * sign), draw.stretch * _bias(plan, draw, generator))


def draw_random_features(plan: Plan, draw: Draw, generator: Generator) -> RandomFeatures:
    """Features for each node (or each SCM, where shared); length, scale and bias for each node."""
    batch, d = plan.level.shape
    length = draw.stretch * _mixed(draw.ranges.length, (batch, d), generator)
    scale = draw.stretch * _mixed(draw.ranges.scale, (batch, d), generator)
    bias = draw.stretch * _bias(plan, draw, generator)
    rows = batch if draw.shared else batch * d
    amplitude = _normal((rows, FEATURES), generator)
    phase = _between(0, 2 * torch.pi, (rows, FEATURES), generator)
    if draw.shared:
        omega = _normal((batch * d, FEATURES), generator)[plan.parent]
        amplitude, phase = (t.repeat_interleave(d, 0) for t in (amplitude, phase))
    else:
        omega = _normal((len(plan.parent), FEATURES), generator)
    return RandomFeatures(_padded(omega), amplitude, phase, length, scale, bias)


def _bias(plan: Plan, draw: Draw, generator: Generator) -> Tensor:
    return _between(*draw.ranges.bias, (plan.level.numel(),), generator)


def _mixed(
    ranges: tuple[tuple[float, float], ...], shape: tuple[int, int], generator: Generator
) -> Tensor:
    which = torch.randint(len(ranges), shape[:1], generator=generator, device=generator.device)
    low, high = torch.tensor(ranges, device=generator.device)[which].unbind(1)
    return (low[:, None] + (high - low)[:, None] * _between(0, 1, shape, generator)).flatten()


def _between(low: float, high: float, shape: tuple[int, ...], generator: Generator) -> Tensor:
    draws = torch.rand(shape, generator=generator, device=generator.device)
    return low + (high - low) * draws


def _normal(shape: tuple[int, ...], generator: Generator) -> Tensor:
    return torch.randn(shape, generator=generator, device=generator.device)


def _padded(edges: Tensor) -> Tensor:
    edges[-1] = 0
    return edges


MECHANISMS: dict[str, Callable[[Plan, Draw, Generator], Mechanism]] = {
    "LIN": draw_linear,
    "RFF": draw_random_features,
}
