"""Gaussian-process mechanisms: exact, hyper-parameters by marginal likelihood, nodes in batches.

On the random-feature SCMs of the Lorch prior this is within some per cent of the Bayes floor; none
of the comparisons published with Cond-FiP has it. Letters: G nodes of a batch, N rows, P parents
(padded with zero columns), Q hyper-parameters.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from bench.method import AdditiveMethod
from bench.scm.pathwise import Kernel, Path
from bench.standardised import PerNode, padded_parents
from bench.task import Dataset

CONSTANT = 1.0  # variance of the constant term, in units of the child's variance
JITTER = 1e-11  # of the mean variance: noise can be smaller than a factorisation resolves
SCREENING_ROWS = 200
MOST_ROWS = 10_000
SCREENING_STEPS, FINAL_STEPS = 25, 25
CPU_NUMBERS = 2**19  # kernel entries held at once on a processor; more leave its cache
DEVICE_NUMBERS = 2**27

# log-normal priors on amplitude, linear and noise variance, and on the lengths: (centre, spread)
PRIOR = ((0.3, 3.0), (0.3, 3.0), (0.05, 3.0))
LENGTH_PRIOR = (4.0, 1.2)
STARTS = ((0.7, 0.1), (3.0, 0.02), (10.0, 0.02))  # (length, noise variance)


class GaussianProcess(AdditiveMethod):
    """Linear + squared-exponential + noise, a length for each parent (Rasmussen, Williams 2006).

    Log hyper-parameters maximise the marginal likelihood (section 5.4.1) under weak normal priors.
    Starts are compared on at most 200 rows; the better one is refined on all rows.
    """

    version = "1"
    default = True
    fewest_rows = 5

    def skip(self, dataset: Dataset) -> str | None:
        """See `AdditiveMethod`; and kernels hold N x N numbers, many times."""
        if len(dataset.rows) > MOST_ROWS:
            return f"more than {MOST_ROWS:,} rows: an exact Gaussian process holds N x N numbers"
        return super().skip(dataset)

    def _learn(self, z: np.ndarray, parents: list[np.ndarray], seed: int) -> "Posteriors":
        rows = torch.from_numpy(z).to(self.device)
        nodes = sorted((j for j, p in enumerate(parents) if len(p)), key=lambda j: len(parents[j]))
        shuffle = np.random.default_rng(seed).permutation(len(z))[:SCREENING_ROWS]
        budget = CPU_NUMBERS if rows.device.type == "cpu" else DEVICE_NUMBERS
        size = max(1, budget // len(z) ** 2)
        fitted = {}
        for start in range(0, len(nodes), size):
            group = nodes[start : start + size]
            x = torch.from_numpy(padded_parents(z, [parents[j] for j in group])).to(rows)
            y = rows[:, group].T
            theta = maximise(x, y, torch.from_numpy(shuffle).to(rows.device))
            fitted.update(zip(group, _posteriors(x, y, theta, parents, group), strict=True))
        return Posteriors(parents, fitted, z.shape[1])


class Posteriors:
    """Posterior means of F; `noise_scale` is each node's noise standard deviation."""

    def __init__(self, parents: list[np.ndarray], nodes: dict[int, "Posterior"], d: int) -> None:
        self.parents, self.nodes, self.d = parents, nodes, d
        self.noise_scale = np.array([nodes[j].noise if j in nodes else 1.0 for j in range(d)])

    def __call__(self, z: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
        """F of `nodes` at z [N, D]."""
        return np.column_stack([self.nodes[j](z[:, self.parents[j]]) for j in nodes])

    def relearn(self, z: np.ndarray) -> "Posteriors":
        """Those of other rows [N, D], hyper-parameters kept."""
        rows = torch.from_numpy(z)
        nodes = {j: p.relearn(rows[:, self.parents[j]], rows[:, j]) for j, p in self.nodes.items()}
        return Posteriors(self.parents, nodes, self.d)

    def draw(self, rng: np.random.Generator) -> PerNode:
        """Functions from the posteriors of all nodes; hyper-parameters stay."""
        drawn = [self.nodes[j].draw(rng) if j in self.nodes else None for j in range(self.d)]
        return PerNode(self.parents, drawn)


class Posterior:
    """One node: kernel with the training rows times the dual weights."""

    def __init__(self, x: Tensor, y: Tensor, theta: Tensor, dual: Tensor) -> None:
        p = x.shape[1]
        self.y, self.theta = y, theta[: 3 + p]
        amplitude, linear, noise = theta[:3].exp().tolist()
        self.inverse_length = (-theta[3 : 3 + p]).exp()
        self.rows, self.dual, self.amplitude = x * self.inverse_length, dual, amplitude
        self.weights, self.constant = linear * (x.T @ dual), CONSTANT * dual.sum()
        self.noise = noise**0.5

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """F at parents x [N, P]."""
        here = torch.from_numpy(x).to(self.rows)
        distance = _distance(here * self.inverse_length, self.rows)
        smooth = self.amplitude * (-0.5 * distance).exp_() @ self.dual
        return (smooth + here @ self.weights + self.constant).cpu().numpy()

    def draw(self, rng: np.random.Generator) -> Path:
        """A function of the posterior."""
        amplitude, linear, noise = self.theta[:3].exp().tolist()
        smooth, x = [(amplitude, self.inverse_length)], self.rows / self.inverse_length
        line = torch.full_like(self.inverse_length, linear)
        return Path(Kernel(CONSTANT, line, smooth), x, self.y, noise, self._root, rng)

    def relearn(self, x: Tensor, y: Tensor) -> "Posterior":
        """That of other rows, parents [N, P] and child [N]."""
        x, y = x.to(self.rows), y.to(self.rows)
        root = torch.linalg.cholesky(_kernels(x[None], self.theta[None])[0])[0]
        return Posterior(x, y, self.theta, torch.cholesky_solve(y[:, None], root).squeeze(1))

    @cached_property
    def _root(self) -> Tensor:
        x = self.rows / self.inverse_length
        return torch.linalg.cholesky(_kernels(x[None], self.theta[None])[0])[0]


def _posteriors(
    x: Tensor, y: Tensor, theta: Tensor, parents: list[np.ndarray], group: list[int]
) -> list[Posterior]:
    covariance = _kernels(x, theta)[0]
    dual = torch.cholesky_solve(y[:, :, None], torch.linalg.cholesky(covariance)).squeeze(2)
    return [
        Posterior(x[g, :, : len(parents[j])], y[g], theta[g], dual[g]) for g, j in enumerate(group)
    ]


def _distance(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances of rows [..., N, P] and [..., M, P]."""
    squares = x.square().sum(-1, keepdim=True) + y.square().sum(-1)[..., None, :]
    return (
        torch.baddbmm(squares, x, y.mT, alpha=-2).clamp_(min=0)
        if x.dim() == 3
        else (torch.addmm(squares, x, y.mT, alpha=-2).clamp_(min=0))
    )


def _kernels(x: Tensor, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Covariance of y, its smooth part, and the scaled parents: [G, N, N], [G, N, N], [G, N, P]."""
    amplitude, linear, noise = theta[:, :3, None, None].exp().unbind(1)
    scaled = x * (-theta[:, None, 3:]).exp()
    smooth = _distance(scaled, scaled).mul_(-0.5).exp_().mul_(amplitude)
    covariance = torch.baddbmm(smooth, linear * x, x.mT).add_(CONSTANT)
    diagonal = covariance.diagonal(dim1=1, dim2=2)
    diagonal.add_(noise[:, :, 0] + JITTER * diagonal.mean(1, keepdim=True))
    return covariance, smooth, scaled


def objective(x: Tensor, y: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
    """Negative log posterior of log hyper-parameters and its gradient.

    Args:
        x: parents [G, N, P]. y: child [G, N].
        theta: logs of amplitude, linear and noise variance, and lengths, [G, 3 + P].

    Returns:
        Values [G] (infinite where the covariance is not positive definite), gradients [G, 3 + P].
    """
    covariance, smooth, scaled = _kernels(x, theta)
    root, failed = torch.linalg.cholesky_ex(covariance)
    inverse = torch.cholesky_inverse(root)
    dual = inverse @ y[:, :, None]
    logdet = root.diagonal(dim1=1, dim2=2).log().sum(1)
    value = 0.5 * (y[:, None, :] @ dual).flatten() + logdet
    slope = torch.baddbmm(inverse, dual, dual.mT, alpha=-1).mul_(0.5)  # d value / d covariance
    linear = theta[:, 1].exp() * ((slope @ x) * x).sum((1, 2))
    noise = theta[:, 2].exp() * slope.diagonal(dim1=1, dim2=2).sum(1)
    weighted = slope.mul_(smooth)
    spread = weighted.sum(2, keepdim=True) * scaled.square() - scaled * (weighted @ scaled)
    gradient = torch.stack([weighted.sum((1, 2)), linear, noise], 1)
    gradient = torch.cat([gradient, 2 * spread.sum(1)], 1)
    prior, pull = _prior(theta)
    value = torch.where(failed == 0, value + prior, torch.inf)
    return torch.where(value.isnan(), torch.inf, value), gradient + pull


def _prior(theta: Tensor) -> tuple[Tensor, Tensor]:
    centres, spreads = zip(*PRIOR, *[LENGTH_PRIOR] * (theta.shape[1] - 3), strict=True)
    offset = (theta - theta.new_tensor(centres).log()) / theta.new_tensor(spreads)
    return 0.5 * offset.square().sum(1), offset / theta.new_tensor(spreads)


def maximise(x: Tensor, y: Tensor, screening: Tensor) -> Tensor:
    """The best log hyper-parameters [G, 3 + P] from several starts."""
    few_x, few_y = x[:, screening], y[:, screening]
    tried = [bfgs(few_x, few_y, _start(x, *start), SCREENING_STEPS) for start in STARTS]
    values = torch.stack([value for _, value in tried])
    thetas = torch.stack([theta for theta, _ in tried])
    best = thetas[values.argmin(0), torch.arange(len(x), device=x.device)]
    return bfgs(x, y, best, FINAL_STEPS)[0]


def _start(x: Tensor, length: float, noise: float) -> Tensor:
    theta = x.new_tensor([0.5, 0.5, noise] + [length] * x.shape[2]).log()
    return theta.expand(len(x), -1)


def bfgs(x: Tensor, y: Tensor, theta: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Minimises `objective` for each node of a batch (Nocedal and Wright 2006, algorithm 6.1).

    Every node has its own inverse Hessian and step length; finished nodes leave the batch.

    Returns:
        theta [G, Q] and values [G].
    """
    theta, (value, gradient) = theta.clone(), objective(x, y, theta)
    eye = torch.eye(theta.shape[1], dtype=x.dtype, device=x.device)
    hessian = eye.expand(len(x), -1, -1) * (1 / gradient.norm(dim=1).clamp(min=1))[:, None, None]
    active = torch.arange(len(x), device=x.device)
    for _ in range(steps):
        before = value[active], gradient[active]
        step = -(hessian[active] @ before[1][:, :, None]).squeeze(2)
        step = step / (step.abs().amax(1, keepdim=True) / 2).clamp(min=1)  # at most e^2 at a time
        moved, new_value, new_gradient = _search(x[active], y[active], theta[active], step, *before)
        hessian[active] = _update(hessian[active], moved, new_gradient - before[1], eye)
        theta[active] += moved
        value[active], gradient[active] = new_value, new_gradient
        active = active[before[0] - new_value > TOLERANCE]
        if not len(active):
            break
    return theta, value


TOLERANCE = 0.02  # nats of log posterior gained in a step
HALVINGS = 5


def _search(
    x: Tensor, y: Tensor, theta: Tensor, step: Tensor, value: Tensor, gradient: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Backtracks each node's step until it gains enough: the step taken, values, gradients."""
    taken, value, gradient = torch.zeros_like(step), value.clone(), gradient.clone()
    slope = (step * gradient).sum(1)
    open_, scale, start = torch.arange(len(x), device=x.device), 1.0, value.clone()
    for _ in range(HALVINGS):
        trial, new_gradient = objective(x[open_], y[open_], theta[open_] + scale * step[open_])
        good = trial <= start[open_] + 1e-4 * scale * slope[open_]
        done = open_[good]
        taken[done], value[done] = scale * step[done], trial[good]
        gradient[done] = new_gradient[good]
        open_, scale = open_[~good], scale / 3
        if not len(open_):
            break
    return taken, value, gradient


def _update(hessian: Tensor, s: Tensor, y: Tensor, eye: Tensor) -> Tensor:
    """The BFGS update of the inverse Hessian where the curvature is positive (equation 6.17)."""
    curvature = (s * y).sum(1)[:, None, None]
    rho = 1 / curvature.clamp(min=1e-10)
    left = eye - rho * s[:, :, None] * y[:, None, :]
    updated = left @ hessian @ left.mT + rho * s[:, :, None] * s[:, None, :]
    return torch.where(curvature > 1e-10, updated, hessian)
