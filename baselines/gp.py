"""Gaussian-process mechanisms: exact, hyper-parameters by marginal likelihood, nodes in batches.

On the random-feature SCMs of the Lorch prior this is within some per cent of the floor, the
posterior mean under the true prior; none of the comparisons published with Cond-FiP has it.
Letters: G nodes of a batch, N rows, P parents (padded with zero columns), Q hyper-parameters.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from bench.method import AdditiveMethod
from bench.scm.kernel import CONSTANT, Kernel, squared_distance
from bench.scm.many_rows import EXACT_ROWS, solve_any, some_rows
from bench.scm.pathwise import drawn
from bench.scm.process import pieces
from bench.scm.support import Continued, checked
from bench.standardised import PerNode, padded_parents

JITTER = 1e-11  # of the mean variance: noise can be smaller than a factorisation resolves
SCREENING_ROWS = 200
FITTED_ROWS = 768  # that hyper-parameters are refined on where not all rows are
CPU_NUMBERS = 2**19  # kernel entries held at once on a processor; more leave its cache
DEVICE_NUMBERS = 2**27

# log-normal priors on amplitude, linear and noise variance, and on the lengths: (centre, spread)
PRIOR = ((0.3, 3.0), (0.3, 3.0), (0.05, 3.0))
LENGTH_PRIOR = (4.0, 1.2)
STARTS = ((0.7, 0.1), (3.0, 0.02), (10.0, 0.02))  # (length, noise variance)


class GaussianProcess(AdditiveMethod):
    """Linear + squared-exponential + noise, a length for each parent (Rasmussen, Williams 2006).

    Log hyper-parameters maximise the marginal likelihood (section 5.4.1) under weak normal priors.
    Starts are compared on at most 200 rows; the better one is refined on all rows, or on some where
    there are more than `bench.scm.many_rows.EXACT_ROWS`; all rows then count in the posterior.

    Args:
        device: where to compute, e.g. "cpu" or "cuda".
        continuation: "line" for mechanisms that go straight on beyond the context where they are
            nearly lines within it (`bench.scm.support.Continued`); None for the process alone.
    """

    version = "1"
    default = True
    fewest_rows = 5
    steps = 25, 25  # on the few rows, and on all

    def __init__(self, device: str = "cpu", continuation: str | None = None) -> None:
        super().__init__(device)
        self.continued = checked(continuation)

    def _learn(
        self, z: np.ndarray, parents: list[np.ndarray], seed: int
    ) -> "Posteriors | Continued":
        fitted = self._posteriors(z, parents, seed)
        return Continued(fitted, z, parents) if self.continued else fitted

    def _posteriors(self, z: np.ndarray, parents: list[np.ndarray], seed: int) -> "Posteriors":
        rows = torch.from_numpy(z).to(self.device)
        nodes = sorted((j for j, p in enumerate(parents) if len(p)), key=lambda j: len(parents[j]))
        few = np.random.default_rng(seed).permutation(len(z))[:SCREENING_ROWS]
        most = len(z) if len(z) <= EXACT_ROWS else FITTED_ROWS
        used = slice(None) if most == len(z) else some_rows(len(z), most).to(rows.device)
        budget = CPU_NUMBERS if rows.device.type == "cpu" else DEVICE_NUMBERS
        fitted: dict[int, Posterior] = {}
        for part in pieces(len(nodes), max(1, budget // most**2)):
            group = nodes[part]
            x = torch.from_numpy(padded_parents(z, [parents[j] for j in group])).to(rows)
            y = rows[:, group].T
            screening = x[:, few], y[:, few]
            theta = maximise(*screening, x[:, used], y[:, used], self.steps)
            fitted |= {
                j: Posterior(x[g, :, : len(parents[j])], y[g], theta[g])
                for g, j in enumerate(group)
            }
        return Posteriors(parents, fitted, z.shape[1])


class GaussianProcessFast(GaussianProcess):
    """The same in a few steps: nearly its error in less than half its time."""

    steps = 5, 5


class Posteriors:
    """Posterior means of F; `noise_scale` is each node's noise standard deviation."""

    def __init__(self, parents: list[np.ndarray], nodes: dict[int, "Posterior"], d: int) -> None:
        self.parents, self.nodes, self.d = parents, nodes, d
        self.noise_scale = np.array([nodes[j].noise if j in nodes else 1.0 for j in range(d)])

    def __call__(self, z: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
        """F of `nodes` at z [N, D]."""
        return np.column_stack([self.nodes[j](z[:, self.parents[j]]) for j in nodes])

    def deviation(self, z: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
        """Posterior standard deviations of F of `nodes` at z [N, D]."""
        return np.column_stack([self.nodes[j].deviation(z[:, self.parents[j]]) for j in nodes])

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
    """One node: its process after rows x [N, P] and y [N], log hyper-parameters theta [3 + P]."""

    def __init__(self, x: Tensor, y: Tensor, theta: Tensor) -> None:
        p = x.shape[1]
        self.theta = theta[: 3 + p]
        amplitude, linear, noise = theta[:3].unbind()
        hyper = Kernel(amplitude.view(1, 1), theta[None, 3 : 3 + p], linear.expand(1, p))
        self.noise = float(noise.exp()) ** 0.5
        self.process = solve_any(hyper, x, y, noise.exp().expand(len(x)))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """F at parents x [N, P]."""
        return self.process.mean(torch.from_numpy(x).to(self.process.rows)).cpu().numpy()

    def deviation(self, x: np.ndarray) -> np.ndarray:
        """Standard deviation of F at parents x [N, P]."""
        rows = torch.from_numpy(x).to(self.process.rows)
        return self.process.variance(rows).sqrt().cpu().numpy()

    def draw(self, rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
        """Draws a function from the posterior."""
        deviation = drawn(self.process, rng)
        return lambda x: self(x) + deviation(x)

    def relearn(self, x: Tensor, y: Tensor) -> "Posterior":
        """Conditions the same process on other rows, parents [N, P] and child [N]."""
        return Posterior(x.to(self.theta), y.to(self.theta), self.theta)


def _kernels(x: Tensor, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Covariance of y, its smooth part, and the scaled parents: [G, N, N], [G, N, N], [G, N, P]."""
    amplitude, linear, noise = theta[:, :3, None, None].exp().unbind(1)
    scaled = x * (-theta[:, None, 3:]).exp()
    smooth = squared_distance(scaled, scaled).mul_(-0.5).exp_().mul_(amplitude)
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


def maximise(few_x: Tensor, few_y: Tensor, x: Tensor, y: Tensor, steps: tuple[int, int]) -> Tensor:
    """The best log hyper-parameters [G, 3 + P] from several starts: few rows first, then x, y."""
    tried = [bfgs(few_x, few_y, _start(x, *start), steps[0]) for start in STARTS]
    values = torch.stack([value for _, value in tried])
    thetas = torch.stack([theta for theta, _ in tried])
    best = thetas[values.argmin(0), torch.arange(len(x), device=x.device)]
    return bfgs(x, y, best, steps[1])[0]


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
