"""The Bayes floor: the posterior mean of every F_i under the prior its SCM was drawn from.

Given the true noise variance and the true second moments of F it is the best linear predictor of F
(Rasmussen and Williams 2006, section 2.2): for linear mechanisms ridge regression with the prior's
second moments, for random features the Gaussian process they approximate, with the node's true
length and output scale. Non-Gaussian noise and shared features leave room below it.
"""

from collections.abc import Sequence

import numpy as np
import torch

from bench.scm.batched import BatchedSCM
from bench.scm.mechanisms import Draw, Linear, RandomFeatures


class Floor:
    """F of a batch-of-one `scm` as its context [N, D] and its prior `draw` tell it.

    Called with (x [N, D], nodes), answers the posterior means [N, len(nodes)].
    """

    def __init__(self, scm: BatchedSCM, draw: Draw, context: np.ndarray) -> None:
        self.noise_variance = scm.noise_model.variance[0].double().numpy()
        adjacency = scm.adjacency[0].numpy()
        self.parents = [np.flatnonzero(column) for column in adjacency.T]
        posterior = POSTERIORS[type(scm.mechanism)]
        self.nodes = [
            posterior(scm.mechanism, draw, j, context[:, pa], context[:, j], self.noise_variance[j])
            for j, pa in enumerate(self.parents)
        ]

    def __call__(self, x: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
        """Posterior means of F of `nodes`."""
        return np.column_stack([self.nodes[j](x[:, self.parents[j]]) for j in nodes])


class LinearPosterior:
    """Weights and bias given the data; as one least-squares problem, which forms no products."""

    def __init__(
        self, _: Linear, draw: Draw, node: int, x: np.ndarray, y: np.ndarray, variance: float
    ) -> None:
        p = x.shape[1]
        moments = np.r_[np.full(p, draw.ranges.weight_moment()), draw.ranges.bias_moment()]
        design = np.column_stack([x, np.ones(len(x))]) / variance**0.5
        prior = np.diag(1 / (draw.stretch * np.sqrt(moments)))
        targets = np.r_[y / variance**0.5, np.zeros(p + 1)]
        self.weights = np.linalg.lstsq(np.vstack([design, prior]), targets, rcond=None)[0]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """F at parents x [N, P]."""
        return x @ self.weights[:-1] + self.weights[-1]


class KernelPosterior:
    """A Gaussian process with the node's own length and scale, plus the bias's second moment."""

    def __init__(
        self,
        truth: RandomFeatures,
        draw: Draw,
        node: int,
        x: np.ndarray,
        y: np.ndarray,
        variance: float,
    ) -> None:
        self.x, self.length = x, float(truth.length[node])
        self.variance = float(truth.scale[node]) ** 2
        self.bias = draw.stretch**2 * draw.ranges.bias_moment()
        noisy = torch.from_numpy(self._kernel(x) + variance * np.eye(len(x)))
        dual = torch.cholesky_solve(torch.from_numpy(y)[:, None], torch.linalg.cholesky(noisy))
        self.dual = dual[:, 0].numpy()

    def _kernel(self, x: np.ndarray) -> np.ndarray:
        if x.shape[1] == 0:
            return np.full((len(x), len(self.x)), self.variance + self.bias)
        here, there = (torch.from_numpy(a / self.length) for a in (x, self.x))
        distance = torch.cdist(here, there, compute_mode="donot_use_mm_for_euclid_dist").numpy()
        return self.variance * np.exp(-(distance**2) / 2) + self.bias

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """F at parents x [N, P]."""
        return self._kernel(x) @ self.dual


POSTERIORS = {Linear: LinearPosterior, RandomFeatures: KernelPosterior}
