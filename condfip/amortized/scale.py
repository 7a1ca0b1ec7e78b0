"""Noise whose size depends on the parents: a test of it, and a log-linear model of the size.

Letters: N rows, P parents, K features. Everything is in closed form or a few steps of it.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

EDGE = 2.5  # standard deviations beyond which features stay as they are
FARTHEST = 6.0  # medians beyond which the test counts residuals alike
ROWS_EACH = 20  # a feature more asks for so many rows
REJECTED = 1e-3  # chance below which the noise is taken to depend on the parents
SPREAD = 0.1  # prior variance of a weight
DISPERSION = np.pi / 2 - 1  # variance of |z| in units of its squared mean, z normal
STEPS, STRIDE = 15, 1.0  # largest change of the logarithm in a step


@dataclass(frozen=True)
class Scale:
    """How large one node's noise is, relative to its mean size.

    Attributes:
        chance: p of the test that it is the same everywhere.
        weights: of the features, [K].
        level: log of what makes the mean square over the context 1.
        middle, width: of F over the context.
        many: whether parents have features of their own.
    """

    chance: float
    weights: np.ndarray
    level: float
    middle: float
    width: float
    many: bool

    @classmethod
    def of(cls, x: np.ndarray, f: np.ndarray, z: np.ndarray) -> Self:
        """Learns from the context whether, and how, the noise's size depends on the parents.

        Args:
            x: standardised parents [N, P]. f: F there [N]. z: left-out residuals in
                units of what is expected of them where all noise is alike, [N].
        """
        width = float(f.std()) or 1.0
        many = 2 + 2 * x.shape[1] <= len(z) / ROWS_EACH
        fresh = cls(1.0, np.zeros(0), 0.0, float(f.mean()), width, many)
        features = fresh._features(x, f)
        size = np.abs(z)
        chance = independence(features, np.minimum(size, FARTHEST * np.median(size)))
        weights = log_linear(features, size) if chance < REJECTED else np.zeros(features.shape[1])
        level = 0.5 * float(np.log(np.exp(2 * features @ weights).mean()))
        return cls(chance, weights, level, fresh.middle, width, many)

    def __call__(self, x: np.ndarray, f: np.ndarray) -> np.ndarray:
        """At parents x [M, P] where F is f [M]: [M]."""
        return np.exp(self._features(x, f) @ self.weights - self.level)

    @property
    def varies(self) -> bool:
        """Whether the test rejects that the noise is alike everywhere."""
        return self.chance < REJECTED

    def _features(self, x: np.ndarray, f: np.ndarray) -> np.ndarray:
        """Line and square of F and of each parent, held beyond `EDGE`, [M, K]."""
        level = ((f - self.middle) / self.width)[:, None]
        t = np.clip(np.concatenate([level, x], 1) if self.many else level, -EDGE, EDGE)
        return np.concatenate([t, np.square(t) - 1], 1)


def independence(features: np.ndarray, size: np.ndarray) -> float:
    """P value of sizes [N] of residuals not depending on features [N, K].

    N times R^2 of the regression of sizes on features (Glejser 1969), which is studentised as in
    Koenker 1981: no shape of the noise is assumed.
    """
    centred, rest = features - features.mean(0), size - size.mean()
    left, kept, _ = np.linalg.svd(centred, full_matrices=False)
    left = left[:, kept > 1e-8 * max(kept.max(initial=0.0), 1e-300)]
    total = np.square(rest).sum()
    if total <= 0 or not left.shape[1]:
        return 1.0
    statistic = len(size) * np.square(left.T @ rest).sum() / total
    degrees = torch.tensor([left.shape[1], statistic], dtype=torch.float64) / 2
    return float(torch.special.gammaincc(degrees[0], degrees[1]))


def log_linear(features: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Weights [K] of log E[size] on features [N, K], under a normal prior.

    Scoring for a gamma quasi-likelihood with a log link, whose weights are all alike (McCullagh
    and Nelder 1989, section 8.3.3).
    """
    design = np.concatenate([np.ones_like(size)[:, None], features], 1)
    penalty = np.diag([0.0, *np.full(features.shape[1], DISPERSION / SPREAD)])
    weights = np.zeros(design.shape[1])
    weights[0] = np.log(size.mean())
    solver = np.linalg.inv(design.T @ design + penalty)
    for _ in range(STEPS):
        mean = np.exp(design @ weights)
        step = solver @ (design.T @ (size / mean - 1) - penalty @ weights)
        longest = np.abs(design @ step).max()
        weights += step * min(1.0, STRIDE / max(longest, 1e-12))
    return weights[1:]
