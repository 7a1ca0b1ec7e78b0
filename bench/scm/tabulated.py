"""Smooth functions of one number, tabulated: a sum of many bumps for the price of one cubic."""

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

STEPS = 32  # of the grid in a bump's length: errors below 1e-8 of the sum of all weights
MOST = 2048  # places of the grid; where more were needed nothing is tabulated


@dataclass(frozen=True)
class Bumps:
    """sum_k weight_k exp(-(x - place_k)^2 / (2 length^2)), x [M] -> [M].

    Between the outermost places it is a cubic through values and slopes at a grid (Hermite);
    beyond them, and where bumps are very narrow, it is the sum itself.

    Attributes:
        places, weights: [K].
        length: of all.
        table: of grid steps, cubic coefficients [4, S], or None.
        low: where the grid begins.
        step: of it.
    """

    places: Tensor
    weights: Tensor
    length: float
    table: Tensor | None
    low: float
    step: float

    @classmethod
    def of(cls, places: Tensor, weights: Tensor, length: float) -> Self:
        """Tabulates the sum between its outermost places, where that takes few steps."""
        low, high = float(places.amin()), float(places.amax())
        count = math.ceil((high - low) / length * STEPS)
        if not 0 < count <= MOST:
            return cls(places, weights, length, None, low, 1.0)
        grid = torch.linspace(low, high, count + 1, dtype=places.dtype, device=places.device)
        gap = (grid[:, None] - places) / length
        bumps = (-0.5 * gap.square()).exp()
        step = (high - low) / count
        value, slope = bumps @ weights, -(step / length) * ((bumps * gap) @ weights)
        rise = value.diff()
        before, after = slope[:-1], slope[1:]
        table = torch.stack(
            [value[:-1], before, 3 * rise - 2 * before - after, before + after - 2 * rise]
        )
        return cls(places, weights, length, table, low, step)

    def __call__(self, x: Tensor) -> Tensor:
        """At x [M]."""
        if self.table is None:
            return self._sum(x)
        t = (x - self.low) / self.step
        index = t.floor().clamp(0, self.table.shape[1] - 1)
        a, b, c, e = self.table[:, index.long()]
        t = t - index
        answer = a + t * (b + t * (c + t * e))
        outside = (t < 0) | (t > 1)
        if outside.any():
            answer[outside] = self._sum(x[outside])
        return answer

    def _sum(self, x: Tensor) -> Tensor:
        gap = (x[:, None] - self.places) / self.length
        return (-0.5 * gap.square()).exp() @ self.weights
