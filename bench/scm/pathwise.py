"""Functions drawn from the posterior of a Gaussian process.

Pathwise: a draw from the prior, moved by what the data say about it (Wilson et al., "Efficiently
sampling functions from Gaussian process posteriors", ICML 2020, equation 9). Letters: N rows,
M query rows, P parents, R random features, S scales.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bench.scm.kernel import CONSTANT
from bench.scm.many_rows import Committee
from bench.scm.process import Exact, Induced, Process, features

FEATURES = 256  # of each scale's prior, Rahimi and Recht 2007


@dataclass(frozen=True)
class Kernel:
    """constant + sum_j linear_j x_j x'_j + sum_s a_s exp(-|(x - x') inverse_s|^2 / 2).

    Attributes:
        constant: variance.
        linear: variances [P].
        smooth: (a, inverse lengths [P]) of each scale.
    """

    constant: float
    linear: Tensor
    smooth: Sequence[tuple[float, Tensor]]

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """Between rows [M, P] and [N, P]: [M, N]."""
        total = torch.addmm(x.new_tensor(self.constant), x * self.linear, y.mT)
        for amplitude, inverse in self.smooth:
            a, b = x * inverse, y * inverse
            squares = a.square().sum(1, keepdim=True) + b.square().sum(1)
            distance = torch.addmm(squares, a, b.mT, alpha=-2).clamp_(min=0)
            total.add_(distance.mul_(-0.5).exp_(), alpha=amplitude)
        return total


class Path:
    """One function of a Gaussian process's posterior.

    Args:
        kernel: prior. x: parents [N, P]. y: child [N]. noise: its variance [N] or one number.
        root: Cholesky factor of the covariance of y, [N, N]. rng: of the draw.
        level: a number that is added to the function.
    """

    def __init__(
        self,
        kernel: Kernel,
        x: Tensor,
        y: Tensor,
        noise: Tensor | float,
        root: Tensor,
        rng: np.random.Generator,
        level: Tensor | float = 0.0,
    ) -> None:
        self.kernel, self.x, self.level = kernel, x, level

        def normal(*shape: int) -> Tensor:
            return torch.from_numpy(rng.standard_normal(shape)).to(x)

        self.offset = kernel.constant**0.5 * normal(1)
        self.slope = kernel.linear.sqrt() * normal(x.shape[1])
        self.waves = []
        for amplitude, inverse in kernel.smooth:
            frequency = inverse[:, None] * normal(x.shape[1], FEATURES)
            phase = 2 * torch.pi * torch.from_numpy(rng.random(FEATURES)).to(x)
            self.waves.append(
                (frequency, phase, (2 * amplitude / FEATURES) ** 0.5 * normal(FEATURES))
            )
        noise = torch.as_tensor(noise).to(x)
        gap = y - self._prior(x) - noise.sqrt() * normal(len(x))
        self.dual = torch.cholesky_solve(gap[:, None], root).squeeze(1)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Rows [M, P] -> [M]."""
        here = torch.from_numpy(x).to(self.x)
        value = self._prior(here) + self.kernel(here, self.x) @ self.dual + self.level
        return value.cpu().numpy()

    def _prior(self, x: Tensor) -> Tensor:
        value = self.offset + x @ self.slope
        for frequency, phase, weight in self.waves:
            value = value + (x @ frequency + phase).cos_() @ weight
        return value


def drawn(process: Process, rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """How one function of a process's posterior deviates from its mean: parents [M, P] -> [M].

    A committee deviates as its cautious member does, so rather too much than too little.
    """
    if isinstance(process, Induced):
        normal = torch.from_numpy(rng.standard_normal(len(process.outer))).to(process.outer)
        moved = torch.linalg.solve_triangular(process.outer.T, normal[:, None], upper=True)[:, 0]

        def deviation(x: np.ndarray) -> np.ndarray:
            here = torch.from_numpy(x).to(process.rows)
            return (features(process.hyper, here, process.rows, process.inner) @ moved).numpy()

        return deviation
    exact = process.cautious if isinstance(process, Committee) else process
    assert isinstance(exact, Exact)
    return _path_of(exact, rng)


def _path_of(exact: Exact, rng: np.random.Generator) -> Path:
    hyper, inverse = exact.hyper, exact.hyper.inverse[0, 0]
    smooth = [(float(a), inverse * 2**s) for s, a in enumerate(hyper.amplitude[0].exp())]
    for j, variance in hyper.audible().items():
        alone = torch.zeros_like(inverse)
        alone[j] = inverse[j]
        smooth.append((float(variance[0]), alone))
    kernel = Kernel(CONSTANT, hyper.linear[0].exp(), smooth)
    nothing = torch.zeros_like(exact.noise)
    return Path(kernel, exact.rows, nothing, exact.noise, exact.root, rng)
