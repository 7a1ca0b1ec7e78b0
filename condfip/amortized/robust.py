"""Noise that is not normal: what each row's noise is like is found in turn with the process.

Heavy tails are scale mixtures of normals, as in `line`; noise in two parts is a mixture of two
normals, whose rows are told their part (variational Bayes; Attias, "Inferring parameters and
structure of latent variable models by variational Bayes", UAI 1999). Letters as in `kernel`.
"""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from bench.scm.kernel import kernel
from bench.scm.process import Exact
from condfip.amortized.fit import Solution, pieces, solved, solved_by
from condfip.amortized.kernel import Hyper
from condfip.amortized.shape import CERTAIN, evidence, parts_of, variances_of

ROUNDS = 3


@dataclass(frozen=True)
class Shape:
    """The noise of G nodes.

    Attributes:
        told: chances of kinds with one part, [G, K - 1]. parted: whether it has two, [G].
    """

    told: Tensor
    parted: Tensor

    @classmethod
    def of(cls, gap: Tensor, cavity: Tensor) -> tuple[Tensor, Self]:
        """Places of the nodes whose noise is not normal, and its shapes.

        Args:
            gap: left-out residuals [G, N]. cavity: variance of F in them [G, N].
        """
        chances = torch.softmax(evidence(gap, cavity), 1)
        places = (chances[:, 0] <= CERTAIN).nonzero().flatten()
        chances = chances[places]
        told = chances[:, :-1] / chances[:, :-1].sum(1, keepdim=True)
        return places, cls(told, chances[:, -1] > CERTAIN)

    def __getitem__(self, nodes: slice) -> Self:
        """Those of some nodes."""
        return type(self)(self.told[nodes], self.parted[nodes])

    def __call__(self, rest: Tensor, spread: Tensor) -> tuple[Tensor, Tensor]:
        """Noise variance and expected noise of each row, [G, N] each.

        Args:
            rest: residuals [G, N]. spread: variance of F in them [G, N].
        """
        variance, expected = variances_of(rest, spread, self.told), torch.zeros_like(rest)
        if self.parted.any():
            both = parts_of(rest[self.parted], spread[self.parted])
            variance[self.parted], expected[self.parted] = both
        return variance, expected


def settled(hyper: Hyper, x: Tensor, y: Tensor, found: Solution) -> tuple[Hyper, Solution]:
    """Hyper-parameters in which the noise of every row is told, and what follows from them.

    Args:
        hyper: of each node. x: parents [G, N, P]. y: child [G, N]. found: the solution after the
            first rows, as many as it has.

    Returns:
        For all rows, and the solution after the first ones.
    """
    hyper = hyper.over(x.shape[1])
    places, shape = Shape.of(found.gap, found.cavity)
    if not len(places):
        return hyper, found
    few, told, some = slice(0, found.gap.shape[1]), hyper[places], found[places]
    x, y = x[places], y[places]
    first = told.of_rows(few), x[:, few], y[:, few]
    turns = ((first[0][g], first[1][g], first[2][g], shape[g], some[g]) for g in pieces(first[1]))
    some = Solution.join([_turns(*of_nodes) for of_nodes in turns])
    rest, spread = _everywhere(told, x, y, some)
    told = _alike(told, rest, *shape(rest, spread))
    last = solved(told.of_rows(few), *first[1:])
    some = replace(last, gap=some.gap, cavity=some.cavity)  # left out with the rows' own weights
    return hyper.replaced(places, told), found.replaced(places, some)


def _turns(hyper: Hyper, x: Tensor, y: Tensor, shape: Shape, found: Solution) -> Solution:
    """F and the noise of each row in turn, for nodes whose kernels are made once."""
    covariance = kernel(hyper.kernel, x, x).total
    for _ in range(ROUNDS):
        found = solved_by(_with(hyper, *shape(found.rest, found.spread)), covariance, y)
    return found


def _with(hyper: Hyper, variance: Tensor, expected: Tensor) -> Hyper:
    """With noise of such variances and expectations, [G, N] each."""
    level = variance.log().mean(1)
    stretch, shift = variance.log() - level[:, None], expected / (0.5 * level[:, None]).exp()
    return replace(hyper, noise=level, stretch=stretch, shift=shift)


def _alike(hyper: Hyper, rest: Tensor, variance: Tensor, expected: Tensor) -> Hyper:
    """With noise of one variance, one over the information that a row has of F on average.

    Each row expects a noise of its own with which F stays the same: the working response of
    iteratively reweighted least squares. Rows that weigh much by chance would make F too sure.
    """
    slope = (rest - expected) / variance
    least = 1 / slope.square().mean(1, keepdim=True)
    return _with(hyper, least.expand_as(rest), rest - least * slope)


def _everywhere(hyper: Hyper, x: Tensor, y: Tensor, some: Solution) -> tuple[Tensor, Tensor]:
    """The child less F, and F's variance, of all rows, by a process that knows the first ones."""
    known = some.rest.shape[1]
    if known == x.shape[1]:
        return some.rest, some.spread
    rest = [some.rest, y[:, known:].clone()]
    for g in range(len(x)):
        process = Exact.of(hyper[g : g + 1].kernel, x[g, :known], some.rest[g], some.dual[g])
        rest[1][g] -= process.mean(x[g, known:])
    spread = some.spread.mean(1, keepdim=True).expand_as(rest[1])
    return torch.cat(rest, 1), torch.cat([some.spread, spread], 1)
