"""Tests of independence of numbers [N, K], and what a smooth regression leaves of some."""

from functools import cached_property

import numpy as np

FEATURES = 100  # random ones, of a kernel
LENGTHS = (0.5, 1.0, 2.0)  # of the kernel, in roots of the number of parents
RIDGES = np.logspace(-3, 3, 13)


class Kernel:
    """A Gaussian kernel between rows, its width their median distance.

    Args:
        x: [N] or [N, K].
    """

    def __init__(self, x: np.ndarray) -> None:
        from scipy.spatial.distance import pdist, squareform

        x = x.reshape(len(x), -1)
        spread = x.std(0)
        distances = pdist(
            np.divide(x, spread, out=np.zeros_like(x), where=spread > 0), "sqeuclidean"
        )
        width = np.median(distances[distances > 0]) if (distances > 0).any() else 1.0
        self.values = squareform(np.exp(-distances / width)) + np.eye(len(x))

    @cached_property
    def centred(self) -> np.ndarray:
        """The kernel with rows and columns shifted to mean 0, [N, N]."""
        k = self.values
        return k - k.mean(0) - k.mean(0)[:, None] + k.mean()

    @cached_property
    def mean(self) -> float:
        """The mean of the kernel over pairs of different rows."""
        n = len(self.values)
        return float((self.values.sum() - n) / (n * (n - 1)))


def hsic(a: Kernel, b: Kernel) -> float:
    """The p-value of independence by the Hilbert-Schmidt criterion, its null taken as a gamma.

    Source:
        Gretton et al., "A kernel statistical test of independence", NeurIPS 2007.
    """
    from scipy.stats import gamma

    n = len(a.values)
    product = a.centred * b.centred
    statistic = product.sum() / n
    square = np.square(product / 6)
    variance = (square.sum() - np.trace(square)) / (n * (n - 1))
    variance *= 72 * (n - 4) * (n - 5) / (n * (n - 1) * (n - 2) * (n - 3))
    mean = (1 + a.mean * b.mean - a.mean - b.mean) / n
    if not (mean > 0 and variance > 0):  # one of them is constant
        return 1.0
    return float(gamma.sf(statistic, mean**2 / variance, scale=variance * n / mean))


def growth(noise: np.ndarray, parent: np.ndarray, missed: float = 0.0) -> float:
    """The p-value of noise [N] whose size does not change along a parent [N].

    The correlation of normal scores: of ranks alone, so that few rows decide nothing, and near the
    score test of Breusch and Pagan where noise and parent are normal. What a fit to one half
    misses of the other is made of the noise of the first, so that products of the two are the same
    in both halves, and count twice in the variance.

    Args:
        noise: of two halves, what a fit to the other one leaves. parent: its rows.
        missed: share of the variance of `noise` that is not noise.

    Source:
        Klotz, "Nonparametric tests for scale", Annals of Mathematical Statistics 1962.
    """
    from scipy.stats import norm, pearsonr, rankdata

    size, n = np.abs(noise - np.median(noise)), len(noise) + 1
    if np.ptp(size) == 0 or np.ptp(parent) == 0:
        return 1.0
    square = np.square(norm.ppf((1 + rankdata(size) / n) / 2))
    p = pearsonr(square, norm.ppf(rankdata(parent) / n)).pvalue
    return float(2 * norm.sf(norm.isf(p / 2) / (1 + 2 * missed) ** 0.5)) if missed else float(p)


def covariance(a: np.ndarray, b: np.ndarray) -> float:
    """The p-value of no covariance of what regressions left, [N] each.

    Source:
        The generalised covariance measure: Shah and Peters, "The hardness of conditional
        independence testing and the generalised covariance measure", Annals of Statistics 2020.
    """
    from scipy.stats import norm

    product = a * b
    spread = product.std()
    if spread == 0:
        return 1.0
    return float(2 * norm.sf(len(a) ** 0.5 * abs(product.mean()) / spread))


def smooth_residuals(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """What a ridge over lines and random features of x leaves of each row, that row left out.

    Width and ridge are, for each target, those that leave the least.

    Args:
        x: [N, P], P may be 0. y: targets, [N, T].
    """
    n = len(y)
    y = y - y.mean(0)
    left = y * n / (n - 1)
    spread = x.std(0)
    x = (x - x.mean(0))[:, spread > 0] / spread[spread > 0]
    if not x.shape[1]:
        return left
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((x.shape[1], FEATURES))
    phases = rng.uniform(0, 2 * np.pi, FEATURES)
    best = np.square(left).mean(0)
    for length in LENGTHS:
        waves = np.cos(x @ directions / (length * x.shape[1] ** 0.5) + phases)
        design = np.column_stack([x, waves * (2 / FEATURES) ** 0.5])
        design -= design.mean(0)
        squares, axes = np.linalg.eigh(design.T @ design)  # cheaper than singular values
        along = design @ axes
        told = along.T @ y
        for ridge in RIDGES:
            share = 1 / (squares.clip(0) + ridge)
            leverage = np.square(along) @ share + 1 / n
            trial = (y - along @ (share[:, None] * told)) / (1 - leverage).clip(1e-6)[:, None]
            error = np.square(trial).mean(0)
            better = error < best
            left[:, better], best[better] = trial[:, better], error[better]
    return left
